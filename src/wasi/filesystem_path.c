// SPDX-License-Identifier: Apache-2.0
// Paths of guests. The kernel keeps them beneath their directory (openat2(2), RESOLVE_BENEATH);
// nothing is checked first and used later.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "wasi/filesystem.h"

static int check_path(struct str path)
{
    if (path.len == 0)
        return -ENOENT;
    if (path.data[0] == '/')
        return -EPERM;
    if (path.len > FS_PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    return memchr(path.data, 0, path.len) ? -EINVAL : 0;
}

static int open_beneath(int dir, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? 0666 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0; tries < FS_RESOLVE_TRIES_MAX; tries++) {
        long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            break;
    }
    // EXDEV: the path leads out of the directory.
    return errno == EXDEV ? -EPERM : -errno;
}

int fs_open_beneath(const struct fs_node *dir, struct str path, uint64_t flags)
{
    if (!S_ISDIR(dir->format))
        return -ENOTDIR;
    int rc = check_path(path);
    if (rc < 0)
        return rc;
    char text[FS_PATH_BYTES_MAX + 1];
    memcpy(text, path.data, path.len);
    text[path.len] = 0;
    return open_beneath(dir->file->fd, text, flags);
}

// A directory entry itself is not resolved by the calls that make or remove it, except "..", which
// must not be beyond the directory either.
static int check_name(const struct fs_node *dir, struct str name, struct str path)
{
    if (!str_is(name, ".."))
        return 0;
    int fd = fs_open_beneath(dir, path, O_PATH);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int fs_entry_find(const struct fs_node *dir, struct str path, struct fs_entry *entry)
{
    entry->dir = -1;
    entry->owned = false;
    if (!S_ISDIR(dir->format))
        return -ENOTDIR;
    int rc = check_path(path);
    if (rc < 0)
        return rc;
    size_t end = path.len;
    while (end > 0 && path.data[end - 1] == '/')
        end--;
    ssize_t slash = str_rfind_char(str_sub(path, 0, end), '/');
    struct str name = str_sub(path, (size_t)(slash + 1), end - (size_t)(slash + 1));
    rc = check_name(dir, name, path);
    if (rc < 0)
        return rc;
    memcpy(entry->name, name.data, name.len);
    if (end < path.len)
        entry->name[name.len++] = '/';
    entry->name[name.len] = 0;
    if (slash < 0) {
        entry->dir = dir->file->fd;
        return 0;
    }
    int fd = fs_open_beneath(dir, str_sub(path, 0, (size_t)slash), O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    entry->dir = fd;
    entry->owned = true;
    return 0;
}

void fs_entry_done(struct fs_entry *entry)
{
    if (entry->owned)
        close(entry->dir);
    entry->owned = false;
}

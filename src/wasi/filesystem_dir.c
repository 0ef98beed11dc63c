// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem: operations on paths.
#include <fcntl.h>

#include "base/utf8.h"
#include "wasi/filesystem.h"

#define FLAG_ANY_SYNC (FS_FILE_SYNC | FS_DATA_SYNC | FS_READ_SYNC)

static uint64_t follow_flag(uint8_t path_flags)
{
    return path_flags & FS_SYMLINK_FOLLOW ? 0 : O_NOFOLLOW;
}

// ---- open-at ------------------------------------------------------------------------------------

static uint64_t access_flags(uint8_t flags)
{
    static const struct {
        uint8_t flag;
        uint64_t flags;
    } syncs[] = {
        {FS_FILE_SYNC, O_SYNC},
        {FS_DATA_SYNC, O_DSYNC},
        {FS_READ_SYNC, O_RSYNC},
    };
    uint64_t out = O_RDONLY;
    if (flags & FS_WRITE)
        out = flags & FS_READ ? O_RDWR : O_WRONLY;
    for (size_t i = 0; i < ARRAY_LEN(syncs); i++)
        if (flags & syncs[i].flag)
            out |= syncs[i].flags;
    return out;
}

static uint64_t creation_flags(uint8_t open_flags)
{
    static const struct {
        uint8_t flag;
        uint64_t flags;
    } map[] = {
        {FS_CREATE, O_CREAT},
        {FS_DIRECTORY, O_DIRECTORY},
        {FS_EXCLUSIVE, O_EXCL},
        {FS_TRUNCATE, O_TRUNC},
    };
    uint64_t out = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (open_flags & map[i].flag)
            out |= map[i].flags;
    return out & O_CREAT ? out : out & ~(uint64_t)O_EXCL;
}

static int check_open(const struct fs_node *self, uint8_t open_flags, uint8_t flags)
{
    uint8_t changes = FS_CREATE | FS_TRUNCATE;
    if ((open_flags & FS_DIRECTORY) && (open_flags & (changes | FS_EXCLUSIVE)))
        return -EINVAL;
    bool mutates = (flags & (FS_WRITE | FS_MUTATE_DIRECTORY)) || (open_flags & changes);
    return mutates && !self->may_mutate ? -EROFS : 0;
}

// What the guest sees of a descriptor's rights.
static uint8_t visible_flags(mode_t mode, uint8_t flags, bool may_mutate)
{
    if (!S_ISDIR(mode))
        return flags & (FS_READ | FS_WRITE | FLAG_ANY_SYNC);
    return (uint8_t)((flags & FLAG_ANY_SYNC) | FS_READ | (may_mutate ? FS_MUTATE_DIRECTORY : 0));
}

// A symbolic link that is not followed is no directory for O_NOFOLLOW | O_DIRECTORY; the guest
// learns, as for a file, that it is a link.
static bool is_unfollowed_link(const struct fs_node *self, struct str path, uint64_t flags)
{
    if ((flags & (O_NOFOLLOW | O_DIRECTORY)) != (O_NOFOLLOW | O_DIRECTORY))
        return false;
    struct stat st;
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | O_NOFOLLOW);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

static int open_node(const struct fs_node *self, struct str path, uint64_t flags)
{
    // Non-blocking, since opening a pipe would wait for its other end.
    int fd = fs_open_beneath(self, path, flags | O_NONBLOCK | O_NOCTTY);
    return fd == -ENOTDIR && is_unfollowed_link(self, path, flags) ? -ELOOP : fd;
}

int fs_open_at(const struct fs_node *self, uint8_t path_flags, struct str path, uint8_t open_flags,
               uint8_t flags, struct fs_node *out)
{
    int rc = check_open(self, open_flags, flags);
    if (rc < 0)
        return rc;
    if (fs_is_full(self->wasi))
        return -EMFILE;
    // What makes or empties a file writes it; without flags it is read as well (wasi-testsuite).
    if (open_flags & (FS_CREATE | FS_TRUNCATE))
        flags |= (uint8_t)(FS_WRITE | (flags & (FS_READ | FS_WRITE) ? 0 : FS_READ));
    _cleanup_(fd_closep) int fd = open_node(
        self, path, access_flags(flags) | creation_flags(open_flags) | follow_flag(path_flags));
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) && !(flags & (FS_READ | FS_WRITE)))
        flags |= FS_READ;
    *out = (struct fs_node){
        .file = fs_file_new(self->wasi, fd),
        .wasi = self->wasi,
        .format = st.st_mode & S_IFMT,
        .flags = visible_flags(st.st_mode, flags, self->may_mutate),
        .may_mutate = self->may_mutate,
    };
    fd = -1;
    return 0;
}

// ---- looking ------------------------------------------------------------------------------------

int fs_stat_at(const struct fs_node *self, uint8_t path_flags, struct str path, struct stat *st)
{
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | follow_flag(path_flags));
    return fd < 0 ? fd : fs_failed(fstat(fd, st));
}

int fs_readlink_at(const struct fs_node *self, struct str path, struct arena *arena,
                   struct str *out)
{
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISLNK(st.st_mode))
        return -EINVAL;
    char text[FS_PATH_BYTES_MAX + 1];
    ssize_t len = readlinkat(fd, "", text, sizeof(text));
    if (len < 0)
        return -errno;
    if ((size_t)len == sizeof(text))
        return -ENAMETOOLONG;
    struct str target = str_of(text, (size_t)len);
    if (str_starts(target, STR("/")))
        return -EPERM;
    if (!utf8_valid(target))
        return -EILSEQ;
    *out = arena_str(arena, target);
    return 0;
}

// ---- changing -----------------------------------------------------------------------------------

// Finds an entry of a directory that may be changed.
static int find_mutable(const struct fs_node *dir, struct str path, struct fs_entry *entry)
{
    entry->owned = false;
    return dir->may_mutate ? fs_entry_find(dir, path, entry) : -EROFS;
}

int fs_set_times_at(const struct fs_node *self, uint8_t path_flags, struct str path,
                    const struct timespec times[2])
{
    if (!self->may_mutate)
        return -EROFS;
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | follow_flag(path_flags));
    return fd < 0 ? fd : fs_failed(utimensat(fd, "", times, AT_EMPTY_PATH));
}

int fs_create_directory_at(const struct fs_node *self, struct str path)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, path, &entry);
    return rc < 0 ? rc : fs_failed(mkdirat(entry.dir, entry.name, 0777));
}

int fs_remove_directory_at(const struct fs_node *self, struct str path)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, path, &entry);
    if (rc == 0 && (strcmp(entry.name, "..") == 0 || strcmp(entry.name, "../") == 0))
        rc = -EINVAL; // as for "."; the kernel says that it is not empty
    return rc < 0 ? rc : fs_failed(unlinkat(entry.dir, entry.name, AT_REMOVEDIR));
}

int fs_unlink_file_at(const struct fs_node *self, struct str path)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, path, &entry);
    return rc < 0 ? rc : fs_failed(unlinkat(entry.dir, entry.name, 0));
}

int fs_rename_at(const struct fs_node *self, struct str old_path, const struct fs_node *new_dir,
                 struct str new_path)
{
    _cleanup_(fs_entry_done) struct fs_entry old;
    _cleanup_(fs_entry_done) struct fs_entry new;
    new.owned = false;
    int rc = find_mutable(self, old_path, &old);
    if (rc == 0)
        rc = find_mutable(new_dir, new_path, &new);
    if (rc == 0)
        rc = fs_failed(renameat(old.dir, old.name, new.dir, new.name));
    return rc;
}

int fs_symlink_at(const struct fs_node *self, struct str old_path, struct str new_path)
{
    if (old_path.len > FS_PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    if (str_starts(old_path, STR("/")))
        return -EPERM;
    if (str_find_char(old_path, 0) >= 0)
        return -EINVAL;
    char target[FS_PATH_BYTES_MAX + 1];
    memcpy(target, old_path.data, old_path.len);
    target[old_path.len] = 0;
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, new_path, &entry);
    return rc < 0 ? rc : fs_failed(symlinkat(target, entry.dir, entry.name));
}

// Links what the path leads to, found once, so that nothing can be put in its place meanwhile.
static int link_at(const struct fs_node *self, uint8_t path_flags, struct str old_path,
                   const struct fs_entry *new)
{
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, old_path, O_PATH | follow_flag(path_flags));
    if (fd < 0)
        return fd;
    char from[32];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    return fs_failed(linkat(AT_FDCWD, from, new->dir, new->name, AT_SYMLINK_FOLLOW));
}

int fs_link_at(const struct fs_node *self, uint8_t old_path_flags, struct str old_path,
               const struct fs_node *new_dir, struct str new_path)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(new_dir, new_path, &entry);
    // A second name in a writable place would undo that the first is read-only.
    if (rc == 0 && !self->may_mutate)
        rc = -EROFS;
    return rc < 0 ? rc : link_at(self, old_path_flags, old_path, &entry);
}

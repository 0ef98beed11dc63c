// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem: operations on an open file or directory.
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>

#include "base/digest.h"
#include "base/utf8.h"
#include "wasi/filesystem.h"

static bool is_dir(const struct fs_node *self)
{
    return S_ISDIR(self->format);
}

// ---- reading and writing ------------------------------------------------------------------------

ssize_t fs_read(const struct fs_node *self, uint64_t length, uint64_t offset, struct arena *arena,
                struct str *out)
{
    if (is_dir(self))
        return -EISDIR;
    if (!(self->flags & FS_READ))
        return -EBADF;
    if (offset > INT64_MAX)
        return -EINVAL;
    size_t max = (size_t)MIN(length, FS_READ_BYTES_MAX);
    char *data = arena_try_alloc(arena, max);
    if (!data)
        return -ENOMEM;
    ssize_t got;
    do
        got = pread(self->file->fd, data, max, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    *out = str_of(data, (size_t)got);
    return got;
}

ssize_t fs_write(const struct fs_node *self, struct str data, uint64_t offset)
{
    if (is_dir(self) || !(self->flags & FS_WRITE))
        return -EBADF;
    if (offset > INT64_MAX)
        return -EINVAL;
    size_t len = MIN(data.len, FS_WRITE_BYTES_MAX);
    ssize_t put;
    do
        put = pwrite(self->file->fd, data.data, len, (off_t)offset);
    while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

int fs_advise(const struct fs_node *self, uint64_t offset, uint64_t length, unsigned advice)
{
    static const int advices[] = {
        POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
        POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE,
    };
    static_assert(ARRAY_LEN(advices) == FS_ADVICE_COUNT, "an entry per advice");
    if (advice >= FS_ADVICE_COUNT)
        return -EINVAL;
    if (is_dir(self))
        return -EBADF;
    if (offset > INT64_MAX || length > INT64_MAX)
        return -EINVAL;
    return -posix_fadvise(self->file->fd, (off_t)offset, (off_t)length, advices[advice]);
}

int fs_set_size(const struct fs_node *self, uint64_t size)
{
    if (is_dir(self))
        return -EBADF;
    if (!self->may_mutate)
        return -EROFS;
    if (size > INT64_MAX)
        return -EFBIG;
    return fs_failed(ftruncate(self->file->fd, (off_t)size));
}

// Descriptors of preopens name a directory only (O_PATH); what needs an open one opens it again.
static int open_again(const struct fs_node *self)
{
    int fd = openat(self->file->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int sync_with(const struct fs_node *self, int (*sync_fd)(int fd))
{
    if (!is_dir(self))
        return self->flags & FS_WRITE ? fs_failed(sync_fd(self->file->fd)) : 0;
    if (!self->may_mutate)
        return 0;
    _cleanup_(fd_closep) int fd = open_again(self);
    return fd < 0 ? fd : fs_failed(sync_fd(fd));
}

int fs_sync_data(const struct fs_node *self)
{
    return sync_with(self, fdatasync);
}

int fs_sync(const struct fs_node *self)
{
    return sync_with(self, fsync);
}

// ---- metadata -----------------------------------------------------------------------------------

int fs_stat(const struct fs_node *self, struct stat *out)
{
    return fs_failed(fstat(self->file->fd, out));
}

int fs_set_times(const struct fs_node *self, const struct timespec times[2])
{
    if (!self->may_mutate)
        return -EROFS;
    return fs_failed(utimensat(self->file->fd, "", times, AT_EMPTY_PATH));
}

bool fs_is_same_object(const struct fs_node *self, const struct fs_node *other)
{
    struct stat a, b;
    return fstat(self->file->fd, &a) == 0 && fstat(other->file->fd, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void fs_metadata_hash(const struct stat *st, uint64_t out[2])
{
    uint64_t fields[] = {
        (uint64_t)st->st_dev,         (uint64_t)st->st_ino,          (uint64_t)st->st_size,
        (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
    };
    struct sha256 digest = sha256_of(str_of((const char *)fields, sizeof(fields)));
    memcpy(out, digest.bytes, 2 * sizeof(out[0]));
}

// ---- directory entries --------------------------------------------------------------------------

struct fs_listing {
    struct wasi *wasi;
    DIR *dir;
};

int fs_listing_open(const struct fs_node *self, struct fs_listing **out)
{
    if (!is_dir(self))
        return -ENOTDIR;
    if (fs_is_full(self->wasi))
        return -EMFILE;
    int fd = open_again(self);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    self->wasi->descriptor_count++;
    *out = mem_new(struct fs_listing);
    **out = (struct fs_listing){self->wasi, dir};
    return 0;
}

void fs_listing_close(struct fs_listing *listing)
{
    listing->wasi->descriptor_count--;
    closedir(listing->dir);
    free(listing);
}

// An entry whose name is not UTF-8 cannot be told to the guest, nor opened by it: it is left out.
static bool is_visible(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return !str_is(name, ".") && !str_is(name, "..") && utf8_valid(name);
}

static mode_t entry_format(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return (mode_t)DTTOIF(entry->d_type);
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return st.st_mode & S_IFMT;
}

int fs_listing_next(struct fs_listing *listing, mode_t *format, struct str *name)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(listing->dir);
    } while (entry && !is_visible(entry));
    if (!entry)
        return -errno;
    *format = entry_format(listing->dir, entry);
    *name = str_from(entry->d_name);
    return 1;
}

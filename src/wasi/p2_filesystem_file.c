// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2: operations on an open file or directory.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/utf8.h"
#include "wasi/p2_filesystem.h"

#define FLAG(name) P2_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name

static int answer(int rc, struct p2_result_void_filesystem_types_error_code *ret)
{
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    return 0;
}

static int failed(int rc)
{
    return rc < 0 ? -errno : 0;
}

static bool is_dir(const struct p2_filesystem_types_descriptor *self)
{
    return self->type == P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY;
}

// ---- reading and writing ------------------------------------------------------------------------

static ssize_t read_file(struct canon_call *call, struct p2_filesystem_types_descriptor *self,
                         uint64_t length, uint64_t offset, struct str *out)
{
    if (is_dir(self))
        return -EISDIR;
    if (!(self->flags & FLAG(READ)))
        return -EBADF;
    if (offset > INT64_MAX)
        return -EINVAL;
    size_t max = (size_t)MIN(length, FS_READ_BYTES_MAX);
    char *data = arena_try_alloc(call->arena, max);
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

int p2_filesystem_types_descriptor_read(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint64_t length,
    uint64_t offset, struct p2_result_tuple_bytes_bool_filesystem_types_error_code *ret)
{
    struct str data = STR_EMPTY;
    ssize_t rc = read_file(call, self, length, offset, &data);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code((int)rc);
    else
        ret->ok = (struct p2_tuple_bytes_bool){data, data.len == 0};
    return 0;
}

static ssize_t write_file(struct p2_filesystem_types_descriptor *self, struct str data,
                          uint64_t offset)
{
    if (is_dir(self))
        return -EISDIR;
    if (!(self->flags & FLAG(WRITE)))
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

int p2_filesystem_types_descriptor_write(struct canon_call *call,
                                         struct p2_filesystem_types_descriptor *self,
                                         struct str buffer, uint64_t offset,
                                         struct p2_result_u64_filesystem_types_error_code *ret)
{
    ssize_t rc = write_file(self, buffer, offset);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code((int)rc);
    else
        ret->ok = (uint64_t)rc;
    return 0;
}

int p2_filesystem_types_descriptor_advise(struct canon_call *call,
                                          struct p2_filesystem_types_descriptor *self,
                                          uint64_t offset, uint64_t length,
                                          enum p2_filesystem_types_advice advice,
                                          struct p2_result_void_filesystem_types_error_code *ret)
{
    static const int advices[] = {
        [P2_FILESYSTEM_TYPES_ADVICE_NORMAL] = POSIX_FADV_NORMAL,
        [P2_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
        [P2_FILESYSTEM_TYPES_ADVICE_RANDOM] = POSIX_FADV_RANDOM,
        [P2_FILESYSTEM_TYPES_ADVICE_WILL_NEED] = POSIX_FADV_WILLNEED,
        [P2_FILESYSTEM_TYPES_ADVICE_DONT_NEED] = POSIX_FADV_DONTNEED,
        [P2_FILESYSTEM_TYPES_ADVICE_NO_REUSE] = POSIX_FADV_NOREUSE,
    };
    if (is_dir(self))
        return answer(-EBADF, ret);
    if (offset > INT64_MAX || length > INT64_MAX)
        return answer(-EINVAL, ret);
    return answer(-posix_fadvise(self->file->fd, (off_t)offset, (off_t)length, advices[advice]),
                  ret);
}

int p2_filesystem_types_descriptor_set_size(struct canon_call *call,
                                            struct p2_filesystem_types_descriptor *self,
                                            uint64_t size,
                                            struct p2_result_void_filesystem_types_error_code *ret)
{
    if (is_dir(self))
        return answer(-EISDIR, ret);
    if (!self->may_mutate)
        return answer(-EROFS, ret);
    if (size > INT64_MAX)
        return answer(-EFBIG, ret);
    return answer(failed(ftruncate(self->file->fd, (off_t)size)), ret);
}

// Descriptors of preopens name a directory only (O_PATH); what needs an open one opens it again.
static int open_again(const struct p2_filesystem_types_descriptor *self)
{
    int fd = openat(self->file->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int sync_with(struct p2_filesystem_types_descriptor *self, int (*sync_fd)(int fd))
{
    if (!is_dir(self))
        return self->flags & FLAG(WRITE) ? failed(sync_fd(self->file->fd)) : 0;
    if (!self->may_mutate)
        return 0;
    _cleanup_(fd_closep) int fd = open_again(self);
    return fd < 0 ? fd : failed(sync_fd(fd));
}

int p2_filesystem_types_descriptor_sync_data(struct canon_call *call,
                                             struct p2_filesystem_types_descriptor *self,
                                             struct p2_result_void_filesystem_types_error_code *ret)
{
    return answer(sync_with(self, fdatasync), ret);
}

int p2_filesystem_types_descriptor_sync(struct canon_call *call,
                                        struct p2_filesystem_types_descriptor *self,
                                        struct p2_result_void_filesystem_types_error_code *ret)
{
    return answer(sync_with(self, fsync), ret);
}

// ---- metadata -----------------------------------------------------------------------------------

int p2_filesystem_types_descriptor_stat(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_filesystem_types_descriptor_stat_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = failed(fstat(self->file->fd, &st));
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    else
        fs_stat_fill(&st, &ret->ok);
    return 0;
}

int p2_filesystem_types_descriptor_metadata_hash(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_filesystem_types_metadata_hash_value_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = failed(fstat(self->file->fd, &st));
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    else
        fs_metadata_hash(&st, &ret->ok);
    return 0;
}

int p2_filesystem_types_descriptor_is_same_object(struct canon_call *call,
                                                  struct p2_filesystem_types_descriptor *self,
                                                  struct p2_filesystem_types_descriptor *other,
                                                  bool *ret)
{
    struct stat a, b;
    *ret = fstat(self->file->fd, &a) == 0 && fstat(other->file->fd, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    return 0;
}

int p2_filesystem_types_descriptor_set_times(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    const struct p2_filesystem_types_new_timestamp *data_access_timestamp,
    const struct p2_filesystem_types_new_timestamp *data_modification_timestamp,
    struct p2_result_void_filesystem_types_error_code *ret)
{
    if (!self->may_mutate)
        return answer(-EROFS, ret);
    struct timespec times[2];
    int rc = fs_times(data_access_timestamp, data_modification_timestamp, times);
    return answer(rc < 0 ? rc : failed(utimensat(self->file->fd, "", times, AT_EMPTY_PATH)), ret);
}

// ---- directory entries --------------------------------------------------------------------------

struct p2_filesystem_types_directory_entry_stream {
    struct wasi *wasi;
    DIR *dir;
};

static int read_directory(struct p2_filesystem_types_descriptor *self,
                          struct p2_filesystem_types_directory_entry_stream **out)
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
    *out = mem_new(struct p2_filesystem_types_directory_entry_stream);
    **out = (struct p2_filesystem_types_directory_entry_stream){self->wasi, dir};
    return 0;
}

int p2_filesystem_types_descriptor_read_directory(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_filesystem_types_directory_entry_stream_filesystem_types_error_code *ret)
{
    int rc = read_directory(self, &ret->ok);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    return 0;
}

int p2_filesystem_types_directory_entry_stream_drop(
    struct canon_call *call, struct p2_filesystem_types_directory_entry_stream *self)
{
    self->wasi->descriptor_count--;
    closedir(self->dir);
    free(self);
    return 0;
}

// An entry whose name is not UTF-8 cannot be told to the guest, nor opened by it: it is left out.
static bool is_visible(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return !str_is(name, ".") && !str_is(name, "..") && utf8_valid(name);
}

static enum p2_filesystem_types_descriptor_type entry_type(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return fs_type_of_mode(DTTOIF(entry->d_type));
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_UNKNOWN;
    return fs_type_of_mode(st.st_mode);
}

int p2_filesystem_types_directory_entry_stream_read_directory_entry(
    struct canon_call *call, struct p2_filesystem_types_directory_entry_stream *self,
    struct p2_result_option_filesystem_types_directory_entry_filesystem_types_error_code *ret)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(self->dir);
    } while (entry && !is_visible(entry));
    ret->is_err = !entry && errno != 0;
    if (ret->is_err)
        ret->err = fs_error_code(-errno);
    if (!entry)
        return 0;
    ret->ok = (struct p2_option_filesystem_types_directory_entry){
        .is_some = true,
        .some = {.type = entry_type(self->dir, entry),
                 .name = arena_str(call->arena, str_from(entry->d_name))},
    };
    return 0;
}

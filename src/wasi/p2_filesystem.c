// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2: preopens, descriptors as such, error codes.
#include "wasi/p2_filesystem.h"

#include <errno.h>

#include "base/digest.h"

#define CODE(name) P2_FILESYSTEM_TYPES_ERROR_CODE_##name
#define TYPE(name) P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_##name
#define FLAG(name) P2_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name

// ---- error codes --------------------------------------------------------------------------------

// Codes of wasi:filesystem by errno. It has none for "too many open files".
static const struct {
    int number;
    enum p2_filesystem_types_error_code code;
} error_codes[] = {
    {EACCES, CODE(ACCESS)},
    {EAGAIN, CODE(WOULD_BLOCK)},
    {EALREADY, CODE(ALREADY)},
    {EBADF, CODE(BAD_DESCRIPTOR)},
    {EBUSY, CODE(BUSY)},
    {EDEADLK, CODE(DEADLOCK)},
    {EDQUOT, CODE(QUOTA)},
    {EEXIST, CODE(EXIST)},
    {EFBIG, CODE(FILE_TOO_LARGE)},
    {EILSEQ, CODE(ILLEGAL_BYTE_SEQUENCE)},
    {EINPROGRESS, CODE(IN_PROGRESS)},
    {EINTR, CODE(INTERRUPTED)},
    {EINVAL, CODE(INVALID)},
    {EIO, CODE(IO)},
    {EISDIR, CODE(IS_DIRECTORY)},
    {ELOOP, CODE(LOOP)},
    {EMLINK, CODE(TOO_MANY_LINKS)},
    {EMSGSIZE, CODE(MESSAGE_SIZE)},
    {ENAMETOOLONG, CODE(NAME_TOO_LONG)},
    {ENODEV, CODE(NO_DEVICE)},
    {ENOENT, CODE(NO_ENTRY)},
    {ENOLCK, CODE(NO_LOCK)},
    {ENOMEM, CODE(INSUFFICIENT_MEMORY)},
    {EMFILE, CODE(INSUFFICIENT_MEMORY)},
    {ENFILE, CODE(INSUFFICIENT_MEMORY)},
    {ENOBUFS, CODE(INSUFFICIENT_MEMORY)},
    {ENOSPC, CODE(INSUFFICIENT_SPACE)},
    {ENOTDIR, CODE(NOT_DIRECTORY)},
    {ENOTEMPTY, CODE(NOT_EMPTY)},
    {ENOTRECOVERABLE, CODE(NOT_RECOVERABLE)},
    {ENOTSUP, CODE(UNSUPPORTED)},
    {ENOSYS, CODE(UNSUPPORTED)},
    {ENOTTY, CODE(NO_TTY)},
    {ENXIO, CODE(NO_SUCH_DEVICE)},
    {EOVERFLOW, CODE(OVERFLOW)},
    {EPERM, CODE(NOT_PERMITTED)},
    {EPIPE, CODE(PIPE)},
    {EROFS, CODE(READ_ONLY)},
    {ESPIPE, CODE(INVALID_SEEK)},
    {ETXTBSY, CODE(TEXT_FILE_BUSY)},
    {EXDEV, CODE(CROSS_DEVICE)},
};

enum p2_filesystem_types_error_code fs_error_code(int rc)
{
    for (size_t i = 0; i < ARRAY_LEN(error_codes); i++)
        if (error_codes[i].number == -rc)
            return error_codes[i].code;
    return CODE(IO);
}

int p2_filesystem_types_filesystem_error_code(struct canon_call *call,
                                              struct p2_io_error_error *err,
                                              struct p2_option_filesystem_types_error_code *ret)
{
    ret->is_some = err->code < 0 && err->http_code < 0;
    if (ret->is_some)
        ret->some = fs_error_code(err->code);
    return 0;
}

// ---- files and descriptors ----------------------------------------------------------------------

bool fs_is_full(const struct wasi *wasi)
{
    return wasi->descriptor_count >= WASI_DESCRIPTORS_MAX;
}

struct fs_file *fs_file_new(struct wasi *wasi, int fd)
{
    struct fs_file *file = mem_new(struct fs_file);
    *file = (struct fs_file){1, fd, wasi};
    if (wasi)
        wasi->descriptor_count++;
    return file;
}

struct fs_file *fs_file_ref(struct fs_file *file)
{
    file->refs++;
    return file;
}

void fs_file_unref(struct fs_file *file)
{
    if (--file->refs > 0)
        return;
    if (file->wasi) {
        file->wasi->descriptor_count--;
        close(file->fd);
    }
    free(file);
}

struct p2_filesystem_types_descriptor *fs_descriptor_new(struct wasi *wasi, struct fs_file *file,
                                                         mode_t mode, uint8_t flags,
                                                         bool may_mutate)
{
    struct p2_filesystem_types_descriptor *descriptor =
        mem_new(struct p2_filesystem_types_descriptor);
    *descriptor = (struct p2_filesystem_types_descriptor){
        .file = file,
        .wasi = wasi,
        .type = fs_type_of_mode(mode),
        .flags = flags,
        .may_mutate = may_mutate,
    };
    return descriptor;
}

int p2_filesystem_types_descriptor_drop(struct canon_call *call,
                                        struct p2_filesystem_types_descriptor *self)
{
    fs_file_unref(self->file);
    free(self);
    return 0;
}

int p2_filesystem_types_descriptor_get_flags(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_filesystem_types_descriptor_flags_filesystem_types_error_code *ret)
{
    ret->ok = self->flags;
    return 0;
}

int p2_filesystem_types_descriptor_get_type(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_filesystem_types_descriptor_type_filesystem_types_error_code *ret)
{
    ret->ok = self->type;
    return 0;
}

// ---- metadata -----------------------------------------------------------------------------------

enum p2_filesystem_types_descriptor_type fs_type_of_mode(mode_t mode)
{
    static const struct {
        mode_t format;
        enum p2_filesystem_types_descriptor_type type;
    } types[] = {
        {S_IFREG, TYPE(REGULAR_FILE)},  {S_IFDIR, TYPE(DIRECTORY)},
        {S_IFLNK, TYPE(SYMBOLIC_LINK)}, {S_IFCHR, TYPE(CHARACTER_DEVICE)},
        {S_IFBLK, TYPE(BLOCK_DEVICE)},  {S_IFIFO, TYPE(FIFO)},
        {S_IFSOCK, TYPE(SOCKET)},
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if ((mode & S_IFMT) == types[i].format)
            return types[i].type;
    return TYPE(UNKNOWN);
}

// None for a time before 1970, which `datetime` cannot say.
static struct p2_option_clocks_wall_clock_datetime datetime_of(struct timespec time)
{
    if (time.tv_sec < 0)
        return (struct p2_option_clocks_wall_clock_datetime){0};
    return (struct p2_option_clocks_wall_clock_datetime){
        true, {(uint64_t)time.tv_sec, (uint32_t)time.tv_nsec}};
}

void fs_stat_fill(const struct stat *st, struct p2_filesystem_types_descriptor_stat *out)
{
    *out = (struct p2_filesystem_types_descriptor_stat){
        .type = fs_type_of_mode(st->st_mode),
        .link_count = (uint64_t)st->st_nlink,
        .size = (uint64_t)st->st_size,
        .data_access_timestamp = datetime_of(st->st_atim),
        .data_modification_timestamp = datetime_of(st->st_mtim),
        .status_change_timestamp = datetime_of(st->st_ctim),
    };
}

void fs_metadata_hash(const struct stat *st, struct p2_filesystem_types_metadata_hash_value *out)
{
    uint64_t fields[] = {
        (uint64_t)st->st_dev,         (uint64_t)st->st_ino,          (uint64_t)st->st_size,
        (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
    };
    struct sha256 digest = sha256_of(str_of((const char *)fields, sizeof(fields)));
    memcpy(&out->lower, digest.bytes, sizeof(out->lower));
    memcpy(&out->upper, digest.bytes + sizeof(out->lower), sizeof(out->upper));
}

static int time_of(const struct p2_filesystem_types_new_timestamp *from, struct timespec *out)
{
    switch (from->tag) {
    case P2_FILESYSTEM_TYPES_NEW_TIMESTAMP_NO_CHANGE:
        *out = (struct timespec){0, UTIME_OMIT};
        return 0;
    case P2_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW:
        *out = (struct timespec){0, UTIME_NOW};
        return 0;
    case P2_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP:
        if (from->timestamp.nanoseconds > 999999999)
            return -EINVAL;
        if (from->timestamp.seconds > INT64_MAX)
            return -EOVERFLOW;
        *out = (struct timespec){(time_t)from->timestamp.seconds, from->timestamp.nanoseconds};
        return 0;
    }
    return -EINVAL;
}

int fs_times(const struct p2_filesystem_types_new_timestamp *access,
             const struct p2_filesystem_types_new_timestamp *modification, struct timespec out[2])
{
    int rc = time_of(access, &out[0]);
    return rc < 0 ? rc : time_of(modification, &out[1]);
}

// ---- wasi:filesystem/preopens -------------------------------------------------------------------

int p2_filesystem_preopens_get_directories(
    struct canon_call *call, struct p2_list_tuple_filesystem_types_descriptor_string *ret)
{
    struct wasi *wasi = wasi_of(call);
    const struct wasi_config *config = wasi->config;
    struct p2_tuple_filesystem_types_descriptor_string *pairs = arena_new_array(
        call->arena, struct p2_tuple_filesystem_types_descriptor_string, config->preopen_count);
    for (size_t i = 0; i < config->preopen_count; i++) {
        const struct wasi_preopen *preopen = &config->preopens[i];
        uint8_t flags = FLAG(READ) | (preopen->read_only ? 0 : FLAG(MUTATE_DIRECTORY));
        pairs[i].f0 = fs_descriptor_new(wasi, fs_file_new(NULL, preopen->fd), S_IFDIR, flags,
                                        !preopen->read_only);
        pairs[i].f1 = preopen->guest_path;
    }
    *ret = (struct p2_list_tuple_filesystem_types_descriptor_string){pairs, config->preopen_count};
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2: error codes and types.
#include "wasi/p2_filesystem.h"

#define CODE(name) P2_FILESYSTEM_TYPES_ERROR_CODE_##name
#define TYPE(name) P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_##name

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

enum p2_filesystem_types_error_code p2_fs_error(int rc)
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
        ret->some = p2_fs_error(err->code);
    return 0;
}

enum p2_filesystem_types_descriptor_type p2_fs_type(mode_t mode)
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

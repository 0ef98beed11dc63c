// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILE_READ_BYTES  ((size_t)64 * 1024)
#define FILE_LARGE_BYTES ((size_t)4 * 1024 * 1024)

// One fault for 2 MiB instead of 512 of them, where the system has large pages.
static void use_large_pages(const struct buf *content)
{
    if (content->cap < FILE_LARGE_BYTES)
        return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)content->data + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)content->data + content->cap) & ~(page - 1);
    madvise((void *)start, end - start, MADV_HUGEPAGE); // a hint
}

int file_read_fd(int fd, const char *path, struct buf *content, struct error *err)
{
    for (;;) {
        if (content->len == content->cap && buf_reserve(content, FILE_READ_BYTES) < 0 &&
            buf_reserve(content, 1) < 0)
            return error_set(err, -EFBIG, "%s is larger than the limit of %zu bytes", path,
                             content->max);
        ssize_t got = read(fd, content->data + content->len, content->cap - content->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, -errno, "read %s", path);
        if (got == 0)
            return 0;
        content->len += (size_t)got;
    }
}

int file_read(const char *path, struct buf *content, struct error *err)
{
    struct stat info;
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set_errno(err, -errno, "open %s", path);
    if (S_ISDIR(info.st_mode))
        return error_set(err, -EISDIR, "%s is a folder, not a file", path);
    // One byte more than it holds, so that the end is found without growing.
    if (S_ISREG(info.st_mode) && (size_t)info.st_size < content->max &&
        buf_reserve(content, (size_t)info.st_size + 1) < 0)
        return error_set(err, -EFBIG, "%s is larger than the limit of %zu bytes", path,
                         content->max);
    use_large_pages(content);
    return file_read_fd(fd, path, content, err);
}

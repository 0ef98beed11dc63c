// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem: byte streams over files. Each has its own offset; files are always ready.
#include <errno.h>
#include <sys/uio.h>

#include "wasi/filesystem.h"

// A longer write would hold the thread up.
#define FILE_WRITE_BYTES ((size_t)256 * 1024)

static int check_open_for(const struct fs_node *self, uint8_t flag, uint64_t offset)
{
    // As read(2) and write(2) say it of a directory.
    if (S_ISDIR(self->format))
        return flag == FS_READ ? -EISDIR : -EBADF;
    if (!(self->flags & flag))
        return -EBADF;
    return offset > INT64_MAX ? -EINVAL : 0;
}

// ---- reading ------------------------------------------------------------------------------------

struct file_input {
    struct p2_io_streams_input_stream base;
    struct fs_file *file;
    uint64_t offset;
    char *data; // what was peeked, until it is consumed
};

static struct file_input *input_of(struct p2_io_streams_input_stream *stream)
{
    return container_of(stream, struct file_input, base);
}

static ssize_t read_here(struct file_input *input, char *data, size_t max,
                         struct p2_io_error_error **failure)
{
    ssize_t got;
    do
        got = pread(input->file->fd, data, max, (off_t)input->offset);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    *failure = io_error_new(-errno, "read file: %s", strerror(errno));
    return -EIO;
}

static ssize_t file_peek(struct p2_io_streams_input_stream *stream, size_t max, struct str *out,
                         struct p2_io_error_error **failure)
{
    struct file_input *input = input_of(stream);
    if (!input->data)
        input->data = mem_alloc(WASI_STREAM_MOVE_BYTES);
    ssize_t got = read_here(input, input->data, MIN(max, WASI_STREAM_MOVE_BYTES), failure);
    *out = str_of(input->data, got > 0 ? (size_t)got : 0);
    return got;
}

static void file_consume(struct p2_io_streams_input_stream *stream, size_t len)
{
    struct file_input *input = input_of(stream);
    input->offset += len;
    free(TAKE(input->data)); // a guest may have very many streams
}

static ssize_t file_read(struct p2_io_streams_input_stream *stream, char *data, size_t max,
                         struct p2_io_error_error **failure)
{
    struct file_input *input = input_of(stream);
    ssize_t got = read_here(input, data, max, failure);
    input->offset += got > 0 ? (uint64_t)got : 0;
    return got;
}

static bool file_ready(struct p2_io_streams_input_stream *stream)
{
    return true;
}

static void file_input_drop(struct p2_io_streams_input_stream *stream)
{
    struct file_input *input = input_of(stream);
    fs_file_unref(input->file);
    free(input->data);
    free(input);
}

static const struct input_stream_ops file_input_ops = {
    .peek = file_peek,
    .consume = file_consume,
    .read = file_read,
    .ready = file_ready,
    .drop = file_input_drop,
};

int fs_input_stream(const struct fs_node *self, uint64_t offset,
                    struct p2_io_streams_input_stream **out)
{
    int rc = check_open_for(self, FS_READ, offset);
    if (rc < 0)
        return rc;
    struct file_input *input = mem_new(struct file_input);
    input_stream_init(&input->base, &file_input_ops, NULL);
    input->file = fs_file_ref(self->file);
    input->offset = offset;
    *out = &input->base;
    return 0;
}

// ---- writing ------------------------------------------------------------------------------------

struct file_output {
    struct p2_io_streams_output_stream base;
    struct fs_file *file;
    bool append;
    uint64_t offset; // unless appending
};

static struct file_output *output_of(struct p2_io_streams_output_stream *stream)
{
    return container_of(stream, struct file_output, base);
}

static ssize_t file_budget(struct p2_io_streams_output_stream *stream,
                           struct p2_io_error_error **failure)
{
    return (ssize_t)FILE_WRITE_BYTES;
}

static ssize_t write_here(struct file_output *output, struct str data)
{
    struct iovec part = {(void *)data.data, data.len};
    if (output->append)
        return pwritev2(output->file->fd, &part, 1, 0, RWF_APPEND);
    if (output->offset > INT64_MAX) {
        errno = EFBIG;
        return -1;
    }
    return pwrite(output->file->fd, data.data, data.len, (off_t)output->offset);
}

static int file_write(struct p2_io_streams_output_stream *stream, struct str data,
                      struct p2_io_error_error **failure)
{
    struct file_output *output = output_of(stream);
    while (data.len > 0) {
        ssize_t put = write_here(output, data);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            int code = put < 0 ? -errno : -ENOSPC;
            *failure = io_error_new(code, "write file: %s", strerror(-code));
            return -EIO;
        }
        output->offset += output->append ? 0 : (uint64_t)put;
        data = str_from_index(data, (size_t)put);
    }
    return 0;
}

// What is written is in the file at once; sync and sync-data put it on the disk.
static int file_flush(struct p2_io_streams_output_stream *stream,
                      struct p2_io_error_error **failure)
{
    return 0;
}

static void file_output_drop(struct p2_io_streams_output_stream *stream)
{
    fs_file_unref(output_of(stream)->file);
    free(output_of(stream));
}

static const struct output_stream_ops file_output_ops = {
    .budget = file_budget,
    .write = file_write,
    .flush = file_flush,
    .drop = file_output_drop,
};

int fs_output_stream(const struct fs_node *self, bool append, uint64_t offset,
                     struct p2_io_streams_output_stream **out)
{
    int rc = check_open_for(self, FS_WRITE, offset);
    if (rc < 0)
        return rc;
    struct file_output *output = mem_new(struct file_output);
    output_stream_init(&output->base, &file_output_ops, NULL);
    output->file = fs_file_ref(self->file);
    output->append = append;
    output->offset = offset;
    *out = &output->base;
    return 0;
}

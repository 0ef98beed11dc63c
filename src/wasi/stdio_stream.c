// SPDX-License-Identifier: Apache-2.0
#include "wasi/stdio_stream.h"

#include <errno.h>

#include "base/buf.h"
#include "wasi/log_rate.h"
#include "wasi/stdio_fd.h"

// ---- input --------------------------------------------------------------------------------------

struct in_stream {
    struct p2_io_streams_input_stream base;
    struct stdio_in *in;
    struct in_stream *next, **link; // of those somebody waits for; NULL link: not waited for
};

struct stdio_in {
    struct stdio_fd fd;
    struct in_stream *waiting;
    size_t start, end; // what was read and not yet consumed
    char data[STDIO_IN_BYTES];
};

static struct stdio_in *in_of(struct p2_io_streams_input_stream *stream)
{
    return container_of(stream, struct in_stream, base)->in;
}

static void in_ready(struct stdio_fd *fd)
{
    struct stdio_in *in = container_of(fd, struct stdio_in, fd);
    for (struct in_stream *stream = in->waiting; stream; stream = stream->next)
        wasi_event_wake(&stream->base.event);
}

static ssize_t in_peek(struct p2_io_streams_input_stream *stream, size_t max, struct str *out,
                       struct p2_io_error_error **failure)
{
    struct stdio_in *in = in_of(stream);
    if (in->fd.fd < 0)
        return 0;
    if (in->start == in->end) {
        ssize_t got = stdio_fd_read(&in->fd, in->data, sizeof(in->data));
        if (got < 0 && got != -EAGAIN)
            *failure = io_error_new((int)got, "read standard input: %s", strerror((int)-got));
        if (got <= 0)
            return got < 0 && got != -EAGAIN ? -EIO : got;
        in->start = 0;
        in->end = (size_t)got;
    }
    *out = str_of(in->data + in->start, MIN(max, in->end - in->start));
    return (ssize_t)out->len;
}

static void in_consume(struct p2_io_streams_input_stream *stream, size_t len)
{
    in_of(stream)->start += len;
}

static void in_watch(struct p2_io_streams_input_stream *base)
{
    struct in_stream *stream = container_of(base, struct in_stream, base);
    struct stdio_in *in = stream->in;
    if (stream->link)
        return;
    // What cannot be watched is always ready; a spurious wake-up makes the waiter look again.
    if (stdio_fd_watch(&in->fd) < 0)
        wasi_event_wake(&base->event);
    stream->next = in->waiting;
    stream->link = &in->waiting;
    if (stream->next)
        stream->next->link = &stream->next;
    in->waiting = stream;
}

static void in_unwatch(struct p2_io_streams_input_stream *base)
{
    struct in_stream *stream = container_of(base, struct in_stream, base);
    if (!stream->link)
        return;
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    stream->link = NULL;
    if (!stream->in->waiting)
        stdio_fd_unwatch(&stream->in->fd);
}

static void in_drop(struct p2_io_streams_input_stream *base)
{
    in_unwatch(base);
    free(container_of(base, struct in_stream, base));
}

static const struct input_stream_ops in_ops = {
    .peek = in_peek,
    .consume = in_consume,
    .watch = in_watch,
    .unwatch = in_unwatch,
    .drop = in_drop,
};

struct p2_io_streams_input_stream *stdio_in_stream(struct wasi *wasi)
{
    if (!wasi->in) {
        wasi->in = mem_new(struct stdio_in);
        stdio_fd_init(&wasi->in->fd, 0, wasi->config, wasi->loop, in_ready);
    }
    struct in_stream *stream = mem_new(struct in_stream);
    stream->in = wasi->in;
    input_stream_init(&stream->base, &in_ops, NULL);
    return &stream->base;
}

void stdio_in_free(struct stdio_in *in)
{
    if (!in)
        return;
    stdio_fd_done(&in->fd);
    free(in);
}

// ---- output -------------------------------------------------------------------------------------

struct out_stream {
    struct p2_io_streams_output_stream base;
    struct stdio_out *out;
    struct out_stream *next, **link; // of those somebody waits for; NULL link: not waited for
};

struct stdio_out {
    struct stdio_fd fd;
    const char *name;
    struct out_stream *waiting;
    struct buf held;
    bool by_line;
    struct log_rate *rate; // of lines; NULL: no limit
    size_t line_bytes;     // of the line that is being written
    bool dropping;         // what is left of it
    int failure;           // negative errno: nothing can be written any more
};

static struct stdio_out *out_of(struct p2_io_streams_output_stream *stream)
{
    return container_of(stream, struct out_stream, base)->out;
}

// How much of `held` may leave now: all, or up to the last end of line. A line that is longer than
// the buffer leaves in parts.
static size_t sendable(const struct stdio_out *out)
{
    if (!out->by_line || out->held.len >= STDIO_OUT_BYTES)
        return out->held.len;
    return (size_t)(str_rfind_char(buf_str(&out->held), '\n') + 1);
}

static void out_fail(struct stdio_out *out, int code)
{
    out->failure = code;
    buf_clear(&out->held);
}

// Writes until all is gone or the reader is slow; then the loop calls again.
static void out_send(struct stdio_out *out)
{
    size_t left;
    while ((left = sendable(out)) > 0) {
        ssize_t put = stdio_fd_write(&out->fd, out->held.data, left);
        if (put == -EAGAIN) {
            int rc = stdio_fd_watch(&out->fd);
            if (rc < 0)
                out_fail(out, rc);
            return;
        }
        if (put < 0) {
            out_fail(out, (int)put);
            break;
        }
        buf_consume(&out->held, (size_t)put);
    }
    stdio_fd_unwatch(&out->fd);
}

static void out_ready(struct stdio_fd *fd)
{
    struct stdio_out *out = container_of(fd, struct stdio_out, fd);
    out_send(out);
    for (struct out_stream *stream = out->waiting; stream; stream = stream->next)
        wasi_event_wake(&stream->base.event);
}

static int out_failed(const struct stdio_out *out, struct p2_io_error_error **failure)
{
    *failure = io_error_new(out->failure, "write %s: %s", out->name, strerror(-out->failure));
    return -EIO;
}

static ssize_t out_budget(struct p2_io_streams_output_stream *stream,
                          struct p2_io_error_error **failure)
{
    struct stdio_out *out = out_of(stream);
    if (out->failure < 0)
        return out_failed(out, failure);
    return (ssize_t)(STDIO_OUT_BYTES - MIN(out->held.len, STDIO_OUT_BYTES));
}

// A piece of a line. Lines are asked for as they grow; one that is refused after it began is cut.
static int hold_piece(struct stdio_out *out, struct str piece)
{
    bool begins = out->line_bytes == 0;
    size_t before = out->line_bytes / LOG_RATE_LINE_BYTES;
    out->line_bytes += piece.len;
    size_t more = out->line_bytes / LOG_RATE_LINE_BYTES - before;
    bool asks = begins || (more > 0 && !out->dropping);
    size_t charged = begins ? piece.len : (more - 1) * LOG_RATE_LINE_BYTES;
    if (asks)
        out->dropping = !log_rate_take(out->rate, charged);
    int rc = 0;
    if (!out->dropping)
        rc = buf_add_str(&out->held, piece);
    else if (asks && !begins)
        rc = buf_add_char(&out->held, '\n');
    if (asks && out->dropping)
        log_rate_drop(out->rate);
    if (str_ends(piece, STR("\n")))
        out->line_bytes = 0;
    return rc;
}

static int hold(struct stdio_out *out, struct str data)
{
    int rc = 0;
    if (!out->rate)
        return buf_add_str(&out->held, data);
    while (rc == 0 && data.len > 0) {
        ssize_t end = str_find_char(data, '\n');
        size_t len = end < 0 ? data.len : (size_t)end + 1;
        rc = hold_piece(out, str_sub(data, 0, len));
        data = str_from_index(data, len);
    }
    return rc;
}

// Several streams may have been told the same budget: the buffer takes a little more then.
static int out_write(struct p2_io_streams_output_stream *stream, struct str data,
                     struct p2_io_error_error **failure)
{
    struct stdio_out *out = out_of(stream);
    if (out->fd.fd < 0)
        return 0;
    if (out->failure == 0 && out->held.len == 0 && !out->by_line) {
        ssize_t put = stdio_fd_write(&out->fd, data.data, data.len);
        if (put < 0 && put != -EAGAIN)
            out_fail(out, (int)put);
        data = str_from_index(data, put > 0 ? (size_t)put : 0);
    }
    if (out->failure < 0)
        return out_failed(out, failure);
    if (data.len == 0)
        return 0;
    if (hold(out, data) < 0)
        out_fail(out, -ENOBUFS);
    else
        out_send(out);
    return out->failure < 0 ? out_failed(out, failure) : 0;
}

static int out_flush(struct p2_io_streams_output_stream *stream, struct p2_io_error_error **failure)
{
    struct stdio_out *out = out_of(stream);
    return out->failure < 0 ? out_failed(out, failure) : 0;
}

static bool out_flushing(struct p2_io_streams_output_stream *stream)
{
    return sendable(out_of(stream)) > 0;
}

static void out_watch(struct p2_io_streams_output_stream *base)
{
    struct out_stream *stream = container_of(base, struct out_stream, base);
    if (stream->link)
        return;
    stream->next = stream->out->waiting;
    stream->link = &stream->out->waiting;
    if (stream->next)
        stream->next->link = &stream->next;
    stream->out->waiting = stream;
}

static void out_unwatch(struct p2_io_streams_output_stream *base)
{
    struct out_stream *stream = container_of(base, struct out_stream, base);
    if (!stream->link)
        return;
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    stream->link = NULL;
}

static void out_drop(struct p2_io_streams_output_stream *base)
{
    out_unwatch(base);
    free(container_of(base, struct out_stream, base));
}

static const struct output_stream_ops out_ops = {
    .budget = out_budget,
    .write = out_write,
    .flush = out_flush,
    .flushing = out_flushing,
    .watch = out_watch,
    .unwatch = out_unwatch,
    .drop = out_drop,
};

static struct p2_io_streams_output_stream *out_stream_new(struct wasi *wasi,
                                                          struct stdio_out **slot, int number)
{
    if (!*slot) {
        struct stdio_out *out = mem_new(struct stdio_out);
        stdio_fd_init(&out->fd, number, wasi->config, wasi->loop, out_ready);
        out->name = number == 1 ? "standard output" : "standard error";
        out->by_line = wasi->config->line_output;
        out->rate = out->by_line ? wasi->config->log_rate : NULL;
        out->held = BUF_INIT(2 * STDIO_OUT_BYTES);
        *slot = out;
    }
    struct out_stream *stream = mem_new(struct out_stream);
    stream->out = *slot;
    output_stream_init(&stream->base, &out_ops, NULL);
    return &stream->base;
}

struct p2_io_streams_output_stream *stdio_out_stream(struct wasi *wasi)
{
    return out_stream_new(wasi, &wasi->out, 1);
}

struct p2_io_streams_output_stream *stdio_err_stream(struct wasi *wasi)
{
    return out_stream_new(wasi, &wasi->err, 2);
}

// The last line may lack its end: it gets one when lines are kept together.
static void out_finish(struct stdio_out *out, bool wait)
{
    if (out->by_line && out->held.len > 0 && out->held.data[out->held.len - 1] != '\n' &&
        buf_add_char(&out->held, '\n') < 0)
        return;
    while (out->held.len > 0) {
        ssize_t put = stdio_fd_write(&out->fd, out->held.data, out->held.len);
        if (put > 0)
            buf_consume(&out->held, (size_t)put);
        else if (put == -EAGAIN && wait)
            stdio_fd_wait_writable(&out->fd);
        else
            return;
    }
}

void stdio_out_free(struct stdio_out *out, bool wait)
{
    if (!out)
        return;
    if (out->fd.fd >= 0)
        out_finish(out, wait);
    log_rate_settle(out->rate);
    stdio_fd_done(&out->fd);
    buf_done(&out->held);
    free(out);
}

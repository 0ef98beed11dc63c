// SPDX-License-Identifier: Apache-2.0
// wasi:io 0.2: error, poll and streams. The rules of streams (permits, traps, blocking, closing)
// are here; where bytes come from and go to is behind the ops tables of wasi/io.h.
#include <errno.h>

#include "wasi/io.h"

// ---- wasi:io/error ------------------------------------------------------------------------------

int p2_io_error_error_to_debug_string(struct canon_call *call, struct p2_io_error_error *self,
                                      struct str *ret)
{
    *ret = str_from(self->message);
    return 0;
}

int p2_io_error_error_drop(struct canon_call *call, struct p2_io_error_error *self)
{
    io_error_free(self);
    return 0;
}

// ---- wasi:io/poll -------------------------------------------------------------------------------

int p2_io_poll_pollable_ready(struct canon_call *call, struct p2_io_poll_pollable *self, bool *ret)
{
    *ret = self->ops->ready(self->source);
    return 0;
}

int p2_io_poll_pollable_block(struct canon_call *call, struct p2_io_poll_pollable *self)
{
    return wasi_block_until(call, self->ops, self->source, self->event);
}

int p2_io_poll_pollable_drop(struct canon_call *call, struct p2_io_poll_pollable *self)
{
    if (self->ops->drop)
        self->ops->drop(self->source);
    free(self);
    return 0;
}

static size_t find_ready(struct p2_list_io_poll_pollable in, uint32_t *indices)
{
    size_t count = 0;
    for (size_t i = 0; i < in.len; i++)
        if (in.data[i]->ops->ready(in.data[i]->source))
            indices[count++] = (uint32_t)i;
    return count;
}

static int wait_for_any(struct canon_call *call, struct p2_list_io_poll_pollable in,
                        uint32_t *indices, size_t *count)
{
    struct wasi_watch *watches = arena_try_alloc(call->arena, in.len * sizeof(*watches));
    if (!watches)
        return canon_trap(call, "poll: no memory to wait for %zu pollables", in.len);
    struct task_wait wait;
    task_wait_begin(&wait, call);
    for (size_t i = 0; i < in.len; i++)
        wasi_watch_begin(&watches[i], in.data[i]->ops, in.data[i]->source, in.data[i]->event,
                         &wait);
    int rc = 0;
    while (rc == 0 && (*count = find_ready(in, indices)) == 0)
        rc = task_park(&wait);
    for (size_t i = 0; i < in.len; i++)
        wasi_watch_end(&watches[i]);
    return rc;
}

int p2_io_poll_poll(struct canon_call *call, struct p2_list_io_poll_pollable in,
                    struct p2_list_u32 *ret)
{
    if (in.len == 0)
        return canon_trap(call, "poll: the list of pollables is empty");
    if (in.len > WASI_POLL_LIST_MAX)
        return canon_trap(call, "poll: %zu pollables, the limit is %u", in.len, WASI_POLL_LIST_MAX);
    uint32_t *indices = arena_try_alloc(call->arena, in.len * sizeof(*indices));
    if (!indices)
        return canon_trap(call, "poll: no memory for %zu pollables", in.len);
    size_t count = find_ready(in, indices);
    int rc = count == 0 ? wait_for_any(call, in, indices, &count) : 0;
    *ret = (struct p2_list_u32){indices, count};
    return rc;
}

// ---- state shared by both directions ------------------------------------------------------------

// Sorts what a stream's source answered: closed (-EPIPE), failed with a reason that waits to be
// reported (-EIO), or anything else as it is.
static ssize_t sort_answer(ssize_t answer, bool *closed, struct p2_io_error_error **failure)
{
    if (answer >= 0 || answer == -EAGAIN)
        return answer;
    if (answer == -EPIPE) {
        *closed = true;
        return -EPIPE;
    }
    if (!*failure)
        *failure = io_error_new((int)answer, "%s", strerror((int)-answer));
    return -EIO;
}

// What the guest is told of -EPIPE or -EIO. After a failure the stream is closed.
static struct p2_io_streams_stream_error take_error(bool *closed,
                                                    struct p2_io_error_error **failure)
{
    *closed = true;
    if (!*failure)
        return (struct p2_io_streams_stream_error){.tag = P2_IO_STREAMS_STREAM_ERROR_CLOSED};
    return (struct p2_io_streams_stream_error){
        .tag = P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED,
        .last_operation_failed = TAKE(*failure),
    };
}

// ---- input streams ------------------------------------------------------------------------------

// 0 when the stream is open, or why not.
static ssize_t input_check(const struct p2_io_streams_input_stream *stream)
{
    if (stream->closed)
        return -EPIPE;
    return stream->failure ? -EIO : 0;
}

// At least one byte in place, or -EAGAIN, -EPIPE at the end, -EIO.
static ssize_t input_peek(struct p2_io_streams_input_stream *stream, size_t max, struct str *out)
{
    ssize_t rc = input_check(stream);
    if (rc == 0) {
        rc = stream->ops->peek(stream, max, out, &stream->failure);
        rc = rc == 0 ? -EPIPE : rc;
    }
    return sort_answer(rc, &stream->closed, &stream->failure);
}

// The same, copied and consumed.
static ssize_t input_take(struct p2_io_streams_input_stream *stream, char *data, size_t max)
{
    if (!stream->ops->read) {
        struct str bytes;
        ssize_t len = input_peek(stream, max, &bytes);
        if (len <= 0)
            return len;
        memcpy(data, bytes.data, (size_t)len);
        stream->ops->consume(stream, (size_t)len);
        return len;
    }
    ssize_t rc = input_check(stream);
    if (rc == 0) {
        rc = stream->ops->read(stream, data, max, &stream->failure);
        rc = rc == 0 ? -EPIPE : rc;
    }
    return sort_answer(rc, &stream->closed, &stream->failure);
}

static bool input_ready(void *source)
{
    struct p2_io_streams_input_stream *stream = source;
    if (input_check(stream) < 0)
        return true;
    if (stream->ops->ready)
        return stream->ops->ready(stream);
    struct str out;
    return input_peek(stream, 1, &out) != -EAGAIN;
}

static void input_watch(void *source)
{
    struct p2_io_streams_input_stream *stream = source;
    if (stream->ops->watch)
        stream->ops->watch(stream);
}

static void input_unwatch(void *source)
{
    struct p2_io_streams_input_stream *stream = source;
    if (stream->ops->unwatch)
        stream->ops->unwatch(stream);
}

static void input_free(struct p2_io_streams_input_stream *stream)
{
    if (stream->parent)
        stream->parent->children--;
    io_error_free(TAKE(stream->failure));
    stream->ops->drop(stream);
}

static void input_pollable_drop(void *source)
{
    struct p2_io_streams_input_stream *stream = source;
    if (--stream->own.children == 0 && stream->dropped)
        input_free(stream);
}

static const struct pollable_ops input_pollable_ops = {
    .ready = input_ready,
    .watch = input_watch,
    .unwatch = input_unwatch,
    .drop = input_pollable_drop,
};

static int input_block(struct canon_call *call, struct p2_io_streams_input_stream *stream)
{
    return wasi_block_until(call, &input_pollable_ops, stream, &stream->event);
}

static int input_read(struct canon_call *call, struct p2_io_streams_input_stream *self,
                      uint64_t len, struct p2_result_bytes_io_streams_stream_error *ret)
{
    ssize_t rc = input_check(self);
    char *data = NULL;
    if (rc == 0 && len > 0) {
        size_t max = MIN(len, WASI_STREAM_READ_BYTES);
        data = arena_try_alloc(call->arena, max);
        if (!data)
            return canon_trap(call, "read: no memory for %zu bytes", max);
        rc = input_take(self, data, max);
    }
    if (rc < 0 && rc != -EAGAIN) {
        ret->is_err = true;
        ret->err = take_error(&self->closed, &self->failure);
        return 0;
    }
    ret->ok = rc > 0 ? str_of(data, (size_t)rc) : STR_EMPTY;
    return 0;
}

int p2_io_streams_input_stream_read(struct canon_call *call,
                                    struct p2_io_streams_input_stream *self, uint64_t len,
                                    struct p2_result_bytes_io_streams_stream_error *ret)
{
    return input_read(call, self, len, ret);
}

int p2_io_streams_input_stream_blocking_read(struct canon_call *call,
                                             struct p2_io_streams_input_stream *self, uint64_t len,
                                             struct p2_result_bytes_io_streams_stream_error *ret)
{
    for (;;) {
        int rc = len > 0 ? input_block(call, self) : 0;
        if (rc == 0)
            rc = input_read(call, self, len, ret);
        if (rc < 0 || len == 0 || ret->is_err || ret->ok.len > 0)
            return rc;
    }
}

static void input_skip(struct p2_io_streams_input_stream *self, uint64_t len,
                       struct p2_result_u64_io_streams_stream_error *ret)
{
    struct str bytes;
    ssize_t rc =
        len == 0 ? input_check(self) : input_peek(self, MIN(len, WASI_STREAM_MOVE_BYTES), &bytes);
    if (rc < 0 && rc != -EAGAIN) {
        ret->is_err = true;
        ret->err = take_error(&self->closed, &self->failure);
        return;
    }
    if (rc > 0)
        self->ops->consume(self, (size_t)rc);
    ret->ok = rc > 0 ? (uint64_t)rc : 0;
}

int p2_io_streams_input_stream_skip(struct canon_call *call,
                                    struct p2_io_streams_input_stream *self, uint64_t len,
                                    struct p2_result_u64_io_streams_stream_error *ret)
{
    input_skip(self, len, ret);
    return 0;
}

int p2_io_streams_input_stream_blocking_skip(struct canon_call *call,
                                             struct p2_io_streams_input_stream *self, uint64_t len,
                                             struct p2_result_u64_io_streams_stream_error *ret)
{
    for (;;) {
        int rc = len > 0 ? input_block(call, self) : 0;
        if (rc < 0)
            return rc;
        input_skip(self, len, ret);
        if (len == 0 || ret->is_err || ret->ok > 0)
            return 0;
    }
}

int p2_io_streams_input_stream_subscribe(struct canon_call *call,
                                         struct p2_io_streams_input_stream *self,
                                         struct p2_io_poll_pollable **ret)
{
    self->own.children++;
    *ret = pollable_new(&input_pollable_ops, self, &self->event);
    return 0;
}

int p2_io_streams_input_stream_drop(struct canon_call *call,
                                    struct p2_io_streams_input_stream *self)
{
    if (self->own.children == 0) {
        input_free(self);
        return 0;
    }
    if (!call->teardown)
        return canon_trap(call, "input-stream dropped before its %u pollables", self->own.children);
    self->dropped = true; // its pollables may be in the table of another component
    return 0;
}

ssize_t wasi_input_take(struct p2_io_streams_input_stream *stream, char *data, size_t max)
{
    return input_take(stream, data, max);
}

void wasi_input_release(struct p2_io_streams_input_stream *stream)
{
    if (stream->own.children == 0)
        input_free(stream);
    else
        stream->dropped = true;
}

// ---- output streams -----------------------------------------------------------------------------

static ssize_t output_check(const struct p2_io_streams_output_stream *stream)
{
    if (stream->closed)
        return -EPIPE;
    return stream->failure ? -EIO : 0;
}

static bool output_flushing(struct p2_io_streams_output_stream *stream)
{
    return stream->ops->flushing && stream->ops->flushing(stream);
}

// How many bytes the stream takes now, or -EPIPE, -EIO.
static ssize_t output_room(struct p2_io_streams_output_stream *stream)
{
    ssize_t rc = output_check(stream);
    if (rc == 0 && !output_flushing(stream))
        rc = stream->ops->budget(stream, &stream->failure);
    rc = sort_answer(rc, &stream->closed, &stream->failure);
    if (rc == -EAGAIN)
        return 0;
    return MIN(rc, (ssize_t)WASI_STREAM_BUDGET_BYTES);
}

static int output_push(struct p2_io_streams_output_stream *stream, struct str data)
{
    int rc = stream->ops->write(stream, data, &stream->failure);
    return (int)sort_answer(rc, &stream->closed, &stream->failure);
}

static int output_push_zeroes(struct p2_io_streams_output_stream *stream, size_t len)
{
    static const char zeroes[WASI_STREAM_BLOCKING_BYTES];
    int rc = 0;
    while (rc == 0 && len > 0) {
        size_t part = MIN(len, sizeof(zeroes));
        rc = output_push(stream, str_of(zeroes, part));
        len -= part;
    }
    return rc;
}

// Data to write, or so many zeroes.
struct content {
    const char *data; // NULL: zeroes
    size_t len;
};

static int output_push_content(struct p2_io_streams_output_stream *stream, struct content *content,
                               size_t len)
{
    int rc = content->data ? output_push(stream, str_of(content->data, len))
                           : output_push_zeroes(stream, len);
    if (content->data)
        content->data += len;
    content->len -= len;
    return rc;
}

static bool output_ready(void *source)
{
    return output_room(source) != 0;
}

static bool output_flushed(void *source)
{
    struct p2_io_streams_output_stream *stream = source;
    return output_check(stream) < 0 || !output_flushing(stream);
}

static void output_watch(void *source)
{
    struct p2_io_streams_output_stream *stream = source;
    if (stream->ops->watch)
        stream->ops->watch(stream);
}

static void output_unwatch(void *source)
{
    struct p2_io_streams_output_stream *stream = source;
    if (stream->ops->unwatch)
        stream->ops->unwatch(stream);
}

static void output_free(struct p2_io_streams_output_stream *stream)
{
    if (stream->parent)
        stream->parent->children--;
    io_error_free(TAKE(stream->failure));
    stream->ops->drop(stream);
}

static void output_pollable_drop(void *source)
{
    struct p2_io_streams_output_stream *stream = source;
    if (--stream->own.children == 0 && stream->dropped)
        output_free(stream);
}

static const struct pollable_ops output_pollable_ops = {
    .ready = output_ready,
    .watch = output_watch,
    .unwatch = output_unwatch,
    .drop = output_pollable_drop,
};

static const struct pollable_ops output_flush_ops = {
    .ready = output_flushed,
    .watch = output_watch,
    .unwatch = output_unwatch,
};

static int output_block(struct canon_call *call, struct p2_io_streams_output_stream *stream)
{
    return wasi_block_until(call, &output_pollable_ops, stream, &stream->event);
}

static int answer_void(struct p2_io_streams_output_stream *self, ssize_t rc,
                       struct p2_result_void_io_streams_stream_error *ret)
{
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = take_error(&self->closed, &self->failure);
    return 0;
}

int p2_io_streams_output_stream_check_write(struct canon_call *call,
                                            struct p2_io_streams_output_stream *self,
                                            struct p2_result_u64_io_streams_stream_error *ret)
{
    ssize_t room = output_room(self);
    self->permit = room > 0 ? (size_t)room : 0;
    ret->is_err = room < 0;
    if (room < 0)
        ret->err = take_error(&self->closed, &self->failure);
    else
        ret->ok = (uint64_t)room;
    return 0;
}

static int write_permitted(struct canon_call *call, struct p2_io_streams_output_stream *self,
                           uint64_t len, struct content content,
                           struct p2_result_void_io_streams_stream_error *ret)
{
    ssize_t rc = output_check(self);
    if (rc == 0) {
        if (len > self->permit)
            return canon_trap(call, "write of %llu bytes, check-write permitted %zu",
                              (unsigned long long)len, self->permit);
        self->permit -= (size_t)len;
        if (len > 0)
            rc = output_push_content(self, &content, (size_t)len);
    }
    return answer_void(self, rc, ret);
}

int p2_io_streams_output_stream_write(struct canon_call *call,
                                      struct p2_io_streams_output_stream *self, struct str contents,
                                      struct p2_result_void_io_streams_stream_error *ret)
{
    struct content content = {contents.data, contents.len};
    return write_permitted(call, self, contents.len, content, ret);
}

int p2_io_streams_output_stream_write_zeroes(struct canon_call *call,
                                             struct p2_io_streams_output_stream *self, uint64_t len,
                                             struct p2_result_void_io_streams_stream_error *ret)
{
    return write_permitted(call, self, len, (struct content){NULL, (size_t)len}, ret);
}

static ssize_t output_start_flush(struct p2_io_streams_output_stream *self)
{
    ssize_t rc = output_check(self);
    if (rc == 0)
        rc = sort_answer(self->ops->flush(self, &self->failure), &self->closed, &self->failure);
    if (rc == 0 && output_flushing(self))
        self->permit = 0; // no writes are accepted until the flush has completed
    return rc;
}

// Flushes and waits for the end of it; what failed meanwhile is told by the budget.
static int flush_and_wait(struct canon_call *call, struct p2_io_streams_output_stream *self,
                          struct p2_result_void_io_streams_stream_error *ret)
{
    ssize_t rc = output_start_flush(self);
    if (rc == 0) {
        int trap = wasi_block_until(call, &output_flush_ops, self, &self->event);
        if (trap < 0)
            return trap;
        rc = output_room(self);
    }
    return answer_void(self, rc, ret);
}

static int write_all_and_flush(struct canon_call *call, struct p2_io_streams_output_stream *self,
                               struct content content,
                               struct p2_result_void_io_streams_stream_error *ret)
{
    self->permit = 0;
    while (content.len > 0) {
        int trap = output_block(call, self);
        if (trap < 0)
            return trap;
        ssize_t room = output_room(self);
        if (room > 0)
            room = output_push_content(self, &content, MIN((size_t)room, content.len));
        if (room < 0)
            return answer_void(self, room, ret);
    }
    return flush_and_wait(call, self, ret);
}

int p2_io_streams_output_stream_blocking_write_and_flush(
    struct canon_call *call, struct p2_io_streams_output_stream *self, struct str contents,
    struct p2_result_void_io_streams_stream_error *ret)
{
    if (contents.len > WASI_STREAM_BLOCKING_BYTES)
        return canon_trap(call, "blocking-write-and-flush of %zu bytes, the limit is %zu",
                          contents.len, WASI_STREAM_BLOCKING_BYTES);
    return write_all_and_flush(call, self, (struct content){contents.data, contents.len}, ret);
}

int p2_io_streams_output_stream_blocking_write_zeroes_and_flush(
    struct canon_call *call, struct p2_io_streams_output_stream *self, uint64_t len,
    struct p2_result_void_io_streams_stream_error *ret)
{
    if (len > WASI_STREAM_BLOCKING_BYTES)
        return canon_trap(call, "blocking-write-zeroes-and-flush of %llu bytes, the limit is %zu",
                          (unsigned long long)len, WASI_STREAM_BLOCKING_BYTES);
    return write_all_and_flush(call, self, (struct content){NULL, (size_t)len}, ret);
}

int p2_io_streams_output_stream_flush(struct canon_call *call,
                                      struct p2_io_streams_output_stream *self,
                                      struct p2_result_void_io_streams_stream_error *ret)
{
    return answer_void(self, output_start_flush(self), ret);
}

int p2_io_streams_output_stream_blocking_flush(struct canon_call *call,
                                               struct p2_io_streams_output_stream *self,
                                               struct p2_result_void_io_streams_stream_error *ret)
{
    return flush_and_wait(call, self, ret);
}

int p2_io_streams_output_stream_subscribe(struct canon_call *call,
                                          struct p2_io_streams_output_stream *self,
                                          struct p2_io_poll_pollable **ret)
{
    self->own.children++;
    *ret = pollable_new(&output_pollable_ops, self, &self->event);
    return 0;
}

int p2_io_streams_output_stream_drop(struct canon_call *call,
                                     struct p2_io_streams_output_stream *self)
{
    if (self->own.children == 0) {
        output_free(self);
        return 0;
    }
    if (!call->teardown)
        return canon_trap(call, "output-stream dropped before its %u pollables",
                          self->own.children);
    self->dropped = true;
    return 0;
}

ssize_t wasi_output_room(struct p2_io_streams_output_stream *stream)
{
    return output_room(stream);
}

int wasi_output_push(struct p2_io_streams_output_stream *stream, struct str data)
{
    return output_push(stream, data);
}

int wasi_output_flush(struct p2_io_streams_output_stream *stream)
{
    return (int)output_start_flush(stream);
}

bool wasi_output_flushing(struct p2_io_streams_output_stream *stream)
{
    return output_check(stream) == 0 && output_flushing(stream);
}

void wasi_output_release(struct p2_io_streams_output_stream *stream)
{
    if (stream->own.children == 0)
        output_free(stream);
    else
        stream->dropped = true;
}

// ---- splice -------------------------------------------------------------------------------------

static void splice(struct p2_io_streams_output_stream *self, struct p2_io_streams_input_stream *src,
                   uint64_t len, struct p2_result_u64_io_streams_stream_error *ret)
{
    self->permit = 0;
    *ret = (struct p2_result_u64_io_streams_stream_error){0};
    ssize_t rc = output_room(self);
    if (rc < 0) {
        *ret = (struct p2_result_u64_io_streams_stream_error){
            .is_err = true, .err = take_error(&self->closed, &self->failure)};
        return;
    }
    size_t max = (size_t)MIN(MIN((uint64_t)rc, len), WASI_STREAM_MOVE_BYTES);
    struct str bytes;
    rc = max == 0 ? input_check(src) : input_peek(src, max, &bytes);
    if (rc < 0 && rc != -EAGAIN) {
        *ret = (struct p2_result_u64_io_streams_stream_error){
            .is_err = true, .err = take_error(&src->closed, &src->failure)};
        return;
    }
    if (rc <= 0)
        return;
    size_t moved = (size_t)rc;
    rc = output_push(self, str_sub(bytes, 0, moved));
    src->ops->consume(src, moved);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = take_error(&self->closed, &self->failure);
    else
        ret->ok = moved;
}

int p2_io_streams_output_stream_splice(struct canon_call *call,
                                       struct p2_io_streams_output_stream *self,
                                       struct p2_io_streams_input_stream *src, uint64_t len,
                                       struct p2_result_u64_io_streams_stream_error *ret)
{
    splice(self, src, len, ret);
    return 0;
}

int p2_io_streams_output_stream_blocking_splice(struct canon_call *call,
                                                struct p2_io_streams_output_stream *self,
                                                struct p2_io_streams_input_stream *src,
                                                uint64_t len,
                                                struct p2_result_u64_io_streams_stream_error *ret)
{
    for (;;) {
        int rc = len > 0 ? output_block(call, self) : 0;
        if (rc == 0 && len > 0)
            rc = input_block(call, src);
        if (rc < 0)
            return rc;
        splice(self, src, len, ret);
        if (len == 0 || ret->is_err || ret->ok > 0)
            return 0;
    }
}

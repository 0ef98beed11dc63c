// SPDX-License-Identifier: Apache-2.0
// Bodies that guests write, the same for requests and responses.
#include <errno.h>

#include "wasi/p2_http.h"

static struct outgoing *of_stream(struct p2_io_streams_output_stream *stream)
{
    return container_of(stream, struct outgoing, stream);
}
static struct outgoing *of_body(struct p2_http_types_outgoing_body *body)
{
    return container_of(body, struct outgoing, body);
}

void outgoing_init(struct outgoing *out, struct wasi *wasi, void (*free)(struct message *message))
{
    *out = (struct outgoing){.charged = &wasi->http_bytes,
                             .message.free = free,
                             .length = -1,
                             .held = BUF_INIT(OUTGOING_HELD_BYTES_MAX)};
}

static void drop_held(struct outgoing *out)
{
    *out->charged -= out->held.len;
    buf_done(&out->held);
}

void outgoing_done(struct outgoing *out)
{
    drop_held(out);
    field_list_done(&out->trailers);
    field_list_done(&out->message.fields);
}

int outgoing_take_length(struct outgoing *out)
{
    field_list_trim(&out->message.fields);
    int64_t length = field_list_content_length(&out->message.fields);
    if (length < -1)
        return -EINVAL;
    if (length >= 0) {
        out->length = length;
        field_list_remove(&out->message.fields, STR("content-length"));
    }
    return 0;
}

int64_t outgoing_announced(const struct outgoing *out)
{
    if (out->length >= 0)
        return out->length;
    if (!out->body_taken)
        return 0;
    if (out->state == OUTGOING_COMPLETE && !out->trailers.len)
        return (int64_t)out->held.len;
    return -1;
}

static void release(struct outgoing *out, enum outgoing_state state)
{
    const struct outgoing_ops *ops = out->ops;
    void *sink = out->sink;
    out->state = state;
    out->ops = NULL;
    out->sink = NULL;
    drop_held(out);
    wasi_event_wake(&out->stream.event);
    if (ops) {
        ops->release(sink);
        message_unref(&out->message);
    }
}

void outgoing_break(struct outgoing *out)
{
    release(out, OUTGOING_BROKEN);
}

// Sends what is held: 0, -EAGAIN when some is left, -EPIPE.
static int drain(struct outgoing *out)
{
    while (out->held.len) {
        struct str part = str_sub(buf_str(&out->held), 0, out->ops->budget(out->sink));
        int rc = part.len ? out->ops->write(out->sink, part) : -EAGAIN;
        if (rc < 0)
            return rc == -EPIPE ? rc : -EAGAIN;
        *out->charged -= part.len;
        buf_consume(&out->held, part.len);
    }
    return 0;
}

// Ends the body at the sink. 0, or -EMSGSIZE when it is shorter than announced.
static int end_at_sink(struct outgoing *out)
{
    int rc = out->ops->finish(out->sink, &out->trailers);
    release(out, rc == 0 ? OUTGOING_ENDED : OUTGOING_BROKEN);
    return rc;
}

// The same when all that is held has gone out.
static int end_when_sent(struct outgoing *out)
{
    int rc = drain(out);
    if (rc == 0)
        return end_at_sink(out);
    out->finishing = true;
    if (rc == -EPIPE)
        outgoing_break(out);
    return 0;
}

void outgoing_let_go(struct outgoing *out)
{
    *out->charged -= out->held.len;
    out->own_charge = out->held.len;
    out->charged = &out->own_charge;
    field_list_uncharge(&out->message.fields);
    field_list_uncharge(&out->trailers);
}

void outgoing_writable(struct outgoing *out)
{
    if (out->finishing)
        (void)end_when_sent(out);
    else
        wasi_event_wake(&out->stream.event);
}

void outgoing_bind(struct outgoing *out, const struct outgoing_ops *ops, void *sink)
{
    out->ops = ops;
    out->sink = sink;
    message_ref(&out->message);
}

void outgoing_flow(struct outgoing *out)
{
    bool complete = out->state == OUTGOING_COMPLETE || !out->body_taken;
    out->state = OUTGOING_SENDING;
    if (out->discard)
        drop_held(out);
    if (complete)
        (void)end_when_sent(out);
    else if (drain(out) == -EPIPE)
        outgoing_break(out);
    else
        wasi_event_wake(&out->stream.event);
}

// ---- the stream ---------------------------------------------------------------------------------

static ssize_t body_budget(struct p2_io_streams_output_stream *stream,
                           struct p2_io_error_error **failure)
{
    struct outgoing *out = of_stream(stream);
    if (out->state == OUTGOING_HELD && out->held.len == OUTGOING_HELD_BYTES_MAX && out->ops)
        out->ops->press(out->sink);
    switch (out->state) {
    case OUTGOING_HELD:
    case OUTGOING_COMPLETE:
        if (*out->charged > HTTP_GUEST_BYTES_MAX)
            return -EPIPE;
        return (ssize_t)(OUTGOING_HELD_BYTES_MAX - out->held.len);
    case OUTGOING_SENDING:
        if (out->discard)
            return WASI_STREAM_BUDGET_BYTES;
        if (out->held.len) {
            int rc = drain(out);
            if (rc < 0)
                return rc == -EAGAIN ? 0 : rc;
        }
        return (ssize_t)MIN(out->ops->budget(out->sink), WASI_STREAM_BUDGET_BYTES);
    case OUTGOING_ENDED:
    case OUTGOING_BROKEN:
        break;
    }
    return -EPIPE;
}

static int put(struct outgoing *out, struct str data)
{
    if (out->discard || !data.len)
        return 0;
    if (out->state == OUTGOING_SENDING && !out->held.len) {
        int rc = out->ops->write(out->sink, data);
        if (rc != -ENOBUFS)
            return rc;
        // A permit counts; many small writes take more room at the sink than their bytes.
    }
    if ((out->state != OUTGOING_HELD && out->state != OUTGOING_SENDING) ||
        buf_add_str(&out->held, data) < 0)
        return -EPIPE;
    *out->charged += data.len;
    return 0;
}

static void size_error(const struct outgoing *out, struct http_error *error)
{
    *error = (struct http_error){.tag = out->is_response
                                            ? P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE
                                            : P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE,
                                 .size = out->written};
}

// More than announced: what was announced goes out, the rest nowhere.
static int overrun(struct outgoing *out, struct str data, uint64_t room,
                   struct p2_io_error_error **failure)
{
    struct http_error error;
    out->overrun = true;
    if (put(out, str_sub(data, 0, room)) < 0)
        return -EPIPE;
    size_error(out, &error);
    *failure = http_error_io(&error);
    return -EIO;
}

static int body_write(struct p2_io_streams_output_stream *stream, struct str data,
                      struct p2_io_error_error **failure)
{
    struct outgoing *out = of_stream(stream);
    uint64_t before = out->written;
    out->written += data.len;
    if (out->length >= 0 && !out->discard && out->written > (uint64_t)out->length)
        return overrun(out, data, MAX((uint64_t)out->length, before) - before, failure);
    return put(out, data);
}

static int body_flush(struct p2_io_streams_output_stream *stream,
                      struct p2_io_error_error **failure)
{
    enum outgoing_state state = of_stream(stream)->state;
    return state == OUTGOING_ENDED || state == OUTGOING_BROKEN ? -EPIPE : 0;
}

static void body_stream_drop(struct p2_io_streams_output_stream *stream)
{
    message_unref(&of_stream(stream)->message);
}

static const struct output_stream_ops body_stream_ops = {
    .budget = body_budget,
    .write = body_write,
    .flush = body_flush,
    .drop = body_stream_drop,
};

// ---- outgoing-body ------------------------------------------------------------------------------

void outgoing_take_body(struct outgoing *out, struct p2_result_http_types_outgoing_body_void *ret)
{
    ret->is_err = out->body_taken;
    if (out->body_taken)
        return;
    out->body_taken = true;
    message_ref(&out->message);
    ret->ok = &out->body;
}

int p2_http_types_outgoing_body_write(struct canon_call *call,
                                      struct p2_http_types_outgoing_body *self,
                                      struct p2_result_io_streams_output_stream_void *ret)
{
    struct outgoing *out = of_body(self);
    ret->is_err = out->stream_taken;
    if (out->stream_taken)
        return 0;
    out->stream_taken = true;
    output_stream_init(&out->stream, &body_stream_ops, &self->own);
    message_ref(&out->message);
    ret->ok = &out->stream;
    return 0;
}

// The guest gave the body up without finishing it: the peer must see that it is not whole.
static void give_up(struct outgoing *out)
{
    if (out->ops)
        out->ops->abort(out->sink);
    if (out->state != OUTGOING_ENDED)
        outgoing_break(out);
}

int p2_http_types_outgoing_body_drop(struct canon_call *call,
                                     struct p2_http_types_outgoing_body *self)
{
    struct outgoing *out = of_body(self);
    if (self->own.children && !call->teardown)
        return canon_trap(call, "wasi:http outgoing-body dropped before its output-stream");
    give_up(out);
    message_unref(&out->message);
    return 0;
}

// 0, or -EMSGSIZE when more or less was written than announced.
static int finish(struct outgoing *out)
{
    int rc = 0;
    if (out->state == OUTGOING_HELD) {
        if (out->length >= 0 && !out->discard && out->written < (uint64_t)out->length) {
            give_up(out);
            return -EMSGSIZE;
        }
        out->state = OUTGOING_COMPLETE;
        if (out->ops)
            out->ops->press(out->sink);
    } else if (out->state == OUTGOING_SENDING) {
        bool is_short = out->length >= 0 && out->written < (uint64_t)out->length;
        rc = is_short ? end_at_sink(out) : end_when_sent(out);
    }
    // Another failure than the length means that the peer is gone: not the guest's fault.
    return out->overrun || rc == -EMSGSIZE ? -EMSGSIZE : 0;
}

int p2_http_types_outgoing_body_finish(struct canon_call *call,
                                       struct p2_http_types_outgoing_body *self,
                                       struct p2_option_http_types_fields trailers,
                                       struct p2_result_void_http_types_error_code *ret)
{
    struct outgoing *out = of_body(self);
    bool orphans = self->own.children > 0;
    if (trailers.is_some)
        fields_take(call, trailers.some, &out->trailers);
    field_list_trim(&out->trailers);
    if (orphans) {
        give_up(out);
    } else if (finish(out) < 0) {
        struct http_error error;
        size_error(out, &error);
        ret->is_err = true;
        http_error_code(&error, &ret->err);
    }
    message_unref(&out->message);
    return orphans ? canon_trap(call, "wasi:http outgoing-body.finish while its output-stream "
                                      "lives")
                   : 0;
}

// SPDX-License-Identifier: Apache-2.0
// Received bodies and trailers, the same for requests and responses.
#include <errno.h>

#include "wasi/p2_http.h"

static struct incoming *of_stream(struct p2_io_streams_input_stream *stream)
{
    return container_of(stream, struct incoming, stream);
}
static struct incoming *of_body(struct p2_http_types_incoming_body *body)
{
    return container_of(body, struct incoming, body);
}
static struct incoming *of_trailers(struct p2_http_types_future_trailers *trailers)
{
    return container_of(trailers, struct incoming, trailers);
}

void incoming_init(struct incoming *in, const struct incoming_ops *ops,
                   void (*free)(struct message *message))
{
    *in = (struct incoming){.ops = ops, .message.free = free, .failure.tag = HTTP_NO_ERROR};
}

void incoming_done(struct incoming *in)
{
    field_list_done(&in->message.fields);
    field_list_done(&in->trailer_fields);
    http_error_done(&in->failure);
}

static ssize_t incoming_read(struct incoming *in, struct str *out)
{
    if (in->ended)
        return 0;
    if (in->failure.tag != HTTP_NO_ERROR)
        return -EIO;
    ssize_t got = in->ops->read(in, out);
    if (got == 0) {
        size_t count = 0;
        const struct http_field *fields = in->ops->trailers(in, &count);
        in->ended = true;
        field_list_borrow(&in->trailer_fields, fields, count);
    }
    return got;
}

void incoming_readable(struct incoming *in)
{
    wasi_event_wake(&in->stream.event);
    wasi_event_wake(&in->trailers_event);
}

void incoming_detach(struct incoming *in, enum p2_http_types_error_code_tag tag)
{
    field_list_own(&in->message.fields);
    field_list_own(&in->trailer_fields);
    if (!in->ended && in->failure.tag == HTTP_NO_ERROR)
        http_error_set(&in->failure, tag, NULL);
    incoming_readable(in);
}

// ---- the stream ---------------------------------------------------------------------------------

static ssize_t body_peek(struct p2_io_streams_input_stream *stream, size_t max, struct str *out,
                         struct p2_io_error_error **failure)
{
    struct incoming *in = of_stream(stream);
    ssize_t got = incoming_read(in, out);
    if (got == -EIO)
        *failure = http_error_io(&in->failure);
    if (got <= 0)
        return got;
    out->len = MIN(out->len, max);
    return (ssize_t)out->len;
}

static void body_consume(struct p2_io_streams_input_stream *stream, size_t len)
{
    struct incoming *in = of_stream(stream);
    if (len)
        in->ops->consume(in, len);
}

static void body_stream_drop(struct p2_io_streams_input_stream *stream)
{
    message_unref(&of_stream(stream)->message);
}

static const struct input_stream_ops body_stream_ops = {
    .peek = body_peek,
    .consume = body_consume,
    .drop = body_stream_drop,
};

// ---- incoming-body ------------------------------------------------------------------------------

void incoming_consume(struct incoming *in, struct p2_result_http_types_incoming_body_void *ret)
{
    ret->is_err = in->consumed;
    if (in->consumed)
        return;
    in->consumed = true;
    message_ref(&in->message);
    ret->ok = &in->body;
}

int p2_http_types_incoming_body_stream(struct canon_call *call,
                                       struct p2_http_types_incoming_body *self,
                                       struct p2_result_io_streams_input_stream_void *ret)
{
    struct incoming *in = of_body(self);
    ret->is_err = self->stream_taken;
    if (self->stream_taken)
        return 0;
    self->stream_taken = true;
    input_stream_init(&in->stream, &body_stream_ops, &self->own);
    message_ref(&in->message);
    ret->ok = &in->stream;
    return 0;
}

int p2_http_types_incoming_body_drop(struct canon_call *call,
                                     struct p2_http_types_incoming_body *self)
{
    if (self->own.children && !call->teardown)
        return canon_trap(call, "wasi:http incoming-body dropped before its input-stream");
    message_unref(&of_body(self)->message);
    return 0;
}

int p2_http_types_incoming_body_finish(struct canon_call *call,
                                       struct p2_http_types_incoming_body *self,
                                       struct p2_http_types_future_trailers **ret)
{
    struct incoming *in = of_body(self);
    if (self->own.children) {
        message_unref(&in->message);
        return canon_trap(call, "wasi:http incoming-body.finish while its input-stream lives");
    }
    *ret = &in->trailers; // takes over the body's reference
    return 0;
}

// ---- future-trailers ----------------------------------------------------------------------------

// What is left of the body is thrown away: nobody can read it any more.
static bool trailers_ready(void *source)
{
    struct incoming *in = source;
    struct str data;
    ssize_t got;
    while ((got = incoming_read(in, &data)) > 0)
        in->ops->consume(in, (size_t)got);
    return got != -EAGAIN;
}

static void trailers_unsubscribe(void *source)
{
    struct incoming *in = source;
    in->trailers.own.children--;
    message_unref(&in->message);
}

static const struct pollable_ops trailers_pollable_ops = {
    .ready = trailers_ready,
    .drop = trailers_unsubscribe,
};

int p2_http_types_future_trailers_subscribe(struct canon_call *call,
                                            struct p2_http_types_future_trailers *self,
                                            struct p2_io_poll_pollable **ret)
{
    struct incoming *in = of_trailers(self);
    self->own.children++;
    message_ref(&in->message);
    *ret = pollable_new(&trailers_pollable_ops, in, &in->trailers_event);
    return 0;
}

int p2_http_types_future_trailers_get(
    struct canon_call *call, struct p2_http_types_future_trailers *self,
    struct p2_option_result_result_option_http_types_fields_http_types_error_code_void *ret)
{
    struct incoming *in = of_trailers(self);
    ret->is_some = trailers_ready(in);
    if (!ret->is_some)
        return 0;
    ret->some.is_err = self->taken;
    if (self->taken)
        return 0;
    self->taken = true;
    if (!in->ended) {
        ret->some.ok.is_err = true;
        http_error_code(&in->failure, &ret->some.ok.err);
    } else if (in->trailer_fields.len) {
        ret->some.ok.ok.is_some = true;
        ret->some.ok.ok.some = fields_view_new(&in->trailer_fields, &in->message, NULL);
    }
    return 0;
}

int p2_http_types_future_trailers_drop(struct canon_call *call,
                                       struct p2_http_types_future_trailers *self)
{
    if (self->own.children && !call->teardown)
        return canon_trap(call, "wasi:http future-trailers dropped before its pollable");
    message_unref(&of_trailers(self)->message);
    return 0;
}

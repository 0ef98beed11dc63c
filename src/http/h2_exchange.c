// SPDX-License-Identifier: Apache-2.0
// Exchanges of HTTP/2: a stream each.
#include "http/h2_impl.h"

#include <assert.h>
#include <errno.h>

// Smaller pieces are copied and sent with others at the end of the turn.
#define DIRECT_BYTES_MIN ((size_t)8 * 1024)

static struct h2_stream *stream_of(const struct http_exchange *exchange)
{
    return container_of((struct http_exchange *)(uintptr_t)exchange, struct h2_stream, exchange);
}

static struct http_server *server_of(const struct h2_stream *stream)
{
    return stream->h2->connection->server;
}

static struct loop *h2_loop(const struct http_exchange *exchange)
{
    return server_of(stream_of(exchange))->loop;
}

// ---- the request's body -------------------------------------------------------------------------

static int inform(struct h2_stream *stream, unsigned status, const struct http_field *fields,
                  size_t field_count)
{
    struct h2_fields head = {
        .status = status, .fields = fields, .field_count = field_count, .content_length = -1};
    _cleanup_(mem_freep) nghttp2_nv *list = NULL;
    ssize_t count = h2_fields_build(&head, &list);
    if (count < 0)
        return (int)count;
    // These are copied: the block ends here.
    for (ssize_t i = 0; i < count; i++)
        list[i].flags = NGHTTP2_NV_FLAG_NONE;
    int rc = nghttp2_submit_headers(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, list,
                                    (size_t)count, NULL);
    h2_wake(stream->h2);
    return rc < 0 ? -EPIPE : 0;
}

// A stream that both sides use for as long as they like has no time-out: the connection's PING
// tells whether the peer lives.
static bool is_long_lived(const struct h2_stream *stream)
{
    return stream->head.grpc || stream->exchange.response.started;
}

static void wait_for_input(struct h2_stream *stream)
{
    struct http_exchange *exchange = &stream->exchange;
    exchange->body.waiting = true;
    if (exchange->body.continue_due && !exchange->response.started) {
        exchange->body.continue_due = false;
        (void)inform(stream, 100, NULL, 0);
    }
    if (!is_long_lived(stream) && stream->wait.kind == DEADLINE_NONE)
        deadline_set(server_of(stream), &stream->wait, DEADLINE_STREAM_BODY);
}

static ssize_t h2_read(struct http_exchange *exchange, struct str *out)
{
    struct h2_stream *stream = stream_of(exchange);
    struct request_body *body = &exchange->body;
    if (body->error)
        return body->error;
    if (stream->in.len == 0 && body->done) {
        *out = STR_EMPTY;
        return 0;
    }
    if (stream->gone || stream->state != H2_STREAM_EXCHANGE)
        return -ECONNRESET;
    if (stream->in.len == 0) {
        if (!body_wait_begin(server_of(stream), exchange) && !is_long_lived(stream))
            return body->error = -ETIMEDOUT;
        wait_for_input(stream);
        return -EAGAIN;
    }
    *out = h2_queue_front(&stream->in);
    body->piece = out->len;
    return (ssize_t)out->len;
}

static void h2_consume(struct http_exchange *exchange, size_t len)
{
    struct h2_stream *stream = stream_of(exchange);
    assert(len <= exchange->body.piece);
    exchange->body.piece -= len;
    h2_queue_drop(&stream->in, len);
    (void)nghttp2_session_consume_connection(stream->h2->session, len);
    // What has come to its end needs no window.
    if (!exchange->body.done && !stream->closed)
        (void)nghttp2_session_consume_stream(stream->h2->session, stream->id, len);
    h2_wake(stream->h2);
}

// ---- the response's head ------------------------------------------------------------------------

static int h2_inform(struct http_exchange *exchange, unsigned status,
                     const struct http_field *fields, size_t field_count)
{
    struct h2_stream *stream = stream_of(exchange);
    // RFC 9113 section 8.6: 101 is not used.
    if (status < 100 || status > 199 || status == 101 || exchange->response.started)
        return -EINVAL;
    if (stream->gone)
        return -EPIPE;
    if (status == 100)
        exchange->body.continue_due = false;
    return inform(stream, status, fields, field_count);
}

static int h2_respond(struct http_exchange *exchange, unsigned status,
                      const struct http_field *fields, size_t field_count, int64_t content_length)
{
    struct h2_stream *stream = stream_of(exchange);
    struct response *response = &exchange->response;
    if (response->started || status < 200 || status > 999 || content_length < -1)
        return -EINVAL;
    bool bodiless = status == 204 || status == 304;
    struct h2_fields head = {.status = status,
                             .fields = fields,
                             .field_count = field_count,
                             .content_length = bodiless ? -1 : content_length,
                             .date = server_date(server_of(stream))};
    ssize_t count = h2_fields_build(&head, &stream->response);
    if (count < 0)
        return (int)count;
    stream->response_len = (size_t)count;
    response->announced = content_length;
    response->discard = exchange_has_no_body(exchange, status);
    response->started = true;
    response->status = status;
    // With the end of the turn it is known whether a body follows: a head that is the whole
    // response ends the stream itself, as gRPC's clients want it.
    stream->head_due = true;
    stream->heads_next = stream->h2->heads;
    stream->h2->heads = stream;
    if (stream->wait.kind == DEADLINE_STREAM_BODY)
        deadline_clear(&stream->wait);
    h2_wake(stream->h2);
    return 0;
}

// ---- the response's body ------------------------------------------------------------------------

static size_t budget_of(const struct h2_stream *stream)
{
    size_t max = H2_STREAM_OUTPUT_BYTES_MAX(server_of(stream));
    return stream->out.len < max ? max - stream->out.len : 0;
}

static size_t h2_write_budget(struct http_exchange *exchange)
{
    struct h2_stream *stream = stream_of(exchange);
    size_t budget = budget_of(stream);
    if (budget == 0)
        stream->choked = true;
    return budget;
}

static int h2_write(struct http_exchange *exchange, struct str data)
{
    struct h2_stream *stream = stream_of(exchange);
    struct response *response = &exchange->response;
    if (stream->gone || response->finished || !response->started)
        return -EPIPE;
    if (response->announced >= 0 && data.len > (uint64_t)response->announced - response->written)
        return -EMSGSIZE;
    if (data.len > budget_of(stream) && !response->discard)
        return -ENOBUFS;
    response->written += data.len;
    if (response->discard || data.len == 0)
        return 0;
    if (data.len >= DIRECT_BYTES_MIN && stream->out.len == 0) {
        h2_send_direct(stream, data);
    } else {
        h2_queue_add(&stream->out, data);
        h2_resume(stream);
    }
    return 0;
}

static size_t h2_unsent(const struct http_exchange *exchange)
{
    const struct h2_stream *stream = stream_of(exchange);
    return stream->out.len + output_unsent(stream->h2->connection);
}

// ---- the end ------------------------------------------------------------------------------------

static int keep_trailers(struct h2_stream *stream, const struct http_field *trailers,
                         size_t trailer_count)
{
    struct h2_fields fields = {
        .fields = trailers, .field_count = trailer_count, .content_length = -1};
    ssize_t count = h2_fields_build(&fields, &stream->trailers);
    if (count < 0)
        return (int)count;
    stream->trailers_len = (size_t)count;
    return 0;
}

static int finish(struct h2_stream *stream, const struct http_field *trailers, size_t trailer_count)
{
    const struct response *response = &stream->exchange.response;
    if (stream->gone)
        return -EPIPE;
    if (!response->started)
        return -EINVAL;
    if (response->announced >= 0 && !response->discard &&
        response->written != (uint64_t)response->announced)
        return -EMSGSIZE;
    return trailer_count > 0 && !response->discard ? keep_trailers(stream, trailers, trailer_count)
                                                   : 0;
}

static void conclude(struct h2_stream *stream, bool cut)
{
    struct response *response = &stream->exchange.response;
    response->finished = true;
    response->cut = cut;
    if (cut && !response->started)
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    else
        h2_resume(stream);
    h2_stream_due(stream);
}

static int h2_finish(struct http_exchange *exchange, const struct http_field *trailers,
                     size_t trailer_count)
{
    struct h2_stream *stream = stream_of(exchange);
    if (exchange->response.finished)
        return -EINVAL;
    int rc = finish(stream, trailers, trailer_count);
    conclude(stream, rc < 0);
    return rc;
}

static void answer(struct h2_stream *stream, unsigned status, const char *reason)
{
    char text[256];
    struct http_exchange *exchange = &stream->exchange;
    struct str body = str_of(text, exchange_reason(text, sizeof(text), status, reason));
    bool answered = !stream->gone && !exchange->response.started &&
                    h2_respond(exchange, status, &exchange_plain_text, 1, (int64_t)body.len) == 0;
    if (answered && !exchange->response.discard)
        answered = h2_write(exchange, body) == 0;
    conclude(stream, !answered);
}

static void h2_abort(struct http_exchange *exchange, unsigned status)
{
    if (!exchange->response.finished)
        answer(stream_of(exchange), status < 400 || status > 999 ? 500 : status, NULL);
}

void h2_answer(struct h2_stream *stream, unsigned status, const char *reason)
{
    server_of(stream)->counts.refused++;
    exchange_log_refused(stream->h2->connection, &stream->exchange.request, status);
    answer(stream, status, reason);
    h2_stream_tell_closed(stream);
}

const struct exchange_ops h2_exchange_ops = {
    .loop = h2_loop,
    .read = h2_read,
    .consume = h2_consume,
    .inform = h2_inform,
    .respond = h2_respond,
    .write_budget = h2_write_budget,
    .write = h2_write,
    .unsent = h2_unsent,
    .finish = h2_finish,
    .abort = h2_abort,
};

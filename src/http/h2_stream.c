// SPDX-License-Identifier: Apache-2.0
// One stream: from its first header field until nghttp2 and the user have both done with it.
#include "http/h2_impl.h"

#include <errno.h>

static struct http_server *server_of(const struct h2_stream *stream)
{
    return stream->h2->connection->server;
}

// ---- lists --------------------------------------------------------------------------------------

void h2_list_add(struct h2_list *list, struct h2_stream *stream)
{
    stream->list = list;
    stream->list_prev = list->last;
    stream->list_next = NULL;
    if (list->last)
        list->last->list_next = stream;
    else
        list->first = stream;
    list->last = stream;
}

void h2_list_remove(struct h2_stream *stream)
{
    struct h2_list *list = TAKE(stream->list);
    if (!list)
        return;
    if (stream->list_prev)
        stream->list_prev->list_next = stream->list_next;
    else
        list->first = stream->list_next;
    if (stream->list_next)
        stream->list_next->list_prev = stream->list_prev;
    else
        list->last = stream->list_prev;
}

void h2_stream_due(struct h2_stream *stream)
{
    if (!stream->list)
        h2_list_add(&stream->h2->due, stream);
    connection_wake(stream->h2->connection);
}

// ---- life ---------------------------------------------------------------------------------------

size_t h2_stream_size(void)
{
    return sizeof(struct h2_stream);
}

struct h2_stream *h2_stream_new(struct h2 *h2, int32_t id)
{
    struct h2_stream *stream = pool_take(&h2->connection->server->h2_streams);
    *stream = (struct h2_stream){
        .exchange = {.ops = &h2_exchange_ops, .keep_alive = true}, .h2 = h2, .id = id};
    stream->next = h2->streams;
    if (stream->next)
        stream->next->prev = stream;
    h2->streams = stream;
    h2->stream_count++;
    h2_head_init(stream);
    return stream;
}

static void forget_head_due(struct h2_stream *stream)
{
    struct h2_stream **link = &stream->h2->heads;
    while (*link && *link != stream)
        link = &(*link)->heads_next;
    if (*link)
        *link = stream->heads_next;
}

void h2_stream_free(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    deadline_clear(&stream->wait);
    deadline_clear(&stream->write);
    h2_list_remove(stream);
    if (stream->head_due)
        forget_head_due(stream);
    if (stream->prev)
        stream->prev->next = stream->next;
    else
        h2->streams = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    h2->stream_count--;
    h2_head_done(stream);
    // The connection's window is for the other streams.
    if (stream->in.len > 0)
        (void)nghttp2_session_consume_connection(h2->session, stream->in.len);
    h2_queue_done(&stream->in);
    h2_queue_done(&stream->out);
    free(stream->response);
    free(stream->trailers);
    pool_give(&h2->connection->server->h2_streams, stream);
}

// ---- the end ------------------------------------------------------------------------------------

void h2_stream_reset(struct h2_stream *stream, uint32_t code)
{
    stream->end_sent = true;
    if (!stream->closed && !stream->reset)
        (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, code);
    stream->reset = true;
    h2_wake(stream->h2);
}

// RFC 9113 section 8.1: a request that is not needed to its end is stopped without an error, after
// the response, if it does not end by itself soon.
static void stop_request(struct h2_stream *stream)
{
    if (stream->closed || stream->exchange.body.done)
        return;
    if (stream->discarded > HTTP_SERVER_DISCARD_BYTES_MAX)
        h2_stream_reset(stream, NGHTTP2_NO_ERROR);
    else
        deadline_set(server_of(stream), &stream->wait, DEADLINE_STREAM_LINGER);
}

// Nobody will read it: it is taken for some while, so that a client that sends first sees the
// answer.
static void discard(struct h2_stream *stream, size_t len)
{
    nghttp2_session *session = stream->h2->session;
    if (len == 0)
        return;
    stream->discarded += len;
    (void)nghttp2_session_consume_connection(session, len);
    if (stream->closed || stream->exchange.body.done)
        return;
    if (stream->discarded <= HTTP_SERVER_DISCARD_BYTES_MAX)
        (void)nghttp2_session_consume_stream(session, stream->id, len);
    else if (stream->end_sent && stream->state == H2_STREAM_OVER)
        stop_request(stream);
}

void h2_stream_tell_closed(struct h2_stream *stream)
{
    bool had_user = stream->state == H2_STREAM_EXCHANGE;
    stream->state = H2_STREAM_OVER;
    deadline_clear(&stream->wait);
    if (had_user) {
        server_of(stream)->counts.exchanges--;
        exchange_tell_closed(&stream->exchange);
    }
    h2_head_done(stream);
    discard(stream, stream->in.len);
    h2_queue_done(&stream->in);
    h2_wake(stream->h2);
}

void h2_stream_end_sent(struct h2_stream *stream)
{
    stream->end_sent = true;
    if (stream->state == H2_STREAM_OVER)
        stop_request(stream);
}

static void end_exchange(struct h2_stream *stream)
{
    h2_stream_tell_closed(stream);
    if (stream->closed)
        h2_stream_free(stream);
    else if (stream->end_sent)
        stop_request(stream);
}

void h2_stream_closed(struct h2_stream *stream, uint32_t code)
{
    stream->closed = true;
    stream->gone |= code != NGHTTP2_NO_ERROR || !stream->end_sent;
    switch (stream->state) {
    case H2_STREAM_HEAD:
    case H2_STREAM_READY:
    case H2_STREAM_OVER:
        h2_stream_free(stream);
        break;
    case H2_STREAM_EXCHANGE:
        h2_stream_due(stream);
        break;
    }
}

// ---- the request's body -------------------------------------------------------------------------

void h2_stream_readable(struct h2_stream *stream)
{
    struct request_body *body = &stream->exchange.body;
    if (!body->waiting)
        return;
    body->waiting = false;
    deadline_clear(&stream->wait);
    body_wait_end(server_of(stream), body);
    stream->exchange.readable_due = true;
    h2_stream_due(stream);
}

void h2_stream_data(struct h2_stream *stream, struct str data)
{
    struct request_body *body = &stream->exchange.body;
    if (stream->state == H2_STREAM_OVER || body->error) {
        discard(stream, data.len);
        return;
    }
    body->received += data.len;
    body->continue_due = false;
    if (body->received > server_of(stream)->options.body_bytes_max) {
        body->error = -EFBIG;
        discard(stream, data.len);
    } else {
        h2_queue_add(&stream->in, data);
    }
    h2_stream_readable(stream);
}

void h2_stream_end(struct h2_stream *stream)
{
    struct request_body *body = &stream->exchange.body;
    body->done = true;
    if (stream->state == H2_STREAM_OVER)
        deadline_clear(&stream->wait);
    else if (stream->head.fault && stream->state == H2_STREAM_EXCHANGE)
        body->error = -EPROTO; // of the trailers
    h2_stream_readable(stream);
}

// ---- the user -----------------------------------------------------------------------------------

// RFC 9218: as urgent as the client says; streams of one urgency take turns.
static void set_priority(struct h2_stream *stream)
{
    nghttp2_extpri priority = {.urgency = stream->head.urgency, .inc = 1};
    (void)nghttp2_session_change_extpri_stream_priority(stream->h2->session, stream->id, &priority,
                                                        1);
}

void h2_stream_start(struct h2_stream *stream)
{
    struct http_server *server = server_of(stream);
    const struct h2_head *head = &stream->head;
    uint64_t length = (uint64_t)MAX(stream->exchange.request.content_length, 0);
    set_priority(stream);
    if (head->fault) {
        h2_answer(stream, http_fault_status(head->fault), http_fault_text(head->fault));
        return;
    }
    if (length > server->options.body_bytes_max) {
        h2_answer(stream, 413, "request body too large");
        return;
    }
    stream->state = H2_STREAM_EXCHANGE;
    stream->h2->connection->turn_requests++;
    exchange_begin(&stream->exchange, stream->h2->connection);
}

void h2_stream_serve(struct h2_stream *stream)
{
    struct http_exchange *exchange = &stream->exchange;
    if (stream->state != H2_STREAM_EXCHANGE)
        return;
    if (exchange->response.finished || stream->gone) {
        end_exchange(stream);
        return;
    }
    // One at a time: a callback may end the exchange, or change who is told.
    if (exchange->readable_due) {
        exchange->readable_due = false;
        if (exchange->writable_due)
            h2_stream_due(stream);
        if (exchange->events.readable)
            exchange->events.readable(exchange->user);
    } else if (exchange->writable_due) {
        exchange->writable_due = false;
        if (exchange->events.writable)
            exchange->events.writable(exchange->user);
    }
}

void h2_stream_expired(struct deadline *deadline, enum deadline_kind kind)
{
    struct h2_stream *stream = kind == DEADLINE_STREAM_WRITE
                                   ? container_of(deadline, struct h2_stream, write)
                                   : container_of(deadline, struct h2_stream, wait);
    struct connection *connection = stream->h2->connection;
    if (kind == DEADLINE_STREAM_BODY) {
        stream->exchange.body.error = -ETIMEDOUT;
        h2_stream_readable(stream);
    } else if (kind == DEADLINE_STREAM_LINGER) {
        h2_stream_reset(stream, NGHTTP2_NO_ERROR);
    } else {
        stream->gone = true;
        h2_stream_due(stream);
        h2_stream_reset(stream, NGHTTP2_CANCEL);
    }
    connection_work(connection);
}

// SPDX-License-Identifier: Apache-2.0
// Exchanges of HTTP/1: a connection has one at a time.
#include "http/server_impl.h"

#include <errno.h>

// Small pieces of a body gather until there is so much to send, at the latest to the end of the
// turn: many share what a system call and the reader's waking cost. Larger ones are not worth the
// copy.
#define GATHER_BYTES       ((size_t)128 * 1024)
#define GATHER_PIECE_BYTES ((size_t)32 * 1024)

static struct connection *connection_of(const struct http_exchange *exchange)
{
    return container_of((struct http_exchange *)(uintptr_t)exchange, struct connection, exchange);
}

// ---- the request's body -------------------------------------------------------------------------

static void send_continue(struct connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    if (!exchange->body.continue_due || exchange->response.started)
        return;
    exchange->body.continue_due = false;
    if (output_add(connection, STR("HTTP/1.1 100 Continue\r\n\r\n")) < 0)
        connection->gone = true;
}

static int end_slow_body(struct http_exchange *exchange)
{
    exchange->keep_alive = false;
    return exchange->body.error = -ETIMEDOUT;
}

static ssize_t h1_read(struct http_exchange *exchange, struct str *out)
{
    struct connection *connection = connection_of(exchange);
    struct request_body *body = &exchange->body;
    if (connection->gone)
        return -ECONNRESET;
    ssize_t len = body_next(connection, out);
    if (len == -EAGAIN) {
        if (!body_wait_begin(connection->server, exchange))
            return end_slow_body(exchange);
        body->waiting = true;
        send_continue(connection);
        deadline_set(connection->server, &connection->wait, DEADLINE_BODY);
        connection_wake(connection);
    } else if (connection->wait.kind == DEADLINE_BODY) {
        deadline_clear(&connection->wait);
    }
    return len;
}

static void h1_consume(struct http_exchange *exchange, size_t len)
{
    body_consume(connection_of(exchange), len);
}

// ---- the response's head ------------------------------------------------------------------------

static int h1_inform(struct http_exchange *exchange, unsigned status,
                     const struct http_field *fields, size_t field_count)
{
    struct connection *connection = connection_of(exchange);
    // 101 would change the protocol; HTTP/1.0 knows no informational answers.
    if (status < 100 || status > 199 || status == 101 || exchange->response.started)
        return -EINVAL;
    if (exchange->request.version_minor == 0)
        return 0;
    if (status == 100)
        exchange->body.continue_due = false;
    struct http_response_head head = {
        .status = status, .fields = fields, .field_count = field_count};
    int rc = output_reserve(connection, 0);
    if (rc == 0)
        rc = http_encode_head(&connection->out, &head);
    connection_wake(connection);
    return rc;
}

// RFC 9112 section 6.3.
static void choose_framing(struct http_exchange *exchange, struct http_response_head *head,
                           int64_t content_length)
{
    struct response *response = &exchange->response;
    response->announced = content_length;
    response->discard = exchange_has_no_body(exchange, head->status);
    if (head->status == 204 || head->status == 304)
        return;
    if (content_length >= 0) {
        head->framing = HTTP_FRAMING_LENGTH;
        head->content_length = (uint64_t)content_length;
    } else if (exchange->request.version_minor > 0) {
        head->framing = HTTP_FRAMING_CHUNKED;
        response->chunked = !response->discard;
    } else if (!response->discard) {
        response->until_close = true;
        exchange->keep_alive = false;
    }
}

static int h1_respond(struct http_exchange *exchange, unsigned status,
                      const struct http_field *fields, size_t field_count, int64_t content_length)
{
    struct connection *connection = connection_of(exchange);
    struct http_server *server = connection->server;
    struct response before = exchange->response;
    if (exchange->response.started || status < 200 || status > 999 || content_length < -1)
        return -EINVAL;
    struct http_response_head head = {.status = status,
                                      .fields = fields,
                                      .field_count = field_count,
                                      .date = server_date(server)};
    choose_framing(exchange, &head, content_length);
    // Who waits for 100 may or may not send its body now: no telling where the next request is.
    if (exchange->body.continue_due || server->draining || connection->eof)
        exchange->keep_alive = false;
    head.close = !exchange->keep_alive;
    head.keep_alive = exchange->request.version_minor == 0;
    int rc = output_reserve(connection, 0);
    if (rc == 0)
        rc = http_encode_head(&connection->out, &head);
    if (rc < 0) {
        exchange->response = before;
        return -EINVAL;
    }
    exchange->response.started = true;
    exchange->response.status = status;
    connection_wake(connection);
    return 0;
}

// ---- the response's body ------------------------------------------------------------------------

static size_t h1_write_budget(struct http_exchange *exchange)
{
    struct connection *connection = connection_of(exchange);
    size_t budget = output_budget(connection);
    if (budget == 0)
        connection->choked = true;
    return connection->permit = budget;
}

static int gather(struct connection *connection, struct str head, struct str data, struct str tail)
{
    int rc = output_reserve(connection, head.len + data.len + tail.len);
    if (rc == 0)
        rc = buf_add_str(&connection->out, head);
    if (rc == 0)
        rc = buf_add_str(&connection->out, data);
    if (rc == 0)
        rc = buf_add_str(&connection->out, tail);
    connection_wake(connection);
    return rc;
}

static int write_framed(struct connection *connection, struct str data)
{
    char text[HTTP_CHUNK_HEAD_BYTES_MAX];
    struct str head = STR_EMPTY, tail = STR_EMPTY;
    if (connection->exchange.response.chunked) {
        head = str_of(text, http_encode_chunk_head(text, data.len));
        tail = STR("\r\n");
    }
    if (data.len < GATHER_PIECE_BYTES && output_unsent(connection) + data.len < GATHER_BYTES)
        return gather(connection, head, data, tail);
    int rc = head.len ? output_add(connection, head) : 0;
    return rc < 0 ? rc : output_send(connection, data, tail);
}

static int h1_write(struct http_exchange *exchange, struct str data)
{
    struct connection *connection = connection_of(exchange);
    struct response *response = &exchange->response;
    if (connection->gone || response->finished || !response->started)
        return -EPIPE;
    if (response->announced >= 0 && data.len > (uint64_t)response->announced - response->written)
        return -EMSGSIZE;
    size_t room = MAX(connection->permit, output_budget(connection));
    connection->permit = 0;
    if (data.len > room && !response->discard)
        return -ENOBUFS;
    response->written += data.len;
    if (response->discard || data.len == 0)
        return 0;
    if (write_framed(connection, data) < 0) {
        connection->gone = true;
        connection_wake(connection);
        return -EPIPE;
    }
    return 0;
}

static size_t h1_unsent(const struct http_exchange *exchange)
{
    return output_unsent(connection_of(exchange));
}

// ---- the end ------------------------------------------------------------------------------------

static int end_response(struct connection *connection, const struct http_field *trailers,
                        size_t trailer_count)
{
    struct response *response = &connection->exchange.response;
    if (connection->gone)
        return -EPIPE;
    if (!response->started)
        return -EINVAL;
    if (response->announced >= 0 && !response->discard &&
        response->written != (uint64_t)response->announced)
        return -EMSGSIZE;
    if (!response->chunked)
        return 0;
    int rc = output_add(connection, STR("0\r\n"));
    if (rc == 0)
        rc = http_encode_trailers(&connection->out, trailers, trailer_count);
    return rc;
}

static int h1_finish(struct http_exchange *exchange, const struct http_field *trailers,
                     size_t trailer_count)
{
    struct connection *connection = connection_of(exchange);
    if (exchange->response.finished)
        return -EINVAL;
    int rc = end_response(connection, trailers, trailer_count);
    exchange->response.finished = true;
    exchange->response.cut = rc < 0;
    connection_wake(connection);
    return rc;
}

void exchange_answer(struct connection *connection, unsigned status, const char *reason)
{
    char text[256];
    struct str body = str_of(text, exchange_reason(text, sizeof(text), status, reason));
    struct http_response_head head = {.status = status,
                                      .fields = &exchange_plain_text,
                                      .field_count = 1,
                                      .framing = HTTP_FRAMING_LENGTH,
                                      .content_length = body.len,
                                      .date = server_date(connection->server),
                                      .close = true};
    if (output_reserve(connection, 0) < 0 || http_encode_head(&connection->out, &head) < 0 ||
        output_add(connection, body) < 0)
        connection->gone = true;
}

static void h1_abort(struct http_exchange *exchange, unsigned status)
{
    char text[256];
    struct connection *connection = connection_of(exchange);
    if (exchange->response.finished)
        return;
    if (status < 400 || status > 999)
        status = 500;
    struct str body = str_of(text, exchange_reason(text, sizeof(text), status, NULL));
    bool answered = !exchange->response.started && !connection->gone &&
                    h1_respond(exchange, status, &exchange_plain_text, 1, (int64_t)body.len) == 0;
    if (answered && !exchange->response.discard)
        answered = write_framed(connection, body) == 0;
    exchange->response.finished = true;
    exchange->response.cut = !answered;
    connection_wake(connection);
}

static struct loop *h1_loop(const struct http_exchange *exchange)
{
    return connection_of(exchange)->server->loop;
}

const struct exchange_ops exchange_h1_ops = {
    .loop = h1_loop,
    .read = h1_read,
    .consume = h1_consume,
    .inform = h1_inform,
    .respond = h1_respond,
    .write_budget = h1_write_budget,
    .write = h1_write,
    .unsent = h1_unsent,
    .finish = h1_finish,
    .abort = h1_abort,
};

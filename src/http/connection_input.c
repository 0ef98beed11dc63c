// SPDX-License-Identifier: Apache-2.0
// What was received: the head stays where it was parsed until the exchange ends, the body follows
// it in the same buffer or, when it is larger, in one of its own.
#include "http/server_impl.h"

#include <assert.h>
#include <errno.h>

// ---- buffers ------------------------------------------------------------------------------------

static struct input take_input(struct http_server *server, size_t size)
{
    if (size <= INPUT_SMALL_BYTES)
        return (struct input){.data = pool_take(&server->input_small), .cap = INPUT_SMALL_BYTES};
    if (size <= INPUT_LARGE_BYTES)
        return (struct input){.data = pool_take(&server->input_large), .cap = INPUT_LARGE_BYTES};
    return (struct input){.data = try_alloc(size), .cap = size};
}

void input_release(struct connection *connection, struct input *input)
{
    struct http_server *server = connection->server;
    if (input->cap == INPUT_SMALL_BYTES)
        pool_give(&server->input_small, input->data);
    else if (input->cap == INPUT_LARGE_BYTES)
        pool_give(&server->input_large, input->data);
    else
        free(input->data);
    *input = (struct input){0};
}

void input_take(struct connection *connection, size_t size)
{
    if (!connection->input.data)
        connection->input = take_input(connection->server, size);
}

void input_to_idle(struct connection *connection)
{
    input_release(connection, &connection->input);
    pool_give(&connection->server->fields, TAKE(connection->fields));
    connection->pinned = 0;
}

static size_t input_len(const struct input *input)
{
    return input->end - input->start;
}

static void copy_rest(struct input *to, const struct input *from)
{
    to->end = to->start + input_len(from);
    memcpy(to->data + to->start, from->data + from->start, input_len(from));
}

int input_grow_head(struct connection *connection)
{
    struct input *input = &connection->input;
    size_t used = input_len(input);
    char *from = input->data + input->start;
    if (input->start > 0) {
        memmove(input->data, from, used);
        http_parser_moved(&connection->parser, from, input->data);
        input->start = 0;
        input->end = used;
        return 0;
    }
    // The parser refuses a head over the limit before the buffer is that large.
    size_t size = input->cap < INPUT_LARGE_BYTES ? INPUT_LARGE_BYTES : 2 * input->cap;
    struct input grown = take_input(connection->server, size);
    if (!grown.data)
        return -ENOBUFS;
    copy_rest(&grown, input);
    http_parser_moved(&connection->parser, from, grown.data);
    input_release(connection, input);
    *input = grown;
    return 0;
}

// ---- receiving ----------------------------------------------------------------------------------

static ssize_t receive(struct connection *connection, char *data, size_t len)
{
    ssize_t got = net_stream_read(&connection->stream, data, len);
    if (got == 0)
        connection->eof = true;
    if (got >= 0 || got == -EAGAIN)
        return got;
    connection->gone = true;
    return -ECONNRESET;
}

ssize_t input_fill_spare(struct connection *connection)
{
    struct input *input = &connection->input;
    if (connection->eof)
        return 0;
    if (!input->data)
        *input = take_input(connection->server, INPUT_SMALL_BYTES);
    if (input->end == input->cap)
        return -ENOBUFS;
    ssize_t got = receive(connection, input->data + input->end, input->cap - input->end);
    if (got > 0)
        input->end += (size_t)got;
    connection->exchange.body.fills += input->end == input->cap;
    return got;
}

ssize_t input_throw_away(struct connection *connection)
{
    char scratch[16384];
    if (connection->eof)
        return 0;
    ssize_t got = receive(connection, scratch, sizeof(scratch));
    if (got > 0)
        connection->discarded += (uint64_t)got;
    return got;
}

static void to_front(struct connection *connection)
{
    struct input *input = &connection->input;
    char *from = input->data + input->start, *to = input->data + connection->pinned;
    if (from == to)
        return;
    memmove(to, from, input_len(input));
    if (connection->exchange.body.in_trailers)
        http_parser_moved(&connection->exchange.body.trailers, from, to);
    input->end -= (size_t)(from - to);
    input->start = connection->pinned;
}

static void use_large_buffer(struct connection *connection)
{
    struct input large = take_input(connection->server, INPUT_LARGE_BYTES);
    const char *from = connection->input.data + connection->input.start;
    copy_rest(&large, &connection->input);
    if (connection->exchange.body.in_trailers)
        http_parser_moved(&connection->exchange.body.trailers, from, large.data);
    connection->head_input = connection->input;
    connection->input = large;
    connection->pinned = 0;
}

#define CHUNKED_ROOM_MIN ((size_t)4096)

static bool wants_large_buffer(const struct connection *connection)
{
    const struct request_body *body = &connection->exchange.body;
    const struct input *input = &connection->input;
    size_t room = input->cap - input->end;
    if (connection->head_input.data)
        return false;
    return body->is_chunked ? room < CHUNKED_ROOM_MIN : body->remaining - input_len(input) > room;
}

static bool wants_huge_buffer(const struct connection *connection)
{
    return connection->exchange.body.fills >= 2 && connection->head_input.data &&
           connection->input.cap == INPUT_LARGE_BYTES && input_len(&connection->input) == 0;
}

static void use_huge_buffer(struct connection *connection)
{
    struct input huge = take_input(connection->server, INPUT_HUGE_BYTES);
    if (!huge.data)
        return;
    input_release(connection, &connection->input);
    connection->input = huge;
}

ssize_t input_fill(struct connection *connection)
{
    if (connection->state == CONNECTION_EXCHANGE || connection->state == CONNECTION_DISCARD) {
        if (connection->input.start > connection->pinned)
            to_front(connection);
        if (wants_large_buffer(connection))
            use_large_buffer(connection);
        else if (wants_huge_buffer(connection))
            use_huge_buffer(connection);
    }
    return input_fill_spare(connection);
}

// ---- the request's body -------------------------------------------------------------------------

void body_wait_end(const struct http_server *server, struct request_body *body)
{
    // Time goes in ticks; many short waits add up to what they took nevertheless.
    body->waited += server->now - body->wait_since;
}

bool body_wait_begin(const struct http_server *server, struct http_exchange *exchange)
{
    struct request_body *body = &exchange->body;
    const struct http_server_options *options = &server->options;
    uint64_t waited_ms = body->waited / NS_PER_MS;
    body->wait_since = server->now;
    // Once it answers, both sides may talk for as long as they like.
    return exchange->response.started || waited_ms <= options->body_timeout_ms ||
           body->received >= waited_ms * options->receive_rate_min / 1000;
}

static int body_fail(struct connection *connection, int code)
{
    connection->exchange.body.error = code;
    connection->exchange.keep_alive = false;
    return code;
}

static int take_trailers(struct connection *connection)
{
    struct request_body *body = &connection->exchange.body;
    struct input *input = &connection->input;
    ssize_t len = http_parser_run(&body->trailers, input->data + input->start, input_len(input));
    if (len < 0)
        return body_fail(connection, -EPROTO);
    if (len == 0)
        return -EAGAIN;
    body->trailer_count =
        body->trailers.field_count - (uint32_t)connection->exchange.request.field_count;
    body->done = true;
    input->start += (size_t)len;
    connection->pinned = input->start;
    return 0;
}

static int take_chunked(struct connection *connection)
{
    struct request_body *body = &connection->exchange.body;
    struct input *input = &connection->input;
    size_t skip;
    if (body->in_trailers)
        return take_trailers(connection);
    if (http_chunked_next(&body->chunked, input->data + input->start, input_len(input), &skip,
                          &body->piece) < 0)
        return body_fail(connection, -EPROTO);
    input->start += skip;
    if (body->chunked.remaining > connection->server->options.body_bytes_max - body->received)
        return body_fail(connection, -EFBIG);
    if (body->chunked.state != HTTP_CHUNK_TRAILERS)
        return body->piece ? 0 : -EAGAIN;
    body->in_trailers = true;
    http_parser_init_trailers(&body->trailers, &connection->server->limits, connection->fields,
                              (uint32_t)connection->exchange.request.field_count);
    return take_trailers(connection);
}

// The next piece out of what was received: 0 with a piece or at the end, -EAGAIN, or an error.
static int take_piece(struct connection *connection)
{
    struct request_body *body = &connection->exchange.body;
    if (body->error)
        return body->error;
    if (body->done || body->piece > 0)
        return 0;
    if (body->is_chunked)
        return take_chunked(connection);
    body->piece = (size_t)MIN(body->remaining, input_len(&connection->input));
    return body->piece ? 0 : -EAGAIN;
}

ssize_t body_next(struct connection *connection, struct str *out)
{
    struct request_body *body = &connection->exchange.body;
    int rc = take_piece(connection);
    while (rc == -EAGAIN) {
        ssize_t got = input_fill(connection);
        if (got == -EAGAIN)
            return -EAGAIN;
        if (got == -ENOBUFS)
            return body_fail(connection, -EPROTO);
        if (got <= 0)
            return body_fail(connection, -ECONNRESET);
        body->continue_due = false;
        rc = take_piece(connection);
    }
    if (rc < 0)
        return rc;
    *out = body->piece ? str_of(connection->input.data + connection->input.start, body->piece)
                       : STR_EMPTY;
    return (ssize_t)body->piece;
}

void body_consume(struct connection *connection, size_t len)
{
    struct request_body *body = &connection->exchange.body;
    assert(len <= body->piece);
    body->piece -= len;
    body->received += len;
    connection->input.start += len;
    if (len == 0)
        return;
    if (body->is_chunked) {
        http_chunked_consume(&body->chunked, len);
    } else {
        body->remaining -= len;
        body->done = body->remaining == 0;
    }
}

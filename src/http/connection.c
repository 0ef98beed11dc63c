// SPDX-License-Identifier: Apache-2.0
// One connection: its states, and when it reads.
#include "http/h2.h"

#include <errno.h>
#include <sys/socket.h>

static size_t unused_input(const struct connection *connection)
{
    return connection->input.end - connection->input.start;
}

void connection_wake(struct connection *connection)
{
    loop_defer(connection->server->loop, &connection->defer);
}

// ---- the end of a connection --------------------------------------------------------------------

void connection_destroy(struct connection *connection)
{
    if (connection->state == CONNECTION_EXCHANGE) {
        connection->server->counts.exchanges--;
        connection->gone = true;
        exchange_tell_closed(&connection->exchange);
    }
    if (connection->h2)
        h2_free(connection);
    if (connection->is_counted)
        http_clients_give(connection->server->options.clients, &connection->peer);
    connection->state = CONNECTION_CLOSED;
    loop_defer_cancel(connection->server->loop, &connection->defer);
    deadline_clear(&connection->wait);
    deadline_clear(&connection->write);
    loop_poll_done(&connection->poll);
    net_stream_close(&connection->stream);
    input_release(connection, &connection->head_input);
    input_to_idle(connection);
    output_release(connection);
    server_forget(connection);
    free(connection);
}

// The peer must not take what it got for a complete answer.
static void cut(struct connection *connection)
{
    output_flush(connection);
    if (connection->exchange.response.until_close) {
        static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(connection->stream.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    connection->state = CONNECTION_CLOSED;
}

// ---- from request to request --------------------------------------------------------------------

static void next_request(struct connection *connection)
{
    deadline_clear(&connection->wait);
    input_release(connection, &connection->head_input);
    connection->pinned = 0;
    connection->discarded = 0;
    connection->state = CONNECTION_HEAD;
    if (connection->fields)
        http_parser_init(&connection->parser, &connection->server->limits, connection->fields);
}

static void end_exchange(struct connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    connection->server->counts.exchanges--;
    // No event of this exchange may come later, nor may one see it in the next state.
    connection->state = CONNECTION_DISCARD;
    exchange_tell_closed(exchange);
    deadline_clear(&connection->wait);
    if (exchange->body.piece > 0)
        body_consume(connection, exchange->body.piece);
    if (exchange->response.cut)
        cut(connection);
    else if (!exchange->keep_alive || connection->server->draining)
        connection->state = CONNECTION_FLUSH;
    else if (exchange->body.done)
        next_request(connection);
}

static struct str scheme_of(const struct connection *connection, const struct http_head *head)
{
    if (connection->stream.tls)
        return STR("https");
    return head->scheme.len ? head->scheme : STR("http");
}

static void refuse(struct connection *connection, unsigned status, const char *reason)
{
    const struct http_parser *parser = &connection->parser;
    struct http_request request = {
        .method = parser->head.method,
        .target = parser->raw_target,
        .authority = parser->host,
        .scheme = scheme_of(connection, &parser->head),
        .fields = connection->fields,
        .field_count = parser->field_count,
        .version_major = 1,
        .version_minor = parser->head.version_minor,
    };
    connection->server->counts.refused++;
    exchange_log_refused(connection, &request, status);
    exchange_answer(connection, status, reason);
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_FLUSH;
}

static void init_body(struct connection *connection, const struct http_head *head)
{
    struct request_body *body = &connection->exchange.body;
    body->is_chunked = head->chunked;
    body->remaining = head->chunked ? 0 : (uint64_t)head->content_length;
    body->done = !head->chunked && body->remaining == 0;
    body->continue_due = head->expect_continue && !body->done && unused_input(connection) == 0;
}

static void start_exchange(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = &connection->exchange;
    const struct http_head *head = &connection->parser.head;
    *exchange = (struct http_exchange){.ops = &exchange_h1_ops,
                                       .keep_alive = !head->close &&
                                                     (head->version_minor > 0 || head->keep_alive)};
    exchange->request = (struct http_request){
        .method = head->method,
        .target = head->target,
        .authority = head->authority,
        .scheme = scheme_of(connection, head),
        .fields = connection->fields,
        .field_count = connection->parser.field_count,
        .content_length = head->content_length,
        .version_major = 1,
        .version_minor = head->version_minor,
    };
    if (server->options.request_ids)
        exchange->request.field_count =
            trace_context_complete(&exchange->trace, connection->fields,
                                   connection->parser.field_count, server->options.fields_max);
    init_body(connection, head);
    if (exchange->body.remaining > server->options.body_bytes_max) {
        refuse(connection, 413, "request body too large");
        return;
    }
    deadline_clear(&connection->wait);
    connection->pinned = connection->input.start;
    connection->state = CONNECTION_EXCHANGE;
    connection->turn_requests++;
    exchange_begin(exchange, connection);
}

// ---- steps: each returns true when another one may follow ---------------------------------------

static bool rest_between_requests(struct connection *connection)
{
    if (connection->eof || connection->server->draining) {
        connection->state = CONNECTION_FLUSH;
        return true;
    }
    input_to_idle(connection);
    if (connection->wait.kind != DEADLINE_IDLE)
        deadline_set(connection->server, &connection->wait, DEADLINE_IDLE);
    return false;
}

static bool wait_for_rest_of_head(struct connection *connection)
{
    if (connection->eof) {
        connection->state = CONNECTION_FLUSH;
        return true;
    }
    if (connection->input.end == connection->input.cap && input_grow_head(connection) < 0) {
        refuse(connection, 431, "out of memory for header fields");
        return true;
    }
    if (connection->wait.kind != DEADLINE_HEAD)
        deadline_set(connection->server, &connection->wait, DEADLINE_HEAD);
    return false;
}

// RFC 9113 section 3.3: a client that knows begins with the preface. No request of HTTP/1 does.
static enum h2_preface look_for_h2(const struct connection *connection)
{
    const struct input *input = &connection->input;
    if (connection->spoke_h1)
        return H2_PREFACE_NONE;
    return h2_preface_look(str_of(input->data + input->start, unused_input(connection)));
}

static bool step_head(struct connection *connection)
{
    struct http_server *server = connection->server;
    if (unused_input(connection) == 0)
        return rest_between_requests(connection);
    enum h2_preface preface = look_for_h2(connection);
    if (preface == H2_PREFACE_PART)
        return wait_for_rest_of_head(connection);
    if (preface == H2_PREFACE_WHOLE) {
        h2_open(connection);
        return true;
    }
    connection->spoke_h1 = true;
    // Answers that the peer does not take must not pile up.
    if (output_budget(connection) == 0)
        return false;
    if (connection->turn_requests >= server->options.pipelined_max) {
        connection_wake(connection);
        return false;
    }
    if (!connection->fields) {
        connection->fields = pool_take(&server->fields);
        http_parser_init(&connection->parser, &server->limits, connection->fields);
    }
    struct input *input = &connection->input;
    ssize_t len =
        http_parser_run(&connection->parser, input->data + input->start, input->end - input->start);
    if (len == 0)
        return wait_for_rest_of_head(connection);
    // Nobody there who would read an answer.
    if (len < 0 && connection->parser.fault == HTTP_FAULT_NOT_HTTP) {
        server->counts.refused++;
        deadline_clear(&connection->wait);
        connection->state = CONNECTION_FLUSH;
        return true;
    }
    if (len < 0) {
        refuse(connection, http_fault_status(connection->parser.fault),
               http_fault_text(connection->parser.fault));
        return true;
    }
    input->start += (size_t)len;
    start_exchange(connection);
    return true;
}

static bool step_exchange(struct connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    if (exchange->response.finished) {
        end_exchange(connection);
    } else if (exchange->readable_due) {
        exchange->readable_due = false;
        if (exchange->events.readable)
            exchange->events.readable(exchange->user);
    } else if (exchange->writable_due) {
        exchange->writable_due = false;
        if (exchange->events.writable)
            exchange->events.writable(exchange->user);
    } else {
        return false;
    }
    return true;
}

static bool step_discard(struct connection *connection)
{
    struct request_body *body = &connection->exchange.body;
    struct str piece;
    ssize_t len = body_next(connection, &piece);
    if (len == -EAGAIN) {
        // Once: not for each of the bytes.
        if (connection->wait.kind != DEADLINE_LINGER)
            deadline_set(connection->server, &connection->wait, DEADLINE_LINGER);
        return false;
    }
    connection->discarded += len > 0 ? (uint64_t)len : 0;
    if (len < 0 || connection->discarded > HTTP_SERVER_DISCARD_BYTES_MAX)
        connection->state = CONNECTION_FLUSH;
    else
        body_consume(connection, (size_t)len);
    if (connection->state == CONNECTION_DISCARD && body->done)
        next_request(connection);
    return true;
}

// RFC 9112 section 9.6: closing with unread input would reset the connection and could destroy the
// answer on its way.
static bool step_flush(struct connection *connection)
{
    if (output_unsent(connection) > 0)
        return false;
    // A peer under TLS waits for close_notify even after its own.
    int rc =
        connection->eof && !connection->stream.tls ? 0 : net_stream_shutdown(&connection->stream);
    if (rc == -EAGAIN) {
        connection->blocked = true;
        if (connection->write.kind == DEADLINE_NONE)
            output_expect_progress(connection);
        return false;
    }
    if (connection->eof || rc < 0) {
        connection->state = CONNECTION_CLOSED;
        return false;
    }
    connection->state = CONNECTION_LINGER;
    deadline_set(connection->server, &connection->wait, DEADLINE_LINGER);
    return true;
}

static bool step(struct connection *connection)
{
    if (connection->gone && connection->state != CONNECTION_EXCHANGE)
        connection->state = CONNECTION_CLOSED;
    if (connection->gone && connection->state == CONNECTION_EXCHANGE) {
        connection->exchange.keep_alive = false;
        end_exchange(connection);
        connection->state = CONNECTION_CLOSED;
    }
    switch (connection->state) {
    case CONNECTION_OPENING:
        return step_opening(connection);
    case CONNECTION_HEAD:
        return step_head(connection);
    case CONNECTION_EXCHANGE:
        return step_exchange(connection);
    case CONNECTION_H2:
        return h2_step(connection);
    case CONNECTION_DISCARD:
        return step_discard(connection);
    case CONNECTION_FLUSH:
        return step_flush(connection);
    case CONNECTION_LINGER:
        if (connection->eof)
            connection->state = CONNECTION_CLOSED;
        return false;
    case CONNECTION_CLOSED:
        return false;
    }
    return false;
}

// ---- readiness ----------------------------------------------------------------------------------

static bool wants_input(const struct connection *connection)
{
    if (connection->eof || connection->gone)
        return false;
    switch (connection->state) {
    case CONNECTION_OPENING:
        return true;
    case CONNECTION_HEAD:
        return output_budget(connection) > 0;
    case CONNECTION_EXCHANGE:
        if (!connection->exchange.body.done)
            return connection->exchange.body.waiting;
        return !connection->input.data || connection->input.end < connection->input.cap;
    case CONNECTION_H2:
        return h2_wants_input(connection);
    case CONNECTION_DISCARD:
    case CONNECTION_FLUSH:
    case CONNECTION_LINGER:
        return true;
    case CONNECTION_CLOSED:
        break;
    }
    return false;
}

// Watching costs system calls to change, so an interest that ended is dropped only when an event
// shows that it is in the way.
static void watch(struct connection *connection, bool drop_input)
{
    bool wants = wants_input(connection);
    bool waits = connection->blocked || net_stream_unsent(&connection->stream) > 0;
    unsigned events = waits ? LOOP_WRITABLE : 0;
    if (wants && net_stream_has_input(&connection->stream))
        connection_wake(connection);
    if (wants || (!drop_input && !connection->eof && connection->poll.events & LOOP_READABLE))
        events |= LOOP_READABLE;
    if (loop_poll_set(&connection->poll, events) < 0) {
        connection->gone = true;
        connection_wake(connection);
    }
}

void connection_work(struct connection *connection)
{
    if (connection->working)
        return;
    connection->working = true;
    while (step(connection))
        ;
    connection->working = false;
    if (connection->state == CONNECTION_CLOSED)
        connection_destroy(connection);
    else
        watch(connection, false);
}

static void on_input(struct connection *connection)
{
    struct request_body *body = &connection->exchange.body;
    switch (connection->state) {
    case CONNECTION_OPENING:
        break;
    case CONNECTION_HEAD:
        (void)input_fill(connection);
        break;
    case CONNECTION_EXCHANGE:
        if (body->done) {
            (void)input_fill_spare(connection);
        } else if (body->waiting) {
            body->waiting = false;
            deadline_clear(&connection->wait);
            connection->exchange.readable_due = true;
            body_wait_end(connection->server, body);
        }
        break;
    case CONNECTION_H2:
        h2_input(connection);
        break;
    case CONNECTION_DISCARD:
        break;
    case CONNECTION_FLUSH:
    case CONNECTION_LINGER:
        (void)input_throw_away(connection);
        break;
    case CONNECTION_CLOSED:
        break;
    }
}

// A reset reaches also a user who is not reading.
static bool is_broken(const struct connection *connection)
{
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(connection->stream.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0;
}

static void on_poll(struct loop_poll *poll, unsigned events)
{
    struct connection *connection = container_of(poll, struct connection, poll);
    connection->turn_requests = 0;
    if (events & LOOP_WRITABLE)
        output_flush(connection);
    if (events & (LOOP_READABLE | LOOP_HANGUP)) {
        if (wants_input(connection))
            on_input(connection);
        else if (events & LOOP_HANGUP && is_broken(connection))
            connection->gone = true;
        else
            watch(connection, true);
    }
    connection_work(connection);
}

static void on_defer(struct loop_defer *defer)
{
    struct connection *connection = container_of(defer, struct connection, defer);
    connection->turn_requests = 0;
    if (net_stream_has_input(&connection->stream) && wants_input(connection))
        on_input(connection);
    // Steps may end the connection; what they answer is flushed together with what was there.
    connection->working = true;
    while (step(connection))
        ;
    connection->working = false;
    if (!connection->blocked)
        output_flush(connection);
    connection_work(connection);
}

// ---- life ---------------------------------------------------------------------------------------

void connection_open(struct http_server *server, int fd, const struct net_endpoint *peer)
{
    struct connection *connection = mem_new(struct connection);
    connection->server = server;
    connection->stream.fd = fd;
    connection->peer = *peer;
    connection->defer.callback = on_defer;
    if (loop_poll_init(&connection->poll, server->loop, fd, on_poll) < 0) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = server->connections;
    if (connection->next)
        connection->next->prev = connection;
    server->connections = connection;
    server->counts.connections++;
    if (!server->tick.active) {
        server->now = loop_now(server->loop);
        loop_timer_start(&server->tick, HTTP_SERVER_TICK_MS * NS_PER_MS);
    }
    // Behind a proxy it is not yet known whose it is.
    if (!server->options.proxy_protocol && !server_count_client(connection)) {
        connection_destroy(connection);
        return;
    }
    opening_begin(connection);
    connection_work(connection);
}

static bool is_idle(const struct connection *connection)
{
    if (connection->state == CONNECTION_OPENING)
        return true;
    return connection->state == CONNECTION_HEAD && unused_input(connection) == 0 &&
           !net_stream_has_input(&connection->stream);
}

void connection_close_idle(struct connection *connection)
{
    if (connection->state == CONNECTION_H2) {
        h2_drain(connection);
        return;
    }
    if (connection->working || !is_idle(connection))
        return;
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_FLUSH;
    connection_work(connection);
}

bool connection_give_way(struct connection *connection)
{
    if (connection->working)
        return false;
    if (connection->state == CONNECTION_H2)
        return h2_give_way(connection);
    if (connection->state != CONNECTION_HEAD || !is_idle(connection))
        return false;
    connection_expired(connection, DEADLINE_IDLE);
    return true;
}

void connection_expired(struct connection *connection, enum deadline_kind kind)
{
    struct request_body *body = &connection->exchange.body;
    if (connection->state == CONNECTION_H2 && kind != DEADLINE_WRITE) {
        h2_expired(connection);
        connection_work(connection);
        return;
    }
    switch (kind) {
    case DEADLINE_OPENING:
        opening_expired(connection);
        break;
    case DEADLINE_HEAD:
        refuse(connection, 408, "the request's head did not arrive in time");
        break;
    case DEADLINE_BODY:
        body->error = -ETIMEDOUT;
        body->waiting = false;
        connection->exchange.keep_alive = false;
        connection->exchange.readable_due = true;
        break;
    case DEADLINE_IDLE:
        (void)net_stream_shutdown(&connection->stream);
        connection->state = CONNECTION_CLOSED;
        break;
    case DEADLINE_LINGER:
        connection->state =
            connection->state == CONNECTION_DISCARD ? CONNECTION_FLUSH : CONNECTION_CLOSED;
        break;
    case DEADLINE_WRITE:
        connection->gone |= !output_progressed(connection);
        break;
    case DEADLINE_NONE:
    case DEADLINE_REST:
    case DEADLINE_STREAM_BODY:
    case DEADLINE_STREAM_LINGER:
    case DEADLINE_STREAM_WRITE:
    case DEADLINE_COUNT:
        break;
    }
    connection_work(connection);
}

// SPDX-License-Identifier: Apache-2.0
// What exchanges have in common, and the way to their protocol's functions.
#include "http/exchange.h"

#include "http/h2.h"

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

const struct net_endpoint *http_exchange_peer(const struct http_exchange *exchange)
{
    return &exchange->connection->peer;
}

struct loop *http_exchange_loop(const struct http_exchange *exchange)
{
    return exchange->ops->loop(exchange);
}

void http_exchange_set_events(struct http_exchange *exchange,
                              const struct http_exchange_events *events, void *user)
{
    exchange->events = *events;
    exchange->user = user;
}

const struct http_field *http_exchange_trailers(const struct http_exchange *exchange, size_t *count)
{
    *count = exchange->body.trailer_count;
    return exchange->request.fields + exchange->request.field_count;
}

bool http_exchange_responded(const struct http_exchange *exchange)
{
    return exchange->response.started;
}

ssize_t http_exchange_read(struct http_exchange *exchange, struct str *out)
{
    return exchange->ops->read(exchange, out);
}

void http_exchange_consume(struct http_exchange *exchange, size_t len)
{
    exchange->ops->consume(exchange, len);
}

int http_exchange_inform(struct http_exchange *exchange, unsigned status,
                         const struct http_field *fields, size_t field_count)
{
    return exchange->ops->inform(exchange, status, fields, field_count);
}

int http_exchange_respond(struct http_exchange *exchange, unsigned status,
                          const struct http_field *fields, size_t field_count,
                          int64_t content_length)
{
    return exchange->ops->respond(exchange, status, fields, field_count, content_length);
}

size_t http_exchange_write_budget(const struct http_exchange *exchange)
{
    // The answer 0 is remembered: `writable` is owed then.
    return exchange->ops->write_budget((struct http_exchange *)(uintptr_t)exchange);
}

int http_exchange_write(struct http_exchange *exchange, struct str data)
{
    return exchange->ops->write(exchange, data);
}

size_t http_exchange_unsent(const struct http_exchange *exchange)
{
    return exchange->ops->unsent(exchange);
}

int http_exchange_finish(struct http_exchange *exchange, const struct http_field *trailers,
                         size_t trailer_count)
{
    return exchange->ops->finish(exchange, trailers, trailer_count);
}

void http_exchange_abort(struct http_exchange *exchange, unsigned status)
{
    exchange->ops->abort(exchange, status);
}

static void count_request(struct http_exchange *exchange, struct connection *connection)
{
    uint32_t max = connection->server->options.requests_per_connection_max;
    connection->requests++;
    if (max == 0 || connection->requests < max)
        return;
    exchange->keep_alive = false;
    if (connection->h2)
        h2_drain(connection);
}

void exchange_begin(struct http_exchange *exchange, struct connection *connection)
{
    struct http_server *server = connection->server;
    exchange->connection = connection;
    count_request(exchange, connection);
    if (server->options.access_log)
        clock_gettime(CLOCK_MONOTONIC, &exchange->started);
    server->counts.requests++;
    server->counts.exchanges++;
    server->options.on_request(exchange, server->options.user);
}

static uint64_t microseconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (now.tv_sec - start->tv_sec) * 1000000000 + now.tv_nsec - start->tv_nsec;
    return (uint64_t)MAX(ns, 0) / 1000;
}

static void write_access_log(const struct http_exchange *exchange)
{
    const struct connection *connection = exchange->connection;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct http_access_entry entry = {
        .request = &exchange->request,
        .peer = connection->peer,
        .status = exchange->response.status,
        .bytes_received = exchange->body.received,
        .bytes_sent = exchange->response.discard ? 0 : exchange->response.written,
        .duration_us = microseconds_since(&exchange->started),
        .cut = !exchange->response.finished || exchange->response.cut,
    };
    entry.time_us = now.tv_sec * 1000000 + now.tv_nsec / 1000 - (int64_t)entry.duration_us;
    http_access_log_add(connection->server->options.access_log, &entry);
}

void exchange_log_refused(const struct connection *connection, const struct http_request *request,
                          unsigned status)
{
    struct timespec now;
    if (!connection->server->options.access_log)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    struct http_access_entry entry = {
        .request = request,
        .peer = connection->peer,
        .status = status,
        .time_us = now.tv_sec * 1000000 + now.tv_nsec / 1000,
    };
    http_access_log_add(connection->server->options.access_log, &entry);
}

void exchange_tell_closed(struct http_exchange *exchange)
{
    if (exchange->connection->server->options.access_log)
        write_access_log(exchange);
    void (*closed)(void *user) = exchange->events.closed;
    void *user = exchange->user;
    exchange->events = (struct http_exchange_events){0};
    if (closed)
        closed(user);
}

bool exchange_has_no_body(const struct http_exchange *exchange, unsigned status)
{
    return status == 204 || status == 304 || str_is(exchange->request.method, "HEAD");
}

size_t exchange_reason(char *text, size_t size, unsigned status, const char *reason)
{
    int len = snprintf(text, size, "%u %s%s%s\n", status, http_reason(status), reason ? ": " : "",
                       reason ? reason : "");
    return MIN((size_t)MAX(len, 0), size - 1);
}

const struct http_field exchange_plain_text = {STR_INIT("content-type"), STR_INIT("text/plain")};

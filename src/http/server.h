// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 and HTTP/2 server on the thread of one loop.
//
// Each worker has a server of its own on the same address (SO_REUSEPORT). HTTP/2 is spoken with
// clients that begin with its preface, or agree on it by ALPN; an upgrade from HTTP/1.1 is ignored,
// as RFC 9113 has it. Over HTTP/1 a connection serves one
// request at a time: requests that a client sends ahead wait in its buffer, in order. What is
// answered within one turn of the loop is written together at its end. An idle connection holds no
// buffers.
#pragma once

#include "http/access_log.h"
#include "http/exchange.h"
#include "http/parser.h"
#include "http/server_clients.h"
#include "loop/loop.h"
#include "net/tls.h"

struct http_server;

// Every number: 0 stands for the default.
struct http_server_options {
    const char *address; // as net_address_parse(); NULL: `listener`
    int listener;        // a bound, listening, non-blocking socket; becomes the server's
    // Each connection begins with a header of the PROXY protocol, version 2; others are closed.
    // Only for listeners that none but the proxy can reach.
    bool proxy_protocol;
    bool request_ids; // requests get a traceparent and an x-request-id where they lack them
    struct http_access_log *access_log; // NULL: none; outlives the server
    // HTTPS; NULL: plain HTTP. The server takes a reference.
    struct tls_context *tls;
    // At the limit, and when the process has no descriptor left, connections that have been idle
    // for HTTP_SERVER_IDLE_SPARED_MS make room, the longest idle first; else more wait in the
    // kernel's queue.
    uint32_t connections_max;
    struct http_clients *clients; // of one client; more are closed. NULL: no limit; referenced
    uint32_t requests_per_connection_max; // then `Connection: close`, GOAWAY; default: no limit
    uint32_t pipelined_max; // requests served in a row before other connections have their turn

    uint32_t request_line_bytes_max; // more: 414
    uint32_t head_bytes_max;         // more: 431
    uint32_t fields_max;             // headers and trailers together; more: 431
    uint64_t body_bytes_max;         // more: 413, or -EFBIG for the reader; default: no limit
    uint32_t output_bytes_max;       // unsent, per connection; over HTTP/2 per stream as well

    uint32_t h2_streams_max; // at once, per connection; more: REFUSED_STREAM
    // Bodies that nobody reads, per stream and per connection; at most 2^31 - 1.
    uint32_t h2_stream_window_bytes;
    uint32_t h2_connection_window_bytes;

    uint32_t handshake_timeout_ms; // PROXY header and TLS: from the connection's start
    uint32_t head_timeout_ms;      // from the first byte to the end of the head: 408
    uint32_t idle_timeout_ms;      // between requests: close
    uint32_t body_timeout_ms;      // without a byte while somebody reads: -ETIMEDOUT for the reader
    uint32_t write_timeout_ms;     // without the peer taking enough: close
    // Slow clients, in bytes a second: of a body that somebody waits for before the answer begins,
    // after body_timeout_ms of waiting in all (less: -ETIMEDOUT for the reader); and of what the
    // peer takes within write_timeout_ms when nothing more fits.
    uint32_t receive_rate_min;
    uint32_t send_rate_min;

    // A request's head is complete. The exchange is the callee's to end.
    void (*on_request)(struct http_exchange *exchange, void *user);
    // A handshake failed. May be NULL: they are counted.
    void (*on_tls_failure)(enum tls_failure kind, const char *reason, void *user);
    // A connection was closed before it could ask, or has to wait: limits, descriptors. May be
    // NULL: they are counted.
    void (*on_connection_refused)(const char *reason, void *user);
    // A connection did not begin with the header due. May be NULL: they are counted.
    void (*on_proxy_failure)(const char *reason, void *user);
    void *user;
};

// The protocols to offer to TLS clients, as tls_server_options.alpn.
#define HTTP_SERVER_ALPN STR("\x02h2\x08http/1.1")

#define HTTP_SERVER_CONNECTIONS_MAX            16384u
#define HTTP_SERVER_PIPELINED_MAX              16u
#define HTTP_SERVER_OUTPUT_BYTES_MAX           ((uint32_t)256 * 1024)
#define HTTP_SERVER_H2_STREAMS_MAX             100u
#define HTTP_SERVER_H2_STREAM_WINDOW_BYTES     ((uint32_t)128 * 1024)
#define HTTP_SERVER_H2_CONNECTION_WINDOW_BYTES ((uint32_t)1024 * 1024)
#define HTTP_SERVER_HANDSHAKE_TIMEOUT_MS       10000u
#define HTTP_SERVER_HEAD_TIMEOUT_MS            10000u
#define HTTP_SERVER_IDLE_TIMEOUT_MS            60000u
#define HTTP_SERVER_BODY_TIMEOUT_MS            30000u
#define HTTP_SERVER_WRITE_TIMEOUT_MS           30000u
#define HTTP_SERVER_RATE_MIN                   240u
#define HTTP_SERVER_IDLE_SPARED_MS             1000u
// The rest of a body that nobody read is thrown away up to here and HTTP_SERVER_LINGER_TIMEOUT_MS
// to keep the connection.
#define HTTP_SERVER_DISCARD_BYTES_MAX ((uint64_t)64 * 1024)
// After the last answer the peer may send this long without being reset.
#define HTTP_SERVER_LINGER_TIMEOUT_MS 2000u
#define HTTP_SERVER_TICK_MS           250u // time-outs are late by two ticks at most
#define HTTP_SERVER_BACKLOG           1024
#define HTTP_SERVER_RESPONSE_HEAD_MAX ((size_t)256 * 1024)

_must_use_ int http_server_new(struct loop *loop, const struct http_server_options *options,
                               struct http_server **out, struct error *err);
// Closes everything at once; running exchanges get `closed`. Not from a callback of the server.
void http_server_free(struct http_server *server);

// host:port it listens on.
const char *http_server_address(const struct http_server *server);

// New connections use this context from now on (a new certificate); running ones keep theirs.
// Only for a server that began with TLS.
void http_server_set_tls(struct http_server *server, struct tls_context *context);

// Stops accepting, closes idle connections, lets running exchanges end and their connections close.
// What is left after `timeout_ms` is cut. Then calls done, once, from the loop.
void http_server_drain(struct http_server *server, uint64_t timeout_ms, void (*done)(void *user),
                       void *user);

struct http_server_counts {
    uint32_t connections;
    uint32_t exchanges;            // running
    uint64_t requests;             // since the start
    uint64_t refused;              // malformed or over a limit
    uint64_t refused_connections;  // of clients with too many, or 503 for want of descriptors
    uint64_t descriptor_shortages; // times that accepting stopped for want of descriptors
    uint64_t idle_closed_early;    // to make room
    uint64_t proxy_failures;
    uint64_t tls_handshakes;
    uint64_t tls_resumed; // of these
    uint64_t tls_failures[TLS_FAILURE_COUNT];
};
struct http_server_counts http_server_counts(const struct http_server *server);

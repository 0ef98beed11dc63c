// SPDX-License-Identifier: Apache-2.0
// HTTP client on the loop: HTTP/1.1 and, where a server chooses it in TLS, HTTP/2; pooled
// connections, bodies in both directions with back-pressure.
//
// One client per thread. A request is started, fires its events from the loop, and ends with
// http_client_request_free(), which may be called at any time and stops all callbacks at once.
#pragma once

#include <sys/types.h>

#include "http/fields.h"
#include "loop/loop.h"
#include "net/address.h"

struct http_client;
struct http_client_request;

struct http_client_options {
    uint32_t connections_max;      // 0: HTTP_CLIENT_CONNECTIONS_DEFAULT
    uint32_t host_connections_max; // 0: HTTP_CLIENT_HOST_CONNECTIONS_DEFAULT
    uint32_t connection_wait_ms;   // 0: HTTP_CLIENT_CONNECTION_WAIT_DEFAULT_MS
    uint32_t idle_ms;              // 0: HTTP_CLIENT_IDLE_DEFAULT_MS
    const char *ca_file;           // authorities besides the system's, or NULL
};
#define HTTP_CLIENT_CONNECTIONS_DEFAULT      256u
#define HTTP_CLIENT_HOST_CONNECTIONS_DEFAULT 64u
// For a connection while as many as there may be are in use.
#define HTTP_CLIENT_CONNECTION_WAIT_DEFAULT_MS 5000u
// A connection that was not used for this long is closed.
#define HTTP_CLIENT_IDLE_DEFAULT_MS   60000u
#define HTTP_CLIENT_HEADER_BYTES_MAX  ((size_t)64 * 1024)
#define HTTP_CLIENT_TRAILER_BYTES_MAX ((size_t)48 * 1024) // sent
#define HTTP_CLIENT_BUFFER_BYTES      ((size_t)64 * 1024) // received, not yet read

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options);
void http_client_free(struct http_client *client);

// Why a request failed; one to one with wasi:http error-code where a name exists there.
enum http_client_failure {
    HTTP_FAILURE_NONE,
    HTTP_FAILURE_DNS_TIMEOUT,
    HTTP_FAILURE_DNS_ERROR,
    HTTP_FAILURE_CONNECTION_REFUSED,
    HTTP_FAILURE_CONNECTION_TIMEOUT,
    HTTP_FAILURE_CONNECTION_TERMINATED,
    HTTP_FAILURE_READ_TIMEOUT, // first byte or between bytes
    HTTP_FAILURE_WRITE_TIMEOUT,
    HTTP_FAILURE_TLS_PROTOCOL,
    HTTP_FAILURE_TLS_CERTIFICATE,
    HTTP_FAILURE_RESPONSE_INCOMPLETE,
    HTTP_FAILURE_RESPONSE_HEADERS_SIZE,
    HTTP_FAILURE_PROTOCOL,
    HTTP_FAILURE_URI_INVALID,
    HTTP_FAILURE_ADDRESS_PROHIBITED, // each address of the host was refused by `permits`
    HTTP_FAILURE_CONNECTION_LIMIT,
    HTTP_FAILURE_REQUEST_TRAILERS_SIZE,
    HTTP_FAILURE_TLS_ALERT, // http_client_tls_alert() says which
    HTTP_FAILURE_UNROUTABLE,
    HTTP_FAILURE_TRANSFER_CODING, // of the response; not offered
    HTTP_FAILURE_RESPONSE_TRAILERS_SIZE,
    HTTP_FAILURE_CONFIGURATION, // e.g. authorities that cannot be read
    HTTP_FAILURE_INTERNAL,
};

struct http_client_events {
    void (*head)(void *user);     // status and fields are there
    void (*readable)(void *user); // body bytes, the end, or a failure can be read
    void (*writable)(void *user); // http_client_write() takes bytes again
    void (*failed)(void *user);   // before the head; http_client_request_failure() says why
};

// Where a request is about to go.
struct http_client_peer {
    struct str scheme, host; // of the URL; an IPv6 address without brackets
    const struct net_address *address;
};

struct http_client_request_options {
    struct str method;
    struct str url; // absolute, http or https
    const struct http_field *fields;
    size_t field_count;
    int64_t content_length;            // -1: chunked; 0: no body
    uint64_t connect_timeout_ms;       // 0: 60 s
    uint64_t first_byte_timeout_ms;    // 0: 600 s
    uint64_t between_bytes_timeout_ms; // 0: 600 s
    struct http_client_events events;
    void *user;
    // Asked about each address that the host's name resolves to just before it is connected to, and
    // about the peer of a pooled connection before it is used again; the others are passed over.
    // NULL: every address may be used. It may not call back.
    bool (*permits)(void *permits_user, const struct http_client_peer *peer);
    void *permits_user;
};

// Fields, method and URL are copied. -EINVAL for a malformed URL, method or field, for CONNECT and
// for HEAD with a length, -E2BIG over HTTP_CLIENT_HEADER_BYTES_MAX. Nothing is added to the fields
// but host and the body's framing; content-length and fields of the connection other than `te` are
// left out. Redirects are responses like others, 1xx is skipped, no proxy is used. The connect
// timeout counts all until the connection stands: the wait for a free one (which has its own limit,
// connection_wait_ms), the look-up of the name, TLS. No timeout counts while the user does not read
// or write.
_must_use_ int http_client_start(struct http_client *client,
                                 const struct http_client_request_options *options,
                                 struct http_client_request **out, struct error *err);
void http_client_request_free(struct http_client_request *request);

// Body of the request. Budget in bytes; write copies all of data and returns 0, or takes nothing:
// -ENOBUFS over the budget, -EMSGSIZE over the content length, -EPIPE when the response ended or
// the method is HEAD (the budget is above 0 then, so that a waiting writer learns of it). -EMSGSIZE
// from write_end when the content length was not reached: the request fails.
size_t http_client_write_budget(const struct http_client_request *request);
_must_use_ int http_client_write(struct http_client_request *request, struct str data);
_must_use_ int http_client_write_end(struct http_client_request *request);
// Trailers of the body, copied; before http_client_write_end(). They are sent after a chunked body
// over HTTP/1.1, after any over HTTP/2, and left out otherwise, as are fields that may not stand
// there (RFC 9110 section 6.5.1). -EINVAL for a malformed field; -E2BIG over
// HTTP_CLIENT_TRAILER_BYTES_MAX: the request fails.
_must_use_ int http_client_write_trailers(struct http_client_request *request,
                                          const struct http_field *fields, size_t count);

unsigned http_client_status(const struct http_client_request *request);
const struct http_field *http_client_fields(const struct http_client_request *request,
                                            size_t *count);
// Next part of the body in place, valid until consumed: its length, 0 at the end, -EAGAIN, or -EIO
// with a failure. `readable` follows -EAGAIN.
ssize_t http_client_read(struct http_client_request *request, struct str *out);
void http_client_consume(struct http_client_request *request, size_t len);
const struct http_field *http_client_trailers(const struct http_client_request *request,
                                              size_t *count);
enum http_client_failure http_client_request_failure(const struct http_client_request *request);
// The number of the alert that the server sent (RFC 8446 section 6).
uint8_t http_client_tls_alert(const struct http_client_request *request);
const char *http_client_failure_text(const struct http_client_request *request);

// SPDX-License-Identifier: Apache-2.0
// One request and its response as the server's user sees them, whatever the protocol version.
//
// The server owns the exchange. Bodies are pulled: the user reads when it likes, the server stops
// reading from the peer when nobody asks. Slices stay valid until the exchange ends, body slices
// until they are consumed. Everything happens on the connection's thread. Callbacks come from the
// loop, never from inside a call here.
#pragma once

#include <sys/types.h>

#include "http/fields.h"
#include "net/address.h"

struct http_exchange;

struct http_request {
    struct str method; // "GET"
    struct str target; // as sent: path with query, or "*"; for absolute-form its path with query
    struct str
        authority;     // host[:port], from the target or the Host field; may be empty for HTTP/1.0
    struct str scheme; // "http" or "https"
    const struct http_field *fields; // names in lower case; without the connection's own (below)
    size_t field_count;
    int64_t content_length; // -1: unknown (chunked) ; 0: no body
    uint8_t version_major;  // 1 or 2
    uint8_t version_minor;
};

// Whom the request is from; behind a proxy, whom that names.
const struct net_endpoint *http_exchange_peer(const struct http_exchange *exchange);
const struct http_request *http_exchange_request(const struct http_exchange *exchange);
struct loop *http_exchange_loop(const struct http_exchange *exchange);

// What the user is told. `closed` means the peer is gone or the exchange has ended, also after
// http_exchange_finish() and _abort(): nothing of it may be used after the callback returns. It
// comes once, from the loop; until then the functions here can still be called.
struct http_exchange_events {
    void (*readable)(void *user); // more of the request's body, its end, or an error can be read
    void (*writable)(void *user); // http_exchange_write_budget() is above 0 again
    void (*closed)(void *user);
};
void http_exchange_set_events(struct http_exchange *exchange,
                              const struct http_exchange_events *events, void *user);

// Next part of the request's body, in place: its length, 0 at the end, -EAGAIN when nothing is
// there yet (`readable` follows), or the reason why the body broke off: -ECONNRESET, -EPROTO
// (malformed), -EFBIG (over the limit), -ETIMEDOUT.
ssize_t http_exchange_read(struct http_exchange *exchange, struct str *out);
void http_exchange_consume(struct http_exchange *exchange, size_t len);
// After the end of the body: the request's trailers.
const struct http_field *http_exchange_trailers(const struct http_exchange *exchange,
                                                size_t *count);

// Sends an informational head (1xx).
int http_exchange_inform(struct http_exchange *exchange, unsigned status,
                         const struct http_field *fields, size_t field_count);

// Starts the final response. content_length -1: unknown (HTTP/1.1: chunked, 1.0: until close). The
// server adds date, content-length or transfer-encoding, connection; fields are copied. -EINVAL for
// a status outside 200..999, a malformed field, or when already started.
_must_use_ int http_exchange_respond(struct http_exchange *exchange, unsigned status,
                                     const struct http_field *fields, size_t field_count,
                                     int64_t content_length);
bool http_exchange_responded(const struct http_exchange *exchange);

// How many bytes http_exchange_write() takes now without holding more than the output limit.
size_t http_exchange_write_budget(const struct http_exchange *exchange);
// Appends to the response's body; the bytes are sent or copied before it returns. 0, -EPIPE when
// the peer is gone, -EMSGSIZE over the announced content length, -ENOBUFS over the budget (nothing
// is taken). The body of an answer that has none (HEAD, 204, 304) is thrown away.
_must_use_ int http_exchange_write(struct http_exchange *exchange, struct str data);
// Bytes accepted but not yet given to the kernel.
size_t http_exchange_unsent(const struct http_exchange *exchange);

// Ends the response; trailers are sent if the protocol can: HTTP/1.1 when chunked, HTTP/2.
// -EMSGSIZE when the announced content length was not reached, -EINVAL for malformed trailers or
// before the start, -EPIPE when the peer is gone; the connection is then closed (HTTP/2: the stream
// is reset), so that the peer sees the cut. Ends the exchange in any case.
_must_use_ int http_exchange_finish(struct http_exchange *exchange,
                                    const struct http_field *trailers, size_t trailer_count);
// Ends the exchange without a good end: a 500-class answer `status` if nothing was sent yet, else
// the connection is closed so that the peer sees the cut (HTTP/1.1: no final chunk; HTTP/2: the
// stream is reset).
void http_exchange_abort(struct http_exchange *exchange, unsigned status);

// SPDX-License-Identifier: Apache-2.0
// What the files of wasi:http 0.3 share. Messages, fields, bodies and fetches are those of 0.2
// (p2_http.h); a resource of 0.3 refers to one that was received or one that the guest made, and a
// body's bytes go through its stream.
#pragma once

#include "wasi/p2_http.h"
#include "wasi/p3.h"
#include "wasi/p3_stream.h"

// The same object; immutable when it is a view.
struct p3_http_types_fields {
    struct p2_http_types_fields fields;
};

struct p3_http_types_request_options {
    struct p2_http_types_request_options options;
    bool immutable;
};

// What a guest gave for a message of its own.
struct p3_contents {
    struct stream *bytes; // NULL: none
    struct stream *trailers;
    struct p3_future *sent; // tells the guest how it ended
};

// Both may be there: a received request that was changed.
struct p3_http_types_request {
    struct p2_http_types_incoming_request *received;
    struct p2_http_types_outgoing_request *made;
    struct p3_contents contents; // without `received`
    struct p3_http_types_request_options options;
    bool has_options;
};

struct p3_http_types_response {
    struct p2_http_types_incoming_response *received;
    struct p2_http_types_outgoing_response *made;
    struct p3_contents contents;
};

// ---- messages (p3_http_types.c) -----------------------------------------------------------------

struct p3_http_types_request *p3_request_received(struct p2_http_types_incoming_request *received);
struct p3_http_types_response *p3_response_received(
    struct p2_http_types_incoming_response *received);
// Takes the message apart to be sent: the head (a reference) and its contents, those of a received
// one included. Frees the resource.
_must_use_ int p3_request_take(struct canon_call *call, struct p3_http_types_request *request,
                               struct p2_http_types_outgoing_request **head,
                               struct p3_contents *contents);
_must_use_ int p3_response_take(struct canon_call *call, struct p3_http_types_response *response,
                                struct p2_http_types_outgoing_response **head,
                                struct p3_contents *contents);

// ---- bodies (p3_http_body.c) --------------------------------------------------------------------

// The stream and the trailers of a received body; takes `body`.
void p3_body_receive(struct canon_call *call, struct p2_http_types_incoming_body *body,
                     struct stream **bytes, struct stream **trailers);
// Sends the contents, which have bytes, as `body` and then calls `done` (may be NULL), once,
// possibly before this returns. Takes both. 0, or a trap of the guest's.
_must_use_ int p3_body_send(struct canon_call *call, struct p2_http_types_outgoing_body *body,
                            struct p3_contents contents, void (*done)(void *data), void *data);
// Without bytes the trailers say whether there is a body: `then` runs once they are known, possibly
// before this returns, with the trailers (owned; NULL: none) or with what the guest gave instead of
// them. Takes contents.trailers only. 0, or a trap of the guest's, after `then` has run.
typedef void (*p3_trailers_then)(void *data, struct p2_http_types_fields *trailers,
                                 const struct p3_http_types_error_code *error);
_must_use_ int p3_body_trailers(struct p3_contents *contents, p3_trailers_then then, void *data);
// Makes them the whole body of a message. NULL: there is none.
void p3_body_of_trailers(struct wasi *wasi, struct outgoing *out,
                         struct p2_http_types_fields *trailers);
// Contents that are not sent: the guest learns that nothing went wrong.
void p3_contents_drop(struct p3_contents *contents);
// Tells how a message was sent, or that it was not; the error's text is copied.
#define P3_ERROR_TEXT_BYTES_MAX ((size_t)8 * 1024)
void p3_sent_set(struct p3_future *sent, const struct p3_result_void_http_types_error_code *result);
// Passes the reader's verdict on.
_must_use_ int p3_body_verdict(struct stream *res, struct p3_future *sent);

// ---- errors (p3_http_body.c) --------------------------------------------------------------------

// Texts are left out: they may not live as long as the guest's.
struct p3_http_types_error_code p3_http_error(const struct p2_http_types_error_code *error);
struct p2_http_types_error_code p3_http_error_p2(const struct p3_http_types_error_code *error);

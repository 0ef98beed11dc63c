// SPDX-License-Identifier: Apache-2.0
// What the files of wasi:http 0.2 share. One allocation serves all resources of one message: a
// representation points into it, and each handle holds one reference, so that the order in which a
// store's handles go away does not matter. Where WASI makes a resource a child of another, the
// parent counts it (struct wasi_parent) and refuses to be dropped before it.
#pragma once

#include "base/buf.h"
#include "http/fields.h"
#include "wasi/io.h"
#include "wasi/wasi.h"

// ---- fields (p2_http_field_list.c, p2_http_fields.c) --------------------------------------------

// Most that guest code may put into one `fields`: names, values and HTTP_FIELD_OVERHEAD_BYTES for
// each field. More traps: 0.2 has no error for it.
#define HTTP_GUEST_FIELDS_BYTES_MAX ((size_t)128 * 1024)
#define HTTP_FIELD_OVERHEAD_BYTES   32

// Most host memory that the fields and unsent bodies of one instance take together. More traps,
// or closes the stream.
#define HTTP_GUEST_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
// Requests of one instance that are under way: one more gets connection-limit-reached.
#define HTTP_GUEST_REQUESTS_MAX 1000u

struct field_list {
    struct http_field *items;
    uint32_t len;
    uint32_t cap;
    size_t bytes;      // towards the limit
    bool borrowed;     // names and values belong to somebody else
    uint64_t *charged; // the instance's http_bytes, when guest code fills the list
};

// Fields that belong to a connection, not to the message: guests neither see nor set them.
bool field_name_forbidden(struct str name);
// True when all bytes may stand in a field value once white space at its ends is gone; that of
// content-length is digits only.
bool field_value_valid(struct str name, struct str value);

void field_list_done(struct field_list *list);
// The list outlives the instance that is charged for it.
void field_list_uncharge(struct field_list *list);
// Appends copies: 0, or -E2BIG over a limit. The list must not be borrowed.
_must_use_ int field_list_add(struct field_list *list, struct str name, struct str value);
// Whether these values could take the place of all that the name has.
bool field_list_fits(const struct field_list *list, struct str name, const struct str *values,
                     size_t count);
// Removes all fields of that name, in any case.
void field_list_remove(struct field_list *list, struct str name);
const struct http_field *field_list_find(const struct field_list *list, struct str name);
// Views the fields of a received message, without the forbidden ones, in place.
void field_list_borrow(struct field_list *list, const struct http_field *fields, size_t count);
// Copies what was borrowed, before its owner goes away.
void field_list_own(struct field_list *list);
void field_list_copy(struct field_list *to, const struct field_list *from, uint64_t *charged);
// Before it is sent: white space around a value is no part of it (RFC 9110 section 5.5).
void field_list_trim(struct field_list *list);
// The value of content-length: a number, -1 without one, -EINVAL when there are several different
// ones or it is no number.
int64_t field_list_content_length(const struct field_list *list);

// What messages have in common.
struct message {
    uint32_t refs;
    void (*free)(struct message *message);
    struct field_list fields;
    struct wasi_parent own; // children of the request or response: headers
};

static inline void message_ref(struct message *message)
{
    message->refs++;
}
static inline void message_unref(struct message *message)
{
    if (--message->refs == 0)
        message->free(message);
}

// The representation behind `fields`: a list of its own, or an immutable view of a message's.
struct p2_http_types_fields {
    struct field_list list;
    const struct field_list *view;
    struct message *owner;      // of the view
    struct wasi_parent *parent; // counts this view, or NULL
};

// An immutable view; holds a reference to the owner. `parent` may be NULL.
struct p2_http_types_fields *fields_view_new(const struct field_list *view, struct message *owner,
                                             struct wasi_parent *parent);
// Moves the content out of a `fields` whose ownership came with a call, and frees it.
void fields_take(struct canon_call *call, struct p2_http_types_fields *fields,
                 struct field_list *out);
// Traps when the instance holds more than HTTP_GUEST_BYTES_MAX.
_must_use_ int http_check_bytes(struct canon_call *call);
void fields_free(struct p2_http_types_fields *fields);

// ---- errors (p2_http_error.c) -------------------------------------------------------------------

#define HTTP_NO_ERROR (-1)

// An error-code that is kept: a tag, or HTTP_NO_ERROR, and a static or owned text for it.
struct http_error {
    int tag;
    char *text;    // heap, or NULL
    uint64_t size; // of a body; the number of a TLS alert
};

void http_error_set(struct http_error *error, enum p2_http_types_error_code_tag tag,
                    const char *text);
const char *http_error_text(int tag); // the code's name in WIT
void http_error_done(struct http_error *error);
// As the guest gets it; texts are borrowed.
void http_error_code(const struct http_error *error, struct p2_http_types_error_code *out);
// A stream's error with the code.
struct p2_io_error_error *http_error_io(const struct http_error *error);

// ---- received messages (p2_http_incoming.c) -----------------------------------------------------

struct incoming;

struct incoming_ops {
    // As http_exchange_read(): a length, 0 at the end, -EAGAIN, or -EIO with in->failure set.
    ssize_t (*read)(struct incoming *in, struct str *out);
    void (*consume)(struct incoming *in, size_t len);
    const struct http_field *(*trailers)(struct incoming *in, size_t *count);
};

struct p2_http_types_incoming_body {
    struct wasi_parent own; // the stream
    bool stream_taken;
};
struct p2_http_types_future_trailers {
    struct wasi_parent own; // pollables
    bool taken;
};

struct incoming {
    struct message message;
    const struct incoming_ops *ops;
    struct p2_http_types_incoming_body body;
    struct p2_http_types_future_trailers trailers;
    struct p2_io_streams_input_stream stream;
    struct wasi_event trailers_event;
    struct field_list trailer_fields;
    struct http_error failure; // why the body broke off
    bool consumed;
    bool ended; // the whole body was read
};

// refs is 0 afterwards: each handle that is made takes its own.
void incoming_init(struct incoming *in, const struct incoming_ops *ops,
                   void (*free)(struct message *message));
void incoming_done(struct incoming *in);
// More of the body, its end or an error can be read.
void incoming_readable(struct incoming *in);
// Nothing more will come; the views of the message's own memory become copies. A body that has not
// ended fails with `tag`.
void incoming_detach(struct incoming *in, enum p2_http_types_error_code_tag tag);
// consume() of a request or a response.
void incoming_consume(struct incoming *in, struct p2_result_http_types_incoming_body_void *ret);

// ---- sent messages (p2_http_outgoing.c) ---------------------------------------------------------

// Where the body of a sent message goes.
struct outgoing_ops {
    // HELD: no more can be held, or the body is complete. May let it flow.
    void (*press)(void *sink);
    size_t (*budget)(void *sink);
    // 0, -EPIPE, or -ENOBUFS: nothing is taken before writable.
    int (*write)(void *sink, struct str data);
    // 0, -EPIPE, or -EMSGSIZE: less than announced.
    int (*finish)(void *sink, const struct field_list *trailers);
    // The body will not be completed.
    void (*abort)(void *sink);
    // The message is done with its sink; the last call.
    void (*release)(void *sink);
};

struct p2_http_types_outgoing_body {
    struct wasi_parent own; // the stream
};

enum outgoing_state {
    OUTGOING_HELD,     // what is written waits here
    OUTGOING_COMPLETE, // the same, and the body has been finished
    OUTGOING_SENDING,
    OUTGOING_ENDED,  // finished
    OUTGOING_BROKEN, // the peer is gone, or the guest gave the body up
};

// What is written before the message is sent waits in host memory up to this.
#define OUTGOING_HELD_BYTES_MAX ((size_t)64 * 1024)

struct outgoing {
    struct message message;
    enum outgoing_state state;
    bool is_response;
    bool body_taken;
    bool stream_taken;
    bool discard;     // HEAD, 204, 304: the body is not sent
    bool overrun;     // more than `length` was written
    bool finishing;   // SENDING: ends when what is held is sent
    int64_t length;   // from content-length, or -1
    uint64_t written; // by the guest, sent or not
    struct p2_http_types_outgoing_body body;
    struct p2_io_streams_output_stream stream;
    struct buf held;   // HELD: all; SENDING: what the sink could not take yet
    uint64_t *charged; // with what is held: the instance's http_bytes
    uint64_t own_charge;
    struct field_list trailers;
    const struct outgoing_ops *ops; // NULL: no sink yet, or no more
    void *sink;
};

void outgoing_init(struct outgoing *out, struct wasi *wasi, void (*free)(struct message *message));
void outgoing_done(struct outgoing *out);
// The fields become those that are sent: content-length goes to out->length, which is announced
// apart. -EINVAL for a bad one.
_must_use_ int outgoing_take_length(struct outgoing *out);
// The length to announce: what was declared, what is known, or -1.
int64_t outgoing_announced(const struct outgoing *out);
// Gives it a sink, which has a reference until release().
void outgoing_bind(struct outgoing *out, const struct outgoing_ops *ops, void *sink);
// HELD or COMPLETE, bound: hands what is held to the sink, and goes on with it.
void outgoing_flow(struct outgoing *out);
// The sink goes away by itself: writes answer `closed` from now on.
void outgoing_break(struct outgoing *out);
// It outlives its instance, to be sent to its end.
void outgoing_let_go(struct outgoing *out);
// The sink takes more.
void outgoing_writable(struct outgoing *out);
// body() of a request or a response.
void outgoing_take_body(struct outgoing *out, struct p2_result_http_types_outgoing_body_void *ret);

struct p2_http_types_outgoing_response {
    struct outgoing out;
    uint16_t status;
};

struct p2_http_types_outgoing_request {
    struct outgoing out;
    enum p2_http_types_method_tag method;
    enum p2_http_types_scheme_tag scheme;
    bool has_scheme;
    char *method_other; // heap, or NULL
    char *scheme_other;
    char *path; // NULL: none
    char *authority;
};
// "GET"
struct str outgoing_request_method(const struct p2_http_types_outgoing_request *request);

struct p2_http_types_request_options {
    struct p2_option_u64 connect_ns;
    struct p2_option_u64 first_byte_ns;
    struct p2_option_u64 between_bytes_ns;
};

// The case of a method or scheme by its name; `other` borrows it.
struct p2_http_types_method http_method_of(struct str name);
struct p2_http_types_scheme http_scheme_of(struct str name);

// "/path?query", "?query", or "*" of OPTIONS. Bytes that clients send unescaped are tolerated.
bool http_path_valid(struct str path);

// Longest method, path with query, scheme or authority that a guest may set.
#define HTTP_GUEST_TEXT_BYTES_MAX ((size_t)64 * 1024)

// What the resources of received messages refer to, for references.
struct message *incoming_request_message(struct p2_http_types_incoming_request *request);
struct message *incoming_response_message(struct p2_http_types_incoming_response *response);

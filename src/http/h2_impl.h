// SPDX-License-Identifier: Apache-2.0
// The inside of HTTP/2 connections, shared by h2*.c.
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/h2.h"

// ---- bytes that wait ----------------------------------------------------------------------------
struct h2_block;

// Content never moves until it is dropped.
struct h2_queue {
    struct h2_block *first, *last;
    size_t len;
};
void h2_queue_add(struct h2_queue *queue, struct str data);
// The longest part at the front that lies in one piece; empty when there is none.
struct str h2_queue_front(const struct h2_queue *queue);
void h2_queue_drop(struct h2_queue *queue, size_t len);
void h2_queue_done(struct h2_queue *queue);

// ---- floods -------------------------------------------------------------------------------------
struct h2_bucket {
    uint32_t tokens;
    uint64_t refilled; // loop time
};
// One token less; false when there is none.
bool h2_bucket_take(struct h2_bucket *bucket, uint64_t now, uint32_t burst, uint32_t per_second);

// ---- frame heads --------------------------------------------------------------------------------
// Where the frames of what is received begin: nghttp2 does not tell of those that it ignores.
struct h2_scan {
    uint8_t head[9];
    uint32_t have; // bytes of head
    uint32_t skip; // to the next head
};
// Looks at bytes from the front up to the end of the next frame head: their number. True in
// *complete when that end was reached.
size_t h2_scan_next(struct h2_scan *scan, const uint8_t *data, size_t len, bool *complete);
nghttp2_frame_hd h2_scan_head(const struct h2_scan *scan);

// ---- closed streams -----------------------------------------------------------------------------
// What became of the last streams: what may still come for one depends on who ended it.
#define H2_HISTORY_STREAMS 256u

struct h2_history {
    uint64_t opened[H2_HISTORY_STREAMS / 64];
    uint64_t cut[H2_HISTORY_STREAMS / 64]; // by us, while the peer was still sending
    uint32_t newest;                       // stream identifier / 2
    bool any;
};
void h2_history_open(struct h2_history *history, int32_t id);
// `ended`: the peer has sent END_STREAM or RST_STREAM.
void h2_history_close(struct h2_history *history, int32_t id, bool ended);
bool h2_history_is_new(const struct h2_history *history, int32_t id);
// The connection error that HEADERS or DATA for a stream make which is no more (RFC 9113 section
// 5.1): NGHTTP2_NO_ERROR when they are to be ignored.
uint32_t h2_history_verdict(const struct h2_history *history, int32_t id, bool is_headers);

// ---- streams ------------------------------------------------------------------------------------
// A request's head while it is collected and until the exchange ends: slices of what HPACK decoded.
struct h2_head {
    struct http_field *fields; // a block of the server's pool; behind the fields: refs
    nghttp2_rcbuf **refs;
    uint32_t field_count, ref_count;
    uint32_t list_bytes; // RFC 9113 section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE
    uint32_t cookies;
    struct str method, scheme, authority, path, host;
    char *cookie; // joined
    int64_t content_length;
    bool has_content_length;
    bool expect_continue;
    bool grpc;
    uint32_t urgency; // RFC 9218
    enum http_fault fault;
};

struct h2_list {
    struct h2_stream *first, *last;
};

enum h2_stream_state {
    H2_STREAM_HEAD,     // the request's head is being received
    H2_STREAM_READY,    // waits for its turn to be served
    H2_STREAM_EXCHANGE, // the user has it
    H2_STREAM_OVER,     // the user has been told; the rest is sent or thrown away
};

struct h2_stream {
    struct http_exchange exchange;
    struct h2 *h2;
    struct h2_stream *prev, *next;           // all of the connection
    struct h2_stream *list_prev, *list_next; // of `list`
    struct h2_list *list;                    // ready, due or NULL
    struct h2_stream *heads_next;
    int32_t id;
    enum h2_stream_state state;
    struct deadline wait;  // for the body's bytes, or for the end of a body nobody wants
    struct deadline write; // for the peer's window

    struct h2_head head;
    struct h2_queue in;
    uint64_t discarded;

    struct h2_queue out;
    struct str direct; // the user's memory, while http_exchange_write() runs
    nghttp2_nv *response;
    size_t response_len;
    nghttp2_nv *trailers;
    size_t trailers_len;

    bool head_due;   // the response's head goes out at the end of the turn
    bool deferred;   // nghttp2 waits for more of the body
    bool end_sent;   // END_STREAM or RST_STREAM
    bool gone;       // reset, or the connection is
    bool reset;      // RST_STREAM is on its way
    bool peer_reset; // RST_STREAM came
    bool closed;     // nghttp2 forgot it
    bool choked;     // the user saw a write budget of 0
};

enum h2_wait {
    H2_WAIT_NONE,
    H2_WAIT_HEAD,  // the preface's SETTINGS, or the rest of a header block
    H2_WAIT_IDLE,  // no streams
    H2_WAIT_PEER,  // streams, but the peer is silent
    H2_WAIT_PING,  // it was asked whether it lives
    H2_WAIT_DRAIN, // until GOAWAY has reached the peer
};

#define H2_GATHER_MAX       8u
#define H2_FRAME_HEAD_BYTES 9u

// Frames whose payload is sent from where the user has it.
struct h2_gather {
    struct str parts[2 * H2_GATHER_MAX];
    size_t count;
    char heads[H2_GATHER_MAX][H2_FRAME_HEAD_BYTES];
};

struct h2 {
    struct connection *connection;
    char *slot;                 // pages for nghttp2; NULL: none were to be had
    bool has_frames, has_table; // in the slot
    struct deadline rest;       // until the idle connection gives memory back
    nghttp2_session *session;
    struct loop_defer pump;
    struct h2_stream *streams;
    uint32_t stream_count;
    struct h2_list ready, due;
    struct h2_stream *heads;  // response heads to submit
    struct h2_gather *gather; // while http_exchange_write() runs
    struct h2_bucket resets, idle_frames;
    struct h2_history history;
    struct h2_scan scan;
    uint32_t continuations;
    enum h2_wait wait;
    bool bulk;      // the last receive filled its buffer
    bool settled;   // the peer's SETTINGS came
    bool head_open; // within a header block
    bool draining;
    bool drained; // the last GOAWAY is out
    bool more;    // the last pump ended for lack of room
    bool dead;    // no input is taken any more
};

// h2_session.c
// Gives up: GOAWAY with the code. What callbacks return then.
int h2_fail(struct h2 *h2, uint32_t code);
// Sends what nghttp2 has at the end of the turn.
void h2_wake(struct h2 *h2);

// h2_memory.c
nghttp2_mem h2_memory(struct h2 *h2);
// Gives back what an idle connection does not need.
void h2_memory_rest(struct h2 *h2);
// After the session's end.
void h2_memory_give(struct h2 *h2);

// h2_request.c
void h2_head_init(struct h2_stream *stream);
void h2_head_done(struct h2_stream *stream);
void h2_head_add(struct h2_stream *stream, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
// The head is complete: fills exchange.request, or head.fault tells why not.
void h2_head_conclude(struct h2_stream *stream, bool has_body);

// h2_stream.c
struct h2_stream *h2_stream_new(struct h2 *h2, int32_t id);
void h2_stream_free(struct h2_stream *stream);
void h2_list_add(struct h2_list *list, struct h2_stream *stream);
void h2_list_remove(struct h2_stream *stream);
// Something is to be told to the stream's user.
void h2_stream_due(struct h2_stream *stream);
void h2_stream_readable(struct h2_stream *stream);
// A part of the request's body.
void h2_stream_data(struct h2_stream *stream, struct str data);
void h2_stream_end(struct h2_stream *stream);
// nghttp2 forgot it.
void h2_stream_closed(struct h2_stream *stream, uint32_t code);
// Our side is done.
void h2_stream_end_sent(struct h2_stream *stream);
void h2_stream_reset(struct h2_stream *stream, uint32_t code);
// Tells what is due.
void h2_stream_serve(struct h2_stream *stream);
// Hands a request to the server's user.
void h2_stream_start(struct h2_stream *stream);
// Tells that the exchange has ended.
void h2_stream_tell_closed(struct h2_stream *stream);

// h2_exchange.c
extern const struct exchange_ops h2_exchange_ops;
// An answer of the server itself.
void h2_answer(struct h2_stream *stream, unsigned status, const char *reason);

// h2_fields.c
struct h2_fields {
    unsigned status; // 0: trailers
    const struct http_field *fields;
    size_t field_count;
    int64_t content_length; // -1: none
    struct str date;        // empty: none; not sent either when the fields have one
};
// One block for free(), with names in lower case and without the connection's own fields. Their
// number, or -EINVAL for a malformed field or more than HTTP_SERVER_RESPONSE_HEAD_MAX.
_must_use_ ssize_t h2_fields_build(const struct h2_fields *fields, nghttp2_nv **out);

// h2_output.c
void h2_submit_heads(struct h2 *h2);
// Body bytes were queued, or the response finished.
void h2_resume(struct h2_stream *stream);
// nghttp2's frames to the connection's output, until there is no more or no room.
void h2_pump(struct h2 *h2);
// Sends from the user's memory what the windows and the kernel take, and queues the rest.
void h2_send_direct(struct h2_stream *stream, struct str data);
int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                    size_t length, nghttp2_data_source *source, void *user);

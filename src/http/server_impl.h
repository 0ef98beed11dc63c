// SPDX-License-Identifier: Apache-2.0
// The server's inside, shared by server*.c, connection*.c and exchange.c.
#pragma once

#include "http/chunked.h"
#include "http/encoder.h"
#include "http/server.h"
#include "http/trace_context.h"
#include "net/stream.h"

#define NS_PER_MS 1000000ull

// ---- time-outs: a list per kind, all entries of which wait equally long, so its first is due next
enum deadline_kind {
    DEADLINE_NONE,
    DEADLINE_OPENING,
    DEADLINE_HEAD,
    DEADLINE_IDLE,
    DEADLINE_BODY,
    DEADLINE_LINGER,
    DEADLINE_WRITE,
    DEADLINE_REST,        // of an idle connection of HTTP/2
    DEADLINE_STREAM_BODY, // these three belong to streams of HTTP/2
    DEADLINE_STREAM_LINGER,
    DEADLINE_STREAM_WRITE,
    DEADLINE_COUNT,
};

struct deadline {
    struct deadline *prev, *next;
    uint64_t due;
    enum deadline_kind kind;
};

struct deadline_list {
    struct deadline head; // circular
    uint64_t duration;
};

// ---- buffers that idle connections give back ----------------------------------------------------
#define POOL_KEPT_MAX 64u

struct pool {
    void *first;
    uint32_t count;
    size_t size;
};
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *block);

#define INPUT_SMALL_BYTES ((size_t)8 * 1024)
#define INPUT_LARGE_BYTES ((size_t)64 * 1024)
#define INPUT_HUGE_BYTES  ((size_t)256 * 1024) // of bodies that have filled a large one twice
#define OUTPUT_BYTES      ((size_t)8 * 1024)
// What one write may have while the kernel takes all at once: after so many large writes.
#define OUTPUT_FLOWING_BYTES  ((size_t)1024 * 1024)
#define OUTPUT_FLOWING_PIECE  ((size_t)64 * 1024)
#define OUTPUT_FLOWING_WRITES 4u

struct input {
    char *data; // NULL: none
    size_t cap;
    size_t start, end; // what was received and not yet used
};

struct connection;

struct http_server {
    struct loop *loop;
    struct http_server_options options; // defaults filled in
    struct http_parser_limits limits;
    struct loop_poll listener;
    int listener_fd;
    int spare_fd; // closed to answer somebody when there is no other descriptor
    bool accepting;
    char *address;
    struct tls_context *tls; // of new connections; NULL: plain

    struct connection *connections;
    struct http_server_counts counts;

    struct loop_timer tick;
    uint64_t now; // of the last tick
    struct deadline_list deadlines[DEADLINE_COUNT];

    struct pool input_small, input_large, output, fields;
    struct pool h2_heads, h2_streams;
    struct h2_slab *h2_slabs;
    char *h2_slots; // free ones

    int64_t date_seconds;
    char date[HTTP_DATE_BYTES];

    bool draining;
    struct loop_timer drain_timer;
    struct loop_defer drain_defer;
    void (*drained)(void *user);
    void *drained_user;
};

struct request_body {
    uint64_t remaining; // Content-Length
    uint64_t received;
    size_t piece; // bytes at the input's start that the user was shown
    struct http_chunked chunked;
    struct http_parser trailers;
    uint32_t trailer_count;
    uint32_t fills; // times that the buffer was filled
    int error;
    bool is_chunked;
    bool in_trailers;
    bool done;
    bool waiting;                // the user was told -EAGAIN
    uint64_t wait_since, waited; // of the loop's time, for the rate
    bool continue_due;           // 100 was not sent yet
};

struct response {
    unsigned status;   // 0: not started
    int64_t announced; // -1: unknown
    uint64_t written;
    bool started;
    bool finished;
    bool cut; // the connection must not look as if the response were complete
    bool chunked;
    bool until_close; // HTTP/1.0 without a length
    bool discard;     // HEAD, 204, 304: no body on the wire
};

// The functions of exchange.h for one protocol.
struct exchange_ops {
    struct loop *(*loop)(const struct http_exchange *exchange);
    ssize_t (*read)(struct http_exchange *exchange, struct str *out);
    void (*consume)(struct http_exchange *exchange, size_t len);
    int (*inform)(struct http_exchange *exchange, unsigned status, const struct http_field *fields,
                  size_t field_count);
    int (*respond)(struct http_exchange *exchange, unsigned status, const struct http_field *fields,
                   size_t field_count, int64_t content_length);
    size_t (*write_budget)(struct http_exchange *exchange);
    int (*write)(struct http_exchange *exchange, struct str data);
    size_t (*unsent)(const struct http_exchange *exchange);
    int (*finish)(struct http_exchange *exchange, const struct http_field *trailers,
                  size_t trailer_count);
    void (*abort)(struct http_exchange *exchange, unsigned status);
};

struct http_exchange {
    const struct exchange_ops *ops;
    struct connection *connection;
    struct timespec started; // set when there is an access log
    struct trace_context trace;
    struct http_request request;
    struct http_exchange_events events;
    void *user;
    struct request_body body;
    struct response response;
    bool keep_alive;
    bool readable_due;
    bool writable_due;
};

enum connection_state {
    CONNECTION_OPENING, // header of the PROXY protocol, TLS handshake
    CONNECTION_HEAD,    // idle, or part of a head is there
    CONNECTION_EXCHANGE,
    CONNECTION_H2,
    CONNECTION_DISCARD, // the rest of a body that nobody read
    CONNECTION_FLUSH,   // closes when everything is sent
    CONNECTION_LINGER,  // our side is shut, the peer's bytes are thrown away
    CONNECTION_CLOSED,
};

struct connection {
    struct http_server *server;
    struct connection *prev, *next;
    struct loop_poll poll;
    struct loop_defer defer;
    struct net_stream stream;
    struct net_endpoint peer; // the client, also when a proxy is between
    bool proxy_header_due;
    bool is_counted; // among the client's connections
    enum connection_state state;
    struct deadline wait; // head, idle, body or linger
    struct deadline write;

    struct input input;
    struct input head_input; // holds the head while the body has a buffer of its own
    size_t pinned;           // input before it must stay where it is
    struct http_field *fields;
    struct http_parser parser;

    struct buf out;
    size_t out_sent;
    bool blocked;   // the kernel takes no more
    uint32_t flow;  // large writes in a row of which it took all
    size_t permit;  // that the user may still use
    bool choked;    // the user saw a write budget of 0
    int write_mark; // bytes that the kernel held when `write` was set

    uint32_t requests;
    struct h2 *h2; // of CONNECTION_H2
    bool spoke_h1;

    bool eof;  // the peer shut its side
    bool gone; // the connection is broken
    bool working;
    uint32_t turn_requests;
    uint64_t discarded;
    struct http_exchange exchange;
};

// server_timeout.c
void deadlines_init(struct http_server *server);
void deadline_set(struct http_server *server, struct deadline *deadline, enum deadline_kind kind);
void deadline_clear(struct deadline *deadline);
// Takes what is due off the lists and tells connection_expired().
void deadlines_run(struct http_server *server);

// server.c
// Counts the connection as one of its client's; false when there are too many.
bool server_count_client(struct connection *connection);
void server_accept_again(struct http_server *server);
void server_forget(struct connection *connection);
struct str server_date(struct http_server *server);

// connection.c
void connection_open(struct http_server *server, int fd, const struct net_endpoint *peer);
void connection_expired(struct connection *connection, enum deadline_kind kind);
void connection_work(struct connection *connection);
void connection_wake(struct connection *connection); // works at the end of the turn
void connection_destroy(struct connection *connection);
void connection_close_idle(struct connection *connection);
// Closes it when it is idle, to make room: whether it does.
bool connection_give_way(struct connection *connection);

// connection_opening.c
// Chooses the first state.
void opening_begin(struct connection *connection);
bool step_opening(struct connection *connection);
void opening_expired(struct connection *connection);

// connection_input.c
// Receives: bytes, 0 at the end (connection->eof), -EAGAIN, -ENOBUFS without room, or an error.
ssize_t input_fill(struct connection *connection);
// The same without moving what is there.
ssize_t input_fill_spare(struct connection *connection);
ssize_t input_throw_away(struct connection *connection);
// A buffer of at least that size for what comes next, when there is none.
void input_take(struct connection *connection, size_t size);
void input_release(struct connection *connection, struct input *input);
void input_to_idle(struct connection *connection);
// Room for more of a head. -ENOBUFS over the limit.
int input_grow_head(struct connection *connection);
// As http_exchange_read(), receiving when needed.
ssize_t body_next(struct connection *connection, struct str *out);
void body_consume(struct connection *connection, size_t len);
// The user waits for more: false when too little came for the time. And bytes came.
bool body_wait_begin(const struct http_server *server, struct http_exchange *exchange);
void body_wait_end(const struct http_server *server, struct request_body *body);

// connection_output.c
size_t output_unsent(const struct connection *connection);
size_t output_budget(const struct connection *connection);
// Makes room; -ENOBUFS over the maximum.
int output_reserve(struct connection *connection, size_t len);
int output_add(struct connection *connection, struct str data);
// Sends what waits and `data`, copies the rest.
int output_send(struct connection *connection, struct str data, struct str tail);
#define OUTPUT_PARTS_MAX 16u
int output_send_parts(struct connection *connection, const struct str *parts, size_t count);
void output_flush(struct connection *connection);
// Begins the time within which the peer must take something.
void output_expect_progress(struct connection *connection);
// That time is over: false when the peer took too little, else it begins anew.
bool output_progressed(struct connection *connection);
void output_release(struct connection *connection);

// exchange.c
// Counts it and shows it to the server's user.
void exchange_begin(struct http_exchange *exchange, struct connection *connection);
void exchange_tell_closed(struct http_exchange *exchange);
// A request that its user never saw. What of it could not be read is empty.
void exchange_log_refused(const struct connection *connection, const struct http_request *request,
                          unsigned status);
bool exchange_has_no_body(const struct http_exchange *exchange, unsigned status);
// A line for a person, "404 Not Found: reason"; its length.
size_t exchange_reason(char *text, size_t size, unsigned status, const char *reason);
extern const struct http_field exchange_plain_text; // content-type

// exchange_h1.c
extern const struct exchange_ops exchange_h1_ops;
// An answer of the server itself: text/plain with the reason in a line.
void exchange_answer(struct connection *connection, unsigned status, const char *reason);

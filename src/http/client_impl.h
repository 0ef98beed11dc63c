// SPDX-License-Identifier: Apache-2.0
// The client's inside. client.c has the requests as their user sees them, client_start.c how they
// are made, client_response.c what comes of them; client_pool.c has the connections and who gets
// one, client_connect.c how one is made, client_lookup.c the names; client_h1.c and client_h2.c
// speak over it.
//
// The user is never called from the code that reads and writes: that only notes events, of which
// the user hears from the request's deferral.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"
#include "http/byte_ring.h"
#include "http/chunked.h"
#include "http/client.h"
#include "net/stream.h"

#define CLIENT_ORIGIN_BUCKETS 64
#define CLIENT_NAME_SLOTS     64
// Bytes read at once, of all connections of a client.
#define CLIENT_READ_BYTES ((size_t)64 * 1024)
// Bytes on their way to the kernel, per connection; a chunk may come on top.
#define CLIENT_OUT_BYTES   ((size_t)64 * 1024)
#define CLIENT_NS_PER_MS   ((uint64_t)1000000)
#define CLIENT_STREAMS_MAX 100u // of one HTTP/2 connection
// A request that a server refuses unprocessed, e.g. because it is about to close the connection, is
// sent so often again.
#define CLIENT_REFUSALS_MAX 8u

struct client_origin;
struct client_connection;
struct client_lookup;
struct client_opening;
struct client_h2;

// ---- names (client_lookup.c) --------------------------------------------------------------------

#define CLIENT_ADDRESSES_MAX      8
#define CLIENT_NAME_SECONDS       30u // an answer is used this long
#define CLIENT_LOOKUPS_AT_ONCE    4u  // under way; the others wait
#define CLIENT_LOOKUP_REASON_SIZE 96

struct client_addresses {
    struct net_address items[CLIENT_ADDRESSES_MAX];
    size_t count;
};

struct client_name {
    char *host; // NULL: a free slot
    struct client_addresses *addresses;
    uint64_t until;
};

// Somebody who waits for a name, embedded in its owner.
struct client_name_waiter {
    struct client_name_waiter *prev, *next;
    struct client_lookup *lookup; // NULL: does not wait
    // `addresses` lives until it returns; NULL: the reason says why.
    void (*done)(struct client_name_waiter *waiter, const struct client_addresses *addresses,
                 const char *reason);
};

// True when the host is an address or its name is known: *out is filled.
bool client_name_known(struct http_client *client, const char *host, struct client_addresses *out);
void client_name_look_up(struct http_client *client, const char *host,
                         struct client_name_waiter *waiter);
void client_name_cancel(struct client_name_waiter *waiter);
void client_names_done(struct http_client *client);

// ---- the client ---------------------------------------------------------------------------------

struct client_idle_list {
    struct client_connection *first, *last; // least recently used first
};

struct http_client {
    struct loop *loop;
    uint32_t connections_max;
    uint32_t host_connections_max;
    uint64_t connection_wait_ns;
    uint64_t idle_ns;
    char *ca_file;
    struct tls_context *tls; // made by the first connection that needs it
    struct client_origin *origins[CLIENT_ORIGIN_BUCKETS];
    struct client_origin *hungry; // have requests that wait
    struct client_idle_list idle;
    struct loop_timer idle_timer;
    struct loop_defer serve; // connections became free
    uint32_t connection_count;
    size_t request_count;
    struct client_name names[CLIENT_NAME_SLOTS];
    struct client_lookup *lookups;
    uint32_t lookups_under_way;
    char *scratch; // CLIENT_READ_BYTES
};

// ---- requests -----------------------------------------------------------------------------------

enum request_phase {
    PHASE_WAITING, // for a connection of the pool
    PHASE_RESOLVING,
    PHASE_CONNECTING,
    PHASE_AWAITING_HEAD,
    PHASE_BODY,
    PHASE_DONE,
};

enum request_event {
    EVENT_FLOW = 1, // the connection's code has to look at the bodies
    EVENT_FAILED = 2,
    EVENT_HEAD = 4,
    EVENT_READABLE = 8,
    EVENT_WRITABLE = 16,
};

typedef VEC(struct http_field) field_vec;

struct http_client_request {
    struct http_client *client;
    struct http_client_events events;
    void *user;

    struct arena arena; // what follows in text, fields included
    struct str method, scheme, authority, target, origin_key;
    struct str host; // with NUL; IPv6 without brackets
    uint16_t port;
    field_vec sent;
    bool expects_continue;

    struct client_origin *origin;
    struct http_client_request *wait_prev, *wait_next; // of the origin, while PHASE_WAITING
    bool waits;
    struct client_connection *connection;              // it is being made for us, or serves us
    bool fresh;                                        // wants a connection of its own making
    uint32_t refusals;                                 // RFC 9113 section 8.7
    int32_t stream;                                    // HTTP/2
    struct http_client_request *peer_prev, *peer_next; // of the connection
    size_t unacknowledged;                             // HTTP/2: read, window not yet given back

    bool (*permits)(void *permits_user, const struct http_client_peer *peer);
    void *permits_user;

    enum request_phase phase;
    uint64_t connect_timeout_ns;
    uint64_t first_byte_timeout_ns;
    uint64_t between_bytes_timeout_ns;
    uint64_t active_at; // when the peer last did something
    struct loop_timer timer;

    struct loop_defer defer;
    unsigned pending; // enum request_event
    bool in_event;
    bool freed; // from its own event, whose end releases it

    bool sends_body; // also an empty one that is announced
    struct byte_ring upload;
    int64_t upload_length; // announced; -1: unknown
    int64_t upload_left;   // not yet written by the user; -1: unknown
    uint64_t upload_taken; // by the connection
    bool upload_ended;
    bool upload_broken; // nobody takes it any more
    bool upload_sent;   // all of it is with the kernel
    bool send_blocked;  // the peer does not take what there is
    field_vec upload_trailers;

    bool is_head;
    unsigned status;
    size_t header_bytes;
    bool head_started;
    bool head_done;
    bool response_done;
    field_vec head;
    field_vec trailers;
    struct byte_ring body;
    bool recv_paused; // the ring is full

    enum http_client_failure failure;
    uint8_t tls_alert;
    char *failure_text;
};

// client_start.c
// Fields that the client makes itself.
bool http_name_is_framing(struct str name);

// client.c
void request_init(struct http_client_request *request, struct http_client *client);
// Sets the events' flags; the user hears of them before the loop waits again.
void request_notify(struct http_client_request *request, unsigned events);
// Ends the request without a good end.
void request_fail(struct http_client_request *request, enum http_client_failure failure,
                  const char *text);
// Both bodies are through, or the request's cannot go on and the response's is; the connection has
// let go of the request.
void request_complete(struct http_client_request *request);
void request_enter(struct http_client_request *request, enum request_phase phase);
// The connection stands.
void request_connected(struct http_client_request *request);
// The peer did something.
void request_touch(struct http_client_request *request);
// May the request be sent once more, after its connection was closed without an answer?
bool request_can_repeat(const struct http_client_request *request);
// Nobody takes the rest of the request's body.
void request_break_upload(struct http_client_request *request);
// The connection took bytes from the upload.
void request_upload_taken(struct http_client_request *request, size_t len);

// client_response.c: what the connection's code finds in the answer. Negative: refused, the
// failure is noted and the connection has to end the request with it.
void response_begin(struct http_client_request *request, unsigned status);
_must_use_ int response_field(struct http_client_request *request, struct str name,
                              struct str value);
_must_use_ int response_count_bytes(struct http_client_request *request, size_t len);
// A final head is complete; the body's length, -1: unknown.
void response_head_end(struct http_client_request *request, int64_t length);
_must_use_ int response_body(struct http_client_request *request, struct str data);
void response_end(struct http_client_request *request);
_must_use_ int response_refuse(struct http_client_request *request,
                               enum http_client_failure failure, const char *text);

// ---- connections (client_pool.c) ----------------------------------------------------------------

struct client_origin {
    struct http_client *client;
    struct client_origin *next;                      // of the bucket
    struct client_origin *hungry_prev, *hungry_next; // with requests that wait
    char *key;                                       // scheme://host:port
    struct client_connection *ready;                 // idle, or with room for more requests
    struct client_connection *opening;
    uint32_t connection_count; // all
    uint32_t users;            // requests
    struct http_client_request *wait_first, *wait_last;
};

enum connection_state {
    CONNECTION_OPENING,
    CONNECTION_IDLE,
    CONNECTION_BUSY, // HTTP/1.1
    CONNECTION_MANY, // HTTP/2, with requests
};

enum h1_state {
    H1_HEAD,
    H1_LENGTH,
    H1_CHUNKED,
    H1_TRAILERS,
    H1_UNTIL_CLOSE,
    H1_DONE,
};

// How far the exchange of an HTTP/1.1 connection is.
struct h1 {
    enum h1_state state;
    struct http_chunked chunked;
    uint64_t left;    // of the body
    int64_t length;   // by content-length; -1: none
    unsigned version; // 10, 11
    bool has_coding;  // transfer-encoding, whose last is chunked
    bool keep_alive;  // as far as is known
    bool says_close;  // Connection
    bool says_keep;   // Connection
    bool has_status;  // the head's first line is through
    bool await_continue;
    bool is_severed; // the server takes no more of the request
    struct loop_timer continue_timer;
};

struct client_connection {
    struct http_client *client;
    struct client_origin *origin;
    struct client_connection **list, *prev, *next;   // of the origin
    struct client_connection *idle_prev, *idle_next; // CONNECTION_IDLE
    enum connection_state state;
    uint64_t idle_since;
    bool is_used;    // an answer came over it
    bool is_closing; // takes no more requests
    struct net_stream stream;
    struct loop_poll poll;
    bool has_poll;
    struct net_address peer;
    struct http_client_request *request; // CONNECTION_OPENING: for whom; CONNECTION_BUSY
    struct client_opening *opening;
    struct client_h2 *h2;
    struct buf in; // the beginning of a line
    size_t in_scanned;
    struct buf out;
    size_t out_sent;
    struct h1 h1;
};

// Gives the request a connection, has one made, or lets it wait.
void pool_acquire(struct http_client_request *request);
// The request needs none any more.
void pool_leave(struct http_client_request *request);
// A connection that can serve the next request, or one more.
void pool_offer(struct client_connection *connection);
// Closes it and frees it. Requests have been let go of before.
void client_close(struct client_connection *connection);
// An opened connection begins to serve: HTTP/1.1 unless it has `h2`.
void pool_opened(struct client_connection *connection);
// May the request go to that address? Asks the user.
bool client_permitted(const struct http_client_request *request, const struct net_address *address);
_must_use_ int client_watch(struct client_connection *connection, unsigned events);
// Sends what `out` has: 0 when all is sent, -EAGAIN, or another errno.
_must_use_ int client_flush(struct client_connection *connection);

// client_connect.c
void client_open(struct client_connection *connection);
void client_open_cancel(struct client_connection *connection);
// What an error of a connected socket means before the head came.
void client_note_alert(struct client_connection *connection, struct http_client_request *request);

// client_h1.c
void h1_begin(struct client_connection *connection);
void h1_event(struct client_connection *connection, unsigned events);
void h1_flow(struct client_connection *connection);
// The request is given up.
void h1_abort(struct client_connection *connection);

// client_h2.c
_must_use_ int client_h2_new(struct client_connection *connection);
void client_h2_free(struct client_connection *connection);
bool client_h2_has_room(const struct client_connection *connection);
void client_h2_begin(struct client_connection *connection, struct http_client_request *request);
void client_h2_event(struct client_connection *connection, unsigned events);
void client_h2_flow(struct client_connection *connection, struct http_client_request *request);
void client_h2_abort(struct client_connection *connection, struct http_client_request *request);

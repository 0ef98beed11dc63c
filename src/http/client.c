// SPDX-License-Identifier: Apache-2.0
// Requests as their user sees them.
#include <assert.h>
#include <errno.h>

#include "http/client_impl.h"

// ---- the end of a request and what its user hears ----------------------------------------------

void request_notify(struct http_client_request *request, unsigned events)
{
    request->pending |= events;
    loop_defer(request->client->loop, &request->defer);
}

// Takes the request from its connection; what was received stays readable.
static void detach(struct http_client_request *request)
{
    request->phase = PHASE_DONE;
    request->pending &= ~(unsigned)EVENT_FLOW;
    loop_timer_stop(&request->timer);
    pool_leave(request);
    byte_ring_done(&request->upload);
}

static void notify_end(struct http_client_request *request)
{
    if (!request->head_done)
        request_notify(request, EVENT_FAILED);
    else if (!request->response_done) // else the end was told already
        request_notify(request, EVENT_READABLE);
    if (request->sends_body && !request->upload_ended)
        request_notify(request, EVENT_WRITABLE);
}

void request_fail(struct http_client_request *request, enum http_client_failure failure,
                  const char *text)
{
    if (request->phase == PHASE_DONE)
        return;
    // Nothing that comes after a whole response makes it less.
    if (!request->response_done) {
        char *copy = mem_strdup(text);
        free(request->failure_text);
        request->failure_text = copy;
        request->failure = failure;
    }
    detach(request);
    notify_end(request);
}

void request_complete(struct http_client_request *request)
{
    detach(request);
    notify_end(request);
}

void request_touch(struct http_client_request *request)
{
    request->active_at = loop_now(request->client->loop);
}

void request_enter(struct http_client_request *request, enum request_phase phase)
{
    if (phase > request->phase)
        request->phase = phase;
}

void request_connected(struct http_client_request *request)
{
    request->phase = PHASE_AWAITING_HEAD;
    request_touch(request);
    loop_timer_start(&request->timer, request->first_byte_timeout_ns);
}

// RFC 9110 section 9.2.2: nobody knows whether the server acted on the request.
bool request_can_repeat(const struct http_client_request *request)
{
    static const char *const idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    if (request->fresh || request->upload_taken > 0 || request->upload_broken)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(idempotent); i++)
        if (str_is(request->method, idempotent[i]))
            return true;
    return false;
}

void request_break_upload(struct http_client_request *request)
{
    if (request->upload_sent || request->upload_broken)
        return;
    request->upload_broken = true;
    request->send_blocked = false;
    byte_ring_done(&request->upload);
    if (!request->upload_ended)
        request_notify(request, EVENT_WRITABLE);
}

void request_upload_taken(struct http_client_request *request, size_t len)
{
    request->upload_taken += len;
    if (!request->upload_ended)
        request_notify(request, EVENT_WRITABLE);
}

// ---- timeouts ----------------------------------------------------------------------------------

struct phase_timeout {
    uint64_t ns;
    enum http_client_failure failure;
    const char *text;
};

static struct phase_timeout phase_timeout(const struct http_client_request *request)
{
    switch (request->phase) {
    case PHASE_WAITING:
        if (request->client->connection_wait_ns <= request->connect_timeout_ns)
            return (struct phase_timeout){request->client->connection_wait_ns,
                                          HTTP_FAILURE_CONNECTION_LIMIT,
                                          "all connections that there may be stayed in use"};
        return (struct phase_timeout){request->connect_timeout_ns, HTTP_FAILURE_CONNECTION_TIMEOUT,
                                      "no connection of the pool became free in time"};
    case PHASE_RESOLVING:
        return (struct phase_timeout){request->connect_timeout_ns, HTTP_FAILURE_DNS_TIMEOUT,
                                      "the host's name was not resolved in time"};
    case PHASE_CONNECTING:
        return (struct phase_timeout){request->connect_timeout_ns, HTTP_FAILURE_CONNECTION_TIMEOUT,
                                      "the connection was not established in time"};
    case PHASE_AWAITING_HEAD:
        if (request->send_blocked)
            return (struct phase_timeout){request->first_byte_timeout_ns,
                                          HTTP_FAILURE_WRITE_TIMEOUT,
                                          "the server did not take the request's body in time"};
        return (struct phase_timeout){request->first_byte_timeout_ns, HTTP_FAILURE_READ_TIMEOUT,
                                      "the server did not answer in time"};
    case PHASE_BODY:
        return (struct phase_timeout){request->between_bytes_timeout_ns, HTTP_FAILURE_READ_TIMEOUT,
                                      "the response's body stalled"};
    case PHASE_DONE:
        break;
    }
    return (struct phase_timeout){0};
}

// The rest of its own body is missing, and what was written is sent.
static bool waits_for_user(const struct http_client_request *request)
{
    return !request->send_blocked && !request->upload_sent && !request->upload_broken &&
           !request->upload_ended && request->upload.len == 0;
}

static void on_phase_timer(struct loop_timer *timer)
{
    struct http_client_request *request = container_of(timer, struct http_client_request, timer);
    if (request->phase == PHASE_DONE)
        return;
    struct phase_timeout timeout = phase_timeout(request);
    uint64_t now = loop_now(request->client->loop);
    bool is_connected = request->phase >= PHASE_AWAITING_HEAD;
    // The peer is not to blame while it waits for our user to read or to write.
    if (is_connected && (request->recv_paused || waits_for_user(request)))
        request->active_at = now;
    uint64_t idle = now - request->active_at;
    if (idle >= timeout.ns)
        request_fail(request, timeout.failure, timeout.text);
    else
        loop_timer_start(timer, timeout.ns - idle);
}

// ---- events ------------------------------------------------------------------------------------

static void flow(struct http_client_request *request)
{
    struct client_connection *connection = request->connection;
    if (!connection || connection->state == CONNECTION_OPENING)
        return;
    if (connection->h2)
        client_h2_flow(connection, request);
    else
        h1_flow(connection);
}

static void (*take_event(struct http_client_request *request))(void *user)
{
    const struct http_client_events *events = &request->events;
    const struct {
        unsigned event;
        void (*callback)(void *user);
    } order[] = {
        {EVENT_FAILED, events->failed},
        {EVENT_HEAD, events->head},
        {EVENT_READABLE, events->readable},
        {EVENT_WRITABLE, events->writable},
    };
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!(request->pending & order[i].event))
            continue;
        request->pending &= ~order[i].event;
        if (order[i].callback)
            return order[i].callback;
    }
    return NULL;
}

static void release(struct http_client_request *request)
{
    byte_ring_done(&request->body);
    vec_done(&request->sent);
    vec_done(&request->head);
    vec_done(&request->trailers);
    vec_done(&request->upload_trailers);
    arena_done(&request->arena);
    free(request->failure_text);
    free(request);
}

static void on_events(struct loop_defer *defer)
{
    struct http_client_request *request = container_of(defer, struct http_client_request, defer);
    if (request->pending & EVENT_FLOW) {
        request->pending &= ~(unsigned)EVENT_FLOW;
        flow(request);
    }
    request->in_event = true;
    void (*callback)(void *user);
    while (!request->freed && (callback = take_event(request)))
        callback(request->user);
    request->in_event = false;
    if (request->freed)
        release(request);
}

void request_init(struct http_client_request *request, struct http_client *client)
{
    request->client = client;
    request->defer.callback = on_events;
    request->arena = ARENA_INIT(0);
    loop_timer_init(&request->timer, client->loop, on_phase_timer);
    client->request_count++;
}

void http_client_request_free(struct http_client_request *request)
{
    if (!request)
        return;
    detach(request);
    loop_defer_cancel(request->client->loop, &request->defer);
    loop_timer_done(&request->timer);
    request->client->request_count--;
    if (request->in_event)
        request->freed = true;
    else
        release(request);
}

// ---- bodies ------------------------------------------------------------------------------------

size_t http_client_write_budget(const struct http_client_request *request)
{
    // After the end there is room as well: the writer must learn of the end.
    if (request->phase == PHASE_DONE || request->upload_broken)
        return HTTP_CLIENT_BUFFER_BYTES;
    return byte_ring_free(&request->upload);
}

int http_client_write(struct http_client_request *request, struct str data)
{
    if (request->phase == PHASE_DONE || request->is_head || request->upload_broken)
        return -EPIPE;
    if (request->upload_ended && data.len > 0)
        return request->upload_left == 0 ? -EMSGSIZE : -EPIPE;
    if (request->upload_left >= 0 && data.len > (uint64_t)request->upload_left)
        return -EMSGSIZE;
    if (data.len > byte_ring_free(&request->upload))
        return -ENOBUFS;
    byte_ring_add(&request->upload, data);
    if (request->upload_left >= 0)
        request->upload_left -= (int64_t)data.len;
    if (request->upload_left == 0)
        request->upload_ended = true;
    request_notify(request, EVENT_FLOW);
    return 0;
}

int http_client_write_end(struct http_client_request *request)
{
    if (request->phase == PHASE_DONE)
        return request->failure == HTTP_FAILURE_NONE ? 0 : -EPIPE;
    if (request->upload_ended || request->upload_broken)
        return 0;
    request->upload_ended = true;
    if (request->upload_left > 0) {
        request_fail(request, HTTP_FAILURE_INTERNAL,
                     "the request's body ended before its content-length");
        return -EMSGSIZE;
    }
    request_notify(request, EVENT_FLOW);
    return 0;
}

static bool is_trailer_field(struct str name)
{
    static const struct str never[] = {STR_INIT("te"),      STR_INIT("host"),
                                       STR_INIT("trailer"), STR_INIT("content-type"),
                                       STR_INIT("expect"),  STR_INIT("authorization")};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (str_eq_nocase(name, never[i]))
            return false;
    return !http_name_is_framing(name);
}

int http_client_write_trailers(struct http_client_request *request, const struct http_field *fields,
                               size_t count)
{
    size_t bytes = 0;
    if (request->phase == PHASE_DONE || request->is_head || request->upload_ended)
        return 0; // nobody will read them
    for (size_t i = 0; i < count; i++) {
        if (!http_name_valid(fields[i].name) || !http_value_valid(fields[i].value))
            return -EINVAL;
        bytes += fields[i].name.len + fields[i].value.len + 4;
        if (bytes > HTTP_CLIENT_TRAILER_BYTES_MAX) {
            request_fail(request, HTTP_FAILURE_REQUEST_TRAILERS_SIZE,
                         "the request's trailers exceed the limit of 49152 bytes");
            return -E2BIG;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_trailer_field(fields[i].name))
            continue;
        *vec_push(&request->upload_trailers) =
            (struct http_field){arena_str(&request->arena, fields[i].name),
                                arena_str(&request->arena, fields[i].value)};
    }
    return 0;
}

unsigned http_client_status(const struct http_client_request *request)
{
    return request->head_done ? request->status : 0;
}

const struct http_field *http_client_fields(const struct http_client_request *request,
                                            size_t *count)
{
    *count = request->head_done ? request->head.len : 0;
    return request->head.items;
}

const struct http_field *http_client_trailers(const struct http_client_request *request,
                                              size_t *count)
{
    *count = request->trailers.len;
    return request->trailers.items;
}

ssize_t http_client_read(struct http_client_request *request, struct str *out)
{
    struct str front = byte_ring_front(&request->body);
    if (front.len > 0) {
        *out = front;
        return (ssize_t)front.len;
    }
    if (request->response_done)
        return 0;
    if (request->phase != PHASE_DONE)
        return -EAGAIN;
    return request->failure == HTTP_FAILURE_NONE ? 0 : -EIO;
}

void http_client_consume(struct http_client_request *request, size_t len)
{
    assert(len <= request->body.len);
    byte_ring_drop(&request->body, len);
    request->unacknowledged += len;
    bool has_room = request->body.len <= request->body.cap / 2;
    bool stalls = request->stream ? request->unacknowledged >= HTTP_CLIENT_BUFFER_BYTES / 2
                                  : request->recv_paused;
    if (has_room && stalls)
        request_notify(request, EVENT_FLOW);
}

enum http_client_failure http_client_request_failure(const struct http_client_request *request)
{
    return request->failure;
}

uint8_t http_client_tls_alert(const struct http_client_request *request)
{
    return request->tls_alert;
}

const char *http_client_failure_text(const struct http_client_request *request)
{
    return request->failure_text ? request->failure_text : "no failure";
}

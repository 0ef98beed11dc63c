// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 over a connection of the client (RFC 9112).
//
// Strict where leniency would let two readers disagree about where a message ends, lenient in what
// servers are known to do: bare LF, folded fields, HTTP/1.0 with keep-alive.
#include <assert.h>
#include <errno.h>

#include "http/client_h1.h"
#include "http/encoder.h"

// A server that knows nothing of 100-continue gets the body after this.
#define CONTINUE_WAIT_MS ((uint64_t)1000)

// ---- the end of an exchange ---------------------------------------------------------------------

// The connection is of no use any more; the request ends with the failure.
static void fail(struct client_connection *connection, enum http_client_failure failure,
                 const char *text)
{
    struct http_client_request *request = TAKE(connection->request);
    _cleanup_(mem_freep) char *copy = mem_strdup(text);
    request->connection = NULL;
    client_note_alert(connection, request);
    if (request->tls_alert && !request->head_started)
        failure = HTTP_FAILURE_TLS_ALERT;
    client_close(connection);
    request_fail(request, failure, copy);
}

static void fail_noted(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    _cleanup_(mem_freep) char *text = mem_strdup(http_client_failure_text(request));
    fail(connection, request->failure, text);
}

// Both directions are through, or nothing more can come of them.
static void complete(struct client_connection *connection, bool reusable)
{
    struct http_client_request *request = TAKE(connection->request);
    loop_timer_stop(&connection->h1.continue_timer);
    request->connection = NULL;
    connection->is_used = true;
    if (reusable)
        pool_offer(connection);
    else
        client_close(connection);
    request_complete(request);
}

static void repeat(struct client_connection *connection)
{
    struct http_client_request *request = TAKE(connection->request);
    request->connection = NULL;
    client_close(connection);
    request->fresh = true;
    pool_acquire(request);
}

void h1_abort(struct client_connection *connection)
{
    connection->request = NULL;
    client_close(connection);
}

static bool is_reusable(const struct client_connection *connection)
{
    const struct h1 *h1 = &connection->h1;
    return h1->keep_alive && !h1->is_severed && connection->in.len == 0 &&
           connection->out.len == 0 && !net_stream_has_input(&connection->stream);
}

// True when the exchange is over.
static bool check_end(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    if (connection->h1.state != H1_DONE)
        return false;
    if (!request->upload_sent && !request->upload_broken)
        return false; // the body goes on without an answer to wait for
    complete(connection, request->upload_sent && is_reusable(connection));
    return true;
}

// ---- sending ------------------------------------------------------------------------------------

static void put_chunk(struct client_connection *connection, struct str piece)
{
    char head[HTTP_CHUNK_HEAD_BYTES_MAX];
    buf_put(&connection->out, str_of(head, http_encode_chunk_head(head, piece.len)));
    buf_put(&connection->out, piece);
    buf_put(&connection->out, STR("\r\n"));
}

static void put_end(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    request->upload_sent = true;
    if (request->upload_length >= 0)
        return;
    buf_put(&connection->out, STR("0\r\n"));
    for (size_t i = 0; i < request->upload_trailers.len; i++)
        h1_put_field(&connection->out, &request->upload_trailers.items[i]);
    buf_put(&connection->out, STR("\r\n"));
}

// Moves what there is of the body to `out`, as much as may wait there.
static void fill_out(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    struct byte_ring *upload = &request->upload;
    if (request->upload_sent || request->upload_broken || connection->h1.await_continue)
        return;
    while (upload->len > 0 && connection->out.len < CLIENT_OUT_BYTES) {
        struct str piece = str_sub(byte_ring_front(upload), 0, CLIENT_OUT_BYTES);
        if (request->upload_length < 0)
            put_chunk(connection, piece);
        else
            buf_put(&connection->out, piece);
        byte_ring_drop(upload, piece.len);
        request_upload_taken(request, piece.len);
    }
    if (request->upload_ended && upload->len == 0)
        put_end(connection);
}

static int send_all(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    int rc;
    do {
        fill_out(connection);
        bool has_more = connection->out.len > 0;
        rc = client_flush(connection);
        if (has_more && rc == 0)
            request_touch(request);
    } while (rc == 0 && request->upload.len > 0 && !request->upload_broken &&
             !connection->h1.await_continue);
    return rc;
}

static int watch(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    unsigned events = request->recv_paused ? 0 : LOOP_READABLE;
    return client_watch(connection, events | (request->send_blocked ? LOOP_WRITABLE : 0));
}

static bool may_repeat(const struct client_connection *connection)
{
    const struct http_client_request *request = connection->request;
    return !request->head_started && connection->is_used && connection->h1.state == H1_HEAD &&
           connection->in.len == 0 && request_can_repeat(request);
}

// The server takes no more of the request; an answer may come all the same, or none, upon which the
// request is repeated, with the body that it has kept.
static void sever(struct client_connection *connection)
{
    buf_clear(&connection->out);
    connection->out_sent = 0;
    connection->h1.is_severed = true;
    if (!may_repeat(connection))
        request_break_upload(connection->request);
}

// What can be sent is.
static void send_more(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    if (connection->h1.is_severed)
        return;
    size_t before = connection->out.len - connection->out_sent;
    int rc = send_all(connection);
    if (rc < 0 && rc != -EAGAIN) {
        sever(connection);
    } else if (rc == -EAGAIN && connection->out.len - connection->out_sent != before) {
        request_touch(request);
    }
    request->send_blocked = rc == -EAGAIN;
}

static void on_continue_timer(struct loop_timer *timer)
{
    struct h1 *h1 = container_of(timer, struct h1, continue_timer);
    struct client_connection *connection = container_of(h1, struct client_connection, h1);
    h1->await_continue = false;
    h1_flow(connection);
}

void h1_begin(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    struct http_client *client = connection->client;
    connection->h1 = (struct h1){.length = -1};
    loop_timer_init(&connection->h1.continue_timer, client->loop, on_continue_timer);
    h1_put_head(&connection->out, request);
    if (request->expects_continue && request->sends_body && request->upload_length != 0) {
        connection->h1.await_continue = true;
        loop_timer_start(&connection->h1.continue_timer, CONTINUE_WAIT_MS * CLIENT_NS_PER_MS);
    }
    request->upload_sent = !request->sends_body;
    request->send_blocked = request->recv_paused = false;
    // A body that is written right away leaves together with the head.
    request_notify(request, EVENT_FLOW);
}

// ---- receiving ----------------------------------------------------------------------------------

static void ended_early(struct client_connection *connection, int error)
{
    struct http_client_request *request = connection->request;
    if (may_repeat(connection))
        repeat(connection);
    else if (request->head_started || connection->in.len > 0)
        fail(connection, HTTP_FAILURE_RESPONSE_INCOMPLETE,
             request->head_done
                 ? "the connection was closed before the end of the response's body"
                 : "the connection was closed before the end of the response's head");
    else
        fail(connection, HTTP_FAILURE_CONNECTION_TERMINATED,
             error < 0 ? strerror(-error) : "the connection was closed without a response");
}

// The stream ended: `error` 0 properly, else an errno.
static void ended(struct client_connection *connection, int error)
{
    struct http_client_request *request = connection->request;
    connection->h1.keep_alive = false;
    if (connection->h1.state == H1_UNTIL_CLOSE && error == 0) {
        response_end(request);
        connection->h1.state = H1_DONE;
    }
    if (connection->h1.state == H1_DONE) {
        request_break_upload(request);
        (void)check_end(connection);
    } else {
        ended_early(connection, error);
    }
}

// What the next step may take at most: the body's ring must have room for all that is read.
static size_t room(const struct client_connection *connection)
{
    const struct http_client_request *request = connection->request;
    switch (connection->h1.state) {
    case H1_LENGTH:
    case H1_CHUNKED:
    case H1_UNTIL_CLOSE:
        return MIN(byte_ring_free(&request->body), CLIENT_READ_BYTES);
    case H1_HEAD:
    case H1_TRAILERS:
    case H1_DONE:
        break;
    }
    // A body may follow in the same piece.
    return CLIENT_READ_BYTES;
}

// True while the connection serves the same request.
static bool take(struct client_connection *connection, struct str data)
{
    struct http_client_request *request = connection->request;
    int rc = h1_input(connection, data);
    if (rc < 0) {
        fail_noted(connection);
        return false;
    }
    if (connection->h1.is_severed && request->head_started)
        request_break_upload(request);
    if (connection->h1.state == H1_DONE && !request->response_done) {
        response_end(request);
        // A server that answers before the request's end often closes then.
        connection->h1.keep_alive &= request->upload_sent;
    }
    return !check_end(connection);
}

static void receive(struct client_connection *connection)
{
    struct http_client *client = connection->client;
    struct http_client_request *request = connection->request;
    if (!client->scratch)
        client->scratch = mem_alloc(CLIENT_READ_BYTES);
    for (;;) {
        size_t len = room(connection);
        request->recv_paused = len == 0;
        if (len == 0)
            break;
        ssize_t got = net_stream_read(&connection->stream, client->scratch, len);
        if (got == -EAGAIN)
            break;
        if (got <= 0) {
            ended(connection, (int)got);
            return;
        }
        request_touch(request);
        if (!take(connection, str_of(client->scratch, (size_t)got)))
            return;
        if ((size_t)got < len && !net_stream_has_input(&connection->stream))
            break;
    }
    if (watch(connection) < 0)
        fail(connection, HTTP_FAILURE_INTERNAL, "the connection cannot be watched");
}

// ---- events -------------------------------------------------------------------------------------

void h1_flow(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    bool was_paused = request->recv_paused;
    send_more(connection);
    if (check_end(connection))
        return;
    if (was_paused && byte_ring_free(&request->body) > 0)
        receive(connection);
    else if (watch(connection) < 0)
        fail(connection, HTTP_FAILURE_INTERNAL, "the connection cannot be watched");
}

void h1_event(struct client_connection *connection, unsigned events)
{
    struct http_client_request *request = connection->request;
    if (events & LOOP_WRITABLE) {
        send_more(connection);
        if (check_end(connection))
            return;
    }
    if (!request->recv_paused || events & LOOP_HANGUP)
        receive(connection);
    else if (watch(connection) < 0)
        fail(connection, HTTP_FAILURE_INTERNAL, "the connection cannot be watched");
}

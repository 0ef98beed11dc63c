// SPDX-License-Identifier: Apache-2.0
// HTTP/2 over a connection of the client: nghttp2 makes and reads the frames, each stream is a
// request.
//
// A stream's window is what the request's buffer holds, and is given back as the user reads; the
// connection's is given back at once, so that a slow reader holds nobody else up.
#include <assert.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>

#include "http/client_impl.h"

// Of all streams together. What may be on its way to us is also bounded by each stream's window.
#define CONNECTION_WINDOW_BYTES (1 << 20)
static_assert(NGHTTP2_INITIAL_WINDOW_SIZE <= HTTP_CLIENT_BUFFER_BYTES,
              "a stream's window fits into the request's buffer");

struct client_h2 {
    struct client_connection *connection;
    nghttp2_session *session;
    struct http_client_request *requests;
    uint32_t count;
    struct loop_defer pump;
};

// ---- requests of the connection -----------------------------------------------------------------

static void add(struct client_h2 *h2, struct http_client_request *request)
{
    request->peer_prev = NULL;
    request->peer_next = h2->requests;
    if (request->peer_next)
        request->peer_next->peer_prev = request;
    h2->requests = request;
    h2->count++;
}

static void forget(struct client_h2 *h2, struct http_client_request *request)
{
    *(request->peer_prev ? &request->peer_prev->peer_next : &h2->requests) = request->peer_next;
    if (request->peer_next)
        request->peer_next->peer_prev = request->peer_prev;
    request->peer_prev = request->peer_next = NULL;
    request->connection = NULL;
    request->stream = 0;
    h2->count--;
}

bool client_h2_has_room(const struct client_connection *connection)
{
    const struct client_h2 *h2 = connection->h2;
    uint32_t max =
        nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return h2->count < MIN(max, CLIENT_STREAMS_MAX) &&
           nghttp2_session_check_request_allowed(h2->session);
}

static void release(struct client_h2 *h2, struct http_client_request *request)
{
    int32_t stream = request->stream;
    forget(h2, request);
    if (stream > 0)
        (void)nghttp2_session_set_stream_user_data(h2->session, stream, NULL);
    loop_defer(h2->connection->client->loop, &h2->pump);
}

static void fail(struct client_h2 *h2, struct http_client_request *request,
                 enum http_client_failure failure, const char *text)
{
    release(h2, request);
    request_fail(request, failure, text);
}

// Ends with the failure that response_...() noted.
static void refuse(struct client_h2 *h2, struct http_client_request *request)
{
    _cleanup_(mem_freep) char *text = mem_strdup(http_client_failure_text(request));
    (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, request->stream,
                                    NGHTTP2_PROTOCOL_ERROR);
    fail(h2, request, request->failure, text);
}

static void repeat(struct client_h2 *h2, struct http_client_request *request, bool fresh)
{
    release(h2, request);
    request->fresh |= fresh;
    pool_acquire(request);
}

static bool can_be_refused(const struct http_client_request *request)
{
    return request->refusals < CLIENT_REFUSALS_MAX && request->upload_taken == 0 &&
           !request->upload_broken && !request->head_started;
}

// The connection is gone, and with it all streams.
static void all_ended(struct client_connection *connection, const char *text)
{
    struct client_h2 *h2 = connection->h2;
    uint8_t alert = 0;
    if (connection->stream.tls)
        alert = tls_alert(connection->stream.tls);
    connection->is_closing = true;
    while (h2->requests) {
        struct http_client_request *request = h2->requests;
        if (!request->head_started && connection->is_used && !alert &&
            request_can_repeat(request)) {
            repeat(h2, request, true);
            continue;
        }
        request->tls_alert = request->head_started ? 0 : alert;
        fail(h2, request,
             request->tls_alert      ? HTTP_FAILURE_TLS_ALERT
             : request->head_started ? HTTP_FAILURE_RESPONSE_INCOMPLETE
                                     : HTTP_FAILURE_CONNECTION_TERMINATED,
             text);
    }
    client_close(connection);
}

// ---- frames that come ---------------------------------------------------------------------------

static struct http_client_request *find(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                    void *user)
{
    struct http_client_request *request = find(session, frame->hd.stream_id);
    struct str key = str_of((const char *)name, name_len);
    struct str text = str_of((const char *)value, value_len);
    uint64_t status;
    int rc;
    if (!request)
        return 0;
    request_touch(request);
    rc = response_count_bytes(request, name_len + value_len + 32);
    if (rc == 0 && str_is(key, ":status")) {
        if (str_to_u64(text, 999, &status) < 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        response_begin(request, (unsigned)status);
    } else if (rc == 0) {
        rc = response_field(request, key, text);
    }
    if (rc < 0)
        refuse(user, request);
    return 0;
}

static int64_t announced(const struct http_client_request *request)
{
    const struct http_field *field =
        http_field_find(request->head.items, request->head.len, STR("content-length"));
    uint64_t length;
    if (request->is_head || !field || str_to_u64(field->value, INT64_MAX, &length) < 0)
        return -1;
    return (int64_t)length;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct client_h2 *h2 = user;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2->connection->is_closing = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct http_client_request *request = find(session, frame->hd.stream_id);
    if (!request)
        return 0;
    // nghttp2 has checked the order of heads and trailers.
    if (frame->hd.type == NGHTTP2_HEADERS && !request->head_done && request->status >= 200)
        response_head_end(request, announced(request));
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        h2->connection->is_used = true;
        response_end(request);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *user)
{
    struct http_client_request *request = find(session, stream);
    (void)nghttp2_session_consume_connection(session, len);
    if (request && response_body(request, str_of((const char *)data, len)) < 0)
        refuse(user, request);
    return 0;
}

// What RST_STREAM and the stream's end mean to the request.
static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct client_h2 *h2 = user;
    struct http_client_request *request = find(session, stream);
    if (!request)
        return 0;
    if (request->response_done) {
        release(h2, request);
        request_complete(request);
    } else if (code == NGHTTP2_REFUSED_STREAM && can_be_refused(request)) {
        request->refusals++;
        repeat(h2, request, false);
    } else if (request->head_started) {
        fail(h2, request, HTTP_FAILURE_RESPONSE_INCOMPLETE, nghttp2_http2_strerror(code));
    } else {
        bool is_ours = code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FRAME_SIZE_ERROR ||
                       code == NGHTTP2_FLOW_CONTROL_ERROR || code == NGHTTP2_COMPRESSION_ERROR ||
                       code == NGHTTP2_HTTP_1_1_REQUIRED || code == NGHTTP2_STREAM_CLOSED;
        fail(h2, request, is_ours ? HTTP_FAILURE_PROTOCOL : HTTP_FAILURE_CONNECTION_TERMINATED,
             nghttp2_http2_strerror(code));
    }
    return 0;
}

// nghttp2 found the response malformed and resets the stream.
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct http_client_request *request = find(session, frame->hd.stream_id);
    if (request)
        fail(user, request, HTTP_FAILURE_PROTOCOL, nghttp2_strerror(error));
    return 0;
}

static int on_invalid_field(nghttp2_session *session, const nghttp2_frame *frame,
                            const uint8_t *name, size_t name_len, const uint8_t *value,
                            size_t value_len, uint8_t flags, void *user)
{
    struct http_client_request *request = find(session, frame->hd.stream_id);
    if (request)
        fail(user, request, HTTP_FAILURE_PROTOCOL, "malformed field in the response");
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// ---- requests that go ---------------------------------------------------------------------------

static nghttp2_nv pair(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

static bool put(struct http_client_request *request, nghttp2_nv *out,
                const struct http_field *field)
{
    // RFC 9113 section 8.2.2; the host is in :authority.
    if (str_eq_nocase(field->name, STR("host")) ||
        (str_eq_nocase(field->name, STR("te")) && !str_eq_nocase(field->value, STR("trailers"))))
        return false;
    char *lower = arena_alloc(&request->arena, field->name.len);
    for (size_t i = 0; i < field->name.len; i++)
        lower[i] = ascii_lower(field->name.data[i]);
    *out = pair(str_of(lower, field->name.len), field->value);
    return true;
}

static int submit_trailers(struct client_h2 *h2, struct http_client_request *request)
{
    const field_vec *trailers = &request->upload_trailers;
    nghttp2_nv *pairs = mem_new_array(nghttp2_nv, MAX(trailers->len, 1));
    size_t count = 0;
    for (size_t i = 0; i < trailers->len; i++)
        count += put(request, &pairs[count], &trailers->items[i]);
    int rc = nghttp2_submit_trailer(h2->session, request->stream, pairs, count);
    free(pairs);
    return rc;
}

static ssize_t read_upload(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http_client_request *request = find(session, stream);
    if (!request || request->upload_broken)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    request_touch(request);
    size_t len = byte_ring_take(&request->upload, (char *)out, size);
    if (len > 0)
        request_upload_taken(request, len);
    if (request->upload_ended && request->upload.len == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        request->upload_sent = true;
        if (request->upload_trailers.len > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (submit_trailers(user, request) < 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        return (ssize_t)len;
    }
    return len > 0 ? (ssize_t)len : NGHTTP2_ERR_DEFERRED;
}

static int submit(struct client_h2 *h2, struct http_client_request *request)
{
    const nghttp2_data_provider body = {.read_callback = read_upload};
    nghttp2_nv *pairs = mem_new_array(nghttp2_nv, request->sent.len + 5);
    size_t count = 0;
    const struct http_field *host =
        http_field_find(request->sent.items, request->sent.len, STR("host"));
    pairs[count++] = pair(STR(":method"), request->method);
    pairs[count++] = pair(STR(":scheme"), request->scheme);
    pairs[count++] = pair(STR(":authority"), host ? host->value : request->authority);
    pairs[count++] = pair(STR(":path"), request->target);
    for (size_t i = 0; i < request->sent.len; i++)
        count += put(request, &pairs[count], &request->sent.items[i]);
    if (request->sends_body && request->upload_length >= 0)
        pairs[count++] =
            pair(STR("content-length"),
                 arena_printf(&request->arena, "%lld", (long long)request->upload_length));
    bool has_body = request->sends_body && request->upload_length != 0;
    request->upload_sent = !has_body;
    int32_t stream =
        nghttp2_submit_request(h2->session, NULL, pairs, count, has_body ? &body : NULL, request);
    free(pairs);
    request->stream = MAX(stream, 0);
    return stream < 0 ? -EIO : 0;
}

// ---- the connection -----------------------------------------------------------------------------

// The frames that nghttp2 has to `out` and to the kernel. 0, -EAGAIN, or another errno.
static int pump(struct client_connection *connection)
{
    struct client_h2 *h2 = connection->h2;
    int rc = client_flush(connection);
    while (rc == 0) {
        const uint8_t *data;
        ssize_t len = 0;
        while (connection->out.len < CLIENT_OUT_BYTES &&
               (len = nghttp2_session_mem_send(h2->session, &data)) > 0)
            buf_put(&connection->out, str_of((const char *)data, (size_t)len));
        if (len < 0)
            return -EPROTO;
        if (connection->out.len == 0)
            return 0;
        rc = client_flush(connection);
    }
    return rc;
}

static void note_blocked(struct client_h2 *h2, bool is_blocked)
{
    for (struct http_client_request *at = h2->requests; at; at = at->peer_next)
        at->send_blocked = at->upload.len > 0 || (is_blocked && !at->upload_sent);
}

// Sends, and says what to wait for. False when the connection is gone.
static bool go_on(struct client_connection *connection)
{
    struct client_h2 *h2 = connection->h2;
    int rc = pump(connection);
    note_blocked(h2, rc == -EAGAIN);
    if (rc == 0 || rc == -EAGAIN) {
        int watched = client_watch(connection, LOOP_READABLE | (rc ? LOOP_WRITABLE : 0));
        rc = watched < 0 ? watched : 0;
    }
    bool is_over =
        !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
    if (rc < 0 || is_over) {
        all_ended(connection, rc < 0 ? strerror(-rc) : "the server closed the HTTP/2 session");
        return false;
    }
    if (h2->count == 0 && connection->is_closing) {
        client_close(connection);
        return false;
    }
    if (h2->count == 0 && connection->state == CONNECTION_MANY) {
        connection->state = CONNECTION_BUSY; // for a moment: it becomes idle
        pool_offer(connection);
    } else if (connection->state == CONNECTION_MANY && connection->client->hungry &&
               client_h2_has_room(connection)) {
        pool_offer(connection);
    }
    return true;
}

static void on_pump(struct loop_defer *defer)
{
    (void)go_on(container_of(defer, struct client_h2, pump)->connection);
}

static int take(struct client_connection *connection, struct str data)
{
    ssize_t rc =
        nghttp2_session_mem_recv(connection->h2->session, (const uint8_t *)data.data, data.len);
    return rc < 0 ? -EPROTO : 0;
}

void client_h2_event(struct client_connection *connection, unsigned events)
{
    struct http_client *client = connection->client;
    if (!client->scratch)
        client->scratch = mem_alloc(CLIENT_READ_BYTES);
    for (;;) {
        ssize_t got = net_stream_read(&connection->stream, client->scratch, CLIENT_READ_BYTES);
        if (got == -EAGAIN)
            break;
        if (got <= 0) {
            all_ended(connection, got < 0 ? strerror((int)-got) : "the connection was closed");
            return;
        }
        if (take(connection, str_of(client->scratch, (size_t)got)) < 0) {
            (void)pump(connection); // GOAWAY tells the server why
            all_ended(connection, "the server broke the rules of HTTP/2");
            return;
        }
        if ((size_t)got < CLIENT_READ_BYTES && !net_stream_has_input(&connection->stream))
            break;
    }
    (void)go_on(connection);
}

void client_h2_begin(struct client_connection *connection, struct http_client_request *request)
{
    struct client_h2 *h2 = connection->h2;
    add(h2, request);
    if (submit(h2, request) < 0)
        fail(h2, request, HTTP_FAILURE_INTERNAL, "no HTTP/2 stream can be made");
    // A body that is written right away leaves together with the head.
    loop_defer(connection->client->loop, &h2->pump);
}

void client_h2_flow(struct client_connection *connection, struct http_client_request *request)
{
    struct client_h2 *h2 = connection->h2;
    if (request->unacknowledged > 0)
        (void)nghttp2_session_consume_stream(h2->session, request->stream, request->unacknowledged);
    request->unacknowledged = 0;
    if (request->sends_body && !request->upload_sent)
        (void)nghttp2_session_resume_data(h2->session, request->stream);
    loop_defer(connection->client->loop, &h2->pump);
}

void client_h2_abort(struct client_connection *connection, struct http_client_request *request)
{
    struct client_h2 *h2 = connection->h2;
    (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, request->stream,
                                    NGHTTP2_CANCEL);
    // A connection over which nothing came since may be dead.
    if (request->failure == HTTP_FAILURE_READ_TIMEOUT && !request->head_started)
        connection->is_closing = true;
    release(h2, request);
}

int client_h2_new(struct client_connection *connection)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)HTTP_CLIENT_HEADER_BYTES_MAX},
    };
    struct client_h2 *h2 = mem_new(struct client_h2);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    connection->h2 = h2;
    h2->connection = connection;
    h2->pump.callback = on_pump;
    if (nghttp2_session_callbacks_new(&callbacks) < 0 || nghttp2_option_new(&option) < 0)
        die_oom(0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_field);
    nghttp2_option_set_no_auto_window_update(option, 1);
    int rc = nghttp2_session_client_new2(&h2->session, callbacks, h2, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (rc == 0)
        rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                   CONNECTION_WINDOW_BYTES);
    return rc;
}

void client_h2_free(struct client_connection *connection)
{
    struct client_h2 *h2 = TAKE(connection->h2);
    if (!h2)
        return;
    loop_defer_cancel(connection->client->loop, &h2->pump);
    nghttp2_session_del(h2->session);
    free(h2);
}

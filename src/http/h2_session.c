// SPDX-License-Identifier: Apache-2.0
// One connection that speaks HTTP/2: frames in, frames out, its beginning and its end.
#include <errno.h>

#include "http/h2_impl.h"

enum h2_preface h2_preface_look(struct str bytes)
{
    struct str preface = H2_PREFACE;
    size_t len = MIN(bytes.len, preface.len);
    if (len == 0 || memcmp(bytes.data, preface.data, len) != 0)
        return H2_PREFACE_NONE;
    return len < preface.len ? H2_PREFACE_PART : H2_PREFACE_WHOLE;
}

int h2_fail(struct h2 *h2, uint32_t code)
{
    if (!h2->dead) {
        h2->dead = true;
        h2->connection->server->counts.refused++;
        (void)nghttp2_session_terminate_session(h2->session, code);
    }
    h2_wake(h2);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

void h2_wake(struct h2 *h2)
{
    loop_defer(h2->connection->server->loop, &h2->pump);
}

// ---- floods -------------------------------------------------------------------------------------

static int idle_frame(struct h2 *h2)
{
    if (h2_bucket_take(&h2->idle_frames, h2->connection->server->now, H2_IDLE_FRAMES_BURST,
                       H2_IDLE_FRAMES_PER_SECOND))
        return 0;
    return h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

// Also while frames are sent: an error there would keep GOAWAY from being one of them.
static void count_reset(struct h2 *h2)
{
    if (!h2_bucket_take(&h2->resets, h2->connection->server->now, H2_RESETS_BURST,
                        H2_RESETS_PER_SECOND))
        (void)h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void busy_frame(struct h2 *h2)
{
    h2->idle_frames.tokens =
        MIN(h2->idle_frames.tokens + H2_IDLE_FRAMES_PER_FRAME, H2_IDLE_FRAMES_BURST);
}

// DATA and HEADERS for a stream that is no more; nghttp2 would ignore them.
static uint32_t check_stream(struct h2 *h2, const nghttp2_frame_hd *hd)
{
    bool is_headers = hd->type == NGHTTP2_HEADERS;
    if ((!is_headers && hd->type != NGHTTP2_DATA) || hd->stream_id % 2 == 0)
        return NGHTTP2_NO_ERROR;
    if (h2_history_is_new(&h2->history, hd->stream_id)) {
        if (is_headers)
            h2_history_open(&h2->history, hd->stream_id);
        return NGHTTP2_NO_ERROR;
    }
    if (nghttp2_session_get_stream_remote_close(h2->session, hd->stream_id) >= 0)
        return NGHTTP2_NO_ERROR;
    return h2_history_verdict(&h2->history, hd->stream_id, is_headers);
}

// What a frame's head tells before nghttp2 sees the frame.
static int look_at_head(struct h2 *h2, const nghttp2_frame_hd *hd)
{
    bool in_block = hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION;
    // Each block has the whole time.
    if (hd->type == NGHTTP2_HEADERS && h2->settled && h2->wait == H2_WAIT_HEAD)
        h2->wait = H2_WAIT_NONE;
    h2->head_open = in_block && !(hd->flags & NGHTTP2_FLAG_END_HEADERS);
    h2->continuations = hd->type == NGHTTP2_CONTINUATION ? h2->continuations + 1 : 0;
    if (h2->continuations > H2_CONTINUATIONS_MAX)
        return h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    uint32_t code = check_stream(h2, hd);
    if (code != NGHTTP2_NO_ERROR)
        return h2_fail(h2, code);
    if (in_block ||
        (hd->type == NGHTTP2_DATA && (hd->length > 0 || hd->flags & NGHTTP2_FLAG_END_STREAM)))
        return 0;
    return idle_frame(h2);
}

// ---- the connection's time-outs -----------------------------------------------------------------

static enum h2_wait wait_now(const struct h2 *h2)
{
    if (h2->draining && !h2->drained)
        return H2_WAIT_DRAIN;
    if (!h2->settled || h2->head_open)
        return H2_WAIT_HEAD;
    if (h2->wait == H2_WAIT_PING && h2->stream_count > 0)
        return H2_WAIT_PING;
    return h2->stream_count > 0 ? H2_WAIT_PEER : H2_WAIT_IDLE;
}

static void set_wait(struct h2 *h2, enum h2_wait wait)
{
    static const enum deadline_kind kinds[] = {
        [H2_WAIT_NONE] = DEADLINE_NONE, [H2_WAIT_HEAD] = DEADLINE_HEAD,
        [H2_WAIT_IDLE] = DEADLINE_IDLE, [H2_WAIT_PEER] = DEADLINE_IDLE,
        [H2_WAIT_PING] = DEADLINE_BODY, [H2_WAIT_DRAIN] = DEADLINE_LINGER,
    };
    h2->wait = wait;
    if (kinds[wait] == DEADLINE_NONE)
        deadline_clear(&h2->connection->wait);
    else
        deadline_set(h2->connection->server, &h2->connection->wait, kinds[wait]);
}

static void update_wait(struct h2 *h2)
{
    enum h2_wait wait = wait_now(h2);
    if (wait == h2->wait)
        return;
    set_wait(h2, wait);
    if (wait == H2_WAIT_IDLE)
        deadline_set(h2->connection->server, &h2->rest, DEADLINE_REST);
    else
        deadline_clear(&h2->rest);
}

static void end_drain(struct h2 *h2)
{
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
    h2->drained = true;
    update_wait(h2);
    h2_wake(h2);
}

// ---- requests -----------------------------------------------------------------------------------

static struct h2_stream *find(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    busy_frame(h2);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct h2_stream *stream = h2_stream_new(h2, frame->hd.stream_id);
    int rc = nghttp2_session_set_stream_user_data(session, stream->id, stream);
    if (rc == 0)
        return 0;
    h2_stream_free(stream);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    struct h2_stream *stream = find(session, frame->hd.stream_id);
    if (stream)
        h2_head_add(stream, name, value);
    return 0;
}

// RFC 9113 section 8.2.1: a malformed field makes the message malformed.
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void on_head(struct h2_stream *stream, const nghttp2_frame *frame)
{
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (stream->state == H2_STREAM_HEAD) {
        h2_head_conclude(stream, !ended);
        stream->state = H2_STREAM_READY;
        h2_list_add(&stream->h2->ready, stream);
    }
    if (ended)
        h2_stream_end(stream);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    struct h2_stream *stream = frame->hd.stream_id ? find(session, frame->hd.stream_id) : NULL;
    bool is_ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (stream)
            on_head(stream, frame);
        break;
    case NGHTTP2_DATA:
        if (frame->hd.length > 0 && frame->hd.length == frame->data.padlen)
            return idle_frame(h2);
        if (stream && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            h2_stream_end(stream);
        break;
    case NGHTTP2_RST_STREAM:
        if (stream)
            stream->peer_reset = true;
        break;
    case NGHTTP2_SETTINGS:
        h2->settled |= !is_ack;
        break;
    case NGHTTP2_PING:
        // The peer has seen the first GOAWAY; what it opened before has come.
        if (is_ack && h2->draining && !h2->drained)
            end_drain(h2);
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user)
{
    struct h2 *h2 = user;
    struct h2_stream *stream = find(session, id);
    busy_frame(h2);
    if (stream)
        h2_stream_data(stream, str_of((const char *)data, len));
    else
        (void)nghttp2_session_consume(session, id, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2 *h2 = user;
    struct h2_stream *stream = find(session, id);
    if (!stream)
        return 0;
    h2_history_close(&h2->history, id, stream->peer_reset || stream->exchange.body.done);
    bool early = code != NGHTTP2_NO_ERROR && !stream->exchange.response.finished;
    h2_stream_closed(stream, code);
    if (early)
        count_reset(h2);
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    // Who answers this has read GOAWAY; nghttp2 would send both in the other order.
    if (frame->hd.type == NGHTTP2_GOAWAY && h2->draining && !h2->drained)
        (void)nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, NULL);
    struct h2_stream *stream = frame->hd.stream_id ? find(session, frame->hd.stream_id) : NULL;
    // Refused: there never was a stream.
    if (frame->hd.type == NGHTTP2_RST_STREAM && !stream)
        count_reset(h2);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    busy_frame(h2);
    if (stream && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        h2_stream_end_sent(stream);
    return 0;
}

// A head that could not be encoded.
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code,
                             void *user)
{
    struct h2_stream *stream = find(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS && stream && !stream->closed)
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

// ---- time-outs and the end
// -----------------------------------------------------------------------

void h2_expired(struct connection *connection)
{
    struct h2 *h2 = connection->h2;
    switch (h2->wait) {
    case H2_WAIT_NONE:
        break;
    case H2_WAIT_HEAD:
        (void)h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
        break;
    case H2_WAIT_IDLE:
        h2->dead = true;
        (void)nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
        h2_wake(h2);
        break;
    case H2_WAIT_PEER:
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
        set_wait(h2, H2_WAIT_PING);
        h2_wake(h2);
        break;
    case H2_WAIT_PING:
        connection->gone = true;
        break;
    case H2_WAIT_DRAIN:
        end_drain(h2);
        break;
    }
}

void h2_rest_expired(struct deadline *deadline)
{
    h2_memory_rest(container_of(deadline, struct h2, rest));
}

bool h2_give_way(struct connection *connection)
{
    if (connection->h2->wait != H2_WAIT_IDLE || connection->h2->dead)
        return false;
    h2_expired(connection);
    return true;
}

void h2_drain(struct connection *connection)
{
    struct h2 *h2 = connection->h2;
    if (h2->draining || h2->dead)
        return;
    h2->draining = true;
    (void)nghttp2_submit_shutdown_notice(h2->session);
    update_wait(h2);
    h2_wake(h2);
}

// ---- life ---------------------------------------------------------------------------------------

static void on_pump(struct loop_defer *defer)
{
    struct h2 *h2 = container_of(defer, struct h2, pump);
    struct connection *connection = h2->connection;
    size_t sent = 0;
    do {
        h2_pump(h2);
        size_t before = output_unsent(connection);
        if (before == 0 || connection->blocked)
            break;
        output_flush(connection);
        sent += before;
    } while (!connection->blocked && !connection->gone && sent < H2_PUMP_BYTES_MAX);
    if (sent >= H2_PUMP_BYTES_MAX && !connection->blocked)
        h2_wake(h2);
    connection_work(connection);
}

static nghttp2_session *new_session(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) < 0)
        die_oom(sizeof(void *));
    if (nghttp2_option_new(&option) < 0)
        die_oom(sizeof(void *));
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_on_send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    // RFC 9218 for clients that know it, else the weights of RFC 7540: streams take turns.
    nghttp2_option_set_server_fallback_rfc7540_priorities(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, 2 * HTTP_SERVER_RESPONSE_HEAD_MAX);
    nghttp2_mem memory = h2_memory(h2);
    if (nghttp2_session_server_new3(&session, callbacks, h2, option, &memory) < 0)
        die_oom(sizeof(void *));
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void submit_settings(struct h2 *h2)
{
    const struct http_server_options *options = &h2->connection->server->options;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options->h2_streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options->h2_stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options->head_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    (void)nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)options->h2_connection_window_bytes);
}

static int feed(struct h2 *h2, const uint8_t *data, size_t len)
{
    ssize_t rc = nghttp2_session_mem_recv(h2->session, data, len);
    if (rc >= 0)
        return 0;
    return h2_fail(h2, rc == NGHTTP2_ERR_NOMEM     ? NGHTTP2_INTERNAL_ERROR
                       : rc == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
                                                   : NGHTTP2_PROTOCOL_ERROR);
}

// What is known of a stream counts when its next frame comes: all before is fed first.
static bool needs_state(const nghttp2_frame_hd *hd)
{
    return hd->type == NGHTTP2_DATA || hd->type == NGHTTP2_HEADERS;
}

static void take_bytes(struct h2 *h2, const uint8_t *data, size_t len)
{
    size_t fed = 0, at = 0;
    while (at < len && !h2->dead) {
        bool complete;
        at += h2_scan_next(&h2->scan, data + at, len - at, &complete);
        if (!complete)
            break;
        nghttp2_frame_hd hd = h2_scan_head(&h2->scan);
        size_t start = at - MIN(at, sizeof(h2->scan.head));
        if (needs_state(&hd) && start > fed) {
            if (feed(h2, data + fed, start - fed) < 0)
                return;
            fed = start;
        }
        if (look_at_head(h2, &hd) < 0)
            return;
    }
    if (!h2->dead && len > fed)
        (void)feed(h2, data + fed, len - fed);
}

static void take_input(struct h2 *h2)
{
    struct input *input = &h2->connection->input;
    if (!h2->dead && input->end > input->start)
        take_bytes(h2, (const uint8_t *)input->data + input->start, input->end - input->start);
    input->start = input->end = 0;
}

void h2_open(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct h2 *h2 = mem_new(struct h2);
    connection->h2 = h2;
    connection->state = CONNECTION_H2;
    h2->connection = connection;
    h2->pump.callback = on_pump;
    h2->resets = (struct h2_bucket){H2_RESETS_BURST, server->now};
    h2->idle_frames = (struct h2_bucket){H2_IDLE_FRAMES_BURST, server->now};
    h2->scan.skip = (uint32_t)H2_PREFACE.len;
    h2->session = new_session(h2);
    submit_settings(h2);
    take_input(h2);
    input_to_idle(connection);
    update_wait(h2);
    h2_wake(h2);
    if (server->draining)
        h2_drain(connection);
}

void h2_free(struct connection *connection)
{
    struct h2 *h2 = TAKE(connection->h2);
    // Closed callbacks may look at other exchanges.
    for (struct h2_stream *stream = h2->streams; stream; stream = stream->next)
        stream->gone = stream->closed = true;
    for (struct h2_stream *stream = h2->streams; stream; stream = stream->next)
        h2_stream_tell_closed(stream);
    while (h2->streams)
        h2_stream_free(h2->streams);
    loop_defer_cancel(connection->server->loop, &h2->pump);
    nghttp2_session_del(h2->session);
    h2_memory_give(h2);
    deadline_clear(&connection->wait);
    deadline_clear(&h2->rest);
    free(h2);
}

// ---- turns --------------------------------------------------------------------------------------

bool h2_is_idle(const struct connection *connection)
{
    return connection->h2->stream_count == 0;
}

bool h2_wants_input(const struct connection *connection)
{
    const struct h2 *h2 = connection->h2;
    // Also while the peer does not read: it may say that it wants no more.
    return !h2->dead &&
           nghttp2_session_get_outbound_queue_size(h2->session) < H2_OUTBOUND_FRAMES_MAX;
}

void h2_input(struct connection *connection)
{
    struct h2 *h2 = connection->h2;
    bool full = true;
    for (uint32_t i = 0; i < H2_READS_PER_TURN && full && h2_wants_input(connection); i++) {
        input_take(connection, h2->bulk ? INPUT_LARGE_BYTES : INPUT_SMALL_BYTES);
        if (input_fill_spare(connection) <= 0)
            break;
        full = connection->input.end == connection->input.cap;
        h2->bulk = full;
        take_input(h2);
        if (h2->wait == H2_WAIT_PEER || h2->wait == H2_WAIT_PING)
            set_wait(h2, H2_WAIT_PEER);
    }
    input_to_idle(connection);
    update_wait(h2);
    h2_wake(h2);
}

static bool is_over(struct h2 *h2)
{
    if (h2->connection->eof && h2->stream_count == 0)
        return true;
    return !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
}

bool h2_step(struct connection *connection)
{
    struct h2 *h2 = connection->h2;
    if (connection->eof && h2->stream_count > 0) {
        connection->gone = true;
        return true;
    }
    struct h2_stream *stream = h2->due.first;
    if (stream) {
        h2_list_remove(stream);
        h2_stream_serve(stream);
        return true;
    }
    stream = h2->ready.first;
    if (stream && !h2->dead &&
        connection->turn_requests < connection->server->options.pipelined_max) {
        h2_list_remove(stream);
        h2_stream_start(stream);
        return true;
    }
    if (stream && !h2->dead)
        connection_wake(connection);
    if (is_over(h2)) {
        h2_free(connection);
        connection->state = CONNECTION_FLUSH;
        return true;
    }
    if (h2->more && !connection->blocked && output_budget(connection) > 0)
        h2_wake(h2);
    update_wait(h2);
    return false;
}

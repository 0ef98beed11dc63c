// SPDX-License-Identifier: Apache-2.0
// From responses to frames. nghttp2 makes them; DATA frames' payloads do not pass through it.
#include "http/h2_impl.h"

#include <assert.h>
#include <errno.h>

static size_t waiting_bytes(const struct h2_stream *stream)
{
    return stream->out.len + stream->direct.len;
}

// ---- bodies -------------------------------------------------------------------------------------

// All that was written is on its way: how the stream ends.
static ssize_t end_body(struct h2_stream *stream, uint32_t *flags)
{
    if (stream->exchange.response.cut) {
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers_len > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(stream->h2->session, stream->id, stream->trailers,
                                   stream->trailers_len) < 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = source->ptr;
    size_t waiting = waiting_bytes(stream);
    size_t len = MIN(waiting, length);
    bool finished = stream->exchange.response.finished;
    if (len == 0 && !finished) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    // A cut comes after what was written before.
    if (len == waiting && finished && (len == 0 || !stream->exchange.response.cut)) {
        ssize_t rc = end_body(stream, flags);
        if (rc < 0)
            return rc;
    }
    if (len > 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)len;
}

// RFC 9113 section 8.1: a response without a body ends with its head.
static bool ends_with_head(const struct h2_stream *stream)
{
    const struct response *response = &stream->exchange.response;
    return response->discard || (response->finished && !response->cut && stream->out.len == 0 &&
                                 stream->trailers_len == 0);
}

static void submit_head(struct h2_stream *stream)
{
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
    stream->head_due = false;
    if (stream->closed || stream->gone)
        return;
    if (nghttp2_submit_response(stream->h2->session, stream->id, stream->response,
                                stream->response_len, ends_with_head(stream) ? NULL : &body) < 0)
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

void h2_submit_heads(struct h2 *h2)
{
    // Those that were ready first are last in the list.
    struct h2_stream *ordered = NULL;
    for (struct h2_stream *stream = TAKE(h2->heads), *next; stream; stream = next) {
        next = stream->heads_next;
        stream->heads_next = ordered;
        ordered = stream;
    }
    for (struct h2_stream *stream = ordered, *next; stream; stream = next) {
        next = stream->heads_next;
        submit_head(stream);
    }
}

void h2_resume(struct h2_stream *stream)
{
    if (stream->deferred && !stream->closed) {
        stream->deferred = false;
        (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
    }
    if (waiting_bytes(stream) > 0 && stream->write.kind == DEADLINE_NONE)
        deadline_set(stream->h2->connection->server, &stream->write, DEADLINE_STREAM_WRITE);
    h2_wake(stream->h2);
}

// ---- the user's memory --------------------------------------------------------------------------

static int gather_flush(struct h2 *h2)
{
    struct h2_gather *gather = h2->gather;
    if (!gather || gather->count == 0)
        return 0;
    size_t count = gather->count;
    gather->count = 0;
    return output_send_parts(h2->connection, gather->parts, count);
}

static int gather_frame(struct h2 *h2, const uint8_t *framehd, struct str data)
{
    struct h2_gather *gather = h2->gather;
    if (gather->count == ARRAY_LEN(gather->parts)) {
        int rc = gather_flush(h2);
        if (rc < 0)
            return rc;
    }
    char *head = gather->heads[gather->count / 2];
    memcpy(head, framehd, H2_FRAME_HEAD_BYTES);
    gather->parts[gather->count++] = str_of(head, H2_FRAME_HEAD_BYTES);
    gather->parts[gather->count++] = data;
    return 0;
}

static int send_queued(struct h2_stream *stream, const uint8_t *framehd, size_t length)
{
    struct connection *connection = stream->h2->connection;
    int rc = gather_flush(stream->h2);
    if (rc == 0)
        rc = output_add(connection, str_of((const char *)framehd, H2_FRAME_HEAD_BYTES));
    while (rc == 0 && length > 0) {
        struct str part = str_sub(h2_queue_front(&stream->out), 0, length);
        rc = output_add(connection, part);
        h2_queue_drop(&stream->out, part.len);
        length -= part.len;
    }
    return rc;
}

// The user is told when half of the room is there again.
static void after_progress(struct h2_stream *stream)
{
    struct http_server *server = stream->h2->connection->server;
    if (waiting_bytes(stream) == 0)
        deadline_clear(&stream->write);
    else
        deadline_set(server, &stream->write, DEADLINE_STREAM_WRITE);
    if (stream->choked && stream->out.len <= H2_STREAM_OUTPUT_BYTES_MAX(server) / 2) {
        stream->choked = false;
        stream->exchange.writable_due = true;
        h2_stream_due(stream);
    }
}

static bool is_full(const struct h2 *h2)
{
    size_t len = output_unsent(h2->connection);
    for (size_t i = 0; h2->gather && i < h2->gather->count; i++)
        len += h2->gather->parts[i].len;
    return len >= h2->connection->server->options.output_bytes_max;
}

int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                    size_t length, nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = source->ptr;
    int rc;
    // nghttp2 would go on with all that streams have; the frame waits for room.
    if (is_full(stream->h2)) {
        stream->h2->more = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    if (stream->direct.len > 0) {
        assert(length <= stream->direct.len);
        rc = gather_frame(stream->h2, framehd, str_sub(stream->direct, 0, length));
        stream->direct = str_from_index(stream->direct, length);
    } else {
        rc = send_queued(stream, framehd, length);
    }
    after_progress(stream);
    if (rc < 0)
        stream->h2->connection->gone = true;
    return rc < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

// ---- frames -------------------------------------------------------------------------------------

// Bytes, 0 when there is nothing more.
static ssize_t next_frame(struct h2 *h2)
{
    const uint8_t *data;
    ssize_t len = nghttp2_session_mem_send(h2->session, &data);
    if (len > 0 && (gather_flush(h2) < 0 ||
                    output_add(h2->connection, str_of((const char *)data, (size_t)len)) < 0))
        len = -1;
    if (len < 0)
        h2->connection->gone = true;
    return len;
}

void h2_pump(struct h2 *h2)
{
    struct connection *connection = h2->connection;
    h2_submit_heads(h2);
    h2->more = false;
    while (!connection->gone && !h2->more) {
        // DATA frames go out by callback, all that there are: nothing is returned for them.
        if (is_full(h2))
            h2->more = true;
        else if (next_frame(h2) <= 0)
            break;
    }
}

void h2_send_direct(struct h2_stream *stream, struct str data)
{
    struct h2 *h2 = stream->h2;
    struct h2_gather gather = {.count = 0};
    if (!h2->connection->blocked) {
        h2->gather = &gather;
        stream->direct = data;
        h2_resume(stream);
        h2_pump(h2);
        if (gather_flush(h2) < 0)
            h2->connection->gone = true;
        h2->gather = NULL;
        data = stream->direct;
        stream->direct = STR_EMPTY;
    }
    h2_queue_add(&stream->out, data);
    if (data.len > 0)
        h2_resume(stream);
    connection_wake(h2->connection);
}

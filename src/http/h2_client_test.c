// SPDX-License-Identifier: Apache-2.0
#include "http/h2_client_test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/address.h"
#include "testing/test.h"

#define LINES_MAX 512

struct h2_reply *h2_client_reply(struct h2_client *client, int32_t id)
{
    CHECK(id > 0 && id / 2 < H2_TEST_STREAMS_MAX);
    return &client->replies[id / 2];
}

// ---- what the server sends ----------------------------------------------------------------------

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_reply *reply = h2_client_reply(user, frame->hd.stream_id);
    reply->in_trailers = reply->status > 0;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct h2_client *client = user;
    struct h2_reply *reply = h2_client_reply(client, frame->hd.stream_id);
    struct str key = str_of((const char *)name, name_len);
    struct str text = str_of((const char *)value, value_len);
    uint64_t number;
    if (str_is(key, ":status")) {
        CHECK_INT(str_to_u64(text, 999, &number), 0);
        if (number < 200)
            snprintf(reply->informs + strlen(reply->informs), 8, "%u ", (unsigned)number);
        else
            reply->status = (unsigned)number;
    } else if (!str_is(key, "date")) {
        buf_putf(reply->in_trailers ? &reply->trailers : &reply->head, "%.*s: %.*s\n", STR_ARG(key),
                 STR_ARG(text));
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user)
{
    struct h2_reply *reply = h2_client_reply(user, id);
    CHECK_INT(buf_add(&reply->body, data, len), 0);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_client *client = user;
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_reply *reply =
        frame->hd.stream_id ? h2_client_reply(client, frame->hd.stream_id) : NULL;
    if (reply && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
        reply->ended |= ended;
    if (reply && frame->hd.type == NGHTTP2_HEADERS && ended && !reply->in_trailers)
        reply->head_ended = true;
    if (reply && frame->hd.type == NGHTTP2_DATA)
        reply->data_frames++;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        if (client->goaways < ARRAY_LEN(client->goaway_last))
            client->goaway_last[client->goaways] = frame->goaway.last_stream_id;
        client->goaways++;
        client->goaway_code = frame->goaway.error_code;
    }
    if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
        client->pings++;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2_reply *reply = h2_client_reply(user, id);
    reply->closed = true;
    reply->code = code;
    return 0;
}

// ---- the socket ---------------------------------------------------------------------------------

int h2_connect(const char *address)
{
    struct net_address parsed;
    ERROR(err);
    CHECK_INT(net_address_parse(str_from(address), &parsed, &err), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&parsed.storage, parsed.len), 0);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    static const int on = 1;
    CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    return fd;
}

void h2_client_raw(struct h2_client *client, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(client->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        bytes = str_from_index(bytes, sent > 0 ? (size_t)sent : 0);
        if (sent < 0)
            loop_turn(client->loop, false);
    }
}

void h2_client_frame(struct h2_client *client, uint8_t type, uint8_t flags, int32_t id,
                     struct str payload)
{
    uint32_t number = (uint32_t)id;
    char head[9] = {(char)(payload.len >> 16),
                    (char)(payload.len >> 8),
                    (char)payload.len,
                    (char)type,
                    (char)flags,
                    (char)(number >> 24),
                    (char)(number >> 16),
                    (char)(number >> 8),
                    (char)number};
    h2_client_raw(client, str_of(head, sizeof(head)));
    h2_client_raw(client, payload);
}

static uint32_t number_at(const struct buf *wire, size_t at, size_t bytes)
{
    uint32_t number = 0;
    for (size_t i = 0; i < bytes && at + i < wire->len; i++)
        number = number << 8 | (uint8_t)wire->data[at + i];
    return number;
}

int64_t h2_client_goaway(const struct h2_client *client)
{
    int64_t code = -1;
    for (size_t at = 0; at + 9 <= client->wire.len; at += 9 + number_at(&client->wire, at, 3))
        if (client->wire.data[at + 3] == NGHTTP2_GOAWAY)
            code = number_at(&client->wire, at + 9 + 4, 4);
    return code;
}

static bool send_frames(struct h2_client *client)
{
    bool any = false;
    const uint8_t *data;
    ssize_t len;
    while (!client->mute && (len = nghttp2_session_mem_send(client->session, &data)) > 0) {
        h2_client_raw(client, str_of((const char *)data, (size_t)len));
        any = true;
    }
    return any;
}

static bool receive(struct h2_client *client)
{
    uint8_t data[65536];
    ssize_t len = recv(client->fd, data, sizeof(data), 0);
    if (len > 0)
        CHECK_INT(buf_add(&client->wire, data, (size_t)len), 0);
    if (len > 0)
        CHECK_INT(nghttp2_session_mem_recv(client->session, data, (size_t)len), len);
    client->at_end |= len == 0 || (len < 0 && errno != EAGAIN);
    return len > 0;
}

void h2_client_run(struct h2_client *client)
{
    for (int idle = 0; idle < 4;) {
        bool any = send_frames(client);
        for (int i = 0; i < 4; i++)
            loop_turn(client->loop, false);
        any |= !client->at_end && !client->deaf && receive(client);
        idle = any ? 0 : idle + 1;
    }
}

// ---- requests -----------------------------------------------------------------------------------

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *data, size_t len,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_upload *upload = source->ptr;
    len = MIN(len, upload->data.len);
    if (len == 0 && !upload->last)
        return NGHTTP2_ERR_DEFERRED;
    if (len)
        memcpy(data, upload->data.data, len);
    buf_consume(&upload->data, len);
    if (upload->data.len == 0 && upload->last)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv pair(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

static size_t parse_fields(const char *method, const char *path, const char *fields,
                           nghttp2_nv *out)
{
    size_t count = 0;
    out[count++] = pair(STR(":method"), str_from(method));
    if (path)
        out[count++] = pair(STR(":path"), str_from(path));
    if (!strstr(fields, ":scheme: "))
        out[count++] = pair(STR(":scheme"), STR("http"));
    if (!strstr(fields, ":authority: ") && !strstr(fields, "host: "))
        out[count++] = pair(STR(":authority"), STR("h:1"));
    for (struct str line, rest = str_from(fields); rest.len > 0 && count < LINES_MAX;) {
        str_cut(rest, '\n', &line, &rest);
        ssize_t colon = str_find_char(str_from_index(line, 1), ':') + 1;
        out[count++] =
            pair(str_sub(line, 0, (size_t)colon), str_from_index(line, (size_t)colon + 2));
    }
    return count;
}

static int32_t submit(struct h2_client *client, const char *method, const char *path,
                      const char *fields, bool has_body)
{
    nghttp2_nv list[LINES_MAX];
    size_t count = parse_fields(method, path, fields ? fields : "", list);
    int32_t id = (int32_t)nghttp2_session_get_next_stream_id(client->session);
    struct h2_reply *reply = h2_client_reply(client, id);
    nghttp2_data_provider body = {.source.ptr = &reply->upload, .read_callback = read_upload};
    *reply = (struct h2_reply){.head = BUF_INIT((size_t)1 << 20),
                               .body = BUF_INIT((size_t)256 << 20),
                               .trailers = BUF_INIT((size_t)1 << 20),
                               .upload.data = BUF_INIT((size_t)256 << 20)};
    CHECK_INT(
        nghttp2_submit_request(client->session, NULL, list, count, has_body ? &body : NULL, NULL),
        id);
    return id;
}

int32_t h2_client_begin(struct h2_client *client, const char *method, const char *path,
                        const char *fields)
{
    return submit(client, method, path, fields, true);
}

void h2_client_more(struct h2_client *client, int32_t id, struct str data, bool last)
{
    struct h2_upload *upload = &h2_client_reply(client, id)->upload;
    CHECK_INT(buf_add_str(&upload->data, data), 0);
    upload->last = last;
    (void)nghttp2_session_resume_data(client->session, id);
}

int32_t h2_client_send(struct h2_client *client, const char *method, const char *path,
                       const char *fields, const struct str *body)
{
    int32_t id = submit(client, method, path, fields, body);
    if (body)
        h2_client_more(client, id, *body, true);
    return id;
}

struct h2_reply *h2_client_ask(struct h2_client *client, const char *method, const char *path,
                               const char *fields, const struct str *body)
{
    int32_t id = h2_client_send(client, method, path, fields, body);
    h2_client_run(client);
    return h2_client_reply(client, id);
}

// ---- life ---------------------------------------------------------------------------------------

static nghttp2_session *new_session(struct h2_client *client, bool manual_window)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session;
    CHECK_INT(nghttp2_session_callbacks_new(&callbacks), 0);
    CHECK_INT(nghttp2_option_new(&option), 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(option, manual_window);
    nghttp2_option_set_max_send_header_block_length(option, (size_t)1 << 20);
    CHECK_INT(nghttp2_session_client_new2(&session, callbacks, client, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

struct h2_client *h2_client_open(struct loop *loop, const char *address,
                                 const struct h2_client_options *options)
{
    struct h2_client *client = mem_new(struct h2_client);
    client->loop = loop;
    client->wire = BUF_INIT((size_t)512 << 20);
    client->fd = h2_connect(address);
    client->session = new_session(client, options && options->manual_window);
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
         options && options->window ? options->window : 65535},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, options && options->urgencies},
    };
    CHECK_INT(
        nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, entries, ARRAY_LEN(entries)),
        0);
    h2_client_run(client);
    return client;
}

void h2_client_close(struct h2_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < H2_TEST_STREAMS_MAX; i++) {
        buf_done(&client->replies[i].upload.data);
        buf_done(&client->replies[i].head);
        buf_done(&client->replies[i].body);
        buf_done(&client->replies[i].trailers);
    }
    buf_done(&client->wire);
    nghttp2_session_del(client->session);
    close(client->fd);
    free(client);
}

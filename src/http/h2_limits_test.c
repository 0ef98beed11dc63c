// SPDX-License-Identifier: Apache-2.0
// What HTTP/2 peers may not do for long or at all, and how connections end.
#include <errno.h>
#include <sys/socket.h>

#include "http/h2_impl.h"
#include "http/h2_client_test.h"
#include "testing/test.h"

#define MS 1000000ull

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct h2_client *client;
};

static uint32_t request_count, closed_count;
static struct http_exchange *parked;
static ssize_t body_error;
static bool drained;

// ---- the handler --------------------------------------------------------------------------------

static void on_closed(void *user)
{
    closed_count++;
}

static void answer(struct http_exchange *exchange)
{
    CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, 2), 0);
    CHECK_INT(http_exchange_write(exchange, STR("ok")), 0);
    CHECK_INT(http_exchange_finish(exchange, NULL, 0), 0);
}

static void on_body(void *user)
{
    struct http_exchange *exchange = user;
    struct str part;
    ssize_t len;
    while ((len = http_exchange_read(exchange, &part)) > 0)
        http_exchange_consume(exchange, part.len);
    if (len == -EAGAIN)
        return;
    body_error = len;
    if (len < 0)
        http_exchange_abort(exchange, len == -EFBIG ? 413 : len == -ETIMEDOUT ? 408 : 400);
    else
        answer(exchange);
}

static void on_request(struct http_exchange *exchange, void *user)
{
    static const struct http_exchange_events events = {on_body, NULL, on_closed};
    request_count++;
    http_exchange_set_events(exchange, &events, exchange);
    if (str_is(http_exchange_request(exchange)->target, "/park"))
        parked = exchange;
    else
        on_body(exchange);
}

static struct fixture open_with(struct http_server_options options)
{
    struct fixture f = {0};
    ERROR(err);
    CHECK_INT(loop_new_virtual(&f.loop, &err), 0);
    options.address = "127.0.0.1:0";
    options.on_request = on_request;
    CHECK_INT(http_server_new(f.loop, &options, &f.server, &err), 0);
    request_count = closed_count = 0;
    parked = NULL;
    body_error = 0;
    drained = false;
    f.client = h2_client_open(f.loop, http_server_address(f.server), NULL);
    return f;
}

static struct fixture open_server(void)
{
    return open_with((struct http_server_options){0});
}

static void close_server(struct fixture *f)
{
    h2_client_close(f->client);
    http_server_free(f->server);
    loop_free(f->loop);
}

static void advance(struct fixture *f, uint64_t ms)
{
    for (uint64_t done = 0; done < ms; done += HTTP_SERVER_TICK_MS) {
        loop_advance(f->loop, HTTP_SERVER_TICK_MS * MS);
        h2_client_run(f->client);
    }
}

static void check_goaway(struct fixture *f, uint32_t code)
{
    h2_client_run(f->client);
    CHECK_INT(h2_client_goaway(f->client), code);
    CHECK(f->client->at_end);
    h2_client_close(TAKE(f->client));
    for (int i = 0; i < 4; i++)
        loop_turn(f->loop, false);
    CHECK_INT(http_server_counts(f->server).connections, 0);
    CHECK_INT(http_server_counts(f->server).exchanges, 0);
    CHECK_INT(closed_count, request_count);
    close_server(f);
}

// ---- heads --------------------------------------------------------------------------------------

TEST(h2_limits_the_number_of_fields)
{
    struct fixture f = open_with((struct http_server_options){.fields_max = 10});
    struct h2_reply *reply =
        h2_client_ask(f.client, "GET", "/", "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7", NULL);
    CHECK_INT(reply->status, 200);
    reply =
        h2_client_ask(f.client, "GET", "/",
                      "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\nk: 11", NULL);
    CHECK_INT(reply->status, 431);
    CHECK_STR(buf_str(&reply->body),
              "431 Request Header Fields Too Large: too many header fields\n");
    CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    close_server(&f);
}

TEST(h2_limits_the_number_of_trailers)
{
    struct fixture f = open_with((struct http_server_options){.fields_max = 3});
    for (int i = 2; i <= 3; i++) {
        int32_t id = h2_client_begin(f.client, "POST", "/", "a: 1");
        h2_client_run(f.client);
        h2_client_frame(f.client, NGHTTP2_HEADERS, 5, id,
                        str_of("\0\1b\0\0\1c\0\0\1d\0", (size_t)i * 4));
        h2_client_run(f.client);
        CHECK_INT(body_error, i == 2 ? 0 : -EPROTO);
        CHECK_INT(h2_client_reply(f.client, id)->status, i == 2 ? 200 : 400);
    }
    close_server(&f);
}

TEST(h2_limits_the_size_of_heads)
{
    struct fixture f = open_server();
    size_t len = HTTP_HEAD_BYTES_MAX;
    char *field = mem_alloc(len + 1);
    memset(field, 'a', len);
    memcpy(field, "x: ", 3);
    field[len] = 0;
    CHECK_INT(h2_client_ask(f.client, "GET", "/", field, NULL)->status, 431);
    field[len - 1000] = 0;
    CHECK_INT(h2_client_ask(f.client, "GET", "/", field, NULL)->status, 200);
    free(field);
    close_server(&f);
}

// One long field in HPACK's table, named by a byte each time.
TEST(h2_limits_what_hpack_expands_to)
{
    struct fixture f = open_server();
    BUF(block, (size_t)64 * 1024);
    buf_put(&block, STR("\x82\x84\x86\x41\x01h\x40\x01x\x7f\xa1\x1e")); // 4000 bytes follow
    for (int i = 0; i < 4000; i++)
        buf_put(&block, STR("v"));
    for (int i = 0; i < 10000; i++)
        buf_put(&block, STR("\xbe"));
    // The client knows nothing of this stream, and is not to complain of the answer.
    f.client->mute = true;
    h2_client_frame(f.client, NGHTTP2_HEADERS, 5, 1, buf_str(&block));
    h2_client_run(f.client);
    CHECK_INT(request_count, 0);
    CHECK_INT(http_server_counts(f.server).refused, 1);
    CHECK(!f.client->at_end && f.client->goaways == 0);
    close_server(&f);
}

TEST(h2_limits_continuations)
{
    struct fixture f = open_server();
    h2_client_frame(f.client, NGHTTP2_HEADERS, 0, 1, STR("\x82\x84\x86\x41\x01h"));
    for (uint32_t i = 0; i <= H2_CONTINUATIONS_MAX; i++)
        h2_client_frame(f.client, NGHTTP2_CONTINUATION, 0, 1, STR(""));
    check_goaway(&f, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(h2_limits_bodies)
{
    struct fixture f = open_with((struct http_server_options){.body_bytes_max = 1000});
    char data[2000] = "";
    int32_t id = h2_client_begin(f.client, "POST", "/", "");
    h2_client_more(f.client, id, str_of(data, 1000), false);
    h2_client_run(f.client);
    CHECK_INT(body_error, 0);
    h2_client_more(f.client, id, str_of(data, 1), false);
    h2_client_run(f.client);
    CHECK_INT(body_error, -EFBIG);
    CHECK_INT(h2_client_reply(f.client, id)->status, 413);
    close_server(&f);
}

// ---- floods -------------------------------------------------------------------------------------

TEST(h2_limits_frames_that_carry_nothing)
{
    static const struct {
        uint8_t type, flags;
        int32_t id;
        struct str payload;
    } frames[] = {
        {NGHTTP2_PING, 0, 0, STR_INIT("\0\0\0\0\0\0\0\0")},
        {NGHTTP2_SETTINGS, 0, 0, STR_INIT("")},
        {NGHTTP2_PRIORITY, 0, 1, STR_INIT("\0\0\0\0\1")},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, STR_INIT("\0\0\0\1")},
        {NGHTTP2_DATA, 0, 1, STR_INIT("")},
        {NGHTTP2_DATA, 8, 1, STR_INIT("\3\0\0\0")},
        {0x77, 0, 1, STR_INIT("unknown")},
        {NGHTTP2_RST_STREAM, 0, 1, STR_INIT("\0\0\0\0")},
    };
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        struct fixture f = open_server();
        h2_client_begin(f.client, "POST", "/", "");
        h2_client_run(f.client);
        // Acknowledgements must not fill the sockets.
        for (uint32_t n = 0; n < 2 * H2_IDLE_FRAMES_BURST && !f.client->at_end; n++) {
            h2_client_frame(f.client, frames[i].type, frames[i].flags, frames[i].id,
                            frames[i].payload);
            if (n % 100 == 99)
                h2_client_run(f.client);
        }
        check_goaway(&f, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

TEST(h2_lets_pings_of_a_working_connection_pass)
{
    struct fixture f = open_server();
    for (uint32_t n = 0; n < 3 * H2_IDLE_FRAMES_BURST; n++) {
        CHECK_INT(nghttp2_submit_ping(f.client->session, 0, NULL), 0);
        if (n % 2 == 0 && n / 2 < H2_TEST_STREAMS_MAX)
            CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    }
    CHECK(!f.client->at_end);
    close_server(&f);
}

// CVE-2023-44487: requests and their resets in one go.
TEST(h2_limits_resets)
{
    struct fixture f = open_server();
    BUF(frames, (size_t)1 << 20);
    for (uint32_t i = 0; i < 3 * H2_RESETS_BURST; i++) {
        char id[2] = {(char)((2 * i + 1) >> 8), (char)(2 * i + 1)};
        buf_put(&frames, STR("\0\0\x06\1\5\0\0"));
        buf_put(&frames, str_of(id, 2));
        buf_put(&frames, STR("\x82\x84\x86\x41\x01h\0\0\4\3\0\0\0"));
        buf_put(&frames, str_of(id, 2));
        buf_put(&frames, STR("\0\0\0\x08"));
    }
    h2_client_raw(f.client, buf_str(&frames));
    h2_client_run(f.client);
    // What was reset before its turn came was never served.
    CHECK(request_count <= 2);
    check_goaway(&f, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(h2_forgives_resets_with_time)
{
    struct fixture f = open_server();
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < H2_RESETS_BURST / 2; i++) {
            int32_t id = h2_client_send(f.client, "GET", "/park", "", NULL);
            h2_client_run(f.client);
            CHECK_INT(nghttp2_submit_rst_stream(f.client->session, 0, id, NGHTTP2_CANCEL), 0);
        }
        advance(&f, 1000 * H2_RESETS_BURST / H2_RESETS_PER_SECOND);
    }
    CHECK(f.client->goaways == 0 && !f.client->at_end);
    CHECK_INT(closed_count, 2 * H2_RESETS_BURST);
    close_server(&f);
}

// CVE-2025-8671: the peer makes us reset.
TEST(h2_limits_resets_that_the_peer_provokes)
{
    struct fixture f = open_server();
    for (uint32_t i = 0; i < 3 * H2_RESETS_BURST && !f.client->at_end; i++) {
        int32_t id = h2_client_send(f.client, "GET", "/park", "", NULL);
        h2_client_run(f.client);
        h2_client_frame(f.client, NGHTTP2_WINDOW_UPDATE, 0, id, STR("\x7f\xff\xff\xff"));
    }
    CHECK(request_count <= H2_RESETS_BURST + 2);
    check_goaway(&f, NGHTTP2_ENHANCE_YOUR_CALM);
}

// Who knows the limit and does not keep it.
TEST(h2_ends_connections_with_more_streams_than_it_allows)
{
    struct fixture f = open_with((struct http_server_options){.h2_streams_max = 2});
    f.client->mute = true;
    for (int32_t i = 0; i < 3; i++)
        h2_client_frame(f.client, NGHTTP2_HEADERS, 4, 2 * i + 1, STR("\x83\x84\x86\x41\x01h"));
    h2_client_run(f.client);
    CHECK_INT(request_count, 2);
    check_goaway(&f, NGHTTP2_PROTOCOL_ERROR);
}

// Who never acknowledges SETTINGS is refused streams, but not for ever.
TEST(h2_limits_refused_streams)
{
    struct fixture f = open_with((struct http_server_options){.h2_streams_max = 2});
    BUF(frames, (size_t)1 << 20);
    BUF(answer, (size_t)1 << 20);
    int fd = h2_connect(http_server_address(f.server));
    buf_put(&frames, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    for (uint32_t i = 0; i < 2 * H2_RESETS_BURST; i++) {
        char id[2] = {(char)((2 * i + 1) >> 8), (char)(2 * i + 1)};
        buf_put(&frames, STR("\0\0\x06\1\4\0\0"));
        buf_put(&frames, str_of(id, 2));
        buf_put(&frames, STR("\x83\x84\x86\x41\x01h"));
    }
    CHECK_INT(send(fd, frames.data, frames.len, MSG_NOSIGNAL), frames.len);
    h2_client_run(f.client);
    CHECK_INT(buf_reserve(&answer, 65536), 0);
    ssize_t len = recv(fd, answer.data, 65536, 0);
    CHECK(len > 17);
    CHECK(memcmp(answer.data + len - 17, "\0\0\x08\7\0\0\0\0\0", 9) == 0);
    CHECK_INT(answer.data[len - 1], NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_INT(request_count, 2);
    CHECK_INT(closed_count, 2);
    close(fd);
    close_server(&f);
}

TEST(h2_buckets_fill_with_time)
{
    struct h2_bucket bucket = {.tokens = 2, .refilled = 1000 * MS};
    CHECK(h2_bucket_take(&bucket, 1000 * MS, 2, 10));
    CHECK(h2_bucket_take(&bucket, 1000 * MS, 2, 10));
    CHECK(!h2_bucket_take(&bucket, 1099 * MS, 2, 10));
    CHECK(h2_bucket_take(&bucket, 1100 * MS, 2, 10));
    CHECK(!h2_bucket_take(&bucket, 1199 * MS, 2, 10));
    CHECK(h2_bucket_take(&bucket, 9999 * MS, 2, 10));
    CHECK(h2_bucket_take(&bucket, 9999 * MS, 2, 10));
    CHECK(!h2_bucket_take(&bucket, 9999 * MS, 2, 10));
}

TEST(h2_remembers_who_ended_streams)
{
    struct h2_history history = {0};
    CHECK(h2_history_is_new(&history, 1));
    h2_history_open(&history, 1);
    h2_history_open(&history, 7);
    CHECK(!h2_history_is_new(&history, 5) && h2_history_is_new(&history, 9));
    // Open, or refused: nothing is wrong.
    CHECK_INT(h2_history_verdict(&history, 7, true), NGHTTP2_NO_ERROR);
    h2_history_close(&history, 1, true);
    CHECK_INT(h2_history_verdict(&history, 1, false), NGHTTP2_STREAM_CLOSED);
    CHECK_INT(h2_history_verdict(&history, 1, true), NGHTTP2_STREAM_CLOSED);
    CHECK_INT(h2_history_verdict(&history, 3, true), NGHTTP2_PROTOCOL_ERROR);
    h2_history_close(&history, 7, false);
    CHECK_INT(h2_history_verdict(&history, 7, false), NGHTTP2_NO_ERROR);
    h2_history_open(&history, 7 + 2 * H2_HISTORY_STREAMS);
    CHECK_INT(h2_history_verdict(&history, 1, true), NGHTTP2_NO_ERROR);
    h2_history_open(&history, INT32_MAX);
    CHECK_INT(h2_history_verdict(&history, 7 + 2 * H2_HISTORY_STREAMS, true), NGHTTP2_NO_ERROR);
    CHECK_INT(h2_history_verdict(&history, INT32_MAX - 2, true), NGHTTP2_PROTOCOL_ERROR);
}

// ---- time-outs ----------------------------------------------------------------------------------

TEST(h2_closes_idle_connections)
{
    struct fixture f = open_server();
    CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    advance(&f, HTTP_SERVER_IDLE_TIMEOUT_MS - 1000);
    CHECK_INT(f.client->goaways, 0);
    // A ping does not make a connection used.
    CHECK_INT(nghttp2_submit_ping(f.client->session, 0, NULL), 0);
    advance(&f, 2000);
    check_goaway(&f, NGHTTP2_NO_ERROR);
}

TEST(h2_goes_on_after_a_rest)
{
    struct fixture f = open_server();
    for (int i = 0; i < 3; i++) {
        int32_t id = h2_client_begin(f.client, "POST", "/", "x-long: value");
        h2_client_more(f.client, id, STR("body"), true);
        h2_client_run(f.client);
        CHECK_INT(h2_client_reply(f.client, id)->status, 200);
        advance(&f, 3 * H2_REST_MS);
    }
    close_server(&f);
}

TEST(h2_waits_for_heads_for_some_time_only)
{
    struct fixture f = open_server();
    h2_client_frame(f.client, NGHTTP2_HEADERS, 0, 1, STR("\x82\x84\x86"));
    advance(&f, HTTP_SERVER_HEAD_TIMEOUT_MS - 1000);
    CHECK_INT(f.client->goaways, 0);
    advance(&f, 2000);
    check_goaway(&f, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(h2_waits_for_the_preface_for_some_time_only)
{
    struct fixture f = open_server();
    static const size_t lengths[] = {3, 23, 24, 30};
    char preface[30] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        int fd = h2_connect(http_server_address(f.server));
        CHECK_INT(send(fd, preface, lengths[i], MSG_NOSIGNAL), lengths[i]);
        h2_client_run(f.client);
        CHECK_INT(http_server_counts(f.server).connections, 2);
        advance(&f, HTTP_SERVER_HEAD_TIMEOUT_MS + HTTP_SERVER_LINGER_TIMEOUT_MS + 1000);
        CHECK_INT(http_server_counts(f.server).connections, 1);
        close(fd);
    }
    close_server(&f);
}

TEST(h2_asks_silent_peers_whether_they_live)
{
    struct fixture f = open_server();
    h2_client_send(f.client, "GET", "/park", "", NULL);
    h2_client_run(f.client);
    for (uint32_t i = 1; i <= 3; i++) {
        advance(&f, HTTP_SERVER_IDLE_TIMEOUT_MS + 500);
        CHECK_INT(f.client->pings, i);
    }
    CHECK(!f.client->at_end);
    f.client->mute = true;
    advance(&f, HTTP_SERVER_IDLE_TIMEOUT_MS + 500);
    CHECK_INT(closed_count, 0);
    advance(&f, HTTP_SERVER_BODY_TIMEOUT_MS + 500);
    CHECK(f.client->at_end);
    CHECK_INT(closed_count, 1);
    close_server(&f);
}

TEST(h2_waits_for_bodies_for_some_time_only)
{
    struct fixture f = open_server();
    int32_t id = h2_client_begin(f.client, "POST", "/", "");
    int32_t grpc = h2_client_begin(f.client, "POST", "/", "content-type: application/grpc+proto");
    h2_client_run(f.client);
    advance(&f, HTTP_SERVER_BODY_TIMEOUT_MS - 1000);
    h2_client_more(f.client, id, STR("x"), false);
    advance(&f, HTTP_SERVER_BODY_TIMEOUT_MS - 1000);
    CHECK_INT(body_error, 0);
    advance(&f, 2000);
    CHECK_INT(body_error, -ETIMEDOUT);
    CHECK_INT(h2_client_reply(f.client, id)->status, 408);
    CHECK_INT(h2_client_reply(f.client, grpc)->status, 0);
    h2_client_more(f.client, grpc, STR("x"), true);
    h2_client_run(f.client);
    CHECK_INT(h2_client_reply(f.client, grpc)->status, 200);
    close_server(&f);
}

// ---- draining -----------------------------------------------------------------------------------

static void on_drained(void *user)
{
    drained = true;
}

TEST(h2_drains_without_losing_a_request)
{
    struct fixture f = open_server();
    int32_t id = h2_client_send(f.client, "GET", "/park", "", NULL);
    h2_client_run(f.client);
    // This request is on its way when the server begins to drain.
    int32_t late = h2_client_send(f.client, "GET", "/", "", NULL);
    http_server_drain(f.server, 10000, on_drained, NULL);
    h2_client_run(f.client);
    CHECK_INT(h2_client_reply(f.client, late)->status, 200);
    CHECK_INT(f.client->goaways, 2);
    CHECK_INT(f.client->goaway_last[0], INT32_MAX);
    CHECK_INT(f.client->goaway_last[1], late);
    CHECK_INT(f.client->goaway_code, NGHTTP2_NO_ERROR);
    CHECK(!drained && !f.client->at_end);
    answer(parked);
    h2_client_run(f.client);
    CHECK_INT(h2_client_reply(f.client, id)->status, 200);
    CHECK(f.client->at_end);
    h2_client_close(TAKE(f.client));
    for (int i = 0; i < 4; i++)
        loop_turn(f.loop, false);
    CHECK(drained);
    close_server(&f);
}

TEST(h2_drains_in_time)
{
    struct fixture f = open_server();
    h2_client_send(f.client, "GET", "/park", "", NULL);
    h2_client_run(f.client);
    f.client->mute = true; // no answer to the ping
    http_server_drain(f.server, 10000, on_drained, NULL);
    h2_client_run(f.client);
    CHECK_INT(f.client->goaways, 1);
    advance(&f, HTTP_SERVER_LINGER_TIMEOUT_MS + 500);
    CHECK_INT(f.client->goaways, 2);
    CHECK(!drained && closed_count == 0);
    advance(&f, 10000);
    CHECK(drained && closed_count == 1 && f.client->at_end);
    close_server(&f);
}

// ---- beside HTTP/1 ------------------------------------------------------------------------------

TEST(h2_is_not_upgraded_to)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n"
                                  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                  "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    struct fixture f = open_server();
    char text[512] = "";
    int fd = h2_connect(http_server_address(f.server));
    CHECK_INT(send(fd, request, strlen(request), 0), strlen(request));
    h2_client_run(f.client);
    CHECK(recv(fd, text, sizeof(text) - 1, 0) > 0);
    CHECK_CONTAINS(text, "HTTP/1.1 200 OK\r\n");
    // The preface is one at the beginning only.
    CHECK_INT(send(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 0), 24);
    h2_client_run(f.client);
    CHECK(recv(fd, text, sizeof(text) - 1, 0) > 0);
    CHECK_CONTAINS(text, "HTTP/1.1 505 HTTP Version Not Supported\r\n");
    close(fd);
    close_server(&f);
}

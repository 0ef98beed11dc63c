// SPDX-License-Identifier: Apache-2.0
// HTTP/2 exchanges over real loopback sockets, on a virtual clock.
#include <errno.h>
#include <sys/socket.h>

#include "http/h2_client_test.h"
#include "testing/test.h"

#define MS  1000000ull
#define MIB ((size_t)1 << 20)

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct h2_client *client;
};

// What the handler does is chosen by the path.
struct served {
    struct http_exchange *exchange;
    struct buf body;
    size_t left; // of /push
};

static uint32_t request_count, closed_count;
static struct served *parked;
static char seen[512], seen_fields[2048];
static ssize_t last_body_error;
static size_t read_total, pushed;

static void on_request(struct http_exchange *exchange, void *user);

static struct fixture open_with(struct http_server_options options,
                                const struct h2_client_options *client)
{
    struct fixture f = {0};
    ERROR(err);
    CHECK_INT(loop_new_virtual(&f.loop, &err), 0);
    options.address = "127.0.0.1:0";
    options.on_request = on_request;
    CHECK_INT(http_server_new(f.loop, &options, &f.server, &err), 0);
    request_count = closed_count = 0;
    parked = NULL;
    seen[0] = seen_fields[0] = 0;
    last_body_error = 0;
    read_total = pushed = 0;
    f.client = h2_client_open(f.loop, http_server_address(f.server), client);
    return f;
}

static struct fixture open_server(void)
{
    return open_with((struct http_server_options){0}, NULL);
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

// ---- the handler --------------------------------------------------------------------------------

static const struct http_field type = {STR_INIT("Content-Type"), STR_INIT("text/plain")};

static void on_closed(void *user)
{
    struct served *served = user;
    closed_count++;
    if (parked == served)
        parked = NULL;
    buf_done(&served->body);
    free(served);
}

static void answer_body(struct served *served)
{
    size_t count;
    const struct http_field *trailers = http_exchange_trailers(served->exchange, &count);
    struct str body = str_sub(buf_str(&served->body), 0, HTTP_SERVER_OUTPUT_BYTES_MAX);
    CHECK_INT(http_exchange_respond(served->exchange, 200, &type, 1, (int64_t)body.len), 0);
    CHECK_INT(http_exchange_write(served->exchange, body), 0);
    CHECK_INT(http_exchange_finish(served->exchange, trailers, count), 0);
}

// Reads all, then answers.
static void on_body(void *user)
{
    struct served *served = user;
    struct str part;
    ssize_t len;
    while ((len = http_exchange_read(served->exchange, &part)) > 0) {
        CHECK_INT(buf_add_str(&served->body, part), 0);
        read_total += part.len;
        http_exchange_consume(served->exchange, part.len);
    }
    if (len == -EAGAIN)
        return;
    last_body_error = len;
    if (len < 0)
        http_exchange_abort(served->exchange, len == -EFBIG ? 413 : len == -ETIMEDOUT ? 408 : 400);
    else
        answer_body(served);
}

// Answers while it reads.
static void on_stream(void *user)
{
    struct served *served = user;
    struct str part;
    size_t budget;
    while ((budget = http_exchange_write_budget(served->exchange)) > 0) {
        ssize_t len = http_exchange_read(served->exchange, &part);
        if (len == -EAGAIN)
            return;
        if (len <= 0) {
            static const struct http_field status = {STR_INIT("grpc-status"), STR_INIT("0")};
            CHECK_INT(http_exchange_finish(served->exchange, &status, 1), 0);
            return;
        }
        part = str_sub(part, 0, budget);
        CHECK_INT(http_exchange_write(served->exchange, part), 0);
        http_exchange_consume(served->exchange, part.len);
    }
}

static void push(void *user)
{
    static char block[MIB];
    struct served *served = user;
    while (served->left > 0) {
        size_t len = MIN(http_exchange_write_budget(served->exchange), served->left);
        if (len == 0)
            return;
        memset(block, 'x', len);
        CHECK_INT(http_exchange_write(served->exchange, str_of(block, len)), 0);
        served->left -= len;
        pushed += len;
    }
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void serve_push(struct served *served)
{
    static const struct http_exchange_events events = {NULL, push, on_closed};
    http_exchange_set_events(served->exchange, &events, served);
    served->left = 2 * MIB;
    CHECK_INT(http_exchange_respond(served->exchange, 200, NULL, 0, -1), 0);
    push(served);
}

static void serve_stream(struct served *served)
{
    static const struct http_exchange_events events = {on_stream, on_stream, on_closed};
    http_exchange_set_events(served->exchange, &events, served);
    CHECK_INT(http_exchange_respond(served->exchange, 200, &type, 1, -1), 0);
    on_stream(served);
}

static void serve_trailers_only(struct served *served)
{
    static const struct http_field fields[] = {{STR_INIT("content-type"), STR_INIT("app/grpc")},
                                               {STR_INIT("grpc-status"), STR_INIT("12")}};
    CHECK_INT(http_exchange_respond(served->exchange, 200, fields, 2, -1), 0);
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void serve_trailers(struct served *served)
{
    static const struct http_field trailer = {STR_INIT("X-Sum"), STR_INIT("5")};
    CHECK_INT(http_exchange_respond(served->exchange, 200, NULL, 0, -1), 0);
    CHECK_INT(http_exchange_finish(served->exchange, &trailer, 1), 0);
}

static void serve_cut(struct served *served)
{
    CHECK_INT(http_exchange_respond(served->exchange, 200, NULL, 0, 10), 0);
    CHECK_INT(http_exchange_write(served->exchange, STR("12345678901")), -EMSGSIZE);
    CHECK_INT(http_exchange_write(served->exchange, STR("half")), 0);
    http_exchange_abort(served->exchange, 500);
    CHECK_INT(http_exchange_write(served->exchange, STR("more")), -EPIPE);
}

static void serve_short(struct served *served)
{
    CHECK_INT(http_exchange_respond(served->exchange, 200, NULL, 0, 10), 0);
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), -EMSGSIZE);
}

static void serve_inform(struct served *served)
{
    static const struct http_field bad[] = {{STR_INIT("a b"), STR_INIT("")},
                                            {STR_INIT("a"), STR_INIT("x\r\ny: z")},
                                            {STR_INIT(""), STR_INIT("x")}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_INT(http_exchange_respond(served->exchange, 200, &bad[i], 1, 0), -EINVAL);
    CHECK_INT(http_exchange_respond(served->exchange, 199, NULL, 0, 0), -EINVAL);
    CHECK_INT(http_exchange_inform(served->exchange, 101, NULL, 0), -EINVAL);
    CHECK_INT(http_exchange_inform(served->exchange, 103, &type, 1), 0);
    http_exchange_abort(served->exchange, 502);
}

static void serve_own_fields(struct served *served)
{
    static const struct http_field fields[] = {{STR_INIT("Connection"), STR_INIT("close")},
                                               {STR_INIT("Keep-Alive"), STR_INIT("5")},
                                               {STR_INIT("Transfer-Encoding"), STR_INIT("chunked")},
                                               {STR_INIT("Content-Length"), STR_INIT("77")},
                                               {STR_INIT("X-Own"), STR_INIT("kept")}};
    CHECK_INT(http_exchange_respond(served->exchange, 200, fields, 5, -1), 0);
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void serve_bodiless(struct served *served, unsigned status)
{
    CHECK_INT(http_exchange_respond(served->exchange, status, NULL, 0, -1), 0);
    CHECK_INT(http_exchange_write(served->exchange, STR("dropped")), 0);
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void serve_204(struct served *served)
{
    serve_bodiless(served, 204);
}

static void serve_304(struct served *served)
{
    serve_bodiless(served, 304);
}

static void serve_ignoring(struct served *served)
{
    CHECK_INT(http_exchange_respond(served->exchange, 200, NULL, 0, 2), 0);
    CHECK_INT(http_exchange_write(served->exchange, STR("ok")), 0);
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void serve_abort(struct served *served)
{
    http_exchange_abort(served->exchange, 503);
}

static void park(struct served *served)
{
    parked = served;
}

static void note_request(const struct http_request *request)
{
    snprintf(seen, sizeof(seen), "%u %.*s %.*s %.*s %.*s %lld", request->version_major,
             STR_ARG(request->method), STR_ARG(request->scheme), STR_ARG(request->authority),
             STR_ARG(request->target), (long long)request->content_length);
    size_t len = 0;
    for (size_t i = 0; i < request->field_count && len < sizeof(seen_fields); i++)
        len +=
            (size_t)snprintf(seen_fields + len, sizeof(seen_fields) - len, "%.*s: %.*s\n",
                             STR_ARG(request->fields[i].name), STR_ARG(request->fields[i].value));
}

static void on_request(struct http_exchange *exchange, void *user)
{
    static const struct http_exchange_events events = {on_body, NULL, on_closed};
    static const struct {
        const char *path;
        void (*serve)(struct served *served);
    } paths[] = {
        {"/push", serve_push},
        {"/stream", serve_stream},
        {"/cut", serve_cut},
        {"/short", serve_short},
        {"/inform", serve_inform},
        {"/trailers-only", serve_trailers_only},
        {"/trailers", serve_trailers},
        {"/own", serve_own_fields},
        {"/204", serve_204},
        {"/304", serve_304},
        {"/ignore", serve_ignoring},
        {"/abort", serve_abort},
        {"/park", park},
    };
    const struct http_request *request = http_exchange_request(exchange);
    struct served *served = mem_new(struct served);
    served->exchange = exchange;
    served->body = BUF_INIT(64 * MIB);
    request_count++;
    note_request(request);
    http_exchange_set_events(exchange, &events, served);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (str_is(request->target, paths[i].path)) {
            paths[i].serve(served);
            return;
        }
    on_body(served);
}

// ---- requests and responses ---------------------------------------------------------------------

TEST(h2_answers_and_keeps_the_connection)
{
    struct fixture f = open_server();
    for (int i = 0; i < 3; i++) {
        struct h2_reply *reply =
            h2_client_ask(f.client, "GET", "/a?b=c", "x-a: 1\nte: trailers", NULL);
        CHECK_INT(reply->status, 200);
        CHECK_STR(buf_str(&reply->head), "content-length: 0\ncontent-type: text/plain\n");
        CHECK(reply->head_ended && reply->closed);
        CHECK_INT(reply->code, 0);
    }
    CHECK_TEXT(seen, "2 GET http h:1 /a?b=c 0");
    CHECK_TEXT(seen_fields, "x-a: 1\nte: trailers\n");
    CHECK_INT(http_server_counts(f.server).requests, 3);
    CHECK_INT(http_server_counts(f.server).connections, 1);
    CHECK_INT(closed_count, 3);
    close_server(&f);
}

TEST(h2_takes_bodies_of_any_length)
{
    struct fixture f = open_server();
    char *data = mem_alloc(3 * MIB);
    for (size_t i = 0; i < 3 * MIB; i++)
        data[i] = (char)(i * 31 >> 3);
    static const size_t sizes[] = {1, 1000, 16384, 65535, 131072, 131073, 3 * MIB};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct str body = str_of(data, sizes[i]);
        int32_t id = h2_client_send(f.client, "POST", "/stream", "", &body);
        h2_client_run(f.client);
        struct h2_reply *reply = h2_client_reply(f.client, id);
        CHECK_INT(reply->status, 200);
        CHECK(str_eq(buf_str(&reply->body), body));
        CHECK_STR(buf_str(&reply->trailers), "grpc-status: 0\n");
        CHECK(reply->closed && reply->code == 0);
    }
    free(data);
    close_server(&f);
}

TEST(h2_tells_the_length_that_the_client_announced)
{
    struct fixture f = open_server();
    struct str body = STR("four");
    struct h2_reply *reply = h2_client_ask(f.client, "POST", "/", "content-length: 4", &body);
    CHECK_STR(buf_str(&reply->body), "four");
    CHECK_TEXT(seen, "2 POST http h:1 / 4");
    reply = h2_client_ask(f.client, "POST", "/", "", &body);
    CHECK_TEXT(seen, "2 POST http h:1 / -1");
    // A length that is not true is malformed.
    reply = h2_client_ask(f.client, "POST", "/", "content-length: 5", &body);
    CHECK_INT(reply->code, NGHTTP2_PROTOCOL_ERROR);
    CHECK_INT(closed_count, 3);
    close_server(&f);
}

TEST(h2_sends_no_body_where_there_is_none)
{
    struct fixture f = open_server();
    static const char *const paths[] = {"/204", "/304", "/trailers-only", "/own"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct h2_reply *reply = h2_client_ask(f.client, "GET", paths[i], "", NULL);
        CHECK(reply->head_ended && reply->closed && reply->code == 0);
        CHECK_INT(reply->data_frames, 0);
    }
    struct str body = STR("abc");
    struct h2_reply *reply = h2_client_ask(f.client, "HEAD", "/", "", &body);
    CHECK(reply->head_ended && reply->body.len == 0);
    CHECK_STR(buf_str(&reply->head), "content-length: 3\ncontent-type: text/plain\n");
    close_server(&f);
}

TEST(h2_leaves_out_fields_of_the_connection)
{
    struct fixture f = open_server();
    struct h2_reply *reply = h2_client_ask(f.client, "GET", "/own", "", NULL);
    CHECK_STR(buf_str(&reply->head), "x-own: kept\n");
    close_server(&f);
}

TEST(h2_carries_trailers_both_ways)
{
    struct fixture f = open_server();
    struct h2_reply *reply = h2_client_ask(f.client, "GET", "/trailers", "", NULL);
    CHECK_STR(buf_str(&reply->trailers), "x-sum: 5\n");
    CHECK_INT(reply->data_frames, 0);
    CHECK(!reply->head_ended && reply->ended);
    int32_t id = h2_client_begin(f.client, "POST", "/", "");
    h2_client_run(f.client);
    // HPACK literals without indexing: "x-t: 1" and "host: no", which no trailer may be.
    h2_client_frame(f.client, NGHTTP2_DATA, 0, id, STR("body"));
    h2_client_frame(f.client, NGHTTP2_HEADERS, 5, id,
                    STR("\x00\x03x-t\x01"
                        "1"
                        "\x00\x04host\x02no"));
    h2_client_run(f.client);
    reply = h2_client_reply(f.client, id);
    CHECK_STR(buf_str(&reply->body), "body");
    CHECK_STR(buf_str(&reply->trailers), "x-t: 1\n");
    close_server(&f);
}

TEST(h2_sends_informational_heads)
{
    struct fixture f = open_server();
    struct h2_reply *reply = h2_client_ask(f.client, "GET", "/inform", "", NULL);
    CHECK_TEXT(reply->informs, "103 ");
    CHECK_INT(reply->status, 502);
    CHECK_STR(buf_str(&reply->body), "502 Bad Gateway\n");
    int32_t id = h2_client_begin(f.client, "POST", "/", "expect: 100-continue");
    h2_client_run(f.client);
    reply = h2_client_reply(f.client, id);
    CHECK_TEXT(reply->informs, "100 ");
    CHECK_INT(reply->status, 0);
    h2_client_more(f.client, id, STR("x"), true);
    h2_client_run(f.client);
    CHECK_INT(reply->status, 200);
    close_server(&f);
}

TEST(h2_joins_cookies)
{
    struct fixture f = open_server();
    h2_client_ask(f.client, "GET", "/", "cookie: a=1\nx-y: z\ncookie: b=2\ncookie: c=3", NULL);
    CHECK_TEXT(seen_fields, "cookie: a=1; b=2; c=3\nx-y: z\n");
    h2_client_ask(f.client, "GET", "/",
                  "cookie: \ncookie: a=1\ncookie: \ncookie: b=2\ncookie: ", NULL);
    CHECK_TEXT(seen_fields, "cookie: a=1; b=2\n");
    close_server(&f);
}

TEST(h2_holds_host_against_authority)
{
    struct fixture f = open_server();
    static const struct {
        const char *fields;
        unsigned status;
        const char *authority;
    } cases[] = {
        {":authority: a.b:8\nhost: a.b:8", 200, "a.b:8"},
        {":authority: a.b\nhost: A.B", 200, "a.b"},
        {":authority: a.b\nhost: a.b:80", 200, "a.b"},
        {"host: only", 200, "only"},
        {":authority: a.b\nhost: a.c", 400, NULL},
        {":authority: a.b\nhost: a.b:81", 400, NULL},
        {":authority: user@a.b", 400, NULL},
        {":authority: a.b\nhost: a.b\nhost: a.b", 400, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        seen[0] = 0;
        struct h2_reply *reply = h2_client_ask(f.client, "GET", "/", cases[i].fields, NULL);
        // nghttp2 refuses some itself.
        if (cases[i].status == 400 && reply->status == 0)
            CHECK_INT(reply->code, NGHTTP2_PROTOCOL_ERROR);
        else
            CHECK_INT(reply->status, cases[i].status);
        if (cases[i].authority)
            CHECK_CONTAINS(seen, cases[i].authority);
        else
            CHECK_TEXT(seen, "");
    }
    CHECK(!f.client->at_end);
    close_server(&f);
}

TEST(h2_refuses_heads_with_a_status)
{
    struct http_server_options options = {.request_line_bytes_max = 100, .body_bytes_max = 1000};
    struct fixture f = open_with(options, NULL);
    char path[200] = "/";
    memset(path + 1, 'a', 150);
    static const char content[1001];
    static const struct str body = {content, sizeof(content)};
    const struct {
        const char *method, *path, *fields;
        unsigned status;
        const struct str *body;
    } cases[] = {
        {"GET", "/#f", "", 400, NULL},
        {"GET", "/", ":scheme: ftp", 400, NULL},
        {"GET", path, "", 414, NULL},
        {"GET", "/", "expect: 200-maybe", 417, NULL},
        {"PUT", "/", "content-length: 1001", 413, &body},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct h2_reply *reply =
            h2_client_ask(f.client, cases[i].method, cases[i].path, cases[i].fields, cases[i].body);
        CHECK_INT(reply->status, cases[i].status);
    }
    CHECK_INT(request_count, 0);
    CHECK_INT(http_server_counts(f.server).refused, ARRAY_LEN(cases));
    CHECK(!f.client->at_end);
    close_server(&f);
}

TEST(h2_resets_malformed_requests)
{
    struct fixture f = open_server();
    static const char *const fields[] = {
        "connection: close",
        "keep-alive: 5",
        "transfer-encoding: chunked",
        "upgrade: websocket",
        "te: gzip",
        "proxy-connection: x",
        "content-length: 1\ncontent-length: 2",
        ":path: /twice",
        "x-v: a\001b",
        ":status: 200",
        "x-v: ok\n:late: pseudo",
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct h2_reply *reply = h2_client_ask(f.client, "GET", "/", fields[i], NULL);
        CHECK(reply->closed);
        CHECK_INT(reply->code, NGHTTP2_PROTOCOL_ERROR);
    }
    CHECK_INT(request_count, 0);
    CHECK(!f.client->at_end);
    close_server(&f);
}

// ---- ends ---------------------------------------------------------------------------------------

TEST(h2_shows_that_a_response_was_cut)
{
    struct fixture f = open_server();
    struct h2_reply *reply = h2_client_ask(f.client, "GET", "/cut", "", NULL);
    CHECK_INT(reply->status, 200);
    CHECK_STR(buf_str(&reply->body), "half");
    CHECK(reply->closed && !reply->ended);
    CHECK_INT(reply->code, NGHTTP2_INTERNAL_ERROR);
    reply = h2_client_ask(f.client, "GET", "/short", "", NULL);
    CHECK_INT(reply->code, NGHTTP2_INTERNAL_ERROR);
    reply = h2_client_ask(f.client, "GET", "/abort", "", NULL);
    CHECK_INT(reply->status, 503);
    CHECK_INT(reply->code, 0);
    CHECK_INT(closed_count, 3);
    close_server(&f);
}

TEST(h2_tells_the_handler_of_a_reset)
{
    struct fixture f = open_server();
    int32_t id = h2_client_send(f.client, "GET", "/park", "", NULL);
    h2_client_run(f.client);
    CHECK(parked);
    CHECK_INT(nghttp2_submit_rst_stream(f.client->session, 0, id, NGHTTP2_CANCEL), 0);
    h2_client_run(f.client);
    CHECK_INT(closed_count, 1);
    CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    CHECK_INT(http_server_counts(f.server).exchanges, 0);
    close_server(&f);
}

TEST(h2_tells_handlers_that_the_peer_is_gone)
{
    struct fixture f = open_server();
    h2_client_send(f.client, "GET", "/park", "", NULL);
    h2_client_begin(f.client, "POST", "/", "");
    h2_client_send(f.client, "GET", "/push", "", NULL);
    h2_client_run(f.client);
    h2_client_send(f.client, "GET", "/park", "", NULL);
    h2_client_run(f.client);
    h2_client_close(TAKE(f.client));
    for (int i = 0; i < 8; i++)
        loop_turn(f.loop, false);
    CHECK_INT(closed_count, 4);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

// The connection is cut behind each byte of what a client sends.
TEST(h2_survives_the_end_at_any_byte)
{
    static const char frames[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                 "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
                                 // POST / with authority "h" and a body of two frames
                                 "\x00\x00\x06\x01\x04\x00\x00\x00\x01\x83\x84\x86\x41\x01h"
                                 "\x00\x00\x03\x00\x00\x00\x00\x00\x01"
                                 "abc"
                                 "\x00\x00\x03\x00\x01\x00\x00\x00\x01"
                                 "def";
    struct fixture f = open_server();
    for (size_t len = 1; len < sizeof(frames); len++) {
        int fd = h2_connect(http_server_address(f.server));
        for (size_t i = 0; i < len; i++) {
            CHECK_INT(send(fd, frames + i, 1, MSG_NOSIGNAL), 1);
            loop_turn(f.loop, false);
        }
        for (int i = 0; i < 4; i++)
            loop_turn(f.loop, false);
        close(fd);
        for (int i = 0; i < 4; i++)
            loop_turn(f.loop, false);
        CHECK_INT(closed_count, request_count);
        CHECK_INT(http_server_counts(f.server).connections, 1);
    }
    CHECK(request_count > 10);
    CHECK_INT(read_total, 1 + 2 + 3 + 9 * 3 + 4 + 5 + 6);
    close_server(&f);
}

// RFC 9113 section 8.1: the rest of a request that nobody wants.
TEST(h2_stops_a_body_that_nobody_reads)
{
    struct fixture f = open_server();
    int32_t id = h2_client_begin(f.client, "POST", "/ignore", "");
    h2_client_run(f.client);
    struct h2_reply *reply = h2_client_reply(f.client, id);
    CHECK_STR(buf_str(&reply->body), "ok");
    CHECK(reply->ended && !reply->closed);
    h2_client_more(f.client, id, STR("small"), true);
    h2_client_run(f.client);
    CHECK(reply->closed && reply->code == 0);
    // A client that goes on is stopped by the amount,
    char *data = mem_zalloc(MIB);
    id = h2_client_begin(f.client, "POST", "/ignore", "");
    h2_client_more(f.client, id, str_of(data, MIB), false);
    h2_client_run(f.client);
    reply = h2_client_reply(f.client, id);
    CHECK(reply->ended && reply->closed);
    CHECK_INT(reply->code, NGHTTP2_NO_ERROR);
    // or by time.
    id = h2_client_begin(f.client, "POST", "/ignore", "");
    h2_client_run(f.client);
    reply = h2_client_reply(f.client, id);
    CHECK(!reply->closed);
    advance(&f, HTTP_SERVER_LINGER_TIMEOUT_MS + 1000);
    CHECK(reply->closed && reply->code == NGHTTP2_NO_ERROR);
    CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    free(data);
    close_server(&f);
}

// ---- flow control -------------------------------------------------------------------------------

TEST(h2_holds_a_client_back_that_nobody_reads)
{
    struct fixture f = open_server();
    char *data = mem_zalloc(4 * MIB);
    int32_t id = h2_client_begin(f.client, "POST", "/park", "");
    h2_client_more(f.client, id, str_of(data, 4 * MIB), true);
    h2_client_run(f.client);
    size_t left = (size_t)nghttp2_session_get_stream_remote_window_size(f.client->session, id);
    CHECK_INT(left, 0);
    // Another stream goes on meanwhile.
    struct str body = STR("body");
    CHECK_STR(buf_str(&h2_client_ask(f.client, "POST", "/", "", &body)->body), "body");
    CHECK(parked);
    on_body(parked);
    h2_client_run(f.client);
    CHECK_INT(h2_client_reply(f.client, id)->status, 200);
    CHECK_INT(read_total, 4 * MIB + 4);
    free(data);
    close_server(&f);
}

TEST(h2_holds_a_handler_back_that_nobody_hears)
{
    struct h2_client_options manual = {.manual_window = true, .window = 10000};
    struct fixture f = open_with((struct http_server_options){0}, &manual);
    int32_t id = h2_client_send(f.client, "GET", "/push", "", NULL);
    h2_client_run(f.client);
    struct h2_reply *reply = h2_client_reply(f.client, id);
    CHECK_INT(reply->body.len, 10000);
    CHECK_INT(pushed, 10000 + HTTP_SERVER_OUTPUT_BYTES_MAX);
    for (size_t seen_bytes = 0; !reply->ended;) {
        CHECK(reply->body.len > seen_bytes);
        size_t news = reply->body.len - seen_bytes;
        seen_bytes = reply->body.len;
        CHECK_INT(nghttp2_session_consume(f.client->session, id, news), 0);
        h2_client_run(f.client);
    }
    CHECK_INT(reply->body.len, 2 * MIB);
    close_server(&f);
}

TEST(h2_resets_a_stream_that_nobody_hears)
{
    struct h2_client_options manual = {.manual_window = true, .window = 10000};
    struct fixture f = open_with((struct http_server_options){0}, &manual);
    int32_t id = h2_client_send(f.client, "GET", "/push", "", NULL);
    h2_client_run(f.client);
    advance(&f, HTTP_SERVER_WRITE_TIMEOUT_MS - 1000);
    CHECK_INT(closed_count, 0);
    advance(&f, 2000);
    CHECK_INT(closed_count, 1);
    CHECK_INT(h2_client_reply(f.client, id)->code, NGHTTP2_CANCEL);
    CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    close_server(&f);
}

// Four bodies over a connection whose window lets 65,535 bytes through at a time.
static void check_turns(bool urgencies)
{
    struct h2_client_options manual = {
        .manual_window = true, .window = 10 * MIB, .urgencies = urgencies};
    struct fixture f = open_with((struct http_server_options){0}, &manual);
    int32_t ids[4];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = h2_client_send(f.client, "GET", "/push", "", NULL);
    size_t seen_bytes = 0;
    for (int round = 0; round < 40; round++) {
        h2_client_run(f.client);
        size_t all = 0, least = SIZE_MAX, most = 0;
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
            size_t len = h2_client_reply(f.client, ids[i])->body.len;
            all += len;
            least = MIN(least, len);
            most = MAX(most, len);
        }
        CHECK(round < 2 || most - least <= 2 * 65535);
        CHECK_INT(nghttp2_session_consume_connection(f.client->session, all - seen_bytes), 0);
        seen_bytes = all;
    }
    CHECK(seen_bytes > MIB);
    close_server(&f);
}

TEST(h2_gives_each_stream_its_turn)
{
    check_turns(false);
    check_turns(true);
}

TEST(h2_serves_the_urgent_first)
{
    struct h2_client_options manual = {
        .manual_window = true, .window = 10 * MIB, .urgencies = true};
    struct fixture f = open_with((struct http_server_options){0}, &manual);
    int32_t later = h2_client_send(f.client, "GET", "/push", "priority: i, u=6", NULL);
    int32_t first = h2_client_send(f.client, "GET", "/push", "priority: u=1", NULL);
    size_t seen_bytes = 0;
    while (!h2_client_reply(f.client, first)->ended) {
        h2_client_run(f.client);
        size_t all =
            h2_client_reply(f.client, later)->body.len + h2_client_reply(f.client, first)->body.len;
        CHECK(all > seen_bytes);
        CHECK_INT(nghttp2_session_consume_connection(f.client->session, all - seen_bytes), 0);
        seen_bytes = all;
    }
    // The first window's bytes went before the second request was there.
    CHECK(h2_client_reply(f.client, later)->body.len <= 2 * 65535);
    close_server(&f);
}

// The peer reads nothing, so that the kernel's buffers are full, but it may still say no.
TEST(h2_hears_a_reset_while_the_peer_does_not_read)
{
    struct h2_client_options wide = {.window = INT32_MAX};
    struct fixture f = open_with((struct http_server_options){0}, &wide);
    CHECK_INT(nghttp2_session_set_local_window_size(f.client->session, 0, 0, INT32_MAX), 0);
    h2_client_run(f.client);
    f.client->deaf = true;
    int32_t ids[20];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = h2_client_send(f.client, "GET", "/push", "", NULL);
    h2_client_run(f.client);
    CHECK_INT(request_count, ARRAY_LEN(ids));
    CHECK(pushed < ARRAY_LEN(ids) * 2 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        CHECK_INT(nghttp2_submit_rst_stream(f.client->session, 0, ids[i], NGHTTP2_CANCEL), 0);
    h2_client_run(f.client);
    CHECK_INT(closed_count, ARRAY_LEN(ids));
    f.client->deaf = false;
    CHECK_INT(h2_client_ask(f.client, "GET", "/", "", NULL)->status, 200);
    close_server(&f);
}

// gRPC: messages in both directions for as long as both like.
TEST(h2_streams_both_ways_at_once)
{
    struct fixture f = open_server();
    int32_t id = h2_client_begin(f.client, "POST", "/stream",
                                 "content-type: application/grpc\nte: trailers");
    h2_client_run(f.client);
    struct h2_reply *reply = h2_client_reply(f.client, id);
    CHECK_INT(reply->status, 200);
    for (size_t i = 1; i <= 20; i++) {
        h2_client_more(f.client, id, STR("message"), false);
        h2_client_run(f.client);
        CHECK_INT(reply->body.len, 7 * i);
        advance(&f, 20000);
    }
    CHECK(f.client->pings == 0 && !reply->closed);
    h2_client_more(f.client, id, STR_EMPTY, true);
    h2_client_run(f.client);
    CHECK(reply->closed && reply->code == 0);
    CHECK_STR(buf_str(&reply->trailers), "grpc-status: 0\n");
    close_server(&f);
}

// SPDX-License-Identifier: Apache-2.0
// The server over real loopback sockets, on a virtual clock.
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "http/test_peer.h"
#include "net/address.h"
#include "testing/test.h"

#define MS 1000000ull

struct fixture {
    struct loop *loop;
    struct http_server *server;
    int client;
};

// What the test's handler does with a request, chosen by its path.
struct served {
    struct http_exchange *exchange;
    struct buf body;
    size_t pushed, push_total;
};

static int closed_count, request_count;
static struct http_exchange *parked; // of /park
static char seen_target[128], seen_trailer[64];
static ssize_t last_body_error;
static size_t total_pushed;
#define PUSH_BYTES ((size_t)32 << 20)

static void on_request(struct http_exchange *exchange, void *user);

static struct fixture open_server(struct http_server_options options)
{
    struct fixture f = {.client = -1};
    ERROR(err);
    CHECK_INT(loop_new_virtual(&f.loop, &err), 0);
    options.address = "127.0.0.1:0";
    options.on_request = on_request;
    options.tls = test_peer_context();
    CHECK_INT(http_server_new(f.loop, &options, &f.server, &err), 0);
    closed_count = request_count = 0;
    parked = NULL;
    last_body_error = 0;
    seen_trailer[0] = 0;
    return f;
}

static int connect_to(const struct fixture *f)
{
    struct net_address address;
    ERROR(err);
    CHECK_INT(net_address_parse(str_from(http_server_address(f->server)), &address, &err), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address.storage, address.len), 0);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    test_peer_open(fd);
    return fd;
}

static void close_server(struct fixture *f)
{
    if (f->client >= 0)
        test_peer_close(f->client);
    http_server_free(f->server);
    loop_free(f->loop);
}

static void turn(const struct fixture *f)
{
    for (int i = 0; i < 6; i++)
        loop_turn(f->loop, false);
}

static void send_text(struct fixture *f, struct str text)
{
    if (f->client < 0)
        f->client = connect_to(f);
    size_t sent = 0;
    while (sent < text.len) {
        ssize_t n = test_peer_send(f->client, text.data + sent, text.len - sent);
        if (n > 0)
            sent += (size_t)n;
        else
            CHECK(errno == EAGAIN);
        turn(f);
    }
    while (test_peer_flush(f->client) < 0)
        turn(f);
    turn(f);
}

static char answer[1 << 20];
static bool at_end; // the server closed
static bool was_reset;

// What the client has received by now; dates are taken out.
static const char *receive(struct fixture *f)
{
    size_t len = 0;
    at_end = was_reset = false;
    for (int idle = 0; idle < 3 && !at_end;) {
        turn(f);
        ssize_t n = test_peer_recv(f->client, answer + len, sizeof(answer) - 1 - len);
        if (n > 0)
            len += (size_t)n;
        else if (n == 0)
            at_end = true;
        else if (errno == ECONNRESET)
            at_end = was_reset = true;
        else
            idle++;
    }
    answer[len] = 0;
    for (char *date; (date = strstr(answer, "date: ")) != NULL;)
        memmove(date, date + 37, strlen(date + 37) + 1);
    return answer;
}

static const char *ask(struct fixture *f, const char *text)
{
    send_text(f, str_from(text));
    return receive(f);
}

// ---- the handler --------------------------------------------------------------------------------

static const struct http_field type = {STR_INIT("content-type"), STR_INIT("text/plain")};

static void on_closed(void *user)
{
    struct served *served = user;
    closed_count++;
    buf_done(&served->body);
    free(served);
}

static void answer_body(struct served *served)
{
    CHECK_INT(http_exchange_respond(served->exchange, 200, &type, 1, (int64_t)served->body.len), 0);
    CHECK_INT(http_exchange_write(served->exchange, buf_str(&served->body)), 0);
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void on_body(void *user)
{
    struct served *served = user;
    struct str part;
    ssize_t len;
    while ((len = http_exchange_read(served->exchange, &part)) > 0) {
        CHECK_INT(buf_add_str(&served->body, part), 0);
        http_exchange_consume(served->exchange, part.len);
    }
    if (len == -EAGAIN)
        return;
    last_body_error = len;
    if (len < 0) {
        http_exchange_abort(served->exchange, len == -EFBIG ? 413 : len == -ETIMEDOUT ? 408 : 400);
        return;
    }
    size_t count;
    const struct http_field *trailers = http_exchange_trailers(served->exchange, &count);
    for (size_t i = 0; i < count; i++)
        snprintf(seen_trailer, sizeof(seen_trailer), "%.*s=%.*s", STR_ARG(trailers[i].name),
                 STR_ARG(trailers[i].value));
    answer_body(served);
}

static void push(void *user)
{
    static char block[100000];
    struct served *served = user;
    memset(block, 'x', sizeof(block));
    while (served->pushed < served->push_total) {
        size_t len = MIN(http_exchange_write_budget(served->exchange), sizeof(block));
        len = MIN(len, served->push_total - served->pushed);
        if (len == 0)
            return;
        CHECK_INT(http_exchange_write(served->exchange, str_of(block, len)), 0);
        served->pushed += len;
        total_pushed = served->pushed;
    }
    CHECK_INT(http_exchange_finish(served->exchange, NULL, 0), 0);
}

static void serve_chunked(struct http_exchange *exchange)
{
    static const struct http_field trailer = {STR_INIT("x-sum"), STR_INIT("5")};
    CHECK_INT(http_exchange_respond(exchange, 200, &type, 1, -1), 0);
    CHECK_INT(http_exchange_write(exchange, STR("hello")), 0);
    CHECK_INT(http_exchange_write(exchange, STR("")), 0);
    CHECK_INT(http_exchange_write(exchange, STR(" chunked world")), 0);
    CHECK_INT(http_exchange_finish(exchange, &trailer, 1), 0);
}

static void serve_cut(struct http_exchange *exchange, int64_t length)
{
    CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, length), 0);
    CHECK_INT(http_exchange_write(exchange, STR("half")), 0);
    http_exchange_abort(exchange, 500);
}

static void serve_length(struct http_exchange *exchange)
{
    CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, 5), 0);
    CHECK_INT(http_exchange_write(exchange, STR("toolong")), -EMSGSIZE);
    CHECK_INT(http_exchange_write(exchange, STR("four")), 0);
    CHECK_INT(http_exchange_finish(exchange, NULL, 0), -EMSGSIZE);
}

static void serve_malformed(struct http_exchange *exchange)
{
    static const struct http_field bad[] = {{STR_INIT("a b"), STR_INIT("")},
                                            {STR_INIT("a"), STR_INIT("x\r\ny: z")},
                                            {STR_INIT(""), STR_INIT("x")}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_INT(http_exchange_respond(exchange, 200, &bad[i], 1, 0), -EINVAL);
    CHECK_INT(http_exchange_respond(exchange, 199, NULL, 0, 0), -EINVAL);
    CHECK_INT(http_exchange_inform(exchange, 101, NULL, 0), -EINVAL);
    CHECK_INT(http_exchange_inform(exchange, 103, &type, 1), 0);
    http_exchange_abort(exchange, 502);
}

static void on_request(struct http_exchange *exchange, void *user)
{
    static const struct http_exchange_events body_events = {on_body, NULL, on_closed};
    static const struct http_exchange_events push_events = {NULL, push, on_closed};
    const struct http_request *request = http_exchange_request(exchange);
    struct served *served = mem_new(struct served);
    served->exchange = exchange;
    served->body = BUF_INIT((size_t)64 << 20);
    request_count++;
    snprintf(seen_target, sizeof(seen_target), "%.*s %.*s %.*s", STR_ARG(request->method),
             STR_ARG(request->authority), STR_ARG(request->target));
    http_exchange_set_events(exchange, &body_events, served);
    struct str path = request->target;
    if (str_is(path, "/echo")) {
        on_body(served);
    } else if (str_is(path, "/chunked")) {
        serve_chunked(exchange);
    } else if (str_is(path, "/park")) {
        parked = exchange;
    } else if (str_starts(path, STR("/push"))) {
        http_exchange_set_events(exchange, &push_events, served);
        served->push_total = PUSH_BYTES;
        CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0,
                                        str_is(path, "/push") ? (int64_t)PUSH_BYTES : -1),
                  0);
        push(served);
    } else if (str_is(path, "/cut")) {
        serve_cut(exchange, -1);
    } else if (str_is(path, "/cut10")) {
        serve_cut(exchange, 10);
    } else if (str_is(path, "/length")) {
        serve_length(exchange);
    } else if (str_is(path, "/malformed")) {
        serve_malformed(exchange);
    } else if (str_is(path, "/204")) {
        CHECK_INT(http_exchange_respond(exchange, 204, NULL, 0, -1), 0);
        CHECK_INT(http_exchange_write(exchange, STR("dropped")), 0);
        CHECK_INT(http_exchange_finish(exchange, NULL, 0), 0);
    } else if (str_is(path, "/abort")) {
        http_exchange_abort(exchange, 503);
    } else {
        CHECK_INT(buf_add_str(&served->body, path), 0);
        answer_body(served);
    }
}

#define HEAD_OK "HTTP/1.1 200 OK\r\n"
#define TYPE    "content-type: text/plain\r\n"

TEST(server_answers_and_keeps_the_connection)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n\r\n"),
               HEAD_OK "content-length: 6\r\n" TYPE "\r\n/a?b=c");
    CHECK_TEXT(seen_target, "GET h:1 /a?b=c");
    CHECK(!at_end);
    CHECK_TEXT(ask(&f, "GET http://other:81?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
               HEAD_OK "connection: close\r\ncontent-length: 3\r\n" TYPE "\r\n/?q");
    CHECK_TEXT(seen_target, "GET other:81 /?q");
    CHECK(at_end && !was_reset);
    CHECK_INT(closed_count, 2);
    CHECK_INT(http_server_counts(f.server).requests, 2);
    close_server(&f);
}

TEST(server_sends_the_date)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    turn(&f);
    ssize_t n = test_peer_recv(f.client, answer, sizeof(answer) - 1);
    CHECK(n > 0);
    answer[n] = 0;
    const char *date = strstr(answer, "\r\ndate: ");
    CHECK(date);
    struct tm tm = {0};
    const char *end = strptime(date + 8, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    CHECK(end && end - date == 37 && strncmp(end, "\r\n", 2) == 0);
    time_t stamp = timegm(&tm);
    CHECK(stamp <= time(NULL) && stamp >= time(NULL) - 5);
    close_server(&f);
}

TEST(server_serves_pipelined_requests_in_order)
{
    struct fixture f = open_server((struct http_server_options){.pipelined_max = 3});
    BUF(text, 65536);
    BUF(want, 65536);
    for (int i = 0; i < 100; i++) {
        buf_putf(&text, "GET /%03d HTTP/1.1\r\nHost: h\r\n\r\n", i);
        buf_putf(&want, HEAD_OK "content-length: 4\r\n" TYPE "\r\n/%03d", i);
    }
    send_text(&f, buf_str(&text));
    struct str got = str_from(receive(&f));
    CHECK_STR(buf_str(&want), got.data);
    CHECK_INT(request_count, 100);
    close_server(&f);
}

TEST(server_takes_bodies_of_both_kinds)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / "
                       "HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "content-length: 5\r\n" TYPE "\r\nhello" HEAD_OK "content-length: 1\r\n" TYPE
                       "\r\n/");
    CHECK_TEXT(ask(&f, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 7\r\nHost: no\r\n\r\n"),
               HEAD_OK "content-length: 13\r\n" TYPE "\r\nabc0123456789");
    CHECK_TEXT(seen_trailer, "x-sum=7");
    CHECK(!at_end);
    CHECK_TEXT(ask(&f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "content-length: 1\r\n" TYPE "\r\n/");
    close_server(&f);
}

static void echo_large(struct fixture *f, size_t size, bool chunked)
{
    BUF(text, (size_t)4 << 20);
    BUF(body, (size_t)4 << 20);
    for (size_t i = 0; body.len < size; i++)
        buf_putf(&body, "%zu,", i);
    body.len = size;
    if (chunked)
        buf_putf(&text, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    else
        buf_putf(&text, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", size);
    for (size_t at = 0; chunked && at < size; at += 3001) {
        struct str part = str_sub(buf_str(&body), at, 3001);
        buf_putf(&text, "%zx\r\n%.*s\r\n", part.len, STR_ARG(part));
    }
    if (chunked)
        buf_put(&text, STR("0\r\n\r\n"));
    else
        buf_put(&text, buf_str(&body));
    send_text(f, buf_str(&text));
    const char *got = receive(f);
    const char *start = strstr(got, "\r\n\r\n");
    CHECK(start);
    CHECK_INT(strlen(start + 4), size);
    CHECK(memcmp(start + 4, body.data, size) == 0);
}

TEST(server_takes_bodies_larger_than_its_buffers)
{
    static const size_t sizes[] = {7000, 8100, 8192, 9000, 60000, 65536, 65000};
    struct fixture f = open_server((struct http_server_options){.output_bytes_max = 1 << 20});
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        echo_large(&f, sizes[i], false);
        echo_large(&f, sizes[i], true);
    }
    echo_large(&f, 700000, false);
    echo_large(&f, 700000, true);
    CHECK_INT(http_server_counts(f.server).connections, 1);
    close_server(&f);
}

TEST(server_sends_chunks_and_trailers)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "GET /chunked HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "transfer-encoding: chunked\r\n" TYPE
                       "\r\n5\r\nhello\r\ne\r\n chunked world\r\n0\r\nx-sum: 5\r\n\r\n");
    CHECK(!at_end);
    CHECK_TEXT(ask(&f, "HEAD /chunked HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "transfer-encoding: chunked\r\n" TYPE "\r\n");
    CHECK_TEXT(ask(&f, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "content-length: 2\r\n" TYPE "\r\n");
    CHECK_TEXT(ask(&f, "GET /204 HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(!at_end);
    close_server(&f);
}

TEST(server_speaks_http_1_0)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
               HEAD_OK "connection: keep-alive\r\ncontent-length: 2\r\n" TYPE "\r\n/x");
    CHECK(!at_end);
    CHECK_TEXT(ask(&f, "GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
               HEAD_OK "connection: close\r\n" TYPE "\r\nhello chunked world");
    CHECK(at_end && !was_reset);
    test_peer_close(f.client);
    f.client = -1;
    CHECK_TEXT(ask(&f, "GET /x HTTP/1.0\r\n\r\n"),
               HEAD_OK "connection: close\r\ncontent-length: 2\r\n" TYPE "\r\n/x");
    CHECK(at_end);
    close_server(&f);
}

TEST(server_sends_100_when_the_body_is_wanted)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: "
                       "100-continue\r\n\r\n"),
               "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_TEXT(ask(&f, "ok"), HEAD_OK "content-length: 2\r\n" TYPE "\r\nok");
    CHECK(!at_end);
    // Nobody wants it: the answer comes at once, and the connection can't go on.
    CHECK_TEXT(ask(&f, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: "
                       "100-continue\r\n\r\n"),
               HEAD_OK "connection: close\r\ncontent-length: 2\r\n" TYPE "\r\n/x");
    CHECK(at_end);
    close_server(&f);
}

TEST(server_throws_away_a_body_that_nobody_read)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_CONTAINS(ask(&f, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGETx"),
                   "\r\n\r\n/x");
    CHECK(!at_end);
    CHECK_CONTAINS(ask(&f, "POST /y HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGE"),
                   "\r\n\r\n/y");
    CHECK_CONTAINS(ask(&f, "T GET /z HTTP/1.1\r\nHost: h\r\n\r\n"), "\r\n\r\n/z");
    CHECK(!at_end);
    send_text(&f, STR("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
    CHECK_CONTAINS(receive(&f), "\r\n\r\n/x");
    static char body[200000];
    CHECK(test_peer_send(f.client, body, sizeof(body)) > 0);
    CHECK_TEXT(receive(&f), "");
    CHECK(at_end && !was_reset);
    close_server(&f);
}

TEST(server_answers_what_it_refuses_and_closes)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/1.1\nHost: h\n\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
        {"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n"},
        {"\x16\x03\x01", "HTTP/1.1 400 Bad Request\r\n"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n",
         "HTTP/1.1 413 Content Too Large\r\n"},
        {"GET /0123456789012345678901234567890123456789012345678901234567890 HTTP/1.1\r\n",
         "HTTP/1.1 414 URI Too Long\r\n"},
        {"GET / HTTP/1.1\r\nHost: h\r\na: b\r\nc: d\r\ne: f\r\n\r\n",
         "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n",
         "HTTP/1.1 413 Content Too Large\r\n"},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
         "HTTP/1.1 400 Bad Request\r\n"},
    };
    struct fixture f = open_server((struct http_server_options){
        .request_line_bytes_max = 64, .fields_max = 3, .body_bytes_max = 20});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = ask(&f, cases[i].request);
        CHECK_STR(str_sub(str_from(got), 0, strlen(cases[i].status)), cases[i].status);
        CHECK_CONTAINS(got, "connection: close\r\n");
        CHECK(at_end && !was_reset);
        test_peer_close(f.client);
        f.client = -1;
    }
    turn(&f);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

TEST(server_shows_the_cut_of_an_unfinished_answer)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "GET /cut HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    CHECK(at_end);
    test_peer_close(f.client);
    f.client = -1;
    CHECK_TEXT(ask(&f, "GET /cut10 HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "content-length: 10\r\n\r\nhalf");
    CHECK(at_end);
    test_peer_close(f.client);
    f.client = -1;
    CHECK_TEXT(ask(&f, "GET /length HTTP/1.1\r\nHost: h\r\n\r\n"),
               HEAD_OK "content-length: 5\r\n\r\nfour");
    CHECK(at_end);
    test_peer_close(f.client);
    f.client = -1;
    (void)ask(&f, "GET /cut HTTP/1.0\r\n\r\n");
    CHECK(was_reset);
    test_peer_close(f.client);
    f.client = -1;
    CHECK_TEXT(ask(&f, "GET /abort HTTP/1.1\r\nHost: h\r\n\r\n"),
               "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 24\r\n" TYPE
               "\r\n503 Service Unavailable\n");
    CHECK(!at_end);
    CHECK_TEXT(ask(&f, "GET /malformed HTTP/1.1\r\nHost: h\r\n\r\n"),
               "HTTP/1.1 103 Early Hints\r\n" TYPE "\r\n"
               "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 16\r\n" TYPE "\r\n502 Bad Gateway\n");
    close_server(&f);
}

static void push_to_slow_client(const char *request)
{
    struct fixture f = open_server((struct http_server_options){.output_bytes_max = 100000});
    send_text(&f, str_from(request));
    for (int i = 0; i < 100; i++)
        turn(&f);
    CHECK(total_pushed < PUSH_BYTES);
    size_t total = 0;
    for (int idle = 0; idle < 100 && total < PUSH_BYTES;) {
        turn(&f);
        ssize_t n = test_peer_recv(f.client, answer, sizeof(answer));
        CHECK(n != 0);
        idle = n > 0 ? 0 : idle + 1;
        total += n > 0 ? (size_t)n : 0;
        if (n < 0)
            usleep(1000);
    }
    CHECK(total >= PUSH_BYTES);
    turn(&f);
    CHECK_INT(total_pushed, PUSH_BYTES);
    close_server(&f);
}

TEST(server_holds_back_what_the_peer_does_not_take)
{
    push_to_slow_client("GET /push HTTP/1.1\r\nHost: h\r\n\r\n");
    push_to_slow_client("GET /push-chunked HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(server_does_not_read_for_nobody)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n"));
    CHECK(parked);
    static char block[65536];
    size_t sent = 0;
    for (int idle = 0; idle < 20;) {
        ssize_t n = test_peer_send(f.client, block, sizeof(block));
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        turn(&f);
    }
    CHECK(sent < 20000000);
    struct str part;
    CHECK(http_exchange_read(parked, &part) > 0);
    CHECK_INT(closed_count, 0);
    http_exchange_abort(parked, 500);
    turn(&f);
    CHECK_INT(closed_count, 1);
    close_server(&f);
}

TEST(server_tells_when_the_peer_is_gone)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("GET /park HTTP/1.1\r\nHost: h\r\n\r\n"));
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    CHECK_INT(setsockopt(f.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    test_peer_close(f.client);
    f.client = -1;
    turn(&f);
    CHECK_INT(closed_count, 1);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

TEST(server_tells_of_a_reset_while_nobody_reads)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"));
    CHECK(parked);
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    CHECK_INT(setsockopt(f.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    test_peer_close(f.client);
    f.client = -1;
    turn(&f);
    CHECK_INT(closed_count, 1);
    close_server(&f);
}

TEST(server_answers_a_peer_that_shut_its_side)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /park HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK_INT(test_peer_shutdown(f.client), 0);
    CHECK_CONTAINS(receive(&f), "\r\n\r\n/a");
    CHECK(!at_end);
    http_exchange_abort(parked, 404);
    CHECK_CONTAINS(receive(&f), "HTTP/1.1 404 Not Found\r\nconnection: close\r\n");
    CHECK(at_end && !was_reset);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

// ---- time-outs ----------------------------------------------------------------------------------

static void advance(struct fixture *f, uint64_t ms)
{
    loop_advance(f->loop, ms * MS);
    turn(f);
}

TEST(a_slow_head_gets_408)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_TEXT(ask(&f, "GET / HTTP/1.1\r\n"), "");
    advance(&f, 9000);
    CHECK_TEXT(ask(&f, "Host: h\r\n"), "");
    CHECK(!at_end);
    advance(&f, 2000);
    CHECK_CONTAINS(receive(&f), "HTTP/1.1 408 Request Timeout\r\n");
    CHECK(at_end);
    close_server(&f);
}

TEST(idle_connections_are_closed)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_CONTAINS(ask(&f, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"), "/x");
    advance(&f, 59000);
    CHECK_TEXT(receive(&f), "");
    CHECK(!at_end);
    advance(&f, 2000);
    CHECK_TEXT(receive(&f), "");
    CHECK(at_end && !was_reset);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

TEST(a_stalled_body_ends_its_reader)
{
    struct fixture f = open_server((struct http_server_options){.body_timeout_ms = 5000});
    CHECK_TEXT(ask(&f, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"), "");
    advance(&f, 4000);
    CHECK_TEXT(ask(&f, "def"), "");
    advance(&f, 4000);
    CHECK_TEXT(receive(&f), "");
    advance(&f, 2000);
    CHECK_CONTAINS(receive(&f), "HTTP/1.1 408 Request Timeout\r\nconnection: close");
    CHECK_INT(last_body_error, -ETIMEDOUT);
    CHECK(at_end);
    close_server(&f);
}

TEST(a_peer_that_takes_nothing_is_cut_off)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("GET /push HTTP/1.1\r\nHost: h\r\n\r\n"));
    advance(&f, 29000);
    CHECK_INT(closed_count, 0);
    advance(&f, 2000);
    CHECK_INT(closed_count, 1);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

TEST(a_lingering_connection_ends)
{
    struct fixture f = open_server((struct http_server_options){0});
    CHECK_CONTAINS(ask(&f, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "/x");
    CHECK(at_end);
    CHECK_INT(http_server_counts(f.server).connections, 1);
    advance(&f, 3000);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

// ---- limits and the end -------------------------------------------------------------------------

TEST(connections_over_the_limit_wait)
{
    if (test_peer_context())
        test_skip("a handshake needs a connection that was accepted");
    struct fixture f = open_server((struct http_server_options){.connections_max = 1});
    CHECK_CONTAINS(ask(&f, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"), "/x");
    int first = f.client;
    f.client = -1;
    CHECK_TEXT(ask(&f, "GET /y HTTP/1.1\r\nHost: h\r\n\r\n"), "");
    test_peer_close(first);
    CHECK_CONTAINS(receive(&f), "/y");
    CHECK_INT(http_server_counts(f.server).connections, 1);
    close_server(&f);
}

static void on_drained(void *user)
{
    *(bool *)user = true;
}

TEST(drain_lets_running_exchanges_end)
{
    struct fixture f = open_server((struct http_server_options){0});
    bool drained = false;
    CHECK_CONTAINS(ask(&f, "GET /idle HTTP/1.1\r\nHost: h\r\n\r\n"), "/idle");
    int idle = f.client;
    f.client = -1;
    send_text(&f, STR("GET /park HTTP/1.1\r\nHost: h\r\n\r\n"));
    http_server_drain(f.server, 5000, on_drained, &drained);
    turn(&f);
    CHECK_INT(test_peer_recv(idle, answer, 10), 0);
    test_peer_close(idle);
    CHECK(!drained && closed_count == 1);
    http_exchange_abort(parked, 500);
    CHECK_CONTAINS(receive(&f), "500 Internal Server Error\r\nconnection: close\r\n");
    test_peer_close(f.client);
    f.client = -1;
    turn(&f);
    CHECK(drained);
    CHECK_INT(http_server_counts(f.server).connections, 0);
    close_server(&f);
}

TEST(drain_cuts_what_does_not_end_in_time)
{
    struct fixture f = open_server((struct http_server_options){0});
    bool drained = false;
    send_text(&f, STR("GET /park HTTP/1.1\r\nHost: h\r\n\r\n"));
    http_server_drain(f.server, 5000, on_drained, &drained);
    advance(&f, 4900);
    CHECK(!drained);
    advance(&f, 200);
    CHECK(drained);
    CHECK_INT(closed_count, 1);
    close_server(&f);
}

TEST(freeing_the_server_closes_running_exchanges)
{
    struct fixture f = open_server((struct http_server_options){0});
    send_text(&f, STR("GET /park HTTP/1.1\r\nHost: h\r\n\r\n"));
    close_server(&f);
    CHECK_INT(closed_count, 1);
}

TEST(every_cut_of_a_stream_gives_the_same_answers)
{
    static const char stream[] =
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4;x=\"y\"\r\nwxyz\r\n"
        "0\r\nX-T: 1\r\n\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET "
        "/q "
        "HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    struct fixture f = open_server((struct http_server_options){0});
    _cleanup_(mem_freep) char *want = mem_strdup(ask(&f, stream));
    CHECK_CONTAINS(want, "/q");
    for (size_t cut = 1; cut < sizeof(stream) - 1; cut++) {
        test_peer_close(f.client);
        f.client = -1;
        send_text(&f, str_of(stream, cut));
        send_text(&f, str_of(stream + cut, sizeof(stream) - 1 - cut));
        CHECK_TEXT(receive(&f), want);
        CHECK_TEXT(seen_trailer, "x-t=1");
    }
    close_server(&f);
}

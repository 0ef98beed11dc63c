// SPDX-License-Identifier: Apache-2.0
// The client over HTTP/2, against our own server on the same loop.
#include <errno.h>

#include "base/buf.h"
#include "http/client.h"
#include "http/server.h"
#include "net/tls.h"
#include "net/tls_test_pki.h"
#include "testing/test.h"

#define UPLOAD_BYTES ((size_t)2 * 1024 * 1024)
#define CALLS        20

struct fixture {
    struct test_pki pki;
    struct test_issuer ca;
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    // "/wait" requests, which are answered together
    struct http_exchange *waiting[CALLS];
    size_t waiting_count;
};

// ---- server ------------------------------------------------------------------------------------

static char last_trailer[64];

// Sends back what comes, and says in a trailer that it was all.
static void echo(void *user)
{
    static const struct http_field done = {STR_INIT("x-done"), STR_INIT("yes")};
    struct http_exchange *exchange = user;
    struct str part;
    for (;;) {
        ssize_t len = http_exchange_read(exchange, &part);
        if (len == -EAGAIN)
            return;
        if (len <= 0) {
            size_t count;
            const struct http_field *got = http_exchange_trailers(exchange, &count);
            if (count > 0)
                snprintf(last_trailer, sizeof(last_trailer), "%.*s: %.*s", STR_ARG(got->name),
                         STR_ARG(got->value));
            CHECK_INT(len, 0);
            CHECK_INT(http_exchange_finish(exchange, &done, 1), 0);
            return;
        }
        part = str_sub(part, 0, MIN(part.len, http_exchange_write_budget(exchange)));
        if (part.len == 0)
            return;
        CHECK_INT(http_exchange_write(exchange, part), 0);
        http_exchange_consume(exchange, part.len);
    }
}

static void closed(void *user)
{
}

static void on_request(struct http_exchange *exchange, void *user)
{
    struct fixture *f = user;
    const struct http_exchange_events events = {
        .readable = echo, .writable = echo, .closed = closed};
    http_exchange_set_events(exchange, &events, exchange);
    if (str_is(http_exchange_request(exchange)->method, "GET")) {
        f->waiting[f->waiting_count++] = exchange;
        return;
    }
    CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, -1), 0);
    echo(exchange);
}

static void setup(struct fixture *f, bool wants_certificate)
{
    memset(f, 0, sizeof(*f));
    test_pki_init(&f->pki);
    f->ca = test_issuer_new(&f->pki, "ca");
    struct test_certificate made =
        test_certificate_new(&f->pki, &f->ca, "server", "IP:127.0.0.1", 3600);
    struct tls_certificate files = {made.certificate_file, made.key_file};
    struct tls_server_options tls = {.certificates = &files,
                                     .certificate_count = 1,
                                     .ca_file = wants_certificate ? f->ca.file : NULL,
                                     .alpn = HTTP_SERVER_ALPN};
    struct http_server_options options = {.address = "127.0.0.1:0"};
    ERROR(err);
    CHECK_INT(tls_server_context_new(&tls, &options.tls, &err), 0);
    CHECK_INT(loop_new(&f->loop, &err), 0);
    options.on_request = on_request;
    options.user = f;
    CHECK_INT(http_server_new(f->loop, &options, &f->server, &err), 0);
    tls_context_unref(options.tls);
    f->client = http_client_new(f->loop, &(struct http_client_options){.ca_file = f->ca.file});
}

static void teardown(struct fixture *f)
{
    http_client_free(f->client);
    http_server_free(f->server);
    loop_free(f->loop);
    test_issuer_done(&f->ca);
    test_pki_done(&f->pki);
}

// ---- client ------------------------------------------------------------------------------------

struct call {
    struct http_client_request *request;
    size_t to_send, received;
    unsigned pauses; // times that the reader leaves the body where it is
    bool done;
};

static void call_write(void *user)
{
    static const char zeros[4096];
    struct call *call = user;
    while (call->to_send > 0) {
        size_t len = MIN(http_client_write_budget(call->request), sizeof(zeros));
        len = MIN(len, call->to_send);
        if (len == 0)
            return;
        CHECK_INT(http_client_write(call->request, str_of(zeros, len)), 0);
        call->to_send -= len;
        if (call->to_send == 0)
            CHECK_INT(http_client_write_end(call->request), 0);
    }
}

static void call_read(void *user)
{
    struct call *call = user;
    struct str part;
    ssize_t len;
    if (call->pauses > 0)
        return;
    while ((len = http_client_read(call->request, &part)) > 0) {
        call->received += part.len;
        http_client_consume(call->request, part.len);
    }
    call->done = len != -EAGAIN;
}

static void call_failed(void *user)
{
    ((struct call *)user)->done = true;
}

static void start(struct fixture *f, struct call *call, const char *method, int64_t length)
{
    _cleanup_(mem_freep) char *url = mem_printf("https://%s/", http_server_address(f->server));
    const struct http_client_request_options options = {
        .method = str_from(method),
        .url = str_from(url),
        .content_length = length,
        .events = {.readable = call_read, .writable = call_write, .failed = call_failed},
        .user = call,
    };
    ERROR(err);
    if (http_client_start(f->client, &options, &call->request, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    call_write(call);
}

static void finish(struct fixture *f, struct call *call)
{
    while (!call->done)
        loop_turn(f->loop, true);
}

static void answer_all(struct fixture *f)
{
    while (f->waiting_count > 0) {
        struct http_exchange *exchange = f->waiting[--f->waiting_count];
        CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, 5), 0);
        CHECK_INT(http_exchange_write(exchange, STR("hello")), 0);
        CHECK_INT(http_exchange_finish(exchange, NULL, 0), 0);
    }
}

TEST(client_h2_shares_one_connection)
{
    struct fixture f;
    struct call calls[CALLS] = {0};
    setup(&f, false);
    start(&f, &calls[0], "GET", 0);
    while (f.waiting_count < 1)
        loop_turn(f.loop, true);
    for (size_t i = 1; i < CALLS; i++)
        start(&f, &calls[i], "GET", 0);
    while (f.waiting_count < CALLS)
        loop_turn(f.loop, true);
    CHECK_INT(http_server_counts(f.server).connections, 1);
    CHECK_INT(http_server_counts(f.server).exchanges, CALLS);
    answer_all(&f);
    for (size_t i = 0; i < CALLS; i++) {
        finish(&f, &calls[i]);
        CHECK_INT(http_client_status(calls[i].request), 200);
        CHECK_INT(calls[i].received, 5);
        http_client_request_free(calls[i].request);
    }
    teardown(&f);
}

TEST(client_h2_bodies_in_both_directions_and_trailers)
{
    struct fixture f;
    size_t count = 0;
    setup(&f, false);
    for (int i = 0; i < 2; i++) {
        struct call call = {.to_send = UPLOAD_BYTES};
        start(&f, &call, "POST", i ? -1 : (int64_t)UPLOAD_BYTES);
        finish(&f, &call);
        CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
        CHECK_INT(call.received, UPLOAD_BYTES);
        const struct http_field *trailers = http_client_trailers(call.request, &count);
        CHECK_INT(count, 1);
        CHECK_STR(trailers[0].name, "x-done");
        http_client_request_free(call.request);
    }
    teardown(&f);
}

TEST(client_h2_slow_reader_does_not_hold_others_up)
{
    struct fixture f;
    struct call slow = {.to_send = UPLOAD_BYTES, .pauses = 1}, fast = {.to_send = UPLOAD_BYTES};
    setup(&f, false);
    start(&f, &slow, "POST", -1);
    start(&f, &fast, "POST", -1);
    finish(&f, &fast);
    CHECK_INT(fast.received, UPLOAD_BYTES);
    CHECK(slow.to_send > 0); // its echo stopped, and so the sender
    slow.pauses = 0;
    call_read(&slow);
    finish(&f, &slow);
    CHECK_INT(slow.received, UPLOAD_BYTES);
    http_client_request_free(slow.request);
    http_client_request_free(fast.request);
    teardown(&f);
}

TEST(client_tells_the_alert_of_tls)
{
    struct fixture f;
    struct call call = {0};
    setup(&f, true);
    start(&f, &call, "GET", 0);
    finish(&f, &call);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_TLS_ALERT);
    CHECK_INT(http_client_tls_alert(call.request), 116); // certificate_required
    http_client_request_free(call.request);
    teardown(&f);
}

TEST(client_h2_sends_trailers)
{
    static const struct http_field sum = {STR_INIT("X-Sum"), STR_INIT("42")};
    struct fixture f;
    setup(&f, false);
    last_trailer[0] = 0;
    struct call call = {0};
    start(&f, &call, "POST", -1);
    CHECK_INT(http_client_write(call.request, STR("body")), 0);
    CHECK_INT(http_client_write_trailers(call.request, &sum, 1), 0);
    CHECK_INT(http_client_write_end(call.request), 0);
    finish(&f, &call);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
    CHECK_INT(call.received, 4);
    CHECK_TEXT(last_trailer, "x-sum: 42");
    http_client_request_free(call.request);
    teardown(&f);
}

// What was cut is told; others on the connection go on.
TEST(client_h2_one_stream_is_cut)
{
    struct fixture f;
    struct call cut = {0}, whole = {0};
    setup(&f, false);
    start(&f, &cut, "GET", 0);
    while (f.waiting_count < 1)
        loop_turn(f.loop, true);
    struct http_exchange *exchange = f.waiting[0];
    start(&f, &whole, "GET", 0);
    while (f.waiting_count < 2)
        loop_turn(f.loop, true);
    CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, -1), 0);
    CHECK_INT(http_exchange_write(exchange, STR("half")), 0);
    while (cut.received < 4)
        loop_turn(f.loop, true);
    http_exchange_abort(exchange, 500);
    finish(&f, &cut);
    CHECK_INT(http_client_request_failure(cut.request), HTTP_FAILURE_RESPONSE_INCOMPLETE);
    f.waiting[0] = f.waiting[1];
    f.waiting_count = 1;
    answer_all(&f);
    finish(&f, &whole);
    CHECK_INT(http_client_request_failure(whole.request), HTTP_FAILURE_NONE);
    CHECK_INT(whole.received, 5);
    http_client_request_free(cut.request);
    http_client_request_free(whole.request);
    teardown(&f);
}

// Each step of a request's life, with others on the connection.
TEST(client_h2_can_be_cancelled_at_each_step)
{
    struct fixture f;
    setup(&f, false);
    for (int turns = 0; turns < 30; turns++) {
        struct call given_up = {.to_send = UPLOAD_BYTES}, stays = {.to_send = 100000};
        start(&f, &given_up, "POST", -1);
        start(&f, &stays, "POST", -1);
        for (int turn = 0; turn < turns; turn++)
            loop_turn(f.loop, false);
        http_client_request_free(given_up.request);
        finish(&f, &stays);
        CHECK_INT(stays.received, 100000);
        http_client_request_free(stays.request);
    }
    teardown(&f);
}

static void drained(void *user)
{
    *(bool *)user = true;
}

// GOAWAY: what runs ends, what comes later gets a connection of its own.
TEST(client_h2_server_drains)
{
    struct fixture f;
    struct call call = {0}, next = {0};
    bool is_drained = false;
    setup(&f, false);
    start(&f, &call, "GET", 0);
    while (f.waiting_count < 1)
        loop_turn(f.loop, true);
    http_server_drain(f.server, 2000, drained, &is_drained);
    for (int turn = 0; turn < 50; turn++) {
        loop_turn(f.loop, false);
        usleep(1000);
    }
    start(&f, &next, "GET", 0);
    finish(&f, &next); // nobody listens any more
    CHECK_INT(http_client_request_failure(next.request), HTTP_FAILURE_CONNECTION_REFUSED);
    answer_all(&f);
    finish(&f, &call);
    CHECK_INT(call.received, 5);
    while (!is_drained)
        loop_turn(f.loop, true);
    http_client_request_free(call.request);
    http_client_request_free(next.request);
    teardown(&f);
}

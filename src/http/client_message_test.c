// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 as other servers speak it, and which connections are used again.
#include <errno.h>

#include "base/buf.h"
#include "http/client.h"
#include "http/client_test_server.h"
#include "testing/test.h"

struct fixture {
    struct test_server server;
    struct loop *loop;
    struct http_client *client;
};

static void setup(struct fixture *f)
{
    ERROR(err);
    test_server_start(&f->server);
    CHECK_INT(loop_new(&f->loop, &err), 0);
    f->client = http_client_new(f->loop, NULL);
}

static void teardown(struct fixture *f)
{
    http_client_free(f->client);
    loop_free(f->loop);
    test_server_stop(&f->server);
}

struct call {
    struct http_client_request *request;
    char body[64];
    size_t len;
    bool done;
};

static void on_readable(void *user)
{
    struct call *call = user;
    struct str part;
    ssize_t rc;
    while ((rc = http_client_read(call->request, &part)) > 0) {
        size_t len = MIN(part.len, sizeof(call->body) - 1 - call->len);
        memcpy(call->body + call->len, part.data, len);
        call->len += len;
        http_client_consume(call->request, part.len);
    }
    call->done = rc != -EAGAIN;
}

static void on_failed(void *user)
{
    ((struct call *)user)->done = true;
}

static void ask(struct fixture *f, struct call *call, const char *path,
                struct http_client_request_options options, const char *body)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", f->server.port, path);
    *call = (struct call){0};
    options.url = str_from(url);
    options.method = body ? STR("POST") : STR("GET");
    options.content_length = body ? (int64_t)strlen(body) : 0;
    options.events = (struct http_client_events){.readable = on_readable, .failed = on_failed};
    options.user = call;
    ERROR(err);
    if (http_client_start(f->client, &options, &call->request, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    if (body)
        CHECK_INT(http_client_write(call->request, str_from(body)), 0);
    while (!call->done)
        loop_turn(f->loop, true);
}

TEST(client_reads_what_other_servers_send)
{
    static const struct {
        const char *path;
        bool is_kept;
    } cases[] = {
        {"/folded", true},      {"/bare-lf", true}, {"/keep-10", true},  {"/close-10", false},
        {"/says-close", false}, {"/both", false},   {"/surplus", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct call call;
        size_t count;
        setup(&f);
        for (int round = 0; round < 2; round++) {
            ask(&f, &call, cases[i].path, (struct http_client_request_options){0}, NULL);
            CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
            CHECK_INT(http_client_status(call.request), 200);
            CHECK_TEXT(call.body, "ok");
            const struct http_field *fields = http_client_fields(call.request, &count);
            CHECK_STR(fields[0].name, "x-long");
            CHECK_STR(fields[0].value, "a b c");
            bool has_length = http_field_find(fields, count, STR("content-length"));
            CHECK_INT(has_length, strcmp(cases[i].path, "/both") != 0);
            http_client_request_free(call.request);
        }
        size_t want = cases[i].is_kept ? 1 : 2;
        count = test_server_connections(&f.server, want);
        if (count != want)
            test_fail(__FILE__, __LINE__, "%s: %zu connections", cases[i].path, count);
        teardown(&f);
    }
}

TEST(client_refuses_codings_that_it_did_not_ask_for)
{
    struct fixture f;
    struct call call;
    setup(&f);
    ask(&f, &call, "/coding", (struct http_client_request_options){0}, NULL);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_TRANSFER_CODING);
    http_client_request_free(call.request);
    teardown(&f);
}

TEST(client_asks_before_it_sends_its_body)
{
    static const struct http_field expect = {STR_INIT("Expect"), STR_INIT("100-continue")};
    static const struct {
        const char *path;
        unsigned status;
        const char *body;
    } cases[] = {
        {"/expect/now", 200, "hello"}, {"/expect/never", 200, "hello"}, {"/expect/no", 417, "no"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct call call;
        setup(&f);
        ask(&f, &call, cases[i].path,
            (struct http_client_request_options){.fields = &expect, .field_count = 1}, "hello");
        CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
        CHECK_INT(http_client_status(call.request), cases[i].status);
        CHECK_TEXT(call.body, cases[i].body);
        http_client_request_free(call.request);
        teardown(&f);
    }
}

// Names are looked up once for all who ask at the same time; each address is tried in turn.
TEST(client_looks_names_up)
{
    struct fixture f;
    struct call calls[8] = {0};
    char url[64];
    setup(&f);
    snprintf(url, sizeof(url), "http://localhost:%u/hello", f.server.port);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const struct http_client_request_options options = {
            .method = STR("GET"),
            .url = str_from(url),
            .events = {.readable = on_readable, .failed = on_failed},
            .user = &calls[i]};
        CHECK_INT(http_client_start(f.client, &options, &calls[i].request, NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        while (!calls[i].done)
            loop_turn(f.loop, true);
        CHECK_INT(http_client_request_failure(calls[i].request), HTTP_FAILURE_NONE);
        CHECK_TEXT(calls[i].body, "hello");
        http_client_request_free(calls[i].request);
    }
    teardown(&f);
}

// All wait for one connection, and each gets its turn.
TEST(client_serves_those_who_wait_in_order)
{
    struct fixture f;
    struct call calls[20] = {0};
    char url[64];
    setup(&f);
    http_client_free(f.client);
    f.client = http_client_new(
        f.loop, &(struct http_client_options){.connections_max = 1, .host_connections_max = 1});
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/hello", f.server.port);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const struct http_client_request_options options = {
            .method = STR("GET"),
            .url = str_from(url),
            .events = {.readable = on_readable, .failed = on_failed},
            .user = &calls[i]};
        CHECK_INT(http_client_start(f.client, &options, &calls[i].request, NULL), 0);
    }
    // One that gives up while it waits harms nobody.
    http_client_request_free(TAKE(calls[7].request));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (!calls[i].request)
            continue;
        while (!calls[i].done)
            loop_turn(f.loop, true);
        CHECK(i == 0 || i == 8 || calls[i - 1].done);
        CHECK_TEXT(calls[i].body, "hello");
        http_client_request_free(calls[i].request);
    }
    CHECK_INT(test_server_connections(&f.server, 1), 1);
    teardown(&f);
}

// At the limit of all connections, an idle one to another host makes room.
TEST(client_makes_room_for_other_hosts)
{
    struct fixture f;
    struct test_server other;
    struct call call;
    setup(&f);
    test_server_start(&other);
    http_client_free(f.client);
    f.client = http_client_new(f.loop, &(struct http_client_options){.connections_max = 1});
    const uint16_t port = f.server.port;
    for (int i = 0; i < 4; i++) {
        f.server.port = i % 2 ? other.port : port;
        ask(&f, &call, "/hello", (struct http_client_request_options){0}, NULL);
        CHECK_TEXT(call.body, "hello");
        http_client_request_free(call.request);
    }
    CHECK_INT(test_server_connections(&f.server, 2), 2);
    teardown(&f);
    test_server_stop(&other);
}

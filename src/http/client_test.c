// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <errno.h>
#include <sched.h>

#include "base/buf.h"
#include "http/client_test_server.h"
#include "testing/test.h"

#define ECHO_BYTES ((size_t)10 * 1024 * 1024)

struct fixture {
    struct test_server server;
    struct loop *loop;
    struct http_client *client;
};

static void setup_with(struct fixture *f, const struct http_client_options *options)
{
    test_server_start(&f->server);
    ERROR(err);
    if (loop_new(&f->loop, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    f->client = http_client_new(f->loop, options);
}

static void setup(struct fixture *f)
{
    setup_with(f, NULL);
}

static void teardown(struct fixture *f)
{
    http_client_free(f->client);
    loop_free(f->loop);
    test_server_stop(&f->server);
}

// One request whose response is read to its end.
struct call {
    struct http_client_request *request;
    struct buf body;
    size_t to_send; // bytes of the upload still to write
    size_t sent;
    unsigned heads, reads, fails;
    ssize_t end; // what the last read said
    bool done;
    bool slow; // reads only when told
};

static char pattern(size_t index)
{
    return (char)('a' + index % 23);
}

static void call_write(void *user)
{
    struct call *call = user;
    char part[8192];
    while (call->to_send > 0) {
        size_t len = MIN(http_client_write_budget(call->request), sizeof(part));
        len = MIN(len, call->to_send);
        if (len == 0)
            return;
        for (size_t i = 0; i < len; i++)
            part[i] = pattern(call->sent + i);
        if (http_client_write(call->request, str_of(part, len)) < 0)
            return;
        call->sent += len;
        call->to_send -= len;
        if (call->to_send == 0)
            (void)!http_client_write_end(call->request);
    }
}

static void call_read(void *user)
{
    struct call *call = user;
    struct str part;
    call->reads++;
    if (call->slow)
        return;
    while ((call->end = http_client_read(call->request, &part)) > 0) {
        if (buf_add(&call->body, part.data, part.len) < 0)
            abort();
        http_client_consume(call->request, part.len);
    }
    call->done = call->end != -EAGAIN;
}

static void call_head(void *user)
{
    ((struct call *)user)->heads++;
}

static void call_failed(void *user)
{
    struct call *call = user;
    call->fails++;
    call->done = true;
}

static const struct http_client_events call_events = {
    .head = call_head, .readable = call_read, .writable = call_write, .failed = call_failed};

static void start(struct fixture *f, struct call *call, const char *path,
                  struct http_client_request_options options)
{
    char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", f->server.port, path);
    call->body = BUF_INIT(ECHO_BYTES * 2);
    options.url = str_from(url);
    if (options.method.len == 0)
        options.method = STR("GET");
    options.events = call_events;
    options.user = call;
    ERROR(err);
    if (http_client_start(f->client, &options, &call->request, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static void run_until_done(struct fixture *f, struct call *call)
{
    while (!call->done)
        loop_turn(f->loop, true);
}

static void call_done(struct call *call)
{
    http_client_request_free(call->request);
    buf_done(&call->body);
}

TEST(client_get_reads_head_and_body)
{
    struct fixture f;
    setup(&f);
    struct call call = {0};
    start(&f, &call, "/hello", (struct http_client_request_options){0});
    CHECK_INT(call.heads, 0); // never from inside the starting call
    run_until_done(&f, &call);
    CHECK_INT(call.heads, 1);
    CHECK_INT(call.fails, 0);
    CHECK_INT(http_client_status(call.request), 200);
    size_t count;
    const struct http_field *fields = http_client_fields(call.request, &count);
    CHECK_INT(count, 3); // not those of 103, not connection
    CHECK_STR(fields[0].name, "x-test");
    CHECK_STR(fields[0].value, "a b");
    CHECK_STR(fields[1].value, "c");
    CHECK_STR(fields[2].name, "content-length");
    CHECK_STR(buf_str(&call.body), "hello");
    CHECK_INT(call.end, 0);
    call_done(&call);
    teardown(&f);
}

TEST(client_sends_what_it_is_given_and_no_more)
{
    struct fixture f;
    setup(&f);
    struct call call = {0};
    struct http_field fields[] = {{STR_INIT("X-One"), STR_INIT("1")},
                                  {STR_INIT("x-empty"), STR_INIT("")},
                                  {STR_INIT("connection"), STR_INIT("close")},
                                  {STR_INIT("te"), STR_INIT("trailers")}};
    start(&f, &call, "/mirror/../a?b=%20{}",
          (struct http_client_request_options){
              .method = STR("pUrge"), .fields = fields, .field_count = ARRAY_LEN(fields)});
    run_until_done(&f, &call);
    char want[256];
    snprintf(want, sizeof(want),
             "pUrge /mirror/../a?b=%%20{} HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-One: 1\r\n"
             "x-empty:\r\nte: trailers\r\n\r\n",
             f.server.port);
    CHECK_STR(buf_str(&call.body), want);
    call_done(&call);
    teardown(&f);
}

TEST(client_announces_an_empty_body_only_where_one_is_expected)
{
    struct fixture f;
    setup(&f);
    struct call post = {0}, options = {0};
    start(&f, &post, "/mirror", (struct http_client_request_options){.method = STR("POST")});
    run_until_done(&f, &post);
    CHECK(str_find(buf_str(&post.body), STR("Content-Length: 0\r\n")) > 0);
    start(&f, &options, "/mirror", (struct http_client_request_options){.method = STR("DELETE")});
    run_until_done(&f, &options);
    CHECK(str_find(buf_str(&options.body), STR("ontent-")) < 0);
    call_done(&post);
    call_done(&options);
    teardown(&f);
}

TEST(client_streams_both_ways_with_back_pressure)
{
    struct fixture f;
    setup(&f);
    struct call call = {.to_send = ECHO_BYTES};
    start(&f, &call, "/echo",
          (struct http_client_request_options){.method = STR("POST"), .content_length = -1});
    call_write(&call);
    CHECK(call.sent <= HTTP_CLIENT_BUFFER_BYTES);
    CHECK_INT(http_client_write_budget(call.request), 0);
    CHECK_INT(http_client_write(call.request, STR("x")), -ENOBUFS);
    // Nobody reads: everything between us and the server fills up and stands still.
    call.slow = true;
    while (call.reads == 0)
        loop_turn(f.loop, true);
    for (int i = 0; i < 300; i++) {
        loop_turn(f.loop, false);
        usleep(1000);
    }
    CHECK(call.to_send > 0);
    struct str part;
    CHECK(http_client_read(call.request, &part) > 0);
    CHECK(part.len <= HTTP_CLIENT_BUFFER_BYTES);
    call.slow = false;
    call_read(&call);
    run_until_done(&f, &call);
    CHECK_INT(call.end, 0);
    CHECK_INT(call.body.len, ECHO_BYTES);
    for (size_t i = 0; i < ECHO_BYTES; i++)
        CHECK(call.body.data[i] == pattern(i));
    call_done(&call);
    teardown(&f);
}

TEST(client_reads_trailers)
{
    struct fixture f;
    setup(&f);
    struct call call = {0};
    start(&f, &call, "/trailers", (struct http_client_request_options){0});
    run_until_done(&f, &call);
    CHECK_STR(buf_str(&call.body), "abc");
    size_t count;
    const struct http_field *trailers = http_client_trailers(call.request, &count);
    CHECK_INT(count, 1);
    CHECK_STR(trailers[0].name, "x-sum");
    CHECK_STR(trailers[0].value, "42");
    call_done(&call);
    teardown(&f);
}

TEST(client_bodies_that_end_in_other_ways)
{
    struct fixture f;
    setup(&f);
    static const struct {
        const char *path, *method, *body;
        unsigned status;
    } cases[] = {
        {"/head", "HEAD", "", 200},
        {"/empty", "GET", "", 204},
        {"/redirect", "GET", "", 302},
        {"/until-close", "GET", "all of it", 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call call = {0};
        start(&f, &call, cases[i].path,
              (struct http_client_request_options){.method = str_from(cases[i].method)});
        run_until_done(&f, &call);
        CHECK_INT(call.end, 0);
        CHECK_INT(http_client_status(call.request), cases[i].status);
        CHECK_STR(buf_str(&call.body), cases[i].body);
        call_done(&call);
    }
    teardown(&f);
}

TEST(client_reuses_a_connection)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 5; i++) {
        struct call call = {0};
        start(&f, &call, i % 2 ? "/trailers" : "/hello", (struct http_client_request_options){0});
        run_until_done(&f, &call);
        CHECK_INT(call.end, 0);
        call_done(&call);
    }
    CHECK_INT(test_server_connections(&f.server, 1), 1);
    teardown(&f);
}

// Leaves a connection in the pool that the server has reset already.
static void pool_dead_connection(struct fixture *f)
{
    struct call call = {0};
    unsigned resets = test_server_resets;
    start(f, &call, "/reset", (struct http_client_request_options){0});
    run_until_done(f, &call);
    CHECK_INT(call.end, 0);
    call_done(&call);
    while (test_server_resets == resets)
        sched_yield();
}

TEST(client_repeats_what_a_dead_connection_did_not_take)
{
    struct fixture f;
    setup(&f);
    for (int turns = 1; turns < 5; turns++) { // in which the body has not come yet
        struct call call = {0};
        pool_dead_connection(&f);
        start(&f, &call, "/echo",
              (struct http_client_request_options){.method = STR("PUT"), .content_length = -1});
        for (int turn = 0; turn < turns; turn++)
            loop_turn(f.loop, false);
        CHECK_INT(http_client_write(call.request, STR("late")), 0);
        CHECK_INT(http_client_write_end(call.request), 0);
        run_until_done(&f, &call);
        CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
        CHECK_STR(buf_str(&call.body), "late");
        call_done(&call);
    }
    teardown(&f);
}

TEST(client_names_each_failure)
{
    struct fixture f;
    setup(&f);
    static const struct {
        const char *path;
        enum http_client_failure failure;
        bool has_head;
    } cases[] = {
        {"/cut", HTTP_FAILURE_RESPONSE_INCOMPLETE, true},
        {"/cut-chunk", HTTP_FAILURE_RESPONSE_INCOMPLETE, true},
        {"/cut-head", HTTP_FAILURE_RESPONSE_INCOMPLETE, false},
        {"/close", HTTP_FAILURE_CONNECTION_TERMINATED, false},
        {"/bad-chunk", HTTP_FAILURE_PROTOCOL, true},
        {"/garbage", HTTP_FAILURE_PROTOCOL, false},
        {"/bad-name", HTTP_FAILURE_PROTOCOL, false},
        {"/lengths", HTTP_FAILURE_PROTOCOL, false},
        {"/upgrade", HTTP_FAILURE_PROTOCOL, false},
        {"/big-head", HTTP_FAILURE_RESPONSE_HEADERS_SIZE, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call call = {0};
        start(&f, &call, cases[i].path, (struct http_client_request_options){0});
        run_until_done(&f, &call);
        if (http_client_request_failure(call.request) != cases[i].failure ||
            call.heads != cases[i].has_head || call.fails == cases[i].has_head)
            test_fail(__FILE__, __LINE__, "%s: failure %d (%s), %u heads", cases[i].path,
                      http_client_request_failure(call.request),
                      http_client_failure_text(call.request), call.heads);
        if (cases[i].has_head)
            CHECK_INT(call.end, -EIO);
        if (strcmp(cases[i].path, "/cut") == 0)
            CHECK_STR(buf_str(&call.body), "half");
        call_done(&call);
    }
    teardown(&f);
}

TEST(client_reads_an_answer_that_comes_before_the_end_of_its_own_body)
{
    static const char *const paths[] = {"/early-refusal", "/early-answer"};
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct call call = {0};
        start(&f, &call, paths[i],
              (struct http_client_request_options){.method = STR("POST"), .content_length = -1});
        CHECK_INT(http_client_write(call.request, STR("begin")), 0);
        run_until_done(&f, &call);
        CHECK_INT(call.end, 0);
        CHECK_INT(call.fails, 0);
        CHECK_INT(http_client_status(call.request), i == 0 ? 413 : 200);
        CHECK_STR(buf_str(&call.body), i == 0 ? "full" : "ok");
        // The rest is taken or refused, but never waited for without an end.
        int rc = http_client_write(call.request, STR("more"));
        CHECK(rc == 0 || rc == -EPIPE);
        rc = http_client_write_end(call.request);
        CHECK(rc == 0 || rc == -EPIPE);
        for (int turn = 0; turn < 10; turn++)
            loop_turn(f.loop, false);
        CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
        call_done(&call);
    }
    teardown(&f);
}

TEST(client_refused_port)
{
    struct fixture f;
    setup(&f);
    uint16_t port = f.server.port;
    close(test_listen_somewhere(&f.server.port));
    struct call call = {0};
    start(&f, &call, "/", (struct http_client_request_options){0});
    f.server.port = port;
    run_until_done(&f, &call);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_CONNECTION_REFUSED);
    CHECK_INT(http_client_write(call.request, STR("x")), -EPIPE);
    CHECK(http_client_write_budget(call.request) > 0);
    call_done(&call);
    teardown(&f);
}

TEST(client_timeouts)
{
    struct fixture f;
    setup(&f);
    struct call silent = {0}, stall = {0};
    start(&f, &silent, "/silent",
          (struct http_client_request_options){.first_byte_timeout_ms = 60});
    run_until_done(&f, &silent);
    CHECK_INT(silent.fails, 1);
    CHECK_INT(http_client_request_failure(silent.request), HTTP_FAILURE_READ_TIMEOUT);
    start(&f, &stall, "/stall",
          (struct http_client_request_options){.between_bytes_timeout_ms = 60});
    run_until_done(&f, &stall);
    CHECK_INT(stall.end, -EIO);
    CHECK_STR(buf_str(&stall.body), "half");
    CHECK_INT(http_client_request_failure(stall.request), HTTP_FAILURE_READ_TIMEOUT);
    call_done(&silent);
    call_done(&stall);
    teardown(&f);
}

TEST(client_write_timeout)
{
    struct fixture f;
    setup(&f);
    struct call call = {.to_send = ECHO_BYTES, .slow = true};
    // "/deaf" reads nothing more, so the body fills the kernel's buffers and then ours.
    start(&f, &call, "/deaf",
          (struct http_client_request_options){
              .method = STR("PUT"), .content_length = -1, .first_byte_timeout_ms = 200});
    call_write(&call);
    run_until_done(&f, &call);
    CHECK_INT(call.fails, 1);
    CHECK(call.to_send > 0);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_WRITE_TIMEOUT);
    call_done(&call);
    teardown(&f);
}

TEST(client_waits_for_a_free_connection_no_longer_than_its_timeout)
{
    struct fixture f;
    setup_with(&f, &(struct http_client_options){.host_connections_max = 1});
    struct call first = {0}, second = {0};
    start(&f, &first, "/silent", (struct http_client_request_options){0});
    while (__atomic_load_n(&f.server.count, __ATOMIC_ACQUIRE) == 0)
        loop_turn(f.loop, false);
    start(&f, &second, "/hello", (struct http_client_request_options){.connect_timeout_ms = 60});
    run_until_done(&f, &second);
    CHECK_INT(http_client_request_failure(second.request), HTTP_FAILURE_CONNECTION_TIMEOUT);
    call_done(&first);
    call_done(&second);
    teardown(&f);
}

TEST(client_does_not_blame_the_server_for_a_slow_reader_or_writer)
{
    struct fixture f;
    setup(&f);
    struct call call = {.to_send = ECHO_BYTES / 10, .slow = true};
    start(&f, &call, "/echo",
          (struct http_client_request_options){.method = STR("POST"),
                                               .content_length = -1,
                                               .first_byte_timeout_ms = 100,
                                               .between_bytes_timeout_ms = 100});
    for (int i = 0; i < 300; i++) { // nothing is written yet
        loop_turn(f.loop, false);
        usleep(1000);
    }
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
    call_write(&call);
    for (int i = 0; i < 300; i++) { // nothing is read
        loop_turn(f.loop, false);
        usleep(1000);
    }
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_NONE);
    call.slow = false;
    call_read(&call);
    run_until_done(&f, &call);
    CHECK_INT(call.end, 0);
    CHECK_INT(call.body.len, ECHO_BYTES / 10);
    call_done(&call);
    teardown(&f);
}

TEST(client_holds_the_caller_to_its_content_length)
{
    struct fixture f;
    setup(&f);
    struct call call = {0};
    start(&f, &call, "/silent",
          (struct http_client_request_options){.method = STR("POST"), .content_length = 5});
    CHECK_INT(http_client_write(call.request, STR("123456")), -EMSGSIZE);
    CHECK_INT(http_client_write(call.request, STR("123")), 0);
    CHECK_INT(http_client_write_end(call.request), -EMSGSIZE);
    run_until_done(&f, &call);
    CHECK_INT(call.fails, 1);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_INTERNAL);
    call_done(&call);
    teardown(&f);
}

TEST(client_refuses_bad_requests_at_once)
{
    struct fixture f;
    setup(&f);
    struct http_field bad_name = {STR_INIT("a b"), STR_INIT("x")};
    struct http_field bad_value = {STR_INIT("a"), STR_INIT("x\r\nb: y")};
    const struct {
        struct http_client_request_options options;
        const char *reason;
    } cases[] = {
        {{.method = STR("GET"), .url = STR("ftp://h/")}, "neither http nor https"},
        {{.method = STR("GET"), .url = STR("http://h/a b")}, "path"},
        {{.method = STR("G T"), .url = STR("http://h/")}, "invalid method"},
        {{.method = STR("CONNECT"), .url = STR("http://h/")}, "CONNECT"},
        {{.method = STR("HEAD"), .url = STR("http://h/"), .content_length = 3}, "HEAD"},
        {{.method = STR("GET"), .url = STR("http://h/"), .fields = &bad_name, .field_count = 1},
         "field name"},
        {{.method = STR("GET"), .url = STR("http://h/"), .fields = &bad_value, .field_count = 1},
         "value of field"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_client_request *request;
        ERROR(err);
        CHECK_INT(http_client_start(f.client, &cases[i].options, &request, &err), -EINVAL);
        CHECK_CONTAINS(error_text(&err), cases[i].reason);
    }
    teardown(&f);
}

// Frees the request after each number of turns, so at each step of its life.
TEST(client_can_be_cancelled_at_each_step)
{
    static const char *const paths[] = {"/hello", "/silent", "/stall", "/cut", "/echo"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct fixture f;
        setup(&f);
        for (int turns = 0; turns < 12; turns++) {
            struct call call = {.to_send = 100000};
            bool is_echo = strcmp(paths[i], "/echo") == 0;
            start(&f, &call, paths[i],
                  (struct http_client_request_options){.method = is_echo ? STR("POST") : STR("GET"),
                                                       .content_length = is_echo ? -1 : 0});
            if (is_echo)
                call_write(&call);
            for (int turn = 0; turn < turns; turn++) {
                loop_turn(f.loop, false);
                usleep(200);
            }
            call_done(&call);
        }
        teardown(&f);
    }
}

static void free_in_event(void *user)
{
    struct call *call = user;
    http_client_request_free(TAKE(call->request));
    call->done = true;
}

TEST(client_request_may_be_freed_in_its_own_event)
{
    struct fixture f;
    setup(&f);
    static const char *const paths[] = {"/hello", "/close", "/echo"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char url[64];
        snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", f.server.port, paths[i]);
        struct call call = {0};
        struct http_client_request_options options = {
            .method = STR("POST"),
            .url = str_from(url),
            .content_length = i == 2 ? -1 : 0,
            .events = {free_in_event, free_in_event, free_in_event, free_in_event},
            .user = &call};
        CHECK_INT(http_client_start(f.client, &options, &call.request, NULL), 0);
        if (i == 2)
            CHECK_INT(http_client_write(call.request, STR("x")), 0);
        run_until_done(&f, &call);
    }
    teardown(&f);
}

TEST(client_cancels_a_name_look_up_without_waiting)
{
    struct fixture f;
    setup(&f);
    for (int turns = 0; turns < 4; turns++) {
        struct call call = {.body = BUF_INIT(1)};
        struct http_client_request_options options = {.method = STR("GET"),
                                                      .url = STR("http://nowhere.invalid/"),
                                                      .events = call_events,
                                                      .user = &call};
        CHECK_INT(http_client_start(f.client, &options, &call.request, NULL), 0);
        for (int turn = 0; turn < turns; turn++)
            loop_turn(f.loop, false);
        call_done(&call);
    }
    teardown(&f);
}

TEST(client_unknown_name)
{
    struct fixture f;
    setup(&f);
    struct call call = {.body = BUF_INIT(1)};
    struct http_client_request_options options = {.method = STR("GET"),
                                                  .url = STR("http://nowhere.invalid/"),
                                                  .events = call_events,
                                                  .connect_timeout_ms = 3000,
                                                  .user = &call};
    CHECK_INT(http_client_start(f.client, &options, &call.request, NULL), 0);
    run_until_done(&f, &call);
    // Without a name server in reach the look-up may time out instead.
    enum http_client_failure failure = http_client_request_failure(call.request);
    CHECK(failure == HTTP_FAILURE_DNS_ERROR || failure == HTTP_FAILURE_DNS_TIMEOUT);
    call_done(&call);
    teardown(&f);
}

// ---- which addresses may be used ----------------------------------------------------------------

struct policy {
    bool refuse_four, refuse_all;
    unsigned asked;
    char host[32];
};

static bool policy_permits(void *user, const struct http_client_peer *peer)
{
    struct policy *policy = user;
    policy->asked++;
    snprintf(policy->host, sizeof(policy->host), "%.*s://%.*s", STR_ARG(peer->scheme),
             STR_ARG(peer->host));
    return !policy->refuse_all &&
           !(policy->refuse_four && peer->address->storage.ss_family == AF_INET);
}

static enum http_client_failure get_with(struct fixture *f, struct policy *policy)
{
    struct call call = {0};
    start(f, &call, "/hello",
          (struct http_client_request_options){.permits = policy_permits, .permits_user = policy});
    run_until_done(f, &call);
    enum http_client_failure failure = http_client_request_failure(call.request);
    CHECK_STR(buf_str(&call.body), failure == HTTP_FAILURE_NONE ? "hello" : "");
    call_done(&call);
    return failure;
}

TEST(client_connects_only_to_permitted_addresses)
{
    struct fixture f;
    struct policy policy = {.refuse_all = true};
    setup(&f);
    CHECK_INT(get_with(&f, &policy), HTTP_FAILURE_ADDRESS_PROHIBITED);
    CHECK_INT(policy.asked, 1);
    CHECK_TEXT(policy.host, "http://127.0.0.1");
    CHECK_INT(f.server.count, 0);
    teardown(&f);
}

TEST(client_asks_again_before_it_reuses_a_connection)
{
    struct fixture f;
    struct policy free_one = {0}, strict = {.refuse_four = true};
    setup(&f);
    CHECK_INT(get_with(&f, &free_one), HTTP_FAILURE_NONE);
    CHECK_INT(get_with(&f, &strict), HTTP_FAILURE_ADDRESS_PROHIBITED);
    CHECK(strict.asked > 0);
    CHECK_INT(get_with(&f, &free_one), HTTP_FAILURE_NONE);
    teardown(&f);
}

TEST(client_waits_a_bounded_time_for_a_connection)
{
    struct fixture f;
    struct call first = {0}, second = {0};
    setup_with(&f,
               &(struct http_client_options){.host_connections_max = 1, .connection_wait_ms = 50});
    start(&f, &first, "/silent", (struct http_client_request_options){0});
    start(&f, &second, "/hello", (struct http_client_request_options){0});
    run_until_done(&f, &second);
    CHECK_INT(http_client_request_failure(second.request), HTTP_FAILURE_CONNECTION_LIMIT);
    CHECK(!first.done);
    call_done(&second);
    call_done(&first);
    teardown(&f);
}

// ---- trailers of the request --------------------------------------------------------------------

TEST(client_sends_trailers)
{
    static const struct http_field fields[] = {
        {STR_INIT("x-sum"), STR_INIT("42")},
        {STR_INIT("Content-Length"), STR_INIT("7")}, // may not stand here
        {STR_INIT("x-empty"), STR_INIT("")},
    };
    struct fixture f;
    struct call call = {0};
    size_t count;
    setup(&f);
    start(&f, &call, "/echo",
          (struct http_client_request_options){.method = STR("POST"), .content_length = -1});
    CHECK_INT(http_client_write(call.request, STR("body")), 0);
    CHECK_INT(http_client_write_trailers(call.request, fields, ARRAY_LEN(fields)), 0);
    CHECK_INT(http_client_write_end(call.request), 0);
    run_until_done(&f, &call);
    CHECK_STR(buf_str(&call.body), "body");
    const struct http_field *got = http_client_trailers(call.request, &count);
    CHECK_INT(count, 2);
    CHECK_STR(got[0].name, "x-sum");
    CHECK_STR(got[0].value, "42");
    CHECK_STR(got[1].name, "x-empty");
    CHECK_STR(got[1].value, "");
    call_done(&call);
    teardown(&f);
}

TEST(client_refuses_bad_trailers)
{
    struct fixture f;
    struct call call = {0};
    struct http_field bad = {STR("a b"), STR("c")};
    setup(&f);
    start(&f, &call, "/echo",
          (struct http_client_request_options){.method = STR("POST"), .content_length = -1});
    CHECK_INT(http_client_write_trailers(call.request, &bad, 1), -EINVAL);
    bad = (struct http_field){STR("a"), STR("b\r\nc: d")};
    CHECK_INT(http_client_write_trailers(call.request, &bad, 1), -EINVAL);
    char *big = mem_alloc(HTTP_CLIENT_TRAILER_BYTES_MAX);
    memset(big, 'x', HTTP_CLIENT_TRAILER_BYTES_MAX);
    bad = (struct http_field){STR("a"), str_of(big, HTTP_CLIENT_TRAILER_BYTES_MAX)};
    CHECK_INT(http_client_write_trailers(call.request, &bad, 1), -E2BIG);
    free(big);
    run_until_done(&f, &call);
    CHECK_INT(http_client_request_failure(call.request), HTTP_FAILURE_REQUEST_TRAILERS_SIZE);
    call_done(&call);
    teardown(&f);
}

// ---- idle connections ---------------------------------------------------------------------------

static void get_hello(struct fixture *f)
{
    struct policy policy = {0};
    CHECK_INT(get_with(f, &policy), HTTP_FAILURE_NONE);
}

TEST(client_closes_idle_connections)
{
    struct fixture f;
    setup_with(&f, &(struct http_client_options){.idle_ms = 50});
    get_hello(&f);
    get_hello(&f);
    CHECK_INT(test_server_connections(&f.server, 1), 1);
    uint64_t end = loop_now(f.loop) + (uint64_t)100 * 1000 * 1000;
    while (loop_now(f.loop) < end)
        loop_turn(f.loop, false);
    get_hello(&f);
    CHECK_INT(test_server_connections(&f.server, 2), 2);
    teardown(&f);
}

// SPDX-License-Identifier: Apache-2.0
// A server for conformance and load programs: prints its address, echoes POST and PUT, answers
// everything else with a few bytes. /bytes/N answers with N bytes. gRPC calls get their messages
// back, those of /svc/no a refusal in the head alone. Ends with SIGTERM, drained.
// Usage: h2-serve [ADDRESS [CERTIFICATE KEY]], PEM files: over TLS.
#include <errno.h>
#include <signal.h>

#include "base/buf.h"
#include "http/server.h"
#include "net/tls.h"

struct served {
    struct http_exchange *exchange;
    size_t left; // of /bytes/N
    bool grpc;
};

static struct loop *loop;
static struct http_server *server;

static void on_closed(void *user)
{
    free(user);
}

static void finish(struct served *served)
{
    static const struct http_field ok = {STR_INIT("grpc-status"), STR_INIT("0")};
    size_t count = 1;
    const struct http_field *trailers =
        served->grpc ? &ok : http_exchange_trailers(served->exchange, &count);
    if (http_exchange_finish(served->exchange, trailers, count) < 0)
        http_exchange_abort(served->exchange, 500);
}

static void echo(void *user)
{
    struct served *served = user;
    struct str part;
    for (;;) {
        size_t budget = http_exchange_write_budget(served->exchange);
        if (budget == 0)
            return;
        ssize_t len = http_exchange_read(served->exchange, &part);
        if (len == -EAGAIN)
            return;
        if (len < 0) {
            http_exchange_abort(served->exchange, 400);
            return;
        }
        if (len == 0) {
            finish(served);
            return;
        }
        part = str_sub(part, 0, budget);
        if (http_exchange_write(served->exchange, part) < 0) {
            http_exchange_abort(served->exchange, 500);
            return;
        }
        http_exchange_consume(served->exchange, part.len);
    }
}

static void push(void *user)
{
    static char block[65536];
    struct served *served = user;
    while (served->left > 0) {
        size_t len = http_exchange_write_budget(served->exchange);
        if (len == 0)
            return;
        len = MIN(MIN(len, sizeof(block)), served->left);
        if (http_exchange_write(served->exchange, str_of(block, len)) < 0) {
            http_exchange_abort(served->exchange, 500);
            return;
        }
        served->left -= len;
    }
    finish(served);
}

static void serve_grpc(struct served *served, struct str target)
{
    static const struct http_exchange_events echoes = {echo, echo, on_closed};
    static const struct http_field fields[] = {
        {STR_INIT("content-type"), STR_INIT("application/grpc")},
        {STR_INIT("grpc-status"), STR_INIT("12")},
        {STR_INIT("grpc-message"), STR_INIT("no")}};
    bool refused = str_is(target, "/svc/no");
    served->grpc = true;
    http_exchange_set_events(served->exchange, &echoes, served);
    if (http_exchange_respond(served->exchange, 200, fields, refused ? 3 : 1, -1) < 0)
        http_exchange_abort(served->exchange, 500);
    else if (!refused)
        echo(served);
    else if (http_exchange_finish(served->exchange, NULL, 0) < 0)
        http_exchange_abort(served->exchange, 500);
}

static void on_request(struct http_exchange *exchange, void *user)
{
    static const struct http_field type = {STR_INIT("content-type"), STR_INIT("text/plain")};
    static const struct http_exchange_events echoes = {echo, echo, on_closed};
    static const struct http_exchange_events pushes = {NULL, push, on_closed};
    const struct http_request *request = http_exchange_request(exchange);
    struct served *served = mem_new(struct served);
    served->exchange = exchange;
    const struct http_field *kind =
        http_field_find(request->fields, request->field_count, STR("content-type"));
    if (kind && str_starts(kind->value, STR("application/grpc"))) {
        serve_grpc(served, request->target);
        return;
    }
    bool has_body = str_is(request->method, "POST") || str_is(request->method, "PUT");
    uint64_t bytes = 0;
    http_exchange_set_events(exchange, has_body ? &echoes : &pushes, served);
    if (str_starts(request->target, STR("/bytes/")) &&
        str_to_u64(str_from_index(request->target, 7), UINT32_MAX, &bytes) < 0)
        bytes = 0;
    int64_t length = has_body ? -1 : bytes ? (int64_t)bytes : 13;
    if (http_exchange_respond(exchange, 200, &type, 1, length) < 0) {
        http_exchange_abort(exchange, 500);
        return;
    }
    served->left = bytes;
    if (has_body) {
        echo(served);
    } else if (bytes) {
        push(served);
    } else {
        if (http_exchange_write(exchange, STR("Hello, world\n")) < 0)
            http_exchange_abort(exchange, 500);
        else
            finish(served);
    }
}

static void drained(void *user)
{
    loop_stop(loop);
}

static void on_signal(struct loop_signal *signal, int signum)
{
    http_server_drain(server, 2000, drained, NULL);
}

static int use_tls(struct http_server_options *options, const char *certificate, const char *key,
                   struct error *err)
{
    const struct tls_certificate files = {certificate, key};
    const struct tls_server_options tls = {
        .certificates = &files, .certificate_count = 1, .alpn = HTTP_SERVER_ALPN};
    return tls_server_context_new(&tls, &options->tls, err);
}

int main(int argc, char **argv)
{
    ERROR(err);
    struct loop_signal term;
    struct http_server_options options = {.address = argc > 1 ? argv[1] : "127.0.0.1:0",
                                          .on_request = on_request};
    if ((argc > 3 && use_tls(&options, argv[2], argv[3], &err) < 0) || loop_new(&loop, &err) < 0 ||
        http_server_new(loop, &options, &server, &err) < 0 ||
        loop_signal_init(&term, loop, SIGTERM, on_signal) < 0) {
        fprintf(stderr, "%s\n", error_text(&err));
        return 1;
    }
    printf("%s\n", http_server_address(server));
    fflush(stdout);
    loop_run(loop);
    http_server_free(server);
    tls_context_unref(options.tls);
    loop_signal_done(&term);
    loop_free(loop);
    return 0;
}

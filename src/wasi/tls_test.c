// SPDX-License-Identifier: Apache-2.0
// wasi:tls over TCP connections of a guest, against servers of this process.
#include "wasi/tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "net/stream.h"
#include "net/tls_test_pki.h"
#include "testing/test.h"
#include "wasi/draft.h"
#include "wasi/p2_sockets_guest_test.h"

#define DAY 86400L

typedef __typeof__(*((
    struct
    draft_option_result_result_tuple_tls_types_client_connection_io_streams_input_stream_io_streams_output_stream_io_error_error_void
        *)NULL)) outcome;

static struct test_pki pki;
static struct test_issuer ca, other_ca;
static struct test_certificate good, intruder;

static void done_pki(void)
{
    test_issuer_done(&ca);
    test_issuer_done(&other_ca);
    test_pki_done(&pki);
}

static void need_pki(void)
{
    if (pki.dir[0])
        return;
    signal(SIGPIPE, SIG_IGN);
    test_pki_init(&pki);
    ca = test_issuer_new(&pki, "ca");
    other_ca = test_issuer_new(&pki, "other-ca");
    good = test_certificate_new(&pki, &ca, "good", "DNS:a.example,IP:127.0.0.1", DAY);
    intruder = test_certificate_new(&pki, &other_ca, "intruder", "DNS:a.example", DAY);
    atexit(done_pki);
}

// ---- the server: a thread that serves one connection --------------------------------------------

enum manner {
    ECHO,      // until the client's end, then ends too
    CUT,       // closes in the middle, without notice
    PLAIN,     // speaks no TLS
    LATE_ECHO, // answers only after the client's end
    SILENT,    // listens until the client leaves
};

struct server {
    enum manner manner;
    const struct test_certificate *certificate;
    int listener;
    pthread_t thread;
    char address[64];
};

static void wait_for(const struct net_stream *stream, short events)
{
    struct pollfd poll_fd = {.fd = stream->fd, .events = events};
    if (net_stream_has_input(stream))
        return;
    (void)poll(&poll_fd, 1, 10000);
}

static ssize_t hear(struct net_stream *stream, char *data, size_t size)
{
    ssize_t got;
    while ((got = net_stream_read(stream, data, size)) == -EAGAIN)
        wait_for(stream, POLLIN);
    return got;
}

static void say(struct net_stream *stream, const char *data, size_t len)
{
    while (len > 0) {
        struct iovec part = {(void *)(uintptr_t)data, len};
        ssize_t put = net_stream_write(stream, &part, 1);
        if (put == -EAGAIN)
            wait_for(stream, POLLOUT);
        else if (put < 0)
            return;
        data += MAX(put, 0);
        len -= (size_t)MAX(put, 0);
    }
    while (net_stream_flush(stream) == -EAGAIN)
        wait_for(stream, POLLOUT);
}

static void converse(struct server *server, struct net_stream *stream)
{
    char *data = mem_alloc(1 << 20);
    size_t len = 0;
    ssize_t got;
    while ((got = hear(stream, data + len, ((size_t)1 << 20) - len)) > 0) {
        if (server->manner == CUT) {
            say(stream, "half", 4);
            break;
        }
        len += (size_t)got;
        if (server->manner == LATE_ECHO)
            continue;
        say(stream, data, len);
        len = 0;
    }
    say(stream, data, len);
    if (server->manner != CUT)
        (void)net_stream_shutdown(stream);
    free(data);
}

static void serve_tls(struct server *server, struct net_stream *stream)
{
    struct tls_certificate files = {server->certificate->certificate_file,
                                    server->certificate->key_file};
    struct tls_server_options options = {.certificates = &files, .certificate_count = 1};
    struct tls_context *context;
    enum tls_failure failure;
    if (tls_server_context_new(&options, &context, NULL) < 0)
        return;
    stream->tls = tls_server_new(context, stream->fd);
    tls_context_unref(context);
    int rc;
    while ((rc = tls_handshake(stream->tls, &failure, NULL)) == -EAGAIN)
        wait_for(stream, POLLIN);
    if (rc == 0)
        converse(server, stream);
    else
        (void)net_stream_shutdown(stream);
}

static void *serve(void *arg)
{
    struct server *server = arg;
    struct pollfd poll_fd = {.fd = server->listener, .events = POLLIN};
    if (poll(&poll_fd, 1, 10000) != 1)
        return NULL;
    struct net_stream stream = {
        .fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    char data[4096];
    if (server->manner == PLAIN)
        say(&stream, "220 not TLS\r\n", 13);
    else if (server->manner == SILENT)
        while (hear(&stream, data, sizeof(data)) > 0)
            ;
    else
        serve_tls(server, &stream);
    net_stream_close(&stream);
    return NULL;
}

static void server_start(struct server *server)
{
    struct net_address address;
    need_pki();
    CHECK_INT(net_address_parse(STR("127.0.0.1:0"), &address, NULL), 0);
    server->listener = net_listen(&address, 8, NULL);
    CHECK(server->listener >= 0);
    CHECK_INT(net_local_address(server->listener, &address, NULL), 0);
    net_address_format(&address, server->address, sizeof(server->address));
    CHECK_INT(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
}

// ---- the guest ----------------------------------------------------------------------------------

struct client {
    struct guest guest;
    struct p2_sockets_tcp_tcp_socket *tcp;
    struct draft_tls_types_future_client_streams *future;
    struct draft_tls_types_client_connection *connection;
    struct end end; // clear text; `tcp` is unused
};

static void client_init(struct client *client)
{
    need_pki();
    *client = (struct client){0};
    guest_init(&client->guest, &wasi_network_loopback);
    client->guest.fake.config.tls = wasi_tls_new(ca.file);
}

static void client_done(struct client *client)
{
    struct wasi_tls *tls = client->guest.fake.config.tls;
    CHECK_INT(client->guest.fake.wasi.tls_count, 0);
    guest_done(&client->guest);
    wasi_tls_free(tls);
}

static void connect_to(struct client *client, const struct server *server, struct end *end)
{
    client->tcp = guest_tcp(&client->guest, V4);
    CHECK_INT(guest_connect(&client->guest, client->tcp, server->address), OK);
    guest_block(&client->guest, client->tcp);
    CHECK_INT(guest_finish_connect(&client->guest, client->tcp, end), OK);
}

static void start(struct client *client, const struct server *server, const char *name)
{
    struct canon_call *call = &client->guest.fake.call;
    struct draft_tls_types_client_handshake *handshake;
    struct end end;
    connect_to(client, server, &end);
    CHECK_INT(draft_tls_types_client_handshake_constructor(call, str_from(name), end.input,
                                                           end.output, &handshake),
              0);
    CHECK_INT(draft_tls_types_client_handshake_finish(call, handshake, &client->future), 0);
}

// The reason of a failure, or "" with the streams.
static void finish(struct client *client, char *reason, size_t size)
{
    struct canon_call *call = &client->guest.fake.call;
    struct p2_io_poll_pollable *pollable;
    outcome got = {0};
    CHECK_INT(draft_tls_types_future_client_streams_subscribe(call, client->future, &pollable), 0);
    CHECK_INT(p2_io_poll_pollable_block(call, pollable), 0);
    CHECK_INT(draft_tls_types_future_client_streams_get(call, client->future, &got), 0);
    CHECK(got.is_some && !got.some.is_err);
    reason[0] = 0;
    if (got.some.ok.is_err) {
        snprintf(reason, size, "%s", got.some.ok.err->message);
        io_error_free(got.some.ok.err);
    } else {
        client->connection = got.some.ok.ok.f0;
        client->end = (struct end){NULL, got.some.ok.ok.f1, got.some.ok.ok.f2};
    }
    got = (outcome){0};
    CHECK_INT(draft_tls_types_future_client_streams_get(call, client->future, &got), 0);
    CHECK(got.is_some && got.some.is_err);
    CHECK_INT(draft_tls_types_future_client_streams_drop(call, client->future), 0);
    CHECK_INT(p2_io_poll_pollable_drop(call, pollable), 0); // outlives its future
}

static void open_session(struct client *client, const struct server *server, const char *name)
{
    char reason[256];
    start(client, server, name);
    finish(client, reason, sizeof(reason));
    CHECK_TEXT(reason, "");
}

static void check_failure(struct server *server, const char *name, const char *want)
{
    struct client client;
    char reason[256];
    server_start(server);
    client_init(&client);
    start(&client, server, name);
    finish(&client, reason, sizeof(reason));
    CHECK_CONTAINS(reason, want);
    guest_drop_tcp(&client.guest, client.tcp);
    client_done(&client);
    server_stop(server);
}

static void close_output(struct client *client)
{
    CHECK_INT(draft_tls_types_client_connection_close_output(&client->guest.fake.call,
                                                             client->connection),
              0);
}

static void drop_connection(struct client *client)
{
    CHECK_INT(draft_tls_types_client_connection_drop(&client->guest.fake.call, client->connection),
              0);
}

// ---- tests --------------------------------------------------------------------------------------

TEST(tls_guests_talk_until_both_have_ended)
{
    struct server server = {.manner = ECHO, .certificate = &good};
    struct client client;
    server_start(&server);
    client_init(&client);
    open_session(&client, &server, "a.example");
    guest_send(&client.guest, &client.end, STR("hello"));
    CHECK_STR(guest_receive(&client.guest, &client.end), "hello");
    guest_send(&client.guest, &client.end, STR("again"));
    CHECK_STR(guest_receive(&client.guest, &client.end), "again");
    close_output(&client);
    CHECK(guest_write_is_closed(&client.guest, &client.end));
    CHECK(guest_read_is_closed(&client.guest, &client.end));
    guest_drop_tcp(&client.guest, client.tcp);
    drop_connection(&client);
    guest_streams_drop(&client.guest, &client.end);
    client_done(&client);
    server_stop(&server);
}

TEST(tls_guests_may_end_first_and_lose_nothing)
{
    struct server server = {.manner = LATE_ECHO, .certificate = &good};
    struct client client;
    char block[4096];
    size_t len = 0;
    server_start(&server);
    client_init(&client);
    open_session(&client, &server, "127.0.0.1");
    for (unsigned i = 0; i < 80; i++) {
        memset(block, (int)i, sizeof(block));
        guest_send(&client.guest, &client.end, str_of(block, sizeof(block)));
    }
    close_output(&client);
    struct str got;
    while ((got = guest_receive(&client.guest, &client.end)).len > 0) {
        for (size_t i = 0; i < got.len; i++, len++)
            CHECK_INT((unsigned char)got.data[i], len / sizeof(block));
    }
    CHECK_INT(len, 80 * sizeof(block));
    guest_streams_drop(&client.guest, &client.end);
    drop_connection(&client);
    guest_drop_tcp(&client.guest, client.tcp);
    client_done(&client);
    server_stop(&server);
}

TEST(tls_a_cut_answer_is_told)
{
    struct server server = {.manner = CUT, .certificate = &good};
    struct client client;
    server_start(&server);
    client_init(&client);
    open_session(&client, &server, "a.example");
    guest_send(&client.guest, &client.end, STR("hello"));
    CHECK_STR(guest_receive(&client.guest, &client.end), "half");
    struct p2_result_bytes_io_streams_stream_error end = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&client.guest.fake.call, client.end.input, 9,
                                                       &end),
              0);
    CHECK(end.is_err);
    CHECK_INT(end.err.tag, P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    CHECK_CONTAINS(end.err.last_operation_failed->message, "TLS: the connection was cut");
    io_error_free(end.err.last_operation_failed);
    guest_streams_drop(&client.guest, &client.end);
    drop_connection(&client);
    guest_drop_tcp(&client.guest, client.tcp);
    client_done(&client);
    server_stop(&server);
}

TEST(tls_servers_are_verified)
{
    struct server right = {.manner = ECHO, .certificate = &good};
    struct server wrong = {.manner = ECHO, .certificate = &intruder};
    struct server plain = {.manner = PLAIN};
    check_failure(&right, "b.example", "hostname mismatch");
    check_failure(&wrong, "a.example", "self-signed certificate in certificate chain");
    check_failure(&plain, "a.example", "what the peer sent is not TLS");
}

TEST(tls_names_that_are_none_fail)
{
    char long_name[300];
    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = 0;
    struct server server = {.manner = ECHO, .certificate = &good};
    check_failure(&server, "", "TLS: \"\" is no name of a server");
    check_failure(&server, long_name, "TLS: the name of the server is none");
}

TEST(tls_has_a_limit_of_sessions)
{
    struct server server = {.manner = ECHO, .certificate = &good};
    struct client client;
    char reason[256];
    server_start(&server);
    client_init(&client);
    client.guest.fake.wasi.tls_count = WASI_TLS_SESSIONS_MAX;
    start(&client, &server, "a.example");
    finish(&client, reason, sizeof(reason));
    CHECK_TEXT(reason, "TLS: 256 sessions of this instance live, which is the limit");
    client.guest.fake.wasi.tls_count = 0;
    guest_drop_tcp(&client.guest, client.tcp);
    client_done(&client);
    server_stop(&server);
}

TEST(tls_takes_no_streams_with_pollables)
{
    struct server server = {.manner = ECHO, .certificate = &good};
    struct client client;
    struct draft_tls_types_client_handshake *handshake;
    struct p2_io_poll_pollable *pollable;
    struct end end;
    server_start(&server);
    client_init(&client);
    struct canon_call *call = &client.guest.fake.call;
    connect_to(&client, &server, &end);
    CHECK_INT(p2_io_streams_input_stream_subscribe(call, end.input, &pollable), 0);
    CHECK(draft_tls_types_client_handshake_constructor(call, STR("a.example"), end.input,
                                                       end.output, &handshake) < 0);
    CHECK_CONTAINS(error_text(&client.guest.fake.error), "streams that have 1 pollables");
    CHECK_INT(p2_io_poll_pollable_drop(call, pollable), 0);
    guest_drop_tcp(&client.guest, client.tcp);
    client_done(&client);
    server_stop(&server);
}

TEST(tls_futures_may_be_dropped_in_the_middle)
{
    struct server server = {.manner = SILENT};
    struct client client;
    server_start(&server);
    client_init(&client);
    start(&client, &server, "a.example");
    outcome got = {0};
    CHECK_INT(
        draft_tls_types_future_client_streams_get(&client.guest.fake.call, client.future, &got), 0);
    CHECK(!got.is_some);
    CHECK_INT(draft_tls_types_future_client_streams_drop(&client.guest.fake.call, client.future),
              0);
    guest_drop_tcp(&client.guest, client.tcp);
    client_done(&client);
    server_stop(&server);
}

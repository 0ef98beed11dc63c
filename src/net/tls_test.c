// SPDX-License-Identifier: Apache-2.0
// Sessions against each other, and against OpenSSL used directly, over socket pairs.
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "net/stream.h"
#include "net/tls_test_pki.h"
#include "testing/test.h"

#define DAY 86400L

static struct test_pki pki;
static struct test_issuer ca, other_ca;
static struct test_certificate a_cert, wild_cert, exact_cert, expired_cert, client_cert,
    other_client_cert;

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
    signal(SIGPIPE, SIG_IGN); // of OpenSSL used directly
    test_pki_init(&pki);
    ca = test_issuer_new(&pki, "ca");
    other_ca = test_issuer_new(&pki, "other-ca");
    a_cert = test_certificate_new(&pki, &ca, "a", "DNS:a.example,IP:127.0.0.1", DAY);
    wild_cert = test_certificate_new(&pki, &ca, "wild", "DNS:*.b.example", DAY);
    exact_cert = test_certificate_new(&pki, &ca, "exact", "DNS:x.b.example", DAY);
    expired_cert = test_certificate_new(&pki, &ca, "expired", "DNS:a.example", -60);
    client_cert = test_certificate_new(&pki, &ca, "client", "DNS:client", DAY);
    other_client_cert = test_certificate_new(&pki, &other_ca, "intruder", "DNS:client", DAY);
    atexit(done_pki);
}

static struct tls_certificate files_of(const struct test_certificate *certificate)
{
    return (struct tls_certificate){certificate->certificate_file, certificate->key_file};
}

// ---- a server and a client ----------------------------------------------------------------------

struct side {
    struct net_stream stream;
    int handshake; // 0: done
    enum tls_failure failure;
    char reason[256];
};

struct pair {
    struct side server, client;
};

static struct tls_context *server_context(struct tls_server_options options,
                                          const struct test_certificate *certificate)
{
    struct tls_certificate files = {0};
    struct tls_context *context;
    ERROR(err);
    need_pki();
    if (certificate) {
        files = files_of(certificate);
        options.certificates = &files;
        options.certificate_count = 1;
    }
    int rc = tls_server_context_new(&options, &context, &err);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return context;
}

static struct tls_context *client_context(struct tls_client_options options)
{
    struct tls_context *context;
    ERROR(err);
    need_pki();
    if (!options.ca_file)
        options.ca_file = ca.file;
    options.no_system_roots = true;
    int rc = tls_client_context_new(&options, &context, &err);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return context;
}

static void open_sockets(int fds[2])
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

// Takes the contexts.
static struct pair open_pair(struct tls_context *server, struct tls_context *client,
                             const char *host)
{
    int fds[2];
    open_sockets(fds);
    struct pair pair = {.server = {.stream = {.fd = fds[0]}, .handshake = -EAGAIN},
                        .client = {.stream = {.fd = fds[1]}, .handshake = -EAGAIN}};
    pair.server.stream.tls = tls_server_new(server, fds[0]);
    CHECK_INT(tls_client_new(client, fds[1], host, &pair.client.stream.tls, NULL), 0);
    tls_context_unref(server);
    tls_context_unref(client);
    return pair;
}

static void close_pair(struct pair *pair)
{
    net_stream_close(&pair->server.stream);
    net_stream_close(&pair->client.stream);
}

static void shake(struct side *side)
{
    ERROR(err);
    if (side->handshake != -EAGAIN)
        return;
    side->handshake = tls_handshake(side->stream.tls, &side->failure, &err);
    if (side->handshake < 0 && side->handshake != -EAGAIN) {
        snprintf(side->reason, sizeof(side->reason), "%s", error_text(&err));
        (void)net_stream_shutdown(&side->stream); // the alert
    }
}

static void shake_hands(struct pair *pair)
{
    for (int i = 0; i < 10; i++) {
        shake(&pair->client);
        shake(&pair->server);
    }
}

static struct pair open_ready(struct tls_context *server, struct tls_context *client,
                              const char *host)
{
    struct pair pair = open_pair(server, client, host);
    shake_hands(&pair);
    if (pair.server.handshake || pair.client.handshake)
        test_fail(__FILE__, __LINE__, "server: %s; client: %s", pair.server.reason,
                  pair.client.reason);
    return pair;
}

static struct pair open_usual(void)
{
    return open_ready(server_context((struct tls_server_options){0}, &a_cert),
                      client_context((struct tls_client_options){0}), "a.example");
}

static void say(struct side *side, struct str text)
{
    struct iovec part = {(void *)(uintptr_t)text.data, text.len};
    CHECK_INT(net_stream_write(&side->stream, &part, 1), text.len);
}

static char heard[4096];

static ssize_t hear(struct side *side)
{
    ssize_t got = net_stream_read(&side->stream, heard, sizeof(heard) - 1);
    heard[MAX(got, 0)] = 0;
    return got;
}

// ---- handshakes ---------------------------------------------------------------------------------

TEST(tls_agrees_on_version_protocol_and_name)
{
    struct pair pair = open_ready(
        server_context((struct tls_server_options){.alpn = STR("\x02h2\x08http/1.1")}, &a_cert),
        client_context((struct tls_client_options){.alpn = STR("\x08http/1.1\x02h2")}),
        "a.example");
    CHECK_TEXT(tls_version(pair.server.stream.tls), "TLSv1.3");
    CHECK_STR(tls_alpn_selected(pair.server.stream.tls), "h2");
    CHECK_STR(tls_alpn_selected(pair.client.stream.tls), "h2");
    CHECK_TEXT(tls_server_name(pair.server.stream.tls), "a.example");
    CHECK_CONTAINS(tls_cipher(pair.server.stream.tls), "TLS_");
    char subject[64];
    CHECK_INT(tls_peer_subject(pair.server.stream.tls, subject, sizeof(subject)), -ENOENT);
    CHECK_INT(tls_peer_subject(pair.client.stream.tls, subject, sizeof(subject)), 0);
    CHECK_TEXT(subject, "CN=a");
    CHECK_INT(tls_peer_subject(pair.client.stream.tls, subject, 4), -ENOBUFS);
    say(&pair.client, STR("ping"));
    CHECK_INT(hear(&pair.server), 4);
    CHECK_TEXT(heard, "ping");
    CHECK_INT(hear(&pair.server), -EAGAIN);
    say(&pair.server, STR("pong"));
    CHECK_INT(hear(&pair.client), 4);
    CHECK_INT(net_stream_unsent(&pair.server.stream), 0);
    close_pair(&pair);
}

TEST(tls_without_a_common_protocol_fails)
{
    struct pair pair =
        open_pair(server_context((struct tls_server_options){.alpn = STR("\x02h2")}, &a_cert),
                  client_context((struct tls_client_options){.alpn = STR("\x03xyz")}), "a.example");
    shake_hands(&pair);
    CHECK_INT(pair.server.failure, TLS_FAILURE_ALPN);
    CHECK_INT(pair.client.failure, TLS_FAILURE_REFUSED);
    close_pair(&pair);
}

static const char *served_for(const struct tls_server_options *options, const char *name)
{
    static char subject[64];
    struct tls_context *server;
    CHECK_INT(tls_server_context_new(options, &server, NULL), 0);
    struct pair pair = open_pair(server, client_context((struct tls_client_options){0}), name);
    shake_hands(&pair);
    if (pair.client.handshake)
        snprintf(subject, sizeof(subject), "%s",
                 tls_failure_text(pair.client.failure == TLS_FAILURE_REFUSED
                                      ? pair.server.failure
                                      : pair.client.failure));
    else
        CHECK_INT(tls_peer_subject(pair.client.stream.tls, subject, sizeof(subject)), 0);
    close_pair(&pair);
    return subject;
}

TEST(tls_chooses_the_certificate_by_name)
{
    need_pki();
    struct tls_certificate list[] = {files_of(&a_cert), files_of(&wild_cert),
                                     files_of(&exact_cert)};
    struct tls_server_options options = {.certificates = list,
                                         .certificate_count = ARRAY_LEN(list)};
    CHECK_TEXT(served_for(&options, "a.example"), "CN=a");
    CHECK_TEXT(served_for(&options, "any.b.example"), "CN=wild");
    CHECK_TEXT(served_for(&options, "x.b.example"), "CN=exact");
    CHECK_TEXT(served_for(&options, "X.B.example"), "CN=exact");
    // The first one, which the client then refuses.
    CHECK_TEXT(served_for(&options, "c.example"), tls_failure_text(TLS_FAILURE_CERTIFICATE));
    options.refuse_unknown_names = true;
    CHECK_TEXT(served_for(&options, "c.example"), tls_failure_text(TLS_FAILURE_NAME));
    CHECK_TEXT(served_for(&options, "127.0.0.1"), tls_failure_text(TLS_FAILURE_NAME));
    CHECK_TEXT(served_for(&options, "x.b.example"), "CN=exact");
}

TEST(tls_addresses_are_verified_too)
{
    struct pair pair = open_ready(server_context((struct tls_server_options){0}, &a_cert),
                                  client_context((struct tls_client_options){0}), "127.0.0.1");
    CHECK(!tls_server_name(pair.server.stream.tls));
    close_pair(&pair);
}

static enum tls_failure client_sees(const struct test_certificate *server_certificate,
                                    const char *trusted, const char *host)
{
    struct pair pair =
        open_pair(server_context((struct tls_server_options){0}, server_certificate),
                  client_context((struct tls_client_options){.ca_file = trusted}), host);
    shake_hands(&pair);
    CHECK_INT(pair.client.handshake, -EPROTO);
    snprintf(heard, sizeof(heard), "%s", pair.client.reason);
    close_pair(&pair);
    return pair.client.failure;
}

TEST(tls_client_refuses_bad_servers)
{
    need_pki();
    CHECK_INT(client_sees(&a_cert, other_ca.file, "a.example"), TLS_FAILURE_CERTIFICATE);
    CHECK_CONTAINS(heard, "self-signed certificate in certificate chain");
    CHECK_INT(client_sees(&a_cert, NULL, "b.example"), TLS_FAILURE_CERTIFICATE);
    CHECK_CONTAINS(heard, "hostname mismatch");
    CHECK_INT(client_sees(&a_cert, NULL, "127.0.0.2"), TLS_FAILURE_CERTIFICATE);
    CHECK_CONTAINS(heard, "IP address mismatch");
    CHECK_INT(client_sees(&expired_cert, NULL, "a.example"), TLS_FAILURE_CERTIFICATE);
    CHECK_CONTAINS(heard, "expired");
    struct tls *tls;
    ERROR(err);
    struct tls_context *context = client_context((struct tls_client_options){0});
    CHECK_INT(tls_client_new(context, -1, "", &tls, &err), -EINVAL);
    CHECK_CONTAINS(error_text(&err), "no name of a server");
    tls_context_unref(context);
}

static struct pair with_client_certificate(const struct test_certificate *shown)
{
    struct tls_client_options options = {0};
    if (shown)
        options.certificate = files_of(shown);
    struct tls_certificate list[] = {files_of(&a_cert), files_of(&exact_cert)};
    struct pair pair =
        open_pair(server_context((struct tls_server_options){.certificates = list,
                                                             .certificate_count = ARRAY_LEN(list),
                                                             .ca_file = ca.file},
                                 NULL),
                  client_context(options), "x.b.example");
    shake_hands(&pair);
    return pair;
}

TEST(tls_clients_are_verified_whatever_name_they_ask_for)
{
    need_pki();
    struct pair pair = with_client_certificate(NULL);
    CHECK_INT(pair.server.failure, TLS_FAILURE_NO_CERTIFICATE);
    CHECK_INT(pair.server.handshake, -EPROTO);
    close_pair(&pair);
    pair = with_client_certificate(&other_client_cert);
    CHECK_INT(pair.server.handshake, -EPROTO);
    CHECK_INT(pair.server.failure, TLS_FAILURE_CERTIFICATE);
    close_pair(&pair);
    pair = with_client_certificate(&expired_cert);
    CHECK_INT(pair.server.failure, TLS_FAILURE_CERTIFICATE);
    CHECK_CONTAINS(pair.server.reason, "expired");
    close_pair(&pair);
    char subject[64];
    pair = with_client_certificate(&client_cert);
    CHECK_INT(pair.server.handshake, 0);
    CHECK_INT(tls_peer_subject(pair.server.stream.tls, subject, sizeof(subject)), 0);
    CHECK_TEXT(subject, "CN=client");
    close_pair(&pair);
}

// ---- bytes --------------------------------------------------------------------------------------

#define MANY ((size_t)3 * 1000 * 1000)

static char byte_at(size_t i)
{
    return (char)((i * 31) ^ (i >> 9));
}

// Reads all there is; checks that it goes on at `at`.
static size_t read_pattern(struct side *side, size_t at)
{
    static char data[10007];
    for (ssize_t got; (got = net_stream_read(&side->stream, data, sizeof(data))) != -EAGAIN;) {
        CHECK(got > 0);
        for (ssize_t i = 0; i < got; i++)
            CHECK(data[i] == byte_at(at + (size_t)i));
        at += (size_t)got;
    }
    CHECK(!net_stream_has_input(&side->stream));
    return at;
}

TEST(tls_writes_are_held_back_by_the_peer)
{
    struct pair pair = open_usual();
    char *data = mem_alloc(MANY);
    for (size_t i = 0; i < MANY; i++)
        data[i] = byte_at(i);
    size_t sent = 0, received = 0;
    bool was_held = false;
    while (received < MANY) {
        // Uneven parts, empty ones among them.
        size_t left = MANY - sent;
        size_t first = MIN(left, 700), second = MIN(left - first, 100000);
        struct iovec parts[] = {{data + sent, first},
                                {data, 0},
                                {data + sent + first, second},
                                {data + sent + first + second, left - first - second}};
        ssize_t n = left ? net_stream_write(&pair.server.stream, parts, ARRAY_LEN(parts)) : 0;
        CHECK(n >= 0 || n == -EAGAIN);
        sent += (size_t)MAX(n, 0);
        was_held |= (size_t)MAX(n, 0) < left;
        CHECK(net_stream_unsent(&pair.server.stream) < TLS_UNSENT_BYTES_MAX + 17000);
        received = read_pattern(&pair.client, received);
        int rc = net_stream_flush(&pair.server.stream);
        CHECK(rc == 0 || rc == -EAGAIN);
    }
    CHECK(was_held);
    CHECK_INT(sent, MANY);
    free(data);
    close_pair(&pair);
}

// Lengths of the records that wait at the descriptor.
static size_t read_records(int fd, size_t *lens, size_t max)
{
    static unsigned char data[1 << 18];
    size_t len = 0, count = 0;
    for (ssize_t got; (got = recv(fd, data + len, sizeof(data) - len, 0)) > 0;)
        len += (size_t)got;
    for (size_t at = 0; at + 5 <= len && count < max; count++) {
        lens[count] = ((size_t)data[at + 3] << 8) + data[at + 4];
        at += 5 + lens[count];
    }
    return count;
}

TEST(tls_small_parts_share_a_record)
{
    struct pair pair = open_usual();
    struct iovec parts[] = {{(char[]){"head"}, 4}, {(char[]){"body"}, 4}, {(char[]){"!"}, 1}};
    CHECK_INT(hear(&pair.client), -EAGAIN); // takes the session tickets
    CHECK_INT(net_stream_write(&pair.server.stream, parts, ARRAY_LEN(parts)), 9);
    size_t lens[32];
    CHECK_INT(read_records(pair.client.stream.fd, lens, ARRAY_LEN(lens)), 1);
    close_pair(&pair);
}

TEST(tls_records_grow_with_the_answer)
{
    struct pair pair = open_usual();
    size_t lens[32];
    struct iovec part = {mem_zalloc(80000), 80000};
    CHECK_INT(hear(&pair.client), -EAGAIN);
    CHECK_INT(net_stream_write(&pair.server.stream, &part, 1), 80000);
    CHECK_INT(read_records(pair.client.stream.fd, lens, ARRAY_LEN(lens)), 8);
    CHECK(lens[0] > 4096 && lens[0] < 4200);
    CHECK(lens[4] > 16384 && lens[4] < 16700);
    free(part.iov_base);
    close_pair(&pair);
}

TEST(tls_a_full_buffer_says_that_more_is_there)
{
    struct pair pair = open_usual();
    say(&pair.client, STR("0123456789"));
    CHECK_INT(net_stream_read(&pair.server.stream, heard, 4), 4);
    CHECK(net_stream_has_input(&pair.server.stream));
    CHECK_INT(hear(&pair.server), 6);
    CHECK(!net_stream_has_input(&pair.server.stream));
    close_pair(&pair);
}

// ---- ends ---------------------------------------------------------------------------------------

TEST(tls_half_closed_sessions_go_on_the_other_way)
{
    struct pair pair = open_usual();
    say(&pair.client, STR("last words"));
    CHECK_INT(net_stream_shutdown(&pair.client.stream), 0);
    CHECK_INT(hear(&pair.server), 10);
    CHECK(net_stream_has_input(&pair.server.stream));
    CHECK_INT(hear(&pair.server), 0);
    CHECK_INT(hear(&pair.server), 0);
    say(&pair.server, STR("answer"));
    CHECK_INT(net_stream_shutdown(&pair.server.stream), 0);
    struct iovec part = {heard, 1};
    CHECK_INT(net_stream_write(&pair.server.stream, &part, 1), -EPIPE);
    close_pair(&pair);
}

// ---- transports ---------------------------------------------------------------------------------

// A socket that takes and gives a byte at a time.
static ssize_t trickle_in(void *user, char *data, size_t len)
{
    ssize_t got = recv(*(int *)user, data, 1, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

static ssize_t trickle_out(void *user, const char *data, size_t len)
{
    ssize_t sent = send(*(int *)user, data, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

TEST(tls_runs_over_any_transport_and_reads_on_after_its_own_end)
{
    static const struct tls_transport trickle = {trickle_in, trickle_out};
    struct tls_context *client = client_context((struct tls_client_options){0});
    struct pair pair = open_pair(server_context((struct tls_server_options){0}, &a_cert),
                                 tls_context_ref(client), "a.example");
    tls_free(pair.client.stream.tls);
    CHECK_INT(tls_client_new_over(client, &trickle, &pair.client.stream.fd, "", NULL, NULL),
              -EINVAL);
    CHECK_INT(tls_client_new_over(client, &trickle, &pair.client.stream.fd, "a.example",
                                  &pair.client.stream.tls, NULL),
              0);
    tls_context_unref(client);
    shake_hands(&pair);
    CHECK_INT(pair.server.handshake, 0);
    CHECK_INT(pair.client.handshake, 0);
    say(&pair.client, STR("question"));
    CHECK_INT(tls_end_output(pair.client.stream.tls), 0);
    struct iovec part = {heard, 1};
    CHECK_INT(net_stream_write(&pair.client.stream, &part, 1), -EPIPE);
    CHECK_INT(hear(&pair.server), 8);
    CHECK_INT(hear(&pair.server), 0);
    say(&pair.server, STR("answer"));
    CHECK_INT(hear(&pair.client), 6);
    CHECK_INT(net_stream_shutdown(&pair.server.stream), 0);
    CHECK_INT(hear(&pair.client), 0);
    close_pair(&pair);
}

TEST(tls_a_cut_is_no_end)
{
    struct pair pair = open_usual();
    say(&pair.server, STR("half an ans"));
    net_stream_close(&pair.server.stream);
    CHECK_INT(hear(&pair.client), 11);
    CHECK_INT(hear(&pair.client), -ECONNRESET);
    CHECK_INT(hear(&pair.client), -ECONNRESET);
    close_pair(&pair);
}

TEST(tls_a_peer_that_leaves_with_its_last_message_has_a_reason)
{
    struct pair pair = open_pair(server_context((struct tls_server_options){0}, &a_cert),
                                 client_context((struct tls_client_options){0}), "a.example");
    pair.server.failure = TLS_FAILURE_COUNT;
    for (int i = 0; i < 10 && pair.client.handshake; i++) {
        shake(&pair.client);
        if (pair.client.handshake)
            shake(&pair.server);
    }
    net_stream_close(&pair.client.stream);
    shake(&pair.server);
    CHECK(pair.server.handshake < 0);
    CHECK_INT(pair.server.failure, TLS_FAILURE_CLOSED);
    CHECK_CONTAINS(pair.server.reason, "sending");
    close_pair(&pair);
}

TEST(tls_truncated_or_changed_records_are_no_data)
{
    for (size_t at = 0; at < 40; at++) {
        struct pair pair = open_usual();
        char record[64];
        CHECK_INT(hear(&pair.client), -EAGAIN);
        say(&pair.server, STR("some secret words"));
        ssize_t len = recv(pair.client.stream.fd, record, sizeof(record), 0);
        CHECK(len >= 39);
        record[at % (size_t)len] ^= 0x20;
        size_t keep = at % 2 ? (size_t)len : at;
        if (keep)
            CHECK_INT(send(pair.server.stream.fd, record, keep, 0), keep);
        CHECK_INT(shutdown(pair.server.stream.fd, SHUT_WR), 0);
        ssize_t got = hear(&pair.client);
        CHECK_INT(got == -EAGAIN ? hear(&pair.client) : got, -ECONNRESET);
        close_pair(&pair);
    }
}

// ---- hostile peers ------------------------------------------------------------------------------

static struct side lone_server(int fds[2])
{
    open_sockets(fds);
    struct tls_context *context = server_context((struct tls_server_options){0}, &a_cert);
    struct side side = {.stream = {fds[0], tls_server_new(context, fds[0])}, .handshake = -EAGAIN};
    tls_context_unref(context);
    return side;
}

static enum tls_failure answer_to(const void *data, size_t len)
{
    int fds[2];
    struct side server = lone_server(fds);
    if (len)
        CHECK_INT(send(fds[1], data, len, 0), len);
    CHECK_INT(shutdown(fds[1], SHUT_WR), 0);
    for (int i = 0; i < 4; i++)
        shake(&server);
    CHECK_INT(server.handshake, -EPROTO);
    ssize_t got = recv(fds[1], heard, sizeof(heard) - 1, 0);
    heard[MAX(got, 0)] = 0;
    net_stream_close(&server.stream);
    close(fds[1]);
    return server.failure;
}

TEST(tls_refuses_what_is_not_tls)
{
    static const char http[] = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    CHECK_INT(answer_to(http, sizeof(http) - 1), TLS_FAILURE_NOT_TLS);
    CHECK_CONTAINS(heard, "400 Bad Request");
    const char *body = strstr(heard, "\r\n\r\n");
    CHECK(body && strlen(body + 4) == 44);
    CHECK_INT(answer_to("\0\1\2\3garbage garbage garbage", 26), TLS_FAILURE_NOT_TLS);
    CHECK_INT(answer_to("", 0), TLS_FAILURE_CLOSED);
}

static size_t client_hello(char *data, size_t size)
{
    int fds[2];
    open_sockets(fds);
    struct tls_context *context = client_context((struct tls_client_options){0});
    struct side client = {.stream = {.fd = fds[1]}, .handshake = -EAGAIN};
    CHECK_INT(tls_client_new(context, fds[1], "a.example", &client.stream.tls, NULL), 0);
    tls_context_unref(context);
    shake(&client);
    ssize_t len = recv(fds[0], data, size, 0);
    net_stream_close(&client.stream);
    close(fds[0]);
    CHECK(len > 0);
    return (size_t)len;
}

TEST(tls_survives_every_cut_and_change_of_a_greeting)
{
    char hello[1024], changed[1024];
    size_t len = client_hello(hello, sizeof(hello));
    for (size_t at = 0; at < len; at++) {
        CHECK_INT(answer_to(hello, at), TLS_FAILURE_CLOSED);
        memcpy(changed, hello, len);
        changed[at] ^= 0x11;
        // Whatever it is called: the peer ends there, so no handshake may succeed.
        (void)answer_to(changed, len);
    }
}

struct raw_client {
    SSL_CTX *context;
    SSL *ssl;
};

static struct raw_client open_raw(int fd, int version)
{
    struct raw_client raw = {.context = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_security_level(raw.context, 0);
    SSL_CTX_set_min_proto_version(raw.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(raw.context, version);
    raw.ssl = SSL_new(raw.context);
    SSL_set_fd(raw.ssl, fd);
    SSL_set_connect_state(raw.ssl);
    return raw;
}

static void close_raw(struct raw_client *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
    ERR_clear_error();
}

TEST(tls_old_versions_are_refused)
{
    int fds[2];
    struct side server = lone_server(fds);
    struct raw_client raw = open_raw(fds[1], TLS1_1_VERSION);
    for (int i = 0; i < 4; i++) {
        (void)SSL_do_handshake(raw.ssl);
        shake(&server);
    }
    CHECK_INT(server.handshake, -EPROTO);
    CHECK_INT(server.failure, TLS_FAILURE_VERSION);
    close_raw(&raw);
    net_stream_close(&server.stream);
    close(fds[1]);
}

TEST(tls_renegotiation_is_refused_and_the_session_goes_on)
{
    int fds[2];
    struct side server = lone_server(fds);
    struct raw_client raw = open_raw(fds[1], TLS1_2_VERSION);
    for (int i = 0; i < 4; i++) {
        (void)SSL_do_handshake(raw.ssl);
        shake(&server);
    }
    CHECK_INT(server.handshake, 0);
    CHECK_TEXT(tls_version(server.stream.tls), "TLSv1.2");
    CHECK_INT(SSL_renegotiate(raw.ssl), 1);
    (void)SSL_do_handshake(raw.ssl);
    CHECK_INT(hear(&server), -EAGAIN);
    // The refusal is a warning (RFC 5746 section 4.5), on which this peer gives up.
    CHECK(SSL_do_handshake(raw.ssl) != 1);
    CHECK_INT(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    say(&server, STR("still here"));
    close_raw(&raw);
    net_stream_close(&server.stream);
    close(fds[1]);
}

static bool resumes(struct tls_context *server, struct raw_client *raw, SSL_SESSION **session)
{
    int fds[2];
    open_sockets(fds);
    struct side side = {.stream = {fds[0], tls_server_new(server, fds[0])}, .handshake = -EAGAIN};
    SSL *ssl = SSL_new(raw->context);
    SSL_set_fd(ssl, fds[1]);
    SSL_set_connect_state(ssl);
    if (*session)
        SSL_set_session(ssl, *session);
    for (int i = 0; i < 4; i++) {
        (void)SSL_do_handshake(ssl);
        shake(&side);
    }
    CHECK_INT(side.handshake, 0);
    char byte;
    CHECK(SSL_read(ssl, &byte, 1) <= 0); // takes the tickets
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(ssl);
    bool resumed = tls_is_resumed(side.stream.tls);
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    net_stream_close(&side.stream);
    close(fds[1]);
    return resumed;
}

TEST(tls_sessions_are_resumed_by_their_own_context)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_context *server = server_context((struct tls_server_options){0}, &a_cert);
        struct tls_context *next = server_context((struct tls_server_options){0}, &a_cert);
        struct raw_client raw = open_raw(-1, versions[i]);
        SSL_SESSION *session = NULL;
        CHECK(!resumes(server, &raw, &session));
        CHECK(resumes(server, &raw, &session));
        CHECK(!resumes(next, &raw, &session));
        SSL_SESSION_free(session);
        close_raw(&raw);
        tls_context_unref(server);
        tls_context_unref(next);
    }
}

// ---- files --------------------------------------------------------------------------------------

static const char *refusal(const char *certificate, const char *key, const char *issuers)
{
    static char text[512];
    struct tls_certificate files = {certificate, key};
    struct tls_server_options options = {
        .certificates = &files, .certificate_count = 1, .ca_file = issuers};
    struct tls_context *context;
    ERROR(err);
    CHECK(tls_server_context_new(&options, &context, &err) < 0);
    snprintf(text, sizeof(text), "%s", error_text(&err));
    return text;
}

TEST(tls_files_that_cannot_be_used_are_named)
{
    need_pki();
    const char *crt = a_cert.certificate_file, *key = a_cert.key_file;
    CHECK_TEXT(refusal("/nope.crt", key, NULL), "TLS certificate file does not exist: /nope.crt");
    CHECK_TEXT(refusal(crt, "/nope.key", NULL), "TLS private key file does not exist: /nope.key");
    CHECK_TEXT(refusal(crt, key, "/nope.ca"), "CA certificate file does not exist: /nope.ca");
    CHECK_CONTAINS(refusal(crt, wild_cert.key_file, NULL), "does not belong to the certificate");
    CHECK_CONTAINS(refusal(key, key, NULL), "No certificates found in file: ");
    CHECK_CONTAINS(refusal(crt, crt, NULL), "Failed to parse private key file: ");
    const char *bad = test_pki_file(&pki, "bad.pem",
                                    "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                    "-----END CERTIFICATE-----\n");
    CHECK_CONTAINS(refusal(bad, key, NULL), "Failed to parse certificate file: ");
    CHECK_CONTAINS(refusal(crt, key, bad), "Failed to parse certificate file: ");
    const char *empty = test_pki_file(&pki, "empty.pem", "");
    CHECK_CONTAINS(refusal(empty, key, NULL), "No certificates found in file: ");
    CHECK_CONTAINS(refusal(pki.dir, key, NULL), "TLS certificate file");
    const char *locked = test_pki_file(&pki, "locked.key",
                                       "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                                       "-----END ENCRYPTED PRIVATE KEY-----\n");
    CHECK_CONTAINS(refusal(crt, locked, NULL), "Failed to parse private key file: ");
    ERROR(err);
    struct tls_context *context;
    CHECK_INT(tls_server_context_new(&(struct tls_server_options){0}, &context, &err), -EINVAL);
}

TEST(tls_contexts_know_when_they_expire)
{
    need_pki();
    struct tls_certificate list[] = {files_of(&a_cert), files_of(&expired_cert)};
    struct tls_context *context = server_context(
        (struct tls_server_options){.certificates = list, .certificate_count = 2}, NULL);
    int64_t age = (int64_t)time(NULL) - tls_context_not_after(context);
    CHECK(age >= 60 && age < 600);
    tls_context_unref(context);
}

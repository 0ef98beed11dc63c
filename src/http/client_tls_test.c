// SPDX-License-Identifier: Apache-2.0
// The client over TLS, against a server with a certificate made for the test; and failures of
// connecting.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "http/client.h"
#include "testing/test.h"

// ---- server ------------------------------------------------------------------------------------

struct tls_server {
    int listener;
    uint16_t port;
    bool is_plain; // speaks no TLS
    EVP_PKEY *key;
    X509 *certificate;
    pthread_t thread;
    char ca_file[64];
};

static void make_certificate(struct tls_server *server)
{
    server->key = EVP_EC_gen("P-256");
    server->certificate = X509_new();
    X509 *certificate = server->certificate;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, server->key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, server->key, EVP_sha256());

    snprintf(server->ca_file, sizeof(server->ca_file), "/tmp/client-test-XXXXXX");
    int fd = mkstemp(server->ca_file);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file || !PEM_write_X509(file, certificate) || fclose(file) != 0)
        abort();
}

static void answer(SSL *ssl)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
    char request[4096];
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
        SSL_write(ssl, text, sizeof(text) - 1);
        SSL_shutdown(ssl);
    }
}

static void *serve(void *arg)
{
    struct tls_server *server = arg;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, server->certificate);
    SSL_CTX_use_PrivateKey(context, server->key);
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        if (server->is_plain)
            (void)!send(fd, "220 not TLS\r\n", 13, MSG_NOSIGNAL);
        else
            answer(ssl);
        SSL_free(ssl);
        close(fd);
    }
    SSL_CTX_free(context);
    return NULL;
}

static int listen_somewhere(int backlog, uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

static void server_start(struct tls_server *server)
{
    signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    make_certificate(server);
    server->listener = listen_somewhere(16, &server->port);
    if (pthread_create(&server->thread, NULL, serve, server) != 0)
        abort();
}

static void server_stop(struct tls_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    X509_free(server->certificate);
    EVP_PKEY_free(server->key);
    unlink(server->ca_file);
}

// ---- client side -------------------------------------------------------------------------------

struct outcome {
    struct http_client_request *request;
    bool done;
};

static void on_done(void *user)
{
    ((struct outcome *)user)->done = true;
}

// Runs one GET; its failure, and the body's first part in `body`.
static enum http_client_failure get(const char *host, uint16_t port, const char *ca_file,
                                    uint64_t connect_timeout_ms, char body[64])
{
    struct loop *loop;
    if (loop_new(&loop, NULL) < 0)
        abort();
    struct http_client *client =
        http_client_new(loop, &(struct http_client_options){.ca_file = ca_file});
    char url[128];
    snprintf(url, sizeof(url), "%s:%u/", host, port);
    struct outcome outcome = {0};
    struct http_client_request_options options = {
        .method = STR("GET"),
        .url = str_from(url),
        .connect_timeout_ms = connect_timeout_ms,
        .events = {.readable = on_done, .failed = on_done},
        .user = &outcome,
    };
    ERROR(err);
    if (http_client_start(client, &options, &outcome.request, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    while (!outcome.done)
        loop_turn(loop, true);
    enum http_client_failure failure = http_client_request_failure(outcome.request);
    struct str part = STR_EMPTY;
    if (http_client_read(outcome.request, &part) > 0)
        snprintf(body, 64, "%.*s", STR_ARG(part));
    http_client_request_free(outcome.request);
    http_client_free(client);
    loop_free(loop);
    return failure;
}

TEST(client_tls_with_a_known_authority)
{
    struct tls_server server = {0};
    server_start(&server);
    char body[64] = "";
    CHECK_INT(get("https://127.0.0.1", server.port, server.ca_file, 0, body), HTTP_FAILURE_NONE);
    CHECK_TEXT(body, "secret");
    server_stop(&server);
}

TEST(client_tls_refuses_an_unknown_authority_and_a_wrong_name)
{
    struct tls_server server = {0};
    server_start(&server);
    char body[64] = "";
    CHECK_INT(get("https://127.0.0.1", server.port, NULL, 0, body), HTTP_FAILURE_TLS_CERTIFICATE);
    CHECK_INT(get("https://localhost", server.port, server.ca_file, 0, body),
              HTTP_FAILURE_TLS_CERTIFICATE);
    CHECK_TEXT(body, "");
    server_stop(&server);
}

TEST(client_tls_to_a_server_without_tls)
{
    struct tls_server server = {.is_plain = true};
    server_start(&server);
    char body[64] = "";
    CHECK_INT(get("https://127.0.0.1", server.port, server.ca_file, 0, body),
              HTTP_FAILURE_TLS_PROTOCOL);
    server_stop(&server);
}

TEST(client_connect_timeout)
{
    uint16_t port;
    // Nobody accepts: once the backlog is full, further handshakes get no answer.
    int listener = listen_somewhere(0, &port);
    int fillers[4];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
    char body[64] = "";
    CHECK_INT(get("http://127.0.0.1", port, NULL, 100, body), HTTP_FAILURE_CONNECTION_TIMEOUT);
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
        close(fillers[i]);
    close(listener);
}

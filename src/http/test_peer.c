// SPDX-License-Identifier: Apache-2.0
#include "http/test_peer.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/stream.h"
#include "net/tls_test_pki.h"

#define DESCRIPTORS_MAX 1024

static struct net_stream peers[DESCRIPTORS_MAX];

#ifdef TEST_PEER_TLS
static struct tls_context *server_context, *client_context;

static void done_contexts(void)
{
    tls_context_unref(server_context);
    tls_context_unref(client_context);
}

// The files are needed only for a moment.
static void make_contexts(void)
{
    struct test_pki pki;
    test_pki_init(&pki);
    struct test_issuer ca = test_issuer_new(&pki, "ca");
    struct test_certificate made = test_certificate_new(&pki, &ca, "server", "DNS:h", 3600);
    struct tls_certificate files = {made.certificate_file, made.key_file};
    struct tls_server_options server = {.certificates = &files, .certificate_count = 1};
    struct tls_client_options client = {.ca_file = ca.file, .no_system_roots = true};
    int rc = tls_server_context_new(&server, &server_context, NULL);
    if (rc == 0)
        rc = tls_client_context_new(&client, &client_context, NULL);
    assert(rc == 0);
    test_issuer_done(&ca);
    test_pki_done(&pki);
    atexit(done_contexts);
}

struct tls_context *test_peer_context(void)
{
    if (!server_context)
        make_contexts();
    return server_context;
}
#else
struct tls_context *test_peer_context(void)
{
    return NULL;
}
#endif

void test_peer_open(int fd)
{
    // On a virtual clock nobody waits for what the kernel holds back (RFC 9293 section 3.7.4).
    static const int on = 1;
    assert(fd < DESCRIPTORS_MAX);
    int rc = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert(rc == 0);
    peers[fd] = (struct net_stream){.fd = fd};
#ifdef TEST_PEER_TLS
    rc = tls_client_new(client_context, fd, "h", &peers[fd].tls, NULL);
    assert(rc == 0);
#endif
}

static ssize_t with_errno(ssize_t rc)
{
    if (rc >= 0)
        return rc;
    errno = (int)-rc;
    return -1;
}

// Goes on with the handshake as often as somebody sends or receives.
static int ready(struct net_stream *peer)
{
    enum tls_failure failure;
    return peer->tls ? tls_handshake(peer->tls, &failure, NULL) : 0;
}

ssize_t test_peer_send(int fd, const void *data, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)data, len};
    int rc = ready(&peers[fd]);
    if (rc == 0)
        rc = net_stream_flush(&peers[fd]);
    return with_errno(rc < 0 ? rc : net_stream_write(&peers[fd], &part, 1));
}

ssize_t test_peer_recv(int fd, void *data, size_t len)
{
    int rc = ready(&peers[fd]);
    if (rc == 0 && net_stream_flush(&peers[fd]) == -EPIPE)
        rc = -ECONNRESET;
    return with_errno(rc < 0 ? rc : net_stream_read(&peers[fd], data, len));
}

int test_peer_flush(int fd)
{
    int rc = net_stream_flush(&peers[fd]);
    return rc == -EAGAIN ? (int)with_errno(rc) : 0;
}

int test_peer_shutdown(int fd)
{
    return net_stream_shutdown(&peers[fd]);
}

void test_peer_close(int fd)
{
    net_stream_close(&peers[fd]);
}

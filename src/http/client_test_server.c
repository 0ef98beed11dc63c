// SPDX-License-Identifier: Apache-2.0
#include "http/client_test_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/str.h"

struct peer {
    int fd;
    char head[16384];
    size_t len; // received, not yet used
};

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

// More bytes into the peer's buffer; false at the end.
static bool fill(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->head + peer->len, sizeof(peer->head) - peer->len, 0);
    if (got <= 0)
        return false;
    peer->len += (size_t)got;
    return true;
}

static void use(struct peer *peer, size_t len)
{
    peer->len -= len;
    memmove(peer->head, peer->head + len, peer->len);
}

// Sends the request's chunks and trailers back as they are, until the end. No empty line is in a
// test's data.
static void echo_chunks(struct peer *peer)
{
    char tail[4] = {0};
    say(peer->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (;;) {
        if (peer->len == 0 && !fill(peer))
            return;
        size_t len = peer->len;
        for (size_t sent = 0; sent < len;) {
            ssize_t part = send(peer->fd, peer->head + sent, len - sent, MSG_NOSIGNAL);
            if (part <= 0)
                return;
            sent += (size_t)part;
        }
        for (size_t i = 0; i < len; i++) {
            memmove(tail, tail + 1, 3);
            tail[3] = peer->head[i];
        }
        use(peer, len);
        if (memcmp(tail, "\r\n\r\n", 4) == 0)
            return;
    }
}

static void wait_for_close(struct peer *peer)
{
    while (fill(peer))
        peer->len = 0;
}

struct answer {
    const char *path;
    const char *text;
    bool close;
};

static const struct answer answers[] = {
    {"/hello",
     "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 200 OK\r\nX-Test:  a b \r\nX-Test: c\r\nConnection: keep-alive\r\n"
     "Content-Length: 5\r\n\r\nhello",
     false},
    {"/trailers",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
     "3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n",
     false},
    {"/redirect", "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n", false},
    {"/head", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", false},
    {"/empty", "HTTP/1.1 204 No Content\r\n\r\n", false},
    {"/until-close", "HTTP/1.0 200 OK\r\n\r\nall of it", true},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", true},
    {"/cut-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", true},
    {"/cut-head", "HTTP/1.1 200 OK\r\nContent-", true},
    {"/close", "", true},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true},
    {"/garbage", "SSH-2.0-OpenSSH\r\n", true},
    {"/bad-name", "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", true},
    {"/lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", true},
    {"/folded", "HTTP/1.1 200 OK\r\nX-Long: a\r\n  b\r\n\tc\r\nContent-Length: 2\r\n\r\nok", false},
    {"/bare-lf", "HTTP/1.1 200\nX-Long: a b c\nContent-Length: 2\n\nok", false},
    {"/keep-10",
     "HTTP/1.0 200 OK\r\nX-Long: a b c\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
     false},
    {"/close-10", "HTTP/1.0 200 OK\r\nX-Long: a b c\r\nContent-Length: 2\r\n\r\nok", false},
    {"/says-close",
     "HTTP/1.1 200 OK\r\nX-Long: a b c\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
     false},
    // The length does not count beside a coding.
    {"/both",
     "HTTP/1.1 200 OK\r\nX-Long: a b c\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nok\r\n0\r\n\r\n",
     false},
    {"/surplus",
     "HTTP/1.1 200 OK\r\nX-Long: a b c\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n",
     false},
    {"/coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", true},
    // Before the request's body was read.
    {"/early-refusal", "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nfull", true},
    {"/early-answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true},
    {"/upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n", true},
};

static void big_head(int fd)
{
    say(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 5000; i++)
        say(fd, "X-Long: 0123456789abcdef\r\n");
    say(fd, "\r\n");
}

_Atomic unsigned test_server_resets;

// The descriptor stays taken, as the server closes it in the end.
static void reset(int fd)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (nothing < 0 || dup3(nothing, fd, O_CLOEXEC) < 0)
        abort();
    close(nothing);
    test_server_resets++;
}

// What the client sent, as the body of an answer.
static void mirror(struct peer *peer, size_t head_len)
{
    char text[128];
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", head_len);
    say(peer->fd, text);
    (void)!send(peer->fd, peer->head, head_len, MSG_NOSIGNAL);
}

// A client that asks before it sends its body of five bytes: told to go on, told nothing, refused.
static bool expect(struct peer *peer, struct str path)
{
    bool is_refused = str_is(path, "/expect/no");
    bool came_early = peer->len > 0;
    if (is_refused) {
        say(peer->fd, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
        return false;
    }
    if (str_is(path, "/expect/now"))
        say(peer->fd, "HTTP/1.1 100 Continue\r\n\r\n");
    while (peer->len < 5 && fill(peer))
        ;
    say(peer->fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    (void)!send(peer->fd, came_early ? "early" : peer->head, 5, MSG_NOSIGNAL);
    use(peer, 5);
    return true;
}

// Answers the request whose head is the first bytes of the buffer; false: close.
static bool answer(struct peer *peer, size_t head_len)
{
    struct str line, path;
    str_cut(str_of(peer->head, head_len), '\r', &line, &(struct str){0});
    str_cut(line, ' ', &(struct str){0}, &path);
    str_cut(path, ' ', &path, &(struct str){0});
    if (str_starts(path, STR("/mirror"))) {
        mirror(peer, head_len);
        use(peer, head_len);
        return true;
    }
    const struct answer *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (str_is(path, answers[i].path))
            found = &answers[i];
    if (str_starts(path, STR("/expect/"))) {
        char kept[32];
        snprintf(kept, sizeof(kept), "%.*s", STR_ARG(path));
        use(peer, head_len);
        return expect(peer, str_from(kept));
    }
    bool is_echo = str_is(path, "/echo");
    bool is_big_head = str_is(path, "/big-head");
    bool is_stall = str_is(path, "/stall");
    bool is_deaf = str_is(path, "/deaf");
    bool is_reset = str_is(path, "/reset");
    use(peer, head_len);
    if (is_echo)
        echo_chunks(peer);
    else if (is_big_head)
        big_head(peer->fd);
    else if (is_reset) {
        say(peer->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        reset(peer->fd);
    } else if (found)
        say(peer->fd, found->text);
    else {
        if (is_deaf)
            poll(&(struct pollfd){.fd = peer->fd, .events = POLLRDHUP}, 1, -1);
        if (is_stall)
            say(peer->fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        wait_for_close(peer); // "/silent"
    }
    return is_echo || (found && !found->close);
}

static void *serve_connection(void *arg)
{
    struct peer *peer = mem_new(struct peer);
    peer->fd = (int)(intptr_t)arg;
    bool open = true;
    while (open) {
        char *end = memmem(peer->head, peer->len, "\r\n\r\n", 4);
        if (end)
            open = answer(peer, (size_t)(end - peer->head) + 4);
        else
            open = fill(peer);
    }
    shutdown(peer->fd, SHUT_WR);
    wait_for_close(peer);
    free(peer);
    return NULL;
}

static void *accept_connections(void *arg)
{
    struct test_server *server = arg;
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        size_t index = __atomic_load_n(&server->count, __ATOMIC_ACQUIRE);
        if (index == SERVER_CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        server->fds[index] = fd;
        if (pthread_create(&server->threads[index], NULL, serve_connection, (void *)(intptr_t)fd) !=
            0)
            abort();
        __atomic_store_n(&server->count, index + 1, __ATOMIC_RELEASE);
    }
}

int test_listen_somewhere(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

void test_server_start(struct test_server *server)
{
    memset(server, 0, sizeof(*server));
    server->listener = test_listen_somewhere(&server->port);
    if (pthread_create(&server->acceptor, NULL, accept_connections, server) != 0)
        abort();
}

size_t test_server_connections(struct test_server *server, size_t expected)
{
    // A connection may be served before it is counted.
    size_t count = 0;
    for (int i = 0; i < 5000 && count < expected; i++) {
        count = __atomic_load_n(&server->count, __ATOMIC_ACQUIRE);
        if (count < expected)
            usleep(1000);
    }
    return count;
}

void test_server_stop(struct test_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listener);
    for (size_t i = 0; i < server->count; i++) {
        shutdown(server->fds[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
}

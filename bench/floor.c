// SPDX-License-Identifier: Apache-2.0
// The floor of the HTTP benchmark: one thread, one epoll, the same answer to whatever head comes.
// All answers of one read leave in one write. Bodies of requests are not understood.
// Usage: floor PORT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX      64
#define FDS_MAX         16384
#define INPUT_BYTES_MAX 16384
#define PIPELINED_MAX   128

static const char ANSWER[] = "HTTP/1.1 200 OK\r\n"
                             "content-type: text/plain\r\n"
                             "content-length: 14\r\n\r\n"
                             "hello from p2\n";
#define ANSWER_BYTES (sizeof(ANSWER) - 1)

// How many bytes of CR LF CR LF the end of the input so far matched, for each connection.
static uint8_t matched[FDS_MAX];
static char answers[PIPELINED_MAX * ANSWER_BYTES];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void watch(int poll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    must(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    must(fd >= 0, "socket");
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "SO_REUSEADDR");
    must(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    must(listen(fd, 4096) == 0, "listen");
    return fd;
}

static void accept_all(int poll, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        int on = 1;
        if (fd >= FDS_MAX || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) {
            close(fd);
            continue;
        }
        matched[fd] = 0;
        watch(poll, fd);
    }
}

// The number of heads that end in `input`.
static size_t count_heads(int fd, const char *input, size_t size)
{
    static const char END[] = "\r\n\r\n";
    size_t heads = 0;
    for (size_t i = 0; i < size; i++) {
        if (input[i] == END[matched[fd]])
            matched[fd]++;
        else
            matched[fd] = input[i] == '\r';
        if (matched[fd] == 4) {
            matched[fd] = 0;
            heads++;
        }
    }
    return heads;
}

// Whoever does not take its answers is closed, as is one that is done.
static bool serve(int fd)
{
    char input[INPUT_BYTES_MAX];
    ssize_t size = recv(fd, input, sizeof(input), 0);
    if (size <= 0)
        return size < 0 && errno == EAGAIN;
    for (size_t heads = count_heads(fd, input, (size_t)size); heads > 0;) {
        size_t now = heads < PIPELINED_MAX ? heads : PIPELINED_MAX;
        if (send(fd, answers, now * ANSWER_BYTES, MSG_NOSIGNAL) != (ssize_t)(now * ANSWER_BYTES))
            return false;
        heads -= now;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: floor PORT\n");
        return 2;
    }
    for (size_t i = 0; i < PIPELINED_MAX; i++)
        memcpy(answers + i * ANSWER_BYTES, ANSWER, ANSWER_BYTES);
    int listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    int poll = epoll_create1(EPOLL_CLOEXEC);
    must(poll >= 0, "epoll_create1");
    watch(poll, listener);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(poll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(poll, listener);
            else if (!serve(events[i].data.fd))
                close(events[i].data.fd);
        }
    }
}

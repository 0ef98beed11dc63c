// SPDX-License-Identifier: Apache-2.0
// Requests at a constant rate, whatever the server does: each has its time in a schedule, and its
// latency counts from there, not from when a connection was free to send it (no coordinated
// omission). What has no answer at the end counts as answered then.
// Usage: rate PORT PATH RATE SECONDS CONNECTIONS; prints requests, unanswered, p50, p99, max in us.
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
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX   1024
#define ANSWER_BYTES_MAX  4096
#define REQUEST_BYTES_MAX 512
#define SECOND_NS         1000000000ull
// The last part of a wait is spun through: a sleep ends late by about so much.
#define SPIN_NS 60000ull

struct connection {
    int fd;
    size_t request; // index in the schedule
    size_t used;
    char answer[ANSWER_BYTES_MAX + 1];
};

struct run {
    char request[REQUEST_BYTES_MAX];
    size_t request_bytes;
    uint64_t start, period; // ns
    size_t count, sent, answered;
    uint64_t *latency; // ns, 0: no answer yet
    struct connection *connections;
    struct connection *free[CONNECTIONS_MAX];
    size_t free_count;
    int poll;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "rate: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

static uint64_t due(const struct run *run, size_t request)
{
    return run->start + request * run->period;
}

static void open_connections(struct run *run, uint16_t port, size_t count)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    run->poll = epoll_create1(EPOLL_CLOEXEC);
    must(run->poll >= 0, "epoll_create1");
    for (size_t i = 0; i < count; i++) {
        struct connection *c = &run->connections[i];
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(c->fd >= 0, "socket");
        must(connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "connect");
        must(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "TCP_NODELAY");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        must(epoll_ctl(run->poll, EPOLL_CTL_ADD, c->fd, &event) == 0, "epoll_ctl");
        run->free[run->free_count++] = c;
    }
}

static void send_due(struct run *run, uint64_t now)
{
    while (run->sent < run->count && due(run, run->sent) <= now && run->free_count > 0) {
        struct connection *c = run->free[--run->free_count];
        c->request = run->sent++;
        c->used = 0;
        must(send(c->fd, run->request, run->request_bytes, MSG_NOSIGNAL) ==
                 (ssize_t)run->request_bytes,
             "sending a request");
    }
}

static bool is_whole(struct connection *c)
{
    c->answer[c->used] = 0;
    const char *body = strstr(c->answer, "\r\n\r\n");
    if (!body)
        return false;
    must(strncmp(c->answer, "HTTP/1.1 200", 12) == 0, "an answer other than 200");
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (length && length < body)
        return (size_t)(c->answer + c->used - (body + 4)) >= strtoul(length + 17, NULL, 10);
    return c->used >= 5 && memcmp(c->answer + c->used - 5, "0\r\n\r\n", 5) == 0; // chunked
}

static void receive(struct run *run, struct connection *c)
{
    ssize_t size = recv(c->fd, c->answer + c->used, ANSWER_BYTES_MAX - c->used, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return;
    must(size > 0, "a connection ended");
    c->used += (size_t)size;
    if (!is_whole(c))
        return;
    run->latency[c->request] = now_ns() - due(run, c->request);
    run->answered++;
    run->free[run->free_count++] = c;
}

static void wait_some(struct run *run, uint64_t now, uint64_t end)
{
    struct epoll_event events[64];
    bool can_send = run->sent < run->count && run->free_count > 0;
    uint64_t until = can_send ? due(run, run->sent) : end;
    uint64_t rest = until > now + SPIN_NS ? until - now - SPIN_NS : 0;
    struct timespec timeout = {.tv_sec = (time_t)(rest / SECOND_NS),
                               .tv_nsec = (long)(rest % SECOND_NS)};
    int count = epoll_pwait2(run->poll, events, 64, &timeout, NULL);
    for (int i = 0; i < count; i++)
        receive(run, events[i].data.ptr);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct run *run)
{
    uint64_t end = now_ns();
    for (size_t i = 0; i < run->count; i++)
        if (run->latency[i] == 0)
            run->latency[i] = end - due(run, i);
    qsort(run->latency, run->count, sizeof(run->latency[0]), compare);
    printf("%zu %zu %.1f %.1f %.1f\n", run->count, run->count - run->answered,
           (double)run->latency[run->count / 2] / 1e3,
           (double)run->latency[run->count * 99 / 100] / 1e3,
           (double)run->latency[run->count - 1] / 1e3);
}

int main(int argc, char **argv)
{
    static struct run run;
    if (argc != 6) {
        fprintf(stderr, "usage: rate PORT PATH RATE SECONDS CONNECTIONS\n");
        return 2;
    }
    double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL);
    size_t connections = strtoul(argv[5], NULL, 10);
    if (rate < 1 || rate > 1e6 || seconds <= 0 || seconds > 600 || rate * seconds < 100 ||
        connections < 1 || connections > CONNECTIONS_MAX) {
        fprintf(stderr, "rate: a rate, time or number of connections is out of range\n");
        return 2;
    }
    run.request_bytes = (size_t)snprintf(run.request, sizeof(run.request),
                                         "GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n", argv[2]);
    must(run.request_bytes < sizeof(run.request), "the path");
    run.period = (uint64_t)(1e9 / rate);
    run.count = (size_t)(rate * seconds);
    run.latency = calloc(run.count, sizeof(run.latency[0]));
    run.connections = calloc(connections, sizeof(run.connections[0]));
    must(run.latency && run.connections, "memory");
    open_connections(&run, (uint16_t)strtoul(argv[1], NULL, 10), connections);
    run.start = now_ns();
    // Half a second longer for the last ones.
    uint64_t end = due(&run, run.count) + SECOND_NS / 2;
    for (uint64_t now = run.start; run.answered < run.count && now < end; now = now_ns()) {
        send_due(&run, now);
        wait_some(&run, now, end);
    }
    report(&run);
    free(run.connections);
    free(run.latency);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.2: a socket's descriptor, who waits for it, its options.
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>

#include "wasi/p2_sockets.h"

bool sock_is_full(const struct wasi *wasi)
{
    return wasi->socket_count >= WASI_SOCKETS_MAX;
}

int sock_open(struct wasi *wasi, int family, int type)
{
    if (sock_is_full(wasi))
        return -EMFILE;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EAFNOSUPPORT ? -EOPNOTSUPP : -errno;
    static const int on = 1;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

void sock_init(struct sock *sock, struct wasi *wasi, int fd, int family,
               void (*destroy)(struct sock *sock))
{
    *sock = (struct sock){.refs = 1, .fd = fd, .family = family, .wasi = wasi, .destroy = destroy};
    wasi->socket_count++;
}

struct sock *sock_ref(struct sock *sock)
{
    sock->refs++;
    return sock;
}

void sock_unref(struct sock *sock)
{
    if (--sock->refs > 0)
        return;
    if (sock->has_poll)
        loop_poll_done(&sock->poll);
    close(sock->fd);
    sock->wasi->socket_count--;
    sock->destroy(sock);
}

// ---- readiness ----------------------------------------------------------------------------------

static void on_poll(struct loop_poll *poll, unsigned events)
{
    struct sock *sock = container_of(poll, struct sock, poll);
    if (events & LOOP_HANGUP)
        events |= LOOP_READABLE;
    for (struct sock_watch *watch = sock->watches, *next; watch; watch = next) {
        next = watch->next;
        if (watch->events & events)
            watch->callback(watch);
    }
}

static void update_poll(struct sock *sock)
{
    unsigned events = 0;
    for (const struct sock_watch *watch = sock->watches; watch; watch = watch->next)
        events |= watch->events;
    int rc = 0;
    if (!sock->has_poll && events) {
        rc = loop_poll_init(&sock->poll, sock->wasi->loop, sock->fd, on_poll);
        sock->has_poll = rc == 0;
    }
    if (sock->has_poll)
        rc = loop_poll_set(&sock->poll, events);
    if (rc < 0)
        sock->is_broken = true;
}

void sock_watch_start(struct sock *sock, struct sock_watch *watch, unsigned events,
                      void (*callback)(struct sock_watch *watch))
{
    if (watch->link)
        return;
    *watch = (struct sock_watch){sock->watches, &sock->watches, events, callback};
    if (watch->next)
        watch->next->link = &watch->next;
    sock->watches = watch;
    update_poll(sock);
}

void sock_watch_stop(struct sock *sock, struct sock_watch *watch)
{
    if (!watch->link)
        return;
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    watch->link = NULL;
    update_poll(sock);
}

bool sock_is_ready(const struct sock *sock, unsigned events)
{
    if (sock->is_broken)
        return true;
    struct pollfd asked = {.fd = sock->fd};
    asked.events |= events & LOOP_READABLE ? POLLIN : 0;
    asked.events |= events & LOOP_WRITABLE ? POLLOUT : 0;
    return poll(&asked, 1, 0) != 0;
}

// ---- addresses ----------------------------------------------------------------------------------

int sock_bind(struct sock *sock, const struct net_address *address)
{
    return bind(sock->fd, (const struct sockaddr *)&address->storage, address->len) < 0 ? -errno
                                                                                        : 0;
}

int sock_local_address(const struct sock *sock, struct net_address *out)
{
    struct net_address address = {.len = sizeof(address.storage)};
    if (getsockname(sock->fd, (struct sockaddr *)&address.storage, &address.len) < 0)
        return -errno;
    *out = address;
    return 0;
}

int sock_remote_address(const struct sock *sock, struct net_address *out)
{
    struct net_address address = {.len = sizeof(address.storage)};
    if (getpeername(sock->fd, (struct sockaddr *)&address.storage, &address.len) < 0)
        return -errno;
    *out = address;
    return 0;
}

// ---- options ------------------------------------------------------------------------------------

int sock_get(const struct sock *sock, int level, int name, uint64_t *out)
{
    int value = 0;
    socklen_t len = sizeof(value);
    if (getsockopt(sock->fd, level, name, &value, &len) < 0)
        return -errno;
    *out = (uint64_t)MAX(value, 0);
    return 0;
}

int sock_set(const struct sock *sock, int level, int name, uint64_t value)
{
    int number = (int)MIN(value, (uint64_t)INT_MAX);
    return setsockopt(sock->fd, level, name, &number, sizeof(number)) < 0 ? -errno : 0;
}

int sock_get_buffer(const struct sock *sock, int name, uint64_t *out)
{
    uint64_t doubled;
    int rc = sock_get(sock, SOL_SOCKET, name, &doubled);
    if (rc == 0)
        *out = doubled / 2;
    return rc;
}

int sock_set_buffer(const struct sock *sock, int name, uint64_t value)
{
    if (value == 0)
        return -EINVAL;
    return sock_set(sock, SOL_SOCKET, name, MIN(value, (uint64_t)INT_MAX / 2));
}

int sock_get_hop_limit(const struct sock *sock, uint64_t *out)
{
    return sock->family == AF_INET6 ? sock_get(sock, IPPROTO_IPV6, IPV6_UNICAST_HOPS, out)
                                    : sock_get(sock, IPPROTO_IP, IP_TTL, out);
}

int sock_set_hop_limit(const struct sock *sock, uint8_t value)
{
    if (value == 0)
        return -EINVAL;
    return sock->family == AF_INET6 ? sock_set(sock, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value)
                                    : sock_set(sock, IPPROTO_IP, IP_TTL, value);
}

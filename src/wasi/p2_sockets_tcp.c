// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/tcp 0.2: the states of a socket. Binding and listening never wait here: they are
// done by start-..., finish-... tells that they were.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "wasi/p2_sockets.h"

typedef struct p2_result_void_sockets_network_error_code void_result;

static void destroy(struct sock *sock)
{
    struct p2_sockets_tcp_tcp_socket *tcp = tcp_of(sock);
    free(tcp->pending);
    free(tcp);
}

struct p2_sockets_tcp_tcp_socket *tcp_socket_new(struct wasi *wasi, int fd, int family,
                                                 enum tcp_state state)
{
    struct p2_sockets_tcp_tcp_socket *tcp = mem_new(struct p2_sockets_tcp_tcp_socket);
    sock_init(&tcp->sock, wasi, fd, family, destroy);
    tcp->state = state;
    tcp->backlog = TCP_BACKLOG_DEFAULT;
    return tcp;
}

int p2_sockets_tcp_create_socket_create_tcp_socket(
    struct canon_call *call, enum p2_sockets_network_ip_address_family address_family,
    struct p2_result_sockets_tcp_tcp_socket_sockets_network_error_code *ret)
{
    int family = address_family == P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6 ? AF_INET6 : AF_INET;
    int fd = sock_open(wasi_of(call), family, SOCK_STREAM);
    if (fd < 0)
        return SOCK_FAIL(ret, fd);
    ret->ok = tcp_socket_new(wasi_of(call), fd, family, TCP_UNBOUND);
    return 0;
}

int p2_sockets_tcp_tcp_socket_drop(struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self)
{
    sock_unref(&self->sock);
    return 0;
}

// ---- bind ---------------------------------------------------------------------------------------

static bool is_in_progress(enum tcp_state state)
{
    return state == TCP_BIND_STARTED || state == TCP_LISTEN_STARTED || state == TCP_CONNECTING;
}

// Why an operation that needs another state is refused.
static int refusal(enum tcp_state state)
{
    return is_in_progress(state) ? -EALREADY : -ENOTCONN;
}

int tcp_start_bind(struct p2_sockets_tcp_tcp_socket *tcp, const struct net_address *address)
{
    int rc = tcp->state == TCP_UNBOUND ? 0 : refusal(tcp->state);
    if (rc == 0)
        rc = sock_check_local(address, tcp->sock.family);
    if (rc == 0)
        rc = sock_check_use(tcp->sock.wasi, WASI_NETWORK_TCP_BIND, address, STR_EMPTY);
    // A port whose last connections linger in TIME_WAIT is free (wasi:sockets, start-bind).
    if (rc == 0)
        rc = sock_set(&tcp->sock, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0)
        rc = sock_bind(&tcp->sock, address);
    if (rc == 0)
        tcp->state = TCP_BIND_STARTED;
    return rc;
}

int p2_sockets_tcp_tcp_socket_start_bind(
    struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self,
    struct p2_sockets_network_network *network,
    const struct p2_sockets_network_ip_socket_address *local_address, void_result *ret)
{
    struct net_address address;
    sock_address_in(local_address, &address);
    return sock_answer(ret, tcp_start_bind(self, &address));
}

static int finish(struct p2_sockets_tcp_tcp_socket *tcp, enum tcp_state started,
                  enum tcp_state finished)
{
    if (tcp->state != started)
        return -ESRCH;
    tcp->state = finished;
    return 0;
}

int p2_sockets_tcp_tcp_socket_finish_bind(struct canon_call *call,
                                          struct p2_sockets_tcp_tcp_socket *self, void_result *ret)
{
    return sock_answer(ret, finish(self, TCP_BIND_STARTED, TCP_BOUND));
}

// ---- connect ------------------------------------------------------------------------------------

// Guests write in whole messages and flush them; waiting for more would only delay those.
static void set_no_delay(struct p2_sockets_tcp_tcp_socket *tcp)
{
    (void)!sock_set(&tcp->sock, IPPROTO_TCP, TCP_NODELAY, 1);
}

// EADDRNOTAVAIL of connect(2): no port is left for the implicit bind.
static int connect_error(int number)
{
    return number == EADDRNOTAVAIL ? -EADDRINUSE : -number;
}

int tcp_start_connect(struct p2_sockets_tcp_tcp_socket *tcp, const struct net_address *address)
{
    if (tcp->state != TCP_UNBOUND && tcp->state != TCP_BOUND)
        return refusal(tcp->state);
    int rc = sock_check_remote(address, tcp->sock.family);
    if (rc == 0)
        rc = sock_check_use(tcp->sock.wasi, WASI_NETWORK_TCP_CONNECT, address, STR_EMPTY);
    if (rc < 0)
        return rc;
    rc = connect(tcp->sock.fd, (const struct sockaddr *)&address->storage, address->len);
    if (rc < 0 && errno != EINPROGRESS && errno != EINTR) {
        tcp->state = TCP_CLOSED;
        return connect_error(errno);
    }
    tcp->state = TCP_CONNECTING;
    return 0;
}

int p2_sockets_tcp_tcp_socket_start_connect(
    struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self,
    struct p2_sockets_network_network *network,
    const struct p2_sockets_network_ip_socket_address *remote_address, void_result *ret)
{
    struct net_address address;
    sock_address_in(remote_address, &address);
    return sock_answer(ret, tcp_start_connect(self, &address));
}

int tcp_finish_connect(struct p2_sockets_tcp_tcp_socket *tcp)
{
    if (tcp->state == TCP_CLOSED)
        return -ENOTCONN;
    if (tcp->state != TCP_CONNECTING)
        return -ESRCH;
    if (!sock_is_ready(&tcp->sock, LOOP_WRITABLE))
        return -EAGAIN;
    uint64_t failure;
    int rc = sock_get(&tcp->sock, SOL_SOCKET, SO_ERROR, &failure);
    if (rc == 0 && failure)
        rc = connect_error((int)failure);
    tcp->state = rc == 0 ? TCP_CONNECTED : TCP_CLOSED;
    if (rc == 0)
        set_no_delay(tcp);
    return rc;
}

int p2_sockets_tcp_tcp_socket_finish_connect(
    struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self,
    struct
    p2_result_tuple_io_streams_input_stream_io_streams_output_stream_sockets_network_error_code
        *ret)
{
    int rc = tcp_finish_connect(self);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    tcp_streams_new(self, &ret->ok.f0, &ret->ok.f1);
    return 0;
}

// ---- listen and accept --------------------------------------------------------------------------

int tcp_start_listen(struct p2_sockets_tcp_tcp_socket *tcp)
{
    if (tcp->state != TCP_BOUND)
        return refusal(tcp->state);
    if (listen(tcp->sock.fd, tcp->backlog) < 0)
        return -errno;
    tcp->state = TCP_LISTEN_STARTED;
    return 0;
}

int p2_sockets_tcp_tcp_socket_start_listen(struct canon_call *call,
                                           struct p2_sockets_tcp_tcp_socket *self, void_result *ret)
{
    return sock_answer(ret, tcp_start_listen(self));
}

int p2_sockets_tcp_tcp_socket_finish_listen(struct canon_call *call,
                                            struct p2_sockets_tcp_tcp_socket *self,
                                            void_result *ret)
{
    return sock_answer(ret, finish(self, TCP_LISTEN_STARTED, TCP_LISTENING));
}

// A descriptor or an errno. What went wrong with one connection before it was accepted (accept(2),
// "Error handling") says nothing of the listener.
static int accept_fd(struct p2_sockets_tcp_tcp_socket *tcp)
{
    if (tcp->state != TCP_LISTENING)
        return refusal(tcp->state);
    if (sock_is_full(tcp->sock.wasi))
        return -EMFILE;
    int fd;
    do
        fd = accept4(tcp->sock.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return fd;
    static const int of_resources[] = {EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM};
    for (size_t i = 0; i < ARRAY_LEN(of_resources); i++)
        if (errno == of_resources[i])
            return -errno;
    return -ECONNABORTED;
}

int tcp_accept(struct p2_sockets_tcp_tcp_socket *listener, struct p2_sockets_tcp_tcp_socket **out)
{
    int fd = accept_fd(listener);
    if (fd < 0)
        return fd;
    *out = tcp_socket_new(listener->sock.wasi, fd, listener->sock.family, TCP_CONNECTED);
    set_no_delay(*out);
    return 0;
}

int p2_sockets_tcp_tcp_socket_accept(
    struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self,
    struct
    p2_result_tuple_sockets_tcp_tcp_socket_io_streams_input_stream_io_streams_output_stream_sockets_network_error_code
        *ret)
{
    int rc = tcp_accept(self, &ret->ok.f0);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    tcp_streams_new(ret->ok.f0, &ret->ok.f1, &ret->ok.f2);
    return 0;
}

// ---- readiness ----------------------------------------------------------------------------------

// What the socket itself waits for; its streams have pollables of their own.
static unsigned awaited(const struct p2_sockets_tcp_tcp_socket *tcp)
{
    return tcp->state == TCP_LISTENING    ? LOOP_READABLE
           : tcp->state == TCP_CONNECTING ? LOOP_WRITABLE
                                          : 0;
}

static bool socket_ready(void *source)
{
    struct p2_sockets_tcp_tcp_socket *tcp = source;
    return !awaited(tcp) || sock_is_ready(&tcp->sock, awaited(tcp));
}

static void on_ready(struct sock_watch *watch)
{
    wasi_event_wake(&container_of(watch, struct p2_sockets_tcp_tcp_socket, watch)->event);
}

static void socket_watch(void *source)
{
    struct p2_sockets_tcp_tcp_socket *tcp = source;
    if (awaited(tcp))
        sock_watch_start(&tcp->sock, &tcp->watch, awaited(tcp), on_ready);
}

static void socket_unwatch(void *source)
{
    struct p2_sockets_tcp_tcp_socket *tcp = source;
    sock_watch_stop(&tcp->sock, &tcp->watch);
}

static void pollable_dropped(void *source)
{
    sock_unref(&((struct p2_sockets_tcp_tcp_socket *)source)->sock);
}

int p2_sockets_tcp_tcp_socket_subscribe(struct canon_call *call,
                                        struct p2_sockets_tcp_tcp_socket *self,
                                        struct p2_io_poll_pollable **ret)
{
    static const struct pollable_ops ops = {
        .ready = socket_ready,
        .watch = socket_watch,
        .unwatch = socket_unwatch,
        .drop = pollable_dropped,
    };
    sock_ref(&self->sock);
    *ret = pollable_new(&ops, self, &self->event);
    return 0;
}

// ---- shutdown -----------------------------------------------------------------------------------

int p2_sockets_tcp_tcp_socket_shutdown(struct canon_call *call,
                                       struct p2_sockets_tcp_tcp_socket *self,
                                       enum p2_sockets_tcp_shutdown_type shutdown_type,
                                       void_result *ret)
{
    if (self->state != TCP_CONNECTED)
        return SOCK_FAIL(ret, refusal(self->state));
    return sock_answer(ret, tcp_shutdown(self, shutdown_type != P2_SOCKETS_TCP_SHUTDOWN_TYPE_SEND,
                                         shutdown_type != P2_SOCKETS_TCP_SHUTDOWN_TYPE_RECEIVE));
}

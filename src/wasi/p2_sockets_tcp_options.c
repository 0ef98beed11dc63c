// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/tcp 0.2: addresses and options.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "wasi/p2_sockets.h"

typedef struct p2_sockets_tcp_tcp_socket tcp_socket;
typedef struct p2_result_void_sockets_network_error_code void_result;
typedef struct p2_result_u64_sockets_network_error_code u64_result;

#define NS_PER_S              UINT64_C(1000000000)
#define KEEP_ALIVE_TIME_S_MAX 32767u // the kernel's MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL
#define KEEP_ALIVE_COUNT_MAX  127u   // MAX_TCP_KEEPCNT

// ---- addresses ----------------------------------------------------------------------------------

int p2_sockets_tcp_tcp_socket_local_address(
    struct canon_call *call, tcp_socket *self,
    struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code *ret)
{
    struct net_address address;
    int rc = self->state == TCP_UNBOUND || self->state == TCP_CLOSED ? -ENOTCONN : 0;
    if (self->state == TCP_BIND_STARTED)
        rc = -EALREADY;
    if (rc == 0)
        rc = sock_local_address(&self->sock, &address);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    sock_address_out(&address, &ret->ok);
    return 0;
}

int p2_sockets_tcp_tcp_socket_remote_address(
    struct canon_call *call, tcp_socket *self,
    struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code *ret)
{
    struct net_address address;
    int rc = self->state == TCP_CONNECTED ? 0 : -ENOTCONN;
    if (self->state == TCP_CONNECTING)
        rc = -EALREADY;
    if (rc == 0)
        rc = sock_remote_address(&self->sock, &address);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    sock_address_out(&address, &ret->ok);
    return 0;
}

int p2_sockets_tcp_tcp_socket_is_listening(struct canon_call *call, tcp_socket *self, bool *ret)
{
    *ret = self->state == TCP_LISTENING;
    return 0;
}

int p2_sockets_tcp_tcp_socket_address_family(struct canon_call *call, tcp_socket *self,
                                             enum p2_sockets_network_ip_address_family *ret)
{
    *ret = self->sock.family == AF_INET6 ? P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6
                                         : P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4;
    return 0;
}

// ---- backlog ------------------------------------------------------------------------------------

static int set_backlog(tcp_socket *tcp, uint64_t value)
{
    if (value == 0)
        return -EINVAL;
    if (tcp->state == TCP_LISTEN_STARTED)
        return -EALREADY;
    if (tcp->state == TCP_CONNECTING || tcp->state == TCP_CONNECTED || tcp->state == TCP_CLOSED)
        return -ENOTCONN;
    int backlog = (int)MIN(value, (uint64_t)TCP_BACKLOG_MAX);
    // Listening again changes the length of the queue.
    if (tcp->state == TCP_LISTENING && listen(tcp->sock.fd, backlog) < 0)
        return -EOPNOTSUPP;
    tcp->backlog = backlog;
    return 0;
}

int p2_sockets_tcp_tcp_socket_set_listen_backlog_size(struct canon_call *call, tcp_socket *self,
                                                      uint64_t value, void_result *ret)
{
    return sock_answer(ret, set_backlog(self, value));
}

// ---- keep-alive ---------------------------------------------------------------------------------

int p2_sockets_tcp_tcp_socket_keep_alive_enabled(
    struct canon_call *call, tcp_socket *self,
    struct p2_result_bool_sockets_network_error_code *ret)
{
    uint64_t value;
    int rc = sock_get(&self->sock, SOL_SOCKET, SO_KEEPALIVE, &value);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    ret->ok = value != 0;
    return 0;
}

int p2_sockets_tcp_tcp_socket_set_keep_alive_enabled(struct canon_call *call, tcp_socket *self,
                                                     bool value, void_result *ret)
{
    return sock_answer(ret, sock_set(&self->sock, SOL_SOCKET, SO_KEEPALIVE, value));
}

static int get_duration(const tcp_socket *tcp, int name, u64_result *ret)
{
    uint64_t seconds;
    int rc = sock_get(&tcp->sock, IPPROTO_TCP, name, &seconds);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    ret->ok = seconds * NS_PER_S;
    return 0;
}

// Whole seconds, rounded up: the kernel knows no others.
static int set_duration(const tcp_socket *tcp, int name, uint64_t ns)
{
    if (ns == 0)
        return -EINVAL;
    uint64_t seconds = ns / NS_PER_S + (ns % NS_PER_S != 0);
    return sock_set(&tcp->sock, IPPROTO_TCP, name, MIN(seconds, KEEP_ALIVE_TIME_S_MAX));
}

int p2_sockets_tcp_tcp_socket_keep_alive_idle_time(struct canon_call *call, tcp_socket *self,
                                                   u64_result *ret)
{
    return get_duration(self, TCP_KEEPIDLE, ret);
}

int p2_sockets_tcp_tcp_socket_set_keep_alive_idle_time(struct canon_call *call, tcp_socket *self,
                                                       uint64_t value, void_result *ret)
{
    return sock_answer(ret, set_duration(self, TCP_KEEPIDLE, value));
}

int p2_sockets_tcp_tcp_socket_keep_alive_interval(struct canon_call *call, tcp_socket *self,
                                                  u64_result *ret)
{
    return get_duration(self, TCP_KEEPINTVL, ret);
}

int p2_sockets_tcp_tcp_socket_set_keep_alive_interval(struct canon_call *call, tcp_socket *self,
                                                      uint64_t value, void_result *ret)
{
    return sock_answer(ret, set_duration(self, TCP_KEEPINTVL, value));
}

int p2_sockets_tcp_tcp_socket_keep_alive_count(struct canon_call *call, tcp_socket *self,
                                               struct p2_result_u32_sockets_network_error_code *ret)
{
    uint64_t value;
    int rc = sock_get(&self->sock, IPPROTO_TCP, TCP_KEEPCNT, &value);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    ret->ok = (uint32_t)value;
    return 0;
}

int p2_sockets_tcp_tcp_socket_set_keep_alive_count(struct canon_call *call, tcp_socket *self,
                                                   uint32_t value, void_result *ret)
{
    if (value == 0)
        return SOCK_FAIL(ret, -EINVAL);
    return sock_answer(
        ret, sock_set(&self->sock, IPPROTO_TCP, TCP_KEEPCNT, MIN(value, KEEP_ALIVE_COUNT_MAX)));
}

// ---- hop limit and buffers ----------------------------------------------------------------------

int p2_sockets_tcp_tcp_socket_hop_limit(struct canon_call *call, tcp_socket *self,
                                        struct p2_result_u8_sockets_network_error_code *ret)
{
    uint64_t value;
    int rc = sock_get_hop_limit(&self->sock, &value);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    ret->ok = (uint8_t)value;
    return 0;
}

int p2_sockets_tcp_tcp_socket_set_hop_limit(struct canon_call *call, tcp_socket *self,
                                            uint8_t value, void_result *ret)
{
    return sock_answer(ret, sock_set_hop_limit(&self->sock, value));
}

static int get_buffer(const tcp_socket *tcp, int name, u64_result *ret)
{
    int rc = sock_get_buffer(&tcp->sock, name, &ret->ok);
    return rc < 0 ? SOCK_FAIL(ret, rc) : 0;
}

int p2_sockets_tcp_tcp_socket_receive_buffer_size(struct canon_call *call, tcp_socket *self,
                                                  u64_result *ret)
{
    return get_buffer(self, SO_RCVBUF, ret);
}

int p2_sockets_tcp_tcp_socket_set_receive_buffer_size(struct canon_call *call, tcp_socket *self,
                                                      uint64_t value, void_result *ret)
{
    return sock_answer(ret, sock_set_buffer(&self->sock, SO_RCVBUF, value));
}

int p2_sockets_tcp_tcp_socket_send_buffer_size(struct canon_call *call, tcp_socket *self,
                                               u64_result *ret)
{
    return get_buffer(self, SO_SNDBUF, ret);
}

int p2_sockets_tcp_tcp_socket_set_send_buffer_size(struct canon_call *call, tcp_socket *self,
                                                   uint64_t value, void_result *ret)
{
    return sock_answer(ret, sock_set_buffer(&self->sock, SO_SNDBUF, value));
}

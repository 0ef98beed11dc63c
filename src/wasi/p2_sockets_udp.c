// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/udp 0.2: sockets, their addresses and options.
#include <errno.h>
#include <netinet/in.h>

#include "wasi/p2_sockets_udp.h"

typedef struct p2_sockets_udp_udp_socket udp_socket;
typedef struct p2_result_void_sockets_network_error_code void_result;
typedef struct p2_result_u64_sockets_network_error_code u64_result;

static void destroy(struct sock *sock)
{
    free(container_of(sock, udp_socket, sock));
}

int p2_sockets_udp_create_socket_create_udp_socket(
    struct canon_call *call, enum p2_sockets_network_ip_address_family address_family,
    struct p2_result_sockets_udp_udp_socket_sockets_network_error_code *ret)
{
    int family = address_family == P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6 ? AF_INET6 : AF_INET;
    int fd = sock_open(wasi_of(call), family, SOCK_DGRAM);
    if (fd < 0)
        return SOCK_FAIL(ret, fd);
    ret->ok = mem_new(udp_socket);
    sock_init(&ret->ok->sock, wasi_of(call), fd, family, destroy);
    return 0;
}

int p2_sockets_udp_udp_socket_drop(struct canon_call *call, udp_socket *self)
{
    sock_unref(&self->sock);
    return 0;
}

// ---- bind ---------------------------------------------------------------------------------------

int udp_start_bind(udp_socket *udp, const struct net_address *address)
{
    if (udp->state != UDP_UNBOUND)
        return udp->state == UDP_BIND_STARTED ? -EALREADY : -ENOTCONN;
    int rc = sock_check_datagram_local(address, udp->sock.family);
    if (rc == 0)
        rc = sock_check_use(udp->sock.wasi, WASI_NETWORK_UDP_BIND, address, STR_EMPTY);
    if (rc == 0)
        rc = sock_bind(&udp->sock, address);
    if (rc == 0)
        rc = sock_local_address(&udp->sock, &udp->bound);
    if (rc == 0)
        udp->state = UDP_BIND_STARTED;
    return rc;
}

int p2_sockets_udp_udp_socket_start_bind(
    struct canon_call *call, udp_socket *self, struct p2_sockets_network_network *network,
    const struct p2_sockets_network_ip_socket_address *local_address, void_result *ret)
{
    struct net_address address;
    sock_address_in(local_address, &address);
    return sock_answer(ret, udp_start_bind(self, &address));
}

int p2_sockets_udp_udp_socket_finish_bind(struct canon_call *call, udp_socket *self,
                                          void_result *ret)
{
    if (self->state != UDP_BIND_STARTED)
        return SOCK_FAIL(ret, -ESRCH);
    self->state = UDP_BOUND;
    return 0;
}

// ---- streams ------------------------------------------------------------------------------------

int udp_disconnect(udp_socket *udp)
{
    if (udp->state != UDP_CONNECTED)
        return 0;
    static const struct sockaddr none = {.sa_family = AF_UNSPEC};
    if (connect(udp->sock.fd, &none, sizeof(none)) < 0)
        return -errno;
    udp->state = UDP_BOUND;
    // The kernel takes a port that it had chosen itself away with the association.
    struct net_address now;
    int rc = sock_local_address(&udp->sock, &now);
    if (rc == 0 && !sock_address_equal(&now, &udp->bound))
        rc = sock_bind(&udp->sock, &udp->bound);
    return rc;
}

int udp_associate(udp_socket *udp, const struct net_address *remote)
{
    if (udp->state == UDP_UNBOUND || udp->state == UDP_BIND_STARTED)
        return -ENOTCONN;
    int rc = remote ? sock_check_datagram_remote(remote, udp->sock.family) : 0;
    if (rc == 0 && remote)
        rc = sock_check_use(udp->sock.wasi, WASI_NETWORK_UDP_SEND, remote, STR_EMPTY);
    if (rc == 0)
        rc = udp_disconnect(udp);
    if (rc < 0 || !remote)
        return rc;
    if (connect(udp->sock.fd, (const struct sockaddr *)&remote->storage, remote->len) < 0)
        return errno == EADDRNOTAVAIL ? -EADDRINUSE : udp_error(errno);
    udp->state = UDP_CONNECTED;
    udp->remote = *remote;
    return 0;
}

int p2_sockets_udp_udp_socket_stream(
    struct canon_call *call, udp_socket *self,
    struct p2_option_sockets_network_ip_socket_address remote_address,
    struct
    p2_result_tuple_sockets_udp_incoming_datagram_stream_sockets_udp_outgoing_datagram_stream_sockets_network_error_code
        *ret)
{
    struct net_address remote;
    if (remote_address.is_some)
        sock_address_in(&remote_address.some, &remote);
    int rc = udp_associate(self, remote_address.is_some ? &remote : NULL);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    self->generation++;
    ret->ok.f0 = udp_incoming_new(self);
    ret->ok.f1 = udp_outgoing_new(self);
    return 0;
}

// ---- addresses ----------------------------------------------------------------------------------

int p2_sockets_udp_udp_socket_local_address(
    struct canon_call *call, udp_socket *self,
    struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code *ret)
{
    struct net_address address;
    int rc = self->state == UDP_UNBOUND        ? -ENOTCONN
             : self->state == UDP_BIND_STARTED ? -EALREADY
                                               : sock_local_address(&self->sock, &address);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    sock_address_out(&address, &ret->ok);
    return 0;
}

int p2_sockets_udp_udp_socket_remote_address(
    struct canon_call *call, udp_socket *self,
    struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code *ret)
{
    if (self->state != UDP_CONNECTED)
        return SOCK_FAIL(ret, -ENOTCONN);
    sock_address_out(&self->remote, &ret->ok);
    return 0;
}

int p2_sockets_udp_udp_socket_address_family(struct canon_call *call, udp_socket *self,
                                             enum p2_sockets_network_ip_address_family *ret)
{
    *ret = self->sock.family == AF_INET6 ? P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6
                                         : P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4;
    return 0;
}

// Binding never waits, and the streams have pollables of their own.
int p2_sockets_udp_udp_socket_subscribe(struct canon_call *call, udp_socket *self,
                                        struct p2_io_poll_pollable **ret)
{
    *ret = pollable_new_ready();
    return 0;
}

// ---- options ------------------------------------------------------------------------------------

int p2_sockets_udp_udp_socket_unicast_hop_limit(struct canon_call *call, udp_socket *self,
                                                struct p2_result_u8_sockets_network_error_code *ret)
{
    uint64_t value;
    int rc = sock_get_hop_limit(&self->sock, &value);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    ret->ok = (uint8_t)value;
    return 0;
}

int p2_sockets_udp_udp_socket_set_unicast_hop_limit(struct canon_call *call, udp_socket *self,
                                                    uint8_t value, void_result *ret)
{
    return sock_answer(ret, sock_set_hop_limit(&self->sock, value));
}

static int get_buffer(const udp_socket *udp, int name, u64_result *ret)
{
    int rc = sock_get_buffer(&udp->sock, name, &ret->ok);
    return rc < 0 ? SOCK_FAIL(ret, rc) : 0;
}

int p2_sockets_udp_udp_socket_receive_buffer_size(struct canon_call *call, udp_socket *self,
                                                  u64_result *ret)
{
    return get_buffer(self, SO_RCVBUF, ret);
}

int p2_sockets_udp_udp_socket_set_receive_buffer_size(struct canon_call *call, udp_socket *self,
                                                      uint64_t value, void_result *ret)
{
    return sock_answer(ret, sock_set_buffer(&self->sock, SO_RCVBUF, value));
}

int p2_sockets_udp_udp_socket_send_buffer_size(struct canon_call *call, udp_socket *self,
                                               u64_result *ret)
{
    return get_buffer(self, SO_SNDBUF, ret);
}

int p2_sockets_udp_udp_socket_set_send_buffer_size(struct canon_call *call, udp_socket *self,
                                                   uint64_t value, void_result *ret)
{
    return sock_answer(ret, sock_set_buffer(&self->sock, SO_SNDBUF, value));
}

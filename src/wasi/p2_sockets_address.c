// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.2: addresses of the guest and of the kernel.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "wasi/p2_sockets.h"

static const struct sockaddr_in *four_of(const struct net_address *address)
{
    return (const struct sockaddr_in *)&address->storage;
}

static const struct sockaddr_in6 *six_of(const struct net_address *address)
{
    return (const struct sockaddr_in6 *)&address->storage;
}

static void four_in(const struct p2_sockets_network_ipv4_socket_address *from,
                    struct net_address *to)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&to->storage;
    const uint8_t bytes[] = {from->address.f0, from->address.f1, from->address.f2,
                             from->address.f3};
    four->sin_family = AF_INET;
    four->sin_port = htons(from->port);
    memcpy(&four->sin_addr, bytes, sizeof(bytes));
    to->len = sizeof(*four);
}

static void six_in(const struct p2_sockets_network_ipv6_socket_address *from,
                   struct net_address *to)
{
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&to->storage;
    const uint16_t groups[] = {
        htons(from->address.f0), htons(from->address.f1), htons(from->address.f2),
        htons(from->address.f3), htons(from->address.f4), htons(from->address.f5),
        htons(from->address.f6), htons(from->address.f7),
    };
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(from->port);
    six->sin6_flowinfo = htonl(from->flow_info);
    six->sin6_scope_id = from->scope_id;
    memcpy(&six->sin6_addr, groups, sizeof(groups));
    to->len = sizeof(*six);
}

void sock_address_in(const struct p2_sockets_network_ip_socket_address *from,
                     struct net_address *to)
{
    *to = (struct net_address){0};
    switch (from->tag) {
    case P2_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4:
        four_in(&from->ipv4, to);
        break;
    case P2_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6:
        six_in(&from->ipv6, to);
        break;
    }
}

void sock_address_out(const struct net_address *from,
                      struct p2_sockets_network_ip_socket_address *to)
{
    if (from->storage.ss_family == AF_INET) {
        to->tag = P2_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4;
        to->ipv4.port = ntohs(four_of(from)->sin_port);
        const uint8_t *b = (const uint8_t *)&four_of(from)->sin_addr;
        to->ipv4.address = (struct p2_tuple_u8_u8_u8_u8){b[0], b[1], b[2], b[3]};
        return;
    }
    const struct sockaddr_in6 *six = six_of(from);
    const uint16_t *g = six->sin6_addr.s6_addr16;
    to->tag = P2_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6;
    to->ipv6 = (struct p2_sockets_network_ipv6_socket_address){
        .port = ntohs(six->sin6_port),
        .flow_info = ntohl(six->sin6_flowinfo),
        .scope_id = six->sin6_scope_id,
        .address = {ntohs(g[0]), ntohs(g[1]), ntohs(g[2]), ntohs(g[3]), ntohs(g[4]), ntohs(g[5]),
                    ntohs(g[6]), ntohs(g[7])},
    };
}

bool sock_address_equal(const struct net_address *a, const struct net_address *b)
{
    if (a->storage.ss_family != b->storage.ss_family)
        return false;
    if (a->storage.ss_family == AF_INET)
        return four_of(a)->sin_port == four_of(b)->sin_port &&
               four_of(a)->sin_addr.s_addr == four_of(b)->sin_addr.s_addr;
    return six_of(a)->sin6_port == six_of(b)->sin6_port &&
           six_of(a)->sin6_scope_id == six_of(b)->sin6_scope_id &&
           IN6_ARE_ADDR_EQUAL(&six_of(a)->sin6_addr, &six_of(b)->sin6_addr);
}

static bool is_unicast(const struct net_address *address)
{
    if (address->storage.ss_family == AF_INET6)
        return !IN6_IS_ADDR_MULTICAST(&six_of(address)->sin6_addr);
    uint32_t four = ntohl(four_of(address)->sin_addr.s_addr);
    return !IN_MULTICAST(four) && four != INADDR_BROADCAST;
}

static bool is_unspecified(const struct net_address *address)
{
    return address->storage.ss_family == AF_INET6
               ? IN6_IS_ADDR_UNSPECIFIED(&six_of(address)->sin6_addr)
               : four_of(address)->sin_addr.s_addr == INADDR_ANY;
}

// Sockets are never dual-stack: an IPv6 one does not take IPv4 addresses in disguise.
static int check_family(const struct net_address *address, int family)
{
    bool is_mapped =
        address->storage.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six_of(address)->sin6_addr);
    return address->storage.ss_family != family || is_mapped ? -EINVAL : 0;
}

int sock_check_datagram_local(const struct net_address *address, int family)
{
    return check_family(address, family);
}

int sock_check_local(const struct net_address *address, int family)
{
    return is_unicast(address) ? check_family(address, family) : -EINVAL;
}

int sock_check_datagram_remote(const struct net_address *address, int family)
{
    in_port_t port = address->storage.ss_family == AF_INET6 ? six_of(address)->sin6_port
                                                            : four_of(address)->sin_port;
    if (port == 0 || is_unspecified(address))
        return -EINVAL;
    return check_family(address, family);
}

int sock_check_remote(const struct net_address *address, int family)
{
    return is_unicast(address) ? sock_check_datagram_remote(address, family) : -EINVAL;
}

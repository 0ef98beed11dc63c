// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.3: errors and addresses.
#include "wasi/p3_sockets.h"

#include <assert.h>
#include <errno.h>

#define FROM(name) P2_SOCKETS_NETWORK_ERROR_CODE_##name
#define TO(name)   P3_SOCKETS_TYPES_ERROR_CODE_##name

struct p3_sockets_types_error_code p3_sock_error_of(enum p2_sockets_network_error_code code)
{
    static const struct {
        enum p2_sockets_network_error_code from;
        enum p3_sockets_types_error_code_tag to;
    } codes[] = {
        {FROM(ACCESS_DENIED), TO(ACCESS_DENIED)},
        {FROM(NOT_SUPPORTED), TO(NOT_SUPPORTED)},
        {FROM(INVALID_ARGUMENT), TO(INVALID_ARGUMENT)},
        {FROM(OUT_OF_MEMORY), TO(OUT_OF_MEMORY)},
        {FROM(TIMEOUT), TO(TIMEOUT)},
        {FROM(CONCURRENCY_CONFLICT), TO(INVALID_STATE)},
        {FROM(NOT_IN_PROGRESS), TO(INVALID_STATE)},
        {FROM(INVALID_STATE), TO(INVALID_STATE)},
        {FROM(ADDRESS_NOT_BINDABLE), TO(ADDRESS_NOT_BINDABLE)},
        {FROM(ADDRESS_IN_USE), TO(ADDRESS_IN_USE)},
        {FROM(REMOTE_UNREACHABLE), TO(REMOTE_UNREACHABLE)},
        {FROM(CONNECTION_REFUSED), TO(CONNECTION_REFUSED)},
        {FROM(CONNECTION_RESET), TO(CONNECTION_RESET)},
        {FROM(CONNECTION_ABORTED), TO(CONNECTION_ABORTED)},
        {FROM(DATAGRAM_TOO_LARGE), TO(DATAGRAM_TOO_LARGE)},
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].from == code)
            return (struct p3_sockets_types_error_code){.tag = codes[i].to};
    struct p3_sockets_types_error_code other = {.tag = TO(OTHER)};
    if (code == FROM(NEW_SOCKET_LIMIT))
        other.other = (struct p3_option_string){true, STR("too many sockets are open")};
    return other;
}

struct p3_sockets_types_error_code p3_sock_error(int rc)
{
    if (rc == -EPIPE)
        return (struct p3_sockets_types_error_code){.tag = TO(CONNECTION_BROKEN)};
    return p3_sock_error_of(sock_error_code(rc));
}

// The two versions declare addresses alike.
static_assert(sizeof(struct p3_sockets_types_ip_socket_address) ==
                  sizeof(struct p2_sockets_network_ip_socket_address),
              "addresses of both versions");

void p3_sock_address_in(const struct p3_sockets_types_ip_socket_address *from,
                        struct net_address *to)
{
    struct p2_sockets_network_ip_socket_address address;
    memcpy(&address, from, sizeof(address));
    sock_address_in(&address, to);
}

void p3_sock_address_out(const struct net_address *from,
                         struct p3_sockets_types_ip_socket_address *to)
{
    struct p2_sockets_network_ip_socket_address address = {0};
    sock_address_out(from, &address);
    memcpy(to, &address, sizeof(*to));
}

void p3_sock_any_address(int family, struct net_address *out)
{
    struct p2_sockets_network_ip_socket_address any = {
        .tag = family == AF_INET6 ? P2_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6
                                  : P2_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4};
    sock_address_in(&any, out);
}

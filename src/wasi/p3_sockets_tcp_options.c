// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/types 0.3: addresses and options of TCP sockets, which are those of 0.2.
#include "wasi/p3_sockets.h"

typedef struct p3_sockets_types_tcp_socket tcp_socket;

#define ADDRESS(side)                                                                              \
    int p3_sockets_types_tcp_socket_get_##side##_address(                                          \
        struct canon_call *call, tcp_socket *self,                                                 \
        struct p3_result_sockets_types_ip_socket_address_sockets_types_error_code *ret)            \
    {                                                                                              \
        struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code from = {0};  \
        int rc = p2_sockets_tcp_tcp_socket_##side##_address(call, self->tcp, &from);               \
        ret->is_err = from.is_err;                                                                 \
        if (from.is_err)                                                                           \
            ret->err = p3_sock_error_of(from.err);                                                 \
        else                                                                                       \
            memcpy(&ret->ok, &from.ok, sizeof(ret->ok));                                           \
        return rc;                                                                                 \
    }
ADDRESS(local)
ADDRESS(remote)

int p3_sockets_types_tcp_socket_get_is_listening(struct canon_call *call, tcp_socket *self,
                                                 bool *ret)
{
    *ret = self->tcp->state == TCP_LISTENING;
    return 0;
}

int p3_sockets_types_tcp_socket_get_address_family(struct canon_call *call, tcp_socket *self,
                                                   enum p3_sockets_types_ip_address_family *ret)
{
    *ret = self->tcp->sock.family == AF_INET6 ? P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV6
                                              : P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV4;
    return 0;
}

#define SETTER(name, type)                                                                         \
    int p3_sockets_types_tcp_socket_set_##name(struct canon_call *call, tcp_socket *self,          \
                                               type value, p3_sock_result *ret)                    \
    {                                                                                              \
        struct p2_result_void_sockets_network_error_code from = {0};                               \
        int rc = p2_sockets_tcp_tcp_socket_set_##name(call, self->tcp, value, &from);              \
        (void)p3_sock_pass(ret, from);                                                             \
        return rc;                                                                                 \
    }
#define OPTION(name, type, wit)                                                                    \
    int p3_sockets_types_tcp_socket_get_##name(                                                    \
        struct canon_call *call, tcp_socket *self,                                                 \
        struct p3_result_##wit##_sockets_types_error_code *ret)                                    \
    {                                                                                              \
        struct p2_result_##wit##_sockets_network_error_code from = {0};                            \
        int rc = p2_sockets_tcp_tcp_socket_##name(call, self->tcp, &from);                         \
        (void)P3_SOCK_PASS(ret, from);                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    SETTER(name, type)

SETTER(listen_backlog_size, uint64_t)
OPTION(keep_alive_enabled, bool, bool)
OPTION(keep_alive_idle_time, uint64_t, u64)
OPTION(keep_alive_interval, uint64_t, u64)
OPTION(keep_alive_count, uint32_t, u32)
OPTION(hop_limit, uint8_t, u8)
OPTION(receive_buffer_size, uint64_t, u64)
OPTION(send_buffer_size, uint64_t, u64)

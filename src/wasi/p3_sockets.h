// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.3, shared by its files. The sockets themselves, their states, options and the
// settings they are checked against are those of 0.2 (wasi/p2_sockets.h).
#pragma once

#include "wasi/p2_sockets.h"
#include "wasi/p3_stream.h"

#define LISTEN_RETRY_NS (UINT64_C(100) * 1000000) // after accept(2) lacked a resource

typedef struct p3_result_void_sockets_types_error_code p3_sock_result;

// What a negative errno is to the guest.
struct p3_sockets_types_error_code p3_sock_error(int rc);
// The same of an error code of 0.2.
struct p3_sockets_types_error_code p3_sock_error_of(enum p2_sockets_network_error_code code);

// Fills a result with an error; for handlers that then return 0.
#define P3_SOCK_FAIL(ret, rc)                                                                      \
    ({                                                                                             \
        (ret)->is_err = true;                                                                      \
        (ret)->err = p3_sock_error(rc);                                                            \
        0;                                                                                         \
    })
// Passes a result of 0.2 on.
#define P3_SOCK_PASS(ret, from)                                                                    \
    ({                                                                                             \
        (ret)->is_err = (from).is_err;                                                             \
        if ((from).is_err)                                                                         \
            (ret)->err = p3_sock_error_of((from).err);                                             \
        else                                                                                       \
            (ret)->ok = (from).ok;                                                                 \
        0;                                                                                         \
    })
static inline int p3_sock_answer(p3_sock_result *ret, int rc)
{
    return rc < 0 ? P3_SOCK_FAIL(ret, rc) : 0;
}
// The same without value.
static inline int p3_sock_pass(p3_sock_result *ret,
                               struct p2_result_void_sockets_network_error_code from)
{
    ret->is_err = from.is_err;
    if (from.is_err)
        ret->err = p3_sock_error_of(from.err);
    return 0;
}

void p3_sock_address_in(const struct p3_sockets_types_ip_socket_address *from,
                        struct net_address *to);
void p3_sock_address_out(const struct net_address *from,
                         struct p3_sockets_types_ip_socket_address *to);
// The unspecified address, any port: what an implicit bind binds to.
void p3_sock_any_address(int family, struct net_address *out);

// The representation behind tcp-socket.
struct p3_sockets_types_tcp_socket {
    struct p2_sockets_tcp_tcp_socket *tcp;
    // Of a connection, until receive() and send() take them.
    struct p2_io_streams_input_stream *input;
    struct p2_io_streams_output_stream *output;
};

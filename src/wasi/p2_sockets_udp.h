// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/udp 0.2, shared by its files.
#pragma once

#include <errno.h>

#include "wasi/p2_sockets.h"

#define UDP_DATAGRAMS_MAX      16u // in one receive or send
#define UDP_DATAGRAM_BYTES_MAX 65536u

enum udp_state { UDP_UNBOUND, UDP_BIND_STARTED, UDP_BOUND, UDP_CONNECTED };

// The representation behind wasi:sockets/udp.udp-socket.
struct p2_sockets_udp_udp_socket {
    struct sock sock;
    enum udp_state state;
    struct net_address bound;
    struct net_address remote; // when connected
    uint32_t generation;       // only the streams of the last stream() are operational
};

// ECONNRESET and its like tell of an earlier datagram that it did not arrive.
static inline int udp_error(int number)
{
    return number == ECONNRESET || number == ENETRESET ? -EHOSTUNREACH : -number;
}

struct p2_sockets_udp_incoming_datagram_stream *udp_incoming_new(
    struct p2_sockets_udp_udp_socket *udp);
struct p2_sockets_udp_outgoing_datagram_stream *udp_outgoing_new(
    struct p2_sockets_udp_udp_socket *udp);

// The steps of both versions: 0 or a negative errno. `remote` NULL: none.
_must_use_ int udp_start_bind(struct p2_sockets_udp_udp_socket *udp,
                              const struct net_address *address);
_must_use_ int udp_disconnect(struct p2_sockets_udp_udp_socket *udp);
_must_use_ int udp_associate(struct p2_sockets_udp_udp_socket *udp,
                             const struct net_address *remote);

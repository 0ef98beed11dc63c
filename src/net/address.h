// SPDX-License-Identifier: Apache-2.0
// Addresses of IP sockets, and sockets that listen on them.
#pragma once

#include <sys/socket.h>

#include "base/error.h"

struct net_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

// "127.0.0.1:8000", "[::1]:8000", "localhost:8000" (the IPv4 loopback), "*:8000" or ":8000" (all
// addresses, IPv6 and IPv4). Port 0 lets the kernel choose. No name lookup.
_must_use_ int net_address_parse(struct str text, struct net_address *out, struct error *err);

// The text of an address, as net_address_parse() reads it.
#define NET_ADDRESS_TEXT_BYTES 64
void net_address_format(const struct net_address *address, char *text, size_t size);

// A non-blocking listening socket; with SO_REUSEPORT, so that each worker has one of its own on
// the same address. The descriptor, or a negative errno.
_must_use_ int net_listen(const struct net_address *address, int backlog, struct error *err);
// -EADDRINUSE when somebody listens there, even one who would share the address: programs that
// share it among their own workers ask before the first of them listens.
_must_use_ int net_check_unused(const struct net_address *address, struct error *err);
// What the socket is bound to.
_must_use_ int net_local_address(int fd, struct net_address *out, struct error *err);

// An IP address and port in few bytes, for what keeps many. IPv4 addresses mapped into IPv6 are
// IPv4 ones.
struct net_endpoint {
    uint8_t family; // 4, 6; 0: unknown
    uint8_t ip[16];
    uint16_t port;
};
struct net_endpoint net_endpoint_of(const struct net_address *address);
// "192.0.2.1", "2001:db8::1"; "-" for an unknown one.
#define NET_IP_TEXT_BYTES 46
void net_endpoint_format_ip(const struct net_endpoint *endpoint, char *text, size_t size);

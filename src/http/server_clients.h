// SPDX-License-Identifier: Apache-2.0
// How many connections each client has: those of one IPv4 address, or of one /64 of IPv6, which is
// what one subscriber has (RFC 6177). Shared by the servers of a process's workers.
#pragma once

#include "net/address.h"

struct http_clients;

// `connections_max`: of one client.
struct http_clients *http_clients_new(uint32_t connections_max);
struct http_clients *http_clients_ref(struct http_clients *clients); // NULL: NULL
void http_clients_unref(struct http_clients *clients);

// Thread-safe. False when the client has as many as it may; who got true gives back. Clients of
// unknown address (not IP) are not counted.
bool http_clients_take(struct http_clients *clients, const struct net_endpoint *peer);
void http_clients_give(struct http_clients *clients, const struct net_endpoint *peer);

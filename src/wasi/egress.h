// SPDX-License-Identifier: Apache-2.0
// Which hosts a guest may call. Deny by default.
//
// Grammar of a rule: `*` | [scheme "://"] host [":" port] ["/"] | network, host being a name, an
// IPv4 address, an IPv6 address in brackets, or "*." suffix (one label or more before the suffix),
// and network an address with the count of its bits that matter: 10.0.0.0/8, [fd00::]/8.
//
// Names are not all: what a name resolves to is in the hands of whoever serves the name. So each
// address is held against the rules as well, just before it is connected to. Public addresses are
// free to names that are allowed; special and private ones (egress_address.c has the table) need a
// rule with the literal address, or a network that has it. The rule `localhost` is one for the
// loopback addresses, and for that name only.
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "net/address.h"

struct wasi_egress;

#define WASI_EGRESS_RULES_MAX 1000

_must_use_ int wasi_egress_new(const struct str *rules, size_t count, struct wasi_egress **out,
                               struct error *err);
void wasi_egress_free(struct wasi_egress *egress);

// True when a rule allows it. `port` 0: the request names none. NULL egress allows nothing.
bool wasi_egress_allows(const struct wasi_egress *egress, struct str scheme, struct str host,
                        uint32_t port);

// True when a request to `host`, which is allowed, may go to `address`.
bool wasi_egress_allows_address(const struct wasi_egress *egress, struct str scheme,
                                struct str host, const struct net_endpoint *address);
// "loopback", "private (RFC 1918)", ...; NULL for a public address.
const char *wasi_egress_address_kind(const struct net_endpoint *address);

// Hears what was refused and which rule would allow it: of each host once, of
// WASI_EGRESS_REPORTS_MAX hosts at most, from any thread.
typedef void wasi_egress_report(void *user, const char *text);
#define WASI_EGRESS_REPORTS_MAX 64
void wasi_egress_on_denial(struct wasi_egress *egress, wasi_egress_report *report, void *user);
uint64_t wasi_egress_denials(const struct wasi_egress *egress);

// The same two questions as wasi:http asks them: a refusal is counted and reported. `egress` may be
// NULL. The second is a `permits` of http/client.h.
bool wasi_egress_check(struct wasi_egress *egress, struct str scheme, struct str host,
                       uint32_t port);
struct http_client_peer;
bool wasi_egress_permits(void *egress, const struct http_client_peer *peer);

// SPDX-License-Identifier: Apache-2.0
// The rules' inside, shared by egress.c (names) and egress_address.c (what names resolve to).
#pragma once

#include "base/arena.h"
#include "http/uri.h"
#include "net/address.h"
#include "wasi/egress.h"

// Room for an IPv6 address or a name within its limit.
#define EGRESS_HOST_BYTES (URI_HOST_BYTES_MAX + 1)

struct egress_rule {
    bool any;
    bool suffix; // host starts with "." and is what the name ends with
    bool is_network;
    bool has_port;
    uint16_t port;
    struct str scheme;           // lower case; empty: any
    struct str host;             // lower case; IPv6 in its canonical form without brackets
    struct net_endpoint network; // the port is unused
    uint8_t prefix_bits;
};

struct wasi_egress {
    struct arena arena;
    struct egress_rule *rules;
    size_t rule_count;
    wasi_egress_report *report;
    void *report_user;
    uint64_t denials;  // atomic
    uint64_t reported; // atomic: a bit for each hash of a host whose denial was told
};

// The host in the form that is compared: lower case, no brackets, IPv6 canonical. Empty when it
// cannot be a host.
struct str egress_normal_host(struct str host, char out[EGRESS_HOST_BYTES]);
// `host` in normal form; `port` is never 0 where the scheme has a default.
bool egress_rule_allows(const struct egress_rule *rule, struct str scheme, struct str host,
                        uint32_t port);

// "10.0.0.0/8" or "[fd00::]/8". False when the text is of another form; -EINVAL in `rc` when it is
// of this form with a wrong number.
bool egress_network_parse(struct str text, struct egress_rule *rule, int *rc, struct error *err);
// An IPv4 address or an IPv6 address without brackets; addresses mapped into IPv6 are IPv4 ones.
bool egress_address_parse(struct str host, struct net_endpoint *out);
bool egress_network_has(const struct egress_rule *rule, const struct net_endpoint *address);

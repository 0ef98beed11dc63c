// SPDX-License-Identifier: Apache-2.0
// The header of the PROXY protocol, version 2, by which a proxy tells whom a connection is from.
// (HAProxy's "The PROXY protocol, versions 1 & 2", section 2.2.) Its length stands at its start, so
// a receiver reads exactly the header and leaves what follows alone.
#pragma once

#include <sys/types.h>

#include "net/address.h"

#define PROXY_HEADER_FIXED_BYTES 16u
#define PROXY_HEADER_BYTES_MAX   4096u // with all extensions

struct proxy_header {
    // The proxy speaks for itself, e.g. to see whether we live: the connection's own addresses
    // hold.
    bool is_local;
    // Unknown when the proxy does not know, or for Unix sockets.
    struct net_endpoint source, destination;
    struct str authority; // the name that the client asked the proxy for; in the data; often empty
    struct str unique_id;
    bool is_tls; // the client spoke TLS to the proxy
};

// How long the header is that begins with these bytes: at least PROXY_HEADER_FIXED_BYTES, or
// -EAGAIN with fewer of them (all of which fit so far), or -EPROTO: no header, or over the limit.
_must_use_ ssize_t proxy_header_len(struct str data, struct error *err);
// Reads a whole header. -EPROTO for anything else, a wrong checksum included.
_must_use_ int proxy_header_parse(struct str data, struct proxy_header *out, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// Absolute URIs and host[:port] authorities (RFC 3986): split and checked in place, nothing is
// allocated or decoded. All slices borrow from the text.
//
// Beyond the RFC, path and query may hold bytes that deployed clients send unescaped: any byte but
// controls, space, `#`, `<`, `>`, and a `%` need not start a triplet.
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define URI_BYTES_MAX      ((size_t)64 * 1024)
#define URI_HOST_BYTES_MAX ((size_t)255)
#define URI_PORT_MAX       65535u

enum uri_host_kind {
    URI_HOST_NAME, // reg-name; may be empty in uri_parse()
    URI_HOST_IPV4,
    URI_HOST_IPV6, // without its brackets
};

struct uri_authority {
    struct str userinfo; // before "@"; data NULL without
    struct str host;
    enum uri_host_kind host_kind;
    bool has_port; // false for "host:" as well
    uint16_t port;
};

struct uri {
    struct str scheme;
    bool has_authority;
    struct str authority_text; // as written
    struct uri_authority authority;
    struct str path;     // may be empty
    struct str query;    // without "?"; data NULL without
    struct str fragment; // without "#"; data NULL without
};

// scheme ":" ["//" authority] path ["?" query] ["#" fragment]. -EINVAL with the reason, -E2BIG over
// URI_BYTES_MAX.
_must_use_ int uri_parse(struct str text, struct uri *out, struct error *err);

// The same for a URL that a client can request: scheme http or https, a host that is not empty
// and not percent-encoded, no user information (RFC 9110 section 4.2.4).
_must_use_ int uri_parse_http(struct str text, struct uri *out, struct error *err);

// host [":" port] as in a Host field: no user information, host not empty.
_must_use_ int uri_parse_authority(struct str text, struct uri_authority *out, struct error *err);

// The named port, else the default of "http" (80) or "https" (443), else 0.
uint16_t uri_port(struct str scheme, const struct uri_authority *authority);

bool uri_scheme_valid(struct str scheme);
// What may stand in a request target in origin form: starts with "/", no fragment.
bool uri_path_with_query_valid(struct str text);
// Digits only, at most URI_PORT_MAX. 0 or -EINVAL.
_must_use_ int uri_parse_port(struct str text, uint16_t *out);

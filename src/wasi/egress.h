// SPDX-License-Identifier: Apache-2.0
// Which hosts a guest may call. Deny by default.
//
// Grammar of a rule: `*` | [scheme "://"] host [":" port] ["/"], host being a name, an IPv4
// address, an IPv6 address in brackets, or "*." suffix (one label or more before the suffix).
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wasi_egress;

#define WASI_EGRESS_RULES_MAX 1000

_must_use_ int wasi_egress_new(const struct str *rules, size_t count, struct wasi_egress **out,
                               struct error *err);
void wasi_egress_free(struct wasi_egress *egress);

// True when a rule allows it. `port` 0: the request names none. NULL egress allows nothing.
bool wasi_egress_allows(const struct wasi_egress *egress, struct str scheme, struct str host,
                        uint32_t port);

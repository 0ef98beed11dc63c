// SPDX-License-Identifier: Apache-2.0
// Header and trailer fields (RFC 9110 section 5).
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct http_field {
    struct str name;
    struct str value;
};

// A token of RFC 9110 section 5.6.2, not empty.
bool http_name_valid(struct str name);
// No control characters but HTAB, no DEL; no white space at either end.
bool http_value_valid(struct str value);
// Fields that belong to one connection, not to the message: connection, keep-alive,
// proxy-connection, transfer-encoding, upgrade, te (and proxy-authenticate, proxy-authorization for
// a proxy's sake not).
bool http_name_is_hop_by_hop(struct str name);

// The first field of that name (any case), or NULL.
const struct http_field *http_field_find(const struct http_field *fields, size_t count,
                                         struct str name);

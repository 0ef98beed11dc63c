// SPDX-License-Identifier: Apache-2.0
// Classes of characters that the HTTP/1 codec scans for.
#pragma once

#include "base/str.h"

// The lower case of each token character (RFC 9110 section 5.6.2), 0 for what is none.
extern const unsigned char http_token_lower[256];

// No control characters but HTAB, no DEL.
bool http_text_valid(const char *data, size_t len);

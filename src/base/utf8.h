// SPDX-License-Identifier: Apache-2.0
// UTF-8 as Unicode defines it: no surrogates, no overlong forms, at most U+10FFFF.
#pragma once

#include "base/str.h"

// Index of the first byte that is not valid UTF-8, or s.len when all are.
size_t utf8_valid_prefix(struct str s);

static inline bool utf8_valid(struct str s)
{
    return utf8_valid_prefix(s) == s.len;
}

// Decodes the character at s.data[*pos] and advances. The code point, or -1 (pos unchanged) when
// the bytes there are not a valid character.
int32_t utf8_decode(struct str s, size_t *pos);

// Writes the 1..4 bytes of a Unicode scalar value; returns how many.
size_t utf8_encode(uint32_t scalar, char out[4]);

// True for a Unicode scalar value (not a surrogate, at most U+10FFFF).
static inline bool utf8_is_scalar(uint32_t value)
{
    return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

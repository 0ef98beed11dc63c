// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.h"

// Four independent multiply lanes keep a core's multiplier busy: several bytes a cycle.
#define LANES 4

static const uint64_t primes[LANES] = {0x9e3779b185ebca87ull, 0xc2b2ae3d27d4eb4full,
                                       0x165667b19e3779f9ull, 0x85ebca77c2b2ae63ull};

static uint64_t mix(uint64_t lane, uint64_t word, uint64_t prime)
{
    lane = (lane ^ word) * prime;
    return lane ^ lane >> 29;
}

uint64_t checksum64(struct str data)
{
    uint64_t lanes[LANES];
    memcpy(lanes, primes, sizeof(lanes));
    size_t pos = 0;
    for (; pos + sizeof(lanes) <= data.len; pos += sizeof(lanes)) {
        uint64_t words[LANES];
        memcpy(words, data.data + pos, sizeof(words));
        for (size_t i = 0; i < LANES; i++)
            lanes[i] = mix(lanes[i], words[i], primes[i]);
    }
    uint64_t tail[LANES] = {0};
    memcpy(tail, data.data + pos, data.len - pos);
    uint64_t sum = data.len;
    for (size_t i = 0; i < LANES; i++)
        sum = mix(sum, mix(lanes[i], tail[i], primes[i]), primes[(i + 1) % LANES]);
    return sum;
}

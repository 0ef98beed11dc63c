// SPDX-License-Identifier: Apache-2.0
// A bounded queue of bytes whose content never moves: a part that was looked at stays where it is
// until it is dropped. Memory is taken with the first byte.
#pragma once

#include "base/str.h"

struct byte_ring {
    char *data;
    size_t cap; // bytes
    size_t head;
    size_t len;
};

static inline void byte_ring_done(struct byte_ring *ring)
{
    free(ring->data);
    memset(ring, 0, sizeof(*ring));
}

static inline size_t byte_ring_free(const struct byte_ring *ring)
{
    return ring->cap - ring->len;
}

// The longest part at the front that lies in one piece.
static inline struct str byte_ring_front(const struct byte_ring *ring)
{
    if (ring->len == 0)
        return STR_EMPTY;
    return str_of(ring->data + ring->head, MIN(ring->len, ring->cap - ring->head));
}

static inline void byte_ring_drop(struct byte_ring *ring, size_t len)
{
    ring->len -= len;
    ring->head = ring->len == 0 ? 0 : (ring->head + len) % ring->cap;
}

// Appends at most what is free.
static inline size_t byte_ring_add(struct byte_ring *ring, struct str data)
{
    size_t len = MIN(data.len, byte_ring_free(ring));
    if (len == 0)
        return 0;
    if (!ring->data)
        ring->data = mem_alloc(ring->cap);
    size_t tail = (ring->head + ring->len) % ring->cap;
    size_t first = MIN(len, ring->cap - tail);
    memcpy(ring->data + tail, data.data, first);
    memcpy(ring->data, data.data + first, len - first);
    ring->len += len;
    return len;
}

// Moves at most `len` bytes from the front to `out`.
static inline size_t byte_ring_take(struct byte_ring *ring, char *out, size_t len)
{
    size_t taken = 0;
    while (taken < len && ring->len > 0) {
        struct str front = byte_ring_front(ring);
        size_t part = MIN(front.len, len - taken);
        memcpy(out + taken, front.data, part);
        byte_ring_drop(ring, part);
        taken += part;
    }
    return taken;
}

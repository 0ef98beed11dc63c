// SPDX-License-Identifier: Apache-2.0
// A hash map from byte strings to pointers. Keys are borrowed: they must outlive their entry.
// Iteration is in order of insertion; removal is not supported (build once, look up often).
#pragma once

#include "base/str.h"

struct map_entry {
    struct str key;
    void *value;
};

struct map {
    struct map_entry *entries; // insertion order
    size_t len;
    size_t cap;
    uint32_t *slots; // entry index + 1; 0 = free; power of two
    size_t slot_count;
};

void map_done(struct map *map);

// The value of `key`, or NULL.
void *map_get(const struct map *map, struct str key);
// Sets or replaces; returns the former value or NULL.
void *map_put(struct map *map, struct str key, void *value);

// SPDX-License-Identifier: Apache-2.0
// Sorts things so that each comes behind those it waits for. Of several that may come next the one
// with the smallest index does, as in the usual tools, so that a package in binary form reads the
// same everywhere.
#pragma once

#include "base/vec.h"

struct toposort_edge {
    uint32_t to;   // what waits
    uint32_t next; // edge of the same thing that is waited for: index + 1
};

struct toposort {
    uint32_t count;
    uint32_t *waits_for; // number of things that are still to come
    uint32_t *first;     // edges by what is waited for: index + 1
    VEC(struct toposort_edge) edges;
    uint32_t *ready; // a heap, the smallest index first
    uint32_t ready_count;
};

void toposort_init(struct toposort *t, size_t count);
void toposort_done(struct toposort *t);
// `index` comes behind `before`.
void toposort_add(struct toposort *t, uint32_t index, uint32_t before);
// Fills out[0..count) with indices; returns how many could be placed, fewer when there is a cycle.
uint32_t toposort_run(struct toposort *t, uint32_t *out);

// SPDX-License-Identifier: Apache-2.0
// The function that stands for `memory.fill` or `memory.copy` in a rewritten module: it is
// called with what is large, and does that piece by piece.
#pragma once

#include "component/writer.h"

// A memory as such a function must know it.
struct core_bulk_memory {
    uint32_t index;
    bool is_64;
    uint8_t page_size_log;
};

struct core_bulk_func {
    bool is_copy;
    struct core_bulk_memory to;
    struct core_bulk_memory from; // of a copy
};

// In place of the instruction: it is done there when the length is small, otherwise `index`, which
// has the type `type`, is called. `local` is free for use, and as wide as the length.
void core_bulk_write_call(const struct core_bulk_func *func, uint32_t type, uint32_t index,
                          uint32_t local, struct writer *out);
bool core_bulk_len_is_64(const struct core_bulk_func *func);
// An entry of the type section.
void core_bulk_write_type(const struct core_bulk_func *func, struct writer *out);
// An entry of the code section.
void core_bulk_write_body(const struct core_bulk_func *func, struct writer *out);

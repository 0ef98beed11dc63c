// SPDX-License-Identifier: Apache-2.0
// Renumbers the indices in parts of a core module: bodies, constant expressions, types, segments.
// Everything else is copied as it stands (core specification, "Binary Format", "Instructions").
//
// Known are all instructions of version 2 with tail calls, exceptions (both forms), threads,
// relaxed SIMD, typed function references, wide arithmetic and memories or tables of 64 bits. An
// instruction that is not known is an error of the reader: its immediates could hold an index.
#pragma once

#include "component/core_module.h"
#include "component/writer.h"
#include "component/reader.h"

// How one index space of a module is numbered anew: imports one by one, the module's own entries
// in their order from `base` on.
struct core_space {
    uint32_t count; // imports included: larger indices are refused
    uint32_t imported_count;
    const uint32_t *imported; // new index of each import
    uint32_t base;            // new index of the first that is no import
};

struct core_renumbering {
    struct core_space externs[CORE_TAG + 1]; // by enum core_extern_kind
    struct core_space types;
    struct core_space elements;
    struct core_space datas;
};

// The index must be below space->count.
static inline uint32_t core_space_at(const struct core_space *space, uint32_t index)
{
    return index < space->imported_count ? space->imported[index]
                                         : space->base + (index - space->imported_count);
}

// Instructions of prefix 0xfc that can be replaced.
enum { CORE_RECODE_MEMORY_COPY = 10, CORE_RECODE_MEMORY_FILL = 11 };

// Replaces `memory.copy` and `memory.fill`.
struct core_recode_bulk {
    // Writes what stands for it; `memories` holds the indices read, a copy's destination first.
    // NULL: nothing is replaced.
    void (*replace)(void *data, uint32_t op, const uint32_t memories[2], struct writer *out);
    void *data;
    uint64_t kept_max; // constant lengths up to this are left to the instruction
};

// Copies from a reader to a writer. What is read by the reader's own functions is copied
// unchanged; the functions below read one thing and copy it renumbered.
struct core_recoder {
    struct reader *r;
    const struct core_renumbering *to;
    struct writer *out;
    bool *taken;      // by function: a reference to it is made; may be NULL
    size_t copied;    // place up to which the input has been copied
    bool takes_funcs; // a body has `ref.func`
    // A body has an instruction that changes a table or drops a segment.
    bool changes_lastingly;
    // If not NULL: told of each index by which an entry of a space other than types is named.
    void (*met)(void *data, const struct core_space *space, uint32_t index);
    void *met_data;
    struct core_recode_bulk bulk;
    // The newest constant, and where its instruction ends: it is the top operand of the next one.
    uint64_t constant;
    size_t constant_end;
};

void core_recode_init(struct core_recoder *c, struct reader *r, const struct core_renumbering *to,
                      struct writer *out);
// Copies what was read since the last copy. Called at the end, and before the caller writes to the
// output by itself.
void core_recode_flush(struct core_recoder *c);
// An index; returns the new one.
uint32_t core_recode_index(struct core_recoder *c, const struct core_space *space);
// Index of a function that is referred to.
void core_recode_func_ref(struct core_recoder *c);
// Where memory 0 is meant but not named: refused when there is none, or when it has another number.
void core_recode_implied_memory(struct core_recoder *c);
void core_recode_val_type(struct core_recoder *c);
// A constant expression with its `end`.
void core_recode_expr(struct core_recoder *c);
// Instructions up to the reader's end.
void core_recode_code(struct core_recoder *c);
// Locals and instructions up to the reader's end.
void core_recode_body(struct core_recoder *c);

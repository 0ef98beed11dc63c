// SPDX-License-Identifier: Apache-2.0
// Readers of core types that core modules and component types share (core specification, "Binary
// Format", "Types").
#pragma once

#include "component/core_module.h"
#include "component/reader.h"

// Value type as one character (struct core_func_type).
char core_read_val_type(struct reader *r);
struct core_val_type core_read_full_val_type(struct reader *r);

// A reader's growing list of types, by index. Types other than functions have params.data NULL.
struct core_types {
    struct core_func_type *items;
    size_t len;
    size_t cap;
};

// One recursion group or single type: appends what it defines. `defining` is set for a module's
// own type section, where a `sub` form may name later types of its group.
void core_read_rec_type(struct reader *r, struct arena *arena, struct core_types *types);
// The same with the first byte already read.
void core_read_rec_type_of(struct reader *r, uint8_t first, struct arena *arena,
                           struct core_types *types);

struct core_limits core_read_limits(struct reader *r);
struct core_limits core_read_table_type(struct reader *r, struct core_val_type *element);
// Value type and mutability.
void core_read_global_type(struct reader *r, struct core_extern *out);
// Attribute and function type.
void core_read_tag_type(struct reader *r, const struct core_types *types, struct core_extern *out);

struct core_extern core_read_extern_type(struct reader *r, const struct core_types *types);

// Skips a constant expression up to and with its `end`.
void core_skip_const_expr(struct reader *r);

// SPDX-License-Identifier: Apache-2.0
// Makes one core module of two that are instantiated together: a main module and the adapter whose
// functions it imports, or which calls it. What one imports from the other becomes the thing
// itself, so a call between them is a direct one, and the two are a single instance.
//
// A merge is first described, which reads no function bodies, and then written. The description
// says exactly what comes out: equal recipes over equal modules give equal bytes, so that compiled
// code can be found again without writing the merged module.
#pragma once

#include "component/core_recode.h"

// The merged module may have this many bytes.
#define CORE_MERGE_BYTES_MAX ((size_t)512 * 1024 * 1024)
// Tables of the adapter that its element segments may fill.
#define CORE_MERGE_TABLES_MAX 16
// Imports that are exported again, from one part to the other and back.
#define CORE_MERGE_HOPS_MAX 8

enum core_part { CORE_PART_MAIN, CORE_PART_ADAPTER };
#define CORE_PARTS 2

// What an import of a part is: import `index` of the merged module (functions only), or what
// another part has at `index` of its space of that kind.
struct core_binding {
    bool is_import;
    enum core_part part;
    uint32_t index;
};

struct core_merge_import {
    enum core_part part; // whose type it has
    uint32_t type;       // in that part
    const struct core_func_type *func;
};

struct core_merge_export {
    struct str name;
    enum core_part part;
    enum core_extern_kind kind;
    uint32_t index; // in the part's space
};

// Slices and arrays are borrowed.
struct core_merge {
    const struct core_module *parts[CORE_PARTS];
    const struct core_binding *bindings[CORE_PARTS]; // one per import of the part
    const struct core_merge_import *imports;         // named "" "0", "" "1" and so on
    uint32_t import_count;
    const struct core_merge_export *exports;
    uint32_t export_count;
    struct core_renumbering to[CORE_PARTS]; // filled by core_merge_prepare()
};

// True when nobody can tell when the module is instantiated, but for its start function: nothing is
// written but its own tables, and that within bounds. Its start function is not the merged
// module's; who merges calls it.
bool core_merge_suits_adapter(const struct core_module *module);

// Binds an import of `from` to what the part `to` exports under that name. False when there is no
// such export, or when its type is another: then the engine has to judge.
_must_use_ bool core_merge_bind(const struct core_module *from, uint32_t import,
                                enum core_part part, const struct core_module *to, struct str name,
                                struct core_binding *out);

// Numbers everything, in `arena`. False when the two cannot be merged: more than one memory, a
// wrong count of data segments, an import that is no function and has no binding in a part, or one
// that is bound to itself.
_must_use_ bool core_merge_prepare(struct core_merge *merge, struct arena *arena);

// The outline of the merged module, without bytes.
void core_merge_outline(const struct core_merge *merge, struct arena *arena,
                        struct core_module *out);

// Everything but the parts' bytes that decides what is written.
struct str core_merge_recipe(const struct core_merge *merge, struct arena *arena);

// Writes the merged module. -EINVAL when a part has something that is not known here or is wrong;
// -ENOBUFS over the limit.
_must_use_ int core_merge_write(const struct core_merge *merge, struct buf *out, struct error *err);

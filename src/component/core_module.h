// SPDX-License-Identifier: Apache-2.0
// What the planner must know of a core WebAssembly module: types, imports, exports, start, element
// segments, names. Function bodies are left to the engine's validator.
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum core_extern_kind { CORE_FUNC, CORE_TABLE, CORE_MEMORY, CORE_GLOBAL, CORE_TAG };

struct core_func_type {
    // One character a value: 'i' i32, 'I' i64, 'f' f32, 'F' f64, 'v' v128, 'r' a reference.
    struct str params;
    struct str results;
};

struct core_limits {
    uint64_t min;
    uint64_t max;          // UINT64_MAX: none
    bool is_64;            // addressed by i64
    bool is_shared;        // memories: between threads
    uint8_t page_size_log; // memories: 16 unless declared otherwise
};

// A value type: struct core_func_type's character and, for a reference, what it refers to.
struct core_val_type {
    char type;
    bool is_nullable;
    int64_t heap; // core specification, "Heap Types": negative opcodes, or a type index
};

// Type of an import or export.
struct core_extern {
    enum core_extern_kind kind;
    const struct core_func_type *func; // CORE_FUNC and CORE_TAG; in `types`, see its index
    uint32_t type;                     // index of `func`
    struct core_limits limits;         // table, memory
    struct core_val_type value;        // a table's elements, a global's value
    uint8_t mutability;                // of a global: 1 mutable, 2 shared
};

struct core_import {
    struct str module;
    struct str name;
    enum core_extern_kind kind;
    const struct core_func_type *func; // kind CORE_FUNC
    struct core_extern type;
};

struct core_export {
    struct str name;
    enum core_extern_kind kind;
    uint32_t index;                    // in the module's index space
    const struct core_func_type *func; // kind CORE_FUNC
    struct core_extern type;
};

// Section ids of a core module.
enum core_section {
    CORE_SECTION_CUSTOM,
    CORE_SECTION_TYPE,
    CORE_SECTION_IMPORT,
    CORE_SECTION_FUNCTION,
    CORE_SECTION_TABLE,
    CORE_SECTION_MEMORY,
    CORE_SECTION_GLOBAL,
    CORE_SECTION_EXPORT,
    CORE_SECTION_START,
    CORE_SECTION_ELEMENT,
    CORE_SECTION_CODE,
    CORE_SECTION_DATA,
    CORE_SECTION_DATA_COUNT,
    CORE_SECTION_TAG,
};
#define CORE_SECTION_KINDS (CORE_SECTION_TAG + 1)

struct core_module {
    struct str bytes;                        // the binary, borrowed
    struct str sections[CORE_SECTION_KINDS]; // contents; custom sections are left out
    // Types by index; those that are no function types have params.data NULL.
    const struct core_func_type *types;
    uint32_t type_count;
    const struct core_import *imports;
    uint32_t import_count;
    const struct core_export *exports;
    uint32_t export_count;
    const uint32_t *exports_by_name; // indices of `exports`, sorted
    // Type of each function, imports first.
    const struct core_func_type **funcs;
    uint32_t func_count;
    uint32_t imported_func_count;
    bool has_start;
    uint32_t start;                // function index
    uint32_t counts[CORE_TAG + 1]; // length of each index space, imports included
    uint64_t memory_min_pages;     // of its first defined memory; 0 without
    bool has_memory64;             // some memory is addressed by i64
    bool has_active_elements;      // writes a table (own or imported) when instantiated
    bool has_active_data;          // writes a memory (own or imported) when instantiated
    bool writes_imports;           // active segments that target an imported table or memory
    bool may_not_fit;              // active segments that are not known to fit what they write
};

// Decodes and checks the outline of a core module; slices refer to `bytes`. The error says the byte
// offset counted from `base_offset` (the module's place in its file).
_must_use_ int core_module_decode(struct str bytes, size_t base_offset, struct arena *arena,
                                  struct core_module *out, struct error *err);

// The export of that name, or NULL.
const struct core_export *core_module_find_export(const struct core_module *module,
                                                  struct str name);

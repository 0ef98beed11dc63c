// SPDX-License-Identifier: Apache-2.0
// What the files of the componentizer share. The plan is data first: what each part imports
// (struct want), which interfaces the component imports (struct group), what it exports (struct
// export_plan). Then the component is encoded in one pass over it.
#pragma once

#include "base/vec.h"
#include "component/componentize.h"
#include "component/encode_wit.h"
#include "component/wit_binary.h"

#define WANT_NO_SLOT UINT32_MAX

// What names of the build target for 32-bit memories begin with (BuildTargets.md).
#define CZR_STANDARD "cm32p2"

enum want_kind {
    WANT_CANON,   // a canonical definition
    WANT_ADAPTER, // main's: an export of an adapter
    WANT_MAIN,    // an adapter's: an export of main
};

// What an imported core function is to be.
struct want {
    enum want_kind kind;
    const struct core_import *import;
    struct part *adapter; // WANT_ADAPTER
    struct canon_def canon;
    const struct wit_interface *interface; // whose types it speaks of; NULL: the world's
    bool is_exported;                      // of the interface as it is exported
    const struct wit_func *func;           // lower, task.return
    struct str item;                       // lower of a world's function: the import's name
    const struct wit_typedef *resource;    // resource.*
    const struct type *payload;            // stream.*, future.*: the type itself
    uint32_t slot;                         // of the shim, or WANT_NO_SLOT
};

// A core module and what it says of itself.
struct part {
    struct str name; // of an adapter: the module name of the imports that it serves
    bool is_adapter;
    struct core_module core;
    struct wit_binary wit;
    const struct wit_world *world;
    enum wit_module_strings strings;
    struct want *wants; // one for each import; tables, memories and globals have none
    uint32_t module;    // index of the core module
    uint32_t instance;  // index of its core instance
    bool has_realloc;
    uint32_t realloc; // index of the core function that imports allocate with
};

// Imported interfaces that one instance serves: the same one, or compatible versions of it.
struct group {
    const struct wit_interface *interface; // the one that is encoded
    VEC(const struct wit_interface *) members;
    struct str name;   // of the import
    struct map live;   // names of functions and types that are needed
    bool is_entered;   // on the way of being encoded, or encoded
    uint32_t instance; // index, once it is encoded
};

// A slot of the shim: who fills it is a want or, when that is NULL, a destructor of main's.
struct slot {
    const struct core_func_type *type;
    struct part *part;
    const struct want *want;
    struct str export; // of main
};

// An interface that is exported, in the order of use.
struct exported {
    const struct wit_world_item *item;
    const struct wit_interface *interface;
    struct part *part;
    struct wit_scope scope;
    uint32_t *destructors; // by type of the interface: slot, or WANT_NO_SLOT
    bool is_entered;
    bool is_encoded;
    uint32_t instance; // that is exported, once it is encoded
};

struct componentizer {
    struct arena *arena;
    struct error *err;
    struct part *parts; // main first
    uint32_t part_count;
    VEC(struct group *) groups;
    struct map group_of; // address of an interface to its group
    VEC(struct slot) slots;
    struct exported **exported; // those used by others come first
    uint32_t exported_count;
    struct encoder e;
    struct wit_scope root;
    struct map root_funcs;  // name of an imported function of the world to its index + 1
    struct map exported_of; // address of an interface to its struct exported
    uint32_t shim_instance;
    uint32_t memory; // main's
    bool has_memory;
    struct str memory_name;
};

struct str czr_address(struct arena *arena, const void *address);
static inline struct str czr_key(const void *const *address)
{
    return str_of((const char *)address, sizeof(*address));
}

// ---- componentize_import.c ----------------------------------------------------------------------

// Finds out what each imported function of a part is.
_must_use_ int czr_match_imports(struct componentizer *z, struct part *part);

// Whether the first is the name that build targets use for the second.
bool czr_is_standard_name(struct str name, struct str full);
// A function or memory that a part exports under one of these names (`standard` may be empty).
const struct core_export *czr_find_export(const struct part *part, enum core_extern_kind kind,
                                          struct str name, struct str standard);

// Whether the canonical ABI needs memory or an allocator to pass parameters or a result.
struct abi_needs {
    bool memory;
    bool realloc;
    bool strings;
};
struct abi_needs czr_lower_needs(const struct func_type *type, bool is_async);
struct abi_needs czr_lift_needs(const struct func_type *type, bool is_async);

// ---- componentize_world.c -----------------------------------------------------------------------

// Groups the interfaces that the parts' worlds import.
void czr_group_imports(struct componentizer *z);
// Marks what the wants and exports need.
void czr_mark_live(struct componentizer *z);
// Encodes the imports.
_must_use_ int czr_encode_imports(struct componentizer *z);
// The group of an interface, or NULL when it is not imported.
struct group *czr_group(const struct componentizer *z, const struct wit_interface *interface);
const struct wit_func *czr_find_func(const struct wit_interface *interface, struct str symbol);
const struct wit_typedef *czr_find_type(const struct wit_interface *interface, struct str name);

// ---- componentize_export.c ----------------------------------------------------------------------

// Lists the exported interfaces, and the slots of their destructors.
void czr_plan_exports(struct componentizer *z);
// Encodes the resource types that exported interfaces define.
void czr_encode_resources(struct componentizer *z);
_must_use_ int czr_encode_exports(struct componentizer *z);
// Whether the interface is among them.
bool czr_is_exported(const struct componentizer *z, const struct wit_interface *interface);
// The scope in which the types of an interface are known.
struct wit_scope *czr_scope(struct componentizer *z, const struct wit_interface *interface,
                            bool is_exported);

// ---- componentize_shim.c ------------------------------------------------------------------------

// Modules of a function a slot that calls through a table, and that fills the table.
void czr_write_shim(const struct componentizer *z, struct writer *out);
void czr_write_fixup(const struct componentizer *z, struct writer *out);
// A module that calls its import when it is instantiated.
void czr_write_start(struct writer *out);
// Decimal text.
struct str czr_number(struct arena *arena, uint32_t number);

// ---- componentize_gc.c --------------------------------------------------------------------------

// Appends the adapter with only these exports (of `keep`, by name) and what they need. Where it has
// a stack of its own, functions that are exported see to it that there is one.
_must_use_ int czr_trim_adapter(const struct core_module *adapter, const struct map *keep,
                                bool main_has_realloc, struct buf *out, struct error *err);

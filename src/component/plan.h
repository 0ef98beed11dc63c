// SPDX-License-Identifier: Apache-2.0
// The instantiation plan: what remains of a component once every index space, alias, nested
// instance and type has been resolved. A plan is immutable, holds no engine objects and looks
// nothing up by name at run time (Explainer.md "Instance Definitions", Binary.md).
//
// A component becomes a linear list of steps over core modules. All component instances of one tree
// live in one store; `component_instance` numbers them, 0 being the root.
#pragma once

#include "component/canon.h"
#include "component/canon_kind.h"
#include "component/core_module.h"
#include "wit/type.h"

#define PLAN_NONE UINT32_MAX

// Limits.
#define COMPONENT_BYTES_MAX   ((size_t)256 * 1024 * 1024)
#define COMPONENT_NESTING_MAX 32
#define PLAN_MODULES_MAX      1000
#define PLAN_STEPS_MAX        10000
#define PLAN_TRAMPOLINES_MAX  100000
#define PLAN_IMPORTS_MAX      10000

// A core definition: an export of a core instance made by an earlier step, or a trampoline.
enum core_ref_kind { CORE_REF_EXPORT, CORE_REF_TRAMPOLINE };
struct core_ref {
    enum core_ref_kind kind;
    enum core_extern_kind type; // function, table, memory, global
    uint32_t index;             // core instance, or trampoline
    struct str name;            // of the export
};

// Options of a canonical definition. memory indexes plan->memories; realloc, post_return and
// callback index plan->funcs; PLAN_NONE where absent.
struct canon_options {
    uint32_t component_instance; // whose canonical definition it is
    enum string_encoding encoding;
    uint32_t memory;
    uint32_t realloc;
    uint32_t post_return;
    uint32_t callback;
    bool is_async;
};

// A function lifted by some component instance of the tree.
struct plan_lifted {
    const struct func_type *type;
    struct canon_options options;
    uint32_t func;   // the core function: index into plan->funcs
    struct str name; // for messages: "wasi:http/incoming-handler@0.2.4#handle"
};

// A function that the component imports.
struct plan_import {
    struct str interface; // "wasi:http/types@0.2.4"; empty for a function imported by plain name
    struct str name;      // "[method]fields.set"
    const struct func_type *type;
};

struct plan_resource {
    struct resource_type type;   // .index is its own index in plan->resources
    bool is_import;              // interface and name in `type` say which
    uint32_t component_instance; // definer (not import)
    uint32_t dtor;               // index into plan->funcs, or PLAN_NONE
};

enum trampoline_kind {
    TRAMPOLINE_IMPORT,       // canon lower of plan->imports[target]
    TRAMPOLINE_LIFTED,       // canon lower of plan->lifted[target] (a call between components)
    TRAMPOLINE_RESOURCE_NEW, // of plan->resources[target]
    TRAMPOLINE_RESOURCE_DROP,
    TRAMPOLINE_RESOURCE_REP,
    TRAMPOLINE_FORWARD, // calls plan->funcs[target]: a shim slot bound directly to what fills it
    TRAMPOLINE_BUILTIN, // an asynchronous built-in, plan->builtins[target]
};

// Operands of an asynchronous built-in.
struct plan_builtin {
    enum canon_kind kind;
    const struct type *type; // streams and futures: of the elements; task.return: of the result
    uint32_t slot;           // context.*
    char core_type;          // context.*
    bool flag;               // async, or cancellable
    uint32_t table;          // thread.new-indirect: index into plan->tables
};

// A core function made by the host.
struct plan_trampoline {
    enum trampoline_kind kind;
    uint32_t target;
    struct canon_options options; // component_instance is set for every kind
    const struct core_func_type *core_type;
};

enum plan_step_kind {
    STEP_INSTANTIATE, // makes core instance `instance` from module `module` with `args`
    STEP_CALL, // calls plan->funcs[func] () -> (): a start function moved out of a fixup module
};

struct plan_step {
    enum plan_step_kind kind;
    uint32_t module;
    uint32_t instance;
    const struct core_ref *args; // one per import of the module, in the order of its imports
    uint32_t arg_count;
    // Instantiation has no effect that others see, and the instance is reached only by what is
    // called through the host: a TRAMPOLINE_FORWARD or a realloc option. It may be put off until
    // then. Its own arguments come from steps that are not lazy, before or after it in the list.
    bool is_lazy;
    uint32_t func; // STEP_CALL
};

struct core_merge;
struct plan_module {
    const struct core_module *core; // decoded core module; .bytes is its binary
    const struct core_merge *merge; // of plan_merge(): what writes the binary; NULL otherwise
};

// An exported function. `lifted` is PLAN_NONE when an imported function is exported again.
struct plan_export {
    struct str interface; // "wasi:http/incoming-handler@0.2.4"; empty for a plain name
    struct str name;
    const struct func_type *type;
    uint32_t lifted;
    uint32_t import;
};

struct plan {
    // Owns all below but `resources`, and a copy of nothing: module bytes stay in the component.
    struct arena arena;
    struct plan_module *modules;
    uint32_t module_count;
    struct plan_step *steps;
    uint32_t step_count;
    uint32_t core_instance_count;
    uint32_t component_instance_count;
    uint32_t *component_parents; // by component instance; PLAN_NONE: nobody's child
    struct core_ref *memories;
    uint32_t memory_count;
    struct core_ref *funcs;
    uint32_t func_count;
    struct core_ref *tables;
    uint32_t table_count;
    struct plan_builtin *builtins;
    uint32_t builtin_count;
    bool has_threads; // some component instance makes threads, or asks for their indices
    struct plan_trampoline *trampolines;
    uint32_t trampoline_count;
    struct plan_lifted *lifted;
    uint32_t lifted_count;
    struct plan_import *imports; // only those that some trampoline or export uses
    uint32_t import_count;
    struct plan_resource *resources;
    uint32_t resource_count;
    struct plan_export *exports;
    uint32_t export_count;
};

struct component; // decoded component, component/component.h

// Resolves a decoded component. The plan refers to the bytes that were decoded: they must outlive
// it.
_must_use_ int plan_new(const struct component *component, struct plan **out, struct error *err);
void plan_free(struct plan *plan);

// The plan as text for tests and debugging; what does not fit `out` aborts (buf_putf()).
struct buf;
void plan_dump(const struct plan *plan, struct buf *out);

// The export with this interface name (a version may be left out: any compatible one) and function
// name; NULL when there is none.
const struct plan_export *plan_find_export(const struct plan *plan, struct str interface,
                                           struct str name);

// True when an import of `want` ("wasi:io/streams@0.2.4") is served by `have`
// ("wasi:io/streams@0.2.12"): the same name, and versions in the same track (equal major; equal
// minor if major is 0; equal patch if both are 0; prereleases only by equality).
bool interface_name_compatible(struct str want, struct str have);

// The same, where a `want` without version takes any version.
bool interface_name_matches(struct str want, struct str have);

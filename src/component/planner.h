// SPDX-License-Identifier: Apache-2.0
// Symbolic execution of a component's definitions: what the planner's files share.
//
// An env is one evaluation of a scope (Explainer.md "Component Definitions"): a component that is
// being instantiated, or the declarators of an instance type. Its index spaces hold entities, which
// are what definitions, aliases and imports come down to. Core items name core instances and
// trampolines by working numbers; plan_finish.c drops what nothing needs and numbers the rest.
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "component/decode.h"
#include "component/plan.h"

// Definitions evaluated and type nodes compared for one plan, over all instantiations.
#define PLAN_WORK_MAX 1000000u
// Nodes of one value type written out as a tree.
#define PLAN_TYPE_NODES_MAX 100000u
#define PLAN_RESOURCES_MAX  10000u
// Values of flat results before they are returned in memory (CanonicalABI.md "Flattening").
#define PLAN_FLAT_RESULTS_MAX 1

struct env;
struct wit_typedef;

struct core_item {
    struct core_ref ref;
    const struct core_func_type *func; // functions
    bool may_be_64;                    // a memory of a module with 64-bit memories
};

struct work_options {
    uint32_t component_instance;
    enum string_encoding encoding;
    const struct core_item *memory; // NULL where absent
    const struct core_item *realloc;
    const struct core_item *post_return;
    const struct core_item *callback;
    bool is_async;
};

// A component function: imported by the root, or lifted.
struct comp_func {
    const struct func_type *type;
    bool is_import;
    struct str interface; // import
    struct str name;
    const struct core_item *core; // lifted
    struct work_options options;
    uint32_t index; // in plan->imports or plan->lifted; PLAN_NONE until something needs it
};

struct type_entity {
    enum type_def_kind kind;
    const struct type *value;
    const struct func_type *func;
    const struct resource_type *resource;
    const struct component *scope; // component and instance types, closed over `env`
    struct env *env;
    struct str name;         // resource types: what they are called here
    struct wit_typedef *def; // of the WIT printer: the definition that this is a reference to
    uint32_t nodes;          // value and function types: size as a tree
    uint32_t depth;
};

struct entity {
    enum sort sort;
    union {
        const struct core_item *core; // SORT_CORE_FUNC ... SORT_CORE_TAG
        const struct core_module *module;
        const struct core_instance *core_instance;
        struct comp_func *func;
        const struct type_entity *type;
        const struct closure *component;
        const struct instance_value *instance;
    };
};

struct closure {
    const struct component *component;
    struct env *env;
};

struct export_entry {
    struct str name;
    struct entity entity;
    struct str implements; // of an instance, for the WIT printer: its interface, if `name` is not
};

struct export_list {
    struct export_entry *items; // in order of definition
    uint32_t len;
    uint32_t *by_name; // indices, sorted
};

struct instance_value {
    struct export_list exports;
};

struct core_instance {
    bool is_bundle;
    struct export_list exports;       // bundle
    const struct core_module *module; // instantiated
    uint32_t number;                  // working number
};

struct env {
    const struct component *scope;
    struct env *parent;
    struct entity *spaces[SORT_COUNT];
    uint32_t filled[SORT_COUNT];
    struct export_list exports;
    struct export_list imports;  // of the root; not sorted
    uint32_t component_instance; // PLAN_NONE until a canonical definition needs it
    struct env *owner;           // that instantiates it; NULL: the root
    // A component's arguments; NULL for the root, whose imports are the plan's.
    const struct export_list *args;
    // An instance type: what is matched against it, or NULL to make imports of `interface`.
    const struct instance_value *actual;
    struct str interface;
};

struct work_step {
    enum plan_step_kind kind;
    const struct core_module *module;
    uint32_t instance; // working number
    const struct core_item **args;
    const struct core_item *func; // STEP_CALL
    bool is_dropped;              // recognised and replaced
    bool is_live;
    bool is_eager;  // somebody needs the instance itself
    uint32_t index; // final number of the core instance
};

struct work_trampoline {
    enum trampoline_kind kind;
    struct comp_func *func;          // import, lifted
    uint32_t resource;               // resource.*
    const struct core_item *forward; // forward
    const struct plan_builtin *builtin;
    const struct core_item *table; // of thread.new-indirect
    struct work_options options;
    const struct core_func_type *core_type;
    uint32_t index; // final; PLAN_NONE until something needs it
};

struct planner {
    struct arena scratch; // ends with the planning
    struct plan *plan;
    struct error *err;
    const struct definition *def; // being evaluated, for messages
    const struct type_entity *primitives;
    const struct core_item **dtors; // by resource, PLAN_RESOURCES_MAX
    // Evaluate imports, exports and types only, for the WIT printer: core definitions are skipped
    // and named types keep their names and definitions.
    bool types_only;
    uint32_t work_left;
    uint32_t depth; // of instantiations and instance types
    struct {
        struct work_step *items;
        size_t len;
        size_t cap;
    } steps;
    struct {
        struct work_trampoline *items;
        size_t len;
        size_t cap;
    } trampolines;
    uint32_t core_instance_count;
    VEC(struct env *) component_envs; // by component instance
    struct shim **shims;              // by working number of core instance; NULL: not a shim
};

// "component: byte 0x..: message" of the definition being evaluated. Returns `code`.
_must_use_ int plan_fail(struct planner *p, int code, const char *fmt, ...) _printf_(3, 4);
// Charges `amount` to the work limit.
_must_use_ int plan_charge(struct planner *p, uint32_t amount);

#define plan_scratch(p, type)              ((type *)arena_alloc(&(p)->scratch, sizeof(type)))
#define plan_scratch_array(p, type, count) arena_new_array(&(p)->scratch, type, (count))

// A planner that fills `plan`, whose arena and resources are set up; ends with planner_done().
void planner_init(struct planner *p, struct plan *plan, struct error *err);
void planner_done(struct planner *p);
// Evaluates the root and everything that it instantiates.
_must_use_ int planner_run(struct planner *p, const struct component *component, struct env **root);

// ---- plan_scope.c -------------------------------------------------------------------------------

_must_use_ int plan_env_new(struct planner *p, const struct component *scope, struct env *parent,
                            struct env **out);
_must_use_ int plan_env_push(struct planner *p, struct env *env, struct entity entity);
_must_use_ int plan_env_get(struct planner *p, const struct env *env, enum sort sort,
                            uint32_t index, struct entity *out);
// Adds to env->exports.
void plan_env_export(struct env *env, struct str name, struct entity entity);
// Evaluates all definitions of the scope.
_must_use_ int plan_env_run(struct planner *p, struct env *env);

// Sorts a complete list by name; refuses a name that comes twice.
_must_use_ int export_list_sort(struct planner *p, struct export_list *list);
const struct entity *export_list_find(const struct export_list *list, struct str name);

// ---- plan_type.c --------------------------------------------------------------------------------

_must_use_ int plan_types_init(struct planner *p);
_must_use_ int plan_type_def(struct planner *p, struct env *env, const struct type_def *def,
                             struct entity *out);
_must_use_ int plan_type_at(struct planner *p, const struct env *env, uint32_t index,
                            enum type_def_kind kind, const struct type_entity **out);
_must_use_ int plan_resource_new(struct planner *p, bool is_import, struct str interface,
                                 struct str name, struct plan_resource **out);
// Refuses types that differ; `what` and `name` say of what.
_must_use_ int plan_func_match(struct planner *p, const struct type_entity *want,
                               const struct comp_func *have, struct str name);
_must_use_ int plan_value_match(struct planner *p, const struct type_entity *want,
                                const struct type_entity *have, struct str name);
struct plan_resource *plan_resource_of(struct planner *p, const struct resource_type *type);

// ---- plan_extern.c ------------------------------------------------------------------------------

struct extern_source {
    struct str name;
    struct str interface;        // of things that are imported
    const struct entity *actual; // what is matched against the type; NULL: an import of the root
};
// What an import, an export's ascribed type or a declarator comes down to.
_must_use_ int plan_extern(struct planner *p, struct env *env, const struct extern_def *type,
                           const struct extern_source *source, struct entity *out);

// The type under the name that a scope exports or the root imports it by.
const struct type_entity *plan_declare_type(struct planner *p, const struct type_entity *type,
                                            struct str name);

// ---- plan_core.c --------------------------------------------------------------------------------

_must_use_ int plan_core_instance(struct planner *p, struct env *env,
                                  const struct instance_def *def);
_must_use_ int plan_core_export(struct planner *p, const struct core_instance *instance,
                                enum sort sort, struct str name, struct entity *out);

// ---- plan_canon.c -------------------------------------------------------------------------------

_must_use_ int plan_canon(struct planner *p, struct env *env, const struct canon_def *def);
bool core_func_type_equal(const struct core_func_type *a, const struct core_func_type *b);
struct str core_func_type_text(const struct core_func_type *type, struct arena *arena);
uint32_t plan_component_instance(struct planner *p, struct env *env);

// ---- shim.c -------------------------------------------------------------------------------------

// Replaces shim and fixup modules, and modules that only call a start function, by what they do.
_must_use_ int plan_drop_shims(struct planner *p);
// What an item is behind shims. *through_shim is set when it went through one: then the item may
// belong to an instance that is made later than its user.
_must_use_ int plan_resolve_shim(struct planner *p, const struct core_item *item,
                                 const struct core_item **out, bool *through_shim);

// ---- plan_finish.c ------------------------------------------------------------------------------

// Numbers what the exports and the effects of instantiation need; fills the plan.
_must_use_ int plan_finish(struct planner *p, const struct env *root);

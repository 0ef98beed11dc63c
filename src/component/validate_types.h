// SPDX-License-Identifier: Apache-2.0
// Types as the validator sees them, and what its files share.
//
// Nodes live in the validator's arena and never change. A definition, import or export of a type
// makes a new node or resource name, so that "which of the equal types is meant" (Explainer.md
// "External Visibility of Types") is a comparison of addresses; whether types are equal is a
// comparison of structure, for resources of what `of` points to. Component and instance types bind
// the resources that they list; a bound resource is never the same as one bound elsewhere.
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "component/decode.h"
#include "component/validate.h"

// A name of a resource type. `of` is the resource itself, whose alias is 0.
struct v_resource {
    struct resource_type node; // first: value types refer to it
    const struct v_resource *of;
    uint64_t alias;
};

// How large a type is, checked against the limits as it is made.
struct v_size {
    uint32_t parts;
    uint32_t depth;
};

// A value type other than a primitive one, which is type_primitive().
struct v_value {
    struct type type; // first
    struct v_size size;
    bool has_borrow;
    uint64_t bytes; // in a 64-bit memory
    uint64_t align;
};

struct v_func {
    struct func_type type;
    struct v_size size;
};

struct v_core_item {
    struct str module; // imports
    struct str name;
    struct core_extern type;
};

// A module type, or a core instance (no imports).
struct v_module {
    const struct v_core_item *imports; // sorted
    uint32_t import_count;
    const struct v_core_item *exports; // sorted
    uint32_t export_count;
};

struct v_component;
struct v_instance;

// What a type index names.
struct v_type {
    enum type_def_kind kind;
    union {
        const struct type *value;
        const struct v_func *func;
        const struct v_resource *resource;
        const struct v_component *component;
        const struct v_instance *instance;
    };
};

// An import, export or argument.
struct v_entity {
    enum sort sort; // SORT_CORE_MODULE or not a core sort
    union {
        const struct v_module *module;
        const struct v_func *func;
        const struct type *value;
        struct v_type type;
        const struct v_component *component;
        const struct v_instance *instance;
    };
};

struct v_extern {
    struct str name;
    struct v_entity entity;
};

struct v_externs {
    const struct v_extern *items; // in order of definition
    uint32_t count;
    const uint32_t *by_name; // sorted
};

struct v_resources {
    const struct v_resource *const *items;
    uint32_t count;
};

struct v_instance {
    struct v_externs exports;
    struct v_resources defined; // bound; none when it is the type of an actual instance
    struct v_size size;
};

struct v_component {
    struct v_externs imports;
    struct v_externs exports;
    struct v_resources imported; // bound
    struct v_resources defined;  // bound
    struct v_size size;
};

// A core type: a module type or, with params.data, a function type; else something else.
struct v_core_type {
    const struct v_module *module;
    struct core_func_type func;
};

struct v_value_item {
    const struct type *type;
    bool is_used;
};

typedef VEC(struct v_extern) v_extern_list;
typedef VEC(const struct v_resource *) v_resource_list;

struct v_scope {
    struct v_scope *parent;
    const struct component *def;
    VEC(struct v_core_type) core_types;
    VEC(struct core_extern) core_items[CORE_TAG + 1]; // by kind
    VEC(const struct v_module *) modules;
    VEC(const struct v_module *) core_instances;
    VEC(struct v_type) types;
    VEC(const struct v_func *) funcs;
    VEC(const struct v_component *) components;
    VEC(const struct v_instance *) instances;
    VEC(struct v_value_item) values;
    v_extern_list imports;
    v_extern_list exports;
    struct map import_names; // canonical name to name as written
    struct map export_names;
    v_resource_list imported;
    v_resource_list defined;
    struct map
        export_index;      // types and instances: the indices that exports introduced, and aliases
    struct map locals;     // resources defined by this component's own type definitions
    struct map visible[2]; // type names that imports and exports may refer to
    struct map resources[2]; // resource names by identity, of plain imports and exports
    struct map by_label[2];  // the same by label
};
enum v_side { SIDE_IMPORT, SIDE_EXPORT };

struct validator {
    struct reader r; // for messages: path and error
    struct arena arena;
    const struct component_features *features;
    struct v_scope *scope;
    size_t at; // offset of the definition at hand
    uint64_t next_alias;
    uint32_t work;
    struct map subtypes; // pairs found to match
};

// Records the failure at the definition at hand; returns the code.
#define v_fail(v, ...) reader_fail_at(&(v)->r, (v)->at, __VA_ARGS__)
_must_use_ int v_require(struct validator *v, bool on, const char *feature, const char *what);
// Counts a visited part against VALIDATE_WORK_MAX.
_must_use_ int v_work(struct validator *v);

// Keys of maps made of addresses and numbers, in the arena or in `buf`.
struct v_key {
    uintptr_t part[2];
};
static inline struct str v_key_str(const struct v_key *key)
{
    return str_of((const char *)key, sizeof(*key));
}
void v_put(struct validator *v, struct map *map, struct v_key key, const void *value);
static inline void *v_get(const struct map *map, struct v_key key)
{
    return map_get(map, v_key_str(&key));
}
static inline struct v_key v_key_of(const void *a, const void *b)
{
    return (struct v_key){{(uintptr_t)a, (uintptr_t)b}};
}
static inline struct v_key v_resource_key(const struct v_resource *r)
{
    return (struct v_key){{(uintptr_t)r->of, (uintptr_t)r->alias}};
}
static inline struct v_key v_type_key(struct v_type type)
{
    return type.kind == TYPE_DEF_RESOURCE ? v_resource_key(type.resource)
                                          : v_key_of(type.value, NULL);
}

// ---- validate_type.c: making nodes --------------------------------------------------------------

const struct v_resource *v_resource_new(struct validator *v);
const struct v_resource *v_resource_alias(struct validator *v, const struct v_resource *of,
                                          uint64_t alias);
static inline const struct v_resource *v_resource_of(const struct resource_type *node)
{
    return (const struct v_resource *)node;
}
static inline bool v_is_primitive(const struct type *t)
{
    return t->kind <= TYPE_ERROR_CONTEXT;
}
static inline const struct v_value *v_value_of(const struct type *t)
{
    return (const struct v_value *)t;
}
// Finishes a node whose `type` is filled but for its layout. NULL: failed.
const struct type *v_value_finish(struct validator *v, struct v_value *value);
const struct v_func *v_func_finish(struct validator *v, struct v_func *func);
const struct v_instance *v_instance_new(struct validator *v, const struct v_extern *exports,
                                        uint32_t count, struct v_resources defined);
const struct v_component *v_component_finish(struct validator *v, struct v_component *component);
// A copy, sorted by name.
struct v_externs v_externs_new(struct validator *v, const struct v_extern *items, uint32_t count);
const struct v_entity *v_find(const struct v_externs *externs, struct str name);
struct v_resources v_resources_new(struct validator *v, const v_resource_list *list);
// The same type under a new name.
struct v_type v_type_renamed(struct validator *v, struct v_type type);
const char *v_type_kind_name(enum type_def_kind kind);
const char *v_sort_name(const struct v_entity *entity);

_must_use_ int v_define_type(struct validator *v, const struct type_def *def, struct v_type *out);
_must_use_ int v_value_at(struct validator *v, struct val_ref ref, const struct type **out);
_must_use_ int v_type_at(struct validator *v, uint32_t index, enum type_def_kind kind,
                         struct v_type *out);

// ---- validate_subst.c, validate_uses.c ----------------------------------------------------------

// Replaces resources and type names. A variable is a resource that has no replacement yet.
struct v_subst {
    struct map resources; // resource to its replacement, or to v_unset
    struct map names;     // type name or node to what it is replaced by
};
extern const char v_unset;
void v_subst_done(struct v_subst *s);
void v_subst_variables(struct validator *v, struct v_subst *s, struct v_resources resources);
// New resources for bound ones; appended to `into`.
void v_subst_fresh(struct validator *v, struct v_subst *s, struct v_resources resources,
                   v_resource_list *into);
_must_use_ int v_subst_entity(struct validator *v, struct v_subst *s, struct v_entity *entity);
_must_use_ int v_subst_type(struct validator *v, struct v_subst *s, struct v_type *type);

// Resources that types refer to, and those that are bound on the way.
struct v_uses {
    struct map seen;
    struct map used; // resource to itself
    struct map bound;
};
void v_uses_done(struct v_uses *uses);
_must_use_ int v_uses_add(struct validator *v, struct v_uses *uses, const struct v_entity *entity);

// ---- validate_subtype.c -------------------------------------------------------------------------

// Whether `actual` may stand where `want` is asked for. Binds the variables of `s` (which concern
// `want`) and maps the type names in `want` to those in `actual`.
_must_use_ int v_match(struct validator *v, struct v_subst *s, const struct v_entity *want,
                       const struct v_entity *actual);
// The same without variables.
_must_use_ int v_subtype(struct validator *v, const struct v_entity *want,
                         const struct v_entity *actual);

// ---- validate_core.c ----------------------------------------------------------------------------

_must_use_ int v_define_core_type(struct validator *v, const struct core_type_def *def);
_must_use_ int v_define_core_module(struct validator *v, const struct core_module *module);
_must_use_ int v_define_core_instance(struct validator *v, const struct instance_def *def);
_must_use_ int v_alias_core_export(struct validator *v, const struct alias_def *def);
_must_use_ int v_module_subtype(struct validator *v, const struct v_module *want,
                                const struct v_module *actual);
const struct core_func_type *v_core_func(struct validator *v, uint32_t index);
bool v_core_func_equal(const struct core_func_type *a, const struct core_func_type *b);
_must_use_ int v_add_core(struct validator *v, struct core_extern item);
_must_use_ int v_add_core_func(struct validator *v, struct str params, struct str results);

// ---- validate_canon.c ---------------------------------------------------------------------------

_must_use_ int v_define_canon(struct validator *v, const struct canon_def *def);

// ---- validate_name.c ----------------------------------------------------------------------------

enum v_name_kind {
    NAME_LABEL,
    NAME_CONSTRUCTOR,
    NAME_METHOD,
    NAME_STATIC,
    NAME_INTERFACE,
    NAME_DEPENDENCY, // locked-dep=, unlocked-dep=, url=, integrity=: imports only
};
struct v_name {
    enum v_name_kind kind;
    struct str resource; // of an annotated name
    struct str label;
};
_must_use_ int v_label_check(struct validator *v, struct str label, const char *what);
// Two labels are the same in strong uniqueness.
struct str v_label_canonical(struct validator *v, struct str label);
_must_use_ int v_name_parse(struct validator *v, struct str text, struct v_name *out);
struct str v_name_canonical(struct validator *v, struct str text, const struct v_name *name);

// ---- validate_extern.c --------------------------------------------------------------------------

_must_use_ int v_define_import(struct validator *v, const struct import_def *def);
_must_use_ int v_define_export(struct validator *v, const struct export_def *def);
_must_use_ int v_extern_type(struct validator *v, const struct extern_def *def,
                             struct v_entity *out);
// Checks the name of an export and its attributes and adds it to the names of one scope.
struct v_names {
    struct map *names;
    struct map *resources;
    struct map *by_label;
};
_must_use_ int v_register_name(struct validator *v, struct v_names names,
                               const struct extern_name *name, const struct v_entity *entity,
                               enum v_side side);
_must_use_ int v_add_entity(struct validator *v, struct v_entity entity);
_must_use_ int v_entity_at(struct validator *v, struct sort_index item, struct v_entity *out);

// ---- validate_visible.c -------------------------------------------------------------------------

// Whether all types that `entity` uses have names that an import or export may refer to; notes the
// names that it introduces itself.
_must_use_ int v_check_visible(struct validator *v, enum v_side side,
                               const struct v_entity *entity);
// Notes that the latest index of a sort, types or instances, is one that an export introduced, or
// the alias of one.
void v_note_export(struct validator *v, enum sort sort);
bool v_is_export(const struct validator *v, enum sort sort, uint32_t index);
// Refuses an import that is equal to an exported type.
_must_use_ int v_check_acyclic(struct validator *v, const struct extern_def *import);

// ---- validate_instance.c ------------------------------------------------------------------------

_must_use_ int v_define_instance(struct validator *v, const struct instance_def *def);
_must_use_ int v_define_alias(struct validator *v, const struct alias_def *def);

// ---- validate.c ---------------------------------------------------------------------------------

// The type of what a scope's definitions make.
_must_use_ int v_scope_component(struct validator *v, const struct component *def,
                                 const struct v_component **out);
_must_use_ int v_scope_instance(struct validator *v, const struct component *def,
                                const struct v_instance **out);

// SPDX-License-Identifier: Apache-2.0
// The decoded component as data, for the planner and the WIT printer: what Binary.md defines, in
// the order of the file, with indices as written and checked against the index spaces.
#pragma once

#include "component/canon_kind.h"
#include "component/component.h"
#include "component/core_module.h"
#include "component/reader.h"
#include "wit/type.h"

// Index spaces.
enum sort {
    SORT_CORE_FUNC,
    SORT_CORE_TABLE,
    SORT_CORE_MEMORY,
    SORT_CORE_GLOBAL,
    SORT_CORE_TAG,
    SORT_CORE_TYPE,
    SORT_CORE_MODULE,
    SORT_CORE_INSTANCE,
    SORT_FUNC,
    SORT_VALUE,
    SORT_TYPE,
    SORT_COMPONENT,
    SORT_INSTANCE,
};
#define SORT_COUNT (SORT_INSTANCE + 1)

// "core function", "instance", ...
const char *sort_name(enum sort sort);

struct sort_index {
    enum sort sort;
    uint32_t index;
};

// The name of an import or export with its attributes.
struct extern_name {
    struct str name;
    struct str implements; // empty where absent
    struct str version_suffix;
    bool has_attributes; // the form that may have them
    bool has_implements;
    bool has_version_suffix;
    bool has_external_id;
};

struct inline_export {
    struct str name;
    struct extern_name full; // exports of a component instance
    struct sort_index item;
};

// An instance or core instance: instantiation of a component or module with arguments, or a bundle
// of definitions.
struct instance_def {
    bool is_bundle;
    uint32_t target;                   // module or component
    const struct inline_export *items; // arguments, or the bundle
    uint32_t item_count;
};

enum alias_kind { ALIAS_EXPORT, ALIAS_CORE_EXPORT, ALIAS_OUTER };
struct alias_def {
    enum alias_kind kind;
    enum sort sort;
    uint32_t instance; // export kinds
    struct str name;
    uint32_t outer; // scopes to go up, and the index there
    uint32_t index;
};

// A value type as written: a primitive, or the index of a type.
struct val_ref {
    bool is_index;
    uint32_t index;
    enum type_kind primitive;
};

struct def_field {
    struct str name;
    bool has_type;
    struct val_ref type;
};

struct value_def {
    enum type_kind kind;
    struct val_ref element; // also what a type that is only a reference refers to
    struct val_ref error;   // result's error, map's value
    bool has_element;
    bool has_error;
    uint32_t length;   // fixed list
    uint32_t resource; // own, borrow: type index
    const struct def_field *fields;
    uint32_t field_count;
};

struct func_def {
    const struct def_field *params;
    uint32_t param_count;
    bool has_result;
    struct val_ref result;
    bool is_async;
};

struct resource_def {
    bool has_dtor;
    uint32_t dtor; // core function
};

enum type_def_kind {
    TYPE_DEF_VALUE,
    TYPE_DEF_FUNC,
    TYPE_DEF_RESOURCE,
    TYPE_DEF_COMPONENT,
    TYPE_DEF_INSTANCE,
};
struct type_def {
    enum type_def_kind kind;
    union {
        struct value_def value;
        struct func_def func;
        struct resource_def resource;
        const struct component *scope; // component and instance types
    };
};

// Type of an import or export.
struct extern_def {
    enum sort sort;   // SORT_CORE_MODULE, FUNC, VALUE, TYPE, COMPONENT, INSTANCE
    bool is_resource; // SORT_TYPE: (sub resource); otherwise (eq index)
    bool is_eq_value; // SORT_VALUE: (eq index); otherwise a type
    uint32_t index;   // type; SORT_CORE_MODULE: core type; SORT_VALUE: value
    struct val_ref value;
};

// A core module type: its own type definitions and what it imports and exports. A type is written
// out or an outer alias to a core type of an enclosing scope.
struct core_type_ref {
    bool is_alias;
    uint32_t outer; // 0 is the module type itself
    uint32_t index;
    struct core_func_type func;
};
struct core_module_item {
    bool is_export;
    struct str module; // imports
    struct str name;
    struct core_extern type; // .type indexes `types`
};
struct core_module_type {
    const struct core_type_ref *types;
    uint32_t type_count;
    const struct core_module_item *items;
    uint32_t item_count;
};

// A definition of the core type section: one module type, or the types of a recursion group.
struct core_type_def {
    const struct core_module_type *module; // NULL: group
    const struct core_func_type *group;
    uint32_t group_count;
};

struct import_def {
    struct extern_name name;
    struct extern_def type;
};

// In a component the item and an optional type; in a type the type alone.
struct export_def {
    struct extern_name name;
    struct sort_index item;
    bool has_type;
    struct extern_def type;
};

// What follows the opcode of a canonical definition.
enum operand_form {
    FORM_NONE,
    FORM_TYPE,
    FORM_TYPE_OPTIONS,
    FORM_TYPE_FLAG,
    FORM_FLAG,
    FORM_FLAG_MEMORY,
    FORM_OPTIONS,
    FORM_RESULT_OPTIONS,
    FORM_CONTEXT,
    FORM_LIFT,
    FORM_LOWER,
    FORM_CORE_TYPE_TABLE,
    FORM_FLAG_CORE_TYPE,
    FORM_FLAG_CORE_TYPE_TABLE,
};

struct canon_form {
    const char *name; // "stream.read"
    uint8_t op;
    enum operand_form form;
};
const struct canon_form *canon_form(enum canon_kind kind);

struct canon_def_options {
    uint8_t encoding; // enum string_encoding
    bool is_async;
    bool has_memory;
    bool has_realloc;
    bool has_post_return;
    bool has_callback;
    uint32_t memory;
    uint32_t realloc;
    uint32_t post_return;
    uint32_t callback;
};

struct canon_def {
    enum canon_kind kind;
    uint32_t func;  // lift: core function; lower: function
    uint32_t type;  // lift: function type; resource.*, stream.*, future.*: the type; thread.*: core
    uint32_t table; // thread.*
    uint32_t slot;  // context.*
    char core_type; // context.*: value type
    bool flag;      // async, cancellable or shared
    bool has_result; // task.return
    struct val_ref result;
    struct canon_def_options options;
};

struct start_def {
    uint32_t func;
    const uint32_t *args; // values
    uint32_t arg_count;
    uint32_t result_count;
};

enum definition_kind {
    DEF_CORE_MODULE,
    DEF_CORE_INSTANCE,
    DEF_CORE_TYPE,
    DEF_COMPONENT,
    DEF_INSTANCE,
    DEF_ALIAS,
    DEF_TYPE,
    DEF_CANON,
    DEF_START,
    DEF_IMPORT,
    DEF_EXPORT,
    DEF_VALUE,
};

struct definition {
    enum definition_kind kind;
    size_t offset; // in the file
    union {
        const struct core_module *module;
        const struct instance_def *instance; // also of DEF_CORE_INSTANCE
        const struct component *component;
        const struct alias_def *alias;
        const struct type_def *type;
        const struct core_type_def *core_type;
        const struct canon_def *canon;
        const struct start_def *start;
        const struct import_def *import;
        const struct export_def *export;
        struct val_ref value; // DEF_VALUE: its type
    };
};

// A list of definitions with its own index spaces: a component, or the declarators of a component
// or instance type.
enum scope_kind { SCOPE_COMPONENT, SCOPE_COMPONENT_TYPE, SCOPE_INSTANCE_TYPE };

struct component {
    enum scope_kind kind;
    const struct component *parent;
    const struct definition *defs;
    uint32_t def_count;
    uint32_t counts[SORT_COUNT]; // final length of each index space
    struct arena *arena;         // of the whole tree; the root owns it
};

// Refuse what is no component, saying what it is instead (component.c).
_must_use_ int component_check_preamble(struct str bytes, struct error *err);
_must_use_ int component_check_not_wit(const struct component *root, struct error *err);

// ---- between the files of the decoder -----------------------------------------------------------

struct decoder {
    struct reader r;
    struct arena *arena;
    struct component *scope;
    uint32_t depth;
};

// component_decode() without the refusal of what is only a WIT package.
_must_use_ int component_decode_any(struct str bytes, struct component **out, struct error *err);

void *decode_array(struct decoder *d, size_t count, size_t size);
#define decode_new(d, type)              ((type *)decode_array((d), 1, sizeof(type)))
#define decode_new_array(d, type, count) ((type *)decode_array((d), (count), sizeof(type)))

// An index into the scope's index space, checked.
uint32_t decode_index(struct decoder *d, enum sort sort);
enum sort decode_sort(struct decoder *d);
enum sort decode_core_sort(struct decoder *d);

const struct alias_def *decode_alias(struct decoder *d);
struct extern_name decode_extern_name(struct decoder *d);
struct extern_def decode_extern_type(struct decoder *d);
const struct import_def *decode_import(struct decoder *d);
// The declarator of a component or instance type.
const struct export_def *decode_export_decl(struct decoder *d);

struct val_ref decode_val_ref(struct decoder *d);
const struct type_def *decode_type(struct decoder *d);
const struct core_type_def *decode_core_type(struct decoder *d);
// How many indices a definition of the core type section takes.
uint32_t decode_core_type_count(const struct core_type_def *def);
const struct canon_def *decode_canon(struct decoder *d);
const struct start_def *decode_start(struct decoder *d);

// Adds one definition to what a scope collects; it has counted its index already.
struct definition_list {
    struct definition *items;
    size_t len;
    size_t cap;
};
// Puts the collected definitions into the scope.
void decode_scope_finish(struct decoder *d, struct definition_list *list);

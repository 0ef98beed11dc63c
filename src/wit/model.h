// SPDX-License-Identifier: Apache-2.0
// The model while it is resolved: the public structs with what the resolver needs around them.
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "wit/ast.h"

// Characters that enough names, ids and paths of one resolve need.
#define WIT_MODEL_BYTES_MAX ((size_t)1024 * 1024 * 1024)

struct package;
struct interface;
struct world;

// What a thing's feature gate says, or that of what it is made of.
enum gate { GATE_NONE, GATE_ON, GATE_OFF };

struct typedef_node {
    struct wit_typedef pub;
    const struct ast_item *ast;    // NULL for a name that came by `use`
    const struct ast_name *source; // of `use`: the name in the other interface
    const struct interface *used;  // of `use`: the other interface
    struct owner *owner;
    struct wit_pos pos;
    enum { NODE_UNSEEN, NODE_OPEN, NODE_DONE } state;
    enum gate gate;
    struct wit_pos fault;    // where it names what is left out; no source: nowhere
    struct wit_pos unnamed;  // of the first type without a name in it, which has its gate
    unsigned aliases;        // names between this one and the type itself
    unsigned depth;          // nesting of the type
    bool has_borrow;         // a borrow inside
    const struct type *node; // what a reference to the name is: for a resource its own<>
};

// A function, and what is refused unless the function itself is left out.
struct func_node {
    const struct wit_func *func;
    struct wit_pos pos;
    bool names_off;      // names a type that is left out
    bool returns_borrow; // in its result
};

// What names types and functions: an interface or a world.
struct owner {
    struct map names; // lower case; types: typedef_node, functions: this owner itself
    const struct wit_interface *interface; // NULL: a world
    struct scope *scope;
    VEC(struct typedef_node *) types;
    VEC(struct func_node) funcs;
    struct wit_pos fault; // of a type without a name, as of a typedef_node
};

struct interface {
    struct wit_interface pub;
    struct owner owner;
    struct wit_pos pos;
    bool gated;                         // its feature is not enabled
    VEC(const struct interface *) deps; // those it uses types of; may repeat
    uint64_t stamp;                     // scratch of the world being elaborated
    bool exported;                      // scratch
    uint64_t export_stamp;              // scratch
    uint64_t check_stamp;               // scratch
};

// An import or export as a world itself has it.
struct extern_node {
    const struct ast_item *ast;
    struct wit_world_item item;
    struct wit_pos pos;
    struct func_node func;
    const struct interface *interface;
};

struct world {
    struct wit_world pub;
    struct owner owner;
    struct wit_pos pos;
    VEC(struct extern_node) externs;
    VEC(struct wit_world_item) imports;
    VEC(struct wit_world_item) exports;
    struct map import_names;
    struct map export_names;
};

enum visit { VISIT_NEW, VISIT_OPEN, VISIT_DONE };

// A named interface or world.
struct decl {
    const struct ast_decl *ast;
    struct scope *scope;
    struct interface *interface; // or
    struct world *world;
    bool gated; // its feature is not enabled
    enum visit visit;
    uint32_t number; // scratch
    VEC(struct edge) deps;
};

// A reference to another declaration.
struct edge {
    struct decl *to;
    struct wit_pos pos;
};

// The names one file, or one nested package in it, sees.
struct scope {
    struct package *package;
    const struct ast_file *ast;
    struct map uses; // top-level `use`: name to ast_decl
};

struct package {
    struct wit_package pub;
    struct str id; // "wasi:http@0.2.12"
    struct wit_pos pos;
    const void *group;            // what makes it up: a set of files or a nested block
    struct package *next_version; // same namespace and name
    struct map decls;
    VEC(struct scope *) scopes;
    VEC(struct decl *) order;
    enum visit visit;
    VEC(struct package_edge) deps;
};

struct package_edge {
    struct package *to;
    struct wit_pos pos;
};

struct wit_resolve {
    struct arena arena;
    struct map packages; // id to package
    struct map names;    // "ns:name" to the first package of that name
    struct map features;
    bool all_features;
    VEC(struct package *) order;
    VEC(struct decl *) decls;           // in order of dependency once they are sorted
    VEC(struct interface *) interfaces; // inline ones included
    struct package *root;
    uint64_t stamp;
    size_t world_items; // of all worlds so far
    bool finished;
};

bool resolve_enabled(const struct wit_resolve *resolve, const struct wit_stability *stability);

// Refuses attributes that do not fit each other (WIT.md "Feature Gates").
_must_use_ int gate_check_attributes(const struct wit_stability *stability, struct wit_pos pos,
                                     struct error *err);
// Refuses `@since` with a version later than the package's or in a package without one.
_must_use_ int gate_check_since(const struct scope *scope, const struct wit_stability *stability,
                                struct wit_pos pos, struct error *err);
enum gate gate_of(const struct wit_resolve *resolve, const struct wit_stability *stability);
// Leaves out the types whose feature is not enabled; what stays must not name them, and belong to
// what stays.
_must_use_ int gate_types(struct wit_resolve *resolve, struct owner *owner, bool is_owner_off,
                          struct error *err);
// The same for functions. `off_pos` is where a function of a resource that is left out is refused;
// without a source it is the function's own.
_must_use_ int gate_funcs(struct wit_resolve *resolve, struct owner *owner, struct error *err);
_must_use_ int gate_func(const struct func_node *func, struct wit_pos off_pos, struct error *err);

// "ns:name@version".
struct str package_id(struct arena *arena, struct str ns, struct str name, struct str version);
struct str interface_id(struct arena *arena, const struct wit_package *package, struct str name);

// Makes the scopes and declarations of all packages.
_must_use_ int scope_index(struct wit_resolve *resolve, struct error *err);
// What a path names, seen from a scope. Errors: no such package or declaration, not of the kind
// wanted (AST_INTERFACE or AST_WORLD).
_must_use_ int scope_find(struct wit_resolve *resolve, struct scope *scope,
                          const struct ast_path *path, enum ast_decl_kind kind, struct decl **out,
                          struct error *err);
// The same for a top-level `use`: an interface or a world.
_must_use_ int scope_find_any(struct wit_resolve *resolve, struct scope *scope,
                              const struct ast_path *path, struct decl **out, struct error *err);
// Sorts resolve->decls so that what is referred to comes first; refuses cycles.
_must_use_ int order_decls(struct wit_resolve *resolve, struct error *err);

// Declares the types of `items` and resolves them, then the functions (free ones of an interface
// and those of resources).
_must_use_ int owner_resolve(struct wit_resolve *resolve, struct owner *owner,
                             const struct ast_item *items, struct error *err);
// Sorts the types that an owner declares; refuses names that are not there, and cycles.
_must_use_ int owner_order_types(struct wit_resolve *resolve, struct owner *owner,
                                 struct error *err);
// What the name of a type stands for, resolved or not.
_must_use_ int owner_find_type(struct wit_resolve *resolve, struct owner *owner,
                               const struct ast_name *name, struct typedef_node **out,
                               struct error *err);
// Resolves one function of an owner whose types are resolved.
_must_use_ int owner_func(struct wit_resolve *resolve, struct owner *owner,
                          const struct ast_func *ast, const struct typedef_node *resource,
                          struct func_node *out, struct error *err);
// The type a name stands for; resolves it first if need be.
_must_use_ int owner_typedef(struct wit_resolve *resolve, struct typedef_node *node, unsigned depth,
                             struct error *err);
// Lower-case copy without hyphens: names differ by more than these (Explainer.md
// "strongly-unique"). A version stays as it is.
struct str name_key(struct arena *arena, struct str name);

// Leaves out what is not enabled and publishes the rest.
_must_use_ int interface_finish(struct wit_resolve *resolve, struct interface *interface,
                                struct error *err);
// What the world itself has, enabled or not.
_must_use_ int world_resolve(struct wit_resolve *resolve, struct decl *decl, struct error *err);
// Leaves out what is not enabled, includes other worlds and adds what all that needs.
_must_use_ int world_finish(struct wit_resolve *resolve, struct decl *decl, struct error *err);
// Counts one more import or export against WIT_WORLD_ITEMS_MAX.
_must_use_ int world_count_item(struct wit_resolve *resolve, const struct world *world,
                                struct error *err);
// Adds the interfaces that imports and exports use types of (WIT.md "WIT Worlds").
_must_use_ int world_elaborate(struct wit_resolve *resolve, struct world *world, struct error *err);
struct interface *interface_new(struct wit_resolve *resolve, struct scope *scope,
                                const struct ast_name *name, struct str id);

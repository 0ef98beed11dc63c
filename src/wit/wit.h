// SPDX-License-Identifier: Apache-2.0
// WIT packages: parsed from text (WIT.md) or made from a decoded component, printed as text.
//
// A `struct wit_resolve` owns an arena with everything in it. Packages are added as texts or
// folders in any order, then resolved once; afterwards the model is read-only.
#pragma once

#include "base/error.h"
#include "wit/type.h"

struct wit_resolve;
struct wit_interface;
struct wit_world;
struct wit_package;

// Stability attributes; empty strings where absent.
struct wit_stability {
    struct str since;      // @since(version = ...)
    struct str feature;    // @unstable(feature = ...)
    struct str deprecated; // @deprecated(version = ...)
};

// A type name in an interface or world.
struct wit_typedef {
    struct str name;
    struct str docs;
    struct wit_stability stability;
    const struct wit_interface *interface; // owner, or NULL when a world owns it
    // What it names: a node of its own, whose `def` is this definition. For `use` and `type a = b`
    // a copy of b's. For a resource NULL.
    const struct type *type;
    const struct str *member_docs;        // of each field, case or flag of `type`; NULL: none
    const struct resource_type *resource; // the resource it names (also through use/alias), or NULL
    const struct wit_typedef *alias_of; // the typedef it was `use`d from or is an alias of, or NULL
    bool is_use;                        // came by `use`
};

enum wit_func_kind { WIT_FUNC_FREE, WIT_FUNC_METHOD, WIT_FUNC_STATIC, WIT_FUNC_CONSTRUCTOR };

struct wit_func {
    struct str name;   // as written: "set"; for a constructor the resource's name
    struct str symbol; // as in a component: "[method]fields.set"
    struct str docs;
    struct wit_stability stability;
    enum wit_func_kind kind;
    const struct wit_typedef *resource; // of a method, static or constructor
    struct func_type type;              // a method's first parameter is `self: borrow<...>`
};

struct wit_interface {
    struct str name; // empty for an inline interface of a world item
    struct str docs;
    struct wit_stability stability;
    const struct wit_package *package;
    struct str id;                          // "wasi:http/types@0.2.12"
    const struct wit_typedef *const *types; // each behind those it names
    uint32_t type_count;
    const struct wit_func *const *funcs; // in source order
    uint32_t func_count;
};

enum wit_item_kind { WIT_ITEM_INTERFACE, WIT_ITEM_FUNC, WIT_ITEM_TYPE };

struct wit_world_item {
    enum wit_item_kind kind;
    struct str
        name; // import/export name: interface id, plain name of an inline interface, function
    struct str docs;
    struct wit_stability stability;
    const struct wit_interface *interface;
    const struct wit_func *func;
    const struct wit_typedef *type;
};

struct wit_world {
    struct str name;
    struct str docs;
    struct wit_stability stability;
    const struct wit_package *package;
    const struct wit_world_item *imports;
    uint32_t import_count;
    const struct wit_world_item *exports;
    uint32_t export_count;
};

struct wit_package {
    struct str ns;      // "wasi"
    struct str name;    // "http"
    struct str version; // "0.2.12", or empty
    struct str docs;
    const struct wit_interface *const *interfaces; // each behind those it uses
    uint32_t interface_count;
    const struct wit_world *const *worlds;
    uint32_t world_count;
};

// Limits of what is accepted.
#define WIT_FILE_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define WIT_PACKAGES_MAX   4096
// Imports and exports of all worlds together: `include` multiplies them.
#define WIT_WORLD_ITEMS_MAX ((size_t)1 << 20)

struct wit_resolve *wit_resolve_new(void);
void wit_resolve_free(struct wit_resolve *resolve);

// Features for @unstable items; an item whose feature is not enabled is left out. NULL feature:
// all.
void wit_resolve_enable_feature(struct wit_resolve *resolve, const char *feature);

// Adds the text of one file. `path` names it in errors ("path:line:column: message").
// The text is copied.
_must_use_ int wit_resolve_add_text(struct wit_resolve *resolve, const char *path, struct str text,
                                    struct error *err);
// Adds a file, or a folder: its *.wit files form one package, `deps/` holds files and folders of
// further packages.
_must_use_ int wit_resolve_add_path(struct wit_resolve *resolve, const char *path,
                                    struct error *err);
// Resolves names, uses, includes and worlds of all packages added. Call once, after the adds.
_must_use_ int wit_resolve_finish(struct wit_resolve *resolve, struct error *err);

// Packages, each behind those it refers to.
uint32_t wit_package_count(const struct wit_resolve *resolve);
const struct wit_package *wit_package_at(const struct wit_resolve *resolve, uint32_t index);
// The package that was added first as text or as the root of a folder (not one of its deps).
const struct wit_package *wit_root_package(const struct wit_resolve *resolve);
// By full id "wasi:http/types@0.2.12"; NULL when there is none.
const struct wit_interface *wit_find_interface(const struct wit_resolve *resolve, struct str id);
const struct wit_world *wit_find_world(const struct wit_package *package, struct str name);

// Prints one package as WIT text. What exceeds out->max is cut off, here and below.
struct buf;
void wit_print_package(const struct wit_package *package, struct buf *out);
// Prints a package, then nested `package ns:name@version { ... }` blocks of `others`.
void wit_print_packages(const struct wit_package *package, const struct wit_package *const *others,
                        size_t count, struct buf *out);
// The root package and all the others.
void wit_print_resolve(const struct wit_resolve *resolve, struct buf *out);
// Prints a world alone with the package header `package root:component;`, as `wash inspect` shows
// it: the world, then nested `package ns:name@version { ... }` blocks of the interfaces it refers
// to.
void wit_print_component_world(const struct wit_world *world, struct buf *out);

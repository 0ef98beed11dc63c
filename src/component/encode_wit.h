// SPDX-License-Identifier: Apache-2.0
// Types, interfaces and worlds of WIT in the index spaces of a component or type that is being
// encoded (Binary.md "Type Definitions", WIT.md "Package Format").
//
// A wit_scope is one encoder with what it knows of WIT: which index each definition has already,
// and from which component instances types can be aliased. A definition that has no index yet gets
// one, in this order:
//   - it belongs to the scope (`interface` of the scope, or a world's when that is NULL): it is
//     encoded, and under `naming` exported or imported under its name. A resource type is declared
//     (`sub resource`); with WIT_UNNAMED it must have been bound before;
//   - its interface was given as an instance of the scope: it is aliased from there;
//   - it has an outer scope: it is looked for there, and aliased over the border when the outer
//     scope is another encoder.
// Equal types without a name are encoded once a scope.
//
// What `wash component new` does with it: one scope over the root component (WIT_IMPORTED);
// wit_encode_import() for each import of the world, whose instance index is then known to the
// scope; wit_scope_typedef() for the type index of a resource to drop or of a type to pass on. For
// each exported interface a scope over the same encoder with .interface set and .outer the first
// one: wit_scope_bind() of the resources it defines, wit_scope_func() for the type of each lift. In
// the component that names the exports again: a scope with WIT_IMPORTED for the types and functions
// that come in, and another with WIT_EXPORTED for those that go out.
#pragma once

#include "base/map.h"
#include "component/encode.h"
#include "wit/wit.h"

enum wit_naming {
    WIT_UNNAMED,
    WIT_EXPORTED, // instance types, and components that export types
    WIT_IMPORTED, // types of worlds
};

struct wit_scope {
    struct encoder *e;
    enum wit_naming naming;
    const struct wit_interface *interface; // whose definitions belong to the scope; NULL: a world's
    struct wit_scope *outer;               // or NULL
    struct str name_prefix;                // of names that are imported or exported
    struct map types;                      // address of a wit_typedef to index + 1
    struct map shapes;                     // bytes of unnamed types to index + 1
    struct map instances;                  // address of a wit_interface to index + 1
    struct arena arena;
    // The first type that could not be encoded: it is from an interface that is not there.
    const struct wit_typedef *missing;
};

void wit_scope_init(struct wit_scope *s, struct encoder *e, enum wit_naming naming);
void wit_scope_done(struct wit_scope *s);
// -EINVAL, and what was missing, when something could not be encoded.
_must_use_ int wit_scope_check(const struct wit_scope *s, struct error *err);

// What is already there: the type of a definition; the instance of an interface (a later one
// replaces an earlier one for types that have not been aliased yet).
void wit_scope_bind(struct wit_scope *s, const struct wit_typedef *def, uint32_t index);
void wit_scope_bind_instance(struct wit_scope *s, const struct wit_interface *interface,
                             uint32_t instance);

// The type index of a definition; of a resource the resource type.
uint32_t wit_scope_typedef(struct wit_scope *s, const struct wit_typedef *def);
// A reference to a value type.
struct val_ref wit_scope_type(struct wit_scope *s, const struct type *type);
// Index of a function's type.
uint32_t wit_scope_func(struct wit_scope *s, const struct func_type *type);

// Index of the instance type of an interface. `types_only` leaves its functions out.
uint32_t wit_encode_interface(struct wit_scope *outer, const struct wit_interface *interface,
                              bool types_only);
// The functions of an interface in the order of the binary form: those of resources first, in order
// of their resources. As many as interface->func_count, allocated in `arena`.
const struct wit_func **wit_funcs_in_order(struct arena *arena,
                                           const struct wit_interface *interface);
// Imports or exports (the latter in types only) an item of a world; the instance or function index,
// for a type its type index. Instances are bound in the scope.
uint32_t wit_encode_import(struct wit_scope *s, const struct wit_world_item *item);
uint32_t wit_encode_export(struct wit_scope *s, const struct wit_world_item *item);
// The component type of a world, in `outer`.
_must_use_ int wit_encode_world(struct encoder *outer, const struct wit_world *world,
                                uint32_t *index, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// Makes the model of WIT (wit/wit.h) of what the planner evaluated in types_only mode: interfaces
// of instances, worlds of imports and exports, packages of the ids.
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "component/planner.h"
#include "wit/wit.h"

struct built_package;
struct built_interface;

struct built_world {
    struct wit_world pub;
    struct wit_world_item *imports; // pub's
    struct wit_world_item *exports;
};

struct world_builder {
    struct arena *arena;
    struct map packages;   // "wasi:http@0.2.4" to struct built_package
    struct map interfaces; // id to the struct built_interface that its package lists
    VEC(struct built_package *) order;
    VEC(struct built_interface *) all;
    VEC(struct built_world *) worlds;
};

void builder_init(struct world_builder *b, struct arena *arena);
void builder_done(struct world_builder *b);

// "ns:name/item@version"; false for other names, which are of inline interfaces.
bool builder_split_id(struct str id, struct wit_package *package, struct str *item);
// The package of that namespace, name and version.
struct built_package *builder_package(struct world_builder *b, const struct wit_package *parts);

// The interface of an instance. One with an id is listed by its package.
const struct wit_interface *builder_interface(struct world_builder *b, struct str id,
                                              const struct export_list *exports);
// A world of the imports and exports of a scope; its package is left to the caller.
struct built_world *builder_world(struct world_builder *b, struct str name,
                                  const struct env *scope);
void builder_add_world(struct built_package *package, const struct built_world *world);

// Makes all interfaces of one id one: the one with the most functions and types.
void builder_unify(struct world_builder *b);
// Fills the packages' lists.
void builder_publish(struct world_builder *b);
const struct wit_package *builder_public(const struct built_package *package);
// After builder_publish(), once: the packages but `without` (may be NULL), each behind those it
// uses types of, in the arena.
const struct wit_package *const *builder_packages(const struct world_builder *b,
                                                  struct built_package *without, size_t *count);
// Lists these interfaces first, in this order.
void builder_order_interfaces(struct world_builder *b, struct built_package *package,
                              const struct str *ids, size_t count);

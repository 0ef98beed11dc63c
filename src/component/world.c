// SPDX-License-Identifier: Apache-2.0
// The imports and exports of a component as a WIT world. The planner evaluates the definitions, so
// that a type's definition is found through any number of aliases, instances and components.
#include <errno.h>

#include "base/map.h"
#include "component/planner.h"
#include "wit/wit.h"

struct package_list {
    struct wit_package *package;
    const struct wit_interface **interfaces;
    uint32_t count;
};

struct world_builder {
    struct arena *arena;
    struct map packages;   // "wasi:http@0.2.4" to struct package_list
    struct map interfaces; // ids that their package lists
    uint32_t instance_count;
};

// ---- packages -----------------------------------------------------------------------------------

// "ns:name/interface@version": false for other names, which are of inline interfaces.
static bool split_id(struct str id, struct wit_package *package, struct str *interface)
{
    struct str path;
    struct str rest;
    (void)str_cut(id, '@', &path, &package->version);
    return str_cut(path, ':', &package->ns, &rest) &&
           str_cut(rest, '/', &package->name, interface) && package->ns.len > 0 &&
           package->name.len > 0 && interface->len > 0;
}

static struct package_list *package_of(struct world_builder *b, const struct wit_package *parts)
{
    struct str key = arena_printf(b->arena, "%.*s:%.*s@%.*s", STR_ARG(parts->ns),
                                  STR_ARG(parts->name), STR_ARG(parts->version));
    struct package_list *list = map_get(&b->packages, key);
    if (list)
        return list;
    list = arena_new(b->arena, struct package_list);
    list->package = arena_new(b->arena, struct wit_package);
    *list->package = *parts;
    list->interfaces = arena_new_array(b->arena, const struct wit_interface *, b->instance_count);
    list->package->interfaces = list->interfaces;
    (void)map_put(&b->packages, key, list);
    return list;
}

static void add_to_package(struct world_builder *b, struct wit_interface *interface)
{
    struct wit_package parts = {.docs = STR_EMPTY};
    if (!split_id(interface->id, &parts, &interface->name)) {
        interface->name = STR_EMPTY;
        interface->id = STR_EMPTY;
        return;
    }
    struct package_list *list = package_of(b, &parts);
    interface->package = list->package;
    // An interface that is imported and exported is one in its package.
    if (map_put(&b->interfaces, interface->id, interface))
        return;
    list->interfaces[list->count++] = interface;
    list->package->interface_count = list->count;
}

// ---- functions ----------------------------------------------------------------------------------

static const struct {
    struct str prefix;
    enum wit_func_kind kind;
} func_kinds[] = {
    {STR_INIT("[method]"), WIT_FUNC_METHOD},
    {STR_INIT("[static]"), WIT_FUNC_STATIC},
    {STR_INIT("[constructor]"), WIT_FUNC_CONSTRUCTOR},
};

static const struct wit_typedef *resource_named(const struct wit_interface *interface,
                                                struct str name)
{
    for (uint32_t i = 0; interface && i < interface->type_count; i++)
        if (interface->types[i]->resource && str_eq(interface->types[i]->name, name))
            return interface->types[i];
    return NULL;
}

static const struct wit_func *make_func(struct world_builder *b, struct str symbol,
                                        const struct func_type *type,
                                        const struct wit_interface *interface)
{
    struct wit_func *func = arena_new(b->arena, struct wit_func);
    *func = (struct wit_func){.name = symbol, .symbol = symbol, .docs = STR_EMPTY, .type = *type};
    for (size_t i = 0; i < ARRAY_LEN(func_kinds); i++) {
        if (!str_starts(symbol, func_kinds[i].prefix))
            continue;
        struct str resource;
        struct str name;
        func->kind = func_kinds[i].kind;
        bool has_name =
            str_cut(str_from_index(symbol, func_kinds[i].prefix.len), '.', &resource, &name);
        func->name = has_name ? name : resource;
        func->resource = resource_named(interface, resource);
    }
    return func;
}

// ---- interfaces ---------------------------------------------------------------------------------

// The nearest definition that text can refer to: of the same interface, or of one with an id.
static const struct wit_typedef *visible_alias(const struct wit_typedef *def)
{
    const struct wit_typedef *alias = def->alias_of;
    while (alias &&
           !(alias->interface && (alias->interface->package || alias->interface == def->interface)))
        alias = alias->alias_of;
    return alias;
}

static const struct wit_typedef *own_typedef(struct world_builder *b,
                                             const struct type_entity *type, struct str name,
                                             const struct wit_interface *interface)
{
    struct wit_typedef *def = type->def;
    if (def->interface) {
        // The same instance is exported under another name.
        struct wit_typedef *again = arena_new(b->arena, struct wit_typedef);
        *again = *def;
        again->alias_of = def;
        again->name = name;
        def = again;
    }
    def->interface = interface;
    def->alias_of = visible_alias(def);
    def->is_use = def->alias_of && def->alias_of->interface != interface;
    if (def->resource)
        def->type = NULL;
    return def;
}

static const struct wit_interface *make_interface(struct world_builder *b, struct str id,
                                                  const struct export_list *exports)
{
    struct wit_interface *interface = arena_new(b->arena, struct wit_interface);
    *interface = (struct wit_interface){.name = STR_EMPTY, .docs = STR_EMPTY, .id = id};
    add_to_package(b, interface);
    const struct wit_typedef **types =
        arena_new_array(b->arena, const struct wit_typedef *, exports->len);
    const struct wit_func **funcs =
        arena_new_array(b->arena, const struct wit_func *, exports->len);
    interface->types = types;
    interface->funcs = funcs;
    for (uint32_t i = 0; i < exports->len; i++) {
        const struct export_entry *entry = &exports->items[i];
        if (entry->entity.sort == SORT_TYPE && entry->entity.type->def)
            types[interface->type_count++] =
                own_typedef(b, entry->entity.type, entry->name, interface);
    }
    for (uint32_t i = 0; i < exports->len; i++) {
        const struct export_entry *entry = &exports->items[i];
        if (entry->entity.sort == SORT_FUNC)
            funcs[interface->func_count++] =
                make_func(b, entry->name, entry->entity.func->type, interface);
    }
    return interface;
}

// ---- world --------------------------------------------------------------------------------------

static const struct wit_typedef *world_typedef(const struct type_entity *type)
{
    struct wit_typedef *def = type->def;
    def->alias_of = visible_alias(def);
    def->is_use = def->alias_of != NULL;
    if (def->resource)
        def->type = NULL;
    return def;
}

// False for what WIT has no word for: modules, components, exported types.
static bool make_item(struct world_builder *b, const struct export_entry *entry, bool is_import,
                      struct wit_world_item *out)
{
    *out = (struct wit_world_item){.name = entry->name, .docs = STR_EMPTY};
    if (entry->entity.sort == SORT_INSTANCE) {
        out->kind = WIT_ITEM_INTERFACE;
        out->interface = make_interface(b, entry->name, &entry->entity.instance->exports);
    } else if (entry->entity.sort == SORT_FUNC) {
        out->kind = WIT_ITEM_FUNC;
        out->func = make_func(b, entry->name, entry->entity.func->type, NULL);
    } else if (is_import && entry->entity.sort == SORT_TYPE && entry->entity.type->def) {
        out->kind = WIT_ITEM_TYPE;
        out->type = world_typedef(entry->entity.type);
    } else {
        return false;
    }
    return true;
}

static const struct wit_world_item *make_items(struct world_builder *b,
                                               const struct export_list *list, bool is_import,
                                               uint32_t *count)
{
    struct wit_world_item *items = arena_new_array(b->arena, struct wit_world_item, list->len);
    uint32_t made = 0;
    for (uint32_t i = 0; i < list->len; i++)
        if (make_item(b, &list->items[i], is_import, &items[made]))
            made++;
    *count = made;
    return items;
}

static const struct wit_world *make_world(struct arena *arena, const struct env *root)
{
    struct world_builder b = {.arena = arena};
    b.instance_count = root->imports.len + root->exports.len;
    struct wit_package *package = arena_new(arena, struct wit_package);
    *package = (struct wit_package){.ns = STR("root"),
                                    .name = STR("component"),
                                    .version = STR_EMPTY,
                                    .docs = STR_EMPTY,
                                    .world_count = 1};
    struct wit_world *world = arena_new(arena, struct wit_world);
    *world = (struct wit_world){.name = STR("root"), .docs = STR_EMPTY, .package = package};
    const struct wit_world **worlds = arena_new(arena, const struct wit_world *);
    *worlds = world;
    package->worlds = worlds;
    world->imports = make_items(&b, &root->imports, true, &world->import_count);
    world->exports = make_items(&b, &root->exports, false, &world->export_count);
    map_done(&b.packages);
    map_done(&b.interfaces);
    return world;
}

int component_world(const struct component *component, struct arena *arena,
                    const struct wit_world **out, struct error *err)
{
    // The types go to the caller's arena: it is the plan's while the planner runs.
    struct plan plan = {.arena = *arena};
    plan.resources = arena_new_array(&plan.arena, struct plan_resource, PLAN_RESOURCES_MAX);
    struct planner p;
    planner_init(&p, &plan, err);
    p.types_only = true;
    struct env *root;
    int rc = planner_run(&p, component, &root);
    *arena = plan.arena;
    if (rc == 0)
        *out = make_world(arena, root);
    planner_done(&p);
    return rc;
}

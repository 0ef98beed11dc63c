// SPDX-License-Identifier: Apache-2.0
#include "component/world_builder.h"

struct built_interface {
    struct wit_interface pub;
    struct wit_typedef **types; // pub's
    struct map names;           // of types
};

struct built_package {
    struct wit_package pub;
    VEC(struct built_interface *) interfaces;
    VEC(const struct wit_world *) worlds;
    bool is_sorted;
};

void builder_init(struct world_builder *b, struct arena *arena)
{
    *b = (struct world_builder){.arena = arena};
}

void builder_done(struct world_builder *b)
{
    for (size_t i = 0; i < b->order.len; i++) {
        vec_done(&b->order.items[i]->interfaces);
        vec_done(&b->order.items[i]->worlds);
    }
    for (size_t i = 0; i < b->all.len; i++)
        map_done(&b->all.items[i]->names);
    map_done(&b->packages);
    map_done(&b->interfaces);
    vec_done(&b->order);
    vec_done(&b->all);
    vec_done(&b->worlds);
}

// ---- packages -----------------------------------------------------------------------------------

bool builder_split_id(struct str id, struct wit_package *package, struct str *item)
{
    struct str path;
    struct str rest;
    (void)str_cut(id, '@', &path, &package->version);
    return str_cut(path, ':', &package->ns, &rest) && str_cut(rest, '/', &package->name, item) &&
           package->ns.len > 0 && package->name.len > 0 && item->len > 0;
}

struct built_package *builder_package(struct world_builder *b, const struct wit_package *parts)
{
    struct str key = arena_printf(b->arena, "%.*s:%.*s@%.*s", STR_ARG(parts->ns),
                                  STR_ARG(parts->name), STR_ARG(parts->version));
    struct built_package *package = map_get(&b->packages, key);
    if (package)
        return package;
    package = arena_new(b->arena, struct built_package);
    package->pub = *parts;
    package->pub.docs = STR_EMPTY;
    (void)map_put(&b->packages, key, package);
    *vec_push(&b->order) = package;
    return package;
}

static void add_to_package(struct world_builder *b, struct built_interface *interface)
{
    struct wit_package parts = {.docs = STR_EMPTY};
    struct wit_interface *pub = &interface->pub;
    if (!builder_split_id(pub->id, &parts, &pub->name)) {
        pub->name = STR_EMPTY;
        pub->id = STR_EMPTY;
        return;
    }
    struct built_package *package = builder_package(b, &parts);
    pub->package = &package->pub;
    // An interface that is there several times is one in its package.
    if (map_get(&b->interfaces, pub->id))
        return;
    (void)map_put(&b->interfaces, pub->id, interface);
    *vec_push(&package->interfaces) = interface;
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

static const struct wit_typedef *resource_named(const struct map *types, struct str name)
{
    const struct wit_typedef *type = map_get(types, name);
    return type && type->resource ? type : NULL;
}

static const struct wit_func *make_func(struct world_builder *b, struct str symbol,
                                        const struct func_type *type, const struct map *types)
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
        func->resource = resource_named(types, resource);
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

static struct wit_typedef *own_typedef(struct world_builder *b, const struct type_entity *type,
                                       struct str name, const struct wit_interface *interface)
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

const struct wit_interface *builder_interface(struct world_builder *b, struct str id,
                                              const struct export_list *exports)
{
    struct built_interface *built = arena_new(b->arena, struct built_interface);
    struct wit_interface *interface = &built->pub;
    *interface = (struct wit_interface){.name = STR_EMPTY, .docs = STR_EMPTY, .id = id};
    add_to_package(b, built);
    *vec_push(&b->all) = built;
    built->types = arena_new_array(b->arena, struct wit_typedef *, exports->len);
    const struct wit_func **funcs =
        arena_new_array(b->arena, const struct wit_func *, exports->len);
    interface->types = (const struct wit_typedef *const *)built->types;
    interface->funcs = funcs;
    for (uint32_t i = 0; i < exports->len; i++) {
        const struct export_entry *entry = &exports->items[i];
        if (entry->entity.sort != SORT_TYPE || !entry->entity.type->def)
            continue;
        struct wit_typedef *def = own_typedef(b, entry->entity.type, entry->name, interface);
        built->types[interface->type_count++] = def;
        (void)map_put(&built->names, def->name, def);
    }
    for (uint32_t i = 0; i < exports->len; i++) {
        const struct export_entry *entry = &exports->items[i];
        if (entry->entity.sort == SORT_FUNC)
            funcs[interface->func_count++] =
                make_func(b, entry->name, entry->entity.func->type, &built->names);
    }
    return interface;
}

// ---- worlds -------------------------------------------------------------------------------------

// `types` are those of the world by name.
static const struct wit_typedef *world_typedef(const struct type_entity *type,
                                               const struct map *types)
{
    struct wit_typedef *def = type->def;
    const struct wit_typedef *own = def->alias_of;
    if (!own || own->interface || map_get(types, own->name) != own)
        def->alias_of = visible_alias(def);
    def->is_use = def->alias_of && def->alias_of->interface;
    if (def->resource)
        def->type = NULL;
    return def;
}

// False for what WIT has no word for: modules, components, exported types.
static bool make_item(struct world_builder *b, const struct export_entry *entry, bool is_import,
                      struct map *types, struct wit_world_item *out)
{
    *out = (struct wit_world_item){.name = entry->name, .docs = STR_EMPTY};
    if (entry->entity.sort == SORT_INSTANCE) {
        out->kind = WIT_ITEM_INTERFACE;
        out->interface =
            builder_interface(b, entry->implements.len > 0 ? entry->implements : entry->name,
                              &entry->entity.instance->exports);
    } else if (entry->entity.sort == SORT_FUNC) {
        out->kind = WIT_ITEM_FUNC;
        out->func = make_func(b, entry->name, entry->entity.func->type, types);
    } else if (is_import && entry->entity.sort == SORT_TYPE && entry->entity.type->def) {
        out->kind = WIT_ITEM_TYPE;
        out->type = world_typedef(entry->entity.type, types);
        (void)map_put(types, out->type->name, (void *)out->type);
    } else {
        return false;
    }
    return true;
}

static struct wit_world_item *make_items(struct world_builder *b, const struct export_list *list,
                                         bool is_import, struct map *types, uint32_t *count)
{
    struct wit_world_item *items = arena_new_array(b->arena, struct wit_world_item, list->len);
    uint32_t made = 0;
    for (uint32_t i = 0; i < list->len; i++)
        if (make_item(b, &list->items[i], is_import, types, &items[made]))
            made++;
    *count = made;
    return items;
}

struct built_world *builder_world(struct world_builder *b, struct str name, const struct env *scope)
{
    struct built_world *world = arena_new(b->arena, struct built_world);
    world->pub = (struct wit_world){.name = name, .docs = STR_EMPTY};
    struct map types = {0};
    world->imports = make_items(b, &scope->imports, true, &types, &world->pub.import_count);
    world->exports = make_items(b, &scope->exports, false, &types, &world->pub.export_count);
    map_done(&types);
    world->pub.imports = world->imports;
    world->pub.exports = world->exports;
    *vec_push(&b->worlds) = world;
    return world;
}

void builder_add_world(struct built_package *package, const struct built_world *world)
{
    *vec_push(&package->worlds) = &world->pub;
}

// ---- one of each --------------------------------------------------------------------------------

static struct built_interface *unique(const struct world_builder *b, struct str id)
{
    return id.len > 0 ? map_get(&b->interfaces, id) : NULL;
}

// The definition of the same name in the interface that stays.
static const struct wit_typedef *unique_typedef(const struct world_builder *b,
                                                const struct wit_typedef *def)
{
    const struct built_interface *interface =
        def && def->interface ? unique(b, def->interface->id) : NULL;
    if (!interface || &interface->pub == def->interface)
        return def;
    const struct wit_typedef *same = map_get(&interface->names, def->name);
    return same ? same : def;
}

static void unify_items(const struct world_builder *b, struct wit_world_item *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct built_interface *interface =
            items[i].interface ? unique(b, items[i].interface->id) : NULL;
        if (interface)
            items[i].interface = &interface->pub;
        if (items[i].type) {
            struct wit_typedef *def = (struct wit_typedef *)items[i].type;
            def->alias_of = unique_typedef(b, def->alias_of);
        }
    }
}

static uint32_t member_count(const struct built_interface *interface)
{
    return interface->pub.type_count + interface->pub.func_count;
}

void builder_unify(struct world_builder *b)
{
    for (size_t i = 0; i < b->all.len; i++) {
        struct built_interface *interface = b->all.items[i];
        const struct built_interface *known = unique(b, interface->pub.id);
        if (known && member_count(interface) > member_count(known))
            (void)map_put(&b->interfaces, interface->pub.id, interface);
    }
    for (size_t i = 0; i < b->all.len; i++)
        for (uint32_t k = 0; k < b->all.items[i]->pub.type_count; k++) {
            struct wit_typedef *def = b->all.items[i]->types[k];
            def->alias_of = unique_typedef(b, def->alias_of);
        }
    for (size_t i = 0; i < b->worlds.len; i++) {
        struct built_world *world = b->worlds.items[i];
        unify_items(b, world->imports, world->pub.import_count);
        unify_items(b, world->exports, world->pub.export_count);
    }
    for (size_t i = 0; i < b->order.len; i++) {
        struct built_package *package = b->order.items[i];
        for (size_t k = 0; k < package->interfaces.len; k++)
            package->interfaces.items[k] = unique(b, package->interfaces.items[k]->pub.id);
    }
}

// ---- lists --------------------------------------------------------------------------------------

void builder_order_interfaces(struct world_builder *b, struct built_package *package,
                              const struct str *ids, size_t count)
{
    struct map first = {0};
    VEC(struct built_interface *) sorted = {0};
    for (size_t i = 0; i < count; i++) {
        struct built_interface *interface = unique(b, ids[i]);
        if (interface && interface->pub.package == &package->pub &&
            !map_put(&first, ids[i], interface))
            *vec_push(&sorted) = interface;
    }
    for (size_t i = 0; i < package->interfaces.len; i++)
        if (!map_get(&first, package->interfaces.items[i]->pub.id))
            *vec_push(&sorted) = package->interfaces.items[i];
    if (sorted.len > 0)
        memcpy(package->interfaces.items, sorted.items, sorted.len * sizeof(*sorted.items));
    map_done(&first);
    vec_done(&sorted);
}

void builder_publish(struct world_builder *b)
{
    for (size_t i = 0; i < b->order.len; i++) {
        struct built_package *package = b->order.items[i];
        const struct wit_interface **interfaces =
            arena_new_array(b->arena, const struct wit_interface *, package->interfaces.len);
        for (size_t k = 0; k < package->interfaces.len; k++)
            interfaces[k] = &package->interfaces.items[k]->pub;
        const struct wit_world **worlds =
            arena_new_array(b->arena, const struct wit_world *, package->worlds.len);
        for (size_t k = 0; k < package->worlds.len; k++)
            worlds[k] = package->worlds.items[k];
        package->pub.interfaces = interfaces;
        package->pub.interface_count = (uint32_t)package->interfaces.len;
        package->pub.worlds = worlds;
        package->pub.world_count = (uint32_t)package->worlds.len;
    }
}

const struct wit_package *builder_public(const struct built_package *package)
{
    return &package->pub;
}

// A package on the way to one that uses it.
struct package_step {
    struct built_package *package;
    size_t interface;
    uint32_t type;
};

// The package of the next type that is used, or NULL at the end.
static struct built_package *next_used(struct package_step *step)
{
    while (step->interface < step->package->interfaces.len) {
        const struct built_interface *interface = step->package->interfaces.items[step->interface];
        if (step->type == interface->pub.type_count) {
            step->interface++;
            step->type = 0;
            continue;
        }
        const struct wit_typedef *from = interface->types[step->type++]->alias_of;
        if (from && from->interface && from->interface->package)
            return container_of(from->interface->package, struct built_package, pub);
    }
    return NULL;
}

// Puts a package behind those it uses types of.
static size_t sort_package(struct built_package *first, const struct wit_package **out, size_t made)
{
    VEC(struct package_step) stack = {0};
    if (!first->is_sorted)
        *vec_push(&stack) = (struct package_step){.package = first};
    first->is_sorted = true;
    while (stack.len > 0) {
        struct built_package *used = next_used(&stack.items[stack.len - 1]);
        if (!used) {
            out[made++] = &stack.items[--stack.len].package->pub;
        } else if (!used->is_sorted) {
            used->is_sorted = true;
            *vec_push(&stack) = (struct package_step){.package = used};
        }
    }
    vec_done(&stack);
    return made;
}

const struct wit_package *const *builder_packages(const struct world_builder *b,
                                                  struct built_package *without, size_t *count)
{
    const struct wit_package **out =
        arena_new_array(b->arena, const struct wit_package *, b->order.len);
    size_t made = 0;
    if (without)
        without->is_sorted = true;
    for (size_t i = 0; i < b->order.len; i++)
        made = sort_package(b->order.items[i], out, made);
    *count = made;
    return out;
}

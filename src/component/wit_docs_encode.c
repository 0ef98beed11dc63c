// SPDX-License-Identifier: Apache-2.0
#include "component/wit_docs.h"

#include "data/json.h"

#define DOCS_VERSION 1

// Takes `value`; what is empty is left out.
static void put_map(struct tree *map, const char *key, struct tree *value)
{
    if (tree_len(value) > 0)
        tree_put(map, str_from(key), value);
    else
        tree_unref(value);
}

static void put_named(struct tree *map, struct str key, struct tree *value)
{
    if (tree_len(value) > 0)
        tree_put(map, key, value);
    else
        tree_unref(value);
}

static void put_text(struct tree *map, const char *key, struct str text)
{
    struct tree *value = text.len > 0 ? tree_string(text) : NULL;
    if (value)
        tree_put(map, str_from(key), value);
}

static struct tree *stability_tree(const struct wit_stability *stability)
{
    struct tree *outer = tree_map();
    struct tree *inner = tree_map();
    bool is_unstable = stability->feature.len > 0;
    if (is_unstable)
        put_text(inner, "feature", stability->feature);
    else
        put_text(inner, "since", stability->since);
    // Without one of the two there is no gate to be deprecated.
    if (tree_len(inner) > 0)
        put_text(inner, "deprecated", stability->deprecated);
    put_map(outer, is_unstable ? "unstable" : "stable", inner);
    return outer;
}

static struct tree *annotations(struct str docs, const struct wit_stability *stability)
{
    struct tree *map = tree_map();
    put_text(map, "docs", docs);
    put_map(map, "stability", stability_tree(stability));
    return map;
}

static struct tree *type_tree(const struct wit_typedef *type)
{
    struct tree *map = annotations(type->docs, &type->stability);
    struct tree *items = tree_map();
    for (uint32_t i = 0; type->member_docs && type->type && i < type->type->field_count; i++) {
        struct tree *docs = type->member_docs[i].len > 0 ? tree_string(type->member_docs[i]) : NULL;
        if (docs)
            tree_put(items, type->type->fields[i].name, docs);
    }
    put_map(map, "items", items);
    return map;
}

static struct tree *interface_tree(const struct wit_interface *interface, struct str docs,
                                   const struct wit_stability *stability)
{
    struct tree *map = annotations(docs, stability);
    struct tree *funcs = tree_map();
    struct tree *types = tree_map();
    for (uint32_t i = 0; i < interface->func_count; i++) {
        const struct wit_func *func = interface->funcs[i];
        put_named(funcs, func->symbol, annotations(func->docs, &func->stability));
    }
    for (uint32_t i = 0; i < interface->type_count; i++)
        put_named(types, interface->types[i]->name, type_tree(interface->types[i]));
    put_map(map, "funcs", funcs);
    put_map(map, "types", types);
    return map;
}

// What is said of the imports or exports of a world.
struct half {
    struct tree *interfaces; // inline ones
    struct tree *types;
    struct tree *funcs;
    struct tree *stability; // of interfaces with an id
    struct tree *docs;
};

static struct half half_of(const struct wit_world_item *items, uint32_t count)
{
    struct half half = {tree_map(), tree_map(), tree_map(), tree_map(), tree_map()};
    for (uint32_t i = 0; i < count; i++) {
        const struct wit_world_item *item = &items[i];
        switch (item->kind) {
        case WIT_ITEM_TYPE:
            put_named(half.types, item->name, type_tree(item->type));
            break;
        case WIT_ITEM_FUNC:
            put_named(half.funcs, item->name, annotations(item->docs, &item->stability));
            break;
        case WIT_ITEM_INTERFACE:
            if (item->interface->name.len == 0) {
                put_named(half.interfaces, item->name,
                          interface_tree(item->interface, item->docs, &item->stability));
                break;
            }
            put_named(half.stability, item->name, stability_tree(&item->stability));
            if (item->docs.len > 0)
                tree_put(half.docs, item->name, tree_string(item->docs));
            break;
        }
    }
    return half;
}

static struct tree *world_tree(const struct wit_world *world)
{
    struct tree *map = annotations(world->docs, &world->stability);
    struct half imports = half_of(world->imports, world->import_count);
    struct half exports = half_of(world->exports, world->export_count);
    put_map(map, "interfaces", imports.interfaces);
    put_map(map, "types", imports.types);
    put_map(map, "funcs", imports.funcs);
    put_map(map, "interface_exports", exports.interfaces);
    tree_unref(exports.types);
    put_map(map, "func_exports", exports.funcs);
    put_map(map, "interface_import_stability", imports.stability);
    put_map(map, "interface_export_stability", exports.stability);
    put_map(map, "interface_import_docs", imports.docs);
    put_map(map, "interface_export_docs", exports.docs);
    return map;
}

int wit_docs_encode(const struct wit_package *package, struct buf *out, struct error *err)
{
    struct tree *worlds = tree_map();
    struct tree *interfaces = tree_map();
    for (uint32_t i = 0; i < package->world_count; i++)
        put_named(worlds, package->worlds[i]->name, world_tree(package->worlds[i]));
    for (uint32_t i = 0; i < package->interface_count; i++) {
        const struct wit_interface *interface = package->interfaces[i];
        put_named(interfaces, interface->name,
                  interface_tree(interface, interface->docs, &interface->stability));
    }
    _tree_ root = tree_map();
    put_text(root, "docs", package->docs);
    put_map(root, "worlds", worlds);
    put_map(root, "interfaces", interfaces);
    int rc = buf_add_char(out, DOCS_VERSION);
    if (rc == 0)
        rc = json_print(root, 0, out);
    return rc < 0 ? error_set_errno(err, rc, "encoding the comments of a WIT package") : 0;
}

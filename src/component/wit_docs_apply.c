// SPDX-License-Identifier: Apache-2.0
#include "component/wit_docs.h"

#include <errno.h>

#include "base/map.h"
#include "data/json.h"

// The newest version of the section's content that is known.
#define DOCS_VERSION_MAX 1

static struct str text_of(struct arena *arena, const struct tree *map, const char *key)
{
    const struct tree *text = map ? tree_get(map, str_from(key)) : NULL;
    if (!text || tree_kind(text) != TREE_STRING)
        return STR_EMPTY;
    return arena_str(arena, tree_get_string(text));
}

static const struct tree *map_of(const struct tree *map, const char *key)
{
    const struct tree *inner =
        map && tree_kind(map) == TREE_MAP ? tree_get(map, str_from(key)) : NULL;
    return inner && tree_kind(inner) == TREE_MAP ? inner : NULL;
}

static const struct tree *entry_of(const struct tree *map, struct str key)
{
    return map ? tree_get(map, key) : NULL;
}

static void apply_stability(struct arena *arena, const struct tree *from, struct wit_stability *to)
{
    const struct tree *stable = map_of(from, "stable");
    const struct tree *unstable = map_of(from, "unstable");
    if (!stable && !unstable)
        return;
    to->since = text_of(arena, stable, "since");
    to->feature = text_of(arena, unstable, "feature");
    to->deprecated = text_of(arena, stable ? stable : unstable, "deprecated");
}

// An entry is a map, or in the first version for functions the docs alone.
static void apply_annotations(struct arena *arena, const struct tree *from, struct str *docs,
                              struct wit_stability *stability)
{
    if (from && tree_kind(from) == TREE_STRING)
        *docs = arena_str(arena, tree_get_string(from));
    if (!from || tree_kind(from) != TREE_MAP)
        return;
    *docs = text_of(arena, from, "docs");
    apply_stability(arena, map_of(from, "stability"), stability);
}

static void apply_type(struct arena *arena, const struct tree *from, struct wit_typedef *type)
{
    apply_annotations(arena, from, &type->docs, &type->stability);
    const struct tree *items = map_of(from, "items");
    if (!items || !type->type || type->alias_of || type->type->field_count == 0)
        return;
    struct str *docs = arena_new_array(arena, struct str, type->type->field_count);
    for (uint32_t i = 0; i < type->type->field_count; i++) {
        const struct tree *text = tree_get(items, type->type->fields[i].name);
        docs[i] = text ? arena_str(arena, tree_get_string(text)) : STR_EMPTY;
    }
    type->member_docs = docs;
}

static void apply_func(struct arena *arena, const struct tree *from, struct wit_func *func)
{
    apply_annotations(arena, from, &func->docs, &func->stability);
}

static void apply_interface(struct arena *arena, const struct tree *from,
                            struct wit_interface *interface)
{
    apply_annotations(arena, from, &interface->docs, &interface->stability);
    const struct tree *types = map_of(from, "types");
    const struct tree *funcs = map_of(from, "funcs");
    for (uint32_t i = 0; i < interface->type_count; i++)
        apply_type(arena, entry_of(types, interface->types[i]->name),
                   (struct wit_typedef *)interface->types[i]);
    for (uint32_t i = 0; i < interface->func_count; i++)
        apply_func(arena, entry_of(funcs, interface->funcs[i]->symbol),
                   (struct wit_func *)interface->funcs[i]);
}

// The names of the members of a world's map that speak of its imports or exports.
struct half_names {
    const char *interfaces;
    const char *types;
    const char *funcs;
    const char *stability;
    const char *docs;
};

static void apply_item(struct arena *arena, const struct tree *world,
                       const struct half_names *names, struct wit_world_item *item)
{
    const struct tree *from;
    switch (item->kind) {
    case WIT_ITEM_TYPE:
        from = entry_of(map_of(world, names->types), item->name);
        apply_annotations(arena, from, &item->docs, &item->stability);
        apply_type(arena, from, (struct wit_typedef *)item->type);
        break;
    case WIT_ITEM_FUNC:
        from = entry_of(map_of(world, names->funcs), item->name);
        apply_annotations(arena, from, &item->docs, &item->stability);
        apply_func(arena, from, (struct wit_func *)item->func);
        break;
    case WIT_ITEM_INTERFACE:
        if (item->interface->name.len == 0) {
            from = entry_of(map_of(world, names->interfaces), item->name);
            apply_annotations(arena, from, &item->docs, &item->stability);
            apply_interface(arena, from, (struct wit_interface *)item->interface);
            break;
        }
        apply_stability(arena, entry_of(map_of(world, names->stability), item->name),
                        &item->stability);
        from = entry_of(map_of(world, names->docs), item->name);
        if (from)
            item->docs = arena_str(arena, tree_get_string(from));
        break;
    }
}

static void apply_world(struct arena *arena, const struct tree *from, struct wit_world *world)
{
    static const struct half_names imports = {
        "interfaces", "types", "funcs", "interface_import_stability", "interface_import_docs"};
    static const struct half_names exports = {"interface_exports", "types", "func_exports",
                                              "interface_export_stability",
                                              "interface_export_docs"};
    apply_annotations(arena, from, &world->docs, &world->stability);
    for (uint32_t i = 0; i < world->import_count; i++)
        apply_item(arena, from, &imports, (struct wit_world_item *)&world->imports[i]);
    for (uint32_t i = 0; i < world->export_count; i++)
        apply_item(arena, from, &exports, (struct wit_world_item *)&world->exports[i]);
}

int wit_docs_apply(struct str content, const struct wit_package *package, struct arena *arena,
                   struct error *err)
{
    _tree_ root = NULL;
    if (content.len == 0 || content.data[0] > DOCS_VERSION_MAX)
        return error_set(err, -EINVAL, "section `" WIT_DOCS_SECTION "`: unknown version %u",
                         content.len > 0 ? (unsigned)(unsigned char)content.data[0] : 0);
    int rc =
        json_parse(str_from_index(content, 1), "section `" WIT_DOCS_SECTION "`", &root, NULL, err);
    if (rc < 0)
        return rc;
    if (tree_kind(root) != TREE_MAP)
        return error_set(err, -EINVAL, "section `" WIT_DOCS_SECTION "`: not a map");
    // The caller's package was made by the decoder a moment ago: nobody else sees it yet.
    ((struct wit_package *)package)->docs = text_of(arena, root, "docs");
    const struct tree *interfaces = map_of(root, "interfaces");
    const struct tree *worlds = map_of(root, "worlds");
    for (uint32_t i = 0; i < package->interface_count; i++)
        apply_interface(arena, entry_of(interfaces, package->interfaces[i]->name),
                        (struct wit_interface *)package->interfaces[i]);
    for (uint32_t i = 0; i < package->world_count; i++)
        apply_world(arena, entry_of(worlds, package->worlds[i]->name),
                    (struct wit_world *)package->worlds[i]);
    return 0;
}

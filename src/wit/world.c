// SPDX-License-Identifier: Apache-2.0
// Interfaces and worlds from their syntax (WIT.md "WIT Worlds", "Union of Worlds with `include`").
#include "wit/model.h"
#include "wit/renaming.h"

#include <errno.h>

static void publish_interface(struct wit_resolve *resolve, struct interface *interface)
{
    struct owner *owner = &interface->owner;
    const struct wit_typedef **types =
        arena_new_array(&resolve->arena, const struct wit_typedef *, owner->types.len + 1);
    for (size_t i = 0; i < owner->types.len; i++) {
        types[i] = &owner->types.items[i]->pub;
        if (owner->types.items[i]->used)
            *vec_push(&interface->deps) = owner->types.items[i]->used;
    }
    const struct wit_func **funcs =
        arena_new_array(&resolve->arena, const struct wit_func *, owner->funcs.len + 1);
    for (size_t i = 0; i < owner->funcs.len; i++)
        funcs[i] = owner->funcs.items[i].func;
    interface->pub.types = types;
    interface->pub.type_count = (uint32_t)owner->types.len;
    interface->pub.funcs = funcs;
    interface->pub.func_count = (uint32_t)owner->funcs.len;
}

int interface_finish(struct wit_resolve *resolve, struct interface *interface, struct error *err)
{
    int r =
        gate_check_since(interface->owner.scope, &interface->pub.stability, interface->pos, err);
    if (r < 0 || interface->gated)
        return r;
    r = gate_funcs(resolve, &interface->owner, err);
    if (r == 0)
        publish_interface(resolve, interface);
    return r;
}

struct builder {
    struct wit_resolve *resolve;
    struct world *world;
    struct scope *scope;
    struct error *err;
};

static const char *item_word(enum wit_item_kind kind)
{
    static const char *const words[] = {
        [WIT_ITEM_INTERFACE] = "an interface",
        [WIT_ITEM_FUNC] = "a function",
        [WIT_ITEM_TYPE] = "a type",
    };
    return words[kind];
}

static bool is_same_item(const struct wit_world_item *a, const struct wit_world_item *b)
{
    return a->kind == b->kind && a->interface == b->interface && a->func == b->func &&
           a->type == b->type;
}

int world_count_item(struct wit_resolve *resolve, const struct world *world, struct error *err)
{
    if (resolve->world_items == WIT_WORLD_ITEMS_MAX)
        return wit_fail(world->pos, err, "the worlds have more than %zu imports and exports in all",
                        WIT_WORLD_ITEMS_MAX);
    resolve->world_items++;
    return 0;
}

static bool is_interface_id(const struct wit_world_item *item)
{
    return item->kind == WIT_ITEM_INTERFACE && item->interface->name.len > 0 &&
           str_eq(item->name, item->interface->id);
}

static bool has_gate(const struct wit_stability *stability)
{
    return stability->since.len + stability->feature.len > 0;
}

static bool is_same_gate(const struct wit_stability *a, const struct wit_stability *b)
{
    return str_eq(a->since, b->since) && str_eq(a->feature, b->feature) &&
           str_eq(a->deprecated, b->deprecated);
}

// What becomes of the same import or export twice.
enum merge {
    MERGE_NOT,     // an error
    MERGE_GATED,   // one, with the gate of one of them
    MERGE_UNGATED, // one without a gate
};

// Adds an import or export.
static int add_item(struct builder *b, bool is_export, const struct wit_world_item *item,
                    struct wit_pos pos, enum merge merge)
{
    struct world *world = b->world;
    struct map *names = is_export ? &world->export_names : &world->import_names;
    struct str key = name_key(&b->resolve->arena, item->name);
    uintptr_t index = (uintptr_t)map_get(names, key);
    if (index == 0) {
        int r = world_count_item(b->resolve, world, b->err);
        if (r < 0)
            return r;
        if (is_export) {
            *vec_push(&world->exports) = *item;
            index = world->exports.len;
        } else {
            *vec_push(&world->imports) = *item;
            index = world->imports.len;
        }
        map_put(names, key, (void *)index);
        return 0;
    }
    struct wit_world_item *former =
        is_export ? &world->exports.items[index - 1] : &world->imports.items[index - 1];
    if (merge != MERGE_NOT && is_interface_id(item) && is_same_item(former, item)) {
        if (merge == MERGE_UNGATED || !has_gate(&former->stability))
            former->stability = item->stability;
        if (has_gate(&item->stability) && !is_same_gate(&former->stability, &item->stability))
            return wit_fail(pos, b->err, "%s `%.*s` of world `%.*s` has two feature gates",
                            is_export ? "export" : "import", STR_ARG(item->name),
                            STR_ARG(world->pub.name));
        return 0;
    }
    return wit_fail(pos, b->err, "%s `%.*s` of world `%.*s` is there already, as %s",
                    is_export ? "export" : "import", STR_ARG(item->name), STR_ARG(world->pub.name),
                    item_word(former->kind));
}

// -ENOENT: what is not there, but is left out as well.
static int extern_interface(struct builder *b, const struct ast_item *ast, struct extern_node *node)
{
    struct wit_world_item *item = &node->item;
    struct interface *interface;
    int r = 0;
    item->kind = WIT_ITEM_INTERFACE;
    if (ast->has_body) {
        interface = interface_new(b->resolve, b->scope, &ast->name, ast->name.text);
        interface->pub.docs = ast->docs;
        interface->pub.stability = ast->stability;
        interface->gated = gate_of(b->resolve, &ast->stability) == GATE_OFF;
        r = owner_resolve(b->resolve, &interface->owner, ast->body, b->err);
    } else {
        struct decl *decl;
        r = scope_find(b->resolve, b->scope, &ast->path, AST_INTERFACE, &decl, b->err);
        // order_decls() refuses what may not be missing.
        if (r < 0)
            return gate_of(b->resolve, &ast->stability) == GATE_OFF ? -ENOENT : r;
        interface = decl->interface;
    }
    item->interface = &interface->pub;
    node->interface = interface;
    if (item->name.len == 0)
        item->name = item->interface->id;
    return r;
}

static int add_extern(struct builder *b, const struct ast_item *ast)
{
    struct extern_node node = {
        .ast = ast,
        .pos = ast->name.text.len > 0 ? ast->name.pos : ast->path.name.pos,
        .item = {.name = ast->name.text, .docs = ast->docs, .stability = ast->stability},
    };
    int r = gate_check_attributes(&ast->stability, ast->stability_pos, b->err);
    if (r < 0)
        return r;
    if (ast->funcs) {
        node.item.kind = WIT_ITEM_FUNC;
        r = owner_func(b->resolve, &b->world->owner, ast->funcs, NULL, &node.func, b->err);
        node.item.func = r == 0 ? node.func.func : NULL;
    } else {
        r = extern_interface(b, ast, &node);
        if (r == -ENOENT)
            return 0;
    }
    if (r == 0)
        r = add_item(b, ast->kind == AST_EXPORT, &node.item, node.pos, MERGE_NOT);
    if (r == 0)
        *vec_push(&b->world->externs) = node;
    return r;
}

// An import or export that is there for good, if its feature is enabled.
static int keep_extern(struct builder *b, const struct extern_node *node)
{
    const struct wit_stability *stability = &node->item.stability;
    int r = gate_check_since(b->scope, stability, node->pos, b->err);
    if (r < 0 || !resolve_enabled(b->resolve, stability))
        return r;
    if (node->interface && node->interface->gated)
        return wit_fail(node->pos, b->err, "`%.*s` needs the feature `%.*s`, which is not enabled",
                        STR_ARG(node->interface->pub.name),
                        STR_ARG(node->interface->pub.stability.feature));
    if (node->item.func && (r = gate_func(&node->func, node->pos, b->err)) < 0)
        return r;
    return add_item(b, node->ast->kind == AST_EXPORT, &node->item, node->pos, MERGE_NOT);
}

struct inclusion {
    const struct ast_item *ast;
    struct renaming renaming;
    bool is_foreign; // of another package
};

static int include_items(struct builder *b, struct inclusion *from, bool is_export,
                         const struct wit_world_item *items, size_t count)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        struct wit_world_item item = items[i];
        renaming_item(&from->renaming, &item);
        // Since when another package has it says nothing of this one.
        bool is_ungated =
            from->is_foreign && is_interface_id(&item) && item.stability.since.len > 0;
        if (is_ungated)
            item.stability = (struct wit_stability){STR_EMPTY, STR_EMPTY, STR_EMPTY};
        r = add_item(b, is_export, &item, from->ast->path.name.pos,
                     is_ungated ? MERGE_UNGATED : MERGE_GATED);
    }
    return r;
}

static bool has_item(const struct map *names, const struct wit_world_item *items, struct str key,
                     struct str name)
{
    uintptr_t index = (uintptr_t)map_get(names, key);
    return index > 0 && str_eq(items[index - 1].name, name);
}

// What `with` renames must be there.
static int check_renames(struct builder *b, const struct ast_item *ast, const struct world *from)
{
    for (const struct ast_rename *n = ast->renames; n; n = n->next) {
        struct str key = name_key(&b->resolve->arena, n->from.text);
        if (!has_item(&from->import_names, from->imports.items, key, n->from.text) &&
            !has_item(&from->export_names, from->exports.items, key, n->from.text))
            return wit_fail(ast->path.name.pos, b->err,
                            "world `%.*s` has no import or export `%.*s`", STR_ARG(from->pub.name),
                            STR_ARG(n->from.text));
    }
    return 0;
}

static int add_include(struct builder *b, const struct ast_item *ast)
{
    struct decl *decl;
    int r = scope_find(b->resolve, b->scope, &ast->path, AST_WORLD, &decl, b->err);
    if (r == 0 && decl->gated)
        return wit_fail(ast->path.name.pos, b->err,
                        "`%.*s` needs the feature `%.*s`, which is not enabled",
                        STR_ARG(ast->path.name.text), STR_ARG(decl->ast->stability.feature));
    if (r == 0)
        r = check_renames(b, ast, decl->world);
    if (r < 0)
        return r;
    const struct wit_world *world = &decl->world->pub;
    struct inclusion from = {.ast = ast, .is_foreign = decl->scope->package != b->scope->package};
    renaming_init(&from.renaming, &b->resolve->arena, ast->renames);
    for (uint32_t i = 0; i < world->import_count; i++)
        renaming_type(&from.renaming, world->imports[i].type);
    // What the other world was found to need comes along.
    r = include_items(b, &from, false, world->imports, world->import_count);
    if (r == 0)
        r = include_items(b, &from, true, world->exports, world->export_count);
    renaming_done(&from.renaming);
    return r;
}

// Types of a world, and the functions of its resources, are imports.
static int add_types(struct builder *b)
{
    struct owner *owner = &b->world->owner;
    int r = 0;
    for (size_t i = 0; i < owner->types.len && r == 0; i++) {
        const struct typedef_node *node = owner->types.items[i];
        struct wit_world_item item = {.kind = WIT_ITEM_TYPE,
                                      .name = node->pub.name,
                                      .docs = node->pub.docs,
                                      .stability = node->pub.stability,
                                      .type = &node->pub};
        r = add_item(b, false, &item, node->pos, MERGE_NOT);
    }
    for (size_t i = 0; i < owner->funcs.len && r == 0; i++) {
        const struct wit_func *func = owner->funcs.items[i].func;
        struct wit_world_item item = {.kind = WIT_ITEM_FUNC,
                                      .name = func->symbol,
                                      .docs = func->docs,
                                      .stability = func->stability,
                                      .func = func};
        r = add_item(b, false, &item, b->world->pos, MERGE_NOT);
    }
    return r;
}

int world_resolve(struct wit_resolve *resolve, struct decl *decl, struct error *err)
{
    struct builder b = {resolve, decl->world, decl->scope, err};
    int r = owner_resolve(resolve, &decl->world->owner, decl->ast->items, err);
    if (r == 0)
        r = add_types(&b);
    for (const struct ast_item *ast = decl->ast->items; ast && r == 0; ast = ast->next) {
        if (ast->kind == AST_IMPORT || ast->kind == AST_EXPORT)
            r = add_extern(&b, ast);
        else if (ast->kind == AST_INCLUDE)
            r = gate_check_attributes(&ast->stability, ast->stability_pos, err);
    }
    return r;
}

// What the world itself has is added again, without what is left out.
static void forget_items(struct builder *b)
{
    struct world *world = b->world;
    b->resolve->world_items -= world->imports.len + world->exports.len;
    world->imports.len = world->exports.len = 0;
    map_done(&world->import_names);
    map_done(&world->export_names);
    world->import_names = world->export_names = (struct map){0};
}

static int keep_items(struct builder *b, const struct ast_item *items)
{
    struct world *world = b->world;
    forget_items(b);
    int r = add_types(b);
    for (size_t i = 0; i < world->externs.len && r == 0; i++)
        r = keep_extern(b, &world->externs.items[i]);
    // What a world includes comes behind its own.
    for (const struct ast_item *ast = items; ast && r == 0; ast = ast->next) {
        if (ast->kind != AST_INCLUDE)
            continue;
        r = gate_check_since(b->scope, &ast->stability, ast->path.name.pos, b->err);
        if (r == 0 && resolve_enabled(b->resolve, &ast->stability))
            r = add_include(b, ast);
    }
    return r;
}

int world_finish(struct wit_resolve *resolve, struct decl *decl, struct error *err)
{
    struct world *world = decl->world;
    struct builder b = {resolve, world, decl->scope, err};
    int r = gate_check_since(decl->scope, &decl->ast->stability, world->pos, err);
    if (r < 0 || decl->gated)
        return r;
    r = gate_funcs(resolve, &world->owner, err);
    if (r == 0)
        r = keep_items(&b, decl->ast->items);
    return r < 0 ? r : world_elaborate(resolve, world, err);
}

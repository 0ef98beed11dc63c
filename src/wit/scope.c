// SPDX-License-Identifier: Apache-2.0
// Names of packages, interfaces and worlds (WIT.md "Item: use", "Package declaration").
#include "wit/model.h"

#include <errno.h>

struct str package_id(struct arena *arena, struct str ns, struct str name, struct str version)
{
    return arena_printf(arena, "%.*s:%.*s%s%.*s", STR_ARG(ns), STR_ARG(name),
                        version.len > 0 ? "@" : "", STR_ARG(version));
}

struct str interface_id(struct arena *arena, const struct wit_package *package, struct str name)
{
    return arena_printf(arena, "%.*s:%.*s/%.*s%s%.*s", STR_ARG(package->ns), STR_ARG(package->name),
                        STR_ARG(name), package->version.len > 0 ? "@" : "",
                        STR_ARG(package->version));
}

struct str name_key(struct arena *arena, struct str name)
{
    char *copy = arena_alloc(arena, name.len + 1);
    size_t len = 0;
    bool is_version = false;
    for (size_t i = 0; i < name.len; i++) {
        is_version |= name.data[i] == '@';
        if (is_version)
            copy[len++] = name.data[i];
        else if (name.data[i] != '-')
            copy[len++] = ascii_lower(name.data[i]);
    }
    return str_of(copy, len);
}

struct interface *interface_new(struct wit_resolve *resolve, struct scope *scope,
                                const struct ast_name *name, struct str id)
{
    struct interface *interface = arena_new(&resolve->arena, struct interface);
    interface->pub.name = interface->pub.docs = STR_EMPTY;
    interface->pub.package = &scope->package->pub;
    interface->pub.id = id;
    interface->pos = name->pos;
    interface->owner.interface = &interface->pub;
    interface->owner.scope = scope;
    *vec_push(&resolve->interfaces) = interface;
    return interface;
}

static struct decl *decl_new(struct wit_resolve *resolve, struct scope *scope,
                             const struct ast_decl *ast)
{
    struct decl *decl = arena_new(&resolve->arena, struct decl);
    decl->ast = ast;
    decl->scope = scope;
    decl->gated = gate_of(resolve, &ast->stability) == GATE_OFF;
    *vec_push(&resolve->decls) = decl;
    *vec_push(&scope->package->order) = decl;
    if (ast->kind == AST_WORLD) {
        struct world *world = decl->world = arena_new(&resolve->arena, struct world);
        world->pub.name = ast->name.text;
        world->pub.docs = ast->docs;
        world->pub.stability = ast->stability;
        world->pub.package = &scope->package->pub;
        world->pos = ast->name.pos;
        world->owner.scope = scope;
    } else {
        decl->interface =
            interface_new(resolve, scope, &ast->name,
                          interface_id(&resolve->arena, &scope->package->pub, ast->name.text));
        decl->interface->pub.name = ast->name.text;
        decl->interface->pub.docs = ast->docs;
        decl->interface->pub.stability = ast->stability;
        decl->interface->gated = decl->gated;
    }
    return decl;
}

static int index_decls(struct wit_resolve *resolve, struct scope *scope, struct error *err)
{
    struct package *package = scope->package;
    for (const struct ast_decl *ast = scope->ast->decls; ast; ast = ast->next) {
        if (ast->kind == AST_TOP_USE)
            continue;
        if (map_get(&package->decls, ast->name.text))
            return wit_fail(ast->name.pos, err, "`%.*s` is defined twice in package `%.*s`",
                            STR_ARG(ast->name.text), STR_ARG(package->id));
        map_put(&package->decls, ast->name.text, decl_new(resolve, scope, ast));
    }
    return 0;
}

static int index_uses(struct scope *scope, struct error *err)
{
    for (struct ast_decl *ast = scope->ast->decls; ast; ast = ast->next) {
        if (ast->kind != AST_TOP_USE)
            continue;
        const struct decl *other = map_get(&scope->package->decls, ast->name.text);
        bool is_twice = map_get(&scope->uses, ast->name.text) != NULL;
        bool is_decl = other && other->scope == scope;
        struct wit_pos pos = ast->name.pos;
        if (is_decl && other->ast->name.pos.offset > pos.offset)
            pos = other->ast->name.pos;
        if (is_twice || is_decl)
            return wit_fail(pos, err, "`%.*s` is defined twice in this file",
                            STR_ARG(ast->name.text));
        map_put(&scope->uses, ast->name.text, ast);
    }
    return 0;
}

int scope_index(struct wit_resolve *resolve, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < resolve->order.len && r == 0; i++) {
        struct package *package = resolve->order.items[i];
        for (size_t k = 0; k < package->scopes.len && r == 0; k++)
            r = index_decls(resolve, package->scopes.items[k], err);
        for (size_t k = 0; k < package->scopes.len && r == 0; k++)
            r = index_uses(package->scopes.items[k], err);
    }
    return r;
}

// "; known: wasi:io@0.2.0, wasi:io@0.2.1", or nothing.
static struct str known_versions(struct arena *arena, const struct package *package)
{
    struct str out = STR_EMPTY;
    for (unsigned n = 0; package && n < 8; package = package->next_version, n++)
        out = arena_printf(arena, "%.*s%s%.*s", STR_ARG(out),
                           n ? ", " : "; known: ", STR_ARG(package->id));
    return out;
}

// A package by exact id.
static int find_package(struct wit_resolve *resolve, const struct ast_path *path,
                        struct package **out, struct error *err)
{
    struct arena *arena = &resolve->arena;
    struct str id = package_id(arena, path->ns, path->package, path->version);
    struct package *exact = map_get(&resolve->packages, id);
    struct package *any =
        map_get(&resolve->names, package_id(arena, path->ns, path->package, STR_EMPTY));
    if (!exact)
        return wit_fail(path->pos, err, "package `%.*s` not found%.*s", STR_ARG(id),
                        STR_ARG(known_versions(arena, any)));
    *out = exact;
    return 0;
}

int scope_find_any(struct wit_resolve *resolve, struct scope *scope, const struct ast_path *path,
                   struct decl **out, struct error *err)
{
    struct package *package = scope->package;
    if (path->ns.len > 0) {
        int r = find_package(resolve, path, &package, err);
        if (r < 0)
            return r;
        if (package == scope->package)
            return wit_fail(path->pos, err, "package `%.*s` creates a dependency cycle",
                            STR_ARG(package->id));
    }
    *out = map_get(&package->decls, path->name.text);
    if (!*out)
        return wit_fail(path->name.pos, err,
                        "interface or world `%.*s` does not exist in package `%.*s`",
                        STR_ARG(path->name.text), STR_ARG(package->id));
    return 0;
}

int scope_find(struct wit_resolve *resolve, struct scope *scope, const struct ast_path *path,
               enum ast_decl_kind kind, struct decl **out, struct error *err)
{
    struct decl *decl = NULL;
    const struct ast_decl *use = path->ns.len == 0 ? map_get(&scope->uses, path->name.text) : NULL;
    if (use && use->path.ns.len > 0 && kind == AST_WORLD)
        return wit_fail(path->name.pos, err, "`%.*s` is an interface, not a world",
                        STR_ARG(path->name.text));
    // What a top-level `use` names is not another one.
    int r = scope_find_any(resolve, scope, use ? &use->path : path, &decl, err);
    if (r < 0)
        return r;
    if (decl->ast->kind != kind)
        return wit_fail(path->name.pos, err, "`%.*s` is %s, not %s", STR_ARG(path->name.text),
                        kind == AST_WORLD ? "an interface" : "a world",
                        kind == AST_WORLD ? "a world" : "an interface");
    *out = decl;
    return 0;
}

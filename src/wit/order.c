// SPDX-License-Identifier: Apache-2.0
// Who refers to whom: declarations sorted so that what is referred to comes first, without
// recursion (a chain of references is as long as the text allows).
#include "wit/model.h"

#include <errno.h>

#include "wit/toposort.h"
#include "wit/version.h"

// Paths are followed in steps, so that of several mistakes the one that the usual tools find is
// reported: within the package, then what kind of thing paths to others mean, then whether those
// have them, interfaces before worlds.
enum pass { PASS_OWN, PASS_KIND, PASS_INTERFACE, PASS_WORLD };

struct walk {
    struct wit_resolve *resolve;
    struct error *err;
    struct scope *scope;
    struct decl *from; // NULL: a top-level `use`
    enum pass pass;
    struct map kinds; // of paths to other packages: id to ast_decl_kind + 1
};

static int add_edge(struct walk *w, const struct ast_path *path, enum ast_decl_kind kind)
{
    struct decl *to;
    int r = scope_find(w->resolve, w->scope, path, kind, &to, w->err);
    if (r == 0 && w->from)
        *vec_push(&w->from->deps) = (struct edge){to, path->name.pos};
    return r;
}

static int visit_own(struct walk *w, const struct ast_path *path, enum ast_decl_kind kind)
{
    struct decl *decl;
    if (w->from)
        return add_edge(w, path, kind);
    return scope_find_any(w->resolve, w->scope, path, &decl, w->err);
}

static int check_kind(struct walk *w, const struct ast_path *path, enum ast_decl_kind kind)
{
    struct arena *arena = &w->resolve->arena;
    struct str id = package_id(arena, path->ns, path->package, path->version);
    struct package *package = map_get(&w->resolve->packages, id);
    if (package && package != w->scope->package)
        *vec_push(&w->scope->package->deps) = (struct package_edge){package, path->pos};
    id = arena_printf(arena, "%.*s/%.*s", STR_ARG(id), STR_ARG(path->name.text));
    uintptr_t former = (uintptr_t)map_get(&w->kinds, id);
    if (former == 0)
        map_put(&w->kinds, id, (void *)((uintptr_t)kind + 1));
    else if (former != (uintptr_t)kind + 1)
        return wit_fail(path->name.pos, w->err, "`%.*s` is %s here, and %s before",
                        STR_ARG(path->name.text), kind == AST_WORLD ? "a world" : "an interface",
                        kind == AST_WORLD ? "an interface" : "a world");
    return 0;
}

// What is left out may name what another package does not have, but not what that leaves out too
// if it stays itself.
static int visit_other(struct walk *w, const struct ast_path *path, enum ast_decl_kind kind,
                       bool is_off)
{
    ERROR(ignored);
    struct decl *to;
    struct str id = package_id(&w->resolve->arena, path->ns, path->package, path->version);
    const struct package *package = map_get(&w->resolve->packages, id);
    bool may_fail = is_off && package && package != w->scope->package;
    int r = scope_find(w->resolve, w->scope, path, kind, &to, may_fail ? &ignored : w->err);
    if (r < 0)
        return may_fail ? 0 : r;
    if (to->gated && !is_off)
        return wit_fail(path->name.pos, w->err,
                        "`%.*s` needs the feature `%.*s`, which is not enabled",
                        STR_ARG(path->name.text), STR_ARG(to->ast->stability.feature));
    if (w->from)
        *vec_push(&w->from->deps) = (struct edge){to, path->name.pos};
    return 0;
}

static int visit_path(struct walk *w, const struct ast_path *path, enum ast_decl_kind kind,
                      bool is_off)
{
    if (path->name.text.len == 0)
        return 0;
    if (path->ns.len == 0)
        return w->pass == PASS_OWN ? visit_own(w, path, kind) : 0;
    switch (w->pass) {
    case PASS_OWN:
        return 0;
    case PASS_KIND:
        return check_kind(w, path, kind);
    case PASS_INTERFACE:
        return kind == AST_INTERFACE ? visit_other(w, path, kind, is_off) : 0;
    case PASS_WORLD:
        return kind == AST_WORLD ? visit_other(w, path, kind, is_off) : 0;
    }
    return 0;
}

static int visit_uses(struct walk *w, const struct ast_item *items)
{
    int r = 0;
    for (const struct ast_item *item = items; item && r == 0; item = item->next)
        if (item->kind == AST_USE || item->kind == AST_INCLUDE)
            r = visit_path(w, &item->path, item->kind == AST_USE ? AST_INTERFACE : AST_WORLD,
                           !resolve_enabled(w->resolve, &item->stability));
    return r;
}

static int visit_externs(struct walk *w, const struct ast_item *items, enum ast_item_kind kind)
{
    int r = 0;
    for (const struct ast_item *item = items; item && r == 0; item = item->next) {
        if (item->kind != kind)
            continue;
        r = visit_path(w, &item->path, AST_INTERFACE,
                       !resolve_enabled(w->resolve, &item->stability));
        if (r == 0)
            r = visit_uses(w, item->body);
    }
    return r;
}

static int visit_scope(struct walk *w, struct scope *scope)
{
    int r = 0;
    w->scope = scope;
    for (const struct ast_decl *ast = scope->ast->decls; ast && r == 0; ast = ast->next) {
        w->from = ast->kind == AST_TOP_USE ? NULL : map_get(&scope->package->decls, ast->name.text);
        if (ast->kind == AST_TOP_USE)
            r = visit_path(w, &ast->path, AST_INTERFACE, false);
        else
            r = visit_uses(w, ast->items);
        if (r == 0)
            r = visit_externs(w, ast->items, AST_IMPORT);
        if (r == 0)
            r = visit_externs(w, ast->items, AST_EXPORT);
    }
    return r;
}

static int visit_paths(struct wit_resolve *resolve, enum pass pass, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < resolve->order.len && r == 0; i++) {
        const struct package *package = resolve->order.items[i];
        struct walk walk = {.resolve = resolve, .err = err, .pass = pass};
        for (size_t k = 0; k < package->scopes.len && r == 0; k++)
            r = visit_scope(&walk, package->scopes.items[k]);
        map_done(&walk.kinds);
    }
    return r;
}

struct package_step {
    struct package *package;
    size_t next;
};

// Puts `first` and all it refers to behind *count sorted packages.
static int visit_package(struct package *first, struct package **sorted, size_t *count,
                         struct error *err)
{
    VEC(struct package_step) stack = {0};
    int r = 0;
    if (first->visit == VISIT_NEW)
        *vec_push(&stack) = (struct package_step){first, 0};
    while (stack.len > 0 && r == 0) {
        struct package_step *top = &stack.items[stack.len - 1];
        struct package *package = top->package;
        package->visit = VISIT_OPEN;
        if (top->next == package->deps.len) {
            package->visit = VISIT_DONE;
            sorted[(*count)++] = package;
            stack.len--;
            continue;
        }
        struct package_edge edge = package->deps.items[top->next++];
        // A way back to where it began is a mistake of where it begins.
        if (edge.to == first)
            edge = first->deps.items[stack.items[0].next - 1];
        if (edge.to->visit == VISIT_OPEN)
            r = wit_fail(edge.pos, err, "package `%.*s` creates a dependency cycle",
                         STR_ARG(edge.to->id));
        else if (edge.to->visit == VISIT_NEW)
            *vec_push(&stack) = (struct package_step){edge.to, 0};
    }
    vec_done(&stack);
    return r;
}

struct decl_step {
    struct decl *decl;
    size_t next;
};

// Puts `first` and all it refers to behind *count sorted declarations.
static int visit_decl(struct decl *first, struct decl **sorted, size_t *count, struct error *err)
{
    VEC(struct decl_step) stack = {0};
    int r = 0;
    if (first->visit == VISIT_NEW)
        *vec_push(&stack) = (struct decl_step){first, 0};
    while (stack.len > 0 && r == 0) {
        struct decl_step *top = &stack.items[stack.len - 1];
        struct decl *decl = top->decl;
        decl->visit = VISIT_OPEN;
        if (top->next == decl->deps.len) {
            decl->visit = VISIT_DONE;
            sorted[(*count)++] = decl;
            stack.len--;
            continue;
        }
        struct edge edge = decl->deps.items[top->next++];
        if (edge.to->visit == VISIT_OPEN)
            r = wit_fail(edge.pos, err, "%s `%.*s` depends on itself",
                         edge.to->world ? "world" : "interface", STR_ARG(edge.to->ast->name.text));
        else if (edge.to->visit == VISIT_NEW)
            *vec_push(&stack) = (struct decl_step){edge.to, 0};
    }
    vec_done(&stack);
    return r;
}

static int compare_packages(const void *a, const void *b)
{
    const struct package *left = *(struct package *const *)a;
    const struct package *right = *(struct package *const *)b;
    int order = str_cmp(left->pub.ns, right->pub.ns);
    if (order == 0)
        order = str_cmp(left->pub.name, right->pub.name);
    if (order == 0 && (left->pub.version.len == 0 || right->pub.version.len == 0))
        order = (left->pub.version.len > 0) - (right->pub.version.len > 0);
    else if (order == 0)
        order = wit_version_compare(left->pub.version, right->pub.version);
    return order != 0 ? order : str_cmp(left->id, right->id);
}

// By name, each behind those it refers to, as the usual tools number packages.
static int order_packages(struct wit_resolve *resolve, struct error *err)
{
    size_t total = resolve->order.len, count = 0;
    struct package **sorted = mem_new_array(struct package *, total + 1);
    int r = 0;
    if (total > 1)
        qsort(resolve->order.items, total, sizeof(struct package *), compare_packages);
    for (size_t i = 0; i < total && r == 0; i++) {
        struct package *package = resolve->order.items[i];
        r = visit_package(package, sorted, &count, err);
    }
    if (r == 0 && count > 0)
        memcpy(resolve->order.items, sorted, count * sizeof(struct package *));
    free(sorted);
    return r;
}

// Of what is left when nothing more can be placed: the first that waits for another, interfaces
// before worlds, and what it waits for.
static int refuse_cycle(const struct package *package, const bool *is_placed, struct error *err)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < package->order.len; i++) {
            const struct decl *decl = package->order.items[i];
            if (is_placed[i] || (decl->world != NULL) != (pass == 1))
                continue;
            for (size_t k = 0; k < decl->deps.len; k++) {
                const struct decl *to = decl->deps.items[k].to;
                // In one file it is where the other is declared, as in the usual tools.
                if (to->scope->package == package && !is_placed[to->number])
                    return wit_fail(
                        to->scope == decl->scope ? to->ast->name.pos : decl->deps.items[k].pos, err,
                        "interface or world `%.*s` depends on itself", STR_ARG(to->ast->name.text));
            }
        }
    }
    return 0;
}

// The declarations of one package, each behind those it refers to.
static int order_package_decls(struct package *package, struct error *err)
{
    size_t count = package->order.len;
    if (count == 0)
        return 0;
    struct toposort sort;
    toposort_init(&sort, count);
    for (size_t i = 0; i < count; i++)
        package->order.items[i]->number = (uint32_t)i;
    for (size_t i = 0; i < count; i++) {
        const struct decl *decl = package->order.items[i];
        for (size_t k = 0; k < decl->deps.len; k++) {
            const struct decl *to = decl->deps.items[k].to;
            if (to->scope->package == package)
                toposort_add(&sort, (uint32_t)i, to->number);
        }
    }
    uint32_t *order = mem_new_array(uint32_t, count);
    struct decl **sorted = mem_new_array(struct decl *, count);
    uint32_t done = toposort_run(&sort, order);
    bool *is_placed = mem_new_array(bool, count);
    memset(is_placed, 0, count * sizeof(bool));
    for (uint32_t i = 0; i < done; i++) {
        sorted[i] = package->order.items[order[i]];
        is_placed[order[i]] = true;
    }
    int r = done < count ? refuse_cycle(package, is_placed, err) : 0;
    if (done == count)
        memcpy(package->order.items, sorted, count * sizeof(*sorted));
    free(is_placed);
    free(sorted);
    free(order);
    toposort_done(&sort);
    return r;
}

int order_decls(struct wit_resolve *resolve, struct error *err)
{
    int r = 0;
    for (int pass = PASS_OWN; pass <= PASS_WORLD && r == 0; pass++)
        r = visit_paths(resolve, (enum pass)pass, err);
    if (r == 0)
        r = order_packages(resolve, err);
    struct decl **sorted = mem_new_array(struct decl *, resolve->decls.len + 1);
    size_t count = 0;
    for (size_t i = 0; i < resolve->order.len && r == 0; i++)
        r = order_package_decls(resolve->order.items[i], err);
    for (size_t i = 0; i < resolve->decls.len && r == 0; i++)
        r = visit_decl(resolve->decls.items[i], sorted, &count, err);
    if (r == 0 && count > 0)
        memcpy(resolve->decls.items, sorted, count * sizeof(*sorted));
    free(sorted);
    return r;
}

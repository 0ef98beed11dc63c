// SPDX-License-Identifier: Apache-2.0
// Who refers to whom: declarations sorted so that what is referred to comes first, without
// recursion (a chain of references is as long as the text allows).
#include "wit/model.h"

#include <errno.h>

#include "wit/toposort.h"
#include "wit/version.h"

static int add_edge(struct wit_resolve *resolve, struct decl *from, const struct ast_path *path,
                    enum ast_decl_kind kind, struct error *err)
{
    struct decl *to;
    int r = scope_find(resolve, from->scope, path, kind, &to, err);
    if (r < 0)
        return r;
    *vec_push(&from->deps) = (struct edge){to, path->name.pos};
    if (to->scope->package != from->scope->package)
        *vec_push(&from->scope->package->deps) =
            (struct package_edge){to->scope->package, path->name.pos};
    return 0;
}

static int add_edges(struct wit_resolve *resolve, struct decl *decl, const struct ast_item *items,
                     struct error *err)
{
    int r = 0;
    for (const struct ast_item *item = items; item && r == 0; item = item->next) {
        if (!resolve_enabled(resolve, &item->stability))
            continue;
        if (item->kind == AST_INCLUDE)
            r = add_edge(resolve, decl, &item->path, AST_WORLD, err);
        else if (item->path.name.text.len > 0)
            r = add_edge(resolve, decl, &item->path, AST_INTERFACE, err);
        // Bodies do not nest: one level of recursion.
        if (r == 0 && item->has_body)
            r = add_edges(resolve, decl, item->body, err);
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
        if (edge.to->visit == VISIT_OPEN)
            r = wit_fail(edge.pos, err, "packages `%.*s` and `%.*s` depend on each other",
                         STR_ARG(package->id), STR_ARG(edge.to->id));
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

// Top-level `use` of what does not exist is an error even when nothing refers to the name.
static int check_top_uses(struct wit_resolve *resolve, struct scope *scope, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < scope->uses.len && r == 0; i++) {
        const struct ast_decl *use = scope->uses.entries[i].value;
        struct decl *decl;
        // Of the same package it may be a world, of another it may not, as in the usual tools.
        r = use->path.ns.len > 0 ? scope_find(resolve, scope, &use->path, AST_INTERFACE, &decl, err)
                                 : scope_find_any(resolve, scope, &use->path, &decl, err);
    }
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
        for (size_t k = 0; k < package->scopes.len && r == 0; k++)
            r = check_top_uses(resolve, package->scopes.items[k], err);
        if (r == 0)
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
                if (to->scope->package == package && !is_placed[to->number])
                    return wit_fail(to->ast->name.pos, err,
                                    "interface or world `%.*s` depends on itself",
                                    STR_ARG(to->ast->name.text));
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
    for (size_t i = 0; i < resolve->decls.len && r == 0; i++) {
        struct decl *decl = resolve->decls.items[i];
        if (!decl->gated)
            r = add_edges(resolve, decl, decl->ast->items, err);
    }
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

// SPDX-License-Identifier: Apache-2.0
// Feature gates (WIT.md "Feature Gates"). All is resolved and checked, then what is not enabled is
// left out; what stays must not name it.
#include "wit/model.h"

#include <errno.h>

#include "wit/version.h"

bool resolve_enabled(const struct wit_resolve *resolve, const struct wit_stability *stability)
{
    return stability->feature.len == 0 || resolve->all_features ||
           map_get(&resolve->features, stability->feature) != NULL;
}

enum gate gate_of(const struct wit_resolve *resolve, const struct wit_stability *stability)
{
    if (stability->since.len + stability->feature.len == 0)
        return GATE_NONE;
    return resolve_enabled(resolve, stability) ? GATE_ON : GATE_OFF;
}

int gate_check_attributes(const struct wit_stability *s, struct wit_pos pos, struct error *err)
{
    if (s->since.len > 0 && s->feature.len > 0)
        return wit_fail(pos, err, "`@since` and `@unstable` exclude each other");
    if (s->deprecated.len > 0 && s->since.len == 0 && s->feature.len == 0)
        return wit_fail(pos, err, "`@deprecated` needs `@since` or `@unstable` beside it");
    return 0;
}

int gate_check_since(const struct scope *scope, const struct wit_stability *s, struct wit_pos pos,
                     struct error *err)
{
    const struct package *package = scope->package;
    if (s->since.len == 0)
        return 0;
    if (package->pub.version.len == 0)
        return wit_fail(pos, err, "the attribute names a version, but package `%.*s` has none",
                        STR_ARG(package->id));
    if (wit_version_compare(s->since, package->pub.version) > 0)
        return wit_fail(pos, err, "the attribute names version %.*s, later than package `%.*s`",
                        STR_ARG(s->since), STR_ARG(package->id));
    return 0;
}

static int refuse_off(struct wit_pos pos, struct error *err)
{
    return wit_fail(pos, err, "this names a type that is left out: its feature is not enabled");
}

int gate_types(struct wit_resolve *resolve, struct owner *owner, bool is_owner_off,
               struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < owner->types.len; i++) {
        struct typedef_node *node = owner->types.items[i];
        struct wit_pos pos = node->source ? node->source->pos : node->pos;
        int r = gate_check_since(owner->scope, &node->pub.stability,
                                 node->unnamed.source ? node->unnamed : pos, err);
        if (r < 0)
            return r;
        if (!resolve_enabled(resolve, &node->pub.stability))
            continue;
        if (is_owner_off)
            return wit_fail(pos, err,
                            "this has no feature gate, but what it belongs to is left out by one");
        if (node->fault.source)
            return refuse_off(node->fault, err);
        owner->types.items[kept++] = node;
    }
    owner->types.len = kept;
    return owner->fault.source ? refuse_off(owner->fault, err) : 0;
}

int gate_func(const struct func_node *func, struct wit_pos off_pos, struct error *err)
{
    if (func->names_off)
        return refuse_off(off_pos.source ? off_pos : func->pos, err);
    if (func->returns_borrow)
        return wit_fail(func->pos, err, "a function does not return borrowed handles");
    return 0;
}

int gate_funcs(struct wit_resolve *resolve, struct owner *owner, struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < owner->funcs.len; i++) {
        const struct func_node node = owner->funcs.items[i];
        int r = gate_check_since(owner->scope, &node.func->stability, node.pos, err);
        if (r < 0)
            return r;
        if (!resolve_enabled(resolve, &node.func->stability))
            continue;
        const struct wit_typedef *resource = owner->interface ? NULL : node.func->resource;
        struct wit_pos off_pos = {NULL, 0};
        if (resource)
            off_pos = container_of(resource, const struct typedef_node, pub)->pos;
        if ((r = gate_func(&node, off_pos, err)) < 0)
            return r;
        owner->funcs.items[kept++] = node;
    }
    owner->funcs.len = kept;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Replacing resources and type names in types, and finding those that types refer to. Everything is
// remembered by node, so that a shared node is visited once.
#include "component/validate_types.h"

const char v_unset;

void v_subst_done(struct v_subst *s)
{
    map_done(&s->resources);
    map_done(&s->names);
}

void v_subst_variables(struct validator *v, struct v_subst *s, struct v_resources resources)
{
    for (uint32_t i = 0; i < resources.count; i++)
        v_put(v, &s->resources, v_key_of(resources.items[i], NULL), &v_unset);
}

void v_subst_fresh(struct validator *v, struct v_subst *s, struct v_resources resources,
                   v_resource_list *into)
{
    for (uint32_t i = 0; i < resources.count; i++) {
        const struct v_resource *fresh = v_resource_new(v);
        v_put(v, &s->resources, v_key_of(resources.items[i], NULL), fresh);
        *vec_push(into) = fresh;
    }
}

static const struct v_resource *subst_resource(struct validator *v, struct v_subst *s,
                                               const struct v_resource *r)
{
    const struct v_resource *known = v_get(&s->names, v_resource_key(r));
    if (known)
        return known;
    const struct v_resource *target = v_get(&s->resources, v_key_of(r->of, NULL));
    if (!target || (const void *)target == &v_unset)
        return r;
    if (r->alias != 0)
        target = v_resource_alias(v, target, r->alias);
    v_put(v, &s->names, v_resource_key(r), target);
    return target;
}

static int subst_value(struct validator *v, struct v_subst *s, const struct type **type);

static int subst_fields(struct validator *v, struct v_subst *s, const struct type_field **fields,
                        uint32_t count, bool *changed)
{
    struct type_field *copy = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct type *t = (*fields)[i].type;
        int rc = t ? subst_value(v, s, &t) : 0;
        if (rc < 0)
            return rc;
        if (t == (*fields)[i].type)
            continue;
        if (!copy) {
            copy = arena_new_array(&v->arena, struct type_field, count);
            memcpy(copy, *fields, count * sizeof(*copy));
        }
        copy[i].type = t;
    }
    if (copy)
        *fields = copy;
    *changed |= copy != NULL;
    return 0;
}

static int subst_part(struct validator *v, struct v_subst *s, const struct type **part,
                      bool *changed)
{
    const struct type *former = *part;
    int rc = former ? subst_value(v, s, part) : 0;
    *changed |= former != *part;
    return rc;
}

// Replaces the parts of a value type, not its own name.
static int subst_value_parts(struct validator *v, struct v_subst *s, const struct type **type)
{
    struct v_value made = *v_value_of(*type);
    struct type *t = &made.type;
    bool changed = false;
    if (t->resource) {
        t->resource = &subst_resource(v, s, v_resource_of(t->resource))->node;
        changed = t->resource != (*type)->resource;
    }
    int rc = subst_part(v, s, &t->element, &changed);
    if (rc == 0)
        rc = subst_part(v, s, &t->error, &changed);
    if (rc == 0)
        rc = subst_fields(v, s, &t->fields, t->field_count, &changed);
    if (rc < 0 || !changed)
        return rc;
    struct v_value *value = arena_new(&v->arena, struct v_value);
    *value = made;
    *type = v_value_finish(v, value);
    return *type ? 0 : v->r.rc;
}

static int subst_value(struct validator *v, struct v_subst *s, const struct type **type)
{
    if (v_is_primitive(*type))
        return 0;
    struct v_key key = v_key_of(*type, NULL);
    const struct type *known = v_get(&s->names, key);
    if (known) {
        *type = known;
        return 0;
    }
    int rc = v_work(v);
    if (rc == 0)
        rc = subst_value_parts(v, s, type);
    if (rc == 0)
        v_put(v, &s->names, key, *type);
    return rc;
}

static int subst_func(struct validator *v, struct v_subst *s, const struct v_func **func)
{
    struct v_key key = v_key_of(*func, NULL);
    const struct v_func *known = v_get(&s->names, key);
    if (known) {
        *func = known;
        return 0;
    }
    struct v_func made = **func;
    bool changed = false;
    int rc = v_work(v);
    if (rc == 0)
        rc = subst_fields(v, s, &made.type.params, made.type.param_count, &changed);
    if (rc == 0)
        rc = subst_part(v, s, &made.type.result, &changed);
    if (rc < 0)
        return rc;
    if (changed) {
        struct v_func *copy = arena_new(&v->arena, struct v_func);
        *copy = made;
        *func = v_func_finish(v, copy);
        if (!*func)
            return v->r.rc;
    }
    v_put(v, &s->names, key, *func);
    return 0;
}

static bool same_entity(const struct v_entity *a, const struct v_entity *b)
{
    // All members of the unions are one pointer.
    return a->sort == SORT_TYPE ? a->type.value == b->type.value : a->module == b->module;
}

static int subst_externs(struct validator *v, struct v_subst *s, struct v_externs *externs,
                         bool *changed)
{
    struct v_extern *copy = NULL;
    for (uint32_t i = 0; i < externs->count; i++) {
        struct v_entity entity = externs->items[i].entity;
        int rc = v_work(v);
        if (rc == 0)
            rc = v_subst_entity(v, s, &entity);
        if (rc < 0)
            return rc;
        if (same_entity(&entity, &externs->items[i].entity))
            continue;
        if (!copy) {
            copy = arena_new_array(&v->arena, struct v_extern, externs->count);
            memcpy(copy, externs->items, externs->count * sizeof(*copy));
        }
        copy[i].entity = entity;
    }
    if (copy)
        externs->items = copy; // the names are the same, and so is their order
    *changed |= copy != NULL;
    return 0;
}

static int subst_instance(struct validator *v, struct v_subst *s,
                          const struct v_instance **instance)
{
    struct v_key key = v_key_of(*instance, NULL);
    const struct v_instance *known = v_get(&s->names, key);
    if (known) {
        *instance = known;
        return 0;
    }
    struct v_externs exports = (*instance)->exports;
    bool changed = false;
    int rc = v_work(v);
    if (rc == 0)
        rc = subst_externs(v, s, &exports, &changed);
    if (rc < 0)
        return rc;
    if (changed) {
        *instance = v_instance_new(v, exports.items, exports.count, (*instance)->defined);
        if (!*instance)
            return v->r.rc;
    }
    v_put(v, &s->names, key, *instance);
    return 0;
}

static int subst_component(struct validator *v, struct v_subst *s,
                           const struct v_component **component)
{
    struct v_key key = v_key_of(*component, NULL);
    const struct v_component *known = v_get(&s->names, key);
    if (known) {
        *component = known;
        return 0;
    }
    struct v_component made = **component;
    bool changed = false;
    int rc = v_work(v);
    if (rc == 0)
        rc = subst_externs(v, s, &made.imports, &changed);
    if (rc == 0)
        rc = subst_externs(v, s, &made.exports, &changed);
    if (rc < 0)
        return rc;
    if (changed) {
        struct v_component *copy = arena_new(&v->arena, struct v_component);
        *copy = made;
        *component = v_component_finish(v, copy);
        if (!*component)
            return v->r.rc;
    }
    v_put(v, &s->names, key, *component);
    return 0;
}

int v_subst_type(struct validator *v, struct v_subst *s, struct v_type *type)
{
    switch (type->kind) {
    case TYPE_DEF_VALUE:
        return subst_value(v, s, &type->value);
    case TYPE_DEF_FUNC:
        return subst_func(v, s, &type->func);
    case TYPE_DEF_RESOURCE:
        type->resource = subst_resource(v, s, type->resource);
        return 0;
    case TYPE_DEF_COMPONENT:
        return subst_component(v, s, &type->component);
    case TYPE_DEF_INSTANCE:
        return subst_instance(v, s, &type->instance);
    }
    return 0;
}

int v_subst_entity(struct validator *v, struct v_subst *s, struct v_entity *entity)
{
    switch (entity->sort) {
    case SORT_FUNC:
        return subst_func(v, s, &entity->func);
    case SORT_VALUE:
        return subst_value(v, s, &entity->value);
    case SORT_TYPE:
        return v_subst_type(v, s, &entity->type);
    case SORT_COMPONENT:
        return subst_component(v, s, &entity->component);
    case SORT_INSTANCE:
        return subst_instance(v, s, &entity->instance);
    default:
        return v_work(v);
    }
}

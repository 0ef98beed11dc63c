// SPDX-License-Identifier: Apache-2.0
// Which resources types refer to, for "no type of a resource may leave its component unnamed"
// (Binary.md "Alias Definitions", "Import and Export Definitions").
#include "component/validate_types.h"

void v_uses_done(struct v_uses *uses)
{
    map_done(&uses->seen);
    map_done(&uses->used);
    map_done(&uses->bound);
}

static bool seen(struct validator *v, struct v_uses *uses, const void *node)
{
    struct v_key key = v_key_of(node, NULL);
    if (v_get(&uses->seen, key))
        return true;
    v_put(v, &uses->seen, key, node);
    return false;
}

static void use_resource(struct validator *v, struct v_uses *uses, const struct v_resource *r)
{
    v_put(v, &uses->used, v_key_of(r->of, NULL), r->of);
}

static void bind(struct validator *v, struct v_uses *uses, struct v_resources resources)
{
    for (uint32_t i = 0; i < resources.count; i++)
        v_put(v, &uses->bound, v_key_of(resources.items[i], NULL), resources.items[i]);
}

static int value_uses(struct validator *v, struct v_uses *uses, const struct type *t)
{
    if (!t || v_is_primitive(t) || seen(v, uses, t))
        return 0;
    int rc = v_work(v);
    if (t->resource)
        use_resource(v, uses, v_resource_of(t->resource));
    if (rc == 0)
        rc = value_uses(v, uses, t->element);
    if (rc == 0)
        rc = value_uses(v, uses, t->error);
    for (uint32_t i = 0; i < t->field_count && rc == 0; i++)
        rc = value_uses(v, uses, t->fields[i].type);
    return rc;
}

static int func_uses(struct validator *v, struct v_uses *uses, const struct v_func *func)
{
    if (seen(v, uses, func))
        return 0;
    int rc = v_work(v);
    for (uint32_t i = 0; i < func->type.param_count && rc == 0; i++)
        rc = value_uses(v, uses, func->type.params[i].type);
    return rc < 0 ? rc : value_uses(v, uses, func->type.result);
}

static int externs_uses(struct validator *v, struct v_uses *uses, const struct v_externs *externs)
{
    int rc = v_work(v);
    for (uint32_t i = 0; i < externs->count && rc == 0; i++)
        rc = v_uses_add(v, uses, &externs->items[i].entity);
    return rc;
}

static int instance_uses(struct validator *v, struct v_uses *uses, const struct v_instance *i)
{
    if (seen(v, uses, i))
        return 0;
    bind(v, uses, i->defined);
    return externs_uses(v, uses, &i->exports);
}

static int component_uses(struct validator *v, struct v_uses *uses, const struct v_component *c)
{
    if (seen(v, uses, c))
        return 0;
    bind(v, uses, c->imported);
    bind(v, uses, c->defined);
    int rc = externs_uses(v, uses, &c->imports);
    return rc < 0 ? rc : externs_uses(v, uses, &c->exports);
}

static int type_uses(struct validator *v, struct v_uses *uses, struct v_type type)
{
    switch (type.kind) {
    case TYPE_DEF_VALUE:
        return value_uses(v, uses, type.value);
    case TYPE_DEF_FUNC:
        return func_uses(v, uses, type.func);
    case TYPE_DEF_RESOURCE:
        use_resource(v, uses, type.resource);
        return 0;
    case TYPE_DEF_COMPONENT:
        return component_uses(v, uses, type.component);
    case TYPE_DEF_INSTANCE:
        return instance_uses(v, uses, type.instance);
    }
    return 0;
}

int v_uses_add(struct validator *v, struct v_uses *uses, const struct v_entity *entity)
{
    switch (entity->sort) {
    case SORT_FUNC:
        return func_uses(v, uses, entity->func);
    case SORT_VALUE:
        return value_uses(v, uses, entity->value);
    case SORT_TYPE:
        return type_uses(v, uses, entity->type);
    case SORT_COMPONENT:
        return component_uses(v, uses, entity->component);
    case SORT_INSTANCE:
        return instance_uses(v, uses, entity->instance);
    default:
        return 0;
    }
}

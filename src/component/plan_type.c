// SPDX-License-Identifier: Apache-2.0
// Type definitions to type graphs with the identities of their resources.
#include <errno.h>

#include "component/planner.h"

int plan_types_init(struct planner *p)
{
    struct type_entity *primitives =
        plan_scratch_array(p, struct type_entity, TYPE_ERROR_CONTEXT + 1);
    for (int kind = TYPE_BOOL; kind <= TYPE_ERROR_CONTEXT; kind++)
        primitives[kind] = (struct type_entity){
            .kind = TYPE_DEF_VALUE,
            .value = type_primitive((enum type_kind)kind),
            .nodes = 1,
        };
    p->primitives = primitives;
    return 0;
}

int plan_type_at(struct planner *p, const struct env *env, uint32_t index, enum type_def_kind kind,
                 const struct type_entity **out)
{
    static const char *const names[] = {
        [TYPE_DEF_VALUE] = "a value type",        [TYPE_DEF_FUNC] = "a function type",
        [TYPE_DEF_RESOURCE] = "a resource type",  [TYPE_DEF_COMPONENT] = "a component type",
        [TYPE_DEF_INSTANCE] = "an instance type",
    };
    struct entity entity;
    int rc = plan_env_get(p, env, SORT_TYPE, index, &entity);
    if (rc < 0)
        return rc;
    if (entity.type->kind != kind)
        return plan_fail(p, -EINVAL, "type %u is %s, not %s", index, names[entity.type->kind],
                         names[kind]);
    *out = entity.type;
    return 0;
}

struct plan_resource *plan_resource_of(struct planner *p, const struct resource_type *type)
{
    return &p->plan->resources[type->index];
}

int plan_resource_new(struct planner *p, bool is_import, struct str interface, struct str name,
                      struct plan_resource **out)
{
    uint32_t index = p->plan->resource_count;
    if (index >= PLAN_RESOURCES_MAX)
        return plan_fail(p, -E2BIG, "more than %u resource types", PLAN_RESOURCES_MAX);
    struct plan_resource *resource = &p->plan->resources[p->plan->resource_count++];
    *resource = (struct plan_resource){
        .type = {.interface = interface, .name = name, .index = index},
        .is_import = is_import,
        .component_instance = PLAN_NONE,
        .dtor = PLAN_NONE,
    };
    *out = resource;
    return 0;
}

// ---- value types --------------------------------------------------------------------------------

static int resolve(struct planner *p, const struct env *env, struct val_ref ref,
                   struct type_entity *parent, const struct type **out)
{
    const struct type_entity *type = &p->primitives[ref.is_index ? 0 : ref.primitive];
    int rc = ref.is_index ? plan_type_at(p, env, ref.index, TYPE_DEF_VALUE, &type) : 0;
    if (rc < 0)
        return rc;
    parent->nodes += type->nodes;
    parent->depth = MAX(parent->depth, type->depth + 1);
    if (parent->nodes > PLAN_TYPE_NODES_MAX)
        return plan_fail(p, -E2BIG, "type of more than %u parts", PLAN_TYPE_NODES_MAX);
    if (parent->depth >= TYPE_DEPTH_MAX)
        return plan_fail(p, -E2BIG, "type is nested more than %d deep", TYPE_DEPTH_MAX);
    *out = type->value;
    return 0;
}

static int resolve_fields(struct planner *p, const struct env *env, const struct def_field *defs,
                          uint32_t count, struct type_entity *parent, const struct type_field **out)
{
    struct type_field *fields = arena_new_array(&p->plan->arena, struct type_field, count);
    int rc = plan_charge(p, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        fields[i].name = defs[i].name;
        if (defs[i].has_type)
            rc = resolve(p, env, defs[i].type, parent, &fields[i].type);
    }
    *out = fields;
    return rc;
}

static int value_type(struct planner *p, const struct env *env, const struct value_def *def,
                      struct type_entity *out)
{
    struct type *type = arena_new(&p->plan->arena, struct type);
    type->kind = def->kind;
    type->length = def->length;
    type->field_count = def->field_count;
    out->nodes = 1;
    int rc = resolve_fields(p, env, def->fields, def->field_count, out, &type->fields);
    if (rc == 0 && def->has_element)
        rc = resolve(p, env, def->element, out, &type->element);
    if (rc == 0 && def->has_error)
        rc = resolve(p, env, def->error, out, &type->error);
    if (rc == 0 && (def->kind == TYPE_OWN || def->kind == TYPE_BORROW)) {
        const struct type_entity *resource;
        rc = plan_type_at(p, env, def->resource, TYPE_DEF_RESOURCE, &resource);
        if (rc == 0)
            type->resource = resource->resource;
        if (rc == 0 && def->kind == TYPE_OWN)
            type->name = resource->name;
        if (rc == 0)
            type->resource_def = resource->def;
    }
    if (rc == 0 && type_compute_layout(type) < 0)
        rc = plan_fail(p, -EOVERFLOW, "values of the type do not fit 32-bit memory");
    out->value = type;
    return rc;
}

static int func_type(struct planner *p, const struct env *env, const struct func_def *def,
                     struct type_entity *out)
{
    struct func_type *type = arena_new(&p->plan->arena, struct func_type);
    type->param_count = def->param_count;
    type->is_async = def->is_async;
    out->nodes = 1;
    int rc = resolve_fields(p, env, def->params, def->param_count, out, &type->params);
    if (rc == 0 && def->has_result)
        rc = resolve(p, env, def->result, out, &type->result);
    out->func = type;
    return rc;
}

static int resource_type(struct planner *p, struct env *env, const struct resource_def *def,
                         struct type_entity *out)
{
    struct plan_resource *resource;
    int rc = plan_resource_new(p, false, STR_EMPTY, STR_EMPTY, &resource);
    if (rc < 0)
        return rc;
    resource->component_instance = plan_component_instance(p, env);
    out->resource = &resource->type;
    if (!def->has_dtor || p->types_only)
        return 0;
    struct entity dtor;
    rc = plan_env_get(p, env, SORT_CORE_FUNC, def->dtor, &dtor);
    if (rc < 0)
        return rc;
    const struct core_func_type want = {STR("i"), STR_EMPTY};
    if (!core_func_type_equal(dtor.core->func, &want))
        return plan_fail(p, -EINVAL, "destructor of a resource is not of type (i32) -> ()");
    p->dtors[resource->type.index] = dtor.core;
    return 0;
}

int plan_type_def(struct planner *p, struct env *env, const struct type_def *def,
                  struct entity *out)
{
    struct type_entity *type = plan_scratch(p, struct type_entity);
    type->kind = def->kind;
    int rc = 0;
    switch (def->kind) {
    case TYPE_DEF_VALUE:
        // A primitive by another name.
        if (def->value.kind <= TYPE_ERROR_CONTEXT)
            *type = p->primitives[def->value.kind];
        else
            rc = value_type(p, env, &def->value, type);
        break;
    case TYPE_DEF_FUNC:
        rc = func_type(p, env, &def->func, type);
        break;
    case TYPE_DEF_RESOURCE:
        rc = resource_type(p, env, &def->resource, type);
        break;
    case TYPE_DEF_COMPONENT:
    case TYPE_DEF_INSTANCE:
        type->scope = def->scope;
        type->env = env;
        break;
    }
    *out = (struct entity){.sort = SORT_TYPE, .type = type};
    return rc;
}

// ---- comparison ---------------------------------------------------------------------------------

int plan_func_match(struct planner *p, const struct type_entity *want, const struct comp_func *have,
                    struct str name)
{
    int rc = plan_charge(p, want->nodes);
    if (rc < 0 || want->func == have->type)
        return rc;
    struct str why = STR_EMPTY;
    if (!func_type_equal(want->func, have->type, NULL, NULL, &p->scratch, &why))
        return plan_fail(p, -EINVAL, "function `%.*s` has another type than declared: %.*s",
                         STR_ARG(name), STR_ARG(why));
    return 0;
}

int plan_value_match(struct planner *p, const struct type_entity *want,
                     const struct type_entity *have, struct str name)
{
    int rc = plan_charge(p, want->nodes + 1);
    if (rc < 0)
        return rc;
    struct str why = STR_EMPTY;
    bool same = want->kind == have->kind;
    if (same && want->kind == TYPE_DEF_VALUE)
        same = want->value == have->value ||
               type_equal(want->value, have->value, NULL, NULL, &p->scratch, &why);
    else if (same && want->kind == TYPE_DEF_FUNC)
        same = func_type_equal(want->func, have->func, NULL, NULL, &p->scratch, &why);
    else if (same && want->kind == TYPE_DEF_RESOURCE)
        same = want->resource == have->resource;
    if (same)
        return 0;
    return plan_fail(p, -EINVAL, "type `%.*s` is another than declared%s%.*s", STR_ARG(name),
                     why.len > 0 ? ": " : "", STR_ARG(why));
}

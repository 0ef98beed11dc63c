// SPDX-License-Identifier: Apache-2.0
// Imports, ascribed types of exports and declarators of instance types: a type meets either what is
// there (an argument, an exported definition) or becomes an import of the plan.
#include <errno.h>

#include "component/planner.h"
#include "wit/wit.h"

static int extern_resource(struct planner *p, const struct extern_source *source,
                           struct entity *out)
{
    if (source->actual) {
        if (source->actual->type->kind != TYPE_DEF_RESOURCE)
            return plan_fail(p, -EINVAL, "`%.*s` is not a resource type", STR_ARG(source->name));
        *out = *source->actual;
        return 0;
    }
    struct plan_resource *resource;
    int rc = plan_resource_new(p, true, source->interface, source->name, &resource);
    if (rc < 0)
        return rc;
    struct type_entity *type = plan_scratch(p, struct type_entity);
    *type = (struct type_entity){
        .kind = TYPE_DEF_RESOURCE, .resource = &resource->type, .name = source->name};
    *out = (struct entity){.sort = SORT_TYPE, .type = type};
    return 0;
}

// The same type with the name that it is imported or exported by.
static const struct type_entity *named_type(struct planner *p, const struct type_entity *type,
                                            struct str name)
{
    struct type_entity *copy = plan_scratch(p, struct type_entity);
    *copy = *type;
    copy->name = name;
    if (type->kind == TYPE_DEF_RESOURCE)
        return copy;
    // Only WIT text shows names of primitives.
    if (type->kind != TYPE_DEF_VALUE || str_eq(type->value->name, name) ||
        (type->value->kind <= TYPE_ERROR_CONTEXT && !p->types_only))
        return type;
    struct type *value = arena_new(&p->plan->arena, struct type);
    *value = *type->value;
    value->name = name;
    copy->value = value;
    return copy;
}

const struct type_entity *plan_declare_type(struct planner *p, const struct type_entity *type,
                                            struct str name)
{
    if (!p->types_only || (type->kind != TYPE_DEF_VALUE && type->kind != TYPE_DEF_RESOURCE))
        return type;
    struct type_entity *copy = plan_scratch(p, struct type_entity);
    *copy = *named_type(p, type, name);
    copy->def = arena_new(&p->plan->arena, struct wit_typedef);
    *copy->def = (struct wit_typedef){
        .name = name,
        .type = copy->value,
        .resource = copy->resource,
        .alias_of = type->def,
    };
    if (copy->value) {
        struct type *value = arena_new(&p->plan->arena, struct type);
        *value = *copy->value;
        value->def = copy->def;
        copy->value = copy->def->type = value;
    }
    return copy;
}

static int extern_type(struct planner *p, const struct env *env, const struct extern_def *def,
                       const struct extern_source *source, struct entity *out)
{
    if (source->actual && source->actual->sort != SORT_TYPE)
        return plan_fail(p, -EINVAL, "`%.*s` is of sort %s, not type", STR_ARG(source->name),
                         sort_name(source->actual->sort));
    if (def->is_resource)
        return extern_resource(p, source, out);
    struct entity bound;
    int rc = plan_env_get(p, env, SORT_TYPE, def->index, &bound);
    if (rc == 0 && source->actual)
        rc = plan_value_match(p, bound.type, source->actual->type, source->name);
    if (rc < 0)
        return rc;
    struct type_entity *type = plan_scratch(p, struct type_entity);
    *type = *named_type(p, bound.type, source->name);
    if (source->actual)
        type->def = source->actual->type->def;
    *out = (struct entity){.sort = SORT_TYPE, .type = type};
    return 0;
}

static int extern_func(struct planner *p, const struct env *env, const struct extern_def *def,
                       const struct extern_source *source, struct entity *out)
{
    const struct type_entity *type;
    int rc = plan_type_at(p, env, def->index, TYPE_DEF_FUNC, &type);
    if (rc < 0)
        return rc;
    struct comp_func *func = plan_scratch(p, struct comp_func);
    if (source->actual) {
        *func = *source->actual->func;
        func->type = type->func;
        *out = *source->actual;
        if (p->types_only)
            out->func = func;
        return plan_func_match(p, type, source->actual->func, source->name);
    }
    *func = (struct comp_func){.type = type->func,
                               .is_import = true,
                               .interface = source->interface,
                               .name = source->name,
                               .index = PLAN_NONE};
    *out = (struct entity){.sort = SORT_FUNC, .func = func};
    return 0;
}

static int extern_instance(struct planner *p, const struct env *env, const struct extern_def *def,
                           const struct extern_source *source, struct entity *out)
{
    const struct type_entity *type;
    struct env *inner;
    int rc = plan_type_at(p, env, def->index, TYPE_DEF_INSTANCE, &type);
    if (rc == 0)
        rc = plan_env_new(p, type->scope, type->env, &inner);
    if (rc < 0)
        return rc;
    if (p->depth >= COMPONENT_NESTING_MAX)
        return plan_fail(p, -EINVAL, "instance types are nested more than %d deep",
                         COMPONENT_NESTING_MAX);
    inner->interface = source->interface.len > 0 ? source->interface : source->name;
    inner->actual = source->actual ? source->actual->instance : NULL;
    p->depth++;
    rc = plan_env_run(p, inner);
    p->depth--;
    if (rc < 0)
        return rc;
    struct instance_value *instance = plan_scratch(p, struct instance_value);
    instance->exports = inner->exports;
    *out = (struct entity){.sort = SORT_INSTANCE, .instance = instance};
    return 0;
}

int plan_extern(struct planner *p, struct env *env, const struct extern_def *type,
                const struct extern_source *source, struct entity *out)
{
    if (source->actual && source->actual->sort != type->sort)
        return plan_fail(p, -EINVAL, "`%.*s` is of sort %s, not %s", STR_ARG(source->name),
                         sort_name(source->actual->sort), sort_name(type->sort));
    switch (type->sort) {
    case SORT_TYPE:
        return extern_type(p, env, type, source, out);
    case SORT_FUNC:
        return extern_func(p, env, type, source, out);
    case SORT_INSTANCE:
        return extern_instance(p, env, type, source, out);
    default:
        // Modules and components are checked where they are instantiated.
        if (!source->actual)
            return plan_fail(p, -ENOTSUP, "component imports the %s `%.*s`, which nothing provides",
                             sort_name(type->sort), STR_ARG(source->name));
        *out = *source->actual;
        return 0;
    }
}

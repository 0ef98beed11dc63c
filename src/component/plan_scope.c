// SPDX-License-Identifier: Apache-2.0
// Evaluates the definitions of a scope in order (Explainer.md "Instance Definitions", "Alias
// Definitions").
#include <errno.h>

#include "component/planner.h"

// ---- export lists -------------------------------------------------------------------------------

static int compare_entries(const void *a, const void *b, void *items)
{
    const struct export_entry *entries = items;
    return str_cmp(entries[*(const uint32_t *)a].name, entries[*(const uint32_t *)b].name);
}

int export_list_sort(struct planner *p, struct export_list *list)
{
    uint32_t *order = plan_scratch_array(p, uint32_t, list->len);
    for (uint32_t i = 0; i < list->len; i++)
        order[i] = i;
    if (list->len > 0)
        qsort_r(order, list->len, sizeof(*order), compare_entries, list->items);
    for (uint32_t i = 1; i < list->len; i++) {
        struct str name = list->items[order[i]].name;
        if (str_eq(list->items[order[i - 1]].name, name))
            return plan_fail(p, -EINVAL, "name `%.*s` comes twice", STR_ARG(name));
    }
    list->by_name = order;
    return 0;
}

const struct entity *export_list_find(const struct export_list *list, struct str name)
{
    uint32_t low = 0;
    uint32_t high = list->len;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct export_entry *entry = &list->items[list->by_name[middle]];
        int order = str_cmp(name, entry->name);
        if (order == 0)
            return &entry->entity;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

// ---- index spaces -------------------------------------------------------------------------------

int plan_env_new(struct planner *p, const struct component *scope, struct env *parent,
                 struct env **out)
{
    uint32_t exports = 0;
    uint32_t imports = 0;
    for (uint32_t i = 0; i < scope->def_count; i++) {
        exports += scope->defs[i].kind == DEF_EXPORT;
        imports += scope->defs[i].kind == DEF_IMPORT;
    }
    uint64_t total = scope->def_count;
    for (int sort = 0; sort < SORT_COUNT; sort++)
        total += scope->counts[sort];
    int rc = plan_charge(p, (uint32_t)MIN(total, UINT32_MAX));
    if (rc < 0)
        return rc;
    struct env *env = plan_scratch(p, struct env);
    *env = (struct env){.scope = scope, .parent = parent, .component_instance = PLAN_NONE};
    for (int sort = 0; sort < SORT_COUNT; sort++)
        env->spaces[sort] = plan_scratch_array(p, struct entity, scope->counts[sort]);
    env->exports.items = plan_scratch_array(p, struct export_entry, exports);
    env->imports.items = plan_scratch_array(p, struct export_entry, imports);
    *out = env;
    return 0;
}

int plan_env_push(struct planner *p, struct env *env, struct entity entity)
{
    uint32_t index = env->filled[entity.sort];
    if (index >= env->scope->counts[entity.sort])
        return plan_fail(p, -EINVAL, "too many definitions of sort %s", sort_name(entity.sort));
    env->spaces[entity.sort][index] = entity;
    env->filled[entity.sort]++;
    return 0;
}

int plan_env_get(struct planner *p, const struct env *env, enum sort sort, uint32_t index,
                 struct entity *out)
{
    if (index >= env->filled[sort])
        return plan_fail(p, -EINVAL, "%s %u is not defined yet", sort_name(sort), index);
    *out = env->spaces[sort][index];
    return 0;
}

void plan_env_export(struct env *env, struct str name, struct entity entity)
{
    env->exports.items[env->exports.len++] = (struct export_entry){name, entity, STR_EMPTY};
}

// ---- definitions --------------------------------------------------------------------------------

static int run_component(struct planner *p, struct env *env, const struct component *component)
{
    struct closure *closure = plan_scratch(p, struct closure);
    *closure = (struct closure){component, env};
    return plan_env_push(p, env, (struct entity){.sort = SORT_COMPONENT, .component = closure});
}

static int make_bundle(struct planner *p, struct env *env, const struct instance_def *def,
                       struct export_list *out)
{
    int rc = plan_charge(p, def->item_count);
    if (rc < 0)
        return rc;
    struct export_list list = {.items =
                                   plan_scratch_array(p, struct export_entry, def->item_count)};
    for (uint32_t i = 0; i < def->item_count; i++) {
        struct export_entry *entry = &list.items[list.len++];
        entry->name = def->items[i].name;
        rc =
            plan_env_get(p, env, def->items[i].item.sort, def->items[i].item.index, &entry->entity);
        if (rc < 0)
            return rc;
    }
    rc = export_list_sort(p, &list);
    if (rc == 0)
        *out = list;
    return rc;
}

static int instantiate(struct planner *p, struct env *env, const struct instance_def *def,
                       struct instance_value *out)
{
    struct entity target;
    struct export_list args;
    int rc = plan_env_get(p, env, SORT_COMPONENT, def->target, &target);
    if (rc == 0)
        rc = make_bundle(p, env, def, &args);
    if (rc < 0)
        return rc;
    if (p->depth >= COMPONENT_NESTING_MAX)
        return plan_fail(p, -EINVAL, "components instantiate each other more than %d deep",
                         COMPONENT_NESTING_MAX);
    struct env *inner;
    rc = plan_env_new(p, target.component->component, target.component->env, &inner);
    if (rc < 0)
        return rc;
    inner->owner = env;
    inner->args = &args;
    p->depth++;
    rc = plan_env_run(p, inner);
    p->depth--;
    out->exports = inner->exports;
    return rc;
}

static int run_instance(struct planner *p, struct env *env, const struct instance_def *def)
{
    struct instance_value *instance = plan_scratch(p, struct instance_value);
    int rc = def->is_bundle ? make_bundle(p, env, def, &instance->exports)
                            : instantiate(p, env, def, instance);
    if (rc < 0)
        return rc;
    return plan_env_push(p, env, (struct entity){.sort = SORT_INSTANCE, .instance = instance});
}

static int alias_export(struct planner *p, struct env *env, const struct alias_def *def,
                        struct entity *out)
{
    struct entity instance;
    int rc = plan_env_get(p, env, SORT_INSTANCE, def->instance, &instance);
    if (rc < 0)
        return rc;
    const struct entity *found = export_list_find(&instance.instance->exports, def->name);
    if (!found)
        return plan_fail(p, -EINVAL, "instance %u exports no `%.*s`", def->instance,
                         STR_ARG(def->name));
    if (found->sort != def->sort)
        return plan_fail(p, -EINVAL, "export `%.*s` of instance %u is of sort %s, not %s",
                         STR_ARG(def->name), def->instance, sort_name(found->sort),
                         sort_name(def->sort));
    *out = *found;
    return 0;
}

static int run_alias(struct planner *p, struct env *env, const struct alias_def *def)
{
    struct entity entity;
    int rc = 0;
    if (def->kind == ALIAS_EXPORT) {
        rc = alias_export(p, env, def, &entity);
    } else if (def->kind == ALIAS_CORE_EXPORT) {
        rc = plan_env_get(p, env, SORT_CORE_INSTANCE, def->instance, &entity);
        if (p->types_only)
            entity = (struct entity){.sort = def->sort};
        else if (rc == 0)
            rc = plan_core_export(p, entity.core_instance, def->sort, def->name, &entity);
    } else {
        const struct env *outer = env;
        for (uint32_t i = 0; i < def->outer && outer; i++)
            outer = outer->parent;
        if (!outer)
            return plan_fail(p, -EINVAL, "outer alias goes %u scopes up", def->outer);
        rc = plan_env_get(p, outer, def->sort, def->index, &entity);
    }
    return rc < 0 ? rc : plan_env_push(p, env, entity);
}

static int run_import(struct planner *p, struct env *env, const struct import_def *def)
{
    bool has_implements = def->name.implements.len > 0;
    struct extern_source source = {
        .name = def->name.name,
        .interface = has_implements ? def->name.implements : def->name.name,
    };
    if (env->args) {
        source.actual = export_list_find(env->args, def->name.name);
        if (!source.actual)
            return plan_fail(p, -EINVAL, "instantiation lacks the argument `%.*s`",
                             STR_ARG(def->name.name));
    }
    if (def->type.sort != SORT_INSTANCE)
        source.interface = STR_EMPTY;
    struct entity entity;
    int rc = plan_extern(p, env, &def->type, &source, &entity);
    if (rc < 0)
        return rc;
    if (!env->args) {
        if (entity.sort == SORT_TYPE)
            entity.type = plan_declare_type(p, entity.type, def->name.name);
        env->imports.items[env->imports.len++] =
            (struct export_entry){def->name.name, entity, def->name.implements};
    }
    return plan_env_push(p, env, entity);
}

// A resource type of the component is called what it is first exported as.
static void name_resource(struct planner *p, const struct entity *entity, struct str name)
{
    if (entity->sort != SORT_TYPE || entity->type->kind != TYPE_DEF_RESOURCE)
        return;
    struct plan_resource *resource = plan_resource_of(p, entity->type->resource);
    if (resource->type.name.len == 0)
        resource->type.name = name;
}

static int run_export(struct planner *p, struct env *env, const struct export_def *def)
{
    struct entity entity;
    struct extern_source source = {.name = def->name.name, .interface = STR_EMPTY};
    int rc = 0;
    if (env->scope->kind == SCOPE_COMPONENT) {
        rc = plan_env_get(p, env, def->item.sort, def->item.index, &entity);
        source.actual = &entity;
    } else {
        source.interface = env->interface;
        if (env->actual) {
            source.actual = export_list_find(&env->actual->exports, def->name.name);
            if (!source.actual)
                return plan_fail(p, -EINVAL, "instance lacks the export `%.*s`",
                                 STR_ARG(def->name.name));
        }
    }
    if (rc == 0 && def->has_type)
        rc = plan_extern(p, env, &def->type, &source, &entity);
    if (rc < 0)
        return rc;
    name_resource(p, &entity, def->name.name);
    if (entity.sort == SORT_TYPE)
        entity.type = plan_declare_type(p, entity.type, def->name.name);
    plan_env_export(env, def->name.name, entity);
    env->exports.items[env->exports.len - 1].implements = def->name.implements;
    return plan_env_push(p, env, entity);
}

static int run_definition(struct planner *p, struct env *env, const struct definition *def)
{
    struct entity entity = {.sort = SORT_CORE_TYPE};
    int rc;
    switch (def->kind) {
    case DEF_CORE_MODULE:
        entity = (struct entity){.sort = SORT_CORE_MODULE, .module = def->module};
        return plan_env_push(p, env, entity);
    case DEF_CORE_INSTANCE:
        entity.sort = SORT_CORE_INSTANCE;
        if (p->types_only)
            return plan_env_push(p, env, entity);
        return plan_core_instance(p, env, def->instance);
    case DEF_CORE_TYPE:
        return plan_env_push(p, env, entity);
    case DEF_COMPONENT:
        return run_component(p, env, def->component);
    case DEF_INSTANCE:
        return run_instance(p, env, def->instance);
    case DEF_ALIAS:
        return run_alias(p, env, def->alias);
    case DEF_TYPE:
        rc = plan_type_def(p, env, def->type, &entity);
        return rc < 0 ? rc : plan_env_push(p, env, entity);
    case DEF_CANON:
        return plan_canon(p, env, def->canon);
    case DEF_IMPORT:
        return run_import(p, env, def->import);
    case DEF_EXPORT:
        return run_export(p, env, def->export);
    case DEF_START:
    case DEF_VALUE:
        return plan_fail(p, -ENOTSUP, "component uses values, which this build does not run");
    }
    return 0;
}

int plan_env_run(struct planner *p, struct env *env)
{
    const struct definition *outer = p->def;
    for (uint32_t i = 0; i < env->scope->def_count; i++) {
        p->def = &env->scope->defs[i];
        int rc = run_definition(p, env, p->def);
        if (rc < 0)
            return rc;
    }
    p->def = outer;
    return export_list_sort(p, &env->exports);
}

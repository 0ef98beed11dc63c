// SPDX-License-Identifier: Apache-2.0
// Core instances: which definition every import of a core module gets.
#include <errno.h>

#include "component/planner.h"

static const enum core_extern_kind core_kinds[] = {
    [SORT_CORE_FUNC] = CORE_FUNC,     [SORT_CORE_TABLE] = CORE_TABLE,
    [SORT_CORE_MEMORY] = CORE_MEMORY, [SORT_CORE_GLOBAL] = CORE_GLOBAL,
    [SORT_CORE_TAG] = CORE_TAG,
};

static int export_of_bundle(struct planner *p, const struct core_instance *instance, enum sort sort,
                            struct str name, struct entity *out)
{
    const struct entity *found = export_list_find(&instance->exports, name);
    if (!found || found->sort != sort)
        return plan_fail(p, -EINVAL, "core instance has no %s `%.*s`", sort_name(sort),
                         STR_ARG(name));
    *out = *found;
    return 0;
}

int plan_core_export(struct planner *p, const struct core_instance *instance, enum sort sort,
                     struct str name, struct entity *out)
{
    if (instance->is_bundle)
        return export_of_bundle(p, instance, sort, name, out);
    const struct core_export *export = core_module_find_export(instance->module, name);
    if (!export || export->kind != core_kinds[sort])
        return plan_fail(p, -EINVAL, "core instance has no %s `%.*s`", sort_name(sort),
                         STR_ARG(name));
    struct core_item *item = plan_scratch(p, struct core_item);
    item->ref = (struct core_ref){
        .kind = CORE_REF_EXPORT, .type = export->kind, .index = instance->number, .name = name};
    item->func = export->func;
    item->may_be_64 = export->kind == CORE_MEMORY && instance->module->has_memory64;
    *out = (struct entity){.sort = sort, .core = item};
    return 0;
}

static int import_arg(struct planner *p, const struct export_list *args,
                      const struct core_import *import, const struct core_item **out)
{
    const struct entity *arg = export_list_find(args, import->module);
    if (!arg)
        return plan_fail(p, -EINVAL, "core module imports from `%.*s`, which is no argument",
                         STR_ARG(import->module));
    struct entity entity;
    // The core kinds are in the order of their sorts.
    enum sort sort = (enum sort)(SORT_CORE_FUNC + import->kind);
    int rc = plan_core_export(p, arg->core_instance, sort, import->name, &entity);
    if (rc < 0)
        return rc;
    if (import->kind == CORE_FUNC && !core_func_type_equal(entity.core->func, import->func)) {
        struct str want = core_func_type_text(import->func, &p->scratch);
        struct str have = core_func_type_text(entity.core->func, &p->scratch);
        return plan_fail(p, -EINVAL, "core module imports `%.*s` `%.*s` as %.*s, it is %.*s",
                         STR_ARG(import->module), STR_ARG(import->name), STR_ARG(want),
                         STR_ARG(have));
    }
    *out = entity.core;
    return 0;
}

static int instantiate_module(struct planner *p, const struct core_module *module,
                              const struct export_list *args, struct core_instance *out)
{
    if (p->steps.len >= PLAN_STEPS_MAX)
        return plan_fail(p, -E2BIG, "more than %d core instances", PLAN_STEPS_MAX);
    int rc = plan_charge(p, module->import_count);
    const struct core_item **items =
        plan_scratch_array(p, const struct core_item *, module->import_count);
    for (uint32_t i = 0; i < module->import_count && rc == 0; i++)
        rc = import_arg(p, args, &module->imports[i], &items[i]);
    if (rc < 0)
        return rc;
    out->module = module;
    out->number = p->core_instance_count++;
    *vec_push(&p->steps) = (struct work_step){
        .kind = STEP_INSTANTIATE, .module = module, .instance = out->number, .args = items};
    return 0;
}

int plan_core_instance(struct planner *p, struct env *env, const struct instance_def *def)
{
    struct core_instance *instance = plan_scratch(p, struct core_instance);
    struct export_list list = {.items =
                                   plan_scratch_array(p, struct export_entry, def->item_count)};
    int rc = plan_charge(p, def->item_count);
    for (uint32_t i = 0; i < def->item_count && rc == 0; i++) {
        struct export_entry *entry = &list.items[list.len++];
        entry->name = def->items[i].name;
        rc =
            plan_env_get(p, env, def->items[i].item.sort, def->items[i].item.index, &entry->entity);
    }
    if (rc == 0)
        rc = export_list_sort(p, &list);
    if (rc < 0)
        return rc;
    if (def->is_bundle) {
        *instance = (struct core_instance){.is_bundle = true, .exports = list};
    } else {
        struct entity module;
        rc = plan_env_get(p, env, SORT_CORE_MODULE, def->target, &module);
        if (rc == 0)
            rc = instantiate_module(p, module.module, &list, instance);
    }
    if (rc < 0)
        return rc;
    return plan_env_push(p, env,
                         (struct entity){.sort = SORT_CORE_INSTANCE, .core_instance = instance});
}

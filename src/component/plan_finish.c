// SPDX-License-Identifier: Apache-2.0
// From what was evaluated to the plan: marks what exports and effects of instantiation need, then
// numbers it in order.
#include <errno.h>

#include "base/map.h"
#include "component/planner.h"

struct finish {
    struct planner *p;
    uint32_t *step_of; // by working number of core instance
    // To be looked at: indices of steps, or of trampolines with the top bit set.
    VEC(uint32_t) pending;
    VEC(struct comp_func *) funcs;        // lifted ones that are needed
    VEC(struct comp_func *) export_funcs; // of each export
    bool *resource_seen;
    // Final lists.
    VEC(struct core_ref) memories;
    VEC(struct core_ref) slots;
    VEC(struct core_ref) tables;
    VEC(struct plan_builtin) builtins;
    VEC(struct plan_lifted) lifted;
    VEC(struct plan_import) imports;
    VEC(struct plan_export) exports;
    VEC(struct plan_module) modules;
    struct map memory_slots; // key: the reference as text; value: index + 1
    struct map func_slots;
    struct map module_slots;
};

#define PENDING_TRAMPOLINE 0x80000000u

// ---- marking ------------------------------------------------------------------------------------

static void mark_step(struct finish *f, uint32_t step)
{
    if (f->p->steps.items[step].is_live)
        return;
    f->p->steps.items[step].is_live = true;
    *vec_push(&f->pending) = step;
}

static void mark_trampoline(struct finish *f, uint32_t index)
{
    // Any number but PLAN_NONE says "live" until the final ones are given.
    if (f->p->trampolines.items[index].index != PLAN_NONE)
        return;
    f->p->trampolines.items[index].index = 0;
    *vec_push(&f->pending) = index | PENDING_TRAMPOLINE;
}

// `needs_instance`: the user takes the instance as it is, instead of calling it through the host.
static int mark_item(struct finish *f, const struct core_item *item, bool needs_instance)
{
    bool through_shim;
    if (!item)
        return 0;
    int rc = plan_resolve_shim(f->p, item, &item, &through_shim);
    if (rc < 0)
        return rc;
    if (item->ref.kind == CORE_REF_TRAMPOLINE) {
        mark_trampoline(f, item->ref.index);
        return 0;
    }
    uint32_t step = f->step_of[item->ref.index];
    mark_step(f, step);
    f->p->steps.items[step].is_eager |= needs_instance;
    return 0;
}

static int mark_options(struct finish *f, const struct work_options *options)
{
    int rc = mark_item(f, options->memory, true);
    if (rc == 0)
        rc = mark_item(f, options->realloc, false);
    if (rc == 0)
        rc = mark_item(f, options->post_return, true);
    if (rc == 0)
        rc = mark_item(f, options->callback, true);
    return rc;
}

static int mark_func(struct finish *f, struct comp_func *func)
{
    if (func->is_import || func->index != PLAN_NONE)
        return 0;
    func->index = 0;
    *vec_push(&f->funcs) = func;
    int rc = mark_item(f, func->core, true);
    return rc < 0 ? rc : mark_options(f, &func->options);
}

static int mark_resource(struct finish *f, uint32_t resource)
{
    if (f->resource_seen[resource])
        return 0;
    f->resource_seen[resource] = true;
    return mark_item(f, f->p->dtors[resource], true);
}

static int follow_trampoline(struct finish *f, uint32_t index)
{
    const struct work_trampoline *trampoline = &f->p->trampolines.items[index];
    switch (trampoline->kind) {
    case TRAMPOLINE_IMPORT:
        return mark_options(f, &trampoline->options);
    case TRAMPOLINE_LIFTED: {
        int rc = mark_func(f, trampoline->func);
        return rc < 0 ? rc : mark_options(f, &f->p->trampolines.items[index].options);
    }
    case TRAMPOLINE_RESOURCE_NEW:
    case TRAMPOLINE_RESOURCE_DROP:
    case TRAMPOLINE_RESOURCE_REP:
        return mark_resource(f, trampoline->resource);
    case TRAMPOLINE_FORWARD:
        return mark_item(f, trampoline->forward, false);
    case TRAMPOLINE_BUILTIN: {
        int rc = mark_item(f, trampoline->table, true);
        return rc < 0 ? rc : mark_options(f, &f->p->trampolines.items[index].options);
    }
    }
    return 0;
}

// A function of an instance that is reached through a shim becomes a host function that forwards.
static int forward_arg(struct finish *f, const struct core_item **arg)
{
    bool through_shim;
    const struct core_item *item;
    int rc = plan_resolve_shim(f->p, *arg, &item, &through_shim);
    if (rc < 0)
        return rc;
    if (!through_shim || item->ref.kind == CORE_REF_TRAMPOLINE) {
        *arg = item;
        return mark_item(f, item, true);
    }
    if (f->p->trampolines.len >= PLAN_TRAMPOLINES_MAX)
        return plan_fail(f->p, -E2BIG, "more than %d host functions", PLAN_TRAMPOLINES_MAX);
    struct core_item *forward = plan_scratch(f->p, struct core_item);
    forward->ref = (struct core_ref){.kind = CORE_REF_TRAMPOLINE,
                                     .type = CORE_FUNC,
                                     .index = (uint32_t)f->p->trampolines.len,
                                     .name = STR_EMPTY};
    forward->func = item->func;
    *vec_push(&f->p->trampolines) = (struct work_trampoline){
        .kind = TRAMPOLINE_FORWARD, .forward = item, .core_type = item->func, .index = PLAN_NONE};
    *arg = forward;
    return mark_item(f, forward, true);
}

static int follow_step(struct finish *f, uint32_t index)
{
    struct work_step *step = &f->p->steps.items[index];
    if (step->kind == STEP_CALL)
        return mark_item(f, step->func, true);
    int rc = 0;
    for (uint32_t i = 0; i < step->module->import_count && rc == 0; i++)
        rc = forward_arg(f, &step->args[i]);
    return rc;
}

static bool has_effects(const struct work_step *step)
{
    return step->kind == STEP_CALL || step->module->has_start || step->module->writes_imports ||
           step->module->may_not_fit; // then instantiation may trap
}

static int mark_export(struct finish *f, struct str interface, const struct export_entry *entry)
{
    struct comp_func *func = entry->entity.func;
    *vec_push(&f->exports) = (struct plan_export){.interface = interface,
                                                  .name = entry->name,
                                                  .type = func->type,
                                                  .lifted = PLAN_NONE,
                                                  .import = PLAN_NONE};
    *vec_push(&f->export_funcs) = func;
    return mark_func(f, func);
}

static int mark_exports(struct finish *f, const struct export_list *exports)
{
    int rc = 0;
    for (uint32_t i = 0; i < exports->len && rc == 0; i++) {
        const struct export_entry *entry = &exports->items[i];
        if (entry->entity.sort == SORT_FUNC)
            rc = mark_export(f, STR_EMPTY, entry);
        if (entry->entity.sort != SORT_INSTANCE)
            continue;
        const struct export_list *inner = &entry->entity.instance->exports;
        for (uint32_t j = 0; j < inner->len && rc == 0; j++)
            if (inner->items[j].entity.sort == SORT_FUNC)
                rc = mark_export(f, entry->name, &inner->items[j]);
    }
    return rc;
}

static int mark_all(struct finish *f, const struct env *root)
{
    int rc = mark_exports(f, &root->exports);
    for (size_t i = 0; i < f->p->steps.len; i++) {
        struct work_step *step = &f->p->steps.items[i];
        if (step->is_dropped || !has_effects(step))
            continue;
        step->is_eager = true;
        mark_step(f, (uint32_t)i);
    }
    while (rc == 0 && f->pending.len > 0) {
        uint32_t next = f->pending.items[--f->pending.len];
        rc = next & PENDING_TRAMPOLINE ? follow_trampoline(f, next & ~PENDING_TRAMPOLINE)
                                       : follow_step(f, next);
    }
    return rc;
}

// ---- numbering ----------------------------------------------------------------------------------

static void number_steps(struct finish *f)
{
    uint32_t count = 0;
    for (size_t i = 0; i < f->p->steps.len; i++) {
        struct work_step *step = &f->p->steps.items[i];
        if (step->is_live && step->kind == STEP_INSTANTIATE)
            step->index = count++;
    }
    f->p->plan->core_instance_count = count;
    count = 0;
    for (size_t i = 0; i < f->p->trampolines.len; i++) {
        struct work_trampoline *trampoline = &f->p->trampolines.items[i];
        if (trampoline->index != PLAN_NONE)
            trampoline->index = count++;
    }
    f->p->plan->trampoline_count = count;
}

// Items were marked before, so their shims resolve.
static struct core_ref final_ref(struct finish *f, const struct core_item *item)
{
    bool through_shim;
    if (plan_resolve_shim(f->p, item, &item, &through_shim) < 0)
        return item->ref;
    struct core_ref ref = item->ref;
    if (ref.kind == CORE_REF_TRAMPOLINE)
        ref.index = f->p->trampolines.items[ref.index].index;
    else
        ref.index = f->p->steps.items[f->step_of[ref.index]].index;
    return ref;
}

static struct str ref_key(struct finish *f, const struct core_ref *ref)
{
    return arena_printf(&f->p->scratch, "%d %u %.*s", ref->kind, ref->index, STR_ARG(ref->name));
}

static uint32_t func_slot(struct finish *f, const struct core_item *item)
{
    if (!item)
        return PLAN_NONE;
    struct core_ref ref = final_ref(f, item);
    struct str key = ref_key(f, &ref);
    uintptr_t found = (uintptr_t)map_get(&f->func_slots, key);
    if (found == 0) {
        *vec_push(&f->slots) = ref;
        found = f->slots.len;
        (void)map_put(&f->func_slots, key, (void *)found);
    }
    return (uint32_t)(found - 1);
}

static uint32_t memory_slot(struct finish *f, const struct core_item *item)
{
    if (!item)
        return PLAN_NONE;
    struct core_ref ref = final_ref(f, item);
    struct str key = ref_key(f, &ref);
    uintptr_t found = (uintptr_t)map_get(&f->memory_slots, key);
    if (found == 0) {
        *vec_push(&f->memories) = ref;
        found = f->memories.len;
        (void)map_put(&f->memory_slots, key, (void *)found);
    }
    return (uint32_t)(found - 1);
}

static uint32_t module_slot(struct finish *f, const struct work_step *step)
{
    struct str key = str_of((const char *)&step->module, sizeof(step->module));
    uintptr_t found = (uintptr_t)map_get(&f->module_slots, key);
    if (found == 0) {
        *vec_push(&f->modules) = (struct plan_module){.core = step->module};
        found = f->modules.len;
        (void)map_put(&f->module_slots, key, (void *)found);
    }
    return (uint32_t)(found - 1);
}

static struct canon_options final_options(struct finish *f, const struct work_options *options)
{
    return (struct canon_options){
        .component_instance = options->component_instance,
        .encoding = options->encoding,
        .memory = memory_slot(f, options->memory),
        .realloc = func_slot(f, options->realloc),
        .post_return = func_slot(f, options->post_return),
        .callback = func_slot(f, options->callback),
        .is_async = options->is_async,
    };
}

static void number_import(struct finish *f, struct comp_func *func)
{
    if (func->index != PLAN_NONE)
        return;
    func->index = (uint32_t)f->imports.len;
    *vec_push(&f->imports) =
        (struct plan_import){.interface = func->interface, .name = func->name, .type = func->type};
}

static void number_lifted(struct finish *f)
{
    for (size_t i = 0; i < f->funcs.len; i++) {
        struct comp_func *func = f->funcs.items[i];
        func->index = (uint32_t)i;
        struct plan_lifted lifted = {
            .type = func->type,
            .options = final_options(f, &func->options),
            .func = func_slot(f, func->core),
        };
        lifted.name = f->slots.items[lifted.func].name;
        *vec_push(&f->lifted) = lifted;
    }
}

static void number_builtin(struct finish *f, const struct work_trampoline *from,
                           struct plan_trampoline *out)
{
    struct plan_builtin builtin = *from->builtin;
    if (from->table) {
        builtin.table = (uint32_t)f->tables.len;
        *vec_push(&f->tables) = final_ref(f, from->table);
    }
    out->target = (uint32_t)f->builtins.len;
    *vec_push(&f->builtins) = builtin;
}

static struct plan_trampoline final_trampoline(struct finish *f, const struct work_trampoline *from)
{
    struct plan_trampoline out = {
        .kind = from->kind,
        .options = final_options(f, &from->options),
        .core_type = from->core_type,
    };
    switch (from->kind) {
    case TRAMPOLINE_IMPORT:
        number_import(f, from->func);
        out.target = from->func->index;
        break;
    case TRAMPOLINE_LIFTED:
        out.target = from->func->index;
        break;
    case TRAMPOLINE_RESOURCE_NEW:
    case TRAMPOLINE_RESOURCE_DROP:
    case TRAMPOLINE_RESOURCE_REP:
        out.target = from->resource;
        break;
    case TRAMPOLINE_FORWARD:
        out.target = func_slot(f, from->forward);
        break;
    case TRAMPOLINE_BUILTIN:
        number_builtin(f, from, &out);
        break;
    }
    return out;
}

static void put_trampolines(struct finish *f)
{
    struct plan *plan = f->p->plan;
    plan->trampolines =
        arena_new_array(&plan->arena, struct plan_trampoline, plan->trampoline_count);
    for (size_t i = 0; i < f->p->trampolines.len; i++) {
        const struct work_trampoline *from = &f->p->trampolines.items[i];
        if (from->index != PLAN_NONE)
            plan->trampolines[from->index] = final_trampoline(f, from);
    }
}

static struct plan_step final_step(struct finish *f, const struct work_step *from)
{
    if (from->kind == STEP_CALL)
        return (struct plan_step){.kind = STEP_CALL,
                                  .module = PLAN_NONE,
                                  .instance = PLAN_NONE,
                                  .func = func_slot(f, from->func)};
    struct core_ref *args =
        arena_new_array(&f->p->plan->arena, struct core_ref, from->module->import_count);
    for (uint32_t i = 0; i < from->module->import_count; i++)
        args[i] = final_ref(f, from->args[i]);
    return (struct plan_step){
        .kind = STEP_INSTANTIATE,
        .module = module_slot(f, from),
        .instance = from->index,
        .args = args,
        .arg_count = from->module->import_count,
        .is_lazy = !from->is_eager,
        .func = PLAN_NONE,
    };
}

static void put_steps(struct finish *f)
{
    struct plan *plan = f->p->plan;
    plan->steps = arena_new_array(&plan->arena, struct plan_step, f->p->steps.len);
    for (size_t i = 0; i < f->p->steps.len; i++)
        if (f->p->steps.items[i].is_live)
            plan->steps[plan->step_count++] = final_step(f, &f->p->steps.items[i]);
}

static void put_exports(struct finish *f)
{
    for (size_t i = 0; i < f->exports.len; i++) {
        struct comp_func *func = f->export_funcs.items[i];
        if (func->is_import) {
            number_import(f, func);
            f->exports.items[i].import = func->index;
        } else {
            f->exports.items[i].lifted = func->index;
        }
    }
}

#define PUT(f, list, field, count)                                                                 \
    do {                                                                                           \
        struct plan *plan_ = (f)->p->plan;                                                         \
        plan_->count = (uint32_t)(f)->list.len;                                                    \
        plan_->field = arena_alloc_array(&plan_->arena, (f)->list.len, sizeof(*plan_->field));     \
        if ((f)->list.len > 0)                                                                     \
            memcpy(plan_->field, (f)->list.items, (f)->list.len * sizeof(*plan_->field));          \
    } while (0)

// The nearest component instance around each that has canonical definitions.
static void put_parents(struct finish *f)
{
    struct plan *plan = f->p->plan;
    plan->component_parents =
        arena_new_array(&plan->arena, uint32_t, plan->component_instance_count);
    for (uint32_t i = 0; i < plan->component_instance_count; i++) {
        const struct env *owner = f->p->component_envs.items[i]->owner;
        while (owner && owner->component_instance == PLAN_NONE)
            owner = owner->owner;
        plan->component_parents[i] = owner ? owner->component_instance : PLAN_NONE;
    }
}

static void put_all(struct finish *f)
{
    struct plan *plan = f->p->plan;
    number_steps(f);
    number_lifted(f);
    put_trampolines(f);
    put_steps(f);
    put_exports(f);
    for (uint32_t i = 0; i < plan->resource_count; i++)
        if (f->resource_seen[i])
            plan->resources[i].dtor = func_slot(f, f->p->dtors[i]);
    PUT(f, memories, memories, memory_count);
    PUT(f, slots, funcs, func_count);
    PUT(f, tables, tables, table_count);
    PUT(f, builtins, builtins, builtin_count);
    put_parents(f);
    PUT(f, lifted, lifted, lifted_count);
    PUT(f, imports, imports, import_count);
    PUT(f, exports, exports, export_count);
    PUT(f, modules, modules, module_count);
}

static int check_limits(struct finish *f)
{
    struct plan *plan = f->p->plan;
    if (plan->module_count > PLAN_MODULES_MAX)
        return plan_fail(f->p, -E2BIG, "%u core modules, more than %d", plan->module_count,
                         PLAN_MODULES_MAX);
    if (plan->import_count > PLAN_IMPORTS_MAX)
        return plan_fail(f->p, -E2BIG, "%u imported functions, more than %d", plan->import_count,
                         PLAN_IMPORTS_MAX);
    return 0;
}

static void finish_done(struct finish *f)
{
    vec_done(&f->pending);
    vec_done(&f->funcs);
    vec_done(&f->export_funcs);
    vec_done(&f->memories);
    vec_done(&f->slots);
    vec_done(&f->tables);
    vec_done(&f->builtins);
    vec_done(&f->lifted);
    vec_done(&f->imports);
    vec_done(&f->exports);
    vec_done(&f->modules);
    map_done(&f->memory_slots);
    map_done(&f->func_slots);
    map_done(&f->module_slots);
}

int plan_finish(struct planner *p, const struct env *root)
{
    struct finish f = {.p = p};
    f.step_of = plan_scratch_array(p, uint32_t, p->core_instance_count);
    for (size_t i = 0; i < p->steps.len; i++)
        f.step_of[p->steps.items[i].instance] = (uint32_t)i;
    f.resource_seen = plan_scratch_array(p, bool, p->plan->resource_count);
    int rc = mark_all(&f, root);
    if (rc == 0) {
        put_all(&f);
        rc = check_limits(&f);
    }
    finish_done(&f);
    return rc;
}

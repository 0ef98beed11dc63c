// SPDX-License-Identifier: Apache-2.0
#include "component/plan_merge.h"

#include "base/map.h"
#include "base/vec.h"
#include "component/core_merge.h"

// Export names of a merged module: prefixes by part, and the adapter's start function.
static const char *const part_names[CORE_PARTS] = {"main:", "adapter:"};
#define ADAPTER_START "adapter start"

// Two steps that may become one.
struct pair {
    struct plan *plan;
    struct arena scratch; // keys
    struct core_merge *merge;
    struct plan_step *steps[CORE_PARTS];
    VEC(struct core_merge_import) imports;
    VEC(struct core_ref) args; // of the merged step, one per import
    VEC(struct core_merge_export) exports;
    struct map slots;   // index + 1 in `imports` by what the import is
    struct map renamed; // index + 1 in `exports` by name
};

// ---- choice -------------------------------------------------------------------------------------

static uint32_t module_uses(const struct plan *plan, uint32_t module)
{
    uint32_t uses = 0;
    for (uint32_t i = 0; i < plan->step_count; i++)
        uses += plan->steps[i].kind == STEP_INSTANTIATE && plan->steps[i].module == module;
    return uses;
}

static struct plan_step *step_of(const struct plan *plan, uint32_t core)
{
    for (uint32_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].kind == STEP_INSTANTIATE && plan->steps[i].instance == core)
            return &plan->steps[i];
    return NULL;
}

// The one core instance whose exports a step takes; PLAN_NONE with none or several.
static uint32_t only_source(const struct plan_step *step)
{
    uint32_t source = PLAN_NONE;
    for (uint32_t i = 0; i < step->arg_count; i++) {
        if (step->args[i].kind != CORE_REF_EXPORT)
            continue;
        if (source != PLAN_NONE && source != step->args[i].index)
            return PLAN_NONE;
        source = step->args[i].index;
    }
    return source;
}

static bool is_mergeable(const struct plan *plan, const struct plan_step *step)
{
    return !plan->modules[step->module].merge && module_uses(plan, step->module) == 1;
}

// The adapter's start function stays a step of its own. Until then, no guest code may run that
// could call functions of an adapter that has not started.
static bool starts_in_order(const struct plan *plan, const struct plan_step *main,
                            const struct plan_step *adapter)
{
    const struct core_module *module = plan->modules[adapter->module].core;
    if (!module->has_start)
        return true;
    // A call takes its type for granted, where a start function would be checked.
    const struct core_func_type *type = module->funcs[module->start];
    if (plan->modules[main->module].core->has_start || type->params.len > 0 ||
        type->results.len > 0)
        return false;
    for (const struct plan_step *step = main + 1; step < adapter; step++)
        if (step->kind != STEP_INSTANTIATE || !step->is_lazy)
            return false;
    return !adapter->is_lazy;
}

// The step that `adapter` can become a part of, or NULL.
static struct plan_step *find_main(const struct plan *plan, const struct plan_step *adapter)
{
    if (adapter->kind != STEP_INSTANTIATE || !is_mergeable(plan, adapter) ||
        !core_merge_suits_adapter(plan->modules[adapter->module].core))
        return NULL;
    uint32_t source = only_source(adapter);
    struct plan_step *main = source == PLAN_NONE ? NULL : step_of(plan, source);
    bool suits = main && main < adapter && !main->is_lazy && is_mergeable(plan, main);
    return suits && starts_in_order(plan, main, adapter) ? main : NULL;
}

// ---- bindings -----------------------------------------------------------------------------------

// What a reference is once a host function that only forwards is seen through.
static const struct core_ref *see_through(const struct plan *plan, const struct core_ref *ref)
{
    if (ref->kind != CORE_REF_TRAMPOLINE)
        return ref;
    const struct plan_trampoline *trampoline = &plan->trampolines[ref->index];
    return trampoline->kind == TRAMPOLINE_FORWARD ? &plan->funcs[trampoline->target] : ref;
}

static bool part_of(const struct pair *pair, const struct core_ref *ref, enum core_part *out)
{
    for (uint32_t part = 0; part < CORE_PARTS; part++)
        if (ref->kind == CORE_REF_EXPORT && ref->index == pair->steps[part]->instance) {
            *out = (enum core_part)part;
            return true;
        }
    return false;
}

// An import that stays one; the same for all that take the same thing.
static bool keep_import(struct pair *pair, enum core_part part, uint32_t index,
                        struct core_binding *out)
{
    const struct core_import *import = &pair->merge->parts[part]->imports[index];
    const struct core_ref *ref = &pair->steps[part]->args[index];
    if (import->kind != CORE_FUNC)
        return false;
    struct str key =
        arena_printf(&pair->scratch, "%d %u %.*s", ref->kind, ref->index, STR_ARG(ref->name));
    uintptr_t slot = (uintptr_t)map_get(&pair->slots, key);
    if (slot == 0) {
        *vec_push(&pair->imports) =
            (struct core_merge_import){part, import->type.type, import->func};
        *vec_push(&pair->args) = *ref;
        slot = pair->imports.len;
        (void)map_put(&pair->slots, key, (void *)slot);
    }
    *out = (struct core_binding){.is_import = true, .index = (uint32_t)(slot - 1)};
    return true;
}

static bool bind_import(struct pair *pair, enum core_part part, uint32_t index,
                        struct core_binding *out)
{
    const struct core_module *module = pair->merge->parts[part];
    const struct core_ref *ref = see_through(pair->plan, &pair->steps[part]->args[index]);
    enum core_part target;
    if (!part_of(pair, ref, &target))
        return keep_import(pair, part, index, out);
    return core_merge_bind(module, index, target, pair->merge->parts[target], ref->name, out);
}

static bool bind_part(struct pair *pair, enum core_part part)
{
    const struct core_module *module = pair->merge->parts[part];
    struct core_binding *bindings =
        arena_new_array(&pair->plan->arena, struct core_binding, module->import_count);
    for (uint32_t i = 0; i < module->import_count; i++)
        if (!bind_import(pair, part, i, &bindings[i]))
            return false;
    pair->merge->bindings[part] = bindings;
    return true;
}

// ---- the plan -----------------------------------------------------------------------------------

// A use of one of the pair's exports becomes one of the merged module's.
static void move_ref(struct core_ref *ref, void *arg)
{
    struct pair *pair = arg;
    enum core_part part;
    if (!part_of(pair, ref, &part))
        return;
    struct str name =
        arena_printf(&pair->plan->arena, "%s%.*s", part_names[part], STR_ARG(ref->name));
    if (!map_get(&pair->renamed, name)) {
        const struct core_export *export =
            core_module_find_export(pair->merge->parts[part], ref->name);
        *vec_push(&pair->exports) =
            (struct core_merge_export){name, part, export->kind, export->index};
        (void)map_put(&pair->renamed, name, pair);
    }
    ref->index = pair->steps[CORE_PART_MAIN]->instance;
    ref->name = name;
}

static void *copy_items(struct arena *arena, const void *items, size_t len, size_t size)
{
    void *copy = arena_alloc_array(arena, len, size);
    if (len > 0)
        memcpy(copy, items, len * size);
    return copy;
}

static void each_of(struct core_ref *refs, uint32_t count,
                    void (*visit)(struct core_ref *ref, void *arg), void *arg)
{
    for (uint32_t i = 0; i < count; i++)
        visit(&refs[i], arg);
}

// Everything in the plan that names core instances. Arguments were made by the planner and belong
// to the plan: they may be changed.
static void each_ref(struct plan *plan, void (*visit)(struct core_ref *ref, void *arg), void *arg)
{
    each_of(plan->memories, plan->memory_count, visit, arg);
    each_of(plan->funcs, plan->func_count, visit, arg);
    each_of(plan->tables, plan->table_count, visit, arg);
    for (uint32_t i = 0; i < plan->step_count; i++)
        each_of((struct core_ref *)plan->steps[i].args, plan->steps[i].arg_count, visit, arg);
}

// Core instances stay numbered without gaps.
static void close_gap(struct core_ref *ref, void *arg)
{
    const uint32_t *gone = arg;
    ref->index -= ref->kind == CORE_REF_EXPORT && ref->index > *gone;
}

static void remove_core(struct plan *plan, uint32_t gone)
{
    each_ref(plan, close_gap, &gone);
    for (uint32_t i = 0; i < plan->step_count; i++)
        plan->steps[i].instance -=
            plan->steps[i].kind == STEP_INSTANTIATE && plan->steps[i].instance > gone;
    plan->core_instance_count--;
}

static void remove_module(struct plan *plan, uint32_t gone)
{
    for (uint32_t i = gone; i + 1 < plan->module_count; i++)
        plan->modules[i] = plan->modules[i + 1];
    plan->module_count--;
    for (uint32_t i = 0; i < plan->step_count; i++)
        plan->steps[i].module -=
            plan->steps[i].kind == STEP_INSTANTIATE && plan->steps[i].module > gone;
}

static void remove_step(struct plan *plan, struct plan_step *step)
{
    size_t index = (size_t)(step - plan->steps);
    memmove(step, step + 1, (plan->step_count - index - 1) * sizeof(*step));
    plan->step_count--;
}

static uint32_t add_func(struct plan *plan, struct core_ref ref)
{
    struct core_ref *funcs =
        arena_new_array(&plan->arena, struct core_ref, (size_t)plan->func_count + 1);
    if (plan->func_count > 0)
        memcpy(funcs, plan->funcs, plan->func_count * sizeof(*funcs));
    funcs[plan->func_count] = ref;
    plan->funcs = funcs;
    return plan->func_count++;
}

// The adapter's step only calls its start function from here on.
static void keep_start(struct pair *pair)
{
    struct plan_step *step = pair->steps[CORE_PART_ADAPTER];
    *vec_push(&pair->exports) =
        (struct core_merge_export){STR(ADAPTER_START), CORE_PART_ADAPTER, CORE_FUNC,
                                   pair->merge->parts[CORE_PART_ADAPTER]->start};
    struct core_ref start = {.kind = CORE_REF_EXPORT,
                             .type = CORE_FUNC,
                             .index = pair->steps[CORE_PART_MAIN]->instance,
                             .name = STR(ADAPTER_START)};
    *step = (struct plan_step){.kind = STEP_CALL,
                               .module = PLAN_NONE,
                               .instance = PLAN_NONE,
                               .func = add_func(pair->plan, start)};
}

static void put_merged(struct pair *pair)
{
    struct plan *plan = pair->plan;
    struct core_merge *merge = pair->merge;
    struct plan_step *main = pair->steps[CORE_PART_MAIN];
    struct plan_step *adapter = pair->steps[CORE_PART_ADAPTER];
    uint32_t gone = adapter->instance;
    main->args =
        copy_items(&plan->arena, pair->args.items, pair->args.len, sizeof(struct core_ref));
    main->arg_count = (uint32_t)pair->args.len;
    adapter->arg_count = 0;
    each_ref(plan, move_ref, pair);
    remove_module(plan, adapter->module);
    if (merge->parts[CORE_PART_ADAPTER]->has_start)
        keep_start(pair);
    else
        remove_step(plan, adapter);
    remove_core(plan, gone);
    merge->exports =
        copy_items(&plan->arena, pair->exports.items, pair->exports.len, sizeof(*merge->exports));
    merge->export_count = (uint32_t)pair->exports.len;
    struct core_module *outline = arena_new(&plan->arena, struct core_module);
    core_merge_outline(merge, &plan->arena, outline);
    plan->modules[main->module] = (struct plan_module){.core = outline, .merge = merge};
}

static bool bind_pair(struct pair *pair)
{
    struct core_merge *merge = pair->merge;
    for (uint32_t part = 0; part < CORE_PARTS; part++)
        merge->parts[part] = pair->plan->modules[pair->steps[part]->module].core;
    if (!bind_part(pair, CORE_PART_MAIN) || !bind_part(pair, CORE_PART_ADAPTER))
        return false;
    merge->imports = copy_items(&pair->plan->arena, pair->imports.items, pair->imports.len,
                                sizeof(*merge->imports));
    merge->import_count = (uint32_t)pair->imports.len;
    return core_merge_prepare(merge, &pair->plan->arena);
}

static bool merge_steps(struct plan *plan, struct plan_step *main, struct plan_step *adapter)
{
    struct pair pair = {
        .plan = plan,
        .scratch = ARENA_INIT(SIZE_MAX),
        .merge = arena_new(&plan->arena, struct core_merge),
        .steps = {main, adapter},
    };
    bool is_merged = bind_pair(&pair);
    if (is_merged)
        put_merged(&pair);
    vec_done(&pair.imports);
    vec_done(&pair.args);
    vec_done(&pair.exports);
    map_done(&pair.slots);
    map_done(&pair.renamed);
    arena_done(&pair.scratch);
    return is_merged;
}

void plan_merge(struct plan *plan)
{
    if (plan->step_count > PLAN_MERGE_STEPS_MAX)
        return;
    for (uint32_t i = 0; i < plan->step_count;) {
        struct plan_step *main = find_main(plan, &plan->steps[i]);
        // A merged adapter's step is gone, and the next one in its place.
        if (!main || !merge_steps(plan, main, &plan->steps[i]))
            i++;
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "engine/internal.h"

#include <assert.h>
#include <errno.h>

#include "component/limit.h"
#include "engine/wasmtime_extra.h"

#define INSTANCE_ARENA_BYTES_MAX ((size_t)64 << 20)

// ---- limits
// ---------------------------------------------------------------------------------------

static bool memory_growing(void *env, size_t current, size_t desired)
{
    struct instance *instance = env;
    uint64_t total = instance->memory_bytes - current + desired;
    if (total > instance->limits.memory_bytes_max) {
        instance->refused |= 1u << LIMIT_MEMORY;
        return false;
    }
    instance->memory_bytes = total;
    instance->memory_growth++;
    return true;
}

static bool table_growing(void *env, size_t current, size_t desired)
{
    struct instance *instance = env;
    uint64_t total = instance->table_elements - current + desired;
    if (total > instance->limits.table_elements_max) {
        instance->refused |= 1u << LIMIT_TABLE_ELEMENTS;
        return false;
    }
    instance->table_elements = total;
    return true;
}

// ---- slots
// ----------------------------------------------------------------------------------------

static int instantiate_on_fiber(struct instance *instance, uint32_t step, struct error *err);

// The step that makes a core instance.
static uint32_t step_of(const struct plan *plan, uint32_t core)
{
    uint32_t index = 0;
    while (plan->steps[index].kind != STEP_INSTANTIATE || plan->steps[index].instance != core)
        index++;
    return index;
}

// A lazy core instance is made when the first of its functions is asked for. Others are asked for
// too early only by guest code that runs while they are being made.
static int make_core(struct instance *instance, const struct core_ref *ref, struct error *err)
{
    if (instance->core_states[ref->index] == CORE_MAKING)
        return error_set(err, -EFAULT, "`%.*s` is used before its core instance has been made",
                         STR_ARG(ref->name));
    instance->made_lazily = true;
    return instantiate_on_fiber(instance, step_of(instance->plan, ref->index), err);
}

static int get_export(struct instance *instance, const struct core_ref *ref, wasmtime_extern_t *out,
                      struct error *err)
{
    if (unlikely(instance->core_states[ref->index] != CORE_MADE)) {
        int rc = make_core(instance, ref, err);
        if (rc < 0)
            return rc;
    }
    if (!wasmtime_instance_export_get(instance->context, &instance->cores[ref->index],
                                      ref->name.data, ref->name.len, out))
        return error_set(err, -ENOENT, "core instance %u has no export `%.*s`", ref->index,
                         STR_ARG(ref->name));
    return 0;
}

static void get_trampoline(struct instance *instance, uint32_t index, wasmtime_extern_t *out)
{
    char name[16];
    int len = snprintf(name, sizeof(name), "%u", index);
    bool found = wasmtime_linker_get(instance->linked->functions, instance->context, "t", 1, name,
                                     (size_t)len, out);
    assert(found);
}

static int resolve_ref(struct instance *instance, const struct core_ref *ref,
                       wasmtime_extern_t *out, struct error *err)
{
    if (ref->kind == CORE_REF_EXPORT)
        return get_export(instance, ref, out, err);
    get_trampoline(instance, ref->index, out);
    return 0;
}

int instance_func(struct instance *instance, uint32_t slot, wasmtime_func_t **out,
                  struct error *err)
{
    struct func_slot *func = &instance->funcs[slot];
    if (unlikely(!func->known)) {
        wasmtime_extern_t found;
        int rc = resolve_ref(instance, &instance->plan->funcs[slot], &found, err);
        if (rc < 0)
            return rc;
        func->func = found.of.func;
        func->known = true;
    }
    *out = &func->func;
    return 0;
}

int instance_table(struct instance *instance, uint32_t slot, wasmtime_extern_t *out,
                   struct error *err)
{
    return get_export(instance, &instance->plan->tables[slot], out, err);
}

static _apart_ void read_memory(struct instance *instance, struct memory_slot *slot)
{
    slot->data = wasmtime_memory_data(instance->context, &slot->memory);
    slot->size = wasmtime_memory_data_size(instance->context, &slot->memory);
    slot->growth = instance->memory_growth;
}

static _apart_ int find_memory(struct instance *instance, uint32_t slot, struct error *err)
{
    wasmtime_extern_t found;
    int rc = get_export(instance, &instance->plan->memories[slot], &found, err);
    if (rc < 0)
        return rc;
    instance->memories[slot] = (struct memory_slot){.memory = found.of.memory, .known = true};
    read_memory(instance, &instance->memories[slot]);
    return 0;
}

// ---- calls
// ----------------------------------------------------------------------------------------

static _inline_ void refresh_memory(struct canon_call *call)
{
    struct instance *instance = call->instance;
    const struct canon_options *options = call->options;
    if (options->memory == PLAN_NONE)
        return;
    struct memory_slot *slot = &instance->memories[options->memory];
    if (unlikely(slot->growth != instance->memory_growth))
        read_memory(instance, slot);
    call->memory = slot->data;
    call->memory_size = slot->size;
}

void instance_refresh_memory(struct canon_call *call)
{
    refresh_memory(call);
}

int instance_begin_call(struct instance *instance, const struct canon_options *options,
                        struct canon_call *call)
{
    call->encoding = options->encoding;
    call->handles = &instance->components[options->component_instance].handles;
    call->arena = likely(instance->running != NULL) ? &instance->running->arena : &instance->arena;
    call->host = instance->host;
    call->data = NULL;
    call->ops = &instance_canon_ops;
    call->instance = instance;
    call->options = options;
    call->lent_count = 0;
    call->lent_more = NULL;
    call->resources = instance->linked->canon_resources;
    call->component_instance = options->component_instance;
    call->borrows = 0;
    call->scope = NULL;
    call->async = &instance->async;
    call->job = NULL;
    call->is_async = options->is_async;
    call->teardown = false;
    call->may_leave = true;
    call->memory = NULL;
    call->memory_size = 0;
    if (options->memory != PLAN_NONE && unlikely(!instance->memories[options->memory].known)) {
        int rc = find_memory(instance, options->memory, call->error);
        if (rc < 0)
            return rc;
    }
    refresh_memory(call);
    return 0;
}

int instance_call_core(struct instance *instance, const wasmtime_func_t *func,
                       union core_value *values, size_t count, struct error *err)
{
    struct task *task = instance->running;
    if (unlikely(task->depth >= ENGINE_NESTING_MAX))
        return error_set(err, -EFAULT, "calls between host and guest nest deeper than %d",
                         ENGINE_NESTING_MAX);
    task->depth++;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = wasmtime_func_call_unchecked(
        instance->context, func, (wasmtime_val_raw_t *)values, count, &trap);
    task->depth--;
    return likely(!error && !trap) ? 0 : fault_take(error, trap, err);
}

// Calls a helper of the guest (realloc, post-return) that may not call imports.
static int call_helper(struct canon_call *call, uint32_t slot, union core_value *values,
                       size_t count)
{
    struct instance *instance = call->instance;
    const struct canon_options *options = call->options;
    struct async_instance *component = &instance->components[options->component_instance];
    wasmtime_func_t *func;
    int rc = instance_func(instance, slot, &func, call->error);
    if (rc < 0)
        return rc;
    bool outer = component->cannot_leave;
    component->cannot_leave = true;
    rc = instance_call_core(instance, func, values, count, call->error);
    component->cannot_leave = outer;
    refresh_memory(call);
    return rc;
}

static void swap_storage(struct async_thread *thread, uint64_t storage[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t inner = thread->storage[i];
        thread->storage[i] = storage[i];
        storage[i] = inner;
    }
}

static int canon_realloc(struct canon_call *call, uint32_t old, uint32_t old_size, uint32_t align,
                         uint32_t size, uint32_t *out)
{
    const struct canon_options *options = call->options;
    if (options->realloc == PLAN_NONE)
        return canon_trap(call,
                          "the function needs `realloc`, which its canonical definition lacks");
    union core_value values[4] = {{.u32 = old}, {.u32 = old_size}, {.u32 = align}, {.u32 = size}};
    // A task of its own as far as the guest can tell (CanonicalABI.md "Lifting and Lowering
    // Context"): its thread-local storage is new. The rest of a thread it may not ask for.
    struct async_thread *thread = call->async->current;
    uint64_t storage[2] = {0};
    if (likely(thread != NULL))
        swap_storage(thread, storage);
    int rc = call_helper(call, options->realloc, values, 4);
    if (likely(thread != NULL))
        swap_storage(thread, storage);
    if (rc == 0)
        *out = values[0].u32;
    return rc;
}

static int canon_invoke(struct canon_call *call, const void *func, union core_value *flat)
{
    int rc = async_invoke(call, func, flat);
    if (rc == 0)
        refresh_memory(call);
    return rc;
}

static int canon_post_return(struct canon_call *call, const void *func, union core_value *flat)
{
    const struct plan_lifted *lifted = func;
    if (lifted->options.post_return == PLAN_NONE)
        return 0;
    return call_helper(call, lifted->options.post_return, flat, TYPE_FLAT_MAX + 1);
}

const struct canon_ops instance_canon_ops = {
    .realloc = canon_realloc,
    .invoke = canon_invoke,
    .refresh = instance_refresh_memory,
    .post_return = canon_post_return,
};

int instance_enter(struct canon_call *call, const void *func)
{
    const struct plan_lifted *lifted = func;
    return instance_begin_call(call->instance, &lifted->options, call);
}

// ---- instantiation
// ----------------------------------------------------------------------------------

static int resolve_args(struct instance *instance, const struct plan_step *step,
                        wasmtime_extern_t *externs, struct error *err)
{
    for (uint32_t i = 0; i < step->arg_count; i++) {
        int rc = resolve_ref(instance, &step->args[i], &externs[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int instantiate_now(struct instance *instance, uint32_t index, struct error *err)
{
    const struct plan_step *step = &instance->plan->steps[index];
    wasmtime_instance_t *core = &instance->cores[step->instance];
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error;
    if (instance->linked->pre[index]) {
        error = wasmtime_instance_pre_instantiate(instance->linked->pre[index], instance->context,
                                                  core, &trap);
    } else {
        _cleanup_(mem_freep) wasmtime_extern_t *externs =
            mem_new_array(wasmtime_extern_t, step->arg_count);
        int rc = resolve_args(instance, step, externs, err);
        if (rc < 0)
            return rc;
        error = wasmtime_instance_new(instance->context,
                                      instance->linked->program->modules[step->module], externs,
                                      step->arg_count, core, &trap);
    }
    int rc = fault_take(error, trap, err);
    if (rc == 0)
        instance->core_states[step->instance] = CORE_MADE;
    return rc;
}

// The same from within a task: guest code may run, and wait.
static int instantiate_on_fiber(struct instance *instance, uint32_t index, struct error *err)
{
    const struct plan_step *step = &instance->plan->steps[index];
    wasmtime_instance_t *core = &instance->cores[step->instance];
    if (!instance->running)
        return instantiate_now(instance, index, err);
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error = NULL;
    wasmtime_call_future_t *future;
    if (instance->linked->pre[index]) {
        future = wasmtime_instance_pre_instantiate_async(instance->linked->pre[index],
                                                         instance->context, core, &trap, &error);
    } else {
        _cleanup_(mem_freep) wasmtime_extern_t *externs =
            mem_new_array(wasmtime_extern_t, step->arg_count);
        int rc = resolve_args(instance, step, externs, err);
        if (rc < 0)
            return rc;
        future = wash_instance_new_async(instance->context,
                                         instance->linked->program->modules[step->module], externs,
                                         step->arg_count, core, &error);
    }
    instance->core_states[step->instance] = CORE_MAKING;
    int rc = task_await(instance, future, err);
    if (rc < 0)
        fault_discard(error, trap);
    else
        rc = fault_take(error, trap, err);
    if (rc == 0)
        instance->core_states[step->instance] = CORE_MADE;
    return rc;
}

static int run_step(struct instance *instance, uint32_t index, bool on_fiber, struct error *err)
{
    const struct plan_step *step = &instance->plan->steps[index];
    if (step->kind == STEP_CALL) {
        wasmtime_func_t *func;
        int rc = instance_func(instance, step->func, &func, err);
        return rc < 0 ? rc : instance_call_core(instance, func, NULL, 0, err);
    }
    if (step->is_lazy || instance->core_states[step->instance] == CORE_MADE)
        return 0;
    return on_fiber ? instantiate_on_fiber(instance, index, err)
                    : instantiate_now(instance, index, err);
}

static int run_steps(struct instance *instance, uint32_t end, bool on_fiber, struct error *err)
{
    while (instance->next_step < end) {
        int rc = run_step(instance, instance->next_step++, on_fiber, err);
        if (rc < 0) {
            instance->broken = true;
            return error_wrap(err, "instantiate the component");
        }
    }
    return 0;
}

int instance_finish_start(struct instance *instance, struct error *err)
{
    return run_steps(instance, instance->plan->step_count, true, err);
}

static size_t place(size_t *total, size_t count, size_t size)
{
    size_t offset = (*total + 15) & ~(size_t)15;
    *total = offset + count * size;
    return offset;
}

// The instance and its tables in one block.
static struct instance *allocate(const struct plan *plan)
{
    size_t total = sizeof(struct instance);
    size_t cores = place(&total, plan->core_instance_count, sizeof(wasmtime_instance_t));
    size_t states = place(&total, plan->core_instance_count, sizeof(uint8_t));
    size_t memories = place(&total, plan->memory_count, sizeof(struct memory_slot));
    size_t funcs = place(&total, plan->func_count, sizeof(struct func_slot));
    size_t components =
        place(&total, plan->component_instance_count, sizeof(struct async_instance));
    char *block = mem_zalloc(total);
    struct instance *instance = (struct instance *)block;
    instance->cores = (wasmtime_instance_t *)(block + cores);
    instance->core_states = (uint8_t *)(block + states);
    instance->memories = (struct memory_slot *)(block + memories);
    instance->funcs = (struct func_slot *)(block + funcs);
    instance->components = (struct async_instance *)(block + components);
    return instance;
}

static struct instance_limits with_defaults(struct instance_limits limits)
{
    if (!limits.memory_bytes_max)
        limits.memory_bytes_max = INSTANCE_MEMORY_BYTES_DEFAULT;
    if (!limits.table_elements_max)
        limits.table_elements_max = INSTANCE_TABLE_ELEMENTS_DEFAULT;
    if (!limits.handles_max)
        limits.handles_max = INSTANCE_HANDLES_DEFAULT;
    if (!limits.streams_max)
        limits.streams_max = INSTANCE_STREAMS_DEFAULT;
    if (!limits.tasks_max)
        limits.tasks_max = INSTANCE_TASKS_DEFAULT;
    return limits;
}

static int refused_for_limits(struct instance *instance, struct error *err)
{
    uint64_t need = 0;
    for (uint32_t i = 0; i < instance->plan->module_count; i++)
        need += instance->plan->modules[i].core->memory_min_pages * 65536;
    uint64_t max = instance->limits.memory_bytes_max;
    if (need > max) {
        limit_reached(err, -ENOMEM, LIMIT_MEMORY, max);
        return error_wrap(err, "the component needs %llu bytes of memory to start",
                          (unsigned long long)need);
    }
    if (instance->refused & 1u << LIMIT_TABLE_ELEMENTS) {
        max = instance->limits.table_elements_max;
        limit_reached(err, -ENOMEM, LIMIT_TABLE_ELEMENTS, max);
        return error_wrap(err, "the component's tables");
    }
    return 0;
}

int instance_new(struct linked *linked, struct executor *executor,
                 const struct instance_options *options, struct instance **out, struct error *err)
{
    const struct plan *plan = linked->plan;
    struct instance *instance = allocate(plan);
    instance->linked = linked;
    instance->plan = plan;
    instance->executor = executor;
    instance->host = options->host;
    instance->limits = with_defaults(options->limits);
    instance->arena = ARENA_INIT(INSTANCE_ARENA_BYTES_MAX);
    async_store_init(&instance->async, &engine_async_ops, plan, instance->components, instance);
    async_store_limit(&instance->async, instance->limits.handles_max, instance->limits.streams_max,
                      instance->limits.tasks_max);
    instance->store = wasmtime_store_new(linked->program->engine->wasm, instance, NULL);
    instance->context = wasmtime_store_context(instance->store);
    wash_store_limiter(instance->store, instance, memory_growing, table_growing);
    wasmtime_store_epoch_deadline_callback(instance->store, executor_interrupted, instance, NULL);
    // Instantiation without start functions runs no loops; tasks set a deadline that yields.
    wasmtime_context_set_epoch_deadline(instance->context, UINT32_MAX);
    int rc = run_steps(instance, linked->sync_steps, false, err);
    if (rc < 0) {
        int limits = refused_for_limits(instance, err);
        instance_free(instance);
        return limits < 0 ? limits : rc;
    }
    instance->initial_growth = instance->memory_growth;
    instance->initial_bytes = instance->memory_bytes;
    instance->is_resettable =
        options->resettable && linked->reset && reset_learn(linked->reset, instance);
    *out = instance;
    return 0;
}

void instance_set_host(struct instance *instance, void *host)
{
    assert(!instance->tasks);
    instance->host = host;
}

// ---- the end
// ----------------------------------------------------------------------------------------

void instance_drop_handles(struct instance *instance)
{
    for (uint32_t i = 0; i < instance->plan->component_instance_count; i++) {
        struct async_instance *component = &instance->components[i];
        ERROR(ignored);
        struct canon_call call = {
            .handles = &component->handles,
            .arena = &instance->arena,
            .error = &ignored,
            .host = instance->host,
            .ops = &instance_canon_ops,
            .instance = instance,
            .async = &instance->async,
            .teardown = true,
        };
        if (component->handles.live)
            canon_drop_all(&call);
    }
}

void instance_free(struct instance *instance)
{
    if (!instance || instance->freeing)
        return;
    assert(!instance->running);
    if (instance->settling) {
        instance->free_wanted = true;
        return;
    }
    instance->freeing = true;
    instance_cancel(instance);
    executor_forget_ticks(instance);
    instance_drop_handles(instance);
    executor_forget_ticks(instance); // what was dropped woke threads that never run
    async_store_done(&instance->async);
    reset_state_free(instance->reset);
    release_store(&instance->executor->leaving, instance);
    error_done(&instance->fault);
    arena_done(&instance->arena);
    free(instance);
}

uint64_t instance_memory_bytes(const struct instance *instance)
{
    return instance->memory_bytes;
}

uint32_t instance_handle_count(const struct instance *instance)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < instance->plan->component_instance_count; i++)
        count += instance->components[i].handles.live;
    return count;
}

uint32_t instance_exit_code(const struct instance *instance)
{
    return instance->exit_code;
}

int instance_exit(struct canon_call *call, uint32_t code)
{
    struct instance *instance = call->instance;
    instance->exiting = true;
    instance->exit_code = code;
    return canon_trap(call, "the guest exited with code %u", code);
}

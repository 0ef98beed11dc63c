// SPDX-License-Identifier: Apache-2.0
#include "engine/reset.h"

#include <assert.h>
#include <sys/mman.h>

#include "component/core_reset.h"
#include "engine/internal.h"
#include "engine/pages.h"

#define RESET_RANGES_MAX  32u
#define RESET_EXPORTS_MAX 64u
#define RESET_NAME_BYTES  24

// An export of a core instance, and what it is.
struct reset_export {
    uint32_t core;
    char name[RESET_NAME_BYTES];
    bool is_memory;
};

// A memory of a new instance, page by page; NULL: zeros.
struct memory_image {
    size_t size;
    const uint8_t **pages;
};

struct reset_plan {
    struct reset_export exports[RESET_EXPORTS_MAX];
    uint32_t export_count;
    size_t page_size;
    pthread_mutex_t lock;
    _Atomic bool is_learned;
    bool is_refused;                                 // under the lock
    struct memory_image memories[RESET_EXPORTS_MAX]; // by export
    wasmtime_val_t globals[RESET_EXPORTS_MAX];
    struct arena arena;
};

struct reset_memory {
    uint8_t *data;
    struct page_range ranges[RESET_RANGES_MAX];
    uint32_t range_count;
};

struct reset_state {
    bool is_scanned;
    uint64_t faults; // of the thread when the pages were scanned
    struct reset_memory *memories[RESET_EXPORTS_MAX];
    wasmtime_global_t globals[RESET_EXPORTS_MAX];
};

// ---- the plan -----------------------------------------------------------------------------------

static bool add_export(struct reset_plan *plan, uint32_t core, const wasm_exporttype_t *type,
                       bool *is_marked)
{
    const wasm_name_t *name = wasm_exporttype_name(type);
    struct str text = str_of(name->data, name->size);
    if (!str_starts(text, STR(CORE_RESET_PREFIX)))
        return true;
    *is_marked = true;
    wasm_externkind_t kind = wasm_externtype_kind(wasm_exporttype_type(type));
    if (kind == WASM_EXTERN_FUNC)
        return true;
    if (plan->export_count == RESET_EXPORTS_MAX || text.len >= RESET_NAME_BYTES)
        return false;
    struct reset_export *export = &plan->exports[plan->export_count++];
    export->core = core;
    export->is_memory = kind == WASM_EXTERN_MEMORY;
    memcpy(export->name, text.data, text.len);
    return true;
}

// A module without exports of that kind cannot be reset.
static bool add_core(struct reset_plan *plan, uint32_t core, const wasmtime_module_t *module)
{
    bool is_marked = false;
    wasm_exporttype_vec_t exports;
    wasmtime_module_exports(module, &exports);
    bool fits = true;
    for (size_t i = 0; fits && i < exports.size; i++)
        fits = add_export(plan, core, exports.data[i], &is_marked);
    wasm_exporttype_vec_delete(&exports);
    return fits && is_marked;
}

// Lazy core instances count only once they were made; start functions are called anew.
static bool add_step(struct reset_plan *plan, const struct linked *linked, uint32_t index)
{
    const struct plan_step *step = &linked->plan->steps[index];
    if (step->kind == STEP_CALL || step->is_lazy)
        return true;
    return index < linked->sync_steps &&
           add_core(plan, step->instance, linked->program->modules[step->module]);
}

struct reset_plan *reset_plan_new(const struct linked *linked)
{
    if (linked->program->engine->pagemap < 0)
        return NULL;
    struct reset_plan *plan = mem_new(struct reset_plan);
    plan->page_size = (size_t)sysconf(_SC_PAGESIZE);
    plan->arena = ARENA_INIT(SIZE_MAX);
    pthread_mutex_init(&plan->lock, NULL);
    for (uint32_t i = 0; i < linked->plan->step_count; i++)
        if (!add_step(plan, linked, i)) {
            reset_plan_free(plan);
            return NULL;
        }
    return plan;
}

void reset_plan_free(struct reset_plan *plan)
{
    if (!plan)
        return;
    pthread_mutex_destroy(&plan->lock);
    arena_done(&plan->arena);
    free(plan);
}

// ---- what a new instance is like ----------------------------------------------------------------

static void find_export(struct instance *instance, const struct reset_export *export,
                        wasmtime_extern_t *out)
{
    bool found = wasmtime_instance_export_get(instance->context, &instance->cores[export->core],
                                              export->name, strlen(export->name), out);
    assert(found);
}

static bool is_zero(const uint8_t *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

static bool learn_memory(struct reset_plan *plan, struct instance *instance,
                         const wasmtime_memory_t *memory, struct memory_image *out)
{
    const uint8_t *data = wasmtime_memory_data(instance->context, memory);
    out->size = wasmtime_memory_data_size(instance->context, memory);
    if (out->size > RESET_MEMORY_BYTES_MAX || out->size % plan->page_size != 0)
        return false;
    size_t count = out->size / plan->page_size;
    out->pages = arena_alloc_array(&plan->arena, count, sizeof(*out->pages));
    for (size_t i = 0; i < count; i++) {
        const uint8_t *page = data + i * plan->page_size;
        out->pages[i] = NULL;
        if (is_zero(page, plan->page_size))
            continue;
        uint8_t *copy = arena_alloc(&plan->arena, plan->page_size);
        memcpy(copy, page, plan->page_size);
        out->pages[i] = copy;
    }
    return true;
}

static bool learn(struct reset_plan *plan, struct instance *instance)
{
    for (uint32_t i = 0; i < plan->export_count; i++) {
        wasmtime_extern_t found;
        find_export(instance, &plan->exports[i], &found);
        if (!plan->exports[i].is_memory)
            wasmtime_global_get(instance->context, &found.of.global, &plan->globals[i]);
        else if (!learn_memory(plan, instance, &found.of.memory, &plan->memories[i]))
            return false;
    }
    return true;
}

bool reset_learn(struct reset_plan *plan, struct instance *instance)
{
    if (likely(atomic_load_explicit(&plan->is_learned, memory_order_acquire)))
        return true;
    pthread_mutex_lock(&plan->lock);
    if (!atomic_load(&plan->is_learned) && !plan->is_refused) {
        plan->is_refused = !learn(plan, instance);
        atomic_store_explicit(&plan->is_learned, !plan->is_refused, memory_order_release);
    }
    pthread_mutex_unlock(&plan->lock);
    return atomic_load(&plan->is_learned);
}

// ---- the state of an instance -------------------------------------------------------------------

static struct reset_state *state_new(const struct reset_plan *plan, struct instance *instance)
{
    struct reset_state *state = mem_new(struct reset_state);
    for (uint32_t i = 0; i < plan->export_count; i++) {
        wasmtime_extern_t found;
        find_export(instance, &plan->exports[i], &found);
        if (!plan->exports[i].is_memory) {
            state->globals[i] = found.of.global;
            continue;
        }
        state->memories[i] = mem_new(struct reset_memory);
        state->memories[i]->data = wasmtime_memory_data(instance->context, &found.of.memory);
        // A memory without pages is mapped nowhere.
        if (plan->memories[i].size > 0)
            (void)madvise(state->memories[i]->data, plan->memories[i].size, MADV_NOHUGEPAGE);
    }
    return state;
}

void reset_state_free(struct reset_state *state)
{
    if (!state)
        return;
    for (uint32_t i = 0; i < RESET_EXPORTS_MAX; i++)
        free(state->memories[i]);
    free(state);
}

// ---- putting back -------------------------------------------------------------------------------

static bool scan(const struct reset_plan *plan, struct instance *instance)
{
    struct reset_state *state = instance->reset;
    uint64_t faults = pages_faults();
    if (likely(state->is_scanned && faults == state->faults))
        return true;
    for (uint32_t i = 0; i < plan->export_count; i++) {
        struct reset_memory *memory = state->memories[i];
        if (!memory || plan->memories[i].size == 0)
            continue;
        int count = pages_written(instance->linked->program->engine->pagemap, memory->data,
                                  plan->memories[i].size, memory->ranges, RESET_RANGES_MAX,
                                  RESET_PAGES_MAX);
        if (count < 0)
            return false;
        memory->range_count = (uint32_t)count;
    }
    state->faults = faults;
    state->is_scanned = true;
    return true;
}

static void restore_memory(const struct reset_plan *plan, const struct memory_image *image,
                           const struct reset_memory *memory)
{
    for (uint32_t i = 0; i < memory->range_count; i++) {
        uint8_t *page = (uint8_t *)(uintptr_t)memory->ranges[i].start;
        uint8_t *end = (uint8_t *)(uintptr_t)memory->ranges[i].end;
        for (; page < end; page += plan->page_size) {
            const uint8_t *original = image->pages[(size_t)(page - memory->data) / plan->page_size];
            if (original)
                memcpy(page, original, plan->page_size);
            else
                memset(page, 0, plan->page_size);
        }
    }
}

static bool restore(const struct reset_plan *plan, struct instance *instance)
{
    if (!scan(plan, instance))
        return false;
    struct reset_state *state = instance->reset;
    for (uint32_t i = 0; i < plan->export_count; i++) {
        if (state->memories[i])
            restore_memory(plan, &plan->memories[i], state->memories[i]);
        else if (fault_take(
                     wasmtime_global_set(instance->context, &state->globals[i], &plan->globals[i]),
                     NULL, NULL) < 0)
            return false;
    }
    return true;
}

static bool is_quiet(const struct instance *instance)
{
    const struct async_store *async = &instance->async;
    return !instance->broken && !instance->exiting && !instance->tasks && !instance->calls &&
           !instance->freeing && async_store_is_quiet(async);
}

bool instance_reset(struct instance *instance)
{
    struct reset_plan *plan = instance->linked->reset;
    if (!plan || !instance->is_resettable || instance->made_lazily ||
        instance->memory_growth != instance->initial_growth || !is_quiet(instance))
        return false;
    instance_drop_handles(instance);
    if (!is_quiet(instance))
        return false;
    if (!instance->reset)
        instance->reset = state_new(plan, instance);
    if (!restore(plan, instance))
        return false;
    async_store_clear(&instance->async);
    arena_reset(&instance->arena);
    instance->next_step = instance->linked->sync_steps;
    instance->refused = 0;
    instance->cpu_rest = (struct cpu_account){0};
    instance->calls_begun = 0;
    instance->exit_code = 0;
    return true;
}

// ---- for tests ----------------------------------------------------------------------------------

static bool same_memory(const struct reset_plan *plan, const struct memory_image *image,
                        const uint8_t *data)
{
    for (size_t i = 0; i < image->size / plan->page_size; i++) {
        const uint8_t *page = data + i * plan->page_size;
        bool same = image->pages[i] ? memcmp(page, image->pages[i], plan->page_size) == 0
                                    : is_zero(page, plan->page_size);
        if (!same)
            return false;
    }
    return true;
}

static bool same_global(const wasmtime_val_t *a, const wasmtime_val_t *b)
{
    static const size_t sizes[] = {[WASMTIME_I32] = 4,
                                   [WASMTIME_I64] = 8,
                                   [WASMTIME_F32] = 4,
                                   [WASMTIME_F64] = 8,
                                   [WASMTIME_V128] = 16};
    return a->kind == b->kind && memcmp(&a->of, &b->of, sizes[a->kind]) == 0;
}

bool instance_is_as_new(struct instance *instance)
{
    struct reset_plan *plan = instance->linked->reset;
    if (!plan || !instance->is_resettable || instance_handle_count(instance) > 0)
        return false;
    for (uint32_t i = 0; i < plan->export_count; i++) {
        wasmtime_extern_t found;
        find_export(instance, &plan->exports[i], &found);
        wasmtime_val_t value;
        if (plan->exports[i].is_memory) {
            const uint8_t *data = wasmtime_memory_data(instance->context, &found.of.memory);
            size_t size = wasmtime_memory_data_size(instance->context, &found.of.memory);
            if (size != plan->memories[i].size || !same_memory(plan, &plan->memories[i], data))
                return false;
            continue;
        }
        wasmtime_global_get(instance->context, &found.of.global, &value);
        if (!same_global(&value, &plan->globals[i]))
            return false;
    }
    return true;
}

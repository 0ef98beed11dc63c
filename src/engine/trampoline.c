// SPDX-License-Identifier: Apache-2.0
// The host's end of core imports: one engine callback per kind of trampoline. They run on the
// guest's fiber, find their instance in the store's data, and answer with flat values in place.
#include "engine/internal.h"

#include <errno.h>

#include "component/canon_copy.h"

static struct instance *instance_of(wasmtime_caller_t *caller)
{
    return wasmtime_context_get_data(wasmtime_caller_context(caller));
}

static wasm_trap_t *trap_of(struct error *err)
{
    wasm_trap_t *trap = fault_to_trap(err);
    error_done(err);
    return trap;
}

// Built-ins that only look at, or count in, what is the caller's own (CanonicalABI.md "canon
// resource.rep", "canon context.get", "canon backpressure.inc").
static bool may_always_be_called(const struct bound *bound)
{
    if (bound->trampoline->kind != TRAMPOLINE_BUILTIN)
        return bound->trampoline->kind == TRAMPOLINE_RESOURCE_REP;
    enum canon_kind kind = bound->builtin->kind;
    return kind == CANON_CONTEXT_GET || kind == CANON_CONTEXT_SET ||
           kind == CANON_BACKPRESSURE_INC || kind == CANON_BACKPRESSURE_DEC;
}

// Begins a crossing for the component instance whose canonical definition the trampoline is.
static int begin(struct instance *instance, const struct bound *bound, struct canon_call *call,
                 struct error *err)
{
    call->error = err;
    if (unlikely(!instance->running))
        return error_set(err, -EFAULT, "an import was called while the component is instantiated");
    if (unlikely(instance->components[bound->options->component_instance].cannot_leave &&
                 !may_always_be_called(bound)))
        return error_set(err, -EFAULT,
                         "cannot leave component instance: an import was called "
                         "while realloc or post-return runs");
    return instance_begin_call(instance, bound->options, call);
}

static wasm_trap_t *call_import(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                                size_t count)
{
    const struct bound *bound = env;
    struct instance *instance = instance_of(caller);
    struct arena *arena = &instance->running->arena;
    struct arena_mark mark = arena_mark(arena);
    struct error err = ERROR_INIT;
    struct canon_call call;
    int rc = begin(instance, bound, &call, &err);
    if (likely(rc == 0)) {
        call.data = bound->data;
        rc = bound->func->lower(&call, (union core_value *)values);
        canon_call_end(&call);
    }
    arena_release(arena, mark);
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

static int drop_resource(struct instance *instance, const struct bound *bound,
                         struct canon_call *call, uint32_t handle)
{
    if (bound->resource)
        return canon_resource_drop(call, bound->resource, handle);
    const struct plan_resource *resource = &instance->plan->resources[bound->trampoline->target];
    uint32_t rep = 0;
    bool is_own = false;
    int rc = canon_resource_remove(call, resource, handle, &is_own, &rep);
    if (rc < 0 || !is_own || resource->dtor == PLAN_NONE)
        return rc;
    return async_call_destructor(call->async, resource, rep, call->error);
}

static wasm_trap_t *call_resource_drop(void *env, wasmtime_caller_t *caller,
                                       wasmtime_val_raw_t *values, size_t count)
{
    const struct bound *bound = env;
    struct instance *instance = instance_of(caller);
    struct arena *arena = &instance->running->arena;
    struct arena_mark mark = arena_mark(arena);
    struct error err = ERROR_INIT;
    struct canon_call call;
    int rc = begin(instance, bound, &call, &err);
    if (likely(rc == 0))
        rc = drop_resource(instance, bound, &call, (uint32_t)values[0].i32);
    arena_release(arena, mark);
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

// resource.new (representation to handle) and resource.rep (handle to representation).
typedef int (*resource_op)(struct canon_call *call, const void *type, uint32_t in, uint32_t *out);

static wasm_trap_t *convert_resource(const struct bound *bound, wasmtime_caller_t *caller,
                                     wasmtime_val_raw_t *values, resource_op op)
{
    struct instance *instance = instance_of(caller);
    struct error err = ERROR_INIT;
    struct canon_call call;
    uint32_t out = 0;
    int rc = begin(instance, bound, &call, &err);
    if (likely(rc == 0))
        rc = op(&call, &instance->plan->resources[bound->trampoline->target],
                (uint32_t)values[0].i32, &out);
    values[0].i32 = (int32_t)out;
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

static wasm_trap_t *call_resource_new(void *env, wasmtime_caller_t *caller,
                                      wasmtime_val_raw_t *values, size_t count)
{
    return convert_resource(env, caller, values, canon_resource_new);
}

static wasm_trap_t *call_resource_rep(void *env, wasmtime_caller_t *caller,
                                      wasmtime_val_raw_t *values, size_t count)
{
    return convert_resource(env, caller, values, canon_resource_rep);
}

static wasm_trap_t *call_forward(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                                 size_t count)
{
    const struct bound *bound = env;
    struct instance *instance = instance_of(caller);
    struct error err = ERROR_INIT;
    wasmtime_func_t *func;
    int rc = instance_func(instance, bound->trampoline->target, &func, &err);
    if (rc == 0)
        rc = instance_call_core(instance, func, (union core_value *)values, count, &err);
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

static wasm_trap_t *call_lifted(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                                size_t count)
{
    const struct bound *bound = env;
    struct instance *instance = instance_of(caller);
    struct error err = ERROR_INIT;
    struct canon_call call;
    int rc = begin(instance, bound, &call, &err);
    if (rc == 0) {
        struct arena *arena = call.arena;
        struct arena_mark mark = arena_mark(arena);
        rc = async_lower(&call, bound->lifted, (union core_value *)values);
        canon_call_end(&call);
        arena_release(arena, mark);
    }
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

static wasm_trap_t *call_async_import(void *env, wasmtime_caller_t *caller,
                                      wasmtime_val_raw_t *values, size_t count)
{
    const struct bound *bound = env;
    struct instance *instance = instance_of(caller);
    struct error err = ERROR_INIT;
    struct canon_call call;
    int rc = begin(instance, bound, &call, &err);
    if (rc == 0) {
        struct arena *arena = call.arena;
        struct arena_mark mark = arena_mark(arena);
        call.data = bound->data;
        const struct func_type *type = instance->plan->imports[bound->trampoline->target].type;
        rc = async_import(&call, bound->func, type, (union core_value *)values);
        arena_release(arena, mark);
    }
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

static wasm_trap_t *call_builtin(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                                 size_t count)
{
    const struct bound *bound = env;
    struct instance *instance = instance_of(caller);
    struct error err = ERROR_INIT;
    struct canon_call call;
    int rc = begin(instance, bound, &call, &err);
    if (rc == 0) {
        struct arena *arena = call.arena;
        struct arena_mark mark = arena_mark(arena);
        rc = async_builtin(&call, bound->builtin, (union core_value *)values);
        canon_call_end(&call);
        arena_release(arena, mark);
    }
    return likely(rc >= 0) ? NULL : trap_of(&err);
}

wasmtime_func_unchecked_callback_t trampoline_callback(const struct bound *bound)
{
    switch (bound->trampoline->kind) {
    case TRAMPOLINE_IMPORT:
        return bound->func->type->is_async ? call_async_import : call_import;
    case TRAMPOLINE_LIFTED:
        return call_lifted;
    case TRAMPOLINE_RESOURCE_NEW:
        return call_resource_new;
    case TRAMPOLINE_RESOURCE_DROP:
        return call_resource_drop;
    case TRAMPOLINE_RESOURCE_REP:
        return call_resource_rep;
    case TRAMPOLINE_FORWARD:
        return call_forward;
    case TRAMPOLINE_BUILTIN:
        return call_builtin;
    }
    return NULL;
}

static wasm_valtype_t *value_type(char c)
{
    switch (c) {
    case 'i':
        return wasm_valtype_new(WASM_I32);
    case 'I':
        return wasm_valtype_new(WASM_I64);
    case 'f':
        return wasm_valtype_new(WASM_F32);
    case 'F':
        return wasm_valtype_new(WASM_F64);
    default: // the planner admits only flattened component types
        abort();
    }
}

static void value_types(struct str text, wasm_valtype_vec_t *out)
{
    wasm_valtype_vec_new_uninitialized(out, text.len);
    for (size_t i = 0; i < text.len; i++)
        out->data[i] = value_type(text.data[i]);
}

wasm_functype_t *trampoline_type(const struct core_func_type *type)
{
    wasm_valtype_vec_t params, results;
    value_types(type->params, &params);
    value_types(type->results, &results);
    return wasm_functype_new(&params, &results);
}

// SPDX-License-Identifier: Apache-2.0
// The engine's part in the concurrency of the component model: fibers for its threads, calls of
// core functions, and the host's calls of asynchronous exports (component/async.h).
#include "engine/internal.h"

#include <assert.h>
#include <errno.h>

#include "component/canon_copy.h"

static struct instance *instance_of(const struct async_store *store)
{
    return store->engine;
}

// ---- fibers -------------------------------------------------------------------------------------

static int run_thread(struct canon_call *call, void *arg)
{
    return async_thread_main(arg, call->error);
}

static int make_fiber(struct async_thread *thread, struct error *err)
{
    struct task *task = task_new(instance_of(thread->store), run_thread, thread);
    task->thread = task->current = thread;
    thread->fiber = task;
    int rc = task_start(task, err);
    if (rc < 0)
        task_free(task);
    return rc;
}

// The fiber of a thread has ended; the thread may be gone or wait without a fiber.
static int end_fiber(struct task *task, struct error *err)
{
    int rc = task->rc;
    if (rc < 0)
        (void)error_move(err, &task->reason);
    task_free(task);
    return rc < 0 ? rc : ASYNC_RAN;
}

// A fiber inside another one was interrupted: the outer one waits with it.
static int yield_outer(struct task *outer, struct error *err)
{
    struct async_store *store = &outer->instance->async;
    struct async_thread *current = store->current;
    executor_yield(outer);
    int rc = task_suspend(outer);
    store->current = current;
    return rc < 0 ? error_set(err, rc, "the task was cancelled") : 0;
}

static int resume(struct async_thread *thread, struct error *err)
{
    struct instance *instance = instance_of(thread->store);
    struct task *outer = instance->running;
    int rc = thread->fiber ? 0 : make_fiber(thread, err);
    struct task *task = thread->fiber;
    while (rc == 0) {
        if (task_run(task))
            return end_fiber(task, err);
        if (task->blocked)
            return ASYNC_RAN;
        if (task->parked)
            return ASYNC_STUCK;
        if (!outer) {
            executor_yield(task);
            return ASYNC_STUCK;
        }
        rc = yield_outer(outer, err);
        instance->async.current = task->current;
    }
    return rc;
}

static int block(struct async_thread *thread, struct error *err)
{
    struct task *task = thread->fiber;
    task->blocked = true;
    int rc = task_suspend(task);
    task->blocked = false;
    return rc < 0 ? error_set(err, rc, "the task was cancelled") : 0;
}

static int wait_stuck(struct async_store *store, struct error *err)
{
    struct instance *instance = instance_of(store);
    struct task *task = instance->running;
    struct async_thread *current = store->current;
    task->stuck_next = instance->waiting_stuck;
    instance->waiting_stuck = task;
    int rc = task_suspend(task);
    store->current = current;
    for (struct task **link = &instance->waiting_stuck; *link; link = &(*link)->stuck_next) {
        if (*link == task) {
            *link = task->stuck_next;
            break;
        }
    }
    return rc < 0 ? error_set(err, rc, "the task was cancelled") : 0;
}

static void unstuck(struct async_store *store)
{
    struct task *task = TAKE(instance_of(store)->waiting_stuck);
    for (struct task *next; task; task = next) {
        next = task->stuck_next;
        executor_make_ready(task);
    }
}

static void schedule(struct async_store *store)
{
    executor_want_tick(instance_of(store));
}

// ---- core functions -----------------------------------------------------------------------------

static int begin(struct async_store *store, const struct canon_options *options,
                 struct canon_call *call)
{
    return instance_begin_call(instance_of(store), options, call);
}

static int call_slot(struct async_store *store, uint32_t slot, union core_value *values,
                     uint32_t count, struct error *err)
{
    struct instance *instance = instance_of(store);
    wasmtime_func_t *func;
    int rc = instance_func(instance, slot, &func, err);
    return rc < 0 ? rc : instance_call_core(instance, func, values, count, err);
}

static bool takes_one_i32(struct instance *instance, const wasmtime_func_t *func)
{
    wasm_functype_t *type = wasmtime_func_type(instance->context, func);
    const wasm_valtype_vec_t *params = wasm_functype_params(type);
    bool fits = params->size == 1 && wasm_valtype_kind(params->data[0]) == WASM_I32 &&
                wasm_functype_results(type)->size == 0;
    wasm_functype_delete(type);
    return fits;
}

static int call_indirect(struct async_store *store, uint32_t slot, uint32_t element,
                         uint32_t argument, struct error *err)
{
    struct instance *instance = instance_of(store);
    wasmtime_extern_t table;
    wasmtime_val_t found;
    int rc = instance_table(instance, slot, &table, err);
    if (rc < 0)
        return rc;
    if (!wasmtime_table_get(instance->context, &table.of.table, element, &found) ||
        found.kind != WASMTIME_FUNCREF || wasmtime_funcref_is_null(&found.of.funcref))
        return error_set(err, -EFAULT,
                         "thread.new-indirect: element %u of the table is no function", element);
    if (!takes_one_i32(instance, &found.of.funcref))
        return error_set(err, -EFAULT,
                         "thread.new-indirect: element %u of the table has another type", element);
    union core_value value = {.u32 = argument};
    return instance_call_core(instance, &found.of.funcref, &value, 1, err);
}

const struct async_ops engine_async_ops = {
    .resume = resume,
    .block = block,
    .wait_stuck = wait_stuck,
    .unstuck = unstuck,
    .schedule = schedule,
    .begin = begin,
    .call = call_slot,
    .call_indirect = call_indirect,
};

// ---- failure and the end ------------------------------------------------------------------------

void instance_fail(struct instance *instance, enum task_end end, const struct error *err)
{
    if (instance->broken)
        return;
    instance->broken = true;
    instance->end = instance->exiting ? TASK_EXITED : end;
    (void)error_set(&instance->fault, err->code, "%s", error_text(err));
}

int instance_timed_out(struct instance *instance, struct error *err)
{
    return error_set(err, -ETIMEDOUT, "the call did not end within its wall-time limit of %llu ms",
                     (unsigned long long)instance->limits.wall_time_ms);
}

static void unlink_call(struct instance_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
}

static void end_call(struct instance_call *call, enum task_end end, const struct error *err)
{
    struct call_deadline *deadline = TAKE(call->deadline);
    unlink_call(call);
    if (deadline)
        deadline_stop(call->instance->executor, &deadline->deadline);
    free(deadline);
    call->task = NULL;
    if (call->ended)
        call->ended(call->arg, end, err);
}

// Calls wait for their result, but nothing is left that could wake a thread.
static bool is_deadlocked(const struct instance *instance)
{
    if (async_has_ready(&instance->async) || instance->async.host_count > 0)
        return false;
    for (const struct task *task = instance->tasks; task; task = task->next)
        if (!task->blocked)
            return false;
    for (const struct instance_call *call = instance->calls; call; call = call->next)
        if (!call->has_returned)
            return true;
    return false;
}

static void end_rest(struct instance *instance)
{
    while (instance->tasks)
        task_abandon(instance->tasks);
    while (instance->calls)
        end_call(instance->calls, instance->end, &instance->fault);
}

void instance_settle(struct instance *instance)
{
    if (instance->settling || instance->running)
        return;
    instance->settling++;
    if (!instance->broken && is_deadlocked(instance)) {
        ERROR(err);
        (void)error_set(&err, -EDEADLK,
                        "deadlock: every task of the component waits for another one");
        instance_fail(instance, TASK_TRAPPED, &err);
    }
    if (instance->broken)
        end_rest(instance);
    instance->settling--;
    if (instance->free_wanted)
        instance_free(instance);
}

void instance_tick(struct instance *instance)
{
    ERROR(err);
    if (instance->broken)
        return;
    instance->settling++;
    int rc = async_tick(&instance->async, &err);
    if (rc < 0)
        instance_fail(instance, TASK_TRAPPED, &err);
    else if (async_has_ready(&instance->async))
        executor_tick_later(instance);
    instance->settling--;
    instance_settle(instance);
}

// ---- calls of the host --------------------------------------------------------------------------

static int call_start(struct async_task *task, struct canon_call *callee, union core_value *flat)
{
    struct instance_call *call = task->caller_data;
    return call->start(callee, call->arg, flat);
}

static int call_resolve(struct async_task *task, struct canon_call *callee,
                        const union core_value *flat, uint32_t flat_max)
{
    struct instance_call *call = task->caller_data;
    call->has_returned = true;
    return call->returned(callee, call->arg, flat, flat_max);
}

static void call_ended(struct async_task *task)
{
    end_call(task->caller_data, TASK_RETURNED, NULL);
}

static const struct async_caller host_caller = {call_start, call_resolve, call_ended};

// On a fiber: a function of synchronous type is called there, another one gets a thread.
static int call_body(struct canon_call *call, void *arg)
{
    struct instance_call *request = arg;
    const struct plan_lifted *lifted = request->func;
    union core_value flat[CANON_FLAT_MAX];
    int rc = instance_enter(call, lifted);
    if (rc == 0)
        rc = request->start(call, request->arg, flat);
    if (rc == 0)
        rc = call->ops->invoke(call, lifted, flat);
    if (rc == 0)
        rc = canon_check_borrows(call);
    if (rc == 0)
        rc = request->returned(call, request->arg, flat, 1);
    return rc < 0 ? rc : call->ops->post_return(call, lifted, flat);
}

static void call_done(void *arg, enum task_end end, const struct error *err)
{
    end_call(arg, end, err);
}

static void call_expired(struct deadline *deadline)
{
    struct instance_call *call = container_of(deadline, struct call_deadline, deadline)->call;
    struct instance *instance = call->instance;
    ERROR(err);
    instance_fail(instance, TASK_TIMED_OUT, (instance_timed_out(instance, &err), &err));
    instance_settle(instance);
}

static void link_call(struct instance *instance, struct instance_call *call)
{
    call->instance = instance;
    call->next = instance->calls;
    call->link = &instance->calls;
    if (call->next)
        call->next->link = &call->next;
    instance->calls = call;
}

int instance_call(struct instance *instance, const void *func, struct instance_call *call,
                  struct error *err)
{
    const struct plan_lifted *lifted = func;
    call->func = func;
    if (instance->broken)
        return error_set(err, -ESHUTDOWN, "the instance trapped or exited before");
    link_call(instance, call);
    if (!lifted->type->is_async) {
        int rc = instance_run(instance, call_body, call_done, call, err);
        if (rc < 0)
            unlink_call(call);
        return rc;
    }
    struct call_deadline *deadline = mem_new(struct call_deadline);
    deadline->call = call;
    call->deadline = deadline;
    deadline_start(&deadline->deadline, instance, call_expired);
    ERROR(fault);
    instance->settling++;
    int rc = async_call(&instance->async, lifted, &host_caller, call, &call->task, &fault);
    if (rc < 0)
        instance_fail(instance, TASK_TRAPPED, &fault);
    instance->settling--;
    instance_settle(instance);
    return 0;
}

void instance_call_cancel(struct instance_call *call)
{
    struct instance *instance = call->instance;
    ERROR(err);
    if (!call->task)
        return;
    instance->settling++;
    if (async_request_cancel(call->task, &err) < 0)
        instance_fail(instance, TASK_TRAPPED, &err);
    instance->settling--;
    instance_settle(instance);
}

struct async_store *instance_async(struct instance *instance)
{
    return &instance->async;
}

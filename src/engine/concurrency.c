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
//
// A fiber that runs threads is begun outside of all others and used again and again: libwasmtime
// takes the frames that were on the stack when a fiber began for its oldest ones, and looks at them
// when it collects a backtrace, though they may be long gone.

#define IDLE_FIBERS_MAX 8u

static void wait_idle(struct task *task)
{
    struct instance *instance = task->instance;
    task->thread = NULL;
    task->is_idle = true;
    task->blocked = true;
    task->wait_next = instance->idle;
    instance->idle = task;
    task->heat = 0;
    instance->idle_count++;
    task_count(task->executor, -1);
}

static struct task *take_idle(struct instance *instance)
{
    struct task *task = instance->idle;
    if (!task)
        return NULL;
    instance->idle = task->wait_next;
    instance->idle_count--;
    task->is_idle = false;
    task_count(task->executor, 1);
    return task;
}

static int run_threads(struct canon_call *call, void *arg)
{
    struct task *task = ((struct instance *)call->instance)->running;
    struct instance *instance = task->instance;
    for (;;) {
        int rc = task->thread ? async_thread_main(task->thread, &task->reason) : 0;
        if (rc < 0)
            return rc;
        if (instance->idle_count >= IDLE_FIBERS_MAX)
            return 0;
        wait_idle(task);
        rc = task_suspend(task);
        task->blocked = false;
        if (rc < 0)
            return rc;
    }
}

static struct task *new_fiber(struct instance *instance, struct async_thread *thread,
                              struct error *err)
{
    struct task *task = task_new(instance, run_threads, NULL);
    task->thread = task->current = thread;
    if (task_start(task, err) < 0) {
        task_free(task);
        return NULL;
    }
    return task;
}

// Outside of all fibers: has idle ones at hand.
static int make_idle(struct instance *instance, uint32_t count, struct error *err)
{
    while (instance->idle_count < count) {
        struct task *task = new_fiber(instance, NULL, err);
        if (!task)
            return err->code;
        if (task_run(task)) {
            int rc = error_move(err, &task->reason);
            task_free(task);
            return rc;
        }
    }
    return 0;
}

static int suspend_in(struct task **list, struct task *task, struct error *err)
{
    struct async_store *store = &task->instance->async;
    struct async_thread *current = store->current;
    task->wait_next = *list;
    *list = task;
    int rc = task_suspend(task);
    store->current = current;
    for (struct task **link = list; *link; link = &(*link)->wait_next) {
        if (*link == task) {
            *link = task->wait_next;
            break;
        }
    }
    return rc < 0 ? error_set(err, rc, "the task was cancelled") : 0;
}

static void wake_all(struct task **list)
{
    struct task *task = *list;
    *list = NULL;
    for (struct task *next; task; task = next) {
        next = task->wait_next;
        executor_make_ready(task);
    }
}

// The fiber that is to run the thread.
static struct task *find_fiber(struct async_thread *thread, struct error *err)
{
    struct instance *instance = instance_of(thread->store);
    struct task *task;
    if (thread->fiber)
        return thread->fiber;
    while (!(task = take_idle(instance))) {
        if (!instance->running)
            return thread->fiber = new_fiber(instance, thread, err);
        executor_want_tick(instance);
        if (suspend_in(&instance->waiting_fiber, instance->running, err) < 0)
            return NULL;
    }
    instance->async.current = thread;
    task->thread = thread;
    return thread->fiber = task;
}

// The fiber has ended, with or without a trap.
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
    struct task *task = find_fiber(thread, err);
    if (!task)
        return -ECANCELED;
    for (;;) {
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
        int rc = yield_outer(outer, err);
        if (rc < 0)
            return rc;
        instance->async.current = task->current;
    }
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
    return suspend_in(&instance->waiting_stuck, instance->running, err);
}

static void unstuck(struct async_store *store)
{
    wake_all(&instance_of(store)->waiting_stuck);
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

static _apart_ int call_new_slot(struct instance *instance, uint32_t slot, union core_value *values,
                                 uint32_t count, struct error *err)
{
    wasmtime_func_t *func;
    int rc = instance_func(instance, slot, &func, err);
    return rc < 0 ? rc : instance_call_core(instance, func, values, count, err);
}

static int call_slot(struct async_store *store, uint32_t slot, union core_value *values,
                     uint32_t count, struct error *err)
{
    struct instance *instance = instance_of(store);
    const struct func_slot *func = &instance->funcs[slot];
    if (unlikely(!func->known))
        return call_new_slot(instance, slot, values, count, err);
    return instance_call_core(instance, &func->func, values, count, err);
}

static_assert(sizeof(wasmtime_func_t) <= sizeof(struct async_func), "a function has no room");

#ifdef WASMTIME_FEATURE_GC
static bool takes_one_i32(struct instance *instance, const wasmtime_func_t *func)
{
    wasm_functype_t *type = wasmtime_func_type(instance->context, func);
    const wasm_valtype_vec_t *params = wasm_functype_params(type);
    bool fits = params->size == 1 && wasm_valtype_kind(params->data[0]) == WASM_I32 &&
                wasm_functype_results(type)->size == 0;
    wasm_functype_delete(type);
    return fits;
}

static int find_indirect(struct async_store *store, uint32_t slot, uint32_t element,
                         struct async_func *out, struct error *err)
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
    memcpy(out, &found.of.funcref, sizeof(found.of.funcref));
    return 0;
}
#else
// Without garbage collection libwasmtime ends the process when an element is read.
static int find_indirect(struct async_store *store, uint32_t slot, uint32_t element,
                         struct async_func *out, struct error *err)
{
    return error_set(err, -ENOTSUP,
                     "thread.new-indirect: this build of libwasmtime lacks garbage collection");
}
#endif

static int call_indirect(struct async_store *store, const struct async_func *func,
                         uint32_t argument, struct error *err)
{
    wasmtime_func_t callee;
    memcpy(&callee, func, sizeof(callee));
    union core_value value = {.u32 = argument};
    return instance_call_core(instance_of(store), &callee, &value, 1, err);
}

const struct async_ops engine_async_ops = {
    .resume = resume,
    .block = block,
    .wait_stuck = wait_stuck,
    .unstuck = unstuck,
    .schedule = schedule,
    .begin = begin,
    .call = call_slot,
    .find_indirect = find_indirect,
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
    if (instance->end == TASK_TRAPPED)
        instance_note_refusals(instance, &instance->fault);
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
    if (deadline) {
        deadline_stop(call->instance->executor, &deadline->deadline);
        cpu_account_gone(call->instance, &deadline->cpu);
    }
    free(deadline);
    call->task = NULL;
    if (call->ended)
        call->ended(call->arg, end, err);
}

// Nothing is left that could wake a thread, but another call.
static bool is_at_rest(const struct instance *instance)
{
    if (async_has_ready(&instance->async) || instance->async.host_count > 0)
        return false;
    for (const struct task *task = instance->tasks; task; task = task->next)
        if (!task->blocked)
            return false;
    return true;
}

// Calls that wait for their result will not get one.
static bool is_deadlocked(const struct instance *instance)
{
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

// What their tasks left behind has no end of its own: suspended threads, reads that nobody meets.
// Those that begin meanwhile are looked at in the next tick.
static void end_returned(struct instance *instance)
{
    struct instance_call *calls = TAKE(instance->calls);
    calls->link = &calls;
    while (calls) {
        calls->task->caller = NULL;
        end_call(calls, TASK_RETURNED, NULL);
    }
    if (instance->calls)
        executor_want_tick(instance);
}

void instance_settle(struct instance *instance)
{
    if (instance->settling || instance->running)
        return;
    instance->settling++;
    bool is_resting = !instance->broken && instance->calls && is_at_rest(instance);
    if (is_resting && is_deadlocked(instance)) {
        ERROR(err);
        (void)error_set(&err, -EDEADLK,
                        "deadlock: every task of the component waits for another one");
        instance_fail(instance, TASK_TRAPPED, &err);
    }
    if (instance->broken)
        end_rest(instance);
    else if (is_resting)
        end_returned(instance);
    instance->settling--;
    if (instance->free_wanted)
        instance_free(instance);
}

void instance_tick(struct instance *instance)
{
    ERROR(err);
    if (instance->broken)
        return;
    struct executor *executor = instance->executor;
    uint32_t hits = executor->hits;
    instance->settling++;
    uint32_t want = instance->linked->idle_fibers;
    int rc = make_idle(instance, instance->waiting_fiber ? want + 1 : want, &err);
    wake_all(&instance->waiting_fiber);
    if (rc == 0)
        rc = async_tick(&instance->async, &err);
    executor_end_run(executor, hits, &instance->heat);
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

struct cpu_account *call_account(const struct async_task *task)
{
    if (task->caller != &host_caller)
        return NULL;
    const struct instance_call *call = task->caller_data;
    return call->deadline ? &call->deadline->cpu : NULL;
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
    instance->calls_begun++;
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
    int rc = make_idle(instance, instance->linked->idle_fibers, &fault);
    if (rc == 0)
        rc = async_call(&instance->async, lifted, &host_caller, call, &call->task, &fault);
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

// SPDX-License-Identifier: Apache-2.0
// Tasks: C bodies on wasmtime fibers. What makes this sound: a store stays on its thread, a
// cancelled task is flagged before its future is deleted and never parks again, nesting is bounded
// (docs/architecture.md, "Fibers").
#include "engine/internal.h"

#include <assert.h>
#include <errno.h>

#define SPARE_TASKS_MAX      64
#define TASK_ARENA_BYTES_MAX ((size_t)64 << 20)

// ---- life ---------------------------------------------------------------------------------------

static struct task *allocate(struct executor *executor)
{
    struct task *task = executor->spare;
    if (task) {
        executor->spare = task->next;
        executor->spare_count--;
        struct arena arena = task->arena;
        *task = (struct task){.arena = arena};
        return task;
    }
    task = mem_new(struct task);
    task->arena = ARENA_INIT(TASK_ARENA_BYTES_MAX);
    return task;
}

static void call_init(struct task *task)
{
    struct instance *instance = task->instance;
    task->call = (struct canon_call){
        .handles = &instance->components[0].handles,
        .arena = &task->arena,
        .error = &task->reason,
        .host = instance->host,
        .ops = &instance_canon_ops,
        .instance = instance,
        .async = &instance->async,
        .may_leave = true,
    };
}

void task_count(struct executor *executor, int change)
{
    uint32_t count = atomic_load_explicit(&executor->task_count, memory_order_relaxed);
    atomic_store(&executor->task_count, count + (uint32_t)change);
    if (change > 0 && unlikely(atomic_load(&executor->engine->ticker_asleep)))
        engine_wake_ticker(executor->engine);
}

struct task *task_new(struct instance *instance, task_body body, void *arg)
{
    struct executor *executor = instance->executor;
    struct task *task = allocate(executor);
    task->instance = instance;
    task->executor = executor;
    task->body = body;
    task->arg = arg;
    task->next = instance->tasks;
    task->link = &instance->tasks;
    if (task->next)
        task->next->link = &task->next;
    instance->tasks = task;
    task->base.store = &instance->async;
    task->base.component_instance = PLAN_NONE; // the host's
    task->base.is_nested = true;
    task->thread = task->current = &task->base;
    call_init(task);
    task_count(executor, 1);
    return task;
}

void task_free(struct task *task)
{
    struct executor *executor = task->executor;
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    deadline_stop(executor, &task->deadline);
    executor_forget(task);
    if (!task->is_idle)
        task_count(executor, -1);
    error_done(&task->reason);
    arena_reset(&task->arena);
    if (executor->spare_count < SPARE_TASKS_MAX) {
        task->next = executor->spare;
        executor->spare = task;
        executor->spare_count++;
        return;
    }
    arena_done(&task->arena);
    free(task);
}

// ---- the end ------------------------------------------------------------------------------------

static enum task_end end_of(struct task *task)
{
    struct instance *instance = task->instance;
    if (task->timed_out)
        return TASK_TIMED_OUT;
    if (instance->exiting)
        return TASK_EXITED;
    if (task->cancelled)
        return instance->broken ? instance->end : TASK_CANCELLED;
    return task->rc < 0 ? TASK_TRAPPED : TASK_RETURNED;
}

static void set_stuck(struct task *task, bool is_stuck)
{
    uint32_t *count = &task->instance->async.stuck_count;
    *count += (uint32_t)is_stuck - (uint32_t)task->stuck;
    task->stuck = is_stuck;
}

// The fiber has come to its end: takes what it left behind.
static void collect(struct task *task)
{
    if (task->error || task->trap)
        task->rc = fault_take(TAKE(task->error), TAKE(task->trap), &task->reason);
    set_stuck(task, false);
}

// Tells the owner of the task, who may free the instance.
static void finish(struct task *task)
{
    struct instance *instance = task->instance;
    enum task_end end = end_of(task);
    if (task->timed_out)
        (void)instance_timed_out(instance, &task->reason);
    else if (task->cancelled && instance->broken)
        (void)error_set(&task->reason, instance->fault.code, "%s", error_text(&instance->fault));
    if (end != TASK_RETURNED)
        instance_fail(instance, end, &task->reason);
    if (end == TASK_TRAPPED && !task->cancelled)
        instance_note_refusals(instance, &task->reason);
    task_done done = task->done;
    void *arg = task->arg;
    struct error reason = task->reason;
    task->reason = ERROR_INIT;
    task_free(task);
    if (done)
        done(arg, end, &reason);
    error_done(&reason);
}

// The whole of what follows when a fiber was left, or has ended, with nothing else on the stack.
static void settle(struct task *task, bool ended)
{
    struct instance *instance = task->instance;
    instance->settling++;
    if (ended)
        finish(task);
    else if (task->cancelled)
        task_abandon(task);
    else if (!task->parked)
        executor_yield(task);
    ERROR(err);
    if (instance->async.switch_to && async_run_switched(&instance->async, &err) < 0)
        instance_fail(instance, TASK_TRAPPED, &err);
    instance->settling--;
    instance_settle(instance);
}

void task_abandon(struct task *task)
{
    struct instance *instance = task->instance;
    struct task *outer = instance->running;
    struct async_thread *current = instance->async.current;
    task->cancelled = true;
    instance->running = task;
    instance->async.current = task->current;
    wasmtime_call_future_delete(TAKE(task->future));
    instance->running = outer;
    instance->async.current = current;
    collect(task);
    finish(task);
}

// ---- running ------------------------------------------------------------------------------------

bool task_run(struct task *task)
{
    struct instance *instance = task->instance;
    struct task *outer = instance->running;
    bool was_stuck = task->stuck;
    struct executor *executor = task->executor;
    uint32_t hits = executor->hits;
    if (!outer)
        executor_begin_run(executor);
    if (was_stuck) // not while it runs: it does not wait for itself
        set_stuck(task, false);
    task->resume = true;
    instance->running = task;
    bool is_metered = instance->limits.cpu_time_ms > 0;
    if (is_metered)
        cpu_begin_slice(task);
    bool done = wasmtime_call_future_poll(task->future);
    instance->running = outer;
    executor_end_run(executor, hits, &task->heat);
    if (unlikely(executor->is_guarded) && !outer)
        executor_end_guard(executor);
    if (is_metered)
        cpu_end_slice(task, outer, done);
    task->current = instance->async.current;
    bool is_stuck = !done && !task->blocked;
    if (is_stuck)
        set_stuck(task, true);
    if (done) {
        wasmtime_call_future_delete(TAKE(task->future));
        collect(task);
    }
    if (was_stuck && !is_stuck)
        instance->async.ops->unstuck(&instance->async);
    return done;
}

void task_poll(struct task *task)
{
    struct instance *instance = task->instance;
    if (task->cancelled) {
        instance->settling++;
        task_abandon(task);
        instance->settling--;
        instance_settle(instance);
        return;
    }
    instance->async.current = task->current;
    bool ended = task_run(task);
    instance->async.current = NULL;
    settle(task, ended);
}

// ---- on the fiber -------------------------------------------------------------------------------

static wasm_trap_t *entry(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                          size_t count)
{
    struct task *task = (struct task *)(uintptr_t)values[0].i64;
    struct instance *instance = task->instance;
    int rc = 0;
    if (instance->next_step < instance->plan->step_count)
        rc = instance_finish_start(instance, &task->reason);
    if (rc == 0)
        rc = task->body(&task->call, task->arg);
    task->rc = rc;
    return NULL;
}

static bool resumed(void *env)
{
    return ((struct task *)env)->resume;
}

static void suspend(void *env, wasmtime_caller_t *caller, const wasmtime_val_t *args, size_t nargs,
                    wasmtime_val_t *results, size_t nresults, wasm_trap_t **trap,
                    wasmtime_async_continuation_t *continuation)
{
    struct instance *instance = wasmtime_context_get_data(wasmtime_caller_context(caller));
    *continuation = (wasmtime_async_continuation_t){.callback = resumed, .env = instance->running};
}

int task_define(wasmtime_linker_t *linker, struct error *err)
{
    wasm_functype_t *type = trampoline_type(&(struct core_func_type){STR("I"), STR_EMPTY});
    wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(linker, "wash", 4, "entry", 5,
                                                                    type, entry, NULL, NULL);
    wasm_functype_delete(type);
    int rc = fault_take(error, NULL, err);
    if (rc < 0)
        return rc;
    type = trampoline_type(&(struct core_func_type){STR_EMPTY, STR_EMPTY});
    error = wasmtime_linker_define_async_func(linker, "wash", 4, "suspend", 7, type, suspend, NULL,
                                              NULL);
    wasm_functype_delete(type);
    return fault_take(error, NULL, err);
}

// Looked up once: each lookup makes a function that stays in the store.
static void find_suspend(struct instance *instance)
{
    wasmtime_extern_t found;
    bool ok = wasmtime_linker_get(instance->linked->functions, instance->context, "wash", 4,
                                  "suspend", 7, &found);
    assert(ok);
    instance->suspend = found.of.func;
    instance->suspend_known = true;
}

static void find_entry(struct instance *instance)
{
    wasmtime_extern_t found;
    bool ok = wasmtime_linker_get(instance->linked->functions, instance->context, "wash", 4,
                                  "entry", 5, &found);
    assert(ok);
    instance->entry = found.of.func;
    instance->entry_known = true;
}

int task_suspend(struct task *task)
{
    struct instance *instance = task->instance;
    if (task->cancelled)
        return -ECANCELED;
    if (!instance->suspend_known)
        find_suspend(instance);
    task->parked = true;
    task->resume = false;
    wasmtime_val_raw_t none[1];
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(instance->context, &instance->suspend, none, 0, &trap);
    task->parked = false;
    bool failed = error || trap;
    fault_discard(error, trap);
    return failed || task->cancelled ? -ECANCELED : 0;
}

void task_wait_begin(struct task_wait *wait, struct canon_call *call)
{
    struct instance *instance = call->instance;
    *wait = (struct task_wait){.task = instance->running, .call = call};
}

int task_park(struct task_wait *wait)
{
    if (wait->woken) {
        wait->woken = false;
        return 0;
    }
    if (wait->call->teardown)
        return canon_trap(wait->call, "the instance is being destroyed");
    int rc = task_suspend(wait->task);
    wait->woken = false;
    return rc < 0 ? canon_trap(wait->call, "the task was cancelled") : 0;
}

void task_wake(struct task_wait *wait)
{
    wait->woken = true;
    if (wait->task->parked)
        executor_make_ready(wait->task);
}

int task_await(struct instance *instance, wasmtime_call_future_t *future, struct error *err)
{
    struct task *task = instance->running;
    while (!wasmtime_call_future_poll(future)) {
        // Guest code inside waits for something whose wake-up makes this task ready, or was
        // interrupted by the epoch.
        if (!task->parked)
            executor_yield(task);
        int rc = task_suspend(task);
        if (rc < 0) {
            wasmtime_call_future_delete(future);
            return error_set(err, rc, "the task was cancelled");
        }
    }
    wasmtime_call_future_delete(future);
    return 0;
}

// ---- interface ----------------------------------------------------------------------------------

// Makes the fiber; it begins when it is polled.
int task_start(struct task *task, struct error *err)
{
    struct instance *instance = task->instance;
    if (!instance->entry_known)
        find_entry(instance);
    wasmtime_context_set_epoch_deadline(instance->context, 1);
    wasmtime_val_t value = {.kind = WASMTIME_I64, .of.i64 = (int64_t)(uintptr_t)task};
    task->future = wasmtime_func_call_async(instance->context, &instance->entry, &value, 1, NULL, 0,
                                            &task->trap, &task->error);
    return 0;
}

static void task_expired(struct deadline *deadline)
{
    struct task *task = container_of(deadline, struct task, deadline);
    struct instance *instance = task->instance;
    task->timed_out = true;
    task->cancelled = true;
    // On the stack right now: it ends at its next park or epoch.
    if (instance->running)
        return;
    instance->settling++;
    task_abandon(task);
    instance->settling--;
    instance_settle(instance);
}

int instance_run(struct instance *instance, task_body body, task_done done, void *arg,
                 struct error *err)
{
    if (instance->broken)
        return error_set(err, -ESHUTDOWN, "the instance trapped or exited before");
    struct task *task = task_new(instance, body, arg);
    task->done = done;
    deadline_start(&task->deadline, instance, task_expired);
    int rc = task_start(task, err);
    if (rc < 0) {
        task_free(task);
        return rc;
    }
    task_poll(task);
    return 0;
}

void instance_cancel(struct instance *instance)
{
    ERROR(err);
    (void)error_set(&err, -ECANCELED, "the instance is being ended");
    instance_fail(instance, TASK_CANCELLED, &err);
    instance_settle(instance);
}

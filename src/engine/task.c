// SPDX-License-Identifier: Apache-2.0
// Tasks: C bodies on wasmtime fibers, and the executor that resumes them. What makes this sound: a
// store stays on its thread, a cancelled task is flagged before its future is deleted and never
// parks again, nesting is bounded (docs/architecture.md, "Fibers").
#include "engine/internal.h"

#include <assert.h>
#include <errno.h>

#define SPARE_TASKS_MAX      64
#define TASK_ARENA_BYTES_MAX ((size_t)64 << 20)

// ---- ready queue
// --------------------------------------------------------------------------------------

static void push(struct task ***end, struct task *task)
{
    task->queued = true;
    task->ready_next = NULL;
    **end = task;
    *end = &task->ready_next;
}

static struct task *pop(struct task **first, struct task ***end)
{
    struct task *task = *first;
    if (!task)
        return NULL;
    *first = task->ready_next;
    if (!*first)
        *end = first;
    task->queued = false;
    return task;
}

static void unqueue(struct task **first, struct task ***end, struct task *task)
{
    for (struct task **link = first; *link; link = &(*link)->ready_next) {
        if (*link != task)
            continue;
        *link = task->ready_next;
        if (!*link)
            *end = link;
        task->queued = false;
        return;
    }
}

static void make_ready(struct task *task)
{
    struct executor *executor = task->executor;
    if (task->queued)
        return;
    push(&executor->ready_end, task);
    loop_defer(executor->loop, &executor->defer);
}

// ---- deadlines
// ----------------------------------------------------------------------------------------

static void deadline_add(struct executor *executor, struct task *task)
{
    // Tasks of one workload have one limit, so the newest deadline is nearly always the last.
    struct task **link = executor->deadlines_end;
    if (executor->deadlines &&
        container_of(link, struct task, deadline_next)->deadline > task->deadline)
        for (link = &executor->deadlines; *link && (*link)->deadline <= task->deadline;)
            link = &(*link)->deadline_next;
    task->deadline_next = *link;
    task->deadline_link = link;
    *link = task;
    if (task->deadline_next)
        task->deadline_next->deadline_link = &task->deadline_next;
    else
        executor->deadlines_end = &task->deadline_next;
    if (link == &executor->deadlines && (!executor->timer.active || task->deadline_next))
        loop_timer_start(&executor->timer, task->deadline - loop_now(executor->loop));
}

static void deadline_remove(struct executor *executor, struct task *task)
{
    if (!task->deadline_link)
        return;
    *task->deadline_link = task->deadline_next;
    if (task->deadline_next)
        task->deadline_next->deadline_link = task->deadline_link;
    else
        executor->deadlines_end = task->deadline_link;
    task->deadline_link = NULL;
}

// ---- life of a task
// -------------------------------------------------------------------------------------

static struct task *task_new(struct instance *instance)
{
    struct executor *executor = instance->executor;
    struct task *task = executor->spare;
    if (task) {
        executor->spare = task->next;
        executor->spare_count--;
        struct arena arena = task->arena;
        *task = (struct task){.arena = arena};
    } else {
        task = mem_new(struct task);
        task->arena = ARENA_INIT(TASK_ARENA_BYTES_MAX);
    }
    task->instance = instance;
    task->executor = executor;
    task->next = instance->tasks;
    task->link = &instance->tasks;
    if (task->next)
        task->next->link = &task->next;
    instance->tasks = task;
    atomic_store(&executor->task_count,
                 atomic_load_explicit(&executor->task_count, memory_order_relaxed) + 1);
    if (unlikely(atomic_load(&executor->engine->ticker_asleep)))
        engine_wake_ticker(executor->engine);
    return task;
}

static void task_free(struct task *task)
{
    struct executor *executor = task->executor;
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

static enum task_end end_of(struct task *task)
{
    struct instance *instance = task->instance;
    if (task->timed_out)
        return TASK_TIMED_OUT;
    if (task->cancelled)
        return TASK_CANCELLED;
    if (instance->exiting)
        return TASK_EXITED;
    return task->rc < 0 ? TASK_TRAPPED : TASK_RETURNED;
}

// The fiber has come to its end: tell the owner, who may free the instance.
static void task_finish(struct task *task)
{
    struct instance *instance = task->instance;
    struct executor *executor = instance->executor;
    if (task->error || task->trap)
        task->rc = fault_take(TAKE(task->error), TAKE(task->trap), &task->reason);
    enum task_end end = end_of(task);
    if (end == TASK_TIMED_OUT)
        (void)error_set(&task->reason, -ETIMEDOUT,
                        "the call did not end within its wall-time limit of %llu ms",
                        (unsigned long long)instance->limits.wall_time_ms);
    if (end != TASK_RETURNED)
        instance->broken = true;
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    deadline_remove(executor, task);
    if (task->queued) {
        unqueue(&executor->ready, &executor->ready_end, task);
        unqueue(&executor->yielded, &executor->yielded_end, task);
    }
    atomic_store_explicit(&executor->task_count,
                          atomic_load_explicit(&executor->task_count, memory_order_relaxed) - 1,
                          memory_order_relaxed);
    task->done(task->arg, end, &task->reason);
    task_free(task); // the instance may be gone
}

static void task_abandon(struct task *task)
{
    struct instance *instance = task->instance;
    struct task *outer = instance->running;
    instance->running = task;
    wasmtime_call_future_delete(TAKE(task->future));
    instance->running = outer;
    task_finish(task);
}

// The epoch took the thread from a guest that computes: it goes on after the loop looked for
// events.
static void task_yield(struct task *task)
{
    struct executor *executor = task->executor;
    push(&executor->yielded_end, task);
    if (!executor->yield_timer.active)
        loop_timer_start(&executor->yield_timer, 0);
}

static void resume_yielded(struct loop_timer *timer)
{
    struct executor *executor = container_of(timer, struct executor, yield_timer);
    struct task *task;
    while ((task = pop(&executor->yielded, &executor->yielded_end)))
        make_ready(task);
}

static void task_poll(struct task *task)
{
    struct instance *instance = task->instance;
    if (task->cancelled) {
        task_abandon(task);
        return;
    }
    task->resume = true;
    instance->running = task;
    bool done = wasmtime_call_future_poll(task->future);
    instance->running = NULL;
    if (done) {
        wasmtime_call_future_delete(TAKE(task->future));
        task_finish(task);
    } else if (task->cancelled) {
        task_abandon(task);
    } else if (!task->parked) {
        task_yield(task);
    }
}

static void run_ready(struct loop_defer *defer)
{
    struct executor *executor = container_of(defer, struct executor, defer);
    struct task *task;
    while ((task = pop(&executor->ready, &executor->ready_end)))
        task_poll(task);
}

static void task_cancel(struct task *task)
{
    task->cancelled = true;
    // On the stack right now: it ends at its next park or epoch.
    if (task->instance->running != task)
        task_abandon(task);
}

static void expire(struct loop_timer *timer)
{
    struct executor *executor = container_of(timer, struct executor, timer);
    uint64_t now = loop_now(executor->loop);
    while (executor->deadlines && executor->deadlines->deadline <= now) {
        struct task *task = executor->deadlines;
        deadline_remove(executor, task);
        task->timed_out = true;
        task_cancel(task);
    }
    if (executor->deadlines && !timer->active)
        loop_timer_start(timer, executor->deadlines->deadline - now);
}

// ---- on the fiber
// ---------------------------------------------------------------------------------------

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

// Gives the thread back until somebody makes the task ready. Negative when it is being cancelled.
static int park(struct instance *instance, struct task *task)
{
    if (task->cancelled)
        return -ECANCELED;
    if (!instance->suspend_known) {
        wasmtime_extern_t found;
        bool ok = wasmtime_linker_get(instance->linked->functions, instance->context, "wash", 4,
                                      "suspend", 7, &found);
        assert(ok);
        instance->suspend = found.of.func;
        instance->suspend_known = true;
    }
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
    int rc = park(wait->task->instance, wait->task);
    wait->woken = false;
    return rc < 0 ? canon_trap(wait->call, "the task was cancelled") : 0;
}

void task_wake(struct task_wait *wait)
{
    wait->woken = true;
    if (wait->task->parked)
        make_ready(wait->task);
}

int task_await(struct instance *instance, wasmtime_call_future_t *future, struct error *err)
{
    struct task *task = instance->running;
    while (!wasmtime_call_future_poll(future)) {
        // Guest code inside waits for something whose wake-up makes this task ready, or was
        // interrupted by the epoch.
        if (!task->parked)
            task_yield(task);
        int rc = park(instance, task);
        if (rc < 0) {
            wasmtime_call_future_delete(future);
            return error_set(err, rc, "the task was cancelled");
        }
    }
    wasmtime_call_future_delete(future);
    return 0;
}

// ---- interface
// --------------------------------------------------------------------------------------------

struct executor *executor_new(struct engine *engine, struct loop *loop)
{
    struct executor *executor = mem_new(struct executor);
    executor->engine = engine;
    executor->loop = loop;
    executor->defer.callback = run_ready;
    executor->ready_end = &executor->ready;
    executor->yielded_end = &executor->yielded;
    executor->deadlines_end = &executor->deadlines;
    engine_attach(engine, executor);
    loop_timer_init(&executor->timer, loop, expire);
    loop_timer_init(&executor->yield_timer, loop, resume_yielded);
    return executor;
}

void executor_free(struct executor *executor)
{
    if (!executor)
        return;
    assert(!executor->ready && !executor->yielded && !executor->deadlines);
    engine_detach(executor->engine, executor);
    loop_defer_cancel(executor->loop, &executor->defer);
    loop_timer_done(&executor->timer);
    loop_timer_done(&executor->yield_timer);
    while (executor->spare) {
        struct task *task = executor->spare;
        executor->spare = task->next;
        arena_done(&task->arena);
        free(task);
    }
    free(executor);
}

static void task_call_init(struct task *task)
{
    struct instance *instance = task->instance;
    task->call = (struct canon_call){
        .handles = &instance->components[0].handles,
        .arena = &task->arena,
        .error = &task->reason,
        .host = instance->host,
        .ops = &instance_canon_ops,
        .instance = instance,
        .may_leave = true,
    };
}

int instance_run(struct instance *instance, task_body body, task_done done, void *arg,
                 struct error *err)
{
    if (instance->broken)
        return error_set(err, -ESHUTDOWN, "the instance trapped or exited before");
    wasmtime_extern_t found;
    bool ok = wasmtime_linker_get(instance->linked->functions, instance->context, "wash", 4,
                                  "entry", 5, &found);
    assert(ok);
    struct task *task = task_new(instance);
    task->body = body;
    task->done = done;
    task->arg = arg;
    task_call_init(task);
    struct executor *executor = instance->executor;
    if (instance->limits.wall_time_ms) {
        task->deadline = loop_now(executor->loop) + instance->limits.wall_time_ms * 1000000;
        deadline_add(executor, task);
    }
    wasmtime_context_set_epoch_deadline(instance->context, 1);
    // The header promises an error; the function of 48.0 returns nothing.
    (void)wasmtime_context_epoch_deadline_async_yield_and_update(instance->context, 1);
    wasmtime_val_t value = {.kind = WASMTIME_I64, .of.i64 = (int64_t)(uintptr_t)task};
    task->entry = found.of.func;
    task->future = wasmtime_func_call_async(instance->context, &task->entry, &value, 1, NULL, 0,
                                            &task->trap, &task->error);
    task_poll(task);
    return 0;
}

void instance_cancel(struct instance *instance)
{
    for (struct task *task = instance->tasks; task;) {
        struct task *next = task->next;
        task_cancel(task);
        task = next;
    }
}

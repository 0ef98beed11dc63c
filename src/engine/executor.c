// SPDX-License-Identifier: Apache-2.0
// Who runs next on this thread: woken tasks, instances with threads that are ready, deadlines.
#include "engine/internal.h"

#include <assert.h>

// ---- tasks --------------------------------------------------------------------------------------

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

// ---- hot code -----------------------------------------------------------------------------------
//
// Code that is caught by tick after tick spins, or has a lot to do: it is hot. It runs in slices,
// one in a turn of the loop and only when the loop has nothing else to do, or had not for a while,
// and a slice ends as soon as the loop has events: the ticker is told by the kernel, and a timer
// (slice_timer.h) looks where the ticker does not get a CPU. So others on the thread
// hardly notice it. Short runs are caught as well, by chance: a tick makes code warm, the next one
// in a row hot, and each run that came to its own end cools it.
//
// Where there was hot code there will be more: for a while afterwards what is new is guarded. It
// gives way too when the loop has events, but goes on in the next turn.

#define WARM         1u
#define HEAT_OF_TICK 8u
#define HEAT_MAX     64u
#define HOT          8u
// From here on it waits behind other hot code; before, it may have been unlucky and goes first.
#define VERY_HOT 16u
// Hot code gets a slice so often, and so much of it, even when the loop has always something to do.
#define SLICE_PAUSE_NS 1000000u
#define SLICE_MIN_NS   250000u
#define GUARD_NS       UINT64_C(1000000000)
// What guarded code may take whatever the loop has.
#define GUARDED_NS_MIN 150000u

static _apart_ void begin_guard(struct executor *executor)
{
    if (loop_now(executor->loop) >= executor->guard_end) {
        executor->guard_end = 0;
        return;
    }
    atomic_store(&executor->preempt, false);
    executor->is_guarded = true;
    slice_timer_start(&executor->slice_timer, executor, GUARDED_NS_MIN);
}

void executor_begin_run(struct executor *executor)
{
    executor->entry_tick = atomic_load_explicit(&executor->engine->ticks, memory_order_relaxed);
    if (executor->in_slice)
        return;
    executor->entries++;
    if (unlikely(executor->guard_end > 0))
        begin_guard(executor);
}

static bool is_preempted(const struct executor *executor)
{
    return (executor->in_slice || executor->is_guarded) && atomic_load(&executor->preempt);
}

void executor_end_run(struct executor *executor, uint32_t hits_before, uint32_t *heat)
{
    bool was_preempted = is_preempted(executor);
    if (executor->hits != hits_before)
        *heat = *heat == 0 ? WARM : MIN(*heat + HEAT_OF_TICK, HEAT_MAX);
    else if (*heat > 0 && !was_preempted)
        --*heat;
}

void executor_end_guard(struct executor *executor)
{
    executor->is_guarded = false;
    slice_timer_stop(&executor->slice_timer);
}

wasmtime_error_t *executor_interrupted(wasmtime_context_t *context, void *arg, uint64_t *delta,
                                       wasmtime_update_deadline_kind_t *kind)
{
    struct instance *instance = arg;
    struct executor *executor = instance->executor;
    uint32_t now = atomic_load_explicit(&executor->engine->ticks, memory_order_relaxed);
    bool is_due = now != executor->entry_tick;
    bool gives_way = is_due || is_preempted(executor);
    executor->entry_tick = now;
    executor->hits += is_due;
    instance->async.gives_way |= gives_way;
    // The deadline is set when the code goes on. What the ticker did by then counts as well, so
    // that this is called once more at once.
    *delta = gives_way ? 0 : 1;
    *kind = gives_way ? WASMTIME_UPDATE_DEADLINE_YIELD : WASMTIME_UPDATE_DEADLINE_CONTINUE;
    return NULL;
}

static void wake_later(struct executor *executor)
{
    loop_defer_next(executor->loop, &executor->yield_defer);
}

static void push_hot(struct executor *executor, struct task *task)
{
    if (task->heat >= VERY_HOT || !executor->hot) {
        push(&executor->hot_end, task);
    } else {
        task->queued = true;
        task->ready_next = executor->hot;
        executor->hot = task;
    }
    wake_later(executor);
}

void executor_make_ready(struct task *task)
{
    struct executor *executor = task->executor;
    if (task->queued)
        return;
    if (unlikely(task->heat >= VERY_HOT)) {
        push_hot(executor, task);
        return;
    }
    push(&executor->ready_end, task);
    loop_defer(executor->loop, &executor->defer);
}

void executor_forget(struct task *task)
{
    struct executor *executor = task->executor;
    if (!task->queued)
        return;
    unqueue(&executor->ready, &executor->ready_end, task);
    unqueue(&executor->yielded, &executor->yielded_end, task);
    unqueue(&executor->hot, &executor->hot_end, task);
}

void executor_yield(struct task *task)
{
    if (task->heat >= HOT) {
        push_hot(task->executor, task);
        return;
    }
    push(&task->executor->yielded_end, task);
    wake_later(task->executor);
}

// ---- instances with threads to run --------------------------------------------------------------

static void push_tick(struct instance ***end, struct instance *instance)
{
    instance->tick_queued = true;
    instance->tick_next = NULL;
    **end = instance;
    *end = &instance->tick_next;
}

static struct instance *pop_tick(struct instance **first, struct instance ***end)
{
    struct instance *instance = *first;
    if (!instance)
        return NULL;
    *first = instance->tick_next;
    if (!*first)
        *end = first;
    instance->tick_queued = false;
    return instance;
}

void executor_want_tick(struct instance *instance)
{
    struct executor *executor = instance->executor;
    if (instance->tick_queued)
        return;
    if (unlikely(instance->heat >= VERY_HOT)) {
        push_tick(&executor->hot_ticks_end, instance);
        wake_later(executor);
        return;
    }
    push_tick(&executor->ticks_end, instance);
    loop_defer(executor->loop, &executor->defer);
}

void executor_tick_later(struct instance *instance)
{
    struct executor *executor = instance->executor;
    if (instance->tick_queued)
        return;
    push_tick(instance->heat >= HOT ? &executor->hot_ticks_end : &executor->later_end, instance);
    wake_later(executor);
}

static void forget_tick(struct instance **first, struct instance ***end, struct instance *instance)
{
    for (struct instance **link = first; *link; link = &(*link)->tick_next) {
        if (*link != instance)
            continue;
        *link = instance->tick_next;
        if (!*link)
            *end = link;
        instance->tick_queued = false;
        return;
    }
}

void executor_forget_ticks(struct instance *instance)
{
    struct executor *executor = instance->executor;
    if (!instance->tick_queued)
        return;
    forget_tick(&executor->ticks, &executor->ticks_end, instance);
    forget_tick(&executor->later, &executor->later_end, instance);
    forget_tick(&executor->hot_ticks, &executor->hot_ticks_end, instance);
}

static void resume_yielded(struct loop_defer *defer)
{
    struct executor *executor = container_of(defer, struct executor, yield_defer);
    struct task *task;
    while ((task = pop(&executor->yielded, &executor->yielded_end)))
        push(&executor->ready_end, task);
    struct instance *instance;
    while ((instance = pop_tick(&executor->later, &executor->later_end)))
        push_tick(&executor->ticks_end, instance);
    executor->wants_slice = true;
    loop_defer(executor->loop, &executor->defer);
}

static bool has_time_for_slice(struct executor *executor)
{
    bool is_busy = executor->entries != executor->entries_seen;
    executor->entries_seen = executor->entries;
    executor->slice_ns_min = is_busy ? SLICE_MIN_NS : 0;
    if (!is_busy || (executor->hot && executor->hot->heat < VERY_HOT) ||
        (executor->hot_ticks && executor->hot_ticks->heat < VERY_HOT))
        return true;
    return loop_now(executor->loop) - executor->slice_end >= SLICE_PAUSE_NS;
}

// After all else that was deferred in this turn.
static void run_slice(struct loop_defer *defer)
{
    struct executor *executor = container_of(defer, struct executor, slice_defer);
    if (!executor->hot && !executor->hot_ticks)
        return;
    bool is_task = executor->hot && !(executor->hot_ticks && executor->last_was_task);
    executor->last_was_task = is_task;
    if (is_task ? executor->hot->heat >= VERY_HOT : executor->hot_ticks->heat >= VERY_HOT) {
        atomic_store_explicit(&executor->engine->is_hot, true, memory_order_relaxed);
        executor->guard_end = loop_now(executor->loop) + GUARD_NS;
    }
    atomic_store(&executor->preempt, false);
    if (executor->slice_ns_min == 0)
        engine_watch(executor->engine, executor);
    slice_timer_start(&executor->slice_timer, executor, executor->slice_ns_min);
    executor->in_slice = true;
    if (is_task)
        task_poll(pop(&executor->hot, &executor->hot_end));
    else
        instance_tick(pop_tick(&executor->hot_ticks, &executor->hot_ticks_end));
    executor->in_slice = false;
    slice_timer_stop(&executor->slice_timer);
    executor->slice_end = loop_now(executor->loop);
    if (executor->hot || executor->hot_ticks)
        wake_later(executor);
}

static void run_ready(struct loop_defer *defer)
{
    struct executor *executor = container_of(defer, struct executor, defer);
    for (;;) {
        struct task *task = pop(&executor->ready, &executor->ready_end);
        if (task) {
            task_poll(task);
            continue;
        }
        struct instance *instance = pop_tick(&executor->ticks, &executor->ticks_end);
        if (!instance)
            break;
        instance_tick(instance);
    }
    bool wants_slice = executor->wants_slice && (executor->hot || executor->hot_ticks);
    executor->wants_slice = false;
    if (wants_slice && has_time_for_slice(executor))
        loop_defer(executor->loop, &executor->slice_defer);
    else if (wants_slice)
        wake_later(executor);
}

// ---- deadlines ----------------------------------------------------------------------------------

void deadline_start(struct deadline *deadline, struct instance *instance,
                    void (*expired)(struct deadline *deadline))
{
    struct executor *executor = instance->executor;
    if (!instance->limits.wall_time_ms)
        return;
    deadline->at = loop_now(executor->loop) + instance->limits.wall_time_ms * 1000000;
    deadline->expired = expired;
    // Tasks of one workload have one limit, so the newest deadline is nearly always the last.
    struct deadline **link = executor->deadlines_end;
    if (executor->deadlines && container_of(link, struct deadline, next)->at > deadline->at)
        for (link = &executor->deadlines; *link && (*link)->at <= deadline->at;)
            link = &(*link)->next;
    deadline->next = *link;
    deadline->link = link;
    *link = deadline;
    if (deadline->next)
        deadline->next->link = &deadline->next;
    else
        executor->deadlines_end = &deadline->next;
    if (link == &executor->deadlines && (!executor->timer.active || deadline->next))
        loop_timer_start(&executor->timer, deadline->at - loop_now(executor->loop));
}

void deadline_stop(struct executor *executor, struct deadline *deadline)
{
    if (!deadline->link)
        return;
    *deadline->link = deadline->next;
    if (deadline->next)
        deadline->next->link = deadline->link;
    else
        executor->deadlines_end = deadline->link;
    deadline->link = NULL;
}

static void expire(struct loop_timer *timer)
{
    struct executor *executor = container_of(timer, struct executor, timer);
    uint64_t now = loop_now(executor->loop);
    while (executor->deadlines && executor->deadlines->at <= now) {
        struct deadline *deadline = executor->deadlines;
        deadline_stop(executor, deadline);
        deadline->expired(deadline);
    }
    if (executor->deadlines && !timer->active)
        loop_timer_start(timer, executor->deadlines->at - now);
}

// ---- life ---------------------------------------------------------------------------------------

struct executor *executor_new(struct engine *engine, struct loop *loop)
{
    struct executor *executor = mem_new(struct executor);
    executor->engine = engine;
    executor->loop = loop;
    executor->defer.callback = run_ready;
    executor->slice_defer.callback = run_slice;
    executor->yield_defer.callback = resume_yielded;
    executor->ready_end = &executor->ready;
    executor->yielded_end = &executor->yielded;
    executor->ticks_end = &executor->ticks;
    executor->later_end = &executor->later;
    executor->hot_end = &executor->hot;
    executor->hot_ticks_end = &executor->hot_ticks;
    executor->deadlines_end = &executor->deadlines;
    engine_attach(engine, executor);
    loop_timer_init(&executor->timer, loop, expire);
    release_queue_init(&executor->leaving, loop);
    return executor;
}

void executor_free(struct executor *executor)
{
    if (!executor)
        return;
    assert(!executor->ready && !executor->yielded && !executor->deadlines && !executor->ticks &&
           !executor->later && !executor->hot && !executor->hot_ticks);
    engine_detach(executor->engine, executor);
    slice_timer_done(&executor->slice_timer);
    loop_defer_cancel(executor->loop, &executor->defer);
    loop_defer_cancel(executor->loop, &executor->slice_defer);
    loop_defer_cancel(executor->loop, &executor->yield_defer);
    loop_timer_done(&executor->timer);
    release_queue_done(&executor->leaving);
    while (executor->spare) {
        struct task *task = executor->spare;
        executor->spare = task->next;
        arena_done(&task->arena);
        free(task);
    }
    free(executor);
}

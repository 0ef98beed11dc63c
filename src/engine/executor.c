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

void executor_make_ready(struct task *task)
{
    struct executor *executor = task->executor;
    if (task->queued)
        return;
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
}

static void wake_later(struct executor *executor)
{
    if (!executor->yield_timer.active)
        loop_timer_start(&executor->yield_timer, 0);
}

// A short task that a tick happened to hit does not spin: on a busy thread the faster ticks would
// hit others, which would keep them fast.
static bool has_spun(struct task *task)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (task->interrupted_ns == 0)
        task->interrupted_ns = now_ns;
    return now_ns - task->interrupted_ns >= (uint64_t)ENGINE_EPOCH_TICK_MS * 1000000;
}

void executor_yield(struct task *task)
{
    if (has_spun(task))
        atomic_store_explicit(&task->executor->spinning, true, memory_order_relaxed);
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
    push_tick(&executor->ticks_end, instance);
    loop_defer(executor->loop, &executor->defer);
}

void executor_tick_later(struct instance *instance)
{
    if (instance->tick_queued)
        return;
    push_tick(&instance->executor->later_end, instance);
    wake_later(instance->executor);
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
}

static void resume_yielded(struct loop_timer *timer)
{
    struct executor *executor = container_of(timer, struct executor, yield_timer);
    // One at a time: the loop looks for events between two that spin.
    struct task *task = pop(&executor->yielded, &executor->yielded_end);
    if (task)
        executor_make_ready(task);
    struct instance *instance;
    while ((instance = pop_tick(&executor->later, &executor->later_end)))
        executor_want_tick(instance);
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
    if (executor->yielded)
        wake_later(executor);
    else if (atomic_load_explicit(&executor->spinning, memory_order_relaxed))
        atomic_store_explicit(&executor->spinning, false, memory_order_relaxed);
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
    executor->ready_end = &executor->ready;
    executor->yielded_end = &executor->yielded;
    executor->ticks_end = &executor->ticks;
    executor->later_end = &executor->later;
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
    assert(!executor->ready && !executor->yielded && !executor->deadlines && !executor->ticks &&
           !executor->later);
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

// SPDX-License-Identifier: Apache-2.0
// CPU time of calls, and what errors say of limits.
//
// Each call has an account; what its code ran between two switches of the fiber is charged to it.
// The rest, which is nobody's (what a component does after it was called asynchronously by another
// one, or beyond the end of a call), is charged to the instance, which may use the limit once for
// each call that it began. Clocks are read only where there is a limit.
#include "engine/internal.h"

#include <errno.h>

#include "component/limit.h"

#define NS_PER_MS 1000000u
// Charged as they pass on the clock on the wall, which takes 20 ns to read, the thread's own 200.
#define SHORT_SLICE_NS 100000u

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// In a long slice the kernel may have run others: what the thread ran since it was last looked at
// is a bound then.
static uint64_t slice_ns(struct executor *executor, uint64_t now)
{
    uint64_t passed = now - executor->charged_since;
    if (passed < SHORT_SLICE_NS)
        return passed;
    uint64_t ran = now_ns(CLOCK_THREAD_CPUTIME_ID), before = executor->thread_ran;
    executor->thread_ran = ran;
    return MIN(passed, ran - before);
}

static struct cpu_account *account_of(struct task *task)
{
    const struct async_thread *thread = task->thread;
    if (thread == &task->base)
        return &task->cpu;
    struct cpu_account *account = thread && thread->task ? call_account(thread->task) : NULL;
    return account ? account : &task->instance->cpu_rest;
}

static void switch_to(struct executor *executor, struct cpu_account *account)
{
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    if (executor->charged)
        executor->charged->used_ns += slice_ns(executor, now);
    executor->charged = account;
    executor->charged_since = now;
}

void cpu_begin_slice(struct task *task)
{
    switch_to(task->executor, account_of(task));
}

void cpu_end_slice(struct task *task, struct task *outer, bool ended)
{
    struct instance *instance = task->instance;
    struct executor *executor = task->executor;
    struct cpu_account *account = executor->charged;
    switch_to(executor, outer ? account_of(outer) : NULL);
    uint64_t max = instance->limits.cpu_time_ms;
    if (account == &instance->cpu_rest)
        max *= MAX(instance->calls_begun, 1);
    if (ended || account->used_ns / NS_PER_MS < max)
        return;
    ERROR(err);
    limit_reached(&err, -ETIMEDOUT, LIMIT_CPU_TIME, instance->limits.cpu_time_ms);
    instance_fail(instance, TASK_TIMED_OUT, &err);
}

void cpu_account_gone(struct instance *instance, const struct cpu_account *account)
{
    struct executor *executor = instance->executor;
    if (executor->charged == account)
        executor->charged = &instance->cpu_rest;
}

// -------------------------------------------------------------------------------------------------

int instance_timed_out(struct instance *instance, struct error *err)
{
    return limit_reached(err, -ETIMEDOUT, LIMIT_WALL_TIME, instance->limits.wall_time_ms);
}

void instance_note_refusals(const struct instance *instance, struct error *err)
{
    const struct {
        enum limit limit;
        uint64_t max;
    } refusals[] = {
        {LIMIT_MEMORY, instance->limits.memory_bytes_max},
        {LIMIT_TABLE_ELEMENTS, instance->limits.table_elements_max},
    };
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        char text[LIMIT_TEXT_BYTES_MAX];
        if (!(instance->refused & 1u << refusals[i].limit))
            continue;
        limit_text(refusals[i].limit, refusals[i].max, text);
        (void)error_set(err, err->code, "%s\n  note: the %s had been reached", error_text(err),
                        text);
    }
}

// SPDX-License-Identifier: Apache-2.0
// wasi:clocks 0.3.
#include "wasi/clock.h"
#include "wasi/p3.h"
#include "wasi/wasi.h"

// ---- wasi:clocks/monotonic-clock ----------------------------------------------------------------

int p3_clocks_monotonic_clock_now(struct canon_call *call, uint64_t *ret)
{
    *ret = loop_now(wasi_of(call)->loop);
    return 0;
}

int p3_clocks_monotonic_clock_get_resolution(struct canon_call *call, uint64_t *ret)
{
    struct timespec resolution = clock_resolution(CLOCK_MONOTONIC);
    *ret = (uint64_t)resolution.tv_sec * NS_PER_S + (uint64_t)resolution.tv_nsec;
    return 0;
}

// A wait that the guest asked for.
struct sleep {
    struct loop_timer timer;
    struct host_job *job;
    uint64_t due;
};

static void sleep_free(struct sleep *sleep)
{
    loop_timer_done(&sleep->timer);
    free(sleep);
}

static void sleep_on(struct sleep *sleep)
{
    uint64_t now = loop_now(sleep->timer.loop);
    uint64_t left = sleep->due > now ? sleep->due - now : 0;
    loop_timer_start(&sleep->timer, MIN(left, CLOCK_TIMER_NS_MAX));
}

static void sleep_over(struct loop_timer *timer)
{
    struct sleep *sleep = container_of(timer, struct sleep, timer);
    struct host_job *job = sleep->job;
    if (loop_now(timer->loop) < sleep->due) {
        sleep_on(sleep);
        return;
    }
    sleep_free(sleep);
    host_job_done(job);
}

static void sleep_cancelled(struct host_job *job)
{
    sleep_free(job->data);
    host_job_cancelled(job);
}

static void sleep_dropped(struct host_job *job)
{
    sleep_free(job->data);
}

static int sleep_until(struct canon_call *call, struct host_job *job, uint64_t due)
{
    struct loop *loop = wasi_of(call)->loop;
    if (due <= loop_now(loop))
        return 0;
    struct sleep *sleep = mem_new(struct sleep);
    *sleep = (struct sleep){.job = job, .due = due};
    loop_timer_init(&sleep->timer, loop, sleep_over);
    job->data = sleep;
    job->cancel = sleep_cancelled;
    job->dropped = sleep_dropped;
    sleep_on(sleep);
    return CANON_PENDING;
}

int p3_clocks_monotonic_clock_wait_until(struct canon_call *call, struct host_job *job,
                                         uint64_t when)
{
    return sleep_until(call, job, when);
}

int p3_clocks_monotonic_clock_wait_for(struct canon_call *call, struct host_job *job,
                                       uint64_t how_long)
{
    uint64_t due;
    if (__builtin_add_overflow(loop_now(wasi_of(call)->loop), how_long, &due))
        due = UINT64_MAX;
    return sleep_until(call, job, due);
}

// ---- wasi:clocks/system-clock -------------------------------------------------------------------

int p3_clocks_system_clock_now(struct canon_call *call, struct p3_clocks_system_clock_instant *ret)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ret->seconds = now.tv_sec;
    ret->nanoseconds = (uint32_t)now.tv_nsec;
    return 0;
}

int p3_clocks_system_clock_get_resolution(struct canon_call *call, uint64_t *ret)
{
    struct timespec resolution = clock_resolution(CLOCK_REALTIME);
    *ret = (uint64_t)resolution.tv_sec * NS_PER_S + (uint64_t)resolution.tv_nsec;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:clocks 0.2. The monotonic clock is the loop's, so that sleeping and measuring agree.
#include "wasi/clock.h"
#include "wasi/io.h"
#include "wasi/wasi.h"

// ---- wasi:clocks/monotonic-clock ----------------------------------------------------------------

// The source of a pollable that is ready from an instant on.
struct alarm {
    struct wasi_event event;
    struct loop_timer timer;
    uint64_t due;
};

static bool alarm_ready(void *source)
{
    struct alarm *alarm = source;
    return loop_now(alarm->timer.loop) >= alarm->due;
}

static void alarm_watch(void *source)
{
    struct alarm *alarm = source;
    uint64_t now = loop_now(alarm->timer.loop);
    uint64_t left = alarm->due > now ? alarm->due - now : 0;
    loop_timer_start(&alarm->timer, MIN(left, CLOCK_TIMER_NS_MAX));
}

static void alarm_unwatch(void *source)
{
    struct alarm *alarm = source;
    loop_timer_stop(&alarm->timer);
}

static void alarm_rings(struct loop_timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);
    if (alarm_ready(alarm))
        wasi_event_wake(&alarm->event);
    else
        alarm_watch(alarm);
}

static void alarm_drop(void *source)
{
    struct alarm *alarm = source;
    loop_timer_done(&alarm->timer);
    free(alarm);
}

static const struct pollable_ops alarm_ops = {
    .ready = alarm_ready,
    .watch = alarm_watch,
    .unwatch = alarm_unwatch,
    .drop = alarm_drop,
};

static struct p2_io_poll_pollable *alarm_new(struct loop *loop, uint64_t due)
{
    if (due <= loop_now(loop))
        return pollable_new_ready();
    struct alarm *alarm = mem_new(struct alarm);
    alarm->due = due;
    loop_timer_init(&alarm->timer, loop, alarm_rings);
    return pollable_new(&alarm_ops, alarm, &alarm->event);
}

int p2_clocks_monotonic_clock_now(struct canon_call *call, uint64_t *ret)
{
    *ret = loop_now(wasi_of(call)->loop);
    return 0;
}

int p2_clocks_monotonic_clock_resolution(struct canon_call *call, uint64_t *ret)
{
    struct timespec resolution = clock_resolution(CLOCK_MONOTONIC);
    *ret = (uint64_t)resolution.tv_sec * NS_PER_S + (uint64_t)resolution.tv_nsec;
    return 0;
}

int p2_clocks_monotonic_clock_subscribe_instant(struct canon_call *call, uint64_t when,
                                                struct p2_io_poll_pollable **ret)
{
    *ret = alarm_new(wasi_of(call)->loop, when);
    return 0;
}

int p2_clocks_monotonic_clock_subscribe_duration(struct canon_call *call, uint64_t when,
                                                 struct p2_io_poll_pollable **ret)
{
    struct loop *loop = wasi_of(call)->loop;
    uint64_t due;
    if (__builtin_add_overflow(loop_now(loop), when, &due))
        due = UINT64_MAX;
    *ret = alarm_new(loop, due);
    return 0;
}

// ---- wasi:clocks/wall-clock ---------------------------------------------------------------------

int p2_clocks_wall_clock_now(struct canon_call *call, struct p2_clocks_wall_clock_datetime *ret)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ret->seconds = now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
    ret->nanoseconds = (uint32_t)now.tv_nsec;
    return 0;
}

int p2_clocks_wall_clock_resolution(struct canon_call *call,
                                    struct p2_clocks_wall_clock_datetime *ret)
{
    struct timespec resolution = clock_resolution(CLOCK_REALTIME);
    ret->seconds = (uint64_t)resolution.tv_sec;
    ret->nanoseconds = (uint32_t)resolution.tv_nsec;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Timers: a binary heap of ours over one timer of libuv, so that a timer allocates nothing, has no
// closing phase, and works the same on the virtual clock.
#include "loop/impl.h"

#include <assert.h>

#define NS_PER_MS 1000000u

uint64_t loop_now(struct loop *loop)
{
    return loop->is_virtual ? loop->virtual_now : uv_hrtime();
}

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void place(struct loop *loop, size_t index, struct loop_timer *timer)
{
    loop->timers.items[index] = timer;
    timer->index = index;
}

static void sift_up(struct loop *loop, size_t index, struct loop_timer *timer)
{
    while (index > 0) {
        struct loop_timer *parent = loop->timers.items[(index - 1) / 2];
        if (!is_before(timer, parent))
            break;
        place(loop, index, parent);
        index = (index - 1) / 2;
    }
    place(loop, index, timer);
}

static void sift_down(struct loop *loop, size_t index, struct loop_timer *timer)
{
    for (size_t child; (child = 2 * index + 1) < loop->timers.len; index = child) {
        if (child + 1 < loop->timers.len &&
            is_before(loop->timers.items[child + 1], loop->timers.items[child]))
            child++;
        if (!is_before(loop->timers.items[child], timer))
            break;
        place(loop, index, loop->timers.items[child]);
    }
    place(loop, index, timer);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
    size_t index = timer->index;
    struct loop_timer *moved = loop->timers.items[--loop->timers.len];
    if (moved == timer)
        return;
    if (index > 0 && is_before(moved, loop->timers.items[(index - 1) / 2]))
        sift_up(loop, index, moved);
    else
        sift_down(loop, index, moved);
}

static void on_alarm(uv_timer_t *alarm);

// The alarm is moved forward only: one that rings too early finds nothing due and is set again,
// which is cheaper than following timers that are started and stopped by every request.
static void set_alarm(struct loop *loop)
{
    if (loop->is_virtual)
        return;
    if (loop->timers.len == 0) {
        uv_unref((uv_handle_t *)&loop->alarm);
        return;
    }
    uv_ref((uv_handle_t *)&loop->alarm);
    uint64_t due = loop->timers.items[0]->due;
    if (due >= loop->alarm_due)
        return;
    uint64_t now = uv_hrtime();
    uint64_t wait = due > now ? due - now : 0;
    loop->alarm_due = due;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, wait / NS_PER_MS + (wait % NS_PER_MS != 0), 0);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop->alarm_due = UINT64_MAX;
    loop_timers_run(loop);
    set_alarm(loop);
}

void loop_alarm_init(struct loop *loop)
{
    uv_timer_init(&loop->uv, &loop->alarm);
    loop->alarm.data = loop;
    loop->alarm_due = UINT64_MAX;
    uv_unref((uv_handle_t *)&loop->alarm);
}

void loop_timers_run(struct loop *loop)
{
    uint64_t now = loop_now(loop);
    uint64_t order = loop->timer_order;
    while (loop->timers.len > 0) {
        struct loop_timer *timer = loop->timers.items[0];
        if (timer->due > now || timer->order >= order)
            break;
        heap_remove(loop, timer);
        timer->active = false;
        timer->callback(timer);
    }
}

void loop_advance(struct loop *loop, uint64_t ns)
{
    assert(loop->is_virtual);
    uint64_t target = loop->virtual_now + ns;
    for (int rounds = 0; rounds < LOOP_TIMER_ROUNDS_MAX;) {
        if (loop->timers.len == 0 || loop->timers.items[0]->due > target)
            break;
        uint64_t due = loop->timers.items[0]->due;
        rounds = due > loop->virtual_now ? 0 : rounds + 1;
        loop->virtual_now = MAX(due, loop->virtual_now);
        loop_timers_run(loop);
    }
    loop->virtual_now = target;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
                     void (*callback)(struct loop_timer *timer))
{
    *timer = (struct loop_timer){.loop = loop, .callback = callback};
}

void loop_timer_start(struct loop_timer *timer, uint64_t ns)
{
    struct loop *loop = timer->loop;
    if (timer->active)
        heap_remove(loop, timer);
    uint64_t now = loop_now(loop);
    timer->due = ns > UINT64_MAX - now ? UINT64_MAX - 1 : now + ns;
    timer->order = loop->timer_order++;
    timer->active = true;
    *vec_push(&loop->timers) = timer;
    sift_up(loop, loop->timers.len - 1, timer);
    set_alarm(loop);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (!timer->active)
        return;
    timer->active = false;
    heap_remove(timer->loop, timer);
    set_alarm(timer->loop);
}

void loop_timer_done(struct loop_timer *timer)
{
    if (timer->loop)
        loop_timer_stop(timer);
}

// SPDX-License-Identifier: Apache-2.0
// The loop's inside, shared by the files of this folder.
#pragma once

#include <uv.h>

#include "base/vec.h"
#include "loop/loop.h"

struct loop_message {
    struct loop_message *next;
    void (*callback)(void *arg);
    void *arg;
};

struct loop_defer_queue {
    struct loop_defer *first;
    struct loop_defer **last;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;      // a message was posted
    uv_prepare_t prepare; // runs deferrals between the timers and the wait
    uv_idle_t idle;       // active while deferrals are left over: the loop does not wait
    uv_timer_t alarm;     // the earliest timer of the heap; never in a virtual loop

    VEC(struct loop_timer *) timers; // binary heap by (due, order)
    uint64_t timer_order;
    uint64_t alarm_due; // UINT64_MAX: not set

    struct loop_defer_queue deferred;
    struct loop_defer_queue deferred_running;
    struct loop_defer_queue deferred_next; // until the loop has looked for events,
    struct loop_defer_queue deferred_due;  // which it does now

    uv_mutex_t post_lock;
    struct loop_message *posted;
    struct loop_message **posted_last;

    bool is_virtual;
    bool stopped;
    uint64_t virtual_now;
    unsigned holds;
};

// Runs the timers that are due, except those started meanwhile.
void loop_timers_run(struct loop *loop);
// libuv's alarm, set for the earliest timer.
void loop_alarm_init(struct loop *loop);

// Closes a handle on the heap and frees it when libuv lets go of it.
void loop_handle_close(void *handle);

// SPDX-License-Identifier: Apache-2.0
// Looks after a thread's loop while hot code (executor.c) runs on it: a timer's signal to the
// thread itself asks whether the loop has events and, if so, ends the slice. The ticker does so
// sooner, but only when it gets a CPU: on a busy machine it may wait for milliseconds.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct executor;

// Zero is one that was never used.
struct slice_timer {
    timer_t id;
    bool exists;
    uint32_t looks_left; // at short intervals, after the loop had events
};

// Sent by the timers. Its default is to be ignored, so a late one does no harm.
#define SLICE_SIGNAL SIGURG

// From now on, on this thread and until it is stopped: once the executor's loop has events, but not
// before `ns` have passed, executor->preempt is set and the epoch advanced. Where the system has no
// timer left, nothing happens, and the slice ends with a tick.
void slice_timer_start(struct slice_timer *timer, struct executor *executor, uint32_t ns);
void slice_timer_stop(struct slice_timer *timer);
void slice_timer_done(struct slice_timer *timer);

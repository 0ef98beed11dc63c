// SPDX-License-Identifier: Apache-2.0
// Waiting inside host functions. A handler that cannot go on parks the fiber of its task; whoever
// has the news wakes it. Everything here belongs to one thread.
//
//     struct task_wait wait;
//     task_wait_begin(&wait, call);
//     source->waiter = &wait;                 // somebody calls task_wake(source->waiter)
//     while (!ready && (rc = task_park(&wait)) == 0)
//         ;
//     source->waiter = NULL;
//     if (rc < 0)
//         return rc;                          // the task is being cancelled or timed out: trap
//
// Wake-ups may be spurious: check the condition again.
#pragma once

#include "component/canon.h"

struct task;

struct task_wait {
    struct task *task;
    struct canon_call *call;
    bool woken;
};

// The task that `call` runs in.
void task_wait_begin(struct task_wait *wait, struct canon_call *call);

// Suspends until task_wake(); returns at once when a wake-up came since the last park. 0, or a trap
// code with call->error set (cancelled, deadline passed): return it without parking again.
_must_use_ int task_park(struct task_wait *wait);

// Lets the task go on, from the executor's next turn. Harmless when it is not parked.
void task_wake(struct task_wait *wait);

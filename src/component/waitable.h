// SPDX-License-Identifier: Apache-2.0
// What a guest waits for: subtasks, ends of streams and futures; and sets of them
// (CanonicalABI.md "Waitable State").
//
// A waitable has at most one pending event. The event's payload is made when the event is
// delivered, since it may still change until then.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "component/canon.h"

struct async_thread;
struct waitable;

enum event_code {
    EVENT_NONE,
    EVENT_SUBTASK,
    EVENT_STREAM_READ,
    EVENT_STREAM_WRITE,
    EVENT_FUTURE_READ,
    EVENT_FUTURE_WRITE,
    EVENT_TASK_CANCELLED,
};

struct event {
    enum event_code code;
    uint32_t index;   // of the waitable
    uint32_t payload; // state of a subtask; result and progress of a copy
};

struct waitable_list {
    struct waitable *first;
    struct waitable **end;
};

struct waitable_set {
    struct waitable_list pending; // members with an event, oldest first
    struct waitable_list idle;
    struct async_thread *waiters; // threads that wait for an event of the set
    uint32_t waiter_count;
};

struct waitable {
    struct waitable_set *set; // NULL: in none
    struct waitable *next, **link;
    struct async_thread *waiter; // a thread that waits for this one alone (a synchronous built-in)
    bool has_event;
    // Makes the event and changes the state that goes with its delivery.
    struct event (*deliver)(struct waitable *waitable);
};

struct waitable_set *waitable_set_new(void);
void waitable_set_free(struct waitable_set *set); // leaves its members without a set
bool waitable_set_is_empty(const struct waitable_set *set);
static inline bool waitable_set_has_event(const struct waitable_set *set)
{
    return set->pending.first != NULL;
}
// Delivers the oldest pending event; there must be one.
struct event waitable_set_take(struct waitable_set *set);

// Moves the waitable to a set, or to none.
void waitable_join(struct waitable *waitable, struct waitable_set *set);
// Notes the event and wakes who waits for it (async_thread_wake()). One that is pending already
// stays where it is.
void waitable_set_event(struct waitable *waitable);
struct event waitable_take(struct waitable *waitable);
// Takes the pending event back, undelivered.
void waitable_clear_event(struct waitable *waitable);

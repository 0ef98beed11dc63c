// SPDX-License-Identifier: Apache-2.0
// Stores that are given up: what their memories grew by is given back to the system piece by piece,
// until the loop has events, as to unmap all of it takes a thread milliseconds. Another thread
// would not help: it competes for the CPU, and for the address space's lock, with this one.
#pragma once

#include "loop/loop.h"

struct instance;
struct leaving_store;

struct release_queue {
    struct loop *loop;
    struct loop_defer defer; // the next pieces
    uint32_t count;          // of stores
    struct leaving_store *first;
    struct leaving_store **end;
};

void release_queue_init(struct release_queue *queue, struct loop *loop);
// Deletes what waits.
void release_queue_done(struct release_queue *queue);

// Deletes the instance's store, at once when its memories hardly grew.
void release_store(struct release_queue *queue, struct instance *instance);

// SPDX-License-Identifier: Apache-2.0
// Puts instances back into the state of new ones, without making new ones: the pages that were
// written get the contents that a new instance has, mutable globals their values, and the
// component's own tables are emptied.
//
// What makes that the same. Core modules are compiled with their memories and mutable globals
// exported, where nothing else of an instance can change (component/core_reset.h). The written
// pages are found by scanning the page map; between two scans no page can be written first without
// a page fault of the thread, and an instance never leaves its thread, nor does another thread
// write to its memory. Huge pages, which the kernel makes without a fault, are switched off for the
// memories. Whatever else has changed (a memory grew, a lazy core instance was made, something
// still runs, a task trapped) is seen, and refused.
#pragma once

#include "engine/instance.h"

// Memories of a component that is reset have at most this many bytes at the start.
#define RESET_MEMORY_BYTES_MAX ((size_t)16 << 20)
// Instances that have written more are not reset: making a new one costs less.
#define RESET_PAGES_MAX 128u

struct reset_plan;  // what to put back: of a linked program
struct reset_state; // of an instance

// NULL when instances of it cannot be reset.
struct reset_plan *reset_plan_new(const struct linked *linked);
void reset_plan_free(struct reset_plan *plan);

// Remembers what a new instance is like, once for all threads. False: it cannot be reset.
bool reset_learn(struct reset_plan *plan, struct instance *instance);
void reset_state_free(struct reset_state *state);

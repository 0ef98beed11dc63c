// SPDX-License-Identifier: Apache-2.0
// The process-wide engine: libwasmtime's configuration, the pool of instance slots, the epoch
// ticker and the cache of compiled code.
#pragma once

#include "component/validate.h"

struct engine;

struct engine_options {
    uint32_t instances_max;       // live core instances' worth of pool slots; 0: default
    uint64_t memory_bytes_max;    // largest linear memory of the pool; 0: default
    uint32_t keep_resident_bytes; // memory kept mapped per pool slot between uses; 0: default
    const char *cache_dir; // compiled artifacts; NULL: $XDG_CACHE_HOME/wash/compiled; "": no cache
    // Told before a core module of at least ENGINE_COMPILE_BYTES_TOLD bytes is compiled, as that
    // takes a while; from the thread that loads it. May be NULL.
    void (*compiling)(size_t bytes);
    // Adapters are not merged into the modules that they adapt (component/plan_merge.h). Also by
    // the environment: WASH_MODULES_APART=1. For tests and benchmarks.
    bool modules_apart;
    // What components may use; copied. NULL: component_features_default().
    const struct component_features *features;
};

#define ENGINE_INSTANCES_DEFAULT     1000u
#define ENGINE_MEMORY_BYTES_DEFAULT  ((uint64_t)4 << 30)
#define ENGINE_KEEP_RESIDENT_DEFAULT ((uint32_t)1 << 20)
#define ENGINE_COMPILE_BYTES_TOLD    ((size_t)1 << 20)
#define ENGINE_EPOCH_TICK_MS         5
#define ENGINE_EPOCH_HOT_TICK_MS     1 // while code runs that ticks catch again and again

// The pool of instances is laid out meanwhile, which takes milliseconds: that there is no room for
// it is told by engine_wait(), and by whatever loads a program.
_must_use_ int engine_new(const struct engine_options *options, struct engine **out,
                          struct error *err);
_must_use_ int engine_wait(struct engine *engine, struct error *err);
void engine_free(struct engine *engine);

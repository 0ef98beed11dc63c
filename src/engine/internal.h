// SPDX-License-Identifier: Apache-2.0
// Structures shared by the files of this folder.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <wasmtime.h>

#include "base/vec.h"
#include "component/component.h"
#include "engine/fault.h"
#include "engine/instance.h"
#include "engine/task.h"

// Guest code may nest host -> guest calls this deep on one fiber (each takes up to
// ENGINE_WASM_STACK_BYTES of it); deeper traps.
#define ENGINE_NESTING_MAX       14
#define ENGINE_WASM_STACK_BYTES  ((size_t)512 * 1024)
#define ENGINE_FIBER_STACK_BYTES ((ENGINE_NESTING_MAX + 2) * ENGINE_WASM_STACK_BYTES)

static_assert(sizeof(union core_value) == sizeof(wasmtime_val_raw_t), "raw values differ in size");
static_assert(offsetof(wasmtime_val_raw_t, i64) == 0, "raw values differ in layout");

struct engine {
    wasm_engine_t *wasm;
    char *cache_dir; // NULL: no cache
    char fingerprint[SHA256_HEX_BYTES];
    void (*compiling)(size_t bytes);
    bool modules_apart;

    // The ticker sleeps while no task runs anywhere.
    pthread_t ticker;
    pthread_mutex_t ticker_lock;
    pthread_cond_t ticker_wake;
    struct executor *executors; // under the lock
    _Atomic bool ticker_asleep;
    bool ticker_stop;
};

// The ticker looks at the executor's task_count.
void engine_attach(struct engine *engine, struct executor *executor);
void engine_detach(struct engine *engine, struct executor *executor);
// For an executor that finds ticker_asleep after it counted a task.
void engine_wake_ticker(struct engine *engine);

struct program {
    _Atomic uint32_t refs;
    struct engine *engine;
    struct str bytes; // owned
    struct component *component;
    struct plan *plan;
    wasmtime_module_t **modules; // one per plan module
    bool was_cached;
};

// What a trampoline needs at run time; the env of its engine function.
struct bound {
    const struct plan_trampoline *trampoline;
    const struct canon_options *options;
    const struct host_func *func;         // TRAMPOLINE_IMPORT
    void *data;                           // its interface's data
    const struct host_resource *resource; // TRAMPOLINE_RESOURCE_DROP of a host resource
    const struct plan_lifted *lifted;     // TRAMPOLINE_LIFTED
    struct linked *linked;
};

struct linked {
    _Atomic uint32_t refs;
    struct program *program;
    const struct plan *plan;
    struct bound *bound; // one per trampoline
    // One per plan resource; NULL where a component defines it.
    const struct host_resource **resources;
    struct canon_resource *canon_resources; // the same as calls between components need it
    wasmtime_linker_t *functions;  // every trampoline as "t"/index, and the fiber functions
    wasmtime_instance_pre_t **pre; // one per step; NULL when it must be made from externs
    uint32_t sync_steps;           // leading steps that run no guest code: done at once
};

enum core_state { CORE_ABSENT, CORE_MAKING, CORE_MADE };

struct memory_slot {
    wasmtime_memory_t memory;
    bool known;
};
struct func_slot {
    wasmtime_func_t func;
    bool known;
};

// One component instance of the tree.
struct component_state {
    struct handle_table handles;
    bool cannot_leave; // its realloc or post-return runs: it may not call imports
    bool entered;      // another component's call runs in it: it may not be entered again
};

struct instance {
    struct linked *linked;
    const struct plan *plan;
    struct executor *executor;
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_instance_t *cores; // one per core instance
    uint8_t *core_states;       // enum core_state, one per core instance
    struct memory_slot *memories;
    struct func_slot *funcs;
    struct component_state *components;
    wasmtime_func_t suspend;
    bool suspend_known;
    uint32_t next_step;
    void *host;
    struct instance_limits limits;
    uint64_t memory_bytes;
    uint64_t table_elements;
    struct task *running; // whose fiber is on the stack now
    struct task *tasks;   // all live ones
    uint32_t exit_code;
    bool exiting;
    bool broken; // a task trapped
    bool freeing;
};

struct task {
    struct task *next, **link; // of the instance
    struct instance *instance;
    struct executor *executor;
    task_body body;
    task_done done;
    void *arg;
    wasmtime_call_future_t *future;
    wasm_trap_t *trap;
    wasmtime_error_t *error;
    wasmtime_func_t entry; // read when the future is polled first
    struct canon_call call;
    struct arena arena;
    struct error reason;
    int rc;         // of the body
    uint32_t depth; // nested host -> guest calls on this fiber
    bool parked, resume, queued, cancelled, timed_out;
    struct task *ready_next;
    uint64_t deadline; // loop time, 0: none
    struct task *deadline_next, **deadline_link;
};

struct executor {
    struct engine *engine;
    struct executor *attached_next; // under the engine's lock
    // Live tasks: written by this thread only, read by the ticker. Each executor counts for itself
    // so that threads share no line of cache.
    _Atomic uint32_t task_count;
    struct loop *loop;
    struct loop_defer defer;
    struct task *ready; // woken tasks, first to run first
    struct task **ready_end;
    struct task *yielded; // spinning ones: they go on after the loop looked for events
    struct task **yielded_end;
    struct loop_timer yield_timer; // resumes the yielded ones
    struct loop_timer timer;       // of the earliest deadline
    struct task *deadlines;        // earliest first
    struct task **deadlines_end;
    struct task *spare; // freed tasks for reuse
    uint32_t spare_count;
};

// ---- instance.c ----
// Fills memory, handles, encoding and ops for a crossing under `options`.
_must_use_ int instance_begin_call(struct instance *instance, const struct canon_options *options,
                                   struct canon_call *call);
// Reads the memory's place and size again, after guest code ran.
void instance_refresh_memory(struct canon_call *call);
// The core function in a slot; makes a lazy instance when needed (only on a fiber then).
_must_use_ int instance_func(struct instance *instance, uint32_t slot, wasmtime_func_t **out,
                             struct error *err);
// Calls a core function on the current stack.
_must_use_ int instance_call_core(struct instance *instance, const wasmtime_func_t *func,
                                  union core_value *values, size_t count, struct error *err);
// Runs the steps that were left for the first task.
_must_use_ int instance_finish_start(struct instance *instance, struct error *err);
extern const struct canon_ops instance_canon_ops;

// ---- task.c ----
// Parks the running task of the instance while `future` is not done; deletes it.
_must_use_ int task_await(struct instance *instance, wasmtime_call_future_t *future,
                          struct error *err);
// Defines the functions that tasks need ("wash"/"entry", "wash"/"suspend").
_must_use_ int task_define(wasmtime_linker_t *linker, struct error *err);

// ---- trampoline.c ----
// The engine callback of a trampoline.
wasmtime_func_unchecked_callback_t trampoline_callback(enum trampoline_kind kind);
wasm_functype_t *trampoline_type(const struct core_func_type *type);

// ---- cache.c ----
// The compiled form of a core module: from the cache, or compiled and stored there. `*cached` says
// which.
_must_use_ int cache_module(struct engine *engine, const struct plan_module *module,
                            wasmtime_module_t **out, bool *cached, struct error *err);
void cache_fingerprint(char out[SHA256_HEX_BYTES]);

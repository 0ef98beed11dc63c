// SPDX-License-Identifier: Apache-2.0
// Structures shared by the files of this folder.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <wasmtime.h>

#include "base/vec.h"
#include "component/async_builtin.h"
#include "component/component.h"
#include "component/subtask.h"
#include "engine/fault.h"
#include "engine/instance.h"
#include "engine/reset.h"
#include "engine/release.h"
#include "engine/slice_timer.h"
#include "engine/task.h"

// Guest code may nest host -> guest calls this deep on one fiber (each takes up to
// ENGINE_WASM_STACK_BYTES of it); deeper traps.
#define ENGINE_NESTING_MAX       14
#define ENGINE_WASM_STACK_BYTES  ((size_t)512 * 1024)
#define ENGINE_FIBER_STACK_BYTES ((ENGINE_NESTING_MAX + 2) * ENGINE_WASM_STACK_BYTES)

static_assert(sizeof(union core_value) == sizeof(wasmtime_val_raw_t), "raw values differ in size");
static_assert(offsetof(wasmtime_val_raw_t, i64) == 0, "raw values differ in layout");

struct engine {
    wasm_engine_t *wasm;   // after engine_wait()
    wasm_config_t *config; // until it is made
    struct error refusal;  // why it could not be made
    bool is_made;          // or refused; under ticker_lock
    pthread_cond_t made;
    char *cache_dir; // NULL: no cache
    char fingerprint[SHA256_HEX_BYTES];
    void (*compiling)(size_t bytes);
    bool modules_apart;
    int pagemap; // for reset.c; -1: none
    struct component_features features;

    // The ticker sleeps while no task runs anywhere.
    pthread_t ticker;
    pthread_mutex_t ticker_lock;
    pthread_cond_t ticker_wake;
    struct executor *executors; // under the lock
    _Atomic bool ticker_asleep;
    bool ticker_stop;
    int watch; // epoll of the loops of all executors
    alignas(64) _Atomic uint32_t ticks;
    _Atomic bool is_hot; // very hot code ran since the last tick
};

// The ticker looks at the executor's task_count.
void engine_attach(struct engine *engine, struct executor *executor);
void engine_detach(struct engine *engine, struct executor *executor);
// For an executor that finds ticker_asleep after it counted a task.
void engine_wake_ticker(struct engine *engine);
// For one slice: executor->preempt is set, and the epoch advanced, once its loop has events.
void engine_watch(struct engine *engine, struct executor *executor);

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
    const struct plan_builtin *builtin;   // TRAMPOLINE_BUILTIN
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
    uint32_t idle_fibers; // to keep at hand for calls between components of asynchronous type
    wasmtime_linker_t *functions;  // every trampoline as "t"/index, and the fiber functions
    wasmtime_instance_pre_t **pre; // one per step; NULL when it must be made from externs
    struct reset_plan *reset;      // NULL: instances cannot be reset
    uint32_t sync_steps;           // leading steps that run no guest code: done at once
};

enum core_state { CORE_ABSENT, CORE_MAKING, CORE_MADE };

// Where a memory is, read again after the limiter allowed a memory of the store to grow; no other
// event moves or resizes one.
struct memory_slot {
    wasmtime_memory_t memory;
    bool known;
    uint32_t growth; // instance->memory_growth when data and size were read
    uint8_t *data;
    size_t size;
};
struct func_slot {
    wasmtime_func_t func;
    bool known;
};

// A time at which something is stopped.
struct deadline {
    uint64_t at; // loop time
    void (*expired)(struct deadline *deadline);
    struct deadline *next, **link; // link NULL: none
};

// What code of one call has run.
struct cpu_account {
    uint64_t used_ns;
};

// The wall-time limit of an instance_call, and its CPU time.
struct call_deadline {
    struct deadline deadline;
    struct cpu_account cpu;
    struct instance_call *call;
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
    struct async_instance *components;
    struct async_store async;
    wasmtime_func_t suspend, entry; // of task.c
    bool suspend_known, entry_known;
    uint32_t next_step;
    void *host;
    struct instance_limits limits;
    uint64_t memory_bytes;
    uint64_t initial_bytes; // the same when it was new
    uint64_t table_elements;
    uint32_t refused;        // 1 << enum limit: memory or tables were not let grow
    uint32_t memory_growth;  // counts the times that a memory grew
    uint32_t initial_growth; // the same when it was new
    bool is_resettable;
    bool made_lazily;          // a lazy core instance
    struct reset_state *reset; // since its first reset
    struct task *running;      // whose fiber is on the stack now
    struct task *tasks;        // all live ones
    struct instance_call *calls;
    uint64_t calls_begun;
    struct cpu_account cpu_rest; // what no call has run
    struct task *waiting_stuck;  // tasks that wait until another one is not stuck any more
    struct task *waiting_fiber;  // tasks that wait for an idle fiber
    struct task *idle;           // fibers for threads
    uint32_t idle_count;
    struct instance *tick_next; // of those whose threads are to run
    bool tick_queued;
    uint32_t heat;      // executor.c
    struct arena arena; // scratch of calls outside a task
    uint32_t exit_code;
    bool exiting;
    bool broken;       // a task trapped: `end` and `fault` say how
    enum task_end end; // of what is left
    struct error fault;
    uint32_t settling; // instance_settle() runs
    bool freeing;
    bool free_wanted;
};

// A fiber: of a C body for instance_run(), or of a thread of the component model.
struct task {
    struct task *next, **link; // of the instance
    struct instance *instance;
    struct executor *executor;
    task_body body;
    task_done done; // NULL: of a thread
    void *arg;
    wasmtime_call_future_t *future;
    wasm_trap_t *trap;
    wasmtime_error_t *error;
    struct canon_call call;
    struct arena arena;
    struct error reason;
    int rc;         // of the body
    uint32_t depth; // nested host -> guest calls on this fiber
    bool parked, resume, queued, cancelled, timed_out;
    bool blocked;                 // parked as a thread: async_resume() goes on
    bool stuck;                   // left while it waits in a host function, or was interrupted
    struct async_thread *thread;  // of the component model: given, or `base`
    struct async_thread *current; // that ran when the fiber was left
    struct async_thread base;
    struct task *ready_next;
    uint32_t heat;          // executor.c
    struct task *wait_next; // in a list of the instance
    bool is_idle;           // a fiber for threads, without one
    struct deadline deadline;
    struct cpu_account cpu;
};

struct executor {
    struct engine *engine;
    struct executor *attached_next; // under the engine's lock
    // Live tasks: written by this thread only, read by the ticker. Each executor counts for itself
    // so that threads share no line of cache.
    _Atomic uint32_t task_count;
    _Atomic bool preempt; // by the ticker or slice_timer: the slice is to end
    struct slice_timer slice_timer;
    bool in_slice;         // hot code runs
    bool is_guarded;       // code that is not hot runs where hot code ran lately
    uint64_t guard_end;    // loop time; 0: none ran lately
    bool wants_slice;      // some is to run in this turn, if there is time
    bool last_was_task;    // the last slice was a task's, not an instance's
    uint32_t entry_tick;   // engine->ticks when code began to run
    uint32_t hits;         // counts the times that code ran into a tick
    uint32_t entries;      // and those that code ran that is not hot
    uint32_t entries_seen; // when slices were looked after last
    uint64_t slice_end;    // loop time
    uint32_t slice_ns_min; // what the next may take whatever the loop has
    struct loop *loop;
    struct loop_defer defer, slice_defer;
    struct loop_defer yield_defer; // resumes what yielded
    struct task *ready;            // woken tasks, first to run first
    struct task **ready_end;
    struct task *yielded; // interrupted ones: they go on after the loop looked for events
    struct task **yielded_end;
    struct task *hot; // those that run and run: one slice of one of them in a turn
    struct task **hot_end;
    struct instance *ticks; // whose threads are to run
    struct instance **ticks_end;
    struct instance *later; // the same, after the loop looked for events
    struct instance **later_end;
    struct instance *hot_ticks; // the same of those that run and run
    struct instance **hot_ticks_end;
    struct loop_timer timer;    // of the earliest deadline
    struct deadline *deadlines; // earliest first
    struct deadline **deadlines_end;
    struct cpu_account *charged; // for what runs now; NULL: nobody
    uint64_t charged_since;
    uint64_t thread_ran;          // CPU time of the thread when it was last looked at
    struct release_queue leaving; // stores that are given up
    struct task *spare;           // freed tasks for reuse
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
// The same for a table of thread.new-indirect.
_must_use_ int instance_table(struct instance *instance, uint32_t slot, wasmtime_extern_t *out,
                              struct error *err);
// Calls a core function on the current stack.
_must_use_ int instance_call_core(struct instance *instance, const wasmtime_func_t *func,
                                  union core_value *values, size_t count, struct error *err);
// Runs the steps that were left for the first task.
_must_use_ int instance_finish_start(struct instance *instance, struct error *err);
extern const struct canon_ops instance_canon_ops;
// Drops all handles of all components; the representations of the host go.
void instance_drop_handles(struct instance *instance);

// ---- task.c ----
// A task whose fiber has not begun. `body` gets the task's call.
struct task *task_new(struct instance *instance, task_body body, void *arg);
// Makes the fiber; it begins when the task runs first.
_must_use_ int task_start(struct task *task, struct error *err);
// Runs the fiber until it parks or ends, on the stack of the running one if there is one. True: it
// has ended.
bool task_run(struct task *task);
// The same from the loop, with all that follows: the instance may be gone.
void task_poll(struct task *task);
// What the ticker goes by: a task that can run guest code comes or goes.
void task_count(struct executor *executor, int change);
// Releases a task whose fiber has ended or never began.
void task_free(struct task *task);
// Ends the fiber where it parks.
void task_abandon(struct task *task);
// Gives the thread back until somebody makes the task ready. Negative when it is being cancelled.
_must_use_ int task_suspend(struct task *task);
// Parks the running task of the instance while `future` is not done; deletes it.
_must_use_ int task_await(struct instance *instance, wasmtime_call_future_t *future,
                          struct error *err);
// Defines the functions that tasks need ("wash"/"entry", "wash"/"suspend").
_must_use_ int task_define(wasmtime_linker_t *linker, struct error *err);

// ---- executor.c ----
void executor_make_ready(struct task *task);
void executor_forget(struct task *task); // takes it out of the queues
// The task was interrupted: it goes on after the loop looked for events.
void executor_yield(struct task *task);
void executor_want_tick(struct instance *instance);
void executor_tick_later(struct instance *instance);
void executor_forget_ticks(struct instance *instance);
// Around what a task or an instance runs: whether it ran into a tick says how hot it is. Within
// another run only the end is told.
void executor_begin_run(struct executor *executor);
void executor_end_run(struct executor *executor, uint32_t hits_before, uint32_t *heat);
void executor_end_guard(struct executor *executor); // after the outermost run, if it is_guarded
// The engine's callback in code that the epoch caught.
wasmtime_error_t *executor_interrupted(wasmtime_context_t *context, void *instance, uint64_t *delta,
                                       wasmtime_update_deadline_kind_t *kind);
// The instance's wall-time limit begins; none: nothing happens.
void deadline_start(struct deadline *deadline, struct instance *instance,
                    void (*expired)(struct deadline *deadline));
void deadline_stop(struct executor *executor, struct deadline *deadline);

// ---- concurrency.c ----
extern const struct async_ops engine_async_ops;
// Runs threads that are ready; the instance may be gone afterwards.
void instance_tick(struct instance *instance);
// Notes that the instance is unusable from now on; the first reason stays.
void instance_fail(struct instance *instance, enum task_end end, const struct error *err);
// Outside of all fibers: when the instance has failed or is stuck for ever, ends what is left of
// it. The instance may be gone afterwards.
void instance_settle(struct instance *instance);
// The account of the host's call that made the task, or NULL.
struct cpu_account *call_account(const struct async_task *task);

// ---- limits.c ----
// Around each stretch that the fiber runs, where CPU time is limited. Afterwards the instance may
// have failed.
void cpu_begin_slice(struct task *task);
void cpu_end_slice(struct task *task, struct task *outer, bool ended);
// Before the account is freed.
void cpu_account_gone(struct instance *instance, const struct cpu_account *account);
// "wall-time limit of 500 ms (--timeout) reached"
int instance_timed_out(struct instance *instance, struct error *err);
// Adds to a trap's reason which limits had kept the instance from growing.
void instance_note_refusals(const struct instance *instance, struct error *err);

// ---- trampoline.c ----
// The engine callback of a trampoline.
wasmtime_func_unchecked_callback_t trampoline_callback(const struct bound *bound);
wasm_functype_t *trampoline_type(const struct core_func_type *type);

// ---- cache.c ----
// The compiled form of a core module: from the cache, or compiled and stored there. `*cached` says
// which.
_must_use_ int cache_module(struct engine *engine, const struct plan_module *module,
                            wasmtime_module_t **out, bool *cached, struct error *err);
void cache_fingerprint(char out[SHA256_HEX_BYTES]);

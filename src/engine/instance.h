// SPDX-License-Identifier: Apache-2.0
// A component instance: one store with all core instances of the component's tree, used by one
// thread, and the tasks (fibers) that run in it.
#pragma once

#include "component/async.h"
#include "component/plan.h"
#include "engine/linker.h"
#include "loop/loop.h"

// Runs woken tasks of one thread's instances at the end of each loop turn.
struct executor;
struct executor *executor_new(struct engine *engine, struct loop *loop);
void executor_free(struct executor *executor); // no instance may be left

struct instance;

// What errors call them: component/limit.h; docs/limits.md says what happens at each.
struct instance_limits {
    uint64_t memory_bytes_max;   // all linear memories together; 0: default
    uint64_t wall_time_ms;       // from the start of a task to its end, waiting included; 0: none
    uint64_t cpu_time_ms;        // that a task's code ran, what it called on the host included
    uint32_t table_elements_max; // all tables together; 0: default
    uint32_t handles_max;        // live, all handle tables together; 0: default
    uint32_t streams_max;        // streams, futures and subtasks that live; 0: default
    uint32_t tasks_max;          // tasks and threads of the component model; 0: default
};
#define INSTANCE_MEMORY_BYTES_DEFAULT   ((uint64_t)256 << 20)
#define INSTANCE_TABLE_ELEMENTS_DEFAULT 1000000u
#define INSTANCE_HANDLES_DEFAULT        HANDLES_MAX
#define INSTANCE_STREAMS_DEFAULT        ASYNC_STREAMS_MAX
#define INSTANCE_TASKS_DEFAULT          ASYNC_THREADS_MAX

struct instance_options {
    void *host; // call->host of every handler
    struct instance_limits limits;
    bool resettable; // instance_reset() is going to be asked for
};

// Makes the store and the core instances. Start functions run with the first task. `linked` must
// outlive the instance.
_must_use_ int instance_new(struct linked *linked, struct executor *executor,
                            const struct instance_options *options, struct instance **out,
                            struct error *err);
// Cancels running tasks, drops all handles and destroys the store.
void instance_free(struct instance *instance);

// Makes an instance without running tasks the same as a new one, at a fraction of the cost; what it
// got from its host is dropped. Its last task's `done` may ask for it. False: that cannot be done,
// and it has to be freed.
_must_use_ bool instance_reset(struct instance *instance);
// From now on call->host of every handler. For an instance that nothing runs in.
void instance_set_host(struct instance *instance, void *host);
// For tests: every byte and every global of a resettable instance is that of a new one.
bool instance_is_as_new(struct instance *instance);

// Bytes of linear memory in use, all memories together.
uint64_t instance_memory_bytes(const struct instance *instance);
// Live handles in all handle tables.
uint32_t instance_handle_count(const struct instance *instance);

// How a task ended.
enum task_end {
    TASK_RETURNED,
    TASK_TRAPPED,   // the error says the reason and the wasm backtrace; the instance is unusable
    TASK_EXITED,    // wasi:cli/exit; see instance_exit_code()
    TASK_TIMED_OUT, // wall_time_ms or cpu_time_ms passed
    TASK_CANCELLED,
};

// A C function that runs on a fiber in the instance and may call its exports through generated
// bindings or canon_call->ops, and anything that parks. Returns 0, or a trap code with call->error
// set.
typedef int (*task_body)(struct canon_call *call, void *arg);
typedef void (*task_done)(void *arg, enum task_end end, const struct error *err);

// Starts a task at once, on the caller's stack frame up to the first park. `done` runs exactly
// once, possibly before this returns, and may call instance_free(). 0 or an error when no task
// could be made.
_must_use_ int instance_run(struct instance *instance, task_body body, task_done done, void *arg,
                            struct error *err);
// Ends all running tasks; their `done` gets TASK_CANCELLED.
void instance_cancel(struct instance *instance);

// A call of an export of asynchronous type, or of any other, by the host. The embedder fills the
// callbacks and keeps it in place until `ended`.
struct instance_call {
    // Lowers the arguments into `flat` (CANON_FLAT_MAX values): X_lower() of generated bindings.
    int (*start)(struct canon_call *call, void *arg, union core_value *flat);
    // Lifts the result: up to `flat_max` flat values, otherwise a pointer. `flat` NULL: the guest
    // ended the call early, as it was asked to. A task may go on after it has returned.
    int (*returned)(struct canon_call *call, void *arg, const union core_value *flat,
                    uint32_t flat_max);
    // Exactly once: nothing of the task is left. May free the instance.
    void (*ended)(void *arg, enum task_end end, const struct error *err);
    void *arg;
    // The engine's.
    struct instance *instance;
    const void *func;
    struct async_task *task;
    bool has_returned;
    struct instance_call *next, **link;
    struct call_deadline *deadline;
};
// Starts the call at once. 0 or an error when it could not be made; `ended` may have run already.
_must_use_ int instance_call(struct instance *instance, const void *func,
                             struct instance_call *call, struct error *err);
// Asks the guest to end it early.
void instance_call_cancel(struct instance_call *call);
// For hosts that make streams and futures outside a call.
struct async_store *instance_async(struct instance *instance);

// For wasi:cli/exit: ends the running task as TASK_EXITED; the return value is what the handler
// returns.
_must_use_ int instance_exit(struct canon_call *call, uint32_t code);
uint32_t instance_exit_code(const struct instance *instance);

// The function to hand to generated export bindings (canon_ops.invoke); NULL when not exported.
const void *linked_find_export(const struct linked *linked, struct str interface, struct str name);
// The same for a function of a known interface, with its type checked; NULL and the reason
// otherwise.
const void *linked_bind_export(const struct linked *linked, const struct host_interface *interface,
                               struct str name, struct error *err);

// Makes `call` ready to pass arguments to an export: its memory, encoding and handle table. A
// task's body calls it before it uses the function.
_must_use_ int instance_enter(struct canon_call *call, const void *func);

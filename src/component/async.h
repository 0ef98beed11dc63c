// SPDX-License-Identifier: Apache-2.0
// Concurrency inside one store: component instances, threads, tasks and subtasks (CanonicalABI.md
// "Component Instances", "Threads", "Tasks", "Subtask State", "canon lift", "canon lower").
//
// A call of a lifted function is a task; it runs on one or more threads, which take turns. A
// function of asynchronous type gets a thread with a fiber of its own, so that its caller can go on
// when it blocks. A function of synchronous type runs on its caller's fiber and must not block.
// While a task waits between two callbacks its thread has no fiber.
//
// The engine lends fibers and calls core functions (struct async_ops); everything else is here, and
// runs without an engine in tests. Threads of one store run one at a time, from async_tick() or
// from within each other.
#pragma once

#include "component/plan.h"
#include "component/waitable.h"

struct async_store;
struct async_task;
struct async_thread;
struct subtask;

// Limits. The first two are defaults, see async_store_limit().
#define ASYNC_THREADS_MAX      10000u // live tasks and threads of one store
#define ASYNC_STREAMS_MAX      10000u // live streams, futures and subtasks of one store
#define ASYNC_BACKPRESSURE_MAX 65535u

// ---- threads ------------------------------------------------------------------------------------

// What a thread that does not run waits for.
enum thread_wait {
    WAIT_NOTHING,  // it runs
    WAIT_RESUME,   // suspended, or not begun: another thread resumes it
    WAIT_TURN,     // it yielded
    WAIT_ENTRY,    // backpressure, or another task that runs alone
    WAIT_EVENT,    // of thread->waitable
    WAIT_SET,      // an event of thread->set
    WAIT_SUBTASK,  // the result of thread->subtask
    WAIT_CALLBACK, // between callbacks: an event of thread->set, or just a turn without a set
};

// A core function of the engine's.
struct async_func {
    uint64_t words[2];
};

struct async_thread {
    struct async_store *store;
    struct async_task *task;    // NULL: a thread of the host's own
    struct async_thread *outer; // that resumed or called it, while it runs
    uint32_t component_instance;
    uint32_t levels; // component instances that it entered: its own and so many - 1 ancestors
    uint32_t index;  // in the instance's table; 0: not there
    enum thread_wait wait;
    bool cancellable;
    bool is_cancelled; // resumed to be told so
    bool is_nested;    // of a function of synchronous type: on its caller's fiber
    // Runs it: for the first time, and between callbacks.
    int (*body)(struct async_thread *thread, struct error *err);
    union {
        struct waitable *waitable;
        struct waitable_set *set;
        struct subtask *subtask;
    };
    struct async_thread *wait_next, **wait_link; // others that wait for the same set
    struct thread_list *queue;                   // the list that it is in, or NULL
    struct async_thread *queue_next, **queue_link;
    struct async_thread *task_next, **task_link; // others of the task
    uint64_t storage[2];                         // context.get and context.set
    union {
        struct {
            struct async_func func; // thread.new-indirect
            uint32_t argument;
        };
        struct { // a thread of the host's own
            int (*host_body)(struct async_thread *thread, struct error *err);
            void *host_data;
        };
    };
    struct async_thread *heap_next, **heap_link; // others of the store that are not part of a task
    void *fiber;                                 // the engine's; NULL: none now
};

struct thread_list {
    struct async_thread *first, **end;
};

// ---- tasks --------------------------------------------------------------------------------------

enum task_state {
    TASK_INITIAL,
    TASK_STARTED,
    TASK_CANCEL_PENDING,
    TASK_CANCEL_DELIVERED,
    TASK_RESOLVED
};

// Who called a task. All may run guest code and trap.
struct async_caller {
    // Lowers the arguments for the callee into `flat` (CANON_FLAT_MAX values).
    int (*start)(struct async_task *task, struct canon_call *callee, union core_value *flat);
    // Lifts the result: up to `flat_max` flat values, else a pointer; NULL: the task was cancelled.
    int (*resolve)(struct async_task *task, struct canon_call *callee, const union core_value *flat,
                   uint32_t flat_max);
    // The task's last thread has ended; the task is gone afterwards. May be NULL.
    void (*ended)(struct async_task *task);
};

struct async_task {
    struct async_task *next, **link; // of the store
    const struct plan_lifted *lifted;
    const struct async_caller *caller;
    void *caller_data;
    enum task_state state;
    uint32_t borrows;             // borrow handles that the callee has not dropped
    uint32_t thread_count;        // live ones
    struct async_thread *threads; // live ones that it made itself
    struct async_thread thread;   // the implicit one
};

// ---- component instances ------------------------------------------------------------------------

struct thread_table {
    struct async_thread **items; // [0] is not used
    uint32_t len;
    uint32_t cap;
    uint32_t *free_indices;
    uint32_t free_len;
};

struct async_instance {
    struct handle_table handles;
    struct async_instance *parent; // NULL: the root
    bool cannot_leave;             // its realloc or post-return runs: it may not call imports
    struct async_thread *entered;  // which runs in it, or is stuck in a function of the host
    uint32_t backpressure;
    uint32_t entering;              // threads in WAIT_ENTRY
    struct async_thread *exclusive; // of the task that runs alone
    struct thread_list blocked;     // until `entered`, `exclusive` or `backpressure` changes
    struct thread_table threads;
};

// ---- the store ----------------------------------------------------------------------------------

enum async_progress {
    ASYNC_RAN,   // it blocked or ended
    ASYNC_STUCK, // it waits in a function of the host
};

struct async_ops {
    // Runs the thread on its fiber, or on a new one that calls async_thread_main(), until it
    // blocks, ends or is stuck. enum async_progress, or negative: the store is broken.
    int (*resume)(struct async_thread *thread, struct error *err);
    // Leaves the running thread's fiber until resume(). Negative: return to the fiber's end.
    int (*block)(struct async_thread *thread, struct error *err);
    // Parks the running fiber until some other fiber that was stuck is not so any more.
    int (*wait_stuck)(struct async_store *store, struct error *err);
    // A fiber that was stuck is so no more, or a component instance was left.
    void (*unstuck)(struct async_store *store);
    // async_tick() is wanted.
    void (*schedule)(struct async_store *store);
    // Makes `call` ready to work in the memory and the tables of `options`.
    int (*begin)(struct async_store *store, const struct canon_options *options,
                 struct canon_call *call);
    // Calls plan->funcs[func].
    int (*call)(struct async_store *store, uint32_t func, union core_value *values, uint32_t count,
                struct error *err);
    // The function in element `element` of plan->tables[table], which must take one i32, and its
    // call.
    int (*find_indirect)(struct async_store *store, uint32_t table, uint32_t element,
                         struct async_func *out, struct error *err);
    int (*call_indirect)(struct async_store *store, const struct async_func *func,
                         uint32_t argument, struct error *err);
};

// Pairs of types that were found equal; each stream and future is asked about at every use.
#define ASYNC_EQUAL_TYPES 16u
struct async_equal_types {
    const struct type *a, *b;
};

struct async_store {
    const struct async_ops *ops;
    const struct plan *plan;
    void *engine;
    struct async_instance *instances; // plan->component_instance_count
    struct async_thread *current;
    struct async_thread *switch_to; // runs next, in place of the thread that blocks
    struct thread_list ready;
    bool has_threads; // the plan's
    bool gives_way;   // set from outside while async_tick() runs: it returns soon
    struct handle_quota handles;
    uint32_t thread_count, threads_max;
    uint32_t stream_count, streams_max; // subtasks count as well
    uint32_t stuck_count;               // threads that are stuck in a function of the host
    // Things that can make a thread ready from outside: jobs and sides of streams of the host.
    uint32_t host_count;
    struct async_task *tasks;
    struct async_thread *heap_threads;
    struct subtask *subtasks;
    struct stream *streams;
    struct async_task *spare_task;                     // for the next call
    struct subtask *spare_subtask;                     // the same
    struct async_equal_types equal[ASYNC_EQUAL_TYPES]; // the latest ones
    uint32_t equal_next;
};

void async_store_init(struct async_store *store, const struct async_ops *ops,
                      const struct plan *plan, struct async_instance *instances, void *engine);
// What the store may have at a time; 0: the default.
void async_store_limit(struct async_store *store, uint32_t handles_max, uint32_t streams_max,
                       uint32_t threads_max);
// A trap when there are more streams, futures and subtasks than there may be.
_must_use_ int async_check_streams(struct canon_call *call);
// Frees what handles and threads refer to; nothing runs any more.
void async_store_done(struct async_store *store);

// True when nothing is going on and nothing is left of what went on but handles, so that
// async_store_clear() makes the store as it was at first.
bool async_store_is_quiet(const struct async_store *store);
void async_store_clear(struct async_store *store);

// Runs the threads that are ready now, each until it blocks. 0, or negative: the store is broken.
_must_use_ int async_tick(struct async_store *store, struct error *err);
static inline bool async_has_ready(const struct async_store *store)
{
    return store->ready.first != NULL;
}
// What a new fiber runs; the thread may be gone afterwards.
_must_use_ int async_thread_main(struct async_thread *thread, struct error *err);
// Looks whether the thread can go on now. Harmless when it cannot.
void async_thread_wake(struct async_thread *thread);
bool async_is_ready(const struct async_thread *thread);
// For the engine, after a fiber that was stuck went on from outside: a thread that it gave way to.
_must_use_ int async_run_switched(struct async_store *store, struct error *err);

// Inside the folder: blocks the running thread until what it waits for is there (its union is set),
// or it is cancelled.
_must_use_ int async_wait(struct async_thread *thread, enum thread_wait wait, bool cancellable,
                          struct error *err);
// Makes a thread known: it can be resumed, and counts. -ENOSPC at the limit.
_must_use_ int async_thread_init(struct async_store *store, struct async_thread *thread,
                                 uint32_t component_instance,
                                 int (*body)(struct async_thread *thread, struct error *err));
void async_thread_done(struct async_thread *thread);
// A thread that is not part of a task; async_thread_free() undoes both.
struct async_thread *async_thread_new(struct async_store *store, uint32_t component_instance,
                                      int (*body)(struct async_thread *thread, struct error *err));
void async_thread_free(struct async_thread *thread);
// Makes a suspended thread wait for its turn.
void async_resume_later(struct async_thread *thread);
// Runs the thread from within the current one, or from outside, until it blocks.
_must_use_ int async_resume(struct async_thread *thread, bool cancelled, struct error *err);
// Enters the component instance and its ancestors that the current thread is not in. -EBUSY: a
// thread is stuck in one; -EDEADLK: a caller of the current thread runs in one.
_must_use_ int async_enter(struct async_thread *thread);
_must_use_ int async_may_enter(struct async_thread *thread); // whether it could
void async_leave(struct async_thread *thread);
// Between two callbacks: waits for an event of thread->set, or just for a turn without a set.
// False: it has come already, and nobody is to be given way to. True: the fiber that calls this
// ends now.
_must_use_ bool async_wait_callback(struct async_thread *thread, bool give_way);
// A thread that has not begun waits for entry, without a fiber.
void async_wait_entry(struct async_thread *thread);
// After -EBUSY: the thread, which waits, looks again when the instance has been left.
void async_wait_until_left(struct async_thread *thread, enum thread_wait wait);
// Threads that wait for the component instance look again.
void async_unblock(struct async_store *store, struct async_instance *instance);

// Runs `body` once on a fiber of its own, as a thread of the host in a component instance, soon.
struct async_thread *async_host_thread(struct async_store *store, uint32_t component_instance,
                                       int (*body)(struct async_thread *thread, struct error *err),
                                       void *data);
void async_host_thread_cancel(struct async_thread *thread);

// Structural equality of element types; resources are equal when they are one at run time.
bool async_type_equal(struct async_store *store, const struct type *a, const struct type *b);

// ---- calls --------------------------------------------------------------------------------------

// Calls a lifted function of asynchronous type: makes a task and runs it until it blocks. `caller`
// learns of its progress, possibly before this returns. *out may be gone already when it has ended.
_must_use_ int async_call(struct async_store *store, const struct plan_lifted *lifted,
                          const struct async_caller *caller, void *data, struct async_task **out,
                          struct error *err);
// Asks the task to end early: its caller's resolve() gets NULL, now, later or never. One that has
// returned and goes on is not told.
_must_use_ int async_request_cancel(struct async_task *task, struct error *err);

// Calls a function of synchronous type for the host, on the running fiber: enters the component
// instance and calls the core function with `flat` in place.
_must_use_ int async_invoke(struct canon_call *call, const struct plan_lifted *lifted,
                            union core_value *flat);
// A call between components, `values` as the core caller passed them, results in place.
_must_use_ int async_lower(struct canon_call *caller, const struct plan_lifted *lifted,
                           union core_value *values);

_must_use_ int async_call_nested(struct canon_call *caller, const struct plan_lifted *lifted,
                                 union core_value *values); // of synchronous type
// A resource's destructor, which it has: called like a function of synchronous type.
_must_use_ int async_call_destructor(struct async_store *store,
                                     const struct plan_resource *resource, uint32_t rep,
                                     struct error *err);

// task.return and task.cancel of the current task.
_must_use_ int async_task_return(struct async_task *task, struct canon_call *call,
                                 const union core_value *flat, uint32_t flat_max);
_must_use_ int async_task_cancel(struct async_task *task, struct error *err);
bool async_task_is_held_up(const struct async_task *task);
// thread.new-indirect: a suspended thread of the task.
_must_use_ int async_task_spawn(struct async_task *task, uint32_t table, uint32_t element,
                                uint32_t argument, struct async_thread **out, struct error *err);
// The index of a thread in its component instance's table.
_must_use_ int async_thread_register(struct async_thread *thread, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// Threads: who runs, who waits, who is next.
#include "component/async.h"

#include <assert.h>
#include <errno.h>

#include "component/limit.h"
#include "component/stream.h"
#include "component/subtask.h"

// ---- lists --------------------------------------------------------------------------------------

static void list_init(struct thread_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct thread_list *list, struct async_thread *thread)
{
    thread->queue = list;
    thread->queue_next = NULL;
    thread->queue_link = list->end;
    *list->end = thread;
    list->end = &thread->queue_next;
}

static void list_remove(struct async_thread *thread)
{
    if (!thread->queue)
        return;
    *thread->queue_link = thread->queue_next;
    if (thread->queue_next)
        thread->queue_next->queue_link = thread->queue_link;
    else
        thread->queue->end = thread->queue_link;
    thread->queue = NULL;
}

static void make_ready(struct async_thread *thread)
{
    struct async_store *store = thread->store;
    bool was_empty = !store->ready.first;
    list_append(&store->ready, thread);
    if (was_empty)
        store->ops->schedule(store);
}

// ---- readiness ----------------------------------------------------------------------------------

static struct async_instance *instance_of(const struct async_thread *thread)
{
    return &thread->store->instances[thread->component_instance];
}

// The part of a thread's condition that other tasks of its component instance decide.
static bool is_held_up(const struct async_thread *thread)
{
    if (thread->wait == WAIT_ENTRY)
        return async_task_is_held_up(thread->task);
    return thread->wait == WAIT_CALLBACK && instance_of(thread)->exclusive;
}

static bool has_cause(const struct async_thread *thread)
{
    switch (thread->wait) {
    case WAIT_NOTHING:
    case WAIT_RESUME:
        return false;
    case WAIT_TURN:
    case WAIT_ENTRY:
        return true;
    case WAIT_EVENT:
        return thread->waitable->has_event;
    case WAIT_SET:
        return waitable_set_has_event(thread->set);
    case WAIT_SUBTASK:
        return subtask_is_resolved(thread->subtask);
    case WAIT_CALLBACK:
        return !thread->set || waitable_set_has_event(thread->set);
    }
    return false;
}

bool async_is_ready(const struct async_thread *thread)
{
    return has_cause(thread) && !is_held_up(thread);
}

void async_thread_wake(struct async_thread *thread)
{
    if (thread->queue || !has_cause(thread))
        return;
    if (is_held_up(thread))
        list_append(&instance_of(thread)->blocked, thread);
    else
        make_ready(thread);
}

void async_unblock(struct async_store *store, struct async_instance *instance)
{
    struct async_thread *thread = instance->blocked.first;
    list_init(&instance->blocked);
    while (thread) {
        struct async_thread *next = thread->queue_next;
        thread->queue = NULL;
        async_thread_wake(thread);
        thread = next;
    }
}

// ---- entering component instances ---------------------------------------------------------------

static bool is_on_stack(const struct async_store *store, const struct async_thread *thread)
{
    for (const struct async_thread *t = store->current; t; t = t->outer)
        if (t == thread)
            return true;
    return false;
}

static bool is_inside(const struct async_instance *instance, const struct async_instance *ancestor)
{
    for (; instance; instance = instance->parent)
        if (instance == ancestor)
            return true;
    return false;
}

// Which it runs in. NULL: the host.
static struct async_instance *home_of(const struct async_thread *thread)
{
    return thread->component_instance == PLAN_NONE ? NULL : instance_of(thread);
}

// Takes back what async_enter() did to the first `levels` instances from the thread's own upwards.
static void unmark(const struct async_thread *thread, uint32_t levels)
{
    for (struct async_instance *at = home_of(thread); levels > 0; levels--, at = at->parent)
        at->entered = NULL;
}

static _apart_ int refuse_entry(const struct async_thread *thread, uint32_t levels,
                                const struct async_thread *entered)
{
    unmark(thread, levels);
    return is_on_stack(thread->store, entered) ? -EDEADLK : -EBUSY;
}

int async_enter(struct async_thread *thread)
{
    const struct async_thread *current = thread->store->current;
    const struct async_instance *caller = current ? home_of(current) : NULL;
    uint32_t levels = 0;
    for (struct async_instance *at = home_of(thread); at && !is_inside(caller, at);
         at = at->parent, levels++) {
        if (unlikely(at->entered))
            return refuse_entry(thread, levels, at->entered);
        at->entered = thread;
    }
    thread->levels = levels;
    return 0;
}

int async_may_enter(struct async_thread *thread)
{
    int rc = async_enter(thread);
    if (rc == 0)
        unmark(thread, thread->levels);
    thread->levels = 0;
    return rc;
}

static _apart_ void tell_left(const struct async_thread *thread, uint32_t levels)
{
    struct async_store *store = thread->store;
    for (struct async_instance *at = home_of(thread); levels > 0; levels--, at = at->parent)
        if (at->blocked.first)
            async_unblock(store, at);
    if (store->stuck_count > 0)
        store->ops->unstuck(store);
}

void async_leave(struct async_thread *thread)
{
    uint32_t levels = thread->levels;
    bool is_awaited = thread->store->stuck_count > 0;
    struct async_instance *at = home_of(thread);
    for (uint32_t i = 0; i < levels; i++, at = at->parent) {
        at->entered = NULL;
        is_awaited |= at->blocked.first != NULL;
    }
    thread->levels = 0;
    if (unlikely(is_awaited))
        tell_left(thread, levels);
}

// The instance, or the ancestor, that somebody is stuck in.
static struct async_instance *busy_instance(const struct async_thread *thread)
{
    struct async_instance *at = instance_of(thread);
    while (!at->entered)
        at = at->parent;
    return at;
}

// ---- running ------------------------------------------------------------------------------------

static void stop_waiting(struct async_thread *thread)
{
    list_remove(thread);
    bool in_set = thread->wait == WAIT_SET || thread->wait == WAIT_CALLBACK;
    if (in_set && thread->set) {
        *thread->wait_link = thread->wait_next;
        if (thread->wait_next)
            thread->wait_next->wait_link = thread->wait_link;
        thread->set->waiter_count--;
    } else if (thread->wait == WAIT_EVENT) {
        thread->waitable->waiter = NULL;
    } else if (thread->wait == WAIT_SUBTASK) {
        thread->subtask->waiter = NULL;
    } else if (thread->wait == WAIT_ENTRY) {
        instance_of(thread)->entering--;
    }
    thread->wait = WAIT_NOTHING;
}

static void start_waiting(struct async_thread *thread, enum thread_wait wait, bool cancellable)
{
    thread->wait = wait;
    thread->cancellable = cancellable;
    bool in_set = wait == WAIT_SET || wait == WAIT_CALLBACK;
    if (in_set && thread->set) {
        thread->wait_next = thread->set->waiters;
        thread->wait_link = &thread->set->waiters;
        if (thread->wait_next)
            thread->wait_next->wait_link = &thread->wait_next;
        thread->set->waiters = thread;
        thread->set->waiter_count++;
    } else if (wait == WAIT_EVENT) {
        thread->waitable->waiter = thread;
    } else if (wait == WAIT_SUBTASK) {
        thread->subtask->waiter = thread;
    } else if (wait == WAIT_ENTRY) {
        instance_of(thread)->entering++;
    }
    async_thread_wake(thread);
}

// Runs one thread, entered already, until it blocks.
static int run_thread(struct async_thread *thread, struct error *err)
{
    struct async_store *store = thread->store;
    struct async_thread *outer = store->current;
    thread->outer = outer;
    store->current = thread;
    int rc = store->ops->resume(thread, err);
    store->current = outer;
    if (rc == ASYNC_STUCK)
        thread->outer = NULL;
    return rc;
}

// Runs the thread that another one gave way to.
static int run_switched(struct async_thread *thread, struct error *err)
{
    if (async_enter(thread) < 0)
        return error_set(err, -EFAULT, "cannot enter component instance");
    stop_waiting(thread);
    thread->is_cancelled = false;
    return run_thread(thread, err);
}

int async_run_switched(struct async_store *store, struct error *err)
{
    int rc = 0;
    while (rc >= 0 && store->switch_to) {
        struct async_thread *next = TAKE(store->switch_to);
        if (next->is_nested) { // its fiber is further out: wait_nested() goes on
            stop_waiting(next);
            return rc;
        }
        rc = run_switched(next, err);
    }
    return rc;
}

int async_resume(struct async_thread *thread, bool cancelled, struct error *err)
{
    struct async_store *store = thread->store;
    stop_waiting(thread);
    thread->is_cancelled = cancelled;
    int rc = run_thread(thread, err); // the thread may be gone
    return rc < 0 ? rc : async_run_switched(store, err);
}

int async_thread_main(struct async_thread *thread, struct error *err)
{
    return thread->body(thread, err);
}

// A thread on its caller's fiber lets the others of its component instance run meanwhile
// (CanonicalABI.md "canon lift": a synchronous task). The first that is ready, itself included; not
// one that waits to enter.
static struct async_thread *find_ready(struct async_thread *thread)
{
    if (thread->component_instance == PLAN_NONE)
        return NULL;
    struct async_instance *instance = instance_of(thread);
    // A tick while this fiber was parked found the component instance entered.
    if (instance->blocked.first)
        async_unblock(thread->store, instance);
    for (struct async_thread *t = thread->store->ready.first; t; t = t->queue_next)
        if (t->component_instance == thread->component_instance && t != instance->exclusive &&
            (t == thread || !t->is_nested) && t->wait != WAIT_ENTRY && async_is_ready(t))
            return t;
    return NULL;
}

static int wait_nested(struct async_thread *thread, struct error *err)
{
    struct async_store *store = thread->store;
    struct async_thread *next = TAKE(store->switch_to);
    while (thread->wait != WAIT_NOTHING) {
        int rc = 0;
        if (!next)
            next = find_ready(thread);
        if (next == thread)
            stop_waiting(thread);
        else if (next)
            rc = async_resume(next, false, err);
        else if (store->stuck_count > 0)
            rc = store->ops->wait_stuck(store, err);
        else
            rc = error_set(err, -EFAULT, "cannot block a synchronous task before it returns");
        if (rc < 0)
            return rc;
        next = NULL;
    }
    return 0;
}

int async_wait(struct async_thread *thread, enum thread_wait wait, bool cancellable,
               struct error *err)
{
    struct async_store *store = thread->store;
    thread->is_cancelled = false;
    if (cancellable && thread->task && thread->task->state == TASK_CANCEL_PENDING) {
        thread->task->state = TASK_CANCEL_DELIVERED;
        thread->is_cancelled = true;
        return 0;
    }
    start_waiting(thread, wait, cancellable);
    int rc = 0;
    if (thread->is_nested) {
        rc = wait_nested(thread, err);
    } else if (wait != WAIT_TURN && !store->switch_to && async_is_ready(thread)) {
        // An event that is there already is taken at once; a turn is given up in any case.
        stop_waiting(thread);
    } else {
        async_leave(thread);
        thread->outer = NULL;
        rc = store->ops->block(thread, err);
    }
    if (rc < 0) // nobody wakes it: this stack, and what it waits for, are about to go
        stop_waiting(thread);
    return rc;
}

bool async_wait_callback(struct async_thread *thread, bool give_way)
{
    struct async_task *task = thread->task;
    thread->is_cancelled = task->state == TASK_CANCEL_PENDING;
    if (thread->is_cancelled) {
        task->state = TASK_CANCEL_DELIVERED;
        return false;
    }
    if (!give_way && waitable_set_has_event(thread->set))
        return false;
    start_waiting(thread, WAIT_CALLBACK, true);
    async_leave(thread);
    thread->outer = NULL;
    thread->fiber = NULL; // it ends now
    return true;
}

void async_wait_entry(struct async_thread *thread)
{
    start_waiting(thread, WAIT_ENTRY, true);
}

// A thread whose component instance somebody is stuck in waits for him to leave it.
static int tick_one(struct async_thread *thread, struct error *err)
{
    list_remove(thread);
    if (!async_is_ready(thread)) {
        async_thread_wake(thread);
        return 0;
    }
    if (async_enter(thread) < 0) {
        list_append(&busy_instance(thread)->blocked, thread);
        return 0;
    }
    return async_resume(thread, false, err);
}

int async_tick(struct async_store *store, struct error *err)
{
    // Those that become ready meanwhile have their turn in the next tick.
    uint32_t count = 0;
    for (struct async_thread *t = store->ready.first; t; t = t->queue_next)
        count++;
    store->gives_way = false;
    for (; count > 0 && store->ready.first && !store->gives_way; count--) {
        int rc = tick_one(store->ready.first, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// ---- life ---------------------------------------------------------------------------------------

int async_thread_init(struct async_store *store, struct async_thread *thread,
                      uint32_t component_instance,
                      int (*body)(struct async_thread *thread, struct error *err))
{
    if (store->thread_count >= store->threads_max)
        return -ENOSPC;
    store->thread_count++;
    thread->store = store;
    thread->component_instance = component_instance;
    thread->body = body;
    return 0;
}

void async_thread_done(struct async_thread *thread)
{
    stop_waiting(thread);
    thread->store->thread_count--;
}

static struct async_thread *heap_thread(struct async_store *store)
{
    struct async_thread *thread = mem_new(struct async_thread);
    thread->heap_next = store->heap_threads;
    thread->heap_link = &store->heap_threads;
    if (thread->heap_next)
        thread->heap_next->heap_link = &thread->heap_next;
    store->heap_threads = thread;
    return thread;
}

struct async_thread *async_thread_new(struct async_store *store, uint32_t component_instance,
                                      int (*body)(struct async_thread *thread, struct error *err))
{
    if (store->thread_count >= store->threads_max)
        return NULL;
    struct async_thread *thread = heap_thread(store);
    int rc = async_thread_init(store, thread, component_instance, body);
    assert(rc == 0);
    return thread;
}

void async_thread_free(struct async_thread *thread)
{
    async_thread_done(thread);
    *thread->heap_link = thread->heap_next;
    if (thread->heap_next)
        thread->heap_next->heap_link = thread->heap_link;
    free(thread);
}

void async_resume_later(struct async_thread *thread)
{
    stop_waiting(thread);
    start_waiting(thread, WAIT_TURN, false);
}

void async_wait_until_left(struct async_thread *thread, enum thread_wait wait)
{
    thread->wait = wait;
    thread->cancellable = true;
    if (wait == WAIT_ENTRY)
        instance_of(thread)->entering++;
    list_append(&busy_instance(thread)->blocked, thread);
}

static int run_host_thread(struct async_thread *thread, struct error *err)
{
    int rc = thread->host_body(thread, err);
    if (rc < 0)
        return rc;
    async_leave(thread);
    async_thread_free(thread);
    return 0;
}

struct async_thread *async_host_thread(struct async_store *store, uint32_t component_instance,
                                       int (*body)(struct async_thread *thread, struct error *err),
                                       void *data)
{
    struct async_thread *thread = heap_thread(store);
    store->thread_count++; // not under the limit: each belongs to a job or a stream
    thread->store = store;
    thread->component_instance = component_instance;
    thread->body = run_host_thread;
    thread->host_body = body;
    thread->host_data = data;
    start_waiting(thread, WAIT_TURN, false);
    return thread;
}

void async_host_thread_cancel(struct async_thread *thread)
{
    async_thread_free(thread);
}

void async_store_init(struct async_store *store, const struct async_ops *ops,
                      const struct plan *plan, struct async_instance *instances, void *engine)
{
    *store = (struct async_store){.ops = ops,
                                  .plan = plan,
                                  .instances = instances,
                                  .engine = engine,
                                  .has_threads = plan->has_threads};
    list_init(&store->ready);
    async_store_limit(store, 0, 0, 0);
    for (uint32_t i = 0; i < plan->component_instance_count; i++) {
        handle_table_init(&instances[i].handles);
        instances[i].handles.quota = &store->handles;
        list_init(&instances[i].blocked);
        uint32_t parent = plan->component_parents[i];
        instances[i].parent = parent == PLAN_NONE ? NULL : &instances[parent];
    }
}

void async_store_limit(struct async_store *store, uint32_t handles_max, uint32_t streams_max,
                       uint32_t threads_max)
{
    store->handles.max = handles_max ? MIN(handles_max, HANDLES_CEILING_MAX) : HANDLES_MAX;
    store->streams_max = streams_max ? streams_max : ASYNC_STREAMS_MAX;
    store->threads_max = threads_max ? threads_max : ASYNC_THREADS_MAX;
}

int async_check_streams(struct canon_call *call)
{
    const struct async_store *store = call->async;
    if (likely(store->stream_count <= store->streams_max))
        return 0;
    return limit_reached(call->error, -EFAULT, LIMIT_STREAMS, store->streams_max);
}

static void free_thread_table(struct thread_table *table)
{
    free(table->items);
    free(table->free_indices);
}

void async_store_done(struct async_store *store)
{
    while (store->heap_threads) {
        store->heap_threads->wait = WAIT_NOTHING; // what it waits for went with its handle or fiber
        async_thread_free(store->heap_threads);
    }
    while (store->tasks) {
        struct async_task *task = store->tasks;
        store->tasks = task->next;
        free(task);
    }
    free(store->spare_task);
    while (store->subtasks)
        subtask_free(store->subtasks);
    free(store->spare_subtask);
    streams_done(store);
    for (uint32_t i = 0; i < store->plan->component_instance_count; i++) {
        handle_table_done(&store->instances[i].handles);
        free_thread_table(&store->instances[i].threads);
    }
}

// [0] is there from the first one on.
static bool has_threads(const struct thread_table *table)
{
    return table->len > table->free_len + 1;
}

static bool instance_is_quiet(const struct async_instance *instance)
{
    return !instance->entered && !instance->exclusive && !instance->blocked.first &&
           !has_threads(&instance->threads) && instance->backpressure == 0 &&
           instance->entering == 0 && !instance->cannot_leave;
}

bool async_store_is_quiet(const struct async_store *store)
{
    if (store->tasks || store->heap_threads || store->subtasks || store->streams ||
        store->current || store->switch_to || store->ready.first || store->thread_count > 0 ||
        store->stuck_count > 0 || store->host_count > 0)
        return false;
    for (uint32_t i = 0; i < store->plan->component_instance_count; i++)
        if (!instance_is_quiet(&store->instances[i]))
            return false;
    return true;
}

static void clear_tables(struct async_instance *instance)
{
    handle_table_clear(&instance->handles);
    instance->threads.len = instance->threads.free_len = 0;
}

void async_store_clear(struct async_store *store)
{
    for (uint32_t i = 0; i < store->plan->component_instance_count; i++)
        clear_tables(&store->instances[i]);
}

// ---- types --------------------------------------------------------------------------------------

static bool is_of_plan(const struct async_store *store, const struct resource_type *type)
{
    return type->index < store->plan->resource_count &&
           &store->plan->resources[type->index].type == type;
}

static bool same_resource(const struct resource_type *a, const struct resource_type *b, void *data)
{
    const struct async_store *store = data;
    if (a == b)
        return true;
    if (is_of_plan(store, a) && is_of_plan(store, b))
        return false;
    return str_eq(a->name, b->name) && interface_name_compatible(a->interface, b->interface);
}

static bool is_known_equal(const struct async_store *store, const struct type *a,
                           const struct type *b)
{
    for (uint32_t i = 0; i < ASYNC_EQUAL_TYPES; i++)
        if (store->equal[i].a == a && store->equal[i].b == b)
            return true;
    return a == b;
}

bool async_type_equal(struct async_store *store, const struct type *a, const struct type *b)
{
    if (is_known_equal(store, a, b))
        return true;
    struct arena scratch = ARENA_INIT(SIZE_MAX);
    bool equal = type_equal(a, b, same_resource, store, &scratch, NULL);
    arena_done(&scratch);
    if (equal)
        store->equal[store->equal_next++ % ASYNC_EQUAL_TYPES] = (struct async_equal_types){a, b};
    return equal;
}

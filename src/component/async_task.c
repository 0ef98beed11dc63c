// SPDX-License-Identifier: Apache-2.0
// Tasks: how a lifted function of asynchronous type runs (CanonicalABI.md "Tasks", "canon lift").
#include <assert.h>
#include <errno.h>

#include "component/async.h"
#include "component/canon_copy.h"
#include "component/limit.h"

enum { CALLBACK_EXIT, CALLBACK_YIELD, CALLBACK_WAIT };

static struct async_instance *instance_of(const struct async_task *task)
{
    return &task->thread.store->instances[task->thread.component_instance];
}

// A task without callback and with `async` has a stack of its own in the guest's eyes; the others
// share one and run one at a time.
static bool needs_exclusive(const struct async_task *task)
{
    const struct canon_options *options = &task->lifted->options;
    return !options->is_async || options->callback != PLAN_NONE;
}

bool async_task_is_held_up(const struct async_task *task)
{
    const struct async_instance *instance = instance_of(task);
    return instance->backpressure > 0 || (needs_exclusive(task) && instance->exclusive);
}

static void release_exclusive(struct async_thread *thread)
{
    struct async_store *store = thread->store;
    struct async_instance *instance = &store->instances[thread->component_instance];
    instance->exclusive = NULL;
    if (instance->blocked.first)
        async_unblock(store, instance);
}

// ---- life ---------------------------------------------------------------------------------------

static struct async_task *task_new(struct async_store *store, const struct plan_lifted *lifted,
                                   const struct async_caller *caller, void *data)
{
    struct async_task *task = store->spare_task;
    if (task) {
        store->spare_task = NULL;
        *task = (struct async_task){.state = TASK_INITIAL};
    } else {
        task = mem_new(struct async_task);
    }
    task->lifted = lifted;
    task->caller = caller;
    task->caller_data = data;
    task->thread_count = 1;
    task->next = store->tasks;
    task->link = &store->tasks;
    if (task->next)
        task->next->link = &task->next;
    store->tasks = task;
    return task;
}

static void task_free(struct async_task *task)
{
    struct async_store *store = task->thread.store;
    if (task->caller && task->caller->ended)
        task->caller->ended(task);
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    if (store->spare_task)
        free(task);
    else
        store->spare_task = task;
}

// ---- the table of threads -----------------------------------------------------------------------

int async_thread_register(struct async_thread *thread, struct error *err)
{
    if (thread->index)
        return 0;
    if (thread->component_instance == PLAN_NONE)
        return error_set(err, -EFAULT, "a thread outside a task has no index");
    struct thread_table *table = &thread->store->instances[thread->component_instance].threads;
    if (table->free_len > 0) {
        thread->index = table->free_indices[--table->free_len];
    } else {
        if (table->len > thread->store->threads_max)
            return limit_reached(err, -EFAULT, LIMIT_TASKS, thread->store->threads_max);
        if (table->len == table->cap) {
            table->cap = table->cap ? table->cap * 2 : 8;
            table->items = mem_realloc_array(table->items, table->cap, sizeof(*table->items));
            table->free_indices =
                mem_realloc_array(table->free_indices, table->cap, sizeof(*table->free_indices));
        }
        if (table->len == 0)
            table->items[table->len++] = NULL;
        thread->index = table->len++;
    }
    table->items[thread->index] = thread;
    return 0;
}

static void unregister(struct async_thread *thread)
{
    if (!thread->index)
        return;
    struct thread_table *table = &thread->store->instances[thread->component_instance].threads;
    table->items[thread->index] = NULL;
    table->free_indices[table->free_len++] = thread->index;
    thread->index = 0;
}

// A thread of the task has come to its end; the task may be gone afterwards.
static int thread_ended(struct async_task *task, struct async_thread *thread, struct error *err)
{
    unregister(thread);
    task->thread_count--;
    if (task->thread_count == 0 && task->state != TASK_RESOLVED)
        return error_set(err, -EFAULT,
                         "the task of `%.*s` ended without task.return or task.cancel",
                         STR_ARG(task->lifted->name));
    struct async_instance *instance = instance_of(task);
    if (instance->exclusive == thread)
        release_exclusive(thread);
    async_leave(thread);
    if (thread == &task->thread) {
        async_thread_done(thread);
    } else {
        *thread->task_link = thread->task_next;
        if (thread->task_next)
            thread->task_next->task_link = thread->task_link;
        async_thread_free(thread);
    }
    if (task->thread_count == 0)
        task_free(task);
    return 0;
}

// ---- running ------------------------------------------------------------------------------------

static int begin(struct async_task *task, struct canon_call *call, struct error *err)
{
    struct async_store *store = task->thread.store;
    call->error = err;
    int rc = store->ops->begin(store, &task->lifted->options, call);
    call->scope = &task->borrows;
    return rc;
}

// What a core function with callback asks for.
static int read_code(struct async_thread *thread, uint32_t packed, struct error *err)
{
    uint32_t code = packed & 0xf, index = packed >> 4;
    if (code > CALLBACK_WAIT)
        return error_set(err, -EFAULT, "unsupported callback code %u", code);
    thread->set = NULL;
    if (code != CALLBACK_WAIT)
        return 0;
    struct async_instance *instance = &thread->store->instances[thread->component_instance];
    struct handle *handle = handle_table_get(&instance->handles, index);
    if (!handle || handle->kind != HANDLE_WAITABLE_SET)
        return error_set(err, -EFAULT, "callback waits for handle %u, which is a %s", index,
                         handle_kind_name(handle ? handle->kind : HANDLE_FREE));
    thread->set = handle->rep;
    return 0;
}

static int call_back(struct async_thread *thread, uint32_t *packed, struct error *err)
{
    struct async_store *store = thread->store;
    struct async_instance *instance = &store->instances[thread->component_instance];
    struct event event = {.code = EVENT_NONE};
    if (thread->is_cancelled)
        event.code = EVENT_TASK_CANCELLED;
    else if (thread->set)
        event = waitable_set_take(thread->set);
    assert(!instance->exclusive);
    instance->exclusive = thread;
    union core_value values[3] = {
        {.u32 = (uint32_t)event.code}, {.u32 = event.index}, {.u32 = event.payload}};
    int rc = store->ops->call(store, thread->task->lifted->options.callback, values, 3, err);
    *packed = values[0].u32;
    return rc;
}

static int run_callback(struct async_thread *thread, struct error *err);

// Goes from callback to callback until one has to be waited for, which takes no fiber.
static int follow_codes(struct async_thread *thread, uint32_t packed, struct error *err)
{
    struct async_instance *instance = &thread->store->instances[thread->component_instance];
    while ((packed & 0xf) != CALLBACK_EXIT) {
        int rc = read_code(thread, packed, err);
        if (rc < 0)
            return rc;
        thread->body = run_callback;
        bool give_way = !thread->set || instance->blocked.first;
        release_exclusive(thread);
        if (async_wait_callback(thread, give_way))
            return 0;
        rc = call_back(thread, &packed, err);
        if (rc < 0)
            return rc;
    }
    return thread_ended(thread->task, thread, err);
}

// Runs in the turn that async_wait_callback() led to.
static int run_callback(struct async_thread *thread, struct error *err)
{
    uint32_t packed;
    int rc = call_back(thread, &packed, err);
    return rc < 0 ? rc : follow_codes(thread, packed, err);
}

// A function lifted without `async`: it returns its result itself.
static int return_sync(struct async_task *task, struct canon_call *call, union core_value *flat)
{
    int rc = begin(task, call, call->error);
    if (rc == 0)
        rc = async_task_return(task, call, flat, 1);
    if (rc == 0)
        rc = call->ops->post_return(call, task->lifted, flat);
    return rc;
}

static int run_task(struct async_thread *thread, struct error *err)
{
    struct async_task *task = thread->task;
    struct async_store *store = thread->store;
    const struct plan_lifted *lifted = task->lifted;
    union core_value flat[CANON_FLAT_MAX];
    struct canon_call call;
    if (needs_exclusive(task))
        instance_of(task)->exclusive = thread;
    int rc = begin(task, &call, err);
    if (rc < 0)
        return rc;
    task->state = TASK_STARTED;
    if (unlikely(store->has_threads))
        rc = async_thread_register(thread, err);
    if (rc == 0)
        rc = task->caller->start(task, &call, flat);
    if (rc == 0)
        rc = store->ops->call(store, lifted->func, flat, CANON_FLAT_MAX, err);
    if (rc < 0)
        return rc;
    if (lifted->options.callback != PLAN_NONE)
        return follow_codes(thread, flat[0].u32, err);
    if (!lifted->options.is_async)
        rc = return_sync(task, &call, flat);
    return rc < 0 ? rc : thread_ended(task, thread, err);
}

int async_call(struct async_store *store, const struct plan_lifted *lifted,
               const struct async_caller *caller, void *data, struct async_task **out,
               struct error *err)
{
    struct async_task *task = task_new(store, lifted, caller, data);
    struct async_thread *thread = &task->thread;
    *out = task;
    thread->task = task;
    if (async_thread_init(store, thread, lifted->options.component_instance, run_task) < 0)
        return limit_reached(err, -EFAULT, LIMIT_TASKS, store->threads_max);
    bool waits = async_task_is_held_up(task) || instance_of(task)->entering > 0;
    int rc = waits ? async_may_enter(thread) : async_enter(thread);
    if (rc == -EDEADLK)
        return error_set(err, -EFAULT, "cannot enter component instance: it is running already");
    if (waits) {
        async_wait_entry(thread);
        return 0;
    }
    if (rc < 0) {
        async_wait_until_left(thread, WAIT_ENTRY);
        return 0;
    }
    return async_resume(thread, false, err);
}

// ---- results ------------------------------------------------------------------------------------

int async_task_return(struct async_task *task, struct canon_call *call,
                      const union core_value *flat, uint32_t flat_max)
{
    if (task->state == TASK_RESOLVED)
        return canon_trap(call, "the task has returned or was cancelled already");
    if (task->borrows > 0)
        return canon_trap(call, "borrow handles still remain at the end of the call (%u)",
                          task->borrows);
    int rc = task->caller->resolve(task, call, flat, flat_max);
    task->state = TASK_RESOLVED;
    return rc;
}

int async_task_cancel(struct async_task *task, struct error *err)
{
    if (task->state != TASK_CANCEL_DELIVERED)
        return error_set(err, -EFAULT, "task.cancel of a task that nobody asked to end");
    if (task->borrows > 0)
        return error_set(err, -EFAULT, "borrow handles still remain at the end of the call (%u)",
                         task->borrows);
    task->state = TASK_RESOLVED;
    return task->caller->resolve(task, NULL, NULL, 0);
}

static int cancel_unstarted(struct async_task *task, struct error *err)
{
    task->state = TASK_CANCEL_DELIVERED;
    int rc = async_task_cancel(task, err);
    if (rc < 0)
        return rc;
    async_thread_done(&task->thread);
    task_free(task);
    return 0;
}

static bool can_be_told(const struct async_task *task, const struct async_thread *thread)
{
    const struct async_thread *exclusive = instance_of(task)->exclusive;
    if (thread->wait == WAIT_NOTHING || !thread->cancellable)
        return false;
    return thread != &task->thread || !needs_exclusive(task) || !exclusive || exclusive == thread;
}

int async_request_cancel(struct async_task *task, struct error *err)
{
    if (task->state == TASK_INITIAL)
        return cancel_unstarted(task, err);
    if (task->state != TASK_STARTED) // it has returned, and goes on, or was asked before
        return 0;
    struct async_thread *thread = can_be_told(task, &task->thread) ? &task->thread : NULL;
    for (struct async_thread *t = task->threads; t && !thread; t = t->task_next)
        if (can_be_told(task, t))
            thread = t;
    if (thread && async_enter(thread) == 0) {
        task->state = TASK_CANCEL_DELIVERED;
        return async_resume(thread, true, err);
    }
    task->state = TASK_CANCEL_PENDING;
    return 0;
}

// ---- more threads -------------------------------------------------------------------------------

static int run_spawned(struct async_thread *thread, struct error *err)
{
    struct async_store *store = thread->store;
    int rc = store->ops->call_indirect(store, &thread->func, thread->argument, err);
    return rc < 0 ? rc : thread_ended(thread->task, thread, err);
}

int async_task_spawn(struct async_task *task, uint32_t table, uint32_t element, uint32_t argument,
                     struct async_thread **out, struct error *err)
{
    struct async_thread *self = &task->thread;
    struct async_func func;
    int rc = self->store->ops->find_indirect(self->store, table, element, &func, err);
    if (rc < 0)
        return rc;
    struct async_thread *thread =
        async_thread_new(self->store, self->component_instance, run_spawned);
    if (!thread)
        return limit_reached(err, -EFAULT, LIMIT_TASKS, self->store->threads_max);
    thread->task = task;
    thread->func = func;
    thread->argument = argument;
    thread->wait = WAIT_RESUME;
    thread->task_next = task->threads;
    thread->task_link = &task->threads;
    if (thread->task_next)
        thread->task_next->task_link = &thread->task_next;
    task->threads = thread;
    task->thread_count++;
    *out = thread;
    return async_thread_register(thread, err);
}

// ---- functions of synchronous type --------------------------------------------------------------

// The current thread runs in the callee meanwhile.
static _inline_ int enter_nested(struct async_task *task, struct async_store *store,
                                 const struct plan_lifted *lifted, uint32_t component_instance,
                                 struct error *err)
{
    struct async_thread *thread = &task->thread;
    task->lifted = lifted;
    task->state = TASK_STARTED;
    task->thread_count = 1;
    thread->task = task;
    thread->store = store;
    thread->component_instance = component_instance;
    thread->is_nested = true;
    int rc;
    while ((rc = async_enter(thread)) == -EBUSY)
        if ((rc = store->ops->wait_stuck(store, err)) < 0)
            return rc;
    if (rc < 0)
        return error_set(err, -EFAULT, "cannot enter component instance: it is running already");
    thread->outer = store->current;
    store->current = thread;
    return unlikely(store->has_threads) ? async_thread_register(thread, err) : 0;
}

static void leave_nested(struct async_task *task)
{
    struct async_thread *thread = &task->thread;
    struct async_store *store = thread->store;
    store->current = thread->outer;
    if (unlikely(thread->index))
        unregister(thread);
    async_leave(thread);
    task->state = TASK_RESOLVED;
}

// What a task and its thread read before they write it; not the whole, as this is on the path of
// each synchronous call.
static void init_on_stack(struct async_task *task)
{
    struct async_thread *thread = &task->thread;
    task->caller = NULL;
    task->caller_data = NULL;
    task->borrows = 0;
    task->threads = NULL;
    thread->index = 0;
    thread->wait = WAIT_NOTHING;
    thread->cancellable = false;
    thread->is_cancelled = false;
    thread->queue = NULL;
    thread->storage[0] = thread->storage[1] = 0;
    thread->fiber = NULL;
}

// Threads that a task made may outlive its result; then the task does so as well.
static _inline_ struct async_task *nested_new(struct async_store *store,
                                              struct async_task *on_stack)
{
    if (likely(!store->has_threads)) {
        init_on_stack(on_stack);
        return on_stack;
    }
    return task_new(store, NULL, NULL, NULL);
}

static void nested_done(struct async_task *task, const struct async_task *on_stack)
{
    if (task != on_stack && --task->thread_count == 0)
        task_free(task);
}

int async_invoke(struct canon_call *call, const struct plan_lifted *lifted, union core_value *flat)
{
    struct async_store *store = call->async;
    struct async_task on_stack, *task = nested_new(store, &on_stack);
    int rc = enter_nested(task, store, lifted, lifted->options.component_instance, call->error);
    if (rc == 0) {
        rc = store->ops->call(store, lifted->func, flat, CANON_FLAT_MAX, call->error);
        // Post-return runs in the same thread, the host's by then.
        memcpy(task->thread.outer->storage, task->thread.storage, sizeof(task->thread.storage));
        leave_nested(task);
    }
    if (rc >= 0)
        nested_done(task, &on_stack);
    return rc;
}

// The callee's side of a call between components, after `args` were checked on the caller's.
static int run_nested(struct async_task *task, struct canon_call *caller, union core_value *args)
{
    struct async_store *store = caller->async;
    const struct plan_lifted *lifted = task->lifted;
    struct canon_call callee;
    union core_value flat[CANON_FLAT_MAX];
    int rc = begin(task, &callee, caller->error);
    if (rc == 0)
        rc = canon_copy_params(lifted->type, caller, &callee, args, flat);
    if (rc == 0)
        rc = store->ops->call(store, lifted->func, flat, CANON_FLAT_MAX, caller->error);
    if (rc == 0) {
        callee.ops->refresh(&callee);
        callee.ops->refresh(caller);
        rc = canon_copy_result(lifted->type, &callee, caller, flat, args);
    }
    if (rc == 0)
        rc = callee.ops->post_return(&callee, lifted, flat);
    return rc;
}

int async_call_nested(struct canon_call *caller, const struct plan_lifted *lifted,
                      union core_value *values)
{
    struct async_store *store = caller->async;
    struct async_task on_stack, *task = nested_new(store, &on_stack);
    int rc = enter_nested(task, store, lifted, lifted->options.component_instance, caller->error);
    if (rc == 0) {
        rc = run_nested(task, caller, values);
        leave_nested(task);
    }
    if (rc >= 0)
        nested_done(task, &on_stack);
    return rc;
}

int async_call_destructor(struct async_store *store, const struct plan_resource *resource,
                          uint32_t rep, struct error *err)
{
    static const struct plan_lifted destructor = {
        .name = STR_INIT("destructor"),
        .options = {.memory = PLAN_NONE, .realloc = PLAN_NONE, .callback = PLAN_NONE},
    };
    union core_value value = {.u32 = rep};
    struct async_task on_stack, *task = nested_new(store, &on_stack);
    int rc = enter_nested(task, store, &destructor, resource->component_instance, err);
    if (rc == 0) {
        rc = store->ops->call(store, resource->dtor, &value, 1, err);
        leave_nested(task);
    }
    if (rc >= 0)
        nested_done(task, &on_stack);
    return rc;
}

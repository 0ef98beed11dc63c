// SPDX-License-Identifier: Apache-2.0
#include "component/async_builtin.h"

#include <errno.h>

#include "component/canon_copy.h"
#include "component/decode.h"
#include "component/error_context.h"
#include "component/stream.h"
#include "component/subtask.h"

static struct async_thread *current(const struct canon_call *call)
{
    return call->async->current;
}

static struct async_instance *instance_of(const struct canon_call *call)
{
    return &call->async->instances[call->component_instance];
}

// ---- tasks --------------------------------------------------------------------------------------

static bool is_async_task(const struct async_task *task)
{
    return task && task->lifted->options.is_async;
}

static int task_return(struct canon_call *call, const struct plan_builtin *b,
                       union core_value *values)
{
    struct async_task *task = current(call)->task;
    if (!is_async_task(task))
        return canon_trap(call, "task.return of a task that is not lifted with `async`");
    const struct canon_options *have = call->options, *want = &task->lifted->options;
    const struct type *result = task->lifted->type->result;
    if (b->type != result &&
        (!b->type || !result || !async_type_equal(call->async, result, b->type)))
        return canon_trap(call, "invalid task.return signature: the task has another result type");
    // Guests name no memory for a result without pointers.
    if ((have->memory != PLAN_NONE && have->memory != want->memory) ||
        have->encoding != want->encoding)
        return canon_trap(call,
                          "invalid task.return options: memory or string encoding differ from "
                          "those of the lifted function");
    // The arguments are read under the options of the built-in, which has no realloc.
    call->scope = &task->borrows;
    call->is_async = true;
    return async_task_return(task, call, values, TYPE_FLAT_MAX);
}

static int task_cancel(struct canon_call *call, const struct plan_builtin *b,
                       union core_value *values)
{
    struct async_task *task = current(call)->task;
    if (!is_async_task(task))
        return canon_trap(call, "task.cancel of a task that is not lifted with `async`");
    return async_task_cancel(task, call->error);
}

static int context_get(struct canon_call *call, const struct plan_builtin *b,
                       union core_value *values)
{
    values[0].u64 = current(call)->storage[b->slot];
    return 0;
}

static int context_set(struct canon_call *call, const struct plan_builtin *b,
                       union core_value *values)
{
    current(call)->storage[b->slot] = b->core_type == 'I' ? values[0].u64 : values[0].u32;
    return 0;
}

static int backpressure_inc(struct canon_call *call, const struct plan_builtin *b,
                            union core_value *values)
{
    struct async_instance *instance = instance_of(call);
    if (instance->backpressure == ASYNC_BACKPRESSURE_MAX)
        return canon_trap(call, "backpressure.inc more than %u times", ASYNC_BACKPRESSURE_MAX);
    instance->backpressure++;
    return 0;
}

static int backpressure_dec(struct canon_call *call, const struct plan_builtin *b,
                            union core_value *values)
{
    struct async_instance *instance = instance_of(call);
    if (instance->backpressure == 0)
        return canon_trap(call, "backpressure.dec more often than backpressure.inc");
    if (--instance->backpressure == 0)
        async_unblock(call->async, instance);
    return 0;
}

// ---- waiting ------------------------------------------------------------------------------------

static int find_set(struct canon_call *call, uint32_t index, struct waitable_set **out)
{
    struct handle *handle = handle_table_get(call->handles, index);
    if (!handle)
        return canon_trap(call, "unknown handle index %u", index);
    if (handle->kind != HANDLE_WAITABLE_SET)
        return canon_trap(call, "handle %u is a %s, not a waitable set", index,
                          handle_kind_name(handle->kind));
    *out = handle->rep;
    return 0;
}

static int add_handle(struct canon_call *call, void *rep, enum handle_kind kind,
                      union core_value *values)
{
    uint32_t index = 0;
    struct handle handle = {.rep = rep, .kind = (uint8_t)kind};
    if (handle_table_add(call->handles, &handle, &index) < 0)
        return canon_trap_no_room(call);
    values[0].u64 = index;
    return 0;
}

static int waitable_set_make(struct canon_call *call, const struct plan_builtin *b,
                             union core_value *values)
{
    struct waitable_set *set = waitable_set_new();
    int rc = add_handle(call, set, HANDLE_WAITABLE_SET, values);
    if (rc < 0)
        waitable_set_free(set);
    return rc;
}

static int store_event(struct canon_call *call, uint32_t ptr, struct event event,
                       union core_value *values)
{
    call->ops->refresh(call);
    int rc = canon_check_range(call, ptr, 8, 4);
    if (rc < 0)
        return rc;
    canon_store32(call->memory + ptr, event.index);
    canon_store32(call->memory + ptr + 4, event.payload);
    values[0].u64 = (uint32_t)event.code;
    return 0;
}

static int waitable_set_wait(struct canon_call *call, const struct plan_builtin *b,
                             union core_value *values)
{
    struct async_thread *thread = current(call);
    struct waitable_set *set;
    uint32_t ptr = values[1].u32;
    int rc = find_set(call, values[0].u32, &set);
    if (rc < 0)
        return rc;
    thread->set = set;
    rc = async_wait(thread, WAIT_SET, b->flag, call->error);
    if (rc < 0)
        return rc;
    struct event event = {.code = EVENT_TASK_CANCELLED};
    if (!thread->is_cancelled)
        event = waitable_set_take(set);
    return store_event(call, ptr, event, values);
}

static int waitable_set_poll(struct canon_call *call, const struct plan_builtin *b,
                             union core_value *values)
{
    struct async_task *task = current(call)->task;
    struct waitable_set *set;
    int rc = find_set(call, values[0].u32, &set);
    if (rc < 0)
        return rc;
    struct event event = {.code = EVENT_NONE};
    if (b->flag && task && task->state == TASK_CANCEL_PENDING) {
        task->state = TASK_CANCEL_DELIVERED;
        event.code = EVENT_TASK_CANCELLED;
    } else if (waitable_set_has_event(set)) {
        event = waitable_set_take(set);
    }
    return store_event(call, values[1].u32, event, values);
}

static int waitable_set_drop(struct canon_call *call, const struct plan_builtin *b,
                             union core_value *values)
{
    struct waitable_set *set;
    uint32_t index = values[0].u32;
    int rc = find_set(call, index, &set);
    if (rc < 0)
        return rc;
    if (!waitable_set_is_empty(set))
        return canon_trap(call, "cannot drop waitable set %u with waitables in it", index);
    if (set->waiter_count > 0)
        return canon_trap(call, "cannot drop waitable set %u while somebody waits for it", index);
    handle_table_remove(call->handles, index);
    waitable_set_free(set);
    return 0;
}

static struct waitable *waitable_of(const struct handle *handle)
{
    if (handle->kind == HANDLE_SUBTASK)
        return &((struct subtask *)handle->rep)->waitable;
    if (handle->kind == HANDLE_STREAM_END)
        return &((struct stream_side *)handle->rep)->waitable;
    return NULL;
}

static int waitable_join_set(struct canon_call *call, const struct plan_builtin *b,
                             union core_value *values)
{
    uint32_t index = values[0].u32;
    struct handle *handle = handle_table_get(call->handles, index);
    if (!handle)
        return canon_trap(call, "unknown handle index %u", index);
    struct waitable *waitable = waitable_of(handle);
    if (!waitable)
        return canon_trap(call, "handle %u is a %s, not a waitable", index,
                          handle_kind_name(handle->kind));
    if (waitable->waiter)
        return canon_trap(call, "waitable %u cannot join a set while somebody waits for it alone",
                          index);
    struct waitable_set *set = NULL;
    int rc = values[1].u32 ? find_set(call, values[1].u32, &set) : 0;
    if (rc == 0)
        waitable_join(waitable, set);
    return rc;
}

// A synchronous built-in waits for its event; an asynchronous one answers BLOCKED without one.
static int answer(struct canon_call *call, struct waitable *waitable, bool is_async,
                  union core_value *values)
{
    if (!waitable->has_event && is_async) {
        values[0].u64 = COPY_BLOCKED;
        return 0;
    }
    if (!waitable->has_event) {
        struct async_thread *thread = current(call);
        thread->waitable = waitable;
        int rc = async_wait(thread, WAIT_EVENT, false, call->error);
        if (rc < 0)
            return rc;
    }
    values[0].u64 = waitable_take(waitable).payload;
    return 0;
}

// ---- subtasks -----------------------------------------------------------------------------------

static int cancel_subtask(struct canon_call *call, const struct plan_builtin *b,
                          union core_value *values)
{
    struct subtask *subtask;
    uint32_t index = values[0].u32;
    int rc = subtask_find(call, index, &subtask);
    if (rc < 0)
        return rc;
    if (subtask->is_delivered)
        return canon_trap(call, "subtask.cancel of subtask %u, which is resolved", index);
    if (subtask->is_cancel_requested)
        return canon_trap(call, "subtask.cancel of subtask %u for the second time", index);
    if (subtask->waitable.set && !b->flag)
        return canon_trap(call, "subtask %u cannot be waited for alone: it is in a waitable set",
                          index);
    rc = subtask_cancel(subtask, call->error);
    if (rc < 0)
        return rc;
    if (!subtask_is_resolved(subtask) && !b->flag) {
        struct async_thread *thread = current(call);
        waitable_clear_event(&subtask->waitable); // it only told of the start
        thread->waitable = &subtask->waitable;
        rc = async_wait(thread, WAIT_EVENT, false, call->error);
        if (rc < 0)
            return rc;
    }
    if (!subtask_is_resolved(subtask)) {
        values[0].u64 = COPY_BLOCKED;
        return 0;
    }
    waitable_set_event(&subtask->waitable);
    values[0].u64 = waitable_take(&subtask->waitable).payload;
    return 0;
}

static int drop_subtask(struct canon_call *call, const struct plan_builtin *b,
                        union core_value *values)
{
    return subtask_drop(call, values[0].u32);
}

// ---- streams and futures ------------------------------------------------------------------------

static bool is_future(const struct plan_builtin *b)
{
    return b->kind >= CANON_FUTURE_NEW;
}

static int make_stream(struct canon_call *call, const struct plan_builtin *b,
                       union core_value *values)
{
    uint32_t reader = 0, writer = 0;
    int rc = stream_new_ends(call, b->type, is_future(b), &reader, &writer);
    values[0].u64 = reader | (uint64_t)writer << 32;
    return rc;
}

static bool is_writing(enum canon_kind kind)
{
    return kind == CANON_STREAM_WRITE || kind == CANON_STREAM_CANCEL_WRITE ||
           kind == CANON_STREAM_DROP_WRITABLE || kind == CANON_FUTURE_WRITE ||
           kind == CANON_FUTURE_CANCEL_WRITE || kind == CANON_FUTURE_DROP_WRITABLE;
}

static int find_end(struct canon_call *call, const struct plan_builtin *b, uint32_t index,
                    struct stream_side **out)
{
    return stream_find_end(call, index, is_future(b), is_writing(b->kind), b->type, out);
}

static int copy(struct canon_call *call, const struct plan_builtin *b, union core_value *values)
{
    struct stream_side *side;
    uint32_t index = values[0].u32, ptr = values[1].u32;
    bool is_async = call->is_async;
    int rc = find_end(call, b, index, &side);
    if (rc < 0)
        return rc;
    if (side->state == END_DONE)
        return canon_trap(call, "cannot %s %s %u after being notified that it is done",
                          is_writing(b->kind) ? "write to" : "read from",
                          is_future(b) ? "future" : "stream", index);
    if (side->state != END_IDLE)
        return canon_trap(call, "a copy with the end %u goes on already", index);
    if (side->waitable.set && !is_async)
        return canon_trap(call, "the end %u cannot be waited for alone: it is in a waitable set",
                          index);
    rc = stream_copy(call, side, ptr, is_future(b) ? 1 : values[2].u32);
    return rc < 0 ? rc : answer(call, &side->waitable, is_async, values);
}

static int cancel_copy(struct canon_call *call, const struct plan_builtin *b,
                       union core_value *values)
{
    struct stream_side *side;
    uint32_t index = values[0].u32;
    int rc = find_end(call, b, index, &side);
    if (rc < 0)
        return rc;
    if (side->state != END_COPYING || side->waitable.waiter)
        return canon_trap(call, "no copy with the end %u goes on that could be cancelled", index);
    if (side->waitable.set && !b->flag)
        return canon_trap(call, "the end %u cannot be waited for alone: it is in a waitable set",
                          index);
    rc = stream_cancel(call, side);
    return rc < 0 ? rc : answer(call, &side->waitable, b->flag, values);
}

static int drop_end(struct canon_call *call, const struct plan_builtin *b, union core_value *values)
{
    struct stream_side *side;
    int rc = find_end(call, b, values[0].u32, &side);
    return rc < 0 ? rc : stream_drop_end(call, values[0].u32, side);
}

// ---- error contexts -----------------------------------------------------------------------------

static int error_context_make(struct canon_call *call, const struct plan_builtin *b,
                              union core_value *values)
{
    struct str message;
    int rc = canon_lift_string(call, values[0].u32, values[1].u32, &message);
    if (rc < 0)
        return rc;
    uint32_t index = 0;
    rc = canon_lower_error_context(call, error_context_new(message), &index);
    values[0].u64 = index;
    return rc;
}

static int error_context_debug_message(struct canon_call *call, const struct plan_builtin *b,
                                       union core_value *values)
{
    struct error_context *context;
    uint32_t to = values[1].u32, ptr = 0, len = 0;
    int rc = canon_lift_error_context(call, values[0].u32, &context);
    if (rc < 0)
        return rc;
    rc = canon_lower_string(call, error_context_message(context), &ptr, &len);
    error_context_unref(context);
    if (rc == 0)
        rc = canon_check_range(call, to, 8, 4);
    if (rc < 0)
        return rc;
    canon_store32(call->memory + to, ptr);
    canon_store32(call->memory + to + 4, len);
    return 0;
}

static int error_context_drop(struct canon_call *call, const struct plan_builtin *b,
                              union core_value *values)
{
    return canon_drop_error_context(call, values[0].u32);
}

// ---- threads ------------------------------------------------------------------------------------

static int thread_index(struct canon_call *call, const struct plan_builtin *b,
                        union core_value *values)
{
    int rc = async_thread_register(current(call), call->error);
    values[0].u64 = current(call)->index;
    return rc;
}

static int thread_new_indirect(struct canon_call *call, const struct plan_builtin *b,
                               union core_value *values)
{
    struct async_thread *thread;
    struct async_task *task = current(call)->task;
    if (!task)
        return canon_trap(call, "thread.new-indirect outside a task");
    int rc = async_task_spawn(task, b->table, values[0].u32, values[1].u32, &thread, call->error);
    if (rc == 0)
        values[0].u64 = thread->index;
    return rc;
}

static int find_suspended(struct canon_call *call, uint32_t index, struct async_thread **out)
{
    const struct thread_table *table = &instance_of(call)->threads;
    struct async_thread *thread = index < table->len ? table->items[index] : NULL;
    if (!thread)
        return canon_trap(call, "unknown thread index %u", index);
    *out = thread;
    return 0;
}

static int trap_not_suspended(struct canon_call *call, uint32_t index)
{
    return canon_trap(call, "thread %u is not suspended", index);
}

static int thread_resume_later(struct canon_call *call, const struct plan_builtin *b,
                               union core_value *values)
{
    struct async_thread *other;
    int rc = find_suspended(call, values[0].u32, &other);
    if (rc < 0)
        return rc;
    if (other->wait != WAIT_RESUME)
        return trap_not_suspended(call, values[0].u32);
    async_resume_later(other);
    return 0;
}

static int block(struct canon_call *call, const struct plan_builtin *b, enum thread_wait wait,
                 union core_value *values)
{
    struct async_thread *thread = current(call);
    int rc = async_wait(thread, wait, b->flag, call->error);
    values[0].u64 = thread->is_cancelled;
    return rc;
}

static int thread_suspend(struct canon_call *call, const struct plan_builtin *b,
                          union core_value *values)
{
    return block(call, b, WAIT_RESUME, values);
}

static int thread_yield(struct canon_call *call, const struct plan_builtin *b,
                        union core_value *values)
{
    return block(call, b, WAIT_TURN, values);
}

// thread.{suspend,yield}-then-{resume,promote}: another thread runs in place of this one. A thread
// to be promoted runs at once only if it is ready.
static int thread_switch(struct canon_call *call, const struct plan_builtin *b,
                         union core_value *values)
{
    struct async_thread *other;
    bool suspends =
        b->kind == CANON_THREAD_SUSPEND_THEN_RESUME || b->kind == CANON_THREAD_SUSPEND_THEN_PROMOTE;
    bool promotes =
        b->kind == CANON_THREAD_SUSPEND_THEN_PROMOTE || b->kind == CANON_THREAD_YIELD_THEN_PROMOTE;
    int rc = find_suspended(call, values[0].u32, &other);
    if (rc < 0)
        return rc;
    if (!promotes && other->wait != WAIT_RESUME)
        return trap_not_suspended(call, values[0].u32);
    if (!promotes || async_is_ready(other))
        call->async->switch_to = other;
    rc = block(call, b, suspends ? WAIT_RESUME : WAIT_TURN, values);
    if (current(call)->is_cancelled)
        call->async->switch_to = NULL;
    return rc;
}

// ---- the table ----------------------------------------------------------------------------------

typedef int (*builtin_fn)(struct canon_call *call, const struct plan_builtin *b,
                          union core_value *values);

static const builtin_fn builtins[CANON_KIND_COUNT] = {
    [CANON_TASK_CANCEL] = task_cancel,
    [CANON_SUBTASK_CANCEL] = cancel_subtask,
    [CANON_TASK_RETURN] = task_return,
    [CANON_CONTEXT_GET] = context_get,
    [CANON_CONTEXT_SET] = context_set,
    [CANON_THREAD_YIELD] = thread_yield,
    [CANON_SUBTASK_DROP] = drop_subtask,
    [CANON_STREAM_NEW] = make_stream,
    [CANON_STREAM_READ] = copy,
    [CANON_STREAM_WRITE] = copy,
    [CANON_STREAM_CANCEL_READ] = cancel_copy,
    [CANON_STREAM_CANCEL_WRITE] = cancel_copy,
    [CANON_STREAM_DROP_READABLE] = drop_end,
    [CANON_STREAM_DROP_WRITABLE] = drop_end,
    [CANON_FUTURE_NEW] = make_stream,
    [CANON_FUTURE_READ] = copy,
    [CANON_FUTURE_WRITE] = copy,
    [CANON_FUTURE_CANCEL_READ] = cancel_copy,
    [CANON_FUTURE_CANCEL_WRITE] = cancel_copy,
    [CANON_FUTURE_DROP_READABLE] = drop_end,
    [CANON_FUTURE_DROP_WRITABLE] = drop_end,
    [CANON_ERROR_CONTEXT_NEW] = error_context_make,
    [CANON_ERROR_CONTEXT_DEBUG_MESSAGE] = error_context_debug_message,
    [CANON_ERROR_CONTEXT_DROP] = error_context_drop,
    [CANON_WAITABLE_SET_NEW] = waitable_set_make,
    [CANON_WAITABLE_SET_WAIT] = waitable_set_wait,
    [CANON_WAITABLE_SET_POLL] = waitable_set_poll,
    [CANON_WAITABLE_SET_DROP] = waitable_set_drop,
    [CANON_WAITABLE_JOIN] = waitable_join_set,
    [CANON_BACKPRESSURE_INC] = backpressure_inc,
    [CANON_BACKPRESSURE_DEC] = backpressure_dec,
    [CANON_THREAD_INDEX] = thread_index,
    [CANON_THREAD_NEW_INDIRECT] = thread_new_indirect,
    [CANON_THREAD_RESUME_LATER] = thread_resume_later,
    [CANON_THREAD_SUSPEND] = thread_suspend,
    [CANON_THREAD_SUSPEND_THEN_RESUME] = thread_switch,
    [CANON_THREAD_YIELD_THEN_RESUME] = thread_switch,
    [CANON_THREAD_SUSPEND_THEN_PROMOTE] = thread_switch,
    [CANON_THREAD_YIELD_THEN_PROMOTE] = thread_switch,
};

bool async_builtin_exists(enum canon_kind kind)
{
    return builtins[kind] != NULL;
}

int async_builtin(struct canon_call *call, const struct plan_builtin *builtin,
                  union core_value *values)
{
    return builtins[builtin->kind](call, builtin, values);
}

// SPDX-License-Identifier: Apache-2.0
#include "component/subtask.h"

#include <errno.h>

#include "component/canon_copy.h"
#include "component/canon_place.h"

// ---- life ---------------------------------------------------------------------------------------

static struct event deliver(struct waitable *waitable)
{
    struct subtask *subtask = container_of(waitable, struct subtask, waitable);
    if (subtask_is_resolved(subtask))
        subtask_deliver_resolve(subtask);
    return (struct event){EVENT_SUBTASK, subtask->index, (uint32_t)subtask->state};
}

void subtask_deliver_resolve(struct subtask *subtask)
{
    uint32_t caller = subtask->options->component_instance;
    subtask->is_delivered = true;
    canon_lends_return(&subtask->lends, &subtask->store->instances[caller].handles);
}

void subtask_init(struct subtask *subtask, struct canon_call *call, const struct func_type *type)
{
    subtask->waitable.deliver = deliver;
    subtask->store = call->async;
    subtask->options = call->options;
    subtask->type = type;
}

void subtask_link(struct subtask *subtask)
{
    struct async_store *store = subtask->store;
    store->stream_count++;
    subtask->next = store->subtasks;
    subtask->link = &store->subtasks;
    if (subtask->next)
        subtask->next->link = &subtask->next;
    store->subtasks = subtask;
}

static struct subtask *subtask_new(struct async_store *store)
{
    struct subtask *subtask = store->spare_subtask;
    if (!subtask)
        return mem_new(struct subtask);
    store->spare_subtask = NULL;
    *subtask = (struct subtask){.state = SUBTASK_STARTING};
    return subtask;
}

void subtask_free(struct subtask *subtask)
{
    struct async_store *store = subtask->store;
    waitable_join(&subtask->waitable, NULL);
    free(subtask->lends.items);
    store->stream_count--;
    *subtask->link = subtask->next;
    if (subtask->next)
        subtask->next->link = subtask->link;
    if (subtask->is_job)
        host_job_free(container_of(subtask, struct host_job, subtask));
    else if (store->spare_subtask)
        free(subtask);
    else
        store->spare_subtask = subtask;
}

// Core values that an asynchronous lowering receives.
static void save_args(struct subtask *subtask, const union core_value *values, uint32_t flat_params)
{
    memcpy(subtask->saved, values, (flat_params + 1) * sizeof(*values));
    subtask->args = subtask->saved;
}

int subtask_take_args(struct subtask *subtask, struct canon_call *call, union core_value *values)
{
    struct call_shape shape;
    subtask->args = values;
    if (!call->is_async)
        return 0;
    int rc = call_shape(call, subtask->type, true, &shape);
    if (rc == 0)
        save_args(subtask, values, shape.flat_params);
    return rc;
}

// ---- progress -----------------------------------------------------------------------------------

void subtask_progress(struct subtask *subtask, enum subtask_state state)
{
    subtask->state = state;
    if (subtask->index)
        waitable_set_event(&subtask->waitable);
    if (subtask->waiter)
        async_thread_wake(subtask->waiter);
}

void subtask_resolve_cancelled(struct subtask *subtask)
{
    subtask->task = NULL;
    subtask_progress(subtask, subtask->state == SUBTASK_STARTING
                                  ? SUBTASK_CANCELLED_BEFORE_STARTED
                                  : SUBTASK_CANCELLED_BEFORE_RETURNED);
}

static int begin_caller(struct subtask *subtask, struct canon_call *call, struct error *err)
{
    call->error = err;
    return subtask->store->ops->begin(subtask->store, subtask->options, call);
}

static int start(struct async_task *task, struct canon_call *callee, union core_value *flat)
{
    struct subtask *subtask = task->caller_data;
    struct canon_call caller;
    int rc = begin_caller(subtask, &caller, callee->error);
    if (rc == 0)
        rc = canon_copy_params(subtask->type, &caller, callee, subtask->args, flat);
    if (rc < 0)
        return rc;
    canon_lends_keep(&caller, &subtask->lends);
    subtask_progress(subtask, SUBTASK_STARTED);
    return 0;
}

static int resolve(struct async_task *task, struct canon_call *callee, const union core_value *flat,
                   uint32_t flat_max)
{
    struct subtask *subtask = task->caller_data;
    if (!flat) {
        subtask_resolve_cancelled(subtask);
        return 0;
    }
    struct canon_call caller;
    int rc = begin_caller(subtask, &caller, callee->error);
    if (rc == 0)
        rc = canon_copy_result(subtask->type, callee, &caller, flat, subtask->args);
    subtask->task = NULL;
    if (rc == 0)
        subtask_progress(subtask, SUBTASK_RETURNED);
    return rc;
}

static const struct async_caller subtask_caller = {start, resolve, NULL};

// ---- canon lower --------------------------------------------------------------------------------

int subtask_wait(struct subtask *subtask, struct error *err)
{
    struct async_thread *thread = subtask->store->current;
    int rc = 0;
    if (!subtask_is_resolved(subtask)) {
        thread->subtask = subtask;
        rc = async_wait(thread, WAIT_SUBTASK, false, err);
    }
    if (rc == 0)
        subtask_deliver_resolve(subtask);
    return rc;
}

int subtask_publish(struct subtask *subtask, struct canon_call *call, union core_value *values)
{
    struct handle handle = {.rep = subtask, .kind = HANDLE_SUBTASK};
    int rc = async_check_streams(call);
    if (rc < 0)
        return rc;
    if (handle_table_add(call->handles, &handle, &subtask->index) < 0)
        return canon_trap_no_room(call);
    values[0].u64 = (uint32_t)subtask->state | subtask->index << 4;
    return 0;
}

// The caller blocks until the result is there.
static int lower_sync(struct canon_call *call, const struct plan_lifted *lifted,
                      union core_value *values)
{
    struct subtask subtask = {0};
    struct async_task *task;
    subtask_init(&subtask, call, lifted->type);
    subtask.args = values;
    int rc = async_call(call->async, lifted, &subtask_caller, &subtask, &task, call->error);
    if (rc >= 0 && !subtask_is_resolved(&subtask))
        subtask.task = task;
    rc = rc < 0 ? rc : subtask_wait(&subtask, call->error);
    free(subtask.lends.items);
    return rc;
}

// The caller goes on.
static int lower_async(struct canon_call *call, const struct plan_lifted *lifted,
                       union core_value *values)
{
    struct subtask *subtask = subtask_new(call->async);
    struct async_task *task;
    subtask_init(subtask, call, lifted->type);
    subtask_link(subtask);
    int rc = subtask_take_args(subtask, call, values);
    if (rc == 0)
        rc = async_call(call->async, lifted, &subtask_caller, subtask, &task, call->error);
    if (rc < 0)
        return rc;
    if (!subtask_is_resolved(subtask)) {
        subtask->task = task;
        return subtask_publish(subtask, call, values);
    }
    subtask_deliver_resolve(subtask);
    values[0].u64 = SUBTASK_RETURNED;
    subtask_free(subtask);
    return 0;
}

int async_lower(struct canon_call *call, const struct plan_lifted *lifted, union core_value *values)
{
    if (!lifted->type->is_async)
        return async_call_nested(call, lifted, values);
    return call->is_async ? lower_async(call, lifted, values) : lower_sync(call, lifted, values);
}

// ---- built-ins ----------------------------------------------------------------------------------

int subtask_cancel(struct subtask *subtask, struct error *err)
{
    if (subtask_is_resolved(subtask))
        return 0;
    subtask->is_cancel_requested = true;
    if (subtask->task)
        return async_request_cancel(subtask->task, err);
    struct host_job *job = container_of(subtask, struct host_job, subtask);
    if (job->cancel && !job->finishing)
        job->cancel(job);
    return 0;
}

int subtask_find(struct canon_call *call, uint32_t index, struct subtask **out)
{
    struct handle *handle = handle_table_get(call->handles, index);
    if (!handle)
        return canon_trap(call, "unknown handle index %u", index);
    if (handle->kind != HANDLE_SUBTASK)
        return canon_trap(call, "handle %u is a %s, not a subtask", index,
                          handle_kind_name(handle->kind));
    *out = handle->rep;
    return 0;
}

int subtask_drop(struct canon_call *call, uint32_t index)
{
    struct subtask *subtask;
    int rc = subtask_find(call, index, &subtask);
    if (rc < 0)
        return rc;
    if (!subtask->is_delivered)
        return canon_trap(call, "cannot drop subtask %u before it is resolved and its caller knows",
                          index);
    handle_table_remove(call->handles, index);
    subtask_free(subtask);
    return 0;
}

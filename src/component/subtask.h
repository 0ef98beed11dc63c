// SPDX-License-Identifier: Apache-2.0
// Subtasks: what a caller knows of a call of a function of asynchronous type, be it another
// component's or the host's (CanonicalABI.md "Subtask State", "canon lower").
//
// A function of the host that has to wait is a job: its handler begins the work, keeps call->job
// and returns CANON_PENDING; when the result is in the place that it was given, host_job_done().
#pragma once

#include "component/async.h"

enum subtask_state {
    SUBTASK_STARTING,
    SUBTASK_STARTED,
    SUBTASK_RETURNED,
    SUBTASK_CANCELLED_BEFORE_STARTED,
    SUBTASK_CANCELLED_BEFORE_RETURNED,
};

// A handler's answer instead of 0: the job goes on.
#define CANON_PENDING 1

struct subtask {
    struct waitable waitable;
    struct subtask *next, **link; // of the store; NULL link: on a stack
    struct async_store *store;
    enum subtask_state state;
    bool is_cancel_requested;
    bool is_delivered; // the caller knows that it is resolved
    bool is_job;       // of the host: part of a struct host_job
    uint32_t index;    // handle; 0: none
    const struct canon_options *options;
    const struct func_type *type;
    struct async_task *task; // of the callee, until it is resolved; NULL: a job
    struct async_thread *waiter;
    struct canon_lends lends;
    union core_value *args;
    union core_value saved[5]; // flat arguments of an asynchronous lowering
};

static inline bool subtask_is_resolved(const struct subtask *subtask)
{
    return subtask->state >= SUBTASK_RETURNED;
}
void subtask_free(struct subtask *subtask);

// Inside the folder.
void subtask_init(struct subtask *subtask, struct canon_call *call, const struct func_type *type);
void subtask_link(struct subtask *subtask);
// Keeps the arguments beyond the call where the caller goes on.
_must_use_ int subtask_take_args(struct subtask *subtask, struct canon_call *call,
                                 union core_value *values);
// Adds it to the caller's table; values[0] becomes the built-in's answer.
_must_use_ int subtask_publish(struct subtask *subtask, struct canon_call *call,
                               union core_value *values);
void subtask_progress(struct subtask *subtask, enum subtask_state state);
void subtask_resolve_cancelled(struct subtask *subtask);
void subtask_deliver_resolve(struct subtask *subtask);
// Blocks the current thread until it is resolved.
_must_use_ int subtask_wait(struct subtask *subtask, struct error *err);

// ---- jobs of the host ---------------------------------------------------------------------------

struct host_job {
    struct subtask subtask;
    // Lowers the result, set by the binding.
    int (*finish)(struct canon_call *call, struct host_job *job);
    struct async_thread *finishing;
    bool is_pending; // the handler works on it
    struct error trap;
    struct arena arena; // lives as long as the job
    void *result;       // where the handler puts the result
    // The handler's:
    void (*cancel)(
        struct host_job *job); // asked to end early: host_job_cancelled() or _done(); may be NULL
    void (*dropped)(struct host_job *job); // the store ends, the job with it; may be NULL
    void *data;
};

// A call of an imported function of asynchronous type; `type` is the plan's, which has layouts.
_must_use_ int async_import(struct canon_call *call, const struct host_func *func,
                            const struct func_type *type, union core_value *values);
// The result is in job->result; strings in it stay valid until the guest has them (job->arena). The
// job is gone when this returns, or soon afterwards.
void host_job_done(struct host_job *job);
void host_job_cancelled(struct host_job *job);
// Ends the job with a trap of the guest.
void host_job_trap(struct host_job *job, const char *fmt, ...) _printf_(2, 3);

void host_job_free(struct host_job *job); // inside the folder

// ---- built-ins ----------------------------------------------------------------------------------

// subtask.cancel: afterwards the waitable has an event, or the cancellation goes on.
_must_use_ int subtask_cancel(struct subtask *subtask, struct error *err);
_must_use_ int subtask_find(struct canon_call *call, uint32_t handle, struct subtask **out);
// subtask.drop
_must_use_ int subtask_drop(struct canon_call *call, uint32_t handle);

// SPDX-License-Identifier: Apache-2.0
// Functions of the host that take their time.
#include <errno.h>
#include <stdarg.h>

#include "component/subtask.h"

#define JOB_ARENA_BYTES_MAX ((size_t)64 << 20)

void host_job_free(struct host_job *job)
{
    if (job->is_pending) {
        job->subtask.store->host_count--;
        if (job->dropped)
            job->dropped(job);
    }
    arena_done(&job->arena);
    free(job);
}

static struct host_job *job_new(struct canon_call *call, const struct func_type *type)
{
    struct host_job *job = mem_new(struct host_job);
    subtask_init(&job->subtask, call, type);
    job->subtask.is_job = true;
    job->subtask.state = SUBTASK_STARTED;
    job->arena = ARENA_INIT(JOB_ARENA_BYTES_MAX);
    subtask_link(&job->subtask);
    return job;
}

// The handler began: the caller waits for the end, or goes on.
static int wait_for(struct host_job *job, struct canon_call *call, union core_value *values)
{
    job->is_pending = true;
    call->async->host_count++;
    canon_lends_keep(call, &job->subtask.lends);
    if (call->is_async)
        return subtask_publish(&job->subtask, call, values);
    int rc = subtask_wait(&job->subtask, call->error);
    if (rc == 0)
        subtask_free(&job->subtask);
    return rc;
}

int async_import(struct canon_call *call, const struct host_func *func,
                 const struct func_type *type, union core_value *values)
{
    struct host_job *job = job_new(call, type);
    call->job = job;
    int rc = subtask_take_args(&job->subtask, call, values);
    if (rc == 0)
        rc = func->lower(call, job->subtask.args);
    if (rc < 0)
        return rc;
    if (rc == CANON_PENDING)
        return wait_for(job, call, values);
    canon_call_end(call);
    if (call->is_async)
        values[0].u64 = SUBTASK_RETURNED;
    subtask_free(&job->subtask);
    return 0;
}

static void end(struct host_job *job)
{
    job->is_pending = false;
    job->subtask.store->host_count--;
}

static int finish(struct host_job *job, struct error *err)
{
    struct async_store *store = job->subtask.store;
    struct canon_call call = {.error = err};
    int rc = store->ops->begin(store, job->subtask.options, &call);
    call.job = job;
    if (rc == 0 && job->finish)
        rc = job->finish(&call, job);
    if (rc == 0)
        subtask_progress(&job->subtask, SUBTASK_RETURNED);
    return rc;
}

static int finish_on_fiber(struct async_thread *thread, struct error *err)
{
    struct host_job *job = thread->host_data;
    job->finishing = NULL;
    if (job->trap.code)
        return error_move(err, &job->trap);
    return finish(job, err);
}

static void finish_later(struct host_job *job)
{
    struct async_store *store = job->subtask.store;
    job->finishing =
        async_host_thread(store, job->subtask.options->component_instance, finish_on_fiber, job);
}

void host_job_done(struct host_job *job)
{
    const struct type *result = job->subtask.type->result;
    end(job);
    // Lowering may run guest code, or trap.
    if (result && (result->layout.has_pointers || result->layout.has_handles))
        finish_later(job);
    else
        (void)finish(job, NULL);
}

void host_job_cancelled(struct host_job *job)
{
    end(job);
    subtask_resolve_cancelled(&job->subtask);
}

void host_job_trap(struct host_job *job, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)error_set(&job->trap, -EFAULT, "%s", text);
    end(job);
    finish_later(job);
}

// SPDX-License-Identifier: Apache-2.0
#include "host/command.h"

#include <errno.h>

#include "http/client.h"
#include "wasi/p2.h"

// One run: everything that lives as long as it.
struct run {
    struct loop *loop;
    struct executor *executor;
    struct http_client *client;
    struct wasi wasi;
    struct instance *instance;
    const void *func;
    bool done;
    bool failed; // the command itself returned an error
    struct command_end *end;
    struct error *err;
};

static int run_command(struct canon_call *call, void *arg)
{
    struct run *run = arg;
    struct p2_result_void_void result = {0};
    int rc = instance_enter(call, run->func);
    if (rc == 0)
        rc = p2_cli_run_run(call, run->func, &result);
    run->failed = result.is_err;
    return rc;
}

static void run_ended(void *arg, enum task_end end, const struct error *err)
{
    struct run *run = arg;
    run->end->end = end;
    run->end->exit_code =
        end == TASK_EXITED ? instance_exit_code(run->instance) : (uint32_t)run->failed;
    if (end != TASK_RETURNED && end != TASK_EXITED)
        (void)error_set(run->err, err->code, "%s", error_text(err));
    run->done = true;
    loop_stop(run->loop);
}

static void close_run(struct run *run)
{
    instance_free(run->instance);
    wasi_done(&run->wasi);
    http_client_free(run->client);
    executor_free(run->executor);
    // Handles close in a last turn.
    while (run->loop && loop_turn(run->loop, false))
        ;
    loop_free(run->loop);
}

static int open_run(struct run *run, struct engine *engine, struct workload *workload,
                    struct error *err)
{
    int rc = loop_new(&run->loop, err);
    if (rc < 0)
        return rc;
    run->executor = executor_new(engine, run->loop);
    run->client = http_client_new(run->loop, &(struct http_client_options){0});
    wasi_init(&run->wasi, workload_wasi(workload), run->loop, run->client);
    return instance_new(
        workload_linked(workload), run->executor,
        &(struct instance_options){.host = &run->wasi, .limits = workload_limits(workload)},
        &run->instance, err);
}

static int run_body(struct run *run, struct engine *engine, struct workload *workload,
                    task_body body, void *arg)
{
    int rc = open_run(run, engine, workload, run->err);
    if (rc == 0)
        rc = instance_run(run->instance, body, run_ended, arg, run->err);
    if (rc == 0 && !run->done)
        loop_run(run->loop);
    close_run(run);
    return rc;
}

int command_run(struct engine *engine, struct workload *workload, struct command_end *end,
                struct error *err)
{
    struct run run = {.func = workload_entry(workload), .end = end, .err = err};
    return run_body(&run, engine, workload, run_command, &run);
}

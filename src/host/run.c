// SPDX-License-Identifier: Apache-2.0
#include "host/run.h"

#include <errno.h>

#include "component/wave.h"
#include "http/client.h"
#include "wasi/p2.h"
#include "wasi/p3.h"

// One run: everything that lives as long as it.
struct run {
    struct loop *loop;
    struct executor *executor;
    struct http_client *client;
    struct wasi wasi;
    struct instance *instance;
    struct instance_call call;
    const void *func;
    bool done;
    bool failed; // the command itself returned an error
    struct run_end *end;
    struct error *err;
};

static int command_body(struct canon_call *call, void *arg)
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
    const struct http_client_options egress = workload_egress(workload, 1);
    run->client = http_client_new(run->loop, &egress);
    wasi_init(&run->wasi, workload_wasi(workload), run->loop, run->client);
    return instance_new(
        workload_linked(workload), run->executor,
        &(struct instance_options){.host = &run->wasi, .limits = workload_limits(workload)},
        &run->instance, err);
}

static int run_until_done(struct run *run, struct engine *engine, struct workload *workload,
                          int (*start)(struct run *run))
{
    int rc = open_run(run, engine, workload, run->err);
    if (rc == 0)
        rc = start(run);
    if (rc == 0 && !run->done) {
        loop_hold(run->loop);
        loop_run(run->loop);
        loop_release(run->loop);
    }
    close_run(run);
    return rc;
}

static int start_command(struct run *run)
{
    return instance_run(run->instance, command_body, run_ended, run, run->err);
}

// ---- a command of WASI 0.3 ----------------------------------------------------------------------

static int command_lower(struct canon_call *call, void *arg, union core_value *flat)
{
    return p3_cli_run_run_lower(call, flat);
}

static int command_lift(struct canon_call *call, void *arg, const union core_value *flat,
                        uint32_t flat_max)
{
    struct run *run = arg;
    struct p3_result_void_void result = {0};
    int rc = p3_cli_run_run_lift(call, flat, flat_max, &result);
    run->failed = result.is_err;
    return rc;
}

static int start_async_command(struct run *run)
{
    run->call = (struct instance_call){
        .start = command_lower, .returned = command_lift, .ended = run_ended, .arg = run};
    return instance_call(run->instance, run->func, &run->call, run->err);
}

int run_command(struct engine *engine, struct workload *workload, struct run_end *end,
                struct error *err)
{
    struct run run = {.func = workload_entry(workload), .end = end, .err = err};
    return run_until_done(&run, engine, workload,
                          workload_is_async(workload) ? start_async_command : start_command);
}

// ---- any export by name
// --------------------------------------------------------------------------

struct invocation {
    struct run run;
    const struct plan_lifted *lifted;
    struct value *args;
    struct arena *arena;
    struct value result;
};

static struct invocation *invocation_of(struct run *run)
{
    return container_of(run, struct invocation, run);
}

static int invocation_lower(struct canon_call *call, void *arg, union core_value *flat)
{
    struct invocation *invocation = invocation_of(arg);
    return value_lower_params(call, invocation->lifted->type, invocation->args, flat);
}

static int invocation_lift(struct canon_call *call, void *arg, const union core_value *flat,
                           uint32_t flat_max)
{
    struct invocation *invocation = invocation_of(arg);
    return value_lift_result(call, invocation->lifted->type, (union core_value *)flat,
                             invocation->arena, &invocation->result);
}

static int start_invocation(struct run *run)
{
    run->call = (struct instance_call){
        .start = invocation_lower, .returned = invocation_lift, .ended = run_ended, .arg = run};
    return instance_call(run->instance, invocation_of(run)->lifted, &run->call, run->err);
}

static const struct plan_lifted *find_lifted(const struct plan *plan, const struct wave_call *call,
                                             struct error *err)
{
    const struct plan_export *export = plan_find_export(plan, call->interface, call->name);
    // A plain name may also be that of the only interface function called so.
    for (uint32_t i = 0; !export && !call->interface.len && i < plan->export_count; i++)
        if (str_eq(plan->exports[i].name, call->name))
            export = &plan->exports[i];
    if (export && export->lifted != PLAN_NONE)
        return &plan->lifted[export->lifted];
    BUF(names, 64 * 1024);
    for (uint32_t i = 0; i < plan->export_count; i++) {
        const struct plan_export *other = &plan->exports[i];
        if (buf_printf(&names, "\n  %.*s%s%.*s", STR_ARG(other->interface),
                       other->interface.len ? "#" : "", STR_ARG(other->name)) < 0)
            break;
    }
    (void)error_set(err, -ENOENT, "the component exports no function `%.*s`; it exports:%.*s",
                    STR_ARG(call->name), STR_ARG(buf_str(&names)));
    return NULL;
}

// What only guests can do something with is refused before anything runs.
static int check_result(const struct type *type, struct error *err)
{
    static const char *const names[] = {[TYPE_OWN] = "a handle",
                                        [TYPE_BORROW] = "a handle",
                                        [TYPE_STREAM] = "a stream",
                                        [TYPE_FUTURE] = "a future",
                                        [TYPE_ERROR_CONTEXT] = "an error context"};
    const char *name = type && type->kind < ARRAY_LEN(names) ? names[type->kind] : NULL;
    return name ? error_set(err, -EINVAL, "its result is %s, which has no text", name) : 0;
}

static int print_result(const struct invocation *invocation, struct buf *out, struct error *err)
{
    const struct type *type = invocation->lifted->type->result;
    if (invocation->run.end->end != TASK_RETURNED || !type)
        return 0;
    int rc = wave_print(out, type, &invocation->result);
    return rc < 0 ? error_set(err, rc, "the result is larger than %zu bytes of text", out->max) : 0;
}

int run_invoke(struct engine *engine, struct workload *workload, struct str text, struct buf *out,
               struct run_end *end, struct error *err)
{
    struct wave_call call;
    struct arena arena = ARENA_INIT(RUN_VALUE_BYTES_MAX);
    struct invocation invocation = {.run = {.end = end, .err = err}, .arena = &arena};
    int rc = wave_parse_call(text, &call, err);
    if (rc == 0) {
        const struct plan *plan = program_plan(linked_program(workload_linked(workload)));
        invocation.lifted = find_lifted(plan, &call, err);
        rc = invocation.lifted ? check_result(invocation.lifted->type->result, err) : -ENOENT;
    }
    if (rc == 0)
        rc = wave_parse_args(&call, invocation.lifted->type, &arena, &invocation.args, err);
    if (rc < 0)
        error_wrap(err, "`%.*s`", STR_ARG(text));
    else
        rc = run_until_done(&invocation.run, engine, workload, start_invocation);
    if (rc == 0)
        rc = print_result(&invocation, out, err);
    arena_done(&arena);
    return rc;
}

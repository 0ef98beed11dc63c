// SPDX-License-Identifier: Apache-2.0
#include "execute.h"

#include <errno.h>

#include "component/validate.h"
#include "component/wave.h"
#include "engine/instance.h"
#include "execute_value.h"

// An instance that the file made.
struct live {
    struct live *next;
    char *name; // NULL: none
    struct linked *linked;
    struct instance *instance;
};

struct execution {
    struct wast_executor executor;
    struct engine *engine;
    struct linker *linker;
    struct loop *loop;
    struct executor *tasks;
    struct live *lives; // newest first
    struct live *current;
    struct run *runs;
    char *latest_bytes; // definitions are mostly instantiated many times in a row
    size_t latest_len;
    struct linked *latest;
};

struct run {
    struct run *next;
    struct instance_call call;
    struct loop *loop;
    const struct plan_lifted *lifted; // NULL: only what instantiation left to do
    const struct value *args;
    struct arena *arena;
    struct value result;
    bool has_returned;
    bool is_done;
    enum task_end end;
    struct error *err;
};

static void live_free(struct live *live)
{
    instance_free(live->instance);
    linked_unref(live->linked);
    free(live->name);
    free(live);
}

static void reset(struct wast_executor *executor)
{
    struct execution *e = container_of(executor, struct execution, executor);
    while (e->lives) {
        struct live *live = e->lives;
        e->lives = live->next;
        live_free(live);
    }
    e->current = NULL;
    while (e->runs) {
        struct run *run = e->runs;
        e->runs = run->next;
        free(run);
    }
}

// ---- one task -----------------------------------------------------------------------------------

static int nothing(struct canon_call *call, void *arg)
{
    return 0;
}

static int lower_args(struct canon_call *call, void *arg, union core_value *flat)
{
    struct run *run = arg;
    return value_lower_params(call, run->lifted->type, run->args, flat);
}

static int lift_result(struct canon_call *call, void *arg, const union core_value *flat,
                       uint32_t flat_max)
{
    struct run *run = arg;
    run->has_returned = true;
    loop_stop(run->loop);
    return value_lift_result(call, run->lifted->type, (union core_value *)flat, run->arena,
                             &run->result);
}

static void ended(void *arg, enum task_end end, const struct error *err)
{
    struct run *run = arg;
    run->end = end;
    if (end != TASK_RETURNED && run->err)
        error_set(run->err, -EFAULT, "%s", error_text(err));
    run->is_done = true;
    loop_stop(run->loop);
}

static int begin(struct instance *instance, struct run *run)
{
    if (!run->lifted)
        return instance_run(instance, nothing, ended, run, run->err);
    run->call = (struct instance_call){
        .start = lower_args, .returned = lift_result, .ended = ended, .arg = run};
    return instance_call(instance, run->lifted, &run->call, run->err);
}

// What goes on after the result, in this task or another one, has a while for it.
static void run_rest(struct execution *e)
{
    uint64_t end = loop_now(e->loop) + EXECUTE_AFTER_MS * UINT64_C(1000000);
    for (int i = 0; i < EXECUTE_TURNS_AFTER_MAX && loop_now(e->loop) < end; i++)
        if (!loop_turn(e->loop, false))
            break;
}

// 0 when the task returned, -EFAULT when it trapped. A task may wait for ever after it returned.
static int run_task(struct execution *e, struct instance *instance, struct run *run)
{
    run->loop = e->loop;
    int rc = begin(instance, run);
    if (rc == -ESHUTDOWN) // dead since an earlier trap: calls trap
        return -EFAULT;
    if (rc < 0)
        return rc;
    loop_hold(e->loop);
    while (!run->is_done && !run->has_returned)
        loop_turn(e->loop, true);
    loop_release(e->loop);
    run_rest(e);
    if (!run->is_done)
        return 0;
    if (run->end == TASK_TIMED_OUT)
        return -ETIMEDOUT;
    return run->end == TASK_RETURNED ? 0 : -EFAULT;
}

// ---- instances ----------------------------------------------------------------------------------

static void forget_latest(struct execution *e)
{
    if (e->latest)
        linked_unref(TAKE(e->latest));
    free(TAKE(e->latest_bytes));
}

static void remember(struct execution *e, struct str bytes, struct linked *linked)
{
    forget_latest(e);
    e->latest = linked_ref(linked);
    e->latest_bytes = mem_dup(bytes.data, bytes.len);
    e->latest_len = bytes.len;
}

static int link_bytes(struct execution *e, struct str bytes, struct linked **out, struct error *err)
{
    if (e->latest && str_eq(bytes, str_of(e->latest_bytes, e->latest_len))) {
        *out = linked_ref(e->latest);
        return 0;
    }
    struct program *program;
    int rc = program_new(e->engine, bytes, &program, err);
    if (rc < 0)
        return rc;
    rc = linker_link(e->linker, program, out, err);
    program_unref(program);
    if (rc == 0)
        remember(e, bytes, *out);
    return rc;
}

// Runs are kept until the file ends: a task may outlive its result.
static struct run *new_run(struct execution *e, const struct plan_lifted *lifted,
                           struct arena *arena, struct error *err)
{
    struct run *run = mem_new(struct run);
    *run = (struct run){.next = e->runs, .lifted = lifted, .arena = arena, .err = err};
    e->runs = run;
    return run;
}

static int start(struct execution *e, struct live *live, struct error *err)
{
    const struct instance_options options = {
        .limits = {.wall_time_ms = EXECUTE_WALL_TIME_MS, .memory_bytes_max = EXECUTE_MEMORY_MAX}};
    int rc = instance_new(live->linked, e->tasks, &options, &live->instance, err);
    if (rc < 0)
        return rc;
    struct run *run = new_run(e, NULL, NULL, err);
    rc = run_task(e, live->instance, run);
    run->err = NULL;
    return rc;
}

// Nothing reaches an instance without name once another is being made.
static void leave_current(struct execution *e)
{
    struct live *old = e->current;
    e->current = NULL;
    if (!old || old->name)
        return;
    e->lives = old->next;
    live_free(old);
}

// A name that is given again means the latest instance.
static void leave_namesake(struct execution *e, const char *name)
{
    struct live **link = &e->lives;
    while (*link && (!name || !(*link)->name || strcmp((*link)->name, name) != 0))
        link = &(*link)->next;
    struct live *old = *link;
    if (!old)
        return;
    *link = old->next;
    live_free(old);
}

static int instantiate(struct wast_executor *executor, struct str bytes, const char *name,
                       struct error *err)
{
    struct execution *e = container_of(executor, struct execution, executor);
    leave_current(e);
    leave_namesake(e, name);
    struct live *live = mem_new(struct live);
    live->name = name ? mem_strdup(name) : NULL;
    int rc = link_bytes(e, bytes, &live->linked, err);
    if (rc == 0)
        rc = start(e, live, err);
    if (rc < 0) {
        live_free(live);
        return rc;
    }
    live->next = e->lives;
    e->lives = live;
    e->current = live;
    return 0;
}

// ---- calls --------------------------------------------------------------------------------------

static struct live *find_live(struct execution *e, const char *name)
{
    if (!name)
        return e->current;
    struct live *live = e->lives;
    while (live && (!live->name || strcmp(live->name, name) != 0))
        live = live->next;
    return live;
}

static const struct plan_lifted *find_function(const struct live *live, struct str name)
{
    const struct plan *plan = program_plan(linked_program(live->linked));
    const struct plan_export *export = plan_find_export(plan, STR_EMPTY, name);
    return export && export->lifted != PLAN_NONE ? &plan->lifted[export->lifted] : NULL;
}

static int read_args(const json_t *json, const struct func_type *type, struct arena *arena,
                     struct value **out, struct error *err)
{
    if (json_array_size(json) != type->param_count)
        return error_set(err, -EINVAL, "%zu arguments for %u parameters", json_array_size(json),
                         type->param_count);
    struct value *args = arena_new_array(arena, struct value, type->param_count);
    int rc = 0;
    for (uint32_t i = 0; i < type->param_count && rc == 0; i++)
        rc = json_to_value(json_array_get(json, i), type->params[i].type, arena, &args[i], err);
    *out = args;
    return rc;
}

static int check_result(const struct run *run, const json_t *expected, struct error *err)
{
    const struct type *type = run->lifted->type->result;
    size_t count = json_array_size(expected);
    if (count != (type ? 1 : 0))
        return error_set(err, -EINVAL, "%zu results are expected, it has %d", count, type != NULL);
    if (!type)
        return 0;
    struct value want;
    int rc = json_to_value(json_array_get(expected, 0), type, run->arena, &want, err);
    if (rc < 0 || value_equal(type, &want, &run->result))
        return rc;
    BUF(text, WAVE_TEXT_BYTES_MAX);
    if (wave_print(&text, type, &run->result) < 0)
        return error_set(err, -EINVAL, "returns something else, and large");
    return error_set(err, -EINVAL, "returns %.*s", STR_ARG(buf_str(&text)));
}

static int call(struct execution *e, const struct live *live, const json_t *action,
                const json_t *expected, struct run *run)
{
    struct value *args;
    int rc =
        read_args(json_object_get(action, "args"), run->lifted->type, run->arena, &args, run->err);
    if (rc < 0)
        return rc;
    run->args = args;
    rc = run_task(e, live->instance, run);
    return rc < 0 || !expected ? rc : check_result(run, expected, run->err);
}

static int invoke(struct wast_executor *executor, const json_t *action, const json_t *expected,
                  struct error *err)
{
    struct execution *e = container_of(executor, struct execution, executor);
    const char *field = json_string_value(json_object_get(action, "field"));
    struct live *live = find_live(e, json_string_value(json_object_get(action, "module")));
    if (!live)
        return error_set(err, -ENOENT, "there is no such instance");
    struct arena arena = ARENA_INIT(EXECUTE_VALUE_BYTES_MAX);
    struct run *run = new_run(e, find_function(live, str_from(field)), &arena, err);
    int rc = -ENOENT;
    if (run->lifted)
        rc = call(e, live, action, expected, run);
    else
        error_set(err, rc, "the component exports no function `%s`", field ? field : "");
    run->err = NULL;
    arena_done(&arena);
    return rc;
}

// ---- life ---------------------------------------------------------------------------------------

int execute_new(struct wast_executor **out, struct error *err)
{
    struct execution *e = mem_new(struct execution);
    *e = (struct execution){
        .executor = {.reset = reset, .instantiate = instantiate, .invoke = invoke}};
    struct component_features features = component_features_default();
    features.component_model_cancellable = true; // wast.c decides
    const struct engine_options options = {.features = &features,
                                           .instances_max = EXECUTE_INSTANCES_MAX,
                                           .memory_bytes_max = EXECUTE_MEMORY_MAX,
                                           .cache_dir = ""};
    int rc = engine_new(&options, &e->engine, err);
    if (rc == 0)
        rc = loop_new(&e->loop, err);
    if (rc < 0) {
        engine_free(e->engine);
        free(e);
        return rc;
    }
    e->linker = linker_new(e->engine);
    e->tasks = executor_new(e->engine, e->loop);
    *out = &e->executor;
    return 0;
}

void execute_free(struct wast_executor *executor)
{
    if (!executor)
        return;
    struct execution *e = container_of(executor, struct execution, executor);
    reset(executor);
    forget_latest(e);
    executor_free(e->tasks);
    linker_free(e->linker);
    while (loop_turn(e->loop, false))
        ;
    loop_free(e->loop);
    engine_free(e->engine);
    free(e);
}

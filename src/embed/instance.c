// SPDX-License-Identifier: Apache-2.0
// Threads, instances and calls.
#include <errno.h>

#include "embed/embed.h"

// ---- threads ------------------------------------------------------------------------------------

int wash_thread_new(struct wash_engine *engine, struct wash_thread **out, struct wash_error **error)
{
    struct error err = ERROR_INIT;
    struct loop *loop;
    if (loop_new(&loop, &err) < 0)
        return embed_fail(error, &err);
    struct wash_thread *thread = mem_new(struct wash_thread);
    thread->engine = embed_engine_ref(engine);
    thread->loop = loop;
    thread->executor = executor_new(engine->engine, loop);
    *out = thread;
    return 0;
}

void wash_thread_free(struct wash_thread *thread)
{
    if (!thread)
        return;
    executor_free(thread->executor);
    while (loop_turn(thread->loop, false))
        ;
    loop_free(thread->loop);
    wash_engine_free(thread->engine);
    free(thread);
}

bool wash_thread_turn(struct wash_thread *thread, bool wait)
{
    return loop_turn(thread->loop, wait);
}

// ---- instances ----------------------------------------------------------------------------------

int wash_instance_new(struct wash_thread *thread, struct wash_program *program,
                      const struct wash_instance_options *options, struct wash_instance **out,
                      struct wash_error **error)
{
    struct wash_instance *instance = mem_new(struct wash_instance);
    struct instance_options inner = {.host = instance};
    struct error err = ERROR_INIT;
    if (options) {
        instance->data = options->data;
        inner.limits = (struct instance_limits){.memory_bytes_max = options->memory_bytes_max,
                                                .wall_time_ms = options->wall_time_ms};
    }
    if (instance_new(program->linked, thread->executor, &inner, &instance->instance, &err) < 0) {
        free(instance);
        return embed_fail(error, &err);
    }
    atomic_fetch_add(&program->refs, 1);
    instance->program = program;
    instance->thread = thread;
    instance->result = ARENA_INIT(EMBED_VALUE_BYTES_MAX);
    *out = instance;
    return 0;
}

void wash_instance_free(struct wash_instance *instance)
{
    if (!instance)
        return;
    instance_free(instance->instance);
    arena_done(&instance->result);
    wash_program_free(instance->program);
    free(instance);
}

// ---- calls --------------------------------------------------------------------------------------

struct request {
    struct instance_call call;
    struct wash_instance *instance;
    const struct plan_lifted *lifted;
    const struct value *args; // until it has started
    struct arena arena;       // of the result, unless the instance keeps it
    struct arena *result_arena;
    struct value result;
    wash_done done;
    void *data;
    bool has_ended;
    bool is_owned; // freed at its end
    struct error failure;
};

static int request_start(struct canon_call *call, void *arg, union core_value *flat)
{
    struct request *request = arg;
    return value_lower_params(call, request->lifted->type, request->args, flat);
}

static int request_returned(struct canon_call *call, void *arg, const union core_value *flat,
                            uint32_t flat_max)
{
    struct request *request = arg;
    return value_lift_result(call, request->lifted->type, (union core_value *)flat,
                             request->result_arena, &request->result);
}

static void request_ended(void *arg, enum task_end end, const struct error *err)
{
    struct request *request = arg;
    request->has_ended = true;
    if (end != TASK_RETURNED)
        (void)error_set(&request->failure, err && err->code ? err->code : -EFAULT, "%s",
                        err ? error_text(err) : "the call was ended");
    if (request->done)
        request->done(request->data,
                      end == TASK_RETURNED ? (const struct wash_value *)&request->result : NULL,
                      end == TASK_RETURNED ? NULL : error_text(&request->failure));
    if (!request->is_owned)
        return;
    error_done(&request->failure);
    arena_done(&request->arena);
    free(request);
}

static int begin(struct request *request, struct wash_instance *instance,
                 const struct wash_func *func, const struct wash_value *args, struct error *err)
{
    request->instance = instance;
    request->lifted = (const struct plan_lifted *)func;
    request->args = (const struct value *)args;
    request->call = (struct instance_call){.start = request_start,
                                           .returned = request_returned,
                                           .ended = request_ended,
                                           .arg = request};
    return instance_call(instance->instance, func, &request->call, err);
}

int wash_call(struct wash_instance *instance, const struct wash_func *func,
              const struct wash_value *args, struct wash_value *result, struct wash_error **error)
{
    struct request request = {.result_arena = &instance->result};
    struct error err = ERROR_INIT;
    arena_reset(&instance->result);
    if (begin(&request, instance, func, args, &err) < 0)
        return embed_fail(error, &err);
    loop_hold(instance->thread->loop);
    while (!request.has_ended)
        loop_turn(instance->thread->loop, true);
    loop_release(instance->thread->loop);
    if (request.failure.code)
        return embed_fail(error, &request.failure);
    if (result)
        memcpy(result, &request.result, sizeof(*result));
    return 0;
}

// A call whose arguments are lowered later would need copies: functions of asynchronous type may
// wait for entry.
static void copy_args(struct request *request, const struct wash_value *args, uint32_t count)
{
    struct value *copies = arena_new_array(&request->arena, struct value, count);
    if (count > 0)
        memcpy(copies, args, count * sizeof(*copies));
    request->args = copies;
}

int wash_start(struct wash_instance *instance, const struct wash_func *func,
               const struct wash_value *args, wash_done done, void *data, struct wash_error **error)
{
    struct request *request = mem_new(struct request);
    struct error err = ERROR_INIT;
    request->arena = ARENA_INIT(EMBED_VALUE_BYTES_MAX);
    request->result_arena = &request->arena;
    request->done = done;
    request->data = data;
    request->is_owned = true;
    copy_args(request, args, wash_func_param_count(func));
    if (begin(request, instance, func, (const struct wash_value *)request->args, &err) == 0)
        return 0;
    arena_done(&request->arena);
    free(request);
    return embed_fail(error, &err);
}

// ---- typed calls --------------------------------------------------------------------------------

struct entry {
    int (*body)(struct wash_call *call, void *data);
    void *data;
    bool has_ended;
    struct error failure;
};

static int entry_body(struct canon_call *call, void *arg)
{
    struct entry *entry = arg;
    return entry->body((struct wash_call *)call, entry->data);
}

static void entry_ended(void *arg, enum task_end end, const struct error *err)
{
    struct entry *entry = arg;
    entry->has_ended = true;
    if (end != TASK_RETURNED)
        (void)error_set(&entry->failure, err->code ? err->code : -EFAULT, "%s", error_text(err));
}

int wash_enter(struct wash_instance *instance, int (*body)(struct wash_call *call, void *data),
               void *data, struct wash_error **error)
{
    struct entry entry = {.body = body, .data = data};
    struct error err = ERROR_INIT;
    if (instance_run(instance->instance, entry_body, entry_ended, &entry, &err) < 0)
        return embed_fail(error, &err);
    loop_hold(instance->thread->loop);
    while (!entry.has_ended)
        loop_turn(instance->thread->loop, true);
    loop_release(instance->thread->loop);
    return entry.failure.code ? embed_fail(error, &entry.failure) : 0;
}

static bool is_scalar(const struct type *t)
{
    return t->layout.flat_count == 1 && !t->layout.has_handles && !t->layout.has_pointers;
}

static int check_scalars(struct canon_call *call, const struct plan_lifted *lifted)
{
    const struct func_type *type = lifted->type;
    bool fits = !type->is_async && type->param_count < WASH_SCALARS_MAX &&
                (!type->result || is_scalar(type->result));
    for (uint32_t i = 0; fits && i < type->param_count; i++)
        fits = is_scalar(type->params[i].type);
    return fits ? 0
                : canon_trap(call, "`%.*s` is not a synchronous function of scalars",
                             STR_ARG(lifted->name));
}

int wash_call_scalars(struct wash_call *wash, const struct wash_func *func,
                      union wash_scalar *values)
{
    struct canon_call *call = (struct canon_call *)wash;
    union core_value *flat = (union core_value *)values;
    int rc = check_scalars(call, (const struct plan_lifted *)func);
    if (rc == 0)
        rc = instance_enter(call, func);
    if (rc == 0)
        rc = call->ops->invoke(call, func, flat);
    return rc < 0 ? rc : call->ops->post_return(call, func, flat);
}

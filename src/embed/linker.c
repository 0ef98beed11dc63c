// SPDX-License-Identifier: Apache-2.0
// Functions and resources of the embedder become host interfaces when a component is linked: one
// for each interface that it imports, with the types that it declares.
#include <errno.h>
#include <stdarg.h>

#include "embed/embed.h"

// ---- resources ----------------------------------------------------------------------------------

struct embed_resources *embed_resources_ref(struct embed_resources *resources)
{
    atomic_fetch_add(&resources->refs, 1);
    return resources;
}

void embed_resources_unref(struct embed_resources *resources)
{
    if (atomic_fetch_sub(&resources->refs, 1) > 1)
        return;
    for (size_t i = 0; i < resources->items.len; i++) {
        free(resources->items.items[i]->interface);
        free(resources->items.items[i]->name);
        free(resources->items.items[i]);
    }
    vec_done(&resources->items);
    free(resources);
}

// The engine says whose drop handler runs by call->data.
static int drop_rep(struct canon_call *call, void *rep)
{
    const struct embed_resource *resource = call->data;
    if (resource->drop)
        resource->drop(rep);
    return 0;
}

const void *wash_linker_resource(struct wash_linker *linker, const char *interface,
                                 const char *name, void (*drop)(void *rep))
{
    struct embed_resource *resource = mem_new(struct embed_resource);
    resource->interface = mem_strdup(interface);
    resource->name = mem_strdup(name);
    resource->drop = drop;
    resource->resource = (struct host_resource){.interface = str_from(resource->interface),
                                                .name = str_from(resource->name),
                                                .drop = drop_rep};
    *vec_push(&linker->resources->items) = resource;
    return resource;
}

// ---- handlers -----------------------------------------------------------------------------------

int wash_trap(struct wash_call *call, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return canon_trap((struct canon_call *)call, "%s", text);
}

// Results of asynchronous functions live as long as the job.
void *wash_alloc(struct wash_call *wash, size_t size)
{
    struct canon_call *call = (struct canon_call *)wash;
    return arena_alloc(call->job ? &call->job->arena : call->arena, size);
}

void *wash_call_data(struct wash_call *call)
{
    const struct wash_instance *instance = ((struct canon_call *)call)->host;
    return instance->data;
}

static int call_handler(struct canon_call *call, const struct embed_binding *binding,
                        union core_value *flat, struct value *result)
{
    const struct func_type *type = binding->type;
    struct arena *arena = call->job ? &call->job->arena : call->arena;
    struct value *args = arena_new_array(arena, struct value, type->param_count);
    int rc = value_lift_params(call, type, flat, arena, args);
    return rc < 0 ? rc
                  : binding->func((struct wash_call *)call, binding->data,
                                  (const struct wash_value *)args, (struct wash_value *)result);
}

static int lower_sync(struct canon_call *call, union core_value *flat)
{
    const struct embed_binding *binding = call->data;
    struct value result = {0};
    int rc = call_handler(call, binding, flat, &result);
    if (rc == WASH_PENDING)
        return canon_trap(call, "the host answers a synchronous function later");
    return rc < 0 ? rc : value_lower_result(call, binding->type, &result, flat);
}

static int finish(struct canon_call *call, struct host_job *job)
{
    return value_lower_result(call, job->subtask.type, job->result, job->subtask.args);
}

static int lower_async(struct canon_call *call, union core_value *flat)
{
    struct host_job *job = call->job;
    job->result = arena_alloc(&job->arena, sizeof(struct value));
    job->finish = finish;
    int rc = call_handler(call, call->data, flat, job->result);
    return rc == 0 ? finish(call, job) : rc;
}

// ---- jobs ---------------------------------------------------------------------------------------

struct dropped {
    void (*callback)(void *data);
    void *data;
};

static void job_dropped(struct host_job *job)
{
    const struct dropped *dropped = job->data;
    if (dropped->callback)
        dropped->callback(dropped->data);
}

struct wash_job *wash_call_job(struct wash_call *call, void (*callback)(void *data), void *data)
{
    struct host_job *job = ((struct canon_call *)call)->job;
    if (!job)
        return NULL;
    struct dropped *dropped = arena_new(&job->arena, struct dropped);
    *dropped = (struct dropped){callback, data};
    job->data = dropped;
    job->dropped = job_dropped;
    return (struct wash_job *)job;
}

void *wash_job_alloc(struct wash_job *job, size_t size)
{
    return arena_alloc(&((struct host_job *)job)->arena, size);
}

void wash_job_return(struct wash_job *wash, const struct wash_value *result)
{
    struct host_job *job = (struct host_job *)wash;
    if (result)
        memcpy(job->result, result, sizeof(*result));
    host_job_done(job);
}

void wash_job_trap(struct wash_job *job, const char *message)
{
    host_job_trap((struct host_job *)job, "%s", message);
}

// ---- definitions --------------------------------------------------------------------------------

struct wash_linker *wash_linker_new(struct wash_engine *engine)
{
    struct wash_linker *linker = mem_new(struct wash_linker);
    linker->engine = embed_engine_ref(engine);
    linker->resources = mem_new(struct embed_resources);
    linker->resources->refs = 1;
    return linker;
}

void wash_linker_free(struct wash_linker *linker)
{
    if (!linker)
        return;
    for (size_t i = 0; i < linker->funcs.len; i++) {
        free(linker->funcs.items[i].interface);
        free(linker->funcs.items[i].name);
    }
    vec_done(&linker->funcs);
    embed_resources_unref(linker->resources);
    wash_engine_free(linker->engine);
    free(linker);
}

void wash_linker_func(struct wash_linker *linker, const char *interface, const char *name,
                      wash_host_func func, void *data)
{
    *vec_push(&linker->funcs) =
        (struct embed_func){mem_strdup(interface), mem_strdup(name), func, data};
}

// ---- linking ------------------------------------------------------------------------------------

static const struct embed_func *find_func(const struct wash_linker *linker,
                                          const struct plan_import *import)
{
    for (size_t i = linker->funcs.len; i-- > 0;) {
        const struct embed_func *func = &linker->funcs.items[i];
        struct str interface = str_from(func->interface);
        if (str_is(import->name, func->name) &&
            (str_eq(import->interface, interface) ||
             interface_name_compatible(import->interface, interface)))
            return func;
    }
    return NULL;
}

static struct host_func bind(struct wash_program *program, const struct plan_import *import,
                             const struct embed_func *func)
{
    struct embed_binding *binding = arena_new(&program->arena, struct embed_binding);
    *binding = (struct embed_binding){import->type, func->func, func->data};
    return (struct host_func){.name = import->name,
                              .type = import->type,
                              .lower = import->type->is_async ? lower_async : lower_sync,
                              .data = binding};
}

static void bind_resources(struct wash_program *program, struct host_interface *interface)
{
    const struct embed_resources *defined = program->resources;
    const struct host_resource **list =
        arena_new_array(&program->arena, const struct host_resource *, defined->items.len);
    for (size_t i = 0; i < defined->items.len; i++) {
        const struct host_resource *resource = &defined->items.items[i]->resource;
        if (interface_name_compatible(interface->name, resource->interface))
            list[interface->resource_count++] = resource;
    }
    interface->resources = list;
}

// All that the plan imports from one interface.
static void offer(struct wash_program *program, const struct wash_linker *defined,
                  struct linker *linker, const struct plan *plan, struct str name)
{
    struct host_interface *interface = arena_new(&program->arena, struct host_interface);
    struct host_func *funcs =
        arena_new_array(&program->arena, struct host_func, plan->import_count);
    *interface = (struct host_interface){.name = name, .funcs = funcs};
    for (uint32_t i = 0; i < plan->import_count; i++) {
        const struct plan_import *import = &plan->imports[i];
        const struct embed_func *func =
            str_eq(import->interface, name) ? find_func(defined, import) : NULL;
        if (func)
            funcs[interface->func_count++] = bind(program, import, func);
    }
    bind_resources(program, interface);
    if (interface->func_count + interface->resource_count > 0)
        linker_add_interface(linker, interface, NULL);
}

static bool is_first(const struct plan *plan, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (str_eq(plan->imports[j].interface, plan->imports[i].interface))
            return false;
    return true;
}

int wash_link(struct wash_linker *linker, struct wash_component *component,
              struct wash_program **out, struct wash_error **error)
{
    const struct plan *plan = program_plan(component->program);
    struct wash_program *program = mem_new(struct wash_program);
    program->refs = 1;
    program->engine = embed_engine_ref(linker->engine);
    program->resources = embed_resources_ref(linker->resources);
    program->arena = ARENA_INIT(SIZE_MAX);
    struct linker *inner = linker_new(linker->engine->engine);
    for (uint32_t i = 0; i < plan->import_count; i++)
        if (is_first(plan, i))
            offer(program, linker, inner, plan, plan->imports[i].interface);
    for (uint32_t i = 0; i < plan->resource_count; i++)
        if (plan->resources[i].is_import)
            offer(program, linker, inner, plan, plan->resources[i].type.interface);
    struct error err = ERROR_INIT;
    int rc = linker_link(inner, component->program, &program->linked, &err);
    linker_free(inner);
    if (rc < 0) {
        wash_program_free(program);
        return embed_fail(error, &err);
    }
    *out = program;
    return 0;
}

void wash_program_free(struct wash_program *program)
{
    if (!program || atomic_fetch_sub(&program->refs, 1) > 1)
        return;
    linked_unref(program->linked);
    embed_resources_unref(program->resources);
    arena_done(&program->arena);
    wash_engine_free(program->engine);
    free(program);
}

const struct wash_func *wash_program_func(const struct wash_program *program, const char *interface,
                                          const char *name)
{
    return linked_find_export(program->linked, interface ? str_from(interface) : STR_EMPTY,
                              str_from(name));
}

// SPDX-License-Identifier: Apache-2.0
#include "engine/internal.h"

#include <errno.h>

#include "base/buf.h"
#include "base/map.h"

#define LINK_IDLE_FIBERS_MAX  4u
#define LINK_REPORT_BYTES_MAX ((size_t)256 * 1024)

struct offer {
    const struct host_interface *interface;
    void *data;
};

struct linker {
    struct engine *engine;
    VEC(struct offer) offers;
};

struct linker *linker_new(struct engine *engine)
{
    struct linker *linker = mem_new(struct linker);
    linker->engine = engine;
    return linker;
}

void linker_free(struct linker *linker)
{
    if (!linker)
        return;
    vec_done(&linker->offers);
    free(linker);
}

void linker_add_interface(struct linker *linker, const struct host_interface *interface, void *data)
{
    *vec_push(&linker->offers) = (struct offer){interface, data};
}

// The latest offer that serves imports of this interface.
static const struct offer *find_offer(const struct linker *linker, struct str name)
{
    for (size_t i = linker->offers.len; i-- > 0;)
        if (interface_name_compatible(name, linker->offers.items[i].interface->name))
            return &linker->offers.items[i];
    return NULL;
}

static const struct host_func *find_func(const struct host_interface *interface, struct str name)
{
    for (uint32_t i = 0; i < interface->func_count; i++)
        if (str_eq(interface->funcs[i].name, name))
            return &interface->funcs[i];
    return NULL;
}

static const struct host_resource *find_resource(const struct linker *linker,
                                                 const struct resource_type *type)
{
    const struct offer *offer = find_offer(linker, type->interface);
    for (uint32_t i = 0; offer && i < offer->interface->resource_count; i++)
        if (str_eq(offer->interface->resources[i]->name, type->name))
            return offer->interface->resources[i];
    return NULL;
}

// A resource of the component is the host's when both names agree, whatever the compatible version.
static bool same_resource(const struct resource_type *component, const struct resource_type *host,
                          void *data)
{
    return str_eq(component->name, host->name) &&
           interface_name_compatible(component->interface, host->interface);
}

struct report {
    struct buf text;
    struct arena arena;
    struct map missing; // interfaces that were reported already
};

static void report_missing_interface(struct report *report, const struct plan_import *import)
{
    if (import->interface.len && !map_put(&report->missing, import->interface, report))
        buf_putf(&report->text, "\n  %.*s", STR_ARG(import->interface));
    else if (!import->interface.len)
        buf_putf(&report->text, "\n  function `%.*s`", STR_ARG(import->name));
}

// The host function of an import, or NULL after a line in the report.
static const struct host_func *resolve_import(const struct linker *linker,
                                              const struct plan_import *import,
                                              const struct offer **offer, struct report *report)
{
    *offer = find_offer(linker, import->interface);
    if (!*offer) {
        report_missing_interface(report, import);
        return NULL;
    }
    const struct host_func *func = find_func((*offer)->interface, import->name);
    if (!func || !func->lower) {
        buf_putf(&report->text, "\n  %.*s: function `%.*s`", STR_ARG(import->interface),
                 STR_ARG(import->name));
        return NULL;
    }
    struct str why = STR_EMPTY;
    if (!func_type_equal(func->type, import->type, same_resource, NULL, &report->arena, &why)) {
        buf_putf(&report->text, "\n  %.*s: function `%.*s` has another type here: %.*s",
                 STR_ARG(import->interface), STR_ARG(import->name), STR_ARG(why));
        return NULL;
    }
    return func;
}

static void bind_resources(const struct linker *linker, struct linked *linked,
                           struct report *report)
{
    const struct plan *plan = linked->plan;
    for (uint32_t i = 0; i < plan->resource_count; i++) {
        const struct plan_resource *resource = &plan->resources[i];
        linked->canon_resources[i] =
            (struct canon_resource){resource, resource->component_instance};
        if (!resource->is_import)
            continue;
        linked->resources[i] = find_resource(linker, &resource->type);
        linked->canon_resources[i] =
            (struct canon_resource){linked->resources[i], CANON_DEFINER_HOST};
        if (!linked->resources[i] && !find_offer(linker, resource->type.interface))
            report_missing_interface(report,
                                     &(struct plan_import){.interface = resource->type.interface,
                                                           .name = resource->type.name});
        else if (!linked->resources[i])
            buf_putf(&report->text, "\n  %.*s: resource `%.*s`", STR_ARG(resource->type.interface),
                     STR_ARG(resource->type.name));
    }
}

static void bind_trampoline(const struct linker *linker, struct linked *linked, struct bound *bound,
                            struct report *report)
{
    const struct plan *plan = linked->plan;
    const struct plan_trampoline *trampoline = bound->trampoline;
    const struct offer *offer;
    switch (trampoline->kind) {
    case TRAMPOLINE_IMPORT:
        bound->func = resolve_import(linker, &plan->imports[trampoline->target], &offer, report);
        if (bound->func)
            bound->data = bound->func->data ? bound->func->data : offer->data;
        break;
    case TRAMPOLINE_LIFTED:
        bound->lifted = &plan->lifted[trampoline->target];
        break;
    case TRAMPOLINE_RESOURCE_NEW:
    case TRAMPOLINE_RESOURCE_DROP:
    case TRAMPOLINE_RESOURCE_REP:
        bound->resource = linked->resources[trampoline->target];
        break;
    case TRAMPOLINE_BUILTIN:
        bound->builtin = &plan->builtins[trampoline->target];
        break;
    case TRAMPOLINE_FORWARD:
        break;
    }
}

static int bind(const struct linker *linker, struct linked *linked, struct error *err)
{
    struct report report = {BUF_INIT(LINK_REPORT_BYTES_MAX), ARENA_INIT(SIZE_MAX), {0}};
    bind_resources(linker, linked, &report);
    for (uint32_t i = 0; i < linked->plan->trampoline_count; i++) {
        struct bound *bound = &linked->bound[i];
        bound->trampoline = &linked->plan->trampolines[i];
        bound->options = &bound->trampoline->options;
        bound->linked = linked;
        bind_trampoline(linker, linked, bound, &report);
    }
    int rc = 0;
    if (report.text.len)
        rc = error_set(err, -ENOENT, "the component imports what this host does not provide:%.*s",
                       STR_ARG(buf_str(&report.text)));
    map_done(&report.missing);
    buf_done(&report.text);
    arena_done(&report.arena);
    return rc;
}

static int define(wasmtime_linker_t *linker, struct str module, struct str name,
                  struct bound *bound, struct error *err)
{
    wasm_functype_t *type = trampoline_type(bound->trampoline->core_type);
    wasmtime_error_t *error =
        wasmtime_linker_define_func_unchecked(linker, module.data, module.len, name.data, name.len,
                                              type, trampoline_callback(bound), bound, NULL);
    wasm_functype_delete(type);
    return fault_take(error, NULL, err);
}

static int define_trampolines(struct linked *linked, struct error *err)
{
    linked->functions = wasmtime_linker_new(linked->program->engine->wasm);
    int rc = task_define(linked->functions, err);
    for (uint32_t i = 0; rc == 0 && i < linked->plan->trampoline_count; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "%u", i);
        rc = define(linked->functions, STR("t"), str_of(name, (size_t)len), &linked->bound[i], err);
    }
    return rc;
}

static bool only_trampolines(const struct plan_step *step)
{
    for (uint32_t i = 0; i < step->arg_count; i++)
        if (step->args[i].kind != CORE_REF_TRAMPOLINE)
            return false;
    return true;
}

// A module whose imports are all host functions needs no work per store: its imports are resolved
// and checked here, once. Left out when two imports share a name but not a function.
static int prepare_step(struct linked *linked, uint32_t index, struct error *err)
{
    const struct plan_step *step = &linked->plan->steps[index];
    if (step->kind != STEP_INSTANTIATE || !only_trampolines(step))
        return 0;
    const struct core_module *core = linked->plan->modules[step->module].core;
    wasmtime_linker_t *linker = wasmtime_linker_new(linked->program->engine->wasm);
    bool distinct = true;
    for (uint32_t i = 0; distinct && i < step->arg_count; i++)
        distinct = define(linker, core->imports[i].module, core->imports[i].name,
                          &linked->bound[step->args[i].index], NULL) == 0;
    int rc = 0;
    if (distinct)
        rc = fault_take(wasmtime_linker_instantiate_pre(
                            linker, linked->program->modules[step->module], &linked->pre[index]),
                        NULL, err);
    wasmtime_linker_delete(linker);
    return rc;
}

// Calls of asynchronous type between components nest about as deep as there are components.
static uint32_t count_idle_fibers(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->trampoline_count; i++) {
        const struct plan_trampoline *trampoline = &plan->trampolines[i];
        if (trampoline->kind == TRAMPOLINE_LIFTED &&
            plan->lifted[trampoline->target].type->is_async)
            return MIN(plan->component_instance_count - 1, LINK_IDLE_FIBERS_MAX);
    }
    return 0;
}

// Steps before the first that runs guest code need no fiber.
static uint32_t count_sync_steps(const struct plan *plan)
{
    uint32_t count = 0;
    while (count < plan->step_count && plan->steps[count].kind == STEP_INSTANTIATE &&
           !plan->modules[plan->steps[count].module].core->has_start)
        count++;
    return count;
}

int linker_link(struct linker *linker, struct program *program, struct linked **out,
                struct error *err)
{
    const struct plan *plan = program->plan;
    struct linked *linked = mem_new(struct linked);
    linked->refs = 1;
    linked->program = program_ref(program);
    linked->plan = plan;
    linked->bound = mem_zalloc(plan->trampoline_count * sizeof(*linked->bound));
    linked->resources = mem_zalloc(plan->resource_count * sizeof(*linked->resources));
    linked->canon_resources = mem_zalloc(plan->resource_count * sizeof(*linked->canon_resources));
    linked->pre = mem_zalloc(plan->step_count * sizeof(*linked->pre));
    linked->sync_steps = count_sync_steps(plan);
    linked->idle_fibers = count_idle_fibers(plan);
    int rc = bind(linker, linked, err);
    if (rc == 0)
        rc = define_trampolines(linked, err);
    for (uint32_t i = 0; rc == 0 && i < plan->step_count; i++)
        rc = prepare_step(linked, i, err);
    if (rc == 0)
        linked->reset = reset_plan_new(linked);
    if (rc < 0) {
        linked_unref(linked);
        return rc;
    }
    *out = linked;
    return 0;
}

struct linked *linked_ref(struct linked *linked)
{
    atomic_fetch_add(&linked->refs, 1);
    return linked;
}

void linked_unref(struct linked *linked)
{
    if (!linked || atomic_fetch_sub(&linked->refs, 1) > 1)
        return;
    for (uint32_t i = 0; i < linked->plan->step_count; i++)
        if (linked->pre[i])
            wasmtime_instance_pre_delete(linked->pre[i]);
    reset_plan_free(linked->reset);
    if (linked->functions)
        wasmtime_linker_delete(linked->functions);
    free(linked->pre);
    free(linked->canon_resources);
    free(linked->resources);
    free(linked->bound);
    program_unref(linked->program);
    free(linked);
}

struct program *linked_program(const struct linked *linked)
{
    return linked->program;
}

const void *linked_find_export(const struct linked *linked, struct str interface, struct str name)
{
    const struct plan_export *export = plan_find_export(linked->plan, interface, name);
    return export && export->lifted != PLAN_NONE ? &linked->plan->lifted[export->lifted] : NULL;
}

const void *linked_bind_export(const struct linked *linked, const struct host_interface *interface,
                               struct str name, struct error *err)
{
    const struct plan_lifted *lifted = linked_find_export(linked, interface->name, name);
    const struct host_func *func = find_func(interface, name);
    if (!lifted || !func) {
        (void)error_set(err, -ENOENT, "the component exports no `%.*s` of %.*s", STR_ARG(name),
                        STR_ARG(interface->name));
        return NULL;
    }
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct str why = STR_EMPTY;
    if (!func_type_equal(func->type, lifted->type, same_resource, NULL, &arena, &why)) {
        (void)error_set(err, -EINVAL, "the component's `%.*s` of %.*s has another type: %.*s",
                        STR_ARG(name), STR_ARG(interface->name), STR_ARG(why));
        lifted = NULL;
    }
    arena_done(&arena);
    return lifted;
}

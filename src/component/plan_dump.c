// SPDX-License-Identifier: Apache-2.0
// A plan as text, for tests and for people who look at one.
#include "component/core_merge.h"
#include "component/planner.h"

struct dump {
    struct buf *out;
    struct arena arena;
};

static const char *const trampoline_names[] = {
    [TRAMPOLINE_IMPORT] = "import",
    [TRAMPOLINE_LIFTED] = "lifted",
    [TRAMPOLINE_RESOURCE_NEW] = "resource.new",
    [TRAMPOLINE_RESOURCE_DROP] = "resource.drop",
    [TRAMPOLINE_RESOURCE_REP] = "resource.rep",
    [TRAMPOLINE_FORWARD] = "forward",
    [TRAMPOLINE_BUILTIN] = "builtin",
};

static const char *const encoding_names[] = {
    [ENCODING_UTF8] = "utf8",
    [ENCODING_UTF16] = "utf16",
    [ENCODING_LATIN1_UTF16] = "latin1+utf16",
};

static void put_ref(struct dump *d, const struct core_ref *ref)
{
    if (ref->kind == CORE_REF_TRAMPOLINE)
        buf_putf(d->out, "trampoline %u", ref->index);
    else
        buf_putf(d->out, "core %u `%.*s`", ref->index, STR_ARG(ref->name));
}

static void put_option(struct dump *d, const char *name, uint32_t index)
{
    if (index != PLAN_NONE)
        buf_putf(d->out, " %s=%u", name, index);
}

static void put_options(struct dump *d, const struct canon_options *options)
{
    buf_putf(d->out, " instance=%u", options->component_instance);
    if (options->encoding != ENCODING_UTF8)
        buf_putf(d->out, " %s", encoding_names[options->encoding]);
    put_option(d, "memory", options->memory);
    put_option(d, "realloc", options->realloc);
    put_option(d, "post-return", options->post_return);
    put_option(d, "callback", options->callback);
}

static struct str name_of(struct dump *d, struct str interface, struct str name)
{
    if (interface.len == 0)
        return name;
    return arena_printf(&d->arena, "%.*s#%.*s", STR_ARG(interface), STR_ARG(name));
}

static void put_module(struct dump *d, const struct plan_module *module)
{
    if (module->merge)
        buf_putf(d->out, "%zu merged with %zu", module->merge->parts[CORE_PART_MAIN]->bytes.len,
                 module->merge->parts[CORE_PART_ADAPTER]->bytes.len);
    else
        buf_putf(d->out, "%zu", module->core->bytes.len);
}

static void put_steps(struct dump *d, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        if (step->kind == STEP_CALL) {
            buf_putf(d->out, "step %u: call func %u\n", i, step->func);
            continue;
        }
        const struct core_module *module = plan->modules[step->module].core;
        buf_putf(d->out, "step %u: core %u = module %u (", i, step->instance, step->module);
        put_module(d, &plan->modules[step->module]);
        buf_putf(d->out, " bytes)%s\n", step->is_lazy ? " lazy" : "");
        for (uint32_t j = 0; j < step->arg_count; j++) {
            buf_putf(d->out, "  `%.*s` `%.*s`: ", STR_ARG(module->imports[j].module),
                     STR_ARG(module->imports[j].name));
            put_ref(d, &step->args[j]);
            buf_putf(d->out, "\n");
        }
    }
}

static void put_trampolines(struct dump *d, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->trampoline_count; i++) {
        const struct plan_trampoline *trampoline = &plan->trampolines[i];
        struct str type = core_func_type_text(trampoline->core_type, &d->arena);
        buf_putf(d->out, "trampoline %u: %s %u %.*s", i, trampoline_names[trampoline->kind],
                 trampoline->target, STR_ARG(type));
        put_options(d, &trampoline->options);
        buf_putf(d->out, "\n");
    }
}

static void put_slots(struct dump *d, const char *what, const struct core_ref *slots,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        buf_putf(d->out, "%s %u: ", what, i);
        put_ref(d, &slots[i]);
        buf_putf(d->out, "\n");
    }
}

static void put_funcs(struct dump *d, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->import_count; i++) {
        const struct plan_import *import = &plan->imports[i];
        struct str name = name_of(d, import->interface, import->name);
        struct str type = func_type_to_text(import->type, &d->arena);
        buf_putf(d->out, "import %u: %.*s: %.*s\n", i, STR_ARG(name), STR_ARG(type));
    }
    for (uint32_t i = 0; i < plan->lifted_count; i++) {
        const struct plan_lifted *lifted = &plan->lifted[i];
        struct str type = func_type_to_text(lifted->type, &d->arena);
        buf_putf(d->out, "lifted %u: %.*s: %.*s func=%u", i, STR_ARG(lifted->name), STR_ARG(type),
                 lifted->func);
        put_options(d, &lifted->options);
        buf_putf(d->out, "\n");
    }
}

static void put_resources(struct dump *d, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->resource_count; i++) {
        const struct plan_resource *resource = &plan->resources[i];
        struct str name = name_of(d, resource->type.interface, resource->type.name);
        buf_putf(d->out, "resource %u: %s `%.*s`", i, resource->is_import ? "import" : "defined",
                 STR_ARG(name));
        put_option(d, "instance", resource->component_instance);
        put_option(d, "dtor", resource->dtor);
        buf_putf(d->out, "\n");
    }
}

static void put_exports(struct dump *d, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->export_count; i++) {
        const struct plan_export *export = &plan->exports[i];
        struct str name = name_of(d, export->interface, export->name);
        buf_putf(d->out, "export %.*s:", STR_ARG(name));
        put_option(d, "lifted", export->lifted);
        put_option(d, "import", export->import);
        buf_putf(d->out, "\n");
    }
}

void plan_dump(const struct plan *plan, struct buf *out)
{
    struct dump d = {out, ARENA_INIT(SIZE_MAX)};
    buf_putf(out, "plan: %u modules, %u core instances, %u component instances\n",
             plan->module_count, plan->core_instance_count, plan->component_instance_count);
    put_steps(&d, plan);
    put_slots(&d, "memory", plan->memories, plan->memory_count);
    put_slots(&d, "func", plan->funcs, plan->func_count);
    put_trampolines(&d, plan);
    put_funcs(&d, plan);
    put_resources(&d, plan);
    put_exports(&d, plan);
    arena_done(&d.arena);
}

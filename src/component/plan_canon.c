// SPDX-License-Identifier: Apache-2.0
// Canonical definitions: lifted functions and trampolines, with the core signatures that the
// Canonical ABI gives them (CanonicalABI.md "Flattening", "Canonical Definitions").
#include <errno.h>

#include "component/planner.h"

bool core_func_type_equal(const struct core_func_type *a, const struct core_func_type *b)
{
    return str_eq(a->params, b->params) && str_eq(a->results, b->results);
}

static void put_core_types(struct buf *out, struct str types)
{
    static const char *const names[128] = {
        ['i'] = "i32", ['I'] = "i64", ['f'] = "f32", ['F'] = "f64", ['v'] = "v128", ['r'] = "ref",
    };
    buf_putf(out, "(");
    for (size_t i = 0; i < MIN(types.len, 32); i++)
        buf_putf(out, "%s%s", i > 0 ? " " : "", names[types.data[i] & 0x7f]);
    buf_putf(out, types.len > 32 ? " ...)" : ")");
}

struct str core_func_type_text(const struct core_func_type *type, struct arena *arena)
{
    BUF(text, 1024);
    put_core_types(&text, type->params);
    buf_putf(&text, " -> ");
    put_core_types(&text, type->results);
    return arena_str(arena, buf_str(&text));
}

uint32_t plan_component_instance(struct planner *p, struct env *env)
{
    if (env->component_instance == PLAN_NONE)
        env->component_instance = p->plan->component_instance_count++;
    return env->component_instance;
}

// ---- signatures ---------------------------------------------------------------------------------

struct signature {
    struct core_func_type core;
    bool params_in_memory;
    bool result_in_memory;
};

static struct str flat_params(struct planner *p, const struct func_type *type, bool *in_memory)
{
    char flat[TYPE_FLAT_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type_layout *layout = &type->params[i].type->layout;
        if (layout->flat_count > TYPE_FLAT_MAX - len) {
            *in_memory = true;
            return STR("i");
        }
        memcpy(flat + len, layout->flat, layout->flat_count);
        len += layout->flat_count;
    }
    return arena_str(&p->plan->arena, str_of(flat, len));
}

static struct signature flatten(struct planner *p, const struct func_type *type, bool is_lower)
{
    struct signature s = {.core = {STR_EMPTY, STR_EMPTY}};
    s.core.params = flat_params(p, type, &s.params_in_memory);
    if (!type->result)
        return s;
    const struct type_layout *layout = &type->result->layout;
    if (layout->flat_count <= PLAN_FLAT_RESULTS_MAX) {
        s.core.results = arena_str(&p->plan->arena, str_of(layout->flat, layout->flat_count));
        return s;
    }
    s.result_in_memory = true;
    if (is_lower)
        s.core.params = arena_printf(&p->plan->arena, "%.*si", STR_ARG(s.core.params));
    else
        s.core.results = STR("i");
    return s;
}

static bool params_have_pointers(const struct func_type *type)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        if (type->params[i].type->layout.has_pointers)
            return true;
    return false;
}

// ---- options ------------------------------------------------------------------------------------

static int option_func(struct planner *p, const struct env *env, uint32_t index, const char *what,
                       const struct core_func_type *want, const struct core_item **out)
{
    struct entity entity;
    int rc = plan_env_get(p, env, SORT_CORE_FUNC, index, &entity);
    if (rc < 0)
        return rc;
    if (!core_func_type_equal(entity.core->func, want)) {
        struct str have = core_func_type_text(entity.core->func, &p->scratch);
        struct str expected = core_func_type_text(want, &p->scratch);
        return plan_fail(p, -EINVAL, "%s function is %.*s, not %.*s", what, STR_ARG(have),
                         STR_ARG(expected));
    }
    *out = entity.core;
    return 0;
}

static int canon_options(struct planner *p, struct env *env, const struct canon_def_options *def,
                         struct work_options *out)
{
    static const struct core_func_type realloc_type = {STR_INIT("iiii"), STR_INIT("i")};
    if (def->is_async || def->has_callback)
        return plan_fail(p, -ENOTSUP,
                         "component uses async functions (asynchronous component model), which "
                         "this build does not run yet");
    struct work_options options = {
        .component_instance = plan_component_instance(p, env),
        .encoding = (enum string_encoding)def->encoding,
    };
    int rc = 0;
    if (def->has_memory) {
        struct entity memory;
        rc = plan_env_get(p, env, SORT_CORE_MEMORY, def->memory, &memory);
        if (rc == 0 && memory.core->may_be_64)
            rc = plan_fail(p, -ENOTSUP,
                           "component uses a 64-bit memory, which this build does not "
                           "run");
        if (rc == 0)
            options.memory = memory.core;
    }
    if (rc == 0 && def->has_realloc) {
        rc = option_func(p, env, def->realloc, "realloc", &realloc_type, &options.realloc);
        if (rc == 0 && !options.memory)
            rc = plan_fail(p, -EINVAL, "canonical option `realloc` without `memory`");
    }
    if (rc == 0)
        *out = options;
    return rc;
}

static int need_options(struct planner *p, const struct work_options *options, bool memory,
                        bool realloc)
{
    if ((memory || realloc) && !options->memory)
        return plan_fail(p, -EINVAL, "the function's type needs the canonical option `memory`");
    if (realloc && !options->realloc)
        return plan_fail(p, -EINVAL, "the function's type needs the canonical option `realloc`");
    return 0;
}

// ---- definitions --------------------------------------------------------------------------------

static int push_trampoline(struct planner *p, struct env *env, struct work_trampoline trampoline)
{
    if (p->trampolines.len >= PLAN_TRAMPOLINES_MAX)
        return plan_fail(p, -E2BIG, "more than %d host functions", PLAN_TRAMPOLINES_MAX);
    struct core_item *item = plan_scratch(p, struct core_item);
    item->ref = (struct core_ref){.kind = CORE_REF_TRAMPOLINE,
                                  .type = CORE_FUNC,
                                  .index = (uint32_t)p->trampolines.len,
                                  .name = STR_EMPTY};
    item->func = trampoline.core_type;
    trampoline.index = PLAN_NONE;
    *vec_push(&p->trampolines) = trampoline;
    return plan_env_push(p, env, (struct entity){.sort = SORT_CORE_FUNC, .core = item});
}

static int refuse_async(struct planner *p, bool is_async)
{
    if (!is_async)
        return 0;
    return plan_fail(p, -ENOTSUP,
                     "component uses async functions, streams or futures (asynchronous component "
                     "model), which this build does not run yet");
}

static int canon_lift(struct planner *p, struct env *env, const struct canon_def *def)
{
    const struct type_entity *type;
    struct entity core;
    struct work_options options;
    int rc = plan_type_at(p, env, def->type, TYPE_DEF_FUNC, &type);
    if (rc == 0)
        rc = refuse_async(p, type->is_async);
    if (rc == 0)
        rc = plan_env_get(p, env, SORT_CORE_FUNC, def->func, &core);
    if (rc == 0)
        rc = canon_options(p, env, &def->options, &options);
    if (rc < 0)
        return rc;
    struct signature want = flatten(p, type->func, false);
    if (!core_func_type_equal(&want.core, core.core->func)) {
        struct str have = core_func_type_text(core.core->func, &p->scratch);
        struct str expected = core_func_type_text(&want.core, &p->scratch);
        return plan_fail(p, -EINVAL, "lifted core function is %.*s, its type asks for %.*s",
                         STR_ARG(have), STR_ARG(expected));
    }
    bool result_pointers = type->func->result && type->func->result->layout.has_pointers;
    bool realloc = want.params_in_memory || params_have_pointers(type->func);
    rc = need_options(p, &options, want.result_in_memory || result_pointers, realloc);
    if (rc == 0 && def->options.has_post_return) {
        const struct core_func_type post = {want.core.results, STR_EMPTY};
        rc = option_func(p, env, def->options.post_return, "post-return", &post,
                         &options.post_return);
    }
    if (rc < 0)
        return rc;
    struct comp_func *func = plan_scratch(p, struct comp_func);
    *func = (struct comp_func){
        .type = type->func, .core = core.core, .options = options, .index = PLAN_NONE};
    return plan_env_push(p, env, (struct entity){.sort = SORT_FUNC, .func = func});
}

static int canon_lower(struct planner *p, struct env *env, const struct canon_def *def)
{
    struct entity func;
    struct work_options options;
    int rc = plan_env_get(p, env, SORT_FUNC, def->func, &func);
    if (rc == 0)
        rc = refuse_async(p, func.func->is_async);
    if (rc == 0)
        rc = canon_options(p, env, &def->options, &options);
    if (rc == 0 && def->options.has_post_return)
        rc = plan_fail(p, -EINVAL, "canonical option `post-return` of a lowered function");
    if (rc < 0)
        return rc;
    const struct func_type *type = func.func->type;
    struct signature core = flatten(p, type, true);
    bool realloc = type->result && type->result->layout.has_pointers;
    rc = need_options(p, &options,
                      core.params_in_memory || core.result_in_memory || params_have_pointers(type),
                      realloc);
    if (rc < 0)
        return rc;
    struct core_func_type *core_type = arena_new(&p->plan->arena, struct core_func_type);
    *core_type = core.core;
    return push_trampoline(p, env,
                           (struct work_trampoline){
                               .kind = func.func->is_import ? TRAMPOLINE_IMPORT : TRAMPOLINE_LIFTED,
                               .func = func.func,
                               .options = options,
                               .core_type = core_type,
                           });
}

static int canon_resource(struct planner *p, struct env *env, const struct canon_def *def)
{
    static const struct core_func_type unary = {STR_INIT("i"), STR_INIT("i")};
    static const struct core_func_type sink = {STR_INIT("i"), STR_INIT("")};
    const struct type_entity *type;
    int rc = plan_type_at(p, env, def->type, TYPE_DEF_RESOURCE, &type);
    if (rc < 0)
        return rc;
    bool is_drop = def->kind == CANON_RESOURCE_DROP;
    uint32_t self = plan_component_instance(p, env);
    const struct plan_resource *resource = plan_resource_of(p, type->resource);
    if (!is_drop && (resource->is_import || resource->component_instance != self))
        return plan_fail(p, -EINVAL, "%s of a resource type that another component defines",
                         canon_kind_name(def->kind));
    return push_trampoline(p, env,
                           (struct work_trampoline){
                               .kind = is_drop                           ? TRAMPOLINE_RESOURCE_DROP
                                       : def->kind == CANON_RESOURCE_NEW ? TRAMPOLINE_RESOURCE_NEW
                                                                         : TRAMPOLINE_RESOURCE_REP,
                               .resource = type->resource->index,
                               .options = {.component_instance = self},
                               .core_type = is_drop ? &sink : &unary,
                           });
}

// Without core definitions a lifted function is its type.
static int canon_type(struct planner *p, struct env *env, const struct canon_def *def)
{
    if (def->kind != CANON_LIFT)
        return plan_env_push(p, env, (struct entity){.sort = SORT_CORE_FUNC});
    const struct type_entity *type;
    int rc = plan_type_at(p, env, def->type, TYPE_DEF_FUNC, &type);
    if (rc < 0)
        return rc;
    struct comp_func *func = plan_scratch(p, struct comp_func);
    *func = (struct comp_func){.type = type->func, .index = PLAN_NONE};
    return plan_env_push(p, env, (struct entity){.sort = SORT_FUNC, .func = func});
}

int plan_canon(struct planner *p, struct env *env, const struct canon_def *def)
{
    if (p->types_only)
        return canon_type(p, env, def);
    switch (def->kind) {
    case CANON_LIFT:
        return canon_lift(p, env, def);
    case CANON_LOWER:
        return canon_lower(p, env, def);
    case CANON_RESOURCE_NEW:
    case CANON_RESOURCE_DROP:
    case CANON_RESOURCE_REP:
        return canon_resource(p, env, def);
    default:
        return plan_fail(p, -ENOTSUP,
                         "component uses %s (asynchronous component model), which this build does "
                         "not run yet",
                         canon_kind_name(def->kind));
    }
}

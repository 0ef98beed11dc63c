// SPDX-License-Identifier: Apache-2.0
// Canonical definitions: lifted functions and trampolines, with the core signatures that the
// Canonical ABI gives them (CanonicalABI.md "Flattening", "Canonical Definitions").
#include <errno.h>

#include "component/async_builtin.h"
#include "component/canon_place.h"
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
    if (env->component_instance == PLAN_NONE) {
        env->component_instance = p->plan->component_instance_count++;
        *vec_push(&p->component_envs) = env;
    }
    return env->component_instance;
}

// ---- signatures ---------------------------------------------------------------------------------

struct signature {
    struct core_func_type core;
    bool params_in_memory;
    bool result_in_memory;
};

static struct str flat_params(struct planner *p, const struct func_type *type, size_t most,
                              bool *in_memory)
{
    char flat[TYPE_FLAT_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type_layout *layout = &type->params[i].type->layout;
        if (layout->flat_count > most - len) {
            *in_memory = true;
            return STR("i");
        }
        memcpy(flat + len, layout->flat, layout->flat_count);
        len += layout->flat_count;
    }
    return arena_str(&p->plan->arena, str_of(flat, len));
}

static struct signature flatten_lift(struct planner *p, const struct func_type *type,
                                     const struct canon_def_options *options)
{
    struct signature s = {.core = {STR_EMPTY, STR_EMPTY}};
    s.core.params = flat_params(p, type, TYPE_FLAT_MAX, &s.params_in_memory);
    if (options->is_async) { // the result goes through task.return
        s.core.results = options->has_callback ? STR("i") : STR_EMPTY;
        return s;
    }
    if (!type->result)
        return s;
    const struct type_layout *layout = &type->result->layout;
    s.result_in_memory = layout->flat_count > PLAN_FLAT_RESULTS_MAX;
    s.core.results = s.result_in_memory
                         ? STR("i")
                         : arena_str(&p->plan->arena, str_of(layout->flat, layout->flat_count));
    return s;
}

static struct signature flatten_lower(struct planner *p, const struct func_type *type,
                                      bool is_async)
{
    struct signature s = {.core = {STR_EMPTY, STR_EMPTY}};
    size_t most = is_async ? FLAT_ASYNC_PARAMS_MAX : TYPE_FLAT_MAX;
    s.core.params = flat_params(p, type, most, &s.params_in_memory);
    if (type->result) {
        const struct type_layout *layout = &type->result->layout;
        s.result_in_memory = layout->flat_count > (is_async ? 0 : PLAN_FLAT_RESULTS_MAX);
        if (!s.result_in_memory)
            s.core.results = arena_str(&p->plan->arena, str_of(layout->flat, layout->flat_count));
        else
            s.core.params = arena_printf(&p->plan->arena, "%.*si", STR_ARG(s.core.params));
    }
    if (is_async) // the state of the subtask
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
    static const struct core_func_type callback_type = {STR_INIT("iii"), STR_INIT("i")};
    struct work_options options = {
        .component_instance = plan_component_instance(p, env),
        .encoding = (enum string_encoding)def->encoding,
        .is_async = def->is_async,
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
    if (rc == 0 && def->has_callback)
        rc = option_func(p, env, def->callback, "callback", &callback_type, &options.callback);
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

static int check_async(struct planner *p, const struct func_type *type,
                       const struct canon_def_options *options)
{
    if (options->is_async && !type->is_async)
        return plan_fail(p, -EINVAL, "canonical option `async` of a function that is not async");
    if (options->is_async && options->has_post_return)
        return plan_fail(p, -EINVAL, "canonical option `post-return` beside `async`");
    if (options->has_callback && !options->is_async)
        return plan_fail(p, -EINVAL, "canonical option `callback` without `async`");
    return 0;
}

static int canon_lift(struct planner *p, struct env *env, const struct canon_def *def)
{
    const struct type_entity *type;
    struct entity core;
    struct work_options options;
    int rc = plan_type_at(p, env, def->type, TYPE_DEF_FUNC, &type);
    if (rc == 0)
        rc = check_async(p, type->func, &def->options);
    if (rc == 0)
        rc = plan_env_get(p, env, SORT_CORE_FUNC, def->func, &core);
    if (rc == 0)
        rc = canon_options(p, env, &def->options, &options);
    if (rc < 0)
        return rc;
    struct signature want = flatten_lift(p, type->func, &def->options);
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
        rc = check_async(p, func.func->type, &def->options);
    if (rc == 0)
        rc = canon_options(p, env, &def->options, &options);
    if (rc == 0 && def->options.has_post_return)
        rc = plan_fail(p, -EINVAL, "canonical option `post-return` of a lowered function");
    if (rc < 0)
        return rc;
    const struct func_type *type = func.func->type;
    struct signature core = flatten_lower(p, type, def->options.is_async);
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

// ---- asynchronous built-ins ---------------------------------------------------------------------

// The core signatures; NULL where the type decides.
static const struct {
    const char *params;
    const char *results;
} builtin_types[CANON_KIND_COUNT] = {
    [CANON_TASK_CANCEL] = {"", ""},
    [CANON_SUBTASK_CANCEL] = {"i", "i"},
    [CANON_CONTEXT_GET] = {"", NULL},
    [CANON_CONTEXT_SET] = {NULL, ""},
    [CANON_THREAD_YIELD] = {"", "i"},
    [CANON_SUBTASK_DROP] = {"i", ""},
    [CANON_STREAM_NEW] = {"", "I"},
    [CANON_STREAM_READ] = {"iii", "i"},
    [CANON_STREAM_WRITE] = {"iii", "i"},
    [CANON_STREAM_CANCEL_READ] = {"i", "i"},
    [CANON_STREAM_CANCEL_WRITE] = {"i", "i"},
    [CANON_STREAM_DROP_READABLE] = {"i", ""},
    [CANON_STREAM_DROP_WRITABLE] = {"i", ""},
    [CANON_FUTURE_NEW] = {"", "I"},
    [CANON_FUTURE_READ] = {"ii", "i"},
    [CANON_FUTURE_WRITE] = {"ii", "i"},
    [CANON_FUTURE_CANCEL_READ] = {"i", "i"},
    [CANON_FUTURE_CANCEL_WRITE] = {"i", "i"},
    [CANON_FUTURE_DROP_READABLE] = {"i", ""},
    [CANON_FUTURE_DROP_WRITABLE] = {"i", ""},
    [CANON_ERROR_CONTEXT_NEW] = {"ii", "i"},
    [CANON_ERROR_CONTEXT_DEBUG_MESSAGE] = {"ii", ""},
    [CANON_ERROR_CONTEXT_DROP] = {"i", ""},
    [CANON_WAITABLE_SET_NEW] = {"", "i"},
    [CANON_WAITABLE_SET_WAIT] = {"ii", "i"},
    [CANON_WAITABLE_SET_POLL] = {"ii", "i"},
    [CANON_WAITABLE_SET_DROP] = {"i", ""},
    [CANON_WAITABLE_JOIN] = {"ii", ""},
    [CANON_BACKPRESSURE_INC] = {"", ""},
    [CANON_BACKPRESSURE_DEC] = {"", ""},
    [CANON_THREAD_INDEX] = {"", "i"},
    [CANON_THREAD_NEW_INDIRECT] = {"ii", "i"},
    [CANON_THREAD_RESUME_LATER] = {"i", ""},
    [CANON_THREAD_SUSPEND] = {"", "i"},
    [CANON_THREAD_SUSPEND_THEN_RESUME] = {"i", "i"},
    [CANON_THREAD_YIELD_THEN_RESUME] = {"i", "i"},
    [CANON_THREAD_SUSPEND_THEN_PROMOTE] = {"i", "i"},
    [CANON_THREAD_YIELD_THEN_PROMOTE] = {"i", "i"},
};

static struct core_func_type builtin_signature(struct planner *p, const struct plan_builtin *b)
{
    if (b->kind == CANON_TASK_RETURN) {
        struct type_field param = {STR_EMPTY, b->type};
        struct func_type type = {.params = &param, .param_count = b->type ? 1 : 0};
        bool in_memory = false;
        return (struct core_func_type){flat_params(p, &type, TYPE_FLAT_MAX, &in_memory), STR_EMPTY};
    }
    struct str slot = arena_str(&p->plan->arena, str_of(&b->core_type, 1));
    const char *params = builtin_types[b->kind].params, *results = builtin_types[b->kind].results;
    return (struct core_func_type){params ? str_from(params) : slot,
                                   results ? str_from(results) : slot};
}

// The type operand of streams, futures and task.return.
static int builtin_type(struct planner *p, struct env *env, const struct canon_def *def,
                        struct plan_builtin *out)
{
    const struct type_entity *type;
    if (def->kind == CANON_TASK_RETURN) {
        if (!def->has_result)
            return 0;
        type = &p->primitives[def->result.is_index ? 0 : def->result.primitive];
        int rc = def->result.is_index
                     ? plan_type_at(p, env, def->result.index, TYPE_DEF_VALUE, &type)
                     : 0;
        if (rc == 0)
            out->type = type->value;
        return rc;
    }
    if (def->kind < CANON_STREAM_NEW || def->kind > CANON_FUTURE_DROP_WRITABLE)
        return 0;
    enum type_kind want = def->kind >= CANON_FUTURE_NEW ? TYPE_FUTURE : TYPE_STREAM;
    int rc = plan_type_at(p, env, def->type, TYPE_DEF_VALUE, &type);
    if (rc == 0 && type->value->kind != want)
        return plan_fail(p, -EINVAL, "type %u of %s is not a %s", def->type,
                         canon_kind_name(def->kind), want == TYPE_FUTURE ? "future" : "stream");
    if (rc == 0)
        out->type = type->value->element;
    return rc;
}

static int builtin_table(struct planner *p, const struct env *env, const struct canon_def *def,
                         struct work_trampoline *out)
{
    struct entity table;
    bool makes = def->kind == CANON_THREAD_NEW_INDIRECT;
    p->plan->has_threads |= makes || def->kind == CANON_THREAD_INDEX;
    if (!makes)
        return 0;
    int rc = plan_env_get(p, env, SORT_CORE_TABLE, def->table, &table);
    if (rc == 0)
        out->table = table.core;
    return rc;
}

static int canon_builtin(struct planner *p, struct env *env, const struct canon_def *def)
{
    if (!async_builtin_exists(def->kind))
        return plan_fail(p, -ENOTSUP, "component uses %s, which this build does not run",
                         canon_kind_name(def->kind));
    struct plan_builtin *builtin = arena_new(&p->plan->arena, struct plan_builtin);
    *builtin = (struct plan_builtin){
        .kind = def->kind, .slot = def->slot, .core_type = def->core_type, .flag = def->flag};
    struct work_trampoline trampoline = {.kind = TRAMPOLINE_BUILTIN, .builtin = builtin};
    int rc = canon_options(p, env, &def->options, &trampoline.options);
    if (rc == 0)
        rc = builtin_type(p, env, def, builtin);
    if (rc == 0)
        rc = builtin_table(p, env, def, &trampoline);
    if (rc < 0)
        return rc;
    struct core_func_type *core_type = arena_new(&p->plan->arena, struct core_func_type);
    *core_type = builtin_signature(p, builtin);
    trampoline.core_type = core_type;
    return push_trampoline(p, env, trampoline);
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
        return canon_builtin(p, env, def);
    }
}

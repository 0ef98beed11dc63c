// SPDX-License-Identifier: Apache-2.0
// Canonical definitions: their options and core signatures (Explainer.md "Canonical Definitions",
// CanonicalABI.md "Flattening", "Canonical Definitions").
#include <assert.h>

#include "component/validate_types.h"

#define FLAT_ASYNC_PARAMS_MAX 4
#define CONTEXT_SLOTS         2

// Options that a definition may have besides `memory` and the string encoding.
enum { MAY_REALLOC = 1, MAY_ASYNC = 2, MAY_CALLBACK = 4, MAY_POST_RETURN = 8 };

// What the types of a definition ask of its options.
struct needs {
    bool memory;
    bool realloc;
};

// ---- options ------------------------------------------------------------------------------------

static int check_signature(struct validator *v, const char *option, uint32_t func,
                           const struct core_func_type *want)
{
    if (v_core_func_equal(v_core_func(v, func), want))
        return 0;
    return v_fail(v, "canonical option `%s` uses a core function with an incorrect signature",
                  option);
}

static int check_memory_options(struct validator *v, const struct canon_def_options *o)
{
    static const struct core_func_type realloc = {STR_INIT("iiii"), STR_INIT("i")};
    if (o->has_memory) {
        const struct core_extern *memory = &v->scope->core_items[CORE_MEMORY].items[o->memory];
        if (memory->limits.is_64)
            return v_fail(v, "canonical option `memory` names a 64-bit memory, "
                             "which is not supported");
    }
    if (!o->has_realloc)
        return 0;
    if (!o->has_memory)
        return v_fail(v, "canonical option `realloc` requires `memory` to also be specified");
    return check_signature(v, "realloc", o->realloc, &realloc);
}

static int check_async_options(struct validator *v, const struct canon_def_options *o)
{
    static const struct core_func_type callback = {STR_INIT("iii"), STR_INIT("i")};
    if (o->is_async) {
        int rc = v_require(v, v->features->component_model_async, "component-model-async",
                           "canonical option `async`");
        if (rc < 0)
            return rc;
        if (o->has_post_return)
            return v_fail(v, "canonical option `post-return` cannot be used with `async`");
    }
    if (!o->has_callback)
        return 0;
    if (!o->is_async)
        return v_fail(v, "canonical option `callback` requires `async`");
    return check_signature(v, "callback", o->callback, &callback);
}

static int check_options(struct validator *v, const char *what, const struct canon_def_options *o,
                         unsigned may)
{
    const struct {
        bool has;
        unsigned bit;
        const char *name;
    } rows[] = {
        {o->has_realloc, MAY_REALLOC, "realloc"},
        {o->is_async, MAY_ASYNC, "async"},
        {o->has_callback, MAY_CALLBACK, "callback"},
        {o->has_post_return, MAY_POST_RETURN, "post-return"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].has && !(may & rows[i].bit))
            return v_fail(v, "canonical option `%s` cannot be specified for %s", rows[i].name,
                          what);
    int rc = check_memory_options(v, o);
    return rc < 0 ? rc : check_async_options(v, o);
}

static int check_needs(struct validator *v, const struct canon_def_options *o, struct needs needs)
{
    if ((needs.memory || needs.realloc) && !o->has_memory)
        return v_fail(v, "canonical option `memory` is required");
    if (needs.realloc && !o->has_realloc)
        return v_fail(v, "canonical option `realloc` is required");
    return 0;
}

// ---- flattening ---------------------------------------------------------------------------------

struct signature {
    char params[TYPE_FLAT_MAX + 2];
    char results[2];
    bool params_in_memory;
    bool result_in_memory;
    bool params_have_pointers;
    bool result_has_pointers;
};

static void flatten_params(const struct func_type *type, size_t most, struct signature *s)
{
    size_t len = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type_layout *layout = &type->params[i].type->layout;
        s->params_have_pointers |= layout->has_pointers;
        if (s->params_in_memory || layout->flat_count > most - len) {
            s->params_in_memory = true;
            continue;
        }
        memcpy(s->params + len, layout->flat, layout->flat_count);
        len += layout->flat_count;
    }
    if (!s->params_in_memory)
        return;
    memset(s->params, 0, sizeof(s->params));
    s->params[0] = 'i';
}

static void note_result(const struct type *result, struct signature *s)
{
    if (!result)
        return;
    s->result_has_pointers = result->layout.has_pointers;
    s->result_in_memory = result->layout.flat_count > 1;
    if (!s->result_in_memory)
        memcpy(s->results, result->layout.flat, result->layout.flat_count);
}

static void flatten_lift(const struct func_type *type, const struct canon_def_options *o,
                         struct signature *s)
{
    flatten_params(type, TYPE_FLAT_MAX, s);
    if (o->is_async) { // the result goes to task.return, by this memory
        if (type->result) {
            s->result_has_pointers = type->result->layout.has_pointers;
            s->result_in_memory = type->result->layout.flat_count > TYPE_FLAT_MAX;
        }
        memcpy(s->results, o->has_callback ? "i" : "", o->has_callback ? 2 : 1);
        return;
    }
    note_result(type->result, s);
    if (s->result_in_memory)
        memcpy(s->results, "i", 2);
}

static void flatten_lower(const struct func_type *type, const struct canon_def_options *o,
                          struct signature *s)
{
    flatten_params(type, o->is_async ? FLAT_ASYNC_PARAMS_MAX : TYPE_FLAT_MAX, s);
    note_result(type->result, s);
    if (o->is_async) {
        s->result_in_memory = type->result && type->result->layout.flat_count > 0;
        memcpy(s->results, "i", 2);
    }
    if (s->result_in_memory) { // a pointer to where it goes
        s->params[strlen(s->params)] = 'i';
        s->results[0] = o->is_async ? 'i' : 0;
    }
}

// ---- lift and lower -----------------------------------------------------------------------------

static int check_async_type(struct validator *v, const struct func_type *type,
                            const struct canon_def_options *o)
{
    if (o->is_async && !type->is_async)
        return v_fail(v, "the `async` canonical option requires an async function type");
    return 0;
}

static int check_async_lift(struct validator *v, const struct func_type *type,
                            const struct canon_def_options *o)
{
    int rc = check_async_type(v, type, o);
    if (rc < 0 || !o->is_async || o->has_callback)
        return rc;
    return v_require(v, v->features->component_model_async_stackful,
                     "component-model-async-stackful", "an async lift without `callback`");
}

static int define_lift(struct validator *v, const struct canon_def *def)
{
    struct v_type named;
    int rc = v_type_at(v, def->type, TYPE_DEF_FUNC, &named);
    if (rc == 0)
        rc = check_options(v, "lift", &def->options,
                           MAY_REALLOC | MAY_ASYNC | MAY_CALLBACK | MAY_POST_RETURN);
    if (rc == 0)
        rc = check_async_lift(v, &named.func->type, &def->options);
    if (rc < 0)
        return rc;
    struct signature s = {0};
    flatten_lift(&named.func->type, &def->options, &s);
    struct needs needs = {.realloc = s.params_in_memory || s.params_have_pointers,
                          .memory = s.result_in_memory || s.result_has_pointers};
    rc = check_needs(v, &def->options, needs);
    if (rc < 0)
        return rc;
    const struct core_func_type *core = v_core_func(v, def->func);
    if (!str_is(core->params, s.params))
        return v_fail(v, "lowered parameter types `%s` do not match parameter types `%.*s`",
                      s.params, (int)MIN(core->params.len, 100), core->params.data);
    if (!str_is(core->results, s.results))
        return v_fail(v, "lowered result types `%s` do not match result types `%.*s`", s.results,
                      (int)MIN(core->results.len, 100), core->results.data);
    if (def->options.has_post_return) {
        struct core_func_type want = {core->results, STR_EMPTY};
        rc = check_signature(v, "post-return", def->options.post_return, &want);
    }
    if (rc == 0)
        *vec_push(&v->scope->funcs) = named.func;
    return rc;
}

static int define_lower(struct validator *v, const struct canon_def *def)
{
    const struct func_type *type = &v->scope->funcs.items[def->func]->type;
    int rc = check_options(v, "lowerings", &def->options, MAY_REALLOC | MAY_ASYNC);
    if (rc == 0)
        rc = check_async_type(v, type, &def->options);
    if (rc < 0)
        return rc;
    struct signature s = {0};
    flatten_lower(type, &def->options, &s);
    // CanonicalABI.md asks for a memory whenever the option `async` is there; toolchains leave it
    // out where nothing goes through it, and the other runtimes accept that.
    struct needs needs = {.realloc = s.result_has_pointers,
                          .memory =
                              s.params_in_memory || s.params_have_pointers || s.result_in_memory};
    rc = check_needs(v, &def->options, needs);
    return rc < 0 ? rc : v_add_core_func(v, str_from(s.params), str_from(s.results));
}

// ---- built-ins ----------------------------------------------------------------------------------

static int define_task_return(struct validator *v, const struct canon_def *def)
{
    const struct type *result = NULL;
    int rc = check_options(v, "task.return", &def->options, 0);
    if (rc == 0 && def->has_result)
        rc = v_value_at(v, def->result, &result);
    if (rc < 0)
        return rc;
    if (result && !v_is_primitive(result) && v_value_of(result)->has_borrow)
        return v_fail(v, "the result of task.return cannot contain a `borrow` type");
    struct type_field param = {STR_EMPTY, result};
    struct func_type type = {.params = &param, .param_count = result ? 1 : 0};
    struct signature s = {0};
    flatten_params(&type, TYPE_FLAT_MAX, &s);
    struct needs needs = {.memory = s.params_in_memory || s.params_have_pointers};
    rc = check_needs(v, &def->options, needs);
    return rc < 0 ? rc : v_add_core_func(v, str_from(s.params), STR_EMPTY);
}

static int check_resource(struct validator *v, const struct canon_def *def)
{
    struct v_type type;
    int rc = v_type_at(v, def->type, TYPE_DEF_RESOURCE, &type);
    if (rc < 0 || def->kind == CANON_RESOURCE_DROP)
        return rc;
    if (!v_get(&v->scope->locals, v_key_of(type.resource->of, NULL)))
        return v_fail(v, "type %u is not a local resource", def->type);
    return 0;
}

static int check_stream(struct validator *v, const struct canon_def *def)
{
    enum type_kind want = def->kind >= CANON_FUTURE_NEW ? TYPE_FUTURE : TYPE_STREAM;
    struct v_type type;
    int rc = v_type_at(v, def->type, TYPE_DEF_VALUE, &type);
    if (rc < 0)
        return rc;
    if (type.value->kind != want)
        return v_fail(v, "type %u is not a %s type", def->type,
                      want == TYPE_FUTURE ? "future" : "stream");
    bool is_read = def->kind == CANON_STREAM_READ || def->kind == CANON_FUTURE_READ;
    bool is_write = def->kind == CANON_STREAM_WRITE || def->kind == CANON_FUTURE_WRITE;
    bool is_sync = (is_read || is_write) && !def->options.is_async;
    if (is_sync || def->flag) {
        rc = v_require(v, v->features->component_model_more_async_builtins,
                       "component-model-more-async-builtins",
                       is_sync ? "a read or write without `async`" : "canceling with `async`");
        if (rc < 0)
            return rc;
    }
    rc = check_options(v, canon_kind_name(def->kind), &def->options, MAY_REALLOC | MAY_ASYNC);
    const struct type *element = type.value->element;
    if (rc < 0 || !element || !(is_read || is_write))
        return rc;
    struct needs needs = {.memory = true, .realloc = is_read && element->layout.has_pointers};
    return check_needs(v, &def->options, needs);
}

static int check_subtask_cancel(struct validator *v, const struct canon_def *def)
{
    if (!def->flag)
        return 0;
    return v_require(v, v->features->component_model_more_async_builtins,
                     "component-model-more-async-builtins", "subtask.cancel with `async`");
}

static int check_context(struct validator *v, const struct canon_def *def)
{
    if (def->core_type != 'i')
        return v_fail(v, "the type of a context slot is not i32");
    if (def->slot >= CONTEXT_SLOTS)
        return v_fail(v, "context slot %u of %u", def->slot, CONTEXT_SLOTS);
    return 0;
}

static int check_error_context(struct validator *v, const struct canon_def *def)
{
    int rc = check_options(v, canon_kind_name(def->kind), &def->options, MAY_REALLOC);
    struct needs needs = {.memory = true,
                          .realloc = def->kind == CANON_ERROR_CONTEXT_DEBUG_MESSAGE};
    return rc < 0 ? rc : check_needs(v, &def->options, needs);
}

// The immediate is there but must be 0, unless what it meant once is asked for.
static int check_cancellable(struct validator *v, const struct canon_def *def)
{
    if (def->flag && !v->features->component_model_cancellable)
        return v_fail(v, "`cancellable` of %s must be 0", canon_kind_name(def->kind));
    return 0;
}

static int check_wait(struct validator *v, const struct canon_def *def)
{
    int rc = check_cancellable(v, def);
    return rc < 0 ? rc : check_memory_options(v, &def->options);
}

static int check_thread_type(struct validator *v, const struct canon_def *def)
{
    static const struct core_func_type start = {STR_INIT("i"), STR_INIT("")};
    const struct v_core_type *type = &v->scope->core_types.items[def->type];
    if (type->module || !type->func.params.data || !v_core_func_equal(&type->func, &start))
        return v_fail(v, "the start function of a thread must have the type [i32] -> []");
    if (def->kind == CANON_THREAD_SPAWN_REF)
        return 0;
    const struct core_extern *table = &v->scope->core_items[CORE_TABLE].items[def->table];
    bool is_funcref = table->value.is_nullable && table->value.heap == -0x10;
    if (!is_funcref || table->limits.is_64)
        return v_fail(v, "core table %u of thread start functions is not a table of funcref",
                      def->table);
    return 0;
}

enum gate { GATE_NONE, GATE_ASYNC, GATE_ERROR_CONTEXT, GATE_THREADING, GATE_SHARED };

// What a built-in needs, checks and makes; lift, lower and task.return have functions of their own.
static const struct {
    uint8_t gate;
    const char *params;
    const char *results;
    int (*check)(struct validator *v, const struct canon_def *def);
} rows[] = {
    [CANON_RESOURCE_NEW] = {GATE_NONE, "i", "i", check_resource},
    [CANON_RESOURCE_DROP] = {GATE_NONE, "i", "", check_resource},
    [CANON_RESOURCE_REP] = {GATE_NONE, "i", "i", check_resource},
    [CANON_TASK_CANCEL] = {GATE_ASYNC, "", "", NULL},
    [CANON_SUBTASK_CANCEL] = {GATE_ASYNC, "i", "i", check_subtask_cancel},
    [CANON_TASK_RETURN] = {GATE_ASYNC, "", "", NULL},
    [CANON_CONTEXT_GET] = {GATE_ASYNC, "", "i", check_context},
    [CANON_CONTEXT_SET] = {GATE_ASYNC, "i", "", check_context},
    [CANON_THREAD_YIELD] = {GATE_ASYNC, "", "i", check_cancellable},
    [CANON_SUBTASK_DROP] = {GATE_ASYNC, "i", "", NULL},
    [CANON_STREAM_NEW] = {GATE_ASYNC, "", "I", check_stream},
    [CANON_STREAM_READ] = {GATE_ASYNC, "iii", "i", check_stream},
    [CANON_STREAM_WRITE] = {GATE_ASYNC, "iii", "i", check_stream},
    [CANON_STREAM_CANCEL_READ] = {GATE_ASYNC, "i", "i", check_stream},
    [CANON_STREAM_CANCEL_WRITE] = {GATE_ASYNC, "i", "i", check_stream},
    [CANON_STREAM_DROP_READABLE] = {GATE_ASYNC, "i", "", check_stream},
    [CANON_STREAM_DROP_WRITABLE] = {GATE_ASYNC, "i", "", check_stream},
    [CANON_FUTURE_NEW] = {GATE_ASYNC, "", "I", check_stream},
    [CANON_FUTURE_READ] = {GATE_ASYNC, "ii", "i", check_stream},
    [CANON_FUTURE_WRITE] = {GATE_ASYNC, "ii", "i", check_stream},
    [CANON_FUTURE_CANCEL_READ] = {GATE_ASYNC, "i", "i", check_stream},
    [CANON_FUTURE_CANCEL_WRITE] = {GATE_ASYNC, "i", "i", check_stream},
    [CANON_FUTURE_DROP_READABLE] = {GATE_ASYNC, "i", "", check_stream},
    [CANON_FUTURE_DROP_WRITABLE] = {GATE_ASYNC, "i", "", check_stream},
    [CANON_ERROR_CONTEXT_NEW] = {GATE_ERROR_CONTEXT, "ii", "i", check_error_context},
    [CANON_ERROR_CONTEXT_DEBUG_MESSAGE] = {GATE_ERROR_CONTEXT, "ii", "", check_error_context},
    [CANON_ERROR_CONTEXT_DROP] = {GATE_ERROR_CONTEXT, "i", "", NULL},
    [CANON_WAITABLE_SET_NEW] = {GATE_ASYNC, "", "i", NULL},
    [CANON_WAITABLE_SET_WAIT] = {GATE_ASYNC, "ii", "i", check_wait},
    [CANON_WAITABLE_SET_POLL] = {GATE_ASYNC, "ii", "i", check_wait},
    [CANON_WAITABLE_SET_DROP] = {GATE_ASYNC, "i", "", NULL},
    [CANON_WAITABLE_JOIN] = {GATE_ASYNC, "ii", "", NULL},
    [CANON_BACKPRESSURE_INC] = {GATE_ASYNC, "", "", NULL},
    [CANON_BACKPRESSURE_DEC] = {GATE_ASYNC, "", "", NULL},
    [CANON_THREAD_INDEX] = {GATE_THREADING, "", "i", NULL},
    [CANON_THREAD_NEW_INDIRECT] = {GATE_THREADING, "ii", "i", check_thread_type},
    [CANON_THREAD_RESUME_LATER] = {GATE_THREADING, "i", "", NULL},
    [CANON_THREAD_SUSPEND] = {GATE_THREADING, "", "i", check_cancellable},
    [CANON_THREAD_SUSPEND_THEN_RESUME] = {GATE_THREADING, "i", "i", check_cancellable},
    [CANON_THREAD_YIELD_THEN_RESUME] = {GATE_THREADING, "i", "i", check_cancellable},
    [CANON_THREAD_SUSPEND_THEN_PROMOTE] = {GATE_THREADING, "i", "i", check_cancellable},
    [CANON_THREAD_YIELD_THEN_PROMOTE] = {GATE_THREADING, "i", "i", check_cancellable},
    [CANON_THREAD_SPAWN_REF] = {GATE_SHARED, "ri", "i", check_thread_type},
    [CANON_THREAD_SPAWN_INDIRECT] = {GATE_SHARED, "ii", "i", check_thread_type},
    [CANON_THREAD_AVAILABLE_PARALLELISM] = {GATE_SHARED, "", "i", NULL},
};
static_assert(ARRAY_LEN(rows) == CANON_KIND_COUNT, "one row a canonical definition");

static int check_gate(struct validator *v, uint8_t gate, const char *what)
{
    const struct component_features *f = v->features;
    switch ((enum gate)gate) {
    case GATE_NONE:
        return 0;
    case GATE_ASYNC:
        return v_require(v, f->component_model_async, "component-model-async", what);
    case GATE_ERROR_CONTEXT:
        return v_require(v, f->component_model_error_context, "component-model-error-context",
                         what);
    case GATE_THREADING:
        return v_require(v, f->component_model_threading, "component-model-threading", what);
    case GATE_SHARED:
        return v_require(v, f->shared_everything_threads, "shared-everything-threads", what);
    }
    return 0;
}

int v_define_canon(struct validator *v, const struct canon_def *def)
{
    int rc = check_gate(v, rows[def->kind].gate, canon_kind_name(def->kind));
    if (rc < 0)
        return rc;
    if (def->kind == CANON_LIFT)
        return define_lift(v, def);
    if (def->kind == CANON_LOWER)
        return define_lower(v, def);
    if (def->kind == CANON_TASK_RETURN)
        return define_task_return(v, def);
    if (rows[def->kind].check)
        rc = rows[def->kind].check(v, def);
    return rc < 0 ? rc
                  : v_add_core_func(v, str_from(rows[def->kind].params),
                                    str_from(rows[def->kind].results));
}

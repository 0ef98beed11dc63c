// SPDX-License-Identifier: Apache-2.0
// Errors, engines, components and types.
#include <assert.h>
#include <errno.h>

#include "component/validate.h"
#include "embed/embed.h"

static_assert(sizeof(struct wash_value) == sizeof(struct value), "values differ in size");
static_assert(offsetof(struct wash_value, count) == offsetof(struct value, count) &&
                  offsetof(struct wash_value, index) == offsetof(struct value, index) &&
                  offsetof(struct wash_value, rep) == offsetof(struct value, rep),
              "values differ in layout");
static_assert(sizeof(struct wash_text) == sizeof(struct str), "texts differ");
static_assert(sizeof(union wash_scalar) == sizeof(union core_value), "scalars differ");
static_assert((int)WASH_FUTURE == (int)TYPE_FUTURE && (int)WASH_RECORD == (int)TYPE_RECORD,
              "kinds differ");

// ---- errors -------------------------------------------------------------------------------------

int embed_fail(struct wash_error **out, struct error *err)
{
    int code = err->code < 0 ? err->code : -EINVAL;
    if (out) {
        *out = mem_new(struct wash_error);
        (void)error_move(&(*out)->error, err);
    } else {
        error_done(err);
    }
    return code;
}

const char *wash_error_message(const struct wash_error *error)
{
    return error_text(&error->error);
}

void wash_error_free(struct wash_error *error)
{
    if (!error)
        return;
    error_done(&error->error);
    free(error);
}

// ---- engine -------------------------------------------------------------------------------------

int wash_engine_new(const struct wash_engine_options *options, struct wash_engine **out,
                    struct wash_error **error)
{
    struct engine_options inner = {0};
    struct error err = ERROR_INIT;
    struct engine *engine;
    if (options)
        inner = (struct engine_options){.cache_dir = options->cache_dir,
                                        .instances_max = options->instances_max,
                                        .memory_bytes_max = options->memory_bytes_max};
    if (engine_new(&inner, &engine, &err) < 0)
        return embed_fail(error, &err);
    if (engine_wait(engine, &err) < 0) {
        engine_free(engine);
        return embed_fail(error, &err);
    }
    *out = mem_new(struct wash_engine);
    (*out)->refs = 1;
    (*out)->engine = engine;
    return 0;
}

struct wash_engine *embed_engine_ref(struct wash_engine *engine)
{
    atomic_fetch_add(&engine->refs, 1);
    return engine;
}

void wash_engine_free(struct wash_engine *engine)
{
    if (!engine || atomic_fetch_sub(&engine->refs, 1) > 1)
        return;
    engine_free(engine->engine);
    free(engine);
}

// ---- components ---------------------------------------------------------------------------------

static struct wash_component *component_of(struct wash_engine *engine, struct program *program)
{
    struct wash_component *component = mem_new(struct wash_component);
    component->engine = embed_engine_ref(engine);
    component->program = program;
    return component;
}

int wash_component_new(struct wash_engine *engine, const void *bytes, size_t len,
                       struct wash_component **out, struct wash_error **error)
{
    struct error err = ERROR_INIT;
    struct program *program;
    if (program_new(engine->engine, str_of(bytes, len), &program, &err) < 0)
        return embed_fail(error, &err);
    *out = component_of(engine, program);
    return 0;
}

int wash_component_load(struct wash_engine *engine, const char *path, struct wash_component **out,
                        struct wash_error **error)
{
    struct error err = ERROR_INIT;
    struct program *program;
    if (program_load(engine->engine, path, &program, &err) < 0)
        return embed_fail(error, &err);
    *out = component_of(engine, program);
    return 0;
}

void wash_component_free(struct wash_component *component)
{
    if (!component)
        return;
    program_unref(component->program);
    wash_engine_free(component->engine);
    free(component);
}

int wash_validate(const void *bytes, size_t len, struct wash_error **error)
{
    struct error err = ERROR_INIT;
    struct component *component;
    int rc = component_decode(str_of(bytes, len), &component, &err);
    if (rc == 0) {
        rc = component_validate(component, NULL, &err);
        component_free(component);
    }
    return rc < 0 ? embed_fail(error, &err) : 0;
}

// ---- types --------------------------------------------------------------------------------------

static const struct type *type_of(const struct wash_type *type)
{
    return (const struct type *)type;
}

static const struct wash_type *wash_of(const struct type *type)
{
    return (const struct wash_type *)type;
}

enum wash_kind wash_type_kind(const struct wash_type *type)
{
    return (enum wash_kind)type_of(type)->kind;
}

const struct wash_type *wash_type_element(const struct wash_type *type)
{
    return wash_of(type_of(type)->element);
}

const struct wash_type *wash_type_error(const struct wash_type *type)
{
    return wash_of(type_of(type)->error);
}

uint32_t wash_type_field_count(const struct wash_type *type)
{
    return type_of(type)->field_count;
}

const struct wash_type *wash_type_field(const struct wash_type *type, uint32_t i)
{
    return wash_of(type_of(type)->fields[i].type);
}

const char *wash_type_field_name(const struct wash_type *type, uint32_t i, size_t *len)
{
    struct str name = type_of(type)->fields[i].name;
    *len = name.len;
    return name.data;
}

char *wash_type_text(const struct wash_type *type)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct str text = type_to_text(type_of(type), &arena);
    char *out = mem_printf("%.*s", STR_ARG(text));
    arena_done(&arena);
    return out;
}

uint32_t wash_func_param_count(const struct wash_func *func)
{
    return ((const struct plan_lifted *)func)->type->param_count;
}

const struct wash_type *wash_func_param(const struct wash_func *func, uint32_t i)
{
    return wash_of(((const struct plan_lifted *)func)->type->params[i].type);
}

const struct wash_type *wash_func_result(const struct wash_func *func)
{
    return wash_of(((const struct plan_lifted *)func)->type->result);
}

bool wash_func_is_async(const struct wash_func *func)
{
    return ((const struct plan_lifted *)func)->type->is_async;
}

// SPDX-License-Identifier: Apache-2.0
// Which types may stand where others are asked for (Explainer.md "Type Checking"; Binary.md
// "Instance Definitions": the type supplied for an import is substituted for its uses at once).
// Value and function types must be equal; instances may have more exports, components fewer
// imports.
#include "component/validate_types.h"

static const char *const kinds[] = {
    [TYPE_BOOL] = "bool",     [TYPE_S8] = "s8",
    [TYPE_U8] = "u8",         [TYPE_S16] = "s16",
    [TYPE_U16] = "u16",       [TYPE_S32] = "s32",
    [TYPE_U32] = "u32",       [TYPE_S64] = "s64",
    [TYPE_U64] = "u64",       [TYPE_F32] = "f32",
    [TYPE_F64] = "f64",       [TYPE_CHAR] = "char",
    [TYPE_STRING] = "string", [TYPE_ERROR_CONTEXT] = "error-context",
    [TYPE_LIST] = "list",     [TYPE_FIXED_LIST] = "fixed-length list",
    [TYPE_MAP] = "map",       [TYPE_RECORD] = "record",
    [TYPE_TUPLE] = "tuple",   [TYPE_VARIANT] = "variant",
    [TYPE_ENUM] = "enum",     [TYPE_OPTION] = "option",
    [TYPE_RESULT] = "result", [TYPE_FLAGS] = "flags",
    [TYPE_OWN] = "own",       [TYPE_BORROW] = "borrow",
    [TYPE_STREAM] = "stream", [TYPE_FUTURE] = "future",
};

static int match_value(struct validator *v, const struct type *want, const struct type *actual);

static int match_part(struct validator *v, const char *part, const struct type *want,
                      const struct type *actual)
{
    if (!want != !actual)
        return v_fail(v, "expected %s type to be %s", part, want ? "present" : "absent");
    return want ? match_value(v, want, actual) : 0;
}

static int match_fields(struct validator *v, const char *what, const struct type_field *want,
                        uint32_t want_count, const struct type_field *actual, uint32_t actual_count)
{
    if (want_count != actual_count)
        return v_fail(v, "expected %u %s members, found %u", want_count, what, actual_count);
    for (uint32_t i = 0; i < want_count; i++) {
        if (!str_eq(want[i].name, actual[i].name))
            return v_fail(v, "expected %s member `%.*s`, found `%.*s`", what, STR_ARG(want[i].name),
                          STR_ARG(actual[i].name));
        struct reader_path here = {v->r.path, "member", i, want[i].name};
        v->r.path = &here;
        int rc = match_part(v, "the member's", want[i].type, actual[i].type);
        v->r.path = here.up;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int match_resource(struct validator *v, const struct v_resource *want,
                          const struct v_resource *actual)
{
    return want->of == actual->of ? 0 : v_fail(v, "resource types are not the same");
}

static int match_parts(struct validator *v, const struct type *want, const struct type *actual)
{
    if (want->resource)
        return match_resource(v, v_resource_of(want->resource), v_resource_of(actual->resource));
    if (want->length != actual->length)
        return v_fail(v, "expected a list of %u elements, found %u", want->length, actual->length);
    int rc = match_part(v, "element or ok", want->element, actual->element);
    if (rc == 0)
        rc = match_part(v, "error or value", want->error, actual->error);
    return rc < 0 ? rc
                  : match_fields(v, kinds[want->kind], want->fields, want->field_count,
                                 actual->fields, actual->field_count);
}

static bool matched(const struct validator *v, const void *want, const void *actual)
{
    return want == actual || v_get(&v->subtypes, v_key_of(want, actual));
}

static void note_match(struct validator *v, const void *want, const void *actual)
{
    v_put(v, &v->subtypes, v_key_of(want, actual), want);
}

static int match_value(struct validator *v, const struct type *want, const struct type *actual)
{
    if (matched(v, want, actual))
        return 0;
    if (want->kind != actual->kind)
        return v_fail(v, "expected %s, found %s", kinds[want->kind], kinds[actual->kind]);
    int rc = v_work(v);
    if (rc == 0)
        rc = match_parts(v, want, actual);
    if (rc == 0)
        note_match(v, want, actual);
    return rc;
}

static int match_func(struct validator *v, const struct v_func *want, const struct v_func *actual)
{
    if (matched(v, want, actual))
        return 0;
    if (want->type.is_async != actual->type.is_async)
        return v_fail(v, "expected %s function", want->type.is_async ? "an async" : "a sync");
    int rc = v_work(v);
    if (rc == 0)
        rc = match_fields(v, "parameter", want->type.params, want->type.param_count,
                          actual->type.params, actual->type.param_count);
    if (rc == 0)
        rc = match_part(v, "the result's", want->type.result, actual->type.result);
    if (rc == 0)
        note_match(v, want, actual);
    return rc;
}

static int match_exports(struct validator *v, struct v_subst *s, const struct v_externs *want,
                         const struct v_externs *actual)
{
    int rc = v_work(v);
    for (uint32_t i = 0; i < want->count && rc == 0; i++) {
        struct str name = want->items[i].name;
        const struct v_entity *found = v_find(actual, name);
        if (!found)
            return v_fail(v, "missing expected export `%.*s`", STR_ARG(name));
        struct reader_path here = {v->r.path, "export", i, name};
        v->r.path = &here;
        rc = v_match(v, s, &want->items[i].entity, found);
        v->r.path = here.up;
    }
    return rc;
}

// Instance types as types: what `want` binds is to be found in `actual`.
static int match_instance(struct validator *v, const struct v_instance *want,
                          const struct v_instance *actual)
{
    if (matched(v, want, actual))
        return 0;
    struct v_subst s = {0};
    v_subst_variables(v, &s, want->defined);
    int rc = match_exports(v, &s, &want->exports, &actual->exports);
    v_subst_done(&s);
    if (rc == 0)
        note_match(v, want, actual);
    return rc;
}

// `actual` is given what `want` imports, and must then export what `want` does.
static int match_component(struct validator *v, const struct v_component *want,
                           const struct v_component *actual)
{
    if (matched(v, want, actual))
        return 0;
    struct v_subst given = {0};
    struct v_subst s = {0};
    v_subst_variables(v, &given, actual->imported);
    v_subst_variables(v, &s, want->defined);
    int rc = v_work(v);
    for (uint32_t i = 0; i < actual->imports.count && rc == 0; i++) {
        const struct v_extern *import = &actual->imports.items[i];
        const struct v_entity *found = v_find(&want->imports, import->name);
        rc = found ? v_match(v, &given, &import->entity, found)
                   : v_fail(v, "missing expected import `%.*s`", STR_ARG(import->name));
    }
    for (uint32_t i = 0; i < want->exports.count && rc == 0; i++) {
        const struct v_extern *export = &want->exports.items[i];
        const struct v_entity *found = v_find(&actual->exports, export->name);
        if (!found) {
            rc = v_fail(v, "missing expected export `%.*s`", STR_ARG(export->name));
            break;
        }
        struct v_entity entity = *found;
        rc = v_subst_entity(v, &given, &entity);
        if (rc == 0)
            rc = v_match(v, &s, &export->entity, &entity);
    }
    v_subst_done(&given);
    v_subst_done(&s);
    if (rc == 0)
        note_match(v, want, actual);
    return rc;
}

static int match_type_resource(struct validator *v, struct v_subst *s,
                               const struct v_resource *want, const struct v_resource *actual)
{
    struct v_key variable = v_key_of(want->of, NULL);
    if (v_get(&s->resources, variable) == (void *)&v_unset)
        v_put(v, &s->resources, variable, actual->of);
    const struct v_resource *target = v_get(&s->resources, variable);
    int rc = match_resource(v, target ? target : want, actual);
    if (rc == 0)
        v_put(v, &s->names, v_resource_key(want), actual);
    return rc;
}

static int match_type(struct validator *v, struct v_subst *s, struct v_type want,
                      struct v_type actual)
{
    if (want.kind != actual.kind)
        return v_fail(v, "expected %s, found %s", v_type_kind_name(want.kind),
                      v_type_kind_name(actual.kind));
    if (want.kind == TYPE_DEF_RESOURCE)
        return match_type_resource(v, s, want.resource, actual.resource);
    struct v_type now = want;
    int rc = v_subst_type(v, s, &now);
    if (rc < 0)
        return rc;
    switch (want.kind) {
    case TYPE_DEF_VALUE:
        rc = match_value(v, now.value, actual.value);
        if (rc == 0 && !v_is_primitive(want.value))
            v_put(v, &s->names, v_type_key(want), actual.value);
        return rc;
    case TYPE_DEF_FUNC:
        return match_func(v, now.func, actual.func);
    case TYPE_DEF_COMPONENT:
        return match_component(v, now.component, actual.component);
    case TYPE_DEF_INSTANCE:
        return match_instance(v, now.instance, actual.instance);
    case TYPE_DEF_RESOURCE:
        break;
    }
    return 0;
}

// An instance as an import or export: its types take part in the substitution.
static int match_actual_instance(struct validator *v, struct v_subst *s,
                                 const struct v_instance *want, const struct v_instance *actual)
{
    v_subst_variables(v, s, want->defined);
    return match_exports(v, s, &want->exports, &actual->exports);
}

int v_match(struct validator *v, struct v_subst *s, const struct v_entity *want,
            const struct v_entity *actual)
{
    if (want->sort != actual->sort)
        return v_fail(v, "expected %s, found %s", v_sort_name(want), v_sort_name(actual));
    if (want->sort == SORT_TYPE)
        return match_type(v, s, want->type, actual->type);
    if (want->sort == SORT_INSTANCE)
        return match_actual_instance(v, s, want->instance, actual->instance);
    struct v_entity now = *want;
    int rc = v_subst_entity(v, s, &now);
    if (rc < 0)
        return rc;
    switch (want->sort) {
    case SORT_CORE_MODULE:
        return v_module_subtype(v, now.module, actual->module);
    case SORT_FUNC:
        return match_func(v, now.func, actual->func);
    case SORT_VALUE:
        return match_value(v, now.value, actual->value);
    case SORT_COMPONENT:
        return match_component(v, now.component, actual->component);
    default:
        return v_fail(v, "a %s cannot be an argument", v_sort_name(want));
    }
}

int v_subtype(struct validator *v, const struct v_entity *want, const struct v_entity *actual)
{
    struct v_subst s = {0};
    int rc = v_match(v, &s, want, actual);
    v_subst_done(&s);
    return rc;
}

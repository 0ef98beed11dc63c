// SPDX-License-Identifier: Apache-2.0
// Dynamic values across whole calls, and their equality.
#include "component/value.h"

#include <math.h>

#include "component/canon_place.h"
#include "component/value_place.h"

bool type_is_bytes(const struct type *t)
{
    return t->kind == TYPE_LIST && t->element->kind == TYPE_U8;
}

// ---- equality -----------------------------------------------------------------------------------

static bool f32_equal(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static bool f64_equal(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static bool elements_equal(const struct type *element, const struct value *a, const struct value *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!value_equal(element, &a->items[i], &b->items[i]))
            return false;
    return true;
}

static bool entries_equal(const struct type *t, const struct value *a, const struct value *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!value_equal(t->element, &a->items[i].items[0], &b->items[i].items[0]) ||
            !value_equal(t->error, &a->items[i].items[1], &b->items[i].items[1]))
            return false;
    return true;
}

static bool fields_equal(const struct type *t, const struct value *a, const struct value *b)
{
    for (uint32_t i = 0; i < t->field_count; i++)
        if (!value_equal(t->fields[i].type, &a->items[i], &b->items[i]))
            return false;
    return true;
}

static bool cases_equal(const struct type *t, const struct value *a, const struct value *b)
{
    if (a->index != b->index)
        return false;
    const struct type *payload = type_case(t, a->index);
    return !payload || value_equal(payload, a->payload, b->payload);
}

bool value_equal(const struct type *t, const struct value *a, const struct value *b)
{
    switch (t->kind) {
    case TYPE_BOOL:
        return a->boolean == b->boolean;
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S32:
    case TYPE_S64:
        return a->s64 == b->s64;
    case TYPE_U8:
    case TYPE_U16:
    case TYPE_U32:
    case TYPE_U64:
        return a->u64 == b->u64;
    case TYPE_F32:
        return f32_equal(a->f32, b->f32);
    case TYPE_F64:
        return f64_equal(a->f64, b->f64);
    case TYPE_CHAR:
        return a->c == b->c;
    case TYPE_FLAGS:
        return a->flags == b->flags;
    case TYPE_STRING:
        return str_eq(a->str, b->str);
    case TYPE_LIST:
        return type_is_bytes(t) ? str_eq(a->str, b->str) : elements_equal(t->element, a, b);
    case TYPE_FIXED_LIST:
        return elements_equal(t->element, a, b);
    case TYPE_MAP:
        return entries_equal(t, a, b);
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return fields_equal(t, a, b);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return cases_equal(t, a, b);
    case TYPE_OWN:
    case TYPE_BORROW:
        return a->resource == b->resource && a->rep == b->rep;
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return a->stream == b->stream;
    case TYPE_ERROR_CONTEXT:
        break;
    }
    return false;
}

// ---- single values ------------------------------------------------------------------------------

int value_lower_flat(struct canon_call *call, const struct type *t, const struct value *value,
                     union core_value *flat)
{
    return value_put(call, t, value, (struct place){flat, 0});
}

int value_lift_flat(struct canon_call *call, const struct type *t, union core_value *flat,
                    struct arena *arena, struct value *out)
{
    return value_get(call, t, (struct place){flat, 0}, arena, out);
}

int value_store(struct canon_call *call, const struct type *t, const struct value *value,
                uint32_t ptr)
{
    int rc = canon_check_range(call, ptr, t->layout.size, t->layout.align);
    return rc < 0 ? rc : value_put(call, t, value, (struct place){NULL, ptr});
}

int value_load(struct canon_call *call, const struct type *t, uint32_t ptr, struct arena *arena,
               struct value *out)
{
    int rc = canon_check_range(call, ptr, t->layout.size, t->layout.align);
    return rc < 0 ? rc : value_get(call, t, (struct place){NULL, ptr}, arena, out);
}

// ---- calls --------------------------------------------------------------------------------------

int value_lower_params(struct canon_call *call, const struct func_type *type,
                       const struct value *args, union core_value *flat)
{
    struct call_shape shape;
    struct place at = {flat, 0};
    int rc = call_shape(call, type, false, &shape);
    if (rc == 0 && shape.params_in_memory) {
        at = (struct place){NULL, 0};
        rc = canon_alloc(call, shape.size, shape.align, &at.ptr);
        if (rc == 0)
            flat[0].u64 = at.ptr;
    }
    struct member_cursor cursor = {0};
    for (uint32_t i = 0; rc == 0 && i < type->param_count; i++) {
        const struct type *t = type->params[i].type;
        rc = value_put(call, t, &args[i], member_place(&cursor, at, t));
    }
    return rc;
}

int value_lift_params(struct canon_call *call, const struct func_type *type, union core_value *flat,
                      struct arena *arena, struct value *args)
{
    struct call_shape shape;
    struct place at = {flat, 0};
    int rc = call_shape(call, type, call->is_async, &shape);
    if (rc == 0 && shape.params_in_memory) {
        at = (struct place){NULL, flat[0].u32};
        rc = canon_check_range(call, at.ptr, shape.size, shape.align);
    }
    struct member_cursor cursor = {0};
    for (uint32_t i = 0; rc == 0 && i < type->param_count; i++) {
        const struct type *t = type->params[i].type;
        rc = value_get(call, t, member_place(&cursor, at, t), arena, &args[i]);
    }
    return rc;
}

int value_lift_result(struct canon_call *call, const struct func_type *type, union core_value *flat,
                      struct arena *arena, struct value *result)
{
    if (!type->result)
        return 0;
    // task.return takes as many values as a function has parameters.
    if (type->result->layout.flat_count > (call->is_async ? TYPE_FLAT_MAX : 1))
        return value_load(call, type->result, flat[0].u32, arena, result);
    return value_lift_flat(call, type->result, flat, arena, result);
}

int value_lower_result(struct canon_call *call, const struct func_type *type,
                       const struct value *result, union core_value *flat)
{
    struct call_shape shape;
    int rc = call_shape(call, type, call->is_async, &shape);
    if (rc < 0 || !type->result)
        return rc;
    if (shape.result_in_memory)
        return value_store(call, type->result, result, flat[shape.flat_params].u32);
    return value_lower_flat(call, type->result, result, flat);
}

int value_call(struct canon_call *call, const void *func, const struct func_type *type,
               const struct value *args, struct arena *arena, struct value *result)
{
    union core_value flat[TYPE_FLAT_MAX] = {0};
    int rc = value_lower_params(call, type, args, flat);
    if (rc == 0)
        rc = call->ops->invoke(call, func, flat);
    if (rc >= 0)
        rc = canon_check_borrows(call);
    if (rc == 0)
        rc = value_lift_result(call, type, flat, arena, result);
    if (rc == 0 && call->ops->post_return) {
        bool may_leave = call->may_leave;
        call->may_leave = false;
        rc = call->ops->post_return(call, func, flat);
        call->may_leave = may_leave;
    }
    canon_call_end(call);
    return rc < 0 ? rc : 0;
}

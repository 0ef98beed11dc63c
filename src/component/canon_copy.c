// SPDX-License-Identifier: Apache-2.0
#include "component/canon_copy.h"

#include "component/canon_place.h"
#include "component/canon_text.h"
#include "component/error_context.h"
#include "component/stream.h"

struct copy {
    struct canon_call *from;
    struct canon_call *to;
    bool shared; // both have the same memory
};

static struct copy copy_between(struct canon_call *from, struct canon_call *to)
{
    bool shared = from->memory && from->memory_size > 0 && from->memory == to->memory;
    return (struct copy){from, to, shared};
}

// The destination's realloc ran: a memory that both share may have moved.
static void after_realloc(struct copy *copy)
{
    if (copy->shared) {
        copy->from->memory = copy->to->memory;
        copy->from->memory_size = copy->to->memory_size;
    }
}

// Recursion is bounded by TYPE_DEPTH_MAX.
static int copy_value(struct copy *copy, const struct type *t, struct place from, struct place to);

static int copy_string(struct copy *copy, struct place from, struct place to)
{
    uint32_t ptr = (uint32_t)place_load(copy->from, from, 4);
    uint32_t len = (uint32_t)place_load(copy->from, place_part(from, 1, 4), 4), at = 0;
    struct text text = {0};
    struct text_measure measure = {0};
    struct text_target target = {0};
    int rc = text_view(copy->from, ptr, len, &text);
    // In one memory the callee's realloc could change the text after it was measured.
    bool is_kept = unlikely(copy->from->memory == copy->to->memory);
    if (rc == 0 && is_kept)
        rc = text_keep(copy->from, &text);
    if (rc == 0)
        rc = text_measure(copy->from, &text, &measure);
    if (rc == 0)
        rc = text_target(copy->to, &measure, &target);
    if (rc == 0)
        rc = canon_alloc(copy->to, target.bytes, target.align, &at);
    if (rc < 0)
        return rc;
    after_realloc(copy);
    if (target.bytes > 0) {
        if (!is_kept)
            text.data = copy->from->memory + ptr;
        text_encode(&text, target.form, copy->to->memory + at);
    }
    place_store(copy->to, to, 4, at);
    place_store(copy->to, place_part(to, 1, 4), 4, target.len);
    return 0;
}

// `count` elements in a row, both sides checked. Views are taken anew: elements may allocate.
static int copy_elements(struct copy *copy, const struct type *element, uint32_t count,
                         struct place from, struct place to)
{
    const struct type_layout *layout = &element->layout;
    if (layout->is_plain && !layout->has_padding && !from.flat && !to.flat) {
        size_t size = (size_t)count * layout->size;
        if (size > 0)
            memmove(copy->to->memory + to.ptr, copy->from->memory + from.ptr, size);
        return 0;
    }
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = copy_value(copy, element, place_part(from, i * layout->flat_count, i * layout->size),
                        place_part(to, i * layout->flat_count, i * layout->size));
    return rc;
}

static int copy_list(struct copy *copy, const struct type *element, struct place from,
                     struct place to)
{
    uint32_t ptr = (uint32_t)place_load(copy->from, from, 4);
    uint32_t count = (uint32_t)place_load(copy->from, place_part(from, 1, 4), 4), at = 0;
    int rc = place_check_list(copy->from, element, ptr, count);
    if (rc == 0)
        rc = place_alloc_list(copy->to, element, count, &at);
    if (rc < 0)
        return rc;
    after_realloc(copy);
    rc = copy_elements(copy, element, count, (struct place){NULL, ptr}, (struct place){NULL, at});
    if (rc < 0)
        return rc;
    place_store(copy->to, to, 4, at);
    place_store(copy->to, place_part(to, 1, 4), 4, count);
    return 0;
}

static int copy_map(struct copy *copy, const struct type *t, struct place from, struct place to)
{
    struct type_field entry[] = {{.type = t->element}, {.type = t->error}};
    struct type tuple = {.kind = TYPE_TUPLE, .fields = entry, .field_count = 2};
    if (type_compute_layout(&tuple) < 0)
        return canon_trap(copy->from, "entries of a map are too large");
    return copy_list(copy, &tuple, from, to);
}

static int copy_fields(struct copy *copy, const struct type_field *fields, uint32_t count,
                       struct place from, struct place to)
{
    struct member_cursor source = {0}, target = {0};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const struct type *t = fields[i].type;
        rc = copy_value(copy, t, member_place(&source, from, t), member_place(&target, to, t));
    }
    return rc;
}

static int copy_variant(struct copy *copy, const struct type *t, struct place from, struct place to)
{
    uint32_t index = 0;
    int rc = place_load_case(copy->from, t, from, &index);
    if (rc < 0)
        return rc;
    place_store_case(copy->to, t, to, index);
    const struct type *payload = type_case(t, index);
    if (!payload)
        return 0;
    return copy_value(copy, payload, payload_place(t, from), payload_place(t, to));
}

static int copy_handle(struct copy *copy, const struct type *t, struct place from, struct place to)
{
    struct canon_resource resource = place_resource(copy->from, t->resource);
    uint32_t index = (uint32_t)place_load(copy->from, from, 4), out = 0;
    int rc = t->kind == TYPE_OWN
                 ? canon_transfer_own(copy->from, copy->to, resource.type, index, &out)
                 : canon_transfer_borrow(copy->from, copy->to, &resource, index, &out);
    if (rc == 0)
        place_store(copy->to, to, 4, out);
    return rc;
}

static int copy_stream(struct copy *copy, const struct type *t, struct place from, struct place to)
{
    uint32_t index = (uint32_t)place_load(copy->from, from, 4), out = 0;
    struct stream *stream;
    int rc = canon_lift_stream(copy->from, index, t->kind == TYPE_FUTURE, t->element, &stream);
    if (rc == 0)
        rc = canon_lower_stream(copy->to, stream, &out);
    if (rc == 0)
        place_store(copy->to, to, 4, out);
    return rc;
}

static int copy_error_context(struct copy *copy, struct place from, struct place to)
{
    uint32_t index = (uint32_t)place_load(copy->from, from, 4), out = 0;
    struct error_context *context;
    int rc = canon_lift_error_context(copy->from, index, &context);
    if (rc == 0)
        rc = canon_lower_error_context(copy->to, context, &out);
    if (rc == 0)
        place_store(copy->to, to, 4, out);
    return rc;
}

static int copy_char(struct copy *copy, struct place from, struct place to)
{
    uint32_t value = 0;
    int rc = canon_lift_char(copy->from, (uint32_t)place_load(copy->from, from, 4), &value);
    if (rc == 0)
        place_store(copy->to, to, 4, value);
    return rc;
}

static int copy_value(struct copy *copy, const struct type *t, struct place from, struct place to)
{
    uint32_t size = t->layout.size;
    uint64_t bits;
    switch (t->kind) {
    case TYPE_BOOL:
    case TYPE_S8:
    case TYPE_U8:
    case TYPE_S16:
    case TYPE_U16:
    case TYPE_S32:
    case TYPE_U32:
    case TYPE_S64:
    case TYPE_U64:
    case TYPE_F32:
    case TYPE_F64:
        bits = scalar_canonical(t->kind, place_load(copy->from, from, size));
        place_store(copy->to, to, size, bits);
        return 0;
    case TYPE_FLAGS:
        bits = flags_canonical(t, place_load(copy->from, from, size));
        place_store(copy->to, to, size, bits);
        return 0;
    case TYPE_CHAR:
        return copy_char(copy, from, to);
    case TYPE_STRING:
        return copy_string(copy, from, to);
    case TYPE_LIST:
        return copy_list(copy, t->element, from, to);
    case TYPE_MAP:
        return copy_map(copy, t, from, to);
    case TYPE_FIXED_LIST:
        return copy_elements(copy, t->element, t->length, from, to);
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return copy_fields(copy, t->fields, t->field_count, from, to);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return copy_variant(copy, t, from, to);
    case TYPE_OWN:
    case TYPE_BORROW:
        return copy_handle(copy, t, from, to);
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return copy_stream(copy, t, from, to);
    case TYPE_ERROR_CONTEXT:
        return copy_error_context(copy, from, to);
    }
    return canon_trap(copy->from, "a value of an unknown type");
}

int canon_copy_elements(const struct type *element, uint32_t count, struct canon_call *from,
                        uint32_t from_ptr, struct canon_call *to, uint32_t to_ptr)
{
    struct copy copy = copy_between(from, to);
    return copy_elements(&copy, element, count, (struct place){NULL, from_ptr},
                         (struct place){NULL, to_ptr});
}

static inline bool is_scalar(const struct type *t)
{
    switch ((int)t->kind) {
    case TYPE_BOOL:
    case TYPE_S8:
    case TYPE_U8:
    case TYPE_S16:
    case TYPE_U16:
    case TYPE_S32:
    case TYPE_U32:
    case TYPE_S64:
    case TYPE_U64:
    case TYPE_F32:
    case TYPE_F64:
        return true;
    }
    return false;
}

static inline void copy_scalar(const struct type *t, const union core_value *from,
                               union core_value *to)
{
    to->u64 = scalar_canonical(t->kind, t->layout.size == 8 ? from->u64 : from->u32);
}

// The short way of calls that pass a few scalars, which are flat on both sides. False: not so.
static bool copy_scalars(const struct func_type *type, const union core_value *args,
                         union core_value *flat)
{
    if (type->param_count > FLAT_ASYNC_PARAMS_MAX)
        return false;
    for (uint32_t i = 0; i < type->param_count; i++) {
        if (!is_scalar(type->params[i].type))
            return false;
        copy_scalar(type->params[i].type, &args[i], &flat[i]);
    }
    return true;
}

int canon_copy_params(const struct func_type *type, struct canon_call *caller,
                      struct canon_call *callee, const union core_value *args,
                      union core_value *flat)
{
    if (copy_scalars(type, args, flat))
        return 0;
    struct copy copy = copy_between(caller, callee);
    struct call_shape shape, callee_shape;
    int rc = call_shape(caller, type, caller->is_async, &shape);
    if (unlikely(rc < 0))
        return rc;
    callee_shape = shape;
    if (caller->is_async)
        rc = call_shape(caller, type, false, &callee_shape);
    if (unlikely(rc < 0))
        return rc;
    // Reading through a place never writes.
    struct place from = {(union core_value *)args, 0}, to = {flat, 0};
    if (shape.params_in_memory) {
        from = (struct place){NULL, args[0].u32};
        rc = canon_check_range(caller, from.ptr, shape.size, shape.align);
        if (rc < 0)
            return rc;
    }
    if (callee_shape.params_in_memory) {
        to = (struct place){NULL, 0};
        rc = canon_alloc(callee, shape.size, shape.align, &to.ptr);
        if (rc < 0)
            return rc;
        after_realloc(&copy);
        flat[0].u64 = to.ptr;
    }
    return copy_fields(&copy, type->params, type->param_count, from, to);
}

int canon_copy_result(const struct func_type *type, struct canon_call *callee,
                      struct canon_call *caller, const union core_value *flat,
                      union core_value *args)
{
    struct copy copy = copy_between(callee, caller);
    struct call_shape shape;
    int rc = canon_check_borrows(callee);
    if (rc < 0 || !type->result)
        return rc;
    if (!caller->is_async && is_scalar(type->result)) {
        copy_scalar(type->result, flat, args);
        return 0;
    }
    rc = call_shape(caller, type, caller->is_async, &shape);
    if (unlikely(rc < 0))
        return rc;
    const struct type_layout *layout = &type->result->layout;
    // task.return takes as many values as a function has parameters.
    bool from_memory = layout->flat_count > (callee->is_async ? TYPE_FLAT_MAX : 1);
    struct place from = {(union core_value *)flat, 0}, to = {args, 0};
    if (from_memory) {
        from = (struct place){NULL, flat[0].u32};
        rc = canon_check_range(callee, from.ptr, layout->size, layout->align);
    }
    if (rc == 0 && shape.result_in_memory) {
        to = (struct place){NULL, args[shape.flat_params].u32};
        rc = canon_check_range(caller, to.ptr, layout->size, layout->align);
    }
    return rc < 0 ? rc : copy_value(&copy, type->result, from, to);
}

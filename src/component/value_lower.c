// SPDX-License-Identifier: Apache-2.0
#include "component/stream.h"
#include "component/value_place.h"

// Two words: the pointer and length of a string or list.
static void put_slice(struct canon_call *call, struct place at, uint32_t ptr, uint32_t len)
{
    place_store(call, at, 4, ptr);
    place_store(call, place_part(at, 1, 4), 4, len);
}

static int put_string(struct canon_call *call, struct str text, struct place at)
{
    uint32_t ptr = 0, len = 0;
    int rc = canon_lower_string(call, text, &ptr, &len);
    if (rc == 0)
        put_slice(call, at, ptr, len);
    return rc;
}

static int put_bytes(struct canon_call *call, struct str bytes, struct place at)
{
    uint32_t ptr = 0, len = 0;
    int rc = canon_lower_bytes(call, bytes.data, bytes.len, 1, 1, &ptr, &len);
    if (rc == 0)
        put_slice(call, at, ptr, len);
    return rc;
}

static int put_elements(struct canon_call *call, const struct type *element,
                        const struct value *value, struct place at)
{
    const struct type_layout *layout = &element->layout;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < value->count; i++)
        rc = value_put(call, element, &value->items[i],
                       place_part(at, i * layout->flat_count, i * layout->size));
    return rc;
}

static int put_list(struct canon_call *call, const struct type *element, const struct value *value,
                    struct place at)
{
    uint32_t ptr = 0;
    int rc = place_alloc_list(call, element, value->count, &ptr);
    if (rc == 0)
        rc = put_elements(call, element, value, (struct place){NULL, ptr});
    if (rc == 0)
        put_slice(call, at, ptr, value->count);
    return rc;
}

static int put_map(struct canon_call *call, const struct type *t, const struct value *value,
                   struct place at)
{
    struct type_field entry[] = {{.type = t->element}, {.type = t->error}};
    struct type tuple = {.kind = TYPE_TUPLE, .fields = entry, .field_count = 2};
    if (type_compute_layout(&tuple) < 0)
        return canon_trap(call, "entries of a map are too large");
    return put_list(call, &tuple, value, at);
}

static int put_fields(struct canon_call *call, const struct type *t, const struct value *value,
                      struct place at)
{
    struct member_cursor cursor = {0};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        const struct type *field = t->fields[i].type;
        rc = value_put(call, field, &value->items[i], member_place(&cursor, at, field));
    }
    return rc;
}

static int put_variant(struct canon_call *call, const struct type *t, const struct value *value,
                       struct place at)
{
    if (value->index >= type_case_count(t))
        return canon_trap(call, "case %u of a type with %u cases", value->index,
                          type_case_count(t));
    place_store_case(call, t, at, value->index);
    const struct type *payload = type_case(t, value->index);
    return payload ? value_put(call, payload, value->payload, payload_place(t, at)) : 0;
}

static int put_handle(struct canon_call *call, const struct type *t, const struct value *value,
                      struct place at)
{
    struct canon_resource resource = place_resource(call, t->resource);
    uint32_t rep = (uint32_t)(uintptr_t)value->rep, handle = 0;
    bool of_guest = resource.definer != CANON_DEFINER_HOST;
    int rc = 0;
    if (value->resource != resource.type)
        return canon_trap(call, "a value of another resource type where `%.*s` is wanted",
                          STR_ARG(t->resource->name));
    if (t->kind == TYPE_OWN)
        rc = of_guest ? canon_resource_new(call, resource.type, rep, &handle)
                      : canon_lower_own(call, resource.type, value->rep, &handle);
    else if (of_guest && resource.definer == call->component_instance)
        handle = rep;
    else
        rc = canon_lower_borrow(call, resource.type, value->rep, &handle);
    if (rc == 0)
        place_store(call, at, 4, handle);
    return rc;
}

static int put_scalar(struct canon_call *call, const struct type *t, uint64_t bits, struct place at)
{
    place_store(call, at, t->layout.size, scalar_canonical(t->kind, bits));
    return 0;
}

static uint64_t f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static int put_stream(struct canon_call *call, const struct value *value, struct place at)
{
    uint32_t index = 0;
    int rc = canon_lower_stream(call, value->stream, &index);
    if (rc == 0)
        place_store(call, at, 4, index);
    return rc;
}

int value_put(struct canon_call *call, const struct type *t, const struct value *value,
              struct place at)
{
    switch (t->kind) {
    case TYPE_BOOL:
        return put_scalar(call, t, value->boolean, at);
    case TYPE_S32:
        return put_scalar(call, t, (uint32_t)value->s64, at);
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S64:
    case TYPE_U8:
    case TYPE_U16:
    case TYPE_U32:
    case TYPE_U64:
    case TYPE_F64:
        return put_scalar(call, t, value->u64, at);
    case TYPE_F32:
        return put_scalar(call, t, f32_bits(value->f32), at);
    case TYPE_CHAR:
        return put_scalar(call, t, value->c, at);
    case TYPE_FLAGS:
        return put_scalar(call, t, flags_canonical(t, value->flags), at);
    case TYPE_STRING:
        return put_string(call, value->str, at);
    case TYPE_LIST:
        return type_is_bytes(t) ? put_bytes(call, value->str, at)
                                : put_list(call, t->element, value, at);
    case TYPE_MAP:
        return put_map(call, t, value, at);
    case TYPE_FIXED_LIST:
        return put_elements(call, t->element, value, at);
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return put_fields(call, t, value, at);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return put_variant(call, t, value, at);
    case TYPE_OWN:
    case TYPE_BORROW:
        return put_handle(call, t, value, at);
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return put_stream(call, value, at);
    case TYPE_ERROR_CONTEXT:
        break;
    }
    return canon_trap(call, "error contexts have no dynamic value");
}

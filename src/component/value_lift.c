// SPDX-License-Identifier: Apache-2.0
#include "component/error_context.h"
#include "component/stream.h"
#include "component/value_place.h"

// Room for `count` values; a guest chooses the number, the arena's limit bounds it.
static int get_room(struct canon_call *call, struct arena *arena, uint32_t count,
                    struct value **items)
{
    *items = NULL;
    if (count == 0)
        return 0;
    *items = arena_try_alloc(arena, (size_t)count * sizeof(**items));
    return *items ? 0 : canon_trap(call, "%u values are more than there is room for", count);
}

static int get_string(struct canon_call *call, struct place at, struct arena *arena,
                      struct value *out)
{
    struct str text = STR_EMPTY;
    uint32_t ptr = (uint32_t)place_load(call, at, 4);
    uint32_t len = (uint32_t)place_load(call, place_part(at, 1, 4), 4);
    int rc = canon_lift_string(call, ptr, len, &text);
    if (rc < 0)
        return rc;
    char *copy = arena_try_alloc(arena, text.len + 1);
    if (!copy)
        return canon_trap(call, "no room for a string of %zu bytes", text.len);
    memcpy(copy, text.data, text.len);
    out->str = str_of(copy, text.len);
    return 0;
}

static int get_bytes(struct canon_call *call, struct place at, struct arena *arena,
                     struct value *out)
{
    const void *data = NULL;
    uint32_t ptr = (uint32_t)place_load(call, at, 4);
    uint32_t len = (uint32_t)place_load(call, place_part(at, 1, 4), 4);
    int rc = canon_view(call, ptr, len, 1, 1, &data);
    if (rc < 0)
        return rc;
    char *copy = arena_try_alloc(arena, (size_t)len + 1);
    if (!copy)
        return canon_trap(call, "no room for a list of %u bytes", len);
    memcpy(copy, data, len);
    out->str = str_of(copy, len);
    return 0;
}

static int get_elements(struct canon_call *call, const struct type *element, uint32_t count,
                        struct place at, struct arena *arena, struct value *out)
{
    const struct type_layout *layout = &element->layout;
    struct value *items = NULL;
    int rc = get_room(call, arena, count, &items);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = value_get(call, element, place_part(at, i * layout->flat_count, i * layout->size),
                       arena, &items[i]);
    out->items = items;
    out->count = count;
    return rc;
}

static int get_list(struct canon_call *call, const struct type *element, struct place at,
                    struct arena *arena, struct value *out)
{
    uint32_t ptr = (uint32_t)place_load(call, at, 4);
    uint32_t count = (uint32_t)place_load(call, place_part(at, 1, 4), 4);
    int rc = place_check_list(call, element, ptr, count);
    if (rc < 0)
        return rc;
    return get_elements(call, element, count, (struct place){NULL, ptr}, arena, out);
}

static int get_map(struct canon_call *call, const struct type *t, struct place at,
                   struct arena *arena, struct value *out)
{
    struct type_field entry[] = {{.type = t->element}, {.type = t->error}};
    struct type tuple = {.kind = TYPE_TUPLE, .fields = entry, .field_count = 2};
    if (type_compute_layout(&tuple) < 0)
        return canon_trap(call, "entries of a map are too large");
    return get_list(call, &tuple, at, arena, out);
}

static int get_fields(struct canon_call *call, const struct type *t, struct place at,
                      struct arena *arena, struct value *out)
{
    struct member_cursor cursor = {0};
    struct value *items = NULL;
    int rc = get_room(call, arena, t->field_count, &items);
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        const struct type *field = t->fields[i].type;
        rc = value_get(call, field, member_place(&cursor, at, field), arena, &items[i]);
    }
    out->items = items;
    out->count = t->field_count;
    return rc;
}

static int get_variant(struct canon_call *call, const struct type *t, struct place at,
                       struct arena *arena, struct value *out)
{
    uint32_t index = 0;
    struct value *inner = NULL;
    int rc = place_load_case(call, t, at, &index);
    if (rc < 0)
        return rc;
    const struct type *payload = type_case(t, index);
    if (payload)
        rc = get_room(call, arena, 1, &inner);
    if (payload && rc == 0)
        rc = value_get(call, payload, payload_place(t, at), arena, inner);
    out->payload = inner;
    out->index = index;
    return rc;
}

static int get_handle(struct canon_call *call, const struct type *t, struct place at,
                      struct value *out)
{
    struct canon_resource resource = place_resource(call, t->resource);
    uint32_t handle = (uint32_t)place_load(call, at, 4);
    void *rep = NULL;
    int rc = t->kind == TYPE_OWN ? canon_lift_own(call, handle, resource.type, &rep)
                                 : canon_lift_borrow(call, handle, resource.type, &rep);
    if (rc < 0)
        return rc;
    if (resource.definer != CANON_DEFINER_HOST) // only the low half is the component's
        rep = (void *)(uintptr_t)(uint32_t)(uintptr_t)rep;
    out->resource = resource.type;
    out->rep = rep;
    return 0;
}

static int get_scalar(struct canon_call *call, const struct type *t, struct place at,
                      struct value *out)
{
    uint64_t bits = scalar_canonical(t->kind, place_load(call, at, t->layout.size));
    uint32_t low = (uint32_t)bits;
    switch ((int)t->kind) {
    case TYPE_BOOL:
        out->boolean = bits != 0;
        break;
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S32:
        out->s64 = (int32_t)low;
        break;
    case TYPE_F32:
        memcpy(&out->f32, &low, sizeof(low));
        break;
    case TYPE_CHAR:
        return canon_lift_char(call, low, &out->c);
    case TYPE_FLAGS:
        out->flags = (uint32_t)flags_canonical(t, bits);
        break;
    default: // 64 bits, or narrow unsigned integers
        out->u64 = bits;
    }
    return 0;
}

// What the guest must not pass on is its fault.
static int refuse_error_context(struct canon_call *call, struct place at)
{
    struct error_context *context;
    int rc = canon_lift_error_context(call, (uint32_t)place_load(call, at, 4), &context);
    if (rc < 0)
        return rc;
    error_context_unref(context);
    return canon_trap(call, "error contexts have no dynamic value");
}

int value_get(struct canon_call *call, const struct type *t, struct place at, struct arena *arena,
              struct value *out)
{
    *out = (struct value){0};
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
    case TYPE_CHAR:
    case TYPE_FLAGS:
        return get_scalar(call, t, at, out);
    case TYPE_STRING:
        return get_string(call, at, arena, out);
    case TYPE_LIST:
        return type_is_bytes(t) ? get_bytes(call, at, arena, out)
                                : get_list(call, t->element, at, arena, out);
    case TYPE_MAP:
        return get_map(call, t, at, arena, out);
    case TYPE_FIXED_LIST:
        return get_elements(call, t->element, t->length, at, arena, out);
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return get_fields(call, t, at, arena, out);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return get_variant(call, t, at, arena, out);
    case TYPE_OWN:
    case TYPE_BORROW:
        return get_handle(call, t, at, out);
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return canon_lift_stream(call, (uint32_t)place_load(call, at, 4), t->kind == TYPE_FUTURE,
                                 t->element, &out->stream);
    case TYPE_ERROR_CONTEXT:
        break;
    }
    return refuse_error_context(call, at);
}

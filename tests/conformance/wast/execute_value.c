// SPDX-License-Identifier: Apache-2.0
#include "execute_value.h"

#include <errno.h>

#include "base/utf8.h"

struct reading {
    struct arena *arena;
    struct error *err;
};

static const char *const notations[TYPE_KIND_COUNT] = {
    [TYPE_BOOL] = "bool",     [TYPE_S8] = "s8",           [TYPE_U8] = "u8",
    [TYPE_S16] = "s16",       [TYPE_U16] = "u16",         [TYPE_S32] = "s32",
    [TYPE_U32] = "u32",       [TYPE_S64] = "s64",         [TYPE_U64] = "u64",
    [TYPE_F32] = "f32",       [TYPE_F64] = "f64",         [TYPE_CHAR] = "char",
    [TYPE_STRING] = "string", [TYPE_LIST] = "list",       [TYPE_FIXED_LIST] = "list",
    [TYPE_MAP] = "list",      [TYPE_RECORD] = "record",   [TYPE_TUPLE] = "tuple",
    [TYPE_ENUM] = "enum",     [TYPE_VARIANT] = "variant", [TYPE_OPTION] = "option",
    [TYPE_RESULT] = "result", [TYPE_FLAGS] = "flags",
};

static int read_value(struct reading *r, const json_t *json, const struct type *t,
                      struct value *out);

static int malformed(struct reading *r, const json_t *json, const struct type *t)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    struct str type = type_to_text(t, r->arena);
    error_set(r->err, -EINVAL, "%s is no %.*s", text ? text : "nothing", STR_ARG(type));
    free(text);
    return -EINVAL;
}

static struct str text_of(const json_t *json)
{
    return str_of(json_string_value(json), json_string_length(json));
}

// A decimal number in a string; two's complement in *out.
static int read_number(struct reading *r, const json_t *json, const struct type *t, uint64_t *out)
{
    struct str text = text_of(json);
    bool is_negative = str_starts(text, STR("-"));
    uint64_t number = 0;
    if (str_to_u64(str_from_index(text, is_negative), UINT64_MAX, &number) < 0)
        return malformed(r, json, t);
    *out = is_negative ? 0 - number : number;
    return 0;
}

static int read_scalar(struct reading *r, const json_t *json, const struct type *t,
                       struct value *out)
{
    uint64_t bits = 0;
    int rc = read_number(r, json, t, &bits);
    uint32_t half = (uint32_t)bits;
    if (t->kind == TYPE_F32)
        memcpy(&out->f32, &half, sizeof(half));
    else
        out->u64 = bits; // s64 and the bits of f64 share its place
    return rc;
}

static int read_char(struct reading *r, const json_t *json, const struct type *t, struct value *out)
{
    struct str text = text_of(json);
    size_t at = 0;
    int32_t scalar = text.len > 0 ? utf8_decode(text, &at) : -1;
    if (scalar < 0 || at != text.len)
        return malformed(r, json, t);
    out->c = (uint32_t)scalar;
    return 0;
}

static int read_bytes(struct reading *r, const json_t *json, const struct type *t,
                      struct value *out)
{
    size_t count = json_array_size(json);
    char *bytes = arena_new_array(r->arena, char, count);
    for (size_t i = 0; i < count; i++) {
        struct value element;
        int rc = read_value(r, json_array_get(json, i), t->element, &element);
        if (rc < 0)
            return rc;
        bytes[i] = (char)element.u64;
    }
    out->str = str_of(bytes, count);
    return 0;
}

static int read_list(struct reading *r, const json_t *json, const struct type *t, struct value *out)
{
    if (!json_is_array(json))
        return malformed(r, json, t);
    if (type_is_bytes(t))
        return read_bytes(r, json, t, out);
    const struct type_field entry[] = {{.type = t->element}, {.type = t->error}};
    const struct type tuple = {.kind = TYPE_TUPLE, .fields = entry, .field_count = 2};
    const struct type *element = t->kind == TYPE_MAP ? &tuple : t->element;
    size_t count = json_array_size(json);
    if (t->kind == TYPE_FIXED_LIST && count != t->length)
        return malformed(r, json, t);
    struct value *items = arena_new_array(r->arena, struct value, count);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_value(r, json_array_get(json, i), element, &items[i]);
    out->items = items;
    out->count = (uint32_t)count;
    return rc;
}

// A record's members are [name, value] pairs, a tuple's values.
static int read_fields(struct reading *r, const json_t *json, const struct type *t,
                       struct value *out)
{
    if (json_array_size(json) != t->field_count)
        return malformed(r, json, t);
    out->items = arena_new_array(r->arena, struct value, t->field_count);
    out->count = t->field_count;
    int rc = 0;
    for (uint32_t i = 0; i < t->field_count && rc == 0; i++) {
        const json_t *member = json_array_get(json, i);
        if (t->kind == TYPE_RECORD) {
            if (!str_eq(text_of(json_array_get(member, 0)), t->fields[i].name))
                return malformed(r, json, t);
            member = json_array_get(member, 1);
        }
        rc = read_value(r, member, t->fields[i].type, &out->items[i]);
    }
    return rc;
}

static int find_field(const struct type *t, struct str name, uint32_t *out)
{
    for (uint32_t i = 0; i < t->field_count; i++) {
        if (!str_eq(t->fields[i].name, name))
            continue;
        *out = i;
        return 0;
    }
    return -ENOENT;
}

static int read_flags(struct reading *r, const json_t *json, const struct type *t,
                      struct value *out)
{
    out->flags = 0;
    for (size_t i = 0; i < json_array_size(json); i++) {
        uint32_t flag = 0;
        if (find_field(t, text_of(json_array_get(json, i)), &flag) < 0)
            return malformed(r, json, t);
        out->flags |= UINT32_C(1) << flag;
    }
    return 0;
}

// The case and what it holds (NULL: nothing) in the four notations of variants.
static int find_case(const json_t *json, const struct type *t, uint32_t *index,
                     const json_t **payload)
{
    *payload = NULL;
    switch (t->kind) {
    case TYPE_OPTION:
        *index = !json_is_null(json);
        *payload = json;
        return 0;
    case TYPE_RESULT:
        *index = json_object_get(json, "Err") != NULL;
        *payload = json_object_get(json, *index ? "Err" : "Ok");
        return *payload ? 0 : -EINVAL;
    case TYPE_ENUM:
        return find_field(t, text_of(json), index);
    default:
        *payload = json_object_get(json, "payload");
        return find_field(t, text_of(json_object_get(json, "case")), index);
    }
}

static int read_variant(struct reading *r, const json_t *json, const struct type *t,
                        struct value *out)
{
    const json_t *payload = NULL;
    uint32_t index = 0;
    if (find_case(json, t, &index, &payload) < 0)
        return malformed(r, json, t);
    out->index = index;
    out->payload = NULL;
    const struct type *type = type_case(t, index);
    if (!type)
        return 0;
    if (!payload || json_is_null(payload))
        return malformed(r, json, t);
    out->payload = arena_new(r->arena, struct value);
    return read_value(r, payload, type, out->payload);
}

static int read_plain(struct reading *r, const json_t *json, const struct type *t,
                      struct value *out)
{
    switch (t->kind) {
    case TYPE_BOOL:
        out->boolean = json_is_true(json);
        return json_is_boolean(json) ? 0 : malformed(r, json, t);
    case TYPE_CHAR:
        return read_char(r, json, t, out);
    case TYPE_STRING:
        out->str = arena_str(r->arena, text_of(json));
        return json_is_string(json) ? 0 : malformed(r, json, t);
    case TYPE_LIST:
    case TYPE_FIXED_LIST:
    case TYPE_MAP:
        return read_list(r, json, t, out);
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return read_fields(r, json, t, out);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return read_variant(r, json, t, out);
    case TYPE_FLAGS:
        return read_flags(r, json, t, out);
    default:
        return read_scalar(r, json, t, out);
    }
}

// Recursion is bounded by TYPE_DEPTH_MAX.
static int read_value(struct reading *r, const json_t *json, const struct type *t,
                      struct value *out)
{
    const char *notation = json_string_value(json_object_get(json, "type"));
    if (!notation || !notations[t->kind] || strcmp(notation, notations[t->kind]) != 0)
        return malformed(r, json, t);
    return read_plain(r, json_object_get(json, "value"), t, out);
}

int json_to_value(const json_t *json, const struct type *t, struct arena *arena, struct value *out,
                  struct error *err)
{
    struct reading r = {arena, err};
    return read_value(&r, json, t, out);
}

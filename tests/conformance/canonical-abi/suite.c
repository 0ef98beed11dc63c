// SPDX-License-Identifier: Apache-2.0
#include "suite.h"

#include <inttypes.h>
#include <math.h>

#include "testing/test.h"

static const char *current_id = "";

const char *suite_id(void)
{
    return current_id;
}

void suite_each(const char *file, void (*run)(json_t *line, struct arena *arena))
{
    const char *folder = getenv("CANONICAL_ABI_VECTORS");
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", folder ? folder : "", file);
    FILE *lines = folder ? fopen(path, "re") : NULL;
    if (!lines) {
        free(TAKE(path)); // a skip jumps over the clean-up
        test_skip("no vectors: CANONICAL_ABI_VECTORS names no folder that has them");
    }
    _cleanup_(mem_freep) char *text = NULL;
    size_t cap = 0, count = 0;
    ssize_t len;
    while ((len = getline(&text, &cap, lines)) > 0) {
        json_error_t error;
        json_t *line = json_loadb(text, (size_t)len, JSON_ALLOW_NUL, &error);
        if (!line)
            test_fail(__FILE__, __LINE__, "%s: %s", path, error.text);
        struct arena arena = ARENA_INIT((size_t)64 << 20);
        current_id = json_string_value(json_object_get(line, "id"));
        run(line, &arena);
        arena_done(&arena);
        json_decref(line);
        count++;
    }
    fclose(lines);
    printf("# %s: %zu vectors\n", file, count);
    CHECK(count > 0);
}

// ---- types --------------------------------------------------------------------------------------

static const char *const primitive_names[] = {"bool", "s8",   "u8",     "s16",          "u16",
                                              "s32",  "u32",  "s64",    "u64",          "f32",
                                              "f64",  "char", "string", "error-context"};

static const struct type *primitive(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(primitive_names); i++)
        if (strcmp(name, primitive_names[i]) == 0)
            return type_primitive((enum type_kind)i);
    test_fail(__FILE__, __LINE__, "%s: unknown type %s", current_id, name);
}

static void set_members(struct type *t, json_t *json, struct arena *arena)
{
    size_t count = json_is_array(json) ? json_array_size(json) : (size_t)json_integer_value(json);
    struct type_field *fields = arena_new_array(arena, struct type_field, count);
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct type_field){STR_EMPTY, suite_type(json_array_get(json, i), arena)};
    t->fields = fields;
    t->field_count = (uint32_t)count;
}

static const struct {
    const char *name;
    enum type_kind kind;
} constructors[] = {
    {"list", TYPE_LIST},       {"record", TYPE_RECORD}, {"tuple", TYPE_TUPLE},
    {"variant", TYPE_VARIANT}, {"enum", TYPE_ENUM},     {"flags", TYPE_FLAGS},
    {"option", TYPE_OPTION},   {"result", TYPE_RESULT}, {"map", TYPE_MAP},
    {"own", TYPE_OWN},         {"borrow", TYPE_BORROW}, {"stream", TYPE_STREAM},
    {"future", TYPE_FUTURE},
};

static void set_parts(struct type *t, json_t *json, json_t *length, struct arena *arena)
{
    static const struct resource_type resource;
    switch ((int)t->kind) {
    case TYPE_RECORD:
    case TYPE_TUPLE:
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_FLAGS:
        set_members(t, json, arena);
        break;
    case TYPE_RESULT:
    case TYPE_MAP:
        t->element = suite_type(json_array_get(json, 0), arena);
        t->error = suite_type(json_array_get(json, 1), arena);
        break;
    case TYPE_OWN:
    case TYPE_BORROW:
        t->resource = &resource;
        break;
    default:
        t->element = suite_type(json, arena);
        if (length) {
            t->kind = TYPE_FIXED_LIST;
            t->length = (uint32_t)json_integer_value(length);
        }
    }
}

const struct type *suite_type(json_t *json, struct arena *arena)
{
    if (!json || json_is_null(json))
        return NULL;
    if (json_is_string(json))
        return primitive(json_string_value(json));
    struct type *t = arena_new(arena, struct type);
    for (size_t i = 0; i < ARRAY_LEN(constructors); i++) {
        json_t *part = json_object_get(json, constructors[i].name);
        if (!part)
            continue;
        t->kind = constructors[i].kind;
        set_parts(t, part, json_object_get(json, "len"), arena);
        if (type_compute_layout(t) < 0)
            test_fail(__FILE__, __LINE__, "%s: no layout", current_id);
        return t;
    }
    test_fail(__FILE__, __LINE__, "%s: unknown type", current_id);
}

enum string_encoding suite_encoding(json_t *line, const char *key)
{
    const char *name = json_string_value(json_object_get(line, key));
    return strcmp(name, "utf8") == 0    ? ENCODING_UTF8
           : strcmp(name, "utf16") == 0 ? ENCODING_UTF16
                                        : ENCODING_LATIN1_UTF16;
}

// ---- values -------------------------------------------------------------------------------------

static uint64_t number(json_t *json, int base)
{
    const char *text = json_string_value(json);
    return text[0] == '-' ? (uint64_t)strtoll(text, NULL, base) : strtoull(text, NULL, base);
}

static struct value sequence(json_t *json, const struct type *t, struct arena *arena)
{
    size_t count = json_array_size(json);
    struct value *items = arena_new_array(arena, struct value, count + 1);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(json, i);
        if (t->kind == TYPE_MAP) {
            items[i].items = arena_new_array(arena, struct value, 2);
            items[i].items[0] = suite_value(json_array_get(item, 0), t->element, arena);
            items[i].items[1] = suite_value(json_array_get(item, 1), t->error, arena);
            items[i].count = 2;
        } else {
            items[i] = suite_value(item, t->element ? t->element : t->fields[i].type, arena);
        }
    }
    return (struct value){.items = items, .count = (uint32_t)count};
}

static struct value bytes(json_t *json, struct arena *arena)
{
    size_t count = json_array_size(json);
    char *data = arena_alloc(arena, count + 1);
    for (size_t i = 0; i < count; i++)
        data[i] = (char)number(json_array_get(json, i), 10);
    return (struct value){.str = str_of(data, count)};
}

static struct value variant(uint32_t index, json_t *payload, const struct type *t,
                            struct arena *arena)
{
    struct value value = {.index = index};
    if (type_case(t, index)) {
        value.payload = arena_new(arena, struct value);
        *value.payload = suite_value(payload, type_case(t, index), arena);
    }
    return value;
}

static struct value scalar(json_t *json, const struct type *t)
{
    struct value value = {0};
    uint32_t bits;
    switch ((int)t->kind) {
    case TYPE_BOOL:
        value.boolean = json_is_true(json);
        break;
    case TYPE_CHAR:
        value.c = (uint32_t)json_integer_value(json);
        break;
    case TYPE_F32:
        bits = (uint32_t)number(json, 16);
        memcpy(&value.f32, &bits, sizeof(bits));
        break;
    case TYPE_FLAGS:
        for (size_t i = 0; i < json_array_size(json); i++)
            value.flags |= UINT32_C(1) << json_integer_value(json_array_get(json, i));
        break;
    default:
        value.u64 = number(json, t->kind == TYPE_F64 ? 16 : 10);
    }
    return value;
}

struct value suite_value(json_t *json, const struct type *t, struct arena *arena)
{
    switch ((int)t->kind) {
    case TYPE_STRING:
        return (struct value){.str = str_of(json_string_value(json), json_string_length(json))};
    case TYPE_LIST:
    case TYPE_FIXED_LIST:
    case TYPE_MAP:
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return type_is_bytes(t) ? bytes(json, arena) : sequence(json, t, arena);
    case TYPE_ENUM:
        return (struct value){.index = (uint32_t)json_integer_value(json)};
    case TYPE_OPTION:
        return variant(!json_is_null(json), json_array_get(json, 0), t, arena);
    case TYPE_VARIANT:
    case TYPE_RESULT:
        return variant((uint32_t)json_integer_value(json_array_get(json, 0)),
                       json_array_get(json, 1), t, arena);
    default:
        return scalar(json, t);
    }
}

// ---- core values and memory ---------------------------------------------------------------------

static uint64_t core_bits(json_t *pair)
{
    bool is_float = json_string_value(json_array_get(pair, 0))[0] == 'f';
    return number(json_array_get(pair, 1), is_float ? 16 : 10);
}

uint32_t suite_core(json_t *json, union core_value *flat, uint32_t max)
{
    uint32_t count = (uint32_t)json_array_size(json);
    for (uint32_t i = 0; i < count && i < max; i++)
        flat[i].u64 = core_bits(json_array_get(json, i));
    return count;
}

static bool core_equal(const char *type, uint64_t want, union core_value have)
{
    union core_value wanted = {.u64 = want};
    if (strcmp(type, "f32") == 0 && isnan(wanted.f32))
        return isnan(have.f32);
    if (strcmp(type, "f64") == 0 && isnan(wanted.f64))
        return isnan(have.f64);
    return strstr(type, "32") ? have.u32 == wanted.u32 : have.u64 == want;
}

bool suite_core_equal(json_t *json, const union core_value *flat)
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        json_t *pair = json_array_get(json, i);
        if (!core_equal(json_string_value(json_array_get(pair, 0)), core_bits(pair), flat[i]))
            return false;
    }
    return true;
}

// Walks the bytes of an image; NaNs are canonical in it, as ours are when the value's are.
static bool walk(json_t *image, uint8_t *write, const uint8_t *compare)
{
    size_t at = (size_t)json_integer_value(json_array_get(image, 0));
    json_t *hex = json_array_get(image, 1);
    const char *text = hex ? json_string_value(hex) : "";
    for (; text[0]; text += 2, at++) {
        char digits[] = {text[0], text[1], '\0'};
        if (text[0] == '.')
            continue;
        uint8_t byte = (uint8_t)strtoul(digits, NULL, 16);
        if (write)
            write[at] = byte;
        else if (compare[at] != byte)
            return false;
    }
    return true;
}

void suite_write(json_t *image, uint8_t *memory)
{
    walk(image, memory, NULL);
}

bool suite_memory_equal(json_t *image, const uint8_t *memory)
{
    return walk(image, NULL, memory);
}

bool suite_same_allocations(json_t *calls)
{
    for (size_t i = 0; i < json_array_size(calls); i++)
        if (json_integer_value(json_array_get(json_array_get(calls, i), 0)) != 0)
            return false;
    return true;
}

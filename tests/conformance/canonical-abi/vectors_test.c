// SPDX-License-Identifier: Apache-2.0
#include "component/canon_copy.h"
#include "component/canon_place.h"
#include "suite.h"
#include "testing/test.h"

#define FLAT_MAX (TYPE_FLAT_MAX + 1)

// ---- layouts ------------------------------------------------------------------------------------

static bool flat_equal(json_t *names, const struct type_layout *layout)
{
    size_t count = json_array_size(names);
    if (count > TYPE_FLAT_MAX)
        return layout->flat_count == TYPE_FLAT_MAX + 1;
    if (count != layout->flat_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        char letter = (name[0] == 'i' ? "iI" : "fF")[name[1] == '6'];
        if (letter != layout->flat[i])
            return false;
    }
    return true;
}

static void run_layout(json_t *line, struct arena *arena)
{
    const struct type *t = suite_type(json_object_get(line, "type"), arena);
    CHECK_VECTOR(t->layout.size == json_integer_value(json_object_get(line, "size")));
    CHECK_VECTOR(t->layout.align == json_integer_value(json_object_get(line, "align")));
    CHECK_VECTOR(flat_equal(json_object_get(line, "flat"), &t->layout));
}

TEST(vectors_layouts)
{
    suite_each("layouts.jsonl", run_layout);
}

// ---- values -------------------------------------------------------------------------------------

static void check_lowered(json_t *want, const struct type *t, const struct value *value,
                          enum string_encoding encoding, struct arena *arena)
{
    GUEST(guest, encoding);
    union core_value flat[FLAT_MAX] = {0};
    struct value again;
    CHECK_VECTOR(value_lower_flat(call, t, value, flat) == 0);
    CHECK_VECTOR(value_lift_flat(call, t, flat, arena, &again) == 0);
    CHECK_VECTOR(value_equal(t, value, &again));
    if (suite_same_allocations(json_object_get(want, "realloc"))) {
        CHECK_VECTOR(suite_core_equal(json_object_get(want, "core"), flat));
        CHECK_VECTOR(suite_memory_equal(json_object_get(want, "mem"), guest->memory));
    }
}

static void check_lifted(json_t *image, const struct type *t, const struct value *value,
                         enum string_encoding encoding, struct arena *arena)
{
    GUEST(guest, encoding);
    union core_value flat[FLAT_MAX] = {0};
    struct value again;
    suite_write(json_object_get(image, "mem"), guest->memory);
    suite_core(json_object_get(image, "core"), flat, FLAT_MAX);
    CHECK_VECTOR(value_lift_flat(call, t, flat, arena, &again) == 0);
    CHECK_VECTOR(value_equal(t, value, &again));
}

static void check_stored(json_t *want, const struct type *t, const struct value *value,
                         enum string_encoding encoding, struct arena *arena)
{
    GUEST(guest, encoding);
    uint32_t at = (uint32_t)json_integer_value(json_object_get(want, "at"));
    struct value again;
    guest->next = at + t->layout.size;
    CHECK_VECTOR(value_store(call, t, value, at) == 0);
    CHECK_VECTOR(value_load(call, t, at, arena, &again) == 0);
    CHECK_VECTOR(value_equal(t, value, &again));
    if (suite_same_allocations(json_object_get(want, "realloc")))
        CHECK_VECTOR(suite_memory_equal(json_object_get(want, "mem"), guest->memory));
    suite_write(json_object_get(want, "mem"), guest->memory);
    CHECK_VECTOR(value_load(call, t, at, arena, &again) == 0);
    CHECK_VECTOR(value_equal(t, value, &again));
}

static void run_value(json_t *line, struct arena *arena)
{
    const struct type *t = suite_type(json_object_get(line, "type"), arena);
    struct value value = suite_value(json_object_get(line, "value"), t, arena);
    enum string_encoding encoding = suite_encoding(line, "enc");
    if (t->layout.flat_count <= TYPE_FLAT_MAX) {
        check_lowered(json_object_get(line, "lower"), t, &value, encoding, arena);
        check_lifted(json_object_get(line, "lower"), t, &value, encoding, arena);
    }
    check_stored(json_object_get(line, "store"), t, &value, encoding, arena);
}

TEST(vectors_values)
{
    suite_each("values.jsonl", run_value);
}

// ---- strings ------------------------------------------------------------------------------------

// Writes text as the guest has it; `wide`: as UTF-16 also where Latin-1 would do.
static void write_text(struct guest *guest, struct str text, bool wide, union core_value *flat)
{
    struct canon_call *call = &guest->call;
    enum string_encoding encoding = call->encoding;
    uint32_t tag = wide ? 0x80000000u : 0;
    if (wide)
        call->encoding = ENCODING_UTF16;
    CHECK_VECTOR(canon_lower_string(call, text, &flat[0].u32, &flat[1].u32) == 0);
    flat[1].u32 |= tag;
    call->encoding = encoding;
}

static void run_string(json_t *line, struct arena *arena)
{
    struct value value =
        suite_value(json_object_get(line, "value"), type_primitive(TYPE_STRING), arena);
    struct type_field param = {STR_INIT("s"), type_primitive(TYPE_STRING)};
    struct func_type type = {.params = &param, .param_count = 1};
    union core_value args[FLAT_MAX] = {0}, flat[FLAT_MAX] = {0};
    _cleanup_(guest_freep) struct guest *from = guest_new(suite_encoding(line, "src"));
    _cleanup_(guest_freep) struct guest *to = guest_new(suite_encoding(line, "enc"));
    uint32_t source_units = (uint32_t)json_integer_value(json_object_get(line, "src_units"));
    write_text(from, value.str, source_units & 0x80000000u, args);
    CHECK_VECTOR(args[1].u32 == source_units);
    CHECK_VECTOR(canon_copy_params(&type, &from->call, &to->call, args, flat) == 0);
    CHECK_VECTOR(flat[1].u32 == json_integer_value(json_object_get(line, "units")));
    json_t *image = json_pack("[i, O]", (int)flat[0].u32, json_object_get(line, "bytes"));
    bool same = suite_memory_equal(image, to->memory);
    json_decref(image);
    CHECK_VECTOR(same);
    struct str text = STR_EMPTY;
    CHECK_VECTOR(canon_lift_string(&to->call, flat[0].u32, flat[1].u32, &text) == 0);
    CHECK_VECTOR(str_eq(text, value.str));
}

TEST(vectors_strings)
{
    suite_each("strings.jsonl", run_string);
}

// ---- functions ----------------------------------------------------------------------------------

// The core types of a signature's side as letters.
static const char *letters(json_t *names, struct arena *arena)
{
    size_t count = json_array_size(names);
    char *text = arena_alloc(arena, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        text[i] = (name[0] == 'i' ? "iI" : "fF")[name[1] == '6'];
    }
    return text;
}

static void check_signature(json_t *want, const struct func_type *type, bool is_lower,
                            struct arena *arena)
{
    GUEST(guest, ENCODING_UTF8);
    char params[FLAT_MAX + 1] = "", results[2] = "";
    struct call_shape shape;
    CHECK_VECTOR(call_shape(call, type, false, &shape) == 0);
    if (shape.params_in_memory)
        params[0] = 'i';
    for (uint32_t i = 0; !shape.params_in_memory && i < type->param_count; i++)
        memcpy(params + strlen(params), type->params[i].type->layout.flat,
               type->params[i].type->layout.flat_count);
    CHECK_VECTOR(strlen(params) == shape.flat_params);
    if (shape.result_in_memory)
        *(is_lower ? params + strlen(params) : results) = 'i';
    else if (type->result)
        results[0] = type->result->layout.flat[0];
    CHECK_TEXT(params, letters(json_object_get(want, "params"), arena));
    CHECK_TEXT(results, letters(json_object_get(want, "results"), arena));
}

static void check_values(const struct func_type *type, const struct value *want,
                         const struct value *have)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        CHECK_VECTOR(value_equal(type->params[i].type, &want[i], &have[i]));
}

// Arguments to a guest's export, and on from it to another component.
static void check_args(json_t *line, const struct func_type *type, const struct value *args,
                       struct arena *arena)
{
    GUEST(guest, suite_encoding(line, "enc"));
    _cleanup_(guest_freep) struct guest *next = guest_new(suite_encoding(line, "src"));
    union core_value flat[FLAT_MAX] = {0}, copy[FLAT_MAX] = {0};
    struct value *again = arena_new_array(arena, struct value, type->param_count + 1);
    json_t *want = json_object_get(line, "args16");
    CHECK_VECTOR(value_lower_params(call, type, args, flat) == 0);
    if (suite_same_allocations(json_object_get(want, "realloc"))) {
        CHECK_VECTOR(suite_core_equal(json_object_get(want, "core"), flat));
        CHECK_VECTOR(suite_memory_equal(json_object_get(want, "mem"), guest->memory));
    }
    CHECK_VECTOR(value_lift_params(call, type, flat, arena, again) == 0);
    check_values(type, args, again);
    CHECK_VECTOR(canon_copy_params(type, call, &next->call, flat, copy) == 0);
    CHECK_VECTOR(value_lift_params(&next->call, type, copy, arena, again) == 0);
    check_values(type, args, again);
}

// A result to the guest that imports the function, by way of another component.
static void check_result(json_t *line, const struct func_type *type, struct arena *arena)
{
    GUEST(guest, suite_encoding(line, "enc"));
    _cleanup_(guest_freep) struct guest *other = guest_new(suite_encoding(line, "src"));
    union core_value args[FLAT_MAX] = {0}, flat[FLAT_MAX] = {0};
    json_t *want = json_object_get(line, "ret_sync");
    struct value result = suite_value(json_object_get(line, "ret"), type->result, arena), again;
    struct call_shape shape;
    CHECK_VECTOR(call_shape(call, type, false, &shape) == 0);
    args[shape.flat_params].u32 = (uint32_t)json_integer_value(json_object_get(want, "retptr"));
    guest->next = other->next = 1024 + type->result->layout.size;
    union core_value *returned = args + shape.flat_params;
    CHECK_VECTOR(value_lower_result(call, type, &result, args) == 0);
    if (suite_same_allocations(json_object_get(want, "realloc"))) {
        CHECK_VECTOR(suite_core_equal(json_object_get(want, "core"), args));
        CHECK_VECTOR(suite_memory_equal(json_object_get(want, "mem"), guest->memory));
    }
    // The callee of the other component returns a pointer where it does not return flat.
    if (shape.result_in_memory) {
        flat[0].u32 = 1024;
        CHECK_VECTOR(value_store(&other->call, type->result, &result, 1024) == 0);
    } else {
        CHECK_VECTOR(value_lower_flat(&other->call, type->result, &result, flat) == 0);
    }
    CHECK_VECTOR(canon_copy_result(type, &other->call, call, flat, args) == 0);
    union core_value *value = shape.result_in_memory ? returned : args;
    CHECK_VECTOR(value_lift_result(call, type, value, arena, &again) == 0);
    CHECK_VECTOR(value_equal(type->result, &result, &again));
}

static void run_func(json_t *line, struct arena *arena)
{
    json_t *types = json_object_get(line, "params"), *values = json_object_get(line, "args");
    uint32_t count = (uint32_t)json_array_size(types);
    struct type_field *params = arena_new_array(arena, struct type_field, count + 1);
    struct value *args = arena_new_array(arena, struct value, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        params[i].type = suite_type(json_array_get(types, i), arena);
        args[i] = suite_value(json_array_get(values, i), params[i].type, arena);
    }
    struct func_type type = {.params = params,
                             .param_count = count,
                             .result = suite_type(json_object_get(line, "result"), arena)};
    json_t *signatures = json_object_get(line, "sigs");
    check_signature(json_object_get(signatures, "lift_sync"), &type, false, arena);
    check_signature(json_object_get(signatures, "lower_sync"), &type, true, arena);
    check_args(line, &type, args, arena);
    if (type.result)
        check_result(line, &type, arena);
}

TEST(vectors_funcs)
{
    suite_each("funcs.jsonl", run_func);
}

// ---- hostile guests -----------------------------------------------------------------------------

static void run_read(json_t *line, struct arena *arena)
{
    GUEST(guest, suite_encoding(line, "enc"));
    const struct type *t = suite_type(json_object_get(line, "type"), arena);
    json_t *images = json_object_get(line, "mem"), *core = json_object_get(line, "core");
    union core_value flat[FLAT_MAX] = {0};
    struct value value;
    for (size_t i = 0; i < json_array_size(images); i++)
        suite_write(json_array_get(images, i), guest->memory);
    int rc;
    if (core && suite_core(core, flat, FLAT_MAX) > TYPE_FLAT_MAX)
        return;
    if (core)
        rc = value_lift_flat(call, t, flat, arena, &value);
    else
        rc = value_load(call, t, (uint32_t)json_integer_value(json_object_get(line, "at")), arena,
                        &value);
    CHECK_VECTOR((rc < 0) == json_is_true(json_object_get(line, "trap")));
    if (rc < 0) {
        CHECK_VECTOR(guest->error.message);
        return;
    }
    struct value want = suite_value(json_object_get(line, "value"), t, arena);
    CHECK_VECTOR(value_equal(t, &want, &value));
}

TEST(vectors_reads)
{
    suite_each("reads.jsonl", run_read);
}

// Realloc that answers what the vector says, as long as it is asked what the vector expects.
static json_t *script;
static size_t script_at;
static bool script_left;

static int scripted_realloc(struct canon_call *call, uint32_t old, uint32_t old_size,
                            uint32_t align, uint32_t size, uint32_t *out)
{
    json_t *step = json_array_get(script, script_at++);
    if (!step || json_integer_value(json_array_get(step, 0)) != old ||
        json_integer_value(json_array_get(step, 2)) != align ||
        json_integer_value(json_array_get(step, 3)) != size) {
        script_left = true;
        return canon_trap(call, "not in the script");
    }
    *out = (uint32_t)json_integer_value(json_array_get(step, 4));
    return 0;
}

static size_t scripts_followed, scripts_left;

static void run_lower_trap(json_t *line, struct arena *arena)
{
    static const struct canon_ops ops = {.realloc = scripted_realloc};
    GUEST(guest, suite_encoding(line, "enc"));
    const struct type *t = suite_type(json_object_get(line, "type"), arena);
    struct value value = suite_value(json_object_get(line, "value"), t, arena);
    union core_value flat[FLAT_MAX] = {0};
    call->ops = &ops;
    script = json_object_get(line, "realloc");
    script_at = 0;
    script_left = !suite_same_allocations(script) || t->layout.flat_count > TYPE_FLAT_MAX;
    int rc = script_left ? 0 : value_lower_flat(call, t, &value, flat);
    if (script_left) { // a transcoded string, or an empty one: the specification asks more often
        scripts_left++;
        return;
    }
    scripts_followed++;
    CHECK_VECTOR((rc < 0) == json_is_true(json_object_get(line, "trap")));
}

TEST(vectors_lower_traps)
{
    suite_each("lower-traps.jsonl", run_lower_trap);
    printf("# %zu followed, %zu with other allocations than ours\n", scripts_followed,
           scripts_left);
    CHECK(scripts_followed > scripts_left);
}

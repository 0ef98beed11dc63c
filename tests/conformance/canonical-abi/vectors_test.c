// SPDX-License-Identifier: Apache-2.0
#include "component/canon_copy.h"
#include "component/canon_place.h"
#include "suite.h"
#include "testing/test.h"

#define FLAT_MAX (TYPE_FLAT_MAX + 1)

// ---- allocations --------------------------------------------------------------------------------

// What the guest's realloc was asked since the last reset, and its answers.
#define ALLOCATIONS_MAX 4096
static uint32_t allocations[ALLOCATIONS_MAX][5];
static size_t allocation_count;

static int recorded_realloc(struct canon_call *call, uint32_t old, uint32_t old_size,
                            uint32_t align, uint32_t size, uint32_t *out)
{
    int rc = guest_realloc(call, old, old_size, align, size, out);
    const uint32_t asked[] = {old, old_size, align, size, rc < 0 ? 0 : *out};
    CHECK_VECTOR(allocation_count < ALLOCATIONS_MAX);
    memcpy(allocations[allocation_count++], asked, sizeof(asked));
    return rc;
}

// A guest whose allocations are compared.
static struct guest *recorded_guest(enum string_encoding encoding)
{
    static const struct canon_ops ops = {.realloc = recorded_realloc};
    struct guest *guest = guest_new(encoding);
    guest->call.ops = &ops;
    allocation_count = 0;
    return guest;
}

static bool allocations_equal(json_t *want)
{
    if (json_array_size(want) != allocation_count)
        return false;
    for (size_t i = 0; i < allocation_count; i++)
        for (size_t k = 0; k < ARRAY_LEN(allocations[i]); k++)
            if (json_integer_value(json_array_get(json_array_get(want, i), k)) != allocations[i][k])
                return false;
    return true;
}

// What a lowering left behind: its allocations, flat values (where the vector has some) and memory.
static void check_lowering(json_t *want, const struct guest *guest, const union core_value *flat)
{
    json_t *calls = json_object_get(want, "realloc"), *core = json_object_get(want, "core");
    if (!suite_same_allocations(calls))
        return;
    CHECK_VECTOR(allocations_equal(calls));
    CHECK_VECTOR(!core || suite_core_equal(core, flat));
    CHECK_VECTOR(suite_memory_equal(json_object_get(want, "mem"), guest->memory));
}

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
    _cleanup_(guest_freep) struct guest *guest = recorded_guest(encoding);
    struct canon_call *call = &guest->call;
    union core_value flat[FLAT_MAX] = {0};
    struct value again;
    CHECK_VECTOR(value_lower_flat(call, t, value, flat) == 0);
    check_lowering(want, guest, flat);
    CHECK_VECTOR(value_lift_flat(call, t, flat, arena, &again) == 0);
    CHECK_VECTOR(value_equal(t, value, &again));
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
    _cleanup_(guest_freep) struct guest *guest = recorded_guest(encoding);
    struct canon_call *call = &guest->call;
    uint32_t at = (uint32_t)json_integer_value(json_object_get(want, "at"));
    struct value again;
    guest->next = at + t->layout.size;
    CHECK_VECTOR(value_store(call, t, value, at) == 0);
    check_lowering(want, guest, NULL);
    CHECK_VECTOR(value_load(call, t, at, arena, &again) == 0);
    CHECK_VECTOR(value_equal(t, value, &again));
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

enum signature { LIFT_SYNC, LOWER_SYNC, LIFT_CALLBACK, LIFT_STACKFUL, LOWER_ASYNC };

static const char *const signatures[] = {
    [LIFT_SYNC] = "lift_sync",
    [LOWER_SYNC] = "lower_sync",
    [LIFT_CALLBACK] = "lift_async_callback",
    [LIFT_STACKFUL] = "lift_async_stackful",
    [LOWER_ASYNC] = "lower_async",
};

static void check_signature(json_t *want, const struct func_type *type, enum signature signature,
                            struct arena *arena)
{
    GUEST(guest, ENCODING_UTF8);
    char params[FLAT_MAX + 1] = "", results[2] = "";
    bool is_lower = signature == LOWER_SYNC || signature == LOWER_ASYNC;
    bool is_sync = signature == LIFT_SYNC || signature == LOWER_SYNC;
    struct call_shape shape;
    CHECK_VECTOR(call_shape(call, type, signature == LOWER_ASYNC, &shape) == 0);
    if (shape.params_in_memory)
        params[0] = 'i';
    for (uint32_t i = 0; !shape.params_in_memory && i < type->param_count; i++)
        memcpy(params + strlen(params), type->params[i].type->layout.flat,
               type->params[i].type->layout.flat_count);
    CHECK_VECTOR(strlen(params) == shape.flat_params);
    if (shape.result_in_memory && is_lower)
        params[strlen(params)] = 'i';
    else if (shape.result_in_memory && is_sync)
        results[0] = 'i';
    else if (type->result && is_sync)
        results[0] = type->result->layout.flat[0];
    if (signature == LIFT_CALLBACK || signature == LOWER_ASYNC) // a code, a subtask's state
        results[0] = 'i';
    CHECK_TEXT(params, letters(json_object_get(want, "params"), arena));
    CHECK_TEXT(results, letters(json_object_get(want, "results"), arena));
}

static void check_values(const struct func_type *type, const struct value *want,
                         const struct value *have)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        CHECK_VECTOR(value_equal(type->params[i].type, &want[i], &have[i]));
}

// Arguments as a guest passes them to an import, on to the host and to another component.
static void check_passed(json_t *line, const char *key, const struct func_type *type,
                         const struct value *args, struct arena *arena)
{
    GUEST(guest, suite_encoding(line, "enc"));
    _cleanup_(guest_freep) struct guest *next = guest_new(suite_encoding(line, "src"));
    union core_value flat[FLAT_MAX] = {0}, copy[FLAT_MAX] = {0};
    struct value *again = arena_new_array(arena, struct value, type->param_count + 1);
    json_t *passed = json_object_get(line, key);
    suite_core(json_object_get(passed, "core"), flat, FLAT_MAX);
    suite_write(json_object_get(passed, "mem"), guest->memory);
    call->is_async = strcmp(key, "args4") == 0;
    CHECK_VECTOR(value_lift_params(call, type, flat, arena, again) == 0);
    check_values(type, args, again);
    CHECK_VECTOR(canon_copy_params(type, call, &next->call, flat, copy) == 0);
    CHECK_VECTOR(value_lift_params(&next->call, type, copy, arena, again) == 0);
    check_values(type, args, again);
}

// Arguments from the host to a guest's export.
static void check_args(json_t *line, const struct func_type *type, const struct value *args,
                       struct arena *arena)
{
    _cleanup_(guest_freep) struct guest *guest = recorded_guest(suite_encoding(line, "enc"));
    struct canon_call *call = &guest->call;
    union core_value flat[FLAT_MAX] = {0};
    struct value *again = arena_new_array(arena, struct value, type->param_count + 1);
    CHECK_VECTOR(value_lower_params(call, type, args, flat) == 0);
    check_lowering(json_object_get(line, "args16"), guest, flat);
    CHECK_VECTOR(value_lift_params(call, type, flat, arena, again) == 0);
    check_values(type, args, again);
}

// The result at `flat`, where the importing guest has it: at the return pointer or flat.
static void check_returned(struct canon_call *call, const struct func_type *type,
                           const struct call_shape *shape, union core_value *flat,
                           const struct value *result, struct arena *arena)
{
    struct value again;
    int rc = shape->result_in_memory
                 ? value_load(call, type->result, flat[shape->flat_params].u32, arena, &again)
                 : value_lift_flat(call, type->result, flat, arena, &again);
    CHECK_VECTOR(rc == 0);
    CHECK_VECTOR(value_equal(type->result, result, &again));
}

// A result from the host to the guest that imports the function, synchronously or not.
static void check_result(json_t *line, const char *key, const struct func_type *type,
                         struct arena *arena)
{
    _cleanup_(guest_freep) struct guest *guest = recorded_guest(suite_encoding(line, "enc"));
    struct canon_call *call = &guest->call;
    union core_value flat[FLAT_MAX] = {0};
    json_t *want = json_object_get(line, key);
    struct value result = suite_value(json_object_get(line, "ret"), type->result, arena);
    uint32_t retptr = (uint32_t)json_integer_value(json_object_get(want, "retptr"));
    struct call_shape shape;
    call->is_async = strcmp(key, "ret_async_lower") == 0;
    CHECK_VECTOR(call_shape(call, type, call->is_async, &shape) == 0);
    CHECK_VECTOR(shape.result_in_memory == json_is_integer(json_object_get(want, "retptr")));
    flat[shape.flat_params].u32 = retptr;
    guest->next = shape.result_in_memory ? retptr + type->result->layout.size : 1024;
    CHECK_VECTOR(value_lower_result(call, type, &result, flat) == 0);
    check_lowering(want, guest, flat);
    check_returned(call, type, &shape, flat, &result, arena);
    suite_write(json_object_get(want, "mem"), guest->memory);
    if (!shape.result_in_memory)
        suite_core(json_object_get(want, "core"), flat, FLAT_MAX);
    check_returned(call, type, &shape, flat, &result, arena);
}

// The result of one component's export, or of its task.return, to another that imports it.
static void check_result_between(json_t *line, bool is_async, const struct func_type *type,
                                 struct arena *arena)
{
    GUEST(callee, suite_encoding(line, "src"));
    _cleanup_(guest_freep) struct guest *caller = guest_new(suite_encoding(line, "enc"));
    union core_value flat[FLAT_MAX] = {0}, args[FLAT_MAX] = {0};
    struct value result = suite_value(json_object_get(line, "ret"), type->result, arena);
    struct call_shape shape;
    call->is_async = caller->call.is_async = is_async;
    CHECK_VECTOR(call_shape(call, type, is_async, &shape) == 0);
    args[shape.flat_params].u32 = 1024;
    callee->next = caller->next = 1024 + type->result->layout.size;
    if (type->result->layout.flat_count > (is_async ? TYPE_FLAT_MAX : 1)) {
        flat[0].u32 = 1024;
        CHECK_VECTOR(value_store(call, type->result, &result, 1024) == 0);
    } else {
        CHECK_VECTOR(value_lower_flat(call, type->result, &result, flat) == 0);
    }
    CHECK_VECTOR(canon_copy_result(type, call, &caller->call, flat, args) == 0);
    check_returned(&caller->call, type, &shape, args, &result, arena);
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
    json_t *wanted = json_object_get(line, "sigs");
    for (enum signature i = 0; i < ARRAY_LEN(signatures); i++)
        check_signature(json_object_get(wanted, signatures[i]), &type, i, arena);
    check_args(line, &type, args, arena);
    check_passed(line, "args16", &type, args, arena);
    check_passed(line, "args4", &type, args, arena);
    if (!type.result)
        return;
    check_result(line, "ret_sync", &type, arena);
    check_result(line, "ret_async_lower", &type, arena);
    check_result_between(line, false, &type, arena);
    check_result_between(line, true, &type, arena);
}

TEST(vectors_funcs)
{
    suite_each("funcs.jsonl", run_func);
}

// ---- hostile guests -----------------------------------------------------------------------------

// What a guest passes on to another component must be refused, or arrive, as when it is lifted.
static int copy_on(struct canon_call *from, struct canon_call *to, const struct type *t,
                   const union core_value *args, struct arena *arena, struct value *out)
{
    struct type_field param = {STR_INIT("p"), t};
    struct func_type type = {.params = &param, .param_count = 1};
    union core_value flat[FLAT_MAX] = {0};
    int rc = canon_copy_params(&type, from, to, args, flat);
    if (rc == 0)
        CHECK_VECTOR(value_lift_params(to, &type, flat, arena, out) == 0);
    return rc;
}

static void check_read(json_t *line, int rc, const struct type *t, const struct value *have,
                       struct arena *arena)
{
    CHECK_VECTOR((rc < 0) == json_is_true(json_object_get(line, "trap")));
    if (rc < 0)
        return;
    struct value want = suite_value(json_object_get(line, "value"), t, arena);
    CHECK_VECTOR(value_equal(t, &want, have));
}

static void read_flat(json_t *line, struct guest *guest, const struct type *t, struct arena *arena)
{
    GUEST(next, ENCODING_UTF16);
    union core_value flat[FLAT_MAX] = {0};
    struct value value;
    if (suite_core(json_object_get(line, "core"), flat, FLAT_MAX) > TYPE_FLAT_MAX)
        return;
    check_read(line, value_lift_flat(&guest->call, t, flat, arena, &value), t, &value, arena);
    check_read(line, copy_on(&guest->call, call, t, flat, arena, &value), t, &value, arena);
}

// What lies in memory goes on as a list of one.
static void read_memory(json_t *line, struct guest *guest, const struct type *t,
                        struct arena *arena)
{
    GUEST(next, ENCODING_UTF8);
    uint32_t at = (uint32_t)json_integer_value(json_object_get(line, "at"));
    struct type list = {.kind = TYPE_LIST, .element = t};
    union core_value flat[FLAT_MAX] = {{.u32 = at}, {.u32 = 1}};
    struct value value;
    check_read(line, value_load(&guest->call, t, at, arena, &value), t, &value, arena);
    CHECK_VECTOR(type_compute_layout(&list) == 0);
    int rc = copy_on(&guest->call, call, &list, flat, arena, &value);
    struct value byte = {.u64 = rc == 0 && type_is_bytes(&list) ? (uint8_t)value.str.data[0] : 0};
    check_read(line, rc, t, type_is_bytes(&list) ? &byte : value.items, arena);
}

static void run_read(json_t *line, struct arena *arena)
{
    _cleanup_(guest_freep) struct guest *guest = guest_new(suite_encoding(line, "enc"));
    const struct type *t = suite_type(json_object_get(line, "type"), arena);
    json_t *images = json_object_get(line, "mem");
    for (size_t i = 0; i < json_array_size(images); i++)
        suite_write(json_array_get(images, i), guest->memory);
    if (json_object_get(line, "core"))
        read_flat(line, guest, t, arena);
    else
        read_memory(line, guest, t, arena);
}

TEST(vectors_reads)
{
    suite_each("reads.jsonl", run_read);
}

// The vectors' bad allocators: one always answers an odd address, the other one whose room ends a
// byte beyond the memory. The first answer tells which.
static bool is_misaligned;

static int bad_realloc(struct canon_call *call, uint32_t old, uint32_t old_size, uint32_t align,
                       uint32_t size, uint32_t *out)
{
    (void)call, (void)old, (void)old_size, (void)align;
    *out = is_misaligned ? 1025 : GUEST_MEMORY_BYTES - (size > 0 ? size - 1 : 0);
    return 0;
}

static void run_lower_trap(json_t *line, struct arena *arena)
{
    static const struct canon_ops ops = {.realloc = bad_realloc};
    GUEST(guest, suite_encoding(line, "enc"));
    const struct type *t = suite_type(json_object_get(line, "type"), arena);
    struct value value = suite_value(json_object_get(line, "value"), t, arena);
    json_t *answers = json_object_get(line, "realloc_answers");
    union core_value flat[FLAT_MAX] = {0};
    call->ops = &ops;
    is_misaligned = json_integer_value(json_array_get(answers, 0)) == 1025;
    // What is too large to be flat is stored, which allocates the same.
    int rc = t->layout.flat_count > TYPE_FLAT_MAX ? value_store(call, t, &value, 2048)
                                                  : value_lower_flat(call, t, &value, flat);
    CHECK_VECTOR((rc < 0) == json_is_true(json_object_get(line, "trap")));
    CHECK_VECTOR(rc == 0 || guest->error.message);
}

TEST(vectors_lower_traps)
{
    suite_each("lower-traps.jsonl", run_lower_trap);
}

// SPDX-License-Identifier: Apache-2.0
// A type and a value are made from the input. The value must survive lowering and lifting, flat and
// in memory, and the way through another component. Then the rest of the input is laid over the
// guest's memory and core values, and lifting and copying must not crash.
#include <assert.h>

#include "base/utf8.h"
#include "component/canon_copy.h"
#include "component/guest_test.h"
#include "component/value.h"

#define FUZZ_DEPTH_MAX   5
#define FUZZ_MEMBERS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
    struct arena *arena;
    uint32_t values; // made so far
};

static uint32_t take(struct input *in, uint32_t below)
{
    if (in->size == 0 || below <= 1)
        return 0;
    in->size--;
    return *in->data++ % below;
}

static uint64_t take_bits(struct input *in)
{
    uint64_t bits = 0;
    size_t wanted = take(in, 9), n = MIN(in->size, wanted);
    if (n > 0)
        memcpy(&bits, in->data, n);
    in->data += n;
    in->size -= n;
    return bits;
}

// ---- types --------------------------------------------------------------------------------------

static const struct resource_type of_host = {.name = STR_INIT("file"), .index = 0};
static const struct resource_type of_guest = {.name = STR_INIT("counter"), .index = 1};
static const struct host_resource file = {.name = STR_INIT("file")};
static const struct canon_resource resources[] = {{&file, CANON_DEFINER_HOST}, {&of_guest, 9}};

static const struct type *make_type(struct input *in, int depth);

static void make_members(struct input *in, struct type *t, int depth)
{
    struct type_field *fields = arena_new_array(in->arena, struct type_field, FUZZ_MEMBERS_MAX);
    t->fields = fields;
    t->field_count = 1 + take(in, FUZZ_MEMBERS_MAX);
    for (uint32_t i = 0; i < t->field_count; i++)
        if (t->kind != TYPE_ENUM && t->kind != TYPE_FLAGS &&
            (t->kind != TYPE_VARIANT || take(in, 4) > 0))
            fields[i].type = make_type(in, depth + 1);
}

static const struct type *make_composite(struct input *in, enum type_kind kind, int depth)
{
    struct type *t = arena_new(in->arena, struct type);
    t->kind = kind;
    if (kind == TYPE_OWN || kind == TYPE_BORROW)
        t->resource = take(in, 2) ? &of_guest : &of_host;
    else if (kind == TYPE_RECORD || kind == TYPE_TUPLE || kind == TYPE_VARIANT ||
             kind == TYPE_ENUM || kind == TYPE_FLAGS)
        make_members(in, t, depth);
    else if (kind != TYPE_RESULT || take(in, 3) > 0)
        t->element = make_type(in, depth + 1);
    if (kind == TYPE_MAP || (kind == TYPE_RESULT && take(in, 3) > 0))
        t->error = make_type(in, depth + 1);
    if (kind == TYPE_FIXED_LIST)
        t->length = 1 + take(in, 4);
    return type_compute_layout(t) == 0 ? t : type_primitive(TYPE_U8);
}

static const struct type *make_type(struct input *in, int depth)
{
    enum type_kind kind = (enum type_kind)take(in, TYPE_STREAM);
    if (kind == TYPE_ERROR_CONTEXT)
        kind = TYPE_STRING;
    if (kind < TYPE_ERROR_CONTEXT)
        return type_primitive(kind);
    return depth < FUZZ_DEPTH_MAX ? make_composite(in, kind, depth) : type_primitive(TYPE_STRING);
}

// ---- values -------------------------------------------------------------------------------------

static struct value make_value(struct input *in, const struct type *t);

static struct str make_text(struct input *in)
{
    char *text = arena_alloc(in->arena, 4 * 8);
    size_t len = 0;
    for (uint32_t count = take(in, 8); count > 0; count--) {
        uint32_t c = (uint32_t)take_bits(in) & 0x1fffff;
        len += utf8_encode(utf8_is_scalar(c) ? c : c & 0x7f, text + len);
    }
    return str_of(text, len);
}

static struct value make_sequence(struct input *in, const struct type *t, uint32_t count)
{
    struct value *items = arena_new_array(in->arena, struct value, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        if (t->kind == TYPE_MAP) {
            items[i].items = arena_new_array(in->arena, struct value, 2);
            items[i].items[0] = make_value(in, t->element);
            items[i].items[1] = make_value(in, t->error);
            items[i].count = 2;
        } else {
            items[i] = make_value(in, t->fields ? t->fields[i].type : t->element);
        }
    }
    return (struct value){.items = items, .count = count};
}

static struct value make_case(struct input *in, const struct type *t)
{
    struct value value = {.index = take(in, type_case_count(t))};
    const struct type *payload = type_case(t, value.index);
    if (payload) {
        value.payload = arena_new(in->arena, struct value);
        *value.payload = make_value(in, payload);
    }
    return value;
}

static struct value make_scalar(struct input *in, enum type_kind kind)
{
    uint64_t bits = take_bits(in);
    switch ((int)kind) {
    case TYPE_BOOL:
        return (struct value){.boolean = bits & 1};
    case TYPE_S8:
        return (struct value){.s64 = (int8_t)bits};
    case TYPE_S16:
        return (struct value){.s64 = (int16_t)bits};
    case TYPE_S32:
        return (struct value){.s64 = (int32_t)bits};
    case TYPE_U8:
        return (struct value){.u64 = (uint8_t)bits};
    case TYPE_U16:
        return (struct value){.u64 = (uint16_t)bits};
    case TYPE_U32:
        return (struct value){.u64 = (uint32_t)bits};
    case TYPE_F32:
        return (struct value){.u64 = (uint32_t)bits};
    case TYPE_CHAR:
        return (struct value){.c = utf8_is_scalar(bits & 0x1fffff) ? bits & 0x1fffff : 'x'};
    }
    return (struct value){.u64 = bits};
}

static struct value make_value(struct input *in, const struct type *t)
{
    uint32_t count = in->values++ < 1000 ? take(in, 5) : 0;
    switch ((int)t->kind) {
    case TYPE_STRING:
        return (struct value){.str = make_text(in)};
    case TYPE_LIST:
        if (type_is_bytes(t))
            return (struct value){.str = make_text(in)};
        return make_sequence(in, t, count);
    case TYPE_MAP:
        return make_sequence(in, t, count);
    case TYPE_FIXED_LIST:
        return make_sequence(in, t, t->length);
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return make_sequence(in, t, t->field_count);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return make_case(in, t);
    case TYPE_FLAGS:
        return (struct value){.flags = take(in, 256) & ((1u << t->field_count) - 1)};
    case TYPE_OWN:
    case TYPE_BORROW:
        return (struct value){.resource = resources[t->resource->index].type,
                              .rep = (void *)(uintptr_t)(uint32_t)take_bits(in)};
    }
    return make_scalar(in, t->kind);
}

// ---- properties ---------------------------------------------------------------------------------

static struct guest *make_guest(uint32_t encoding, uint32_t instance)
{
    struct guest *guest = guest_new((enum string_encoding)encoding);
    guest->call.resources = resources;
    guest->call.component_instance = instance;
    return guest;
}

// As the argument of a call, from component to component, and lifted there.
static void check_round_trip(struct input *in, const struct type *t)
{
    struct type_field param = {STR_INIT("x"), t};
    struct func_type type = {.params = &param, .param_count = 1};
    _cleanup_(guest_freep) struct guest *from = make_guest(take(in, 3), 1);
    _cleanup_(guest_freep) struct guest *to = make_guest(take(in, 3), 2);
    union core_value args[CANON_FLAT_MAX] = {0}, flat[CANON_FLAT_MAX] = {0};
    struct value value = make_value(in, t), again;
    if (value_lower_params(&from->call, &type, &value, args) < 0)
        return; // out of the guest's memory
    if (canon_copy_params(&type, &from->call, &to->call, args, flat) < 0)
        return;
    assert(value_lift_params(&to->call, &type, flat, in->arena, &again) == 0);
    assert(value_equal(t, &value, &again));
    canon_call_end(&from->call);
    canon_call_end(&to->call);
    canon_drop_all(&from->call);
    canon_drop_all(&to->call);
    assert(from->handles.live == 0 && to->handles.live == 0);
}

static void check_hostile(struct input *in, const struct type *t)
{
    struct type_field param = {STR_INIT("x"), t};
    struct func_type type = {.params = &param, .param_count = 1, .result = t};
    _cleanup_(guest_freep) struct guest *from = make_guest(take(in, 3), 1);
    _cleanup_(guest_freep) struct guest *to = make_guest(take(in, 3), 2);
    union core_value flat[CANON_FLAT_MAX] = {0}, out[CANON_FLAT_MAX] = {0};
    struct value value;
    uint32_t handle;
    for (int i = 0; i < 3; i++) {
        assert(canon_lower_own(&from->call, &file, NULL, &handle) == 0);
        assert(canon_resource_new(&from->call, &of_guest, 7, &handle) == 0);
    }
    for (uint32_t i = 0; i < CANON_FLAT_MAX; i++)
        flat[i].u64 = take_bits(in);
    if (in->size > 0) {
        memcpy(from->memory, in->data, MIN(in->size, GUEST_MEMORY_BYTES / 2));
        memcpy(from->memory + GUEST_MEMORY_BYTES - MIN(in->size, 1000), in->data,
               MIN(in->size, 1000));
    }
    if (canon_copy_params(&type, &from->call, &to->call, flat, out) < 0)
        assert(from->error.message || to->error.message);
    if (canon_copy_result(&type, &from->call, &to->call, flat, out) < 0)
        assert(from->error.message || to->error.message);
    if (value_lift_params(&from->call, &type, flat, in->arena, &value) == 0)
        assert(value_equal(t, &value, &value));
    canon_call_end(&from->call);
    canon_drop_all(&from->call);
    assert(from->handles.live == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT((size_t)4 << 20);
    struct input in = {data, size, &arena, 0};
    bool hostile = take(&in, 2);
    const struct type *t = make_type(&in, 0);
    if (hostile)
        check_hostile(&in, t);
    else
        check_round_trip(&in, t);
    arena_done(&arena);
    return 0;
}

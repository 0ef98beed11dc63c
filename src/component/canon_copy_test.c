// SPDX-License-Identifier: Apache-2.0
#include "component/canon_copy.h"
#include "component/guest_test.h"
#include "component/value.h"
#include "testing/test.h"

#define P(kind) type_primitive(TYPE_##kind)

// Two components, the caller with UTF-8 strings and the callee with others.
struct pair {
    struct guest *caller;
    struct guest *callee;
};

static struct pair pair_new(void)
{
    struct pair pair = {guest_new(ENCODING_UTF8), guest_new(ENCODING_LATIN1_UTF16)};
    pair.callee->call.component_instance = 1;
    return pair;
}

static void pair_done(struct pair *pair)
{
    guest_freep(&pair->caller);
    guest_freep(&pair->callee);
}

#define PAIR(name)                                                                                 \
    _cleanup_(pair_done) struct pair name = pair_new();                                            \
    struct canon_call *caller = &name.caller->call, *callee = &name.callee->call;                  \
    union core_value args[CANON_FLAT_MAX] = {0}, flat[CANON_FLAT_MAX] = {0}

static struct type list_of(const struct type *element)
{
    struct type list = {.kind = TYPE_LIST, .element = element};
    CHECK_INT(type_compute_layout(&list), 0);
    return list;
}

TEST(copy_passes_scalars_strings_and_lists)
{
    PAIR(pair);
    struct type list = list_of(P(U32));
    struct type_field params[] = {{STR_INIT("a"), P(S8)},
                                  {STR_INIT("b"), P(STRING)},
                                  {STR_INIT("c"), &list},
                                  {STR_INIT("d"), P(F64)},
                                  {STR_INIT("e"), P(BOOL)}};
    struct func_type type = {.params = params, .param_count = ARRAY_LEN(params)};
    struct value numbers[] = {{.u64 = 7}, {.u64 = 0xffffffff}};
    struct value values[] = {{.s64 = -5},
                             {.str = STR("caf\xc3\xa9")},
                             {.items = numbers, .count = 2},
                             {.f64 = 1.5},
                             {.boolean = true}};
    CHECK_INT(value_lower_params(caller, &type, values, args), 0);
    args[6].u32 = 0x100; // any i32 but zero is true
    args[0].u64 |= 0xabcdef00u;
    CHECK_INT(canon_copy_params(&type, caller, callee, args, flat), 0);
    CHECK(flat[0].i32 == -5 && flat[6].u32 == 1 && flat[5].f64 == 1.5);
    CHECK_INT(flat[2].u32, 4);
    CHECK(memcmp(callee->memory + flat[1].u32, "caf\xe9", 4) == 0);
    CHECK_INT(flat[4].u32, 2);
    CHECK_INT(canon_load32(callee->memory + flat[3].u32 + 4), 0xffffffff);
    CHECK(!pair.callee->left_during);
}

TEST(copy_passes_many_parameters_in_memory)
{
    PAIR(pair);
    struct type_field params[20];
    struct value values[20];
    for (uint32_t i = 0; i < 20; i++) {
        params[i] = (struct type_field){STR_INIT("x"), i % 2 ? P(U8) : P(U64)};
        values[i] = (struct value){.u64 = i};
    }
    struct func_type type = {.params = params, .param_count = 20, .result = P(STRING)};
    CHECK_INT(value_lower_params(caller, &type, values, args), 0);
    CHECK_INT(canon_copy_params(&type, caller, callee, args, flat), 0);
    struct value copy[20];
    CHECK_INT(value_lift_params(callee, &type, flat, &pair.callee->arena, copy), 0);
    for (uint32_t i = 0; i < 20; i++)
        CHECK_INT(copy[i].u64, i);
    args[0].u32 += 4;
    CHECK_TRAP(pair.caller, canon_copy_params(&type, caller, callee, args, flat), "not aligned");
    args[0].u32 = GUEST_MEMORY_BYTES - 64;
    CHECK_TRAP(pair.caller, canon_copy_params(&type, caller, callee, args, flat), "outside");
}

TEST(copy_returns_flat_results_and_results_in_memory)
{
    PAIR(pair);
    struct func_type narrow = {.result = P(U8)};
    flat[0].u32 = 0x1ff;
    CHECK_INT(canon_copy_result(&narrow, callee, caller, flat, args), 0);
    CHECK_INT(args[0].u32, 0xff);

    struct type_field params[] = {{STR_INIT("a"), P(U32)}};
    struct func_type type = {.params = params, .param_count = 1, .result = P(STRING)};
    struct value text = {.str = STR("\xe2\x82\xac")};
    CHECK_INT(value_store(callee, P(STRING), &text, 16), 0);
    flat[0].u32 = 16;
    args[1].u32 = 32;
    CHECK_INT(canon_copy_result(&type, callee, caller, flat, args), 0);
    struct value copy;
    CHECK_INT(value_load(caller, P(STRING), 32, &pair.caller->arena, &copy), 0);
    CHECK_STR(copy.str, "\xe2\x82\xac");
    args[1].u32 = 34;
    CHECK_TRAP(pair.caller, canon_copy_result(&type, callee, caller, flat, args), "not aligned");
    flat[0].u32 = GUEST_MEMORY_BYTES;
    CHECK_TRAP(pair.callee, canon_copy_result(&type, callee, caller, flat, args), "outside");
}

TEST(copy_zeroes_what_a_case_leaves_unused)
{
    PAIR(pair);
    struct type result = {.kind = TYPE_RESULT, .element = P(F32), .error = P(U64)};
    CHECK_INT(type_compute_layout(&result), 0);
    struct type_field params[] = {{STR_INIT("a"), &result}, {STR_INIT("b"), &result}};
    struct func_type type = {.params = params, .param_count = 2};
    struct value payloads[] = {{.f32 = 2.0f}, {.u64 = UINT64_MAX}};
    struct value values[] = {{.payload = &payloads[0], .index = 0},
                             {.payload = &payloads[1], .index = 1}};
    memset(flat, 0xff, sizeof(flat));
    CHECK_INT(value_lower_params(caller, &type, values, args), 0);
    args[1].u64 |= UINT64_C(0xdead) << 32; // of the wider slot only the low half is the float
    CHECK_INT(canon_copy_params(&type, caller, callee, args, flat), 0);
    CHECK(flat[0].u32 == 0 && flat[1].u64 == 0x40000000 && flat[3].u64 == UINT64_MAX);
    args[0].u32 = 2;
    CHECK_TRAP(pair.caller, canon_copy_params(&type, caller, callee, args, flat),
               "case 2 of a type with 2 cases");
}

// ---- handles ------------------------------------------------------------------------------------

static const struct host_resource stream = {.interface = STR_INIT("wasi:io/streams@0.2.12"),
                                            .name = STR_INIT("input-stream")};
static const struct resource_type stream_type = {.name = STR_INIT("input-stream"), .index = 0};
static const struct resource_type counter_type = {.name = STR_INIT("counter"), .index = 1};
static const struct canon_resource resources[] = {{&stream, CANON_DEFINER_HOST},
                                                  {&counter_type, 1}};
static const struct type own_stream = {
    .kind = TYPE_OWN, .resource = &stream_type, .layout = {4, 4, 1, "i", true}};
static const struct type borrow_stream = {
    .kind = TYPE_BORROW, .resource = &stream_type, .layout = {4, 4, 1, "i", true}};
static const struct type borrow_counter = {
    .kind = TYPE_BORROW, .resource = &counter_type, .layout = {4, 4, 1, "i", true}};

TEST(copy_moves_own_handles_and_lends_borrowed_ones)
{
    PAIR(pair);
    caller->resources = callee->resources = resources;
    struct type list = list_of(&own_stream);
    struct type_field params[] = {
        {STR_INIT("a"), &list}, {STR_INIT("b"), &borrow_stream}, {STR_INIT("c"), &borrow_counter}};
    struct func_type type = {.params = params, .param_count = 3};
    int reps[3];
    uint32_t handles[4];
    void *rep = NULL;
    for (int i = 0; i < 3; i++)
        CHECK_INT(canon_lower_own(caller, &stream, &reps[i], &handles[i]), 0);
    CHECK_INT(canon_resource_new(caller, &counter_type, 4711, &handles[3]), 0);
    memcpy(caller->memory + 64, handles, 8);
    args[0].u32 = 64;
    args[1].u32 = 2;
    args[2].u32 = handles[2];
    args[3].u32 = handles[3];
    CHECK_INT(canon_copy_params(&type, caller, callee, args, flat), 0);
    CHECK_INT(pair.caller->handles.live, 2);
    CHECK_INT(pair.callee->handles.live, 3);
    CHECK_INT(flat[3].u32, 4711); // its implementer gets the representation
    CHECK_INT(canon_lift_own(callee, canon_load32(callee->memory + flat[0].u32 + 4), &stream, &rep),
              0);
    CHECK(rep == &reps[1]);
    CHECK_TRAP(pair.callee, canon_copy_result(&type, callee, caller, flat, args),
               "borrow handles still remain at the end of the call");
    CHECK_INT(canon_resource_drop(callee, &stream, flat[2].u32), 0);
    CHECK_INT(canon_copy_result(&type, callee, caller, flat, args), 0);
    CHECK_INT(pair.caller->handles.items[handles[2]].lends, 1);
    canon_call_end(caller);
    CHECK_INT(pair.caller->handles.items[handles[2]].lends, 0);
    CHECK_INT(pair.caller->handles.items[handles[3]].lends, 0);
}

TEST(copy_of_ill_formed_values_blames_the_sender)
{
    PAIR(pair);
    struct type_field params[] = {{STR_INIT("a"), P(STRING)}};
    struct func_type type = {.params = params, .param_count = 1};
    memcpy(caller->memory + 8, "\xff", 1);
    args[0].u32 = 8;
    args[1].u32 = 1;
    CHECK_TRAP(pair.caller, canon_copy_params(&type, caller, callee, args, flat),
               "not valid UTF-8");
    params[0].type = P(CHAR);
    args[0].u32 = 0xd800;
    CHECK_TRAP(pair.caller, canon_copy_params(&type, caller, callee, args, flat), "0xd800");
    struct type list = list_of(P(U64));
    params[0].type = &list;
    args[0].u32 = 8;
    args[1].u32 = 0x20000000;
    CHECK_TRAP(pair.caller, canon_copy_params(&type, caller, callee, args, flat), "limit");
    args[1].u32 = 4;
    pair.callee->answer = GUEST_MEMORY_BYTES - 8;
    CHECK_TRAP(pair.callee, canon_copy_params(&type, caller, callee, args, flat), "realloc");
}

TEST(copy_within_one_memory_follows_it)
{
    PAIR(pair);
    struct type_field params[] = {{STR_INIT("a"), P(STRING)}};
    struct func_type type = {.params = params, .param_count = 1};
    callee->memory = caller->memory;
    pair.callee->next = 4096;
    memcpy(caller->memory + 8, "abc", 3);
    args[0].u32 = 8;
    args[1].u32 = 3;
    CHECK_INT(canon_copy_params(&type, caller, callee, args, flat), 0);
    CHECK(memcmp(caller->memory + flat[0].u32, "abc", 3) == 0 && flat[0].u32 == 4096);
}

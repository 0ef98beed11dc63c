// SPDX-License-Identifier: Apache-2.0
#include "component/guest_test.h"
#include "component/value.h"
#include "testing/test.h"

// A guest function that returns its string argument, and counts its post-returns.
static int post_returns;

static int echo(struct canon_call *call, const void *func, union core_value *flat)
{
    uint32_t ptr = flat[0].u32, len = flat[1].u32;
    CHECK(func == &post_returns);
    canon_store32(call->memory + 512, ptr);
    canon_store32(call->memory + 516, len);
    flat[0].u32 = 512;
    return 0;
}

static int echo_post_return(struct canon_call *call, const void *func, union core_value *flat)
{
    CHECK(!call->may_leave);
    CHECK_INT(flat[0].u32, 512);
    post_returns++;
    return 0;
}

static int trap(struct canon_call *call, const void *func, union core_value *flat)
{
    return canon_trap(call, "unreachable");
}

static int keep_borrow(struct canon_call *call, const void *func, union core_value *flat)
{
    call->borrows++;
    return 0;
}

TEST(value_call_lowers_invokes_lifts_and_ends)
{
    GUEST(guest, ENCODING_UTF16);
    struct canon_ops ops = guest_ops;
    struct type_field param = {STR_INIT("text"), type_primitive(TYPE_STRING)};
    struct func_type type = {
        .params = &param, .param_count = 1, .result = type_primitive(TYPE_STRING)};
    struct value arg = {.str = STR("caf\xc3\xa9")}, result;
    ops.invoke = echo;
    ops.post_return = echo_post_return;
    call->ops = &ops;
    post_returns = 0;
    CHECK_INT(value_call(call, &post_returns, &type, &arg, &guest->arena, &result), 0);
    CHECK_STR(result.str, "caf\xc3\xa9");
    CHECK(post_returns == 1 && call->may_leave);
    ops.invoke = trap;
    CHECK_TRAP(guest, value_call(call, &post_returns, &type, &arg, &guest->arena, &result),
               "unreachable");
    ops.invoke = keep_borrow;
    CHECK_TRAP(guest, value_call(call, &post_returns, &type, &arg, &guest->arena, &result),
               "borrow handles still remain");
    CHECK_INT(post_returns, 1);
}

TEST(values_larger_than_the_arena_trap)
{
    GUEST(guest, ENCODING_UTF8);
    struct type list = {.kind = TYPE_LIST, .element = type_primitive(TYPE_U16)};
    struct type lists = {.kind = TYPE_LIST, .element = &list};
    CHECK_INT(type_compute_layout(&list), 0);
    CHECK_INT(type_compute_layout(&lists), 0);
    // Many lists over the same bytes: small for the guest, large for who lifts them.
    for (uint32_t at = 0; at < 4096; at += 8) {
        canon_store32(guest->memory + at, 0);
        canon_store32(guest->memory + at + 4, 30000);
    }
    canon_store32(guest->memory + 8192, 0);
    canon_store32(guest->memory + 8196, 512);
    struct value value;
    CHECK_TRAP(guest, value_load(call, &lists, 8192, &guest->arena, &value),
               "more than there is room for");
}

TEST(values_of_handles_carry_their_identity)
{
    static const struct host_resource file = {.name = STR_INIT("file")};
    static const struct host_resource dir = {.name = STR_INIT("dir")};
    static const struct resource_type type = {.name = STR_INIT("file"), .index = 0};
    static const struct canon_resource resources[] = {{&file, CANON_DEFINER_HOST}};
    GUEST(guest, ENCODING_UTF8);
    struct type own = {.kind = TYPE_OWN, .resource = &type};
    CHECK_INT(type_compute_layout(&own), 0);
    int object;
    struct value value = {.resource = &file, .rep = &object}, again;
    union core_value flat[1] = {0};
    call->resources = resources;
    CHECK_INT(value_lower_flat(call, &own, &value, flat), 0);
    CHECK_INT(guest->handles.live, 1);
    CHECK_INT(value_lift_flat(call, &own, flat, &guest->arena, &again), 0);
    CHECK(value_equal(&own, &value, &again));
    CHECK_INT(guest->handles.live, 0);
    value.resource = &dir;
    CHECK_TRAP(guest, value_lower_flat(call, &own, &value, flat), "another resource type");
}

TEST(values_compare_by_content)
{
    struct type option = {.kind = TYPE_OPTION, .element = type_primitive(TYPE_F64)};
    struct value nan = {.f64 = __builtin_nan("1")}, other = {.f64 = -__builtin_nan("2")};
    struct value zero = {.f64 = 0.0}, minus = {.f64 = -0.0};
    struct value a = {.payload = &nan, .index = 1}, b = {.payload = &other, .index = 1};
    struct value none = {.index = 0};
    CHECK(value_equal(&option, &a, &b));
    CHECK(!value_equal(&option, &a, &none));
    CHECK(!value_equal(type_primitive(TYPE_F64), &zero, &minus));
}

// SPDX-License-Identifier: Apache-2.0
// Every allocation of a call fails once: the guest's realloc at each of its calls, and the host's
// arena at each size. The call traps with a reason, and no handle is lost or counted twice.
#include "component/canon_copy.h"
#include "component/guest_test.h"
#include "component/value.h"
#include "testing/test.h"

static int reallocs_left;

static int failing_realloc(struct canon_call *call, uint32_t old, uint32_t old_size, uint32_t align,
                           uint32_t size, uint32_t *out)
{
    if (reallocs_left-- == 0)
        return canon_trap(call, "realloc failed on purpose");
    return guest_realloc(call, old, old_size, align, size, out);
}

static int same_result(struct canon_call *call, const void *func, union core_value *flat)
{
    canon_store32(call->memory + 512, flat[0].u32);
    canon_store32(call->memory + 516, flat[1].u32);
    flat[0].u32 = 512;
    return 0;
}

static const struct canon_ops failing_ops = {.realloc = failing_realloc, .invoke = same_result};

// list<tuple<string, list<string>>>
static struct type inner, pair, outer;
static struct type_field fields[2];
static const struct type *texts_type(void)
{
    inner = (struct type){.kind = TYPE_LIST, .element = type_primitive(TYPE_STRING)};
    CHECK_INT(type_compute_layout(&inner), 0);
    fields[0] = (struct type_field){STR_EMPTY, type_primitive(TYPE_STRING)};
    fields[1] = (struct type_field){STR_EMPTY, &inner};
    pair = (struct type){.kind = TYPE_TUPLE, .fields = fields, .field_count = 2};
    CHECK_INT(type_compute_layout(&pair), 0);
    outer = (struct type){.kind = TYPE_LIST, .element = &pair};
    CHECK_INT(type_compute_layout(&outer), 0);
    return &outer;
}

static struct value strings[] = {{.str = STR_INIT("grace")}, {.str = STR_INIT("h\xc3\xb6pper")}};
static struct value tuple[] = {{.str = STR_INIT("names")}, {.items = strings, .count = 2}};
static struct value tuples[] = {{.items = tuple, .count = 2}, {.items = tuple, .count = 2}};
static const struct value texts = {.items = tuples, .count = 2};

TEST(a_call_survives_each_failure_of_the_guest_s_realloc)
{
    struct type_field param = {STR_INIT("v"), texts_type()};
    struct func_type type = {.params = &param, .param_count = 1, .result = &outer};
    int rc = -1, fails = 0;
    for (; rc < 0; fails++) {
        CHECK(fails < 100);
        GUEST(guest, ENCODING_UTF16);
        struct value result;
        call->ops = &failing_ops;
        reallocs_left = fails;
        rc = value_call(call, NULL, &type, &texts, &guest->arena, &result);
        if (rc < 0)
            CHECK_CONTAINS(error_text(&guest->error), "realloc failed on purpose");
        else
            CHECK(value_equal(&outer, &texts, &result));
        CHECK_INT(call->lent_count, 0);
        CHECK(call->may_leave);
    }
    CHECK(fails > 8);
}

TEST(a_result_survives_an_arena_of_each_size)
{
    struct type_field param = {STR_INIT("v"), texts_type()};
    struct func_type type = {.params = &param, .param_count = 1, .result = &outer};
    int rc = -1;
    size_t limit = 0;
    for (; rc < 0; limit += 8) {
        CHECK(limit < 65536);
        GUEST(guest, ENCODING_UTF16);
        struct arena arena = ARENA_INIT(limit);
        struct value result;
        call->ops = &failing_ops;
        reallocs_left = 1000;
        rc = value_call(call, NULL, &type, &texts, &arena, &result);
        if (rc < 0)
            CHECK(error_text(&guest->error)[0]);
        else
            CHECK(value_equal(&outer, &texts, &result));
        arena_done(&arena);
    }
    CHECK(limit > 100);
}

TEST(handles_survive_each_failure_of_a_copy)
{
    enum { COUNT = 3 };
    static const struct host_resource file = {.interface = STR_INIT("a:b/c"),
                                              .name = STR_INIT("file")};
    struct type own = {.kind = TYPE_OWN, .resource = (const struct resource_type *)&file};
    CHECK_INT(type_compute_layout(&own), 0);
    struct type_field members[] = {{STR_EMPTY, type_primitive(TYPE_STRING)}, {STR_EMPTY, &own}};
    struct type member = {.kind = TYPE_TUPLE, .fields = members, .field_count = 2};
    CHECK_INT(type_compute_layout(&member), 0);
    struct type list = {.kind = TYPE_LIST, .element = &member};
    CHECK_INT(type_compute_layout(&list), 0);
    struct type_field param = {STR_INIT("v"), &list};
    struct func_type type = {.params = &param, .param_count = 1};
    int rc = -1, fails = 0;
    for (; rc < 0; fails++) {
        CHECK(fails < 100);
        _cleanup_(guest_freep) struct guest *from = guest_new(ENCODING_UTF8);
        _cleanup_(guest_freep) struct guest *to = guest_new(ENCODING_UTF16);
        union core_value args[CANON_FLAT_MAX] = {{.u32 = 2048}, {.u32 = COUNT}};
        union core_value flat[CANON_FLAT_MAX];
        uint8_t *at = from->memory + 2048;
        for (uint32_t i = 0; i < COUNT; i++, at += member.layout.size) {
            uint32_t handle;
            memcpy(from->memory + 4096, "text", 4);
            canon_store32(at, 4096);
            canon_store32(at + 4, 4);
            CHECK_INT(canon_lower_own(&from->call, &file, &fails, &handle), 0);
            canon_store32(at + 8, handle);
        }
        to->call.ops = &failing_ops;
        reallocs_left = fails;
        rc = canon_copy_params(&type, &from->call, &to->call, args, flat);
        CHECK_INT(from->handles.live + to->handles.live, COUNT);
        if (rc == 0)
            CHECK_INT(to->handles.live, COUNT);
    }
    CHECK_INT(fails, 2 + COUNT); // the list, and a text each
}

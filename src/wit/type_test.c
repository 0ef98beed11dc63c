// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "testing/test.h"
#include "wit/type.h"

#define P(kind) type_primitive(TYPE_##kind)
#define FIELDS(...)                                                                                \
    .fields = (const struct type_field[]){__VA_ARGS__},                                            \
    .field_count = ARRAY_LEN(((const struct type_field[]){__VA_ARGS__}))
#define F(name_, type_)                                                                            \
    {                                                                                              \
        .name = STR_INIT(name_), .type = (type_)                                                   \
    }

static void check_layout(struct type *t, uint32_t size, uint32_t align, const char *flat)
{
    CHECK_INT(type_compute_layout(t), 0);
    CHECK_INT(t->layout.size, size);
    CHECK_INT(t->layout.align, align);
    CHECK_TEXT(t->layout.flat, flat);
    CHECK_INT(t->layout.flat_count, strlen(flat));
}

TEST(layout_of_records_pads_between_and_behind_fields)
{
    struct type record = {.kind = TYPE_RECORD,
                          FIELDS(F("a", P(U8)), F("b", P(U64)), F("c", P(U16)))};
    check_layout(&record, 24, 8, "iIi");
    CHECK(record.layout.is_plain && record.layout.has_padding);
    struct type dense = {.kind = TYPE_RECORD,
                         FIELDS(F("a", P(U32)), F("b", P(S16)), F("c", P(U16)))};
    check_layout(&dense, 8, 4, "iii");
    CHECK(dense.layout.is_plain && !dense.layout.has_padding);
    struct type tuple = {.kind = TYPE_TUPLE, FIELDS(F("", P(STRING)), F("", P(F32)))};
    check_layout(&tuple, 12, 4, "iif");
    CHECK(tuple.layout.has_pointers);
    CHECK(!tuple.layout.is_plain);
}

TEST(layout_of_variants_joins_flat_types)
{
    struct type pair = {.kind = TYPE_TUPLE, FIELDS(F("", P(F32)), F("", P(F64)))};
    CHECK_INT(type_compute_layout(&pair), 0);
    struct type variant = {.kind = TYPE_VARIANT,
                           FIELDS(F("i", P(U32)), F("p", &pair), F("none", NULL), F("s", P(U8)))};
    check_layout(&variant, 24, 8, "iiF");
    CHECK_INT(type_payload_offset(&variant), 8);
    struct type floats = {.kind = TYPE_RESULT, .element = P(F32), .error = P(S64)};
    check_layout(&floats, 16, 8, "iI");
    struct type option = {.kind = TYPE_OPTION, .element = P(U8)};
    check_layout(&option, 2, 1, "ii");
    CHECK(type_case(&option, 0) == NULL && type_case(&option, 1) == P(U8));
    struct type nothing = {.kind = TYPE_RESULT};
    check_layout(&nothing, 1, 1, "i");
}

TEST(layout_of_enums_and_flags_grows_with_their_members)
{
    CHECK_INT(type_discriminant_size(256), 1);
    CHECK_INT(type_discriminant_size(257), 2);
    CHECK_INT(type_discriminant_size(65536), 2);
    CHECK_INT(type_discriminant_size(65537), 4);
    static const struct type_field names[33];
    struct type flags = {.kind = TYPE_FLAGS, .fields = names};
    static const uint32_t sizes[][2] = {{1, 1}, {8, 1}, {9, 2}, {16, 2}, {17, 4}, {32, 4}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        flags.field_count = sizes[i][0];
        check_layout(&flags, sizes[i][1], sizes[i][1], "i");
    }
    flags.field_count = 33;
    CHECK_INT(type_compute_layout(&flags), -EOVERFLOW);
}

TEST(layout_counts_flat_values_up_to_the_limit)
{
    struct type eight = {.kind = TYPE_FIXED_LIST, .element = P(U64), .length = 8};
    check_layout(&eight, 64, 8, "IIIIIIII");
    struct type sixteen = {.kind = TYPE_TUPLE, FIELDS(F("", &eight), F("", &eight))};
    check_layout(&sixteen, 128, 8, "IIIIIIIIIIIIIIII");
    struct type option = {.kind = TYPE_OPTION, .element = &sixteen};
    CHECK_INT(type_compute_layout(&option), 0);
    CHECK_INT(option.layout.flat_count, TYPE_FLAT_MAX + 1);
    CHECK_INT(option.layout.size, 136);
    struct type huge = {.kind = TYPE_FIXED_LIST, .element = &sixteen, .length = 1u << 25};
    CHECK_INT(type_compute_layout(&huge), -EOVERFLOW);
}

static bool same_name(const struct resource_type *a, const struct resource_type *b, void *data)
{
    return str_eq(a->name, b->name);
}

TEST(equality_says_where_types_differ)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct str why = STR_EMPTY;
    struct type want = {.kind = TYPE_RECORD, FIELDS(F("seconds", P(U64)), F("nanos", P(U32)))};
    struct type have = {.kind = TYPE_RECORD, FIELDS(F("seconds", P(U32)), F("nanos", P(U32)))};
    CHECK(type_equal(&want, &want, NULL, NULL, &arena, &why));
    CHECK(!type_equal(&want, &have, NULL, NULL, &arena, &why));
    CHECK_STR(why, "field `seconds`: u32, not u64");
    struct type more = {.kind = TYPE_RECORD,
                        FIELDS(F("seconds", P(U64)), F("nanos", P(U32)), F("leap", P(BOOL)))};
    CHECK(!type_equal(&want, &more, NULL, NULL, &arena, &why));
    CHECK_STR(why, "field `leap` is unexpected");
    CHECK(!type_equal(&more, &want, NULL, NULL, &arena, &why));
    CHECK_STR(why, "field `leap` is missing");
    struct type list = {.kind = TYPE_LIST, .element = &want};
    struct type other = {.kind = TYPE_LIST, .element = &have};
    CHECK(!type_equal(&list, &other, NULL, NULL, &arena, &why));
    CHECK_STR(why, "element: field `seconds`: u32, not u64");
    CHECK(!type_equal(&list, &other, NULL, NULL, NULL, NULL));
    struct resource_type a = {.interface = STR_INIT("x:y/z"), .name = STR_INIT("r")}, b = a;
    struct type own = {.kind = TYPE_OWN, .resource = &a}, own_b = {TYPE_OWN, .resource = &b};
    CHECK(!type_equal(&own, &own_b, NULL, NULL, &arena, &why));
    CHECK_STR(why, "resource `r` of `x:y/z`, not resource `r` of `x:y/z`");
    CHECK(type_equal(&own, &own_b, same_name, NULL, &arena, &why));
    arena_done(&arena);
}

TEST(equality_of_functions_compares_names_and_results)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct str why;
    struct type_field a[] = {F("a", P(U32))}, b[] = {F("b", P(U32))};
    struct func_type f = {.params = a, .param_count = 1, .result = P(STRING)};
    struct func_type g = {.params = b, .param_count = 1, .result = P(STRING)};
    struct func_type h = {.params = a, .param_count = 1};
    CHECK(func_type_equal(&f, &f, NULL, NULL, &arena, &why));
    CHECK(!func_type_equal(&f, &g, NULL, NULL, &arena, &why));
    CHECK_STR(why, "parameter `b`, not `a`");
    CHECK(!func_type_equal(&f, &h, NULL, NULL, &arena, &why));
    CHECK_STR(why, "result: nothing, not string");
    CHECK_STR(func_type_to_text(&f, &arena), "func(a: u32) -> string");
    arena_done(&arena);
}

// Each level has two cases of the level below: 2^depth paths through `depth` nodes.
static const struct type *doubling(struct arena *arena, int depth)
{
    const struct type *t = P(U8);
    for (int i = 0; i < depth; i++) {
        struct type *next = arena_new(arena, struct type);
        *next = (struct type){.kind = TYPE_RESULT, .element = t, .error = t};
        CHECK_INT(type_compute_layout(next), 0);
        t = next;
    }
    return t;
}

TEST(shared_nodes_cost_no_exponential_time)
{
    struct arena arena = ARENA_INIT(1 << 20);
    const struct type *a = doubling(&arena, TYPE_DEPTH_MAX), *b = doubling(&arena, TYPE_DEPTH_MAX);
    CHECK(type_equal(a, b, NULL, NULL, NULL, NULL));
    CHECK(type_to_text(a, &arena).len < 5000);
    arena_done(&arena);
}

TEST(text_is_wit)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct resource_type r = {.name = STR_INIT("fields")};
    struct type own = {.kind = TYPE_OWN, .resource = &r}, borrow = {TYPE_BORROW, .resource = &r};
    struct type result = {.kind = TYPE_RESULT, .error = &own};
    struct type list = {.kind = TYPE_LIST, .element = &borrow};
    struct type tuple = {.kind = TYPE_TUPLE, FIELDS(F("", &result), F("", &list))};
    CHECK_STR(type_to_text(&tuple, &arena), "tuple<result<_, fields>, list<borrow<fields>>>");
    struct type variant = {.kind = TYPE_VARIANT, FIELDS(F("a", P(U8)), F("b", NULL))};
    CHECK_STR(type_to_text(&variant, &arena), "variant { a(u8), b }");
    struct type record = {.kind = TYPE_RECORD, FIELDS(F("a", &variant), F("b", P(CHAR)))};
    CHECK_STR(type_to_text(&record, &arena), "record { a: variant { a(u8), b }, b: char }");
    record.name = STR("pair");
    CHECK_STR(type_to_text(&record, &arena), "pair");
    struct type fixed = {.kind = TYPE_FIXED_LIST, .element = P(U8), .length = 4};
    CHECK_STR(type_to_text(&fixed, &arena), "list<u8, 4>");
    arena_done(&arena);
}

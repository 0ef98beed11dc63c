// SPDX-License-Identifier: Apache-2.0
#include "http/trace_context.h"

#include "testing/test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

TEST(traceparents_are_checked)
{
    static const struct {
        const char *value;
        bool is_valid;
    } cases[] = {
        {"00-" TRACE "-b7ad6b7169203331-01", true},
        {"00-" TRACE "-b7ad6b7169203331-ff", true},
        {"cc-" TRACE "-b7ad6b7169203331-01", true},
        {"cc-" TRACE "-b7ad6b7169203331-01-what-the-future-brings", true},
        {"cc-" TRACE "-b7ad6b7169203331-01.what-it-does-not", false},
        {"00-" TRACE "-b7ad6b7169203331-01-", false},
        {"ff-" TRACE "-b7ad6b7169203331-01", false},
        {"00-" TRACE "-b7ad6b7169203331-0", false},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
        {"00-" TRACE "-0000000000000000-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
        {"0x-" TRACE "-b7ad6b7169203331-01", false},
        {"00-" TRACE "_b7ad6b7169203331-01", false},
        {"00-" TRACE "-b7ad6b7169203331-0g", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (traceparent_valid(str_from(cases[i].value)) != cases[i].is_valid)
            test_fail(__FILE__, __LINE__, "%s", cases[i].value);
}

static struct str value_of(const struct http_field *fields, size_t count, const char *name)
{
    const struct http_field *field = http_field_find(fields, count, str_from(name));
    return field ? field->value : STR_EMPTY;
}

TEST(requests_without_ids_get_them)
{
    struct trace_context one, two;
    struct http_field fields[4] = {{STR("a"), STR("b")}}, others[4];
    CHECK_INT(trace_context_complete(&one, fields, 1, 4), 3);
    CHECK_INT(trace_context_complete(&two, others, 0, 4), 2);
    CHECK(traceparent_valid(value_of(fields, 3, "traceparent")));
    CHECK_INT(value_of(fields, 3, "x-request-id").len, REQUEST_ID_BYTES);
    CHECK(!str_eq(value_of(fields, 3, "traceparent"), value_of(others, 2, "traceparent")));
    CHECK(!str_eq(value_of(fields, 3, "x-request-id"), value_of(others, 2, "x-request-id")));
    // No room: as many as fit.
    CHECK_INT(trace_context_complete(&one, fields, 1, 2), 2);
    CHECK(value_of(fields, 2, "traceparent").len > 0);
    CHECK_INT(trace_context_complete(&one, fields, 1, 1), 1);
}

TEST(valid_ids_of_clients_are_kept)
{
    struct trace_context context;
    struct http_field fields[8] = {
        {STR("traceparent"), STR("00-" TRACE "-b7ad6b7169203331-01")},
        {STR("tracestate"), STR("a=b")},
        {STR("x-request-id"), STR("7f000001-1")},
    };
    CHECK_INT(trace_context_complete(&context, fields, 3, 8), 3);
    CHECK_STR(fields[0].value, "00-" TRACE "-b7ad6b7169203331-01");
    CHECK_STR(fields[1].value, "a=b");
    CHECK_STR(fields[2].value, "7f000001-1");
}

TEST(invalid_ids_of_clients_are_replaced)
{
    struct trace_context context;
    struct http_field fields[8] = {
        {STR("tracestate"), STR("a=b")},
        {STR("traceparent"), STR("00-" TRACE "-b7ad6b7169203331-01")},
        {STR("x"), STR("y")},
        {STR("traceparent"), STR("00-" TRACE "-b7ad6b7169203331-01")},
        {STR("x-request-id"), STR("with space")},
    };
    CHECK_INT(trace_context_complete(&context, fields, 5, 8), 3);
    CHECK_STR(fields[0].name, "x");
    CHECK(str_find(value_of(fields, 3, "traceparent"), STR(TRACE)) < 0);
    CHECK_INT(value_of(fields, 3, "x-request-id").len, REQUEST_ID_BYTES);
}

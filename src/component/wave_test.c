// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>

#include "component/wave.h"
#include "component/wave_types_test.h"
#include "testing/test.h"

// What a text prints as after reading, or the error.
static const char *round_trip(struct arena *arena, const struct type *t, const char *text)
{
    BUF(out, 1 << 16);
    ERROR(err);
    struct value value;
    if (wave_parse(str_from(text), t, arena, &value, &err) < 0)
        return arena_str(arena, str_from(error_text(&err))).data;
    CHECK_INT(wave_print(&out, t, &value), 0);
    return arena_str(arena, buf_str(&out)).data;
}

struct wave_case {
    enum wave_type type;
    const char *text;
    const char *want; // NULL: the same
};

static void check_cases(const struct wave_case *cases, size_t count)
{
    struct arena arena = ARENA_INIT(1 << 20);
    for (size_t i = 0; i < count; i++)
        CHECK_TEXT(round_trip(&arena, wave_type(cases[i].type), cases[i].text),
                   cases[i].want ? cases[i].want : cases[i].text);
    arena_done(&arena);
}

#define CHECK_CASES(...)                                                                           \
    do {                                                                                           \
        static const struct wave_case cases_[] = {__VA_ARGS__};                                    \
        check_cases(cases_, ARRAY_LEN(cases_));                                                    \
    } while (0)

TEST(wave_reads_and_prints_numbers)
{
    CHECK_CASES({WAVE_BOOL, "true", NULL}, {WAVE_BOOL, " false // no\n", "false"},
                {WAVE_U8, "0", NULL}, {WAVE_U8, "255", NULL}, {WAVE_S8, "-128", NULL},
                {WAVE_S8, "-0", "0"}, {WAVE_U64, "18446744073709551615", NULL},
                {WAVE_S64, "-9223372036854775808", NULL}, {WAVE_S64, "9223372036854775807", NULL},
                {WAVE_F64, "3.14", NULL}, {WAVE_F64, "6.022e+23", "602200000000000000000000"},
                {WAVE_F64, "-0", NULL}, {WAVE_F64, "0.1", NULL}, {WAVE_F64, "1E3", "1000"},
                {WAVE_F64, "5e-3", "0.005"}, {WAVE_F64, "nan", NULL}, {WAVE_F64, "inf", NULL},
                {WAVE_F64, "-inf", NULL}, {WAVE_F64, "0.30000000000000004", NULL},
                {WAVE_F32, "-3.1415", NULL}, {WAVE_F32, "0.1", NULL}, {WAVE_F32, "1e39", "inf"},
                {WAVE_F32, "3.4028235e38", "340282350000000000000000000000000000000"},
                {WAVE_F32, "16777216", NULL}, {WAVE_F32, "-100000", NULL});
}

TEST(wave_refuses_bad_numbers)
{
    CHECK_CASES({WAVE_U8, "256", "column 1: `256` does not fit 0 to 255"},
                {WAVE_U8, "-1", "column 1: `-1` does not fit 0 to 255"},
                {WAVE_S8, "  -129", "column 3: `-129` does not fit -128 to 127"},
                {WAVE_U8, "1.5", "column 1: `1.5` is not a whole number"},
                {WAVE_U8, "01", "column 2: expected the end, found `1`"},
                {WAVE_U8, "", "column 1: expected a whole number, found the end"},
                {WAVE_U8, "\n x", "line 2, column 2: expected a whole number, found `x`"},
                {WAVE_U64, "18446744073709551616",
                 "column 1: `18446744073709551616` does not fit 0 to 18446744073709551615"},
                {WAVE_F32, "-nan", "column 1: expected a number, inf, -inf or nan, found `-nan`"},
                {WAVE_F32, "1.", "column 2: expected the end, found `.`"},
                {WAVE_BOOL, "True", "column 1: expected true or false, found `True`"},
                {WAVE_BOOL, "true x", "column 6: expected the end, found `x`"});
}

TEST(wave_reads_characters_and_strings)
{
    CHECK_CASES({WAVE_CHAR, "'x'", NULL}, {WAVE_CHAR, "'\xe2\x98\x83'", NULL},
                {WAVE_CHAR, "'\\''", NULL}, {WAVE_CHAR, "'\"'", "'\\\"'"},
                {WAVE_CHAR, "'\\u{0}'", NULL}, {WAVE_CHAR, "'\\u{2603}'", "'\xe2\x98\x83'"},
                {WAVE_STRING, "\"\"", NULL}, {WAVE_STRING, "\"abc\\t123\"", NULL},
                {WAVE_STRING, "\"'\\'\\u{27}\"", "\"\\'\\'\\'\""},
                {WAVE_STRING, "\"\\\\\\'\\\"\\t\\n\\r\"", NULL}, {WAVE_STRING, "\"a // b\"", NULL},
                {WAVE_STRING, "\"\x7f\"", "\"\\u{7f}\""});
    CHECK_CASES({WAVE_CHAR, "''", "column 1: expected a character between the quotes"},
                {WAVE_CHAR, "'ab'", "column 3: expected `'` after one character"},
                {WAVE_CHAR, "'\\u{d800}'", "column 2: \\u{d800} is not a Unicode scalar value"},
                {WAVE_STRING, "\"\\u{110000}\"", "column 2: the escape is beyond \\u{10ffff}"},
                {WAVE_STRING, "\"\\q\"",
                 "column 2: unknown escape; known are \\t \\n \\r \\' \\\" "
                 "\\\\ \\u{...}"},
                {WAVE_STRING, "\"\\\"", "column 1: the string does not end in its line"},
                {WAVE_STRING, "\"\n\"", "column 1: the string does not end in its line"},
                {WAVE_STRING, "\"\\u{\"",
                 "column 2: expected hexadecimal digits and `}` in "
                 "`\\u{...}`"},
                {WAVE_STRING, "\"\xff\"", "column 2: the text is not valid UTF-8"});
}

TEST(wave_reads_multi_line_strings)
{
    CHECK_CASES({WAVE_STRING, "\"\"\"\n\"\"\"", "\"\""},
                {WAVE_STRING, "\"\"\"\r\nA single line\r\n\"\"\"", "\"A single line\""},
                {WAVE_STRING,
                 "\"\"\"\n    Trailing indent\n  determines dedent\n      behavior.\n  "
                 "\"\"\"",
                 "\"  Trailing indent\\ndetermines dedent\\n    behavior.\""},
                {WAVE_STRING, "\"\"\"\n\nEmpty lines stay\n\n\"\"\"", "\"\\nEmpty lines stay\\n\""},
                {WAVE_STRING, "\"\"\"\nbreak: \"\"\\\"\"\n\"\"\"", "\"break: \\\"\\\"\\\"\\\"\""});
    CHECK_CASES(
        {WAVE_STRING, "\"\"\"\"\"\"",
         "column 4: the quotes of a multi-line string must end their line"},
        {WAVE_STRING, "\"\"\"\nextra\"\"\"",
         "line 2, column 6: the closing quotes must have a line of their own"},
        {WAVE_STRING, "\"\"\"\n\"\"", "column 1: the multi-line string does not end"},
        {WAVE_STRING, "\"\"\"\n x\n  \"\"\"",
         "line 2, column 1: the line has a smaller indent than the closing quotes"},
        {WAVE_STRING, "\"\"\"\n\"\"\"\"", "line 2, column 4: expected the end, found `\"`"});
}

TEST(wave_reads_lists_tuples_and_records)
{
    CHECK_CASES(
        {WAVE_BYTES, "[]", NULL}, {WAVE_BYTES, "[1,2 , 255,]", "[1, 2, 255]"},
        {WAVE_STRINGS, "[\"a\", \"b\"]", NULL}, {WAVE_STRINGS, "[ ]", "[]"},
        {WAVE_TUPLE, "(\"abc\", 123)", NULL}, {WAVE_TUPLE, "(\"abc\",123,)", "(\"abc\", 123)"},
        {WAVE_TRIPLE, "[1, 2, 3]", NULL}, {WAVE_MAP, "{\"a\": 1, \"b\": 2}", NULL},
        {WAVE_MAP, "{}", "{:}"}, {WAVE_RECORD, "{must-have: 1, optional: some(2)}", NULL},
        {WAVE_RECORD, "{ optional: 2, %must-have: 1, }", "{must-have: 1, optional: some(2)}"},
        {WAVE_RECORD, "{must-have: 1, optional: none}", "{must-have: 1}"},
        {WAVE_OPTIONALS, "{ : }", "{:}"}, {WAVE_OPTIONALS, "{true: some(1)}", NULL});
    CHECK_CASES({WAVE_BYTES, "[1 2]", "column 4: expected `,` or `]`, found `2`"},
                {WAVE_BYTES, "[,]", "column 2: expected a whole number, found `,`"},
                {WAVE_TRIPLE, "[1, 2]", "column 1: the list has 2 elements, not 3"},
                {WAVE_TUPLE, "(\"a\")", "column 5: expected `,`, found `)`"},
                {WAVE_RECORD, "{optional: 1}", "column 1: field `must-have` is missing"},
                {WAVE_RECORD, "{must-have: 1, must-have: 1}",
                 "column 16: field `must-have` is there twice"},
                {WAVE_RECORD, "{other: 1}",
                 "column 2: `other` is not a field; there are: must-have, optional"},
                {WAVE_RECORD, "{must-have: 1,, }", "column 15: expected a field, found `,`"},
                {WAVE_OPTIONALS, "{}", "column 2: expected a field, found `}`"});
}

TEST(wave_reads_cases_and_flags)
{
    CHECK_CASES({WAVE_VARIANT, "empty", NULL}, {WAVE_VARIANT, "body([79, 75])", NULL},
                {WAVE_VARIANT, "%err(\"oops\")", NULL}, {WAVE_VARIANT, "%empty", "empty"},
                {WAVE_ENUM, "%ok", NULL}, {WAVE_ENUM, "not-found", NULL},
                {WAVE_OPTION, "123", "some(123)"}, {WAVE_OPTION, "some(123)", NULL},
                {WAVE_OPTION, "none", NULL}, {WAVE_NESTED, "some(none)", NULL},
                {WAVE_RESULT, "7", "ok(7)"}, {WAVE_RESULT, "err(\"oops\")", NULL},
                {WAVE_UNITS, "ok", NULL}, {WAVE_UNITS, "err", NULL}, {WAVE_FLAGS, "{}", NULL},
                {WAVE_FLAGS, "{write, read,}", "{read, write}"});
    CHECK_CASES(
        {WAVE_VARIANT, "err(\"x\")", "column 1: `err` is a keyword; the case is written `%err`"},
        {WAVE_VARIANT, "body", "column 5: expected `(`, found the end"},
        {WAVE_ENUM, "maybe", "column 1: `maybe` is not a case; there are: ok, not-found"},
        {WAVE_NESTED, "1", "column 1: expected some(...) or none, found `1`"},
        {WAVE_UNITS, "1", "column 1: expected ok or err, found `1`"},
        {WAVE_RESULT, "ok", "column 3: expected `(`, found the end"},
        {WAVE_FLAGS, "{read, read}", "column 8: flag `read` is there twice"},
        {WAVE_FLAGS, "{exec}", "column 2: `exec` is not a flag; there are: read, write"},
        {WAVE_OWN, "1", "column 1: a `blob` cannot be written as text"});
}

TEST(wave_reads_calls)
{
    struct arena arena = ARENA_INIT(1 << 20);
    ERROR(err);
    struct wave_call call;
    struct value *args = NULL;
    struct type_field params[] = {{STR_INIT("a"), wave_type(WAVE_U8)},
                                  {STR_INIT("b"), wave_type(WAVE_STRING)},
                                  {STR_INIT("c"), wave_type(WAVE_OPTION)}};
    struct func_type type = {.params = params, .param_count = 3};
    CHECK_INT(wave_parse_call(STR(" wasi:x/y@0.2.0#do-it (1, \"(\", 3) "), &call, &err), 0);
    CHECK_STR(call.interface, "wasi:x/y@0.2.0");
    CHECK_STR(call.name, "do-it");
    CHECK_INT(wave_parse_args(&call, &type, &arena, &args, &err), 0);
    CHECK(args[0].u64 == 1 && args[2].index == 1 && args[2].payload->u64 == 3);
    CHECK_STR(args[1].str, "(");
    CHECK_INT(wave_parse_call(STR("f(1, \"x\")"), &call, &err), 0);
    CHECK_STR(call.interface, "");
    CHECK_INT(wave_parse_args(&call, &type, &arena, &args, &err), 0);
    CHECK_INT(args[2].index, 0);
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"f(1)", "column 5: argument `b` is missing"},
        {"f(1, \"x\", 1, 1)", "column 14: the function has 3 parameters, no more"},
        {"f(300, \"x\")", "argument `a`: column 3: `300` does not fit 0 to 255"},
        {"f(1, \"x\") y", "column 11: expected the end, found `y`"},
        {"f(1, \"x\"", "column 9: expected `,` or `)`, found the end"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CHECK_INT(wave_parse_call(str_from(bad[i].text), &call, &err), 0);
        CHECK_INT(wave_parse_args(&call, &type, &arena, &args, &err), -EINVAL);
        CHECK_TEXT(error_text(&err), bad[i].error);
        CHECK_INT(wave_parse_args(&call, &type, &arena, &args, NULL), -EINVAL);
    }
    CHECK_INT(wave_parse_call(STR("f"), &call, &err), -EINVAL);
    CHECK_CONTAINS(error_text(&err), "`f` is not a call: write `name(arguments)`");
    CHECK_INT(wave_parse_call(STR("#f()"), &call, &err), -EINVAL);
    CHECK_INT(wave_parse_call(STR("a#()"), &call, &err), -EINVAL);
    arena_done(&arena);
}

TEST(wave_print_stops_at_the_buffer)
{
    BUF(out, 8);
    struct value value = {.str = STR("longer than that")};
    CHECK_INT(wave_print(&out, wave_type(WAVE_STRING), &value), -ENOBUFS);
}

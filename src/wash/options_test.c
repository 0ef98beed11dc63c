// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "testing/test.h"
#include "wash/options.h"

struct sample {
    bool flag;
    const char *text;
    struct text_list list;
    uint64_t count, bytes, duration;
};

#define FIELD(name) offsetof(struct sample, name)
static const struct option table[] = {
    {"flag", 'f', OPTION_FLAG, NULL, "a flag", FIELD(flag)},
    {"text", 't', OPTION_TEXT, "TEXT", "a text\nwith a second line", FIELD(text)},
    {"list", 0, OPTION_LIST, "ITEM", "a list", FIELD(list)},
    {"count", 0, OPTION_COUNT, "N", "a number", FIELD(count)},
    {"bytes", 0, OPTION_BYTES, "SIZE", "a size", FIELD(bytes)},
    {"duration", 0, OPTION_DURATION, "TIME", "a time", FIELD(duration)},
};

static int parse(struct sample *out, struct arguments *rest, struct error *err, char *const *argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    *out = (struct sample){0};
    struct option_table tables[] = {{table, ARRAY_LEN(table), out}};
    return options_parse(tables, 1, argc, argv, rest, err);
}

#define PARSE(...) parse(&sample, &rest, &err, (char *[]){__VA_ARGS__, NULL})

TEST(options_of_every_kind_and_the_rest)
{
    ERROR(err);
    struct sample sample;
    struct arguments rest;
    CHECK_INT(PARSE("a", "--flag", "--text=x=y", "--list", "1", "b", "--list=2", "--count", "7",
                    "--bytes", "64M", "--duration", "300ms", "--", "--flag", "c"),
              0);
    CHECK(sample.flag);
    CHECK_TEXT(sample.text, "x=y");
    CHECK_INT(sample.list.len, 2);
    CHECK_TEXT(sample.list.items[1], "2");
    CHECK_INT(sample.count, 7);
    CHECK_INT(sample.bytes, 64 << 20);
    CHECK_INT(sample.duration, 300);
    CHECK_INT(rest.len, 4);
    CHECK_INT(rest.after_dashes, 2);
    CHECK_TEXT(rest.items[2], "--flag");
    arguments_done(&rest);
    free(sample.list.items);
}

TEST(short_options_join_and_take_values)
{
    ERROR(err);
    struct sample sample;
    struct arguments rest;
    CHECK_INT(PARSE("-ftvalue", "-"), 0);
    CHECK(sample.flag);
    CHECK_TEXT(sample.text, "value");
    CHECK_INT(rest.len, 1);
    CHECK_TEXT(rest.items[0], "-");
    CHECK_INT(rest.after_dashes, 1);
    arguments_done(&rest);
}

TEST(durations_and_sizes_have_units)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"5", 5000}, {"250ms", 250}, {"2s", 2000}, {"3m", 180000}, {"1h", 3600000}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ERROR(err);
        struct sample sample;
        struct arguments rest;
        CHECK_INT(PARSE("--duration", (char *)good[i].text), 0);
        CHECK_INT(sample.duration, good[i].ms);
        arguments_done(&rest);
    }
}

TEST(wrong_command_lines_say_what_is_wrong)
{
    static char *const cases[][4] = {
        {"--flog", NULL, "did you mean `--flag`"},
        {"--duraton", NULL, "did you mean `--duration`"},
        {"--cuont", NULL, "did you mean `--count`"},
        {"--nothing-like-it", NULL, "unknown option `--nothing-like-it`"},
        {"--text", NULL, "needs a value: TEXT"},
        {"--flag=1", NULL, "takes no value"},
        {"--count", "x", NULL, "expected a number"},
        {"--bytes", "12Q", NULL, "expected a size"},
        {"--bytes", "99999999999999999G", NULL, "expected a size"},
        {"--duration", "soon", NULL, "expected a duration"},
        {"-z", NULL, "unknown option `-z`"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ERROR(err);
        struct sample sample;
        struct arguments rest;
        CHECK_INT(parse(&sample, &rest, &err, cases[i]) < 0, true);
        CHECK_CONTAINS(error_text(&err), cases[i][1] ? cases[i][3] : cases[i][2]);
        arguments_done(&rest);
    }
}

TEST(help_is_aligned)
{
    BUF(text, 4096);
    options_help(table, 2, &text);
    _cleanup_(mem_freep) char *help = buf_take(&text);
    CHECK_TEXT(help, "  -f, --flag                        a flag\n"
                     "  -t, --text TEXT                   a text\n"
                     "                                    with a second line\n");
}

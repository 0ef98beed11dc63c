// SPDX-License-Identifier: Apache-2.0
#include "data/tree.h"

#include <errno.h>

#include "data/json.h"
#include "data/toml.h"
#include "data/yaml.h"
#include "testing/test.h"

typedef int parse_fn(struct str text, const char *file, struct tree **out,
                     struct tree_source *source, struct error *err);

static void check_reads(parse_fn *parse, const char *text, const char *json)
{
    _tree_ tree = NULL;
    ERROR(err);
    if (parse(str_from(text), "f", &tree, NULL, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s\n%s", error_text(&err), text);
    BUF(out, TREE_BYTES_MAX);
    CHECK_INT(json_print(tree, 0, &out), 0);
    CHECK_STR(buf_str(&out), json);
}

static void check_fails(parse_fn *parse, const char *text, const char *reason)
{
    _tree_ tree = NULL;
    ERROR(err);
    if (parse(str_from(text), "f", &tree, NULL, &err) == 0)
        test_fail(__FILE__, __LINE__, "accepted: %s", text);
    CHECK_CONTAINS(error_text(&err), reason);
}

TEST(json_prints_as_it_reads)
{
    check_reads(json_parse, " {\"b\": [1, -2.5, \"x\\u00e9\\n\", null, true], \"a\": {}} ",
                "{\"b\":[1,-2.5,\"x\xc3\xa9\\n\",null,true],\"a\":{}}");
    check_fails(json_parse, "{\n  \"a\": tru\n}", "f:2:");
    check_fails(json_parse, "{\"a\":1,\"a\":2}", "duplicate");
    check_fails(json_parse, "", "f:1:");
    check_fails(json_parse, "1 2", "f:1:");
    _tree_ tree = NULL;
    CHECK_INT(json_parse(str_of("7\0x", 3), "f", &tree, NULL, NULL), -EINVAL);
}

TEST(json_prints_with_indentation)
{
    _tree_ tree = NULL;
    CHECK_INT(json_parse(STR("{\"z\":[1],\"a\":{},\"l\":[]}"), "f", &tree, NULL, NULL), 0);
    BUF(out, 1000);
    CHECK_INT(json_print(tree, 2, &out), 0);
    CHECK_STR(buf_str(&out), "{\n  \"z\": [\n    1\n  ],\n  \"a\": {},\n  \"l\": []\n}");
    struct buf small = BUF_INIT(5);
    CHECK_INT(json_print(tree, 2, &small), -ENOBUFS);
    buf_done(&small);
}

TEST(json_depth_is_bounded)
{
    char text[2 * TREE_DEPTH_MAX + 3];
    memset(text, '[', TREE_DEPTH_MAX + 1);
    memset(text + TREE_DEPTH_MAX + 1, ']', TREE_DEPTH_MAX + 1);
    text[sizeof(text) - 1] = 0;
    check_fails(json_parse, text, "deeper than 64");
    check_fails(yaml_parse, text, "deeper than 64");
    _tree_ tree = NULL;
    CHECK_INT(json_parse(str_of(text + 1, 2 * TREE_DEPTH_MAX), "f", &tree, NULL, NULL), 0);
}

TEST(yaml_types_scalars_by_the_core_schema)
{
    check_reads(
        yaml_parse,
        "a: 1\nb: -0x1F\nc: 0o17\nd: 1.5\ne: 1e3\nf: 007\ng: yes\nh: True\ni: ~\nj:\nk: '1'\n"
        "l: \"x\\n\"\nm: 1_000\nn: 1.2.3\no: !!str 5\np: +3\nq: 127.0.0.1:80\nr:\n-\n",
        "{\"a\":1,\"b\":-31,\"c\":15,\"d\":1.5,\"e\":1000.0,\"f\":\"007\",\"g\":\"yes\","
        "\"h\":true,\"i\":null,\"j\":null,\"k\":\"1\",\"l\":\"x\\n\",\"m\":\"1_000\","
        "\"n\":\"1.2.3\",\"o\":\"5\",\"p\":3,\"q\":\"127.0.0.1:80\",\"r\":[null]}");
    check_reads(yaml_parse, "- 9223372036854775807\n- -9223372036854775808\n",
                "[9223372036854775807,-9223372036854775808]");
    check_reads(yaml_parse, "", "null");
    check_reads(yaml_parse, "# nothing\n---\n", "null");
    check_reads(yaml_parse, "8080: x\ntrue: |\n  two\n  lines\n",
                "{\"8080\":\"x\",\"true\":\"two\\nlines\\n\"}");
}

TEST(yaml_expands_anchors_within_bounds)
{
    check_reads(yaml_parse, "a: &x {k: [1]}\nb: *x\nc: &y 5\nd: [*y, *y]\n",
                "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":5,\"d\":[5,5]}");
    check_fails(yaml_parse, "a: *x\n", "unknown");
    check_fails(yaml_parse, "a: &x [*x]\n", "unfinished");
    BUF(text, 10000);
    buf_putf(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++)
        buf_putf(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1);
    _cleanup_(mem_freep) char *bomb = buf_take(&text);
    check_fails(yaml_parse, bomb, "too many values");
}

TEST(yaml_refuses_what_it_cannot_keep)
{
    check_fails(yaml_parse, "a: 1\nb: 2\na: 3\n", "f:3:1: duplicate key \"a\"");
    check_fails(yaml_parse, "a: .inf\n", "f:1:4: ");
    check_fails(yaml_parse, "a: !foo 1\n", "unsupported tag");
    check_fails(yaml_parse, "a: !!int x\n", "does not fit");
    check_fails(yaml_parse, "? [a]\n: 1\n", "key must be a scalar");
    check_fails(yaml_parse, "a: 1\n---\nb: 2\n", "f:2:1: more than one document");
    check_fails(yaml_parse, "a: [1\nb: 2\n", "f:2:");
    check_fails(yaml_parse, "a: \"\xff\"\n", "f:");
}

TEST(toml_reads_the_specification_s_examples)
{
    check_reads(toml_parse,
                "title = \"TOML \\u00e9\" # note\n[owner]\nname = 'Tom \\ x'\ndob = "
                "1979-05-27T07:32:00-08:00\nd = 1979-05-27 07:32:00\n"
                "[database]\nports = [ 8000,\n 8001, # c\n ]\non = true\n"
                "temp = { cpu = 79.5, a.b = 72 }\n[servers.alpha]\nip = \"10.0.0.1\"\n"
                "[[products]]\nname = \"Hammer\"\n[[products]]\n[products.sub]\nx = 0xDEAD_beef\n",
                "{\"title\":\"TOML \xc3\xa9\",\"owner\":{\"name\":\"Tom \\\\ x\",\"dob\":"
                "\"1979-05-27T07:32:00-08:00\",\"d\":\"1979-05-27 07:32:00\"},"
                "\"database\":{\"ports\":[8000,8001],\"on\":true,"
                "\"temp\":{\"cpu\":79.5,\"a\":{\"b\":72}}},\"servers\":{\"alpha\":"
                "{\"ip\":\"10.0.0.1\"}},\"products\":[{\"name\":\"Hammer\"},"
                "{\"sub\":{\"x\":3735928559}}]}");
    check_reads(toml_parse,
                "a = \"\"\"\nx\\\n   y \"\"q\"\"\"\"\"\nb = '''\n'z'''''\n\"k.\\n\" = +1_000\n"
                "c.d.e = -0\nc.f = 1e3\n'' = 07:32:00.5\n",
                "{\"a\":\"xy \\\"\\\"q\\\"\\\"\",\"b\":\"'z''\",\"k.\\n\":1000,"
                "\"c\":{\"d\":{\"e\":0},\"f\":1000.0},\"\":\"07:32:00.5\"}");
    check_reads(toml_parse, "", "{}");
    check_reads(toml_parse, "[a.b.c]\nz=1\n[a]\ny=2\r\n[a.b]\nx=3",
                "{\"a\":{\"b\":{\"c\":{\"z\":1},\"x\":3},\"y\":2}}");
    check_reads(toml_parse, "[f]\na.c = 1\n[f.a.t]\ns = 2\n",
                "{\"f\":{\"a\":{\"c\":1,\"t\":{\"s\":2}}}}");
}

TEST(toml_refuses_what_the_specification_forbids)
{
    static const char *const bad[] = {
        "a = 1\na = 2",
        "a",
        "a =",
        "= 1",
        "a = 1 b = 2",
        "[a]\n[a]",
        "[a",
        "[a]]",
        "[[a]",
        "a = 01",
        "a = 1__0",
        "a = _1",
        "a = 1_",
        "a = +0x1",
        "a = 0x",
        "a = 1.",
        "a = .5",
        "a = 1.e3",
        "a = inf",
        "a = nan",
        "a = 9223372036854775808",
        "a = True",
        "a = \"x",
        "a = \"x\ny\"",
        "a = \"\\x\"",
        "a = \"\\ud800\"",
        "a = \"\\u12\"",
        "a = 'x\x01'",
        "a = {b = 1,}",
        "a = {b = 1\n}",
        "a = {b = 1}\na.c = 2",
        "a = {b = 1}\n[a.c]",
        "a = [1]\n[[a]]",
        "[[a]]\n[a]",
        "a.b = 1\n[a]",
        "a = 1\na.b = 2",
        "[a.b.c]\n[a]\nb.c.d = 1",
        "a = [1 2]",
        "a = [",
        "a = 2021-02-29",
        "a = 2021-13-01",
        "a = 25:00:00",
        "a = 2021-01-01T",
        "# \x01",
        "a\xff = 1",
        "\"\"\"a\"\"\" = 1",
        "a = \"\"\"x",
        "a.",
        "a = 1\r",
        "[a.b]\n[a]\nb = 1",
        "a = 1_e3",
        "a = 0x_1",
        "a = 1979-05-27T07:32:00+25:00",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_fails(toml_parse, bad[i], "f:");
    check_fails(toml_parse, "a = 1\n[b]\nc = = 2", "f:3:5: expected a value");
    check_fails(toml_parse, "a = 1\na = 2", "f:2:3: duplicate key \"a\"");
    check_fails(toml_parse, "\"a\\u0000\" = 1", "f:1:10: NUL character in a key");
}

TEST(sources_tell_where_values_stood)
{
    static const struct {
        parse_fn *parse;
        const char *text;
        unsigned line, column;
    } cases[] = {
        {yaml_parse, "x: 1\ndev:\n  list:\n    - name: a\n    - name:  b\n", 5, 14},
        {json_parse, "{\"x\":\"}\\\"\",\n\"dev\":{\"list\":[{\"name\":1},\n{ \"name\": 2}]}}", 3,
         11},
        {toml_parse, "x = 1\n[[dev.list]]\nname = 1\n[[dev.list]]\n  name = 2\n", 5, 10},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(tree_source_freep) struct tree_source *source = tree_source_new();
        _tree_ tree = NULL;
        CHECK_INT(cases[i].parse(str_from(cases[i].text), "f", &tree, source, NULL), 0);
        struct tree_place place = tree_source_find(source, STR("dev.list[1].name"));
        CHECK_TEXT(place.file, "f");
        CHECK_INT(place.line, cases[i].line);
        CHECK_INT(place.column, cases[i].column);
        // A value without a place of its own stands where its parent does.
        place = tree_source_find(source, STR("dev.list[1].name.more"));
        CHECK_INT(place.line, cases[i].line);
        CHECK_INT(tree_source_find(source, STR("none")).line, 0);
    }
}

TEST(merge_goes_into_maps_and_replaces_the_rest)
{
    _tree_ base = NULL;
    _tree_ over = NULL;
    CHECK_INT(json_parse(STR("{\"a\":{\"x\":1,\"y\":[1,2]},\"b\":{\"k\":1},\"c\":1}"), "f", &base,
                         NULL, NULL),
              0);
    CHECK_INT(
        json_parse(STR("{\"a\":{\"y\":[3],\"z\":0},\"b\":null,\"d\":{}}"), "f", &over, NULL, NULL),
        0);
    tree_merge(base, over);
    BUF(out, 1000);
    CHECK_INT(json_print(base, 0, &out), 0);
    CHECK_STR(buf_str(&out), "{\"a\":{\"x\":1,\"y\":[3],\"z\":0},\"b\":null,\"c\":1,\"d\":{}}");
}

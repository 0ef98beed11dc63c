// SPDX-License-Identifier: Apache-2.0
#include "data/record.h"

#include <errno.h>

#include "data/json.h"
#include "data/yaml.h"
#include "testing/test.h"

struct part {
    struct str name;
    bool on;
};
struct box {
    struct str label;
    struct str version;
    struct optional_int size;
    struct strings tags;
    struct string_map env;
    struct part *main;
    RECORD_LIST(struct part) parts;
    RECORD_MAP(struct part) named;
};

static const struct field part_fields[] = {
    {"name", FIELD_STRING, offsetof(struct part, name), FIELD_REQUIRED},
    {"on", FIELD_BOOL, offsetof(struct part, on), FIELD_ALWAYS},
};
static const struct record part_record = RECORD(struct part, part_fields);
static const struct field box_fields[] = {
    {"label", FIELD_STRING, offsetof(struct box, label)},
    {"version", FIELD_STRING, offsetof(struct box, version), FIELD_ANY_SCALAR},
    {"size", FIELD_INT, offsetof(struct box, size), .min = 1, .max = 9},
    {"tags", FIELD_STRINGS, offsetof(struct box, tags), FIELD_NOT_NULL},
    {"env_vars", FIELD_STRING_MAP, offsetof(struct box, env)},
    {"main", FIELD_RECORD, offsetof(struct box, main), .record = &part_record},
    {"parts", FIELD_RECORDS, offsetof(struct box, parts), .record = &part_record},
    {"named", FIELD_RECORD_MAP, offsetof(struct box, named), .record = &part_record},
};
static const struct record box_record = RECORD(struct box, box_fields);

static void note(void *user, const char *message)
{
    buf_putf(user, "%s\n", message);
}

static int read_box(struct arena *arena, const char *text, struct box *box, struct buf *warnings,
                    struct error *err)
{
    _cleanup_(tree_source_freep) struct tree_source *source = tree_source_new();
    _tree_ tree = NULL;
    if (yaml_parse(str_from(text), "box.yaml", &tree, source, err) < 0)
        return -EINVAL;
    struct record_reader reader = {arena, source, warnings ? note : NULL, warnings};
    return record_read(&reader, &box_record, tree, box, err);
}

TEST(record_reads_each_kind_and_prints_it_again)
{
    struct arena arena = ARENA_INIT(0);
    struct box box = {0};
    ERROR(err);
    CHECK_INT(read_box(&arena,
                       "parts: [{name: a, on: true}, {name: b}]\nlabel: x\nversion: 2.4\nsize: 3\n"
                       "tags: []\nenv_vars: {K: v}\nmain: {name: m}\nnamed: {n: {name: z}}\n",
                       &box, NULL, &err),
              0);
    CHECK_STR(box.version, "2.4");
    CHECK(box.size.is_set && box.size.value == 3);
    CHECK(box.tags.is_set && box.tags.len == 0);
    CHECK_STR(box.parts.items[1].name, "b");
    CHECK(box.parts.items[0].on && !box.parts.items[1].on);
    CHECK_STR(box.named.names[0], "n");
    _tree_ tree = record_print(&box_record, &box);
    BUF(out, 10000);
    CHECK_INT(json_print(tree, 0, &out), 0);
    CHECK_STR(buf_str(&out),
              "{\"label\":\"x\",\"version\":\"2.4\",\"size\":3,\"env_vars\":{\"K\":\"v\"},"
              "\"main\":{\"name\":\"m\",\"on\":false},\"parts\":[{\"name\":\"a\",\"on\":true},"
              "{\"name\":\"b\",\"on\":false}],\"named\":{\"n\":{\"name\":\"z\",\"on\":false}}}");
    arena_done(&arena);
}

TEST(record_errors_name_key_and_place)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"label: 5", "key `label`: expected a string, found a number (box.yaml:1)"},
        {"\nsize: 10", "key `size`: 10 is not between 1 and 9 (box.yaml:2)"},
        {"size: 1.5", "key `size`: expected a whole number, found a number"},
        {"tags: x", "key `tags`: expected a list of strings, found a string"},
        {"tags:", "key `tags`: expected a list of strings, found null"},
        {"tags:\n- a\n- 1", "key `tags[1]`: expected a string, found a number (box.yaml:3)"},
        {"env_vars:\n  A: true", "key `env_vars.A`: expected a string, found a bool (box.yaml:2)"},
        {"main: []", "key `main`: expected a map, found a list"},
        {"parts:\n- name: a\n- on: true", "key `parts[1]`: the required key `name` is missing "
                                          "(box.yaml:3)"},
        {"parts:\n- name:", "key `parts[0].name`: expected a string, found null"},
        {"named: {a: {name: x, on: 1}}", "key `named.a.on`: expected true or false"},
        {"[]", "expected a map, found a list"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena = ARENA_INIT(0);
        struct box box = {0};
        ERROR(err);
        CHECK_INT(read_box(&arena, cases[i].text, &box, NULL, &err), -EINVAL);
        CHECK_CONTAINS(error_text(&err), cases[i].message);
        arena_done(&arena);
    }
}

TEST(record_tells_of_unknown_keys)
{
    struct arena arena = ARENA_INIT(0);
    struct box box = {0};
    BUF(warnings, 10000);
    CHECK_INT(read_box(&arena, "lable: x\nmain:\n  name: a\n  zzzzzz: 1\nenvVars: {}\nlabel:\n",
                       &box, &warnings, NULL),
              0);
    CHECK_STR(buf_str(&warnings),
              "unknown key `lable` is ignored (box.yaml:1); did you mean `label`?\n"
              "unknown key `main.zzzzzz` is ignored (box.yaml:4)\n"
              "unknown key `envVars` is ignored (box.yaml:5); did you mean `env_vars`?\n");
    CHECK(!box.label.data); // null is absence
    arena_done(&arena);
}

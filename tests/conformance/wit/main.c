// SPDX-License-Identifier: Apache-2.0
// Usage: test-wit [--tap] [--expect FILE] SUITE
// Runs the cases in SUITE/ui: a file or folder there must be accepted and mean what NAME.wit.json
// beside it says, one in parse-fail/ must be refused. Prints `ok` or `not ok` for each case and the
// totals at the end. The expectations file has a row CASE, reason for each case that fails.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/map.h"
#include "base/vec.h"
#include "compare.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)

struct suite {
    const char *folder;
    bool is_tap;
    char *expect_text;
    struct map expected; // case to its row's reason
    char **cases;        // relative to folder/ui
    size_t case_count;
    unsigned passed;
    unsigned failed;
    unsigned skipped; // fail as expected
};

static bool is_source(struct str name)
{
    return str_ends(name, STR(".wit")) || str_ends(name, STR(".wat")) ||
           str_ends(name, STR(".wasm")) || str_find_char(name, '.') < 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void collect(struct suite *suite, const char *prefix)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/ui/%s", suite->folder, prefix);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        struct str name = str_from(entries[i]->d_name);
        bool is_case = is_source(name) && name.data[0] != '.' && !str_is(name, "parse-fail");
        if (is_case) {
            size_t size = (suite->case_count + 1) * sizeof(char *);
            suite->cases = mem_realloc_array(suite->cases, 1, size);
            suite->cases[suite->case_count++] = mem_printf("%s%.*s", prefix, STR_ARG(name));
        }
        free(entries[i]);
    }
    free(entries);
}

static int check_meaning(struct suite *suite, const char *name, const struct wit_resolve *resolve,
                         struct error *why)
{
    struct str stem = str_from(name);
    (void)str_cut(stem, '.', &stem, &(struct str){0});
    _cleanup_(mem_freep) char *path =
        mem_printf("%s/ui/%.*s.wit.json", suite->folder, STR_ARG(stem));
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        return error_set(why, -EINVAL, "%s: %s", path, error.text);
    int rc = wit_compare(resolve, json, why);
    json_decref(json);
    return rc;
}

// A row that says where a case is refused.
static bool is_place(const char *reason)
{
    return reason && str_starts(str_from(reason), STR("at "));
}

// The place of an error: "LINE:COLUMN" behind the last `-->` row's file name, or behind the one
// that begins our message. Empty: none.
static struct str place_in(struct str text, const char *before)
{
    for (ssize_t at = 0; before[0] && (at = str_find(text, str_from(before))) >= 0;)
        text = str_from_index(text, (size_t)at + strlen(before));
    for (size_t i = 0; i < text.len && text.data[i] != '\n'; i++) {
        size_t n = 1, colons = 0;
        while (i + n < text.len && (ascii_is_digit(text.data[i + n]) || text.data[i + n] == ':'))
            colons += text.data[i + n++] == ':';
        if (text.data[i] == ':' && n > 1 && colons > 0)
            return str_sub(text, i + 1, n - 1);
    }
    return STR_EMPTY;
}

// Where NAME.result names a place, the refusal names it too.
static int check_refusal(struct suite *suite, const char *name, struct error *why)
{
    BUF(expected, FILE_BYTES_MAX);
    ERROR(ignored);
    bool is_file = str_ends(str_from(name), STR(".wit"));
    _cleanup_(mem_freep) char *path =
        mem_printf("%s/ui/%s%s.result", suite->folder, name, is_file ? "" : ".wit");
    if (file_read(path, &expected, &ignored) < 0)
        return 0;
    struct str want = place_in(buf_str(&expected), "--> ");
    _cleanup_(mem_freep) char *reason = mem_printf("%s", error_text(why));
    struct str have = place_in(str_from(reason), "");
    while (have.len > 0 && have.data[have.len - 1] == ':')
        have.len--;
    const char *row = map_get(&suite->expected, str_from(name));
    if (is_place(row))
        want = str_sub(str_from(row), 3, strcspn(row + 3, " "));
    while (want.len > 0 && want.data[want.len - 1] == ':')
        want.len--;
    if (str_find(buf_str(&expected), STR("--> ")) < 0 || str_eq(want, have))
        return 0;
    return error_set(why, -EINVAL, "is refused at %.*s, not %.*s", STR_ARG(have), STR_ARG(want));
}

static int run_case(struct suite *suite, const char *name, struct error *why)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/ui/%s", suite->folder, name);
    struct wit_resolve *resolve = wit_resolve_new();
    wit_resolve_enable_feature(resolve, "active");
    int rc = wit_resolve_add_path(resolve, path, why);
    if (rc == 0)
        rc = wit_resolve_finish(resolve, why);
    if (str_starts(str_from(name), STR("parse-fail/")))
        rc = rc < 0 ? check_refusal(suite, name, why)
                    : error_set(why, -EINVAL, "is accepted, but should be refused");
    else if (rc == 0)
        rc = check_meaning(suite, name, resolve, why);
    wit_resolve_free(resolve);
    return rc;
}

static void judge(struct suite *suite, size_t number, const char *name)
{
    ERROR(why);
    int rc = run_case(suite, name, &why);
    const char *reason = map_get(&suite->expected, str_from(name));
    if (is_place(reason))
        reason = NULL;
    bool is_ok = (rc < 0) == (reason != NULL);
    if (!is_ok)
        printf("# %s: %s\n", name, rc < 0 ? error_text(&why) : "passes, but is expected to fail");
    suite->failed += !is_ok;
    suite->skipped += is_ok && reason;
    suite->passed += is_ok && !reason;
    if (suite->is_tap)
        printf("%s %zu - %s%s%s\n", is_ok ? "ok" : "not ok", number, name,
               is_ok && reason ? " # SKIP fails as expected: " : "", is_ok && reason ? reason : "");
    else
        printf("%s %s\n", is_ok ? "ok" : "not ok", name);
}

static int read_expectations(struct suite *suite, const char *path, struct error *err)
{
    BUF(content, FILE_BYTES_MAX);
    int rc = file_read(path, &content, err);
    if (rc < 0)
        return rc;
    suite->expect_text = buf_take(&content);
    char *save = NULL;
    for (char *row = strtok_r(suite->expect_text, "\n", &save); row;
         row = strtok_r(NULL, "\n", &save)) {
        char *tab = strchr(row, '\t');
        if (row[0] == '#' || !tab)
            continue;
        *tab = 0;
        (void)map_put(&suite->expected, str_from(row), tab + 1);
    }
    return 0;
}

static void run(struct suite *suite)
{
    collect(suite, "");
    collect(suite, "parse-fail/");
    if (suite->is_tap && suite->case_count == 0)
        printf("1..0 # SKIP no suite\n");
    else if (suite->is_tap)
        printf("1..%zu\n", suite->case_count);
    for (size_t i = 0; i < suite->case_count; i++)
        judge(suite, i + 1, suite->cases[i]);
    printf("%s%u passed, %u failed, %u skipped\n", suite->is_tap ? "# " : "", suite->passed,
           suite->failed, suite->skipped);
}

int main(int argc, char **argv)
{
    ERROR(err);
    struct suite suite = {.folder = ""};
    int rc = 0;
    for (int i = 1; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--tap") == 0)
            suite.is_tap = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            rc = read_expectations(&suite, argv[++i], &err);
        else
            suite.folder = argv[i];
    }
    if (rc == 0)
        run(&suite);
    else
        printf("%s\n", error_text(&err));
    for (size_t i = 0; i < suite.case_count; i++)
        free(suite.cases[i]);
    free(suite.cases);
    free(suite.expect_text);
    map_done(&suite.expected);
    return rc < 0 || suite.failed > 0;
}

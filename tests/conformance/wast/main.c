// SPDX-License-Identifier: Apache-2.0
// Usage: test-wast [--tap] [--expect FILE] PATH...
// Runs JSON files, and folders of them, of the component model's suites. Prints a line for each
// directive that fails, `ok` or `not ok` for each file, and the totals of directives at the end.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/vec.h"
#include "core_code.h"
#include "execute.h"
#include "wast.h"

#define FOLDER_DEPTH_MAX 8

struct paths {
    char **items;
    size_t len;
    size_t cap;
};

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void collect(struct paths *paths, const char *path, unsigned depth)
{
    DIR *dir = depth < FOLDER_DEPTH_MAX ? opendir(path) : NULL;
    if (!dir) {
        if (str_ends(str_from(path), STR(".json")))
            *vec_push(paths) = str_dup(str_from(path));
        return;
    }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        _cleanup_(mem_freep) char *inner = mem_printf("%s/%s", path, entry->d_name);
        collect(paths, inner, depth + 1);
    }
    closedir(dir);
}

static void print_file(const char *path, struct wast_totals totals, size_t number, bool is_tap)
{
    const char *verdict = totals.failed ? "not ok" : "ok";
    if (is_tap)
        printf("%s %zu - %s (%u passed, %u failed, %u skipped)%s\n", verdict, number, path,
               totals.passed, totals.failed, totals.skipped,
               totals.passed + totals.failed == 0 ? " # SKIP all directives" : "");
    else
        printf("%s %s (%u passed, %u failed, %u skipped)\n", verdict, path, totals.passed,
               totals.failed, totals.skipped);
}

// An expectation of a file that was run must have been met.
static bool check_expectations(struct wast_run *run)
{
    bool all_met = true;
    for (size_t i = 0; i < run->expectations.len; i++) {
        const struct wast_expectation *item = &run->expectations.items[i];
        if (!item->is_seen || item->is_met)
            continue;
        printf("# expectation not met: %.*s:%u (%.*s)\n", STR_ARG(item->file), item->line,
               STR_ARG(item->reason));
        run->totals.failed++;
        all_met = false;
    }
    return all_met;
}

static void run_paths(struct wast_run *run, struct paths *paths, bool is_tap)
{
    if (paths->len > 0)
        qsort(paths->items, paths->len, sizeof(*paths->items), compare_paths);
    if (is_tap && paths->len == 0)
        printf("1..0 # SKIP no suites\n");
    else if (is_tap)
        printf("1..%zu\n", paths->len + 1);
    for (size_t i = 0; i < paths->len; i++)
        print_file(paths->items[i], wast_run_file(run, paths->items[i]), i + 1, is_tap);
    bool all_met = check_expectations(run);
    if (is_tap && paths->len > 0)
        printf("%s %zu - all expectations are met\n", all_met ? "ok" : "not ok", paths->len + 1);
    printf("%s%u passed, %u failed, %u skipped\n", is_tap ? "# " : "", run->totals.passed,
           run->totals.failed, run->totals.skipped);
}

int main(int argc, char **argv)
{
    ERROR(err);
    struct wast_run run = {.core_code = core_code_new()};
    struct paths paths = {0};
    bool is_tap = false;
    int rc = execute_new(&run.executor, &err);
    for (int i = 1; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--tap") == 0)
            is_tap = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            rc = wast_expectations_read(argv[++i], &run.expectations, &err);
        else
            collect(&paths, argv[i], 0);
    }
    if (rc == 0)
        run_paths(&run, &paths, is_tap);
    else
        printf("%s\n", error_text(&err));
    for (size_t i = 0; i < paths.len; i++)
        free(paths.items[i]);
    free(paths.items);
    execute_free(run.executor);
    core_code_free(run.core_code);
    wast_expectations_done(&run.expectations);
    return rc < 0 || run.totals.failed > 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "testing/test.h"

#include <setjmp.h>
#include <stdarg.h>

static struct test_case *first;
static struct test_case **last = &first;
static jmp_buf escape;
enum outcome { PASSED, FAILED, SKIPPED };

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;
    printf("# %s:%d: ", file, line);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    longjmp(escape, FAILED);
}

void test_skip(const char *reason)
{
    printf("# skipped: %s\n", reason);
    longjmp(escape, SKIPPED);
}

void test_check_int(const char *file, int line, const char *what, long long got, long long want)
{
    if (got != want)
        test_fail(file, line, "%s is %lld, not %lld", what, got, want);
}

void test_check_str(const char *file, int line, const char *what, struct str got, struct str want)
{
    if (!str_eq(got, want))
        test_fail(file, line, "%s is \"%.*s\", not \"%.*s\"", what, STR_ARG(got), STR_ARG(want));
}

static bool selected(const struct test_case *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(test->name, argv[i]))
            return true;
    return argc <= 1;
}

static enum outcome run(const struct test_case *test)
{
    enum outcome outcome = (enum outcome)setjmp(escape);
    if (outcome == PASSED)
        test->run();
    return outcome;
}

int main(int argc, char **argv)
{
    int count = 0, number = 0, failures = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct test_case *test = first; test; test = test->next)
        count += selected(test, argc, argv);
    printf("1..%d\n", count);
    for (struct test_case *test = first; test; test = test->next) {
        if (!selected(test, argc, argv))
            continue;
        enum outcome outcome = run(test);
        failures += outcome == FAILED;
        printf("%sok %d - %s%s\n", outcome == FAILED ? "not " : "", ++number, test->name,
               outcome == SKIPPED ? " # SKIP" : "");
    }
    return failures > 0;
}

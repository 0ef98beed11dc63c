// SPDX-License-Identifier: Apache-2.0
// Test harness: `TEST(name) { CHECK(...); }` registers itself; the program prints TAP and exits 1
// when a test failed. Arguments are words: only tests whose name contains one of them run.
// A failed CHECK ends its test; sanitizers and valgrind see the whole program.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST(name_)                                                                                \
    static void test_##name_(void);                                                                \
    static struct test_case test_case_##name_ = {#name_, test_##name_, NULL};                      \
    __attribute__((constructor)) static void test_register_##name_(void)                           \
    {                                                                                              \
        test_register(&test_case_##name_);                                                         \
    }                                                                                              \
    static void test_##name_(void)

// Ends the running test as failed, with a diagnostic.
_noreturn_ void test_fail(const char *file, int line, const char *fmt, ...) _printf_(3, 4);
// Ends the running test as skipped, with the reason.
_noreturn_ void test_skip(const char *reason);

void test_check_int(const char *file, int line, const char *what, long long got, long long want);
void test_check_str(const char *file, int line, const char *what, struct str got, struct str want);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "not true: %s", #condition);                             \
    } while (0)
// Integers; prints both sides.
#define CHECK_INT(got, want)                                                                       \
    test_check_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
// struct str against a C string; prints both sides.
#define CHECK_STR(got, want) test_check_str(__FILE__, __LINE__, #got, (got), str_from(want))
// C strings.
#define CHECK_TEXT(got, want)                                                                      \
    test_check_str(__FILE__, __LINE__, #got, str_from(got), str_from(want))
// The text contains the words.
#define CHECK_CONTAINS(text, words)                                                                \
    do {                                                                                           \
        if (str_find(str_from(text), str_from(words)) < 0)                                         \
            test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", (text), (words));                 \
    } while (0)

// SPDX-License-Identifier: Apache-2.0
// Command lines from tables: one table is the source of parsing and of `--help`.
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum option_kind {
    OPTION_FLAG,     // bool
    OPTION_TEXT,     // const char *
    OPTION_LIST,     // struct text_list, the option may be repeated
    OPTION_COUNT,    // uint64_t, a plain number
    OPTION_BYTES,    // uint64_t, with K, M or G (powers of 1024)
    OPTION_DURATION, // uint64_t milliseconds, with ms, s, m or h; a plain number is seconds
};

#define OPTION_LIST_MAX 1000
struct text_list {
    const char **items;
    size_t len;
};

struct option {
    const char *name; // without dashes; NULL: only the letter
    char letter;      // 0: none
    enum option_kind kind;
    const char *value; // what `--help` calls the value; NULL for a flag
    const char *help;
    size_t offset; // of the field in the options struct
};

struct arguments {
    const char **items; // borrowed from argv
    size_t len;
    // Index of the first argument behind `--`; len when there was none.
    size_t after_dashes;
};

// Reads argv[0..argc) into `out` by the tables (the second, of global options, into `global`).
// Options may stand anywhere before `--`. Errors are usage errors: "unknown option `--x`; did you
// mean `--y`?".
struct option_table {
    const struct option *items;
    size_t len;
    void *out;
};
_must_use_ int options_parse(const struct option_table *tables, size_t table_count, int argc,
                             char *const *argv, struct arguments *rest, struct error *err);
void options_done(const struct option_table *table);
void arguments_done(struct arguments *rest);

// The aligned list of options for `--help`.
void options_help(const struct option *items, size_t len, struct buf *out);

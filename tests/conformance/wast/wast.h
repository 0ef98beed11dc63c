// SPDX-License-Identifier: Apache-2.0
// Runs the specification's tests in their JSON form (`wasm-tools json-from-wast`): one list of
// directives a file, with the binaries that they name beside it.
#pragma once

#include <jansson.h>

#include "base/error.h"

struct core_code;

#define WAST_FILE_BYTES_MAX ((size_t)64 << 20)

// Runs what the directives instantiate and call. A failing function fills `err`.
struct wast_executor {
    // Forgets all instances: a new file begins.
    void (*reset)(struct wast_executor *executor);
    // Instantiates a component without host imports and makes it the current instance, called
    // `name` when that is not NULL. -EFAULT when instantiation traps.
    int (*instantiate)(struct wast_executor *executor, struct str bytes, const char *name,
                       struct error *err);
    // Performs {"type": "invoke", "field": NAME, "args": [...]} on the current instance (or
    // "module": NAME). -EFAULT when it traps, and when its results differ from `expected` (NULL:
    // not compared) another code.
    int (*invoke)(struct wast_executor *executor, const json_t *action, const json_t *expected,
                  struct error *err);
};

struct wast_totals {
    unsigned passed;
    unsigned failed;
    unsigned skipped;
};

// Directives that are expected not to pass; each must be met.
struct wast_expectation {
    struct str file; // path's end: "component-model/json/binary/binary"
    uint32_t line;
    bool is_skip; // not to be judged; otherwise it fails
    struct str reason;
    bool is_met;
    bool is_seen; // its file was run
};
struct wast_expectations {
    struct wast_expectation *items;
    size_t len;
    size_t cap;
    char *text;
};
int wast_expectations_read(const char *path, struct wast_expectations *out, struct error *err);
void wast_expectations_done(struct wast_expectations *expectations);

struct wast_run {
    struct wast_expectations expectations;
    struct wast_executor *executor;
    struct core_code *core_code;
    struct wast_totals totals;
};

// Runs one JSON file and prints failing directives; returns its totals. A directive that takes
// longer than WAST_DIRECTIVE_SECONDS_MAX ends the program with a message that names it.
#define WAST_DIRECTIVE_SECONDS_MAX 60
struct wast_totals wast_run_file(struct wast_run *run, const char *path);

// SPDX-License-Identifier: Apache-2.0
// Runs a workload once, on a loop of its own on the calling thread: a command (wasi:cli/run), or
// any exported function by name.
#pragma once

#include "base/buf.h"
#include "host/workload.h"

// Arguments and result of an invocation together.
#define RUN_VALUE_BYTES_MAX ((size_t)1 << 30)

// How a run ended.
struct run_end {
    enum task_end end;
    uint32_t exit_code; // 0 ok, 1 error, or what the guest chose
};

// Calls wasi:cli/run#run. A trap or time-out is no error of the call: `end` says so, `err` why.
_must_use_ int run_command(struct engine *engine, struct workload *workload, struct run_end *end,
                           struct error *err);

// Calls an export, given in WAVE: `name(args)` or `interface#name(args)`; the result is appended to
// `out` in WAVE.
_must_use_ int run_invoke(struct engine *engine, struct workload *workload, struct str call,
                          struct buf *out, struct run_end *end, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// A program is a component that is decoded, planned and compiled: immutable, shared by threads and
// counted by reference. Compiled code comes from the cache when it is there.
#pragma once

#include "base/digest.h"
#include "component/plan.h"
#include "engine/engine.h"

struct program;

// `bytes` are copied. The calling thread compiles (all modules in parallel); see
// program_was_cached().
_must_use_ int program_new(struct engine *engine, struct str bytes, struct program **out,
                           struct error *err);
_must_use_ int program_load(struct engine *engine, const char *path, struct program **out,
                            struct error *err);
struct program *program_ref(struct program *program);
void program_unref(struct program *program);

const struct plan *program_plan(const struct program *program);
// True when no module had to be compiled.
bool program_was_cached(const struct program *program);

// SPDX-License-Identifier: Apache-2.0
// From libwasmtime's errors and traps to ours, and back.
#pragma once

#include <wasmtime.h>

#include "base/error.h"

// Takes whichever is not NULL and puts its text (with the wasm backtrace, if it has one) into
// `err`. Returns -EFAULT for a trap or error, 0 when both are NULL.
_must_use_ int fault_take(wasmtime_error_t *error, wasm_trap_t *trap, struct error *err);

// A trap with the message of `err`.
wasm_trap_t *fault_to_trap(const struct error *err);

void fault_discard(wasmtime_error_t *error, wasm_trap_t *trap);

// SPDX-License-Identifier: Apache-2.0
// Makes `memory.fill` and `memory.copy` of a core module interruptible. The engine looks whether
// its time is up where functions and loops begin; one of these instructions alone can keep a thread
// busy for as long as it takes to write a whole memory. In a rewritten module a look at the length
// stands before each; what is large goes to a function that is added at the end and does it in
// pieces, in a loop (component/core_bulk_func.h). Where the length is a small constant nothing is
// added.
//
// What remains is bounded otherwise: `memory.init` and `table.init` by the module's size,
// `table.fill` and `table.copy` by the elements a table may have.
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

// Part of the key of compiled code: change it with what is written.
#define CORE_BULK_VERSION "bulk-3"

// What is done in one go, uninterrupted.
#define CORE_BULK_PIECE_BYTES (32 * 1024)

// Memories of one module: the engine's validator takes no more.
#define CORE_BULK_MEMORIES_MAX 100u

// Locals of one function, as the engine's validator has it.
#define CORE_BULK_LOCALS_MAX 50000u

// Name of the added functions in the custom section "name", where there is one, and so in
// backtraces.
#define CORE_BULK_FILL_NAME "memory.fill"
#define CORE_BULK_COPY_NAME "memory.copy"

// Appends a rewritten copy of the module to `out` and returns 1; returns 0, with nothing appended,
// when there is nothing to rewrite. All indices stay what they are. Custom sections other than
// "name" are left out: they may speak of places in the code. The result of a module that is not
// valid may be valid: a caller who wants it refused validates first. An error: the module is not
// known to the end here.
_must_use_ int core_bulk_write(struct str module, struct buf *out, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// Runs components without host imports on the engine. Each call has a wall time of
// EXECUTE_WALL_TIME_MS; a host that hangs beyond it is ended by the runner's watchdog.
#pragma once

#include "wast.h"

#define EXECUTE_WALL_TIME_MS 5000
// After a call has returned: of the loop, and by the clock for tasks that never end.
#define EXECUTE_TURNS_AFTER_MAX 1000
#define EXECUTE_AFTER_MS        200
#define EXECUTE_INSTANCES_MAX   64u
#define EXECUTE_MEMORY_MAX      ((uint64_t)64 << 20)
#define EXECUTE_VALUE_BYTES_MAX ((size_t)64 << 20)

_must_use_ int execute_new(struct wast_executor **out, struct error *err);
void execute_free(struct wast_executor *executor);

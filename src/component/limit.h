// SPDX-License-Identifier: Apache-2.0
// Limits of one instance, or of a workload's instances, that whoever runs it may set: what they are
// called, where they are set, and how an error says that one was reached.
#pragma once

#include "base/error.h"

enum limit {
    LIMIT_MEMORY,
    LIMIT_TABLE_ELEMENTS,
    LIMIT_WALL_TIME,
    LIMIT_CPU_TIME,
    LIMIT_HANDLES,
    LIMIT_STREAMS,
    LIMIT_TASKS,
    LIMIT_LOG_RATE,
    LIMIT_INSTANCES,
};
#define LIMIT_COUNT 9

#define LIMIT_TEXT_BYTES_MAX 128

// "CPU time limit of 500 ms (--max-cpu-time)"
void limit_text(enum limit limit, uint64_t value, char out[LIMIT_TEXT_BYTES_MAX]);

// Fills `err` with the same and " reached"; returns `code`.
int limit_reached(struct error *err, int code, enum limit limit, uint64_t value);

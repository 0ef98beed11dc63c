// SPDX-License-Identifier: Apache-2.0
#include "component/limit.h"

#include <assert.h>

static const struct {
    const char *name, *unit, *option;
    bool is_bytes;
} limits[] = {
    [LIMIT_MEMORY] = {"memory", "", "--max-memory", .is_bytes = true},
    [LIMIT_TABLE_ELEMENTS] = {"table", " elements", "--max-table-elements"},
    [LIMIT_WALL_TIME] = {"wall-time", " ms", "--timeout"},
    [LIMIT_CPU_TIME] = {"CPU time", " ms", "--max-cpu-time"},
    [LIMIT_HANDLES] = {"handle", " handles", "--max-handles"},
    [LIMIT_STREAMS] = {"stream", " streams, futures and subtasks", "--max-streams"},
    [LIMIT_TASKS] = {"task", " tasks and threads", "--max-tasks"},
    [LIMIT_LOG_RATE] = {"log rate", " lines/s", "--max-log-rate"},
    [LIMIT_INSTANCES] = {"instance", " instances", "--max-instances"},
};
static_assert(ARRAY_LEN(limits) == LIMIT_COUNT, "a limit lacks its names");

void limit_text(enum limit limit, uint64_t value, char out[LIMIT_TEXT_BYTES_MAX])
{
    const char *unit = limits[limit].unit;
    if (limits[limit].is_bytes) {
        bool is_mib = value > 0 && value % (1024 * 1024) == 0;
        unit = is_mib ? " MiB" : " bytes";
        value = is_mib ? value / (1024 * 1024) : value;
    }
    snprintf(out, LIMIT_TEXT_BYTES_MAX, "%s limit of %llu%s (%s)", limits[limit].name,
             (unsigned long long)value, unit, limits[limit].option);
}

int limit_reached(struct error *err, int code, enum limit limit, uint64_t value)
{
    char text[LIMIT_TEXT_BYTES_MAX];
    limit_text(limit, value, text);
    return error_set(err, code, "%s reached", text);
}

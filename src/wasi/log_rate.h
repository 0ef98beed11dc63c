// SPDX-License-Identifier: Apache-2.0
// How much of a workload's output reaches the host's log: so many lines a second, all its instances
// and threads together. What is beyond is dropped and counted, and the owner is told how much it
// was, once a second at the most.
#pragma once

#include "base/str.h"

#define LOG_RATE_LINES_DEFAULT 10000u
// Each begun so many bytes of a line count as one.
#define LOG_RATE_LINE_BYTES 1024u

struct log_rate;

// `report` may come from any thread that uses the rate, or ends it.
struct log_rate *log_rate_new(uint32_t lines_per_s, void (*report)(void *user, uint64_t dropped),
                              void *user);
// Reports what was dropped and not told. NULL is allowed.
void log_rate_free(struct log_rate *rate);

// May a line of so many bytes be written? NULL rate: always. Whoever hears "no" drops it, and
// tells.
bool log_rate_take(struct log_rate *rate, size_t bytes);
void log_rate_drop(struct log_rate *rate);
// Reports what was dropped, if that is due: when output pauses.
void log_rate_settle(struct log_rate *rate);
uint32_t log_rate_limit(const struct log_rate *rate);

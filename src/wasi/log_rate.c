// SPDX-License-Identifier: Apache-2.0
#include "wasi/log_rate.h"

#include <stdatomic.h>
#include <time.h>

#include "base/mem.h"

// Threads meet here for each line, which costs them far more in the kernel. A line that comes while
// another thread begins a second may be counted in either.
struct log_rate {
    uint32_t max;
    void (*report)(void *user, uint64_t dropped);
    void *user;
    _Atomic uint64_t second; // of the clock, that `taken` belongs to
    _Atomic uint64_t taken;
    _Atomic uint64_t dropped; // and not reported
    _Atomic uint64_t told;    // second of the last report
};

static uint64_t current_second(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec + 1; // 0: never
}

struct log_rate *log_rate_new(uint32_t lines_per_s, void (*report)(void *user, uint64_t dropped),
                              void *user)
{
    struct log_rate *rate = mem_new(struct log_rate);
    *rate = (struct log_rate){.max = lines_per_s, .report = report, .user = user};
    return rate;
}

static void tell(struct log_rate *rate)
{
    uint64_t dropped = atomic_exchange(&rate->dropped, 0);
    if (dropped)
        rate->report(rate->user, dropped);
}

static void tell_if_due(struct log_rate *rate, uint64_t second)
{
    uint64_t told = atomic_load(&rate->told);
    if (told != second && atomic_load(&rate->dropped) > 0 &&
        atomic_compare_exchange_strong(&rate->told, &told, second))
        tell(rate);
}

void log_rate_free(struct log_rate *rate)
{
    if (!rate)
        return;
    tell(rate);
    free(rate);
}

bool log_rate_take(struct log_rate *rate, size_t bytes)
{
    if (!rate)
        return true;
    uint64_t second = current_second();
    uint64_t counted = atomic_load_explicit(&rate->second, memory_order_relaxed);
    if (counted != second && atomic_compare_exchange_strong(&rate->second, &counted, second)) {
        atomic_store(&rate->taken, 0);
        tell_if_due(rate, second);
    }
    uint64_t lines = bytes / LOG_RATE_LINE_BYTES + 1;
    return atomic_fetch_add_explicit(&rate->taken, lines, memory_order_relaxed) + lines <=
           rate->max;
}

void log_rate_drop(struct log_rate *rate)
{
    atomic_fetch_add_explicit(&rate->dropped, 1, memory_order_relaxed);
}

void log_rate_settle(struct log_rate *rate)
{
    if (rate && atomic_load_explicit(&rate->dropped, memory_order_relaxed) > 0)
        tell_if_due(rate, current_second());
}

uint32_t log_rate_limit(const struct log_rate *rate)
{
    return rate->max;
}

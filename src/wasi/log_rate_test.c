// SPDX-License-Identifier: Apache-2.0
#include "wasi/log_rate.h"

#include <time.h>

#include "testing/test.h"

static void count(void *user, uint64_t dropped)
{
    *(uint64_t *)user += dropped;
}

// A whole second lies ahead, more or less: what follows is not to meet its end.
static void await_second(void)
{
    struct timespec now;
    do {
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    } while (now.tv_nsec > 500000000);
}

TEST(lines_beyond_the_rate_are_refused_and_told)
{
    uint64_t told = 0;
    struct log_rate *rate = log_rate_new(10, count, &told);
    await_second();
    uint32_t taken = 0;
    for (int i = 0; i < 25; i++) {
        if (log_rate_take(rate, 10))
            taken++;
        else
            log_rate_drop(rate);
    }
    CHECK_INT(taken, 10);
    CHECK_INT(told, 0);
    log_rate_settle(rate);
    CHECK_INT(told, 15);
    // Not twice in a second, but at the end.
    log_rate_drop(rate);
    log_rate_settle(rate);
    CHECK_INT(told, 15);
    log_rate_free(rate);
    CHECK_INT(told, 16);
}

TEST(a_long_line_counts_as_several)
{
    uint64_t told = 0;
    struct log_rate *rate = log_rate_new(10, count, &told);
    await_second();
    CHECK(log_rate_take(rate, 8 * LOG_RATE_LINE_BYTES));
    CHECK(!log_rate_take(rate, LOG_RATE_LINE_BYTES));
    log_rate_free(rate);
    CHECK(log_rate_take(NULL, 1 << 20));
}

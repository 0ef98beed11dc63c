// SPDX-License-Identifier: Apache-2.0
// What both versions of wasi:clocks share.
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
// Longest time one timer is set for; it is set again when it ends early.
#define CLOCK_TIMER_NS_MAX (24 * 3600 * NS_PER_S)

static inline struct timespec clock_resolution(clockid_t clock)
{
    struct timespec resolution = {0, 1};
    (void)clock_getres(clock, &resolution);
    return resolution;
}

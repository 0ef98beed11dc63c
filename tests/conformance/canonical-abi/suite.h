// SPDX-License-Identifier: Apache-2.0
// Canonical ABI vectors as JSON Lines: types, values, core values and memory images in the notation
// of the suite's README.
#pragma once

#include <jansson.h>

#include "component/guest_test.h"
#include "component/value.h"

// Calls `run` for each line of a file of the suite; skips the test when the suite is not there.
// The arena lasts for one line.
void suite_each(const char *file, void (*run)(json_t *line, struct arena *arena));

// The running line's id, for messages.
const char *suite_id(void);

const struct type *suite_type(json_t *json, struct arena *arena); // NULL for null
struct value suite_value(json_t *json, const struct type *t, struct arena *arena);
enum string_encoding suite_encoding(json_t *line, const char *key);

// Core values: of an array of [type, value]; returns how many.
uint32_t suite_core(json_t *json, union core_value *flat, uint32_t max);
// True when `flat` holds those core values (a NaN stands for any).
bool suite_core_equal(json_t *json, const union core_value *flat);

// Memory: writes or compares an image [address, hex] ("..": any byte).
void suite_write(json_t *image, uint8_t *memory);
bool suite_memory_equal(json_t *image, const uint8_t *memory);

// The allocations are plain ones: ours come in the same order with the same sizes, so that all
// addresses agree. Otherwise the specification transcoded a string into a larger room first and
// asked for less, or more, then; we measure it and ask once.
bool suite_same_allocations(json_t *realloc);

#define CHECK_VECTOR(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "%s: not true: %s", suite_id(), #condition);             \
    } while (0)

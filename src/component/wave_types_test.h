// SPDX-License-Identifier: Apache-2.0
// For tests and the fuzz target: one type of each sort.
#pragma once

#include "wit/type.h"

enum wave_type {
    WAVE_BOOL,
    WAVE_S8,
    WAVE_U8,
    WAVE_U64,
    WAVE_S64,
    WAVE_F32,
    WAVE_F64,
    WAVE_CHAR,
    WAVE_STRING,
    WAVE_BYTES,
    WAVE_STRINGS,
    WAVE_TRIPLE,
    WAVE_MAP,
    WAVE_TUPLE,
    WAVE_RECORD,
    WAVE_OPTIONALS,
    WAVE_VARIANT,
    WAVE_ENUM,
    WAVE_OPTION,
    WAVE_NESTED,
    WAVE_RESULT,
    WAVE_UNITS,
    WAVE_FLAGS,
    WAVE_OWN,
};
#define WAVE_TYPE_COUNT (WAVE_OWN + 1)

const struct type *wave_type(enum wave_type type);

// SPDX-License-Identifier: Apache-2.0
// Tokens of WAVE.
#pragma once

#include "base/arena.h"
#include "base/error.h"

struct wave_reader {
    struct str text;
    size_t pos;
    struct arena *arena;
    struct error *err;
};

// An error at `pos`: "column 5: ..." (with the line when it is not the first). Returns -EINVAL.
_must_use_ int wave_fail(struct wave_reader *reader, size_t pos, const char *fmt, ...)
    _printf_(3, 4);

// The same, "expected WHAT, found ..." what stands at the current position.
_must_use_ int wave_expected(struct wave_reader *reader, const char *what);

void wave_skip_space(struct wave_reader *reader);
// Skips space, then takes `c` if it is next.
bool wave_accept(struct wave_reader *reader, char c);
_must_use_ int wave_expect(struct wave_reader *reader, char c);

// A label with or without '%' (escaped). An empty one, and nothing taken, when none is next.
struct wave_label {
    struct str name;
    size_t pos;
    bool escaped;
};
struct wave_label wave_take_label(struct wave_reader *reader);
// true, false, inf, nan, some, none, ok, err.
bool wave_is_keyword(struct str name);

// The text of a finite number; empty when none is next.
struct str wave_take_number(struct wave_reader *reader);

_must_use_ int wave_take_char(struct wave_reader *reader, uint32_t *out);
_must_use_ int wave_take_string(struct wave_reader *reader, struct str *out);

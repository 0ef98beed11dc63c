// SPDX-License-Identifier: Apache-2.0
// WAVE, the text notation of component model values: `{name: "x", tags: [1, 2], mode: some(fast)}`
// (wasm-tools, crates/wasm-wave: README.md, wave_ebnf.md). Texts are read by type; errors say the
// place.
#pragma once

#include "base/buf.h"
#include "component/value.h"

#define WAVE_TEXT_BYTES_MAX ((size_t)16 << 20)

// Reads one value that fills the whole text. All of it goes to `arena`.
_must_use_ int wave_parse(struct str text, const struct type *t, struct arena *arena,
                          struct value *out, struct error *err);

// A function call: `name(arg, arg)` or `interface#name(arg)`. Slices of the text.
struct wave_call {
    struct str interface; // "wasi:cli/run@0.2.0"; empty without one
    struct str name;
    struct str text; // the whole
    size_t args;     // where the argument list begins in it, at the parenthesis
};
_must_use_ int wave_parse_call(struct str text, struct wave_call *out, struct error *err);

// Reads the arguments for a function: *args gets type->param_count values. Options at the end may
// be left out.
_must_use_ int wave_parse_args(const struct wave_call *call, const struct func_type *type,
                               struct arena *arena, struct value **args, struct error *err);

// Appends the value as text that reads back as the same. 0, or -ENOBUFS at the buffer's maximum.
_must_use_ int wave_print(struct buf *out, const struct type *t, const struct value *value);

// SPDX-License-Identifier: Apache-2.0
// The TOML reader's state, shared by toml.c (documents, tables, arrays), toml_string.c (strings and
// keys) and toml_number.c (numbers, dates).
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "data/impl.h"

struct toml {
    struct str text;
    size_t pos;
    const char *file;
    struct tree_source *source;
    struct error *err;
    struct arena arena;
    struct map flags; // table or array -> its enum toml_flags
    struct tree_path path;
    size_t depth;
    size_t nodes;
    size_t counted; // the place last asked for, so that lines are counted once
    unsigned line;
    size_t line_start;
};

static inline char toml_peek(const struct toml *toml)
{
    return toml->pos < toml->text.len ? toml->text.data[toml->pos] : 0;
}

static inline bool toml_at_end(const struct toml *toml)
{
    return toml->pos >= toml->text.len;
}

static inline bool toml_looking_at(const struct toml *toml, const char *words)
{
    return str_starts(str_from_index(toml->text, toml->pos), str_from(words));
}

struct tree_place toml_place(struct toml *toml);
_must_use_ int toml_fail(struct toml *toml, const char *what);

// A string value, with the cursor on its first quote; in the arena.
_must_use_ int toml_string(struct toml *toml, struct str *out);
// One part of a key, bare or quoted; in the arena or the text.
_must_use_ int toml_key_part(struct toml *toml, struct str *out);
// A number, bool, date or time.
_must_use_ int toml_scalar(struct toml *toml, struct tree **out);

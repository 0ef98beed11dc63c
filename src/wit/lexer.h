// SPDX-License-Identifier: Apache-2.0
// Tokens of WIT text (WIT.md "Lexical structure"). No allocation: tokens are slices of the text.
#pragma once

#include "base/arena.h"
#include "base/error.h"

// Bytes of one identifier.
#define WIT_NAME_BYTES_MAX 1024

// A text that was read, for positions in messages.
struct wit_source {
    const char *path;
    struct str text;
};

// A place in a source.
struct wit_pos {
    const struct wit_source *source;
    uint32_t offset; // bytes
};

enum wit_token_kind {
    WIT_TOKEN_END,
    WIT_TOKEN_ID,      // an identifier that is not a keyword, or any with `%` before it
    WIT_TOKEN_KEYWORD, // `text` says which
    WIT_TOKEN_NUMBER,
    WIT_TOKEN_PUNCT, // one character
    WIT_TOKEN_ARROW, // ->
};

struct wit_token {
    enum wit_token_kind kind;
    struct str text; // without the `%` of an identifier
    uint32_t gap;    // where the blanks and comments before the token begin
    uint32_t offset; // of the token
};

// Sets *err to "path:line:column: message" and returns -EINVAL. Columns count characters.
_must_use_ int wit_fail(struct wit_pos pos, struct error *err, const char *fmt, ...) _printf_(3, 4);

// Refuses text that is not UTF-8 or holds control characters, direction overrides or characters
// that Unicode deprecates: what a person reads is what is parsed.
_must_use_ int wit_source_check(const struct wit_source *source, struct error *err);

// The token at or behind `offset`.
_must_use_ int wit_lex(const struct wit_source *source, uint32_t offset, struct wit_token *out,
                       struct error *err);

// Text of the comments between the two offsets, lines joined by '\n'. Comments that are no doc
// comments count, as they do in the usual tools.
struct str wit_docs(const struct wit_source *source, uint32_t from, uint32_t to,
                    struct arena *arena);

bool wit_is_keyword(struct str name);

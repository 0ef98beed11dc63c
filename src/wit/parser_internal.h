// SPDX-License-Identifier: Apache-2.0
// What the parts of the parser share.
#pragma once

#include "wit/parser.h"

// Nesting of packages, which is refused once a text was read as a whole.
#define WIT_PACKAGE_DEPTH_MAX 100

struct parser {
    const struct wit_source *source;
    struct arena *arena;
    struct error *err;
    struct wit_token token;
    unsigned type_depth;
    struct wit_pos misplaced; // the first package in a nested one; no source: none
};

// Annotations before an item.
struct gate {
    struct str docs;
    struct wit_stability stability;
    struct wit_pos pos;      // of the first attribute's name, or of the item
    struct wit_pos docs_pos; // where the comments begin
};

struct wit_pos parser_pos(const struct parser *p);
bool parser_is(const struct parser *p, const char *text); // keyword or punctuation
_must_use_ int parser_advance(struct parser *p);
// Goes on when the token is `text`: 1, else 0.
_must_use_ int parser_accept(struct parser *p, const char *text);
_must_use_ int parser_expect(struct parser *p, const char *text);
// "expected `what`, found `token`".
_must_use_ int parser_fail(struct parser *p, const char *what);
_must_use_ int parser_name(struct parser *p, const char *what, struct ast_name *out);
_must_use_ int parser_gate(struct parser *p, struct gate *out);

_must_use_ int parser_type(struct parser *p, const struct ast_type **out);
// `async? func(params) -> result`
_must_use_ int parser_func_type(struct parser *p, struct ast_func *func);
_must_use_ int parser_params(struct parser *p, struct ast_fields *out);

// An item of an interface or, when `world`, of a world.
_must_use_ int parser_item(struct parser *p, bool world, struct ast_item **out);
_must_use_ int parser_items(struct parser *p, bool world, struct ast_item **out);
_must_use_ int parser_path(struct parser *p, struct ast_path *out);

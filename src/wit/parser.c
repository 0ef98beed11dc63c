// SPDX-License-Identifier: Apache-2.0
#include "wit/parser_internal.h"

#include <errno.h>

#include "wit/version.h"

struct wit_pos parser_pos(const struct parser *p)
{
    return (struct wit_pos){p->source, p->token.offset};
}

bool parser_is(const struct parser *p, const char *text)
{
    return (p->token.kind == WIT_TOKEN_KEYWORD || p->token.kind == WIT_TOKEN_PUNCT) &&
           str_is(p->token.text, text);
}

static uint32_t token_end(const struct parser *p)
{
    if (p->token.kind == WIT_TOKEN_END)
        return p->token.offset;
    return (uint32_t)(p->token.text.data - p->source->text.data + (ptrdiff_t)p->token.text.len);
}

int parser_advance(struct parser *p)
{
    return wit_lex(p->source, token_end(p), &p->token, p->err);
}

int parser_accept(struct parser *p, const char *text)
{
    if (!parser_is(p, text))
        return 0;
    int r = parser_advance(p);
    return r < 0 ? r : 1;
}

int parser_fail(struct parser *p, const char *what)
{
    const char *kind = p->token.kind == WIT_TOKEN_KEYWORD ? "keyword " : "";
    const char *quote = p->token.kind == WIT_TOKEN_END ? "" : "`";
    return wit_fail(parser_pos(p), p->err, "expected %s, found %s%s%.*s%s", what, kind, quote,
                    (int)MIN(p->token.text.len, 80), p->token.text.data, quote);
}

int parser_expect(struct parser *p, const char *text)
{
    if (parser_is(p, text))
        return parser_advance(p);
    char what[32];
    snprintf(what, sizeof(what), "`%s`", text);
    return parser_fail(p, what);
}

int parser_name(struct parser *p, const char *what, struct ast_name *out)
{
    if (p->token.kind != WIT_TOKEN_ID)
        return parser_fail(p, what);
    *out = (struct ast_name){p->token.text, parser_pos(p)};
    return parser_advance(p);
}

// The version that begins right at the token.
static int parse_version(struct parser *p, struct str *out)
{
    size_t len = wit_version_length(p->source->text, p->token.offset);
    if (len == 0) {
        size_t at = wit_version_failure(p->source->text, p->token.offset);
        int r = wit_lex(p->source, (uint32_t)at, &p->token, p->err);
        return r < 0 ? r : parser_fail(p, "a version such as 1.2.3");
    }
    *out = str_sub(p->source->text, p->token.offset, len);
    return wit_lex(p->source, p->token.offset + (uint32_t)len, &p->token, p->err);
}

static int parse_optional_version(struct parser *p, struct str *out)
{
    int r = parser_accept(p, "@");
    return r <= 0 ? r : parse_version(p, out);
}

int parser_path(struct parser *p, struct ast_path *out)
{
    struct ast_name first, second;
    int r = parser_name(p, "the name of an interface or world", &first);
    if (r < 0)
        return r;
    out->name = first;
    out->pos = first.pos;
    if (!parser_is(p, ":"))
        return 0;
    if ((r = parser_advance(p)) < 0 || (r = parser_name(p, "the name of a package", &second)) < 0)
        return r;
    out->ns = first.text;
    out->package = second.text;
    if ((r = parser_expect(p, "/")) < 0 ||
        (r = parser_name(p, "the name of an interface or world", &out->name)) < 0)
        return r;
    return parse_optional_version(p, &out->version);
}

// `(word = value)`; values are versions or names.
static int parse_attribute_value(struct parser *p, const char *word, struct str *out)
{
    int r = parser_expect(p, "(");
    if (r < 0)
        return r;
    if (p->token.kind != WIT_TOKEN_ID || !str_is(p->token.text, word)) {
        char what[32];
        snprintf(what, sizeof(what), "`%s`", word);
        return parser_fail(p, what);
    }
    if ((r = parser_advance(p)) < 0 || (r = parser_expect(p, "=")) < 0)
        return r;
    struct ast_name name;
    if (strcmp(word, "feature") != 0) {
        r = parse_version(p, out);
    } else if ((r = parser_name(p, "the name of a feature", &name)) == 0) {
        *out = name.text;
    }
    return r < 0 ? r : parser_expect(p, ")");
}

static int parse_attribute(struct parser *p, struct gate *gate)
{
    struct wit_stability *s = &gate->stability;
    const struct {
        const char *name;
        const char *word;
        struct str *value;
    } attributes[] = {
        {"since", "version", &s->since},
        {"unstable", "feature", &s->feature},
        {"deprecated", "version", &s->deprecated},
    };
    int r = parser_expect(p, "@");
    if (r < 0)
        return r;
    struct wit_pos pos = parser_pos(p);
    struct ast_name name;
    if ((r = parser_name(p, "`since`, `unstable` or `deprecated`", &name)) < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        if (!str_is(name.text, attributes[i].name))
            continue;
        if (attributes[i].value->len > 0)
            return wit_fail(pos, p->err, "`@%s` is given twice", attributes[i].name);
        return parse_attribute_value(p, attributes[i].word, attributes[i].value);
    }
    return wit_fail(pos, p->err, "unknown attribute `@%.*s`", (int)MIN(name.text.len, 80),
                    name.text.data);
}

int parser_gate(struct parser *p, struct gate *out)
{
    memset(out, 0, sizeof(*out));
    out->stability = (struct wit_stability){STR_EMPTY, STR_EMPTY, STR_EMPTY};
    out->docs = wit_docs(p->source, p->token.gap, p->token.offset, p->arena);
    out->pos = out->docs_pos = parser_pos(p);
    out->docs_pos.offset = p->token.gap;
    while (out->docs_pos.offset < p->token.offset &&
           ascii_is_space(p->source->text.data[out->docs_pos.offset]))
        out->docs_pos.offset++;
    for (bool is_first = true; parser_is(p, "@"); is_first = false) {
        if (is_first)
            out->pos.offset++; // its name
        int r = parse_attribute(p, out);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool has_attributes(const struct wit_stability *s)
{
    return s->since.len + s->feature.len + s->deprecated.len > 0;
}

// `use a:b/c as d;`
static int parse_top_use(struct parser *p, struct ast_decl *decl)
{
    decl->kind = AST_TOP_USE;
    int r;
    if ((r = parser_path(p, &decl->path)) < 0)
        return r;
    decl->name = decl->path.name;
    if ((r = parser_accept(p, "as")) < 0 ||
        (r == 1 && (r = parser_name(p, "a name", &decl->name)) < 0))
        return r;
    return parser_expect(p, ";");
}

static int parse_decl(struct parser *p, const struct gate *gate, struct ast_decl **out)
{
    struct ast_decl *decl = arena_new(p->arena, struct ast_decl);
    decl->docs = gate->docs;
    decl->stability = gate->stability;
    decl->stability_pos = gate->pos;
    *out = decl;
    bool world = parser_is(p, "world");
    int r;
    if (parser_is(p, "use")) {
        if (has_attributes(&gate->stability))
            return wit_fail(parser_pos(p), p->err, "a top-level `use` takes no attributes");
        r = parser_advance(p);
        return r < 0 ? r : parse_top_use(p, decl);
    }
    if (!world && !parser_is(p, "interface"))
        return parser_fail(p, "`interface`, `world`, `use` or `package`");
    decl->kind = world ? AST_WORLD : AST_INTERFACE;
    if ((r = parser_advance(p)) < 0 || (r = parser_name(p, "a name", &decl->name)) < 0)
        return r;
    return parser_items(p, world, &decl->items);
}

// `ns:name@version` after `package`.
static int parse_package_id(struct parser *p, struct ast_path *out)
{
    struct ast_name ns;
    int r;
    if ((r = parser_advance(p)) < 0 ||
        (r = parser_name(p, "the namespace of a package", &ns)) < 0 ||
        (r = parser_expect(p, ":")) < 0 ||
        (r = parser_name(p, "the name of a package", &out->name)) < 0)
        return r;
    out->ns = ns.text;
    out->package = out->name.text;
    out->name.pos = out->pos = ns.pos;
    return parse_optional_version(p, &out->version);
}

// A package in a nested one: refused once the text was read.
static int enter_package(struct parser *p, const struct gate *gate, unsigned depth)
{
    struct ast_path id = {0};
    if (has_attributes(&gate->stability))
        return wit_fail(parser_pos(p), p->err, "a package takes no attributes");
    if (depth == WIT_PACKAGE_DEPTH_MAX)
        return wit_fail(parser_pos(p), p->err, "packages are nested deeper than %d",
                        WIT_PACKAGE_DEPTH_MAX);
    int r = parse_package_id(p, &id);
    if (!p->misplaced.source)
        p->misplaced = id.pos;
    return r < 0 ? r : parser_expect(p, "{");
}

static int parse_nested_package(struct parser *p, struct ast_file *nested)
{
    int r = parser_expect(p, "{");
    struct ast_decl **tail = &nested->decls;
    for (unsigned depth = 1; r == 0 && depth > 0;) {
        struct gate gate;
        if (parser_is(p, "}")) {
            depth--;
            r = parser_advance(p);
            continue;
        }
        if ((r = parser_gate(p, &gate)) < 0)
            return r;
        if (parser_is(p, "package")) {
            r = enter_package(p, &gate, depth++);
            continue;
        }
        r = parse_decl(p, &gate, tail);
        if (r == 0)
            tail = &(*tail)->next;
    }
    return r;
}

// A header `package a:b;` or a nested package.
static int parse_package(struct parser *p, const struct gate *gate, bool is_first,
                         struct ast_file *file, struct ast_file ***nested_tail)
{
    if (has_attributes(&gate->stability))
        return wit_fail(parser_pos(p), p->err, "a package takes no attributes");
    struct ast_path id = {0};
    int r = parse_package_id(p, &id);
    if (r < 0)
        return r;
    if (parser_is(p, "{")) {
        struct ast_file *nested = arena_new(p->arena, struct ast_file);
        nested->package = id;
        nested->docs = gate->docs;
        **nested_tail = nested;
        *nested_tail = &nested->next;
        return parse_nested_package(p, nested);
    }
    if (!is_first)
        return wit_fail(parser_pos(p), p->err,
                        "expected `{`: `package ...;` is the first item of a file");
    file->package = id;
    file->docs = gate->docs;
    file->docs_pos = gate->docs_pos;
    return parser_expect(p, ";");
}

int wit_parse(const struct wit_source *source, struct arena *arena, struct ast_file **out,
              struct error *err)
{
    struct parser p = {.source = source, .arena = arena, .err = err};
    struct ast_file *file = arena_new(arena, struct ast_file);
    struct ast_decl **tail = &file->decls;
    struct ast_file **nested_tail = &file->nested;
    int r = wit_lex(source, 0, &p.token, err);
    for (bool is_first = true; r == 0 && p.token.kind != WIT_TOKEN_END; is_first = false) {
        struct gate gate;
        if ((r = parser_gate(&p, &gate)) < 0)
            break;
        if (parser_is(&p, "package")) {
            r = parse_package(&p, &gate, is_first, file, &nested_tail);
        } else if ((r = parse_decl(&p, &gate, tail)) == 0) {
            tail = &(*tail)->next;
        }
    }
    if (r == 0 && p.misplaced.source)
        return wit_fail(p.misplaced, err,
                        "nested packages must be placed at the top level of a file");
    if (r == 0)
        *out = file;
    return r;
}

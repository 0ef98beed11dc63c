// SPDX-License-Identifier: Apache-2.0
// Items of interfaces and worlds (WIT.md "Item: world", "Item: interface", "Item: use",
// "Items: type").
#include "wit/parser_internal.h"

#include <errno.h>

static int parse_renames(struct parser *p, bool as_required, struct ast_rename **out)
{
    int r = parser_expect(p, "{");
    struct ast_rename **tail = out;
    while (r == 0 && !parser_is(p, "}")) {
        struct ast_rename *item = arena_new(p->arena, struct ast_rename);
        if ((r = parser_name(p, "a name", &item->from)) < 0)
            return r;
        item->to = item->from;
        if (as_required && !parser_is(p, "as"))
            return parser_fail(p, "`as`");
        if ((r = parser_accept(p, "as")) < 0 ||
            (r == 1 && (r = parser_name(p, "a name", &item->to)) < 0))
            return r;
        *tail = item;
        tail = &item->next;
        if ((r = parser_accept(p, ",")) <= 0)
            break;
        r = 0;
    }
    return r < 0 ? r : parser_expect(p, "}");
}

static int parse_use(struct parser *p, struct ast_item *item)
{
    int r;
    item->kind = AST_USE;
    if ((r = parser_path(p, &item->path)) < 0 || (r = parser_expect(p, ".")) < 0 ||
        (r = parse_renames(p, false, &item->renames)) < 0)
        return r;
    return parser_expect(p, ";");
}

static int parse_include(struct parser *p, struct ast_item *item)
{
    item->kind = AST_INCLUDE;
    int r = parser_path(p, &item->path);
    if (r < 0)
        return r;
    if (!parser_is(p, "with"))
        return parser_expect(p, ";");
    // No semicolon ends the names (WIT.md "Item: `include`").
    r = parser_advance(p);
    return r < 0 ? r : parse_renames(p, true, &item->renames);
}

static int parse_alias(struct parser *p, struct ast_item *item)
{
    int r;
    item->kind = AST_ALIAS;
    if ((r = parser_name(p, "the name of the type", &item->name)) < 0 ||
        (r = parser_expect(p, "=")) < 0 || (r = parser_type(p, &item->type)) < 0)
        return r;
    return parser_expect(p, ";");
}

// What follows the name of a member.
static int parse_member_type(struct parser *p, enum ast_item_kind kind, struct ast_field *field)
{
    int r = 0;
    if (kind == AST_RECORD) {
        r = parser_expect(p, ":");
        return r < 0 ? r : parser_type(p, &field->type);
    }
    if (kind != AST_VARIANT || !parser_is(p, "("))
        return 0;
    if ((r = parser_advance(p)) < 0 || (r = parser_type(p, &field->type)) < 0)
        return r;
    return parser_expect(p, ")");
}

static int parse_members(struct parser *p, enum ast_item_kind kind, struct ast_item *item)
{
    item->kind = kind;
    int r = parser_name(p, "the name of the type", &item->name);
    if (r == 0)
        r = parser_expect(p, "{");
    struct ast_field **tail = &item->fields.first;
    while (r == 0 && !parser_is(p, "}")) {
        struct ast_field *field = arena_new(p->arena, struct ast_field);
        field->docs = wit_docs(p->source, p->token.gap, p->token.offset, p->arena);
        if ((r = parser_name(p, "a name", &field->name)) < 0 ||
            (r = parse_member_type(p, kind, field)) < 0)
            return r;
        *tail = field;
        tail = &field->next;
        item->fields.count++;
        if ((r = parser_accept(p, ",")) <= 0)
            break;
        r = 0;
    }
    return r < 0 ? r : parser_expect(p, "}");
}

static int parse_constructor(struct parser *p, struct ast_func *func)
{
    func->kind = WIT_FUNC_CONSTRUCTOR;
    func->name.pos = parser_pos(p);
    int r;
    if ((r = parser_advance(p)) < 0 || (r = parser_params(p, &func->params)) < 0)
        return r;
    if (p->token.kind == WIT_TOKEN_ARROW &&
        ((r = parser_advance(p)) < 0 || (r = parser_type(p, &func->result)) < 0))
        return r;
    return parser_expect(p, ";");
}

static int parse_resource_func(struct parser *p, struct ast_func **out)
{
    struct gate gate;
    int r = parser_gate(p, &gate);
    if (r < 0)
        return r;
    struct ast_func *func = arena_new(p->arena, struct ast_func);
    func->docs = gate.docs;
    func->stability = gate.stability;
    func->stability_pos = gate.pos;
    *out = func;
    if (parser_is(p, "constructor"))
        return parse_constructor(p, func);
    func->kind = WIT_FUNC_METHOD;
    if ((r = parser_name(p, "`constructor`, or the name of a function", &func->name)) < 0 ||
        (r = parser_expect(p, ":")) < 0 || (r = parser_accept(p, "static")) < 0)
        return r;
    if (r == 1)
        func->kind = WIT_FUNC_STATIC;
    r = parser_func_type(p, func);
    return r < 0 ? r : parser_expect(p, ";");
}

static int parse_resource(struct parser *p, struct ast_item *item)
{
    item->kind = AST_RESOURCE;
    int r;
    if ((r = parser_name(p, "the name of the resource", &item->name)) < 0)
        return r;
    if ((r = parser_accept(p, ";")) != 0)
        return r < 0 ? r : 0;
    if ((r = parser_expect(p, "{")) < 0)
        return r;
    struct ast_func **tail = &item->funcs;
    while (!parser_is(p, "}")) {
        if ((r = parse_resource_func(p, tail)) < 0)
            return r;
        tail = &(*tail)->next;
    }
    return parser_expect(p, "}");
}

static int parse_func(struct parser *p, struct ast_item *item)
{
    struct ast_func *func = arena_new(p->arena, struct ast_func);
    func->kind = WIT_FUNC_FREE;
    func->name = item->name;
    func->docs = item->docs;
    func->stability = item->stability;
    func->stability_pos = item->stability_pos;
    item->funcs = func;
    int r = parser_func_type(p, func);
    return r < 0 ? r : parser_expect(p, ";");
}

// What follows `import name:`.
static int parse_extern_type(struct parser *p, struct ast_item *item)
{
    int r;
    if (parser_is(p, "func") || parser_is(p, "async"))
        return parse_func(p, item);
    if (parser_is(p, "interface")) {
        item->has_body = true;
        if ((r = parser_advance(p)) < 0)
            return r;
        return parser_items(p, false, &item->body);
    }
    if ((r = parser_path(p, &item->path)) < 0)
        return r;
    return parser_expect(p, ";");
}

// A colon directly between two names before a slash makes a path, `import a:b/c;`; else the first
// is the item's own name, `import a: func();` (WIT.md "Item: world").
static bool is_path_ahead(const struct parser *p)
{
    struct str text = p->source->text;
    size_t at = (size_t)(p->token.text.data - text.data) + p->token.text.len;
    if (at + 1 >= text.len || text.data[at] != ':')
        return false;
    struct wit_token next;
    if (wit_lex(p->source, (uint32_t)at + 1, &next, NULL) < 0)
        return false;
    if (next.kind != WIT_TOKEN_ID || next.offset != at + 1)
        return false;
    at = (size_t)(next.text.data - text.data) + next.text.len;
    return wit_lex(p->source, (uint32_t)at, &next, NULL) == 0 && str_is(next.text, "/");
}

// True when the token after this one is a colon.
static bool is_colon_ahead(const struct parser *p)
{
    struct wit_token next;
    size_t at = (size_t)(p->token.text.data - p->source->text.data) + p->token.text.len;
    return wit_lex(p->source, (uint32_t)at, &next, NULL) == 0 && str_is(next.text, ":");
}

static int parse_import_export(struct parser *p, enum ast_item_kind kind, struct ast_item *item)
{
    item->kind = kind;
    int r;
    if (p->token.kind == WIT_TOKEN_ID && is_colon_ahead(p) && !is_path_ahead(p)) {
        if ((r = parser_name(p, "a name", &item->name)) < 0 || (r = parser_expect(p, ":")) < 0)
            return r;
        return parse_extern_type(p, item);
    }
    if ((r = parser_path(p, &item->path)) < 0)
        return r;
    return parser_expect(p, ";");
}

static const struct {
    const char *keyword;
    enum ast_item_kind kind;
    bool world_only;
} item_kinds[] = {
    {"use", AST_USE, false},           {"type", AST_ALIAS, false},   {"record", AST_RECORD, false},
    {"variant", AST_VARIANT, false},   {"enum", AST_ENUM, false},    {"flags", AST_FLAGS, false},
    {"resource", AST_RESOURCE, false}, {"import", AST_IMPORT, true}, {"export", AST_EXPORT, true},
    {"include", AST_INCLUDE, true},
};

static int parse_item_kind(struct parser *p, enum ast_item_kind kind, struct ast_item *item)
{
    switch (kind) {
    case AST_USE:
        return parse_use(p, item);
    case AST_ALIAS:
        return parse_alias(p, item);
    case AST_RECORD:
    case AST_VARIANT:
    case AST_ENUM:
    case AST_FLAGS:
        return parse_members(p, kind, item);
    case AST_RESOURCE:
        return parse_resource(p, item);
    case AST_IMPORT:
    case AST_EXPORT:
        return parse_import_export(p, kind, item);
    case AST_INCLUDE:
        return parse_include(p, item);
    case AST_FUNC:
        break;
    }
    return parser_fail(p, "an item");
}

int parser_item(struct parser *p, bool world, struct ast_item **out)
{
    struct gate gate;
    int r = parser_gate(p, &gate);
    if (r < 0)
        return r;
    struct ast_item *item = arena_new(p->arena, struct ast_item);
    item->docs = gate.docs;
    item->stability = gate.stability;
    item->stability_pos = gate.pos;
    item->pos = parser_pos(p);
    *out = item;
    for (size_t i = 0; i < ARRAY_LEN(item_kinds); i++) {
        if (!parser_is(p, item_kinds[i].keyword) || (item_kinds[i].world_only && !world))
            continue;
        r = parser_advance(p);
        return r < 0 ? r : parse_item_kind(p, item_kinds[i].kind, item);
    }
    if (world)
        return parser_fail(p, "`import`, `export`, `include`, `use` or a type");
    item->kind = AST_FUNC;
    if ((r = parser_name(p, "`use`, a type or the name of a function", &item->name)) < 0 ||
        (r = parser_expect(p, ":")) < 0)
        return r;
    return parse_func(p, item);
}

int parser_items(struct parser *p, bool world, struct ast_item **out)
{
    int r = parser_expect(p, "{");
    while (r == 0 && !parser_is(p, "}")) {
        r = parser_item(p, world, out);
        if (r == 0)
            out = &(*out)->next;
    }
    return r < 0 ? r : parser_expect(p, "}");
}

// SPDX-License-Identifier: Apache-2.0
// Types and function types (WIT.md "Types").
#include "wit/parser_internal.h"

#include <errno.h>

// How many type arguments a built-in takes.
enum arguments {
    ARGS_NONE,
    ARGS_ONE,
    ARGS_OPTIONAL,
    ARGS_LIST,
    ARGS_MAP,
    ARGS_TUPLE,
    ARGS_RESULT,
    ARGS_HANDLE
};

static const struct {
    const char *keyword;
    enum type_kind kind;
    enum arguments args;
} builtins[] = {
    {"bool", TYPE_BOOL, ARGS_NONE},
    {"s8", TYPE_S8, ARGS_NONE},
    {"u8", TYPE_U8, ARGS_NONE},
    {"s16", TYPE_S16, ARGS_NONE},
    {"u16", TYPE_U16, ARGS_NONE},
    {"s32", TYPE_S32, ARGS_NONE},
    {"u32", TYPE_U32, ARGS_NONE},
    {"s64", TYPE_S64, ARGS_NONE},
    {"u64", TYPE_U64, ARGS_NONE},
    {"f32", TYPE_F32, ARGS_NONE},
    {"f64", TYPE_F64, ARGS_NONE},
    {"char", TYPE_CHAR, ARGS_NONE},
    {"string", TYPE_STRING, ARGS_NONE},
    {"error-context", TYPE_ERROR_CONTEXT, ARGS_NONE},
    {"list", TYPE_LIST, ARGS_LIST},
    {"map", TYPE_MAP, ARGS_MAP},
    {"option", TYPE_OPTION, ARGS_ONE},
    {"result", TYPE_RESULT, ARGS_RESULT},
    {"tuple", TYPE_TUPLE, ARGS_TUPLE},
    {"own", TYPE_OWN, ARGS_HANDLE},
    {"borrow", TYPE_BORROW, ARGS_HANDLE},
    {"stream", TYPE_STREAM, ARGS_OPTIONAL},
    {"future", TYPE_FUTURE, ARGS_OPTIONAL},
};

static int list_length(struct parser *p, struct ast_type *type)
{
    int r = parser_accept(p, ",");
    if (r <= 0)
        return r;
    uint64_t length;
    if (p->token.kind != WIT_TOKEN_NUMBER)
        return parser_fail(p, "the number of elements");
    if (str_to_u64(p->token.text, UINT32_MAX, &length) < 0 || length == 0)
        return wit_fail(parser_pos(p), p->err,
                        "a list of fixed length has 1 to 4294967295 elements, not %.*s",
                        STR_ARG(p->token.text));
    type->kind = TYPE_FIXED_LIST;
    type->length = (uint32_t)length;
    return parser_advance(p);
}

static int map_arguments(struct parser *p, struct ast_type *type)
{
    int r = parser_type(p, &type->element);
    if (r < 0)
        return r;
    enum type_kind key = type->element->kind;
    bool is_key = type->element->form == AST_TYPE_BUILTIN && key <= TYPE_STRING &&
                  key != TYPE_F32 && key != TYPE_F64;
    if (!is_key)
        return wit_fail(type->pos, p->err, "a map's key is an integer, bool, char or string");
    r = parser_expect(p, ",");
    return r < 0 ? r : parser_type(p, &type->error);
}

static int tuple_arguments(struct parser *p, struct ast_type *type)
{
    const struct ast_type *first = NULL, *last = NULL;
    while (!parser_is(p, ">")) {
        const struct ast_type *element;
        int r = parser_type(p, &element);
        if (r < 0)
            return r;
        // The parser made the node just now, and nobody else holds it.
        if (last)
            ((struct ast_type *)last)->next = element;
        else
            first = element;
        last = element;
        type->length++;
        r = parser_accept(p, ",");
        if (r < 0)
            return r;
        if (r == 0)
            break;
    }
    if (!first)
        return wit_fail(type->pos, p->err, "a tuple has at least one element");
    type->element = first;
    return 0;
}

static int result_arguments(struct parser *p, struct ast_type *type)
{
    int r = parser_accept(p, "_");
    if (r < 0)
        return r;
    bool no_ok = r == 1;
    if (!no_ok && (r = parser_type(p, &type->element)) < 0)
        return r;
    if (!no_ok && !parser_is(p, ","))
        return 0;
    r = parser_expect(p, ",");
    return r < 0 ? r : parser_type(p, &type->error);
}

static int type_arguments(struct parser *p, enum arguments args, struct ast_type *type)
{
    int r = 0;
    switch (args) {
    case ARGS_NONE:
        return 0;
    case ARGS_OPTIONAL:
    case ARGS_RESULT:
        if (!parser_is(p, "<"))
            return 0;
        break;
    case ARGS_ONE:
    case ARGS_LIST:
    case ARGS_MAP:
    case ARGS_TUPLE:
    case ARGS_HANDLE:
        break;
    }
    if ((r = parser_expect(p, "<")) < 0)
        return r;
    if (args == ARGS_TUPLE)
        r = tuple_arguments(p, type);
    else if (args == ARGS_RESULT)
        r = result_arguments(p, type);
    else if (args == ARGS_MAP)
        r = map_arguments(p, type);
    else if (args == ARGS_HANDLE) {
        r = parser_name(p, "the name of a resource", &type->name);
        type->pos = type->name.pos;
    } else
        r = parser_type(p, &type->element);
    if (r == 0 && args == ARGS_LIST)
        r = list_length(p, type);
    return r < 0 ? r : parser_expect(p, ">");
}

static int builtin_type(struct parser *p, struct ast_type *type)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        if (!parser_is(p, builtins[i].keyword))
            continue;
        type->form = AST_TYPE_BUILTIN;
        type->kind = builtins[i].kind;
        int r = parser_advance(p);
        return r < 0 ? r : type_arguments(p, builtins[i].args, type);
    }
    return parser_fail(p, "a type");
}

int parser_type(struct parser *p, const struct ast_type **out)
{
    if (p->type_depth == TYPE_DEPTH_MAX)
        return wit_fail(parser_pos(p), p->err, "types are nested deeper than %d", TYPE_DEPTH_MAX);
    struct ast_type *type = arena_new(p->arena, struct ast_type);
    type->pos = parser_pos(p);
    int r;
    if (p->token.kind == WIT_TOKEN_ID) {
        type->form = AST_TYPE_NAME;
        r = parser_name(p, "a type", &type->name);
    } else {
        p->type_depth++;
        r = builtin_type(p, type);
        p->type_depth--;
    }
    if (r == 0)
        *out = type;
    return r;
}

int parser_params(struct parser *p, struct ast_fields *out)
{
    int r = parser_expect(p, "(");
    struct ast_field **tail = &out->first;
    while (r == 0 && !parser_is(p, ")")) {
        struct ast_field *field = arena_new(p->arena, struct ast_field);
        if ((r = parser_name(p, "the name of a parameter", &field->name)) < 0 ||
            (r = parser_expect(p, ":")) < 0 || (r = parser_type(p, &field->type)) < 0)
            return r;
        *tail = field;
        tail = &field->next;
        out->count++;
        if ((r = parser_accept(p, ",")) <= 0)
            break;
        r = 0;
    }
    return r < 0 ? r : parser_expect(p, ")");
}

int parser_func_type(struct parser *p, struct ast_func *func)
{
    int r = parser_accept(p, "async");
    if (r < 0)
        return r;
    func->is_async = r == 1;
    if ((r = parser_expect(p, "func")) < 0 || (r = parser_params(p, &func->params)) < 0)
        return r;
    if (p->token.kind != WIT_TOKEN_ARROW)
        return 0;
    r = parser_advance(p);
    return r < 0 ? r : parser_type(p, &func->result);
}

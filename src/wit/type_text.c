// SPDX-License-Identifier: Apache-2.0
#include "wit/type.h"

#include "base/buf.h"

// Types of a hostile component share nodes, so that their text could grow exponentially: what is
// beyond this many bytes is cut.
#define TYPE_TEXT_MAX 4096

static const char *const keywords[TYPE_KIND_COUNT] = {
    [TYPE_BOOL] = "bool",     [TYPE_S8] = "s8",
    [TYPE_U8] = "u8",         [TYPE_S16] = "s16",
    [TYPE_U16] = "u16",       [TYPE_S32] = "s32",
    [TYPE_U32] = "u32",       [TYPE_S64] = "s64",
    [TYPE_U64] = "u64",       [TYPE_F32] = "f32",
    [TYPE_F64] = "f64",       [TYPE_CHAR] = "char",
    [TYPE_STRING] = "string", [TYPE_ERROR_CONTEXT] = "error-context",
    [TYPE_LIST] = "list",     [TYPE_FIXED_LIST] = "list",
    [TYPE_MAP] = "map",       [TYPE_RECORD] = "record",
    [TYPE_TUPLE] = "tuple",   [TYPE_VARIANT] = "variant",
    [TYPE_ENUM] = "enum",     [TYPE_OPTION] = "option",
    [TYPE_RESULT] = "result", [TYPE_FLAGS] = "flags",
    [TYPE_OWN] = "own",       [TYPE_BORROW] = "borrow",
    [TYPE_STREAM] = "stream", [TYPE_FUTURE] = "future",
};

// All printers give 0, or the negative code of a full buffer.
static int print_type(struct buf *out, const struct type *t);

// "<A, B>"; nothing when both are absent, "_" for an absent first one (WIT.md "result").
static int print_args(struct buf *out, const struct type *first, const struct type *second)
{
    int rc = 0;
    if (!first && !second)
        return 0;
    rc = buf_add_char(out, '<');
    if (rc == 0)
        rc = first ? print_type(out, first) : buf_add_char(out, '_');
    if (rc == 0 && second) {
        rc = buf_add_str(out, STR(", "));
        if (rc == 0)
            rc = print_type(out, second);
    }
    return rc < 0 ? rc : buf_add_char(out, '>');
}

static int print_tuple(struct buf *out, const struct type *t)
{
    int rc = buf_add_str(out, STR("tuple<"));
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        if (i > 0)
            rc = buf_add_str(out, STR(", "));
        if (rc == 0)
            rc = print_type(out, t->fields[i].type);
    }
    return rc < 0 ? rc : buf_add_char(out, '>');
}

// "record { a: u32 }", "variant { a(u32), b }", "enum { a, b }".
static int print_members(struct buf *out, const struct type *t)
{
    bool is_record = t->kind == TYPE_RECORD;
    int rc = buf_printf(out, "%s {", keywords[t->kind]);
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        const struct type_field *field = &t->fields[i];
        rc = buf_printf(out, "%s %.*s%s", i ? "," : "", STR_ARG(field->name),
                        is_record     ? ": "
                        : field->type ? "("
                                      : "");
        if (rc == 0 && field->type)
            rc = print_type(out, field->type);
        if (rc == 0 && field->type && !is_record)
            rc = buf_add_char(out, ')');
    }
    return rc < 0 ? rc : buf_add_str(out, STR(" }"));
}

static int print_structure(struct buf *out, const struct type *t)
{
    int rc;
    switch (t->kind) {
    case TYPE_RECORD:
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_FLAGS:
        return print_members(out, t);
    case TYPE_TUPLE:
        return print_tuple(out, t);
    case TYPE_OWN:
        return buf_add_str(out, t->resource->name);
    case TYPE_BORROW:
        return buf_printf(out, "borrow<%.*s>", STR_ARG(t->resource->name));
    case TYPE_FIXED_LIST:
        rc = buf_add_str(out, STR("list<"));
        if (rc == 0)
            rc = print_type(out, t->element);
        return rc < 0 ? rc : buf_printf(out, ", %u>", t->length);
    case TYPE_LIST:
    case TYPE_MAP:
    case TYPE_OPTION:
    case TYPE_RESULT:
    case TYPE_STREAM:
    case TYPE_FUTURE:
        rc = buf_add_str(out, str_from(keywords[t->kind]));
        return rc < 0 ? rc : print_args(out, t->element, t->error);
    case TYPE_BOOL:
    case TYPE_S8:
    case TYPE_U8:
    case TYPE_S16:
    case TYPE_U16:
    case TYPE_S32:
    case TYPE_U32:
    case TYPE_S64:
    case TYPE_U64:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_CHAR:
    case TYPE_STRING:
    case TYPE_ERROR_CONTEXT:
        break;
    }
    return buf_add_str(out, str_from(keywords[t->kind]));
}

static int print_type(struct buf *out, const struct type *t)
{
    return t->name.len > 0 ? buf_add_str(out, t->name) : print_structure(out, t);
}

static struct str finish(struct buf *out, int rc, struct arena *arena)
{
    struct str text = buf_str(out);
    return rc < 0 ? arena_printf(arena, "%.*s...", STR_ARG(text)) : arena_str(arena, text);
}

struct str type_to_text(const struct type *t, struct arena *arena)
{
    BUF(out, TYPE_TEXT_MAX);
    int rc = print_type(&out, t);
    return finish(&out, rc, arena);
}

struct str func_type_to_text(const struct func_type *t, struct arena *arena)
{
    BUF(out, TYPE_TEXT_MAX);
    int rc = buf_add_str(&out, t->is_async ? STR("async func(") : STR("func("));
    for (uint32_t i = 0; rc == 0 && i < t->param_count; i++) {
        rc = buf_printf(&out, "%s%.*s: ", i ? ", " : "", STR_ARG(t->params[i].name));
        if (rc == 0)
            rc = print_type(&out, t->params[i].type);
    }
    if (rc == 0)
        rc = buf_add_char(&out, ')');
    if (rc == 0 && t->result) {
        rc = buf_add_str(&out, STR(" -> "));
        if (rc == 0)
            rc = print_type(&out, t->result);
    }
    return finish(&out, rc, arena);
}

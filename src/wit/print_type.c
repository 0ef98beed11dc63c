// SPDX-License-Identifier: Apache-2.0
// Types and functions as text (WIT.md "Items: type").
#include "wit/lexer.h"
#include "wit/print_internal.h"

void print_text(struct printer *p, struct str text)
{
    if (!p->full && buf_add_str(p->out, text) < 0)
        p->full = true;
}

void print_chars(struct printer *p, const char *text)
{
    print_text(p, str_from(text));
}

void print_begin_line(struct printer *p)
{
    for (unsigned i = 0; i < p->indent; i++)
        print_chars(p, "  ");
}

void print_blank_line(struct printer *p)
{
    print_chars(p, "\n");
}

void print_open(struct printer *p)
{
    print_chars(p, " {\n");
    p->indent++;
}

void print_close(struct printer *p)
{
    p->indent--;
    print_begin_line(p);
    print_chars(p, "}\n");
}

void print_name(struct printer *p, struct str name)
{
    // Two words that were keywords once are escaped too, as in the usual tools.
    if (wit_is_keyword(name) || str_is(name, "float32") || str_is(name, "float64"))
        print_chars(p, "%");
    print_text(p, name);
}

static void print_docs(struct printer *p, struct str docs)
{
    for (bool more = docs.len > 0; more;) {
        struct str line;
        more = str_cut(docs, '\n', &line, &docs);
        print_begin_line(p);
        print_chars(p, line.len > 0 ? "/// " : "///");
        print_text(p, line);
        print_chars(p, "\n");
    }
}

static void print_attribute(struct printer *p, const char *begin, struct str value)
{
    if (value.len == 0)
        return;
    print_begin_line(p);
    print_chars(p, begin);
    print_text(p, value);
    print_chars(p, ")\n");
}

void print_annotations(struct printer *p, struct str docs, const struct wit_stability *stability)
{
    print_docs(p, docs);
    print_attribute(p, "@since(version = ", stability->since);
    print_attribute(p, "@unstable(feature = ", stability->feature);
    print_attribute(p, "@deprecated(version = ", stability->deprecated);
}

static void print_arguments(struct printer *p, const char *keyword, const struct type *first,
                            const struct type *second)
{
    print_chars(p, keyword);
    if (!first && !second)
        return;
    print_chars(p, "<");
    if (first)
        print_type(p, first);
    else
        print_chars(p, "_");
    if (second) {
        print_chars(p, ", ");
        print_type(p, second);
    }
    print_chars(p, ">");
}

static void print_tuple(struct printer *p, const struct type *t)
{
    print_chars(p, "tuple<");
    for (uint32_t i = 0; i < t->field_count && !p->full; i++) {
        print_chars(p, i > 0 ? ", " : "");
        print_type(p, t->fields[i].type);
    }
    print_chars(p, ">");
}

static void print_fixed_list(struct printer *p, const struct type *t)
{
    char length[16];
    snprintf(length, sizeof(length), ", %u>", t->length);
    print_chars(p, "list<");
    print_type(p, t->element);
    print_chars(p, length);
}

static void print_resource_name(struct printer *p, const struct type *handle)
{
    print_name(p, handle->resource_def ? handle->resource_def->name : handle->resource->name);
}

static void print_handle(struct printer *p, const char *begin, const struct type *handle)
{
    print_chars(p, begin);
    print_resource_name(p, handle);
    print_chars(p, ">");
}

void print_structure(struct printer *p, const struct type *t)
{
    static const char *const keywords[TYPE_KIND_COUNT] = {
        [TYPE_BOOL] = "bool",     [TYPE_S8] = "s8",
        [TYPE_U8] = "u8",         [TYPE_S16] = "s16",
        [TYPE_U16] = "u16",       [TYPE_S32] = "s32",
        [TYPE_U32] = "u32",       [TYPE_S64] = "s64",
        [TYPE_U64] = "u64",       [TYPE_F32] = "f32",
        [TYPE_F64] = "f64",       [TYPE_CHAR] = "char",
        [TYPE_STRING] = "string", [TYPE_ERROR_CONTEXT] = "error-context",
        [TYPE_LIST] = "list",     [TYPE_MAP] = "map",
        [TYPE_OPTION] = "option", [TYPE_RESULT] = "result",
        [TYPE_STREAM] = "stream", [TYPE_FUTURE] = "future",
    };
    if (p->full)
        return;
    if (t->kind == TYPE_TUPLE)
        print_tuple(p, t);
    else if (t->kind == TYPE_FIXED_LIST)
        print_fixed_list(p, t);
    else if (t->kind == TYPE_OWN)
        print_handle(p, "own<", t);
    else if (t->kind == TYPE_BORROW)
        print_handle(p, "borrow<", t);
    else if (keywords[t->kind])
        print_arguments(p, keywords[t->kind], t->element, t->error);
    else
        print_name(p, t->name);
}

void print_type(struct printer *p, const struct type *t)
{
    if (t->def)
        print_name(p, t->def->name);
    else if (t->kind == TYPE_OWN)
        print_resource_name(p, t);
    else
        print_structure(p, t);
}

void print_func_type(struct printer *p, const struct wit_func *func)
{
    const struct func_type *type = &func->type;
    bool is_constructor = func->kind == WIT_FUNC_CONSTRUCTOR;
    uint32_t first = func->kind == WIT_FUNC_METHOD ? 1 : 0;
    if (!is_constructor)
        print_chars(p, type->is_async ? "async func" : "func");
    print_chars(p, "(");
    for (uint32_t i = first; i < type->param_count && !p->full; i++) {
        print_chars(p, i > first ? ", " : "");
        print_name(p, type->params[i].name);
        print_chars(p, ": ");
        print_type(p, type->params[i].type);
    }
    print_chars(p, ")");
    if (type->result && !(is_constructor && type->result->kind == TYPE_OWN)) {
        print_chars(p, " -> ");
        print_type(p, type->result);
    }
    print_chars(p, ";\n");
}

void print_func(struct printer *p, const struct wit_func *func)
{
    print_annotations(p, func->docs, &func->stability);
    print_begin_line(p);
    if (func->kind == WIT_FUNC_CONSTRUCTOR) {
        print_chars(p, "constructor");
    } else {
        print_name(p, func->name);
        print_chars(p, func->kind == WIT_FUNC_STATIC ? ": static " : ": ");
    }
    print_func_type(p, func);
}

static void print_members(struct printer *p, const char *keyword, const struct wit_typedef *type)
{
    const struct type *t = type->type;
    bool is_record = t->kind == TYPE_RECORD;
    print_chars(p, keyword);
    print_name(p, type->name);
    print_open(p);
    for (uint32_t i = 0; i < t->field_count && !p->full; i++) {
        print_docs(p, type->member_docs ? type->member_docs[i] : STR_EMPTY);
        print_begin_line(p);
        print_name(p, t->fields[i].name);
        if (t->fields[i].type) {
            print_chars(p, is_record ? ": " : "(");
            print_type(p, t->fields[i].type);
            print_chars(p, is_record ? "" : ")");
        }
        print_chars(p, ",\n");
    }
    print_close(p);
}

static void print_resource(struct printer *p, const struct wit_typedef *type)
{
    const struct print_scope *s = p->scope;
    uintptr_t index =
        (uintptr_t)map_get(&s->resource_first, str_of((const char *)&type, sizeof(type)));
    print_chars(p, "resource ");
    print_name(p, type->name);
    if (index == 0) {
        print_chars(p, ";\n");
        return;
    }
    print_open(p);
    for (; index > 0 && !p->full; index = s->next[index - 1])
        print_func(p, s->funcs[index - 1]);
    print_close(p);
}

static void print_alias(struct printer *p, const struct wit_typedef *type)
{
    print_chars(p, "type ");
    print_name(p, type->name);
    print_chars(p, " = ");
    if (type->alias_of)
        print_name(p, type->alias_of->name);
    else
        print_structure(p, type->type);
    print_chars(p, ";\n");
}

void print_typedef(struct printer *p, const struct wit_typedef *type)
{
    static const char *const keywords[TYPE_KIND_COUNT] = {
        [TYPE_RECORD] = "record ",
        [TYPE_VARIANT] = "variant ",
        [TYPE_ENUM] = "enum ",
        [TYPE_FLAGS] = "flags ",
    };
    print_annotations(p, type->docs, &type->stability);
    print_begin_line(p);
    if (type->alias_of)
        print_alias(p, type);
    else if (!type->type)
        print_resource(p, type);
    else if (keywords[type->type->kind])
        print_members(p, keywords[type->type->kind], type);
    else
        print_alias(p, type);
}

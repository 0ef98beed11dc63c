// SPDX-License-Identifier: Apache-2.0
// The header's types.
#include <stdarg.h>

#include "bind.h"

#define COLUMNS_MAX 100

static const char *const c_primitives[TYPE_KIND_COUNT] = {
    [TYPE_BOOL] = "bool",         [TYPE_S8] = "int8_t",    [TYPE_U8] = "uint8_t",
    [TYPE_S16] = "int16_t",       [TYPE_U16] = "uint16_t", [TYPE_S32] = "int32_t",
    [TYPE_U32] = "uint32_t",      [TYPE_S64] = "int64_t",  [TYPE_U64] = "uint64_t",
    [TYPE_F32] = "float",         [TYPE_F64] = "double",   [TYPE_CHAR] = "uint32_t",
    [TYPE_STRING] = "struct str",
};

bool bind_is_enum(const struct type *t)
{
    if (t->kind != TYPE_VARIANT)
        return t->kind == TYPE_ENUM;
    for (uint32_t i = 0; i < t->field_count; i++)
        if (t->fields[i].type)
            return false;
    return true;
}

bool bind_by_pointer(const struct type *t)
{
    return t->kind == TYPE_RECORD || (t->kind == TYPE_VARIANT && !bind_is_enum(t));
}

bool bind_is_bytes(const struct type *t)
{
    return t->kind == TYPE_LIST && t->element->kind == TYPE_U8;
}

bool bind_is_view(const struct type *list)
{
    return list->element->layout.is_plain && list->element->kind != TYPE_FIXED_LIST;
}

bool bind_is_stream(const struct type *t)
{
    return t->kind == TYPE_STREAM || t->kind == TYPE_FUTURE;
}

static bool has_handle(const struct type *t, enum type_kind kind)
{
    if (t->kind == kind)
        return true;
    // What passes through a stream is not passed with it.
    if (!t->layout.has_handles || bind_is_stream(t))
        return false;
    if ((t->element && has_handle(t->element, kind)) || (t->error && has_handle(t->error, kind)))
        return true;
    for (uint32_t i = 0; i < t->field_count; i++)
        if (t->fields[i].type && has_handle(t->fields[i].type, kind))
            return true;
    return false;
}

bool bind_has_own(const struct type *t)
{
    return has_handle(t, TYPE_OWN) || has_handle(t, TYPE_STREAM) || has_handle(t, TYPE_FUTURE);
}

bool bind_has_borrow(const struct type *t)
{
    return has_handle(t, TYPE_BORROW);
}

unsigned bind_flags_bits(const struct type *t)
{
    return t->field_count <= 8 ? 8 : t->field_count <= 16 ? 16 : 32;
}

const char *bind_field(struct bind *b, const struct type *t, uint32_t i)
{
    return t->kind == TYPE_TUPLE ? bind_text(b, "f%u", i) : bind_ident(b, t->fields[i].name);
}

const char *bind_declare(struct bind *b, const char *type, const char *name)
{
    return bind_text(b, "%s%s%s", type, str_ends(str_from(type), STR("*")) ? "" : " ", name);
}

const char *bind_zero(const char *type)
{
    struct str text = str_from(type);
    if (str_ends(text, STR("*")))
        return "NULL";
    return str_starts(text, STR("struct ")) ? "{0}" : str_is(text, "bool") ? "false" : "0";
}

void bind_put_signature(struct buf *out, const char *head, const struct str *params, size_t count)
{
    size_t indent = strlen(head) + 1, column = indent;
    for (size_t i = 0; i < count; i++)
        if (indent + params[i].len + 2 > COLUMNS_MAX)
            indent = 4;
    buf_putf(out, "%s(", head);
    if (indent == 4) {
        buf_putf(out, "\n%*s", (int)indent, "");
        column = indent;
    }
    for (size_t i = 0; i < count; i++) {
        const char *end = i + 1 < count ? "," : ")";
        if (i > 0 && column + params[i].len + 3 > COLUMNS_MAX) {
            buf_putf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (i > 0) {
            buf_putf(out, " ");
            column++;
        }
        buf_putf(out, "%.*s%s", STR_ARG(params[i]), end);
        column += params[i].len + 1;
    }
}

const char *bind_head(struct bind *b, const char *head, ...)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    VEC(struct str) params = {0};
    va_list args;
    va_start(args, head);
    for (const char *param; (param = va_arg(args, const char *));)
        *vec_push(&params) = str_from(param);
    va_end(args);
    bind_put_signature(&out, head, params.items, params.len);
    vec_done(&params);
    return arena_str(&b->arena, buf_str(&out)).data;
}

// Adds a definition to the header, once.
static void define(struct bind *b, const char *name, struct buf *text)
{
    char *body = buf_take(text);
    const char *other = map_get(&b->types, str_from(name));
    if (!other) {
        struct str kept = arena_str(&b->arena, str_from(body));
        map_put(&b->types, str_from(name), (void *)kept.data);
        buf_put(&b->c_types, kept);
    } else if (strcmp(other, body) != 0) {
        bind_fail(b, "two different types would be `%s` in C", name);
    }
    free(body);
}

static void put_constants(struct bind *b, const struct type *t, const char *name, struct buf *out)
{
    const char *upper = bind_upper(b, str_from(name));
    for (uint32_t i = 0; i < t->field_count; i++) {
        const char *constant = bind_text(b, "%s_%s", upper, bind_upper(b, t->fields[i].name));
        bind_claim(b, constant, name);
        if (t->kind == TYPE_FLAGS)
            buf_putf(out, "#define %s (1u << %u)\n", constant, i);
        else
            buf_putf(out, "    %s,\n", constant);
    }
}

static void define_flags(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "\n// uint%u_t\n", bind_flags_bits(t));
    put_constants(b, t, name, &out);
    define(b, name, &out);
}

static void define_enum(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "\nenum %s {\n", name);
    put_constants(b, t, name, &out);
    buf_putf(&out, "};\n");
    define(b, name, &out);
}

static void define_variant(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "\nenum %s_tag {\n", name);
    put_constants(b, t, name, &out);
    buf_putf(&out, "};\nstruct %s {\n    enum %s_tag tag;\n    union {\n", name, name);
    for (uint32_t i = 0; i < t->field_count; i++)
        if (t->fields[i].type)
            buf_putf(&out, "        %s;\n",
                     bind_declare(b, bind_c_type(b, t->fields[i].type),
                                  bind_ident(b, t->fields[i].name)));
    buf_putf(&out, "    };\n};\n");
    define(b, name, &out);
}

static void define_fields(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "\nstruct %s {\n", name);
    for (uint32_t i = 0; i < t->field_count; i++) {
        const char *field = bind_field(b, t, i);
        buf_putf(&out, "    %s;\n", bind_declare(b, bind_c_type(b, t->fields[i].type), field));
    }
    buf_putf(&out, "};\n");
    define(b, name, &out);
}

static void define_option(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "\nstruct %s {\n    bool is_some;\n    %s;\n};\n", name,
             bind_declare(b, bind_c_type(b, t->element), "some"));
    define(b, name, &out);
}

static void define_result(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "\nstruct %s {\n    bool is_err;\n", name);
    if (t->element || t->error)
        buf_putf(&out, "    union {\n");
    if (t->element)
        buf_putf(&out, "        %s;\n", bind_declare(b, bind_c_type(b, t->element), "ok"));
    if (t->error)
        buf_putf(&out, "        %s;\n", bind_declare(b, bind_c_type(b, t->error), "err"));
    if (t->element || t->error)
        buf_putf(&out, "    };\n");
    buf_putf(&out, "};\n");
    define(b, name, &out);
}

static void define_list(struct bind *b, const struct type *t, const char *name)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    const char *element = bind_c_type(b, t->element);
    bool is_pointer = str_ends(str_from(element), STR("*"));
    buf_putf(&out, "\nstruct %s {\n    %s%s%s*data;\n    size_t len;\n};\n", name,
             is_pointer ? "" : "const ", element, is_pointer ? "const " : " ");
    define(b, name, &out);
}

const char *bind_resource_c_type(struct bind *b, const struct resource_type *resource)
{
    const char *name = bind_resource_c_name(b, resource);
    const struct resource_type *other = map_get(&b->resources, str_from(name));
    if (!other) {
        map_put(&b->resources, str_from(name), (void *)resource);
        buf_putf(&b->forwards, "struct %s;\n", name);
        if (strcmp(name, bind_text(b, "%s_%s", b->prefix, bind_resource_name(b, resource))) != 0)
            buf_putf(&b->forwards, "extern const struct host_resource %s_resource;\n", name);
    } else if (!str_eq(other->interface, resource->interface)) {
        bind_fail(b, "the resources `%.*s` of %.*s and %.*s would both be `%s` in C",
                  STR_ARG(resource->name), STR_ARG(other->interface), STR_ARG(resource->interface),
                  name);
    }
    return bind_text(b, "struct %s *", name);
}

static bool is_extern_type(struct bind *b, const struct type *t)
{
    const struct str *package = map_get(&b->owners, str_from(bind_type_name(b, t)));
    bool is_extern = false;
    if (package && t->name.len)
        (void)bind_prefix(b, *package, &is_extern);
    return is_extern;
}

static const char *c_named(struct bind *b, const struct type *t)
{
    const char *name = bind_c_name(b, t);
    bool declared = is_extern_type(b, t);
    switch (t->kind) {
    case TYPE_FLAGS:
        if (!declared)
            define_flags(b, t, name);
        return bind_text(b, "uint%u_t", bind_flags_bits(t));
    case TYPE_ENUM:
    case TYPE_VARIANT:
        if (bind_is_enum(t)) {
            if (!declared)
                define_enum(b, t, name);
            return bind_text(b, "enum %s", name);
        }
        if (!declared)
            define_variant(b, t, name);
        return bind_text(b, "struct %s", name);
    default:
        if (!declared)
            define_fields(b, t, name);
        return bind_text(b, "struct %s", name);
    }
}

const char *bind_c_type(struct bind *b, const struct type *t)
{
    if (c_primitives[t->kind])
        return c_primitives[t->kind];
    if (t->kind == TYPE_OWN || t->kind == TYPE_BORROW)
        return bind_resource_c_type(b, t->resource);
    if (bind_is_stream(t))
        return "struct stream *";
    if (t->kind == TYPE_RECORD || t->kind == TYPE_VARIANT || t->kind == TYPE_ENUM ||
        t->kind == TYPE_FLAGS)
        return c_named(b, t);
    if (bind_is_bytes(t))
        return "struct str";
    const char *name = bind_c_name(b, t);
    switch (t->kind) {
    case TYPE_LIST:
        define_list(b, t, name);
        break;
    case TYPE_OPTION:
        define_option(b, t, name);
        break;
    case TYPE_RESULT:
        define_result(b, t, name);
        break;
    case TYPE_TUPLE:
        define_fields(b, t, name);
        break;
    default:
        bind_check_type(b, t);
        return "void *";
    }
    return bind_text(b, "struct %s", name);
}

void bind_check_type(struct bind *b, const struct type *t)
{
    switch (t->kind) {
    case TYPE_ERROR_CONTEXT:
    case TYPE_FIXED_LIST:
    case TYPE_MAP:
        bind_fail(b, "type `%.*s` cannot be bound to C yet", STR_ARG(type_to_text(t, &b->arena)));
        return;
    default:
        break;
    }
    if (t->element)
        bind_check_type(b, t->element);
    if (t->error)
        bind_check_type(b, t->error);
    for (uint32_t i = 0; i < t->field_count; i++)
        if (t->fields[i].type)
            bind_check_type(b, t->fields[i].type);
}

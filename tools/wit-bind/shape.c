// SPDX-License-Identifier: Apache-2.0
// Static struct type descriptors: the linker holds a component's declared types against them.
#include "bind.h"

static const char *const kind_names[TYPE_KIND_COUNT] = {
    [TYPE_BOOL] = "BOOL",     [TYPE_S8] = "S8",           [TYPE_U8] = "U8",
    [TYPE_S16] = "S16",       [TYPE_U16] = "U16",         [TYPE_S32] = "S32",
    [TYPE_U32] = "U32",       [TYPE_S64] = "S64",         [TYPE_U64] = "U64",
    [TYPE_F32] = "F32",       [TYPE_F64] = "F64",         [TYPE_CHAR] = "CHAR",
    [TYPE_STRING] = "STRING", [TYPE_LIST] = "LIST",       [TYPE_RECORD] = "RECORD",
    [TYPE_TUPLE] = "TUPLE",   [TYPE_VARIANT] = "VARIANT", [TYPE_ENUM] = "ENUM",
    [TYPE_OPTION] = "OPTION", [TYPE_RESULT] = "RESULT",   [TYPE_FLAGS] = "FLAGS",
    [TYPE_OWN] = "OWN",       [TYPE_BORROW] = "BORROW",   [TYPE_STREAM] = "STREAM",
    [TYPE_FUTURE] = "FUTURE",
};

static const char *shape_resource(struct bind *b, const struct resource_type *resource)
{
    const char *name = bind_text(b, "resource_%s", bind_resource_name(b, resource));
    if (bind_is_new(b, name))
        buf_putf(&b->shapes,
                 "static const struct resource_type %s = {\n"
                 "    .interface = STR_INIT(\"%.*s\"), .name = STR_INIT(\"%.*s\")};\n",
                 name, STR_ARG(resource->interface), STR_ARG(resource->name));
    return name;
}

static const char *shape(struct bind *b, const struct type *t);

static void put_fields(struct bind *b, const char *name, const struct type_field *fields,
                       uint32_t count)
{
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "static const struct type_field %s[] = {\n", name);
    for (uint32_t i = 0; i < count; i++) {
        buf_putf(&out, "    {.name = STR_INIT(\"%.*s\")", STR_ARG(fields[i].name));
        if (fields[i].type)
            buf_putf(&out, ", .type = &%s", shape(b, fields[i].type));
        buf_putf(&out, "},\n");
    }
    buf_putf(&out, "};\n");
    buf_put(&b->shapes, buf_str(&out));
}

// Recursion is bounded by TYPE_DEPTH_MAX.
static const char *shape(struct bind *b, const struct type *t)
{
    // One list<u8> and one "bytes": a type's own name does not matter here.
    const char *suffix = t->kind == TYPE_OWN ? "own_" : "";
    const char *exact = bind_exact_name(b, t);
    const char *name = bind_text(b, "type_%s%s", suffix, exact);
    if (!bind_is_new(b, name))
        return name;
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "static const struct type %s = {\n    .kind = TYPE_%s,\n", name,
             kind_names[t->kind] ? kind_names[t->kind] : "BOOL");
    bool is_named = t->kind == TYPE_RECORD || t->kind == TYPE_VARIANT || t->kind == TYPE_ENUM ||
                    t->kind == TYPE_FLAGS;
    if (is_named)
        buf_putf(&out, "    .name = STR_INIT(\"%.*s\"),\n", STR_ARG(t->name));
    if (t->element)
        buf_putf(&out, "    .element = &%s,\n", shape(b, t->element));
    if (t->error)
        buf_putf(&out, "    .error = &%s,\n", shape(b, t->error));
    if (t->resource)
        buf_putf(&out, "    .resource = &%s,\n", shape_resource(b, t->resource));
    if (t->field_count) {
        put_fields(b, bind_text(b, "fields_%s", exact), t->fields, t->field_count);
        buf_putf(&out, "    .fields = fields_%s,\n    .field_count = %u,\n", exact, t->field_count);
    }
    buf_putf(&out, "};\n");
    buf_put(&b->shapes, buf_str(&out));
    return name;
}

const char *shape_type(struct bind *b, const struct type *t)
{
    return shape(b, t);
}

const char *shape_func(struct bind *b, const char *name, const struct func_type *type)
{
    const char *func = bind_text(b, "func_%s", name);
    BUF(out, BIND_OUTPUT_BYTES_MAX);
    buf_putf(&out, "static const struct func_type %s = {\n", func);
    if (type->param_count) {
        put_fields(b, bind_text(b, "params_%s", name), type->params, type->param_count);
        buf_putf(&out, "    .params = params_%s,\n    .param_count = %u,\n", name,
                 type->param_count);
    }
    if (type->result)
        buf_putf(&out, "    .result = &%s,\n", shape(b, type->result));
    if (type->is_async)
        buf_putf(&out, "    .is_async = true,\n");
    if (type->param_count == 0 && !type->result)
        buf_putf(&out, "    .param_count = 0,\n");
    buf_putf(&out, "};\n");
    buf_put(&b->shapes, buf_str(&out));
    return func;
}

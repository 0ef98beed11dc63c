// SPDX-License-Identifier: Apache-2.0
// Own handles must not be lost when a call fails half-way: lifted ones go back into the guest's
// table, whose end drops them; those that were on their way to the guest are dropped.
#include "bind.h"

static const char *owned_head(struct bind *b, const char *helper, const char *param)
{
    return bind_head(b, bind_text(b, "static void %s", helper), "struct canon_call *call", param,
                     NULL);
}

static void put_restore(struct bind *b, const struct type *t, const char *name)
{
    buf_putf(&b->support,
             "\n%s\n"
             "{\n"
             "    // There is room: the handle has just left the table.\n"
             "    uint32_t handle;\n"
             "    int rc = canon_lower_own(call, &%s_resource, value, &handle);\n"
             "    (void)rc;\n"
             "}\n",
             owned_head(b, bind_text(b, "restore_%s", name),
                        bind_declare(b, bind_c_type(b, t), "value")),
             bind_resource_c_name(b, t->resource));
}

static void put_drop(struct bind *b, const struct type *t, const char *name)
{
    buf_putf(
        &b->support,
        "\n%s\n"
        "{\n"
        "    // The reason of the trap stays, and the handler may not refuse.\n"
        "    struct error *error = call->error;\n"
        "    bool teardown = call->teardown;\n"
        "    call->error = NULL;\n"
        "    call->teardown = true;\n"
        "    int rc = %s_resource.drop(call, value);\n"
        "    (void)rc;\n"
        "    call->teardown = teardown;\n"
        "    call->error = error;\n"
        "}\n",
        owned_head(b, bind_text(b, "drop_%s", name), bind_declare(b, bind_c_type(b, t), "value")),
        bind_resource_c_name(b, t->resource));
}

static void put_stream(struct bind *b, const char *verb, const char *name)
{
    buf_putf(&b->support, "\n%s\n{\n%s}\n",
             owned_head(b, bind_text(b, "%s_%s", verb, name), "struct stream *value"),
             verb[0] == 'r' ? "    // There is room: the handle has just left the table.\n"
                              "    uint32_t handle;\n"
                              "    int rc = canon_lower_stream(call, value, &handle);\n"
                              "    (void)rc;\n"
                            : "    stream_close_reader(value);\n");
}

static void put_when(struct body *body, const char *verb, const char *condition,
                     const struct type *t, const char *value)
{
    const char *undo = t ? owned_undo(body->bind, verb, t, value) : NULL;
    if (!undo)
        return;
    body_line(body, "if (%s)", condition);
    body->indent++;
    body_line(body, "%s", undo);
    body->indent--;
}

static void walk(struct body *body, const char *verb, const struct type *t)
{
    struct bind *b = body->bind;
    if (t->kind == TYPE_OPTION)
        put_when(body, verb, "value->is_some", t->element, "value->some");
    if (t->kind == TYPE_RESULT) {
        put_when(body, verb, "!value->is_err", t->element, "value->ok");
        put_when(body, verb, "value->is_err", t->error, "value->err");
    }
    for (uint32_t i = 0; i < t->field_count; i++) {
        if (!t->fields[i].type)
            continue;
        const char *field = bind_field(b, t, i);
        const char *value = bind_text(b, "value->%s", field);
        if (t->kind == TYPE_VARIANT) {
            const char *tag = bind_upper(b, str_from(bind_text(b, "%s_%.*s", bind_c_name(b, t),
                                                               STR_ARG(t->fields[i].name))));
            put_when(body, verb, bind_text(b, "value->tag == %s", tag), t->fields[i].type, value);
            continue;
        }
        const char *undo = owned_undo(b, verb, t->fields[i].type, value);
        if (undo)
            body_line(body, "%s", undo);
    }
}

static void put_walk(struct bind *b, const char *verb, const struct type *t, const char *name)
{
    struct body body;
    body_init(&body, b);
    walk(&body, verb, t);
    body_finish(&body, &b->support,
                owned_head(b, bind_text(b, "%s_%s", verb, name),
                           bind_text(b, "const %s *value", bind_c_type(b, t))),
                false);
}

static void put_items(struct bind *b, const char *verb, const struct type *t, const char *name)
{
    struct body body;
    body_init(&body, b);
    const char *declared = bind_c_type(b, t->element);
    bool is_pointer = t->element->kind == TYPE_OWN || bind_is_stream(t->element);
    body_line(&body, "for (size_t i = first; i < count; i++)");
    body.indent++;
    const char *undo = owned_undo(b, verb, t->element, "items[i]");
    body_line(&body, "%s", undo ? undo : ";");
    body_finish(&body, &b->support,
                bind_head(b, bind_text(b, "static void %s_%s", verb, name),
                          "struct canon_call *call",
                          bind_text(b, "%s%s%s*items", is_pointer ? "" : "const ", declared,
                                    is_pointer ? "const " : " "),
                          "size_t first", "size_t count", NULL),
                false);
}

static const char *put_owned(struct bind *b, const char *verb, const struct type *t)
{
    const char *name = bind_exact_name(b, t);
    const char *helper = bind_text(b, "%s_%s", verb, name);
    if (!bind_is_new(b, helper))
        return helper;
    if (t->kind == TYPE_LIST)
        put_items(b, verb, t, name);
    else if (bind_is_stream(t))
        put_stream(b, verb, name);
    else if (t->kind != TYPE_OWN)
        put_walk(b, verb, t, name);
    else if (verb[0] == 'r')
        put_restore(b, t, name);
    else
        put_drop(b, t, name);
    return helper;
}

const char *owned_undo(struct bind *b, const char *verb, const struct type *t, const char *value)
{
    if (!bind_has_own(t))
        return NULL;
    const char *helper = put_owned(b, verb, t);
    if (t->kind == TYPE_OWN || bind_is_stream(t))
        return bind_text(b, "%s(call, %s);", helper, value);
    if (t->kind == TYPE_LIST)
        return bind_text(b, "%s(call, %s.data, 0, %s.len);", helper, value, value);
    return bind_text(b, "%s(call, &%s);", helper, value);
}

const char *owned_undo_items(struct bind *b, const char *verb, const struct type *list,
                             const char *items, const char *first, const char *count)
{
    if (!bind_has_own(list))
        return NULL;
    return bind_text(b, "%s(call, %s, %s, %s);", put_owned(b, verb, list), items, first, count);
}

const char *owned_join(struct bind *b, const char *first, const char *then)
{
    if (!first || !then)
        return first ? first : then;
    return bind_text(b, "%s\n%s", first, then);
}

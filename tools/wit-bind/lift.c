// SPDX-License-Identifier: Apache-2.0
// Values of the guest become C values (CanonicalABI.md "Loading", "Flat Lifting").
//
// Compound types get a helper each, load_X from memory and lift_X from flat values; a flat value
// is read with its own type from a slot whose type is a join, which is right on little endian
// machines: union core_value keeps the low bytes first.
#include "bind.h"

static const char *load_int(struct bind *b, struct place from, unsigned bits)
{
    if (from.is_flat)
        return bind_text(b, "%s[%u].u%u", from.base, from.at, bits == 64 ? 64 : 32);
    if (bits == 8)
        return bind_text(b, "%s[%u]", from.base, from.at);
    const char *helper = bind_text(b, "load_u%u", bits);
    if (bind_is_new(b, helper))
        buf_putf(&b->support,
                 "\nstatic inline uint%u_t %s(const uint8_t *at)\n"
                 "{\n"
                 "    uint%u_t value;\n"
                 "    memcpy(&value, at, sizeof(value));\n"
                 "    return value;\n"
                 "}\n",
                 bits, helper, bits);
    return bind_text(b, "%s(%s)", helper, place_text(b, from));
}

static const char *load_float(struct bind *b, struct place from, unsigned bits)
{
    if (from.is_flat)
        return bind_text(b, "%s[%u].f%u", from.base, from.at, bits);
    const char *helper = bind_text(b, "load_f%u", bits), *type = bits == 32 ? "float" : "double";
    if (bind_is_new(b, helper))
        buf_putf(&b->support,
                 "\nstatic inline %s %s(const uint8_t *at)\n"
                 "{\n"
                 "    %s value;\n"
                 "    memcpy(&value, at, sizeof(value));\n"
                 "    return value;\n"
                 "}\n",
                 type, helper, type);
    return bind_text(b, "%s(%s)", helper, place_text(b, from));
}

static void trap_case(struct bind *b)
{
    if (bind_is_new(b, "trap_case"))
        buf_putf(&b->support, "\n__attribute__((cold)) static int trap_case(struct canon_call "
                              "*call, uint32_t value,\n"
                              "                                            const char *type)\n"
                              "{\n"
                              "    return canon_trap(call, \"%%u is no case of `%%s`\", value, "
                              "type);\n"
                              "}\n");
}

static const char *lift_enum(struct bind *b, const struct type *t)
{
    const char *helper = bind_text(b, "lift_%s", bind_exact_name(b, t));
    const char *type = bind_c_type(b, t);
    trap_case(b);
    if (bind_is_new(b, helper))
        buf_putf(&b->support,
                 "\n%s\n"
                 "{\n"
                 "    if (unlikely(value >= %u))\n"
                 "        return trap_case(call, value, \"%.*s\");\n"
                 "    *out = (%s)value;\n"
                 "    return 0;\n"
                 "}\n",
                 bind_head(b, bind_text(b, "static inline int %s", helper),
                           "struct canon_call *call", "uint32_t value",
                           bind_declare(b, type, "*out"), NULL),
                 t->field_count, STR_ARG(type_to_text(t, &b->arena)), type);
    return helper;
}

// The usual case of canon_lift_borrow() without a call.
static void put_borrow(struct bind *b)
{
    if (bind_is_new(b, "lift_borrow"))
        buf_putf(&b->support,
                 "\nstatic inline int lift_borrow(struct canon_call *call, uint32_t index,\n"
                 "                              const struct host_resource *resource, void **rep)\n"
                 "{\n"
                 "    struct handle *handle = handle_table_get(call->handles, index);\n"
                 "    if (unlikely(!handle || handle->type != resource ||\n"
                 "                 call->lent_count >= ARRAY_LEN(call->lent)))\n"
                 "        return canon_lift_borrow(call, index, resource, rep);\n"
                 "    call->lent[call->lent_count++] = index;\n"
                 "    handle->lends++;\n"
                 "    *rep = handle->rep;\n"
                 "    return 0;\n"
                 "}\n");
}

static const char *lift_handle(struct bind *b, const struct type *t)
{
    const char *verb = t->kind == TYPE_OWN ? "own" : "borrow";
    const char *helper = bind_text(b, "lift_%s_%s", verb, bind_resource_name(b, t->resource));
    if (t->kind == TYPE_BORROW)
        put_borrow(b);
    if (bind_is_new(b, helper))
        buf_putf(&b->support,
                 "\n%s\n"
                 "{\n"
                 "    void *rep = NULL;\n"
                 "    int rc = %slift_%s(call, handle, &%s_resource, &rep);\n"
                 "    *out = rep;\n"
                 "    return rc;\n"
                 "}\n",
                 bind_head(b, bind_text(b, "static inline int %s", helper),
                           "struct canon_call *call", "uint32_t handle",
                           bind_declare(b, bind_c_type(b, t), "*out"), NULL),
                 t->kind == TYPE_OWN ? "canon_" : "", verb, bind_resource_c_name(b, t->resource));
    return helper;
}

static void put_copy(struct bind *b)
{
    if (bind_is_new(b, "copy_bytes"))
        buf_putf(&b->support,
                 "\n// Keeps guest memory beyond the guest's next step.\n"
                 "static int copy_bytes(struct canon_call *call, const void **data, size_t size)\n"
                 "{\n"
                 "    void *copy = arena_try_alloc(call->arena, size);\n"
                 "    if (unlikely(!copy))\n"
                 "        return canon_trap(call, \"no room for a result of %%zu bytes\", size);\n"
                 "    *data = size ? memcpy(copy, *data, size) : copy;\n"
                 "    return 0;\n"
                 "}\n");
}

static const char *lift_string(struct bind *b, bool copied)
{
    if (!copied)
        return "canon_lift_string";
    if (!bind_is_new(b, "lift_string_copied"))
        return "lift_string_copied";
    put_copy(b);
    buf_putf(
        &b->support,
        "\nstatic int lift_string_copied(struct canon_call *call, uint32_t ptr, uint32_t len,\n"
        "                              struct str *out)\n"
        "{\n"
        "    struct str text = STR_EMPTY;\n"
        "    int rc = canon_lift_string(call, ptr, len, &text);\n"
        "    const void *data = text.data;\n"
        "    if (rc == 0 && call->encoding == ENCODING_UTF8)\n"
        "        rc = copy_bytes(call, &data, text.len);\n"
        "    *out = str_of(data, text.len);\n"
        "    return rc;\n"
        "}\n");
    return "lift_string_copied";
}

static const char *list_head(struct bind *b, const struct type *t, const char *helper)
{
    return bind_head(b, bind_text(b, "static int %s", helper), "struct canon_call *call",
                     "uint32_t ptr", "uint32_t len", bind_declare(b, bind_c_type(b, t), "*out"),
                     NULL);
}

static void put_view(struct bind *b, const struct type *t, const char *helper, bool copied)
{
    const struct type_layout *layout = &t->element->layout;
    const char *element = bind_is_bytes(t) ? NULL : bind_c_type(b, t->element);
    if (copied)
        put_copy(b);
    if (element && t->element->field_count)
        buf_putf(&b->support,
                 "\nstatic_assert(sizeof(%s) == %u && _Alignof(%s) == %u,\n"
                 "              \"memory holds what C does\");\n",
                 element, layout->size, element, layout->align);
    buf_putf(&b->support,
             "\n%s\n"
             "{\n"
             "    const void *data = NULL;\n"
             "    int rc = canon_view(call, ptr, len, %u, %u, &data);\n",
             list_head(b, t, helper), layout->size, layout->align);
    if (copied)
        buf_putf(&b->support,
                 "    if (rc == 0)\n"
                 "        rc = copy_bytes(call, &data, (size_t)len * %u);\n",
                 layout->size);
    buf_putf(&b->support, "    out->data = data;\n"
                          "    out->len = len;\n"
                          "    return rc;\n"
                          "}\n");
}

static void put_list(struct bind *b, const struct type *t, const char *helper, bool copied)
{
    struct body body;
    body_init(&body, b);
    const struct type_layout *layout = &t->element->layout;
    const char *undo = owned_undo_items(b, "restore", t, "items", "0", "i");
    body_line(&body, "const void *data = NULL;");
    body_step(
        &body, NULL,
        bind_text(b, "canon_view(call, ptr, len, %u, %u, &data)", layout->size, layout->align));
    body_line(&body, "const uint8_t *at = data;");
    body_line(&body, "%s = arena_try_alloc(call->arena, (size_t)len * sizeof(*items));",
              bind_declare(
                  b,
                  bind_text(b, "%s%s*", bind_c_type(b, t->element), layout->has_handles ? "" : " "),
                  "items"));
    body_line(&body, "if (unlikely(!items))");
    body_line(&body, "    return canon_trap(call, \"no room for a list of %%u elements\", len);");
    body_line(&body, "for (uint32_t i = 0; i < len; i++, at += %u) {", layout->size);
    body.indent++;
    lift_value(&body, t->element, (struct place){false, "at", 0}, "items[i]", copied, undo);
    body.indent--;
    body_line(&body, "}");
    body_line(&body, "out->data = items;");
    body_line(&body, "out->len = len;");
    body_finish(&body, &b->support, list_head(b, t, helper), true);
}

static const char *lift_list(struct bind *b, const struct type *t, bool copied)
{
    const char *helper = bind_text(b, "lift_%s%s", bind_exact_name(b, t), copied ? "_copied" : "");
    if (!bind_is_new(b, helper))
        return helper;
    if (bind_is_view(t))
        put_view(b, t, helper, copied);
    else
        put_list(b, t, helper, copied);
    return helper;
}

bool lift_has_step(const struct type *t)
{
    return t->kind > TYPE_F64 && t->kind != TYPE_FLAGS;
}

// What is undone when member `i` of a record or tuple cannot be lifted.
static const char *restore_before(struct bind *b, const struct type *t, uint32_t i)
{
    const char *undo = NULL;
    while (i-- > 0)
        undo = owned_join(b, undo,
                          owned_undo(b, "restore", t->fields[i].type,
                                     bind_text(b, "out->%s", bind_field(b, t, i))));
    return undo;
}

static void lift_fields(struct body *body, const struct type *t, struct place from, bool copied)
{
    struct bind *b = body->bind;
    uint32_t end = 0;
    for (uint32_t i = 0; i < t->field_count; i++) {
        const struct type *member = t->fields[i].type;
        const char *field = bind_field(b, t, i);
        const char *to = bind_text(b, "out->%s", field);
        const char *undo = lift_has_step(member) ? restore_before(b, t, i) : NULL;
        lift_value(body, member, place_add(from, place_member(member, from.is_flat, &end)), to,
                   copied, undo);
    }
}

static void lift_when(struct body *body, const char *condition, const struct type *payload,
                      struct place from, const char *to, bool copied)
{
    if (!payload)
        return;
    body_line(body, "if (%s) {", condition);
    body->indent++;
    lift_value(body, payload, from, to, copied, NULL);
    body->indent--;
    body_line(body, "}");
}

static void lift_cases(struct body *body, const struct type *t, struct place payload, bool copied)
{
    struct bind *b = body->bind;
    const char *name = bind_c_name(b, t);
    body_line(body, "out->tag = (enum %s_tag)tag;", name);
    body_line(body, "switch (out->tag) {");
    for (uint32_t i = 0; i < t->field_count; i++) {
        if (!t->fields[i].type)
            continue;
        body_line(body, "case %s_%s:", bind_upper(b, str_from(name)),
                  bind_upper(b, t->fields[i].name));
        body->indent++;
        lift_value(body, t->fields[i].type, payload,
                   bind_text(b, "out->%s", bind_ident(b, t->fields[i].name)), copied, NULL);
        body_line(body, "break;");
        body->indent--;
    }
    body_line(body, "default:");
    body_line(body, "    break;");
    body_line(body, "}");
}

static void lift_choice(struct body *body, const struct type *t, struct place from, bool copied)
{
    struct bind *b = body->bind;
    uint32_t count = type_case_count(t);
    struct place payload = place_payload(t, from);
    trap_case(b);
    body_line(body, "uint32_t tag = %s;", load_int(b, from, 8 * type_discriminant_size(count)));
    body_line(body, "if (unlikely(tag >= %u))", count);
    body_line(body, "    return trap_case(call, tag, \"%.*s\");",
              STR_ARG(type_to_text(t, &b->arena)));
    if (t->kind == TYPE_VARIANT) {
        lift_cases(body, t, payload, copied);
    } else if (t->kind == TYPE_OPTION) {
        body_line(body, "out->is_some = tag != 0;");
        lift_when(body, "tag != 0", t->element, payload, "out->some", copied);
    } else {
        body_line(body, "out->is_err = tag != 0;");
        lift_when(body, "tag == 0", t->element, payload, "out->ok", copied);
        lift_when(body, "tag != 0", t->error, payload, "out->err", copied);
    }
}

static const char *lift_compound(struct bind *b, const struct type *t, bool is_flat, bool copied)
{
    copied = copied && t->layout.has_pointers;
    const char *helper = bind_text(b, "%s_%s%s", is_flat ? "lift" : "load", bind_exact_name(b, t),
                                   copied ? "_copied" : "");
    if (!bind_is_new(b, helper))
        return helper;
    struct body body;
    body_init(&body, b);
    struct place from = {is_flat, is_flat ? "flat" : "at", 0};
    if (t->kind == TYPE_RECORD || t->kind == TYPE_TUPLE)
        lift_fields(&body, t, from, copied);
    else
        lift_choice(&body, t, from, copied);
    body_finish(&body, &b->support,
                bind_head(b, bind_text(b, "static int %s", helper), "struct canon_call *call",
                          is_flat ? "const union core_value *flat" : "const uint8_t *at",
                          bind_declare(b, bind_c_type(b, t), "*out"), NULL),
                true);
    return helper;
}

static const char *lift_flags(struct bind *b, const struct type *t, struct place from)
{
    unsigned bits = bind_flags_bits(t);
    return bind_text(b, "(uint%u_t)(%s & 0x%llxu)", bits, load_int(b, from, bits),
                     (1ull << t->field_count) - 1);
}

void lift_value(struct body *body, const struct type *t, struct place from, const char *to,
                bool copied, const char *undo)
{
    struct bind *b = body->bind;
    struct place second = place_add(from, from.is_flat ? 1 : 4);
    const char *call = NULL;
    switch (t->kind) {
    case TYPE_BOOL:
        body_line(body, "%s = %s != 0;", to, load_int(b, from, 8));
        return;
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S32:
    case TYPE_S64:
        body_line(body, "%s = (%s)%s;", to, bind_c_type(b, t),
                  load_int(b, from, 8 * t->layout.size));
        return;
    case TYPE_U8:
    case TYPE_U16:
        body_line(body, from.is_flat ? "%s = (%s)%s;" : "%s = %s%s;", to,
                  from.is_flat ? bind_c_type(b, t) : "", load_int(b, from, 8 * t->layout.size));
        return;
    case TYPE_U32:
    case TYPE_U64:
        body_line(body, "%s = %s;", to, load_int(b, from, 8 * t->layout.size));
        return;
    case TYPE_F32:
    case TYPE_F64:
        body_line(body, "%s = %s;", to, load_float(b, from, 8 * t->layout.size));
        return;
    case TYPE_FLAGS:
        body_line(body, "%s = %s;", to, lift_flags(b, t, from));
        return;
    case TYPE_CHAR:
        call = bind_text(b, "canon_lift_char(call, %s, &%s)", load_int(b, from, 32), to);
        break;
    case TYPE_STRING:
        call = bind_text(b, "%s(call, %s, %s, &%s)", lift_string(b, copied), load_int(b, from, 32),
                         load_int(b, second, 32), to);
        break;
    case TYPE_LIST:
        call = bind_text(b, "%s(call, %s, %s, &%s)", lift_list(b, t, copied), load_int(b, from, 32),
                         load_int(b, second, 32), to);
        break;
    case TYPE_OWN:
    case TYPE_BORROW:
        call = bind_text(b, "%s(call, %s, &%s)", lift_handle(b, t), load_int(b, from, 32), to);
        break;
    case TYPE_STREAM:
    case TYPE_FUTURE:
        call = bind_text(b, "canon_lift_stream(call, %s, %s, %s, &%s)", load_int(b, from, 32),
                         t->kind == TYPE_FUTURE ? "true" : "false", codec(b, t), to);
        break;
    default:
        if (bind_is_enum(t))
            call = bind_text(b, "%s(call, %s, &%s)", lift_enum(b, t),
                             load_int(b, from, 8 * t->layout.size), to);
        else
            call = bind_text(b, "%s(call, %s, &%s)", lift_compound(b, t, from.is_flat, copied),
                             place_text(b, from), to);
        break;
    }
    body_step(body, undo, call);
}

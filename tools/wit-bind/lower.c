// SPDX-License-Identifier: Apache-2.0
// C values become values of the guest (CanonicalABI.md "Storing", "Flat Lowering").
//
// Guest memory may move whenever its realloc runs, so places in memory are offsets and every store
// reads call->memory anew. Flat slots are written whole, zero-extended, because a slot may be a
// join of several cases' types.
#include "bind.h"

static void store_int(struct body *body, struct place to, unsigned bits, const char *value)
{
    struct bind *b = body->bind;
    if (to.is_flat) {
        body_line(body, "%s[%u].u64 = %s;", to.base, to.at, value);
        return;
    }
    const char *helper = bind_text(b, "store_u%u", bits);
    if (bind_is_new(b, helper))
        buf_putf(&b->support,
                 "\nstatic inline void %s(struct canon_call *call, uint32_t at, uint%u_t value)\n"
                 "{\n"
                 "    memcpy(call->memory + at, &value, sizeof(value));\n"
                 "}\n",
                 helper, bits);
    body_line(body, "%s(call, %s, %s);", helper, place_text(b, to), value);
}

static void store_float(struct body *body, struct place to, unsigned bits, const char *value)
{
    struct bind *b = body->bind;
    if (to.is_flat) {
        body_line(body, "%s[%u].f%u = %s;", to.base, to.at, bits, value);
        return;
    }
    const char *helper = bind_text(b, "store_f%u", bits);
    if (bind_is_new(b, helper))
        buf_putf(&b->support,
                 "\nstatic inline void %s(struct canon_call *call, uint32_t at, %s value)\n"
                 "{\n"
                 "    memcpy(call->memory + at, &value, sizeof(value));\n"
                 "}\n",
                 helper, bits == 32 ? "float" : "double");
    body_line(body, "%s(call, %s, %s);", helper, place_text(b, to), value);
}

static void store_pair(struct body *body, struct place to)
{
    body->pairs = true;
    store_int(body, to, 32, "pair[0]");
    store_int(body, place_add(to, to.is_flat ? 1 : 4), 32, "pair[1]");
}

static void put_list(struct bind *b, const struct type *t, const char *helper)
{
    struct body body;
    body_init(&body, b);
    const struct type_layout *layout = &t->element->layout;
    const char *all = owned_undo_items(b, "drop", t, "value->data", "0", "value->len");
    const char *rest = owned_undo_items(b, "drop", t, "value->data", "i + 1", "value->len");
    body_line(&body, "uint32_t at = 0;");
    body_line(&body, "if (unlikely(value->len > CANON_LIST_BYTES_MAX / %u))", layout->size);
    body_line(&body, "    rc = canon_trap(call, \"a list of %%zu elements is longer than the "
                     "limit\", value->len);");
    body_line(&body, "else");
    body.indent++;
    body_line(&body, "rc = canon_alloc(call, (uint32_t)value->len * %u, %u, &at);", layout->size,
              layout->align);
    body.indent--;
    body.fails = true;
    body_line(&body, "if (unlikely(rc < 0))%s", all ? " {" : "");
    if (all)
        body_line(&body, "    %s", all);
    body_line(&body, "    return rc;");
    if (all)
        body_line(&body, "}");
    body_line(&body, "to[0] = at;");
    body_line(&body, "to[1] = (uint32_t)value->len;");
    body_line(&body, "for (size_t i = 0; i < value->len; i++, at += %u) {", layout->size);
    body.indent++;
    lower_value(&body, t->element, (struct place){false, "at", 0}, "value->data[i]", rest);
    body.indent--;
    body_line(&body, "}");
    body_finish(&body, &b->support,
                bind_head(b, bind_text(b, "static int %s", helper), "struct canon_call *call",
                          bind_text(b, "const %s *value", bind_c_type(b, t)), "uint32_t to[2]",
                          NULL),
                true);
}

// Elements whose bytes in C are those the guest wants, none of them undefined.
static bool is_copy(const struct type *t)
{
    return t->layout.is_plain ? !t->layout.has_padding : t->kind == TYPE_BOOL;
}

static const char *lower_list(struct bind *b, const struct type *t, const char *from)
{
    const struct type_layout *layout = &t->element->layout;
    if (is_copy(t->element))
        return bind_text(b, "canon_lower_bytes(call, %s.data, %s.len, %u, %u, &pair[0], &pair[1])",
                         from, from, layout->size, layout->align);
    const char *helper = bind_text(b, "lower_%s", bind_exact_name(b, t));
    if (bind_is_new(b, helper))
        put_list(b, t, helper);
    return bind_text(b, "%s(call, &%s, pair)", helper, from);
}

bool lower_has_step(const struct type *t)
{
    return t->kind == TYPE_STRING || t->kind == TYPE_LIST || t->kind == TYPE_OWN ||
           t->kind == TYPE_BORROW ||
           (t->layout.flat_count > 0 && t->kind > TYPE_STRING && t->kind != TYPE_FLAGS &&
            !bind_is_enum(t));
}

// What is dropped when member `i` of a record or tuple cannot be lowered: those behind it.
static const char *drop_rest(struct bind *b, const struct type *t, uint32_t i)
{
    const char *undo = NULL;
    for (uint32_t k = i + 1; k < t->field_count; k++) {
        const char *field = bind_field(b, t, k);
        undo = owned_join(
            b, undo, owned_undo(b, "drop", t->fields[k].type, bind_text(b, "value->%s", field)));
    }
    return undo;
}

static void lower_fields(struct body *body, const struct type *t, struct place to)
{
    struct bind *b = body->bind;
    uint32_t end = 0;
    for (uint32_t i = 0; i < t->field_count; i++) {
        const struct type *member = t->fields[i].type;
        const char *field = bind_field(b, t, i);
        lower_value(body, member, place_add(to, place_member(member, to.is_flat, &end)),
                    bind_text(b, "value->%s", field),
                    lower_has_step(member) ? drop_rest(b, t, i) : NULL);
    }
}

static void lower_when(struct body *body, const char *condition, const struct type *payload,
                       struct place to, const char *from)
{
    if (!payload)
        return;
    body_line(body, "if (%s) {", condition);
    body->indent++;
    lower_value(body, payload, to, from, NULL);
    body->indent--;
    body_line(body, "}");
}

static void lower_cases(struct body *body, const struct type *t, struct place payload)
{
    struct bind *b = body->bind;
    const char *upper = bind_upper(b, str_from(bind_c_name(b, t)));
    body_line(body, "switch (value->tag) {");
    for (uint32_t i = 0; i < t->field_count; i++) {
        if (!t->fields[i].type)
            continue;
        body_line(body, "case %s_%s:", upper, bind_upper(b, t->fields[i].name));
        body->indent++;
        lower_value(body, t->fields[i].type, payload,
                    bind_text(b, "value->%s", bind_ident(b, t->fields[i].name)), NULL);
        body_line(body, "break;");
        body->indent--;
    }
    body_line(body, "default:");
    body_line(body, "    break;");
    body_line(body, "}");
}

static void lower_choice(struct body *body, const struct type *t, struct place to)
{
    struct bind *b = body->bind;
    unsigned bits = 8 * type_discriminant_size(type_case_count(t));
    struct place payload = place_payload(t, to);
    const char *tag = t->kind == TYPE_VARIANT  ? "value->tag"
                      : t->kind == TYPE_OPTION ? "value->is_some"
                                               : "value->is_err";
    store_int(body, to, bits, bind_text(b, "(uint%u_t)%s", to.is_flat ? 32 : bits, tag));
    for (uint32_t i = 1; to.is_flat && i < t->layout.flat_count; i++)
        body_line(body, "%s[%u].u64 = 0;", to.base, to.at + i);
    if (t->kind == TYPE_VARIANT) {
        lower_cases(body, t, payload);
    } else if (t->kind == TYPE_OPTION) {
        lower_when(body, "value->is_some", t->element, payload, "value->some");
    } else {
        lower_when(body, "!value->is_err", t->element, payload, "value->ok");
        lower_when(body, "value->is_err", t->error, payload, "value->err");
    }
}

static const char *lower_compound(struct bind *b, const struct type *t, bool is_flat)
{
    const char *helper = bind_text(b, "%s_%s", is_flat ? "lower" : "store", bind_exact_name(b, t));
    if (!bind_is_new(b, helper))
        return helper;
    struct body body;
    body_init(&body, b);
    struct place to = {is_flat, is_flat ? "flat" : "at", 0};
    if (t->kind == TYPE_RECORD || t->kind == TYPE_TUPLE)
        lower_fields(&body, t, to);
    else
        lower_choice(&body, t, to);
    body_finish(&body, &b->support,
                bind_head(b, bind_text(b, "static int %s", helper), "struct canon_call *call",
                          is_flat ? "union core_value *flat" : "uint32_t at",
                          bind_text(b, "const %s *value", bind_c_type(b, t)), NULL),
                true);
    return helper;
}

static void lower_handle(struct body *body, const struct type *t, struct place to, const char *from,
                         const char *undo)
{
    struct bind *b = body->bind;
    body->pairs = true;
    if (t->kind == TYPE_OWN)
        undo = owned_join(b, owned_undo(b, "drop", t, from), undo);
    body_step(body, undo,
              bind_text(b, "canon_lower_%s(call, &%s_resource, %s, &pair[0])",
                        t->kind == TYPE_OWN ? "own" : "borrow",
                        bind_resource_c_name(b, t->resource), from));
    store_int(body, to, 32, "pair[0]");
}

static void lower_int(struct body *body, const struct type *t, struct place to, const char *from)
{
    struct bind *b = body->bind;
    unsigned bits = 8 * t->layout.size;
    bool is_unsigned = t->kind == TYPE_U8 || t->kind == TYPE_U16 || t->kind == TYPE_U32 ||
                       t->kind == TYPE_U64 || t->kind == TYPE_CHAR || t->kind == TYPE_FLAGS;
    unsigned cast = to.is_flat ? (bits == 64 ? 64 : 32) : bits;
    // Sign-extension to 32 bits comes before zero-extension to the slot.
    store_int(body, to, bits, is_unsigned ? from : bind_text(b, "(uint%u_t)%s", cast, from));
}

void lower_value(struct body *body, const struct type *t, struct place to, const char *from,
                 const char *undo)
{
    struct bind *b = body->bind;
    switch (t->kind) {
    case TYPE_F32:
    case TYPE_F64:
        store_float(body, to, 8 * t->layout.size, from);
        return;
    case TYPE_STRING:
        body_step(body, undo,
                  bind_text(b, "canon_lower_string(call, %s, &pair[0], &pair[1])", from));
        store_pair(body, to);
        return;
    case TYPE_LIST:
        body_step(body, undo, lower_list(b, t, from));
        store_pair(body, to);
        return;
    case TYPE_OWN:
    case TYPE_BORROW:
        lower_handle(body, t, to, from, undo);
        return;
    case TYPE_STREAM:
    case TYPE_FUTURE:
        codec(b, t);
        body->pairs = true;
        // A stream that cannot be passed on is closed.
        body_step(body, undo, bind_text(b, "canon_lower_stream(call, %s, &pair[0])", from));
        store_int(body, to, 32, "pair[0]");
        return;
    case TYPE_RECORD:
    case TYPE_TUPLE:
    case TYPE_OPTION:
    case TYPE_RESULT:
    case TYPE_VARIANT:
        if (!bind_is_enum(t)) {
            body_step(body, undo,
                      bind_text(b, "%s(call, %s, &%s)", lower_compound(b, t, to.is_flat),
                                place_text(b, to), from));
            return;
        }
        lower_int(body, t, to, from);
        return;
    default:
        lower_int(body, t, to, from);
        return;
    }
}

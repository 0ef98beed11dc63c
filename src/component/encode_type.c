// SPDX-License-Identifier: Apache-2.0
// Types of components (Binary.md "Type Definitions").
#include "component/encode_internal.h"

static const uint8_t opcodes[TYPE_KIND_COUNT] = {
    [TYPE_BOOL] = 0x7f,   [TYPE_S8] = 0x7e,     [TYPE_U8] = 0x7d,
    [TYPE_S16] = 0x7c,    [TYPE_U16] = 0x7b,    [TYPE_S32] = 0x7a,
    [TYPE_U32] = 0x79,    [TYPE_S64] = 0x78,    [TYPE_U64] = 0x77,
    [TYPE_F32] = 0x76,    [TYPE_F64] = 0x75,    [TYPE_CHAR] = 0x74,
    [TYPE_STRING] = 0x73, [TYPE_RECORD] = 0x72, [TYPE_VARIANT] = 0x71,
    [TYPE_LIST] = 0x70,   [TYPE_TUPLE] = 0x6f,  [TYPE_FLAGS] = 0x6e,
    [TYPE_ENUM] = 0x6d,   [TYPE_OPTION] = 0x6b, [TYPE_RESULT] = 0x6a,
    [TYPE_OWN] = 0x69,    [TYPE_BORROW] = 0x68, [TYPE_FIXED_LIST] = 0x67,
    [TYPE_STREAM] = 0x66, [TYPE_FUTURE] = 0x65, [TYPE_ERROR_CONTEXT] = 0x64,
    [TYPE_MAP] = 0x63,
};

void encode_val_ref(struct writer *w, const struct val_ref *ref)
{
    if (ref->is_index)
        writer_signed(w, ref->index);
    else
        writer_u8(w, opcodes[ref->primitive]);
}

static void put_optional(struct writer *w, bool is_there, const struct val_ref *ref)
{
    writer_u8(w, is_there ? 0x01 : 0x00);
    if (is_there)
        encode_val_ref(w, ref);
}

static void put_case(struct writer *w, const struct def_field *field)
{
    writer_name(w, field->name);
    put_optional(w, field->has_type, &field->type);
    writer_u8(w, 0x00);
}

static void put_fields(struct writer *w, const struct value_def *def)
{
    writer_u32(w, def->field_count);
    for (uint32_t i = 0; i < def->field_count; i++) {
        const struct def_field *field = &def->fields[i];
        if (def->kind == TYPE_VARIANT) {
            put_case(w, field);
            continue;
        }
        if (def->kind != TYPE_TUPLE)
            writer_name(w, field->name);
        if (field->has_type)
            encode_val_ref(w, &field->type);
    }
}

static void put_value_type(struct writer *w, const struct value_def *def)
{
    writer_u8(w, opcodes[def->kind]);
    switch (def->kind) {
    case TYPE_RECORD:
    case TYPE_VARIANT:
    case TYPE_TUPLE:
    case TYPE_FLAGS:
    case TYPE_ENUM:
        put_fields(w, def);
        break;
    case TYPE_LIST:
    case TYPE_OPTION:
        encode_val_ref(w, &def->element);
        break;
    case TYPE_FIXED_LIST:
        encode_val_ref(w, &def->element);
        writer_u32(w, def->length);
        break;
    case TYPE_MAP:
        encode_val_ref(w, &def->element);
        encode_val_ref(w, &def->error);
        break;
    case TYPE_RESULT:
        put_optional(w, def->has_element, &def->element);
        put_optional(w, def->has_error, &def->error);
        break;
    case TYPE_STREAM:
    case TYPE_FUTURE:
        put_optional(w, def->has_element, &def->element);
        break;
    case TYPE_OWN:
    case TYPE_BORROW:
        writer_u32(w, def->resource);
        break;
    default: // primitives have no operands
        break;
    }
}

void encode_result(struct writer *w, bool has_result, const struct val_ref *result)
{
    writer_u8(w, has_result ? 0x00 : 0x01);
    if (has_result)
        encode_val_ref(w, result);
    else
        writer_u8(w, 0x00);
}

static void put_func_type(struct writer *w, const struct func_def *def)
{
    writer_u8(w, def->is_async ? 0x43 : 0x40);
    writer_u32(w, def->param_count);
    for (uint32_t i = 0; i < def->param_count; i++) {
        writer_name(w, def->params[i].name);
        encode_val_ref(w, &def->params[i].type);
    }
    encode_result(w, def->has_result, &def->result);
}

static void put_resource_type(struct writer *w, const struct resource_def *def)
{
    writer_u8(w, 0x3f);
    writer_u8(w, 0x7f); // the representation: i32
    writer_u8(w, def->has_dtor ? 0x01 : 0x00);
    if (def->has_dtor)
        writer_u32(w, def->dtor);
}

uint32_t encode_type(struct encoder *e, const struct type_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_TYPE);
    switch (def->kind) {
    case TYPE_DEF_VALUE:
        put_value_type(w, &def->value);
        break;
    case TYPE_DEF_FUNC:
        put_func_type(w, &def->func);
        break;
    case TYPE_DEF_RESOURCE:
        put_resource_type(w, &def->resource);
        break;
    case TYPE_DEF_COMPONENT:
    case TYPE_DEF_INSTANCE:
        break;
    }
    return encode_new_index(e, SORT_TYPE);
}

uint32_t encode_scope_type(struct encoder *e, struct encoder *scope)
{
    struct writer *w = encode_begin(e, ENCODE_TYPE);
    writer_u8(w, scope->kind == SCOPE_COMPONENT_TYPE ? 0x41 : 0x42);
    writer_u32(w, scope->open_count);
    writer_bytes(w, buf_str(&scope->out.bytes));
    w->full |= scope->out.full;
    encoder_done(scope);
    return encode_new_index(e, SORT_TYPE);
}

uint32_t encode_value_type(struct encoder *e, const struct value_def *def)
{
    return encode_type(e, &(struct type_def){.kind = TYPE_DEF_VALUE, .value = *def});
}

uint32_t encode_func_type(struct encoder *e, const struct func_def *def)
{
    return encode_type(e, &(struct type_def){.kind = TYPE_DEF_FUNC, .func = *def});
}

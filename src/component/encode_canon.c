// SPDX-License-Identifier: Apache-2.0
// Canonical definitions (Binary.md "Canonical Definitions").
#include "component/encode_internal.h"

struct option {
    bool is_there;
    uint8_t op;
    uint32_t index;
};

static void put_options(struct writer *w, const struct canon_def_options *o)
{
    const struct option with_index[] = {
        {o->has_memory, 0x03, o->memory},
        {o->has_realloc, 0x04, o->realloc},
        {o->has_post_return, 0x05, o->post_return},
        {o->has_callback, 0x07, o->callback},
    };
    // UTF-8 is what a definition without an encoding has.
    bool has_encoding = o->encoding != 0;
    uint32_t count = (uint32_t)has_encoding + (uint32_t)o->is_async;
    for (size_t i = 0; i < ARRAY_LEN(with_index); i++)
        count += with_index[i].is_there;
    writer_u32(w, count);
    if (has_encoding)
        writer_u8(w, o->encoding);
    if (o->is_async)
        writer_u8(w, 0x06);
    for (size_t i = 0; i < ARRAY_LEN(with_index); i++) {
        if (!with_index[i].is_there)
            continue;
        writer_u8(w, with_index[i].op);
        writer_u32(w, with_index[i].index);
    }
}

static void put_context(struct writer *w, const struct canon_def *def)
{
    writer_u8(w, def->core_type == 'I' ? 0x7e : 0x7f);
    writer_u32(w, def->slot);
}

static void put_operands(struct writer *w, const struct canon_def *def)
{
    switch (canon_form(def->kind)->form) {
    case FORM_NONE:
        break;
    case FORM_TYPE:
        writer_u32(w, def->type);
        break;
    case FORM_TYPE_OPTIONS:
        writer_u32(w, def->type);
        put_options(w, &def->options);
        break;
    case FORM_TYPE_FLAG:
        writer_u32(w, def->type);
        writer_u8(w, def->flag);
        break;
    case FORM_FLAG:
        writer_u8(w, def->flag);
        break;
    case FORM_FLAG_MEMORY:
        writer_u8(w, def->flag);
        writer_u32(w, def->options.memory);
        break;
    case FORM_OPTIONS:
        put_options(w, &def->options);
        break;
    case FORM_RESULT_OPTIONS:
        encode_result(w, def->has_result, &def->result);
        put_options(w, &def->options);
        break;
    case FORM_CONTEXT:
        put_context(w, def);
        break;
    case FORM_LIFT:
        writer_u8(w, 0x00);
        writer_u32(w, def->func);
        put_options(w, &def->options);
        writer_u32(w, def->type);
        break;
    case FORM_LOWER:
        writer_u8(w, 0x00);
        writer_u32(w, def->func);
        put_options(w, &def->options);
        break;
    case FORM_FLAG_CORE_TYPE:
        writer_u8(w, def->flag);
        writer_u32(w, def->type);
        break;
    case FORM_FLAG_CORE_TYPE_TABLE:
        writer_u8(w, def->flag);
        writer_u32(w, def->type);
        writer_u32(w, def->table);
        break;
    case FORM_CORE_TYPE_TABLE:
        writer_u32(w, def->type);
        writer_u32(w, def->table);
        break;
    }
}

uint32_t encode_canon(struct encoder *e, const struct canon_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_CANON);
    writer_u8(w, canon_form(def->kind)->op);
    put_operands(w, def);
    return encode_new_index(e, def->kind == CANON_LIFT ? SORT_FUNC : SORT_CORE_FUNC);
}

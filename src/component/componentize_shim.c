// SPDX-License-Identifier: Apache-2.0
// The small modules around main. They are written exactly in the form that component/shim.c
// recognises.
#include "component/componentize_internal.h"

enum {
    FORM_FUNC_TYPE = 0x60,
    TYPE_FUNCREF = 0x70,
    OP_END = 0x0b,
    OP_CALL_INDIRECT = 0x11,
    OP_LOCAL_GET = 0x20,
    OP_I32_CONST = 0x41,
};

struct str czr_number(struct arena *arena, uint32_t number)
{
    return arena_printf(arena, "%u", number);
}

static void put_preamble(struct writer *w)
{
    writer_bytes(w, str_of("\0asm\1\0\0\0", 8));
}

static size_t open_section(struct writer *w, enum core_section section)
{
    writer_u8(w, (uint8_t)section);
    return writer_open(w);
}

static void put_val_types(struct writer *w, struct str types)
{
    writer_u32(w, (uint32_t)types.len);
    for (size_t i = 0; i < types.len; i++) {
        static const char letters[] = "iIfFv";
        writer_u8(w, (uint8_t)(0x7f - (strchr(letters, types.data[i]) - letters)));
    }
}

// One type a slot: slot i has type i.
static void put_types(const struct componentizer *z, struct writer *w)
{
    size_t opened = open_section(w, CORE_SECTION_TYPE);
    writer_u32(w, (uint32_t)z->slots.len);
    for (size_t i = 0; i < z->slots.len; i++) {
        writer_u8(w, FORM_FUNC_TYPE);
        put_val_types(w, z->slots.items[i].type->params);
        put_val_types(w, z->slots.items[i].type->results);
    }
    writer_close(w, opened);
}

static void put_table(const struct componentizer *z, struct writer *w)
{
    writer_u8(w, TYPE_FUNCREF);
    writer_u8(w, 0x01);
    writer_u32(w, (uint32_t)z->slots.len);
    writer_u32(w, (uint32_t)z->slots.len);
}

static void put_indices(const struct componentizer *z, struct writer *w)
{
    writer_u32(w, (uint32_t)z->slots.len);
    for (uint32_t i = 0; i < z->slots.len; i++)
        writer_u32(w, i);
}

static void put_shim_body(struct writer *w, uint32_t slot, size_t param_count)
{
    size_t opened = writer_open(w);
    writer_u32(w, 0);
    for (uint32_t i = 0; i < param_count; i++) {
        writer_u8(w, OP_LOCAL_GET);
        writer_u32(w, i);
    }
    writer_u8(w, OP_I32_CONST);
    writer_signed(w, slot);
    writer_u8(w, OP_CALL_INDIRECT);
    writer_u32(w, slot);
    writer_u32(w, 0);
    writer_u8(w, OP_END);
    writer_close(w, opened);
}

static void put_shim_exports(const struct componentizer *z, struct writer *w)
{
    size_t opened = open_section(w, CORE_SECTION_EXPORT);
    writer_u32(w, (uint32_t)z->slots.len + 1);
    for (uint32_t i = 0; i < z->slots.len; i++) {
        writer_name(w, czr_number(z->arena, i));
        writer_u8(w, CORE_FUNC);
        writer_u32(w, i);
    }
    writer_name(w, STR("$imports"));
    writer_u8(w, CORE_TABLE);
    writer_u32(w, 0);
    writer_close(w, opened);
}

void czr_write_shim(const struct componentizer *z, struct writer *out)
{
    put_preamble(out);
    put_types(z, out);
    size_t opened = open_section(out, CORE_SECTION_FUNCTION);
    put_indices(z, out);
    writer_close(out, opened);
    opened = open_section(out, CORE_SECTION_TABLE);
    writer_u32(out, 1);
    put_table(z, out);
    writer_close(out, opened);
    put_shim_exports(z, out);
    opened = open_section(out, CORE_SECTION_CODE);
    writer_u32(out, (uint32_t)z->slots.len);
    for (uint32_t i = 0; i < z->slots.len; i++)
        put_shim_body(out, i, z->slots.items[i].type->params.len);
    writer_close(out, opened);
}

void czr_write_fixup(const struct componentizer *z, struct writer *out)
{
    put_preamble(out);
    put_types(z, out);
    size_t opened = open_section(out, CORE_SECTION_IMPORT);
    writer_u32(out, (uint32_t)z->slots.len + 1);
    for (uint32_t i = 0; i < z->slots.len; i++) {
        writer_name(out, STR_EMPTY);
        writer_name(out, czr_number(z->arena, i));
        writer_u8(out, CORE_FUNC);
        writer_u32(out, i);
    }
    writer_name(out, STR_EMPTY);
    writer_name(out, STR("$imports"));
    writer_u8(out, CORE_TABLE);
    put_table(z, out);
    writer_close(out, opened);
    opened = open_section(out, CORE_SECTION_ELEMENT);
    writer_u32(out, 1);
    writer_u32(out, 0); // active, table 0, function indices
    writer_u8(out, OP_I32_CONST);
    writer_signed(out, 0);
    writer_u8(out, OP_END);
    put_indices(z, out);
    writer_close(out, opened);
}

void czr_write_start(struct writer *out)
{
    static const char module[] = "\0asm\1\0\0\0"
                                 "\1\4\1\x60\0\0" // type: no parameters, no result
                                 "\2\5\1\0\0\0\0" // import "" ""
                                 "\x08\1\0";      // start
    writer_bytes(out, str_of(module, sizeof(module) - 1));
}

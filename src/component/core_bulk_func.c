// SPDX-License-Identifier: Apache-2.0
#include "component/core_bulk_func.h"

#include "component/core_bulk.h"

enum {
    FORM_FUNC_TYPE = 0x60,
    TYPE_I32 = 0x7f,
    TYPE_I64 = 0x7e,
    TYPE_EMPTY = 0x40,
    OP_LOOP = 0x03,
    OP_IF = 0x04,
    OP_ELSE = 0x05,
    OP_END = 0x0b,
    OP_BR_IF = 0x0d,
    OP_RETURN = 0x0f,
    OP_CALL = 0x10,
    OP_LOCAL_GET = 0x20,
    OP_LOCAL_SET = 0x21,
    OP_LOCAL_TEE = 0x22,
    OP_MEMORY_SIZE = 0x3f,
    OP_I32_CONST = 0x41,
    OP_I64_CONST = 0x42,
    OP_I32_GT_U = 0x4b,
    OP_I32_LE_U = 0x4d,
    OP_I64_GT_U = 0x56,
    OP_I64_LE_U = 0x58,
    OP_I32_ADD = 0x6a,
    OP_I32_SUB = 0x6b,
    OP_I32_OR = 0x72,
    OP_I64_ADD = 0x7c,
    OP_I64_SUB = 0x7d,
    OP_I64_SHL = 0x86,
    OP_I64_EXTEND_I32_U = 0xad,
    OP_MISC = 0xfc,
    MISC_MEMORY_COPY = 10,
    MISC_MEMORY_FILL = 11,
};

// The parameters, in the order of the operands of both instructions.
enum { LOCAL_TO, LOCAL_FROM, LOCAL_LEN, LOCAL_VALUE = LOCAL_FROM };

static uint8_t address_type(bool is_64)
{
    return is_64 ? TYPE_I64 : TYPE_I32;
}

// Of a copy between memories of both kinds the length has the narrower type.
bool core_bulk_len_is_64(const struct core_bulk_func *func)
{
    return func->to.is_64 && (!func->is_copy || func->from.is_64);
}

void core_bulk_write_type(const struct core_bulk_func *func, struct writer *out)
{
    writer_u8(out, FORM_FUNC_TYPE);
    writer_u32(out, 3);
    writer_u8(out, address_type(func->to.is_64));
    writer_u8(out, address_type(func->is_copy && func->from.is_64));
    writer_u8(out, address_type(core_bulk_len_is_64(func)));
    writer_u32(out, 0);
}

// ---- instructions -------------------------------------------------------------------------------

static void get(struct writer *out, uint32_t local)
{
    writer_u8(out, OP_LOCAL_GET);
    writer_u32(out, local);
}

static void get_as_64(struct writer *out, uint32_t local, bool is_64)
{
    get(out, local);
    if (!is_64)
        writer_u8(out, OP_I64_EXTEND_I32_U);
}

static void piece(struct writer *out, bool is_64)
{
    writer_u8(out, is_64 ? OP_I64_CONST : OP_I32_CONST);
    writer_signed(out, CORE_BULK_PIECE_BYTES);
}

// Adds a piece to a local, or takes one from it.
static void move(struct writer *out, uint32_t local, bool is_64, uint8_t op_32, uint8_t op_64)
{
    get(out, local);
    piece(out, is_64);
    writer_u8(out, is_64 ? op_64 : op_32);
    writer_u8(out, OP_LOCAL_SET);
    writer_u32(out, local);
}

static void open_if(struct writer *out)
{
    writer_u8(out, OP_IF);
    writer_u8(out, TYPE_EMPTY);
}

static void open_loop(struct writer *out)
{
    writer_u8(out, OP_LOOP);
    writer_u8(out, TYPE_EMPTY);
}

// Once more while more than a piece is left.
static void close_loop(struct writer *out, const struct core_bulk_func *func)
{
    bool is_64 = core_bulk_len_is_64(func);
    get(out, LOCAL_LEN);
    piece(out, is_64);
    writer_u8(out, is_64 ? OP_I64_GT_U : OP_I32_GT_U);
    writer_u8(out, OP_BR_IF);
    writer_u32(out, 0);
    writer_u8(out, OP_END);
}

// The instruction itself.
static void do_bulk(struct writer *out, const struct core_bulk_func *func)
{
    writer_u8(out, OP_MISC);
    writer_u32(out, func->is_copy ? MISC_MEMORY_COPY : MISC_MEMORY_FILL);
    writer_u32(out, func->to.index);
    if (func->is_copy)
        writer_u32(out, func->from.index);
}

static void do_whole(struct writer *out, const struct core_bulk_func *func)
{
    for (uint32_t local = LOCAL_TO; local <= LOCAL_LEN; local++)
        get(out, local);
    do_bulk(out, func);
}

static void do_whole_and_return(struct writer *out, const struct core_bulk_func *func)
{
    do_whole(out, func);
    writer_u8(out, OP_RETURN);
    writer_u8(out, OP_END);
}

// ---- the place of the instruction ---------------------------------------------------------------

// The operands are the parameters of both branches.
void core_bulk_write_call(const struct core_bulk_func *func, uint32_t type, uint32_t index,
                          uint32_t local, struct writer *out)
{
    bool is_64 = core_bulk_len_is_64(func);
    writer_u8(out, OP_LOCAL_TEE);
    writer_u32(out, local);
    get(out, local);
    piece(out, is_64);
    writer_u8(out, is_64 ? OP_I64_LE_U : OP_I32_LE_U);
    writer_u8(out, OP_IF);
    writer_signed(out, type);
    do_bulk(out, func);
    writer_u8(out, OP_ELSE);
    writer_u8(out, OP_CALL);
    writer_u32(out, index);
    writer_u8(out, OP_END);
}

// ---- parts of the body --------------------------------------------------------------------------

static void memory_bytes(struct writer *out, const struct core_bulk_memory *memory)
{
    writer_u8(out, OP_MEMORY_SIZE);
    writer_u32(out, memory->index);
    if (!memory->is_64)
        writer_u8(out, OP_I64_EXTEND_I32_U);
    writer_u8(out, OP_I64_CONST);
    writer_signed(out, memory->page_size_log);
    writer_u8(out, OP_I64_SHL);
}

// start > size or length > size - start: no sum that could overflow.
static void is_beyond(struct writer *out, const struct core_bulk_func *func, uint32_t local,
                      const struct core_bulk_memory *memory)
{
    get_as_64(out, local, memory->is_64);
    memory_bytes(out, memory);
    writer_u8(out, OP_I64_GT_U);
    get_as_64(out, LOCAL_LEN, core_bulk_len_is_64(func));
    memory_bytes(out, memory);
    get_as_64(out, local, memory->is_64);
    writer_u8(out, OP_I64_SUB);
    writer_u8(out, OP_I64_GT_U);
    writer_u8(out, OP_I32_OR);
}

static void is_out_of_bounds(struct writer *out, const struct core_bulk_func *func)
{
    is_beyond(out, func, LOCAL_TO, &func->to);
    if (!func->is_copy)
        return;
    is_beyond(out, func, LOCAL_FROM, &func->from);
    writer_u8(out, OP_I32_OR);
}

static void get_plus_len(struct writer *out, const struct core_bulk_func *func, uint32_t local,
                         bool is_64)
{
    get(out, local);
    get(out, LOCAL_LEN);
    if (is_64 && !core_bulk_len_is_64(func))
        writer_u8(out, OP_I64_EXTEND_I32_U);
    writer_u8(out, is_64 ? OP_I64_ADD : OP_I32_ADD);
}

// The last piece first, where the destination may overlap the source's end. Two memories may be the
// same one, imported twice: only the places are compared.
static void copy_backwards(struct writer *out, const struct core_bulk_func *func)
{
    get_as_64(out, LOCAL_TO, func->to.is_64);
    get_as_64(out, LOCAL_FROM, func->from.is_64);
    writer_u8(out, OP_I64_GT_U);
    open_if(out);
    open_loop(out);
    move(out, LOCAL_LEN, core_bulk_len_is_64(func), OP_I32_SUB, OP_I64_SUB);
    get_plus_len(out, func, LOCAL_TO, func->to.is_64);
    get_plus_len(out, func, LOCAL_FROM, func->from.is_64);
    piece(out, core_bulk_len_is_64(func));
    do_bulk(out, func);
    close_loop(out, func);
    do_whole_and_return(out, func);
}

static void go_forwards(struct writer *out, const struct core_bulk_func *func)
{
    open_loop(out);
    get(out, LOCAL_TO);
    get(out, func->is_copy ? LOCAL_FROM : LOCAL_VALUE);
    piece(out, core_bulk_len_is_64(func));
    do_bulk(out, func);
    move(out, LOCAL_TO, func->to.is_64, OP_I32_ADD, OP_I64_ADD);
    if (func->is_copy)
        move(out, LOCAL_FROM, func->from.is_64, OP_I32_ADD, OP_I64_ADD);
    move(out, LOCAL_LEN, core_bulk_len_is_64(func), OP_I32_SUB, OP_I64_SUB);
    close_loop(out, func);
    do_whole(out, func);
}

// Out of bounds the instruction traps before it writes, as it would have in its place.
void core_bulk_write_body(const struct core_bulk_func *func, struct writer *out)
{
    size_t opened = writer_open(out);
    writer_u32(out, 0); // locals
    is_out_of_bounds(out, func);
    open_if(out);
    do_whole_and_return(out, func);
    if (func->is_copy)
        copy_backwards(out, func);
    go_forwards(out, func);
    writer_u8(out, OP_END);
    writer_close(out, opened);
}

// SPDX-License-Identifier: Apache-2.0
#include "component/core_recode.h"

enum {
    OP_END = 0x0b,
    OP_TABLE_SET = 0x26,
    OP_REF_FUNC = 0xd2,
    OP_MISC = 0xfc,
    OP_SIMD = 0xfd,
    OP_ATOMIC = 0xfe,
    // Heap types in the first byte of a value type.
    TYPE_SHARED = 0x65,
    TYPE_REF = 0x64,
    TYPE_REF_NULL = 0x63,
    // The same as the signed number that a block type is.
    BLOCK_REF = TYPE_REF - 0x80,
    BLOCK_REF_NULL = TYPE_REF_NULL - 0x80,
};

// Set in the alignment of a memory argument that names its memory.
#define MEMARG_HAS_MEMORY 0x40u

// The immediates of each instruction in order, one letter each; NULL: no such instruction.
//   b  block type            t  type                  i  signed 32-bit
//   l  label or local        T  table                 I  signed 64-bit
//   L  table of labels       g  global                4  4 bytes
//   f  function              M  memory                8  8 bytes
//   x  tag                   d  data segment          w  16 bytes
//   h  heap type             e  element segment       n  1 byte
//   v  list of value types   m  memory argument       c  list of catch clauses
static const char *const plain_ops[256] = {
    [0x00 ... 0x01] = "",  // unreachable, nop
    [0x02 ... 0x04] = "b", // block, loop, if
    [0x05] = "",           // else
    [0x06] = "b",          // try
    [0x07 ... 0x08] = "x", // catch, throw
    [0x09] = "l",          // rethrow
    [0x0a] = "",           // throw_ref
    [OP_END] = "",         //
    [0x0c ... 0x0d] = "l", // br, br_if
    [0x0e] = "L",          // br_table
    [0x0f] = "",           // return
    [0x10] = "f",          // call
    [0x11] = "tT",         // call_indirect
    [0x12] = "f",          // return_call
    [0x13] = "tT",         // return_call_indirect
    [0x14 ... 0x15] = "t", // call_ref, return_call_ref
    [0x18] = "l",          // delegate
    [0x19] = "",           // catch_all
    [0x1a ... 0x1b] = "",  // drop, select
    [0x1c] = "v",          // select t*
    [0x1f] = "bc",         // try_table
    [0x20 ... 0x22] = "l", // local.get, local.set, local.tee
    [0x23 ... 0x24] = "g", // global.get, global.set
    [0x25 ... 0x26] = "T", // table.get, table.set
    [0x28 ... 0x3e] = "m", // loads and stores
    [0x3f ... 0x40] = "M", // memory.size, memory.grow
    [0x41] = "i",          // i32.const
    [0x42] = "I",          // i64.const
    [0x43] = "4",          // f32.const
    [0x44] = "8",          // f64.const
    [0x45 ... 0xc4] = "",  // numbers
    [0xd0] = "h",          // ref.null
    [0xd1] = "",           // ref.is_null
    [OP_REF_FUNC] = "f",   //
    [0xd3 ... 0xd4] = "",  // ref.eq, ref.as_non_null
    [0xd5 ... 0xd6] = "l", // br_on_null, br_on_non_null
};

static const char *const misc_ops[] = {
    [0 ... 7] = "",    // saturating conversions
    [8] = "dM",        // memory.init
    [9] = "d",         // data.drop
    [10] = "MM",       // memory.copy
    [11] = "M",        // memory.fill
    [12] = "eT",       // table.init
    [13] = "e",        // elem.drop
    [14] = "TT",       // table.copy
    [15 ... 17] = "T", // table.grow, table.size, table.fill
    [19 ... 22] = "",  // i64.add128, i64.sub128, i64.mul_wide_s, i64.mul_wide_u
};

static const char *const simd_ops[] = {
    [0 ... 11] = "m",    // loads, v128.store
    [12 ... 13] = "w",   // v128.const, i8x16.shuffle
    [14 ... 20] = "",    // i8x16.swizzle, splats
    [21 ... 34] = "n",   // lanes extracted and replaced
    [35 ... 83] = "",    //
    [84 ... 91] = "mn",  // lanes loaded and stored
    [92 ... 93] = "m",   // v128.load32_zero, v128.load64_zero
    [94 ... 0x113] = "", // up to the relaxed ones
};

static const char *const atomic_ops[] = {
    [0 ... 2] = "m", // memory.atomic.notify, wait32, wait64
    [3] = "n",       // atomic.fence
    [0x10 ... 0x4e] = "m",
};

void core_recode_init(struct core_recoder *c, struct reader *r, const struct core_renumbering *to,
                      struct writer *out)
{
    *c = (struct core_recoder){.r = r, .to = to, .out = out, .copied = r->pos};
}

static void flush_to(struct core_recoder *c, size_t end)
{
    if (end > c->copied)
        writer_bytes(c->out, str_of((const char *)c->r->data + c->copied, end - c->copied));
    c->copied = c->r->pos;
}

void core_recode_flush(struct core_recoder *c)
{
    flush_to(c, c->r->pos);
}

uint32_t core_recode_index(struct core_recoder *c, const struct core_space *space)
{
    size_t at = c->r->pos;
    uint32_t index = reader_index(c->r, space->count, "index");
    if (reader_failed(c->r))
        return 0;
    uint32_t to = core_space_at(space, index);
    if (c->met)
        c->met(c->met_data, space, index);
    flush_to(c, at);
    writer_u32(c->out, to);
    return to;
}

void core_recode_func_ref(struct core_recoder *c)
{
    const struct core_space *funcs = &c->to->externs[CORE_FUNC];
    struct reader ahead = *c->r;
    ahead.err = NULL;
    uint32_t func = reader_u32(&ahead);
    (void)core_recode_index(c, funcs);
    if (c->taken && !reader_failed(c->r))
        c->taken[func] = true;
}

// ---- types --------------------------------------------------------------------------------------

// A number that is a type index when not negative; returns it.
static int64_t recode_type_number(struct core_recoder *c)
{
    size_t at = c->r->pos;
    int64_t number = reader_signed(c->r, 33);
    if (reader_failed(c->r) || number < 0)
        return number;
    if (number >= c->to->types.count) {
        reader_fail_at(c->r, at, "there is no type %lld", (long long)number);
        return 0;
    }
    flush_to(c, at);
    writer_signed(c->out, core_space_at(&c->to->types, (uint32_t)number));
    return number;
}

static void recode_heap_type(struct core_recoder *c)
{
    if (reader_peek(c->r) == TYPE_SHARED)
        reader_fail(c->r, "shared references are not supported here");
    (void)recode_type_number(c);
}

void core_recode_val_type(struct core_recoder *c)
{
    uint8_t byte = reader_u8(c->r);
    if (byte == TYPE_REF || byte == TYPE_REF_NULL)
        recode_heap_type(c);
    else if (byte < 0x68 || byte > 0x7f)
        reader_fail_at(c->r, c->r->pos - 1, "unknown core value type 0x%02x", byte);
}

static void recode_block_type(struct core_recoder *c)
{
    int64_t number = recode_type_number(c);
    if (number == BLOCK_REF || number == BLOCK_REF_NULL)
        recode_heap_type(c);
    else if (number == TYPE_SHARED - 0x80)
        reader_fail(c->r, "shared references are not supported here");
}

static void recode_val_types(struct core_recoder *c)
{
    uint32_t count = reader_u32(c->r);
    for (uint32_t i = 0; i < count && !reader_failed(c->r); i++)
        core_recode_val_type(c);
}

// ---- immediates ---------------------------------------------------------------------------------

void core_recode_implied_memory(struct core_recoder *c)
{
    const struct core_space *memories = &c->to->externs[CORE_MEMORY];
    if (memories->count == 0)
        reader_fail(c->r, "there is no memory");
    else if (core_space_at(memories, 0) != 0)
        reader_fail(c->r, "an implied memory would need a name");
}

static void recode_memarg(struct core_recoder *c)
{
    const struct core_space *memories = &c->to->externs[CORE_MEMORY];
    uint32_t flags = reader_u32(c->r);
    if ((flags & ~MEMARG_HAS_MEMORY) >= 32)
        reader_fail(c->r, "unknown memory argument 0x%x", flags);
    if (flags & MEMARG_HAS_MEMORY)
        (void)core_recode_index(c, memories);
    else
        core_recode_implied_memory(c);
    (void)reader_u64(c->r);
}

static void skip_labels(struct core_recoder *c)
{
    uint32_t count = reader_u32(c->r);
    for (uint32_t i = 0; i < count && !reader_failed(c->r); i++)
        (void)reader_u32(c->r);
    (void)reader_u32(c->r);
}

// try_table: catch, catch_ref, catch_all, catch_all_ref.
static void recode_catches(struct core_recoder *c)
{
    uint32_t count = reader_u32(c->r);
    for (uint32_t i = 0; i < count && !reader_failed(c->r); i++) {
        uint8_t kind = reader_u8(c->r);
        if (kind > 3)
            reader_fail(c->r, "unknown catch clause 0x%02x", kind);
        else if (kind < 2)
            (void)core_recode_index(c, &c->to->externs[CORE_TAG]);
        (void)reader_u32(c->r);
    }
}

static const struct core_space *space_of(const struct core_renumbering *to, char letter)
{
    switch (letter) {
    case 'f':
        return &to->externs[CORE_FUNC];
    case 'T':
        return &to->externs[CORE_TABLE];
    case 'M':
        return &to->externs[CORE_MEMORY];
    case 'g':
        return &to->externs[CORE_GLOBAL];
    case 'x':
        return &to->externs[CORE_TAG];
    case 't':
        return &to->types;
    case 'e':
        return &to->elements;
    case 'd':
        return &to->datas;
    default:
        return NULL;
    }
}

static void recode_immediate(struct core_recoder *c, char letter)
{
    switch (letter) {
    case 'l':
        (void)reader_u32(c->r);
        break;
    case 'm':
        recode_memarg(c);
        break;
    case 'i':
        c->constant = (uint32_t)reader_signed(c->r, 32);
        c->constant_end = c->r->pos;
        break;
    case 'I':
        c->constant = (uint64_t)reader_signed(c->r, 64);
        c->constant_end = c->r->pos;
        break;
    case 'b':
        recode_block_type(c);
        break;
    case 'L':
        skip_labels(c);
        break;
    case 'h':
        recode_heap_type(c);
        break;
    case 'v':
        recode_val_types(c);
        break;
    case 'c':
        recode_catches(c);
        break;
    case 'n':
        (void)reader_u8(c->r);
        break;
    case '4':
    case '8':
        (void)reader_bytes(c->r, letter == '4' ? 4 : 8);
        break;
    case 'w':
        (void)reader_bytes(c->r, 16);
        break;
    default:
        (void)core_recode_index(c, space_of(c->to, letter));
    }
}

// ---- instructions -------------------------------------------------------------------------------

// Of misc_ops, those that change a table or drop a segment.
static const bool lasting_ops[ARRAY_LEN(misc_ops)] = {[9] = true, [12 ... 15] = true, [17] = true};

// A `memory.copy` or `memory.fill` that begins at `at`; what comes next are its memories.
static void replace_bulk(struct core_recoder *c, size_t at, uint32_t op)
{
    const struct core_space *spaces = &c->to->externs[CORE_MEMORY];
    uint32_t memories[2] = {0};
    memories[0] = reader_index(c->r, spaces->count, "memory");
    if (op == CORE_RECODE_MEMORY_COPY)
        memories[1] = reader_index(c->r, spaces->count, "memory");
    if (reader_failed(c->r))
        return;
    flush_to(c, at);
    c->bulk.replace(c->bulk.data, op, memories, c->out);
}

static bool replaces(const struct core_recoder *c, size_t at, uint32_t op)
{
    if (!c->bulk.replace || (op != CORE_RECODE_MEMORY_COPY && op != CORE_RECODE_MEMORY_FILL))
        return false;
    return c->constant_end != at || c->constant > c->bulk.kept_max;
}

static const char *find_prefixed(struct core_recoder *c, uint8_t prefix)
{
    size_t at = c->r->pos - 1;
    uint32_t op = reader_u32(c->r);
    if (prefix == OP_MISC && replaces(c, at, op)) {
        replace_bulk(c, at, op);
        return "";
    }
    if (prefix == OP_MISC && op < ARRAY_LEN(misc_ops)) {
        c->changes_lastingly |= lasting_ops[op];
        return misc_ops[op];
    }
    if (prefix == OP_SIMD && op < ARRAY_LEN(simd_ops))
        return simd_ops[op];
    if (prefix == OP_ATOMIC && op < ARRAY_LEN(atomic_ops))
        return atomic_ops[op];
    return NULL;
}

// One instruction; returns the first byte of its code.
static uint8_t recode_instr(struct core_recoder *c)
{
    size_t at = c->r->pos;
    uint8_t op = reader_u8(c->r);
    const char *immediates = op >= OP_MISC ? find_prefixed(c, op) : plain_ops[op];
    if (!immediates) {
        reader_fail_at(c->r, at, "unknown instruction 0x%02x", op);
        return op;
    }
    if (op == OP_REF_FUNC) {
        core_recode_func_ref(c);
        return op;
    }
    c->changes_lastingly |= op == OP_TABLE_SET;
    for (; *immediates; immediates++)
        recode_immediate(c, *immediates);
    return op;
}

void core_recode_expr(struct core_recoder *c)
{
    while (!reader_failed(c->r))
        if (recode_instr(c) == OP_END)
            return;
}

void core_recode_code(struct core_recoder *c)
{
    while (!reader_at_end(c->r))
        if (recode_instr(c) == OP_REF_FUNC)
            c->takes_funcs = true;
    core_recode_flush(c);
}

void core_recode_body(struct core_recoder *c)
{
    uint32_t groups = reader_u32(c->r);
    for (uint32_t i = 0; i < groups && !reader_failed(c->r); i++) {
        (void)reader_u32(c->r);
        core_recode_val_type(c);
    }
    core_recode_code(c);
}

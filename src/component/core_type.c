// SPDX-License-Identifier: Apache-2.0
#include "component/core_type.h"

#include "base/vec.h"

enum {
    OP_END = 0x0b,
    OP_GLOBAL_GET = 0x23,
    OP_I32_CONST = 0x41,
    OP_I64_CONST = 0x42,
    OP_F32_CONST = 0x43,
    OP_F64_CONST = 0x44,
    OP_I32_ADD = 0x6a,
    OP_I32_MUL = 0x6c,
    OP_I64_ADD = 0x7c,
    OP_I64_MUL = 0x7e,
    OP_REF_NULL = 0xd0,
    OP_REF_FUNC = 0xd2,
    OP_GC = 0xfb,
    OP_SIMD = 0xfd,
};

static int64_t read_heap_type(struct reader *r)
{
    if (reader_peek(r) == 0x65) // shared
        reader_u8(r);
    return reader_signed(r, 33);
}

struct core_val_type core_read_full_val_type(struct reader *r)
{
    static const char numbers[] = {'v', 'F', 'f', 'I', 'i'}; // 0x7b ... 0x7f
    size_t at = r->pos;
    uint8_t byte = reader_u8(r);
    struct core_val_type type = {.type = 'r', .is_nullable = byte != 0x64};
    if (byte >= 0x7b && byte <= 0x7f) {
        type.type = numbers[byte - 0x7b];
    } else if (byte == 0x63 || byte == 0x64) {
        type.heap = read_heap_type(r);
    } else {
        if (byte == 0x65) // shared, in its short form
            byte = reader_u8(r);
        if (byte < 0x68 || byte > 0x75)
            reader_fail_at(r, at, "unknown core value type 0x%02x", byte);
        type.heap = (int64_t)byte - 0x80;
    }
    return type;
}

char core_read_val_type(struct reader *r)
{
    return core_read_full_val_type(r).type;
}

static struct str read_result_type(struct reader *r, struct arena *arena)
{
    uint32_t count = reader_count(r, 1, "core values");
    char *chars = arena_alloc(arena, (size_t)count + 1);
    for (uint32_t i = 0; i < count && !reader_failed(r); i++)
        chars[i] = core_read_val_type(r);
    return str_of(chars, count);
}

static void read_field_type(struct reader *r)
{
    uint8_t byte = reader_peek(r);
    if (byte == 0x78 || byte == 0x77) // packed i8, i16
        reader_u8(r);
    else
        (void)core_read_val_type(r);
    (void)reader_flag(r, "mutability");
}

static void read_comp_type(struct reader *r, uint8_t form, struct arena *arena,
                           struct core_types *types)
{
    size_t at = r->pos;
    struct core_func_type type = {{NULL, 0}, {NULL, 0}};
    if (form == 0x65) { // shared
        form = reader_u8(r);
    }
    switch (form) {
    case 0x60:
        type.params = read_result_type(r, arena);
        type.results = read_result_type(r, arena);
        break;
    case 0x5f: {
        uint32_t count = reader_count(r, 2, "fields");
        for (uint32_t i = 0; i < count && !reader_failed(r); i++)
            read_field_type(r);
        break;
    }
    case 0x5e:
        read_field_type(r);
        break;
    case 0x5d: // continuation
        (void)reader_signed(r, 33);
        break;
    default:
        reader_fail_at(r, at, "unknown core type form 0x%02x", form);
    }
    if (!reader_failed(r))
        *vec_push(types) = type;
}

static void read_sub_type(struct reader *r, uint8_t form, struct arena *arena,
                          struct core_types *types)
{
    if (form == 0x50 || form == 0x4f) {
        uint32_t count = reader_count(r, 1, "supertypes");
        for (uint32_t i = 0; i < count && !reader_failed(r); i++)
            (void)reader_u32(r);
        form = reader_u8(r);
    }
    read_comp_type(r, form, arena, types);
}

void core_read_rec_type_of(struct reader *r, uint8_t first, struct arena *arena,
                           struct core_types *types)
{
    if (first != 0x4e) {
        read_sub_type(r, first, arena, types);
        return;
    }
    uint32_t count = reader_count(r, 2, "types of a recursion group");
    for (uint32_t i = 0; i < count && !reader_failed(r); i++)
        read_sub_type(r, reader_u8(r), arena, types);
}

void core_read_rec_type(struct reader *r, struct arena *arena, struct core_types *types)
{
    core_read_rec_type_of(r, reader_u8(r), arena, types);
}

struct core_limits core_read_limits(struct reader *r)
{
    size_t at = r->pos;
    struct core_limits limits = {.max = UINT64_MAX, .page_size_log = 16};
    uint8_t flags = reader_u8(r);
    if (flags > 0x0f) {
        reader_fail_at(r, at, "unknown limits 0x%02x", flags);
        return limits;
    }
    limits.is_64 = flags & 4;
    limits.is_shared = flags & 2;
    limits.min = reader_u64(r);
    if (flags & 1)
        limits.max = reader_u64(r);
    if (flags & 8)
        limits.page_size_log = (uint8_t)MIN(reader_u32(r), 64);
    return limits;
}

struct core_limits core_read_table_type(struct reader *r, struct core_val_type *element)
{
    size_t at = r->pos;
    *element = core_read_full_val_type(r);
    if (element->type != 'r')
        reader_fail_at(r, at, "table of something that is not a reference");
    return core_read_limits(r);
}

void core_read_global_type(struct reader *r, struct core_extern *out)
{
    out->kind = CORE_GLOBAL;
    out->value = core_read_full_val_type(r);
    size_t at = r->pos;
    out->mutability = reader_u8(r);
    if (out->mutability > 3) // mutable, shared
        reader_fail_at(r, at, "unknown mutability of a global");
}

static void read_extern_func(struct reader *r, const struct core_types *types,
                             struct core_extern *out)
{
    size_t at = r->pos;
    out->type = reader_index(r, (uint32_t)types->len, "core type");
    if (reader_failed(r))
        return;
    out->func = &types->items[out->type];
    if (!out->func->params.data)
        reader_fail_at(r, at, "core type %u is not a function type", out->type);
}

void core_read_tag_type(struct reader *r, const struct core_types *types, struct core_extern *out)
{
    out->kind = CORE_TAG;
    size_t at = r->pos;
    if (reader_u8(r) != 0)
        reader_fail_at(r, at, "unknown tag attribute");
    read_extern_func(r, types, out);
}

struct core_extern core_read_extern_type(struct reader *r, const struct core_types *types)
{
    size_t at = r->pos;
    struct core_extern out = {.limits = {.max = UINT64_MAX, .page_size_log = 16}};
    uint8_t kind = reader_u8(r);
    switch (kind) {
    case 0x20: // function with exact type
    case 0x00:
        out.kind = CORE_FUNC;
        read_extern_func(r, types, &out);
        break;
    case 0x01:
        out.kind = CORE_TABLE;
        out.limits = core_read_table_type(r, &out.value);
        break;
    case 0x02:
        out.kind = CORE_MEMORY;
        out.limits = core_read_limits(r);
        break;
    case 0x03:
        core_read_global_type(r, &out);
        break;
    case 0x04:
        core_read_tag_type(r, types, &out);
        break;
    default:
        reader_fail_at(r, at, "unknown kind 0x%02x of an import or export", kind);
    }
    return out;
}

static void skip_gc_const(struct reader *r, size_t at)
{
    uint32_t op = reader_u32(r);
    switch (op) {
    case 0: // struct.new, struct.new_default
    case 1:
    case 6: // array.new, array.new_default
    case 7:
        (void)reader_u32(r);
        break;
    case 8: // array.new_fixed
        (void)reader_u32(r);
        (void)reader_u32(r);
        break;
    case 26: // any.convert_extern, extern.convert_any, ref.i31
    case 27:
    case 28:
        break;
    default:
        reader_fail_at(r, at, "instruction 0xfb %u in a constant expression", op);
    }
}

// Skips one instruction; false at `end`.
static bool skip_const_instr(struct reader *r)
{
    size_t at = r->pos;
    uint8_t op = reader_u8(r);
    switch (op) {
    case OP_END:
        return false;
    case OP_I32_CONST:
        (void)reader_signed(r, 32);
        break;
    case OP_I64_CONST:
        (void)reader_signed(r, 64);
        break;
    case OP_F32_CONST:
        (void)reader_bytes(r, 4);
        break;
    case OP_F64_CONST:
        (void)reader_bytes(r, 8);
        break;
    case OP_SIMD:
        if (reader_u32(r) != 12) // v128.const
            reader_fail_at(r, at, "SIMD instruction in a constant expression");
        (void)reader_bytes(r, 16);
        break;
    case OP_GLOBAL_GET:
    case OP_REF_FUNC:
        (void)reader_u32(r);
        break;
    case OP_REF_NULL:
        read_heap_type(r);
        break;
    case OP_GC:
        skip_gc_const(r, at);
        break;
    default:
        if (!(op >= OP_I32_ADD && op <= OP_I32_MUL) && !(op >= OP_I64_ADD && op <= OP_I64_MUL))
            reader_fail_at(r, at, "instruction 0x%02x in a constant expression", op);
    }
    return !reader_failed(r);
}

void core_skip_const_expr(struct reader *r)
{
    while (skip_const_instr(r))
        ;
}

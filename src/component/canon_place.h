// SPDX-License-Identifier: Apache-2.0
// Where a value is: in flat core values, or in the memory of a call.
//
// Core values are little endian and of one width, so that a 32-bit value joined into a 64-bit slot,
// or a float into an integer slot, has its bits where they would be without the join. Reading takes
// the low bytes, writing extends with zeros; nobody needs the joined types (CanonicalABI.md
// "Flat Lifting", CoerceValueIter).
#pragma once

#include "component/canon.h"

struct place {
    union core_value *flat; // NULL: in memory
    uint32_t ptr;           // in range and aligned for the whole value
};

static inline uint64_t place_load(const struct canon_call *call, struct place at, uint32_t bytes)
{
    if (at.flat)
        return bytes == 8 ? at.flat->u64 : at.flat->u32;
    uint64_t bits = 0;
    memcpy(&bits, call->memory + at.ptr, bytes);
    return bits;
}

static inline void place_store(struct canon_call *call, struct place at, uint32_t bytes,
                               uint64_t bits)
{
    if (at.flat)
        at.flat->u64 = bits;
    else
        memcpy(call->memory + at.ptr, &bits, bytes);
}

// The part that begins `flat` core values or `offset` bytes into the value.
static inline struct place place_part(struct place at, uint32_t flat, uint32_t offset)
{
    return at.flat ? (struct place){at.flat + flat, 0} : (struct place){NULL, at.ptr + offset};
}

static inline uint32_t place_align(uint32_t offset, uint32_t align)
{
    return (offset + align - 1) & ~(align - 1);
}

// Steps through the members of a record or parameter list.
struct member_cursor {
    uint32_t flat;
    uint32_t offset;
};
static inline struct place member_place(struct member_cursor *cursor, struct place record,
                                        const struct type *t)
{
    cursor->offset = place_align(cursor->offset, t->layout.align);
    struct place at = place_part(record, cursor->flat, cursor->offset);
    cursor->flat += t->layout.flat_count;
    cursor->offset += t->layout.size;
    return at;
}

// A bool, integer, float or char in canonical form: narrow ones from a wider core value lose the
// rest, signed ones are extended to 32 bits. Chars are not checked here.
static inline uint64_t scalar_canonical(enum type_kind kind, uint64_t bits)
{
    switch ((int)kind) {
    case TYPE_BOOL:
        return bits != 0;
    case TYPE_U8:
        return (uint8_t)bits;
    case TYPE_S8:
        return (uint32_t)(int8_t)bits;
    case TYPE_U16:
        return (uint16_t)bits;
    case TYPE_S16:
        return (uint32_t)(int16_t)bits;
    }
    return bits;
}

static inline uint64_t flags_canonical(const struct type *t, uint64_t bits)
{
    return bits & ((UINT64_C(1) << t->field_count) - 1);
}

// Flat parameters of a function that is lowered with the option `async`.
#define FLAT_ASYNC_PARAMS_MAX 4u

// How the parameters of a function travel (up to so many flat values, else one pointer), and
// whether the result goes through memory when it is lowered.
struct call_shape {
    uint32_t flat_params; // core parameters without a return pointer
    bool params_in_memory;
    bool result_in_memory;
    uint32_t size, align; // of the parameters as a tuple
};
// Traps when the tuple of parameters is too large.
_must_use_ int call_shape(struct canon_call *call, const struct func_type *type, bool async_lower,
                          struct call_shape *out);

// The list at (ptr, count) in the call's memory: limits, alignment and bounds.
_must_use_ int place_check_list(struct canon_call *call, const struct type *element, uint32_t ptr,
                                uint32_t count);
// Room for a list in the guest.
_must_use_ int place_alloc_list(struct canon_call *call, const struct type *element, uint32_t count,
                                uint32_t *ptr);

// Reads and checks the case index of a variant, enum, option or result.
_must_use_ int place_load_case(struct canon_call *call, const struct type *t, struct place at,
                               uint32_t *index);
// Writes the case index, and zeros to the flat values that the case leaves unused.
void place_store_case(struct canon_call *call, const struct type *t, struct place at,
                      uint32_t index);
static inline struct place payload_place(const struct type *t, struct place at)
{
    return place_part(at, 1, at.flat ? 0 : type_payload_offset(t));
}

// What the call knows about a resource type.
static inline struct canon_resource place_resource(const struct canon_call *call,
                                                   const struct resource_type *type)
{
    if (call->resources)
        return call->resources[type->index];
    return (struct canon_resource){type, CANON_DEFINER_HOST};
}

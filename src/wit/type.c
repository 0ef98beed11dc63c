// SPDX-License-Identifier: Apache-2.0
#include "wit/type.h"

#include <assert.h>
#include <errno.h>

#define PLAIN(size_, flat_)                                                                        \
    {                                                                                              \
        .size = (size_), .align = (size_), .flat_count = 1, .flat = flat_, .is_plain = true        \
    }
#define CHECKED(size_)                                                                             \
    {                                                                                              \
        .size = (size_), .align = (size_), .flat_count = 1, .flat = "i"                            \
    }
#define POINTER                                                                                    \
    {                                                                                              \
        .size = 8, .align = 4, .flat_count = 2, .flat = "ii", .has_pointers = true                 \
    }
#define HANDLE                                                                                     \
    {                                                                                              \
        .size = 4, .align = 4, .flat_count = 1, .flat = "i", .has_handles = true                   \
    }

static const struct type primitives[] = {
    [TYPE_BOOL] = {.kind = TYPE_BOOL, .layout = CHECKED(1)},
    [TYPE_S8] = {.kind = TYPE_S8, .layout = PLAIN(1, "i")},
    [TYPE_U8] = {.kind = TYPE_U8, .layout = PLAIN(1, "i")},
    [TYPE_S16] = {.kind = TYPE_S16, .layout = PLAIN(2, "i")},
    [TYPE_U16] = {.kind = TYPE_U16, .layout = PLAIN(2, "i")},
    [TYPE_S32] = {.kind = TYPE_S32, .layout = PLAIN(4, "i")},
    [TYPE_U32] = {.kind = TYPE_U32, .layout = PLAIN(4, "i")},
    [TYPE_S64] = {.kind = TYPE_S64, .layout = PLAIN(8, "I")},
    [TYPE_U64] = {.kind = TYPE_U64, .layout = PLAIN(8, "I")},
    [TYPE_F32] = {.kind = TYPE_F32, .layout = PLAIN(4, "f")},
    [TYPE_F64] = {.kind = TYPE_F64, .layout = PLAIN(8, "F")},
    [TYPE_CHAR] = {.kind = TYPE_CHAR, .layout = CHECKED(4)},
    [TYPE_STRING] = {.kind = TYPE_STRING, .layout = POINTER},
    [TYPE_ERROR_CONTEXT] = {.kind = TYPE_ERROR_CONTEXT, .layout = HANDLE},
};

const struct type *type_primitive(enum type_kind kind)
{
    assert(kind <= TYPE_ERROR_CONTEXT);
    return &primitives[kind];
}

uint32_t type_discriminant_size(uint32_t case_count)
{
    return case_count <= 0x100 ? 1 : case_count <= 0x10000 ? 2 : 4;
}

uint32_t type_case_count(const struct type *t)
{
    if (t->kind == TYPE_OPTION || t->kind == TYPE_RESULT)
        return 2;
    return t->kind == TYPE_VARIANT || t->kind == TYPE_ENUM ? t->field_count : 0;
}

const struct type *type_case(const struct type *t, uint32_t i)
{
    if (t->kind == TYPE_OPTION)
        return i ? t->element : NULL;
    if (t->kind == TYPE_RESULT)
        return i ? t->error : t->element;
    return t->fields[i].type;
}

static uint64_t align_up(uint64_t at, uint32_t align)
{
    return (at + align - 1) & ~(uint64_t)(align - 1);
}

uint32_t type_payload_offset(const struct type *t)
{
    uint32_t count = type_case_count(t), align = 1;
    if (t->kind == TYPE_ENUM || count == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct type *payload = type_case(t, i);
        if (payload)
            align = MAX(align, payload->layout.align);
    }
    return (uint32_t)align_up(type_discriminant_size(count), align);
}

static void inherit(struct type_layout *layout, const struct type_layout *part)
{
    layout->align = MAX(layout->align, part->align);
    layout->has_handles |= part->has_handles;
    layout->has_pointers |= part->has_pointers;
}

static void append_flat(struct type_layout *layout, const struct type_layout *part)
{
    uint32_t count = (uint32_t)layout->flat_count + part->flat_count;
    if (count > TYPE_FLAT_MAX) {
        layout->flat_count = TYPE_FLAT_MAX + 1;
        memset(layout->flat, 0, sizeof(layout->flat));
        return;
    }
    memcpy(layout->flat + layout->flat_count, part->flat, part->flat_count);
    layout->flat_count = (uint8_t)count;
}

// Adds one member behind `*end`. CanonicalABI.md "Element Size" (elem_size_record).
static int append_member(struct type_layout *layout, uint64_t *end, const struct type *member)
{
    uint64_t start = align_up(*end, member->layout.align);
    layout->has_padding |= start > *end || member->layout.has_padding;
    *end = start + member->layout.size;
    if (*end > UINT32_MAX)
        return -EOVERFLOW;
    inherit(layout, &member->layout);
    layout->is_plain &= member->layout.is_plain;
    append_flat(layout, &member->layout);
    return 0;
}

static int finish_size(struct type_layout *layout, uint64_t end)
{
    uint64_t size = align_up(end, layout->align);
    if (size > UINT32_MAX)
        return -EOVERFLOW;
    layout->has_padding |= size > end;
    layout->size = (uint32_t)size;
    return 0;
}

static int record_layout(const struct type *t, struct type_layout *layout)
{
    uint64_t end = 0;
    *layout = (struct type_layout){.align = 1, .is_plain = true};
    for (uint32_t i = 0; i < t->field_count; i++) {
        int rc = append_member(layout, &end, t->fields[i].type);
        if (rc < 0)
            return rc;
    }
    return finish_size(layout, end);
}

static int fixed_list_layout(const struct type *t, struct type_layout *layout)
{
    const struct type_layout *part = &t->element->layout;
    uint64_t size = (uint64_t)part->size * t->length;
    if (size > UINT32_MAX)
        return -EOVERFLOW;
    *layout = (struct type_layout){
        .size = (uint32_t)size, .is_plain = part->is_plain, .has_padding = part->has_padding};
    inherit(layout, part);
    for (uint32_t i = 0; i < t->length && part->flat_count > 0; i++) {
        append_flat(layout, part);
        if (layout->flat_count > TYPE_FLAT_MAX)
            break;
    }
    return 0;
}

// CanonicalABI.md "Flattening" (join).
static char join(char a, char b)
{
    if (a == b)
        return a;
    return (a == 'i' && b == 'f') || (a == 'f' && b == 'i') ? 'i' : 'I';
}

// Joins a case's flat types into those behind the discriminant.
static void join_flat(struct type_layout *layout, const struct type_layout *payload)
{
    if (layout->flat_count > TYPE_FLAT_MAX)
        return;
    if (payload->flat_count >= TYPE_FLAT_MAX) {
        layout->flat_count = TYPE_FLAT_MAX + 1;
        memset(layout->flat, 0, sizeof(layout->flat));
        return;
    }
    for (uint8_t i = 0; i < payload->flat_count; i++) {
        if (i + 1 < layout->flat_count) {
            layout->flat[i + 1] = join(layout->flat[i + 1], payload->flat[i]);
        } else {
            layout->flat[i + 1] = payload->flat[i];
            layout->flat_count = (uint8_t)(i + 2);
        }
    }
}

static int variant_layout(const struct type *t, struct type_layout *layout)
{
    uint32_t count = type_case_count(t), size = 0;
    uint32_t discriminant = type_discriminant_size(count);
    *layout = (struct type_layout){.align = discriminant, .flat_count = 1, .flat = "i"};
    for (uint32_t i = 0; i < count; i++) {
        const struct type *payload = type_case(t, i);
        if (!payload)
            continue;
        size = MAX(size, payload->layout.size);
        inherit(layout, &payload->layout);
        join_flat(layout, &payload->layout);
    }
    uint64_t offset = size ? type_payload_offset(t) : discriminant;
    return finish_size(layout, offset + size);
}

static int flags_layout(const struct type *t, struct type_layout *layout)
{
    if (t->field_count > 32)
        return -EOVERFLOW;
    uint32_t size = t->field_count <= 8 ? 1 : t->field_count <= 16 ? 2 : 4;
    *layout = (struct type_layout)CHECKED(size);
    return 0;
}

int type_compute_layout(struct type *t)
{
    struct type_layout layout = {0};
    int rc = 0;
    switch (t->kind) {
    case TYPE_BOOL:
    case TYPE_S8:
    case TYPE_U8:
    case TYPE_S16:
    case TYPE_U16:
    case TYPE_S32:
    case TYPE_U32:
    case TYPE_S64:
    case TYPE_U64:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_CHAR:
    case TYPE_STRING:
    case TYPE_ERROR_CONTEXT:
        layout = primitives[t->kind].layout;
        break;
    case TYPE_LIST:
    case TYPE_MAP:
        layout = (struct type_layout)POINTER;
        layout.has_handles =
            t->element->layout.has_handles || (t->error && t->error->layout.has_handles);
        break;
    case TYPE_FIXED_LIST:
        rc = fixed_list_layout(t, &layout);
        break;
    case TYPE_RECORD:
    case TYPE_TUPLE:
        rc = record_layout(t, &layout);
        break;
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        rc = variant_layout(t, &layout);
        break;
    case TYPE_FLAGS:
        rc = flags_layout(t, &layout);
        break;
    case TYPE_OWN:
    case TYPE_BORROW:
    case TYPE_STREAM:
    case TYPE_FUTURE:
        layout = (struct type_layout)HANDLE;
        break;
    }
    if (rc == 0)
        t->layout = layout;
    return rc;
}

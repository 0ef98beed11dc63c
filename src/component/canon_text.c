// SPDX-License-Identifier: Apache-2.0
#include "component/canon_text.h"

#include "base/utf8.h"

// The length of a latin1+utf16 string whose code units are UTF-16 has this bit set.
#define UTF16_TAG (UINT32_C(1) << 31)

int text_view(struct canon_call *call, uint32_t ptr, uint32_t len, struct text *out)
{
    struct text text = {.units = len};
    uint32_t unit_bytes = 1, align = 1;
    switch (call->encoding) {
    case ENCODING_UTF8:
        text.form = TEXT_UTF8;
        break;
    case ENCODING_UTF16:
        text.form = TEXT_UTF16;
        unit_bytes = align = 2;
        break;
    case ENCODING_LATIN1_UTF16:
        text.form = len & UTF16_TAG ? TEXT_UTF16 : TEXT_LATIN1;
        text.units = len & ~UTF16_TAG;
        unit_bytes = len & UTF16_TAG ? 2 : 1;
        align = 2;
        break;
    }
    if (unlikely((uint64_t)text.units * unit_bytes > CANON_STRING_BYTES_MAX))
        return canon_trap(call, "a string of %u code units is longer than the limit of %u bytes",
                          text.units, CANON_STRING_BYTES_MAX);
    const void *data = NULL;
    int rc = canon_view(call, ptr, text.units * unit_bytes, 1, align, &data);
    if (unlikely(rc < 0))
        return rc;
    text.data = data;
    *out = text;
    return 0;
}

static inline uint32_t utf16_unit(const uint8_t *data, size_t index)
{
    uint16_t unit;
    memcpy(&unit, data + index * 2, sizeof(unit));
    return unit;
}

// The code point at unit *pos, which is advanced; -1 when ill formed.
static inline int32_t next_utf16(const struct text *text, size_t *pos)
{
    uint32_t unit = utf16_unit(text->data, *pos);
    if (unit < 0xd800 || unit > 0xdfff) {
        *pos += 1;
        return (int32_t)unit;
    }
    if (unit > 0xdbff || *pos + 1 >= text->units)
        return -1;
    uint32_t low = utf16_unit(text->data, *pos + 1);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    *pos += 2;
    return (int32_t)(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
}

static inline int32_t next_char(const struct text *text, size_t *pos)
{
    switch (text->form) {
    case TEXT_UTF8:
        return utf8_decode(str_of((const char *)text->data, text->units), pos);
    case TEXT_UTF16:
        return next_utf16(text, pos);
    case TEXT_LATIN1:
        break;
    }
    return text->data[(*pos)++];
}

__attribute__((cold)) static int trap_ill_formed(struct canon_call *call, const struct text *text,
                                                 size_t pos)
{
    return canon_trap(call, "a string is not valid %s at code unit %zu of %u",
                      text->form == TEXT_UTF16 ? "UTF-16" : "UTF-8", pos, text->units);
}

// Most text is ASCII: runs of it are handled by blocks, in vectors that every target has or
// imitates.
#define BLOCK_UNITS 16u
typedef uint8_t narrow_block __attribute__((vector_size(BLOCK_UNITS)));
typedef uint16_t wide_block __attribute__((vector_size(BLOCK_UNITS * 2)));

// No byte of the block has a bit of `mask`, which repeats for each unit.
static inline bool is_clear(const uint8_t *block, size_t bytes, uint64_t mask)
{
    uint64_t seen = 0, word;
    for (size_t i = 0; i < bytes; i += sizeof(word)) {
        memcpy(&word, block + i, sizeof(word));
        seen |= word;
    }
    return !(seen & mask);
}

#define MASK_NOT_ASCII8   UINT64_C(0x8080808080808080)
#define MASK_NOT_ASCII16  UINT64_C(0xff80ff80ff80ff80)
#define MASK_NOT_LATIN116 UINT64_C(0xff00ff00ff00ff00)

// How many units from `pos` on are ASCII, counted by blocks.
static inline size_t ascii_run(const struct text *text, size_t pos)
{
    size_t unit = text->form == TEXT_UTF16 ? 2 : 1, at = pos;
    uint64_t mask = unit == 2 ? MASK_NOT_ASCII16 : MASK_NOT_ASCII8;
    while (at + 4 * BLOCK_UNITS <= text->units &&
           is_clear(text->data + at * unit, 4 * BLOCK_UNITS, mask) &&
           (unit == 1 || is_clear(text->data + at * 2 + 4 * BLOCK_UNITS, 4 * BLOCK_UNITS, mask)))
        at += 4 * BLOCK_UNITS;
    while (at + BLOCK_UNITS / 2 <= text->units &&
           is_clear(text->data + at * unit, BLOCK_UNITS / 2, mask) &&
           (unit == 1 || is_clear(text->data + at * 2 + BLOCK_UNITS / 2, BLOCK_UNITS / 2, mask)))
        at += BLOCK_UNITS / 2;
    return at - pos;
}

int text_measure(struct canon_call *call, const struct text *text, struct text_measure *out)
{
    struct text_measure measure = {0};
    for (size_t pos = 0; pos < text->units;) {
        size_t run = ascii_run(text, pos);
        measure.utf8_bytes += run;
        measure.utf16_units += run;
        pos += run;
        if (pos == text->units)
            break;
        int32_t c = next_char(text, &pos);
        if (unlikely(c < 0))
            return trap_ill_formed(call, text, pos);
        measure.utf8_bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        measure.utf16_units += c < 0x10000 ? 1 : 2;
        measure.highest = MAX(measure.highest, (uint32_t)c);
    }
    *out = measure;
    return 0;
}

static uint8_t *put_utf16(uint8_t *out, uint32_t unit)
{
    uint16_t narrow = (uint16_t)unit;
    memcpy(out, &narrow, sizeof(narrow));
    return out + sizeof(narrow);
}

static uint8_t *put_char(uint8_t *out, enum text_form form, uint32_t c)
{
    switch (form) {
    case TEXT_UTF8:
        return out + utf8_encode(c, (char *)out);
    case TEXT_UTF16:
        if (c < 0x10000)
            return put_utf16(out, c);
        out = put_utf16(out, 0xd800 + ((c - 0x10000) >> 10));
        return put_utf16(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
    case TEXT_LATIN1:
        break;
    }
    *out = (uint8_t)c;
    return out + 1;
}

// The runs return how many units they wrote; what is left has another character in its next block.
static size_t widen_run(const struct text *text, size_t pos, uint8_t *out)
{
    uint64_t mask = text->form == TEXT_LATIN1 ? 0 : MASK_NOT_ASCII8;
    size_t at = pos;
    for (; at + BLOCK_UNITS <= text->units; at += BLOCK_UNITS) {
        narrow_block narrow;
        memcpy(&narrow, text->data + at, sizeof(narrow));
        if (!is_clear(text->data + at, BLOCK_UNITS, mask))
            break;
        wide_block wide = __builtin_convertvector(narrow, wide_block);
        memcpy(out + (at - pos) * 2, &wide, sizeof(wide));
    }
    return at - pos;
}

static size_t narrow_run(const struct text *text, size_t pos, enum text_form form, uint8_t *out)
{
    uint64_t mask = form == TEXT_LATIN1 ? MASK_NOT_LATIN116 : MASK_NOT_ASCII16;
    size_t at = pos;
    for (; at + BLOCK_UNITS <= text->units; at += BLOCK_UNITS) {
        wide_block wide;
        memcpy(&wide, text->data + at * 2, sizeof(wide));
        if (!is_clear(text->data + at * 2, BLOCK_UNITS * 2, mask))
            break;
        narrow_block narrow = __builtin_convertvector(wide, narrow_block);
        memcpy(out + (at - pos), &narrow, sizeof(narrow));
    }
    return at - pos;
}

static size_t copy_run(const struct text *text, size_t pos, uint8_t *out)
{
    size_t run = ascii_run(text, pos);
    memcpy(out, text->data + pos, run);
    return run;
}

static inline size_t encode_run(const struct text *text, size_t pos, enum text_form form,
                                uint8_t *out)
{
    if (text->form == TEXT_UTF16)
        return narrow_run(text, pos, form, out);
    return form == TEXT_UTF16 ? widen_run(text, pos, out) : copy_run(text, pos, out);
}

void text_encode(const struct text *text, enum text_form form, uint8_t *out)
{
    if (text->form == form) {
        memcpy(out, text->data, (size_t)text->units * (form == TEXT_UTF16 ? 2 : 1));
        return;
    }
    for (size_t pos = 0; pos < text->units;) {
        size_t run = encode_run(text, pos, form, out);
        out += form == TEXT_UTF16 ? run * 2 : run;
        pos += run;
        // Then a block by characters, as another kind of text seldom changes back at once.
        for (size_t end = MIN(pos + BLOCK_UNITS, text->units); pos < end;) {
            int32_t c = next_char(text, &pos);
            if (c < 0) // memory changed under us, which the ABI rules out
                return;
            out = put_char(out, form, (uint32_t)c);
        }
    }
}

int text_target(struct canon_call *call, const struct text_measure *measure,
                struct text_target *out)
{
    size_t bytes = 0, len = 0;
    struct text_target target = {0};
    switch (call->encoding) {
    case ENCODING_UTF8:
        target = (struct text_target){.form = TEXT_UTF8, .align = 1};
        bytes = len = measure->utf8_bytes;
        break;
    case ENCODING_UTF16:
        target = (struct text_target){.form = TEXT_UTF16, .align = 2};
        len = measure->utf16_units;
        bytes = len * 2;
        break;
    case ENCODING_LATIN1_UTF16:
        target.form = measure->highest < 0x100 ? TEXT_LATIN1 : TEXT_UTF16;
        target.align = 2;
        len = measure->utf16_units;
        bytes = target.form == TEXT_LATIN1 ? len : len * 2;
        break;
    }
    if (unlikely(bytes > 2 * (size_t)CANON_STRING_BYTES_MAX))
        return canon_trap(call, "a string of %zu bytes is longer than the limit of %u", bytes,
                          2 * CANON_STRING_BYTES_MAX);
    target.bytes = (uint32_t)bytes;
    target.len = (uint32_t)len;
    if (call->encoding == ENCODING_LATIN1_UTF16 && target.form == TEXT_UTF16)
        target.len |= UTF16_TAG;
    *out = target;
    return 0;
}

int canon_lift_string(struct canon_call *call, uint32_t ptr, uint32_t len, struct str *out)
{
    struct text text = {0};
    int rc = text_view(call, ptr, len, &text);
    if (unlikely(rc < 0))
        return rc;
    if (likely(text.form == TEXT_UTF8)) {
        struct str view = str_of((const char *)text.data, text.units);
        size_t valid = utf8_valid_prefix(view);
        if (unlikely(valid < view.len))
            return trap_ill_formed(call, &text, valid);
        *out = view;
        return 0;
    }
    struct text_measure measure = {0};
    rc = text_measure(call, &text, &measure);
    if (rc < 0)
        return rc;
    char *copy = arena_try_alloc(call->arena, measure.utf8_bytes + 1);
    if (!copy)
        return canon_trap(call, "no room for a string of %zu bytes", measure.utf8_bytes);
    text_encode(&text, TEXT_UTF8, (uint8_t *)copy);
    *out = str_of(copy, measure.utf8_bytes);
    return 0;
}

int text_keep(struct canon_call *call, struct text *text)
{
    size_t size = (size_t)text->units * (text->form == TEXT_UTF16 ? 2 : 1);
    uint8_t *copy = arena_try_alloc(call->arena, size + 1);
    if (!copy)
        return canon_trap(call, "no room for a string of %zu bytes", size);
    if (size > 0)
        memcpy(copy, text->data, size);
    text->data = copy;
    return 0;
}

static bool is_in_memory(const struct canon_call *call, const uint8_t *data)
{
    uintptr_t at = (uintptr_t)data, start = (uintptr_t)call->memory;
    return call->memory && at >= start && at - start < call->memory_size;
}

int canon_lower_string(struct canon_call *call, struct str value, uint32_t *ptr, uint32_t *len)
{
    if (unlikely(value.len > CANON_STRING_BYTES_MAX))
        return canon_trap(call, "a string of %zu bytes is longer than the limit of %u", value.len,
                          CANON_STRING_BYTES_MAX);
    if (likely(call->encoding == ENCODING_UTF8))
        return canon_lower_bytes(call, value.data, value.len, 1, 1, ptr, len);
    struct text text = {(const uint8_t *)value.data, (uint32_t)value.len, TEXT_UTF8};
    struct text_measure measure = {0};
    struct text_target target = {0};
    // The guest's realloc could change its own memory after the text was measured.
    int rc = is_in_memory(call, text.data) ? text_keep(call, &text) : 0;
    if (rc == 0)
        rc = text_measure(call, &text, &measure);
    if (rc == 0)
        rc = text_target(call, &measure, &target);
    uint32_t at = 0;
    if (rc == 0)
        rc = canon_alloc(call, target.bytes, target.align, &at);
    if (rc < 0)
        return rc;
    if (target.bytes > 0)
        text_encode(&text, target.form, call->memory + at);
    *ptr = at;
    *len = target.len;
    return 0;
}

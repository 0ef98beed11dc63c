// SPDX-License-Identifier: Apache-2.0
// Strings of the canonical ABI in their three encodings: checking, measuring, transcoding
// (CanonicalABI.md load_string_from_range, store_string_into_range).
#pragma once

#include "component/canon.h"

enum text_form { TEXT_UTF8, TEXT_UTF16, TEXT_LATIN1 };

// A string in linear memory or of the host, borrowed. `data` need not be aligned.
struct text {
    const uint8_t *data;
    uint32_t units; // code units of the form
    enum text_form form;
};

// What a string needs in each form.
struct text_measure {
    size_t utf8_bytes;
    size_t utf16_units;
    uint32_t highest; // code point beyond ASCII, else less than 0x80
};

// The string at `ptr` with the tagged length `len` of a call's memory: limit, alignment and bounds
// are checked, its characters are not yet.
_must_use_ int text_view(struct canon_call *call, uint32_t ptr, uint32_t len, struct text *out);

// Moves what is seen into the call's arena, out of reach of guest code.
_must_use_ int text_keep(struct canon_call *call, struct text *text);

// Traps when the text is not well formed.
_must_use_ int text_measure(struct canon_call *call, const struct text *text,
                            struct text_measure *out);

// Writes well-formed text in another form, which must have room as measured.
void text_encode(const struct text *text, enum text_form form, uint8_t *out);

// Where text goes in a call's encoding: form, bytes, alignment, tagged length. Traps over the
// limit.
struct text_target {
    enum text_form form;
    uint32_t bytes;
    uint32_t align;
    uint32_t len;
};
_must_use_ int text_target(struct canon_call *call, const struct text_measure *measure,
                           struct text_target *out);

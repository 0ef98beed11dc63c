// SPDX-License-Identifier: Apache-2.0
// Writes the primitives of the binary formats (LEB128, names, vectors): the counterpart of
// component/reader.h.
//
// Being full sticks: after the first write beyond the maximum nothing is added any more, so an
// encoder asks once, at its end.
#pragma once

#include "base/buf.h"

struct writer {
    struct buf bytes;
    bool full;
};

// At most `bytes_max` bytes.
void writer_init(struct writer *w, size_t bytes_max);
void writer_done(struct writer *w);

void writer_u8(struct writer *w, uint8_t byte);
// Unsigned LEB128.
void writer_u32(struct writer *w, uint32_t value);
void writer_u64(struct writer *w, uint64_t value);
// Signed LEB128.
void writer_signed(struct writer *w, int64_t value);
void writer_bytes(struct writer *w, struct str bytes);
// A length and that many bytes.
void writer_name(struct writer *w, struct str name);
// A section or custom section: an id, the size of the content, the content.
void writer_section(struct writer *w, uint8_t id, struct str content);

// Begins something that is preceded by its size in bytes; writer_close() fills the size in, at its
// full width.
_must_use_ size_t writer_open(struct writer *w);
void writer_close(struct writer *w, size_t opened);

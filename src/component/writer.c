// SPDX-License-Identifier: Apache-2.0
#include "component/writer.h"

void writer_init(struct writer *w, size_t bytes_max)
{
    *w = (struct writer){.bytes = BUF_INIT(bytes_max)};
}

void writer_done(struct writer *w)
{
    buf_done(&w->bytes);
}

void writer_bytes(struct writer *w, struct str bytes)
{
    if (!w->full && buf_add_str(&w->bytes, bytes) < 0)
        w->full = true;
}

void writer_u8(struct writer *w, uint8_t byte)
{
    writer_bytes(w, str_of((const char *)&byte, 1));
}

void writer_u64(struct writer *w, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        writer_u8(w, (uint8_t)(value | 0x80));
    writer_u8(w, (uint8_t)value);
}

void writer_u32(struct writer *w, uint32_t value)
{
    writer_u64(w, value);
}

void writer_signed(struct writer *w, int64_t value)
{
    // The last byte's bit 6 is the sign.
    while (value < -0x40 || value >= 0x40) {
        writer_u8(w, (uint8_t)((value & 0x7f) | 0x80));
        value >>= 7;
    }
    writer_u8(w, (uint8_t)(value & 0x7f));
}

void writer_name(struct writer *w, struct str name)
{
    writer_u64(w, name.len);
    writer_bytes(w, name);
}

void writer_section(struct writer *w, uint8_t id, struct str content)
{
    writer_u8(w, id);
    writer_name(w, content);
}

#define SIZE_BYTES 5

size_t writer_open(struct writer *w)
{
    size_t opened = w->bytes.len;
    writer_bytes(w, str_of("\x80\x80\x80\x80\0", SIZE_BYTES));
    return opened;
}

void writer_close(struct writer *w, size_t opened)
{
    if (w->full)
        return;
    size_t size = w->bytes.len - opened - SIZE_BYTES;
    for (size_t i = 0; i < SIZE_BYTES; i++)
        w->bytes.data[opened + i] =
            (char)(((size >> (7 * i)) & 0x7f) | (i + 1 < SIZE_BYTES ? 0x80 : 0));
}

// SPDX-License-Identifier: Apache-2.0
#include "component/reader.h"

#include <errno.h>
#include <stdarg.h>

#include "base/buf.h"
#include "base/utf8.h"

#define PATH_TEXT_MAX 4096

void reader_init(struct reader *r, struct str bytes, size_t base, const char *subject,
                 struct error *err)
{
    *r = (struct reader){
        .data = (const uint8_t *)bytes.data,
        .end = bytes.len,
        .base = base,
        .subject = subject,
        .items_left = READER_ITEMS_MAX,
        .err = err,
    };
}

static void path_put(struct buf *out, const struct reader_path *path)
{
    const struct reader_path *frames[64];
    size_t count = 0;
    for (; path && count < ARRAY_LEN(frames); path = path->up)
        frames[count++] = path;
    for (size_t i = count; i-- > 0;) {
        const char *sep = i + 1 == count ? "" : ", ";
        if (frames[i]->name.len > 0)
            (void)!buf_printf(out, "%s%s `%.*s`", sep, frames[i]->what,
                              (int)MIN(frames[i]->name.len, 200), frames[i]->name.data);
        else
            (void)!buf_printf(out, "%s%s %u", sep, frames[i]->what, frames[i]->index);
    }
}

int reader_fail_at(struct reader *r, size_t at, const char *fmt, ...)
{
    if (r->rc != 0)
        return r->rc;
    char message[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    BUF(where, PATH_TEXT_MAX);
    path_put(&where, r->path);
    if (where.len > 0)
        r->rc = error_set(r->err, -EINVAL, "%s: byte 0x%zx (%.*s): %s", r->subject, r->base + at,
                          STR_ARG(buf_str(&where)), message);
    else
        r->rc = error_set(r->err, -EINVAL, "%s: byte 0x%zx: %s", r->subject, r->base + at, message);
    return r->rc;
}

uint8_t reader_u8(struct reader *r)
{
    if (r->rc != 0)
        return 0;
    if (r->pos >= r->end) {
        reader_fail(r, "unexpected end");
        return 0;
    }
    return r->data[r->pos++];
}

uint8_t reader_peek(struct reader *r)
{
    return r->rc == 0 && r->pos < r->end ? r->data[r->pos] : 0;
}

static uint64_t read_unsigned(struct reader *r, unsigned bits)
{
    size_t start = r->pos;
    uint64_t value = 0;
    for (unsigned shift = 0; r->rc == 0; shift += 7) {
        uint8_t byte = reader_u8(r);
        unsigned room = bits - shift;
        if (room < 7 && (byte >> room) != 0) {
            reader_fail_at(r, start, "integer does not fit %u bits", bits);
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return r->rc == 0 ? value : 0;
    }
    return 0;
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)read_unsigned(r, 32);
}

uint64_t reader_u64(struct reader *r)
{
    return read_unsigned(r, 64);
}

int64_t reader_signed(struct reader *r, unsigned bits)
{
    size_t start = r->pos;
    uint64_t value = 0;
    for (unsigned shift = 0; r->rc == 0; shift += 7) {
        uint8_t byte = reader_u8(r);
        unsigned room = bits - shift;
        if (room < 7) {
            // The last byte: no continuation, and its unused bits repeat the sign.
            uint8_t sign = (uint8_t)((byte & 0x7f) >> (room - 1));
            uint8_t ones = (uint8_t)(0x7f >> (room - 1));
            if ((byte & 0x80) || (sign != 0 && sign != ones)) {
                reader_fail_at(r, start, "integer does not fit %u bits", bits);
                return 0;
            }
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if ((byte & 0x40) && shift + 7 < 64)
                value |= ~(uint64_t)0 << (shift + 7);
            return r->rc == 0 ? (int64_t)value : 0;
        }
    }
    return 0;
}

struct str reader_bytes(struct reader *r, size_t len)
{
    if (r->rc != 0)
        return STR_EMPTY;
    if (len > reader_left(r)) {
        reader_fail(r, "unexpected end: %zu bytes wanted, %zu left", len, reader_left(r));
        return STR_EMPTY;
    }
    struct str bytes = str_of((const char *)r->data + r->pos, len);
    r->pos += len;
    return bytes;
}

struct str reader_name(struct reader *r)
{
    size_t start = r->pos;
    struct str name = reader_bytes(r, reader_u32(r));
    if (!utf8_valid(name)) {
        reader_fail_at(r, start, "name is not valid UTF-8");
        return STR_EMPTY;
    }
    return name;
}

bool reader_flag(struct reader *r, const char *what)
{
    size_t at = r->pos;
    uint8_t byte = reader_u8(r);
    if (byte > 1)
        reader_fail_at(r, at, "invalid byte 0x%02x for %s", byte, what);
    return byte == 1;
}

uint32_t reader_count(struct reader *r, size_t bytes_min, const char *what)
{
    size_t at = r->pos;
    uint32_t count = reader_u32(r);
    if (r->rc != 0)
        return 0;
    if (count > reader_left(r) / bytes_min) {
        reader_fail_at(r, at, "%u %s do not fit the %zu bytes that are left", count, what,
                       reader_left(r));
        return 0;
    }
    if (count > r->items_left) {
        reader_fail_at(r, at, "more than %u items in one file (at %u %s)", READER_ITEMS_MAX, count,
                       what);
        return 0;
    }
    r->items_left -= count;
    return count;
}

uint32_t reader_index(struct reader *r, uint32_t count, const char *what)
{
    size_t at = r->pos;
    uint32_t index = reader_u32(r);
    if (r->rc == 0 && index >= count) {
        reader_fail_at(r, at, "unknown %s %u (there are %u)", what, index, count);
        return 0;
    }
    return index;
}

size_t reader_enter(struct reader *r, const char *what)
{
    size_t at = r->pos;
    uint32_t size = reader_u32(r);
    size_t end = r->end;
    if (r->rc != 0)
        return end;
    if (size > reader_left(r))
        reader_fail_at(r, at, "%s of %u bytes is cut off: %zu bytes are left", what, size,
                       reader_left(r));
    else
        r->end = r->pos + size;
    return end;
}

void reader_leave(struct reader *r, size_t end, const char *what)
{
    if (r->rc == 0 && r->pos != r->end)
        reader_fail(r, "%s has %zu bytes too many", what, reader_left(r));
    r->end = end;
}

// SPDX-License-Identifier: Apache-2.0
// A growing byte buffer with a maximum. Appending beyond it fails and changes nothing.
#pragma once

#include "base/str.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; // bytes
};

#define BUF_INIT(limit) ((struct buf){NULL, 0, 0, (limit)})
// Declares a buffer of at most `limit` bytes, released at the end of scope.
#define BUF(name, limit) _cleanup_(buf_done) struct buf name = {NULL, 0, 0, (limit)}

void buf_done(struct buf *buf);

// Makes room for `extra` more bytes. 0, or -ENOBUFS over the maximum.
_must_use_ int buf_reserve(struct buf *buf, size_t extra);

// Append. 0, or -ENOBUFS over the maximum (nothing is appended then).
_must_use_ int buf_add(struct buf *buf, const void *data, size_t len);
_must_use_ int buf_add_str(struct buf *buf, struct str s);
_must_use_ int buf_add_char(struct buf *buf, char c);
_must_use_ int buf_printf(struct buf *buf, const char *fmt, ...) _printf_(2, 3);

// Drops `len` bytes from the front.
void buf_consume(struct buf *buf, size_t len);

static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data ? buf->data : "", buf->len};
}

// The content as a NUL-terminated heap string, owned by the caller; the buffer is empty afterwards.
_malloc_ char *buf_take(struct buf *buf);

// Text builders for output that is bounded by our own input: they abort at the maximum.
void buf_put(struct buf *buf, struct str s);
void buf_putf(struct buf *buf, const char *fmt, ...) _printf_(2, 3);

// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = BUF_INIT(buf->max);
}

int buf_reserve(struct buf *buf, size_t extra)
{
    if (extra > buf->max || buf->len > buf->max - extra)
        return -ENOBUFS;
    size_t need = buf->len + extra;
    if (need <= buf->cap)
        return 0;
    size_t cap = MAX(buf->cap * 2, (size_t)64);
    cap = MIN(MAX(cap, need), buf->max);
    char *grown = try_realloc(buf->data, cap);
    if (!grown)
        return -ENOBUFS;
    buf->data = grown;
    buf->cap = cap;
    return 0;
}

int buf_add(struct buf *buf, const void *data, size_t len)
{
    int rc = buf_reserve(buf, len);
    if (rc < 0)
        return rc;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return 0;
}

int buf_add_str(struct buf *buf, struct str s)
{
    return buf_add(buf, s.data, s.len);
}

int buf_add_char(struct buf *buf, char c)
{
    return buf_add(buf, &c, 1);
}

_printf_(2, 0) static int add_formatted(struct buf *buf, const char *fmt, va_list args)
{
    char *text = NULL;
    int len = vasprintf(&text, fmt, args);
    if (len < 0)
        die_oom(0);
    int rc = buf_add(buf, text, (size_t)len);
    free(text);
    return rc;
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int rc = add_formatted(buf, fmt, args);
    va_end(args);
    return rc;
}

void buf_consume(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (buf->len && len)
        memmove(buf->data, buf->data + len, buf->len);
}

char *buf_take(struct buf *buf)
{
    char *text = mem_realloc(buf->data, buf->len + 1);
    text[buf->len] = 0;
    *buf = BUF_INIT(buf->max);
    return text;
}

void buf_put(struct buf *buf, struct str s)
{
    if (buf_add_str(buf, s) < 0)
        die_oom(buf->max);
}

void buf_putf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int rc = add_formatted(buf, fmt, args);
    va_end(args);
    if (rc < 0)
        die_oom(buf->max);
}

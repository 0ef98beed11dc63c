// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include <stdarg.h>

void die_oom(size_t size)
{
    fprintf(stderr, "wash: out of memory (asked for %zu bytes)\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(size ? size : 1);
    if (!ptr)
        die_oom(size);
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (!ptr)
        die_oom(size);
    return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *grown = realloc(ptr, size ? size : 1);
    if (!grown)
        die_oom(size);
    return grown;
}

void *mem_realloc_array(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        die_oom(SIZE_MAX);
    return mem_realloc(ptr, bytes);
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        die_oom(0);
    return text;
}

void *try_alloc(size_t size)
{
    return malloc(size ? size : 1);
}

void *try_realloc(void *ptr, size_t size)
{
    return realloc(ptr, size ? size : 1);
}

void mem_wipe(void *data, size_t len)
{
    explicit_bzero(data, len);
}

// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdarg.h>

#define ARENA_CHUNK_BYTES ((size_t)4096)
#define ARENA_ALIGN       ((size_t)16)

struct arena_chunk {
    struct arena_chunk *older;
    size_t size;
    _Alignas(16) char data[];
};

static void use_chunk(struct arena *arena, struct arena_chunk *chunk)
{
    arena->next = chunk->data;
    arena->end = chunk->data + chunk->size;
}

void arena_done(struct arena *arena)
{
    for (struct arena_chunk *chunk = arena->chunks; chunk;) {
        struct arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    *arena = ARENA_INIT(arena->limit);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = NULL;
    for (struct arena_chunk *chunk = arena->chunks; chunk;) {
        struct arena_chunk *older = chunk->older;
        if (!kept && chunk->size == ARENA_CHUNK_BYTES)
            kept = chunk;
        else
            free(chunk);
        chunk = older;
    }
    *arena = ARENA_INIT(arena->limit);
    if (!kept)
        return;
    kept->older = NULL;
    arena->chunks = kept;
    use_chunk(arena, kept);
}

void arena_release_chunks(struct arena *arena, struct arena_mark mark)
{
    // The first chunk stays for the next use; marks taken before it point at none.
    while (arena->chunks != mark.chunks && arena->chunks->older) {
        struct arena_chunk *older = arena->chunks->older;
        free(arena->chunks);
        arena->chunks = older;
    }
    arena->used = mark.used;
    if (!arena->chunks)
        return;
    use_chunk(arena, arena->chunks);
    if (arena->chunks == mark.chunks)
        arena->next = mark.next;
}

static void *alloc(struct arena *arena, size_t size)
{
    size_t padded;
    if (__builtin_add_overflow(size, ARENA_ALIGN - 1, &padded))
        return NULL;
    padded &= ~(ARENA_ALIGN - 1);
    if (!arena->next || padded > (size_t)(arena->end - arena->next)) {
        size_t data = MAX(padded, ARENA_CHUNK_BYTES);
        // Later chunks grow so that a large arena needs few of them.
        if (data < arena->used / 4)
            data = arena->used / 4 & ~(ARENA_ALIGN - 1);
        struct arena_chunk *chunk = malloc(sizeof(*chunk) + data);
        if (!chunk)
            return NULL;
        chunk->older = arena->chunks;
        chunk->size = data;
        arena->chunks = chunk;
        use_chunk(arena, chunk);
    }
    void *ptr = arena->next;
    arena->next += padded;
    arena->used += padded;
    return ptr;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *ptr = alloc(arena, size);
    if (!ptr)
        die_oom(size);
    return memset(ptr, 0, size);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        die_oom(SIZE_MAX);
    return arena_alloc(arena, bytes);
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    if (size > arena->limit || arena->used > arena->limit - size)
        return NULL;
    return alloc(arena, size);
}

struct str arena_str(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);
    if (s.len)
        memcpy(copy, s.data, s.len);
    return str_of(copy, s.len);
}

struct str arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0)
        die_oom(0);
    struct str copy = arena_str(arena, str_of(text, (size_t)len));
    free(text);
    return copy;
}

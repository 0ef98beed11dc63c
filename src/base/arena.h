// SPDX-License-Identifier: Apache-2.0
// A bump allocator: many small objects with one end of life.
#pragma once

#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; // newest first
    char *next;
    char *end;
    size_t used;  // bytes handed out since the last reset
    size_t limit; // bytes, for arena_try_alloc()
};

// `limit` bounds what arena_try_alloc() hands out between resets.
#define ARENA_INIT(limit_bytes) ((struct arena){NULL, NULL, NULL, 0, (limit_bytes)})

void arena_done(struct arena *arena);

// Releases everything; keeps one chunk of the usual size for reuse.
void arena_reset(struct arena *arena);

// A point to go back to: arena_release() frees what was handed out since the mark. Cheap when
// nothing was.
struct arena_mark {
    struct arena_chunk *chunks;
    char *next;
    size_t used;
};
static inline struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->chunks, arena->next, arena->used};
}
void arena_release_chunks(struct arena *arena, struct arena_mark mark);
static inline void arena_release(struct arena *arena, struct arena_mark mark)
{
    if (arena->used != mark.used)
        arena_release_chunks(arena, mark);
}

// Zeroed memory aligned to 16 bytes; aborts when memory is out. For sizes that we chose.
_malloc_ void *arena_alloc(struct arena *arena, size_t size);

// The same without zeroing for sizes chosen outside: NULL over the limit or when memory is out.
_must_use_ void *arena_try_alloc(struct arena *arena, size_t size);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_new_array(arena, type, count)                                                        \
    ((type *)arena_alloc_array((arena), (count), sizeof(type)))
_malloc_ void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

// A copy in the arena; NUL-terminated behind its end.
struct str arena_str(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *fmt, ...) _printf_(2, 3);

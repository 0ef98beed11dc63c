// SPDX-License-Identifier: Apache-2.0
// Typed growing arrays: `VEC(struct item) items = {0}; *vec_push(&items) = item; vec_done(&items);`
#pragma once

#include "base/mem.h"

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

// A pointer to a new, zeroed last element; valid until the next push.
#define vec_push(vec)                                                                              \
    ((__typeof__((vec)->items))vec_push_(&(vec)->items, &(vec)->len, &(vec)->cap,                  \
                                         sizeof(*(vec)->items)))

#define vec_done(vec)                                                                              \
    do {                                                                                           \
        free((vec)->items);                                                                        \
        memset((vec), 0, sizeof(*(vec)));                                                          \
    } while (0)

// The array's pointer under whatever type its elements have.
typedef char *vec_items_ __attribute__((may_alias));

static inline void *vec_push_(void *items_ptr, size_t *len, size_t *cap, size_t size)
{
    vec_items_ *items = items_ptr;
    if (*len == *cap) {
        *cap = *cap ? *cap * 2 : 8;
        *items = mem_realloc_array(*items, *cap, size);
    }
    return memset(*items + size * (*len)++, 0, size);
}

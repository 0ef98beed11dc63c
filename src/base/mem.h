// SPDX-License-Identifier: Apache-2.0
// Allocation, cleanup attributes, and the names this project does not use.
//
// Small allocations abort when memory is out, so their results need no check. A size that a guest,
// a peer or a file chose is first held against a named limit and then uses the try_ form.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define WASH_CONCAT_(a, b) a##b
#define WASH_CONCAT(a, b)  WASH_CONCAT_(a, b)

// Runs `fn` with a pointer to the variable when it leaves scope.
#define _cleanup_(fn) __attribute__((cleanup(fn)))
// The result must be looked at.
#define _must_use_          __attribute__((warn_unused_result))
#define _unused_            __attribute__((unused))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _noreturn_          __attribute__((noreturn))
#define _malloc_            __attribute__((malloc, warn_unused_result, returns_nonnull))
// For the path of each call, where a function shared by two callers costs measurably.
#define _inline_ inline __attribute__((always_inline))
// The rare part of such a path, which would make it save registers.
#define _apart_ __attribute__((noinline))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
// The operands are evaluated twice: no calls in them.
#undef MIN
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

// The struct of type `type` whose member `member` is at `ptr`.
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

// Aborts the process with a message: memory is out, or an invariant of ours is broken.
_noreturn_ void die_oom(size_t size);

// Allocate; abort when memory is out. mem_new() zeroes.
_malloc_ void *mem_alloc(size_t size);
_malloc_ void *mem_zalloc(size_t size);
_must_use_ void *mem_realloc(void *ptr, size_t size);
// Like mem_realloc() for count * size bytes; aborts on overflow as well.
_must_use_ void *mem_realloc_array(void *ptr, size_t count, size_t size);
_malloc_ char *mem_strdup(const char *text);
_malloc_ void *mem_dup(const void *data, size_t len);
// Formatted text on the heap.
_malloc_ char *mem_printf(const char *fmt, ...) _printf_(1, 2);

#define mem_new(type)              ((type *)mem_zalloc(sizeof(type)))
#define mem_new_array(type, count) ((type *)mem_realloc_array(NULL, (count), sizeof(type)))

// Allocate a size that came from outside: NULL when memory is out.
_must_use_ void *try_alloc(size_t size);
_must_use_ void *try_realloc(void *ptr, size_t size);

// Frees the pointer that `ptr` points at; for _cleanup_(mem_freep).
static inline void mem_freep(void *ptr)
{
    free(*(void **)ptr);
}

// Closes the descriptor unless negative; for _cleanup_(fd_closep).
static inline void fd_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

// Hands a pointer on and clears the source, so that cleanup leaves it alone.
#define TAKE(ptr)                                                                                  \
    ({                                                                                             \
        __typeof__(ptr) taken_ = (ptr);                                                            \
        (ptr) = NULL;                                                                              \
        taken_;                                                                                    \
    })

// Overwrites memory that held a secret; not optimised away.
void mem_wipe(void *data, size_t len);

// Names with a bounded or reentrant twin.
#pragma GCC poison strcpy strcat strtok atoi atol atoll gmtime localtime system
#ifndef sprintf // a macro where clang fortifies
#pragma GCC poison sprintf vsprintf
#endif

// SPDX-License-Identifier: Apache-2.0
// For tests: a guest of nothing but memory, a handle table and an allocator that never frees.
#pragma once

#include <errno.h>

#include "component/canon.h"

#define GUEST_MEMORY_BYTES 65536

struct guest {
    struct canon_call call;
    struct handle_table handles;
    struct arena arena;
    struct error error;
    uint32_t next;                       // free memory
    uint32_t answer;                     // what realloc says when not 0
    bool left_during;                    // may_leave was set during realloc
    void (*during)(struct guest *guest); // runs in realloc; may be NULL
    uint8_t memory[GUEST_MEMORY_BYTES] __attribute__((aligned(16)));
};

static inline int guest_realloc(struct canon_call *call, uint32_t old, uint32_t old_size,
                                uint32_t align, uint32_t size, uint32_t *out)
{
    struct guest *guest = container_of(call, struct guest, call);
    guest->left_during |= call->may_leave;
    if (guest->during)
        guest->during(guest);
    uint32_t at = (guest->next + align - 1) & ~(align - 1);
    if (size > GUEST_MEMORY_BYTES || at + size > GUEST_MEMORY_BYTES)
        return canon_trap(call, "the guest is out of memory");
    *out = guest->answer ? guest->answer : at;
    guest->next = at + size;
    return 0;
}

static const struct canon_ops guest_ops = {.realloc = guest_realloc};

static inline struct guest *guest_new(enum string_encoding encoding)
{
    struct guest *guest = mem_new(struct guest);
    handle_table_init(&guest->handles);
    guest->arena = ARENA_INIT(1 << 20);
    guest->next = 1024;
    guest->call = (struct canon_call){.memory = guest->memory,
                                      .memory_size = GUEST_MEMORY_BYTES,
                                      .encoding = encoding,
                                      .handles = &guest->handles,
                                      .arena = &guest->arena,
                                      .error = &guest->error,
                                      .ops = &guest_ops,
                                      .may_leave = true};
    return guest;
}

static inline void guest_freep(struct guest **guest)
{
    handle_table_done(&(*guest)->handles);
    arena_done(&(*guest)->arena);
    error_done(&(*guest)->error);
    free(*guest);
}

#define GUEST(name, encoding)                                                                      \
    _cleanup_(guest_freep) struct guest *name = guest_new(encoding);                               \
    struct canon_call *call = &name->call

#define CHECK_TRAP(guest, rc, words)                                                               \
    do {                                                                                           \
        CHECK_INT((rc), -EFAULT);                                                                  \
        CHECK_CONTAINS(error_text(&(guest)->error), words);                                        \
    } while (0)

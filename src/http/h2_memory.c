// SPDX-License-Identifier: Apache-2.0
// nghttp2's memory. Two blocks of a session are in pages of their own: the buffer in which frames
// are made, and the table of streams. A connection that has rested for a while keeps neither.
#include <sys/mman.h>

#include "http/h2_impl.h"

#define TABLE_BYTES  ((size_t)4096)
#define FRAMES_BYTES ((size_t)5 * 4096)
#define SLOT_BYTES   (FRAMES_BYTES + TABLE_BYTES)
#define SLAB_SLOTS   ((size_t)64)

struct h2_slab {
    struct h2_slab *next;
    char *slots;
};

static bool add_slab(struct http_server *server)
{
    char *slots = mmap(NULL, SLAB_SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return false;
    struct h2_slab *slab = mem_new(struct h2_slab);
    *slab = (struct h2_slab){server->h2_slabs, slots};
    server->h2_slabs = slab;
    for (size_t i = 0; i < SLAB_SLOTS; i++) {
        char *slot = slots + i * SLOT_BYTES;
        memcpy(slot, &server->h2_slots, sizeof(void *));
        server->h2_slots = slot;
    }
    return true;
}

void h2_memory_done(struct http_server *server)
{
    for (struct h2_slab *slab = server->h2_slabs, *next; slab; slab = next) {
        next = slab->next;
        (void)munmap(slab->slots, SLAB_SLOTS * SLOT_BYTES);
        free(slab);
    }
}

static char *take_slot(struct http_server *server)
{
    if (!server->h2_slots && !add_slab(server))
        return NULL;
    char *slot = server->h2_slots;
    memcpy(&server->h2_slots, slot, sizeof(void *));
    return slot;
}

void h2_memory_give(struct h2 *h2)
{
    struct http_server *server = h2->connection->server;
    char *slot = TAKE(h2->slot);
    if (!slot)
        return;
    (void)madvise(slot, SLOT_BYTES, MADV_DONTNEED);
    memcpy(slot, &server->h2_slots, sizeof(void *));
    server->h2_slots = slot;
}

static bool is_in_slot(const struct h2 *h2, const char *data)
{
    return h2->slot && (data == h2->slot || data == h2->slot + FRAMES_BYTES);
}

// The first block of its kind; further ones are ordinary.
static void *take(size_t size, void *user)
{
    struct h2 *h2 = user;
    if (size <= TABLE_BYTES || size > FRAMES_BYTES || !h2->slot || h2->has_frames)
        return mem_alloc(size);
    h2->has_frames = true;
    return h2->slot;
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    struct h2 *h2 = user;
    size_t len;
    if (__builtin_mul_overflow(count, size, &len))
        return NULL;
    if (len != TABLE_BYTES || !h2->slot || h2->has_table)
        return mem_zalloc(len);
    h2->has_table = true;
    return memset(h2->slot + FRAMES_BYTES, 0, len);
}

static void give(void *data, void *user)
{
    struct h2 *h2 = user;
    if (!is_in_slot(h2, data))
        free(data);
}

static void *resize(void *data, size_t size, void *user)
{
    struct h2 *h2 = user;
    if (!data)
        return take(size, user);
    if (!is_in_slot(h2, data))
        return mem_realloc(data, size);
    size_t had = data == h2->slot ? FRAMES_BYTES : TABLE_BYTES;
    void *moved = mem_alloc(size);
    return memcpy(moved, data, MIN(size, had));
}

nghttp2_mem h2_memory(struct h2 *h2)
{
    h2->slot = take_slot(h2->connection->server);
    return (nghttp2_mem){h2, take, give, take_zeroed, resize};
}

static bool is_zero(const char *data, size_t len)
{
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

// With nothing to send the frames' buffer is empty: what is in it does not count. A table without
// streams is all zero, as pages are that the kernel took back.
void h2_memory_rest(struct h2 *h2)
{
    if (!h2->slot || h2->stream_count > 0 || nghttp2_session_want_write(h2->session))
        return;
    if (h2->has_frames)
        (void)madvise(h2->slot, FRAMES_BYTES, MADV_DONTNEED);
    if (h2->has_table && is_zero(h2->slot + FRAMES_BYTES, TABLE_BYTES))
        (void)madvise(h2->slot + FRAMES_BYTES, TABLE_BYTES, MADV_DONTNEED);
}

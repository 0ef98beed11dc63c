// SPDX-License-Identifier: Apache-2.0
#include "engine/release.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/internal.h"

// To unmap more at once would be noticed by others on the thread: 64 pages take it 20 microseconds.
#define PIECE_BYTES   ((size_t)256 << 10)
#define AT_ONCE_BYTES ((uint64_t)1 << 20)
// In one turn, while the loop has nothing else to do.
#define PIECES_MAX 16u

struct leaving_memory {
    uint8_t *data;
    size_t left; // bytes that are not given back yet
};

struct leaving_store {
    struct leaving_store *next;
    wasmtime_store_t *store;
    VEC(struct leaving_memory) memories;
};

static void give_back_piece(struct leaving_memory *memory)
{
    size_t piece = MIN(memory->left, PIECE_BYTES);
    memory->left -= piece;
    // A hint: what stays mapped goes with the store.
    (void)madvise(memory->data + memory->left, piece, MADV_DONTNEED);
}

static bool give_back(struct leaving_store *leaving)
{
    for (size_t i = 0; i < leaving->memories.len; i++) {
        if (leaving->memories.items[i].left == 0)
            continue;
        give_back_piece(&leaving->memories.items[i]);
        return true;
    }
    return false;
}

static void delete_first(struct release_queue *queue)
{
    struct leaving_store *leaving = queue->first;
    queue->first = leaving->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->count--;
    wasmtime_store_delete(leaving->store);
    vec_done(&leaving->memories);
    free(leaving);
}

static bool has_events(const struct loop *loop)
{
    struct pollfd events = {.fd = loop_descriptor(loop), .events = POLLIN};
    return poll(&events, 1, 0) > 0;
}

// A piece for each store that waits at least, so that those who come faster than they can go do
// not pile up.
static void do_pieces(struct loop_defer *defer)
{
    struct release_queue *queue = container_of(defer, struct release_queue, defer);
    for (uint32_t n = 0; queue->first; n++) {
        if (n >= queue->count && (n >= PIECES_MAX || has_events(queue->loop)))
            break;
        if (!give_back(queue->first))
            delete_first(queue);
    }
    if (queue->first)
        loop_defer_next(queue->loop, &queue->defer);
}

void release_queue_init(struct release_queue *queue, struct loop *loop)
{
    *queue =
        (struct release_queue){.loop = loop, .defer.callback = do_pieces, .end = &queue->first};
}

void release_queue_done(struct release_queue *queue)
{
    while (queue->first)
        delete_first(queue);
    loop_defer_cancel(queue->loop, &queue->defer);
}

static void take_memory(struct leaving_store *leaving, wasmtime_context_t *context,
                        const wasmtime_memory_t *memory)
{
    uint8_t *data = wasmtime_memory_data(context, memory);
    size_t size = wasmtime_memory_data_size(context, memory);
    for (size_t i = 0; i < leaving->memories.len; i++)
        if (leaving->memories.items[i].data == data)
            return;
    *vec_push(&leaving->memories) =
        (struct leaving_memory){data, size - size % (size_t)sysconf(_SC_PAGESIZE)};
}

// Those that no core instance exports go with the store; core_reset.h has most exported.
static void take_memories(struct leaving_store *leaving, const struct instance *instance)
{
    for (uint32_t i = 0; i < instance->plan->core_instance_count; i++) {
        char *name;
        size_t name_len;
        wasmtime_extern_t item;
        if (instance->core_states[i] != CORE_MADE)
            continue;
        for (size_t n = 0; wasmtime_instance_export_nth(instance->context, &instance->cores[i], n,
                                                        &name, &name_len, &item);
             n++)
            if (item.kind == WASMTIME_EXTERN_MEMORY)
                take_memory(leaving, instance->context, &item.of.memory);
    }
}

void release_store(struct release_queue *queue, struct instance *instance)
{
    if (likely(instance->memory_bytes - instance->initial_bytes <= AT_ONCE_BYTES)) {
        wasmtime_store_delete(instance->store);
        return;
    }
    struct leaving_store *leaving = mem_new(struct leaving_store);
    leaving->store = instance->store;
    take_memories(leaving, instance);
    *queue->end = leaving;
    queue->end = &leaving->next;
    queue->count++;
    loop_defer_next(queue->loop, &queue->defer);
}

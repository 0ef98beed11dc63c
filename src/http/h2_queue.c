// SPDX-License-Identifier: Apache-2.0
#include "http/h2_impl.h"

// Small bodies take a small block, frames of the usual size one of their own.
#define BLOCK_BYTES_MIN ((size_t)1024 - sizeof(struct h2_block))

struct h2_block {
    struct h2_block *next;
    size_t cap, start, end;
    char data[];
};

static size_t fill(struct h2_block *block, struct str data)
{
    size_t len = MIN(block->cap - block->end, data.len);
    memcpy(block->data + block->end, data.data, len);
    block->end += len;
    return len;
}

void h2_queue_add(struct h2_queue *queue, struct str data)
{
    if (data.len == 0)
        return;
    queue->len += data.len;
    if (queue->last)
        data = str_from_index(data, fill(queue->last, data));
    if (data.len == 0)
        return;
    size_t cap = MAX(data.len, BLOCK_BYTES_MIN);
    struct h2_block *block = mem_alloc(sizeof(*block) + cap);
    *block = (struct h2_block){.cap = cap};
    fill(block, data);
    if (queue->last)
        queue->last->next = block;
    else
        queue->first = block;
    queue->last = block;
}

struct str h2_queue_front(const struct h2_queue *queue)
{
    const struct h2_block *block = queue->first;
    return block ? str_of(block->data + block->start, block->end - block->start) : STR_EMPTY;
}

void h2_queue_drop(struct h2_queue *queue, size_t len)
{
    queue->len -= len;
    while (len > 0) {
        struct h2_block *block = queue->first;
        size_t part = MIN(len, block->end - block->start);
        block->start += part;
        len -= part;
        if (block->start < block->end)
            return;
        queue->first = block->next;
        if (!queue->first)
            queue->last = NULL;
        free(block);
    }
}

void h2_queue_done(struct h2_queue *queue)
{
    h2_queue_drop(queue, queue->len);
}

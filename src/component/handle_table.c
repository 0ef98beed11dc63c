// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "component/canon.h"

#define HANDLES_FIRST_CAP 16u
#define HANDLES_KEPT_CAP  256u // what handle_table_clear() keeps

void handle_table_init(struct handle_table *table)
{
    *table = (struct handle_table){0};
}

void handle_table_done(struct handle_table *table)
{
    if (table->quota)
        table->quota->live -= table->live;
    free(table->items);
    *table = (struct handle_table){.quota = table->quota};
}

void handle_table_clear(struct handle_table *table)
{
    if (table->cap > HANDLES_KEPT_CAP)
        handle_table_done(table);
    if (table->quota)
        table->quota->live -= table->live;
    table->len = MIN(table->len, 1);
    table->free = 0;
    table->live = 0;
}

static void grow(struct handle_table *table)
{
    table->cap = table->cap ? table->cap * 2 : HANDLES_FIRST_CAP;
    table->items = mem_realloc_array(table->items, table->cap, sizeof(*table->items));
    if (table->len == 0) {
        table->items[0] = (struct handle){.kind = HANDLE_FREE};
        table->len = 1;
    }
}

uint32_t handle_table_room(const struct handle_table *table)
{
    const struct handle_quota *quota = table->quota;
    return quota ? quota->max - MIN(quota->live, quota->max)
                 : HANDLES_MAX - MIN(table->live, HANDLES_MAX);
}

int handle_table_add(struct handle_table *table, const struct handle *handle, uint32_t *index)
{
    uint32_t i = table->free;
    if (unlikely(handle_table_room(table) == 0))
        return -ENOSPC;
    if (i) {
        table->free = table->items[i].next_free;
    } else {
        if (unlikely(table->len == table->cap))
            grow(table);
        i = table->len++;
    }
    table->items[i] = *handle;
    table->live++;
    if (likely(table->quota != NULL))
        table->quota->live++;
    *index = i;
    return 0;
}

void handle_table_remove(struct handle_table *table, uint32_t index)
{
    struct handle *handle = &table->items[index];
    handle->kind = HANDLE_FREE;
    handle->next_free = table->free;
    table->free = index;
    table->live--;
    if (likely(table->quota != NULL))
        table->quota->live--;
}

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
    free(table->items);
    *table = (struct handle_table){0};
}

void handle_table_clear(struct handle_table *table)
{
    if (table->cap > HANDLES_KEPT_CAP)
        handle_table_done(table);
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

int handle_table_add(struct handle_table *table, const struct handle *handle, uint32_t *index)
{
    uint32_t i = table->free;
    if (i) {
        table->free = table->items[i].next_free;
    } else {
        if (unlikely(table->len > HANDLES_MAX))
            return -ENOSPC;
        if (unlikely(table->len == table->cap))
            grow(table);
        i = table->len++;
    }
    table->items[i] = *handle;
    table->live++;
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
}

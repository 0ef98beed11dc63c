// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

void map_done(struct map *map)
{
    free(map->entries);
    free(map->slots);
    *map = (struct map){0};
}

static size_t find_slot(const struct map *map, struct str key)
{
    size_t mask = map->slot_count - 1;
    size_t slot = str_hash(key) & mask;
    while (map->slots[slot] && !str_eq(map->entries[map->slots[slot] - 1].key, key))
        slot = (slot + 1) & mask;
    return slot;
}

static void grow(struct map *map)
{
    map->cap = map->cap ? map->cap * 2 : 8;
    map->entries = mem_realloc_array(map->entries, map->cap, sizeof(*map->entries));
    map->slot_count = map->cap * 2;
    free(map->slots);
    map->slots = mem_zalloc(map->slot_count * sizeof(*map->slots));
    for (size_t i = 0; i < map->len; i++)
        map->slots[find_slot(map, map->entries[i].key)] = (uint32_t)i + 1;
}

void *map_get(const struct map *map, struct str key)
{
    if (!map->len)
        return NULL;
    uint32_t index = map->slots[find_slot(map, key)];
    return index ? map->entries[index - 1].value : NULL;
}

void *map_put(struct map *map, struct str key, void *value)
{
    if (map->len == map->cap)
        grow(map);
    size_t slot = find_slot(map, key);
    if (map->slots[slot]) {
        struct map_entry *entry = &map->entries[map->slots[slot] - 1];
        void *former = entry->value;
        entry->value = value;
        return former;
    }
    map->entries[map->len] = (struct map_entry){key, value};
    map->slots[slot] = (uint32_t)++map->len;
    return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "data/tree.h"

#include <jansson.h>

#include "base/arena.h"
#include "base/map.h"
#include "data/impl.h"

static struct tree *checked(json_t *json)
{
    if (!json)
        die_oom(sizeof(json_t));
    return tree_of(json);
}

struct tree *tree_null(void)
{
    return tree_of(json_null());
}

struct tree *tree_bool(bool value)
{
    return tree_of(json_boolean(value));
}

struct tree *tree_int(int64_t value)
{
    return checked(json_integer(value));
}

struct tree *tree_real(double value)
{
    return tree_of(json_real(value));
}

struct tree *tree_string(struct str text)
{
    return tree_of(json_stringn(text.data ? text.data : "", text.len));
}

struct tree *tree_list(void)
{
    return checked(json_array());
}

struct tree *tree_map(void)
{
    return checked(json_object());
}

struct tree *tree_copy(const struct tree *tree)
{
    return checked(json_deep_copy(json_of(tree)));
}

void tree_unref(struct tree *tree)
{
    json_decref(json_of(tree));
}

enum tree_kind tree_kind(const struct tree *tree)
{
    switch (json_typeof(json_of(tree))) {
    case JSON_OBJECT:
        return TREE_MAP;
    case JSON_ARRAY:
        return TREE_LIST;
    case JSON_STRING:
        return TREE_STRING;
    case JSON_INTEGER:
        return TREE_INT;
    case JSON_REAL:
        return TREE_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return TREE_BOOL;
    case JSON_NULL:
        break;
    }
    return TREE_NULL;
}

const char *tree_kind_name(enum tree_kind kind)
{
    static const char *const names[] = {
        [TREE_NULL] = "null",     [TREE_BOOL] = "a bool",     [TREE_INT] = "a number",
        [TREE_REAL] = "a number", [TREE_STRING] = "a string", [TREE_LIST] = "a list",
        [TREE_MAP] = "a map",
    };
    return names[kind];
}

bool tree_get_bool(const struct tree *tree)
{
    return json_is_true(json_of(tree));
}

int64_t tree_get_int(const struct tree *tree)
{
    return json_integer_value(json_of(tree));
}

double tree_get_real(const struct tree *tree)
{
    return json_number_value(json_of(tree));
}

struct str tree_get_string(const struct tree *tree)
{
    const char *text = json_string_value(json_of(tree));
    return text ? str_of(text, json_string_length(json_of(tree))) : STR_EMPTY;
}

size_t tree_len(const struct tree *tree)
{
    json_t *json = json_of(tree);
    return json_is_array(json) ? json_array_size(json) : json_object_size(json);
}

struct tree *tree_at(const struct tree *list, size_t index)
{
    return tree_of(json_array_get(json_of(list), index));
}

struct tree *tree_get(const struct tree *map, struct str key)
{
    return tree_of(json_object_getn(json_of(map), key.data ? key.data : "", key.len));
}

void tree_append(struct tree *list, struct tree *value)
{
    if (json_array_append_new(json_of(list), json_of(value)) < 0)
        die_oom(0);
}

void tree_put(struct tree *map, struct str key, struct tree *value)
{
    if (json_object_setn_new_nocheck(json_of(map), key.data ? key.data : "", key.len,
                                     json_of(value)) < 0)
        die_oom(0);
}

void *tree_first(const struct tree *map)
{
    return json_object_iter(json_of(map));
}

void *tree_next(const struct tree *map, void *at)
{
    return json_object_iter_next(json_of(map), at);
}

struct str tree_key(void *at)
{
    return str_of(json_object_iter_key(at), json_object_iter_key_len(at));
}

struct tree *tree_value(void *at)
{
    return tree_of(json_object_iter_value(at));
}

// Recursion is bounded: readers make no tree deeper than TREE_DEPTH_MAX.
void tree_merge(struct tree *base, const struct tree *over)
{
    for (void *at = tree_first(over); at; at = tree_next(over, at)) {
        struct tree *mine = tree_get(base, tree_key(at));
        struct tree *theirs = tree_value(at);
        if (mine && tree_kind(mine) == TREE_MAP && tree_kind(theirs) == TREE_MAP)
            tree_merge(mine, theirs);
        else
            tree_put(base, tree_key(at), tree_copy(theirs));
    }
}

// ---- where values stood ------------------------------------------------------------------------

#define SOURCE_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct tree_source {
    struct arena arena;
    struct map places; // path -> struct tree_place
};

struct tree_source *tree_source_new(void)
{
    struct tree_source *source = mem_new(struct tree_source);
    source->arena = ARENA_INIT(SOURCE_BYTES_MAX);
    return source;
}

void tree_source_free(struct tree_source *source)
{
    if (!source)
        return;
    map_done(&source->places);
    arena_done(&source->arena);
    free(source);
}

void tree_source_put(struct tree_source *source, struct str path, struct tree_place place)
{
    if (!source)
        return;
    struct tree_place *copy = map_get(&source->places, path);
    if (copy) {
        *copy = place;
        return;
    }
    copy = arena_try_alloc(&source->arena, sizeof(*copy) + path.len);
    if (!copy)
        return;
    *copy = place;
    char *key = (char *)(copy + 1);
    memcpy(key, path.data, path.len);
    map_put(&source->places, str_of(key, path.len), copy);
}

struct tree_place tree_source_find(const struct tree_source *source, struct str path)
{
    while (source && path.len > 0) {
        const struct tree_place *place = map_get(&source->places, path);
        if (place)
            return *place;
        do
            path.len--;
        while (path.len > 0 && path.data[path.len] != '.' && path.data[path.len] != '[');
    }
    return (struct tree_place){0};
}

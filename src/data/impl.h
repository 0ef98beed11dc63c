// SPDX-License-Identifier: Apache-2.0
// A tree is jansson's value under another name; only this folder knows.
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "data/tree.h"

static inline json_t *json_of(const struct tree *tree)
{
    return (json_t *)(uintptr_t)tree;
}

static inline struct tree *tree_of(json_t *json)
{
    return (struct tree *)json;
}

// The path of the value that a reader stands at: pushed and popped while it descends.
struct tree_path {
    struct buf text;
};
#define TREE_PATH_BYTES_MAX ((size_t)16 * 1024)

static inline size_t tree_path_push_key(struct tree_path *path, struct str key)
{
    size_t mark = path->text.len;
    // A path that is too long is cut; its places are those of a parent.
    if (mark > 0)
        (void)!buf_add_char(&path->text, '.');
    (void)!buf_add_str(&path->text, key);
    return mark;
}

static inline size_t tree_path_push_index(struct tree_path *path, size_t index)
{
    size_t mark = path->text.len;
    (void)!buf_printf(&path->text, "[%zu]", index);
    return mark;
}

static inline void tree_path_pop(struct tree_path *path, size_t mark)
{
    path->text.len = mark;
}

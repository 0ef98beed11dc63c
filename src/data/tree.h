// SPDX-License-Identifier: Apache-2.0
// A JSON value: null, bool, 64-bit integer, double, string, list or map. Maps keep the order of
// insertion. Reference counted, one thread at a time. The JSON, YAML and TOML readers make trees;
// tree_source knows where in the text each value stood.
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct tree;

#define TREE_DEPTH_MAX ((size_t)64)              // nesting of lists and maps
#define TREE_BYTES_MAX ((size_t)4 * 1024 * 1024) // of a text that is read
#define TREE_NODES_MAX ((size_t)200 * 1000)      // of a YAML or TOML document, aliases expanded

enum tree_kind { TREE_NULL, TREE_BOOL, TREE_INT, TREE_REAL, TREE_STRING, TREE_LIST, TREE_MAP };

// "a string", "a number", ... for messages.
const char *tree_kind_name(enum tree_kind kind);

// New values with one reference, the caller's. tree_string() is NULL when the text is not UTF-8,
// tree_real() when it is not finite.
struct tree *tree_null(void);
struct tree *tree_bool(bool value);
struct tree *tree_int(int64_t value);
struct tree *tree_real(double value);
struct tree *tree_string(struct str text);
struct tree *tree_list(void);
struct tree *tree_map(void);
// Deep copy.
struct tree *tree_copy(const struct tree *tree);

void tree_unref(struct tree *tree); // NULL is fine
static inline void tree_unrefp(struct tree **tree)
{
    tree_unref(*tree);
}
#define _tree_ _cleanup_(tree_unrefp) struct tree *

enum tree_kind tree_kind(const struct tree *tree);
// Of the kind that the name says; another kind gives false, 0 or an empty string.
bool tree_get_bool(const struct tree *tree);
int64_t tree_get_int(const struct tree *tree);
double tree_get_real(const struct tree *tree); // integers as well
struct str tree_get_string(const struct tree *tree);

size_t tree_len(const struct tree *tree);                            // of a list or map
struct tree *tree_at(const struct tree *list, size_t index);         // borrowed
struct tree *tree_get(const struct tree *map, struct str key);       // borrowed; NULL: none
void tree_append(struct tree *list, struct tree *value);             // takes the reference
void tree_put(struct tree *map, struct str key, struct tree *value); // takes it; replaces

// for (void *at = tree_first(map); at; at = tree_next(map, at)) ...
void *tree_first(const struct tree *map);
void *tree_next(const struct tree *map, void *at);
struct str tree_key(void *at);
struct tree *tree_value(void *at); // borrowed

// Merges `over` into the map `base`: maps key by key, everything else replaced.
void tree_merge(struct tree *base, const struct tree *over);

// ---- where values stood ------------------------------------------------------------------------

// A position is kept per path: "dev.address", "dev.components[0].name". Merging the sources of
// layers in their order gives each value the place that it came from.
struct tree_source;

struct tree_place {
    const char *file; // as given to the reader; NULL: unknown
    unsigned line;    // from 1; 0: unknown
    unsigned column;
};

struct tree_source *tree_source_new(void);
void tree_source_free(struct tree_source *source);
static inline void tree_source_freep(struct tree_source **source)
{
    tree_source_free(*source);
}
// Best effort: over a bound on memory places are dropped.
void tree_source_put(struct tree_source *source, struct str path, struct tree_place place);
// The place of the path or of its nearest parent.
struct tree_place tree_source_find(const struct tree_source *source, struct str path);

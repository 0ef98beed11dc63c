// SPDX-License-Identifier: Apache-2.0
// Named values for a guest, and files of NAME=VALUE lines. Values never appear in messages.
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"
#include "data/record.h"
#include "wasi/config.h"

#define VALUE_FILE_BYTES_MAX ((size_t)4 << 20)
#define VALUE_SET_MAX        WASI_SETTINGS_MAX // what files may make of it

// A later value replaces an earlier of its name. Texts and array are the arena's.
struct value_set {
    struct arena *arena;
    struct wasi_env *items;
    size_t len, cap;
    struct map index; // of the names, to their number + 1
};
void value_set_done(struct value_set *set); // the items stay with the arena
// `name` and `value` must outlive the set.
void value_set_put(struct value_set *set, struct str name, struct str value);
void value_set_put_map(struct value_set *set, const struct string_map *map);

// Add the lines of a file: blanks around names and values are dropped, so are empty lines and those
// that begin with `#`; there are no quotes and no escapes. `path` names it in messages.
_must_use_ int value_set_read_file(struct value_set *set, const char *path, struct error *err);
_must_use_ int value_set_read_fd(struct value_set *set, int fd, const char *path,
                                 struct error *err);
_must_use_ int value_set_read_text(struct value_set *set, struct str text, const char *path,
                                   struct error *err);

// SPDX-License-Identifier: Apache-2.0
// Values that a configuration names by where they are: `configs` and `secrets` of the project, and
// files of NAME=VALUE lines. Values never appear in messages.
#pragma once

#include "wasi/wasi.h"
#include "wash/config.h"

#define CONFIG_SOURCE_FILE_BYTES_MAX ((size_t)4 << 20)
#define CONFIG_SOURCE_DIR_FILES_MAX  4096u // of one `dir`

// Named values; a later one replaces an earlier of its name. Texts and array are the arena's.
struct value_set {
    struct arena *arena;
    struct wasi_env *items;
    size_t len, cap;
};
// `name` and `value` must outlive the set.
void value_set_put(struct value_set *set, struct str name, struct str value);
void value_set_put_map(struct value_set *set, const struct string_map *map);

// Adds the lines of a file: blanks around names and values are dropped, so are empty lines and
// those that begin with `#`; there are no quotes and no escapes.
_must_use_ int value_set_read_file(struct value_set *set, const char *path, struct error *err);

// Adds an environment: its own `config`, then the sources named by `configFrom`, then those of
// `secretFrom`. `owner` is named in messages. NULL environment adds nothing.
_must_use_ int value_set_add_environment(struct value_set *set, const struct config *config,
                                         const char *project_dir, const char *owner,
                                         const struct config_environment *environment,
                                         struct error *err);

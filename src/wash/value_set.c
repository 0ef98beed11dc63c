// SPDX-License-Identifier: Apache-2.0
#include "wash/value_set.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/utf8.h"

void value_set_put(struct value_set *set, struct str name, struct str value)
{
    uintptr_t known = (uintptr_t)map_get(&set->index, name);
    if (known) {
        set->items[known - 1].value = value;
        return;
    }
    if (set->len == set->cap) {
        size_t cap = set->cap ? 2 * set->cap : 16;
        struct wasi_env *items = arena_new_array(set->arena, struct wasi_env, cap);
        if (set->len)
            memcpy(items, set->items, set->len * sizeof(*items));
        set->items = items;
        set->cap = cap;
    }
    set->items[set->len++] = (struct wasi_env){name, value};
    map_put(&set->index, name, (void *)(uintptr_t)set->len);
}

void value_set_done(struct value_set *set)
{
    map_done(&set->index);
}

void value_set_put_map(struct value_set *set, const struct string_map *map)
{
    for (size_t i = 0; i < map->len; i++)
        value_set_put(set, map->items[i].key, map->items[i].value);
}

// ---- files of lines -----------------------------------------------------------------------------

int value_set_read_text(struct value_set *set, struct str text, const char *path, struct error *err)
{
    if (!utf8_valid(text))
        return error_set(err, -EILSEQ, "%s is not UTF-8", path);
    if (str_find_char(text, 0) >= 0)
        return error_set(err, -EILSEQ, "%s has a NUL character", path);
    for (unsigned number = 1; text.len > 0; number++) {
        struct str line, name, value;
        str_cut(text, '\n', &line, &text);
        line = str_trim(line);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (!str_cut(line, '=', &name, &value))
            return error_set(err, -EINVAL, "line %u is not KEY=VALUE in %s", number, path);
        name = str_trim(name);
        if (name.len == 0)
            return error_set(err, -EINVAL, "line %u has empty key in %s", number, path);
        value_set_put(set, arena_str(set->arena, name), arena_str(set->arena, str_trim(value)));
        if (set->len > VALUE_SET_MAX)
            return error_set(err, -E2BIG, "%s: more than %zu values", path, VALUE_SET_MAX);
    }
    return 0;
}

int value_set_read_fd(struct value_set *set, int fd, const char *path, struct error *err)
{
    BUF(content, VALUE_FILE_BYTES_MAX);
    int rc = file_read_fd(fd, path, &content, err);
    if (rc == 0)
        rc = value_set_read_text(set, buf_str(&content), path, err);
    if (content.data)
        mem_wipe(content.data, content.len);
    return rc;
}

int value_set_read_file(struct value_set *set, const char *path, struct error *err)
{
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, -errno, "open %s", path);
    return value_set_read_fd(set, fd, path, err);
}

// SPDX-License-Identifier: Apache-2.0
// wasi:config 0.2.0-rc.1, answered from the workload's settings, which do not change while it runs.
#include "wasi/config.h"

#include <errno.h>

#include "base/utf8.h"
#include "wasi/draft.h"

// ---- merging ------------------------------------------------------------------------------------

struct ranked {
    struct wasi_env item;
    size_t rank; // later ones win
};

static int compare(const void *a_, const void *b_)
{
    const struct ranked *a = a_, *b = b_;
    int order = str_cmp(a->item.name, b->item.name);
    return order ? order : (a->rank > b->rank) - (a->rank < b->rank);
}

static int check(const struct wasi_settings *layers, size_t layer_count, size_t *count,
                 struct error *err)
{
    size_t bytes = 0;
    *count = 0;
    for (size_t i = 0; i < layer_count; i++) {
        for (size_t j = 0; j < layers[i].len; j++) {
            const struct wasi_env *item = &layers[i].items[j];
            if (item->name.len == 0)
                return error_set(err, -EINVAL, "a setting or variable of the guest has no name");
            if (!utf8_valid(item->name) || !utf8_valid(item->value))
                return error_set(err, -EINVAL,
                                 "the setting or variable %.*s of the guest is not UTF-8",
                                 (int)utf8_valid_prefix(item->name), item->name.data);
            bytes += item->name.len + item->value.len;
        }
        *count += layers[i].len;
    }
    if (*count > WASI_SETTINGS_MAX)
        return error_set(err, -E2BIG, "%zu settings and variables of the guest, the limit is %zu",
                         *count, WASI_SETTINGS_MAX);
    if (bytes > WASI_SETTINGS_BYTES_MAX)
        return error_set(err, -E2BIG,
                         "settings and variables of the guest of %zu bytes, the limit is %zu",
                         bytes, WASI_SETTINGS_BYTES_MAX);
    return 0;
}

int wasi_settings_merge(struct arena *arena, const struct wasi_settings *layers, size_t layer_count,
                        struct wasi_settings *out, struct error *err)
{
    size_t count, len = 0;
    int rc = check(layers, layer_count, &count, err);
    if (rc < 0)
        return rc;
    _cleanup_(mem_freep) struct ranked *all = mem_new_array(struct ranked, count + 1);
    for (size_t i = 0; i < layer_count; i++) {
        for (size_t j = 0; j < layers[i].len; j++, len++)
            all[len] = (struct ranked){layers[i].items[j], len};
    }
    qsort(all, count, sizeof(*all), compare);
    struct wasi_env *merged = arena_new_array(arena, struct wasi_env, count);
    len = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(all[i].item.name, all[i + 1].item.name))
            continue;
        merged[len++] = (struct wasi_env){arena_str(arena, all[i].item.name),
                                          arena_str(arena, all[i].item.value)};
    }
    *out = (struct wasi_settings){merged, len};
    return 0;
}

// ---- wasi:config/store --------------------------------------------------------------------------

static int compare_name(const void *name, const void *item)
{
    return str_cmp(*(const struct str *)name, ((const struct wasi_env *)item)->name);
}

int draft_config_store_get(struct canon_call *call, struct str key,
                           struct draft_result_option_string_config_store_error *ret)
{
    const struct wasi_config *config = wasi_of(call)->config;
    if (config->setting_count == 0)
        return 0;
    const struct wasi_env *found = bsearch(&key, config->settings, config->setting_count,
                                           sizeof(*config->settings), compare_name);
    if (found)
        ret->ok = (struct draft_option_string){true, found->value};
    return 0;
}

int draft_config_store_get_all(struct canon_call *call,
                               struct draft_result_list_tuple_string_string_config_store_error *ret)
{
    const struct wasi_config *config = wasi_of(call)->config;
    struct draft_tuple_string_string *pairs =
        arena_new_array(call->arena, struct draft_tuple_string_string, config->setting_count);
    for (size_t i = 0; i < config->setting_count; i++)
        pairs[i] =
            (struct draft_tuple_string_string){config->settings[i].name, config->settings[i].value};
    ret->ok = (struct draft_list_tuple_string_string){pairs, config->setting_count};
    return 0;
}

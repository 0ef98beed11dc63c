// SPDX-License-Identifier: Apache-2.0
#include "wasi/config.h"

#include <errno.h>

#include "testing/test.h"
#include "wasi/draft.h"
#include "wasi/task_fake.h"

#define SETTING(name_, value_)                                                                     \
    {                                                                                              \
        STR_INIT(name_), STR_INIT(value_)                                                          \
    }

static const struct wasi_env low[] = {SETTING("color", "red"), SETTING("size", "3"),
                                      SETTING("color", "green")};
static const struct wasi_env high[] = {SETTING("color", "blue"), SETTING("", "x")};

static void merge(struct arena *arena, const struct wasi_settings *layers, size_t count,
                  struct wasi_settings *out)
{
    ERROR(err);
    CHECK_INT(wasi_settings_merge(arena, layers, count, out, &err), 0);
}

TEST(later_settings_win)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wasi_settings layers[] = {{low, 3}, {high, 1}}, out;
    merge(&arena, layers, 1, &out);
    CHECK_INT(out.len, 2);
    CHECK_STR(out.items[0].value, "green");
    merge(&arena, layers, 2, &out);
    CHECK_INT(out.len, 2);
    CHECK_STR(out.items[0].name, "color");
    CHECK_STR(out.items[0].value, "blue");
    CHECK_STR(out.items[1].name, "size");
    merge(&arena, layers, 0, &out);
    CHECK_INT(out.len, 0);
    arena_done(&arena);
}

TEST(bad_settings_are_refused_without_their_values)
{
    static const struct wasi_env binary[] = {SETTING("key", "secret\xff")};
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wasi_settings out;
    ERROR(err);
    CHECK_INT(wasi_settings_merge(&arena, &(struct wasi_settings){high, 2}, 1, &out, &err),
              -EINVAL);
    CHECK_INT(wasi_settings_merge(&arena, &(struct wasi_settings){binary, 1}, 1, &out, &err),
              -EINVAL);
    CHECK_TEXT(error_text(&err), "the setting or variable key of the guest is not UTF-8");
    arena_done(&arena);
}

TEST(settings_have_limits)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wasi_settings out;
    ERROR(err);
    struct wasi_env *many = mem_new_array(struct wasi_env, WASI_SETTINGS_MAX + 1);
    for (size_t i = 0; i <= WASI_SETTINGS_MAX; i++)
        many[i] = low[0];
    struct wasi_settings layer = {many, WASI_SETTINGS_MAX + 1};
    CHECK_INT(wasi_settings_merge(&arena, &layer, 1, &out, &err), -E2BIG);
    CHECK_TEXT(error_text(&err), "16385 settings and variables of the guest, the limit is 16384");
    layer.len--;
    merge(&arena, &layer, 1, &out);
    CHECK_INT(out.len, 1);
    char *big = mem_zalloc(WASI_SETTINGS_BYTES_MAX);
    many[0].value = str_of(big, WASI_SETTINGS_BYTES_MAX);
    CHECK_INT(wasi_settings_merge(&arena, &layer, 1, &out, &err), -E2BIG);
    free(big);
    free(many);
    arena_done(&arena);
}

TEST(a_guest_gets_settings)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wasi_settings layers[] = {{low, 3}, {high, 1}}, out;
    struct fake fake;
    fake_init(&fake, true);
    merge(&arena, layers, 2, &out);
    fake.config.settings = out.items;
    fake.config.setting_count = out.len;
    struct draft_result_option_string_config_store_error one = {0};
    CHECK_INT(draft_config_store_get(&fake.call, STR("size"), &one), 0);
    CHECK(!one.is_err && one.ok.is_some);
    CHECK_STR(one.ok.some, "3");
    one = (struct draft_result_option_string_config_store_error){0};
    CHECK_INT(draft_config_store_get(&fake.call, STR("siz"), &one), 0);
    CHECK(!one.is_err && !one.ok.is_some);
    struct draft_result_list_tuple_string_string_config_store_error all = {0};
    CHECK_INT(draft_config_store_get_all(&fake.call, &all), 0);
    CHECK(!all.is_err);
    CHECK_INT(all.ok.len, 2);
    CHECK_STR(all.ok.data[0].f0, "color");
    CHECK_STR(all.ok.data[0].f1, "blue");
    fake_done(&fake);
    arena_done(&arena);
}

TEST(a_guest_without_settings_gets_none)
{
    struct fake fake;
    fake_init(&fake, true);
    struct draft_result_option_string_config_store_error one = {0};
    CHECK_INT(draft_config_store_get(&fake.call, STR("size"), &one), 0);
    CHECK(!one.is_err && !one.ok.is_some);
    struct draft_result_list_tuple_string_string_config_store_error all = {0};
    CHECK_INT(draft_config_store_get_all(&fake.call, &all), 0);
    CHECK(!all.is_err && all.ok.len == 0);
    fake_done(&fake);
}

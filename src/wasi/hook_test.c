// SPDX-License-Identifier: Apache-2.0
// What a plugin does: it offers an interface of its own making under a name that is served already,
// for one workload.
#include "component/value.h"
#include "engine/linker.h"
#include "testing/test.h"
#include "wasi/config.h"
#include "wasi/hook_config.h"
#include "wasi/wasi.h"

// ---- the plugin ---------------------------------------------------------------------------------

struct plugin {
    struct str answer;
    unsigned calls;
};

int hook_config_store_get(struct canon_call *call, struct str key,
                          struct hook_result_option_string_config_store_error *ret)
{
    struct plugin *plugin = call->data;
    plugin->calls++;
    ret->ok = (struct hook_option_string){str_is(key, "color"), plugin->answer};
    return 0;
}

int hook_config_store_get_all(struct canon_call *call,
                              struct hook_result_list_tuple_string_string_config_store_error *ret)
{
    return 0;
}

// ---- workloads ----------------------------------------------------------------------------------

static struct linked *link_with(struct engine *engine, struct plugin *plugin)
{
    ERROR(err);
    struct program *program;
    struct linked *linked;
    const char *dir = getenv("WASH_FIXTURES");
    _cleanup_(mem_freep) char *path = mem_printf("%s/fixtures/settings.wasm", dir ? dir : "tests");
    CHECK_INT(program_load(engine, path, &program, &err), 0);
    struct linker *linker = linker_new(engine);
    wasi_p2_add_to_linker(linker);
    if (plugin)
        linker_add_interface(linker, &hook_config_store, plugin);
    CHECK_INT(linker_link(linker, program, &linked, &err), 0);
    linker_free(linker);
    program_unref(program);
    return linked;
}

struct answer {
    const struct linked *linked;
    struct loop *loop;
    char text[32];
    enum task_end end;
};

static int ask(struct canon_call *call, void *arg)
{
    struct answer *answer = arg;
    const struct plan_lifted *func = linked_find_export(answer->linked, STR_EMPTY, STR("color"));
    struct value color;
    int rc = instance_enter(call, func);
    if (rc == 0)
        rc = value_call(call, func, func->type, NULL, call->arena, &color);
    if (rc == 0)
        snprintf(answer->text, sizeof(answer->text), "%.*s", STR_ARG(color.str));
    return rc;
}

static void answered(void *arg, enum task_end end, const struct error *err)
{
    struct answer *answer = arg;
    answer->end = end;
    loop_stop(answer->loop);
    loop_release(answer->loop);
}

static void check_answer(struct engine *engine, struct linked *linked, const char *want)
{
    static const struct wasi_env setting = {STR_INIT("color"), STR_INIT("host's")};
    const struct wasi_config config = {.settings = &setting, .setting_count = 1};
    struct answer answer = {.linked = linked};
    struct instance *instance;
    struct wasi wasi;
    ERROR(err);
    CHECK_INT(loop_new(&answer.loop, &err), 0);
    struct executor *executor = executor_new(engine, answer.loop);
    wasi_init(&wasi, &config, answer.loop, NULL);
    CHECK_INT(
        instance_new(linked, executor, &(struct instance_options){.host = &wasi}, &instance, &err),
        0);
    loop_hold(answer.loop);
    CHECK_INT(instance_run(instance, ask, answered, &answer, &err), 0);
    loop_run(answer.loop);
    CHECK_INT(answer.end, TASK_RETURNED);
    CHECK_TEXT(answer.text, want);
    instance_free(instance);
    wasi_done(&wasi);
    executor_free(executor);
    loop_free(answer.loop);
}

TEST(a_plugin_takes_the_place_of_an_interface_for_its_workload)
{
    ERROR(err);
    struct engine *engine;
    CHECK_INT(
        engine_new(&(struct engine_options){.instances_max = 8, .cache_dir = ""}, &engine, &err),
        0);
    struct plugin one = {.answer = STR("one's")}, two = {.answer = STR("two's")};
    struct linked *plain = link_with(engine, NULL);
    struct linked *first = link_with(engine, &one);
    struct linked *second = link_with(engine, &two);
    check_answer(engine, first, "one's");
    check_answer(engine, plain, "host's");
    check_answer(engine, second, "two's");
    CHECK_INT(one.calls, 1);
    CHECK_INT(two.calls, 1);
    linked_unref(plain);
    linked_unref(first);
    linked_unref(second);
    engine_free(engine);
}

// SPDX-License-Identifier: Apache-2.0
// Merged core modules run as the modules do apart: tests/fixtures/merge/pair.wat both ways, call by
// call.
#include <dirent.h>
#include <unistd.h>

#include "engine/instance.h"
#include "engine/linker.h"
#include "engine/program.h"
#include "testing/test.h"

// ---- the host: test:host/api --------------------------------------------------------------------

static char noted[64];

static int lower_note(struct canon_call *call, union core_value *flat)
{
    struct str text;
    int rc = canon_lift_string(call, flat[0].u32, flat[1].u32, &text);
    if (rc == 0)
        snprintf(noted, sizeof(noted), "%.*s", STR_ARG(text));
    return rc;
}

static int lower_fail(struct canon_call *call, union core_value *flat)
{
    return canon_trap(call, "the host says no");
}

static const struct type type_string = {.kind = TYPE_STRING};
static const struct type_field note_params[] = {{STR_INIT("text"), &type_string}};
static const struct func_type note_type = {note_params, 1, NULL, false};
static const struct func_type fail_type = {NULL, 0, NULL, false};
static const struct host_func api_funcs[] = {
    {STR_INIT("note"), &note_type, lower_note},
    {STR_INIT("fail"), &fail_type, lower_fail},
};
static const struct host_interface api = {
    .name = STR_INIT("test:host/api@1.0.0"), .funcs = api_funcs, .func_count = 2};

// ---- one way ------------------------------------------------------------------------------------

struct way {
    struct engine *engine;
    struct program *program;
    struct linked *linked;
    struct loop *loop;
    struct executor *executor;
    struct instance *instance;
};

static void make_instance(struct way *way)
{
    ERROR(err);
    struct instance_options options = {0};
    if (instance_new(way->linked, way->executor, &options, &way->instance, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static struct way open_way_of(const char *name, const char *cache_dir, bool apart)
{
    ERROR(err);
    struct way way = {0};
    const char *dir = getenv("WASH_FIXTURES");
    _cleanup_(mem_freep) char *path =
        mem_printf("%s/fixtures/merge/%s.wasm", dir ? dir : "tests", name);
    struct engine_options options = {
        .instances_max = 10, .cache_dir = cache_dir, .modules_apart = apart};
    int rc = engine_new(&options, &way.engine, &err);
    if (rc == 0)
        rc = program_load(way.engine, path, &way.program, &err);
    if (rc == 0) {
        struct linker *linker = linker_new(way.engine);
        linker_add_interface(linker, &api, NULL);
        rc = linker_link(linker, way.program, &way.linked, &err);
        linker_free(linker);
    }
    if (rc == 0)
        rc = loop_new(&way.loop, &err);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    way.executor = executor_new(way.engine, way.loop);
    make_instance(&way);
    return way;
}

static struct way open_way(bool apart)
{
    return open_way_of("pair", "", apart);
}

static void close_way(struct way *way)
{
    instance_free(way->instance);
    executor_free(way->executor);
    loop_free(way->loop);
    linked_unref(way->linked);
    program_unref(way->program);
    engine_free(way->engine);
}

struct call {
    const struct way *way;
    const char *name;
    uint32_t args[2];
    uint32_t result;
    bool done;
    enum task_end end;
    char reason[1000];
};

static int call_body(struct canon_call *call, void *arg)
{
    struct call *c = arg;
    const void *func = linked_find_export(c->way->linked, STR_EMPTY, str_from(c->name));
    union core_value flat[TYPE_FLAT_MAX + 1] = {{.u32 = c->args[0]}, {.u32 = c->args[1]}};
    int rc = instance_enter(call, func);
    if (rc == 0)
        rc = call->ops->invoke(call, func, flat);
    c->result = flat[0].u32;
    return rc;
}

static void call_done(void *arg, enum task_end end, const struct error *err)
{
    struct call *c = arg;
    c->done = true;
    c->end = end;
    snprintf(c->reason, sizeof(c->reason), "%s", error_text(err));
}

// Calls one export. An instance that trapped is replaced.
static struct call run(struct way *way, const char *name, uint32_t a, uint32_t b)
{
    ERROR(err);
    struct call call = {.way = way, .name = name, .args = {a, b}};
    if (instance_run(way->instance, call_body, call_done, &call, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    while (!call.done)
        loop_turn(way->loop, true);
    if (call.end != TASK_RETURNED) {
        instance_free(way->instance);
        make_instance(way);
    }
    return call;
}

static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(path);
}

// ---- tests --------------------------------------------------------------------------------------

TEST(modules_are_merged_unless_told_otherwise)
{
    struct way merged = open_way(false);
    struct way apart = open_way(true);
    CHECK_INT(program_plan(merged.program)->module_count, 1);
    CHECK_INT(program_plan(apart.program)->module_count, 2);
    close_way(&merged);
    close_way(&apart);
}

TEST(merged_modules_compute_the_same)
{
    static const struct {
        const char *name;
        uint32_t args[2], result;
    } cases[] = {
        {"scaled", {1}, 61},      // (1 + 7) * 7 + 5: the adapter's start has run
        {"picked", {0}, 30},      // of the adapter's own table
        {"picked", {1}, 20},      //
        {"picked", {2}, 17},      // main's function in it
        {"rounded", {5}, 12},     // main's own, by way of the adapter
        {"indirect", {0, 1}, 61}, // the adapter's function in main's table
        {"indirect", {1, 1}, 8},  //
        {"table", {1}, 23},       // 20 + 3: a passive segment, and a function by reference
        {"indirect", {2, 0}, 30}, // what it left in the table
        {"blocks", {1}, 63},      //
        {"init", {0}, 'p'},       // a passive data segment
        {"counts", {2}, 2},       // state lasts
        {"counts", {3}, 5},
    };
    struct way ways[] = {open_way(false), open_way(true)};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
            struct call call = run(&ways[w], cases[i].name, cases[i].args[0], cases[i].args[1]);
            if (call.end != TASK_RETURNED || call.result != cases[i].result)
                test_fail(__FILE__, __LINE__, "%s %s: %u, not %u %s", w ? "apart" : "merged",
                          cases[i].name, call.result, cases[i].result, call.reason);
        }
    close_way(&ways[0]);
    close_way(&ways[1]);
}

TEST(merged_modules_trap_the_same)
{
    static const struct {
        const char *name;
        uint32_t args[2];
        const char *words[2];
    } cases[] = {
        {"picked", {3}, {"undefined element", "adapter_pick"}},
        {"indirect", {3, 0}, {"uninitialized element", "indirect"}},
        {"init", {(uint32_t)-1}, {"out of bounds", "init"}},
        {"fails", {0}, {"the host says no", "fails"}},
        {"tells", {0}, {"the host says no", "adapter_tell"}},
    };
    struct way ways[] = {open_way(false), open_way(true)};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
            struct call call = run(&ways[w], cases[i].name, cases[i].args[0], cases[i].args[1]);
            CHECK_INT(call.end, TASK_TRAPPED);
            CHECK_CONTAINS(call.reason, cases[i].words[0]);
            CHECK_CONTAINS(call.reason, cases[i].words[1]);
        }
    close_way(&ways[0]);
    close_way(&ways[1]);
}

TEST(host_functions_see_the_memory_of_merged_modules)
{
    struct way ways[] = {open_way(false), open_way(true)};
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        CHECK_INT(run(&ways[w], "says", 0, 0).end, TASK_RETURNED);
        CHECK_TEXT(noted, "main");
        (void)run(&ways[w], "tells", 0, 0);
        CHECK_TEXT(noted, "a"); // what the adapter's start wrote
    }
    close_way(&ways[0]);
    close_way(&ways[1]);
}

TEST(what_the_engine_does_not_take_merged_runs_apart)
{
    struct way way = open_way_of("too-many", "", false);
    CHECK_INT(program_plan(way.program)->module_count, 2);
    CHECK_INT(run(&way, "run", 0, 0).result, 8);
    close_way(&way);
}

TEST(merged_code_is_found_in_the_cache)
{
    char dir[] = "/tmp/wash-merge-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    struct way cold = open_way_of("pair", dir, false);
    struct way warm = open_way_of("pair", dir, false);
    struct way apart = open_way_of("pair", dir, true);
    bool was_cached[] = {program_was_cached(cold.program), program_was_cached(warm.program),
                         program_was_cached(apart.program)};
    uint32_t result = run(&warm, "scaled", 1, 0).result;
    close_way(&cold);
    close_way(&warm);
    close_way(&apart);
    remove_folder(dir);
    CHECK(!was_cached[0] && was_cached[1] && !was_cached[2]);
    CHECK_INT(result, 61);
}

// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/instance.h"
#include "engine/linker.h"
#include "engine/program.h"
#include "engine/task.h"
#include "testing/test.h"

// ---- the host side of tests/fixtures/engine.wat: interface test:host/api
// ---------------------------

static struct host_state {
    struct task_wait *waiting; // of the newest `wait`
    char note[64];
    int waits;
    uint32_t bonus; // added to what `wait` answers
} host;

static int lower_wait(struct canon_call *call, union core_value *flat)
{
    struct task_wait wait;
    task_wait_begin(&wait, call);
    host.waiting = &wait;
    host.waits++;
    int rc = task_park(&wait);
    host.waiting = NULL;
    flat[0].u32 += host.bonus;
    return rc;
}

static int lower_note(struct canon_call *call, union core_value *flat)
{
    struct str text;
    int rc = canon_lift_string(call, flat[0].u32, flat[1].u32, &text);
    if (rc == 0)
        snprintf(host.note, sizeof(host.note), "%.*s", STR_ARG(text));
    return rc;
}

static int lower_fail(struct canon_call *call, union core_value *flat)
{
    return canon_trap(call, "the host says no");
}

static const struct type type_u32 = {.kind = TYPE_U32};
static const struct type type_string = {.kind = TYPE_STRING};
static const struct type type_u64 = {.kind = TYPE_U64};
static const struct type_field wait_params[] = {{STR_INIT("n"), &type_u32}};
static const struct type_field note_params[] = {{STR_INIT("text"), &type_string}};
static const struct func_type wait_type = {wait_params, 1, &type_u32, false};
static const struct func_type wait_type_u64 = {wait_params, 1, &type_u64, false};
static const struct func_type note_type = {note_params, 1, NULL, false};
static const struct func_type fail_type = {NULL, 0, NULL, false};

static const struct host_func api_funcs[] = {
    {STR_INIT("wait"), &wait_type, lower_wait},
    {STR_INIT("note"), &note_type, lower_note},
    {STR_INIT("fail"), &fail_type, lower_fail},
};
static const struct host_interface api = {
    .name = STR_INIT("test:host/api@1.2.0"), .funcs = api_funcs, .func_count = 3};
static const struct host_func wrong_funcs[] = {
    {STR_INIT("wait"), &wait_type_u64, lower_wait},
    {STR_INIT("note"), &note_type, lower_note},
};
static const struct host_interface wrong_api = {
    .name = STR_INIT("test:host/api@1.2.0"), .funcs = wrong_funcs, .func_count = 2};

// ---- set-up
// -----------------------------------------------------------------------------------------

static char *fixture(const char *name)
{
    const char *dir = getenv("WASH_FIXTURES");
    return mem_printf("%s/%s", dir ? dir : "tests", name);
}

static struct engine *new_engine(const char *cache_dir)
{
    ERROR(err);
    struct engine *engine;
    struct engine_options options = {.instances_max = 200, .cache_dir = cache_dir};
    if (engine_new(&options, &engine, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return engine;
}

static struct program *load(struct engine *engine, const char *name)
{
    ERROR(err);
    struct program *program;
    _cleanup_(mem_freep) char *path = fixture(name);
    if (program_load(engine, path, &program, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return program;
}

struct world {
    struct engine *engine;
    struct linked *linked;
    struct loop *loop;
    struct executor *executor;
};

static struct world open_world(void)
{
    ERROR(err);
    struct world world = {.engine = new_engine("")};
    memset(&host, 0, sizeof(host));
    struct program *program = load(world.engine, "fixtures/engine.wasm");
    struct linker *linker = linker_new(world.engine);
    linker_add_interface(linker, &api, NULL);
    if (linker_link(linker, program, &world.linked, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    linker_free(linker);
    program_unref(program);
    CHECK_INT(loop_new(&world.loop, &err), 0);
    world.executor = executor_new(world.engine, world.loop);
    return world;
}

static void close_world(struct world *world)
{
    executor_free(world->executor);
    loop_free(world->loop);
    linked_unref(world->linked);
    engine_free(world->engine);
}

static struct instance *new_instance(struct world *world, struct instance_limits limits)
{
    ERROR(err);
    struct instance *instance;
    struct instance_options options = {.limits = limits};
    if (instance_new(world->linked, world->executor, &options, &instance, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return instance;
}

// One call of an export with up to two u32 and what came of it.
struct call {
    struct world *world;
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
    const void *func = linked_find_export(c->world->linked, STR_EMPTY, str_from(c->name));
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
    CHECK(!c->done);
    c->done = true;
    c->end = end;
    snprintf(c->reason, sizeof(c->reason), "%s", error_text(err));
}

static void start(struct instance *instance, struct call *c)
{
    ERROR(err);
    if (instance_run(instance, call_body, call_done, c, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static void turn_until_done(struct world *world, struct call *c)
{
    while (!c->done)
        loop_turn(world->loop, true);
}

static void run(struct instance *instance, struct call *c)
{
    start(instance, c);
    turn_until_done(c->world, c);
}

// Guest code may be interrupted anywhere: it gets to its next `wait` in some turn.
static struct task_wait *turn_until_waiting(struct world *world, int waits)
{
    while (host.waits < waits)
        loop_turn(world->loop, true);
    CHECK_INT(host.waits, waits);
    return host.waiting;
}

static void wake(void)
{
    CHECK(host.waiting != NULL);
    task_wake(host.waiting);
}

// ---- tests
// --------------------------------------------------------------------------------------------

TEST(exports_are_called_with_values_and_keep_state)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){0});
    struct call add = {&world, "add", .args = {40, 2}};
    run(instance, &add);
    CHECK(add.done && add.end == TASK_RETURNED);
    CHECK_INT(add.result, 42);
    for (uint32_t i = 1; i <= 3; i++) {
        struct call count = {&world, "count"};
        run(instance, &count);
        CHECK_INT(count.result, i);
    }
    CHECK_INT(instance_memory_bytes(instance), 65536);
    instance_free(instance);
    close_world(&world);
}

TEST(host_functions_see_guest_memory_in_place)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){0});
    struct call say = {&world, "say"};
    run(instance, &say);
    CHECK_INT(say.end, TASK_RETURNED);
    CHECK_TEXT(host.note, "hello");
    struct call outside = {&world, "say-outside"};
    run(instance, &outside);
    CHECK_INT(outside.end, TASK_TRAPPED);
    CHECK_CONTAINS(outside.reason, "outside the memory of 65536 bytes");
    instance_free(instance);
    close_world(&world);
}

TEST(a_host_function_parks_and_goes_on)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){0});
    struct call call = {&world, "wait-twice", .args = {5}};
    host.bonus = 1;
    start(instance, &call);
    turn_until_waiting(&world, 1);
    CHECK(!call.done);
    wake();
    turn_until_waiting(&world, 2);
    CHECK(!call.done);
    wake();
    turn_until_done(&world, &call);
    CHECK_INT(call.end, TASK_RETURNED);
    CHECK_INT(call.result, 5 + 100 + 2);
    instance_free(instance);
    close_world(&world);
}

TEST(many_instances_wait_at_once_and_end_in_any_order)
{
    enum { COUNT = 100 };
    struct world world = open_world();
    struct instance *instances[COUNT];
    struct call calls[COUNT];
    struct task_wait *waits[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        instances[i] = new_instance(&world, (struct instance_limits){0});
        calls[i] = (struct call){&world, "wait-twice", .args = {i}};
        start(instances[i], &calls[i]);
        waits[i] = turn_until_waiting(&world, (int)i + 1);
    }
    for (uint32_t k = 0; k < COUNT; k++) {
        uint32_t i = k * 37 % COUNT;
        task_wake(waits[i]);
        turn_until_waiting(&world, COUNT + (int)k + 1);
        CHECK(!calls[i].done);
        wake();
        turn_until_done(&world, &calls[i]);
        CHECK_INT(calls[i].result, i + 100);
        instance_free(instances[i]);
    }
    close_world(&world);
}

// A task that waits outside of guest code, then calls it.
struct parked {
    struct call call;
    struct task_wait wait;
    bool is_woken;
};

static int parked_body(struct canon_call *call, void *arg)
{
    struct parked *parked = arg;
    int rc = 0;
    task_wait_begin(&parked->wait, call);
    while (rc == 0 && !parked->is_woken)
        rc = task_park(&parked->wait);
    return rc < 0 ? rc : call_body(call, &parked->call);
}

// Several fibers of one store, resumed in any order: libwasmtime promises it to nobody.
TEST(several_tasks_of_one_instance_wait_and_end_in_any_order)
{
    enum { COUNT = 20 };
    ERROR(err);
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){0});
    struct parked tasks[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        tasks[i] = (struct parked){.call = {&world, "add", .args = {i, 100}}};
        CHECK_INT(instance_run(instance, parked_body, call_done, &tasks[i].call, &err), 0);
    }
    for (uint32_t k = 0; k < COUNT; k++) {
        uint32_t i = k * 7 % COUNT;
        CHECK(!tasks[i].call.done);
        tasks[i].is_woken = true;
        task_wake(&tasks[i].wait);
        turn_until_done(&world, &tasks[i].call);
        CHECK_INT(tasks[i].call.end, TASK_RETURNED);
        CHECK_INT(tasks[i].call.result, i + 100);
    }
    instance_free(instance);
    close_world(&world);
}

TEST(a_guest_that_waits_in_the_host_is_not_entered_again_meanwhile)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){0});
    struct call first = {&world, "wait-twice", .args = {1}};
    struct call second = {&world, "wait-twice", .args = {2}};
    start(instance, &first);
    start(instance, &second);
    turn_until_waiting(&world, 1);
    wake();
    turn_until_waiting(&world, 2);
    wake();
    turn_until_done(&world, &first);
    CHECK_INT(first.result, 101);
    turn_until_waiting(&world, 3);
    wake();
    turn_until_waiting(&world, 4);
    wake();
    turn_until_done(&world, &second);
    CHECK_INT(second.result, 102);
    instance_free(instance);
    close_world(&world);
}

TEST(an_instance_can_be_freed_while_its_task_waits)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){0});
    struct call call = {&world, "wait-twice", .args = {5}};
    start(instance, &call);
    CHECK(!call.done);
    instance_free(instance);
    CHECK(call.done);
    CHECK_INT(call.end, TASK_CANCELLED);
    close_world(&world);
}

TEST(traps_say_their_reason_and_where)
{
    struct world world = open_world();
    static const struct {
        const char *func, *words[2];
    } cases[] = {
        {"trap", {"unreachable", "trap_here"}},
        {"call-fail", {"the host says no", "call_fail"}},
        {"recurse", {"stack", "recurse"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ERROR(err);
        struct instance *instance = new_instance(&world, (struct instance_limits){0});
        struct call call = {&world, cases[i].func};
        run(instance, &call);
        CHECK_INT(call.end, TASK_TRAPPED);
        CHECK_CONTAINS(call.reason, cases[i].words[0]);
        CHECK_CONTAINS(call.reason, cases[i].words[1]);
        CHECK_INT(instance_run(instance, call_body, call_done, &call, &err), -ESHUTDOWN);
        instance_free(instance);
    }
    close_world(&world);
}

TEST(a_spinning_guest_yields_and_is_stopped_at_its_wall_time)
{
    struct world world = open_world();
    struct instance *spinner = new_instance(&world, (struct instance_limits){.wall_time_ms = 200});
    struct instance *neighbour = new_instance(&world, (struct instance_limits){0});
    struct call spin = {&world, "spin"};
    start(spinner, &spin);
    CHECK(!spin.done);
    struct call add = {&world, "add", .args = {1, 2}};
    run(neighbour, &add);
    CHECK_INT(add.result, 3);
    turn_until_done(&world, &spin);
    CHECK_INT(spin.end, TASK_TIMED_OUT);
    CHECK_CONTAINS(spin.reason, "wall-time limit of 200 ms");
    instance_free(spinner);
    instance_free(neighbour);
    close_world(&world);
}

TEST(a_waiting_guest_is_stopped_at_its_wall_time)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){.wall_time_ms = 50});
    struct call call = {&world, "wait-twice"};
    run(instance, &call);
    CHECK_INT(call.end, TASK_TIMED_OUT);
    instance_free(instance);
    close_world(&world);
}

TEST(memory_stops_at_its_limit)
{
    ERROR(err);
    struct world world = open_world();
    struct instance *instance =
        new_instance(&world, (struct instance_limits){.memory_bytes_max = 4 * 65536});
    struct call grow = {&world, "grow", .args = {2}};
    run(instance, &grow);
    CHECK_INT((int32_t)grow.result, 1);
    struct call more = {&world, "grow", .args = {2}};
    run(instance, &more);
    CHECK_INT((int32_t)more.result, -1);
    CHECK_INT(instance_memory_bytes(instance), 3 * 65536);
    instance_free(instance);
    struct instance_options options = {.limits.memory_bytes_max = 1000};
    CHECK(instance_new(world.linked, world.executor, &options, &instance, &err) < 0);
    CHECK_CONTAINS(
        error_text(&err),
        "needs 65536 bytes of memory to start: memory limit of 1000 bytes (--max-memory) reached");
    close_world(&world);
}

TEST(a_wrong_type_of_a_known_import_is_refused)
{
    ERROR(err);
    struct engine *engine = new_engine("");
    struct program *program = load(engine, "fixtures/engine.wasm");
    struct linker *linker = linker_new(engine);
    linker_add_interface(linker, &wrong_api, NULL);
    struct linked *linked;
    CHECK(linker_link(linker, program, &linked, &err) < 0);
    CHECK_CONTAINS(error_text(&err), "test:host/api@1.0.0: function `wait` has another type here");
    CHECK_CONTAINS(error_text(&err), "test:host/api@1.0.0: function `fail`");
    linker_free(linker);
    program_unref(program);
    engine_free(engine);
}

// The one file in a folder.
static char *only_file(const char *dir)
{
    DIR *open = opendir(dir);
    CHECK(open != NULL);
    char *path = NULL;
    for (struct dirent *entry; (entry = readdir(open));)
        if (entry->d_name[0] != '.') {
            CHECK(path == NULL || strcmp(path, entry->d_name) != 0);
            free(path);
            path = mem_printf("%s/%s", dir, entry->d_name);
        }
    closedir(open);
    CHECK(path != NULL);
    return path;
}

static bool loads_from_cache(struct engine *engine)
{
    struct program *program = load(engine, "fixtures/adder.wasm");
    bool cached = program_was_cached(program);
    program_unref(program);
    return cached;
}

TEST(compiled_code_is_kept_and_a_damaged_file_is_replaced)
{
    char dir[] = "/tmp/wash-cache-test-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    _cleanup_(mem_freep) char *cache = mem_printf("%s/a/b", dir);
    struct engine *engine = new_engine(cache);
    CHECK(!loads_from_cache(engine));
    CHECK(loads_from_cache(engine));
    _cleanup_(mem_freep) char *path = only_file(cache);
    for (long at = 0; at < 3; at++) {
        FILE *file = fopen(path, "r+be");
        CHECK(file != NULL);
        fseek(file, at == 0 ? 1000 : at == 1 ? -1 : -20, at == 0 ? SEEK_SET : SEEK_END);
        int byte = fgetc(file);
        fseek(file, -1, SEEK_CUR);
        fputc(byte ^ 1, file);
        fclose(file);
        CHECK(!loads_from_cache(engine));
        CHECK(loads_from_cache(engine));
    }
    CHECK_INT(truncate(path, 5000), 0);
    CHECK(!loads_from_cache(engine));
    CHECK_INT(chmod(path, 0666), 0);
    CHECK(!loads_from_cache(engine));
    CHECK(loads_from_cache(engine));
    engine_free(engine);
    _cleanup_(mem_freep) char *command = mem_printf("rm -r %s", dir);
    FILE *remove = popen(command, "re");
    CHECK(remove != NULL && pclose(remove) == 0);
}

TEST(a_component_whose_imports_are_missing_is_refused_with_their_list)
{
    ERROR(err);
    struct engine *engine = new_engine("");
    struct program *program = load(engine, "guests/p2-hello.wasm");
    struct linker *linker = linker_new(engine);
    struct linked *linked;
    CHECK(linker_link(linker, program, &linked, &err) < 0);
    CHECK_CONTAINS(error_text(&err), "imports what this host does not provide");
    CHECK_CONTAINS(error_text(&err), "\n  wasi:http/types@0.2.4");
    CHECK_CONTAINS(error_text(&err), "\n  wasi:io/streams@0.2.");
    linker_free(linker);
    program_unref(program);
    engine_free(engine);
}

TEST(an_engine_without_room_is_told_by_those_who_need_it)
{
    ERROR(err);
    struct engine_options options = {
        .instances_max = 100000, .memory_bytes_max = (uint64_t)4 << 30, .cache_dir = ""};
    struct engine *engine;
    CHECK_INT(engine_new(&options, &engine, &err), 0);
    CHECK(engine_wait(engine, &err) < 0);
    CHECK_CONTAINS(error_text(&err), "set up the WebAssembly engine: ");
    struct program *program;
    ERROR(again);
    static const char no_core_modules[] = "\0asm\x0d\0\1";
    struct str component = str_of(no_core_modules, sizeof(no_core_modules));
    CHECK(program_new(engine, component, &program, &again) < 0);
    CHECK_CONTAINS(error_text(&again), "set up the WebAssembly engine: ");
    engine_free(engine);
}

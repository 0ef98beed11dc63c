// SPDX-License-Identifier: Apache-2.0
// Limits of an instance, each reached by tests/fixtures/limits.wat, and how hot code shares its
// thread.
#include "engine/instance.h"
#include "engine/linker.h"
#include "engine/program.h"
#include "testing/test.h"

struct world {
    struct engine *engine;
    struct linked *linked;
    struct loop *loop;
    struct executor *executor;
};

static struct world open_world(void)
{
    ERROR(err);
    struct world world = {0};
    struct engine_options options = {.instances_max = 20, .cache_dir = ""};
    const char *dir = getenv("WASH_FIXTURES");
    _cleanup_(mem_freep) char *path = mem_printf("%s/fixtures/limits.wasm", dir ? dir : "tests");
    struct program *program;
    if (engine_new(&options, &world.engine, &err) < 0 ||
        program_load(world.engine, path, &program, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    struct linker *linker = linker_new(world.engine);
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
    while (loop_turn(world->loop, false))
        ;
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

// One call of an export and what came of it.
struct call {
    struct instance_call call;
    const char *name;
    uint32_t n;
    uint32_t result;
    uint32_t returns, ends;
    enum task_end end;
    char reason[600];
};

static int call_start(struct canon_call *call, void *arg, union core_value *flat)
{
    flat[0].u64 = ((struct call *)arg)->n;
    return 0;
}

static int call_returned(struct canon_call *call, void *arg, const union core_value *flat,
                         uint32_t flat_max)
{
    struct call *c = arg;
    c->returns++;
    if (flat)
        c->result = flat[0].u32;
    return 0;
}

static void call_ended(void *arg, enum task_end end, const struct error *err)
{
    struct call *c = arg;
    c->ends++;
    c->end = end;
    snprintf(c->reason, sizeof(c->reason), "%s", err ? error_text(err) : "");
}

static void start(struct world *world, struct instance *instance, struct call *c)
{
    ERROR(err);
    c->call = (struct instance_call){
        .start = call_start, .returned = call_returned, .ended = call_ended, .arg = c};
    const void *func = linked_find_export(world->linked, STR_EMPTY, str_from(c->name));
    CHECK(func);
    if (instance_call(instance, func, &c->call, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static void await_end(struct world *world, const struct call *call)
{
    while (call->ends == 0)
        loop_turn(world->loop, true);
    CHECK_INT(call->ends, 1);
}

static uint32_t run(struct world *world, struct instance *instance, const char *name, uint32_t n)
{
    struct call call = {.name = name, .n = n};
    start(world, instance, &call);
    await_end(world, &call);
    if (call.end != TASK_RETURNED)
        test_fail(__FILE__, __LINE__, "%s(%u): %s", name, n, call.reason);
    return call.result;
}

// ---- what is counted ----------------------------------------------------------------------------

static const struct instance_limits few = {.memory_bytes_max = 4 << 16,
                                           .table_elements_max = 20,
                                           .handles_max = 100,
                                           .streams_max = 30,
                                           .tasks_max = 10};

TEST(what_an_instance_has_is_limited)
{
    struct world world = open_world();
    static const struct {
        const char *func;
        uint32_t fits, breaks;
        const char *reason;
    } cases[] = {
        {"handles", 100, 101, "handle limit of 100 handles (--max-handles) reached"},
        {"futures", 30, 31, "stream limit of 30 streams, futures and subtasks (--max-streams)"},
        {"tasks", 8, 20, "task limit of 10 tasks and threads (--max-tasks) reached"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct instance *instance = new_instance(&world, few), *neighbour;
        CHECK_INT(run(&world, instance, cases[i].func, cases[i].fits), cases[i].fits);
        instance_free(instance);
        instance = new_instance(&world, few);
        neighbour = new_instance(&world, few);
        struct call call = {.name = cases[i].func, .n = cases[i].breaks};
        start(&world, instance, &call);
        await_end(&world, &call);
        CHECK_INT(call.end, TASK_TRAPPED);
        CHECK_CONTAINS(call.reason, cases[i].reason);
        CHECK_INT(run(&world, neighbour, cases[i].func, cases[i].fits), cases[i].fits);
        instance_free(instance);
        instance_free(neighbour);
    }
    close_world(&world);
}

TEST(handles_of_all_tables_are_counted_together)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, few);
    // Eight subtasks in one table, eight waitable sets in another.
    CHECK_INT(run(&world, instance, "tasks", 8), 8);
    CHECK_INT(instance_handle_count(instance), 16);
    CHECK_INT(run(&world, instance, "handles", 84), 84);
    struct call call = {.name = "handles", .n = 1};
    start(&world, instance, &call);
    await_end(&world, &call);
    CHECK_CONTAINS(call.reason, "handle limit of 100 handles (--max-handles) reached");
    instance_free(instance);
    close_world(&world);
}

TEST(growth_beyond_a_limit_fails_in_the_guest)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, few);
    CHECK_INT(run(&world, instance, "grow", 3), 1);
    CHECK_INT((int32_t)run(&world, instance, "grow", 1), -1);
    CHECK_INT(instance_memory_bytes(instance), 4 << 16);
    CHECK_INT(run(&world, instance, "grow-table", 19), 1);
    CHECK_INT((int32_t)run(&world, instance, "grow-table", 1), -1);
    instance_free(instance);
    close_world(&world);
}

TEST(a_trap_after_refused_memory_says_so)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, few);
    struct call call = {.name = "grow-or-trap", .n = 100};
    start(&world, instance, &call);
    await_end(&world, &call);
    CHECK_INT(call.end, TASK_TRAPPED);
    CHECK_CONTAINS(call.reason, "unreachable");
    CHECK_CONTAINS(call.reason, "note: the memory limit of 262144 bytes (--max-memory) had been");
    instance_free(instance);
    close_world(&world);
}

// ---- time ---------------------------------------------------------------------------------------

TEST(a_call_is_stopped_at_its_cpu_time)
{
    struct world world = open_world();
    static const char *const funcs[] = {"spin", "work"}; // never yields; yields all the time
    for (size_t i = 0; i < ARRAY_LEN(funcs); i++) {
        struct instance_limits limits = {.cpu_time_ms = 30, .wall_time_ms = 600000};
        struct instance *instance = new_instance(&world, limits);
        struct instance *neighbour = new_instance(&world, limits);
        struct call call = {.name = funcs[i]};
        start(&world, instance, &call);
        while (call.ends == 0) {
            CHECK_INT(run(&world, neighbour, "grow", 0), 1);
            loop_turn(world.loop, false);
        }
        CHECK_INT(call.end, TASK_TIMED_OUT);
        CHECK_CONTAINS(call.reason, "CPU time limit of 30 ms (--max-cpu-time) reached");
        ERROR(err);
        struct call next = {.name = "handles"};
        CHECK(instance_call(instance, linked_find_export(world.linked, STR_EMPTY, STR("handles")),
                            &next.call, &err) < 0);
        instance_free(instance);
        instance_free(neighbour);
    }
    close_world(&world);
}

TEST(calls_of_one_instance_have_cpu_time_of_their_own)
{
    struct world world = open_world();
    struct instance *instance = new_instance(&world, (struct instance_limits){.cpu_time_ms = 40});
    struct call spin = {.name = "work"}, late = {.name = "work"};
    start(&world, instance, &spin);
    start(&world, instance, &late);
    await_end(&world, &spin);
    // The instance cannot go on without it.
    CHECK_INT(late.ends, 1);
    CHECK_INT(late.end, TASK_TIMED_OUT);
    instance_free(instance);
    // What one call used is not held against the next.
    instance = new_instance(&world, (struct instance_limits){.cpu_time_ms = 2000});
    for (int i = 0; i < 100; i++)
        CHECK_INT(run(&world, instance, "handles", 10), 10);
    instance_free(instance);
    close_world(&world);
}

// ---- sharing a thread ---------------------------------------------------------------------------

TEST(hot_code_takes_turns_and_lets_others_through)
{
    enum { COUNT = 5 };
    struct world world = open_world();
    struct instance_limits limits = {.cpu_time_ms = 100};
    struct instance *hot[COUNT], *neighbour = new_instance(&world, (struct instance_limits){0});
    struct call calls[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        hot[i] = new_instance(&world, limits);
        calls[i] = (struct call){.name = i % 2 ? "work" : "spin"};
        start(&world, hot[i], &calls[i]);
    }
    uint32_t ended = 0;
    while (ended < COUNT) {
        CHECK_INT(run(&world, neighbour, "grow", 0), 1);
        loop_turn(world.loop, false);
        ended = 0;
        for (size_t i = 0; i < COUNT; i++)
            ended += calls[i].ends;
    }
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_INT(calls[i].end, TASK_TIMED_OUT);
        instance_free(hot[i]);
    }
    instance_free(neighbour);
    close_world(&world);
}

TEST(hot_instances_are_freed_while_they_wait_for_a_slice)
{
    struct world world = open_world();
    static const char *const funcs[] = {"spin", "work"};
    for (size_t i = 0; i < ARRAY_LEN(funcs); i++) {
        struct instance *instance = new_instance(&world, (struct instance_limits){0});
        struct call call = {.name = funcs[i]};
        start(&world, instance, &call);
        for (int k = 0; k < 10; k++)
            loop_turn(world.loop, false);
        CHECK_INT(call.ends, 0);
        instance_free(instance);
        CHECK_INT(call.end, TASK_CANCELLED);
    }
    close_world(&world);
}

TEST(a_call_that_has_returned_is_not_cancelled)
{
    struct world world = open_world();
    for (int turns = 0; turns < 20; turns++) {
        struct instance *instance = new_instance(&world, (struct instance_limits){0});
        struct call call = {.name = "linger"};
        start(&world, instance, &call);
        while (!call.returns)
            loop_turn(world.loop, true);
        for (int i = 0; i < turns && !call.ends; i++)
            loop_turn(world.loop, false);
        if (!call.ends)
            instance_call_cancel(&call.call);
        await_end(&world, &call);
        CHECK_INT(call.end, TASK_RETURNED);
        CHECK_INT(call.returns, 1);
        instance_free(instance);
    }
    close_world(&world);
}

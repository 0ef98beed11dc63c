// SPDX-License-Identifier: Apache-2.0
// Fills and copies of memory, as compiled modules do them in pieces: tests/fixtures/bulk.wat
// against what memset and memmove make of the same bytes.
#include <sys/eventfd.h>
#include <unistd.h>

#include "component/core_bulk.h"
#include "engine/instance.h"
#include "engine/linker.h"
#include "engine/program.h"
#include "testing/test.h"

#define MEMORY_BYTES 0x400000u
#define PIECE        ((uint32_t)CORE_BULK_PIECE_BYTES)

struct world {
    struct engine *engine;
    struct linked *linked;
    struct loop *loop;
    struct executor *executor;
    struct instance *instance;
    // What the guest's memories must hold: numbers 0 and 1, and 2.
    uint8_t *a, *c;
    uint32_t state;
};

static void new_instance(struct world *world, struct instance_limits limits)
{
    ERROR(err);
    struct instance_options options = {.limits = limits};
    if (instance_new(world->linked, world->executor, &options, &world->instance, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    memset(world->a, 0, MEMORY_BYTES);
    memset(world->c, 0, MEMORY_BYTES);
    world->state = 1;
}

static struct world open_world(struct instance_limits limits)
{
    ERROR(err);
    struct world world = {.a = mem_alloc(MEMORY_BYTES), .c = mem_alloc(MEMORY_BYTES)};
    struct engine_options options = {
        .instances_max = 20, .cache_dir = "", .memory_bytes_max = (uint64_t)1 << 30};
    const char *dir = getenv("WASH_FIXTURES");
    _cleanup_(mem_freep) char *path = mem_printf("%s/fixtures/bulk.wasm", dir ? dir : "tests");
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
    new_instance(&world, limits);
    return world;
}

static void close_world(struct world *world)
{
    instance_free(world->instance);
    executor_free(world->executor);
    while (loop_turn(world->loop, false))
        ;
    loop_free(world->loop);
    linked_unref(world->linked);
    engine_free(world->engine);
    free(world->a);
    free(world->c);
}

// One call of an export and what came of it.
struct call {
    struct instance_call call;
    uint32_t args[3];
    uint32_t result;
    bool ended;
    enum task_end end;
    char reason[1500];
};

static int call_start(struct canon_call *call, void *arg, union core_value *flat)
{
    for (size_t i = 0; i < 3; i++)
        flat[i].u64 = ((struct call *)arg)->args[i];
    return 0;
}

static int call_returned(struct canon_call *call, void *arg, const union core_value *flat,
                         uint32_t flat_max)
{
    if (flat)
        ((struct call *)arg)->result = flat[0].u32;
    return 0;
}

static void call_ended(void *arg, enum task_end end, const struct error *err)
{
    struct call *c = arg;
    c->ended = true;
    c->end = end;
    snprintf(c->reason, sizeof(c->reason), "%s", err ? error_text(err) : "");
}

static struct call call(struct world *world, const char *name, const uint32_t args[3])
{
    ERROR(err);
    struct call c = {.args = {args[0], args[1], args[2]}};
    c.call = (struct instance_call){
        .start = call_start, .returned = call_returned, .ended = call_ended, .arg = &c};
    const void *func = linked_find_export(world->linked, STR_EMPTY, str_from(name));
    CHECK(func);
    if (instance_call(world->instance, func, &c.call, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    while (!c.ended)
        loop_turn(world->loop, true);
    return c;
}

static uint32_t run(struct world *world, const char *name, uint32_t x, uint32_t y, uint32_t z)
{
    struct call c = call(world, name, (const uint32_t[]){x, y, z});
    if (c.end != TASK_RETURNED)
        test_fail(__FILE__, __LINE__, "%s(%u, %u, %u): %s", name, x, y, z, c.reason);
    return c.result;
}

// ---- what the guest does, done here -------------------------------------------------------------

static void scatter(struct world *world)
{
    run(world, "scatter", 0, 0, 0);
    for (uint32_t at = 0; at < MEMORY_BYTES; at += 4) {
        world->state = world->state * 1664525u + 1013904223u;
        uint32_t other = world->state ^ 0x55aa33ccu;
        memcpy(world->a + at, &world->state, 4);
        memcpy(world->c + at, &other, 4);
    }
}

static uint32_t hash(const struct world *world)
{
    uint32_t sum = 0x811c9dc5u;
    for (uint32_t at = 0; at < MEMORY_BYTES; at += 4) {
        uint32_t x, y;
        memcpy(&x, world->a + at, 4);
        memcpy(&y, world->c + at, 4);
        sum = ((sum ^ x) * 16777619u ^ y) * 16777619u;
    }
    return sum;
}

static void check_same(struct world *world, const char *name, uint32_t x, uint32_t y, uint32_t z)
{
    if (run(world, "hash", 0, 0, 0) != hash(world))
        test_fail(__FILE__, __LINE__, "%s(%u, %u, %u) left other bytes", name, x, y, z);
}

static const struct {
    const char *name;
    bool to_c, from_c;
} copies[] = {
    {"copy", false, false},   {"copy-same", false, false}, {"copy64", true, true},
    {"copy-in", true, false}, {"copy-out", false, true},
};

static void check_copy(struct world *world, size_t i, uint32_t to, uint32_t from, uint32_t len)
{
    run(world, copies[i].name, to, from, len);
    memmove((copies[i].to_c ? world->c : world->a) + to,
            (copies[i].from_c ? world->c : world->a) + from, len);
    check_same(world, copies[i].name, to, from, len);
}

static void check_fill(struct world *world, bool is_64, uint32_t to, uint32_t value, uint32_t len)
{
    const char *name = is_64 ? "fill64" : "fill";
    run(world, name, to, value, len);
    memset((is_64 ? world->c : world->a) + to, (uint8_t)value, len);
    check_same(world, name, to, value, len);
}

// ---- tests --------------------------------------------------------------------------------------

static const uint32_t lengths[] = {0,
                                   1,
                                   100,
                                   PIECE - 1,
                                   PIECE,
                                   PIECE + 1,
                                   2 * PIECE,
                                   2 * PIECE + 1,
                                   5 * PIECE,
                                   1234567,
                                   MEMORY_BYTES - 1};

TEST(fills_of_any_length_and_place)
{
    struct world world = open_world((struct instance_limits){0});
    scatter(&world);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (uint32_t place = 0; place < 3; place++) {
            uint32_t room = MEMORY_BYTES - lengths[i];
            uint32_t to = place == 0 ? 0 : place == 1 ? room / 2 : room;
            check_fill(&world, i & 1, to, 0x300 + (uint32_t)i, lengths[i]);
            check_fill(&world, !(i & 1), to, 0x30 + place, lengths[i]);
        }
    check_fill(&world, false, 0, 3, MEMORY_BYTES);
    check_fill(&world, true, 0, 4, MEMORY_BYTES);
    close_world(&world);
}

TEST(fills_of_constant_length)
{
    struct world world = open_world((struct instance_limits){0});
    scatter(&world);
    run(&world, "fill-small", 77, 1, 0);
    memset(world.a + 77, 1, 100);
    run(&world, "fill-large", 1001, 2, 0);
    memset(world.a + 1001, 2, 1000000);
    check_same(&world, "fill-large", 1001, 2, 0);
    close_world(&world);
}

TEST(copies_are_moves_however_they_overlap)
{
    struct world world = open_world((struct instance_limits){0});
    static const uint32_t shifts[] = {0, 1, 3, PIECE - 1, PIECE, PIECE + 1, 1500000};
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        scatter(&world);
        for (size_t s = 0; s < ARRAY_LEN(shifts); s++) {
            check_copy(&world, i, 1000 + shifts[s], 1000, 5 * PIECE + 17);
            check_copy(&world, i, 1000, 1000 + shifts[s], 5 * PIECE + 17);
            check_copy(&world, i, MEMORY_BYTES - 2 * PIECE - 5, shifts[s], 2 * PIECE + 5);
            check_copy(&world, i, shifts[s], MEMORY_BYTES - 2 * PIECE - 5, 2 * PIECE + 5);
        }
    }
    close_world(&world);
}

TEST(lengths_of_copies)
{
    struct world world = open_world((struct instance_limits){0});
    scatter(&world);
    for (size_t n = 0; n < ARRAY_LEN(lengths); n++)
        for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
            check_copy(&world, i, MEMORY_BYTES - lengths[n], 0, lengths[n]);
            check_copy(&world, i, 0, MEMORY_BYTES - lengths[n], lengths[n]);
        }
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        check_copy(&world, i, MEMORY_BYTES, MEMORY_BYTES, 0);
        check_copy(&world, i, 0, 0, MEMORY_BYTES);
    }
    close_world(&world);
}

// A trap ends the instance: what it leaves in the memories is not seen by anybody.
static void check_trap(struct world *world, const char *name, uint32_t x, uint32_t y, uint32_t z)
{
    instance_free(world->instance);
    new_instance(world, (struct instance_limits){0});
    struct call c = call(world, name, (const uint32_t[]){x, y, z});
    if (c.end != TASK_TRAPPED)
        test_fail(__FILE__, __LINE__, "%s(%u, %u, %u) does not trap", name, x, y, z);
    CHECK_CONTAINS(c.reason, "wasm trap: out of bounds memory access");
}

TEST(beyond_the_end_is_a_trap)
{
    static const uint32_t pairs[][2] = {
        {MEMORY_BYTES, 1},         {MEMORY_BYTES + 1, 0}, {0, MEMORY_BYTES + 1},
        {1, MEMORY_BYTES},         {0, UINT32_MAX},       {UINT32_MAX, UINT32_MAX},
        {0xfffc0000u, 0x80000u},   {UINT32_MAX, 0},       {MEMORY_BYTES - PIECE, PIECE + 1},
        {MEMORY_BYTES - 1, PIECE}, {1, UINT32_MAX},       {MEMORY_BYTES, 0x40000001u},
    };
    struct world world = open_world((struct instance_limits){0});
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        check_trap(&world, "fill", pairs[i][0], 1, pairs[i][1]);
        check_trap(&world, "fill64", pairs[i][0], 1, pairs[i][1]);
        for (size_t k = 0; k < ARRAY_LEN(copies); k++) {
            check_trap(&world, copies[k].name, pairs[i][0], 0, pairs[i][1]);
            check_trap(&world, copies[k].name, 0, pairs[i][0], pairs[i][1]);
        }
    }
    close_world(&world);
}

// The instruction would take a second and more, the call may take a few milliseconds.
TEST(a_large_fill_is_stopped_at_its_cpu_time)
{
    struct world world = open_world(
        (struct instance_limits){.cpu_time_ms = 10, .memory_bytes_max = (uint64_t)1 << 30});
    struct call c = call(&world, "eat", (const uint32_t[]){8192, 1, 0});
    CHECK_INT(c.end, TASK_TIMED_OUT);
    CHECK_CONTAINS(c.reason, "CPU time limit of 10 ms");
    close_world(&world);
}

static uint64_t resident_pages(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file && fscanf(file, "%*u %llu", &pages) == 1);
    if (file)
        fclose(file);
    return pages;
}

// Makes a memory grow by 32 MiB, gives its instance up, and counts the turns until it is gone.
static uint32_t turns_until_given_back(struct world *world)
{
    uint64_t before = resident_pages();
    run(world, "eat", 512, 1, 0);
    uint64_t grown = resident_pages();
    CHECK(grown - before >= 8192);
    instance_free(world->instance);
    world->instance = NULL;
    uint32_t turns = 0;
    while (resident_pages() > grown - 8192 && turns < 1000) {
        loop_turn(world->loop, false);
        turns++;
    }
    CHECK(turns < 1000);
    return turns;
}

static void leave_unread(struct loop_poll *poll, unsigned events)
{
}

TEST(what_a_memory_grew_by_is_given_back_in_pieces)
{
    struct loop_poll always;
    struct world world = open_world((struct instance_limits){.memory_bytes_max = 64 << 20});
    uint32_t idle_turns = turns_until_given_back(&world);
    CHECK(idle_turns >= 8 && idle_turns < 128);
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK_INT(loop_poll_init(&always, world.loop, fd, leave_unread), 0);
    CHECK_INT(loop_poll_set(&always, LOOP_READABLE), 0);
    new_instance(&world, (struct instance_limits){.memory_bytes_max = 64 << 20});
    CHECK(turns_until_given_back(&world) >= 128); // there is always something else to do
    loop_poll_done(&always);
    close(fd);
    new_instance(&world, (struct instance_limits){0});
    scatter(&world);
    check_same(&world, "nothing", 0, 0, 0);
    close_world(&world);
}

TEST(an_executor_ends_while_memory_is_given_back)
{
    struct world world = open_world((struct instance_limits){.memory_bytes_max = 64 << 20});
    run(&world, "eat", 512, 1, 0);
    instance_free(world.instance);
    world.instance = NULL;
    loop_turn(world.loop, false);
    close_world(&world);
}

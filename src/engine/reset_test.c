// SPDX-License-Identifier: Apache-2.0
// Instances that are reset are as new ones: tests/fixtures/reset.
#include "engine/reset.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/linker.h"
#include "engine/pages.h"
#include "engine/program.h"
#include "testing/test.h"

// ---- the host: test:host/api --------------------------------------------------------------------

static uint32_t live_things;

static int drop_thing(struct canon_call *call, void *rep)
{
    live_things--;
    return 0;
}

static const struct host_resource thing = {STR_INIT("test:host/api@1.0.0"), STR_INIT("thing"),
                                           drop_thing};
static const struct host_resource *const resources[] = {&thing};

static int lower_new(struct canon_call *call, union core_value *flat)
{
    live_things++;
    return canon_lower_own(call, &thing, &live_things, &flat[0].u32);
}

static const struct resource_type thing_type = {.interface = STR_INIT("test:host/api@1.0.0"),
                                                .name = STR_INIT("thing")};
static const struct type own_thing = {.kind = TYPE_OWN, .resource = &thing_type};
static const struct func_type new_type = {NULL, 0, &own_thing, false};
static const struct host_func funcs[] = {
    {STR_INIT("[constructor]thing"), &new_type, lower_new},
};
static const struct host_interface api = {.name = STR_INIT("test:host/api@1.0.0"),
                                          .funcs = funcs,
                                          .func_count = 1,
                                          .resources = resources,
                                          .resource_count = 1};

// ---- set-up -------------------------------------------------------------------------------------

struct bed {
    struct engine *engine;
    struct program *program;
    struct linked *linked;
    struct loop *loop;
    struct executor *executor;
    struct instance *instance;
};

static struct instance *make_instance(struct bed *bed)
{
    ERROR(err);
    struct instance *instance;
    struct instance_options options = {.resettable = true};
    if (instance_new(bed->linked, bed->executor, &options, &instance, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return instance;
}

static struct bed open_bed(const char *name)
{
    ERROR(err);
    struct bed bed = {0};
    const char *dir = getenv("WASH_FIXTURES");
    _cleanup_(mem_freep) char *path =
        mem_printf("%s/fixtures/reset/%s.wasm", dir ? dir : "tests", name);
    struct engine_options options = {.instances_max = 10, .cache_dir = ""};
    int rc = engine_new(&options, &bed.engine, &err);
    if (rc == 0)
        rc = program_load(bed.engine, path, &bed.program, &err);
    if (rc == 0) {
        struct linker *linker = linker_new(bed.engine);
        linker_add_interface(linker, &api, NULL);
        rc = linker_link(linker, bed.program, &bed.linked, &err);
        linker_free(linker);
    }
    if (rc == 0)
        rc = loop_new(&bed.loop, &err);
    if (rc < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    bed.executor = executor_new(bed.engine, bed.loop);
    bed.instance = make_instance(&bed);
    return bed;
}

static void close_bed(struct bed *bed)
{
    instance_free(bed->instance);
    executor_free(bed->executor);
    loop_free(bed->loop);
    linked_unref(bed->linked);
    program_unref(bed->program);
    engine_free(bed->engine);
    CHECK_INT(live_things, 0);
}

// Where the page map cannot be scanned nothing is reset.
static int open_page_map(void)
{
    int fd = pages_open();
    if (fd < 0)
        test_skip("the kernel has no PAGEMAP_SCAN");
    return fd;
}

static void need_page_map(void)
{
    close(open_page_map());
}

struct call {
    struct bed *bed;
    const char *name;
    uint32_t args[2];
    uint32_t result;
    bool done;
    enum task_end end;
};

static int call_body(struct canon_call *call, void *arg)
{
    struct call *c = arg;
    const void *func = linked_find_export(c->bed->linked, STR_EMPTY, str_from(c->name));
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
}

static struct call run(struct bed *bed, const char *name, uint32_t a, uint32_t b)
{
    ERROR(err);
    struct call call = {.bed = bed, .name = name, .args = {a, b}};
    if (instance_run(bed->instance, call_body, call_done, &call, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    while (!call.done)
        loop_turn(bed->loop, true);
    return call;
}

static uint32_t value_of(struct bed *bed, const char *name, uint32_t a, uint32_t b)
{
    struct call call = run(bed, name, a, b);
    CHECK_INT(call.end, TASK_RETURNED);
    return call.result;
}

// ---- tests --------------------------------------------------------------------------------------

TEST(written_pages_are_found)
{
    int fd = open_page_map();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile uint8_t *map =
        mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)madvise((void *)map, 16 * page, MADV_NOHUGEPAGE);
    struct page_range ranges[4];
    CHECK_INT(pages_written(fd, (void *)map, 16 * page, ranges, 4, 16), 0);
    CHECK_INT(map[5 * page], 0); // reading makes no copy
    CHECK_INT(pages_written(fd, (void *)map, 16 * page, ranges, 4, 16), 0);
    uint64_t faults = pages_faults();
    map[3 * page] = 1;
    map[4 * page] = 1;
    map[9 * page + 7] = 1;
    CHECK(pages_faults() >= faults + 3);
    CHECK_INT(pages_written(fd, (void *)map, 16 * page, ranges, 4, 16), 2);
    CHECK(ranges[0].start == (uintptr_t)map + 3 * page &&
          ranges[0].end == ranges[0].start + 2 * page);
    CHECK(ranges[1].start == (uintptr_t)map + 9 * page && ranges[1].end == ranges[1].start + page);
    CHECK_INT(pages_written(fd, (void *)map, 16 * page, ranges, 4, 2), -E2BIG);
    CHECK_INT(pages_written(fd, (void *)map, 16 * page, ranges, 1, 16), -E2BIG);
    munmap((void *)map, 16 * page);
    close(fd);
}

TEST(globals_and_memory_are_put_back)
{
    need_page_map();
    struct bed bed = open_bed("values");
    uint32_t sum = value_of(&bed, "sum", 0, 0);
    CHECK(sum > 0);
    CHECK(instance_is_as_new(bed.instance));
    for (uint32_t round = 0; round < 3; round++) {
        CHECK_INT(value_of(&bed, "set", 77, 0), 7);
        CHECK(!instance_is_as_new(bed.instance));
        CHECK(instance_reset(bed.instance));
        CHECK(instance_is_as_new(bed.instance));
        CHECK_INT(value_of(&bed, "init", 0, 0), 'l');
        CHECK(value_of(&bed, "sum", 0, 0) != sum);
        CHECK(instance_reset(bed.instance));
        CHECK(instance_is_as_new(bed.instance));
        CHECK_INT(value_of(&bed, "sum", 0, 0), (int)sum);
    }
    close_bed(&bed);
}

// Two instances in turns: faults of one are faults of the thread.
TEST(scattered_writes_are_put_back)
{
    need_page_map();
    struct bed bed = open_bed("values");
    struct instance *pair[] = {bed.instance, make_instance(&bed)};
    uint32_t seed = 1;
    for (uint32_t round = 0; round < 400; round++) {
        bed.instance = pair[round % 2];
        // Most rounds write few new pages, some none at all.
        seed = value_of(&bed, "scribble", round % 7 ? seed : 1, round % 5);
        CHECK(instance_reset(bed.instance) || round > 100);
        if (!instance_is_as_new(bed.instance)) {
            // Only for the number of its pages may an instance be given up.
            instance_free(bed.instance);
            pair[round % 2] = bed.instance = make_instance(&bed);
        }
        CHECK(instance_is_as_new(bed.instance));
    }
    bed.instance = pair[0];
    instance_free(pair[1]);
    close_bed(&bed);
}

// A thread of its own with instances of the same program.
static void *reset_often(void *arg)
{
    ERROR(err);
    struct bed bed = *(struct bed *)arg;
    if (loop_new(&bed.loop, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    bed.executor = executor_new(bed.engine, bed.loop);
    bed.instance = make_instance(&bed);
    for (uint32_t round = 0; round < 50; round++) {
        CHECK_INT(value_of(&bed, "set", round, 0), 7);
        CHECK(instance_reset(bed.instance));
        CHECK(instance_is_as_new(bed.instance));
    }
    instance_free(bed.instance);
    executor_free(bed.executor);
    loop_free(bed.loop);
    return NULL;
}

TEST(threads_share_what_a_new_instance_is_like)
{
    need_page_map();
    struct bed bed = open_bed("values");
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        CHECK_INT(pthread_create(&threads[i], NULL, reset_often, &bed), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    close_bed(&bed);
}

TEST(what_wrote_much_is_given_up)
{
    need_page_map();
    struct bed bed = open_bed("values");
    (void)value_of(&bed, "scribble", 5, 10 * RESET_PAGES_MAX);
    CHECK(!instance_reset(bed.instance));
    close_bed(&bed);
}

TEST(handles_are_dropped_and_numbered_anew)
{
    need_page_map();
    struct bed bed = open_bed("values");
    for (uint32_t round = 0; round < 3; round++) {
        CHECK_INT(value_of(&bed, "new", 0, 0), 1);
        CHECK_INT(value_of(&bed, "new", 0, 0), 2);
        CHECK_INT(live_things, 2);
        CHECK(instance_reset(bed.instance));
        CHECK_INT(live_things, 0);
        CHECK_INT(instance_handle_count(bed.instance), 0);
    }
    close_bed(&bed);
}

TEST(a_memory_that_grew_is_not_reset)
{
    need_page_map();
    struct bed bed = open_bed("values");
    CHECK_INT(value_of(&bed, "grow", 0, 0), 17);
    CHECK(!instance_reset(bed.instance));
    close_bed(&bed);
}

TEST(an_instance_that_trapped_is_not_reset)
{
    need_page_map();
    struct bed bed = open_bed("values");
    CHECK_INT(run(&bed, "fail", 0, 0).end, TASK_TRAPPED);
    CHECK(!instance_reset(bed.instance));
    close_bed(&bed);
}

TEST(tables_that_change_are_not_reset)
{
    struct bed bed = open_bed("lasting");
    CHECK_INT(value_of(&bed, "set", 0, 0), 1);
    CHECK(!instance_reset(bed.instance));
    close_bed(&bed);
}

// SPDX-License-Identifier: Apache-2.0
// Asynchronous calls through the engine: tests/fixtures/async.wat against a host whose functions
// answer when the test says so.
#include <errno.h>

#include "engine/instance.h"
#include "engine/linker.h"
#include "engine/program.h"
#include "engine/later.h"
#include "testing/test.h"

// ---- the host -----------------------------------------------------------------------------------

#define JOBS_MAX 1000

static struct {
    struct host_job *jobs[JOBS_MAX]; // that wait for an answer, in order
    uint32_t numbers[JOBS_MAX];      // what `wait` was called with
    uint32_t job_count;
    uint32_t cancels, drops;
    struct stream *out;   // of `numbers`
    uint32_t out_left;    // bytes that are still to come
    bool out_held;        // until the test lets them go
    uint32_t total;       // of `total`
    struct stream *in;    // what `total` reads
    struct host_job *sum; // the call of `total`
} host;

static void forget(struct host_job *job)
{
    for (uint32_t i = 0; i < host.job_count; i++)
        if (host.jobs[i] == job)
            host.jobs[i] = NULL;
}

static void job_cancelled(struct host_job *job)
{
    host.cancels++;
    forget(job);
    host_job_cancelled(job);
}

static void job_dropped(struct host_job *job)
{
    host.drops++;
    forget(job);
    if (job == host.sum)
        host.sum = NULL;
}

static int pending(struct host_job *job, uint32_t number)
{
    job->cancel = job_cancelled;
    job->dropped = job_dropped;
    host.numbers[host.job_count] = number;
    host.jobs[host.job_count++] = job;
    return CANON_PENDING;
}

int t_host_later_wait(struct canon_call *call, struct host_job *job, uint32_t n, uint32_t *ret)
{
    *ret = n + 100;
    return n == 0 ? 0 : pending(job, n);
}

int t_host_later_greet(struct canon_call *call, struct host_job *job, struct str name,
                       struct str *ret)
{
    *ret = arena_printf(&job->arena, "Hello, %.*s!", STR_ARG(name));
    return pending(job, 0);
}

static int numbers_wanted(struct stream *stream, void *data)
{
    uint32_t room;
    void *to;
    if (host.out_held)
        return 0;
    if (host.out_left == 0) {
        host.out = NULL;
        stream_close_writer(stream);
        return 0;
    }
    int rc = stream_space(stream, &to, &room);
    uint32_t count = MIN(room, host.out_left);
    if (rc < 0)
        return rc;
    memset(to, 2, count);
    host.out_left -= count;
    return stream_wrote(stream, count);
}

static void numbers_dropped(struct stream *stream, void *data)
{
    host.out = NULL;
}

static const struct stream_host_ops numbers_ops = {.wanted = numbers_wanted,
                                                   .dropped = numbers_dropped};

int t_host_later_numbers(struct canon_call *call, uint32_t count, struct stream **ret)
{
    host.out_left = count;
    host.out = *ret = stream_new(call->async, &t_codec_u8, false, &numbers_ops, NULL);
    return 0;
}

static int total_offered(struct stream *stream, void *data)
{
    const void *from;
    uint32_t count;
    int rc = stream_data(stream, &from, &count);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        host.total += ((const uint8_t *)from)[i];
    return rc < 0 ? rc : stream_consumed(stream, count);
}

static void total_ended(struct stream *stream, void *data)
{
    host.in = NULL;
    if (!host.sum)
        return;
    *(uint32_t *)host.sum->result = host.total;
    host_job_done(TAKE(host.sum));
}

static const struct stream_host_ops total_ops = {.offered = total_offered, .dropped = total_ended};

int t_host_later_total(struct canon_call *call, struct host_job *job, struct stream *bytes,
                       uint32_t *ret)
{
    job->dropped = job_dropped;
    host.sum = job;
    host.in = bytes;
    int rc = stream_read_by(bytes, &total_ops, NULL);
    return rc < 0 ? rc : CANON_PENDING;
}

// Answers the oldest call that waits. False: none does.
static bool answer_one(void)
{
    for (uint32_t i = 0; i < host.job_count; i++) {
        if (host.jobs[i]) {
            host_job_done(TAKE(host.jobs[i]));
            return true;
        }
    }
    return false;
}

// One thing that the host can do next. False: nothing.
static bool host_step(void)
{
    if (answer_one())
        return true;
    if (!host.out_held)
        return false;
    host.out_held = false;
    if (host.out && stream_is_wanted(host.out))
        CHECK_INT(numbers_wanted(host.out, NULL), 0);
    return true;
}

// ---- set-up -------------------------------------------------------------------------------------

struct world {
    struct engine *engine;
    struct linked *linked;
    struct loop *loop;
    struct executor *executor;
    struct instance *instance;
};

static void open_instance(struct world *world, struct instance_limits limits)
{
    ERROR(err);
    struct instance_options options = {.limits = limits};
    memset(&host, 0, sizeof(host));
    if (instance_new(world->linked, world->executor, &options, &world->instance, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static struct world open_world(void)
{
    ERROR(err);
    struct world world = {0};
    struct engine_options options = {.instances_max = 20, .cache_dir = ""};
    const char *dir = getenv("WASH_FIXTURES");
    _cleanup_(mem_freep) char *path = mem_printf("%s/fixtures/async.wasm", dir ? dir : "tests");
    struct program *program;
    if (engine_new(&options, &world.engine, &err) < 0 ||
        program_load(world.engine, path, &program, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    struct linker *linker = linker_new(world.engine);
    linker_add_interface(linker, &t_host_later, NULL);
    if (linker_link(linker, program, &world.linked, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    linker_free(linker);
    program_unref(program);
    CHECK_INT(loop_new(&world.loop, &err), 0);
    world.executor = executor_new(world.engine, world.loop);
    open_instance(&world, (struct instance_limits){0});
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
}

// One call of an export with a u32, or a string, and what came of it.
struct call {
    struct instance_call call;
    const char *name;
    uint32_t number;
    const char *text; // instead of the number
    uint32_t result;
    char answer[64];
    bool returned, cancelled;
    uint32_t ends;
    enum task_end end;
    char reason[300];
};

static int call_start(struct canon_call *call, void *arg, union core_value *flat)
{
    struct call *c = arg;
    flat[0].u64 = c->number;
    if (!c->text)
        return 0;
    uint32_t ptr, len;
    int rc = canon_lower_string(call, str_from(c->text), &ptr, &len);
    flat[0].u64 = ptr;
    flat[1].u64 = len;
    return rc;
}

static int call_returned(struct canon_call *call, void *arg, const union core_value *flat,
                         uint32_t flat_max)
{
    struct call *c = arg;
    CHECK(!c->returned && !c->cancelled);
    c->cancelled = !flat;
    c->returned = flat;
    if (!flat)
        return 0;
    c->result = flat[0].u32;
    if (!c->text)
        return 0;
    struct str text;
    const uint8_t *at = call->memory + flat[0].u32;
    int rc = canon_lift_string(call, canon_load32(at), canon_load32(at + 4), &text);
    if (rc == 0)
        snprintf(c->answer, sizeof(c->answer), "%.*s", STR_ARG(text));
    return rc;
}

static void call_ended(void *arg, enum task_end end, const struct error *err)
{
    struct call *c = arg;
    c->ends++;
    c->end = end;
    snprintf(c->reason, sizeof(c->reason), "%s", err ? error_text(err) : "");
}

static void start(struct world *world, struct call *c)
{
    ERROR(err);
    c->call = (struct instance_call){
        .start = call_start, .returned = call_returned, .ended = call_ended, .arg = c};
    const void *func = linked_find_export(world->linked, STR_EMPTY, str_from(c->name));
    CHECK(func);
    if (instance_call(world->instance, func, &c->call, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static void turn(struct world *world)
{
    for (int i = 0; i < 5; i++)
        loop_turn(world->loop, false);
}

// Guest code may be interrupted at any time: it goes on when the loop turns.
static void await_jobs(struct world *world, uint32_t count)
{
    while (host.job_count < count)
        loop_turn(world->loop, true);
}

static void await_end(struct world *world, const struct call *call)
{
    while (call->ends == 0)
        loop_turn(world->loop, true);
}

static void check_returned(const struct call *c, uint32_t result)
{
    if (c->ends != 1 || c->end != TASK_RETURNED)
        test_fail(__FILE__, __LINE__, "%s: ended %u times, %s", c->name, c->ends, c->reason);
    CHECK(c->returned);
    CHECK_INT(c->result, result);
}

// ---- tests --------------------------------------------------------------------------------------

TEST(a_host_function_answers_at_once_or_later)
{
    struct world world = open_world();
    struct call now = {.name = "once"}, later = {.name = "once", .number = 5};
    start(&world, &now);
    await_end(&world, &now);
    check_returned(&now, 100);
    start(&world, &later);
    await_jobs(&world, 1);
    CHECK_INT(later.ends, 0);
    CHECK(answer_one());
    await_end(&world, &later);
    check_returned(&later, 105);
    CHECK_INT(instance_handle_count(world.instance), 0);
    close_world(&world);
}

TEST(a_thousand_tasks_of_one_instance_end_in_any_order)
{
    enum { COUNT = 900 }; // the guest's memory has room for as many
    static struct call calls[COUNT];
    struct world world = open_world();
    for (uint32_t i = 0; i < COUNT; i++) {
        calls[i] = (struct call){.name = "once", .number = i + 1};
        start(&world, &calls[i]);
    }
    await_jobs(&world, COUNT);
    for (uint32_t k = 0; k < COUNT; k++) {
        uint32_t i = k * 7 % COUNT;
        uint32_t number = host.numbers[i]; // calls need not come in order
        host_job_done(TAKE(host.jobs[i]));
        await_end(&world, &calls[number - 1]);
        check_returned(&calls[number - 1], number + 100);
    }
    CHECK_INT(instance_handle_count(world.instance), 0);
    close_world(&world);
}

TEST(a_synchronous_call_blocks_its_task_and_keeps_others_out)
{
    struct world world = open_world();
    struct call first = {.name = "plain", .number = 1}, second = {.name = "plain", .number = 2};
    start(&world, &first);
    start(&world, &second);
    await_jobs(&world, 1);
    turn(&world);
    CHECK_INT(host.job_count, 1);
    CHECK(answer_one());
    await_end(&world, &first);
    check_returned(&first, 101);
    await_jobs(&world, 2);
    CHECK(answer_one());
    await_end(&world, &second);
    check_returned(&second, 102);
    close_world(&world);
}

TEST(a_late_result_is_lowered_by_the_guest_s_realloc)
{
    struct world world = open_world();
    struct call call = {.name = "greeting", .text = "Grace"};
    start(&world, &call);
    await_jobs(&world, 1);
    CHECK(answer_one());
    await_end(&world, &call);
    CHECK_STR(str_from(call.answer), "Hello, Grace!");
    close_world(&world);
}

TEST(the_host_writes_a_stream)
{
    struct world world = open_world();
    struct call call = {.name = "sum", .number = 21};
    start(&world, &call);
    await_end(&world, &call);
    check_returned(&call, 42);
    host.out_held = true;
    struct call held = {.name = "sum", .number = 30};
    start(&world, &held);
    turn(&world);
    CHECK_INT(held.ends, 0);
    CHECK(host_step());
    await_end(&world, &held);
    check_returned(&held, 60);
    CHECK(!host.out);
    close_world(&world);
}

TEST(the_host_reads_a_stream)
{
    struct world world = open_world();
    struct call call = {.name = "send", .number = 40};
    start(&world, &call);
    await_end(&world, &call);
    check_returned(&call, 120);
    CHECK(!host.in && !host.sum);
    close_world(&world);
}

TEST(a_call_is_cancelled)
{
    struct world world = open_world();
    struct call call = {.name = "once", .number = 5};
    start(&world, &call);
    await_jobs(&world, 1);
    instance_call_cancel(&call.call);
    await_end(&world, &call);
    CHECK_INT(call.ends, 1);
    CHECK_INT(call.end, TASK_RETURNED);
    CHECK(call.cancelled && !call.returned);
    CHECK_INT(host.cancels, 1);
    CHECK_INT(instance_handle_count(world.instance), 0);
    close_world(&world);
}

TEST(a_job_that_traps_ends_all_calls)
{
    struct world world = open_world();
    struct call a = {.name = "once", .number = 1}, b = {.name = "once", .number = 2};
    start(&world, &a);
    start(&world, &b);
    await_jobs(&world, 2);
    host_job_trap(TAKE(host.jobs[0]), "the disk is gone");
    await_end(&world, &b);
    CHECK_INT(a.ends, 1);
    CHECK_INT(b.ends, 1);
    CHECK_INT(a.end, TASK_TRAPPED);
    CHECK_INT(b.end, TASK_TRAPPED);
    CHECK_CONTAINS(a.reason, "the disk is gone");
    close_world(&world);
    CHECK_INT(host.drops, 1);
}

TEST(a_call_has_a_wall_time)
{
    struct world world = open_world();
    instance_free(world.instance);
    open_instance(&world, (struct instance_limits){.wall_time_ms = 20});
    struct call call = {.name = "once", .number = 1};
    start(&world, &call);
    while (call.ends == 0)
        loop_turn(world.loop, true);
    CHECK_INT(call.end, TASK_TIMED_OUT);
    CHECK_CONTAINS(call.reason, "wall-time limit of 20 ms");
    close_world(&world);
}

// How often the host acts before a scenario comes to its end; `until` SIZE_MAX: to the end.
static uint32_t run_scenario(struct world *world, struct call *calls, uint32_t count,
                             uint32_t until)
{
    uint32_t steps = 0;
    host.out_held = true;
    for (uint32_t i = 0; i < count; i++, steps++) {
        if (steps == until)
            return steps;
        start(world, &calls[i]);
    }
    for (;; steps++) {
        if (steps == until)
            return steps;
        turn(world);
        if (!host_step())
            return steps;
    }
}

TEST(everything_can_be_ended_at_every_step)
{
    static const struct call scenario[] = {
        {.name = "once", .number = 1},       {.name = "plain", .number = 2},
        {.name = "sum", .number = 20},       {.name = "send", .number = 9},
        {.name = "greeting", .text = "Ada"}, {.name = "plain", .number = 3},
    };
    enum { COUNT = ARRAY_LEN(scenario) };
    struct world world = open_world();
    uint32_t until = 0, steps;
    do {
        struct call calls[COUNT];
        memcpy(calls, scenario, sizeof(calls));
        instance_free(world.instance);
        open_instance(&world, (struct instance_limits){0});
        steps = run_scenario(&world, calls, COUNT, until);
        uint32_t started = MIN(until, COUNT);
        instance_free(world.instance);
        world.instance = NULL;
        for (uint32_t i = 0; i < started; i++)
            CHECK_INT(calls[i].ends, 1);
        CHECK(!host.out && !host.in && !host.sum);
        CHECK(!answer_one());
    } while (steps == until++);
    CHECK(until > COUNT + 4);
    close_world(&world);
}

// SPDX-License-Identifier: Apache-2.0
// The public interface as a program sees it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wash/wash.h>

#include "testing/test.h"

struct world {
    struct wash_engine *engine;
    struct wash_linker *linker;
    struct wash_component *component;
    struct wash_program *program;
    struct wash_thread *thread;
    struct wash_instance *instance;
};

static const char *message(struct wash_error *error)
{
    return error ? wash_error_message(error) : "no reason";
}

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct wash_error *error = NULL;                                                           \
        if ((call) < 0)                                                                            \
            test_fail(__FILE__, __LINE__, "%s: %s", #call, message(error));                        \
    } while (0)

static char *fixture(const char *name)
{
    const char *dir = getenv("WASH_FIXTURES");
    static char path[1024];
    snprintf(path, sizeof(path), "%s/fixtures/%s", dir ? dir : "tests", name);
    return path;
}

static struct world prepare(const char *name)
{
    struct world w = {0};
    struct wash_engine_options options = {.cache_dir = "", .instances_max = 20};
    MUST(wash_engine_new(&options, &w.engine, &error));
    w.linker = wash_linker_new(w.engine);
    MUST(wash_component_load(w.engine, fixture(name), &w.component, &error));
    return w;
}

static void open_instance(struct world *w, void *data)
{
    struct wash_instance_options options = {.data = data};
    MUST(wash_link(w->linker, w->component, &w->program, &error));
    MUST(wash_thread_new(w->engine, &w->thread, &error));
    MUST(wash_instance_new(w->thread, w->program, &options, &w->instance, &error));
}

// Owners first: everything keeps what it needs.
static void close_world(struct world *w)
{
    wash_engine_free(w->engine);
    wash_linker_free(w->linker);
    wash_component_free(w->component);
    wash_program_free(w->program);
    wash_instance_free(w->instance);
    wash_thread_free(w->thread);
}

static const struct wash_func *find(const struct world *w, const char *name)
{
    const struct wash_func *func = wash_program_func(w->program, NULL, name);
    CHECK(func);
    return func;
}

// ---- validation and linking ---------------------------------------------------------------------

TEST(bytes_are_validated_with_a_reason)
{
    struct wash_error *error = NULL;
    CHECK_INT(wash_validate("\0asm\x0d\0\1\0", 8, &error), 0);
    CHECK(wash_validate("\0asm\x0d\0\1\0\xff", 9, &error) < 0);
    CHECK_CONTAINS(wash_error_message(error), "byte 0x");
    wash_error_free(error);
    CHECK(wash_validate("text", 4, NULL) < 0);
}

TEST(what_is_not_defined_is_listed)
{
    struct world w = prepare("thing.wasm");
    struct wash_error *error = NULL;
    CHECK(wash_link(w.linker, w.component, &w.program, &error) < 0);
    CHECK_CONTAINS(wash_error_message(error), "test:host/things@1.0.0");
    wash_error_free(error);
    close_world(&w);
}

// ---- resources ----------------------------------------------------------------------------------

static const void *thing_type;
static int things_live;

static void thing_drop(void *rep)
{
    things_live--;
    free(rep);
}

static int thing_make(struct wash_call *call, void *data, const struct wash_value *args,
                      struct wash_value *result)
{
    if (args[0].u64 == 0)
        return wash_trap(call, "no thing has the number 0");
    uint32_t *thing = malloc(sizeof(*thing));
    *thing = (uint32_t)args[0].u64 + *(uint32_t *)wash_call_data(call);
    things_live++;
    result->resource = thing_type;
    result->rep = thing;
    return 0;
}

static int thing_id(struct wash_call *call, void *data, const struct wash_value *args,
                    struct wash_value *result)
{
    CHECK(args[0].resource == thing_type);
    result->u64 = *(const uint32_t *)args[0].rep;
    return 0;
}

TEST(resources_of_the_host_are_made_and_dropped)
{
    struct world w = prepare("thing.wasm");
    uint32_t base = 100;
    struct wash_value arg = {.u64 = 7}, result = {0};
    thing_type = wash_linker_resource(w.linker, "test:host/things@1.0.0", "thing", thing_drop);
    wash_linker_func(w.linker, "test:host/things@1.0.0", "make", thing_make, NULL);
    wash_linker_func(w.linker, "test:host/things@1.0.0", "id", thing_id, NULL);
    open_instance(&w, &base);
    MUST(wash_call(w.instance, find(&w, "use"), &arg, &result, &error));
    CHECK_INT(result.u64, 107);
    CHECK_INT(things_live, 0);
    MUST(wash_call(w.instance, find(&w, "keep"), &arg, NULL, &error));
    CHECK_INT(things_live, 1);

    struct wash_error *error = NULL;
    arg.u64 = 0;
    CHECK(wash_call(w.instance, find(&w, "use"), &arg, &result, &error) < 0);
    CHECK_CONTAINS(wash_error_message(error), "no thing has the number 0");
    wash_error_free(error);
    close_world(&w);
    CHECK_INT(things_live, 0);
}

// ---- asynchronous functions and streams ---------------------------------------------------------

#define LATER "test:host/later@1.0.0"

static struct {
    struct wash_job *job;
    int dropped;
    uint32_t left;  // of `numbers`
    uint64_t total; // of `total`
    struct wash_job *sum;
} host;

static void job_dropped(void *data)
{
    host.dropped++;
}

static int later_wait(struct wash_call *call, void *data, const struct wash_value *args,
                      struct wash_value *result)
{
    result->u64 = args[0].u64 + 1;
    if (args[0].u64 < 10)
        return 0;
    host.job = wash_call_job(call, job_dropped, NULL);
    return WASH_PENDING;
}

static int later_greet(struct wash_call *call, void *data, const struct wash_value *args,
                       struct wash_value *result)
{
    char *text = wash_alloc(call, 64);
    int len = snprintf(text, 64, "Hello, %.*s!", (int)args[0].str.len, args[0].str.data);
    result->str = (struct wash_text){text, (size_t)len};
    return 0;
}

static int numbers_ready(struct wash_stream *stream, void *data)
{
    void *to;
    uint32_t room;
    if (host.left == 0) {
        wash_stream_close_writer(stream);
        return 0;
    }
    int rc = wash_stream_space(stream, &to, &room);
    if (rc < 0)
        return rc;
    room = room < host.left ? room : host.left;
    memset(to, 5, room);
    host.left -= room;
    return wash_stream_wrote(stream, room);
}

static const struct wash_stream_ops numbers_ops = {.ready = numbers_ready};

static int later_numbers(struct wash_call *call, void *data, const struct wash_value *args,
                         struct wash_value *result)
{
    host.left = (uint32_t)args[0].u64;
    result->stream = wash_stream_new(call, &numbers_ops, NULL);
    return 0;
}

static int total_ready(struct wash_stream *stream, void *data)
{
    const void *from;
    uint32_t len;
    int rc = wash_stream_bytes(stream, &from, &len);
    for (uint32_t i = 0; rc == 0 && i < len; i++)
        host.total += ((const uint8_t *)from)[i];
    return rc < 0 ? rc : wash_stream_consumed(stream, len);
}

static void total_done(struct wash_stream *stream, void *data)
{
    wash_job_return(host.sum, &(struct wash_value){.u64 = host.total});
}

static const struct wash_stream_ops total_ops = {.ready = total_ready, .dropped = total_done};

static int later_total(struct wash_call *call, void *data, const struct wash_value *args,
                       struct wash_value *result)
{
    host.sum = wash_call_job(call, NULL, NULL);
    int rc = wash_stream_read(args[0].stream, &total_ops, NULL);
    return rc < 0 ? rc : WASH_PENDING;
}

static struct world open_later(void)
{
    struct world w = prepare("async.wasm");
    memset(&host, 0, sizeof(host));
    wash_linker_func(w.linker, LATER, "wait", later_wait, NULL);
    wash_linker_func(w.linker, LATER, "greet", later_greet, NULL);
    wash_linker_func(w.linker, LATER, "numbers", later_numbers, NULL);
    wash_linker_func(w.linker, LATER, "total", later_total, NULL);
    open_instance(&w, NULL);
    return w;
}

static void keep_result(void *data, const struct wash_value *result, const char *failure)
{
    CHECK(result && !failure);
    memcpy(data, result, sizeof(*result));
}

static void keep_failure(void *data, const struct wash_value *result, const char *failure)
{
    CHECK(!result);
    snprintf(data, 100, "%s", failure);
}

TEST(functions_answer_at_once_and_later)
{
    struct world w = open_later();
    struct wash_value arg = {.u64 = 3}, result = {0};
    CHECK(wash_func_is_async(find(&w, "once")));
    MUST(wash_call(w.instance, find(&w, "once"), &arg, &result, &error));
    CHECK_INT(result.u64, 4);
    arg.u64 = 41;
    MUST(wash_start(w.instance, find(&w, "once"), &arg, keep_result, &result, &error));
    CHECK(host.job);
    wash_job_return(host.job, NULL);
    while (result.u64 != 42)
        wash_thread_turn(w.thread, false);
    close_world(&w);
}

TEST(a_pending_call_ends_with_its_instance)
{
    struct world w = open_later();
    struct wash_value arg = {.u64 = 50};
    char reason[100] = "";
    MUST(wash_start(w.instance, find(&w, "once"), &arg, keep_failure, reason, &error));
    close_world(&w);
    CHECK_INT(host.dropped, 1);
    CHECK_CONTAINS(reason, "ended");
}

TEST(texts_and_streams_are_passed)
{
    struct world w = open_later();
    struct wash_value text = {.str = {"Ada", 3}}, number = {.u64 = 12}, result = {0};
    CHECK_INT(wash_type_kind(wash_func_param(find(&w, "greeting"), 0)), WASH_STRING);
    MUST(wash_call(w.instance, find(&w, "greeting"), &text, &result, &error));
    CHECK_INT(result.str.len, 11);
    CHECK(memcmp(result.str.data, "Hello, Ada!", 11) == 0);
    MUST(wash_call(w.instance, find(&w, "sum"), &number, &result, &error));
    CHECK_INT(result.u64, 60);
    MUST(wash_call(w.instance, find(&w, "send"), &number, &result, &error));
    CHECK_INT(result.u64, 36);
    close_world(&w);
}

// ---- typed calls --------------------------------------------------------------------------------

static int typed(struct wash_call *call, void *data)
{
    const struct world *w = data;
    union wash_scalar values[WASH_SCALARS_MAX] = {{.s32 = -5}, {.s32 = 7}};
    int rc = wash_call_scalars(call, find(w, "add"), values);
    CHECK_INT(values[0].s32, 2);
    return rc;
}

static int typed_wrong(struct wash_call *call, void *data)
{
    union wash_scalar values[WASH_SCALARS_MAX] = {{.s32 = 0}};
    const struct world *w = data;
    return wash_call_scalars(call, wash_program_func(w->program, "test:adder/talk@0.1.0", "say"),
                             values);
}

static int deny(struct wash_call *call, void *data, const struct wash_value *args,
                struct wash_value *result)
{
    return 0;
}

TEST(scalars_are_called_without_values)
{
    struct world w = prepare("adder.wasm");
    struct wash_error *error = NULL;
    wash_linker_func(w.linker, "test:log/sink@1.2.0", "line", deny, NULL);
    open_instance(&w, NULL);
    if (wash_enter(w.instance, typed, &w, &error) < 0)
        test_fail(__FILE__, __LINE__, "%s", message(error));
    CHECK(wash_enter(w.instance, typed_wrong, &w, &error) < 0);
    CHECK_CONTAINS(wash_error_message(error), "not a synchronous function of scalars");
    wash_error_free(error);
    close_world(&w);
}

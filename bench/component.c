// SPDX-License-Identifier: Apache-2.0
// What the component model costs: calls through the canonical ABI in every direction, strings from
// one encoding to another, instances, planning, asynchronous calls. Prints a line for each measure:
// its name and nanoseconds (bytes for memory); bench/component.py sets them beside the peer's.
// Usage: component [--component BIG] GUESTS INSTANCE, with bench/guests and a component to make.
#include <malloc.h>

#include "base/file.h"
#include "base/log.h"
#include "component/canon_copy.h"
#include "component/component.h"
#include "component/validate.h"
#include "engine/internal.h"
#include "host/workload.h"

#define ROUND_NS    20000000.0 // of one timed loop
#define ROUNDS      5
#define SMALL_BYTES 4096u
#define LARGE_BYTES (1u << 20)
#define TEXT_BYTES  (1u << 16)
#define PARKED      1000u

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void fail(const struct error *err)
{
    log_error("%s", error_text(err));
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// ---- the host's functions -----------------------------------------------------------------------

static uint8_t elsewhere[LARGE_BYTES];
static uint8_t source[LARGE_BYTES];
static bool take_copies;

static int lower_add(struct canon_call *call, union core_value *flat)
{
    flat[0].u32 += flat[1].u32;
    return 0;
}

static int lower_take(struct canon_call *call, union core_value *flat)
{
    const void *data;
    int rc = canon_view(call, flat[0].u32, flat[1].u32, 1, 1, &data);
    if (rc < 0)
        return rc;
    if (take_copies)
        memcpy(elsewhere, data, MIN(flat[1].u32, LARGE_BYTES));
    flat[0].u32 = flat[1].u32;
    return 0;
}

static const struct type type_u8 = {.kind = TYPE_U8};
static const struct type type_u32 = {.kind = TYPE_U32};
static const struct type type_bytes = {.kind = TYPE_LIST, .element = &type_u8};
static const struct type_field add_params[] = {{STR_INIT("a"), &type_u32},
                                               {STR_INIT("b"), &type_u32}};
static const struct type_field take_params[] = {{STR_INIT("data"), &type_bytes}};
static const struct func_type add_type = {add_params, 2, &type_u32, false};
static const struct func_type take_type = {take_params, 1, &type_u32, false};
static const struct host_func host_funcs[] = {{STR_INIT("add"), &add_type, lower_add},
                                              {STR_INIT("take"), &take_type, lower_take}};
static const struct host_interface host_interface = {
    .name = STR_INIT("bench:component/host"), .funcs = host_funcs, .func_count = 2};

// ---- set-up -------------------------------------------------------------------------------------

struct bench {
    struct engine *engine;
    struct loop *loop;
    struct executor *executor;
};

static struct program *load(struct bench *bench, const char *path)
{
    ERROR(err);
    struct program *program;
    if (program_load(bench->engine, path, &program, &err) < 0)
        fail(&err);
    return program;
}

static struct linked *link_guest(struct bench *bench, const char *dir, const char *name)
{
    ERROR(err);
    char *path = mem_printf("%s/%s", dir, name);
    struct program *program = load(bench, path);
    struct linker *linker = linker_new(bench->engine);
    struct linked *linked;
    linker_add_interface(linker, &host_interface, NULL);
    if (linker_link(linker, program, &linked, &err) < 0)
        fail(&err);
    linker_free(linker);
    program_unref(program);
    free(path);
    return linked;
}

// One measure: `once` repeats it n times and is timed as a whole.
struct measure {
    const char *name;
    int (*once)(struct canon_call *call, const struct measure *measure, uint32_t n);
    uint32_t size;
    const char *export;
    struct linked *linked;
    const void *func;
};

static void report(const char *name, double value)
{
    printf("%s %.3f\n", name, value);
}

static int time_loops(struct canon_call *call, const struct measure *measure)
{
    double times[ROUNDS], took = 0;
    uint32_t n = 1;
    int rc = 0;
    for (; rc == 0 && took < ROUND_NS / 4 && n < 100000000; n *= took < ROUND_NS / 40 ? 8 : 2) {
        double start = now_ns();
        rc = measure->once(call, measure, n);
        took = now_ns() - start;
    }
    for (uint32_t round = 0; rc == 0 && round < ROUNDS; round++) {
        double start = now_ns();
        rc = measure->once(call, measure, n);
        times[round] = (now_ns() - start) / n;
    }
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    if (rc == 0)
        report(measure->name, times[ROUNDS / 2]);
    return rc;
}

// ---- measures -----------------------------------------------------------------------------------

static int call_guest(struct canon_call *call, const void *func, uint32_t a, uint32_t b)
{
    union core_value flat[CANON_FLAT_MAX];
    flat[0].u32 = a;
    flat[1].u32 = b;
    int rc = instance_enter(call, func);
    return rc < 0 ? rc : call->ops->invoke(call, func, flat);
}

// The guest repeats it.
static int in_guest(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    return call_guest(call, measure->func, n, measure->size);
}

static int copied_in_guest(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    take_copies = true;
    int rc = in_guest(call, measure, n);
    take_copies = false;
    return rc;
}

static int call_add(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = call_guest(call, measure->func, i, n);
    return rc;
}

// What the engine alone takes: the floor of any call by the host.
static int call_bare(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    const struct plan_lifted *lifted = measure->func;
    struct instance *instance = call->instance;
    union core_value flat[CANON_FLAT_MAX] = {0};
    wasmtime_func_t *func;
    int rc = instance_func(instance, lifted->func, &func, call->error);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        wasm_trap_t *trap = NULL;
        rc = fault_take(wasmtime_func_call_unchecked(instance->context, func,
                                                     (wasmtime_val_raw_t *)flat, CANON_FLAT_MAX,
                                                     &trap),
                        trap, call->error);
    }
    return rc;
}

static int call_take(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        union core_value flat[CANON_FLAT_MAX];
        rc = instance_enter(call, measure->func);
        if (rc == 0)
            rc = canon_lower_bytes(call, source, measure->size, 1, 1, &flat[0].u32, &flat[1].u32);
        if (rc == 0)
            rc = call->ops->invoke(call, measure->func, flat);
    }
    return rc;
}

static int call_give(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        union core_value flat[CANON_FLAT_MAX];
        flat[0].u32 = measure->size;
        const void *data;
        rc = instance_enter(call, measure->func);
        if (rc == 0)
            rc = call->ops->invoke(call, measure->func, flat);
        if (rc == 0)
            rc = canon_check_range(call, flat[0].u32, 8, 4);
        if (rc == 0)
            rc = canon_view(call, canon_load32(call->memory + flat[0].u32),
                            canon_load32(call->memory + flat[0].u32 + 4), 1, 1, &data);
    }
    return rc;
}

static int copy_plain(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        memcpy(elsewhere, source, measure->size);
        __asm__ volatile("" : : "r"(elsewhere) : "memory");
    }
    return 0;
}

static const struct measure micro_measures[] = {
    {"memcpy 4096", copy_plain, SMALL_BYTES, NULL, NULL, NULL},
    {"memcpy 1048576", copy_plain, LARGE_BYTES, NULL, NULL, NULL},
    {"host-guest add", call_add, 0, "add", NULL, NULL},
    {"host-guest bare", call_bare, 0, "add", NULL, NULL},
    {"host-guest list 0", call_take, 0, "take", NULL, NULL},
    {"host-guest list 4096", call_take, SMALL_BYTES, "take", NULL, NULL},
    {"host-guest list 1048576", call_take, LARGE_BYTES, "take", NULL, NULL},
    {"host-guest result 4096", call_give, SMALL_BYTES, "give", NULL, NULL},
    {"host-guest result 1048576", call_give, LARGE_BYTES, "give", NULL, NULL},
    {"guest-host add", in_guest, 0, "run-host-add", NULL, NULL},
    {"guest-host list 4096", in_guest, SMALL_BYTES, "run-host-take", NULL, NULL},
    {"guest-host list 1048576", in_guest, LARGE_BYTES, "run-host-take", NULL, NULL},
    {"guest-host copy 4096", copied_in_guest, SMALL_BYTES, "run-host-take", NULL, NULL},
    {"guest-host copy 1048576", copied_in_guest, LARGE_BYTES, "run-host-take", NULL, NULL},
    {"component add", in_guest, 0, "run-add", NULL, NULL},
    {"component echo 4096", in_guest, SMALL_BYTES, "run-echo", NULL, NULL},
    {"text utf8 utf8", in_guest, TEXT_BYTES, "run-text-utf8-utf8", NULL, NULL},
    {"text utf8 utf16", in_guest, TEXT_BYTES, "run-text-utf8-utf16", NULL, NULL},
    {"text utf8 latin1", in_guest, TEXT_BYTES, "run-text-utf8-latin1", NULL, NULL},
    {"text utf16 utf8", in_guest, TEXT_BYTES, "run-text-utf16-utf8", NULL, NULL},
};

static const struct measure async_measures[] = {
    {"async ready", in_guest, 0, "run-ready", NULL, NULL},
};

struct run {
    struct linked *linked;
    const struct measure *measures;
    size_t count;
    bool ended;
};

static int run_measures(struct canon_call *call, void *arg)
{
    struct run *run = arg;
    const void *fill = linked_find_export(run->linked, STR_EMPTY, STR("fill"));
    int rc = fill ? call_guest(call, fill, 0, 0) : 0;
    for (size_t i = 0; rc == 0 && i < run->count; i++) {
        struct measure measure = run->measures[i];
        measure.linked = run->linked;
        if (measure.export)
            measure.func = linked_find_export(run->linked, STR_EMPTY, str_from(measure.export));
        rc = time_loops(call, &measure);
    }
    return rc;
}

static int park_tasks(struct canon_call *call, void *arg)
{
    struct run *run = arg;
    const void *func = linked_find_export(run->linked, STR_EMPTY, STR("run-park"));
    int rc = call_guest(call, func, 1, 0); // what the first one sets up is not counted
    size_t before = mallinfo2().uordblks;
    if (rc == 0)
        rc = call_guest(call, func, PARKED, 0);
    report("async parked", (double)(mallinfo2().uordblks - before) / PARKED);
    return rc;
}

static void ended(void *arg, enum task_end end, const struct error *err)
{
    struct run *run = arg;
    run->ended = true;
    if (end != TASK_RETURNED)
        fail(err);
}

static void run_guest(struct bench *bench, struct linked *linked, task_body body,
                      const struct measure *measures, size_t count)
{
    ERROR(err);
    struct instance *instance;
    struct instance_options options = {0};
    struct run run = {.linked = linked, .measures = measures, .count = count};
    if (instance_new(linked, bench->executor, &options, &instance, &err) < 0 ||
        instance_run(instance, body, ended, &run, &err) < 0)
        fail(&err);
    while (!run.ended)
        loop_turn(bench->loop, true);
    instance_free(instance);
}

// ---- instances and plans ------------------------------------------------------------------------

struct maker {
    struct bench *bench;
    struct workload *workload;
    struct wasi wasi;
};

static int make_instances(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    struct maker *maker = call->host;
    for (uint32_t i = 0; i < n; i++) {
        ERROR(err);
        struct instance *instance;
        struct instance_options options = {.host = &maker->wasi};
        if (instance_new(workload_linked(maker->workload), maker->bench->executor, &options,
                         &instance, &err) < 0)
            fail(&err);
        instance_free(instance);
    }
    return 0;
}

static int measure_instances(struct bench *bench, const char *path)
{
    ERROR(err);
    struct maker maker = {.bench = bench};
    struct workload_settings settings = {.name = path};
    struct program *program = load(bench, path);
    if (workload_new(bench->engine, program, &settings, &maker.workload, &err) < 0)
        fail(&err);
    wasi_init(&maker.wasi, workload_wasi(maker.workload), bench->loop, NULL);
    struct canon_call call = {.host = &maker};
    int rc = time_loops(&call, &(struct measure){.name = "instantiate", .once = make_instances});
    wasi_done(&maker.wasi);
    workload_unref(maker.workload);
    program_unref(program);
    return rc;
}

static int make_plans(struct canon_call *call, const struct measure *measure, uint32_t n)
{
    const struct buf *bytes = call->host;
    for (uint32_t i = 0; i < n; i++) {
        ERROR(err);
        struct component *component;
        struct plan *plan = NULL;
        if (component_decode(str_of(bytes->data, bytes->len), &component, &err) < 0 ||
            component_validate(component, NULL, &err) < 0 || plan_new(component, &plan, &err) < 0)
            fail(&err);
        plan_free(plan);
        component_free(component);
    }
    return 0;
}

static int measure_plan(const char *path)
{
    ERROR(err);
    BUF(bytes, (size_t)256 << 20);
    if (file_read(path, &bytes, &err) < 0)
        fail(&err);
    struct canon_call call = {.host = &bytes};
    report("plan bytes", (double)bytes.len);
    return time_loops(&call, &(struct measure){.name = "plan", .once = make_plans});
}

int main(int argc, char **argv)
{
    ERROR(err);
    struct bench bench = {0};
    bool has_big = argc == 5 && strcmp(argv[1], "--component") == 0;
    if (argc != 3 && !has_big) {
        fprintf(stderr, "usage: component [--component BIG] GUESTS INSTANCE\n");
        return 2;
    }
    const char *guests = argv[argc - 2], *instance = argv[argc - 1];
    struct engine_options options = {.instances_max = 100};
    if (engine_new(&options, &bench.engine, &err) < 0 || loop_new(&bench.loop, &err) < 0)
        fail(&err);
    bench.executor = executor_new(bench.engine, bench.loop);
    memset(source, 'x', sizeof(source));
    struct linked *micro = link_guest(&bench, guests, "micro.wasm");
    struct linked *async = link_guest(&bench, guests, "async.wasm");
    run_guest(&bench, micro, run_measures, micro_measures, ARRAY_LEN(micro_measures));
    run_guest(&bench, async, run_measures, async_measures, ARRAY_LEN(async_measures));
    run_guest(&bench, async, park_tasks, NULL, 0);
    linked_unref(micro);
    linked_unref(async);
    int rc = measure_instances(&bench, instance);
    if (rc == 0 && has_big)
        rc = measure_plan(argv[2]);
    executor_free(bench.executor);
    loop_free(bench.loop);
    engine_free(bench.engine);
    return rc < 0;
}

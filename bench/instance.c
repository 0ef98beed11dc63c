// SPDX-License-Identifier: Apache-2.0
// Instances of a real component, apart from HTTP: what it costs to make and drop one, alone, with
// its start functions and (commands) with a run, and what many live ones take. CPU time of the
// thread, best and median of several loops.
// Usage: instance [--apart | --many] COMPONENT. With --apart, adapters stay core instances of their
// own; with --many, only what many components of one artifact take is measured.
#include <sys/resource.h>

#include "base/log.h"
#include "host/workload.h"

#define LOOPS      9
#define PER_LOOP   2000
#define LIVE_COUNT 1000

struct bench {
    struct engine *engine;
    struct workload *workload;
    struct loop *loop;
    struct executor *executor;
    struct wasi wasi;
    const void *run; // wasi:cli/run of a command
    bool ended;
};

static double thread_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static long faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1)
        abort();
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static struct instance *make(struct bench *bench)
{
    ERROR(err);
    struct instance *instance;
    struct instance_options options = {.host = &bench->wasi};
    if (instance_new(workload_linked(bench->workload), bench->executor, &options, &instance, &err) <
        0) {
        log_error("%s", error_text(&err));
        exit(1);
    }
    return instance;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void cycle(struct bench *bench)
{
    instance_free(make(bench));
}

static int start_body(struct canon_call *call, void *arg)
{
    return 0;
}

static int run_body(struct canon_call *call, void *arg)
{
    struct bench *bench = arg;
    union core_value flat[TYPE_FLAT_MAX + 1];
    int rc = instance_enter(call, bench->run);
    return rc < 0 ? rc : call->ops->invoke(call, bench->run, flat);
}

static void ended(void *arg, enum task_end end, const struct error *err)
{
    struct bench *bench = arg;
    bench->ended = true;
    if (end == TASK_RETURNED || end == TASK_EXITED)
        return;
    log_error("%s", error_text(err));
    exit(1);
}

static struct instance *run_task(struct bench *bench, task_body body)
{
    ERROR(err);
    struct instance *instance = make(bench);
    bench->ended = false;
    if (instance_run(instance, body, ended, bench, &err) < 0) {
        log_error("%s", error_text(&err));
        exit(1);
    }
    while (!bench->ended)
        loop_turn(bench->loop, true);
    return instance;
}

static void cycle_start(struct bench *bench)
{
    instance_free(run_task(bench, start_body));
}

static void cycle_run(struct bench *bench)
{
    instance_free(run_task(bench, run_body));
}

static void measure(struct bench *bench, const char *what, void (*once)(struct bench *bench))
{
    double times[LOOPS];
    long before = 0;
    for (int loop = -1; loop < LOOPS; loop++) { // the first warms up
        before = faults();
        double start = thread_ns();
        for (int i = 0; i < PER_LOOP; i++)
            once(bench);
        if (loop >= 0)
            times[loop] = (thread_ns() - start) / PER_LOOP;
    }
    long faulted = faults() - before;
    qsort(times, LOOPS, sizeof(times[0]), compare);
    printf("| %s | best %.2f us, median %.2f us, %.2f faults |\n", what, times[0] / 1e3,
           times[LOOPS / 2] / 1e3, (double)faulted / PER_LOOP);
}

static void measure_live(struct bench *bench)
{
    static struct instance *live[LIVE_COUNT];
    long before = resident_kb();
    for (int i = 0; i < LIVE_COUNT; i++)
        live[i] = make(bench);
    printf("| %d live instances | %.1f KB each |\n", LIVE_COUNT,
           (double)(resident_kb() - before) / LIVE_COUNT);
    for (int i = 0; i < LIVE_COUNT; i++)
        instance_free(live[i]);
}

// As many components of one artifact: a workload each, with one instance that has run its start
// functions.
static void measure_many(struct bench *bench, struct program *program)
{
    ERROR(err);
    static struct workload *workloads[LIVE_COUNT];
    static struct instance *live[LIVE_COUNT];
    struct workload *own = bench->workload;
    struct workload_settings settings = {.name = "one of many"};
    long before = resident_kb();
    for (int i = 0; i < LIVE_COUNT; i++) {
        if (workload_new(bench->engine, program, &settings, &workloads[i], &err) < 0) {
            log_error("%s", error_text(&err));
            exit(1);
        }
        bench->workload = workloads[i];
        live[i] = run_task(bench, start_body);
    }
    printf("| %d workloads of one artifact, a started instance each | %.1f KB each |\n", LIVE_COUNT,
           (double)(resident_kb() - before) / LIVE_COUNT);
    for (int i = 0; i < LIVE_COUNT; i++) {
        instance_free(live[i]);
        workload_unref(workloads[i]);
    }
    bench->workload = own;
}

static int open_bench(struct bench *bench, const char *path, bool apart, struct program **out,
                      struct error *err)
{
    struct program *program = NULL;
    struct engine_options options = {.instances_max = LIVE_COUNT + 10, .modules_apart = apart};
    struct workload_settings settings = {.name = path};
    int rc = engine_new(&options, &bench->engine, err);
    if (rc == 0)
        rc = program_load(bench->engine, path, &program, err);
    if (rc == 0)
        rc = workload_new(bench->engine, program, &settings, &bench->workload, err);
    if (rc == 0)
        rc = loop_new(&bench->loop, err);
    *out = program;
    if (rc < 0)
        return rc;
    bench->executor = executor_new(bench->engine, bench->loop);
    wasi_init(&bench->wasi, workload_wasi(bench->workload), bench->loop, NULL);
    bench->run =
        linked_find_export(workload_linked(bench->workload), STR("wasi:cli/run"), STR("run"));
    return 0;
}

static void measure_one(struct bench *bench)
{
    measure(bench, "store + instantiate + drop", cycle);
    measure(bench, "the same with start functions, on a fiber", cycle_start);
    if (bench->run)
        measure(bench, "the same with a run", cycle_run);
    measure_live(bench);
}

int main(int argc, char **argv)
{
    ERROR(err);
    struct bench bench = {0};
    bool apart = argc > 1 && strcmp(argv[1], "--apart") == 0;
    bool many = argc > 1 && strcmp(argv[1], "--many") == 0;
    if (argc != 2 + (apart || many)) {
        fprintf(stderr, "usage: instance [--apart | --many] COMPONENT\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    struct program *program = NULL;
    if (open_bench(&bench, path, apart, &program, &err) < 0) {
        log_error("%s", error_text(&err));
        return 1;
    }
    printf("| instances of %s%s | |\n|---|---|\n", path, apart ? ", adapter apart" : "");
    if (many)
        measure_many(&bench, program);
    else
        measure_one(&bench);
    wasi_done(&bench.wasi);
    executor_free(bench.executor);
    loop_free(bench.loop);
    workload_unref(bench.workload);
    program_unref(program);
    engine_free(bench.engine);
    return 0;
}

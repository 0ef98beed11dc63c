// SPDX-License-Identifier: Apache-2.0
// Instances of a real component, apart from HTTP: what it costs to make and drop one, and what many
// live ones take. Usage: instance COMPONENT. CPU time of the thread, best and median of several
// loops.
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

static void measure_cycle(struct bench *bench)
{
    double times[LOOPS];
    long before = 0;
    for (int loop = -1; loop < LOOPS; loop++) { // the first warms up
        before = faults();
        double start = thread_ns();
        for (int i = 0; i < PER_LOOP; i++)
            instance_free(make(bench));
        if (loop >= 0)
            times[loop] = (thread_ns() - start) / PER_LOOP;
    }
    long faulted = faults() - before;
    qsort(times, LOOPS, sizeof(times[0]), compare);
    printf("| store + instantiate + drop | best %.2f us, median %.2f us, %.2f faults |\n",
           times[0] / 1e3, times[LOOPS / 2] / 1e3, (double)faulted / PER_LOOP);
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

int main(int argc, char **argv)
{
    ERROR(err);
    struct bench bench = {0};
    struct program *program;
    struct workload_settings settings = {.name = argv[1]};
    if (argc != 2) {
        fprintf(stderr, "usage: instance COMPONENT\n");
        return 2;
    }
    int rc =
        engine_new(&(struct engine_options){.instances_max = LIVE_COUNT + 10}, &bench.engine, &err);
    if (rc == 0)
        rc = program_load(bench.engine, argv[1], &program, &err);
    if (rc == 0)
        rc = workload_new(bench.engine, program, &settings, &bench.workload, &err);
    if (rc == 0)
        rc = loop_new(&bench.loop, &err);
    if (rc < 0) {
        log_error("%s", error_text(&err));
        return 1;
    }
    bench.executor = executor_new(bench.engine, bench.loop);
    wasi_init(&bench.wasi, workload_wasi(bench.workload), bench.loop, NULL);
    printf("| instances of %s | |\n|---|---|\n", argv[1]);
    measure_cycle(&bench);
    measure_live(&bench);
    wasi_done(&bench.wasi);
    executor_free(bench.executor);
    loop_free(bench.loop);
    workload_unref(bench.workload);
    program_unref(program);
    engine_free(bench.engine);
    return 0;
}

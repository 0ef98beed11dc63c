// SPDX-License-Identifier: Apache-2.0
#include "engine/internal.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "engine/pages.h"
#include "engine/wasmtime_extra.h"

// Core instances, tables and memories that one component instance may need, times the instances.
#define CORES_PER_INSTANCE        6
#define TABLES_PER_INSTANCE       6
#define MEMORIES_PER_INSTANCE     1
#define MEMORIES_PER_MODULE_MAX   16
#define TABLE_ELEMENTS_MAX        100000
#define CORE_INSTANCE_BYTES_MAX   ((size_t)4 << 20)
#define STACK_KEEP_RESIDENT_BYTES ((size_t)64 * 1024)
#define TABLE_KEEP_RESIDENT_BYTES ((size_t)64 * 1024)

#define EVENTS_MAX 16
// Where there was hot code there will be more: for so long ticks catch what is new at once.
#define HOT_TICKS 1000u
#define NS_PER_S  1000000000u
// The shortest that Linux grants.
#define TICKER_SLICE_NS 100000u

static void configure_pool(wasm_config_t *config, const struct engine_options *options)
{
    uint32_t count = options->instances_max ? options->instances_max : ENGINE_INSTANCES_DEFAULT;
    uint64_t memory_bytes =
        options->memory_bytes_max ? options->memory_bytes_max : ENGINE_MEMORY_BYTES_DEFAULT;
    uint32_t keep =
        options->keep_resident_bytes ? options->keep_resident_bytes : ENGINE_KEEP_RESIDENT_DEFAULT;
    wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();
#define POOL(name, value) wasmtime_pooling_allocation_config_##name##_set(pool, (value))
    POOL(total_core_instances, count * CORES_PER_INSTANCE);
    POOL(total_memories, count * MEMORIES_PER_INSTANCE);
    POOL(total_tables, count * TABLES_PER_INSTANCE);
    POOL(total_stacks, count);
    POOL(max_memory_size, memory_bytes);
    POOL(table_elements, TABLE_ELEMENTS_MAX);
    POOL(max_core_instance_size, CORE_INSTANCE_BYTES_MAX);
    POOL(max_tables_per_module, 16);
    POOL(max_memories_per_module, MEMORIES_PER_MODULE_MAX);
    POOL(linear_memory_keep_resident, keep);
    POOL(table_keep_resident, TABLE_KEEP_RESIDENT_BYTES);
    POOL(async_stack_keep_resident, STACK_KEEP_RESIDENT_BYTES);
    POOL(max_unused_warm_slots, MIN(count, 256u));
#undef POOL
    wash_pooling_pagemap_scan(pool);
    wasmtime_pooling_allocation_strategy_set(config, pool);
    wasmtime_pooling_allocation_config_delete(pool);
}

static wasm_config_t *make_config(const struct engine_options *options)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_memory_init_cow_set(config, true);
    wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
    wasmtime_config_max_wasm_stack_set(config, ENGINE_WASM_STACK_BYTES);
    wasmtime_config_async_stack_size_set(config, ENGINE_FIBER_STACK_BYTES);
    wasmtime_config_wasm_threads_set(config, false);
#ifdef WASMTIME_FEATURE_GC
    wasmtime_config_wasm_gc_set(config, false);
    wasmtime_config_wasm_exceptions_set(config, true);
#endif
    configure_pool(config, options);
    return config;
}

// With the lock held.
static bool is_busy(struct engine *engine)
{
    for (struct executor *executor = engine->executors; executor;
         executor = executor->attached_next)
        if (atomic_load(&executor->task_count))
            return true;
    return false;
}

// Threads in the middle of a slice (executor.c) that have events to look at. They may have come to
// its end, or be gone, meanwhile.
static void preempt(struct engine *engine, const struct epoll_event *events, int count)
{
    bool found = false;
    pthread_mutex_lock(&engine->ticker_lock);
    for (struct executor *executor = engine->executors; executor;
         executor = executor->attached_next)
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == executor) {
                atomic_store(&executor->preempt, true);
                found = true;
            }
    pthread_mutex_unlock(&engine->ticker_lock);
    if (found)
        wasmtime_engine_increment_epoch(engine->wasm);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void wait_for_tick(struct engine *engine, uint32_t ms)
{
    uint64_t now = now_ns(), end = now + ms * UINT64_C(1000000);
    for (; now < end; now = now_ns()) {
        struct epoll_event events[EVENTS_MAX];
        struct timespec left = {0, (long)(end - now)};
        int count = epoll_pwait2(engine->watch, events, EVENTS_MAX, &left, NULL);
        if (count > 0)
            preempt(engine, events, count);
        else if (count < 0 && errno != EINTR) // Linux before 5.11
            nanosleep(&left, NULL);
    }
}

// struct sched_attr of the kernel in its first form; its header contradicts the C library's.
struct sched_attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; // ns
};

// The ticker runs for microseconds, but at once, also where it shares a CPU with what it is to
// interrupt: without a slice shorter than other threads' (3 ms) the kernel lets those go on first.
// Kernels before 6.12 take no slices; there it may wait.
static void ask_for_short_slices(void)
{
    struct sched_attributes attributes = {.size = sizeof(attributes),
                                          .nice = getpriority(PRIO_PROCESS, 0),
                                          .runtime = TICKER_SLICE_NS};
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
    prctl(PR_SET_TIMERSLACK, 1);
}

// Maps a thousand stacks and address space by the terabyte: other threads read and decode a
// component meanwhile.
static void make_engine(struct engine *engine)
{
    if (fault_take(wash_wasm_engine_new(engine->config, &engine->wasm), NULL, &engine->refusal) < 0)
        (void)error_wrap(&engine->refusal, "set up the WebAssembly engine");
    pthread_mutex_lock(&engine->ticker_lock);
    engine->is_made = true;
    pthread_cond_broadcast(&engine->made);
    pthread_mutex_unlock(&engine->ticker_lock);
}

static void *tick(void *arg)
{
    struct engine *engine = arg;
    uint32_t hot_ticks = 0;
    make_engine(engine);
    if (!engine->wasm)
        return NULL;
    ask_for_short_slices();
    pthread_mutex_lock(&engine->ticker_lock);
    while (!engine->ticker_stop) {
        if (!is_busy(engine)) {
            atomic_store(&engine->ticker_asleep, true);
            // A task that began before it could see the flag is seen here.
            if (!is_busy(engine))
                pthread_cond_wait(&engine->ticker_wake, &engine->ticker_lock);
            atomic_store(&engine->ticker_asleep, false);
        }
        // Once awake it stays so for a tick: short tasks wake it 200 times a second at the most.
        pthread_mutex_unlock(&engine->ticker_lock);
        if (atomic_exchange_explicit(&engine->is_hot, false, memory_order_relaxed))
            hot_ticks = HOT_TICKS;
        wait_for_tick(engine, hot_ticks ? ENGINE_EPOCH_HOT_TICK_MS : ENGINE_EPOCH_TICK_MS);
        hot_ticks -= hot_ticks > 0;
        atomic_fetch_add_explicit(&engine->ticks, 1, memory_order_relaxed);
        wasmtime_engine_increment_epoch(engine->wasm);
        pthread_mutex_lock(&engine->ticker_lock);
    }
    pthread_mutex_unlock(&engine->ticker_lock);
    return NULL;
}

void engine_attach(struct engine *engine, struct executor *executor)
{
    struct epoll_event none = {.events = EPOLLONESHOT, .data.ptr = executor};
    pthread_mutex_lock(&engine->ticker_lock);
    executor->attached_next = engine->executors;
    engine->executors = executor;
    pthread_mutex_unlock(&engine->ticker_lock);
    (void)epoll_ctl(engine->watch, EPOLL_CTL_ADD, loop_descriptor(executor->loop), &none);
}

void engine_detach(struct engine *engine, struct executor *executor)
{
    pthread_mutex_lock(&engine->ticker_lock);
    struct executor **link = &engine->executors;
    while (*link != executor)
        link = &(*link)->attached_next;
    *link = executor->attached_next;
    pthread_mutex_unlock(&engine->ticker_lock);
    (void)epoll_ctl(engine->watch, EPOLL_CTL_DEL, loop_descriptor(executor->loop), NULL);
}

void engine_watch(struct engine *engine, struct executor *executor)
{
    struct epoll_event once = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = executor};
    (void)epoll_ctl(engine->watch, EPOLL_CTL_MOD, loop_descriptor(executor->loop), &once);
}

void engine_wake_ticker(struct engine *engine)
{
    pthread_mutex_lock(&engine->ticker_lock);
    pthread_cond_signal(&engine->ticker_wake);
    pthread_mutex_unlock(&engine->ticker_lock);
}

static char *default_cache_dir(void)
{
    const char *base = getenv("XDG_CACHE_HOME");
    if (base && base[0] == '/')
        return mem_printf("%s/wash/compiled", base);
    const char *home = getenv("HOME");
    return home && home[0] ? mem_printf("%s/.cache/wash/compiled", home) : NULL;
}

static int start_thread(struct engine *engine, struct error *err)
{
    pthread_mutex_init(&engine->ticker_lock, NULL);
    pthread_cond_init(&engine->ticker_wake, NULL);
    pthread_cond_init(&engine->made, NULL);
    engine->watch = epoll_create1(EPOLL_CLOEXEC);
    int rc = engine->watch < 0 ? errno : pthread_create(&engine->ticker, NULL, tick, engine);
    return rc ? error_set_errno(err, -rc, "start the thread that advances epochs") : 0;
}

static void release(struct engine *engine)
{
    if (engine->watch >= 0)
        close(engine->watch);
    pthread_cond_destroy(&engine->made);
    pthread_cond_destroy(&engine->ticker_wake);
    pthread_mutex_destroy(&engine->ticker_lock);
    fd_closep(&engine->pagemap);
    error_done(&engine->refusal);
    free(engine->cache_dir);
    free(engine);
}

int engine_new(const struct engine_options *options, struct engine **out, struct error *err)
{
    struct engine *engine = mem_new(struct engine);
    engine->config = make_config(options);
    if (!options->cache_dir)
        engine->cache_dir = default_cache_dir();
    else if (options->cache_dir[0])
        engine->cache_dir = mem_strdup(options->cache_dir);
    engine->pagemap = pages_open();
    engine->compiling = options->compiling;
    engine->features = options->features ? *options->features : component_features_default();
    const char *apart = getenv("WASH_MODULES_APART");
    engine->modules_apart = options->modules_apart || (apart && strcmp(apart, "1") == 0);
    int rc = start_thread(engine, err);
    if (rc < 0) {
        wasm_config_delete(engine->config);
        release(engine);
        return rc;
    }
    cache_fingerprint(engine->fingerprint);
    *out = engine;
    return 0;
}

int engine_wait(struct engine *engine, struct error *err)
{
    pthread_mutex_lock(&engine->ticker_lock);
    while (!engine->is_made)
        pthread_cond_wait(&engine->made, &engine->ticker_lock);
    pthread_mutex_unlock(&engine->ticker_lock);
    if (engine->wasm)
        return 0;
    return error_set(err, engine->refusal.code, "%s", error_text(&engine->refusal));
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    assert(!engine->executors);
    pthread_mutex_lock(&engine->ticker_lock);
    engine->ticker_stop = true;
    pthread_cond_signal(&engine->ticker_wake);
    pthread_mutex_unlock(&engine->ticker_lock);
    pthread_join(engine->ticker, NULL);
    if (engine->wasm)
        wasm_engine_delete(engine->wasm);
    release(engine);
}

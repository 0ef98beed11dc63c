// SPDX-License-Identifier: Apache-2.0
#include "host/instance_pool.h"

#include <errno.h>

#include "base/log.h"
#include "component/limit.h"

#define MS_NS UINT64_C(1000000)
// Made ahead this long after a request found none: not in the middle of others.
#define REFILL_MS 1u

struct instance_pool {
    struct instance_pools *pools;
    struct instance_pool *next, **link; // of the pools
    struct workload *workload;
    struct loop *loop;
    struct workload_reuse reuse;
    uint32_t pool_size;     // this worker's part; 0: fresh
    uint32_t instances_max; // its part as well
    bool closed;
    bool resets; // not before the first refill: what a new instance is like takes a while to learn
    struct pooled_instance *taken; // with requests, and the idle ones that are pooled
    uint32_t taken_count;          // all of them
    uint32_t pooled_count;         // those that are pooled
    struct pooled_instance *spare; // fresh: last in, first out
    uint32_t spare_count;
    uint32_t spare_wanted; // to be made ahead: as many as were missed lately
    uint32_t spare_unused; // the lowest count since the last tidying
    struct loop_timer refill;
    struct loop_timer tidy;
};

// ---- life of an instance ------------------------------------------------------------------------

static void link_into(struct pooled_instance **list, struct pooled_instance *pooled)
{
    pooled->next = *list;
    pooled->link = list;
    if (pooled->next)
        pooled->next->link = &pooled->next;
    *list = pooled;
}

static void take_out(struct pooled_instance *pooled)
{
    *pooled->link = pooled->next;
    if (pooled->next)
        pooled->next->link = pooled->link;
}

static void start_wasi(struct pooled_instance *pooled)
{
    struct instance_pool *pool = pooled->pool;
    wasi_init(&pooled->wasi, workload_wasi(pool->workload), pool->loop, pool->pools->client);
}

static void release(struct pooled_instance *pooled)
{
    pooled->freeing = true;
    if (pooled->instance)
        instance_free(pooled->instance); // ends what still runs
    loop_timer_done(&pooled->idle);
    loop_defer_cancel(pooled->pool->loop, &pooled->end);
    wasi_done(&pooled->wasi);
    free(pooled);
}

static void free_if_done(struct instance_pool *pool)
{
    if (!pool->closed || pool->taken_count > 0)
        return;
    loop_timer_done(&pool->refill);
    loop_timer_done(&pool->tidy);
    *pool->link = pool->next;
    if (pool->next)
        pool->next->link = pool->link;
    workload_unref(pool->workload);
    free(pool);
}

static void release_taken(struct pooled_instance *pooled)
{
    struct instance_pool *pool = pooled->pool;
    take_out(pooled);
    release(pooled);
    pool->taken_count--;
    free_if_done(pool);
}

static void idle_expired(struct loop_timer *timer)
{
    struct pooled_instance *pooled = container_of(timer, struct pooled_instance, idle);
    pooled->pool->pooled_count--;
    release_taken(pooled);
}

// ---- fresh ones ---------------------------------------------------------------------------------

static void put_spare(struct instance_pool *pool, struct pooled_instance *pooled)
{
    link_into(&pool->spare, pooled);
    pool->spare_count++;
    if (pool->spare_count > 1 && !pool->tidy.active)
        loop_timer_start(&pool->tidy, INSTANCE_POOL_TIDY_MS * MS_NS);
}

static struct pooled_instance *take_spare(struct instance_pool *pool)
{
    struct pooled_instance *pooled = pool->spare;
    take_out(pooled);
    pool->spare_count--;
    pool->spare_unused = MIN(pool->spare_unused, pool->spare_count);
    return pooled;
}

// True: it waits for the next request.
static bool reset(struct pooled_instance *pooled)
{
    struct instance_pool *pool = pooled->pool;
    if (pooled->retired || pool->pool_size > 0 || pool->spare_count >= INSTANCE_POOL_SPARE_MAX ||
        pool->reuse.no_reset || !instance_reset(pooled->instance))
        return false;
    wasi_done(&pooled->wasi);
    start_wasi(pooled);
    pooled->begun = 0;
    take_out(pooled);
    pool->taken_count--;
    put_spare(pool, pooled);
    return true;
}

static void end_deferred(struct loop_defer *defer)
{
    struct pooled_instance *pooled = container_of(defer, struct pooled_instance, end);
    if (!pooled->instance || !reset(pooled))
        release_taken(pooled);
}

static int make(struct instance_pool *pool, struct pooled_instance **out, struct error *err)
{
    if (pool->taken_count + pool->spare_count >= pool->instances_max)
        return limit_reached(err, -EAGAIN, LIMIT_INSTANCES, pool->reuse.instances_max);
    struct pooled_instance *pooled = mem_new(struct pooled_instance);
    pooled->pool = pool;
    start_wasi(pooled);
    struct instance_options options = {.host = &pooled->wasi,
                                       .limits = workload_limits(pool->workload),
                                       .resettable = pool->resets};
    int rc = instance_new(workload_linked(pool->workload), pool->pools->executor, &options,
                          &pooled->instance, err);
    if (rc < 0) {
        wasi_done(&pooled->wasi);
        free(pooled);
        return rc;
    }
    pooled->end.callback = end_deferred;
    loop_timer_init(&pooled->idle, pool->loop, idle_expired);
    *out = pooled;
    return 0;
}

static void refill(struct loop_timer *timer)
{
    struct instance_pool *pool = container_of(timer, struct instance_pool, refill);
    struct pooled_instance *pooled;
    ERROR(err);
    if (pool->spare_count >= pool->spare_wanted)
        return;
    pool->resets = !pool->reuse.no_reset && pool->pool_size == 0;
    // Whoever takes one next learns why there is none.
    if (make(pool, &pooled, &err) < 0) {
        log_debug("%s: no instance is made ahead: %s", workload_name(pool->workload),
                  error_text(&err));
        return;
    }
    put_spare(pool, pooled);
    if (pool->spare_count < pool->spare_wanted)
        loop_timer_start(&pool->refill, REFILL_MS * MS_NS);
}

static void tidy(struct loop_timer *timer)
{
    struct instance_pool *pool = container_of(timer, struct instance_pool, tidy);
    for (uint32_t n = MIN(pool->spare_unused, pool->spare_count - 1); n > 0; n--)
        release(take_spare(pool));
    pool->spare_unused = pool->spare_count;
    pool->spare_wanted = 1;
    if (pool->spare_count > 1)
        loop_timer_start(&pool->tidy, INSTANCE_POOL_TIDY_MS * MS_NS);
}

static int take_fresh(struct instance_pool *pool, struct pooled_instance **out, struct error *err)
{
    if (likely(pool->spare_count > 0)) {
        *out = take_spare(pool);
        return 0;
    }
    pool->spare_wanted = MIN(pool->spare_wanted + 1, INSTANCE_POOL_SPARE_MAX);
    if (!pool->refill.active)
        loop_timer_start(&pool->refill, REFILL_MS * MS_NS);
    return make(pool, out, err);
}

// ---- pooled ones --------------------------------------------------------------------------------

static bool is_usable(const struct instance_pool *pool, const struct pooled_instance *pooled)
{
    return !pooled->retired && pooled->live < pool->reuse.concurrency_max;
}

// The usable one with the fewest requests.
static struct pooled_instance *find_usable(const struct instance_pool *pool)
{
    struct pooled_instance *best = NULL;
    for (struct pooled_instance *pooled = pool->taken; pooled; pooled = pooled->next)
        if (is_usable(pool, pooled) && (!best || pooled->live < best->live))
            best = pooled;
    return best;
}

static int take_pooled(struct instance_pool *pool, struct pooled_instance **out, struct error *err)
{
    struct pooled_instance *pooled = find_usable(pool);
    if (pooled) {
        loop_timer_stop(&pooled->idle);
        *out = pooled;
        return 0;
    }
    int rc = make(pool, out, err);
    if (rc < 0)
        return rc;
    link_into(&pool->taken, *out);
    pool->taken_count++;
    if (pool->pooled_count < pool->pool_size)
        pool->pooled_count++;
    else
        (*out)->retired = true; // this one request and no other
    return 0;
}

static void retire(struct pooled_instance *pooled)
{
    pooled->pool->pooled_count -= !pooled->retired && pooled->pool->pool_size > 0;
    pooled->retired = true;
}

// ---- the pool -----------------------------------------------------------------------------------

static uint32_t part_of(uint32_t size, uint32_t workers)
{
    return size / workers + (size % workers != 0);
}

struct instance_pool *instance_pool_new(struct instance_pools *pools, struct workload *workload)
{
    struct instance_pool *pool = mem_new(struct instance_pool);
    pool->pools = pools;
    pool->next = pools->first;
    pool->link = &pools->first;
    if (pool->next)
        pool->next->link = &pool->next;
    pools->first = pool;
    pool->workload = workload_ref(workload);
    pool->loop = pools->loop;
    pool->reuse = workload_reuse(workload);
    pool->pool_size = part_of(pool->reuse.pool_size, pools->workers);
    pool->instances_max = part_of(pool->reuse.instances_max, pools->workers);
    pool->spare_wanted = 1;
    loop_timer_init(&pool->refill, pool->loop, refill);
    loop_timer_init(&pool->tidy, pool->loop, tidy);
    return pool;
}

void instance_pool_close(struct instance_pool *pool)
{
    while (pool->spare)
        release(take_spare(pool));
    loop_timer_stop(&pool->refill);
    loop_timer_stop(&pool->tidy);
    for (struct pooled_instance *pooled = pool->taken, *next; pooled; pooled = next) {
        next = pooled->next;
        retire(pooled);
        if (pooled->live == 0)
            release_taken(pooled);
    }
    pool->closed = true;
    free_if_done(pool);
}

static void cancel(struct instance_pool *pool)
{
    pool->taken_count++; // it stays meanwhile
    for (struct pooled_instance *pooled = pool->taken, *next; pooled; pooled = next) {
        next = pooled->next;
        retire(pooled);
        // Requests of WASI 0.2 give their instances back from here, those of 0.3 find them gone.
        if (!workload_is_async(pool->workload) && pooled->live > 0)
            instance_cancel(pooled->instance);
        release_taken(pooled);
    }
    pool->taken_count--;
    free_if_done(pool);
}

void instance_pools_cancel(struct instance_pools *pools)
{
    for (struct instance_pool *pool = pools->first, *next; pool; pool = next) {
        next = pool->next;
        cancel(pool);
    }
}

struct workload *instance_pool_workload(const struct instance_pool *pool)
{
    return pool->workload;
}

int instance_pool_take(struct instance_pool *pool, struct pooled_instance **out, struct error *err)
{
    int rc;
    if (pool->pool_size > 0) {
        rc = take_pooled(pool, out, err);
    } else {
        rc = take_fresh(pool, out, err);
        if (rc == 0) {
            link_into(&pool->taken, *out);
            pool->taken_count++;
        }
    }
    if (rc < 0)
        return rc;
    struct pooled_instance *pooled = *out;
    pooled->live++;
    pooled->begun++;
    if (pool->pool_size > 0 && pooled->begun >= pool->reuse.invocations_max)
        retire(pooled);
    return 0;
}

void instance_pool_give_back(struct pooled_instance *pooled, bool is_sound)
{
    struct instance_pool *pool = pooled->pool;
    pooled->live--;
    if (pooled->freeing)
        return;
    if (!is_sound)
        retire(pooled);
    if (pooled->live > 0)
        return;
    if (pool->pool_size > 0 && !pooled->retired) {
        loop_timer_start(&pooled->idle, pool->reuse.idle_ms * MS_NS);
        return;
    }
    // Something of it may still be on the stack. An instance of WASI 0.2 knows that by itself, and
    // the sooner it is there for the next request, the fewer there are.
    if (!workload_is_async(pool->workload)) {
        if (reset(pooled))
            return;
        instance_free(TAKE(pooled->instance));
    }
    loop_defer(pool->loop, &pooled->end);
}

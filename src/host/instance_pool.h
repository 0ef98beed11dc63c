// SPDX-License-Identifier: Apache-2.0
// The instances of one workload on one worker's thread: which of them serves the next request, and
// what becomes of it afterwards.
//
// Fresh (struct workload_reuse, pool_size 0): each request has an instance to itself that is as
// new. It was made ahead of time, or reset after an earlier request where that leaves no trace
// (engine/reset.h), or is made now. Pooled: requests share instances, at once (WASI 0.3 only) and
// one after another; a request for which all are taken gets a fresh one.
#pragma once

#include "host/workload.h"
#include "wasi/wasi.h"

// Fresh instances that wait for requests, at most. One stays for good, the others go when they were
// not needed for a while.
#define INSTANCE_POOL_SPARE_MAX 16u
#define INSTANCE_POOL_TIDY_MS   1000u

struct instance_pool;

struct pooled_instance {
    struct instance *instance;
    struct wasi wasi;
    // The pool's.
    struct instance_pool *pool;
    struct pooled_instance *next, **link; // of the spare or of the taken ones
    uint32_t begun, live;                 // requests: in all, and now
    bool retired;                         // gets no more requests
    bool freeing;
    struct loop_timer idle;
    struct loop_defer end;
};

// A thread's pools, those included that are closed and have not ended.
struct instance_pools {
    struct loop *loop;
    struct executor *executor;
    struct http_client *client;
    uint32_t workers; // that share what a workload may have
    struct instance_pool *first;
};

struct instance_pool *instance_pool_new(struct instance_pools *pools, struct workload *workload);
// No more requests come: what is idle goes now, the rest as it is given back, the pool with the
// last.
void instance_pool_close(struct instance_pool *pool);
// Ends the requests that run in any of them.
void instance_pools_cancel(struct instance_pools *pools);

struct workload *instance_pool_workload(const struct instance_pool *pool);

// -EAGAIN: the workload has as many instances as it may.
_must_use_ int instance_pool_take(struct instance_pool *pool, struct pooled_instance **out,
                                  struct error *err);
// A request has ended. Unsound: it ended badly, so the instance serves no other.
void instance_pool_give_back(struct pooled_instance *pooled, bool is_sound);

// SPDX-License-Identifier: Apache-2.0
#include "host/request.h"

#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "wasi/http.h"

#define SPARE_REQUESTS_MAX 256
#define REFUSALS_TOLD_NS   UINT64_C(1000000000)

struct request {
    struct request *next; // of the spare ones
    struct requests *requests;
    struct workload *workload; // the pool keeps it while the request has an instance
    struct wasi_http *http;
    struct pooled_instance *pooled;
    // WASI 0.3.
    struct instance_call call;
    bool is_sending;  // the response's body is under way
    bool is_returned; // nothing of the call is left
    struct loop_defer gone;
};

struct requests {
    struct loop *loop;
    uint64_t refused;         // for want of instances, not told yet
    uint64_t refusals_due_at; // when the next may be told
    void (*idle)(void *user);
    void *user;
    uint32_t live;
    struct request *spare;
    uint32_t spare_count;
};

static struct request *request_new(struct requests *requests, struct instance_pool *pool)
{
    struct request *request = requests->spare;
    if (request) {
        requests->spare = request->next;
        requests->spare_count--;
    } else {
        request = mem_new(struct request);
        request->requests = requests;
    }
    requests->live++;
    request->workload = instance_pool_workload(pool);
    request->pooled = NULL;
    return request;
}

static void request_free(struct request *request)
{
    struct requests *requests = request->requests;
    requests->live--;
    if (requests->spare_count < SPARE_REQUESTS_MAX) {
        request->next = requests->spare;
        requests->spare = request;
        requests->spare_count++;
    } else {
        free(request);
    }
    if (requests->live == 0)
        requests->idle(requests->user);
}

// Ends the exchange. The instance, if there is one, is the caller's to give back.
static void finish(struct request *request, enum task_end end, const struct error *reason)
{
    ERROR(why);
    if (wasi_http_finish(TAKE(request->http), end, reason, NULL, &why) < 0)
        log_warn("%s: %s", workload_name(request->workload), error_text(&why));
}

// No instance could be had. Of many refusals the log has one line a second.
static void refuse(struct request *request, const struct error *reason)
{
    struct requests *requests = request->requests;
    ERROR(ignored);
    requests->refused++;
    if (loop_now(requests->loop) >= requests->refusals_due_at) {
        log_warn("%s: %s: %llu requests refused", workload_name(request->workload),
                 error_text(reason), (unsigned long long)requests->refused);
        requests->refused = 0;
        requests->refusals_due_at = loop_now(requests->loop) + REFUSALS_TOLD_NS;
    }
    (void)wasi_http_finish(TAKE(request->http), TASK_CANCELLED, reason, NULL, &ignored);
    request_free(request);
}

// ---- WASI 0.2 -----------------------------------------------------------------------------------

static int handle(struct canon_call *call, void *arg)
{
    struct request *request = arg;
    const void *func = workload_entry(request->workload);
    int rc = instance_enter(call, func);
    return rc < 0 ? rc : wasi_http_handle(call, func, request->http);
}

static void handled(void *arg, enum task_end end, const struct error *reason)
{
    struct request *request = arg;
    finish(request, end, reason);
    if (request->pooled)
        instance_pool_give_back(request->pooled, end == TASK_RETURNED);
    request_free(request);
}

static void serve_sync(struct request *request, struct instance_pool *pool,
                       struct http_exchange *exchange)
{
    ERROR(err);
    // A guest whose client has left may finish what it began: it cannot be asked to end early.
    request->http = wasi_http_new(exchange, NULL, request);
    int rc = instance_pool_take(pool, &request->pooled, &err);
    if (rc == -EAGAIN) {
        refuse(request, &err);
        return;
    }
    if (rc == 0)
        rc = instance_run(request->pooled->instance, handle, handled, request, &err);
    if (rc < 0)
        handled(request, TASK_TRAPPED, &err);
}

// ---- WASI 0.3 -----------------------------------------------------------------------------------

static void call_finish(struct request *request, enum task_end end, const struct error *reason)
{
    struct pooled_instance *pooled = TAKE(request->pooled);
    finish(request, end, reason);
    loop_defer_cancel(request->requests->loop, &request->gone);
    if (pooled)
        instance_pool_give_back(pooled, end == TASK_RETURNED);
}

// The call and the body of its answer end in either order.
static void call_settle(struct request *request)
{
    if (!request->is_returned || request->is_sending)
        return;
    if (request->http)
        call_finish(request, TASK_RETURNED, NULL);
    request_free(request);
}

static int call_start(struct canon_call *call, void *arg, union core_value *flat)
{
    struct request *request = arg;
    return wasi_http_lower(call, request->http, flat);
}

static void call_sent(void *user)
{
    struct request *request = user;
    request->is_sending = false;
    call_settle(request);
}

static int call_returned(struct canon_call *call, void *arg, const union core_value *flat,
                         uint32_t flat_max)
{
    struct request *request = arg;
    if (!flat || !request->http)
        return 0;
    request->is_sending = true;
    return wasi_http_answer(call, request->http, flat, flat_max, call_sent, request);
}

static void call_ended(void *arg, enum task_end end, const struct error *err)
{
    struct request *request = arg;
    request->is_returned = true;
    if (end != TASK_RETURNED)
        call_finish(request, end, err);
    call_settle(request);
}

static void call_gone(struct loop_defer *defer)
{
    struct request *request = container_of(defer, struct request, gone);
    if (!request->is_returned)
        instance_call_cancel(&request->call);
}

static void peer_gone(void *user)
{
    struct request *request = user;
    loop_defer(request->requests->loop, &request->gone);
}

static void serve_async(struct request *request, struct instance_pool *pool,
                        struct http_exchange *exchange)
{
    ERROR(err);
    request->http = wasi_http_new(exchange, peer_gone, request);
    request->gone = (struct loop_defer){.callback = call_gone};
    request->is_sending = request->is_returned = false;
    request->call = (struct instance_call){
        .start = call_start, .returned = call_returned, .ended = call_ended, .arg = request};
    int rc = instance_pool_take(pool, &request->pooled, &err);
    if (rc == -EAGAIN) {
        refuse(request, &err);
        return;
    }
    if (rc == 0)
        rc = instance_call(request->pooled->instance, workload_entry(request->workload),
                           &request->call, &err);
    if (rc < 0)
        call_ended(request, TASK_TRAPPED, &err);
}

// -------------------------------------------------------------------------------------------------

struct requests *requests_new(struct loop *loop, void (*idle)(void *user), void *user)
{
    struct requests *requests = mem_new(struct requests);
    *requests = (struct requests){.loop = loop, .idle = idle, .user = user};
    return requests;
}

void requests_free(struct requests *requests)
{
    if (!requests)
        return;
    assert(requests->live == 0);
    while (requests->spare) {
        struct request *request = requests->spare;
        requests->spare = request->next;
        free(request);
    }
    free(requests);
}

uint32_t requests_live(const struct requests *requests)
{
    return requests->live;
}

void request_serve(struct requests *requests, struct instance_pool *pool,
                   struct http_exchange *exchange)
{
    struct request *request = request_new(requests, pool);
    if (workload_is_async(request->workload))
        serve_async(request, pool, exchange);
    else
        serve_sync(request, pool, exchange);
}

// SPDX-License-Identifier: Apache-2.0
#include "host/http_host.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/log.h"
#include "http/client.h"
#include "http/server.h"
#include "net/address.h"
#include "wasi/http.h"

#define SPARE_REQUESTS_MAX 256

// A workload on one worker, counted without atomics: requests take and give it back many thousand
// times a second, and workers are to share no line of cache then.
struct lease {
    struct workload *workload;
    uint32_t users; // requests, and the worker while it is the current one
};

struct worker;

// An instance that serves requests of WASI 0.3, many at once and one after another.
struct shared_instance {
    struct shared_instance *next, **link; // of the worker's
    struct worker *worker;
    struct lease *lease;
    struct wasi wasi;
    struct instance *instance;
    uint32_t begun, live;
    bool retired; // gets no more requests
    struct loop_timer idle;
    struct loop_defer end;
};

// One request with the instance that serves it.
struct request {
    struct request *next, **link; // of the worker's live ones, or of the spare list
    struct worker *worker;
    struct lease *lease;
    struct wasi_http *http;
    struct wasi wasi;
    struct instance *instance;
    // WASI 0.3, instead of the two above:
    struct shared_instance *shared;
    struct instance_call call;
    bool is_sending;  // the response's body is under way
    bool is_returned; // nothing of the call is left
    struct loop_defer gone;
};

struct worker {
    struct http_host *host;
    pthread_t thread;
    struct loop *loop;
    struct executor *executor;
    struct http_client *client;
    struct http_server *server;
    struct lease *current; // what new requests get; NULL: nothing yet
    struct request *live;
    struct shared_instance *shared;
    struct request *spare;
    uint32_t spare_count;
    bool stopping;
};

struct http_host {
    struct engine *engine;
    struct worker *workers;
    uint32_t worker_count;
    struct http_client_options egress; // of one worker
    uint64_t drain_ms;
    char *url;
    struct https *https; // on the first worker's loop; NULL: plain HTTP
    struct http_access_log *access_log;
    bool proxy_protocol;
    bool request_ids;
    bool proxy_failure_logged; // atomic
};

// ---- requests
// ---------------------------------------------------------------------------------------

static struct lease *lease_new(struct workload *workload)
{
    struct lease *lease = mem_new(struct lease);
    *lease = (struct lease){workload_ref(workload), 1};
    return lease;
}

static void lease_release(struct lease *lease)
{
    if (!lease || --lease->users > 0)
        return;
    workload_unref(lease->workload);
    free(lease);
}

static struct request *request_new(struct worker *worker)
{
    struct request *request = worker->spare;
    if (request) {
        worker->spare = request->next;
        worker->spare_count--;
    } else {
        request = mem_new(struct request);
        request->worker = worker;
    }
    request->next = worker->live;
    request->link = &worker->live;
    if (request->next)
        request->next->link = &request->next;
    worker->live = request;
    request->lease = worker->current;
    request->lease->users++;
    request->instance = NULL;
    request->shared = NULL;
    return request;
}

static void stop_if_idle(struct worker *worker)
{
    if (worker->stopping && !worker->live)
        loop_stop(worker->loop);
}

static void request_free(struct request *request)
{
    struct worker *worker = request->worker;
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    lease_release(request->lease);
    if (worker->spare_count < SPARE_REQUESTS_MAX) {
        request->next = worker->spare;
        worker->spare = request;
        worker->spare_count++;
    } else {
        free(request);
    }
    stop_if_idle(worker);
}

static int handle(struct canon_call *call, void *arg)
{
    struct request *request = arg;
    const void *func = workload_entry(request->lease->workload);
    int rc = instance_enter(call, func);
    return rc < 0 ? rc : wasi_http_handle(call, func, request->http);
}

static void request_end(struct request *request, enum task_end end, const struct error *reason)
{
    ERROR(why);
    if (wasi_http_finish(request->http, end, reason, NULL, &why) < 0)
        log_warn("%s: %s", workload_name(request->lease->workload), error_text(&why));
    instance_free(request->instance);
    wasi_done(&request->wasi);
    request_free(request);
}

static void handled(void *arg, enum task_end end, const struct error *reason)
{
    request_end(arg, end, reason);
}

// ---- requests of WASI 0.3 -----------------------------------------------------------------------

static void shared_free(struct shared_instance *shared)
{
    struct worker *worker = shared->worker;
    *shared->link = shared->next;
    if (shared->next)
        shared->next->link = shared->link;
    instance_free(shared->instance); // ends its requests
    loop_timer_done(&shared->idle);
    loop_defer_cancel(worker->loop, &shared->end);
    wasi_done(&shared->wasi);
    lease_release(shared->lease);
    free(shared);
}

static void shared_end(struct loop_defer *defer)
{
    shared_free(container_of(defer, struct shared_instance, end));
}

static void shared_idle(struct loop_timer *timer)
{
    shared_free(container_of(timer, struct shared_instance, idle));
}

static bool shared_is_usable(const struct shared_instance *shared, const struct worker *worker)
{
    return !shared->retired && shared->lease == worker->current &&
           shared->begun < HTTP_HOST_INSTANCE_REQUESTS &&
           shared->live < HTTP_HOST_INSTANCE_CONCURRENCY;
}

static int shared_new(struct worker *worker, struct shared_instance **out, struct error *err)
{
    struct workload *workload = worker->current->workload;
    struct shared_instance *shared = mem_new(struct shared_instance);
    wasi_init(&shared->wasi, workload_wasi(workload), worker->loop, worker->client);
    struct instance_options options = {.host = &shared->wasi, .limits = workload_limits(workload)};
    int rc =
        instance_new(workload_linked(workload), worker->executor, &options, &shared->instance, err);
    if (rc < 0) {
        wasi_done(&shared->wasi);
        free(shared);
        return rc;
    }
    shared->worker = worker;
    shared->lease = worker->current;
    shared->lease->users++;
    shared->end.callback = shared_end;
    loop_timer_init(&shared->idle, worker->loop, shared_idle);
    shared->next = worker->shared;
    shared->link = &worker->shared;
    if (shared->next)
        shared->next->link = &shared->next;
    worker->shared = *out = shared;
    return 0;
}

static int shared_take(struct worker *worker, struct shared_instance **out, struct error *err)
{
    struct shared_instance *shared = worker->shared;
    while (shared && !shared_is_usable(shared, worker))
        shared = shared->next;
    int rc = shared ? 0 : shared_new(worker, &shared, err);
    if (rc < 0)
        return rc;
    loop_timer_stop(&shared->idle);
    shared->begun++;
    shared->live++;
    *out = shared;
    return 0;
}

static void shared_give_back(struct shared_instance *shared)
{
    struct worker *worker = shared->worker;
    if (--shared->live > 0)
        return;
    bool is_done = shared->retired || shared->begun >= HTTP_HOST_INSTANCE_REQUESTS ||
                   shared->lease != worker->current || worker->stopping;
    if (is_done) {
        shared->retired = true;
        loop_defer(worker->loop, &shared->end); // something of it may still run
    } else {
        loop_timer_start(&shared->idle, HTTP_HOST_INSTANCE_IDLE_MS * UINT64_C(1000000));
    }
}

static void call_finish(struct request *request, enum task_end end, const struct error *reason)
{
    ERROR(why);
    struct shared_instance *shared = TAKE(request->shared);
    if (wasi_http_finish(TAKE(request->http), end, reason, NULL, &why) < 0)
        log_warn("%s: %s", workload_name(request->lease->workload), error_text(&why));
    loop_defer_cancel(request->worker->loop, &request->gone);
    if (!shared)
        return;
    if (end != TASK_RETURNED)
        shared->retired = true;
    shared_give_back(shared);
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
    loop_defer(request->worker->loop, &request->gone);
}

static void on_async_request(struct request *request, struct http_exchange *exchange)
{
    ERROR(err);
    struct worker *worker = request->worker;
    request->http = wasi_http_new(exchange, peer_gone, request);
    request->gone = (struct loop_defer){.callback = call_gone};
    request->is_sending = request->is_returned = false;
    request->call = (struct instance_call){
        .start = call_start, .returned = call_returned, .ended = call_ended, .arg = request};
    int rc = shared_take(worker, &request->shared, &err);
    if (rc == 0)
        rc = instance_call(request->shared->instance, workload_entry(request->lease->workload),
                           &request->call, &err);
    if (rc < 0)
        call_ended(request, TASK_TRAPPED, &err);
}

// -------------------------------------------------------------------------------------------------

static void on_request(struct http_exchange *exchange, void *user)
{
    struct worker *worker = user;
    if (!worker->current) {
        http_exchange_abort(exchange, 404);
        return;
    }
    if (workload_is_async(worker->current->workload)) {
        on_async_request(request_new(worker), exchange);
        return;
    }
    ERROR(err);
    struct request *request = request_new(worker);
    request->http = wasi_http_new(exchange, NULL, request);
    wasi_init(&request->wasi, workload_wasi(request->lease->workload), worker->loop,
              worker->client);
    struct instance_options options = {.host = &request->wasi,
                                       .limits = workload_limits(request->lease->workload)};
    int rc = instance_new(workload_linked(request->lease->workload), worker->executor, &options,
                          &request->instance, &err);
    if (rc == 0)
        rc = instance_run(request->instance, handle, handled, request, &err);
    if (rc < 0)
        request_end(request, TASK_TRAPPED, &err);
}

// ---- workers
// ------------------------------------------------------------------------------------------

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

static void renew_tls(void *arg)
{
    struct worker *worker = arg;
    struct tls_context *context = https_context(worker->host->https);
    http_server_set_tls(worker->server, context);
    tls_context_unref(context);
}

static void tls_changed(void *user)
{
    struct http_host *host = user;
    for (uint32_t i = 0; i < host->worker_count; i++)
        loop_post(host->workers[i].loop, renew_tls, &host->workers[i]);
}

static void on_tls_failure(enum tls_failure kind, const char *reason, void *user)
{
    struct worker *worker = user;
    https_handshake_failed(worker->host->https, kind, reason);
}

static void on_proxy_failure(const char *reason, void *user)
{
    struct worker *worker = user;
    if (!__atomic_exchange_n(&worker->host->proxy_failure_logged, true, __ATOMIC_RELAXED))
        log_warn("%s (more of this kind are counted, not logged)", reason);
}

static int open_server(struct worker *worker, const char *address, struct error *err)
{
    struct https *https = worker->host->https;
    struct tls_context *tls = https ? https_context(https) : NULL;
    struct http_server_options options = {
        .address = address,
        .tls = tls,
        .proxy_protocol = worker->host->proxy_protocol,
        .request_ids = worker->host->request_ids,
        .access_log = worker->host->access_log,
        .on_request = on_request,
        .on_tls_failure = on_tls_failure,
        .on_proxy_failure = on_proxy_failure,
        .user = worker,
    };
    int rc = http_server_new(worker->loop, &options, &worker->server, err);
    tls_context_unref(tls);
    return rc;
}

static int open_worker(struct worker *worker, const struct http_host_options *options,
                       const char *address, struct error *err)
{
    struct http_host *host = worker->host;
    int rc = loop_new(&worker->loop, err);
    if (rc == 0 && options->tls.certificate && !host->https)
        rc = https_new(worker->loop, &options->tls, tls_changed, host, &host->https, err);
    if (rc < 0)
        return rc;
    worker->executor = executor_new(worker->host->engine, worker->loop);
    worker->client = http_client_new(worker->loop, &host->egress);
    return open_server(worker, address, err);
}

static void close_worker(struct worker *worker)
{
    // What still runs after the drain time ends here.
    while (worker->shared)
        shared_free(worker->shared);
    while (worker->live) {
        if (worker->live->instance)
            instance_cancel(worker->live->instance);
    }
    http_server_free(worker->server);
    http_client_free(worker->client);
    if (worker->executor)
        executor_free(worker->executor);
    while (worker->spare) {
        struct request *request = worker->spare;
        worker->spare = request->next;
        free(request);
    }
    lease_release(worker->current);
    if (worker == worker->host->workers)
        https_free(TAKE(worker->host->https));
    if (worker->loop)
        loop_free(worker->loop);
}

static uint32_t cpu_count(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
        return 1;
    return (uint32_t)MAX(CPU_COUNT(&cpus), 1);
}

static void close_access_log(struct http_host *host)
{
    if (!host->access_log)
        return;
    uint64_t dropped = http_access_log_dropped(host->access_log);
    if (dropped)
        log_warn("the access log lacks %llu lines that could not be written in time",
                 (unsigned long long)dropped);
    http_access_log_close(TAKE(host->access_log));
}

static void free_host(struct http_host *host)
{
    for (uint32_t i = 0; i < host->worker_count; i++)
        close_worker(&host->workers[i]);
    close_access_log(host);
    free(host->workers);
    free(host->url);
    free(host);
}

// SO_REUSEPORT would let a second program in.
static int check_address(const char *text, struct error *err)
{
    struct net_address address;
    int rc = net_address_parse(str_from(text), &address, err);
    return rc < 0 ? rc : net_check_unused(&address, err);
}

// All workers listen on one address; the kernel spreads connections over them.
static int open_workers(struct http_host *host, const struct http_host_options *options,
                        uint32_t count, struct error *err)
{
    _cleanup_(mem_freep) char *bound = mem_strdup(options->address);
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = &host->workers[host->worker_count++];
        worker->host = host;
        int rc = open_worker(worker, options, bound, err);
        if (rc < 0)
            return rc;
        free(bound);
        bound = mem_strdup(http_server_address(worker->server));
    }
    host->url = mem_printf("%s://%s", host->https ? "https" : "http", bound);
    return 0;
}

static int start_threads(struct http_host *host, struct error *err)
{
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct worker *worker = &host->workers[i];
        int rc = pthread_create(&worker->thread, NULL, run_worker, worker);
        if (rc) {
            // Those that run end; the rest has no thread to join.
            for (uint32_t j = i; j < host->worker_count; j++)
                close_worker(&host->workers[j]);
            host->worker_count = i;
            http_host_stop(host);
            return error_set_errno(err, -rc, "start worker thread %u", i);
        }
    }
    return 0;
}

int http_host_start(struct engine *engine, const struct http_host_options *options,
                    struct workload *workload, struct http_host **out, struct error *err)
{
    uint32_t count = options->workers ? options->workers : cpu_count();
    count = MIN(count, HTTP_HOST_WORKERS_MAX);
    struct http_host *host = mem_new(struct http_host);
    host->engine = engine;
    host->drain_ms = options->drain_ms ? options->drain_ms : HTTP_HOST_DRAIN_MS_DEFAULT;
    host->workers = mem_zalloc(count * sizeof(*host->workers));
    host->proxy_protocol = options->proxy_protocol;
    host->request_ids = options->request_ids;
    if (workload)
        host->egress = workload_egress(workload, count);
    int rc = check_address(options->address, err);
    if (rc == 0 && options->access_log)
        rc = http_access_log_open(options->access_log,
                                  options->access_log_format ? str_from(options->access_log_format)
                                                             : STR("common"),
                                  &host->access_log, err);
    if (rc == 0)
        rc = open_workers(host, options, count, err);
    if (rc < 0) {
        free_host(host);
        return rc;
    }
    for (uint32_t i = 0; workload && i < count; i++)
        host->workers[i].current = lease_new(workload);
    rc = start_threads(host, err);
    if (rc == 0)
        *out = host;
    return rc;
}

const char *http_host_url(const struct http_host *host)
{
    return host->url;
}

struct swap {
    struct worker *worker;
    struct lease *lease;
};

static void do_swap(void *arg)
{
    struct swap *swap = arg;
    lease_release(swap->worker->current);
    swap->worker->current = swap->lease;
    free(swap);
}

void http_host_swap(struct http_host *host, struct workload *workload)
{
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct swap *swap = mem_new(struct swap);
        *swap = (struct swap){&host->workers[i], lease_new(workload)};
        loop_post(host->workers[i].loop, do_swap, swap);
    }
}

void http_host_reload(struct http_host *host)
{
    if (host->https)
        https_reload(host->https);
    if (host->access_log)
        http_access_log_reopen(host->access_log);
}

static void drained(void *user)
{
    struct worker *worker = user;
    worker->stopping = true;
    for (struct request *request = worker->live, *next; request; request = next) {
        next = request->next;
        if (request->instance)
            instance_cancel(request->instance);
    }
    while (worker->shared)
        shared_free(worker->shared);
    stop_if_idle(worker);
}

static void drain(void *arg)
{
    struct worker *worker = arg;
    http_server_drain(worker->server, worker->host->drain_ms, drained, worker);
}

void http_host_stop(struct http_host *host)
{
    for (uint32_t i = 0; i < host->worker_count; i++)
        loop_post(host->workers[i].loop, drain, &host->workers[i]);
    for (uint32_t i = 0; i < host->worker_count; i++)
        pthread_join(host->workers[i].thread, NULL);
    free_host(host);
}

// SPDX-License-Identifier: Apache-2.0
#include "host/http_host.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/log.h"
#include "host/request.h"
#include "http/client.h"
#include "http/server.h"
#include "net/address.h"

struct worker {
    struct http_host *host;
    pthread_t thread;
    struct loop *loop;
    struct executor *executor;
    struct http_client *client;
    struct http_server *server;
    struct requests *requests;
    struct instance_pools pools;
    struct instance_pool *current; // of what new requests get; NULL: nothing yet
    bool stopping;
    const char *refusals_logged[4]; // one line for each reason
};

struct http_host {
    struct engine *engine;
    struct worker *workers;
    uint32_t worker_count;
    uint32_t workers_wanted;
    struct http_client_options egress; // of one worker
    uint64_t drain_ms;
    char *url;
    struct https *https; // on the first worker's loop; NULL: plain HTTP
    struct http_access_log *access_log;
    uint32_t connections_max;     // of one worker; 0: the default
    struct http_clients *clients; // NULL: no limit
    bool proxy_protocol;
    bool request_ids;
    bool proxy_failure_logged; // atomic
};

// ---- workers
// ------------------------------------------------------------------------------------------

static void stop_if_idle(void *user)
{
    struct worker *worker = user;
    if (worker->stopping && requests_live(worker->requests) == 0)
        loop_stop(worker->loop);
}

static void on_request(struct http_exchange *exchange, void *user)
{
    struct worker *worker = user;
    if (worker->current)
        request_serve(worker->requests, worker->current, exchange);
    else
        http_exchange_abort(exchange, 404);
}

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

static void on_connection_refused(const char *reason, void *user)
{
    struct worker *worker = user;
    for (size_t i = 0; i < ARRAY_LEN(worker->refusals_logged); i++) {
        const char **logged = &worker->refusals_logged[i];
        if (*logged && str_eq(str_from(*logged), str_from(reason)))
            return;
        if (!*logged) {
            *logged = reason;
            log_warn("connections are refused or wait: %s (more of this kind are counted, not "
                     "logged)",
                     reason);
            return;
        }
    }
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
        .connections_max = worker->host->connections_max,
        .clients = worker->host->clients,
        .on_request = on_request,
        .on_tls_failure = on_tls_failure,
        .on_connection_refused = on_connection_refused,
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
    worker->executor = executor_new(host->engine, worker->loop);
    worker->client = http_client_new(worker->loop, &host->egress);
    worker->requests = requests_new(worker->loop, stop_if_idle, worker);
    worker->pools = (struct instance_pools){.loop = worker->loop,
                                            .executor = worker->executor,
                                            .client = worker->client,
                                            .workers = host->workers_wanted};
    return open_server(worker, address, err);
}

static void close_worker(struct worker *worker)
{
    // What still runs after the drain time ends here.
    instance_pools_cancel(&worker->pools);
    if (worker->current)
        instance_pool_close(worker->current);
    http_server_free(worker->server);
    http_client_free(worker->client);
    requests_free(worker->requests);
    if (worker->executor)
        executor_free(worker->executor);
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
    http_clients_unref(host->clients);
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
    host->workers_wanted = count;
    host->workers = mem_zalloc(count * sizeof(*host->workers));
    host->proxy_protocol = options->proxy_protocol;
    host->request_ids = options->request_ids;
    if (options->connections_max)
        host->connections_max = (options->connections_max - 1) / count + 1;
    if (options->client_connections_max)
        host->clients = http_clients_new(options->client_connections_max);
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
        host->workers[i].current = instance_pool_new(&host->workers[i].pools, workload);
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
    struct workload *workload;
};

static void do_swap(void *arg)
{
    struct swap *swap = arg;
    struct worker *worker = swap->worker;
    if (worker->current)
        instance_pool_close(worker->current);
    worker->current = instance_pool_new(&worker->pools, swap->workload);
    workload_unref(swap->workload);
    free(swap);
}

void http_host_swap(struct http_host *host, struct workload *workload)
{
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct swap *swap = mem_new(struct swap);
        *swap = (struct swap){&host->workers[i], workload_ref(workload)};
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
    instance_pools_cancel(&worker->pools);
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

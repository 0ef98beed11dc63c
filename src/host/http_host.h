// SPDX-License-Identifier: Apache-2.0
// Serves HTTP from a workload on worker threads. A worker is a shard: listener, connections,
// instances and fibers live and die on it. The workload can be swapped while requests run: each
// request ends on the one it began with.
#pragma once

#include "host/https.h"
#include "host/workload.h"

struct http_host;

struct http_host_options {
    const char *address; // "127.0.0.1:8000", "[::1]:0"; port 0 takes a free one
    uint32_t workers;    // 0: as many as CPUs may be used
    // HTTPS when a certificate is named. The files are watched; a replaced certificate serves new
    // connections while running ones keep theirs.
    struct https_files tls;
    bool proxy_protocol;           // connections begin with a header of the PROXY protocol
    bool request_ids;              // requests get a traceparent and an x-request-id
    const char *access_log;        // a file, "-" for standard output; NULL: none
    const char *access_log_format; // of http/access_format.h; NULL: "common"
    // Of all workers together, in equal shares; 0: HTTP_SERVER_CONNECTIONS_MAX for each.
    uint32_t connections_max;
    uint32_t client_connections_max; // of one client (http/server_clients.h); 0: no limit
    uint64_t drain_ms; // how long requests may go on after http_host_stop(); 0: the default
};
#define HTTP_HOST_WORKERS_MAX      256u
#define HTTP_HOST_DRAIN_MS_DEFAULT 10000u

// Binds and starts the workers. `workload` may be NULL: 404 until the first swap.
_must_use_ int http_host_start(struct engine *engine, const struct http_host_options *options,
                               struct workload *workload, struct http_host **out,
                               struct error *err);
// "http://127.0.0.1:8000" or "https://..."
const char *http_host_url(const struct http_host *host);

// New requests go to `workload` from now on. Thread-safe.
void http_host_swap(struct http_host *host, struct workload *workload);

// Reads the TLS files again and opens the access log anew, where there are such. Thread-safe.
void http_host_reload(struct http_host *host);

// Stops accepting, lets running requests end within the drain time, joins the workers, frees.
void http_host_stop(struct http_host *host);

// SPDX-License-Identifier: Apache-2.0
// A workload: one component with what it was given (environment, folders, hosts it may call,
// limits), linked and ready to be instantiated. Immutable and shared by threads, counted by
// reference.
#pragma once

#include "engine/engine.h"
#include "engine/instance.h"
#include "http/client.h"
#include "wasi/wasi.h"

struct workload;

struct workload_dir {
    const char *host_path;
    const char *guest_path;
    bool read_only;
};

// How instances serve requests one after another (host/instance_pool.h). 0: the default, which is
// fresh instances for WASI 0.2; those of 0.3 are pooled, as many as it takes.
struct workload_reuse {
    uint32_t pool_size;       // instances that are kept for more requests
    uint32_t invocations_max; // requests that one of them serves in all
    uint32_t concurrency_max; // and at once; WASI 0.2: always one
    uint32_t idle_ms;         // without requests it ends after this
    uint32_t instances_max;   // with requests or without, all threads together
    bool fresh;               // no pool: each request has a fresh instance
    bool no_reset;            // a fresh one is never a reset one
};
#define WORKLOAD_POOL_SIZE_DEFAULT   UINT32_MAX
#define WORKLOAD_INVOCATIONS_DEFAULT 128u
#define WORKLOAD_CONCURRENCY_DEFAULT 16u
#define WORKLOAD_IDLE_MS_DEFAULT     1000u
#define WORKLOAD_INSTANCES_DEFAULT   ENGINE_INSTANCES_DEFAULT

// Everything is copied.
struct workload_settings {
    const char *name; // for log lines
    const struct wasi_env *env;
    size_t env_count;
    // What wasi:config answers, later ones win; so do variables of `env` over these.
    const struct wasi_env *config;
    size_t config_count;
    const struct str *args; // args[0] is the program's name
    size_t arg_count;
    const struct workload_dir *dirs;
    size_t dir_count;
    const struct str *allow_hosts; // rules of wasi/egress.h
    size_t allow_host_count;
    struct http_client_options egress; // limits hold for all threads together
    bool inherit_stdin;
    bool inherit_network; // sockets of the guest's own, and name lookups: all or none
    struct instance_limits limits;
    uint32_t log_lines_max; // a second, of a server's guests; 0: LOG_RATE_LINES_DEFAULT
    struct workload_reuse reuse;
};

// What a component offers to a host.
enum workload_kind {
    WORKLOAD_HTTP,    // exports wasi:http/incoming-handler
    WORKLOAD_COMMAND, // exports wasi:cli/run
    WORKLOAD_LIBRARY, // neither: its exports can be invoked by name
};

_must_use_ int workload_new(struct engine *engine, struct program *program,
                            const struct workload_settings *settings, struct workload **out,
                            struct error *err);
struct workload *workload_ref(struct workload *workload);
void workload_unref(struct workload *workload);

enum workload_kind workload_kind(const struct workload *workload);
const char *workload_name(const struct workload *workload);
struct linked *workload_linked(const struct workload *workload);
const struct wasi_config *workload_wasi(const struct workload *workload);
// For the client of one of `threads` threads.
struct http_client_options workload_egress(const struct workload *workload, uint32_t threads);
struct instance_limits workload_limits(const struct workload *workload);
// With all defaults; pool_size is 0 when instances are fresh.
struct workload_reuse workload_reuse(const struct workload *workload);
// The function that serves: incoming-handler's `handle` or cli/run's `run`; NULL for a library.
bool workload_is_async(const struct workload *workload); // its entry is one of WASI 0.3
const void *workload_entry(const struct workload *workload);

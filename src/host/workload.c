// SPDX-License-Identifier: Apache-2.0
#include "host/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "base/log.h"
#include "component/limit.h"
#include "engine/linker.h"
#include "net/tls.h"
#include "wasi/config.h"
#include "wasi/egress.h"
#include "wasi/log_rate.h"
#include "wasi/p2.h"
#include "wasi/p3.h"
#include "wasi/tls.h"

struct workload {
    _Atomic uint32_t refs;
    char *name;
    struct arena arena; // strings and tables of the configuration
    struct linked *linked;
    struct wasi_config wasi;
    struct wasi_preopen *preopens;
    struct wasi_egress *egress;
    struct http_client_options client;
    struct instance_limits limits;
    struct workload_reuse reuse;
    enum workload_kind kind;
    const void *entry;
    bool is_async; // the entry belongs to WASI 0.3
};

static const struct str *copy_texts(struct arena *arena, const struct str *texts, size_t count)
{
    struct str *copies = arena_new_array(arena, struct str, count);
    for (size_t i = 0; i < count; i++)
        copies[i] = arena_str(arena, texts[i]);
    return copies;
}

static const struct wasi_env *copy_env(struct arena *arena, const struct wasi_env *env,
                                       size_t count)
{
    struct wasi_env *copies = arena_new_array(arena, struct wasi_env, count);
    for (size_t i = 0; i < count; i++) {
        copies[i].name = arena_str(arena, env[i].name);
        copies[i].value = arena_str(arena, env[i].value);
    }
    return copies;
}

static int open_dirs(struct workload *workload, const struct workload_settings *settings,
                     struct error *err)
{
    workload->preopens =
        arena_new_array(&workload->arena, struct wasi_preopen, settings->dir_count);
    workload->wasi.preopens = workload->preopens;
    for (size_t i = 0; i < settings->dir_count; i++) {
        const struct workload_dir *dir = &settings->dirs[i];
        int fd = open(dir->host_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return error_set_errno(err, -errno, "open the folder %s for the guest", dir->host_path);
        workload->preopens[i] = (struct wasi_preopen){
            arena_str(&workload->arena, str_from(dir->guest_path)), fd, dir->read_only};
        workload->wasi.preopen_count = i + 1;
    }
    return 0;
}

static int make_config(struct workload *workload, const struct workload_settings *settings,
                       struct error *err)
{
    const struct wasi_settings layers[] = {
        {settings->config, settings->config_count},
        {settings->env, settings->env_count},
    };
    struct wasi_settings merged;
    int rc = wasi_settings_merge(&workload->arena, layers, ARRAY_LEN(layers), &merged, err);
    if (rc < 0)
        return rc;
    workload->wasi.settings = merged.items;
    workload->wasi.setting_count = merged.len;
    return 0;
}

static int find_entry(struct workload *workload, struct error *err)
{
    static const struct {
        const struct host_interface *interface;
        struct str func;
        enum workload_kind kind;
    } entries[] = {
        {&p3_http_handler, STR_INIT("handle"), WORKLOAD_HTTP},
        {&p2_http_incoming_handler, STR_INIT("handle"), WORKLOAD_HTTP},
        {&p3_cli_run, STR_INIT("run"), WORKLOAD_COMMAND},
        {&p2_cli_run, STR_INIT("run"), WORKLOAD_COMMAND},
    };
    workload->kind = WORKLOAD_LIBRARY;
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (!linked_find_export(workload->linked, entries[i].interface->name, entries[i].func))
            continue;
        workload->kind = entries[i].kind;
        workload->entry =
            linked_bind_export(workload->linked, entries[i].interface, entries[i].func, err);
        workload->is_async =
            entries[i].interface == &p3_cli_run || entries[i].interface == &p3_http_handler;
        return workload->entry ? 0 : -EINVAL;
    }
    return 0;
}

static int link_program(struct workload *workload, struct engine *engine, struct program *program,
                        struct error *err)
{
    struct linker *linker = linker_new(engine);
    wasi_p2_add_to_linker(linker);
    wasi_p3_add_to_linker(linker);
    int rc = linker_link(linker, program, &workload->linked, err);
    linker_free(linker);
    return rc;
}

static void report_denial(void *user, const char *text)
{
    const struct workload *workload = user;
    log_warn("%s: %s", workload->name, text);
}

static void report_dropped_lines(void *user, uint64_t dropped)
{
    const struct workload *workload = user;
    char limit[LIMIT_TEXT_BYTES_MAX];
    limit_text(LIMIT_LOG_RATE, log_rate_limit(workload->wasi.log_rate), limit);
    log_warn("%s: %llu lines of its output are dropped: %s reached", workload->name,
             (unsigned long long)dropped, limit);
}

static int make_egress(struct workload *workload, const struct workload_settings *settings,
                       struct error *err)
{
    // Also when nothing is allowed: refusals are to be told.
    int rc =
        wasi_egress_new(settings->allow_hosts, settings->allow_host_count, &workload->egress, err);
    if (rc == 0)
        wasi_egress_on_denial(workload->egress, report_denial, workload);
    workload->wasi.egress = workload->egress;
    workload->client = settings->egress;
    workload->wasi.tls = wasi_tls_new(settings->egress.ca_file);
    if (rc < 0 || !settings->egress.ca_file)
        return rc;
    workload->client.ca_file = arena_str(&workload->arena, str_from(settings->egress.ca_file)).data;
    // The client reads the file at each connection: what is wrong with it is told now.
    struct tls_context *check;
    rc = tls_client_context_new(
        &(struct tls_client_options){.ca_file = settings->egress.ca_file, .no_system_roots = true},
        &check, err);
    if (rc == 0)
        tls_context_unref(check);
    else
        error_wrap(err, "authorities for outgoing requests");
    return rc;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static struct workload_reuse with_defaults(struct workload_reuse reuse, bool is_async)
{
    reuse.fresh |= !is_async && reuse.pool_size == 0;
    reuse.pool_size = reuse.fresh ? 0 : or_default(reuse.pool_size, WORKLOAD_POOL_SIZE_DEFAULT);
    reuse.invocations_max = or_default(reuse.invocations_max, WORKLOAD_INVOCATIONS_DEFAULT);
    reuse.concurrency_max =
        is_async ? or_default(reuse.concurrency_max, WORKLOAD_CONCURRENCY_DEFAULT) : 1;
    reuse.idle_ms = or_default(reuse.idle_ms, WORKLOAD_IDLE_MS_DEFAULT);
    reuse.instances_max = or_default(reuse.instances_max, WORKLOAD_INSTANCES_DEFAULT);
    return reuse;
}

int workload_new(struct engine *engine, struct program *program,
                 const struct workload_settings *settings, struct workload **out, struct error *err)
{
    struct workload *workload = mem_new(struct workload);
    workload->refs = 1;
    workload->arena = ARENA_INIT(SIZE_MAX);
    workload->name = mem_strdup(settings->name);
    workload->limits = settings->limits;
    struct arena *arena = &workload->arena;
    workload->wasi = (struct wasi_config){
        .name = str_from(workload->name),
        .env = copy_env(arena, settings->env, settings->env_count),
        .env_count = settings->env_count,
        .args = copy_texts(arena, settings->args, settings->arg_count),
        .arg_count = settings->arg_count,
        .stdin_mode = settings->inherit_stdin ? WASI_STDIO_INHERIT : WASI_STDIO_NULL,
        .stdout_mode = WASI_STDIO_INHERIT,
        .stderr_mode = WASI_STDIO_INHERIT,
        .network = settings->inherit_network ? &wasi_network_all : NULL,
    };
    int rc = open_dirs(workload, settings, err);
    if (rc == 0)
        rc = make_config(workload, settings, err);
    if (rc == 0)
        rc = make_egress(workload, settings, err);
    if (rc == 0)
        rc = link_program(workload, engine, program, err);
    if (rc == 0)
        rc = find_entry(workload, err);
    if (rc < 0) {
        workload_unref(workload);
        return rc;
    }
    workload->reuse = with_defaults(settings->reuse, workload->is_async);
    // Instances run side by side: their lines are not to mix.
    workload->wasi.line_output = workload->kind == WORKLOAD_HTTP;
    if (workload->wasi.line_output)
        workload->wasi.log_rate =
            log_rate_new(or_default(settings->log_lines_max, LOG_RATE_LINES_DEFAULT),
                         report_dropped_lines, workload);
    *out = workload;
    return 0;
}

struct workload *workload_ref(struct workload *workload)
{
    atomic_fetch_add(&workload->refs, 1);
    return workload;
}

void workload_unref(struct workload *workload)
{
    if (!workload || atomic_fetch_sub(&workload->refs, 1) > 1)
        return;
    for (size_t i = 0; i < workload->wasi.preopen_count; i++)
        close(workload->preopens[i].fd);
    log_rate_free(workload->wasi.log_rate);
    wasi_egress_free(workload->egress);
    wasi_tls_free(workload->wasi.tls);
    linked_unref(workload->linked);
    arena_done(&workload->arena);
    free(workload->name);
    free(workload);
}

enum workload_kind workload_kind(const struct workload *workload)
{
    return workload->kind;
}

const char *workload_name(const struct workload *workload)
{
    return workload->name;
}

struct linked *workload_linked(const struct workload *workload)
{
    return workload->linked;
}

const struct wasi_config *workload_wasi(const struct workload *workload)
{
    return &workload->wasi;
}

static uint32_t share(uint32_t limit, uint32_t threads)
{
    return limit / threads + (limit % threads != 0);
}

struct http_client_options workload_egress(const struct workload *workload, uint32_t threads)
{
    struct http_client_options options = workload->client;
    options.connections_max = share(options.connections_max, threads);
    options.host_connections_max = share(options.host_connections_max, threads);
    return options;
}

struct instance_limits workload_limits(const struct workload *workload)
{
    return workload->limits;
}

struct workload_reuse workload_reuse(const struct workload *workload)
{
    return workload->reuse;
}

const void *workload_entry(const struct workload *workload)
{
    return workload->entry;
}

bool workload_is_async(const struct workload *workload)
{
    return workload->is_async;
}

// SPDX-License-Identifier: Apache-2.0
// `wash run FILE`: an HTTP handler as a server, a command as a command, any export by name.
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "host/run.h"
#include "base/file.h"
#include "host/http_host.h"
#include "wash/command.h"
#include "wash/feature_option.h"
#include "wash/value_set.h"

struct run_options {
    const char *addr;
    const char *invoke;
    const char *tls_cert_path;
    const char *tls_key_path;
    const char *tls_ca_path;
    bool proxy_protocol;
    bool request_ids;
    const char *access_log;
    const char *access_log_format;
    struct text_list env;
    struct text_list config;
    struct text_list config_files;
    struct text_list dirs;
    struct text_list allow_hosts;
    const char *egress_ca;
    uint64_t egress_connections;
    uint64_t egress_wait_ms;
    struct text_list features;
    bool inherit_network;
    bool fresh_instances;
    bool no_reset;
    uint64_t pool_size;
    uint64_t invocations;
    uint64_t concurrency;
    uint64_t idle_ms;
    uint64_t instances;
    uint64_t memory_bytes;
    uint64_t connections;
    uint64_t client_connections;
    uint64_t table_elements;
    uint64_t cpu_time_ms;
    uint64_t handles;
    uint64_t log_lines;
    uint64_t streams;
    uint64_t tasks;
    uint64_t timeout_ms;
    uint64_t workers;
};

#define FIELD(name) offsetof(struct run_options, name)
static const struct option options[] = {
    {"addr", 0, OPTION_TEXT, "IP:PORT", "where an HTTP handler listens (default 127.0.0.1:8000)",
     FIELD(addr)},
    {"access-log", 0, OPTION_TEXT, "FILE",
     "a line for each HTTP request; `-` is standard output;\n"
     "SIGHUP opens it anew",
     FIELD(access_log)},
    {"access-log-format", 0, OPTION_TEXT, "FORMAT",
     "common (default), combined, json, or directives such as\n"
     "'%h \"%r\" %>s %D'",
     FIELD(access_log_format)},
    {"config", 0, OPTION_LIST, "NAME=VALUE", "setting for the guest, read through wasi:config",
     FIELD(config)},
    {"config-file", 0, OPTION_LIST, "FILE",
     "settings for the guest, lines NAME=VALUE; `--config` wins", FIELD(config_files)},
    {"env", 'e', OPTION_LIST, "NAME=VALUE",
     "environment variable for the guest; NAME alone passes on\n"
     "the one of this process",
     FIELD(env)},
    {"dir", 0, OPTION_LIST, "HOST::GUEST", "folder for the guest; append :ro for read only",
     FIELD(dirs)},
    {"allow-host", 0, OPTION_LIST, "RULE",
     "host that the guest may call: `*`, `example.com`,\n"
     "`*.example.com:443`, `https://example.com`; private and\n"
     "loopback addresses by themselves: `127.0.0.1`,\n"
     "`10.0.0.0/8` (default: none)",
     FIELD(allow_hosts)},
    {"egress-ca", 0, OPTION_TEXT, "FILE",
     "authorities (PEM) to trust for outgoing HTTPS besides the\n"
     "system's",
     FIELD(egress_ca)},
    {"egress-connections", 0, OPTION_COUNT, "N",
     "connections of outgoing requests, all threads together\n"
     "(default 256 for each thread)",
     FIELD(egress_connections)},
    {"egress-wait", 0, OPTION_DURATION, "TIME",
     "wait for a connection while all are in use (default 5s)", FIELD(egress_wait_ms)},
    {"fresh-instances", 0, OPTION_FLAG, NULL,
     "an instance of its own for each request (default for\n"
     "WASI 0.2)",
     FIELD(fresh_instances)},
    {"inherit-network", 0, OPTION_FLAG, NULL,
     "let the guest open TCP and UDP sockets and look up names\n"
     "as this process may (default: none of it)",
     FIELD(inherit_network)},
    {"instance-idle", 0, OPTION_DURATION, "TIME",
     "pooled instances without requests end after this\n"
     "(default 1s)",
     FIELD(idle_ms)},
    {"invoke", 0, OPTION_TEXT, "CALL",
     "call one export, values in WAVE: 'add(40, 2)',\n"
     "'ns:pkg/iface#name(args)'",
     FIELD(invoke)},
    {"max-concurrency", 0, OPTION_COUNT, "N",
     "requests of a pooled instance at once, of WASI 0.3\n"
     "(default 16)",
     FIELD(concurrency)},
    {"max-connections", 0, OPTION_COUNT, "N",
     "connections to an HTTP handler, all threads together; idle\n"
     "ones make room, further ones wait (default 16384 for each\n"
     "thread)",
     FIELD(connections)},
    {"max-connections-per-client", 0, OPTION_COUNT, "N",
     "connections of one IPv4 address or IPv6 /64; further ones\n"
     "are closed (default: no limit)",
     FIELD(client_connections)},
    {"max-cpu-time", 0, OPTION_DURATION, "TIME",
     "CPU time of one request or command (default: none but\n"
     "--timeout)",
     FIELD(cpu_time_ms)},
    {"max-handles", 0, OPTION_COUNT, "N", "handles of one instance (default 100000)",
     FIELD(handles)},
    {"max-instances", 0, OPTION_COUNT, "N",
     "instances for requests at once; further ones are answered\n"
     "with 503 (default 1000)",
     FIELD(instances)},
    {"max-invocations", 0, OPTION_COUNT, "N", "requests of a pooled instance in all (default 128)",
     FIELD(invocations)},
    {"max-log-rate", 0, OPTION_COUNT, "N",
     "lines a second that an HTTP handler prints or logs; more\n"
     "are dropped and counted (default 10000)",
     FIELD(log_lines)},
    {"max-memory", 0, OPTION_BYTES, "SIZE", "linear memory of one instance (default 256M)",
     FIELD(memory_bytes)},
    {"max-streams", 0, OPTION_COUNT, "N",
     "streams, futures and subtasks of one instance\n"
     "(default 10000)",
     FIELD(streams)},
    {"max-table-elements", 0, OPTION_COUNT, "N",
     "elements of all tables of one instance (default 1000000)", FIELD(table_elements)},
    {"max-tasks", 0, OPTION_COUNT, "N",
     "tasks and threads of one instance, of WASI 0.3\n"
     "(default 10000)",
     FIELD(tasks)},
    {"no-reset", 0, OPTION_FLAG, NULL,
     "make each fresh instance anew, instead of putting one back\n"
     "into its first state",
     FIELD(no_reset)},
    {"pool-size", 0, OPTION_COUNT, "N",
     "instances that serve one request after another (default:\n"
     "WASI 0.3 as many as it takes, 0.2 none)",
     FIELD(pool_size)},
    {"proxy-protocol", 0, OPTION_FLAG, NULL,
     "connections begin with a header of the PROXY protocol,\n"
     "version 2; only where none but the proxy can connect",
     FIELD(proxy_protocol)},
    {"request-ids", 0, OPTION_FLAG, NULL,
     "give requests a traceparent and an x-request-id where they\n"
     "lack valid ones",
     FIELD(request_ids)},
    {"timeout", 0, OPTION_DURATION, "TIME",
     "wall time of one request or command\n"
     "(default 600s for requests, none for commands)",
     FIELD(timeout_ms)},
    {"tls-ca-path", 0, OPTION_TEXT, "FILE",
     "issuers (PEM) of client certificates; clients that show\n"
     "none of theirs are refused",
     FIELD(tls_ca_path)},
    {"tls-cert-path", 0, OPTION_TEXT, "FILE",
     "serve HTTPS with this certificate chain (PEM); read again\n"
     "when the file changes",
     FIELD(tls_cert_path)},
    {"tls-key-path", 0, OPTION_TEXT, "FILE", "the certificate's private key (PEM)",
     FIELD(tls_key_path)},
    {"workers", 0, OPTION_COUNT, "N", "threads that serve HTTP (default: the CPUs)",
     FIELD(workers)},
    {NULL, 'W', OPTION_LIST, "NAME[=y|n]", FEATURE_OPTION_HELP, FIELD(features)},
};

#define REQUEST_TIMEOUT_MS_DEFAULT 600000

// The settings under construction, with what they point at.
struct settings {
    struct workload_settings workload;
    struct arena arena;
};

static int add_env(struct settings *settings, const struct text_list *list, struct error *err)
{
    struct wasi_env *env = arena_new_array(&settings->arena, struct wasi_env, list->len);
    size_t count = 0;
    for (size_t i = 0; i < list->len; i++) {
        struct str name, value;
        if (!str_cut(str_from(list->items[i]), '=', &name, &value)) {
            const char *inherited = getenv(list->items[i]);
            if (!inherited)
                continue;
            value = str_from(inherited);
        }
        if (name.len == 0)
            return error_set(err, -EINVAL, "`--env %s` names no variable", list->items[i]);
        env[count++] = (struct wasi_env){name, value};
    }
    settings->workload.env = env;
    settings->workload.env_count = count;
    return 0;
}

static int add_config(struct settings *settings, const struct run_options *run, struct error *err)
{
    _cleanup_(value_set_done) struct value_set set = {.arena = &settings->arena};
    for (size_t i = 0; i < run->config_files.len; i++) {
        int rc = value_set_read_file(&set, run->config_files.items[i], err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < run->config.len; i++) {
        struct str name, value;
        if (!str_cut(str_from(run->config.items[i]), '=', &name, &value) || name.len == 0)
            return error_set(err, -EINVAL, "`--config %.*s`: expected NAME=VALUE", STR_ARG(name));
        value_set_put(&set, name, value);
    }
    settings->workload.config = set.items;
    settings->workload.config_count = set.len;
    return 0;
}

static int add_dirs(struct settings *settings, const struct text_list *list, struct error *err)
{
    struct workload_dir *dirs = arena_new_array(&settings->arena, struct workload_dir, list->len);
    for (size_t i = 0; i < list->len; i++) {
        struct str text = str_from(list->items[i]);
        if (str_ends(text, STR(":ro"))) {
            dirs[i].read_only = true;
            text.len -= 3;
        }
        ssize_t at = str_find(text, STR("::"));
        struct str host = at < 0 ? text : str_sub(text, 0, (size_t)at);
        struct str guest = at < 0 ? text : str_from_index(text, (size_t)at + 2);
        if (host.len == 0 || guest.len == 0)
            return error_set(err, -EINVAL, "`--dir %s`: expected HOST::GUEST or HOST::GUEST:ro",
                             list->items[i]);
        dirs[i].host_path = arena_str(&settings->arena, host).data;
        dirs[i].guest_path = arena_str(&settings->arena, guest).data;
    }
    settings->workload.dirs = dirs;
    settings->workload.dir_count = list->len;
    return 0;
}

static const struct str *texts(struct settings *settings, const char *const *items, size_t len)
{
    struct str *list = arena_new_array(&settings->arena, struct str, len);
    for (size_t i = 0; i < len; i++)
        list[i] = str_from(items[i]);
    return list;
}

static int make_settings(struct settings *settings, const struct run_options *run,
                         const struct arguments *args, struct error *err)
{
    int rc = add_env(settings, &run->env, err);
    if (rc == 0)
        rc = add_config(settings, run, err);
    if (rc == 0)
        rc = add_dirs(settings, &run->dirs, err);
    if (rc < 0)
        return rc;
    // The program's name, then what stands behind `--`.
    size_t arg_count = args->len - args->after_dashes + 1;
    const char **list = arena_new_array(&settings->arena, const char *, arg_count);
    list[0] = args->items[0];
    for (size_t i = 1; i < arg_count; i++)
        list[i] = args->items[args->after_dashes + i - 1];
    settings->workload.name = args->items[0];
    settings->workload.args = texts(settings, list, arg_count);
    settings->workload.arg_count = arg_count;
    settings->workload.allow_hosts = texts(settings, run->allow_hosts.items, run->allow_hosts.len);
    settings->workload.allow_host_count = run->allow_hosts.len;
    settings->workload.egress = (struct http_client_options){
        .ca_file = run->egress_ca,
        .connections_max = (uint32_t)MIN(run->egress_connections, UINT32_MAX),
        .host_connections_max = (uint32_t)MIN(run->egress_connections, UINT32_MAX),
        .connection_wait_ms = (uint32_t)MIN(run->egress_wait_ms, UINT32_MAX),
    };
    settings->workload.inherit_network = run->inherit_network;
    settings->workload.log_lines_max = (uint32_t)MIN(run->log_lines, UINT32_MAX);
    settings->workload.limits = (struct instance_limits){
        .memory_bytes_max = run->memory_bytes,
        .wall_time_ms = run->timeout_ms,
        .cpu_time_ms = run->cpu_time_ms,
        .table_elements_max = (uint32_t)MIN(run->table_elements, UINT32_MAX),
        .handles_max = (uint32_t)MIN(run->handles, UINT32_MAX),
        .streams_max = (uint32_t)MIN(run->streams, UINT32_MAX),
        .tasks_max = (uint32_t)MIN(run->tasks, UINT32_MAX),
    };
    settings->workload.reuse = (struct workload_reuse){
        .pool_size = (uint32_t)MIN(run->pool_size, UINT32_MAX),
        .invocations_max = (uint32_t)MIN(run->invocations, UINT32_MAX),
        .concurrency_max = (uint32_t)MIN(run->concurrency, UINT32_MAX),
        .idle_ms = (uint32_t)MIN(run->idle_ms, UINT32_MAX),
        .instances_max = (uint32_t)MIN(run->instances, ENGINE_INSTANCES_DEFAULT),
        .fresh = run->fresh_instances,
        .no_reset = run->no_reset,
    };
    settings->workload.inherit_stdin = true;
    return 0;
}

// A certificate alone would mean plain HTTP to the one, HTTPS to the other.
static int check_tls(const struct run_options *run, struct error *err)
{
    if (!run->tls_cert_path == !run->tls_key_path && (run->tls_cert_path || !run->tls_ca_path))
        return 0;
    return error_set(err, -EINVAL, "`%s` needs %s",
                     run->tls_cert_path  ? "--tls-cert-path"
                     : run->tls_key_path ? "--tls-key-path"
                                         : "--tls-ca-path",
                     run->tls_cert_path ? "`--tls-key-path`" : "`--tls-cert-path`");
}

static pthread_t signal_thread;

static void pass_on(int signum)
{
    (void)pthread_kill(signal_thread, signum);
}

// This thread alone takes the signals, by sigwait(). Threads that are there already (the engine's)
// do not block them: what the kernel gives to one of those is passed on.
static void take_signals(const sigset_t *signals, bool take)
{
    signal_thread = pthread_self();
    if (take)
        pthread_sigmask(SIG_BLOCK, signals, NULL);
    for (int signum = 1; signum < SIGRTMIN; signum++) {
        // At the end there is nothing to read again any more.
        struct sigaction action = {.sa_handler = take               ? pass_on
                                                 : signum == SIGHUP ? SIG_IGN
                                                                    : SIG_DFL,
                                   .sa_flags = SA_RESTART};
        if (sigismember(signals, signum) == 1)
            (void)sigaction(signum, &action, NULL);
    }
    if (!take)
        pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

// Until SIGINT or SIGTERM; SIGHUP reads the TLS files again and opens the access log anew.
static void wait_for_end(struct http_host *host, const sigset_t *signals)
{
    int signum = 0;
    while (sigwait(signals, &signum) == 0 && signum == SIGHUP)
        http_host_reload(host);
}

static int serve(struct engine *engine, const struct run_options *run, struct workload *workload,
                 struct error *err)
{
    int rc = check_tls(run, err);
    if (rc < 0)
        return rc;
    sigset_t signals;
    sigemptyset(&signals);
    // At a terminal SIGHUP says that it was closed.
    if ((run->tls_cert_path || run->access_log) && !isatty(STDERR_FILENO))
        sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    // Before the workers start, which block them then.
    take_signals(&signals, true);
    struct http_host *host;
    struct http_host_options host_options = {
        .address = run->addr ? run->addr : "127.0.0.1:8000",
        .workers = (uint32_t)MIN(run->workers, (uint64_t)HTTP_HOST_WORKERS_MAX),
        .tls = {run->tls_cert_path, run->tls_key_path, run->tls_ca_path},
        .proxy_protocol = run->proxy_protocol,
        .request_ids = run->request_ids,
        .access_log = run->access_log,
        .access_log_format = run->access_log_format,
        .connections_max = (uint32_t)MIN(run->connections, UINT32_MAX),
        .client_connections_max = (uint32_t)MIN(run->client_connections, UINT32_MAX),
    };
    rc = http_host_start(engine, &host_options, workload, &host, err);
    if (rc < 0)
        return rc;
    fprintf(stderr, "serving on %s\n", http_host_url(host));
    wait_for_end(host, &signals);
    // A second signal ends the process at once.
    take_signals(&signals, false);
    http_host_stop(host);
    return 0;
}

static int exit_code(const struct run_end *end, const struct error *err)
{
    if (end->end == TASK_RETURNED || end->end == TASK_EXITED)
        return (int)end->exit_code;
    fprintf(stderr, "wash: the guest %s: %s\n",
            end->end == TASK_TIMED_OUT ? "ran out of time" : "trapped", error_text(err));
    return EXIT_TRAP;
}

static int run_once(struct engine *engine, const struct run_options *run, struct workload *workload,
                    struct error *err)
{
    struct run_end end;
    if (!run->invoke) {
        int rc = run_command(engine, workload, &end, err);
        return rc < 0 ? rc : exit_code(&end, err);
    }
    BUF(result, SIZE_MAX);
    int rc = run_invoke(engine, workload, str_from(run->invoke), &result, &end, err);
    if (rc < 0)
        return rc;
    if (result.len)
        printf("%.*s\n", STR_ARG(buf_str(&result)));
    return exit_code(&end, err);
}

static int run_workload(struct engine *engine, const struct run_options *run,
                        struct workload *workload, struct error *err)
{
    if (run->invoke || workload_kind(workload) == WORKLOAD_COMMAND)
        return run_once(engine, run, workload, err);
    if (workload_kind(workload) == WORKLOAD_HTTP)
        return serve(engine, run, workload, err);
    return error_set(err, -EINVAL,
                     "%s exports neither wasi:http/incoming-handler nor wasi:cli/run; "
                     "`--invoke` calls another export, `wash inspect` lists them",
                     workload_name(workload));
}

static int load(struct engine *engine, const char *path, struct program **out, struct error *err)
{
    if (strcmp(path, "-") != 0)
        return program_load(engine, path, out, err);
    BUF(content, COMPONENT_BYTES_MAX);
    int rc = file_read_fd(STDIN_FILENO, "standard input", &content, err);
    return rc < 0 ? rc : program_new(engine, buf_str(&content), out, err);
}

static int run_with_engine(struct engine *engine, const struct run_options *run,
                           struct settings *settings, struct error *err)
{
    struct program *program;
    int rc = load(engine, settings->workload.name, &program, err);
    if (rc < 0)
        return rc;
    // A request must not hang for ever; a command may be a daemon.
    bool is_http = plan_find_export(program_plan(program), STR("wasi:http/incoming-handler@0.2.0"),
                                    STR("handle"));
    if (is_http && !run->invoke && !run->timeout_ms)
        settings->workload.limits.wall_time_ms = REQUEST_TIMEOUT_MS_DEFAULT;
    settings->workload.inherit_stdin = !is_http;
    struct workload *workload;
    rc = workload_new(engine, program, &settings->workload, &workload, err);
    program_unref(program);
    if (rc < 0)
        return rc;
    rc = run_workload(engine, run, workload, err);
    workload_unref(workload);
    return rc;
}

// A person at a terminal is told why nothing happens; elsewhere the URL is the first line.
static void tell_compiling(size_t bytes)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "compiling %.1f MB of WebAssembly, once\n", (double)bytes / 1e6);
}

static int run_run(const struct global_options *global, void *options_,
                   const struct arguments *args, struct error *err)
{
    const struct run_options *run = options_;
    if (feature_option_help(&run->features))
        return 0;
    if (args->after_dashes != 1) {
        fprintf(stderr,
                "wash: `wash run` takes one FILE; arguments of the guest stand behind `--`\n");
        return EXIT_USAGE;
    }
    struct settings settings = {.arena = ARENA_INIT(SIZE_MAX)};
    struct engine *engine = NULL;
    struct component_features features;
    struct engine_options engine_options = {.compiling = tell_compiling, .features = &features};
    int rc = make_settings(&settings, run, args, err);
    if (rc == 0)
        rc = feature_option_read(&run->features, &features, err);
    if (rc == 0)
        rc = engine_new(&engine_options, &engine, err);
    if (rc == 0)
        rc = run_with_engine(engine, run, &settings, err);
    engine_free(engine);
    arena_done(&settings.arena);
    return rc;
}

const struct command command_run = {
    .name = "run",
    .usage = "[OPTIONS] FILE|- [-- ARGUMENTS]",
    .summary = "Run a component: serve HTTP, run a command, or call an export",
    .help =
        "A component that exports wasi:http/incoming-handler is served until SIGINT or SIGTERM;\n"
        "its address is the first line on stderr. One that exports wasi:cli/run is run with\n"
        "ARGUMENTS and this process's standard streams; its exit code is the command's (134 after\n"
        "a trap).",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .options_size = sizeof(struct run_options),
    .is_guests_stdout = true,
    .run = run_run,
};

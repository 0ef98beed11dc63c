// SPDX-License-Identifier: Apache-2.0
// `wash dev`: builds the project's component, serves it, and builds and swaps it when sources
// change. A build that fails leaves the component in place that served before.
#include <errno.h>
#include <signal.h>

#include "base/log.h"
#include "host/http_host.h"
#include "wash/config_source.h"
#include "wash/feature_option.h"
#include "wash/project.h"
#include "wash/source_watch.h"

#define DEV_TIMEOUT_MS 600000

struct dev_options {
    struct text_list features;
};

static const struct option dev_options[] = {
    {NULL, 'W', OPTION_LIST, "NAME[=y|n]", FEATURE_OPTION_HELP,
     offsetof(struct dev_options, features)},
};

struct dev {
    struct component_features features;
    struct loop *loop;
    struct engine *engine;
    struct project project;
    struct project_build build;
    struct http_host *host;
    struct source_watch *watch;
    struct loop_process process;
    struct loop_signal interrupt, terminate;
    struct workload_settings settings;
    struct arena arena;
    bool building;
    bool loading;
    bool again;  // sources changed meanwhile
    bool served; // some component is in place
    // Of the thread that loads a component.
    struct workload *loaded;
    struct error load_error;
    uint64_t started;
};

static void start_build(struct dev *dev);

static void build_again_if_changed(struct dev *dev)
{
    if (!dev->again)
        return;
    dev->again = false;
    start_build(dev);
}

static void report_failure(struct dev *dev, const struct error *err)
{
    log_error("%s", error_text(err));
    log_info("%s", dev->served ? "the component built before keeps serving"
                               : "waiting for a change of the sources");
}

// On the thread pool: compiling may take seconds.
static void load(void *arg)
{
    struct dev *dev = arg;
    struct program *program;
    dev->loaded = NULL;
    int rc = program_load(dev->engine, dev->build.component_path, &program, &dev->load_error);
    if (rc < 0)
        return;
    rc = workload_new(dev->engine, program, &dev->settings, &dev->loaded, &dev->load_error);
    program_unref(program);
    if (rc == 0 && workload_kind(dev->loaded) != WORKLOAD_HTTP) {
        workload_unref(TAKE(dev->loaded));
        error_set(&dev->load_error, -EINVAL, "%s exports no wasi:http/incoming-handler",
                  dev->build.component_path);
    }
}

static void loaded(void *arg)
{
    struct dev *dev = arg;
    dev->loading = false;
    if (!dev->loaded) {
        report_failure(dev, &dev->load_error);
        error_done(&dev->load_error);
    } else {
        http_host_swap(dev->host, dev->loaded);
        workload_unref(TAKE(dev->loaded));
        log_info("%s after %.1f s",
                 dev->served ? "swapped in the new component" : "component ready",
                 (double)(loop_now(dev->loop) - dev->started) / 1e9);
        if (!dev->served)
            log_info("listening for HTTP requests address=%s", http_host_url(dev->host));
        dev->served = true;
    }
    build_again_if_changed(dev);
}

static void build_ended(struct loop_process *process, int status, int signal)
{
    struct dev *dev = container_of(process, struct dev, process);
    ERROR(err);
    loop_process_done(process);
    dev->building = false;
    if (dev->again && source_watch_differs(dev->watch)) {
        build_again_if_changed(dev);
        return;
    }
    // What the build itself wrote among the sources is no change of them.
    dev->again = false;
    source_watch_mark(dev->watch);
    if (project_build_result(&dev->build, status, signal, &err) < 0) {
        report_failure(dev, &err);
        return;
    }
    dev->loading = true;
    loop_work(dev->loop, load, loaded, dev);
}

static void start_build(struct dev *dev)
{
    ERROR(err);
    const char *argv[] = {"sh", "-c", dev->build.command, NULL};
    source_watch_mark(dev->watch);
    dev->started = loop_now(dev->loop);
    log_info("building component: %s", dev->build.command);
    int rc =
        loop_process_start(&dev->process, dev->loop, argv, (const char *const *)dev->build.environ,
                           dev->project.dir, build_ended, &err);
    if (rc < 0)
        report_failure(dev, &err);
    else
        dev->building = true;
}

static void sources_changed(void *user)
{
    struct dev *dev = user;
    if (dev->building || dev->loading) {
        dev->again = true;
        return;
    }
    log_info("the sources changed");
    start_build(dev);
}

static void interrupted(struct loop_signal *signal, int signum)
{
    loop_stop(signal->loop);
}

// While developing, `*` also means the services of this machine and its networks.
static void make_allowed_hosts(struct workload_settings *settings, const struct strings *hosts)
{
    static const struct str everything[] = {STR_INIT("*"), STR_INIT("0.0.0.0/0"),
                                            STR_INIT("[::]/0")};
    settings->allow_hosts = hosts->items;
    settings->allow_host_count = hosts->len;
    for (size_t i = 0; i < hosts->len; i++) {
        if (!str_is(str_trim(hosts->items[i]), "*"))
            continue;
        settings->allow_hosts = everything;
        settings->allow_host_count = ARRAY_LEN(everything);
    }
}

static void make_dirs(struct dev *dev)
{
    const struct config_dev *block = dev->project.config->dev;
    if (!block)
        return;
    struct workload_dir *dirs =
        arena_new_array(&dev->arena, struct workload_dir, block->volumes.len);
    for (size_t i = 0; i < block->volumes.len; i++) {
        dirs[i].host_path = arena_str(&dev->arena, block->volumes.items[i].host_path).data;
        dirs[i].guest_path = arena_str(&dev->arena, block->volumes.items[i].guest_path).data;
    }
    dev->settings.dirs = dirs;
    dev->settings.dir_count = block->volumes.len;
}

// What wasi:config answers: `config` of its entries in `dev.host_interfaces`, then of the workload;
// the environment comes on top (host/workload.h).
static void make_config(struct dev *dev)
{
    const struct config *config = dev->project.config;
    _cleanup_(value_set_done) struct value_set set = {.arena = &dev->arena};
    for (size_t i = 0; config->dev && i < config->dev->host_interfaces.len; i++) {
        const struct config_interface *entry = &config->dev->host_interfaces.items[i];
        if (str_is(entry->namespace_, "wasi") && str_is(entry->package, "config"))
            value_set_put_map(&set, &entry->config);
    }
    if (config->workload)
        value_set_put_map(&set, &config->workload->config);
    dev->settings.config = set.items;
    dev->settings.config_count = set.len;
}

static int make_environment(struct dev *dev, struct error *err)
{
    const struct config *config = dev->project.config;
    _cleanup_(value_set_done) struct value_set set = {.arena = &dev->arena};
    if (!config->workload)
        return 0;
    int rc = value_set_add_environment(&set, config, dev->project.dir, "workload",
                                       config->workload->environment, err);
    if (rc < 0)
        return error_wrap(err, "failed to resolve workload-level configuration");
    dev->settings.env = set.items;
    dev->settings.env_count = set.len;
    return 0;
}

// What the guest gets, from the `workload` and `dev` blocks.
static int make_settings(struct dev *dev, struct error *err)
{
    const struct config_workload *workload = dev->project.config->workload;
    struct workload_settings *settings = &dev->settings;
    settings->name = "wash-dev-component";
    settings->limits.wall_time_ms = DEV_TIMEOUT_MS;
    settings->args = arena_new(&dev->arena, struct str);
    *(struct str *)settings->args = STR("wash-dev-component");
    settings->arg_count = 1;
    if (workload)
        make_allowed_hosts(settings, &workload->allowed_hosts);
    make_dirs(dev);
    make_config(dev);
    return make_environment(dev, err);
}

// `dev.environment` is wash's own: what sources read from the environment and the build may use it.
static void export_environment(const struct config_dev *block)
{
    for (size_t i = 0; block && i < block->environment.len; i++) {
        _cleanup_(mem_freep) char *name = str_dup(block->environment.items[i].key);
        _cleanup_(mem_freep) char *value = str_dup(block->environment.items[i].value);
        if (setenv(name, value, 1) < 0)
            log_warn("dev.environment: %s cannot be the name of a variable", name);
    }
}

static void tell_compiling(size_t bytes)
{
    log_info("compiling %.1f MB of WebAssembly", (double)bytes / 1e6);
}

// One of certificate and key without the other is plain HTTP; `config validate` calls it a mistake.
static struct https_files tls_files(struct dev *dev)
{
    const struct config_dev *block = dev->project.config->dev;
    struct https_files files = {0};
    if (!block || (!block->tls_cert_path.data && !block->tls_key_path.data))
        return files;
    if (!block->tls_cert_path.data || !block->tls_key_path.data) {
        log_warn("serving plain HTTP: dev.%s is missing",
                 block->tls_cert_path.data ? "tls_key_path" : "tls_cert_path");
        return files;
    }
    files.certificate = arena_str(&dev->arena, block->tls_cert_path).data;
    files.key = arena_str(&dev->arena, block->tls_key_path).data;
    if (block->tls_ca_path.data)
        files.ca = arena_str(&dev->arena, block->tls_ca_path).data;
    return files;
}

static int start(struct dev *dev, struct error *err)
{
    const struct config_dev *block = dev->project.config->dev;
    struct str address =
        block && block->address.data ? block->address : STR(CONFIG_DEV_ADDRESS_DEFAULT);
    _cleanup_(mem_freep) char *text = str_dup(address);
    struct http_host_options options = {.address = text, .tls = tls_files(dev)};
    const char *ignored[] = {dev->build.component_path};
    struct engine_options engine_options = {.compiling = tell_compiling,
                                            .features = &dev->features};
    int rc = engine_new(&engine_options, &dev->engine, err);
    if (rc == 0)
        rc = http_host_start(dev->engine, &options, NULL, &dev->host, err);
    if (rc == 0)
        rc = source_watch_new(dev->loop, dev->project.dir, ignored, ARRAY_LEN(ignored),
                              sources_changed, dev, &dev->watch, err);
    if (rc == 0)
        rc = loop_signal_init(&dev->interrupt, dev->loop, SIGINT, interrupted);
    if (rc == 0)
        rc = loop_signal_init(&dev->terminate, dev->loop, SIGTERM, interrupted);
    return rc;
}

static void stop(struct dev *dev)
{
    if (dev->building) {
        (void)loop_process_kill(&dev->process, SIGTERM);
        loop_process_done(&dev->process);
    }
    while (dev->loading)
        loop_turn(dev->loop, true);
    if (dev->terminate.impl)
        loop_signal_done(&dev->terminate);
    if (dev->interrupt.impl)
        loop_signal_done(&dev->interrupt);
    source_watch_free(dev->watch);
    if (dev->host)
        http_host_stop(dev->host);
    engine_free(dev->engine);
    loop_free(dev->loop);
}

static int run_session(struct dev *dev, struct error *err)
{
    int rc = loop_new(&dev->loop, err);
    if (rc < 0)
        return rc;
    rc = make_settings(dev, err);
    if (rc == 0)
        rc = start(dev, err);
    if (rc == 0) {
        start_build(dev);
        // Between builds it waits for watches and signals, which alone do not keep a loop running.
        loop_hold(dev->loop);
        loop_run(dev->loop);
        loop_release(dev->loop);
        log_info("Stopping development session ...");
    }
    dev->again = false;
    stop(dev);
    return rc;
}

static int run_dev(const struct global_options *global, void *options, const struct arguments *args,
                   struct error *err)
{
    const struct dev_options *o = options;
    if (feature_option_help(&o->features))
        return 0;
    struct dev dev = {.arena = ARENA_INIT(SIZE_MAX)};
    int rc = feature_option_read(&o->features, &dev.features, err);
    if (rc == 0)
        rc = project_open(global, &dev.project, err);
    if (rc == 0)
        export_environment(dev.project.config->dev);
    if (rc == 0)
        log_info("starting development session for project %s", dev.project.dir);
    if (rc == 0)
        rc = project_build(&dev.project, true, &dev.build, err);
    if (rc == 0)
        rc = run_session(&dev, err);
    project_build_done(&dev.build);
    project_done(&dev.project);
    arena_done(&dev.arena);
    if (rc == 0)
        command_report(global, true, STR("Development command executed successfully"), NULL);
    return rc;
}

const struct command command_dev = {
    .name = "dev",
    .usage = "[OPTIONS]",
    .summary = "Build the project's component, serve it, and swap it when its sources change",
    .help = "Everything is set in .wash/config.yaml: `build.command`, `build.component_path`,\n"
            "`dev.address` (default 0.0.0.0:8000), `workload`. A build that fails leaves the\n"
            "component in place that served before.",
    .options = dev_options,
    .option_count = ARRAY_LEN(dev_options),
    .options_size = sizeof(struct dev_options),
    .run = run_dev,
};

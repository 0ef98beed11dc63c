// SPDX-License-Identifier: Apache-2.0
// `wash component new MODULE`: a component of a core module.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "component/componentize.h"
#include "component/core_module.h"
#include "component/wit_binary.h"
#include "data/tree.h"
#include "wash/command.h"
#include "wash/wasi1_adapter.h"

struct component_options {
    struct text_list adapters;
    const char *out;
};

#define FIELD(name) offsetof(struct component_options, name)
static const struct option options[] = {
    {"adapt", 0, OPTION_LIST, "[NAME=]FILE",
     "serves imports of module NAME (default: FILE to its first dot)", FIELD(adapters)},
    {"out", 'o', OPTION_TEXT, "FILE", "where the component goes (default: standard output)",
     FIELD(out)},
};

// "wasi_snapshot_preview1.command.wasm" serves wasi_snapshot_preview1.
static struct str name_of_file(const char *path)
{
    struct str name = str_from(path);
    ssize_t slash = str_rfind_char(name, '/');
    struct str rest;
    (void)str_cut(str_from_index(name, (size_t)(slash + 1)), '.', &name, &rest);
    return name;
}

struct adapters {
    struct componentize_adapter items[COMPONENTIZE_ADAPTERS_MAX];
    struct buf content[COMPONENTIZE_ADAPTERS_MAX]; // of those read from files
    size_t len;
};

static void adapters_done(struct adapters *a)
{
    for (size_t i = 0; i < a->len; i++)
        buf_done(&a->content[i]);
}

static int add_adapter(struct adapters *a, const char *option, struct error *err)
{
    if (a->len == COMPONENTIZE_ADAPTERS_MAX)
        return error_set(err, -E2BIG, "more than %d adapters", COMPONENTIZE_ADAPTERS_MAX);
    struct str name;
    struct str rest;
    const char *path = option;
    if (str_cut(str_from(option), '=', &name, &rest))
        path = rest.data;
    else
        name = name_of_file(option);
    struct buf *content = &a->content[a->len++];
    *content = BUF_INIT(COMPONENTIZE_BYTES_MAX);
    int rc = file_read(path, content, err);
    a->items[a->len - 1] = (struct componentize_adapter){name, buf_str(content)};
    return rc;
}

static bool imports_wasi1(const struct core_module *module)
{
    for (uint32_t i = 0; i < module->import_count; i++)
        if (str_is(module->imports[i].module, WASI1_MODULE))
            return true;
    return false;
}

// A module for WASI 0.1 is served by our own adapter unless the caller brings one.
static int add_wasi1(struct adapters *a, struct str module_bytes, struct error *err)
{
    for (size_t i = 0; i < a->len; i++)
        if (str_is(a->items[i].name, WASI1_MODULE))
            return 0;
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module module;
    int rc = core_module_decode(module_bytes, 0, &arena, &module, err);
    if (rc == 0) {
        const struct core_export *start = core_module_find_export(&module, STR("_start"));
        bool is_command = start && start->kind == CORE_FUNC;
        if ((is_command || imports_wasi1(&module)) && a->len < COMPONENTIZE_ADAPTERS_MAX)
            a->items[a->len++] =
                (struct componentize_adapter){STR(WASI1_MODULE), wasi1_adapter(is_command)};
    }
    arena_done(&arena);
    return rc;
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.data, bytes.len);
        if (written < 0 && errno != EINTR)
            return -errno;
        bytes = str_from_index(bytes, written > 0 ? (size_t)written : 0);
    }
    return 0;
}

static int write_out(const char *path, struct str bytes, struct error *err)
{
    if (!path)
        return write_all(STDOUT_FILENO, bytes);
    _cleanup_(fd_closep) int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
    if (fd < 0)
        return error_set_errno(err, -errno, "writing %s", path);
    int rc = write_all(fd, bytes);
    return rc < 0 ? error_set_errno(err, rc, "writing %s", path) : 0;
}

static int make_component(const char *path, const struct component_options *o, struct buf *out,
                          struct error *err)
{
    _cleanup_(adapters_done) struct adapters adapters = {.len = 0};
    for (size_t i = 0; i < o->adapters.len; i++) {
        int rc = add_adapter(&adapters, o->adapters.items[i], err);
        if (rc < 0)
            return error_wrap(err, "adapter");
    }
    BUF(module, COMPONENTIZE_BYTES_MAX);
    int rc = file_read(path, &module, err);
    if (rc < 0)
        return rc;
    if (wit_binary_kind(buf_str(&module)) > WIT_BINARY_MODULE)
        return error_set(err, -EINVAL, "%s: this is a component already", path);
    rc = add_wasi1(&adapters, buf_str(&module), err);
    if (rc == 0)
        rc = componentize(buf_str(&module), adapters.items, adapters.len, out, err);
    return rc < 0 ? error_wrap(err, "%s", path) : 0;
}

static int run_component(const struct global_options *global, void *options_out,
                         const struct arguments *args, struct error *err)
{
    const struct component_options *o = options_out;
    if (args->len != 2 || strcmp(args->items[0], "new") != 0) {
        fprintf(stderr, "wash: `wash component` takes `new` and one MODULE\n");
        return EXIT_USAGE;
    }
    BUF(component, COMPONENTIZE_BYTES_MAX);
    int rc = make_component(args->items[1], o, &component, err);
    if (rc == 0)
        rc = write_out(o->out, buf_str(&component), err);
    if (rc < 0 || !o->out)
        return rc;
    struct tree *data = tree_map();
    tree_put(data, STR("path"), tree_string(str_from(o->out)));
    _cleanup_(mem_freep) char *message = mem_printf("Component written to %s", o->out);
    command_report(global, true, str_from(message), data);
    return 0;
}

const struct command command_component = {
    .name = "component",
    .usage = "new [OPTIONS] MODULE",
    .summary = "Make a component of a core module",
    .help = "MODULE is a core module that embeds its WIT, or one for WASI 0.1: what it imports of\n"
            "wasi_snapshot_preview1 is served by an adapter that wash brings along, and _start\n"
            "becomes wasi:cli/run. --adapt takes another adapter, or those of other modules.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .options_size = sizeof(struct component_options),
    .run = run_component,
};

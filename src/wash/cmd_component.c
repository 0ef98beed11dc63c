// SPDX-License-Identifier: Apache-2.0
// `wash component new MODULE`: a component of a core module.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "component/componentize.h"
#include "data/tree.h"
#include "wash/command.h"

struct component_options {
    struct text_list adapters;
    const char *out;
};

#define FIELD(name) offsetof(struct component_options, name)
static const struct option options[] = {
    {"adapt", 0, OPTION_LIST, "[NAME=]FILE",
     "core module that serves imports of module NAME (default: the file's name up to its first "
     "dot)",
     FIELD(adapters)},
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
    struct buf content[COMPONENTIZE_ADAPTERS_MAX];
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
    .help =
        "MODULE is a core module that embeds its WIT. What it imports of WASI 0.1 is served by\n"
        "--adapt wasi_snapshot_preview1.command.wasm (programs with a main function) or\n"
        "--adapt wasi_snapshot_preview1.reactor.wasm (libraries).\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .options_size = sizeof(struct component_options),
    .run = run_component,
};

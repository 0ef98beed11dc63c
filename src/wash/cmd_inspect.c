// SPDX-License-Identifier: Apache-2.0
// `wash inspect FILE`: the component's world as WIT.
#include <errno.h>
#include <sys/stat.h>

#include "component/component.h"
#include "component/plan.h"
#include "data/tree.h"
#include "base/file.h"
#include "wash/command.h"
#include "wit/wit.h"

#define WIT_TEXT_BYTES_MAX ((size_t)64 * 1024 * 1024)

static int check_path(const char *path, struct error *err)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return error_set(err, -ENOENT, "Path '%s' does not exist locally", path);
    if (S_ISDIR(info.st_mode))
        return error_set(err, -EISDIR, "Directory '%s' specified. Please provide a file path.",
                         path);
    return 0;
}

static int print_wit(struct str bytes, struct buf *text, struct error *err)
{
    struct component *component;
    struct arena arena = ARENA_INIT(SIZE_MAX);
    int rc = component_decode(bytes, &component, err);
    if (rc < 0)
        return rc;
    const struct wit_world *world;
    rc = component_world(component, &arena, &world, err);
    if (rc == 0)
        wit_print_component_world(world, text);
    arena_done(&arena);
    component_free(component);
    return rc;
}

static int run_inspect(const struct global_options *global, void *options,
                       const struct arguments *args, struct error *err)
{
    if (args->len != 1) {
        fprintf(stderr, "wash: `wash inspect` takes one FILE\n");
        return EXIT_USAGE;
    }
    const char *path = args->items[0];
    BUF(content, COMPONENT_BYTES_MAX);
    BUF(text, WIT_TEXT_BYTES_MAX);
    int rc = check_path(path, err);
    if (rc == 0)
        rc = file_read(path, &content, err);
    if (rc == 0)
        rc = print_wit(buf_str(&content), &text, err);
    if (rc < 0)
        return error_wrap(err, "%s", path);
    // The text ends with a line end of its own.
    while (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    struct tree *data = tree_map();
    tree_put(data, STR("message"), tree_string(STR("Component inspected successfully.")));
    tree_put(data, STR("success"), tree_bool(true));
    tree_put(data, STR("wit"), tree_string(buf_str(&text)));
    command_report(global, true, buf_str(&text), data);
    return 0;
}

const struct command command_inspect = {
    .name = "inspect",
    .usage = "FILE",
    .summary = "Print a component's imports and exports as WIT",
    .run = run_inspect,
};

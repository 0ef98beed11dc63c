// SPDX-License-Identifier: Apache-2.0
// `wash inspect FILE`: the component's world as WIT.
#include <errno.h>
#include <sys/stat.h>

#include "component/component.h"
#include "component/plan.h"
#include "component/wit_binary.h"
#include "data/tree.h"
#include "base/file.h"
#include "component/validate.h"
#include "wash/command.h"
#include "wash/feature_option.h"
#include "wit/wit.h"

#define WIT_TEXT_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct inspect_options {
    struct text_list features;
    bool all_features;
    bool validate;
    struct text_list switches;
};

#define FIELD(name) offsetof(struct inspect_options, name)
static const struct option options[] = {
    {"features", 0, OPTION_LIST, "NAME", "show what is @unstable(feature = NAME) in WIT text",
     FIELD(features)},
    {"all-features", 0, OPTION_FLAG, NULL, "show all that is @unstable", FIELD(all_features)},
    {"validate", 0, OPTION_FLAG, NULL,
     "check each FILE, a component, and print a line for each;\n"
     "exit code 1 when one is invalid",
     FIELD(validate)},
    {NULL, 'W', OPTION_LIST, "NAME[=y|n]", FEATURE_OPTION_HELP, FIELD(switches)},
};

static void enable_features(struct wit_resolve *resolve, const struct inspect_options *o)
{
    if (o->all_features)
        wit_resolve_enable_feature(resolve, NULL);
    for (size_t i = 0; i < o->features.len; i++) {
        struct str rest = str_from(o->features.items[i]);
        for (bool more = true; more;) {
            struct str name;
            more = str_cut(rest, ',', &name, &rest);
            _cleanup_(mem_freep) char *feature = str_dup(str_trim(name));
            wit_resolve_enable_feature(resolve, feature);
        }
    }
}

// A file or folder of WIT text.
static int print_text(const char *path, const struct inspect_options *o, struct buf *text,
                      struct error *err)
{
    struct wit_resolve *resolve = wit_resolve_new();
    enable_features(resolve, o);
    int rc = wit_resolve_add_path(resolve, path, err);
    if (rc == 0)
        rc = wit_resolve_finish(resolve, err);
    if (rc == 0)
        wit_print_resolve(resolve, text);
    wit_resolve_free(resolve);
    return rc;
}

static int print_component(struct str bytes, struct arena *arena, struct buf *text,
                           struct error *err)
{
    struct component *component;
    int rc = component_decode(bytes, &component, err);
    if (rc < 0)
        return rc;
    const struct wit_world *world;
    rc = component_world(component, arena, &world, err);
    if (rc == 0)
        wit_print_component_world(world, text);
    component_free(component);
    return rc;
}

static int print_binary(struct str bytes, struct buf *text, struct error *err)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    enum wit_binary_kind kind = wit_binary_kind(bytes);
    int rc;
    if (kind == WIT_BINARY_MODULE)
        rc = wit_module_decode(bytes, &arena, &wit, NULL, err);
    else if (kind == WIT_BINARY_PACKAGE)
        rc = wit_binary_decode(bytes, &arena, &wit, err);
    else
        rc = print_component(bytes, &arena, text, err);
    if (rc == 0 && (kind == WIT_BINARY_MODULE || kind == WIT_BINARY_PACKAGE))
        wit_print_packages(wit.package, wit.others, wit.other_count, text);
    arena_done(&arena);
    return rc;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int print_path(const char *path, const struct inspect_options *o, struct buf *text,
                      struct error *err)
{
    static const char magic[] = {'\0', 'a', 's', 'm'};
    if (access(path, F_OK) < 0)
        return error_set(err, -ENOENT, "Path '%s' does not exist locally", path);
    if (is_folder(path))
        return print_text(path, o, text, err);
    BUF(content, COMPONENT_BYTES_MAX);
    int rc = file_read(path, &content, err);
    if (rc < 0)
        return rc;
    if (!str_starts(buf_str(&content), str_of(magic, sizeof(magic))) && content.len > 0)
        return print_text(path, o, text, err);
    return print_binary(buf_str(&content), text, err);
}

static int validate_file(const char *path, const struct component_features *features,
                         struct error *err)
{
    BUF(content, COMPONENT_BYTES_MAX);
    int rc = file_read(path, &content, err);
    if (rc < 0)
        return rc;
    struct component *component;
    rc = component_decode(buf_str(&content), &component, err);
    if (rc < 0)
        return rc;
    rc = component_validate(component, features, err);
    component_free(component);
    return rc;
}

static int validate_files(const struct inspect_options *o, const struct arguments *args,
                          struct error *err)
{
    struct component_features features;
    int rc = feature_option_read(&o->switches, &features, err);
    if (rc < 0)
        return rc;
    bool valid = true;
    for (size_t i = 0; i < args->len; i++) {
        ERROR(why);
        bool ok = validate_file(args->items[i], &features, &why) == 0;
        if (ok)
            printf("%s: ok\n", args->items[i]);
        else
            printf("%s: error: %s\n", args->items[i], error_text(&why));
        valid &= ok;
    }
    return valid ? 0 : 1;
}

static int run_inspect(const struct global_options *global, void *options_out,
                       const struct arguments *args, struct error *err)
{
    const struct inspect_options *o = options_out;
    if (feature_option_help(&o->switches))
        return 0;
    if (o->validate && args->len > 0)
        return validate_files(o, args, err);
    if (args->len != 1) {
        fprintf(stderr, "wash: `wash inspect` takes one FILE\n");
        return EXIT_USAGE;
    }
    const char *path = args->items[0];
    BUF(text, WIT_TEXT_BYTES_MAX);
    int rc = print_path(path, o, &text, err);
    if (rc < 0)
        return error_wrap(err, "%s", path);
    // What prints the message ends it with a line end of its own.
    if (text.len > 0 && text.data[text.len - 1] == '\n')
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
    .usage = "[OPTIONS] FILE...",
    .summary = "Print imports and exports, or a WIT package, as WIT",
    .help = "FILE is a component, a WIT package in binary form, a core module with embedded WIT,\n"
            "a file of WIT text, or a folder of such files with the packages they use in deps/.\n"
            "Several are taken with --validate only.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .options_size = sizeof(struct inspect_options),
    .run = run_inspect,
};

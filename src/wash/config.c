// SPDX-License-Identifier: Apache-2.0
#include "wash/config.h"

#include <errno.h>

#include "base/file.h"
#include "data/json.h"
#include "data/toml.h"
#include "data/yaml.h"
#include "wash/config_impl.h"

// ---- files -------------------------------------------------------------------------------------

static const struct {
    const char *extension;
    int (*parse)(struct str text, const char *file, struct tree **out, struct tree_source *source,
                 struct error *err);
} formats[] = {
    {"yaml", yaml_parse},
    {"yml", yaml_parse},
    {"json", json_parse},
    {"toml", toml_parse},
};

char *config_find_file(const char *dir)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        _cleanup_(mem_freep) char *path = mem_printf("%s/config.%s", dir, formats[i].extension);
        if (access(path, F_OK) == 0)
            return TAKE(path);
    }
    return NULL;
}

char *config_find_project(const char *dir)
{
    struct str at = str_from(dir);
    for (int i = 0; i < CONFIG_PROJECT_DEPTH_MAX && at.len > 0; i++) {
        _cleanup_(mem_freep) char *folder = mem_printf("%.*s/.wash", STR_ARG(at));
        _cleanup_(mem_freep) char *file = config_find_file(folder);
        if (file)
            return str_dup(at);
        ssize_t slash = str_rfind_char(at, '/');
        at = str_sub(at, 0, slash < 0 ? 0 : (size_t)slash);
    }
    return mem_strdup(dir);
}

char *config_user_dir(void)
{
    const char *xdg = getenv("XDG_CONFIG_HOME");
    if (xdg && xdg[0] == '/')
        return mem_printf("%s/wash", xdg);
    const char *home = getenv("HOME");
    return home && home[0] ? mem_printf("%s/.config/wash", home) : NULL;
}

static int parse_file(const char *path, struct tree_source *source, struct tree **out,
                      struct error *err)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name || !dot[1])
        return error_set(err, -EINVAL,
                         "config file has no extension: %s; use .yaml, .yml, .json or .toml", path);
    size_t format = 0;
    while (format < ARRAY_LEN(formats) && strcmp(dot + 1, formats[format].extension) != 0)
        format++;
    if (format == ARRAY_LEN(formats))
        return error_set(err, -EINVAL,
                         "unsupported config file extension: %s; use .yaml, .yml, .json or .toml",
                         dot + 1);
    BUF(text, CONFIG_FILE_BYTES_MAX);
    int rc = file_read(path, &text, err);
    return rc < 0 ? rc : formats[format].parse(buf_str(&text), path, out, source, err);
}

// ---- layers ------------------------------------------------------------------------------------

struct loader {
    const struct config_options *options;
    struct config *config;
    struct tree_source *source;
    struct tree *merged;
};

static int add_file(struct loader *loader, const char *path, struct error *err)
{
    // Places point at the name, so it lives as long as they do.
    struct str kept = arena_str(&loader->config->arena, str_from(path));
    _tree_ tree = NULL;
    int rc = parse_file(kept.data, loader->source, &tree, err);
    if (rc < 0)
        return rc;
    if (tree_kind(tree) == TREE_MAP)
        tree_merge(loader->merged, tree);
    else if (tree_kind(tree) != TREE_NULL)
        return error_set(err, -EINVAL, "%s: expected a map of keys, found %s", path,
                         tree_kind_name(tree_kind(tree)));
    return 0;
}

static int add_folder(struct loader *loader, const char *dir, struct error *err)
{
    _cleanup_(mem_freep) char *path = config_find_file(dir);
    return path ? add_file(loader, path, err) : 0;
}

static int add_layers(struct loader *loader, struct error *err)
{
    const struct config_options *options = loader->options;
    int rc = 0;
    if (options->user_file)
        rc = add_file(loader, options->user_file, err);
    else if (options->user_dir)
        rc = add_folder(loader, options->user_dir, err);
    if (rc == 0 && options->project_dir) {
        _cleanup_(mem_freep) char *dir = mem_printf("%s/.wash", options->project_dir);
        rc = add_folder(loader, dir, err);
    }
    if (rc < 0)
        return rc;
    _tree_ env = config_env_layer(options, &loader->config->arena, loader->source);
    tree_merge(loader->merged, env);
    if (options->overrides)
        tree_merge(loader->merged, options->overrides);
    return 0;
}

static void set_defaults(struct config *config)
{
    struct config_workload *workload = config->workload;
    if (!workload || workload->allowed_hosts.is_set)
        return;
    workload->allowed_hosts.items = arena_new(&config->arena, struct str);
    workload->allowed_hosts.items[0] = STR("*");
    workload->allowed_hosts.len = 1;
    workload->allowed_hosts.is_set = true;
}

static int fill(struct loader *loader, struct error *err)
{
    struct config *config = loader->config;
    struct record_reader reader = {
        .arena = &config->arena,
        .source = loader->source,
        .warn = loader->options->warn,
        .user = loader->options->user,
    };
    int rc = record_read(&reader, &config_record, loader->merged, config, err);
    if (rc < 0)
        return rc;
    set_defaults(config);
    return config_check(config, &reader, err);
}

static int load(const char *path, const struct config_options *options, struct config **out,
                struct error *err)
{
    _cleanup_(config_freep) struct config *config = mem_new(struct config);
    _cleanup_(tree_source_freep) struct tree_source *source = tree_source_new();
    _tree_ merged = tree_map();
    config->arena = ARENA_INIT(0);
    struct loader loader = {options, config, source, merged};
    if (options->version)
        tree_put(merged, STR("version"), tree_string(str_from(options->version)));
    int rc = path ? add_file(&loader, path, err) : add_layers(&loader, err);
    if (rc == 0)
        rc = fill(&loader, err);
    if (rc < 0)
        return rc;
    *out = TAKE(config);
    return 0;
}

int config_load(const struct config_options *options, struct config **out, struct error *err)
{
    int rc = load(NULL, options, out, err);
    if (rc < 0)
        error_wrap(err, "failed to load wash configuration");
    return rc;
}

int config_load_file(const char *path, const struct config_options *options, struct config **out,
                     struct error *err)
{
    int rc = load(path, options, out, err);
    if (rc < 0)
        error_wrap(err, "failed to parse config from %s", path);
    return rc;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    arena_done(&config->arena);
    free(config);
}

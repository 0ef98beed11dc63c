// SPDX-License-Identifier: Apache-2.0
#include "wash/config_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"

extern char **environ;

// ---- sources ------------------------------------------------------------------------------------

// One source while it is read.
struct source {
    const char *kind; // "config", "secret"
    struct str name;
    const struct config_source *values;
    bool is_secret;
    const char *project_dir;
};

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == 0);
}

static char *expand(struct str path, const char *project_dir)
{
    const char *home = getenv("HOME");
    if (home && (str_is(path, "~") || str_starts(path, STR("~/"))))
        return mem_printf("%s%.*s", home, STR_ARG(str_from_index(path, 1)));
    if (path.len && path.data[0] == '/')
        return str_dup(path);
    return mem_printf("%s/%.*s", project_dir, STR_ARG(path));
}

// The canonical path; one that was given relative to the project must lie in it.
static int resolve(const struct source *source, const char *key, struct str path, char **out,
                   struct error *err)
{
    _cleanup_(mem_freep) char *full = expand(path, source->project_dir);
    _cleanup_(mem_freep) char *real = realpath(full, NULL);
    if (!real)
        return error_set_errno(err, -errno, "could not resolve `%s:` path: %s", key, full);
    bool is_relative = path.len && path.data[0] != '/' && path.data[0] != '~';
    _cleanup_(mem_freep) char *root = realpath(source->project_dir, NULL);
    if (is_relative && (!root || !is_below(real, root))) {
        error_set(err, -EPERM,
                  "relative `%s:` path resolves outside the project directory: %.*s -> %s", key,
                  STR_ARG(path), real);
        return error_wrap(err, "%s source '%.*s' has an unsafe `%s:` path", source->kind,
                          STR_ARG(source->name), key);
    }
    *out = TAKE(real);
    return 0;
}

// Without git, or outside a repository, nothing says that the file is ignored.
static bool is_ignored_by_git(const char *dir, const char *path)
{
    char *argv[] = {(char[]){"git"},
                    (char[]){"-C"},
                    mem_strdup(dir),
                    (char[]){"check-ignore"},
                    (char[]){"--quiet"},
                    mem_strdup(path),
                    NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, "git", &actions, NULL, argv, environ) == 0) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    posix_spawn_file_actions_destroy(&actions);
    free(argv[2]);
    free(argv[5]);
    return status == 0;
}

static int check_secret(const struct source *source, int fd, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set_errno(err, -errno, "inspect %s", path);
    unsigned mode = st.st_mode & 0777;
    if (mode != 0600 && mode != 0400) {
        error_set(err, -EACCES, "secret file %s has mode %o; require 0600 or 0400", path, mode);
        return error_wrap(err, "secret source '%.*s' file permissions are too permissive",
                          STR_ARG(source->name));
    }
    _cleanup_(mem_freep) char *root = realpath(source->project_dir, NULL);
    if (root && is_below(path, root) && !is_ignored_by_git(root, path))
        log_warn("secret file %s is inside the project and not ignored by git", path);
    return 0;
}

static int add_file(struct value_set *set, const struct source *source, struct error *err)
{
    _cleanup_(mem_freep) char *path = NULL;
    int rc = resolve(source, "file", source->values->file, &path, err);
    if (rc < 0)
        return rc;
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, -errno, "could not open `file:` for %s source '%.*s'",
                               source->kind, STR_ARG(source->name));
    if (source->is_secret)
        rc = check_secret(source, fd, path, err);
    if (rc < 0)
        return rc;
    rc = value_set_read_fd(set, fd, path, err);
    if (rc < 0)
        error_wrap(err, "failed to parse `file:` for %s source '%.*s'", source->kind,
                   STR_ARG(source->name));
    return rc;
}

// A value is the file's content as it is. Links may lead to other files of the folder, as they do
// where a volume is swapped as a whole.
static int add_dir_entry(struct value_set *set, const char *dir, const char *name,
                         struct error *err)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, name);
    _cleanup_(mem_freep) char *real = realpath(path, NULL);
    struct stat st;
    if (!real || stat(real, &st) < 0)
        return error_set_errno(err, -errno, "could not resolve %s", path);
    if (!S_ISREG(st.st_mode))
        return 0;
    if (!is_below(real, dir))
        return error_set(err, -EPERM, "%s leads outside of its folder: %s", path, real);
    BUF(content, VALUE_FILE_BYTES_MAX);
    int rc = file_read(real, &content, err);
    if (rc == 0)
        value_set_put(set, arena_str(set->arena, str_from(name)),
                      arena_str(set->arena, buf_str(&content)));
    if (content.data)
        mem_wipe(content.data, content.len);
    return rc;
}

static int add_dir(struct value_set *set, const struct source *source, struct error *err)
{
    _cleanup_(mem_freep) char *path = NULL;
    int rc = resolve(source, "dir", source->values->dir, &path, err);
    if (rc < 0)
        return rc;
    DIR *dir = opendir(path);
    if (!dir)
        return error_set_errno(err, -errno, "could not open `dir:` for %s source '%.*s'",
                               source->kind, STR_ARG(source->name));
    unsigned count = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        if (++count > CONFIG_SOURCE_DIR_FILES_MAX)
            rc = error_set(err, -E2BIG, "%s has more than %u files", path,
                           CONFIG_SOURCE_DIR_FILES_MAX);
        else
            rc = add_dir_entry(set, path, entry->d_name, err);
    }
    closedir(dir);
    if (rc < 0)
        error_wrap(err, "failed to read `dir:` for %s source '%.*s'", source->kind,
                   STR_ARG(source->name));
    return rc;
}

static int add_variables(struct value_set *set, const struct source *source, struct error *err)
{
    const struct strings *names = &source->values->from_env;
    for (size_t i = 0; i < names->len; i++) {
        _cleanup_(mem_freep) char *name = str_dup(names->items[i]);
        const char *value = getenv(name);
        if (!value)
            return error_set(err, -ENOENT,
                             "%s source '%.*s' references environment variable '%s' which is not "
                             "set",
                             source->kind, STR_ARG(source->name), name);
        value_set_put(set, names->items[i], arena_str(set->arena, str_from(value)));
    }
    return 0;
}

static int add_source(struct value_set *set, const struct source *source, struct error *err)
{
    value_set_put_map(set, &source->values->inline_);
    int rc = source->values->file.data ? add_file(set, source, err) : 0;
    if (rc == 0 && source->values->dir.data)
        rc = add_dir(set, source, err);
    if (rc == 0)
        rc = add_variables(set, source, err);
    return rc;
}

static const struct config_source *find_source(const config_sources *sources, struct str name)
{
    for (size_t i = 0; i < sources->len; i++)
        if (str_eq(sources->names[i], name))
            return &sources->items[i];
    return NULL;
}

static int add_sources(struct value_set *set, const struct strings *names,
                       const config_sources *sources, struct source source, const char *owner,
                       struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < names->len && rc == 0; i++) {
        source.name = names->items[i];
        source.values = find_source(sources, source.name);
        if (source.values)
            rc = add_source(set, &source, err);
        else
            rc = error_set(err, -ENOENT,
                           "%s references %s '%.*s' which is not defined in the top-level `%ss:` "
                           "block",
                           owner, source.kind, STR_ARG(source.name), source.kind);
    }
    if (rc < 0)
        error_wrap(err, "failed to resolve %s environment.%sFrom", owner, source.kind);
    return rc;
}

int value_set_add_environment(struct value_set *set, const struct config *config,
                              const char *project_dir, const char *owner,
                              const struct config_environment *environment, struct error *err)
{
    if (!environment)
        return 0;
    struct source plain = {.kind = "config", .project_dir = project_dir};
    struct source secret = {.kind = "secret", .is_secret = true, .project_dir = project_dir};
    value_set_put_map(set, &environment->config);
    int rc = add_sources(set, &environment->config_from, &config->configs, plain, owner, err);
    if (rc == 0)
        rc = add_sources(set, &environment->secret_from, &config->secrets, secret, owner, err);
    return rc;
}

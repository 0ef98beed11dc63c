// SPDX-License-Identifier: Apache-2.0
#include "wash/project.h"

#include <errno.h>
#include <limits.h>

#include "base/log.h"
#include "wash/version.h"

extern char **environ;

static void warn(void *user, const char *message)
{
    log_warn("%s", message);
}

static int enter_dir(const struct global_options *global, struct project *project,
                     struct error *err)
{
    _cleanup_(mem_freep) char *cwd =
        realpath(global->project_dir ? global->project_dir : ".", NULL);
    if (!cwd)
        return error_set_errno(err, -errno, "enter the project folder %s", global->project_dir);
    project->dir = global->project_dir ? TAKE(cwd) : config_find_project(cwd);
    if (chdir(project->dir) < 0)
        return error_set_errno(err, -errno, "enter the project folder %s", project->dir);
    return 0;
}

int project_open(const struct global_options *global, struct project *out, struct error *err)
{
    struct project project = {0};
    _cleanup_(mem_freep) char *user_dir = config_user_dir();
    // Before the working directory changes.
    _cleanup_(mem_freep) char *user_file =
        global->user_config ? realpath(global->user_config, NULL) : NULL;
    if (global->user_config && !user_file)
        return error_set_errno(err, -errno, "open the configuration %s", global->user_config);
    int rc = enter_dir(global, &project, err);
    if (rc == 0) {
        struct config_options options = {
            .version = WASH_VERSION,
            .project_dir = project.dir,
            .user_dir = user_dir,
            .user_file = user_file,
            .environ = (const char *const *)environ,
            .warn = warn,
        };
        rc = config_load(&options, &project.config, err);
    }
    if (rc < 0) {
        project_done(&project);
        return rc;
    }
    *out = project;
    return 0;
}

void project_done(struct project *project)
{
    config_free(project->config);
    free(project->dir);
}

// The environment of this process, then build.env, then WASH_COMPONENT_PATH: later ones win.
static char **make_environ(const struct config_build *build, struct str component_path)
{
    size_t inherited = 0, count = 0;
    while (environ[inherited])
        inherited++;
    size_t extra = build ? build->env.len : 0;
    char **list = mem_new_array(char *, inherited + extra + 2);
    for (size_t i = 0; i < inherited; i++)
        list[count++] = mem_strdup(environ[i]);
    for (size_t i = 0; i <= extra; i++) {
        char *entry = i < extra ? mem_printf("%.*s=%.*s", STR_ARG(build->env.items[i].key),
                                             STR_ARG(build->env.items[i].value))
                                : mem_printf("WASH_COMPONENT_PATH=%.*s", STR_ARG(component_path));
        size_t name_len = (size_t)(strchr(entry, '=') - entry) + 1;
        size_t at = 0;
        while (at < count && strncmp(list[at], entry, name_len) != 0)
            at++;
        if (at < count)
            free(list[at]);
        else
            count++;
        list[at] = entry;
    }
    list[count] = NULL;
    return list;
}

static char *absolute_path(const struct project *project, struct str path)
{
    return path.data[0] == '/' ? str_dup(path) : mem_printf("%s/%.*s", project->dir, STR_ARG(path));
}

int project_build(const struct project *project, bool for_dev, struct project_build *out,
                  struct error *err)
{
    const struct config_build *build = project->config->build;
    const struct config_dev *dev = for_dev ? project->config->dev : NULL;
    struct str command = dev && dev->command.data ? dev->command
                         : build                  ? build->command
                                                  : (struct str){NULL, 0};
    struct str path = dev && dev->component_path.data ? dev->component_path
                      : build                         ? build->component_path
                                                      : (struct str){NULL, 0};
    if (!command.data)
        return error_set(err, -EINVAL,
                         "build.command is required in wash config (%s/.wash/config.yaml)",
                         project->dir);
    const char *folder = strrchr(project->dir, '/');
    out->command = str_dup(command);
    out->environ = make_environ(build, path.data ? path : STR_EMPTY);
    out->component_path = path.data ? absolute_path(project, path)
                                    : mem_printf("%s/%s.wasm", project->dir,
                                                 folder && folder[1] ? folder + 1 : "component");
    return 0;
}

void project_build_done(struct project_build *build)
{
    free(build->command);
    free(build->component_path);
    for (char **entry = build->environ; entry && *entry; entry++)
        free(*entry);
    free(build->environ);
}

int project_build_result(const struct project_build *build, int status, int signal,
                         struct error *err)
{
    if (signal)
        return error_set(err, -EINTR, "build command '%s' was ended by signal %d", build->command,
                         signal);
    if (status)
        return error_set(err, -EIO, "build command '%s' failed (exit code %d)", build->command,
                         status);
    if (access(build->component_path, R_OK) < 0)
        return error_set(err, -ENOENT,
                         "build command completed successfully but component not found at expected "
                         "path: %s",
                         build->component_path);
    return 0;
}

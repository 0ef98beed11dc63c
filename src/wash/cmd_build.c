// SPDX-License-Identifier: Apache-2.0
// `wash build`: runs the project's build command.
#include "data/tree.h"
#include "loop/loop.h"
#include "wash/project.h"

struct build_options {
    bool skip_fetch;
};

static const struct option options[] = {
    {"skip-fetch", 0, OPTION_FLAG, NULL, "do not fetch WIT dependencies first",
     offsetof(struct build_options, skip_fetch)},
};

struct building {
    struct loop_process process;
    int status;
    int signal;
};

static void ended(struct loop_process *process, int status, int signal)
{
    struct building *building = container_of(process, struct building, process);
    building->status = status;
    building->signal = signal;
    loop_stop(process->loop);
}

static int build(const struct project *project, const struct project_build *build,
                 struct error *err)
{
    struct loop *loop;
    struct building building = {0};
    const char *argv[] = {"sh", "-c", build->command, NULL};
    int rc = loop_new(&loop, err);
    if (rc < 0)
        return rc;
    rc = loop_process_start(&building.process, loop, argv, (const char *const *)build->environ,
                            project->dir, ended, err);
    if (rc == 0) {
        loop_run(loop);
        loop_process_done(&building.process);
        rc = project_build_result(build, building.status, building.signal, err);
    }
    loop_free(loop);
    return rc;
}

static int run_build(const struct global_options *global, void *opaque,
                     const struct arguments *args, struct error *err)
{
    _cleanup_(project_done) struct project project = {0};
    _cleanup_(project_build_done) struct project_build how = {0};
    int rc = project_open(global, &project, err);
    if (rc == 0)
        rc = project_build(&project, false, &how, err);
    if (rc == 0)
        rc = build(&project, &how, err);
    if (rc < 0)
        return rc;
    _cleanup_(mem_freep) char *message =
        mem_printf("Successfully built component at: %s", how.component_path);
    struct tree *data = tree_map();
    tree_put(data, STR("component_path"), tree_string(str_from(how.component_path)));
    tree_put(data, STR("project_path"), tree_string(str_from(project.dir)));
    command_report(global, true, str_from(message), data);
    return 0;
}

const struct command command_build = {
    .name = "build",
    .usage = "[OPTIONS]",
    .summary = "Build the component of the project with its build command",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .options_size = sizeof(struct build_options),
    .run = run_build,
};

// SPDX-License-Identifier: Apache-2.0
// The project that a command works in: its folder, its configuration, and how it is built.
#pragma once

#include "wash/command.h"
#include "wash/config.h"

struct project {
    char *dir; // absolute
    struct config *config;
};

// Finds the folder (-C, or upwards from the working directory), makes it the working directory and
// loads the configuration. Warnings are logged.
_must_use_ int project_open(const struct global_options *global, struct project *out,
                            struct error *err);
void project_done(struct project *project);

// What builds the component; `for_dev` prefers the `dev` block's settings.
struct project_build {
    char *command;        // for `sh -c`
    char *component_path; // absolute
    char **environ;       // "NAME=value", NULL-terminated
};
// -EINVAL without a command.
_must_use_ int project_build(const struct project *project, bool for_dev, struct project_build *out,
                             struct error *err);
void project_build_done(struct project_build *build);

// How a build command ended, in words: 0 when it succeeded and left the component.
_must_use_ int project_build_result(const struct project_build *build, int status, int signal,
                                    struct error *err);

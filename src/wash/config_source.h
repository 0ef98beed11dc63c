// SPDX-License-Identifier: Apache-2.0
// Values that a configuration names by where they are: `configs` and `secrets` of the project.
#pragma once

#include "wash/config.h"
#include "wash/value_set.h"

#define CONFIG_SOURCE_DIR_FILES_MAX 4096u // of one `dir`

// Adds an environment: its own `config`, then the sources named by `configFrom`, then those of
// `secretFrom`. `owner` is named in messages. NULL environment adds nothing.
_must_use_ int value_set_add_environment(struct value_set *set, const struct config *config,
                                         const char *project_dir, const char *owner,
                                         const struct config_environment *environment,
                                         struct error *err);

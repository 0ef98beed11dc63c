// SPDX-License-Identifier: Apache-2.0
// Shared by the files of the configuration.
#pragma once

#include "wash/config.h"

extern const struct record config_record;

// The value of a WASH_* variable: bool, integer, float, "string", 'c', [list], {key=value}, nothing
// (null), else the text as it is.
struct tree *config_env_value(struct str text);

// The layer of the environment. Variables that name no block of the configuration are left to
// others; one that names a block without being a map is told to `warn` and ignored.
struct tree *config_env_layer(const struct config_options *options, struct arena *arena,
                              struct tree_source *source);

// Allowed hosts, component sources, versions: what makes loading fail beyond types.
_must_use_ int config_check(const struct config *config, const struct record_reader *reader,
                            struct error *err);

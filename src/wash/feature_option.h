// SPDX-License-Identifier: Apache-2.0
// `-W NAME[=y|n],...`: which proposals of the component model a component may use, named as
// wasmtime names them.
#pragma once

#include "component/validate.h"
#include "wash/options.h"

#define FEATURE_OPTION_HELP                                                                        \
    "switch parts of the component model on or off, several\n"                                     \
    "separated by commas; `-W help` lists them"

// True when `-W help` is among the values: the list is then on standard output.
bool feature_option_help(const struct text_list *values);
// Starts at component_features_default(); what comes later wins.
_must_use_ int feature_option_read(const struct text_list *values, struct component_features *out,
                                   struct error *err);

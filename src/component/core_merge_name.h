// SPDX-License-Identifier: Apache-2.0
// The names of a merged module, which backtraces show.
#pragma once

#include "component/core_merge.h"

// Writes a custom section "name" with main's module name and the function names of both parts;
// nothing where they have none. What is wrong with a part's names leaves them out.
void core_merge_write_names(const struct core_merge *merge, struct writer *out);

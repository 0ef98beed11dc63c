// SPDX-License-Identifier: Apache-2.0
// TOML 1.0 to trees. Strict: everything the specification forbids is refused. Dates and times are
// strings as they were written; numbers must be finite.
#pragma once

#include "data/tree.h"

// Errors are "FILE:LINE:COLUMN: what"; `file` must outlive `source` (may be NULL).
_must_use_ int toml_parse(struct str text, const char *file, struct tree **out,
                          struct tree_source *source, struct error *err);

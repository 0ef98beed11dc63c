// SPDX-License-Identifier: Apache-2.0
// YAML text to trees: one document, scalars by the core schema of YAML 1.2 (with the usual
// exception that decimals with a leading zero are strings), keys are their text. Anchors are
// expanded within TREE_NODES_MAX; `<<` is an ordinary key.
#pragma once

#include "data/tree.h"

#define YAML_ANCHORS_MAX ((size_t)1000)

// An empty document is null. Duplicate keys, other tags than the core schema's and numbers that are
// not finite are refused. Errors are "FILE:LINE:COLUMN: what"; `file` must outlive `source` (may be
// NULL).
_must_use_ int yaml_parse(struct str text, const char *file, struct tree **out,
                          struct tree_source *source, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// JSON text (RFC 8259) to trees and back.
#pragma once

#include "base/buf.h"
#include "data/tree.h"

// Reads one value; duplicate keys are refused, at most TREE_BYTES_MAX bytes and TREE_DEPTH_MAX
// levels. Errors are "FILE:LINE:COLUMN: what"; `file` must outlive `source` (may be NULL).
_must_use_ int json_parse(struct str text, const char *file, struct tree **out,
                          struct tree_source *source, struct error *err);

// Appends the value, keys in their order. `indent` spaces a level, 0: on one line without spaces.
// 0 or -ENOBUFS over the buffer's maximum.
_must_use_ int json_print(const struct tree *tree, unsigned indent, struct buf *out);

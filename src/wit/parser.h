// SPDX-License-Identifier: Apache-2.0
// From text to the syntax tree (WIT.md "Package format").
#pragma once

#include "wit/ast.h"

// Parses a file that wit_source_check() accepted. The tree lives in `arena` and borrows the text.
_must_use_ int wit_parse(const struct wit_source *source, struct arena *arena,
                         struct ast_file **out, struct error *err);

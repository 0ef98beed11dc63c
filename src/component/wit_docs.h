// SPDX-License-Identifier: Apache-2.0
// Comments and feature gates of a WIT package in binary form: the custom section "package-docs",
// a version byte and JSON.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wit/wit.h"

#define WIT_DOCS_SECTION "package-docs"

// The content of the section for a package.
_must_use_ int wit_docs_encode(const struct wit_package *package, struct buf *out,
                               struct error *err);
// Writes what the section's content says into a package that was just decoded and belongs to
// nobody yet. What it names and the package lacks is passed over.
_must_use_ int wit_docs_apply(struct str content, const struct wit_package *package,
                              struct arena *arena, struct error *err);

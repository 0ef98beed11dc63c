// SPDX-License-Identifier: Apache-2.0
// Semantic versions (semver.org 2.0) in package names and attributes.
#pragma once

#include "base/str.h"

// A version at `offset`: its length, or 0 when there is none.
size_t wit_version_length(struct str text, size_t offset);
// Where what begins at `offset` stops to be a version: at the first character that cannot go on, or
// at `offset` when it is one by its form, but not by its numbers.
size_t wit_version_failure(struct str text, size_t offset);

// Precedence of two versions (semver.org section 11): <0, 0, >0. Build parts do not count.
int wit_version_compare(struct str a, struct str b);

static inline bool wit_is_id_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-';
}

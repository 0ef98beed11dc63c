// SPDX-License-Identifier: Apache-2.0
// Values of the suites' JSON notation, {"type": T, "value": V}, as dynamic values. Maps have no
// notation of their own: lists of pairs stand for them.
#pragma once

#include <jansson.h>

#include "component/value.h"

// Reads one value of type `t`; what it holds goes to `arena`.
_must_use_ int json_to_value(const json_t *json, const struct type *t, struct arena *arena,
                             struct value *out, struct error *err);

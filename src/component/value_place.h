// SPDX-License-Identifier: Apache-2.0
// Dynamic values to and from places; ranges are checked by the caller.
#pragma once

#include "component/canon_place.h"
#include "component/value.h"

_must_use_ int value_put(struct canon_call *call, const struct type *t, const struct value *value,
                         struct place at);
_must_use_ int value_get(struct canon_call *call, const struct type *t, struct place at,
                         struct arena *arena, struct value *out);

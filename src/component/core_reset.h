// SPDX-License-Identifier: Apache-2.0
// Lets a host put an instance of a core module back into the state of a new one, by giving it what
// can change in an instance: its memories and mutable globals become exports.
#pragma once

#include "base/buf.h"
#include "base/str.h"

// Names of the added exports begin with this; what they are tells their kind. A module without
// memories and globals of its own gets an export of one of its functions, which says just that.
#define CORE_RESET_PREFIX "reset:"

// Appends to `out` a copy of the module with its own memories and its own mutable globals exported.
// False, with `out` as it was: when an instance cannot be put back from outside, because a body
// changes a table or drops a segment, a global holds a reference, a memory is shared between
// threads, or there is a start function; or when the module has something that is not known here.
_must_use_ bool core_reset_write(struct str module, struct buf *out);

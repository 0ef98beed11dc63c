// SPDX-License-Identifier: Apache-2.0
// Host names as the resolver wants them.
#pragma once

#include "base/str.h"

// A name in its ASCII form (IDNA 2008) on the heap: 0, or -EINVAL when it is no host name.
_must_use_ int name_to_ascii(struct str name, char **out);

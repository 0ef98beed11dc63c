// SPDX-License-Identifier: Apache-2.0
// The suites give a part of another runtime's trap message. What must agree is the kind of trap.
#pragma once

#include "base/str.h"

// True when `message` is of the kind that `expected` names, or `expected` names no known kind.
bool trap_is_of_kind(struct str expected, struct str message);

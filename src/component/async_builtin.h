// SPDX-License-Identifier: Apache-2.0
// The asynchronous built-ins (CanonicalABI.md "canon task.return" and what follows there), as core
// functions: `values` holds the arguments, and the result afterwards.
#pragma once

#include "component/async.h"

bool async_builtin_exists(enum canon_kind kind);
// Runs a built-in for the current thread. The call has been begun with the built-in's options.
_must_use_ int async_builtin(struct canon_call *call, const struct plan_builtin *builtin,
                             union core_value *values);

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Validates the bodies of core modules' functions.
#include "component/core_module.h"

struct core_code;

struct core_code *core_code_new(void);
void core_code_free(struct core_code *core);
_must_use_ int core_code_validate(struct core_code *core, const struct core_module *module,
                                  struct error *err);

// False when libwasmtime was built without garbage collection: then it has no exceptions either and
// cannot read tables.
bool core_code_has_references(void);

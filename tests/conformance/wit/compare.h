// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <jansson.h>

#include "wit/wit.h"

// Whether the resolved packages are those of wasm-tools' dump: packages, their interfaces and
// worlds by name, the names of types and of functions with their parameters, imports and exports.
int wit_compare(const struct wit_resolve *resolve, const json_t *dump, struct error *why);

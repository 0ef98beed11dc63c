// SPDX-License-Identifier: Apache-2.0
// Plain scalars of YAML's core schema.
#pragma once

#include "data/tree.h"

// The value of an unquoted scalar: null, bool, number or else a string. NULL when it is a number
// that is not finite, or not UTF-8.
struct tree *yaml_plain_scalar(struct str text);
// Digits with at most one point and an exponent, as both YAML and TOML write decimals.
bool decimal_valid(struct str text);
// The text's value, which decimal_valid() accepts (with a sign or without).
double decimal_value(struct str text);

// SPDX-License-Identifier: Apache-2.0
// WIT packages and worlds in binary form (WIT.md "Package Format").
//
// A package is a component of nothing but types. Each interface and world is a component type that
// exports it under its id, and which the package exports under its plain name. The interfaces
// that it uses types of are imports, with those types. Comments and feature gates are in the custom
// section "package-docs", as JSON.
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct wit_package;
struct wit_world;

// Appends the binary form of a package to `out`.
_must_use_ int wit_binary_encode(const struct wit_package *package, struct buf *out,
                                 struct error *err);

// SPDX-License-Identifier: Apache-2.0
// WIT packages and worlds in binary form (WIT.md "Package Format").
//
// A package is a component of nothing but types. Each interface and world is a component type that
// exports it under its id, and which the package exports under its plain name. The interfaces that
// it uses types of are imports, with those types.
//
// A core module that is to become a component embeds its world in the same form, in custom sections
// whose names begin with "component-type"; there may be several, for instance of libraries that
// were linked into the module, and what they say is put together.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct wit_package;
struct wit_world;

// Custom sections of one module that embed a world.
#define WIT_SECTIONS_MAX 1000

// Appends the binary form of a package to `out`.
_must_use_ int wit_binary_encode(const struct wit_package *package, struct buf *out,
                                 struct error *err);

enum wit_binary_kind {
    WIT_BINARY_OTHER,     // not WebAssembly
    WIT_BINARY_MODULE,    // a core module
    WIT_BINARY_COMPONENT, // a component
    WIT_BINARY_PACKAGE,   // a WIT package; of a broken one it may say component
};
enum wit_binary_kind wit_binary_kind(struct str bytes);

// What was decoded, in the caller's arena; names refer to the decoded bytes. Resource types are one
// a definition and scope that it was seen in: compare definitions (`resource_def` of a type).
struct wit_binary {
    const struct wit_package *package;
    // The other packages that it refers to, as far as it does.
    const struct wit_package *const *others;
    size_t other_count;
    struct arena *arena; // of all this
};

// A WIT package.
_must_use_ int wit_binary_decode(struct str bytes, struct arena *arena, struct wit_binary *out,
                                 struct error *err);

enum wit_module_strings { WIT_STRINGS_UTF8, WIT_STRINGS_UTF16, WIT_STRINGS_LATIN1_UTF16 };

// The world that a core module embeds: package "root:root" with the world "root". -ENOENT without
// sections. `strings` (may be NULL) gets the encoding that the module's code uses.
_must_use_ int wit_module_decode(struct str bytes, struct arena *arena, struct wit_binary *out,
                                 enum wit_module_strings *strings, struct error *err);

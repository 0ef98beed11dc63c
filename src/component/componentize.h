// SPDX-License-Identifier: Apache-2.0
// Makes a component of a core module that embeds its world (component/wit_binary.h) and names its
// imports and exports as bindings generators do (BuildTargets.md, "wasi:http/types@0.2.0"
// "[method]fields.set", "wasi:cli/run@0.2.0#run", "cabi_realloc").
//
// What the module imports in other terms, such as WASI 0.1's "wasi_snapshot_preview1", is served by
// adapters: modules that export those functions, use main's memory ("env" "memory") and exports
// ("__main_module__"), and embed the world they need. Of an adapter only what is called is kept.
//
// In the component a shim module of functions that call through a table stands for what cannot be
// made before main has been instantiated, since it needs main's memory; a fixup module fills the
// table.
#pragma once

#include "base/buf.h"
#include "base/error.h"

// Of a module, an adapter and the component.
#define COMPONENTIZE_BYTES_MAX    ((size_t)512 * 1024 * 1024)
#define COMPONENTIZE_ADAPTERS_MAX 64

struct componentize_adapter {
    struct str name;  // module name of the imports that it serves
    struct str bytes; // a core module
};

// Appends the component to `out`; it has been validated. -EINVAL with the reason: an import that
// nothing serves is named with its module.
_must_use_ int componentize(struct str module, const struct componentize_adapter *adapters,
                            size_t adapter_count, struct buf *out, struct error *err);

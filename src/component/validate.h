// SPDX-License-Identifier: Apache-2.0
// Validation of a decoded component (Binary.md, Explainer.md): types of arguments and aliases,
// canonical definitions, names, visibility of types and identity of resources, over all nested
// components. Core modules are checked in outline; their code is the engine's to check.
#pragma once

#include "component/component.h"

// What of the gated parts of the component model is accepted; named as wasmtime's -W options
// (component-model-async ...), which the comment gives where the name differs.
struct component_features {
    bool component_model_async;
    bool component_model_async_stackful;
    bool component_model_more_async_builtins;
    bool component_model_threading;
    bool component_model_error_context;
    bool component_model_fixed_length_lists;
    bool component_model_map;
    bool component_model_implements;
    bool component_model_cancellable;     // the immediate may be 1, as before #716
    bool component_model_values;          // value imports, exports, definitions; start
    bool component_model_canonical_names; // versions such as `@1` with a version suffix
    bool shared_everything_threads;       // thread.spawn-*, thread.available-parallelism
    bool exceptions;                      // core tags
};

// Every finished or nearly finished proposal; not values, canonical names and
// shared-everything threads.
struct component_features component_features_default(void);
// Sets the feature of that name ("component-model-async", "exceptions"). -ENOENT: there is none.
_must_use_ int component_features_set(struct component_features *features, struct str name,
                                      bool on);

// The names in order, NULL behind the last.
const char *component_features_name(size_t index);

// Limits.
#define VALIDATE_TYPE_SIZE_MAX  1000000u            // parts of one type written out as a tree
#define VALIDATE_DEPTH_MAX      100u                // nesting of types by reference
#define VALIDATE_WORK_MAX       20000000u           // parts of types visited for one component
#define VALIDATE_MEMORY_MAX     ((size_t)512 << 20) // bytes of types made
#define VALIDATE_VALUE_SIZE_MAX ((1u << 28) - 1)    // bytes of a value in a 64-bit memory

// 0, or -EINVAL (-E2BIG over a limit) with "component: byte 0x.. (path): rule". `features` NULL:
// the default ones.
_must_use_ int component_validate(const struct component *component,
                                  const struct component_features *features, struct error *err);

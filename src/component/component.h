// SPDX-License-Identifier: Apache-2.0
// A decoded component: definitions in order of the binary, index spaces kept as indices
// (Binary.md). Errors name the byte offset and the path to the item, such as
// "component: byte 0x1f3 (component instance 2, argument `a`): ...".
#pragma once

#include "base/arena.h"
#include "base/error.h"

struct component;

// Decodes the binary of a component. `bytes` are borrowed for the life of the component. A core
// module, a WIT package, text or anything else is refused with a message that says what it is.
_must_use_ int component_decode(struct str bytes, struct component **out, struct error *err);
void component_free(struct component *component);

// The component's imports and exports as a WIT world named "root" of package "root:component", for
// wit_print_component_world(). Allocated in `arena`; names refer to the decoded bytes.
struct wit_world;
_must_use_ int component_world(const struct component *component, struct arena *arena,
                               const struct wit_world **out, struct error *err);

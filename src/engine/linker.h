// SPDX-License-Identifier: Apache-2.0
// Binds a program's imports to host interfaces, once, before any instance is made.
#pragma once

#include "component/canon.h"
#include "engine/program.h"

struct linker;
struct linked; // a program with all imports bound; immutable, shared by threads, reference counted

struct linker *linker_new(struct engine *engine);
void linker_free(struct linker *linker);

// Offers an interface under its own name, to imports of any compatible version. `data` becomes
// call->data of its handlers; both must outlive what is linked. Later additions win.
void linker_add_interface(struct linker *linker, const struct host_interface *interface,
                          void *data);

// Refuses a program that imports something not offered, or with another type: the error lists all
// that is missing or different, one line each.
_must_use_ int linker_link(struct linker *linker, struct program *program, struct linked **out,
                           struct error *err);
struct linked *linked_ref(struct linked *linked);
void linked_unref(struct linked *linked);
struct program *linked_program(const struct linked *linked);

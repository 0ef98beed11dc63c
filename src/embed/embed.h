// SPDX-License-Identifier: Apache-2.0
// What stands behind the opaque types of include/wash/wash.h.
#pragma once

#include <stdatomic.h>

#include <wash/wash.h>

#include "base/vec.h"
#include "component/plan.h"
#include "component/stream.h"
#include "component/subtask.h"
#include "component/value.h"
#include "engine/engine.h"
#include "engine/instance.h"

#define EMBED_VALUE_BYTES_MAX ((size_t)256 << 20) // of a call's arguments or result

struct wash_error {
    struct error error;
};

struct wash_engine {
    _Atomic uint32_t refs;
    struct engine *engine;
};
struct wash_engine *embed_engine_ref(struct wash_engine *engine);

struct wash_component {
    struct wash_engine *engine;
    struct program *program;
};

// A function or resource that the embedder defined.
struct embed_func {
    char *interface;
    char *name;
    wash_host_func func;
    void *data;
};
struct embed_resource {
    struct host_resource resource; // first: its address is the identity
    char *interface;
    char *name;
    void (*drop)(void *rep);
};

struct wash_linker {
    struct wash_engine *engine;
    VEC(struct embed_func) funcs;
    struct embed_resources *resources; // shared with programs
};

// An import bound to a function: call->data of its handler.
struct embed_binding {
    const struct func_type *type; // the plan's
    wash_host_func func;
    void *data;
};

struct wash_program {
    _Atomic uint32_t refs;
    struct wash_engine *engine;
    struct linked *linked;
    struct embed_resources *resources;
    struct arena arena; // interfaces and bindings
};

struct wash_thread {
    struct wash_engine *engine;
    struct loop *loop;
    struct executor *executor;
};

struct wash_instance {
    struct wash_thread *thread;
    struct wash_program *program;
    struct instance *instance;
    void *data;
    struct arena result; // of wash_call()
};

// Moves the reason to *out; returns the code.
int embed_fail(struct wash_error **out, struct error *err);

// Resources of a linker, kept by what was linked with them.
struct embed_resources {
    _Atomic uint32_t refs;
    VEC(struct embed_resource *) items;
};
struct embed_resources *embed_resources_ref(struct embed_resources *resources);
void embed_resources_unref(struct embed_resources *resources);

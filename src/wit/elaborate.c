// SPDX-License-Identifier: Apache-2.0
// Worlds with all they need: an interface whose types are used by an import or export is there
// too (WIT.md "WIT Worlds").
#include "wit/model.h"

#include <errno.h>

struct step {
    const struct interface *interface;
    size_t next;
    struct wit_stability stability;
};

struct elaboration {
    struct wit_resolve *resolve;
    struct world *world;
    struct error *err;
    VEC(struct wit_world_item) imports;
    VEC(struct wit_world_item) exports;
    VEC(struct step) stack;
};

static struct interface *mutable_interface(const struct interface *interface)
{
    return (struct interface *)interface;
}

static const struct interface *interface_of(const struct wit_interface *pub)
{
    return container_of(pub, const struct interface, pub);
}

static bool is_named(const struct wit_interface *interface)
{
    return interface->name.len > 0;
}

static bool is_by_id(const struct wit_world_item *item)
{
    return item->kind == WIT_ITEM_INTERFACE && is_named(item->interface) &&
           str_eq(item->name, item->interface->id);
}

static int conflict(struct elaboration *e, const struct interface *interface)
{
    return wit_fail(e->world->pos, e->err,
                    "world `%.*s` exports `%.*s`, but an interface that is imported for another "
                    "export uses its types: export that one too",
                    STR_ARG(e->world->pub.name), STR_ARG(interface->pub.id));
}

static void push(struct elaboration *e, const struct interface *interface,
                 const struct wit_stability *stability)
{
    mutable_interface(interface)->stamp = e->resolve->stamp;
    *vec_push(&e->stack) = (struct step){interface, 0, *stability};
}

// Imports `first` by its id after all it uses. Nothing happens for what is imported already.
static int import_interface(struct elaboration *e, const struct interface *first,
                            const struct wit_world_item *item)
{
    if (first->stamp == e->resolve->stamp)
        return 0;
    push(e, first, &item->stability);
    while (e->stack.len > 0) {
        struct step *top = &e->stack.items[e->stack.len - 1];
        const struct interface *interface = top->interface;
        if (top->next < interface->deps.len) {
            const struct interface *dep = interface->deps.items[top->next++];
            if (dep->stamp != e->resolve->stamp) {
                struct wit_stability stability = top->stability;
                push(e, dep, &stability);
            }
            continue;
        }
        struct wit_world_item out = {.kind = WIT_ITEM_INTERFACE,
                                     .name = interface->pub.id,
                                     .docs = STR_EMPTY,
                                     .stability = top->stability,
                                     .interface = &interface->pub};
        int r = world_count_item(e->resolve, e->world, e->err);
        if (r < 0)
            return r;
        if (interface == first && str_eq(item->name, out.name))
            out = *item;
        *vec_push(&e->imports) = out;
        e->stack.len--;
    }
    return 0;
}

static int import_deps(struct elaboration *e, const struct interface *interface,
                       const struct wit_stability *stability)
{
    int r = 0;
    struct wit_world_item item = {.name = STR_EMPTY, .docs = STR_EMPTY, .stability = *stability};
    for (size_t i = 0; i < interface->deps.len && r == 0; i++)
        r = import_interface(e, interface->deps.items[i], &item);
    return r;
}

static int import_item(struct elaboration *e, const struct wit_world_item *item)
{
    int r = 0;
    if (item->kind == WIT_ITEM_INTERFACE) {
        const struct interface *interface = interface_of(item->interface);
        if (is_by_id(item))
            return import_interface(e, interface, item);
        r = import_deps(e, interface, &item->stability);
    } else if (item->kind == WIT_ITEM_TYPE && item->type->is_use) {
        struct wit_world_item needed = {
            .name = STR_EMPTY, .docs = STR_EMPTY, .stability = item->stability};
        r = import_interface(e, interface_of(item->type->alias_of->interface), &needed);
    }
    if (r == 0)
        *vec_push(&e->imports) = *item;
    return r;
}

static bool is_exported(const struct elaboration *e, const struct interface *interface)
{
    return interface->export_stamp == e->resolve->stamp;
}

// An import that an export needs must not use, however far away, what the world exports: types of
// the import and of the export would be two.
static int check_import(struct elaboration *e, const struct interface *first)
{
    VEC(const struct interface *) todo = {0};
    int r = 0;
    *vec_push(&todo) = first;
    while (todo.len > 0 && r == 0) {
        const struct interface *interface = todo.items[--todo.len];
        if (interface->check_stamp == e->resolve->stamp)
            continue;
        mutable_interface(interface)->check_stamp = e->resolve->stamp;
        if (is_exported(e, interface))
            r = conflict(e, interface);
        for (size_t i = 0; i < interface->deps.len && r == 0; i++)
            if (interface->deps.items[i]->check_stamp != e->resolve->stamp)
                *vec_push(&todo) = interface->deps.items[i];
    }
    vec_done(&todo);
    return r;
}

static int export_dep(struct elaboration *e, const struct interface *dep,
                      const struct wit_stability *stability)
{
    struct wit_world_item item = {.name = STR_EMPTY, .docs = STR_EMPTY, .stability = *stability};
    int r = check_import(e, dep);
    return r < 0 ? r : import_interface(e, dep, &item);
}

// Imports what an export uses and the world does not export.
static int export_item(struct elaboration *e, const struct wit_world_item *item)
{
    int r = 0;
    if (item->kind == WIT_ITEM_INTERFACE) {
        const struct interface *interface = interface_of(item->interface);
        for (size_t i = 0; i < interface->deps.len && r == 0; i++)
            if (!is_exported(e, interface->deps.items[i]))
                r = export_dep(e, interface->deps.items[i], &item->stability);
    }
    return r;
}

// Places an export behind those it uses; `stack` holds the way from `first` down.
static void place_export(struct elaboration *e, const struct wit_world_item *item)
{
    const struct interface *first = interface_of(item->interface);
    if (is_by_id(item) && first->exported)
        return;
    *vec_push(&e->stack) = (struct step){first, 0, item->stability};
    while (e->stack.len > 0) {
        struct step *top = &e->stack.items[e->stack.len - 1];
        const struct interface *interface = top->interface;
        if (top->next < interface->deps.len) {
            const struct interface *dep = interface->deps.items[top->next++];
            if (is_exported(e, dep) && !dep->exported)
                *vec_push(&e->stack) = (struct step){dep, 0, item->stability};
            continue;
        }
        const struct wit_world_item *own = item;
        if (--e->stack.len > 0) {
            struct str key = name_key(&e->resolve->arena, interface->pub.id);
            uintptr_t index = (uintptr_t)map_get(&e->world->export_names, key);
            own = &e->world->exports.items[index - 1];
        }
        *vec_push(&e->exports) = *own;
        mutable_interface(interface)->exported |= is_by_id(own);
    }
}

// Functions, then interfaces after those they use.
static void sort_exports(struct elaboration *e)
{
    const struct world *world = e->world;
    for (size_t i = 0; i < world->exports.len; i++)
        if (world->exports.items[i].kind == WIT_ITEM_FUNC)
            *vec_push(&e->exports) = world->exports.items[i];
    for (size_t i = 0; i < world->exports.len; i++)
        if (world->exports.items[i].kind == WIT_ITEM_INTERFACE)
            place_export(e, &world->exports.items[i]);
    for (size_t i = 0; i < e->exports.len; i++)
        if (e->exports.items[i].interface)
            mutable_interface(interface_of(e->exports.items[i].interface))->exported = false;
}

static void mark_exports(struct elaboration *e)
{
    for (size_t i = 0; i < e->world->exports.len; i++) {
        const struct wit_world_item *item = &e->world->exports.items[i];
        if (is_by_id(item))
            mutable_interface(interface_of(item->interface))->export_stamp = e->resolve->stamp;
    }
}

// The order of imports: interfaces, types that are used, own ones, functions, those of resources.
enum import_class { CLASS_INTERFACE, CLASS_USE, CLASS_TYPE, CLASS_FUNC, CLASS_RESOURCE_FUNC };

static enum import_class import_class(const struct wit_world_item *item)
{
    if (item->kind == WIT_ITEM_FUNC)
        return item->func->kind == WIT_FUNC_FREE ? CLASS_FUNC : CLASS_RESOURCE_FUNC;
    if (item->kind == WIT_ITEM_TYPE)
        return item->type->is_use ? CLASS_USE : CLASS_TYPE;
    return CLASS_INTERFACE;
}

// What an import or export needed came in behind it: interfaces go first again.
static void sort_imports(struct elaboration *e)
{
    VEC(struct wit_world_item) sorted = {0};
    for (int class = CLASS_INTERFACE; class <= CLASS_RESOURCE_FUNC; class ++)
        for (size_t i = 0; i < e->imports.len; i++)
            if (import_class(&e->imports.items[i]) == (enum import_class) class)
                *vec_push(&sorted) = e->imports.items[i];
    if (sorted.len > 0)
        memcpy(e->imports.items, sorted.items, sorted.len * sizeof(*sorted.items));
    vec_done(&sorted);
}

static struct wit_world_item *publish(struct arena *arena, const struct wit_world_item *items,
                                      size_t count)
{
    struct wit_world_item *out = arena_new_array(arena, struct wit_world_item, count + 1);
    if (count > 0)
        memcpy(out, items, count * sizeof(*out));
    return out;
}

static int import_all(struct elaboration *e, enum import_class class)
{
    int r = 0;
    for (size_t i = 0; i < e->world->imports.len && r == 0; i++)
        if (import_class(&e->world->imports.items[i]) == class)
            r = import_item(e, &e->world->imports.items[i]);
    return r;
}

int world_elaborate(struct wit_resolve *resolve, struct world *world, struct error *err)
{
    struct elaboration e = {.resolve = resolve, .world = world, .err = err};
    int r = 0;
    resolve->stamp++;
    mark_exports(&e);
    for (int class = CLASS_INTERFACE; class <= CLASS_RESOURCE_FUNC && r == 0; class ++)
        r = import_all(&e, (enum import_class) class);
    for (size_t i = 0; i < world->exports.len && r == 0; i++)
        r = export_item(&e, &world->exports.items[i]);
    if (r == 0) {
        sort_imports(&e);
        sort_exports(&e);
        world->pub.imports = publish(&resolve->arena, e.imports.items, e.imports.len);
        world->pub.import_count = (uint32_t)e.imports.len;
        world->pub.exports = publish(&resolve->arena, e.exports.items, e.exports.len);
        world->pub.export_count = (uint32_t)e.exports.len;
    }
    vec_done(&e.imports);
    vec_done(&e.exports);
    vec_done(&e.stack);
    return r;
}

// SPDX-License-Identifier: Apache-2.0
// Life of a resolve, its steps, and looking things up in it.
#include "wit/model.h"

#include <errno.h>

struct wit_resolve *wit_resolve_new(void)
{
    struct wit_resolve *resolve = mem_new(struct wit_resolve);
    resolve->arena = ARENA_INIT(WIT_MODEL_BYTES_MAX);
    return resolve;
}

static void owner_done(struct owner *owner)
{
    map_done(&owner->names);
    vec_done(&owner->types);
    vec_done(&owner->funcs);
}

static void world_done(struct world *world)
{
    owner_done(&world->owner);
    vec_done(&world->externs);
    vec_done(&world->imports);
    vec_done(&world->exports);
    map_done(&world->import_names);
    map_done(&world->export_names);
}

static void package_done(struct package *package)
{
    for (size_t i = 0; i < package->scopes.len; i++)
        map_done(&package->scopes.items[i]->uses);
    map_done(&package->decls);
    vec_done(&package->scopes);
    vec_done(&package->order);
    vec_done(&package->deps);
}

void wit_resolve_free(struct wit_resolve *resolve)
{
    if (!resolve)
        return;
    for (size_t i = 0; i < resolve->interfaces.len; i++) {
        owner_done(&resolve->interfaces.items[i]->owner);
        vec_done(&resolve->interfaces.items[i]->deps);
    }
    for (size_t i = 0; i < resolve->decls.len; i++) {
        vec_done(&resolve->decls.items[i]->deps);
        if (resolve->decls.items[i]->world)
            world_done(resolve->decls.items[i]->world);
    }
    for (size_t i = 0; i < resolve->order.len; i++)
        package_done(resolve->order.items[i]);
    vec_done(&resolve->interfaces);
    vec_done(&resolve->decls);
    vec_done(&resolve->order);
    map_done(&resolve->packages);
    map_done(&resolve->names);
    map_done(&resolve->features);
    arena_done(&resolve->arena);
    free(resolve);
}

void wit_resolve_enable_feature(struct wit_resolve *resolve, const char *feature)
{
    if (feature)
        map_put(&resolve->features, arena_str(&resolve->arena, str_from(feature)), resolve);
    else
        resolve->all_features = true;
}

static void publish_package(struct wit_resolve *resolve, struct package *package)
{
    size_t count = package->order.len;
    const struct wit_interface **interfaces =
        arena_new_array(&resolve->arena, const struct wit_interface *, count + 1);
    const struct wit_world **worlds =
        arena_new_array(&resolve->arena, const struct wit_world *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const struct decl *decl = package->order.items[i];
        if (decl->gated)
            continue;
        if (decl->world)
            worlds[package->pub.world_count++] = &decl->world->pub;
        else
            interfaces[package->pub.interface_count++] = &decl->interface->pub;
    }
    package->pub.interfaces = interfaces;
    package->pub.worlds = worlds;
}

static int resolve_decl(struct wit_resolve *resolve, struct decl *decl, struct error *err)
{
    int r = gate_check_attributes(&decl->ast->stability, decl->ast->stability_pos, err);
    if (r < 0)
        return r;
    return decl->world ? world_resolve(resolve, decl, err)
                       : owner_resolve(resolve, &decl->interface->owner, decl->ast->items, err);
}

// Leaves out what is not enabled: types of all that names them, then functions, then worlds.
static int leave_out(struct wit_resolve *resolve, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < resolve->interfaces.len && r == 0; i++) {
        struct interface *interface = resolve->interfaces.items[i];
        r = gate_types(resolve, &interface->owner, interface->gated, err);
    }
    for (size_t i = 0; i < resolve->decls.len && r == 0; i++) {
        const struct decl *decl = resolve->decls.items[i];
        if (decl->world)
            r = gate_types(resolve, &decl->world->owner, decl->gated, err);
    }
    for (size_t i = 0; i < resolve->interfaces.len && r == 0; i++)
        r = interface_finish(resolve, resolve->interfaces.items[i], err);
    for (size_t i = 0; i < resolve->decls.len && r == 0; i++)
        if (resolve->decls.items[i]->world)
            r = world_finish(resolve, resolve->decls.items[i], err);
    return r;
}

int wit_resolve_finish(struct wit_resolve *resolve, struct error *err)
{
    if (resolve->finished)
        return error_set(err, -EINVAL, "the WIT packages were resolved already");
    resolve->finished = true;
    int r = scope_index(resolve, err);
    if (r == 0)
        r = order_decls(resolve, err);
    for (size_t i = 0; i < resolve->decls.len && r == 0; i++)
        if (resolve->decls.items[i]->interface)
            r = resolve_decl(resolve, resolve->decls.items[i], err);
    for (size_t i = 0; i < resolve->decls.len && r == 0; i++)
        if (resolve->decls.items[i]->world)
            r = resolve_decl(resolve, resolve->decls.items[i], err);
    if (r == 0)
        r = leave_out(resolve, err);
    for (size_t i = 0; i < resolve->order.len && r == 0; i++)
        publish_package(resolve, resolve->order.items[i]);
    return r;
}

uint32_t wit_package_count(const struct wit_resolve *resolve)
{
    return (uint32_t)resolve->order.len;
}

const struct wit_package *wit_package_at(const struct wit_resolve *resolve, uint32_t index)
{
    return index < resolve->order.len ? &resolve->order.items[index]->pub : NULL;
}

const struct wit_package *wit_root_package(const struct wit_resolve *resolve)
{
    return resolve->root ? &resolve->root->pub : NULL;
}

const struct wit_interface *wit_find_interface(const struct wit_resolve *resolve, struct str id)
{
    ssize_t slash = str_find_char(id, '/');
    if (slash < 0)
        return NULL;
    struct str rest = str_from_index(id, (size_t)slash + 1), name, version;
    str_cut(rest, '@', &name, &version);
    for (size_t i = 0; i < resolve->order.len; i++) {
        const struct package *package = resolve->order.items[i];
        const struct decl *decl = map_get(&package->decls, name);
        if (decl && decl->interface && !decl->gated && str_eq(decl->interface->pub.id, id))
            return &decl->interface->pub;
    }
    return NULL;
}

const struct wit_world *wit_find_world(const struct wit_package *package, struct str name)
{
    for (uint32_t i = 0; i < package->world_count; i++)
        if (str_eq(package->worlds[i]->name, name))
            return package->worlds[i];
    return NULL;
}

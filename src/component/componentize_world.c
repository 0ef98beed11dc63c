// SPDX-License-Identifier: Apache-2.0
// The imports of the component: what the parts' worlds import, compatible versions of an interface
// as one instance, and of each instance what is used.
#include "component/componentize_internal.h"
#include "component/plan.h"
#include "wit/version.h"

// ---- groups -------------------------------------------------------------------------------------

struct group *czr_group(const struct componentizer *z, const struct wit_interface *interface)
{
    const void *address = interface;
    return map_get(&z->group_of, czr_key(&address));
}

// Whether whoever knows `old` finds all of it in `new`.
static bool serves(const struct wit_interface *new, const struct wit_interface *old)
{
    for (uint32_t i = 0; i < old->func_count; i++)
        if (!czr_find_func(new, old->funcs[i]->symbol))
            return false;
    for (uint32_t i = 0; i < old->type_count; i++)
        if (!czr_find_type(new, old->types[i]->name))
            return false;
    return true;
}

static bool is_later(struct str name, struct str than)
{
    struct str rest;
    struct str version;
    struct str other;
    (void)str_cut(name, '@', &rest, &version);
    (void)str_cut(than, '@', &rest, &other);
    return wit_version_compare(version, other) > 0;
}

// Joins a group if one of the two interfaces can stand for both.
static bool join(struct componentizer *z, struct group *g, const struct wit_world_item *item)
{
    if (!interface_name_compatible(item->name, g->name))
        return false;
    bool replaces = is_later(item->name, g->name);
    if (!(replaces ? serves(item->interface, g->interface) : serves(g->interface, item->interface)))
        return false;
    if (replaces) {
        g->interface = item->interface;
        g->name = item->name;
    }
    *vec_push(&g->members) = item->interface;
    (void)map_put(&z->group_of, czr_address(z->arena, item->interface), g);
    return true;
}

static void add_to_group(struct componentizer *z, const struct wit_world_item *item)
{
    if (czr_group(z, item->interface))
        return;
    for (size_t i = 0; i < z->groups.len; i++)
        if (join(z, z->groups.items[i], item))
            return;
    struct group *g = arena_new(z->arena, struct group);
    *g = (struct group){.interface = item->interface, .name = item->name};
    *vec_push(&g->members) = item->interface;
    *vec_push(&z->groups) = g;
    (void)map_put(&z->group_of, czr_address(z->arena, item->interface), g);
}

void czr_group_imports(struct componentizer *z)
{
    for (uint32_t i = 0; i < z->part_count; i++) {
        const struct wit_world *world = z->parts[i].world;
        for (uint32_t k = 0; world && k < world->import_count; k++)
            if (world->imports[k].kind == WIT_ITEM_INTERFACE)
                add_to_group(z, &world->imports[k]);
    }
}

// ---- what is needed -----------------------------------------------------------------------------

struct marker {
    struct componentizer *z;
    bool is_exporting; // types of exported interfaces are theirs, not the imports'
    struct map seen;   // addresses of types and definitions
    VEC(const struct type *) work;
};

static bool see(struct marker *m, const void *address)
{
    if (map_get(&m->seen, czr_key(&address)))
        return false;
    (void)map_put(&m->seen, czr_address(m->z->arena, address), m);
    return true;
}

static void push_type(struct marker *m, const struct type *type)
{
    if (type && see(m, type))
        *vec_push(&m->work) = type;
}

static void mark_def(struct marker *m, const struct wit_typedef *def)
{
    while (def && see(m, def)) {
        struct group *g = def->interface ? czr_group(m->z, def->interface) : NULL;
        if (g && m->is_exporting && czr_is_exported(m->z, def->interface))
            g = NULL;
        const struct wit_typedef *served = g ? czr_find_type(g->interface, def->name) : NULL;
        if (g)
            (void)map_put(&g->live, def->name, g);
        def = served ? served : def;
        if (def->type && !def->alias_of)
            push_type(m, def->type);
        def = def->alias_of;
    }
}

static void mark_parts(struct marker *m, const struct type *type)
{
    if (type->resource_def)
        mark_def(m, type->resource_def);
    push_type(m, type->element);
    push_type(m, type->error);
    for (uint32_t i = 0; i < type->field_count; i++)
        push_type(m, type->fields[i].type);
}

static void mark_pushed(struct marker *m)
{
    while (m->work.len > 0) {
        const struct type *type = m->work.items[--m->work.len];
        if (type->def)
            mark_def(m, type->def);
        mark_parts(m, type);
    }
}

static void mark_func(struct marker *m, const struct func_type *type)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        push_type(m, type->params[i].type);
    push_type(m, type->result);
    mark_pushed(m);
}

static void mark_lower(struct marker *m, const struct want *want)
{
    struct group *g = want->interface ? czr_group(m->z, want->interface) : NULL;
    const struct wit_func *func = want->func;
    if (g && want->canon.kind == CANON_LOWER) {
        const struct wit_func *served = czr_find_func(g->interface, func->symbol);
        func = served ? served : func;
        (void)map_put(&g->live, func->symbol, g);
    }
    mark_func(m, &func->type);
    if (func->resource)
        mark_def(m, func->resource);
}

static void mark_want(struct marker *m, const struct want *want)
{
    if (want->func)
        mark_lower(m, want);
    if (want->resource)
        mark_def(m, want->resource);
    push_type(m, want->payload);
    mark_pushed(m);
}

static void mark_wants(struct marker *m)
{
    for (uint32_t i = 0; i < m->z->part_count; i++) {
        const struct part *part = &m->z->parts[i];
        for (uint32_t k = 0; k < part->core.import_count; k++)
            if (part->wants[k].import->kind == CORE_FUNC && !part->wants[k].is_exported)
                mark_want(m, &part->wants[k]);
    }
}

static void mark_exports(struct marker *m)
{
    for (uint32_t i = 0; i < m->z->exported_count; i++) {
        const struct wit_interface *interface = m->z->exported[i]->interface;
        for (uint32_t k = 0; k < interface->type_count; k++)
            mark_def(m, interface->types[k]);
        for (uint32_t k = 0; k < interface->func_count; k++)
            mark_func(m, &interface->funcs[k]->type);
        mark_pushed(m);
    }
    for (uint32_t i = 0; i < m->z->part_count; i++) {
        const struct wit_world *world = m->z->parts[i].world;
        for (uint32_t k = 0; world && k < world->export_count; k++)
            if (world->exports[k].kind == WIT_ITEM_FUNC)
                mark_func(m, &world->exports[k].func->type);
    }
}

void czr_mark_live(struct componentizer *z)
{
    for (int exporting = 0; exporting < 2; exporting++) {
        struct marker m = {.z = z, .is_exporting = exporting};
        if (exporting)
            mark_exports(&m);
        else
            mark_wants(&m);
        map_done(&m.seen);
        vec_done(&m.work);
    }
}

// ---- encoding -----------------------------------------------------------------------------------

static bool is_live(const struct group *g, struct str name)
{
    return map_get(&g->live, name) != NULL;
}

static uint32_t encode_group_type(struct componentizer *z, const struct group *g)
{
    struct encoder type;
    struct wit_scope s;
    encoder_init(&type, SCOPE_INSTANCE_TYPE);
    wit_scope_init(&s, &type, WIT_EXPORTED);
    s.interface = g->interface;
    s.outer = &z->root;
    for (uint32_t i = 0; i < g->interface->type_count; i++)
        if (is_live(g, g->interface->types[i]->name))
            (void)wit_scope_typedef(&s, g->interface->types[i]);
    const struct wit_func **funcs = wit_funcs_in_order(&s.arena, g->interface);
    for (uint32_t i = 0; i < g->interface->func_count; i++)
        if (is_live(g, funcs[i]->symbol))
            (void)encode_export_of(&type, funcs[i]->symbol, SORT_FUNC,
                                   wit_scope_func(&s, &funcs[i]->type));
    if (s.missing && !z->root.missing)
        z->root.missing = s.missing;
    wit_scope_done(&s);
    return encode_scope_type(&z->e, &type);
}

static void encode_group(struct componentizer *z, struct group *g)
{
    g->instance = encode_import_of(&z->e, g->name, SORT_INSTANCE, encode_group_type(z, g));
    for (size_t i = 0; i < g->members.len; i++)
        wit_scope_bind_instance(&z->root, g->members.items[i], g->instance);
}

// A group on the way to one that uses its types.
struct step {
    struct group *group;
    uint32_t type;
};

// Encodes the groups that this one uses types of, and then this one.
static void encode_with_uses(struct componentizer *z, struct group *first)
{
    VEC(struct step) stack = {0};
    *vec_push(&stack) = (struct step){first, 0};
    first->is_entered = true;
    while (stack.len > 0) {
        struct step *top = &stack.items[stack.len - 1];
        const struct wit_interface *interface = top->group->interface;
        if (top->type == interface->type_count) {
            encode_group(z, top->group);
            stack.len--;
            continue;
        }
        const struct wit_typedef *def = interface->types[top->type++];
        const struct wit_typedef *from = is_live(top->group, def->name) ? def->alias_of : NULL;
        struct group *used = from && from->interface ? czr_group(z, from->interface) : NULL;
        if (used && !used->is_entered) {
            used->is_entered = true;
            *vec_push(&stack) = (struct step){used, 0};
        }
    }
    vec_done(&stack);
}

static void encode_root_funcs(struct componentizer *z, const struct part *part)
{
    for (uint32_t i = 0; i < part->core.import_count; i++) {
        const struct want *want = &part->wants[i];
        if (want->import->kind != CORE_FUNC || want->kind != WANT_CANON ||
            want->canon.kind != CANON_LOWER || want->interface ||
            map_get(&z->root_funcs, want->item))
            continue;
        uint32_t type = wit_scope_func(&z->root, &want->func->type);
        uintptr_t index = encode_import_of(&z->e, want->item, SORT_FUNC, type);
        (void)map_put(&z->root_funcs, want->item, (void *)(index + 1));
    }
}

int czr_encode_imports(struct componentizer *z)
{
    for (size_t i = 0; i < z->groups.len; i++) {
        struct group *g = z->groups.items[i];
        if (!g->is_entered && g->live.len > 0)
            encode_with_uses(z, g);
    }
    for (uint32_t i = 0; i < z->part_count; i++)
        encode_root_funcs(z, &z->parts[i]);
    return wit_scope_check(&z->root, z->err);
}

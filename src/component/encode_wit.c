// SPDX-License-Identifier: Apache-2.0
#include "component/encode_wit.h"

#include <errno.h>

#include "base/vec.h"

void wit_scope_init(struct wit_scope *s, struct encoder *e, enum wit_naming naming)
{
    *s = (struct wit_scope){
        .e = e, .naming = naming, .name_prefix = STR_EMPTY, .arena = ARENA_INIT(SIZE_MAX)};
}

void wit_scope_done(struct wit_scope *s)
{
    map_done(&s->types);
    map_done(&s->shapes);
    map_done(&s->instances);
    arena_done(&s->arena);
}

int wit_scope_check(const struct wit_scope *s, struct error *err)
{
    const struct wit_typedef *missing = s->missing;
    if (!missing)
        return 0;
    struct str id = missing->interface ? missing->interface->id : STR_EMPTY;
    return error_set(
        err, -EINVAL, "encoding types: `%.*s`%s%.*s%s is used, but what defines it is not there",
        STR_ARG(missing->name), id.len > 0 ? " of `" : "", STR_ARG(id), id.len > 0 ? "`" : "");
}

// ---- what is known ------------------------------------------------------------------------------

static struct str address_key(struct arena *arena, const void *address)
{
    return arena_str(arena, str_of((const char *)&address, sizeof(address)));
}

static uintptr_t find(const struct map *map, const void *address)
{
    return (uintptr_t)map_get(map, str_of((const char *)&address, sizeof(address)));
}

static void put(struct wit_scope *s, struct map *map, const void *address, uint32_t index)
{
    (void)map_put(map, address_key(&s->arena, address), (void *)((uintptr_t)index + 1));
}

void wit_scope_bind(struct wit_scope *s, const struct wit_typedef *def, uint32_t index)
{
    put(s, &s->types, def, index);
}

void wit_scope_bind_instance(struct wit_scope *s, const struct wit_interface *interface,
                             uint32_t instance)
{
    put(s, &s->instances, interface, instance);
}

// ---- types without a name -----------------------------------------------------------------------

// The index of a type that is encoded like this one, or of this one now.
static uint32_t shared(struct wit_scope *s, const struct type_def *def)
{
    struct encoder probe;
    encoder_init(&probe, SCOPE_INSTANCE_TYPE);
    (void)encode_type(&probe, def);
    struct str shape = buf_str(&probe.out.bytes);
    uintptr_t known = (uintptr_t)map_get(&s->shapes, shape);
    if (known == 0) {
        known = (uintptr_t)encode_type(s->e, def) + 1;
        (void)map_put(&s->shapes, arena_str(&s->arena, shape), (void *)known);
    }
    encoder_done(&probe);
    return (uint32_t)(known - 1);
}

static struct val_ref index_ref(uint32_t index)
{
    return (struct val_ref){.is_index = true, .index = index};
}

static const struct def_field *scope_fields(struct wit_scope *s, const struct type_field *fields,
                                            uint32_t count)
{
    struct def_field *out = arena_new_array(&s->arena, struct def_field, count);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (struct def_field){.name = fields[i].name, .has_type = fields[i].type != NULL};
        if (fields[i].type)
            out[i].type = wit_scope_type(s, fields[i].type);
    }
    return out;
}

// The type's structure, whatever its name; its parts are encoded first.
static struct value_def structure(struct wit_scope *s, const struct type *type)
{
    struct value_def def = {.kind = type->kind, .length = type->length};
    if (type->kind == TYPE_OWN || type->kind == TYPE_BORROW) {
        def.resource = wit_scope_typedef(s, type->resource_def);
        return def;
    }
    def.fields = scope_fields(s, type->fields, type->field_count);
    def.field_count = type->field_count;
    def.has_element = type->element != NULL;
    if (type->element)
        def.element = wit_scope_type(s, type->element);
    def.has_error = type->error != NULL;
    if (type->error)
        def.error = wit_scope_type(s, type->error);
    return def;
}

struct val_ref wit_scope_type(struct wit_scope *s, const struct type *type)
{
    if (type->def)
        return index_ref(wit_scope_typedef(s, type->def));
    if (type->kind <= TYPE_ERROR_CONTEXT)
        return (struct val_ref){.primitive = type->kind};
    struct type_def def = {.kind = TYPE_DEF_VALUE, .value = structure(s, type)};
    return index_ref(shared(s, &def));
}

uint32_t wit_scope_func(struct wit_scope *s, const struct func_type *type)
{
    struct type_def def = {.kind = TYPE_DEF_FUNC};
    def.func.params = scope_fields(s, type->params, type->param_count);
    def.func.param_count = type->param_count;
    def.func.has_result = type->result != NULL;
    if (type->result)
        def.func.result = wit_scope_type(s, type->result);
    def.func.is_async = type->is_async;
    return shared(s, &def);
}

// ---- definitions --------------------------------------------------------------------------------

static struct str outside_name(struct wit_scope *s, struct str name)
{
    if (s->name_prefix.len == 0)
        return name;
    return arena_printf(&s->arena, "%.*s%.*s", STR_ARG(s->name_prefix), STR_ARG(name));
}

static uint32_t give_name(struct wit_scope *s, struct str name, uint32_t index)
{
    if (s->naming == WIT_EXPORTED)
        return encode_export_of(s->e, outside_name(s, name), SORT_TYPE, index);
    if (s->naming == WIT_IMPORTED)
        return encode_import_of(s->e, outside_name(s, name), SORT_TYPE, index);
    return index;
}

// Of a definition that is no alias.
static uint32_t define(struct wit_scope *s, const struct wit_typedef *def)
{
    if (def->type) {
        struct value_def value = structure(s, def->type);
        return give_name(s, def->name, encode_value_type(s->e, &value));
    }
    if (s->naming == WIT_UNNAMED) {
        s->missing = s->missing ? s->missing : def;
        return 0;
    }
    return encode_resource_bound(s->e, outside_name(s, def->name), s->naming == WIT_IMPORTED);
}

static uint32_t from_outside(struct wit_scope *s, const struct wit_typedef *def)
{
    uintptr_t instance = def->interface ? find(&s->instances, def->interface) : 0;
    if (instance > 0)
        return encode_alias_export(s->e, SORT_TYPE, (uint32_t)(instance - 1), def->name);
    if (!s->outer) {
        s->missing = s->missing ? s->missing : def;
        return 0;
    }
    uint32_t index = wit_scope_typedef(s->outer, def);
    if (s->outer->missing && !s->missing)
        s->missing = s->outer->missing;
    return s->outer->e == s->e ? index : encode_alias_outer(s->e, SORT_TYPE, 1, index);
}

// What the alias stands for is encoded first, however many names away.
uint32_t wit_scope_typedef(struct wit_scope *s, const struct wit_typedef *def)
{
    VEC(const struct wit_typedef *) aliases = {0};
    while (def->interface == s->interface && def->alias_of && find(&s->types, def) == 0) {
        *vec_push(&aliases) = def;
        def = def->alias_of;
    }
    uintptr_t known = find(&s->types, def);
    uint32_t index = (uint32_t)known - 1;
    if (known == 0) {
        index = def->interface == s->interface ? define(s, def) : from_outside(s, def);
        wit_scope_bind(s, def, index);
    }
    while (aliases.len > 0) {
        def = aliases.items[--aliases.len];
        index = give_name(s, def->name, index);
        wit_scope_bind(s, def, index);
    }
    vec_done(&aliases);
    return index;
}

// ---- interfaces and worlds ----------------------------------------------------------------------

const struct wit_func **wit_funcs_in_order(struct arena *arena,
                                           const struct wit_interface *interface)
{
    const struct wit_func **out =
        arena_new_array(arena, const struct wit_func *, interface->func_count);
    // Functions chained by resource, so that sorting them takes one pass over each list.
    uint32_t *next = arena_new_array(arena, uint32_t, interface->func_count);
    uint32_t *first = arena_new_array(arena, uint32_t, interface->type_count + 1);
    struct map positions = {0};
    for (uint32_t i = 0; i < interface->type_count; i++)
        (void)map_put(&positions, address_key(arena, interface->types[i]),
                      (void *)((uintptr_t)i + 1));
    uint32_t *tails = arena_new_array(arena, uint32_t, interface->type_count + 1);
    for (uint32_t i = 0; i < interface->func_count; i++) {
        uintptr_t position = find(&positions, interface->funcs[i]->resource);
        uint32_t chain = position > 0 ? (uint32_t)(position - 1) : interface->type_count;
        if (tails[chain] > 0)
            next[tails[chain] - 1] = i + 1;
        else
            first[chain] = i + 1;
        tails[chain] = i + 1;
    }
    uint32_t count = 0;
    for (uint32_t chain = 0; chain <= interface->type_count; chain++)
        for (uint32_t at = first[chain]; at > 0; at = next[at - 1])
            out[count++] = interface->funcs[at - 1];
    map_done(&positions);
    return out;
}

uint32_t wit_encode_interface(struct wit_scope *outer, const struct wit_interface *interface,
                              bool types_only)
{
    struct encoder type;
    encoder_init(&type, SCOPE_INSTANCE_TYPE);
    struct wit_scope s;
    wit_scope_init(&s, &type, WIT_EXPORTED);
    s.interface = interface;
    s.outer = outer;
    for (uint32_t i = 0; i < interface->type_count; i++)
        (void)wit_scope_typedef(&s, interface->types[i]);
    const struct wit_func **funcs = wit_funcs_in_order(&s.arena, interface);
    for (uint32_t i = 0; i < interface->func_count && !types_only; i++)
        (void)encode_export_of(&type, funcs[i]->symbol, SORT_FUNC,
                               wit_scope_func(&s, &funcs[i]->type));
    if (s.missing && !outer->missing)
        outer->missing = s.missing;
    wit_scope_done(&s);
    return encode_scope_type(outer->e, &type);
}

// An interface under a plain name says which one it is (Explainer.md "Import and Export
// Definitions", `implements`).
static struct extern_name instance_name(const struct wit_world_item *item)
{
    struct str id = item->interface->id;
    bool has_implements = item->interface->name.len > 0 && id.len > 0 && !str_eq(item->name, id);
    return (struct extern_name){.name = item->name,
                                .implements = has_implements ? id : STR_EMPTY,
                                .has_implements = has_implements};
}

static uint32_t encode_item(struct wit_scope *s, const struct wit_world_item *item, bool is_import)
{
    uint32_t (*declare)(struct encoder *, struct str, enum sort, uint32_t) =
        is_import ? encode_import_of : encode_export_of;
    struct extern_def type = {.sort = SORT_INSTANCE};
    uint32_t index = 0;
    switch (item->kind) {
    case WIT_ITEM_TYPE:
        return wit_scope_typedef(s, item->type);
    case WIT_ITEM_FUNC:
        return declare(s->e, item->name, SORT_FUNC, wit_scope_func(s, &item->func->type));
    case WIT_ITEM_INTERFACE:
        type.index = wit_encode_interface(s, item->interface, false);
        index = is_import ? encode_import(s->e, &(struct import_def){instance_name(item), type})
                          : encode_export(s->e, &(struct export_def){.name = instance_name(item),
                                                                     .type = type});
        wit_scope_bind_instance(s, item->interface, index);
        break;
    }
    return index;
}

uint32_t wit_encode_import(struct wit_scope *s, const struct wit_world_item *item)
{
    return encode_item(s, item, true);
}

uint32_t wit_encode_export(struct wit_scope *s, const struct wit_world_item *item)
{
    return encode_item(s, item, false);
}

int wit_encode_world(struct encoder *outer, const struct wit_world *world, uint32_t *index,
                     struct error *err)
{
    struct encoder type;
    encoder_init(&type, SCOPE_COMPONENT_TYPE);
    struct wit_scope s;
    wit_scope_init(&s, &type, WIT_IMPORTED);
    for (uint32_t i = 0; i < world->import_count; i++)
        (void)wit_encode_import(&s, &world->imports[i]);
    for (uint32_t i = 0; i < world->export_count; i++)
        (void)wit_encode_export(&s, &world->exports[i]);
    int rc = wit_scope_check(&s, err);
    wit_scope_done(&s);
    *index = encode_scope_type(outer, &type);
    return rc < 0 ? error_wrap(err, "world `%.*s`", STR_ARG(world->name)) : 0;
}

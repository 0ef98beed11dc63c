// SPDX-License-Identifier: Apache-2.0
#include "wit/renaming.h"

void renaming_init(struct renaming *r, struct arena *arena, const struct ast_rename *renames)
{
    *r = (struct renaming){.arena = arena, .renames = renames};
}

void renaming_done(struct renaming *r)
{
    map_done(&r->types);
    map_done(&r->nodes);
}

static const struct ast_rename *find_rename(const struct renaming *r, struct str name)
{
    const struct ast_rename *rename = r->renames;
    while (rename && !str_eq(rename->from.text, name))
        rename = rename->next;
    return rename;
}

static void *find(const struct map *map, const void *address)
{
    return address ? map_get(map, str_of((const char *)&address, sizeof(address))) : NULL;
}

static void put(struct renaming *r, struct map *map, const void *address, const void *value)
{
    struct str key = arena_str(r->arena, str_of((const char *)&address, sizeof(address)));
    (void)map_put(map, key, (void *)value);
}

static const struct type *new_type(struct renaming *r, const struct type *type);

// Copies with new parts when one of them is new. Types are nested TYPE_DEPTH_MAX deep at most.
static const struct type_field *new_fields(struct renaming *r, const struct type_field *fields,
                                           uint32_t count)
{
    struct type_field *out = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct type *type = new_type(r, fields[i].type);
        if (type == fields[i].type)
            continue;
        if (!out) {
            out = arena_new_array(r->arena, struct type_field, count);
            memcpy(out, fields, count * sizeof(*out));
        }
        out[i].type = type;
    }
    return out ? out : fields;
}

// Replaces the parts of a copy; true when one was replaced.
static bool renew_parts(struct renaming *r, struct type *type)
{
    const struct type before = *type;
    const struct wit_typedef *resource = find(&r->types, type->resource_def);
    if (resource)
        type->resource_def = resource;
    type->fields = new_fields(r, type->fields, type->field_count);
    type->element = new_type(r, type->element);
    type->error = new_type(r, type->error);
    return resource || type->fields != before.fields || type->element != before.element ||
           type->error != before.error;
}

static const struct type *new_type(struct renaming *r, const struct type *type)
{
    if (!type)
        return NULL;
    const struct wit_typedef *def = find(&r->types, type->def);
    if (type->def)
        return def ? def->type : type;
    const struct type *known = find(&r->nodes, type);
    if (known)
        return known;
    struct type copy = *type;
    const struct type *out = type;
    if (renew_parts(r, &copy)) {
        struct type *kept = arena_new(r->arena, struct type);
        *kept = copy;
        if (kept->kind == TYPE_OWN && kept->resource_def)
            kept->name = kept->resource_def->name;
        out = kept;
    }
    put(r, &r->nodes, type, out);
    return out;
}

void renaming_type(struct renaming *r, const struct wit_typedef *type)
{
    if (!type || !r->renames || find(&r->types, type))
        return;
    const struct ast_rename *rename = find_rename(r, type->name);
    const struct wit_typedef *alias = find(&r->types, type->alias_of);
    struct type node = type->type ? *type->type : (struct type){.kind = TYPE_BOOL};
    bool is_new = type->type && renew_parts(r, &node);
    if (!rename && !alias && !is_new)
        return;
    struct wit_typedef *out = arena_new(r->arena, struct wit_typedef);
    *out = *type;
    out->name = rename ? rename->to.text : type->name;
    out->alias_of = alias ? alias : type->alias_of;
    if (type->type) {
        struct type *kept = arena_new(r->arena, struct type);
        *kept = node;
        kept->def = out;
        kept->name = out->name;
        out->type = kept;
    }
    put(r, &r->types, type, out);
}

// "[method]r.m" becomes "[method]s.m" when r is renamed to s.
static struct str new_symbol(const struct renaming *r, const struct wit_func *func,
                             struct str resource)
{
    struct str prefix;
    struct str rest;
    struct str member;
    (void)str_cut(func->symbol, ']', &prefix, &rest);
    bool has_member = str_cut(rest, '.', &rest, &member);
    return arena_printf(r->arena, "%.*s]%.*s%s%.*s", STR_ARG(prefix), STR_ARG(resource),
                        has_member ? "." : "", STR_ARG(member));
}

static void new_func(struct renaming *r, struct wit_world_item *item)
{
    const struct wit_func *func = item->func;
    const struct ast_rename *rename = find_rename(r, item->name);
    const struct wit_typedef *resource = find(&r->types, func->resource);
    struct func_type type = func->type;
    type.params = new_fields(r, type.params, type.param_count);
    type.result = new_type(r, type.result);
    if (!rename && !resource && type.params == func->type.params &&
        type.result == func->type.result)
        return;
    struct wit_func *out = arena_new(r->arena, struct wit_func);
    *out = *func;
    out->type = type;
    if (resource) {
        out->resource = resource;
        out->symbol = new_symbol(r, func, resource->name);
        if (func->kind == WIT_FUNC_CONSTRUCTOR)
            out->name = resource->name;
        item->name = out->symbol;
    } else if (rename) {
        item->name = out->name = out->symbol = rename->to.text;
    }
    item->func = out;
}

void renaming_item(struct renaming *r, struct wit_world_item *item)
{
    if (!r->renames)
        return;
    if (item->kind == WIT_ITEM_FUNC) {
        new_func(r, item);
        return;
    }
    const struct wit_typedef *type = find(&r->types, item->type);
    const struct ast_rename *rename = find_rename(r, item->name);
    if (type)
        item->type = type;
    if (rename)
        item->name = rename->to.text;
}

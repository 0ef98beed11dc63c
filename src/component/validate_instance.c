// SPDX-License-Identifier: Apache-2.0
// Instantiation of components, bundles of exports, aliases (Binary.md "Instance Definitions",
// "Alias Definitions").
#include "component/validate_types.h"

static int instance_args(struct validator *v, const struct instance_def *def, struct v_externs *out)
{
    struct v_extern *args = arena_new_array(&v->arena, struct v_extern, def->item_count);
    for (uint32_t i = 0; i < def->item_count; i++) {
        args[i].name = def->items[i].name;
        int rc = v_work(v);
        if (rc == 0)
            rc = v_entity_at(v, def->items[i].item, &args[i].entity);
        if (rc < 0)
            return rc;
    }
    *out = v_externs_new(v, args, def->item_count);
    for (uint32_t i = 1; i < out->count; i++) {
        struct str name = out->items[out->by_name[i]].name;
        if (str_eq(out->items[out->by_name[i - 1]].name, name))
            return v_fail(v, "instantiation argument `%.*s` conflicts with a previous argument",
                          STR_ARG(name));
    }
    return 0;
}

static int match_args(struct validator *v, struct v_subst *s, const struct v_externs *imports,
                      const struct v_externs *args)
{
    int rc = v_work(v);
    for (uint32_t i = 0; i < imports->count && rc == 0; i++) {
        const struct v_extern *import = &imports->items[i];
        const struct v_entity *arg = v_find(args, import->name);
        if (!arg)
            return v_fail(v, "missing import named `%.*s`", STR_ARG(import->name));
        struct reader_path here = {v->r.path, "argument", i, import->name};
        v->r.path = &here;
        rc = v_match(v, s, &import->entity, arg);
        v->r.path = here.up;
    }
    return rc;
}

static const struct v_instance *instance_of(struct validator *v, struct v_subst *s,
                                            const struct v_component *component)
{
    const struct v_externs *exports = &component->exports;
    struct v_extern *made = arena_new_array(&v->arena, struct v_extern, exports->count);
    for (uint32_t i = 0; i < exports->count; i++) {
        made[i] = exports->items[i];
        if (v_work(v) < 0 || v_subst_entity(v, s, &made[i].entity) < 0)
            return NULL;
    }
    return v_instance_new(v, made, exports->count, (struct v_resources){NULL, 0});
}

static int instantiate(struct validator *v, const struct instance_def *def)
{
    const struct v_component *component = v->scope->components.items[def->target];
    struct v_externs args;
    int rc = instance_args(v, def, &args);
    if (rc < 0)
        return rc;
    struct v_subst s = {0};
    v_subst_variables(v, &s, component->imported);
    rc = match_args(v, &s, &component->imports, &args);
    if (rc == 0) {
        // Each instance has resources of its own.
        v_subst_fresh(v, &s, component->defined, &v->scope->defined);
        const struct v_instance *instance = instance_of(v, &s, component);
        rc = v->r.rc;
        if (instance)
            *vec_push(&v->scope->instances) = instance;
    }
    v_subst_done(&s);
    return rc;
}

static int bundle_items(struct validator *v, const struct instance_def *def, struct v_names names,
                        struct v_extern *exports)
{
    for (uint32_t i = 0; i < def->item_count; i++) {
        struct v_entity *entity = &exports[i].entity;
        exports[i].name = def->items[i].name;
        int rc = v_entity_at(v, def->items[i].item, entity);
        if (rc == 0 && entity->sort == SORT_TYPE)
            entity->type = v_type_renamed(v, entity->type);
        if (rc == 0)
            rc = v_register_name(v, names, &def->items[i].full, entity, SIDE_EXPORT);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int bundle(struct validator *v, const struct instance_def *def)
{
    struct map names = {0};
    struct map resources = {0};
    struct map by_label = {0};
    struct v_extern *exports = arena_new_array(&v->arena, struct v_extern, def->item_count);
    int rc = bundle_items(v, def, (struct v_names){&names, &resources, &by_label}, exports);
    map_done(&names);
    map_done(&resources);
    map_done(&by_label);
    if (rc < 0)
        return rc;
    const struct v_instance *instance =
        v_instance_new(v, exports, def->item_count, (struct v_resources){NULL, 0});
    if (instance)
        *vec_push(&v->scope->instances) = instance;
    return v->r.rc;
}

int v_define_instance(struct validator *v, const struct instance_def *def)
{
    return def->is_bundle ? bundle(v, def) : instantiate(v, def);
}

// ---- aliases ------------------------------------------------------------------------------------

static int alias_export(struct validator *v, const struct alias_def *def)
{
    const struct v_instance *instance = v->scope->instances.items[def->instance];
    const struct v_entity *entity = v_find(&instance->exports, def->name);
    if (!entity)
        return v_fail(v, "instance %u has no export named `%.*s`", def->instance,
                      STR_ARG(def->name));
    if (entity->sort != def->sort)
        return v_fail(v, "export `%.*s` of instance %u is not a %s", STR_ARG(def->name),
                      def->instance, sort_name(def->sort));
    int rc = v_add_entity(v, *entity);
    if (rc == 0 && v_is_export(v, SORT_INSTANCE, def->instance))
        v_note_export(v, entity->sort);
    return rc;
}

// A resource belongs to one instance of its component; a nested component is instantiated on its
// own and may not know of it.
static int check_closed(struct validator *v, struct v_type type)
{
    struct v_uses uses = {0};
    struct v_entity entity = {.sort = SORT_TYPE, .type = type};
    int rc = v_uses_add(v, &uses, &entity);
    for (size_t i = 0; i < uses.used.len && rc == 0; i++)
        if (!map_get(&uses.bound, uses.used.entries[i].key))
            rc = v_fail(v, "outer alias to a type that transitively refers to resources not "
                           "defined in the current component");
    v_uses_done(&uses);
    return rc;
}

static int alias_outer(struct validator *v, const struct alias_def *def)
{
    const struct v_scope *from = v->scope;
    bool leaves_component = false;
    for (uint32_t i = 0; i < def->outer; i++) {
        leaves_component |= from->def->kind == SCOPE_COMPONENT;
        from = from->parent;
    }
    if (def->sort == SORT_CORE_TYPE) {
        *vec_push(&v->scope->core_types) = from->core_types.items[def->index];
        return 0;
    }
    if (def->sort == SORT_CORE_MODULE) {
        *vec_push(&v->scope->modules) = from->modules.items[def->index];
        return 0;
    }
    if (def->sort == SORT_COMPONENT) {
        *vec_push(&v->scope->components) = from->components.items[def->index];
        return 0;
    }
    struct v_type type = from->types.items[def->index];
    int rc = leaves_component ? check_closed(v, type) : 0;
    if (rc < 0)
        return rc;
    *vec_push(&v->scope->types) = type;
    if (def->outer == 0 && v_is_export(v, SORT_TYPE, def->index))
        v_note_export(v, SORT_TYPE);
    return 0;
}

// Binary.md "Type Definitions": alias declarators.
static int check_declarator(struct validator *v, const struct alias_def *def)
{
    if (v->scope->def->kind == SCOPE_COMPONENT)
        return 0;
    bool fits = def->sort == SORT_TYPE ||
                def->sort == (def->kind == ALIAS_OUTER ? SORT_CORE_TYPE : SORT_INSTANCE);
    if (!fits)
        return v_fail(v, "aliases in component and instance types may only refer to types or "
                         "instances");
    return 0;
}

int v_define_alias(struct validator *v, const struct alias_def *def)
{
    int rc = check_declarator(v, def);
    if (rc < 0)
        return rc;
    switch (def->kind) {
    case ALIAS_EXPORT:
        return alias_export(v, def);
    case ALIAS_CORE_EXPORT:
        return v_alias_core_export(v, def);
    case ALIAS_OUTER:
        return alias_outer(v, def);
    }
    return 0;
}

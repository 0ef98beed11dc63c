// SPDX-License-Identifier: Apache-2.0
// External visibility of types (Explainer.md): resources, records, variants, enums and flags that
// an import or export uses must have been imported or exported under a name before.
#include "component/validate_types.h"

static bool is_visible(const struct validator *v, enum v_side side, struct v_key key)
{
    return v_get(&v->scope->visible[side], key) != NULL;
}

static void note(struct validator *v, enum v_side side, struct v_key key)
{
    // Imported names are as good for exports.
    v_put(v, &v->scope->visible[SIDE_EXPORT], key, v);
    if (side == SIDE_IMPORT)
        v_put(v, &v->scope->visible[SIDE_IMPORT], key, v);
}

static bool value_visible(struct validator *v, enum v_side side, const struct type *t);

// The parts of a type that is being named itself.
static bool parts_visible(struct validator *v, enum v_side side, const struct type *t)
{
    if (!t || v_is_primitive(t))
        return true;
    if (v_work(v) < 0)
        return false;
    if (t->resource)
        return is_visible(v, side, v_resource_key(v_resource_of(t->resource)));
    if (!value_visible(v, side, t->element) || !value_visible(v, side, t->error))
        return false;
    for (uint32_t i = 0; i < t->field_count; i++)
        if (!value_visible(v, side, t->fields[i].type))
            return false;
    return true;
}

static bool must_be_named(const struct type *t)
{
    return t->kind == TYPE_RECORD || t->kind == TYPE_VARIANT || t->kind == TYPE_ENUM ||
           t->kind == TYPE_FLAGS;
}

static bool value_visible(struct validator *v, enum v_side side, const struct type *t)
{
    if (!t || v_is_primitive(t))
        return true;
    if (must_be_named(t))
        return is_visible(v, side, v_key_of(t, NULL));
    // What was found to be all right stays so.
    struct v_key found = v_key_of(t, &v_unset);
    if (v_get(&v->scope->visible[side], found))
        return true;
    if (!parts_visible(v, side, t))
        return false;
    v_put(v, &v->scope->visible[side], found, t);
    return true;
}

static bool func_visible(struct validator *v, enum v_side side, const struct v_func *func)
{
    for (uint32_t i = 0; i < func->type.param_count; i++)
        if (!value_visible(v, side, func->type.params[i].type))
            return false;
    return v_work(v) == 0 && value_visible(v, side, func->type.result);
}

static bool type_visible(struct validator *v, enum v_side side, struct v_type type);

// The types that an instance exports have names for what comes after them.
static bool instance_visible(struct validator *v, enum v_side side, const struct v_instance *i)
{
    for (uint32_t n = 0; n < i->exports.count; n++) {
        const struct v_entity *entity = &i->exports.items[n].entity;
        bool is_visible = v_work(v) == 0;
        if (entity->sort == SORT_FUNC)
            is_visible &= func_visible(v, side, entity->func);
        else if (entity->sort == SORT_TYPE)
            is_visible &= type_visible(v, side, entity->type);
        else if (entity->sort == SORT_VALUE)
            is_visible &= parts_visible(v, side, entity->value);
        else if (entity->sort == SORT_INSTANCE)
            is_visible &= instance_visible(v, side, entity->instance);
        if (!is_visible)
            return false;
        if (entity->sort == SORT_TYPE)
            note(v, side, v_type_key(entity->type));
    }
    return true;
}

static bool type_visible(struct validator *v, enum v_side side, struct v_type type)
{
    switch (type.kind) {
    case TYPE_DEF_VALUE:
        return parts_visible(v, side, type.value);
    case TYPE_DEF_FUNC:
        return func_visible(v, side, type.func);
    case TYPE_DEF_INSTANCE:
        return instance_visible(v, side, type.instance);
    case TYPE_DEF_RESOURCE:
    case TYPE_DEF_COMPONENT: // was checked when it was made
        return true;
    }
    return true;
}

static bool entity_visible(struct validator *v, enum v_side side, const struct v_entity *entity)
{
    if (v_work(v) < 0)
        return false;
    switch (entity->sort) {
    case SORT_FUNC:
        return func_visible(v, side, entity->func);
    case SORT_VALUE:
        return value_visible(v, side, entity->value);
    case SORT_TYPE:
        if (!type_visible(v, side, entity->type))
            return false;
        note(v, side, v_type_key(entity->type));
        return true;
    case SORT_INSTANCE:
        for (uint32_t i = 0; i < entity->instance->exports.count; i++)
            if (!entity_visible(v, side, &entity->instance->exports.items[i].entity))
                return false;
        return true;
    default:
        return true;
    }
}

int v_check_visible(struct validator *v, enum v_side side, const struct v_entity *entity)
{
    // Instance types are checked when something of that type is imported or exported.
    if (v->scope->def->kind == SCOPE_INSTANCE_TYPE || entity_visible(v, side, entity))
        return v->r.rc;
    if (v->r.rc < 0)
        return v->r.rc;
    return v_fail(v, "%s not valid to be used as %s: it refers to a type that is not %s",
                  entity->sort == SORT_FUNC ? "func" : v_sort_name(entity),
                  side == SIDE_IMPORT ? "import" : "export",
                  side == SIDE_IMPORT ? "imported" : "imported or exported");
}

static struct v_key index_key(enum sort sort, size_t index)
{
    return (struct v_key){{(uintptr_t)sort, index}};
}

void v_note_export(struct validator *v, enum sort sort)
{
    struct v_scope *scope = v->scope;
    if (sort == SORT_TYPE)
        v_put(v, &scope->export_index, index_key(sort, scope->types.len - 1), v);
    else if (sort == SORT_INSTANCE)
        v_put(v, &scope->export_index, index_key(sort, scope->instances.len - 1), v);
}

bool v_is_export(const struct validator *v, enum sort sort, uint32_t index)
{
    return v_get(&v->scope->export_index, index_key(sort, index)) != NULL;
}

// Imported types cannot refer to the external names of exported types, not by an equality bound
// either (Explainer.md "External Visibility of Types").
int v_check_acyclic(struct validator *v, const struct extern_def *import)
{
    if (import->sort == SORT_TYPE && !import->is_resource &&
        v_is_export(v, SORT_TYPE, import->index))
        return v_fail(v, "type not valid to be used as import: it equals an exported type");
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Imports and exports (Binary.md "Import and Export Definitions").
#include "component/validate_types.h"

// ---- annotated names ----------------------------------------------------------------------------

// The plain name under which the scope knows the resource.
static int check_resource_name(struct validator *v, struct v_names names, struct str want,
                               const struct resource_type *node)
{
    const struct str *name = v_get(names.resources, v_resource_key(v_resource_of(node)));
    if (!name)
        return v_fail(v, "resource used in function does not have a name in this context");
    if (!str_eq(*name, want))
        return v_fail(v, "function does not match expected resource name `%.*s`", STR_ARG(*name));
    return 0;
}

static int check_constructor(struct validator *v, struct v_names names, const struct v_name *name,
                             const struct func_type *type)
{
    const struct type *result = type->result;
    if (!result)
        return v_fail(v, "a constructor should return one value");
    if (result->kind == TYPE_RESULT)
        result = result->element;
    if (!result || result->kind != TYPE_OWN)
        return v_fail(v, "function should return `(own $T)` or `(result (own $T))`");
    return check_resource_name(v, names, name->resource, result->resource);
}

static int check_method(struct validator *v, struct v_names names, const struct v_name *name,
                        const struct func_type *type)
{
    if (type->param_count == 0)
        return v_fail(v, "a method should have at least one argument");
    if (!str_is(type->params[0].name, "self"))
        return v_fail(v, "a method should have a first argument called `self`");
    if (type->params[0].type->kind != TYPE_BORROW)
        return v_fail(v, "a method should take a first argument of `(borrow $T)`");
    return check_resource_name(v, names, name->resource, type->params[0].type->resource);
}

static int check_annotation(struct validator *v, struct v_names names, const struct v_name *name,
                            const struct v_entity *entity)
{
    if (name->kind != NAME_CONSTRUCTOR && name->kind != NAME_METHOD && name->kind != NAME_STATIC)
        return 0;
    if (entity->sort != SORT_FUNC)
        return v_fail(v, "%s with the name of a function is not a func", v_sort_name(entity));
    if (name->kind == NAME_CONSTRUCTOR)
        return check_constructor(v, names, name, &entity->func->type);
    if (name->kind == NAME_METHOD)
        return check_method(v, names, name, &entity->func->type);
    if (!map_get(names.by_label, name->resource))
        return v_fail(v, "static resource name is not known in this context");
    return 0;
}

// ---- attributes ---------------------------------------------------------------------------------

static int check_implements(struct validator *v, const struct extern_name *name,
                            const struct v_name *parsed, const struct v_entity *entity)
{
    struct v_name interface;
    int rc = v_name_parse(v, name->implements, &interface);
    if (rc < 0)
        return rc;
    if (interface.kind != NAME_INTERFACE)
        return v_fail(v, "`implements` value `%.*s` must be an interface name",
                      STR_ARG(name->implements));
    if (entity->sort != SORT_INSTANCE)
        return v_fail(v, "only instances can have an `implements`");
    if (parsed->kind != NAME_LABEL)
        return v_fail(v, "name `%.*s` is not valid with `implements`", STR_ARG(name->name));
    return 0;
}

static int check_version_suffix(struct validator *v, const struct extern_name *name)
{
    int rc = v_require(v, v->features->component_model_canonical_names,
                       "component-model-canonical-names", "a version suffix");
    if (rc < 0)
        return rc;
    struct v_name whole;
    struct str text =
        arena_printf(&v->arena, "%.*s%.*s", STR_ARG(name->name), STR_ARG(name->version_suffix));
    if (name->version_suffix.len == 0 || str_find_char(name->name, '@') < 0)
        return v_fail(v, "version suffix without a version");
    return v_name_parse(v, text, &whole);
}

static int check_attributes(struct validator *v, const struct extern_name *name,
                            const struct v_name *parsed, const struct v_entity *entity)
{
    if (!name->has_attributes)
        return 0;
    int rc = 0;
    if (name->has_version_suffix)
        rc = check_version_suffix(v, name);
    else
        rc = v_require(v, v->features->component_model_implements, "component-model-implements",
                       "a name with attributes");
    if (rc == 0 && name->has_implements)
        rc = check_implements(v, name, parsed, entity);
    return rc;
}

// ---- names --------------------------------------------------------------------------------------

static void note_resource(struct validator *v, struct v_names names, struct str name,
                          const struct v_entity *entity)
{
    if (entity->sort != SORT_TYPE || entity->type.kind != TYPE_DEF_RESOURCE)
        return;
    struct str *copy = arena_new(&v->arena, struct str);
    *copy = name;
    v_put(v, names.resources, v_resource_key(entity->type.resource), copy);
    (void)map_put(names.by_label, name, copy);
}

int v_register_name(struct validator *v, struct v_names names, const struct extern_name *name,
                    const struct v_entity *entity, enum v_side side)
{
    const char *what = side == SIDE_IMPORT ? "import" : "export";
    struct v_name parsed;
    int rc = v_name_parse(v, name->name, &parsed);
    if (rc < 0)
        return rc;
    if (side == SIDE_EXPORT && parsed.kind == NAME_DEPENDENCY)
        return v_fail(v, "name `%.*s` is not a valid export name", STR_ARG(name->name));
    struct str *written = arena_new(&v->arena, struct str);
    *written = name->name;
    const struct str *former =
        map_put(names.names, v_name_canonical(v, name->name, &parsed), written);
    if (former)
        return v_fail(v, "%s name `%.*s` conflicts with previous name `%.*s`", what,
                      STR_ARG(name->name), STR_ARG(*former));
    rc = check_attributes(v, name, &parsed, entity);
    if (rc == 0)
        rc = check_annotation(v, names, &parsed, entity);
    if (rc == 0 && parsed.kind == NAME_LABEL)
        note_resource(v, names, name->name, entity);
    return rc;
}

static struct v_names scope_names(struct v_scope *scope, enum v_side side)
{
    return (struct v_names){
        .names = side == SIDE_IMPORT ? &scope->import_names : &scope->export_names,
        .resources = &scope->resources[side],
        .by_label = &scope->by_label[side],
    };
}

// ---- entities -----------------------------------------------------------------------------------

static int extern_module(struct validator *v, uint32_t index, struct v_entity *out)
{
    out->module = v->scope->core_types.items[index].module;
    if (!out->module)
        return v_fail(v, "core type %u is not a module type", index);
    return 0;
}

static int extern_value(struct validator *v, const struct extern_def *def, struct v_entity *out)
{
    int rc = v_require(v, v->features->component_model_values, "component-model-values",
                       "a value import or export");
    if (rc < 0)
        return rc;
    if (!def->is_eq_value)
        return v_value_at(v, def->value, &out->value);
    out->value = v->scope->values.items[def->index].type;
    return 0;
}

static int extern_type(struct validator *v, const struct extern_def *def, struct v_entity *out)
{
    if (def->is_resource)
        out->type = (struct v_type){TYPE_DEF_RESOURCE, .resource = v_resource_new(v)};
    else
        out->type = v_type_renamed(v, v->scope->types.items[def->index]);
    return 0;
}

int v_extern_type(struct validator *v, const struct extern_def *def, struct v_entity *out)
{
    struct v_type type;
    int rc = 0;
    out->sort = def->sort;
    switch (def->sort) {
    case SORT_CORE_MODULE:
        return extern_module(v, def->index, out);
    case SORT_VALUE:
        return extern_value(v, def, out);
    case SORT_TYPE:
        return extern_type(v, def, out);
    case SORT_FUNC:
        rc = v_type_at(v, def->index, TYPE_DEF_FUNC, &type);
        break;
    case SORT_COMPONENT:
        rc = v_type_at(v, def->index, TYPE_DEF_COMPONENT, &type);
        break;
    default:
        rc = v_type_at(v, def->index, TYPE_DEF_INSTANCE, &type);
    }
    if (rc < 0)
        return rc;
    if (def->sort == SORT_FUNC)
        out->func = type.func;
    else if (def->sort == SORT_COMPONENT)
        out->component = type.component;
    else
        out->instance = type.instance;
    return 0;
}

int v_entity_at(struct validator *v, struct sort_index item, struct v_entity *out)
{
    struct v_scope *scope = v->scope;
    out->sort = item.sort;
    switch (item.sort) {
    case SORT_CORE_MODULE:
        out->module = scope->modules.items[item.index];
        return 0;
    case SORT_FUNC:
        out->func = scope->funcs.items[item.index];
        return 0;
    case SORT_VALUE:
        if (scope->values.items[item.index].is_used)
            return v_fail(v, "value %u is used a second time", item.index);
        scope->values.items[item.index].is_used = true;
        out->value = scope->values.items[item.index].type;
        return 0;
    case SORT_TYPE:
        out->type = scope->types.items[item.index];
        return 0;
    case SORT_COMPONENT:
        out->component = scope->components.items[item.index];
        return 0;
    case SORT_INSTANCE:
        out->instance = scope->instances.items[item.index];
        return 0;
    default:
        return v_fail(v, "a %s cannot be an argument or export", sort_name(item.sort));
    }
}

int v_add_entity(struct validator *v, struct v_entity entity)
{
    struct v_scope *scope = v->scope;
    switch (entity.sort) {
    case SORT_CORE_MODULE:
        *vec_push(&scope->modules) = entity.module;
        return 0;
    case SORT_FUNC:
        *vec_push(&scope->funcs) = entity.func;
        return 0;
    case SORT_VALUE:
        *vec_push(&scope->values) = (struct v_value_item){.type = entity.value};
        return 0;
    case SORT_TYPE:
        *vec_push(&scope->types) = entity.type;
        return 0;
    case SORT_COMPONENT:
        *vec_push(&scope->components) = entity.component;
        return 0;
    case SORT_INSTANCE:
        *vec_push(&scope->instances) = entity.instance;
        return 0;
    default:
        return v_fail(v, "a %s cannot be imported or exported", sort_name(entity.sort));
    }
}

// ---- imports and exports ------------------------------------------------------------------------

// The resources that an instance type binds become this scope's.
static int open_instance(struct validator *v, struct v_entity *entity, v_resource_list *into)
{
    if (entity->sort != SORT_INSTANCE || entity->instance->defined.count == 0)
        return 0;
    struct v_subst s = {0};
    v_subst_fresh(v, &s, entity->instance->defined, into);
    int rc = v_subst_entity(v, &s, entity);
    v_subst_done(&s);
    if (rc < 0)
        return rc;
    const struct v_externs *exports = &entity->instance->exports;
    entity->instance =
        v_instance_new(v, exports->items, exports->count, (struct v_resources){NULL, 0});
    return entity->instance ? 0 : v->r.rc;
}

static int add_extern(struct validator *v, const struct extern_name *name,
                      const struct extern_def *type, struct v_entity entity, enum v_side side)
{
    struct v_scope *scope = v->scope;
    v_resource_list *fresh = side == SIDE_IMPORT ? &scope->imported : &scope->defined;
    int rc = 0;
    if (type && type->sort == SORT_TYPE && type->is_resource)
        *vec_push(fresh) = entity.type.resource;
    else
        rc = open_instance(v, &entity, fresh);
    if (rc == 0)
        rc = v_check_visible(v, side, &entity);
    if (rc == 0)
        rc = v_register_name(v, scope_names(scope, side), name, &entity, side);
    if (rc == 0)
        rc = v_add_entity(v, entity);
    if (rc < 0)
        return rc;
    if (side == SIDE_EXPORT)
        v_note_export(v, entity.sort);
    // What is exported has been used by that.
    if (entity.sort == SORT_VALUE && side == SIDE_EXPORT)
        scope->values.items[scope->values.len - 1].is_used = true;
    struct v_extern item = {name->name, entity};
    if (side == SIDE_IMPORT)
        *vec_push(&scope->imports) = item;
    else
        *vec_push(&scope->exports) = item;
    return 0;
}

int v_define_import(struct validator *v, const struct import_def *def)
{
    struct v_entity entity;
    int rc = v_check_acyclic(v, &def->type);
    if (rc == 0)
        rc = v_extern_type(v, &def->type, &entity);
    return rc < 0 ? rc : add_extern(v, &def->name, &def->type, entity, SIDE_IMPORT);
}

// The type that an export declares stands for that of the item from there on.
static int ascribe(struct validator *v, const struct export_def *def, struct v_entity *entity)
{
    struct v_entity want;
    int rc = v_extern_type(v, &def->type, &want);
    if (rc < 0)
        return rc;
    struct v_subst s = {0};
    if (def->type.sort == SORT_TYPE && def->type.is_resource) {
        const struct v_resource *items[] = {want.type.resource};
        v_subst_variables(v, &s, (struct v_resources){items, 1});
    }
    struct reader_path here = {v->r.path, "ascribed type of export is not compatible", 0,
                               def->name.name};
    v->r.path = &here;
    rc = v_match(v, &s, &want, entity);
    v->r.path = here.up;
    v_subst_done(&s);
    *entity = want;
    return rc;
}

static int define_export(struct validator *v, const struct export_def *def)
{
    struct v_entity entity;
    int rc = v_entity_at(v, def->item, &entity);
    if (rc == 0 && entity.sort == SORT_TYPE && !def->has_type)
        entity.type = v_type_renamed(v, entity.type);
    if (rc == 0 && def->has_type)
        rc = ascribe(v, def, &entity);
    return rc < 0
               ? rc
               : add_extern(v, &def->name, def->has_type ? &def->type : NULL, entity, SIDE_EXPORT);
}

int v_define_export(struct validator *v, const struct export_def *def)
{
    if (v->scope->def->kind == SCOPE_COMPONENT)
        return define_export(v, def);
    struct v_entity entity;
    int rc = v_extern_type(v, &def->type, &entity);
    return rc < 0 ? rc : add_extern(v, &def->name, &def->type, entity, SIDE_EXPORT);
}

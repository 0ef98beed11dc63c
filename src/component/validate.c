// SPDX-License-Identifier: Apache-2.0
// Goes through the definitions of a component and those in it; what a scope comes to is its type.
#include "component/validate.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "component/validate_types.h"

// ---- features -----------------------------------------------------------------------------------

struct component_features component_features_default(void)
{
    return (struct component_features){
        .component_model_async = true,
        .component_model_async_stackful = true,
        .component_model_more_async_builtins = true,
        .component_model_threading = true,
        .component_model_error_context = true,
        .component_model_fixed_length_lists = true,
        .component_model_map = true,
        .component_model_implements = true,
        .exceptions = true,
    };
}

#define FEATURE(name, field)                                                                       \
    {                                                                                              \
        STR_INIT(name), offsetof(struct component_features, field)                                 \
    }
static const struct {
    struct str name;
    size_t offset;
} features[] = {
    FEATURE("component-model-async", component_model_async),
    FEATURE("component-model-async-stackful", component_model_async_stackful),
    FEATURE("component-model-more-async-builtins", component_model_more_async_builtins),
    FEATURE("component-model-threading", component_model_threading),
    FEATURE("component-model-error-context", component_model_error_context),
    FEATURE("component-model-fixed-length-lists", component_model_fixed_length_lists),
    FEATURE("component-model-map", component_model_map),
    FEATURE("component-model-implements", component_model_implements),
    FEATURE("component-model-cancellable", component_model_cancellable),
    FEATURE("component-model-values", component_model_values),
    FEATURE("component-model-canonical-names", component_model_canonical_names),
    FEATURE("shared-everything-threads", shared_everything_threads),
    FEATURE("exceptions", exceptions),
};

int component_features_set(struct component_features *set, struct str name, bool on)
{
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        if (str_eq(features[i].name, name)) {
            *(bool *)((char *)set + features[i].offset) = on;
            return 0;
        }
    }
    return -ENOENT;
}

const char *component_features_name(size_t index)
{
    return index < ARRAY_LEN(features) ? features[index].name.data : NULL;
}

int v_require(struct validator *v, bool on, const char *feature, const char *what)
{
    return on ? 0 : v_fail(v, "%s requires the feature %s, which is off", what, feature);
}

int v_work(struct validator *v)
{
    if (v->arena.used > VALIDATE_MEMORY_MAX)
        return v_fail(v, "types too large: more than %zu bytes made", VALIDATE_MEMORY_MAX);
    if (++v->work <= VALIDATE_WORK_MAX)
        return 0;
    return v_fail(v, "types too large to compare: more than %u parts visited", VALIDATE_WORK_MAX);
}

void v_put(struct validator *v, struct map *map, struct v_key key, const void *value)
{
    struct v_key *copy = arena_new(&v->arena, struct v_key);
    *copy = key;
    (void)map_put(map, v_key_str(copy), (void *)value);
}

// ---- definitions --------------------------------------------------------------------------------

static int define_type(struct validator *v, const struct definition *def)
{
    struct v_type type;
    int rc = v_define_type(v, def->type, &type);
    if (rc == 0)
        *vec_push(&v->scope->types) = type;
    return rc;
}

static int define_component(struct validator *v, const struct definition *def)
{
    const struct v_component *component;
    int rc = v_scope_component(v, def->component, &component);
    if (rc == 0)
        *vec_push(&v->scope->components) = component;
    return rc;
}

static int define_value(struct validator *v, const struct definition *def)
{
    struct v_value_item item = {0};
    int rc = v_require(v, v->features->component_model_values, "component-model-values",
                       "a value definition");
    if (rc == 0)
        rc = v_value_at(v, def->value, &item.type);
    if (rc == 0)
        *vec_push(&v->scope->values) = item;
    return rc;
}

static int start_arg(struct validator *v, const struct func_type *type, uint32_t i, uint32_t index)
{
    struct v_entity want = {.sort = SORT_VALUE, .value = type->params[i].type};
    struct v_entity actual;
    int rc = v_entity_at(v, (struct sort_index){SORT_VALUE, index}, &actual);
    return rc < 0 ? rc : v_subtype(v, &want, &actual);
}

static int define_start(struct validator *v, const struct definition *def)
{
    const struct start_def *start = def->start;
    const struct func_type *type = &v->scope->funcs.items[start->func]->type;
    int rc = v_require(v, v->features->component_model_values, "component-model-values",
                       "a start definition");
    if (rc < 0)
        return rc;
    if (start->arg_count != type->param_count)
        return v_fail(v, "start with %u arguments for %u parameters", start->arg_count,
                      type->param_count);
    if (start->result_count != (type->result ? 1 : 0))
        return v_fail(v, "start with another number of results than its function");
    for (uint32_t i = 0; i < start->arg_count && rc == 0; i++)
        rc = start_arg(v, type, i, start->args[i]);
    if (rc == 0 && type->result)
        *vec_push(&v->scope->values) = (struct v_value_item){.type = type->result};
    return rc;
}

static int define(struct validator *v, const struct definition *def)
{
    switch (def->kind) {
    case DEF_CORE_MODULE:
        return v_define_core_module(v, def->module);
    case DEF_CORE_INSTANCE:
        return v_define_core_instance(v, def->instance);
    case DEF_CORE_TYPE:
        return v_define_core_type(v, def->core_type);
    case DEF_COMPONENT:
        return define_component(v, def);
    case DEF_INSTANCE:
        return v_define_instance(v, def->instance);
    case DEF_ALIAS:
        return v_define_alias(v, def->alias);
    case DEF_TYPE:
        return define_type(v, def);
    case DEF_CANON:
        return v_define_canon(v, def->canon);
    case DEF_START:
        return define_start(v, def);
    case DEF_IMPORT:
        return v_define_import(v, def->import);
    case DEF_EXPORT:
        return v_define_export(v, def->export);
    case DEF_VALUE:
        return define_value(v, def);
    }
    return 0;
}

// How messages call a definition.
static struct reader_path path_of(const struct validator *v, const struct definition *def,
                                  uint32_t number)
{
    const struct v_scope *s = v->scope;
    struct reader_path path = {v->r.path, "definition", number, STR_EMPTY};
    switch (def->kind) {
    case DEF_CORE_MODULE:
        path.what = "core module";
        path.index = (uint32_t)s->modules.len;
        break;
    case DEF_CORE_INSTANCE:
        path.what = "core instance";
        path.index = (uint32_t)s->core_instances.len;
        break;
    case DEF_CORE_TYPE:
        path.what = "core type";
        path.index = (uint32_t)s->core_types.len;
        break;
    case DEF_COMPONENT:
        path.what = "component";
        path.index = (uint32_t)s->components.len;
        break;
    case DEF_INSTANCE:
        path.what = "component instance";
        path.index = (uint32_t)s->instances.len;
        break;
    case DEF_ALIAS:
        path.what = "alias";
        path.name = def->alias->kind == ALIAS_OUTER ? STR_EMPTY : def->alias->name;
        break;
    case DEF_TYPE:
        path.what = "type";
        path.index = (uint32_t)s->types.len;
        break;
    case DEF_CANON:
        path.what = "canonical definition";
        path.name = str_from(canon_kind_name(def->canon->kind));
        break;
    case DEF_START:
        path.what = "start";
        break;
    case DEF_IMPORT:
        path.what = "import";
        path.name = def->import->name.name;
        break;
    case DEF_EXPORT:
        path.what = "export";
        path.name = def->export->name.name;
        break;
    case DEF_VALUE:
        path.what = "value";
        path.index = (uint32_t)s->values.len;
        break;
    }
    return path;
}

static int walk(struct validator *v)
{
    const struct component *scope = v->scope->def;
    for (uint32_t i = 0; i < scope->def_count; i++) {
        const struct definition *def = &scope->defs[i];
        struct reader_path here = path_of(v, def, i);
        v->r.path = &here;
        v->at = def->offset;
        int rc = define(v, def);
        v->r.path = here.up;
        if (rc < 0)
            return rc;
    }
    return 0;
}

// ---- what a scope comes to ----------------------------------------------------------------------

// Resources that an export names.
static int note_exported(struct validator *v, struct map *exported, const struct v_entity *entity)
{
    int rc = v_work(v);
    if (entity->sort == SORT_TYPE && entity->type.kind == TYPE_DEF_RESOURCE)
        v_put(v, exported, v_key_of(entity->type.resource->of, NULL), entity->type.resource->of);
    if (entity->sort != SORT_INSTANCE)
        return rc;
    const struct v_externs *exports = &entity->instance->exports;
    for (uint32_t i = 0; i < exports->count && rc == 0; i++)
        rc = note_exported(v, exported, &exports->items[i].entity);
    return rc;
}

static int check_imports_closed(struct validator *v, const struct v_scope *scope)
{
    struct v_uses uses = {0};
    int rc = 0;
    for (size_t i = 0; i < scope->imports.len && rc == 0; i++)
        rc = v_uses_add(v, &uses, &scope->imports.items[i].entity);
    for (size_t i = 0; i < scope->defined.len && rc == 0; i++)
        if (v_get(&uses.used, v_key_of(scope->defined.items[i], NULL)))
            rc = v_fail(v, "an import refers to a resource type that is defined here");
    v_uses_done(&uses);
    return rc;
}

// The resources of this scope that its type binds: those it exports. Others must not show.
static int export_resources(struct validator *v, struct v_scope *scope, struct v_resources *out)
{
    struct map exported = {0};
    struct v_uses uses = {0};
    v_resource_list bound = {0};
    int rc = 0;
    for (size_t i = 0; i < scope->exports.len && rc == 0; i++) {
        rc = note_exported(v, &exported, &scope->exports.items[i].entity);
        if (rc == 0)
            rc = v_uses_add(v, &uses, &scope->exports.items[i].entity);
    }
    for (size_t i = 0; i < scope->defined.len && rc == 0; i++) {
        const struct v_resource *resource = scope->defined.items[i];
        if (v_get(&exported, v_key_of(resource, NULL)))
            *vec_push(&bound) = resource;
        else if (v_get(&uses.used, v_key_of(resource, NULL)))
            rc = v_fail(v, "local resource type found in export but not exported itself");
    }
    *out = v_resources_new(v, &bound);
    vec_done(&bound);
    map_done(&exported);
    v_uses_done(&uses);
    return rc;
}

static int check_values_used(struct validator *v, const struct v_scope *scope)
{
    for (size_t i = 0; i < scope->values.len; i++)
        if (!scope->values.items[i].is_used)
            return v_fail(v, "value %zu is never used", i);
    return 0;
}

static void scope_done(struct v_scope *scope)
{
    vec_done(&scope->core_types);
    for (size_t i = 0; i < ARRAY_LEN(scope->core_items); i++)
        vec_done(&scope->core_items[i]);
    vec_done(&scope->modules);
    vec_done(&scope->core_instances);
    vec_done(&scope->types);
    vec_done(&scope->funcs);
    vec_done(&scope->components);
    vec_done(&scope->instances);
    vec_done(&scope->values);
    vec_done(&scope->imports);
    vec_done(&scope->exports);
    vec_done(&scope->imported);
    vec_done(&scope->defined);
    map_done(&scope->import_names);
    map_done(&scope->export_names);
    map_done(&scope->export_index);
    map_done(&scope->locals);
    for (size_t side = 0; side < ARRAY_LEN(scope->visible); side++) {
        map_done(&scope->visible[side]);
        map_done(&scope->resources[side]);
        map_done(&scope->by_label[side]);
    }
}

static int component_of(struct validator *v, struct v_scope *scope, const struct v_component **out)
{
    struct v_component *component = arena_new(&v->arena, struct v_component);
    int rc = check_imports_closed(v, scope);
    if (rc == 0)
        rc = export_resources(v, scope, &component->defined);
    if (rc == 0 && scope->def->kind == SCOPE_COMPONENT)
        rc = check_values_used(v, scope);
    if (rc < 0)
        return rc;
    component->imports = v_externs_new(v, scope->imports.items, (uint32_t)scope->imports.len);
    component->exports = v_externs_new(v, scope->exports.items, (uint32_t)scope->exports.len);
    component->imported = v_resources_new(v, &scope->imported);
    *out = v_component_finish(v, component);
    return *out ? 0 : v->r.rc;
}

int v_scope_component(struct validator *v, const struct component *def,
                      const struct v_component **out)
{
    struct v_scope scope = {.parent = v->scope, .def = def};
    v->scope = &scope;
    int rc = walk(v);
    if (rc == 0)
        rc = component_of(v, &scope, out);
    v->scope = scope.parent;
    scope_done(&scope);
    return rc;
}

int v_scope_instance(struct validator *v, const struct component *def,
                     const struct v_instance **out)
{
    struct v_scope scope = {.parent = v->scope, .def = def};
    struct v_resources defined;
    v->scope = &scope;
    int rc = walk(v);
    if (rc == 0)
        rc = export_resources(v, &scope, &defined);
    if (rc == 0) {
        *out = v_instance_new(v, scope.exports.items, (uint32_t)scope.exports.len, defined);
        rc = *out ? 0 : v->r.rc;
    }
    v->scope = scope.parent;
    scope_done(&scope);
    return rc;
}

int component_validate(const struct component *component, const struct component_features *wanted,
                       struct error *err)
{
    struct component_features defaults = component_features_default();
    struct validator v = {
        .arena = ARENA_INIT(SIZE_MAX),
        .features = wanted ? wanted : &defaults,
    };
    reader_init(&v.r, STR_EMPTY, 0, "component", err);
    const struct v_component *type;
    int rc = v_scope_component(&v, component, &type);
    map_done(&v.subtypes);
    arena_done(&v.arena);
    return rc;
}

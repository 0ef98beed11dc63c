// SPDX-License-Identifier: Apache-2.0
// Type definitions to nodes (Binary.md "Type Definitions").
#include <assert.h>
#include <errno.h>

#include "component/validate_types.h"

static const char *const kind_names[] = {
    [TYPE_DEF_VALUE] = "a value type",        [TYPE_DEF_FUNC] = "a function type",
    [TYPE_DEF_RESOURCE] = "a resource type",  [TYPE_DEF_COMPONENT] = "a component type",
    [TYPE_DEF_INSTANCE] = "an instance type",
};

const char *v_type_kind_name(enum type_def_kind kind)
{
    return kind_names[kind];
}

const char *v_sort_name(const struct v_entity *entity)
{
    return sort_name(entity->sort);
}

// ---- sizes --------------------------------------------------------------------------------------

static struct v_size size_of_value(const struct type *t)
{
    return v_is_primitive(t) ? (struct v_size){1, 0} : v_value_of(t)->size;
}

static struct v_size size_of_type(struct v_type type)
{
    switch (type.kind) {
    case TYPE_DEF_VALUE:
        return size_of_value(type.value);
    case TYPE_DEF_FUNC:
        return type.func->size;
    case TYPE_DEF_RESOURCE:
        return (struct v_size){1, 0};
    case TYPE_DEF_COMPONENT:
        return type.component->size;
    case TYPE_DEF_INSTANCE:
        return type.instance->size;
    }
    return (struct v_size){1, 0};
}

static struct v_size size_of_entity(const struct v_entity *entity)
{
    switch (entity->sort) {
    case SORT_CORE_MODULE:
        return (struct v_size){1 + entity->module->import_count + entity->module->export_count, 0};
    case SORT_FUNC:
        return entity->func->size;
    case SORT_VALUE:
        return size_of_value(entity->value);
    case SORT_TYPE:
        return size_of_type(entity->type);
    case SORT_COMPONENT:
        return entity->component->size;
    case SORT_INSTANCE:
        return entity->instance->size;
    default:
        return (struct v_size){1, 0};
    }
}

static int add_size(struct validator *v, struct v_size *size, struct v_size part)
{
    size->parts += part.parts;
    size->depth = MAX(size->depth, part.depth + 1);
    if (size->parts >= VALIDATE_TYPE_SIZE_MAX)
        return v_fail(v, "type of more than %u parts", VALIDATE_TYPE_SIZE_MAX - 1);
    if (size->depth > VALIDATE_DEPTH_MAX)
        return v_fail(v, "type is nested more than %u deep", VALIDATE_DEPTH_MAX);
    return 0;
}

static int add_externs_size(struct validator *v, struct v_size *size,
                            const struct v_externs *externs)
{
    for (uint32_t i = 0; i < externs->count; i++) {
        int rc = add_size(v, size, size_of_entity(&externs->items[i].entity));
        if (rc < 0)
            return rc;
    }
    return 0;
}

// ---- value types --------------------------------------------------------------------------------

struct extent {
    uint64_t bytes;
    uint64_t align;
};

// CanonicalABI.md "Alignment", "Element Size", for 64-bit memories.
static struct extent extent_of(const struct type *t)
{
    static const uint8_t primitives[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4, 16, 4};
    static_assert(ARRAY_LEN(primitives) == TYPE_ERROR_CONTEXT + 1, "one size a primitive");
    if (!v_is_primitive(t))
        return (struct extent){v_value_of(t)->bytes, v_value_of(t)->align};
    uint8_t size = primitives[t->kind];
    return (struct extent){size, MIN(size, 8)};
}

static uint64_t align_up(uint64_t at, uint64_t align)
{
    return (at + align - 1) & ~(align - 1);
}

static struct extent extent_of_fields(const struct type *t)
{
    struct extent all = {0, 1};
    for (uint32_t i = 0; i < t->field_count; i++) {
        struct extent field = extent_of(t->fields[i].type);
        all.bytes = align_up(all.bytes, field.align) + field.bytes;
        all.align = MAX(all.align, field.align);
    }
    all.bytes = align_up(all.bytes, all.align);
    return all;
}

static struct extent extent_of_cases(const struct type *t)
{
    uint32_t discriminant = type_discriminant_size(type_case_count(t));
    struct extent payload = {0, 1};
    for (uint32_t i = 0; i < type_case_count(t); i++) {
        const struct type *type = type_case(t, i);
        struct extent one = type ? extent_of(type) : payload;
        payload.bytes = MAX(payload.bytes, one.bytes);
        payload.align = MAX(payload.align, one.align);
    }
    uint64_t align = MAX(payload.align, discriminant);
    uint64_t bytes = align_up(discriminant, payload.align) + payload.bytes;
    return (struct extent){align_up(bytes, align), align};
}

static struct extent extent_of_node(const struct type *t)
{
    switch (t->kind) {
    case TYPE_LIST:
    case TYPE_MAP:
        return (struct extent){16, 8};
    case TYPE_FIXED_LIST: {
        struct extent element = extent_of(t->element);
        return (struct extent){element.bytes * t->length, element.align};
    }
    case TYPE_RECORD:
    case TYPE_TUPLE:
        return extent_of_fields(t);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return extent_of_cases(t);
    case TYPE_FLAGS: {
        uint8_t size = t->field_count <= 8 ? 1 : t->field_count <= 16 ? 2 : 4;
        return (struct extent){size, size};
    }
    default: // handles
        return (struct extent){4, 4};
    }
}

static int add_part(struct validator *v, struct v_value *value, const struct type *part)
{
    if (!part)
        return 0;
    if (!v_is_primitive(part))
        value->has_borrow |= v_value_of(part)->has_borrow;
    return add_size(v, &value->size, size_of_value(part));
}

const struct type *v_value_finish(struct validator *v, struct v_value *value)
{
    struct type *t = &value->type;
    value->size = (struct v_size){1, 0};
    value->has_borrow = t->kind == TYPE_BORROW;
    int rc = add_part(v, value, t->element);
    if (rc == 0)
        rc = add_part(v, value, t->error);
    for (uint32_t i = 0; i < t->field_count && rc == 0; i++)
        rc = add_part(v, value, t->fields[i].type);
    if (rc < 0)
        return NULL;
    struct extent extent = extent_of_node(t);
    value->bytes = extent.bytes;
    value->align = extent.align;
    if (extent.bytes > VALIDATE_VALUE_SIZE_MAX || type_compute_layout(t) < 0) {
        (void)!v_fail(v, "value type of more than %u bytes", VALIDATE_VALUE_SIZE_MAX);
        return NULL;
    }
    return t;
}

int v_value_at(struct validator *v, struct val_ref ref, const struct type **out)
{
    if (!ref.is_index) {
        if (ref.primitive == TYPE_ERROR_CONTEXT) {
            int rc = v_require(v, v->features->component_model_error_context,
                               "component-model-error-context", "error-context");
            if (rc < 0)
                return rc;
        }
        *out = type_primitive(ref.primitive);
        return 0;
    }
    struct v_type type;
    int rc = v_type_at(v, ref.index, TYPE_DEF_VALUE, &type);
    if (rc == 0)
        *out = type.value;
    return rc;
}

int v_type_at(struct validator *v, uint32_t index, enum type_def_kind kind, struct v_type *out)
{
    struct v_type type = v->scope->types.items[index];
    if (type.kind != kind)
        return v_fail(v, "type %u is %s, not %s", index, kind_names[type.kind], kind_names[kind]);
    *out = type;
    return 0;
}

static int define_handle(struct validator *v, const struct value_def *def, struct v_value *value)
{
    struct v_type type;
    int rc = v_type_at(v, def->resource, TYPE_DEF_RESOURCE, &type);
    if (rc == 0)
        value->type.resource = &type.resource->node;
    return rc;
}

// Labels of fields, cases, flags: kebab case and strongly unique.
static int check_labels(struct validator *v, const struct def_field *fields, uint32_t count,
                        const char *what)
{
    struct map names = {0};
    int rc = 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        rc = v_label_check(v, fields[i].name, what);
        if (rc < 0)
            break;
        const struct def_field *former =
            map_put(&names, v_label_canonical(v, fields[i].name), (void *)&fields[i]);
        if (former)
            rc = v_fail(v, "%s name `%.*s` conflicts with previous name `%.*s`", what,
                        STR_ARG(fields[i].name), STR_ARG(former->name));
    }
    map_done(&names);
    return rc;
}

static int resolve_fields(struct validator *v, const struct def_field *fields, uint32_t count,
                          const struct type_field **out)
{
    struct type_field *made = arena_new_array(&v->arena, struct type_field, count);
    for (uint32_t i = 0; i < count; i++) {
        made[i].name = fields[i].name;
        int rc = fields[i].has_type ? v_value_at(v, fields[i].type, &made[i].type) : 0;
        if (rc < 0)
            return rc;
    }
    *out = made;
    return 0;
}

static int define_fields(struct validator *v, const struct value_def *def, struct v_value *value)
{
    static const char *const words[] = {[TYPE_RECORD] = "record field",
                                        [TYPE_VARIANT] = "variant case",
                                        [TYPE_FLAGS] = "flag",
                                        [TYPE_ENUM] = "enum case"};
    if (def->field_count == 0)
        return 0;
    int rc = 0;
    if (def->kind != TYPE_TUPLE)
        rc = check_labels(v, def->fields, def->field_count, words[def->kind]);
    if (rc == 0)
        rc = resolve_fields(v, def->fields, def->field_count, &value->type.fields);
    value->type.field_count = def->field_count;
    return rc;
}

// Binary.md "keytype": what maps are keyed by.
static bool is_map_key(const struct type *t)
{
    return v_is_primitive(t) && t->kind != TYPE_F32 && t->kind != TYPE_F64 &&
           t->kind != TYPE_ERROR_CONTEXT;
}

static int check_elements(struct validator *v, const struct v_value *value)
{
    const struct type *t = &value->type;
    bool is_async = t->kind == TYPE_STREAM || t->kind == TYPE_FUTURE;
    if (is_async && t->element && !v_is_primitive(t->element) && v_value_of(t->element)->has_borrow)
        return v_fail(v, "a stream or future of something with a `borrow`");
    if (t->kind == TYPE_STREAM && t->element && t->element->kind == TYPE_CHAR)
        return v_fail(v, "`stream<char>` is not valid at this time");
    if (t->kind == TYPE_MAP && !is_map_key(t->element))
        return v_fail(v, "this type cannot be the key of a map");
    return 0;
}

static int check_gate(struct validator *v, enum type_kind kind)
{
    const struct component_features *f = v->features;
    switch (kind) {
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return v_require(v, f->component_model_async, "component-model-async",
                         "a stream or future type");
    case TYPE_FIXED_LIST:
        return v_require(v, f->component_model_fixed_length_lists,
                         "component-model-fixed-length-lists", "a list of fixed length");
    case TYPE_MAP:
        return v_require(v, f->component_model_map, "component-model-map", "a map type");
    case TYPE_ERROR_CONTEXT:
        return v_require(v, f->component_model_error_context, "component-model-error-context",
                         "error-context");
    default:
        return 0;
    }
}

static int define_value(struct validator *v, const struct value_def *def, const struct type **out)
{
    int rc = check_gate(v, def->kind);
    if (rc < 0)
        return rc;
    if (def->kind <= TYPE_ERROR_CONTEXT) {
        *out = type_primitive(def->kind);
        return 0;
    }
    struct v_value *value = arena_new(&v->arena, struct v_value);
    value->type = (struct type){.kind = def->kind, .length = def->length};
    if (def->kind == TYPE_OWN || def->kind == TYPE_BORROW)
        rc = define_handle(v, def, value);
    else
        rc = define_fields(v, def, value);
    if (rc == 0 && def->has_element)
        rc = v_value_at(v, def->element, &value->type.element);
    if (rc == 0 && def->has_error)
        rc = v_value_at(v, def->error, &value->type.error);
    if (rc == 0)
        rc = check_elements(v, value);
    if (rc < 0)
        return rc;
    *out = v_value_finish(v, value);
    return *out ? 0 : v->r.rc;
}

// ---- other types --------------------------------------------------------------------------------

const struct v_func *v_func_finish(struct validator *v, struct v_func *func)
{
    func->size = (struct v_size){1, 0};
    int rc = 0;
    for (uint32_t i = 0; i < func->type.param_count && rc == 0; i++)
        rc = add_size(v, &func->size, size_of_value(func->type.params[i].type));
    if (rc == 0 && func->type.result)
        rc = add_size(v, &func->size, size_of_value(func->type.result));
    return rc == 0 ? func : NULL;
}

static int define_func(struct validator *v, const struct func_def *def, const struct v_func **out)
{
    if (def->is_async) {
        int rc = v_require(v, v->features->component_model_async, "component-model-async",
                           "an async function type");
        if (rc < 0)
            return rc;
    }
    struct v_func *func = arena_new(&v->arena, struct v_func);
    func->type.is_async = def->is_async;
    func->type.param_count = def->param_count;
    int rc = check_labels(v, def->params, def->param_count, "function parameter");
    if (rc == 0)
        rc = resolve_fields(v, def->params, def->param_count, &func->type.params);
    if (rc == 0 && def->has_result)
        rc = v_value_at(v, def->result, &func->type.result);
    if (rc < 0)
        return rc;
    const struct type *result = func->type.result;
    if (result && !v_is_primitive(result) && v_value_of(result)->has_borrow)
        return v_fail(v, "function result cannot contain a `borrow` type");
    *out = v_func_finish(v, func);
    return *out ? 0 : v->r.rc;
}

const struct v_resource *v_resource_new(struct validator *v)
{
    struct v_resource *resource = arena_new(&v->arena, struct v_resource);
    resource->of = resource;
    return resource;
}

const struct v_resource *v_resource_alias(struct validator *v, const struct v_resource *of,
                                          uint64_t alias)
{
    struct v_resource *resource = arena_new(&v->arena, struct v_resource);
    *resource = (struct v_resource){.of = of->of, .alias = alias};
    return resource;
}

static int define_resource(struct validator *v, const struct resource_def *def,
                           const struct v_resource **out)
{
    static const struct core_func_type dtor = {STR_INIT("i"), STR_INIT("")};
    if (def->has_dtor && !v_core_func_equal(v_core_func(v, def->dtor), &dtor))
        return v_fail(v, "core function %u has the wrong signature for a destructor", def->dtor);
    *out = v_resource_new(v);
    *vec_push(&v->scope->defined) = *out;
    v_put(v, &v->scope->locals, v_key_of(*out, NULL), *out);
    return 0;
}

struct v_type v_type_renamed(struct validator *v, struct v_type type)
{
    if (type.kind == TYPE_DEF_RESOURCE) {
        type.resource = v_resource_alias(v, type.resource, ++v->next_alias);
    } else if (type.kind == TYPE_DEF_VALUE && !v_is_primitive(type.value)) {
        struct v_value *copy = arena_new(&v->arena, struct v_value);
        *copy = *v_value_of(type.value);
        type.value = &copy->type;
    }
    return type;
}

int v_define_type(struct validator *v, const struct type_def *def, struct v_type *out)
{
    out->kind = def->kind;
    switch (def->kind) {
    case TYPE_DEF_VALUE:
        return define_value(v, &def->value, &out->value);
    case TYPE_DEF_FUNC:
        return define_func(v, &def->func, &out->func);
    case TYPE_DEF_RESOURCE:
        return define_resource(v, &def->resource, &out->resource);
    case TYPE_DEF_COMPONENT:
        return v_scope_component(v, def->scope, &out->component);
    case TYPE_DEF_INSTANCE:
        return v_scope_instance(v, def->scope, &out->instance);
    }
    return 0;
}

// ---- lists of externs ---------------------------------------------------------------------------

static int compare_externs(const void *a, const void *b, void *items)
{
    const struct v_extern *externs = items;
    return str_cmp(externs[*(const uint32_t *)a].name, externs[*(const uint32_t *)b].name);
}

struct v_externs v_externs_new(struct validator *v, const struct v_extern *items, uint32_t count)
{
    struct v_extern *copy = arena_new_array(&v->arena, struct v_extern, count);
    uint32_t *order = arena_new_array(&v->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = items[i];
        order[i] = i;
    }
    if (count > 0)
        qsort_r(order, count, sizeof(*order), compare_externs, copy);
    return (struct v_externs){copy, count, order};
}

const struct v_entity *v_find(const struct v_externs *externs, struct str name)
{
    uint32_t low = 0;
    uint32_t high = externs->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct v_extern *item = &externs->items[externs->by_name[middle]];
        int order = str_cmp(name, item->name);
        if (order == 0)
            return &item->entity;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct v_resources v_resources_new(struct validator *v, const v_resource_list *list)
{
    const struct v_resource **items =
        arena_new_array(&v->arena, const struct v_resource *, list->len);
    for (size_t i = 0; i < list->len; i++)
        items[i] = list->items[i];
    return (struct v_resources){items, (uint32_t)list->len};
}

const struct v_instance *v_instance_new(struct validator *v, const struct v_extern *exports,
                                        uint32_t count, struct v_resources defined)
{
    struct v_instance *instance = arena_new(&v->arena, struct v_instance);
    instance->exports = v_externs_new(v, exports, count);
    instance->defined = defined;
    instance->size = (struct v_size){1, 0};
    return add_externs_size(v, &instance->size, &instance->exports) == 0 ? instance : NULL;
}

const struct v_component *v_component_finish(struct validator *v, struct v_component *component)
{
    component->size = (struct v_size){1, 0};
    int rc = add_externs_size(v, &component->size, &component->imports);
    if (rc == 0)
        rc = add_externs_size(v, &component->size, &component->exports);
    return rc == 0 ? component : NULL;
}

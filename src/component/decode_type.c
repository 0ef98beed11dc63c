// SPDX-License-Identifier: Apache-2.0
// Types of components (Binary.md "Type Definitions").
#include "component/decode.h"

#include "base/vec.h"
#include "component/core_type.h"
#include "component/plan.h"

#define FLAGS_MAX 32u // Binary.md "defvaltype"

static bool primitive_kind(uint8_t byte, enum type_kind *out)
{
    // Binary.md "primvaltype", 0x73..0x7f.
    static const uint8_t kinds[] = {TYPE_STRING, TYPE_CHAR, TYPE_F64, TYPE_F32, TYPE_U64,
                                    TYPE_S64,    TYPE_U32,  TYPE_S32, TYPE_U16, TYPE_S16,
                                    TYPE_U8,     TYPE_S8,   TYPE_BOOL};
    if (byte == 0x64) {
        *out = TYPE_ERROR_CONTEXT;
        return true;
    }
    if (byte < 0x73 || byte > 0x7f)
        return false;
    *out = (enum type_kind)kinds[byte - 0x73];
    return true;
}

struct val_ref decode_val_ref(struct decoder *d)
{
    struct val_ref ref = {0};
    size_t at = d->r.pos;
    uint8_t byte = reader_peek(&d->r);
    // Opcodes are negative one-byte SLEB128 numbers, indices are the others.
    if ((byte & 0xc0) == 0x40) {
        (void)reader_u8(&d->r);
        if (!primitive_kind(byte, &ref.primitive))
            reader_fail_at(&d->r, at, "unknown value type 0x%02x", byte);
        return ref;
    }
    int64_t index = reader_signed(&d->r, 33);
    if (reader_failed(&d->r))
        return ref;
    if (index < 0 || index >= d->scope->counts[SORT_TYPE]) {
        reader_fail_at(&d->r, at, "unknown type %lld (there are %u)", (long long)index,
                       d->scope->counts[SORT_TYPE]);
        return ref;
    }
    ref.is_index = true;
    ref.index = (uint32_t)index;
    return ref;
}

static bool decode_optional_ref(struct decoder *d, struct val_ref *out)
{
    if (!reader_flag(&d->r, "an optional type"))
        return false;
    *out = decode_val_ref(d);
    return true;
}

enum field_form { FIELD_LABELLED, FIELD_TYPE, FIELD_LABEL, FIELD_CASE };

static struct def_field decode_field(struct decoder *d, enum field_form form)
{
    struct def_field field = {.name = STR_EMPTY};
    if (form != FIELD_TYPE)
        field.name = reader_name(&d->r);
    if (form == FIELD_CASE) {
        field.has_type = decode_optional_ref(d, &field.type);
        size_t at = d->r.pos;
        if (reader_u8(&d->r) != 0)
            reader_fail_at(&d->r, at, "case `%.*s` refines another, which is not supported",
                           STR_ARG(field.name));
    } else if (form != FIELD_LABEL) {
        field.has_type = true;
        field.type = decode_val_ref(d);
    }
    return field;
}

static const struct def_field *decode_fields(struct decoder *d, enum field_form form,
                                             const char *what, uint32_t *count_out)
{
    uint32_t count = reader_count(&d->r, form == FIELD_CASE ? 3 : 1, what);
    struct def_field *fields = decode_new_array(d, struct def_field, count);
    for (uint32_t i = 0; i < count && !reader_failed(&d->r); i++)
        fields[i] = decode_field(d, form);
    *count_out = count;
    return fields;
}

static void decode_fields_of(struct decoder *d, struct value_def *def, enum type_kind kind,
                             enum field_form form, const char *what)
{
    size_t at = d->r.pos;
    def->kind = kind;
    def->fields = decode_fields(d, form, what, &def->field_count);
    if (!reader_failed(&d->r) && def->field_count == 0)
        reader_fail_at(&d->r, at, "type without %s", what);
    if (kind == TYPE_FLAGS && def->field_count > FLAGS_MAX)
        reader_fail_at(&d->r, at, "%u flags, more than %u", def->field_count, FLAGS_MAX);
}

static void decode_element_of(struct decoder *d, struct value_def *def, enum type_kind kind)
{
    def->kind = kind;
    def->has_element = true;
    def->element = decode_val_ref(d);
}

static void decode_fixed_list(struct decoder *d, struct value_def *def)
{
    decode_element_of(d, def, TYPE_FIXED_LIST);
    size_t at = d->r.pos;
    def->length = reader_u32(&d->r);
    if (!reader_failed(&d->r) && def->length == 0)
        reader_fail_at(&d->r, at, "list of fixed length 0");
}

static void decode_handle(struct decoder *d, struct value_def *def, enum type_kind kind)
{
    def->kind = kind;
    def->resource = decode_index(d, SORT_TYPE);
}

static void decode_value_type(struct decoder *d, uint8_t op, struct value_def *def)
{
    switch (op) {
    case 0x72:
        decode_fields_of(d, def, TYPE_RECORD, FIELD_LABELLED, "fields");
        break;
    case 0x71:
        decode_fields_of(d, def, TYPE_VARIANT, FIELD_CASE, "cases");
        break;
    case 0x70:
        decode_element_of(d, def, TYPE_LIST);
        break;
    case 0x67:
        decode_fixed_list(d, def);
        break;
    case 0x6f:
        decode_fields_of(d, def, TYPE_TUPLE, FIELD_TYPE, "elements");
        break;
    case 0x6e:
        decode_fields_of(d, def, TYPE_FLAGS, FIELD_LABEL, "flags");
        break;
    case 0x6d:
        decode_fields_of(d, def, TYPE_ENUM, FIELD_LABEL, "cases");
        break;
    case 0x6b:
        decode_element_of(d, def, TYPE_OPTION);
        break;
    case 0x6a:
        def->kind = TYPE_RESULT;
        def->has_element = decode_optional_ref(d, &def->element);
        def->has_error = decode_optional_ref(d, &def->error);
        break;
    case 0x69:
        decode_handle(d, def, TYPE_OWN);
        break;
    case 0x68:
        decode_handle(d, def, TYPE_BORROW);
        break;
    case 0x66:
    case 0x65:
        def->kind = op == 0x66 ? TYPE_STREAM : TYPE_FUTURE;
        def->has_element = decode_optional_ref(d, &def->element);
        break;
    case 0x63:
        decode_element_of(d, def, TYPE_MAP);
        def->has_error = true;
        def->error = decode_val_ref(d);
        break;
    default:
        if (!primitive_kind(op, &def->kind))
            reader_fail_at(&d->r, d->r.pos - 1, "unknown type 0x%02x", op);
    }
}

static void decode_func_type(struct decoder *d, struct func_def *def)
{
    def->params = decode_fields(d, FIELD_LABELLED, "parameters", &def->param_count);
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form == 0) {
        def->has_result = true;
        def->result = decode_val_ref(d);
    } else if (form != 1 || reader_u8(&d->r) != 0) {
        reader_fail_at(&d->r, at, "unknown form of a function's result");
    }
}

static void decode_resource_type(struct decoder *d, struct resource_def *def)
{
    size_t at = d->r.pos;
    if (d->scope->kind != SCOPE_COMPONENT)
        reader_fail_at(&d->r, at, "resource type defined inside a type");
    if (core_read_val_type(&d->r) != 'i')
        reader_fail_at(&d->r, at, "representation of a resource is not i32");
    def->has_dtor = reader_flag(&d->r, "an optional destructor");
    if (def->has_dtor)
        def->dtor = decode_index(d, SORT_CORE_FUNC);
}

// ---- component and instance types ---------------------------------------------------------------

static bool decode_declarator(struct decoder *d, struct definition *out)
{
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form == 0) {
        out->kind = DEF_CORE_TYPE;
        out->core_type = decode_core_type(d);
        if (!reader_failed(&d->r))
            d->scope->counts[SORT_CORE_TYPE] += decode_core_type_count(out->core_type);
    } else if (form == 1) {
        out->kind = DEF_TYPE;
        out->type = decode_type(d);
        d->scope->counts[SORT_TYPE] += !reader_failed(&d->r);
    } else if (form == 2) {
        out->kind = DEF_ALIAS;
        out->alias = decode_alias(d);
        if (out->alias->kind == ALIAS_CORE_EXPORT)
            reader_fail_at(&d->r, at, "alias of a core export inside a type");
        d->scope->counts[out->alias->sort] += !reader_failed(&d->r);
    } else if (form == 3 && d->scope->kind == SCOPE_COMPONENT_TYPE) {
        out->kind = DEF_IMPORT;
        out->import = decode_import(d);
        d->scope->counts[out->import->type.sort] += !reader_failed(&d->r);
    } else if (form == 4) {
        out->kind = DEF_EXPORT;
        out->export = decode_export_decl(d);
        d->scope->counts[out->export->type.sort] += !reader_failed(&d->r);
    } else {
        reader_fail_at(&d->r, at, "unknown declarator 0x%02x", form);
    }
    return !reader_failed(&d->r);
}

static const struct component *decode_scope_type(struct decoder *d, enum scope_kind kind)
{
    struct component *scope = decode_new(d, struct component);
    struct component *outer = d->scope;
    *scope = (struct component){.kind = kind, .parent = outer, .arena = d->arena};
    if (++d->depth > COMPONENT_NESTING_MAX) {
        reader_fail(&d->r, "types are nested more than %d deep", COMPONENT_NESTING_MAX);
        return scope;
    }
    uint32_t count = reader_count(&d->r, 2, "declarators");
    d->scope = scope;
    struct definition_list list = {0};
    struct reader_path here = {d->r.path, "declarator", 0, STR_EMPTY};
    d->r.path = &here;
    for (uint32_t i = 0; i < count && !reader_failed(&d->r); i++) {
        here.index = i;
        struct definition def = {.offset = d->r.base + d->r.pos};
        if (decode_declarator(d, &def))
            *vec_push(&list) = def;
    }
    d->r.path = here.up;
    decode_scope_finish(d, &list);
    d->scope = outer;
    d->depth--;
    return scope;
}

const struct type_def *decode_type(struct decoder *d)
{
    struct type_def *def = decode_new(d, struct type_def);
    uint8_t op = reader_u8(&d->r);
    switch (op) {
    case 0x40:
    case 0x43:
        def->kind = TYPE_DEF_FUNC;
        def->func.is_async = op == 0x43;
        decode_func_type(d, &def->func);
        break;
    case 0x41:
        def->kind = TYPE_DEF_COMPONENT;
        def->scope = decode_scope_type(d, SCOPE_COMPONENT_TYPE);
        break;
    case 0x42:
        def->kind = TYPE_DEF_INSTANCE;
        def->scope = decode_scope_type(d, SCOPE_INSTANCE_TYPE);
        break;
    case 0x3f:
        def->kind = TYPE_DEF_RESOURCE;
        decode_resource_type(d, &def->resource);
        break;
    default:
        def->kind = TYPE_DEF_VALUE;
        decode_value_type(d, op, &def->value);
    }
    return def;
}

// ---- core types ---------------------------------------------------------------------------------

struct module_type_decoder {
    struct core_types types; // with a stand-in for each alias
    VEC(struct core_type_ref) refs;
    VEC(struct core_module_item) items;
};

static void decode_module_import(struct decoder *d, struct module_type_decoder *m)
{
    struct core_module_item item = {.module = reader_name(&d->r)};
    item.name = reader_name(&d->r);
    item.type = core_read_extern_type(&d->r, &m->types);
    *vec_push(&m->items) = item;
}

static void decode_module_export(struct decoder *d, struct module_type_decoder *m)
{
    struct core_module_item item = {.is_export = true, .name = reader_name(&d->r)};
    item.type = core_read_extern_type(&d->r, &m->types);
    *vec_push(&m->items) = item;
}

static void decode_module_types(struct decoder *d, struct module_type_decoder *m)
{
    size_t first = m->types.len;
    core_read_rec_type(&d->r, d->arena, &m->types);
    for (size_t i = first; i < m->types.len && !reader_failed(&d->r); i++)
        *vec_push(&m->refs) = (struct core_type_ref){.func = m->types.items[i]};
}

static void decode_module_alias(struct decoder *d, struct module_type_decoder *m)
{
    size_t at = d->r.pos;
    if (reader_u8(&d->r) != 0x10 || reader_u8(&d->r) != 0x01)
        reader_fail_at(&d->r, at, "unknown alias in a module type");
    struct core_type_ref ref = {.is_alias = true, .outer = reader_u32(&d->r)};
    ref.index = reader_u32(&d->r);
    *vec_push(&m->refs) = ref;
    *vec_push(&m->types) = (struct core_func_type){STR_EMPTY, STR_EMPTY};
}

static void decode_module_declarator(struct decoder *d, struct module_type_decoder *m)
{
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form == 0)
        decode_module_import(d, m);
    else if (form == 1)
        decode_module_types(d, m);
    else if (form == 2)
        decode_module_alias(d, m);
    else if (form == 3)
        decode_module_export(d, m);
    else
        reader_fail_at(&d->r, at, "unknown declarator 0x%02x of a module type", form);
}

static void *copy_items(struct decoder *d, const void *items, size_t count, size_t size)
{
    void *copy = decode_array(d, count, size);
    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static const struct core_module_type *decode_module_type(struct decoder *d)
{
    struct core_module_type *type = decode_new(d, struct core_module_type);
    struct module_type_decoder m = {0};
    uint32_t count = reader_count(&d->r, 3, "declarators");
    for (uint32_t i = 0; i < count && !reader_failed(&d->r); i++)
        decode_module_declarator(d, &m);
    type->types = copy_items(d, m.refs.items, m.refs.len, sizeof(*m.refs.items));
    type->type_count = (uint32_t)m.refs.len;
    // The readers resolved functions against a list that grew; the index is what counts.
    for (size_t i = 0; i < m.items.len; i++)
        m.items.items[i].type.func = NULL;
    type->items = copy_items(d, m.items.items, m.items.len, sizeof(*m.items.items));
    type->item_count = (uint32_t)m.items.len;
    vec_done(&m.types);
    vec_done(&m.refs);
    vec_done(&m.items);
    return type;
}

const struct core_type_def *decode_core_type(struct decoder *d)
{
    struct core_type_def *def = decode_new(d, struct core_type_def);
    uint8_t first = reader_u8(&d->r);
    if (first == 0x50) {
        def->module = decode_module_type(d);
        return def;
    }
    // 0x00 stands before a `sub` form alone, whose opcode is that of a module type.
    if (first == 0x00) {
        size_t at = d->r.pos;
        first = reader_u8(&d->r);
        if (first != 0x50)
            reader_fail_at(&d->r, at, "invalid leading byte 0x%02x of a sub type", first);
    }
    struct core_types types = {0};
    core_read_rec_type_of(&d->r, first, d->arena, &types);
    def->group = copy_items(d, types.items, types.len, sizeof(*types.items));
    def->group_count = (uint32_t)types.len;
    vec_done(&types);
    return def;
}

uint32_t decode_core_type_count(const struct core_type_def *def)
{
    return def->module ? 1 : def->group_count;
}

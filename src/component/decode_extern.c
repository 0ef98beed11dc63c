// SPDX-License-Identifier: Apache-2.0
// Aliases, imports, exports and their names (Binary.md "Alias Definitions", "Import and Export
// Definitions").
#include "component/decode.h"

static const struct component *outer_scope(struct decoder *d, uint32_t outer, size_t at)
{
    const struct component *scope = d->scope;
    for (uint32_t i = 0; i < outer; i++) {
        scope = scope->parent;
        if (!scope) {
            reader_fail_at(&d->r, at, "outer alias goes %u scopes up, there are %u", outer, i);
            return NULL;
        }
    }
    return scope;
}

static void decode_outer_alias(struct decoder *d, struct alias_def *def, size_t at)
{
    if (def->sort != SORT_CORE_MODULE && def->sort != SORT_CORE_TYPE && def->sort != SORT_TYPE &&
        def->sort != SORT_COMPONENT)
        reader_fail_at(&d->r, at, "a %s cannot be an outer alias", sort_name(def->sort));
    size_t outer_at = d->r.pos;
    def->outer = reader_u32(&d->r);
    if (reader_failed(&d->r))
        return;
    const struct component *scope = outer_scope(d, def->outer, outer_at);
    if (scope)
        def->index = reader_index(&d->r, scope->counts[def->sort], sort_name(def->sort));
}

const struct alias_def *decode_alias(struct decoder *d)
{
    struct alias_def *def = decode_new(d, struct alias_def);
    size_t at = d->r.pos;
    def->sort = decode_sort(d);
    uint8_t form = reader_u8(&d->r);
    bool is_core = def->sort < SORT_FUNC;
    if (form == 0) {
        def->kind = ALIAS_EXPORT;
        if (is_core && def->sort != SORT_CORE_MODULE)
            reader_fail_at(&d->r, at, "an instance exports no %s", sort_name(def->sort));
        def->instance = decode_index(d, SORT_INSTANCE);
        def->name = reader_name(&d->r);
    } else if (form == 1) {
        def->kind = ALIAS_CORE_EXPORT;
        if (def->sort > SORT_CORE_TAG)
            reader_fail_at(&d->r, at, "a core instance exports no %s", sort_name(def->sort));
        def->instance = decode_index(d, SORT_CORE_INSTANCE);
        def->name = reader_name(&d->r);
    } else if (form == 2) {
        def->kind = ALIAS_OUTER;
        decode_outer_alias(d, def, at);
    } else {
        reader_fail_at(&d->r, at, "unknown alias form 0x%02x", form);
    }
    return def;
}

static void decode_name_attribute(struct decoder *d, struct extern_name *name)
{
    size_t at = d->r.pos;
    uint8_t kind = reader_u8(&d->r);
    struct str text = reader_name(&d->r);
    bool *seen[] = {&name->has_implements, &name->has_version_suffix, &name->has_external_id};
    if (kind >= ARRAY_LEN(seen)) {
        reader_fail_at(&d->r, at, "unknown name attribute 0x%02x", kind);
        return;
    }
    if (*seen[kind])
        reader_fail_at(&d->r, at, "name attribute 0x%02x comes twice", kind);
    *seen[kind] = true;
    if (kind == 0)
        name->implements = text;
    else if (kind == 1)
        name->version_suffix = text;
}

struct extern_name decode_extern_name(struct decoder *d)
{
    struct extern_name name = {
        .name = STR_EMPTY, .implements = STR_EMPTY, .version_suffix = STR_EMPTY};
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form > 2) {
        reader_fail_at(&d->r, at, "unknown form 0x%02x of a name", form);
        return name;
    }
    name.name = reader_name(&d->r);
    name.has_attributes = form == 2;
    if (!name.has_attributes)
        return name;
    uint32_t count = reader_count(&d->r, 2, "name attributes");
    for (uint32_t i = 0; i < count && !reader_failed(&d->r); i++)
        decode_name_attribute(d, &name);
    return name;
}

static void decode_type_bound(struct decoder *d, struct extern_def *def)
{
    size_t at = d->r.pos;
    uint8_t bound = reader_u8(&d->r);
    if (bound == 0)
        def->index = decode_index(d, SORT_TYPE);
    else if (bound == 1)
        def->is_resource = true;
    else
        reader_fail_at(&d->r, at, "unknown type bound 0x%02x", bound);
}

static void decode_value_bound(struct decoder *d, struct extern_def *def)
{
    size_t at = d->r.pos;
    uint8_t bound = reader_u8(&d->r);
    def->is_eq_value = bound == 0;
    if (bound == 0)
        def->index = decode_index(d, SORT_VALUE);
    else if (bound == 1)
        def->value = decode_val_ref(d);
    else
        reader_fail_at(&d->r, at, "unknown value bound 0x%02x", bound);
}

struct extern_def decode_extern_type(struct decoder *d)
{
    static const enum sort sorts[] = {SORT_CORE_MODULE, SORT_FUNC,      SORT_VALUE,
                                      SORT_TYPE,        SORT_COMPONENT, SORT_INSTANCE};
    struct extern_def def = {.sort = SORT_FUNC};
    size_t at = d->r.pos;
    uint8_t kind = reader_u8(&d->r);
    if (kind >= ARRAY_LEN(sorts)) {
        reader_fail_at(&d->r, at, "unknown kind 0x%02x of an import or export", kind);
        return def;
    }
    def.sort = sorts[kind];
    if (def.sort == SORT_CORE_MODULE) {
        if (reader_u8(&d->r) != 0x11)
            reader_fail_at(&d->r, at, "unknown kind of a core import or export");
        def.index = decode_index(d, SORT_CORE_TYPE);
    } else if (def.sort == SORT_TYPE) {
        decode_type_bound(d, &def);
    } else if (def.sort == SORT_VALUE) {
        decode_value_bound(d, &def);
    } else {
        def.index = decode_index(d, SORT_TYPE);
    }
    return def;
}

const struct import_def *decode_import(struct decoder *d)
{
    struct import_def *def = decode_new(d, struct import_def);
    def->name = decode_extern_name(d);
    struct reader_path here = {d->r.path, "import", 0, def->name.name};
    d->r.path = &here;
    def->type = decode_extern_type(d);
    d->r.path = here.up;
    return def;
}

const struct export_def *decode_export_decl(struct decoder *d)
{
    struct export_def *def = decode_new(d, struct export_def);
    def->name = decode_extern_name(d);
    struct reader_path here = {d->r.path, "export", 0, def->name.name};
    d->r.path = &here;
    def->has_type = true;
    def->type = decode_extern_type(d);
    def->item.sort = def->type.sort;
    d->r.path = here.up;
    return def;
}

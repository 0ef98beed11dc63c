// SPDX-License-Identifier: Apache-2.0
// Scopes, sections and definitions of a component (Binary.md "Component Definitions").
#include "component/encode.h"

#include <errno.h>

#include "component/encode_internal.h"
#include "component/plan.h"

static const uint8_t preamble[8] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0};

void encoder_init(struct encoder *e, enum scope_kind kind)
{
    *e = (struct encoder){.kind = kind};
    writer_init(&e->out, COMPONENT_BYTES_MAX);
    writer_init(&e->open, COMPONENT_BYTES_MAX);
}

void encoder_done(struct encoder *e)
{
    writer_done(&e->out);
    writer_done(&e->open);
}

// Writes the section that is being filled.
static void flush(struct encoder *e)
{
    if (e->kind != SCOPE_COMPONENT || e->open_count == 0)
        return;
    struct writer content;
    writer_init(&content, COMPONENT_BYTES_MAX);
    writer_u32(&content, e->open_count);
    writer_bytes(&content, buf_str(&e->open.bytes));
    writer_section(&e->out, e->section, buf_str(&content.bytes));
    e->out.full |= content.full | e->open.full;
    writer_done(&content);
    buf_clear(&e->open.bytes);
    e->open_count = 0;
}

struct writer *encode_begin(struct encoder *e, enum encode_section section)
{
    static const uint8_t declarators[] = {
        [ENCODE_CORE_TYPE] = 0x00, [ENCODE_TYPE] = 0x01,   [ENCODE_ALIAS] = 0x02,
        [ENCODE_IMPORT] = 0x03,    [ENCODE_EXPORT] = 0x04,
    };
    if (e->kind != SCOPE_COMPONENT) {
        e->open_count++;
        writer_u8(&e->out, declarators[section]);
        return &e->out;
    }
    if (e->section != section)
        flush(e);
    e->section = (uint8_t)section;
    e->open_count++;
    return &e->open;
}

uint32_t encode_new_index(struct encoder *e, enum sort sort)
{
    return e->counts[sort]++;
}

static void put_component(struct encoder *e, struct writer *out)
{
    flush(e);
    writer_bytes(out, str_of((const char *)preamble, sizeof(preamble)));
    writer_bytes(out, buf_str(&e->out.bytes));
    out->full |= e->out.full;
}

int encoder_finish(struct encoder *e, struct buf *out, struct error *err)
{
    struct writer whole;
    writer_init(&whole, COMPONENT_BYTES_MAX);
    put_component(e, &whole);
    int rc = whole.full ? -EFBIG : buf_add_str(out, buf_str(&whole.bytes));
    writer_done(&whole);
    if (rc < 0)
        return error_set(err, -EFBIG, "encoding a component: it has more than %zu bytes",
                         MIN(COMPONENT_BYTES_MAX, out->max));
    return 0;
}

uint32_t encode_core_module(struct encoder *e, struct str bytes)
{
    flush(e);
    writer_section(&e->out, ENCODE_CORE_MODULE, bytes);
    return encode_new_index(e, SORT_CORE_MODULE);
}

uint32_t encode_component(struct encoder *e, struct encoder *inner)
{
    struct writer content;
    writer_init(&content, COMPONENT_BYTES_MAX);
    put_component(inner, &content);
    flush(e);
    writer_section(&e->out, ENCODE_COMPONENT, buf_str(&content.bytes));
    e->out.full |= content.full;
    writer_done(&content);
    encoder_done(inner);
    return encode_new_index(e, SORT_COMPONENT);
}

void encode_custom_section(struct encoder *e, struct str name, struct str content)
{
    struct writer section;
    writer_init(&section, COMPONENT_BYTES_MAX);
    writer_name(&section, name);
    writer_bytes(&section, content);
    flush(e);
    writer_section(&e->out, ENCODE_CUSTOM, buf_str(&section.bytes));
    e->out.full |= section.full;
    writer_done(&section);
}

void encode_sort(struct writer *w, enum sort sort)
{
    // Core sorts are 0x00 and a byte of their own.
    static const uint8_t sorts[SORT_COUNT] = {
        [SORT_CORE_FUNC] = 0x00,   [SORT_CORE_TABLE] = 0x01,    [SORT_CORE_MEMORY] = 0x02,
        [SORT_CORE_GLOBAL] = 0x03, [SORT_CORE_TAG] = 0x04,      [SORT_CORE_TYPE] = 0x10,
        [SORT_CORE_MODULE] = 0x11, [SORT_CORE_INSTANCE] = 0x12, [SORT_FUNC] = 0x01,
        [SORT_VALUE] = 0x02,       [SORT_TYPE] = 0x03,          [SORT_COMPONENT] = 0x04,
        [SORT_INSTANCE] = 0x05,
    };
    if (sort < SORT_FUNC)
        writer_u8(w, 0x00);
    writer_u8(w, sorts[sort]);
}

static void put_core_sort(struct writer *w, enum sort sort)
{
    struct writer both;
    writer_init(&both, 2);
    encode_sort(&both, sort);
    writer_bytes(w, str_from_index(buf_str(&both.bytes), 1));
    writer_done(&both);
}

uint32_t encode_core_instance(struct encoder *e, const struct instance_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_CORE_INSTANCE);
    writer_u8(w, def->is_bundle ? 0x01 : 0x00);
    if (!def->is_bundle)
        writer_u32(w, def->target);
    writer_u32(w, def->item_count);
    for (uint32_t i = 0; i < def->item_count; i++) {
        writer_name(w, def->items[i].name);
        put_core_sort(w, def->items[i].item.sort);
        writer_u32(w, def->items[i].item.index);
    }
    return encode_new_index(e, SORT_CORE_INSTANCE);
}

static void put_extern_name(struct writer *w, const struct extern_name *name)
{
    bool has_attributes = name->has_implements || name->has_version_suffix;
    writer_u8(w, has_attributes ? 0x02 : 0x00);
    writer_name(w, name->name);
    if (!has_attributes)
        return;
    writer_u32(w, (uint32_t)name->has_implements + (uint32_t)name->has_version_suffix);
    if (name->has_implements) {
        writer_u8(w, 0x00);
        writer_name(w, name->implements);
    }
    if (name->has_version_suffix) {
        writer_u8(w, 0x01);
        writer_name(w, name->version_suffix);
    }
}

static void put_item_name(struct writer *w, const struct instance_def *def,
                          const struct inline_export *item)
{
    if (!def->is_bundle)
        writer_name(w, item->name);
    else if (item->full.name.len > 0)
        put_extern_name(w, &item->full);
    else
        put_extern_name(w, &(struct extern_name){.name = item->name});
}

uint32_t encode_instance(struct encoder *e, const struct instance_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_INSTANCE);
    writer_u8(w, def->is_bundle ? 0x01 : 0x00);
    if (!def->is_bundle)
        writer_u32(w, def->target);
    writer_u32(w, def->item_count);
    for (uint32_t i = 0; i < def->item_count; i++) {
        put_item_name(w, def, &def->items[i]);
        encode_sort(w, def->items[i].item.sort);
        writer_u32(w, def->items[i].item.index);
    }
    return encode_new_index(e, SORT_INSTANCE);
}

uint32_t encode_alias(struct encoder *e, const struct alias_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_ALIAS);
    encode_sort(w, def->sort);
    writer_u8(w, (uint8_t)def->kind);
    if (def->kind == ALIAS_OUTER) {
        writer_u32(w, def->outer);
        writer_u32(w, def->index);
    } else {
        writer_u32(w, def->instance);
        writer_name(w, def->name);
    }
    return encode_new_index(e, def->sort);
}

static void put_extern_type(struct writer *w, const struct extern_def *type)
{
    static const uint8_t kinds[SORT_COUNT] = {
        [SORT_CORE_MODULE] = 0x00, [SORT_FUNC] = 0x01,      [SORT_VALUE] = 0x02,
        [SORT_TYPE] = 0x03,        [SORT_COMPONENT] = 0x04, [SORT_INSTANCE] = 0x05,
    };
    writer_u8(w, kinds[type->sort]);
    if (type->sort == SORT_CORE_MODULE)
        writer_u8(w, 0x11);
    if (type->sort == SORT_TYPE)
        writer_u8(w, type->is_resource ? 0x01 : 0x00);
    if (type->sort == SORT_VALUE)
        writer_u8(w, type->is_eq_value ? 0x00 : 0x01);
    if (type->sort == SORT_VALUE && !type->is_eq_value)
        encode_val_ref(w, &type->value);
    else if (!(type->sort == SORT_TYPE && type->is_resource))
        writer_u32(w, type->index);
}

uint32_t encode_import(struct encoder *e, const struct import_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_IMPORT);
    put_extern_name(w, &def->name);
    put_extern_type(w, &def->type);
    return encode_new_index(e, def->type.sort);
}

uint32_t encode_export(struct encoder *e, const struct export_def *def)
{
    struct writer *w = encode_begin(e, ENCODE_EXPORT);
    put_extern_name(w, &def->name);
    if (e->kind != SCOPE_COMPONENT) {
        put_extern_type(w, &def->type);
        return encode_new_index(e, def->type.sort);
    }
    encode_sort(w, def->item.sort);
    writer_u32(w, def->item.index);
    writer_u8(w, def->has_type ? 0x01 : 0x00);
    if (def->has_type)
        put_extern_type(w, &def->type);
    return encode_new_index(e, def->item.sort);
}

uint32_t encode_alias_export(struct encoder *e, enum sort sort, uint32_t instance, struct str name)
{
    return encode_alias(
        e, &(struct alias_def){
               .kind = ALIAS_EXPORT, .sort = sort, .instance = instance, .name = name});
}

uint32_t encode_alias_core_export(struct encoder *e, enum sort sort, uint32_t instance,
                                  struct str name)
{
    return encode_alias(
        e, &(struct alias_def){
               .kind = ALIAS_CORE_EXPORT, .sort = sort, .instance = instance, .name = name});
}

uint32_t encode_alias_outer(struct encoder *e, enum sort sort, uint32_t outer, uint32_t index)
{
    return encode_alias(
        e, &(struct alias_def){.kind = ALIAS_OUTER, .sort = sort, .outer = outer, .index = index});
}

uint32_t encode_import_of(struct encoder *e, struct str name, enum sort sort, uint32_t index)
{
    return encode_import(
        e, &(struct import_def){.name.name = name, .type = {.sort = sort, .index = index}});
}

uint32_t encode_export_of(struct encoder *e, struct str name, enum sort sort, uint32_t index)
{
    return encode_export(e, &(struct export_def){.name.name = name,
                                                 .item = {sort, index},
                                                 .type = {.sort = sort, .index = index}});
}

uint32_t encode_resource_bound(struct encoder *e, struct str name, bool is_import)
{
    struct extern_def type = {.sort = SORT_TYPE, .is_resource = true};
    if (is_import)
        return encode_import(e, &(struct import_def){.name.name = name, .type = type});
    return encode_export(e, &(struct export_def){.name.name = name, .type = type});
}

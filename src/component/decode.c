// SPDX-License-Identifier: Apache-2.0
// Sections and definitions of a component (Binary.md "Component Definitions", "Instance
// Definitions").
#include "component/decode.h"

#include <assert.h>
#include <errno.h>

#include "base/vec.h"
#include "component/plan.h"

enum {
    SECTION_CUSTOM,
    SECTION_CORE_MODULE,
    SECTION_CORE_INSTANCE,
    SECTION_CORE_TYPE,
    SECTION_COMPONENT,
    SECTION_INSTANCE,
    SECTION_ALIAS,
    SECTION_TYPE,
    SECTION_CANON,
    SECTION_START,
    SECTION_IMPORT,
    SECTION_EXPORT,
    SECTION_VALUE,
};

static const char *const sort_names[] = {
    [SORT_CORE_FUNC] = "core function",
    [SORT_CORE_TABLE] = "core table",
    [SORT_CORE_MEMORY] = "core memory",
    [SORT_CORE_GLOBAL] = "core global",
    [SORT_CORE_TAG] = "core tag",
    [SORT_CORE_TYPE] = "core type",
    [SORT_CORE_MODULE] = "core module",
    [SORT_CORE_INSTANCE] = "core instance",
    [SORT_FUNC] = "function",
    [SORT_VALUE] = "value",
    [SORT_TYPE] = "type",
    [SORT_COMPONENT] = "component",
    [SORT_INSTANCE] = "instance",
};
static_assert(ARRAY_LEN(sort_names) == SORT_COUNT, "one name a sort");

const char *sort_name(enum sort sort)
{
    return sort_names[sort];
}

void *decode_array(struct decoder *d, size_t count, size_t size)
{
    return arena_alloc_array(d->arena, count, size);
}

uint32_t decode_index(struct decoder *d, enum sort sort)
{
    return reader_index(&d->r, d->scope->counts[sort], sort_name(sort));
}

enum sort decode_core_sort(struct decoder *d)
{
    static const uint8_t sorts[256] = {
        [0x00] = SORT_CORE_FUNC + 1,   [0x01] = SORT_CORE_TABLE + 1,
        [0x02] = SORT_CORE_MEMORY + 1, [0x03] = SORT_CORE_GLOBAL + 1,
        [0x04] = SORT_CORE_TAG + 1,    [0x10] = SORT_CORE_TYPE + 1,
        [0x11] = SORT_CORE_MODULE + 1, [0x12] = SORT_CORE_INSTANCE + 1,
    };
    size_t at = d->r.pos;
    uint8_t byte = reader_u8(&d->r);
    if (sorts[byte] == 0) {
        reader_fail_at(&d->r, at, "unknown core sort 0x%02x", byte);
        return SORT_CORE_FUNC;
    }
    return (enum sort)(sorts[byte] - 1);
}

enum sort decode_sort(struct decoder *d)
{
    static const enum sort sorts[] = {SORT_FUNC, SORT_VALUE, SORT_TYPE, SORT_COMPONENT,
                                      SORT_INSTANCE};
    size_t at = d->r.pos;
    uint8_t byte = reader_u8(&d->r);
    if (byte == 0)
        return decode_core_sort(d);
    if (byte > ARRAY_LEN(sorts)) {
        reader_fail_at(&d->r, at, "unknown sort 0x%02x", byte);
        return SORT_FUNC;
    }
    return sorts[byte - 1];
}

// ---- instances ----------------------------------------------------------------------------------

static void decode_core_args(struct decoder *d, struct instance_def *def)
{
    def->target = decode_index(d, SORT_CORE_MODULE);
    def->item_count = reader_count(&d->r, 3, "arguments");
    struct inline_export *items = decode_new_array(d, struct inline_export, def->item_count);
    for (uint32_t i = 0; i < def->item_count && !reader_failed(&d->r); i++) {
        items[i].name = reader_name(&d->r);
        if (decode_core_sort(d) != SORT_CORE_INSTANCE)
            reader_fail(&d->r, "argument `%.*s` is not an instance", STR_ARG(items[i].name));
        items[i].item =
            (struct sort_index){SORT_CORE_INSTANCE, decode_index(d, SORT_CORE_INSTANCE)};
    }
    def->items = items;
}

static void decode_bundle(struct decoder *d, struct instance_def *def, bool is_core)
{
    def->is_bundle = true;
    def->item_count = reader_count(&d->r, 3, "exports");
    struct inline_export *items = decode_new_array(d, struct inline_export, def->item_count);
    for (uint32_t i = 0; i < def->item_count && !reader_failed(&d->r); i++) {
        if (!is_core)
            items[i].full = decode_extern_name(d);
        items[i].name = is_core ? reader_name(&d->r) : items[i].full.name;
        items[i].item.sort = is_core ? decode_core_sort(d) : decode_sort(d);
        items[i].item.index = decode_index(d, items[i].item.sort);
    }
    def->items = items;
}

static void decode_core_instance(struct decoder *d, struct definition *out)
{
    struct instance_def *def = decode_new(d, struct instance_def);
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form == 0)
        decode_core_args(d, def);
    else if (form == 1)
        decode_bundle(d, def, true);
    else
        reader_fail_at(&d->r, at, "unknown core instance form 0x%02x", form);
    out->instance = def;
}

static void decode_args(struct decoder *d, struct instance_def *def)
{
    def->target = decode_index(d, SORT_COMPONENT);
    def->item_count = reader_count(&d->r, 3, "arguments");
    struct inline_export *items = decode_new_array(d, struct inline_export, def->item_count);
    for (uint32_t i = 0; i < def->item_count && !reader_failed(&d->r); i++) {
        items[i].name = reader_name(&d->r);
        struct reader_path arg = {d->r.path, "argument", i, items[i].name};
        d->r.path = &arg;
        items[i].item.sort = decode_sort(d);
        items[i].item.index = decode_index(d, items[i].item.sort);
        d->r.path = arg.up;
    }
    def->items = items;
}

static void decode_instance(struct decoder *d, struct definition *out)
{
    struct instance_def *def = decode_new(d, struct instance_def);
    size_t at = d->r.pos;
    uint8_t form = reader_u8(&d->r);
    if (form == 0)
        decode_args(d, def);
    else if (form == 1)
        decode_bundle(d, def, false);
    else
        reader_fail_at(&d->r, at, "unknown instance form 0x%02x", form);
    out->instance = def;
}

// ---- one definition a section row ---------------------------------------------------------------

static void decode_core_type_def(struct decoder *d, struct definition *out)
{
    out->core_type = decode_core_type(d);
}

static void decode_alias_def(struct decoder *d, struct definition *out)
{
    out->alias = decode_alias(d);
}

static void decode_type_def(struct decoder *d, struct definition *out)
{
    out->type = decode_type(d);
}

static void decode_canon_def(struct decoder *d, struct definition *out)
{
    out->canon = decode_canon(d);
}

static void decode_import_def(struct decoder *d, struct definition *out)
{
    out->import = decode_import(d);
}

static void decode_export_def(struct decoder *d, struct definition *out)
{
    struct export_def *def = decode_new(d, struct export_def);
    out->export = def;
    def->name = decode_extern_name(d);
    struct reader_path here = {d->r.path, "export", 0, def->name.name};
    d->r.path = &here;
    size_t at = d->r.pos;
    def->item.sort = decode_sort(d);
    if (def->item.sort < SORT_FUNC && def->item.sort != SORT_CORE_MODULE)
        reader_fail_at(&d->r, at, "a %s cannot be exported", sort_name(def->item.sort));
    def->item.index = decode_index(d, def->item.sort);
    def->has_type = reader_flag(&d->r, "an optional type");
    if (def->has_type) {
        at = d->r.pos;
        def->type = decode_extern_type(d);
        if (!reader_failed(&d->r) && def->type.sort != def->item.sort)
            reader_fail_at(&d->r, at, "a %s has the type of a %s", sort_name(def->item.sort),
                           sort_name(def->type.sort));
    }
    d->r.path = here.up;
}

static void decode_value_def(struct decoder *d, struct definition *out)
{
    out->value = decode_val_ref(d);
    (void)reader_bytes(&d->r, reader_u32(&d->r));
}

// The index space that a definition adds to, or SORT_COUNT.
static enum sort defined_sort(const struct definition *def)
{
    switch (def->kind) {
    case DEF_CORE_MODULE:
        return SORT_CORE_MODULE;
    case DEF_CORE_INSTANCE:
        return SORT_CORE_INSTANCE;
    case DEF_CORE_TYPE:
        return SORT_CORE_TYPE;
    case DEF_COMPONENT:
        return SORT_COMPONENT;
    case DEF_INSTANCE:
        return SORT_INSTANCE;
    case DEF_ALIAS:
        return def->alias->sort;
    case DEF_TYPE:
        return SORT_TYPE;
    case DEF_CANON:
        return def->canon->kind == CANON_LIFT ? SORT_FUNC : SORT_CORE_FUNC;
    case DEF_START:
        return SORT_COUNT;
    case DEF_IMPORT:
        return def->import->type.sort;
    case DEF_EXPORT:
        return def->export->item.sort;
    case DEF_VALUE:
        return SORT_VALUE;
    }
    return SORT_COUNT;
}

static const struct {
    const char *section;
    const char *item; // of error paths
    enum sort sort;   // whose next index the path shows
    enum definition_kind kind;
    void (*decode)(struct decoder *d, struct definition *out);
} vectors[] = {
    [SECTION_CORE_INSTANCE] = {"core instance section", "core instance", SORT_CORE_INSTANCE,
                               DEF_CORE_INSTANCE, decode_core_instance},
    [SECTION_CORE_TYPE] = {"core type section", "core type", SORT_CORE_TYPE, DEF_CORE_TYPE,
                           decode_core_type_def},
    [SECTION_INSTANCE] = {"instance section", "component instance", SORT_INSTANCE, DEF_INSTANCE,
                          decode_instance},
    [SECTION_ALIAS] = {"alias section", "alias", SORT_COUNT, DEF_ALIAS, decode_alias_def},
    [SECTION_TYPE] = {"type section", "type", SORT_TYPE, DEF_TYPE, decode_type_def},
    [SECTION_CANON] = {"canonical section", "canonical definition", SORT_COUNT, DEF_CANON,
                       decode_canon_def},
    [SECTION_IMPORT] = {"import section", "import", SORT_COUNT, DEF_IMPORT, decode_import_def},
    [SECTION_EXPORT] = {"export section", "export", SORT_COUNT, DEF_EXPORT, decode_export_def},
    [SECTION_VALUE] = {"value section", "value", SORT_VALUE, DEF_VALUE, decode_value_def},
};

static void add_definition(struct decoder *d, struct definition_list *list, struct definition def)
{
    if (reader_failed(&d->r))
        return;
    enum sort sort = defined_sort(&def);
    if (sort != SORT_COUNT)
        d->scope->counts[sort] +=
            def.kind == DEF_CORE_TYPE ? decode_core_type_count(def.core_type) : 1;
    *vec_push(list) = def;
}

static void decode_vector(struct decoder *d, uint8_t section, struct definition_list *list)
{
    uint32_t count = reader_count(&d->r, 1, "definitions");
    const struct reader_path *outer = d->r.path;
    // The item takes the place of its section.
    struct reader_path here = {outer->up, vectors[section].item, 0, STR_EMPTY};
    d->r.path = &here;
    for (uint32_t i = 0; i < count && !reader_failed(&d->r); i++) {
        enum sort sort = vectors[section].sort;
        here.index = sort == SORT_COUNT ? i : d->scope->counts[sort];
        struct definition def = {.kind = vectors[section].kind, .offset = d->r.base + d->r.pos};
        vectors[section].decode(d, &def);
        add_definition(d, list, def);
    }
    d->r.path = outer;
}

static void decode_core_module_section(struct decoder *d, struct definition_list *list)
{
    struct definition def = {.kind = DEF_CORE_MODULE, .offset = d->r.base + d->r.pos};
    struct core_module *module = decode_new(d, struct core_module);
    uint32_t index = d->scope->counts[SORT_CORE_MODULE];
    struct str bytes = reader_bytes(&d->r, reader_left(&d->r));
    if (reader_failed(&d->r))
        return;
    d->r.rc = core_module_decode(bytes, def.offset, d->arena, module, d->r.err);
    if (d->r.rc < 0)
        error_wrap(d->r.err, "component: core module %u", index);
    def.module = module;
    add_definition(d, list, def);
}

static void decode_start_section(struct decoder *d, struct definition_list *list)
{
    struct definition def = {.kind = DEF_START, .offset = d->r.base + d->r.pos};
    def.start = decode_start(d);
    add_definition(d, list, def);
    if (!reader_failed(&d->r))
        d->scope->counts[SORT_VALUE] += def.start->result_count;
}

void decode_scope_finish(struct decoder *d, struct definition_list *list)
{
    struct definition *defs = decode_new_array(d, struct definition, list->len);
    if (list->len > 0)
        memcpy(defs, list->items, list->len * sizeof(*defs));
    d->scope->defs = defs;
    d->scope->def_count = (uint32_t)list->len;
    vec_done(list);
}

static void decode_component(struct decoder *d, struct component *scope);

static void decode_component_section(struct decoder *d, struct definition_list *list)
{
    struct definition def = {.kind = DEF_COMPONENT, .offset = d->r.base + d->r.pos};
    struct component *scope = decode_new(d, struct component);
    struct component *outer = d->scope;
    *scope = (struct component){.kind = SCOPE_COMPONENT, .parent = outer, .arena = d->arena};
    def.component = scope;
    if (++d->depth > COMPONENT_NESTING_MAX) {
        reader_fail(&d->r, "components are nested more than %d deep", COMPONENT_NESTING_MAX);
        return;
    }
    const struct reader_path *section = d->r.path;
    struct reader_path here = {section->up, "component", outer->counts[SORT_COMPONENT], STR_EMPTY};
    d->r.path = &here;
    decode_component(d, scope);
    d->r.path = section;
    d->scope = outer;
    d->depth--;
    add_definition(d, list, def);
}

static void decode_custom_section(struct decoder *d)
{
    (void)reader_name(&d->r);
    if (!reader_failed(&d->r))
        (void)reader_bytes(&d->r, reader_left(&d->r));
}

static void decode_section(struct decoder *d, struct definition_list *list)
{
    size_t at = d->r.pos;
    uint8_t id = reader_u8(&d->r);
    if (id > SECTION_VALUE) {
        reader_fail_at(&d->r, at, "unknown section %u", id);
        return;
    }
    const char *name = id == SECTION_CUSTOM        ? "custom section"
                       : id == SECTION_CORE_MODULE ? "core module"
                       : id == SECTION_COMPONENT   ? "component"
                       : id == SECTION_START       ? "start section"
                                                   : vectors[id].section;
    size_t end = reader_enter(&d->r, name);
    if (reader_failed(&d->r))
        return;
    if (id == SECTION_CUSTOM)
        decode_custom_section(d);
    else if (id == SECTION_CORE_MODULE)
        decode_core_module_section(d, list);
    else if (id == SECTION_COMPONENT)
        decode_component_section(d, list);
    else if (id == SECTION_START)
        decode_start_section(d, list);
    else
        decode_vector(d, id, list);
    reader_leave(&d->r, end, name);
}

static void decode_component(struct decoder *d, struct component *scope)
{
    static const char preamble[8] = "\0asm\x0d\0\1\0";
    size_t at = d->r.pos;
    struct str start = reader_bytes(&d->r, sizeof(preamble));
    if (!reader_failed(&d->r) && memcmp(start.data, preamble, sizeof(preamble)) != 0)
        reader_fail_at(&d->r, at, "not the preamble of a component");
    d->scope = scope;
    struct definition_list list = {0};
    struct reader_path here = {d->r.path, "section", 0, STR_EMPTY};
    d->r.path = &here;
    for (; !reader_at_end(&d->r); here.index++)
        decode_section(d, &list);
    d->r.path = here.up;
    decode_scope_finish(d, &list);
}

int component_decode_any(struct str bytes, struct component **out, struct error *err)
{
    int rc = component_check_preamble(bytes, err);
    if (rc < 0)
        return rc;
    struct arena *arena = mem_new(struct arena);
    *arena = ARENA_INIT(SIZE_MAX);
    struct decoder d = {.arena = arena};
    reader_init(&d.r, bytes, 0, "component", err);
    struct component *root = decode_new(&d, struct component);
    *root = (struct component){.kind = SCOPE_COMPONENT, .arena = arena};
    decode_component(&d, root);
    if (d.r.rc < 0) {
        component_free(root);
        return d.r.rc;
    }
    *out = root;
    return 0;
}

int component_decode(struct str bytes, struct component **out, struct error *err)
{
    struct component *root;
    int rc = component_decode_any(bytes, &root, err);
    if (rc < 0)
        return rc;
    rc = component_check_not_wit(root, err);
    if (rc < 0) {
        component_free(root);
        return rc;
    }
    *out = root;
    return 0;
}

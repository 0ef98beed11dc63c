// SPDX-License-Identifier: Apache-2.0
// What merged modules are numbered like: the imports of the merged module, then main's own entries,
// then the adapter's; the same for every index space.
#include "component/core_merge.h"

#include "component/core_type.h"

static void section_reader(struct reader *r, const struct core_module *module,
                           enum core_section section)
{
    reader_init(r, module->sections[section], 0, "core module", NULL);
}

// ---- what an adapter may be ---------------------------------------------------------------------

struct table_sizes {
    uint64_t items[CORE_MERGE_TABLES_MAX]; // entries of each own table
    uint32_t count;
};

static bool read_table_sizes(const struct core_module *module, struct table_sizes *out)
{
    struct reader r;
    section_reader(&r, module, CORE_SECTION_TABLE);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    if (count > CORE_MERGE_TABLES_MAX)
        return false;
    for (out->count = 0; out->count < count && !reader_failed(&r); out->count++) {
        struct core_val_type element;
        bool has_init = reader_peek(&r) == 0x40;
        if (has_init)
            (void)reader_bytes(&r, 2);
        out->items[out->count] = core_read_table_type(&r, &element).min;
        if (has_init)
            core_skip_const_expr(&r);
    }
    return !reader_failed(&r);
}

// `i32.const` or `i64.const`, and `end`.
static bool read_offset(struct reader *r, uint64_t *out)
{
    uint8_t op = reader_u8(r);
    if (op != 0x41 && op != 0x42)
        return false;
    int64_t value = reader_signed(r, op == 0x41 ? 32 : 64);
    *out = op == 0x41 ? (uint32_t)value : (uint64_t)value;
    return reader_u8(r) == 0x0b;
}

// The forms are told apart as in core_module.c.
static bool element_fits(struct reader *r, const struct table_sizes *sizes)
{
    uint32_t flags = reader_u32(r);
    uint64_t offset = 0;
    uint32_t table = 0;
    bool is_active = !(flags & 1);
    if (is_active) {
        table = flags & 2 ? reader_u32(r) : 0;
        if (table >= sizes->count || !read_offset(r, &offset))
            return false;
    }
    if (flags & 3) {
        if (flags & 4)
            (void)core_read_val_type(r);
        else
            (void)reader_u8(r);
    }
    uint32_t count = reader_u32(r);
    for (uint32_t i = 0; i < count && !reader_failed(r); i++) {
        if (flags & 4)
            core_skip_const_expr(r);
        else
            (void)reader_u32(r);
    }
    return !reader_failed(r) &&
           (!is_active || (offset <= sizes->items[table] && count <= sizes->items[table] - offset));
}

static bool elements_fit(const struct core_module *module)
{
    if (!module->has_active_elements)
        return true;
    struct table_sizes sizes;
    if (!read_table_sizes(module, &sizes))
        return false;
    struct reader r;
    section_reader(&r, module, CORE_SECTION_ELEMENT);
    uint32_t count = reader_u32(&r);
    for (uint32_t i = 0; i < count; i++)
        if (!element_fits(&r, &sizes))
            return false;
    return true;
}

// Active segments that write an imported table are refused first: own tables have index 0 then.
static bool imports_tables(const struct core_module *module)
{
    for (uint32_t i = 0; i < module->import_count; i++)
        if (module->imports[i].kind == CORE_TABLE)
            return true;
    return false;
}

bool core_merge_suits_adapter(const struct core_module *module)
{
    return !module->has_active_data && !(module->has_active_elements && imports_tables(module)) &&
           elements_fit(module);
}

// ---- bindings -----------------------------------------------------------------------------------

static bool same_chars(struct str a, struct str b)
{
    return str_eq(a, b) && !memchr(a.data, 'r', a.len);
}

// References are left to the engine's own rules of linking.
static bool funcs_match(const struct core_func_type *want, const struct core_func_type *have)
{
    return same_chars(want->params, have->params) && same_chars(want->results, have->results);
}

static bool values_match(const struct core_val_type *want, const struct core_val_type *have)
{
    return want->type == have->type &&
           (want->type != 'r' ||
            (want->heap == have->heap && want->heap < 0 && want->is_nullable == have->is_nullable));
}

static bool limits_match(const struct core_limits *want, const struct core_limits *have)
{
    return have->min >= want->min && have->max <= want->max && want->is_64 == have->is_64 &&
           want->is_shared == have->is_shared && want->page_size_log == have->page_size_log;
}

// Core specification, "Import Matching", where equal is asked for it suffices here.
static bool externs_match(const struct core_import *want, const struct core_export *have)
{
    if (want->kind != have->kind)
        return false;
    const struct core_extern *w = &want->type;
    const struct core_extern *h = &have->type;
    switch (want->kind) {
    case CORE_FUNC:
        return funcs_match(want->func, have->func);
    case CORE_TABLE:
        return values_match(&w->value, &h->value) && limits_match(&w->limits, &h->limits);
    case CORE_MEMORY:
        return limits_match(&w->limits, &h->limits);
    case CORE_GLOBAL:
        return values_match(&w->value, &h->value) && w->mutability == h->mutability;
    case CORE_TAG:
        return false;
    }
    return false;
}

bool core_merge_bind(const struct core_module *from, uint32_t import, enum core_part part,
                     const struct core_module *to, struct str name, struct core_binding *out)
{
    const struct core_export *export = core_module_find_export(to, name);
    if (!export || !externs_match(&from->imports[import], export))
        return false;
    *out = (struct core_binding){.part = part, .index = export->index};
    return true;
}

// ---- numbers ------------------------------------------------------------------------------------

struct numbering {
    struct core_merge *merge;
    // By part and kind: which import of the module an imported entry of the space is.
    uint32_t *imports[CORE_PARTS][CORE_TAG + 1];
    uint32_t imported[CORE_PARTS][CORE_TAG + 1];
};

static void list_imports(struct numbering *n, enum core_part part, struct arena *arena)
{
    const struct core_module *module = n->merge->parts[part];
    for (uint32_t kind = 0; kind <= CORE_TAG; kind++)
        n->imports[part][kind] = arena_new_array(arena, uint32_t, module->import_count);
    for (uint32_t i = 0; i < module->import_count; i++) {
        uint32_t kind = module->imports[i].kind;
        n->imports[part][kind][n->imported[part][kind]++] = i;
    }
}

// The new index of something; false when there is no end of it.
static bool resolve(const struct numbering *n, enum core_part part, enum core_extern_kind kind,
                    uint32_t index, uint32_t *out)
{
    const struct core_merge *merge = n->merge;
    for (uint32_t hops = 0; index < n->imported[part][kind]; hops++) {
        if (hops >= CORE_MERGE_HOPS_MAX)
            return false;
        const struct core_binding *binding = &merge->bindings[part][n->imports[part][kind][index]];
        index = binding->index;
        part = binding->part;
        if (binding->is_import) {
            *out = index;
            return kind == CORE_FUNC;
        }
    }
    *out = merge->to[part].externs[kind].base + (index - n->imported[part][kind]);
    return true;
}

static bool number_imports(struct numbering *n, enum core_part part, struct arena *arena)
{
    for (uint32_t kind = 0; kind <= CORE_TAG; kind++) {
        struct core_space *space = &n->merge->to[part].externs[kind];
        uint32_t *imported = arena_new_array(arena, uint32_t, space->imported_count);
        for (uint32_t i = 0; i < space->imported_count; i++)
            if (!resolve(n, part, (enum core_extern_kind)kind, i, &imported[i]))
                return false;
        space->imported = imported;
    }
    return true;
}

static uint32_t section_count(const struct core_module *module, enum core_section section)
{
    struct reader r;
    section_reader(&r, module, section);
    return reader_at_end(&r) ? 0 : reader_u32(&r);
}

static void number_spaces(struct numbering *n)
{
    struct core_merge *merge = n->merge;
    uint32_t next[CORE_TAG + 1] = {[CORE_FUNC] = merge->import_count};
    uint32_t types = 0, elements = 0, datas = 0;
    for (uint32_t part = 0; part < CORE_PARTS; part++) {
        const struct core_module *module = merge->parts[part];
        struct core_renumbering *to = &merge->to[part];
        for (uint32_t kind = 0; kind <= CORE_TAG; kind++) {
            to->externs[kind] = (struct core_space){.count = module->counts[kind],
                                                    .imported_count = n->imported[part][kind],
                                                    .base = next[kind]};
            next[kind] += module->counts[kind] - n->imported[part][kind];
        }
        to->types = (struct core_space){.count = module->type_count, .base = types};
        types += module->type_count;
        to->elements = (struct core_space){.count = section_count(module, CORE_SECTION_ELEMENT),
                                           .base = elements};
        elements += to->elements.count;
        // Instructions may name a segment only where a count of them comes before the code.
        to->datas = (struct core_space){.count = section_count(module, CORE_SECTION_DATA_COUNT),
                                        .base = datas};
        datas += section_count(module, CORE_SECTION_DATA);
    }
}

static uint32_t own_memories(const struct core_merge *merge)
{
    uint32_t count = 0;
    for (uint32_t part = 0; part < CORE_PARTS; part++) {
        const struct core_space *space = &merge->to[part].externs[CORE_MEMORY];
        count += space->count - space->imported_count;
    }
    return count;
}

// A count of data segments that is wrong would let bodies name the other part's.
static bool data_counts_agree(const struct core_module *module)
{
    return module->sections[CORE_SECTION_DATA_COUNT].len == 0 ||
           section_count(module, CORE_SECTION_DATA_COUNT) ==
               section_count(module, CORE_SECTION_DATA);
}

bool core_merge_prepare(struct core_merge *merge, struct arena *arena)
{
    struct numbering n = {.merge = merge};
    list_imports(&n, CORE_PART_MAIN, arena);
    list_imports(&n, CORE_PART_ADAPTER, arena);
    number_spaces(&n);
    return data_counts_agree(merge->parts[CORE_PART_MAIN]) &&
           data_counts_agree(merge->parts[CORE_PART_ADAPTER]) && own_memories(merge) <= 1 &&
           number_imports(&n, CORE_PART_MAIN, arena) &&
           number_imports(&n, CORE_PART_ADAPTER, arena);
}

void core_merge_outline(const struct core_merge *merge, struct arena *arena,
                        struct core_module *out)
{
    const struct core_module *main = merge->parts[CORE_PART_MAIN];
    struct core_import *imports = arena_new_array(arena, struct core_import, merge->import_count);
    for (uint32_t i = 0; i < merge->import_count; i++)
        imports[i] = (struct core_import){.module = STR_EMPTY,
                                          .name = arena_printf(arena, "%u", i),
                                          .kind = CORE_FUNC,
                                          .func = merge->imports[i].func};
    *out = (struct core_module){
        .imports = imports,
        .import_count = merge->import_count,
        .imported_func_count = merge->import_count,
        .has_start = main->has_start,
        .memory_min_pages =
            main->memory_min_pages + merge->parts[CORE_PART_ADAPTER]->memory_min_pages,
        .has_memory64 = main->has_memory64,
        .has_active_elements = true,
        .has_active_data = main->has_active_data,
    };
}

struct str core_merge_recipe(const struct core_merge *merge, struct arena *arena)
{
    BUF(text, SIZE_MAX);
    buf_putf(&text, "merge 1");
    for (uint32_t i = 0; i < merge->import_count; i++)
        buf_putf(&text, " %u:%u", merge->imports[i].part, merge->imports[i].type);
    for (uint32_t part = 0; part < CORE_PARTS; part++) {
        buf_putf(&text, ";");
        for (uint32_t i = 0; i < merge->parts[part]->import_count; i++) {
            const struct core_binding *binding = &merge->bindings[part][i];
            buf_putf(&text, " %u:%u:%u", binding->is_import, binding->part, binding->index);
        }
    }
    buf_putf(&text, ";");
    for (uint32_t i = 0; i < merge->export_count; i++) {
        const struct core_merge_export *export = &merge->exports[i];
        buf_putf(&text, " %u:%u:%u:%zu:%.*s", export->part, export->kind, export->index,
                 export->name.len, STR_ARG(export->name));
    }
    return arena_str(arena, buf_str(&text));
}

// SPDX-License-Identifier: Apache-2.0
#include "component/core_module.h"

#include <assert.h>
#include <errno.h>

#include "base/vec.h"
#include "component/core_type.h"

static const char *const extern_kind_names[] = {"function", "table", "memory", "global", "tag"};

struct outline {
    struct reader r;
    struct arena *arena;
    struct core_module *out;
    struct core_types types;
    VEC(struct core_import) imports;
    VEC(const struct core_func_type *) funcs;
    VEC(struct core_extern) others[CORE_TAG + 1]; // by kind, but for functions
    VEC(struct core_export) exports;
    uint32_t imported[CORE_TAG + 1];
    uint32_t code_count;
};

static void read_types(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 2, "types");
    struct core_types types = {0};
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++)
        core_read_rec_type(&o->r, o->arena, &types);
    // Functions point at their types, so these stay where they are from here on.
    struct core_func_type *items = arena_new_array(o->arena, struct core_func_type, types.len + 1);
    if (types.len > 0)
        memcpy(items, types.items, types.len * sizeof(*items));
    o->types = (struct core_types){items, types.len, types.len};
    vec_done(&types);
}

static void add_func(struct outline *o, const struct core_func_type *type)
{
    *vec_push(&o->funcs) = type;
    o->out->counts[CORE_FUNC]++;
}

static void add_other(struct outline *o, struct core_extern type)
{
    *vec_push(&o->others[type.kind]) = type;
    o->out->counts[type.kind]++;
    o->out->has_memory64 |= type.kind == CORE_MEMORY && type.limits.is_64;
}

static void add_memory(struct outline *o, struct core_limits limits)
{
    if (o->out->counts[CORE_MEMORY] == o->imported[CORE_MEMORY])
        o->out->memory_min_pages = limits.min;
    add_other(o, (struct core_extern){.kind = CORE_MEMORY, .limits = limits});
}

static void read_imports(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 4, "imports");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        struct str module = reader_name(&o->r);
        struct str name = reader_name(&o->r);
        struct core_extern desc = core_read_extern_type(&o->r, &o->types);
        if (reader_failed(&o->r))
            return;
        *vec_push(&o->imports) = (struct core_import){
            .module = module, .name = name, .kind = desc.kind, .func = desc.func, .type = desc};
        o->imported[desc.kind]++;
        if (desc.kind == CORE_FUNC)
            add_func(o, desc.func);
        else
            add_other(o, desc);
    }
    o->out->imported_func_count = o->imported[CORE_FUNC];
}

static void read_functions(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 1, "functions");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        size_t at = o->r.pos;
        uint32_t type = reader_index(&o->r, (uint32_t)o->types.len, "core type");
        if (reader_failed(&o->r))
            return;
        if (!o->types.items[type].params.data)
            reader_fail_at(&o->r, at, "core type %u is not a function type", type);
        add_func(o, &o->types.items[type]);
    }
}

static void read_tables(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 2, "tables");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        struct core_extern type = {.kind = CORE_TABLE};
        bool has_init = reader_peek(&o->r) == 0x40;
        if (has_init) {
            (void)reader_u8(&o->r);
            if (reader_u8(&o->r) != 0)
                reader_fail(&o->r, "unknown table form");
        }
        type.limits = core_read_table_type(&o->r, &type.value);
        if (has_init)
            core_skip_const_expr(&o->r);
        add_other(o, type);
    }
}

static void read_memories(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 2, "memories");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++)
        add_memory(o, core_read_limits(&o->r));
}

static void read_globals(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 3, "globals");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        struct core_extern type = {.kind = CORE_GLOBAL};
        core_read_global_type(&o->r, &type);
        core_skip_const_expr(&o->r);
        add_other(o, type);
    }
}

static void read_tags(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 2, "tags");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        struct core_extern type = {.kind = CORE_TAG};
        core_read_tag_type(&o->r, &o->types, &type);
        add_other(o, type);
    }
}

static void read_exports(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 3, "exports");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        struct core_export export = {.name = reader_name(&o->r)};
        size_t at = o->r.pos;
        uint8_t kind = reader_u8(&o->r);
        if (kind > CORE_TAG) {
            reader_fail_at(&o->r, at, "unknown kind 0x%02x of an export", kind);
            return;
        }
        export.kind = (enum core_extern_kind)kind;
        export.index = reader_index(&o->r, o->out->counts[kind], extern_kind_names[kind]);
        if (reader_failed(&o->r))
            return;
        if (kind == CORE_FUNC)
            export.func = o->funcs.items[export.index];
        export.type = kind == CORE_FUNC
                          ? (struct core_extern){.kind = CORE_FUNC, .func = export.func}
                          : o->others[kind].items[export.index];
        *vec_push(&o->exports) = export;
    }
}

static void read_start(struct outline *o)
{
    o->out->has_start = true;
    o->out->start = reader_index(&o->r, o->out->counts[CORE_FUNC], "function");
}

// Reads the offset of an active segment: a value past all ends when it is no mere constant.
static uint64_t read_offset(struct outline *o)
{
    size_t begin = o->r.pos;
    core_skip_const_expr(&o->r);
    size_t end = o->r.pos;
    if (reader_failed(&o->r) || (o->r.data[begin] != 0x41 && o->r.data[begin] != 0x42))
        return UINT64_MAX;
    struct reader r = o->r;
    r.pos = begin + 1;
    bool is_64 = o->r.data[begin] == 0x42;
    int64_t value = reader_signed(&r, is_64 ? 64 : 32);
    if (r.pos + 1 != end) // more than one instruction
        return UINT64_MAX;
    return is_64 ? (uint64_t)value : (uint32_t)value;
}

// An active segment of `count` elements or bytes for a table or memory.
static void note_active(struct outline *o, enum core_extern_kind kind, uint32_t target,
                        uint64_t offset, uint64_t count)
{
    if (target < o->imported[kind])
        o->out->writes_imports = true;
    if (target >= o->others[kind].len)
        return;
    const struct core_limits *limits = &o->others[kind].items[target].limits;
    uint64_t room = limits->min;
    if (kind == CORE_MEMORY && __builtin_mul_overflow(room, 1ull << limits->page_size_log, &room))
        room = UINT64_MAX;
    uint64_t end;
    if (__builtin_add_overflow(offset, count, &end) || end > room)
        o->out->may_not_fit = true;
}

// Core specification, "Element Section": bit 0 passive or declarative, bit 1 explicit table or
// declarative, bit 2 expressions instead of function indices.
static void read_element(struct outline *o)
{
    size_t at = o->r.pos;
    uint32_t flags = reader_u32(&o->r);
    if (flags > 7) {
        reader_fail_at(&o->r, at, "unknown element segment form %u", flags);
        return;
    }
    uint32_t table = 0;
    uint64_t offset = 0;
    if (!(flags & 1)) {
        table = flags & 2 ? reader_index(&o->r, o->out->counts[CORE_TABLE], "table") : 0;
        offset = read_offset(o);
        o->out->has_active_elements = true;
    }
    if (flags & 3) {
        if (flags & 4)
            (void)core_read_val_type(&o->r);
        else if (reader_u8(&o->r) != 0)
            reader_fail(&o->r, "unknown element kind");
    }
    uint32_t count = reader_count(&o->r, 1, "elements");
    if (!(flags & 1) && !reader_failed(&o->r))
        note_active(o, CORE_TABLE, table, offset, count);
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        if (flags & 4)
            core_skip_const_expr(&o->r);
        else
            (void)reader_index(&o->r, o->out->counts[CORE_FUNC], "function");
    }
}

static void read_elements(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 3, "element segments");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++)
        read_element(o);
}

static void read_code(struct outline *o)
{
    o->code_count = reader_count(&o->r, 3, "function bodies");
    for (uint32_t i = 0; i < o->code_count && !reader_failed(&o->r); i++)
        (void)reader_bytes(&o->r, reader_u32(&o->r));
}

static void read_data(struct outline *o)
{
    uint32_t count = reader_count(&o->r, 2, "data segments");
    for (uint32_t i = 0; i < count && !reader_failed(&o->r); i++) {
        size_t at = o->r.pos;
        uint32_t flags = reader_u32(&o->r);
        if (flags > 2) {
            reader_fail_at(&o->r, at, "unknown data segment form %u", flags);
            return;
        }
        uint32_t memory = 0;
        uint64_t offset = 0;
        if (flags != 1) {
            memory = flags == 2 ? reader_index(&o->r, o->out->counts[CORE_MEMORY], "memory") : 0;
            offset = read_offset(o);
            o->out->has_active_data = true;
        }
        struct str bytes = reader_bytes(&o->r, reader_u32(&o->r));
        if (flags != 1 && !reader_failed(&o->r))
            note_active(o, CORE_MEMORY, memory, offset, bytes.len);
    }
}

static void read_data_count(struct outline *o)
{
    (void)reader_u32(&o->r);
}

static const struct {
    const char *name;
    uint8_t order; // sections come in this order, not in that of their ids
    void (*read)(struct outline *o);
} sections[] = {
    [CORE_SECTION_TYPE] = {"type section", 1, read_types},
    [CORE_SECTION_IMPORT] = {"import section", 2, read_imports},
    [CORE_SECTION_FUNCTION] = {"function section", 3, read_functions},
    [CORE_SECTION_TABLE] = {"table section", 4, read_tables},
    [CORE_SECTION_MEMORY] = {"memory section", 5, read_memories},
    [CORE_SECTION_TAG] = {"tag section", 6, read_tags},
    [CORE_SECTION_GLOBAL] = {"global section", 7, read_globals},
    [CORE_SECTION_EXPORT] = {"export section", 8, read_exports},
    [CORE_SECTION_START] = {"start section", 9, read_start},
    [CORE_SECTION_ELEMENT] = {"element section", 10, read_elements},
    [CORE_SECTION_DATA_COUNT] = {"data count section", 11, read_data_count},
    [CORE_SECTION_CODE] = {"code section", 12, read_code},
    [CORE_SECTION_DATA] = {"data section", 13, read_data},
};
static_assert(ARRAY_LEN(sections) == CORE_SECTION_KINDS, "one row a section");

static void read_sections(struct outline *o)
{
    uint8_t last = 0;
    while (!reader_at_end(&o->r)) {
        size_t at = o->r.pos;
        uint8_t id = reader_u8(&o->r);
        if (id == CORE_SECTION_CUSTOM) {
            size_t end = reader_enter(&o->r, "custom section");
            (void)reader_name(&o->r);
            if (!reader_failed(&o->r))
                (void)reader_bytes(&o->r, reader_left(&o->r));
            reader_leave(&o->r, end, "custom section");
            continue;
        }
        if (id >= CORE_SECTION_KINDS) {
            reader_fail_at(&o->r, at, "unknown section %u", id);
            return;
        }
        if (sections[id].order <= last) {
            reader_fail_at(&o->r, at, "%s is out of order or comes twice", sections[id].name);
            return;
        }
        last = sections[id].order;
        size_t end = reader_enter(&o->r, sections[id].name);
        o->out->sections[id] = str_of((const char *)o->r.data + o->r.pos,
                                      reader_failed(&o->r) ? 0 : reader_left(&o->r));
        sections[id].read(o);
        reader_leave(&o->r, end, sections[id].name);
    }
    uint32_t defined = o->out->counts[CORE_FUNC] - o->imported[CORE_FUNC];
    if (o->code_count != defined)
        reader_fail(&o->r, "%u functions are declared but %u have bodies", defined, o->code_count);
}

static int compare_exports(const void *a, const void *b, void *exports)
{
    const struct core_export *items = exports;
    return str_cmp(items[*(const uint32_t *)a].name, items[*(const uint32_t *)b].name);
}

static void sort_exports(struct outline *o, struct core_export *exports, uint32_t count)
{
    uint32_t *order = arena_new_array(o->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    if (count > 0)
        qsort_r(order, count, sizeof(*order), compare_exports, exports);
    for (uint32_t i = 1; i < count; i++) {
        struct str name = exports[order[i]].name;
        if (str_eq(exports[order[i - 1]].name, name))
            reader_fail(&o->r, "export `%.*s` comes twice", STR_ARG(name));
    }
    o->out->exports_by_name = order;
}

static void *copy_items(struct arena *arena, const void *items, size_t count, size_t size)
{
    void *copy = arena_alloc_array(arena, count, size);
    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static void finish(struct outline *o)
{
    struct core_module *out = o->out;
    out->types = o->types.items;
    out->type_count = (uint32_t)o->types.len;
    out->imports =
        copy_items(o->arena, o->imports.items, o->imports.len, sizeof(*o->imports.items));
    out->import_count = (uint32_t)o->imports.len;
    out->funcs = copy_items(o->arena, o->funcs.items, o->funcs.len, sizeof(*o->funcs.items));
    out->func_count = (uint32_t)o->funcs.len;
    struct core_export *exports =
        copy_items(o->arena, o->exports.items, o->exports.len, sizeof(*o->exports.items));
    out->exports = exports;
    out->export_count = (uint32_t)o->exports.len;
    sort_exports(o, exports, out->export_count);
}

int core_module_decode(struct str bytes, size_t base_offset, struct arena *arena,
                       struct core_module *out, struct error *err)
{
    struct core_module module = {.bytes = bytes};
    struct outline o = {.arena = arena, .out = &module};
    reader_init(&o.r, bytes, base_offset, "core module", err);
    struct str magic = reader_bytes(&o.r, 8);
    if (!reader_failed(&o.r) && memcmp(magic.data, "\0asm\1\0\0\0", 8) != 0)
        reader_fail_at(&o.r, 0, "not a core module of version 1");
    read_sections(&o);
    if (!reader_failed(&o.r))
        finish(&o);
    vec_done(&o.imports);
    vec_done(&o.funcs);
    vec_done(&o.exports);
    for (size_t i = 0; i < ARRAY_LEN(o.others); i++)
        vec_done(&o.others[i]);
    if (o.r.rc == 0)
        *out = module;
    return o.r.rc;
}

const struct core_export *core_module_find_export(const struct core_module *module, struct str name)
{
    uint32_t low = 0;
    uint32_t high = module->export_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct core_export *export = &module->exports[module->exports_by_name[middle]];
        int order = str_cmp(name, export->name);
        if (order == 0)
            return export;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "component/core_reset.h"

#include "component/core_recode.h"
#include "component/core_type.h"

#define MODULE_HEADER_BYTES 8
#define NAME_BYTES_MAX      32

static void section_reader(struct reader *r, const struct core_module *module,
                           enum core_section section)
{
    reader_init(r, module->sections[section], 0, "core module", NULL);
}

// ---- bodies -------------------------------------------------------------------------------------

static struct core_renumbering identity(const struct core_module *module)
{
    struct core_renumbering to = {.types = {.count = module->type_count},
                                  .elements = {.count = UINT32_MAX},
                                  .datas = {.count = UINT32_MAX}};
    for (uint32_t kind = 0; kind <= CORE_TAG; kind++)
        to.externs[kind].count = module->counts[kind];
    return to;
}

// Reads all bodies; what the recoder writes is thrown away.
static bool bodies_change_only_values(const struct core_module *module)
{
    struct core_renumbering to = identity(module);
    struct writer nowhere;
    writer_init(&nowhere, SIZE_MAX);
    struct reader r;
    section_reader(&r, module, CORE_SECTION_CODE);
    struct core_recoder c;
    core_recode_init(&c, &r, &to, &nowhere);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    for (uint32_t i = 0; i < count && !reader_failed(&r) && !c.changes_lastingly; i++) {
        size_t end = reader_enter(&r, "function body");
        c.copied = r.pos;
        core_recode_body(&c);
        reader_leave(&r, end, "function body");
        nowhere.bytes.len = 0;
    }
    writer_done(&nowhere);
    return !reader_failed(&r) && !c.changes_lastingly;
}

// ---- exports ------------------------------------------------------------------------------------

struct exports {
    struct writer entries;
    uint32_t count;
};

static void add_export(struct exports *exports, enum core_extern_kind kind, uint32_t index)
{
    char name[NAME_BYTES_MAX];
    int len = snprintf(name, sizeof(name), CORE_RESET_PREFIX "%u", exports->count++);
    writer_name(&exports->entries, str_of(name, (size_t)len));
    writer_u8(&exports->entries, (uint8_t)kind);
    writer_u32(&exports->entries, index);
}

static uint32_t imported_count(const struct core_module *module, enum core_extern_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < module->import_count; i++)
        count += module->imports[i].kind == kind;
    return count;
}

static bool add_memories(struct exports *exports, const struct core_module *module)
{
    struct reader r;
    section_reader(&r, module, CORE_SECTION_MEMORY);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    uint32_t first = imported_count(module, CORE_MEMORY);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++) {
        if (core_read_limits(&r).is_shared)
            return false;
        add_export(exports, CORE_MEMORY, first + i);
    }
    return !reader_failed(&r);
}

static bool add_globals(struct exports *exports, const struct core_module *module)
{
    struct reader r;
    section_reader(&r, module, CORE_SECTION_GLOBAL);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    uint32_t first = imported_count(module, CORE_GLOBAL);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++) {
        struct core_extern global = {0};
        core_read_global_type(&r, &global);
        core_skip_const_expr(&r);
        if (!global.mutability)
            continue;
        if (global.value.type == 'r')
            return false;
        add_export(exports, CORE_GLOBAL, first + i);
    }
    return !reader_failed(&r);
}

static bool has_name_taken(const struct core_module *module)
{
    for (uint32_t i = 0; i < module->export_count; i++)
        if (str_starts(module->exports[i].name, STR(CORE_RESET_PREFIX)))
            return true;
    return false;
}

static void write_exports(struct writer *out, struct str old, const struct exports *exports)
{
    struct reader r;
    reader_init(&r, old, 0, "core module", NULL);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    writer_u8(out, CORE_SECTION_EXPORT);
    size_t opened = writer_open(out);
    writer_u32(out, count + exports->count);
    writer_bytes(out, reader_bytes(&r, reader_left(&r)));
    writer_bytes(out, buf_str(&exports->entries.bytes));
    writer_close(out, opened);
}

// ---- the module ---------------------------------------------------------------------------------

// Of sections that stand after the exports.
static bool follows_exports(uint8_t section)
{
    return section == CORE_SECTION_START || section == CORE_SECTION_ELEMENT ||
           section == CORE_SECTION_DATA_COUNT || section == CORE_SECTION_CODE ||
           section == CORE_SECTION_DATA;
}

static void write_module(struct writer *out, struct str module, const struct exports *exports)
{
    struct reader r;
    reader_init(&r, module, 0, "core module", NULL);
    writer_bytes(out, reader_bytes(&r, MODULE_HEADER_BYTES));
    bool written = false;
    while (!reader_at_end(&r)) {
        uint8_t id = reader_u8(&r);
        struct str content = reader_bytes(&r, reader_u32(&r));
        if (!written && (id == CORE_SECTION_EXPORT || follows_exports(id))) {
            write_exports(out, id == CORE_SECTION_EXPORT ? content : STR_EMPTY, exports);
            written = true;
        }
        if (id != CORE_SECTION_EXPORT)
            writer_section(out, id, content);
    }
    if (!written)
        write_exports(out, STR_EMPTY, exports);
}

static bool collect(struct exports *exports, const struct core_module *module)
{
    if (module->has_start || has_name_taken(module) || !add_memories(exports, module) ||
        !add_globals(exports, module) || !bodies_change_only_values(module))
        return false;
    if (exports->count == 0 && module->func_count > 0)
        add_export(exports, CORE_FUNC, 0);
    return exports->count > 0;
}

bool core_reset_write(struct str module, struct buf *out)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct exports exports = {0};
    struct writer copy;
    writer_init(&exports.entries, module.len);
    writer_init(&copy, SIZE_MAX);
    struct core_module outline;
    bool done = core_module_decode(module, 0, &arena, &outline, NULL) == 0 &&
                collect(&exports, &outline) && !exports.entries.full;
    if (done) {
        write_module(&copy, module, &exports);
        buf_put(out, buf_str(&copy.bytes));
        done = !copy.full;
    }
    writer_done(&copy);
    writer_done(&exports.entries);
    arena_done(&arena);
    return done;
}

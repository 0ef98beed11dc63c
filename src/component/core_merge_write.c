// SPDX-License-Identifier: Apache-2.0
// Writes merged modules section by section: of each section main's entries, then the adapter's,
// renumbered.
#include <errno.h>

#include "component/core_merge_name.h"
#include "component/core_type.h"

enum {
    FORM_TABLE_INIT = 0x40,
    FORM_FUNC_TYPE = 0x60,
    TYPE_FUNCREF = 0x70,
    // Element segments (core specification, "Element Section").
    ELEMENT_PASSIVE = 1,
    ELEMENT_EXPLICIT = 2,
    ELEMENT_EXPRESSIONS = 4,
    ELEMENT_FORMS = 8,
    ELEMENT_DECLARATIVE = ELEMENT_PASSIVE | ELEMENT_EXPLICIT,
    DATA_PASSIVE = 1,
    DATA_EXPLICIT = 2,
};

struct merging {
    const struct core_merge *merge;
    struct writer *out;
    struct writer code; // contents of the code section
    // By function of each part: named by `ref.func` in a body, and declared outside of bodies.
    bool *taken[CORE_PARTS];
    bool *declared[CORE_PARTS];
    struct error *err;
};

static int open_part(struct merging *m, struct reader *r, struct core_recoder *c, uint32_t part,
                     enum core_section section, struct writer *out)
{
    reader_init(r, m->merge->parts[part]->sections[section], 0, "core module", m->err);
    uint32_t count = reader_at_end(r) ? 0 : reader_u32(r);
    core_recode_init(c, r, &m->merge->to[part], out);
    return (int)MIN(count, INT32_MAX);
}

// ---- entries ------------------------------------------------------------------------------------

typedef void (*recode_entry)(struct core_recoder *c);

static void recode_type(struct core_recoder *c)
{
    uint8_t form = reader_u8(c->r);
    if (form != FORM_FUNC_TYPE) {
        reader_fail(c->r, "type form 0x%02x is not supported here", form);
        return;
    }
    for (uint32_t list = 0; list < 2; list++) {
        uint32_t count = reader_u32(c->r);
        for (uint32_t i = 0; i < count && !reader_failed(c->r); i++)
            core_recode_val_type(c);
    }
}

static void recode_func(struct core_recoder *c)
{
    (void)core_recode_index(c, &c->to->types);
}

static void recode_table(struct core_recoder *c)
{
    bool has_init = reader_peek(c->r) == FORM_TABLE_INIT;
    if (has_init)
        (void)reader_bytes(c->r, 2);
    core_recode_val_type(c);
    (void)core_read_limits(c->r);
    if (has_init)
        core_recode_expr(c);
}

static void recode_memory(struct core_recoder *c)
{
    (void)core_read_limits(c->r);
}

static void recode_tag(struct core_recoder *c)
{
    (void)reader_u8(c->r);
    (void)core_recode_index(c, &c->to->types);
}

static void recode_global(struct core_recoder *c)
{
    core_recode_val_type(c);
    (void)reader_u8(c->r);
    core_recode_expr(c);
}

// A segment of table 0, which the form leaves out; when it has another number now it takes the form
// that says so, with the kind of its elements.
static void recode_implicit_table(struct core_recoder *c, uint32_t form)
{
    const struct core_space *tables = &c->to->externs[CORE_TABLE];
    if (tables->count == 0) {
        reader_fail(c->r, "there is no table");
        return;
    }
    uint32_t table = core_space_at(tables, 0);
    if (table == 0) {
        core_recode_expr(c);
        return;
    }
    // The form itself was read but not copied.
    c->copied = c->r->pos;
    writer_u32(c->out, form | ELEMENT_EXPLICIT);
    writer_u32(c->out, table);
    core_recode_expr(c);
    core_recode_flush(c);
    writer_u8(c->out, form & ELEMENT_EXPRESSIONS ? TYPE_FUNCREF : 0);
}

static void recode_element(struct core_recoder *c)
{
    core_recode_flush(c);
    uint32_t form = reader_u32(c->r);
    if (form >= ELEMENT_FORMS)
        reader_fail(c->r, "unknown element segment form %u", form);
    if (!(form & ELEMENT_PASSIVE) && !(form & ELEMENT_EXPLICIT)) {
        recode_implicit_table(c, form);
    } else if (!(form & ELEMENT_PASSIVE)) {
        (void)core_recode_index(c, &c->to->externs[CORE_TABLE]);
        core_recode_expr(c);
    }
    if (form & ELEMENT_DECLARATIVE) {
        if (form & ELEMENT_EXPRESSIONS)
            core_recode_val_type(c);
        else
            (void)reader_u8(c->r);
    }
    uint32_t count = reader_u32(c->r);
    for (uint32_t i = 0; i < count && !reader_failed(c->r); i++) {
        if (form & ELEMENT_EXPRESSIONS)
            core_recode_expr(c);
        else
            core_recode_func_ref(c);
    }
}

static void recode_data(struct core_recoder *c)
{
    uint32_t form = reader_u32(c->r);
    if (form == DATA_EXPLICIT)
        (void)core_recode_index(c, &c->to->externs[CORE_MEMORY]);
    else if (form != DATA_PASSIVE)
        core_recode_implied_memory(c);
    if (form != DATA_PASSIVE)
        core_recode_expr(c);
    (void)reader_bytes(c->r, reader_u32(c->r));
}

static void recode_function(struct core_recoder *c)
{
    size_t end = reader_enter(c->r, "function body");
    c->copied = c->r->pos;
    size_t opened = writer_open(c->out);
    core_recode_body(c);
    writer_close(c->out, opened);
    reader_leave(c->r, end, "function body");
}

// ---- sections -----------------------------------------------------------------------------------

static int entry_count(struct merging *m, enum core_section section)
{
    struct reader r;
    struct core_recoder c;
    int count = 0;
    for (uint32_t part = 0; part < CORE_PARTS; part++)
        count += open_part(m, &r, &c, part, section, m->out);
    return count;
}

static int write_entries(struct merging *m, uint32_t part, enum core_section section,
                         recode_entry recode, struct writer *out)
{
    struct reader r;
    struct core_recoder c;
    int count = open_part(m, &r, &c, part, section, out);
    c.taken = section == CORE_SECTION_CODE ? m->taken[part] : m->declared[part];
    for (int i = 0; i < count && !reader_failed(&r); i++)
        recode(&c);
    if (reader_failed(&r))
        return r.rc;
    core_recode_flush(&c);
    return out->full ? -ENOBUFS : 0;
}

static size_t open_section(struct merging *m, enum core_section section)
{
    writer_u8(m->out, (uint8_t)section);
    return writer_open(m->out);
}

static int write_section(struct merging *m, enum core_section section, recode_entry recode)
{
    int count = entry_count(m, section);
    if (count == 0)
        return 0;
    size_t opened = open_section(m, section);
    writer_u32(m->out, (uint32_t)count);
    int rc = 0;
    for (uint32_t part = 0; part < CORE_PARTS && rc == 0; part++)
        rc = write_entries(m, part, section, recode, m->out);
    writer_close(m->out, opened);
    return rc;
}

static int write_imports(struct merging *m)
{
    const struct core_merge *merge = m->merge;
    if (merge->import_count == 0)
        return 0;
    size_t opened = open_section(m, CORE_SECTION_IMPORT);
    writer_u32(m->out, merge->import_count);
    for (uint32_t i = 0; i < merge->import_count; i++) {
        const struct core_merge_import *import = &merge->imports[i];
        char name[16];
        int len = snprintf(name, sizeof(name), "%u", i);
        writer_name(m->out, STR_EMPTY);
        writer_name(m->out, str_of(name, (size_t)len));
        writer_u8(m->out, CORE_FUNC);
        writer_u32(m->out, core_space_at(&merge->to[import->part].types, import->type));
    }
    writer_close(m->out, opened);
    return 0;
}

static int write_exports(struct merging *m)
{
    const struct core_merge *merge = m->merge;
    size_t opened = open_section(m, CORE_SECTION_EXPORT);
    writer_u32(m->out, merge->export_count);
    for (uint32_t i = 0; i < merge->export_count; i++) {
        const struct core_merge_export *export = &merge->exports[i];
        writer_name(m->out, export->name);
        writer_u8(m->out, (uint8_t) export->kind);
        writer_u32(m->out,
                   core_space_at(&merge->to[export->part].externs[export->kind], export->index));
    }
    writer_close(m->out, opened);
    return 0;
}

static int write_start(struct merging *m)
{
    const struct core_module *main = m->merge->parts[CORE_PART_MAIN];
    if (!main->has_start)
        return 0;
    size_t opened = open_section(m, CORE_SECTION_START);
    writer_u32(m->out,
               core_space_at(&m->merge->to[CORE_PART_MAIN].externs[CORE_FUNC], main->start));
    writer_close(m->out, opened);
    return 0;
}

static bool takes_funcs(const struct merging *m, uint32_t part)
{
    return memchr(m->taken[part], true, m->merge->parts[part]->func_count) != NULL;
}

static uint32_t exported_funcs(const struct core_module *module)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < module->export_count; i++)
        count += module->exports[i].kind == CORE_FUNC;
    return count;
}

// `ref.func` may name what the module declares outside of bodies, as by an export. Exports that
// nobody needs are gone from the merged module, so a declarative segment takes their place.
static void write_declared(struct merging *m, uint32_t part)
{
    const struct core_module *module = m->merge->parts[part];
    writer_u32(m->out, ELEMENT_DECLARATIVE);
    writer_u8(m->out, 0);
    writer_u32(m->out, exported_funcs(module));
    for (uint32_t i = 0; i < module->export_count; i++)
        if (module->exports[i].kind == CORE_FUNC)
            writer_u32(m->out, core_space_at(&m->merge->to[part].externs[CORE_FUNC],
                                             module->exports[i].index));
}

static int write_elements(struct merging *m)
{
    uint32_t count = (uint32_t)entry_count(m, CORE_SECTION_ELEMENT) +
                     takes_funcs(m, CORE_PART_MAIN) + takes_funcs(m, CORE_PART_ADAPTER);
    if (count == 0)
        return 0;
    size_t opened = open_section(m, CORE_SECTION_ELEMENT);
    writer_u32(m->out, count);
    int rc = 0;
    for (uint32_t part = 0; part < CORE_PARTS && rc == 0; part++)
        rc = write_entries(m, part, CORE_SECTION_ELEMENT, recode_element, m->out);
    for (uint32_t part = 0; part < CORE_PARTS; part++)
        if (takes_funcs(m, part))
            write_declared(m, part);
    writer_close(m->out, opened);
    return rc;
}

static int write_data_count(struct merging *m)
{
    bool is_needed = false;
    for (uint32_t part = 0; part < CORE_PARTS; part++)
        is_needed |= m->merge->parts[part]->sections[CORE_SECTION_DATA_COUNT].len > 0;
    if (!is_needed)
        return 0;
    size_t opened = open_section(m, CORE_SECTION_DATA_COUNT);
    writer_u32(m->out, (uint32_t)entry_count(m, CORE_SECTION_DATA));
    writer_close(m->out, opened);
    return 0;
}

// Bodies come first, as they say which functions the element section has to declare.
static int recode_code(struct merging *m)
{
    writer_u32(&m->code, (uint32_t)entry_count(m, CORE_SECTION_CODE));
    int rc = 0;
    for (uint32_t part = 0; part < CORE_PARTS && rc == 0; part++)
        rc = write_entries(m, part, CORE_SECTION_CODE, recode_function, &m->code);
    return rc;
}

static int write_code(struct merging *m)
{
    size_t opened = open_section(m, CORE_SECTION_CODE);
    writer_bytes(m->out, buf_str(&m->code.bytes));
    writer_close(m->out, opened);
    return 0;
}

static int write_names(struct merging *m)
{
    core_merge_write_names(m->merge, m->out);
    return 0;
}

// In the order of a module; sections with entries name what renumbers one.
static const struct {
    enum core_section section;
    recode_entry recode;
    int (*write)(struct merging *m);
} sections[] = {
    {CORE_SECTION_TYPE, .recode = recode_type},
    {CORE_SECTION_IMPORT, .write = write_imports},
    {CORE_SECTION_FUNCTION, .recode = recode_func},
    {CORE_SECTION_TABLE, .recode = recode_table},
    {CORE_SECTION_MEMORY, .recode = recode_memory},
    {CORE_SECTION_TAG, .recode = recode_tag},
    {CORE_SECTION_GLOBAL, .recode = recode_global},
    {CORE_SECTION_EXPORT, .write = write_exports},
    {CORE_SECTION_START, .write = write_start},
    {CORE_SECTION_ELEMENT, .write = write_elements},
    {CORE_SECTION_DATA_COUNT, .write = write_data_count},
    {CORE_SECTION_CODE, .write = write_code},
    {CORE_SECTION_DATA, .recode = recode_data},
    {CORE_SECTION_CUSTOM, .write = write_names},
};

static void open_marks(struct merging *m)
{
    for (uint32_t part = 0; part < CORE_PARTS; part++) {
        const struct core_module *module = m->merge->parts[part];
        m->taken[part] = mem_zalloc((size_t)module->func_count + 1);
        m->declared[part] = mem_zalloc((size_t)module->func_count + 1);
        for (uint32_t i = 0; i < module->export_count; i++)
            if (module->exports[i].kind == CORE_FUNC)
                m->declared[part][module->exports[i].index] = true;
    }
}

// What one part lacks, the other does not lend it.
static int check_marks(struct merging *m)
{
    for (uint32_t part = 0; part < CORE_PARTS; part++)
        for (uint32_t i = 0; i < m->merge->parts[part]->func_count; i++)
            if (m->taken[part][i] && !m->declared[part][i])
                return error_set(m->err, -EINVAL,
                                 "core module: function %u is referred to but not declared", i);
    return 0;
}

static void close_marks(struct merging *m)
{
    for (uint32_t part = 0; part < CORE_PARTS; part++) {
        free(m->taken[part]);
        free(m->declared[part]);
    }
}

static int write_sections(struct merging *m)
{
    int rc = recode_code(m);
    writer_bytes(m->out, STR("\0asm\1\0\0\0"));
    for (size_t i = 0; i < ARRAY_LEN(sections) && rc == 0; i++)
        rc = sections[i].recode ? write_section(m, sections[i].section, sections[i].recode)
                                : sections[i].write(m);
    return rc < 0 ? rc : check_marks(m);
}

int core_merge_write(const struct core_merge *merge, struct buf *out, struct error *err)
{
    struct writer module;
    struct merging m = {.merge = merge, .out = &module, .err = err};
    writer_init(&module, CORE_MERGE_BYTES_MAX);
    writer_init(&m.code, CORE_MERGE_BYTES_MAX);
    open_marks(&m);
    int rc = write_sections(&m);
    close_marks(&m);
    writer_done(&m.code);
    if (rc == -ENOBUFS || (rc == 0 && module.full))
        rc = error_set(err, -ENOBUFS, "the merged module is larger than %zu bytes",
                       CORE_MERGE_BYTES_MAX);
    if (rc < 0) {
        writer_done(&module);
        return rc;
    }
    buf_done(out);
    *out = module.bytes;
    return 0;
}

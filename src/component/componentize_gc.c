// SPDX-License-Identifier: Apache-2.0
// Trims an adapter to what is called: functions that no kept export reaches go, and with them the
// imports that only they named.
#include <errno.h>

#include "component/componentize_internal.h"
#include "component/core_recode.h"
#include "component/core_type.h"

enum {
    OP_UNREACHABLE = 0x00,
    OP_IF = 0x04,
    OP_END = 0x0b,
    OP_CALL = 0x10,
    OP_LOCAL_GET = 0x20,
    OP_LOCAL_TEE = 0x22,
    OP_GLOBAL_GET = 0x23,
    OP_GLOBAL_SET = 0x24,
    OP_MEMORY_GROW = 0x40,
    OP_I32_CONST = 0x41,
    OP_I32_EQ = 0x46,
    OP_I32_NE = 0x47,
    OP_I32_ADD = 0x6a,
    OP_I32_SHL = 0x74,
    BLOCK_EMPTY = 0x40,
    VAL_I32 = 0x7f,
    FORM_FUNC_TYPE = 0x60,
    FORM_TABLE_INIT = 0x40,
    NAME_GLOBALS = 7,
};

#define PAGE_BYTES 65536
// What an adapter gets for a stack.
#define STACK_BYTES PAGE_BYTES
#define STACK_ALIGN 8
#define NO_INDEX    UINT32_MAX

// States of the adapter's global `allocation_state`.
enum { STACK_UNALLOCATED, STACK_ALLOCATING, STACK_ALLOCATED };

struct trimmer {
    const struct core_module *module;
    const struct map *keep;
    bool main_has_realloc;
    struct arena arena;
    struct error *err;
    struct str *bodies;       // of defined functions, without their sizes
    struct str *import_bytes; // each import as it stands
    uint32_t *import_funcs;   // import to function index, or NO_INDEX
    bool *live;               // by function
    VEC(uint32_t) work;
    struct core_renumbering to;
    uint32_t *new_index;    // by function
    uint32_t stack_pointer; // globals, or NO_INDEX
    uint32_t stack_state;
    uint32_t realloc_import; // function index, or NO_INDEX
    uint32_t own_realloc;    // new indices, or NO_INDEX
    uint32_t allocate_stack;
};

// ---- reading ------------------------------------------------------------------------------------

static void open_input(struct trimmer *t, struct reader *r, enum core_section section)
{
    reader_init(r, t->module->sections[section], 0, "adapter", t->err);
}

static int read_imports(struct trimmer *t)
{
    struct core_types types = {(struct core_func_type *)t->module->types, t->module->type_count, 0};
    struct reader r;
    open_input(t, &r, CORE_SECTION_IMPORT);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    uint32_t funcs = 0;
    t->import_bytes = arena_new_array(&t->arena, struct str, t->module->import_count);
    t->import_funcs = arena_new_array(&t->arena, uint32_t, t->module->import_count);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++) {
        size_t at = r.pos;
        struct str module = reader_name(&r);
        struct str name = reader_name(&r);
        (void)core_read_extern_type(&r, &types);
        t->import_bytes[i] = str_of((const char *)r.data + at, r.pos - at);
        bool is_func = t->module->imports[i].kind == CORE_FUNC;
        t->import_funcs[i] = is_func ? funcs++ : NO_INDEX;
        if (is_func && str_is(module, "__main_module__") && str_is(name, "cabi_realloc"))
            t->realloc_import = t->import_funcs[i];
    }
    return r.rc;
}

static int read_bodies(struct trimmer *t)
{
    struct reader r;
    open_input(t, &r, CORE_SECTION_CODE);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    t->bodies = arena_new_array(&t->arena, struct str, count);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++)
        t->bodies[i] = reader_bytes(&r, reader_u32(&r));
    return r.rc;
}

static void read_global_names(struct trimmer *t, struct reader *r)
{
    uint32_t count = reader_u32(r);
    for (uint32_t i = 0; i < count && !reader_failed(r); i++) {
        uint32_t index = reader_u32(r);
        struct str name = reader_name(r);
        if (reader_failed(r) || index >= t->module->counts[CORE_GLOBAL])
            continue;
        if (str_is(name, "__stack_pointer"))
            t->stack_pointer = index;
        if (str_is(name, "allocation_state"))
            t->stack_state = index;
    }
}

static void read_name_section(struct trimmer *t, struct reader *r)
{
    while (!reader_at_end(r)) {
        uint8_t kind = reader_u8(r);
        struct str content = reader_bytes(r, reader_u32(r));
        struct reader inner;
        reader_init(&inner, content, 0, "adapter", NULL);
        if (kind == NAME_GLOBALS && !reader_failed(r))
            read_global_names(t, &inner);
    }
}

// The names of globals tell of the stack. A broken section tells nothing.
static void find_stack(struct trimmer *t)
{
    struct reader r;
    reader_init(&r, t->module->bytes, 0, "adapter", NULL);
    (void)reader_bytes(&r, 8);
    while (!reader_at_end(&r)) {
        uint8_t id = reader_u8(&r);
        struct str content = reader_bytes(&r, reader_u32(&r));
        struct reader inner;
        reader_init(&inner, content, 0, "adapter", NULL);
        if (id == CORE_SECTION_CUSTOM && str_is(reader_name(&inner), "name"))
            read_name_section(t, &inner);
    }
}

// ---- what is live -------------------------------------------------------------------------------

static void mark(struct trimmer *t, uint32_t func)
{
    if (t->live[func])
        return;
    t->live[func] = true;
    *vec_push(&t->work) = func;
}

static void met(void *data, const struct core_space *space, uint32_t index)
{
    struct trimmer *t = data;
    if (space == &t->to.externs[CORE_FUNC])
        mark(t, index);
}

// All indices stay as they are.
static void number_all(struct trimmer *t)
{
    for (int kind = 0; kind <= CORE_TAG; kind++)
        t->to.externs[kind] = (struct core_space){.count = t->module->counts[kind]};
    t->to.types = (struct core_space){.count = t->module->type_count};
    t->to.elements = (struct core_space){.count = UINT32_MAX};
    t->to.datas = (struct core_space){.count = UINT32_MAX};
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

static void recode_global(struct core_recoder *c)
{
    core_recode_val_type(c);
    (void)reader_u8(c->r);
    core_recode_expr(c);
}

// Core specification, "Element Section": bit 0 passive or declarative, bit 1 explicit table or
// declarative, bit 2 expressions instead of function indices.
static void recode_element(struct core_recoder *c)
{
    uint32_t form = reader_u32(c->r);
    if (form > 7)
        reader_fail(c->r, "unknown element segment form %u", form);
    if ((form & 3) == 2)
        (void)core_recode_index(c, &c->to->externs[CORE_TABLE]);
    if (!(form & 1))
        core_recode_expr(c);
    if (form & 3) {
        if (form & 4)
            core_recode_val_type(c);
        else
            (void)reader_u8(c->r);
    }
    uint32_t count = reader_u32(c->r);
    for (uint32_t i = 0; i < count && !reader_failed(c->r); i++) {
        if (form & 4)
            core_recode_expr(c);
        else
            (void)core_recode_index(c, &c->to->externs[CORE_FUNC]);
    }
}

static const struct {
    enum core_section section;
    void (*recode)(struct core_recoder *c);
} entries[] = {
    {CORE_SECTION_TABLE, recode_table},
    {CORE_SECTION_GLOBAL, recode_global},
    {CORE_SECTION_ELEMENT, recode_element},
};

// Copies a section's entries, renumbered.
static int recode_entries(struct trimmer *t, enum core_section section,
                          void (*recode)(struct core_recoder *c), struct writer *out)
{
    struct reader r;
    open_input(t, &r, section);
    struct core_recoder c;
    core_recode_init(&c, &r, &t->to, out);
    c.met = met;
    c.met_data = t;
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++)
        recode(&c);
    core_recode_flush(&c);
    return r.rc;
}

static int recode_body(struct trimmer *t, uint32_t func, struct writer *out)
{
    struct reader r;
    reader_init(&r, t->bodies[func - t->module->imported_func_count], 0, "adapter", t->err);
    struct core_recoder c;
    core_recode_init(&c, &r, &t->to, out);
    c.met = met;
    c.met_data = t;
    core_recode_body(&c);
    return r.rc;
}

static void mark_roots(struct trimmer *t)
{
    for (uint32_t i = 0; i < t->module->export_count; i++) {
        const struct core_export *export = &t->module->exports[i];
        if (export->kind == CORE_FUNC && map_get(t->keep, export->name))
            mark(t, export->index);
    }
    if (t->module->has_start)
        mark(t, t->module->start);
    if (t->stack_pointer != NO_INDEX && t->realloc_import != NO_INDEX)
        mark(t, t->realloc_import);
}

static int mark_all(struct trimmer *t)
{
    struct writer nowhere;
    writer_init(&nowhere, 0);
    mark_roots(t);
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(entries) && rc == 0; i++)
        rc = recode_entries(t, entries[i].section, entries[i].recode, &nowhere);
    while (t->work.len > 0 && rc == 0) {
        uint32_t func = t->work.items[--t->work.len];
        if (func >= t->module->imported_func_count)
            rc = recode_body(t, func, &nowhere);
    }
    writer_done(&nowhere);
    return rc;
}

// ---- new numbers --------------------------------------------------------------------------------

static bool replaces_realloc(const struct trimmer *t)
{
    return t->realloc_import != NO_INDEX && !t->main_has_realloc && t->live[t->realloc_import];
}

static void renumber(struct trimmer *t)
{
    uint32_t next = 0;
    bool replaces = replaces_realloc(t);
    t->new_index = arena_new_array(&t->arena, uint32_t, t->module->func_count);
    for (uint32_t i = 0; i < t->module->func_count; i++)
        if (t->live[i] && !(replaces && i == t->realloc_import))
            t->new_index[i] = next++;
    t->own_realloc = NO_INDEX;
    t->allocate_stack = NO_INDEX;
    if (replaces)
        t->new_index[t->realloc_import] = t->own_realloc = next++;
    if (t->stack_pointer != NO_INDEX && t->realloc_import != NO_INDEX)
        t->allocate_stack = next++;
    uint32_t count = t->module->func_count;
    t->to.externs[CORE_FUNC] =
        (struct core_space){.count = count, .imported_count = count, .imported = t->new_index};
}

// ---- writing ------------------------------------------------------------------------------------

static size_t open_section(struct writer *w, enum core_section section)
{
    writer_u8(w, (uint8_t)section);
    return writer_open(w);
}

static void copy_section(struct trimmer *t, struct writer *w, enum core_section section)
{
    if (t->module->sections[section].len > 0)
        writer_section(w, (uint8_t)section, t->module->sections[section]);
}

// How many entries a section has, and the rest of it.
static uint32_t section_count(struct trimmer *t, enum core_section section, struct str *rest)
{
    struct reader r;
    open_input(t, &r, section);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    *rest = count > 0 ? reader_bytes(&r, reader_left(&r)) : STR_EMPTY;
    return count;
}

// The module's own types, then those of `allocate_stack` and of an allocator.
static void write_types(struct trimmer *t, struct writer *w)
{
    static const uint8_t more[] = {FORM_FUNC_TYPE, 0,       0, FORM_FUNC_TYPE, 4, VAL_I32, VAL_I32,
                                   VAL_I32,        VAL_I32, 1, VAL_I32};
    struct str rest;
    uint32_t count = section_count(t, CORE_SECTION_TYPE, &rest);
    size_t opened = open_section(w, CORE_SECTION_TYPE);
    writer_u32(w, count + 2);
    writer_bytes(w, rest);
    writer_bytes(w, str_of((const char *)more, sizeof(more)));
    writer_close(w, opened);
}

static bool keeps_import(const struct trimmer *t, uint32_t import)
{
    uint32_t func = t->import_funcs[import];
    if (func == NO_INDEX)
        return true;
    return t->live[func] && !(func == t->realloc_import && replaces_realloc(t));
}

static void write_imports(struct trimmer *t, struct writer *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->module->import_count; i++)
        count += keeps_import(t, i);
    size_t opened = open_section(w, CORE_SECTION_IMPORT);
    writer_u32(w, count);
    for (uint32_t i = 0; i < t->module->import_count; i++)
        if (keeps_import(t, i))
            writer_bytes(w, t->import_bytes[i]);
    writer_close(w, opened);
}

static uint32_t defined_count(const struct trimmer *t)
{
    uint32_t count = (t->own_realloc != NO_INDEX) + (t->allocate_stack != NO_INDEX);
    for (uint32_t i = t->module->imported_func_count; i < t->module->func_count; i++)
        count += t->live[i];
    return count;
}

static void write_functions(struct trimmer *t, struct writer *w)
{
    const struct core_module *module = t->module;
    size_t opened = open_section(w, CORE_SECTION_FUNCTION);
    writer_u32(w, defined_count(t));
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++)
        if (t->live[i])
            writer_u32(w, (uint32_t)(module->funcs[i] - module->types));
    if (t->own_realloc != NO_INDEX)
        writer_u32(w, module->type_count + 1);
    if (t->allocate_stack != NO_INDEX)
        writer_u32(w, module->type_count);
    writer_close(w, opened);
}

static int write_entries(struct trimmer *t, struct writer *w, size_t which)
{
    struct str rest;
    uint32_t count = section_count(t, entries[which].section, &rest);
    if (count == 0)
        return 0;
    size_t opened = open_section(w, entries[which].section);
    int rc = recode_entries(t, entries[which].section, entries[which].recode, w);
    writer_close(w, opened);
    return rc;
}

static bool keeps_export(const struct trimmer *t, const struct core_export *export)
{
    return export->kind == CORE_FUNC && map_get(t->keep, export->name);
}

static void write_exports(struct trimmer *t, struct writer *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->module->export_count; i++)
        count += keeps_export(t, &t->module->exports[i]);
    size_t opened = open_section(w, CORE_SECTION_EXPORT);
    writer_u32(w, count);
    for (uint32_t i = 0; i < t->module->export_count; i++) {
        const struct core_export *export = &t->module->exports[i];
        if (!keeps_export(t, export))
            continue;
        writer_name(w, export->name);
        writer_u8(w, CORE_FUNC);
        writer_u32(w, t->new_index[export->index]);
    }
    writer_close(w, opened);
}

static void put_i32(struct writer *w, int32_t value)
{
    writer_u8(w, OP_I32_CONST);
    writer_signed(w, value);
}

static void put_op(struct writer *w, uint8_t op, uint32_t index)
{
    writer_u8(w, op);
    writer_u32(w, index);
}

// if (local `param` != value) trap
static void put_insist(struct writer *w, uint32_t param, int32_t value)
{
    put_i32(w, value);
    put_op(w, OP_LOCAL_GET, param);
    writer_u8(w, OP_I32_NE);
    writer_u8(w, OP_IF);
    writer_u8(w, BLOCK_EMPTY);
    writer_u8(w, OP_UNREACHABLE);
    writer_u8(w, OP_END);
}

// Allocates one page of new memory, which is all that an adapter asks for: main has no allocator.
static void write_own_realloc(struct writer *w)
{
    size_t opened = writer_open(w);
    writer_u32(w, 1);
    writer_u32(w, 1);
    writer_u8(w, VAL_I32);
    put_insist(w, 0, 0);
    put_insist(w, 1, 0);
    put_insist(w, 3, PAGE_BYTES);
    put_i32(w, 1);
    put_op(w, OP_MEMORY_GROW, 0);
    put_op(w, OP_LOCAL_TEE, 4);
    put_i32(w, -1);
    writer_u8(w, OP_I32_EQ);
    writer_u8(w, OP_IF);
    writer_u8(w, BLOCK_EMPTY);
    writer_u8(w, OP_UNREACHABLE);
    writer_u8(w, OP_END);
    put_op(w, OP_LOCAL_GET, 4);
    put_i32(w, 16);
    writer_u8(w, OP_I32_SHL);
    writer_u8(w, OP_END);
    writer_close(w, opened);
}

static void put_state(const struct trimmer *t, struct writer *w, int32_t state)
{
    if (t->stack_state == NO_INDEX)
        return;
    put_i32(w, state);
    put_op(w, OP_GLOBAL_SET, t->stack_state);
}

// Once: stack pointer = realloc(0, 0, align, size) + size. Without a state the pointer, 0 at first,
// says whether that was done.
static void write_allocate_stack(const struct trimmer *t, struct writer *w)
{
    size_t opened = writer_open(w);
    writer_u32(w, 0);
    put_op(w, OP_GLOBAL_GET, t->stack_state == NO_INDEX ? t->stack_pointer : t->stack_state);
    put_i32(w, STACK_UNALLOCATED);
    writer_u8(w, OP_I32_EQ);
    writer_u8(w, OP_IF);
    writer_u8(w, BLOCK_EMPTY);
    put_state(t, w, STACK_ALLOCATING);
    put_i32(w, 0);
    put_i32(w, 0);
    put_i32(w, STACK_ALIGN);
    put_i32(w, STACK_BYTES);
    put_op(w, OP_CALL, t->new_index[t->realloc_import]);
    put_i32(w, STACK_BYTES);
    writer_u8(w, OP_I32_ADD);
    put_op(w, OP_GLOBAL_SET, t->stack_pointer);
    put_state(t, w, STACK_ALLOCATED);
    writer_u8(w, OP_END);
    writer_u8(w, OP_END);
    writer_close(w, opened);
}

// The body with a call of `allocate_stack` behind its locals.
static void put_with_stack(const struct trimmer *t, struct str body, struct writer *w)
{
    struct reader r;
    reader_init(&r, body, 0, "adapter", t->err);
    uint32_t groups = reader_u32(&r);
    for (uint32_t i = 0; i < groups && !reader_failed(&r); i++) {
        (void)reader_u32(&r);
        (void)core_read_val_type(&r);
    }
    writer_bytes(w, str_sub(body, 0, r.pos));
    put_op(w, OP_CALL, t->allocate_stack);
    writer_bytes(w, str_from_index(body, r.pos));
}

static int write_body(struct trimmer *t, uint32_t func, bool is_exported, struct writer *w)
{
    struct writer body;
    writer_init(&body, COMPONENTIZE_BYTES_MAX);
    int rc = recode_body(t, func, &body);
    size_t opened = writer_open(w);
    if (is_exported && t->allocate_stack != NO_INDEX)
        put_with_stack(t, buf_str(&body.bytes), w);
    else
        writer_bytes(w, buf_str(&body.bytes));
    writer_close(w, opened);
    w->full |= body.full;
    writer_done(&body);
    return rc;
}

static bool *find_exported(struct trimmer *t)
{
    bool *exported = arena_new_array(&t->arena, bool, t->module->func_count);
    for (uint32_t i = 0; i < t->module->export_count; i++)
        if (keeps_export(t, &t->module->exports[i]))
            exported[t->module->exports[i].index] = true;
    return exported;
}

static int write_code(struct trimmer *t, struct writer *w)
{
    bool *exported = find_exported(t);
    size_t opened = open_section(w, CORE_SECTION_CODE);
    writer_u32(w, defined_count(t));
    int rc = 0;
    for (uint32_t i = t->module->imported_func_count; i < t->module->func_count && rc == 0; i++)
        if (t->live[i])
            rc = write_body(t, i, exported[i], w);
    if (t->own_realloc != NO_INDEX)
        write_own_realloc(w);
    if (t->allocate_stack != NO_INDEX)
        write_allocate_stack(t, w);
    writer_close(w, opened);
    return rc;
}

static void write_start(struct trimmer *t, struct writer *w)
{
    if (!t->module->has_start)
        return;
    size_t opened = open_section(w, CORE_SECTION_START);
    writer_u32(w, t->new_index[t->module->start]);
    writer_close(w, opened);
}

static int write_module(struct trimmer *t, struct writer *w)
{
    writer_bytes(w, str_of("\0asm\1\0\0\0", 8));
    write_types(t, w);
    write_imports(t, w);
    write_functions(t, w);
    int rc = write_entries(t, w, 0);
    copy_section(t, w, CORE_SECTION_MEMORY);
    copy_section(t, w, CORE_SECTION_TAG);
    if (rc == 0)
        rc = write_entries(t, w, 1);
    write_exports(t, w);
    write_start(t, w);
    if (rc == 0)
        rc = write_entries(t, w, 2);
    copy_section(t, w, CORE_SECTION_DATA_COUNT);
    if (rc == 0)
        rc = write_code(t, w);
    copy_section(t, w, CORE_SECTION_DATA);
    return rc;
}

static int trim(struct trimmer *t, struct writer *w)
{
    t->live = arena_new_array(&t->arena, bool, t->module->func_count);
    t->stack_pointer = t->stack_state = t->realloc_import = NO_INDEX;
    number_all(t);
    int rc = read_imports(t);
    if (rc == 0)
        rc = read_bodies(t);
    if (rc < 0)
        return rc;
    find_stack(t);
    rc = mark_all(t);
    if (rc < 0)
        return rc;
    renumber(t);
    return write_module(t, w);
}

int czr_trim_adapter(const struct core_module *adapter, const struct map *keep,
                     bool main_has_realloc, struct buf *out, struct error *err)
{
    struct trimmer t = {.module = adapter,
                        .keep = keep,
                        .main_has_realloc = main_has_realloc,
                        .arena = ARENA_INIT(SIZE_MAX),
                        .err = err};
    struct writer w;
    writer_init(&w, COMPONENTIZE_BYTES_MAX);
    int rc = trim(&t, &w);
    if (rc == 0 && (w.full || buf_add_str(out, buf_str(&w.bytes)) < 0))
        rc = error_set(err, -EFBIG, "adapter: it has more than %zu bytes", COMPONENTIZE_BYTES_MAX);
    writer_done(&w);
    vec_done(&t.work);
    arena_done(&t.arena);
    return rc;
}

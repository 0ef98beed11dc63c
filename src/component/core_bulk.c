// SPDX-License-Identifier: Apache-2.0
#include "component/core_bulk.h"

#include <errno.h>

#include "base/vec.h"
#include "component/core_bulk_func.h"
#include "component/core_recode.h"
#include "component/core_type.h"

#define MODULE_HEADER_BYTES 8
#define NAMES_FUNCTIONS     1 // core specification, "Name Section"

struct rewriting {
    const struct core_module *module;
    struct core_bulk_memory memories[CORE_BULK_MEMORIES_MAX];
    // By destination and source, the source of a fill being CORE_BULK_MEMORIES_MAX: 1 + place among
    // `funcs`, or 0.
    uint32_t places[CORE_BULK_MEMORIES_MAX][CORE_BULK_MEMORIES_MAX + 1];
    VEC(struct core_bulk_func) funcs; // in the order of their first use
    struct writer code;               // bodies
    // In the body that is being written: its first own local.
    uint32_t local;
    struct error *err;
};

static void open_section(struct reader *r, const struct rewriting *w, enum core_section section)
{
    reader_init(r, w->module->sections[section], 0, "core module", w->err);
}

// 0xfc and the last byte of what may be either instruction's number, in whatever length it is
// written: most modules without them are told by this.
static bool may_have_bulk(struct str code)
{
    if (code.len == 0)
        return false;
    const char *at = code.data;
    const char *end = code.data + code.len;
    while (end - at > 1) {
        at = memchr(at, 0xfc, (size_t)(end - at - 1));
        if (!at)
            return false;
        int low = *++at & 0x7f;
        if (low == CORE_RECODE_MEMORY_COPY || low == CORE_RECODE_MEMORY_FILL)
            return true;
    }
    return false;
}

// ---- memories -----------------------------------------------------------------------------------

static struct core_bulk_memory memory_of(uint32_t index, const struct core_limits *limits)
{
    return (struct core_bulk_memory){index, limits->is_64, limits->page_size_log};
}

static int find_memories(struct rewriting *w)
{
    const struct core_module *module = w->module;
    if (module->counts[CORE_MEMORY] > CORE_BULK_MEMORIES_MAX)
        return error_set(w->err, -EFBIG, "core module: %u memories, the limit is %u",
                         module->counts[CORE_MEMORY], CORE_BULK_MEMORIES_MAX);
    uint32_t known = 0;
    for (uint32_t i = 0; i < module->import_count; i++) {
        if (module->imports[i].kind != CORE_MEMORY)
            continue;
        w->memories[known] = memory_of(known, &module->imports[i].type.limits);
        known++;
    }
    struct reader r;
    open_section(&r, w, CORE_SECTION_MEMORY);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    for (uint32_t i = 0; i < count && known < CORE_BULK_MEMORIES_MAX; i++, known++) {
        struct core_limits limits = core_read_limits(&r);
        w->memories[known] = memory_of(known, &limits);
    }
    return r.rc;
}

// ---- code ---------------------------------------------------------------------------------------

// A function for each pair of memories; returns its place.
static uint32_t find_func(struct rewriting *w, bool is_copy, const uint32_t memories[2])
{
    uint32_t *place = &w->places[memories[0]][is_copy ? memories[1] : CORE_BULK_MEMORIES_MAX];
    if (*place == 0) {
        *vec_push(&w->funcs) = (struct core_bulk_func){
            .is_copy = is_copy,
            .to = w->memories[memories[0]],
            .from = is_copy ? w->memories[memories[1]] : (struct core_bulk_memory){0},
        };
        *place = (uint32_t)w->funcs.len;
    }
    return *place - 1;
}

// core_recode_bulk
static void replace(void *data, uint32_t op, const uint32_t memories[2], struct writer *out)
{
    struct rewriting *w = data;
    uint32_t place = find_func(w, op == CORE_RECODE_MEMORY_COPY, memories);
    const struct core_bulk_func *func = &w->funcs.items[place];
    core_bulk_write_call(func, w->module->type_count + place, w->module->func_count + place,
                         w->local + core_bulk_len_is_64(func), out);
}

static struct core_renumbering same_numbers(const struct core_module *module)
{
    struct core_renumbering to = {.types = {.count = module->type_count},
                                  .elements = {.count = UINT32_MAX},
                                  .datas = {.count = UINT32_MAX}};
    for (uint32_t kind = 0; kind <= CORE_TAG; kind++)
        to.externs[kind].count = module->counts[kind];
    return to;
}

// Adds two locals for lengths, of 32 and 64 bits, behind all others.
static void recode_locals(struct rewriting *w, struct core_recoder *c, uint32_t param_count)
{
    uint64_t locals = param_count;
    uint32_t groups = reader_u32(c->r);
    c->copied = c->r->pos;
    writer_u32(&w->code, groups + 2);
    for (uint32_t i = 0; i < groups && !reader_failed(c->r); i++) {
        locals += reader_u32(c->r);
        core_recode_val_type(c);
    }
    core_recode_flush(c);
    writer_bytes(&w->code, STR("\x01\x7f\x01\x7e")); // one i32, one i64
    if (locals > CORE_BULK_LOCALS_MAX)
        reader_fail(c->r, "a function has more than %u locals", CORE_BULK_LOCALS_MAX);
    w->local = (uint32_t)locals;
}

static void recode_body(struct rewriting *w, struct core_recoder *c, uint32_t func)
{
    struct str body = str_of((const char *)c->r->data + c->r->pos, reader_left(c->r));
    c->copied = c->r->pos;
    size_t opened = writer_open(&w->code);
    if (may_have_bulk(body)) {
        recode_locals(w, c, (uint32_t)w->module->funcs[func]->params.len);
        core_recode_code(c);
    } else {
        writer_bytes(&w->code, reader_bytes(c->r, body.len));
    }
    writer_close(&w->code, opened);
}

static int recode_bodies(struct rewriting *w)
{
    struct core_renumbering to = same_numbers(w->module);
    struct reader r;
    open_section(&r, w, CORE_SECTION_CODE);
    struct core_recoder c;
    core_recode_init(&c, &r, &to, &w->code);
    c.bulk = (struct core_recode_bulk){replace, w, CORE_BULK_PIECE_BYTES};
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++) {
        size_t end = reader_enter(&r, "function body");
        if (!reader_failed(&r))
            recode_body(w, &c, w->module->imported_func_count + i);
        reader_leave(&r, end, "function body");
    }
    return r.rc;
}

// ---- sections -----------------------------------------------------------------------------------

// A section with an entry more for each added function.
static void write_more(const struct rewriting *w, struct writer *out, uint8_t id,
                       struct str content, struct str entries)
{
    struct reader r;
    reader_init(&r, content, 0, "core module", NULL);
    uint32_t count = reader_u32(&r);
    writer_u8(out, id);
    size_t opened = writer_open(out);
    writer_u32(out, count + (uint32_t)w->funcs.len);
    writer_bytes(out, id == CORE_SECTION_CODE ? STR_EMPTY : reader_bytes(&r, reader_left(&r)));
    writer_bytes(out, entries);
    writer_close(out, opened);
}

static void write_entries(const struct rewriting *w, uint8_t id, struct writer *entries)
{
    if (id == CORE_SECTION_CODE)
        writer_bytes(entries, buf_str(&w->code.bytes));
    for (uint32_t i = 0; i < w->funcs.len; i++) {
        if (id == CORE_SECTION_TYPE)
            core_bulk_write_type(&w->funcs.items[i], entries);
        else if (id == CORE_SECTION_FUNCTION)
            writer_u32(entries, w->module->type_count + i);
        else
            core_bulk_write_body(&w->funcs.items[i], entries);
    }
}

static void write_func_names(const struct rewriting *w, struct writer *out, struct str content)
{
    struct writer entries;
    writer_init(&entries, SIZE_MAX);
    for (uint32_t i = 0; i < w->funcs.len; i++) {
        writer_u32(&entries, w->module->func_count + i);
        writer_name(&entries, w->funcs.items[i].is_copy ? STR(CORE_BULK_COPY_NAME)
                                                        : STR(CORE_BULK_FILL_NAME));
    }
    write_more(w, out, NAMES_FUNCTIONS, content, buf_str(&entries.bytes));
    writer_done(&entries);
}

// Custom sections that are no names are left out. Names are in the order of the functions, so that
// those of the added ones come last.
static void write_custom(const struct rewriting *w, struct writer *out, struct str content)
{
    struct reader r;
    reader_init(&r, content, 0, "core module", NULL);
    if (!str_eq(reader_name(&r), STR("name")))
        return;
    writer_u8(out, CORE_SECTION_CUSTOM);
    size_t opened = writer_open(out);
    writer_name(out, STR("name"));
    while (!reader_at_end(&r)) {
        uint8_t id = reader_u8(&r);
        struct str names = reader_bytes(&r, reader_u32(&r));
        if (reader_failed(&r))
            break;
        if (id == NAMES_FUNCTIONS)
            write_func_names(w, out, names);
        else
            writer_section(out, id, names);
    }
    writer_close(out, opened);
}

static void write_section(const struct rewriting *w, struct writer *out, uint8_t id,
                          struct str content)
{
    if (id == CORE_SECTION_CUSTOM) {
        write_custom(w, out, content);
    } else if (id == CORE_SECTION_TYPE || id == CORE_SECTION_FUNCTION || id == CORE_SECTION_CODE) {
        struct writer entries;
        writer_init(&entries, SIZE_MAX);
        write_entries(w, id, &entries);
        write_more(w, out, id, content, buf_str(&entries.bytes));
        writer_done(&entries);
    } else {
        writer_section(out, id, content);
    }
}

static void write_module(const struct rewriting *w, struct buf *out)
{
    struct writer copy;
    writer_init(&copy, SIZE_MAX);
    struct reader r;
    reader_init(&r, w->module->bytes, 0, "core module", NULL);
    writer_bytes(&copy, reader_bytes(&r, MODULE_HEADER_BYTES));
    while (!reader_at_end(&r)) {
        uint8_t id = reader_u8(&r);
        struct str content = reader_bytes(&r, reader_u32(&r));
        write_section(w, &copy, id, content);
    }
    buf_put(out, buf_str(&copy.bytes));
    writer_done(&copy);
}

static int rewrite(struct rewriting *w, struct buf *out)
{
    int rc = find_memories(w);
    if (rc == 0)
        rc = recode_bodies(w);
    if (rc < 0 || w->funcs.len == 0)
        return rc;
    write_module(w, out);
    return 1;
}

int core_bulk_write(struct str module, struct buf *out, struct error *err)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module outline;
    int rc = core_module_decode(module, 0, &arena, &outline, err);
    if (rc == 0 && may_have_bulk(outline.sections[CORE_SECTION_CODE])) {
        struct rewriting *w = mem_new(struct rewriting);
        w->module = &outline;
        w->err = err;
        writer_init(&w->code, SIZE_MAX);
        rc = rewrite(w, out);
        writer_done(&w->code);
        vec_done(&w->funcs);
        free(w);
    }
    arena_done(&arena);
    return rc;
}

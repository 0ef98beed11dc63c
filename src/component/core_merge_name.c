// SPDX-License-Identifier: Apache-2.0
#include "component/core_merge_name.h"

#include "base/vec.h"

// Subsections of the custom section "name" (core specification, "Name Section").
enum { NAMES_MODULE, NAMES_FUNCTIONS };

struct func_name {
    uint32_t func;
    struct str name;
};

struct names {
    struct str module;
    VEC(struct func_name) funcs;
};

// The reader's limits become those of the contents.
static bool enter_names(struct reader *r, const struct core_module *module)
{
    reader_init(r, module->bytes, 0, "core module", NULL);
    (void)reader_bytes(r, 8);
    while (!reader_at_end(r)) {
        uint8_t id = reader_u8(r);
        size_t end = reader_enter(r, "section");
        if (id == CORE_SECTION_CUSTOM && str_eq(reader_name(r), STR("name")))
            return !reader_failed(r);
        if (!reader_failed(r))
            (void)reader_bytes(r, reader_left(r));
        reader_leave(r, end, "section");
    }
    return false;
}

// What a part calls an import that is a function of the other is left out.
static bool is_shown(const struct core_merge *merge, const struct core_space *funcs, uint32_t func)
{
    return func < funcs->count &&
           (func >= funcs->imported_count || funcs->imported[func] < merge->import_count);
}

static void read_func_names(struct names *names, struct reader *r, const struct core_merge *merge,
                            enum core_part part)
{
    const struct core_space *funcs = &merge->to[part].externs[CORE_FUNC];
    uint32_t count = reader_u32(r);
    for (uint32_t i = 0; i < count && !reader_failed(r); i++) {
        uint32_t func = reader_u32(r);
        struct str name = reader_name(r);
        if (!reader_failed(r) && is_shown(merge, funcs, func))
            *vec_push(&names->funcs) = (struct func_name){core_space_at(funcs, func), name};
    }
}

static void read_names(struct names *names, const struct core_merge *merge, enum core_part part)
{
    struct reader r;
    if (!enter_names(&r, merge->parts[part]))
        return;
    while (!reader_at_end(&r)) {
        uint8_t id = reader_u8(&r);
        size_t end = reader_enter(&r, "names");
        if (reader_failed(&r))
            return;
        if (id == NAMES_MODULE && part == CORE_PART_MAIN)
            names->module = reader_name(&r);
        else if (id == NAMES_FUNCTIONS)
            read_func_names(names, &r, merge, part);
        else
            (void)reader_bytes(&r, reader_left(&r));
        reader_leave(&r, end, "names");
    }
}

static int compare_names(const void *a, const void *b)
{
    const struct func_name *x = a;
    const struct func_name *y = b;
    if (x->func != y->func)
        return x->func < y->func ? -1 : 1;
    // Both parts may name an import: any order will do that is always the same.
    return str_cmp(x->name, y->name);
}

// Sorted, one for each function.
static void tidy(struct names *names)
{
    if (names->funcs.len == 0)
        return;
    qsort(names->funcs.items, names->funcs.len, sizeof(struct func_name), compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < names->funcs.len; i++)
        if (names->funcs.items[i].func != names->funcs.items[kept - 1].func)
            names->funcs.items[kept++] = names->funcs.items[i];
    names->funcs.len = kept;
}

static void write_names(const struct names *names, struct writer *out)
{
    writer_u8(out, CORE_SECTION_CUSTOM);
    size_t section = writer_open(out);
    writer_name(out, STR("name"));
    if (names->module.len > 0) {
        writer_u8(out, NAMES_MODULE);
        size_t opened = writer_open(out);
        writer_name(out, names->module);
        writer_close(out, opened);
    }
    writer_u8(out, NAMES_FUNCTIONS);
    size_t opened = writer_open(out);
    writer_u32(out, (uint32_t)names->funcs.len);
    for (size_t i = 0; i < names->funcs.len; i++) {
        writer_u32(out, names->funcs.items[i].func);
        writer_name(out, names->funcs.items[i].name);
    }
    writer_close(out, opened);
    writer_close(out, section);
}

void core_merge_write_names(const struct core_merge *merge, struct writer *out)
{
    struct names names = {0};
    read_names(&names, merge, CORE_PART_MAIN);
    read_names(&names, merge, CORE_PART_ADAPTER);
    tidy(&names);
    if (names.module.len > 0 || names.funcs.len > 0)
        write_names(&names, out);
    vec_done(&names.funcs);
}

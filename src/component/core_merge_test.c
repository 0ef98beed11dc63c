// SPDX-License-Identifier: Apache-2.0
// Merged core modules: the fixtures of tests/fixtures/merge (WAT beside them) and, where
// WASH_SHARED names a folder with guests/bin, real components. That they run the same is tested by
// src/engine.
#include "component/core_merge.h"

#include <dirent.h>
#include <errno.h>

#include "base/file.h"
#include "component/component.h"
#include "component/plan_merge.h"
#include "testing/test.h"

#define FILE_MAX ((size_t)64 << 20)

static void read_path(const char *path, struct buf *out)
{
    ERROR(err);
    if (file_read(path, out, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static void read_fixture(const char *name, struct buf *out)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/merge/%s", TEST_FIXTURES, name);
    read_path(path, out);
}

struct planned {
    struct component *component;
    struct plan *plan;
};

static struct planned plan_of(const struct buf *bytes)
{
    ERROR(err);
    struct planned planned;
    if (component_decode(buf_str(bytes), &planned.component, &err) < 0 ||
        plan_new(planned.component, &planned.plan, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return planned;
}

static void planned_done(struct planned *planned)
{
    plan_free(planned->plan);
    component_free(planned->component);
}

static const struct core_merge *merge_of(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->module_count; i++)
        if (plan->modules[i].merge)
            return plan->modules[i].merge;
    return NULL;
}

static void write_merged(const struct core_merge *merge, struct buf *out)
{
    ERROR(err);
    if (core_merge_write(merge, out, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static struct core_module decode(struct str bytes, struct arena *arena)
{
    ERROR(err);
    struct core_module module;
    if (core_module_decode(bytes, 0, arena, &module, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return module;
}

// ---- plans --------------------------------------------------------------------------------------

TEST(a_pair_becomes_one_instance)
{
    BUF(bytes, FILE_MAX);
    BUF(golden, FILE_MAX);
    BUF(dump, FILE_MAX);
    read_fixture("pair.wasm", &bytes);
    read_fixture("pair.plan", &golden);
    struct planned planned = plan_of(&bytes);
    plan_merge(planned.plan);
    plan_dump(planned.plan, &dump);
    test_check_str(__FILE__, __LINE__, "plan", buf_str(&dump), buf_str(&golden));
    planned_done(&planned);
}

TEST(a_merged_module_is_what_its_outline_says)
{
    BUF(bytes, FILE_MAX);
    BUF(merged, FILE_MAX);
    read_fixture("pair.wasm", &bytes);
    struct planned planned = plan_of(&bytes);
    plan_merge(planned.plan);
    const struct core_module *outline = planned.plan->modules[0].core;
    write_merged(merge_of(planned.plan), &merged);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module module = decode(buf_str(&merged), &arena);
    CHECK_INT(module.import_count, outline->import_count);
    for (uint32_t i = 0; i < module.import_count; i++) {
        CHECK(str_eq(module.imports[i].module, outline->imports[i].module));
        CHECK(str_eq(module.imports[i].name, outline->imports[i].name));
        CHECK(str_eq(module.imports[i].func->params, outline->imports[i].func->params));
    }
    CHECK_INT(module.has_start, outline->has_start);
    CHECK_INT(module.memory_min_pages, outline->memory_min_pages);
    CHECK(core_module_find_export(&module, STR("adapter:tell")) != NULL);
    CHECK(core_module_find_export(&module, STR("main:memory")) != NULL);
    arena_done(&arena);
    planned_done(&planned);
}

TEST(functions_keep_their_names)
{
    BUF(bytes, FILE_MAX);
    BUF(merged, FILE_MAX);
    read_fixture("pair.wasm", &bytes);
    struct planned planned = plan_of(&bytes);
    plan_merge(planned.plan);
    write_merged(merge_of(planned.plan), &merged);
    CHECK(str_find(buf_str(&merged), STR("adapter_scale")) >= 0);
    CHECK(str_find(buf_str(&merged), STR("indirect")) >= 0);
    planned_done(&planned);
}

TEST(equal_recipes_are_equal_bytes)
{
    BUF(bytes, FILE_MAX);
    read_fixture("pair.wasm", &bytes);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct str recipes[2];
    struct buf merged[2] = {BUF_INIT(FILE_MAX), BUF_INIT(FILE_MAX)};
    for (size_t i = 0; i < 2; i++) {
        struct planned planned = plan_of(&bytes);
        plan_merge(planned.plan);
        recipes[i] = core_merge_recipe(merge_of(planned.plan), &arena);
        write_merged(merge_of(planned.plan), &merged[i]);
        planned_done(&planned);
    }
    CHECK(str_eq(recipes[0], recipes[1]));
    CHECK(str_eq(buf_str(&merged[0]), buf_str(&merged[1])));
    buf_done(&merged[0]);
    buf_done(&merged[1]);
    arena_done(&arena);
}

TEST(what_could_be_told_apart_stays_apart)
{
    static const char *const names[] = {
        "two-memories",  "writes-memory", "segment-outside", "both-start",
        "adapter-twice", "main-twice",    "imported-table",  "start-with-parameter",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[64];
        BUF(bytes, FILE_MAX);
        (void)snprintf(name, sizeof(name), "apart/%s.wasm", names[i]);
        read_fixture(name, &bytes);
        struct planned planned = plan_of(&bytes);
        BUF(before, FILE_MAX);
        BUF(after, FILE_MAX);
        plan_dump(planned.plan, &before);
        plan_merge(planned.plan);
        plan_dump(planned.plan, &after);
        test_check_str(__FILE__, __LINE__, names[i], buf_str(&after), buf_str(&before));
        planned_done(&planned);
    }
}

// ---- modules ------------------------------------------------------------------------------------

struct parts {
    struct buf bytes[CORE_PARTS];
    struct core_module modules[CORE_PARTS];
    struct core_binding bindings[CORE_PARTS][8];
    struct core_merge_import import;
    struct core_merge merge;
    struct arena arena;
};

// ops.wat with what it imports: a function from outside, the rest from ops-adapter.wat.
static struct parts *parts_new(void)
{
    static const char *const names[CORE_PARTS] = {"ops.wasm", "ops-adapter.wasm"};
    struct parts *parts = mem_new(struct parts);
    parts->arena = ARENA_INIT(SIZE_MAX);
    for (size_t i = 0; i < CORE_PARTS; i++) {
        parts->bytes[i] = BUF_INIT(FILE_MAX);
        read_fixture(names[i], &parts->bytes[i]);
        parts->modules[i] = decode(buf_str(&parts->bytes[i]), &parts->arena);
        parts->merge.parts[i] = &parts->modules[i];
        parts->merge.bindings[i] = parts->bindings[i];
    }
    const struct core_module *main = &parts->modules[CORE_PART_MAIN];
    const struct core_module *adapter = &parts->modules[CORE_PART_ADAPTER];
    parts->import = (struct core_merge_import){
        .part = CORE_PART_MAIN, .type = main->imports[0].type.type, .func = main->imports[0].func};
    parts->merge.imports = &parts->import;
    parts->merge.import_count = 1;
    parts->bindings[CORE_PART_MAIN][0] = (struct core_binding){.is_import = true};
    for (uint32_t i = 1; i < main->import_count; i++)
        CHECK(core_merge_bind(main, i, CORE_PART_ADAPTER, adapter, main->imports[i].name,
                              &parts->bindings[CORE_PART_MAIN][i]));
    CHECK(core_merge_bind(adapter, 0, CORE_PART_MAIN, main, STR("memory"),
                          &parts->bindings[CORE_PART_ADAPTER][0]));
    return parts;
}

static void parts_free(struct parts *parts)
{
    for (size_t i = 0; i < CORE_PARTS; i++)
        buf_done(&parts->bytes[i]);
    arena_done(&parts->arena);
    free(parts);
}

// The golden module was looked at and validated by another implementation.
TEST(every_form_of_section_and_instruction_is_merged)
{
    BUF(merged, FILE_MAX);
    BUF(golden, FILE_MAX);
    struct parts *parts = parts_new();
    CHECK(core_merge_prepare(&parts->merge, &parts->arena));
    write_merged(&parts->merge, &merged);
    read_fixture("ops-merged.wasm", &golden);
    CHECK(str_eq(buf_str(&merged), buf_str(&golden)));
    parts_free(parts);
}

// One would lend the other what it lacks.
TEST(what_is_wrong_in_a_part_stays_wrong)
{
    static const struct {
        const char *what;
        struct str main;
        bool is_prepared;
    } cases[] = {
        {"one data segment counted, none there", STR_INIT("\0asm\1\0\0\0\x0c\1\1"), false},
        {"a data segment without memory", STR_INIT("\0asm\1\0\0\0\x0b\6\1\0\x41\0\x0b\0"), true},
        {"an element segment without table", STR_INIT("\0asm\1\0\0\0\x09\6\1\0\x41\0\x0b\0"), true},
        {"a reference to a function that is not declared",
         STR_INIT("\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\x0a\7\1\5\0\xd2\0\x1a\x0b"), true},
        {"a load without memory",
         STR_INIT("\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0"
                  "\x0a\x0a\1\x08\0\x41\0\x28\2\0\x1a\x0b"),
         true},
    };
    // A memory, a table, a data and an element segment.
    struct str adapter = STR("\0asm\1\0\0\0\4\4\1\x70\0\1\5\3\1\0\1\x09\4\1\1\0\0\x0b\3\1\1\0");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ERROR(err);
        BUF(merged, FILE_MAX);
        struct arena arena = ARENA_INIT(SIZE_MAX);
        struct core_module modules[] = {decode(cases[i].main, &arena), decode(adapter, &arena)};
        struct core_merge merge = {.parts = {&modules[0], &modules[1]}};
        bool is_prepared = core_merge_prepare(&merge, &arena);
        if (is_prepared != cases[i].is_prepared ||
            (is_prepared && core_merge_write(&merge, &merged, &err) >= 0))
            test_fail(__FILE__, __LINE__, "%s: merged", cases[i].what);
        arena_done(&arena);
    }
}

TEST(an_import_bound_to_itself_is_refused)
{
    struct parts *parts = parts_new();
    parts->bindings[CORE_PART_MAIN][0] = (struct core_binding){.part = CORE_PART_MAIN};
    CHECK(!core_merge_prepare(&parts->merge, &parts->arena));
    parts_free(parts);
}

TEST(only_functions_come_from_outside)
{
    struct parts *parts = parts_new();
    parts->bindings[CORE_PART_MAIN][1] = (struct core_binding){.is_import = true};
    CHECK(!core_merge_prepare(&parts->merge, &parts->arena));
    parts_free(parts);
}

TEST(imports_bind_to_what_has_their_type)
{
    struct parts *parts = parts_new();
    const struct core_module *main = &parts->modules[CORE_PART_MAIN];
    const struct core_module *adapter = &parts->modules[CORE_PART_ADAPTER];
    struct core_binding binding;
    CHECK(core_merge_bind(main, 0, CORE_PART_ADAPTER, adapter, STR("f"), &binding));
    CHECK(!core_merge_bind(main, 0, CORE_PART_ADAPTER, adapter, STR("throws"), &binding));
    CHECK(!core_merge_bind(main, 0, CORE_PART_ADAPTER, adapter, STR("t"), &binding));
    CHECK(!core_merge_bind(main, 0, CORE_PART_ADAPTER, adapter, STR("none"), &binding));
    parts_free(parts);
}

// ---- code ---------------------------------------------------------------------------------------

// Every space of a module moved by `distance`, whose indices start at `first`.
static struct core_renumbering moved(const struct core_module *module, uint32_t first,
                                     uint32_t distance)
{
    struct core_renumbering to;
    for (size_t kind = 0; kind <= CORE_TAG; kind++)
        to.externs[kind] =
            (struct core_space){.count = module->counts[kind] + first, .base = distance};
    to.types = (struct core_space){.count = module->type_count + first, .base = distance};
    to.elements = to.datas = (struct core_space){.count = 100000 + first, .base = distance};
    // A memory without a name stays the first.
    to.externs[CORE_MEMORY].base = 0;
    return to;
}

// The code section's bodies one after the other, behind their sizes.
static int recode_bodies(const struct core_module *module, const struct core_renumbering *to,
                         struct writer *out)
{
    struct reader r;
    reader_init(&r, module->sections[CORE_SECTION_CODE], 0, "core module", NULL);
    uint32_t count = reader_at_end(&r) ? 0 : reader_u32(&r);
    for (uint32_t i = 0; i < count && !reader_failed(&r); i++) {
        struct core_recoder c;
        size_t end = reader_enter(&r, "body");
        core_recode_init(&c, &r, to, out);
        size_t opened = writer_open(out);
        core_recode_body(&c);
        writer_close(out, opened);
        reader_leave(&r, end, "body");
    }
    return r.rc;
}

static struct core_module with_code(const struct core_module *module, uint32_t count,
                                    const struct writer *bodies, struct writer *section)
{
    struct core_module out = *module;
    writer_u32(section, count);
    writer_bytes(section, buf_str(&bodies->bytes));
    out.sections[CORE_SECTION_CODE] = buf_str(&section->bytes);
    return out;
}

// To three-byte indices and back: what comes out is what went in, with indices and sizes in the
// lengths that we write.
static void check_there_and_back(const char *name, const struct core_module *module)
{
    enum { FAR = 20000 };
    uint32_t count = module->func_count - module->imported_func_count;
    struct writer w[4];
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        writer_init(&w[i], 2 * FILE_MAX);
    struct core_renumbering same = moved(module, 0, 0);
    struct core_renumbering there = moved(module, 0, FAR);
    struct core_renumbering back = moved(module, FAR, -(uint32_t)FAR);
    if (recode_bodies(module, &same, &w[0]) < 0 || recode_bodies(module, &there, &w[1]) < 0)
        test_fail(__FILE__, __LINE__, "%s: not renumbered", name);
    struct core_module far = with_code(module, count, &w[1], &w[2]);
    if (recode_bodies(&far, &back, &w[3]) < 0)
        test_fail(__FILE__, __LINE__, "%s: not renumbered back", name);
    CHECK(str_eq(buf_str(&w[3].bytes), buf_str(&w[0].bytes)));
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        writer_done(&w[i]);
}

TEST(code_is_renumbered_there_and_back)
{
    static const char *const names[] = {"ops.wasm", "ops-adapter.wasm", "ops-merged.wasm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        BUF(bytes, FILE_MAX);
        read_fixture(names[i], &bytes);
        struct arena arena = ARENA_INIT(SIZE_MAX);
        struct core_module module = decode(buf_str(&bytes), &arena);
        check_there_and_back(names[i], &module);
        arena_done(&arena);
    }
}

TEST(what_is_not_known_is_not_guessed)
{
    static const struct {
        const char *what;
        struct str body;
    } cases[] = {
        {"function 1 of 1", STR_INIT("\0\x10\1\x0b")},
        {"struct.new", STR_INIT("\0\xfb\0\0\x0b")},
        {"memory.discard", STR_INIT("\0\xfc\x12\0\x0b")},
        {"0xff", STR_INIT("\0\xff\x0b")},
        {"cut short", STR_INIT("\0\x41\x80")},
        {"local of a shared type", STR_INIT("\1\1\x65\x70\x0b")},
        {"local of type 5", STR_INIT("\1\1\x63\5\x0b")},
        {"SIMD 0x200", STR_INIT("\0\xfd\x80\4\x0b")},
        {"a data segment", STR_INIT("\0\xfc\x09\0\x0b")},
        {"catch clause 7", STR_INIT("\0\x1f\x40\1\7\0\x0b\x0b")},
        {"memory 1", STR_INIT("\0\x28\x42\1\0\x0b")},
    };
    struct core_renumbering to = {0};
    to.externs[CORE_FUNC].count = to.externs[CORE_MEMORY].count = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reader r;
        struct core_recoder c;
        struct writer out;
        writer_init(&out, FILE_MAX);
        reader_init(&r, cases[i].body, 0, "core module", NULL);
        core_recode_init(&c, &r, &to, &out);
        core_recode_body(&c);
        if (!reader_failed(&r))
            test_fail(__FILE__, __LINE__, "%s is taken", cases[i].what);
        writer_done(&out);
    }
}

TEST(a_module_that_is_too_large_is_refused)
{
    struct reader r;
    struct core_recoder c;
    struct writer out;
    struct core_renumbering to = {0};
    writer_init(&out, 3);
    reader_init(&r, STR("\0\x41\1\x1a\x0b"), 0, "core module", NULL);
    core_recode_init(&c, &r, &to, &out);
    core_recode_body(&c);
    CHECK(!reader_failed(&r) && out.full);
    writer_done(&out);
}

// ---- real guests --------------------------------------------------------------------------------

static void check_merge(const char *name, const struct core_merge *merge)
{
    BUF(merged, 2 * FILE_MAX);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    write_merged(merge, &merged);
    struct core_module module = decode(buf_str(&merged), &arena);
    CHECK_INT(module.import_count, merge->import_count);
    check_there_and_back(name, &module);
    check_there_and_back(name, merge->parts[CORE_PART_MAIN]);
    arena_done(&arena);
}

static uint32_t check_guest(const char *name, const struct buf *bytes)
{
    struct planned planned = plan_of(bytes);
    plan_merge(planned.plan);
    for (uint32_t i = 0; i < planned.plan->module_count; i++)
        if (planned.plan->modules[i].merge)
            check_merge(name, planned.plan->modules[i].merge);
    uint32_t modules = planned.plan->module_count;
    planned_done(&planned);
    return modules;
}

TEST(a_real_guest_is_merged)
{
    char path[512];
    BUF(bytes, FILE_MAX);
    (void)snprintf(path, sizeof(path), "%s/p2-hello.wasm", TEST_FIXTURES);
    read_path(path, &bytes);
    CHECK_INT(check_guest("p2-hello", &bytes), 1);
}

TEST(shared_guests_are_merged)
{
    const char *shared = getenv("WASH_SHARED");
    if (!shared)
        test_skip("no WASH_SHARED");
    _cleanup_(mem_freep) char *folder = mem_printf("%s/guests/bin", shared);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!strstr(entry->d_name, "p2-"))
            continue;
        BUF(bytes, FILE_MAX);
        _cleanup_(mem_freep) char *path = mem_printf("%s/%s", folder, entry->d_name);
        read_path(path, &bytes);
        (void)check_guest(entry->d_name, &bytes);
    }
    if (dir)
        closedir(dir);
}

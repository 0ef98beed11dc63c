// SPDX-License-Identifier: Apache-2.0
// Decoder and planner on the components of tests/fixtures (WAT and golden plans beside them) and,
// where WASH_SHARED names a folder with guests/bin, on real ones.
#include "component/component.h"

#include <dirent.h>
#include <errno.h>

#include "base/buf.h"
#include "component/plan.h"
#include "testing/test.h"
#include "wit/wit.h"

#define FILE_MAX ((size_t)64 << 20)

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return false;
    char part[65536];
    size_t got;
    while ((got = fread(part, 1, sizeof(part), file)) > 0)
        buf_put(out, str_of(part, got));
    fclose(file);
    return true;
}

static void read_fixture(const char *name, struct buf *out)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", TEST_FIXTURES, name);
    if (!read_file(path, out))
        test_fail(__FILE__, __LINE__, "cannot read %s", path);
}

// Decodes and plans an exact heap copy, so that reads behind its end are seen.
static int plan_bytes(struct str bytes, struct error *err, struct buf *dump)
{
    _cleanup_(mem_freep) char *copy = mem_dup(bytes.data, bytes.len);
    struct component *component = NULL;
    struct plan *plan = NULL;
    int rc = component_decode(str_of(copy, bytes.len), &component, err);
    if (rc < 0)
        return rc;
    rc = plan_new(component, &plan, err);
    if (rc == 0 && dump)
        plan_dump(plan, dump);
    plan_free(plan);
    component_free(component);
    return rc;
}

// Equal texts; otherwise the first line that differs is shown.
static void check_text(const char *name, struct str got, struct str want)
{
    for (uint32_t line = 1; got.len > 0 || want.len > 0; line++) {
        struct str got_line;
        struct str want_line;
        (void)str_cut(got, '\n', &got_line, &got);
        (void)str_cut(want, '\n', &want_line, &want);
        if (!str_eq(got_line, want_line))
            test_fail(__FILE__, __LINE__, "%s, line %u: \"%.*s\", not \"%.*s\"", name, line,
                      STR_ARG(got_line), STR_ARG(want_line));
    }
}

static void check_golden(const char *name)
{
    char file[128];
    BUF(bytes, FILE_MAX);
    (void)snprintf(file, sizeof(file), "%s.wasm", name);
    read_fixture(file, &bytes);
    BUF(dump, FILE_MAX);
    ERROR(err);
    if (plan_bytes(buf_str(&bytes), &err, &dump) < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", name, error_text(&err));
    BUF(golden, FILE_MAX);
    (void)snprintf(file, sizeof(file), "%s.plan", name);
    read_fixture(file, &golden);
    check_text(name, buf_str(&dump), buf_str(&golden));
}

TEST(plan_of_functions_and_strings)
{
    check_golden("adder");
}

TEST(plan_of_nested_components)
{
    check_golden("nested");
}

TEST(shim_and_fixup_are_left_out)
{
    check_golden("shim");
}

TEST(almost_a_shim_is_kept)
{
    check_golden("not-shim");
}

TEST(plan_of_a_real_guest)
{
    check_golden("p2-hello");
}

static void check_refused(struct str bytes, const char *words)
{
    ERROR(err);
    CHECK(plan_bytes(bytes, &err, NULL) < 0);
    CHECK_CONTAINS(error_text(&err), words);
}

TEST(what_is_no_component_is_named)
{
    check_refused(STR(""), "the file is empty");
    check_refused(STR("\0asm\1\0\0\0"), "core WebAssembly module");
    check_refused(STR("\0asm\x0d\0"), "the file ends inside its 8-byte preamble");
    check_refused(STR("\0asm\x0e\0\1\0"), "version 14");
    check_refused(STR("package a:b;\nworld w {}\n"), "WIT text");
    check_refused(STR("  (component)"), "WebAssembly text");
    check_refused(STR("hello there, this is prose"), "this is text");
    check_refused(STR("\x7f"
                      "ELF\2\1\1\0"),
                  "not WebAssembly");
    // (component (type (component)) (export "w" (type 0)))
    check_refused(STR("\0asm\x0d\0\1\0\7\3\1\x41\0\x0b\7\1\0\1w\3\0\0"), "WIT package");
}

TEST(asynchronous_builtins_are_planned)
{
    BUF(bytes, FILE_MAX);
    read_fixture("types.wasm", &bytes);
    ERROR(err);
    CHECK_INT(plan_bytes(buf_str(&bytes), &err, NULL), 0);
}

TEST(what_does_not_fit_is_refused)
{
    static const struct {
        const char *name;
        const char *words;
    } rows[] = {
        {"argument-kind", "(import `x`): `x` is of sort function, not instance"},
        {"argument-missing", "instantiation lacks the argument `x`"},
        {"argument-type", "function `x` has another type than declared: parameter `a`"},
        {"core-import-missing", "core instance has no core function `f`"},
        {"core-import-signature", "core module imports `a` `f` as (i64) -> (), it is (i32) -> ()"},
        {"dtor-signature", "destructor of a resource is not of type (i32) -> ()"},
        {"instance-lacks-export", "instance lacks the export `f`"},
        {"lift-signature",
         "lifted core function is (i32) -> (i64), its type asks for (i32) -> (i32)"},
        {"lower-without-memory", "needs the canonical option `memory`"},
        {"memory64", "component uses a 64-bit memory"},
        {"post-return-signature", "post-return function is (i64) -> (), not (i32) -> ()"},
        {"realloc-signature", "realloc function is (i32) -> (i32)"},
        {"resource-mixed-up", "function `f` has another type than declared: parameter `x`"},
        {"resource-of-another", "resource.rep of a resource type that another component defines"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char file[128];
        (void)snprintf(file, sizeof(file), "bad/%s.wasm", rows[i].name);
        BUF(bytes, FILE_MAX);
        read_fixture(file, &bytes);
        check_refused(buf_str(&bytes), rows[i].words);
    }
}

#define PREAMBLE "\0asm\x0d\0\1\0"

TEST(errors_name_place_and_item)
{
    // alias section: export "x" of instance 3
    check_refused(STR(PREAMBLE "\6\6\1\1\0\3\1x"),
                  "component: byte 0xd (alias 0): unknown instance 3 (there are 0)");
    // type section: list of type 5
    check_refused(STR(PREAMBLE "\7\3\1\x70\5"),
                  "component: byte 0xc (type 0): unknown type 5 (there are 0)");
    // a vector that cannot fit
    check_refused(STR(PREAMBLE "\7\6\1\x6e\xff\xff\xff\x0f"), "do not fit the 0 bytes");
    check_refused(STR(PREAMBLE "\x0d\0"), "byte 0x8 (section 0): unknown section 13");
    check_refused(STR(PREAMBLE "\7\x7f"), "type section of 127 bytes is cut off: 0 bytes are left");
    // import "f" of a function whose type is a string
    check_refused(STR(PREAMBLE "\7\2\1\x73\x0a\6\1\0\1f\1\0"),
                  "type 0 is a value type, not a function type");
    check_refused(STR(PREAMBLE "\x01\x09\0asm\1\0\0\0\x0e"),
                  "component: core module 0: core module: byte 0x12: unknown section 14");
}

TEST(types_are_bounded)
{
    // Each tuple holds the one before twice: 2^40 parts, 40 definitions.
    BUF(types, 4096);
    buf_put(&types, STR("\x29\x6f\2\x7d\x7d"));
    for (int i = 0; i < 40; i++)
        buf_putf(&types, "\x6f\2%c%c", i, i);
    BUF(bytes, 4096);
    buf_put(&bytes, STR(PREAMBLE "\7"));
    buf_putf(&bytes, "%c%c", (char)((types.len & 0x7f) | 0x80), (char)(types.len >> 7));
    // Index 0 is the byte NUL, which buf_putf() wrote as such.
    buf_put(&bytes, buf_str(&types));
    check_refused(buf_str(&bytes), "type of more than 100000 parts");
}

TEST(every_prefix_is_refused)
{
    static const char *const names[] = {"adder.wasm", "nested.wasm", "shim.wasm", "types.wasm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        BUF(bytes, FILE_MAX);
        read_fixture(names[i], &bytes);
        for (size_t len = 0; len < bytes.len; len++) {
            ERROR(err);
            BUF(dump, FILE_MAX);
            int rc = plan_bytes(str_of(bytes.data, len), &err, &dump);
            // A cut between two sections leaves a smaller component.
            if (rc == 0)
                CHECK(dump.len > 0);
            else
                CHECK_CONTAINS(error_text(&err), "component: ");
        }
    }
}

TEST(bit_flips_do_no_harm)
{
    static const char *const names[] = {"adder.wasm", "nested.wasm", "shim.wasm", "types.wasm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        BUF(bytes, FILE_MAX);
        read_fixture(names[i], &bytes);
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            ERROR(err);
            bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << (bit % 8)));
            if (plan_bytes(buf_str(&bytes), &err, NULL) < 0)
                CHECK(err.message != NULL);
            bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << (bit % 8)));
        }
    }
}

TEST(versions_in_one_track_are_compatible)
{
    static const struct {
        const char *want;
        const char *have;
        bool compatible;
    } rows[] = {
        {"a:b/c", "a:b/c", true},
        {"a:b/c@1.2.0", "a:b/c@1.9.3", true},
        {"a:b/c@1.2.0", "a:b/c@2.0.0", false},
        {"a:b/c@0.2.4", "a:b/c@0.2.12", true},
        {"a:b/c@0.2.4", "a:b/c@0.3.0", false},
        {"a:b/c@0.0.1", "a:b/c@0.0.1", true},
        {"a:b/c@0.0.1", "a:b/c@0.0.2", false},
        {"a:b/c@0.2.0-draft", "a:b/c@0.2.0-draft", true},
        {"a:b/c@0.2.0-draft", "a:b/c@0.2.0", false},
        {"a:b/c@0.3.0-rc-2026-03-15", "a:b/c@0.3.0", false},
        {"wasi:b/c@0.3.0-rc-2026-03-15", "wasi:b/c@0.3.0", true},
        {"wasi:b/c@0.3.2", "wasi:b/c@0.3.0-rc-2026-03-15", true},
        {"wasi:b/c@0.3.0-rc-2025-09-16", "wasi:b/c@0.3.0", false},
        {"a:b/c@1.0.0+x", "a:b/c@1.0.0+y", true},
        {"a:b/c", "a:b/c@1.0.0", false},
        {"a:b/c@1.0.0", "a:b/d@1.0.0", false},
        {"a:b/c@1", "a:b/c@1.0", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (interface_name_compatible(str_from(rows[i].want), str_from(rows[i].have)) !=
            rows[i].compatible)
            test_fail(__FILE__, __LINE__, "%s by %s", rows[i].want, rows[i].have);
    CHECK(interface_name_matches(STR("a:b/c"), STR("a:b/c@1.0.0")));
    CHECK(!interface_name_matches(STR("a:b/c@0.9.0"), STR("a:b/c@1.0.0")));
    CHECK(!interface_name_matches(STR(""), STR("a:b/c@1.0.0")));
}

TEST(exports_are_found)
{
    BUF(bytes, FILE_MAX);
    read_fixture("p2-hello.wasm", &bytes);
    struct component *component;
    struct plan *plan;
    ERROR(err);
    CHECK_INT(component_decode(buf_str(&bytes), &component, &err), 0);
    CHECK_INT(plan_new(component, &plan, &err), 0);
    CHECK(plan_find_export(plan, STR("wasi:http/incoming-handler"), STR("handle")));
    CHECK(plan_find_export(plan, STR("wasi:http/incoming-handler@0.2.0"), STR("handle")));
    CHECK(!plan_find_export(plan, STR("wasi:http/incoming-handler@0.3.0"), STR("handle")));
    CHECK(!plan_find_export(plan, STR(""), STR("handle")));
    plan_free(plan);
    component_free(component);
}

// ---- worlds -------------------------------------------------------------------------------------

// Compares the printed world with the text of a file.
static void check_world(const char *wasm, const char *wit)
{
    BUF(bytes, FILE_MAX);
    BUF(golden, FILE_MAX);
    if (!read_file(wasm, &bytes) || !read_file(wit, &golden))
        test_fail(__FILE__, __LINE__, "cannot read %s and %s", wasm, wit);
    ERROR(err);
    struct component *component;
    if (component_decode(buf_str(&bytes), &component, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", wasm, error_text(&err));
    struct arena arena = ARENA_INIT(SIZE_MAX);
    const struct wit_world *world;
    if (component_world(component, &arena, &world, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", wasm, error_text(&err));
    BUF(text, FILE_MAX);
    wit_print_component_world(world, &text);
    check_text(wasm, buf_str(&text), buf_str(&golden));
    arena_done(&arena);
    component_free(component);
}

TEST(worlds)
{
    static const char *const names[] = {"adder", "nested", "shim", "types", "p2-hello"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char wasm[512];
        char wit[512];
        (void)snprintf(wasm, sizeof(wasm), "%s/%s.wasm", TEST_FIXTURES, names[i]);
        (void)snprintf(wit, sizeof(wit), "%s/%s.wit", TEST_FIXTURES, names[i]);
        check_world(wasm, wit);
    }
}

// ---- guests of other languages ------------------------------------------------------------------

static void check_guest_world(const char *dir, const char *name)
{
    char wasm[1024];
    char wit[1024];
    (void)snprintf(wasm, sizeof(wasm), "%s/guests/bin/%s", dir, name);
    (void)snprintf(wit, sizeof(wit), "%s/guests/wit/%.*s.wit", dir,
                   (int)(strlen(name) - strlen(".wasm")), name);
    check_world(wasm, wit);
}

static void check_guest(const char *dir, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/guests/bin/%s", dir, name);
    BUF(bytes, FILE_MAX);
    CHECK(read_file(path, &bytes));
    ERROR(err);
    BUF(dump, FILE_MAX);
    int rc = plan_bytes(buf_str(&bytes), &err, &dump);
    // Asynchronous ones are told apart by a clear refusal.
    if (rc < 0 && (rc != -ENOTSUP || !strstr(name, "p3-")))
        test_fail(__FILE__, __LINE__, "%s: %s", name, error_text(&err));
    // The preview1 adapter, unless it is what exports `run`.
    if (rc == 0 && strcmp(name, "p2-hello.wasm") == 0)
        CHECK(str_find(buf_str(&dump), STR(" lazy\n")) >= 0);
}

TEST(shared_guests)
{
    const char *dir = getenv("WASH_SHARED");
    if (!dir)
        test_skip("WASH_SHARED names no folder with guests");
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/guests/bin", dir);
    DIR *list = opendir(path);
    CHECK(list != NULL);
    for (struct dirent *entry; (entry = readdir(list));)
        if (str_ends(str_from(entry->d_name), STR(".wasm"))) {
            check_guest(dir, entry->d_name);
            check_guest_world(dir, entry->d_name);
        }
    closedir(list);
}

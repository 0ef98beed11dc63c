// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "testing/test.h"
#include "wit/wit.h"

#define TEXT_MAX ((size_t)1 << 20)

static void resolve_freep(struct wit_resolve **resolve)
{
    wit_resolve_free(*resolve);
}
#define RESOLVE(name) _cleanup_(resolve_freep) struct wit_resolve *name = wit_resolve_new()

static int load(struct wit_resolve *resolve, const char *text, struct error *err)
{
    int r = wit_resolve_add_text(resolve, "t.wit", str_from(text), err);
    return r < 0 ? r : wit_resolve_finish(resolve, err);
}

static void must_load(struct wit_resolve *resolve, const char *text)
{
    ERROR(err);
    if (load(resolve, text, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
}

static const struct wit_typedef *find_type(const struct wit_interface *interface, const char *name)
{
    for (uint32_t i = 0; i < interface->type_count; i++)
        if (str_is(interface->types[i]->name, name))
            return interface->types[i];
    test_fail(__FILE__, __LINE__, "no type %s", name);
}

static const struct wit_func *find_func(const struct wit_interface *interface, const char *symbol)
{
    for (uint32_t i = 0; i < interface->func_count; i++)
        if (str_is(interface->funcs[i]->symbol, symbol))
            return interface->funcs[i];
    test_fail(__FILE__, __LINE__, "no function %s", symbol);
}

static const char all_types[] =
    "/// Everything a type can be.\n"
    "package test:types@1.2.3-rc.1;\n"
    "\n"
    "/// all\n"
    "@since(version = 1.0.0)\n"
    "interface all {\n"
    "  /// a record\n"
    "  ///\n"
    "  /// of two\n"
    "  record pair {\n"
    "    a: u32,\n"
    "    %list: list<u8>,\n"
    "  }\n"
    "\n"
    "  flags mode {\n"
    "    read,\n"
    "    write,\n"
    "  }\n"
    "\n"
    "  enum level {\n"
    "    low,\n"
    "    HIGH-level2,\n"
    "  }\n"
    "\n"
    "  @since(version = 1.0.0)\n"
    "  @deprecated(version = 1.1.0)\n"
    "  variant thing {\n"
    "    none,\n"
    "    both(tuple<pair, level>),\n"
    "  }\n"
    "\n"
    "  type bytes = list<u8>;\n"
    "\n"
    "  type fixed = list<u32, 4>;\n"
    "\n"
    "  type table = map<string, option<bytes>>;\n"
    "\n"
    "  resource file {\n"
    "    constructor(path: string) -> result<file, level>;\n"
    "    @since(version = 1.1.0)\n"
    "    read: async func(n: u64) -> result<stream<u8>, level>;\n"
    "    open: static func(other: borrow<file>) -> file;\n"
    "  }\n"
    "\n"
    "  type handle = file;\n"
    "\n"
    "  type owned = own<file>;\n"
    "\n"
    "  type later = pair;\n"
    "\n"
    "  f: func(a: thing, b: table, d: handle, e: fixed, %from: owned) -> result;\n"
    "\n"
    "  g: func() -> future<result<_, error-context>>;\n"
    "\n"
    "  h: func(t: tuple<s8, u16, s16, s32, s64, f32, f64, char, bool>) -> stream;\n"
    "}\n"
    "\n";

// Names of the world's items in one line.
static struct str item_names(struct arena *arena, const struct wit_world_item *items,
                             uint32_t count)
{
    struct str out = STR_EMPTY;
    for (uint32_t i = 0; i < count; i++)
        out = arena_printf(arena, "%.*s%s%.*s", STR_ARG(out), i ? " " : "", STR_ARG(items[i].name));
    return out;
}

TEST(printed_text_is_what_was_parsed)
{
    RESOLVE(resolve);
    BUF(out, TEXT_MAX);
    must_load(resolve, all_types);
    wit_print_package(wit_root_package(resolve), &out);
    CHECK_STR(buf_str(&out), all_types);
}

TEST(types_have_layouts_and_identities)
{
    RESOLVE(resolve);
    must_load(resolve, all_types);
    const struct wit_interface *all = wit_find_interface(resolve, STR("test:types/all@1.2.3-rc.1"));
    CHECK(all != NULL);
    CHECK_STR(all->docs, "all");
    CHECK_STR(all->stability.since, "1.0.0");
    const struct wit_typedef *pair = find_type(all, "pair");
    CHECK_STR(pair->docs, "a record\n\nof two");
    CHECK_INT(pair->type->kind, TYPE_RECORD);
    CHECK_INT(pair->type->layout.size, 12);
    CHECK_INT(pair->type->layout.flat_count, 3);
    CHECK(find_type(all, "later")->alias_of->type == pair->type);
    CHECK(find_type(all, "later")->alias_of == pair);
    CHECK_INT(find_type(all, "mode")->type->layout.size, 1);
    CHECK_INT(find_type(all, "fixed")->type->layout.size, 16);
    CHECK_INT(find_type(all, "thing")->type->layout.size, 20);
    const struct wit_typedef *file = find_type(all, "file");
    CHECK(file->type == NULL);
    CHECK_STR(file->resource->interface, "test:types/all@1.2.3-rc.1");
    CHECK(find_type(all, "handle")->resource == file->resource);
    CHECK(find_type(all, "owned")->resource == NULL);
    const struct wit_func *read = find_func(all, "[method]file.read");
    CHECK(read->type.is_async);
    CHECK_INT(read->type.param_count, 2);
    CHECK_STR(read->type.params[0].name, "self");
    CHECK_INT(read->type.params[0].type->kind, TYPE_BORROW);
    CHECK(read->type.params[0].type->resource == file->resource);
    CHECK_INT(find_func(all, "[constructor]file")->type.result->kind, TYPE_RESULT);
    CHECK_INT(find_func(all, "[static]file.open")->kind, WIT_FUNC_STATIC);
}

static const char worlds[] =
    "package test:worlds;\n"
    "use a as renamed;\n"
    "interface a { resource r; type t = u32; }\n"
    "interface b { use renamed.{r, t as t2}; f: func(x: borrow<r>) -> t2; }\n"
    "interface c { use b.{t2}; g: func(x: t2); }\n"
    "world base {\n"
    "  import log: func(text: string);\n"
    "  export c;\n"
    "}\n"
    "world full {\n"
    "  include base with { log as log2 }\n"
    "  import named: a;\n"
    "  export b;\n"
    "  export own-one: interface { use b.{r}; drop: func(r: r); }\n"
    "  export run: async func();\n"
    "}\n";

TEST(worlds_have_all_interfaces_they_use)
{
    RESOLVE(resolve);
    struct arena arena = ARENA_INIT(TEXT_MAX);
    must_load(resolve, worlds);
    const struct wit_world *base = wit_find_world(wit_root_package(resolve), STR("base"));
    const struct wit_world *full = wit_find_world(wit_root_package(resolve), STR("full"));
    struct str names = item_names(&arena, base->imports, base->import_count);
    CHECK_STR(names, "test:worlds/a test:worlds/b log");
    names = item_names(&arena, full->imports, full->import_count);
    CHECK_STR(names, "named test:worlds/a test:worlds/b log2");
    names = item_names(&arena, full->exports, full->export_count);
    CHECK_STR(names, "run test:worlds/b own-one test:worlds/c");
    CHECK(full->imports[0].interface == full->imports[1].interface);
    arena_done(&arena);
}

static const char component[] = "package root:component;\n"
                                "\n"
                                "world root {\n"
                                "  import wasi:cli/env@0.2.6;\n"
                                "  import wasi:io/error@0.2.6;\n"
                                "  import wasi:io/streams@0.2.6;\n"
                                "\n"
                                "  resource counter {\n"
                                "    next: func() -> u32;\n"
                                "  }\n"
                                "  import log: func(text: string);\n"
                                "\n"
                                "  export extra: interface {\n"
                                "    record %record {\n"
                                "      a: u8,\n"
                                "    }\n"
                                "  }\n"
                                "  export wasi:cli/run@0.2.6;\n"
                                "}\n"
                                "package wasi:io@0.2.6 {\n"
                                "  interface error {\n"
                                "    resource error;\n"
                                "  }\n"
                                "  interface streams {\n"
                                "    use error.{error};\n"
                                "\n"
                                "    read: func() -> result<list<u8>, error>;\n"
                                "  }\n"
                                "}\n"
                                "\n"
                                "\n"
                                "package wasi:cli@0.2.6 {\n"
                                "  interface env {\n"
                                "    get: func() -> string;\n"
                                "  }\n"
                                "  interface run {\n"
                                "    use wasi:io/error@0.2.6.{error as failure};\n"
                                "\n"
                                "    run: func() -> result<_, failure>;\n"
                                "  }\n"
                                "}\n";

TEST(component_world_prints_with_its_packages)
{
    RESOLVE(resolve);
    BUF(out, TEXT_MAX);
    must_load(resolve, component);
    wit_print_component_world(wit_root_package(resolve)->worlds[0], &out);
    CHECK_STR(buf_str(&out), component);
}

TEST(output_beyond_the_maximum_is_cut)
{
    RESOLVE(resolve);
    BUF(out, 100);
    must_load(resolve, component);
    wit_print_component_world(wit_root_package(resolve)->worlds[0], &out);
    CHECK(out.len <= 100);
}

static const struct {
    const char *text;
    const char *message;
} refused[] = {
    {"interface a {}", "t.wit:1:1: no `package namespace:name;` header"},
    {"package a:b;\ninterface i {\n  f: func(x: nope);\n}",
     "t.wit:3:14: type `nope` is not defined"},
    {"package a:b;\ninterface i { /* \xc3\xa9 */ type t = ; }",
     "t.wit:2:32: expected a type, found `;`"},
    {"package a:b;\ninterface list {}", "t.wit:2:11: expected a name, found keyword `list`"},
    {"package a:b;\n/* /* */", "t.wit:2:1: this block comment does not end"},
    {"package a:b@1.0;", "t.wit:1:16: expected a version such as 1.2.3"},
    {"package a:b@01.0.0;", "t.wit:1:13: expected a version"},
    {"package a:b@1.99999999999999999999.0;", "t.wit:1:13: expected a version"},
    {"package a:b;\ninterface i { type Ab = u8; }", "mixes upper and lower case"},
    {"package a:b;\ninterface i { type a- = u8; }", "has an empty word"},
    {"package a:b;\ninterface i { type a = b; type b = list<a>; }", "contains itself"},
    {"package a:b;\ninterface i { use j.{x}; } interface j { use i.{x}; }", "depends on itself"},
    {"package a:b;\nworld w { include v; } world v { include w; }", "depends on itself"},
    {"package a:b;\ninterface i { use c:d/e.{x}; }\npackage c:d { interface e { use a:b/i.{x}; } }",
     "t.wit:2:19: package `c:d` creates a dependency cycle"},
    {"package a:b;\ninterface i { use c:d/e@1.0.0.{x}; }\npackage c:d@1.0.1 {}",
     "package `c:d@1.0.0` not found; known: c:d@1.0.1"},
    {"package a:b;\ninterface i { use c:d/e.{x}; }\npackage c:d@1.0.1 {} package c:d@2.0.0 {}",
     "package `c:d` not found; known: c:d@1.0.1, c:d@2.0.0"},
    {"package a:b;\ninterface i { resource r; f: func() -> borrow<r>; }", "t.wit:2:27: a function"},
    {"package a:b;\ninterface i { record r { a: u8, A: u8 } }", "`A` is there twice"},
    {"package a:b;\ninterface i { f: func(); f: func(); }", "defined more than once"},
    {"package a:b;\ninterface i { type t = map<f32, u8>; }", "a map's key"},
    {"package a:b;\ninterface i { type t = list<u8, 0>; }", "a list of fixed length has 1"},
    {"package a:b;\ninterface i { type t = list<u64, 4294967295>; }", "does not fit in 32 bits"},
    {"package a:b;\ninterface i { resource r { constructor() -> r; } }", "a constructor returns"},
    {"package a:b@1.0.0;\n@since(version = 2.0.0)\ninterface i {}", "later than package"},
    {"package a:b;\n@unstable(feature = f) interface i {}\nworld w { import i; }",
     "t.wit:3:18: `i` needs the feature `f`, which is not enabled"},
    {"package a:b;\nworld w { import a:b; }", "t.wit:2:20: interface or world `b` does not exist"},
    {"package a:b;\nworld w { import x: func(); import x: func(); }", "is there already"},
    {"package a:b;\nuse x as y; use y as x;", "does not exist in package"},
    {"package a:b;\npackage c:d;", "is the first item of a file"},
    {"package a:b;\n\xff", "t.wit:2:1: the text is not valid UTF-8"},
    {"package a:b;\n// \xe2\x80\xae", "t.wit:2:4: character U+202E is not allowed"},
    {"package a:b;\ninterface i { f: func(a: u8) -> u8, }", "expected `;`"},
    {"package a:b {}", "no `package namespace:name;` header"},
    {"package a:b;\ninterface i { use a:b/j.{}; }\ninterface j {}",
     "t.wit:2:19: package `a:b` creates a dependency cycle"},
    {"package a:b;\ninterface i { use j.{}; }\ninterface j { use i.{}; }",
     "t.wit:3:11: interface or world `j` depends on itself"},
    {"package a:b;\nuse i;\ninterface i {}", "t.wit:3:11: `i` is defined twice"},
    {"package a:b@1.0.0-a.01;", "t.wit:1:13: expected a version"},
    {"package a:b@1.x;", "t.wit:1:15: expected a version"},
    {"package a:b;\ninterface i { @since(version = 1.0.0) f: func(); }",
     "t.wit:2:39: the attribute names a version"},
    {"package a:b;\ninterface i { @deprecated(version = 1.0.0) f: func(); }",
     "t.wit:2:16: `@deprecated` needs"},
    {"package a:b;\ninterface i { resource r { R: func(); } }",
     "t.wit:2:28: `R` has the name of its resource"},
    {"package a:b;\nworld v { import f: func(); }\nworld w { include v; include v; }",
     "t.wit:3:30: import `f`"},
    {"package a:b;\nworld v { import f: func(); }\nworld w { include v with { f as g }; }",
     "t.wit:3:36: expected"},
    {"package a:b;\nuse c:d/w as x;\npackage c:d { world w {} }", "is a world, not an interface"},
    {"package a:b;\npackage c:d { package e:f {} }", "t.wit:2:23: nested packages"},
    {"package a:b;\ninterface i_j {}", "t.wit:2:11: identifier"},
};

TEST(errors_name_place_and_reason)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        RESOLVE(resolve);
        ERROR(err);
        if (load(resolve, refused[i].text, &err) == 0)
            test_fail(__FILE__, __LINE__, "accepted: %s", refused[i].text);
        CHECK_CONTAINS(error_text(&err), refused[i].message);
        CHECK_CONTAINS(error_text(&err), "t.wit:");
    }
}

// `count` times `unit` after `head`, then `tail`.
static void repeated(struct buf *out, const char *head, const char *unit, size_t count)
{
    buf_put(out, str_from(head));
    for (size_t i = 0; i < count; i++)
        buf_put(out, str_from(unit));
}

TEST(nesting_is_bounded)
{
    RESOLVE(resolve);
    ERROR(err);
    BUF(text, TEXT_MAX);
    repeated(&text, "package a:b; interface i { type t = ", "list<", 100000);
    CHECK_INT(wit_resolve_add_text(resolve, "t.wit", buf_str(&text), &err), -EINVAL);
    CHECK_CONTAINS(error_text(&err), "types are nested deeper than 100");
}

TEST(chains_of_names_are_bounded)
{
    RESOLVE(resolve);
    ERROR(err);
    BUF(text, TEXT_MAX);
    buf_put(&text, STR("package a:b; interface i {"));
    for (int i = 0; i < 5000; i++)
        buf_putf(&text, "type t%d = t%d;", i, i + 1);
    buf_put(&text, STR("type t5000 = u8; }"));
    char *chain = buf_take(&text);
    CHECK_INT(load(resolve, chain, &err), -EINVAL);
    free(chain);
    CHECK_CONTAINS(error_text(&err), "100");
}

TEST(long_chains_of_interfaces_are_fine)
{
    RESOLVE(resolve);
    BUF(text, TEXT_MAX);
    buf_put(&text, STR("package a:b; world w { export i0; }"));
    for (int i = 0; i < 5000; i++)
        buf_putf(&text, "interface i%d { use i%d.{t}; }", i, i + 1);
    buf_put(&text, STR("interface i5000 { resource t; }"));
    char *chain = buf_take(&text);
    must_load(resolve, chain);
    free(chain);
    CHECK_INT(wit_root_package(resolve)->worlds[0]->import_count, 5000);
}

TEST(included_functions_take_their_new_names)
{
    struct wit_resolve *resolve = wit_resolve_new();
    ERROR(err);
    CHECK_INT(wit_resolve_add_text(resolve, "a.wit",
                                   STR("package a:b;\n"
                                       "world base { import log: func(); resource r {\n"
                                       "  constructor(); m: func(); } }\n"
                                       "world w { include base with { log as log2, r as s } }\n"),
                                   &err),
              0);
    CHECK_INT(wit_resolve_finish(resolve, &err), 0);
    const struct wit_world *w = wit_find_world(wit_root_package(resolve), STR("w"));
    static const char *const symbols[] = {"[constructor]s", "[method]s.m", "log2"};
    unsigned found = 0;
    for (uint32_t i = 0; i < w->import_count; i++) {
        const struct wit_world_item *item = &w->imports[i];
        for (size_t n = 0; item->func && n < ARRAY_LEN(symbols); n++)
            found += str_is(item->name, symbols[n]) && str_eq(item->func->symbol, item->name);
    }
    wit_resolve_free(resolve);
    CHECK_INT(found, ARRAY_LEN(symbols));
}

TEST(included_items_are_bounded)
{
    RESOLVE(resolve);
    ERROR(err);
    BUF(text, TEXT_MAX);
    buf_put(&text, STR("package a:b; world w0 {"));
    for (int i = 0; i < 2000; i++)
        buf_putf(&text, "import fn%d: func();", i);
    buf_put(&text, STR("}"));
    for (int i = 0; i < 2000; i++)
        buf_putf(&text, "world w%d { include w%d; }", i + 1, i);
    char *chain = buf_take(&text);
    CHECK_INT(load(resolve, chain, &err), -EINVAL);
    free(chain);
    CHECK_CONTAINS(error_text(&err), "the worlds have more than 1048576 imports and exports");
}

TEST(items_of_features_not_enabled_are_left_out)
{
    static const char text[] = "package a:b@1.0.0;\n"
                               "interface i {\n"
                               "  @unstable(feature = x) f: func();\n"
                               "  @unstable(feature = y) g: func();\n"
                               "}\n";
    for (uint32_t mode = 0; mode < 3; mode++) {
        RESOLVE(resolve);
        if (mode > 0)
            wit_resolve_enable_feature(resolve, mode == 1 ? "x" : NULL);
        must_load(resolve, text);
        CHECK_INT(wit_root_package(resolve)->interfaces[0]->func_count, mode);
    }
}

static void write_file(const char *dir, const char *name, const char *text)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, name);
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
}

static void make_folder(const char *dir, const char *name)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, name);
    CHECK_INT(mkdir(path, 0700), 0);
}

static void remove_entries(const char *dir, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, names[i]);
        CHECK_INT(remove(path), 0);
    }
    CHECK_INT(remove(dir), 0);
}

TEST(folders_hold_a_package_and_its_deps)
{
    static const char *const entries[] = {"a.wit",         "b.wit",   "deps/io/x.wit",
                                          "deps/io/y.wit", "deps/io", "deps/io2.wit",
                                          "deps/user.wit", "deps"};
    char dir[] = "/tmp/wit-test-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    make_folder(dir, "deps");
    make_folder(dir, "deps/io");
    write_file(dir, "a.wit", "package my:app; world w { import i; import dep:user/u; }");
    write_file(dir, "b.wit", "interface i { use dep:io/x@2.0.0.{r}; }");
    write_file(dir, "deps/io/x.wit", "package dep:io@1.0.0; interface x { use y.{r}; }");
    write_file(dir, "deps/io/y.wit", "interface y { resource r; }");
    write_file(dir, "deps/io2.wit", "package dep:io@2.0.0; interface x { resource r; }");
    write_file(dir, "deps/user.wit", "package dep:user; interface u { use dep:io/x@1.0.0.{r}; }");
    ERROR(err);
    RESOLVE(resolve);
    int r = wit_resolve_add_path(resolve, dir, &err);
    if (r == 0)
        r = wit_resolve_finish(resolve, &err);
    remove_entries(dir, entries, ARRAY_LEN(entries));
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    struct arena arena = ARENA_INIT(TEXT_MAX);
    CHECK_STR(wit_root_package(resolve)->name, "app");
    const struct wit_world *world = wit_root_package(resolve)->worlds[0];
    struct str names = item_names(&arena, world->imports, world->import_count);
    CHECK_STR(names, "dep:io/x@2.0.0 my:app/i dep:io/y@1.0.0 dep:io/x@1.0.0 dep:user/u");
    arena_done(&arena);
}

TEST(a_missing_folder_says_so)
{
    RESOLVE(resolve);
    ERROR(err);
    CHECK_INT(wit_resolve_add_path(resolve, "/nonexistent/wit", &err), -ENOENT);
    CHECK_TEXT(error_text(&err), "reading /nonexistent/wit: No such file or directory");
}

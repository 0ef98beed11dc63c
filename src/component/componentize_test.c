// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/file.h"
#include "component/component.h"
#include "component/componentize.h"
#include "component/componentize_internal.h"
#include "component/decode.h"
#include "testing/test.h"

#define BYTES_MAX ((size_t)1024 * 1024)

static struct buf fixture(const char *name)
{
    struct buf content = BUF_INIT(BYTES_MAX);
    _cleanup_(mem_freep) char *path = mem_printf("%s/componentize/%s.wasm", TEST_FIXTURES, name);
    CHECK_INT(file_read(path, &content, NULL), 0);
    return content;
}

// The world of the component that is made of a fixture, as text.
static char *made_world(const char *module, const char *adapter_name, const char *adapter)
{
    ERROR(err);
    _cleanup_(buf_done) struct buf core = fixture(module);
    struct buf adapter_bytes = adapter ? fixture(adapter) : BUF_INIT(0);
    struct componentize_adapter item = {str_from(adapter_name), buf_str(&adapter_bytes)};
    BUF(out, BYTES_MAX);
    int rc = componentize(buf_str(&core), &item, adapter ? 1 : 0, &out, &err);
    buf_done(&adapter_bytes);
    if (rc < 0)
        return mem_strdup(error_text(&err));
    struct component *component;
    const struct wit_world *world;
    struct arena arena = ARENA_INIT(SIZE_MAX);
    BUF(text, BYTES_MAX);
    CHECK_INT(component_decode(buf_str(&out), &component, &err), 0);
    CHECK_INT(component_world(component, &arena, &world, &err), 0);
    wit_print_component_world(world, &text);
    component_free(component);
    arena_done(&arena);
    return buf_take(&text);
}

TEST(exports_alone)
{
    _cleanup_(mem_freep) char *world = made_world("echo", NULL, NULL);
    CHECK_TEXT(world, "package root:component;\n\nworld root {\n"
                      "  export shout: func(text: string) -> string;\n"
                      "  export add: func(a: u32, b: u32) -> u32;\n}\n");
}

// The core names lack the build of the version, which the component keeps.
TEST(standard_names_of_a_version_with_a_build)
{
    _cleanup_(mem_freep) char *world = made_world("version", NULL, NULL);
    CHECK_CONTAINS(world, "  import a:b/i@0.1.0-rc.1+x.5;\n");
    CHECK_CONTAINS(world, "  export a:b/i@0.1.0-rc.1+x.5;\n");
}

TEST(imports_and_exports_with_resources)
{
    _cleanup_(mem_freep) char *world = made_world("parts", NULL, NULL);
    CHECK_CONTAINS(world, "  import test:parts/host@0.1.0;\n");
    CHECK_CONTAINS(world, "  import tick: func() -> u64;\n");
    CHECK_CONTAINS(world, "  export test:parts/store@0.1.0;\n");
    CHECK_CONTAINS(world, "  export test:parts/atomics@0.1.0;\n");
    CHECK_CONTAINS(world, "  export greet: func(name: string) -> string;\n");
    // Resources of another interface are that one's.
    CHECK_CONTAINS(world, "use store.{bucket, error};\n");
    CHECK_CONTAINS(world, "use host.{thing};\n");
}

TEST(what_is_not_used_is_not_imported)
{
    _cleanup_(mem_freep) char *world = made_world("parts", NULL, NULL);
    CHECK_CONTAINS(world, "label: func() -> string;");
    CHECK(!strstr(world, "never-called"));
    CHECK(!strstr(world, "record unused"));
}

TEST(adapter_serves_imports)
{
    _cleanup_(mem_freep) char *world = made_world("ping", "old", "old");
    CHECK_CONTAINS(world, "  import test:parts/host@0.1.0;\n");
    CHECK_CONTAINS(world, "count: func() -> u32;");
    CHECK_CONTAINS(world, "log: func(text: string);");
    CHECK(!strstr(world, "resource thing"));
}

TEST(import_that_nothing_serves)
{
    _cleanup_(mem_freep) char *none = made_world("ping", NULL, NULL);
    CHECK_TEXT(none, "core module: import `ping` of `old`: the world imports no such interface, "
                     "and no adapter serves it");
    _cleanup_(mem_freep) char *other = made_world("p1", "wasi_snapshot_preview1", "old");
    CHECK_TEXT(other, "core module: import `fd_write` of `wasi_snapshot_preview1`: the adapter has "
                      "no such function");
}

TEST(export_that_is_missing)
{
    // The adapter by itself: its world has no exports, but it asks for a main module.
    _cleanup_(mem_freep) char *alone = made_world("old", NULL, NULL);
    CHECK_CONTAINS(alone, "core module: import `memory` of `env`");
}

static struct core_module decode_core(struct str bytes, struct arena *arena)
{
    ERROR(err);
    struct core_module module;
    CHECK_INT(core_module_decode(bytes, 0, arena, &module, &err), 0);
    return module;
}

static struct core_module trim(const char *name, bool main_has_realloc, struct buf *out,
                               struct arena *arena)
{
    ERROR(err);
    _cleanup_(buf_done) struct buf content = fixture(name);
    struct core_module adapter = decode_core(buf_str(&content), arena);
    struct map keep = {0};
    (void)map_put(&keep, STR("ping"), out);
    int rc = czr_trim_adapter(&adapter, &keep, main_has_realloc, out, &err);
    map_done(&keep);
    CHECK_INT(rc, 0);
    return decode_core(buf_str(out), arena);
}

TEST(adapter_is_trimmed)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    BUF(out, BYTES_MAX);
    struct core_module module = trim("old", true, &out, &arena);
    CHECK_INT(module.export_count, 1);
    CHECK_STR(module.exports[0].name, "ping");
    // memory, cabi_realloc, log, count; not the constructor that only `pong` reaches.
    CHECK_INT(module.import_count, 4);
    CHECK_STR(module.imports[1].name, "cabi_realloc");
    CHECK_STR(module.imports[3].name, "count");
    // ping, its helper, and what allocates the stack.
    CHECK_INT(module.func_count - module.imported_func_count, 3);
    arena_done(&arena);
}

TEST(adapter_brings_its_allocator_where_main_has_none)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    BUF(out, BYTES_MAX);
    struct core_module module = trim("old", false, &out, &arena);
    CHECK_INT(module.import_count, 3);
    CHECK_INT(module.func_count - module.imported_func_count, 4);
    arena_done(&arena);
}

TEST(too_many_adapters)
{
    ERROR(err);
    BUF(out, BYTES_MAX);
    CHECK_INT(componentize(STR_EMPTY, NULL, COMPONENTIZE_ADAPTERS_MAX + 1, &out, &err), -E2BIG);
}

TEST(no_module)
{
    ERROR(err);
    BUF(out, BYTES_MAX);
    CHECK_INT(componentize(STR("(module)"), NULL, 0, &out, &err), -EINVAL);
    CHECK_CONTAINS(error_text(&err), "not a core module");
}

// Modules that are cut off anywhere are refused, or make a component where only what is not needed
// is missing.
TEST(cut_modules)
{
    _cleanup_(buf_done) struct buf core = fixture("parts");
    for (size_t len = 0; len < core.len; len++) {
        ERROR(err);
        BUF(out, BYTES_MAX);
        if (componentize(str_sub(buf_str(&core), 0, len), NULL, 0, &out, &err) == 0)
            CHECK(out.len > 0);
        else
            CHECK(err.message);
    }
}

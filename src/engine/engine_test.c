// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "base/file.h"
#include "engine/instance.h"
#include "engine/linker.h"
#include "engine/program.h"
#include "testing/test.h"

static char *fixture(const char *name)
{
    const char *dir = getenv("WASH_FIXTURES");
    return mem_printf("%s/%s", dir ? dir : "tests", name);
}

static struct engine *new_engine(const char *cache_dir)
{
    ERROR(err);
    struct engine *engine;
    struct engine_options options = {.instances_max = 20, .cache_dir = cache_dir};
    if (engine_new(&options, &engine, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return engine;
}

static struct program *load(struct engine *engine, const char *name)
{
    ERROR(err);
    struct program *program;
    _cleanup_(mem_freep) char *path = fixture(name);
    if (program_load(engine, path, &program, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    return program;
}

TEST(a_component_whose_imports_are_missing_is_refused_with_their_list)
{
    ERROR(err);
    struct engine *engine = new_engine("");
    struct program *program = load(engine, "guests/p2-hello.wasm");
    struct linker *linker = linker_new(engine);
    struct linked *linked;
    CHECK(linker_link(linker, program, &linked, &err) < 0);
    CHECK_CONTAINS(error_text(&err), "imports what this host does not provide");
    CHECK_CONTAINS(error_text(&err), "\n  wasi:http/types@0.2.4");
    CHECK_CONTAINS(error_text(&err), "\n  wasi:io/streams@0.2.");
    linker_free(linker);
    program_unref(program);
    engine_free(engine);
}

// SPDX-License-Identifier: Apache-2.0
#include "engine/internal.h"

#include <errno.h>

#include "base/file.h"
#include "base/log.h"
#include "component/plan_merge.h"

static int compile_modules(struct program *program, struct error *err)
{
    const struct plan *plan = program->plan;
    program->modules = mem_new_array(wasmtime_module_t *, plan->module_count);
    memset(program->modules, 0, plan->module_count * sizeof(*program->modules));
    program->was_cached = true;
    for (uint32_t i = 0; i < plan->module_count; i++) {
        bool cached = false;
        int rc =
            cache_module(program->engine, &plan->modules[i], &program->modules[i], &cached, err);
        if (rc < 0) {
            (void)error_wrap(err, "core module %u", i);
            return rc;
        }
        program->was_cached &= cached;
    }
    return engine_wait(program->engine, err); // which no module may have asked for
}

static void drop_plan(struct program *program)
{
    for (uint32_t i = 0; program->modules && i < program->plan->module_count; i++)
        if (program->modules[i])
            wasmtime_module_delete(program->modules[i]);
    free(program->modules);
    plan_free(program->plan);
    program->modules = NULL;
    program->plan = NULL;
}

static bool merge_modules(struct program *program)
{
    uint32_t apart = program->plan->module_count;
    if (!program->engine->modules_apart)
        plan_merge(program->plan);
    return program->plan->module_count < apart;
}

// Merging reads no bodies: only compiling tells whether it could be done. If not, the modules are
// taken as they are, and what is wrong with them is what they say then.
static int plan_and_compile(struct program *program, struct error *err)
{
    int rc = plan_new(program->component, &program->plan, err);
    if (rc < 0)
        return rc;
    if (merge_modules(program)) {
        ERROR(why);
        if (compile_modules(program, &why) == 0)
            return 0;
        log_debug("core modules are not merged: %s", error_text(&why));
        drop_plan(program);
        rc = plan_new(program->component, &program->plan, err);
    }
    return rc < 0 ? rc : compile_modules(program, err);
}

// Takes the bytes.
static int program_take(struct engine *engine, struct str bytes, struct program **out,
                        struct error *err)
{
    struct program *program = mem_new(struct program);
    program->refs = 1;
    program->engine = engine;
    program->bytes = bytes;
    int rc = component_decode(program->bytes, &program->component, err);
    if (rc == 0)
        rc = component_validate(program->component, &engine->features, err);
    if (rc == 0)
        rc = plan_and_compile(program, err);
    if (rc < 0) {
        program_unref(program);
        return rc;
    }
    *out = program;
    return 0;
}

int program_new(struct engine *engine, struct str bytes, struct program **out, struct error *err)
{
    if (bytes.len > COMPONENT_BYTES_MAX)
        return error_set(err, -EFBIG, "the component has %zu bytes, the limit is %zu", bytes.len,
                         COMPONENT_BYTES_MAX);
    return program_take(engine, str_of(mem_dup(bytes.data, bytes.len), bytes.len), out, err);
}

int program_load(struct engine *engine, const char *path, struct program **out, struct error *err)
{
    BUF(content, COMPONENT_BYTES_MAX);
    int rc = file_read(path, &content, err);
    if (rc < 0)
        return rc;
    // The buffer's memory, even of an empty file, becomes the program's.
    if (buf_reserve(&content, 1) < 0)
        return error_set(err, -EFBIG, "%s is larger than the limit", path);
    struct str bytes = buf_str(&content);
    content = BUF_INIT(0);
    rc = program_take(engine, bytes, out, err);
    if (rc < 0)
        error_wrap(err, "%s", path);
    return rc;
}

struct program *program_ref(struct program *program)
{
    atomic_fetch_add(&program->refs, 1);
    return program;
}

void program_unref(struct program *program)
{
    if (!program || atomic_fetch_sub(&program->refs, 1) > 1)
        return;
    drop_plan(program);
    component_free(program->component);
    free((char *)program->bytes.data);
    free(program);
}

const struct plan *program_plan(const struct program *program)
{
    return program->plan;
}

bool program_was_cached(const struct program *program)
{
    return program->was_cached;
}

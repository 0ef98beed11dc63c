// SPDX-License-Identifier: Apache-2.0
// A component: what is merged of it, or made fit to be reset, decodes and is what its outline
// says. Anything else: a function body, renumbered there and back.
#include <assert.h>

#include "component/component.h"
#include "component/core_merge.h"
#include "component/core_reset.h"
#include "component/plan_merge.h"

// Indices of the body, and how far they are moved.
#define SPACE_COUNT 40u
#define DISTANCE    1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_merge(const struct plan_module *module)
{
    ERROR(err);
    struct buf bytes = BUF_INIT(CORE_MERGE_BYTES_MAX);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    if (core_merge_write(module->merge, &bytes, &err) == 0) {
        struct core_module merged;
        int rc = core_module_decode(buf_str(&bytes), 0, &arena, &merged, &err);
        assert(rc == 0);
        assert(merged.import_count == module->core->import_count);
        assert(merged.has_start == module->core->has_start);
        assert(merged.export_count == module->merge->export_count);
        assert(core_merge_recipe(module->merge, &arena).len > 0);
    }
    arena_done(&arena);
    buf_done(&bytes);
}

static void check_reset(const struct core_module *module)
{
    ERROR(err);
    BUF(bytes, SIZE_MAX);
    if (!core_reset_write(module->bytes, &bytes)) {
        assert(bytes.len == 0);
        return;
    }
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module copy;
    int rc = core_module_decode(buf_str(&bytes), 0, &arena, &copy, &err);
    assert(rc == 0);
    assert(copy.import_count == module->import_count);
    assert(copy.func_count == module->func_count);
    assert(copy.export_count > module->export_count);
    arena_done(&arena);
}

static void check_component(const struct component *component)
{
    ERROR(err);
    struct plan *plan;
    if (plan_new(component, &plan, &err) < 0)
        return;
    plan_merge(plan);
    BUF(text, (size_t)256 << 20);
    plan_dump(plan, &text);
    for (uint32_t i = 0; i < plan->module_count; i++)
        if (plan->modules[i].merge)
            check_merge(&plan->modules[i]);
        else
            check_reset(plan->modules[i].core);
    plan_free(plan);
}

static struct core_renumbering moved(uint32_t first, uint32_t distance)
{
    struct core_space space = {.count = first + SPACE_COUNT, .base = distance};
    struct core_renumbering to = {.types = space, .elements = space, .datas = space};
    for (size_t kind = 0; kind <= CORE_TAG; kind++)
        to.externs[kind] = space;
    to.externs[CORE_MEMORY].base = 0;
    return to;
}

static int recode(struct str body, struct core_renumbering to, struct writer *out)
{
    struct reader r;
    struct core_recoder c;
    writer_init(out, (size_t)64 << 20);
    reader_init(&r, body, 0, "core module", NULL);
    core_recode_init(&c, &r, &to, out);
    core_recode_body(&c);
    return r.rc;
}

static void check_body(struct str body)
{
    struct writer same, there, back;
    int rc = recode(body, moved(0, 0), &same);
    int far = recode(body, moved(0, DISTANCE), &there);
    assert(rc == far);
    if (rc == 0) {
        rc = recode(buf_str(&there.bytes), moved(DISTANCE, -DISTANCE), &back);
        assert(rc == 0 && str_eq(buf_str(&back.bytes), buf_str(&same.bytes)));
        writer_done(&back);
    }
    writer_done(&same);
    writer_done(&there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ERROR(err);
    struct component *component;
    struct str bytes = str_of((const char *)data, size);
    if (component_decode(bytes, &component, &err) < 0) {
        check_body(bytes);
        return 0;
    }
    check_component(component);
    component_free(component);
    return 0;
}

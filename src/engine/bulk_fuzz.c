// SPDX-License-Identifier: Apache-2.0
// A core module whose fills and copies are made interruptible: what was valid stays so, and is
// understood; what others see of it is the same.
#include <assert.h>
#include <wasmtime.h>

#include "component/core_bulk.h"
#include "component/core_module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The proposals of src/engine/engine.c that change what is valid.
static wasm_engine_t *new_engine(void)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_wasm_threads_set(config, false);
    wasmtime_config_wasm_gc_set(config, false);
    wasmtime_config_wasm_exceptions_set(config, true);
    return wasm_engine_new_with_config(config);
}

static bool is_valid(struct str module)
{
    static wasm_engine_t *engine;
    if (!engine)
        engine = new_engine();
    wasmtime_error_t *error =
        wasmtime_module_validate(engine, (const uint8_t *)module.data, module.len);
    if (!error)
        return true;
    wasmtime_error_delete(error);
    return false;
}

static void check_same_outside(struct str before, struct str after)
{
    ERROR(err);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct core_module x, y;
    int rc = core_module_decode(before, 0, &arena, &x, &err);
    assert(rc == 0);
    rc = core_module_decode(after, 0, &arena, &y, &err);
    assert(rc == 0);
    assert(x.import_count == y.import_count && x.export_count == y.export_count);
    assert(x.has_start == y.has_start && x.start == y.start);
    for (uint32_t i = 0; i < x.export_count; i++)
        assert(str_eq(x.exports[i].name, y.exports[i].name) &&
               x.exports[i].kind == y.exports[i].kind && x.exports[i].index == y.exports[i].index);
    assert(y.func_count > x.func_count && y.type_count > x.type_count);
    for (uint32_t kind = CORE_TABLE; kind <= CORE_TAG; kind++)
        assert(x.counts[kind] == y.counts[kind]);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ERROR(err);
    BUF(rewritten, SIZE_MAX);
    struct str module = str_of((const char *)data, size);
    int rc = core_bulk_write(module, &rewritten, &err);
    assert((rc == 1) == (rewritten.len > 0));
    bool valid = is_valid(module);
    assert(!valid || rc >= 0);
    if (rc != 1)
        return 0;
    check_same_outside(module, buf_str(&rewritten));
    assert(!valid || is_valid(buf_str(&rewritten)));
    return 0;
}

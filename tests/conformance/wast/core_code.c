// SPDX-License-Identifier: Apache-2.0
// Validates the code of core modules with the engine, with the core proposals that it is built
// with.
#include "core_code.h"

#include <errno.h>
#include <wasmtime.h>

struct core_code {
    wasm_engine_t *engine;
};

bool core_code_has_references(void)
{
#ifdef WASMTIME_FEATURE_GC
    return true;
#else
    return false;
#endif
}

int core_code_validate(struct core_code *core, const struct core_module *module, struct error *err)
{
    if (module->counts[CORE_TAG] > 0 && !core_code_has_references())
        return 0;
    struct str bytes = module->bytes;
    wasmtime_error_t *error =
        wasmtime_module_validate(core->engine, (const uint8_t *)bytes.data, bytes.len);
    if (!error)
        return 0;
    wasm_name_t message;
    wasmtime_error_message(error, &message);
    error_set(err, -EINVAL, "core module: %.*s", (int)message.size, message.data);
    wasm_name_delete(&message);
    wasmtime_error_delete(error);
    return -EINVAL;
}

struct core_code *core_code_new(void)
{
    struct core_code *core = mem_new(struct core_code);
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_wasm_multi_memory_set(config, true);
    wasmtime_config_wasm_memory64_set(config, true);
    wasmtime_config_wasm_threads_set(config, true);
#ifdef WASMTIME_FEATURE_GC
    wasmtime_config_wasm_exceptions_set(config, true);
#endif
    core->engine = wasm_engine_new_with_config(config);
    return core;
}

void core_code_free(struct core_code *core)
{
    wasm_engine_delete(core->engine);
    free(core);
}

// SPDX-License-Identifier: Apache-2.0
// What the wrapper crate (src/engine/wasmtime) adds to libwasmtime's C API.
#pragma once

#include <wasmtime.h>

// wasm_engine_new_with_config() that returns an error instead of aborting. Takes the config.
wasmtime_error_t *wash_wasm_engine_new(wasm_config_t *config, wasm_engine_t **out);

// The pool resets only pages that were written, where the kernel can tell (Linux 6.7 on).
void wash_pooling_pagemap_scan(wasmtime_pooling_allocation_config_t *config);

// Asked before a memory (bytes) or table (elements) grows; creation counts as growth from 0.
typedef bool (*wash_growing_t)(void *env, size_t current, size_t desired);
void wash_store_limiter(wasmtime_store_t *store, void *env, wash_growing_t memory,
                        wash_growing_t table);

// wasmtime_instance_new() for a store with asynchronous functions. All pointers must stay valid
// until the future is deleted, `imports` only for the call.
wasmtime_call_future_t *wash_instance_new_async(wasmtime_context_t *context,
                                                const wasmtime_module_t *module,
                                                const wasmtime_extern_t *imports,
                                                size_t import_count, wasmtime_instance_t *out,
                                                wasmtime_error_t **error);

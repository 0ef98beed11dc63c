// SPDX-License-Identifier: Apache-2.0
// Stands in for the engine's tasks in tests of handlers: parking runs the loop on the test's own
// stack until the wake-up.
#pragma once

#include "wasi/wasi.h"

struct fake {
    struct loop *loop;
    struct arena arena;
    struct error error;
    struct canon_call call; // for handlers
    struct wasi_config config;
    struct wasi wasi;
    uint32_t parks; // how often a handler waited
    bool exited;
    uint32_t exit_code; // of wasi:cli/exit
};

// Real time, or the virtual clock. `config` may be set until the first handler is called.
void fake_init(struct fake *fake, bool is_virtual);
void fake_done(struct fake *fake);

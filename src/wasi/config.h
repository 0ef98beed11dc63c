// SPDX-License-Identifier: Apache-2.0
// The settings of a workload, which wasi:config hands to its components.
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "wasi/wasi.h"

// Of one workload, all layers together.
#define WASI_SETTINGS_MAX       ((size_t)16 * 1024)
#define WASI_SETTINGS_BYTES_MAX ((size_t)4 << 20)

struct wasi_settings {
    const struct wasi_env *items;
    size_t len;
};

// One list of layers, of which later ones win: sorted by name, names unique. Copied to the arena.
// -EINVAL for a name that is empty or text that is not UTF-8, -E2BIG over a limit. Values are
// never part of a message.
_must_use_ int wasi_settings_merge(struct arena *arena, const struct wasi_settings *layers,
                                   size_t layer_count, struct wasi_settings *out,
                                   struct error *err);

// SPDX-License-Identifier: Apache-2.0
// The adapters that the program brings along (src/wash/adapters/README.md).
#pragma once

#include "base/str.h"

// What imports of WASI 0.1 are called in core modules.
#define WASI1_MODULE "wasi_snapshot_preview1"

// The adapter that turns `_start` into wasi:cli/run, or the one that only serves imports.
struct str wasi1_adapter(bool is_command);

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wast.h"

// An executor that can do one thing: validate the code of core modules.
struct wast_executor *core_code_new(void);
void core_code_free(struct wast_executor *executor);

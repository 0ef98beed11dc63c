// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"
#include "base/error.h"

// Reads standard input to its end. -EFBIG over the buffer's maximum.
_must_use_ int stdin_read_all(struct buf *content, struct error *err);

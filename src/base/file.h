// SPDX-License-Identifier: Apache-2.0
// Whole files in and out of memory.
#pragma once

#include "base/buf.h"
#include "base/error.h"

// Appends the file's content. -EISDIR for a folder, -EFBIG over the buffer's maximum.
_must_use_ int file_read(const char *path, struct buf *content, struct error *err);
// The same from an open descriptor to its end; `path` names it in errors.
_must_use_ int file_read_fd(int fd, const char *path, struct buf *content, struct error *err);

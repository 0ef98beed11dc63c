// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.3, shared by its files; the operations are in wasi/filesystem.h.
#pragma once

#include "wasi/filesystem.h"
#include "wasi/p3.h"

// The representation behind wasi:filesystem/types.descriptor.
struct p3_filesystem_types_descriptor {
    struct fs_node node;
};

// What has no code of its own is `other` with a text that is never freed.
struct p3_filesystem_types_error_code p3_fs_error(int rc);
struct p3_filesystem_types_descriptor_type p3_fs_type(mode_t mode);

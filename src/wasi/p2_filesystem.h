// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2, shared by its files; the operations are in wasi/filesystem.h.
#pragma once

#include "wasi/filesystem.h"
#include "wasi/p2.h"

// The representation behind wasi:filesystem/types.descriptor.
struct p2_filesystem_types_descriptor {
    struct fs_node node;
};

enum p2_filesystem_types_error_code p2_fs_error(int rc);
enum p2_filesystem_types_descriptor_type p2_fs_type(mode_t mode);

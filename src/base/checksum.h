// SPDX-License-Identifier: Apache-2.0
// A fast 64-bit checksum against corruption on disk. Not for hostile input.
#pragma once

#include "base/str.h"

uint64_t checksum64(struct str data);

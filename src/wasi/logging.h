// SPDX-License-Identifier: Apache-2.0
// wasi:logging: what a guest logs becomes lines of this program's log, each
//
//     TIME LEVEL workload="NAME" context="CONTEXT" MESSAGE
//
// The message stands last, so that it cannot pass for another field; control characters in it, ends
// of lines included, are escaped, so that it cannot pass for another line. `critical` is an error
// with the field `severity=critical`.
#pragma once

#include "base/buf.h"

// What is longer is cut, with the number of bytes that were left out.
#define WASI_LOG_CONTEXT_BYTES_MAX ((size_t)256)
#define WASI_LOG_MESSAGE_BYTES_MAX ((size_t)8 * 1024)

// The fields and the message of a line, without time and level. `severity` may be empty.
void wasi_log_format(struct buf *out, struct str workload, struct str severity, struct str context,
                     struct str message);

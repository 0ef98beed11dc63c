// SPDX-License-Identifier: Apache-2.0
// Bytes from an output stream to an input stream through memory. Either end may be dropped first:
// the reader gets what was written, the writer is told that nobody reads.
#pragma once

#include "wasi/io.h"

#define BYTE_PIPE_BYTES ((size_t)32 * 1024)

void byte_pipe_new(struct p2_io_streams_input_stream **reader,
                   struct p2_io_streams_output_stream **writer);
// What was written is all; the writer stays. More writes fail.
void byte_pipe_end(struct p2_io_streams_output_stream *writer);

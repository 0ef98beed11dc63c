// SPDX-License-Identifier: Apache-2.0
// Standard streams of an instance: never block the thread, never change flags of descriptors that
// other processes share. All streams that a guest takes of one standard stream share its state.
#pragma once

#include "wasi/io.h"
#include "wasi/wasi.h"

#define STDIO_IN_BYTES  ((size_t)16 * 1024) // read ahead
#define STDIO_OUT_BYTES ((size_t)64 * 1024) // waiting to be written; beyond it writers wait

struct p2_io_streams_input_stream *stdio_in_stream(struct wasi *wasi);
struct p2_io_streams_output_stream *stdio_out_stream(struct wasi *wasi); // standard output
struct p2_io_streams_output_stream *stdio_err_stream(struct wasi *wasi);

void stdio_in_free(struct stdio_in *in);
// Writes out what is held; waits for a slow reader if `wait`.
void stdio_out_free(struct stdio_out *out, bool wait);

// SPDX-License-Identifier: Apache-2.0
// Streams and futures of WASI 0.3 on the host's side: byte streams over the sources and sinks that
// serve WASI 0.2 as well (wasi/io.h), and futures whose value comes later.
#pragma once

#include "wasi/io.h"
#include "wasi/p3.h"
#include "wasi/wasi.h"

// How a transfer ended; runs once. `failure` (owned by the callee) is NULL at the end of the
// source, or when the guest dropped its end.
typedef void (*p3_transfer_done)(void *data, struct p2_io_error_error *failure);

// A stream for the guest to read, which ends with its source. Takes `source`; `done` may be NULL.
struct stream *p3_read_from(struct canon_call *call, struct p2_io_streams_input_stream *source,
                            p3_transfer_done done, void *data);
// Writes what the guest sends to `sink`, which is flushed at the end. Takes both. 0, or a trap.
_must_use_ int p3_write_to(struct canon_call *call, struct stream *stream,
                           struct p2_io_streams_output_stream *sink, p3_transfer_done done,
                           void *data);

// A stream of which there is nothing to read.
struct stream *p3_stream_ended(struct canon_call *call, const struct stream_codec *codec);

// A future whose value the host sets once.
struct p3_future;
// `drop` (may be NULL) releases a value that the guest never took.
struct p3_future *p3_future_new(struct async_store *store, const struct stream_codec *codec,
                                void (*drop)(void *value), struct stream **out);
// `value` is of the codec's C type and is copied; strings in it must outlive the instance or be
// static. The future is not the caller's any more.
void p3_future_set(struct p3_future *future, const void *value);
// The same of a value with a string of its own: `text`, on the heap, lives as long as it must.
void p3_future_set_text(struct p3_future *future, const void *value, char *text);
// Tells that the guest's end went away before the value was set; p3_future_set() must follow.
void p3_future_watch(struct p3_future *future, void (*dropped)(void *data), void *data);

// Reads the one value of a future, of the codec's C type, and closes it; `take` gets NULL when the
// writer went away without one or it cannot be read. It runs once, possibly before this returns. 0,
// or a trap.
#define P3_FUTURE_BYTES_MAX 128u
_must_use_ int p3_future_take(struct stream *stream, const struct stream_codec *codec,
                              void (*take)(void *data, void *value), void *data);

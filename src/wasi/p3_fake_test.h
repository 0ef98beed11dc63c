// SPDX-License-Identifier: Apache-2.0
// For tests of WASI 0.3: a store without an engine, the other ends of streams and futures, and jobs
// as the component model makes them.
#pragma once

#include "base/buf.h"
#include "component/subtask.h"
#include "wasi/p3_stream.h"
#include "wasi/task_fake.h"

struct p3_fake {
    struct fake fake;
    struct async_store store;
    struct wasi_network network;
};
void p3_fake_init(struct p3_fake *fake);
// All streams must be gone, or go now.
void p3_fake_done(struct p3_fake *fake);
// Turns the loop until `*flag`.
void p3_turn_until(struct p3_fake *fake, const bool *flag);
// Lets pending work of the loop run, without waiting.
void p3_turn(struct p3_fake *fake);

// Reads a stream of bytes to its end.
struct p3_reader {
    struct stream *stream; // NULL: at its end
    struct buf data;
    bool is_paused; // takes nothing
    bool has_some, has_ended;
};
void p3_reader_begin(struct p3_reader *reader, struct stream *stream);
void p3_reader_drop(struct p3_reader *reader);
void p3_reader_done(struct p3_reader *reader);

// Writes a stream of bytes.
struct p3_writer {
    struct stream *stream; // NULL: nobody reads it
    struct str left;
    bool has_written, is_dropped;
};
// The reading side, to be given to the host.
struct stream *p3_writer_begin(struct p3_fake *fake, struct p3_writer *writer);
void p3_writer_put(struct p3_writer *writer, struct str data);
void p3_writer_drop(struct p3_writer *writer);

// Awaits a future whose value has a result's `is_err` first.
struct p3_outcome {
    bool is_there, has_value, is_err;
    unsigned tag; // of the error
};
void p3_outcome_await(struct p3_outcome *outcome, struct stream *future,
                      const struct stream_codec *codec, size_t tag_offset);

// A call of a function of asynchronous type.
struct p3_job {
    struct host_job job;
    struct func_type type;
};
void p3_job_init(struct p3_fake *fake, struct p3_job *job);
// After the handler's answer: true when it is done already.
bool p3_job_begun(struct p3_fake *fake, struct p3_job *job, int rc);
void p3_job_wait(struct p3_fake *fake, struct p3_job *job);
// What the guest may do while it waits.
void p3_job_cancel(struct p3_job *job);
void p3_job_drop(struct p3_job *job);
void p3_job_done(struct p3_job *job);

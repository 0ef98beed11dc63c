// SPDX-License-Identifier: Apache-2.0
// Streams and futures (CanonicalABI.md "Stream State", "Future State", "canon stream.read/write").
//
// Both are one structure: a future is a stream of one element that must be written. A stream has a
// writing and a reading side. Each side is an end in the handle table of a component instance, or
// the host's. Nothing is buffered: elements go from the writer's memory to the reader's when both
// are there, in one copy; the host works on the guest's memory in place.
//
// The host's side is told what the other side wants and answers at once or later:
//
//     static int wanted(struct stream *stream, void *data)        // host writes, guest reads
//     {
//         uint32_t room;
//         void *to;
//         int rc = stream_space(stream, &to, &room);               // the guest's buffer
//         ssize_t n = rc == 0 ? recv(fd, to, room, 0) : 0;
//         ...                                                      // n < 0, EAGAIN: later
//         return rc < 0 ? rc : stream_wrote(stream, (uint32_t)n);
//     }
//
// Elements with strings or lists need the guest's realloc, which runs on a fiber: they are written
// from within `wanted` only, and stream_again() has it called there.
#pragma once

#include "component/waitable.h"
#include "wit/type.h"

struct async_store;
struct stream;

// A built-in's answer while a copy goes on.
#define COPY_BLOCKED UINT32_MAX
// Elements of one read or write (CanonicalABI.md "Buffer State": MAX_LENGTH).
#define STREAM_COPY_MAX ((UINT32_C(1) << 28) - 1)
// What the host's writer may hand over at once to a reader that is the host's as well.
#define STREAM_STAGE_BYTES (256u * 1024)

enum copy_result { COPY_COMPLETED, COPY_DROPPED, COPY_CANCELLED };

// What the host's side is told. Each may be NULL.
struct stream_host_ops {
    // To the writer: the reader waits for elements, stream_room() of them at most (0: it only wants
    // to know when there are some; stream_wrote(stream, 0) tells it). Negative: a trap.
    int (*wanted)(struct stream *stream, void *data);
    // To the reader: the writer offers elements, stream_data() has them.
    int (*offered)(struct stream *stream, void *data);
    // What was wanted or offered is taken back.
    void (*withdrawn)(struct stream *stream, void *data);
    // The other side is gone: the stream ends with this call.
    void (*dropped)(struct stream *stream, void *data);
};

// HELD: the host took it from a guest and has not begun to read.
// LEFT: the host's writer is gone, its bytes on the stage are still to be read.
enum side_owner { SIDE_NOBODY, SIDE_GUEST, SIDE_HOST, SIDE_HELD, SIDE_LEFT };
enum end_state { END_IDLE, END_COPYING, END_CANCELLING, END_DONE };

struct stream_side {
    enum side_owner owner;
    bool is_writer;
    // SIDE_GUEST: an end in a handle table.
    struct waitable waitable;
    enum end_state state;
    enum copy_result result; // of the pending event
    uint32_t index;          // in the table
    const struct canon_options *options;
    uint32_t component_instance;
    uint32_t ptr; // where its next element goes or comes from
    uint32_t length;
    uint32_t progress;
    // SIDE_HOST
    const struct stream_host_ops *ops;
    void *data;
};

struct stream {
    struct async_store *store;
    struct stream *next, **link; // others of the store
    const struct type *element;  // NULL: none
    const struct type *same;     // another type found to be equal to it
    bool is_future;
    bool is_dropped;             // one side is gone
    bool is_busy;                // a host's callback runs
    bool has_news;               // for the callback that runs
    bool is_dead;                // both sides went meanwhile
    struct error *error;         // where the callback's traps go
    struct stream_side *pending; // the guest's side that waits for the other one
    struct stream_side reader, writer;
    struct async_thread *again; // runs the host's callback on a fiber
    // Between two sides of the host: bytes that the writer put down, or values in its hands.
    uint8_t *stage;
    const void *handoff;
    uint32_t stage_start, stage_end;
};

// How elements look in C: generated from WIT.
struct stream_codec {
    const struct type *type; // by structure, without layout
    uint32_t size;           // of the C type
    // Both work on an element at `ptr` of call->memory, in bounds and aligned.
    int (*lower)(struct canon_call *call, const void *value, uint32_t ptr);
    int (*lift)(struct canon_call *call, uint32_t ptr, void *value);
};

// ---- the host's side ----------------------------------------------------------------------------

// A new stream or future whose writing side is the host's. It becomes the guest's to read by
// canon_lower_stream(), or the host's by stream_read_by().
// `codec` NULL: without elements' values.
struct stream *stream_new(struct async_store *store, const struct stream_codec *codec,
                          bool is_future, const struct stream_host_ops *ops, void *data);
// The host reads a stream that canon_lift_stream() gave it. 0, or a trap of `offered`.
_must_use_ int stream_read_by(struct stream *stream, const struct stream_host_ops *ops, void *data);

// As the writer, while the reader waits. A view of the reader's memory for `*count` plain elements;
// then the number that was written (0 with no room: there is something to read).
bool stream_is_wanted(const struct stream *stream);
uint32_t stream_room(const struct stream *stream);
_must_use_ int stream_space(struct stream *stream, void **out, uint32_t *count);
_must_use_ int stream_wrote(struct stream *stream, uint32_t count);
// Writes up to `count` values; *written says how many.
_must_use_ int stream_put(struct stream *stream, const struct stream_codec *codec,
                          const void *values, uint32_t count, uint32_t *written);

// As the reader, while the writer waits: a view of its elements, and how many were read.
bool stream_is_offered(const struct stream *stream);
_must_use_ int stream_data(struct stream *stream, const void **out, uint32_t *count);
_must_use_ int stream_consumed(struct stream *stream, uint32_t count);
// Reads up to `max` values; *count says how many.
_must_use_ int stream_take(struct stream *stream, const struct stream_codec *codec, void *values,
                           uint32_t max, uint32_t *count);

// Calls `wanted` or `offered` of the host's side again, on a fiber, soon.
void stream_again(struct stream *stream);
// The host gives up its side; its callbacks are not called any more. A future is written first.
// What a writer has written is still read.
void stream_close_writer(struct stream *stream);
void stream_close_reader(struct stream *stream);

// ---- handles ------------------------------------------------------------------------------------

// Passes the reading side to the guest; ownership of `stream` goes with it.
_must_use_ int canon_lower_stream(struct canon_call *call, struct stream *stream, uint32_t *handle);
// Takes the reading side from the guest: its owner must call stream_read_by() or
// stream_close_reader().
_must_use_ int canon_lift_stream(struct canon_call *call, uint32_t handle, bool is_future,
                                 const struct type *element, struct stream **out);

// ---- built-ins ----------------------------------------------------------------------------------

// {stream,future}.new: both ends in the table of the call.
_must_use_ int stream_new_ends(struct canon_call *call, const struct type *element, bool is_future,
                               uint32_t *reader, uint32_t *writer);
// The end at `handle`, of this kind and element type.
_must_use_ int stream_find_end(struct canon_call *call, uint32_t handle, bool is_future,
                               bool is_writer, const struct type *element,
                               struct stream_side **out);
// Begins to copy `count` elements at `ptr` under the call's options. Afterwards the side's waitable
// has an event, or the copy goes on.
_must_use_ int stream_copy(struct canon_call *call, struct stream_side *side, uint32_t ptr,
                           uint32_t count);
// Afterwards the side's waitable has an event.
_must_use_ int stream_cancel(struct canon_call *call, struct stream_side *side);
// {stream,future}.drop-*: removes the handle.
_must_use_ int stream_drop_end(struct canon_call *call, uint32_t handle, struct stream_side *side);

// The store has ended: tells the host's sides of streams that only the host was left with.
void streams_done(struct async_store *store);
// The store ends: releases the end behind a handle, tells the host's side.
void stream_end_release(struct stream_side *side);

static inline struct stream *stream_of(struct stream_side *side)
{
    return side->is_writer ? container_of(side, struct stream, writer)
                           : container_of(side, struct stream, reader);
}

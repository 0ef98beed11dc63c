// SPDX-License-Identifier: Apache-2.0
// The machinery under wasi:io 0.2: events that tasks wait for, pollables, byte streams. Interfaces
// that hand out streams or pollables (cli, filesystem, clocks, http, sockets) implement these ops
// tables; the semantics of wasi:io (permits, traps, blocking, splice) are written once, in p2_io.c.
#pragma once

#include <sys/types.h>

#include "engine/task.h"
#include "loop/loop.h"
#include "wasi/p2.h"

// Something that happens again and again; tasks park on it, or a callback runs later in the turn.
struct wasi_waiter {
    struct wasi_waiter *next;
    struct wasi_waiter **link; // what points at this one; NULL when not queued
    struct task_wait *wait;    // NULL: `defer` on `loop`
    struct loop *loop;
    struct loop_defer *defer;
};
struct wasi_event {
    struct wasi_waiter *first;
};
void wasi_event_add(struct wasi_event *event, struct wasi_waiter *waiter, struct task_wait *wait);
void wasi_event_add_defer(struct wasi_event *event, struct wasi_waiter *waiter, struct loop *loop,
                          struct loop_defer *defer);
void wasi_event_remove(struct wasi_waiter *waiter); // harmless when not queued
// Wakes all who wait; they stay queued until they remove themselves.
void wasi_event_wake(struct wasi_event *event);

// ---- pollables
// --------------------------------------------------------------------------------------

struct pollable_ops {
    bool (*ready)(void *source);
    // The first waiter queues on the source's event / the last has left it. The source arranges
    // (timer, descriptor, callback) that the event is woken when it gets ready. NULL: the source
    // wakes it anyway. Sources that share an event must not depend on which of them is told.
    void (*watch)(void *source);
    void (*unwatch)(void *source);
    // The pollable goes away (its source loses a child).
    void (*drop)(void *source);
};

// The representation behind wasi:io/poll.pollable.
struct p2_io_poll_pollable {
    const struct pollable_ops *ops;
    void *source;
    struct wasi_event *event;
};

// `event` may be NULL for a source that is ready from the start.
struct p2_io_poll_pollable *pollable_new(const struct pollable_ops *ops, void *source,
                                         struct wasi_event *event);
// A pollable that is always ready.
struct p2_io_poll_pollable *pollable_new_ready(void);

// Registers a wait for a source; every begin needs its end, on all ways out.
struct wasi_watch {
    struct wasi_waiter waiter;
    const struct pollable_ops *ops;
    void *source;
    struct wasi_event *event;
};
void wasi_watch_begin(struct wasi_watch *watch, const struct pollable_ops *ops, void *source,
                      struct wasi_event *event, struct task_wait *wait);
void wasi_watch_end(struct wasi_watch *watch);

#define WASI_POLL_LIST_MAX 16384u // pollables in one call of poll()

// Parks the calling task until ready(source); 0 or a trap.
_must_use_ int wasi_block_until(struct canon_call *call, const struct pollable_ops *ops,
                                void *source, struct wasi_event *event);

// ---- errors
// -----------------------------------------------------------------------------------------

// The representation behind wasi:io/error.error.
struct p2_io_error_error {
    char *message;
    int code; // negative errno, or 0
    // Set by wasi:http: what http-error-code answers, an enum p2_http_types_error_code_tag, or -1.
    int http_code;
};
struct p2_io_error_error *io_error_new(int code, const char *fmt, ...) _printf_(2, 3);
void io_error_free(struct p2_io_error_error *error);

// ---- streams
// ----------------------------------------------------------------------------------------

// Parents that may not be dropped while children live (a stream of a body, a pollable of a stream).
// A stream adds itself to its parent when it is initialised and leaves it when it is dropped.
struct wasi_parent {
    uint32_t children;
};

struct input_stream_ops {
    // The next bytes in place, at most `max` (max > 0), not consumed: their length; 0 at the end of
    // the stream; -EAGAIN when there is nothing now; -EIO with *failure set (owned by the caller).
    ssize_t (*peek)(struct p2_io_streams_input_stream *stream, size_t max, struct str *out,
                    struct p2_io_error_error **failure);
    void (*consume)(struct p2_io_streams_input_stream *stream, size_t len);
    // Peeks, copies and consumes at once, answers like peek(). NULL: done with the two above.
    ssize_t (*read)(struct p2_io_streams_input_stream *stream, char *data, size_t max,
                    struct p2_io_error_error **failure);
    // True when peek() would not answer -EAGAIN. NULL: asked with peek().
    bool (*ready)(struct p2_io_streams_input_stream *stream);
    void (*watch)(struct p2_io_streams_input_stream *stream);   // may be NULL
    void (*unwatch)(struct p2_io_streams_input_stream *stream); // may be NULL
    void (*drop)(struct p2_io_streams_input_stream *stream);    // frees the stream
};

struct p2_io_streams_input_stream {
    const struct input_stream_ops *ops;
    struct wasi_event event;           // woken when peek() may say something new
    struct wasi_parent own;            // pollables of this stream
    struct wasi_parent *parent;        // whose child this stream is, or NULL
    struct p2_io_error_error *failure; // seen but not yet reported to the guest
    bool closed;  // end or failure was reported: every later operation answers `closed`
    bool dropped; // at the end of the store, before its last pollable
};
void input_stream_init(struct p2_io_streams_input_stream *stream,
                       const struct input_stream_ops *ops, struct wasi_parent *parent);

struct output_stream_ops {
    // How many bytes write() takes now; 0: none now; -EPIPE: closed; -EIO with *failure set.
    ssize_t (*budget)(struct p2_io_streams_output_stream *stream,
                      struct p2_io_error_error **failure);
    // Takes all of `data` (never more than the last budget): 0, -EPIPE, or -EIO with *failure set.
    int (*write)(struct p2_io_streams_output_stream *stream, struct str data,
                 struct p2_io_error_error **failure);
    // Asks for what was written to be pushed on. 0, -EPIPE, -EIO.
    int (*flush)(struct p2_io_streams_output_stream *stream, struct p2_io_error_error **failure);
    // True while a flush is under way; NULL: flush is complete when it returns. The event is woken
    // at its end, and the budget then tells how it ended.
    bool (*flushing)(struct p2_io_streams_output_stream *stream);
    void (*watch)(struct p2_io_streams_output_stream *stream);   // may be NULL
    void (*unwatch)(struct p2_io_streams_output_stream *stream); // may be NULL
    void (*drop)(struct p2_io_streams_output_stream *stream);    // frees the stream
};

struct p2_io_streams_output_stream {
    const struct output_stream_ops *ops;
    struct wasi_event event;
    struct wasi_parent own;
    struct wasi_parent *parent;
    size_t permit;                     // bytes allowed by the last check-write and not yet written
    struct p2_io_error_error *failure; // seen but not yet reported to the guest
    bool closed;
    bool dropped;
};
void output_stream_init(struct p2_io_streams_output_stream *stream,
                        const struct output_stream_ops *ops, struct wasi_parent *parent);

// Streams that a guest gave away and the host itself uses, by the same rules: -EPIPE is the end,
// for -EIO `failure` says why.
_must_use_ ssize_t wasi_input_take(struct p2_io_streams_input_stream *stream, char *data,
                                   size_t max);
_must_use_ ssize_t wasi_output_room(struct p2_io_streams_output_stream *stream);
_must_use_ int wasi_output_push(struct p2_io_streams_output_stream *stream, struct str data);
_must_use_ int wasi_output_flush(struct p2_io_streams_output_stream *stream);
bool wasi_output_flushing(struct p2_io_streams_output_stream *stream);
// Frees the stream, or leaves that to its last pollable.
void wasi_input_release(struct p2_io_streams_input_stream *stream);
void wasi_output_release(struct p2_io_streams_output_stream *stream);

#define WASI_STREAM_BUDGET_BYTES ((size_t)1024 * 1024) // the most that check-write permits at once
// The most that one read returns, whatever was asked for: guests that ask for 64 KiB would
// otherwise have to grow their memory for the answer, which costs more than reading again.
#define WASI_STREAM_READ_BYTES ((size_t)16 * 1024)
// The most that one splice or skip moves.
#define WASI_STREAM_MOVE_BYTES ((size_t)64 * 1024)
// The most that the blocking-write-...-and-flush functions take (wasi:io/streams).
#define WASI_STREAM_BLOCKING_BYTES ((size_t)4096)

// SPDX-License-Identifier: Apache-2.0
#include "wasi/p3_stream.h"

#include <assert.h>
#include <errno.h>

// ---- from a source to the guest -----------------------------------------------------------------

struct transfer {
    struct loop *loop;
    struct stream *stream;
    struct p2_io_streams_input_stream *source;
    struct p2_io_streams_output_stream *sink;
    struct wasi_waiter waiter;
    struct loop_defer defer;
    bool is_watching;
    bool is_ending; // the guest's end is gone: what was written is on its way
    p3_transfer_done done;
    void *data;
};

static struct wasi_event *event_of(struct transfer *transfer)
{
    return transfer->source ? &transfer->source->event : &transfer->sink->event;
}

static void watch(struct transfer *transfer)
{
    if (transfer->is_watching)
        return;
    transfer->is_watching = true;
    wasi_event_add_defer(event_of(transfer), &transfer->waiter, transfer->loop, &transfer->defer);
    if (transfer->source && transfer->source->ops->watch)
        transfer->source->ops->watch(transfer->source);
    if (transfer->sink && transfer->sink->ops->watch)
        transfer->sink->ops->watch(transfer->sink);
}

static void unwatch(struct transfer *transfer)
{
    if (!transfer->is_watching)
        return;
    transfer->is_watching = false;
    wasi_event_remove(&transfer->waiter);
    if (transfer->source && transfer->source->ops->unwatch)
        transfer->source->ops->unwatch(transfer->source);
    if (transfer->sink && transfer->sink->ops->unwatch)
        transfer->sink->ops->unwatch(transfer->sink);
}

static void finish(struct transfer *transfer, struct p2_io_error_error *failure)
{
    unwatch(transfer);
    loop_defer_cancel(transfer->loop, &transfer->defer);
    if (transfer->source)
        transfer->source->ops->drop(transfer->source);
    if (transfer->sink)
        transfer->sink->ops->drop(transfer->sink);
    if (transfer->done)
        transfer->done(transfer->data, failure);
    else
        io_error_free(failure);
    free(transfer);
}

// The next bytes of the source into the reader's buffer: their number, or as peek() answers.
static ssize_t read_some(struct transfer *transfer, void *to, uint32_t room,
                         struct p2_io_error_error **failure)
{
    struct p2_io_streams_input_stream *source = transfer->source;
    if (source->ops->read && room > 0)
        return source->ops->read(source, to, room, failure);
    struct str data = STR_EMPTY;
    ssize_t n = source->ops->peek(source, MAX(room, 1u), &data, failure);
    if (n <= 0 || room == 0)
        return n;
    memcpy(to, data.data, data.len);
    source->ops->consume(source, data.len);
    return n;
}

static void end_reading(struct transfer *transfer, struct p2_io_error_error *failure)
{
    struct stream *stream = transfer->stream;
    finish(transfer, failure);
    stream_close_writer(stream);
}

static int reader_wants(struct stream *stream, void *data)
{
    struct transfer *transfer = data;
    struct p2_io_error_error *failure = NULL;
    uint32_t room;
    void *to;
    int rc = stream_space(stream, &to, &room);
    if (rc < 0)
        return rc;
    ssize_t n = read_some(transfer, to, room, &failure);
    if (n == -EAGAIN) {
        watch(transfer);
        return 0;
    }
    unwatch(transfer);
    if (n <= 0) {
        end_reading(transfer, failure);
        return 0;
    }
    // A reader without room only wanted to know.
    return stream_wrote(stream, room > 0 ? (uint32_t)n : 0);
}

static void source_ready(struct loop_defer *defer)
{
    struct transfer *transfer = container_of(defer, struct transfer, defer);
    unwatch(transfer);
    if (stream_is_wanted(transfer->stream))
        (void)reader_wants(transfer->stream, transfer);
}

static void reader_withdrew(struct stream *stream, void *data)
{
    unwatch(data);
}

static void reader_dropped(struct stream *stream, void *data)
{
    finish(data, NULL);
}

static const struct stream_host_ops source_ops = {
    .wanted = reader_wants, .withdrawn = reader_withdrew, .dropped = reader_dropped};

struct stream *p3_read_from(struct canon_call *call, struct p2_io_streams_input_stream *source,
                            p3_transfer_done done, void *data)
{
    struct transfer *transfer = mem_new(struct transfer);
    *transfer = (struct transfer){
        .loop = wasi_of(call)->loop, .source = source, .done = done, .data = data};
    transfer->defer.callback = source_ready;
    transfer->stream = stream_new(call->async, &p3_codec_u8, false, &source_ops, transfer);
    return transfer->stream;
}

static int nothing_to_read(struct stream *stream, void *data)
{
    stream_close_writer(stream);
    return 0;
}

struct stream *p3_stream_ended(struct canon_call *call, const struct stream_codec *codec)
{
    static const struct stream_host_ops ops = {.wanted = nothing_to_read};
    return stream_new(call->async, codec, false, &ops, NULL);
}

// ---- from the guest to a sink -------------------------------------------------------------------

static void end_writing(struct transfer *transfer, struct p2_io_error_error *failure)
{
    struct stream *stream = TAKE(transfer->stream);
    finish(transfer, failure);
    if (stream)
        stream_close_reader(stream);
}

// Writes as much as the sink takes now: 1 all, 0 it is full, negative: it is closed.
static int write_some(struct transfer *transfer, struct str data, uint32_t *written,
                      struct p2_io_error_error **failure)
{
    struct p2_io_streams_output_stream *sink = transfer->sink;
    *written = 0;
    while (data.len > 0) {
        ssize_t budget = sink->ops->budget(sink, failure);
        if (budget <= 0)
            return (int)budget;
        struct str part = str_of(data.data, MIN(data.len, (size_t)budget));
        int rc = sink->ops->write(sink, part, failure);
        if (rc < 0)
            return rc;
        *written += (uint32_t)part.len;
        data = str_from_index(data, part.len);
    }
    return 1;
}

static int writer_offers(struct stream *stream, void *data)
{
    struct transfer *transfer = data;
    struct p2_io_error_error *failure = NULL;
    const void *from;
    uint32_t count, written;
    int rc = stream_data(stream, &from, &count);
    if (rc < 0)
        return rc;
    rc = write_some(transfer, str_of(from, count), &written, &failure);
    if (rc < 0) {
        end_writing(transfer, failure ? failure : io_error_new(rc, "the stream is closed"));
        return 0;
    }
    if (rc == 0)
        watch(transfer);
    return written > 0 || count == 0 ? stream_consumed(stream, written) : 0;
}

static void end_when_flushed(struct transfer *transfer)
{
    struct p2_io_streams_output_stream *sink = transfer->sink;
    struct p2_io_error_error *failure = NULL;
    if (sink->ops->flushing && sink->ops->flushing(sink)) {
        watch(transfer);
        return;
    }
    if (sink->ops->budget(sink, &failure) < 0 && !failure)
        failure = io_error_new(-EPIPE, "the stream is closed");
    end_writing(transfer, failure);
}

static void sink_ready(struct loop_defer *defer)
{
    struct transfer *transfer = container_of(defer, struct transfer, defer);
    unwatch(transfer);
    if (transfer->is_ending)
        end_when_flushed(transfer);
    else if (stream_is_offered(transfer->stream))
        (void)writer_offers(transfer->stream, transfer);
}

static void writer_dropped(struct stream *stream, void *data)
{
    struct transfer *transfer = data;
    struct p2_io_error_error *failure = NULL;
    transfer->stream = NULL;
    transfer->is_ending = true;
    unwatch(transfer);
    if (transfer->sink->ops->flush(transfer->sink, &failure) < 0)
        end_writing(transfer, failure ? failure : io_error_new(-EPIPE, "the stream is closed"));
    else
        end_when_flushed(transfer);
}

static const struct stream_host_ops sink_ops = {
    .offered = writer_offers, .withdrawn = reader_withdrew, .dropped = writer_dropped};

int p3_write_to(struct canon_call *call, struct stream *stream,
                struct p2_io_streams_output_stream *sink, p3_transfer_done done, void *data)
{
    struct transfer *transfer = mem_new(struct transfer);
    *transfer = (struct transfer){
        .loop = wasi_of(call)->loop, .stream = stream, .sink = sink, .done = done, .data = data};
    transfer->defer.callback = sink_ready;
    return stream_read_by(stream, &sink_ops, transfer);
}

// ---- futures ------------------------------------------------------------------------------------

struct p3_future {
    struct stream *stream; // NULL: the guest has dropped it
    const struct stream_codec *codec;
    void (*drop)(void *value);
    void (*dropped)(void *data);
    void *data;
    char *text; // that the value refers to, or NULL
    bool is_set;
    bool is_passing; // to the guest, right now
    _Alignas(16) char value[];
};

static void free_future(struct p3_future *future, bool is_taken)
{
    if (future->is_set && !is_taken && future->drop)
        future->drop(future->value);
    free(future->text);
    free(future);
}

static int future_wanted(struct stream *stream, void *data)
{
    struct p3_future *future = data;
    uint32_t written = 0;
    if (!future->is_set)
        return 0;
    future->is_passing = true;
    int rc = stream_put(stream, future->codec, future->value, 1, &written);
    future->is_passing = false;
    bool is_dropped = !future->stream;
    if (written > 0 || is_dropped)
        free_future(future, written > 0);
    if (written > 0 && !is_dropped)
        stream_close_writer(stream);
    return rc;
}

static void future_dropped(struct stream *stream, void *data)
{
    struct p3_future *future = data;
    future->stream = NULL;
    if (future->is_set && !future->is_passing)
        free_future(future, false);
    else if (!future->is_set && future->dropped)
        future->dropped(future->data);
}

static const struct stream_host_ops future_ops = {.wanted = future_wanted,
                                                  .dropped = future_dropped};

struct p3_future *p3_future_new(struct async_store *store, const struct stream_codec *codec,
                                void (*drop)(void *value), struct stream **out)
{
    struct p3_future *future = mem_zalloc(sizeof(*future) + codec->size);
    future->codec = codec;
    future->drop = drop;
    future->stream = stream_new(store, codec, true, &future_ops, future);
    *out = future->stream;
    return future;
}

void p3_future_set(struct p3_future *future, const void *value)
{
    p3_future_set_text(future, value, NULL);
}

void p3_future_set_text(struct p3_future *future, const void *value, char *text)
{
    assert(!future->is_set);
    future->text = text;
    memcpy(future->value, value, future->codec->size);
    future->is_set = true;
    if (!future->stream)
        free_future(future, false);
    else
        stream_again(future->stream); // lowering may run guest code
}

void p3_future_watch(struct p3_future *future, void (*dropped)(void *data), void *data)
{
    future->dropped = dropped;
    future->data = data;
}

// ---- the guest's futures ------------------------------------------------------------------------

struct taker {
    const struct stream_codec *codec;
    void (*take)(void *data, void *value);
    void *data;
};

static void take_value(struct taker *taker, void *value)
{
    struct taker last = *taker;
    free(taker);
    last.take(last.data, value);
}

static int value_offered(struct stream *stream, void *data)
{
    struct taker *taker = data;
    _Alignas(16) char value[P3_FUTURE_BYTES_MAX];
    uint32_t count = 0;
    int rc = stream_take(stream, taker->codec, value, 1, &count);
    if (rc == 0 && count == 0)
        return 0;
    stream_close_reader(stream);
    take_value(taker, rc == 0 ? value : NULL);
    return rc;
}

static void value_dropped(struct stream *stream, void *data)
{
    take_value(data, NULL);
}

static const struct stream_host_ops taker_ops = {.offered = value_offered,
                                                 .dropped = value_dropped};

int p3_future_take(struct stream *stream, const struct stream_codec *codec,
                   void (*take)(void *data, void *value), void *data)
{
    assert(codec->size <= P3_FUTURE_BYTES_MAX);
    struct taker *taker = mem_new(struct taker);
    *taker = (struct taker){codec, take, data};
    return stream_read_by(stream, &taker_ops, taker);
}

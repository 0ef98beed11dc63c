// SPDX-License-Identifier: Apache-2.0
#include "wasi/byte_pipe.h"

#include <errno.h>

#include "http/byte_ring.h"

typedef struct p2_io_streams_input_stream input_stream;
typedef struct p2_io_streams_output_stream output_stream;
typedef struct p2_io_error_error io_error;

struct byte_pipe {
    input_stream reader;
    output_stream writer;
    struct byte_ring ring;
    bool reader_gone, writer_gone;
    bool ended; // nothing is written any more
};

static struct byte_pipe *of_reader(input_stream *stream)
{
    return container_of(stream, struct byte_pipe, reader);
}

static struct byte_pipe *of_writer(output_stream *stream)
{
    return container_of(stream, struct byte_pipe, writer);
}

static void let_go(struct byte_pipe *pipe)
{
    if (!pipe->reader_gone || !pipe->writer_gone)
        return;
    byte_ring_done(&pipe->ring);
    free(pipe);
}

static ssize_t peek(input_stream *stream, size_t max, struct str *out, io_error **failure)
{
    struct byte_pipe *pipe = of_reader(stream);
    *out = str_sub(byte_ring_front(&pipe->ring), 0, max);
    if (out->len > 0 || pipe->ended)
        return (ssize_t)out->len;
    return -EAGAIN;
}

static void consume(input_stream *stream, size_t len)
{
    struct byte_pipe *pipe = of_reader(stream);
    byte_ring_drop(&pipe->ring, len);
    if (!pipe->writer_gone)
        wasi_event_wake(&pipe->writer.event);
}

static void drop_reader(input_stream *stream)
{
    struct byte_pipe *pipe = of_reader(stream);
    pipe->reader_gone = true;
    if (!pipe->writer_gone)
        wasi_event_wake(&pipe->writer.event);
    let_go(pipe);
}

static ssize_t budget(output_stream *stream, io_error **failure)
{
    struct byte_pipe *pipe = of_writer(stream);
    return pipe->reader_gone || pipe->ended ? -EPIPE : (ssize_t)byte_ring_free(&pipe->ring);
}

static int put(output_stream *stream, struct str data, io_error **failure)
{
    struct byte_pipe *pipe = of_writer(stream);
    if (pipe->reader_gone || pipe->ended || data.len > byte_ring_free(&pipe->ring))
        return -EPIPE;
    (void)byte_ring_add(&pipe->ring, data);
    wasi_event_wake(&pipe->reader.event);
    return 0;
}

static int flush(output_stream *stream, io_error **failure)
{
    return of_writer(stream)->reader_gone ? -EPIPE : 0;
}

void byte_pipe_end(output_stream *stream)
{
    struct byte_pipe *pipe = of_writer(stream);
    pipe->ended = true;
    if (!pipe->reader_gone)
        wasi_event_wake(&pipe->reader.event);
}

static void drop_writer(output_stream *stream)
{
    struct byte_pipe *pipe = of_writer(stream);
    byte_pipe_end(stream);
    pipe->writer_gone = true;
    let_go(pipe);
}

void byte_pipe_new(input_stream **reader, output_stream **writer)
{
    static const struct input_stream_ops reader_ops = {
        .peek = peek, .consume = consume, .drop = drop_reader};
    static const struct output_stream_ops writer_ops = {
        .budget = budget, .write = put, .flush = flush, .drop = drop_writer};
    struct byte_pipe *pipe = mem_new(struct byte_pipe);
    pipe->ring.cap = BYTE_PIPE_BYTES;
    input_stream_init(&pipe->reader, &reader_ops, NULL);
    output_stream_init(&pipe->writer, &writer_ops, NULL);
    *reader = &pipe->reader;
    *writer = &pipe->writer;
}

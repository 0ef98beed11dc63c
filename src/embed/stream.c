// SPDX-License-Identifier: Apache-2.0
// Streams of bytes. A wash_stream is a stream whose host's side has an adapter.
#include "embed/embed.h"

struct adapter {
    const struct wash_stream_ops *ops;
    void *data;
};

static const struct stream_codec bytes_codec = {.type = &(const struct type){.kind = TYPE_U8},
                                                .size = 1};

static struct stream *inner(struct wash_stream *stream)
{
    return (struct stream *)stream;
}

static int told(struct stream *stream, void *data)
{
    const struct adapter *adapter = data;
    return adapter->ops->ready ? adapter->ops->ready((struct wash_stream *)stream, adapter->data)
                               : 0;
}

static void dropped(struct stream *stream, void *data)
{
    struct adapter *adapter = data;
    if (adapter->ops->dropped)
        adapter->ops->dropped((struct wash_stream *)stream, adapter->data);
    free(adapter);
}

static const struct stream_host_ops writer_ops = {.wanted = told, .dropped = dropped};
static const struct stream_host_ops reader_ops = {.offered = told, .dropped = dropped};

static struct adapter *adapt(const struct wash_stream_ops *ops, void *data)
{
    struct adapter *adapter = mem_new(struct adapter);
    *adapter = (struct adapter){ops, data};
    return adapter;
}

struct wash_stream *wash_stream_new(struct wash_call *call, const struct wash_stream_ops *ops,
                                    void *data)
{
    struct async_store *store = ((struct canon_call *)call)->async;
    return (struct wash_stream *)stream_new(store, &bytes_codec, false, &writer_ops,
                                            adapt(ops, data));
}

int wash_stream_read(struct wash_stream *stream, const struct wash_stream_ops *ops, void *data)
{
    return stream_read_by(inner(stream), &reader_ops, adapt(ops, data));
}

int wash_stream_space(struct wash_stream *stream, void **out, uint32_t *len)
{
    return stream_space(inner(stream), out, len);
}

int wash_stream_wrote(struct wash_stream *stream, uint32_t len)
{
    return stream_wrote(inner(stream), len);
}

int wash_stream_bytes(struct wash_stream *stream, const void **out, uint32_t *len)
{
    return stream_data(inner(stream), out, len);
}

int wash_stream_consumed(struct wash_stream *stream, uint32_t len)
{
    return stream_consumed(inner(stream), len);
}

// The adapter ends before the callbacks could come.
void wash_stream_close_writer(struct wash_stream *stream)
{
    struct adapter *adapter = inner(stream)->writer.data;
    stream_close_writer(inner(stream));
    free(adapter);
}

void wash_stream_close_reader(struct wash_stream *stream)
{
    bool is_read = inner(stream)->reader.owner == SIDE_HOST;
    struct adapter *adapter = is_read ? inner(stream)->reader.data : NULL;
    stream_close_reader(inner(stream));
    free(adapter);
}

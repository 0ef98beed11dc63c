// SPDX-License-Identifier: Apache-2.0
#include "component/stream.h"

#include <assert.h>
#include <errno.h>

#include "component/async.h"
#include "component/canon_copy.h"

// ---- sides --------------------------------------------------------------------------------------

static struct stream_side *other_of(struct stream_side *side)
{
    struct stream *stream = stream_of(side);
    return side->is_writer ? &stream->reader : &stream->writer;
}

static const char *kind_of(const struct stream *stream)
{
    return stream->is_future ? "future" : "stream";
}

static struct event deliver(struct waitable *waitable)
{
    struct stream_side *side = container_of(waitable, struct stream_side, waitable);
    struct stream *stream = stream_of(side);
    // Until its event is delivered the rest of a buffer was still on offer.
    if (stream->pending == side)
        stream->pending = NULL;
    bool is_done =
        side->result == COPY_DROPPED || (stream->is_future && side->result == COPY_COMPLETED);
    side->state = is_done ? END_DONE : END_IDLE;
    if (stream->is_future)
        return (struct event){side->is_writer ? EVENT_FUTURE_WRITE : EVENT_FUTURE_READ, side->index,
                              side->result};
    return (struct event){side->is_writer ? EVENT_STREAM_WRITE : EVENT_STREAM_READ, side->index,
                          (uint32_t)side->result | side->progress << 4};
}

static void side_init(struct stream_side *side, bool is_writer)
{
    *side = (struct stream_side){.owner = SIDE_NOBODY, .is_writer = is_writer};
    side->waitable.deliver = deliver;
}

static uint32_t remaining(const struct stream_side *side)
{
    return side->length - side->progress;
}

static uint32_t element_size(const struct stream *stream)
{
    return stream->element ? stream->element->layout.size : 0;
}

// Notes that `count` elements went by.
static void advance(struct stream_side *side, uint32_t count)
{
    side->ptr += count * element_size(stream_of(side));
    side->progress += count;
}

static void complete(struct stream_side *side, enum copy_result result)
{
    side->result = result;
    waitable_set_event(&side->waitable);
}

static void set_host_owner(struct stream *stream, struct stream_side *side)
{
    side->owner = SIDE_HOST;
    stream->store->host_count++;
}

static void clear_owner(struct stream *stream, struct stream_side *side)
{
    if (side->owner == SIDE_HOST)
        stream->store->host_count--;
    side->owner = SIDE_NOBODY;
}

static struct stream *make(struct async_store *store, const struct type *element, bool is_future)
{
    struct stream *stream = mem_new(struct stream);
    stream->store = store;
    stream->element = element;
    stream->is_future = is_future;
    side_init(&stream->reader, false);
    side_init(&stream->writer, true);
    store->stream_count++;
    stream->next = store->streams;
    stream->link = &store->streams;
    if (stream->next)
        stream->next->link = &stream->next;
    store->streams = stream;
    return stream;
}

static void unlink_stream(struct stream *stream)
{
    stream->store->stream_count--;
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
}

static void stream_free(struct stream *stream)
{
    if (stream->is_busy) { // tell() sees to it
        stream->is_dead = true;
        return;
    }
    if (stream->again)
        async_host_thread_cancel(stream->again);
    unlink_stream(stream);
    free(stream->stage);
    free(stream);
}

// ---- what the host is told ----------------------------------------------------------------------

// One call of the host at a time: news that come meanwhile are told afterwards.
static int tell(struct stream_side *host, int (*what)(struct stream *stream, void *data),
                struct error *err)
{
    struct stream *stream = stream_of(host);
    if (!what)
        return 0;
    stream->has_news = true;
    if (stream->is_busy)
        return 0;
    int rc = 0;
    stream->is_busy = true;
    stream->error = err;
    while (rc == 0 && stream->has_news && host->owner == SIDE_HOST) {
        stream->has_news = false;
        rc = what(stream, host->data);
    }
    stream->is_busy = false;
    stream->has_news = false;
    stream->error = NULL;
    if (rc < 0 && err && !err->code)
        (void)error_set(err, -EFAULT, "the host could not serve a %s", kind_of(stream));
    if (stream->is_dead)
        stream_free(stream);
    return rc;
}

// The guest's side waits: the host may go to work. Its trap is the guest's.
static int notify_host(struct canon_call *call, struct stream_side *host)
{
    return tell(host, host->is_writer ? host->ops->wanted : host->ops->offered, call->error);
}

static void withdraw(struct stream_side *host)
{
    struct stream *stream = stream_of(host);
    if (host->owner == SIDE_HOST && host->ops->withdrawn)
        host->ops->withdrawn(stream, host->data);
}

// ---- one side goes ------------------------------------------------------------------------------

// `side` has no owner any more. Ends the stream when the other one has none either.
static void drop_side(struct stream_side *side)
{
    struct stream *stream = stream_of(side);
    struct stream_side *other = other_of(side);
    if (stream->pending == side) {
        stream->pending = NULL;
        withdraw(other);
    }
    stream->is_dropped = true;
    if (other->owner == SIDE_HELD)
        return;
    if (other->owner == SIDE_GUEST) {
        if (stream->pending == other) {
            stream->pending = NULL;
            complete(other, COPY_DROPPED);
        }
        return;
    }
    if (other->owner == SIDE_HOST) {
        const struct stream_host_ops *ops = other->ops;
        clear_owner(stream, other);
        if (ops->dropped)
            ops->dropped(stream, other->data);
    }
    stream_free(stream);
}

static void close_side(struct stream_side *side)
{
    if (side->owner == SIDE_GUEST) {
        waitable_clear_event(&side->waitable);
        waitable_join(&side->waitable, NULL);
    }
    clear_owner(stream_of(side), side);
    drop_side(side);
}

// Its elements are on the stage, or in the host's hands.
static bool is_host_writer(const struct stream *stream)
{
    return stream->writer.owner == SIDE_HOST || stream->writer.owner == SIDE_LEFT;
}

static bool has_staged(const struct stream *stream)
{
    return stream->stage_start < stream->stage_end;
}

void stream_close_writer(struct stream *stream)
{
    if (stream->reader.owner == SIDE_HOST && has_staged(stream) && !stream->handoff) {
        clear_owner(stream, &stream->writer);
        stream->writer.owner = SIDE_LEFT;
    } else {
        close_side(&stream->writer);
    }
}

void stream_close_reader(struct stream *stream)
{
    close_side(&stream->reader);
}

void streams_done(struct async_store *store)
{
    struct stream *stream = store->streams;
    while (stream) {
        if (!is_host_writer(stream) || stream->reader.owner != SIDE_HOST) {
            stream = stream->next;
            continue;
        }
        const struct stream_host_ops *ops = stream->writer.ops;
        bool has_left = stream->writer.owner == SIDE_LEFT;
        clear_owner(stream, &stream->writer);
        if (ops->dropped && !has_left)
            ops->dropped(stream, stream->writer.data);
        drop_side(&stream->writer);
        stream = store->streams;
    }
}

void stream_end_release(struct stream_side *side)
{
    close_side(side);
}

// ---- the host's side ----------------------------------------------------------------------------

struct stream *stream_new(struct async_store *store, const struct stream_codec *codec,
                          bool is_future, const struct stream_host_ops *ops, void *data)
{
    const struct type *element = codec ? codec->type : NULL;
    if (element && element->kind <= TYPE_CHAR)
        element = type_primitive(element->kind); // has a layout
    struct stream *stream = make(store, element, is_future);
    stream->writer.ops = ops;
    stream->writer.data = data;
    set_host_owner(stream, &stream->writer);
    return stream;
}

int stream_read_by(struct stream *stream, const struct stream_host_ops *ops, void *data)
{
    struct stream_side *side = &stream->reader, *writer = &stream->writer;
    side->ops = ops;
    side->data = data;
    if (stream->is_dropped) { // nothing will come
        clear_owner(stream, side);
        if (ops->dropped)
            ops->dropped(stream, data);
        stream_free(stream);
        return 0;
    }
    set_host_owner(stream, side);
    if (writer->owner == SIDE_HOST)
        return tell(writer, writer->ops->wanted, NULL);
    return stream->pending == writer ? tell(side, ops->offered, NULL) : 0;
}

bool stream_is_wanted(const struct stream *stream)
{
    if (stream->reader.owner == SIDE_HOST)
        return !has_staged(stream);
    return stream->pending == &stream->reader && !stream->reader.waitable.has_event;
}

uint32_t stream_room(const struct stream *stream)
{
    if (!stream_is_wanted(stream))
        return 0;
    if (stream->reader.owner == SIDE_GUEST)
        return remaining(&stream->reader);
    return stream->is_future ? 1 : STREAM_STAGE_BYTES / MAX(element_size(stream), 1u);
}

// A call in the memory of the guest's side. Outside a host's callback no guest code runs in it.
static int begin(struct stream_side *side, struct canon_call *call)
{
    struct stream *stream = stream_of(side);
    call->error = stream->error;
    return stream->store->ops->begin(stream->store, side->options, call);
}

int stream_space(struct stream *stream, void **out, uint32_t *count)
{
    *count = stream_room(stream);
    *out = NULL;
    if (*count == 0)
        return 0;
    if (stream->reader.owner == SIDE_HOST) {
        if (!stream->stage)
            stream->stage = mem_alloc(STREAM_STAGE_BYTES);
        *out = stream->stage;
        return 0;
    }
    struct canon_call call;
    int rc = begin(&stream->reader, &call);
    if (rc == 0)
        *out = call.memory + stream->reader.ptr;
    return rc;
}

int stream_wrote(struct stream *stream, uint32_t count)
{
    struct stream_side *reader = &stream->reader;
    if (reader->owner == SIDE_HOST) {
        stream->stage_start = 0;
        stream->stage_end = count;
        return count > 0 && reader->ops->offered ? reader->ops->offered(stream, reader->data) : 0;
    }
    assert(stream->pending == reader && count <= remaining(reader));
    advance(reader, count);
    if (stream->is_future)
        stream->pending = NULL;
    complete(reader, COPY_COMPLETED);
    return 0;
}

// Values from the host's hands into the host's.
static int hand_over(struct stream *stream, const void *values, uint32_t count, uint32_t *written)
{
    struct stream_side *reader = &stream->reader;
    stream->handoff = values;
    stream->stage_start = 0;
    stream->stage_end = count;
    int rc = reader->ops->offered ? reader->ops->offered(stream, reader->data) : 0;
    *written = stream->stage_start;
    stream->handoff = NULL;
    stream->stage_start = stream->stage_end = 0;
    return rc;
}

int stream_put(struct stream *stream, const struct stream_codec *codec, const void *values,
               uint32_t count, uint32_t *written)
{
    struct stream_side *reader = &stream->reader;
    *written = 0;
    if (!stream_is_wanted(stream))
        return 0;
    if (reader->owner == SIDE_HOST)
        return hand_over(stream, values, count, written);
    count = MIN(count, remaining(reader));
    struct canon_call call;
    int rc = begin(reader, &call);
    uint32_t size = element_size(stream);
    for (uint32_t i = 0; rc == 0 && size > 0 && i < count; i++)
        rc = codec->lower(&call, (const char *)values + (size_t)i * codec->size,
                          reader->ptr + i * size);
    if (rc < 0)
        return rc;
    *written = count;
    return stream_wrote(stream, count);
}

bool stream_is_offered(const struct stream *stream)
{
    if (is_host_writer(stream))
        return has_staged(stream);
    return stream->pending == &stream->writer && !stream->writer.waitable.has_event;
}

int stream_data(struct stream *stream, const void **out, uint32_t *count)
{
    *count = 0;
    *out = NULL;
    if (!stream_is_offered(stream))
        return 0;
    if (is_host_writer(stream)) {
        *count = stream->stage_end - stream->stage_start;
        *out = stream->stage + (size_t)stream->stage_start * element_size(stream);
        return 0;
    }
    struct canon_call call;
    int rc = begin(&stream->writer, &call);
    *count = remaining(&stream->writer);
    if (rc == 0)
        *out = call.memory + stream->writer.ptr;
    return rc;
}

int stream_consumed(struct stream *stream, uint32_t count)
{
    struct stream_side *writer = &stream->writer;
    if (!is_host_writer(stream)) {
        assert(stream->pending == writer && count <= remaining(writer));
        advance(writer, count);
        if (stream->is_future) // it is written, whoever leaves before the writer is told
            stream->pending = NULL;
        complete(writer, COPY_COMPLETED);
        return 0;
    }
    stream->stage_start += count;
    if (has_staged(stream) || stream->handoff)
        return 0;
    stream->stage_start = stream->stage_end = 0;
    if (writer->owner == SIDE_LEFT) {
        close_side(writer);
        return 0;
    }
    return tell(writer, writer->ops->wanted, stream->error);
}

static uint32_t take_over(struct stream *stream, const struct stream_codec *codec, void *values,
                          uint32_t max)
{
    uint32_t count = MIN(max, stream->stage_end - stream->stage_start);
    if (count > 0 && codec->size > 0)
        memcpy(values, (const char *)stream->handoff + (size_t)stream->stage_start * codec->size,
               (size_t)count * codec->size);
    stream->stage_start += count;
    return count;
}

int stream_take(struct stream *stream, const struct stream_codec *codec, void *values, uint32_t max,
                uint32_t *count)
{
    struct stream_side *writer = &stream->writer;
    *count = 0;
    if (!stream_is_offered(stream))
        return 0;
    if (writer->owner == SIDE_HOST) {
        *count = take_over(stream, codec, values, max);
        return 0;
    }
    uint32_t n = MIN(max, remaining(writer)), size = element_size(stream);
    struct canon_call call;
    int rc = begin(writer, &call);
    for (uint32_t i = 0; rc == 0 && size > 0 && i < n; i++)
        rc = codec->lift(&call, writer->ptr + i * size, (char *)values + (size_t)i * codec->size);
    if (rc < 0)
        return rc;
    *count = n;
    return stream_consumed(stream, n);
}

static int again(struct async_thread *thread, struct error *err)
{
    struct stream *stream = thread->host_data;
    stream->again = NULL;
    if (stream->writer.owner == SIDE_HOST && stream_is_wanted(stream))
        return tell(&stream->writer, stream->writer.ops->wanted, err);
    if (stream->reader.owner == SIDE_HOST && stream_is_offered(stream))
        return tell(&stream->reader, stream->reader.ops->offered, err);
    return 0;
}

void stream_again(struct stream *stream)
{
    struct stream_side *guest = stream->pending;
    if (stream->again)
        return;
    if (guest)
        stream->again = async_host_thread(stream->store, guest->component_instance, again, stream);
    else if (stream->reader.owner == SIDE_HOST && has_staged(stream))
        (void)tell(&stream->reader, stream->reader.ops->offered, NULL);
    else if (stream->reader.owner == SIDE_HOST && stream->writer.owner == SIDE_HOST)
        (void)tell(&stream->writer, stream->writer.ops->wanted, NULL);
}

// ---- handles ------------------------------------------------------------------------------------

static int add_end(struct canon_call *call, struct stream_side *side)
{
    struct handle handle = {.rep = side, .kind = HANDLE_STREAM_END};
    if (handle_table_add(call->handles, &handle, &side->index) < 0)
        return canon_trap_no_room(call);
    side->owner = SIDE_GUEST;
    side->component_instance = call->component_instance;
    return 0;
}

int canon_lower_stream(struct canon_call *call, struct stream *stream, uint32_t *index)
{
    struct stream_side *side = &stream->reader;
    side->state = END_IDLE;
    int rc = async_check_streams(call);
    if (rc == 0)
        rc = add_end(call, side);
    if (rc < 0)
        stream_close_reader(stream);
    else
        *index = side->index;
    return rc;
}

// Resource types count as equal by address: types of one plan have one each.
static bool is_same_element(struct stream *stream, const struct type *element)
{
    if (likely(stream->element == element || (stream->same == element && element)))
        return true;
    if (!stream->element || !element)
        return false;
    if (!async_type_equal(stream->store, stream->element, element))
        return false;
    // The plan's types have a layout, those of the host's codecs may have none.
    if (element->layout.align == 0) {
        stream->same = element;
        return true;
    }
    stream->same = stream->element;
    stream->element = element;
    return true;
}

int stream_find_end(struct canon_call *call, uint32_t index, bool is_future, bool is_writer,
                    const struct type *element, struct stream_side **out)
{
    struct handle *handle = handle_table_get(call->handles, index);
    if (!handle)
        return canon_trap(call, "unknown handle index %u", index);
    const char *wanted = is_future ? "future" : "stream";
    if (handle->kind != HANDLE_STREAM_END)
        return canon_trap(call, "handle %u is a %s, not the end of a %s", index,
                          handle_kind_name(handle->kind), wanted);
    struct stream_side *side = handle->rep;
    struct stream *stream = stream_of(side);
    if (side->is_writer != is_writer || stream->is_future != is_future)
        return canon_trap(call, "handle %u is the %s end of a %s, not the %s end of a %s", index,
                          side->is_writer ? "writable" : "readable", kind_of(stream),
                          is_writer ? "writable" : "readable", wanted);
    if (!is_same_element(stream, element))
        return canon_trap(call, "handle %u is the end of a %s of another type", index, wanted);
    *out = side;
    return 0;
}

int canon_lift_stream(struct canon_call *call, uint32_t index, bool is_future,
                      const struct type *element, struct stream **out)
{
    struct stream_side *side;
    int rc = stream_find_end(call, index, is_future, false, element, &side);
    if (rc < 0)
        return rc;
    const char *kind = is_future ? "future" : "stream";
    if (side->state == END_DONE)
        return canon_trap(call, "cannot lift %s %u after being notified that it is done", kind,
                          index);
    if (side->state != END_IDLE)
        return canon_trap(call, "cannot lift %s %u while a read of it goes on", kind, index);
    if (side->waitable.set)
        return canon_trap(call, "cannot lift %s %u while it is in a waitable set", kind, index);
    handle_table_remove(call->handles, index);
    side->owner = SIDE_HELD;
    *out = stream_of(side);
    return 0;
}

// ---- built-ins ----------------------------------------------------------------------------------

int stream_new_ends(struct canon_call *call, const struct type *element, bool is_future,
                    uint32_t *reader, uint32_t *writer)
{
    struct stream *stream = make(call->async, element, is_future);
    int rc = async_check_streams(call);
    if (rc == 0)
        rc = add_end(call, &stream->reader);
    if (rc == 0)
        rc = add_end(call, &stream->writer);
    if (rc < 0) {
        if (stream->reader.owner == SIDE_GUEST)
            handle_table_remove(call->handles, stream->reader.index);
        unlink_stream(stream);
        free(stream);
        return rc;
    }
    *reader = stream->reader.index;
    *writer = stream->writer.index;
    return 0;
}

static bool is_number(const struct type *t)
{
    return !t || (t->kind >= TYPE_S8 && t->kind <= TYPE_F64);
}

// Both sides are there: moves what fits from the writer to the reader.
static int transfer(struct canon_call *call, struct stream_side *side, struct stream_side *other)
{
    struct stream *stream = stream_of(side);
    uint32_t count = MIN(remaining(side), remaining(other));
    if (element_size(stream) > 0 && count > 0) {
        struct canon_call peer = {.error = call->error};
        int rc = stream->store->ops->begin(stream->store, other->options, &peer);
        if (rc < 0)
            return rc;
        struct canon_call *from = side->is_writer ? call : &peer;
        struct canon_call *to = side->is_writer ? &peer : call;
        struct stream_side *source = side->is_writer ? side : other;
        struct stream_side *target = side->is_writer ? other : side;
        rc = canon_copy_elements(stream->element, count, from, source->ptr, to, target->ptr);
        if (rc < 0)
            return rc;
    }
    advance(side, count);
    advance(other, count);
    return 0;
}

static int meet(struct canon_call *call, struct stream_side *side, struct stream_side *other)
{
    struct stream *stream = stream_of(side);
    if (side->component_instance == other->component_instance && !is_number(stream->element))
        return canon_trap(call,
                          "cannot read from and write to the same %s within one component "
                          "instance unless its elements are numbers",
                          kind_of(stream));
    if (remaining(other) > 0) {
        if (remaining(side) > 0) {
            int rc = transfer(call, side, other);
            if (rc < 0)
                return rc;
            if (stream->is_future)
                stream->pending = NULL;
            complete(other, COPY_COMPLETED);
        }
        complete(side, COPY_COMPLETED);
    } else if (side->is_writer && side->length == 0 && other->length == 0) {
        complete(side, COPY_COMPLETED);
    } else {
        complete(other, COPY_COMPLETED);
        stream->pending = side;
    }
    return 0;
}

static int check_buffer(struct canon_call *call, const struct stream *stream, uint32_t ptr,
                        uint32_t count)
{
    if (count > STREAM_COPY_MAX)
        return canon_trap(call, "a copy of %u elements, more than %u", count, STREAM_COPY_MAX);
    if (!stream->element || count == 0)
        return 0;
    const struct type_layout *layout = &stream->element->layout;
    uint64_t bytes = (uint64_t)count * layout->size;
    if (bytes > UINT32_MAX)
        return canon_trap(call, "%llu bytes at 0x%x are outside the memory of %llu bytes",
                          (unsigned long long)bytes, ptr, (unsigned long long)call->memory_size);
    return canon_check_range(call, ptr, (uint32_t)bytes, layout->align);
}

int stream_copy(struct canon_call *call, struct stream_side *side, uint32_t ptr, uint32_t count)
{
    struct stream *stream = stream_of(side);
    struct stream_side *other = other_of(side);
    int rc = check_buffer(call, stream, ptr, count);
    if (rc < 0)
        return rc;
    side->options = call->options;
    side->ptr = ptr;
    side->length = count;
    side->progress = 0;
    side->state = END_COPYING;
    if (stream->is_dropped) {
        if (stream->is_future && !side->is_writer)
            return canon_trap(call, "the writer of future %u went without writing it", side->index);
        complete(side, COPY_DROPPED);
        return 0;
    }
    if (stream->pending == other)
        return meet(call, side, other);
    stream->pending = side;
    return other->owner == SIDE_HOST ? notify_host(call, other) : 0;
}

int stream_cancel(struct canon_call *call, struct stream_side *side)
{
    struct stream *stream = stream_of(side);
    side->state = END_CANCELLING;
    if (side->waitable.has_event) {
        // What was copied counts, and the rest of the buffer is given back.
        if (!stream->is_future && side->result == COPY_COMPLETED)
            side->result = COPY_CANCELLED;
        return 0;
    }
    assert(stream->pending == side);
    stream->pending = NULL;
    complete(side, COPY_CANCELLED);
    withdraw(other_of(side));
    return 0;
}

int stream_drop_end(struct canon_call *call, uint32_t index, struct stream_side *side)
{
    struct stream *stream = stream_of(side);
    const char *kind = kind_of(stream);
    if (side->state == END_COPYING || side->state == END_CANCELLING)
        return canon_trap(call, "cannot drop the end %u of a %s while a copy goes on", index, kind);
    if (stream->is_future && side->is_writer && side->state != END_DONE)
        return canon_trap(call, "cannot drop the writable end %u of a future without writing it",
                          index);
    handle_table_remove(call->handles, index);
    close_side(side);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.3: streams over files, directory entries as a stream.
#include "wasi/p3_filesystem.h"
#include "wasi/p3_stream.h"

static struct p3_future *result_future(struct canon_call *call, struct stream **out)
{
    return p3_future_new(call->async, &p3_codec_result_void_filesystem_types_error_code, NULL, out);
}

static void set_result(struct p3_future *future, int rc)
{
    struct p3_result_void_filesystem_types_error_code result = {.is_err = rc < 0};
    if (rc < 0)
        result.err = p3_fs_error(rc);
    p3_future_set(future, &result);
}

static void transfer_done(void *data, struct p2_io_error_error *failure)
{
    int rc = failure ? failure->code : 0;
    io_error_free(failure);
    set_result(data, rc);
}

// ---- files --------------------------------------------------------------------------------------

int p3_filesystem_types_descriptor_read_via_stream(
    struct canon_call *call, struct p3_filesystem_types_descriptor *self, uint64_t offset,
    struct p3_tuple_stream_u8_future_result_void_filesystem_types_error_code *ret)
{
    struct p2_io_streams_input_stream *source;
    int rc = fs_input_stream(&self->node, offset, &source);
    struct p3_future *future = result_future(call, &ret->f1);
    if (rc == 0) {
        ret->f0 = p3_read_from(call, source, transfer_done, future);
        return 0;
    }
    set_result(future, rc);
    ret->f0 = p3_stream_ended(call, &p3_codec_u8);
    return 0;
}

static int write_via_stream(struct canon_call *call, struct p3_filesystem_types_descriptor *self,
                            struct stream *data, bool append, uint64_t offset, struct stream **ret)
{
    struct p2_io_streams_output_stream *sink;
    int rc = fs_output_stream(&self->node, append, offset, &sink);
    struct p3_future *future = result_future(call, ret);
    if (rc == 0)
        return p3_write_to(call, data, sink, transfer_done, future);
    stream_close_reader(data);
    set_result(future, rc);
    return 0;
}

int p3_filesystem_types_descriptor_write_via_stream(struct canon_call *call,
                                                    struct p3_filesystem_types_descriptor *self,
                                                    struct stream *data, uint64_t offset,
                                                    struct stream **ret)
{
    return write_via_stream(call, self, data, false, offset, ret);
}

int p3_filesystem_types_descriptor_append_via_stream(struct canon_call *call,
                                                     struct p3_filesystem_types_descriptor *self,
                                                     struct stream *data, struct stream **ret)
{
    return write_via_stream(call, self, data, true, 0, ret);
}

// ---- directory entries --------------------------------------------------------------------------

// Entries that a reader gets at once; their names are in one buffer.
#define ENTRIES_AT_ONCE_MAX 64u

struct entries {
    struct fs_listing *listing;
    struct p3_future *future;
    int rc;
    bool has_entry; // `format` and `name` were read but not passed on
    bool is_putting;
    bool is_dropped; // while putting
    mode_t format;
    struct str name;
};

static void entries_end(struct entries *entries)
{
    struct p3_future *future = entries->future;
    int rc = entries->rc;
    fs_listing_close(entries->listing);
    free(entries);
    set_result(future, rc);
}

static bool entries_next(struct entries *entries)
{
    if (entries->has_entry)
        return true;
    int rc = fs_listing_next(entries->listing, &entries->format, &entries->name);
    entries->has_entry = rc > 0;
    entries->rc = MIN(rc, 0);
    return entries->has_entry;
}

// As many as fit: `names` owns their names.
static uint32_t entries_fill(struct entries *entries, struct arena *names, uint32_t room,
                             struct p3_filesystem_types_directory_entry *out)
{
    uint32_t count = 0;
    for (; count < MIN(room, ENTRIES_AT_ONCE_MAX) && entries_next(entries); count++) {
        out[count].type = p3_fs_type(entries->format);
        out[count].name = arena_str(names, entries->name);
        entries->has_entry = false;
    }
    return count;
}

static int entries_wanted(struct stream *stream, void *data)
{
    struct entries *entries = data;
    struct p3_filesystem_types_directory_entry list[ENTRIES_AT_ONCE_MAX];
    uint32_t room = stream_room(stream), written = 0;
    if (!entries_next(entries)) {
        entries_end(entries);
        stream_close_writer(stream);
        return 0;
    }
    if (room == 0)
        return stream_wrote(stream, 0);
    struct arena names = {0};
    uint32_t count = entries_fill(entries, &names, room, list);
    entries->is_putting = true; // names are lowered by the guest's realloc
    int rc = stream_put(stream, &p3_codec_filesystem_types_directory_entry, list, count, &written);
    entries->is_putting = false;
    arena_done(&names);
    if (entries->is_dropped)
        entries_end(entries);
    return rc;
}

static void entries_dropped(struct stream *stream, void *data)
{
    struct entries *entries = data;
    entries->is_dropped = true;
    if (!entries->is_putting)
        entries_end(entries);
}

static const struct stream_host_ops entries_ops = {.wanted = entries_wanted,
                                                   .dropped = entries_dropped};

int p3_filesystem_types_descriptor_read_directory(
    struct canon_call *call, struct p3_filesystem_types_descriptor *self,
    struct
    p3_tuple_stream_filesystem_types_directory_entry_future_result_void_filesystem_types_error_code
        *ret)
{
    struct fs_listing *listing;
    int rc = fs_listing_open(&self->node, &listing);
    struct p3_future *future = result_future(call, &ret->f1);
    if (rc < 0) {
        set_result(future, rc);
        ret->f0 = p3_stream_ended(call, &p3_codec_filesystem_types_directory_entry);
        return 0;
    }
    struct entries *entries = mem_new(struct entries);
    *entries = (struct entries){.listing = listing, .future = future};
    ret->f0 = stream_new(call->async, &p3_codec_filesystem_types_directory_entry, false,
                         &entries_ops, entries);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2: reading and writing, streams, directory entries.
#include "wasi/p2_filesystem.h"

int p2_filesystem_types_descriptor_read(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint64_t length,
    uint64_t offset, struct p2_result_tuple_bytes_bool_filesystem_types_error_code *ret)
{
    struct str data = STR_EMPTY;
    ssize_t rc = fs_read(&self->node, length, offset, call->arena, &data);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p2_fs_error((int)rc);
    else
        ret->ok = (struct p2_tuple_bytes_bool){data, data.len == 0};
    return 0;
}

int p2_filesystem_types_descriptor_write(struct canon_call *call,
                                         struct p2_filesystem_types_descriptor *self,
                                         struct str buffer, uint64_t offset,
                                         struct p2_result_u64_filesystem_types_error_code *ret)
{
    ssize_t rc = fs_write(&self->node, buffer, offset);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p2_fs_error((int)rc);
    else
        ret->ok = (uint64_t)rc;
    return 0;
}

int p2_filesystem_types_descriptor_read_via_stream(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint64_t offset,
    struct p2_result_io_streams_input_stream_filesystem_types_error_code *ret)
{
    int rc = fs_input_stream(&self->node, offset, &ret->ok);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p2_fs_error(rc);
    return 0;
}

static int write_stream(struct p2_filesystem_types_descriptor *self, bool append, uint64_t offset,
                        struct p2_result_io_streams_output_stream_filesystem_types_error_code *ret)
{
    int rc = fs_output_stream(&self->node, append, offset, &ret->ok);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p2_fs_error(rc);
    return 0;
}

int p2_filesystem_types_descriptor_write_via_stream(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint64_t offset,
    struct p2_result_io_streams_output_stream_filesystem_types_error_code *ret)
{
    return write_stream(self, false, offset, ret);
}

int p2_filesystem_types_descriptor_append_via_stream(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_io_streams_output_stream_filesystem_types_error_code *ret)
{
    return write_stream(self, true, 0, ret);
}

// ---- directory entries --------------------------------------------------------------------------

struct p2_filesystem_types_directory_entry_stream {
    struct fs_listing *listing;
};

int p2_filesystem_types_descriptor_read_directory(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self,
    struct p2_result_filesystem_types_directory_entry_stream_filesystem_types_error_code *ret)
{
    struct fs_listing *listing;
    int rc = fs_listing_open(&self->node, &listing);
    ret->is_err = rc < 0;
    if (rc < 0) {
        ret->err = p2_fs_error(rc);
        return 0;
    }
    ret->ok = mem_new(struct p2_filesystem_types_directory_entry_stream);
    ret->ok->listing = listing;
    return 0;
}

int p2_filesystem_types_directory_entry_stream_drop(
    struct canon_call *call, struct p2_filesystem_types_directory_entry_stream *self)
{
    fs_listing_close(self->listing);
    free(self);
    return 0;
}

int p2_filesystem_types_directory_entry_stream_read_directory_entry(
    struct canon_call *call, struct p2_filesystem_types_directory_entry_stream *self,
    struct p2_result_option_filesystem_types_directory_entry_filesystem_types_error_code *ret)
{
    mode_t format;
    struct str name;
    int rc = fs_listing_next(self->listing, &format, &name);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p2_fs_error(rc);
    if (rc <= 0)
        return 0;
    ret->ok = (struct p2_option_filesystem_types_directory_entry){
        .is_some = true,
        .some = {.type = p2_fs_type(format), .name = arena_str(call->arena, name)},
    };
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.3: preopens, descriptors.
#include "wasi/p3_filesystem.h"

#include <assert.h>

#define SAME_NUMBER(name, number)                                                                  \
    static_assert(P3_FILESYSTEM_TYPES_##name == (number), "wasi/filesystem.h")
SAME_NUMBER(DESCRIPTOR_FLAGS_READ, FS_READ);
SAME_NUMBER(DESCRIPTOR_FLAGS_WRITE, FS_WRITE);
SAME_NUMBER(DESCRIPTOR_FLAGS_FILE_INTEGRITY_SYNC, FS_FILE_SYNC);
SAME_NUMBER(DESCRIPTOR_FLAGS_DATA_INTEGRITY_SYNC, FS_DATA_SYNC);
SAME_NUMBER(DESCRIPTOR_FLAGS_REQUESTED_WRITE_SYNC, FS_READ_SYNC);
SAME_NUMBER(DESCRIPTOR_FLAGS_MUTATE_DIRECTORY, FS_MUTATE_DIRECTORY);
SAME_NUMBER(PATH_FLAGS_SYMLINK_FOLLOW, FS_SYMLINK_FOLLOW);
SAME_NUMBER(OPEN_FLAGS_CREATE, FS_CREATE);
SAME_NUMBER(OPEN_FLAGS_DIRECTORY, FS_DIRECTORY);
SAME_NUMBER(OPEN_FLAGS_EXCLUSIVE, FS_EXCLUSIVE);
SAME_NUMBER(OPEN_FLAGS_TRUNCATE, FS_TRUNCATE);
SAME_NUMBER(ADVICE_NO_REUSE, FS_ADVICE_COUNT - 1);

static int answer(int rc, struct p3_result_void_filesystem_types_error_code *ret)
{
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p3_fs_error(rc);
    return 0;
}

// ---- descriptors --------------------------------------------------------------------------------

int p3_filesystem_types_descriptor_drop(struct canon_call *call,
                                        struct p3_filesystem_types_descriptor *self)
{
    fs_node_done(&self->node);
    free(self);
    return 0;
}

int p3_filesystem_types_descriptor_get_flags(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct p3_result_filesystem_types_descriptor_flags_filesystem_types_error_code *ret)
{
    ret->ok = self->node.flags;
    return 0;
}

int p3_filesystem_types_descriptor_get_type(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct p3_result_filesystem_types_descriptor_type_filesystem_types_error_code *ret)
{
    ret->ok = p3_fs_type(self->node.format);
    return 0;
}

int p3_filesystem_types_descriptor_open_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    uint8_t path_flags, struct str path, uint8_t open_flags, uint8_t flags,
    struct p3_result_filesystem_types_descriptor_filesystem_types_error_code *ret)
{
    struct fs_node node;
    int rc = fs_open_at(&self->node, path_flags, path, open_flags, flags, &node);
    ret->is_err = rc < 0;
    if (rc < 0) {
        ret->err = p3_fs_error(rc);
        return 0;
    }
    ret->ok = mem_new(struct p3_filesystem_types_descriptor);
    ret->ok->node = node;
    // A directory has this right only for who asked for it.
    if (S_ISDIR(node.format) && !(flags & FS_MUTATE_DIRECTORY)) {
        ret->ok->node.flags &= (uint8_t)~FS_MUTATE_DIRECTORY;
        ret->ok->node.may_mutate = false;
    }
    return 0;
}

int p3_filesystem_types_descriptor_readlink_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct str path, struct p3_result_string_filesystem_types_error_code *ret)
{
    int rc = fs_readlink_at(&self->node, path, &job->arena, &ret->ok);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = p3_fs_error(rc);
    return 0;
}

// ---- operations without a result ----------------------------------------------------------------

int p3_filesystem_types_descriptor_advise(struct canon_call *call, struct host_job *job,
                                          struct p3_filesystem_types_descriptor *self,
                                          uint64_t offset, uint64_t length,
                                          enum p3_filesystem_types_advice advice,
                                          struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_advise(&self->node, offset, length, advice), ret);
}

int p3_filesystem_types_descriptor_sync_data(struct canon_call *call, struct host_job *job,
                                             struct p3_filesystem_types_descriptor *self,
                                             struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_sync_data(&self->node), ret);
}

int p3_filesystem_types_descriptor_set_size(struct canon_call *call, struct host_job *job,
                                            struct p3_filesystem_types_descriptor *self,
                                            uint64_t size,
                                            struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_set_size(&self->node, size), ret);
}

int p3_filesystem_types_descriptor_sync(struct canon_call *call, struct host_job *job,
                                        struct p3_filesystem_types_descriptor *self,
                                        struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_sync(&self->node), ret);
}

int p3_filesystem_types_descriptor_create_directory_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct str path, struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_create_directory_at(&self->node, path), ret);
}

int p3_filesystem_types_descriptor_link_at(struct canon_call *call, struct host_job *job,
                                           struct p3_filesystem_types_descriptor *self,
                                           uint8_t old_path_flags, struct str old_path,
                                           struct p3_filesystem_types_descriptor *new_descriptor,
                                           struct str new_path,
                                           struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(
        fs_link_at(&self->node, old_path_flags, old_path, &new_descriptor->node, new_path), ret);
}

int p3_filesystem_types_descriptor_remove_directory_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct str path, struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_remove_directory_at(&self->node, path), ret);
}

int p3_filesystem_types_descriptor_rename_at(struct canon_call *call, struct host_job *job,
                                             struct p3_filesystem_types_descriptor *self,
                                             struct str old_path,
                                             struct p3_filesystem_types_descriptor *new_descriptor,
                                             struct str new_path,
                                             struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_rename_at(&self->node, old_path, &new_descriptor->node, new_path), ret);
}

int p3_filesystem_types_descriptor_symlink_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct str old_path, struct str new_path,
    struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_symlink_at(&self->node, old_path, new_path), ret);
}

int p3_filesystem_types_descriptor_unlink_file_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct str path, struct p3_result_void_filesystem_types_error_code *ret)
{
    return answer(fs_unlink_file_at(&self->node, path), ret);
}

// ---- metadata -----------------------------------------------------------------------------------

static struct p3_option_clocks_system_clock_instant time_told(struct timespec time)
{
    return (struct p3_option_clocks_system_clock_instant){true,
                                                          {time.tv_sec, (uint32_t)time.tv_nsec}};
}

static int tell_stat(
    int rc, const struct stat *st,
    struct p3_result_filesystem_types_descriptor_stat_filesystem_types_error_code *ret)
{
    ret->is_err = rc < 0;
    if (rc < 0) {
        ret->err = p3_fs_error(rc);
        return 0;
    }
    ret->ok = (struct p3_filesystem_types_descriptor_stat){
        .type = p3_fs_type(st->st_mode),
        .link_count = (uint64_t)st->st_nlink,
        .size = (uint64_t)st->st_size,
        .data_access_timestamp = time_told(st->st_atim),
        .data_modification_timestamp = time_told(st->st_mtim),
        .status_change_timestamp = time_told(st->st_ctim),
    };
    return 0;
}

int p3_filesystem_types_descriptor_stat(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct p3_result_filesystem_types_descriptor_stat_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = fs_stat(&self->node, &st);
    return tell_stat(rc, &st, ret);
}

int p3_filesystem_types_descriptor_stat_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    uint8_t path_flags, struct str path,
    struct p3_result_filesystem_types_descriptor_stat_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = fs_stat_at(&self->node, path_flags, path, &st);
    return tell_stat(rc, &st, ret);
}

static int tell_hash(
    int rc, const struct stat *st,
    struct p3_result_filesystem_types_metadata_hash_value_filesystem_types_error_code *ret)
{
    uint64_t halves[2];
    ret->is_err = rc < 0;
    if (rc < 0) {
        ret->err = p3_fs_error(rc);
        return 0;
    }
    fs_metadata_hash(st, halves);
    ret->ok = (struct p3_filesystem_types_metadata_hash_value){halves[0], halves[1]};
    return 0;
}

int p3_filesystem_types_descriptor_metadata_hash(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    struct p3_result_filesystem_types_metadata_hash_value_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = fs_stat(&self->node, &st);
    return tell_hash(rc, &st, ret);
}

int p3_filesystem_types_descriptor_metadata_hash_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    uint8_t path_flags, struct str path,
    struct p3_result_filesystem_types_metadata_hash_value_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = fs_stat_at(&self->node, path_flags, path, &st);
    return tell_hash(rc, &st, ret);
}

int p3_filesystem_types_descriptor_is_same_object(struct canon_call *call, struct host_job *job,
                                                  struct p3_filesystem_types_descriptor *self,
                                                  struct p3_filesystem_types_descriptor *other,
                                                  bool *ret)
{
    *ret = fs_is_same_object(&self->node, &other->node);
    return 0;
}

static int time_of(const struct p3_filesystem_types_new_timestamp *from, struct timespec *out)
{
    switch (from->tag) {
    case P3_FILESYSTEM_TYPES_NEW_TIMESTAMP_NO_CHANGE:
        *out = (struct timespec){0, UTIME_OMIT};
        return 0;
    case P3_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW:
        *out = (struct timespec){0, UTIME_NOW};
        return 0;
    case P3_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP:
        if (from->timestamp.nanoseconds > 999999999)
            return -EINVAL;
        *out = (struct timespec){(time_t)from->timestamp.seconds, from->timestamp.nanoseconds};
        return 0;
    }
    return -EINVAL;
}

static int times_of(const struct p3_filesystem_types_new_timestamp *access,
                    const struct p3_filesystem_types_new_timestamp *modification,
                    struct timespec out[2])
{
    int rc = time_of(access, &out[0]);
    return rc < 0 ? rc : time_of(modification, &out[1]);
}

int p3_filesystem_types_descriptor_set_times(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    const struct p3_filesystem_types_new_timestamp *data_access_timestamp,
    const struct p3_filesystem_types_new_timestamp *data_modification_timestamp,
    struct p3_result_void_filesystem_types_error_code *ret)
{
    struct timespec times[2];
    int rc = times_of(data_access_timestamp, data_modification_timestamp, times);
    return answer(rc < 0 ? rc : fs_set_times(&self->node, times), ret);
}

int p3_filesystem_types_descriptor_set_times_at(
    struct canon_call *call, struct host_job *job, struct p3_filesystem_types_descriptor *self,
    uint8_t path_flags, struct str path,
    const struct p3_filesystem_types_new_timestamp *data_access_timestamp,
    const struct p3_filesystem_types_new_timestamp *data_modification_timestamp,
    struct p3_result_void_filesystem_types_error_code *ret)
{
    struct timespec times[2];
    int rc = times_of(data_access_timestamp, data_modification_timestamp, times);
    return answer(rc < 0 ? rc : fs_set_times_at(&self->node, path_flags, path, times), ret);
}

// ---- wasi:filesystem/preopens -------------------------------------------------------------------

int p3_filesystem_preopens_get_directories(
    struct canon_call *call, struct p3_list_tuple_filesystem_types_descriptor_string *ret)
{
    struct wasi *wasi = wasi_of(call);
    const struct wasi_config *config = wasi->config;
    struct p3_tuple_filesystem_types_descriptor_string *pairs = arena_new_array(
        call->arena, struct p3_tuple_filesystem_types_descriptor_string, config->preopen_count);
    for (size_t i = 0; i < config->preopen_count; i++) {
        pairs[i].f0 = mem_new(struct p3_filesystem_types_descriptor);
        fs_node_init_preopen(&pairs[i].f0->node, wasi, &config->preopens[i]);
        pairs[i].f1 = config->preopens[i].guest_path;
    }
    *ret = (struct p3_list_tuple_filesystem_types_descriptor_string){pairs, config->preopen_count};
    return 0;
}

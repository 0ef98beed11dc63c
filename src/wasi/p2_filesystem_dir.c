// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2: operations on paths.
#include <errno.h>
#include <fcntl.h>

#include "base/utf8.h"
#include "wasi/p2_filesystem.h"

#define FLAG(name)      P2_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name
#define OPEN_FLAG(name) P2_FILESYSTEM_TYPES_OPEN_FLAGS_##name

#define FLAG_ANY_SYNC                                                                              \
    (FLAG(FILE_INTEGRITY_SYNC) | FLAG(DATA_INTEGRITY_SYNC) | FLAG(REQUESTED_WRITE_SYNC))

static int answer(int rc, struct p2_result_void_filesystem_types_error_code *ret)
{
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    return 0;
}

static int failed(int rc)
{
    return rc < 0 ? -errno : 0;
}

static uint64_t follow_flag(uint8_t path_flags)
{
    return path_flags & P2_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW ? 0 : O_NOFOLLOW;
}

// ---- open-at ------------------------------------------------------------------------------------

static uint64_t access_flags(uint8_t flags)
{
    static const struct {
        uint8_t flag;
        uint64_t flags;
    } syncs[] = {
        {FLAG(FILE_INTEGRITY_SYNC), O_SYNC},
        {FLAG(DATA_INTEGRITY_SYNC), O_DSYNC},
        {FLAG(REQUESTED_WRITE_SYNC), O_RSYNC},
    };
    uint64_t out = O_RDONLY;
    if (flags & FLAG(WRITE))
        out = flags & FLAG(READ) ? O_RDWR : O_WRONLY;
    for (size_t i = 0; i < ARRAY_LEN(syncs); i++)
        if (flags & syncs[i].flag)
            out |= syncs[i].flags;
    return out;
}

static uint64_t creation_flags(uint8_t open_flags)
{
    static const struct {
        uint8_t flag;
        uint64_t flags;
    } map[] = {
        {OPEN_FLAG(CREATE), O_CREAT},
        {OPEN_FLAG(DIRECTORY), O_DIRECTORY},
        {OPEN_FLAG(EXCLUSIVE), O_EXCL},
        {OPEN_FLAG(TRUNCATE), O_TRUNC},
    };
    uint64_t out = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (open_flags & map[i].flag)
            out |= map[i].flags;
    return out & O_CREAT ? out : out & ~(uint64_t)O_EXCL;
}

static int check_open(const struct p2_filesystem_types_descriptor *self, uint8_t open_flags,
                      uint8_t flags)
{
    uint8_t changes = OPEN_FLAG(CREATE) | OPEN_FLAG(TRUNCATE);
    if ((open_flags & OPEN_FLAG(DIRECTORY)) && (open_flags & (changes | OPEN_FLAG(EXCLUSIVE))))
        return -EINVAL;
    bool mutates = (flags & (FLAG(WRITE) | FLAG(MUTATE_DIRECTORY))) || (open_flags & changes);
    return mutates && !self->may_mutate ? -EROFS : 0;
}

// What the guest sees of a descriptor's rights.
static uint8_t visible_flags(mode_t mode, uint8_t flags, bool may_mutate)
{
    if (!S_ISDIR(mode))
        return flags & (FLAG(READ) | FLAG(WRITE) | FLAG_ANY_SYNC);
    return (uint8_t)((flags & FLAG_ANY_SYNC) | FLAG(READ) |
                     (may_mutate ? FLAG(MUTATE_DIRECTORY) : 0));
}

static int open_at(struct p2_filesystem_types_descriptor *self, uint8_t path_flags, struct str path,
                   uint8_t open_flags, uint8_t flags, struct p2_filesystem_types_descriptor **out)
{
    int rc = check_open(self, open_flags, flags);
    if (rc < 0)
        return rc;
    if (fs_is_full(self->wasi))
        return -EMFILE;
    // Non-blocking, since opening a pipe would wait for its other end.
    _cleanup_(fd_closep) int fd =
        fs_open_beneath(self, path,
                        access_flags(flags) | creation_flags(open_flags) | follow_flag(path_flags) |
                            O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) && !(flags & (FLAG(READ) | FLAG(WRITE))))
        flags |= FLAG(READ);
    *out = fs_descriptor_new(self->wasi, fs_file_new(self->wasi, fd), st.st_mode,
                             visible_flags(st.st_mode, flags, self->may_mutate), self->may_mutate);
    fd = -1;
    return 0;
}

int p2_filesystem_types_descriptor_open_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint8_t path_flags,
    struct str path, uint8_t open_flags, uint8_t flags,
    struct p2_result_filesystem_types_descriptor_filesystem_types_error_code *ret)
{
    int rc = open_at(self, path_flags, path, open_flags, flags, &ret->ok);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    return 0;
}

// ---- looking ------------------------------------------------------------------------------------

static int stat_at(struct p2_filesystem_types_descriptor *self, uint8_t path_flags, struct str path,
                   struct stat *st)
{
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | follow_flag(path_flags));
    return fd < 0 ? fd : failed(fstat(fd, st));
}

int p2_filesystem_types_descriptor_stat_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint8_t path_flags,
    struct str path,
    struct p2_result_filesystem_types_descriptor_stat_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = stat_at(self, path_flags, path, &st);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    else
        fs_stat_fill(&st, &ret->ok);
    return 0;
}

int p2_filesystem_types_descriptor_metadata_hash_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint8_t path_flags,
    struct str path,
    struct p2_result_filesystem_types_metadata_hash_value_filesystem_types_error_code *ret)
{
    struct stat st;
    int rc = stat_at(self, path_flags, path, &st);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    else
        fs_metadata_hash(&st, &ret->ok);
    return 0;
}

static int readlink_at(struct canon_call *call, struct p2_filesystem_types_descriptor *self,
                       struct str path, struct str *out)
{
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | O_NOFOLLOW);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISLNK(st.st_mode))
        return -EINVAL;
    char text[FS_PATH_BYTES_MAX + 1];
    ssize_t len = readlinkat(fd, "", text, sizeof(text));
    if (len < 0)
        return -errno;
    if ((size_t)len == sizeof(text))
        return -ENAMETOOLONG;
    struct str target = str_of(text, (size_t)len);
    if (str_starts(target, STR("/")))
        return -EPERM;
    if (!utf8_valid(target))
        return -EILSEQ;
    *out = arena_str(call->arena, target);
    return 0;
}

int p2_filesystem_types_descriptor_readlink_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, struct str path,
    struct p2_result_string_filesystem_types_error_code *ret)
{
    int rc = readlink_at(call, self, path, &ret->ok);
    ret->is_err = rc < 0;
    if (rc < 0)
        ret->err = fs_error_code(rc);
    return 0;
}

// ---- changing -----------------------------------------------------------------------------------

// Finds an entry of a directory that may be changed.
static int find_mutable(const struct p2_filesystem_types_descriptor *dir, struct str path,
                        struct fs_entry *entry)
{
    entry->owned = false;
    return dir->may_mutate ? fs_entry_find(dir, path, entry) : -EROFS;
}

static int set_times_at(struct p2_filesystem_types_descriptor *self, uint8_t path_flags,
                        struct str path, const struct timespec times[2])
{
    if (!self->may_mutate)
        return -EROFS;
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, path, O_PATH | follow_flag(path_flags));
    return fd < 0 ? fd : failed(utimensat(fd, "", times, AT_EMPTY_PATH));
}

int p2_filesystem_types_descriptor_set_times_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, uint8_t path_flags,
    struct str path, const struct p2_filesystem_types_new_timestamp *data_access_timestamp,
    const struct p2_filesystem_types_new_timestamp *data_modification_timestamp,
    struct p2_result_void_filesystem_types_error_code *ret)
{
    struct timespec times[2];
    int rc = fs_times(data_access_timestamp, data_modification_timestamp, times);
    return answer(rc < 0 ? rc : set_times_at(self, path_flags, path, times), ret);
}

int p2_filesystem_types_descriptor_create_directory_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, struct str path,
    struct p2_result_void_filesystem_types_error_code *ret)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, path, &entry);
    return answer(rc < 0 ? rc : failed(mkdirat(entry.dir, entry.name, 0777)), ret);
}

int p2_filesystem_types_descriptor_remove_directory_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, struct str path,
    struct p2_result_void_filesystem_types_error_code *ret)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, path, &entry);
    return answer(rc < 0 ? rc : failed(unlinkat(entry.dir, entry.name, AT_REMOVEDIR)), ret);
}

int p2_filesystem_types_descriptor_unlink_file_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, struct str path,
    struct p2_result_void_filesystem_types_error_code *ret)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, path, &entry);
    return answer(rc < 0 ? rc : failed(unlinkat(entry.dir, entry.name, 0)), ret);
}

int p2_filesystem_types_descriptor_rename_at(struct canon_call *call,
                                             struct p2_filesystem_types_descriptor *self,
                                             struct str old_path,
                                             struct p2_filesystem_types_descriptor *new_descriptor,
                                             struct str new_path,
                                             struct p2_result_void_filesystem_types_error_code *ret)
{
    _cleanup_(fs_entry_done) struct fs_entry old;
    _cleanup_(fs_entry_done) struct fs_entry new;
    new.owned = false;
    int rc = find_mutable(self, old_path, &old);
    if (rc == 0)
        rc = find_mutable(new_descriptor, new_path, &new);
    if (rc == 0)
        rc = failed(renameat(old.dir, old.name, new.dir, new.name));
    return answer(rc, ret);
}

int p2_filesystem_types_descriptor_symlink_at(
    struct canon_call *call, struct p2_filesystem_types_descriptor *self, struct str old_path,
    struct str new_path, struct p2_result_void_filesystem_types_error_code *ret)
{
    if (old_path.len > FS_PATH_BYTES_MAX)
        return answer(-ENAMETOOLONG, ret);
    if (str_starts(old_path, STR("/")))
        return answer(-EPERM, ret);
    if (str_find_char(old_path, 0) >= 0)
        return answer(-EINVAL, ret);
    char target[FS_PATH_BYTES_MAX + 1];
    memcpy(target, old_path.data, old_path.len);
    target[old_path.len] = 0;
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(self, new_path, &entry);
    return answer(rc < 0 ? rc : failed(symlinkat(target, entry.dir, entry.name)), ret);
}

// Links what the path leads to, found once, so that nothing can be put in its place meanwhile.
static int link_at(struct p2_filesystem_types_descriptor *self, uint8_t path_flags,
                   struct str old_path, const struct fs_entry *new)
{
    _cleanup_(fd_closep) int fd = fs_open_beneath(self, old_path, O_PATH | follow_flag(path_flags));
    if (fd < 0)
        return fd;
    char from[32];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    return failed(linkat(AT_FDCWD, from, new->dir, new->name, AT_SYMLINK_FOLLOW));
}

int p2_filesystem_types_descriptor_link_at(struct canon_call *call,
                                           struct p2_filesystem_types_descriptor *self,
                                           uint8_t old_path_flags, struct str old_path,
                                           struct p2_filesystem_types_descriptor *new_descriptor,
                                           struct str new_path,
                                           struct p2_result_void_filesystem_types_error_code *ret)
{
    _cleanup_(fs_entry_done) struct fs_entry entry;
    int rc = find_mutable(new_descriptor, new_path, &entry);
    // A second name in a writable place would undo that the first is read-only.
    if (rc == 0 && !self->may_mutate)
        rc = -EROFS;
    return answer(rc < 0 ? rc : link_at(self, old_path_flags, old_path, &entry), ret);
}

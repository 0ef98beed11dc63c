// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem, what its versions share: open files, rights, paths and the operations on them.
// Functions here return 0 or a negative errno, which each version turns into its error code.
//
// Rights. What lies beneath a read-only preopen has no `may_mutate`, and neither has anything that
// is opened from there. With it, a directory may be changed and files be opened for writing. In 0.2
// a directory keeps the right of the one it was opened from whether or not the guest asked for
// `mutate-directory`: guests behind the preview1 adapter cannot ask. In 0.3 it must ask.
#pragma once

#include <errno.h>
#include <sys/stat.h>

#include "wasi/io.h"
#include "wasi/wasi.h"

#define FS_PATH_BYTES_MAX    4096                  // of a path that the guest names
#define FS_READ_BYTES_MAX    ((size_t)64 * 1024)   // one descriptor.read
#define FS_WRITE_BYTES_MAX   ((size_t)1024 * 1024) // one descriptor.write
#define FS_RESOLVE_TRIES_MAX 16 // openat2 is asked again when a rename elsewhere disturbs it

// Flags, advices and types have the same numbers in every version.
#define FS_READ             (1u << 0) // descriptor-flags
#define FS_WRITE            (1u << 1)
#define FS_FILE_SYNC        (1u << 2)
#define FS_DATA_SYNC        (1u << 3)
#define FS_READ_SYNC        (1u << 4)
#define FS_MUTATE_DIRECTORY (1u << 5)
#define FS_SYMLINK_FOLLOW   (1u << 0) // path-flags
#define FS_CREATE           (1u << 0) // open-flags
#define FS_DIRECTORY        (1u << 1)
#define FS_EXCLUSIVE        (1u << 2)
#define FS_TRUNCATE         (1u << 3)
#define FS_ADVICE_COUNT     6u

// An open file; descriptors and streams share it.
struct fs_file {
    uint32_t refs;
    int fd;
    struct wasi *wasi; // that counts it; NULL: a preopen, which is the configuration's
};
// True when the instance may open no more files.
bool fs_is_full(const struct wasi *wasi);
struct fs_file *fs_file_new(struct wasi *wasi, int fd);
struct fs_file *fs_file_ref(struct fs_file *file);
void fs_file_unref(struct fs_file *file);

// What is behind a descriptor of any version.
struct fs_node {
    struct fs_file *file;
    struct wasi *wasi;
    mode_t format; // S_IF...
    uint8_t flags; // FS_READ ...
    bool may_mutate;
};
void fs_node_init_preopen(struct fs_node *node, struct wasi *wasi,
                          const struct wasi_preopen *preopen);
void fs_node_done(struct fs_node *node);

// Calls that fail with -1.
static inline int fs_failed(int rc)
{
    return rc < 0 ? -errno : 0;
}

// ---- paths --------------------------------------------------------------------------------------

// Opens a path beneath a directory; nothing leads out of it: no absolute path, "..", symbolic link
// or magic link. `flags` are those of open(2), close-on-exec is added. A descriptor or an errno.
_must_use_ int fs_open_beneath(const struct fs_node *dir, struct str path, uint64_t flags);

// The same for what names a directory entry, to be made, renamed or removed: its directory, and
// its name there, with a "/" behind it when the path has one.
struct fs_entry {
    int dir;
    bool owned;
    char name[FS_PATH_BYTES_MAX + 1];
};
_must_use_ int fs_entry_find(const struct fs_node *dir, struct str path, struct fs_entry *entry);
// For _cleanup_, also of an entry that was not found but has dir -1.
void fs_entry_done(struct fs_entry *entry);

// ---- operations on paths ------------------------------------------------------------------------

_must_use_ int fs_open_at(const struct fs_node *self, uint8_t path_flags, struct str path,
                          uint8_t open_flags, uint8_t flags, struct fs_node *out);
_must_use_ int fs_stat_at(const struct fs_node *self, uint8_t path_flags, struct str path,
                          struct stat *out);
// The target is copied to `arena`.
_must_use_ int fs_readlink_at(const struct fs_node *self, struct str path, struct arena *arena,
                              struct str *out);
_must_use_ int fs_set_times_at(const struct fs_node *self, uint8_t path_flags, struct str path,
                               const struct timespec times[2]);
_must_use_ int fs_create_directory_at(const struct fs_node *self, struct str path);
_must_use_ int fs_remove_directory_at(const struct fs_node *self, struct str path);
_must_use_ int fs_unlink_file_at(const struct fs_node *self, struct str path);
_must_use_ int fs_rename_at(const struct fs_node *self, struct str old_path,
                            const struct fs_node *new_dir, struct str new_path);
_must_use_ int fs_symlink_at(const struct fs_node *self, struct str target, struct str new_path);
_must_use_ int fs_link_at(const struct fs_node *self, uint8_t path_flags, struct str old_path,
                          const struct fs_node *new_dir, struct str new_path);

// ---- operations on what is open -----------------------------------------------------------------

_must_use_ ssize_t fs_read(const struct fs_node *self, uint64_t length, uint64_t offset,
                           struct arena *arena, struct str *out);
_must_use_ ssize_t fs_write(const struct fs_node *self, struct str data, uint64_t offset);
_must_use_ int fs_advise(const struct fs_node *self, uint64_t offset, uint64_t length,
                         unsigned advice);
_must_use_ int fs_set_size(const struct fs_node *self, uint64_t size);
_must_use_ int fs_sync(const struct fs_node *self);
_must_use_ int fs_sync_data(const struct fs_node *self);
_must_use_ int fs_stat(const struct fs_node *self, struct stat *out);
_must_use_ int fs_set_times(const struct fs_node *self, const struct timespec times[2]);
bool fs_is_same_object(const struct fs_node *self, const struct fs_node *other);
// The two halves of metadata-hash-value.
void fs_metadata_hash(const struct stat *st, uint64_t out[2]);

// ---- directory entries --------------------------------------------------------------------------

struct fs_listing;
_must_use_ int fs_listing_open(const struct fs_node *self, struct fs_listing **out);
void fs_listing_close(struct fs_listing *listing);
// 1 and the next entry, whose name is valid until the next call; 0 at the end.
_must_use_ int fs_listing_next(struct fs_listing *listing, mode_t *format, struct str *name);

// ---- streams ------------------------------------------------------------------------------------

_must_use_ int fs_input_stream(const struct fs_node *self, uint64_t offset,
                               struct p2_io_streams_input_stream **out);
// `append` ignores the offset.
_must_use_ int fs_output_stream(const struct fs_node *self, bool append, uint64_t offset,
                                struct p2_io_streams_output_stream **out);

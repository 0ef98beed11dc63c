// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.2, shared by its files. Functions here return 0 or a negative errno, which
// fs_error_code() turns into what the guest is told.
//
// Rights. What lies beneath a read-only preopen has no `may_mutate`, and neither has anything that
// is opened from there. With it, a directory may be changed and files be opened for writing. A
// directory keeps the right of the one it was opened from whether or not the guest asked for
// `mutate-directory`: guests behind the preview1 adapter cannot ask.
#pragma once

#include <sys/stat.h>

#include "wasi/io.h"
#include "wasi/wasi.h"

#define FS_PATH_BYTES_MAX    4096                  // of a path that the guest names
#define FS_READ_BYTES_MAX    ((size_t)64 * 1024)   // one descriptor.read
#define FS_WRITE_BYTES_MAX   ((size_t)1024 * 1024) // one descriptor.write
#define FS_RESOLVE_TRIES_MAX 16 // openat2 is asked again when a rename elsewhere disturbs it

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

// The representation behind wasi:filesystem/types.descriptor.
struct p2_filesystem_types_descriptor {
    struct fs_file *file;
    struct wasi *wasi;
    enum p2_filesystem_types_descriptor_type type;
    uint8_t flags; // P2_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_
    bool may_mutate;
};
// Takes the reference to `file`.
struct p2_filesystem_types_descriptor *fs_descriptor_new(struct wasi *wasi, struct fs_file *file,
                                                         mode_t mode, uint8_t flags,
                                                         bool may_mutate);

enum p2_filesystem_types_error_code fs_error_code(int rc);
enum p2_filesystem_types_descriptor_type fs_type_of_mode(mode_t mode);

// ---- paths --------------------------------------------------------------------------------------

// Opens a path beneath a directory; nothing leads out of it: no absolute path, "..", symbolic link
// or magic link. `flags` are those of open(2), close-on-exec is added. A descriptor or an errno.
_must_use_ int fs_open_beneath(const struct p2_filesystem_types_descriptor *dir, struct str path,
                               uint64_t flags);

// The same for what names a directory entry, to be made, renamed or removed: its directory, and
// its name there, with a "/" behind it when the path has one.
struct fs_entry {
    int dir;
    bool owned;
    char name[FS_PATH_BYTES_MAX + 1];
};
_must_use_ int fs_entry_find(const struct p2_filesystem_types_descriptor *dir, struct str path,
                             struct fs_entry *entry);
// For _cleanup_, also of an entry that was not found but has dir -1.
void fs_entry_done(struct fs_entry *entry);

// ---- metadata -----------------------------------------------------------------------------------

void fs_stat_fill(const struct stat *st, struct p2_filesystem_types_descriptor_stat *out);
void fs_metadata_hash(const struct stat *st, struct p2_filesystem_types_metadata_hash_value *out);
_must_use_ int fs_times(const struct p2_filesystem_types_new_timestamp *access,
                        const struct p2_filesystem_types_new_timestamp *modification,
                        struct timespec out[2]);

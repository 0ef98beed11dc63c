// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem: open files.
#include "wasi/filesystem.h"

bool fs_is_full(const struct wasi *wasi)
{
    return wasi->descriptor_count >= WASI_DESCRIPTORS_MAX;
}

struct fs_file *fs_file_new(struct wasi *wasi, int fd)
{
    struct fs_file *file = mem_new(struct fs_file);
    *file = (struct fs_file){1, fd, wasi};
    if (wasi)
        wasi->descriptor_count++;
    return file;
}

struct fs_file *fs_file_ref(struct fs_file *file)
{
    file->refs++;
    return file;
}

void fs_file_unref(struct fs_file *file)
{
    if (--file->refs > 0)
        return;
    if (file->wasi) {
        file->wasi->descriptor_count--;
        close(file->fd);
    }
    free(file);
}

void fs_node_init_preopen(struct fs_node *node, struct wasi *wasi,
                          const struct wasi_preopen *preopen)
{
    *node = (struct fs_node){
        .file = fs_file_new(NULL, preopen->fd),
        .wasi = wasi,
        .format = S_IFDIR,
        .flags = FS_READ | (preopen->read_only ? 0 : FS_MUTATE_DIRECTORY),
        .may_mutate = !preopen->read_only,
    };
}

void fs_node_done(struct fs_node *node)
{
    fs_file_unref(node->file);
}

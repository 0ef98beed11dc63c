// SPDX-License-Identifier: Apache-2.0
#include "wash/source_watch.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/file.h"
#include "base/vec.h"

struct watched_dir {
    struct loop_watch watch;
    char *path;
    struct source_watch *owner;
};

struct source_watch {
    struct loop *loop;
    char *root;
    VEC(char *) ignored;
    VEC(struct watched_dir *) dirs;
    struct loop_timer settle;
    void (*changed)(void *user);
    void *user;
    uint64_t mark;
};

static const char *const skipped_dirs[] = {"target", "node_modules", "build", "dist",
                                           "__pycache__"};

static bool is_skipped(const struct source_watch *watch, const char *name, const char *path)
{
    if (name[0] == '.' && strcmp(name, ".wash") != 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(skipped_dirs); i++)
        if (strcmp(name, skipped_dirs[i]) == 0)
            return true;
    for (size_t i = 0; i < watch->ignored.len; i++)
        if (strcmp(path, watch->ignored.items[i]) == 0)
            return true;
    return false;
}

// Calls `visit` for the folder and everything below that is not skipped. Counts keep it bounded.
typedef void (*visit_fn)(struct source_watch *watch, const char *path, const struct stat *info,
                         void *arg);

static void walk(struct source_watch *watch, const char *path, size_t *left, visit_fn visit,
                 void *arg)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry; *left > 0 && (entry = readdir(dir));) {
        struct stat info;
        _cleanup_(mem_freep) char *child = mem_printf("%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            is_skipped(watch, entry->d_name, child) || lstat(child, &info) < 0)
            continue;
        --*left;
        visit(watch, child, &info, arg);
        // A link to a folder is not followed: it may lead back.
        if (S_ISDIR(info.st_mode))
            walk(watch, child, left, visit, arg);
    }
    closedir(dir);
}

// The sum does not depend on the order of the entries.
static void add_to_signature(struct source_watch *watch, const char *path, const struct stat *info,
                             void *arg)
{
    uint64_t *signature = arg;
    uint64_t content = (uint64_t)info->st_mode;
    BUF(data, SOURCE_FILE_HASHED_MAX);
    if (!S_ISREG(info->st_mode))
        content ^= 1;
    else if (file_read(path, &data, NULL) == 0)
        content = checksum64(buf_str(&data));
    else
        content ^= (uint64_t)info->st_size * 31 + (uint64_t)info->st_mtim.tv_nsec;
    uint64_t parts[2] = {checksum64(str_from(path)), content};
    *signature += checksum64(str_of((const char *)parts, sizeof(parts)));
}

static uint64_t signature_of(struct source_watch *watch)
{
    uint64_t signature = 0;
    size_t left = SOURCE_WATCH_FILES_MAX;
    walk(watch, watch->root, &left, add_to_signature, &signature);
    return signature;
}

static void something_happened(struct loop_watch *loop_watch, const char *name)
{
    struct watched_dir *dir = container_of(loop_watch, struct watched_dir, watch);
    loop_timer_start(&dir->owner->settle, SOURCE_WATCH_SETTLE_MS * UINT64_C(1000000));
}

static void watch_dir(struct source_watch *watch, const char *path)
{
    if (watch->dirs.len == SOURCE_WATCH_DIRS_MAX)
        return;
    for (size_t i = 0; i < watch->dirs.len; i++)
        if (strcmp(watch->dirs.items[i]->path, path) == 0)
            return;
    struct watched_dir *dir = mem_new(struct watched_dir);
    dir->path = mem_strdup(path);
    dir->owner = watch;
    // A folder that went away meanwhile is none of ours any more.
    if (loop_watch_init(&dir->watch, watch->loop, path, something_happened, NULL) < 0) {
        free(dir->path);
        free(dir);
        return;
    }
    *vec_push(&watch->dirs) = dir;
}

static void watch_if_dir(struct source_watch *watch, const char *path, const struct stat *info,
                         void *arg)
{
    if (S_ISDIR(info->st_mode))
        watch_dir(watch, path);
}

static void watch_dirs(struct source_watch *watch)
{
    size_t left = SOURCE_WATCH_FILES_MAX;
    watch_dir(watch, watch->root);
    walk(watch, watch->root, &left, watch_if_dir, NULL);
}

static void settled(struct loop_timer *timer)
{
    struct source_watch *watch = container_of(timer, struct source_watch, settle);
    watch_dirs(watch);
    if (source_watch_differs(watch))
        watch->changed(watch->user);
}

int source_watch_new(struct loop *loop, const char *root, const char *const *ignored,
                     size_t ignored_count, void (*changed)(void *user), void *user,
                     struct source_watch **out, struct error *err)
{
    struct stat info;
    if (stat(root, &info) < 0)
        return error_set_errno(err, -errno, "watch %s", root);
    struct source_watch *watch = mem_new(struct source_watch);
    watch->loop = loop;
    watch->root = mem_strdup(root);
    for (size_t i = 0; i < ignored_count; i++)
        *vec_push(&watch->ignored) =
            ignored[i][0] == '/' ? mem_strdup(ignored[i]) : mem_printf("%s/%s", root, ignored[i]);
    watch->changed = changed;
    watch->user = user;
    loop_timer_init(&watch->settle, loop, settled);
    watch_dirs(watch);
    source_watch_mark(watch);
    *out = watch;
    return 0;
}

void source_watch_free(struct source_watch *watch)
{
    if (!watch)
        return;
    loop_timer_done(&watch->settle);
    for (size_t i = 0; i < watch->dirs.len; i++) {
        loop_watch_done(&watch->dirs.items[i]->watch);
        free(watch->dirs.items[i]->path);
        free(watch->dirs.items[i]);
    }
    for (size_t i = 0; i < watch->ignored.len; i++)
        free(watch->ignored.items[i]);
    vec_done(&watch->dirs);
    vec_done(&watch->ignored);
    free(watch->root);
    free(watch);
}

void source_watch_mark(struct source_watch *watch)
{
    watch->mark = signature_of(watch);
}

bool source_watch_differs(struct source_watch *watch)
{
    return signature_of(watch) != watch->mark;
}

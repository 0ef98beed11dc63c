// SPDX-License-Identifier: Apache-2.0
// Texts and folders become packages (WIT.md "Packages", `deps/` folders).
#include "wit/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "wit/parser.h"

// Entries of one folder.
#define FOLDER_ENTRIES_MAX 65536

// Files that are read as one package.
struct group {
    VEC(struct ast_file *) files;
    const struct wit_source *first;
};

static struct package *package_new(struct wit_resolve *resolve, const struct ast_path *path)
{
    struct arena *arena = &resolve->arena;
    struct package *package = arena_new(arena, struct package);
    package->pub.ns = path->ns;
    package->pub.name = path->package;
    package->pub.version = path->version.len > 0 ? path->version : STR_EMPTY;
    package->pub.docs = STR_EMPTY;
    package->id = package_id(arena, path->ns, path->package, path->version);
    package->pos = path->name.pos;
    map_put(&resolve->packages, package->id, package);
    struct str name = package_id(arena, path->ns, path->package, STR_EMPTY);
    struct package *first = map_get(&resolve->names, name);
    if (first) {
        package->next_version = first->next_version;
        first->next_version = package;
    } else {
        map_put(&resolve->names, name, package);
    }
    *vec_push(&resolve->order) = package;
    return package;
}

// The package of a header or of a nested block. Files of one group share it, others may not.
static int open_package(struct wit_resolve *resolve, const struct ast_path *path, const void *group,
                        struct package **out, struct error *err)
{
    struct str id = package_id(&resolve->arena, path->ns, path->package, path->version);
    struct package *package = map_get(&resolve->packages, id);
    if (package && package->group != group)
        return wit_fail(path->name.pos, err, "package `%.*s` is defined already in %s", STR_ARG(id),
                        package->pos.source->path);
    if (!package) {
        if (resolve->order.len >= WIT_PACKAGES_MAX)
            return wit_fail(path->name.pos, err, "more than %d packages", WIT_PACKAGES_MAX);
        package = package_new(resolve, path);
        package->group = group;
    }
    *out = package;
    return 0;
}

static void add_scope(struct wit_resolve *resolve, struct package *package,
                      const struct ast_file *file)
{
    struct scope *scope = arena_new(&resolve->arena, struct scope);
    scope->package = package;
    scope->ast = file;
    *vec_push(&package->scopes) = scope;
}

static int add_nested(struct wit_resolve *resolve, const struct ast_file *file,
                      struct package **first, struct error *err)
{
    for (const struct ast_file *nested = file->nested; nested; nested = nested->next) {
        struct package *package;
        // A nested package is complete in its block.
        int r = open_package(resolve, &nested->package, nested, &package, err);
        if (r < 0)
            return r;
        package->pub.docs = nested->docs;
        add_scope(resolve, package, nested);
        if (!*first)
            *first = package;
    }
    return 0;
}

// The header that the files of a group agree on.
static int group_header(const struct group *group, const struct ast_file **out, struct error *err)
{
    const struct ast_file *header = NULL, *documented = NULL;
    for (size_t i = 0; i < group->files.len; i++) {
        const struct ast_file *file = group->files.items[i];
        if (file->package.name.text.len == 0)
            continue;
        if (header && !(str_eq(header->package.ns, file->package.ns) &&
                        str_eq(header->package.package, file->package.package) &&
                        str_eq(header->package.version, file->package.version)))
            return wit_fail(file->package.name.pos, err,
                            "files of one package name two: `%.*s:%.*s` and `%.*s:%.*s`",
                            STR_ARG(header->package.ns), STR_ARG(header->package.package),
                            STR_ARG(file->package.ns), STR_ARG(file->package.package));
        if (documented && file->docs.len > 0)
            return wit_fail(file->docs_pos, err, "two files of the package document its header");
        if (file->docs.len > 0)
            documented = file;
        header = header ? header : file;
    }
    *out = documented ? documented : header;
    return 0;
}

static int add_group(struct wit_resolve *resolve, const struct group *group, struct package **first,
                     struct error *err)
{
    const struct ast_file *header;
    struct package *package = NULL;
    int r = group_header(group, &header, err);
    if (r == 0 && header)
        r = open_package(resolve, &header->package, group->first, &package, err);
    if (r < 0)
        return r;
    if (package) {
        package->pub.docs = header->docs;
        *first = package;
    }
    for (size_t i = 0; i < group->files.len && r == 0; i++) {
        const struct ast_file *file = group->files.items[i];
        if (!package)
            return wit_fail((struct wit_pos){group->first, 0}, err,
                            "no `package namespace:name;` header in the file(s) of this package");
        if (package)
            add_scope(resolve, package, file);
        r = add_nested(resolve, file, first, err);
    }
    return r;
}

static int parse_source(struct wit_resolve *resolve, struct str path, struct str text,
                        struct group *group, struct error *err)
{
    if (text.len > WIT_FILE_BYTES_MAX)
        return error_set(err, -EFBIG, "%.*s: larger than %zu bytes", STR_ARG(path),
                         WIT_FILE_BYTES_MAX);
    struct wit_source *source = arena_new(&resolve->arena, struct wit_source);
    source->path = arena_str(&resolve->arena, path).data;
    source->text = text;
    int r = wit_source_check(source, err);
    struct ast_file *file;
    if (r == 0)
        r = wit_parse(source, &resolve->arena, &file, err);
    if (r < 0)
        return r;
    if (!group->first)
        group->first = source;
    *vec_push(&group->files) = file;
    return 0;
}

// Reads a whole file into the arena.
static int read_text(struct wit_resolve *resolve, int dir, const char *name, struct str path,
                     struct str *out, struct error *err)
{
    _cleanup_(fd_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, -errno, "reading %.*s", STR_ARG(path));
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "reading %.*s: not a regular file", STR_ARG(path));
    if ((uint64_t)st.st_size > WIT_FILE_BYTES_MAX)
        return error_set(err, -EFBIG, "reading %.*s: larger than %zu bytes", STR_ARG(path),
                         WIT_FILE_BYTES_MAX);
    size_t size = (size_t)st.st_size, len = 0;
    char *data = arena_try_alloc(&resolve->arena, size + 1);
    if (!data)
        return error_set(err, -ENOMEM, "reading %.*s: too much WIT in all", STR_ARG(path));
    while (len < size) {
        ssize_t n = read(fd, data + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, -errno, "reading %.*s", STR_ARG(path));
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *out = str_of(data, len);
    return 0;
}

static int add_file(struct wit_resolve *resolve, int dir, const char *name, struct str path,
                    struct group *group, struct error *err)
{
    struct str text;
    int r = read_text(resolve, dir, name, path, &text, err);
    return r < 0 ? r : parse_source(resolve, path, text, group, err);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Names in a folder, sorted, without hidden ones; in the arena.
struct listing {
    char **names;
    size_t count;
};

static int list_folder(struct wit_resolve *resolve, int dir, struct str path, struct listing *out,
                       struct error *err)
{
    VEC(char *) names = {0};
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int code = -errno;
        if (fd >= 0)
            close(fd);
        return error_set_errno(err, code, "reading the folder %.*s", STR_ARG(path));
    }
    struct dirent *entry;
    while ((entry = readdir(stream)) && names.len <= FOLDER_ENTRIES_MAX) {
        if (entry->d_name[0] == '.')
            continue;
        struct str name = arena_str(&resolve->arena, str_from(entry->d_name));
        *vec_push(&names) = (char *)name.data;
    }
    closedir(stream);
    int r = 0;
    if (names.len > FOLDER_ENTRIES_MAX)
        r = error_set(err, -E2BIG, "the folder %.*s has more than %d entries", STR_ARG(path),
                      FOLDER_ENTRIES_MAX);
    if (names.len > 1)
        qsort(names.items, names.len, sizeof(*names.items), compare_names);
    out->count = names.len;
    out->names = arena_new_array(&resolve->arena, char *, names.len + 1);
    if (names.len > 0)
        memcpy(out->names, names.items, names.len * sizeof(*names.items));
    vec_done(&names);
    return r;
}

static int add_wit_files(struct wit_resolve *resolve, int dir, struct str path, struct group *group,
                         struct error *err)
{
    struct listing list;
    int r = list_folder(resolve, dir, path, &list, err);
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        if (!str_ends(str_from(list.names[i]), STR(".wit")))
            continue;
        r = add_file(resolve, dir, list.names[i],
                     arena_printf(&resolve->arena, "%.*s/%s", STR_ARG(path), list.names[i]), group,
                     err);
    }
    if (r == 0 && group->files.len == 0)
        r = error_set(err, -ENOENT, "the folder %.*s has no .wit files", STR_ARG(path));
    return r;
}

// A folder's own files as one package.
static int add_folder(struct wit_resolve *resolve, int dir, struct str path, struct package **first,
                      struct error *err)
{
    struct group group = {0};
    int r = add_wit_files(resolve, dir, path, &group, err);
    if (r == 0)
        r = add_group(resolve, &group, first, err);
    vec_done(&group.files);
    return r;
}

static int add_single(struct wit_resolve *resolve, int dir, const char *name, struct str path,
                      struct package **first, struct error *err)
{
    struct group group = {0};
    int r = add_file(resolve, dir, name, path, &group, err);
    if (r == 0)
        r = add_group(resolve, &group, first, err);
    vec_done(&group.files);
    return r;
}

static int add_dep(struct wit_resolve *resolve, int dir, const char *name, struct str path,
                   struct error *err)
{
    struct package *first = NULL;
    struct stat st;
    if (fstatat(dir, name, &st, 0) < 0)
        return error_set_errno(err, -errno, "reading %.*s", STR_ARG(path));
    if (!S_ISDIR(st.st_mode)) {
        bool is_wit = str_ends(str_from(name), STR(".wit"));
        return is_wit ? add_single(resolve, dir, name, path, &first, err) : 0;
    }
    _cleanup_(fd_closep) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, -errno, "reading the folder %.*s", STR_ARG(path));
    return add_folder(resolve, fd, path, &first, err);
}

static int add_deps(struct wit_resolve *resolve, int root, struct str path, struct error *err)
{
    _cleanup_(fd_closep) int dir = openat(root, "deps", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT
                   ? 0
                   : error_set_errno(err, -errno, "reading the folder %.*s/deps", STR_ARG(path));
    struct listing list;
    int r = list_folder(resolve, dir, path, &list, err);
    for (size_t i = 0; r == 0 && i < list.count; i++)
        r = add_dep(resolve, dir, list.names[i],
                    arena_printf(&resolve->arena, "%.*s/deps/%s", STR_ARG(path), list.names[i]),
                    err);
    return r;
}

int wit_resolve_add_text(struct wit_resolve *resolve, const char *path, struct str text,
                         struct error *err)
{
    if (text.len > WIT_FILE_BYTES_MAX)
        return error_set(err, -EFBIG, "%s: larger than %zu bytes", path, WIT_FILE_BYTES_MAX);
    struct group group = {0};
    struct package *first = NULL;
    int r = parse_source(resolve, str_from(path), arena_str(&resolve->arena, text), &group, err);
    if (r == 0)
        r = add_group(resolve, &group, &first, err);
    vec_done(&group.files);
    if (r == 0 && !resolve->root)
        resolve->root = first;
    return r;
}

int wit_resolve_add_path(struct wit_resolve *resolve, const char *path, struct error *err)
{
    struct package *first = NULL;
    struct stat st;
    int r;
    if (stat(path, &st) < 0)
        return error_set_errno(err, -errno, "reading %s", path);
    struct str name = str_from(path);
    while (name.len > 1 && name.data[name.len - 1] == '/')
        name.len--;
    if (S_ISDIR(st.st_mode)) {
        _cleanup_(fd_closep) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            return error_set_errno(err, -errno, "reading the folder %s", path);
        r = add_folder(resolve, dir, name, &first, err);
        if (r == 0)
            r = add_deps(resolve, dir, name, err);
    } else {
        r = add_single(resolve, AT_FDCWD, path, name, &first, err);
    }
    if (r == 0 && !resolve->root)
        resolve->root = first;
    return r;
}

// SPDX-License-Identifier: Apache-2.0
// Reads paths of WIT files and folders, one a line, from standard input and prints for each whether
// it is accepted, with the feature `active`: "ok PATH" or "no PATH: reason", where what follows
// "ok PATH: " differs from the dump PATH.json. The printed text goes to PATH.text, the root package
// in binary form to PATH.wasm. Where there is a binary package PATH.theirs.wasm, its text goes to
// PATH.theirs.text. For tools/fuzz-diff-wit.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "compare.h"
#include "component/component.h"
#include "component/plan.h"
#include "component/wit_binary.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)

// Writes a file beside `path`; with an error its text.
static void write_beside(const char *path, const char *suffix, int rc, struct buf *content,
                         const struct error *why)
{
    _cleanup_(mem_freep) char *to = mem_printf("%s%s", path, suffix);
    FILE *file = fopen(to, "wb");
    if (!file) {
        perror(to);
        exit(2);
    }
    if (rc < 0)
        fprintf(file, "error: %s\n", error_text(why));
    else
        fwrite(content->data, 1, content->len, file);
    fclose(file);
}

static int print_component(struct str bytes, struct arena *arena, struct buf *text,
                           struct error *err)
{
    struct component *component;
    const struct wit_world *world;
    int rc = component_decode(bytes, &component, err);
    if (rc < 0)
        return rc;
    rc = component_world(component, arena, &world, err);
    if (rc == 0)
        wit_print_component_world(world, text);
    component_free(component);
    return rc;
}

static void decode_theirs(const char *path)
{
    ERROR(err);
    BUF(content, FILE_BYTES_MAX);
    BUF(text, FILE_BYTES_MAX);
    _cleanup_(mem_freep) char *from = mem_printf("%s.theirs.wasm", path);
    if (access(from, F_OK) < 0)
        return;
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    int rc = file_read(from, &content, &err);
    if (rc == 0 && wit_binary_kind(buf_str(&content)) == WIT_BINARY_COMPONENT) {
        // A package of nothing looks like a component of nothing.
        rc = print_component(buf_str(&content), &arena, &text, &err);
    } else if (rc == 0) {
        rc = wit_binary_decode(buf_str(&content), &arena, &wit, &err);
        if (rc == 0)
            wit_print_packages(wit.package, wit.others, wit.other_count, &text);
    }
    write_beside(path, ".theirs.text", rc, &text, &err);
    arena_done(&arena);
}

static int compare_dump(const struct wit_resolve *resolve, const char *path, struct error *err)
{
    _cleanup_(mem_freep) char *from = mem_printf("%s.json", path);
    json_error_t error;
    json_t *json = json_load_file(from, 0, &error);
    int rc = json ? wit_compare(resolve, json, err) : 0;
    json_decref(json);
    return rc;
}

static void judge(const char *path)
{
    ERROR(err);
    BUF(text, FILE_BYTES_MAX);
    BUF(binary, FILE_BYTES_MAX);
    struct wit_resolve *resolve = wit_resolve_new();
    wit_resolve_enable_feature(resolve, "active");
    int rc = wit_resolve_add_path(resolve, path, &err);
    if (rc == 0)
        rc = wit_resolve_finish(resolve, &err);
    if (rc < 0) {
        printf("no %s: %s\n", path, error_text(&err));
    } else {
        wit_print_resolve(resolve, &text);
        write_beside(path, ".text", 0, &text, NULL);
        rc = wit_binary_encode(wit_root_package(resolve), &binary, &err);
        write_beside(path, ".wasm", rc, &binary, &err);
        decode_theirs(path);
        if (compare_dump(resolve, path, &err) < 0)
            printf("ok %s: %s\n", path, error_text(&err));
        else
            printf("ok %s\n", path);
    }
    wit_resolve_free(resolve);
}

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        judge(path);
        // What is lost when a later file ends the process must not be this one's line.
        fflush(stdout);
    }
    return 0;
}

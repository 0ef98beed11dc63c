// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem handlers on a folder of the test. Beside what guests may see lies "outside".
#include "wasi/p2_filesystem.h"

#include <fcntl.h>

#include "testing/test.h"
#include "wasi/task_fake.h"

#define ERR(name)  P2_FILESYSTEM_TYPES_ERROR_CODE_##name
#define FLAG(name) P2_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name
#define OPEN(name) P2_FILESYSTEM_TYPES_OPEN_FLAGS_##name
#define FOLLOW     P2_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW
#define OK         -1 // beside the error codes

struct tree {
    struct fake fake;
    char path[64]; // has "inside" and "outside"
    int outside;
    struct wasi_preopen preopens[2];
    struct p2_filesystem_types_descriptor *rw, *ro; // both are "inside"
};

static void write_text(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void tree_init(struct tree *tree)
{
    *tree = (struct tree){0};
    snprintf(tree->path, sizeof(tree->path), "/tmp/wash-test-fs-XXXXXX");
    CHECK(mkdtemp(tree->path));
    int top = open(tree->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(mkdirat(top, "inside", 0755), 0);
    CHECK_INT(mkdirat(top, "outside", 0755), 0);
    tree->outside = openat(top, "outside", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int inside = openat(top, "inside", O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(top);
    write_text(tree->outside, "secret", "secret");
    write_text(inside, "file", "content");
    CHECK_INT(mkdirat(inside, "dir", 0755), 0);
    CHECK_INT(symlinkat("file", inside, "link"), 0);
    CHECK_INT(symlinkat("../outside", inside, "up"), 0);
    CHECK_INT(symlinkat("/tmp", inside, "absolute"), 0);
    CHECK_INT(symlinkat("dir/../up", inside, "chain"), 0);
    CHECK_INT(symlinkat("loop", inside, "loop"), 0);
    CHECK_INT(symlinkat("/proc/self/fd", inside, "fds"), 0);
    CHECK_INT(symlinkat("../file", inside, "dir/back"), 0);
    fake_init(&tree->fake, false);
    tree->preopens[0] = (struct wasi_preopen){STR("/rw"), inside, false};
    tree->preopens[1] = (struct wasi_preopen){STR("/ro"), inside, true};
    tree->fake.config.preopens = tree->preopens;
    tree->fake.config.preopen_count = 2;
    struct p2_list_tuple_filesystem_types_descriptor_string list;
    CHECK_INT(p2_filesystem_preopens_get_directories(&tree->fake.call, &list), 0);
    CHECK_INT(list.len, 2);
    CHECK_STR(list.data[1].f1, "/ro");
    tree->rw = list.data[0].f0;
    tree->ro = list.data[1].f0;
}

static void drop(struct tree *tree, struct p2_filesystem_types_descriptor *descriptor)
{
    CHECK_INT(p2_filesystem_types_descriptor_drop(&tree->fake.call, descriptor), 0);
}

static void tree_done(struct tree *tree)
{
    // Nothing outside was touched.
    struct stat st;
    CHECK_INT(fstatat(tree->outside, "secret", &st, 0), 0);
    CHECK_INT(st.st_size, 6);
    CHECK_INT(st.st_nlink, 1);
    drop(tree, tree->rw);
    drop(tree, tree->ro);
    CHECK_INT(tree->fake.wasi.descriptor_count, 0);
    close(tree->outside);
    close(tree->preopens[0].fd);
    fake_done(&tree->fake);
    char *command = mem_printf("rm -rf %s", tree->path);
    FILE *rm = popen(command, "r");
    CHECK(rm);
    pclose(rm);
    free(command);
}

// The error of opening, or OK; what was opened is closed unless `out`.
static int open_at(struct tree *tree, struct p2_filesystem_types_descriptor *dir, const char *path,
                   uint8_t open_flags, uint8_t flags, struct p2_filesystem_types_descriptor **out)
{
    struct p2_result_filesystem_types_descriptor_filesystem_types_error_code ret = {0};
    CHECK_INT(p2_filesystem_types_descriptor_open_at(&tree->fake.call, dir, FOLLOW, str_from(path),
                                                     open_flags, flags, &ret),
              0);
    if (ret.is_err)
        return (int)ret.err;
    if (out)
        *out = ret.ok;
    else
        drop(tree, ret.ok);
    return OK;
}

static int result(struct p2_result_void_filesystem_types_error_code ret)
{
    return ret.is_err ? (int)ret.err : OK;
}

#define CALL(tree, function, ...)                                                                  \
    ({                                                                                             \
        struct p2_result_void_filesystem_types_error_code ret_ = {0};                              \
        CHECK_INT(                                                                                 \
            p2_filesystem_types_descriptor_##function(&(tree)->fake.call, __VA_ARGS__, &ret_), 0); \
        result(ret_);                                                                              \
    })

static int stat_at(struct tree *tree, uint8_t path_flags, const char *path,
                   struct p2_filesystem_types_descriptor_stat *out)
{
    struct p2_result_filesystem_types_descriptor_stat_filesystem_types_error_code ret = {0};
    CHECK_INT(p2_filesystem_types_descriptor_stat_at(&tree->fake.call, tree->rw, path_flags,
                                                     str_from(path), &ret),
              0);
    if (!ret.is_err && out)
        *out = ret.ok;
    return ret.is_err ? (int)ret.err : OK;
}

// ---- nothing escapes ----------------------------------------------------------------------------

TEST(paths_stay_beneath_their_directory)
{
    static const struct {
        const char *path;
        int error;
    } cases[] = {
        {"file", OK},
        {"./dir/..//file", OK},
        {"link", OK},
        {"dir/back", OK},
        {"dir/", OK},
        {".", OK},
        {"", ERR(NO_ENTRY)},
        {"/", ERR(NOT_PERMITTED)},
        {"/tmp", ERR(NOT_PERMITTED)},
        {"..", ERR(NOT_PERMITTED)},
        {"../inside/file", ERR(NOT_PERMITTED)},
        {"../outside/secret", ERR(NOT_PERMITTED)},
        {"dir/../../outside/secret", ERR(NOT_PERMITTED)},
        {"up/secret", ERR(NOT_PERMITTED)},
        {"up", ERR(NOT_PERMITTED)},
        {"chain/secret", ERR(NOT_PERMITTED)},
        {"absolute", ERR(NOT_PERMITTED)},
        {"absolute/x", ERR(NOT_PERMITTED)},
        {"fds/0", ERR(NOT_PERMITTED)},
        {"loop", ERR(LOOP)},
        {"file/", ERR(NOT_DIRECTORY)},
        {"file/x", ERR(NOT_DIRECTORY)},
        {"none", ERR(NO_ENTRY)},
    };
    struct tree tree;
    tree_init(&tree);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int got = open_at(&tree, tree.rw, cases[i].path, 0, FLAG(READ), NULL);
        int seen = stat_at(&tree, FOLLOW, cases[i].path, NULL);
        if (got != cases[i].error || seen != cases[i].error)
            test_fail(__FILE__, __LINE__, "\"%s\": open %d, stat %d, not %d", cases[i].path, got,
                      seen, cases[i].error);
    }
    struct p2_result_filesystem_types_descriptor_filesystem_types_error_code ret = {0};
    CHECK_INT(p2_filesystem_types_descriptor_open_at(&tree.fake.call, tree.rw, 0,
                                                     str_of("file\0x", 6), 0, FLAG(READ), &ret),
              0);
    CHECK_INT(ret.err, ERR(INVALID));
    static char longer[FS_PATH_BYTES_MAX + 1];
    memset(longer, 'a', sizeof(longer));
    CHECK_INT(CALL(&tree, unlink_file_at, tree.rw, str_of(longer, sizeof(longer))),
              ERR(NAME_TOO_LONG));
    CHECK_INT(CALL(&tree, unlink_file_at, tree.rw, str_of(longer, sizeof(longer) - 1)),
              ERR(NAME_TOO_LONG));
    tree_done(&tree);
}

TEST(changes_stay_beneath_their_directory)
{
    static const char *const paths[] = {
        "../outside/secret",  "up/secret",      "chain/secret", "dir/../../outside/secret",
        "absolute/wash-test", "/tmp/wash-test", "..",           "dir/../..",
    };
    struct tree tree;
    tree_init(&tree);
    struct p2_filesystem_types_new_timestamp now = {.tag = P2_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct str path = str_from(paths[i]);
        CHECK_INT(CALL(&tree, unlink_file_at, tree.rw, path), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, remove_directory_at, tree.rw, path), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, create_directory_at, tree.rw, path), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, symlink_at, tree.rw, STR("x"), path), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, rename_at, tree.rw, path, tree.rw, STR("x")), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, rename_at, tree.rw, STR("file"), tree.rw, path), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, link_at, tree.rw, 0, path, tree.rw, STR("x")), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, link_at, tree.rw, 0, STR("file"), tree.rw, path), ERR(NOT_PERMITTED));
        CHECK_INT(CALL(&tree, set_times_at, tree.rw, FOLLOW, path, &now, &now), ERR(NOT_PERMITTED));
        CHECK_INT(
            open_at(&tree, tree.rw, paths[i], OPEN(CREATE) | OPEN(TRUNCATE), FLAG(WRITE), NULL),
            ERR(NOT_PERMITTED));
    }
    // A link is not followed unless asked for, with or without a slash behind it.
    CHECK_INT(CALL(&tree, link_at, tree.rw, FOLLOW, STR("up"), tree.rw, STR("x")),
              ERR(NOT_PERMITTED));
    CHECK_INT(CALL(&tree, link_at, tree.rw, 0, STR("up/"), tree.rw, STR("x")), ERR(NOT_PERMITTED));
    CHECK_INT(CALL(&tree, set_times_at, tree.rw, 0, STR("up/"), &now, &now), ERR(NOT_PERMITTED));
    CHECK_INT(CALL(&tree, set_times_at, tree.rw, 0, STR("up"), &now, &now), OK);
    CHECK_INT(CALL(&tree, symlink_at, tree.rw, STR("/etc"), STR("x")), ERR(NOT_PERMITTED));
    tree_done(&tree);
}

// ---- rights -------------------------------------------------------------------------------------

TEST(read_only_is_read_only_everywhere)
{
    struct tree tree;
    tree_init(&tree);
    struct p2_filesystem_types_new_timestamp now = {.tag = P2_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW};
    CHECK_INT(open_at(&tree, tree.ro, "file", 0, FLAG(WRITE), NULL), ERR(READ_ONLY));
    CHECK_INT(open_at(&tree, tree.ro, "file", 0, FLAG(READ) | FLAG(WRITE), NULL), ERR(READ_ONLY));
    CHECK_INT(open_at(&tree, tree.ro, "new", OPEN(CREATE), FLAG(READ), NULL), ERR(READ_ONLY));
    CHECK_INT(open_at(&tree, tree.ro, "file", OPEN(TRUNCATE), FLAG(READ), NULL), ERR(READ_ONLY));
    CHECK_INT(open_at(&tree, tree.ro, "dir", OPEN(DIRECTORY), FLAG(MUTATE_DIRECTORY), NULL),
              ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, create_directory_at, tree.ro, STR("new")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, remove_directory_at, tree.ro, STR("dir")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, unlink_file_at, tree.ro, STR("file")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, symlink_at, tree.ro, STR("file"), STR("new")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, rename_at, tree.ro, STR("file"), tree.rw, STR("new")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, rename_at, tree.rw, STR("file"), tree.ro, STR("new")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, link_at, tree.ro, 0, STR("file"), tree.rw, STR("new")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, link_at, tree.rw, 0, STR("file"), tree.ro, STR("new")), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, set_times_at, tree.ro, 0, STR("file"), &now, &now), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, set_times, tree.ro, &now, &now), ERR(READ_ONLY));
    // What is opened from there is no more than that.
    struct p2_filesystem_types_descriptor *dir, *file;
    CHECK_INT(open_at(&tree, tree.ro, "dir", OPEN(DIRECTORY), FLAG(READ), &dir), OK);
    CHECK_INT(CALL(&tree, create_directory_at, dir, STR("new")), ERR(READ_ONLY));
    CHECK_INT(open_at(&tree, dir, "new", OPEN(CREATE), FLAG(WRITE), NULL), ERR(READ_ONLY));
    CHECK_INT(open_at(&tree, tree.ro, "file", 0, FLAG(READ), &file), OK);
    CHECK_INT(CALL(&tree, set_size, file, 0), ERR(READ_ONLY));
    CHECK_INT(CALL(&tree, set_times, file, &now, &now), ERR(READ_ONLY));
    struct p2_result_u64_filesystem_types_error_code written = {0};
    CHECK_INT(p2_filesystem_types_descriptor_write(&tree.fake.call, file, STR("x"), 0, &written),
              0);
    CHECK_INT(written.err, ERR(BAD_DESCRIPTOR));
    struct p2_result_io_streams_output_stream_filesystem_types_error_code out = {0};
    CHECK_INT(p2_filesystem_types_descriptor_append_via_stream(&tree.fake.call, file, &out), 0);
    CHECK_INT(out.err, ERR(BAD_DESCRIPTOR));
    CHECK_INT(CALL(&tree, sync, file), OK);
    struct p2_result_filesystem_types_descriptor_flags_filesystem_types_error_code flags = {0};
    CHECK_INT(p2_filesystem_types_descriptor_get_flags(&tree.fake.call, dir, &flags), 0);
    CHECK_INT(flags.ok, FLAG(READ));
    drop(&tree, file);
    drop(&tree, dir);
    tree_done(&tree);
}

// ---- files --------------------------------------------------------------------------------------

TEST(files_are_written_and_read_at_offsets)
{
    struct tree tree;
    tree_init(&tree);
    struct canon_call *call = &tree.fake.call;
    struct p2_filesystem_types_descriptor *file;
    CHECK_INT(open_at(&tree, tree.rw, "dir/new", OPEN(CREATE) | OPEN(EXCLUSIVE),
                      FLAG(READ) | FLAG(WRITE), &file),
              OK);
    CHECK_INT(open_at(&tree, tree.rw, "dir/new", OPEN(CREATE) | OPEN(EXCLUSIVE), FLAG(WRITE), NULL),
              ERR(EXIST));
    struct p2_result_u64_filesystem_types_error_code written = {0};
    CHECK_INT(p2_filesystem_types_descriptor_write(call, file, STR("world"), 6, &written), 0);
    CHECK_INT(written.ok, 5);
    CHECK_INT(p2_filesystem_types_descriptor_write(call, file, STR("hello,"), 0, &written), 0);
    struct p2_result_tuple_bytes_bool_filesystem_types_error_code read = {0};
    CHECK_INT(p2_filesystem_types_descriptor_read(call, file, UINT64_MAX, 3, &read), 0);
    CHECK(!read.is_err && !read.ok.f1);
    CHECK_STR(read.ok.f0, "lo,world");
    CHECK_INT(p2_filesystem_types_descriptor_read(call, file, 0, 3, &read), 0);
    CHECK(!read.is_err && read.ok.f0.len == 0);
    CHECK_INT(p2_filesystem_types_descriptor_read(call, file, 9, 100, &read), 0);
    CHECK(read.ok.f1 && read.ok.f0.len == 0);
    CHECK_INT(p2_filesystem_types_descriptor_read(call, file, 9, UINT64_MAX, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(read.err, ERR(INVALID));
    CHECK_INT(CALL(&tree, set_size, file, 3), OK);
    CHECK_INT(CALL(&tree, set_size, file, UINT64_MAX), ERR(FILE_TOO_LARGE));
    CHECK_INT(CALL(&tree, advise, file, 0, 3, P2_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL), OK);
    CHECK_INT(CALL(&tree, sync, file), OK);
    CHECK_INT(CALL(&tree, sync_data, file), OK);
    CHECK_INT(CALL(&tree, sync, tree.rw), OK);
    struct p2_filesystem_types_new_timestamp keep = {0};
    struct p2_filesystem_types_new_timestamp set = {
        .tag = P2_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP, .timestamp = {1000000000, 5}};
    CHECK_INT(CALL(&tree, set_times, file, &keep, &set), OK);
    struct p2_filesystem_types_descriptor_stat st;
    CHECK_INT(stat_at(&tree, 0, "dir/new", &st), OK);
    CHECK_INT(st.size, 3);
    CHECK_INT(st.type, P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    CHECK_INT(st.link_count, 1);
    CHECK_INT(st.data_modification_timestamp.some.seconds, 1000000000);
    CHECK_INT(st.data_modification_timestamp.some.nanoseconds, 5);
    CHECK(st.data_access_timestamp.some.seconds > 1000000000);
    set.timestamp.nanoseconds = 1000000000;
    CHECK_INT(CALL(&tree, set_times, file, &keep, &set), ERR(INVALID));
    set.timestamp = (struct p2_clocks_wall_clock_datetime){UINT64_MAX, 0};
    CHECK_INT(CALL(&tree, set_times_at, tree.rw, 0, STR("file"), &keep, &set), ERR(OVERFLOW));
    drop(&tree, file);
    tree_done(&tree);
}

TEST(files_are_streams)
{
    struct tree tree;
    tree_init(&tree);
    struct canon_call *call = &tree.fake.call;
    struct p2_filesystem_types_descriptor *file;
    CHECK_INT(open_at(&tree, tree.rw, "file", 0, FLAG(READ) | FLAG(WRITE), &file), OK);
    struct p2_result_io_streams_output_stream_filesystem_types_error_code append = {0}, over = {0};
    struct p2_result_io_streams_input_stream_filesystem_types_error_code in = {0};
    CHECK_INT(p2_filesystem_types_descriptor_append_via_stream(call, file, &append), 0);
    CHECK_INT(p2_filesystem_types_descriptor_write_via_stream(call, file, 3, &over), 0);
    CHECK_INT(p2_filesystem_types_descriptor_read_via_stream(call, file, 1, &in), 0);
    // The streams keep the file when its descriptor is dropped.
    drop(&tree, file);
    CHECK_INT(tree.fake.wasi.descriptor_count, 1);
    struct p2_result_void_io_streams_stream_error done = {0};
    CHECK_INT(
        p2_io_streams_output_stream_blocking_write_and_flush(call, append.ok, STR("++"), &done), 0);
    CHECK(!done.is_err);
    CHECK_INT(p2_io_streams_output_stream_blocking_write_and_flush(call, over.ok, STR("TE"), &done),
              0);
    struct p2_result_u64_io_streams_stream_error count = {0};
    CHECK_INT(p2_io_streams_input_stream_skip(call, in.ok, 1, &count), 0);
    CHECK_INT(count.ok, 1);
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(call, in.ok, 4, &read), 0);
    CHECK_STR(read.ok, "nTEn");
    CHECK_INT(p2_io_streams_output_stream_splice(call, append.ok, in.ok, 2, &count), 0);
    CHECK_INT(count.ok, 2);
    CHECK_INT(p2_io_streams_input_stream_read(call, in.ok, 100, &read), 0);
    CHECK_STR(read.ok, "+t+");
    CHECK_INT(p2_io_streams_input_stream_read(call, in.ok, 100, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(tree.fake.parks, 0);
    CHECK_INT(p2_io_streams_input_stream_drop(call, in.ok), 0);
    CHECK_INT(p2_io_streams_output_stream_drop(call, append.ok), 0);
    CHECK_INT(p2_io_streams_output_stream_drop(call, over.ok), 0);
    CHECK_INT(p2_filesystem_types_descriptor_read_via_stream(call, tree.rw, 0, &in), 0);
    CHECK(in.is_err);
    CHECK_INT(in.err, ERR(IS_DIRECTORY));
    tree_done(&tree);
}

TEST(open_files_are_bounded)
{
    struct tree tree;
    tree_init(&tree);
    struct p2_filesystem_types_descriptor *file;
    CHECK_INT(open_at(&tree, tree.rw, "file", 0, FLAG(READ), &file), OK);
    tree.fake.wasi.descriptor_count += WASI_DESCRIPTORS_MAX - 1;
    CHECK_INT(open_at(&tree, tree.rw, "file", 0, FLAG(READ), NULL), ERR(INSUFFICIENT_MEMORY));
    tree.fake.wasi.descriptor_count -= WASI_DESCRIPTORS_MAX - 1;
    drop(&tree, file);
    tree_done(&tree);
}

// ---- directories --------------------------------------------------------------------------------

TEST(directories_are_changed)
{
    struct tree tree;
    tree_init(&tree);
    CHECK_INT(CALL(&tree, create_directory_at, tree.rw, STR("dir/sub/")), OK);
    CHECK_INT(CALL(&tree, create_directory_at, tree.rw, STR("dir/sub")), ERR(EXIST));
    CHECK_INT(CALL(&tree, create_directory_at, tree.rw, STR("none/sub")), ERR(NO_ENTRY));
    CHECK_INT(CALL(&tree, remove_directory_at, tree.rw, STR("dir")), ERR(NOT_EMPTY));
    CHECK_INT(CALL(&tree, remove_directory_at, tree.rw, STR("file")), ERR(NOT_DIRECTORY));
    CHECK_INT(CALL(&tree, unlink_file_at, tree.rw, STR("dir")), ERR(IS_DIRECTORY));
    CHECK_INT(CALL(&tree, unlink_file_at, tree.rw, STR("file/")), ERR(NOT_DIRECTORY));
    CHECK_INT(CALL(&tree, rename_at, tree.rw, STR("file"), tree.rw, STR("dir/sub/moved")), OK);
    CHECK_INT(CALL(&tree, link_at, tree.rw, 0, STR("dir/sub/moved"), tree.rw, STR("file")), OK);
    CHECK_INT(CALL(&tree, link_at, tree.rw, 0, STR("dir"), tree.rw, STR("x")), ERR(NOT_PERMITTED));
    CHECK_INT(CALL(&tree, link_at, tree.rw, 0, STR("link"), tree.rw, STR("link2")), OK);
    CHECK_INT(CALL(&tree, link_at, tree.rw, FOLLOW, STR("link"), tree.rw, STR("link3")), OK);
    struct p2_filesystem_types_descriptor_stat st;
    CHECK_INT(stat_at(&tree, 0, "link2", &st), OK);
    CHECK_INT(st.type, P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK);
    CHECK_INT(stat_at(&tree, 0, "link3", &st), OK);
    CHECK_INT(st.type, P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    CHECK_INT(st.link_count, 3);
    CHECK_INT(CALL(&tree, symlink_at, tree.rw, STR("sub/moved"), STR("dir/s")), OK);
    struct p2_result_string_filesystem_types_error_code target = {0};
    CHECK_INT(
        p2_filesystem_types_descriptor_readlink_at(&tree.fake.call, tree.rw, STR("dir/s"), &target),
        0);
    CHECK_STR(target.ok, "sub/moved");
    CHECK_INT(p2_filesystem_types_descriptor_readlink_at(&tree.fake.call, tree.rw, STR("absolute"),
                                                         &target),
              0);
    CHECK_INT(target.err, ERR(NOT_PERMITTED));
    CHECK_INT(
        p2_filesystem_types_descriptor_readlink_at(&tree.fake.call, tree.rw, STR("dir"), &target),
        0);
    CHECK_INT(target.err, ERR(INVALID));
    CHECK_INT(CALL(&tree, unlink_file_at, tree.rw, STR("dir/sub/moved")), OK);
    CHECK_INT(CALL(&tree, remove_directory_at, tree.rw, STR("dir/sub")), OK);
    // A directory that was opened without asking to change it may be changed (p2_filesystem.h).
    struct p2_filesystem_types_descriptor *dir;
    CHECK_INT(open_at(&tree, tree.rw, "dir", OPEN(DIRECTORY), FLAG(READ), &dir), OK);
    CHECK_INT(CALL(&tree, unlink_file_at, dir, STR("s")), OK);
    CHECK_INT(CALL(&tree, rename_at, dir, STR("back"), tree.rw, STR("back")), OK);
    CHECK_INT(open_at(&tree, tree.rw, "file", OPEN(DIRECTORY), FLAG(READ), NULL),
              ERR(NOT_DIRECTORY));
    CHECK_INT(open_at(&tree, tree.rw, "new", OPEN(DIRECTORY) | OPEN(CREATE), FLAG(READ), NULL),
              ERR(INVALID));
    drop(&tree, dir);
    tree_done(&tree);
}

static size_t list(struct tree *tree, struct p2_filesystem_types_descriptor *dir)
{
    struct p2_result_filesystem_types_directory_entry_stream_filesystem_types_error_code stream = {
        0};
    CHECK_INT(p2_filesystem_types_descriptor_read_directory(&tree->fake.call, dir, &stream), 0);
    CHECK(!stream.is_err);
    size_t count = 0;
    for (;; count++) {
        struct p2_result_option_filesystem_types_directory_entry_filesystem_types_error_code entry =
            {0};
        CHECK_INT(p2_filesystem_types_directory_entry_stream_read_directory_entry(
                      &tree->fake.call, stream.ok, &entry),
                  0);
        CHECK(!entry.is_err);
        if (!entry.ok.is_some)
            break;
        CHECK(!str_starts(entry.ok.some.name, STR(".")));
        if (str_is(entry.ok.some.name, "dir"))
            CHECK_INT(entry.ok.some.type, P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY);
        if (str_is(entry.ok.some.name, "link"))
            CHECK_INT(entry.ok.some.type, P2_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK);
    }
    CHECK_INT(p2_filesystem_types_directory_entry_stream_drop(&tree->fake.call, stream.ok), 0);
    return count;
}

TEST(directories_are_listed)
{
    struct tree tree;
    tree_init(&tree);
    CHECK_INT(list(&tree, tree.rw), 8);
    CHECK_INT(list(&tree, tree.ro), 8);
    // A name that is not UTF-8 cannot be told.
    write_text(tree.preopens[0].fd, "\xff", "");
    CHECK_INT(list(&tree, tree.rw), 8);
    write_text(tree.preopens[0].fd, "\xc3\xa4", "");
    CHECK_INT(list(&tree, tree.rw), 9);
    tree_done(&tree);
}

TEST(objects_are_told_apart)
{
    struct tree tree;
    tree_init(&tree);
    struct canon_call *call = &tree.fake.call;
    bool same = false;
    CHECK_INT(p2_filesystem_types_descriptor_is_same_object(call, tree.rw, tree.ro, &same), 0);
    CHECK(same);
    struct p2_filesystem_types_descriptor *file;
    CHECK_INT(open_at(&tree, tree.rw, "file", 0, FLAG(READ) | FLAG(WRITE), &file), OK);
    CHECK_INT(p2_filesystem_types_descriptor_is_same_object(call, tree.rw, file, &same), 0);
    CHECK(!same);
    struct p2_result_filesystem_types_metadata_hash_value_filesystem_types_error_code a = {0},
                                                                                      b = {0};
    CHECK_INT(p2_filesystem_types_descriptor_metadata_hash(call, file, &a), 0);
    CHECK_INT(
        p2_filesystem_types_descriptor_metadata_hash_at(call, tree.ro, FOLLOW, STR("link"), &b), 0);
    CHECK(a.ok.lower == b.ok.lower && a.ok.upper == b.ok.upper);
    CHECK_INT(CALL(&tree, set_size, file, 100), OK);
    CHECK_INT(p2_filesystem_types_descriptor_metadata_hash(call, file, &b), 0);
    CHECK(a.ok.lower != b.ok.lower && a.ok.upper != b.ok.upper);
    drop(&tree, file);
    tree_done(&tree);
}

// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem 0.3: streams over files and directories, dropped at every step.
#include "wasi/p3_filesystem.h"

#include <fcntl.h>
#include <stddef.h>

#include "testing/test.h"
#include "wasi/p3_fake_test.h"

#define ERR(name)  P3_FILESYSTEM_TYPES_ERROR_CODE_##name
#define FLAG(name) P3_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name
#define OPEN(name) P3_FILESYSTEM_TYPES_OPEN_FLAGS_##name
typedef struct p3_filesystem_types_descriptor descriptor;
typedef struct p3_result_void_filesystem_types_error_code fs_result;

struct place {
    struct p3_fake p3;
    char path[64];
    struct wasi_preopen preopen;
    descriptor *dir;
};

static void place_init(struct place *place)
{
    *place = (struct place){0};
    snprintf(place->path, sizeof(place->path), "/tmp/wash-test-p3fs-XXXXXX");
    CHECK(mkdtemp(place->path));
    int fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    place->preopen = (struct wasi_preopen){STR("/"), fd, false};
    p3_fake_init(&place->p3);
    place->p3.fake.config.preopens = &place->preopen;
    place->p3.fake.config.preopen_count = 1;
    struct p3_list_tuple_filesystem_types_descriptor_string list;
    CHECK_INT(p3_filesystem_preopens_get_directories(&place->p3.fake.call, &list), 0);
    place->dir = list.data[0].f0;
}

static void drop(struct place *place, descriptor *file)
{
    CHECK_INT(p3_filesystem_types_descriptor_drop(&place->p3.fake.call, file), 0);
}

static void place_done(struct place *place)
{
    drop(place, place->dir);
    p3_fake_done(&place->p3);
    close(place->preopen.fd);
    char *command = mem_printf("rm -rf %s", place->path);
    FILE *rm = popen(command, "r");
    CHECK(rm);
    pclose(rm);
    free(command);
}

// Its error code, or NULL and the descriptor.
static int open_code(struct place *place, descriptor *dir, const char *path, uint8_t how,
                     uint8_t flags, descriptor **out)
{
    struct p3_result_filesystem_types_descriptor_filesystem_types_error_code ret = {0};
    CHECK_INT(p3_filesystem_types_descriptor_open_at(&place->p3.fake.call, NULL, dir, 0,
                                                     str_from(path), how, flags, &ret),
              0);
    if (ret.is_err)
        return (int)ret.err.tag;
    *out = ret.ok;
    return -1;
}

static descriptor *open_file(struct place *place, const char *path, uint8_t how, uint8_t flags)
{
    descriptor *file = NULL;
    CHECK_INT(open_code(place, place->dir, path, how, flags, &file), -1);
    return file;
}

static void await(struct p3_outcome *outcome, struct stream *future)
{
    p3_outcome_await(outcome, future, &p3_codec_result_void_filesystem_types_error_code,
                     offsetof(fs_result, err.tag));
}

static void begin_writing(struct place *place, descriptor *file, struct p3_writer *writer,
                          struct p3_outcome *outcome)
{
    struct stream *future;
    struct stream *data = p3_writer_begin(&place->p3, writer);
    CHECK_INT(p3_filesystem_types_descriptor_write_via_stream(&place->p3.fake.call, file, data, 0,
                                                              &future),
              0);
    await(outcome, future);
}

static descriptor *file_with(struct place *place, const char *path, struct str text)
{
    struct p3_writer writer;
    struct p3_outcome outcome;
    descriptor *file = open_file(place, path, OPEN(CREATE), FLAG(READ) | FLAG(WRITE));
    begin_writing(place, file, &writer, &outcome);
    p3_writer_put(&writer, text);
    p3_turn_until(&place->p3, &writer.has_written);
    p3_writer_drop(&writer);
    p3_turn_until(&place->p3, &outcome.is_there);
    CHECK(!outcome.is_err);
    return file;
}

static void begin_reading(struct place *place, descriptor *file, uint64_t offset,
                          struct p3_reader *reader, struct p3_outcome *outcome)
{
    struct p3_tuple_stream_u8_future_result_void_filesystem_types_error_code ret;
    CHECK_INT(
        p3_filesystem_types_descriptor_read_via_stream(&place->p3.fake.call, file, offset, &ret),
        0);
    await(outcome, ret.f1);
    p3_reader_begin(reader, ret.f0);
}

TEST(a_file_is_written_and_read)
{
    struct place place;
    struct p3_outcome outcome;
    struct p3_reader reader = {0};
    place_init(&place);
    descriptor *file = file_with(&place, "file", STR("0123456789"));
    begin_reading(&place, file, 4, &reader, &outcome);
    drop(&place, file); // the stream lives longer
    p3_turn_until(&place.p3, &reader.has_ended);
    p3_turn_until(&place.p3, &outcome.is_there);
    CHECK(!outcome.is_err);
    CHECK_STR(buf_str(&reader.data), "456789");
    p3_reader_done(&reader);
    place_done(&place);
}

TEST(either_end_of_a_file_may_go_at_any_time)
{
    struct place place;
    struct p3_outcome outcome;
    struct p3_writer writer;
    place_init(&place);
    descriptor *file = file_with(&place, "file", STR("content"));
    for (int step = 0; step < 3; step++) {
        struct p3_reader reader = {.is_paused = true};
        begin_reading(&place, file, 0, &reader, &outcome);
        if (step == 1)
            p3_turn_until(&place.p3, &reader.has_some);
        if (step == 2) {
            p3_reader_done(&reader);
            reader = (struct p3_reader){0};
            begin_reading(&place, file, 0, &reader, &outcome);
        }
        p3_reader_done(&reader);
        p3_turn_until(&place.p3, &outcome.is_there);
        CHECK(outcome.has_value && !outcome.is_err);
    }
    begin_writing(&place, file, &writer, &outcome); // without a byte
    p3_writer_drop(&writer);
    p3_turn_until(&place.p3, &outcome.is_there);
    CHECK(outcome.has_value && !outcome.is_err);
    begin_writing(&place, file, &writer, &outcome); // the store ends first
    p3_writer_put(&writer, STR("more"));
    drop(&place, file);
    place_done(&place);
}

TEST(refusals_are_told_at_once)
{
    struct place place;
    struct p3_outcome outcome;
    struct p3_writer writer;
    struct p3_reader reader = {0};
    place_init(&place);
    drop(&place, file_with(&place, "file", STR("content")));
    descriptor *r = open_file(&place, "file", 0, FLAG(READ));
    descriptor *w = open_file(&place, "file", 0, FLAG(WRITE));
    struct p3_tuple_stream_u8_future_result_void_filesystem_types_error_code ret;
    CHECK_INT(p3_filesystem_types_descriptor_read_via_stream(&place.p3.fake.call, w, 0, &ret), 0);
    await(&outcome, ret.f1); // before the stream is read
    CHECK(outcome.is_there && outcome.is_err && outcome.tag == ERR(BAD_DESCRIPTOR));
    p3_reader_begin(&reader, ret.f0);
    CHECK(reader.has_ended && reader.data.len == 0);
    p3_reader_done(&reader);
    begin_writing(&place, r, &writer, &outcome);
    CHECK(outcome.is_there && outcome.tag == ERR(BAD_DESCRIPTOR) && writer.is_dropped);
    begin_writing(&place, place.dir, &writer, &outcome);
    CHECK(outcome.is_there && outcome.tag == ERR(BAD_DESCRIPTOR) && writer.is_dropped);
    begin_reading(&place, place.dir, 0, &reader, &outcome);
    CHECK(outcome.is_there && outcome.tag == ERR(IS_DIRECTORY) && reader.has_ended);
    p3_reader_done(&reader);
    drop(&place, r);
    drop(&place, w);
    place_done(&place);
}

TEST(a_full_disk_ends_the_writer)
{
    struct place place;
    struct p3_outcome outcome;
    struct p3_writer writer;
    place_init(&place);
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);
    CHECK(full >= 0);
    descriptor *file = file_with(&place, "file", STR("x"));
    CHECK(dup3(full, file->node.file->fd, O_CLOEXEC) >= 0);
    close(full);
    begin_writing(&place, file, &writer, &outcome);
    p3_writer_put(&writer, STR("more"));
    p3_turn_until(&place.p3, &outcome.is_there);
    CHECK(outcome.is_err && outcome.tag == ERR(INSUFFICIENT_SPACE) && writer.is_dropped);
    drop(&place, file);
    place_done(&place);
}

// ---- directories --------------------------------------------------------------------------------

struct lister {
    struct stream *stream;
    uint32_t count;
    bool is_paused, has_ended;
};

static int entries_offered(struct stream *stream, void *data)
{
    struct lister *lister = data;
    struct p3_filesystem_types_directory_entry list[8];
    uint32_t count = 0;
    if (lister->is_paused)
        return 0;
    CHECK_INT(stream_take(stream, &p3_codec_filesystem_types_directory_entry, list, 8, &count), 0);
    for (uint32_t i = 0; i < count; i++)
        CHECK(str_starts(list[i].name, STR("entry-")));
    lister->count += count;
    return 0;
}

static void entries_ended(struct stream *stream, void *data)
{
    struct lister *lister = data;
    lister->stream = NULL;
    lister->has_ended = true;
}

static const struct stream_host_ops lister_ops = {.offered = entries_offered,
                                                  .dropped = entries_ended};

static void begin_listing(struct place *place, descriptor *dir, struct lister *lister,
                          struct p3_outcome *outcome)
{
    struct
        p3_tuple_stream_filesystem_types_directory_entry_future_result_void_filesystem_types_error_code
            ret;
    CHECK_INT(p3_filesystem_types_descriptor_read_directory(&place->p3.fake.call, dir, &ret), 0);
    await(outcome, ret.f1);
    lister->stream = ret.f0;
    CHECK_INT(stream_read_by(ret.f0, &lister_ops, lister), 0);
}

TEST(directories_are_listed_or_given_up)
{
    struct place place;
    struct p3_outcome outcome;
    place_init(&place);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "entry-%d", i);
        drop(&place, file_with(&place, name, STR("x")));
    }
    struct lister lister = {0};
    begin_listing(&place, place.dir, &lister, &outcome);
    while (!lister.has_ended)
        stream_again(lister.stream);
    p3_turn_until(&place.p3, &outcome.is_there);
    CHECK(!outcome.is_err && lister.count == 3);
    lister = (struct lister){.is_paused = true};
    begin_listing(&place, place.dir, &lister, &outcome);
    stream_close_reader(lister.stream);
    p3_turn_until(&place.p3, &outcome.is_there);
    CHECK(outcome.has_value && !outcome.is_err);
    descriptor *file = open_file(&place, "entry-0", 0, FLAG(READ));
    lister = (struct lister){0};
    begin_listing(&place, file, &lister, &outcome);
    CHECK(outcome.is_there && outcome.tag == ERR(NOT_DIRECTORY) && lister.has_ended);
    lister = (struct lister){.is_paused = true};
    begin_listing(&place, place.dir, &lister, &outcome); // the store ends first
    drop(&place, file);
    place_done(&place);
}

TEST(rights_are_asked_for)
{
    struct place place;
    descriptor *none = NULL;
    fs_result made = {0};
    place_init(&place);
    CHECK_INT(p3_filesystem_types_descriptor_create_directory_at(&place.p3.fake.call, NULL,
                                                                 place.dir, STR("dir"), &made),
              0);
    CHECK(!made.is_err);
    descriptor *r = open_file(&place, "dir", OPEN(DIRECTORY), FLAG(READ));
    descriptor *m = open_file(&place, "dir", OPEN(DIRECTORY), FLAG(READ) | FLAG(MUTATE_DIRECTORY));
    CHECK_INT(open_code(&place, r, "new", OPEN(CREATE), FLAG(WRITE), &none), ERR(READ_ONLY));
    CHECK_INT(open_code(&place, r, ".", 0, FLAG(MUTATE_DIRECTORY), &none), ERR(READ_ONLY));
    CHECK_INT(p3_filesystem_types_descriptor_create_directory_at(&place.p3.fake.call, NULL, r,
                                                                 STR("sub"), &made),
              0);
    CHECK(made.is_err && made.err.tag == ERR(READ_ONLY));
    CHECK_INT(p3_filesystem_types_descriptor_create_directory_at(&place.p3.fake.call, NULL, m,
                                                                 STR("sub"), &made),
              0);
    CHECK(!made.is_err);
    drop(&place, r);
    drop(&place, m);
    place_done(&place);
}

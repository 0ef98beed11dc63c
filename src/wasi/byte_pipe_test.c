// SPDX-License-Identifier: Apache-2.0
#include "wasi/byte_pipe.h"

#include <errno.h>

#include "testing/test.h"
#include "wasi/task_fake.h"

struct ends {
    struct p2_io_streams_input_stream *reader;
    struct p2_io_streams_output_stream *writer;
};

static struct ends open_pipe(void)
{
    struct ends ends;
    byte_pipe_new(&ends.reader, &ends.writer);
    return ends;
}

TEST(a_pipe_passes_bytes_up_to_its_size)
{
    struct ends ends = open_pipe();
    char data[BYTE_PIPE_BYTES], got[BYTE_PIPE_BYTES];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    CHECK_INT(wasi_input_take(ends.reader, got, 10), -EAGAIN);
    CHECK_INT(wasi_output_room(ends.writer), BYTE_PIPE_BYTES);
    CHECK_INT(wasi_output_push(ends.writer, str_of(data, sizeof(data))), 0);
    CHECK_INT(wasi_output_room(ends.writer), 0);
    CHECK_INT(wasi_input_take(ends.reader, got, 1000), 1000);
    CHECK_INT(wasi_output_push(ends.writer, str_of(data, 1000)), 0);
    size_t len = 1000;
    for (ssize_t part; (part = wasi_input_take(ends.reader, got + len, sizeof(got) - len)) > 0;)
        len += (size_t)part;
    CHECK_INT(len, sizeof(got));
    CHECK(memcmp(got, data, sizeof(data)) == 0);
    CHECK_INT(wasi_input_take(ends.reader, got, 2000), 1000);
    CHECK(memcmp(got, data, 1000) == 0);
    wasi_output_release(ends.writer);
    CHECK_INT(wasi_input_take(ends.reader, got, 10), -EPIPE);
    wasi_input_release(ends.reader);
}

TEST(a_pipe_ends_behind_what_was_written)
{
    struct ends ends = open_pipe();
    char got[10];
    CHECK_INT(wasi_output_push(ends.writer, STR("last")), 0);
    byte_pipe_end(ends.writer);
    CHECK_INT(wasi_output_room(ends.writer), -EPIPE);
    CHECK_INT(wasi_input_take(ends.reader, got, sizeof(got)), 4);
    CHECK_INT(wasi_input_take(ends.reader, got, sizeof(got)), -EPIPE);
    wasi_input_release(ends.reader);
    wasi_output_release(ends.writer);
}

TEST(a_pipe_without_reader_is_closed)
{
    struct ends ends = open_pipe();
    wasi_input_release(ends.reader);
    CHECK_INT(wasi_output_room(ends.writer), -EPIPE);
    CHECK_INT(wasi_output_push(ends.writer, STR("x")), -EPIPE);
    wasi_output_release(ends.writer);
}

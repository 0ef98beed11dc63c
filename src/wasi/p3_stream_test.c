// SPDX-License-Identifier: Apache-2.0
// Streams of 0.3 between two sides of the host.
#include "testing/test.h"
#include "wasi/p3_fake_test.h"

// The writer has put down its bytes and is gone; the reader has taken none of them.
static void leave_bytes(struct p3_fake *p3, struct p3_writer *writer, struct p3_reader *reader)
{
    *reader = (struct p3_reader){.is_paused = true};
    p3_fake_init(p3);
    struct stream *stream = p3_writer_begin(p3, writer);
    p3_reader_begin(reader, stream);
    p3_writer_put(writer, STR("some bytes"));
    CHECK(writer->has_written);
    p3_writer_drop(writer);
    p3_turn(p3);
    CHECK(!reader->has_ended);
    CHECK_INT(p3->store.host_count, 1);
}

TEST(what_was_written_is_read_when_its_writer_is_gone)
{
    struct p3_fake p3;
    struct p3_writer writer;
    struct p3_reader reader;
    leave_bytes(&p3, &writer, &reader);
    reader.is_paused = false;
    stream_again(reader.stream);
    CHECK_STR(buf_str(&reader.data), "some bytes");
    CHECK(reader.has_ended);
    p3_reader_done(&reader);
    p3_fake_done(&p3);
}

TEST(what_was_written_need_not_be_read)
{
    struct p3_fake p3;
    struct p3_writer writer;
    struct p3_reader reader;
    leave_bytes(&p3, &writer, &reader);
    p3_reader_done(&reader);
    p3_fake_done(&p3);
}

TEST(what_was_written_goes_with_its_store)
{
    struct p3_fake p3;
    struct p3_writer writer;
    struct p3_reader reader;
    leave_bytes(&p3, &writer, &reader);
    p3_fake_done(&p3);
    CHECK(reader.has_ended && !writer.is_dropped);
    p3_reader_done(&reader);
}

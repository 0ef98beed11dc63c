// SPDX-License-Identifier: Apache-2.0
// wasi:io over streams of the test, wasi:clocks on the virtual clock.
#include "wasi/io.h"

#include <errno.h>

#include "testing/test.h"
#include "wasi/task_fake.h"

// ---- streams of the test ------------------------------------------------------------------------

// Gives `text`, after `delay_ns` if that is set; then ends or fails.
struct source {
    struct p2_io_streams_input_stream stream;
    struct str text;
    int failure; // negative errno at the end of the text
    uint64_t delay_ns;
    struct loop_timer timer;
    int watches;
    bool dropped;
};

static struct source *source_of(struct p2_io_streams_input_stream *stream)
{
    return container_of(stream, struct source, stream);
}

static ssize_t source_peek(struct p2_io_streams_input_stream *stream, size_t max, struct str *out,
                           struct p2_io_error_error **failure)
{
    struct source *source = source_of(stream);
    if (source->delay_ns)
        return -EAGAIN;
    if (source->text.len == 0 && source->failure) {
        *failure = io_error_new(source->failure, "source: %s", strerror(-source->failure));
        return -EIO;
    }
    *out = str_sub(source->text, 0, max);
    return (ssize_t)out->len;
}

static void source_consume(struct p2_io_streams_input_stream *stream, size_t len)
{
    source_of(stream)->text = str_from_index(source_of(stream)->text, len);
}

static void source_due(struct loop_timer *timer)
{
    struct source *source = container_of(timer, struct source, timer);
    source->delay_ns = 0;
    wasi_event_wake(&source->stream.event);
}

static void source_watch(struct p2_io_streams_input_stream *stream)
{
    struct source *source = source_of(stream);
    source->watches++;
    loop_timer_start(&source->timer, source->delay_ns);
}

static void source_unwatch(struct p2_io_streams_input_stream *stream)
{
    source_of(stream)->watches--;
    loop_timer_stop(&source_of(stream)->timer);
}

static void source_drop(struct p2_io_streams_input_stream *stream)
{
    source_of(stream)->dropped = true;
    loop_timer_done(&source_of(stream)->timer);
}

static const struct input_stream_ops source_ops = {
    .peek = source_peek,
    .consume = source_consume,
    .watch = source_watch,
    .unwatch = source_unwatch,
    .drop = source_drop,
};

static void source_init(struct source *source, struct fake *fake, const char *text)
{
    *source = (struct source){.text = str_from(text)};
    input_stream_init(&source->stream, &source_ops, NULL);
    loop_timer_init(&source->timer, fake->loop, source_due);
}

// Takes bytes into `data` while its window is open; a delay opens it again by 4 bytes, and ends a
// flush.
struct sink {
    struct p2_io_streams_output_stream stream;
    struct loop_timer timer;
    size_t window;
    int failure; // negative errno that the next budget tells
    bool slow_flush, flushing, dropped;
    size_t len;
    char data[64];
};

static struct sink *sink_of(struct p2_io_streams_output_stream *stream)
{
    return container_of(stream, struct sink, stream);
}

static ssize_t sink_budget(struct p2_io_streams_output_stream *stream,
                           struct p2_io_error_error **failure)
{
    struct sink *sink = sink_of(stream);
    if (sink->failure == -EPIPE)
        return -EPIPE;
    if (sink->failure) {
        *failure = io_error_new(sink->failure, "sink: %s", strerror(-sink->failure));
        return -EIO;
    }
    return (ssize_t)sink->window;
}

static int sink_write(struct p2_io_streams_output_stream *stream, struct str data,
                      struct p2_io_error_error **failure)
{
    struct sink *sink = sink_of(stream);
    CHECK(data.len <= sink->window);
    CHECK(data.len <= sizeof(sink->data) - sink->len);
    memcpy(sink->data + sink->len, data.data, data.len);
    sink->len += data.len;
    sink->window -= data.len;
    return 0;
}

static int sink_flush(struct p2_io_streams_output_stream *stream,
                      struct p2_io_error_error **failure)
{
    sink_of(stream)->flushing = sink_of(stream)->slow_flush;
    return 0;
}

static bool sink_flushing(struct p2_io_streams_output_stream *stream)
{
    return sink_of(stream)->flushing;
}

static void sink_due(struct loop_timer *timer)
{
    struct sink *sink = container_of(timer, struct sink, timer);
    sink->window = 4;
    sink->flushing = false;
    wasi_event_wake(&sink->stream.event);
}

static void sink_watch(struct p2_io_streams_output_stream *stream)
{
    loop_timer_start(&sink_of(stream)->timer, 1000000);
}

static void sink_drop(struct p2_io_streams_output_stream *stream)
{
    sink_of(stream)->dropped = true;
    loop_timer_done(&sink_of(stream)->timer);
}

static const struct output_stream_ops sink_ops = {
    .budget = sink_budget,
    .write = sink_write,
    .flush = sink_flush,
    .flushing = sink_flushing,
    .watch = sink_watch,
    .drop = sink_drop,
};

static void sink_init(struct sink *sink, struct fake *fake, size_t window)
{
    *sink = (struct sink){.window = window};
    output_stream_init(&sink->stream, &sink_ops, NULL);
    loop_timer_init(&sink->timer, fake->loop, sink_due);
}

static struct str sink_text(const struct sink *sink)
{
    return str_of(sink->data, sink->len);
}

static void drop_pollable(struct fake *fake, struct p2_io_poll_pollable *pollable)
{
    CHECK_INT(p2_io_poll_pollable_drop(&fake->call, pollable), 0);
}

// ---- input streams ------------------------------------------------------------------------------

TEST(input_reads_to_the_end_and_is_closed_then)
{
    struct fake fake;
    struct source source;
    fake_init(&fake, false);
    source_init(&source, &fake, "hello");
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, 0, &read), 0);
    CHECK(!read.is_err && read.ok.len == 0);
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, 2, &read), 0);
    CHECK(!read.is_err);
    CHECK_STR(read.ok, "he");
    struct p2_result_u64_io_streams_stream_error skipped = {0};
    CHECK_INT(p2_io_streams_input_stream_skip(&fake.call, &source.stream, 1, &skipped), 0);
    CHECK(!skipped.is_err);
    CHECK_INT(skipped.ok, 1);
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, UINT64_MAX, &read), 0);
    CHECK_STR(read.ok, "lo");
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, &source.stream, 9, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(read.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    read = (struct p2_result_bytes_io_streams_stream_error){0};
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, 0, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(fake.parks, 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, &source.stream), 0);
    CHECK(source.dropped);
    fake_done(&fake);
}

TEST(input_tells_a_failure_once_and_is_closed_then)
{
    struct fake fake;
    struct source source;
    fake_init(&fake, false);
    source_init(&source, &fake, "");
    source.failure = -ENOSPC;
    // Asking for readiness sees the failure first; it must not get lost.
    struct p2_io_poll_pollable *pollable;
    bool ready = false;
    CHECK_INT(p2_io_streams_input_stream_subscribe(&fake.call, &source.stream, &pollable), 0);
    CHECK_INT(p2_io_poll_pollable_ready(&fake.call, pollable, &ready), 0);
    CHECK(ready);
    drop_pollable(&fake, pollable);
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, 9, &read), 0);
    CHECK(read.is_err);
    CHECK_INT(read.err.tag, P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    struct str text;
    struct p2_io_error_error *error = read.err.last_operation_failed;
    CHECK_INT(p2_io_error_error_to_debug_string(&fake.call, error, &text), 0);
    CHECK_STR(text, "source: No space left on device");
    struct p2_option_filesystem_types_error_code code = {0};
    CHECK_INT(p2_filesystem_types_filesystem_error_code(&fake.call, error, &code), 0);
    CHECK(code.is_some);
    CHECK_INT(code.some, P2_FILESYSTEM_TYPES_ERROR_CODE_INSUFFICIENT_SPACE);
    CHECK_INT(p2_io_error_error_drop(&fake.call, error), 0);
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, 9, &read), 0);
    CHECK_INT(read.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, &source.stream), 0);
    fake_done(&fake);
}

TEST(input_waits_for_bytes)
{
    struct fake fake;
    struct source source;
    fake_init(&fake, false);
    source_init(&source, &fake, "late");
    source.delay_ns = 1000000;
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, 9, &read), 0);
    CHECK(!read.is_err && read.ok.len == 0);
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&fake.call, &source.stream, 9, &read), 0);
    CHECK_STR(read.ok, "late");
    CHECK_INT(fake.parks, 1);
    CHECK_INT(source.watches, 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, &source.stream), 0);
    fake_done(&fake);
}

TEST(input_read_is_bounded)
{
    struct fake fake;
    struct source source;
    fake_init(&fake, false);
    source_init(&source, &fake, "");
    static char many[100000];
    source.text = str_of(many, sizeof(many));
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(p2_io_streams_input_stream_read(&fake.call, &source.stream, UINT64_MAX, &read), 0);
    CHECK_INT(read.ok.len, WASI_STREAM_READ_BYTES);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, &source.stream), 0);
    fake_done(&fake);
}

TEST(stream_outlives_its_pollables)
{
    struct fake fake;
    struct source source;
    struct sink sink;
    fake_init(&fake, false);
    source_init(&source, &fake, "x");
    sink_init(&sink, &fake, 4);
    struct p2_io_poll_pollable *in, *out;
    CHECK_INT(p2_io_streams_input_stream_subscribe(&fake.call, &source.stream, &in), 0);
    CHECK_INT(p2_io_streams_output_stream_subscribe(&fake.call, &sink.stream, &out), 0);
    CHECK(p2_io_streams_input_stream_drop(&fake.call, &source.stream) < 0);
    CHECK_CONTAINS(error_text(&fake.error), "dropped before its 1 pollables");
    CHECK(p2_io_streams_output_stream_drop(&fake.call, &sink.stream) < 0);
    // At the end of the store they may go in any order.
    fake.call.teardown = true;
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, &source.stream), 0);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);
    CHECK(!source.dropped && !sink.dropped);
    drop_pollable(&fake, in);
    drop_pollable(&fake, out);
    CHECK(source.dropped && sink.dropped);
    fake_done(&fake);
}

// ---- output streams -----------------------------------------------------------------------------

TEST(output_traps_beyond_its_permit)
{
    struct fake fake;
    struct sink sink;
    fake_init(&fake, false);
    sink_init(&sink, &fake, 8);
    struct p2_result_void_io_streams_stream_error done = {0};
    struct p2_result_u64_io_streams_stream_error permit = {0};
    CHECK(p2_io_streams_output_stream_write(&fake.call, &sink.stream, STR("a"), &done) < 0);
    CHECK_INT(p2_io_streams_output_stream_check_write(&fake.call, &sink.stream, &permit), 0);
    CHECK_INT(permit.ok, 8);
    CHECK_INT(p2_io_streams_output_stream_write(&fake.call, &sink.stream, STR("abcdef"), &done), 0);
    CHECK(!done.is_err);
    CHECK(p2_io_streams_output_stream_write(&fake.call, &sink.stream, STR("ghi"), &done) < 0);
    CHECK_CONTAINS(error_text(&fake.error), "write of 3 bytes, check-write permitted 2");
    CHECK(p2_io_streams_output_stream_write_zeroes(&fake.call, &sink.stream, 3, &done) < 0);
    CHECK_INT(p2_io_streams_output_stream_write_zeroes(&fake.call, &sink.stream, 2, &done), 0);
    CHECK(!done.is_err);
    CHECK(str_eq(sink_text(&sink), str_of("abcdef\0\0", 8)));
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);
    fake_done(&fake);
}

TEST(output_blocks_until_all_is_written_and_flushed)
{
    struct fake fake;
    struct sink sink;
    fake_init(&fake, false);
    sink_init(&sink, &fake, 3);
    sink.slow_flush = true;
    struct p2_result_void_io_streams_stream_error done = {0};
    CHECK_INT(p2_io_streams_output_stream_blocking_write_and_flush(&fake.call, &sink.stream,
                                                                   STR("0123456789"), &done),
              0);
    CHECK(!done.is_err);
    CHECK_STR(sink_text(&sink), "0123456789");
    CHECK_INT(fake.parks, 3); // 3 + 4 + 3 bytes, and the flush
    static char big[WASI_STREAM_BLOCKING_BYTES + 1];
    CHECK(p2_io_streams_output_stream_blocking_write_and_flush(
              &fake.call, &sink.stream, str_of(big, sizeof(big)), &done) < 0);
    CHECK(p2_io_streams_output_stream_blocking_write_zeroes_and_flush(&fake.call, &sink.stream,
                                                                      4097, &done) < 0);
    CHECK_INT(p2_io_streams_output_stream_blocking_write_zeroes_and_flush(&fake.call, &sink.stream,
                                                                          5, &done),
              0);
    CHECK_INT(sink.len, 15);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);
    fake_done(&fake);
}

TEST(output_permits_nothing_during_a_flush)
{
    struct fake fake;
    struct sink sink;
    fake_init(&fake, false);
    sink_init(&sink, &fake, 8);
    sink.slow_flush = true;
    struct p2_result_void_io_streams_stream_error done = {0};
    struct p2_result_u64_io_streams_stream_error permit = {0};
    CHECK_INT(p2_io_streams_output_stream_check_write(&fake.call, &sink.stream, &permit), 0);
    CHECK_INT(p2_io_streams_output_stream_flush(&fake.call, &sink.stream, &done), 0);
    CHECK_INT(p2_io_streams_output_stream_check_write(&fake.call, &sink.stream, &permit), 0);
    CHECK(!permit.is_err);
    CHECK_INT(permit.ok, 0);
    CHECK(p2_io_streams_output_stream_write(&fake.call, &sink.stream, STR("a"), &done) < 0);
    CHECK_INT(p2_io_streams_output_stream_blocking_flush(&fake.call, &sink.stream, &done), 0);
    CHECK(!done.is_err);
    CHECK_INT(p2_io_streams_output_stream_check_write(&fake.call, &sink.stream, &permit), 0);
    CHECK_INT(permit.ok, 4);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);
    fake_done(&fake);
}

TEST(output_tells_failures_and_closing)
{
    struct fake fake;
    struct sink sink;
    fake_init(&fake, false);
    sink_init(&sink, &fake, 8);
    struct p2_result_void_io_streams_stream_error done = {0};
    struct p2_result_u64_io_streams_stream_error permit = {0};
    CHECK_INT(p2_io_streams_output_stream_check_write(&fake.call, &sink.stream, &permit), 0);
    sink.failure = -EDQUOT;
    CHECK_INT(p2_io_streams_output_stream_blocking_flush(&fake.call, &sink.stream, &done), 0);
    CHECK(done.is_err);
    CHECK_INT(done.err.tag, P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    CHECK_INT(p2_io_error_error_drop(&fake.call, done.err.last_operation_failed), 0);
    CHECK_INT(p2_io_streams_output_stream_write(&fake.call, &sink.stream, STR("a"), &done), 0);
    CHECK(done.is_err);
    CHECK_INT(done.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);

    sink_init(&sink, &fake, 8);
    sink.failure = -EPIPE;
    CHECK_INT(p2_io_streams_output_stream_check_write(&fake.call, &sink.stream, &permit), 0);
    CHECK(permit.is_err);
    CHECK_INT(permit.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);
    fake_done(&fake);
}

TEST(splice_moves_what_both_sides_allow)
{
    struct fake fake;
    struct source source;
    struct sink sink;
    fake_init(&fake, false);
    source_init(&source, &fake, "abcdefgh");
    sink_init(&sink, &fake, 3);
    struct p2_result_u64_io_streams_stream_error moved = {0};
    CHECK_INT(
        p2_io_streams_output_stream_splice(&fake.call, &sink.stream, &source.stream, 100, &moved),
        0);
    CHECK_INT(moved.ok, 3);
    moved.ok = 9;
    CHECK_INT(
        p2_io_streams_output_stream_splice(&fake.call, &sink.stream, &source.stream, 100, &moved),
        0);
    CHECK(!moved.is_err);
    CHECK_INT(moved.ok, 0);
    source.delay_ns = 1000;
    CHECK_INT(p2_io_streams_output_stream_blocking_splice(&fake.call, &sink.stream, &source.stream,
                                                          2, &moved),
              0);
    CHECK_INT(moved.ok, 2);
    CHECK_INT(fake.parks, 2);
    CHECK_STR(sink_text(&sink), "abcde");
    source.text = STR_EMPTY;
    CHECK_INT(
        p2_io_streams_output_stream_splice(&fake.call, &sink.stream, &source.stream, 100, &moved),
        0);
    CHECK(moved.is_err);
    CHECK_INT(moved.err.tag, P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    CHECK(source.stream.closed && !sink.stream.closed);
    CHECK_INT(p2_io_streams_input_stream_drop(&fake.call, &source.stream), 0);
    CHECK_INT(p2_io_streams_output_stream_drop(&fake.call, &sink.stream), 0);
    fake_done(&fake);
}

// ---- poll and clocks ----------------------------------------------------------------------------

TEST(poll_answers_all_that_are_ready)
{
    struct fake fake;
    fake_init(&fake, false);
    struct p2_io_poll_pollable *list[4] = {NULL, pollable_new_ready(), NULL, pollable_new_ready()};
    CHECK_INT(p2_clocks_monotonic_clock_subscribe_duration(&fake.call, UINT64_MAX, &list[0]), 0);
    CHECK_INT(p2_clocks_monotonic_clock_subscribe_duration(&fake.call, 2000000, &list[2]), 0);
    struct p2_list_u32 ready;
    struct p2_list_io_poll_pollable in = {list, 4};
    CHECK_INT(p2_io_poll_poll(&fake.call, in, &ready), 0);
    CHECK_INT(ready.len, 2);
    CHECK_INT(ready.data[0], 1);
    CHECK_INT(ready.data[1], 3);
    CHECK_INT(fake.parks, 0);
    in.len = 1;
    struct p2_io_poll_pollable *waiting[3] = {list[0], list[2], list[2]};
    in = (struct p2_list_io_poll_pollable){waiting, 3};
    CHECK_INT(p2_io_poll_poll(&fake.call, in, &ready), 0);
    CHECK_INT(ready.len, 2);
    CHECK_INT(ready.data[0], 1);
    CHECK(fake.parks > 0);
    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        drop_pollable(&fake, list[i]);
    in.len = 0;
    CHECK(p2_io_poll_poll(&fake.call, in, &ready) < 0);
    in.len = WASI_POLL_LIST_MAX + 1;
    CHECK(p2_io_poll_poll(&fake.call, in, &ready) < 0);
    fake_done(&fake);
}

TEST(clock_wakes_at_its_instant)
{
    struct fake fake;
    fake_init(&fake, true);
    uint64_t now, far = (uint64_t)40 * 24 * 3600 * 1000000000;
    CHECK_INT(p2_clocks_monotonic_clock_now(&fake.call, &now), 0);
    struct p2_io_poll_pollable *soon, *later, *past;
    CHECK_INT(p2_clocks_monotonic_clock_subscribe_instant(&fake.call, now + 5000000, &soon), 0);
    CHECK_INT(p2_clocks_monotonic_clock_subscribe_duration(&fake.call, far, &later), 0);
    CHECK_INT(p2_clocks_monotonic_clock_subscribe_instant(&fake.call, now, &past), 0);
    bool ready = false;
    CHECK_INT(p2_io_poll_pollable_ready(&fake.call, past, &ready), 0);
    CHECK(ready);
    CHECK_INT(p2_io_poll_pollable_ready(&fake.call, soon, &ready), 0);
    CHECK(!ready);
    loop_advance(fake.loop, 5000000);
    CHECK_INT(p2_io_poll_pollable_block(&fake.call, soon), 0);
    // Longer than one timer is set for: it is set again.
    struct task_wait wait;
    struct wasi_watch watch;
    task_wait_begin(&wait, &fake.call);
    wasi_watch_begin(&watch, later->ops, later->source, later->event, &wait);
    for (int day = 0; day < 39; day++)
        loop_advance(fake.loop, (uint64_t)24 * 3600 * 1000000000);
    CHECK(!wait.woken);
    loop_advance(fake.loop, (uint64_t)24 * 3600 * 1000000000);
    CHECK(wait.woken);
    wasi_watch_end(&watch);
    drop_pollable(&fake, soon);
    drop_pollable(&fake, later);
    drop_pollable(&fake, past);
    fake_done(&fake);
}

TEST(wall_clock_is_the_systems)
{
    struct fake fake;
    fake_init(&fake, false);
    time_t before = time(NULL);
    struct p2_clocks_wall_clock_datetime now = {0}, resolution = {0};
    uint64_t tick = 0;
    CHECK_INT(p2_clocks_wall_clock_now(&fake.call, &now), 0);
    CHECK(now.seconds >= (uint64_t)before && now.seconds <= (uint64_t)before + 10);
    CHECK(now.nanoseconds < 1000000000);
    CHECK_INT(p2_clocks_wall_clock_resolution(&fake.call, &resolution), 0);
    CHECK(resolution.nanoseconds > 0);
    CHECK_INT(p2_clocks_monotonic_clock_resolution(&fake.call, &tick), 0);
    CHECK(tick > 0);
    fake_done(&fake);
}

TEST(random_gives_what_was_asked_for)
{
    struct fake fake;
    fake_init(&fake, false);
    struct str a, b;
    CHECK_INT(p2_random_random_get_random_bytes(&fake.call, 100000, &a), 0);
    CHECK_INT(p2_random_insecure_get_insecure_random_bytes(&fake.call, 100000, &b), 0);
    CHECK_INT(a.len, 100000);
    CHECK(!str_eq(a, b));
    CHECK(p2_random_random_get_random_bytes(&fake.call, WASI_RANDOM_BYTES_MAX + 1ull, &a) < 0);
    CHECK_INT(p2_random_random_get_random_bytes(&fake.call, 0, &a), 0);
    CHECK_INT(a.len, 0);
    struct p2_tuple_u64_u64 seed = {0};
    CHECK_INT(p2_random_insecure_seed_insecure_seed(&fake.call, &seed), 0);
    CHECK(seed.f0 != seed.f1);
    fake_done(&fake);
}

// SPDX-License-Identifier: Apache-2.0
#include "wasi/p3_fake_test.h"

#include "testing/test.h"

// ---- the store ----------------------------------------------------------------------------------

static int begin(struct async_store *store, const struct canon_options *options,
                 struct canon_call *call)
{
    *call = ((struct p3_fake *)store->engine)->fake.call;
    return 0;
}

static const struct async_ops ops = {.begin = begin};
static const struct plan no_plan;

void p3_fake_init(struct p3_fake *fake)
{
    fake_init(&fake->fake, false);
    async_store_init(&fake->store, &ops, &no_plan, NULL, fake);
    fake->fake.call.async = &fake->store;
    fake->network = wasi_network_all;
    fake->fake.config.network = &fake->network;
}

void p3_fake_done(struct p3_fake *fake)
{
    async_store_done(&fake->store);
    p3_turn(fake);
    CHECK_INT(fake->store.host_count, 0);
    CHECK_INT(fake->fake.wasi.socket_count, 0);
    CHECK_INT(fake->fake.wasi.descriptor_count, 0);
    fake_done(&fake->fake);
}

void p3_turn_until(struct p3_fake *fake, const bool *flag)
{
    while (!*flag && loop_turn(fake->fake.loop, true))
        ;
    CHECK(*flag);
}

void p3_turn(struct p3_fake *fake)
{
    for (int i = 0; i < 10; i++)
        (void)loop_turn(fake->fake.loop, false);
}

// ---- a reader -----------------------------------------------------------------------------------

static int reader_offered(struct stream *stream, void *data)
{
    struct p3_reader *reader = data;
    const void *from;
    uint32_t count;
    reader->has_some = true;
    if (reader->is_paused)
        return 0;
    CHECK_INT(stream_data(stream, &from, &count), 0);
    CHECK_INT(buf_add_str(&reader->data, str_of(from, count)), 0);
    return stream_consumed(stream, count);
}

static void reader_dropped(struct stream *stream, void *data)
{
    struct p3_reader *reader = data;
    reader->stream = NULL;
    reader->has_ended = true;
}

void p3_reader_begin(struct p3_reader *reader, struct stream *stream)
{
    static const struct stream_host_ops reader_ops = {.offered = reader_offered,
                                                      .dropped = reader_dropped};
    reader->stream = stream;
    reader->data = BUF_INIT(SIZE_MAX);
    CHECK_INT(stream_read_by(stream, &reader_ops, reader), 0);
}

void p3_reader_drop(struct p3_reader *reader)
{
    stream_close_reader(TAKE(reader->stream));
}

void p3_reader_done(struct p3_reader *reader)
{
    if (reader->stream)
        p3_reader_drop(reader);
    buf_done(&reader->data);
}

// ---- a writer -----------------------------------------------------------------------------------

static int writer_wanted(struct stream *stream, void *data)
{
    struct p3_writer *writer = data;
    void *to;
    uint32_t room;
    if (writer->left.len == 0)
        return 0;
    int rc = stream_space(stream, &to, &room);
    uint32_t count = (uint32_t)MIN(writer->left.len, room);
    if (rc < 0 || count == 0)
        return rc;
    memcpy(to, writer->left.data, count);
    writer->left = str_from_index(writer->left, count);
    writer->has_written = writer->left.len == 0;
    return stream_wrote(stream, count);
}

static void writer_dropped(struct stream *stream, void *data)
{
    struct p3_writer *writer = data;
    writer->stream = NULL;
    writer->is_dropped = true;
}

struct stream *p3_writer_begin(struct p3_fake *fake, struct p3_writer *writer)
{
    static const struct stream_host_ops writer_ops = {.wanted = writer_wanted,
                                                      .dropped = writer_dropped};
    *writer = (struct p3_writer){0};
    writer->stream = stream_new(&fake->store, &p3_codec_u8, false, &writer_ops, writer);
    return writer->stream;
}

void p3_writer_put(struct p3_writer *writer, struct str data)
{
    writer->left = data;
    writer->has_written = false;
    if (writer->stream)
        stream_again(writer->stream);
}

void p3_writer_drop(struct p3_writer *writer)
{
    if (writer->stream)
        stream_close_writer(TAKE(writer->stream));
}

// ---- a future -----------------------------------------------------------------------------------

struct awaited {
    struct p3_outcome *outcome;
    size_t tag_offset;
};

static void outcome_known(void *data, void *value)
{
    struct awaited *awaited = data;
    struct p3_outcome *outcome = awaited->outcome;
    outcome->is_there = true;
    outcome->has_value = value != NULL;
    if (value) {
        outcome->is_err = *(bool *)value;
        memcpy(&outcome->tag, (char *)value + awaited->tag_offset, sizeof(outcome->tag));
    }
    free(awaited);
}

void p3_outcome_await(struct p3_outcome *outcome, struct stream *future,
                      const struct stream_codec *codec, size_t tag_offset)
{
    struct awaited *awaited = mem_new(struct awaited);
    *outcome = (struct p3_outcome){0};
    *awaited = (struct awaited){outcome, tag_offset};
    CHECK_INT(p3_future_take(future, codec, outcome_known, awaited), 0);
}

// ---- a job --------------------------------------------------------------------------------------

void p3_job_init(struct p3_fake *fake, struct p3_job *job)
{
    *job = (struct p3_job){.job.subtask = {.store = &fake->store, .state = SUBTASK_STARTED},
                           .job.arena = ARENA_INIT((size_t)1 << 20)};
    job->job.subtask.type = &job->type; // without a result: nothing is lowered
}

bool p3_job_begun(struct p3_fake *fake, struct p3_job *job, int rc)
{
    CHECK(rc == 0 || rc == CANON_PENDING);
    if (rc == 0)
        return true;
    job->job.is_pending = true;
    fake->store.host_count++;
    return false;
}

void p3_job_wait(struct p3_fake *fake, struct p3_job *job)
{
    while (job->job.is_pending && loop_turn(fake->fake.loop, true))
        ;
    CHECK_INT(job->job.subtask.state, SUBTASK_RETURNED);
}

void p3_job_cancel(struct p3_job *job)
{
    CHECK(job->job.is_pending);
    job->job.cancel(&job->job);
    CHECK(!job->job.is_pending);
    CHECK_INT(job->job.subtask.state, SUBTASK_CANCELLED_BEFORE_RETURNED);
}

void p3_job_drop(struct p3_job *job)
{
    CHECK(job->job.is_pending);
    job->job.is_pending = false;
    job->job.subtask.store->host_count--;
    job->job.dropped(&job->job);
}

void p3_job_done(struct p3_job *job)
{
    CHECK(!job->job.is_pending);
    arena_done(&job->job.arena);
}

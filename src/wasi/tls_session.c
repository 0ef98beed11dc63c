// SPDX-License-Identifier: Apache-2.0
#include "wasi/tls_session.h"

#include <assert.h>
#include <errno.h>

typedef struct p2_io_streams_input_stream input_stream;
typedef struct p2_io_streams_output_stream output_stream;
typedef struct p2_io_error_error io_error;

struct tls_input {
    input_stream base;
    struct wasi_tls_session *session;
    char *data; // WASI_STREAM_READ_BYTES, made by the first read
    size_t start, end;
};

struct tls_output {
    output_stream base;
    struct wasi_tls_session *session;
};

struct wasi_tls_session {
    uint32_t refs;
    struct wasi *wasi;
    struct tls *tls;      // NULL: it did not begin
    input_stream *source; // encrypted
    output_stream *sink;
    enum wasi_tls_phase phase;
    char *failure;     // of the handshake, or of reading from the source
    int send_failure;  // negative errno: nothing goes out any more
    bool output_ended; // by the guest
    bool flush_asked;  // of the sink, once all has been given to it
    bool reader_waits; // for clear text
    void (*on_output_end)(void *data);
    void *data;
    struct wasi_event event; // the end of the handshake
    struct tls_input *input; // NULL: not handed out, or dropped
    struct tls_output *output;
    struct wasi_waiter source_waiter, sink_waiter;
    struct loop_defer defer;
};

// ---- the guest's streams ------------------------------------------------------------------------

static void keep_failure(struct wasi_tls_session *session, const char *what,
                         const io_error *failure)
{
    if (!session->failure)
        session->failure = mem_printf("%s: %s", what, failure ? failure->message : "failed");
}

static ssize_t receive(void *user, char *data, size_t len)
{
    struct wasi_tls_session *session = user;
    ssize_t got = wasi_input_take(session->source, data, len);
    if (got == -EPIPE)
        return 0;
    if (got == -EIO)
        keep_failure(session, "TLS: reading", session->source->failure);
    return got;
}

// When nothing goes out any more, what came in is still good: it is not the transport that fails
// then but the guest's next write.
static ssize_t give(void *user, const char *data, size_t len)
{
    struct wasi_tls_session *session = user;
    ssize_t room = session->send_failure ? session->send_failure : wasi_output_room(session->sink);
    if (room == 0)
        return -EAGAIN;
    size_t part = MIN(len, (size_t)MAX(room, 0));
    int rc = room < 0 ? (int)room : wasi_output_push(session->sink, str_of(data, part));
    if (rc == 0)
        return (ssize_t)part;
    session->send_failure = rc;
    return (ssize_t)len;
}

static void watch_source(struct wasi_tls_session *session, bool on)
{
    input_stream *source = session->source;
    if (on == (session->source_waiter.link != NULL))
        return;
    if (on)
        wasi_event_add_defer(&source->event, &session->source_waiter, session->wasi->loop,
                             &session->defer);
    else
        wasi_event_remove(&session->source_waiter);
    if (on && source->ops->watch)
        source->ops->watch(source);
    if (!on && source->ops->unwatch)
        source->ops->unwatch(source);
}

static void watch_sink(struct wasi_tls_session *session, bool on)
{
    output_stream *sink = session->sink;
    if (on == (session->sink_waiter.link != NULL))
        return;
    if (on)
        wasi_event_add_defer(&sink->event, &session->sink_waiter, session->wasi->loop,
                             &session->defer);
    else
        wasi_event_remove(&session->sink_waiter);
    if (on && sink->ops->watch)
        sink->ops->watch(sink);
    if (!on && sink->ops->unwatch)
        sink->ops->unwatch(sink);
}

static bool is_flushing(const struct wasi_tls_session *session)
{
    return session->tls && !session->send_failure &&
           (tls_unsent(session->tls) > 0 || session->flush_asked ||
            wasi_output_flushing(session->sink));
}

static void tell_output_end(struct wasi_tls_session *session)
{
    bool is_last = session->output_ended || session->phase == WASI_TLS_FAILED;
    if (is_last && session->on_output_end && !is_flushing(session))
        TAKE(session->on_output_end)(session->data);
}

// Gives on what waits, and arranges to be told when more can be done.
static void push_on(struct wasi_tls_session *session)
{
    if (!session->tls)
        return;
    int rc = tls_flush(session->tls);
    if (rc == 0 && session->flush_asked && !session->send_failure) {
        rc = wasi_output_flush(session->sink);
        session->flush_asked = false;
        session->send_failure = rc < 0 ? rc : 0;
    }
    bool was_flushing = session->sink_waiter.link != NULL;
    watch_source(session, session->phase == WASI_TLS_HANDSHAKE || session->reader_waits);
    watch_sink(session, is_flushing(session));
    if (was_flushing && !session->sink_waiter.link && session->output)
        wasi_event_wake(&session->output->base.event);
    tell_output_end(session);
}

// ---- the handshake ------------------------------------------------------------------------------

static void tell_phase(struct wasi_tls_session *session)
{
    wasi_event_wake(&session->event);
    if (session->input)
        wasi_event_wake(&session->input->base.event);
    if (session->output)
        wasi_event_wake(&session->output->base.event);
}

static void step_handshake(struct wasi_tls_session *session)
{
    enum tls_failure kind;
    ERROR(err);
    int rc = tls_handshake(session->tls, &kind, &err);
    session->flush_asked = true;
    if (rc == -EAGAIN && !session->send_failure)
        return;
    session->phase = rc == 0 && !session->send_failure ? WASI_TLS_OPEN : WASI_TLS_FAILED;
    if (session->phase == WASI_TLS_FAILED) {
        (void)tls_shutdown(session->tls); // tells the peer why
        if (!session->failure)
            session->failure = session->send_failure
                                   ? mem_strdup("TLS handshake: sending: the stream is closed")
                                   : mem_strdup(error_text(&err));
    }
    tell_phase(session);
}

enum wasi_tls_phase wasi_tls_session_advance(struct wasi_tls_session *session)
{
    if (!session->tls)
        return session->phase;
    if (session->phase == WASI_TLS_HANDSHAKE)
        step_handshake(session);
    push_on(session);
    return session->phase;
}

static void on_news(struct loop_defer *defer)
{
    struct wasi_tls_session *session = container_of(defer, struct wasi_tls_session, defer);
    wasi_tls_session_advance(session);
    if (session->input)
        wasi_event_wake(&session->input->base.event);
    if (session->output)
        wasi_event_wake(&session->output->base.event);
}

// ---- life ---------------------------------------------------------------------------------------

static int start(struct wasi_tls_session *session, struct str name, struct error *err)
{
    static const struct tls_transport transport = {receive, give};
    struct wasi *wasi = session->wasi;
    if (!wasi->config->tls)
        return error_set(err, -EACCES, "TLS: this workload has no wasi:tls");
    if (wasi->tls_count > WASI_TLS_SESSIONS_MAX)
        return error_set(err, -EMFILE, "TLS: %u sessions of this instance live, which is the limit",
                         WASI_TLS_SESSIONS_MAX);
    if (name.len > WASI_TLS_NAME_BYTES_MAX || memchr(name.data, 0, name.len))
        return error_set(err, -EINVAL, "TLS: the name of the server is none");
    struct tls_context *context;
    int rc = wasi_tls_context(wasi->config->tls, &context, err);
    if (rc < 0)
        return rc;
    // The dot of a name's root is no part of it in certificates and greetings (RFC 6066 section 3).
    if (name.len > 1 && name.data[name.len - 1] == '.')
        name.len--;
    _cleanup_(mem_freep) char *host = str_dup(name);
    rc = tls_client_new_over(context, &transport, session, host, &session->tls, err);
    tls_context_unref(context);
    return rc;
}

struct wasi_tls_session *wasi_tls_session_new(struct wasi *wasi, input_stream *source,
                                              output_stream *sink)
{
    struct wasi_tls_session *session = mem_new(struct wasi_tls_session);
    *session = (struct wasi_tls_session){
        .refs = 1,
        .wasi = wasi,
        .source = source,
        .sink = sink,
        .defer = {.callback = on_news},
    };
    wasi->tls_count++;
    return session;
}

static void fail_early(struct wasi_tls_session *session, const char *failure)
{
    session->phase = WASI_TLS_FAILED;
    session->failure = mem_strdup(failure);
    tell_phase(session);
    tell_output_end(session);
}

void wasi_tls_session_connect(struct wasi_tls_session *session, struct str server_name)
{
    ERROR(err);
    session->phase = WASI_TLS_HANDSHAKE;
    if (start(session, server_name, &err) < 0)
        fail_early(session, error_text(&err));
    wasi_tls_session_advance(session);
}

void wasi_tls_session_abandon(struct wasi_tls_session *session, const char *failure)
{
    if (session->phase == WASI_TLS_IDLE)
        fail_early(session, failure);
}

struct wasi_tls_session *wasi_tls_session_ref(struct wasi_tls_session *session)
{
    session->refs++;
    return session;
}

void wasi_tls_session_unref(struct wasi_tls_session *session)
{
    if (--session->refs > 0)
        return;
    watch_source(session, false);
    watch_sink(session, false);
    loop_defer_cancel(session->wasi->loop, &session->defer);
    tls_free(session->tls);
    wasi_input_release(session->source);
    wasi_output_release(session->sink);
    session->wasi->tls_count--;
    free(session->failure);
    free(session);
}

const char *wasi_tls_session_failure(const struct wasi_tls_session *session)
{
    return session->failure;
}

struct wasi_event *wasi_tls_session_event(struct wasi_tls_session *session)
{
    return &session->event;
}

void wasi_tls_session_end_output(struct wasi_tls_session *session)
{
    if (session->output_ended || session->phase != WASI_TLS_OPEN)
        return;
    session->output_ended = true;
    (void)tls_end_output(session->tls); // what the sink does not take now waits in the session
    session->flush_asked = true;
    push_on(session);
    if (session->output)
        wasi_event_wake(&session->output->base.event);
}

void wasi_tls_session_on_output_end(struct wasi_tls_session *session, void (*ended)(void *data),
                                    void *data)
{
    session->on_output_end = ended;
    session->data = data;
}

// ---- clear text in ------------------------------------------------------------------------------

static int fail(const struct wasi_tls_session *session, int code, io_error **failure)
{
    *failure = io_error_new(
        code, "%s",
        session->failure ? session->failure : "TLS: the connection was cut, or broken by its peer");
    return -EIO;
}

// Fills an empty buffer: its length, 0 at the end that the peer announced, -EAGAIN, -EIO.
static ssize_t fill(struct tls_input *input, io_error **failure)
{
    struct wasi_tls_session *session = input->session;
    if (session->phase == WASI_TLS_FAILED)
        return fail(session, -ECONNABORTED, failure);
    if (session->phase != WASI_TLS_OPEN)
        return -EAGAIN;
    if (!input->data)
        input->data = mem_alloc(WASI_STREAM_READ_BYTES);
    ssize_t got = tls_read(session->tls, input->data, WASI_STREAM_READ_BYTES);
    push_on(session);
    input->start = 0;
    input->end = got > 0 ? (size_t)got : 0;
    if (got >= 0 || got == -EAGAIN)
        return got;
    // RFC 8446 section 6.1: without close_notify nobody knows whether that was all.
    return fail(session, (int)got, failure);
}

static ssize_t input_peek(input_stream *stream, size_t max, struct str *out, io_error **failure)
{
    struct tls_input *input = container_of(stream, struct tls_input, base);
    ssize_t rc = input->start < input->end ? 1 : fill(input, failure);
    if (rc <= 0)
        return rc;
    *out = str_of(input->data + input->start, MIN(max, input->end - input->start));
    return (ssize_t)out->len;
}

static void input_consume(input_stream *stream, size_t len)
{
    container_of(stream, struct tls_input, base)->start += len;
}

static void input_wait(input_stream *stream, bool waits)
{
    struct wasi_tls_session *session = container_of(stream, struct tls_input, base)->session;
    session->reader_waits = waits;
    push_on(session);
}

static void input_watch(input_stream *stream)
{
    input_wait(stream, true);
}

static void input_unwatch(input_stream *stream)
{
    input_wait(stream, false);
}

static void input_drop(input_stream *stream)
{
    struct tls_input *input = container_of(stream, struct tls_input, base);
    input->session->input = NULL;
    input->session->reader_waits = false;
    wasi_tls_session_unref(input->session);
    if (input->data)
        mem_wipe(input->data, WASI_STREAM_READ_BYTES);
    free(input->data);
    free(input);
}

// ---- clear text out -----------------------------------------------------------------------------

static int output_check(const struct wasi_tls_session *session, io_error **failure)
{
    if (session->phase == WASI_TLS_FAILED)
        return fail(session, -ECONNABORTED, failure);
    if (session->output_ended || session->send_failure == -EPIPE)
        return -EPIPE;
    if (!session->send_failure)
        return 0;
    const io_error *cause = session->sink->failure;
    *failure = io_error_new(session->send_failure, "TLS: sending: %s",
                            cause ? cause->message : strerror(-session->send_failure));
    return -EIO;
}

static ssize_t output_budget(output_stream *stream, io_error **failure)
{
    struct wasi_tls_session *session = container_of(stream, struct tls_output, base)->session;
    push_on(session);
    int rc = output_check(session, failure);
    if (rc < 0)
        return rc;
    bool is_full = session->phase != WASI_TLS_OPEN || tls_unsent(session->tls) > 0;
    return is_full ? 0 : (ssize_t)WASI_TLS_WRITE_BYTES;
}

static int output_write(output_stream *stream, struct str data, io_error **failure)
{
    struct wasi_tls_session *session = container_of(stream, struct tls_output, base)->session;
    int rc = output_check(session, failure);
    if (rc < 0)
        return rc;
    struct iovec part = {(void *)(uintptr_t)data.data, data.len};
    ssize_t taken = tls_write(session->tls, &part, 1);
    // The session holds more than a budget, so only a broken one takes less.
    if (taken != (ssize_t)data.len)
        session->send_failure = taken < 0 && taken != -EAGAIN ? (int)taken : -EPIPE;
    push_on(session);
    return output_check(session, failure);
}
static_assert(WASI_TLS_WRITE_BYTES * 2 <= TLS_UNSENT_BYTES_MAX, "a budget fits into the session");

static int output_flush(output_stream *stream, io_error **failure)
{
    struct wasi_tls_session *session = container_of(stream, struct tls_output, base)->session;
    session->flush_asked = true;
    push_on(session);
    return output_check(session, failure);
}

static bool output_flushing(output_stream *stream)
{
    struct wasi_tls_session *session = container_of(stream, struct tls_output, base)->session;
    push_on(session);
    return session->phase == WASI_TLS_IDLE || session->phase == WASI_TLS_HANDSHAKE ||
           is_flushing(session);
}

static void output_drop(output_stream *stream)
{
    struct tls_output *output = container_of(stream, struct tls_output, base);
    output->session->output = NULL;
    wasi_tls_session_unref(output->session);
    free(output);
}

void wasi_tls_session_streams(struct wasi_tls_session *session, input_stream **input_out,
                              output_stream **output_out)
{
    static const struct input_stream_ops input_ops = {
        .peek = input_peek,
        .consume = input_consume,
        .watch = input_watch,
        .unwatch = input_unwatch,
        .drop = input_drop,
    };
    static const struct output_stream_ops output_ops = {
        .budget = output_budget,
        .write = output_write,
        .flush = output_flush,
        .flushing = output_flushing,
        .drop = output_drop,
    };
    struct tls_input *input = mem_new(struct tls_input);
    struct tls_output *output = mem_new(struct tls_output);
    input_stream_init(&input->base, &input_ops, NULL);
    output_stream_init(&output->base, &output_ops, NULL);
    input->session = wasi_tls_session_ref(session);
    output->session = wasi_tls_session_ref(session);
    session->input = input;
    session->output = output;
    *input_out = &input->base;
    *output_out = &output->base;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:tls 0.3.0-draft: the session of 0.2 between two pipes. The guest moves the encrypted bytes
// from and to where it likes.
#include <errno.h>

#include "wasi/byte_pipe.h"
#include "wasi/p3_stream.h"
#include "wasi/tls_session.h"

typedef struct p3_result_void_tls_types_error outcome;

// ---- wasi:tls/types -----------------------------------------------------------------------------

struct p3_tls_types_error {
    char *text;
};

static struct p3_tls_types_error *error_of(const char *text)
{
    struct p3_tls_types_error *error = mem_new(struct p3_tls_types_error);
    error->text = mem_strdup(text);
    return error;
}

static void error_free(struct p3_tls_types_error *error)
{
    free(error->text);
    free(error);
}

int p3_tls_types_error_to_debug_string(struct canon_call *call, struct p3_tls_types_error *self,
                                       struct str *ret)
{
    *ret = str_from(self->text);
    return 0;
}

int p3_tls_types_error_drop(struct canon_call *call, struct p3_tls_types_error *self)
{
    error_free(self);
    return 0;
}

// ---- connector ----------------------------------------------------------------------------------

struct p3_tls_client_connector {
    struct wasi_tls_session *session;
    // Ends of the pipes and of the clear text that were not handed out yet.
    struct p2_io_streams_output_stream *encrypted_in;
    struct p2_io_streams_input_stream *encrypted_out;
    struct p2_io_streams_input_stream *clear_in;
    struct p2_io_streams_output_stream *clear_out;
};

static void end_encrypted(void *sink)
{
    byte_pipe_end(sink);
}

int p3_tls_client_connector_constructor(struct canon_call *call,
                                        struct p3_tls_client_connector **ret)
{
    struct p3_tls_client_connector *self = mem_new(struct p3_tls_client_connector);
    struct p2_io_streams_input_stream *source;
    struct p2_io_streams_output_stream *sink;
    byte_pipe_new(&source, &self->encrypted_in);
    byte_pipe_new(&self->encrypted_out, &sink);
    self->session = wasi_tls_session_new(wasi_of(call), source, sink);
    wasi_tls_session_on_output_end(self->session, end_encrypted, sink);
    wasi_tls_session_streams(self->session, &self->clear_in, &self->clear_out);
    *ret = self;
    return 0;
}

int p3_tls_client_connector_drop(struct canon_call *call, struct p3_tls_client_connector *self)
{
    if (self->encrypted_in)
        wasi_output_release(self->encrypted_in);
    if (self->encrypted_out)
        wasi_input_release(self->encrypted_out);
    if (self->clear_in)
        wasi_input_release(self->clear_in);
    if (self->clear_out)
        wasi_output_release(self->clear_out);
    wasi_tls_session_abandon(self->session, "TLS: the connector was dropped before it connected");
    wasi_tls_session_unref(self->session);
    free(self);
    return 0;
}

// ---- one direction ------------------------------------------------------------------------------

struct direction {
    struct wasi_tls_session *session;
    struct p3_future *future;
    bool is_output;
};

static void drop_outcome(void *value)
{
    outcome *last = value;
    if (last->is_err)
        error_free(last->err);
}

static struct direction *direction_new(struct canon_call *call, struct wasi_tls_session *session,
                                       bool is_output, struct stream **future)
{
    struct direction *direction = mem_new(struct direction);
    *direction = (struct direction){
        .session = wasi_tls_session_ref(session),
        .future =
            p3_future_new(call->async, &p3_codec_result_void_tls_types_error, drop_outcome, future),
        .is_output = is_output,
    };
    return direction;
}

static void direction_ended(void *data, struct p2_io_error_error *failure)
{
    struct direction *direction = data;
    outcome end = {.is_err = failure != NULL};
    if (failure)
        end.err = error_of(failure->message);
    io_error_free(failure);
    if (direction->is_output)
        wasi_tls_session_end_output(direction->session);
    p3_future_set(direction->future, &end);
    wasi_tls_session_unref(direction->session);
    free(direction);
}

int p3_tls_client_connector_send(struct canon_call *call, struct p3_tls_client_connector *self,
                                 struct stream *cleartext,
                                 struct p3_tuple_stream_u8_future_result_void_tls_types_error *ret)
{
    if (!self->clear_out) {
        stream_close_reader(cleartext);
        return canon_trap(call, "wasi:tls connector.send was called twice");
    }
    ret->f0 = p3_read_from(call, TAKE(self->encrypted_out), NULL, NULL);
    return p3_write_to(call, cleartext, TAKE(self->clear_out), direction_ended,
                       direction_new(call, self->session, true, &ret->f1));
}

int p3_tls_client_connector_receive(
    struct canon_call *call, struct p3_tls_client_connector *self, struct stream *ciphertext,
    struct p3_tuple_stream_u8_future_result_void_tls_types_error *ret)
{
    if (!self->clear_in) {
        stream_close_reader(ciphertext);
        return canon_trap(call, "wasi:tls connector.receive was called twice");
    }
    ret->f0 = p3_read_from(call, TAKE(self->clear_in), direction_ended,
                           direction_new(call, self->session, false, &ret->f1));
    return p3_write_to(call, ciphertext, TAKE(self->encrypted_in), NULL, NULL);
}

// ---- connect ------------------------------------------------------------------------------------

struct connecting {
    struct wasi_tls_session *session;
    struct loop *loop;
    struct wasi_waiter waiter;
    struct loop_defer defer;
    struct host_job *job;
};

static void connecting_free(struct connecting *connecting)
{
    wasi_event_remove(&connecting->waiter);
    loop_defer_cancel(connecting->loop, &connecting->defer);
    wasi_tls_session_unref(connecting->session);
    free(connecting);
}

static bool tell(struct wasi_tls_session *session, outcome *ret)
{
    enum wasi_tls_phase phase = wasi_tls_session_advance(session);
    ret->is_err = phase == WASI_TLS_FAILED;
    if (ret->is_err)
        ret->err = error_of(wasi_tls_session_failure(session));
    return phase != WASI_TLS_HANDSHAKE;
}

static void phase_changed(struct loop_defer *defer)
{
    struct connecting *connecting = container_of(defer, struct connecting, defer);
    struct host_job *job = connecting->job;
    if (!tell(connecting->session, job->result))
        return;
    connecting_free(connecting);
    host_job_done(job);
}

static void connect_cancelled(struct host_job *job)
{
    connecting_free(job->data);
    host_job_cancelled(job);
}

static void connect_dropped(struct host_job *job)
{
    connecting_free(job->data);
}

int p3_tls_client_connector_connect(struct canon_call *call, struct host_job *job,
                                    struct p3_tls_client_connector *this, struct str server_name,
                                    outcome *ret)
{
    struct wasi_tls_session *session = wasi_tls_session_ref(this->session);
    bool is_ready = !this->clear_in && !this->clear_out;
    if (is_ready)
        wasi_tls_session_connect(session, server_name);
    else
        *ret = (outcome){
            .is_err = true,
            .err = error_of("TLS: send and receive of the connector come before connect")};
    (void)p3_tls_client_connector_drop(call, this);
    if (!is_ready || tell(session, ret)) {
        wasi_tls_session_unref(session);
        return 0;
    }
    struct connecting *connecting = mem_new(struct connecting);
    *connecting = (struct connecting){.session = session, .loop = wasi_of(call)->loop, .job = job};
    connecting->defer.callback = phase_changed;
    wasi_event_add_defer(wasi_tls_session_event(session), &connecting->waiter, connecting->loop,
                         &connecting->defer);
    job->data = connecting;
    job->cancel = connect_cancelled;
    job->dropped = connect_dropped;
    return CANON_PENDING;
}

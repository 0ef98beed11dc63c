// SPDX-License-Identifier: Apache-2.0
#include "wasi/tls.h"

#include <errno.h>
#include <pthread.h>

#include "wasi/draft.h"
#include "wasi/tls_session.h"

// ---- whom guests trust --------------------------------------------------------------------------

struct wasi_tls {
    pthread_mutex_t lock;
    char *ca_file;
    struct tls_context *context; // NULL: not made yet
};

struct wasi_tls *wasi_tls_new(const char *ca_file)
{
    struct wasi_tls *tls = mem_new(struct wasi_tls);
    pthread_mutex_init(&tls->lock, NULL);
    tls->ca_file = ca_file ? mem_strdup(ca_file) : NULL;
    return tls;
}

void wasi_tls_free(struct wasi_tls *tls)
{
    if (!tls)
        return;
    tls_context_unref(tls->context);
    pthread_mutex_destroy(&tls->lock);
    free(tls->ca_file);
    free(tls);
}

int wasi_tls_context(struct wasi_tls *tls, struct tls_context **out, struct error *err)
{
    struct tls_client_options options = {.ca_file = tls->ca_file};
    pthread_mutex_lock(&tls->lock);
    int rc = tls->context ? 0 : tls_client_context_new(&options, &tls->context, err);
    if (rc == 0)
        *out = tls_context_ref(tls->context);
    pthread_mutex_unlock(&tls->lock);
    return rc;
}

// ---- client-handshake ---------------------------------------------------------------------------

struct draft_tls_types_client_handshake {
    char *server_name;
    size_t server_name_len;
    struct p2_io_streams_input_stream *input;
    struct p2_io_streams_output_stream *output;
};

int draft_tls_types_client_handshake_constructor(struct canon_call *call, struct str server_name,
                                                 struct p2_io_streams_input_stream *input,
                                                 struct p2_io_streams_output_stream *output,
                                                 struct draft_tls_types_client_handshake **ret)
{
    uint32_t children = input->own.children + output->own.children;
    if (children) {
        wasi_input_release(input);
        wasi_output_release(output);
        return canon_trap(call, "client-handshake of streams that have %u pollables", children);
    }
    // One byte more than a name may have tells that it is none.
    struct str name = str_sub(server_name, 0, WASI_TLS_NAME_BYTES_MAX + 1);
    struct draft_tls_types_client_handshake *self =
        mem_new(struct draft_tls_types_client_handshake);
    *self = (struct draft_tls_types_client_handshake){str_dup(name), name.len, input, output};
    *ret = self;
    return 0;
}

int draft_tls_types_client_handshake_drop(struct canon_call *call,
                                          struct draft_tls_types_client_handshake *self)
{
    if (self->input)
        wasi_input_release(self->input);
    if (self->output)
        wasi_output_release(self->output);
    free(self->server_name);
    free(self);
    return 0;
}

// ---- future-client-streams ----------------------------------------------------------------------

struct draft_tls_types_future_client_streams {
    struct wasi_tls_session *session;
    bool taken;
};

int draft_tls_types_client_handshake_finish(struct canon_call *call,
                                            struct draft_tls_types_client_handshake *this,
                                            struct draft_tls_types_future_client_streams **ret)
{
    struct draft_tls_types_future_client_streams *future =
        mem_new(struct draft_tls_types_future_client_streams);
    struct str name = str_of(this->server_name, this->server_name_len);
    future->session = wasi_tls_session_new(wasi_of(call), TAKE(this->input), TAKE(this->output));
    wasi_tls_session_connect(future->session, name);
    *ret = future;
    return draft_tls_types_client_handshake_drop(call, this);
}

static bool is_ready(void *source)
{
    return wasi_tls_session_advance(source) != WASI_TLS_HANDSHAKE;
}

static void drop_pollable(void *source)
{
    wasi_tls_session_unref(source);
}

int draft_tls_types_future_client_streams_subscribe(
    struct canon_call *call, struct draft_tls_types_future_client_streams *self,
    struct p2_io_poll_pollable **ret)
{
    static const struct pollable_ops ops = {.ready = is_ready, .drop = drop_pollable};
    *ret = pollable_new(&ops, wasi_tls_session_ref(self->session),
                        wasi_tls_session_event(self->session));
    return 0;
}

struct draft_tls_types_client_connection {
    struct wasi_tls_session *session;
};

int draft_tls_types_future_client_streams_get(
    struct canon_call *call, struct draft_tls_types_future_client_streams *self,
    struct
    draft_option_result_result_tuple_tls_types_client_connection_io_streams_input_stream_io_streams_output_stream_io_error_error_void
        *ret)
{
    struct wasi_tls_session *session = self->session;
    enum wasi_tls_phase phase = wasi_tls_session_advance(session);
    if (phase == WASI_TLS_HANDSHAKE)
        return 0;
    ret->is_some = true;
    ret->some.is_err = self->taken;
    if (self->taken)
        return 0;
    self->taken = true;
    ret->some.ok.is_err = phase == WASI_TLS_FAILED;
    if (phase == WASI_TLS_FAILED) {
        ret->some.ok.err = io_error_new(-EPROTO, "%s", wasi_tls_session_failure(session));
        return 0;
    }
    struct draft_tls_types_client_connection *connection =
        mem_new(struct draft_tls_types_client_connection);
    connection->session = wasi_tls_session_ref(session);
    ret->some.ok.ok.f0 = connection;
    wasi_tls_session_streams(session, &ret->some.ok.ok.f1, &ret->some.ok.ok.f2);
    return 0;
}

int draft_tls_types_future_client_streams_drop(struct canon_call *call,
                                               struct draft_tls_types_future_client_streams *self)
{
    wasi_tls_session_unref(self->session);
    free(self);
    return 0;
}

// ---- client-connection --------------------------------------------------------------------------

int draft_tls_types_client_connection_close_output(struct canon_call *call,
                                                   struct draft_tls_types_client_connection *self)
{
    wasi_tls_session_end_output(self->session);
    return 0;
}

int draft_tls_types_client_connection_drop(struct canon_call *call,
                                           struct draft_tls_types_client_connection *self)
{
    wasi_tls_session_unref(self->session);
    free(self);
    return 0;
}

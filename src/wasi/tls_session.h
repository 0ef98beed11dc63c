// SPDX-License-Identifier: Apache-2.0
// One TLS session over two streams that a guest gave away. It moves on when it is asked and when
// those streams have news, whether or not the guest waits for it.
#pragma once

#include "net/tls.h"
#include "wasi/io.h"
#include "wasi/tls.h"
#include "wasi/wasi.h"

enum wasi_tls_phase {
    WASI_TLS_IDLE, // its streams wait
    WASI_TLS_HANDSHAKE,
    WASI_TLS_OPEN,
    WASI_TLS_FAILED, // before it was open
};

struct wasi_tls_session;

// Takes the streams; the caller has the one reference.
struct wasi_tls_session *wasi_tls_session_new(struct wasi *wasi,
                                              struct p2_io_streams_input_stream *source,
                                              struct p2_io_streams_output_stream *sink);
// Begins the handshake, once. It has failed when the name is none, too many sessions live or the
// authorities cannot be read.
void wasi_tls_session_connect(struct wasi_tls_session *session, struct str server_name);
// Nobody is going to begin it: what waits for it fails with this text. No effect on one that began.
void wasi_tls_session_abandon(struct wasi_tls_session *session, const char *failure);
struct wasi_tls_session *wasi_tls_session_ref(struct wasi_tls_session *session);
void wasi_tls_session_unref(struct wasi_tls_session *session);

enum wasi_tls_phase wasi_tls_session_advance(struct wasi_tls_session *session);
const char *wasi_tls_session_failure(const struct wasi_tls_session *session);
// Woken at the end of the handshake.
struct wasi_event *wasi_tls_session_event(struct wasi_tls_session *session);

// The clear text: once only. Before the session is open they are there but not ready.
void wasi_tls_session_streams(struct wasi_tls_session *session,
                              struct p2_io_streams_input_stream **input,
                              struct p2_io_streams_output_stream **output);
// Says that nothing follows, if the session is open; reading goes on.
void wasi_tls_session_end_output(struct wasi_tls_session *session);

// `ended` runs once: all that the session is going to send has been given to the sink.
void wasi_tls_session_on_output_end(struct wasi_tls_session *session, void (*ended)(void *data),
                                    void *data);

// A reference to a context made when first asked for.
_must_use_ int wasi_tls_context(struct wasi_tls *tls, struct tls_context **out, struct error *err);

// SPDX-License-Identifier: Apache-2.0
// HTTP/2 (RFC 9113) on a server's connection: what connection*.c and server*.c need of it.
//
// The connection receives and sends; frames, HPACK and flow control are nghttp2's. Each stream is
// an http_exchange. Limits beyond those of server.h:
#pragma once

#include "http/server_impl.h"

// CONTINUATION frames of one header block; more: GOAWAY(ENHANCE_YOUR_CALM).
#define H2_CONTINUATIONS_MAX 8u
// Streams that end by RST_STREAM, sent or provoked, before their response was complete
// (CVE-2023-44487, CVE-2025-8671), or are refused: so many at once, so many a second; more:
// GOAWAY(ENHANCE_YOUR_CALM).
#define H2_RESETS_BURST      500u
#define H2_RESETS_PER_SECOND 50u
// Frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, unknown types, empty DATA. A
// frame with a head or a body, either way, allows H2_IDLE_FRAMES_PER_FRAME of them; more:
// GOAWAY(ENHANCE_YOUR_CALM).
#define H2_IDLE_FRAMES_BURST      1000u
#define H2_IDLE_FRAMES_PER_SECOND 100u
#define H2_IDLE_FRAMES_PER_FRAME  10u
// Frames that wait for the peer to read; more: nothing is read from it.
#define H2_OUTBOUND_FRAMES_MAX 1000u
// Bytes of a body per stream that wait for the peer's window; the write budget ends there.
#define H2_STREAM_OUTPUT_BYTES_MAX(server) ((size_t)(server)->options.output_bytes_max)
// What one connection receives before others have their turn, in buffers full.
#define H2_READS_PER_TURN 4u
// An idle connection gives memory back after this time.
#define H2_REST_MS 1000u
// What one connection sends before others have their turn.
#define H2_PUMP_BYTES_MAX ((size_t)256 * 1024)

// A block that holds a request's head: so much for each field, and for the pseudo-header fields.
#define H2_HEAD_FIELD_BYTES (sizeof(struct http_field) + 2 * sizeof(void *))
#define H2_HEAD_EXTRA_BYTES (8 * sizeof(void *))

// The connection preface (RFC 9113 section 3.4).
#define H2_PREFACE STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

enum h2_preface { H2_PREFACE_NONE, H2_PREFACE_PART, H2_PREFACE_WHOLE };
// Whether the first bytes of a connection are the preface, or may become it.
enum h2_preface h2_preface_look(struct str bytes);

// For the server's pool.
size_t h2_stream_size(void);

// At the server's end.
void h2_memory_done(struct http_server *server);

// The connection speaks HTTP/2 from now on; what it received so far, if anything, is taken in.
void h2_open(struct connection *connection);
// Ends what runs; the exchanges are told.
void h2_free(struct connection *connection);
void h2_input(struct connection *connection);
bool h2_step(struct connection *connection);
bool h2_is_idle(const struct connection *connection); // no stream is open
bool h2_wants_input(const struct connection *connection);
// Graceful end (RFC 9113 section 6.8): GOAWAY for any stream, then, after a round trip, for those
// that came.
void h2_drain(struct connection *connection);
// Ends when no stream is open: whether it does.
bool h2_give_way(struct connection *connection);
void h2_expired(struct connection *connection);
void h2_rest_expired(struct deadline *deadline);
void h2_stream_expired(struct deadline *deadline, enum deadline_kind kind);

// SPDX-License-Identifier: Apache-2.0
// A client of HTTP/2 for tests: nghttp2 over a loopback socket to a server on a loop of the same
// thread, with a virtual clock.
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "http/server.h"

#define H2_TEST_STREAMS_MAX 2048

// A request's body: what is there, and whether more comes.
struct h2_upload {
    struct buf data;
    bool last;
};

struct h2_reply {
    struct h2_upload upload;
    unsigned status;
    char informs[64]; // "103 100 "
    struct buf head;  // "name: value\n" of the final head, without date
    struct buf body;
    struct buf trailers;
    bool in_trailers;
    bool head_ended;      // END_STREAM came with the head
    uint32_t data_frames; // with or without bytes
    bool ended;           // END_STREAM
    bool closed;
    uint32_t code; // of RST_STREAM, or NO_ERROR
};

struct h2_client {
    struct loop *loop;
    nghttp2_session *session;
    int fd;
    bool at_end;     // the server closed
    struct buf wire; // all that was received
    uint32_t goaways;
    int32_t goaway_last[4];
    uint32_t goaway_code;
    uint32_t pings;                               // of the server
    bool deaf;                                    // reads nothing
    bool mute;                                    // sends nothing, not even what the protocol wants
    struct h2_reply replies[H2_TEST_STREAMS_MAX]; // by stream identifier / 2
};

struct h2_client_options {
    bool manual_window; // bytes count as consumed only by nghttp2_session_consume()
    uint32_t window;    // 0: nghttp2's own
    bool urgencies;     // RFC 9218 instead of RFC 7540's weights
};

struct h2_client *h2_client_open(struct loop *loop, const char *address,
                                 const struct h2_client_options *options);
void h2_client_close(struct h2_client *client);
// Lets both sides work until nothing more happens.
void h2_client_run(struct h2_client *client);
// Sends a request; `fields` are lines "name: value\n" (":authority" and ":scheme" are added unless
// there), `body` NULL: none. Bodies are not copied. The stream's identifier.
int32_t h2_client_send(struct h2_client *client, const char *method, const char *path,
                       const char *fields, const struct str *body);
// The same with a body that goes on: h2_client_more() until `last`.
int32_t h2_client_begin(struct h2_client *client, const char *method, const char *path,
                        const char *fields);
void h2_client_more(struct h2_client *client, int32_t id, struct str data, bool last);
struct h2_reply *h2_client_reply(struct h2_client *client, int32_t id);
// Sends and runs.
struct h2_reply *h2_client_ask(struct h2_client *client, const char *method, const char *path,
                               const char *fields, const struct str *body);
// Bytes past nghttp2.
void h2_client_raw(struct h2_client *client, struct str bytes);
// A frame past nghttp2.
void h2_client_frame(struct h2_client *client, uint8_t type, uint8_t flags, int32_t id,
                     struct str payload);
// The code of the last GOAWAY on the wire, also when nghttp2 had ceased to listen; -1: none.
int64_t h2_client_goaway(const struct h2_client *client);
int h2_connect(const char *address);

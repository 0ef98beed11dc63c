// SPDX-License-Identifier: Apache-2.0
// For the tests of wasi:http: a fake exchange, a fake client, a fake fiber, and what guests do most
// often. Everything is called as generated bindings call it.
#pragma once

#include "base/buf.h"
#include "http/client.h"
#include "wasi/http.h"
#include "wasi/p2_http.h"

// What the world does while the guest is parked, and how often it was.
extern void (*fake_on_park)(void);
extern unsigned fake_parks;

struct http_exchange {
    struct http_request request;
    const struct http_exchange_events *events;
    void *user;
    struct str body;  // what has arrived
    ssize_t body_end; // after it: 0, -EAGAIN or an error
    const struct http_field *trailers;
    size_t trailer_count;
    unsigned status; // of the response
    struct buf head, sent, tail;
    int64_t length;
    size_t budget;
    bool responded, finished;
    unsigned aborted;
};

struct http_client {
    int unused;
};
struct http_client_request {
    struct http_client_request_options options;
    struct buf what, sent;
    struct http_field answer[2];
    struct str body;
    ssize_t body_end;
    bool ended;
    enum http_client_failure failure;
};

extern struct http_client_request *fake_fetched; // the last one
extern unsigned fake_fetches, fake_fetches_live;

// The request's only field, instead of the usual ones; or NULL.
extern const struct http_field *fake_field;

// One request: the world around the handlers.
struct world {
    struct arena arena;
    struct error error;
    struct handle_table handles;
    struct wasi_config config;
    struct wasi wasi;
    struct http_client client;
    struct canon_call call;
    struct http_exchange exchange;
    struct wasi_http *http;
    struct p2_http_types_incoming_request *request;
    struct p2_http_types_response_outparam *outparam;
    bool gone;
    struct wasi_http_outcome outcome;
    struct error why;
};
extern struct world *fake_here; // the last one begun

void world_begin(struct world *w, const char *method);
int world_finish(struct world *w, enum task_end end);
void world_end(struct world *w);
void guest_drop_request(struct world *w);
struct p2_http_types_fields *guest_fields(struct world *w);
void guest_append(struct world *w, struct p2_http_types_fields *fields, const char *name,
                  const char *value);
struct p2_http_types_outgoing_response *guest_response(struct world *w,
                                                       struct p2_http_types_fields *fields);
struct p2_http_types_outgoing_body *guest_body(struct world *w,
                                               struct p2_http_types_outgoing_response *response);
struct p2_io_streams_output_stream *guest_stream(struct world *w,
                                                 struct p2_http_types_outgoing_body *body);
int guest_set(struct world *w, struct p2_http_types_outgoing_response *response);
struct p2_result_void_io_streams_stream_error guest_put(struct world *w,
                                                        struct p2_io_streams_output_stream *stream,
                                                        const char *text);
void guest_drop_stream(struct world *w, struct p2_io_streams_output_stream *stream);
struct p2_result_void_http_types_error_code guest_finish(struct world *w,
                                                         struct p2_http_types_outgoing_body *b);
struct p2_io_streams_output_stream *guest_answer(struct world *w,
                                                 struct p2_http_types_fields *fields,
                                                 struct p2_http_types_outgoing_body **body);
struct p2_io_streams_input_stream *guest_input(struct world *w,
                                               struct p2_http_types_incoming_body *body);
struct p2_result_bytes_io_streams_stream_error guest_take(struct world *w,
                                                          struct p2_io_streams_input_stream *stream,
                                                          uint64_t max);

// SPDX-License-Identifier: Apache-2.0
// The client's inside, shared by client.c (the requests as their user sees them), client_transfer.c
// (what libcurl asks of and tells about one request) and client_multi.c (libcurl on the loop).
//
// libcurl forbids most calls from inside its callbacks, so those only fill buffers and note events;
// the user hears of them from the request's deferral.
#pragma once

#include "base/arena.h"
#include "base/vec.h"
#include "http/byte_ring.h"
#include "http/client.h"
#include "http/curl_api.h"

struct http_client {
    struct loop *loop;
    CURLM *multi; // made by the first request
    uint32_t connections_max;
    uint32_t host_connections_max;
    uint64_t connection_wait_ns;
    uint64_t idle_ns;
    struct loop_timer idle;   // runs while there is no request
    struct loop_timer timer;  // libcurl's one timer
    struct loop_defer action; // the same for "at once"
    size_t request_count;
    char *ca_file;
};

enum request_phase {
    PHASE_WAITING, // for a connection of the pool
    PHASE_RESOLVING,
    PHASE_CONNECTING,
    PHASE_AWAITING_HEAD,
    PHASE_BODY,
    PHASE_DONE,
};

enum request_event {
    EVENT_UNPAUSE = 1,
    EVENT_FAILED = 2,
    EVENT_HEAD = 4,
    EVENT_READABLE = 8,
    EVENT_WRITABLE = 16,
};

struct field_block {
    struct arena arena;
    VEC(struct http_field) fields;
};

struct http_client_request {
    struct http_client *client;
    struct http_client_events events;
    void *user;

    CURL *easy; // NULL when done
    struct curl_slist *headers;
    char *origin;            // scheme://host:port/
    struct str scheme, host; // of it; IPv6 without brackets
    char *target;
    char curl_error[CURL_ERROR_SIZE];

    bool (*permits)(void *permits_user, const struct http_client_peer *peer);
    void *permits_user;
    bool address_denied;  // one of the host's
    bool address_allowed; // another

    enum request_phase phase;
    uint64_t connect_timeout_ns;
    uint64_t first_byte_timeout_ns;
    uint64_t between_bytes_timeout_ns;
    uint64_t active_at; // when the peer last did something
    struct loop_timer timer;

    struct loop_defer defer;
    unsigned pending; // enum request_event
    bool in_event;
    bool freed; // from its own event, whose end releases it

    bool sends_body; // also an empty one that is announced
    struct byte_ring upload;
    int64_t upload_left; // not yet written by the user; -1: unknown
    bool upload_ended;
    struct curl_slist *upload_trailers;
    bool send_paused;

    bool is_head;
    unsigned status;
    size_t header_bytes;
    bool head_started;
    bool head_done;
    struct field_block head;
    struct field_block trailers;
    struct byte_ring body;
    int64_t body_left; // by content-length; -1: unknown
    bool is_chunked;
    bool recv_paused;

    enum http_client_failure failure;
    uint8_t tls_alert;
    char *failure_text;
};

#define HTTP_CLIENT_NS_PER_MS ((uint64_t)1000000)

// Sets the events' flags; the user hears of them before the loop waits again.
void request_notify(struct http_client_request *request, unsigned events);
// Ends the request without a good end. Not from inside a callback of libcurl.
void request_fail(struct http_client_request *request, enum http_client_failure failure,
                  const char *text);
// Ends the request as libcurl reports it.
void request_finish(struct http_client_request *request, CURLcode result);

// Loads libcurl and makes client->multi when that has not been done yet.
_must_use_ int client_prepare(struct http_client *client, struct error *err);

// Sets libcurl's handle up for the request.
void transfer_setup(struct http_client_request *request);
// The part of it that is about the connection.
void connect_setup(struct http_client_request *request);
// A later phase begins.
void request_enter(struct http_client_request *request, enum request_phase phase);
// Notes why; returns what makes libcurl end the transfer from a callback that writes.
size_t request_refuse(struct http_client_request *request, enum http_client_failure failure,
                      const char *text);
// What a result of libcurl means.
enum http_client_failure transfer_failure(struct http_client_request *request, CURLcode result);

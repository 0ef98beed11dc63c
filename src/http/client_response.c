// SPDX-License-Identifier: Apache-2.0
// The answer to a request, as HTTP/1.1 and HTTP/2 find it.
#include <errno.h>

#include "http/client_impl.h"

int response_refuse(struct http_client_request *request, enum http_client_failure failure,
                    const char *text)
{
    request->failure = failure;
    char *copy = mem_strdup(text);
    free(request->failure_text);
    request->failure_text = copy;
    return -EPROTO;
}

void response_begin(struct http_client_request *request, unsigned status)
{
    request->head_started = true;
    request->status = status;
    request->head.len = 0;
}

int response_count_bytes(struct http_client_request *request, size_t len)
{
    request->header_bytes += len;
    if (request->header_bytes <= HTTP_CLIENT_HEADER_BYTES_MAX)
        return 0;
    return request->head_done
               ? response_refuse(request, HTTP_FAILURE_RESPONSE_TRAILERS_SIZE,
                                 "the response's trailers exceed the limit of 65536 bytes")
               : response_refuse(request, HTTP_FAILURE_RESPONSE_HEADERS_SIZE,
                                 "the response's header fields exceed the limit of 65536 bytes");
}

int response_field(struct http_client_request *request, struct str name, struct str value)
{
    if (!http_name_valid(name))
        return response_refuse(request, HTTP_FAILURE_PROTOCOL,
                               "malformed field name in the response");
    value = str_trim(value);
    if (!http_value_valid(value))
        return response_refuse(request, HTTP_FAILURE_PROTOCOL,
                               "malformed field value in the response");
    if (http_name_is_hop_by_hop(name))
        return 0;
    char *lower = arena_alloc(&request->arena, name.len);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = ascii_lower(name.data[i]);
    struct str copy = arena_str(&request->arena, value);
    *(request->head_done ? vec_push(&request->trailers) : vec_push(&request->head)) =
        (struct http_field){str_of(lower, name.len), copy};
    return 0;
}

void response_head_end(struct http_client_request *request, int64_t length)
{
    request->head_done = true;
    request->header_bytes = 0;
    // What is known to be short needs no large buffer.
    if (length >= 0 && length < (int64_t)HTTP_CLIENT_BUFFER_BYTES)
        request->body.cap = (size_t)MAX(length, 1);
    request->phase = PHASE_BODY;
    request_touch(request);
    loop_timer_start(&request->timer, request->between_bytes_timeout_ns);
    request_notify(request, EVENT_HEAD);
}

int response_body(struct http_client_request *request, struct str data)
{
    if (data.len > byte_ring_free(&request->body))
        return response_refuse(request, HTTP_FAILURE_PROTOCOL,
                               "the server sent more of the body than it may");
    byte_ring_add(&request->body, data);
    request_touch(request);
    request_notify(request, EVENT_READABLE);
    return 0;
}

void response_end(struct http_client_request *request)
{
    request->response_done = true;
    request_notify(request, EVENT_READABLE);
}

// SPDX-License-Identifier: Apache-2.0
// One request as libcurl drives it: its options, the response's head and trailers, the bodies'
// bytes.
#include <errno.h>

#include "http/client_impl.h"

static void touch(struct http_client_request *request)
{
    request->active_at = loop_now(request->client->loop);
}

size_t request_refuse(struct http_client_request *request, enum http_client_failure failure,
                      const char *text)
{
    request->failure = failure;
    free(request->failure_text);
    request->failure_text = mem_strdup(text);
    return CURL_WRITEFUNC_ERROR;
}

// ---- the response's head -----------------------------------------------------------------------

static int parse_status(struct str line, unsigned *status)
{
    struct str version, rest;
    uint64_t code;
    if (!str_cut(line, ' ', &version, &rest) || str_to_u64(str_sub(rest, 0, 3), 999, &code) < 0 ||
        code < 100)
        return -EPROTO;
    if (rest.len > 3 && rest.data[3] != ' ')
        return -EPROTO;
    *status = (unsigned)code;
    return 0;
}

static void block_reset(struct field_block *block)
{
    arena_reset(&block->arena);
    block->fields.len = 0;
}

static size_t start_head(struct http_client_request *request, struct str line)
{
    block_reset(&request->head);
    request->head_started = true;
    request->body_left = -1;
    request->is_chunked = false;
    if (parse_status(line, &request->status) < 0)
        return request_refuse(request, HTTP_FAILURE_PROTOCOL, "malformed status line");
    return 0;
}

static size_t end_head(struct http_client_request *request)
{
    // No upgrade was asked for (RFC 9110 section 15.2.2).
    if (request->status == 101)
        return request_refuse(request, HTTP_FAILURE_PROTOCOL,
                              "the server switched protocols unasked");
    if (request->status < 200)
        return 0;
    request->head_done = true;
    request->header_bytes = 0;
    // Without a body, or with a transfer coding, the length does not count (RFC 9112 section 6.3).
    if (request->is_head || request->is_chunked || request->status == 204 || request->status == 304)
        request->body_left = -1;
    request->phase = PHASE_BODY;
    touch(request);
    loop_timer_start(&request->timer, request->between_bytes_timeout_ns);
    request_notify(request, EVENT_HEAD);
    if (request->body_left == 0)
        request_notify(request, EVENT_READABLE);
    return 0;
}

// What frames the body: libcurl counts it as well, but says nothing before its end.
static size_t note_framing(struct http_client_request *request, struct str name, struct str value)
{
    if (str_eq_nocase(name, STR("transfer-encoding")))
        request->is_chunked = true;
    if (!str_eq_nocase(name, STR("content-length")))
        return 0;
    uint64_t length;
    if (str_to_u64(value, INT64_MAX, &length) < 0 ||
        (request->body_left >= 0 && request->body_left != (int64_t)length))
        return request_refuse(request, HTTP_FAILURE_PROTOCOL,
                              "invalid content-length in the response");
    request->body_left = (int64_t)length;
    return 0;
}

static void put_field(struct field_block *block, struct str name, struct str value)
{
    char *lower = arena_alloc(&block->arena, name.len);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = ascii_lower(name.data[i]);
    struct str copy = arena_str(&block->arena, value);
    *vec_push(&block->fields) = (struct http_field){str_of(lower, name.len), copy};
}

static size_t add_field(struct http_client_request *request, struct str line)
{
    struct str name, value;
    if (!str_cut(line, ':', &name, &value) || !http_name_valid(name))
        return request_refuse(request, HTTP_FAILURE_PROTOCOL,
                              "malformed field name in the response");
    value = str_trim(value);
    if (!http_value_valid(value))
        return request_refuse(request, HTTP_FAILURE_PROTOCOL,
                              "malformed field value in the response");
    if (!request->head_done) {
        size_t failed = note_framing(request, name, value);
        if (failed)
            return failed;
    }
    if (!http_name_is_hop_by_hop(name))
        put_field(request->head_done ? &request->trailers : &request->head, name, value);
    return 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct http_client_request *request = user;
    struct str line = str_of(data, size * count);
    size_t taken = line.len;
    request_enter(request, PHASE_AWAITING_HEAD);
    touch(request);
    request->header_bytes += line.len;
    if (request->header_bytes > HTTP_CLIENT_HEADER_BYTES_MAX)
        return request_refuse(request, HTTP_FAILURE_RESPONSE_HEADERS_SIZE,
                              "the response's header fields exceed the limit of 65536 bytes");
    while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    size_t failed;
    if (!request->head_done && str_starts(line, STR("HTTP/")))
        failed = start_head(request, line);
    else if (line.len > 0)
        failed = add_field(request, line);
    else
        failed = request->head_done ? 0 : end_head(request);
    return failed ? failed : taken;
}

// ---- bodies ------------------------------------------------------------------------------------

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct http_client_request *request = user;
    struct str part = str_of(data, size * count);
    touch(request);
    if (part.len > byte_ring_free(&request->body)) {
        request->recv_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    byte_ring_add(&request->body, part);
    if (request->body_left >= (int64_t)part.len)
        request->body_left -= (int64_t)part.len;
    request_notify(request, EVENT_READABLE);
    return part.len;
}

static size_t on_upload(char *data, size_t size, size_t count, void *user)
{
    struct http_client_request *request = user;
    touch(request);
    size_t len = byte_ring_take(&request->upload, data, size * count);
    if (len > 0) {
        if (!request->upload_ended)
            request_notify(request, EVENT_WRITABLE);
        return len;
    }
    if (request->upload_ended)
        return request->upload_left > 0 ? CURL_READFUNC_ABORT : 0;
    request->send_paused = true;
    return CURL_READFUNC_PAUSE;
}

// libcurl frees the list.
static int on_trailers(struct curl_slist **list, void *user)
{
    struct http_client_request *request = user;
    *list = TAKE(request->upload_trailers);
    return CURL_TRAILERFUNC_OK;
}

// ---- options -----------------------------------------------------------------------------------

static void setup_body(struct http_client_request *request)
{
    CURL *easy = request->easy;
    if (request->is_head) {
        curl_api.easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (request->sends_body) {
        curl_api.easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_api.easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->upload_left);
        curl_api.easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
        curl_api.easy_setopt(easy, CURLOPT_READDATA, request);
        curl_api.easy_setopt(easy, CURLOPT_TRAILERFUNCTION, on_trailers);
        curl_api.easy_setopt(easy, CURLOPT_TRAILERDATA, request);
    }
}

static void setup_callbacks(struct http_client_request *request)
{
    CURL *easy = request->easy;
    curl_api.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_api.easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_api.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_api.easy_setopt(easy, CURLOPT_WRITEDATA, request);
}

void transfer_setup(struct http_client_request *request)
{
    CURL *easy = request->easy;
    curl_api.easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_api.easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
    curl_api.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // A cancelled look-up must not make this thread wait for the resolver's.
    curl_api.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_api.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    // HTTP/2 where the server chooses it in TLS (ALPN); plain connections know HTTP/1.1 only.
    curl_api.easy_setopt(
        easy, CURLOPT_HTTP_VERSION,
        (long)(str_is(request->scheme, "https") ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_api.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_api.easy_setopt(easy, CURLOPT_PROXY, ""); // nor one from the environment
    curl_api.easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_api.easy_setopt(easy, CURLOPT_REQUEST_TARGET, request->target);
    curl_api.easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    setup_callbacks(request);
    connect_setup(request);
    setup_body(request);
}

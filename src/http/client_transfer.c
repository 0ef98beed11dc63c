// SPDX-License-Identifier: Apache-2.0
// One request as libcurl drives it: its options, the response's head and trailers, the bodies'
// bytes, and what a failure means.
#include <errno.h>

#include "http/client_impl.h"

static void touch(struct http_client_request *request)
{
    request->active_at = loop_now(request->client->loop);
}

static void enter(struct http_client_request *request, enum request_phase phase)
{
    if (phase > request->phase) {
        request->phase = phase;
        touch(request);
    }
}

static void phase_timer_restart(struct http_client_request *request, uint64_t timeout_ns)
{
    touch(request);
    loop_timer_start(&request->timer, timeout_ns);
}

// Notes why; returns what makes libcurl end the transfer.
static size_t refuse(struct http_client_request *request, enum http_client_failure failure,
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
        return refuse(request, HTTP_FAILURE_PROTOCOL, "malformed status line");
    return 0;
}

static size_t end_head(struct http_client_request *request)
{
    // No upgrade was asked for (RFC 9110 section 15.2.2).
    if (request->status == 101)
        return refuse(request, HTTP_FAILURE_PROTOCOL, "the server switched protocols unasked");
    if (request->status < 200)
        return 0;
    request->head_done = true;
    request->header_bytes = 0;
    // Without a body, or with a transfer coding, the length does not count (RFC 9112 section 6.3).
    if (request->is_head || request->is_chunked || request->status == 204 || request->status == 304)
        request->body_left = -1;
    request->phase = PHASE_BODY;
    phase_timer_restart(request, request->between_bytes_timeout_ns);
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
        return refuse(request, HTTP_FAILURE_PROTOCOL, "invalid content-length in the response");
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
        return refuse(request, HTTP_FAILURE_PROTOCOL, "malformed field name in the response");
    value = str_trim(value);
    if (!http_value_valid(value))
        return refuse(request, HTTP_FAILURE_PROTOCOL, "malformed field value in the response");
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
    enter(request, PHASE_AWAITING_HEAD);
    touch(request);
    request->header_bytes += line.len;
    if (request->header_bytes > HTTP_CLIENT_HEADER_BYTES_MAX)
        return refuse(request, HTTP_FAILURE_RESPONSE_HEADERS_SIZE,
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

// ---- progress of the connection ----------------------------------------------------------------

static int on_resolve(void *resolver, void *reserved, void *user)
{
    enter(user, PHASE_RESOLVING);
    return 0;
}

static int on_new_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    enter(user, PHASE_CONNECTING);
    return CURL_SOCKOPT_OK;
}

static int on_connected(void *user, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
    struct http_client_request *request = user;
    enter(request, PHASE_AWAITING_HEAD);
    phase_timer_restart(request, request->first_byte_timeout_ns);
    return CURL_PREREQFUNC_OK;
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
    }
}

static void setup_callbacks(struct http_client_request *request)
{
    CURL *easy = request->easy;
    curl_api.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_api.easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_api.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_api.easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_api.easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
    curl_api.easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, request);
    curl_api.easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
    curl_api.easy_setopt(easy, CURLOPT_SOCKOPTDATA, request);
    curl_api.easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_api.easy_setopt(easy, CURLOPT_PREREQDATA, request);
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
    curl_api.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_api.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_api.easy_setopt(easy, CURLOPT_PROXY, ""); // nor one from the environment
    curl_api.easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_api.easy_setopt(easy, CURLOPT_REQUEST_TARGET, request->target);
    curl_api.easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    // Ours comes first: it also counts the wait for a connection of the pool.
    curl_api.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                         (long)(request->connect_timeout_ns / HTTP_CLIENT_NS_PER_MS + 1000));
    if (request->client->ca_file)
        curl_api.easy_setopt(easy, CURLOPT_CAINFO, request->client->ca_file);
    setup_callbacks(request);
    setup_body(request);
}

// ---- failures ----------------------------------------------------------------------------------

static const struct {
    CURLcode result;
    enum http_client_failure failure;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, HTTP_FAILURE_DNS_ERROR},
    {CURLE_COULDNT_RESOLVE_PROXY, HTTP_FAILURE_DNS_ERROR},
    {CURLE_URL_MALFORMAT, HTTP_FAILURE_URI_INVALID},
    {CURLE_SSL_CONNECT_ERROR, HTTP_FAILURE_TLS_PROTOCOL},
    {CURLE_SSL_CIPHER, HTTP_FAILURE_TLS_PROTOCOL},
    {CURLE_SSL_SHUTDOWN_FAILED, HTTP_FAILURE_TLS_PROTOCOL},
    {CURLE_PEER_FAILED_VERIFICATION, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_SSL_CERTPROBLEM, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_SSL_ISSUER_ERROR, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_SSL_INVALIDCERTSTATUS, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_PARTIAL_FILE, HTTP_FAILURE_RESPONSE_INCOMPLETE},
    {CURLE_WEIRD_SERVER_REPLY, HTTP_FAILURE_PROTOCOL},
    {CURLE_UNSUPPORTED_PROTOCOL, HTTP_FAILURE_PROTOCOL}, // an answer without a status line
    {CURLE_BAD_CONTENT_ENCODING, HTTP_FAILURE_PROTOCOL},
    {CURLE_SEND_FAIL_REWIND, HTTP_FAILURE_CONNECTION_TERMINATED},
};

static enum http_client_failure connect_failure(const struct http_client_request *request)
{
    long os_error = 0;
    curl_api.easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
    return os_error == ETIMEDOUT ? HTTP_FAILURE_CONNECTION_TIMEOUT
                                 : HTTP_FAILURE_CONNECTION_REFUSED;
}

static enum http_client_failure broken_failure(const struct http_client_request *request)
{
    // A malformed chunk is reported as an error of receiving.
    if (strstr(request->curl_error, "chunk"))
        return HTTP_FAILURE_PROTOCOL;
    return request->head_started ? HTTP_FAILURE_RESPONSE_INCOMPLETE
                                 : HTTP_FAILURE_CONNECTION_TERMINATED;
}

enum http_client_failure transfer_failure(const struct http_client_request *request,
                                          CURLcode result)
{
    switch ((int)result) {
    case CURLE_COULDNT_CONNECT:
        return connect_failure(request);
    case CURLE_OPERATION_TIMEDOUT:
        return request->phase == PHASE_RESOLVING ? HTTP_FAILURE_DNS_TIMEOUT
                                                 : HTTP_FAILURE_CONNECTION_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return broken_failure(request);
    case CURLE_OUT_OF_MEMORY:
        // libcurl's own limit for one header line.
        return request->phase == PHASE_AWAITING_HEAD ? HTTP_FAILURE_RESPONSE_HEADERS_SIZE
                                                     : HTTP_FAILURE_INTERNAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (failures[i].result == result)
            return failures[i].failure;
    return HTTP_FAILURE_INTERNAL;
}

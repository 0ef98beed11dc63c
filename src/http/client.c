// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <errno.h>

#include "http/client_impl.h"
#include "http/uri.h"

#define CONNECT_TIMEOUT_DEFAULT_MS ((uint64_t)60 * 1000)
#define BYTES_TIMEOUT_DEFAULT_MS   ((uint64_t)600 * 1000)

// ---- the end of a request and what its user hears ----------------------------------------------

void request_notify(struct http_client_request *request, unsigned events)
{
    request->pending |= events;
    loop_defer(request->client->loop, &request->defer);
}

// Takes the transfer from libcurl; what was received stays readable.
static void detach(struct http_client_request *request)
{
    request->phase = PHASE_DONE;
    request->pending &= ~(unsigned)EVENT_UNPAUSE;
    loop_timer_stop(&request->timer);
    if (request->easy) {
        curl_api.multi_remove_handle(request->client->multi, request->easy);
        curl_api.easy_cleanup(request->easy);
        request->easy = NULL;
    }
    curl_api.slist_free_all(TAKE(request->headers));
    curl_api.slist_free_all(TAKE(request->upload_trailers));
    byte_ring_done(&request->upload);
}

static void notify_end(struct http_client_request *request)
{
    if (!request->head_done)
        request_notify(request, EVENT_FAILED);
    else if (request->body_left != 0) // else the end was told already
        request_notify(request, EVENT_READABLE);
    if (request->sends_body && !request->upload_ended)
        request_notify(request, EVENT_WRITABLE);
}

void request_fail(struct http_client_request *request, enum http_client_failure failure,
                  const char *text)
{
    if (request->phase == PHASE_DONE)
        return;
    request->failure = failure;
    char *copy = mem_strdup(text);
    free(request->failure_text);
    request->failure_text = copy;
    detach(request);
    notify_end(request);
}

void request_finish(struct http_client_request *request, CURLcode result)
{
    if (request->failure != HTTP_FAILURE_NONE) {
        request_fail(request, request->failure, http_client_failure_text(request));
    } else if (result != CURLE_OK) {
        const char *text =
            request->curl_error[0] ? request->curl_error : curl_api.easy_strerror(result);
        enum http_client_failure failure = transfer_failure(request, result);
        request_fail(request, failure, text);
    } else if (!request->head_done) {
        request_fail(request,
                     request->head_started ? HTTP_FAILURE_RESPONSE_INCOMPLETE
                                           : HTTP_FAILURE_CONNECTION_TERMINATED,
                     "the connection was closed before the end of the response's head");
    } else {
        detach(request);
        notify_end(request);
    }
}

// ---- timeouts ----------------------------------------------------------------------------------

struct phase_timeout {
    uint64_t ns;
    enum http_client_failure failure;
    const char *text;
};

static struct phase_timeout phase_timeout(const struct http_client_request *request)
{
    switch (request->phase) {
    case PHASE_WAITING:
        if (request->client->connection_wait_ns <= request->connect_timeout_ns)
            return (struct phase_timeout){request->client->connection_wait_ns,
                                          HTTP_FAILURE_CONNECTION_LIMIT,
                                          "all connections that there may be stayed in use"};
        return (struct phase_timeout){request->connect_timeout_ns, HTTP_FAILURE_CONNECTION_TIMEOUT,
                                      "no connection of the pool became free in time"};
    case PHASE_RESOLVING:
        return (struct phase_timeout){request->connect_timeout_ns, HTTP_FAILURE_DNS_TIMEOUT,
                                      "the host's name was not resolved in time"};
    case PHASE_CONNECTING:
        return (struct phase_timeout){request->connect_timeout_ns, HTTP_FAILURE_CONNECTION_TIMEOUT,
                                      "the connection was not established in time"};
    case PHASE_AWAITING_HEAD:
        if (request->upload.len > 0)
            return (struct phase_timeout){request->first_byte_timeout_ns,
                                          HTTP_FAILURE_WRITE_TIMEOUT,
                                          "the server did not take the request's body in time"};
        return (struct phase_timeout){request->first_byte_timeout_ns, HTTP_FAILURE_READ_TIMEOUT,
                                      "the server did not answer in time"};
    case PHASE_BODY:
        return (struct phase_timeout){request->between_bytes_timeout_ns, HTTP_FAILURE_READ_TIMEOUT,
                                      "the response's body stalled"};
    case PHASE_DONE:
        break;
    }
    return (struct phase_timeout){0};
}

static void on_phase_timer(struct loop_timer *timer)
{
    struct http_client_request *request = container_of(timer, struct http_client_request, timer);
    if (request->phase == PHASE_DONE)
        return;
    struct phase_timeout timeout = phase_timeout(request);
    uint64_t now = loop_now(request->client->loop);
    bool is_connected = request->phase >= PHASE_AWAITING_HEAD;
    // The peer is not to blame while it waits for our user to read or to write.
    if (is_connected && (request->recv_paused || (request->send_paused && !request->upload.len)))
        request->active_at = now;
    uint64_t idle = now - request->active_at;
    if (idle >= timeout.ns)
        request_fail(request, timeout.failure, timeout.text);
    else
        loop_timer_start(timer, timeout.ns - idle);
}

// ---- events ------------------------------------------------------------------------------------

static void unpause(struct http_client_request *request)
{
    if (!request->easy)
        return;
    bool recv = request->recv_paused && request->body.len > request->body.cap / 2;
    bool send = request->send_paused && request->upload.len == 0 && !request->upload_ended;
    request->recv_paused = recv;
    request->send_paused = send;
    request->active_at = loop_now(request->client->loop);
    CURLcode result = curl_api.easy_pause(request->easy, (recv ? CURLPAUSE_RECV : 0) |
                                                             (send ? CURLPAUSE_SEND : 0));
    if (result != CURLE_OK)
        request_finish(request, result);
}

static void (*take_event(struct http_client_request *request))(void *user)
{
    const struct http_client_events *events = &request->events;
    const struct {
        unsigned event;
        void (*callback)(void *user);
    } order[] = {
        {EVENT_FAILED, events->failed},
        {EVENT_HEAD, events->head},
        {EVENT_READABLE, events->readable},
        {EVENT_WRITABLE, events->writable},
    };
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!(request->pending & order[i].event))
            continue;
        request->pending &= ~order[i].event;
        if (order[i].callback)
            return order[i].callback;
    }
    return NULL;
}

static void release(struct http_client_request *request)
{
    byte_ring_done(&request->body);
    arena_done(&request->head.arena);
    arena_done(&request->trailers.arena);
    vec_done(&request->head.fields);
    vec_done(&request->trailers.fields);
    free(request->failure_text);
    free(request->origin);
    free(request->target);
    free(request);
}

static void on_events(struct loop_defer *defer)
{
    struct http_client_request *request = container_of(defer, struct http_client_request, defer);
    if (request->pending & EVENT_UNPAUSE) {
        request->pending &= ~(unsigned)EVENT_UNPAUSE;
        unpause(request);
    }
    request->in_event = true;
    void (*callback)(void *user);
    while (!request->freed && (callback = take_event(request)))
        callback(request->user);
    request->in_event = false;
    if (request->freed)
        release(request);
}

// ---- start -------------------------------------------------------------------------------------

static bool is_own_field(struct str name)
{
    // Framing is ours; `te` is the one field of the connection that a caller decides.
    return str_eq_nocase(name, STR("content-length")) ||
           (http_name_is_hop_by_hop(name) && !str_eq_nocase(name, STR("te")));
}

static int add_header(struct http_client_request *request, const struct http_field *field,
                      struct error *err)
{
    if (!http_name_valid(field->name))
        return error_set(err, -EINVAL, "invalid field name \"%.*s\"", STR_ARG(field->name));
    if (!http_value_valid(field->value))
        return error_set(err, -EINVAL, "invalid value of field \"%.*s\"", STR_ARG(field->name));
    request->header_bytes += field->name.len + field->value.len + 4;
    if (request->header_bytes > HTTP_CLIENT_HEADER_BYTES_MAX)
        return error_set(err, -E2BIG, "the request's fields exceed %zu bytes",
                         HTTP_CLIENT_HEADER_BYTES_MAX);
    if (is_own_field(field->name))
        return 0;
    // libcurl's notation for a field with an empty value.
    _cleanup_(mem_freep) char *line =
        field->value.len == 0
            ? mem_printf("%.*s;", STR_ARG(field->name))
            : mem_printf("%.*s: %.*s", STR_ARG(field->name), STR_ARG(field->value));
    request->headers = curl_api.slist_append(request->headers, line);
    return 0;
}

static int add_headers(struct http_client_request *request,
                       const struct http_client_request_options *options, struct error *err)
{
    for (size_t i = 0; i < options->field_count; i++) {
        int rc = add_header(request, &options->fields[i], err);
        if (rc < 0)
            return rc;
    }
    request->header_bytes = 0;
    if (!http_field_find(options->fields, options->field_count, STR("accept")))
        request->headers = curl_api.slist_append(request->headers, "Accept:");
    if (!http_field_find(options->fields, options->field_count, STR("expect")))
        request->headers = curl_api.slist_append(request->headers, "Expect:");
    return 0;
}

static int set_url(struct http_client_request *request,
                   const struct http_client_request_options *options, struct error *err)
{
    struct uri uri;
    int rc = uri_parse_http(options->url, &uri, err);
    if (rc < 0) {
        error_wrap(err, "invalid URL");
        return rc;
    }
    // libcurl gets only what decides the connection, so that it cannot read the URL differently.
    bool is_ipv6 = uri.authority.host_kind == URI_HOST_IPV6;
    request->origin = mem_printf("%.*s://%s%.*s%s:%u/", STR_ARG(uri.scheme), is_ipv6 ? "[" : "",
                                 STR_ARG(uri.authority.host), is_ipv6 ? "]" : "",
                                 uri_port(uri.scheme, &uri.authority));
    request->scheme = str_of(request->origin, uri.scheme.len);
    request->host = str_of(request->origin + uri.scheme.len + 3 + is_ipv6, uri.authority.host.len);
    bool is_asterisk = str_is(options->method, "OPTIONS") && uri.path.len == 0 && !uri.query.data;
    request->target = is_asterisk
                          ? mem_strdup("*")
                          : mem_printf("%.*s%s%.*s", STR_ARG(uri.path.len ? uri.path : STR("/")),
                                       uri.query.data ? "?" : "",
                                       STR_ARG(uri.query.data ? uri.query : STR_EMPTY));
    if (curl_api.easy_setopt(request->easy, CURLOPT_URL, request->origin) != CURLE_OK)
        return error_set(err, -EINVAL, "invalid URL");
    return 0;
}

static int set_method(struct http_client_request *request,
                      const struct http_client_request_options *options, struct error *err)
{
    if (!http_name_valid(options->method))
        return error_set(err, -EINVAL, "invalid method \"%.*s\"", STR_ARG(options->method));
    if (str_is(options->method, "CONNECT"))
        return error_set(err, -EINVAL, "method CONNECT is not supported");
    request->is_head = str_is(options->method, "HEAD");
    if (request->is_head && options->content_length > 0)
        return error_set(err, -EINVAL, "a HEAD request cannot have a body");
    // Methods that anticipate content announce an empty one (RFC 9110 section 8.6).
    static const char *const with_body[] = {"POST", "PUT", "PATCH"};
    request->sends_body = !request->is_head && options->content_length != 0;
    for (size_t i = 0; i < ARRAY_LEN(with_body); i++)
        if (str_is(options->method, with_body[i]))
            request->sends_body = true;
    request->upload_left = request->is_head ? 0 : MAX(options->content_length, -1);
    request->upload_ended = request->upload_left == 0;
    _cleanup_(mem_freep) char *method = str_dup(options->method);
    curl_api.easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, method);
    return 0;
}

static uint64_t timeout_ns(uint64_t ms, uint64_t default_ms)
{
    // A year stands for "never"; it also keeps the product from overflowing.
    const uint64_t ms_max = (uint64_t)365 * 24 * 3600 * 1000;
    return MIN(ms ? ms : default_ms, ms_max) * HTTP_CLIENT_NS_PER_MS;
}

static struct http_client_request *request_new(struct http_client *client,
                                               const struct http_client_request_options *options)
{
    struct http_client_request *request = mem_new(struct http_client_request);
    request->client = client;
    request->events = options->events;
    request->user = options->user;
    request->permits = options->permits;
    request->permits_user = options->permits_user;
    request->connect_timeout_ns =
        timeout_ns(options->connect_timeout_ms, CONNECT_TIMEOUT_DEFAULT_MS);
    request->first_byte_timeout_ns =
        timeout_ns(options->first_byte_timeout_ms, BYTES_TIMEOUT_DEFAULT_MS);
    request->between_bytes_timeout_ns =
        timeout_ns(options->between_bytes_timeout_ms, BYTES_TIMEOUT_DEFAULT_MS);
    request->defer.callback = on_events;
    request->upload.cap = HTTP_CLIENT_BUFFER_BYTES;
    request->body.cap = HTTP_CLIENT_BUFFER_BYTES;
    request->body_left = -1;
    request->head.arena = ARENA_INIT(0);
    request->trailers.arena = ARENA_INIT(0);
    loop_timer_init(&request->timer, client->loop, on_phase_timer);
    request->easy = curl_api.easy_init();
    if (!request->easy)
        die_oom(0);
    client->request_count++;
    loop_timer_stop(&client->idle);
    return request;
}

int http_client_start(struct http_client *client, const struct http_client_request_options *options,
                      struct http_client_request **out, struct error *err)
{
    int rc = client_prepare(client, err);
    if (rc < 0)
        return rc;
    struct http_client_request *request = request_new(client, options);
    rc = set_method(request, options, err);
    if (rc == 0)
        rc = set_url(request, options, err);
    if (rc == 0)
        rc = add_headers(request, options, err);
    if (rc < 0) {
        http_client_request_free(request);
        return rc;
    }
    transfer_setup(request);
    request->active_at = loop_now(client->loop);
    loop_timer_start(&request->timer, MIN(request->connect_timeout_ns, client->connection_wait_ns));
    curl_api.multi_add_handle(client->multi, request->easy);
    *out = request;
    return 0;
}

void http_client_request_free(struct http_client_request *request)
{
    if (!request)
        return;
    detach(request);
    loop_defer_cancel(request->client->loop, &request->defer);
    loop_timer_done(&request->timer);
    if (--request->client->request_count == 0)
        loop_timer_start(&request->client->idle, request->client->idle_ns);
    if (request->in_event)
        request->freed = true;
    else
        release(request);
}

// ---- bodies ------------------------------------------------------------------------------------

size_t http_client_write_budget(const struct http_client_request *request)
{
    // After the end there is room as well: the writer must learn of the end.
    if (request->phase == PHASE_DONE)
        return HTTP_CLIENT_BUFFER_BYTES;
    return byte_ring_free(&request->upload);
}

int http_client_write(struct http_client_request *request, struct str data)
{
    if (request->phase == PHASE_DONE || request->is_head)
        return -EPIPE;
    if (request->upload_ended && data.len > 0)
        return request->upload_left == 0 ? -EMSGSIZE : -EPIPE;
    if (request->upload_left >= 0 && data.len > (uint64_t)request->upload_left)
        return -EMSGSIZE;
    if (data.len > byte_ring_free(&request->upload))
        return -ENOBUFS;
    byte_ring_add(&request->upload, data);
    if (request->upload_left >= 0)
        request->upload_left -= (int64_t)data.len;
    if (request->send_paused && data.len > 0)
        request_notify(request, EVENT_UNPAUSE);
    return 0;
}

int http_client_write_end(struct http_client_request *request)
{
    if (request->phase == PHASE_DONE)
        return request->failure == HTTP_FAILURE_NONE ? 0 : -EPIPE;
    if (request->upload_ended)
        return 0;
    request->upload_ended = true;
    if (request->upload_left > 0) {
        request_fail(request, HTTP_FAILURE_INTERNAL,
                     "the request's body ended before its content-length");
        return -EMSGSIZE;
    }
    if (request->send_paused)
        request_notify(request, EVENT_UNPAUSE);
    return 0;
}

static bool is_trailer_field(struct str name)
{
    static const struct str never[] = {STR_INIT("te"),      STR_INIT("host"),
                                       STR_INIT("trailer"), STR_INIT("content-type"),
                                       STR_INIT("expect"),  STR_INIT("authorization")};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (str_eq_nocase(name, never[i]))
            return false;
    return !is_own_field(name);
}

int http_client_write_trailers(struct http_client_request *request, const struct http_field *fields,
                               size_t count)
{
    size_t bytes = 0;
    if (request->phase == PHASE_DONE || request->is_head || request->upload_ended)
        return 0; // nobody will read them
    for (size_t i = 0; i < count; i++) {
        if (!http_name_valid(fields[i].name) || !http_value_valid(fields[i].value))
            return -EINVAL;
        bytes += fields[i].name.len + fields[i].value.len + 4;
        if (bytes > HTTP_CLIENT_TRAILER_BYTES_MAX) {
            request_fail(request, HTTP_FAILURE_REQUEST_TRAILERS_SIZE,
                         "the request's trailers exceed the limit of 49152 bytes");
            return -E2BIG;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_trailer_field(fields[i].name))
            continue;
        _cleanup_(mem_freep) char *line =
            mem_printf("%.*s: %.*s", STR_ARG(fields[i].name), STR_ARG(fields[i].value));
        request->upload_trailers = curl_api.slist_append(request->upload_trailers, line);
    }
    return 0;
}

unsigned http_client_status(const struct http_client_request *request)
{
    return request->head_done ? request->status : 0;
}

const struct http_field *http_client_fields(const struct http_client_request *request,
                                            size_t *count)
{
    *count = request->head_done ? request->head.fields.len : 0;
    return request->head.fields.items;
}

const struct http_field *http_client_trailers(const struct http_client_request *request,
                                              size_t *count)
{
    *count = request->trailers.fields.len;
    return request->trailers.fields.items;
}

ssize_t http_client_read(struct http_client_request *request, struct str *out)
{
    struct str front = byte_ring_front(&request->body);
    if (front.len > 0) {
        *out = front;
        return (ssize_t)front.len;
    }
    if (request->head_done && request->body_left == 0)
        return 0;
    if (request->phase != PHASE_DONE)
        return -EAGAIN;
    return request->failure == HTTP_FAILURE_NONE ? 0 : -EIO;
}

void http_client_consume(struct http_client_request *request, size_t len)
{
    assert(len <= request->body.len);
    byte_ring_drop(&request->body, len);
    if (request->recv_paused && request->body.len <= request->body.cap / 2)
        request_notify(request, EVENT_UNPAUSE);
}

enum http_client_failure http_client_request_failure(const struct http_client_request *request)
{
    return request->failure;
}

uint8_t http_client_tls_alert(const struct http_client_request *request)
{
    return request->tls_alert;
}

const char *http_client_failure_text(const struct http_client_request *request)
{
    return request->failure_text ? request->failure_text : "no failure";
}

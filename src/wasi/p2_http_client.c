// SPDX-License-Identifier: Apache-2.0
// The client's side: outgoing-handler, future-incoming-response and incoming-response.
//
// A request whose body the guest has taken but not finished does not leave at once: it waits until
// the body is finished, as much is written as may be held, or the next turn of the loop ends,
// because the guest waits for something; in the first it may just have been interrupted. Small
// bodies so have a known length, and none at all needs no chunk.
#include <assert.h>
#include <errno.h>

#include "http/client.h"
#include "http/uri.h"
#include "wasi/egress.h"
#include "wasi/p2_http.h"

static_assert(OUTGOING_HELD_BYTES_MAX <= HTTP_CLIENT_BUFFER_BYTES,
              "what was held fits into a new request");

struct p2_http_types_incoming_response {
    unsigned status;
};

enum fetch_state {
    FETCH_UNSENT,
    FETCH_WAITING,
    FETCH_ANSWERED,
    FETCH_FAILED,
};

// One request with its response; the representation of the future is the whole.
struct p2_http_types_future_incoming_response {
    struct incoming in; // the response
    struct p2_http_types_incoming_response response;
    enum fetch_state state;
    bool taken; // get() gave the result out
    struct wasi_parent own;
    struct wasi_event event;
    struct http_error failure;                      // before the response
    struct http_client_request *request;            // NULL: not sent, or given up
    struct outgoing *body;                          // of the request, while it is being sent
    struct p2_http_types_outgoing_request *message; // until it is sent
    char *url;                                      // the same
    uint64_t connect_timeout_ms, first_byte_timeout_ms, between_bytes_timeout_ms;
    struct wasi *wasi;
    bool counted; // in wasi->http_requests
    struct loop_defer defer;
    unsigned deferrals; // of FETCH_UNSENT
};

static struct p2_http_types_future_incoming_response *of_incoming(struct incoming *in)
{
    return container_of(in, struct p2_http_types_future_incoming_response, in);
}
static struct p2_http_types_future_incoming_response *of_response(
    struct p2_http_types_incoming_response *response)
{
    return container_of(response, struct p2_http_types_future_incoming_response, response);
}

// ---- errors -------------------------------------------------------------------------------------

static const enum p2_http_types_error_code_tag failure_codes[] = {
    [HTTP_FAILURE_NONE] = P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
    [HTTP_FAILURE_DNS_TIMEOUT] = P2_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT,
    [HTTP_FAILURE_DNS_ERROR] = P2_HTTP_TYPES_ERROR_CODE_DNS_ERROR,
    [HTTP_FAILURE_CONNECTION_REFUSED] = P2_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED,
    [HTTP_FAILURE_CONNECTION_TIMEOUT] = P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT,
    [HTTP_FAILURE_CONNECTION_TERMINATED] = P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED,
    [HTTP_FAILURE_READ_TIMEOUT] = P2_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT,
    [HTTP_FAILURE_WRITE_TIMEOUT] = P2_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT,
    [HTTP_FAILURE_TLS_PROTOCOL] = P2_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR,
    [HTTP_FAILURE_TLS_CERTIFICATE] = P2_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR,
    [HTTP_FAILURE_RESPONSE_INCOMPLETE] = P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE,
    [HTTP_FAILURE_RESPONSE_HEADERS_SIZE] =
        P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_HEADER_SECTION_SIZE,
    [HTTP_FAILURE_PROTOCOL] = P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR,
    [HTTP_FAILURE_URI_INVALID] = P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID,
    [HTTP_FAILURE_ADDRESS_PROHIBITED] = P2_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED,
    [HTTP_FAILURE_CONNECTION_LIMIT] = P2_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED,
    [HTTP_FAILURE_REQUEST_TRAILERS_SIZE] =
        P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_TRAILER_SECTION_SIZE,
    [HTTP_FAILURE_TLS_ALERT] = P2_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED,
    [HTTP_FAILURE_UNROUTABLE] = P2_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_UNROUTABLE,
    [HTTP_FAILURE_TRANSFER_CODING] = P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRANSFER_CODING,
    [HTTP_FAILURE_RESPONSE_TRAILERS_SIZE] =
        P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRAILER_SECTION_SIZE,
    [HTTP_FAILURE_CONFIGURATION] = P2_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR,
    [HTTP_FAILURE_INTERNAL] = P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
};
static_assert(ARRAY_LEN(failure_codes) == HTTP_FAILURE_INTERNAL + 1, "failure without a code");

static void take_failure(struct http_error *error, const struct http_client_request *request)
{
    http_error_set(error, failure_codes[http_client_request_failure(request)],
                   http_client_failure_text(request));
    error->size = http_client_tls_alert(request);
}

// ---- the end ------------------------------------------------------------------------------------

static void unsent_done(struct p2_http_types_future_incoming_response *fetch)
{
    loop_defer_cancel(fetch->wasi->loop, &fetch->defer);
    free(TAKE(fetch->url));
    if (fetch->message)
        message_unref(&TAKE(fetch->message)->out.message);
}

static void request_done(struct p2_http_types_future_incoming_response *fetch)
{
    http_client_request_free(TAKE(fetch->request));
    if (fetch->counted)
        fetch->wasi->http_requests--;
    fetch->counted = false;
}

// Gives the request up; what guests still hold of the response is copied.
static void fetch_cancel(struct p2_http_types_future_incoming_response *fetch)
{
    unsent_done(fetch);
    if (fetch->body)
        outgoing_break(fetch->body);
    incoming_detach(&fetch->in, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
    request_done(fetch);
}

static void fetch_failed(struct p2_http_types_future_incoming_response *fetch)
{
    fetch->state = FETCH_FAILED;
    fetch_cancel(fetch);
    wasi_event_wake(&fetch->event);
}

static void fetch_fail(struct p2_http_types_future_incoming_response *fetch,
                       enum p2_http_types_error_code_tag tag, const char *text)
{
    http_error_set(&fetch->failure, tag, text);
    fetch_failed(fetch);
}

static void fetch_free(struct message *message)
{
    struct p2_http_types_future_incoming_response *fetch =
        container_of(message, struct p2_http_types_future_incoming_response, in.message);
    unsent_done(fetch);
    if (fetch->body)
        outgoing_break(fetch->body);
    incoming_done(&fetch->in);
    request_done(fetch);
    http_error_done(&fetch->failure);
    free(fetch);
}

// ---- events of the client -----------------------------------------------------------------------

static void on_head(void *user)
{
    struct p2_http_types_future_incoming_response *fetch = user;
    size_t count = 0;
    const struct http_field *fields = http_client_fields(fetch->request, &count);
    fetch->response.status = http_client_status(fetch->request);
    field_list_borrow(&fetch->in.message.fields, fields, count);
    fetch->state = FETCH_ANSWERED;
    wasi_event_wake(&fetch->event);
}

static void on_readable(void *user)
{
    struct p2_http_types_future_incoming_response *fetch = user;
    incoming_readable(&fetch->in);
}

static void on_writable(void *user)
{
    struct p2_http_types_future_incoming_response *fetch = user;
    if (fetch->body)
        outgoing_writable(fetch->body);
}

static void on_failed(void *user)
{
    struct p2_http_types_future_incoming_response *fetch = user;
    take_failure(&fetch->failure, fetch->request);
    fetch_failed(fetch);
}

// ---- sending ------------------------------------------------------------------------------------

static int start(struct p2_http_types_future_incoming_response *fetch, struct error *err)
{
    struct outgoing *out = &fetch->message->out;
    const struct http_client_request_options options = {
        .method = outgoing_request_method(fetch->message),
        .url = str_from(fetch->url),
        .fields = out->message.fields.items,
        .field_count = out->message.fields.len,
        .content_length = out->discard ? 0 : outgoing_announced(out),
        .connect_timeout_ms = fetch->connect_timeout_ms,
        .first_byte_timeout_ms = fetch->first_byte_timeout_ms,
        .between_bytes_timeout_ms = fetch->between_bytes_timeout_ms,
        .events = {.head = on_head,
                   .readable = on_readable,
                   .writable = on_writable,
                   .failed = on_failed},
        .user = fetch,
        .permits = wasi_egress_permits,
        .permits_user = fetch->wasi->config->egress,
    };
    return http_client_start(fetch->wasi->http_client, &options, &fetch->request, err);
}

static void fetch_send(struct p2_http_types_future_incoming_response *fetch)
{
    ERROR(err);
    if (fetch->state != FETCH_UNSENT)
        return;
    int rc = start(fetch, &err);
    if (rc < 0) {
        fetch_fail(fetch,
                   rc == -E2BIG ? P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_HEADER_SECTION_SIZE
                                : P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
                   error_text(&err));
        return;
    }
    fetch->state = FETCH_WAITING;
    outgoing_flow(fetch->body);
    unsent_done(fetch);
}

// A guest that was interrupted goes on in the next turn, by a deferral that the first one of that
// turn makes; so the second of ours is behind it.
static void on_turn_end(struct loop_defer *defer)
{
    struct p2_http_types_future_incoming_response *fetch =
        container_of(defer, struct p2_http_types_future_incoming_response, defer);
    switch (fetch->deferrals++) {
    case 0:
        loop_defer_next(fetch->wasi->loop, defer);
        break;
    case 1:
        loop_defer(fetch->wasi->loop, defer);
        break;
    default:
        fetch_send(fetch);
        break;
    }
}

static void body_press(void *sink)
{
    fetch_send(sink);
}

static size_t body_budget(void *sink)
{
    struct p2_http_types_future_incoming_response *fetch = sink;
    return http_client_write_budget(fetch->request);
}

static int body_write(void *sink, struct str data)
{
    struct p2_http_types_future_incoming_response *fetch = sink;
    return http_client_write(fetch->request, data) < 0 ? -EPIPE : 0;
}

static int body_finish(void *sink, const struct field_list *trailers)
{
    struct p2_http_types_future_incoming_response *fetch = sink;
    int rc = http_client_write_trailers(fetch->request, trailers->items, trailers->len);
    if (rc == 0)
        rc = http_client_write_end(fetch->request);
    return rc == 0 || rc == -EMSGSIZE ? rc : -EPIPE;
}

static void body_abort(void *sink)
{
    struct p2_http_types_future_incoming_response *fetch = sink;
    if (fetch->state == FETCH_UNSENT || fetch->state == FETCH_WAITING)
        fetch_fail(fetch, P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
                   "the request's body was dropped before it was finished");
    else
        fetch_cancel(fetch);
}

static void body_release(void *sink)
{
    struct p2_http_types_future_incoming_response *fetch = sink;
    fetch->body = NULL;
}

static const struct outgoing_ops body_ops = {
    .press = body_press,
    .budget = body_budget,
    .write = body_write,
    .finish = body_finish,
    .abort = body_abort,
    .release = body_release,
};

// ---- the response's body ------------------------------------------------------------------------

static ssize_t response_read(struct incoming *in, struct str *out)
{
    struct p2_http_types_future_incoming_response *fetch = of_incoming(in);
    if (!fetch->request)
        return -EAGAIN;
    ssize_t rc = http_client_read(fetch->request, out);
    if (rc >= 0 || rc == -EAGAIN)
        return rc;
    take_failure(&in->failure, fetch->request);
    return -EIO;
}

static void response_consume(struct incoming *in, size_t len)
{
    struct p2_http_types_future_incoming_response *fetch = of_incoming(in);
    if (fetch->request)
        http_client_consume(fetch->request, len);
}

static const struct http_field *response_trailers(struct incoming *in, size_t *count)
{
    return http_client_trailers(of_incoming(in)->request, count);
}

static const struct incoming_ops response_ops = {
    .read = response_read,
    .consume = response_consume,
    .trailers = response_trailers,
};

// ---- outgoing-handler.handle --------------------------------------------------------------------

static uint64_t timeout_ms(struct p2_option_u64 ns)
{
    // 0 means the default to the client.
    return ns.is_some ? MAX(ns.some / 1000000 + (ns.some % 1000000 != 0), 1u) : 0;
}

// HTTP_NO_ERROR and the URL (on the heap), or what is wrong with the request.
static int check_request(struct p2_http_types_outgoing_request *request, struct wasi *wasi,
                         char **url)
{
    bool is_plain = request->has_scheme && request->scheme == P2_HTTP_TYPES_SCHEME_HTTP;
    struct str scheme = is_plain ? STR("http") : STR("https");
    struct uri_authority authority;
    if (request->has_scheme && request->scheme == P2_HTTP_TYPES_SCHEME_OTHER)
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR;
    if (request->out.state == OUTGOING_BROKEN) // its body was dropped
        return P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR;
    if (request->method == P2_HTTP_TYPES_METHOD_CONNECT)
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_METHOD_INVALID;
    if (!request->authority ||
        uri_parse_authority(str_from(request->authority), &authority, NULL) < 0)
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID;
    bool is_asterisk = request->path && strcmp(request->path, "*") == 0;
    // A rootless path must not lengthen the authority.
    if (request->path && request->path[0] && !strchr("/?", request->path[0]) && !is_asterisk)
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID;
    if (is_asterisk && request->method != P2_HTTP_TYPES_METHOD_OPTIONS)
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID;
    if (outgoing_take_length(&request->out) < 0)
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR;
    if (!wasi->http_client || !wasi_egress_check(wasi->config->egress, scheme, authority.host,
                                                 authority.has_port ? authority.port : 0))
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED;
    if (wasi->http_requests >= HTTP_GUEST_REQUESTS_MAX)
        return P2_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED;
    *url = mem_printf("%.*s://%s%s", STR_ARG(scheme), request->authority,
                      request->path && !is_asterisk ? request->path : "");
    return HTTP_NO_ERROR;
}

// Takes the request's reference and the URL.
static struct p2_http_types_future_incoming_response *fetch_new(
    struct p2_http_types_outgoing_request *request, char *url, struct wasi *wasi,
    const struct p2_http_types_request_options *options)
{
    struct p2_http_types_future_incoming_response *fetch =
        mem_new(struct p2_http_types_future_incoming_response);
    incoming_init(&fetch->in, &response_ops, fetch_free);
    message_ref(&fetch->in.message);
    fetch->failure.tag = HTTP_NO_ERROR;
    fetch->wasi = wasi;
    fetch->counted = true;
    wasi->http_requests++;
    fetch->defer.callback = on_turn_end;
    fetch->message = request;
    fetch->url = url;
    if (options) {
        fetch->connect_timeout_ms = timeout_ms(options->connect_ns);
        fetch->first_byte_timeout_ms = timeout_ms(options->first_byte_ns);
        fetch->between_bytes_timeout_ms = timeout_ms(options->between_bytes_ns);
    }
    request->out.discard = request->method == P2_HTTP_TYPES_METHOD_HEAD;
    fetch->body = &request->out;
    outgoing_bind(&request->out, &body_ops, fetch);
    return fetch;
}

int p2_http_outgoing_handler_handle(
    struct canon_call *call, struct p2_http_types_outgoing_request *request,
    struct p2_option_http_types_request_options options,
    struct p2_result_http_types_future_incoming_response_http_types_error_code *ret)
{
    struct p2_http_types_request_options *given = options.is_some ? options.some : NULL;
    char *url = NULL;
    int rc = 0;
    if (request->out.message.own.children) {
        rc = canon_trap(call, "wasi:http outgoing-handler.handle while the request's headers live");
    } else {
        int refused = check_request(request, wasi_of(call), &url);
        ret->is_err = refused != HTTP_NO_ERROR;
        if (ret->is_err)
            ret->err.tag = (enum p2_http_types_error_code_tag)refused;
    }
    if (rc == 0 && !ret->is_err) {
        struct p2_http_types_future_incoming_response *fetch =
            fetch_new(request, url, wasi_of(call), given);
        if (request->out.state == OUTGOING_HELD && request->out.body_taken)
            loop_defer(fetch->wasi->loop, &fetch->defer);
        else
            fetch_send(fetch);
        ret->ok = fetch;
    } else {
        outgoing_break(&request->out);
        message_unref(&request->out.message);
    }
    free(given);
    return rc;
}

// ---- future-incoming-response -------------------------------------------------------------------

static bool future_ready(void *source)
{
    struct p2_http_types_future_incoming_response *fetch = source;
    return fetch->state == FETCH_ANSWERED || fetch->state == FETCH_FAILED;
}

static void future_unsubscribe(void *source)
{
    struct p2_http_types_future_incoming_response *fetch = source;
    fetch->own.children--;
    message_unref(&fetch->in.message);
}

static const struct pollable_ops future_pollable_ops = {
    .ready = future_ready,
    .drop = future_unsubscribe,
};

int p2_http_types_future_incoming_response_subscribe(
    struct canon_call *call, struct p2_http_types_future_incoming_response *self,
    struct p2_io_poll_pollable **ret)
{
    self->own.children++;
    message_ref(&self->in.message);
    *ret = pollable_new(&future_pollable_ops, self, &self->event);
    return 0;
}

int p2_http_types_future_incoming_response_get(
    struct canon_call *call, struct p2_http_types_future_incoming_response *self,
    struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void *ret)
{
    ret->is_some = future_ready(self);
    if (!ret->is_some)
        return 0;
    ret->some.is_err = self->taken;
    if (self->taken)
        return 0;
    self->taken = true;
    ret->some.ok.is_err = self->state == FETCH_FAILED;
    if (self->state == FETCH_FAILED) {
        http_error_code(&self->failure, &ret->some.ok.err);
    } else {
        message_ref(&self->in.message);
        ret->some.ok.ok = &self->response;
    }
    return 0;
}

int p2_http_types_future_incoming_response_drop(struct canon_call *call,
                                                struct p2_http_types_future_incoming_response *self)
{
    if (self->own.children && !call->teardown)
        return canon_trap(call, "wasi:http future-incoming-response dropped before its pollable");
    if (!self->taken)
        fetch_cancel(self); // nobody can get at the response any more
    message_unref(&self->in.message);
    return 0;
}

struct message *incoming_response_message(struct p2_http_types_incoming_response *response)
{
    return &of_response(response)->in.message;
}

// ---- incoming-response --------------------------------------------------------------------------

int p2_http_types_incoming_response_status(struct canon_call *call,
                                           struct p2_http_types_incoming_response *self,
                                           uint16_t *ret)
{
    *ret = (uint16_t)self->status;
    return 0;
}

int p2_http_types_incoming_response_headers(struct canon_call *call,
                                            struct p2_http_types_incoming_response *self,
                                            struct p2_http_types_fields **ret)
{
    struct message *message = &of_response(self)->in.message;
    *ret = fields_view_new(&message->fields, message, &message->own);
    return 0;
}

int p2_http_types_incoming_response_consume(struct canon_call *call,
                                            struct p2_http_types_incoming_response *self,
                                            struct p2_result_http_types_incoming_body_void *ret)
{
    incoming_consume(&of_response(self)->in, ret);
    return 0;
}

int p2_http_types_incoming_response_drop(struct canon_call *call,
                                         struct p2_http_types_incoming_response *self)
{
    struct message *message = &of_response(self)->in.message;
    if (message->own.children && !call->teardown)
        return canon_trap(call, "wasi:http incoming-response dropped before its headers");
    message_unref(message);
    return 0;
}

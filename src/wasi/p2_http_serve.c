// SPDX-License-Identifier: Apache-2.0
// The server's side: an exchange as incoming-request and response-outparam.
#include "wasi/http.h"

#include <errno.h>

#include "base/utf8.h"
#include "wasi/p2_http.h"

struct p2_http_types_incoming_request {
    struct incoming in;
    struct http_request head;
    char *kept;      // what the head's slices point into after the exchange
    bool has_fields; // message.fields views the exchange's
};

struct p2_http_types_response_outparam {
    bool was_set;
};

// References: one of the task until wasi_http_finish(), one of each handle.
struct wasi_http {
    struct p2_http_types_incoming_request request;
    struct p2_http_types_response_outparam outparam;
    struct http_exchange *exchange; // NULL when it is over or given back
    struct outgoing *response;      // while its body is being sent
    void (*peer_gone)(void *user);
    void *user;
    struct error problem; // the first thing that went wrong
    unsigned status;
    bool ended;    // the server was told the end of the response
    bool complete; // and it took it for a good one
    bool lingers;  // the host has finished with it, the end of the body is still to be sent
};

static struct wasi_http *of_request(struct p2_http_types_incoming_request *request)
{
    return container_of(request, struct wasi_http, request);
}
static struct wasi_http *of_outparam(struct p2_http_types_response_outparam *outparam)
{
    return container_of(outparam, struct wasi_http, outparam);
}
static struct wasi_http *of_incoming(struct incoming *in)
{
    return container_of(in, struct wasi_http, request.in);
}

static void serve_free(struct message *message)
{
    struct wasi_http *http = container_of(message, struct wasi_http, request.in.message);
    incoming_done(&http->request.in);
    error_done(&http->problem);
    free(http->request.kept);
    free(http);
}

// Keeps the first thing that went wrong. Takes the text, from the heap.
static void blame(struct wasi_http *http, int code, char *text)
{
    if (http->problem.code)
        free(text);
    else
        http->problem = (struct error){code, text};
}

// ---- leaving the exchange -----------------------------------------------------------------------

static void view_fields(struct wasi_http *http)
{
    struct p2_http_types_incoming_request *request = &http->request;
    if (request->has_fields || !http->exchange)
        return;
    request->has_fields = true;
    field_list_borrow(&request->in.message.fields, request->head.fields, request->head.field_count);
}

static void keep_slice(struct str *slice, char **at)
{
    if (slice->len)
        memcpy(*at, slice->data, slice->len);
    slice->data = *at;
    *at += slice->len;
}

static void keep_head(struct p2_http_types_incoming_request *request)
{
    struct http_request *head = &request->head;
    char *at =
        mem_alloc(head->method.len + head->target.len + head->authority.len + head->scheme.len + 1);
    request->kept = at;
    keep_slice(&head->method, &at);
    keep_slice(&head->target, &at);
    keep_slice(&head->authority, &at);
    keep_slice(&head->scheme, &at);
    head->fields = NULL;
    head->field_count = 0;
}

static void ignore_event(void *user)
{
}

static const struct http_exchange_events no_events = {
    .readable = ignore_event,
    .writable = ignore_event,
    .closed = ignore_event,
};

// Nothing here refers to the exchange afterwards; what guests still hold of it is copied.
static struct http_exchange *leave(struct wasi_http *http)
{
    struct http_exchange *exchange = http->exchange;
    if (!exchange)
        return NULL;
    if (http->request.in.message.refs > 1) {
        view_fields(http);
        keep_head(&http->request);
    } else {
        field_list_done(&http->request.in.message.fields);
        field_list_done(&http->request.in.trailer_fields);
    }
    http->exchange = NULL;
    http_exchange_set_events(exchange, &no_events, NULL);
    incoming_detach(&http->request.in, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
    if (http->response)
        outgoing_break(http->response);
    return exchange;
}

static void abort_exchange(struct wasi_http *http, unsigned status)
{
    bool responded = http->exchange && http_exchange_responded(http->exchange);
    struct http_exchange *exchange = leave(http);
    if (!exchange)
        return;
    if (!responded)
        http->status = status;
    http_exchange_abort(exchange, status);
}

// ---- events of the exchange ---------------------------------------------------------------------

static void on_readable(void *user)
{
    struct wasi_http *http = user;
    incoming_readable(&http->request.in);
}

static void on_writable(void *user)
{
    struct wasi_http *http = user;
    if (http->response)
        outgoing_writable(http->response);
    if (http->lingers && !http->response) {
        (void)leave(http);
        message_unref(&http->request.in.message);
    }
}

static void on_closed(void *user)
{
    struct wasi_http *http = user;
    (void)leave(http);
    if (http->lingers) {
        message_unref(&http->request.in.message);
        return;
    }
    if (http->ended)
        return;
    blame(http, -EPIPE, mem_strdup("the peer closed before the response was complete"));
    if (http->peer_gone)
        http->peer_gone(http->user); // may end in wasi_http_finish()
}

static const struct http_exchange_events exchange_events = {
    .readable = on_readable,
    .writable = on_writable,
    .closed = on_closed,
};

// ---- the request's body -------------------------------------------------------------------------

static enum p2_http_types_error_code_tag read_error(ssize_t rc)
{
    switch (rc) {
    case -EFBIG:
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE;
    case -ETIMEDOUT:
        return P2_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT;
    case -EPROTO:
        return P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR;
    default:
        return P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED;
    }
}

static ssize_t request_read(struct incoming *in, struct str *out)
{
    ssize_t rc = http_exchange_read(of_incoming(in)->exchange, out);
    if (rc >= 0 || rc == -EAGAIN)
        return rc;
    http_error_set(&in->failure, read_error(rc), NULL);
    return -EIO;
}

static void request_consume(struct incoming *in, size_t len)
{
    struct wasi_http *http = of_incoming(in);
    if (http->exchange)
        http_exchange_consume(http->exchange, len);
}

static const struct http_field *request_trailers(struct incoming *in, size_t *count)
{
    return http_exchange_trailers(of_incoming(in)->exchange, count);
}

static const struct incoming_ops request_ops = {
    .read = request_read,
    .consume = request_consume,
    .trailers = request_trailers,
};

struct message *incoming_request_message(struct p2_http_types_incoming_request *request)
{
    return &request->in.message;
}

// ---- incoming-request ---------------------------------------------------------------------------

int p2_http_types_incoming_request_method(struct canon_call *call,
                                          struct p2_http_types_incoming_request *self,
                                          struct p2_http_types_method *ret)
{
    *ret = http_method_of(self->head.method);
    return 0;
}

// Strings for guests are UTF-8: bytes beyond ASCII are percent-encoded when they are not.
static struct str as_text(struct arena *arena, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    if (utf8_valid(text))
        return text;
    char *out = arena_alloc(arena, text.len * 3);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x80) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[c >> 4];
        out[len++] = digits[c & 15];
    }
    return str_of(out, len);
}

int p2_http_types_incoming_request_path_with_query(struct canon_call *call,
                                                   struct p2_http_types_incoming_request *self,
                                                   struct p2_option_string *ret)
{
    ret->is_some = self->head.target.len > 0;
    ret->some = as_text(call->arena, self->head.target);
    return 0;
}

int p2_http_types_incoming_request_scheme(struct canon_call *call,
                                          struct p2_http_types_incoming_request *self,
                                          struct p2_option_http_types_scheme *ret)
{
    ret->is_some = self->head.scheme.len > 0;
    ret->some = http_scheme_of(self->head.scheme);
    return 0;
}

int p2_http_types_incoming_request_authority(struct canon_call *call,
                                             struct p2_http_types_incoming_request *self,
                                             struct p2_option_string *ret)
{
    ret->is_some = self->head.authority.len > 0;
    ret->some = as_text(call->arena, self->head.authority);
    return 0;
}

int p2_http_types_incoming_request_headers(struct canon_call *call,
                                           struct p2_http_types_incoming_request *self,
                                           struct p2_http_types_fields **ret)
{
    struct message *message = &self->in.message;
    view_fields(of_request(self));
    *ret = fields_view_new(&message->fields, message, &message->own);
    return 0;
}

int p2_http_types_incoming_request_consume(struct canon_call *call,
                                           struct p2_http_types_incoming_request *self,
                                           struct p2_result_http_types_incoming_body_void *ret)
{
    struct wasi_http *http = of_request(self);
    incoming_consume(&self->in, ret);
    // Who takes the body wants it: a client that waits for "100 Continue" gets it before the
    // response's head, which a guest may send first.
    struct str ignored;
    if (!ret->is_err && http->exchange)
        (void)http_exchange_read(http->exchange, &ignored);
    return 0;
}

int p2_http_types_incoming_request_drop(struct canon_call *call,
                                        struct p2_http_types_incoming_request *self)
{
    if (self->in.message.own.children && !call->teardown)
        return canon_trap(call, "wasi:http incoming-request dropped before its headers");
    message_unref(&self->in.message);
    return 0;
}

// ---- the response -------------------------------------------------------------------------------

static size_t response_budget(void *sink)
{
    struct wasi_http *http = sink;
    return http_exchange_write_budget(http->exchange);
}

static int response_write(void *sink, struct str data)
{
    struct wasi_http *http = sink;
    int rc = http_exchange_write(http->exchange, data);
    return rc == 0 || rc == -ENOBUFS ? rc : -EPIPE;
}

static int response_finish(void *sink, const struct field_list *trailers)
{
    struct wasi_http *http = sink;
    int rc = http_exchange_finish(http->exchange, trailers->items, trailers->len);
    http->ended = true;
    http->complete = rc == 0;
    if (rc == -EMSGSIZE)
        blame(http, rc, mem_strdup("the guest wrote less than the content-length it announced"));
    else if (rc < 0)
        blame(http, rc, mem_strdup("the peer closed before the response was complete"));
    return rc == 0 || rc == -EMSGSIZE ? rc : -EPIPE;
}

static void response_abort(void *sink)
{
    struct wasi_http *http = sink;
    blame(http, -EPROTO, mem_strdup("the guest dropped its response's body without finishing it"));
    abort_exchange(http, 500);
}

static void response_release(void *sink)
{
    struct wasi_http *http = sink;
    http->response = NULL;
}

static const struct outgoing_ops response_ops = {
    .budget = response_budget,
    .write = response_write,
    .finish = response_finish,
    .abort = response_abort,
    .release = response_release,
};

static int start_response(struct wasi_http *http, struct p2_http_types_outgoing_response *response)
{
    struct outgoing *out = &response->out;
    const struct field_list *fields = &out->message.fields;
    if (out->state == OUTGOING_BROKEN)
        return error_set(&http->problem, -EPROTO,
                         "the guest set a response whose body it had given up");
    if (outgoing_take_length(out) < 0)
        return error_set(&http->problem, -EINVAL,
                         "the guest set a response whose content-length is no number");
    out->discard = str_eq(http->request.head.method, STR("HEAD")) || response->status == 204 ||
                   response->status == 304;
    int rc = http_exchange_respond(http->exchange, response->status, fields->items, fields->len,
                                   outgoing_announced(out));
    if (rc < 0)
        return error_set(&http->problem, rc, "the response's head with status %u was refused",
                         response->status);
    http->status = response->status;
    http->response = out;
    outgoing_bind(out, &response_ops, http);
    outgoing_flow(out);
    return 0;
}

static int set_response(struct canon_call *call, struct wasi_http *http,
                        struct p2_http_types_outgoing_response *response)
{
    bool orphans = response->out.message.own.children > 0;
    if (!http->exchange || orphans)
        outgoing_break(&response->out);
    else if (start_response(http, response) < 0) {
        outgoing_break(&response->out);
        abort_exchange(http, 500);
    }
    message_unref(&response->out.message);
    return orphans ? canon_trap(call, "wasi:http response-outparam.set while the response's "
                                      "headers live")
                   : 0;
}

static void set_error(struct wasi_http *http, const struct p2_http_types_error_code *code)
{
    const struct p2_option_string *text = &code->internal_error;
    bool has_text = code->tag == P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR && text->is_some;
    blame(http, -EPROTO,
          mem_printf("the guest answered with error-code %s%s%.*s", http_error_text((int)code->tag),
                     has_text ? ": " : "", has_text ? (int)MIN(text->some.len, (size_t)1024) : 0,
                     has_text ? text->some.data : ""));
    abort_exchange(http, 500);
}

int p2_http_types_response_outparam_set(
    struct canon_call *call, struct p2_http_types_response_outparam *param,
    struct p2_result_http_types_outgoing_response_http_types_error_code response)
{
    struct wasi_http *http = of_outparam(param);
    int rc = 0;
    param->was_set = true;
    if (response.is_err)
        set_error(http, &response.err);
    else
        rc = set_response(call, http, response.ok);
    message_unref(&http->request.in.message);
    return rc;
}

int p2_http_types_response_outparam_drop(struct canon_call *call,
                                         struct p2_http_types_response_outparam *self)
{
    message_unref(&of_outparam(self)->request.in.message);
    return 0;
}

// ---- for the host -------------------------------------------------------------------------------

struct wasi_http *wasi_http_new(struct http_exchange *exchange, void (*peer_gone)(void *user),
                                void *user)
{
    struct wasi_http *http = mem_new(struct wasi_http);
    incoming_init(&http->request.in, &request_ops, serve_free);
    message_ref(&http->request.in.message);
    http->request.head = *http_exchange_request(exchange);
    http->exchange = exchange;
    http->peer_gone = peer_gone;
    http->user = user;
    http_exchange_set_events(exchange, &exchange_events, http);
    return http;
}

int wasi_http_handle(struct canon_call *call, const void *func, struct wasi_http *http)
{
    if (handle_table_room(call->handles) < 2)
        return canon_trap_no_room(call);
    message_ref(&http->request.in.message);
    message_ref(&http->request.in.message);
    return p2_http_incoming_handler_handle(call, func, &http->request, &http->outparam);
}

struct p2_http_types_incoming_request *wasi_http_request(struct wasi_http *http)
{
    message_ref(&http->request.in.message);
    return &http->request;
}

struct p2_http_types_response_outparam *wasi_http_outparam(struct wasi_http *http)
{
    message_ref(&http->request.in.message);
    return &http->outparam;
}

static unsigned status_of_end(enum task_end end)
{
    switch (end) {
    case TASK_TIMED_OUT:
        return 504;
    case TASK_CANCELLED:
        return 503;
    case TASK_RETURNED:
    case TASK_TRAPPED:
    case TASK_EXITED:
        break;
    }
    return 500;
}

static const char *reason_text(const struct error *reason)
{
    return reason ? error_text(reason) : "no reason given";
}

// What the host logs: how the task ended counts more than what it left undone.
static int explain(struct wasi_http *http, enum task_end end, const struct error *reason,
                   struct error *why)
{
    static const char *const undone[] = {"the guest returned without setting a response",
                                         "the guest returned without finishing its response's "
                                         "body"};
    switch (end) {
    case TASK_TRAPPED:
        return error_set(why, -EFAULT, "the guest trapped: %s", reason_text(reason));
    case TASK_EXITED:
        return error_set(why, -EFAULT, "the guest exited in the middle of a request");
    case TASK_TIMED_OUT:
        return error_set(why, -ETIMEDOUT, "the guest ran out of time: %s", reason_text(reason));
    case TASK_CANCELLED:
        if (!http->problem.code)
            return error_set(why, -ECANCELED, "the request was cancelled: %s", reason_text(reason));
        break;
    case TASK_RETURNED:
        break;
    }
    if (http->problem.code)
        return error_move(why, &http->problem);
    bool whole = http->complete || (http->response && http->response->finishing);
    return whole ? 0 : error_set(why, -EPROTO, "%s", undone[http->outparam.was_set]);
}

int wasi_http_finish(struct wasi_http *http, enum task_end end, const struct error *reason,
                     struct wasi_http_outcome *outcome, struct error *why)
{
    int rc = explain(http, end, reason, why);
    http->lingers = !http->ended && http->response && http->response->finishing;
    if (http->lingers)
        outgoing_let_go(http->response);
    else if (http->ended)
        (void)leave(http);
    else
        abort_exchange(http, status_of_end(end));
    if (outcome)
        *outcome = (struct wasi_http_outcome){http->status, http->complete || http->lingers};
    if (!http->lingers)
        message_unref(&http->request.in.message);
    return rc;
}

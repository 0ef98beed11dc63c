// SPDX-License-Identifier: Apache-2.0
// Bodies of wasi:http 0.3: streams and futures over those of 0.2.
#include <assert.h>
#include <errno.h>

#include "base/utf8.h"
#include "wasi/p3_http.h"

static_assert((int)P3_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR ==
                  (int)P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
              "error codes have other numbers");

struct p3_http_types_error_code p3_http_error(const struct p2_http_types_error_code *error)
{
    struct p3_http_types_error_code out = {.tag = (enum p3_http_types_error_code_tag)error->tag};
    if (error->tag == P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE)
        out.http_request_body_size = (struct p3_option_u64){error->http_request_body_size.is_some,
                                                            error->http_request_body_size.some};
    else if (error->tag == P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE)
        out.http_response_body_size = (struct p3_option_u64){error->http_response_body_size.is_some,
                                                             error->http_response_body_size.some};
    else if (error->tag == P2_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED)
        out.tls_alert_received.alert_id = (struct p3_option_u8){
            error->tls_alert_received.alert_id.is_some, error->tls_alert_received.alert_id.some};
    return out;
}

struct p2_http_types_error_code p3_http_error_p2(const struct p3_http_types_error_code *error)
{
    struct p2_http_types_error_code out = {.tag = (enum p2_http_types_error_code_tag)error->tag};
    if (error->tag == P3_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR)
        out.internal_error =
            (struct p2_option_string){error->internal_error.is_some, error->internal_error.some};
    return out;
}

static struct p3_http_types_error_code io_error(const struct p2_io_error_error *failure)
{
    struct p2_http_types_error_code code = {
        .tag = failure->http_code >= 0 ? (enum p2_http_types_error_code_tag)failure->http_code
                                       : P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED};
    return p3_http_error(&code);
}

// ---- received bodies ----------------------------------------------------------------------------

struct receipt {
    struct loop *loop;
    struct p2_http_types_incoming_body *body;
    struct p2_http_types_future_trailers *trailers; // NULL: the body is still read
    struct p2_io_poll_pollable *pollable;           // of the trailers, while they are waited for
    struct wasi_waiter waiter;
    struct loop_defer defer;
    struct p3_future *future;
    bool is_dropped; // nobody asks for the trailers
};

typedef struct p3_result_option_http_types_fields_http_types_error_code trailers_result;

static void drop_trailers(void *value)
{
    trailers_result *result = value;
    if (!result->is_err && result->ok.is_some)
        fields_free(&result->ok.some->fields);
}

static void stop_waiting(struct receipt *receipt)
{
    if (!receipt->pollable)
        return;
    wasi_event_remove(&receipt->waiter);
    loop_defer_cancel(receipt->loop, &receipt->defer);
    receipt->pollable->ops->drop(receipt->pollable->source);
    free(TAKE(receipt->pollable));
}

static void receipt_end(struct receipt *receipt, const trailers_result *result)
{
    struct p3_future *future = receipt->future;
    struct canon_call call = {.teardown = true};
    stop_waiting(receipt);
    if (receipt->trailers)
        (void)p2_http_types_future_trailers_drop(&call, receipt->trailers);
    free(receipt);
    p3_future_set(future, result);
}

static bool try_trailers(struct receipt *receipt)
{
    struct p2_option_result_result_option_http_types_fields_http_types_error_code_void got = {0};
    struct canon_call call = {0};
    trailers_result result = {0};
    if (p2_http_types_future_trailers_get(&call, receipt->trailers, &got) < 0 || !got.is_some)
        return false;
    result.is_err = got.some.ok.is_err;
    if (result.is_err)
        result.err = p3_http_error(&got.some.ok.err);
    result.ok.is_some = !result.is_err && got.some.ok.ok.is_some;
    if (!result.is_err && result.ok.is_some)
        result.ok.some = container_of(got.some.ok.ok.some, struct p3_http_types_fields, fields);
    receipt_end(receipt, &result);
    return true;
}

static void trailers_ready(struct loop_defer *defer)
{
    (void)try_trailers(container_of(defer, struct receipt, defer));
}

static void trailers_unwanted(void *data)
{
    static const trailers_result none = {0};
    struct receipt *receipt = data;
    receipt->is_dropped = true;
    if (receipt->trailers)
        receipt_end(receipt, &none);
}

// What is left of the body is thrown away.
static void await_trailers(struct receipt *receipt)
{
    struct canon_call call = {0};
    if (try_trailers(receipt))
        return;
    (void)p2_http_types_future_trailers_subscribe(&call, receipt->trailers, &receipt->pollable);
    receipt->defer.callback = trailers_ready;
    wasi_event_add_defer(receipt->pollable->event, &receipt->waiter, receipt->loop,
                         &receipt->defer);
}

static void bytes_received(void *data, struct p2_io_error_error *failure)
{
    struct receipt *receipt = data;
    struct canon_call call = {.teardown = true};
    trailers_result result = {.is_err = failure != NULL};
    if (failure)
        result.err = io_error(failure);
    io_error_free(failure);
    if (result.is_err || receipt->is_dropped) {
        (void)p2_http_types_incoming_body_drop(&call, receipt->body);
        receipt_end(receipt, &result);
        return;
    }
    (void)p2_http_types_incoming_body_finish(&call, receipt->body, &receipt->trailers);
    await_trailers(receipt);
}

void p3_body_receive(struct canon_call *call, struct p2_http_types_incoming_body *body,
                     struct stream **bytes, struct stream **trailers)
{
    struct p2_result_io_streams_input_stream_void source = {0};
    struct receipt *receipt = mem_new(struct receipt);
    receipt->loop = wasi_of(call)->loop;
    receipt->body = body;
    receipt->future =
        p3_future_new(call->async, &p3_codec_result_option_http_types_fields_http_types_error_code,
                      drop_trailers, trailers);
    p3_future_watch(receipt->future, trailers_unwanted, receipt);
    (void)p2_http_types_incoming_body_stream(call, body, &source);
    body->own.children = 0; // the transfer drops it
    source.ok->parent = NULL;
    *bytes = p3_read_from(call, source.ok, bytes_received, receipt);
}

// ---- sent bodies --------------------------------------------------------------------------------

typedef struct p3_result_void_http_types_error_code sent_result;

void p3_sent_set(struct p3_future *sent, const sent_result *result)
{
    const struct p3_option_string *given = &result->err.internal_error;
    sent_result copy = {.is_err = result->is_err};
    char *text = NULL;
    if (copy.is_err)
        copy.err.tag = result->err.tag;
    if (copy.is_err && copy.err.tag == P3_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR && given->is_some) {
        // A cut text must not end inside a character.
        struct str whole = str_sub(given->some, 0, MIN(given->some.len, P3_ERROR_TEXT_BYTES_MAX));
        while (!utf8_valid(whole))
            whole.len--;
        text = str_dup(whole);
        copy.err.internal_error = (struct p3_option_string){true, str_of(text, whole.len)};
    }
    p3_future_set_text(sent, &copy, text);
}

struct shipment {
    struct wasi *wasi;
    struct p2_http_types_outgoing_body *body;
    struct stream *trailers;
    struct p3_future *sent; // NULL: nobody asks
    void (*done)(void *data);
    void *data;
};

static void shipment_end(struct shipment *shipment, const sent_result *result)
{
    struct shipment last = *shipment;
    free(shipment);
    if (last.sent)
        p3_sent_set(last.sent, result);
    if (last.done)
        last.done(last.data);
}

static void abandon(struct shipment *shipment, struct p3_http_types_error_code code)
{
    struct canon_call call = {.host = shipment->wasi, .teardown = true};
    sent_result result = {.is_err = true, .err = code};
    (void)p2_http_types_outgoing_body_drop(&call, shipment->body);
    shipment_end(shipment, &result);
}

// Its text is the given one's.
static struct p3_http_types_error_code no_trailers_error(const trailers_result *given)
{
    struct p3_http_types_error_code code = {.tag = P3_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR};
    if (given && given->err.tag == P3_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR)
        code.internal_error = given->err.internal_error;
    else if (given)
        code.tag = given->err.tag;
    return code;
}

static void trailers_taken(void *data, void *value)
{
    struct shipment *shipment = data;
    trailers_result *trailers = value;
    if (!trailers || trailers->is_err) {
        abandon(shipment, no_trailers_error(trailers));
        return;
    }
    struct canon_call call = {.host = shipment->wasi};
    struct p2_option_http_types_fields fields = {.is_some = trailers->ok.is_some};
    struct p2_result_void_http_types_error_code finished = {0};
    if (fields.is_some)
        fields.some = &trailers->ok.some->fields;
    (void)p2_http_types_outgoing_body_finish(&call, shipment->body, fields, &finished);
    sent_result result = {.is_err = finished.is_err};
    if (finished.is_err)
        result.err = p3_http_error(&finished.err);
    shipment_end(shipment, &result);
}

static int take_trailers(struct shipment *shipment)
{
    return p3_future_take(TAKE(shipment->trailers),
                          &p3_codec_result_option_http_types_fields_http_types_error_code,
                          trailers_taken, shipment);
}

static void bytes_sent(void *data, struct p2_io_error_error *failure)
{
    struct shipment *shipment = data;
    if (failure) {
        struct p3_http_types_error_code code = io_error(failure);
        stream_close_reader(TAKE(shipment->trailers));
        io_error_free(failure);
        abandon(shipment, code);
        return;
    }
    (void)take_trailers(shipment); // a bad value breaks the body off
}

int p3_body_send(struct canon_call *call, struct p2_http_types_outgoing_body *body,
                 struct p3_contents contents, void (*done)(void *data), void *data)
{
    struct shipment *shipment = mem_new(struct shipment);
    *shipment =
        (struct shipment){wasi_of(call), body, contents.trailers, contents.sent, done, data};
    struct p2_result_io_streams_output_stream_void sink = {0};
    (void)p2_http_types_outgoing_body_write(call, body, &sink);
    body->own.children = 0; // the transfer drops it
    sink.ok->parent = NULL;
    return p3_write_to(call, contents.bytes, sink.ok, bytes_sent, shipment);
}

// ---- trailers without a body --------------------------------------------------------------------

struct trailers_wait {
    p3_trailers_then then;
    void *data;
};

static void trailers_known(void *data, void *value)
{
    struct trailers_wait wait = *(struct trailers_wait *)data;
    const trailers_result *trailers = value;
    free(data);
    if (!trailers || trailers->is_err) {
        struct p3_http_types_error_code code = no_trailers_error(trailers);
        wait.then(wait.data, NULL, &code);
        return;
    }
    wait.then(wait.data, trailers->ok.is_some ? &trailers->ok.some->fields : NULL, NULL);
}

int p3_body_trailers(struct p3_contents *contents, p3_trailers_then then, void *data)
{
    struct trailers_wait *wait = mem_new(struct trailers_wait);
    *wait = (struct trailers_wait){then, data};
    return p3_future_take(TAKE(contents->trailers),
                          &p3_codec_result_option_http_types_fields_http_types_error_code,
                          trailers_known, wait);
}

void p3_body_of_trailers(struct wasi *wasi, struct outgoing *out,
                         struct p2_http_types_fields *trailers)
{
    struct canon_call call = {.host = wasi};
    struct p2_result_http_types_outgoing_body_void body = {0};
    struct p2_option_http_types_fields fields = {true, trailers};
    struct p2_result_void_http_types_error_code finished = {0};
    if (!trailers)
        return;
    outgoing_take_body(out, &body);
    (void)p2_http_types_outgoing_body_finish(&call, body.ok, fields, &finished);
}

void p3_contents_drop(struct p3_contents *contents)
{
    static const sent_result nothing = {0};
    struct p3_contents last = *contents;
    *contents = (struct p3_contents){0};
    if (last.bytes)
        stream_close_reader(last.bytes);
    if (last.trailers)
        stream_close_reader(last.trailers);
    if (last.sent)
        p3_future_set(last.sent, &nothing);
}

static void verdict_taken(void *data, void *value)
{
    struct p3_future *sent = data;
    static const sent_result nothing = {0};
    if (sent)
        p3_sent_set(sent, value ? value : &nothing);
}

int p3_body_verdict(struct stream *res, struct p3_future *sent)
{
    return p3_future_take(res, &p3_codec_result_void_http_types_error_code, verdict_taken, sent);
}

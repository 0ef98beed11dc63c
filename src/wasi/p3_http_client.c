// SPDX-License-Identifier: Apache-2.0
// wasi:http/client 0.3 over the fetches of 0.2.
#include <errno.h>

#include "component/subtask.h"
#include "wasi/p3_http.h"

typedef struct p3_result_http_types_response_http_types_error_code send_result;

struct sending {
    struct host_job *job;
    send_result *result;
    struct p2_http_types_future_incoming_response *fetch;
    struct p2_io_poll_pollable *pollable;
    struct wasi_waiter waiter;
    struct loop *loop;
    struct loop_defer defer;
};

// The fetch goes on for as long as its response is held.
static void sending_free(struct sending *sending)
{
    struct canon_call call = {.teardown = true};
    wasi_event_remove(&sending->waiter);
    loop_defer_cancel(sending->loop, &sending->defer);
    sending->pollable->ops->drop(sending->pollable->source);
    free(sending->pollable);
    (void)p2_http_types_future_incoming_response_drop(&call, sending->fetch);
    free(sending);
}

static void set_error(struct host_job *job, send_result *ret,
                      const struct p2_http_types_error_code *error)
{
    const struct p2_option_string *text = &error->internal_error;
    ret->is_err = true;
    ret->err = p3_http_error(error);
    if (error->tag == P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR && text->is_some)
        ret->err.internal_error =
            (struct p3_option_string){true, arena_str(&job->arena, text->some)};
    else if (error->tag == P2_HTTP_TYPES_ERROR_CODE_DNS_ERROR && error->dns_error.rcode.is_some)
        ret->err.dns_error.rcode =
            (struct p3_option_string){true, arena_str(&job->arena, error->dns_error.rcode.some)};
    else if (error->tag == P2_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED &&
             error->tls_alert_received.alert_message.is_some)
        ret->err.tls_alert_received.alert_message = (struct p3_option_string){
            true, arena_str(&job->arena, error->tls_alert_received.alert_message.some)};
}

static bool try_result(struct sending *sending)
{
    struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void got = {
        0};
    struct canon_call call = {0};
    struct host_job *job = sending->job;
    if (p2_http_types_future_incoming_response_get(&call, sending->fetch, &got) < 0 || !got.is_some)
        return false;
    if (got.some.ok.is_err)
        set_error(job, sending->result, &got.some.ok.err);
    else
        sending->result->ok = p3_response_received(got.some.ok.ok);
    sending_free(sending);
    host_job_done(job);
    return true;
}

static void fetch_ready(struct loop_defer *defer)
{
    (void)try_result(container_of(defer, struct sending, defer));
}

static void send_dropped(struct host_job *job)
{
    sending_free(job->data);
}

static void send_cancelled(struct host_job *job)
{
    sending_free(job->data);
    host_job_cancelled(job);
}

static void wait_for_response(struct wasi *wasi, struct host_job *job, send_result *ret,
                              struct p2_http_types_future_incoming_response *fetch)
{
    struct canon_call call = {.host = wasi};
    struct sending *sending = mem_new(struct sending);
    *sending = (struct sending){.job = job, .result = ret, .fetch = fetch, .loop = wasi->loop};
    sending->defer.callback = fetch_ready;
    (void)p2_http_types_future_incoming_response_subscribe(&call, fetch, &sending->pollable);
    wasi_event_add_defer(sending->pollable->event, &sending->waiter, sending->loop,
                         &sending->defer);
    if (sending->pollable->ops->ready(sending->pollable->source))
        loop_defer(sending->loop, &sending->defer);
    job->data = sending;
    job->cancel = send_cancelled;
    job->dropped = send_dropped;
}

// ---- requests without contents ------------------------------------------------------------------

// Waits for the trailers.
struct bodiless {
    struct wasi *wasi;
    struct host_job *job; // NULL: it was given up
    send_result *result;
    struct p2_http_types_outgoing_request *head;
    struct p2_option_http_types_request_options options;
    struct p3_future *sent;
    bool is_starting; // the handler has not returned yet
    bool is_known;    // the trailers are
    bool has_result;  // it failed
};

static void bodiless_dropped(struct host_job *job)
{
    struct bodiless *bodiless = job->data;
    bodiless->job = NULL;
}

static void bodiless_cancelled(struct host_job *job)
{
    bodiless_dropped(job);
    host_job_cancelled(job);
}

static void bodiless_free(struct bodiless *bodiless)
{
    if (bodiless->head)
        message_unref(&bodiless->head->out.message);
    if (bodiless->options.is_some)
        free(bodiless->options.some);
    free(bodiless);
}

static void bodiless_send(struct bodiless *bodiless, struct p2_http_types_fields *trailers)
{
    struct canon_call call = {.host = bodiless->wasi};
    struct p2_option_http_types_request_options options = bodiless->options;
    struct p2_result_http_types_future_incoming_response_http_types_error_code fetch = {0};
    p3_body_of_trailers(bodiless->wasi, &bodiless->head->out, trailers);
    bodiless->options.is_some = false;
    // Nothing of it can trap: no handle of the message is a child.
    (void)p2_http_outgoing_handler_handle(&call, TAKE(bodiless->head), options, &fetch);
    bodiless->has_result = fetch.is_err;
    if (fetch.is_err)
        set_error(bodiless->job, bodiless->result, &fetch.err);
    else
        wait_for_response(bodiless->wasi, bodiless->job, bodiless->result, fetch.ok);
}

static void bodiless_ready(void *data, struct p2_http_types_fields *trailers,
                           const struct p3_http_types_error_code *error)
{
    struct bodiless *bodiless = data;
    struct p3_result_void_http_types_error_code sent = {.is_err = error != NULL};
    struct host_job *job = bodiless->job;
    if (error)
        sent.err = *error;
    if (job && error) {
        const struct p2_http_types_error_code code = p3_http_error_p2(error);
        set_error(job, bodiless->result, &code);
        bodiless->has_result = true;
    } else if (job) {
        bodiless_send(bodiless, trailers);
    } else if (trailers) {
        fields_free(trailers);
    }
    bodiless->is_known = true;
    if (bodiless->sent)
        p3_sent_set(TAKE(bodiless->sent), &sent);
    if (bodiless->is_starting)
        return;
    bool has_result = bodiless->has_result;
    bodiless_free(bodiless);
    if (job && has_result)
        host_job_done(job);
}

static int bodiless_start(struct canon_call *call, struct host_job *job,
                          const struct bodiless *given, struct p3_contents *contents)
{
    struct bodiless *bodiless = mem_new(struct bodiless);
    *bodiless = *given;
    bodiless->is_starting = true;
    job->data = bodiless;
    job->cancel = bodiless_cancelled;
    job->dropped = bodiless_dropped;
    int rc = p3_body_trailers(contents, bodiless_ready, bodiless);
    bodiless->is_starting = false;
    bool has_result = bodiless->has_result;
    if (bodiless->is_known)
        bodiless_free(bodiless);
    return rc < 0 || has_result ? rc : CANON_PENDING;
}

// -------------------------------------------------------------------------------------------------

static struct p2_option_http_types_request_options options_of(
    const struct p3_http_types_request *request)
{
    struct p2_option_http_types_request_options options = {.is_some = request->has_options};
    if (!options.is_some)
        return options;
    options.some = mem_new(struct p2_http_types_request_options);
    *options.some = request->options.options;
    return options;
}

int p3_http_client_send(struct canon_call *call, struct host_job *job,
                        struct p3_http_types_request *request, send_result *ret)
{
    struct p2_option_http_types_request_options options = options_of(request);
    struct p2_result_http_types_future_incoming_response_http_types_error_code fetch = {0};
    struct p2_result_http_types_outgoing_body_void body = {0};
    struct p2_http_types_outgoing_request *head = NULL;
    struct p3_contents contents = {0};
    int rc = p3_request_take(call, request, &head, &contents);
    if (rc < 0) {
        if (options.is_some)
            free(options.some);
        return rc;
    }
    if (!contents.bytes) {
        const struct bodiless bodiless = {wasi_of(call), job, ret, head, options, contents.sent};
        return bodiless_start(call, job, &bodiless, &contents);
    }
    rc = p2_http_types_outgoing_request_body(call, head, &body);
    if (rc == 0)
        rc = p2_http_outgoing_handler_handle(call, head, options, &fetch);
    if (rc == 0 && fetch.is_err)
        set_error(job, ret, &fetch.err);
    else if (rc == 0)
        wait_for_response(wasi_of(call), job, ret, fetch.ok);
    if (rc == 0)
        rc = p3_body_send(call, body.ok, contents, NULL, NULL);
    return rc < 0 || fetch.is_err ? rc : CANON_PENDING;
}

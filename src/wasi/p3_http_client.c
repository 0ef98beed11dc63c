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

static void wait_for_response(struct canon_call *call, struct host_job *job, send_result *ret,
                              struct p2_http_types_future_incoming_response *fetch)
{
    struct sending *sending = mem_new(struct sending);
    *sending =
        (struct sending){.job = job, .result = ret, .fetch = fetch, .loop = wasi_of(call)->loop};
    sending->defer.callback = fetch_ready;
    (void)p2_http_types_future_incoming_response_subscribe(call, fetch, &sending->pollable);
    wasi_event_add_defer(sending->pollable->event, &sending->waiter, sending->loop,
                         &sending->defer);
    if (sending->pollable->ops->ready(sending->pollable->source))
        loop_defer(sending->loop, &sending->defer);
    job->data = sending;
    job->cancel = send_cancelled;
    job->dropped = send_dropped;
}

int p3_http_client_send(struct canon_call *call, struct host_job *job,
                        struct p3_http_types_request *request, send_result *ret)
{
    struct p2_option_http_types_request_options options = {.is_some = request->has_options};
    struct p2_result_http_types_future_incoming_response_http_types_error_code fetch = {0};
    struct p2_result_http_types_outgoing_body_void body = {0};
    struct p2_http_types_outgoing_request *head = NULL;
    struct p3_contents contents = {0};
    if (options.is_some) {
        options.some = mem_new(struct p2_http_types_request_options);
        *options.some = request->options.options;
    }
    int rc = p3_request_take(call, request, &head, &contents);
    if (rc < 0) {
        free(options.some);
        return rc;
    }
    if (contents.bytes)
        rc = p2_http_types_outgoing_request_body(call, head, &body);
    if (rc == 0)
        rc = p2_http_outgoing_handler_handle(call, head, options, &fetch);
    if (rc == 0 && fetch.is_err)
        set_error(job, ret, &fetch.err);
    else if (rc == 0)
        wait_for_response(call, job, ret, fetch.ok);
    if (rc == 0)
        rc = p3_body_send(call, contents.bytes ? body.ok : NULL, contents, NULL, NULL);
    return rc < 0 || fetch.is_err ? rc : CANON_PENDING;
}

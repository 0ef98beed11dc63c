// SPDX-License-Identifier: Apache-2.0
// wasi:http/handler 0.3 for the host.
#include <errno.h>

#include "wasi/http.h"
#include "wasi/p3_http.h"

int wasi_http_lower(struct canon_call *call, struct wasi_http *http, union core_value *flat)
{
    if (handle_table_room(call->handles) < 1)
        return canon_trap_no_room(call);
    return p3_http_handler_handle_lower(call, flat, p3_request_received(wasi_http_request(http)));
}

// A response without contents.
struct bodiless {
    struct wasi *wasi;
    struct p2_http_types_response_outparam *outparam;
    struct p2_http_types_outgoing_response *head;
    struct p3_future *sent;
    void (*done)(void *user);
    void *user;
};

static void send_bodiless(void *data, struct p2_http_types_fields *trailers,
                          const struct p3_http_types_error_code *error)
{
    struct bodiless last = *(struct bodiless *)data;
    struct canon_call call = {.host = last.wasi};
    struct p2_result_http_types_outgoing_response_http_types_error_code result = {.is_err = error !=
                                                                                            NULL};
    struct p3_result_void_http_types_error_code sent = {.is_err = error != NULL};
    free(data);
    if (error) {
        message_unref(&last.head->out.message);
        sent.err = *error;
        result.err = p3_http_error_p2(error);
    } else {
        p3_body_of_trailers(last.wasi, &last.head->out, trailers);
        result.ok = last.head;
    }
    // Nothing of it can trap: no handle of the message is a child.
    (void)p2_http_types_response_outparam_set(&call, last.outparam, result);
    if (last.sent)
        p3_sent_set(last.sent, &sent);
    last.done(last.user);
}

static int answer_bodiless(struct canon_call *call, struct wasi_http *http,
                           struct p2_http_types_outgoing_response *head,
                           struct p3_contents *contents, void (*sent)(void *user), void *user)
{
    struct bodiless *bodiless = mem_new(struct bodiless);
    *bodiless = (struct bodiless){
        wasi_of(call), wasi_http_outparam(http), head, contents->sent, sent, user};
    return p3_body_trailers(contents, send_bodiless, bodiless);
}

static int answer(struct canon_call *call, struct wasi_http *http,
                  struct p3_http_types_response *response, void (*sent)(void *user), void *user)
{
    struct p2_result_http_types_outgoing_response_http_types_error_code result = {0};
    struct p2_result_http_types_outgoing_body_void body = {0};
    struct p3_contents contents = {0};
    int rc = p3_response_take(call, response, &result.ok, &contents);
    if (rc == 0 && !contents.bytes)
        return answer_bodiless(call, http, result.ok, &contents, sent, user);
    if (rc == 0)
        rc = p2_http_types_outgoing_response_body(call, result.ok, &body);
    if (rc == 0)
        rc = p2_http_types_response_outparam_set(call, wasi_http_outparam(http), result);
    if (rc == 0)
        return p3_body_send(call, body.ok, contents, sent, user);
    p3_contents_drop(&contents);
    sent(user);
    return rc;
}

int wasi_http_answer(struct canon_call *call, struct wasi_http *http, const union core_value *flat,
                     uint32_t flat_max, void (*sent)(void *user), void *user)
{
    struct p3_result_http_types_response_http_types_error_code given = {0};
    int rc = p3_http_handler_handle_lift(call, flat, flat_max, &given);
    if (rc < 0) {
        sent(user);
        return rc;
    }
    if (!given.is_err)
        return answer(call, http, given.ok, sent, user);
    struct p2_result_http_types_outgoing_response_http_types_error_code result = {.is_err = true};
    result.err = p3_http_error_p2(&given.err);
    rc = p2_http_types_response_outparam_set(call, wasi_http_outparam(http), result);
    sent(user);
    return rc;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:http: requests that guests make.
#include <errno.h>

#include "testing/test.h"
#include "wasi/egress.h"
#include "wasi/p2_http_fake_test.h"

static void serve_nothing(struct world *w)
{
    CHECK_INT(p2_http_types_response_outparam_drop(&w->call, w->outparam), 0);
    guest_drop_request(w);
    CHECK(world_finish(w, TASK_RETURNED) < 0);
    world_end(w);
}

static struct p2_http_types_outgoing_request *request_to(struct world *w, const char *authority)
{
    struct p2_http_types_outgoing_request *request = NULL;
    struct p2_http_types_fields *fields = guest_fields(w);
    struct p2_result_void_void ret = {0};
    guest_append(w, fields, "x-from", "test");
    CHECK_INT(p2_http_types_outgoing_request_constructor(&w->call, fields, &request), 0);
    CHECK_INT(p2_http_types_outgoing_request_set_authority(
                  &w->call, request, (struct p2_option_string){true, str_from(authority)}, &ret),
              0);
    CHECK(!ret.is_err);
    CHECK_INT(p2_http_types_outgoing_request_set_path_with_query(
                  &w->call, request, (struct p2_option_string){true, STR("/up?q=1")}, &ret),
              0);
    CHECK(!ret.is_err);
    return request;
}

// Begins with egress to allowed.example alone.
static struct wasi_egress *begin_client(struct world *w)
{
    static const struct str rules[] = {STR_INIT("allowed.example")};
    struct wasi_egress *egress = NULL;
    world_begin(w, "GET");
    CHECK_INT(wasi_egress_new(rules, 1, &egress, NULL), 0);
    CHECK_INT(loop_new_virtual(&w->wasi.loop, NULL), 0);
    w->config.egress = egress;
    fake_fetched = NULL;
    fake_fetches = fake_fetches_live = 0;
    return egress;
}

static void end_client(struct world *w, struct wasi_egress *egress)
{
    CHECK_INT(fake_fetches_live, 0);
    loop_free(w->wasi.loop);
    wasi_egress_free(egress);
    serve_nothing(w);
}

static struct p2_result_http_types_future_incoming_response_http_types_error_code fetch(
    struct world *w, struct p2_http_types_outgoing_request *request)
{
    struct p2_result_http_types_future_incoming_response_http_types_error_code ret = {0};
    CHECK_INT(p2_http_outgoing_handler_handle(
                  &w->call, request, (struct p2_option_http_types_request_options){0}, &ret),
              0);
    return ret;
}

static struct p2_http_types_outgoing_body *request_body(
    struct world *w, struct p2_http_types_outgoing_request *request)
{
    struct p2_result_http_types_outgoing_body_void ret = {0};
    CHECK_INT(p2_http_types_outgoing_request_body(&w->call, request, &ret), 0);
    CHECK(!ret.is_err);
    return ret.ok;
}

TEST(requests_are_held_against_the_rules)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    CHECK_INT(fetch(&w, request_to(&w, "other.example")).err.tag,
              P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    struct p2_result_void_void ret = {0};
    struct p2_option_http_types_scheme scheme = {
        true, {P2_HTTP_TYPES_SCHEME_OTHER, {.other = STR("gopher")}}};
    CHECK_INT(p2_http_types_outgoing_request_set_scheme(&w.call, request, scheme, &ret), 0);
    CHECK(!ret.is_err);
    CHECK_INT(fetch(&w, request).err.tag, P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR);
    request = request_to(&w, "allowed.example");
    CHECK_INT(p2_http_types_outgoing_request_set_authority(&w.call, request,
                                                           (struct p2_option_string){0}, &ret),
              0);
    CHECK_INT(fetch(&w, request).err.tag, P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID);
    CHECK_INT(fake_fetches, 0);
    end_client(&w, egress);
}

TEST(setters_refuse_bad_text)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    static const char *const authorities[] = {"", "a b", "user@host", "h:99999", "h/x", "[::1"};
    static const char *const paths[] = {"x", "/a b", "/a#b", "/a\r\nb", "?a b"};
    struct p2_result_void_void ret = {0};
    for (size_t i = 0; i < ARRAY_LEN(authorities); i++) {
        struct p2_option_string text = {true, str_from(authorities[i])};
        CHECK_INT(p2_http_types_outgoing_request_set_authority(&w.call, request, text, &ret), 0);
        CHECK(ret.is_err);
    }
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct p2_option_string text = {true, str_from(paths[i])};
        CHECK_INT(p2_http_types_outgoing_request_set_path_with_query(&w.call, request, text, &ret),
                  0);
        CHECK(ret.is_err);
    }
    struct p2_http_types_method method = {P2_HTTP_TYPES_METHOD_OTHER, {.other = STR("A B")}};
    CHECK_INT(p2_http_types_outgoing_request_set_method(&w.call, request, &method, &ret), 0);
    CHECK(ret.is_err);
    CHECK_INT(p2_http_types_outgoing_request_drop(&w.call, request), 0);
    end_client(&w, egress);
}

TEST(a_small_body_is_sent_with_its_length)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    struct p2_http_types_outgoing_body *body = request_body(&w, request);
    struct p2_http_types_future_incoming_response *future = fetch(&w, request).ok;
    CHECK_INT(fake_fetches, 0);
    struct p2_io_streams_output_stream *stream = guest_stream(&w, body);
    CHECK(!guest_put(&w, stream, "body").is_err);
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    CHECK_INT(fake_fetches, 1);
    CHECK_STR(buf_str(&fake_fetched->what), "GET https://allowed.example/up?q=1\nx-from: test\n");
    CHECK_INT(fake_fetched->options.content_length, 4);
    CHECK_STR(buf_str(&fake_fetched->sent), "body");
    CHECK(fake_fetched->ended);
    loop_turn(w.wasi.loop, false);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);
    end_client(&w, egress);
}

// A guest that was interrupted, as the engine resumes it.
struct interrupted {
    struct world *w;
    struct p2_http_types_outgoing_body *body;
    struct loop_defer yielded, ready;
};

static void resume(struct loop_defer *defer)
{
    struct interrupted *guest = container_of(defer, struct interrupted, yielded);
    loop_defer(guest->w->wasi.loop, &guest->ready);
}

static void go_on(struct loop_defer *defer)
{
    struct interrupted *guest = container_of(defer, struct interrupted, ready);
    CHECK_INT(fake_fetches, 0);
    CHECK(!guest_finish(guest->w, guest->body).is_err);
}

TEST(a_body_that_an_interrupted_guest_finishes_has_a_length)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    struct interrupted guest = {.w = &w,
                                .body = request_body(&w, request),
                                .yielded.callback = resume,
                                .ready.callback = go_on};
    struct p2_http_types_future_incoming_response *future = fetch(&w, request).ok;
    loop_defer_next(w.wasi.loop, &guest.yielded);
    loop_turn(w.wasi.loop, false);
    CHECK_INT(fake_fetches, 1);
    CHECK_INT(fake_fetched->options.content_length, 0);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);
    end_client(&w, egress);
}

TEST(a_body_that_is_not_finished_in_its_turn_is_streamed)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    struct p2_http_types_outgoing_body *body = request_body(&w, request);
    struct p2_http_types_future_incoming_response *future = fetch(&w, request).ok;
    struct p2_io_streams_output_stream *stream = guest_stream(&w, body);
    CHECK(!guest_put(&w, stream, "one").is_err);
    loop_turn(w.wasi.loop, false);
    CHECK_INT(fake_fetches, 1);
    CHECK_INT(fake_fetched->options.content_length, -1);
    CHECK_STR(buf_str(&fake_fetched->sent), "one");
    CHECK(!guest_put(&w, stream, "two").is_err);
    CHECK_STR(buf_str(&fake_fetched->sent), "onetwo");
    guest_drop_stream(&w, stream);
    // Dropped, not finished: the request fails.
    CHECK_INT(p2_http_types_outgoing_body_drop(&w.call, body), 0);
    CHECK_INT(fake_fetches_live, 0);
    struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void ret = {
        0};
    CHECK_INT(p2_http_types_future_incoming_response_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && ret.some.ok.is_err);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);
    end_client(&w, egress);
}

static void response_arrives(void)
{
    fake_fetched->answer[0] = (struct http_field){STR("connection"), STR("close")};
    fake_fetched->answer[1] = (struct http_field){STR("x-answer"), STR("42")};
    fake_fetched->body = STR("answer");
    fake_fetched->body_end = 0;
    fake_fetched->options.events.head(fake_fetched->options.user);
}

TEST(the_response_can_be_taken_once_and_read)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_future_incoming_response *future =
        fetch(&w, request_to(&w, "allowed.example")).ok;
    struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void ret = {
        0};
    CHECK_INT(p2_http_types_future_incoming_response_get(&w.call, future, &ret), 0);
    CHECK(!ret.is_some);
    struct p2_io_poll_pollable *pollable = NULL;
    CHECK_INT(p2_http_types_future_incoming_response_subscribe(&w.call, future, &pollable), 0);
    fake_on_park = response_arrives;
    CHECK_INT(p2_io_poll_pollable_block(&w.call, pollable), 0);
    CHECK_INT(fake_parks, 1);
    CHECK(p2_http_types_future_incoming_response_drop(&w.call, future) < 0);
    CHECK_INT(p2_io_poll_pollable_drop(&w.call, pollable), 0);
    CHECK_INT(p2_http_types_future_incoming_response_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && !ret.some.is_err && !ret.some.ok.is_err);
    struct p2_http_types_incoming_response *response = ret.some.ok.ok;
    memset(&ret, 0, sizeof(ret));
    CHECK_INT(p2_http_types_future_incoming_response_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && ret.some.is_err);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);

    uint16_t status = 0;
    CHECK_INT(p2_http_types_incoming_response_status(&w.call, response, &status), 0);
    CHECK_INT(status, 203);
    struct p2_http_types_fields *headers = NULL;
    struct p2_list_tuple_string_bytes entries = {0};
    CHECK_INT(p2_http_types_incoming_response_headers(&w.call, response, &headers), 0);
    CHECK_INT(p2_http_types_fields_entries(&w.call, headers, &entries), 0);
    CHECK_INT(entries.len, 1);
    CHECK_STR(entries.data[0].f1, "42");
    CHECK_INT(p2_http_types_fields_drop(&w.call, headers), 0);
    struct p2_result_http_types_incoming_body_void body = {0};
    CHECK_INT(p2_http_types_incoming_response_consume(&w.call, response, &body), 0);
    CHECK_INT(p2_http_types_incoming_response_drop(&w.call, response), 0);
    struct p2_io_streams_input_stream *stream = guest_input(&w, body.ok);
    CHECK_STR(guest_take(&w, stream, 100).ok, "answer");
    CHECK(guest_take(&w, stream, 100).is_err);
    CHECK_INT(p2_io_streams_input_stream_drop(&w.call, stream), 0);
    CHECK_INT(fake_fetches_live, 1);
    CHECK_INT(p2_http_types_incoming_body_drop(&w.call, body.ok), 0);
    end_client(&w, egress);
}

static void request_fails(void)
{
    fake_fetched->failure = HTTP_FAILURE_CONNECTION_REFUSED;
    fake_fetched->options.events.failed(fake_fetched->options.user);
}

TEST(a_failed_request_gives_its_error_code)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    struct p2_http_types_outgoing_body *body = request_body(&w, request);
    struct p2_http_types_future_incoming_response *future = fetch(&w, request).ok;
    loop_turn(w.wasi.loop, false);
    request_fails();
    CHECK_INT(fake_fetches_live, 0);
    struct p2_io_streams_output_stream *stream = guest_stream(&w, body);
    CHECK(guest_put(&w, stream, "x").is_err);
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void ret = {
        0};
    CHECK_INT(p2_http_types_future_incoming_response_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && ret.some.ok.is_err);
    CHECK_INT(ret.some.ok.err.tag, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);
    end_client(&w, egress);
}

TEST(options_reach_the_client)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_request_options *options = NULL;
    struct p2_result_void_void done = {0};
    CHECK_INT(p2_http_types_request_options_constructor(&w.call, &options), 0);
    struct p2_option_u64 ns = {true, 1500001};
    CHECK_INT(p2_http_types_request_options_set_connect_timeout(&w.call, options, ns, &done), 0);
    ns.some = 0;
    CHECK_INT(p2_http_types_request_options_set_first_byte_timeout(&w.call, options, ns, &done), 0);
    struct p2_result_http_types_future_incoming_response_http_types_error_code ret = {0};
    CHECK_INT(p2_http_outgoing_handler_handle(
                  &w.call, request_to(&w, "allowed.example"),
                  (struct p2_option_http_types_request_options){true, options}, &ret),
              0);
    CHECK(!ret.is_err);
    CHECK_INT(fake_fetched->options.connect_timeout_ms, 2);
    CHECK_INT(fake_fetched->options.first_byte_timeout_ms, 1);
    CHECK_INT(fake_fetched->options.between_bytes_timeout_ms, 0);
    CHECK_INT(fake_fetched->options.content_length, 0);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, ret.ok), 0);
    end_client(&w, egress);
}

TEST(trailers_of_a_request_go_out)
{
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    struct p2_http_types_outgoing_request *request = request_to(&w, "allowed.example");
    struct p2_http_types_outgoing_body *body = request_body(&w, request);
    struct p2_http_types_future_incoming_response *future = fetch(&w, request).ok;
    struct p2_io_streams_output_stream *stream = guest_stream(&w, body);
    struct p2_http_types_fields *trailers = guest_fields(&w);
    struct p2_result_void_http_types_error_code ret = {0};
    guest_append(&w, trailers, "x-sum", "42");
    CHECK(!guest_put(&w, stream, "body").is_err);
    guest_drop_stream(&w, stream);
    CHECK_INT(p2_http_types_outgoing_body_finish(
                  &w.call, body, (struct p2_option_http_types_fields){true, trailers}, &ret),
              0);
    CHECK(!ret.is_err);
    CHECK_INT(fake_fetches, 1);
    CHECK_INT(fake_fetched->options.content_length, -1); // only a chunked body has trailers
    CHECK_STR(buf_str(&fake_fetched->sent), "body");
    CHECK_STR(buf_str(&fake_fetched->what),
              "GET https://allowed.example/up?q=1\nx-from: test\nx-sum: 42\n");
    CHECK(fake_fetched->ended);
    CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);
    end_client(&w, egress);
}

TEST(failures_of_the_client_have_codes)
{
    static const struct {
        enum http_client_failure failure;
        enum p2_http_types_error_code_tag code;
    } cases[] = {
        {HTTP_FAILURE_DNS_TIMEOUT, P2_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT},
        {HTTP_FAILURE_DNS_ERROR, P2_HTTP_TYPES_ERROR_CODE_DNS_ERROR},
        {HTTP_FAILURE_ADDRESS_PROHIBITED, P2_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED},
        {HTTP_FAILURE_CONNECTION_REFUSED, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED},
        {HTTP_FAILURE_CONNECTION_LIMIT, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED},
        {HTTP_FAILURE_CONNECTION_TIMEOUT, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT},
        {HTTP_FAILURE_CONNECTION_TERMINATED, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED},
        {HTTP_FAILURE_READ_TIMEOUT, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT},
        {HTTP_FAILURE_WRITE_TIMEOUT, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT},
        {HTTP_FAILURE_TLS_PROTOCOL, P2_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR},
        {HTTP_FAILURE_TLS_CERTIFICATE, P2_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR},
        {HTTP_FAILURE_TLS_ALERT, P2_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED},
        {HTTP_FAILURE_PROTOCOL, P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR},
        {HTTP_FAILURE_URI_INVALID, P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID},
        {HTTP_FAILURE_RESPONSE_INCOMPLETE, P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE},
        {HTTP_FAILURE_INTERNAL, P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR},
    };
    struct world w;
    struct wasi_egress *egress = begin_client(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct p2_http_types_future_incoming_response *future =
            fetch(&w, request_to(&w, "allowed.example")).ok;
        struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void ret =
            {0};
        fake_fetched->failure = cases[i].failure;
        fake_fetched->options.events.failed(fake_fetched->options.user);
        CHECK_INT(p2_http_types_future_incoming_response_get(&w.call, future, &ret), 0);
        CHECK(ret.is_some && ret.some.ok.is_err);
        CHECK_INT(ret.some.ok.err.tag, cases[i].code);
        if (cases[i].failure == HTTP_FAILURE_TLS_ALERT) {
            CHECK(ret.some.ok.err.tls_alert_received.alert_id.is_some);
            CHECK_INT(ret.some.ok.err.tls_alert_received.alert_id.some, 40);
        }
        CHECK_INT(p2_http_types_future_incoming_response_drop(&w.call, future), 0);
    }
    end_client(&w, egress);
}

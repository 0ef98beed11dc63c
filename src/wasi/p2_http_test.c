// SPDX-License-Identifier: Apache-2.0
// wasi:http: requests that are served, and fields.
#include <errno.h>

#include "testing/test.h"
#include "wasi/p2_http_fake_test.h"

// ---- serving ------------------------------------------------------------------------------------

TEST(response_goes_out_while_the_guest_writes)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    struct p2_http_types_fields *fields = guest_fields(&w);
    guest_append(&w, fields, "Content-Type", " text/plain ");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, fields, &body);
    CHECK(w.exchange.responded);
    CHECK_INT(w.exchange.length, -1);
    CHECK_STR(buf_str(&w.exchange.head), "Content-Type: text/plain\n");
    CHECK(!guest_put(&w, stream, "hello").is_err);
    CHECK_STR(buf_str(&w.exchange.sent), "hello");
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    CHECK(w.exchange.finished);
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    CHECK(w.outcome.complete && w.outcome.status == 200 && !w.exchange.aborted);
    world_end(&w);
}

TEST(a_body_written_before_the_response_is_set_has_a_known_length)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_outgoing_response *response = guest_response(&w, guest_fields(&w));
    struct p2_http_types_outgoing_body *body = guest_body(&w, response);
    struct p2_io_streams_output_stream *stream = guest_stream(&w, body);
    CHECK(!guest_put(&w, stream, "early").is_err);
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    CHECK(!w.exchange.responded);
    CHECK_INT(guest_set(&w, response), 0);
    CHECK_INT(w.exchange.length, 5);
    CHECK_STR(buf_str(&w.exchange.sent), "early");
    CHECK(w.exchange.finished);
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

TEST(a_response_without_a_body_is_complete_at_once)
{
    struct world w;
    world_begin(&w, "GET");
    CHECK_INT(guest_set(&w, guest_response(&w, guest_fields(&w))), 0);
    CHECK(w.exchange.finished);
    CHECK_INT(w.exchange.length, 0);
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

TEST(a_full_exchange_makes_the_writer_wait)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, guest_fields(&w), &body);
    w.exchange.budget = 0;
    struct p2_result_u64_io_streams_stream_error room = {0};
    CHECK_INT(p2_io_streams_output_stream_check_write(&w.call, stream, &room), 0);
    CHECK(!room.is_err && room.ok == 0);
    w.exchange.budget = 3;
    CHECK_INT(p2_io_streams_output_stream_check_write(&w.call, stream, &room), 0);
    CHECK_INT(room.ok, 3);
    struct p2_result_void_io_streams_stream_error ret = {0};
    CHECK(p2_io_streams_output_stream_write(&w.call, stream, STR("four"), &ret) < 0); // a trap
    CHECK_INT(p2_io_streams_output_stream_write(&w.call, stream, STR("abc"), &ret), 0);
    CHECK_STR(buf_str(&w.exchange.sent), "abc");
    w.call.teardown = true;
    guest_drop_stream(&w, stream);
    CHECK_INT(p2_http_types_outgoing_body_drop(&w.call, body), 0);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_TRAPPED) < 0);
    world_end(&w);
}

// The body was finished, then the guest ended; its rest goes out when the exchange takes it.
static void finish_beyond_the_budget(struct world *w)
{
    world_begin(w, "GET");
    struct p2_http_types_outgoing_response *response = guest_response(w, guest_fields(w));
    struct p2_http_types_outgoing_body *body = guest_body(w, response);
    struct p2_io_streams_output_stream *stream = guest_stream(w, body);
    CHECK(!guest_put(w, stream, "0123456789").is_err);
    guest_drop_stream(w, stream);
    CHECK(!guest_finish(w, body).is_err);
    w->exchange.budget = 4;
    CHECK_INT(guest_set(w, response), 0);
    guest_drop_request(w);
    CHECK_INT(world_finish(w, TASK_RETURNED), 0);
    CHECK_STR(buf_str(&w->exchange.sent), "0123");
    CHECK(!w->exchange.finished && !w->exchange.aborted);
    CHECK_INT(w->wasi.http_bytes, 0);
}

TEST(the_rest_of_a_body_outlives_its_guest)
{
    struct world w;
    finish_beyond_the_budget(&w);
    w.exchange.budget = 3;
    w.exchange.events->writable(w.exchange.user);
    CHECK_STR(buf_str(&w.exchange.sent), "0123456");
    w.exchange.budget = 9;
    w.exchange.events->writable(w.exchange.user);
    CHECK_STR(buf_str(&w.exchange.sent), "0123456789");
    CHECK(w.exchange.finished);
    world_end(&w);

    finish_beyond_the_budget(&w);
    w.exchange.events->closed(w.exchange.user);
    CHECK(!w.exchange.finished);
    world_end(&w);
}

TEST(a_permit_counts_when_the_exchange_is_full)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, guest_fields(&w), &body);
    struct p2_result_u64_io_streams_stream_error room = {0};
    struct p2_result_void_io_streams_stream_error ret = {0};
    CHECK_INT(p2_io_streams_output_stream_check_write(&w.call, stream, &room), 0);
    w.exchange.budget = 2; // framing took the rest
    CHECK_INT(p2_io_streams_output_stream_write(&w.call, stream, STR("abc"), &ret), 0);
    CHECK_INT(p2_io_streams_output_stream_write(&w.call, stream, STR("d"), &ret), 0);
    CHECK(!ret.is_err);
    w.exchange.budget = 0;
    CHECK_INT(p2_io_streams_output_stream_check_write(&w.call, stream, &room), 0);
    CHECK_INT(room.ok, 0);
    CHECK_STR(buf_str(&w.exchange.sent), "");
    w.exchange.budget = 100;
    CHECK_INT(p2_io_streams_output_stream_check_write(&w.call, stream, &room), 0);
    CHECK_INT(room.ok, 96);
    CHECK_STR(buf_str(&w.exchange.sent), "abcd");
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

static void write_with_length(struct world *w, const char *length, const char *text)
{
    struct p2_http_types_outgoing_body *body;
    struct p2_http_types_fields *fields = guest_fields(w);
    guest_append(w, fields, "content-length", length);
    struct p2_io_streams_output_stream *stream = guest_answer(w, fields, &body);
    CHECK_STR(buf_str(&w->exchange.head), "");
    struct p2_result_void_io_streams_stream_error ret = guest_put(w, stream, text);
    if (ret.is_err) {
        CHECK_INT(ret.err.tag, P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
        struct p2_option_http_types_error_code code = {0};
        CHECK_INT(p2_http_types_http_error_code(&w->call, ret.err.last_operation_failed, &code), 0);
        CHECK(code.is_some);
        CHECK_INT(code.some.tag, P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE);
        CHECK_INT(p2_io_error_error_drop(&w->call, ret.err.last_operation_failed), 0);
    }
    guest_drop_stream(w, stream);
    struct p2_result_void_http_types_error_code end_ret = guest_finish(w, body);
    CHECK(end_ret.is_err);
    CHECK_INT(end_ret.err.tag, P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE);
    CHECK_INT(end_ret.err.http_response_body_size.some, strlen(text));
    guest_drop_request(w);
}

TEST(more_than_the_content_length_is_not_sent)
{
    struct world w;
    world_begin(&w, "GET");
    write_with_length(&w, "10", "01234567890123456789");
    CHECK_INT(w.exchange.length, 10);
    CHECK_STR(buf_str(&w.exchange.sent), "0123456789");
    CHECK(w.exchange.finished);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

TEST(less_than_the_content_length_fails)
{
    struct world w;
    world_begin(&w, "GET");
    write_with_length(&w, "20", "0123456789");
    CHECK_INT(world_finish(&w, TASK_RETURNED), -EMSGSIZE);
    CHECK(!w.outcome.complete);
    world_end(&w);
}

TEST(a_head_response_sends_no_body)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "HEAD");
    struct p2_http_types_fields *fields = guest_fields(&w);
    guest_append(&w, fields, "content-length", "3");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, fields, &body);
    CHECK(!guest_put(&w, stream, "whatever").is_err);
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    CHECK_INT(w.exchange.length, 3);
    CHECK_STR(buf_str(&w.exchange.sent), "");
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

TEST(a_bad_content_length_is_an_error_of_the_guest)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_fields *fields = guest_fields(&w);
    struct p2_result_void_http_types_header_error ret = {0};
    CHECK_INT(p2_http_types_fields_append(&w.call, fields, STR("Content-Length"), STR("1x"), &ret),
              0);
    CHECK(ret.is_err && ret.err == P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX);
    guest_append(&w, fields, "content-length", "1");
    guest_append(&w, fields, "content-length", "2");
    CHECK_INT(guest_set(&w, guest_response(&w, fields)), 0);
    CHECK(!w.exchange.responded && w.exchange.aborted == 500);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_RETURNED) < 0);
    CHECK_CONTAINS(w.why.message, "content-length");
    world_end(&w);
}

TEST(what_the_guest_leaves_undone_is_settled)
{
    static const struct {
        enum task_end end;
        unsigned status;
        const char *why;
    } cases[] = {
        {TASK_RETURNED, 500, "without setting a response"},
        {TASK_TRAPPED, 500, "trapped: unreachable"},
        {TASK_EXITED, 500, "exited"},
        {TASK_TIMED_OUT, 504, "out of time"},
        {TASK_CANCELLED, 503, "cancelled"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        world_begin(&w, "GET");
        error_set(&w.error, -EFAULT, "unreachable");
        CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
        guest_drop_request(&w);
        CHECK(world_finish(&w, cases[i].end) < 0);
        CHECK_CONTAINS(w.why.message, cases[i].why);
        CHECK_INT(w.exchange.aborted, cases[i].status);
        CHECK_INT(w.outcome.status, cases[i].status);
        CHECK(!w.outcome.complete);
        world_end(&w);
    }
}

TEST(an_error_code_is_answered_with_500_and_logged)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_result_http_types_outgoing_response_http_types_error_code result = {.is_err = true};
    result.err.tag = P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR;
    result.err.internal_error = (struct p2_option_string){true, STR("no")};
    CHECK_INT(p2_http_types_response_outparam_set(&w.call, w.outparam, result), 0);
    CHECK_INT(w.exchange.aborted, 500);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_RETURNED) < 0);
    CHECK_CONTAINS(w.why.message, "internal-error: no");
    world_end(&w);
}

TEST(a_trap_in_the_middle_of_the_body_cuts_it)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, guest_fields(&w), &body);
    CHECK(!guest_put(&w, stream, "first half").is_err);
    error_set(&w.error, -EFAULT, "unreachable");
    CHECK(world_finish(&w, TASK_TRAPPED) < 0);
    CHECK(w.exchange.aborted && !w.exchange.finished);
    CHECK(w.outcome.status == 200 && !w.outcome.complete);
    w.call.teardown = true; // the store's end, parents first
    CHECK_INT(p2_http_types_outgoing_body_drop(&w.call, body), 0);
    guest_drop_stream(&w, stream);
    guest_drop_request(&w);
    world_end(&w);
}

TEST(a_trap_after_the_end_leaves_the_response_whole)
{
    struct world w;
    world_begin(&w, "GET");
    CHECK_INT(guest_set(&w, guest_response(&w, guest_fields(&w))), 0);
    error_set(&w.error, -EFAULT, "unreachable");
    CHECK(world_finish(&w, TASK_TRAPPED) < 0);
    CHECK(!w.exchange.aborted && w.outcome.complete);
    guest_drop_request(&w);
    world_end(&w);
}

TEST(a_dropped_body_is_cut_and_an_orphan_traps)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, guest_fields(&w), &body);
    CHECK(p2_http_types_outgoing_body_drop(&w.call, body) < 0);
    CHECK_CONTAINS(w.error.message, "before its output-stream");
    CHECK(!w.exchange.aborted);
    guest_drop_stream(&w, stream);
    CHECK_INT(p2_http_types_outgoing_body_drop(&w.call, body), 0);
    CHECK(w.exchange.aborted && !w.exchange.finished);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_RETURNED) < 0);
    CHECK_CONTAINS(w.why.message, "without finishing");
    world_end(&w);
}

TEST(a_body_finished_while_its_stream_lives_traps)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    struct p2_io_streams_output_stream *stream = guest_answer(&w, guest_fields(&w), &body);
    struct p2_result_void_http_types_error_code ret = {0};
    struct p2_option_http_types_fields trailers = {true, guest_fields(&w)};
    CHECK(p2_http_types_outgoing_body_finish(&w.call, body, trailers, &ret) < 0);
    CHECK(!w.exchange.finished);
    CHECK(world_finish(&w, TASK_TRAPPED) < 0);
    guest_drop_stream(&w, stream);
    guest_drop_request(&w);
    world_end(&w);
}

TEST(trailers_are_sent)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "GET");
    guest_drop_stream(&w, guest_answer(&w, guest_fields(&w), &body));
    struct p2_option_http_types_fields trailers = {true, guest_fields(&w)};
    guest_append(&w, trailers.some, "x-t", "1");
    struct p2_result_void_http_types_error_code ret = {0};
    CHECK_INT(p2_http_types_outgoing_body_finish(&w.call, body, trailers, &ret), 0);
    CHECK(!ret.is_err);
    CHECK_STR(buf_str(&w.exchange.tail), "x-t: 1\n");
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

// ---- the request --------------------------------------------------------------------------------

static struct p2_http_types_fields *headers_of(struct world *w)
{
    struct p2_http_types_fields *headers = NULL;
    CHECK_INT(p2_http_types_incoming_request_headers(&w->call, w->request, &headers), 0);
    return headers;
}

TEST(the_request_is_what_was_sent)
{
    struct world w;
    world_begin(&w, "PURGE");
    struct p2_http_types_method method = {0};
    CHECK_INT(p2_http_types_incoming_request_method(&w.call, w.request, &method), 0);
    CHECK_INT(method.tag, P2_HTTP_TYPES_METHOD_OTHER);
    CHECK_STR(method.other, "PURGE");
    struct p2_option_string text = {0};
    CHECK_INT(p2_http_types_incoming_request_path_with_query(&w.call, w.request, &text), 0);
    CHECK_STR(text.some, "/path?q=1");
    CHECK_INT(p2_http_types_incoming_request_authority(&w.call, w.request, &text), 0);
    CHECK_STR(text.some, "example.com");
    struct p2_option_http_types_scheme scheme = {0};
    CHECK_INT(p2_http_types_incoming_request_scheme(&w.call, w.request, &scheme), 0);
    CHECK(scheme.is_some && scheme.some.tag == P2_HTTP_TYPES_SCHEME_HTTP);

    struct p2_http_types_fields *headers = headers_of(&w);
    struct p2_list_tuple_string_bytes entries = {0};
    CHECK_INT(p2_http_types_fields_entries(&w.call, headers, &entries), 0);
    CHECK_INT(entries.len, 3); // host is not for guests
    CHECK_STR(entries.data[2].f0, "x-one");
    struct p2_list_bytes values = {0};
    CHECK_INT(p2_http_types_fields_get(&w.call, headers, STR("X-ONE"), &values), 0);
    CHECK_INT(values.len, 2);
    CHECK_STR(values.data[1], "3");
    struct p2_result_void_http_types_header_error ret = {0};
    CHECK_INT(p2_http_types_fields_delete(&w.call, headers, STR("x-one"), &ret), 0);
    CHECK(ret.is_err && ret.err == P2_HTTP_TYPES_HEADER_ERROR_IMMUTABLE);

    CHECK(p2_http_types_incoming_request_drop(&w.call, w.request) < 0);
    CHECK_CONTAINS(w.error.message, "before its headers");
    CHECK_INT(p2_http_types_fields_drop(&w.call, headers), 0);
    guest_drop_request(&w);
    CHECK_INT(guest_set(&w, guest_response(&w, guest_fields(&w))), 0);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

TEST(what_the_guest_holds_outlives_the_exchange)
{
    struct world w;
    struct p2_http_types_outgoing_body *body;
    world_begin(&w, "POST");
    char name[] = "x-volatile";
    const struct http_field fields[] = {{str_from(name), str_from(name)}};
    w.exchange.request.fields = fields;
    struct http_request *head = &w.exchange.request;
    head->field_count = 1;
    world_finish(&w, TASK_CANCELLED);
    guest_drop_request(&w);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    world_end(&w);

    world_begin(&w, "POST");
    struct p2_http_types_fields *headers = headers_of(&w);
    struct p2_io_streams_output_stream *stream = guest_answer(&w, guest_fields(&w), &body);
    w.exchange.events->closed(w.exchange.user);
    CHECK(w.gone);
    memset(&w.exchange.request, 0xff, sizeof(w.exchange.request));
    struct p2_option_string text = {0};
    CHECK_INT(p2_http_types_incoming_request_path_with_query(&w.call, w.request, &text), 0);
    CHECK_STR(text.some, "/path?q=1");
    bool has = false;
    CHECK_INT(p2_http_types_fields_has(&w.call, headers, STR("x-two"), &has), 0);
    CHECK(has);
    struct p2_result_void_io_streams_stream_error ret = guest_put(&w, stream, "to nobody");
    CHECK(ret.is_err && ret.err.tag == P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    guest_drop_stream(&w, stream);
    CHECK(!guest_finish(&w, body).is_err);
    CHECK_INT(p2_http_types_fields_drop(&w.call, headers), 0);
    guest_drop_request(&w);
    CHECK_INT(world_finish(&w, TASK_RETURNED), -EPIPE);
    CHECK(!w.exchange.aborted && !w.exchange.finished);
    world_end(&w);
}

static struct p2_http_types_incoming_body *consume(struct world *w)
{
    struct p2_result_http_types_incoming_body_void ret = {0}, again = {0};
    CHECK_INT(p2_http_types_incoming_request_consume(&w->call, w->request, &ret), 0);
    CHECK(!ret.is_err);
    CHECK_INT(p2_http_types_incoming_request_consume(&w->call, w->request, &again), 0);
    CHECK(again.is_err);
    return ret.ok;
}

static void more_arrives(void)
{
    fake_here->exchange.body = STR(" later");
    fake_here->exchange.body_end = 0;
    fake_here->exchange.events->readable(fake_here->exchange.user);
}

TEST(the_body_is_read_with_its_trailers)
{
    static const struct http_field trailers[] = {{STR_INIT("x-t"), STR_INIT("1")}};
    struct world w;
    world_begin(&w, "POST");
    w.exchange.body = STR("now");
    w.exchange.body_end = -EAGAIN;
    w.exchange.trailers = trailers;
    w.exchange.trailer_count = 1;
    fake_on_park = more_arrives;
    struct p2_http_types_incoming_body *body = consume(&w);
    struct p2_io_streams_input_stream *stream = guest_input(&w, body);
    CHECK_STR(guest_take(&w, stream, 2).ok, "no");
    CHECK_STR(guest_take(&w, stream, 9).ok, "w");
    CHECK_INT(fake_parks, 0);
    CHECK_STR(guest_take(&w, stream, 2).ok, " l");
    CHECK_INT(fake_parks, 1);
    CHECK(p2_http_types_incoming_body_drop(&w.call, body) < 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&w.call, stream), 0);

    struct p2_http_types_future_trailers *future = NULL;
    CHECK_INT(p2_http_types_incoming_body_finish(&w.call, body, &future), 0);
    struct p2_io_poll_pollable *pollable = NULL;
    CHECK_INT(p2_http_types_future_trailers_subscribe(&w.call, future, &pollable), 0);
    CHECK_INT(p2_io_poll_pollable_block(&w.call, pollable), 0);
    CHECK(p2_http_types_future_trailers_drop(&w.call, future) < 0);
    CHECK_INT(p2_io_poll_pollable_drop(&w.call, pollable), 0);
    struct p2_option_result_result_option_http_types_fields_http_types_error_code_void ret = {0};
    CHECK_INT(p2_http_types_future_trailers_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && !ret.some.is_err && !ret.some.ok.is_err && ret.some.ok.ok.is_some);
    bool has = false;
    CHECK_INT(p2_http_types_fields_has(&w.call, ret.some.ok.ok.some, STR("x-t"), &has), 0);
    CHECK(has);
    CHECK_INT(p2_http_types_fields_drop(&w.call, ret.some.ok.ok.some), 0);
    memset(&ret, 0, sizeof(ret));
    CHECK_INT(p2_http_types_future_trailers_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && ret.some.is_err);
    CHECK_INT(p2_http_types_future_trailers_drop(&w.call, future), 0);
    guest_drop_request(&w);
    CHECK_INT(guest_set(&w, guest_response(&w, guest_fields(&w))), 0);
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

static void peer_goes(void)
{
    fake_here->exchange.events->closed(fake_here->exchange.user);
}

TEST(a_body_that_breaks_off_is_an_error)
{
    struct world w;
    world_begin(&w, "POST");
    w.exchange.body_end = -EAGAIN;
    fake_on_park = peer_goes;
    struct p2_http_types_incoming_body *body = consume(&w);
    struct p2_io_streams_input_stream *stream = guest_input(&w, body);
    struct p2_result_bytes_io_streams_stream_error got = guest_take(&w, stream, 10);
    CHECK(got.is_err && got.err.tag == P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    struct p2_option_http_types_error_code code = {0};
    CHECK_INT(p2_http_types_http_error_code(&w.call, got.err.last_operation_failed, &code), 0);
    CHECK_INT(code.some.tag, P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
    CHECK_INT(p2_io_error_error_drop(&w.call, got.err.last_operation_failed), 0);
    CHECK_INT(p2_io_streams_input_stream_drop(&w.call, stream), 0);
    struct p2_http_types_future_trailers *future = NULL;
    CHECK_INT(p2_http_types_incoming_body_finish(&w.call, body, &future), 0);
    struct p2_option_result_result_option_http_types_fields_http_types_error_code_void ret = {0};
    CHECK_INT(p2_http_types_future_trailers_get(&w.call, future, &ret), 0);
    CHECK(ret.is_some && ret.some.ok.is_err);
    CHECK_INT(p2_http_types_future_trailers_drop(&w.call, future), 0);
    guest_drop_request(&w);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    CHECK_INT(world_finish(&w, TASK_CANCELLED), -EPIPE);
    CHECK_INT(w.outcome.status, 0);
    world_end(&w);
}

// ---- fields -------------------------------------------------------------------------------------

TEST(fields_refuse_what_http_forbids)
{
    static const struct {
        const char *name, *value;
        enum p2_http_types_header_error error;
    } cases[] = {
        {"x-a\r\nx-b", "1", P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
        {"x-a", "1\r\nx-b: 2", P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
        {"", "1", P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
        {"x a", "1", P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
        {"x-a", "\x7f", P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX},
        {"Transfer-Encoding", "chunked", P2_HTTP_TYPES_HEADER_ERROR_FORBIDDEN},
        {"connection", "upgrade", P2_HTTP_TYPES_HEADER_ERROR_FORBIDDEN},
        {"Host", "x", P2_HTTP_TYPES_HEADER_ERROR_FORBIDDEN},
    };
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_fields *fields = guest_fields(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct p2_result_void_http_types_header_error ret = {0};
        struct str value = str_from(cases[i].value);
        CHECK_INT(
            p2_http_types_fields_append(&w.call, fields, str_from(cases[i].name), value, &ret), 0);
        CHECK(ret.is_err);
        CHECK_INT(ret.err, cases[i].error);
        struct p2_tuple_string_bytes entry = {str_from(cases[i].name), value};
        struct p2_list_tuple_string_bytes entries = {&entry, 1};
        struct p2_result_http_types_fields_http_types_header_error made = {0};
        CHECK_INT(p2_http_types_fields_from_list(&w.call, entries, &made), 0);
        CHECK(made.is_err && made.err == cases[i].error);
    }
    struct p2_list_tuple_string_bytes entries = {0};
    CHECK_INT(p2_http_types_fields_entries(&w.call, fields, &entries), 0);
    CHECK_INT(entries.len, 0);
    CHECK_INT(p2_http_types_fields_drop(&w.call, fields), 0);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_RETURNED) < 0);
    world_end(&w);
}

TEST(fields_are_set_deleted_and_cloned)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_fields *fields = guest_fields(&w), *clone = NULL;
    guest_append(&w, fields, "X-A", "1");
    guest_append(&w, fields, "x-b", "2");
    guest_append(&w, fields, "x-a", "3");
    const struct str values[] = {STR_INIT("4"), STR_INIT("")};
    struct p2_result_void_http_types_header_error ret = {0};
    CHECK_INT(p2_http_types_fields_set(&w.call, fields, STR("x-A"),
                                       (struct p2_list_bytes){values, 2}, &ret),
              0);
    CHECK(!ret.is_err);
    CHECK_INT(p2_http_types_fields_clone(&w.call, fields, &clone), 0);
    CHECK_INT(p2_http_types_fields_delete(&w.call, fields, STR("X-B"), &ret), 0);
    struct p2_list_tuple_string_bytes entries = {0};
    CHECK_INT(p2_http_types_fields_entries(&w.call, fields, &entries), 0);
    CHECK_INT(entries.len, 2);
    CHECK_STR(entries.data[0].f0, "x-A");
    CHECK_STR(entries.data[1].f1, "");
    bool has = false;
    CHECK_INT(p2_http_types_fields_has(&w.call, clone, STR("x-b"), &has), 0);
    CHECK(has);
    CHECK_INT(p2_http_types_fields_drop(&w.call, fields), 0);
    CHECK_INT(p2_http_types_fields_drop(&w.call, clone), 0);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_RETURNED) < 0);
    world_end(&w);
}

TEST(fields_keep_what_they_are_given)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_fields *fields = guest_fields(&w);
    guest_append(&w, fields, "X-A", " \t1 ");
    guest_append(&w, fields, "x-a", "\t"); // takes the case of the first
    struct p2_list_tuple_string_bytes entries = {0};
    CHECK_INT(p2_http_types_fields_entries(&w.call, fields, &entries), 0);
    CHECK_INT(entries.len, 2);
    CHECK_STR(entries.data[0].f1, " \t1 ");
    CHECK_STR(entries.data[1].f0, "X-A");
    CHECK_STR(entries.data[1].f1, "\t");
    CHECK_INT(p2_http_types_fields_drop(&w.call, fields), 0);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_RETURNED) < 0);
    world_end(&w);
}

TEST(too_many_fields_trap)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_fields *fields = guest_fields(&w);
    _cleanup_(mem_freep) char *big = mem_alloc(HTTP_GUEST_FIELDS_BYTES_MAX);
    memset(big, 'v', HTTP_GUEST_FIELDS_BYTES_MAX);
    struct p2_result_void_http_types_header_error ret = {0};
    struct str value = str_of(big, HTTP_GUEST_FIELDS_BYTES_MAX - HTTP_FIELD_OVERHEAD_BYTES - 1);
    CHECK_INT(p2_http_types_fields_append(&w.call, fields, STR("x"), value, &ret), 0);
    CHECK(p2_http_types_fields_append(&w.call, fields, STR("y"), STR(""), &ret) < 0);
    CHECK_CONTAINS(w.error.message, "131072");
    CHECK_INT(p2_http_types_fields_drop(&w.call, fields), 0);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_TRAPPED) < 0);
    world_end(&w);
}

TEST(an_instance_holds_so_many_bytes_of_fields)
{
    struct world w;
    world_begin(&w, "GET");
    const size_t size = 100000, count = HTTP_GUEST_BYTES_MAX / size;
    struct p2_http_types_fields **all = mem_new_array(struct p2_http_types_fields *, count + 1);
    _cleanup_(mem_freep) char *big = mem_alloc(size);
    memset(big, 'v', size);
    all[0] = guest_fields(&w);
    struct p2_result_void_http_types_header_error ret = {0};
    CHECK_INT(p2_http_types_fields_append(&w.call, all[0], STR("x"), str_of(big, size - 40), &ret),
              0);
    size_t made = 1;
    while (made <= count && p2_http_types_fields_clone(&w.call, all[0], &all[made]) == 0)
        made++;
    CHECK_INT(w.error.code, 0);
    struct p2_http_types_fields *one = guest_fields(&w);
    CHECK(p2_http_types_fields_append(&w.call, one, STR("x"), str_of(big, size), &ret) < 0);
    CHECK_CONTAINS(w.error.message, "67108864");
    CHECK_INT(p2_http_types_fields_drop(&w.call, one), 0);
    while (made > 0)
        CHECK_INT(p2_http_types_fields_drop(&w.call, all[--made]), 0);
    free(all);
    CHECK_INT(p2_http_types_response_outparam_drop(&w.call, w.outparam), 0);
    guest_drop_request(&w);
    CHECK(world_finish(&w, TASK_TRAPPED) < 0);
    world_end(&w);
}

// The request's headers as those of the response: a copy, and no child any more.
TEST(headers_of_a_request_can_be_passed_on)
{
    struct world w;
    world_begin(&w, "GET");
    struct p2_http_types_outgoing_response *response = guest_response(&w, headers_of(&w));
    guest_drop_request(&w);
    struct p2_http_types_fields *view = NULL;
    CHECK_INT(p2_http_types_outgoing_response_headers(&w.call, response, &view), 0);
    struct p2_result_void_http_types_header_error ret = {0};
    CHECK_INT(p2_http_types_fields_append(&w.call, view, STR("x"), STR("y"), &ret), 0);
    CHECK(ret.is_err && ret.err == P2_HTTP_TYPES_HEADER_ERROR_IMMUTABLE);
    CHECK(p2_http_types_outgoing_response_drop(&w.call, response) < 0);
    CHECK_INT(p2_http_types_fields_drop(&w.call, view), 0);
    CHECK_INT(guest_set(&w, response), 0);
    CHECK_STR(buf_str(&w.exchange.head), "x-one: 1\nx-two: 2\nx-one: 3\n");
    CHECK_INT(world_finish(&w, TASK_RETURNED), 0);
    world_end(&w);
}

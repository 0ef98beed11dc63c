// SPDX-License-Identifier: Apache-2.0
#include "wasi/p2_http_fake_test.h"

#include <errno.h>

#include "testing/test.h"

// ---- fiber --------------------------------------------------------------------------------------

void (*fake_on_park)(void);
unsigned fake_parks;

void task_wait_begin(struct task_wait *wait, struct canon_call *call)
{
    *wait = (struct task_wait){.call = call};
}
int task_park(struct task_wait *wait)
{
    CHECK(++fake_parks < 100);
    CHECK(fake_on_park);
    fake_on_park();
    return 0;
}
void task_wake(struct task_wait *wait)
{
    wait->woken = true;
}
// ---- exchange -----------------------------------------------------------------------------------

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}
void http_exchange_set_events(struct http_exchange *exchange,
                              const struct http_exchange_events *events, void *user)
{
    exchange->events = events;
    exchange->user = user;
}
ssize_t http_exchange_read(struct http_exchange *exchange, struct str *out)
{
    if (!exchange->body.len)
        return exchange->body_end;
    *out = exchange->body;
    return (ssize_t)out->len;
}
void http_exchange_consume(struct http_exchange *exchange, size_t len)
{
    CHECK(len <= exchange->body.len);
    exchange->body = str_from_index(exchange->body, len);
}
const struct http_field *http_exchange_trailers(const struct http_exchange *exchange, size_t *count)
{
    *count = exchange->trailer_count;
    return exchange->trailers;
}
static void put_fields(struct buf *to, const struct http_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_putf(to, "%.*s: %.*s\n", STR_ARG(fields[i].name), STR_ARG(fields[i].value));
}
int http_exchange_respond(struct http_exchange *exchange, unsigned status,
                          const struct http_field *fields, size_t count, int64_t length)
{
    CHECK(!exchange->responded);
    exchange->responded = true;
    exchange->status = status;
    exchange->length = length;
    put_fields(&exchange->head, fields, count);
    return 0;
}
bool http_exchange_responded(const struct http_exchange *exchange)
{
    return exchange->responded;
}
size_t http_exchange_write_budget(const struct http_exchange *exchange)
{
    return exchange->budget;
}
int http_exchange_write(struct http_exchange *exchange, struct str data)
{
    CHECK(exchange->responded && !exchange->finished && !exchange->aborted);
    CHECK(exchange->length < 0 || exchange->sent.len + data.len <= (size_t)exchange->length);
    if (data.len > exchange->budget)
        return -ENOBUFS;
    buf_put(&exchange->sent, data);
    exchange->budget -= data.len;
    return 0;
}
int http_exchange_finish(struct http_exchange *exchange, const struct http_field *trailers,
                         size_t count)
{
    bool bodyless = str_is(exchange->request.method, "HEAD") || exchange->status == 204;
    CHECK(exchange->responded && !exchange->finished && !exchange->aborted);
    exchange->finished = true;
    put_fields(&exchange->tail, trailers, count);
    return !bodyless && exchange->length > (int64_t)exchange->sent.len ? -EMSGSIZE : 0;
}
void http_exchange_abort(struct http_exchange *exchange, unsigned status)
{
    CHECK(!exchange->aborted);
    exchange->aborted = status;
}

// ---- client -------------------------------------------------------------------------------------

struct http_client_request *fake_fetched;
unsigned fake_fetches, fake_fetches_live;

int http_client_start(struct http_client *client, const struct http_client_request_options *options,
                      struct http_client_request **out, struct error *err)
{
    struct http_client_request *request = mem_new(struct http_client_request);
    request->what.max = request->sent.max = 1 << 20;
    request->options = *options;
    buf_putf(&request->what, "%.*s %.*s\n", STR_ARG(options->method), STR_ARG(options->url));
    put_fields(&request->what, options->fields, options->field_count);
    request->body_end = -EAGAIN;
    fake_fetched = request;
    fake_fetches++;
    fake_fetches_live++;
    *out = request;
    return 0;
}
void http_client_request_free(struct http_client_request *request)
{
    if (!request)
        return;
    fake_fetches_live--;
    if (fake_fetched == request)
        fake_fetched = NULL;
    buf_done(&request->what);
    buf_done(&request->sent);
    free(request);
}
size_t http_client_write_budget(const struct http_client_request *request)
{
    return 1000;
}
int http_client_write(struct http_client_request *request, struct str data)
{
    CHECK(!request->ended);
    buf_put(&request->sent, data);
    return 0;
}
int http_client_write_end(struct http_client_request *request)
{
    request->ended = true;
    return 0;
}
int http_client_write_trailers(struct http_client_request *request, const struct http_field *fields,
                               size_t count)
{
    CHECK(!request->ended);
    put_fields(&request->what, fields, count);
    return 0;
}
uint8_t http_client_tls_alert(const struct http_client_request *request)
{
    return 40;
}
unsigned http_client_status(const struct http_client_request *request)
{
    return 203;
}
const struct http_field *http_client_fields(const struct http_client_request *request,
                                            size_t *count)
{
    *count = ARRAY_LEN(request->answer);
    return request->answer;
}
ssize_t http_client_read(struct http_client_request *request, struct str *out)
{
    if (!request->body.len)
        return request->body_end;
    *out = request->body;
    return (ssize_t)out->len;
}
void http_client_consume(struct http_client_request *request, size_t len)
{
    request->body = str_from_index(request->body, len);
}
const struct http_field *http_client_trailers(const struct http_client_request *request,
                                              size_t *count)
{
    *count = 0;
    return NULL;
}
enum http_client_failure http_client_request_failure(const struct http_client_request *request)
{
    return request->failure;
}
const char *http_client_failure_text(const struct http_client_request *request)
{
    return "the fake says so";
}

// ---- the guest ----------------------------------------------------------------------------------

const struct http_field *fake_field;
static const struct http_field request_fields[] = {
    {STR_INIT("host"), STR_INIT("example.com")},
    {STR_INIT("x-one"), STR_INIT("1")},
    {STR_INIT("x-two"), STR_INIT("2")},
    {STR_INIT("x-one"), STR_INIT("3")},
};

struct world *fake_here;

int p2_http_incoming_handler_handle(struct canon_call *call, const void *func,
                                    struct p2_http_types_incoming_request *request,
                                    struct p2_http_types_response_outparam *response_out)
{
    fake_here->request = request;
    fake_here->outparam = response_out;
    return 0;
}

static void on_gone(void *user)
{
    ((struct world *)user)->gone = true;
}

void world_begin(struct world *w, const char *method)
{
    *w = (struct world){.arena = ARENA_INIT(1 << 20)};
    w->exchange = (struct http_exchange){
        .request = {.method = str_from(method),
                    .target = STR("/path?q=1"),
                    .authority = STR("example.com"),
                    .scheme = STR("http"),
                    .fields = fake_field ? fake_field : request_fields,
                    .field_count = fake_field ? 1 : ARRAY_LEN(request_fields)},
        .head = BUF_INIT(1 << 20),
        .sent = BUF_INIT(1 << 20),
        .tail = BUF_INIT(1 << 20),
        .budget = 1000,
    };
    w->wasi = (struct wasi){.config = &w->config, .http_client = &w->client};
    w->call = (struct canon_call){
        .arena = &w->arena, .error = &w->error, .handles = &w->handles, .host = &w->wasi};
    fake_here = w;
    fake_parks = 0;
    fake_on_park = NULL;
    w->http = wasi_http_new(&w->exchange, on_gone, w);
    CHECK_INT(wasi_http_handle(&w->call, NULL, w->http), 0);
}

int world_finish(struct world *w, enum task_end end)
{
    return wasi_http_finish(w->http, end, &w->error, &w->outcome, &w->why);
}

void world_end(struct world *w)
{
    CHECK_INT(w->wasi.http_bytes, 0);
    CHECK_INT(w->wasi.http_requests, 0);
    arena_done(&w->arena);
    error_done(&w->error);
    error_done(&w->why);
    buf_done(&w->exchange.head);
    buf_done(&w->exchange.sent);
    buf_done(&w->exchange.tail);
}

void guest_drop_request(struct world *w)
{
    CHECK_INT(p2_http_types_incoming_request_drop(&w->call, w->request), 0);
}

struct p2_http_types_fields *guest_fields(struct world *w)
{
    struct p2_http_types_fields *fields = NULL;
    CHECK_INT(p2_http_types_fields_constructor(&w->call, &fields), 0);
    return fields;
}

void guest_append(struct world *w, struct p2_http_types_fields *fields, const char *name,
                  const char *value)
{
    struct p2_result_void_http_types_header_error ret = {0};
    CHECK_INT(p2_http_types_fields_append(&w->call, fields, str_from(name), str_from(value), &ret),
              0);
    CHECK(!ret.is_err);
}

struct p2_http_types_outgoing_response *guest_response(struct world *w,
                                                       struct p2_http_types_fields *fields)
{
    struct p2_http_types_outgoing_response *response = NULL;
    CHECK_INT(p2_http_types_outgoing_response_constructor(&w->call, fields, &response), 0);
    return response;
}

struct p2_http_types_outgoing_body *guest_body(struct world *w,
                                               struct p2_http_types_outgoing_response *response)
{
    struct p2_result_http_types_outgoing_body_void ret = {0}, again = {0};
    CHECK_INT(p2_http_types_outgoing_response_body(&w->call, response, &ret), 0);
    CHECK(!ret.is_err);
    CHECK_INT(p2_http_types_outgoing_response_body(&w->call, response, &again), 0);
    CHECK(again.is_err);
    return ret.ok;
}

struct p2_io_streams_output_stream *guest_stream(struct world *w,
                                                 struct p2_http_types_outgoing_body *body)
{
    struct p2_result_io_streams_output_stream_void ret = {0}, again = {0};
    CHECK_INT(p2_http_types_outgoing_body_write(&w->call, body, &ret), 0);
    CHECK(!ret.is_err);
    CHECK_INT(p2_http_types_outgoing_body_write(&w->call, body, &again), 0);
    CHECK(again.is_err);
    return ret.ok;
}

int guest_set(struct world *w, struct p2_http_types_outgoing_response *response)
{
    struct p2_result_http_types_outgoing_response_http_types_error_code result = {.ok = response};
    return p2_http_types_response_outparam_set(&w->call, w->outparam, result);
}

struct p2_result_void_io_streams_stream_error guest_put(struct world *w,
                                                        struct p2_io_streams_output_stream *stream,
                                                        const char *text)
{
    struct p2_result_void_io_streams_stream_error ret = {0};
    CHECK_INT(p2_io_streams_output_stream_blocking_write_and_flush(&w->call, stream, str_from(text),
                                                                   &ret),
              0);
    return ret;
}

void guest_drop_stream(struct world *w, struct p2_io_streams_output_stream *stream)
{
    CHECK_INT(p2_io_streams_output_stream_drop(&w->call, stream), 0);
}

struct p2_result_void_http_types_error_code guest_finish(struct world *w,
                                                         struct p2_http_types_outgoing_body *b)
{
    struct p2_result_void_http_types_error_code ret = {0};
    CHECK_INT(p2_http_types_outgoing_body_finish(&w->call, b,
                                                 (struct p2_option_http_types_fields){0}, &ret),
              0);
    return ret;
}

// Sets a response with `fields` and takes its body and stream.
struct p2_io_streams_output_stream *guest_answer(struct world *w,
                                                 struct p2_http_types_fields *fields,
                                                 struct p2_http_types_outgoing_body **body)
{
    struct p2_http_types_outgoing_response *response = guest_response(w, fields);
    *body = guest_body(w, response);
    CHECK_INT(guest_set(w, response), 0);
    return guest_stream(w, *body);
}

struct p2_io_streams_input_stream *guest_input(struct world *w,
                                               struct p2_http_types_incoming_body *body)
{
    struct p2_result_io_streams_input_stream_void ret = {0};
    CHECK_INT(p2_http_types_incoming_body_stream(&w->call, body, &ret), 0);
    CHECK(!ret.is_err);
    return ret.ok;
}

struct p2_result_bytes_io_streams_stream_error guest_take(struct world *w,
                                                          struct p2_io_streams_input_stream *stream,
                                                          uint64_t max)
{
    struct p2_result_bytes_io_streams_stream_error ret = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&w->call, stream, max, &ret), 0);
    return ret;
}

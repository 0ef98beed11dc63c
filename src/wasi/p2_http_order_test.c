// SPDX-License-Identifier: Apache-2.0
// wasi:http: no order of calls, of ends and of drops harms the host. Random guests run against a
// random world; the sanitizers judge.
#include <errno.h>

#include "testing/test.h"
#include "wasi/egress.h"
#include "wasi/p2_http_fake_test.h"

#define GUESTS       3000
#define STEPS_MAX    60
#define HANDLES_HELD 128

enum kind {
    REQUEST,
    OUTPARAM,
    FIELDS,
    IN_BODY,
    IN_STREAM,
    TRAILERS,
    POLLABLE,
    RESPONSE,
    OUT_BODY,
    OUT_STREAM,
    OUT_REQUEST,
    FUTURE,
    IN_RESPONSE,
    ERROR_,
};

struct held {
    enum kind kind;
    void *rep;
};

struct guest {
    struct world w;
    struct wasi_egress *egress;
    struct held held[HANDLES_HELD];
    size_t count;
    uint64_t seed;
    bool trapped, finished;
    char *memory; // what the request's slices point into; goes away with the exchange
    struct http_field field;
};

static unsigned roll(struct guest *g, unsigned sides)
{
    g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(g->seed >> 33) % sides;
}

static void hold(struct guest *g, enum kind kind, void *rep)
{
    CHECK(rep && g->count < HANDLES_HELD);
    g->held[g->count++] = (struct held){kind, rep};
}

static void *release(struct guest *g, size_t i)
{
    void *rep = g->held[i].rep;
    g->held[i] = g->held[--g->count];
    return rep;
}

// Any handle of the kind: its index, or -1.
static ssize_t pick(struct guest *g, enum kind kind)
{
    size_t start = g->count ? roll(g, (unsigned)g->count) : 0;
    for (size_t i = 0; i < g->count; i++)
        if (g->held[(start + i) % g->count].kind == kind)
            return (ssize_t)((start + i) % g->count);
    return -1;
}

static void *own(struct guest *g, enum kind kind)
{
    ssize_t i = pick(g, kind);
    return i < 0 ? NULL : release(g, (size_t)i);
}

static void *borrow(struct guest *g, enum kind kind)
{
    ssize_t i = pick(g, kind);
    return i < 0 ? NULL : g->held[i].rep;
}

typedef int (*drop_fn)(struct canon_call *call, void *rep);
#define DROP(resource)                                                                             \
    static int drop_##resource(struct canon_call *call, void *rep)                                 \
    {                                                                                              \
        return p2_##resource##_drop(call, rep);                                                    \
    }
DROP(http_types_incoming_request)
DROP(http_types_response_outparam)
DROP(http_types_fields)
DROP(http_types_incoming_body)
DROP(io_streams_input_stream)
DROP(http_types_future_trailers)
DROP(io_poll_pollable)
DROP(http_types_outgoing_response)
DROP(http_types_outgoing_body)
DROP(io_streams_output_stream)
DROP(http_types_outgoing_request)
DROP(http_types_future_incoming_response)
DROP(http_types_incoming_response)
DROP(io_error_error)

static const drop_fn drops[] = {
    [REQUEST] = drop_http_types_incoming_request,
    [OUTPARAM] = drop_http_types_response_outparam,
    [FIELDS] = drop_http_types_fields,
    [IN_BODY] = drop_http_types_incoming_body,
    [IN_STREAM] = drop_io_streams_input_stream,
    [TRAILERS] = drop_http_types_future_trailers,
    [POLLABLE] = drop_io_poll_pollable,
    [RESPONSE] = drop_http_types_outgoing_response,
    [OUT_BODY] = drop_http_types_outgoing_body,
    [OUT_STREAM] = drop_io_streams_output_stream,
    [OUT_REQUEST] = drop_http_types_outgoing_request,
    [FUTURE] = drop_http_types_future_incoming_response,
    [IN_RESPONSE] = drop_http_types_incoming_response,
    [ERROR_] = drop_io_error_error,
};

// ---- what guests do -----------------------------------------------------------------------------

static int do_drop(struct guest *g)
{
    if (!g->count)
        return 0;
    size_t i = roll(g, (unsigned)g->count);
    int rc = drops[g->held[i].kind](&g->w.call, g->held[i].rep);
    if (rc == 0)
        release(g, i);
    return rc;
}

static int do_fields(struct guest *g)
{
    struct p2_http_types_fields *fields = borrow(g, FIELDS), *made = NULL;
    struct p2_result_void_http_types_header_error ret = {0};
    int rc = fields && roll(g, 2) ? p2_http_types_fields_clone(&g->w.call, fields, &made)
                                  : p2_http_types_fields_constructor(&g->w.call, &made);
    if (rc < 0)
        return rc;
    hold(g, FIELDS, made);
    struct str value = roll(g, 3) ? STR("some value") : STR("4");
    struct str name = roll(g, 3) ? STR("x-a") : STR("content-length");
    return p2_http_types_fields_append(&g->w.call, fields ? fields : made, name, value, &ret);
}

static int do_headers(struct guest *g)
{
    struct p2_http_types_fields *made = NULL;
    void *rep;
    int rc = 0;
    if ((rep = borrow(g, REQUEST)) && roll(g, 2))
        rc = p2_http_types_incoming_request_headers(&g->w.call, rep, &made);
    else if ((rep = borrow(g, RESPONSE)) && roll(g, 2))
        rc = p2_http_types_outgoing_response_headers(&g->w.call, rep, &made);
    else if ((rep = borrow(g, IN_RESPONSE)))
        rc = p2_http_types_incoming_response_headers(&g->w.call, rep, &made);
    if (made)
        hold(g, FIELDS, made);
    return rc;
}

static int do_look(struct guest *g)
{
    struct p2_http_types_fields *fields = borrow(g, FIELDS);
    struct p2_http_types_incoming_request *request = borrow(g, REQUEST);
    struct p2_list_tuple_string_bytes entries = {0};
    struct p2_option_string path = {0};
    if (fields)
        CHECK_INT(p2_http_types_fields_entries(&g->w.call, fields, &entries), 0);
    size_t bytes = 0; // read them all
    for (size_t i = 0; i < entries.len; i++)
        bytes += str_hash(entries.data[i].f0) + str_hash(entries.data[i].f1);
    if (request)
        CHECK_INT(p2_http_types_incoming_request_path_with_query(&g->w.call, request, &path), 0);
    return bytes + str_hash(path.is_some ? path.some : STR_EMPTY) ? 0 : -EINVAL;
}

static int do_consume(struct guest *g)
{
    struct p2_result_http_types_incoming_body_void body = {0};
    struct p2_result_io_streams_input_stream_void stream = {0};
    void *rep;
    if ((rep = borrow(g, IN_BODY)) && roll(g, 2)) {
        CHECK_INT(p2_http_types_incoming_body_stream(&g->w.call, rep, &stream), 0);
        if (!stream.is_err)
            hold(g, IN_STREAM, stream.ok);
        return 0;
    }
    if ((rep = borrow(g, REQUEST)) && roll(g, 2))
        CHECK_INT(p2_http_types_incoming_request_consume(&g->w.call, rep, &body), 0);
    else if ((rep = borrow(g, IN_RESPONSE)))
        CHECK_INT(p2_http_types_incoming_response_consume(&g->w.call, rep, &body), 0);
    if (body.ok && !body.is_err)
        hold(g, IN_BODY, body.ok);
    return 0;
}

static int do_read(struct guest *g)
{
    struct p2_io_streams_input_stream *stream = borrow(g, IN_STREAM);
    struct p2_result_bytes_io_streams_stream_error ret = {0};
    int rc = stream ? p2_io_streams_input_stream_read(&g->w.call, stream, roll(g, 9), &ret) : 0;
    if (ret.is_err && ret.err.tag == P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED)
        hold(g, ERROR_, ret.err.last_operation_failed);
    return rc;
}

static int do_trailers(struct guest *g)
{
    struct p2_option_result_result_option_http_types_fields_http_types_error_code_void ret = {0};
    struct p2_http_types_future_trailers *future = borrow(g, TRAILERS);
    struct p2_http_types_incoming_body *body = future ? NULL : own(g, IN_BODY);
    if (body) {
        int rc = p2_http_types_incoming_body_finish(&g->w.call, body, &future);
        if (rc == 0)
            hold(g, TRAILERS, future);
        return rc;
    }
    if (!future)
        return 0;
    int rc = p2_http_types_future_trailers_get(&g->w.call, future, &ret);
    if (ret.is_some && !ret.some.is_err && !ret.some.ok.is_err && ret.some.ok.ok.is_some)
        hold(g, FIELDS, ret.some.ok.ok.some);
    return rc;
}

static int do_subscribe(struct guest *g)
{
    struct p2_io_poll_pollable *made = NULL;
    void *rep;
    bool ready;
    int rc = 0;
    if ((rep = borrow(g, OUT_STREAM)) && roll(g, 2))
        rc = p2_io_streams_output_stream_subscribe(&g->w.call, rep, &made);
    else if ((rep = borrow(g, IN_STREAM)) && roll(g, 2))
        rc = p2_io_streams_input_stream_subscribe(&g->w.call, rep, &made);
    else if ((rep = borrow(g, TRAILERS)) && roll(g, 2))
        rc = p2_http_types_future_trailers_subscribe(&g->w.call, rep, &made);
    else if ((rep = borrow(g, FUTURE)))
        rc = p2_http_types_future_incoming_response_subscribe(&g->w.call, rep, &made);
    if (made)
        hold(g, POLLABLE, made);
    if (rc == 0 && (rep = borrow(g, POLLABLE)))
        rc = p2_io_poll_pollable_ready(&g->w.call, rep, &ready);
    return rc;
}

static int do_message(struct guest *g)
{
    struct p2_http_types_fields *fields = own(g, FIELDS);
    struct p2_result_void_void ret = {0};
    if (!fields)
        return 0;
    if (roll(g, 2)) {
        struct p2_http_types_outgoing_response *response = NULL;
        int rc = p2_http_types_outgoing_response_constructor(&g->w.call, fields, &response);
        if (rc == 0)
            hold(g, RESPONSE, response);
        return rc;
    }
    struct p2_http_types_outgoing_request *request = NULL;
    int rc = p2_http_types_outgoing_request_constructor(&g->w.call, fields, &request);
    if (rc < 0)
        return rc;
    hold(g, OUT_REQUEST, request);
    struct p2_option_string authority = {true, roll(g, 5) ? STR("allowed.example") : STR("other")};
    return p2_http_types_outgoing_request_set_authority(&g->w.call, request, authority, &ret);
}

static int do_body(struct guest *g)
{
    struct p2_result_http_types_outgoing_body_void body = {0};
    struct p2_result_io_streams_output_stream_void stream = {0};
    void *rep;
    if ((rep = borrow(g, OUT_BODY)) && roll(g, 2)) {
        CHECK_INT(p2_http_types_outgoing_body_write(&g->w.call, rep, &stream), 0);
        if (!stream.is_err)
            hold(g, OUT_STREAM, stream.ok);
        return 0;
    }
    if ((rep = borrow(g, RESPONSE)) && roll(g, 2))
        CHECK_INT(p2_http_types_outgoing_response_body(&g->w.call, rep, &body), 0);
    else if ((rep = borrow(g, OUT_REQUEST)))
        CHECK_INT(p2_http_types_outgoing_request_body(&g->w.call, rep, &body), 0);
    if (body.ok && !body.is_err)
        hold(g, OUT_BODY, body.ok);
    return 0;
}

static int do_write(struct guest *g)
{
    struct p2_io_streams_output_stream *stream = borrow(g, OUT_STREAM);
    struct p2_result_u64_io_streams_stream_error room = {0};
    struct p2_result_void_io_streams_stream_error ret = {0};
    if (!stream)
        return 0;
    int rc = p2_io_streams_output_stream_check_write(&g->w.call, stream, &room);
    if (rc == 0 && !room.is_err)
        rc = p2_io_streams_output_stream_write(&g->w.call, stream,
                                               str_of("abc", MIN(room.ok, roll(g, 4))), &ret);
    if (ret.is_err && ret.err.tag == P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED)
        hold(g, ERROR_, ret.err.last_operation_failed);
    return rc;
}

static int do_finish_body(struct guest *g)
{
    struct p2_http_types_outgoing_body *body = own(g, OUT_BODY);
    struct p2_option_http_types_fields trailers = {0};
    struct p2_result_void_http_types_error_code ret = {0};
    if (!body)
        return 0;
    if (roll(g, 2) && (trailers.some = own(g, FIELDS)))
        trailers.is_some = true;
    return p2_http_types_outgoing_body_finish(&g->w.call, body, trailers, &ret);
}

static int do_set(struct guest *g)
{
    struct p2_result_http_types_outgoing_response_http_types_error_code result = {0};
    struct p2_http_types_response_outparam *outparam =
        borrow(g, RESPONSE) ? own(g, OUTPARAM) : NULL;
    if (!outparam)
        return 0;
    if (roll(g, 8))
        result.ok = own(g, RESPONSE);
    else
        result.is_err = true;
    return p2_http_types_response_outparam_set(&g->w.call, outparam, result);
}

static int do_fetch(struct guest *g)
{
    struct p2_result_http_types_future_incoming_response_http_types_error_code ret = {0};
    struct p2_http_types_outgoing_request *request = own(g, OUT_REQUEST);
    if (!request)
        return 0;
    int rc = p2_http_outgoing_handler_handle(
        &g->w.call, request, (struct p2_option_http_types_request_options){0}, &ret);
    if (rc == 0 && !ret.is_err)
        hold(g, FUTURE, ret.ok);
    return rc;
}

static int do_get(struct guest *g)
{
    struct p2_option_result_result_http_types_incoming_response_http_types_error_code_void ret = {
        0};
    struct p2_http_types_future_incoming_response *future = borrow(g, FUTURE);
    int rc = future ? p2_http_types_future_incoming_response_get(&g->w.call, future, &ret) : 0;
    if (ret.is_some && !ret.some.is_err && !ret.some.ok.is_err)
        hold(g, IN_RESPONSE, ret.some.ok.ok);
    return rc;
}

// ---- what the world does ------------------------------------------------------------------------

static void exchange_ends(struct guest *g)
{
    if (!g->memory)
        return;
    g->w.exchange.events->closed(g->w.exchange.user);
    CHECK(!g->w.exchange.user); // nobody listens any more
    free(TAKE(g->memory));
}

static int do_exchange(struct guest *g)
{
    struct http_exchange *exchange = &g->w.exchange;
    if (!g->memory)
        return 0;
    switch (roll(g, 6)) {
    case 0:
        exchange_ends(g);
        break;
    case 1:
        exchange->body_end = roll(g, 2) ? 0 : -EPROTO;
        exchange->events->readable(exchange->user);
        break;
    case 2:
        exchange->body = str_of(g->memory, 10);
        exchange->events->readable(exchange->user);
        break;
    default:
        exchange->budget = roll(g, 100);
        exchange->events->writable(exchange->user);
    }
    return 0;
}

static int do_client(struct guest *g)
{
    loop_turn(g->w.wasi.loop, false);
    struct http_client_request *request = fake_fetched;
    if (!request || request->failure != HTTP_FAILURE_NONE)
        return 0;
    const struct http_client_events *events = &request->options.events;
    if (request->answer[0].name.len) {
        request->body_end = roll(g, 2) ? 0 : -EAGAIN;
        events->readable(request->options.user);
        return 0;
    }
    if (roll(g, 3) == 0) {
        request->failure = HTTP_FAILURE_CONNECTION_REFUSED;
        events->failed(request->options.user);
        return 0;
    }
    request->answer[0] = (struct http_field){STR("x-answer"), STR("1")};
    request->answer[1] = request->answer[0];
    request->body = STR("answer");
    events->head(request->options.user);
    return 0;
}

static int do_end(struct guest *g)
{
    if (!g->finished && roll(g, 20) == 0) {
        g->finished = true;
        world_finish(&g->w, roll(g, 2) ? TASK_RETURNED : TASK_CANCELLED);
    }
    return 0;
}

static int (*const moves[])(struct guest *g) = {
    do_drop,     do_fields, do_headers, do_look,      do_consume,     do_read,  do_trailers,
    do_message,  do_body,   do_write,   do_set,       do_finish_body, do_fetch, do_get,
    do_exchange, do_client, do_end,     do_subscribe, do_message,     do_set,   do_write,
};

static void guest_begin(struct guest *g, uint64_t seed)
{
    static const struct str rule = STR_INIT("allowed.example");
    *g = (struct guest){.seed = seed};
    g->memory = mem_strdup("volatile request");
    g->field = (struct http_field){str_of(g->memory, 8), str_of(g->memory + 9, 7)};
    fake_field = &g->field;
    world_begin(&g->w, roll(g, 4) ? "GET" : "HEAD");
    fake_field = NULL;
    CHECK_INT(wasi_egress_new(&rule, 1, &g->egress, NULL), 0);
    CHECK_INT(loop_new_virtual(&g->w.wasi.loop, NULL), 0);
    g->w.config.egress = g->egress;
    g->w.exchange.body_end = -EAGAIN;
    fake_fetches_live = 0;
    hold(g, REQUEST, g->w.request);
    hold(g, OUTPARAM, g->w.outparam);
}

// The store's end: every handle goes, in any order.
static void guest_end(struct guest *g)
{
    if (!g->finished)
        world_finish(&g->w, g->trapped ? TASK_TRAPPED : TASK_RETURNED);
    exchange_ends(g);
    g->w.call.teardown = true;
    while (g->count) {
        size_t i = roll(g, (unsigned)g->count);
        struct held held = g->held[i];
        release(g, i);
        CHECK_INT(drops[held.kind](&g->w.call, held.rep), 0);
    }
    CHECK_INT(fake_fetches_live, 0);
    loop_free(g->w.wasi.loop);
    wasi_egress_free(g->egress);
    world_end(&g->w);
}

TEST(any_order_of_calls_ends_and_drops_is_safe)
{
    unsigned traps = 0, complete = 0;
    for (uint64_t seed = 1; seed <= GUESTS; seed++) {
        struct guest g;
        guest_begin(&g, seed * 7919);
        for (unsigned i = 0; i < STEPS_MAX && !g.trapped && g.count < HANDLES_HELD - 4; i++)
            g.trapped = moves[roll(&g, ARRAY_LEN(moves))](&g) < 0;
        traps += g.trapped;
        guest_end(&g);
        complete += g.w.outcome.complete;
    }
    CHECK(traps > GUESTS / 20); // both ends are reached
    CHECK(complete > GUESTS / 50);
}

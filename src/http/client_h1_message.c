// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "http/client_h1.h"

// ---- requests -----------------------------------------------------------------------------------

void h1_put_field(struct buf *out, const struct http_field *field)
{
    buf_put(out, field->name);
    buf_put(out, field->value.len ? STR(": ") : STR(":"));
    buf_put(out, field->value);
    buf_put(out, STR("\r\n"));
}

void h1_put_head(struct buf *out, const struct http_client_request *request)
{
    buf_put(out, request->method);
    buf_put(out, STR(" "));
    buf_put(out, request->target);
    buf_put(out, STR(" HTTP/1.1\r\n"));
    if (!http_field_find(request->sent.items, request->sent.len, STR("host")))
        h1_put_field(out, &(struct http_field){STR("Host"), request->authority});
    for (size_t i = 0; i < request->sent.len; i++)
        h1_put_field(out, &request->sent.items[i]);
    if (request->sends_body && request->upload_length < 0)
        buf_put(out, STR("Transfer-Encoding: chunked\r\n"));
    else if (request->sends_body)
        buf_putf(out, "Content-Length: %lld\r\n", (long long)request->upload_length);
    buf_put(out, STR("\r\n"));
}

// ---- the response's head ------------------------------------------------------------------------

static int malformed(struct http_client_request *request, const char *text)
{
    return response_refuse(request, HTTP_FAILURE_PROTOCOL, text);
}

// HTTP-version SP status-code [SP reason]; servers leave the second space out.
static int status_line(struct client_connection *connection, struct str line)
{
    struct http_client_request *request = connection->request;
    struct h1 *h1 = &connection->h1;
    uint64_t code;
    bool is_known = str_starts(line, STR("HTTP/1.1 ")) || str_starts(line, STR("HTTP/1.0 "));
    if (!is_known || str_to_u64(str_sub(line, 9, 3), 999, &code) < 0 || code < 100 ||
        line.len < 12 || (line.len > 12 && line.data[12] != ' '))
        return malformed(request, "malformed status line");
    h1->has_status = true;
    h1->version = line.data[7] == '1' ? 11 : 10;
    h1->length = -1;
    h1->has_coding = h1->says_close = h1->says_keep = false;
    response_begin(request, (unsigned)code);
    return 0;
}

static int note_length(struct client_connection *connection, struct str value)
{
    struct h1 *h1 = &connection->h1;
    uint64_t length;
    if (str_to_u64(value, INT64_MAX, &length) < 0 ||
        (h1->length >= 0 && h1->length != (int64_t)length))
        return malformed(connection->request, "invalid content-length in the response");
    h1->length = (int64_t)length;
    return 0;
}

static int note_coding(struct client_connection *connection, struct str value)
{
    // No other coding was offered (RFC 9112 section 7.4).
    if (!str_eq_nocase(value, STR("chunked")) || connection->h1.has_coding)
        return response_refuse(connection->request, HTTP_FAILURE_TRANSFER_CODING,
                               "the response has an unknown transfer coding");
    connection->h1.has_coding = true;
    return 0;
}

static void note_connection(struct h1 *h1, struct str value)
{
    struct str option, rest = value;
    while (rest.len > 0) {
        (void)str_cut(rest, ',', &option, &rest);
        option = str_trim(option);
        h1->says_close |= str_eq_nocase(option, STR("close"));
        h1->says_keep |= str_eq_nocase(option, STR("keep-alive"));
    }
}

// RFC 9112 section 5.2: a folded line goes on with the value above it.
static int folded_line(struct http_client_request *request, struct str line)
{
    field_vec *fields = request->head_done ? &request->trailers : &request->head;
    line = str_trim(line);
    if (fields->len == 0 || !http_value_valid(line))
        return malformed(request, "malformed field in the response");
    struct http_field *last = &fields->items[fields->len - 1];
    // What frames the message is not to be read twice.
    if (str_is(last->name, "content-length"))
        return malformed(request, "invalid content-length in the response");
    if (line.len > 0)
        last->value = arena_printf(&request->arena, "%.*s%s%.*s", STR_ARG(last->value),
                                   last->value.len ? " " : "", STR_ARG(line));
    return 0;
}

static int field_line(struct client_connection *connection, struct str line)
{
    struct http_client_request *request = connection->request;
    struct str name, value;
    int rc = 0;
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return folded_line(request, line);
    if (!str_cut(line, ':', &name, &value))
        return malformed(request, "malformed field name in the response");
    value = str_trim(value);
    if (!request->head_done) {
        if (str_eq_nocase(name, STR("content-length")))
            rc = note_length(connection, value);
        else if (str_eq_nocase(name, STR("transfer-encoding")))
            rc = note_coding(connection, value);
        else if (str_eq_nocase(name, STR("connection")))
            note_connection(&connection->h1, value);
    }
    return rc < 0 ? rc : response_field(request, name, value);
}

// The length does not count beside a coding, and must not be handed on (RFC 9112 section 6.3).
static void drop_length(struct http_client_request *request)
{
    size_t kept = 0;
    for (size_t i = 0; i < request->head.len; i++)
        if (!str_is(request->head.items[i].name, "content-length"))
            request->head.items[kept++] = request->head.items[i];
    request->head.len = kept;
}

static bool has_no_body(const struct http_client_request *request)
{
    return request->is_head || request->status == 204 || request->status == 304;
}

static void final_head(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    struct h1 *h1 = &connection->h1;
    h1->keep_alive = !h1->says_close && (h1->version == 11 || h1->says_keep) &&
                     !(h1->has_coding && (h1->length >= 0 || h1->version == 10));
    if (h1->await_continue) { // the server does not want the body
        h1->keep_alive = false;
        loop_timer_stop(&h1->continue_timer);
        request_break_upload(request);
    }
    if (has_no_body(request)) {
        h1->state = H1_DONE;
        response_head_end(request, 0);
    } else if (h1->has_coding) {
        drop_length(request);
        h1->state = H1_CHUNKED;
        response_head_end(request, -1);
    } else if (h1->length >= 0) {
        h1->left = (uint64_t)h1->length;
        h1->state = h1->left ? H1_LENGTH : H1_DONE;
        response_head_end(request, h1->length);
    } else {
        h1->keep_alive = false;
        h1->state = H1_UNTIL_CLOSE;
        response_head_end(request, -1);
    }
}

static int head_end(struct client_connection *connection)
{
    struct http_client_request *request = connection->request;
    struct h1 *h1 = &connection->h1;
    h1->has_status = false;
    // No upgrade was asked for (RFC 9110 section 15.2.2).
    if (request->status == 101)
        return malformed(request, "the server switched protocols unasked");
    if (request->status >= 200) {
        final_head(connection);
    } else if (request->status == 100 && h1->await_continue) {
        h1->await_continue = false;
        loop_timer_stop(&h1->continue_timer);
        request_notify(request, EVENT_FLOW);
    }
    return 0;
}

static int one_line(struct client_connection *connection, struct str line)
{
    struct http_client_request *request = connection->request;
    int rc = response_count_bytes(request, line.len);
    while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    if (rc < 0)
        return rc;
    if (connection->h1.state == H1_HEAD && !connection->h1.has_status)
        return status_line(connection, line);
    if (line.len > 0)
        return field_line(connection, line);
    if (connection->h1.state == H1_HEAD)
        return head_end(connection);
    connection->h1.state = H1_DONE;
    return 0;
}

// ---- input --------------------------------------------------------------------------------------

// What is no HTTP is not waited for to end its line.
static bool can_be_http(struct str data)
{
    struct str begin = STR("HTTP/1.");
    return memcmp(data.data, begin.data, MIN(data.len, begin.len)) == 0;
}

// Bytes taken, 0 when more are needed.
static ssize_t take_line(struct client_connection *connection, struct str data)
{
    struct http_client_request *request = connection->request;
    size_t from = MIN(connection->in_scanned, data.len);
    const char *end = memchr(data.data + from, '\n', data.len - from);
    int rc = 0;
    if (connection->h1.state == H1_HEAD && !connection->h1.has_status && !can_be_http(data))
        return malformed(request, "malformed status line");
    if (end) {
        size_t len = (size_t)(end - data.data) + 1;
        connection->in_scanned = 0;
        rc = one_line(connection, str_of(data.data, len));
        return rc < 0 ? rc : (ssize_t)len;
    }
    connection->in_scanned = data.len;
    if (data.len > HTTP_CLIENT_HEADER_BYTES_MAX)
        return response_count_bytes(request, data.len);
    return 0;
}

static ssize_t take_length(struct client_connection *connection, struct str data)
{
    struct h1 *h1 = &connection->h1;
    size_t len = (size_t)MIN(data.len, h1->left);
    int rc = response_body(connection->request, str_of(data.data, len));
    h1->left -= len;
    if (h1->left == 0)
        h1->state = H1_DONE;
    return rc < 0 ? rc : (ssize_t)len;
}

static ssize_t take_chunked(struct client_connection *connection, struct str data)
{
    struct http_chunked *chunked = &connection->h1.chunked;
    size_t skip = 0, piece = 0;
    if (http_chunked_next(chunked, data.data, data.len, &skip, &piece) < 0)
        return malformed(connection->request, http_fault_text(chunked->fault));
    if (piece > 0) {
        if (response_body(connection->request, str_of(data.data + skip, piece)) < 0)
            return -EPROTO;
        http_chunked_consume(chunked, piece);
    }
    if (chunked->state == HTTP_CHUNK_TRAILERS)
        connection->h1.state = H1_TRAILERS;
    return (ssize_t)(skip + piece);
}

static ssize_t take_some(struct client_connection *connection, struct str data)
{
    int rc;
    switch (connection->h1.state) {
    case H1_HEAD:
    case H1_TRAILERS:
        return take_line(connection, data);
    case H1_LENGTH:
        return take_length(connection, data);
    case H1_CHUNKED:
        return take_chunked(connection, data);
    case H1_UNTIL_CLOSE:
        rc = response_body(connection->request, data);
        return rc < 0 ? rc : (ssize_t)data.len;
    case H1_DONE: // nobody asked for it
        connection->h1.keep_alive = false;
        return (ssize_t)data.len;
    }
    return -EPROTO;
}

int h1_input(struct client_connection *connection, struct str data)
{
    struct buf *in = &connection->in;
    bool is_kept = in->len > 0;
    if (is_kept) {
        buf_put(in, data);
        data = buf_str(in);
    }
    while (data.len > 0) {
        ssize_t taken = take_some(connection, data);
        if (taken < 0)
            return (int)taken;
        if (taken == 0)
            break;
        data = str_from_index(data, (size_t)taken);
    }
    if (is_kept)
        buf_consume(in, in->len - data.len);
    else
        buf_put(in, data);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// The same bytes to our parser and to llhttp: what we take for a complete request must be the same
// request to llhttp, of the same length; what llhttp takes and we refuse must be listed here. The
// first byte is left to fuzz-http-request, with which this shares its inputs.
#include <llhttp.h>

#include "base/buf.h"
#include "http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Where we are stricter on purpose.
static const char *const stricter[HTTP_FAULT_COUNT] = {
    [HTTP_FAULT_NOT_HTTP] = "RTSP and ICE are not HTTP",
    [HTTP_FAULT_REQUEST_LINE] = "RTSP and ICE are not HTTP, HTTP/0.9 has no version",
    [HTTP_FAULT_REQUEST_LINE_SIZE] = "llhttp has no limits",
    [HTTP_FAULT_VERSION] = "llhttp knows 0.9 and 2.0",
    [HTTP_FAULT_TARGET] = "fragments, user information, * with other methods, any scheme",
    [HTTP_FAULT_METHOD_UNSUPPORTED] = "CONNECT",
    [HTTP_FAULT_HEAD_SIZE] = "llhttp has no limits",
    [HTTP_FAULT_FIELDS_COUNT] = "llhttp has no limits",
    [HTTP_FAULT_HOST_MISSING] = "llhttp leaves Host to its user",
    [HTTP_FAULT_HOST] = "llhttp leaves Host to its user",
    [HTTP_FAULT_CODING_UNSUPPORTED] = "only chunked is implemented",
    [HTTP_FAULT_TRANSFER_ENCODING] = "llhttp takes odd lists that end in chunked",
    [HTTP_FAULT_FRAMING] = "llhttp takes Transfer-Encoding in HTTP/1.0",
    [HTTP_FAULT_EXPECT] = "llhttp leaves Expect to its user",
};

static const struct http_parser_limits limits = {4096, 4096, 32};

struct peer {
    llhttp_t parser; // first: the callbacks get it
    struct buf method, url, body, names, values;
    unsigned complete;
    unsigned major; // version of the first complete message
};

#define ON_DATA(member)                                                                            \
    static int on_##member(llhttp_t *parser, const char *at, size_t len)                           \
    {                                                                                              \
        struct peer *peer = (struct peer *)parser;                                                 \
        return peer->complete ? 0 : buf_add(&peer->member, at, len);                               \
    }
ON_DATA(method)
ON_DATA(url)
ON_DATA(body)
ON_DATA(names)
ON_DATA(values)

static int on_name_end(llhttp_t *parser)
{
    return buf_add_char(&((struct peer *)parser)->names, '\n');
}

static int on_value_end(llhttp_t *parser)
{
    return buf_add_char(&((struct peer *)parser)->values, '\n');
}

static int on_complete(llhttp_t *parser)
{
    struct peer *peer = (struct peer *)parser;
    if (peer->complete++ == 0)
        peer->major = parser->http_major;
    return 0;
}

static llhttp_errno_t ask_peer(struct peer *peer, const char *data, size_t len)
{
    static const llhttp_settings_t settings = {
        .on_method = on_method,
        .on_url = on_url,
        .on_header_field = on_names,
        .on_header_value = on_values,
        .on_header_field_complete = on_name_end,
        .on_header_value_complete = on_value_end,
        .on_body = on_body,
        .on_message_complete = on_complete,
    };
    *peer = (struct peer){.method = BUF_INIT(len),
                          .url = BUF_INIT(len),
                          .body = BUF_INIT(len),
                          .names = BUF_INIT(2 * len + 64),
                          .values = BUF_INIT(2 * len + 64)};
    llhttp_init(&peer->parser, HTTP_REQUEST, &settings);
    return llhttp_execute(&peer->parser, data, len);
}

static void peer_done(struct peer *peer)
{
    buf_done(&peer->method);
    buf_done(&peer->url);
    buf_done(&peer->body);
    buf_done(&peer->names);
    buf_done(&peer->values);
}

struct ours {
    struct http_parser parser;
    struct http_field fields[32];
    struct buf body;
    enum http_fault fault;
    size_t len; // of the complete request; 0: incomplete or refused
};

static void read_chunked(struct ours *ours, char *text, size_t at, size_t len)
{
    struct http_chunked decoder = {0};
    struct http_parser trailers;
    struct http_field fields[32];
    while (decoder.state != HTTP_CHUNK_TRAILERS) {
        size_t skip, piece;
        if (http_chunked_next(&decoder, text + at, len - at, &skip, &piece) < 0) {
            ours->fault = decoder.fault;
            return;
        }
        buf_put(&ours->body, str_of(text + at + skip, piece));
        if (piece)
            http_chunked_consume(&decoder, piece);
        at += skip + piece;
        if (skip + piece == 0)
            return;
    }
    http_parser_init_trailers(&trailers, &limits, fields, 0);
    ssize_t rc = http_parser_run(&trailers, text + at, len - at);
    ours->fault = trailers.fault;
    ours->len = rc > 0 ? at + (size_t)rc : 0;
}

static void ask_ourselves(struct ours *ours, char *text, size_t len)
{
    http_parser_init(&ours->parser, &limits, ours->fields);
    ssize_t rc = http_parser_run(&ours->parser, text, len);
    ours->fault = ours->parser.fault;
    if (rc <= 0)
        return;
    size_t body = (size_t)rc;
    if (ours->parser.head.chunked) {
        read_chunked(ours, text, body, len);
    } else if ((uint64_t)ours->parser.head.content_length <= len - body) {
        ours->len = body + (size_t)ours->parser.head.content_length;
        buf_put(&ours->body, str_of(text + body, ours->len - body));
    }
}

_noreturn_ static void differ(const char *what, const struct ours *ours)
{
    fprintf(stderr, "our parser and llhttp differ: %s (%s)\n", what, http_fault_text(ours->fault));
    abort();
}

// Every field of ours is one of llhttp's, in order; those that belong to the connection are not
// ours.
static void compare_fields(const struct ours *ours, const struct peer *peer)
{
    struct str names = buf_str(&peer->names), values = buf_str(&peer->values), name, value;
    for (uint32_t i = 0; i < ours->parser.field_count; i++) {
        const struct http_field *field = &ours->fields[i];
        do {
            if (names.len == 0)
                differ("a field", ours);
            str_cut(names, '\n', &name, &names);
            str_cut(values, '\n', &value, &values);
        } while (http_name_is_hop_by_hop(name));
        if (!str_eq_nocase(name, field->name) || !str_eq(str_trim(value), str_trim(field->value)))
            differ("a field", ours);
    }
}

static void compare_accepted(const struct ours *ours, const char *data)
{
    struct peer peer;
    llhttp_errno_t code = ask_peer(&peer, data, ours->len);
    // llhttp knows a list of methods, reads no body after an upgrade, and judges framing fields in
    // trailers, which we leave out.
    bool other = (code != HPE_OK && peer.parser.flags & F_TRAILING) || code == HPE_INVALID_METHOD ||
                 code == HPE_PAUSED_UPGRADE || code == HPE_PAUSED_H2_UPGRADE ||
                 code == HPE_INVALID_CONSTANT;
    if (!other) {
        if (code != HPE_OK)
            differ(llhttp_get_error_reason(&peer.parser), ours);
        if (peer.complete != 1)
            differ("where the request ends", ours);
        if (!str_eq(buf_str(&peer.method), ours->parser.head.method))
            differ("method", ours);
        if (!str_eq(buf_str(&peer.url), ours->parser.raw_target))
            differ("target", ours);
        if (!str_eq(buf_str(&peer.body), buf_str(&ours->body)))
            differ("body", ours);
        compare_fields(ours, &peer);
    }
    peer_done(&peer);
}

static void compare_refused(const struct ours *ours, const char *data, size_t len)
{
    struct peer peer;
    llhttp_errno_t code = ask_peer(&peer, data, len);
    // A request line that ends behind the target is HTTP/0.9 to llhttp, and any CR or LF may come
    // before it.
    bool old = peer.major == 0 || data[0] == '\r' || data[0] == '\n';
    if (code == HPE_OK && peer.complete > 0 && !old && !stricter[ours->fault])
        differ("only we refuse", ours);
    peer_done(&peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t len = size - 1;
    char *text = mem_dup(data + 1, len), *pristine = mem_dup(data + 1, len);
    struct ours ours = {.body = BUF_INIT(size)};
    ask_ourselves(&ours, text, len);
    // The parser changes targets without a path in place.
    if (ours.len > 0) {
        http_parser_moved(&ours.parser, text, pristine);
        compare_accepted(&ours, pristine);
    } else if (ours.fault) {
        compare_refused(&ours, pristine, len);
    }
    buf_done(&ours.body);
    free(text);
    free(pristine);
    return 0;
}

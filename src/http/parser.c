// SPDX-License-Identifier: Apache-2.0
#include "http/parser.h"

#include <errno.h>

#include "http/chars.h"

static const struct {
    unsigned status;
    const char *text;
} faults[] = {
    [HTTP_FAULT_NONE] = {200, "no fault"},
    [HTTP_FAULT_NOT_HTTP] = {400, "another protocol"},
    [HTTP_FAULT_REQUEST_LINE] = {400, "malformed request line"},
    [HTTP_FAULT_REQUEST_LINE_SIZE] = {414, "request line too long"},
    [HTTP_FAULT_VERSION] = {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
    [HTTP_FAULT_TARGET] = {400, "malformed request target"},
    [HTTP_FAULT_METHOD_UNSUPPORTED] = {501, "CONNECT is not supported"},
    [HTTP_FAULT_HEAD_SIZE] = {431, "header fields too large"},
    [HTTP_FAULT_FIELDS_COUNT] = {431, "too many header fields"},
    [HTTP_FAULT_LINE_END] = {400, "a line does not end with CRLF"},
    [HTTP_FAULT_FOLDED] = {400, "folded header field"},
    [HTTP_FAULT_FIELD_NAME] = {400, "malformed header field name"},
    [HTTP_FAULT_FIELD_VALUE] = {400, "control character in a header field value"},
    [HTTP_FAULT_HOST_MISSING] = {400, "Host is missing"},
    [HTTP_FAULT_HOST] = {400, "malformed or repeated Host"},
    [HTTP_FAULT_CONTENT_LENGTH] = {400, "malformed or repeated Content-Length"},
    [HTTP_FAULT_TRANSFER_ENCODING] = {400, "Transfer-Encoding does not end with one chunked"},
    [HTTP_FAULT_CODING_UNSUPPORTED] = {501, "transfer coding other than chunked"},
    [HTTP_FAULT_FRAMING] = {400, "Transfer-Encoding with Content-Length or in HTTP/1.0"},
    [HTTP_FAULT_EXPECT] = {417, "expectation other than 100-continue"},
    [HTTP_FAULT_CHUNK_SIZE] = {400, "malformed chunk size"},
    [HTTP_FAULT_CHUNK_EXTENSION] = {400, "malformed or too long chunk extension"},
    [HTTP_FAULT_CHUNK_END] = {400, "chunk data is not followed by CRLF"},
};
_Static_assert(ARRAY_LEN(faults) == HTTP_FAULT_COUNT, "every fault has a status and a text");

unsigned http_fault_status(enum http_fault fault)
{
    return faults[fault].status;
}

const char *http_fault_text(enum http_fault fault)
{
    return faults[fault].text;
}

// ---- fields that the connection understands -----------------------------------------------------

enum known_field {
    FIELD_ORDINARY,
    FIELD_DROPPED, // hop by hop
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_EXPECT,
};

static bool same(const char *name, const char *literal, size_t len)
{
    return memcmp(name, literal, len) == 0;
}

static enum known_field known_field(const char *name, size_t len)
{
    switch (len) {
    case 2:
        return same(name, "te", 2) ? FIELD_DROPPED : FIELD_ORDINARY;
    case 4:
        return same(name, "host", 4) ? FIELD_HOST : FIELD_ORDINARY;
    case 6:
        return same(name, "expect", 6) ? FIELD_EXPECT : FIELD_ORDINARY;
    case 7:
        return same(name, "upgrade", 7) ? FIELD_DROPPED : FIELD_ORDINARY;
    case 10:
        if (same(name, "connection", 10))
            return FIELD_CONNECTION;
        return same(name, "keep-alive", 10) ? FIELD_DROPPED : FIELD_ORDINARY;
    case 14:
        return same(name, "content-length", 14) ? FIELD_CONTENT_LENGTH : FIELD_ORDINARY;
    case 16:
        return same(name, "proxy-connection", 16) ? FIELD_DROPPED : FIELD_ORDINARY;
    case 17:
        return same(name, "transfer-encoding", 17) ? FIELD_TRANSFER_ENCODING : FIELD_ORDINARY;
    default:
        return FIELD_ORDINARY;
    }
}

// What may not come in trailers: framing, routing, authentication, request modifiers, content
// format (RFC 9110 section 6.5.1).
bool http_forbidden_in_trailers(struct str name)
{
    static const struct str names[] = {
        STR_INIT("age"),
        STR_INIT("authorization"),
        STR_INIT("cache-control"),
        STR_INIT("connection"),
        STR_INIT("content-encoding"),
        STR_INIT("content-length"),
        STR_INIT("content-range"),
        STR_INIT("content-type"),
        STR_INIT("cookie"),
        STR_INIT("date"),
        STR_INIT("expect"),
        STR_INIT("expires"),
        STR_INIT("host"),
        STR_INIT("keep-alive"),
        STR_INIT("location"),
        STR_INIT("max-forwards"),
        STR_INIT("pragma"),
        STR_INIT("proxy-authenticate"),
        STR_INIT("proxy-authorization"),
        STR_INIT("proxy-connection"),
        STR_INIT("range"),
        STR_INIT("retry-after"),
        STR_INIT("set-cookie"),
        STR_INIT("te"),
        STR_INIT("trailer"),
        STR_INIT("transfer-encoding"),
        STR_INIT("upgrade"),
        STR_INIT("vary"),
        STR_INIT("warning"),
        STR_INIT("www-authenticate"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static struct str trim_blanks(const char *begin, const char *end)
{
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (begin < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return str_of(begin, (size_t)(end - begin));
}

static void take_connection(struct http_head *head, struct str value)
{
    for (struct str option, rest = value; rest.len > 0;) {
        str_cut(rest, ',', &option, &rest);
        option = trim_blanks(option.data, option.data + option.len);
        if (str_eq_nocase(option, STR("close")))
            head->close = true;
        else if (str_eq_nocase(option, STR("keep-alive")))
            head->keep_alive = true;
    }
}

// White space that the grammar allows around a value (RFC 9112 section 5), but not every server
// knows as such: what frames a message must not depend on it.
static bool is_between_tabs(struct str value)
{
    const char *before = value.data - 1, *behind = value.data + value.len;
    while (*before == ' ')
        before--;
    while (*behind == ' ')
        behind++;
    return *before == '\t' || *behind == '\t';
}

static enum http_fault take_content_length(struct http_head *head, struct str value)
{
    uint64_t length;
    // A list or a repetition of the same number may be accepted (RFC 9112 section 6.3), but
    // nobody honest sends one and somebody in front may read it otherwise.
    if (head->has_content_length || is_between_tabs(value) ||
        str_to_u64(value, INT64_MAX, &length) < 0)
        return HTTP_FAULT_CONTENT_LENGTH;
    head->has_content_length = true;
    head->content_length = (int64_t)length;
    return HTTP_FAULT_NONE;
}

static enum http_fault take_transfer_encoding(struct http_parser *parser, struct str value)
{
    // More than one field line would be a list in which chunked is not the only coding.
    if (parser->has_transfer_encoding || is_between_tabs(value))
        return HTTP_FAULT_TRANSFER_ENCODING;
    parser->has_transfer_encoding = true;
    if (str_eq_nocase(value, STR("chunked"))) {
        parser->head.chunked = true;
        return HTTP_FAULT_NONE;
    }
    ssize_t comma = str_rfind_char(value, ',');
    if (comma < 0)
        return HTTP_FAULT_TRANSFER_ENCODING;
    struct str last = str_from_index(value, (size_t)comma + 1);
    last = trim_blanks(last.data, last.data + last.len);
    if (!str_eq_nocase(last, STR("chunked")))
        return HTTP_FAULT_TRANSFER_ENCODING;
    for (struct str coding, rest = str_sub(value, 0, (size_t)comma); rest.len > 0;) {
        str_cut(rest, ',', &coding, &rest);
        coding = trim_blanks(coding.data, coding.data + coding.len);
        if (coding.len == 0 || str_eq_nocase(coding, STR("chunked")))
            return HTTP_FAULT_TRANSFER_ENCODING;
    }
    return HTTP_FAULT_CODING_UNSUPPORTED;
}

static enum http_fault take_host(struct http_parser *parser, struct str value)
{
    if (parser->has_host || !http_authority_valid(value))
        return HTTP_FAULT_HOST;
    parser->has_host = true;
    parser->host = value;
    return HTTP_FAULT_NONE;
}

static enum http_fault store_field(struct http_parser *parser, struct str name, struct str value)
{
    if (parser->field_count == parser->limits->fields_max)
        return HTTP_FAULT_FIELDS_COUNT;
    parser->fields[parser->field_count++] = (struct http_field){name, value};
    return HTTP_FAULT_NONE;
}

static enum http_fault take_field(struct http_parser *parser, struct str name, struct str value)
{
    enum http_fault fault = HTTP_FAULT_NONE;
    switch (known_field(name.data, name.len)) {
    case FIELD_ORDINARY:
        break;
    case FIELD_DROPPED:
        return HTTP_FAULT_NONE;
    case FIELD_CONNECTION:
        take_connection(&parser->head, value);
        return HTTP_FAULT_NONE;
    case FIELD_TRANSFER_ENCODING:
        return take_transfer_encoding(parser, value);
    case FIELD_HOST:
        fault = take_host(parser, value);
        break;
    case FIELD_CONTENT_LENGTH:
        fault = take_content_length(&parser->head, value);
        break;
    case FIELD_EXPECT:
        if (str_eq_nocase(value, STR("100-continue")))
            parser->head.expect_continue = true;
        else
            fault = HTTP_FAULT_EXPECT;
        break;
    }
    return fault ? fault : store_field(parser, name, value);
}

// ---- lines --------------------------------------------------------------------------------------

// RFC 9112 section 5. `end` is the CR.
static enum http_fault field_line(struct http_parser *parser, char *line, const char *end)
{
    if (*line == ' ' || *line == '\t')
        return HTTP_FAULT_FOLDED;
    char *at = line;
    for (unsigned char lower; (lower = http_token_lower[(unsigned char)*at]) != 0; at++)
        *at = (char)lower;
    if (at == line || *at != ':')
        return HTTP_FAULT_FIELD_NAME;
    struct str name = str_of(line, (size_t)(at - line));
    struct str value = trim_blanks(at + 1, end);
    if (!http_text_valid(value.data, value.len))
        return HTTP_FAULT_FIELD_VALUE;
    if (parser->state == HTTP_PARSER_FIELDS)
        return take_field(parser, name, value);
    // To be ignored there; who sends it hopes for somebody who does not.
    enum known_field known = known_field(name.data, name.len);
    if (known == FIELD_CONTENT_LENGTH || known == FIELD_TRANSFER_ENCODING)
        return HTTP_FAULT_FRAMING;
    return http_forbidden_in_trailers(name) ? HTTP_FAULT_NONE : store_field(parser, name, value);
}

static bool names_http(struct str words)
{
    return str_find(words, STR("HTTP")) >= 0 || str_find(words, STR("http")) >= 0;
}

// RFC 9112 section 2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT.
static enum http_fault version(struct http_parser *parser, const char *at, const char *end)
{
    if (end - at != 8 || memcmp(at, "HTTP/", 5) != 0 || !ascii_is_digit(at[5]) || at[6] != '.' ||
        !ascii_is_digit(at[7]))
        return names_http(str_of(at, (size_t)(end - at))) ? HTTP_FAULT_REQUEST_LINE
                                                          : HTTP_FAULT_NOT_HTTP;
    if (at[5] != '1' || (at[7] != '0' && at[7] != '1'))
        return HTTP_FAULT_VERSION;
    parser->head.version_minor = (uint8_t)(at[7] - '0');
    return HTTP_FAULT_NONE;
}

// RFC 9112 section 3: single spaces, nothing else between the three parts. `end` is the CR.
static enum http_fault request_line(struct http_parser *parser, const char *line, const char *end)
{
    const char *at = line;
    while (http_token_lower[(unsigned char)*at])
        at++;
    if (at == line || *at != ' ')
        return HTTP_FAULT_REQUEST_LINE;
    parser->head.method = str_of(line, (size_t)(at - line));
    const char *target = ++at;
    while (*at > ' ' && *at < 0x7f)
        at++;
    if (at == target || *at != ' ')
        return *at == '\r' && at == end ? HTTP_FAULT_REQUEST_LINE : HTTP_FAULT_TARGET;
    parser->raw_target = str_of(target, (size_t)(at - target));
    return version(parser, at + 1, end);
}

// The section is complete: what the parts mean together.
static enum http_fault conclude(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    enum http_fault fault = http_parser_take_target(parser);
    if (fault)
        return fault;
    if (head->version_minor > 0 && !parser->has_host)
        return HTTP_FAULT_HOST_MISSING;
    // RFC 9112 section 6.1: such a message is an attempt to smuggle or an error.
    if (parser->has_transfer_encoding && (head->has_content_length || head->version_minor == 0))
        return HTTP_FAULT_FRAMING;
    if (head->chunked)
        head->content_length = -1;
    if (head->version_minor == 0)
        head->expect_continue = false;
    return HTTP_FAULT_NONE;
}

// ---- sections -----------------------------------------------------------------------------------

void http_parser_init(struct http_parser *parser, const struct http_parser_limits *limits,
                      struct http_field *fields)
{
    *parser = (struct http_parser){.limits = limits, .fields = fields};
}

void http_parser_init_trailers(struct http_parser *parser, const struct http_parser_limits *limits,
                               struct http_field *fields, uint32_t field_count)
{
    *parser = (struct http_parser){.limits = limits,
                                   .fields = fields,
                                   .first_field = field_count,
                                   .field_count = field_count,
                                   .state = HTTP_PARSER_TRAILERS};
}

static ssize_t fail(struct http_parser *parser, enum http_fault fault)
{
    parser->fault = fault;
    return -EPROTO;
}

// What can be told of the current line, which reaches to `end` so far, before its end is there. A
// client that speaks another protocol gets its answer at once.
static enum http_fault check_start(const struct http_parser *parser, const char *data, size_t end)
{
    if (parser->state == HTTP_PARSER_LINE && end > parser->line) {
        unsigned char first = (unsigned char)data[parser->line];
        if (!http_token_lower[first] && first != '\r' && first != '\n')
            return HTTP_FAULT_REQUEST_LINE;
        if (end - parser->line > parser->limits->request_line_bytes_max)
            return HTTP_FAULT_REQUEST_LINE_SIZE;
    }
    return end > parser->limits->head_bytes_max ? HTTP_FAULT_HEAD_SIZE : HTTP_FAULT_NONE;
}

static ssize_t unfinished(struct http_parser *parser, const char *data, size_t len)
{
    parser->scanned = (uint32_t)len;
    enum http_fault fault = check_start(parser, data, len);
    return fault ? fail(parser, fault) : 0;
}

static enum http_fault take_line(struct http_parser *parser, char *line, const char *end)
{
    if (parser->state != HTTP_PARSER_LINE)
        return field_line(parser, line, end);
    // RFC 9112 section 2.2: empty lines before the request line are ignored.
    if (line == end)
        return HTTP_FAULT_NONE;
    enum http_fault fault = request_line(parser, line, end);
    parser->state = HTTP_PARSER_FIELDS;
    return fault;
}

ssize_t http_parser_run(struct http_parser *parser, char *data, size_t len)
{
    len = MIN(len, (size_t)UINT32_MAX);
    for (;;) {
        char *line = data + parser->line;
        const char *lf = memchr(data + parser->scanned, '\n', len - parser->scanned);
        if (!lf)
            return unfinished(parser, data, len);
        uint32_t next = (uint32_t)(lf + 1 - data);
        enum http_fault fault = check_start(parser, data, next);
        if (fault)
            return fail(parser, fault);
        if (lf == line || lf[-1] != '\r')
            return fail(parser, HTTP_FAULT_LINE_END);
        bool complete = lf - 1 == line && parser->state != HTTP_PARSER_LINE;
        if (complete)
            fault = parser->state == HTTP_PARSER_FIELDS ? conclude(parser) : HTTP_FAULT_NONE;
        else
            fault = take_line(parser, line, lf - 1);
        if (fault)
            return fail(parser, fault);
        parser->line = parser->scanned = next;
        if (complete)
            return (ssize_t)next;
    }
}

static void move(struct str *s, const char *from, const char *to)
{
    if (s->len > 0)
        s->data = to + (s->data - from);
}

void http_parser_moved(struct http_parser *parser, const char *from, const char *to)
{
    for (uint32_t i = parser->first_field; i < parser->field_count; i++) {
        move(&parser->fields[i].name, from, to);
        move(&parser->fields[i].value, from, to);
    }
    move(&parser->head.method, from, to);
    move(&parser->raw_target, from, to);
    move(&parser->host, from, to);
}

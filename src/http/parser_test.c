// SPDX-License-Identifier: Apache-2.0
// Verdicts of the parser and the chunked decoder; each input is fed at once and in two parts at
// every place.
#include <errno.h>

#include "base/buf.h"
#include "http/chunked.h"
#include "http/encoder.h"
#include "testing/test.h"

static const struct http_parser_limits limits = {200, 600, 8};

struct verdict {
    ssize_t rc;
    enum http_fault fault;
    char text[2048]; // what was read, for comparison
};

static void describe(struct verdict *verdict, const struct http_parser *parser)
{
    const struct http_head *head = &parser->head;
    int len =
        snprintf(verdict->text, sizeof(verdict->text), "%.*s|%.*s|%.*s|%.*s|%d|%lld%s%s%s%s",
                 STR_ARG(head->method), STR_ARG(head->scheme), STR_ARG(head->authority),
                 STR_ARG(head->target), head->version_minor, (long long)head->content_length,
                 head->chunked ? "|chunked" : "", head->close ? "|close" : "",
                 head->keep_alive ? "|keep-alive" : "", head->expect_continue ? "|continue" : "");
    for (uint32_t i = 0; i < parser->field_count; i++)
        len += snprintf(verdict->text + len, sizeof(verdict->text) - (size_t)len, "|%.*s=%.*s",
                        STR_ARG(parser->fields[i].name), STR_ARG(parser->fields[i].value));
}

// Shows the first `cut` bytes, then all of them in another place.
static struct verdict parse(struct str input, size_t cut)
{
    struct http_field fields[8];
    struct http_parser parser;
    struct verdict verdict = {0};
    _cleanup_(mem_freep) char *first = mem_dup(input.data, cut);
    _cleanup_(mem_freep) char *all = NULL;
    http_parser_init(&parser, &limits, fields);
    verdict.rc = http_parser_run(&parser, first, cut);
    if (verdict.rc == 0 && cut < input.len) {
        all = mem_dup(input.data, input.len);
        memcpy(all, first, cut);
        http_parser_moved(&parser, first, all);
        verdict.rc = http_parser_run(&parser, all, input.len);
    }
    verdict.fault = parser.fault;
    if (verdict.rc > 0)
        describe(&verdict, &parser);
    return verdict;
}

static struct verdict parse_every_cut(struct str input)
{
    struct verdict whole = parse(input, input.len);
    for (size_t cut = 0; cut < input.len; cut++) {
        struct verdict parts = parse(input, cut);
        if (parts.rc != whole.rc || parts.fault != whole.fault ||
            strcmp(parts.text, whole.text) != 0)
            test_fail(__FILE__, __LINE__, "\"%.*s\" cut at %zu: %zd %s %s, not %zd %s %s",
                      STR_ARG(input), cut, parts.rc, http_fault_text(parts.fault), parts.text,
                      whole.rc, http_fault_text(whole.fault), whole.text);
    }
    return whole;
}

#define H "Host: h\r\n"

TEST(parser_accepts)
{
    static const struct {
        struct str input;
        const char *want;
    } cases[] = {
        {STR_INIT("GET / HTTP/1.1\r\n" H "\r\n"), "GET||h|/|1|0|host=h"},
        {STR_INIT("GET / HTTP/1.0\r\n\r\n"), "GET|||/|0|0"},
        {STR_INIT("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), "GET||h|/|1|0|host=h"},
        {STR_INIT("get!# /a%zz?b=c&d;{|}\"<> HTTP/1.1\r\nHOST:h:80\r\n\r\n"),
         "get!#||h:80|/a%zz?b=c&d;{|}\"<>|1|0|host=h:80"},
        {STR_INIT("GET / HTTP/1.1\r\nhost:\t [::1]:8 \t\r\n\r\n"),
         "GET||[::1]:8|/|1|0|host=[::1]:8"},
        {STR_INIT("GET / HTTP/1.1\r\n" H "X-A: a\tb\xc3\xa4  c\r\nX-E:\r\nx-e:  \r\n\r\n"),
         "GET||h|/|1|0|host=h|x-a=a\tb\xc3\xa4  c|x-e=|x-e="},
        {STR_INIT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "OPTIONS||h|*|1|0|host=h"},
        {STR_INIT("OPTIONS http://a HTTP/1.1\r\n" H "\r\n"), "OPTIONS|http|a|*|1|0|host=h"},
        {STR_INIT("GET HTTP://a.b:1 HTTP/1.1\r\n" H "\r\n"), "GET|http|a.b:1|/|1|0|host=h"},
        {STR_INIT("GET https://a?b HTTP/1.1\r\n" H "\r\n"), "GET|https|a|/?b|1|0|host=h"},
        {STR_INIT("GET http://a/b?c/d HTTP/1.1\r\n" H "\r\n"), "GET|http|a|/b?c/d|1|0|host=h"},
        {STR_INIT("GET //a HTTP/1.1\r\n" H "\r\n"), "GET||h|//a|1|0|host=h"},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 0012\r\n\r\n"),
         "POST||h|/|1|12|host=h|content-length=0012"},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: CHUNKED\r\n\r\n"),
         "POST||h|/|1|-1|chunked|host=h"},
        {STR_INIT("GET / HTTP/1.1\r\n" H "Connection: x, close ,\r\nKeep-Alive: 1\r\nTE: "
                  "trailers\r\nUpgrade: h2c\r\nProxy-Connection: a\r\n\r\n"),
         "GET||h|/|1|0|close|host=h"},
        {STR_INIT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: 100-continue\r\n\r\n"),
         "GET|||/|0|0|keep-alive|expect=100-continue"},
        {STR_INIT("PUT / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
         "PUT||h|/|1|1|continue|host=h|expect=100-Continue|content-length=1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct verdict got = parse_every_cut(cases[i].input);
        CHECK_TEXT(http_fault_text(got.fault), "no fault");
        CHECK_TEXT(got.text, cases[i].want);
        CHECK_INT(got.rc, cases[i].input.len);
    }
}

TEST(parser_leaves_what_follows_the_head)
{
    struct str input = STR("GET / HTTP/1.1\r\n" H "\r\nGET");
    CHECK_INT(parse_every_cut(input).rc, input.len - 3);
}

TEST(parser_waits_for_more)
{
    struct str input = STR("GET / HTTP/1.1\r\n" H "a: b\r\n\r\n");
    for (size_t len = 0; len < input.len; len++)
        CHECK_INT(parse(str_sub(input, 0, len), len).rc, 0);
}

TEST(parser_refuses)
{
    static const struct {
        struct str input;
        enum http_fault fault;
    } cases[] = {
        // Framing that two parsers could read differently.
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n"),
         HTTP_FAULT_FRAMING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: "
                  "1\r\n\r\n"),
         HTTP_FAULT_FRAMING},
        {STR_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_FAULT_FRAMING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
         HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
         HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n"),
         HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n"), HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"), HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n"),
         HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"), HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n"),
         HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n"),
         HTTP_FAULT_CONTENT_LENGTH},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"),
         HTTP_FAULT_TRANSFER_ENCODING},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"),
         HTTP_FAULT_CODING_UNSUPPORTED},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding\x0b: chunked\r\n\r\n"),
         HTTP_FAULT_FIELD_NAME},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n"),
         HTTP_FAULT_FIELD_NAME},
        {STR_INIT("POST / HTTP/1.1\r\n" H "X: y\r\n Transfer-Encoding: chunked\r\n\r\n"),
         HTTP_FAULT_FOLDED},
        {STR_INIT("POST / HTTP/1.1\r\n" H "X: y\nTransfer-Encoding: chunked\r\n\r\n"),
         HTTP_FAULT_LINE_END},
        {STR_INIT("POST / HTTP/1.1\r\n" H "X: y\rTransfer-Encoding: chunked\r\n\r\n"),
         HTTP_FAULT_FIELD_VALUE},
        {STR_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\r\n\r\n"),
         HTTP_FAULT_FIELD_VALUE},
        // Lines and fields.
        {STR_INIT("GET / HTTP/1.1\n" H "\r\n"), HTTP_FAULT_LINE_END},
        {STR_INIT("GET / HTTP/1.1\r\n" H "\n"), HTTP_FAULT_LINE_END},
        {STR_INIT("\nGET / HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_LINE_END},
        {STR_INIT("GET / HTTP/1.1\r\n " H "\r\n"), HTTP_FAULT_FOLDED},
        {STR_INIT("GET / HTTP/1.1\r\n" H "\tx: y\r\n\r\n"), HTTP_FAULT_FOLDED},
        {STR_INIT("GET / HTTP/1.1\r\n" H ": y\r\n\r\n"), HTTP_FAULT_FIELD_NAME},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x\r\n\r\n"), HTTP_FAULT_FIELD_NAME},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x y: z\r\n\r\n"), HTTP_FAULT_FIELD_NAME},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x\x80: z\r\n\r\n"), HTTP_FAULT_FIELD_NAME},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x\0: z\r\n\r\n"), HTTP_FAULT_FIELD_NAME},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x: a\0b\r\n\r\n"), HTTP_FAULT_FIELD_VALUE},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x: a\x7f"
                  "b\r\n\r\n"),
         HTTP_FAULT_FIELD_VALUE},
        {STR_INIT("GET / HTTP/1.1\r\n" H "x: 12345678901234567\x01\r\n\r\n"),
         HTTP_FAULT_FIELD_VALUE},
        {STR_INIT("GET / HTTP/1.1\r\n" H "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\n\r\n"),
         HTTP_FAULT_FIELDS_COUNT},
        {STR_INIT("GET / HTTP/1.1\r\n" H "Expect: magic\r\n\r\n"), HTTP_FAULT_EXPECT},
        // Host.
        {STR_INIT("GET / HTTP/1.1\r\n\r\n"), HTTP_FAULT_HOST_MISSING},
        {STR_INIT("GET http://a/ HTTP/1.1\r\n\r\n"), HTTP_FAULT_HOST_MISSING},
        {STR_INIT("GET / HTTP/1.1\r\n" H H "\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), HTTP_FAULT_HOST},
        {STR_INIT("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"), HTTP_FAULT_HOST},
        // The request line.
        {STR_INIT("GET  / HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET / HTTP/1.1 \r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET /  HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET\t/ HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT(" GET / HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET /\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("G(T / HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET / http/1.1\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET / HTTP/1.10\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET / HTTP/11\r\n" H "\r\n"), HTTP_FAULT_REQUEST_LINE},
        {STR_INIT("GET / HTTP/1.2\r\n" H "\r\n"), HTTP_FAULT_VERSION},
        {STR_INIT("GET / HTTP/0.9\r\n" H "\r\n"), HTTP_FAULT_VERSION},
        {STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_FAULT_VERSION},
        {STR_INIT("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET /\x01 HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET /\x7f HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET /a#b HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET a/b HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET * HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET ftp://a/ HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET http:///b HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("GET http://u:p@a/ HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_TARGET},
        {STR_INIT("CONNECT a:1 HTTP/1.1\r\n" H "\r\n"), HTTP_FAULT_METHOD_UNSUPPORTED},
        {STR_INIT("\x16\x03\x01\x02"), HTTP_FAULT_REQUEST_LINE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct verdict got = parse_every_cut(cases[i].input);
        if (got.rc != -EPROTO || got.fault != cases[i].fault)
            test_fail(__FILE__, __LINE__, "\"%.*s\": %zd %s, not %s", STR_ARG(cases[i].input),
                      got.rc, http_fault_text(got.fault), http_fault_text(cases[i].fault));
    }
}

TEST(parser_limits_are_exact)
{
    BUF(text, 4096);
    buf_put(&text, STR("GET /"));
    while (text.len < 200 - 11)
        buf_put(&text, STR("x"));
    size_t path_end = text.len;
    buf_put(&text, STR(" HTTP/1.1\r\n" H "\r\n"));
    CHECK_INT(parse_every_cut(buf_str(&text)).rc, text.len);
    text.len = path_end;
    buf_put(&text, STR("x HTTP/1.1\r\n" H "\r\n"));
    CHECK_INT(parse_every_cut(buf_str(&text)).fault, HTTP_FAULT_REQUEST_LINE_SIZE);
    text.len = path_end;
    while (text.len < 300)
        buf_put(&text, STR("x"));
    CHECK_INT(parse_every_cut(buf_str(&text)).fault, HTTP_FAULT_REQUEST_LINE_SIZE);

    text.len = 0;
    buf_put(&text, STR("GET / HTTP/1.1\r\n" H "x: "));
    while (text.len < 600 - 4)
        buf_put(&text, STR("y"));
    size_t value_end = text.len;
    buf_put(&text, STR("\r\n\r\n"));
    CHECK_INT(parse_every_cut(buf_str(&text)).rc, 600);
    text.len = value_end;
    buf_put(&text, STR("y\r\n\r\n"));
    CHECK_INT(parse_every_cut(buf_str(&text)).fault, HTTP_FAULT_HEAD_SIZE);
}

TEST(trailers_go_behind_the_fields)
{
    struct http_field fields[8] = {{STR_INIT("a"), STR_INIT("b")}};
    struct http_parser parser;
    char text[] = "X-Sum: 1\r\nContent-Type: x/y\r\nHOST: x\r\nY: \r\n\r\nrest";
    http_parser_init_trailers(&parser, &limits, fields, 1);
    CHECK_INT(http_parser_run(&parser, text, 20), 0);
    CHECK_INT(http_parser_run(&parser, text, sizeof(text) - 1), sizeof(text) - 5);
    CHECK_INT(parser.field_count, 3);
    CHECK_STR(fields[1].name, "x-sum");
    CHECK_STR(fields[2].name, "y");
    char bad[][32] = {"X : 1\r\n\r\n", "Content-Length: 5\r\n\r\n",
                      "transfer-encoding: chunked\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        http_parser_init_trailers(&parser, &limits, fields, 1);
        CHECK_INT(http_parser_run(&parser, bad[i], strlen(bad[i])), -EPROTO);
    }
}

// ---- chunked ------------------------------------------------------------------------------------

// Decodes in pieces of `step` bytes into `out`; bytes used up to the trailer section, 0 when the
// input ends before, or -EPROTO.
static ssize_t decode(struct str input, size_t step, struct buf *out, enum http_fault *fault)
{
    struct http_chunked decoder = {0};
    size_t at = 0, shown = 0;
    while (decoder.state != HTTP_CHUNK_TRAILERS) {
        size_t skip, piece;
        if (http_chunked_next(&decoder, input.data + at, shown - at, &skip, &piece) < 0) {
            *fault = decoder.fault;
            return -EPROTO;
        }
        buf_put(out, str_sub(input, at + skip, piece));
        if (piece)
            http_chunked_consume(&decoder, piece);
        at += skip + piece;
        if (decoder.state == HTTP_CHUNK_TRAILERS)
            break;
        if (at == shown && shown == input.len)
            return 0;
        if (at == shown)
            shown = MIN(shown + step, input.len);
    }
    return (ssize_t)at;
}

TEST(chunked_decodes)
{
    static const struct {
        struct str input;
        const char *want;
        ssize_t rc;
    } cases[] = {
        {STR_INIT("0\r\n"), "", 3},
        {STR_INIT("3\r\nabc\r\n0\r\nX"), "abc", 11},
        {STR_INIT("00000A\r\n0123456789\r\n00\r\n"), "0123456789", 24},
        {STR_INIT("a;x=y;z;q=\"a\\\"; b\"\r\n0123456789\r\n0;last\r\n"), "0123456789", 40},
        {STR_INIT("5\r\nab"), "ab", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= cases[i].input.len; step++) {
            BUF(out, 4096);
            enum http_fault fault = HTTP_FAULT_NONE;
            CHECK_INT(decode(cases[i].input, step, &out, &fault), cases[i].rc);
            CHECK_STR(buf_str(&out), cases[i].want);
        }
    }
}

TEST(chunked_refuses)
{
    static const struct {
        struct str input;
        enum http_fault fault;
    } cases[] = {
        {STR_INIT("\r\n"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("x\r\n"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("0x1\r\na"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("-1\r\n"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT(" 1\r\na"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("1 \r\na"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("1\na\n"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("1\rXa"), HTTP_FAULT_LINE_END},
        {STR_INIT("1\r\nab"), HTTP_FAULT_CHUNK_END},
        {STR_INIT("1\r\na\nb"), HTTP_FAULT_CHUNK_END},
        {STR_INIT("1\r\na\rb"), HTTP_FAULT_CHUNK_END},
        {STR_INIT("1;\r\na"), HTTP_FAULT_CHUNK_EXTENSION},
        {STR_INIT("1;a\nb"), HTTP_FAULT_CHUNK_EXTENSION},
        {STR_INIT("1;a=\r\n"), HTTP_FAULT_CHUNK_EXTENSION},
        {STR_INIT("1;a=\"\n\"\r\n"), HTTP_FAULT_CHUNK_EXTENSION},
        {STR_INIT("1;a=\"b\"c\r\n"), HTTP_FAULT_CHUNK_EXTENSION},
        {STR_INIT("10000000000000000\r\n"), HTTP_FAULT_CHUNK_SIZE},
        {STR_INIT("ffffffffffffffffffff\r\n"), HTTP_FAULT_CHUNK_SIZE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= cases[i].input.len; step++) {
            BUF(out, 4096);
            enum http_fault fault = HTTP_FAULT_NONE;
            CHECK_INT(decode(cases[i].input, step, &out, &fault), -EPROTO);
            CHECK_TEXT(http_fault_text(fault), http_fault_text(cases[i].fault));
        }
    }
}

TEST(chunked_bounds_what_is_no_body)
{
    BUF(text, 1 << 20);
    BUF(out, 4096);
    enum http_fault fault = HTTP_FAULT_NONE;
    while (text.len < HTTP_CHUNK_EXTENSION_BYTES_MAX + 10)
        buf_put(&text, STR("0"));
    CHECK_INT(decode(buf_str(&text), 4096, &out, &fault), -EPROTO);
    CHECK_INT(fault, HTTP_FAULT_CHUNK_SIZE);
    text.len = 0;
    for (int i = 0; i < 2000; i++)
        buf_put(&text, STR("1;abcdefgh\r\nx\r\n"));
    CHECK_INT(decode(buf_str(&text), 4096, &out, &fault), -EPROTO);
    CHECK_INT(fault, HTTP_FAULT_CHUNK_EXTENSION);
}

// ---- encoder and fields -------------------------------------------------------------------------

TEST(encoder_leaves_out_what_is_its_own)
{
    static const struct http_field fields[] = {
        {STR_INIT("X-A"), STR_INIT("b")},
        {STR_INIT("Content-Length"), STR_INIT("99")},
        {STR_INIT("transfer-encoding"), STR_INIT("gzip")},
        {STR_INIT("Connection"), STR_INIT("upgrade")},
        {STR_INIT("date"), STR_INIT("today")},
    };
    BUF(out, 4096);
    struct http_response_head head = {.status = 299,
                                      .fields = fields,
                                      .field_count = ARRAY_LEN(fields),
                                      .framing = HTTP_FRAMING_LENGTH,
                                      .content_length = 1234567890123,
                                      .date = STR("now")};
    CHECK_INT(http_encode_head(&out, &head), 0);
    CHECK_STR(buf_str(&out), "HTTP/1.1 299 \r\ncontent-length: 1234567890123\r\nX-A: b\r\n"
                             "date: today\r\n\r\n");
    struct buf tiny = BUF_INIT(100);
    CHECK_INT(http_encode_head(&tiny, &head), -ENOBUFS);
    buf_done(&tiny);
}

TEST(encoder_writes_dates_and_chunk_heads)
{
    char text[HTTP_DATE_BYTES];
    http_encode_date(text, 784111777);
    CHECK_TEXT(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    char chunk[HTTP_CHUNK_HEAD_BYTES_MAX];
    CHECK_STR(str_of(chunk, http_encode_chunk_head(chunk, 0x1a2b)), "1a2b\r\n");
    CHECK_STR(str_of(chunk, http_encode_chunk_head(chunk, SIZE_MAX)), "ffffffffffffffff\r\n");
}

TEST(values_are_checked_at_every_place)
{
    char text[40];
    for (int c = 0; c < 256; c++) {
        bool want = (c >= 0x20 && c != 0x7f) || c == '\t';
        for (size_t at = 1; at < sizeof(text) - 1; at++) {
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            CHECK(http_value_valid(str_of(text, sizeof(text))) == want);
        }
    }
    CHECK(!http_value_valid(STR(" a")) && !http_value_valid(STR("a\t")));
    CHECK(http_value_valid(STR_EMPTY) && !http_name_valid(STR_EMPTY));
    CHECK(http_name_valid(STR("x-A_1!")) && !http_name_valid(STR("a:")));
}

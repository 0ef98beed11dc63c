// SPDX-License-Identifier: Apache-2.0
// llhttp's own test cases (nodejs/llhttp test/**/*.md as JSON lines) as a second opinion. The file
// comes from $WASH_SHARED/suites/hpack-http; without it the test is skipped.
#include <errno.h>
#include <limits.h>

#include "base/buf.h"
#include "data/json.h"
#include "http/chunked.h"
#include "testing/test.h"

// Where we differ on purpose. RFC 9112 decides, and of two readings the one that can't be misread.
static const struct {
    const char *id;
    bool accepted; // by us
    const char *reason;
} differences[] = {
    {"request/connection#2", true, "what follows Connection: close is not parsed at all"},
    {"request/connection#8", true, "what follows Connection: close is not parsed at all"},
    {"request/connection#9", true, "what follows Connection: close is not parsed at all"},
    {"request/invalid#3", true, "methods are tokens, not a list (RFC 9110 section 9.1)"},
    {"request/invalid#13", true, "methods are tokens, not a list (RFC 9110 section 9.1)"},
    {"request/method#4", false, "* is for OPTIONS only (RFC 9112 section 3.2.4)"},
    {"request/method#11", false, "ICE is not HTTP"},
    {"request/method#12", false, "RTSP is not HTTP"},
    {"request/method#13", false, "RTSP is not HTTP"},
    {"request/method#14", false, "* is for OPTIONS only (RFC 9112 section 3.2.4)"},
    {"request/sample#9", false, "HTTP/0.9"},
    {"request/transfer-encoding#19", false, "only chunked is implemented"},
    {"request/transfer-encoding#20", false, "only chunked is implemented"},
    {"request/uri#7", false, "a target has no fragment (RFC 9112 section 3.2)"},
    {"request/uri#9", false, "user information is refused (RFC 9110 section 4.2.4)"},
};

static const struct http_parser_limits limits = {HTTP_REQUEST_LINE_BYTES_MAX, HTTP_HEAD_BYTES_MAX,
                                                 HTTP_FIELDS_MAX};

struct seen {
    bool refused;
    const char *reason;
    bool is_connect;
    bool unfinished; // the input ended in a head or in chunked framing
    unsigned messages;
    size_t body_bytes;
    struct buf spans; // "method target\n" of each message
};

static int hex(char c)
{
    return ascii_is_digit(c) ? c - '0' : ascii_lower(c) - 'a' + 10;
}

static void unhex(struct str text, struct buf *out)
{
    for (size_t i = 0; i + 1 < text.len; i += 2)
        CHECK_INT(buf_add_char(out, (char)(hex(text.data[i]) << 4 | hex(text.data[i + 1]))), 0);
}

// Most cases lack the Host that HTTP/1.1 demands.
static void add_host(struct buf *input, size_t at)
{
    while (str_starts(str_from_index(buf_str(input), at), STR("\r\n")))
        at += 2;
    struct str rest = str_from_index(buf_str(input), at);
    ssize_t end = str_find(rest, STR("\r\n\r\n"));
    struct str head = end < 0 ? rest : str_sub(rest, 0, (size_t)end);
    for (size_t i = 0; i + 6 < head.len; i++)
        if (head.data[i] == '\n' && str_eq_nocase(str_sub(head, i + 1, 5), STR("host:")))
            return;
    ssize_t line = str_find(rest, STR("\r\n"));
    if (line < 0)
        return;
    BUF(changed, 1 << 20);
    buf_put(&changed, str_sub(buf_str(input), 0, at + (size_t)line + 2));
    buf_put(&changed, STR("Host: added\r\n"));
    buf_put(&changed, str_from_index(buf_str(input), changed.len - 13));
    buf_clear(input);
    buf_put(input, buf_str(&changed));
}

static size_t refuse(struct seen *seen, enum http_fault fault)
{
    seen->refused = true;
    seen->reason = http_fault_text(fault);
    return 0;
}

static size_t read_chunked(struct seen *seen, struct str input, struct http_field *fields)
{
    struct http_chunked decoder = {0};
    size_t at = 0;
    while (decoder.state != HTTP_CHUNK_TRAILERS) {
        size_t skip, piece;
        if (http_chunked_next(&decoder, input.data + at, input.len - at, &skip, &piece) < 0)
            return refuse(seen, decoder.fault);
        if (piece)
            http_chunked_consume(&decoder, piece);
        seen->body_bytes += piece;
        at += skip + piece;
        if (skip + piece == 0)
            return 0;
    }
    struct http_parser trailers;
    http_parser_init_trailers(&trailers, &limits, fields, 0);
    ssize_t len = http_parser_run(&trailers, (char *)(uintptr_t)input.data + at, input.len - at);
    if (len < 0)
        return refuse(seen, trailers.fault);
    return len ? at + (size_t)len : 0;
}

// One message: its length, 0 at the end of the input or when it is refused.
static size_t read_message(struct seen *seen, struct str input)
{
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_parser parser;
    // The parser changes targets without a path in place.
    _cleanup_(mem_freep) char *text = mem_dup(input.data, input.len);
    http_parser_init(&parser, &limits, fields);
    ssize_t len = http_parser_run(&parser, text, input.len);
    seen->is_connect |= str_starts(input, STR("CONNECT "));
    if (len < 0)
        return refuse(seen, parser.fault);
    seen->unfinished = len == 0;
    if (len == 0)
        return 0;
    struct http_head *head = &parser.head;
    seen->messages++;
    http_parser_moved(&parser, text, input.data);
    buf_putf(&seen->spans, "%.*s %.*s\n", STR_ARG(head->method), STR_ARG(parser.raw_target));
    struct str body = str_from_index(input, (size_t)len);
    size_t used;
    if (head->chunked) {
        used = read_chunked(seen, body, fields);
        seen->unfinished = used == 0;
        if (used == 0)
            return 0;
    } else {
        used = (size_t)MIN((uint64_t)head->content_length, body.len);
        seen->body_bytes += used;
    }
    return head->close || (head->version_minor == 0 && !head->keep_alive) ? 0 : (size_t)len + used;
}

static void read_all(struct seen *seen, struct buf *input, unsigned messages_max)
{
    for (size_t at = 0, len; at < input->len && seen->messages < messages_max; at += len) {
        add_host(input, at);
        len = read_message(seen, str_from_index(buf_str(input), at));
        if (len == 0)
            return;
    }
}

// The data lost the line ends at the inputs' ends, by which a last line is judged.
static void read_completed(struct seen *seen, struct buf *input, unsigned messages_max)
{
    BUF(plain, 1 << 20);
    buf_put(&plain, buf_str(input));
    read_all(seen, &plain, messages_max);
    if (!seen->unfinished)
        return;
    buf_clear(&seen->spans);
    *seen = (struct seen){.spans = seen->spans};
    buf_put(input, str_ends(buf_str(input), STR("\r\n")) ? STR("\r\n") : STR("\r\n\r\n"));
    read_all(seen, input, messages_max);
}

// "off=4 len=4 span[url]=\"/url\"" of the log.
static bool span_of(struct str line, struct str name, struct str *out)
{
    ssize_t at = str_find(line, STR("span["));
    if (at < 0)
        return false;
    struct str rest = str_from_index(line, (size_t)at + 5);
    if (!str_starts(rest, name) || rest.data[name.len] != ']')
        return false;
    *out = str_sub(rest, name.len + 3, rest.len - name.len - 4);
    return true;
}

static void expected_spans(const struct tree *log, struct buf *spans, size_t *body_bytes)
{
    for (size_t i = 0; i < tree_len(log); i++) {
        struct str line = tree_get_string(tree_at(log, i)), span;
        ssize_t len = str_find(line, STR("len="));
        if (span_of(line, STR("method"), &span))
            buf_putf(spans, "%.*s ", STR_ARG(span));
        else if (span_of(line, STR("url"), &span))
            buf_putf(spans, "%.*s\n", STR_ARG(span));
        else if (len >= 0 && span_of(line, STR("body"), &span))
            *body_bytes += (size_t)strtoul(line.data + len + 4, NULL, 10);
    }
}

static const char *difference(struct str id, bool accepted)
{
    for (size_t i = 0; i < ARRAY_LEN(differences); i++)
        if (str_is(id, differences[i].id) && differences[i].accepted == accepted)
            return differences[i].reason;
    return NULL;
}

struct tally {
    unsigned cases, differing, failures;
};

static void run_case(const struct tree *test, struct tally *tally)
{
    struct str id = tree_get_string(tree_get(test, STR("id")));
    const struct tree *error = tree_get(test, STR("error"));
    int64_t code = tree_kind(error) == TREE_MAP ? tree_get_int(tree_get(error, STR("code"))) : 0;
    bool refused = code != 0 && (code < 21 || code > 23);
    struct seen seen = {.spans = BUF_INIT(1 << 16)};
    BUF(input, 1 << 20);
    BUF(spans, 1 << 16);
    size_t body_bytes = 0;
    unhex(tree_get_string(tree_get(test, STR("input_hex"))), &input);
    bool finish = str_is(tree_get_string(tree_get(test, STR("mode"))), "request-finish");
    // After an upgrade another protocol follows.
    unsigned messages_max = code == 22 ? 1 : UINT_MAX;
    if (finish)
        read_all(&seen, &input, messages_max);
    else
        read_completed(&seen, &input, messages_max);
    expected_spans(tree_get(test, STR("log")), &spans, &body_bytes);
    bool skip_body = tree_get(tree_get(test, STR("meta")), STR("skipBody")) != NULL;
    if (difference(id, !seen.refused)) {
        tally->differing++;
    } else if (seen.refused != refused && !(seen.refused && seen.is_connect)) {
        tally->failures++;
        printf("# %.*s: %s (%s), llhttp says otherwise\n", STR_ARG(id),
               seen.refused ? "refused" : "accepted", seen.reason ? seen.reason : "");
    } else if (!refused && !seen.refused && code == 0 && !skip_body && !finish) {
        struct str want = buf_str(&spans);
        struct str got = str_sub(buf_str(&seen.spans), 0, want.len);
        if (!str_eq(got, want) || seen.body_bytes < body_bytes) {
            tally->failures++;
            printf("# %.*s: \"%.*s\" %zu, not \"%.*s\" %zu\n", STR_ARG(id), STR_ARG(got),
                   seen.body_bytes, STR_ARG(want), body_bytes);
        }
    }
    buf_done(&seen.spans);
}

TEST(parser_agrees_with_the_cases_of_llhttp)
{
    const char *shared = getenv("WASH_SHARED");
    if (!shared)
        test_skip("WASH_SHARED names no folder with suites/hpack-http/llhttp.jsonl");
    _cleanup_(mem_freep) char *path = mem_printf("%s/suites/hpack-http/llhttp.jsonl", shared);
    FILE *file = fopen(path, "re");
    if (!file)
        test_skip("$WASH_SHARED has no suites/hpack-http/llhttp.jsonl");
    char *line = NULL;
    size_t cap = 0;
    struct tally tally = {0};
    for (ssize_t len; (len = getline(&line, &cap, file)) > 0;) {
        struct tree *test = NULL;
        ERROR(err);
        CHECK_INT(json_parse(str_of(line, (size_t)len), path, &test, NULL, &err), 0);
        struct str mode = tree_get_string(tree_get(test, STR("mode")));
        if (str_is(mode, "request") || str_is(mode, "request-finish")) {
            run_case(test, &tally);
            tally.cases++;
        }
        tree_unref(test);
    }
    free(line);
    fclose(file);
    printf("# %u cases, %u differ on purpose\n", tally.cases, tally.differing);
    CHECK(tally.cases > 100);
    CHECK_INT(tally.failures, 0);
}

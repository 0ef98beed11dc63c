// SPDX-License-Identifier: Apache-2.0
// Chunked bodies with trailers: decoded at once and in small steps the result is the same.
#include <assert.h>
#include <errno.h>

#include "base/buf.h"
#include "http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_parser_limits limits = {512, 4096, 16};

struct result {
    struct buf body;
    ssize_t rc; // length, 0, or -EPROTO
    enum http_fault fault;
    uint32_t trailers;
};

static ssize_t read_trailers(struct result *result, char *text, size_t at, size_t len, size_t step)
{
    struct http_field fields[16];
    struct http_parser parser;
    http_parser_init_trailers(&parser, &limits, fields, 0);
    ssize_t rc = 0;
    for (size_t shown = 0; rc == 0;) {
        rc = http_parser_run(&parser, text + at, shown);
        if (shown == len - at)
            break;
        shown = MIN(shown + step, len - at);
    }
    result->fault = parser.fault;
    result->trailers = parser.field_count;
    return rc > 0 ? rc + (ssize_t)at : rc;
}

static void decode(struct result *result, char *text, size_t len, size_t step)
{
    struct http_chunked decoder = {0};
    size_t at = 0, shown = 0;
    while (decoder.state != HTTP_CHUNK_TRAILERS) {
        size_t skip, piece;
        result->rc = http_chunked_next(&decoder, text + at, shown - at, &skip, &piece);
        result->fault = decoder.fault;
        if (result->rc < 0)
            return;
        assert(at + skip + piece <= shown);
        buf_put(&result->body, str_of(text + at + skip, piece));
        if (piece)
            http_chunked_consume(&decoder, piece);
        at += skip + piece;
        if (decoder.state != HTTP_CHUNK_TRAILERS && at == shown) {
            if (shown == len)
                return;
            shown = MIN(shown + step, len);
        }
    }
    result->rc = read_trailers(result, text, at, len, step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct result whole = {.body = BUF_INIT(size)}, parts = {.body = BUF_INIT(size)};
    char *text = mem_dup(data + 1, size - 1), *again = mem_dup(data + 1, size - 1);
    decode(&whole, text, size - 1, size);
    decode(&parts, again, size - 1, (size_t)data[0] % 17 + 1);
    assert(whole.rc == parts.rc && whole.fault == parts.fault);
    assert(whole.trailers == parts.trailers || whole.rc <= 0);
    assert(whole.rc < 0 || str_eq(buf_str(&whole.body), buf_str(&parts.body)));
    buf_done(&whole.body);
    buf_done(&parts.body);
    free(text);
    free(again);
    return 0;
}

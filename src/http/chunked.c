// SPDX-License-Identifier: Apache-2.0
#include "http/chunked.h"

#include <assert.h>
#include <errno.h>

#include "http/chars.h"

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_token(unsigned char c)
{
    return http_token_lower[c] != 0;
}

// What may stand behind a complete part of the size line.
static bool part_end(struct http_chunked *decoder, unsigned char c)
{
    if (c == '\r')
        decoder->state = HTTP_CHUNK_SIZE_LF;
    else if (c == ';')
        decoder->state = HTTP_CHUNK_EXTENSION_NAME_FIRST;
    else
        return false;
    return true;
}

static enum http_fault size_digit(struct http_chunked *decoder, unsigned char c)
{
    int digit = hex_digit(c);
    if (digit < 0)
        return decoder->state == HTTP_CHUNK_SIZE && part_end(decoder, c) ? HTTP_FAULT_NONE
                                                                         : HTTP_FAULT_CHUNK_SIZE;
    // The size stays below 2^60, also against endless leading zeros.
    if (decoder->remaining >> 56 || ++decoder->extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX)
        return HTTP_FAULT_CHUNK_SIZE;
    if (decoder->remaining)
        decoder->extension_bytes--;
    decoder->remaining = decoder->remaining * 16 + (uint64_t)digit;
    decoder->state = HTTP_CHUNK_SIZE;
    return HTTP_FAULT_NONE;
}

// chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ), without the blanks around that only
// ever hid something.
static bool extension_char(struct http_chunked *decoder, unsigned char c)
{
    bool is_text = http_text_valid((const char *)&c, 1);
    switch (decoder->state) {
    case HTTP_CHUNK_EXTENSION_NAME_FIRST:
        decoder->state = HTTP_CHUNK_EXTENSION_NAME;
        return is_token(c);
    case HTTP_CHUNK_EXTENSION_NAME:
        if (c == '=')
            decoder->state = HTTP_CHUNK_EXTENSION_VALUE_FIRST;
        return c == '=' || is_token(c) || part_end(decoder, c);
    case HTTP_CHUNK_EXTENSION_VALUE_FIRST:
        decoder->state = c == '"' ? HTTP_CHUNK_EXTENSION_QUOTED : HTTP_CHUNK_EXTENSION_VALUE;
        return c == '"' || is_token(c);
    case HTTP_CHUNK_EXTENSION_VALUE:
        return is_token(c) || part_end(decoder, c);
    case HTTP_CHUNK_EXTENSION_QUOTED:
        if (c == '\\')
            decoder->state = HTTP_CHUNK_EXTENSION_ESCAPED;
        else if (c == '"')
            decoder->state = HTTP_CHUNK_EXTENSION_QUOTED_END;
        return is_text;
    case HTTP_CHUNK_EXTENSION_ESCAPED:
        decoder->state = HTTP_CHUNK_EXTENSION_QUOTED;
        return is_text;
    case HTTP_CHUNK_EXTENSION_QUOTED_END:
        return part_end(decoder, c);
    case HTTP_CHUNK_SIZE_FIRST:
    case HTTP_CHUNK_SIZE:
    case HTTP_CHUNK_SIZE_LF:
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_DATA_CR:
    case HTTP_CHUNK_DATA_LF:
    case HTTP_CHUNK_TRAILERS:
        break;
    }
    return false;
}

static enum http_fault extension(struct http_chunked *decoder, unsigned char c)
{
    if (++decoder->extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX || !extension_char(decoder, c))
        return HTTP_FAULT_CHUNK_EXTENSION;
    return HTTP_FAULT_NONE;
}

static enum http_fault frame_char(struct http_chunked *decoder, unsigned char c)
{
    switch (decoder->state) {
    case HTTP_CHUNK_SIZE_FIRST:
    case HTTP_CHUNK_SIZE:
        return size_digit(decoder, c);
    case HTTP_CHUNK_SIZE_LF:
        if (c != '\n')
            return HTTP_FAULT_LINE_END;
        decoder->state = decoder->remaining ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILERS;
        return HTTP_FAULT_NONE;
    case HTTP_CHUNK_DATA_CR:
        decoder->state = HTTP_CHUNK_DATA_LF;
        return c == '\r' ? HTTP_FAULT_NONE : HTTP_FAULT_CHUNK_END;
    case HTTP_CHUNK_DATA_LF:
        decoder->state = HTTP_CHUNK_SIZE_FIRST;
        return c == '\n' ? HTTP_FAULT_NONE : HTTP_FAULT_CHUNK_END;
    case HTTP_CHUNK_EXTENSION_NAME_FIRST:
    case HTTP_CHUNK_EXTENSION_NAME:
    case HTTP_CHUNK_EXTENSION_VALUE_FIRST:
    case HTTP_CHUNK_EXTENSION_VALUE:
    case HTTP_CHUNK_EXTENSION_QUOTED:
    case HTTP_CHUNK_EXTENSION_ESCAPED:
    case HTTP_CHUNK_EXTENSION_QUOTED_END:
        return extension(decoder, c);
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_TRAILERS:
        break;
    }
    return HTTP_FAULT_NONE;
}

int http_chunked_next(struct http_chunked *decoder, const char *data, size_t len, size_t *skip,
                      size_t *piece)
{
    size_t at = 0;
    while (at < len && decoder->state != HTTP_CHUNK_DATA && decoder->state != HTTP_CHUNK_TRAILERS) {
        decoder->fault = frame_char(decoder, (unsigned char)data[at++]);
        if (decoder->fault)
            return -EPROTO;
    }
    *skip = at;
    *piece = decoder->state == HTTP_CHUNK_DATA ? (size_t)MIN(len - at, decoder->remaining) : 0;
    return 0;
}

void http_chunked_consume(struct http_chunked *decoder, size_t len)
{
    assert(decoder->state == HTTP_CHUNK_DATA && len <= decoder->remaining);
    decoder->remaining -= len;
    if (decoder->remaining == 0)
        decoder->state = HTTP_CHUNK_DATA_CR;
}

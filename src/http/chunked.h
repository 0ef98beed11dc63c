// SPDX-License-Identifier: Apache-2.0
// The chunked transfer coding (RFC 9112 section 7.1), decoded in place, without I/O.
#pragma once

#include <stdbool.h>

#include "http/parser.h"

// Of all chunks of one body: a peer must not make us read for ever without getting anywhere.
#define HTTP_CHUNK_EXTENSION_BYTES_MAX ((uint32_t)16 * 1024)

enum http_chunked_state {
    HTTP_CHUNK_SIZE_FIRST,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION_NAME_FIRST,
    HTTP_CHUNK_EXTENSION_NAME,
    HTTP_CHUNK_EXTENSION_VALUE_FIRST,
    HTTP_CHUNK_EXTENSION_VALUE,
    HTTP_CHUNK_EXTENSION_QUOTED,
    HTTP_CHUNK_EXTENSION_ESCAPED,
    HTTP_CHUNK_EXTENSION_QUOTED_END,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_TRAILERS, // the last chunk is through; a trailer section follows
};

struct http_chunked {
    enum http_chunked_state state;
    enum http_fault fault;
    uint64_t remaining; // of the current chunk
    uint32_t extension_bytes;
};

// Looks at `len` bytes: the first *skip are framing and done with, then come *piece bytes of the
// body (0 when none are there yet), which http_chunked_consume() takes. 0, or -EPROTO with
// decoder->fault. With state HTTP_CHUNK_TRAILERS the rest belongs to the trailer section.
_must_use_ int http_chunked_next(struct http_chunked *decoder, const char *data, size_t len,
                                 size_t *skip, size_t *piece);
void http_chunked_consume(struct http_chunked *decoder, size_t len);

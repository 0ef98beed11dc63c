// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 response heads and trailer sections, without I/O.
#pragma once

#include "base/buf.h"
#include "http/fields.h"

// The standard reason phrase, or "" for a status without one.
const char *http_reason(unsigned status);

// How the body's end is told.
enum http_framing { HTTP_FRAMING_NONE, HTTP_FRAMING_LENGTH, HTTP_FRAMING_CHUNKED };

struct http_response_head {
    unsigned status; // 100..999
    const struct http_field *fields;
    size_t field_count;
    enum http_framing framing;
    uint64_t content_length; // HTTP_FRAMING_LENGTH
    struct str date;         // empty: none; not sent either when the fields have one
    bool close;              // Connection: close
    bool keep_alive;         // Connection: keep-alive, for HTTP/1.0
};

// Appends the head. Fields of the connection and the framing are the encoder's: such fields
// (hop-by-hop, content-length) are left out. 0, -EINVAL for a malformed field or status, -ENOBUFS
// over the buffer's maximum; nothing is appended then.
_must_use_ int http_encode_head(struct buf *out, const struct http_response_head *head);
// Appends fields and the empty line; the same errors.
_must_use_ int http_encode_trailers(struct buf *out, const struct http_field *fields, size_t count);

// "3e8\r\n": its length. `text` has room for HTTP_CHUNK_HEAD_BYTES_MAX.
#define HTTP_CHUNK_HEAD_BYTES_MAX 18
size_t http_encode_chunk_head(char *text, size_t len);

// IMF-fixdate (RFC 9110 section 5.6.7): 29 characters and NUL.
#define HTTP_DATE_BYTES 30
void http_encode_date(char *text, int64_t unix_seconds);

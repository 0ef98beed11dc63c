// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 request heads and trailer sections (RFC 9112 sections 2 to 7), strict, without I/O.
//
// The parser works in place: names are lower-cased in the caller's buffer and slices point into
// it. It is incremental by lines: each call sees the section from its first byte on, with more
// bytes behind it, and no byte is looked at twice. The verdict does not depend on how the bytes
// were cut.
#pragma once

#include "http/fields.h"

#define HTTP_REQUEST_LINE_BYTES_MAX ((uint32_t)16 * 1024)
#define HTTP_HEAD_BYTES_MAX         ((uint32_t)64 * 1024)
#define HTTP_FIELDS_MAX             100u

enum http_fault {
    HTTP_FAULT_NONE,
    HTTP_FAULT_NOT_HTTP,
    HTTP_FAULT_REQUEST_LINE,
    HTTP_FAULT_REQUEST_LINE_SIZE,
    HTTP_FAULT_VERSION,
    HTTP_FAULT_TARGET,
    HTTP_FAULT_METHOD_UNSUPPORTED,
    HTTP_FAULT_HEAD_SIZE,
    HTTP_FAULT_FIELDS_COUNT,
    HTTP_FAULT_LINE_END,
    HTTP_FAULT_FOLDED,
    HTTP_FAULT_FIELD_NAME,
    HTTP_FAULT_FIELD_VALUE,
    HTTP_FAULT_HOST_MISSING,
    HTTP_FAULT_HOST,
    HTTP_FAULT_CONTENT_LENGTH,
    HTTP_FAULT_TRANSFER_ENCODING,
    HTTP_FAULT_CODING_UNSUPPORTED,
    HTTP_FAULT_FRAMING,
    HTTP_FAULT_EXPECT,
    HTTP_FAULT_CHUNK_SIZE,
    HTTP_FAULT_CHUNK_EXTENSION,
    HTTP_FAULT_CHUNK_END,
    HTTP_FAULT_COUNT,
};

// The status that answers it, and the reason in one line for a person.
unsigned http_fault_status(enum http_fault fault);
const char *http_fault_text(enum http_fault fault);

struct http_parser_limits {
    uint32_t request_line_bytes_max; // with its CRLF
    uint32_t head_bytes_max;         // of the whole section
    uint32_t fields_max;
};

enum http_parser_state { HTTP_PARSER_LINE, HTTP_PARSER_FIELDS, HTTP_PARSER_TRAILERS };

// What a request's head says.
struct http_head {
    struct str method;
    struct str target;      // origin-form or "*"
    struct str authority;   // from the target or Host
    struct str scheme;      // of an absolute-form target, else empty
    int64_t content_length; // -1: chunked; 0: none
    uint8_t version_minor;
    bool has_content_length;
    bool chunked;
    bool close;      // Connection: close
    bool keep_alive; // Connection: keep-alive
    bool expect_continue;
};

struct http_parser {
    const struct http_parser_limits *limits;
    struct http_field *fields; // room for limits->fields_max, the caller's
    enum http_parser_state state;
    enum http_fault fault;
    uint32_t first_field; // those before it are another section's
    uint32_t field_count;
    uint32_t line;    // offset of the current line
    uint32_t scanned; // offset of the first byte that was not searched for the line's end
    bool has_host;
    struct str host;
    struct str raw_target;
    bool has_transfer_encoding;
    struct http_head head;
};

void http_parser_init(struct http_parser *parser, const struct http_parser_limits *limits,
                      struct http_field *fields);
// A trailer section: its fields go behind the `field_count` that are there already, those that
// may not be in trailers (RFC 9110 section 6.5.1) are left out.
void http_parser_init_trailers(struct http_parser *parser, const struct http_parser_limits *limits,
                               struct http_field *fields, uint32_t field_count);

// Looks at the section's first `len` bytes. Its length with the empty line when it is complete; 0
// when more is needed; -EPROTO with parser->fault.
_must_use_ ssize_t http_parser_run(struct http_parser *parser, char *data, size_t len);

// The bytes moved (their copy exists already, the former place still does).
void http_parser_moved(struct http_parser *parser, const char *from, const char *to);

// Parts of the parser, with tests of their own.
// host[:port] of RFC 9110 section 7.2, not empty.
bool http_authority_valid(struct str authority);
// Fields that may not be in trailers (RFC 9110 section 6.5.1); `name` in lower case.
bool http_forbidden_in_trailers(struct str name);
// Takes raw_target apart (RFC 9112 section 3.2).
enum http_fault http_parser_take_target(struct http_parser *parser);

// SPDX-License-Identifier: Apache-2.0
// Lines of the access log: one per finished request, as text by a format or as JSON.
//
// A format is text with directives, as Apache's mod_log_config and h2o have them:
//   %h peer's IP address     %r "GET /path HTTP/1.1"   %>s status (%s the same; - for none)
//   %t [10/Oct/2025:13:55:36 +0000]                    %b body bytes sent, - for none; %B with 0
//   %m method   %U path   %q ?query   %H protocol      %I body bytes received
//   %V authority (Host)   %{Name}i request field       %D microseconds   %T seconds
//   %X + kept or closed well, X cut    %k scheme       %l %u always -    %% percent
// "common" and "combined" name Apache's formats, "json" is an object per line. What peers chose is
// escaped, so that a line stays one.
#pragma once

#include "base/buf.h"
#include "http/exchange.h"
#include "net/address.h"

#define HTTP_ACCESS_FORMAT_BYTES_MAX ((size_t)4096)
#define HTTP_ACCESS_ITEMS_MAX        ((size_t)64)
// Longer values are cut, with three dots behind them.
#define HTTP_ACCESS_VALUE_BYTES_MAX ((size_t)2048)
// What that makes of a line at most.
#define HTTP_ACCESS_LINE_BYTES_MAX ((size_t)2 * 1024 * 1024)

struct http_access_entry {
    const struct http_request *request;
    struct net_endpoint peer;
    unsigned status;                     // 0: none was sent
    uint64_t bytes_received, bytes_sent; // of the bodies
    int64_t time_us;                     // when the request began, since 1970
    uint64_t duration_us;
    bool cut; // the answer did not get to its end
};

struct http_access_format;

_must_use_ int http_access_format_new(struct str text, struct http_access_format **out,
                                      struct error *err);
void http_access_format_free(struct http_access_format *format);
// Appends a line with its end. `out` must take HTTP_ACCESS_LINE_BYTES_MAX more.
void http_access_format_line(const struct http_access_format *format,
                             const struct http_access_entry *entry, struct buf *out);

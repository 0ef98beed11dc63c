// SPDX-License-Identifier: Apache-2.0
#include "http/encoder.h"

#include <errno.h>
#include <limits.h>

static const char *const reasons[] = {
    [100] = "Continue",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [511] = "Network Authentication Required",
};

const char *http_reason(unsigned status)
{
    const char *reason = status < ARRAY_LEN(reasons) ? reasons[status] : NULL;
    return reason ? reason : "";
}

static char *put(char *at, struct str s)
{
    if (s.len)
        memcpy(at, s.data, s.len);
    return at + s.len;
}

static bool is_ours(struct str name)
{
    return http_name_is_hop_by_hop(name) || str_eq_nocase(name, STR("content-length"));
}

// Bytes that the fields need, or -EINVAL.
static ssize_t measure_fields(const struct http_field *fields, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!http_name_valid(fields[i].name) || !http_value_valid(fields[i].value))
            return -EINVAL;
        if (__builtin_add_overflow(total, fields[i].name.len + fields[i].value.len + 4, &total))
            return -EINVAL;
    }
    return total > SSIZE_MAX ? -EINVAL : (ssize_t)total;
}

static char *put_fields(char *at, const struct http_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_ours(fields[i].name))
            continue;
        at = put(at, fields[i].name);
        at = put(at, STR(": "));
        at = put(at, fields[i].value);
        at = put(at, STR("\r\n"));
    }
    return at;
}

static char *put_status(char *at, unsigned status)
{
    at = put(at, STR("HTTP/1.1 "));
    *at++ = (char)('0' + status / 100);
    *at++ = (char)('0' + status / 10 % 10);
    *at++ = (char)('0' + status % 10);
    *at++ = ' ';
    at = put(at, str_from(http_reason(status)));
    return put(at, STR("\r\n"));
}

static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t len = 0;
    do
        digits[len++] = (char)('0' + number % 10);
    while (number /= 10);
    while (len)
        *at++ = digits[--len];
    return at;
}

static char *put_framing(char *at, const struct http_response_head *head)
{
    switch (head->framing) {
    case HTTP_FRAMING_NONE:
        break;
    case HTTP_FRAMING_LENGTH:
        at = put(at, STR("content-length: "));
        at = put_number(at, head->content_length);
        at = put(at, STR("\r\n"));
        break;
    case HTTP_FRAMING_CHUNKED:
        at = put(at, STR("transfer-encoding: chunked\r\n"));
        break;
    }
    return at;
}

// Status line, connection, framing and date at their longest.
#define OWN_BYTES_MAX ((size_t)256)

int http_encode_head(struct buf *out, const struct http_response_head *head)
{
    ssize_t fields_len = measure_fields(head->fields, head->field_count);
    if (fields_len < 0 || head->status < 100 || head->status > 999)
        return -EINVAL;
    int rc = buf_reserve(out, OWN_BYTES_MAX + (size_t)fields_len);
    if (rc < 0)
        return rc;
    char *at = put_status(out->data + out->len, head->status);
    if (head->close)
        at = put(at, STR("connection: close\r\n"));
    else if (head->keep_alive)
        at = put(at, STR("connection: keep-alive\r\n"));
    at = put_framing(at, head);
    if (head->date.len && !http_field_find(head->fields, head->field_count, STR("date"))) {
        at = put(at, STR("date: "));
        at = put(at, head->date);
        at = put(at, STR("\r\n"));
    }
    at = put_fields(at, head->fields, head->field_count);
    at = put(at, STR("\r\n"));
    out->len = (size_t)(at - out->data);
    return 0;
}

int http_encode_trailers(struct buf *out, const struct http_field *fields, size_t count)
{
    ssize_t len = measure_fields(fields, count);
    if (len < 0)
        return -EINVAL;
    int rc = buf_reserve(out, (size_t)len + 2);
    if (rc < 0)
        return rc;
    char *at = put_fields(out->data + out->len, fields, count);
    at = put(at, STR("\r\n"));
    out->len = (size_t)(at - out->data);
    return 0;
}

size_t http_encode_chunk_head(char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t count = 0, at = 0;
    do
        digits[count++] = hex[len & 15];
    while (len >>= 4);
    while (count)
        text[at++] = digits[--count];
    text[at++] = '\r';
    text[at++] = '\n';
    return at;
}

static char *put_digits(char *at, int number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + digits;
}

void http_encode_date(char *text, int64_t unix_seconds)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)unix_seconds;
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    char *at = put(text, str_of(days + 3 * tm.tm_wday, 3));
    at = put(at, STR(", "));
    at = put_digits(at, tm.tm_mday, 2);
    *at++ = ' ';
    at = put(at, str_of(months + 3 * tm.tm_mon, 3));
    *at++ = ' ';
    at = put_digits(at, tm.tm_year + 1900, 4);
    *at++ = ' ';
    at = put_digits(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_min, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_sec, 2);
    at = put(at, STR(" GMT"));
    *at = 0;
}

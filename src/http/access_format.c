// SPDX-License-Identifier: Apache-2.0
#include "http/access_format.h"

#include <errno.h>

#include "base/utf8.h"

struct directive;

struct item {
    struct str text;                   // copied as it is, when there is no directive
    const struct directive *directive; // NULL: text
    struct str argument;
};

struct http_access_format {
    char *text; // the items' slices are of it
    struct item *items;
    size_t item_count;
    bool is_json;
};

#define COMMON   "%h %l %u %t \"%r\" %>s %b"
#define COMBINED COMMON " \"%{Referer}i\" \"%{User-Agent}i\""

// ---- values -------------------------------------------------------------------------------------

static struct str shortened(struct str value)
{
    return (struct str){value.data, MIN(value.len, HTTP_ACCESS_VALUE_BYTES_MAX)};
}

// Printable ASCII without quotes; all else as \xHH (as Apache does), so that a peer cannot forge
// lines or fields.
static void put_escaped(struct buf *out, struct str value)
{
    struct str head = shortened(value);
    for (size_t i = 0; i < head.len; i++) {
        unsigned char c = (unsigned char)head.data[i];
        if (c == '"' || c == '\\')
            buf_putf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            buf_putf(out, "\\x%02x", c);
        else
            buf_put(out, str_of(head.data + i, 1));
    }
    if (head.len < value.len)
        buf_put(out, STR("..."));
}

static void put_or_dash(struct buf *out, struct str value)
{
    if (value.len)
        put_escaped(out, value);
    else
        buf_put(out, STR("-"));
}

static struct str field_of(const struct http_access_entry *entry, struct str name)
{
    const struct http_request *request = entry->request;
    const struct http_field *field = http_field_find(request->fields, request->field_count, name);
    return field ? field->value : STR_EMPTY;
}

static void split_target(const struct http_request *request, struct str *path, struct str *query)
{
    struct str rest;
    bool has_query = str_cut(request->target, '?', path, &rest);
    *query = has_query ? str_from_index(request->target, path->len) : STR_EMPTY;
}

static struct str protocol_of(const struct http_request *request)
{
    if (request->version_major >= 2)
        return STR("HTTP/2.0");
    return request->version_minor ? STR("HTTP/1.1") : STR("HTTP/1.0");
}

static void put_status(struct buf *out, const struct http_access_entry *entry)
{
    if (entry->status)
        buf_putf(out, "%u", entry->status);
    else
        buf_put(out, STR("-"));
}

static bool parts_of(const struct http_access_entry *entry, struct tm *parts)
{
    time_t seconds = (time_t)(entry->time_us / 1000000);
    return gmtime_r(&seconds, parts) != NULL;
}

// ---- directives ---------------------------------------------------------------------------------

static void put_peer(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    char text[NET_IP_TEXT_BYTES];
    net_endpoint_format_ip(&entry->peer, text, sizeof(text));
    buf_put(out, str_from(text));
}

static void put_dash(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    buf_put(out, STR("-"));
}

static void put_time(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    // strftime's names of months depend on the locale.
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm at;
    if (parts_of(entry, &at))
        buf_putf(out, "[%02d/%.3s/%d:%02d:%02d:%02d +0000]", at.tm_mday, months + 3 * at.tm_mon,
                 at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
    else
        buf_put(out, STR("-"));
}

// Of what was refused for its first line there are no parts.
static void put_request_line(struct buf *out, const struct http_access_entry *entry,
                             struct str argument)
{
    if (entry->request->method.len == 0) {
        buf_put(out, STR("-"));
        return;
    }
    put_escaped(out, entry->request->method);
    buf_put(out, STR(" "));
    put_escaped(out, entry->request->target);
    buf_put(out, STR(" "));
    buf_put(out, protocol_of(entry->request));
}

static void put_method(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    put_escaped(out, entry->request->method);
}

static void put_path(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    struct str path, query;
    split_target(entry->request, &path, &query);
    put_escaped(out, path);
}

static void put_query(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    struct str path, query;
    split_target(entry->request, &path, &query);
    put_escaped(out, query);
}

static void put_protocol(struct buf *out, const struct http_access_entry *entry,
                         struct str argument)
{
    buf_put(out, protocol_of(entry->request));
}

static void put_scheme(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    put_escaped(out, entry->request->scheme);
}

static void put_authority(struct buf *out, const struct http_access_entry *entry,
                          struct str argument)
{
    put_or_dash(out, entry->request->authority);
}

static void put_status_of(struct buf *out, const struct http_access_entry *entry,
                          struct str argument)
{
    put_status(out, entry);
}

static void put_bytes_or_dash(struct buf *out, const struct http_access_entry *entry,
                              struct str argument)
{
    if (entry->bytes_sent)
        buf_putf(out, "%llu", (unsigned long long)entry->bytes_sent);
    else
        buf_put(out, STR("-"));
}

static void put_bytes(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    buf_putf(out, "%llu", (unsigned long long)entry->bytes_sent);
}

static void put_received(struct buf *out, const struct http_access_entry *entry,
                         struct str argument)
{
    buf_putf(out, "%llu", (unsigned long long)entry->bytes_received);
}

static void put_microseconds(struct buf *out, const struct http_access_entry *entry,
                             struct str argument)
{
    buf_putf(out, "%llu", (unsigned long long)entry->duration_us);
}

static void put_seconds(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    buf_putf(out, "%llu", (unsigned long long)(entry->duration_us / 1000000));
}

static void put_end(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    buf_put(out, entry->cut ? STR("X") : STR("+"));
}

static void put_field(struct buf *out, const struct http_access_entry *entry, struct str argument)
{
    put_or_dash(out, field_of(entry, argument));
}

static const struct directive {
    char letter;
    bool has_argument;
    void (*put)(struct buf *out, const struct http_access_entry *entry, struct str argument);
} directives[] = {
    {'h', false, put_peer},          {'l', false, put_dash},         {'u', false, put_dash},
    {'t', false, put_time},          {'r', false, put_request_line}, {'s', false, put_status_of},
    {'b', false, put_bytes_or_dash}, {'B', false, put_bytes},        {'m', false, put_method},
    {'U', false, put_path},          {'q', false, put_query},        {'H', false, put_protocol},
    {'k', false, put_scheme},        {'V', false, put_authority},    {'I', false, put_received},
    {'D', false, put_microseconds},  {'T', false, put_seconds},      {'X', false, put_end},
    {'i', true, put_field},
};

// ---- reading a format ---------------------------------------------------------------------------

static const struct directive *find_directive(char letter, bool has_argument)
{
    for (size_t i = 0; i < ARRAY_LEN(directives); i++)
        if (directives[i].letter == letter && directives[i].has_argument == has_argument)
            return &directives[i];
    return NULL;
}

// Behind a percent sign at text.data[0]: how long the directive is, or -EINVAL.
static ssize_t read_directive(struct str text, struct item *item)
{
    size_t at = 1;
    if (at < text.len && text.data[at] == '%') {
        item->text = STR("%");
        return 2;
    }
    if (at < text.len && text.data[at] == '{') {
        ssize_t end = str_find_char(text, '}');
        if (end < 0)
            return -EINVAL;
        item->argument = str_sub(text, 2, (size_t)end - 2);
        if (!http_name_valid(item->argument))
            return -EINVAL;
        at = (size_t)end + 1;
    } else if (at + 1 < text.len && text.data[at] == '>' && text.data[at + 1] == 's') {
        at++;
    }
    if (at < text.len)
        item->directive = find_directive(text.data[at], item->argument.len > 0);
    return item->directive ? (ssize_t)at + 1 : -EINVAL;
}

static int read_items(struct http_access_format *format, struct error *err)
{
    struct str rest = str_from(format->text);
    format->items = mem_new_array(struct item, HTTP_ACCESS_ITEMS_MAX);
    while (rest.len > 0) {
        struct item item = {0};
        if (format->item_count == HTTP_ACCESS_ITEMS_MAX)
            return error_set(err, -E2BIG, "access log format: more than %zu parts",
                             HTTP_ACCESS_ITEMS_MAX);
        ssize_t len = str_find_char(rest, '%');
        if (len == 0) {
            len = read_directive(rest, &item);
            if (len < 0)
                return error_set(err, -EINVAL,
                                 "access log format: `%.*s` begins no directive (%%%% is a "
                                 "percent sign)",
                                 STR_ARG(str_sub(rest, 0, 8)));
        } else {
            len = len < 0 ? (ssize_t)rest.len : len;
            item.text = str_sub(rest, 0, (size_t)len);
        }
        format->items[format->item_count++] = item;
        rest = str_from_index(rest, (size_t)len);
    }
    return 0;
}

int http_access_format_new(struct str text, struct http_access_format **out, struct error *err)
{
    if (text.len == 0 || text.len > HTTP_ACCESS_FORMAT_BYTES_MAX || str_find_char(text, 0) >= 0)
        return error_set(err, -EINVAL, "access log format: expected 1 to %zu characters",
                         HTTP_ACCESS_FORMAT_BYTES_MAX);
    struct http_access_format *format = mem_new(struct http_access_format);
    format->is_json = str_is(text, "json");
    if (str_is(text, "common"))
        text = STR(COMMON);
    else if (str_is(text, "combined"))
        text = STR(COMBINED);
    format->text = str_dup(text);
    int rc = format->is_json ? 0 : read_items(format, err);
    if (rc < 0)
        http_access_format_free(format);
    else
        *out = format;
    return rc;
}

void http_access_format_free(struct http_access_format *format)
{
    if (!format)
        return;
    free(format->items);
    free(format->text);
    free(format);
}

// ---- JSON ---------------------------------------------------------------------------------------

// Bytes that are no UTF-8 become U+FFFD.
static void put_json_text(struct buf *out, const char *key, struct str value)
{
    struct str head = shortened(value);
    buf_putf(out, ",\"%s\":\"", key);
    for (size_t i = 0; i < head.len;) {
        size_t from = i;
        int32_t c = utf8_decode(head, &i);
        if (c < 0) {
            // A character cut by the limit, or none at all.
            buf_put(out, STR("\xEF\xBF\xBD"));
            i++;
        } else if (c == '"' || c == '\\') {
            buf_putf(out, "\\%c", (char)c);
        } else if (c < ' ' || c == 0x7f) {
            buf_putf(out, "\\u%04x", (unsigned)c);
        } else {
            buf_put(out, str_sub(head, from, i - from));
        }
    }
    buf_put(out, head.len < value.len ? STR("...\"") : STR("\""));
}

static void put_json_number(struct buf *out, const char *key, uint64_t value)
{
    buf_putf(out, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void put_json_field(struct buf *out, const char *key, const struct http_access_entry *entry,
                           struct str name)
{
    struct str value = field_of(entry, name);
    if (value.len)
        put_json_text(out, key, value);
}

static void put_json_time(struct buf *out, const struct http_access_entry *entry)
{
    struct tm at = {0};
    (void)parts_of(entry, &at);
    buf_putf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"", at.tm_year + 1900,
             at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec,
             (int)(entry->time_us % 1000000));
}

static void put_json(struct buf *out, const struct http_access_entry *entry)
{
    const struct http_request *request = entry->request;
    char peer[NET_IP_TEXT_BYTES];
    net_endpoint_format_ip(&entry->peer, peer, sizeof(peer));
    put_json_time(out, entry);
    put_json_text(out, "remote_addr", str_from(peer));
    put_json_number(out, "remote_port", entry->peer.port);
    put_json_text(out, "protocol", protocol_of(request));
    put_json_text(out, "scheme", request->scheme);
    put_json_text(out, "method", request->method);
    put_json_text(out, "authority", request->authority);
    put_json_text(out, "target", request->target);
    put_json_number(out, "status", entry->status);
    put_json_number(out, "bytes_received", entry->bytes_received);
    put_json_number(out, "bytes_sent", entry->bytes_sent);
    put_json_number(out, "duration_us", entry->duration_us);
    buf_putf(out, ",\"complete\":%s", entry->cut ? "false" : "true");
    put_json_field(out, "user_agent", entry, STR("user-agent"));
    put_json_field(out, "referer", entry, STR("referer"));
    put_json_field(out, "request_id", entry, STR("x-request-id"));
    put_json_field(out, "traceparent", entry, STR("traceparent"));
    buf_put(out, STR("}"));
}

void http_access_format_line(const struct http_access_format *format,
                             const struct http_access_entry *entry, struct buf *out)
{
    if (format->is_json)
        put_json(out, entry);
    for (size_t i = 0; i < format->item_count; i++) {
        const struct item *item = &format->items[i];
        if (item->directive)
            item->directive->put(out, entry, item->argument);
        else
            buf_put(out, item->text);
    }
    buf_put(out, STR("\n"));
}

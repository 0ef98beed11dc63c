// SPDX-License-Identifier: Apache-2.0
// A request is checked, copied and given to the pool.
#include <errno.h>

#include "http/client_impl.h"
#include "http/uri.h"

#define CONNECT_TIMEOUT_DEFAULT_MS ((uint64_t)60 * 1000)
#define BYTES_TIMEOUT_DEFAULT_MS   ((uint64_t)600 * 1000)

bool http_name_is_framing(struct str name)
{
    // `te` is the one field of the connection that a caller decides.
    return str_eq_nocase(name, STR("content-length")) ||
           (http_name_is_hop_by_hop(name) && !str_eq_nocase(name, STR("te")));
}

static int add_header(struct http_client_request *request, const struct http_field *field,
                      struct error *err)
{
    if (!http_name_valid(field->name))
        return error_set(err, -EINVAL, "invalid field name \"%.*s\"", STR_ARG(field->name));
    if (!http_value_valid(field->value))
        return error_set(err, -EINVAL, "invalid value of field \"%.*s\"", STR_ARG(field->name));
    request->header_bytes += field->name.len + field->value.len + 4;
    if (request->header_bytes > HTTP_CLIENT_HEADER_BYTES_MAX)
        return error_set(err, -E2BIG, "the request's fields exceed %zu bytes",
                         HTTP_CLIENT_HEADER_BYTES_MAX);
    if (http_name_is_framing(field->name))
        return 0;
    if (str_eq_nocase(field->name, STR("expect")) &&
        str_eq_nocase(field->value, STR("100-continue")))
        request->expects_continue = true;
    *vec_push(&request->sent) = (struct http_field){arena_str(&request->arena, field->name),
                                                    arena_str(&request->arena, field->value)};
    return 0;
}

static int add_headers(struct http_client_request *request,
                       const struct http_client_request_options *options, struct error *err)
{
    for (size_t i = 0; i < options->field_count; i++) {
        int rc = add_header(request, &options->fields[i], err);
        if (rc < 0)
            return rc;
    }
    request->header_bytes = 0;
    return 0;
}

// The parts in one piece, with NUL.
static struct str join(struct arena *arena, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = arena_alloc(arena, len + 1), *at = text;
    for (size_t i = 0; i < count; i++)
        at = mempcpy(at, parts[i].data, parts[i].len);
    *at = 0;
    return str_of(text, len);
}

static int set_url(struct http_client_request *request,
                   const struct http_client_request_options *options, struct error *err)
{
    struct uri uri;
    int rc = uri_parse_http(options->url, &uri, err);
    if (rc < 0) {
        error_wrap(err, "invalid URL");
        return rc;
    }
    struct arena *arena = &request->arena;
    const struct uri_authority *authority = &uri.authority;
    uint16_t port = uri_port(uri.scheme, authority);
    bool is_https = str_eq_nocase(uri.scheme, STR("https"));
    request->scheme = is_https ? STR("https") : STR("http");
    request->port = port;
    request->host = join(arena, (struct str[]){authority->host}, 1);
    char port_text[8];
    struct str port_part =
        str_of(port_text, (size_t)snprintf(port_text, sizeof(port_text), "%u", port));
    struct str key[] = {request->scheme, STR("://"), request->host, STR(":"), port_part};
    request->origin_key = join(arena, key, ARRAY_LEN(key));
    bool is_ipv6 = authority->host_kind == URI_HOST_IPV6;
    bool is_default = port == (is_https ? 443 : 80);
    struct str name[] = {is_ipv6 ? STR("[") : STR_EMPTY, request->host,
                         is_ipv6 ? STR("]") : STR_EMPTY, STR(":"), port_part};
    request->authority = join(arena, name, is_default ? 3 : 5);
    struct str target[] = {uri.path.len ? uri.path : STR("/"),
                           uri.query.data ? STR("?") : STR_EMPTY,
                           uri.query.data ? uri.query : STR_EMPTY};
    bool is_asterisk = str_is(options->method, "OPTIONS") && uri.path.len == 0 && !uri.query.data;
    request->target = is_asterisk ? STR("*") : join(arena, target, ARRAY_LEN(target));
    return 0;
}

static int set_method(struct http_client_request *request,
                      const struct http_client_request_options *options, struct error *err)
{
    if (!http_name_valid(options->method))
        return error_set(err, -EINVAL, "invalid method \"%.*s\"", STR_ARG(options->method));
    if (str_is(options->method, "CONNECT"))
        return error_set(err, -EINVAL, "method CONNECT is not supported");
    request->is_head = str_is(options->method, "HEAD");
    if (request->is_head && options->content_length > 0)
        return error_set(err, -EINVAL, "a HEAD request cannot have a body");
    // Methods that anticipate content announce an empty one (RFC 9110 section 8.6).
    static const char *const with_body[] = {"POST", "PUT", "PATCH"};
    request->sends_body = !request->is_head && options->content_length != 0;
    for (size_t i = 0; i < ARRAY_LEN(with_body); i++)
        if (str_is(options->method, with_body[i]))
            request->sends_body = true;
    request->upload_left = request->is_head ? 0 : MAX(options->content_length, -1);
    request->upload_ended = request->upload_left == 0;
    request->upload_length = request->upload_left;
    if (request->upload_length > 0 && request->upload_length < (int64_t)HTTP_CLIENT_BUFFER_BYTES)
        request->upload.cap = (size_t)request->upload_length;
    request->method = arena_str(&request->arena, options->method);
    return 0;
}

static uint64_t timeout_ns(uint64_t ms, uint64_t default_ms)
{
    // A year stands for "never"; it also keeps the product from overflowing.
    const uint64_t ms_max = (uint64_t)365 * 24 * 3600 * 1000;
    return MIN(ms ? ms : default_ms, ms_max) * CLIENT_NS_PER_MS;
}

static struct http_client_request *request_new(struct http_client *client,
                                               const struct http_client_request_options *options)
{
    struct http_client_request *request = mem_new(struct http_client_request);
    request_init(request, client);
    request->events = options->events;
    request->user = options->user;
    request->permits = options->permits;
    request->permits_user = options->permits_user;
    request->connect_timeout_ns =
        timeout_ns(options->connect_timeout_ms, CONNECT_TIMEOUT_DEFAULT_MS);
    request->first_byte_timeout_ns =
        timeout_ns(options->first_byte_timeout_ms, BYTES_TIMEOUT_DEFAULT_MS);
    request->between_bytes_timeout_ns =
        timeout_ns(options->between_bytes_timeout_ms, BYTES_TIMEOUT_DEFAULT_MS);
    request->upload.cap = HTTP_CLIENT_BUFFER_BYTES;
    request->body.cap = HTTP_CLIENT_BUFFER_BYTES;
    return request;
}

int http_client_start(struct http_client *client, const struct http_client_request_options *options,
                      struct http_client_request **out, struct error *err)
{
    struct http_client_request *request = request_new(client, options);
    int rc = set_method(request, options, err);
    if (rc == 0)
        rc = set_url(request, options, err);
    if (rc == 0)
        rc = add_headers(request, options, err);
    if (rc < 0) {
        http_client_request_free(request);
        return rc;
    }
    pool_acquire(request);
    *out = request;
    return 0;
}

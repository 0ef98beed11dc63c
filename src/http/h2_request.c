// SPDX-License-Identifier: Apache-2.0
// Request heads. nghttp2 has checked what makes a message malformed (RFC 9113 section 8.2 and 8.3:
// names, values, pseudo-header fields, fields of the connection, content-length); what is checked
// here is answered with a status, as over HTTP/1.
#include <assert.h>

#include "http/h2_impl.h"

#define PSEUDO_REFS 8u  // values that are kept without a field
#define FIELD_EXTRA 32u // RFC 9113 section 6.5.2

void h2_head_init(struct h2_stream *stream)
{
    struct http_server *server = stream->h2->connection->server;
    void *block = pool_take(&server->h2_heads);
    stream->head = (struct h2_head){
        .fields = block,
        .refs = (nghttp2_rcbuf **)((struct http_field *)block + server->options.fields_max),
        .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY,
    };
    static_assert(H2_HEAD_FIELD_BYTES == sizeof(struct http_field) + 2 * sizeof(nghttp2_rcbuf *) &&
                      H2_HEAD_EXTRA_BYTES == PSEUDO_REFS * sizeof(nghttp2_rcbuf *),
                  "the pool's blocks hold a head");
}

void h2_head_done(struct h2_stream *stream)
{
    struct h2_head *head = &stream->head;
    for (uint32_t i = 0; i < head->ref_count; i++)
        nghttp2_rcbuf_decref(head->refs[i]);
    pool_give(&stream->h2->connection->server->h2_heads, TAKE(head->fields));
    free(TAKE(head->cookie));
    head->ref_count = head->field_count = 0;
}

static struct str text_of(nghttp2_rcbuf *ref)
{
    nghttp2_vec vec = nghttp2_rcbuf_get_buf(ref);
    return str_of((const char *)vec.base, vec.len);
}

static void keep(struct h2_head *head, nghttp2_rcbuf *ref)
{
    if (nghttp2_rcbuf_is_static(ref))
        return;
    nghttp2_rcbuf_incref(ref);
    head->refs[head->ref_count++] = ref;
}

static void fail(struct h2_head *head, enum http_fault fault)
{
    if (head->fault == HTTP_FAULT_NONE)
        head->fault = fault;
}

// nghttp2 lets each of them come once.
static void add_pseudo(struct h2_head *head, struct str name, nghttp2_rcbuf *value)
{
    static const struct {
        struct str name;
        size_t offset;
    } pseudo[] = {
        {STR_INIT(":method"), offsetof(struct h2_head, method)},
        {STR_INIT(":scheme"), offsetof(struct h2_head, scheme)},
        {STR_INIT(":authority"), offsetof(struct h2_head, authority)},
        {STR_INIT(":path"), offsetof(struct h2_head, path)},
    };
    for (size_t i = 0; i < ARRAY_LEN(pseudo); i++) {
        struct str *slot = (struct str *)((char *)head + pseudo[i].offset);
        if (!str_eq(name, pseudo[i].name) || slot->len > 0)
            continue;
        keep(head, value);
        *slot = text_of(value);
    }
}

// RFC 9218 section 4: only the urgency. Streams of one urgency share what can be sent.
static void take_priority(struct h2_head *head, struct str value)
{
    for (struct str member, rest = value; rest.len > 0;) {
        str_cut(rest, ',', &member, &rest);
        member = str_trim(member);
        if (member.len == 3 && str_starts(member, STR("u=")) && member.data[2] >= '0' &&
            member.data[2] <= '7')
            head->urgency = (uint32_t)(member.data[2] - '0');
    }
}

static void take_host(struct h2_head *head, struct str value)
{
    if (head->host.len > 0 || !http_authority_valid(value))
        fail(head, HTTP_FAULT_HOST);
    head->host = value;
}

static void take_content_length(struct h2_head *head, struct str value)
{
    uint64_t length;
    if (head->has_content_length || str_to_u64(value, INT64_MAX, &length) < 0) {
        fail(head, HTTP_FAULT_CONTENT_LENGTH);
        return;
    }
    head->has_content_length = true;
    head->content_length = (int64_t)length;
}

static void take_expect(struct h2_head *head, struct str value)
{
    if (str_eq_nocase(value, STR("100-continue")))
        head->expect_continue = true;
    else
        fail(head, HTTP_FAULT_EXPECT);
}

static void take_content_type(struct h2_head *head, struct str value)
{
    head->grpc = str_starts(value, STR("application/grpc"));
}

static void take_cookie(struct h2_head *head, struct str value)
{
    head->cookies++;
}

static void look_at(struct h2_head *head, struct str name, struct str value)
{
    static const struct {
        struct str name;
        void (*take)(struct h2_head *head, struct str value);
    } known[] = {
        {STR_INIT("host"), take_host},
        {STR_INIT("cookie"), take_cookie},
        {STR_INIT("expect"), take_expect},
        {STR_INIT("priority"), take_priority},
        {STR_INIT("content-type"), take_content_type},
        {STR_INIT("content-length"), take_content_length},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, known[i].name))
            known[i].take(head, value);
}

static bool is_over(struct h2_stream *stream, struct str name, struct str value)
{
    const struct http_parser_limits *limits = &stream->h2->connection->server->limits;
    struct h2_head *head = &stream->head;
    if (name.len + value.len + FIELD_EXTRA > limits->head_bytes_max - head->list_bytes) {
        head->list_bytes = limits->head_bytes_max;
        fail(head, HTTP_FAULT_HEAD_SIZE);
    } else {
        head->list_bytes += (uint32_t)(name.len + value.len + FIELD_EXTRA);
        if (name.data[0] != ':' && head->field_count == limits->fields_max)
            fail(head, HTTP_FAULT_FIELDS_COUNT);
    }
    return head->fault != HTTP_FAULT_NONE;
}

static void add_field(struct h2_head *head, nghttp2_rcbuf *name, nghttp2_rcbuf *value)
{
    keep(head, name);
    keep(head, value);
    head->fields[head->field_count++] = (struct http_field){text_of(name), text_of(value)};
}

void h2_head_add(struct h2_stream *stream, nghttp2_rcbuf *name, nghttp2_rcbuf *value)
{
    struct h2_head *head = &stream->head;
    struct str text = text_of(name);
    if (!head->fields || head->fault || text.len == 0 || is_over(stream, text, text_of(value)))
        return;
    if (stream->state != H2_STREAM_HEAD) {
        if (http_forbidden_in_trailers(text))
            return;
        stream->exchange.body.trailer_count++;
        add_field(head, name, value);
    } else if (text.data[0] == ':') {
        add_pseudo(head, text, value);
    } else {
        look_at(head, text, text_of(value));
        add_field(head, name, value);
    }
}

// ---- what the parts mean together ---------------------------------------------------------------

static struct str without_default_port(struct str authority, struct str scheme)
{
    struct str port = str_is(scheme, "https") ? STR(":443") : STR(":80");
    if (str_ends(authority, port))
        return str_sub(authority, 0, authority.len - port.len);
    return authority;
}

// RFC 9113 section 8.3.1: a Host field that names another entity makes the request malformed.
static enum http_fault check_authority(struct h2_head *head)
{
    if (head->authority.len == 0) {
        head->authority = head->host;
        return head->host.len ? HTTP_FAULT_NONE : HTTP_FAULT_HOST_MISSING;
    }
    if (!http_authority_valid(head->authority))
        return HTTP_FAULT_HOST;
    bool same =
        head->host.len == 0 || str_eq_nocase(without_default_port(head->host, head->scheme),
                                             without_default_port(head->authority, head->scheme));
    return same ? HTTP_FAULT_NONE : HTTP_FAULT_HOST;
}

static enum http_fault check_target(const struct h2_head *head, uint32_t bytes_max)
{
    struct str path = head->path;
    if (!str_is(head->scheme, "http") && !str_is(head->scheme, "https"))
        return HTTP_FAULT_TARGET;
    if (path.len > bytes_max)
        return HTTP_FAULT_REQUEST_LINE_SIZE;
    if (str_is(path, "*"))
        return str_is(head->method, "OPTIONS") ? HTTP_FAULT_NONE : HTTP_FAULT_TARGET;
    if (path.len == 0 || path.data[0] != '/')
        return HTTP_FAULT_TARGET;
    // As in an HTTP/1 request line: no space, no control, nothing beyond ASCII, no fragment.
    for (size_t i = 0; i < path.len; i++)
        if (path.data[i] <= ' ' || path.data[i] >= 0x7f || path.data[i] == '#')
            return HTTP_FAULT_TARGET;
    return HTTP_FAULT_NONE;
}

// RFC 9113 section 8.2.3: the crumbs are one field again, in the place of the first.
static void join_cookies(struct h2_head *head)
{
    struct http_field *joined = NULL;
    uint32_t kept = 0;
    size_t len = 0;
    head->cookie = mem_alloc(head->list_bytes);
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct http_field field = head->fields[i];
        if (!str_is(field.name, "cookie")) {
            head->fields[kept++] = field;
            continue;
        }
        if (joined && field.value.len == 0)
            continue; // nothing to separate
        if (joined && len > 0) {
            memcpy(head->cookie + len, "; ", 2);
            len += 2;
        } else if (!joined) {
            joined = &head->fields[kept++];
            joined->name = field.name;
        }
        if (field.value.len)
            memcpy(head->cookie + len, field.value.data, field.value.len);
        len += field.value.len;
        joined->value = str_of(head->cookie, len);
    }
    head->field_count = kept;
}

static enum http_fault conclude(const struct h2_stream *stream, struct h2_head *head)
{
    if (str_is(head->method, "CONNECT"))
        return HTTP_FAULT_METHOD_UNSUPPORTED;
    enum http_fault fault =
        check_target(head, stream->h2->connection->server->limits.request_line_bytes_max);
    if (fault)
        return fault;
    if (head->cookies > 1)
        join_cookies(head);
    return check_authority(head);
}

void h2_head_conclude(struct h2_stream *stream, bool has_body)
{
    struct h2_head *head = &stream->head;
    if (!head->fault)
        head->fault = conclude(stream, head);
    const struct http_server_options *options = &stream->h2->connection->server->options;
    if (options->request_ids && !head->fault)
        head->field_count = (uint32_t)trace_context_complete(
            &stream->exchange.trace, head->fields, head->field_count, options->fields_max);
    int64_t length = has_body && !head->has_content_length ? -1 : head->content_length;
    stream->exchange.request = (struct http_request){
        .method = head->method,
        .target = head->path,
        .authority = head->authority,
        .scheme = stream->h2->connection->stream.tls ? STR("https") : head->scheme,
        .fields = head->fields,
        .field_count = head->field_count,
        .content_length = length,
        .version_major = 2,
    };
    stream->exchange.body.continue_due = has_body && head->expect_continue;
}

// SPDX-License-Identifier: Apache-2.0
// request, response and request-options of wasi:http/types 0.3.
#include <assert.h>
#include <errno.h>

#include "http/uri.h"
#include "wasi/p3_http.h"

static_assert((int)P3_HTTP_TYPES_METHOD_OTHER == (int)P2_HTTP_TYPES_METHOD_OTHER,
              "methods have other numbers");
static_assert((int)P3_HTTP_TYPES_SCHEME_OTHER == (int)P2_HTTP_TYPES_SCHEME_OTHER,
              "schemes have other numbers");

static struct p2_http_types_method method_p2(const struct p3_http_types_method *method)
{
    struct p2_http_types_method out = {.tag = (enum p2_http_types_method_tag)method->tag};
    if (method->tag == P3_HTTP_TYPES_METHOD_OTHER)
        out.other = method->other;
    return out;
}

static void method_p3(const struct p2_http_types_method *method, struct p3_http_types_method *out)
{
    out->tag = (enum p3_http_types_method_tag)method->tag;
    if (method->tag == P2_HTTP_TYPES_METHOD_OTHER)
        out->other = method->other;
}

static struct p2_option_http_types_scheme scheme_p2(
    const struct p3_option_http_types_scheme *scheme)
{
    struct p2_option_http_types_scheme out = {.is_some = scheme->is_some};
    out.some.tag = (enum p2_http_types_scheme_tag)scheme->some.tag;
    if (scheme->is_some && scheme->some.tag == P3_HTTP_TYPES_SCHEME_OTHER)
        out.some.other = scheme->some.other;
    return out;
}

static void scheme_p3(const struct p2_option_http_types_scheme *scheme,
                      struct p3_option_http_types_scheme *out)
{
    out->is_some = scheme->is_some;
    out->some.tag = (enum p3_http_types_scheme_tag)scheme->some.tag;
    if (scheme->is_some && scheme->some.tag == P2_HTTP_TYPES_SCHEME_OTHER)
        out->some.other = scheme->some.other;
}

static struct p3_http_types_fields *view_of(struct message *message)
{
    struct p2_http_types_fields *view = fields_view_new(&message->fields, message, NULL);
    return container_of(view, struct p3_http_types_fields, fields);
}

static struct p3_future *sent_future(struct canon_call *call, struct stream **out)
{
    return p3_future_new(call->async, &p3_codec_result_void_http_types_error_code, NULL, out);
}

// ---- request ------------------------------------------------------------------------------------

struct p3_http_types_request *p3_request_received(struct p2_http_types_incoming_request *received)
{
    struct p3_http_types_request *request = mem_new(struct p3_http_types_request);
    request->received = received;
    return request;
}

static void request_free(struct p3_http_types_request *self)
{
    if (self->received)
        message_unref(incoming_request_message(self->received));
    if (self->made)
        message_unref(&self->made->out.message);
    p3_contents_drop(&self->contents);
    free(self);
}

int p3_http_types_request_drop(struct canon_call *call, struct p3_http_types_request *self)
{
    request_free(self);
    return 0;
}

int p3_http_types_request_new(
    struct canon_call *call, struct p3_http_types_fields *headers,
    struct p3_option_stream_u8 contents, struct stream *trailers,
    struct p3_option_http_types_request_options options,
    struct p3_tuple_http_types_request_future_result_void_http_types_error_code *ret)
{
    struct p3_http_types_request *self = mem_new(struct p3_http_types_request);
    int rc = p2_http_types_outgoing_request_constructor(call, &headers->fields, &self->made);
    self->contents.bytes = contents.is_some ? contents.some : NULL;
    self->contents.trailers = trailers;
    self->has_options = options.is_some;
    if (options.is_some) {
        self->options = (struct p3_http_types_request_options){options.some->options, true};
        free(options.some);
    }
    if (rc < 0) {
        request_free(self);
        return rc;
    }
    self->contents.sent = sent_future(call, &ret->f1);
    ret->f0 = self;
    return 0;
}

// The head as one that can be changed and sent.
static int make(struct canon_call *call, struct p3_http_types_request *self)
{
    if (self->made)
        return 0;
    struct p2_http_types_fields *headers = NULL;
    struct p2_http_types_method method = {0};
    struct p2_option_string path = {0}, authority = {0};
    struct p2_option_http_types_scheme scheme = {0};
    struct p2_result_void_void ignored = {0};
    int rc = p2_http_types_incoming_request_headers(call, self->received, &headers);
    if (rc == 0)
        rc = p2_http_types_outgoing_request_constructor(call, headers, &self->made);
    if (rc < 0)
        return rc;
    (void)p2_http_types_incoming_request_method(call, self->received, &method);
    (void)p2_http_types_incoming_request_path_with_query(call, self->received, &path);
    (void)p2_http_types_incoming_request_authority(call, self->received, &authority);
    (void)p2_http_types_incoming_request_scheme(call, self->received, &scheme);
    (void)p2_http_types_outgoing_request_set_method(call, self->made, &method, &ignored);
    (void)p2_http_types_outgoing_request_set_path_with_query(call, self->made, path, &ignored);
    (void)p2_http_types_outgoing_request_set_authority(call, self->made, authority, &ignored);
    (void)p2_http_types_outgoing_request_set_scheme(call, self->made, scheme, &ignored);
    return 0;
}

int p3_http_types_request_get_method(struct canon_call *call, struct p3_http_types_request *self,
                                     struct p3_http_types_method *ret)
{
    struct p2_http_types_method method = {0};
    int rc = self->made ? p2_http_types_outgoing_request_method(call, self->made, &method)
                        : p2_http_types_incoming_request_method(call, self->received, &method);
    method_p3(&method, ret);
    return rc;
}

int p3_http_types_request_set_method(struct canon_call *call, struct p3_http_types_request *self,
                                     const struct p3_http_types_method *method,
                                     struct p3_result_void_void *ret)
{
    struct p2_result_void_void result = {0};
    struct p2_http_types_method given = method_p2(method);
    int rc = make(call, self);
    if (rc == 0)
        rc = p2_http_types_outgoing_request_set_method(call, self->made, &given, &result);
    ret->is_err = result.is_err;
    return rc;
}

int p3_http_types_request_get_scheme(struct canon_call *call, struct p3_http_types_request *self,
                                     struct p3_option_http_types_scheme *ret)
{
    struct p2_option_http_types_scheme scheme = {0};
    int rc = self->made ? p2_http_types_outgoing_request_scheme(call, self->made, &scheme)
                        : p2_http_types_incoming_request_scheme(call, self->received, &scheme);
    scheme_p3(&scheme, ret);
    return rc;
}

int p3_http_types_request_set_scheme(struct canon_call *call, struct p3_http_types_request *self,
                                     struct p3_option_http_types_scheme scheme,
                                     struct p3_result_void_void *ret)
{
    struct p2_result_void_void result = {0};
    int rc = make(call, self);
    if (rc == 0)
        rc = p2_http_types_outgoing_request_set_scheme(call, self->made, scheme_p2(&scheme),
                                                       &result);
    ret->is_err = result.is_err;
    return rc;
}

#define REQUEST_TEXT(name)                                                                         \
    int p3_http_types_request_get_##name(                                                          \
        struct canon_call *call, struct p3_http_types_request *self, struct p3_option_string *ret) \
    {                                                                                              \
        struct p2_option_string text = {0};                                                        \
        int rc = self->made ? p2_http_types_outgoing_request_##name(call, self->made, &text)       \
                            : p2_http_types_incoming_request_##name(call, self->received, &text);  \
        *ret = (struct p3_option_string){text.is_some, text.some};                                 \
        return rc;                                                                                 \
    }                                                                                              \
    static int set_##name(struct canon_call *call, struct p3_http_types_request *self,             \
                          struct p3_option_string text, struct p3_result_void_void *ret)           \
    {                                                                                              \
        struct p2_result_void_void result = {0};                                                   \
        struct p2_option_string given = {text.is_some, text.some};                                 \
        int rc = make(call, self);                                                                 \
        if (rc == 0)                                                                               \
            rc = p2_http_types_outgoing_request_set_##name(call, self->made, given, &result);      \
        ret->is_err = result.is_err;                                                               \
        return rc;                                                                                 \
    }

REQUEST_TEXT(path_with_query)
REQUEST_TEXT(authority)

// "a/b?c" is a path as well (RFC 3986 section 3.3), though none that can be sent.
static bool is_rootless_path(struct arena *arena, struct p3_option_string path)
{
    if (!path.is_some || path.some.len == 0 || path.some.len > HTTP_GUEST_TEXT_BYTES_MAX ||
        path.some.data[0] == '/')
        return false;
    return http_path_valid(arena_printf(arena, "/%.*s", STR_ARG(path.some)));
}

int p3_http_types_request_set_path_with_query(struct canon_call *call,
                                              struct p3_http_types_request *self,
                                              struct p3_option_string path_with_query,
                                              struct p3_result_void_void *ret)
{
    if (path_with_query.is_some && path_with_query.some.len == 0)
        path_with_query.some = STR("/"); // RFC 9110 section 4.2.3
    int rc = set_path_with_query(call, self, path_with_query, ret);
    if (rc < 0 || !ret->is_err || !is_rootless_path(call->arena, path_with_query))
        return rc;
    ret->is_err = false;
    free(self->made->path);
    self->made->path = str_dup(path_with_query.some);
    return 0;
}

// User information is part of an authority (RFC 3986 section 3.2), though of none that can be sent.
static bool is_authority_with_user(struct arena *arena, struct p3_option_string authority)
{
    struct uri uri;
    if (!authority.is_some || authority.some.len > HTTP_GUEST_TEXT_BYTES_MAX ||
        uri_parse(arena_printf(arena, "http://%.*s/", STR_ARG(authority.some)), &uri, NULL) < 0)
        return false;
    return uri.authority.userinfo.data && uri.authority.host.len > 0 &&
           uri.authority_text.len == authority.some.len;
}

int p3_http_types_request_set_authority(struct canon_call *call, struct p3_http_types_request *self,
                                        struct p3_option_string authority,
                                        struct p3_result_void_void *ret)
{
    int rc = set_authority(call, self, authority, ret);
    if (rc < 0 || !ret->is_err || !is_authority_with_user(call->arena, authority))
        return rc;
    ret->is_err = false;
    free(self->made->authority);
    self->made->authority = str_dup(authority.some);
    return 0;
}

int p3_http_types_request_get_options(struct canon_call *call, struct p3_http_types_request *self,
                                      struct p3_option_http_types_request_options *ret)
{
    ret->is_some = self->has_options;
    if (self->has_options) {
        ret->some = mem_new(struct p3_http_types_request_options);
        *ret->some = self->options;
    }
    return 0;
}

int p3_http_types_request_get_headers(struct canon_call *call, struct p3_http_types_request *self,
                                      struct p3_http_types_fields **ret)
{
    struct p2_http_types_fields *fields = NULL;
    if (self->made) {
        *ret = view_of(&self->made->out.message);
        return 0;
    }
    int rc = p2_http_types_incoming_request_headers(call, self->received, &fields);
    if (rc == 0)
        *ret = container_of(fields, struct p3_http_types_fields, fields);
    return rc;
}

// Contents that become the guest's again.
static int contents_back(struct canon_call *call, struct p3_contents *contents, struct stream *res,
                         struct stream **bytes, struct stream **trailers)
{
    *bytes = contents->bytes ? contents->bytes : p3_stream_ended(call, &p3_codec_u8);
    *trailers = contents->trailers;
    struct p3_future *sent = contents->sent;
    *contents = (struct p3_contents){0};
    return p3_body_verdict(res, sent);
}

static int consume_request(struct canon_call *call, struct p3_http_types_request *self,
                           struct p3_contents *contents)
{
    struct p2_result_http_types_incoming_body_void body = {0};
    int rc = p2_http_types_incoming_request_consume(call, self->received, &body);
    if (rc == 0)
        p3_body_receive(call, body.ok, &contents->bytes, &contents->trailers);
    return rc;
}

int p3_http_types_request_consume_body(
    struct canon_call *call, struct p3_http_types_request *this, struct stream *res,
    struct p3_tuple_stream_u8_future_result_option_http_types_fields_http_types_error_code *ret)
{
    int rc = this->received ? consume_request(call, this, &this->contents) : 0;
    if (rc == 0)
        rc = contents_back(call, &this->contents, res, &ret->f0, &ret->f1);
    request_free(this);
    return rc;
}

// Sending changes the fields; views of them stay as they are.
static int unshare_request(struct canon_call *call, struct p2_http_types_outgoing_request **made)
{
    struct p2_http_types_outgoing_request *old = *made, *copy = NULL;
    struct message *message = &old->out.message;
    if (message->refs == 1)
        return 0;
    int rc = p2_http_types_outgoing_request_constructor(
        call, fields_view_new(&message->fields, message, NULL), &copy);
    if (rc < 0)
        return rc;
    copy->method = old->method;
    copy->scheme = old->scheme;
    copy->has_scheme = old->has_scheme;
    copy->method_other = TAKE(old->method_other);
    copy->scheme_other = TAKE(old->scheme_other);
    copy->path = TAKE(old->path);
    copy->authority = TAKE(old->authority);
    message_unref(message);
    *made = copy;
    return 0;
}

int p3_request_take(struct canon_call *call, struct p3_http_types_request *request,
                    struct p2_http_types_outgoing_request **head, struct p3_contents *contents)
{
    int rc = make(call, request);
    if (rc == 0 && request->received)
        rc = consume_request(call, request, &request->contents);
    if (rc == 0)
        rc = unshare_request(call, &request->made);
    if (rc == 0) {
        *head = TAKE(request->made);
        *contents = request->contents;
        request->contents = (struct p3_contents){0};
    }
    request_free(request);
    return rc;
}

// ---- response -----------------------------------------------------------------------------------

struct p3_http_types_response *p3_response_received(
    struct p2_http_types_incoming_response *received)
{
    struct p3_http_types_response *response = mem_new(struct p3_http_types_response);
    response->received = received;
    return response;
}

static void response_free(struct p3_http_types_response *self)
{
    if (self->received)
        message_unref(incoming_response_message(self->received));
    if (self->made)
        message_unref(&self->made->out.message);
    p3_contents_drop(&self->contents);
    free(self);
}

int p3_http_types_response_drop(struct canon_call *call, struct p3_http_types_response *self)
{
    response_free(self);
    return 0;
}

int p3_http_types_response_new(
    struct canon_call *call, struct p3_http_types_fields *headers,
    struct p3_option_stream_u8 contents, struct stream *trailers,
    struct p3_tuple_http_types_response_future_result_void_http_types_error_code *ret)
{
    struct p3_http_types_response *self = mem_new(struct p3_http_types_response);
    int rc = p2_http_types_outgoing_response_constructor(call, &headers->fields, &self->made);
    self->contents.bytes = contents.is_some ? contents.some : NULL;
    self->contents.trailers = trailers;
    if (rc < 0) {
        response_free(self);
        return rc;
    }
    self->contents.sent = sent_future(call, &ret->f1);
    ret->f0 = self;
    return 0;
}

static int make_response(struct canon_call *call, struct p3_http_types_response *self)
{
    struct p2_http_types_fields *headers = NULL;
    if (self->made)
        return 0;
    int rc = p2_http_types_incoming_response_headers(call, self->received, &headers);
    if (rc == 0)
        rc = p2_http_types_outgoing_response_constructor(call, headers, &self->made);
    if (rc == 0)
        rc = p2_http_types_incoming_response_status(call, self->received, &self->made->status);
    return rc;
}

int p3_http_types_response_get_status_code(struct canon_call *call,
                                           struct p3_http_types_response *self, uint16_t *ret)
{
    return self->made ? p2_http_types_outgoing_response_status_code(call, self->made, ret)
                      : p2_http_types_incoming_response_status(call, self->received, ret);
}

int p3_http_types_response_set_status_code(struct canon_call *call,
                                           struct p3_http_types_response *self,
                                           uint16_t status_code, struct p3_result_void_void *ret)
{
    ret->is_err = status_code < 100 || status_code > 599; // RFC 9110 section 15
    if (ret->is_err)
        return 0;
    struct p2_result_void_void result = {0};
    int rc = make_response(call, self);
    return rc < 0 ? rc
                  : p2_http_types_outgoing_response_set_status_code(call, self->made, status_code,
                                                                    &result);
}

int p3_http_types_response_get_headers(struct canon_call *call, struct p3_http_types_response *self,
                                       struct p3_http_types_fields **ret)
{
    *ret =
        view_of(self->made ? &self->made->out.message : incoming_response_message(self->received));
    return 0;
}

static int consume_response(struct canon_call *call, struct p3_http_types_response *self,
                            struct p3_contents *contents)
{
    struct p2_result_http_types_incoming_body_void body = {0};
    int rc = p2_http_types_incoming_response_consume(call, self->received, &body);
    if (rc == 0)
        p3_body_receive(call, body.ok, &contents->bytes, &contents->trailers);
    return rc;
}

int p3_http_types_response_consume_body(
    struct canon_call *call, struct p3_http_types_response *this, struct stream *res,
    struct p3_tuple_stream_u8_future_result_option_http_types_fields_http_types_error_code *ret)
{
    int rc = this->received ? consume_response(call, this, &this->contents) : 0;
    if (rc == 0)
        rc = contents_back(call, &this->contents, res, &ret->f0, &ret->f1);
    response_free(this);
    return rc;
}

static int unshare_response(struct canon_call *call, struct p2_http_types_outgoing_response **made)
{
    struct p2_http_types_outgoing_response *old = *made, *copy = NULL;
    struct message *message = &old->out.message;
    if (message->refs == 1)
        return 0;
    int rc = p2_http_types_outgoing_response_constructor(
        call, fields_view_new(&message->fields, message, NULL), &copy);
    if (rc < 0)
        return rc;
    copy->status = old->status;
    message_unref(message);
    *made = copy;
    return 0;
}

int p3_response_take(struct canon_call *call, struct p3_http_types_response *response,
                     struct p2_http_types_outgoing_response **head, struct p3_contents *contents)
{
    int rc = make_response(call, response);
    if (rc == 0 && response->received)
        rc = consume_response(call, response, &response->contents);
    if (rc == 0)
        rc = unshare_response(call, &response->made);
    if (rc == 0) {
        *head = TAKE(response->made);
        *contents = response->contents;
        response->contents = (struct p3_contents){0};
    }
    response_free(response);
    return rc;
}

// ---- request-options ----------------------------------------------------------------------------

int p3_http_types_request_options_constructor(struct canon_call *call,
                                              struct p3_http_types_request_options **ret)
{
    *ret = mem_new(struct p3_http_types_request_options);
    return 0;
}

int p3_http_types_request_options_drop(struct canon_call *call,
                                       struct p3_http_types_request_options *self)
{
    free(self);
    return 0;
}

int p3_http_types_request_options_clone(struct canon_call *call,
                                        struct p3_http_types_request_options *self,
                                        struct p3_http_types_request_options **ret)
{
    *ret = mem_new(struct p3_http_types_request_options);
    (*ret)->options = self->options;
    return 0;
}

#define REQUEST_OPTION(name, member)                                                               \
    int p3_http_types_request_options_get_##name(struct canon_call *call,                          \
                                                 struct p3_http_types_request_options *self,       \
                                                 struct p3_option_u64 *ret)                        \
    {                                                                                              \
        *ret = (struct p3_option_u64){self->options.member.is_some, self->options.member.some};    \
        return 0;                                                                                  \
    }                                                                                              \
    int p3_http_types_request_options_set_##name(                                                  \
        struct canon_call *call, struct p3_http_types_request_options *self,                       \
        struct p3_option_u64 duration,                                                             \
        struct p3_result_void_http_types_request_options_error *ret)                               \
    {                                                                                              \
        ret->is_err = self->immutable;                                                             \
        ret->err.tag = P3_HTTP_TYPES_REQUEST_OPTIONS_ERROR_IMMUTABLE;                              \
        if (!self->immutable)                                                                      \
            self->options.member = (struct p2_option_u64){duration.is_some, duration.some};        \
        return 0;                                                                                  \
    }

REQUEST_OPTION(connect_timeout, connect_ns)
REQUEST_OPTION(first_byte_timeout, first_byte_ns)
REQUEST_OPTION(between_bytes_timeout, between_bytes_ns)

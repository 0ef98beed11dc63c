// SPDX-License-Identifier: Apache-2.0
// outgoing-request, outgoing-response and request-options of wasi:http/types.
#include <errno.h>

#include "http/uri.h"
#include "wasi/p2_http.h"

static const struct str method_names[] = {
    [P2_HTTP_TYPES_METHOD_GET] = STR_INIT("GET"),
    [P2_HTTP_TYPES_METHOD_HEAD] = STR_INIT("HEAD"),
    [P2_HTTP_TYPES_METHOD_POST] = STR_INIT("POST"),
    [P2_HTTP_TYPES_METHOD_PUT] = STR_INIT("PUT"),
    [P2_HTTP_TYPES_METHOD_DELETE] = STR_INIT("DELETE"),
    [P2_HTTP_TYPES_METHOD_CONNECT] = STR_INIT("CONNECT"),
    [P2_HTTP_TYPES_METHOD_OPTIONS] = STR_INIT("OPTIONS"),
    [P2_HTTP_TYPES_METHOD_TRACE] = STR_INIT("TRACE"),
    [P2_HTTP_TYPES_METHOD_PATCH] = STR_INIT("PATCH"),
};

struct p2_http_types_method http_method_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(method_names); i++)
        if (str_eq(name, method_names[i]))
            return (struct p2_http_types_method){.tag = (enum p2_http_types_method_tag)i};
    return (struct p2_http_types_method){P2_HTTP_TYPES_METHOD_OTHER, {.other = name}};
}

struct p2_http_types_scheme http_scheme_of(struct str name)
{
    if (str_eq_nocase(name, STR("http")))
        return (struct p2_http_types_scheme){.tag = P2_HTTP_TYPES_SCHEME_HTTP};
    if (str_eq_nocase(name, STR("https")))
        return (struct p2_http_types_scheme){.tag = P2_HTTP_TYPES_SCHEME_HTTPS};
    return (struct p2_http_types_scheme){P2_HTTP_TYPES_SCHEME_OTHER, {.other = name}};
}

static void replace(char **slot, struct str text)
{
    free(*slot);
    *slot = str_dup(text);
}

// ---- outgoing-response --------------------------------------------------------------------------

static void response_free(struct message *message)
{
    struct p2_http_types_outgoing_response *response =
        container_of(message, struct p2_http_types_outgoing_response, out.message);
    outgoing_done(&response->out);
    free(response);
}

int p2_http_types_outgoing_response_constructor(struct canon_call *call,
                                                struct p2_http_types_fields *headers,
                                                struct p2_http_types_outgoing_response **ret)
{
    int rc = http_check_bytes(call);
    if (rc < 0) {
        fields_free(headers);
        return rc;
    }
    struct p2_http_types_outgoing_response *response =
        mem_alloc(sizeof(struct p2_http_types_outgoing_response));
    outgoing_init(&response->out, wasi_of(call), response_free);
    response->out.is_response = true;
    fields_take(call, headers, &response->out.message.fields);
    response->status = 200;
    message_ref(&response->out.message);
    *ret = response;
    return 0;
}

int p2_http_types_outgoing_response_status_code(struct canon_call *call,
                                                struct p2_http_types_outgoing_response *self,
                                                uint16_t *ret)
{
    *ret = self->status;
    return 0;
}

// Three digits. That 1xx cannot end a response is found when it is sent.
int p2_http_types_outgoing_response_set_status_code(struct canon_call *call,
                                                    struct p2_http_types_outgoing_response *self,
                                                    uint16_t status_code,
                                                    struct p2_result_void_void *ret)
{
    ret->is_err = status_code < 100 || status_code > 999;
    if (!ret->is_err)
        self->status = status_code;
    return 0;
}

int p2_http_types_outgoing_response_headers(struct canon_call *call,
                                            struct p2_http_types_outgoing_response *self,
                                            struct p2_http_types_fields **ret)
{
    struct message *message = &self->out.message;
    *ret = fields_view_new(&message->fields, message, &message->own);
    return 0;
}

int p2_http_types_outgoing_response_body(struct canon_call *call,
                                         struct p2_http_types_outgoing_response *self,
                                         struct p2_result_http_types_outgoing_body_void *ret)
{
    outgoing_take_body(&self->out, ret);
    return 0;
}

int p2_http_types_outgoing_response_drop(struct canon_call *call,
                                         struct p2_http_types_outgoing_response *self)
{
    if (self->out.message.own.children && !call->teardown)
        return canon_trap(call, "wasi:http outgoing-response dropped before its headers");
    message_unref(&self->out.message);
    return 0;
}

// ---- outgoing-request ---------------------------------------------------------------------------

static void request_free(struct message *message)
{
    struct p2_http_types_outgoing_request *request =
        container_of(message, struct p2_http_types_outgoing_request, out.message);
    outgoing_done(&request->out);
    free(request->method_other);
    free(request->scheme_other);
    free(request->path);
    free(request->authority);
    free(request);
}

int p2_http_types_outgoing_request_constructor(struct canon_call *call,
                                               struct p2_http_types_fields *headers,
                                               struct p2_http_types_outgoing_request **ret)
{
    int rc = http_check_bytes(call);
    if (rc < 0) {
        fields_free(headers);
        return rc;
    }
    struct p2_http_types_outgoing_request *request = mem_new(struct p2_http_types_outgoing_request);
    outgoing_init(&request->out, wasi_of(call), request_free);
    fields_take(call, headers, &request->out.message.fields);
    request->method = P2_HTTP_TYPES_METHOD_GET;
    message_ref(&request->out.message);
    *ret = request;
    return 0;
}

int p2_http_types_outgoing_request_drop(struct canon_call *call,
                                        struct p2_http_types_outgoing_request *self)
{
    if (self->out.message.own.children && !call->teardown)
        return canon_trap(call, "wasi:http outgoing-request dropped before its headers");
    message_unref(&self->out.message);
    return 0;
}

int p2_http_types_outgoing_request_body(struct canon_call *call,
                                        struct p2_http_types_outgoing_request *self,
                                        struct p2_result_http_types_outgoing_body_void *ret)
{
    outgoing_take_body(&self->out, ret);
    return 0;
}

struct str outgoing_request_method(const struct p2_http_types_outgoing_request *request)
{
    return request->method == P2_HTTP_TYPES_METHOD_OTHER ? str_from(request->method_other)
                                                         : method_names[request->method];
}

int p2_http_types_outgoing_request_method(struct canon_call *call,
                                          struct p2_http_types_outgoing_request *self,
                                          struct p2_http_types_method *ret)
{
    *ret = (struct p2_http_types_method){.tag = self->method};
    if (self->method == P2_HTTP_TYPES_METHOD_OTHER)
        ret->other = str_from(self->method_other);
    return 0;
}

int p2_http_types_outgoing_request_set_method(struct canon_call *call,
                                              struct p2_http_types_outgoing_request *self,
                                              const struct p2_http_types_method *method,
                                              struct p2_result_void_void *ret)
{
    struct p2_http_types_method known = *method;
    if (method->tag == P2_HTTP_TYPES_METHOD_OTHER) {
        ret->is_err =
            method->other.len > HTTP_GUEST_TEXT_BYTES_MAX || !http_name_valid(method->other);
        if (ret->is_err)
            return 0;
        known = http_method_of(method->other); // "GET" as other is GET
    }
    if (known.tag == P2_HTTP_TYPES_METHOD_OTHER)
        replace(&self->method_other, known.other);
    self->method = known.tag;
    return 0;
}

int p2_http_types_outgoing_request_path_with_query(struct canon_call *call,
                                                   struct p2_http_types_outgoing_request *self,
                                                   struct p2_option_string *ret)
{
    *ret = (struct p2_option_string){self->path != NULL, str_from(self->path)};
    return 0;
}

bool http_path_valid(struct str path)
{
    ssize_t query = str_find_char(path, '?');
    if (path.len > HTTP_GUEST_TEXT_BYTES_MAX ||
        str_find_char(query < 0 ? path : str_sub(path, 0, (size_t)query), '`') >= 0)
        return false;
    if (!path.len || str_eq(path, STR("*")))
        return true;
    if (path.data[0] != '?')
        return uri_path_with_query_valid(path);
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.data[i];
        if (c <= ' ' || c == 0x7f || c == '#' || c == '<' || c == '>')
            return false;
    }
    return true;
}

int p2_http_types_outgoing_request_set_path_with_query(struct canon_call *call,
                                                       struct p2_http_types_outgoing_request *self,
                                                       struct p2_option_string path_with_query,
                                                       struct p2_result_void_void *ret)
{
    ret->is_err = path_with_query.is_some && !http_path_valid(path_with_query.some);
    if (ret->is_err)
        return 0;
    free(self->path);
    self->path = path_with_query.is_some ? str_dup(path_with_query.some) : NULL;
    return 0;
}

int p2_http_types_outgoing_request_scheme(struct canon_call *call,
                                          struct p2_http_types_outgoing_request *self,
                                          struct p2_option_http_types_scheme *ret)
{
    ret->is_some = self->has_scheme;
    ret->some.tag = self->scheme;
    if (self->has_scheme && self->scheme == P2_HTTP_TYPES_SCHEME_OTHER)
        ret->some.other = str_from(self->scheme_other);
    return 0;
}

int p2_http_types_outgoing_request_set_scheme(struct canon_call *call,
                                              struct p2_http_types_outgoing_request *self,
                                              struct p2_option_http_types_scheme scheme,
                                              struct p2_result_void_void *ret)
{
    struct p2_http_types_scheme known = scheme.some;
    if (scheme.is_some && known.tag == P2_HTTP_TYPES_SCHEME_OTHER) {
        ret->is_err = known.other.len > HTTP_GUEST_TEXT_BYTES_MAX || !uri_scheme_valid(known.other);
        if (ret->is_err)
            return 0;
        known = http_scheme_of(known.other);
        if (known.tag == P2_HTTP_TYPES_SCHEME_OTHER)
            replace(&self->scheme_other, known.other);
    }
    self->has_scheme = scheme.is_some;
    self->scheme = known.tag;
    return 0;
}

int p2_http_types_outgoing_request_authority(struct canon_call *call,
                                             struct p2_http_types_outgoing_request *self,
                                             struct p2_option_string *ret)
{
    *ret = (struct p2_option_string){self->authority != NULL, str_from(self->authority)};
    return 0;
}

// User information is refused as in every http URI (RFC 9110 section 4.2.4).
int p2_http_types_outgoing_request_set_authority(struct canon_call *call,
                                                 struct p2_http_types_outgoing_request *self,
                                                 struct p2_option_string authority,
                                                 struct p2_result_void_void *ret)
{
    struct uri_authority parts;
    ret->is_err = authority.is_some && (authority.some.len > HTTP_GUEST_TEXT_BYTES_MAX ||
                                        uri_parse_authority(authority.some, &parts, NULL) < 0);
    if (ret->is_err)
        return 0;
    free(self->authority);
    self->authority = authority.is_some ? str_dup(authority.some) : NULL;
    return 0;
}

int p2_http_types_outgoing_request_headers(struct canon_call *call,
                                           struct p2_http_types_outgoing_request *self,
                                           struct p2_http_types_fields **ret)
{
    struct message *message = &self->out.message;
    *ret = fields_view_new(&message->fields, message, &message->own);
    return 0;
}

// ---- request-options ----------------------------------------------------------------------------

int p2_http_types_request_options_constructor(struct canon_call *call,
                                              struct p2_http_types_request_options **ret)
{
    *ret = mem_new(struct p2_http_types_request_options);
    return 0;
}

int p2_http_types_request_options_drop(struct canon_call *call,
                                       struct p2_http_types_request_options *self)
{
    free(self);
    return 0;
}

#define REQUEST_OPTION(name, member)                                                               \
    int p2_http_types_request_options_##name(struct canon_call *call,                              \
                                             struct p2_http_types_request_options *self,           \
                                             struct p2_option_u64 *ret)                            \
    {                                                                                              \
        *ret = self->member;                                                                       \
        return 0;                                                                                  \
    }                                                                                              \
    int p2_http_types_request_options_set_##name(                                                  \
        struct canon_call *call, struct p2_http_types_request_options *self,                       \
        struct p2_option_u64 duration, struct p2_result_void_void *ret)                            \
    {                                                                                              \
        self->member = duration;                                                                   \
        return 0;                                                                                  \
    }

REQUEST_OPTION(connect_timeout, connect_ns)
REQUEST_OPTION(first_byte_timeout, first_byte_ns)
REQUEST_OPTION(between_bytes_timeout, between_bytes_ns)

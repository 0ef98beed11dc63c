// SPDX-License-Identifier: Apache-2.0
// Errors of wasi:http/types.
#include <assert.h>
#include <errno.h>

#include "base/utf8.h"
#include "wasi/p2_http.h"

static const char *const code_names[] = {
    [P2_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT] = "DNS-timeout",
    [P2_HTTP_TYPES_ERROR_CODE_DNS_ERROR] = "DNS-error",
    [P2_HTTP_TYPES_ERROR_CODE_DESTINATION_NOT_FOUND] = "destination-not-found",
    [P2_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE] = "destination-unavailable",
    [P2_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED] = "destination-IP-prohibited",
    [P2_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_UNROUTABLE] = "destination-IP-unroutable",
    [P2_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED] = "connection-refused",
    [P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED] = "connection-terminated",
    [P2_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT] = "connection-timeout",
    [P2_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT] = "connection-read-timeout",
    [P2_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT] = "connection-write-timeout",
    [P2_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED] = "connection-limit-reached",
    [P2_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR] = "TLS-protocol-error",
    [P2_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR] = "TLS-certificate-error",
    [P2_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED] = "TLS-alert-received",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED] = "HTTP-request-denied",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_LENGTH_REQUIRED] = "HTTP-request-length-required",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE] = "HTTP-request-body-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_METHOD_INVALID] = "HTTP-request-method-invalid",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID] = "HTTP-request-URI-invalid",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_TOO_LONG] = "HTTP-request-URI-too-long",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_HEADER_SECTION_SIZE] =
        "HTTP-request-header-section-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_HEADER_SIZE] = "HTTP-request-header-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_TRAILER_SECTION_SIZE] =
        "HTTP-request-trailer-section-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_TRAILER_SIZE] = "HTTP-request-trailer-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE] = "HTTP-response-incomplete",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_HEADER_SECTION_SIZE] =
        "HTTP-response-header-section-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_HEADER_SIZE] = "HTTP-response-header-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE] = "HTTP-response-body-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRAILER_SECTION_SIZE] =
        "HTTP-response-trailer-section-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRAILER_SIZE] = "HTTP-response-trailer-size",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRANSFER_CODING] = "HTTP-response-transfer-coding",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_CONTENT_CODING] = "HTTP-response-content-coding",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT] = "HTTP-response-timeout",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_UPGRADE_FAILED] = "HTTP-upgrade-failed",
    [P2_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR] = "HTTP-protocol-error",
    [P2_HTTP_TYPES_ERROR_CODE_LOOP_DETECTED] = "loop-detected",
    [P2_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR] = "configuration-error",
    [P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR] = "internal-error",
};
static_assert(ARRAY_LEN(code_names) == P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR + 1,
              "error-code without a name");

const char *http_error_text(int tag)
{
    return tag >= 0 && (size_t)tag < ARRAY_LEN(code_names) ? code_names[tag] : "no error";
}

void http_error_set(struct http_error *error, enum p2_http_types_error_code_tag tag,
                    const char *text)
{
    http_error_done(error);
    error->tag = (int)tag;
    error->text = text && *text ? mem_strdup(text) : NULL;
}

void http_error_done(struct http_error *error)
{
    free(error->text);
    *error = (struct http_error){.tag = HTTP_NO_ERROR};
}

// Strings for guests are UTF-8; texts of libraries may not be.
static struct p2_option_string text_option(const char *text)
{
    struct str s = str_from(text);
    s.len = utf8_valid_prefix(s);
    return (struct p2_option_string){.is_some = s.len > 0, .some = s};
}

void http_error_code(const struct http_error *error, struct p2_http_types_error_code *out)
{
    memset(out, 0, sizeof(*out));
    out->tag = (enum p2_http_types_error_code_tag)error->tag;
    if (out->tag == P2_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR)
        out->internal_error = text_option(error->text);
    else if (out->tag == P2_HTTP_TYPES_ERROR_CODE_DNS_ERROR)
        out->dns_error.rcode = text_option(error->text);
    else if (out->tag == P2_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED)
        out->tls_alert_received = (struct p2_http_types_tls_alert_received_payload){
            {true, (uint8_t)error->size}, text_option(error->text)};
    else if (out->tag == P2_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE)
        out->http_request_body_size = (struct p2_option_u64){error->size > 0, error->size};
    else if (out->tag == P2_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE)
        out->http_response_body_size = (struct p2_option_u64){error->size > 0, error->size};
}

struct p2_io_error_error *http_error_io(const struct http_error *error)
{
    struct p2_io_error_error *io =
        io_error_new(-EIO, "%s", error->text ? error->text : http_error_text(error->tag));
    io->http_code = error->tag;
    return io;
}

int p2_http_types_http_error_code(struct canon_call *call, struct p2_io_error_error *err,
                                  struct p2_option_http_types_error_code *ret)
{
    if (err->http_code < 0)
        return 0;
    const struct http_error error = {.tag = err->http_code, .text = err->message};
    ret->is_some = true;
    http_error_code(&error, &ret->some);
    return 0;
}

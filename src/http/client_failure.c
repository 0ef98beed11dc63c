// SPDX-License-Identifier: Apache-2.0
// What the results of libcurl mean.
#include <errno.h>

#include "http/client_impl.h"

static const struct {
    CURLcode result;
    enum http_client_failure failure;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, HTTP_FAILURE_DNS_ERROR},
    {CURLE_COULDNT_RESOLVE_PROXY, HTTP_FAILURE_DNS_ERROR},
    {CURLE_URL_MALFORMAT, HTTP_FAILURE_URI_INVALID},
    {CURLE_SSL_CONNECT_ERROR, HTTP_FAILURE_TLS_PROTOCOL},
    {CURLE_SSL_CIPHER, HTTP_FAILURE_TLS_PROTOCOL},
    {CURLE_SSL_SHUTDOWN_FAILED, HTTP_FAILURE_TLS_PROTOCOL},
    {CURLE_PEER_FAILED_VERIFICATION, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_SSL_CERTPROBLEM, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_SSL_ISSUER_ERROR, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_SSL_INVALIDCERTSTATUS, HTTP_FAILURE_TLS_CERTIFICATE},
    {CURLE_PARTIAL_FILE, HTTP_FAILURE_RESPONSE_INCOMPLETE},
    {CURLE_WEIRD_SERVER_REPLY, HTTP_FAILURE_PROTOCOL},
    {CURLE_UNSUPPORTED_PROTOCOL, HTTP_FAILURE_PROTOCOL}, // an answer without a status line
    {CURLE_BAD_CONTENT_ENCODING, HTTP_FAILURE_PROTOCOL},
    {CURLE_HTTP2, HTTP_FAILURE_PROTOCOL},
    {CURLE_HTTP2_STREAM, HTTP_FAILURE_PROTOCOL},
    {CURLE_SEND_FAIL_REWIND, HTTP_FAILURE_CONNECTION_TERMINATED},
};

static enum http_client_failure connect_failure(const struct http_client_request *request)
{
    if (request->address_denied && !request->address_allowed)
        return HTTP_FAILURE_ADDRESS_PROHIBITED;
    long os_error = 0;
    curl_api.easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
    return os_error == ETIMEDOUT ? HTTP_FAILURE_CONNECTION_TIMEOUT
                                 : HTTP_FAILURE_CONNECTION_REFUSED;
}

static enum http_client_failure broken_failure(const struct http_client_request *request)
{
    // A malformed chunk is reported as an error of receiving.
    if (strstr(request->curl_error, "chunk"))
        return HTTP_FAILURE_PROTOCOL;
    return request->head_started ? HTTP_FAILURE_RESPONSE_INCOMPLETE
                                 : HTTP_FAILURE_CONNECTION_TERMINATED;
}

// OpenSSL's reason for an alert that was received is 1000 plus its number; libcurl passes on the
// error's text, "error:0A000410:SSL routines::...", lib in the upper bits, reason in the lower 23.
static bool take_tls_alert(struct http_client_request *request)
{
    static const char mark[] = "error:0A";
    const char *at = strstr(request->curl_error, mark);
    char digits[7] = "";
    if (!at)
        return false;
    snprintf(digits, sizeof(digits), "%s", at + sizeof(mark) - 1);
    char *end;
    unsigned long reason = strtoul(digits, &end, 16);
    if (end != digits + 6 || reason < 1000 || reason > 1255)
        return false;
    request->tls_alert = (uint8_t)(reason - 1000);
    return true;
}

enum http_client_failure transfer_failure(struct http_client_request *request, CURLcode result)
{
    if (take_tls_alert(request))
        return HTTP_FAILURE_TLS_ALERT;
    switch ((int)result) {
    case CURLE_COULDNT_CONNECT:
        return connect_failure(request);
    case CURLE_OPERATION_TIMEDOUT:
        return request->phase == PHASE_RESOLVING ? HTTP_FAILURE_DNS_TIMEOUT
                                                 : HTTP_FAILURE_CONNECTION_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return broken_failure(request);
    case CURLE_OUT_OF_MEMORY:
        // libcurl's own limit for one header line.
        return request->phase == PHASE_AWAITING_HEAD ? HTTP_FAILURE_RESPONSE_HEADERS_SIZE
                                                     : HTTP_FAILURE_INTERNAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (failures[i].result == result)
            return failures[i].failure;
    return HTTP_FAILURE_INTERNAL;
}

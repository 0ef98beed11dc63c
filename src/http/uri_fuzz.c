// SPDX-License-Identifier: Apache-2.0
// Every part that a parse yields lies inside the text, and what is http passes the parts again.
#include "http/uri.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, struct str text)
{
    if (part.data && part.len > 0) {
        assert(part.data >= text.data);
        assert(part.data + part.len <= text.data + text.len);
    }
}

static void check_parts(const struct uri *uri, struct str text)
{
    check_inside(uri->scheme, text);
    check_inside(uri->authority_text, text);
    check_inside(uri->authority.userinfo, text);
    check_inside(uri->authority.host, text);
    check_inside(uri->path, text);
    check_inside(uri->query, text);
    check_inside(uri->fragment, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct uri uri;
    struct uri_authority authority;
    ERROR(err);
    if (uri_parse(text, &uri, &err) == 0)
        check_parts(&uri, text);
    else
        assert(err.message);
    if (uri_parse_http(text, &uri, NULL) == 0) {
        assert(uri_parse_authority(uri.authority_text, &authority, NULL) == 0);
        assert(str_eq(authority.host, uri.authority.host));
        assert(uri_port(uri.scheme, &uri.authority) > 0 || uri.authority.has_port);
    }
    if (uri_parse_authority(text, &authority, NULL) == 0)
        check_inside(authority.host, text);
    (void)uri_path_with_query_valid(text);
    return 0;
}

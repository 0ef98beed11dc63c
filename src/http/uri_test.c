// SPDX-License-Identifier: Apache-2.0
#include "http/uri.h"

#include <errno.h>

#include "testing/test.h"

TEST(uri_splits_every_part)
{
    struct uri uri;
    CHECK_INT(uri_parse(STR("nats://me:p%40ss@[2001:db8::1]:4222/a/b?x=1?y#top"), &uri, NULL), 0);
    CHECK_STR(uri.scheme, "nats");
    CHECK(uri.has_authority);
    CHECK_STR(uri.authority_text, "me:p%40ss@[2001:db8::1]:4222");
    CHECK_STR(uri.authority.userinfo, "me:p%40ss");
    CHECK_STR(uri.authority.host, "2001:db8::1");
    CHECK_INT(uri.authority.host_kind, URI_HOST_IPV6);
    CHECK(uri.authority.has_port);
    CHECK_INT(uri.authority.port, 4222);
    CHECK_STR(uri.path, "/a/b");
    CHECK_STR(uri.query, "x=1?y");
    CHECK_STR(uri.fragment, "top");
}

TEST(uri_tells_absent_from_empty)
{
    struct uri uri;
    CHECK_INT(uri_parse(STR("http://h"), &uri, NULL), 0);
    CHECK_INT(uri.path.len, 0);
    CHECK(!uri.query.data && !uri.fragment.data && !uri.authority.userinfo.data);
    CHECK(!uri.authority.has_port);
    CHECK_INT(uri_parse(STR("http://h:?#"), &uri, NULL), 0);
    CHECK(uri.query.data && uri.query.len == 0);
    CHECK(uri.fragment.data && uri.fragment.len == 0);
    CHECK(!uri.authority.has_port);
    CHECK_INT(uri_parse(STR("urn:isbn:12"), &uri, NULL), 0);
    CHECK(!uri.has_authority);
    CHECK_STR(uri.path, "isbn:12");
    CHECK_INT(uri_parse(STR("postgres:///db"), &uri, NULL), 0);
    CHECK_INT(uri.authority.host.len, 0);
}

TEST(uri_refuses_what_is_malformed)
{
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"", "scheme"},
        {"example.com/x", "scheme"},
        {"://x", "scheme"},
        {"1http://x", "scheme"},
        {"http://[::1", "closing bracket"},
        {"http://[::g]/", "not an IPv6"},
        {"http://[fe80::1%25eth0]/", "not an IPv6"},
        {"http://[::1]x", "after the address"},
        {"http://h:65536/", "port"},
        {"http://h:+1/", "port"},
        {"http://h:1:2/", "port"},
        {"http://a b/", "not allowed in a host"},
        {"http://a\\b/", "not allowed in a host"},
        {"http://a%2/", "not allowed in a host"},
        {"http://a@b@c/", "not allowed in a host"},
        {"http://h/a b", "path"},
        {"http://h/a\x7f", "path"},
        {"http://h/?a\tb", "query"},
        {"http://h/#a#b", "fragment"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct uri uri;
        ERROR(err);
        if (uri_parse(str_from(cases[i].text), &uri, &err) != -EINVAL)
            test_fail(__FILE__, __LINE__, "\"%s\" was accepted", cases[i].text);
        CHECK_CONTAINS(error_text(&err), cases[i].reason);
    }
}

TEST(uri_bounds_its_length)
{
    _cleanup_(mem_freep) char *text = mem_alloc(URI_BYTES_MAX + 1);
    memset(text, 'a', URI_BYTES_MAX + 1);
    memcpy(text, "http://h/", 9);
    struct uri uri;
    CHECK_INT(uri_parse(str_of(text, URI_BYTES_MAX), &uri, NULL), 0);
    CHECK_INT(uri_parse(str_of(text, URI_BYTES_MAX + 1), &uri, NULL), -E2BIG);
    CHECK_INT(uri_parse(str_of(text, 9 + URI_HOST_BYTES_MAX), &uri, NULL), 0);
    memcpy(text, "http://hh", 9);
    CHECK_INT(uri_parse(str_of(text, 7 + URI_HOST_BYTES_MAX), &uri, NULL), 0);
    CHECK_INT(uri_parse(str_of(text, 8 + URI_HOST_BYTES_MAX), &uri, NULL), -EINVAL);
}

TEST(uri_http_wants_a_plain_host)
{
    struct uri uri;
    CHECK_INT(uri_parse_http(STR("HTTPS://Example.com:8443/x?\"{}|[]"), &uri, NULL), 0);
    CHECK_INT(uri_port(uri.scheme, &uri.authority), 8443);
    CHECK_INT(uri_parse_http(STR("https://1.2.3.4"), &uri, NULL), 0);
    CHECK_INT(uri.authority.host_kind, URI_HOST_IPV4);
    CHECK_INT(uri_port(uri.scheme, &uri.authority), 443);
    CHECK_INT(uri_parse_http(STR("ftp://h/"), &uri, NULL), -EINVAL);
    CHECK_INT(uri_parse_http(STR("http:/h"), &uri, NULL), -EINVAL);
    CHECK_INT(uri_parse_http(STR("http:///x"), &uri, NULL), -EINVAL);
    CHECK_INT(uri_parse_http(STR("http://me@h/"), &uri, NULL), -EINVAL);
    CHECK_INT(uri_parse_http(STR("http://%65xample.com/"), &uri, NULL), -EINVAL);
}

TEST(uri_authority_is_host_and_port)
{
    struct uri_authority authority;
    CHECK_INT(uri_parse_authority(STR("localhost:80"), &authority, NULL), 0);
    CHECK_STR(authority.host, "localhost");
    CHECK_INT(authority.port, 80);
    CHECK_INT(uri_parse_authority(STR("[::1]"), &authority, NULL), 0);
    CHECK_STR(authority.host, "::1");
    CHECK(!authority.has_port);
    static const char *const bad[] = {"",   ":80", "a@b", "a/b", "::1",
                                      "[]", "h:x", "h?",  "[",   "[]:"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (uri_parse_authority(str_from(bad[i]), &authority, NULL) != -EINVAL)
            test_fail(__FILE__, __LINE__, "\"%s\" was accepted", bad[i]);
}

TEST(uri_request_target)
{
    CHECK(uri_path_with_query_valid(STR("/")));
    CHECK(uri_path_with_query_valid(STR("/a%zz?b=\xc3\xa9")));
    CHECK(!uri_path_with_query_valid(STR("")));
    CHECK(!uri_path_with_query_valid(STR("a")));
    CHECK(!uri_path_with_query_valid(STR("/a b")));
    CHECK(!uri_path_with_query_valid(STR("/a#b")));
    CHECK(!uri_path_with_query_valid(STR("/a\r\nb")));
    CHECK(!uri_path_with_query_valid(str_of("/\0", 2)));
}

// SPDX-License-Identifier: Apache-2.0
#include "wasi/egress.h"

#include <errno.h>

#include <arpa/inet.h>

#include "base/buf.h"
#include "http/client.h"
#include "testing/test.h"

static bool allows(const char *rule, const char *scheme, const char *host, uint32_t port)
{
    struct str text = str_from(rule);
    struct wasi_egress *egress;
    ERROR(err);
    if (wasi_egress_new(&text, 1, &egress, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    bool allowed = wasi_egress_allows(egress, str_from(scheme), str_from(host), port);
    wasi_egress_free(egress);
    return allowed;
}

TEST(egress_denies_by_default)
{
    CHECK(!wasi_egress_allows(NULL, STR("https"), STR("example.com"), 0));
    struct wasi_egress *egress;
    CHECK_INT(wasi_egress_new(NULL, 0, &egress, NULL), 0);
    CHECK(!wasi_egress_allows(egress, STR("https"), STR("example.com"), 0));
    wasi_egress_free(egress);
    CHECK(!allows("*", "https", "", 0));
}

TEST(egress_matches_as_the_grammar_says)
{
    static const struct {
        const char *rule, *scheme, *host;
        uint32_t port;
        bool allowed;
    } cases[] = {
        {"*", "http", "anything", 1, true},
        {" example.com ", "https", "EXAMPLE.com", 0, true},
        {"example.com", "http", "example.com", 8080, true},
        {"example.com", "http", "www.example.com", 0, false},
        {"example.com", "http", "example.com.", 0, false},
        {"example.com:443", "https", "example.com", 443, true},
        {"example.com:443", "https", "example.com", 0, true},
        {"example.com:443", "http", "example.com", 0, false},
        {"example.com:443", "https", "example.com", 8443, false},
        {"https://example.com", "https", "example.com", 8443, true},
        {"https://example.com/", "http", "example.com", 0, false},
        {"HTTPS://Example.com", "https", "example.com", 0, true},
        {"https://example.com", "", "example.com", 0, true},
        {"https://example.com:8443", "https", "example.com", 8443, true},
        {"https://example.com:8443", "https", "example.com", 0, false},
        {"https://example.com:443", "https", "example.com", 8443, true},
        {"*.example.com", "http", "a.b.example.com", 0, true},
        {"*.example.com", "http", "A.Example.COM", 0, true},
        {"*.example.com", "http", "example.com", 0, false},
        {"*.example.com", "http", ".example.com", 0, false},
        {"*.example.com", "http", "badexample.com", 0, false},
        {"*.example.com:8080", "http", "a.example.com", 8080, true},
        {"*.example.com:8080", "http", "a.example.com", 0, false},
        {"https://*.example.com/", "https", "a.example.com", 0, true},
        {"https://*.example.com", "http", "a.example.com", 0, false},
        {"https://*.example.com:443", "https", "a.example.com", 8443, false},
        {"127.0.0.1", "http", "127.0.0.1", 9, true},
        {"[::1]", "http", "[::1]", 80, true},
        {"[::1]", "http", "0:0:0:0:0:0:0:1", 80, true},
        {"[::1]:80", "http", "::1", 81, false},
        {"http://[2001:DB8::1]:80", "http", "[2001:db8:0::1]", 0, true},
        {"[::1]", "http", "::zz", 80, false},
        {"10.0.0.0/8", "http", "10.255.1.2", 80, true},
        {"10.0.0.0/8", "http", "11.0.0.1", 80, false},
        {"10.0.0.0/8", "http", "10.example.com", 80, false},
        {"[fd00::]/8", "http", "[fdab::1]", 80, true},
        {"[fd00::]/8", "http", "[fe80::1]", 80, false},
        {"0.0.0.0/0", "http", "1.2.3.4", 80, true},
        {"0.0.0.0/0", "http", "[::1]", 80, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (allows(cases[i].rule, cases[i].scheme, cases[i].host, cases[i].port) !=
            cases[i].allowed)
            test_fail(__FILE__, __LINE__, "rule '%s' %s %s://%s port %u", cases[i].rule,
                      cases[i].allowed ? "denies" : "allows", cases[i].scheme, cases[i].host,
                      cases[i].port);
}

TEST(egress_refuses_malformed_rules)
{
    static const struct {
        const char *rule, *reason;
    } cases[] = {
        {"", "is empty"},
        {"  ", "is empty"},
        {"*foo", "wildcard must be of the form"},
        {"*:443", "wildcard must be of the form"},
        {"*.", "empty host"},
        {"*.:80", "empty host"},
        {"*.a..b", "empty label"},
        {"*.*.com", "only at the start"},
        {"a*.com", "only at the start"},
        {"1http://h", "invalid scheme"},
        {"://h", "invalid scheme"},
        {"https://", "invalid host"},
        {"https://h/x", "must not include a path; got '/x'"},
        {"https://*.h/x", "must not include a path"},
        {"https://h?x", "query string"},
        {"https://h/#x", "fragment"},
        {"h:99999", "invalid port"},
        {"*.h:x", "invalid port"},
        {"a b", "invalid host"},
        {"me@h", "invalid host"},
        {"h%65", "percent-encoded"},
        {"m\xc3\xbcnchen.de", "invalid host"},
        {"::1", "invalid"},
        {"10.0.0.0/33", "at most 32 bits; got '33'"},
        {"10.0.0.0/x", "at most 32 bits"},
        {"[fd00::]/129", "at most 128 bits"},
        {"10.0.0/8", "must not include a path"},
        {"fd00::/8", "must not include a path"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str rules[2] = {STR_INIT("ok"), str_from(cases[i].rule)};
        struct wasi_egress *egress;
        ERROR(err);
        if (wasi_egress_new(rules, 2, &egress, &err) != -EINVAL)
            test_fail(__FILE__, __LINE__, "rule '%s' was accepted", cases[i].rule);
        CHECK_CONTAINS(error_text(&err), cases[i].reason);
        CHECK_CONTAINS(error_text(&err), cases[i].rule);
        CHECK_INT(wasi_egress_new(rules, 2, &egress, NULL), -EINVAL);
    }
}

TEST(egress_bounds_the_rules)
{
    struct str rules[WASI_EGRESS_RULES_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        rules[i] = STR("h");
    struct wasi_egress *egress;
    CHECK_INT(wasi_egress_new(rules, WASI_EGRESS_RULES_MAX + 1, &egress, NULL), -E2BIG);
    CHECK_INT(wasi_egress_new(rules, WASI_EGRESS_RULES_MAX, &egress, NULL), 0);
    wasi_egress_free(egress);
}

// ---- addresses ----------------------------------------------------------------------------------

static struct net_address address_of(const char *ip, uint16_t port)
{
    struct net_address address = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address.storage;
    if (inet_pton(AF_INET, ip, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        address.len = sizeof(*four);
    } else {
        CHECK_INT(inet_pton(AF_INET6, ip, &six->sin6_addr), 1);
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        address.len = sizeof(*six);
    }
    return address;
}

static bool allows_address(struct str text, const char *scheme, const char *host, const char *ip,
                           uint16_t port)
{
    struct str rules[8];
    size_t count = 0;
    struct wasi_egress *egress;
    while (text.len > 0 && count < ARRAY_LEN(rules))
        str_cut(text, ' ', &rules[count++], &text);
    ERROR(err);
    if (wasi_egress_new(rules, count, &egress, &err) < 0)
        test_fail(__FILE__, __LINE__, "%s", error_text(&err));
    struct net_address address = address_of(ip, port);
    struct net_endpoint endpoint = net_endpoint_of(&address);
    bool allowed = wasi_egress_allows_address(egress, str_from(scheme), str_from(host), &endpoint);
    wasi_egress_free(egress);
    return allowed;
}

TEST(egress_addresses_that_need_a_rule)
{
    static const char *const special[] = {
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    };
    static const char *const public[] = {
        "1.1.1.1",     "9.255.255.255", "11.0.0.1",         "100.63.255.255",  "100.128.0.1",
        "128.0.0.1",   "172.15.0.1",    "172.32.0.1",       "192.167.1.1",     "198.20.0.1",
        "223.255.0.1", "2606:4700::1",  "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8",
    };
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (allows_address(STR("*"), "http", "a.example", special[i], 80))
            test_fail(__FILE__, __LINE__, "%s is free", special[i]);
    for (size_t i = 0; i < ARRAY_LEN(public); i++)
        if (!allows_address(STR("*"), "http", "a.example", public[i], 80))
            test_fail(__FILE__, __LINE__, "%s is refused", public[i]);
}

TEST(egress_rules_for_addresses)
{
    static const struct {
        const char *rules, *scheme, *host, *ip;
        uint16_t port;
        bool allowed;
    } cases[] = {
        {"a.example", "http", "a.example", "127.0.0.1", 80, false},
        {"a.example 127.0.0.1", "http", "a.example", "127.0.0.1", 80, true},
        {"a.example 127.0.0.1", "http", "a.example", "127.0.0.2", 80, false},
        {"127.0.0.1", "http", "127.0.0.1", "::ffff:127.0.0.1", 80, true},
        {"[::ffff:127.0.0.1]", "http", "127.0.0.1", "127.0.0.1", 80, true},
        {"* 10.0.0.5:8080", "http", "a.example", "10.0.0.5", 8080, true},
        {"* 10.0.0.5:8080", "http", "a.example", "10.0.0.5", 80, false},
        {"* http://10.0.0.5", "http", "a.example", "10.0.0.5", 80, true},
        {"* http://10.0.0.5", "https", "a.example", "10.0.0.5", 443, false},
        {"* 10.0.0.0/8", "http", "a.example", "10.200.0.5", 80, true},
        {"* 10.0.0.0/8", "http", "a.example", "192.168.0.1", 80, false},
        {"* [fd00::]/8", "http", "a.example", "fd12::1", 80, true},
        {"* [fd00::]/8", "http", "a.example", "fc12::1", 80, false},
        {"* [::1]", "http", "a.example", "::1", 80, true},
        {"* [::1]", "http", "a.example", "127.0.0.1", 80, false},
        {"localhost", "http", "localhost", "127.0.0.1", 80, true},
        {"localhost", "http", "LOCALHOST", "::1", 80, true},
        {"localhost", "http", "localhost", "10.0.0.1", 80, false},
        {"localhost:8080", "http", "localhost", "127.0.0.1", 80, false},
        {"localhost:8080", "http", "localhost", "127.0.0.1", 8080, true},
        {"localhost a.example", "http", "a.example", "127.0.0.1", 80, false},
        {"*.localhost", "http", "a.localhost", "127.0.0.1", 80, true},
        {"*", "http", "localhost", "127.0.0.1", 80, false},
        {"* 0.0.0.0/0 [::]/0", "http", "localhost", "127.0.0.1", 80, true},
        {"* 0.0.0.0/0 [::]/0", "http", "localhost", "::1", 80, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (allows_address(str_from(cases[i].rules), cases[i].scheme, cases[i].host, cases[i].ip,
                           cases[i].port) != cases[i].allowed)
            test_fail(__FILE__, __LINE__, "rules '%s' %s %s at %s port %u", cases[i].rules,
                      cases[i].allowed ? "refuse" : "allow", cases[i].host, cases[i].ip,
                      cases[i].port);
}

static void keep_report(void *user, const char *text)
{
    struct buf *reports = user;
    CHECK_INT(buf_add(reports, text, strlen(text)), 0);
    CHECK_INT(buf_add(reports, "\n", 1), 0);
}

TEST(egress_tells_a_refusal_once_and_counts_each)
{
    struct buf reports = BUF_INIT(4096);
    struct str rule = STR("a.example");
    struct wasi_egress *egress;
    CHECK_INT(wasi_egress_new(&rule, 1, &egress, NULL), 0);
    wasi_egress_on_denial(egress, keep_report, &reports);
    struct net_address address = address_of("169.254.169.254", 80);
    const struct http_client_peer peer = {STR("http"), STR("a.example"), &address};
    for (int i = 0; i < 3; i++) {
        CHECK(!wasi_egress_check(egress, STR("https"), STR("b.example"), 0));
        CHECK(!wasi_egress_permits(egress, &peer));
    }
    CHECK(wasi_egress_check(egress, STR("https"), STR("a.example"), 0));
    CHECK_INT(wasi_egress_denials(egress), 6);
    CHECK_STR(buf_str(&reports),
              "the guest may not call https://b.example: no rule of the allowed hosts matches; the "
              "rule 'b.example' would allow it\n"
              "the guest may not call a.example at 169.254.169.254, which is link-local; the rule "
              "'169.254.169.254' among the allowed hosts would allow it\n");
    buf_done(&reports);
    wasi_egress_free(egress);
    CHECK(!wasi_egress_check(NULL, STR("https"), STR("b.example"), 0));
}

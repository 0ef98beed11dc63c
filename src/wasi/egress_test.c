// SPDX-License-Identifier: Apache-2.0
#include "wasi/egress.h"

#include <errno.h>

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

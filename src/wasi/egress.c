// SPDX-License-Identifier: Apache-2.0
#include "wasi/egress.h"

#include <arpa/inet.h>
#include <errno.h>

#include "wasi/egress_impl.h"

struct str egress_normal_host(struct str host, char out[EGRESS_HOST_BYTES])
{
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 2);
    if (host.len >= EGRESS_HOST_BYTES)
        return STR_EMPTY;
    for (size_t i = 0; i < host.len; i++)
        out[i] = ascii_lower(host.data[i]);
    out[host.len] = 0;
    unsigned char address[16];
    if (memchr(out, ':', host.len)) {
        if (inet_pton(AF_INET6, out, address) != 1 ||
            !inet_ntop(AF_INET6, address, out, EGRESS_HOST_BYTES))
            return STR_EMPTY;
        return str_from(out);
    }
    return str_of(out, host.len);
}

static bool is_default_port(struct str scheme, uint16_t port)
{
    struct uri_authority none = {0};
    return port != 0 && uri_port(scheme, &none) == port;
}

// Cuts path, query and fragment off; only "/" may be there.
static int cut_tail(struct str *text, struct error *err)
{
    for (size_t i = 0; i < text->len; i++) {
        char c = text->data[i];
        if (c != '/' && c != '?' && c != '#')
            continue;
        struct str tail = str_from_index(*text, i);
        if (str_find_char(tail, '#') >= 0)
            return error_set(err, -EINVAL, "must not include a fragment");
        if (str_find_char(tail, '?') >= 0)
            return error_set(err, -EINVAL, "must not include a query string");
        if (tail.len > 1)
            return error_set(err, -EINVAL, "must not include a path; got '%.*s'", STR_ARG(tail));
        *text = str_sub(*text, 0, i);
        return 0;
    }
    return 0;
}

static int check_suffix(struct str suffix, struct error *err)
{
    if (suffix.len < 2)
        return error_set(err, -EINVAL, "invalid wildcard host '*%.*s': empty host",
                         STR_ARG(suffix));
    if (str_find(suffix, STR("..")) >= 0)
        return error_set(err, -EINVAL, "invalid wildcard host '*%.*s': empty label",
                         STR_ARG(suffix));
    return 0;
}

static int parse_host_port(struct arena *arena, struct str text, struct egress_rule *rule,
                           struct error *err)
{
    if (text.len > 0 && text.data[0] == '*') {
        rule->suffix = true;
        text = str_from_index(text, 1);
        if (text.len == 0 || text.data[0] != '.')
            return error_set(err, -EINVAL,
                             "wildcard must be of the form `*.<rest>` (leading dot required)");
    }
    struct uri_authority authority;
    int rc = uri_parse_authority(text, &authority, err);
    if (rc < 0) {
        error_wrap(err, "invalid host[:port]");
        return rc;
    }
    if (str_find_char(authority.host, '*') >= 0)
        return error_set(err, -EINVAL, "invalid host[:port]: `*` is allowed only at the start");
    if (str_find_char(authority.host, '%') >= 0)
        return error_set(err, -EINVAL, "invalid host[:port]: the host is percent-encoded");
    if (rule->suffix && (rc = check_suffix(authority.host, err)) < 0)
        return rc;
    char normal[EGRESS_HOST_BYTES];
    rule->host = arena_str(arena, egress_normal_host(authority.host, normal));
    rule->has_port = authority.has_port;
    rule->port = authority.port;
    return 0;
}

static int parse_rule(struct arena *arena, struct str text, struct egress_rule *rule,
                      struct error *err)
{
    text = str_trim(text);
    if (text.len == 0)
        return error_set(err, -EINVAL, "allowed-host entry is empty");
    if (str_is(text, "*")) {
        rule->any = true;
        return 0;
    }
    int rc = 0;
    if (egress_network_parse(text, rule, &rc, err))
        return rc;
    ssize_t scheme_end = str_find(text, STR("://"));
    if (scheme_end >= 0) {
        struct str scheme = str_sub(text, 0, (size_t)scheme_end);
        if (!uri_scheme_valid(scheme))
            return error_set(err, -EINVAL, "invalid scheme '%.*s'", STR_ARG(scheme));
        rule->scheme = arena_str(arena, scheme);
        for (size_t i = 0; i < scheme.len; i++)
            ((char *)rule->scheme.data)[i] = ascii_lower(scheme.data[i]);
        text = str_from_index(text, (size_t)scheme_end + 3);
    }
    rc = cut_tail(&text, err);
    if (rc == 0)
        rc = parse_host_port(arena, text, rule, err);
    // A URL's default port says nothing beyond its scheme, so it pins no port; a wildcard's does.
    if (rc == 0 && !rule->suffix && is_default_port(rule->scheme, rule->port))
        rule->has_port = false;
    return rc;
}

int wasi_egress_new(const struct str *rules, size_t count, struct wasi_egress **out,
                    struct error *err)
{
    if (count > WASI_EGRESS_RULES_MAX)
        return error_set(err, -E2BIG, "%zu allowed-host entries, the limit is %d", count,
                         WASI_EGRESS_RULES_MAX);
    struct wasi_egress *egress = mem_new(struct wasi_egress);
    egress->arena = ARENA_INIT(0);
    egress->rules = arena_new_array(&egress->arena, struct egress_rule, MAX(count, 1));
    egress->rule_count = count;
    for (size_t i = 0; i < count; i++) {
        int rc = parse_rule(&egress->arena, rules[i], &egress->rules[i], err);
        if (rc < 0) {
            wasi_egress_free(egress);
            error_wrap(err, "invalid allowed-host entry '%.*s'",
                       (int)MIN(rules[i].len, URI_HOST_BYTES_MAX), rules[i].data);
            return rc;
        }
    }
    *out = egress;
    return 0;
}

void wasi_egress_free(struct wasi_egress *egress)
{
    if (!egress)
        return;
    arena_done(&egress->arena);
    free(egress);
}

bool egress_rule_allows(const struct egress_rule *rule, struct str scheme, struct str host,
                        uint32_t port)
{
    if (rule->any)
        return true;
    if (rule->is_network) {
        struct net_endpoint address;
        return egress_address_parse(host, &address) && egress_network_has(rule, &address);
    }
    if (rule->scheme.len > 0 && scheme.len > 0 && !str_eq_nocase(rule->scheme, scheme))
        return false;
    if (rule->has_port && rule->port != port)
        return false;
    if (rule->suffix)
        return host.len > rule->host.len && str_ends(host, rule->host);
    return str_eq(host, rule->host);
}

bool wasi_egress_allows(const struct wasi_egress *egress, struct str scheme, struct str host,
                        uint32_t port)
{
    char normal[EGRESS_HOST_BYTES];
    struct str name = egress_normal_host(host, normal);
    if (!egress || name.len == 0)
        return false;
    if (port == 0) {
        struct uri_authority none = {0};
        port = uri_port(scheme, &none);
    }
    for (size_t i = 0; i < egress->rule_count; i++)
        if (egress_rule_allows(&egress->rules[i], scheme, name, port))
            return true;
    return false;
}

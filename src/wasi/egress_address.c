// SPDX-License-Identifier: Apache-2.0
// What names resolve to, held against the rules: special and private addresses need a rule that
// names them.
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>

#include "http/client.h"
#include "wasi/egress_impl.h"

// ---- networks -----------------------------------------------------------------------------------

static bool has_prefix(const uint8_t *ip, const uint8_t *network, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(ip, network, whole) != 0)
        return false;
    return rest == 0 || (uint8_t)((ip[whole] ^ network[whole]) >> (8 - rest)) == 0;
}

bool egress_network_has(const struct egress_rule *rule, const struct net_endpoint *address)
{
    return rule->network.family == address->family &&
           has_prefix(address->ip, rule->network.ip, rule->prefix_bits);
}

bool egress_address_parse(struct str host, struct net_endpoint *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    struct net_endpoint address = {.family = 4};
    if (host.len >= sizeof(text) || memchr(host.data, 0, host.len))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = 0;
    if (inet_pton(AF_INET, text, address.ip) != 1) {
        address.family = 6;
        if (inet_pton(AF_INET6, text, address.ip) != 1)
            return false;
        if (memcmp(address.ip, mapped, sizeof(mapped)) == 0) {
            address.family = 4;
            memmove(address.ip, address.ip + sizeof(mapped), 4);
            memset(address.ip + 4, 0, sizeof(mapped));
        }
    }
    *out = address;
    return true;
}

bool egress_network_parse(struct str text, struct egress_rule *rule, int *rc, struct error *err)
{
    struct str host, bits;
    struct net_endpoint network;
    uint64_t count;
    if (!str_cut(text, '/', &host, &bits) || bits.len == 0)
        return false;
    bool in_brackets = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (in_brackets)
        host = str_sub(host, 1, host.len - 2);
    if (in_brackets != (memchr(host.data, ':', host.len) != NULL) ||
        !egress_address_parse(host, &network))
        return false;
    if (str_to_u64(bits, network.family == 4 ? 32 : 128, &count) < 0) {
        *rc = error_set(err, -EINVAL, "the network's prefix must be at most %d bits; got '%.*s'",
                        network.family == 4 ? 32 : 128, STR_ARG(bits));
        return true;
    }
    rule->is_network = true;
    rule->network = network;
    rule->prefix_bits = (uint8_t)count;
    return true;
}

// ---- kinds of addresses -------------------------------------------------------------------------

struct range {
    uint8_t network[16];
    uint8_t bits;
    const char *kind;
};

// IANA's special-purpose address registries (RFC 6890 and its updates).
static const struct range ranges_four[] = {
    {{0}, 8, "unspecified"},
    {{10}, 8, "private (RFC 1918)"},
    {{100, 64}, 10, "shared (RFC 6598)"},
    {{127}, 8, "loopback"},
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private (RFC 1918)"},
    {{192, 0, 0}, 24, "reserved for protocols"},
    {{192, 0, 2}, 24, "for documentation"},
    {{192, 88, 99}, 24, "a 6to4 relay's"},
    {{192, 168}, 16, "private (RFC 1918)"},
    {{198, 18}, 15, "for benchmarks"},
    {{198, 51, 100}, 24, "for documentation"},
    {{203, 0, 113}, 24, "for documentation"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved or broadcast"},
};

static const struct range ranges_six[] = {
    {{[15] = 1}, 128, "loopback"},
    {{0}, 96, "unspecified"}, // and the IPv4-compatible ones
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "a local translation to IPv4 (RFC 8215)"},
    {{0x01}, 64, "for discarding (RFC 6666)"},
    {{0x20, 0x01}, 23, "reserved for protocols"}, // Teredo too
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "for documentation"},
    {{0x3f, 0xff}, 20, "for documentation"},
    {{0x5f}, 16, "segment routing's (RFC 9602)"},
    {{0xfc}, 7, "private (unique local)"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "private (site-local)"},
    {{0xff}, 8, "multicast"},
};

// Prefixes whose addresses stand for an IPv4 address, which begins at `at`.
static const struct {
    uint8_t network[16];
    uint8_t bits;
    uint8_t at;
} embeddings[] = {
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12}, // NAT64, RFC 6052
    {{0x20, 0x02}, 16, 2},              // 6to4, RFC 3056
};

static const char *range_kind(const uint8_t *ip, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_prefix(ip, ranges[i].network, ranges[i].bits))
            return ranges[i].kind;
    return NULL;
}

const char *wasi_egress_address_kind(const struct net_endpoint *address)
{
    if (address->family == 4)
        return range_kind(address->ip, ranges_four, ARRAY_LEN(ranges_four));
    if (address->family != 6)
        return "of an unknown family";
    for (size_t i = 0; i < ARRAY_LEN(embeddings); i++)
        if (has_prefix(address->ip, embeddings[i].network, embeddings[i].bits))
            return range_kind(address->ip + embeddings[i].at, ranges_four, ARRAY_LEN(ranges_four));
    return range_kind(address->ip, ranges_six, ARRAY_LEN(ranges_six));
}

// ---- rules --------------------------------------------------------------------------------------

static bool is_loopback(const struct net_endpoint *address)
{
    static const uint8_t loopback[16] = {[15] = 1};
    return address->family == 4 ? address->ip[0] == 127 : memcmp(address->ip, loopback, 16) == 0;
}

// RFC 6761 section 6.3.
static bool is_localhost(struct str name)
{
    return str_is(name, "localhost") || str_ends(name, STR(".localhost"));
}

static bool rule_allows_address(const struct egress_rule *rule, struct str scheme, struct str name,
                                const struct net_endpoint *address)
{
    struct net_endpoint literal;
    if (rule->any)
        return false;
    if (rule->is_network)
        return egress_network_has(rule, address);
    if (is_loopback(address) && is_localhost(rule->host) &&
        egress_rule_allows(rule, scheme, name, address->port))
        return true;
    return !rule->suffix && egress_address_parse(rule->host, &literal) &&
           literal.family == address->family && memcmp(literal.ip, address->ip, 16) == 0 &&
           egress_rule_allows(rule, scheme, rule->host, address->port);
}

bool wasi_egress_allows_address(const struct wasi_egress *egress, struct str scheme,
                                struct str host, const struct net_endpoint *address)
{
    char normal[EGRESS_HOST_BYTES];
    struct str name = egress_normal_host(host, normal);
    if (!egress || name.len == 0)
        return false;
    if (!wasi_egress_address_kind(address))
        return true;
    for (size_t i = 0; i < egress->rule_count; i++)
        if (rule_allows_address(&egress->rules[i], scheme, name, address))
            return true;
    return false;
}

// ---- refusals -----------------------------------------------------------------------------------

void wasi_egress_on_denial(struct wasi_egress *egress, wasi_egress_report *report, void *user)
{
    egress->report = report;
    egress->report_user = user;
}

uint64_t wasi_egress_denials(const struct wasi_egress *egress)
{
    return egress ? __atomic_load_n(&egress->denials, __ATOMIC_RELAXED) : 0;
}

// Counts; true when this one is to be told.
static bool note_denial(struct wasi_egress *egress, struct str host)
{
    if (!egress)
        return false;
    static_assert(WASI_EGRESS_REPORTS_MAX == 64, "a bit each");
    uint64_t bit = (uint64_t)1 << (str_hash(host) % WASI_EGRESS_REPORTS_MAX);
    __atomic_fetch_add(&egress->denials, 1, __ATOMIC_RELAXED);
    return egress->report && !(__atomic_fetch_or(&egress->reported, bit, __ATOMIC_RELAXED) & bit);
}

bool wasi_egress_check(struct wasi_egress *egress, struct str scheme, struct str host,
                       uint32_t port)
{
    if (wasi_egress_allows(egress, scheme, host, port))
        return true;
    if (note_denial(egress, host)) {
        bool is_ipv6 = memchr(host.data, ':', host.len) && host.data[0] != '[';
        _cleanup_(mem_freep) char *text = mem_printf(
            "the guest may not call %.*s://%.*s: no rule of the allowed hosts matches; the rule "
            "'%s%.*s%s' would allow it",
            STR_ARG(scheme), STR_ARG(host), is_ipv6 ? "[" : "", STR_ARG(host), is_ipv6 ? "]" : "");
        egress->report(egress->report_user, text);
    }
    return false;
}

bool wasi_egress_permits(void *user, const struct http_client_peer *peer)
{
    struct wasi_egress *egress = user;
    struct net_endpoint address = net_endpoint_of(peer->address);
    if (wasi_egress_allows_address(egress, peer->scheme, peer->host, &address))
        return true;
    if (note_denial(egress, peer->host)) {
        char ip[NET_IP_TEXT_BYTES];
        bool is_ipv6 = address.family == 6;
        net_endpoint_format_ip(&address, ip, sizeof(ip));
        _cleanup_(mem_freep) char *text =
            mem_printf("the guest may not call %.*s at %s, which is %s; the rule '%s%s%s' among "
                       "the allowed hosts would allow it",
                       STR_ARG(peer->host), ip, wasi_egress_address_kind(&address),
                       is_ipv6 ? "[" : "", ip, is_ipv6 ? "]" : "");
        egress->report(egress->report_user, text);
    }
    return false;
}

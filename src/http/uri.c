// SPDX-License-Identifier: Apache-2.0
#include "http/uri.h"

#include <arpa/inet.h>
#include <errno.h>

enum { UNRESERVED = 1, SUB_DELIM = 2 };

static unsigned char_class(char c)
{
    if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~')
        return UNRESERVED;
    return c != 0 && strchr("!$&'()*+,;=", c) ? SUB_DELIM : 0;
}

static bool is_hex(char c)
{
    return ascii_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Index of the first byte that is neither unreserved, sub-delim, a percent triplet nor in `more`.
static size_t valid_prefix(struct str s, const char *more)
{
    size_t i = 0;
    while (i < s.len) {
        char c = s.data[i];
        if (c == '%') {
            if (s.len - i < 3 || !is_hex(s.data[i + 1]) || !is_hex(s.data[i + 2]))
                return i;
            i += 3;
        } else if (char_class(c) || (c != 0 && strchr(more, c))) {
            i++;
        } else {
            return i;
        }
    }
    return i;
}

// Path, query or fragment with the tolerance that the header describes.
static bool is_target_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c <= 0x20 || c == 0x7f || c == '#' || c == '<' || c == '>')
            return false;
    }
    return true;
}

bool uri_scheme_valid(struct str scheme)
{
    if (scheme.len == 0 || !ascii_is_alpha(scheme.data[0]))
        return false;
    for (size_t i = 1; i < scheme.len; i++) {
        char c = scheme.data[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    return true;
}

bool uri_path_with_query_valid(struct str text)
{
    return text.len > 0 && text.data[0] == '/' && is_target_text(text);
}

int uri_parse_port(struct str text, uint16_t *out)
{
    uint64_t value;
    if (str_to_u64(text, URI_PORT_MAX, &value) < 0)
        return -EINVAL;
    *out = (uint16_t)value;
    return 0;
}

static bool is_ip(int family, struct str host)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[16];
    if (host.len >= sizeof(text) || memchr(host.data, 0, host.len))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = 0;
    return inet_pton(family, text, address) == 1;
}

static int split_port(struct str text, struct uri_authority *out, struct error *err)
{
    out->has_port = false;
    out->port = 0;
    if (text.len == 0 || str_is(text, ":"))
        return 0;
    if (text.data[0] != ':')
        return error_set(err, -EINVAL, "unexpected \"%.*s\" after the address in brackets",
                         STR_ARG(text));
    struct str digits = str_from_index(text, 1);
    if (uri_parse_port(digits, &out->port) < 0)
        return error_set(err, -EINVAL, "invalid port \"%.*s\": not a number from 0 to %u",
                         STR_ARG(digits), URI_PORT_MAX);
    out->has_port = true;
    return 0;
}

static int split_ipv6(struct str text, struct uri_authority *out, struct error *err)
{
    ssize_t end = str_find_char(text, ']');
    if (end < 0)
        return error_set(err, -EINVAL, "\"%.*s\" lacks the closing bracket", STR_ARG(text));
    out->host = str_sub(text, 1, (size_t)end - 1);
    out->host_kind = URI_HOST_IPV6;
    if (!is_ip(AF_INET6, out->host))
        return error_set(err, -EINVAL, "\"%.*s\" is not an IPv6 address", STR_ARG(out->host));
    return split_port(str_from_index(text, (size_t)end + 1), out, err);
}

static int split_host_port(struct str text, struct uri_authority *out, struct error *err)
{
    if (text.len > 0 && text.data[0] == '[')
        return split_ipv6(text, out, err);
    ssize_t colon = str_find_char(text, ':');
    out->host = colon < 0 ? text : str_sub(text, 0, (size_t)colon);
    if (out->host.len > URI_HOST_BYTES_MAX)
        return error_set(err, -EINVAL, "host name of %zu bytes, the limit is %zu", out->host.len,
                         URI_HOST_BYTES_MAX);
    size_t valid = valid_prefix(out->host, "");
    if (valid < out->host.len)
        return error_set(err, -EINVAL, "byte 0x%02x is not allowed in a host",
                         (unsigned char)out->host.data[valid]);
    out->host_kind = is_ip(AF_INET, out->host) ? URI_HOST_IPV4 : URI_HOST_NAME;
    return split_port(colon < 0 ? STR_EMPTY : str_from_index(text, (size_t)colon), out, err);
}

int uri_parse_authority(struct str text, struct uri_authority *out, struct error *err)
{
    struct uri_authority authority = {0};
    int rc = split_host_port(text, &authority, err);
    if (rc == 0 && authority.host.len == 0)
        rc = error_set(err, -EINVAL, "the host is empty");
    if (rc == 0)
        *out = authority;
    return rc;
}

static int split_authority(struct str text, struct uri_authority *out, struct error *err)
{
    // A user name may not hold "@" (RFC 3986 section 3.2.1), so the first one ends it.
    struct str userinfo, host_port;
    if (!str_cut(text, '@', &userinfo, &host_port))
        return split_host_port(text, out, err);
    if (valid_prefix(userinfo, ":") < userinfo.len)
        return error_set(err, -EINVAL, "invalid user information before \"@\"");
    out->userinfo = userinfo;
    return split_host_port(host_port, out, err);
}

// Takes the part of *rest from its first byte up to one of `stops`.
static struct str take_until(struct str *rest, const char *stops)
{
    size_t len = 0;
    while (len < rest->len && (rest->data[len] == 0 || !strchr(stops, rest->data[len])))
        len++;
    struct str part = str_sub(*rest, 0, len);
    *rest = str_from_index(*rest, len);
    return part;
}

static int split_tail(struct str rest, struct uri *out, struct error *err)
{
    out->path = take_until(&rest, "?#");
    if (rest.len > 0 && rest.data[0] == '?') {
        rest = str_from_index(rest, 1);
        out->query = take_until(&rest, "#");
    }
    if (rest.len > 0)
        out->fragment = str_from_index(rest, 1);
    if (!is_target_text(out->path))
        return error_set(err, -EINVAL, "the path holds a space, control or \"<>\" character");
    if (!is_target_text(out->query))
        return error_set(err, -EINVAL, "the query holds a space, control or \"<>\" character");
    if (!is_target_text(out->fragment))
        return error_set(err, -EINVAL, "the fragment holds a character that must be escaped");
    return 0;
}

static int parse_parts(struct str text, struct uri *out, struct error *err)
{
    if (text.len > URI_BYTES_MAX)
        return error_set(err, -E2BIG, "%zu bytes, the limit is %zu", text.len, URI_BYTES_MAX);
    struct str rest;
    if (!str_cut(text, ':', &out->scheme, &rest) || !uri_scheme_valid(out->scheme))
        return error_set(err, -EINVAL, "it does not start with a scheme like \"https:\"");
    if (str_starts(rest, STR("//"))) {
        rest = str_from_index(rest, 2);
        out->has_authority = true;
        out->authority_text = take_until(&rest, "/?#");
        int rc = split_authority(out->authority_text, &out->authority, err);
        if (rc < 0)
            return rc;
    }
    return split_tail(rest, out, err);
}

int uri_parse(struct str text, struct uri *out, struct error *err)
{
    struct uri uri = {0};
    int rc = parse_parts(text, &uri, err);
    if (rc == 0)
        *out = uri;
    return rc;
}

int uri_parse_http(struct str text, struct uri *out, struct error *err)
{
    struct uri uri;
    int rc = uri_parse(text, &uri, err);
    if (rc < 0)
        return rc;
    if (!str_eq_nocase(uri.scheme, STR("http")) && !str_eq_nocase(uri.scheme, STR("https")))
        return error_set(err, -EINVAL, "scheme \"%.*s\" is neither http nor https",
                         STR_ARG(uri.scheme));
    if (uri.authority.host.len == 0)
        return error_set(err, -EINVAL, "it names no host");
    if (uri.authority.userinfo.data)
        return error_set(err, -EINVAL, "user information before the host is not allowed");
    if (str_find_char(uri.authority.host, '%') >= 0)
        return error_set(err, -EINVAL, "the host is percent-encoded");
    *out = uri;
    return 0;
}

uint16_t uri_port(struct str scheme, const struct uri_authority *authority)
{
    if (authority->has_port)
        return authority->port;
    if (str_eq_nocase(scheme, STR("http")))
        return 80;
    return str_eq_nocase(scheme, STR("https")) ? 443 : 0;
}

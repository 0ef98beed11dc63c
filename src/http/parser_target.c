// SPDX-License-Identifier: Apache-2.0
// Request targets (RFC 9112 section 3.2) and authorities.
#include "http/parser.h"

static bool is_host_char(unsigned char c)
{
    return ascii_is_alpha((char)c) || ascii_is_digit((char)c) ||
           (c != 0 && strchr("-._~!$&'()*+,;=%", c));
}

// IP-literal = "[" ... "]" (RFC 3986 section 3.2.2). Index behind it, or -1.
static ssize_t ip_literal(struct str authority)
{
    ssize_t end = str_find_char(authority, ']');
    if (end < 2)
        return -1;
    for (ssize_t i = 1; i < end; i++)
        if (!is_host_char((unsigned char)authority.data[i]) && authority.data[i] != ':')
            return -1;
    return end + 1;
}

bool http_authority_valid(struct str authority)
{
    size_t i = 0;
    if (authority.len > 0 && authority.data[0] == '[') {
        ssize_t end = ip_literal(authority);
        if (end < 0)
            return false;
        i = (size_t)end;
    } else {
        while (i < authority.len && is_host_char((unsigned char)authority.data[i]))
            i++;
    }
    if (i == 0)
        return false;
    if (i == authority.len)
        return true;
    struct str port = str_from_index(authority, i + 1);
    uint64_t number;
    return authority.data[i] == ':' && (port.len == 0 || str_to_u64(port, 65535, &number) == 0);
}

static bool starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_sub(s, 0, prefix.len), prefix);
}

// "http://authority?query" has no path: the slash that the origin-form needs goes before the query,
// where the authority, one byte to the left over the "//", makes room.
static void insert_slash(struct http_head *head, size_t rest_len)
{
    char *authority = (char *)(uintptr_t)head->authority.data;
    memmove(authority - 1, authority, head->authority.len);
    authority[head->authority.len - 1] = '/';
    head->authority.data = authority - 1;
    head->target = str_of(authority + head->authority.len - 1, rest_len + 1);
}

// RFC 9112 section 3.2.2.
static enum http_fault absolute_form(struct http_head *head, struct str target)
{
    struct str scheme = starts_nocase(target, STR("http://"))    ? STR("http")
                        : starts_nocase(target, STR("https://")) ? STR("https")
                                                                 : STR_EMPTY;
    if (scheme.len == 0)
        return HTTP_FAULT_TARGET;
    struct str rest = str_from_index(target, scheme.len + 3);
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    head->scheme = scheme;
    head->authority = str_sub(rest, 0, end);
    if (!http_authority_valid(head->authority))
        return HTTP_FAULT_TARGET;
    head->target = str_from_index(rest, end);
    if (head->target.len == 0)
        head->target = str_is(head->method, "OPTIONS") ? STR("*") : STR("/");
    else if (head->target.data[0] == '?')
        insert_slash(head, head->target.len);
    return HTTP_FAULT_NONE;
}

enum http_fault http_parser_take_target(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    struct str target = parser->raw_target;
    if (str_is(head->method, "CONNECT"))
        return HTTP_FAULT_METHOD_UNSUPPORTED;
    // A fragment is no part of any form.
    if (str_find_char(target, '#') >= 0)
        return HTTP_FAULT_TARGET;
    head->authority = parser->host;
    if (target.data[0] == '/')
        head->target = target;
    else if (str_is(target, "*") && str_is(head->method, "OPTIONS"))
        head->target = target;
    else
        return absolute_form(head, target);
    return HTTP_FAULT_NONE;
}

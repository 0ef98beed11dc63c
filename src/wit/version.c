// SPDX-License-Identifier: Apache-2.0
#include "wit/version.h"

// The digits of a number without leading zeros that fits 64 bits; 0: there is none.
static size_t digits(struct str text, size_t at)
{
    size_t n = 0;
    uint64_t value;
    while (at + n < text.len && ascii_is_digit(text.data[at + n]))
        n++;
    if (str_to_u64(str_sub(text, at, n), UINT64_MAX, &value) < 0)
        return 0;
    return n > 1 && text.data[at] == '0' ? 0 : n;
}

// Dot-separated identifiers of a pre-release or build part. A dot that no identifier follows is
// not part of it: `use a:b/c@1.0.0-rc.{d};`.
static size_t identifiers(struct str text, size_t at)
{
    if (str_starts(str_from_index(text, at - 1), STR("->")))
        return 0;
    size_t n = 0;
    while (at + n < text.len) {
        if (wit_is_id_char(text.data[at + n]))
            n++;
        else if (n > 0 && text.data[at + n] == '.' && at + n + 1 < text.len &&
                 wit_is_id_char(text.data[at + n + 1]))
            n++;
        else
            break;
    }
    return n;
}

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit(s.data[i]))
            return false;
    return s.len > 0;
}

// Numbers of a pre-release have no leading zeros (semver.org, 9).
static bool has_padded_number(struct str list)
{
    for (bool more = true; more;) {
        struct str word;
        more = str_cut(list, '.', &word, &list);
        if (word.len > 1 && word.data[0] == '0' && is_number(word))
            return true;
    }
    return false;
}

size_t wit_version_failure(struct str text, size_t offset)
{
    size_t at = offset;
    for (int part = 0; part < 3; part++) {
        if (part > 0 && !(at < text.len && text.data[at] == '.'))
            return at;
        at += part > 0;
        if (!(at < text.len && ascii_is_digit(text.data[at])))
            return at;
        size_t n = digits(text, at);
        if (n == 0)
            return offset;
        at += n;
    }
    return offset;
}

size_t wit_version_length(struct str text, size_t offset)
{
    size_t at = offset;
    for (int part = 0; part < 3; part++) {
        if (part > 0 && !(at < text.len && text.data[at++] == '.'))
            return 0;
        size_t n = digits(text, at);
        if (n == 0)
            return 0;
        at += n;
    }
    for (const char *sign = "-+"; *sign; sign++) {
        if (at < text.len && text.data[at] == *sign) {
            size_t n = identifiers(text, at + 1);
            if (n == 0)
                return 0;
            if (*sign == '-' && has_padded_number(str_sub(text, at + 1, n)))
                return 0;
            at += 1 + n;
        }
    }
    return at - offset;
}

// Numbers by value (they have no leading zeros), before words by their bytes.
static int compare_identifiers(struct str a, struct str b)
{
    bool a_number = is_number(a), b_number = is_number(b);
    if (a_number != b_number)
        return a_number ? -1 : 1;
    if (a_number && a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return str_cmp(a, b);
}

static int compare_lists(struct str a, struct str b)
{
    int r = 0;
    while (r == 0 && (a.len > 0 || b.len > 0)) {
        struct str a_head, b_head;
        str_cut(a, '.', &a_head, &a);
        str_cut(b, '.', &b_head, &b);
        // The shorter of two equal lists comes first.
        if (a_head.len == 0 || b_head.len == 0)
            return a_head.len < b_head.len ? -1 : a_head.len > b_head.len;
        r = compare_identifiers(a_head, b_head);
    }
    return r;
}

static struct str without_zeros(struct str number)
{
    while (number.len > 1 && number.data[0] == '0')
        number = str_from_index(number, 1);
    return number;
}

// semver.org leaves builds without an order; this is the usual tools'. Numbers may have leading
// zeros here: more of them come later.
static int compare_builds(struct str a, struct str b)
{
    int r = 0;
    while (r == 0 && (a.len > 0 || b.len > 0)) {
        struct str a_head, b_head;
        str_cut(a, '.', &a_head, &a);
        str_cut(b, '.', &b_head, &b);
        if (a_head.len == 0 || b_head.len == 0)
            return a_head.len < b_head.len ? -1 : a_head.len > b_head.len;
        if (is_number(a_head) && is_number(b_head)) {
            r = compare_identifiers(without_zeros(a_head), without_zeros(b_head));
            if (r == 0)
                r = (a_head.len > b_head.len) - (a_head.len < b_head.len);
        } else {
            r = compare_identifiers(a_head, b_head);
        }
    }
    return r;
}

int wit_version_compare(struct str a, struct str b)
{
    struct str a_core, b_core, a_pre, b_pre, a_build, b_build;
    str_cut(a, '+', &a, &a_build);
    str_cut(b, '+', &b, &b_build);
    str_cut(a, '-', &a_core, &a_pre);
    str_cut(b, '-', &b_core, &b_pre);
    int r = compare_lists(a_core, b_core);
    if (r != 0)
        return r;
    if ((a_pre.len == 0) != (b_pre.len == 0))
        return a_pre.len == 0 ? 1 : -1;
    r = compare_lists(a_pre, b_pre);
    return r != 0 ? r : compare_builds(a_build, b_build);
}

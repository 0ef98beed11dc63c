// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include <errno.h>

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t len = MIN(a.len, b.len);
    int order = len ? memcmp(a.data, b.data, len) : 0;
    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_from_index(s, s.len - suffix.len), suffix);
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    from = MIN(from, s.len);
    return (struct str){s.data + from, MIN(len, s.len - from)};
}

ssize_t str_find_char(struct str s, char c)
{
    const char *at = s.len ? memchr(s.data, c, s.len) : NULL;
    return at ? at - s.data : -1;
}

ssize_t str_rfind_char(struct str s, char c)
{
    const char *at = s.len ? memrchr(s.data, c, s.len) : NULL;
    return at ? at - s.data : -1;
}

ssize_t str_find(struct str s, struct str needle)
{
    const char *at = memmem(s.data, s.len, needle.data, needle.len);
    return at ? at - s.data : -1;
}

bool str_cut(struct str s, char sep, struct str *head, struct str *rest)
{
    ssize_t at = str_find_char(s, sep);
    *head = at < 0 ? s : str_sub(s, 0, (size_t)at);
    *rest = at < 0 ? STR_EMPTY : str_from_index(s, (size_t)at + 1);
    return at >= 0;
}

struct str str_trim(struct str s)
{
    while (s.len && ascii_is_space(s.data[0]))
        s = str_from_index(s, 1);
    while (s.len && ascii_is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

int str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.data[i]))
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.data[i] - '0'), &value))
            return -ERANGE;
    }
    if (value > max)
        return -ERANGE;
    *out = value;
    return 0;
}

char *str_dup(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    return copy;
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = 0x9e3779b97f4a7c15ull ^ s.len;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.data + i, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdull;
        hash ^= hash >> 32;
    }
    uint64_t tail = 0;
    for (size_t shift = 0; i < s.len; i++, shift += 8)
        tail |= (uint64_t)(unsigned char)s.data[i] << shift;
    hash = (hash ^ tail) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 29;
    hash *= 0xc4ceb9fe1a85ec53ull;
    return hash ^ (hash >> 32);
}

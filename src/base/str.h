// SPDX-License-Identifier: Apache-2.0
// Borrowed slices of bytes. A `struct str` owns nothing and need not end with NUL.
#pragma once

#include <stdbool.h>

#include "base/mem.h"

struct str {
    const char *data;
    size_t len;
};

// A slice of a string literal.
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
// The same for static initialisers.
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define STR_EMPTY ((struct str){"", 0})
// For printf: "%.*s", STR_ARG(s).
#define STR_ARG(s) (int)(s).len, (s).data

static inline struct str str_of(const char *data, size_t len)
{
    return (struct str){data, len};
}

// The whole C string; an empty slice for NULL.
static inline struct str str_from(const char *text)
{
    return text ? (struct str){text, strlen(text)} : STR_EMPTY;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

// ASCII letters compare equal in either case.
bool str_eq_nocase(struct str a, struct str b);
// Order by bytes, shorter first: <0, 0, >0.
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

// The part from `from` on, at most `len` bytes; clamped to the slice.
struct str str_sub(struct str s, size_t from, size_t len);
static inline struct str str_from_index(struct str s, size_t from)
{
    return str_sub(s, from, s.len);
}

// Index of the first/last `c`, or -1.
ssize_t str_find_char(struct str s, char c);
ssize_t str_rfind_char(struct str s, char c);
// Index of the first occurrence of `needle`, or -1.
ssize_t str_find(struct str s, struct str needle);

// Cuts at the first `sep`: *head gets what is before it, *rest what follows. False (head = all,
// rest empty) without a separator.
bool str_cut(struct str s, char sep, struct str *head, struct str *rest);

// Without ASCII white space (space, tab, CR, LF) at both ends.
struct str str_trim(struct str s);

// All decimal digits, no sign, no blanks: 0 and *out, or -EINVAL, or -ERANGE over `max`.
_must_use_ int str_to_u64(struct str s, uint64_t max, uint64_t *out);

// NUL-terminated copy on the heap.
_malloc_ char *str_dup(struct str s);

// A good 64-bit hash of the bytes (not for hostile keys without a seed).
uint64_t str_hash(struct str s);

static inline char ascii_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
    return (c >= 'a' && c <= 'z') ? (char)(c - 32) : c;
}
static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool ascii_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

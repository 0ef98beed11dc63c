// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

int32_t utf8_decode(struct str s, size_t *pos)
{
    const unsigned char *at = (const unsigned char *)s.data + *pos;
    size_t left = s.len - *pos;
    if (left == 0)
        return -1;
    if (at[0] < 0x80) {
        *pos += 1;
        return at[0];
    }
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < len)
        return -1;
    uint32_t value = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(at[i]))
            return -1;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < lowest[len] || !utf8_is_scalar(value))
        return -1;
    *pos += len;
    return (int32_t)value;
}

size_t utf8_valid_prefix(struct str s)
{
    size_t pos = 0;
    while (pos < s.len) {
        uint64_t word;
        while (pos + 8 <= s.len) {
            memcpy(&word, s.data + pos, 8);
            if (word & 0x8080808080808080ull)
                break;
            pos += 8;
        }
        if (pos < s.len && utf8_decode(s, &pos) < 0)
            return pos;
    }
    return s.len;
}

size_t utf8_encode(uint32_t scalar, char out[4])
{
    if (scalar < 0x80) {
        out[0] = (char)scalar;
        return 1;
    }
    size_t len = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (scalar & 0x3f));
        scalar >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[len] | scalar);
    return len;
}

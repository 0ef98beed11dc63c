// SPDX-License-Identifier: Apache-2.0
#include "http/fields.h"

#include "http/chars.h"

// RFC 9110 section 5.6.2: the lower case of each token character, 0 for what is none.
const unsigned char http_token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b',   ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',   ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',   ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w',   ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',   ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',   ['l'] = 'l',
    ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',   ['s'] = 's',
    ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',   ['z'] = 'z',
};

bool http_name_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!http_token_lower[(unsigned char)name.data[i]])
            return false;
    return name.len > 0;
}

static bool is_text(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

#define ONES  0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

// True when none of the eight bytes is a control character or DEL; false also for HTAB.
static bool eight_are_plain(const char *data)
{
    uint64_t x;
    memcpy(&x, data, sizeof(x));
    uint64_t below_space = (x - ONES * 0x20) & ~x;
    uint64_t del = x ^ (ONES * 0x7f);
    del = (del - ONES) & ~del;
    return ((below_space | del) & HIGHS) == 0;
}

bool http_text_valid(const char *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (len - i >= 8 && eight_are_plain(data + i)) {
            i += 8;
            continue;
        }
        for (size_t end = MIN(i + 8, len); i < end; i++)
            if (!is_text((unsigned char)data[i]))
                return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_value_valid(struct str value)
{
    if (value.len > 0 && (is_blank(value.data[0]) || is_blank(value.data[value.len - 1])))
        return false;
    return http_text_valid(value.data, value.len);
}

bool http_name_is_hop_by_hop(struct str name)
{
    static const struct str names[] = {
        STR_INIT("connection"),        STR_INIT("keep-alive"), STR_INIT("proxy-connection"),
        STR_INIT("transfer-encoding"), STR_INIT("upgrade"),    STR_INIT("te"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

const struct http_field *http_field_find(const struct http_field *fields, size_t count,
                                         struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(fields[i].name, name))
            return &fields[i];
    return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/utf8.h"
#include "data/toml_impl.h"

static bool is_bare_key_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '-';
}

static int hex_escape(struct toml *toml, size_t digits, struct buf *out)
{
    uint32_t scalar = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = ascii_lower(toml_peek(toml));
        unsigned digit;
        if (ascii_is_digit(c))
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return toml_fail(toml, "invalid hexadecimal digit in an escape");
        scalar = scalar << 4 | digit;
        toml->pos++;
    }
    if (!utf8_is_scalar(scalar))
        return toml_fail(toml, "the escape is not a Unicode scalar value");
    char bytes[4];
    return buf_add(out, bytes, utf8_encode(scalar, bytes));
}

// A backslash at a line's end: white space up to the next text is left out.
static int line_escape(struct toml *toml)
{
    size_t newlines = 0;
    while (ascii_is_space(toml_peek(toml))) {
        newlines += toml_peek(toml) == '\n';
        if (newlines == 0 && toml_peek(toml) == '\r' && !toml_looking_at(toml, "\r\n"))
            break;
        toml->pos++;
    }
    return newlines ? 0 : toml_fail(toml, "invalid escape");
}

static int escape(struct toml *toml, bool is_multi_line, struct buf *out)
{
    static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    char c = toml_peek(toml);
    const char *found = c ? strchr(names, c) : NULL;
    if (found) {
        toml->pos++;
        return buf_add_char(out, values[found - names]);
    }
    if (c == 'u' || c == 'U') {
        toml->pos++;
        return hex_escape(toml, c == 'u' ? 4 : 8, out);
    }
    if (is_multi_line && ascii_is_space(c))
        return line_escape(toml);
    return toml_fail(toml, "invalid escape");
}

// Takes a character that stands for itself.
static int plain_char(struct toml *toml, bool is_multi_line, struct buf *out)
{
    unsigned char c = (unsigned char)toml_peek(toml);
    if (is_multi_line && toml_looking_at(toml, "\r\n")) {
        toml->pos += 2;
        return buf_add_char(out, '\n');
    }
    bool is_allowed = (c >= 0x20 && c != 0x7f) || c == '\t' || (is_multi_line && c == '\n');
    if (toml_at_end(toml))
        return toml_fail(toml, "the string is not closed");
    if (!is_allowed)
        return toml_fail(toml, c == '\n' ? "the string is not closed on its line"
                                         : "control character in a string");
    toml->pos++;
    return buf_add_char(out, (char)c);
}

// Up to two quotes may stand right before the closing three.
static int close_multi_line(struct toml *toml, char quote, struct buf *out)
{
    toml->pos += 3;
    for (int extra = 0; extra < 2 && toml_peek(toml) == quote; extra++) {
        int rc = buf_add_char(out, quote);
        if (rc < 0)
            return rc;
        toml->pos++;
    }
    return 0;
}

static int read_string(struct toml *toml, struct buf *out)
{
    char quote = toml_peek(toml);
    const char *triple = quote == '"' ? "\"\"\"" : "'''";
    bool is_multi_line = toml_looking_at(toml, triple);
    toml->pos += is_multi_line ? 3 : 1;
    if (is_multi_line && toml_looking_at(toml, "\r\n"))
        toml->pos += 2;
    else if (is_multi_line && toml_peek(toml) == '\n')
        toml->pos++;
    for (;;) {
        if (is_multi_line && toml_looking_at(toml, triple))
            return close_multi_line(toml, quote, out);
        if (!is_multi_line && toml_peek(toml) == quote) {
            toml->pos++;
            return 0;
        }
        int rc;
        if (quote == '"' && toml_peek(toml) == '\\') {
            toml->pos++;
            rc = escape(toml, is_multi_line, out);
        } else {
            rc = plain_char(toml, is_multi_line, out);
        }
        if (rc < 0)
            return rc;
    }
}

int toml_string(struct toml *toml, struct str *out)
{
    BUF(text, TREE_BYTES_MAX);
    int rc = read_string(toml, &text);
    if (rc == 0)
        *out = arena_str(&toml->arena, buf_str(&text));
    return rc;
}

int toml_key_part(struct toml *toml, struct str *out)
{
    char c = toml_peek(toml);
    if (c == '"' || c == '\'') {
        if (toml_looking_at(toml, "\"\"\"") || toml_looking_at(toml, "'''"))
            return toml_fail(toml, "a key cannot be a multi-line string");
        return toml_string(toml, out);
    }
    size_t start = toml->pos;
    while (is_bare_key_char(toml_peek(toml)))
        toml->pos++;
    if (toml->pos == start)
        return toml_fail(toml, "expected a key");
    *out = str_sub(toml->text, start, toml->pos - start);
    return 0;
}

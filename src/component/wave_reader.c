// SPDX-License-Identifier: Apache-2.0
#include "component/wave_reader.h"

#include <errno.h>
#include <stdarg.h>

#define MESSAGE_BYTES 512

int wave_fail(struct wave_reader *reader, size_t pos, const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < pos && i < reader->text.len; i++) {
        unsigned char c = (unsigned char)reader->text.data[i];
        line += c == '\n';
        column = c == '\n' ? 1 : column + ((c & 0xc0) != 0x80);
    }
    if (line > 1)
        return error_set(reader->err, -EINVAL, "line %zu, column %zu: %s", line, column, message);
    return error_set(reader->err, -EINVAL, "column %zu: %s", column, message);
}

static bool is_label_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-';
}

int wave_expected(struct wave_reader *reader, const char *what)
{
    wave_skip_space(reader);
    struct str rest = str_from_index(reader->text, reader->pos);
    if (rest.len == 0)
        return wave_fail(reader, reader->pos, "expected %s, found the end", what);
    size_t len = 1;
    if (is_label_char(rest.data[0]) || rest.data[0] == '%')
        while (len < rest.len && len < 40 && is_label_char(rest.data[len]))
            len++;
    while (len < rest.len && (rest.data[len] & 0xc0) == 0x80)
        len++;
    return wave_fail(reader, reader->pos, "expected %s, found `%.*s`", what, (int)len, rest.data);
}

static char peek(const struct wave_reader *reader, size_t ahead)
{
    size_t at = reader->pos + ahead;
    return at < reader->text.len ? reader->text.data[at] : '\0';
}

void wave_skip_space(struct wave_reader *reader)
{
    for (;;) {
        while (ascii_is_space(peek(reader, 0)))
            reader->pos++;
        if (peek(reader, 0) != '/' || peek(reader, 1) != '/')
            return;
        while (reader->pos < reader->text.len && peek(reader, 0) != '\n')
            reader->pos++;
    }
}

bool wave_accept(struct wave_reader *reader, char c)
{
    wave_skip_space(reader);
    if (reader->pos >= reader->text.len || peek(reader, 0) != c)
        return false;
    reader->pos++;
    return true;
}

int wave_expect(struct wave_reader *reader, char c)
{
    char what[] = {'`', c, '`', '\0'};
    return wave_accept(reader, c) ? 0 : wave_expected(reader, what);
}

struct wave_label wave_take_label(struct wave_reader *reader)
{
    wave_skip_space(reader);
    struct wave_label label = {.name = STR_EMPTY, .pos = reader->pos};
    label.escaped = peek(reader, 0) == '%';
    size_t from = reader->pos + label.escaped, to = from;
    if (from >= reader->text.len || !ascii_is_alpha(reader->text.data[from]))
        return label;
    while (to < reader->text.len && is_label_char(reader->text.data[to]))
        to++;
    label.name = str_sub(reader->text, from, to - from);
    reader->pos = to;
    return label;
}

bool wave_is_keyword(struct str name)
{
    static const char *const keywords[] = {"true", "false", "inf", "nan",
                                           "some", "none",  "ok",  "err"};
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_is(name, keywords[i]))
            return true;
    return false;
}

static size_t digits(struct str text, size_t at)
{
    while (at < text.len && ascii_is_digit(text.data[at]))
        at++;
    return at;
}

struct str wave_take_number(struct wave_reader *reader)
{
    wave_skip_space(reader);
    struct str text = reader->text;
    size_t from = reader->pos, at = from;
    if (at < text.len && text.data[at] == '-')
        at++;
    size_t end = digits(text, at);
    if (end == at)
        return STR_EMPTY;
    if (text.data[at] == '0')
        end = at + 1;
    if (end + 1 < text.len && text.data[end] == '.' && ascii_is_digit(text.data[end + 1]))
        end = digits(text, end + 1);
    if (end < text.len && (text.data[end] == 'e' || text.data[end] == 'E')) {
        size_t exponent = end + 1;
        if (exponent < text.len && (text.data[exponent] == '+' || text.data[exponent] == '-'))
            exponent++;
        if (digits(text, exponent) > exponent)
            end = digits(text, exponent);
    }
    reader->pos = end;
    return str_sub(text, from, end - from);
}

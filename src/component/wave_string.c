// SPDX-License-Identifier: Apache-2.0
// Characters, strings and multi-line strings of WAVE.
#include "base/buf.h"
#include "base/utf8.h"
#include "component/wave_reader.h"

// `\u{...}`, the position behind the 'u'.
static int take_unicode(struct wave_reader *reader, size_t start, uint32_t *out)
{
    uint32_t value = 0;
    size_t count = 0;
    struct str text = reader->text;
    if (reader->pos >= text.len || text.data[reader->pos] != '{')
        return wave_fail(reader, start, "expected `\\u{...}`");
    for (reader->pos++; reader->pos < text.len; reader->pos++, count++) {
        char c = ascii_lower(text.data[reader->pos]);
        if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
            break;
        value = value << 4 | (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
        if (value > 0x10ffff)
            return wave_fail(reader, start, "the escape is beyond \\u{10ffff}");
    }
    if (count == 0 || reader->pos >= text.len || text.data[reader->pos] != '}')
        return wave_fail(reader, start, "expected hexadecimal digits and `}` in `\\u{...}`");
    reader->pos++;
    if (!utf8_is_scalar(value))
        return wave_fail(reader, start, "\\u{%x} is not a Unicode scalar value", value);
    *out = value;
    return 0;
}

// What follows a backslash.
static int take_escape(struct wave_reader *reader, uint32_t *out)
{
    static const char names[] = "tnr'\"\\", values[] = "\t\n\r'\"\\";
    size_t start = reader->pos++;
    char c = reader->pos < reader->text.len ? reader->text.data[reader->pos] : '\0';
    reader->pos++;
    if (c == 'u')
        return take_unicode(reader, start, out);
    const char *name = c ? strchr(names, c) : NULL;
    if (!name)
        return wave_fail(reader, start,
                         "unknown escape; known are \\t \\n \\r \\' \\\" \\\\ \\u{...}");
    *out = (unsigned char)values[name - names];
    return 0;
}

// One character, escaped or plain.
static int take_scalar(struct wave_reader *reader, uint32_t *out)
{
    size_t pos = reader->pos;
    if (reader->text.data[pos] == '\\')
        return take_escape(reader, out);
    int32_t c = utf8_decode(reader->text, &reader->pos);
    if (c < 0)
        return wave_fail(reader, pos, "the text is not valid UTF-8");
    *out = (uint32_t)c;
    return 0;
}

int wave_take_char(struct wave_reader *reader, uint32_t *out)
{
    uint32_t value = 0;
    size_t start = reader->pos;
    if (!wave_accept(reader, '\''))
        return wave_expected(reader, "a character such as 'x'");
    if (reader->pos >= reader->text.len || reader->text.data[reader->pos] == '\'' ||
        reader->text.data[reader->pos] == '\n')
        return wave_fail(reader, start, "expected a character between the quotes");
    int rc = take_scalar(reader, &value);
    if (rc < 0)
        return rc;
    if (reader->pos >= reader->text.len || reader->text.data[reader->pos] != '\'')
        return wave_fail(reader, reader->pos, "expected `'` after one character");
    reader->pos++;
    *out = value;
    return 0;
}

// Decodes up to `end` onto `out`.
static int take_scalars(struct wave_reader *reader, size_t end, struct buf *out)
{
    while (reader->pos < end) {
        uint32_t value = 0;
        char utf8[4];
        int rc = take_scalar(reader, &value);
        if (rc == 0)
            rc = buf_add(out, utf8, utf8_encode(value, utf8));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int take_line_string(struct wave_reader *reader, struct buf *out)
{
    size_t start = reader->pos - 1, end = reader->pos;
    struct str text = reader->text;
    while (end < text.len && text.data[end] != '"' && text.data[end] != '\n')
        end += text.data[end] == '\\' ? 2 : 1;
    if (end >= text.len || text.data[end] != '"')
        return wave_fail(reader, start, "the string does not end in its line");
    int rc = take_scalars(reader, end, out);
    reader->pos = end + 1;
    return rc;
}

// One line of a multi-line string without its indent and line break.
static int take_indented_line(struct wave_reader *reader, size_t end, size_t indent,
                              struct buf *out)
{
    size_t start = reader->pos;
    while (reader->pos < end && reader->pos - start < indent &&
           reader->text.data[reader->pos] == ' ')
        reader->pos++;
    if (reader->pos - start < indent)
        return wave_fail(reader, start, "the line has a smaller indent than the closing quotes");
    size_t content = end;
    if (content > reader->pos && reader->text.data[content - 1] == '\r')
        content--;
    int rc = take_scalars(reader, content, out);
    if (rc == 0 && reader->pos != content)
        return wave_fail(reader, reader->pos, "an escape runs over the end of its line");
    reader->pos = end;
    return rc;
}

// The three quotes and the line break behind them are taken.
static int take_block_string(struct wave_reader *reader, size_t start, struct buf *out)
{
    struct str text = reader->text;
    ssize_t length = str_find(str_from_index(text, reader->pos), STR("\"\"\""));
    if (length < 0)
        return wave_fail(reader, start, "the multi-line string does not end");
    size_t close = reader->pos + (size_t)length, last = close;
    while (last > reader->pos && text.data[last - 1] == ' ')
        last--;
    if (text.data[last - 1] != '\n')
        return wave_fail(reader, close, "the closing quotes must have a line of their own");
    int rc = 0;
    bool first = true;
    while (rc == 0 && reader->pos < last) {
        size_t end = reader->pos;
        while (text.data[end] != '\n')
            end++;
        if (!first)
            rc = buf_add_char(out, '\n');
        if (rc == 0)
            rc = take_indented_line(reader, end, close - last, out);
        first = false;
        reader->pos = end + 1;
    }
    reader->pos = close + 3;
    return rc;
}

int wave_take_string(struct wave_reader *reader, struct str *out)
{
    BUF(content, reader->text.len);
    if (!wave_accept(reader, '"'))
        return wave_expected(reader, "a string such as \"x\"");
    size_t start = reader->pos - 1;
    int rc = 0;
    if (str_starts(str_from_index(reader->text, reader->pos), STR("\"\""))) {
        reader->pos += 2;
        struct str rest = str_from_index(reader->text, reader->pos);
        size_t line_break = str_starts(rest, STR("\n")) ? 1 : str_starts(rest, STR("\r\n")) ? 2 : 0;
        if (line_break == 0)
            return wave_fail(reader, reader->pos,
                             "the quotes of a multi-line string must end their line");
        reader->pos += line_break;
        rc = take_block_string(reader, start, &content);
    } else {
        rc = take_line_string(reader, &content);
    }
    if (rc == 0)
        *out = arena_str(reader->arena, buf_str(&content));
    return rc;
}

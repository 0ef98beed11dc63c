// SPDX-License-Identifier: Apache-2.0
#include "wit/lexer.h"

#include <errno.h>
#include <stdarg.h>

#include "base/utf8.h"
#include "wit/version.h"

static const char *const keywords[] = {
    "as",       "async",     "bool",  "borrow", "char",   "constructor", "enum",    "error-context",
    "export",   "f32",       "f64",   "flags",  "from",   "func",        "future",  "import",
    "include",  "interface", "list",  "map",    "option", "own",         "package", "record",
    "resource", "result",    "s16",   "s32",    "s64",    "s8",          "static",  "stream",
    "string",   "tuple",     "type",  "u16",    "u32",    "u64",         "u8",      "use",
    "variant",  "with",      "world",
};

bool wit_is_keyword(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_is(name, keywords[i]))
            return true;
    return false;
}

int wit_fail(struct wit_pos pos, struct error *err, const char *fmt, ...)
{
    char message[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);

    size_t line = 1, column = 1;
    for (uint32_t i = 0; i < pos.offset && i < pos.source->text.len; i++) {
        unsigned char c = (unsigned char)pos.source->text.data[i];
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xc0) != 0x80) {
            column++;
        }
    }
    return error_set(err, -EINVAL, "%s:%zu:%zu: %s", pos.source->path, line, column, message);
}

static bool is_refused_character(int32_t c)
{
    if (c < 0x20)
        return c != '\n' && c != '\r' && c != '\t';
    switch (c) {
    case 0x7f:
    case 0x149:
    case 0x673:
    case 0xf77:
    case 0xf79:
    case 0x17a3:
    case 0x17a4:
    case 0x17b4:
    case 0x17b5:
        return true;
    }
    return (c >= 0x80 && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

// A byte order mark may begin a text.
static size_t mark_length(struct str text)
{
    return str_starts(text, STR("\xef\xbb\xbf")) ? 3 : 0;
}

int wit_source_check(const struct wit_source *source, struct error *err)
{
    for (size_t at = mark_length(source->text); at < source->text.len;) {
        struct wit_pos pos = {source, (uint32_t)at};
        int32_t c = utf8_decode(source->text, &at);
        if (c < 0)
            return wit_fail(pos, err, "the text is not valid UTF-8");
        if (is_refused_character(c))
            return wit_fail(pos, err, "character U+%04X is not allowed in WIT", (unsigned)c);
    }
    return 0;
}

static bool at_text(struct str text, size_t at, const char *what)
{
    return str_starts(str_from_index(text, at), str_from(what));
}

static size_t line_end(struct str text, size_t at)
{
    ssize_t n = str_find_char(str_from_index(text, at), '\n');
    return n < 0 ? text.len : at + (size_t)n;
}

// End of the block comment at `at`; comments nest. 0 when it does not end.
static size_t block_comment_end(struct str text, size_t at)
{
    size_t depth = 0;
    while (at < text.len) {
        if (at_text(text, at, "/*")) {
            depth++;
            at += 2;
        } else if (at_text(text, at, "*/")) {
            depth--;
            at += 2;
            if (depth == 0)
                return at;
        } else {
            at++;
        }
    }
    return 0;
}

static int skip_gap(const struct wit_source *source, size_t *at, struct error *err)
{
    struct str text = source->text;
    if (*at == 0)
        *at = mark_length(text);
    while (*at < text.len) {
        if (ascii_is_space(text.data[*at])) {
            ++*at;
        } else if (at_text(text, *at, "//")) {
            *at = line_end(text, *at);
        } else if (at_text(text, *at, "/*")) {
            size_t end = block_comment_end(text, *at);
            if (end == 0)
                return wit_fail((struct wit_pos){source, (uint32_t)*at}, err,
                                "this block comment does not end");
            *at = end;
        } else {
            break;
        }
    }
    return 0;
}

// Explainer.md "label": words joined by '-', each all lower or all upper case; the first begins
// with a letter.
static const char *label_problem(struct str name)
{
    if (name.len > WIT_NAME_BYTES_MAX)
        return "is longer than 1024 bytes";
    size_t word = 0;
    bool upper = false, lower = false;
    for (size_t i = 0; i <= name.len; i++) {
        if (i == name.len || name.data[i] == '-') {
            if (i == word)
                return "has an empty word: `-` joins two words";
            if (upper && lower)
                return "mixes upper and lower case in a word";
            word = i + 1;
            upper = lower = false;
        } else if (ascii_is_alpha(name.data[i])) {
            upper |= name.data[i] <= 'Z';
            lower |= name.data[i] >= 'a';
        }
    }
    return ascii_is_alpha(name.data[0]) ? NULL : "does not begin with a letter";
}

static int lex_id(const struct wit_source *source, size_t at, struct wit_token *token,
                  struct error *err)
{
    struct str text = source->text;
    bool escaped = text.data[at] == '%';
    size_t begin = at + escaped, end = begin;
    // "->" ends a name: `a->b` is three tokens.
    while (end < text.len && wit_is_id_char(text.data[end]) && !at_text(text, end, "->"))
        end++;
    struct str name = str_sub(text, begin, end - begin);
    struct wit_pos pos = {source, (uint32_t)at};
    if (end < text.len && (text.data[end] == '_' || (unsigned char)text.data[end] >= 0x80))
        return wit_fail(pos, err, "identifier `%.*s` goes on with a character that is not allowed",
                        (int)MIN(name.len, 80), name.data);
    if (name.len == 0)
        return wit_fail(pos, err, "expected an identifier after `%%`");
    const char *problem = label_problem(name);
    if (problem)
        return wit_fail(pos, err, "identifier `%.*s` %s", (int)MIN(name.len, 80), name.data,
                        problem);
    token->kind = !escaped && wit_is_keyword(name) ? WIT_TOKEN_KEYWORD : WIT_TOKEN_ID;
    token->text = name;
    return 0;
}

int wit_lex(const struct wit_source *source, uint32_t offset, struct wit_token *out,
            struct error *err)
{
    struct str text = source->text;
    size_t at = offset;
    int r = skip_gap(source, &at, err);
    if (r < 0)
        return r;
    struct wit_token token = {.kind = WIT_TOKEN_END, .gap = offset, .offset = (uint32_t)at};
    token.text = str_sub(text, at, at < text.len ? 1 : 0);
    if (at == text.len) {
        token.text = STR("end of file");
    } else if (at_text(text, at, "->")) {
        token.kind = WIT_TOKEN_ARROW;
        token.text = str_sub(text, at, 2);
    } else if (ascii_is_digit(text.data[at])) {
        token.kind = WIT_TOKEN_NUMBER;
        while (at + token.text.len < text.len && ascii_is_digit(text.data[at + token.text.len]))
            token.text.len++;
    } else if (ascii_is_alpha(text.data[at]) || text.data[at] == '%') {
        r = lex_id(source, at, &token, err);
    } else if (strchr("={}(),:;<>./@*_", text.data[at])) {
        token.kind = WIT_TOKEN_PUNCT;
    } else {
        size_t next = at;
        r = wit_fail((struct wit_pos){source, (uint32_t)at}, err, "unexpected character U+%04X",
                     (unsigned)utf8_decode(text, &next));
    }
    if (r == 0)
        *out = token;
    return r;
}

// The text of a comment: without the slashes of a line comment, without the frame of a block that
// documents. Of another block only the first slash goes, as the usual tools have it.
static struct str comment_text(struct str comment)
{
    if (str_starts(comment, STR("/**")) && comment.len > 4) {
        comment = str_sub(comment, 3, comment.len - 5);
        while (comment.len > 0 && ascii_is_space(comment.data[comment.len - 1]))
            comment.len--;
        return comment;
    }
    while (comment.len > 0 && comment.data[0] == '/')
        comment = str_from_index(comment, 1);
    return comment;
}

static void add_lines(char *out, size_t *len, struct str text)
{
    for (bool more = true; more;) {
        struct str line;
        more = str_cut(text, '\n', &line, &text);
        while (line.len > 0 && ascii_is_space(line.data[line.len - 1]))
            line.len--;
        if (line.len > 0)
            memcpy(out + *len, line.data, line.len);
        *len += line.len;
        out[(*len)++] = '\n';
    }
}

static size_t spaces(struct str text)
{
    size_t n = 0;
    while (n < text.len && text.data[n] == ' ')
        n++;
    return n;
}

// The end of the comment at `at`; 0: there is none.
static size_t comment_end(struct str text, size_t at)
{
    if (at_text(text, at, "//"))
        return line_end(text, at);
    return at_text(text, at, "/*") ? block_comment_end(text, at) : 0;
}

// The spaces that begin all comments but empty ones; further lines of a block do not count.
static size_t margin(struct str text, size_t from)
{
    size_t least = SIZE_MAX;
    for (size_t at = from, end; at < text.len; at = end) {
        end = comment_end(text, at);
        if (end == 0) {
            end = at + 1;
            continue;
        }
        struct str line = comment_text(str_sub(text, at, end - at));
        if (str_trim(line).len > 0)
            least = MIN(least, spaces(line));
    }
    return least;
}

struct str wit_docs(const struct wit_source *source, uint32_t from, uint32_t to,
                    struct arena *arena)
{
    struct str text = str_sub(source->text, 0, to);
    char *out = NULL;
    size_t len = 0;
    size_t least = margin(text, from);
    for (size_t at = from; at < to;) {
        size_t end = comment_end(text, at);
        if (end == 0) {
            at++;
            continue;
        }
        struct str comment = comment_text(str_sub(text, at, end - at));
        comment = str_from_index(comment, MIN(least, spaces(comment)));
        // Every line of the result is shorter than its source.
        if (!out)
            out = arena_alloc(arena, (size_t)(to - from) + 1);
        add_lines(out, &len, comment);
        at = end;
    }
    if (!out)
        return STR_EMPTY;
    while (len > 0 && out[len - 1] == '\n')
        len--;
    return str_of(out, len);
}

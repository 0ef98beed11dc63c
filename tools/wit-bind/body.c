// SPDX-License-Identifier: Apache-2.0
// The text of generated functions.
#include <stdarg.h>

#include "bind.h"

void body_init(struct body *body, struct bind *b)
{
    *body = (struct body){.bind = b, .text = BUF_INIT(BIND_OUTPUT_BYTES_MAX), .indent = 1};
}

// Breaks after a comma where the line would be longer than that.
#define COLUMNS_MAX 100

static void put_wrapped(struct body *body, struct str line)
{
    size_t indent = 4 * (size_t)body->indent;
    while (indent + line.len > COLUMNS_MAX) {
        ssize_t cut = -1;
        for (size_t i = 0; i + 1 < line.len && indent + i < COLUMNS_MAX; i++)
            if (line.data[i] == ',' && line.data[i + 1] == ' ')
                cut = (ssize_t)i;
        if (cut < 0)
            break;
        buf_putf(&body->text, "%*s%.*s\n", (int)indent, "", (int)cut + 1, line.data);
        line = str_from_index(line, (size_t)cut + 2);
        indent = 4 * (size_t)body->indent + 4;
    }
    buf_putf(&body->text, "%*s%.*s\n", (int)indent, "", STR_ARG(line));
}

void body_line(struct body *body, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_(mem_freep) char *line = NULL;
    if (vasprintf(&line, fmt, args) < 0)
        die_oom(0);
    va_end(args);
    put_wrapped(body, str_from(line));
}

static void put_lines(struct body *body, const char *lines)
{
    struct str rest = str_from(lines), line;
    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        body_line(body, "%.*s", STR_ARG(line));
    }
}

void body_step(struct body *body, const char *undo, const char *call)
{
    body->fails = true;
    body_line(body, "rc = %s;", call);
    body_line(body, "if (unlikely(rc < 0))%s", undo ? " {" : "");
    body->indent++;
    if (undo)
        put_lines(body, undo);
    body_line(body, "return rc;");
    body->indent--;
    if (undo)
        body_line(body, "}");
}

void body_finish(struct body *body, struct buf *out, const char *head, bool returns)
{
    buf_putf(out, "\n%s\n{\n", head);
    if (body->pairs)
        buf_putf(out, "    uint32_t pair[2];\n");
    if (body->fails)
        buf_putf(out, "    int rc;\n");
    buf_put(out, buf_str(&body->text));
    buf_putf(out, "%s}\n", returns ? "    return 0;\n" : "");
    buf_done(&body->text);
}

struct place place_add(struct place place, uint32_t offset)
{
    place.at += offset;
    return place;
}

const char *place_text(struct bind *b, struct place place)
{
    return place.at ? bind_text(b, "%s + %u", place.base, place.at) : place.base;
}

struct place place_payload(const struct type *t, struct place place)
{
    return place_add(place, place.is_flat ? 1 : type_payload_offset(t));
}

uint32_t place_member(const struct type *member, bool is_flat, uint32_t *end)
{
    uint32_t align = is_flat ? 1 : member->layout.align;
    uint32_t start = (*end + align - 1) & ~(align - 1);
    *end = start + (is_flat ? member->layout.flat_count : member->layout.size);
    return start;
}

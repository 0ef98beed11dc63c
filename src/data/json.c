// SPDX-License-Identifier: Apache-2.0
#include "data/json.h"

#include <errno.h>

#include "data/impl.h"

// A walk over text that jansson accepted, for what jansson does not tell: where values stand.
struct scan {
    struct str text;
    size_t pos;
    struct tree_place place; // of pos, the column as the line's start
    size_t line_start;
    struct tree_path path;
    struct scan_frame {
        bool is_map;
        bool wants_key;
        size_t index;
        size_t mark; // length of the container's path
    } frames[TREE_DEPTH_MAX + 1];
    size_t depth;
};

static struct str scan_string(struct scan *scan)
{
    size_t start = ++scan->pos;
    while (scan->text.data[scan->pos] != '"')
        scan->pos += scan->text.data[scan->pos] == '\\' ? 2 : 1;
    return str_sub(scan->text, start, scan->pos++ - start);
}

static void scan_value_start(struct scan *scan, struct tree_source *source)
{
    struct scan_frame *frame = &scan->frames[scan->depth];
    if (scan->depth > 0 && !frame->is_map)
        tree_path_push_index(&scan->path, frame->index);
    scan->place.column = (unsigned)(scan->pos - scan->line_start) + 1;
    tree_source_put(source, buf_str(&scan->path.text), scan->place);
}

static int scan_open(struct scan *scan, bool is_map)
{
    if (scan->depth == TREE_DEPTH_MAX)
        return -E2BIG;
    scan->frames[++scan->depth] = (struct scan_frame){is_map, is_map, 0, scan->path.text.len};
    scan->pos++;
    return 0;
}

static void scan_scalar(struct scan *scan)
{
    if (scan->text.data[scan->pos] == '"') {
        scan_string(scan);
        return;
    }
    while (scan->pos < scan->text.len && !strchr(",]} \t\r\n", scan->text.data[scan->pos]))
        scan->pos++;
}

// The path is again that of the container.
static void scan_item_end(struct scan *scan)
{
    scan->path.text.len = scan->frames[scan->depth].mark;
}

// One token. -E2BIG over the depth.
static int scan_token(struct scan *scan, struct tree_source *source)
{
    struct scan_frame *frame = &scan->frames[scan->depth];
    char c = scan->text.data[scan->pos];
    if (c == '}' || c == ']') {
        scan->depth--;
        scan->pos++;
        scan_item_end(scan);
    } else if (c == ',') {
        frame->index++;
        frame->wants_key = frame->is_map;
        scan->pos++;
    } else if (frame->wants_key) {
        frame->wants_key = false;
        tree_path_push_key(&scan->path, scan_string(scan));
    } else {
        scan_value_start(scan, source);
        if (c == '{' || c == '[')
            return scan_open(scan, c == '{');
        scan_scalar(scan);
        scan_item_end(scan);
    }
    return 0;
}

static int scan_places(struct str text, const char *file, struct tree_source *source,
                       struct error *err)
{
    struct scan scan = {.text = text, .place = {file, 1, 1}};
    scan.path.text = BUF_INIT(TREE_PATH_BYTES_MAX);
    int rc = 0;
    while (rc == 0 && scan.pos < text.len) {
        char c = text.data[scan.pos];
        if (c == '\n') {
            scan.place.line++;
            scan.line_start = scan.pos + 1;
        }
        if (ascii_is_space(c) || c == ':')
            scan.pos++;
        else
            rc = scan_token(&scan, source);
    }
    if (rc < 0)
        rc = error_set(err, rc, "%s:%u: nested deeper than %zu levels", file, scan.place.line,
                       TREE_DEPTH_MAX);
    buf_done(&scan.path.text);
    return rc;
}

int json_parse(struct str text, const char *file, struct tree **out, struct tree_source *source,
               struct error *err)
{
    if (text.len > TREE_BYTES_MAX)
        return error_set(err, -EFBIG, "%s: %zu bytes, the limit is %zu", file, text.len,
                         TREE_BYTES_MAX);
    // jansson takes NUL for the text's end and would leave out what follows.
    const char *nul = text.len ? memchr(text.data, 0, text.len) : NULL;
    if (nul)
        return error_set(err, -EINVAL, "%s: NUL byte at offset %zu", file,
                         (size_t)(nul - text.data));
    json_error_t reason;
    json_t *json = json_loadb(text.data ? text.data : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (!json)
        return error_set(err, -EINVAL, "%s:%d:%d: %s", file, MAX(reason.line, 1),
                         MAX(reason.column, 1), reason.text);
    int rc = scan_places(text, file, source, err);
    if (rc < 0) {
        json_decref(json);
        return rc;
    }
    *out = tree_of(json);
    return 0;
}

static int append(const char *data, size_t len, void *out)
{
    return buf_add(out, data, len);
}

int json_print(const struct tree *tree, unsigned indent, struct buf *out)
{
    size_t flags = JSON_ENCODE_ANY | (indent ? JSON_INDENT(indent) : JSON_COMPACT);
    return json_dump_callback(json_of(tree), append, out, flags) < 0 ? -ENOBUFS : 0;
}

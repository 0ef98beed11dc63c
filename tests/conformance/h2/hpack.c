// SPDX-License-Identifier: Apache-2.0
// HPACK's test stories (http2jp/hpack-test-case) against the nghttp2 that the server is linked
// with: each header block decodes to its fields, and what is encoded from them decodes to them
// again. Usage: test-hpack DIR; a line of totals in stories at the end.
#include <glob.h>
#include <jansson.h>
#include <nghttp2/nghttp2.h>

#include "base/buf.h"

#define FIELDS_MAX      512
#define BLOCK_BYTES_MAX ((size_t)1 << 20)

struct story {
    const char *path;
    nghttp2_hd_inflater *inflater; // of the story's blocks
    nghttp2_hd_deflater *deflater; // of our own
    nghttp2_hd_inflater *reinflater;
};

static int fail(const struct story *story, json_t *item, const char *what)
{
    printf("%s: case %lld: %s\n", story->path, json_integer_value(json_object_get(item, "seqno")),
           what);
    return -1;
}

static int digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static int unhex(const char *text, struct buf *out)
{
    buf_clear(out);
    for (; text[0]; text += 2) {
        int high = digit(text[0]), low = digit(text[1]);
        if (high < 0 || low < 0 || buf_add_char(out, (char)(high << 4 | low)) < 0)
            return -1;
    }
    return 0;
}

// "name: value\n" for each field.
static void print_fields(json_t *headers, struct buf *out)
{
    size_t i;
    json_t *pair, *value;
    const char *name;
    buf_clear(out);
    json_array_foreach(headers, i, pair)
    {
        json_object_foreach(pair, name, value)
            buf_putf(out, "%s: %s\n", name, json_string_value(value));
    }
}

static int inflate(nghttp2_hd_inflater *inflater, struct str block, struct buf *out)
{
    buf_clear(out);
    for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
        nghttp2_nv field;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, (const uint8_t *)block.data,
                                              block.len, 1);
        if (used < 0)
            return -1;
        block = str_from_index(block, (size_t)used);
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            buf_putf(out, "%.*s: %.*s\n", (int)field.namelen, (char *)field.name,
                     (int)field.valuelen, (char *)field.value);
        else if (block.len == 0 && !(flags & NGHTTP2_HD_INFLATE_FINAL) && used == 0)
            return -1;
    }
    return nghttp2_hd_inflate_end_headers(inflater);
}

static int deflate(nghttp2_hd_deflater *deflater, json_t *headers, struct buf *out)
{
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = 0, i;
    json_t *pair, *value;
    const char *name;
    json_array_foreach(headers, i, pair)
    {
        json_object_foreach(pair, name, value)
        {
            if (count == FIELDS_MAX)
                return -1;
            const char *text = json_string_value(value);
            fields[count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)text,
                                           strlen(name), strlen(text), NGHTTP2_NV_FLAG_NONE};
        }
    }
    size_t bound = nghttp2_hd_deflate_bound(deflater, fields, count);
    buf_clear(out);
    if (buf_reserve(out, bound) < 0)
        return -1;
    ssize_t len = nghttp2_hd_deflate_hd(deflater, (uint8_t *)out->data, bound, fields, count);
    out->len = len < 0 ? 0 : (size_t)len;
    return len < 0 ? -1 : 0;
}

static int run_case(struct story *story, json_t *item)
{
    BUF(want, BLOCK_BYTES_MAX);
    BUF(got, BLOCK_BYTES_MAX);
    BUF(block, BLOCK_BYTES_MAX);
    const char *wire = json_string_value(json_object_get(item, "wire"));
    json_t *headers = json_object_get(item, "headers");
    json_t *size = json_object_get(item, "header_table_size");
    print_fields(headers, &want);
    if (size && (nghttp2_hd_inflate_change_table_size(story->inflater,
                                                      (size_t)json_integer_value(size)) < 0 ||
                 nghttp2_hd_deflate_change_table_size(story->deflater,
                                                      (size_t)json_integer_value(size)) < 0 ||
                 nghttp2_hd_inflate_change_table_size(story->reinflater,
                                                      (size_t)json_integer_value(size)) < 0))
        return fail(story, item, "the table's size does not change");
    if (wire) {
        if (unhex(wire, &block) < 0)
            return fail(story, item, "the block is not in hexadecimal");
        if (inflate(story->inflater, buf_str(&block), &got) < 0)
            return fail(story, item, "the block does not decode");
        if (!str_eq(buf_str(&got), buf_str(&want)))
            return fail(story, item, "the block decodes to other fields");
    }
    if (deflate(story->deflater, headers, &block) < 0)
        return fail(story, item, "the fields do not encode");
    if (inflate(story->reinflater, buf_str(&block), &got) < 0 ||
        !str_eq(buf_str(&got), buf_str(&want)))
        return fail(story, item, "what was encoded decodes to other fields");
    return 0;
}

static int run_story(const char *path)
{
    struct story story = {.path = path};
    json_t *root = json_load_file(path, 0, NULL), *item;
    size_t i;
    int rc = root ? 0 : -1;
    if (nghttp2_hd_inflate_new(&story.inflater) < 0 ||
        nghttp2_hd_inflate_new(&story.reinflater) < 0 ||
        nghttp2_hd_deflate_new(&story.deflater, 4096) < 0)
        die_oom(4096);
    json_array_foreach(json_object_get(root, "cases"), i, item)
    {
        if (rc == 0)
            rc = run_case(&story, item);
    }
    nghttp2_hd_inflate_del(story.inflater);
    nghttp2_hd_inflate_del(story.reinflater);
    nghttp2_hd_deflate_del(story.deflater);
    json_decref(root);
    return rc;
}

int main(int argc, char **argv)
{
    glob_t stories = {0};
    size_t failed = 0;
    _cleanup_(mem_freep) char *pattern = mem_printf("%s/*/story_*.json", argc > 1 ? argv[1] : ".");
    if (glob(pattern, 0, NULL, &stories) == 0)
        for (size_t i = 0; i < stories.gl_pathc; i++)
            failed += run_story(stories.gl_pathv[i]) < 0;
    printf("%zu passed, %zu failed, %d skipped\n", stories.gl_pathc - failed, failed,
           stories.gl_pathc == 0);
    globfree(&stories);
    return failed > 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "data/toml.h"

#include <errno.h>

#include "base/utf8.h"
#include "data/toml_impl.h"

enum toml_flags {
    TOML_DEFINED = 1, // by a [header]
    TOML_DOTTED = 2,  // by a dotted key
    TOML_CLOSED = 4,  // an inline table or an array: complete where it stands
    TOML_TABLES = 8,  // an array of [[tables]]
};

// ---- places and flags --------------------------------------------------------------------------

struct tree_place toml_place(struct toml *toml)
{
    for (; toml->counted < toml->pos && toml->counted < toml->text.len; toml->counted++) {
        if (toml->text.data[toml->counted] == '\n') {
            toml->line++;
            toml->line_start = toml->counted + 1;
        }
    }
    return (struct tree_place){toml->file, toml->line,
                               (unsigned)(toml->pos - MIN(toml->line_start, toml->pos)) + 1};
}

int toml_fail(struct toml *toml, const char *what)
{
    struct tree_place place = toml_place(toml);
    return error_set(toml->err, -EINVAL, "%s:%u:%u: %s", toml->file, place.line, place.column,
                     what);
}

static uint8_t *flags_of(struct toml *toml, struct tree *tree)
{
    struct str key = str_of((const char *)&tree, sizeof(tree));
    uint8_t *flags = map_get(&toml->flags, key);
    if (!flags) {
        struct tree **copy = arena_alloc(&toml->arena, sizeof(tree) + 1);
        *copy = tree;
        flags = (uint8_t *)(copy + 1);
        map_put(&toml->flags, str_of((const char *)copy, sizeof(tree)), flags);
    }
    return flags;
}

static int count_node(struct toml *toml)
{
    return ++toml->nodes > TREE_NODES_MAX ? toml_fail(toml, "the document has too many values") : 0;
}

// ---- blanks ------------------------------------------------------------------------------------

static void skip_blanks(struct toml *toml)
{
    while (toml_peek(toml) == ' ' || toml_peek(toml) == '\t')
        toml->pos++;
}

static int skip_comment(struct toml *toml)
{
    while (!toml_at_end(toml) && toml_peek(toml) != '\n' && !toml_looking_at(toml, "\r\n")) {
        unsigned char c = (unsigned char)toml_peek(toml);
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return toml_fail(toml, "control character in a comment");
        toml->pos++;
    }
    return 0;
}

static bool skip_newline(struct toml *toml)
{
    size_t len = toml_looking_at(toml, "\r\n") ? 2 : toml_peek(toml) == '\n';
    toml->pos += len;
    return len > 0;
}

// Blanks, comments and line ends.
static int skip_lines(struct toml *toml)
{
    do {
        skip_blanks(toml);
        if (toml_peek(toml) == '#') {
            int rc = skip_comment(toml);
            if (rc < 0)
                return rc;
        }
    } while (skip_newline(toml));
    return 0;
}

static int end_line(struct toml *toml)
{
    skip_blanks(toml);
    int rc = toml_peek(toml) == '#' ? skip_comment(toml) : 0;
    if (rc == 0 && !toml_at_end(toml) && !skip_newline(toml))
        rc = toml_fail(toml, "expected the end of the line");
    return rc;
}

// ---- values ------------------------------------------------------------------------------------

static int read_value(struct toml *toml, struct tree **out);
static int read_pair(struct toml *toml, struct tree *table);

static int read_array(struct toml *toml, struct tree *list)
{
    toml->pos++;
    for (;;) {
        int rc = skip_lines(toml);
        if (rc < 0)
            return rc;
        if (toml_peek(toml) == ']')
            break;
        size_t mark = tree_path_push_index(&toml->path, tree_len(list));
        struct tree *item;
        if ((rc = read_value(toml, &item)) < 0)
            return rc;
        tree_path_pop(&toml->path, mark);
        tree_append(list, item);
        if ((rc = skip_lines(toml)) < 0)
            return rc;
        if (toml_peek(toml) == ',')
            toml->pos++;
        else if (toml_peek(toml) != ']')
            return toml_fail(toml, "expected \",\" or \"]\" in the array");
    }
    toml->pos++;
    return 0;
}

static int read_inline_table(struct toml *toml, struct tree *table)
{
    toml->pos++;
    skip_blanks(toml);
    if (toml_peek(toml) == '}') {
        toml->pos++;
        return 0;
    }
    for (;;) {
        int rc = read_pair(toml, table);
        if (rc < 0)
            return rc;
        skip_blanks(toml);
        if (toml_peek(toml) == '}')
            break;
        if (toml_peek(toml) != ',')
            return toml_fail(toml, "expected \",\" or \"}\" in the inline table");
        toml->pos++;
        skip_blanks(toml);
    }
    toml->pos++;
    return 0;
}

static int read_container(struct toml *toml, struct tree **out)
{
    if (++toml->depth > TREE_DEPTH_MAX)
        return toml_fail(toml, "nested deeper than 64 levels");
    bool is_list = toml_peek(toml) == '[';
    _tree_ tree = is_list ? tree_list() : tree_map();
    int rc = is_list ? read_array(toml, tree) : read_inline_table(toml, tree);
    if (rc < 0)
        return rc;
    *flags_of(toml, tree) |= TOML_CLOSED;
    toml->depth--;
    *out = TAKE(tree);
    return 0;
}

// Recursion is bounded by TREE_DEPTH_MAX.
static int read_value(struct toml *toml, struct tree **out)
{
    tree_source_put(toml->source, buf_str(&toml->path.text), toml_place(toml));
    int rc = count_node(toml);
    char c = toml_peek(toml);
    if (rc < 0)
        return rc;
    if (c == '[' || c == '{')
        return read_container(toml, out);
    if (c != '"' && c != '\'')
        return toml_scalar(toml, out);
    struct str text;
    rc = toml_string(toml, &text);
    if (rc == 0)
        *out = tree_string(text);
    return rc;
}

// ---- keys and tables ---------------------------------------------------------------------------

#define TOML_KEY_PARTS_MAX (TREE_DEPTH_MAX - 1)

struct toml_key {
    struct str parts[TOML_KEY_PARTS_MAX];
    size_t count;
};

static int read_key(struct toml *toml, struct toml_key *key)
{
    key->count = 0;
    for (;;) {
        skip_blanks(toml);
        if (toml->depth + key->count >= TOML_KEY_PARTS_MAX)
            return toml_fail(toml, "nested deeper than 64 levels");
        struct str *part = &key->parts[key->count++];
        int rc = toml_key_part(toml, part);
        if (rc < 0)
            return rc;
        if (part->len > 0 && memchr(part->data, 0, part->len))
            return toml_fail(toml, "NUL character in a key");
        skip_blanks(toml);
        if (toml_peek(toml) != '.')
            return 0;
        toml->pos++;
    }
}

static int fail_key(struct toml *toml, const char *what, struct str key)
{
    _cleanup_(mem_freep) char *text =
        mem_printf("%s \"%.*s\"", what, (int)MIN(key.len, 200), key.data);
    return toml_fail(toml, text);
}

static struct tree *add_table(struct toml *toml, struct tree *table, struct str key,
                              enum toml_flags flags)
{
    struct tree *child = tree_map();
    toml->nodes++;
    tree_put(table, key, child);
    *flags_of(toml, child) = (uint8_t)flags;
    tree_source_put(toml->source, buf_str(&toml->path.text), toml_place(toml));
    return child;
}

// key = value, the dotted key's tables made on the way.
static int read_pair(struct toml *toml, struct tree *table)
{
    struct toml_key key;
    size_t mark = toml->path.text.len;
    int rc = read_key(toml, &key);
    for (size_t i = 0; rc == 0 && i + 1 < key.count; i++) {
        struct tree *child = tree_get(table, key.parts[i]);
        tree_path_push_key(&toml->path, key.parts[i]);
        if (!child)
            child = add_table(toml, table, key.parts[i], TOML_DOTTED);
        else if (tree_kind(child) != TREE_MAP || *flags_of(toml, child) != TOML_DOTTED)
            rc = fail_key(toml, "a dotted key cannot extend", key.parts[i]);
        table = child;
    }
    if (rc < 0)
        return rc;
    struct str last = key.parts[key.count - 1];
    if (tree_get(table, last))
        return fail_key(toml, "duplicate key", last);
    tree_path_push_key(&toml->path, last);
    if (toml_peek(toml) != '=')
        return toml_fail(toml, "expected \"=\" after the key");
    toml->pos++;
    skip_blanks(toml);
    struct tree *value;
    toml->depth += key.count - 1;
    rc = read_value(toml, &value);
    toml->depth -= key.count - 1;
    if (rc == 0)
        tree_put(table, last, value);
    tree_path_pop(&toml->path, mark);
    return rc;
}

// Follows one part of a header that is not the last.
static int enter_table(struct toml *toml, struct tree **table, struct str part)
{
    struct tree *child = tree_get(*table, part);
    tree_path_push_key(&toml->path, part);
    if (!child)
        child = add_table(toml, *table, part, 0);
    if (tree_kind(child) == TREE_LIST && *flags_of(toml, child) == TOML_TABLES) {
        tree_path_push_index(&toml->path, tree_len(child) - 1);
        child = tree_at(child, tree_len(child) - 1);
    }
    if (tree_kind(child) != TREE_MAP || *flags_of(toml, child) & TOML_CLOSED)
        return fail_key(toml, "not a table that can be extended:", part);
    *table = child;
    return 0;
}

static int define_table(struct toml *toml, struct tree **table, struct str last)
{
    struct tree *child = tree_get(*table, last);
    tree_path_push_key(&toml->path, last);
    if (!child) {
        *table = add_table(toml, *table, last, TOML_DEFINED);
        return 0;
    }
    if (tree_kind(child) != TREE_MAP || *flags_of(toml, child) != 0)
        return fail_key(toml, "duplicate table", last);
    *flags_of(toml, child) = TOML_DEFINED;
    *table = child;
    return 0;
}

static int append_table(struct toml *toml, struct tree **table, struct str last)
{
    struct tree *list = tree_get(*table, last);
    tree_path_push_key(&toml->path, last);
    if (!list) {
        list = tree_list();
        tree_put(*table, last, list);
        *flags_of(toml, list) = TOML_TABLES;
    }
    if (tree_kind(list) != TREE_LIST || *flags_of(toml, list) != TOML_TABLES)
        return fail_key(toml, "not an array of tables:", last);
    tree_path_push_index(&toml->path, tree_len(list));
    *table = tree_map();
    tree_append(list, *table);
    *flags_of(toml, *table) = TOML_DEFINED;
    tree_source_put(toml->source, buf_str(&toml->path.text), toml_place(toml));
    return count_node(toml);
}

// [table] or [[array of tables]].
static int read_header(struct toml *toml, struct tree *root, struct tree **table, size_t *depth)
{
    bool is_array = toml_looking_at(toml, "[[");
    toml->pos += is_array ? 2 : 1;
    struct toml_key key;
    toml->depth = 0;
    int rc = read_key(toml, &key);
    if (rc < 0)
        return rc;
    if (!toml_looking_at(toml, is_array ? "]]" : "]"))
        return toml_fail(toml, "expected the header's closing bracket");
    // Each part may be an array and its element.
    if (key.count * 2 > TREE_DEPTH_MAX)
        return toml_fail(toml, "nested deeper than 64 levels");
    toml->path.text.len = 0;
    *table = root;
    for (size_t i = 0; rc == 0 && i + 1 < key.count; i++)
        rc = enter_table(toml, table, key.parts[i]);
    struct str last = key.parts[key.count - 1];
    if (rc == 0)
        rc = is_array ? append_table(toml, table, last) : define_table(toml, table, last);
    if (rc < 0)
        return rc;
    toml->pos += is_array ? 2 : 1;
    *depth = key.count * 2;
    return end_line(toml);
}

static int read_document(struct toml *toml, struct tree *root)
{
    struct tree *table = root;
    size_t depth = 0;
    *flags_of(toml, root) = TOML_DEFINED;
    if (toml_looking_at(toml, "\xef\xbb\xbf"))
        toml->pos += 3;
    for (;;) {
        int rc = skip_lines(toml);
        if (rc < 0 || toml_at_end(toml))
            return rc;
        if (toml_peek(toml) == '[') {
            rc = read_header(toml, root, &table, &depth);
        } else {
            toml->depth = depth;
            rc = read_pair(toml, table);
            if (rc == 0)
                rc = end_line(toml);
        }
        if (rc < 0)
            return rc;
    }
}

int toml_parse(struct str text, const char *file, struct tree **out, struct tree_source *source,
               struct error *err)
{
    if (text.len > TREE_BYTES_MAX)
        return error_set(err, -EFBIG, "%s: %zu bytes, the limit is %zu", file, text.len,
                         TREE_BYTES_MAX);
    struct toml toml = {.text = text, .file = file, .source = source, .err = err, .line = 1};
    toml.arena = ARENA_INIT(0);
    toml.path.text = BUF_INIT(TREE_PATH_BYTES_MAX);
    _tree_ root = tree_map();
    size_t valid = utf8_valid_prefix(text);
    toml.pos = valid;
    int rc = valid < text.len ? toml_fail(&toml, "not UTF-8") : 0;
    toml.pos = 0;
    if (rc == 0)
        rc = read_document(&toml, root);
    if (rc == 0)
        *out = TAKE(root);
    buf_done(&toml.path.text);
    map_done(&toml.flags);
    arena_done(&toml.arena);
    return rc;
}

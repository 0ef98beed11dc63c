// SPDX-License-Identifier: Apache-2.0
// The environment as a layer of the configuration.
#include <errno.h>

#include "data/scalar.h"
#include "wash/config_impl.h"

// ---- values ------------------------------------------------------------------------------------

// A cursor over a value; `depth` bounds the recursion.
struct value_text {
    struct str text;
    size_t pos;
    size_t depth;
};

static char peek(const struct value_text *in)
{
    return in->pos < in->text.len ? in->text.data[in->pos] : 0;
}

static void skip_spaces(struct value_text *in)
{
    while (ascii_is_space(peek(in)))
        in->pos++;
}

static bool take(struct value_text *in, char c)
{
    skip_spaces(in);
    if (peek(in) != c || in->pos >= in->text.len)
        return false;
    in->pos++;
    return true;
}

static struct tree *bare_value(struct str text)
{
    text = str_trim(text);
    if (text.len == 0)
        return tree_null();
    if (str_is(text, "true") || str_is(text, "false"))
        return tree_bool(text.data[0] == 't');
    struct str digits = str_from_index(text, text.data[0] == '-');
    uint64_t whole;
    if (str_to_u64(digits, INT64_MAX, &whole) == 0)
        return tree_int(digits.len < text.len ? -(int64_t)whole : (int64_t)whole);
    if (str_find_char(text, '.') >= 0 && decimal_valid(digits)) {
        struct tree *real = tree_real(decimal_value(text));
        if (real)
            return real;
    }
    return tree_string(text);
}

// "…" with the escapes of C strings, or '…' as it stands. NULL when it is not closed.
static struct tree *quoted_value(struct value_text *in)
{
    static const char names[] = "nrt0\\\"'", values[] = "\n\r\t\0\\\"'";
    char quote = peek(in);
    BUF(out, CONFIG_FILE_BYTES_MAX);
    for (in->pos++; in->pos < in->text.len; in->pos++) {
        char c = peek(in);
        if (c == quote) {
            in->pos++;
            return tree_string(buf_str(&out));
        }
        if (c == '\\' && quote == '"' && in->pos + 1 < in->text.len) {
            const char *found = memchr(names, in->text.data[in->pos + 1], sizeof(names) - 1);
            if (!found)
                return NULL;
            c = values[found - names];
            in->pos++;
        }
        if (buf_add_char(&out, c) < 0)
            return NULL;
    }
    return NULL;
}

static struct str take_until(struct value_text *in, const char *stops)
{
    size_t start = in->pos;
    while (in->pos < in->text.len && !strchr(stops, peek(in)))
        in->pos++;
    return str_trim(str_sub(in->text, start, in->pos - start));
}

static struct tree *parse_value(struct value_text *in, const char *stops);

static struct tree *list_value(struct value_text *in)
{
    _tree_ list = tree_list();
    in->pos++;
    if (take(in, ']'))
        return TAKE(list);
    do {
        struct tree *item = parse_value(in, ",]");
        if (!item)
            return NULL;
        tree_append(list, item);
    } while (take(in, ','));
    return take(in, ']') ? TAKE(list) : NULL;
}

static struct tree *map_value(struct value_text *in)
{
    _tree_ map = tree_map();
    in->pos++;
    if (take(in, '}'))
        return TAKE(map);
    do {
        _tree_ quoted = NULL;
        skip_spaces(in);
        if (peek(in) == '"' && !(quoted = quoted_value(in)))
            return NULL;
        struct str key = quoted ? tree_get_string(quoted) : take_until(in, "=,{}[]");
        if (key.len == 0 || !take(in, '='))
            return NULL;
        struct tree *value = parse_value(in, ",}");
        if (!value)
            return NULL;
        tree_put(map, key, value);
    } while (take(in, ','));
    return take(in, '}') ? TAKE(map) : NULL;
}

// One value up to one of `stops`; NULL when it is malformed. Recursion stops at TREE_DEPTH_MAX.
static struct tree *parse_value(struct value_text *in, const char *stops)
{
    skip_spaces(in);
    char c = peek(in);
    if (c == '"' || c == '\'')
        return quoted_value(in);
    if (c != '[' && c != '{')
        return bare_value(take_until(in, stops));
    if (in->depth == TREE_DEPTH_MAX - 1)
        return NULL;
    in->depth++;
    struct tree *tree = c == '[' ? list_value(in) : map_value(in);
    in->depth--;
    return tree;
}

struct tree *config_env_value(struct str text)
{
    struct value_text in = {.text = str_trim(text)};
    struct tree *tree = parse_value(&in, "");
    skip_spaces(&in);
    if (tree && in.pos == in.text.len)
        return tree;
    tree_unref(tree);
    return tree_string(in.text); // what is none of the above is a string
}

// ---- variables ---------------------------------------------------------------------------------

static const struct field *find_block(struct str name)
{
    for (size_t i = 0; i < config_record.count; i++)
        if (str_is(name, config_record.fields[i].name))
            return &config_record.fields[i];
    return NULL;
}

// The map at a dotted path, made where it is missing.
static struct tree *enter(struct tree *map, struct str name)
{
    struct tree *child = tree_get(map, name);
    if (child && tree_kind(child) == TREE_MAP)
        return child;
    child = tree_map();
    tree_put(map, name, child);
    return child;
}

static void warn_ignored(const struct config_options *options, struct str name)
{
    if (!options->warn)
        return;
    _cleanup_(mem_freep) char *message =
        mem_printf("environment variable %.*s is ignored: the configuration's block of that name "
                   "is a map like {key=value}",
                   STR_ARG(name));
    options->warn(options->user, message);
}

static void add_variable(const struct config_options *options, struct arena *arena,
                         struct tree_source *source, struct tree *layer, struct str variable)
{
    struct str name, value;
    if (!str_cut(variable, '=', &name, &value) || name.len <= 5 || name.len > 256 ||
        !str_eq_nocase(str_sub(name, 0, 5), STR("WASH_")))
        return;
    struct str path = arena_str(arena, str_from_index(name, 5));
    for (size_t i = 0; i < path.len; i++)
        ((char *)(uintptr_t)path.data)[i] = ascii_lower(path.data[i]);
    struct str part, rest;
    bool is_nested = str_cut(path, '.', &part, &rest);
    const struct field *block = find_block(part);
    struct tree *tree = block ? config_env_value(value) : NULL;
    if (!tree)
        return;
    if (!is_nested && block->kind != FIELD_STRING && tree_kind(tree) != TREE_MAP) {
        warn_ignored(options, name);
        tree_unref(tree);
        return;
    }
    struct tree *map = layer;
    for (size_t depth = 0; is_nested && depth < TREE_DEPTH_MAX / 2; depth++) {
        map = enter(map, part);
        is_nested = str_cut(rest, '.', &part, &rest);
    }
    tree_put(map, part, tree);
    struct str label = arena_printf(arena, "environment variable %.*s", STR_ARG(name));
    tree_source_put(source, path, (struct tree_place){.file = label.data});
}

struct tree *config_env_layer(const struct config_options *options, struct arena *arena,
                              struct tree_source *source)
{
    struct tree *layer = tree_map();
    for (size_t i = 0; options->environ && options->environ[i]; i++)
        add_variable(options, arena, source, layer, str_from(options->environ[i]));
    return layer;
}

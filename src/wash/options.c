// SPDX-License-Identifier: Apache-2.0
#include "wash/options.h"

#include <errno.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit byte_units[] = {
    {"", 1},
    {"K", 1024},
    {"M", 1024 * 1024},
    {"G", 1024 * 1024 * 1024},
};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"", 1000},
};

static int parse_scaled(struct str text, const struct unit *units, size_t count, uint64_t *out)
{
    for (size_t i = 0; i < count; i++) {
        struct str suffix = str_from(units[i].suffix);
        if (!str_ends(text, suffix))
            continue;
        uint64_t value;
        int rc = str_to_u64(str_sub(text, 0, text.len - suffix.len), UINT64_MAX, &value);
        if (rc == 0 && __builtin_mul_overflow(value, units[i].factor, out))
            rc = -ERANGE;
        if (rc == 0 || suffix.len)
            return rc;
    }
    return -EINVAL;
}

static int store_list(struct text_list *list, const char *value, struct error *err)
{
    if (list->len == OPTION_LIST_MAX)
        return error_set(err, -E2BIG, "an option was given more than %d times", OPTION_LIST_MAX);
    list->items = mem_realloc_array(list->items, list->len + 1, sizeof(*list->items));
    list->items[list->len++] = value;
    return 0;
}

static int store(const struct option *option, void *out, const char *value, struct error *err)
{
    void *field = (char *)out + option->offset;
    struct str text = str_from(value);
    int rc = 0;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)field = value;
        return 0;
    case OPTION_LIST:
        return store_list(field, value, err);
    case OPTION_COUNT:
        rc = str_to_u64(text, UINT64_MAX, field);
        break;
    case OPTION_BYTES:
        rc = parse_scaled(text, byte_units, ARRAY_LEN(byte_units), field);
        break;
    case OPTION_DURATION:
        rc = parse_scaled(text, duration_units, ARRAY_LEN(duration_units), field);
        break;
    }
    static const char *const wanted[] = {
        [OPTION_COUNT] = "a number",
        [OPTION_BYTES] = "a size such as 64M",
        [OPTION_DURATION] = "a duration such as 500ms, 30s or 5m",
    };
    if (rc < 0)
        return error_set(err, rc, "`--%s %s`: expected %s", option->name, value,
                         wanted[option->kind]);
    return 0;
}

#define GUESS_BYTES_MAX    32
#define GUESS_DISTANCE_MAX 3

// Insertions, deletions and replacements between two names, for a guess at a typing error.
static size_t distance(struct str a, struct str b)
{
    size_t row[GUESS_BYTES_MAX + 1];
    if (a.len > GUESS_BYTES_MAX || b.len > GUESS_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.data[i - 1] != b.data[j - 1]);
            size_t shorter = MIN(row[j], row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = MIN(replaced, shorter);
        }
    }
    return row[b.len];
}

static int unknown(const struct option_table *tables, size_t count, struct str name,
                   struct error *err)
{
    const char *nearest = NULL;
    size_t best = GUESS_DISTANCE_MAX + 1;
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < tables[t].len; i++) {
            const char *candidate = tables[t].items[i].name;
            if (!candidate)
                continue;
            size_t far =
                str_starts(str_from(candidate), name) ? 0 : distance(name, str_from(candidate));
            if (far < best) {
                nearest = candidate;
                best = far;
            }
        }
    if (nearest)
        return error_set(err, -EINVAL, "unknown option `--%.*s`; did you mean `--%s`?",
                         STR_ARG(name), nearest);
    return error_set(err, -EINVAL, "unknown option `--%.*s`", STR_ARG(name));
}

static const struct option *find(const struct option_table *tables, size_t count, struct str name,
                                 char letter, void **out)
{
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < tables[t].len; i++) {
            const struct option *option = &tables[t].items[i];
            bool match = letter ? option->letter == letter
                                : option->name && str_eq(name, str_from(option->name));
            if (match) {
                *out = tables[t].out;
                return option;
            }
        }
    return NULL;
}

struct cursor {
    int argc;
    char *const *argv;
    int at;
};

static int take_value(struct cursor *cursor, const struct option *option, void *out,
                      const char *inline_value, struct error *err)
{
    if (option->kind == OPTION_FLAG) {
        if (inline_value)
            return error_set(err, -EINVAL, "option `--%s` takes no value", option->name);
        return store(option, out, NULL, err);
    }
    if (!inline_value && cursor->at + 1 >= cursor->argc)
        return error_set(err, -EINVAL, "option `%s` needs a value: %s", cursor->argv[cursor->at],
                         option->value);
    return store(option, out, inline_value ? inline_value : cursor->argv[++cursor->at], err);
}

static int take_long(const struct option_table *tables, size_t count, struct cursor *cursor,
                     struct error *err)
{
    struct str name, value;
    bool has_value = str_cut(str_from(cursor->argv[cursor->at] + 2), '=', &name, &value);
    void *out;
    const struct option *option = find(tables, count, name, 0, &out);
    if (!option)
        return unknown(tables, count, name, err);
    return take_value(cursor, option, out, has_value ? value.data : NULL, err);
}

// -x, -x VALUE, -xVALUE; flags may be joined.
static int take_short(const struct option_table *tables, size_t count, struct cursor *cursor,
                      struct error *err)
{
    for (const char *at = cursor->argv[cursor->at] + 1; *at; at++) {
        void *out;
        const struct option *option = find(tables, count, STR_EMPTY, *at, &out);
        if (!option)
            return error_set(err, -EINVAL, "unknown option `-%c`", *at);
        if (option->kind != OPTION_FLAG)
            return take_value(cursor, option, out, at[1] ? at + 1 : NULL, err);
        int rc = store(option, out, NULL, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int options_parse(const struct option_table *tables, size_t table_count, int argc,
                  char *const *argv, struct arguments *rest, struct error *err)
{
    struct cursor cursor = {argc, argv, 0};
    *rest = (struct arguments){mem_new_array(const char *, (size_t)argc + 1), 0, SIZE_MAX};
    int rc = 0;
    for (; rc == 0 && cursor.at < argc; cursor.at++) {
        const char *arg = argv[cursor.at];
        if (rest->after_dashes != SIZE_MAX || arg[0] != '-' || !arg[1]) {
            rest->items[rest->len++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            rest->after_dashes = rest->len;
        } else {
            rc = arg[1] == '-' ? take_long(tables, table_count, &cursor, err)
                               : take_short(tables, table_count, &cursor, err);
        }
    }
    rest->after_dashes = MIN(rest->after_dashes, rest->len);
    return rc;
}

void options_done(const struct option_table *table)
{
    for (size_t i = 0; i < table->len; i++)
        if (table->items[i].kind == OPTION_LIST)
            free(((struct text_list *)((char *)table->out + table->items[i].offset))->items);
}

void arguments_done(struct arguments *rest)
{
    free(rest->items);
}

void options_help(const struct option *items, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        const struct option *option = &items[i];
        BUF(left, 256);
        if (option->letter)
            buf_putf(&left, "-%c", option->letter);
        else
            buf_put(&left, STR("  "));
        if (option->name)
            buf_putf(&left, "%s--%s", option->letter ? ", " : "  ", option->name);
        if (option->value)
            buf_putf(&left, " %s", option->value);
        buf_putf(out, "  %-32.*s  ", STR_ARG(buf_str(&left)));
        // Further lines of a help text stand below its first.
        struct str line, rest = str_from(option->help);
        for (bool more = true, first = true; more; first = false) {
            more = str_cut(rest, '\n', &line, &rest);
            buf_putf(out, "%*s%.*s\n", first ? 0 : 36, "", STR_ARG(line));
        }
    }
}

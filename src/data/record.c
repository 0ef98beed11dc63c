// SPDX-License-Identifier: Apache-2.0
#include "data/record.h"

#include <errno.h>

#include "data/impl.h"

#define KEY_COMPARE_BYTES_MAX ((size_t)48)

struct state {
    const struct record_reader *reader;
    struct error *err;
    struct tree_path path;
};

const char *record_place(const struct record_reader *reader, struct str path, char *out,
                         size_t out_len)
{
    struct tree_place place = tree_source_find(reader->source, path);
    out[0] = 0;
    if (place.file && place.line > 0)
        snprintf(out, out_len, " (%s:%u)", place.file, place.line);
    else if (place.file)
        snprintf(out, out_len, " (%s)", place.file);
    return out;
}

static int fail(struct state *state, const char *what)
{
    char place[RECORD_PLACE_BYTES];
    struct str path = buf_str(&state->path.text);
    if (path.len == 0)
        return error_set(state->err, -EINVAL, "%s", what);
    return error_set(state->err, -EINVAL, "key `%.*s`: %s%s", STR_ARG(path), what,
                     record_place(state->reader, path, place, sizeof(place)));
}

static int fail_kind(struct state *state, const char *want, const struct tree *tree)
{
    char what[128];
    snprintf(what, sizeof(what), "expected %s, found %s", want, tree_kind_name(tree_kind(tree)));
    return fail(state, what);
}

// ---- unknown keys ------------------------------------------------------------------------------

// How many letters must be changed, added or dropped to get from one to the other.
static size_t distance(struct str a, struct str b)
{
    size_t row[KEY_COMPARE_BYTES_MAX + 1];
    if (a.len > KEY_COMPARE_BYTES_MAX || b.len > KEY_COMPARE_BYTES_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= b.len; i++)
        row[i] = i;
    for (size_t i = 0; i < a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.len; j++) {
            size_t change = diagonal + (ascii_lower(a.data[i]) != ascii_lower(b.data[j]));
            diagonal = row[j + 1];
            row[j + 1] = MIN(change, MIN(row[j], row[j + 1]) + 1);
        }
    }
    return row[b.len];
}

static const char *nearest_key(const struct record *record, struct str key)
{
    const char *nearest = NULL;
    size_t least = MAX(key.len / 3, 2) + 1;
    for (size_t i = 0; i < record->count; i++) {
        size_t d = distance(key, str_from(record->fields[i].name));
        if (d < least) {
            least = d;
            nearest = record->fields[i].name;
        }
    }
    return nearest;
}

static const struct field *find_field(const struct record *record, struct str key)
{
    for (size_t i = 0; i < record->count; i++)
        if (str_is(key, record->fields[i].name))
            return &record->fields[i];
    return NULL;
}

static void warn_unknown(struct state *state, const struct record *record, struct str key)
{
    if (!state->reader->warn)
        return;
    char place[RECORD_PLACE_BYTES];
    const char *nearest = nearest_key(record, key);
    size_t mark = tree_path_push_key(&state->path, key);
    struct str path = buf_str(&state->path.text);
    record_place(state->reader, path, place, sizeof(place));
    _cleanup_(mem_freep) char *message =
        mem_printf("unknown key `%.*s` is ignored%s%s%s%s", STR_ARG(path), place,
                   nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    state->reader->warn(state->reader->user, message);
    tree_path_pop(&state->path, mark);
}

// ---- reading -----------------------------------------------------------------------------------

static int read_string(struct state *state, const struct tree *tree, unsigned flags,
                       struct str *out)
{
    struct arena *arena = state->reader->arena;
    if (tree_kind(tree) == TREE_STRING) {
        *out = arena_str(arena, tree_get_string(tree));
        return 0;
    }
    if (!(flags & FIELD_ANY_SCALAR))
        return fail_kind(state, "a string", tree);
    switch (tree_kind(tree)) {
    case TREE_BOOL:
        *out = arena_str(arena, str_from(tree_get_bool(tree) ? "true" : "false"));
        return 0;
    case TREE_INT:
        *out = arena_printf(arena, "%lld", (long long)tree_get_int(tree));
        return 0;
    case TREE_REAL:
        *out = arena_printf(arena, "%.15g", tree_get_real(tree));
        return 0;
    case TREE_NULL:
    case TREE_STRING:
    case TREE_LIST:
    case TREE_MAP:
        break;
    }
    return fail_kind(state, "a string", tree);
}

static int read_int(struct state *state, const struct field *field, const struct tree *tree,
                    struct optional_int *out)
{
    if (tree_kind(tree) != TREE_INT)
        return fail_kind(state, "a whole number", tree);
    int64_t value = tree_get_int(tree);
    if ((field->min || field->max) && (value < field->min || value > field->max)) {
        char what[128];
        snprintf(what, sizeof(what), "%lld is not between %lld and %lld", (long long)value,
                 (long long)field->min, (long long)field->max);
        return fail(state, what);
    }
    *out = (struct optional_int){true, value};
    return 0;
}

static int read_strings(struct state *state, const struct field *field, const struct tree *tree,
                        struct strings *out)
{
    if (tree_kind(tree) != TREE_LIST)
        return fail_kind(state, "a list of strings", tree);
    size_t len = tree_len(tree);
    out->items = arena_new_array(state->reader->arena, struct str, MAX(len, 1));
    for (size_t i = 0; i < len; i++) {
        size_t mark = tree_path_push_index(&state->path, i);
        int rc = read_string(state, tree_at(tree, i), field->flags, &out->items[i]);
        if (rc < 0)
            return rc;
        tree_path_pop(&state->path, mark);
    }
    out->len = len;
    out->is_set = true;
    return 0;
}

static int read_string_map(struct state *state, const struct field *field, const struct tree *tree,
                           struct string_map *out)
{
    if (tree_kind(tree) != TREE_MAP)
        return fail_kind(state, "a map of strings", tree);
    out->items = arena_new_array(state->reader->arena, struct string_pair, MAX(tree_len(tree), 1));
    for (void *at = tree_first(tree); at; at = tree_next(tree, at)) {
        struct string_pair *pair = &out->items[out->len];
        size_t mark = tree_path_push_key(&state->path, tree_key(at));
        int rc = read_string(state, tree_value(at), field->flags, &pair->value);
        if (rc < 0)
            return rc;
        pair->key = arena_str(state->reader->arena, tree_key(at));
        out->len++;
        tree_path_pop(&state->path, mark);
    }
    out->is_set = true;
    return 0;
}

static int read_record(struct state *state, const struct record *record, const struct tree *tree,
                       void *out);

static int read_records(struct state *state, const struct record *record, const struct tree *tree,
                        struct record_list *out)
{
    if (tree_kind(tree) != TREE_LIST)
        return fail_kind(state, "a list", tree);
    size_t len = tree_len(tree);
    out->items = arena_alloc_array(state->reader->arena, MAX(len, 1), record->size);
    for (size_t i = 0; i < len; i++) {
        size_t mark = tree_path_push_index(&state->path, i);
        int rc =
            read_record(state, record, tree_at(tree, i), (char *)out->items + i * record->size);
        if (rc < 0)
            return rc;
        tree_path_pop(&state->path, mark);
    }
    out->len = len;
    out->is_set = true;
    return 0;
}

static int read_record_map(struct state *state, const struct record *record,
                           const struct tree *tree, struct record_map *out)
{
    if (tree_kind(tree) != TREE_MAP)
        return fail_kind(state, "a map", tree);
    struct arena *arena = state->reader->arena;
    size_t len = MAX(tree_len(tree), 1);
    out->items = arena_alloc_array(arena, len, record->size);
    out->names = arena_new_array(arena, struct str, len);
    for (void *at = tree_first(tree); at; at = tree_next(tree, at)) {
        size_t mark = tree_path_push_key(&state->path, tree_key(at));
        int rc = read_record(state, record, tree_value(at),
                             (char *)out->items + out->len * record->size);
        if (rc < 0)
            return rc;
        out->names[out->len++] = arena_str(arena, tree_key(at));
        tree_path_pop(&state->path, mark);
    }
    out->is_set = true;
    return 0;
}

static int read_field(struct state *state, const struct field *field, const struct tree *tree,
                      void *member)
{
    if (tree_kind(tree) == TREE_NULL && !(field->flags & (FIELD_NOT_NULL | FIELD_REQUIRED)))
        return 0;
    switch (field->kind) {
    case FIELD_STRING:
        return read_string(state, tree, field->flags, member);
    case FIELD_BOOL:
        if (tree_kind(tree) != TREE_BOOL)
            return fail_kind(state, "true or false", tree);
        *(bool *)member = tree_get_bool(tree);
        return 0;
    case FIELD_INT:
        return read_int(state, field, tree, member);
    case FIELD_STRINGS:
        return read_strings(state, field, tree, member);
    case FIELD_STRING_MAP:
        return read_string_map(state, field, tree, member);
    case FIELD_RECORD:
        *(void **)member = arena_alloc(state->reader->arena, field->record->size);
        return read_record(state, field->record, tree, *(void **)member);
    case FIELD_RECORDS:
        return read_records(state, field->record, tree, member);
    case FIELD_RECORD_MAP:
        return read_record_map(state, field->record, tree, member);
    }
    return -EINVAL;
}

// Recursion goes as deep as the tables do.
static int read_record(struct state *state, const struct record *record, const struct tree *tree,
                       void *out)
{
    if (tree_kind(tree) != TREE_MAP)
        return fail_kind(state, "a map", tree);
    for (void *at = tree_first(tree); at; at = tree_next(tree, at)) {
        const struct field *field = find_field(record, tree_key(at));
        if (!field) {
            warn_unknown(state, record, tree_key(at));
            continue;
        }
        size_t mark = tree_path_push_key(&state->path, tree_key(at));
        int rc = read_field(state, field, tree_value(at), (char *)out + field->offset);
        if (rc < 0)
            return rc;
        tree_path_pop(&state->path, mark);
    }
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        if ((field->flags & FIELD_REQUIRED) && !tree_get(tree, str_from(field->name))) {
            char what[128];
            snprintf(what, sizeof(what), "the required key `%s` is missing", field->name);
            return fail(state, what);
        }
    }
    return 0;
}

int record_read(const struct record_reader *reader, const struct record *record,
                const struct tree *tree, void *out, struct error *err)
{
    struct state state = {.reader = reader, .err = err};
    state.path.text = BUF_INIT(TREE_PATH_BYTES_MAX);
    int rc = read_record(&state, record, tree, out);
    buf_done(&state.path.text);
    return rc;
}

// ---- printing ----------------------------------------------------------------------------------

static struct tree *print_string(struct str text)
{
    struct tree *tree = text.data ? tree_string(text) : NULL;
    return tree ? tree : tree_null();
}

static struct tree *print_strings(const struct strings *strings)
{
    struct tree *list = tree_list();
    for (size_t i = 0; i < strings->len; i++)
        tree_append(list, print_string(strings->items[i]));
    return list;
}

static struct tree *print_string_map(const struct string_map *strings)
{
    struct tree *map = tree_map();
    for (size_t i = 0; i < strings->len; i++)
        tree_put(map, strings->items[i].key, print_string(strings->items[i].value));
    return map;
}

static struct tree *print_records(const struct record *record, const struct record_list *records)
{
    struct tree *list = tree_list();
    for (size_t i = 0; i < records->len; i++)
        tree_append(list, record_print(record, (const char *)records->items + i * record->size));
    return list;
}

static struct tree *print_record_map(const struct record *record, const struct record_map *records)
{
    struct tree *map = tree_map();
    for (size_t i = 0; i < records->len; i++)
        tree_put(map, records->names[i],
                 record_print(record, (const char *)records->items + i * record->size));
    return map;
}

static struct tree *print_int(const struct optional_int *value)
{
    return value->is_set ? tree_int(value->value) : tree_null();
}

static struct tree *print_field(const struct field *field, const void *member)
{
    switch (field->kind) {
    case FIELD_STRING:
        return print_string(*(const struct str *)member);
    case FIELD_BOOL:
        return tree_bool(*(const bool *)member);
    case FIELD_INT:
        return print_int(member);
    case FIELD_STRINGS:
        return print_strings(member);
    case FIELD_STRING_MAP:
        return print_string_map(member);
    case FIELD_RECORD:
        return *(void *const *)member ? record_print(field->record, *(void *const *)member)
                                      : tree_null();
    case FIELD_RECORDS:
        return print_records(field->record, member);
    case FIELD_RECORD_MAP:
        return print_record_map(field->record, member);
    }
    return tree_null();
}

static bool is_empty(const struct field *field, const struct tree *tree)
{
    switch (tree_kind(tree)) {
    case TREE_NULL:
        return true;
    case TREE_BOOL:
        return !tree_get_bool(tree);
    case TREE_LIST:
    case TREE_MAP:
        return tree_len(tree) == 0 && field->kind != FIELD_RECORD;
    case TREE_INT:
    case TREE_REAL:
    case TREE_STRING:
        break;
    }
    return false;
}

struct tree *record_print(const struct record *record, const void *in)
{
    struct tree *map = tree_map();
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        struct tree *value = print_field(field, (const char *)in + field->offset);
        if (!(field->flags & FIELD_ALWAYS) && is_empty(field, value))
            tree_unref(value);
        else
            tree_put(map, str_from(field->name), value);
    }
    return map;
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>

#include "base/vec.h"
#include "component/wave.h"
#include "component/wave_reader.h"

// Recursion follows the type and is bounded by TYPE_DEPTH_MAX.
static int parse_value(struct wave_reader *reader, const struct type *t, struct value *out);

// ---- scalars ------------------------------------------------------------------------------------

static int parse_bool(struct wave_reader *reader, struct value *out)
{
    size_t start = reader->pos;
    struct wave_label label = wave_take_label(reader);
    if (label.escaped || (!str_is(label.name, "true") && !str_is(label.name, "false"))) {
        reader->pos = start;
        return wave_expected(reader, "true or false");
    }
    out->boolean = str_is(label.name, "true");
    return 0;
}

static const struct range {
    int64_t min;
    uint64_t max;
} ranges[] = {
    [TYPE_S8] = {INT8_MIN, INT8_MAX},    [TYPE_U8] = {0, UINT8_MAX},
    [TYPE_S16] = {INT16_MIN, INT16_MAX}, [TYPE_U16] = {0, UINT16_MAX},
    [TYPE_S32] = {INT32_MIN, INT32_MAX}, [TYPE_U32] = {0, UINT32_MAX},
    [TYPE_S64] = {INT64_MIN, INT64_MAX}, [TYPE_U64] = {0, UINT64_MAX},
};

static int parse_integer(struct wave_reader *reader, const struct type *t, struct value *out)
{
    const struct range *range = &ranges[t->kind];
    struct str token = wave_take_number(reader);
    if (token.len == 0)
        return wave_expected(reader, "a whole number");
    size_t start = reader->pos - token.len;
    bool negative = token.data[0] == '-';
    uint64_t limit = negative ? (uint64_t)0 - (uint64_t)range->min : range->max, magnitude = 0;
    int rc = str_to_u64(str_from_index(token, negative), limit, &magnitude);
    if (rc == -EINVAL)
        return wave_fail(reader, start, "`%.*s` is not a whole number", STR_ARG(token));
    if (rc < 0 || (negative && range->min == 0))
        return wave_fail(reader, start, "`%.*s` does not fit %lld to %llu", STR_ARG(token),
                         (long long)range->min, (unsigned long long)range->max);
    out->u64 = negative ? (uint64_t)0 - magnitude : magnitude;
    return 0;
}

static int parse_float(struct wave_reader *reader, const struct type *t, struct value *out)
{
    double value = 0;
    bool negative = wave_accept(reader, '-');
    size_t start = reader->pos;
    struct wave_label label = wave_take_label(reader);
    struct str name = label.escaped ? STR("%") : label.name;
    if (str_is(name, "inf")) {
        value = negative ? -INFINITY : INFINITY;
    } else if (str_is(name, "nan") && !negative) {
        value = NAN;
    } else {
        reader->pos = start - negative;
        struct str token = wave_take_number(reader);
        if (token.len == 0 || name.len > 0)
            return wave_expected(reader, "a number, inf, -inf or nan");
        const char *text = arena_str(reader->arena, token).data;
        if (t->kind == TYPE_F32) {
            out->f32 = strtof(text, NULL);
            return 0;
        }
        value = strtod(text, NULL);
    }
    if (t->kind == TYPE_F32)
        out->f32 = (float)value;
    else
        out->f64 = value;
    return 0;
}

// ---- sequences ----------------------------------------------------------------------------------

static struct value *new_values(struct wave_reader *reader, size_t count)
{
    return arena_new_array(reader->arena, struct value, count + 1);
}

static struct value *keep(struct wave_reader *reader, const struct value *items, size_t count)
{
    struct value *kept = new_values(reader, count);
    if (count > 0)
        memcpy(kept, items, count * sizeof(*kept));
    return kept;
}

// After an item: 1 when another may follow, 0 at the closing character (taken), or an error.
static int next_item(struct wave_reader *reader, char close)
{
    char what[] = "`,` or `?`";
    what[sizeof(what) - 3] = close;
    if (wave_accept(reader, ','))
        return !wave_accept(reader, close);
    return wave_accept(reader, close) ? 0 : wave_expected(reader, what);
}

static int parse_bytes(struct wave_reader *reader, const struct type *element, struct value *out)
{
    VEC(uint8_t) bytes = {0};
    int rc = wave_expect(reader, '[');
    bool more = rc == 0 && !wave_accept(reader, ']');
    while (rc == 0 && more) {
        struct value item = {0};
        rc = parse_integer(reader, element, &item);
        *vec_push(&bytes) = (uint8_t)item.u64;
        if (rc == 0)
            rc = next_item(reader, ']');
        more = rc > 0;
        rc = MIN(rc, 0);
    }
    if (rc == 0)
        out->str = arena_str(reader->arena, str_of((const char *)bytes.items, bytes.len));
    vec_done(&bytes);
    return rc;
}

static int parse_list(struct wave_reader *reader, const struct type *t, struct value *out)
{
    VEC(struct value) items = {0};
    size_t start = reader->pos;
    int rc = wave_expect(reader, '[');
    bool more = rc == 0 && !wave_accept(reader, ']');
    while (rc == 0 && more) {
        struct value item = {0};
        rc = parse_value(reader, t->element, &item);
        *vec_push(&items) = item;
        if (rc == 0)
            rc = next_item(reader, ']');
        more = rc > 0;
        rc = MIN(rc, 0);
    }
    if (rc == 0 && t->kind == TYPE_FIXED_LIST && items.len != t->length)
        rc = wave_fail(reader, start, "the list has %zu elements, not %u", items.len, t->length);
    if (rc == 0)
        *out = (struct value){.items = keep(reader, items.items, items.len),
                              .count = (uint32_t)items.len};
    vec_done(&items);
    return rc;
}

static int parse_tuple(struct wave_reader *reader, const struct type *t, struct value *out)
{
    struct value *items = new_values(reader, t->field_count);
    int rc = wave_expect(reader, '(');
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        if (i > 0)
            rc = wave_expect(reader, ',');
        if (rc == 0)
            rc = parse_value(reader, t->fields[i].type, &items[i]);
    }
    if (rc == 0)
        wave_accept(reader, ',');
    if (rc == 0)
        rc = wave_expect(reader, ')');
    if (rc == 0)
        *out = (struct value){.items = items, .count = t->field_count};
    return rc;
}

static int parse_entry(struct wave_reader *reader, const struct type *t, struct value *out)
{
    struct value *pair = new_values(reader, 2);
    int rc = parse_value(reader, t->element, &pair[0]);
    if (rc == 0)
        rc = wave_expect(reader, ':');
    if (rc == 0)
        rc = parse_value(reader, t->error, &pair[1]);
    *out = (struct value){.items = pair, .count = 2};
    return rc;
}

static int parse_map(struct wave_reader *reader, const struct type *t, struct value *out)
{
    VEC(struct value) items = {0};
    int rc = wave_expect(reader, '{');
    bool more = rc == 0 && !wave_accept(reader, '}');
    if (more && wave_accept(reader, ':')) {
        rc = wave_expect(reader, '}');
        more = false;
    }
    while (rc == 0 && more) {
        struct value item = {0};
        rc = parse_entry(reader, t, &item);
        *vec_push(&items) = item;
        if (rc == 0)
            rc = next_item(reader, '}');
        more = rc > 0;
        rc = MIN(rc, 0);
    }
    if (rc == 0)
        *out = (struct value){.items = keep(reader, items.items, items.len),
                              .count = (uint32_t)items.len};
    vec_done(&items);
    return rc;
}

// ---- named members ------------------------------------------------------------------------------

static ssize_t find_member(const struct type *t, struct str name)
{
    for (uint32_t i = 0; i < t->field_count; i++)
        if (str_eq(t->fields[i].name, name))
            return i;
    return -1;
}

// "a, b, c" for messages, cut where it gets long.
static struct str member_names(struct wave_reader *reader, const struct type *t)
{
    BUF(names, 200);
    for (uint32_t i = 0; i < t->field_count; i++)
        if (buf_printf(&names, "%s%.*s", i ? ", " : "", STR_ARG(t->fields[i].name)) < 0)
            return arena_printf(reader->arena, "%.*s, ...", STR_ARG(buf_str(&names)));
    return arena_str(reader->arena, buf_str(&names));
}

// Takes a label and finds it among the type's members.
static int take_member(struct wave_reader *reader, const struct type *t, const char *what,
                       struct wave_label *label, uint32_t *index)
{
    *label = wave_take_label(reader);
    if (label->name.len == 0)
        return wave_expected(reader, what);
    ssize_t found = find_member(t, label->name);
    if (found < 0) {
        struct str names = member_names(reader, t);
        return wave_fail(reader, label->pos, "`%.*s` is not %s; there are: %.*s",
                         STR_ARG(label->name), what, STR_ARG(names));
    }
    *index = (uint32_t)found;
    return 0;
}

static int parse_field(struct wave_reader *reader, const struct type *t, struct value *items,
                       bool *seen)
{
    struct wave_label label;
    uint32_t index = 0;
    int rc = take_member(reader, t, "a field", &label, &index);
    if (rc < 0)
        return rc;
    if (seen[index])
        return wave_fail(reader, label.pos, "field `%.*s` is there twice", STR_ARG(label.name));
    seen[index] = true;
    rc = wave_expect(reader, ':');
    return rc < 0 ? rc : parse_value(reader, t->fields[index].type, &items[index]);
}

static int parse_record(struct wave_reader *reader, const struct type *t, struct value *out)
{
    struct value *items = new_values(reader, t->field_count); // zero is also the option `none`
    bool *seen = arena_alloc(reader->arena, t->field_count + 1);
    size_t start = reader->pos;
    int rc = wave_expect(reader, '{');
    if (rc == 0 && wave_accept(reader, ':')) {
        rc = wave_expect(reader, '}');
    } else {
        for (bool more = rc == 0; more; more = rc > 0) {
            rc = parse_field(reader, t, items, seen);
            if (rc == 0)
                rc = next_item(reader, '}');
        }
    }
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < t->field_count; i++)
        if (!seen[i] && t->fields[i].type->kind != TYPE_OPTION)
            return wave_fail(reader, start, "field `%.*s` is missing", STR_ARG(t->fields[i].name));
    *out = (struct value){.items = items, .count = t->field_count};
    return 0;
}

static int parse_flags(struct wave_reader *reader, const struct type *t, struct value *out)
{
    uint32_t flags = 0;
    int rc = wave_expect(reader, '{');
    bool more = rc == 0 && !wave_accept(reader, '}');
    while (rc == 0 && more) {
        struct wave_label label;
        uint32_t index = 0;
        rc = take_member(reader, t, "a flag", &label, &index);
        if (rc == 0 && (flags & UINT32_C(1) << index))
            rc = wave_fail(reader, label.pos, "flag `%.*s` is there twice", STR_ARG(label.name));
        flags |= UINT32_C(1) << index;
        if (rc == 0)
            rc = next_item(reader, '}');
        more = rc > 0;
        rc = MIN(rc, 0);
    }
    if (rc == 0)
        out->flags = flags;
    return rc;
}

// ---- cases --------------------------------------------------------------------------------------

// The payload in parentheses that a case needs, or none.
static int parse_payload(struct wave_reader *reader, const struct type *t, uint32_t index,
                         struct value *out)
{
    const struct type *payload = type_case(t, index);
    struct value *inner = NULL;
    int rc = 0;
    if (payload) {
        inner = new_values(reader, 1);
        rc = wave_expect(reader, '(');
        if (rc == 0)
            rc = parse_value(reader, payload, inner);
        if (rc == 0)
            rc = wave_expect(reader, ')');
    }
    if (rc == 0)
        *out = (struct value){.payload = inner, .index = index};
    return rc;
}

static int parse_case(struct wave_reader *reader, const struct type *t, struct value *out)
{
    struct wave_label label;
    uint32_t index = 0;
    int rc = take_member(reader, t, "a case", &label, &index);
    if (rc < 0)
        return rc;
    if (!label.escaped && wave_is_keyword(label.name))
        return wave_fail(reader, label.pos, "`%.*s` is a keyword; the case is written `%%%.*s`",
                         STR_ARG(label.name), STR_ARG(label.name));
    return parse_payload(reader, t, index, out);
}

// An option or result: by its keyword, or flat as the payload of its usual case.
static int parse_wrapped(struct wave_reader *reader, const struct type *t, struct value *out)
{
    bool is_option = t->kind == TYPE_OPTION;
    const char *const words[2][2] = {{"ok", "err"}, {"none", "some"}};
    uint32_t usual = is_option ? 1 : 0;
    size_t start = reader->pos;
    struct wave_label label = wave_take_label(reader);
    for (uint32_t i = 0; !label.escaped && i < 2; i++)
        if (str_is(label.name, words[is_option][i]))
            return parse_payload(reader, t, i, out);
    reader->pos = start;
    const struct type *payload = type_case(t, usual);
    if (!payload || payload->kind == TYPE_OPTION || payload->kind == TYPE_RESULT)
        return wave_expected(reader, is_option ? "some(...) or none" : "ok or err");
    struct value *inner = new_values(reader, 1);
    int rc = parse_value(reader, payload, inner);
    if (rc == 0)
        *out = (struct value){.payload = inner, .index = usual};
    return rc;
}

static int parse_value(struct wave_reader *reader, const struct type *t, struct value *out)
{
    struct str name;
    switch (t->kind) {
    case TYPE_BOOL:
        return parse_bool(reader, out);
    case TYPE_S8:
    case TYPE_U8:
    case TYPE_S16:
    case TYPE_U16:
    case TYPE_S32:
    case TYPE_U32:
    case TYPE_S64:
    case TYPE_U64:
        return parse_integer(reader, t, out);
    case TYPE_F32:
    case TYPE_F64:
        return parse_float(reader, t, out);
    case TYPE_CHAR:
        return wave_take_char(reader, &out->c);
    case TYPE_STRING:
        return wave_take_string(reader, &out->str);
    case TYPE_LIST:
        return type_is_bytes(t) ? parse_bytes(reader, t->element, out) : parse_list(reader, t, out);
    case TYPE_FIXED_LIST:
        return parse_list(reader, t, out);
    case TYPE_MAP:
        return parse_map(reader, t, out);
    case TYPE_TUPLE:
        return parse_tuple(reader, t, out);
    case TYPE_RECORD:
        return parse_record(reader, t, out);
    case TYPE_FLAGS:
        return parse_flags(reader, t, out);
    case TYPE_VARIANT:
    case TYPE_ENUM:
        return parse_case(reader, t, out);
    case TYPE_OPTION:
    case TYPE_RESULT:
        return parse_wrapped(reader, t, out);
    case TYPE_OWN:
    case TYPE_BORROW:
    case TYPE_STREAM:
    case TYPE_FUTURE:
    case TYPE_ERROR_CONTEXT:
        break;
    }
    name = type_to_text(t, reader->arena);
    return wave_fail(reader, reader->pos, "a `%.*s` cannot be written as text", STR_ARG(name));
}

// ---- whole texts --------------------------------------------------------------------------------

static int check_size(struct str text, struct error *err)
{
    if (text.len <= WAVE_TEXT_BYTES_MAX)
        return 0;
    return error_set(err, -E2BIG, "a text of %zu bytes is longer than the limit of %zu", text.len,
                     WAVE_TEXT_BYTES_MAX);
}

static int expect_end(struct wave_reader *reader)
{
    wave_skip_space(reader);
    return reader->pos == reader->text.len ? 0 : wave_expected(reader, "the end");
}

int wave_parse(struct str text, const struct type *t, struct arena *arena, struct value *out,
               struct error *err)
{
    struct wave_reader reader = {.text = text, .arena = arena, .err = err};
    struct value value = {0};
    int rc = check_size(text, err);
    if (rc == 0)
        rc = parse_value(&reader, t, &value);
    if (rc == 0)
        rc = expect_end(&reader);
    if (rc == 0)
        *out = value;
    return rc;
}

int wave_parse_call(struct str text, struct wave_call *out, struct error *err)
{
    int rc = check_size(text, err);
    if (rc < 0)
        return rc;
    ssize_t open = str_find_char(text, '(');
    struct str path = open < 0 ? STR_EMPTY : str_trim(str_sub(text, 0, (size_t)open));
    ssize_t hash = str_rfind_char(path, '#');
    struct str name = str_from_index(path, (size_t)(hash + 1));
    if (open < 0 || name.len == 0 || hash == 0)
        return error_set(err, -EINVAL,
                         "`%.*s` is not a call: write `name(arguments)` or "
                         "`interface#name(arguments)`, such as `add(1, 2)`",
                         (int)MIN(text.len, 100u), text.data);
    *out = (struct wave_call){
        .interface = hash < 0 ? STR_EMPTY : str_sub(path, 0, (size_t)hash),
        .name = name,
        .text = text,
        .args = (size_t)open,
    };
    return 0;
}

static int parse_args(struct wave_reader *reader, const struct func_type *type,
                      struct value *values)
{
    int rc = wave_expect(reader, '(');
    bool more = rc == 0 && !wave_accept(reader, ')');
    uint32_t i = 0;
    for (; rc == 0 && more; i++) {
        if (i == type->param_count)
            return wave_fail(reader, reader->pos, "the function has %u parameters, no more",
                             type->param_count);
        rc = parse_value(reader, type->params[i].type, &values[i]);
        if (rc < 0)
            return error_wrap(reader->err, "argument `%.*s`", STR_ARG(type->params[i].name));
        rc = next_item(reader, ')');
        more = rc > 0;
        rc = MIN(rc, 0);
    }
    for (; rc == 0 && i < type->param_count; i++)
        if (type->params[i].type->kind != TYPE_OPTION)
            rc = wave_fail(reader, reader->pos, "argument `%.*s` is missing",
                           STR_ARG(type->params[i].name));
    return rc < 0 ? rc : expect_end(reader);
}

int wave_parse_args(const struct wave_call *call, const struct func_type *type, struct arena *arena,
                    struct value **args, struct error *err)
{
    ERROR(reason); // callers may pass no error, and context is added to it
    struct wave_reader reader = {
        .text = call->text, .pos = call->args, .arena = arena, .err = &reason};
    struct value *values = new_values(&reader, type->param_count);
    int rc = parse_args(&reader, type, values);
    if (rc < 0)
        return error_move(err, &reason);
    *args = values;
    return 0;
}

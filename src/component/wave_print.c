// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>

#include "base/utf8.h"
#include "component/wave.h"
#include "component/wave_reader.h"

// ---- floats -------------------------------------------------------------------------------------

// "-1.5e+10" with the fewest digits that read back as the same number.
static void shortest(const struct type *t, double value, char *text, size_t size)
{
    for (int precision = 0; precision <= 17; precision++) {
        snprintf(text, size, "%.*e", precision, value);
        if (t->kind == TYPE_F32 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            return;
    }
}

// Writes them without an exponent, as the notation's other implementations do.
static int print_finite(struct buf *out, const struct type *t, double value)
{
    char text[40], digits[24];
    shortest(t, fabs(value), text, sizeof(text));
    int count = 0;
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    int point = 1 + (*at ? (int)strtol(at + 1, NULL, 10) : 0); // digits before the point
    while (count > 1 && digits[count - 1] == '0')
        count--;
    int rc = signbit(value) ? buf_add_char(out, '-') : 0;
    if (rc == 0 && point <= 0)
        rc = buf_add_str(out, STR("0."));
    for (int i = point; rc == 0 && i < 0; i++)
        rc = buf_add_char(out, '0');
    for (int i = 0; rc == 0 && i < count; i++) {
        if (i > 0 && i == point)
            rc = buf_add_char(out, '.');
        if (rc == 0)
            rc = buf_add_char(out, digits[i]);
    }
    for (int i = count; rc == 0 && i < point; i++)
        rc = buf_add_char(out, '0');
    return rc;
}

static int print_float(struct buf *out, const struct type *t, double value)
{
    if (isnan(value))
        return buf_add_str(out, STR("nan"));
    if (isinf(value))
        return buf_add_str(out, value < 0 ? STR("-inf") : STR("inf"));
    return print_finite(out, t, value);
}

// ---- characters ---------------------------------------------------------------------------------

static int print_scalar(struct buf *out, uint32_t c)
{
    static const char values[] = "\t\n\r'\"\\", names[] = "tnr'\"\\";
    const char *known = c && c < 0x80 ? strchr(values, (int)c) : NULL;
    if (known)
        return buf_printf(out, "\\%c", names[known - values]);
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return buf_printf(out, "\\u{%x}", c);
    char utf8[4];
    return buf_add(out, utf8, utf8_encode(c, utf8));
}

static int print_char(struct buf *out, uint32_t c)
{
    int rc = buf_add_char(out, '\'');
    if (rc == 0)
        rc = print_scalar(out, c);
    return rc < 0 ? rc : buf_add_char(out, '\'');
}

static int print_string(struct buf *out, struct str text)
{
    int rc = buf_add_char(out, '"');
    for (size_t pos = 0; rc == 0 && pos < text.len;) {
        int32_t c = utf8_decode(text, &pos);
        if (c < 0) {
            c = 0xfffd;
            pos++;
        }
        rc = print_scalar(out, (uint32_t)c);
    }
    return rc < 0 ? rc : buf_add_char(out, '"');
}

// ---- composites ---------------------------------------------------------------------------------

static int print_separator(struct buf *out, bool *first)
{
    bool is_first = *first;
    *first = false;
    return is_first ? 0 : buf_add_str(out, STR(", "));
}

static int print_bytes(struct buf *out, struct str bytes)
{
    int rc = buf_add_char(out, '[');
    for (size_t i = 0; rc == 0 && i < bytes.len; i++)
        rc = buf_printf(out, "%s%u", i ? ", " : "", (unsigned char)bytes.data[i]);
    return rc < 0 ? rc : buf_add_char(out, ']');
}

static int print_list(struct buf *out, const struct type *element, const struct value *value)
{
    bool first = true;
    int rc = buf_add_char(out, '[');
    for (uint32_t i = 0; rc == 0 && i < value->count; i++) {
        rc = print_separator(out, &first);
        if (rc == 0)
            rc = wave_print(out, element, &value->items[i]);
    }
    return rc < 0 ? rc : buf_add_char(out, ']');
}

static int print_map(struct buf *out, const struct type *t, const struct value *value)
{
    bool first = true;
    int rc = buf_add_char(out, '{');
    if (rc == 0 && value->count == 0)
        rc = buf_add_char(out, ':');
    for (uint32_t i = 0; rc == 0 && i < value->count; i++) {
        rc = print_separator(out, &first);
        if (rc == 0)
            rc = wave_print(out, t->element, &value->items[i].items[0]);
        if (rc == 0)
            rc = buf_add_str(out, STR(": "));
        if (rc == 0)
            rc = wave_print(out, t->error, &value->items[i].items[1]);
    }
    return rc < 0 ? rc : buf_add_char(out, '}');
}

static int print_tuple(struct buf *out, const struct type *t, const struct value *value)
{
    bool first = true;
    int rc = buf_add_char(out, '(');
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        rc = print_separator(out, &first);
        if (rc == 0)
            rc = wave_print(out, t->fields[i].type, &value->items[i]);
    }
    return rc < 0 ? rc : buf_add_char(out, ')');
}

// Options that are none are left out; a record of nothing else is `{:}`, since `{}` is flags.
static int print_record(struct buf *out, const struct type *t, const struct value *value)
{
    bool first = true;
    int rc = buf_add_char(out, '{');
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        const struct type_field *field = &t->fields[i];
        if (field->type->kind == TYPE_OPTION && value->items[i].index == 0)
            continue;
        rc = print_separator(out, &first);
        if (rc == 0)
            rc = buf_printf(out, "%.*s: ", STR_ARG(field->name));
        if (rc == 0)
            rc = wave_print(out, field->type, &value->items[i]);
    }
    if (rc == 0 && first)
        rc = buf_add_char(out, ':');
    return rc < 0 ? rc : buf_add_char(out, '}');
}

static int print_flags(struct buf *out, const struct type *t, uint32_t flags)
{
    bool first = true;
    int rc = buf_add_char(out, '{');
    for (uint32_t i = 0; rc == 0 && i < t->field_count; i++) {
        if (!(flags & UINT32_C(1) << i))
            continue;
        rc = print_separator(out, &first);
        if (rc == 0)
            rc = buf_add_str(out, t->fields[i].name);
    }
    return rc < 0 ? rc : buf_add_char(out, '}');
}

static struct str case_name(const struct type *t, uint32_t index)
{
    if (t->kind == TYPE_OPTION)
        return index ? STR("some") : STR("none");
    if (t->kind == TYPE_RESULT)
        return index ? STR("err") : STR("ok");
    return t->fields[index].name;
}

static int print_case(struct buf *out, const struct type *t, const struct value *value)
{
    struct str name = case_name(t, value->index);
    bool is_keyword = t->kind != TYPE_OPTION && t->kind != TYPE_RESULT && wave_is_keyword(name);
    int rc = buf_printf(out, "%s%.*s", is_keyword ? "%" : "", STR_ARG(name));
    const struct type *payload = type_case(t, value->index);
    if (rc < 0 || !payload)
        return rc;
    rc = buf_add_char(out, '(');
    if (rc == 0)
        rc = wave_print(out, payload, value->payload);
    return rc < 0 ? rc : buf_add_char(out, ')');
}

int wave_print(struct buf *out, const struct type *t, const struct value *value)
{
    switch (t->kind) {
    case TYPE_BOOL:
        return buf_add_str(out, value->boolean ? STR("true") : STR("false"));
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S32:
    case TYPE_S64:
        return buf_printf(out, "%lld", (long long)value->s64);
    case TYPE_U8:
    case TYPE_U16:
    case TYPE_U32:
    case TYPE_U64:
        return buf_printf(out, "%llu", (unsigned long long)value->u64);
    case TYPE_F32:
        return print_float(out, t, (double)value->f32);
    case TYPE_F64:
        return print_float(out, t, value->f64);
    case TYPE_CHAR:
        return print_char(out, value->c);
    case TYPE_STRING:
        return print_string(out, value->str);
    case TYPE_LIST:
        return type_is_bytes(t) ? print_bytes(out, value->str) : print_list(out, t->element, value);
    case TYPE_FIXED_LIST:
        return print_list(out, t->element, value);
    case TYPE_MAP:
        return print_map(out, t, value);
    case TYPE_TUPLE:
        return print_tuple(out, t, value);
    case TYPE_RECORD:
        return print_record(out, t, value);
    case TYPE_FLAGS:
        return print_flags(out, t, value->flags);
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_OPTION:
    case TYPE_RESULT:
        return print_case(out, t, value);
    case TYPE_OWN:
    case TYPE_BORROW:
        return buf_printf(out, "<resource %.*s>", STR_ARG(t->resource->name));
    case TYPE_STREAM:
    case TYPE_FUTURE:
    case TYPE_ERROR_CONTEXT:
        break;
    }
    return buf_add_str(out, STR("<no text>"));
}

// SPDX-License-Identifier: Apache-2.0
#include "data/scalar.h"

#include <errno.h>
#include <math.h>

#define NUMBER_BYTES_MAX ((size_t)400)

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words; words++)
        if (str_is(text, *words))
            return true;
    return false;
}

static size_t count_digits(struct str text)
{
    size_t count = 0;
    while (count < text.len && ascii_is_digit(text.data[count]))
        count++;
    return count;
}

static struct str without_sign(struct str text)
{
    bool has_sign = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    return has_sign ? str_from_index(text, 1) : text;
}

bool decimal_valid(struct str text)
{
    size_t whole = count_digits(text), fraction = 0;
    text = str_from_index(text, whole);
    if (text.len > 0 && text.data[0] == '.') {
        text = str_from_index(text, 1);
        fraction = count_digits(text);
        text = str_from_index(text, fraction);
    }
    if (whole + fraction == 0)
        return false;
    if (text.len > 0 && ascii_lower(text.data[0]) == 'e') {
        text = without_sign(str_from_index(text, 1));
        return text.len > 0 && count_digits(text) == text.len;
    }
    return text.len == 0;
}

double decimal_value(struct str text)
{
    char copy[NUMBER_BYTES_MAX + 1];
    if (text.len > NUMBER_BYTES_MAX)
        return NAN;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    return strtod(copy, NULL);
}

// Magnitude with the sign applied; false when it does not fit.
static bool to_int(uint64_t magnitude, bool negative, int64_t *out)
{
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static bool parse_radix(struct str text, unsigned radix, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = memchr(digits, ascii_lower(text.data[i]), radix);
        if (!digit || __builtin_mul_overflow(value, radix, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digit - digits), &value))
            return false;
    }
    *out = value;
    return text.len > 0;
}

static struct tree *number(struct str text)
{
    bool negative = text.data[0] == '-';
    struct str digits = without_sign(text);
    uint64_t magnitude;
    int64_t value;
    static const struct {
        const char *prefix;
        unsigned radix;
    } radixes[] = {{"0x", 16}, {"0o", 8}, {"0b", 2}};
    for (size_t i = 0; i < ARRAY_LEN(radixes); i++)
        if (str_starts(digits, str_from(radixes[i].prefix)) &&
            parse_radix(str_from_index(digits, 2), radixes[i].radix, &magnitude) &&
            to_int(magnitude, negative, &value))
            return tree_int(value);
    bool is_whole = digits.len > 0 && count_digits(digits) == digits.len;
    if (is_whole && digits.len > 1 && digits.data[0] == '0')
        return tree_string(text); // a code like 007
    if (is_whole && parse_radix(digits, 10, &magnitude) && to_int(magnitude, negative, &value))
        return tree_int(value);
    if (decimal_valid(digits))
        return tree_real(decimal_value(text));
    return tree_string(text);
}

struct tree *yaml_plain_scalar(struct str text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const not_finite[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    if (is_one_of(text, nulls))
        return tree_null();
    if (is_one_of(text, trues))
        return tree_bool(true);
    if (is_one_of(text, falses))
        return tree_bool(false);
    if (is_one_of(without_sign(text), not_finite))
        return NULL;
    return number(text);
}

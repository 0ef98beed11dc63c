// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>

#include "data/scalar.h"
#include "data/toml_impl.h"

#define TOML_NUMBER_BYTES_MAX ((size_t)300)

// "dddd-dd-dd": `pattern` with d for a digit, other characters for themselves.
static bool matches(struct str text, const char *pattern)
{
    if (text.len != strlen(pattern))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (pattern[i] == 'd' ? !ascii_is_digit(text.data[i]) : text.data[i] != pattern[i])
            return false;
    return true;
}

static unsigned two_digits(struct str text, size_t at)
{
    return (unsigned)(text.data[at] - '0') * 10 + (unsigned)(text.data[at + 1] - '0');
}

static bool date_valid(struct str text)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!matches(text, "dddd-dd-dd"))
        return false;
    unsigned year = two_digits(text, 0) * 100 + two_digits(text, 2);
    unsigned month = two_digits(text, 5), day = two_digits(text, 8);
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && is_leap);
}

static bool time_valid(struct str text)
{
    if (!matches(str_sub(text, 0, 8), "dd:dd:dd") || two_digits(text, 0) > 23 ||
        two_digits(text, 3) > 59 || two_digits(text, 6) > 60)
        return false;
    struct str fraction = str_from_index(text, 8);
    if (fraction.len == 0)
        return true;
    for (size_t i = 1; i < fraction.len; i++)
        if (!ascii_is_digit(fraction.data[i]))
            return false;
    return fraction.data[0] == '.' && fraction.len > 1;
}

static bool offset_valid(struct str text)
{
    if (text.len == 1)
        return ascii_lower(text.data[0]) == 'z';
    return (matches(text, "+dd:dd") || matches(text, "-dd:dd")) && two_digits(text, 1) <= 23 &&
           two_digits(text, 4) <= 59;
}

static bool date_time_valid(struct str text)
{
    if (text.len <= 10)
        return date_valid(text) || time_valid(text);
    if (text.data[2] == ':')
        return time_valid(text);
    char separator = ascii_lower(text.data[10]);
    struct str time = str_from_index(text, 11);
    if (!date_valid(str_sub(text, 0, 10)) || (separator != 't' && separator != ' '))
        return false;
    for (size_t i = 0; i < time.len; i++)
        if (strchr("zZ+-", time.data[i]))
            return time_valid(str_sub(time, 0, i)) && offset_valid(str_from_index(time, i));
    return time_valid(time);
}

// The number without underscores, each of which must stand between two digits.
static bool without_underscores(struct str text, char out[TOML_NUMBER_BYTES_MAX], size_t *len)
{
    *len = 0;
    if (text.len > TOML_NUMBER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '_') {
            out[(*len)++] = text.data[i];
            continue;
        }
        if (i == 0 || i + 1 == text.len)
            return false;
        char before = ascii_lower(text.data[i - 1]), after = ascii_lower(text.data[i + 1]);
        bool is_radix = text.len > 2 && strchr("xob", text.data[1]);
        bool before_ok = ascii_is_digit(before) || (is_radix && before >= 'a' && before <= 'f');
        bool after_ok = ascii_is_digit(after) || (is_radix && after >= 'a' && after <= 'f');
        if (!before_ok || !after_ok || (is_radix && i == 2))
            return false;
    }
    return true;
}

// What TOML forbids and YAML allows: a leading zero, a point without digits on both sides, a sign
// before a radix.
static bool number_form_valid(struct str text)
{
    bool has_sign = text.data[0] == '-' || text.data[0] == '+';
    struct str digits = str_from_index(text, has_sign);
    if (digits.len == 0 || !ascii_is_digit(digits.data[0]))
        return false;
    if (digits.len > 1 && digits.data[0] == '0' && ascii_is_digit(digits.data[1]))
        return false;
    if (digits.len > 1 && digits.data[0] == '0' && strchr("xob", digits.data[1]))
        return !has_sign && digits.len > 2;
    ssize_t point = str_find_char(digits, '.');
    return point < 0 || ((size_t)point + 1 < digits.len && ascii_is_digit(digits.data[point + 1]));
}

static int number(struct toml *toml, struct str text, struct tree **out)
{
    char plain[TOML_NUMBER_BYTES_MAX];
    size_t len;
    if (text.len == 0 || !without_underscores(text, plain, &len) ||
        !number_form_valid(str_of(plain, len)))
        return toml_fail(toml, "expected a value");
    struct tree *tree = yaml_plain_scalar(str_of(plain, len));
    enum tree_kind kind = tree ? tree_kind(tree) : TREE_NULL;
    bool is_whole =
        str_find_char(text, '.') < 0 && !memchr(plain, 'e', len) && !memchr(plain, 'E', len);
    bool is_hex = len > 1 && plain[1] == 'x';
    if (kind == TREE_INT || (kind == TREE_REAL && !is_whole && !is_hex)) {
        *out = tree;
        return 0;
    }
    tree_unref(tree);
    return toml_fail(toml, kind == TREE_REAL || is_hex ? "the integer needs more than 64 bits"
                                                       : "expected a value");
}

int toml_scalar(struct toml *toml, struct tree **out)
{
    size_t start = toml->pos, end = start;
    while (end < toml->text.len && !strchr(",]}# \t\r\n", toml->text.data[end]))
        end++;
    struct str text = str_sub(toml->text, start, end - start);
    // A date and a time may be set apart by a space.
    if (date_valid(text) && end + 2 < toml->text.len && toml->text.data[end] == ' ' &&
        ascii_is_digit(toml->text.data[end + 1])) {
        end++;
        while (end < toml->text.len && !strchr(",]}# \t\r\n", toml->text.data[end]))
            end++;
        text = str_sub(toml->text, start, end - start);
    }
    int rc = 0;
    if (str_is(text, "true") || str_is(text, "false"))
        *out = tree_bool(text.data[0] == 't');
    else if (text.len >= 8 && date_time_valid(text))
        *out = tree_string(text);
    else
        rc = number(toml, text, out);
    if (rc == 0)
        toml->pos = end;
    return rc;
}

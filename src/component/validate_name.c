// SPDX-License-Identifier: Apache-2.0
// Names of imports and exports (Explainer.md "Import and Export Definitions", "Name Uniqueness").
#include "component/validate_types.h"

// ---- labels -------------------------------------------------------------------------------------

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

// One fragment of a label: a word or an acronym.
static bool is_fragment(struct str s, bool is_first)
{
    bool has_upper = false;
    bool has_lower = false;
    for (size_t i = 0; i < s.len; i++) {
        has_upper |= is_upper(s.data[i]);
        has_lower |= is_lower(s.data[i]);
        if (!ascii_is_alpha(s.data[i]) && !ascii_is_digit(s.data[i]))
            return false;
    }
    return s.len > 0 && !(has_upper && has_lower) && !(is_first && ascii_is_digit(s.data[0]));
}

static bool is_label(struct str s)
{
    struct str fragment;
    bool is_first = true;
    for (bool more = true; more; is_first = false) {
        more = str_cut(s, '-', &fragment, &s);
        if (!is_fragment(fragment, is_first))
            return false;
    }
    return true;
}

// A label without acronyms, as namespaces and packages have it.
static bool is_words(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_upper(s.data[i]))
            return false;
    return is_label(s);
}

int v_label_check(struct validator *v, struct str label, const char *what)
{
    if (label.len == 0)
        return v_fail(v, "%s name cannot be empty", what);
    if (!is_label(label))
        return v_fail(v, "%s name `%.*s` is not in kebab case", what, (int)MIN(label.len, 200),
                      label.data);
    return 0;
}

static void put_canonical(char **at, struct str label)
{
    for (size_t i = 0; i < label.len; i++)
        if (label.data[i] != '-')
            *(*at)++ = ascii_lower(label.data[i]);
}

// Case and hyphens do not tell names apart: bindings lose both.
struct str v_label_canonical(struct validator *v, struct str label)
{
    char *text = arena_alloc(&v->arena, label.len + 1);
    char *end = text;
    put_canonical(&end, label);
    return str_of(text, (size_t)(end - text));
}

// ---- versions -----------------------------------------------------------------------------------

static bool is_version_number(struct str s)
{
    uint64_t value;
    return s.len > 0 && (s.len == 1 || s.data[0] != '0') && str_to_u64(s, UINT64_MAX, &value) == 0;
}

// Dot-separated identifiers of a pre-release (numbers without leading zeros) or of build metadata.
static bool are_identifiers(struct str s, bool is_prerelease)
{
    struct str part;
    for (bool more = true; more;) {
        more = str_cut(s, '.', &part, &s);
        bool is_number = true;
        for (size_t i = 0; i < part.len; i++) {
            char c = part.data[i];
            if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-')
                return false;
            is_number &= ascii_is_digit(c);
        }
        if (part.len == 0 || (is_prerelease && is_number && part.len > 1 && part.data[0] == '0'))
            return false;
    }
    return true;
}

// https://semver.org
static bool is_semver(struct str s)
{
    struct str core;
    struct str build;
    struct str prerelease;
    if (str_cut(s, '+', &s, &build) && !are_identifiers(build, false))
        return false;
    if (str_cut(s, '-', &core, &prerelease) && !are_identifiers(prerelease, true))
        return false;
    for (int i = 0; i < 3; i++) {
        struct str number;
        bool more = str_cut(core, '.', &number, &core);
        if (more != (i < 2) || !is_version_number(number))
            return false;
    }
    return true;
}

// Explainer.md "Canonical Interface Name".
static bool is_canonical_version(struct str s)
{
    struct str major;
    struct str minor;
    struct str patch;
    bool has_minor = str_cut(s, '.', &major, &minor);
    if (!has_minor)
        return is_version_number(major) && !str_is(major, "0");
    bool has_patch = str_cut(minor, '.', &minor, &patch);
    if (!str_is(major, "0") || !is_version_number(minor))
        return false;
    return has_patch ? str_is(minor, "0") && is_version_number(patch) : !str_is(minor, "0");
}

static int check_version(struct validator *v, struct str version)
{
    if (is_semver(version))
        return 0;
    if (is_canonical_version(version) && v->features->component_model_canonical_names)
        return 0;
    return v_fail(v, "`%.*s` is not a valid semantic version", (int)MIN(version.len, 200),
                  version.data);
}

// ---- the forms ----------------------------------------------------------------------------------

static int check_words(struct validator *v, struct str text, struct str words)
{
    if (is_words(words))
        return 0;
    return v_fail(v, "`%.*s` is not a valid extern name: `%.*s` is not in lowercase kebab case",
                  (int)MIN(text.len, 200), text.data, (int)MIN(words.len, 200), words.data);
}

static int parse_interface(struct validator *v, struct str text, struct v_name *out)
{
    struct str ns;
    struct str package;
    struct str projection;
    struct str version;
    out->kind = NAME_INTERFACE;
    out->label = text;
    bool has_version = str_cut(text, '@', &package, &version);
    (void)str_cut(package, ':', &ns, &package);
    if (!str_cut(package, '/', &package, &projection))
        return v_fail(v, "`%.*s` is not a valid extern name: expected `/` after package name",
                      (int)MIN(text.len, 200), text.data);
    int rc = check_words(v, text, ns);
    if (rc == 0)
        rc = check_words(v, text, package);
    if (rc == 0)
        rc = v_label_check(v, projection, "interface");
    return rc == 0 && has_version ? check_version(v, version) : rc;
}

static bool cut_prefix(struct str *s, const char *prefix)
{
    struct str p = str_from(prefix);
    if (!str_starts(*s, p))
        return false;
    *s = str_from_index(*s, p.len);
    return true;
}

static int parse_member(struct validator *v, struct str text, struct v_name *out)
{
    if (!str_cut(text, '.', &out->resource, &out->label))
        return v_fail(v, "failed to find `.` character in `%.*s`", (int)MIN(text.len, 200),
                      text.data);
    int rc = v_label_check(v, out->resource, "resource");
    return rc < 0 ? rc : v_label_check(v, out->label, "function");
}

// <PACKAGE>, <PACKAGE@VERSION> or, unlocked, <PACKAGE@{>=VERSION <VERSION}> and <PACKAGE@*>.
static bool is_version_range(struct str s)
{
    if (str_is(s, "*"))
        return true;
    if (!cut_prefix(&s, "{") || !str_ends(s, STR("}")))
        return false;
    s.len--;
    struct str lower = s;
    struct str upper;
    bool has_both = str_cut(s, ' ', &lower, &upper);
    if (cut_prefix(&lower, ">="))
        return is_semver(lower) && (!has_both || (cut_prefix(&upper, "<") && is_semver(upper)));
    return !has_both && cut_prefix(&lower, "<") && is_semver(lower);
}

static bool is_dependency(struct str s, bool is_locked)
{
    struct str version;
    struct str ns;
    bool has_version = str_cut(s, '@', &s, &version);
    if (!str_cut(s, ':', &ns, &s) || !is_words(ns) || !is_words(s))
        return false;
    return !has_version || (is_locked ? is_semver(version) : is_version_range(version));
}

static bool is_base64(struct str s)
{
    while (s.len > 0 && s.data[s.len - 1] == '=')
        s.len--;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '+' && c != '/')
            return false;
    }
    return s.len > 0;
}

static bool is_integrity(struct str s)
{
    static const char *const algorithms[] = {"sha256-", "sha384-", "sha512-"};
    struct str hash;
    bool more = s.len > 0;
    while (more) {
        more = str_cut(s, ' ', &hash, &s);
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(algorithms) && !known; i++)
            known = cut_prefix(&hash, algorithms[i]);
        (void)str_cut(hash, '?', &hash, &(struct str){0});
        if (!known || !is_base64(hash))
            return false;
    }
    return s.len == 0;
}

// `<...>` from the front; false when there is none.
static bool cut_angle(struct str *s, struct str *inside)
{
    if (!cut_prefix(s, "<"))
        return false;
    return str_cut(*s, '>', inside, s) && str_find_char(*inside, '<') < 0;
}

static bool ends_with_integrity(struct str s)
{
    struct str hash;
    if (s.len == 0)
        return true;
    return cut_prefix(&s, ",integrity=") && cut_angle(&s, &hash) && s.len == 0 && hash.len > 0 &&
           is_integrity(hash);
}

static bool is_dependency_name(struct str s)
{
    struct str inside;
    if (cut_prefix(&s, "unlocked-dep="))
        return cut_prefix(&s, "<") && str_ends(s, STR(">")) &&
               is_dependency(str_sub(s, 0, s.len - 1), false);
    if (cut_prefix(&s, "locked-dep="))
        return cut_angle(&s, &inside) && is_dependency(inside, true) && ends_with_integrity(s);
    if (cut_prefix(&s, "url="))
        return cut_angle(&s, &inside) && ends_with_integrity(s);
    if (cut_prefix(&s, "integrity="))
        return cut_angle(&s, &inside) && s.len == 0 && inside.len > 0 && is_integrity(inside);
    return false;
}

int v_name_parse(struct validator *v, struct str text, struct v_name *out)
{
    struct str rest = text;
    *out = (struct v_name){NAME_LABEL, STR_EMPTY, text};
    if (cut_prefix(&rest, "[constructor]")) {
        out->kind = NAME_CONSTRUCTOR;
        out->resource = rest;
        return v_label_check(v, rest, "resource");
    }
    if (cut_prefix(&rest, "[method]")) {
        out->kind = NAME_METHOD;
        return parse_member(v, rest, out);
    }
    if (cut_prefix(&rest, "[static]")) {
        out->kind = NAME_STATIC;
        return parse_member(v, rest, out);
    }
    if (str_find_char(text, '=') >= 0) {
        out->kind = NAME_DEPENDENCY;
        if (is_dependency_name(text))
            return 0;
        return v_fail(v, "`%.*s` is not a valid extern name", (int)MIN(text.len, 200), text.data);
    }
    if (str_find_char(text, ':') >= 0)
        return parse_interface(v, text, out);
    return v_label_check(v, text, "import or export");
}

struct str v_name_canonical(struct validator *v, struct str text, const struct v_name *name)
{
    char *data = arena_alloc(&v->arena, text.len + 1);
    char *end = data;
    struct str resource = v_label_canonical(v, name->resource);
    switch (name->kind) {
    case NAME_LABEL:
        put_canonical(&end, name->label);
        break;
    case NAME_CONSTRUCTOR:
        *end++ = '[';
        put_canonical(&end, name->resource);
        break;
    case NAME_METHOD:
    case NAME_STATIC:
        put_canonical(&end, name->label);
        if (str_eq(str_of(data, (size_t)(end - data)), resource))
            break;
        end = data;
        put_canonical(&end, name->resource);
        *end++ = '.';
        put_canonical(&end, name->label);
        break;
    case NAME_INTERFACE:
    case NAME_DEPENDENCY:
        for (size_t i = 0; i < text.len; i++)
            *end++ = ascii_lower(text.data[i]);
        break;
    }
    return str_of(data, (size_t)(end - data));
}

// SPDX-License-Identifier: Apache-2.0
// Which version of an interface serves which (Explainer.md "Canonical Interface Name").
#include "component/plan.h"

struct version {
    uint64_t numbers[3];
    struct str prerelease; // with what follows
};

static bool parse_version(struct str text, struct version *out)
{
    struct str core = text;
    struct str build;
    (void)str_cut(text, '+', &text, &build);
    bool has_prerelease = str_cut(text, '-', &core, &out->prerelease);
    if (!has_prerelease)
        out->prerelease = STR_EMPTY;
    for (int i = 0; i < 3; i++) {
        struct str part;
        bool more = str_cut(core, '.', &part, &core);
        if (more != (i < 2) || part.len == 0 || str_to_u64(part, UINT32_MAX, &out->numbers[i]) < 0)
            return false;
    }
    return !has_prerelease || out->prerelease.len > 0;
}

// The candidate whose signatures WASI 0.3.0 kept word for word; what was built for it is served.
static void accept_candidate(struct str name, struct version *version)
{
    static const uint64_t numbers[] = {0, 3, 0};
    if (str_starts(name, STR("wasi:")) && memcmp(version->numbers, numbers, sizeof(numbers)) == 0 &&
        str_eq(version->prerelease, STR("rc-2026-03-15")))
        version->prerelease = STR_EMPTY;
}

static bool same_track(const struct version *a, const struct version *b)
{
    if (a->prerelease.len > 0 || b->prerelease.len > 0)
        return memcmp(a->numbers, b->numbers, sizeof(a->numbers)) == 0 &&
               str_eq(a->prerelease, b->prerelease);
    if (a->numbers[0] != b->numbers[0])
        return false;
    if (a->numbers[0] != 0)
        return true;
    if (a->numbers[1] != b->numbers[1])
        return false;
    return a->numbers[1] != 0 || a->numbers[2] == b->numbers[2];
}

bool interface_name_compatible(struct str want, struct str have)
{
    struct str want_name;
    struct str have_name;
    struct str want_version;
    struct str have_version;
    bool has_want = str_cut(want, '@', &want_name, &want_version);
    bool has_have = str_cut(have, '@', &have_name, &have_version);
    if (!str_eq(want_name, have_name) || has_want != has_have)
        return false;
    if (!has_want || str_eq(want_version, have_version))
        return true;
    struct version a;
    struct version b;
    if (!parse_version(want_version, &a) || !parse_version(have_version, &b))
        return false;
    accept_candidate(want_name, &a);
    accept_candidate(want_name, &b);
    return same_track(&a, &b);
}

bool interface_name_matches(struct str want, struct str have)
{
    if (str_find_char(want, '@') >= 0 || want.len == 0)
        return interface_name_compatible(want, have);
    struct str name;
    struct str version;
    (void)str_cut(have, '@', &name, &version);
    return str_eq(want, name);
}

// SPDX-License-Identifier: Apache-2.0
#include "wash/feature_option.h"

#include <errno.h>
#include <stdio.h>

static const struct {
    struct str text;
    bool on;
} switches[] = {
    {STR_INIT("y"), true},  {STR_INIT("yes"), true}, {STR_INIT("true"), true},
    {STR_INIT("n"), false}, {STR_INIT("no"), false}, {STR_INIT("false"), false},
};

static int read_switch(struct str text, bool *on)
{
    for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
        if (str_eq(switches[i].text, text)) {
            *on = switches[i].on;
            return 0;
        }
    }
    return -EINVAL;
}

static int read_one(struct str text, struct component_features *features, struct error *err)
{
    struct str name = text, value;
    bool on = true;
    if (str_cut(text, '=', &name, &value) && read_switch(value, &on) < 0)
        return error_set(err, -EINVAL, "`-W %.*s`: expected NAME, NAME=y or NAME=n", STR_ARG(text));
    if (component_features_set(features, name, on) < 0)
        return error_set(err, -EINVAL, "`-W %.*s`: no such feature; `-W help` lists them",
                         STR_ARG(text));
    return 0;
}

int feature_option_read(const struct text_list *values, struct component_features *out,
                        struct error *err)
{
    struct component_features features = component_features_default();
    for (size_t i = 0; i < values->len; i++) {
        struct str rest = str_from(values->items[i]);
        for (bool more = true; more;) {
            struct str name;
            more = str_cut(rest, ',', &name, &rest);
            int rc = read_one(name, &features, err);
            if (rc < 0)
                return rc;
        }
    }
    *out = features;
    return 0;
}

static bool is_on_by_default(const char *name)
{
    // Only what is off changes when it is switched on.
    struct component_features before = component_features_default(), after = before;
    (void)!component_features_set(&after, str_from(name), true);
    return memcmp(&before, &after, sizeof(before)) == 0;
}

bool feature_option_help(const struct text_list *values)
{
    bool wanted = false;
    for (size_t i = 0; i < values->len; i++)
        wanted |= str_eq(str_from(values->items[i]), STR("help"));
    if (!wanted)
        return false;
    const char *name;
    for (size_t i = 0; (name = component_features_name(i)); i++)
        printf("  -W %-38s default: %s\n", name, is_on_by_default(name) ? "y" : "n");
    return true;
}

// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <errno.h>

static const char *name_of(const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    return name ? name : "";
}

static const json_t *at(const json_t *dump, const char *list, const json_t *index)
{
    return json_array_get(json_object_get(dump, list), (size_t)json_integer_value(index));
}

// ---- interfaces ---------------------------------------------------------------------------------

static int compare_types(const struct wit_interface *have, const json_t *want, struct error *why)
{
    json_t *types = json_object_get(want, "types");
    if (json_object_size(types) != have->type_count)
        return error_set(why, -EINVAL, "interface `%.*s` has %u types, not %zu",
                         STR_ARG(have->name), have->type_count, json_object_size(types));
    uint32_t i = 0;
    const char *name;
    json_t *value;
    json_object_foreach(types, name, value)
    {
        if (!str_is(have->types[i]->name, name))
            return error_set(why, -EINVAL, "type %u of interface `%.*s` is `%.*s`, not `%s`", i,
                             STR_ARG(have->name), STR_ARG(have->types[i]->name), name);
        i++;
    }
    return 0;
}

static bool is_async_kind(const json_t *kind)
{
    const char *text = json_string_value(kind);
    if (!text) {
        void *iter = json_object_iter((json_t *)kind);
        text = iter ? json_object_iter_key(iter) : "";
    }
    return str_starts(str_from(text), STR("async-"));
}

static int compare_func(const struct wit_func *have, const json_t *want, struct error *why)
{
    json_t *params = json_object_get(want, "params");
    if (!str_is(have->symbol, name_of(want)))
        return error_set(why, -EINVAL, "function `%.*s`, not `%s`", STR_ARG(have->symbol),
                         name_of(want));
    if (json_array_size(params) != have->type.param_count)
        return error_set(why, -EINVAL, "function `%.*s` has %u parameters, not %zu",
                         STR_ARG(have->symbol), have->type.param_count, json_array_size(params));
    for (uint32_t i = 0; i < have->type.param_count; i++)
        if (!str_is(have->type.params[i].name, name_of(json_array_get(params, i))))
            return error_set(why, -EINVAL, "function `%.*s`, parameter %u: `%.*s`, not `%s`",
                             STR_ARG(have->symbol), i, STR_ARG(have->type.params[i].name),
                             name_of(json_array_get(params, i)));
    if ((have->type.result != NULL) != (json_object_get(want, "result") != NULL))
        return error_set(why, -EINVAL, "function `%.*s`: result", STR_ARG(have->symbol));
    if (have->type.is_async != is_async_kind(json_object_get(want, "kind")))
        return error_set(why, -EINVAL, "function `%.*s`: async", STR_ARG(have->symbol));
    return 0;
}

static int compare_interface(const struct wit_interface *have, const json_t *want,
                             struct error *why)
{
    int rc = compare_types(have, want, why);
    json_t *funcs = json_object_get(want, "functions");
    if (rc == 0 && json_object_size(funcs) != have->func_count)
        rc = error_set(why, -EINVAL, "%u functions, not %zu", have->func_count,
                       json_object_size(funcs));
    uint32_t i = 0;
    const char *name;
    json_t *value;
    json_object_foreach(funcs, name, value)
    {
        if (rc == 0)
            rc = compare_func(have->funcs[i++], value, why);
    }
    return rc < 0 ? error_wrap(why, "interface `%.*s`", STR_ARG(have->name)) : 0;
}

// ---- worlds -------------------------------------------------------------------------------------

static const struct wit_world_item *find_item(const struct wit_world_item *items, uint32_t count,
                                              struct str name)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(items[i].name, name))
            return &items[i];
    return NULL;
}

// "ns:package/interface@1.0.0" of an interface of the dump.
static char *interface_id(const json_t *dump, const json_t *interface)
{
    const char *package = name_of(at(dump, "packages", json_object_get(interface, "package")));
    struct str name = str_from(package);
    struct str version = STR_EMPTY;
    bool has_version = str_cut(name, '@', &name, &version);
    return mem_printf("%.*s/%s%s%.*s", STR_ARG(name), name_of(interface), has_version ? "@" : "",
                      STR_ARG(version));
}

static int compare_item(const json_t *dump, const char *key, const json_t *want,
                        const struct wit_world_item *items, uint32_t count, struct error *why)
{
    const json_t *func = json_object_get(want, "function");
    const json_t *index = json_object_get(json_object_get(want, "interface"), "id");
    const json_t *interface = index ? at(dump, "interfaces", index) : NULL;
    bool is_named =
        interface && name_of(interface)[0] != 0 && str_starts(str_from(key), STR("interface-"));
    _cleanup_(mem_freep) char *name =
        is_named ? interface_id(dump, interface) : str_dup(str_from(key));
    const struct wit_world_item *item = find_item(items, count, str_from(name));
    if (!item)
        return error_set(why, -EINVAL, "lacks `%s`", name);
    enum wit_item_kind kind = func ? WIT_ITEM_FUNC : interface ? WIT_ITEM_INTERFACE : WIT_ITEM_TYPE;
    if (item->kind != kind)
        return error_set(why, -EINVAL, "`%s` is of another kind", name);
    if (kind == WIT_ITEM_FUNC)
        return compare_func(item->func, func, why);
    return kind == WIT_ITEM_INTERFACE ? compare_interface(item->interface, interface, why) : 0;
}

static int compare_items(const json_t *dump, const json_t *want, const struct wit_world_item *items,
                         uint32_t count, struct error *why)
{
    if (json_object_size(want) != count)
        return error_set(why, -EINVAL, "%u items, not %zu", count, json_object_size(want));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)want, key, value)
    {
        int rc = compare_item(dump, key, value, items, count, why);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int compare_world(const json_t *dump, const struct wit_world *have, const json_t *want,
                         struct error *why)
{
    int rc = compare_items(dump, json_object_get(want, "imports"), have->imports,
                           have->import_count, why);
    if (rc < 0)
        return error_wrap(why, "imports of world `%.*s`", STR_ARG(have->name));
    rc = compare_items(dump, json_object_get(want, "exports"), have->exports, have->export_count,
                       why);
    return rc < 0 ? error_wrap(why, "exports of world `%.*s`", STR_ARG(have->name)) : 0;
}

// ---- packages -----------------------------------------------------------------------------------

static const struct wit_package *find_package(const struct wit_resolve *resolve, const char *name)
{
    for (uint32_t i = 0; i < wit_package_count(resolve); i++) {
        const struct wit_package *package = wit_package_at(resolve, i);
        _cleanup_(mem_freep) char *id =
            mem_printf("%.*s:%.*s%s%.*s", STR_ARG(package->ns), STR_ARG(package->name),
                       package->version.len > 0 ? "@" : "", STR_ARG(package->version));
        if (strcmp(id, name) == 0)
            return package;
    }
    return NULL;
}

static const struct wit_interface *find_interface(const struct wit_package *package,
                                                  const char *name)
{
    for (uint32_t i = 0; i < package->interface_count; i++)
        if (str_is(package->interfaces[i]->name, name))
            return package->interfaces[i];
    return NULL;
}

static int compare_package(const json_t *dump, const struct wit_package *have, const json_t *want,
                           struct error *why)
{
    const char *name;
    json_t *index;
    json_object_foreach(json_object_get(want, "interfaces"), name, index)
    {
        const struct wit_interface *interface = find_interface(have, name);
        if (!interface)
            return error_set(why, -EINVAL, "no interface `%s`", name);
        int rc = compare_interface(interface, at(dump, "interfaces", index), why);
        if (rc < 0)
            return rc;
    }
    json_object_foreach(json_object_get(want, "worlds"), name, index)
    {
        const struct wit_world *world = wit_find_world(have, str_from(name));
        if (!world)
            return error_set(why, -EINVAL, "no world `%s`", name);
        int rc = compare_world(dump, world, at(dump, "worlds", index), why);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int wit_compare(const struct wit_resolve *resolve, const json_t *dump, struct error *why)
{
    const json_t *packages = json_object_get(dump, "packages");
    for (size_t i = 0; i < json_array_size(packages); i++) {
        const json_t *want = json_array_get(packages, i);
        const struct wit_package *have = find_package(resolve, name_of(want));
        if (!have)
            return error_set(why, -EINVAL, "no package `%s`", name_of(want));
        int rc = compare_package(dump, have, want, why);
        if (rc < 0)
            return error_wrap(why, "package `%s`", name_of(want));
    }
    return 0;
}

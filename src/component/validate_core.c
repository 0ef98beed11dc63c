// SPDX-License-Identifier: Apache-2.0
// Core definitions: module types, modules in outline, core instances and their exports; subtyping
// of core types (core specification, "Matching").
#include "component/validate_types.h"

#define MEMORY32_PAGES_BITS 32
#define MEMORY64_BITS_MAX   64

static const char *const kind_names[] = {"function", "table", "memory", "global", "tag"};

bool v_core_func_equal(const struct core_func_type *a, const struct core_func_type *b)
{
    return str_eq(a->params, b->params) && str_eq(a->results, b->results);
}

const struct core_func_type *v_core_func(struct validator *v, uint32_t index)
{
    return v->scope->core_items[CORE_FUNC].items[index].func;
}

int v_add_core(struct validator *v, struct core_extern item)
{
    *vec_push(&v->scope->core_items[item.kind]) = item;
    return 0;
}

int v_add_core_func(struct validator *v, struct str params, struct str results)
{
    struct core_func_type *func = arena_new(&v->arena, struct core_func_type);
    func->params = arena_str(&v->arena, params);
    func->results = arena_str(&v->arena, results);
    return v_add_core(v, (struct core_extern){.kind = CORE_FUNC, .func = func});
}

// ---- limits -------------------------------------------------------------------------------------

static int check_limits(struct validator *v, const struct core_extern *type)
{
    const struct core_limits *l = &type->limits;
    bool is_memory = type->kind == CORE_MEMORY;
    if (!is_memory && type->kind != CORE_TABLE)
        return 0;
    if (l->max != UINT64_MAX && l->min > l->max)
        return v_fail(v, "%s with a minimum above its maximum", kind_names[type->kind]);
    if (is_memory && l->is_shared && l->max == UINT64_MAX)
        return v_fail(v, "shared memory without a maximum");
    if (is_memory && l->page_size_log > 16)
        return v_fail(v, "memory with pages of 2^%u bytes", l->page_size_log);
    unsigned bits = is_memory ? (l->is_64 ? MEMORY64_BITS_MAX : MEMORY32_PAGES_BITS) -
                                    (unsigned)l->page_size_log
                              : (l->is_64 ? 64 : 32);
    uint64_t most = bits >= 64 ? UINT64_MAX : (uint64_t)1 << bits;
    if (!is_memory && bits == 32)
        most--;
    if (l->min > most || (l->max != UINT64_MAX && l->max > most))
        return v_fail(v, "%s size must be at most %llu", kind_names[type->kind],
                      (unsigned long long)most);
    return 0;
}

// ---- module types -------------------------------------------------------------------------------

static int compare_items(const void *a, const void *b)
{
    const struct v_core_item *x = a;
    const struct v_core_item *y = b;
    int order = str_cmp(x->module, y->module);
    return order != 0 ? order : str_cmp(x->name, y->name);
}

static int finish_items(struct validator *v, struct v_core_item *items, uint32_t count,
                        bool is_export)
{
    if (count > 0)
        qsort(items, count, sizeof(*items), compare_items);
    for (uint32_t i = 0; i < count; i++) {
        int rc = v_work(v);
        if (rc == 0)
            rc = check_limits(v, &items[i].type);
        if (rc < 0)
            return rc;
        if (i == 0 || compare_items(&items[i - 1], &items[i]) != 0)
            continue;
        if (is_export)
            return v_fail(v, "export name `%.*s` already defined", STR_ARG(items[i].name));
        return v_fail(v, "duplicate import name `%.*s:%.*s`", STR_ARG(items[i].module),
                      STR_ARG(items[i].name));
    }
    return 0;
}

static int finish_module(struct validator *v, struct v_module *module, struct v_core_item *imports,
                         struct v_core_item *exports)
{
    module->imports = imports;
    module->exports = exports;
    int rc = finish_items(v, imports, module->import_count, false);
    return rc < 0 ? rc : finish_items(v, exports, module->export_count, true);
}

static int resolve_core_type(struct validator *v, const struct core_type_ref *ref,
                             const struct core_type_ref *locals, uint32_t local_index,
                             const struct core_func_type **out)
{
    *out = &ref->func;
    if (!ref->is_alias)
        return 0;
    if (ref->outer == 0) {
        // An earlier type of the module type itself, which is resolved already.
        if (ref->index >= local_index)
            return v_fail(v, "unknown core type %u in a module type", ref->index);
        *out = &locals[ref->index].func;
        return 0;
    }
    const struct v_scope *scope = v->scope;
    for (uint32_t i = 1; i < ref->outer && scope; i++)
        scope = scope->parent;
    if (!scope)
        return v_fail(v, "invalid outer alias count of %u", ref->outer);
    if (ref->index >= scope->core_types.len)
        return v_fail(v, "unknown core type %u (there are %zu)", ref->index, scope->core_types.len);
    const struct v_core_type *type = &scope->core_types.items[ref->index];
    if (type->module)
        return v_fail(v, "a module type cannot be aliased inside of a module type");
    *out = &type->func;
    return 0;
}

static int resolve_item(struct validator *v, const struct core_module_item *item,
                        const struct core_func_type *types, struct v_core_item *out)
{
    *out = (struct v_core_item){item->module, item->name, item->type};
    if (item->is_export)
        out->module = STR_EMPTY;
    if (item->type.kind == CORE_TAG && !v->features->exceptions)
        return v_fail(v, "tag: the exceptions proposal is not enabled");
    if (item->type.kind != CORE_FUNC && item->type.kind != CORE_TAG)
        return 0;
    out->type.func = &types[item->type.type];
    if (!out->type.func->params.data)
        return v_fail(v, "core type %u is not a function type", item->type.type);
    return 0;
}

static int define_module_type(struct validator *v, const struct core_module_type *def,
                              const struct v_module **out)
{
    struct core_func_type *types =
        arena_new_array(&v->arena, struct core_func_type, def->type_count);
    struct core_type_ref *locals =
        arena_new_array(&v->arena, struct core_type_ref, def->type_count);
    for (uint32_t i = 0; i < def->type_count; i++) {
        const struct core_func_type *func;
        int rc = resolve_core_type(v, &def->types[i], locals, i, &func);
        if (rc < 0)
            return rc;
        types[i] = *func;
        locals[i].func = *func;
    }
    struct v_module *module = arena_new(&v->arena, struct v_module);
    struct v_core_item *imports = arena_new_array(&v->arena, struct v_core_item, def->item_count);
    struct v_core_item *exports = arena_new_array(&v->arena, struct v_core_item, def->item_count);
    for (uint32_t i = 0; i < def->item_count; i++) {
        const struct core_module_item *item = &def->items[i];
        int rc = resolve_item(v, item, types,
                              item->is_export ? &exports[module->export_count++]
                                              : &imports[module->import_count++]);
        if (rc < 0)
            return rc;
    }
    *out = module;
    return finish_module(v, module, imports, exports);
}

int v_define_core_type(struct validator *v, const struct core_type_def *def)
{
    if (!def->module) {
        for (uint32_t i = 0; i < def->group_count; i++)
            *vec_push(&v->scope->core_types) = (struct v_core_type){.func = def->group[i]};
        return 0;
    }
    const struct v_module *module;
    int rc = define_module_type(v, def->module, &module);
    if (rc == 0)
        *vec_push(&v->scope->core_types) = (struct v_core_type){.module = module};
    return rc;
}

int v_define_core_module(struct validator *v, const struct core_module *def)
{
    struct v_module *module = arena_new(&v->arena, struct v_module);
    module->import_count = def->import_count;
    module->export_count = def->export_count;
    struct v_core_item *imports = arena_new_array(&v->arena, struct v_core_item, def->import_count);
    struct v_core_item *exports = arena_new_array(&v->arena, struct v_core_item, def->export_count);
    for (uint32_t i = 0; i < def->import_count; i++)
        imports[i] = (struct v_core_item){def->imports[i].module, def->imports[i].name,
                                          def->imports[i].type};
    for (uint32_t i = 0; i < def->export_count; i++)
        exports[i] = (struct v_core_item){STR_EMPTY, def->exports[i].name, def->exports[i].type};
    int rc = finish_module(v, module, imports, exports);
    if (rc == 0)
        *vec_push(&v->scope->modules) = module;
    return rc;
}

// ---- matching -----------------------------------------------------------------------------------

static bool same_value_type(struct core_val_type a, struct core_val_type b)
{
    if (a.type != b.type)
        return false;
    // Indices of types in different modules cannot be compared by number.
    if (a.type != 'r' || (a.heap >= 0 && b.heap >= 0))
        return a.is_nullable == b.is_nullable;
    return a.is_nullable == b.is_nullable && a.heap == b.heap;
}

static int match_limits(struct validator *v, const struct core_extern *want,
                        const struct core_extern *actual)
{
    const char *name = want->kind == CORE_TABLE ? "table" : "memory";
    const struct core_limits *w = &want->limits;
    const struct core_limits *a = &actual->limits;
    if (w->is_64 != a->is_64)
        return v_fail(v, "mismatch in index type used for %s", name);
    if (w->is_shared != a->is_shared)
        return v_fail(v, "mismatch in the shared flag of a %s", name);
    if (want->kind == CORE_MEMORY && w->page_size_log != a->page_size_log)
        return v_fail(v, "mismatch in the page size of a memory");
    if (a->min < w->min || (w->max != UINT64_MAX && a->max > w->max))
        return v_fail(v, "mismatch in %s limits", name);
    return 0;
}

static const char *func_text(struct validator *v, const struct core_func_type *func)
{
    return arena_printf(&v->arena, "(%.*s) -> (%.*s)", (int)MIN(func->params.len, 40),
                        func->params.data, (int)MIN(func->results.len, 40), func->results.data)
        .data;
}

static int match_core(struct validator *v, const struct core_extern *want,
                      const struct core_extern *actual)
{
    int rc = v_work(v);
    if (rc < 0)
        return rc;
    if (want->kind != actual->kind)
        return v_fail(v, "expected %s, found %s", kind_names[want->kind], kind_names[actual->kind]);
    switch (want->kind) {
    case CORE_FUNC:
    case CORE_TAG:
        if (!v_core_func_equal(want->func, actual->func))
            return v_fail(v, "%s of another type than expected: %s, not %s", kind_names[want->kind],
                          func_text(v, actual->func), func_text(v, want->func));
        return 0;
    case CORE_TABLE:
        if (!same_value_type(want->value, actual->value))
            return v_fail(v, "table of other elements than expected");
        return match_limits(v, want, actual);
    case CORE_MEMORY:
        return match_limits(v, want, actual);
    case CORE_GLOBAL:
        if (want->mutability != actual->mutability)
            return v_fail(v, "global of another mutability than expected");
        if (!same_value_type(want->value, actual->value))
            return v_fail(v, "global of another type than expected");
        return 0;
    }
    return 0;
}

static const struct core_extern *find_item(const struct v_core_item *items, uint32_t count,
                                           struct str module, struct str name)
{
    struct v_core_item key = {.module = module, .name = name};
    const struct v_core_item *found =
        count > 0 ? bsearch(&key, items, count, sizeof(*items), compare_items) : NULL;
    return found ? &found->type : NULL;
}

static const struct core_extern *find_export(const struct v_module *module, struct str name)
{
    return find_item(module->exports, module->export_count, STR_EMPTY, name);
}

static int match_named(struct validator *v, const char *what, const struct v_core_item *item,
                       const struct core_extern *want, const struct core_extern *actual)
{
    struct reader_path here = {v->r.path, what, 0, item->name};
    v->r.path = &here;
    int rc = match_core(v, want, actual);
    v->r.path = here.up;
    return rc;
}

int v_module_subtype(struct validator *v, const struct v_module *want,
                     const struct v_module *actual)
{
    for (uint32_t i = 0; i < want->export_count; i++) {
        const struct v_core_item *item = &want->exports[i];
        const struct core_extern *found = find_export(actual, item->name);
        if (!found)
            return v_fail(v, "missing expected export `%.*s`", STR_ARG(item->name));
        int rc = match_named(v, "core export", item, &item->type, found);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < actual->import_count; i++) {
        const struct v_core_item *item = &actual->imports[i];
        const struct core_extern *found =
            find_item(want->imports, want->import_count, item->module, item->name);
        if (!found)
            return v_fail(v, "missing expected import `%.*s::%.*s`", STR_ARG(item->module),
                          STR_ARG(item->name));
        int rc = match_named(v, "core import", item, &item->type, found);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// ---- core instances -----------------------------------------------------------------------------

static int compare_args(const void *a, const void *b)
{
    const struct inline_export *x = a;
    const struct inline_export *y = b;
    return str_cmp(x->name, y->name);
}

static int sort_args(struct validator *v, const struct instance_def *def,
                     struct inline_export **out)
{
    struct inline_export *args = arena_new_array(&v->arena, struct inline_export, def->item_count);
    if (def->item_count > 0) {
        memcpy(args, def->items, def->item_count * sizeof(*args));
        qsort(args, def->item_count, sizeof(*args), compare_args);
    }
    for (uint32_t i = 1; i < def->item_count; i++)
        if (str_eq(args[i - 1].name, args[i].name))
            return v_fail(v, "duplicate module instantiation argument named `%.*s`",
                          STR_ARG(args[i].name));
    *out = args;
    return 0;
}

static int instantiate_module(struct validator *v, const struct instance_def *def)
{
    const struct v_module *module = v->scope->modules.items[def->target];
    struct inline_export *args;
    int rc = sort_args(v, def, &args);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < module->import_count; i++) {
        const struct v_core_item *item = &module->imports[i];
        struct inline_export key = {.name = item->module};
        const struct inline_export *arg =
            def->item_count > 0 ? bsearch(&key, args, def->item_count, sizeof(*args), compare_args)
                                : NULL;
        if (!arg)
            return v_fail(v, "missing module instantiation argument named `%.*s`",
                          STR_ARG(item->module));
        const struct core_extern *found =
            find_export(v->scope->core_instances.items[arg->item.index], item->name);
        if (!found)
            return v_fail(v, "module instantiation argument `%.*s` does not export `%.*s`",
                          STR_ARG(item->module), STR_ARG(item->name));
        rc = match_named(v, "core import", item, &item->type, found);
        if (rc < 0)
            return rc;
    }
    struct v_module *instance = arena_new(&v->arena, struct v_module);
    instance->exports = module->exports;
    instance->export_count = module->export_count;
    *vec_push(&v->scope->core_instances) = instance;
    return 0;
}

static int check_tag_gate(struct validator *v, enum sort sort)
{
    if (sort == SORT_CORE_TAG && !v->features->exceptions)
        return v_fail(v, "tag: the exceptions proposal is not enabled");
    return 0;
}

static int bundle_core(struct validator *v, const struct instance_def *def)
{
    struct v_core_item *exports = arena_new_array(&v->arena, struct v_core_item, def->item_count);
    for (uint32_t i = 0; i < def->item_count; i++) {
        struct sort_index item = def->items[i].item;
        int rc = check_tag_gate(v, item.sort);
        if (rc < 0)
            return rc;
        if (item.sort > SORT_CORE_TAG)
            return v_fail(v, "a core instance cannot export a %s", sort_name(item.sort));
        exports[i] = (struct v_core_item){STR_EMPTY, def->items[i].name,
                                          v->scope->core_items[item.sort].items[item.index]};
    }
    struct v_module *instance = arena_new(&v->arena, struct v_module);
    instance->export_count = def->item_count;
    int rc = finish_module(v, instance, NULL, exports);
    if (rc == 0)
        *vec_push(&v->scope->core_instances) = instance;
    return rc;
}

int v_define_core_instance(struct validator *v, const struct instance_def *def)
{
    return def->is_bundle ? bundle_core(v, def) : instantiate_module(v, def);
}

int v_alias_core_export(struct validator *v, const struct alias_def *def)
{
    int rc = check_tag_gate(v, def->sort);
    if (rc < 0)
        return rc;
    const struct core_extern *found =
        find_export(v->scope->core_instances.items[def->instance], def->name);
    if (!found)
        return v_fail(v, "core instance %u has no export named `%.*s`", def->instance,
                      STR_ARG(def->name));
    // The first sorts and the kinds are numbered alike.
    if ((enum sort)found->kind != def->sort)
        return v_fail(v, "export `%.*s` of core instance %u is not a %s", STR_ARG(def->name),
                      def->instance, sort_name(def->sort));
    return v_add_core(v, *found);
}

// SPDX-License-Identifier: Apache-2.0
// Packages, interfaces and worlds as text, in the layout of the usual tools.
#include "wit/print_internal.h"

#include "base/vec.h"
#include "wit/lexer.h"

struct typedefs {
    const struct wit_typedef *const *items;
    size_t count;
};

static void scope_init(struct print_scope *s, const struct wit_func *const *funcs,
                       size_t func_count)
{
    memset(s, 0, sizeof(*s));
    s->func_count = func_count;
    s->funcs = mem_new_array(const struct wit_func *, func_count + 1);
    s->next = mem_new_array(uint32_t, func_count + 1);
    for (size_t i = 0; i < func_count; i++) {
        s->funcs[i] = funcs[i];
        s->next[i] = 0;
        if (funcs[i]->kind == WIT_FUNC_FREE)
            continue;
        struct str key = str_of((const char *)&funcs[i]->resource, sizeof(funcs[i]->resource));
        uintptr_t last = (uintptr_t)map_put(&s->resource_last, key, (void *)(uintptr_t)(i + 1));
        if (last > 0)
            s->next[last - 1] = (uint32_t)i + 1;
        else
            map_put(&s->resource_first, key, (void *)(uintptr_t)(i + 1));
    }
}

static void scope_done(struct print_scope *s)
{
    map_done(&s->resource_last);
    map_done(&s->resource_first);
    free(s->funcs);
    free(s->next);
}

static bool is_same_package(const struct wit_package *a, const struct wit_package *b)
{
    return a == b || (a && b && str_eq(a->ns, b->ns) && str_eq(a->name, b->name) &&
                      str_eq(a->version, b->version));
}

void print_package_name(struct printer *p, const struct wit_package *package)
{
    print_name(p, package->ns);
    print_chars(p, ":");
    print_name(p, package->name);
}

void print_version(struct printer *p, const struct wit_package *package)
{
    print_chars(p, package->version.len > 0 ? "@" : "");
    print_text(p, package->version);
}

static void print_interface_path(struct printer *p, const struct wit_interface *interface)
{
    bool is_local = is_same_package(interface->package, p->package);
    if (!is_local) {
        print_package_name(p, interface->package);
        print_chars(p, "/");
    }
    print_name(p, interface->name);
    if (!is_local)
        print_version(p, interface->package);
}

static bool is_same_stability(const struct wit_stability *a, const struct wit_stability *b)
{
    return str_eq(a->since, b->since) && str_eq(a->feature, b->feature) &&
           str_eq(a->deprecated, b->deprecated);
}

static bool is_use(const struct wit_typedef *type)
{
    return type->is_use && type->alias_of;
}

static void print_used_name(struct printer *p, const struct wit_typedef *use)
{
    print_name(p, use->alias_of->name);
    if (!str_eq(use->name, use->alias_of->name)) {
        print_chars(p, " as ");
        print_name(p, use->name);
    }
}

// The `use` items; neighbours of one interface and stability share one. True when there are any.
static bool print_uses(struct printer *p, struct typedefs types)
{
    const struct wit_typedef *last = NULL;
    for (size_t i = 0; i < types.count && !p->full; i++) {
        const struct wit_typedef *use = types.items[i];
        if (!is_use(use))
            continue;
        if (last && use->alias_of->interface == last->alias_of->interface &&
            is_same_stability(&use->stability, &last->stability)) {
            print_chars(p, ", ");
        } else {
            print_chars(p, last ? "};\n" : "");
            print_annotations(p, STR_EMPTY, &use->stability);
            print_begin_line(p);
            print_chars(p, "use ");
            print_interface_path(p, use->alias_of->interface);
            print_chars(p, ".{");
        }
        print_used_name(p, use);
        last = use;
    }
    print_chars(p, last ? "};\n" : "");
    return last != NULL;
}

// Uses and types, a blank line before each type but a first item. True when anything was printed;
// `any` says whether something was before.
static bool print_types(struct printer *p, struct typedefs types, bool any)
{
    bool blank = print_uses(p, types) || any;
    any = blank;
    for (size_t i = 0; i < types.count && !p->full; i++) {
        if (is_use(types.items[i]))
            continue;
        if (blank)
            print_blank_line(p);
        print_typedef(p, types.items[i]);
        blank = any = true;
    }
    return any;
}

static void print_interface_body(struct printer *p, const struct wit_interface *interface)
{
    struct print_scope scope;
    struct typedefs types = {interface->types, interface->type_count};
    scope_init(&scope, interface->funcs, interface->func_count);
    const struct print_scope *outer = p->scope;
    p->scope = &scope;
    print_open(p);
    bool any = print_types(p, types, false);
    for (uint32_t i = 0; i < interface->func_count && !p->full; i++) {
        if (interface->funcs[i]->kind != WIT_FUNC_FREE)
            continue;
        if (any)
            print_blank_line(p);
        print_func(p, interface->funcs[i]);
        any = true;
    }
    print_close(p);
    p->scope = outer;
    scope_done(&scope);
}

void print_interface(struct printer *p, const struct wit_interface *interface)
{
    print_annotations(p, interface->docs, &interface->stability);
    print_begin_line(p);
    print_chars(p, "interface ");
    print_name(p, interface->name);
    print_interface_body(p, interface);
}

static void print_world_item(struct printer *p, const char *keyword,
                             const struct wit_world_item *item)
{
    print_annotations(p, item->docs, &item->stability);
    print_begin_line(p);
    print_chars(p, keyword);
    bool by_id =
        item->interface && item->interface->name.len > 0 && str_eq(item->name, item->interface->id);
    if (!by_id) {
        print_name(p, item->name);
        print_chars(p, ": ");
    }
    if (item->kind == WIT_ITEM_FUNC) {
        print_func_type(p, item->func);
    } else if (item->interface->name.len == 0) {
        print_chars(p, "interface");
        print_interface_body(p, item->interface);
    } else {
        print_interface_path(p, item->interface);
        print_chars(p, ";\n");
    }
}

// The imports that are interfaces, or the free functions. True when there are any.
static bool print_imports(struct printer *p, const struct wit_world *world, enum wit_item_kind kind)
{
    bool any = false;
    for (uint32_t i = 0; i < world->import_count && !p->full; i++) {
        const struct wit_world_item *item = &world->imports[i];
        if (item->kind != kind || (kind == WIT_ITEM_FUNC && item->func->kind != WIT_FUNC_FREE))
            continue;
        print_world_item(p, "import ", item);
        any = true;
    }
    return any;
}

static void print_world_items(struct printer *p, const struct wit_world *world,
                              struct typedefs types)
{
    bool any = print_imports(p, world, WIT_ITEM_INTERFACE);
    any = print_types(p, types, any);
    any |= print_imports(p, world, WIT_ITEM_FUNC);
    if (any && world->export_count > 0)
        print_blank_line(p);
    for (uint32_t i = 0; i < world->export_count && !p->full; i++)
        print_world_item(p, "export ", &world->exports[i]);
}

void print_world(struct printer *p, const struct wit_world *world)
{
    VEC(const struct wit_typedef *) types = {0};
    VEC(const struct wit_func *) funcs = {0};
    for (uint32_t i = 0; i < world->import_count; i++) {
        if (world->imports[i].kind == WIT_ITEM_TYPE)
            *vec_push(&types) = world->imports[i].type;
        if (world->imports[i].kind == WIT_ITEM_FUNC)
            *vec_push(&funcs) = world->imports[i].func;
    }
    struct print_scope scope;
    struct typedefs list = {types.items, types.len};
    scope_init(&scope, funcs.items, funcs.len);
    p->scope = &scope;
    print_annotations(p, world->docs, &world->stability);
    print_begin_line(p);
    print_chars(p, "world ");
    print_name(p, world->name);
    print_open(p);
    print_world_items(p, world, list);
    print_close(p);
    p->scope = NULL;
    scope_done(&scope);
    vec_done(&types);
    vec_done(&funcs);
}

static const struct wit_stability no_stability = {{"", 0}, {"", 0}, {"", 0}};

static void print_root_package(struct printer *p, const struct wit_package *package)
{
    p->package = package;
    print_annotations(p, package->docs, &no_stability);
    print_chars(p, "package ");
    print_package_name(p, package);
    print_version(p, package);
    print_chars(p, ";\n\n");
    for (uint32_t i = 0; i < package->interface_count && !p->full; i++) {
        print_interface(p, package->interfaces[i]);
        print_blank_line(p);
    }
    for (uint32_t i = 0; i < package->world_count && !p->full; i++)
        print_world(p, package->worlds[i]);
}

void print_nested_package(struct printer *p, const struct wit_package *package)
{
    p->package = package;
    print_annotations(p, package->docs, &no_stability);
    print_chars(p, "package ");
    print_package_name(p, package);
    print_version(p, package);
    print_open(p);
    for (uint32_t i = 0; i < package->interface_count && !p->full; i++)
        print_interface(p, package->interfaces[i]);
    for (uint32_t i = 0; i < package->world_count && !p->full; i++)
        print_world(p, package->worlds[i]);
    print_close(p);
}

void wit_print_packages(const struct wit_package *package, const struct wit_package *const *others,
                        size_t count, struct buf *out)
{
    struct printer p = {.out = out};
    print_root_package(&p, package);
    for (size_t i = 0; i < count && !p.full; i++) {
        print_chars(&p, i > 0 ? "\n\n" : "");
        print_nested_package(&p, others[i]);
    }
}

void wit_print_package(const struct wit_package *package, struct buf *out)
{
    wit_print_packages(package, NULL, 0, out);
}

void wit_print_resolve(const struct wit_resolve *resolve, struct buf *out)
{
    const struct wit_package *root = wit_root_package(resolve);
    VEC(const struct wit_package *) others = {0};
    for (uint32_t i = 0; i < wit_package_count(resolve); i++)
        if (wit_package_at(resolve, i) != root)
            *vec_push(&others) = wit_package_at(resolve, i);
    wit_print_packages(root, others.items, others.len, out);
    vec_done(&others);
}

// SPDX-License-Identifier: Apache-2.0
// The exports of the component: core functions lifted with their types. An exported interface is an
// instance of a small component that imports its functions and types and exports them under their
// names, so that the types in its signatures are its own.
#include <errno.h>

#include "component/componentize_internal.h"

// ---- what is exported ---------------------------------------------------------------------------

static struct exported *find_exported(const struct componentizer *z,
                                      const struct wit_interface *interface)
{
    const void *address = interface;
    return map_get(&z->exported_of, czr_key(&address));
}

bool czr_is_exported(const struct componentizer *z, const struct wit_interface *interface)
{
    return find_exported(z, interface) != NULL;
}

struct wit_scope *czr_scope(struct componentizer *z, const struct wit_interface *interface,
                            bool is_exported)
{
    struct exported *x = is_exported && interface ? find_exported(z, interface) : NULL;
    return x ? &x->scope : &z->root;
}

static bool is_own_resource(const struct wit_typedef *def)
{
    return def->resource && !def->type && !def->alias_of;
}

// "wasi:cli/run@0.2" for "wasi:cli/run@0.2.6": up to the first number that is not 0; of a
// pre-release all but its build.
static struct str standard_interface(struct str id)
{
    struct str build;
    ssize_t at = str_find_char(id, '@');
    (void)str_cut(id, '+', &id, &build);
    if (at < 0 || str_find_char(str_from_index(id, (size_t)at), '-') >= 0)
        return id;
    size_t end = (size_t)at + 1;
    for (int i = 0; i < 2; i++) {
        struct str rest = str_from_index(id, end);
        ssize_t dot = str_find_char(rest, '.');
        if (dot < 0)
            return id;
        if (!str_is(str_sub(rest, 0, (size_t)dot), "0"))
            return str_sub(id, 0, end + (size_t)dot);
        end += (size_t)dot + 1;
    }
    return id;
}

// "cm32p2|wasi:cli/run@0.2|run".
static struct str standard_export(struct componentizer *z, struct str interface, struct str func)
{
    return arena_printf(z->arena, CZR_STANDARD "|%.*s|%.*s", STR_ARG(standard_interface(interface)),
                        STR_ARG(func));
}

static void plan_destructors(struct componentizer *z, struct exported *x)
{
    const struct wit_interface *interface = x->interface;
    x->destructors = arena_new_array(z->arena, uint32_t, interface->type_count);
    for (uint32_t i = 0; i < interface->type_count; i++) {
        x->destructors[i] = WANT_NO_SLOT;
        if (!is_own_resource(interface->types[i]))
            continue;
        struct str name = arena_printf(z->arena, "%.*s#[dtor]%.*s", STR_ARG(x->item->name),
                                       STR_ARG(interface->types[i]->name));
        struct str standard = standard_export(
            z, x->item->name,
            arena_printf(z->arena, "%.*s_dtor", STR_ARG(interface->types[i]->name)));
        const struct core_export *export = czr_find_export(x->part, CORE_FUNC, name, standard);
        if (!export)
            continue;
        x->destructors[i] = (uint32_t)z->slots.len;
        *vec_push(&z->slots) =
            (struct slot){.type = export->func, .part = x->part, .export = export->name};
    }
}

// Appends the interfaces that this one uses types of, and then this one.
static void add_in_order(struct componentizer *z, struct exported *first)
{
    VEC(struct {
        struct exported *x;
        uint32_t type;
    })
    stack = {0};
    vec_push(&stack)->x = first;
    first->is_entered = true;
    while (stack.len > 0) {
        struct exported *x = stack.items[stack.len - 1].x;
        uint32_t type = stack.items[stack.len - 1].type++;
        if (type == x->interface->type_count) {
            z->exported[z->exported_count++] = x;
            stack.len--;
            continue;
        }
        const struct wit_typedef *from = x->interface->types[type]->alias_of;
        struct exported *used = from && from->interface ? find_exported(z, from->interface) : NULL;
        if (used && !used->is_entered) {
            used->is_entered = true;
            vec_push(&stack)->x = used;
        }
    }
    vec_done(&stack);
}

static void collect(struct componentizer *z)
{
    struct map names = {0};
    for (uint32_t i = 0; i < z->part_count; i++) {
        const struct wit_world *world = z->parts[i].world;
        for (uint32_t k = 0; world && k < world->export_count; k++) {
            const struct wit_world_item *item = &world->exports[k];
            // What main exports an adapter does not export again.
            if (item->kind != WIT_ITEM_INTERFACE || map_put(&names, item->name, z))
                continue;
            struct exported *x = arena_new(z->arena, struct exported);
            *x =
                (struct exported){.item = item, .interface = item->interface, .part = &z->parts[i]};
            (void)map_put(&z->exported_of, czr_address(z->arena, item->interface), x);
        }
    }
    map_done(&names);
}

void czr_plan_exports(struct componentizer *z)
{
    collect(z);
    z->exported = arena_new_array(z->arena, struct exported *, z->exported_of.len);
    for (size_t i = 0; i < z->exported_of.len; i++) {
        struct exported *x = z->exported_of.entries[i].value;
        if (!x->is_entered)
            add_in_order(z, x);
    }
    for (uint32_t i = 0; i < z->exported_count; i++)
        plan_destructors(z, z->exported[i]);
}

void czr_encode_resources(struct componentizer *z)
{
    struct wit_scope *outer = &z->root;
    for (uint32_t i = 0; i < z->exported_count; i++) {
        struct exported *x = z->exported[i];
        wit_scope_init(&x->scope, &z->e, WIT_UNNAMED);
        x->scope.interface = x->interface;
        x->scope.outer = outer;
        outer = &x->scope;
        for (uint32_t k = 0; k < x->interface->type_count; k++) {
            if (!is_own_resource(x->interface->types[k]))
                continue;
            struct type_def def = {.kind = TYPE_DEF_RESOURCE};
            def.resource.has_dtor = x->destructors[k] != WANT_NO_SLOT;
            if (def.resource.has_dtor)
                def.resource.dtor =
                    encode_alias_core_export(&z->e, SORT_CORE_FUNC, z->shim_instance,
                                             czr_number(z->arena, x->destructors[k]));
            wit_scope_bind(&x->scope, x->interface->types[k], encode_type(&z->e, &def));
        }
    }
}

// ---- lifting ------------------------------------------------------------------------------------

static bool has_func(const struct part *part, struct str name)
{
    const struct core_export *export = core_module_find_export(&part->core, name);
    return export && export->kind == CORE_FUNC;
}

static uint32_t alias_func(struct componentizer *z, const struct part *part, struct str name)
{
    return encode_alias_core_export(&z->e, SORT_CORE_FUNC, part->instance, name);
}

// What a core function that is lifted is called.
struct lift_names {
    struct str func;
    struct str callback;
    struct str post_return;
    bool is_async;
};

// What is lifted.
struct lift_source {
    const struct part *part;
    struct str interface; // empty: the world's
    struct str func;
    const struct func_type *type;
    struct wit_scope *scope;
};

static int find_lift(struct componentizer *z, const struct lift_source *from,
                     struct lift_names *out)
{
    const struct part *part = from->part;
    struct str name = from->func;
    if (from->interface.len > 0)
        name = arena_printf(z->arena, "%.*s#%.*s", STR_ARG(from->interface), STR_ARG(from->func));
    *out = (struct lift_names){.func = name};
    out->post_return = arena_printf(z->arena, "cabi_post_%.*s", STR_ARG(name));
    if (has_func(part, name))
        return 0;
    out->func = standard_export(z, from->interface, from->func);
    out->post_return = arena_printf(z->arena, "%.*s_post", STR_ARG(out->func));
    if (has_func(part, out->func))
        return 0;
    out->is_async = true;
    out->func = arena_printf(z->arena, "[async-lift]%.*s", STR_ARG(name));
    out->callback = arena_printf(z->arena, "[callback]%.*s", STR_ARG(out->func));
    if (has_func(part, out->func))
        return 0;
    out->func = arena_printf(z->arena, "[async-lift-stackful]%.*s", STR_ARG(name));
    out->callback = STR_EMPTY;
    if (has_func(part, out->func))
        return 0;
    return error_set(
        z->err, -EINVAL,
        "core module%s%.*s: it exports no function `%.*s`, which its world says it has",
        part->is_adapter ? " of adapter " : "", STR_ARG(part->name), STR_ARG(name));
}

static int set_lift_options(struct componentizer *z, const struct part *part,
                            const struct lift_names *names, const struct func_type *type,
                            struct canon_def_options *o)
{
    struct str realloc = part->is_adapter ? STR("cabi_export_realloc") : STR("cabi_realloc");
    struct abi_needs needs = czr_lift_needs(type, names->is_async);
    o->is_async = names->is_async;
    o->encoding = needs.strings ? (uint8_t)part->strings : 0;
    o->has_callback = names->callback.len > 0 && has_func(part, names->callback);
    o->has_post_return = !names->is_async && has_func(part, names->post_return);
    o->has_realloc = needs.realloc;
    o->has_memory = needs.memory;
    o->memory = z->memory;
    if (needs.memory && !z->has_memory)
        return error_set(z->err, -EINVAL, "core module: it exports no memory, which `%.*s` needs",
                         STR_ARG(names->func));
    const struct core_export *allocator =
        czr_find_export(part, CORE_FUNC, realloc, STR(CZR_STANDARD "_realloc"));
    if (needs.realloc && !allocator)
        return error_set(z->err, -EINVAL, "core module: it exports no `%.*s`, which `%.*s` needs",
                         STR_ARG(realloc), STR_ARG(names->func));
    if (o->has_realloc)
        o->realloc = alias_func(z, part, allocator->name);
    if (o->has_callback)
        o->callback = alias_func(z, part, names->callback);
    if (o->has_post_return)
        o->post_return = alias_func(z, part, names->post_return);
    return 0;
}

static int lift(struct componentizer *z, const struct lift_source *from, uint32_t *index)
{
    struct lift_names names;
    struct canon_def def = {.kind = CANON_LIFT};
    int rc = find_lift(z, from, &names);
    if (rc == 0)
        rc = set_lift_options(z, from->part, &names, from->type, &def.options);
    if (rc < 0)
        return rc;
    def.type = wit_scope_func(from->scope, from->type);
    def.func = alias_func(z, from->part, names.func);
    *index = encode_canon(&z->e, &def);
    return 0;
}

// ---- the component that names an interface ------------------------------------------------------

struct naming {
    struct componentizer *z;
    struct exported *x;
    const struct wit_func **funcs;
    struct encoder inner;
    struct wit_scope in;       // types of the interface as they come in
    struct wit_scope *foreign; // of the interfaces that it uses types of, those used first
    size_t foreign_count;
    VEC(struct inline_export) args;
};

// The interfaces that one uses types of, however far away, those that are used first.
struct uses {
    VEC(const struct wit_interface *) order;
    VEC(struct {
        const struct wit_interface *interface;
        uint32_t type;
    })
    stack;
    struct map seen;
};

static void enter(struct uses *u, struct arena *arena, const struct wit_interface *interface)
{
    const void *address = interface;
    if (map_get(&u->seen, czr_key(&address)))
        return;
    (void)map_put(&u->seen, czr_address(arena, interface), u);
    vec_push(&u->stack)->interface = interface;
}

static void collect_uses(struct uses *u, struct arena *arena, const struct wit_interface *last)
{
    enter(u, arena, last);
    while (u->stack.len > 0) {
        const struct wit_interface *interface = u->stack.items[u->stack.len - 1].interface;
        uint32_t type = u->stack.items[u->stack.len - 1].type++;
        if (type == interface->type_count) {
            if (interface != last)
                *vec_push(&u->order) = interface;
            u->stack.len--;
            continue;
        }
        const struct wit_typedef *from = interface->types[type]->alias_of;
        if (from && from->interface && from->interface != interface)
            enter(u, arena, from->interface);
    }
    vec_done(&u->stack);
    map_done(&u->seen);
}

static void init_foreign(struct naming *n)
{
    struct uses u = {0};
    collect_uses(&u, n->z->arena, n->x->interface);
    n->foreign_count = u.order.len;
    n->foreign = arena_new_array(n->z->arena, struct wit_scope, u.order.len);
    for (size_t i = 0; i < u.order.len; i++) {
        struct wit_scope *s = &n->foreign[i];
        wit_scope_init(s, &n->inner, WIT_IMPORTED);
        s->interface = u.order.items[i];
        s->outer = i > 0 ? &n->foreign[i - 1] : NULL;
        s->name_prefix = arena_printf(n->z->arena, "import-type-of-i%zu-", i);
    }
    vec_done(&u.order);
}

static struct wit_scope *last_foreign(struct naming *n)
{
    return n->foreign_count > 0 ? &n->foreign[n->foreign_count - 1] : NULL;
}

static void add_arg(struct naming *n, struct str name, enum sort sort, uint32_t index)
{
    *vec_push(&n->args) = (struct inline_export){.name = name, .item = {sort, index}};
}

// The type that the instance is given: as an exported interface exports it, so that the two
// interfaces are seen to speak of the same type.
static uint32_t outer_type(struct naming *n, const struct wit_typedef *def)
{
    const struct exported *x = find_exported(n->z, def->interface);
    if (x && x != n->x && x->is_encoded)
        return encode_alias_export(&n->z->e, SORT_TYPE, x->instance, def->name);
    return wit_scope_typedef(&n->x->scope, def);
}

// What has been imported by a scope is given to the instance.
static void add_type_args(struct naming *n, const struct wit_scope *s)
{
    for (size_t i = 0; i < s->types.len; i++) {
        const struct wit_typedef *def;
        memcpy(&def, s->types.entries[i].key.data, sizeof(def));
        if (def->interface != s->interface)
            continue;
        struct str name =
            arena_printf(n->z->arena, "%.*s%.*s", STR_ARG(s->name_prefix), STR_ARG(def->name));
        add_arg(n, name, SORT_TYPE, outer_type(n, def));
    }
}

// Imports the functions with their types; `lifted` are those that are given.
static void import_all(struct naming *n, const uint32_t *lifted, uint32_t *imported)
{
    const struct wit_interface *interface = n->x->interface;
    wit_scope_init(&n->in, &n->inner, WIT_IMPORTED);
    n->in.interface = interface;
    n->in.outer = last_foreign(n);
    n->in.name_prefix = STR("import-type-");
    for (uint32_t i = 0; i < interface->type_count; i++)
        if (is_own_resource(interface->types[i]))
            (void)wit_scope_typedef(&n->in, interface->types[i]);
    for (uint32_t i = 0; i < interface->func_count; i++) {
        struct str name = arena_printf(n->z->arena, "import-func-f%u", i);
        imported[i] = encode_import_of(&n->inner, name, SORT_FUNC,
                                       wit_scope_func(&n->in, &n->funcs[i]->type));
        add_arg(n, name, SORT_FUNC, lifted[i]);
    }
}

static void export_all(struct naming *n, const uint32_t *imported)
{
    const struct wit_interface *interface = n->x->interface;
    struct wit_scope out;
    wit_scope_init(&out, &n->inner, WIT_EXPORTED);
    out.interface = interface;
    out.outer = last_foreign(n);
    for (uint32_t i = 0; i < interface->type_count; i++) {
        const struct wit_typedef *def = interface->types[i];
        if (is_own_resource(def))
            wit_scope_bind(
                &out, def,
                encode_export_of(&n->inner, def->name, SORT_TYPE, wit_scope_typedef(&n->in, def)));
        else
            (void)wit_scope_typedef(&out, def);
    }
    for (uint32_t i = 0; i < interface->func_count; i++) {
        struct export_def def = {.name.name = n->funcs[i]->symbol,
                                 .item = {SORT_FUNC, imported[i]},
                                 .has_type = true,
                                 .type = {.sort = SORT_FUNC}};
        def.type.index = wit_scope_func(&out, &n->funcs[i]->type);
        (void)encode_export(&n->inner, &def);
    }
    if (out.missing && !n->z->root.missing)
        n->z->root.missing = out.missing;
    wit_scope_done(&out);
}

// Instance of a component that names the lifted functions and their types.
static uint32_t encode_naming(struct componentizer *z, struct exported *x,
                              const struct wit_func **funcs, const uint32_t *lifted)
{
    struct naming n = {.z = z, .x = x, .funcs = funcs};
    uint32_t *imported = arena_new_array(z->arena, uint32_t, x->interface->func_count);
    encoder_init(&n.inner, SCOPE_COMPONENT);
    init_foreign(&n);
    import_all(&n, lifted, imported);
    export_all(&n, imported);
    for (size_t i = 0; i < n.foreign_count; i++)
        add_type_args(&n, &n.foreign[i]);
    add_type_args(&n, &n.in);
    struct instance_def def = {.target = encode_component(&z->e, &n.inner),
                               .items = n.args.items,
                               .item_count = (uint32_t)n.args.len};
    uint32_t instance = encode_instance(&z->e, &def);
    if (n.in.missing && !z->root.missing)
        z->root.missing = n.in.missing;
    for (size_t i = n.foreign_count; i-- > 0;)
        wit_scope_done(&n.foreign[i]);
    wit_scope_done(&n.in);
    vec_done(&n.args);
    return instance;
}

static int export_interface(struct componentizer *z, struct exported *x)
{
    const struct wit_func **funcs = wit_funcs_in_order(z->arena, x->interface);
    uint32_t *lifted = arena_new_array(z->arena, uint32_t, x->interface->func_count);
    for (uint32_t i = 0; i < x->interface->func_count; i++) {
        struct lift_source from = {.part = x->part,
                                   .interface = x->item->name,
                                   .func = funcs[i]->symbol,
                                   .type = &funcs[i]->type,
                                   .scope = &x->scope};
        int rc = lift(z, &from, &lifted[i]);
        if (rc < 0)
            return rc;
    }
    uint32_t instance = encode_naming(z, x, funcs, lifted);
    x->instance = encode_export_of(&z->e, x->item->name, SORT_INSTANCE, instance);
    x->is_encoded = true;
    return wit_scope_check(&x->scope, z->err);
}

static int export_func(struct componentizer *z, const struct part *part,
                       const struct wit_world_item *item)
{
    uint32_t lifted;
    struct lift_source from = {
        .part = part, .func = item->name, .type = &item->func->type, .scope = &z->root};
    int rc = lift(z, &from, &lifted);
    if (rc == 0)
        (void)encode_export_of(&z->e, item->name, SORT_FUNC, lifted);
    return rc;
}

int czr_encode_exports(struct componentizer *z)
{
    int rc = 0;
    for (uint32_t i = 0; i < z->part_count; i++) {
        const struct wit_world *world = z->parts[i].world;
        for (uint32_t k = 0; world && k < world->export_count && rc == 0; k++)
            if (world->exports[k].kind == WIT_ITEM_FUNC)
                rc = export_func(z, &z->parts[i], &world->exports[k]);
    }
    for (uint32_t i = 0; i < z->exported_count && rc == 0; i++)
        rc = export_interface(z, z->exported[i]);
    return rc == 0 ? wit_scope_check(&z->root, z->err) : rc;
}

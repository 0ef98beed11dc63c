// SPDX-License-Identifier: Apache-2.0
// WIT packages from their binary form, and the worlds that core modules embed.
#include "component/wit_binary.h"

#include <errno.h>

#include "component/wit_docs.h"
#include "component/world_builder.h"

// Layout of the custom section "wit-component-encoding": a version and the encoding of strings.
#define ENCODING_VERSION 4

// All that is decoded for one answer: the plan owns the arena of it.
struct wit_decoder {
    struct plan plan;
    struct world_builder b;
};

struct package_decoder {
    struct planner p;
    struct world_builder *b;
    struct built_package *main; // of the first interface or world
    struct built_world *world;  // the last one
    VEC(struct str) ids;        // of the interfaces that the package defines
};

static int run_scope(struct planner *p, const struct type_entity *type, struct env **out)
{
    int rc = plan_env_new(p, type->scope, type->env, out);
    return rc < 0 ? rc : plan_env_run(p, *out);
}

static int set_main(struct package_decoder *d, struct str id, struct str name)
{
    struct wit_package parts = {.version = STR_EMPTY};
    struct str item;
    if (!builder_split_id(id, &parts, &item) || !str_eq(item, name))
        return plan_fail(&d->p, -EINVAL, "`%.*s` is not the id of `%.*s`", STR_ARG(id),
                         STR_ARG(name));
    struct built_package *package = builder_package(d->b, &parts);
    if (d->main && d->main != package)
        return plan_fail(&d->p, -EINVAL, "`%.*s` is of another package than what stands before it",
                         STR_ARG(id));
    d->main = package;
    return 0;
}

static int decode_world(struct package_decoder *d, struct env *outer, struct str name,
                        const struct export_def *export)
{
    const struct type_entity *type;
    struct env *scope;
    int rc = set_main(d, export->name.name, name);
    if (rc == 0)
        rc = plan_type_at(&d->p, outer, export->type.index, TYPE_DEF_COMPONENT, &type);
    if (rc == 0)
        rc = run_scope(&d->p, type, &scope);
    if (rc < 0)
        return rc;
    d->world = builder_world(d->b, name, scope);
    d->world->pub.package = builder_public(d->main);
    builder_add_world(d->main, d->world);
    return 0;
}

// The component type around a world has a type and an export; `scope` is not run as a whole, as
// a component that is exported by a type is nothing that the planner knows.
static int decode_world_type(struct package_decoder *d, struct str name,
                             const struct type_entity *type)
{
    struct env *outer;
    int rc = plan_env_new(&d->p, type->scope, type->env, &outer);
    for (uint32_t i = 0; i < type->scope->def_count && rc == 0; i++) {
        const struct definition *def = &type->scope->defs[i];
        struct entity entity;
        d->p.def = def;
        if (def->kind == DEF_EXPORT && def->export->type.sort == SORT_COMPONENT)
            return decode_world(d, outer, name, def->export);
        if (def->kind != DEF_TYPE)
            return plan_fail(&d->p, -EINVAL, "this does not belong into the type of a world");
        rc = plan_type_def(&d->p, outer, def->type, &entity);
        if (rc == 0)
            rc = plan_env_push(&d->p, outer, entity);
    }
    return rc;
}

static int decode_interface_type(struct package_decoder *d, struct str name,
                                 const struct type_entity *type)
{
    struct env *scope;
    int rc = run_scope(&d->p, type, &scope);
    if (rc < 0)
        return rc;
    if (scope->exports.len != 1 || scope->exports.items[0].entity.sort != SORT_INSTANCE)
        return plan_fail(&d->p, -EINVAL, "the type of `%.*s` does not export one instance",
                         STR_ARG(name));
    struct str id = scope->exports.items[0].name;
    rc = set_main(d, id, name);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < scope->imports.len; i++)
        if (scope->imports.items[i].entity.sort == SORT_INSTANCE)
            (void)builder_interface(d->b, scope->imports.items[i].name,
                                    &scope->imports.items[i].entity.instance->exports);
    (void)builder_interface(d->b, id, &scope->exports.items[0].entity.instance->exports);
    *vec_push(&d->ids) = id;
    return 0;
}

static bool is_world(const struct component *scope)
{
    for (uint32_t i = 0; i < scope->def_count; i++)
        if (scope->defs[i].kind == DEF_EXPORT && scope->defs[i].export->type.sort == SORT_COMPONENT)
            return true;
    return false;
}

static int decode_exports(struct package_decoder *d, const struct component *component)
{
    struct env *root;
    int rc = planner_run(&d->p, component, &root);
    for (uint32_t i = 0; rc == 0 && i < root->exports.len; i++) {
        const struct export_entry *export = &root->exports.items[i];
        if (export->entity.sort != SORT_TYPE || export->entity.type->kind != TYPE_DEF_COMPONENT)
            return plan_fail(&d->p, -EINVAL, "`%.*s` is not the type of an interface or world",
                             STR_ARG(export->name));
        rc = is_world(export->entity.type->scope)
                 ? decode_world_type(d, export->name, export->entity.type)
                 : decode_interface_type(d, export->name, export->entity.type);
        d->p.def = NULL;
    }
    if (rc == 0 && !d->main)
        return plan_fail(&d->p, -EINVAL, "this is a component, not a WIT package");
    return rc;
}

// Adds a package in binary form.
static int decode_package(struct wit_decoder *w, struct str bytes, struct built_package **main,
                          struct built_world **world, struct error *err)
{
    struct component *component;
    int rc = component_decode_any(bytes, &component, err);
    if (rc < 0)
        return rc;
    struct package_decoder d = {.b = &w->b};
    planner_init(&d.p, &w->plan, err);
    d.p.types_only = true;
    rc = decode_exports(&d, component);
    if (rc == 0) {
        builder_order_interfaces(&w->b, d.main, d.ids.items, d.ids.len);
        *main = d.main;
        *world = d.world;
    }
    vec_done(&d.ids);
    planner_done(&d.p);
    component_free(component);
    return rc;
}

static void decoder_init(struct wit_decoder *w, struct arena *arena)
{
    w->plan = (struct plan){.arena = *arena};
    w->plan.resources = arena_new_array(&w->plan.arena, struct plan_resource, PLAN_RESOURCES_MAX);
    builder_init(&w->b, &w->plan.arena);
}

// Gives the arena back, with what was decoded when `main` is not NULL.
static void decoder_done(struct wit_decoder *w, struct built_package *main, struct arena *arena,
                         struct wit_binary *out)
{
    if (main) {
        builder_publish(&w->b);
        out->package = builder_public(main);
        out->others = builder_packages(&w->b, main, &out->other_count);
    }
    out->arena = arena;
    builder_done(&w->b);
    *arena = w->plan.arena;
}

// Calls `visit` with each custom section at the top of a module or component.
static int each_custom_section(struct reader *r,
                               int (*visit)(struct reader *r, struct str name, struct str content,
                                            void *data),
                               void *data)
{
    (void)reader_bytes(r, 8);
    while (!reader_at_end(r)) {
        uint8_t id = reader_u8(r);
        size_t end = reader_enter(r, "section");
        if (id != 0) {
            (void)reader_bytes(r, reader_left(r));
        } else {
            struct str name = reader_name(r);
            struct str content = reader_bytes(r, reader_left(r));
            if (!reader_failed(r) && visit(r, name, content, data) < 0 && r->rc == 0)
                r->rc = -EINVAL;
        }
        reader_leave(r, end, "section");
    }
    return r->rc;
}

static int visit_docs(struct reader *r, struct str name, struct str content, void *data)
{
    const struct wit_binary *out = data;
    if (!str_eq(name, STR(WIT_DOCS_SECTION)))
        return 0;
    return r->rc = wit_docs_apply(content, out->package, out->arena, r->err);
}

// Comments and gates.
static int decode_docs(struct str bytes, struct wit_binary *out, struct error *err)
{
    struct reader r;
    reader_init(&r, bytes, 0, "component", err);
    return each_custom_section(&r, visit_docs, out);
}

int wit_binary_decode(struct str bytes, struct arena *arena, struct wit_binary *out,
                      struct error *err)
{
    struct wit_decoder w;
    struct built_package *main = NULL;
    struct built_world *world;
    decoder_init(&w, arena);
    int rc = decode_package(&w, bytes, &main, &world, err);
    if (rc == 0)
        builder_unify(&w.b);
    decoder_done(&w, main, arena, out);
    return rc < 0 ? rc : decode_docs(bytes, out, err);
}

enum wit_binary_kind wit_binary_kind(struct str bytes)
{
    struct component *component;
    if (bytes.len < 8 || memcmp(bytes.data, "\0asm", 4) != 0)
        return WIT_BINARY_OTHER;
    if (bytes.data[6] == 0)
        return WIT_BINARY_MODULE;
    if (component_decode_any(bytes, &component, NULL) < 0)
        return WIT_BINARY_COMPONENT;
    bool is_package = component_check_not_wit(component, NULL) < 0;
    component_free(component);
    return is_package ? WIT_BINARY_PACKAGE : WIT_BINARY_COMPONENT;
}

// ---- core modules -------------------------------------------------------------------------------

static const struct str encoding_section = STR_INIT("wit-component-encoding");
static const struct str world_section = STR_INIT("component-type");

struct module_decoder {
    struct wit_decoder w;
    VEC(struct built_world *) worlds;
    bool has_strings;
    uint8_t strings;
};

static int visit_encoding(struct reader *r, struct str name, struct str content, void *data)
{
    struct module_decoder *m = data;
    if (!str_eq(name, encoding_section))
        return 0;
    uint8_t strings = content.len == 2 ? (uint8_t)content.data[1] : UINT8_MAX;
    if (strings > WIT_STRINGS_LATIN1_UTF16 || content.data[0] != ENCODING_VERSION)
        return reader_fail(r, "unknown version or encoding of strings in `%.*s`",
                           STR_ARG(encoding_section));
    if (m->has_strings && m->strings != strings)
        return reader_fail(r, "the embedded worlds name two encodings of strings");
    m->has_strings = true;
    m->strings = strings;
    return 0;
}

static int visit_world(struct reader *r, struct str name, struct str content, void *data)
{
    struct module_decoder *m = data;
    struct built_package *package;
    struct built_world *world;
    if (!str_starts(name, world_section))
        return 0;
    if (m->worlds.len == WIT_SECTIONS_MAX)
        return reader_fail(r, "more than %d sections `component-type`", WIT_SECTIONS_MAX);
    int rc = decode_package(&m->w, content, &package, &world, r->err);
    if (rc < 0)
        return error_wrap(r->err, "core module: section `%.*s`", STR_ARG(name)), r->rc = rc;
    if (!world)
        return reader_fail(r, "section `%.*s` has no world", STR_ARG(name));
    *vec_push(&m->worlds) = world;
    struct reader inner;
    reader_init(&inner, content, 0, "embedded world", r->err);
    return r->rc = each_custom_section(&inner, visit_encoding, m);
}

static bool is_of_class(const struct wit_world_item *item, int class)
{
    int own = item->kind == WIT_ITEM_INTERFACE ? 0 : item->kind == WIT_ITEM_TYPE ? 1 : 2;
    return own == class;
}

// The imports or exports of all worlds, each name once: interfaces, types, functions.
static struct wit_world_item *merge_items(struct module_decoder *m, bool is_import,
                                          uint32_t *count_out)
{
    size_t total = 0;
    for (size_t i = 0; i < m->worlds.len; i++)
        total +=
            is_import ? m->worlds.items[i]->pub.import_count : m->worlds.items[i]->pub.export_count;
    struct wit_world_item *out = arena_new_array(m->w.b.arena, struct wit_world_item, total);
    struct map seen = {0};
    uint32_t made = 0;
    // Exports keep their order.
    for (int class = 0; class < (is_import ? 3 : 1); class ++) {
        for (size_t i = 0; i < m->worlds.len; i++) {
            const struct built_world *world = m->worlds.items[i];
            uint32_t count = is_import ? world->pub.import_count : world->pub.export_count;
            const struct wit_world_item *items = is_import ? world->imports : world->exports;
            for (uint32_t k = 0; k < count; k++)
                if ((!is_import || is_of_class(&items[k], class)) &&
                    !map_put(&seen, items[k].name, out))
                    out[made++] = items[k];
        }
    }
    map_done(&seen);
    *count_out = made;
    return out;
}

static struct built_package *merge_worlds(struct module_decoder *m)
{
    struct world_builder *b = &m->w.b;
    struct built_package *root = builder_package(
        b, &(struct wit_package){.ns = STR("root"), .name = STR("root"), .version = STR_EMPTY});
    builder_unify(b);
    struct built_world *world = arena_new(b->arena, struct built_world);
    world->pub =
        (struct wit_world){.name = STR("root"), .docs = STR_EMPTY, .package = builder_public(root)};
    world->imports = merge_items(m, true, &world->pub.import_count);
    world->exports = merge_items(m, false, &world->pub.export_count);
    world->pub.imports = world->imports;
    world->pub.exports = world->exports;
    builder_add_world(root, world);
    return root;
}

int wit_module_decode(struct str bytes, struct arena *arena, struct wit_binary *out,
                      enum wit_module_strings *strings, struct error *err)
{
    struct module_decoder m = {0};
    struct built_package *root = NULL;
    struct reader r;
    decoder_init(&m.w, arena);
    reader_init(&r, bytes, 0, "core module", err);
    int rc = each_custom_section(&r, visit_world, &m);
    if (rc == 0 && m.worlds.len == 0)
        rc = error_set(err, -ENOENT,
                       "core module: it embeds no WIT (no custom section `component-type`)");
    if (rc == 0)
        root = merge_worlds(&m);
    if (rc == 0 && strings)
        *strings = (enum wit_module_strings)m.strings;
    decoder_done(&m.w, root, arena, out);
    vec_done(&m.worlds);
    return rc;
}

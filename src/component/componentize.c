// SPDX-License-Identifier: Apache-2.0
#include "component/componentize.h"

#include <errno.h>

#include "component/component.h"
#include "component/componentize_internal.h"
#include "component/validate.h"

const struct core_export *czr_find_export(const struct part *part, enum core_extern_kind kind,
                                          struct str name, struct str standard)
{
    const struct core_export *export = core_module_find_export(&part->core, name);
    if (!export || export->kind != kind)
        export = core_module_find_export(&part->core, standard);
    return export && export->kind == kind ? export : NULL;
}

// ---- parts --------------------------------------------------------------------------------------

static int read_world(struct componentizer *z, struct part *part)
{
    ERROR(err);
    int rc = wit_module_decode(part->core.bytes, z->arena, &part->wit, &part->strings, &err);
    if (rc == -ENOENT) // a module that only adapters serve needs none
        return 0;
    if (rc < 0)
        return error_move(z->err, &err);
    part->world = part->wit.package->world_count > 0 ? part->wit.package->worlds[0] : NULL;
    return 0;
}

static int read_part(struct componentizer *z, struct part *part, struct str bytes)
{
    int rc = core_module_decode(bytes, 0, z->arena, &part->core, z->err);
    if (rc == 0)
        rc = read_world(z, part);
    if (rc < 0 && part->is_adapter)
        return error_wrap(z->err, "adapter `%.*s`", STR_ARG(part->name));
    return rc;
}

static bool is_called(const struct part *main, struct str module)
{
    for (uint32_t i = 0; i < main->core.import_count; i++)
        if (str_eq(main->core.imports[i].module, module))
            return true;
    return false;
}

// Adapters that are not called and export nothing are left out.
static int read_parts(struct componentizer *z, struct str module,
                      const struct componentize_adapter *adapters, size_t count)
{
    z->parts = arena_new_array(z->arena, struct part, count + 1);
    z->part_count = 1;
    int rc = read_part(z, &z->parts[0], module);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct part *part = &z->parts[z->part_count];
        *part = (struct part){.name = adapters[i].name, .is_adapter = true};
        rc = read_part(z, part, adapters[i].bytes);
        if (rc == 0 &&
            (is_called(&z->parts[0], part->name) || (part->world && part->world->export_count > 0)))
            z->part_count++;
    }
    return rc;
}

// What is kept of an adapter: what main calls, what the canonical ABI calls, what its world
// exports.
static int trim_adapter(struct componentizer *z, struct part *part)
{
    const struct part *main = &z->parts[0];
    struct map keep = {0};
    for (uint32_t i = 0; i < main->core.import_count; i++)
        if (str_eq(main->core.imports[i].module, part->name))
            (void)map_put(&keep, main->core.imports[i].name, z);
    for (uint32_t i = 0; i < part->core.export_count; i++) {
        struct str name = part->core.exports[i].name;
        if (str_find_char(name, '#') >= 0 || str_is(name, "cabi_import_realloc") ||
            str_is(name, "cabi_export_realloc"))
            (void)map_put(&keep, name, z);
    }
    BUF(out, COMPONENTIZE_BYTES_MAX);
    bool has_realloc = core_module_find_export(&main->core, STR("cabi_realloc")) != NULL;
    int rc = czr_trim_adapter(&part->core, &keep, has_realloc, &out, z->err);
    map_done(&keep);
    if (rc == 0)
        rc = core_module_decode(arena_str(z->arena, buf_str(&out)), 0, z->arena, &part->core,
                                z->err);
    return rc < 0 ? error_wrap(z->err, "adapter `%.*s`", STR_ARG(part->name)) : 0;
}

// ---- core functions for imports -----------------------------------------------------------------

static uint32_t lowered_func(struct componentizer *z, const struct want *want)
{
    if (!want->interface)
        return (uint32_t)(uintptr_t)map_get(&z->root_funcs, want->item) - 1;
    return encode_alias_export(&z->e, SORT_FUNC, czr_group(z, want->interface)->instance,
                               want->func->symbol);
}

static uint32_t encode_canon_want(struct componentizer *z, const struct part *part,
                                  const struct want *want)
{
    struct canon_def def = want->canon;
    struct wit_scope *scope = czr_scope(z, want->interface, want->is_exported);
    def.options.memory = z->memory;
    def.options.realloc = part->realloc;
    if (def.kind == CANON_LOWER)
        def.func = lowered_func(z, want);
    if (want->resource)
        def.type = wit_scope_typedef(scope, want->resource);
    if (want->payload)
        def.type = wit_scope_type(scope, want->payload).index;
    if (def.kind == CANON_TASK_RETURN && want->func->type.result) {
        def.has_result = true;
        def.result = wit_scope_type(scope, want->func->type.result);
    }
    return encode_canon(&z->e, &def);
}

// What the import is in the end, whether or not it goes through the shim.
static uint32_t encode_want(struct componentizer *z, const struct part *part,
                            const struct want *want)
{
    switch (want->kind) {
    case WANT_CANON:
        return encode_canon_want(z, part, want);
    case WANT_ADAPTER:
        return encode_alias_core_export(&z->e, SORT_CORE_FUNC, want->adapter->instance,
                                        want->import->name);
    case WANT_MAIN:
        return encode_alias_core_export(&z->e, SORT_CORE_FUNC, z->parts[0].instance,
                                        want->import->name);
    }
    return 0;
}

// ---- core instances -----------------------------------------------------------------------------

struct bundle {
    VEC(struct inline_export) items;
};

static struct sort_index encode_import_item(struct componentizer *z, const struct part *part,
                                            const struct want *want)
{
    if (want->import->kind == CORE_MEMORY)
        return (struct sort_index){SORT_CORE_MEMORY, z->memory};
    if (want->slot == WANT_NO_SLOT)
        return (struct sort_index){SORT_CORE_FUNC, encode_want(z, part, want)};
    return (struct sort_index){SORT_CORE_FUNC,
                               encode_alias_core_export(&z->e, SORT_CORE_FUNC, z->shim_instance,
                                                        czr_number(z->arena, want->slot))};
}

// An import that comes twice is given once.
static void collect_bundles(struct componentizer *z, const struct part *part, struct map *bundles)
{
    struct map seen = {0};
    for (uint32_t i = 0; i < part->core.import_count; i++) {
        const struct want *want = &part->wants[i];
        struct str key = arena_printf(z->arena, "%zu:%.*s%.*s", want->import->module.len,
                                      STR_ARG(want->import->module), STR_ARG(want->import->name));
        if (map_put(&seen, key, z))
            continue;
        struct bundle *bundle = map_get(bundles, want->import->module);
        if (!bundle) {
            bundle = arena_new(z->arena, struct bundle);
            (void)map_put(bundles, want->import->module, bundle);
        }
        *vec_push(&bundle->items) = (struct inline_export){
            .name = want->import->name, .item = encode_import_item(z, part, want)};
    }
    map_done(&seen);
}

static void instantiate(struct componentizer *z, struct part *part)
{
    struct map bundles = {0};
    VEC(struct inline_export) args = {0};
    collect_bundles(z, part, &bundles);
    for (size_t i = 0; i < bundles.len; i++) {
        struct bundle *bundle = bundles.entries[i].value;
        struct instance_def def = {.is_bundle = true,
                                   .items = bundle->items.items,
                                   .item_count = (uint32_t)bundle->items.len};
        *vec_push(&args) =
            (struct inline_export){.name = bundles.entries[i].key,
                                   .item = {SORT_CORE_INSTANCE, encode_core_instance(&z->e, &def)}};
        vec_done(&bundle->items);
    }
    struct instance_def def = {
        .target = part->module, .items = args.items, .item_count = (uint32_t)args.len};
    part->instance = encode_core_instance(&z->e, &def);
    map_done(&bundles);
    vec_done(&args);
}

// Instantiates a module with a bundle of items as its import module "".
static uint32_t instantiate_with(struct componentizer *z, uint32_t module,
                                 const struct inline_export *items, uint32_t count)
{
    struct instance_def bundle = {.is_bundle = true, .items = items, .item_count = count};
    struct inline_export arg = {.name = STR_EMPTY,
                                .item = {SORT_CORE_INSTANCE, encode_core_instance(&z->e, &bundle)}};
    struct instance_def def = {.target = module, .items = &arg, .item_count = 1};
    return encode_core_instance(&z->e, &def);
}

static bool find_alloc(const struct part *part, struct str *name)
{
    *name = part->is_adapter ? STR("cabi_import_realloc") : STR("cabi_realloc");
    const struct core_export *export =
        czr_find_export(part, CORE_FUNC, *name, STR(CZR_STANDARD "_realloc"));
    if (export)
        *name = export->name;
    return export != NULL;
}

static void alias_allocators(struct componentizer *z)
{
    for (uint32_t i = 0; i < z->part_count; i++) {
        struct part *part = &z->parts[i];
        struct str name;
        part->has_realloc = find_alloc(part, &name);
        if (part->has_realloc)
            part->realloc = encode_alias_core_export(&z->e, SORT_CORE_FUNC, part->instance, name);
    }
}

static uint32_t encode_filler(struct componentizer *z, const struct slot *slot)
{
    if (slot->want)
        return encode_want(z, slot->part, slot->want);
    return encode_alias_core_export(&z->e, SORT_CORE_FUNC, slot->part->instance, slot->export);
}

static void fill_slots(struct componentizer *z, uint32_t fixup)
{
    VEC(struct inline_export) items = {0};
    uint32_t table =
        encode_alias_core_export(&z->e, SORT_CORE_TABLE, z->shim_instance, STR("$imports"));
    *vec_push(&items) =
        (struct inline_export){.name = STR("$imports"), .item = {SORT_CORE_TABLE, table}};
    for (uint32_t i = 0; i < z->slots.len; i++) {
        uint32_t func = encode_filler(z, &z->slots.items[i]);
        *vec_push(&items) =
            (struct inline_export){.name = czr_number(z->arena, i), .item = {SORT_CORE_FUNC, func}};
    }
    (void)instantiate_with(z, fixup, items.items, (uint32_t)items.len);
    vec_done(&items);
}

// Reactors are initialised when everything else is there.
static void call_initialize(struct componentizer *z)
{
    const struct part *main = &z->parts[0];
    const struct core_export *export =
        czr_find_export(main, CORE_FUNC, STR("_initialize"), STR(CZR_STANDARD "_initialize"));
    if (!export || export->func->params.len > 0 || export->func->results.len > 0)
        return;
    struct writer w;
    writer_init(&w, COMPONENTIZE_BYTES_MAX);
    czr_write_start(&w);
    uint32_t module = encode_core_module(&z->e, buf_str(&w.bytes));
    writer_done(&w);
    struct inline_export item = {.name = STR_EMPTY, .item = {.sort = SORT_CORE_FUNC}};
    item.item.index = encode_alias_core_export(&z->e, SORT_CORE_FUNC, main->instance, export->name);
    (void)instantiate_with(z, module, &item, 1);
}

// ---- modules ------------------------------------------------------------------------------------

// The module without what it says of its world.
static void encode_module(struct componentizer *z, struct part *part)
{
    struct writer w;
    writer_init(&w, COMPONENTIZE_BYTES_MAX);
    struct reader r;
    reader_init(&r, part->core.bytes, 0, "core module", NULL);
    writer_bytes(&w, reader_bytes(&r, 8));
    while (!reader_at_end(&r)) {
        size_t at = r.pos;
        uint8_t id = reader_u8(&r);
        struct reader content;
        reader_init(&content, reader_bytes(&r, reader_u32(&r)), 0, "section", NULL);
        if (id != CORE_SECTION_CUSTOM || !str_starts(reader_name(&content), STR("component-type")))
            writer_bytes(&w, str_sub(part->core.bytes, at, r.pos - at));
    }
    part->module = encode_core_module(&z->e, buf_str(&w.bytes));
    z->e.out.full |= w.full;
    writer_done(&w);
}

static uint32_t encode_written(struct componentizer *z,
                               void (*write)(const struct componentizer *z, struct writer *out))
{
    struct writer w;
    writer_init(&w, COMPONENTIZE_BYTES_MAX);
    write(z, &w);
    uint32_t module = encode_core_module(&z->e, buf_str(&w.bytes));
    writer_done(&w);
    return module;
}

static void alias_memory(struct componentizer *z)
{
    if (z->has_memory)
        z->memory =
            encode_alias_core_export(&z->e, SORT_CORE_MEMORY, z->parts[0].instance, z->memory_name);
}

static void encode_core(struct componentizer *z)
{
    bool has_shim = z->slots.len > 0;
    for (uint32_t i = 0; i < z->part_count; i++)
        encode_module(z, &z->parts[i]);
    uint32_t fixup = 0;
    if (has_shim) {
        struct instance_def def = {.target = encode_written(z, czr_write_shim)};
        fixup = encode_written(z, czr_write_fixup);
        z->shim_instance = encode_core_instance(&z->e, &def);
    }
    czr_encode_resources(z);
    for (uint32_t i = 0; i < z->part_count; i++) {
        instantiate(z, &z->parts[i]);
        if (i == 0)
            alias_memory(z);
    }
    if (has_shim) {
        alias_allocators(z);
        fill_slots(z, fixup);
    }
    call_initialize(z);
}

// ---- the whole ----------------------------------------------------------------------------------

// What a want needs of the module that has it.
static int check_wants(const struct componentizer *z)
{
    struct str name;
    for (size_t i = 0; i < z->slots.len; i++) {
        const struct slot *slot = &z->slots.items[i];
        if (!slot->want)
            continue;
        const struct core_import *import = slot->want->import;
        if (slot->want->canon.options.has_realloc && !find_alloc(slot->part, &name))
            return error_set(z->err, -EINVAL,
                             "core module: it exports no `%.*s`, which import `%.*s` of `%.*s` "
                             "needs",
                             STR_ARG(name), STR_ARG(import->name), STR_ARG(import->module));
        if (slot->want->kind == WANT_CANON && !z->has_memory)
            return error_set(z->err, -EINVAL,
                             "core module: it exports no memory, which import `%.*s` of `%.*s` "
                             "needs",
                             STR_ARG(import->name), STR_ARG(import->module));
    }
    for (uint32_t i = 1; i < z->part_count; i++)
        if (!z->has_memory && z->parts[i].core.import_count > 0)
            return error_set(z->err, -EINVAL,
                             "core module: it exports no memory, which adapter `%.*s` needs",
                             STR_ARG(z->parts[i].name));
    return 0;
}

static int plan(struct componentizer *z, struct str module,
                const struct componentize_adapter *adapters, size_t count)
{
    int rc = read_parts(z, module, adapters, count);
    for (uint32_t i = 1; i < z->part_count && rc == 0; i++)
        rc = trim_adapter(z, &z->parts[i]);
    if (rc < 0)
        return rc;
    const struct core_export *memory =
        czr_find_export(&z->parts[0], CORE_MEMORY, STR("memory"), STR(CZR_STANDARD "_memory"));
    z->has_memory = memory != NULL;
    if (memory)
        z->memory_name = memory->name;
    for (uint32_t i = 0; i < z->part_count && rc == 0; i++)
        rc = czr_match_imports(z, &z->parts[i]);
    if (rc == 0)
        rc = check_wants(z);
    if (rc < 0)
        return rc;
    czr_group_imports(z);
    czr_plan_exports(z);
    czr_mark_live(z);
    return 0;
}

static int encode(struct componentizer *z, struct buf *out)
{
    int rc = czr_encode_imports(z);
    if (rc < 0)
        return rc;
    encode_core(z);
    rc = czr_encode_exports(z);
    if (rc == 0)
        rc = encoder_finish(&z->e, out, z->err);
    return rc;
}

static void done(struct componentizer *z)
{
    for (uint32_t i = 0; i < z->exported_count; i++)
        if (z->exported[i]->scope.e)
            wit_scope_done(&z->exported[i]->scope);
    for (size_t i = 0; i < z->groups.len; i++) {
        vec_done(&z->groups.items[i]->members);
        map_done(&z->groups.items[i]->live);
    }
    vec_done(&z->groups);
    vec_done(&z->slots);
    map_done(&z->group_of);
    map_done(&z->exported_of);
    map_done(&z->root_funcs);
    wit_scope_done(&z->root);
    encoder_done(&z->e);
}

// Core types that do not fit the world, names that may not be: all that is the validator's to find.
static int check(struct str bytes, struct error *err)
{
    struct component *component;
    int rc = component_decode(bytes, &component, err);
    if (rc == 0) {
        rc = component_validate(component, NULL, err);
        component_free(component);
    }
    return rc < 0 ? error_wrap(err, "the component that was made of it is not valid") : 0;
}

int componentize(struct str module, const struct componentize_adapter *adapters,
                 size_t adapter_count, struct buf *out, struct error *err)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct componentizer z = {.arena = &arena, .err = err};
    if (adapter_count > COMPONENTIZE_ADAPTERS_MAX)
        return error_set(err, -E2BIG, "more than %d adapters", COMPONENTIZE_ADAPTERS_MAX);
    encoder_init(&z.e, SCOPE_COMPONENT);
    wit_scope_init(&z.root, &z.e, WIT_IMPORTED);
    BUF(made, COMPONENTIZE_BYTES_MAX);
    int rc = plan(&z, module, adapters, adapter_count);
    if (rc == 0)
        rc = encode(&z, &made);
    done(&z);
    arena_done(&arena);
    if (rc == 0)
        rc = check(buf_str(&made), err);
    if (rc == 0 && buf_add_str(out, buf_str(&made)) < 0)
        rc = error_set(err, -EFBIG, "the component has more than %zu bytes", out->max);
    return rc;
}

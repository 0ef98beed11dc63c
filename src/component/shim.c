// SPDX-License-Identifier: Apache-2.0
// Shim and fixup modules. A linker of components breaks the cycle "main needs functions that need
// main's memory" with a module of functions that each call through a table ("shim"), and a second
// module whose only segment fills that table once everything exists ("fixup"). Where both are just
// that, byte for byte, a call through the shim is a call of what fills the slot, so neither is
// instantiated. A start function of the fixup, or of a module that has nothing else, is called in
// place.
#include <errno.h>

#include "component/core_type.h"
#include "component/planner.h"

enum {
    OP_END = 0x0b,
    OP_CALL_INDIRECT = 0x11,
    OP_LOCAL_GET = 0x20,
    OP_I32_CONST = 0x41,
    TYPE_FUNCREF = 0x70,
};

struct shim {
    const struct core_module *module;
    uint32_t *slots; // by function: slot of the table
    uint32_t slot_count;
    const struct core_item **fill; // by slot; NULL until a fixup was found
    size_t fixup;                  // step
};

static bool has_references(const struct core_func_type *type)
{
    return memchr(type->params.data, 'r', type->params.len) ||
           memchr(type->results.data, 'r', type->results.len);
}

static void section_reader(struct reader *r, const struct core_module *module,
                           enum core_section section)
{
    reader_init(r, module->sections[section], 0, "core module", NULL);
}

// ---- shim ---------------------------------------------------------------------------------------

// local.get 0 ... local.get n-1; i32.const slot; call_indirect type 0; end
static bool read_shim_body(struct reader *r, const struct core_module *module,
                           const struct core_func_type *type, uint32_t *slot)
{
    size_t end = reader_enter(r, "body");
    bool same = reader_u8(r) == 0; // no locals
    for (uint32_t i = 0; i < type->params.len && same && !reader_failed(r); i++)
        same = reader_u8(r) == OP_LOCAL_GET && reader_u32(r) == i;
    same = same && reader_u8(r) == OP_I32_CONST;
    int64_t index = reader_signed(r, 32);
    same = same && reader_u8(r) == OP_CALL_INDIRECT;
    uint32_t callee = reader_u32(r);
    same = same && reader_u32(r) == 0 && reader_u8(r) == OP_END;
    if (!same || reader_failed(r) || index < 0 || callee >= module->type_count)
        return false;
    reader_leave(r, end, "body");
    *slot = (uint32_t)index;
    const struct core_func_type *called = &module->types[callee];
    return !reader_failed(r) && called->params.data && core_func_type_equal(called, type) &&
           !has_references(type);
}

static bool read_shim_table(const struct core_module *module, uint32_t *size)
{
    struct reader r;
    section_reader(&r, module, CORE_SECTION_TABLE);
    bool same = reader_u32(&r) == 1 && reader_u8(&r) == TYPE_FUNCREF;
    struct core_limits limits = core_read_limits(&r);
    *size = (uint32_t)MIN(limits.min, UINT32_MAX);
    return same && !reader_failed(&r) && reader_left(&r) == 0 && limits.min <= UINT32_MAX;
}

static bool is_shim_outline(const struct core_module *module)
{
    return module->import_count == 0 && module->counts[CORE_TABLE] == 1 &&
           module->counts[CORE_MEMORY] == 0 && module->counts[CORE_GLOBAL] == 0 &&
           module->counts[CORE_TAG] == 0 && !module->has_start &&
           module->sections[CORE_SECTION_ELEMENT].len == 0 &&
           module->sections[CORE_SECTION_DATA].len == 0 && module->func_count > 0;
}

static struct shim *recognise_shim(struct planner *p, const struct core_module *module)
{
    uint32_t table_size;
    if (!is_shim_outline(module) || !read_shim_table(module, &table_size))
        return NULL;
    struct shim *shim = plan_scratch(p, struct shim);
    *shim = (struct shim){.module = module, .slot_count = table_size};
    shim->slots = plan_scratch_array(p, uint32_t, module->func_count);
    struct reader r;
    section_reader(&r, module, CORE_SECTION_CODE);
    (void)reader_u32(&r);
    for (uint32_t i = 0; i < module->func_count; i++) {
        if (!read_shim_body(&r, module, module->funcs[i], &shim->slots[i]) ||
            shim->slots[i] >= table_size)
            return NULL;
    }
    return shim;
}

// ---- fixup --------------------------------------------------------------------------------------

// Nothing but imported functions, at most one imported table with at most one segment, and a start.
static bool is_fixup_outline(const struct core_module *module)
{
    return module->func_count == module->imported_func_count && module->counts[CORE_TABLE] <= 1 &&
           module->counts[CORE_MEMORY] == 0 && module->counts[CORE_GLOBAL] == 0 &&
           module->counts[CORE_TAG] == 0 && module->export_count == 0 &&
           module->sections[CORE_SECTION_TABLE].len == 0 &&
           module->sections[CORE_SECTION_DATA].len == 0;
}

// The import that is the table, or PLAN_NONE; *funcs maps function index to import.
static uint32_t index_imports(struct planner *p, const struct core_module *module,
                              uint32_t **funcs_out)
{
    uint32_t table = PLAN_NONE;
    uint32_t *funcs = plan_scratch_array(p, uint32_t, module->func_count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < module->import_count; i++) {
        if (module->imports[i].kind == CORE_TABLE)
            table = i;
        else
            funcs[count++] = i;
    }
    *funcs_out = funcs;
    return table;
}

// One active segment from slot 0 on: offset `i32.const 0`, then function indices.
static bool fill_slots(struct planner *p, struct shim *shim, const struct work_step *step,
                       const uint32_t *funcs)
{
    struct reader r;
    section_reader(&r, step->module, CORE_SECTION_ELEMENT);
    bool same = reader_u32(&r) == 1 && reader_u32(&r) == 0 && reader_u8(&r) == OP_I32_CONST &&
                reader_signed(&r, 32) == 0 && reader_u8(&r) == OP_END;
    uint32_t count = reader_count(&r, 1, "functions");
    if (!same || reader_failed(&r) || count > shim->slot_count)
        return false;
    const struct core_item **fill = plan_scratch_array(p, const struct core_item *, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t func = reader_u32(&r);
        if (reader_failed(&r) || func >= step->module->func_count)
            return false;
        fill[i] = step->args[funcs[func]];
    }
    if (reader_left(&r) != 0)
        return false;
    // Every function of the shim must find one of its own type, as call_indirect would.
    for (uint32_t i = 0; i < shim->module->func_count; i++)
        if (shim->slots[i] >= count ||
            !core_func_type_equal(fill[shim->slots[i]]->func, shim->module->funcs[i]))
            return false;
    shim->fill = fill;
    return true;
}

static bool recognise_fixup(struct planner *p, size_t step_index)
{
    struct work_step *step = &p->steps.items[step_index];
    const struct core_module *module = step->module;
    if (!is_fixup_outline(module))
        return false;
    uint32_t *funcs;
    uint32_t table = index_imports(p, module, &funcs);
    const struct core_item *start = module->has_start ? step->args[funcs[module->start]] : NULL;
    if (start && (start->ref.kind != CORE_REF_EXPORT || p->shims[start->ref.index] ||
                  start->func->params.len > 0 || start->func->results.len > 0))
        return false;
    if (table != PLAN_NONE) {
        struct shim *shim = p->shims[step->args[table]->ref.index];
        if (!shim || shim->fill || !fill_slots(p, shim, step, funcs))
            return false;
        shim->fixup = step_index;
    } else if (!start || module->sections[CORE_SECTION_ELEMENT].len > 0) {
        return false;
    }
    step->func = start;
    return true;
}

// ---- pairs --------------------------------------------------------------------------------------

// A shim stays one only while nobody but its fixup has its table.
static void keep_shared_tables(struct planner *p)
{
    for (size_t i = 0; i < p->steps.len; i++) {
        const struct work_step *step = &p->steps.items[i];
        for (uint32_t j = 0; j < step->module->import_count; j++) {
            const struct core_ref *ref = &step->args[j]->ref;
            if (ref->kind != CORE_REF_EXPORT || ref->type != CORE_TABLE)
                continue;
            struct shim *shim = p->shims[ref->index];
            if (shim && (!shim->fill || shim->fixup != i))
                p->shims[ref->index] = NULL;
        }
    }
}

static void replace_fixup(struct work_step *step)
{
    if (step->func)
        step->kind = STEP_CALL;
    else
        step->is_dropped = true;
}

int plan_drop_shims(struct planner *p)
{
    p->shims = plan_scratch_array(p, struct shim *, p->core_instance_count);
    bool *fixups = plan_scratch_array(p, bool, p->steps.len);
    for (size_t i = 0; i < p->steps.len; i++) {
        struct work_step *step = &p->steps.items[i];
        p->shims[step->instance] = recognise_shim(p, step->module);
    }
    for (size_t i = 0; i < p->steps.len; i++)
        fixups[i] = recognise_fixup(p, i);
    keep_shared_tables(p);
    for (size_t i = 0; i < p->steps.len; i++) {
        struct shim *shim = p->shims[p->steps.items[i].instance];
        if (shim && !shim->fill)
            p->shims[p->steps.items[i].instance] = NULL;
    }
    for (size_t i = 0; i < p->steps.len; i++) {
        struct work_step *step = &p->steps.items[i];
        if (p->shims[step->instance])
            step->is_dropped = true;
        if (!fixups[i])
            continue;
        // A fixup whose shim has to stay stays too.
        bool is_needed = false;
        for (uint32_t j = 0; j < step->module->import_count; j++)
            is_needed |=
                step->args[j]->ref.type == CORE_TABLE && !p->shims[step->args[j]->ref.index];
        if (!is_needed)
            replace_fixup(step);
    }
    return 0;
}

int plan_resolve_shim(struct planner *p, const struct core_item *item, const struct core_item **out,
                      bool *through_shim)
{
    *through_shim = false;
    for (uint32_t hops = 0; item->ref.kind == CORE_REF_EXPORT && p->shims[item->ref.index];
         hops++) {
        const struct shim *shim = p->shims[item->ref.index];
        if (hops > p->core_instance_count || item->ref.type != CORE_FUNC)
            return plan_fail(p, -EINVAL, "function of a shim module calls only itself");
        const struct core_export *export = core_module_find_export(shim->module, item->ref.name);
        item = shim->fill[shim->slots[export->index]];
        *through_shim = true;
    }
    *out = item;
    return 0;
}

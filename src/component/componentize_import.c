// SPDX-License-Identifier: Apache-2.0
// What each imported core function is to be, by its names (BuildTargets.md; the names of the
// asynchronous built-ins are those that bindings generators write).
#include <errno.h>

#include "component/componentize_internal.h"
#include "component/plan.h"

// Parameters that an asynchronous lower passes as values (CanonicalABI.md "Flattening").
#define ASYNC_FLAT_MAX 4
// Types looked at to find the stream or future of a name.
#define PAYLOAD_STEPS_MAX 100000u

struct str czr_address(struct arena *arena, const void *address)
{
    return arena_str(arena, str_of((const char *)&address, sizeof(address)));
}

// ---- needs of the canonical ABI -----------------------------------------------------------------

static bool has_strings(const struct type *type, unsigned *steps)
{
    if (!type || !type->layout.has_pointers || ++*steps > PAYLOAD_STEPS_MAX)
        return type && *steps > PAYLOAD_STEPS_MAX;
    if (type->kind == TYPE_STRING)
        return true;
    if (has_strings(type->element, steps) || has_strings(type->error, steps))
        return true;
    for (uint32_t i = 0; i < type->field_count; i++)
        if (has_strings(type->fields[i].type, steps))
            return true;
    return false;
}

static void add_params(const struct func_type *type, uint32_t *flat, bool *pointers, bool *strings)
{
    unsigned steps = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type *param = type->params[i].type;
        *flat += param->layout.flat_count;
        *pointers |= param->layout.has_pointers;
        *strings |= has_strings(param, &steps);
    }
}

struct abi_needs czr_lower_needs(const struct func_type *type, bool is_async)
{
    struct abi_needs needs = {0};
    uint32_t flat = 0;
    unsigned steps = 0;
    add_params(type, &flat, &needs.memory, &needs.strings);
    needs.memory |= flat > (is_async ? ASYNC_FLAT_MAX : TYPE_FLAT_MAX);
    if (!type->result)
        return needs;
    needs.memory |= is_async || type->result->layout.flat_count > 1;
    needs.realloc = type->result->layout.has_pointers;
    needs.memory |= needs.realloc;
    needs.strings |= has_strings(type->result, &steps);
    return needs;
}

struct abi_needs czr_lift_needs(const struct func_type *type, bool is_async)
{
    struct abi_needs needs = {0};
    uint32_t flat = 0;
    unsigned steps = 0;
    add_params(type, &flat, &needs.realloc, &needs.strings);
    needs.realloc |= flat > TYPE_FLAT_MAX;
    needs.memory = needs.realloc;
    if (!type->result)
        return needs;
    // An asynchronous one has its result from `task.return`, whose options must be the same.
    needs.memory |= type->result->layout.has_pointers ||
                    type->result->layout.flat_count > (is_async ? TYPE_FLAT_MAX : 1);
    needs.strings |= has_strings(type->result, &steps);
    return needs;
}

static struct abi_needs payload_needs(const struct type *payload, bool is_read)
{
    struct abi_needs needs = {0};
    unsigned steps = 0;
    if (!payload->element)
        return needs;
    needs.memory = true;
    needs.realloc = is_read && payload->element->layout.has_pointers;
    needs.strings = has_strings(payload->element, &steps);
    return needs;
}

static struct abi_needs return_needs(const struct func_type *type)
{
    struct abi_needs needs = czr_lift_needs(type, true);
    needs.realloc = false;
    return needs;
}

// ---- streams and futures by number --------------------------------------------------------------

struct payload_search {
    uint32_t left;
    unsigned steps;
    const struct type *found;
};

// Inner ones count before those around them.
static void search_type(struct payload_search *s, const struct type *type)
{
    if (!type || s->found || ++s->steps > PAYLOAD_STEPS_MAX || type->kind == TYPE_OWN ||
        type->kind == TYPE_BORROW)
        return;
    search_type(s, type->element);
    search_type(s, type->error);
    for (uint32_t i = 0; i < type->field_count; i++)
        search_type(s, type->fields[i].type);
    if ((type->kind == TYPE_STREAM || type->kind == TYPE_FUTURE) && !s->found && s->left-- == 0)
        s->found = type;
}

static const struct type *find_payload(const struct func_type *func, uint32_t number)
{
    struct payload_search s = {.left = number};
    for (uint32_t i = 0; i < func->param_count; i++)
        search_type(&s, func->params[i].type);
    search_type(&s, func->result);
    return s.found;
}

// ---- names --------------------------------------------------------------------------------------

// What follows a name's prefix in brackets.
enum name_form {
    NAME_ALONE,
    NAME_NUMBER,   // "[context-get-" N "]"
    NAME_RESOURCE, // "[resource-drop]" resource
    NAME_FUNC,     // "[task-return]" function
    NAME_PAYLOAD,  // "[stream-new-" N "]" function
};

struct builtin {
    const char *name; // behind "["; up to "-" for numbers
    enum name_form form;
    enum canon_kind kind;
    bool takes_memory;
};

static const struct builtin builtins[] = {
    {"resource-drop", NAME_RESOURCE, CANON_RESOURCE_DROP, false},
    {"resource-new", NAME_RESOURCE, CANON_RESOURCE_NEW, false},
    {"resource-rep", NAME_RESOURCE, CANON_RESOURCE_REP, false},
    {"task-return", NAME_FUNC, CANON_TASK_RETURN, false},
    {"task-cancel", NAME_ALONE, CANON_TASK_CANCEL, false},
    {"subtask-cancel", NAME_ALONE, CANON_SUBTASK_CANCEL, false},
    {"subtask-drop", NAME_ALONE, CANON_SUBTASK_DROP, false},
    {"context-get", NAME_NUMBER, CANON_CONTEXT_GET, false},
    {"context-set", NAME_NUMBER, CANON_CONTEXT_SET, false},
    {"backpressure-inc", NAME_ALONE, CANON_BACKPRESSURE_INC, false},
    {"backpressure-dec", NAME_ALONE, CANON_BACKPRESSURE_DEC, false},
    {"waitable-set-new", NAME_ALONE, CANON_WAITABLE_SET_NEW, false},
    {"waitable-set-wait", NAME_ALONE, CANON_WAITABLE_SET_WAIT, true},
    {"waitable-set-poll", NAME_ALONE, CANON_WAITABLE_SET_POLL, true},
    {"waitable-set-drop", NAME_ALONE, CANON_WAITABLE_SET_DROP, false},
    {"waitable-join", NAME_ALONE, CANON_WAITABLE_JOIN, false},
    {"thread-yield", NAME_ALONE, CANON_THREAD_YIELD, false},
    {"thread-index", NAME_ALONE, CANON_THREAD_INDEX, false},
    {"thread-suspend", NAME_ALONE, CANON_THREAD_SUSPEND, false},
    {"thread-resume-later", NAME_ALONE, CANON_THREAD_RESUME_LATER, false},
    {"error-context-new-utf8", NAME_ALONE, CANON_ERROR_CONTEXT_NEW, true},
    {"error-context-debug-message-utf8", NAME_ALONE, CANON_ERROR_CONTEXT_DEBUG_MESSAGE, true},
    {"error-context-drop", NAME_ALONE, CANON_ERROR_CONTEXT_DROP, false},
    {"stream-new", NAME_PAYLOAD, CANON_STREAM_NEW, false},
    {"stream-read", NAME_PAYLOAD, CANON_STREAM_READ, false},
    {"stream-write", NAME_PAYLOAD, CANON_STREAM_WRITE, false},
    {"stream-cancel-read", NAME_PAYLOAD, CANON_STREAM_CANCEL_READ, false},
    {"stream-cancel-write", NAME_PAYLOAD, CANON_STREAM_CANCEL_WRITE, false},
    {"stream-drop-readable", NAME_PAYLOAD, CANON_STREAM_DROP_READABLE, false},
    {"stream-drop-writable", NAME_PAYLOAD, CANON_STREAM_DROP_WRITABLE, false},
    {"future-new", NAME_PAYLOAD, CANON_FUTURE_NEW, false},
    {"future-read", NAME_PAYLOAD, CANON_FUTURE_READ, false},
    {"future-write", NAME_PAYLOAD, CANON_FUTURE_WRITE, false},
    {"future-cancel-read", NAME_PAYLOAD, CANON_FUTURE_CANCEL_READ, false},
    {"future-cancel-write", NAME_PAYLOAD, CANON_FUTURE_CANCEL_WRITE, false},
    {"future-drop-readable", NAME_PAYLOAD, CANON_FUTURE_DROP_READABLE, false},
    {"future-drop-writable", NAME_PAYLOAD, CANON_FUTURE_DROP_WRITABLE, false},
};

// A name taken apart.
struct parsed_name {
    bool is_async;       // "[async-lower]"
    bool is_cancellable; // "[cancellable]"
    const struct builtin *builtin;
    struct str number; // behind the builtin's name
    struct str rest;   // behind the brackets
};

static bool strip(struct str *s, const char *prefix)
{
    if (!str_starts(*s, str_from(prefix)))
        return false;
    *s = str_from_index(*s, strlen(prefix));
    return true;
}

static const struct builtin *find_builtin(struct str inside, struct str *number)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        const struct builtin *b = &builtins[i];
        struct str rest = inside;
        if (!strip(&rest, b->name))
            continue;
        bool is_numbered = b->form == NAME_NUMBER || b->form == NAME_PAYLOAD;
        if (is_numbered ? strip(&rest, "-") && (str_is(rest, "unit") || rest.len == 0 ||
                                                ascii_is_digit(rest.data[0]))
                        : rest.len == 0) {
            *number = rest;
            return b;
        }
    }
    return NULL;
}

static struct parsed_name parse_name(struct str name)
{
    struct parsed_name out = {.rest = name};
    out.is_async = strip(&out.rest, "[async-lower]");
    out.is_cancellable = strip(&out.rest, "[cancellable]");
    struct str inside = out.rest;
    ssize_t close = str_find_char(inside, ']');
    if (close < 0 || !strip(&inside, "["))
        return out;
    out.builtin = find_builtin(str_sub(inside, 0, (size_t)close - 1), &out.number);
    if (out.builtin)
        out.rest = str_from_index(out.rest, (size_t)close + 1);
    return out;
}

// ---- places -------------------------------------------------------------------------------------

// What an import's module name means in a world.
struct place {
    bool is_exported;
    bool is_root;
    bool is_standard;                  // names are those of the build target "cm32p2"
    const struct wit_world_item *item; // an interface; NULL at the root
};

// "wasi:io/poll@0.2" for "wasi:io/poll@0.2.6".
bool czr_is_standard_name(struct str name, struct str full)
{
    return str_find_char(name, '@') >= 0 && full.len > name.len && str_starts(full, name) &&
           full.data[name.len] == '.';
}

static const struct wit_world_item *find_item(const struct wit_world_item *items, uint32_t count,
                                              struct str name, enum wit_item_kind kind)
{
    for (uint32_t i = 0; i < count; i++)
        if (items[i].kind == kind && str_eq(items[i].name, name))
            return &items[i];
    for (uint32_t i = 0; i < count; i++)
        if (items[i].kind == kind && (interface_name_compatible(name, items[i].name) ||
                                      czr_is_standard_name(name, items[i].name)))
            return &items[i];
    return NULL;
}

static bool find_place(const struct wit_world *world, struct str module, struct place *out)
{
    *out = (struct place){.is_exported = strip(&module, "[export]")};
    out->is_standard = strip(&module, CZR_STANDARD);
    if (out->is_standard && strip(&module, "|"))
        out->is_exported = strip(&module, "_ex_");
    else if (out->is_standard)
        module = STR("$root");
    out->is_root = str_is(module, "$root");
    if (out->is_root)
        return true;
    if (!world)
        return false;
    out->item = out->is_exported
                    ? find_item(world->exports, world->export_count, module, WIT_ITEM_INTERFACE)
                    : find_item(world->imports, world->import_count, module, WIT_ITEM_INTERFACE);
    return out->item != NULL;
}

const struct wit_func *czr_find_func(const struct wit_interface *interface, struct str symbol)
{
    for (uint32_t i = 0; i < interface->func_count; i++)
        if (str_eq(interface->funcs[i]->symbol, symbol))
            return interface->funcs[i];
    return NULL;
}

const struct wit_typedef *czr_find_type(const struct wit_interface *interface, struct str name)
{
    for (uint32_t i = 0; i < interface->type_count; i++)
        if (str_eq(interface->types[i]->name, name))
            return interface->types[i];
    return NULL;
}

static const struct wit_func *place_func(const struct wit_world *world, const struct place *place,
                                         struct str name)
{
    if (place->item)
        return czr_find_func(place->item->interface, name);
    if (!world)
        return NULL;
    const struct wit_world_item *item =
        place->is_exported ? find_item(world->exports, world->export_count, name, WIT_ITEM_FUNC)
                           : find_item(world->imports, world->import_count, name, WIT_ITEM_FUNC);
    return item ? item->func : NULL;
}

static const struct wit_typedef *place_type(const struct wit_world *world,
                                            const struct place *place, struct str name)
{
    if (place->item)
        return czr_find_type(place->item->interface, name);
    const struct wit_world_item *item =
        world ? find_item(world->imports, world->import_count, name, WIT_ITEM_TYPE) : NULL;
    return item ? item->type : NULL;
}

// ---- wants --------------------------------------------------------------------------------------

static int fail(struct componentizer *z, const struct part *part, const struct core_import *import,
                const char *why)
{
    return error_set(z->err, -EINVAL, "%s%.*s%s: import `%.*s` of `%.*s`: %s",
                     part->is_adapter ? "adapter `" : "core module", STR_ARG(part->name),
                     part->is_adapter ? "`" : "", STR_ARG(import->name), STR_ARG(import->module),
                     why);
}

static void set_options(struct want *want, const struct part *part, struct abi_needs needs)
{
    struct canon_def_options *o = &want->canon.options;
    o->has_memory = needs.memory;
    o->has_realloc = needs.realloc;
    o->encoding = needs.strings ? (uint8_t)part->strings : 0;
}

static int match_payload(struct componentizer *z, struct part *part, struct want *want,
                         const struct parsed_name *name, const struct place *place)
{
    static const struct type units[] = {{.kind = TYPE_STREAM}, {.kind = TYPE_FUTURE}};
    enum canon_kind kind = want->canon.kind;
    bool is_future = kind >= CANON_FUTURE_NEW;
    uint64_t number = 0;
    if (str_is(name->number, "unit")) {
        want->payload = &units[is_future];
    } else {
        const struct wit_func *func = place_func(part->world, place, name->rest);
        if (func && str_to_u64(name->number, UINT32_MAX, &number) == 0)
            want->payload = find_payload(&func->type, (uint32_t)number);
    }
    if (!want->payload || (want->payload->kind == TYPE_FUTURE) != is_future)
        return fail(z, part, want->import, "the world has no such stream or future");
    bool is_read = kind == CANON_STREAM_READ || kind == CANON_FUTURE_READ;
    want->canon.flag = name->is_async;
    if (is_read || kind == CANON_STREAM_WRITE || kind == CANON_FUTURE_WRITE) {
        set_options(want, part, payload_needs(want->payload, is_read));
        want->canon.options.is_async = name->is_async;
    }
    return 0;
}

static int match_builtin(struct componentizer *z, struct part *part, struct want *want,
                         const struct parsed_name *name, const struct place *place)
{
    const struct builtin *b = name->builtin;
    uint64_t number = 0;
    want->canon.kind = b->kind;
    want->canon.options.has_memory = b->takes_memory;
    want->canon.flag = b->kind == CANON_SUBTASK_CANCEL ? name->is_async : name->is_cancellable;
    switch (b->form) {
    case NAME_ALONE:
        want->canon.options.has_realloc = b->kind == CANON_ERROR_CONTEXT_DEBUG_MESSAGE;
        return 0;
    case NAME_NUMBER:
        if (str_to_u64(name->number, UINT32_MAX, &number) < 0)
            return fail(z, part, want->import, "its number is none");
        want->canon.slot = (uint32_t)number;
        want->canon.core_type = 'i';
        return 0;
    case NAME_RESOURCE:
        want->resource = place_type(part->world, place, name->rest);
        if (!want->resource || !want->resource->resource)
            return fail(z, part, want->import, "the world has no such resource");
        return 0;
    case NAME_FUNC:
        want->func = place_func(part->world, place, name->rest);
        if (!want->func)
            return fail(z, part, want->import, "the world has no such function");
        set_options(want, part, return_needs(&want->func->type));
        return 0;
    case NAME_PAYLOAD:
        return match_payload(z, part, want, name, place);
    }
    return 0;
}

// "R_drop", "R_new", "R_rep" of the build target "cm32p2" in the terms of others.
static struct parsed_name standard_name(struct str name, struct parsed_name parsed)
{
    static const struct {
        struct str suffix;
        const char *builtin;
    } suffixes[] = {{STR_INIT("_drop"), "resource-drop"},
                    {STR_INIT("_new"), "resource-new"},
                    {STR_INIT("_rep"), "resource-rep"}};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        if (!str_ends(name, suffixes[i].suffix))
            continue;
        parsed.builtin = find_builtin(str_from(suffixes[i].builtin), &parsed.number);
        parsed.rest = str_sub(name, 0, name.len - suffixes[i].suffix.len);
    }
    return parsed;
}

static int match_canon(struct componentizer *z, struct part *part, struct want *want)
{
    struct place place;
    if (!find_place(part->world, want->import->module, &place))
        return fail(z, part, want->import,
                    "the world imports no such interface, and no adapter serves it");
    struct parsed_name name = parse_name(want->import->name);
    if (place.is_standard)
        name = standard_name(want->import->name, name);
    want->interface = place.item ? place.item->interface : NULL;
    want->is_exported = place.is_exported;
    if (name.builtin)
        return match_builtin(z, part, want, &name, &place);
    want->func = place.is_exported ? NULL : place_func(part->world, &place, name.rest);
    if (!want->func)
        return fail(z, part, want->import, "the world has no such function");
    want->canon.kind = CANON_LOWER;
    want->item = name.rest;
    set_options(want, part, czr_lower_needs(&want->func->type, name.is_async));
    want->canon.options.is_async = name.is_async;
    return 0;
}

static struct part *find_adapter(struct componentizer *z, struct str name)
{
    for (uint32_t i = 1; i < z->part_count; i++)
        if (str_eq(z->parts[i].name, name))
            return &z->parts[i];
    return NULL;
}

static bool exports_func(const struct part *part, struct str name)
{
    const struct core_export *export = core_module_find_export(&part->core, name);
    return export && export->kind == CORE_FUNC;
}

static int match_func(struct componentizer *z, struct part *part, struct want *want)
{
    want->adapter = part->is_adapter ? NULL : find_adapter(z, want->import->module);
    want->kind = want->adapter ? WANT_ADAPTER
                 : part->is_adapter && str_is(want->import->module, "__main_module__") ? WANT_MAIN
                                                                                       : WANT_CANON;
    if (want->kind == WANT_ADAPTER && !exports_func(want->adapter, want->import->name))
        return fail(z, part, want->import, "the adapter has no such function");
    if (want->kind == WANT_MAIN && !exports_func(&z->parts[0], want->import->name))
        return fail(z, part, want->import, "the core module exports no such function");
    if (want->kind == WANT_CANON)
        return match_canon(z, part, want);
    return 0;
}

static bool is_main_memory(const struct part *part, const struct core_import *import)
{
    return part->is_adapter && import->kind == CORE_MEMORY && str_is(import->module, "env") &&
           str_is(import->name, "memory");
}

static bool has_references(const struct core_func_type *type)
{
    return memchr(type->params.data, 'r', type->params.len) ||
           memchr(type->results.data, 'r', type->results.len);
}

int czr_match_imports(struct componentizer *z, struct part *part)
{
    part->wants = arena_new_array(z->arena, struct want, part->core.import_count);
    for (uint32_t i = 0; i < part->core.import_count; i++) {
        struct want *want = &part->wants[i];
        *want = (struct want){.import = &part->core.imports[i], .slot = WANT_NO_SLOT};
        if (is_main_memory(part, want->import))
            continue;
        if (want->import->kind != CORE_FUNC || has_references(want->import->func))
            return fail(z, part, want->import,
                        "a component cannot provide what is no function of "
                        "numbers");
        int rc = match_func(z, part, want);
        if (rc < 0)
            return rc;
        const struct canon_def_options *o = &want->canon.options;
        if (want->kind == WANT_ADAPTER || o->has_memory || o->has_realloc) {
            want->slot = (uint32_t)z->slots.len;
            *vec_push(&z->slots) =
                (struct slot){.type = want->import->func, .part = part, .want = want};
        }
    }
    return 0;
}

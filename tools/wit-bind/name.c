// SPDX-License-Identifier: Apache-2.0
// C names of what WIT names (docs/bindings.md "Types").
#include <errno.h>
#include <stdarg.h>

#include "bind.h"

// Words that cannot name a field: C keywords, macros of the headers every generated file sees, and
// identifiers base/mem.h poisons.
static const char *const reserved[] = {
    "alignas",       "alignof", "asm",      "atoi",         "atol",   "atoll",     "auto",
    "bool",          "break",   "case",     "char",         "const",  "constexpr", "continue",
    "default",       "do",      "double",   "else",         "enum",   "errno",     "extern",
    "false",         "float",   "for",      "gmtime",       "goto",   "if",        "inline",
    "int",           "likely",  "linux",    "localtime",    "long",   "nullptr",   "register",
    "restrict",      "return",  "short",    "signed",       "sizeof", "sprintf",   "static",
    "static_assert", "stderr",  "stdin",    "stdout",       "strcat", "strcpy",    "strtok",
    "struct",        "switch",  "system",   "thread_local", "true",   "typedef",   "typeof",
    "union",         "unix",    "unlikely", "unsigned",     "void",   "volatile",  "vsprintf",
    "while",
};

// What generated functions have besides their parameters.
static const char *const locals[] = {"at", "call", "flat", "from", "func", "pair", "rc", "ret"};

void bind_fail(struct bind *b, const char *fmt, ...)
{
    if (b->failure.code)
        return;
    va_list args;
    va_start(args, fmt);
    _cleanup_(mem_freep) char *text = NULL;
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    int rc = error_set(&b->failure, -EINVAL, "%s%s%s", b->subject ? b->subject : "",
                       b->subject ? ": " : "", len < 0 ? "out of memory" : text);
    (void)rc;
}

bool bind_is_new(struct bind *b, const char *helper)
{
    struct str key = str_from(helper);
    if (map_get(&b->helpers, key))
        return false;
    map_put(&b->helpers, key, b);
    return true;
}

static const char *convert(struct bind *b, struct str name, bool upper)
{
    char *out = arena_alloc(&b->arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        out[i] = name.data[i] == '-' ? '_'
                 : upper             ? ascii_upper(name.data[i])
                                     : ascii_lower(name.data[i]);
    return out;
}

const char *bind_lower(struct bind *b, struct str name)
{
    return convert(b, name, false);
}

const char *bind_upper(struct bind *b, struct str name)
{
    return convert(b, name, true);
}

static bool is_among(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

const char *bind_ident(struct bind *b, struct str name)
{
    const char *ident = bind_lower(b, name);
    bool taken = is_among(reserved, ARRAY_LEN(reserved), ident);
    return taken ? bind_text(b, "%s_", ident) : ident;
}

const char *bind_param(struct bind *b, struct str name)
{
    const char *ident = bind_ident(b, name);
    return is_among(locals, ARRAY_LEN(locals), ident) ? bind_text(b, "%s_", ident) : ident;
}

const char *bind_interface_name(struct bind *b, const struct wit_interface *interface)
{
    return bind_text(b, "%s_%s", bind_lower(b, interface->package->name),
                     bind_lower(b, interface->name));
}

// Takes "wasi:http/types@0.2.12" apart.
static void split_id(struct str id, struct str *package, struct str *name, struct str *interface)
{
    struct str path, version, ns;
    str_cut(id, '@', &path, &version);
    str_cut(path, '/', package, interface);
    str_cut(*package, ':', &ns, name);
}

const char *bind_resource_name(struct bind *b, const struct resource_type *resource)
{
    struct str package, name, interface;
    split_id(resource->interface, &package, &name, &interface);
    if (interface.len == 0)
        bind_fail(b, "resource `%.*s` is not defined by an interface", STR_ARG(resource->name));
    return bind_text(b, "%s_%s_%s", bind_lower(b, name), bind_lower(b, interface),
                     bind_lower(b, resource->name));
}

const char *bind_prefix(struct bind *b, struct str package, bool *is_extern)
{
    *is_extern = true;
    for (size_t i = 0; i < b->externs.len; i++)
        if (str_eq(b->externs.items[i].package, package))
            return b->externs.items[i].prefix;
    *is_extern = false;
    return b->prefix;
}

const char *bind_resource_c_name(struct bind *b, const struct resource_type *resource)
{
    struct str package, name, interface;
    bool is_extern;
    split_id(resource->interface, &package, &name, &interface);
    return bind_text(b, "%s_%s", bind_prefix(b, package, &is_extern),
                     bind_resource_name(b, resource));
}

static struct str address_key(struct bind *b, const struct type *const *t)
{
    return arena_str(&b->arena, str_of((const char *)t, sizeof(*t)));
}

static const char *named(struct bind *b, const struct type *t)
{
    while (t->def && t->def->alias_of)
        t = t->def->alias_of->type;
    const char *name = map_get(&b->owners, str_of((const char *)&t, sizeof(t)));
    if (name)
        return name;
    bind_fail(b, "type `%.*s` is not defined by an interface", STR_ARG(t->name));
    return "unknown";
}

static const char *const primitives[TYPE_KIND_COUNT] = {
    [TYPE_BOOL] = "bool",     [TYPE_S8] = "s8",   [TYPE_U8] = "u8",   [TYPE_S16] = "s16",
    [TYPE_U16] = "u16",       [TYPE_S32] = "s32", [TYPE_U32] = "u32", [TYPE_S64] = "s64",
    [TYPE_U64] = "u64",       [TYPE_F32] = "f32", [TYPE_F64] = "f64", [TYPE_CHAR] = "char",
    [TYPE_STRING] = "string",
};

static const char *structural(struct bind *b, const struct type *t, bool exact)
{
    switch (t->kind) {
    case TYPE_OWN:
        return bind_resource_name(b, t->resource);
    case TYPE_BORROW:
        return bind_text(b, "%s%s", exact ? "borrow_" : "", bind_resource_name(b, t->resource));
    case TYPE_RECORD:
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_FLAGS:
        return named(b, t);
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return bind_text(b, "%s_%s", t->kind == TYPE_STREAM ? "stream" : "future",
                         t->element ? structural(b, t->element, exact) : "void");
    case TYPE_LIST:
        return bind_is_bytes(t) ? "bytes"
                                : bind_text(b, "list_%s", structural(b, t->element, exact));
    case TYPE_OPTION:
        return bind_text(b, "option_%s", structural(b, t->element, exact));
    case TYPE_RESULT:
        return bind_text(b, "result_%s_%s", t->element ? structural(b, t->element, exact) : "void",
                         t->error ? structural(b, t->error, exact) : "void");
    case TYPE_TUPLE: {
        const char *name = "tuple";
        for (uint32_t i = 0; i < t->field_count; i++)
            name = bind_text(b, "%s_%s", name, structural(b, t->fields[i].type, exact));
        return name;
    }
    default:
        return primitives[t->kind] ? primitives[t->kind] : "unknown";
    }
}

const char *bind_type_name(struct bind *b, const struct type *t)
{
    return structural(b, t, false);
}

const char *bind_exact_name(struct bind *b, const struct type *t)
{
    return structural(b, t, true);
}

const char *bind_c_name(struct bind *b, const struct type *t)
{
    const struct str *package = map_get(&b->owners, str_from(bind_type_name(b, t)));
    bool is_extern;
    const char *prefix = package && t->name.len ? bind_prefix(b, *package, &is_extern) : b->prefix;
    return bind_text(b, "%s_%s", prefix, bind_type_name(b, t));
}

const char *bind_func_name(struct bind *b, const struct wit_interface *interface,
                           const struct wit_func *func)
{
    const char *name =
        func->kind == WIT_FUNC_CONSTRUCTOR ? "constructor" : bind_lower(b, func->name);
    if (func->resource)
        name = bind_text(b, "%s_%s", bind_lower(b, func->resource->name), name);
    return bind_text(b, "%s_%s_%s", b->prefix, bind_interface_name(b, interface), name);
}

void bind_claim(struct bind *b, const char *identifier, const char *what)
{
    const char *other = map_get(&b->identifiers, str_from(identifier));
    if (other && strcmp(other, what) != 0)
        bind_fail(b, "%s and %s would both be `%s` in C", other, what, identifier);
    map_put(&b->identifiers, str_from(identifier), (void *)what);
}

static void index_interface(struct bind *b, const struct wit_interface *interface)
{
    struct str *package = arena_new(&b->arena, struct str);
    *package = arena_printf(&b->arena, "%.*s:%.*s", STR_ARG(interface->package->ns),
                            STR_ARG(interface->package->name));
    for (uint32_t i = 0; i < interface->type_count; i++) {
        const struct wit_typedef *def = interface->types[i];
        if (def->alias_of || !def->type)
            continue;
        const char *name =
            bind_text(b, "%s_%s", bind_interface_name(b, interface), bind_lower(b, def->name));
        map_put(&b->owners, address_key(b, &def->type), (void *)name);
        map_put(&b->owners, str_from(name), package);
    }
}

void bind_index_types(struct bind *b)
{
    for (uint32_t p = 0; p < wit_package_count(b->resolve); p++) {
        const struct wit_package *package = wit_package_at(b->resolve, p);
        for (uint32_t i = 0; i < package->interface_count; i++)
            index_interface(b, package->interfaces[i]);
    }
}

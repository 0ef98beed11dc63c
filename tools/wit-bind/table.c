// SPDX-License-Identifier: Apache-2.0
// Interfaces: resources, tables of functions, and everything that belongs to them.
#include "bind.h"

static void put_resource(struct bind *b, const struct wit_typedef *def)
{
    const char *name = bind_resource_c_name(b, def->resource);
    const char *type = bind_resource_c_type(b, def->resource);
    bind_claim(b, bind_text(b, "%s_drop", name), "a resource's drop handler");
    bind_claim(b, bind_text(b, "%s_resource", name), "a resource");
    const struct str params[] = {STR("struct canon_call *call"),
                                 str_from(bind_declare(b, type, "self"))};
    bind_put_signature(&b->protos, bind_text(b, "int %s_drop", name), params, ARRAY_LEN(params));
    buf_putf(&b->protos, ";\nextern const struct host_resource %s_resource;\n", name);
    buf_putf(&b->tables,
             "\nstatic int drop_rep_%s(struct canon_call *call, void *rep)\n"
             "{\n"
             "    return %s_drop(call, rep);\n"
             "}\n"
             "\nconst struct host_resource %s_resource = {\n"
             "    .interface = STR_INIT(\"%.*s\"),\n"
             "    .name = STR_INIT(\"%.*s\"),\n"
             "    .drop = drop_rep_%s,\n"
             "};\n",
             name, name, name, STR_ARG(def->resource->interface), STR_ARG(def->resource->name),
             name);
}

static bool defines_resource(const struct wit_typedef *def)
{
    return def->resource && !def->alias_of && !def->is_use;
}

static uint32_t put_resources(struct bind *b, const struct bind_interface *item, const char *name)
{
    const struct wit_interface *interface = item->interface;
    uint32_t count = 0;
    BUF(list, BIND_OUTPUT_BYTES_MAX);
    for (uint32_t i = 0; i < interface->type_count; i++) {
        const struct wit_typedef *def = interface->types[i];
        if (!defines_resource(def))
            continue;
        if (item->is_export) {
            bind_fail(b, "resource `%.*s` of an exported interface cannot be bound yet",
                      STR_ARG(def->name));
            continue;
        }
        put_resource(b, def);
        buf_putf(&list, "    &%s_resource,\n", bind_resource_c_name(b, def->resource));
        count++;
    }
    if (count)
        buf_putf(&b->tables,
                 "\nstatic const struct host_resource *const resources_%s[] = {\n%.*s};\n", name,
                 STR_ARG(buf_str(&list)));
    return count;
}

static void put_func(struct bind *b, const struct bind_interface *item, const struct wit_func *func,
                     struct buf *list)
{
    const char *name = bind_func_name(b, item->interface, func);
    b->subject = bind_text(b, "function `%.*s` of %.*s", STR_ARG(func->symbol),
                           STR_ARG(item->interface->id));
    bind_claim(b, name, b->subject);
    for (uint32_t i = 0; i < func->type.param_count; i++)
        bind_check_type(b, func->type.params[i].type);
    if (func->type.result)
        bind_check_type(b, func->type.result);
    if (b->failure.code)
        return;
    if (func->type.is_async)
        (item->is_export ? glue_async_export : glue_async_import)(b, item->interface, func);
    else
        (item->is_export ? glue_export : glue_import)(b, item->interface, func);
    buf_putf(list, "    {\n        .name = STR_INIT(\"%.*s\"),\n        .type = &%s,\n",
             STR_ARG(func->symbol), shape_func(b, name, &func->type));
    if (!item->is_export)
        buf_putf(list, "        .lower = call_%s,\n", name);
    buf_putf(list, "    },\n");
}

static void put_types(struct bind *b, const struct wit_interface *interface)
{
    for (uint32_t i = 0; i < interface->type_count; i++) {
        const struct wit_typedef *def = interface->types[i];
        if (def->alias_of || !def->type)
            continue;
        b->subject =
            bind_text(b, "type `%.*s` of %.*s", STR_ARG(def->name), STR_ARG(interface->id));
        bind_check_type(b, def->type);
        if (!b->failure.code)
            (void)bind_c_type(b, def->type);
    }
}

void bind_generate(struct bind *b, const struct bind_interface *item)
{
    const struct wit_interface *interface = item->interface;
    const char *name = bind_text(b, "%s_%s", b->prefix, bind_interface_name(b, interface));
    bind_claim(b, name, bind_text(b, "interface %.*s", STR_ARG(interface->id)));
    put_types(b, interface);
    buf_putf(&b->protos, "\n// %.*s\n", STR_ARG(interface->id));
    b->subject = bind_text(b, "%.*s", STR_ARG(interface->id));
    uint32_t resources = put_resources(b, item, name);
    BUF(list, BIND_OUTPUT_BYTES_MAX);
    for (uint32_t i = 0; i < interface->func_count; i++)
        put_func(b, item, interface->funcs[i], &list);
    if (interface->func_count)
        buf_putf(&b->tables, "\nstatic const struct host_func funcs_%s[] = {\n%.*s};\n", name,
                 STR_ARG(buf_str(&list)));
    buf_putf(&b->protos, "extern const struct host_interface %s;\n", name);
    buf_putf(&b->tables, "\nconst struct host_interface %s = {\n    .name = STR_INIT(\"%.*s\"),\n",
             name, STR_ARG(interface->id));
    if (interface->func_count)
        buf_putf(&b->tables, "    .funcs = funcs_%s,\n    .func_count = %u,\n", name,
                 interface->func_count);
    if (resources)
        buf_putf(&b->tables, "    .resources = resources_%s,\n    .resource_count = %u,\n", name,
                 resources);
    buf_putf(&b->tables, "};\n");
    b->subject = NULL;
}

static bool is_provided(struct bind *b, const struct resource_type *resource)
{
    for (size_t i = 0; i < b->interfaces.len; i++)
        if (str_eq(b->interfaces.items[i].interface->id, resource->interface))
            return true;
    for (size_t i = 0; i < b->externs.len; i++) {
        struct str package = b->externs.items[i].package;
        if (str_starts(resource->interface, package) && resource->interface.len > package.len &&
            resource->interface.data[package.len] == '/')
            return true;
    }
    return false;
}

void bind_check_resources(struct bind *b)
{
    for (size_t i = 0; i < b->resources.len; i++) {
        const struct resource_type *resource = b->resources.entries[i].value;
        if (!is_provided(b, resource))
            bind_fail(b,
                      "resource `%.*s` of %.*s is in use, but the interface is not generated: "
                      "add --import for it, or --extern when another header declares it",
                      STR_ARG(resource->name), STR_ARG(resource->interface));
    }
}

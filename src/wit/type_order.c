// SPDX-License-Identifier: Apache-2.0
// The order of the types of an interface or world: what came by `use`, then each type behind those
// it names.
#include "wit/model.h"
#include "wit/toposort.h"

struct type_order {
    struct wit_resolve *resolve;
    struct owner *owner;
    struct map indices; // address of a typedef_node to index + 1
    struct toposort sort;
};

static void add_name(struct type_order *o, uint32_t index, const struct ast_name *name)
{
    const void *node = map_get(&o->owner->names, name_key(&o->resolve->arena, name->text));
    uintptr_t of = (uintptr_t)map_get(&o->indices, str_of((const char *)&node, sizeof(node)));
    if (of > 0)
        toposort_add(&o->sort, index, (uint32_t)(of - 1));
}

// The parser bounds the nesting.
static void add_type(struct type_order *o, uint32_t index, const struct ast_type *type)
{
    if (!type)
        return;
    if (type->form == AST_TYPE_NAME || type->kind == TYPE_OWN || type->kind == TYPE_BORROW)
        add_name(o, index, &type->name);
    if (type->form == AST_TYPE_NAME)
        return;
    for (const struct ast_type *part = type->element; part; part = part->next)
        add_type(o, index, part);
    add_type(o, index, type->error);
}

static void add_edges(struct type_order *o, uint32_t index, const struct ast_item *item)
{
    add_type(o, index, item->type);
    for (const struct ast_field *field = item->fields.first; field; field = field->next)
        add_type(o, index, field->type);
}

// Only what did not come by `use` waits and is waited for.
static void add_types(struct type_order *o, size_t first, size_t count)
{
    struct arena *arena = &o->resolve->arena;
    struct typedef_node **types = o->owner->types.items + first;
    for (size_t i = 0; i < count; i++)
        (void)map_put(&o->indices,
                      arena_str(arena, str_of((const char *)&types[i], sizeof(types[i]))),
                      (void *)(i + 1));
    for (size_t i = 0; i < count; i++)
        add_edges(o, (uint32_t)i, types[i]->ast);
}

// Puts those that came by `use` first; their number.
static size_t uses_first(struct owner *owner)
{
    size_t count = owner->types.len, uses = 0, others = 0;
    struct typedef_node **rest = mem_new_array(struct typedef_node *, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (owner->types.items[i]->ast)
            rest[others++] = owner->types.items[i];
        else
            owner->types.items[uses++] = owner->types.items[i];
    }
    if (others > 0)
        memcpy(owner->types.items + uses, rest, others * sizeof(*rest));
    free(rest);
    return uses;
}

void owner_order_types(struct wit_resolve *resolve, struct owner *owner)
{
    struct type_order o = {.resolve = resolve, .owner = owner};
    size_t first = uses_first(owner);
    size_t count = owner->types.len - first;
    if (count == 0)
        return;
    toposort_init(&o.sort, count);
    add_types(&o, first, count);
    uint32_t *order = mem_new_array(uint32_t, count);
    struct typedef_node **sorted = mem_new_array(struct typedef_node *, count);
    uint32_t done = toposort_run(&o.sort, order);
    for (uint32_t i = 0; i < done; i++)
        sorted[i] = owner->types.items[first + order[i]];
    // The rest contains itself, which is refused when it is resolved.
    if (done == count)
        memcpy(owner->types.items + first, sorted, count * sizeof(*sorted));
    free(sorted);
    free(order);
    map_done(&o.indices);
    toposort_done(&o.sort);
}

// SPDX-License-Identifier: Apache-2.0
// The order of the types of an interface or world: what came by `use`, then each type behind those
// it names.
#include "wit/model.h"
#include "wit/toposort.h"

struct type_order {
    struct wit_resolve *resolve;
    struct owner *owner;
    struct error *err;
    struct map indices; // address of a typedef_node to index + 1
    struct toposort sort;
    const bool *is_placed; // NULL while names are collected, then to find a cycle
};

static int visit_name(struct type_order *o, uint32_t index, const struct ast_name *name)
{
    struct typedef_node *node;
    int r = owner_find_type(o->resolve, o->owner, name, &node, o->err);
    if (r < 0)
        return r;
    uintptr_t of = (uintptr_t)map_get(&o->indices, str_of((const char *)&node, sizeof(node)));
    if (of > 0 && !o->is_placed)
        toposort_add(&o->sort, index, (uint32_t)(of - 1));
    else if (of > 0 && !o->is_placed[of - 1])
        return wit_fail(name->pos, o->err, "type `%.*s` contains itself", STR_ARG(name->text));
    return 0;
}

// The parser bounds the nesting.
static int visit_type(struct type_order *o, uint32_t index, const struct ast_type *type)
{
    if (!type)
        return 0;
    if (type->form == AST_TYPE_NAME || type->kind == TYPE_OWN || type->kind == TYPE_BORROW)
        return visit_name(o, index, &type->name);
    int r = 0;
    for (const struct ast_type *part = type->element; part && r == 0; part = part->next)
        r = visit_type(o, index, part);
    return r < 0 ? r : visit_type(o, index, type->error);
}

static int visit_item(struct type_order *o, uint32_t index, const struct ast_item *item)
{
    int r = visit_type(o, index, item->type);
    for (const struct ast_field *field = item->fields.first; field && r == 0; field = field->next)
        r = visit_type(o, index, field->type);
    return r;
}

// Only what did not come by `use` waits and is waited for.
static int add_types(struct type_order *o, size_t first, size_t count)
{
    struct arena *arena = &o->resolve->arena;
    struct typedef_node **types = o->owner->types.items + first;
    for (size_t i = 0; i < count; i++)
        (void)map_put(&o->indices,
                      arena_str(arena, str_of((const char *)&types[i], sizeof(types[i]))),
                      (void *)(i + 1));
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = visit_item(o, (uint32_t)i, types[i]->ast);
    return r;
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

// Of what is left when nothing more can be placed: the first name of another such type.
static int refuse_cycle(struct type_order *o, size_t first, size_t count, const uint32_t *order,
                        uint32_t done)
{
    bool *is_placed = mem_new_array(bool, count);
    memset(is_placed, 0, count * sizeof(bool));
    for (uint32_t i = 0; i < done; i++)
        is_placed[order[i]] = true;
    o->is_placed = is_placed;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        if (!is_placed[i])
            r = visit_item(o, (uint32_t)i, o->owner->types.items[first + i]->ast);
    free(is_placed);
    return r;
}

int owner_order_types(struct wit_resolve *resolve, struct owner *owner, struct error *err)
{
    struct type_order o = {.resolve = resolve, .owner = owner, .err = err};
    size_t first = uses_first(owner);
    size_t count = owner->types.len - first;
    if (count == 0)
        return 0;
    toposort_init(&o.sort, count);
    int r = add_types(&o, first, count);
    uint32_t *order = mem_new_array(uint32_t, count);
    struct typedef_node **sorted = mem_new_array(struct typedef_node *, count);
    uint32_t done = r == 0 ? toposort_run(&o.sort, order) : 0;
    for (uint32_t i = 0; i < done; i++)
        sorted[i] = owner->types.items[first + order[i]];
    if (done == count)
        memcpy(owner->types.items + first, sorted, count * sizeof(*sorted));
    else if (r == 0)
        r = refuse_cycle(&o, first, count, order, done);
    free(sorted);
    free(order);
    map_done(&o.indices);
    toposort_done(&o.sort);
    return r;
}

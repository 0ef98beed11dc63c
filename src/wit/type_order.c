// SPDX-License-Identifier: Apache-2.0
// The order of the types of an interface or world: what came by `use`, then each type behind those
// it names. Of those that may come next the first in the text does, as in the usual tools, so that
// a package in binary form reads the same everywhere.
#include "wit/model.h"

struct type_edge {
    uint32_t to;   // index of the type that waits
    uint32_t next; // of the same type: index + 1
};

struct type_order {
    struct wit_resolve *resolve;
    struct owner *owner;
    struct map indices;  // address of a typedef_node to index + 1
    uint32_t *waits_for; // number of types that are still to come
    uint32_t *first;     // edges by the type that is waited for: index + 1
    VEC(struct type_edge) edges;
    uint32_t *ready; // a heap, the smallest index first
    uint32_t ready_count;
};

static void push_ready(struct type_order *o, uint32_t index)
{
    uint32_t at = o->ready_count++;
    for (; at > 0 && o->ready[(at - 1) / 2] > index; at = (at - 1) / 2)
        o->ready[at] = o->ready[(at - 1) / 2];
    o->ready[at] = index;
}

static uint32_t pop_ready(struct type_order *o)
{
    uint32_t least = o->ready[0];
    uint32_t last = o->ready[--o->ready_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < o->ready_count; at = child) {
        if (child + 1 < o->ready_count && o->ready[child + 1] < o->ready[child])
            child++;
        if (o->ready[child] >= last)
            break;
        o->ready[at] = o->ready[child];
    }
    o->ready[at] = last;
    return least;
}

static void add_name(struct type_order *o, uint32_t index, const struct ast_name *name)
{
    const void *node = map_get(&o->owner->names, name_key(&o->resolve->arena, name->text));
    uintptr_t of = (uintptr_t)map_get(&o->indices, str_of((const char *)&node, sizeof(node)));
    if (of == 0)
        return;
    *vec_push(&o->edges) = (struct type_edge){index, o->first[of - 1]};
    o->first[of - 1] = (uint32_t)o->edges.len;
    o->waits_for[index]++;
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

static void index_types(struct type_order *o)
{
    struct arena *arena = &o->resolve->arena;
    size_t count = o->owner->types.len;
    o->waits_for = arena_new_array(arena, uint32_t, count);
    o->first = arena_new_array(arena, uint32_t, count);
    o->ready = arena_new_array(arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        struct typedef_node *const *node = &o->owner->types.items[i];
        if ((*node)->ast)
            (void)map_put(&o->indices, arena_str(arena, str_of((const char *)node, sizeof(*node))),
                          (void *)(i + 1));
    }
    for (size_t i = 0; i < count; i++)
        if (o->owner->types.items[i]->ast)
            add_edges(o, (uint32_t)i, o->owner->types.items[i]->ast);
}

void owner_order_types(struct wit_resolve *resolve, struct owner *owner)
{
    struct type_order o = {.resolve = resolve, .owner = owner};
    size_t count = owner->types.len;
    index_types(&o);
    struct typedef_node **sorted = mem_new_array(struct typedef_node *, count + 1);
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        if (!owner->types.items[i]->ast)
            sorted[done++] = owner->types.items[i];
        else if (o.waits_for[i] == 0)
            push_ready(&o, (uint32_t)i);
    }
    while (o.ready_count > 0) {
        uint32_t index = pop_ready(&o);
        sorted[done++] = owner->types.items[index];
        for (uint32_t edge = o.first[index]; edge > 0; edge = o.edges.items[edge - 1].next)
            if (--o.waits_for[o.edges.items[edge - 1].to] == 0)
                push_ready(&o, o.edges.items[edge - 1].to);
    }
    // The rest contains itself, which is refused when it is resolved.
    if (done == count && count > 0)
        memcpy(owner->types.items, sorted, count * sizeof(*sorted));
    free(sorted);
    map_done(&o.indices);
    vec_done(&o.edges);
}

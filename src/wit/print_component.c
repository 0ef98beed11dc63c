// SPDX-License-Identifier: Apache-2.0
// A component's world with the packages it refers to.
#include "wit/print_internal.h"

#include "base/vec.h"

// A named interface of the world, chained with the others of its package.
struct reference {
    const struct wit_interface *interface;
    size_t head;  // index of the first one of the package
    size_t next;  // index + 1
    bool visited; // of a head
};

// A package on the way to the one it is needed by.
struct step {
    size_t reference; // index + 1
    uint32_t type;
};

struct references {
    VEC(struct reference) items;
    VEC(struct step) stack;
    VEC(size_t) sorted;      // heads, in the order to print
    struct map seen;         // interface id to index + 1
    struct map package_last; // package id to index + 1
    struct arena arena;
};

static void add_reference(struct references *refs, const struct wit_world_item *item)
{
    const struct wit_interface *interface = item->interface;
    if (item->kind != WIT_ITEM_INTERFACE || interface->name.len == 0 ||
        map_get(&refs->seen, interface->id))
        return;
    const struct wit_package *package = interface->package;
    struct str key = arena_printf(&refs->arena, "%.*s:%.*s@%.*s", STR_ARG(package->ns),
                                  STR_ARG(package->name), STR_ARG(package->version));
    size_t index = refs->items.len;
    *vec_push(&refs->items) = (struct reference){.interface = interface, .head = index};
    map_put(&refs->seen, interface->id, (void *)(uintptr_t)(index + 1));
    uintptr_t last = (uintptr_t)map_put(&refs->package_last, key, (void *)(uintptr_t)(index + 1));
    if (last > 0) {
        refs->items.items[last - 1].next = index + 1;
        refs->items.items[index].head = refs->items.items[last - 1].head;
    }
}

// The head of another package that a type comes from, or -1.
static ssize_t used_head(const struct references *refs, const struct wit_typedef *type)
{
    if (!type->alias_of || !type->alias_of->interface)
        return -1;
    uintptr_t index = (uintptr_t)map_get(&refs->seen, type->alias_of->interface->id);
    return index == 0 ? -1 : (ssize_t)refs->items.items[index - 1].head;
}

// Puts a package behind those it uses.
static void sort_package(struct references *refs, size_t head)
{
    if (refs->items.items[head].visited)
        return;
    refs->items.items[head].visited = true;
    *vec_push(&refs->stack) = (struct step){head + 1, 0};
    while (refs->stack.len > 0) {
        struct step *top = &refs->stack.items[refs->stack.len - 1];
        const struct reference *reference = &refs->items.items[top->reference - 1];
        if (top->type < reference->interface->type_count) {
            ssize_t used = used_head(refs, reference->interface->types[top->type++]);
            if (used >= 0 && !refs->items.items[used].visited) {
                refs->items.items[used].visited = true;
                *vec_push(&refs->stack) = (struct step){(size_t)used + 1, 0};
            }
        } else if (reference->next > 0) {
            *top = (struct step){reference->next, 0};
        } else {
            *vec_push(&refs->sorted) = reference->head;
            refs->stack.len--;
        }
    }
}

static void print_references(struct printer *p, const struct references *refs, size_t head)
{
    const struct wit_package *package = refs->items.items[head].interface->package;
    print_chars(p, "package ");
    print_package_name(p, package);
    print_version(p, package);
    p->package = package;
    print_open(p);
    for (size_t i = head + 1; i > 0 && !p->full; i = refs->items.items[i - 1].next)
        print_interface(p, refs->items.items[i - 1].interface);
    print_close(p);
}

void wit_print_component_world(const struct wit_world *world, struct buf *out)
{
    struct printer p = {.out = out};
    print_chars(&p, "package root:component;\n\n");
    print_world(&p, world);
    struct references refs = {.arena = ARENA_INIT(SIZE_MAX)};
    for (uint32_t i = 0; i < world->import_count; i++)
        add_reference(&refs, &world->imports[i]);
    for (uint32_t i = 0; i < world->export_count; i++)
        add_reference(&refs, &world->exports[i]);
    for (size_t i = 0; i < refs.items.len; i++)
        sort_package(&refs, refs.items.items[i].head);
    for (size_t i = 0; i < refs.sorted.len && !p.full; i++) {
        print_chars(&p, i > 0 ? "\n\n" : "");
        print_references(&p, &refs, refs.sorted.items[i]);
    }
    vec_done(&refs.items);
    vec_done(&refs.stack);
    vec_done(&refs.sorted);
    map_done(&refs.seen);
    map_done(&refs.package_last);
    arena_done(&refs.arena);
}

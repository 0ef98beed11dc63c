// SPDX-License-Identifier: Apache-2.0
// WIT packages to their binary form (WIT.md "Package Format").
#include "component/encode_wit.h"
#include "component/wit_binary.h"
#include "component/wit_docs.h"

#include "base/vec.h"
#include "component/plan.h"

// An interface on the way to one that uses it.
struct step {
    const struct wit_interface *interface;
    uint32_t type;
};

// Interfaces in order of dependency.
struct uses {
    VEC(const struct wit_interface *) order;
    VEC(struct step) stack;
    struct map seen; // addresses
    struct arena arena;
};

static void enter(struct uses *u, const struct wit_interface *interface)
{
    struct str key = str_of((const char *)&interface, sizeof(interface));
    if (map_get(&u->seen, key))
        return;
    (void)map_put(&u->seen, arena_str(&u->arena, key), u);
    *vec_push(&u->stack) = (struct step){interface, 0};
}

// Appends `last` behind all interfaces that it uses types of, however far away.
static void collect_uses(struct uses *u, const struct wit_interface *last)
{
    enter(u, last);
    while (u->stack.len > 0) {
        struct step *top = &u->stack.items[u->stack.len - 1];
        if (top->type == top->interface->type_count) {
            *vec_push(&u->order) = top->interface;
            u->stack.len--;
            continue;
        }
        const struct wit_typedef *from = top->interface->types[top->type++]->alias_of;
        if (from && from->interface && from->interface != top->interface)
            enter(u, from->interface);
    }
}

static void uses_done(struct uses *u)
{
    vec_done(&u->order);
    vec_done(&u->stack);
    map_done(&u->seen);
    arena_done(&u->arena);
}

static int encode_interface(struct encoder *root, const struct wit_interface *interface,
                            struct error *err)
{
    struct encoder type;
    encoder_init(&type, SCOPE_COMPONENT_TYPE);
    struct wit_scope s;
    wit_scope_init(&s, &type, WIT_IMPORTED);
    struct uses u = {.arena = ARENA_INIT(SIZE_MAX)};
    collect_uses(&u, interface);
    for (size_t i = 0; i < u.order.len; i++) {
        const struct wit_interface *used = u.order.items[i];
        uint32_t index = wit_encode_interface(&s, used, used != interface);
        if (used == interface)
            (void)encode_export_of(&type, used->id, SORT_INSTANCE, index);
        else
            wit_scope_bind_instance(&s, used,
                                    encode_import_of(&type, used->id, SORT_INSTANCE, index));
    }
    uses_done(&u);
    int rc = wit_scope_check(&s, err);
    wit_scope_done(&s);
    uint32_t index = encode_scope_type(root, &type);
    (void)encode_export_of(root, interface->name, SORT_TYPE, index);
    return rc < 0 ? error_wrap(err, "interface `%.*s`", STR_ARG(interface->name)) : 0;
}

static struct str world_id(struct arena *arena, const struct wit_world *world)
{
    const struct wit_package *package = world->package;
    return arena_printf(arena, "%.*s:%.*s/%.*s%s%.*s", STR_ARG(package->ns), STR_ARG(package->name),
                        STR_ARG(world->name), package->version.len > 0 ? "@" : "",
                        STR_ARG(package->version));
}

static int encode_world(struct encoder *root, const struct wit_world *world, struct error *err)
{
    struct encoder type;
    struct arena arena = ARENA_INIT(SIZE_MAX);
    encoder_init(&type, SCOPE_COMPONENT_TYPE);
    uint32_t index;
    int rc = wit_encode_world(&type, world, &index, err);
    (void)encode_export_of(&type, world_id(&arena, world), SORT_COMPONENT, index);
    index = encode_scope_type(root, &type);
    (void)encode_export_of(root, world->name, SORT_TYPE, index);
    arena_done(&arena);
    return rc;
}

int wit_binary_encode(const struct wit_package *package, struct buf *out, struct error *err)
{
    struct encoder root;
    int rc = 0;
    encoder_init(&root, SCOPE_COMPONENT);
    for (uint32_t i = 0; i < package->interface_count && rc == 0; i++)
        rc = encode_interface(&root, package->interfaces[i], err);
    for (uint32_t i = 0; i < package->world_count && rc == 0; i++)
        rc = encode_world(&root, package->worlds[i], err);
    BUF(docs, COMPONENT_BYTES_MAX);
    if (rc == 0)
        rc = wit_docs_encode(package, &docs, err);
    if (rc == 0) {
        encode_custom_section(&root, STR(WIT_DOCS_SECTION), buf_str(&docs));
        rc = encoder_finish(&root, out, err);
    }
    encoder_done(&root);
    return rc;
}

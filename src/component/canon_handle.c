// SPDX-License-Identifier: Apache-2.0
// Handles: lifting, lowering, dropping, and passing them on between components
// (CanonicalABI.md lift_own, lift_borrow, lower_own, lower_borrow, canon_resource_*).
#include <assert.h>
#include <stddef.h>

#include "component/canon.h"
#include "component/error_context.h"
#include "component/plan.h"
#include "component/stream.h"

// Names of both kinds of resource type are read through struct resource_type.
static_assert(offsetof(struct plan_resource, type) == 0, "a plan resource begins with its type");
static_assert(offsetof(struct resource_type, interface) ==
                      offsetof(struct host_resource, interface) &&
                  offsetof(struct resource_type, name) == offsetof(struct host_resource, name),
              "host resources and resource types begin alike");

static struct str type_name(const void *type)
{
    struct str name = STR_EMPTY;
    memcpy(&name, (const char *)type + offsetof(struct resource_type, name), sizeof(name));
    return name.len > 0 ? name : STR("(resource without a name)");
}

const char *handle_kind_name(enum handle_kind kind)
{
    static const char *const names[] = {
        [HANDLE_FREE] = "free handle",
        [HANDLE_OWN] = "resource",
        [HANDLE_BORROW] = "borrowed resource",
        [HANDLE_SUBTASK] = "subtask",
        [HANDLE_WAITABLE_SET] = "waitable set",
        [HANDLE_STREAM_END] = "stream or future",
        [HANDLE_ERROR_CONTEXT] = "error context",
    };
    return names[kind];
}

__attribute__((cold)) static int trap_lookup(struct canon_call *call, uint32_t index,
                                             const void *type)
{
    const struct handle *handle = handle_table_get(call->handles, index);
    if (!handle)
        return canon_trap(call, "unknown handle index %u", index);
    struct str wanted = type_name(type);
    if (!handle->type)
        return canon_trap(call, "handle %u is a %s, not a `%.*s`", index,
                          handle_kind_name(handle->kind), STR_ARG(wanted));
    struct str is = type_name(handle->type);
    return canon_trap(call, "handle %u refers to a `%.*s`, not a `%.*s`", index, STR_ARG(is),
                      STR_ARG(wanted));
}

static inline int find(struct canon_call *call, uint32_t index, const void *type,
                       struct handle **out)
{
    struct handle *handle = handle_table_get(call->handles, index);
    if (unlikely(!handle || handle->type != type))
        return trap_lookup(call, index, type);
    *out = handle;
    return 0;
}

static int add(struct canon_call *call, const struct handle *handle, uint32_t *index)
{
    if (unlikely(handle_table_add(call->handles, handle, index) < 0))
        return canon_trap_no_room(call);
    return 0;
}

__attribute__((cold)) static int trap_lent(struct canon_call *call, uint32_t index,
                                           const struct handle *handle, const char *action)
{
    struct str name = type_name(handle->type);
    return canon_trap(call,
                      "handle %u to a `%.*s` cannot be %s: it has lends (%u in running calls)",
                      index, STR_ARG(name), action, handle->lends);
}

// ---- borrowing ----------------------------------------------------------------------------------

// Keeps the index in call->lent or behind it; room behind doubles whenever it is full.
static int remember_lend(struct canon_call *call, uint32_t index)
{
    const uint32_t in_place = ARRAY_LEN(call->lent);
    uint32_t n = call->lent_count;
    if (likely(n < in_place)) {
        call->lent[n] = index;
    } else {
        uint32_t more = n - in_place;
        if (n >= CANON_LENDS_MAX)
            return canon_trap(call, "a call borrows more than %u handles", CANON_LENDS_MAX);
        if (more == 0 || (more >= in_place && (more & (more - 1)) == 0)) {
            uint32_t *grown =
                arena_new_array(call->arena, uint32_t, more ? (size_t)more * 2 : in_place);
            if (more)
                memcpy(grown, call->lent_more, more * sizeof(*grown));
            call->lent_more = grown;
        }
        call->lent_more[more] = index;
    }
    call->lent_count = n + 1;
    return 0;
}

static inline int lend(struct canon_call *call, uint32_t index, const void *type,
                       struct handle **out)
{
    struct handle *handle = NULL;
    int rc = find(call, index, type, &handle);
    if (unlikely(rc < 0))
        return rc;
    rc = remember_lend(call, index);
    if (unlikely(rc < 0))
        return rc;
    handle->lends++;
    *out = handle;
    return 0;
}

int canon_lift_borrow(struct canon_call *call, uint32_t index, const struct host_resource *resource,
                      void **rep)
{
    struct handle *handle = NULL;
    int rc = lend(call, index, resource, &handle);
    if (likely(rc == 0))
        *rep = handle->rep;
    return rc;
}

static uint32_t *borrow_count(struct canon_call *call)
{
    return call->scope ? call->scope : &call->borrows;
}

static int add_borrow(struct canon_call *call, struct handle handle, uint32_t *index)
{
    handle.kind = HANDLE_BORROW;
    handle.lends = 0;
    handle.scope = borrow_count(call);
    int rc = add(call, &handle, index);
    if (rc == 0)
        ++*handle.scope;
    return rc;
}

int canon_lower_borrow(struct canon_call *call, const struct host_resource *resource, void *rep,
                       uint32_t *index)
{
    return add_borrow(call, (struct handle){.type = resource, .rep = rep}, index);
}

int canon_transfer_borrow(struct canon_call *from, struct canon_call *to,
                          const struct canon_resource *resource, uint32_t index, uint32_t *out)
{
    struct handle *handle = NULL;
    int rc = lend(from, index, resource->type, &handle);
    if (unlikely(rc < 0))
        return rc;
    if (resource->definer != CANON_DEFINER_HOST && resource->definer == to->component_instance) {
        *out = handle->rep32;
        return 0;
    }
    return add_borrow(to, *handle, out);
}

int canon_check_borrows(struct canon_call *call)
{
    uint32_t count = *borrow_count(call);
    if (likely(count == 0))
        return 0;
    return canon_trap(call, "borrow handles still remain at the end of the call (%u)", count);
}

// ---- owning -------------------------------------------------------------------------------------

// The handle, if it is one that may leave the table.
static int find_own(struct canon_call *call, uint32_t index, const void *type, struct handle *out)
{
    struct handle *handle = NULL;
    int rc = find(call, index, type, &handle);
    if (unlikely(rc < 0))
        return rc;
    if (unlikely(handle->kind != HANDLE_OWN)) {
        struct str name = type_name(type);
        return canon_trap(call, "handle %u to a `%.*s` is borrowed; its owner alone can pass it on",
                          index, STR_ARG(name));
    }
    if (unlikely(handle->lends > 0))
        return trap_lent(call, index, handle, "passed on");
    *out = *handle;
    return 0;
}

int canon_lift_own(struct canon_call *call, uint32_t index, const struct host_resource *resource,
                   void **rep)
{
    struct handle handle;
    int rc = find_own(call, index, resource, &handle);
    if (unlikely(rc < 0))
        return rc;
    handle_table_remove(call->handles, index);
    *rep = handle.rep;
    return 0;
}

int canon_lower_own(struct canon_call *call, const struct host_resource *resource, void *rep,
                    uint32_t *index)
{
    struct handle handle = {.type = resource, .rep = rep, .kind = HANDLE_OWN};
    return add(call, &handle, index);
}

int canon_transfer_own(struct canon_call *from, struct canon_call *to, const void *type,
                       uint32_t index, uint32_t *out)
{
    struct handle handle;
    int rc = find_own(from, index, type, &handle);
    if (unlikely(rc < 0))
        return rc;
    rc = add(to, &handle, out);
    if (unlikely(rc < 0))
        return rc;
    handle_table_remove(from->handles, index);
    return 0;
}

int canon_resource_new(struct canon_call *call, const void *type, uint32_t rep, uint32_t *index)
{
    struct handle handle = {.type = type, .rep32 = rep, .kind = HANDLE_OWN, .is_guest = true};
    return add(call, &handle, index);
}

int canon_resource_rep(struct canon_call *call, const void *type, uint32_t index, uint32_t *rep)
{
    struct handle *handle = NULL;
    int rc = find(call, index, type, &handle);
    if (likely(rc == 0))
        *rep = handle->rep32;
    return rc;
}

// ---- dropping -----------------------------------------------------------------------------------

static int find_droppable(struct canon_call *call, const void *type, uint32_t index,
                          struct handle **out)
{
    struct handle *handle = NULL;
    int rc = find(call, index, type, &handle);
    if (unlikely(rc < 0))
        return rc;
    if (unlikely(handle->lends > 0))
        return trap_lent(call, index, handle, "dropped");
    *out = handle;
    return 0;
}

static void drop_borrow(struct canon_call *call, uint32_t index)
{
    uint32_t *scope = call->handles->items[index].scope;
    if (scope && *scope > 0)
        --*scope;
    handle_table_remove(call->handles, index);
}

// Calls the drop handler of an own handle. The handle is out of reach meanwhile, and back in its
// place when the handler refuses, so that the store's end finds it.
static int drop_own(struct canon_call *call, uint32_t index)
{
    struct handle handle = call->handles->items[index];
    const struct host_resource *resource = handle.type;
    call->data = (void *)(uintptr_t)resource;
    call->handles->items[index].kind = HANDLE_FREE;
    int rc = resource->drop ? resource->drop(call, handle.rep) : 0;
    call->handles->items[index] = handle;
    if (likely(rc >= 0))
        handle_table_remove(call->handles, index);
    return rc < 0 ? rc : 0;
}

int canon_resource_drop(struct canon_call *call, const struct host_resource *resource,
                        uint32_t index)
{
    struct handle *handle = NULL;
    int rc = find_droppable(call, resource, index, &handle);
    if (unlikely(rc < 0))
        return rc;
    if (handle->kind == HANDLE_OWN)
        return drop_own(call, index);
    drop_borrow(call, index);
    return 0;
}

int canon_resource_remove(struct canon_call *call, const void *type, uint32_t index, bool *is_own,
                          uint32_t *rep)
{
    struct handle *handle = NULL;
    int rc = find_droppable(call, type, index, &handle);
    if (unlikely(rc < 0))
        return rc;
    *is_own = handle->kind == HANDLE_OWN;
    *rep = handle->rep32;
    if (*is_own)
        handle_table_remove(call->handles, index);
    else
        drop_borrow(call, index);
    return 0;
}

// What is no resource, when its store ends. Subtasks are the store's.
static void release(const struct handle *handle)
{
    if (handle->kind == HANDLE_STREAM_END)
        stream_end_release(handle->rep);
    else if (handle->kind == HANDLE_WAITABLE_SET)
        waitable_set_free(handle->rep);
    else if (handle->kind == HANDLE_ERROR_CONTEXT)
        error_context_unref(handle->rep);
}

static void drop_pass(struct canon_call *call)
{
    struct handle_table *table = call->handles;
    for (uint32_t i = table->len; i-- > 1 && table->live > 0;) {
        const struct handle *handle = handle_table_get(table, i);
        if (!handle)
            continue;
        struct handle handle_was = *handle;
        if (handle->kind == HANDLE_OWN && !handle->is_guest) {
            if (drop_own(call, i) < 0 && call->error)
                error_done(call->error);
            continue;
        }
        handle_table_remove(table, i);
        if (!handle_was.type)
            release(&handle_was);
    }
}

void canon_drop_all(struct canon_call *call)
{
    call->teardown = true;
    // The order of indices is not quite the order of age, since indices are used again: a parent
    // that refuses while it has children goes in a later pass.
    for (uint32_t before = UINT32_MAX; call->handles->live > 0 && call->handles->live < before;) {
        before = call->handles->live;
        drop_pass(call);
    }
}

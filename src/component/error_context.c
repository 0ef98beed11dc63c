// SPDX-License-Identifier: Apache-2.0
#include "component/error_context.h"

#include "base/utf8.h"

struct error_context {
    uint32_t refs;
    size_t len;
    char text[];
};

// Cuts a long message at the begin of a character.
static size_t message_len(struct str message)
{
    size_t len = MIN(message.len, ERROR_CONTEXT_BYTES_MAX);
    while (len < message.len && len > 0 && ((unsigned char)message.data[len] & 0xc0) == 0x80)
        len--;
    return len;
}

struct error_context *error_context_new(struct str message)
{
    size_t len = message_len(message);
    struct error_context *context = mem_zalloc(sizeof(*context) + len);
    context->refs = 1;
    context->len = len;
    if (len > 0)
        memcpy(context->text, message.data, len);
    return context;
}

struct error_context *error_context_ref(struct error_context *context)
{
    context->refs++;
    return context;
}

void error_context_unref(struct error_context *context)
{
    if (context && --context->refs == 0)
        free(context);
}

struct str error_context_message(const struct error_context *context)
{
    return str_of(context->text, context->len);
}

static int find(struct canon_call *call, uint32_t index, struct handle **out)
{
    struct handle *handle = handle_table_get(call->handles, index);
    if (!handle)
        return canon_trap(call, "unknown handle index %u", index);
    if (handle->kind != HANDLE_ERROR_CONTEXT)
        return canon_trap(call, "handle %u is a %s, not an error context", index,
                          handle_kind_name(handle->kind));
    *out = handle;
    return 0;
}

int canon_lift_error_context(struct canon_call *call, uint32_t index, struct error_context **out)
{
    struct handle *handle;
    int rc = find(call, index, &handle);
    if (rc == 0)
        *out = error_context_ref(handle->rep);
    return rc;
}

int canon_lower_error_context(struct canon_call *call, struct error_context *context,
                              uint32_t *index)
{
    struct handle handle = {.rep = context, .kind = HANDLE_ERROR_CONTEXT};
    int rc = handle_table_add(call->handles, &handle, index);
    if (rc == 0)
        return 0;
    error_context_unref(context);
    return canon_trap_no_room(call);
}

int canon_drop_error_context(struct canon_call *call, uint32_t index)
{
    struct handle *handle;
    int rc = find(call, index, &handle);
    if (rc < 0)
        return rc;
    struct error_context *context = handle->rep;
    handle_table_remove(call->handles, index);
    error_context_unref(context);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Traps, memory, and the end of a call.
#include "component/canon.h"

#include <errno.h>
#include <stdarg.h>

#include "component/limit.h"

#define TRAP_TEXT_BYTES 512

int canon_trap(struct canon_call *call, const char *fmt, ...)
{
    char text[TRAP_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return error_set(call->error, -EFAULT, "%s", text);
}

int canon_trap_no_room(struct canon_call *call)
{
    const struct handle_quota *quota = call->handles->quota;
    return limit_reached(call->error, -EFAULT, LIMIT_HANDLES, quota ? quota->max : HANDLES_MAX);
}

__attribute__((cold)) static int trap_range(struct canon_call *call, uint32_t ptr, uint64_t size,
                                            uint32_t align)
{
    if (ptr & (align - 1))
        return canon_trap(call, "pointer 0x%x is not aligned to %u bytes", ptr, align);
    return canon_trap(call, "%llu bytes at 0x%x are outside the memory of %llu bytes",
                      (unsigned long long)size, ptr, (unsigned long long)call->memory_size);
}

static inline bool in_range(const struct canon_call *call, uint32_t ptr, uint64_t size,
                            uint32_t align)
{
    return (ptr & (align - 1)) == 0 && ptr + size <= call->memory_size;
}

int canon_check_range(struct canon_call *call, uint32_t ptr, uint32_t size, uint32_t align)
{
    return likely(in_range(call, ptr, size, align)) ? 0 : trap_range(call, ptr, size, align);
}

int canon_view(struct canon_call *call, uint32_t ptr, uint32_t count, uint32_t elem_size,
               uint32_t align, const void **out)
{
    static const _Alignas(16) char nothing[16];
    uint64_t size = (uint64_t)count * elem_size;
    if (unlikely(size > CANON_LIST_BYTES_MAX))
        return canon_trap(call, "a list of %llu bytes is longer than the limit of %u",
                          (unsigned long long)size, CANON_LIST_BYTES_MAX);
    if (unlikely(!in_range(call, ptr, size, align)))
        return trap_range(call, ptr, size, align);
    *out = call->memory ? (const void *)(call->memory + ptr) : nothing;
    return 0;
}

int canon_lift_char(struct canon_call *call, uint32_t value, uint32_t *out)
{
    if (unlikely(value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)))
        return canon_trap(call, "0x%x is not a Unicode scalar value", value);
    *out = value;
    return 0;
}

int canon_alloc(struct canon_call *call, uint32_t size, uint32_t align, uint32_t *ptr)
{
    if (unlikely(!call->ops || !call->ops->realloc))
        return canon_trap(call, "the component offers no realloc to receive %u bytes", size);
    uint32_t at = 0;
    bool may_leave = call->may_leave;
    call->may_leave = false;
    int rc = call->ops->realloc(call, 0, 0, align, size, &at);
    call->may_leave = may_leave;
    if (unlikely(rc < 0))
        return rc;
    if (unlikely(!in_range(call, at, size, align))) {
        rc = trap_range(call, at, size, align);
        if (call->error)
            error_wrap(call->error, "realloc returned a bad pointer");
        return rc;
    }
    *ptr = at;
    return 0;
}

int canon_lower_bytes(struct canon_call *call, const void *data, size_t count, uint32_t elem_size,
                      uint32_t align, uint32_t *ptr, uint32_t *len)
{
    size_t size;
    if (unlikely(__builtin_mul_overflow(count, (size_t)elem_size, &size) || count > UINT32_MAX ||
                 size > CANON_LIST_BYTES_MAX))
        return canon_trap(call, "a list of %zu elements of %u bytes is longer than the limit of %u",
                          count, elem_size, CANON_LIST_BYTES_MAX);
    uint32_t at;
    int rc = canon_alloc(call, (uint32_t)size, align, &at);
    if (unlikely(rc < 0))
        return rc;
    if (size > 0)
        memmove(call->memory + at, data, size); // it may be a view of the same memory
    *ptr = at;
    *len = (uint32_t)count;
    return 0;
}

static uint32_t lent_at(const struct canon_call *call, uint32_t i)
{
    const uint32_t in_place = ARRAY_LEN(call->lent);
    return i < in_place ? call->lent[i] : call->lent_more[i - in_place];
}

static void give_back(struct handle_table *handles, uint32_t index)
{
    struct handle *handle = handle_table_get(handles, index);
    if (handle && handle->lends > 0)
        handle->lends--;
}

void canon_call_end(struct canon_call *call)
{
    for (uint32_t i = 0; i < call->lent_count; i++)
        give_back(call->handles, lent_at(call, i));
    call->lent_count = 0;
    call->lent_more = NULL;
}

void canon_lends_keep(struct canon_call *call, struct canon_lends *out)
{
    *out = (struct canon_lends){0};
    if (call->lent_count == 0)
        return;
    out->items = mem_new_array(uint32_t, call->lent_count);
    for (uint32_t i = 0; i < call->lent_count; i++)
        out->items[out->count++] = lent_at(call, i);
    call->lent_count = 0;
    call->lent_more = NULL;
}

void canon_lends_return(struct canon_lends *lends, struct handle_table *handles)
{
    for (uint32_t i = 0; i < lends->count; i++)
        give_back(handles, lends->items[i]);
    free(lends->items);
    *lends = (struct canon_lends){0};
}

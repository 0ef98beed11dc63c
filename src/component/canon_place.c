// SPDX-License-Identifier: Apache-2.0
#include "component/canon_place.h"

int call_shape(struct canon_call *call, const struct func_type *type, bool async_lower,
               struct call_shape *out)
{
    struct call_shape shape = {.align = 1};
    uint64_t end = 0;
    uint32_t flat = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type_layout *layout = &type->params[i].type->layout;
        flat = MIN(flat + layout->flat_count, TYPE_FLAT_MAX + 1u);
        end = ((end + layout->align - 1) & ~(uint64_t)(layout->align - 1)) + layout->size;
        shape.align = MAX(shape.align, layout->align);
    }
    end = (end + shape.align - 1) & ~(uint64_t)(shape.align - 1);
    if (unlikely(end > UINT32_MAX))
        return canon_trap(call, "parameters of %llu bytes", (unsigned long long)end);
    shape.size = (uint32_t)end;
    shape.params_in_memory = flat > (async_lower ? FLAT_ASYNC_PARAMS_MAX : TYPE_FLAT_MAX);
    shape.flat_params = shape.params_in_memory ? 1 : flat;
    shape.result_in_memory =
        type->result && type->result->layout.flat_count > (async_lower ? 0 : 1);
    *out = shape;
    return 0;
}

int place_check_list(struct canon_call *call, const struct type *element, uint32_t ptr,
                     uint32_t count)
{
    const void *data;
    // Types of no size do not validate; as elements they would let a guest ask for endless work.
    if (unlikely(element->layout.size == 0 && count > 0))
        return canon_trap(call, "a list of elements without size");
    return canon_view(call, ptr, count, element->layout.size, element->layout.align, &data);
}

int place_alloc_list(struct canon_call *call, const struct type *element, uint32_t count,
                     uint32_t *ptr)
{
    uint64_t size = (uint64_t)count * element->layout.size;
    if (unlikely(size > CANON_LIST_BYTES_MAX))
        return canon_trap(call, "a list of %llu bytes is longer than the limit of %u",
                          (unsigned long long)size, CANON_LIST_BYTES_MAX);
    return canon_alloc(call, (uint32_t)size, element->layout.align, ptr);
}

int place_load_case(struct canon_call *call, const struct type *t, struct place at, uint32_t *index)
{
    uint32_t count = type_case_count(t);
    uint32_t value = (uint32_t)place_load(call, at, type_discriminant_size(count));
    if (unlikely(value >= count))
        return canon_trap(call, "case %u of a type with %u cases", value, count);
    *index = value;
    return 0;
}

void place_store_case(struct canon_call *call, const struct type *t, struct place at,
                      uint32_t index)
{
    place_store(call, at, type_discriminant_size(type_case_count(t)), index);
    if (!at.flat)
        return;
    const struct type *payload = type_case(t, index);
    for (uint32_t i = 1 + (payload ? payload->layout.flat_count : 0); i < t->layout.flat_count; i++)
        at.flat[i].u64 = 0;
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes: decode, plan, dump.
#include "base/buf.h"
#include "component/component.h"
#include "component/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ERROR(err);
    struct component *component;
    if (component_decode(str_of((const char *)data, size), &component, &err) < 0)
        return 0;
    struct plan *plan;
    if (plan_new(component, &plan, &err) == 0) {
        BUF(text, (size_t)256 << 20);
        plan_dump(plan, &text);
        plan_free(plan);
    }
    component_free(component);
    return 0;
}

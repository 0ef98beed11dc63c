// SPDX-License-Identifier: Apache-2.0
// Any bytes: decode, validate, plan, dump, world.
#include "base/buf.h"
#include "component/component.h"
#include "component/plan.h"
#include "component/validate.h"
#include "wit/wit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ERROR(err);
    struct component *component;
    if (component_decode(str_of((const char *)data, size), &component, &err) < 0)
        return 0;
    // Whatever is off by default is switched on, so that all of it is reached.
    struct component_features features = component_features_default();
    features.component_model_values = true;
    features.component_model_canonical_names = true;
    features.shared_everything_threads = true;
    (void)!component_validate(component, &features, &err);
    struct plan *plan;
    if (plan_new(component, &plan, &err) == 0) {
        BUF(text, (size_t)256 << 20);
        plan_dump(plan, &text);
        plan_free(plan);
    }
    struct arena arena = ARENA_INIT(SIZE_MAX);
    const struct wit_world *world;
    if (component_world(component, &arena, &world, NULL) == 0) {
        BUF(text, (size_t)256 << 20);
        wit_print_component_world(world, &text);
    }
    arena_done(&arena);
    component_free(component);
    return 0;
}

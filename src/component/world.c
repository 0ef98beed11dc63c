// SPDX-License-Identifier: Apache-2.0
// The imports and exports of a component as a WIT world. The planner evaluates the definitions, so
// that a type's definition is found through any number of aliases, instances and components.
#include "component/world_builder.h"

static const struct wit_world *make_world(struct arena *arena, const struct env *root)
{
    struct world_builder b;
    builder_init(&b, arena);
    struct built_package *package = builder_package(
        &b,
        &(struct wit_package){.ns = STR("root"), .name = STR("component"), .version = STR_EMPTY});
    struct built_world *world = builder_world(&b, STR("root"), root);
    world->pub.package = builder_public(package);
    builder_add_world(package, world);
    builder_publish(&b);
    builder_done(&b);
    return &world->pub;
}

int component_world(const struct component *component, struct arena *arena,
                    const struct wit_world **out, struct error *err)
{
    // The types go to the caller's arena: it is the plan's while the planner runs.
    struct plan plan = {.arena = *arena};
    plan.resources = arena_new_array(&plan.arena, struct plan_resource, PLAN_RESOURCES_MAX);
    struct planner p;
    planner_init(&p, &plan, err);
    p.types_only = true;
    struct env *root;
    int rc = planner_run(&p, component, &root);
    *arena = plan.arena;
    if (rc == 0)
        *out = make_world(arena, root);
    planner_done(&p);
    return rc;
}

// SPDX-License-Identifier: Apache-2.0
#include "component/plan.h"

#include <errno.h>
#include <stdarg.h>

#include "component/planner.h"

// "import `x`", "canonical definition": what the message is about.
static struct str definition_text(struct planner *p)
{
    static const char *const names[] = {
        [DEF_CORE_MODULE] = "core module",
        [DEF_CORE_INSTANCE] = "core instance",
        [DEF_CORE_TYPE] = "core type",
        [DEF_COMPONENT] = "component",
        [DEF_INSTANCE] = "instance",
        [DEF_ALIAS] = "alias",
        [DEF_TYPE] = "type",
        [DEF_CANON] = "canonical definition",
        [DEF_START] = "start",
        [DEF_IMPORT] = "import",
        [DEF_EXPORT] = "export",
        [DEF_VALUE] = "value",
    };
    const struct definition *def = p->def;
    struct str name = def->kind == DEF_IMPORT   ? def->import->name.name
                      : def->kind == DEF_EXPORT ? def->export->name.name
                      : def->kind == DEF_ALIAS  ? def->alias->name
                                                : STR_EMPTY;
    if (name.len == 0)
        return str_from(names[def->kind]);
    return arena_printf(&p->scratch, "%s `%.*s`", names[def->kind], (int)MIN(name.len, 200),
                        name.data);
}

int plan_fail(struct planner *p, int code, const char *fmt, ...)
{
    char message[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (!p->def)
        return error_set(p->err, code, "component: %s", message);
    struct str item = definition_text(p);
    return error_set(p->err, code, "component: byte 0x%zx (%.*s): %s", p->def->offset,
                     STR_ARG(item), message);
}

int plan_charge(struct planner *p, uint32_t amount)
{
    if (amount > p->work_left)
        return plan_fail(p, -E2BIG,
                         "component is too large: its instantiation takes more than %u steps",
                         PLAN_WORK_MAX);
    p->work_left -= amount;
    return 0;
}

void planner_init(struct planner *p, struct plan *plan, struct error *err)
{
    *p = (struct planner){
        .scratch = ARENA_INIT(SIZE_MAX), .plan = plan, .err = err, .work_left = PLAN_WORK_MAX};
    p->dtors = mem_new_array(const struct core_item *, PLAN_RESOURCES_MAX);
    memset(p->dtors, 0, PLAN_RESOURCES_MAX * sizeof(struct core_item *));
}

void planner_done(struct planner *p)
{
    free(p->dtors);
    vec_done(&p->steps);
    vec_done(&p->trampolines);
    vec_done(&p->component_envs);
    arena_done(&p->scratch);
}

int planner_run(struct planner *p, const struct component *component, struct env **root)
{
    int rc = plan_types_init(p);
    if (rc == 0)
        rc = plan_env_new(p, component, NULL, root);
    if (rc < 0)
        return rc;
    (void)plan_component_instance(p, *root);
    rc = plan_env_run(p, *root);
    p->def = NULL;
    return rc;
}

static int plan_run(struct planner *p, const struct component *component)
{
    struct env *root;
    int rc = planner_run(p, component, &root);
    if (rc == 0)
        rc = plan_drop_shims(p);
    if (rc == 0)
        rc = plan_finish(p, root);
    return rc;
}

int plan_new(const struct component *component, struct plan **out, struct error *err)
{
    struct plan *plan = mem_new(struct plan);
    plan->arena = ARENA_INIT(SIZE_MAX);
    // Types refer to resources by address, so their array is made at its full size; what is not
    // used is never touched.
    plan->resources = mem_new_array(struct plan_resource, PLAN_RESOURCES_MAX);
    struct planner p;
    planner_init(&p, plan, err);
    int rc = plan_run(&p, component);
    planner_done(&p);
    if (rc < 0) {
        plan_free(plan);
        return rc;
    }
    *out = plan;
    return 0;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    free(plan->resources);
    arena_done(&plan->arena);
    free(plan);
}

const struct plan_export *plan_find_export(const struct plan *plan, struct str interface,
                                           struct str name)
{
    for (uint32_t i = 0; i < plan->export_count; i++) {
        const struct plan_export *export = &plan->exports[i];
        if (str_eq(export->name, name) && interface_name_matches(interface, export->interface))
            return export;
    }
    return NULL;
}

// SPDX-License-Identifier: Apache-2.0
// Functions of asynchronous type: how arguments travel depends on the option `async` of the core
// function, and results are lowered when the handler is done, which may be later.
#include "bind.h"

#define FLAT_ASYNC_PARAMS_MAX 4

static const char *result_type(struct bind *b, const struct func_type *type)
{
    return bind_c_type(b, type->result);
}

// ---- imports ------------------------------------------------------------------------------------

// "int NAME(struct canon_call *call, struct host_job *job, ...)".
static void put_prototype(struct bind *b, struct buf *out, const char *name,
                          const struct func_type *type)
{
    uint32_t count = type->param_count;
    struct str *params = arena_new_array(&b->arena, struct str, count + 3);
    params[0] = STR("struct canon_call *call");
    params[1] = STR("struct host_job *job");
    glue_declare_params(b, type, params + 2);
    count += 2;
    if (type->result)
        params[count++] = str_from(
            bind_declare(b, bind_text(b, "%s*", bind_declare(b, result_type(b, type), "")), "ret"));
    bind_put_signature(out, bind_text(b, "int %s", name), params, count);
}

// The index of the flat argument that says where the result goes, as an expression.
static const char *result_slot(struct bind *b, const struct type *tuple)
{
    uint32_t flat = tuple->layout.flat_count;
    uint32_t sync = flat > TYPE_FLAT_MAX ? 1 : flat;
    uint32_t async = flat > FLAT_ASYNC_PARAMS_MAX ? 1 : flat;
    return sync == async ? bind_text(b, "%u", sync)
                         : bind_text(b, "call->is_async ? %u : %u", async, sync);
}

// Statements for one of the two ways, or for both in a condition.
static void lift_params(struct body *body, const struct func_type *type, const struct type *tuple)
{
    bool sync = tuple->layout.flat_count > TYPE_FLAT_MAX;
    bool async = tuple->layout.flat_count > FLAT_ASYNC_PARAMS_MAX;
    if (sync == async) {
        glue_lift_params(body, type, tuple, sync);
        return;
    }
    body_line(body, "if (call->is_async) {");
    body->indent++;
    glue_lift_params(body, type, tuple, true);
    body->indent--;
    body_line(body, "} else {");
    body->indent++;
    glue_lift_params(body, type, tuple, false);
    body->indent--;
    body_line(body, "}");
}

static void check_result(struct body *body, const struct func_type *type, const struct type *tuple)
{
    struct bind *b = body->bind;
    const struct type_layout *layout = &type->result->layout;
    const char *check = bind_text(b, "canon_check_range(call, flat[%s].u32, %u, %u)",
                                  result_slot(b, tuple), layout->size, layout->align);
    if (layout->flat_count <= 1)
        check = bind_text(b, "call->is_async ? %s : 0", check);
    body_step(body, glue_restore(b, type, type->param_count), check);
}

static void put_finish(struct bind *b, const char *name, const struct func_type *type,
                       const struct type *tuple)
{
    const struct type *result = type->result;
    struct body body;
    body_init(&body, b);
    body_line(&body, "union core_value *flat = job->subtask.args;");
    body_line(
        &body, "%s = job->result;",
        bind_declare(b, bind_text(b, "%s*", bind_declare(b, result_type(b, type), "")), "ret"));
    bool may_be_flat = result->layout.flat_count <= 1;
    if (may_be_flat) {
        body_line(&body, "if (!call->is_async) {");
        body.indent++;
        lower_value(&body, result, (struct place){true, "flat", 0}, "(*ret)", NULL);
        body_line(&body, "return 0;");
        body.indent--;
        body_line(&body, "}");
    }
    body_line(&body, "uint32_t to = flat[%s].u32;", result_slot(b, tuple));
    lower_value(&body, result, (struct place){false, "to", 0}, "(*ret)", NULL);
    body_finish(&body, &b->glue,
                bind_head(b, bind_text(b, "static int finish_%s", name), "struct canon_call *call",
                          "struct host_job *job", NULL),
                true);
}

static const char *handler_call(struct bind *b, const char *handler, const struct func_type *type)
{
    const char *call = bind_text(b, "%s(call, job", handler);
    for (uint32_t i = 0; i < type->param_count; i++)
        call = bind_text(b, "%s, %s%s", call, bind_by_pointer(type->params[i].type) ? "&" : "",
                         glue_param_name(b, type, i));
    return bind_text(b, "%s%s)", call, type->result ? ", job->result" : "");
}

static void put_call(struct bind *b, const char *name, const struct func_type *type,
                     const struct type *tuple)
{
    struct body body;
    body_init(&body, b);
    body_line(&body, "struct host_job *job = call->job;");
    glue_put_locals(&body, type);
    lift_params(&body, type, tuple);
    if (type->result) {
        check_result(&body, type, tuple);
        body_line(&body, "job->result = arena_alloc(&job->arena, sizeof(%s));",
                  result_type(b, type));
        body_line(&body, "job->finish = finish_%s;", name);
    }
    body.fails = true;
    body_line(&body, "rc = %s;", handler_call(b, name, type));
    body_line(&body, type->result ? "return rc == 0 ? finish_%s(call, job) : rc;" : "return rc;",
              name);
    body_finish(&body, &b->glue,
                bind_head(b, bind_text(b, "static int call_%s", name), "struct canon_call *call",
                          "union core_value *flat", NULL),
                false);
}

void glue_async_import(struct bind *b, const struct wit_interface *interface,
                       const struct wit_func *func)
{
    const char *name = bind_func_name(b, interface, func);
    struct type tuple = glue_params(b, &func->type);
    put_prototype(b, &b->protos, name, &func->type);
    buf_putf(&b->protos, ";\n");
    if (func->type.result)
        put_finish(b, name, &func->type, &tuple);
    put_call(b, name, &func->type, &tuple);
}

// ---- exports ------------------------------------------------------------------------------------

static void put_export_lower(struct bind *b, const char *name, const struct func_type *type)
{
    struct type tuple = glue_params(b, type);
    uint32_t count = type->param_count;
    struct str *params = arena_new_array(&b->arena, struct str, count + 2);
    params[0] = STR("struct canon_call *call");
    params[1] = STR("union core_value *flat");
    glue_declare_params(b, type, params + 2);
    BUF(head, BIND_OUTPUT_BYTES_MAX);
    bind_put_signature(&head, bind_text(b, "int %s_lower", name), params, count + 2);
    buf_putf(&b->protos, "%.*s;\n", STR_ARG(buf_str(&head)));
    struct body body;
    body_init(&body, b);
    glue_lower_params(&body, type, &tuple);
    body_finish(&body, &b->glue, arena_str(&b->arena, buf_str(&head)).data, true);
}

static void put_export_lift(struct bind *b, const char *name, const struct func_type *type)
{
    const struct type *result = type->result;
    const char *head = bind_head(
        b, bind_text(b, "int %s_lift", name), "struct canon_call *call",
        "const union core_value *flat", "uint32_t flat_max",
        bind_declare(b, bind_text(b, "%s*", bind_declare(b, result_type(b, type), "")), "ret"),
        NULL);
    buf_putf(&b->protos, "%s;\n", head);
    struct body body;
    body_init(&body, b);
    if (result->layout.flat_count <= TYPE_FLAT_MAX) {
        body_line(&body, "if (flat_max >= %u) {", result->layout.flat_count);
        body.indent++;
        lift_value(&body, result, (struct place){true, "flat", 0}, "(*ret)", true, NULL);
        body_line(&body, "return 0;");
        body.indent--;
        body_line(&body, "}");
    }
    body_line(&body, "const void *from = NULL;");
    body_step(&body, NULL,
              bind_text(b, "canon_view(call, flat[0].u32, 1, %u, %u, &from)", result->layout.size,
                        result->layout.align));
    body_line(&body, "const uint8_t *data = from;");
    lift_value(&body, result, (struct place){false, "data", 0}, "(*ret)", true, NULL);
    body_finish(&body, &b->glue, head, true);
}

void glue_async_export(struct bind *b, const struct wit_interface *interface,
                       const struct wit_func *func)
{
    const char *name = bind_func_name(b, interface, func);
    put_export_lower(b, name, &func->type);
    if (func->type.result)
        put_export_lift(b, name, &func->type);
}

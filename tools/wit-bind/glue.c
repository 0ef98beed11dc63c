// SPDX-License-Identifier: Apache-2.0
// One function per WIT function: between the flat values of a core call and typed C.
#include "bind.h"

// Parameters as one tuple: what lies in memory when there are too many for flat values.
struct type glue_params(struct bind *b, const struct func_type *type)
{
    struct type tuple = {
        .kind = TYPE_TUPLE, .fields = type->params, .field_count = type->param_count};
    if (type_compute_layout(&tuple) < 0)
        bind_fail(b, "the parameters are too large");
    return tuple;
}

static bool in_memory(const struct type *params)
{
    return params->layout.flat_count > TYPE_FLAT_MAX;
}

const char *glue_param_name(struct bind *b, const struct func_type *type, uint32_t i)
{
    return bind_param(b, type->params[i].name);
}

void glue_declare_params(struct bind *b, const struct func_type *type, struct str *out)
{
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type *t = type->params[i].type;
        const char *c_type = bind_c_type(b, t);
        if (bind_by_pointer(t))
            c_type = bind_text(b, "const %s *", c_type);
        out[i] = str_from(bind_declare(b, c_type, glue_param_name(b, type, i)));
    }
}

// Writes "int NAME(struct canon_call *call, ...)".
static void put_prototype(struct bind *b, struct buf *out, const char *name,
                          const struct func_type *type, bool is_export)
{
    VEC(struct str) params = {0};
    *vec_push(&params) = STR("struct canon_call *call");
    if (is_export)
        *vec_push(&params) = STR("const void *func");
    struct str *declared = arena_new_array(&b->arena, struct str, type->param_count);
    glue_declare_params(b, type, declared);
    for (uint32_t i = 0; i < type->param_count; i++)
        *vec_push(&params) = declared[i];
    if (type->result)
        *vec_push(&params) = str_from(bind_declare(
            b, bind_text(b, "%s*", bind_declare(b, bind_c_type(b, type->result), "")), "ret"));
    bind_put_signature(out, bind_text(b, "int %s", name), params.items, params.len);
    vec_done(&params);
}

// ---- imports
// -------------------------------------------------------------------------------------

// What is undone when a step behind parameters [0, count) fails.
const char *glue_restore(struct bind *b, const struct func_type *type, uint32_t count)
{
    const char *undo = NULL;
    while (count-- > 0)
        undo = owned_join(
            b, undo,
            owned_undo(b, "restore", type->params[count].type, glue_param_name(b, type, count)));
    return undo;
}

// Reads all parameters into locals.
void glue_lift_params(struct body *body, const struct func_type *type, const struct type *tuple,
                      bool is_memory)
{
    struct bind *b = body->bind;
    struct place from = {!is_memory, is_memory ? "at" : "flat", 0};
    if (!from.is_flat) {
        body_line(body, "const void *from = NULL;");
        body_step(body, NULL,
                  bind_text(b, "canon_view(call, flat[0].u32, 1, %u, %u, &from)",
                            tuple->layout.size, tuple->layout.align));
        body_line(body, "const uint8_t *at = from;");
    }
    uint32_t end = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type *t = type->params[i].type;
        const char *name = glue_param_name(b, type, i);
        const char *undo = lift_has_step(t) ? glue_restore(b, type, i) : NULL;
        lift_value(body, t, place_add(from, place_member(t, from.is_flat, &end)), name, false,
                   undo);
    }
}

void glue_put_locals(struct body *body, const struct func_type *type)
{
    struct bind *b = body->bind;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const char *c_type = bind_c_type(b, type->params[i].type);
        body_line(body, "%s = %s;", bind_declare(b, c_type, glue_param_name(b, type, i)),
                  bind_zero(c_type));
    }
}

static const char *handler_call(struct bind *b, const char *handler, const struct func_type *type)
{
    const char *call = bind_text(b, "%s(call", handler);
    for (uint32_t i = 0; i < type->param_count; i++)
        call = bind_text(b, "%s, %s%s", call, bind_by_pointer(type->params[i].type) ? "&" : "",
                         glue_param_name(b, type, i));
    return bind_text(b, "%s%s)", call, type->result ? ", &ret" : "");
}

static void put_import(struct bind *b, const char *handler, const char *name,
                       const struct func_type *type)
{
    struct body body;
    struct type tuple = glue_params(b, type);
    const struct type *result = type->result;
    bool through_pointer = result && result->layout.flat_count > 1;
    body_init(&body, b);
    glue_put_locals(&body, type);
    if (result)
        body_line(&body, "%s = %s;", bind_declare(b, bind_c_type(b, result), "ret"),
                  bind_zero(bind_c_type(b, result)));
    glue_lift_params(&body, type, &tuple, in_memory(&tuple));
    uint32_t slot = in_memory(&tuple) ? 1 : tuple.layout.flat_count;
    if (through_pointer) {
        body_line(&body, "uint32_t to = flat[%u].u32;", slot);
        body_step(&body, glue_restore(b, type, type->param_count),
                  bind_text(b, "canon_check_range(call, to, %u, %u)", result->layout.size,
                            result->layout.align));
    }
    body_step(&body, NULL, handler_call(b, handler, type));
    if (result)
        lower_value(&body, result,
                    (struct place){!through_pointer, through_pointer ? "to" : "flat", 0}, "ret",
                    NULL);
    body_finish(&body, &b->glue,
                bind_head(b, bind_text(b, "static int call_%s", name), "struct canon_call *call",
                          "union core_value *flat", NULL),
                true);
}

void glue_import(struct bind *b, const struct wit_interface *interface, const struct wit_func *func)
{
    const char *handler = bind_func_name(b, interface, func);
    put_prototype(b, &b->protos, handler, &func->type, false);
    buf_putf(&b->protos, ";\n");
    put_import(b, handler, handler, &func->type);
}

// ---- exports
// -------------------------------------------------------------------------------------

const char *glue_param_value(struct bind *b, const struct func_type *type, uint32_t i)
{
    const char *name = glue_param_name(b, type, i);
    return bind_by_pointer(type->params[i].type) ? bind_text(b, "(*%s)", name) : name;
}

// What is dropped when a step before parameter `first` fails.
static const char *drop_params(struct bind *b, const struct func_type *type, uint32_t first)
{
    const char *undo = NULL;
    for (uint32_t i = first; i < type->param_count; i++)
        undo = owned_join(
            b, undo, owned_undo(b, "drop", type->params[i].type, glue_param_value(b, type, i)));
    return undo;
}

void glue_lower_params(struct body *body, const struct func_type *type, const struct type *tuple)
{
    struct bind *b = body->bind;
    struct place to = {!in_memory(tuple), in_memory(tuple) ? "at" : "flat", 0};
    if (!to.is_flat) {
        body_line(body, "uint32_t at = 0;");
        body_step(body, drop_params(b, type, 0),
                  bind_text(b, "canon_alloc(call, %u, %u, &at)", tuple->layout.size,
                            tuple->layout.align));
    }
    uint32_t end = 0;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const struct type *t = type->params[i].type;
        lower_value(body, t, place_add(to, place_member(t, to.is_flat, &end)),
                    glue_param_value(b, type, i),
                    lower_has_step(t) ? drop_params(b, type, i + 1) : NULL);
    }
    if (!to.is_flat)
        body_line(body, "flat[0].u32 = at;");
}

static void lift_result(struct body *body, const struct type *result)
{
    struct place from = {true, "flat", 0};
    if (result->layout.flat_count > 1) {
        struct bind *b = body->bind;
        body_line(body, "const void *from = NULL;");
        body_step(body, NULL,
                  bind_text(b, "canon_view(call, flat[0].u32, 1, %u, %u, &from)",
                            result->layout.size, result->layout.align));
        body_line(body, "const uint8_t *data = from;");
        from = (struct place){false, "data", 0};
    }
    lift_value(body, result, from, "(*ret)", true, NULL);
}

void glue_export(struct bind *b, const struct wit_interface *interface, const struct wit_func *func)
{
    const char *name = bind_func_name(b, interface, func);
    const struct func_type *type = &func->type;
    struct type tuple = glue_params(b, type);
    struct body body;
    BUF(head, BIND_OUTPUT_BYTES_MAX);
    put_prototype(b, &head, name, type, true);
    buf_putf(&b->protos, "%.*s;\n", STR_ARG(buf_str(&head)));
    const char *signature = arena_str(&b->arena, buf_str(&head)).data;
    body_init(&body, b);
    body_line(&body, "// The engine's calls use all of it.");
    body_line(&body, "union core_value flat[TYPE_FLAT_MAX + 1];");
    body_line(&body, "memset(flat, 0, sizeof(flat));");
    glue_lower_params(&body, type, &tuple);
    body_step(&body, NULL, "call->ops->invoke(call, func, flat)");
    const char *undo = NULL;
    if (type->result) {
        lift_result(&body, type->result);
        undo = owned_undo(b, "restore", type->result, "(*ret)");
    }
    body_step(&body, undo, "call->ops->post_return(call, func, flat)");
    bool borrows = false;
    for (uint32_t i = 0; i < type->param_count; i++)
        borrows |= bind_has_borrow(type->params[i].type);
    if (borrows)
        body_step(&body, undo, "canon_check_borrows(call)");
    body_finish(&body, &b->glue, signature, true);
}

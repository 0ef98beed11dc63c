// SPDX-License-Identifier: Apache-2.0
// Types and functions of an interface or world (WIT.md "Items: type", "Handles").
#include "wit/model.h"

#include <errno.h>

#define FLAGS_MAX 32 // CanonicalABI.md "Flags"

// A type that was resolved, with what is not part of the published node.
struct resolved {
    const struct type *type;
    unsigned depth;
    bool has_borrow;
    enum gate gate; // of the first part that has one, if it has no name
    bool names_off; // a part is left out
};

struct context {
    struct wit_resolve *resolve;
    struct owner *owner;
    struct error *err;
    struct wit_pos unnamed; // of the first type without a name inside the one being resolved
};

static int resolve_type(struct context *c, const struct ast_type *ast, unsigned depth,
                        struct resolved *out);

static int finish_type(struct context *c, struct type *type, struct wit_pos pos)
{
    if (type_compute_layout(type) < 0)
        return wit_fail(pos, c->err, "a value of this type does not fit in 32 bits of memory");
    return 0;
}

// Resolves a part and takes its facts over to the whole.
static int resolve_part(struct context *c, const struct ast_type *ast, unsigned depth,
                        const struct type **out, struct resolved *whole)
{
    if (!ast)
        return 0;
    struct resolved part;
    int r = resolve_type(c, ast, depth, &part);
    if (r < 0)
        return r;
    whole->depth = MAX(whole->depth, part.depth + 1);
    whole->has_borrow |= part.has_borrow;
    whole->names_off |= part.gate == GATE_OFF;
    if (whole->gate == GATE_NONE)
        whole->gate = part.gate;
    *out = part.type;
    return 0;
}

int owner_find_type(struct wit_resolve *resolve, struct owner *owner, const struct ast_name *name,
                    struct typedef_node **out, struct error *err)
{
    void *found = map_get(&owner->names, name_key(&resolve->arena, name->text));
    struct typedef_node *node = found == owner ? NULL : found;
    if (!node || !str_eq(node->pub.name, name->text))
        return wit_fail(name->pos, err,
                        found == owner ? "`%.*s` is a function, not a type"
                                       : "type `%.*s` is not defined here",
                        STR_ARG(name->text));
    *out = node;
    return 0;
}

static int find_typedef(struct context *c, const struct ast_name *name, unsigned depth,
                        struct typedef_node **out)
{
    struct typedef_node *node;
    int r = owner_find_type(c->resolve, c->owner, name, &node, c->err);
    if (r == 0)
        r = owner_typedef(c->resolve, node, depth + 1, c->err);
    if (r == 0)
        *out = node;
    return r;
}

static int resolve_handle(struct context *c, const struct ast_type *ast, unsigned depth,
                          struct resolved *out)
{
    struct typedef_node *node;
    int r = find_typedef(c, &ast->name, depth, &node);
    if (r < 0)
        return r;
    if (!node->pub.resource)
        return wit_fail(ast->name.pos, c->err, "`%.*s` is not a resource", STR_ARG(ast->name.text));
    *out = (struct resolved){
        .type = node->node, .depth = 1, .has_borrow = ast->kind == TYPE_BORROW, .gate = node->gate};
    if (ast->kind == TYPE_OWN)
        return 0;
    struct type *type = arena_new(&c->resolve->arena, struct type);
    type->kind = TYPE_BORROW;
    type->name = STR_EMPTY;
    type->resource = node->pub.resource;
    type->resource_def = &node->pub;
    out->type = type;
    return finish_type(c, type, ast->pos);
}

static int resolve_tuple(struct context *c, const struct ast_type *ast, unsigned depth,
                         struct type *type, struct resolved *out)
{
    struct type_field *fields = arena_new_array(&c->resolve->arena, struct type_field, ast->length);
    const struct ast_type *element = ast->element;
    for (uint32_t i = 0; i < ast->length; i++, element = element->next) {
        fields[i].name = STR_EMPTY;
        int r = resolve_part(c, element, depth + 1, &fields[i].type, out);
        if (r < 0)
            return r;
    }
    type->fields = fields;
    type->field_count = ast->length;
    return 0;
}

static int resolve_builtin(struct context *c, const struct ast_type *ast, unsigned depth,
                           struct resolved *out)
{
    *out = (struct resolved){.depth = 1};
    if (ast->kind <= TYPE_ERROR_CONTEXT) {
        out->type = type_primitive(ast->kind);
        return 0;
    }
    if (ast->kind == TYPE_OWN || ast->kind == TYPE_BORROW)
        return resolve_handle(c, ast, depth, out);
    struct type *type = arena_new(&c->resolve->arena, struct type);
    type->kind = ast->kind;
    type->name = STR_EMPTY;
    int r;
    if (ast->kind == TYPE_TUPLE) {
        r = resolve_tuple(c, ast, depth, type, out);
    } else {
        type->length = ast->length;
        r = resolve_part(c, ast->element, depth + 1, &type->element, out);
        if (r == 0)
            r = resolve_part(c, ast->error, depth + 1, &type->error, out);
    }
    if (r < 0)
        return r;
    if (out->has_borrow && (ast->kind == TYPE_STREAM || ast->kind == TYPE_FUTURE))
        return wit_fail(ast->pos, c->err, "a stream or future does not carry borrowed handles");
    out->type = type;
    return finish_type(c, type, ast->pos);
}

// `depth` is the nesting above; it bounds the recursion through names that come later in the text.
static int resolve_shape(struct context *c, const struct ast_type *ast, unsigned depth,
                         struct resolved *out)
{
    int r;
    if (depth >= TYPE_DEPTH_MAX)
        return wit_fail(ast->pos, c->err, "types are nested deeper than %d", TYPE_DEPTH_MAX);
    if (ast->form == AST_TYPE_BUILTIN) {
        r = resolve_builtin(c, ast, depth, out);
    } else {
        struct typedef_node *node;
        r = find_typedef(c, &ast->name, depth, &node);
        if (r == 0)
            *out = (struct resolved){node->node, node->depth, node->has_borrow, node->gate, false};
    }
    if (r == 0 && depth + out->depth > TYPE_DEPTH_MAX)
        return wit_fail(ast->pos, c->err, "types are nested deeper than %d", TYPE_DEPTH_MAX);
    return r;
}

// A type without a name is left out with the first of its parts that has a gate; if that one stays,
// the others do.
static int resolve_type(struct context *c, const struct ast_type *ast, unsigned depth,
                        struct resolved *out)
{
    int r = resolve_shape(c, ast, depth, out);
    if (ast->form == AST_TYPE_BUILTIN && ast->kind > TYPE_ERROR_CONTEXT && !c->unnamed.source)
        c->unnamed = ast->pos;
    if (r == 0 && out->names_off && out->gate != GATE_OFF && !c->owner->fault.source)
        c->owner->fault = ast->pos;
    return r;
}

// There is one node a name, so that text shows the name that was written.
static const struct type *named_node(struct context *c, struct typedef_node *node,
                                     const struct type *type)
{
    struct type *copy = arena_new(&c->resolve->arena, struct type);
    *copy = *type;
    copy->name = node->pub.name;
    copy->def = node->pub.resource ? NULL : &node->pub;
    if (node->pub.resource)
        copy->resource_def = &node->pub;
    return copy;
}

static int set_alias(struct context *c, struct typedef_node *node, const struct typedef_node *of)
{
    node->aliases = of->owner == node->owner ? of->aliases + 1 : 0;
    if (node->aliases > TYPE_DEPTH_MAX)
        return wit_fail(node->pos, c->err, "type `%.*s` is reached through more than %d others",
                        STR_ARG(node->pub.name), TYPE_DEPTH_MAX);
    if (of->gate == GATE_OFF)
        node->fault = node->pos;
    node->pub.alias_of = &of->pub;
    node->pub.resource = of->pub.resource;
    node->depth = of->depth;
    node->has_borrow = of->has_borrow;
    node->node = named_node(c, node, of->node);
    return 0;
}

static bool is_foreign(const struct typedef_node *node)
{
    return node->used->owner.scope->package != node->owner->scope->package;
}

static int resolve_resource(struct context *c, struct typedef_node *node)
{
    struct resource_type *resource = arena_new(&c->resolve->arena, struct resource_type);
    resource->interface = c->owner->interface ? c->owner->interface->id : STR_EMPTY;
    resource->name = node->pub.name;
    node->pub.resource = resource;
    struct type *own = arena_new(&c->resolve->arena, struct type);
    own->kind = TYPE_OWN;
    own->name = node->pub.name;
    own->resource = resource;
    own->resource_def = &node->pub;
    node->node = own;
    node->depth = 1;
    return finish_type(c, own, node->pos);
}

// What is left out may name what another package does not have; it may be a resource.
static int resolve_nothing(struct context *c, struct typedef_node *node)
{
    node->used = NULL;
    return resolve_resource(c, node);
}

static int resolve_use(struct context *c, struct typedef_node *node)
{
    const struct ast_name *name = node->source;
    if (!node->used)
        return resolve_nothing(c, node);
    struct str key = name_key(&c->resolve->arena, name->text);
    const struct owner *from = &node->used->owner;
    void *found = map_get(&from->names, key);
    struct typedef_node *of = found == from ? NULL : found;
    if (!of || !str_eq(of->pub.name, name->text)) {
        if (node->gate == GATE_OFF && is_foreign(node))
            return resolve_nothing(c, node);
        return wit_fail(name->pos, c->err, "interface `%.*s` has no type `%.*s`",
                        STR_ARG(node->used->pub.id), STR_ARG(name->text));
    }
    int r = set_alias(c, node, of);
    if (r == 0 && node->fault.source)
        node->fault = name->pos;
    return r;
}

static int resolve_alias(struct context *c, struct typedef_node *node, unsigned depth)
{
    const struct ast_type *ast = node->ast->type;
    if (ast->form == AST_TYPE_NAME) {
        struct typedef_node *of;
        int r = find_typedef(c, &ast->name, depth, &of);
        return r < 0 ? r : set_alias(c, node, of);
    }
    struct resolved type;
    int r = resolve_shape(c, ast, depth, &type);
    if (r < 0)
        return r;
    if (type.names_off || type.gate == GATE_OFF)
        node->fault = node->pos;
    node->depth = type.depth;
    node->has_borrow = type.has_borrow;
    node->node = named_node(c, node, type.type);
    return 0;
}

static int check_members(struct context *c, const struct typedef_node *node)
{
    const struct ast_item *ast = node->ast;
    if (ast->fields.count == 0)
        return wit_fail(node->pos, c->err, "type `%.*s` has no members", STR_ARG(node->pub.name));
    if (ast->kind != AST_FLAGS || ast->fields.count <= FLAGS_MAX)
        return 0;
    const struct ast_field *field = ast->fields.first;
    for (uint32_t i = 0; i < FLAGS_MAX; i++)
        field = field->next;
    return wit_fail(field->name.pos, c->err, "`%.*s` has %u flags; at most %d are supported",
                    STR_ARG(node->pub.name), ast->fields.count, FLAGS_MAX);
}

// Fields, cases or parameters, at `out`; names must differ. `fault` gets the place of the first
// whose type is left out.
static int resolve_fields(struct context *c, const struct ast_fields *ast, unsigned depth,
                          struct type_field *out, struct resolved *whole, struct wit_pos *fault)
{
    _cleanup_(map_done) struct map seen = {0};
    for (const struct ast_field *field = ast->first; field; field = field->next, out++) {
        struct str key = name_key(&c->resolve->arena, field->name.text);
        if (map_put(&seen, key, out))
            return wit_fail(field->name.pos, c->err,
                            "`%.*s` is there twice (case and hyphens do not count)",
                            STR_ARG(field->name.text));
        out->name = field->name.text;
        int r = resolve_part(c, field->type, depth, &out->type, whole);
        if (r < 0)
            return r;
        if (whole->names_off && !fault->source)
            *fault = field->name.pos;
    }
    return 0;
}

static const struct str *member_docs(struct context *c, const struct ast_fields *fields)
{
    struct str *docs = NULL;
    uint32_t i = 0;
    for (const struct ast_field *field = fields->first; field; field = field->next, i++) {
        if (field->docs.len == 0)
            continue;
        if (!docs)
            docs = arena_new_array(&c->resolve->arena, struct str, fields->count);
        docs[i] = field->docs;
    }
    return docs;
}

static int resolve_members(struct context *c, struct typedef_node *node, unsigned depth)
{
    static const enum type_kind kinds[] = {
        [AST_RECORD] = TYPE_RECORD,
        [AST_VARIANT] = TYPE_VARIANT,
        [AST_ENUM] = TYPE_ENUM,
        [AST_FLAGS] = TYPE_FLAGS,
    };
    const struct ast_item *ast = node->ast;
    int r = check_members(c, node);
    if (r < 0)
        return r;
    struct type *type = arena_new(&c->resolve->arena, struct type);
    type->kind = kinds[ast->kind];
    type->name = node->pub.name;
    type->def = &node->pub;
    type->field_count = ast->fields.count;
    struct type_field *fields =
        arena_new_array(&c->resolve->arena, struct type_field, ast->fields.count);
    struct resolved whole = {.type = type, .depth = 1};
    if ((r = resolve_fields(c, &ast->fields, depth + 1, fields, &whole, &node->fault)) < 0)
        return r;
    if (whole.names_off && ast->kind != AST_RECORD)
        node->fault = node->pos;
    type->fields = fields;
    node->pub.member_docs = member_docs(c, &ast->fields);
    node->node = type;
    node->depth = whole.depth;
    node->has_borrow = whole.has_borrow;
    return finish_type(c, type, node->pos);
}

static int resolve_typedef(struct context *c, struct typedef_node *node, unsigned depth)
{
    if (!node->ast)
        return resolve_use(c, node);
    switch (node->ast->kind) {
    case AST_ALIAS:
        return resolve_alias(c, node, depth);
    case AST_RECORD:
    case AST_VARIANT:
    case AST_ENUM:
    case AST_FLAGS:
        return resolve_members(c, node, depth);
    case AST_RESOURCE:
        return resolve_resource(c, node);
    case AST_USE:
    case AST_FUNC:
    case AST_IMPORT:
    case AST_EXPORT:
    case AST_INCLUDE:
        break;
    }
    return wit_fail(node->pos, c->err, "`%.*s` is not a type", STR_ARG(node->pub.name));
}

int owner_typedef(struct wit_resolve *resolve, struct typedef_node *node, unsigned depth,
                  struct error *err)
{
    if (node->state == NODE_DONE)
        return 0;
    if (depth > TYPE_DEPTH_MAX)
        return wit_fail(node->pos, err, "type `%.*s` is reached through more than %d others",
                        STR_ARG(node->pub.name), TYPE_DEPTH_MAX);
    struct context c = {.resolve = resolve, .owner = node->owner, .err = err};
    node->state = NODE_OPEN;
    int r = resolve_typedef(&c, node, depth);
    node->unnamed = c.unnamed;
    if (r < 0)
        return r;
    node->state = NODE_DONE;
    node->pub.type = node->node->kind == TYPE_OWN && node->pub.resource ? NULL : node->node;
    return 0;
}

static int refuse_twice(struct context *c, const struct ast_name *name)
{
    return wit_fail(name->pos, c->err,
                    "`%.*s` is defined more than once (case and hyphens do not count)",
                    STR_ARG(name->text));
}

static int declare(struct context *c, const struct ast_name *name, void *value)
{
    struct str key = name_key(&c->resolve->arena, name->text);
    if (map_get(&c->owner->names, key))
        return refuse_twice(c, name);
    map_put(&c->owner->names, key, value);
    return 0;
}

static int declare_type(struct context *c, const struct ast_item *ast, const struct ast_name *name,
                        struct typedef_node **out)
{
    struct typedef_node *node = arena_new(&c->resolve->arena, struct typedef_node);
    node->pub.name = name->text;
    node->pub.docs = ast->docs;
    node->pub.stability = ast->stability;
    node->pub.interface = c->owner->interface;
    node->owner = c->owner;
    node->pos = name->pos;
    node->gate = gate_of(c->resolve, &ast->stability);
    *vec_push(&c->owner->types) = node;
    *out = node;
    return declare(c, name, node);
}

static int declare_use(struct context *c, const struct ast_item *ast)
{
    struct decl *decl = NULL;
    int r = scope_find(c->resolve, c->owner->scope, &ast->path, AST_INTERFACE, &decl, c->err);
    if (r < 0 && !resolve_enabled(c->resolve, &ast->stability))
        r = 0; // order_decls() refuses what may not be missing
    for (struct ast_rename *name = ast->renames; name && r == 0; name = name->next) {
        struct typedef_node *node;
        r = declare_type(c, ast, &name->to, &node);
        node->source = &name->from;
        node->used = decl ? decl->interface : NULL;
        node->pub.is_use = true;
        // What was used comes first in the order of dependency, so it is resolved.
        if (r == 0)
            r = owner_typedef(c->resolve, node, 1, c->err);
    }
    return r;
}

static int declare_item(struct context *c, const struct ast_item *ast)
{
    struct typedef_node *node;
    int r;
    switch (ast->kind) {
    case AST_USE:
        return declare_use(c, ast);
    case AST_ALIAS:
    case AST_RECORD:
    case AST_VARIANT:
    case AST_ENUM:
    case AST_FLAGS:
    case AST_RESOURCE:
        r = declare_type(c, ast, &ast->name, &node);
        node->ast = ast;
        return r;
    case AST_FUNC:
    case AST_IMPORT:
    case AST_EXPORT:
    case AST_INCLUDE:
        break;
    }
    return 0;
}

static struct str func_symbol(struct arena *arena, const struct ast_func *ast,
                              const struct typedef_node *resource)
{
    switch (ast->kind) {
    case WIT_FUNC_METHOD:
    case WIT_FUNC_STATIC:
        return arena_printf(arena, "[%s]%.*s.%.*s",
                            ast->kind == WIT_FUNC_METHOD ? "method" : "static",
                            STR_ARG(resource->pub.name), STR_ARG(ast->name.text));
    case WIT_FUNC_CONSTRUCTOR:
        return arena_printf(arena, "[constructor]%.*s", STR_ARG(resource->pub.name));
    case WIT_FUNC_FREE:
        break;
    }
    return ast->name.text;
}

static int func_params(struct context *c, const struct ast_func *ast,
                       const struct typedef_node *resource, struct func_type *type,
                       struct func_node *out)
{
    bool has_self = ast->kind == WIT_FUNC_METHOD;
    struct type_field *params =
        arena_new_array(&c->resolve->arena, struct type_field, ast->params.count + has_self);
    struct resolved whole = {0};
    int r = 0;
    if (has_self) {
        struct ast_type self = {.form = AST_TYPE_BUILTIN,
                                .kind = TYPE_BORROW,
                                .name = {resource->pub.name, resource->pos},
                                .pos = resource->pos};
        params[0].name = STR("self");
        r = resolve_part(c, &self, 0, &params[0].type, &whole);
        if (r < 0)
            return r;
        for (const struct ast_field *f = ast->params.first; f; f = f->next)
            if (str_is(name_key(&c->resolve->arena, f->name.text), "self"))
                return wit_fail(f->name.pos, c->err, "a method has a parameter `self` already");
    }
    type->params = params;
    type->param_count = ast->params.count + has_self;
    struct wit_pos fault = {NULL, 0};
    r = resolve_fields(c, &ast->params, 0, params + has_self, &whole, &fault);
    out->names_off |= whole.names_off;
    return r;
}

// A constructor's result is a result<> whose success is the resource.
static int check_constructor(struct context *c, const struct ast_func *ast,
                             const struct typedef_node *resource, const struct type *result)
{
    bool is_result = result->kind == TYPE_RESULT && result->element;
    const struct type *ok = is_result ? result->element : NULL;
    if (ok && ok->kind == TYPE_OWN && !ok->def && ok->resource_def == &resource->pub)
        return 0;
    const struct ast_type *at = ast->result;
    if (is_result && at->form == AST_TYPE_BUILTIN)
        at = at->element;
    return wit_fail(at->pos, c->err, "a constructor returns nothing or result<%.*s, ...>",
                    STR_ARG(resource->pub.name));
}

static int func_result(struct context *c, const struct ast_func *ast,
                       const struct typedef_node *resource, struct func_type *type,
                       struct func_node *out)
{
    if (!ast->result) {
        if (ast->kind == WIT_FUNC_CONSTRUCTOR)
            type->result = resource->node;
        return 0;
    }
    struct resolved whole = {0};
    int r = resolve_part(c, ast->result, 0, &type->result, &whole);
    if (r < 0)
        return r;
    out->names_off |= whole.names_off;
    out->returns_borrow = whole.has_borrow;
    return ast->kind == WIT_FUNC_CONSTRUCTOR ? check_constructor(c, ast, resource, type->result)
                                             : 0;
}

int owner_func(struct wit_resolve *resolve, struct owner *owner, const struct ast_func *ast,
               const struct typedef_node *resource, struct func_node *out, struct error *err)
{
    struct context c = {.resolve = resolve, .owner = owner, .err = err};
    struct func_node node = {.pos = ast->name.pos};
    struct wit_func *func = arena_new(&resolve->arena, struct wit_func);
    func->name = ast->kind == WIT_FUNC_CONSTRUCTOR ? resource->pub.name : ast->name.text;
    func->symbol = func_symbol(&resolve->arena, ast, resource);
    func->docs = ast->docs;
    func->stability = ast->stability;
    func->kind = ast->kind;
    func->resource = resource ? &resource->pub : NULL;
    func->type.is_async = ast->is_async;
    node.names_off = resource && resource->gate == GATE_OFF;
    int r = func_params(&c, ast, resource, &func->type, &node);
    if (r == 0)
        r = func_result(&c, ast, resource, &func->type, &node);
    node.func = func;
    if (r == 0)
        *out = node;
    return r;
}

// The functions of a resource; a name is there once (constructor: one).
static int resource_funcs(struct context *c, const struct ast_item *item)
{
    _cleanup_(map_done) struct map seen = {0};
    struct typedef_node *resource =
        map_get(&c->owner->names, name_key(&c->resolve->arena, item->name.text));
    for (const struct ast_func *ast = item->funcs; ast; ast = ast->next) {
        int r = gate_check_attributes(&ast->stability, ast->stability_pos, c->err);
        if (r < 0)
            return r;
        struct str key = ast->kind == WIT_FUNC_CONSTRUCTOR
                             ? STR("(constructor)")
                             : name_key(&c->resolve->arena, ast->name.text);
        if (map_put(&seen, key, resource))
            return wit_fail(ast->name.pos, c->err,
                            ast->kind == WIT_FUNC_CONSTRUCTOR
                                ? "resource `%.*s` has two constructors"
                                : "resource `%.*s` has two functions of this name",
                            STR_ARG(item->name.text));
        // Explainer.md "strongly-unique": `[method]r.r` is `r` without its annotation.
        if (ast->kind != WIT_FUNC_CONSTRUCTOR &&
            str_eq(key, name_key(&c->resolve->arena, item->name.text)))
            return wit_fail(ast->name.pos, c->err, "`%.*s` has the name of its resource",
                            STR_ARG(ast->name.text));
        struct func_node func;
        if ((r = owner_func(c->resolve, c->owner, ast, resource, &func, c->err)) < 0)
            return r;
        *vec_push(&c->owner->funcs) = func;
    }
    return 0;
}

static int item_funcs(struct context *c, const struct ast_item *item, struct map *seen)
{
    if (item->kind == AST_RESOURCE)
        return resource_funcs(c, item);
    if (item->kind != AST_FUNC)
        return 0;
    struct func_node func;
    int r = gate_check_attributes(&item->stability, item->stability_pos, c->err);
    if (r == 0)
        r = owner_func(c->resolve, c->owner, item->funcs, NULL, &func, c->err);
    if (r < 0)
        return r;
    struct str key = name_key(&c->resolve->arena, item->name.text);
    if (map_put(seen, key, c->owner) || map_get(&c->owner->names, key) != c->owner)
        return refuse_twice(c, &item->name);
    *vec_push(&c->owner->funcs) = func;
    return 0;
}

// Types first: of a type and a function of one name the function is the one too many.
static int declare_items(struct context *c, const struct ast_item *items)
{
    const struct ast_item *item;
    int r = 0;
    for (item = items; item && r == 0; item = item->next)
        r = declare_item(c, item);
    for (item = items; item && r == 0; item = item->next) {
        if (item->kind != AST_FUNC)
            continue;
        struct str key = name_key(&c->resolve->arena, item->name.text);
        if (!map_get(&c->owner->names, key))
            map_put(&c->owner->names, key, c->owner);
    }
    return r;
}

static bool is_type(const struct ast_item *item)
{
    return item->kind == AST_USE || (item->kind >= AST_ALIAS && item->kind <= AST_RESOURCE);
}

int owner_resolve(struct wit_resolve *resolve, struct owner *owner, const struct ast_item *items,
                  struct error *err)
{
    struct context c = {.resolve = resolve, .owner = owner, .err = err};
    const struct ast_item *item;
    int r = declare_items(&c, items);
    if (r == 0)
        r = owner_order_types(resolve, owner, err);
    for (item = items; item && r == 0; item = item->next)
        if (is_type(item))
            r = gate_check_attributes(&item->stability, item->stability_pos, err);
    for (size_t i = 0; i < owner->types.len && r == 0; i++)
        r = owner_typedef(resolve, owner->types.items[i], 0, err);
    _cleanup_(map_done) struct map seen = {0};
    for (item = items; item && r == 0; item = item->next)
        r = item_funcs(&c, item, &seen);
    return r;
}

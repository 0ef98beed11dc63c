// SPDX-License-Identifier: Apache-2.0
// Structural equality of types. Types of a hostile component share nodes, so that a plain walk
// over two of them could take exponential time: pairs found equal are remembered.
#include "wit/type.h"

#include "base/map.h"

struct node_pair {
    const struct type *want;
    const struct type *have;
};

struct comparison {
    resource_eq same;
    void *data;
    struct arena *arena; // of the phrase
    struct str *why;
    struct map equal;   // struct node_pair -> itself
    struct arena pairs; // keys of `equal`
};

static bool differ(struct comparison *cmp, struct str why)
{
    if (cmp->why)
        *cmp->why = why;
    return false;
}

// "u64, not u32": what it is, then what was wanted.
static bool differ_types(struct comparison *cmp, const struct type *want, const struct type *have)
{
    if (!cmp->why)
        return false;
    struct str is = have ? type_to_text(have, cmp->arena) : STR("nothing");
    struct str not = want ? type_to_text(want, cmp->arena) : STR("nothing");
    return differ(cmp, arena_printf(cmp->arena, "%.*s, not %.*s", STR_ARG(is), STR_ARG(not )));
}

// Puts the place before the phrase: "field `seconds`: ...".
static bool differ_at(struct comparison *cmp, const char *what, struct str name)
{
    if (cmp->why)
        *cmp->why =
            arena_printf(cmp->arena, "%s `%.*s`: %.*s", what, STR_ARG(name), STR_ARG(*cmp->why));
    return false;
}

static bool differ_in(struct comparison *cmp, const char *what)
{
    if (cmp->why)
        *cmp->why = arena_printf(cmp->arena, "%s: %.*s", what, STR_ARG(*cmp->why));
    return false;
}

static bool nodes_equal(struct comparison *cmp, const struct type *want, const struct type *have);

static bool optional_equal(struct comparison *cmp, const struct type *want, const struct type *have,
                           const char *what)
{
    if (!want && !have)
        return true;
    if (want && have ? nodes_equal(cmp, want, have) : differ_types(cmp, want, have))
        return true;
    return differ_in(cmp, what);
}

static const char *member_word(enum type_kind kind)
{
    return kind == TYPE_RECORD ? "field" : kind == TYPE_FLAGS ? "flag" : "case";
}

static bool field_equal(struct comparison *cmp, const char *word, const struct type_field *want,
                        const struct type_field *have)
{
    if (!str_eq(want->name, have->name))
        return cmp->why && differ(cmp, arena_printf(cmp->arena, "%s `%.*s`, not `%.*s`", word,
                                                    STR_ARG(have->name), STR_ARG(want->name)));
    if (!want->type && !have->type)
        return true;
    if (want->type && have->type ? nodes_equal(cmp, want->type, have->type)
                                 : differ_types(cmp, want->type, have->type))
        return true;
    return differ_at(cmp, word, want->name);
}

static bool members_equal(struct comparison *cmp, const struct type *want, const struct type *have)
{
    const char *word = member_word(want->kind);
    uint32_t common = MIN(want->field_count, have->field_count);
    for (uint32_t i = 0; i < common; i++)
        if (!field_equal(cmp, word, &want->fields[i], &have->fields[i]))
            return false;
    if (want->field_count == have->field_count)
        return true;
    if (!cmp->why)
        return false;
    bool missing = want->field_count > common;
    struct str name = (missing ? want : have)->fields[common].name;
    return differ(cmp, arena_printf(cmp->arena, "%s `%.*s` is %s", word, STR_ARG(name),
                                    missing ? "missing" : "unexpected"));
}

static bool tuples_equal(struct comparison *cmp, const struct type *want, const struct type *have)
{
    if (want->field_count != have->field_count)
        return differ_types(cmp, want, have);
    for (uint32_t i = 0; i < want->field_count; i++)
        if (!nodes_equal(cmp, want->fields[i].type, have->fields[i].type))
            return cmp->why &&
                   differ(cmp, arena_printf(cmp->arena, "element %u: %.*s", i, STR_ARG(*cmp->why)));
    return true;
}

static bool resources_equal(struct comparison *cmp, const struct type *want,
                            const struct type *have)
{
    bool equal = cmp->same ? cmp->same(want->resource, have->resource, cmp->data)
                           : want->resource == have->resource;
    if (equal || !cmp->why)
        return equal;
    const struct resource_type *w = want->resource, *h = have->resource;
    return differ(cmp, arena_printf(cmp->arena,
                                    "resource `%.*s` of `%.*s`, not resource `%.*s` of `%.*s`",
                                    STR_ARG(h->name), STR_ARG(h->interface), STR_ARG(w->name),
                                    STR_ARG(w->interface)));
}

static bool structure_equal(struct comparison *cmp, const struct type *want,
                            const struct type *have)
{
    switch (want->kind) {
    case TYPE_LIST:
    case TYPE_OPTION:
    case TYPE_STREAM:
    case TYPE_FUTURE:
        return optional_equal(cmp, want->element, have->element, "element");
    case TYPE_FIXED_LIST:
        return want->length == have->length
                   ? optional_equal(cmp, want->element, have->element, "element")
                   : differ_types(cmp, want, have);
    case TYPE_RESULT:
        return optional_equal(cmp, want->element, have->element, "ok") &&
               optional_equal(cmp, want->error, have->error, "error");
    case TYPE_MAP:
        return optional_equal(cmp, want->element, have->element, "key") &&
               optional_equal(cmp, want->error, have->error, "value");
    case TYPE_RECORD:
    case TYPE_VARIANT:
    case TYPE_ENUM:
    case TYPE_FLAGS:
        return members_equal(cmp, want, have);
    case TYPE_TUPLE:
        return tuples_equal(cmp, want, have);
    case TYPE_OWN:
    case TYPE_BORROW:
        return resources_equal(cmp, want, have);
    case TYPE_BOOL:
    case TYPE_S8:
    case TYPE_U8:
    case TYPE_S16:
    case TYPE_U16:
    case TYPE_S32:
    case TYPE_U32:
    case TYPE_S64:
    case TYPE_U64:
    case TYPE_F32:
    case TYPE_F64:
    case TYPE_CHAR:
    case TYPE_STRING:
    case TYPE_ERROR_CONTEXT:
        break;
    }
    return true;
}

static bool nodes_equal(struct comparison *cmp, const struct type *want, const struct type *have)
{
    if (want->kind != have->kind)
        return differ_types(cmp, want, have);
    if (want->kind <= TYPE_ERROR_CONTEXT)
        return true;
    struct node_pair pair = {want, have};
    if (map_get(&cmp->equal, str_of((const char *)&pair, sizeof(pair))))
        return true;
    if (!structure_equal(cmp, want, have))
        return false;
    struct node_pair *kept = arena_new(&cmp->pairs, struct node_pair);
    *kept = pair;
    map_put(&cmp->equal, str_of((const char *)kept, sizeof(*kept)), kept);
    return true;
}

static void comparison_done(struct comparison *cmp)
{
    map_done(&cmp->equal);
    arena_done(&cmp->pairs);
}

#define COMPARISON(name, same_, data_, arena_, why_)                                               \
    _cleanup_(comparison_done) struct comparison name = {                                          \
        .same = (same_),                                                                           \
        .data = (data_),                                                                           \
        .arena = (arena_),                                                                         \
        .why = (why_),                                                                             \
        .pairs = ARENA_INIT(SIZE_MAX),                                                             \
    }

bool type_equal(const struct type *want, const struct type *have, resource_eq same, void *data,
                struct arena *arena, struct str *why)
{
    COMPARISON(cmp, same, data, arena, why);
    return nodes_equal(&cmp, want, have);
}

bool func_type_equal(const struct func_type *want, const struct func_type *have, resource_eq same,
                     void *data, struct arena *arena, struct str *why)
{
    COMPARISON(cmp, same, data, arena, why);
    if (want->is_async != have->is_async)
        return differ(&cmp, have->is_async ? STR("an async function, not a synchronous one")
                                           : STR("a synchronous function, not an async one"));
    if (want->param_count != have->param_count)
        return why && differ(&cmp, arena_printf(arena, "%u parameters, not %u", have->param_count,
                                                want->param_count));
    for (uint32_t i = 0; i < want->param_count; i++)
        if (!field_equal(&cmp, "parameter", &want->params[i], &have->params[i]))
            return false;
    return optional_equal(&cmp, want->result, have->result, "result");
}

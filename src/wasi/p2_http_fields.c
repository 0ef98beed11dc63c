// SPDX-License-Identifier: Apache-2.0
// The `fields` resource of wasi:http/types.
#include <errno.h>

#include "wasi/p2_http.h"

static const struct field_list *list_of(const struct p2_http_types_fields *fields)
{
    return fields->view ? fields->view : &fields->list;
}

struct p2_http_types_fields *fields_view_new(const struct field_list *view, struct message *owner,
                                             struct wasi_parent *parent)
{
    struct p2_http_types_fields *fields = mem_new(struct p2_http_types_fields);
    fields->view = view;
    fields->owner = owner;
    fields->parent = parent;
    message_ref(owner);
    if (parent)
        parent->children++;
    return fields;
}

void fields_free(struct p2_http_types_fields *fields)
{
    if (fields->parent)
        fields->parent->children--;
    if (fields->owner)
        message_unref(fields->owner);
    field_list_done(&fields->list);
    free(fields);
}

void fields_take(struct canon_call *call, struct p2_http_types_fields *fields,
                 struct field_list *out)
{
    if (fields->view)
        field_list_copy(out, fields->view, &wasi_of(call)->http_bytes);
    else
        *out = fields->list;
    fields->list = (struct field_list){0};
    fields_free(fields);
}

int p2_http_types_fields_drop(struct canon_call *call, struct p2_http_types_fields *self)
{
    fields_free(self);
    return 0;
}

static int too_much(struct canon_call *call)
{
    return canon_trap(call,
                      "wasi:http fields: more than %zu bytes of names and values, or more than "
                      "%llu in all",
                      HTTP_GUEST_FIELDS_BYTES_MAX, (unsigned long long)HTTP_GUEST_BYTES_MAX);
}

int http_check_bytes(struct canon_call *call)
{
    return wasi_of(call)->http_bytes > HTTP_GUEST_BYTES_MAX ? too_much(call) : 0;
}

static struct p2_http_types_fields *fields_new(struct canon_call *call)
{
    struct p2_http_types_fields *fields = mem_new(struct p2_http_types_fields);
    fields->list.charged = &wasi_of(call)->http_bytes;
    return fields;
}

// True when the name may be set; else the reason.
static bool check_name(struct str name, enum p2_http_types_header_error *error)
{
    *error = http_name_valid(name) ? P2_HTTP_TYPES_HEADER_ERROR_FORBIDDEN
                                   : P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX;
    return *error == P2_HTTP_TYPES_HEADER_ERROR_FORBIDDEN && !field_name_forbidden(name);
}

static bool check_value(struct str name, struct str value, enum p2_http_types_header_error *error)
{
    *error = P2_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX;
    return field_value_valid(name, value);
}

static bool check_mutable(const struct p2_http_types_fields *fields,
                          enum p2_http_types_header_error *error)
{
    *error = P2_HTTP_TYPES_HEADER_ERROR_IMMUTABLE;
    return !fields->view;
}

int p2_http_types_fields_constructor(struct canon_call *call, struct p2_http_types_fields **ret)
{
    *ret = fields_new(call);
    return 0;
}

int p2_http_types_fields_from_list(struct canon_call *call,
                                   struct p2_list_tuple_string_bytes entries,
                                   struct p2_result_http_types_fields_http_types_header_error *ret)
{
    struct p2_http_types_fields *fields = fields_new(call);
    int rc = 0;
    for (size_t i = 0; i < entries.len && rc == 0 && !ret->is_err; i++) {
        const struct p2_tuple_string_bytes *entry = &entries.data[i];
        if (!check_name(entry->f0, &ret->err) || !check_value(entry->f0, entry->f1, &ret->err))
            ret->is_err = true;
        else if (field_list_add(&fields->list, entry->f0, entry->f1) < 0)
            rc = too_much(call);
    }
    if (rc == 0 && !ret->is_err)
        ret->ok = fields;
    else
        fields_free(fields);
    return rc;
}

int p2_http_types_fields_get(struct canon_call *call, struct p2_http_types_fields *self,
                             struct str name, struct p2_list_bytes *ret)
{
    const struct field_list *list = list_of(self);
    struct str *values = NULL;
    for (uint32_t i = 0; i < list->len; i++) {
        if (!str_eq_nocase(list->items[i].name, name))
            continue;
        if (!values)
            values = arena_new_array(call->arena, struct str, list->len - i);
        values[ret->len++] = list->items[i].value;
    }
    ret->data = values;
    return 0;
}

int p2_http_types_fields_has(struct canon_call *call, struct p2_http_types_fields *self,
                             struct str name, bool *ret)
{
    *ret = field_list_find(list_of(self), name) != NULL;
    return 0;
}

int p2_http_types_fields_set(struct canon_call *call, struct p2_http_types_fields *self,
                             struct str name, struct p2_list_bytes value,
                             struct p2_result_void_http_types_header_error *ret)
{
    ret->is_err = !check_mutable(self, &ret->err) || !check_name(name, &ret->err);
    for (size_t i = 0; i < value.len && !ret->is_err; i++)
        ret->is_err = !check_value(name, value.data[i], &ret->err);
    if (ret->is_err)
        return 0;
    field_list_remove(&self->list, name);
    for (size_t i = 0; i < value.len; i++)
        if (field_list_add(&self->list, name, value.data[i]) < 0)
            return too_much(call);
    return 0;
}

int p2_http_types_fields_delete(struct canon_call *call, struct p2_http_types_fields *self,
                                struct str name, struct p2_result_void_http_types_header_error *ret)
{
    ret->is_err = !check_mutable(self, &ret->err) || !check_name(name, &ret->err);
    if (!ret->is_err)
        field_list_remove(&self->list, name);
    return 0;
}

int p2_http_types_fields_append(struct canon_call *call, struct p2_http_types_fields *self,
                                struct str name, struct str value,
                                struct p2_result_void_http_types_header_error *ret)
{
    ret->is_err = !check_mutable(self, &ret->err) || !check_name(name, &ret->err) ||
                  !check_value(name, value, &ret->err);
    if (!ret->is_err && field_list_add(&self->list, name, value) < 0)
        return too_much(call);
    return 0;
}

int p2_http_types_fields_entries(struct canon_call *call, struct p2_http_types_fields *self,
                                 struct p2_list_tuple_string_bytes *ret)
{
    const struct field_list *list = list_of(self);
    if (!list->len)
        return 0;
    struct p2_tuple_string_bytes *entries =
        arena_new_array(call->arena, struct p2_tuple_string_bytes, list->len);
    for (uint32_t i = 0; i < list->len; i++)
        entries[i] = (struct p2_tuple_string_bytes){list->items[i].name, list->items[i].value};
    ret->data = entries;
    ret->len = list->len;
    return 0;
}

int p2_http_types_fields_clone(struct canon_call *call, struct p2_http_types_fields *self,
                               struct p2_http_types_fields **ret)
{
    int rc = http_check_bytes(call);
    if (rc < 0)
        return rc;
    *ret = mem_new(struct p2_http_types_fields);
    field_list_copy(&(*ret)->list, list_of(self), &wasi_of(call)->http_bytes);
    return 0;
}

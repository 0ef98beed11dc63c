// SPDX-License-Identifier: Apache-2.0
// The `fields` resource of wasi:http/types 0.3.
#include <errno.h>

#include "wasi/p3_http.h"

static struct p3_http_types_fields *wrap(struct p2_http_types_fields *fields)
{
    return container_of(fields, struct p3_http_types_fields, fields);
}

// NULL: the field may be set.
static bool check(const struct p3_http_types_fields *self, struct str name,
                  struct p3_http_types_header_error *error)
{
    if (self->fields.view)
        error->tag = P3_HTTP_TYPES_HEADER_ERROR_IMMUTABLE;
    else if (!http_name_valid(name))
        error->tag = P3_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX;
    else if (field_name_forbidden(name))
        error->tag = P3_HTTP_TYPES_HEADER_ERROR_FORBIDDEN;
    else
        return true;
    return false;
}

static bool add(struct p3_http_types_fields *self, struct str name, struct str value,
                struct p3_http_types_header_error *error)
{
    if (!field_value_valid(name, value))
        error->tag = P3_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX;
    else if (field_list_add(&self->fields.list, name, value) < 0)
        error->tag = P3_HTTP_TYPES_HEADER_ERROR_SIZE_EXCEEDED;
    else
        return true;
    return false;
}

int p3_http_types_fields_drop(struct canon_call *call, struct p3_http_types_fields *self)
{
    fields_free(&self->fields);
    return 0;
}

int p3_http_types_fields_constructor(struct canon_call *call, struct p3_http_types_fields **ret)
{
    struct p2_http_types_fields *fields = NULL;
    int rc = p2_http_types_fields_constructor(call, &fields);
    if (rc == 0)
        *ret = wrap(fields);
    return rc;
}

int p3_http_types_fields_from_list(struct canon_call *call,
                                   struct p3_list_tuple_string_bytes entries,
                                   struct p3_result_http_types_fields_http_types_header_error *ret)
{
    struct p3_http_types_fields *self = NULL;
    int rc = p3_http_types_fields_constructor(call, &self);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < entries.len && !ret->is_err; i++) {
        const struct p3_tuple_string_bytes *entry = &entries.data[i];
        ret->is_err =
            !check(self, entry->f0, &ret->err) || !add(self, entry->f0, entry->f1, &ret->err);
    }
    if (ret->is_err)
        fields_free(&self->fields);
    else
        ret->ok = self;
    return 0;
}

int p3_http_types_fields_get(struct canon_call *call, struct p3_http_types_fields *self,
                             struct str name, struct p3_list_bytes *ret)
{
    struct p2_list_bytes values = {0};
    int rc = p2_http_types_fields_get(call, &self->fields, name, &values);
    *ret = (struct p3_list_bytes){values.data, values.len};
    return rc;
}

int p3_http_types_fields_has(struct canon_call *call, struct p3_http_types_fields *self,
                             struct str name, bool *ret)
{
    return p2_http_types_fields_has(call, &self->fields, name, ret);
}

int p3_http_types_fields_set(struct canon_call *call, struct p3_http_types_fields *self,
                             struct str name, struct p3_list_bytes value,
                             struct p3_result_void_http_types_header_error *ret)
{
    ret->is_err = !check(self, name, &ret->err);
    for (size_t i = 0; i < value.len && !ret->is_err; i++) {
        ret->is_err = !field_value_valid(name, value.data[i]);
        ret->err.tag = P3_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX;
    }
    if (!ret->is_err && !field_list_fits(&self->fields.list, name, value.data, value.len)) {
        ret->is_err = true;
        ret->err.tag = P3_HTTP_TYPES_HEADER_ERROR_SIZE_EXCEEDED;
    }
    if (ret->is_err)
        return 0;
    field_list_remove(&self->fields.list, name);
    for (size_t i = 0; i < value.len && !ret->is_err; i++)
        ret->is_err = !add(self, name, value.data[i], &ret->err);
    return 0;
}

int p3_http_types_fields_delete(struct canon_call *call, struct p3_http_types_fields *self,
                                struct str name, struct p3_result_void_http_types_header_error *ret)
{
    ret->is_err = !check(self, name, &ret->err);
    if (!ret->is_err)
        field_list_remove(&self->fields.list, name);
    return 0;
}

int p3_http_types_fields_get_and_delete(struct canon_call *call, struct p3_http_types_fields *self,
                                        struct str name,
                                        struct p3_result_list_bytes_http_types_header_error *ret)
{
    ret->is_err = !check(self, name, &ret->err);
    if (ret->is_err)
        return 0;
    struct p2_list_bytes values = {0};
    int rc = p2_http_types_fields_get(call, &self->fields, name, &values);
    struct str *copies = arena_new_array(call->arena, struct str, values.len);
    for (size_t i = 0; i < values.len; i++)
        copies[i] = arena_str(call->arena, values.data[i]);
    ret->ok = (struct p3_list_bytes){copies, values.len};
    field_list_remove(&self->fields.list, name);
    return rc;
}

int p3_http_types_fields_append(struct canon_call *call, struct p3_http_types_fields *self,
                                struct str name, struct str value,
                                struct p3_result_void_http_types_header_error *ret)
{
    ret->is_err = !check(self, name, &ret->err) || !add(self, name, value, &ret->err);
    return 0;
}

int p3_http_types_fields_copy_all(struct canon_call *call, struct p3_http_types_fields *self,
                                  struct p3_list_tuple_string_bytes *ret)
{
    struct p2_list_tuple_string_bytes entries = {0};
    int rc = p2_http_types_fields_entries(call, &self->fields, &entries);
    struct p3_tuple_string_bytes *copies =
        arena_new_array(call->arena, struct p3_tuple_string_bytes, entries.len);
    for (size_t i = 0; i < entries.len; i++)
        copies[i] = (struct p3_tuple_string_bytes){entries.data[i].f0, entries.data[i].f1};
    *ret = (struct p3_list_tuple_string_bytes){copies, entries.len};
    return rc;
}

int p3_http_types_fields_clone(struct canon_call *call, struct p3_http_types_fields *self,
                               struct p3_http_types_fields **ret)
{
    struct p2_http_types_fields *fields = NULL;
    int rc = p2_http_types_fields_clone(call, &self->fields, &fields);
    if (rc == 0)
        *ret = wrap(fields);
    return rc;
}

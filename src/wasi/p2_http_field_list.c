// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "wasi/p2_http.h"

// What the reference runtime forbids, so that guests behave the same here.
static const struct str forbidden_names[] = {
    STR_INIT("connection"),
    STR_INIT("host"),
    STR_INIT("http2-settings"),
    STR_INIT("keep-alive"),
    STR_INIT("proxy-authenticate"),
    STR_INIT("proxy-authorization"),
    STR_INIT("proxy-connection"),
    STR_INIT("transfer-encoding"),
    STR_INIT("upgrade"),
};

bool field_name_forbidden(struct str name)
{
    // The first letters rule most names out.
    switch (name.len ? ascii_lower(name.data[0]) : 0) {
    case 'c':
    case 'h':
    case 'k':
    case 'p':
    case 't':
    case 'u':
        break;
    default:
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(forbidden_names); i++)
        if (str_eq_nocase(name, forbidden_names[i]))
            return true;
    return false;
}

static struct str trim_ows(struct str value)
{
    while (value.len && (value.data[0] == ' ' || value.data[0] == '\t'))
        value = str_from_index(value, 1);
    while (value.len && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
        value.len--;
    return value;
}

bool field_value_valid(struct str name, struct str value)
{
    uint64_t length;
    if (str_eq_nocase(name, STR("content-length")))
        return str_to_u64(value, INT64_MAX, &length) == 0;
    return http_value_valid(trim_ows(value));
}

void field_list_uncharge(struct field_list *list)
{
    if (list->charged)
        *list->charged -= list->bytes;
    list->charged = NULL;
}

void field_list_done(struct field_list *list)
{
    for (uint32_t i = 0; !list->borrowed && i < list->len; i++)
        free((char *)list->items[i].name.data);
    field_list_uncharge(list);
    free(list->items);
    *list = (struct field_list){0};
}

static size_t field_size(struct str name, struct str value)
{
    return name.len + value.len + HTTP_FIELD_OVERHEAD_BYTES;
}

static struct http_field *push(struct field_list *list)
{
    if (list->len == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 4;
        list->items = mem_realloc_array(list->items, list->cap, sizeof(*list->items));
    }
    return &list->items[list->len++];
}

// Name and value in one allocation, which the name's address owns.
static struct http_field field_dup(struct str name, struct str value)
{
    char *data = mem_alloc(name.len + value.len);
    memcpy(data, name.data, name.len);
    if (value.len)
        memcpy(data + name.len, value.data, value.len);
    return (struct http_field){str_of(data, name.len), str_of(data + name.len, value.len)};
}

int field_list_add(struct field_list *list, struct str name, struct str value)
{
    size_t size = field_size(name, value);
    if (list->bytes > HTTP_GUEST_FIELDS_BYTES_MAX ||
        size > HTTP_GUEST_FIELDS_BYTES_MAX - list->bytes)
        return -E2BIG;
    if (list->charged) {
        if (*list->charged + size > HTTP_GUEST_BYTES_MAX)
            return -E2BIG;
        *list->charged += size;
    }
    // Values of one name have one name: in the case that came first.
    const struct http_field *same = field_list_find(list, name);
    struct http_field field = field_dup(same ? same->name : name, value);
    *push(list) = field;
    list->bytes += size;
    return 0;
}

bool field_list_fits(const struct field_list *list, struct str name, const struct str *values,
                     size_t count)
{
    size_t bytes = list->bytes, charged = list->charged ? (size_t)*list->charged : 0;
    for (uint32_t i = 0; i < list->len; i++)
        if (str_eq_nocase(list->items[i].name, name))
            bytes -= field_size(list->items[i].name, list->items[i].value);
    charged -= list->charged ? list->bytes - bytes : 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = field_size(name, values[i]);
        if (size > HTTP_GUEST_FIELDS_BYTES_MAX || bytes > HTTP_GUEST_FIELDS_BYTES_MAX - size)
            return false;
        bytes += size;
        charged += size;
    }
    return charged <= HTTP_GUEST_BYTES_MAX;
}

void field_list_remove(struct field_list *list, struct str name)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->len; i++) {
        struct http_field *field = &list->items[i];
        if (!str_eq_nocase(field->name, name)) {
            list->items[kept++] = *field;
            continue;
        }
        size_t size = field_size(field->name, field->value);
        list->bytes -= size;
        if (list->charged)
            *list->charged -= size;
        if (!list->borrowed)
            free((char *)field->name.data);
    }
    list->len = kept;
}

const struct http_field *field_list_find(const struct field_list *list, struct str name)
{
    return http_field_find(list->items, list->len, name);
}

void field_list_borrow(struct field_list *list, const struct http_field *fields, size_t count)
{
    field_list_done(list);
    list->borrowed = true;
    if (!count)
        return;
    list->items = mem_new_array(struct http_field, count);
    list->cap = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        if (field_name_forbidden(fields[i].name))
            continue;
        list->items[list->len++] = fields[i];
        list->bytes += field_size(fields[i].name, fields[i].value);
    }
}

void field_list_own(struct field_list *list)
{
    for (uint32_t i = 0; list->borrowed && i < list->len; i++)
        list->items[i] = field_dup(list->items[i].name, list->items[i].value);
    list->borrowed = false;
}

void field_list_copy(struct field_list *to, const struct field_list *from, uint64_t *charged)
{
    *to = (struct field_list){
        .len = from->len, .cap = from->len, .bytes = from->bytes, .charged = charged};
    if (charged)
        *charged += from->bytes;
    if (!from->len)
        return;
    to->items = mem_new_array(struct http_field, from->len);
    for (uint32_t i = 0; i < from->len; i++)
        to->items[i] = field_dup(from->items[i].name, from->items[i].value);
}

void field_list_trim(struct field_list *list)
{
    for (uint32_t i = 0; i < list->len; i++)
        list->items[i].value = trim_ows(list->items[i].value);
}

int64_t field_list_content_length(const struct field_list *list)
{
    int64_t length = -1;
    for (uint32_t i = 0; i < list->len; i++) {
        uint64_t value;
        if (!str_eq_nocase(list->items[i].name, STR("content-length")))
            continue;
        if (str_to_u64(list->items[i].value, INT64_MAX, &value) < 0 ||
            (length >= 0 && (uint64_t)length != value))
            return -EINVAL;
        length = (int64_t)value;
    }
    return length;
}

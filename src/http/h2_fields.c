// SPDX-License-Identifier: Apache-2.0
// Response heads and trailers as nghttp2 takes them.
#include <errno.h>

#include "http/chars.h"
#include "http/h2_impl.h"

// :status, content-length and date.
#define OWN_FIELDS_MAX 3u
#define OWN_BYTES_MAX  ((size_t)64)

struct builder {
    nghttp2_nv *fields;
    size_t count;
    char *at;
};

static bool is_ours(const struct h2_fields *fields, struct str name)
{
    return http_name_is_hop_by_hop(name) ||
           (fields->status != 0 && str_eq_nocase(name, STR("content-length")));
}

static ssize_t measure(const struct h2_fields *fields)
{
    size_t total = OWN_BYTES_MAX;
    for (size_t i = 0; i < fields->field_count; i++) {
        const struct http_field *field = &fields->fields[i];
        if (!http_name_valid(field->name) || !http_value_valid(field->value))
            return -EINVAL;
        // 32 as in RFC 7541 section 4.1.
        if (__builtin_add_overflow(total, field->name.len + field->value.len + 32, &total))
            return -EINVAL;
    }
    return total > HTTP_SERVER_RESPONSE_HEAD_MAX ? -EINVAL : (ssize_t)total;
}

static uint8_t *put(struct builder *builder, struct str s)
{
    char *start = builder->at;
    if (s.len)
        memcpy(start, s.data, s.len);
    builder->at += s.len;
    return (uint8_t *)start;
}

static uint8_t *put_lower(struct builder *builder, struct str name)
{
    char *start = builder->at;
    for (size_t i = 0; i < name.len; i++)
        *builder->at++ = (char)http_token_lower[(unsigned char)name.data[i]];
    return (uint8_t *)start;
}

// Names of our own live as long as the program.
static void put_own(struct builder *builder, struct str name, struct str value)
{
    builder->fields[builder->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .namelen = name.len,
        .value = put(builder, value),
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static void put_field(struct builder *builder, const struct http_field *field)
{
    builder->fields[builder->count++] = (nghttp2_nv){
        .name = put_lower(builder, field->name),
        .namelen = field->name.len,
        .value = put(builder, field->value),
        .valuelen = field->value.len,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static void put_number(struct builder *builder, struct str name, uint64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    put_own(builder, name, str_of(digits, (size_t)len));
}

ssize_t h2_fields_build(const struct h2_fields *fields, nghttp2_nv **out)
{
    ssize_t bytes = measure(fields);
    if (bytes < 0)
        return bytes;
    size_t room = fields->field_count + OWN_FIELDS_MAX;
    nghttp2_nv *block = try_alloc(room * sizeof(*block) + (size_t)bytes);
    if (!block)
        return -EINVAL;
    struct builder builder = {.fields = block, .at = (char *)(block + room)};
    if (fields->status != 0)
        put_number(&builder, STR(":status"), fields->status);
    if (fields->content_length >= 0)
        put_number(&builder, STR("content-length"), (uint64_t)fields->content_length);
    if (fields->date.len && !http_field_find(fields->fields, fields->field_count, STR("date")))
        put_own(&builder, STR("date"), fields->date);
    for (size_t i = 0; i < fields->field_count; i++)
        if (!is_ours(fields, fields->fields[i].name))
            put_field(&builder, &fields->fields[i]);
    *out = block;
    return (ssize_t)builder.count;
}

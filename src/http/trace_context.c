// SPDX-License-Identifier: Apache-2.0
#include "http/trace_context.h"

#include <sys/random.h>

#define VERSION_AT  0u
#define TRACE_AT    3u
#define TRACE_LEN   32u
#define PARENT_AT   36u
#define PARENT_LEN  16u
#define FLAGS_AT    53u
#define VERSION_LEN 2u
#define FLAGS_LEN   2u

// ---- random ids ---------------------------------------------------------------------------------

// SplitMix64: ids must differ, not be unpredictable.
static uint64_t next_random(void)
{
    static _Thread_local uint64_t state;
    static _Thread_local bool is_seeded;
    if (!is_seeded) {
        if (getrandom(&state, sizeof(state), 0) != sizeof(state))
            state = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)&state;
        is_seeded = true;
    }
    uint64_t value = state += 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

static void put_hex(char *text, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t bits = 0;
    for (size_t i = 0; i < digits; i++) {
        if (i % 16 == 0)
            bits = next_random() | 1; // never all zeros
        text[i] = hex[bits & 15];
        bits >>= 4;
    }
}

// ---- traceparent --------------------------------------------------------------------------------

static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
            return false;
    }
    return true;
}

static bool is_zero(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '0')
            return false;
    return true;
}

bool traceparent_valid(struct str value)
{
    if (value.len < TRACEPARENT_BYTES || value.data[TRACE_AT - 1] != '-' ||
        value.data[PARENT_AT - 1] != '-' || value.data[FLAGS_AT - 1] != '-')
        return false;
    struct str version = str_sub(value, VERSION_AT, VERSION_LEN);
    struct str trace = str_sub(value, TRACE_AT, TRACE_LEN);
    struct str parent = str_sub(value, PARENT_AT, PARENT_LEN);
    if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) ||
        !is_hex(str_sub(value, FLAGS_AT, FLAGS_LEN)) || is_zero(trace) || is_zero(parent))
        return false;
    if (str_is(version, "ff"))
        return false;
    // Later versions may have more behind it.
    return value.len == TRACEPARENT_BYTES ||
           (!str_is(version, "00") && value.data[TRACEPARENT_BYTES] == '-');
}

static struct str new_traceparent(struct trace_context *context)
{
    memcpy(context->traceparent, "00-", TRACE_AT);
    put_hex(context->traceparent + TRACE_AT, TRACE_LEN);
    context->traceparent[PARENT_AT - 1] = '-';
    put_hex(context->traceparent + PARENT_AT, PARENT_LEN);
    // Nobody has decided to record it.
    memcpy(context->traceparent + FLAGS_AT - 1, "-00", 3);
    return str_of(context->traceparent, TRACEPARENT_BYTES);
}

static struct str new_request_id(struct trace_context *context)
{
    put_hex(context->request_id, REQUEST_ID_BYTES);
    return str_of(context->request_id, REQUEST_ID_BYTES);
}

// A log's reader must be able to search for it.
static bool request_id_valid(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] <= ' ' || value.data[i] >= 0x7f)
            return false;
    return value.len > 0 && value.len <= REQUEST_ID_BYTES_MAX;
}

// ---- the fields ---------------------------------------------------------------------------------

static size_t take_out(struct http_field *fields, size_t count, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!str_eq_nocase(fields[i].name, name))
            fields[kept++] = fields[i];
    return kept;
}

// The field's value if it stands there once.
static struct str only_value(const struct http_field *fields, size_t count, struct str name)
{
    const struct http_field *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!str_eq_nocase(fields[i].name, name))
            continue;
        if (found)
            return STR_EMPTY;
        found = &fields[i];
    }
    return found ? found->value : STR_EMPTY;
}

size_t trace_context_complete(struct trace_context *context, struct http_field *fields,
                              size_t count, size_t max)
{
    static const struct str traceparent = STR_INIT("traceparent");
    static const struct str request_id = STR_INIT("x-request-id");
    if (!traceparent_valid(only_value(fields, count, traceparent))) {
        count = take_out(fields, count, traceparent);
        count = take_out(fields, count, STR("tracestate"));
        if (count < max)
            fields[count++] = (struct http_field){traceparent, new_traceparent(context)};
    }
    if (!request_id_valid(only_value(fields, count, request_id))) {
        count = take_out(fields, count, request_id);
        if (count < max)
            fields[count++] = (struct http_field){request_id, new_request_id(context)};
    }
    return count;
}

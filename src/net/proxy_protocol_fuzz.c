// SPDX-License-Identifier: Apache-2.0
// What a header yields lies inside it, and its length does not depend on what follows it.
#include "net/proxy_protocol.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, struct str whole)
{
    assert(part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct proxy_header header;
    ERROR(err);
    ssize_t len = proxy_header_len(text, &err);
    assert(len != -EAGAIN || size < PROXY_HEADER_FIXED_BYTES);
    assert(len < 0 || len >= (ssize_t)PROXY_HEADER_FIXED_BYTES);
    if (len < 0 || (size_t)len > size) {
        assert(proxy_header_parse(text, &header, NULL) < 0);
        return 0;
    }
    struct str whole = str_sub(text, 0, (size_t)len);
    assert(proxy_header_len(str_sub(text, 0, PROXY_HEADER_FIXED_BYTES), NULL) == len);
    if (proxy_header_parse(whole, &header, &err) == 0) {
        check_inside(header.authority, whole);
        check_inside(header.unique_id, whole);
        assert(!header.is_local || header.source.family == 0);
    } else {
        assert(err.message);
    }
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A file of NAME=VALUE lines: what was read can be written down and read again.
#include <assert.h>

#include "base/buf.h"
#include "wash/value_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_text(struct value_set *set, struct str text)
{
    ERROR(err);
    int rc = value_set_read_text(set, text, "values", &err);
    assert((rc < 0) == (err.message != NULL));
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct value_set first = {.arena = &arena}, second = {.arena = &arena};
    BUF(text, SIZE_MAX);
    if (read_text(&first, str_of((const char *)data, size))) {
        for (size_t i = 0; i < first.len; i++)
            buf_putf(&text, "%.*s=%.*s\n", STR_ARG(first.items[i].name),
                     STR_ARG(first.items[i].value));
        bool again = read_text(&second, buf_str(&text));
        assert(again);
        assert(second.len == first.len);
        for (size_t i = 0; i < first.len; i++) {
            assert(str_eq(first.items[i].name, second.items[i].name));
            assert(str_eq(first.items[i].value, second.items[i].value));
        }
    }
    value_set_done(&first);
    value_set_done(&second);
    arena_done(&arena);
    return 0;
}

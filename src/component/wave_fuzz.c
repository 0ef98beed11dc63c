// SPDX-License-Identifier: Apache-2.0
// The first byte chooses a type, the rest is read as a value of it: what reads must print as text
// that reads back as the same value. Without a type left over, the text is read as a call.
#include <assert.h>

#include "component/wave.h"
#include "component/wave_types_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(struct str text, const struct type *t, struct arena *arena)
{
    ERROR(err);
    BUF(out, (size_t)64 << 20);
    struct value value, again;
    if (wave_parse(text, t, arena, &value, &err) < 0) {
        assert(err.message);
        return;
    }
    assert(wave_print(&out, t, &value) == 0);
    assert(wave_parse(buf_str(&out), t, arena, &again, &err) == 0);
    assert(value_equal(t, &value, &again));
}

static void check_call(struct str text, struct arena *arena)
{
    static const struct type_field names[] = {{STR_INIT("a"), NULL}, {STR_INIT("b"), NULL}};
    struct type_field params[] = {names[0], names[1]};
    params[0].type = wave_type(WAVE_STRING);
    params[1].type = wave_type(WAVE_NESTED);
    struct func_type type = {.params = params, .param_count = ARRAY_LEN(params)};
    struct wave_call call;
    struct value *args;
    ERROR(err);
    if (wave_parse_call(text, &call, &err) == 0 &&
        wave_parse_args(&call, &type, arena, &args, &err) < 0)
        assert(err.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT((size_t)64 << 20);
    if (size > 0) {
        struct str text = str_of((const char *)data + 1, size - 1);
        if (data[0] % (WAVE_TYPE_COUNT + 1) < WAVE_TYPE_COUNT)
            check_value(text, wave_type((enum wave_type)(data[0] % (WAVE_TYPE_COUNT + 1))), &arena);
        else
            check_call(text, &arena);
    }
    arena_done(&arena);
    return 0;
}

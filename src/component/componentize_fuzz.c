// SPDX-License-Identifier: Apache-2.0
// The input is a core module, and the adapter of it: the component that is made of it, if any,
// decodes, validates (componentize() sees to that) and has a world.
#include <assert.h>

#include "component/component.h"
#include "component/componentize.h"
#include "component/decode.h"

#define OUT_BYTES_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_component(struct str bytes)
{
    ERROR(err);
    struct component *component;
    int rc = component_decode(bytes, &component, &err);
    assert(rc == 0);
    component_free(component);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str module = str_of((const char *)data, size);
    // Under the names of what the seeds import, the module is its own adapter.
    struct componentize_adapter adapters[] = {{STR("old"), module},
                                              {STR("wasi_snapshot_preview1"), module}};
    for (size_t count = 0; count <= ARRAY_LEN(adapters); count++) {
        ERROR(err);
        BUF(out, OUT_BYTES_MAX);
        if (componentize(module, adapters, count, &out, &err) == 0)
            check_component(buf_str(&out));
    }
    return 0;
}

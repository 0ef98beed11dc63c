// SPDX-License-Identifier: Apache-2.0
// The walk for places keeps to the text that jansson accepted; printing loses nothing.
#include <assert.h>

#include "data/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(tree_source_freep) struct tree_source *source = tree_source_new();
    _tree_ tree = NULL;
    _tree_ again = NULL;
    ERROR(err);
    if (json_parse(str_of((const char *)data, size), "f", &tree, source, &err) < 0) {
        assert(err.message);
        return 0;
    }
    BUF(first, 16 * TREE_BYTES_MAX);
    BUF(second, 16 * TREE_BYTES_MAX);
    if (json_print(tree, 0, &first) < 0 || first.len > TREE_BYTES_MAX)
        return 0;
    assert(json_parse(buf_str(&first), "g", &again, NULL, &err) == 0);
    assert(json_print(again, 0, &second) == 0);
    assert(str_eq(buf_str(&first), buf_str(&second)));
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// What YAML yields can be printed as JSON and read again as the same.
#include <assert.h>

#include "data/json.h"
#include "data/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(tree_source_freep) struct tree_source *source = tree_source_new();
    _tree_ tree = NULL;
    _tree_ again = NULL;
    ERROR(err);
    if (yaml_parse(str_of((const char *)data, size), "f", &tree, source, &err) < 0) {
        assert(err.message);
        return 0;
    }
    BUF(first, 16 * TREE_BYTES_MAX);
    BUF(second, 16 * TREE_BYTES_MAX);
    if (json_print(tree, 2, &first) < 0 || first.len > TREE_BYTES_MAX)
        return 0;
    assert(json_parse(buf_str(&first), "g", &again, source, &err) == 0);
    assert(json_print(again, 2, &second) == 0);
    assert(str_eq(buf_str(&first), buf_str(&second)));
    return 0;
}

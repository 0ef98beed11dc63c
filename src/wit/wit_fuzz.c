// SPDX-License-Identifier: Apache-2.0
// Any text as WIT: no crash; what is accepted prints as text that is accepted and prints the same.
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "wit/wit.h"

#define PRINT_BYTES_MAX ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wit_resolve *load(struct str text, struct error *err)
{
    struct wit_resolve *resolve = wit_resolve_new();
    wit_resolve_enable_feature(resolve, NULL);
    int r = wit_resolve_add_text(resolve, "fuzz.wit", text, err);
    if (r == 0)
        r = wit_resolve_finish(resolve, err);
    if (r == 0)
        return resolve;
    wit_resolve_free(resolve);
    return NULL;
}

static void fail(const char *what, struct str text)
{
    fprintf(stderr, "%s\n%.*s\n", what, STR_ARG(text));
    abort();
}

// Other packages of the text are not in what is printed: only a package that is alone comes back.
static void check_package(const struct wit_resolve *resolve)
{
    BUF(first, PRINT_BYTES_MAX);
    BUF(second, PRINT_BYTES_MAX);
    ERROR(err);
    wit_print_package(wit_root_package(resolve), &first);
    if (wit_package_count(resolve) > 1 || first.len == first.max)
        return;
    struct wit_resolve *again = load(buf_str(&first), &err);
    if (!again)
        fail(error_text(&err), buf_str(&first));
    wit_print_package(wit_root_package(again), &second);
    if (!str_eq(buf_str(&first), buf_str(&second)))
        fail("not the same when printed again", buf_str(&first));
    wit_resolve_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ERROR(err);
    struct wit_resolve *resolve = load(str_of((const char *)data, size), &err);
    if (!resolve)
        return 0;
    check_package(resolve);
    const struct wit_package *root = wit_root_package(resolve);
    for (uint32_t i = 0; i < root->world_count; i++) {
        BUF(out, PRINT_BYTES_MAX);
        wit_print_component_world(root->worlds[i], &out);
    }
    wit_resolve_free(resolve);
    return 0;
}

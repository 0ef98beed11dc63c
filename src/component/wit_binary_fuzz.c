// SPDX-License-Identifier: Apache-2.0
// Any bytes as a WIT package in binary form or as a core module that embeds one: what was decoded
// prints, and what can be encoded again is a package that can be decoded again.
#include "component/wit_binary.h"
#include "wit/wit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct wit_package *package)
{
    BUF(bytes, (size_t)64 << 20);
    if (package->interface_count + package->world_count == 0 ||
        wit_binary_encode(package, &bytes, NULL) < 0)
        return;
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    (void)!wit_binary_decode(buf_str(&bytes), &arena, &wit, NULL);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_of((const char *)data, size);
    struct arena arena = ARENA_INIT(SIZE_MAX);
    struct wit_binary wit;
    ERROR(err);
    int rc = wit_binary_kind(bytes) == WIT_BINARY_MODULE
                 ? wit_module_decode(bytes, &arena, &wit, NULL, &err)
                 : wit_binary_decode(bytes, &arena, &wit, &err);
    if (rc == 0) {
        BUF(text, (size_t)64 << 20);
        wit_print_packages(wit.package, wit.others, wit.other_count, &text);
        check_again(wit.package);
    }
    arena_done(&arena);
    return 0;
}

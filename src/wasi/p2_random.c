// SPDX-License-Identifier: Apache-2.0
// wasi:random 0.2.
#include "wasi/p2.h"
#include "wasi/random.h"

int p2_random_random_get_random_bytes(struct canon_call *call, uint64_t len, struct str *ret)
{
    return random_bytes(call, len, ret);
}

int p2_random_random_get_random_u64(struct canon_call *call, uint64_t *ret)
{
    return random_fill(call, ret, sizeof(*ret));
}

int p2_random_insecure_get_insecure_random_bytes(struct canon_call *call, uint64_t len,
                                                 struct str *ret)
{
    return random_bytes(call, len, ret);
}

int p2_random_insecure_get_insecure_random_u64(struct canon_call *call, uint64_t *ret)
{
    return random_fill(call, ret, sizeof(*ret));
}

int p2_random_insecure_seed_insecure_seed(struct canon_call *call, struct p2_tuple_u64_u64 *ret)
{
    return random_insecure_seed(call, &ret->f0, &ret->f1);
}

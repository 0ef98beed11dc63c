// SPDX-License-Identifier: Apache-2.0
// wasi:random 0.3.
#include "wasi/p3.h"
#include "wasi/random.h"
#include "wasi/wasi.h"

// The guest names the most it takes; fewer bytes are an answer.
int p3_random_random_get_random_bytes(struct canon_call *call, uint64_t max_len, struct str *ret)
{
    return random_bytes(call, MIN(max_len, WASI_RANDOM_BYTES_MAX), ret);
}

int p3_random_random_get_random_u64(struct canon_call *call, uint64_t *ret)
{
    return random_fill(call, ret, sizeof(*ret));
}

int p3_random_insecure_get_insecure_random_bytes(struct canon_call *call, uint64_t max_len,
                                                 struct str *ret)
{
    return random_bytes(call, MIN(max_len, WASI_RANDOM_BYTES_MAX), ret);
}

int p3_random_insecure_get_insecure_random_u64(struct canon_call *call, uint64_t *ret)
{
    return random_fill(call, ret, sizeof(*ret));
}

int p3_random_insecure_seed_get_insecure_seed(struct canon_call *call, struct p3_tuple_u64_u64 *ret)
{
    return random_insecure_seed(call, &ret->f0, &ret->f1);
}

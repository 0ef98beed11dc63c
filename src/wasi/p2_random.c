// SPDX-License-Identifier: Apache-2.0
// wasi:random 0.2. The insecure interfaces answer from the same generator: it is fast enough, and
// nothing is lost by better numbers.
#include <errno.h>
#include <sys/random.h>

#include "wasi/wasi.h"
#include "wasi/p2.h"

static int fill(struct canon_call *call, void *data, size_t len)
{
    for (char *at = data; len > 0;) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return canon_trap(call, "random: getrandom: %s", strerror(errno));
        at += got;
        len -= (size_t)got;
    }
    return 0;
}

static int random_bytes(struct canon_call *call, uint64_t len, struct str *ret)
{
    if (len > WASI_RANDOM_BYTES_MAX)
        return canon_trap(call, "random: %llu bytes asked for, the limit is %u",
                          (unsigned long long)len, WASI_RANDOM_BYTES_MAX);
    char *data = arena_try_alloc(call->arena, (size_t)len);
    if (!data)
        return canon_trap(call, "random: no memory for %llu bytes", (unsigned long long)len);
    *ret = str_of(data, (size_t)len);
    return fill(call, data, (size_t)len);
}

int p2_random_random_get_random_bytes(struct canon_call *call, uint64_t len, struct str *ret)
{
    return random_bytes(call, len, ret);
}

int p2_random_random_get_random_u64(struct canon_call *call, uint64_t *ret)
{
    return fill(call, ret, sizeof(*ret));
}

int p2_random_insecure_get_insecure_random_bytes(struct canon_call *call, uint64_t len,
                                                 struct str *ret)
{
    return random_bytes(call, len, ret);
}

int p2_random_insecure_get_insecure_random_u64(struct canon_call *call, uint64_t *ret)
{
    return fill(call, ret, sizeof(*ret));
}

int p2_random_insecure_seed_insecure_seed(struct canon_call *call, struct p2_tuple_u64_u64 *ret)
{
    int rc = fill(call, &ret->f0, sizeof(ret->f0));
    return rc < 0 ? rc : fill(call, &ret->f1, sizeof(ret->f1));
}

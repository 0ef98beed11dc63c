// SPDX-License-Identifier: Apache-2.0
#include "wasi/random.h"

#include <errno.h>
#include <sys/random.h>

#include "wasi/wasi.h"

int random_fill(struct canon_call *call, void *data, size_t len)
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

int random_insecure_seed(struct canon_call *call, uint64_t *first, uint64_t *second)
{
    struct wasi *wasi = wasi_of(call);
    if (!wasi->has_insecure_seed) {
        int rc = random_fill(call, wasi->insecure_seed, sizeof(wasi->insecure_seed));
        if (rc < 0)
            return rc;
        wasi->has_insecure_seed = true;
    }
    *first = wasi->insecure_seed[0];
    *second = wasi->insecure_seed[1];
    return 0;
}

int random_bytes(struct canon_call *call, uint64_t len, struct str *ret)
{
    if (len > WASI_RANDOM_BYTES_MAX)
        return canon_trap(call, "random: %llu bytes asked for, the limit is %u",
                          (unsigned long long)len, WASI_RANDOM_BYTES_MAX);
    char *data = arena_try_alloc(call->arena, (size_t)len);
    if (!data)
        return canon_trap(call, "random: no memory for %llu bytes", (unsigned long long)len);
    *ret = str_of(data, (size_t)len);
    return random_fill(call, data, (size_t)len);
}

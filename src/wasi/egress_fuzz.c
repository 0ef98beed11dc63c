// SPDX-License-Identifier: Apache-2.0
// First line: a rule; the rest: a host to ask for. A rule for an exact host allows just that host.
#include <assert.h>

#include "wasi/egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rule, host;
    str_cut(str_of((const char *)data, size), '\n', &rule, &host);
    struct wasi_egress *egress;
    ERROR(err);
    if (wasi_egress_new(&rule, 1, &egress, &err) < 0) {
        assert(err.message);
        return 0;
    }
    bool allowed = wasi_egress_allows(egress, STR("https"), host, 0);
    // What is allowed without a port in the request is what port 443 is.
    assert(allowed == wasi_egress_allows(egress, STR("https"), host, 443));
    wasi_egress_free(egress);
    return 0;
}

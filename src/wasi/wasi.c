// SPDX-License-Identifier: Apache-2.0
#include "wasi/wasi.h"

#include "wasi/p2_sockets.h"
#include "wasi/stdio_stream.h"

void wasi_init(struct wasi *wasi, const struct wasi_config *config, struct loop *loop,
               struct http_client *http_client)
{
    *wasi = (struct wasi){.config = config, .loop = loop, .http_client = http_client};
}

void wasi_done(struct wasi *wasi)
{
    // A server drops what a stuck reader of its output does not take.
    bool wait = !wasi->config->line_output;
    wasi_lookups_unref(TAKE(wasi->lookups));
    stdio_in_free(TAKE(wasi->in));
    stdio_out_free(TAKE(wasi->out), wait);
    stdio_out_free(TAKE(wasi->err), wait);
}

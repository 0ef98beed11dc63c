// SPDX-License-Identifier: Apache-2.0
// A server's TLS context, made anew when its files change, so that certificates are replaced
// without a restart. Files are read on the loop's thread pool. What cannot be used (half written,
// key of another certificate) leaves the previous context in place and is tried again at the next
// change. Contexts are renewed also without a change: tickets of old sessions end with them.
#pragma once

#include "loop/loop.h"
#include "net/tls.h"

#define TLS_RELOAD_CHECK_MS      2000u
#define TLS_RELOAD_RENEW_SECONDS (12u * 3600)

struct tls_reload;

struct tls_reload_options {
    struct tls_server_options server; // copied with all it names
    uint32_t check_ms;                // between looks at the files; 0: the default
    // A new context; the callee takes its own reference. Both come from the loop.
    void (*changed)(struct tls_context *context, void *user);
    void (*failed)(const struct error *reason, void *user);
    void *user;
};

// Reads the files before it returns. `first` is the caller's reference.
_must_use_ int tls_reload_new(struct loop *loop, const struct tls_reload_options *options,
                              struct tls_reload **out, struct tls_context **first,
                              struct error *err);
// No callback comes afterwards. The loop may be freed at once.
void tls_reload_free(struct tls_reload *reload);
// Reads the files soon, changed or not; `changed` or `failed` follows.
void tls_reload_now(struct tls_reload *reload);

// SPDX-License-Identifier: Apache-2.0
// The TLS side of an HTTP host: one context for all workers, made anew when its files change;
// failed handshakes are logged once per kind.
#pragma once

#include "loop/loop.h"
#include "net/tls.h"

struct https;

struct https_files {
    const char *certificate; // PEM; NULL: plain HTTP
    const char *key;
    const char *ca; // clients must show a certificate of these issuers; NULL: none is asked for
};

// Reads the files. `changed` is called on the loop's thread when https_context() gives another one.
_must_use_ int https_new(struct loop *loop, const struct https_files *files,
                         void (*changed)(void *user), void *user, struct https **out,
                         struct error *err);
// Before the loop is freed; on its thread, or when that has ended.
void https_free(struct https *https);
// The current context, a reference for the caller. Thread-safe.
struct tls_context *https_context(struct https *https);
// Reads the files now. Thread-safe.
void https_reload(struct https *https);
// Thread-safe.
void https_handshake_failed(struct https *https, enum tls_failure kind, const char *reason);

// SPDX-License-Identifier: Apache-2.0
// Shared by tls*.c.
#pragma once

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_entry {
    SSL_CTX *ssl; // holds the certificate and its key
};

struct tls_context {
    SSL_CTX *ssl; // the first entry's, or the client's
    struct tls_entry *entries;
    size_t entry_count;
    struct str alpn; // owned
    int64_t not_after;
    bool refuse_unknown_names;
    uint32_t refs; // atomic
};

// The first reason in OpenSSL's queue as text, which is emptied.
void tls_take_error(char *text, size_t size);

// SPDX-License-Identifier: Apache-2.0
// wasi:tls 0.2.0-draft: a guest's own streams under TLS, as a client. It gives no power that the
// guest had not: the streams were opened under the rules of wasi:sockets, so it is always offered.
// Servers are verified against the system's authorities and those of the workload; there is no way
// to go on without.
//
// Lifetimes. A session is counted by reference: the future, the connection, its two streams and
// pollables hold one each and may be dropped in any order. The guest's streams end with the last.
#pragma once

#include "base/error.h"

// Sessions that an instance has at once; more fail as handshakes do.
#define WASI_TLS_SESSIONS_MAX   256u
#define WASI_TLS_NAME_BYTES_MAX ((size_t)253) // RFC 1035 section 2.3.4
// Clear text that a guest may write before it is encrypted and given on.
#define WASI_TLS_WRITE_BYTES ((size_t)16 * 1024)

// Whom a workload's guests trust; the authorities are read when first needed. Shared by threads.
struct wasi_tls;
// `ca_file` (PEM) comes on top of the system's authorities; NULL: none.
struct wasi_tls *wasi_tls_new(const char *ca_file);
void wasi_tls_free(struct wasi_tls *tls); // NULL is fine

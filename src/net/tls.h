// SPDX-License-Identifier: Apache-2.0
// TLS 1.2 and 1.3 over a non-blocking socket.
//
// A context holds certificates and rules. It is immutable, counted, and shared by threads; each
// session keeps the one it began with, so that replacing a context disturbs nobody. A session
// belongs to one thread and is used through net/stream.h once its handshake has ended.
//
// What every context has: TLS 1.2 at least, forward secrecy and authenticated ciphers only (as
// RFC 9113 section 9.2 asks), no compression, no renegotiation, no early data, session tickets.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/error.h"

#define TLS_CERTIFICATES_MAX ((size_t)256)
#define TLS_FILE_BYTES_MAX   ((size_t)4 * 1024 * 1024)
// Certificates of a peer, together.
#define TLS_PEER_CHAIN_BYTES_MAX ((size_t)32 * 1024)
// Encrypted bytes that wait for the kernel, per session; one record may come on top.
#define TLS_UNSENT_BYTES_MAX ((size_t)32 * 1024)
// A session can be resumed this long.
#define TLS_SESSION_SECONDS 3600L

struct tls_context;
struct tls;

// ---- contexts -----------------------------------------------------------------------------------

// Names of PEM files: the chain, the server's own certificate first; and its unencrypted key.
struct tls_certificate {
    const char *certificate_file;
    const char *key_file;
};

struct tls_server_options {
    // Chosen by the name that the client asks for (SNI): an exact name before a wildcard, the first
    // certificate when none fits.
    const struct tls_certificate *certificates;
    size_t certificate_count;
    bool refuse_unknown_names; // no certificate rather than the first
    // Clients must show a certificate that one of these issued. NULL: none is asked for.
    const char *ca_file;
    // Protocols in order of preference, each with its length in front (RFC 7301), e.g.
    // "\x02h2\x08http/1.1". Empty: no ALPN.
    struct str alpn;
};
_must_use_ int tls_server_context_new(const struct tls_server_options *options,
                                      struct tls_context **out, struct error *err);

struct tls_client_options {
    const char *ca_file;                // trusted besides the system's roots
    bool no_system_roots;               // only `ca_file` is trusted
    struct tls_certificate certificate; // shown when the server asks; no files: none
    struct str alpn;
};
_must_use_ int tls_client_context_new(const struct tls_client_options *options,
                                      struct tls_context **out, struct error *err);

struct tls_context *tls_context_ref(struct tls_context *context); // NULL: NULL
void tls_context_unref(struct tls_context *context);
// When the first of a server's certificates to expire does so: seconds since 1970; 0: none.
int64_t tls_context_not_after(const struct tls_context *context);

// ---- sessions -----------------------------------------------------------------------------------

// `fd` stays the caller's.
struct tls *tls_server_new(struct tls_context *context, int fd);
// `host` is the name or IP address that the peer's certificate must be for. -EINVAL when it is
// neither.
_must_use_ int tls_client_new(struct tls_context *context, int fd, const char *host,
                              struct tls **out, struct error *err);
// What a session runs over instead of a socket. None of it waits.
struct tls_transport {
    // Bytes, 0 at the end, -EAGAIN, or another errno.
    ssize_t (*receive)(void *user, char *data, size_t len);
    // How many bytes were taken (more than 0), -EAGAIN, or another errno.
    ssize_t (*send)(void *user, const char *data, size_t len);
};
_must_use_ int tls_client_new_over(struct tls_context *context,
                                   const struct tls_transport *transport, void *user,
                                   const char *host, struct tls **out, struct error *err);
void tls_free(struct tls *tls);

// Kinds of failed handshakes: few, so that they can be counted and each be logged once.
enum tls_failure {
    TLS_FAILURE_NOT_TLS,        // e.g. plain HTTP
    TLS_FAILURE_VERSION,        // the peer speaks only versions before 1.2
    TLS_FAILURE_PARAMETERS,     // no cipher, group or signature in common
    TLS_FAILURE_NO_CERTIFICATE, // the peer showed none
    TLS_FAILURE_CERTIFICATE,    // the peer's is expired, of another issuer, for another name...
    TLS_FAILURE_NAME,           // no certificate for the name asked for
    TLS_FAILURE_ALPN,           // no protocol in common
    TLS_FAILURE_REFUSED,        // the peer sent an alert: it does not like ours
    TLS_FAILURE_CLOSED,         // the peer left in the middle
    TLS_FAILURE_TIMEOUT,        // counted by who waits
    TLS_FAILURE_OTHER,
    TLS_FAILURE_COUNT,
};
// "client certificate refused"...
const char *tls_failure_text(enum tls_failure kind);

// Goes on with the handshake: 0 when it is done, -EAGAIN (again when readable, or writable while
// tls_unsent()), or -EPROTO: failed, with *failure and the reason. Of a failed one only
// net_stream_shutdown(), which tells the peer why, net_stream_read() and _close() make sense.
_must_use_ int tls_handshake(struct tls *tls, enum tls_failure *failure, struct error *err);

// After the handshake. The protocol agreed on; empty for none.
struct str tls_alpn_selected(const struct tls *tls);
const char *tls_version(const struct tls *tls);     // "TLSv1.3"
const char *tls_cipher(const struct tls *tls);      // "TLS_AES_256_GCM_SHA384"
const char *tls_server_name(const struct tls *tls); // that the client asked for, or NULL
bool tls_is_resumed(const struct tls *tls);
// The number of the alert with which the peer ended the session (RFC 8446 section 6.2); 0: none.
uint8_t tls_alert(const struct tls *tls);
// The subject of the peer's verified certificate as RFC 4514 text. -ENOENT without one.
_must_use_ int tls_peer_subject(const struct tls *tls, char *text, size_t size);

// For net/stream.h.
ssize_t tls_read(struct tls *tls, char *data, size_t len);
ssize_t tls_write(struct tls *tls, const struct iovec *parts, size_t count);
int tls_flush(struct tls *tls);
int tls_shutdown(struct tls *tls); // sends close_notify, or after a failure the alert
// Sends close_notify and goes on reading (RFC 8446 section 6.1). 0, -EAGAIN when some of what was
// written is left (tls_flush() again), or an errno.
int tls_end_output(struct tls *tls);
bool tls_has_input(const struct tls *tls);
size_t tls_unsent(const struct tls *tls);

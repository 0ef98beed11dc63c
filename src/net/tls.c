// SPDX-License-Identifier: Apache-2.0
// A session. OpenSSL receives from the socket or transport itself; what it sends is gathered in
// `out` and given on in few calls. OpenSSL therefore never has to wait for room.
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "net/tls_impl.h"

#define RECORD_BYTES ((size_t)16 * 1024)
// What begins after a pause goes in small records: a large one can be decrypted only when all of
// it is there, which over a long line takes a round trip more than its first part.
#define RECORD_BYTES_SMALL  ((size_t)4 * 1024)
#define BURST_BYTES_SMALL   ((size_t)16 * 1024)
#define BURST_PAUSE_SECONDS 1
// Post-handshake messages and alerts come on top of records.
#define OUT_BYTES_HARD_MAX (TLS_UNSENT_BYTES_MAX + 2 * RECORD_BYTES + (size_t)64 * 1024)

enum tls_state {
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_SHUT, // close_notify was written
    TLS_FAILED,
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    int fd;
    const struct tls_transport *transport; // instead of `fd`; NULL: none
    void *transport_user;
    enum tls_state state;
    bool output_ended; // by tls_end_output(), which leaves the session open
    int ended;         // what reads give from now on: 1: 0 bytes, else an errno; 0: not ended
    bool has_input;    // more may be had without the descriptor being readable
    bool is_drained;   // the kernel had no more at the last call
    bool saw_eof;      // of TCP
    uint8_t alert;     // that the peer sent
    struct buf out;
    size_t out_sent;
    size_t burst; // bytes written without a pause
    time_t last_write;
};

// ---- the BIO between OpenSSL and the socket -----------------------------------------------------

static ssize_t receive(const struct tls *tls, void *data, size_t len)
{
    if (tls->transport)
        return tls->transport->receive(tls->transport_user, data, len);
    ssize_t got;
    do
        got = recv(tls->fd, data, len, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static ssize_t transmit(const struct tls *tls, const char *data, size_t len)
{
    if (tls->transport)
        return tls->transport->send(tls->transport_user, data, len);
    ssize_t sent;
    do
        sent = send(tls->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static int bio_read(BIO *bio, char *data, size_t len, size_t *out)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *out = 0;
    ssize_t got = tls->is_drained ? -EAGAIN : receive(tls, data, len);
    if (got == -EAGAIN) {
        BIO_set_retry_read(bio);
        return 0;
    }
    tls->saw_eof = got == 0;
    // A transport may have more where it gave less.
    tls->is_drained = !tls->transport && got > 0 && (size_t)got < len;
    if (got <= 0)
        return 0;
    *out = (size_t)got;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *out)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *out = 0;
    if (buf_add(&tls->out, data, len) < 0)
        return 0;
    *out = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *arg)
{
    const struct tls *tls = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls->saw_eof;
    default: // not an enum; whatever else is asked is not supported
        return 0;
    }
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (!bio_method || BIO_meth_set_read_ex(bio_method, bio_read) != 1 ||
        BIO_meth_set_write_ex(bio_method, bio_write) != 1 ||
        BIO_meth_set_ctrl(bio_method, bio_ctrl) != 1)
        die_oom(0);
}

static BIO *new_bio(struct tls *tls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = BIO_new(bio_method);
    if (!bio)
        die_oom(0);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

// ---- life ---------------------------------------------------------------------------------------

static struct tls *new_session(struct tls_context *context, int fd)
{
    struct tls *tls = mem_new(struct tls);
    tls->context = tls_context_ref(context);
    tls->fd = fd;
    tls->out = BUF_INIT(OUT_BYTES_HARD_MAX);
    tls->ssl = SSL_new(context->ssl);
    if (!tls->ssl)
        die_oom(0);
    BIO *bio = new_bio(tls);
    SSL_set_bio(tls->ssl, bio, bio);
    return tls;
}

struct tls *tls_server_new(struct tls_context *context, int fd)
{
    struct tls *tls = new_session(context, fd);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

// An address is verified as one and not sent as a server name (RFC 6066 section 3).
static bool set_expected_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return host[0] && SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int new_client(struct tls_context *context, int fd, const char *host, struct tls **out,
                      struct error *err)
{
    struct tls *tls = new_session(context, fd);
    bool fits = set_expected_host(tls->ssl, host);
    ERR_clear_error();
    if (!fits) {
        tls_free(tls);
        return error_set(err, -EINVAL, "TLS: \"%s\" is no name of a server", host);
    }
    SSL_set_connect_state(tls->ssl);
    *out = tls;
    return 0;
}

int tls_client_new(struct tls_context *context, int fd, const char *host, struct tls **out,
                   struct error *err)
{
    return new_client(context, fd, host, out, err);
}

int tls_client_new_over(struct tls_context *context, const struct tls_transport *transport,
                        void *user, const char *host, struct tls **out, struct error *err)
{
    int rc = new_client(context, -1, host, out, err);
    if (rc < 0)
        return rc;
    (*out)->transport = transport;
    (*out)->transport_user = user;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    buf_done(&tls->out);
    tls_context_unref(tls->context);
    free(tls);
}

// ---- sending ------------------------------------------------------------------------------------

size_t tls_unsent(const struct tls *tls)
{
    return tls->out.len - tls->out_sent;
}

static void drop_sent(struct tls *tls)
{
    if (tls_unsent(tls) == 0) {
        // An idle session holds no buffer.
        buf_done(&tls->out);
        tls->out = BUF_INIT(OUT_BYTES_HARD_MAX);
    } else {
        buf_consume(&tls->out, tls->out_sent);
    }
    tls->out_sent = 0;
}

int tls_flush(struct tls *tls)
{
    while (tls_unsent(tls) > 0) {
        ssize_t sent = transmit(tls, tls->out.data + tls->out_sent, tls_unsent(tls));
        if (sent < 0) {
            drop_sent(tls);
            return (int)sent;
        }
        tls->out_sent += (size_t)sent;
    }
    if (tls->out.data)
        drop_sent(tls);
    return 0;
}

struct parts {
    const struct iovec *next;
    size_t count;
    size_t offset; // into the first
};

static struct str first_part(struct parts *parts)
{
    while (parts->count > 0 && parts->offset == parts->next->iov_len) {
        parts->next++;
        parts->count--;
        parts->offset = 0;
    }
    if (parts->count == 0)
        return STR_EMPTY;
    return str_of((const char *)parts->next->iov_base + parts->offset,
                  parts->next->iov_len - parts->offset);
}

static void skip(struct parts *parts, size_t len)
{
    while (len > 0) {
        struct str part = first_part(parts);
        size_t own = MIN(len, part.len);
        assert(own > 0);
        parts->offset += own;
        len -= own;
    }
}

// What fills one record: a slice of the first part when that is long enough, else several parts
// together in `scratch`.
static struct str next_record(const struct parts *parts, size_t size, char *scratch)
{
    struct parts at = *parts;
    struct str part = first_part(&at);
    if (part.len >= size || at.count <= 1)
        return str_sub(part, 0, size);
    size_t len = 0;
    while (len < size && part.len > 0) {
        size_t own = MIN(part.len, size - len);
        memcpy(scratch + len, part.data, own);
        len += own;
        skip(&at, own);
        part = first_part(&at);
    }
    return str_of(scratch, len);
}

static size_t record_size(struct tls *tls)
{
    return tls->burst < BURST_BYTES_SMALL ? RECORD_BYTES_SMALL : RECORD_BYTES;
}

static void note_pause(struct tls *tls)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_sec > tls->last_write + BURST_PAUSE_SECONDS)
        tls->burst = 0;
    tls->last_write = now.tv_sec;
}

// Bytes encrypted into `out`, or an errno.
static ssize_t encrypt(struct tls *tls, struct str record)
{
    size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, record.data, record.len, &written) == 1)
        return (ssize_t)written;
    int why = SSL_get_error(tls->ssl, 0);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -EAGAIN : -EPIPE;
}

ssize_t tls_write(struct tls *tls, const struct iovec *parts, size_t count)
{
    char scratch[RECORD_BYTES];
    struct parts rest = {parts, count, 0};
    ssize_t taken = 0, rc = tls->state == TLS_OPEN && !tls->output_ended ? 0 : -EPIPE;
    note_pause(tls);
    while (rc >= 0 && first_part(&rest).len > 0) {
        if (tls_unsent(tls) >= TLS_UNSENT_BYTES_MAX && (rc = tls_flush(tls)) < 0)
            break;
        rc = encrypt(tls, next_record(&rest, record_size(tls), scratch));
        if (rc > 0) {
            skip(&rest, (size_t)rc);
            taken += rc;
            tls->burst += (size_t)rc;
        }
    }
    if (rc >= 0)
        rc = tls_flush(tls);
    if (rc < 0 && (rc != -EAGAIN || taken == 0))
        return rc;
    return taken;
}

// ---- receiving ----------------------------------------------------------------------------------

// OpenSSL's reason for a fatal alert that came is its number and an offset.
static void note_alert(struct tls *tls, unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
        reason <= SSL_AD_REASON_OFFSET + UINT8_MAX)
        tls->alert = (uint8_t)(reason - SSL_AD_REASON_OFFSET);
}

uint8_t tls_alert(const struct tls *tls)
{
    return tls->alert;
}

bool tls_has_input(const struct tls *tls)
{
    return tls->has_input;
}

// The code that further reads give: 1 for a proper end, an errno otherwise.
static int end_of_reading(struct tls *tls)
{
    int why = SSL_get_error(tls->ssl, 0);
    note_alert(tls, ERR_peek_error());
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return 0;
    return why == SSL_ERROR_ZERO_RETURN ? 1 : -ECONNRESET;
}

static size_t decrypt(struct tls *tls, char *data, size_t len)
{
    size_t total = 0, got;
    while (total < len) {
        ERR_clear_error();
        if (SSL_read_ex(tls->ssl, data + total, len - total, &got) != 1) {
            tls->ended = end_of_reading(tls);
            break;
        }
        total += got;
    }
    // A full buffer, or an end that is told by the next read.
    tls->has_input = total > 0 && (total == len || tls->ended);
    return total;
}

ssize_t tls_read(struct tls *tls, char *data, size_t len)
{
    if (tls->state != TLS_OPEN)
        return receive(tls, data, len);
    size_t total = 0;
    tls->is_drained = false;
    tls->has_input = false;
    if (!tls->ended)
        total = decrypt(tls, data, len);
    // Answers to what was read, e.g. to a key update; more of them wait for writable.
    int rc = tls_flush(tls);
    if (total > 0)
        return (ssize_t)total;
    if (tls->ended)
        return tls->ended > 0 ? 0 : tls->ended;
    return rc < 0 ? rc : -EAGAIN;
}

// ---- the handshake ------------------------------------------------------------------------------

static const struct {
    int reason;
    enum tls_failure kind;
} failures[] = {
    {SSL_R_HTTP_REQUEST, TLS_FAILURE_NOT_TLS},
    {SSL_R_HTTPS_PROXY_REQUEST, TLS_FAILURE_NOT_TLS},
    {SSL_R_WRONG_VERSION_NUMBER, TLS_FAILURE_NOT_TLS},
    {SSL_R_PACKET_LENGTH_TOO_LONG, TLS_FAILURE_NOT_TLS},
    {SSL_R_UNSUPPORTED_PROTOCOL, TLS_FAILURE_VERSION},
    {SSL_R_VERSION_TOO_LOW, TLS_FAILURE_VERSION},
    {SSL_R_UNKNOWN_PROTOCOL, TLS_FAILURE_VERSION},
    {SSL_R_NO_SHARED_CIPHER, TLS_FAILURE_PARAMETERS},
    {SSL_R_NO_SUITABLE_KEY_SHARE, TLS_FAILURE_PARAMETERS},
    {SSL_R_NO_SUITABLE_GROUPS, TLS_FAILURE_PARAMETERS},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TLS_FAILURE_PARAMETERS},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, TLS_FAILURE_PARAMETERS},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_FAILURE_NO_CERTIFICATE},
    {SSL_R_CERTIFICATE_VERIFY_FAILED, TLS_FAILURE_CERTIFICATE},
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, TLS_FAILURE_CERTIFICATE},
    {SSL_R_CALLBACK_FAILED, TLS_FAILURE_NAME},
    {SSL_R_NO_APPLICATION_PROTOCOL, TLS_FAILURE_ALPN},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, TLS_FAILURE_CLOSED},
};

const char *tls_failure_text(enum tls_failure kind)
{
    static const char *const texts[TLS_FAILURE_COUNT] = {
        [TLS_FAILURE_NOT_TLS] = "what the peer sent is not TLS",
        [TLS_FAILURE_VERSION] = "the peer speaks only versions before TLS 1.2",
        [TLS_FAILURE_PARAMETERS] = "no cipher, group or signature in common",
        [TLS_FAILURE_NO_CERTIFICATE] = "the peer showed no certificate",
        [TLS_FAILURE_CERTIFICATE] = "the peer's certificate is refused",
        [TLS_FAILURE_NAME] = "no certificate for the name asked for",
        [TLS_FAILURE_ALPN] = "no protocol in common",
        [TLS_FAILURE_REFUSED] = "the peer refused",
        [TLS_FAILURE_CLOSED] = "the peer left in the middle",
        [TLS_FAILURE_TIMEOUT] = "not finished in time",
        [TLS_FAILURE_OTHER] = "the peer broke the protocol",
    };
    return texts[kind];
}

static enum tls_failure kind_of(unsigned long code, int why)
{
    if (code == 0)
        return why == SSL_ERROR_SYSCALL ? TLS_FAILURE_CLOSED : TLS_FAILURE_OTHER;
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return TLS_FAILURE_OTHER;
    int reason = ERR_GET_REASON(code);
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (failures[i].reason == reason)
            return failures[i].kind;
    return reason > SSL_AD_REASON_OFFSET ? TLS_FAILURE_REFUSED : TLS_FAILURE_OTHER;
}

// RFC 9110 has no answer for this; that servers give one in plain text helps whoever mistyped.
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n"
                                   "content-length: 44\r\nconnection: close\r\n\r\n"
                                   "this port speaks HTTPS: use https://, please";

static int handshake_failed(struct tls *tls, int why, enum tls_failure *failure, struct error *err)
{
    char reason[128];
    unsigned long code = ERR_peek_error();
    bool is_http = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    *failure = kind_of(code, why);
    note_alert(tls, code);
    long verified = SSL_get_verify_result(tls->ssl);
    if (*failure == TLS_FAILURE_CERTIFICATE && verified != X509_V_OK)
        snprintf(reason, sizeof(reason), "%s", X509_verify_cert_error_string(verified));
    else if (*failure == TLS_FAILURE_CLOSED)
        snprintf(reason, sizeof(reason), "connection closed");
    else
        tls_take_error(reason, sizeof(reason));
    ERR_clear_error();
    tls->state = TLS_FAILED;
    if (is_http && SSL_is_server(tls->ssl)) {
        int rc = buf_add(&tls->out, plain_answer, sizeof(plain_answer) - 1);
        assert(rc == 0);
    }
    return error_set(err, -EPROTO, "TLS handshake: %s: %s", tls_failure_text(*failure), reason);
}

static int not_sent(struct tls *tls, int code, enum tls_failure *failure, struct error *err)
{
    tls->state = TLS_FAILED;
    *failure = TLS_FAILURE_CLOSED;
    return error_set_errno(err, code, "TLS handshake: sending");
}

int tls_handshake(struct tls *tls, enum tls_failure *failure, struct error *err)
{
    if (tls->state == TLS_OPEN)
        return 0;
    tls->is_drained = false;
    ERR_clear_error();
    int rc = SSL_do_handshake(tls->ssl);
    if (rc == 1) {
        tls->state = TLS_OPEN;
        // What came with the last message.
        tls->has_input = true;
        rc = tls_flush(tls);
        return rc == 0 || rc == -EAGAIN ? 0 : not_sent(tls, rc, failure, err);
    }
    int why = SSL_get_error(tls->ssl, rc);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        return handshake_failed(tls, why, failure, err);
    rc = tls_flush(tls);
    return rc == 0 || rc == -EAGAIN ? -EAGAIN : not_sent(tls, rc, failure, err);
}

int tls_end_output(struct tls *tls)
{
    if (tls->state == TLS_OPEN && !tls->output_ended) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl); // only writes; a failure leaves nothing to send
        ERR_clear_error();
        tls->output_ended = true;
    }
    return tls_flush(tls);
}

int tls_shutdown(struct tls *tls)
{
    int rc = tls_end_output(tls);
    if (tls->state == TLS_OPEN) {
        tls->state = TLS_SHUT;
        tls->has_input = false;
    }
    return rc;
}

// ---- what was agreed on -------------------------------------------------------------------------

struct str tls_alpn_selected(const struct tls *tls)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return len ? str_of((const char *)name, len) : STR_EMPTY;
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(tls->ssl);
}

const char *tls_cipher(const struct tls *tls)
{
    return SSL_get_cipher_name(tls->ssl);
}

const char *tls_server_name(const struct tls *tls)
{
    return SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
}

bool tls_is_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

int tls_peer_subject(const struct tls *tls, char *text, size_t size)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (!certificate)
        return -ENOENT;
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        die_oom(0);
    char *data;
    X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    long len = BIO_get_mem_data(bio, &data);
    int rc = len >= 0 && (size_t)len < size ? 0 : -ENOBUFS;
    if (rc == 0) {
        memcpy(text, data, (size_t)len);
        text[len] = 0;
    }
    BIO_free(bio);
    return rc;
}

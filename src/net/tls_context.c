// SPDX-License-Identifier: Apache-2.0
// Contexts: files to certificates, keys and trusted issuers; and what the handshake asks them.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "net/tls_impl.h"

#define CIPHERS_TLS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS          "X25519:P-256:P-384"

void tls_take_error(char *text, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(text, size, "%s", reason ? reason : "unknown reason");
    ERR_clear_error();
}

static int fail(struct error *err, const char *what, const char *path)
{
    char reason[128];
    tls_take_error(reason, sizeof(reason));
    return error_set(err, -EINVAL, "%s: %s: %s", what, path, reason);
}

// ---- PEM files ----------------------------------------------------------------------------------

struct pem_file {
    struct buf content;
    BIO *bio;
};

static void pem_file_close(struct pem_file *file)
{
    BIO_free(file->bio);
    if (file->content.data)
        mem_wipe(file->content.data, file->content.cap);
    buf_done(&file->content);
}

static int pem_file_open(struct pem_file *file, const char *what, const char *path,
                         struct error *err)
{
    if (access(path, F_OK) < 0)
        return error_set(err, -ENOENT, "%s file does not exist: %s", what, path);
    int rc = file_read(path, &file->content, err);
    if (rc < 0)
        return error_wrap(err, "%s file", what);
    file->bio = BIO_new_mem_buf(file->content.data, (int)file->content.len);
    if (!file->bio)
        die_oom(0);
    return 0;
}

// Nobody is there to be asked for a passphrase.
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    return -1;
}

static bool is_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();
    bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (at_end)
        ERR_clear_error();
    return at_end;
}

// All certificates of a file, in order; at least one.
static int read_certificates(const char *what, const char *path, STACK_OF(X509) * *out,
                             struct error *err)
{
    _cleanup_(pem_file_close) struct pem_file file = {.content = BUF_INIT(TLS_FILE_BYTES_MAX)};
    int rc = pem_file_open(&file, what, path, err);
    if (rc < 0)
        return rc;
    STACK_OF(X509) *list = sk_X509_new_null();
    X509 *one;
    ERR_clear_error();
    while ((one = PEM_read_bio_X509(file.bio, NULL, no_passphrase, NULL)))
        if (!list || !sk_X509_push(list, one))
            die_oom(0);
    if (!is_end_of_pem())
        rc = fail(err, "Failed to parse certificate file", path);
    else if (sk_X509_num(list) == 0)
        rc = error_set(err, -EINVAL, "No certificates found in file: %s", path);
    if (rc < 0)
        sk_X509_pop_free(list, X509_free);
    else
        *out = list;
    return rc;
}

static int read_key(const char *path, EVP_PKEY **out, struct error *err)
{
    _cleanup_(pem_file_close) struct pem_file file = {.content = BUF_INIT(TLS_FILE_BYTES_MAX)};
    int rc = pem_file_open(&file, "TLS private key", path, err);
    if (rc < 0)
        return rc;
    ERR_clear_error();
    *out = PEM_read_bio_PrivateKey(file.bio, NULL, no_passphrase, NULL);
    return *out ? 0 : fail(err, "Failed to parse private key file", path);
}

// ---- certificates of a context ------------------------------------------------------------------

static int use_chain(SSL_CTX *ssl, STACK_OF(X509) * chain, const char *path, struct error *err)
{
    if (SSL_CTX_use_certificate(ssl, sk_X509_value(chain, 0)) != 1)
        return fail(err, "TLS certificate file cannot be used", path);
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (SSL_CTX_add1_chain_cert(ssl, sk_X509_value(chain, i)) != 1)
            return fail(err, "TLS certificate chain cannot be used", path);
    return 0;
}

static int use_certificate(SSL_CTX *ssl, const struct tls_certificate *files, struct error *err)
{
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    int rc = read_certificates("TLS certificate", files->certificate_file, &chain, err);
    if (rc == 0)
        rc = read_key(files->key_file, &key, err);
    if (rc == 0)
        rc = use_chain(ssl, chain, files->certificate_file, err);
    if (rc == 0 && SSL_CTX_use_PrivateKey(ssl, key) != 1) {
        ERR_clear_error();
        rc = error_set(err, -EINVAL, "TLS private key %s does not belong to the certificate %s",
                       files->key_file, files->certificate_file);
    }
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return rc;
}

// Issuers whose certificates are accepted, roots or not.
static int trust(SSL_CTX *ssl, const char *path, bool announce, struct error *err)
{
    STACK_OF(X509) * issuers;
    int rc = read_certificates("CA certificate", path, &issuers, err);
    if (rc < 0)
        return rc;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    for (int i = 0; i < sk_X509_num(issuers) && rc == 0; i++) {
        X509 *issuer = sk_X509_value(issuers, i);
        if (X509_STORE_add_cert(store, issuer) != 1 ||
            (announce && SSL_CTX_add_client_CA(ssl, issuer) != 1))
            rc = fail(err, "CA certificate cannot be used", path);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    sk_X509_pop_free(issuers, X509_free);
    return rc;
}

// ---- what all contexts share --------------------------------------------------------------------

static SSL_CTX *new_ssl_context(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);
    if (!ssl)
        die_oom(0);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ssl, CIPHERS_TLS_1_2) != 1 ||
        SSL_CTX_set1_groups_list(ssl, GROUPS) != 1)
        ERR_clear_error(); // a local policy (openssl.cnf, FIPS) is stricter
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_max_cert_list(ssl, (long)TLS_PEER_CHAIN_BYTES_MAX);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl, TLS_SESSION_SECONDS);
    return ssl;
}

static struct tls_context *new_context(struct str alpn)
{
    struct tls_context *context = mem_new(struct tls_context);
    context->refs = 1;
    if (alpn.len)
        context->alpn = str_of(mem_dup(alpn.data, alpn.len), alpn.len);
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    if (context)
        __atomic_fetch_add(&context->refs, 1, __ATOMIC_RELAXED);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (!context || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < context->entry_count; i++)
        SSL_CTX_free(context->entries[i].ssl);
    if (context->entry_count == 0)
        SSL_CTX_free(context->ssl);
    free(context->entries);
    free((char *)(uintptr_t)context->alpn.data);
    free(context);
}

int64_t tls_context_not_after(const struct tls_context *context)
{
    return context->not_after;
}

// ---- servers ------------------------------------------------------------------------------------

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *arg)
{
    const struct tls_context *context = arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)context->alpn.data,
                              (unsigned)context->alpn.len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // RFC 7301 section 3.2
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

#define NAME_EXACT    (X509_CHECK_FLAG_NO_WILDCARDS)
#define NAME_WILDCARD (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

static SSL_CTX *find_certificate(const struct tls_context *context, const char *name)
{
    static const unsigned rounds[] = {NAME_EXACT, NAME_WILDCARD};
    for (size_t round = 0; round < ARRAY_LEN(rounds); round++) {
        for (size_t i = 0; i < context->entry_count; i++) {
            SSL_CTX *ssl = context->entries[i].ssl;
            if (X509_check_host(SSL_CTX_get0_certificate(ssl), name, strlen(name), rounds[round],
                                NULL) == 1)
                return ssl;
        }
    }
    return NULL;
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *context = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (context->entry_count == 1 && !context->refuse_unknown_names)
        return SSL_TLSEXT_ERR_OK;
    SSL_CTX *found = name ? find_certificate(context, name) : NULL;
    ERR_clear_error();
    if (found) {
        SSL_set_SSL_CTX(ssl, found);
        return SSL_TLSEXT_ERR_OK;
    }
    if (!context->refuse_unknown_names)
        return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static int add_certificate(struct tls_context *context, const struct tls_certificate *files,
                           struct error *err)
{
    SSL_CTX *ssl = new_ssl_context(TLS_server_method());
    context->entries[context->entry_count++] = (struct tls_entry){ssl};
    int rc = use_certificate(ssl, files, err);
    if (rc < 0)
        return rc;
    int64_t end = seconds_of(X509_get0_notAfter(SSL_CTX_get0_certificate(ssl)));
    if (context->not_after == 0 || end < context->not_after)
        context->not_after = end;
    return 0;
}

// A handshake begins with the first entry's SSL_CTX and asks that of the entry it chose by name.
static int set_server_rules(struct tls_context *context, const struct tls_server_options *options,
                            SSL_CTX *ssl, struct error *err)
{
    static const unsigned char session_id[] = "wash";
    SSL_CTX_set_tlsext_servername_callback(ssl, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ssl, context);
    if (SSL_CTX_set_session_id_context(ssl, session_id, sizeof(session_id) - 1) != 1)
        return fail(err, "failed to create TLS configuration", "session id");
    if (context->alpn.len)
        SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, context);
    if (!options->ca_file)
        return 0;
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (ssl == context->ssl)
        return trust(ssl, options->ca_file, true, err);
    SSL_CTX_set1_cert_store(ssl, SSL_CTX_get_cert_store(context->ssl));
    SSL_CTX_set_client_CA_list(ssl, SSL_dup_CA_list(SSL_CTX_get_client_CA_list(context->ssl)));
    return 0;
}

int tls_server_context_new(const struct tls_server_options *options, struct tls_context **out,
                           struct error *err)
{
    if (options->certificate_count == 0 || options->certificate_count > TLS_CERTIFICATES_MAX)
        return error_set(err, -EINVAL, "TLS: %zu certificates, expected 1 to %zu",
                         options->certificate_count, TLS_CERTIFICATES_MAX);
    struct tls_context *context = new_context(options->alpn);
    context->refuse_unknown_names = options->refuse_unknown_names;
    context->entries = mem_zalloc(options->certificate_count * sizeof(*context->entries));
    int rc = 0;
    for (size_t i = 0; i < options->certificate_count && rc == 0; i++)
        rc = add_certificate(context, &options->certificates[i], err);
    context->ssl = context->entries[0].ssl;
    for (size_t i = 0; i < context->entry_count && rc == 0; i++)
        rc = set_server_rules(context, options, context->entries[i].ssl, err);
    if (rc < 0)
        tls_context_unref(context);
    else
        *out = context;
    return rc;
}

// ---- clients ------------------------------------------------------------------------------------

static int set_client_rules(SSL_CTX *ssl, const struct tls_client_options *options,
                            struct error *err)
{
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (!options->no_system_roots && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return fail(err, "loading the system's CA certificates", X509_get_default_cert_dir());
    int rc = options->ca_file ? trust(ssl, options->ca_file, false, err) : 0;
    if (rc == 0 && options->certificate.certificate_file)
        rc = use_certificate(ssl, &options->certificate, err);
    // Returns 0 for success, unlike all others.
    if (rc == 0 && options->alpn.len &&
        SSL_CTX_set_alpn_protos(ssl, (const unsigned char *)options->alpn.data,
                                (unsigned)options->alpn.len) != 0)
        rc = fail(err, "failed to create TLS configuration", "ALPN");
    return rc;
}

int tls_client_context_new(const struct tls_client_options *options, struct tls_context **out,
                           struct error *err)
{
    struct tls_context *context = new_context(options->alpn);
    context->ssl = new_ssl_context(TLS_client_method());
    int rc = set_client_rules(context->ssl, options, err);
    if (rc < 0)
        tls_context_unref(context);
    else
        *out = context;
    return rc;
}

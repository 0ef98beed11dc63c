// SPDX-License-Identifier: Apache-2.0
#include "net/tls_test_pki.h"

#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

static void must(int ok)
{
    if (ok <= 0)
        abort();
}

void test_pki_init(struct test_pki *pki)
{
    snprintf(pki->dir, sizeof(pki->dir), "/tmp/tls-test-XXXXXX");
    must(mkdtemp(pki->dir) != NULL);
}

void test_pki_done(struct test_pki *pki)
{
    DIR *dir = opendir(pki->dir);
    must(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir));)
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(pki->dir);
}

static X509 *new_certificate(EVP_PKEY *key, const char *name, long seconds)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    must(X509_set_version(certificate, 2));
    must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++));
    X509_gmtime_adj(X509_getm_notBefore(certificate), MIN(-3600, seconds - 3600));
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds);
    must(X509_set_pubkey(certificate, key));
    must(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0));
    return certificate;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    must(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

struct test_issuer test_issuer_new(struct test_pki *pki, const char *name)
{
    struct test_issuer issuer = {.key = EVP_EC_gen("P-256")};
    issuer.certificate = new_certificate(issuer.key, name, 86400);
    must(X509_set_issuer_name(issuer.certificate, X509_get_subject_name(issuer.certificate)));
    add_extension(issuer.certificate, NID_basic_constraints, "critical,CA:TRUE");
    must(X509_sign(issuer.certificate, issuer.key, EVP_sha256()));
    snprintf(issuer.file, sizeof(issuer.file), "%s/%s.pem", pki->dir, name);
    FILE *file = fopen(issuer.file, "we");
    must(file && PEM_write_X509(file, issuer.certificate));
    fclose(file);
    return issuer;
}

void test_issuer_done(struct test_issuer *issuer)
{
    EVP_PKEY_free(issuer->key);
    X509_free(issuer->certificate);
}

struct test_certificate test_certificate_new(struct test_pki *pki, const struct test_issuer *issuer,
                                             const char *file_name, const char *names, long seconds)
{
    struct test_certificate out;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = new_certificate(key, file_name, seconds);
    must(X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate)));
    add_extension(certificate, NID_subject_alt_name, names);
    must(X509_sign(certificate, issuer->key, EVP_sha256()));
    snprintf(out.certificate_file, sizeof(out.certificate_file), "%s/%s.crt", pki->dir, file_name);
    snprintf(out.key_file, sizeof(out.key_file), "%s/%s.key", pki->dir, file_name);
    FILE *file = fopen(out.certificate_file, "we");
    must(file && PEM_write_X509(file, certificate) && PEM_write_X509(file, issuer->certificate));
    fclose(file);
    file = fopen(out.key_file, "we");
    must(file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return out;
}

const char *test_pki_file(struct test_pki *pki, const char *name, const char *content)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", pki->dir, name);
    FILE *file = fopen(path, "we");
    must(file && fputs(content, file) >= 0);
    fclose(file);
    return path;
}

// SPDX-License-Identifier: Apache-2.0
// Certificates for tests: issuers and what they issue, as PEM files in a temporary folder.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

struct test_pki {
    char dir[64];
};

struct test_issuer {
    EVP_PKEY *key;
    X509 *certificate;
    char file[128];
};

struct test_certificate {
    char certificate_file[128]; // with the issuer behind it
    char key_file[128];
};

void test_pki_init(struct test_pki *pki);
void test_pki_done(struct test_pki *pki);

struct test_issuer test_issuer_new(struct test_pki *pki, const char *name);
void test_issuer_done(struct test_issuer *issuer);

// `names` as "DNS:a.example,IP:127.0.0.1". Valid from now - 1 h until now + `seconds`.
struct test_certificate test_certificate_new(struct test_pki *pki, const struct test_issuer *issuer,
                                             const char *file_name, const char *names,
                                             long seconds);
// A file with any content; its path lives until the next call.
const char *test_pki_file(struct test_pki *pki, const char *name, const char *content);

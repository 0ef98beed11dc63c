// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>

static void update(EVP_MD_CTX *ctx, const void *data, size_t len)
{
    int ok = EVP_DigestUpdate(ctx, data, len);
    assert(ok == 1);
}

static EVP_MD_CTX *begin(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        die_oom(0);
    return ctx;
}

static struct sha256 finish(EVP_MD_CTX *ctx)
{
    struct sha256 digest;
    int ok = EVP_DigestFinal_ex(ctx, digest.bytes, NULL);
    assert(ok == 1);
    EVP_MD_CTX_free(ctx);
    return digest;
}

struct sha256 sha256_of(struct str data)
{
    EVP_MD_CTX *ctx = begin();
    update(ctx, data.data, data.len);
    return finish(ctx);
}

struct sha256 sha256_of_parts(const struct str *parts, size_t count)
{
    EVP_MD_CTX *ctx = begin();
    for (size_t i = 0; i < count; i++) {
        uint64_t len = parts[i].len;
        update(ctx, &len, sizeof(len));
        update(ctx, parts[i].data, parts[i].len);
    }
    return finish(ctx);
}

struct quarter {
    struct str data;
    struct sha256 digest;
    pthread_t thread;
    bool has_thread;
};

static void *digest_quarter(void *arg)
{
    struct quarter *quarter = arg;
    quarter->digest = sha256_of(quarter->data);
    return NULL;
}

struct sha256 sha256_of_quarters(struct str data)
{
    struct quarter quarters[4];
    struct str digests[ARRAY_LEN(quarters)];
    size_t begin = 0;
    for (size_t i = 0; i < ARRAY_LEN(quarters); i++) {
        size_t end = i + 1 < ARRAY_LEN(quarters) ? begin + data.len / 4 : data.len;
        quarters[i] = (struct quarter){.data = str_of(data.data + begin, end - begin)};
        begin = end;
    }
    for (size_t i = 1; i < ARRAY_LEN(quarters); i++)
        quarters[i].has_thread =
            pthread_create(&quarters[i].thread, NULL, digest_quarter, &quarters[i]) == 0;
    for (size_t i = 0; i < ARRAY_LEN(quarters); i++) {
        if (quarters[i].has_thread)
            pthread_join(quarters[i].thread, NULL);
        else
            digest_quarter(&quarters[i]);
        digests[i] = str_of((const char *)quarters[i].digest.bytes, SHA256_BYTES);
    }
    return sha256_of_parts(digests, ARRAY_LEN(digests));
}

void sha256_hex(const struct sha256 *digest, char out[SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    out[2 * SHA256_BYTES] = 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "host/https.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include "base/log.h"
#include "http/server.h"
#include "net/tls_reload.h"

struct https {
    struct loop *loop;
    struct tls_reload *reload;
    void (*changed)(void *user);
    void *user;
    pthread_mutex_t lock;
    struct tls_context *context;
    uint32_t logged; // bits of enum tls_failure; atomic
};

static_assert(TLS_FAILURE_COUNT <= 32, "a bit for each kind of failure");

static void date_of(int64_t seconds, char *text, size_t size)
{
    struct tm parts;
    time_t when = (time_t)seconds;
    if (!gmtime_r(&when, &parts) || strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(text, size, "?");
}

#define DAY_SECONDS      (24 * 3600)
#define EXPIRY_WARN_DAYS 14

static void tell_expiry(const struct tls_context *context, bool is_new)
{
    char text[32];
    int64_t end = tls_context_not_after(context), left = end - (int64_t)time(NULL);
    date_of(end, text, sizeof(text));
    if (left <= 0)
        log_warn("TLS certificate expired on %s: clients will refuse it", text);
    else if (left < EXPIRY_WARN_DAYS * DAY_SECONDS)
        log_warn("TLS certificate expires on %s", text);
    else if (is_new)
        log_info("TLS certificate read again, valid until %s", text);
}

static void on_changed(struct tls_context *context, void *user)
{
    struct https *https = user;
    pthread_mutex_lock(&https->lock);
    struct tls_context *old = https->context;
    https->context = tls_context_ref(context);
    pthread_mutex_unlock(&https->lock);
    tls_context_unref(old);
    tell_expiry(context, true);
    https->changed(https->user);
}

static void on_failed(const struct error *reason, void *user)
{
    log_error("TLS certificate not read again, the previous one stays in use: %s",
              error_text(reason));
}

int https_new(struct loop *loop, const struct https_files *files, void (*changed)(void *user),
              void *user, struct https **out, struct error *err)
{
    if (!files->certificate || !files->key)
        return error_set(err, -EINVAL, "TLS needs both a certificate and its key: %s is missing",
                         files->certificate ? "the key" : "the certificate");
    struct https *https = mem_new(struct https);
    *https = (struct https){.loop = loop, .changed = changed, .user = user};
    struct tls_certificate certificate = {files->certificate, files->key};
    struct tls_reload_options options = {
        .server = {.certificates = &certificate,
                   .certificate_count = 1,
                   .ca_file = files->ca,
                   .alpn = HTTP_SERVER_ALPN},
        .changed = on_changed,
        .failed = on_failed,
        .user = https,
    };
    int rc = tls_reload_new(loop, &options, &https->reload, &https->context, err);
    if (rc < 0) {
        free(https);
        return rc;
    }
    pthread_mutex_init(&https->lock, NULL);
    tell_expiry(https->context, false);
    *out = https;
    return 0;
}

void https_free(struct https *https)
{
    if (!https)
        return;
    tls_reload_free(https->reload);
    tls_context_unref(https->context);
    pthread_mutex_destroy(&https->lock);
    free(https);
}

struct tls_context *https_context(struct https *https)
{
    pthread_mutex_lock(&https->lock);
    struct tls_context *context = tls_context_ref(https->context);
    pthread_mutex_unlock(&https->lock);
    return context;
}

static void reload(void *arg)
{
    struct https *https = arg;
    tls_reload_now(https->reload);
}

void https_reload(struct https *https)
{
    loop_post(https->loop, reload, https);
}

void https_handshake_failed(struct https *https, enum tls_failure kind, const char *reason)
{
    uint32_t bit = 1u << kind;
    if (__atomic_fetch_or(&https->logged, bit, __ATOMIC_RELAXED) & bit)
        log_debug("%s", reason);
    else
        log_warn("%s (more of this kind are counted, not logged)", reason);
}

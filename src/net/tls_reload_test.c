// SPDX-License-Identifier: Apache-2.0
#include "net/tls_reload.h"

#include <sys/stat.h>

#include "net/tls_test_pki.h"
#include "testing/test.h"

#define MS 1000000ull

struct seen {
    int changes, failures;
    int64_t not_after;
    char reason[256];
};

static void on_changed(struct tls_context *context, void *user)
{
    struct seen *seen = user;
    seen->changes++;
    seen->not_after = tls_context_not_after(context);
}

static void on_failed(const struct error *reason, void *user)
{
    struct seen *seen = user;
    seen->failures++;
    snprintf(seen->reason, sizeof(seen->reason), "%s", error_text(reason));
}

// Until the pool has looked at the files.
static void look(struct loop *loop)
{
    loop_advance(loop, (uint64_t)TLS_RELOAD_CHECK_MS * MS);
    for (int i = 0; i < 50; i++) {
        loop_turn(loop, false);
        usleep(1000);
    }
}

struct fixture {
    struct test_pki pki;
    struct test_issuer ca;
    struct test_certificate first, second;
    struct loop *loop;
    struct tls_reload *reload;
    struct seen seen;
};

static void set_up(struct fixture *f)
{
    ERROR(err);
    test_pki_init(&f->pki);
    f->ca = test_issuer_new(&f->pki, "ca");
    f->first = test_certificate_new(&f->pki, &f->ca, "first", "DNS:a", 3600);
    f->second = test_certificate_new(&f->pki, &f->ca, "second", "DNS:a", 7200);
    CHECK_INT(loop_new_virtual(&f->loop, &err), 0);
    struct tls_certificate files = {f->first.certificate_file, f->first.key_file};
    struct tls_reload_options options = {
        .server = {.certificates = &files, .certificate_count = 1, .alpn = STR("\x02h2")},
        .changed = on_changed,
        .failed = on_failed,
        .user = &f->seen,
    };
    struct tls_context *context;
    int rc = tls_reload_new(f->loop, &options, &f->reload, &context, &err);
    CHECK_INT(rc, 0);
    f->seen.not_after = tls_context_not_after(context);
    tls_context_unref(context);
}

static void tear_down(struct fixture *f)
{
    tls_reload_free(f->reload);
    loop_free(f->loop);
    test_issuer_done(&f->ca);
    test_pki_done(&f->pki);
}

TEST(tls_files_are_read_again_when_they_change)
{
    struct fixture f = {0};
    set_up(&f);
    int64_t before = f.seen.not_after;
    look(f.loop);
    CHECK_INT(f.seen.changes, 0);
    // The certificate is there, its key not yet: the previous context stays.
    CHECK_INT(rename(f.second.certificate_file, f.first.certificate_file), 0);
    look(f.loop);
    CHECK_INT(f.seen.changes, 0);
    CHECK_INT(f.seen.failures, 1);
    CHECK_CONTAINS(f.seen.reason, "does not belong to the certificate");
    look(f.loop);
    CHECK_INT(f.seen.failures, 1); // told once
    CHECK_INT(rename(f.second.key_file, f.first.key_file), 0);
    look(f.loop);
    CHECK_INT(f.seen.changes, 1);
    CHECK(f.seen.not_after > before + 3000);
    CHECK_INT(unlink(f.first.key_file), 0);
    look(f.loop);
    CHECK_INT(f.seen.failures, 2);
    CHECK_CONTAINS(f.seen.reason, "private key file does not exist");
    tear_down(&f);
}

TEST(tls_contexts_are_made_anew_when_asked_and_in_time)
{
    struct fixture f = {0};
    set_up(&f);
    tls_reload_now(f.reload);
    loop_advance(f.loop, 0);
    look(f.loop);
    CHECK_INT(f.seen.changes, 1);
    loop_advance(f.loop, (uint64_t)TLS_RELOAD_RENEW_SECONDS * 1000 * MS);
    look(f.loop);
    look(f.loop);
    CHECK_INT(f.seen.changes, 2);
    // While the pool reads.
    tls_reload_now(f.reload);
    loop_advance(f.loop, 0);
    tear_down(&f);
    CHECK_INT(f.seen.changes, 2);
}

TEST(tls_files_must_be_usable_at_the_start)
{
    struct tls_certificate files = {"/nope", "/nope"};
    struct tls_reload_options options = {
        .server = {.certificates = &files, .certificate_count = 1}};
    struct tls_reload *reload;
    struct tls_context *context;
    struct loop *loop;
    ERROR(err);
    CHECK_INT(loop_new_virtual(&loop, &err), 0);
    CHECK(tls_reload_new(loop, &options, &reload, &context, &err) < 0);
    CHECK_CONTAINS(error_text(&err), "/nope");
    loop_free(loop);
}

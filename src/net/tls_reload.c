// SPDX-License-Identifier: Apache-2.0
#include "net/tls_reload.h"

#include <sys/stat.h>

#define NS_PER_MS 1000000ull

struct tls_reload {
    struct loop *loop;
    struct tls_reload_options options;
    struct tls_certificate *certificates; // with owned texts
    struct loop_timer timer;
    uint64_t renew_at; // on the loop's clock
    uint64_t seen;     // what the files looked like when they were read last
    bool forced;
    bool working;
    bool is_abandoned;

    // While working: the pool's.
    bool must_read;
    int rc; // 1: nothing to do
    struct tls_context *made;
    struct error reason;
};

// ---- what the files look like -------------------------------------------------------------------

static uint64_t mix(uint64_t hash, const char *path)
{
    struct stat info;
    struct {
        uint64_t device, inode, size;
        int64_t seconds, nanoseconds;
    } look = {0};
    // Links are followed: volumes of secrets are replaced by turning a link.
    if (path && stat(path, &info) == 0) {
        look.device = info.st_dev;
        look.inode = info.st_ino;
        look.size = (uint64_t)info.st_size;
        look.seconds = info.st_mtim.tv_sec;
        look.nanoseconds = info.st_mtim.tv_nsec;
    }
    return hash * 0x9E3779B97F4A7C15u + str_hash(str_of((const char *)&look, sizeof(look)));
}

static uint64_t look_at_files(const struct tls_reload *reload)
{
    uint64_t hash = mix(0, reload->options.server.ca_file);
    for (size_t i = 0; i < reload->options.server.certificate_count; i++) {
        hash = mix(hash, reload->certificates[i].certificate_file);
        hash = mix(hash, reload->certificates[i].key_file);
    }
    return hash;
}

// ---- reading them -------------------------------------------------------------------------------

static void read_files(struct tls_reload *reload)
{
    // Looked at before: what changes while it is read is read again.
    uint64_t look = look_at_files(reload);
    reload->rc = 1;
    if (look == reload->seen && !reload->must_read)
        return;
    reload->seen = look;
    reload->rc = tls_server_context_new(&reload->options.server, &reload->made, &reload->reason);
}

static void work(void *arg)
{
    read_files(arg);
}

static void free_reload(struct tls_reload *reload)
{
    tls_context_unref(reload->made);
    error_done(&reload->reason);
    for (size_t i = 0; i < reload->options.server.certificate_count; i++) {
        free((char *)(uintptr_t)reload->certificates[i].certificate_file);
        free((char *)(uintptr_t)reload->certificates[i].key_file);
    }
    free(reload->certificates);
    free((char *)(uintptr_t)reload->options.server.ca_file);
    free((char *)(uintptr_t)reload->options.server.alpn.data);
    free(reload);
}

static void wait_for_next(struct tls_reload *reload)
{
    uint64_t wait_ms = reload->forced ? 0 : reload->options.check_ms;
    loop_timer_start(&reload->timer, wait_ms * NS_PER_MS);
}

static void set_renewal(struct tls_reload *reload)
{
    reload->renew_at = loop_now(reload->loop) + TLS_RELOAD_RENEW_SECONDS * 1000 * NS_PER_MS;
}

static void worked(void *arg)
{
    struct tls_reload *reload = arg;
    reload->working = false;
    if (reload->is_abandoned) {
        free_reload(reload);
        return;
    }
    wait_for_next(reload);
    if (reload->rc == 0) {
        set_renewal(reload);
        reload->options.changed(reload->made, reload->options.user);
        tls_context_unref(TAKE(reload->made));
    } else if (reload->rc < 0) {
        reload->options.failed(&reload->reason, reload->options.user);
        error_done(&reload->reason);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct tls_reload *reload = container_of(timer, struct tls_reload, timer);
    reload->must_read = reload->forced || loop_now(reload->loop) >= reload->renew_at;
    reload->forced = false;
    reload->working = true;
    loop_work(reload->loop, work, worked, reload);
}

void tls_reload_now(struct tls_reload *reload)
{
    reload->forced = true;
    if (!reload->working)
        wait_for_next(reload);
}

// ---- life ---------------------------------------------------------------------------------------

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static void copy_options(struct tls_reload *reload, const struct tls_reload_options *options)
{
    struct tls_server_options *server = &reload->options.server;
    reload->options = *options;
    if (options->check_ms == 0)
        reload->options.check_ms = TLS_RELOAD_CHECK_MS;
    reload->certificates = mem_new_array(struct tls_certificate, server->certificate_count);
    for (size_t i = 0; i < server->certificate_count; i++)
        reload->certificates[i] = (struct tls_certificate){
            copy(server->certificates[i].certificate_file), copy(server->certificates[i].key_file)};
    server->certificates = reload->certificates;
    server->ca_file = copy(server->ca_file);
    if (server->alpn.len)
        server->alpn.data = mem_dup(server->alpn.data, server->alpn.len);
    else
        server->alpn.data = NULL;
}

int tls_reload_new(struct loop *loop, const struct tls_reload_options *options,
                   struct tls_reload **out, struct tls_context **first, struct error *err)
{
    struct tls_reload *reload = mem_new(struct tls_reload);
    reload->loop = loop;
    copy_options(reload, options);
    reload->must_read = true;
    read_files(reload);
    if (reload->rc < 0) {
        int rc = error_move(err, &reload->reason);
        free_reload(reload);
        return rc;
    }
    *first = TAKE(reload->made);
    loop_timer_init(&reload->timer, loop, on_timer);
    set_renewal(reload);
    wait_for_next(reload);
    *out = reload;
    return 0;
}

void tls_reload_free(struct tls_reload *reload)
{
    if (!reload)
        return;
    loop_timer_done(&reload->timer);
    reload->is_abandoned = true;
    if (!reload->working)
        free_reload(reload);
}

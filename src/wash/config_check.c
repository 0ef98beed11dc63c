// SPDX-License-Identifier: Apache-2.0
// What makes loading fail beyond the types, and what `config validate` finds besides.
#include <errno.h>
#include <stdarg.h>

#include "http/uri.h"
#include "wash/config_impl.h"
#include "wasi/egress.h"

// ---- when loading ------------------------------------------------------------------------------

static int check_hosts(const struct strings *hosts, const char *prefix,
                       const struct record_reader *reader, struct error *err)
{
    for (size_t i = 0; i < hosts->len; i++) {
        struct wasi_egress *egress;
        int rc = wasi_egress_new(&hosts->items[i], 1, &egress, err);
        if (rc < 0) {
            char place[RECORD_PLACE_BYTES];
            _cleanup_(mem_freep) char *path = mem_printf("%s.allowedHosts[%zu]", prefix, i);
            error_wrap(err, "key `%s`%s", path,
                       record_place(reader, str_from(path), place, sizeof(place)));
            return rc;
        }
        wasi_egress_free(egress);
    }
    if (hosts->len > WASI_EGRESS_RULES_MAX)
        return error_set(err, -E2BIG, "key `%s.allowedHosts`: %zu entries, the limit is %d", prefix,
                         hosts->len, WASI_EGRESS_RULES_MAX);
    return 0;
}

static bool identifiers_valid(struct str text)
{
    while (text.len > 0) {
        struct str part, rest;
        bool more = str_cut(text, '.', &part, &rest);
        if (part.len == 0 || (more && rest.len == 0))
            return false;
        for (size_t i = 0; i < part.len; i++)
            if (!ascii_is_alpha(part.data[i]) && !ascii_is_digit(part.data[i]) &&
                part.data[i] != '-')
                return false;
        text = rest;
    }
    return true;
}

// MAJOR.MINOR.PATCH[-PRE][+BUILD] of semver 2.0.
static bool version_valid(struct str version)
{
    struct str core, build, pre, numbers[3];
    bool has_build = str_cut(version, '+', &core, &build);
    bool has_pre = str_cut(core, '-', &core, &pre);
    if ((has_build && (build.len == 0 || !identifiers_valid(build))) ||
        (has_pre && (pre.len == 0 || !identifiers_valid(pre))))
        return false;
    if (!str_cut(core, '.', &numbers[0], &numbers[1]) ||
        !str_cut(numbers[1], '.', &numbers[1], &numbers[2]))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint64_t value;
        if (str_to_u64(numbers[i], UINT64_MAX, &value) < 0 ||
            (numbers[i].len > 1 && numbers[i].data[0] == '0'))
            return false;
    }
    return true;
}

static int check_interfaces(const struct config_dev *dev, const struct record_reader *reader,
                            struct error *err)
{
    for (size_t i = 0; i < dev->host_interfaces.len; i++) {
        struct str version = dev->host_interfaces.items[i].version;
        if (!version.data || version_valid(version))
            continue;
        char place[RECORD_PLACE_BYTES];
        _cleanup_(mem_freep) char *path = mem_printf("dev.host_interfaces[%zu].version", i);
        return error_set(err, -EINVAL, "key `%s`: \"%.*s\" is not a version like 1.2.3%s", path,
                         STR_ARG(version),
                         record_place(reader, str_from(path), place, sizeof(place)));
    }
    return 0;
}

int config_check(const struct config *config, const struct record_reader *reader, struct error *err)
{
    int rc = 0;
    if (config->workload)
        rc = check_hosts(&config->workload->allowed_hosts, "workload", reader, err);
    const struct config_dev *dev = config->dev;
    for (size_t i = 0; rc == 0 && dev && i < dev->components.len; i++) {
        _cleanup_(mem_freep) char *prefix = mem_printf("dev.components[%zu]", i);
        rc = check_hosts(&dev->components.items[i].allowed_hosts, prefix, reader, err);
    }
    return rc == 0 && dev ? check_interfaces(dev, reader, err) : rc;
}

// ---- `config validate` -------------------------------------------------------------------------

struct findings {
    struct buf *lines;
    size_t count;
};

_printf_(2, 3) static void find(struct findings *findings, const char *fmt, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&line, fmt, args);
    va_end(args);
    if (len < 0)
        die_oom(0);
    // What does not fit is counted at least.
    (void)!buf_printf(findings->lines, "%s%s", findings->count++ ? "\n" : "", line);
    free(line);
}

static bool is_blank(struct str text)
{
    return str_trim(text).len == 0;
}

static bool is_socket_address(struct str text)
{
    struct uri_authority authority;
    return uri_parse_authority(text, &authority, NULL) == 0 && authority.has_port &&
           authority.host_kind != URI_HOST_NAME;
}

static void check_url(struct findings *findings, const char *key, struct str value,
                      const char *const schemes[2])
{
    struct uri uri;
    ERROR(err);
    if (!value.data)
        return;
    if (uri_parse(value, &uri, &err) < 0)
        find(findings, "dev.%s '%.*s' is not a valid URL: %s", key, STR_ARG(value),
             error_text(&err));
    else if (!str_eq_nocase(uri.scheme, str_from(schemes[0])) &&
             !str_eq_nocase(uri.scheme, str_from(schemes[1])))
        find(findings, "dev.%s '%.*s' has scheme '%.*s', expected one of: %s, %s", key,
             STR_ARG(value), STR_ARG(uri.scheme), schemes[0], schemes[1]);
}

static void check_urls(struct findings *findings, const struct config_dev *dev)
{
    const struct {
        const char *key;
        struct str value;
        const char *schemes[2];
    } urls[] = {
        {"data_nats_url", dev->data_nats_url, {"nats", "tls"}},
        {"wasi_keyvalue_nats_url", dev->wasi_keyvalue_nats_url, {"nats", "tls"}},
        {"wasi_keyvalue_redis_url", dev->wasi_keyvalue_redis_url, {"redis", "rediss"}},
        {"postgres_url", dev->postgres_url, {"postgres", "postgresql"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        check_url(findings, urls[i].key, urls[i].value, urls[i].schemes);
}

static void check_dev(struct findings *findings, const struct config_dev *dev)
{
    if (dev->address.data && !is_socket_address(dev->address))
        find(findings, "dev.address '%.*s' is not a valid host:port socket address",
             STR_ARG(dev->address));
    if (dev->tls_cert_path.data && !dev->tls_key_path.data)
        find(findings, "dev.tls_cert_path is set but dev.tls_key_path is missing");
    if (!dev->tls_cert_path.data && dev->tls_key_path.data)
        find(findings, "dev.tls_key_path is set but dev.tls_cert_path is missing");
    check_urls(findings, dev);
    for (size_t i = 0; i < dev->components.len; i++) {
        const struct config_component *component = &dev->components.items[i];
        if (is_blank(component->name))
            find(findings, "dev.components contains an entry with empty name");
        if (component->file.len == 0)
            find(findings, "dev.components['%.*s'].file is empty", STR_ARG(component->name));
    }
}

static bool is_git_source(struct str source)
{
    struct str base, fragment;
    str_cut(source, '#', &base, &fragment);
    while (str_ends(base, STR("/")))
        base.len--;
    return str_starts(source, STR("git+")) || str_starts(source, STR("git@")) ||
           str_ends(base, STR(".git"));
}

// Neither git, HTTP nor a registry's reference; an absolute path is a path.
static bool is_local_source(struct str source)
{
    if (is_git_source(source) || str_starts(source, STR("http://")) ||
        str_starts(source, STR("https://")))
        return false;
    return str_find_char(source, '/') < 0 || source.data[0] == '.' || source.data[0] == '/' ||
           str_starts(source, STR("file://"));
}

static void check_source(struct findings *findings, const char *project_dir,
                         const struct string_pair *source)
{
    if (is_blank(source->key))
        find(findings, "wit.sources contains an entry with empty target key");
    if (is_blank(source->value)) {
        find(findings, "wit.sources['%.*s'] has an empty source value", STR_ARG(source->key));
        return;
    }
    if (!is_local_source(source->value))
        return;
    struct str path = source->value;
    if (str_starts(path, STR("file://")))
        path = str_from_index(path, 7);
    bool is_absolute = path.len > 0 && path.data[0] == '/';
    _cleanup_(mem_freep) char *full = mem_printf("%s%s%.*s", is_absolute ? "" : project_dir,
                                                 is_absolute ? "" : "/", STR_ARG(path));
    if (access(full, F_OK) < 0)
        find(findings, "wit.sources['%.*s'] local path '%.*s' does not exist", STR_ARG(source->key),
             STR_ARG(source->value));
}

static void check_wit(struct findings *findings, const char *project_dir,
                      const struct config_wit *wit)
{
    for (size_t i = 0; i < wit->registries.len; i++) {
        struct uri uri;
        ERROR(err);
        struct str url = wit->registries.items[i].url;
        if (uri_parse(url, &uri, &err) < 0)
            find(findings, "wit.registries entry '%.*s' is not a valid URL: %s", STR_ARG(url),
                 error_text(&err));
    }
    for (size_t i = 0; i < wit->sources.len; i++)
        check_source(findings, project_dir, &wit->sources.items[i]);
}

size_t config_validate(const struct config *config, const char *project_dir, struct buf *lines)
{
    struct findings findings = {.lines = lines};
    if (config->build && config->build->command.data && is_blank(config->build->command))
        find(&findings, "build.command is empty");
    if (config->dev)
        check_dev(&findings, config->dev);
    if (config->wit)
        check_wit(&findings, project_dir, config->wit);
    return findings.count;
}

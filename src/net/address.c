// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

static int parse_host(struct str host, uint16_t port, struct net_address *out)
{
    char text[INET6_ADDRSTRLEN + 1];
    if (host.len >= sizeof(text))
        return -EINVAL;
    if (str_is(host, "localhost"))
        host = STR("127.0.0.1");
    if (host.len == 0 || str_is(host, "*"))
        host = STR("[::]");
    bool is_six = host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (is_six)
        host = str_sub(host, 1, host.len - 2);
    memcpy(text, host.data, host.len);
    text[host.len] = 0;
    memset(out, 0, sizeof(*out));
    if (is_six) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->storage;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        out->len = sizeof(*six);
        return inet_pton(AF_INET6, text, &six->sin6_addr) == 1 ? 0 : -EINVAL;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)&out->storage;
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    out->len = sizeof(*four);
    return inet_pton(AF_INET, text, &four->sin_addr) == 1 ? 0 : -EINVAL;
}

int net_address_parse(struct str text, struct net_address *out, struct error *err)
{
    ssize_t colon = str_rfind_char(text, ':');
    uint64_t port;
    struct net_address address;
    if (colon < 0 || str_to_u64(str_from_index(text, (size_t)colon + 1), 65535, &port) < 0 ||
        parse_host(str_sub(text, 0, (size_t)colon), (uint16_t)port, &address) < 0)
        return error_set(err, -EINVAL,
                         "address \"%.*s\" is not of the form 127.0.0.1:8000, [::1]:8000 or *:8000",
                         STR_ARG(text));
    *out = address;
    return 0;
}

void net_address_format(const struct net_address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, ntohs(six->sin6_port));
    } else if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(four->sin_port));
    } else {
        snprintf(text, size, "unknown");
    }
}

static int open_listener(int fd, const struct net_address *address, int backlog, bool shared)
{
    static const int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0))
        return -errno;
    if (address->storage.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&address->storage, address->len) < 0 ||
        listen(fd, backlog) < 0)
        return -errno;
    return 0;
}

static int listen_on(const struct net_address *address, int backlog, bool shared, struct error *err)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    net_address_format(address, text, sizeof(text));
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set_errno(err, -errno, "listening on %s: opening a socket", text);
    int rc = open_listener(fd, address, backlog, shared);
    if (rc < 0) {
        close(fd);
        return error_set_errno(err, rc, "listening on %s", text);
    }
    return fd;
}

int net_listen(const struct net_address *address, int backlog, struct error *err)
{
    return listen_on(address, backlog, true, err);
}

int net_check_unused(const struct net_address *address, struct error *err)
{
    int fd = listen_on(address, 1, false, err);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int net_local_address(int fd, struct net_address *out, struct error *err)
{
    struct net_address address = {.len = sizeof(address.storage)};
    if (getsockname(fd, (struct sockaddr *)&address.storage, &address.len) < 0)
        return error_set_errno(err, -errno, "reading the address of a listening socket");
    *out = address;
    return 0;
}

struct net_endpoint net_endpoint_of(const struct net_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct net_endpoint endpoint = {0};
    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
        endpoint.family = 4;
        endpoint.port = ntohs(four->sin_port);
        memcpy(endpoint.ip, &four->sin_addr, 4);
    } else if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
        bool is_four = memcmp(&six->sin6_addr, mapped, sizeof(mapped)) == 0;
        endpoint.family = is_four ? 4 : 6;
        endpoint.port = ntohs(six->sin6_port);
        if (is_four)
            memcpy(endpoint.ip, (const uint8_t *)&six->sin6_addr + sizeof(mapped), 4);
        else
            memcpy(endpoint.ip, &six->sin6_addr, 16);
    }
    return endpoint;
}

void net_endpoint_format_ip(const struct net_endpoint *endpoint, char *text, size_t size)
{
    int family = endpoint->family == 4 ? AF_INET : AF_INET6;
    if (endpoint->family == 0 || !inet_ntop(family, endpoint->ip, text, (socklen_t)size))
        snprintf(text, size, "-");
}

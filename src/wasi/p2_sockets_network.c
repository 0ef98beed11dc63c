// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.2: networks, what may be used of them, error codes.
#include <errno.h>
#include <netinet/in.h>

#include "base/log.h"
#include "wasi/p2_sockets.h"

#define CODE(name) P2_SOCKETS_NETWORK_ERROR_CODE_##name

// ---- error codes --------------------------------------------------------------------------------

static const struct {
    int number;
    enum p2_sockets_network_error_code code;
} error_codes[] = {
    {EACCES, CODE(ACCESS_DENIED)},
    {EPERM, CODE(ACCESS_DENIED)},
    {EOPNOTSUPP, CODE(NOT_SUPPORTED)},
    {ENOPROTOOPT, CODE(NOT_SUPPORTED)},
    {EPROTONOSUPPORT, CODE(NOT_SUPPORTED)},
    {ESOCKTNOSUPPORT, CODE(NOT_SUPPORTED)},
    {EPFNOSUPPORT, CODE(NOT_SUPPORTED)},
    {ENOSYS, CODE(NOT_SUPPORTED)},
    {EINVAL, CODE(INVALID_ARGUMENT)},
    {EAFNOSUPPORT, CODE(INVALID_ARGUMENT)},
    {EDESTADDRREQ, CODE(INVALID_ARGUMENT)},
    {EFAULT, CODE(INVALID_ARGUMENT)},
    {ENOMEM, CODE(OUT_OF_MEMORY)},
    {ENOBUFS, CODE(OUT_OF_MEMORY)},
    {ETIMEDOUT, CODE(TIMEOUT)},
    {EALREADY, CODE(CONCURRENCY_CONFLICT)},
    {ESRCH, CODE(NOT_IN_PROGRESS)},
    {EAGAIN, CODE(WOULD_BLOCK)},
    {EINPROGRESS, CODE(WOULD_BLOCK)},
    {EISCONN, CODE(INVALID_STATE)},
    {ENOTCONN, CODE(INVALID_STATE)},
    {EMFILE, CODE(NEW_SOCKET_LIMIT)},
    {ENFILE, CODE(NEW_SOCKET_LIMIT)},
    {EADDRNOTAVAIL, CODE(ADDRESS_NOT_BINDABLE)},
    {EADDRINUSE, CODE(ADDRESS_IN_USE)},
    {EHOSTUNREACH, CODE(REMOTE_UNREACHABLE)},
    {EHOSTDOWN, CODE(REMOTE_UNREACHABLE)},
    {ENETUNREACH, CODE(REMOTE_UNREACHABLE)},
    {ENETDOWN, CODE(REMOTE_UNREACHABLE)},
    {ENONET, CODE(REMOTE_UNREACHABLE)},
    {ECONNREFUSED, CODE(CONNECTION_REFUSED)},
    {ECONNRESET, CODE(CONNECTION_RESET)},
    {ENETRESET, CODE(CONNECTION_RESET)},
    {EPIPE, CODE(CONNECTION_RESET)},
    {ECONNABORTED, CODE(CONNECTION_ABORTED)},
    {EPROTO, CODE(CONNECTION_ABORTED)},
    {EMSGSIZE, CODE(DATAGRAM_TOO_LARGE)},
};

enum p2_sockets_network_error_code sock_error_code(int rc)
{
    for (size_t i = 0; i < ARRAY_LEN(error_codes); i++)
        if (error_codes[i].number == -rc)
            return error_codes[i].code;
    return CODE(UNKNOWN);
}

// ---- what may be used ---------------------------------------------------------------------------

#define PORTS_ALL .port_last = 65535
#define IPV4_MAPPED(a, b, c, d)                                                                    \
    {                                                                                              \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d                                       \
    }
#define IPV4_PREFIX(bits) (96 + (bits))

const struct wasi_network wasi_network_all = {
    .rules = (const struct wasi_network_rule[]){{.uses = WASI_NETWORK_ALL, PORTS_ALL}},
    .rule_count = 1,
};

const struct wasi_network wasi_network_loopback = {
    .rules =
        (const struct wasi_network_rule[]){
            {WASI_NETWORK_ALL & ~WASI_NETWORK_LOOKUP, IPV4_MAPPED(127, 0, 0, 0), IPV4_PREFIX(8),
             PORTS_ALL},
            {WASI_NETWORK_ALL & ~WASI_NETWORK_LOOKUP, {[15] = 1}, 128, PORTS_ALL},
        },
    .rule_count = 2,
};

// As rules see an address: IPv4 ones mapped into IPv6 (RFC 4291 2.5.5.2).
static void address_bytes(const struct net_address *address, uint8_t out[16], uint16_t *port)
{
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
        memcpy(out, &six->sin6_addr, 16);
        *port = ntohs(six->sin6_port);
        return;
    }
    static const uint8_t prefix[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
    memcpy(out, prefix, sizeof(prefix));
    memcpy(out + sizeof(prefix), &four->sin_addr, 4);
    *port = ntohs(four->sin_port);
}

static bool prefix_matches(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool wasi_network_allows(const struct wasi_network *network, unsigned use,
                         const struct net_address *address)
{
    uint8_t bytes[16] = {0};
    uint16_t port = 0;
    if (address)
        address_bytes(address, bytes, &port);
    for (size_t i = 0; network && i < network->rule_count; i++) {
        const struct wasi_network_rule *rule = &network->rules[i];
        if (!(rule->uses & use))
            continue;
        if (!address || (port >= rule->port_first && port <= rule->port_last &&
                         prefix_matches(bytes, rule->address, rule->prefix_bits)))
            return true;
    }
    return false;
}

static const char *use_text(unsigned use)
{
    static const struct {
        unsigned use;
        const char *text;
    } texts[] = {
        {WASI_NETWORK_TCP_BIND, "bind a TCP socket to"},
        {WASI_NETWORK_TCP_CONNECT, "connect to"},
        {WASI_NETWORK_UDP_BIND, "bind a UDP socket to"},
        {WASI_NETWORK_UDP_SEND, "send datagrams to"},
        {WASI_NETWORK_LOOKUP, "look up"},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].use == use)
            return texts[i].text;
    return "use";
}

int sock_check_use(struct wasi *wasi, unsigned use, const struct net_address *address,
                   struct str name)
{
    if (wasi_network_allows(wasi->config->network, use, address))
        return 0;
    if (!(wasi->network_denials & use)) {
        char text[NET_ADDRESS_TEXT_BYTES];
        if (address) {
            net_address_format(address, text, sizeof(text));
            name = str_from(text);
        }
        log_debug("the guest may not %s %.*s; `--inherit-network` would allow it", use_text(use),
                  STR_ARG(name));
    }
    wasi->network_denials |= use;
    return -EACCES;
}

// ---- wasi:sockets/network, instance-network -----------------------------------------------------

// The one network of the instance; what may be done with it says the configuration.
struct p2_sockets_network_network {
    char unused;
};

int p2_sockets_instance_network_instance_network(struct canon_call *call,
                                                 struct p2_sockets_network_network **ret)
{
    *ret = mem_new(struct p2_sockets_network_network);
    return 0;
}

int p2_sockets_network_network_drop(struct canon_call *call,
                                    struct p2_sockets_network_network *self)
{
    free(self);
    return 0;
}

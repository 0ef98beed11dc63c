// SPDX-License-Identifier: Apache-2.0
// How a request gets its connection: from the pool or a new one, to an address that it may use.
//
// libcurl resolves the name and asks us for a socket for each address that it is about to connect
// to: here, and nowhere before, the address is held against the user's policy. So a name whose
// answers change between two look-ups (DNS rebinding) gains nothing: what was checked is what is
// connected to. A pooled connection is checked again by the address of its peer, because it may
// have been made for a request with another policy.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "http/client_impl.h"

void request_enter(struct http_client_request *request, enum request_phase phase)
{
    if (phase > request->phase)
        request->phase = phase;
}

static bool is_permitted(struct http_client_request *request, const struct net_address *address)
{
    const struct http_client_peer peer = {request->scheme, request->host, address};
    bool permitted = !request->permits || request->permits(request->permits_user, &peer);
    *(permitted ? &request->address_allowed : &request->address_denied) = true;
    return permitted;
}

static int on_resolve(void *resolver, void *reserved, void *user)
{
    request_enter(user, PHASE_RESOLVING);
    return 0;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_client_request *request = user;
    struct net_address address = {.len = to->addrlen};
    request_enter(request, PHASE_CONNECTING);
    if (to->addrlen > sizeof(address.storage))
        return CURL_SOCKET_BAD;
    memcpy(&address.storage, &to->addr, to->addrlen);
    if (!is_permitted(request, &address))
        return CURL_SOCKET_BAD; // libcurl goes on with the next address
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static int peer_address(const char *ip, int port, struct net_address *out)
{
    struct net_address address = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address.storage;
    if (inet_pton(AF_INET, ip, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        address.len = sizeof(*four);
    } else if (inet_pton(AF_INET6, ip, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        address.len = sizeof(*six);
    } else {
        return -EINVAL;
    }
    *out = address;
    return 0;
}

// The connection stands, a new one or one of the pool; nothing of the request has been sent.
static int on_connected(void *user, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
    struct http_client_request *request = user;
    struct net_address address;
    if (request->permits &&
        (peer_address(peer_ip, peer_port, &address) < 0 || !is_permitted(request, &address))) {
        request_refuse(request, HTTP_FAILURE_ADDRESS_PROHIBITED,
                       "the address of the connection is prohibited");
        return CURL_PREREQFUNC_ABORT;
    }
    request_enter(request, PHASE_AWAITING_HEAD);
    request->active_at = loop_now(request->client->loop);
    loop_timer_start(&request->timer, request->first_byte_timeout_ns);
    return CURL_PREREQFUNC_OK;
}

void connect_setup(struct http_client_request *request)
{
    CURL *easy = request->easy;
    // Ours comes first: it also counts the wait for a connection of the pool.
    curl_api.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                         (long)(request->connect_timeout_ns / HTTP_CLIENT_NS_PER_MS + 1000));
    curl_api.easy_setopt(easy, CURLOPT_MAXAGE_CONN,
                         (long)(request->client->idle_ns / HTTP_CLIENT_NS_PER_MS / 1000 + 1));
    if (request->client->ca_file)
        curl_api.easy_setopt(easy, CURLOPT_CAINFO, request->client->ca_file);
    curl_api.easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
    curl_api.easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, request);
    curl_api.easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_api.easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
    curl_api.easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_api.easy_setopt(easy, CURLOPT_PREREQDATA, request);
}

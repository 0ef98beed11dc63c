// SPDX-License-Identifier: Apache-2.0
// libcurl's multi interface on the loop: its sockets, its timer, its finished transfers.
#include <assert.h>
#include <errno.h>

#include "http/client_impl.h"

struct client_socket {
    struct http_client *client;
    struct loop_poll poll;
    curl_socket_t fd;
};

static void take_finished(struct http_client *client)
{
    int left;
    CURLMsg *message;
    while ((message = curl_api.multi_info_read(client->multi, &left))) {
        struct http_client_request *request = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_api.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        request_finish(request, result);
    }
}

static void act(struct http_client *client, curl_socket_t fd, int events)
{
    int running;
    curl_api.multi_socket_action(client->multi, fd, events, &running);
    take_finished(client);
}

static void on_socket(struct loop_poll *poll, unsigned events)
{
    struct client_socket *sock = container_of(poll, struct client_socket, poll);
    int bits = 0;
    bits |= events & (LOOP_READABLE | LOOP_HANGUP) ? CURL_CSELECT_IN : 0;
    bits |= events & LOOP_WRITABLE ? CURL_CSELECT_OUT : 0;
    act(sock->client, sock->fd, bits); // may free `sock`
}

static int remove_socket(struct http_client *client, struct client_socket *sock)
{
    if (!sock)
        return 0;
    loop_poll_done(&sock->poll);
    curl_api.multi_assign(client->multi, sock->fd, NULL);
    free(sock);
    return 0;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct http_client *client = user;
    struct client_socket *sock = socket_user;
    if (what == CURL_POLL_REMOVE)
        return remove_socket(client, sock);
    if (!sock) {
        sock = mem_new(struct client_socket);
        sock->client = client;
        sock->fd = fd;
        if (loop_poll_init(&sock->poll, client->loop, fd, on_socket) < 0) {
            free(sock);
            return -1;
        }
        curl_api.multi_assign(client->multi, fd, sock);
    }
    unsigned events = 0;
    events |= what & CURL_POLL_IN ? LOOP_READABLE : 0;
    events |= what & CURL_POLL_OUT ? LOOP_WRITABLE : 0;
    return loop_poll_set(&sock->poll, events) < 0 ? -1 : 0;
}

static void on_timer(struct loop_timer *timer)
{
    act(container_of(timer, struct http_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void on_action(struct loop_defer *defer)
{
    act(container_of(defer, struct http_client, action), CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct http_client *client = user;
    loop_timer_stop(&client->timer);
    loop_defer_cancel(client->loop, &client->action);
    if (timeout_ms == 0)
        loop_defer(client->loop, &client->action);
    else if (timeout_ms > 0)
        loop_timer_start(&client->timer, (uint64_t)timeout_ms * HTTP_CLIENT_NS_PER_MS);
    return 0;
}

int client_prepare(struct http_client *client, struct error *err)
{
    if (client->multi)
        return 0;
    int rc = curl_api_load(err);
    if (rc < 0)
        return rc;
    client->multi = curl_api.multi_init();
    if (!client->multi)
        die_oom(0);
    curl_api.multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_api.multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_api.multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_api.multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_api.multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                          (long)client->connections_max);
    curl_api.multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                          (long)client->host_connections_max);
    curl_api.multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->connections_max);
    return 0;
}

// Closes the connections; the next request makes all anew.
static void close_pool(struct http_client *client)
{
    if (client->multi)
        curl_api.multi_cleanup(client->multi); // it still calls back
    client->multi = NULL;
    loop_timer_stop(&client->timer);
    loop_defer_cancel(client->loop, &client->action);
}

static void on_idle(struct loop_timer *timer)
{
    struct http_client *client = container_of(timer, struct http_client, idle);
    if (client->request_count == 0)
        close_pool(client);
}

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options)
{
    static const struct http_client_options defaults = {0};
    if (!options)
        options = &defaults;
    uint32_t total = options->connections_max;
    uint32_t per_host = options->host_connections_max;
    struct http_client *client = mem_new(struct http_client);
    client->loop = loop;
    client->connections_max = total ? total : HTTP_CLIENT_CONNECTIONS_DEFAULT;
    client->host_connections_max = per_host ? per_host : HTTP_CLIENT_HOST_CONNECTIONS_DEFAULT;
    client->connection_wait_ns =
        (options->connection_wait_ms ? options->connection_wait_ms
                                     : HTTP_CLIENT_CONNECTION_WAIT_DEFAULT_MS) *
        HTTP_CLIENT_NS_PER_MS;
    client->action.callback = on_action;
    client->ca_file = options->ca_file ? mem_strdup(options->ca_file) : NULL;
    client->idle_ns =
        (options->idle_ms ? options->idle_ms : HTTP_CLIENT_IDLE_DEFAULT_MS) * HTTP_CLIENT_NS_PER_MS;
    loop_timer_init(&client->timer, loop, on_timer);
    loop_timer_init(&client->idle, loop, on_idle);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    assert(client->request_count == 0);
    close_pool(client);
    loop_timer_done(&client->timer);
    loop_timer_done(&client->idle);
    free(client->ca_file);
    free(client);
}

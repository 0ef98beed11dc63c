// SPDX-License-Identifier: Apache-2.0
// The connections of a client: who gets which, how many there are, when they are closed.
//
// A request gets an idle connection to its origin, the one used last first; else a place on an
// HTTP/2 connection; else a new connection while there may be one more, for which an idle one to
// another origin makes room; else it waits in its origin's queue.
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "http/client_impl.h"
#include "http/uri.h"

// ---- lists --------------------------------------------------------------------------------------

static void idle_remove(struct client_connection *connection)
{
    struct client_idle_list *list = &connection->client->idle;
    *(connection->idle_prev ? &connection->idle_prev->idle_next : &list->first) =
        connection->idle_next;
    *(connection->idle_next ? &connection->idle_next->idle_prev : &list->last) =
        connection->idle_prev;
    connection->idle_prev = connection->idle_next = NULL;
}

static void idle_append(struct client_connection *connection)
{
    struct http_client *client = connection->client;
    connection->idle_since = loop_now(client->loop);
    connection->idle_prev = client->idle.last;
    *(client->idle.last ? &client->idle.last->idle_next : &client->idle.first) = connection;
    client->idle.last = connection;
    if (!client->idle_timer.active)
        loop_timer_start(&client->idle_timer, client->idle_ns);
}

// A connection is in one of its origin's lists, or in none while HTTP/1.1 is spoken over it.
static void list_leave(struct client_connection *connection)
{
    if (!connection->list)
        return;
    *(connection->prev ? &connection->prev->next : connection->list) = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    connection->prev = connection->next = NULL;
    connection->list = NULL;
}

static void list_enter(struct client_connection *connection, struct client_connection **list)
{
    list_leave(connection);
    connection->list = list;
    connection->next = *list;
    if (connection->next)
        connection->next->prev = connection;
    *list = connection;
}

// ---- origins ------------------------------------------------------------------------------------

static struct client_origin **bucket_of(struct http_client *client, struct str key)
{
    return &client->origins[str_hash(key) % CLIENT_ORIGIN_BUCKETS];
}

static struct client_origin *origin_of(const struct http_client_request *request)
{
    struct str key = request->origin_key;
    struct client_origin **bucket = bucket_of(request->client, key);
    for (struct client_origin *origin = *bucket; origin; origin = origin->next)
        if (str_is(key, origin->key))
            return origin;
    struct client_origin *origin = mem_new(struct client_origin);
    origin->client = request->client;
    origin->key = str_dup(key);
    origin->next = *bucket;
    *bucket = origin;
    return origin;
}

static void origin_free_if_unused(struct client_origin *origin)
{
    if (origin->users > 0 || origin->connection_count > 0)
        return;
    struct client_origin **at = bucket_of(origin->client, str_from(origin->key));
    while (*at != origin)
        at = &(*at)->next;
    *at = origin->next;
    free(origin->key);
    free(origin);
}

// ---- requests that wait -------------------------------------------------------------------------

static void hungry_enter(struct client_origin *origin)
{
    struct http_client *client = origin->client;
    origin->hungry_next = client->hungry;
    if (origin->hungry_next)
        origin->hungry_next->hungry_prev = origin;
    client->hungry = origin;
}

static void wait_append(struct http_client_request *request)
{
    struct client_origin *origin = request->origin;
    request->waits = true;
    request->wait_prev = origin->wait_last;
    *(origin->wait_last ? &origin->wait_last->wait_next : &origin->wait_first) = request;
    origin->wait_last = request;
    if (!request->wait_prev)
        hungry_enter(origin);
}

static void wait_prepend(struct http_client_request *request)
{
    struct client_origin *origin = request->origin;
    request->waits = true;
    request->wait_next = origin->wait_first;
    *(origin->wait_first ? &origin->wait_first->wait_prev : &origin->wait_last) = request;
    origin->wait_first = request;
    if (!request->wait_next)
        hungry_enter(origin);
}

static void wait_remove(struct http_client_request *request)
{
    struct client_origin *origin = request->origin;
    *(request->wait_prev ? &request->wait_prev->wait_next : &origin->wait_first) =
        request->wait_next;
    *(request->wait_next ? &request->wait_next->wait_prev : &origin->wait_last) =
        request->wait_prev;
    request->wait_prev = request->wait_next = NULL;
    request->waits = false;
    if (origin->wait_first)
        return;
    *(origin->hungry_prev ? &origin->hungry_prev->hungry_next : &origin->client->hungry) =
        origin->hungry_next;
    if (origin->hungry_next)
        origin->hungry_next->hungry_prev = origin->hungry_prev;
    origin->hungry_prev = origin->hungry_next = NULL;
}

// ---- a connection's life ------------------------------------------------------------------------

// Nothing may come while nothing was asked for, but what TLS has to say for itself. The event may
// be one of the last exchange, whose bytes were read before the loop came to it.
static void idle_event(struct client_connection *connection)
{
    char byte;
    if (net_stream_read(&connection->stream, &byte, 1) != -EAGAIN)
        client_close(connection);
}

static void on_poll(struct loop_poll *poll, unsigned events)
{
    struct client_connection *connection = container_of(poll, struct client_connection, poll);
    if (connection->h2)
        client_h2_event(connection, events);
    else if (connection->state == CONNECTION_BUSY)
        h1_event(connection, events);
    else
        idle_event(connection);
}

int client_watch(struct client_connection *connection, unsigned events)
{
    int rc = 0;
    if (!connection->has_poll)
        rc = loop_poll_init(&connection->poll, connection->client->loop, connection->stream.fd,
                            on_poll);
    connection->has_poll = rc == 0;
    return rc < 0 ? rc : loop_poll_set(&connection->poll, events);
}

int client_flush(struct client_connection *connection)
{
    while (connection->out_sent < connection->out.len) {
        const struct iovec part = {connection->out.data + connection->out_sent,
                                   connection->out.len - connection->out_sent};
        ssize_t sent = net_stream_write(&connection->stream, &part, 1);
        if (sent < 0)
            return (int)sent;
        connection->out_sent += (size_t)sent;
    }
    connection->out_sent = 0;
    buf_clear(&connection->out);
    return net_stream_flush(&connection->stream);
}

static struct client_connection *connection_new(struct http_client_request *request)
{
    struct client_connection *connection = mem_new(struct client_connection);
    connection->client = request->client;
    connection->origin = request->origin;
    connection->stream.fd = -1;
    connection->state = CONNECTION_OPENING;
    connection->request = request;
    connection->in = BUF_INIT(HTTP_CLIENT_HEADER_BYTES_MAX + CLIENT_READ_BYTES);
    // A head (its fields, the target), trailers, the body's part.
    connection->out =
        BUF_INIT(HTTP_CLIENT_HEADER_BYTES_MAX * 3 + URI_BYTES_MAX * 2 + CLIENT_OUT_BYTES * 2);
    request->connection = connection;
    request->origin->connection_count++;
    connection->client->connection_count++;
    list_enter(connection, &request->origin->opening);
    return connection;
}

void client_close(struct client_connection *connection)
{
    struct http_client *client = connection->client;
    struct client_origin *origin = connection->origin;
    if (connection->state == CONNECTION_IDLE)
        idle_remove(connection);
    client_open_cancel(connection);
    client_h2_free(connection);
    loop_timer_stop(&connection->h1.continue_timer);
    if (connection->has_poll)
        loop_poll_done(&connection->poll);
    if (connection->stream.fd >= 0 && connection->stream.tls)
        (void)net_stream_shutdown(&connection->stream); // close_notify, if it can be sent at once
    net_stream_close(&connection->stream);
    buf_done(&connection->in);
    buf_done(&connection->out);
    list_leave(connection);
    origin->connection_count--;
    client->connection_count--;
    free(connection);
    if (client->hungry)
        loop_defer(client->loop, &client->serve);
    origin_free_if_unused(origin);
}

static bool is_alive(const struct client_connection *connection,
                     const struct http_client_request *request)
{
    const uint64_t fresh_ns = 1000 * CLIENT_NS_PER_MS;
    char byte;
    bool is_fresh = loop_now(connection->client->loop) - connection->idle_since < fresh_ns;
    if (connection->h2 || (is_fresh && request_can_repeat(request)))
        return true;
    // The loop may not have come to what the kernel knows already.
    return recv(connection->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

// ---- who gets which -----------------------------------------------------------------------------

bool client_permitted(const struct http_client_request *request, const struct net_address *address)
{
    const struct http_client_peer peer = {request->scheme, request->host, address};
    return !request->permits || request->permits(request->permits_user, &peer);
}

static void give(struct client_connection *connection, struct http_client_request *request)
{
    if (connection->state == CONNECTION_IDLE)
        idle_remove(connection);
    connection->state = connection->h2 ? CONNECTION_MANY : CONNECTION_BUSY;
    request->connection = connection;
    request_connected(request);
    if (connection->h2) {
        client_h2_begin(connection, request);
        return;
    }
    connection->request = request;
    list_leave(connection);
    h1_begin(connection);
}

static bool can_serve(const struct client_connection *connection)
{
    if (connection->is_closing)
        return false;
    if (connection->state == CONNECTION_IDLE)
        return true;
    return connection->state == CONNECTION_MANY && client_h2_has_room(connection);
}

// A connection that is there already.
static struct client_connection *find_ready(struct http_client_request *request)
{
    for (struct client_connection *at = request->origin->ready, *next; at; at = next) {
        next = at->next;
        if (!can_serve(at) || !client_permitted(request, &at->peer))
            continue;
        if (is_alive(at, request))
            return at;
        client_close(at);
    }
    return NULL;
}

// An idle connection to another origin is closed for it.
static bool make_room(struct http_client *client)
{
    if (client->connection_count < client->connections_max)
        return true;
    if (!client->idle.first)
        return false;
    client_close(client->idle.first);
    return true;
}

static bool try_acquire(struct http_client_request *request)
{
    struct client_connection *ready = request->fresh ? NULL : find_ready(request);
    if (ready) {
        give(ready, request);
        return true;
    }
    if (request->origin->connection_count >= request->client->host_connections_max ||
        !make_room(request->client))
        return false;
    client_open(connection_new(request));
    return true;
}

void pool_acquire(struct http_client_request *request)
{
    request->phase = PHASE_WAITING;
    request_touch(request);
    loop_timer_start(&request->timer,
                     MIN(request->connect_timeout_ns, request->client->connection_wait_ns));
    if (!request->origin) {
        request->origin = origin_of(request);
        request->origin->users++;
    }
    // Nobody overtakes those who wait already.
    if (request->origin->wait_first || !try_acquire(request))
        wait_append(request);
}

void pool_leave(struct http_client_request *request)
{
    struct client_connection *connection = TAKE(request->connection);
    struct client_origin *origin = request->origin;
    if (!origin)
        return;
    if (request->waits)
        wait_remove(request);
    if (connection && connection->state == CONNECTION_OPENING) {
        connection->request = NULL;
        client_close(connection);
    } else if (connection && connection->h2) {
        client_h2_abort(connection, request);
    } else if (connection) {
        h1_abort(connection);
    }
    request->origin = NULL;
    origin->users--;
    origin_free_if_unused(origin);
}

// Serves those who wait, from the loop, as long as there is something to serve them with.
static void on_serve(struct loop_defer *defer)
{
    struct http_client *client = container_of(defer, struct http_client, serve);
    for (struct client_origin *origin = client->hungry, *next; origin; origin = next) {
        next = origin->hungry_next;
        struct http_client_request *request;
        while ((request = origin->wait_first)) {
            wait_remove(request);
            if (try_acquire(request))
                continue;
            wait_prepend(request);
            break;
        }
    }
}

void pool_offer(struct client_connection *connection)
{
    struct client_origin *origin = connection->origin;
    bool is_free = !connection->h2 || connection->state != CONNECTION_MANY;
    if (is_free) {
        connection->state = CONNECTION_IDLE;
        connection->request = NULL;
        idle_append(connection);
    }
    list_enter(connection, &origin->ready);
    struct http_client_request *request = origin->wait_first;
    if (request && can_serve(connection) && client_permitted(request, &connection->peer)) {
        wait_remove(request);
        give(connection, request);
    } else if (connection->client->hungry) {
        loop_defer(connection->client->loop, &connection->client->serve);
    }
}

// Requests to the same origin that wait for connections of their own share this one.
static void gather(struct client_connection *shared)
{
    for (struct client_connection *at = shared->origin->opening, *next; at; at = next) {
        next = at->next;
        struct http_client_request *request = at->request;
        if (at == shared || !request || request->fresh || !can_serve(shared) ||
            !client_permitted(request, &shared->peer))
            continue;
        at->request = NULL;
        client_close(at);
        give(shared, request);
    }
}

void pool_opened(struct client_connection *connection)
{
    struct http_client_request *request = TAKE(connection->request);
    connection->state = connection->h2 ? CONNECTION_MANY : CONNECTION_BUSY;
    give(connection, request);
    if (connection->h2) {
        gather(connection);
        pool_offer(connection);
    }
}

// ---- the client ---------------------------------------------------------------------------------

static void on_idle(struct loop_timer *timer)
{
    struct http_client *client = container_of(timer, struct http_client, idle_timer);
    uint64_t now = loop_now(client->loop);
    while (client->idle.first && now - client->idle.first->idle_since >= client->idle_ns)
        client_close(client->idle.first);
    if (client->idle.first)
        loop_timer_start(timer, client->idle_ns - (now - client->idle.first->idle_since));
}

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options)
{
    static const struct http_client_options defaults = {0};
    if (!options)
        options = &defaults;
    uint32_t total = options->connections_max;
    uint32_t per_host = options->host_connections_max;
    uint32_t wait_ms = options->connection_wait_ms;
    uint32_t idle_ms = options->idle_ms;
    struct http_client *client = mem_new(struct http_client);
    client->loop = loop;
    client->connections_max = total ? total : HTTP_CLIENT_CONNECTIONS_DEFAULT;
    client->host_connections_max = per_host ? per_host : HTTP_CLIENT_HOST_CONNECTIONS_DEFAULT;
    client->connection_wait_ns =
        (wait_ms ? wait_ms : HTTP_CLIENT_CONNECTION_WAIT_DEFAULT_MS) * CLIENT_NS_PER_MS;
    client->idle_ns = (idle_ms ? idle_ms : HTTP_CLIENT_IDLE_DEFAULT_MS) * CLIENT_NS_PER_MS;
    client->ca_file = options->ca_file ? mem_strdup(options->ca_file) : NULL;
    client->serve.callback = on_serve;
    loop_timer_init(&client->idle_timer, loop, on_idle);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    assert(client->request_count == 0);
    // Without requests each connection is ready; its origin ends with the last one.
    for (size_t i = 0; i < CLIENT_ORIGIN_BUCKETS; i++)
        while (client->origins[i] && client->origins[i]->ready)
            client_close(client->origins[i]->ready);
    assert(client->connection_count == 0);
    loop_defer_cancel(client->loop, &client->serve);
    loop_timer_done(&client->idle_timer);
    client_names_done(client);
    tls_context_unref(client->tls);
    free(client->scratch);
    free(client->ca_file);
    free(client);
}

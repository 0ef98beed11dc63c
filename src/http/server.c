// SPDX-License-Identifier: Apache-2.0
#include "http/h2.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/address.h"

#define ACCEPTS_PER_TURN 64
// Of the longest idle: one may be about to end.
#define IDLE_LOOKED_AT_MAX 8

// ---- pools and the date -------------------------------------------------------------------------

void *pool_take(struct pool *pool)
{
    void *block = pool->first;
    if (!block)
        return mem_alloc(pool->size);
    memcpy(&pool->first, block, sizeof(void *));
    pool->count--;
    return block;
}

void pool_give(struct pool *pool, void *block)
{
    if (!block)
        return;
    if (pool->count == POOL_KEPT_MAX) {
        free(block);
        return;
    }
    memcpy(block, &pool->first, sizeof(void *));
    pool->first = block;
    pool->count++;
}

static void pool_done(struct pool *pool)
{
    while (pool->first)
        free(pool_take(pool));
}

struct str server_date(struct http_server *server)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != server->date_seconds) {
        server->date_seconds = now.tv_sec;
        http_encode_date(server->date, now.tv_sec);
    }
    return str_of(server->date, HTTP_DATE_BYTES - 1);
}

// ---- accepting ----------------------------------------------------------------------------------

static void set_accepting(struct http_server *server, bool accepting)
{
    if (server->listener_fd < 0)
        return;
    server->accepting = accepting && loop_poll_set(&server->listener, LOOP_READABLE) == 0;
    if (!accepting && loop_poll_set(&server->listener, 0) < 0)
        server->accepting = false;
}

static void tell_refused(struct http_server *server, const char *reason)
{
    if (server->options.on_connection_refused)
        server->options.on_connection_refused(reason, server->options.user);
}

bool server_count_client(struct connection *connection)
{
    struct http_server *server = connection->server;
    if (!server->options.clients)
        return true;
    connection->is_counted = http_clients_take(server->options.clients, &connection->peer);
    if (connection->is_counted)
        return true;
    server->counts.refused_connections++;
    tell_refused(server, "a client has too many connections");
    return false;
}

// Whether one that has been idle for some while makes room for another, at once or soon.
static bool close_longest_idle(struct http_server *server)
{
    struct deadline_list *list = &server->deadlines[DEADLINE_IDLE];
    struct deadline *deadline = list->head.next;
    uint64_t spared = HTTP_SERVER_IDLE_SPARED_MS * NS_PER_MS;
    for (int i = 0; i < IDLE_LOOKED_AT_MAX && deadline != &list->head; i++) {
        struct connection *connection = container_of(deadline, struct connection, wait);
        if (deadline->due > server->now + list->duration - MIN(spared, list->duration))
            return false;
        deadline = deadline->next;
        if (connection_give_way(connection)) {
            server->counts.idle_closed_early++;
            return true;
        }
    }
    return false;
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// Nothing of ours will end and leave a descriptor: whoever comes is told rather than left waiting.
static void refuse_with_spare(struct http_server *server)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
                                 "retry-after: 1\r\nconnection: close\r\n\r\n";
    if (server->spare_fd < 0)
        return;
    close(server->spare_fd);
    int fd = accept4(server->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        char request[4096]; // unread, it would reset the connection
        (void)recv(fd, request, sizeof(request), MSG_DONTWAIT);
        if (!server->tls && !server->options.proxy_protocol)
            (void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(fd, SHUT_WR);
        close(fd);
        server->counts.refused_connections++;
    }
    server->spare_fd = open_spare();
}

static void out_of_descriptors(struct http_server *server)
{
    server->counts.descriptor_shortages++;
    tell_refused(server, "no descriptor is left for new connections (ulimit -n)");
    uint32_t before = server->counts.connections;
    if (close_longest_idle(server) && server->counts.connections < before)
        return;
    if (before == 0)
        refuse_with_spare(server);
    // Watching on would spin; a connection that ends, or the next tick, tries again.
    set_accepting(server, false);
    if (!server->tick.active)
        loop_timer_start(&server->tick, HTTP_SERVER_TICK_MS * NS_PER_MS);
}

static bool has_room(struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    if (server->counts.connections < options->connections_max)
        return true;
    return close_longest_idle(server) && server->counts.connections < options->connections_max;
}

static void on_listener(struct loop_poll *poll, unsigned events)
{
    struct http_server *server = container_of(poll, struct http_server, listener);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!has_room(server)) {
            set_accepting(server, false);
            return;
        }
        struct net_address address = {.len = sizeof(address.storage)};
        int fd = accept4(server->listener_fd, (struct sockaddr *)&address.storage, &address.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct net_endpoint peer = net_endpoint_of(&address);
            static const int on = 1;
            // Fails on sockets of other families only.
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            connection_open(server, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            out_of_descriptors(server);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

void server_accept_again(struct http_server *server)
{
    if (!server->accepting && !server->draining)
        set_accepting(server, true);
}

static void on_tick(struct loop_timer *timer)
{
    struct http_server *server = container_of(timer, struct http_server, tick);
    deadlines_run(server);
    server_accept_again(server);
    if (server->connections || !server->accepting)
        loop_timer_start(timer, HTTP_SERVER_TICK_MS * NS_PER_MS);
}

// ---- draining -----------------------------------------------------------------------------------

static void close_listener(struct http_server *server)
{
    if (server->listener_fd < 0)
        return;
    loop_poll_done(&server->listener);
    close(server->listener_fd);
    server->listener_fd = -1;
}

void server_forget(struct connection *connection)
{
    struct http_server *server = connection->server;
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    server->counts.connections--;
    if (server->draining && !server->connections)
        loop_defer(server->loop, &server->drain_defer);
    server_accept_again(server);
}

static void on_drained(struct loop_defer *defer)
{
    struct http_server *server = container_of(defer, struct http_server, drain_defer);
    void (*drained)(void *user) = TAKE(server->drained);
    loop_timer_stop(&server->drain_timer);
    if (drained)
        drained(server->drained_user);
}

static void destroy_all(struct http_server *server)
{
    while (server->connections)
        connection_destroy(server->connections);
}

static void on_drain_timeout(struct loop_timer *timer)
{
    struct http_server *server = container_of(timer, struct http_server, drain_timer);
    destroy_all(server);
    loop_defer(server->loop, &server->drain_defer);
}

void http_server_drain(struct http_server *server, uint64_t timeout_ms, void (*done)(void *user),
                       void *user)
{
    server->draining = true;
    server->drained = done;
    server->drained_user = user;
    // What the kernel accepted already is closed with the idle ones.
    close_listener(server);
    for (struct connection *connection = server->connections, *next; connection;
         connection = next) {
        next = connection->next;
        connection_close_idle(connection);
    }
    if (!server->connections)
        loop_defer(server->loop, &server->drain_defer);
    else
        loop_timer_start(&server->drain_timer, timeout_ms * NS_PER_MS);
}

// ---- life ---------------------------------------------------------------------------------------

static void fill_defaults(struct http_server_options *options)
{
    const struct {
        uint32_t *value;
        uint32_t standard;
    } defaults[] = {
        {&options->connections_max, HTTP_SERVER_CONNECTIONS_MAX},
        {&options->pipelined_max, HTTP_SERVER_PIPELINED_MAX},
        {&options->request_line_bytes_max, HTTP_REQUEST_LINE_BYTES_MAX},
        {&options->head_bytes_max, HTTP_HEAD_BYTES_MAX},
        {&options->fields_max, HTTP_FIELDS_MAX},
        {&options->output_bytes_max, HTTP_SERVER_OUTPUT_BYTES_MAX},
        {&options->h2_streams_max, HTTP_SERVER_H2_STREAMS_MAX},
        {&options->h2_stream_window_bytes, HTTP_SERVER_H2_STREAM_WINDOW_BYTES},
        {&options->h2_connection_window_bytes, HTTP_SERVER_H2_CONNECTION_WINDOW_BYTES},
        {&options->handshake_timeout_ms, HTTP_SERVER_HANDSHAKE_TIMEOUT_MS},
        {&options->head_timeout_ms, HTTP_SERVER_HEAD_TIMEOUT_MS},
        {&options->idle_timeout_ms, HTTP_SERVER_IDLE_TIMEOUT_MS},
        {&options->body_timeout_ms, HTTP_SERVER_BODY_TIMEOUT_MS},
        {&options->write_timeout_ms, HTTP_SERVER_WRITE_TIMEOUT_MS},
        {&options->receive_rate_min, HTTP_SERVER_RATE_MIN},
        {&options->send_rate_min, HTTP_SERVER_RATE_MIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (*defaults[i].value == 0)
            *defaults[i].value = defaults[i].standard;
    if (options->body_bytes_max == 0)
        options->body_bytes_max = UINT64_MAX;
}

static int open_listener(struct http_server *server, struct error *err)
{
    struct net_address address;
    char text[NET_ADDRESS_TEXT_BYTES];
    server->listener_fd = server->options.listener;
    if (server->options.address) {
        server->listener_fd = -1;
        int rc = net_address_parse(str_from(server->options.address), &address, err);
        if (rc < 0)
            return rc;
        rc = net_listen(&address, HTTP_SERVER_BACKLOG, err);
        if (rc < 0)
            return rc;
        server->listener_fd = rc;
    }
    int rc = net_local_address(server->listener_fd, &address, err);
    if (rc == 0) {
        rc = loop_poll_init(&server->listener, server->loop, server->listener_fd, on_listener);
        if (rc < 0)
            rc = error_set_errno(err, rc, "watching a listening socket");
    }
    if (rc < 0) {
        close(server->listener_fd);
        server->listener_fd = -1;
        return rc;
    }
    net_address_format(&address, text, sizeof(text));
    server->address = mem_strdup(text);
    set_accepting(server, true);
    return 0;
}

int http_server_new(struct loop *loop, const struct http_server_options *options,
                    struct http_server **out, struct error *err)
{
    struct http_server *server = mem_new(struct http_server);
    server->loop = loop;
    server->options = *options;
    server->tls = tls_context_ref(options->tls);
    server->options.clients = http_clients_ref(options->clients);
    fill_defaults(&server->options);
    server->limits =
        (struct http_parser_limits){server->options.request_line_bytes_max,
                                    server->options.head_bytes_max, server->options.fields_max};
    server->input_small.size = INPUT_SMALL_BYTES;
    server->input_large.size = INPUT_LARGE_BYTES;
    server->output.size = OUTPUT_BYTES;
    server->fields.size = server->options.fields_max * sizeof(struct http_field);
    server->h2_heads.size = server->options.fields_max * H2_HEAD_FIELD_BYTES + H2_HEAD_EXTRA_BYTES;
    server->h2_streams.size = h2_stream_size();
    server->now = loop_now(loop);
    server->drain_defer.callback = on_drained;
    deadlines_init(server);
    loop_timer_init(&server->tick, loop, on_tick);
    loop_timer_init(&server->drain_timer, loop, on_drain_timeout);
    int rc = open_listener(server, err);
    if (rc < 0) {
        tls_context_unref(server->tls);
        http_clients_unref(server->options.clients);
        free(server);
        return rc;
    }
    server->spare_fd = open_spare();
    *out = server;
    return 0;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    server->draining = true;
    close_listener(server);
    destroy_all(server);
    loop_timer_done(&server->tick);
    loop_timer_done(&server->drain_timer);
    loop_defer_cancel(server->loop, &server->drain_defer);
    pool_done(&server->input_small);
    pool_done(&server->input_large);
    pool_done(&server->output);
    pool_done(&server->fields);
    pool_done(&server->h2_heads);
    pool_done(&server->h2_streams);
    h2_memory_done(server);
    tls_context_unref(server->tls);
    http_clients_unref(server->options.clients);
    if (server->spare_fd >= 0)
        close(server->spare_fd);
    free(server->address);
    free(server);
}

void http_server_set_tls(struct http_server *server, struct tls_context *context)
{
    assert(server->tls && context);
    tls_context_unref(server->tls);
    server->tls = tls_context_ref(context);
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

struct http_server_counts http_server_counts(const struct http_server *server)
{
    return server->counts;
}

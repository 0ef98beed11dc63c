// SPDX-License-Identifier: Apache-2.0
// How a connection is made: name, address, TCP, TLS.
//
// Each address is held against the user's policy just before it is connected to: here, and nowhere
// before. So a name whose answers change between two look-ups (DNS rebinding) gains nothing: what
// was checked is what is connected to. A pooled connection is checked again by the address of its
// peer (client_pool.c), because it may have been made for a request with another policy.
//
// Addresses are tried in the order of the look-up, each next one when the one before failed or has
// not answered for a while (RFC 8305 section 5); the first that stands wins.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "http/client_impl.h"

#define ATTEMPT_DELAY_MS ((uint64_t)250)

struct attempt {
    struct client_connection *connection;
    struct loop_poll poll;
    int fd; // -1: none
    struct net_address address;
};

struct client_opening {
    struct client_name_waiter waiter;
    struct client_addresses addresses;
    size_t next; // of the addresses
    struct attempt attempts[CLIENT_ADDRESSES_MAX];
    size_t under_way;
    struct loop_timer timer; // until the next attempt
    bool denied;             // an address
    int failure_errno;       // of the last attempt that failed
    struct loop_poll tls_poll;
    bool has_tls_poll;
    // What went wrong at once is told from the loop.
    struct loop_defer defer;
    char *name_failure;
};

static void opening_free(struct client_opening *opening, struct loop *loop)
{
    client_name_cancel(&opening->waiter);
    for (size_t i = 0; i < opening->next; i++) {
        struct attempt *attempt = &opening->attempts[i];
        if (attempt->fd < 0)
            continue;
        loop_poll_done(&attempt->poll);
        close(attempt->fd);
    }
    if (opening->has_tls_poll)
        loop_poll_done(&opening->tls_poll);
    loop_timer_done(&opening->timer);
    loop_defer_cancel(loop, &opening->defer);
    free(opening->name_failure);
    free(opening);
}

void client_open_cancel(struct client_connection *connection)
{
    if (connection->opening)
        opening_free(TAKE(connection->opening), connection->client->loop);
}

static void open_failed(struct client_connection *connection, enum http_client_failure failure,
                        const char *text)
{
    struct http_client_request *request = TAKE(connection->request);
    _cleanup_(mem_freep) char *copy = mem_strdup(text);
    request->connection = NULL;
    client_note_alert(connection, request);
    if (request->tls_alert)
        failure = HTTP_FAILURE_TLS_ALERT;
    client_close(connection);
    request_fail(request, failure, copy);
}

void client_note_alert(struct client_connection *connection, struct http_client_request *request)
{
    if (connection->stream.tls)
        request->tls_alert = tls_alert(connection->stream.tls);
}

// ---- TLS ----------------------------------------------------------------------------------------

static void finish(struct client_connection *connection)
{
    struct client_opening *opening = TAKE(connection->opening);
    opening_free(opening, connection->client->loop);
    const struct tls *tls = connection->stream.tls;
    if (tls && str_is(tls_alpn_selected(tls), "h2") && client_h2_new(connection) < 0) {
        open_failed(connection, HTTP_FAILURE_INTERNAL, "no HTTP/2 session can be made");
        return;
    }
    int rc = client_watch(connection, LOOP_READABLE);
    if (rc < 0) {
        open_failed(connection, HTTP_FAILURE_INTERNAL, strerror(-rc));
        return;
    }
    pool_opened(connection);
}

static enum http_client_failure handshake_failure(enum tls_failure failure)
{
    return failure == TLS_FAILURE_CERTIFICATE || failure == TLS_FAILURE_NO_CERTIFICATE
               ? HTTP_FAILURE_TLS_CERTIFICATE
               : HTTP_FAILURE_TLS_PROTOCOL;
}

static void shake_hands(struct client_connection *connection)
{
    ERROR(err);
    enum tls_failure failure = TLS_FAILURE_OTHER;
    int rc = tls_handshake(connection->stream.tls, &failure, &err);
    if (rc == -EAGAIN) {
        bool unsent = net_stream_unsent(&connection->stream) > 0;
        rc = loop_poll_set(&connection->opening->tls_poll,
                           LOOP_READABLE | (unsent ? LOOP_WRITABLE : 0));
        if (rc == 0)
            return;
    }
    if (rc == 0)
        finish(connection);
    else
        open_failed(connection, handshake_failure(failure), error_text(&err));
}

static void on_tls_poll(struct loop_poll *poll, unsigned events)
{
    struct client_opening *opening = container_of(poll, struct client_opening, tls_poll);
    struct client_connection *connection = opening->attempts[0].connection;
    if (events & LOOP_WRITABLE)
        (void)!net_stream_flush(&connection->stream);
    shake_hands(connection);
}

static int prepare_tls(struct http_client *client, struct error *err)
{
    if (client->tls)
        return 0;
    const struct tls_client_options options = {.ca_file = client->ca_file,
                                               .alpn = STR("\x02h2\x08http/1.1")};
    return tls_client_context_new(&options, &client->tls, err);
}

static void begin_tls(struct client_connection *connection)
{
    ERROR(err);
    struct client_opening *opening = connection->opening;
    struct http_client *client = connection->client;
    int fd = connection->stream.fd;
    int rc = prepare_tls(client, &err);
    if (rc < 0) {
        open_failed(connection, HTTP_FAILURE_CONFIGURATION, error_text(&err));
        return;
    }
    rc = tls_client_new(client->tls, fd, connection->request->host.data, &connection->stream.tls,
                        &err);
    if (rc == 0)
        rc = loop_poll_init(&opening->tls_poll, client->loop, fd, on_tls_poll);
    opening->has_tls_poll = rc == 0;
    if (rc < 0)
        open_failed(connection, HTTP_FAILURE_TLS_PROTOCOL, error_text(&err));
    else
        shake_hands(connection);
}

// ---- TCP ----------------------------------------------------------------------------------------

static void attempt_done(struct client_opening *opening, struct attempt *attempt)
{
    loop_poll_done(&attempt->poll);
    attempt->fd = -1;
    opening->under_way--;
}

static void connected(struct client_connection *connection, struct attempt *attempt)
{
    struct client_opening *opening = connection->opening;
    const int yes = 1;
    connection->stream.fd = attempt->fd;
    connection->peer = attempt->address;
    attempt_done(opening, attempt);
    loop_timer_stop(&opening->timer);
    (void)setsockopt(connection->stream.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    for (size_t i = 0; i < opening->next; i++) {
        struct attempt *other = &opening->attempts[i];
        if (other->fd < 0)
            continue;
        int fd = other->fd;
        attempt_done(opening, other);
        close(fd);
    }
    if (str_is(connection->request->scheme, "https"))
        begin_tls(connection);
    else
        finish(connection);
}

static const struct {
    int error;
    enum http_client_failure failure;
} connect_failures[] = {
    {ECONNREFUSED, HTTP_FAILURE_CONNECTION_REFUSED},
    {ETIMEDOUT, HTTP_FAILURE_CONNECTION_TIMEOUT},
    {ENETUNREACH, HTTP_FAILURE_UNROUTABLE},
    {EHOSTUNREACH, HTTP_FAILURE_UNROUTABLE},
    {ENETDOWN, HTTP_FAILURE_UNROUTABLE},
    {EADDRNOTAVAIL, HTTP_FAILURE_UNROUTABLE},
    {EAFNOSUPPORT, HTTP_FAILURE_UNROUTABLE},
    {EINVAL, HTTP_FAILURE_UNROUTABLE}, // e.g. a link-local address without its link
    {EACCES, HTTP_FAILURE_UNROUTABLE},
    {EPERM, HTTP_FAILURE_UNROUTABLE},
    {EMFILE, HTTP_FAILURE_CONNECTION_LIMIT},
    {ENFILE, HTTP_FAILURE_CONNECTION_LIMIT},
    {ECONNRESET, HTTP_FAILURE_CONNECTION_TERMINATED},
};

static void all_failed(struct client_connection *connection)
{
    struct client_opening *opening = connection->opening;
    int error = opening->failure_errno;
    enum http_client_failure failure = HTTP_FAILURE_CONNECTION_REFUSED;
    if (error == 0) {
        open_failed(connection, HTTP_FAILURE_ADDRESS_PROHIBITED,
                    "the host's addresses are prohibited");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(connect_failures); i++)
        if (connect_failures[i].error == error)
            failure = connect_failures[i].failure;
    _cleanup_(mem_freep) char *text = mem_printf("connect: %s", strerror(error));
    open_failed(connection, failure, text);
}

static void attempt_next(struct client_connection *connection);

static void on_attempt(struct loop_poll *poll, unsigned events)
{
    struct attempt *attempt = container_of(poll, struct attempt, poll);
    struct client_connection *connection = attempt->connection;
    struct client_opening *opening = connection->opening;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error == 0) {
        connected(connection, attempt);
        return;
    }
    int fd = attempt->fd;
    attempt_done(opening, attempt);
    close(fd);
    opening->failure_errno = error;
    attempt_next(connection);
}

// 0: under way, else an errno.
static int attempt_start(struct client_connection *connection, struct attempt *attempt)
{
    const struct net_address *address = &attempt->address;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int error = 0;
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0 &&
        errno != EINPROGRESS)
        error = errno;
    if (error == 0)
        error = -loop_poll_init(&attempt->poll, connection->client->loop, fd, on_attempt);
    if (error == 0) {
        attempt->fd = fd;
        error = -loop_poll_set(&attempt->poll, LOOP_WRITABLE);
        if (error)
            loop_poll_done(&attempt->poll);
    }
    if (error) {
        attempt->fd = -1;
        close(fd);
    }
    return error;
}

static void set_port(struct net_address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
}

static void attempt_next(struct client_connection *connection)
{
    struct client_opening *opening = connection->opening;
    struct http_client_request *request = connection->request;
    while (opening->next < opening->addresses.count) {
        struct attempt *attempt = &opening->attempts[opening->next];
        *attempt = (struct attempt){
            .connection = connection, .fd = -1, .address = opening->addresses.items[opening->next]};
        opening->next++;
        set_port(&attempt->address, request->port);
        if (!client_permitted(request, &attempt->address))
            continue;
        int error = attempt_start(connection, attempt);
        if (error == 0) {
            opening->under_way++;
            if (opening->next < opening->addresses.count)
                loop_timer_start(&opening->timer, ATTEMPT_DELAY_MS * CLIENT_NS_PER_MS);
            return;
        }
        opening->failure_errno = error;
    }
    if (opening->under_way == 0)
        loop_defer(connection->client->loop, &opening->defer);
}

static void on_attempt_timer(struct loop_timer *timer)
{
    attempt_next(container_of(timer, struct client_opening, timer)->attempts[0].connection);
}

// ---- the name -----------------------------------------------------------------------------------

static void on_failed(struct loop_defer *defer)
{
    struct client_opening *opening = container_of(defer, struct client_opening, defer);
    struct client_connection *connection = opening->attempts[0].connection;
    if (opening->name_failure)
        open_failed(connection, HTTP_FAILURE_DNS_ERROR, opening->name_failure);
    else
        all_failed(connection);
}

static void on_name(struct client_name_waiter *waiter, const struct client_addresses *addresses,
                    const char *reason)
{
    struct client_opening *opening = container_of(waiter, struct client_opening, waiter);
    struct client_connection *connection = opening->attempts[0].connection;
    if (!addresses) {
        opening->name_failure = mem_strdup(reason);
        loop_defer(connection->client->loop, &opening->defer);
        return;
    }
    opening->addresses = *addresses;
    request_enter(connection->request, PHASE_CONNECTING);
    attempt_next(connection);
}

void client_open(struct client_connection *connection)
{
    struct http_client *client = connection->client;
    struct http_client_request *request = connection->request;
    struct client_opening *opening = mem_new(struct client_opening);
    connection->opening = opening;
    opening->attempts[0].connection = connection;
    opening->attempts[0].fd = -1;
    opening->waiter.done = on_name;
    opening->defer.callback = on_failed;
    loop_timer_init(&opening->timer, client->loop, on_attempt_timer);
    // The wait for a connection of the pool is over.
    request_enter(request, PHASE_RESOLVING);
    if (client_name_known(client, request->host.data, &opening->addresses)) {
        request_enter(request, PHASE_CONNECTING);
        attempt_next(connection);
    } else {
        client_name_look_up(client, request->host.data, &opening->waiter);
    }
}

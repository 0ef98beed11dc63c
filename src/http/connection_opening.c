// SPDX-License-Identifier: Apache-2.0
// What comes before the first request: the header of the PROXY protocol, the TLS handshake.
#include "http/h2.h"

#include <errno.h>

#include "net/proxy_protocol.h"

void opening_begin(struct connection *connection)
{
    struct http_server *server = connection->server;
    connection->state = CONNECTION_HEAD;
    if (!server->tls && !server->options.proxy_protocol)
        return;
    connection->proxy_header_due = server->options.proxy_protocol;
    connection->state = CONNECTION_OPENING;
    deadline_set(server, &connection->wait, DEADLINE_OPENING);
}

// ---- PROXY protocol -----------------------------------------------------------------------------

static void refuse_proxy(struct connection *connection, const char *reason)
{
    struct http_server *server = connection->server;
    server->counts.proxy_failures++;
    if (server->options.on_proxy_failure)
        server->options.on_proxy_failure(reason, server->options.user);
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_CLOSED;
}

static struct str received(const struct connection *connection)
{
    return str_of(connection->input.data, connection->input.end);
}

// Receives up to `len` bytes in all; what follows the header stays in the kernel, as it may be for
// TLS. 0, -EAGAIN, or -ECONNRESET.
static int receive_header(struct connection *connection, size_t len)
{
    struct input *input = &connection->input;
    while (input->end < len) {
        ssize_t got =
            net_stream_read(&connection->stream, input->data + input->end, len - input->end);
        if (got <= 0)
            return got == -EAGAIN ? -EAGAIN : -ECONNRESET;
        input->end += (size_t)got;
    }
    return 0;
}

static int read_proxy_header(struct connection *connection, struct error *err)
{
    input_take(connection, PROXY_HEADER_BYTES_MAX);
    int rc = receive_header(connection, PROXY_HEADER_FIXED_BYTES);
    ssize_t len = proxy_header_len(received(connection), err);
    if (len > 0)
        rc = receive_header(connection, (size_t)len);
    if (len < 0 && len != -EAGAIN)
        return (int)len;
    if (rc == -ECONNRESET)
        return error_set(err, rc, "PROXY protocol: the connection ended within the header");
    if (rc < 0)
        return rc;
    struct proxy_header header;
    rc = proxy_header_parse(received(connection), &header, err);
    if (rc == 0 && !header.is_local)
        connection->peer = header.source;
    return rc;
}

static void close_now(struct connection *connection)
{
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_CLOSED;
}

// True when the opening goes on.
static bool step_proxy(struct connection *connection)
{
    ERROR(err);
    int rc = read_proxy_header(connection, &err);
    if (rc == -EAGAIN)
        return false;
    if (rc < 0) {
        refuse_proxy(connection, error_text(&err));
        return false;
    }
    connection->proxy_header_due = false;
    input_to_idle(connection);
    if (!server_count_client(connection)) {
        close_now(connection);
        return false;
    }
    return true;
}

// ---- TLS ----------------------------------------------------------------------------------------

static void count_failure(struct connection *connection, enum tls_failure kind, const char *reason)
{
    struct http_server *server = connection->server;
    server->counts.tls_failures[kind]++;
    if (server->options.on_tls_failure)
        server->options.on_tls_failure(kind, reason, server->options.user);
}

static void opened(struct connection *connection)
{
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_HEAD;
    // The first request often came with the end of what opened the connection.
    (void)input_fill(connection);
}

static void opened_tls(struct connection *connection)
{
    struct http_server_counts *counts = &connection->server->counts;
    counts->tls_handshakes++;
    counts->tls_resumed += tls_is_resumed(connection->stream.tls);
    if (!str_is(tls_alpn_selected(connection->stream.tls), "h2")) {
        opened(connection);
        return;
    }
    deadline_clear(&connection->wait);
    h2_open(connection);
    h2_input(connection);
}

static bool step_tls(struct connection *connection)
{
    ERROR(err);
    enum tls_failure kind = TLS_FAILURE_OTHER;
    if (!connection->stream.tls)
        connection->stream.tls = tls_server_new(connection->server->tls, connection->stream.fd);
    int rc = tls_handshake(connection->stream.tls, &kind, &err);
    if (rc == -EAGAIN)
        return false;
    if (rc == 0) {
        opened_tls(connection);
        return true;
    }
    // The peer is told by an alert before the connection ends.
    count_failure(connection, kind, error_text(&err));
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_FLUSH;
    return true;
}

bool step_opening(struct connection *connection)
{
    if (connection->proxy_header_due && !step_proxy(connection))
        return false;
    if (connection->server->tls)
        return step_tls(connection);
    opened(connection);
    return true;
}

void opening_expired(struct connection *connection)
{
    if (connection->proxy_header_due) {
        refuse_proxy(connection, "PROXY protocol: no header in time");
        return;
    }
    count_failure(connection, TLS_FAILURE_TIMEOUT, tls_failure_text(TLS_FAILURE_TIMEOUT));
    connection->state = CONNECTION_CLOSED;
}

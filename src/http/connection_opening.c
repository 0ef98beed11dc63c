// SPDX-License-Identifier: Apache-2.0
// What comes before the first request: the TLS handshake.
#include "http/h2.h"

#include <errno.h>

void opening_begin(struct connection *connection)
{
    struct http_server *server = connection->server;
    connection->state = CONNECTION_HEAD;
    if (!server->tls)
        return;
    connection->stream.tls = tls_server_new(server->tls, connection->stream.fd);
    connection->state = CONNECTION_OPENING;
    deadline_set(server, &connection->wait, DEADLINE_OPENING);
}

static void count_failure(struct connection *connection, enum tls_failure kind, const char *reason)
{
    struct http_server *server = connection->server;
    server->counts.tls_failures[kind]++;
    if (server->options.on_tls_failure)
        server->options.on_tls_failure(kind, reason, server->options.user);
}

static void opened(struct connection *connection)
{
    struct http_server_counts *counts = &connection->server->counts;
    counts->tls_handshakes++;
    counts->tls_resumed += tls_is_resumed(connection->stream.tls);
    deadline_clear(&connection->wait);
    if (str_is(tls_alpn_selected(connection->stream.tls), "h2")) {
        h2_open(connection);
        h2_input(connection);
        return;
    }
    connection->state = CONNECTION_HEAD;
    // The first request often came with the end of the handshake.
    (void)input_fill(connection);
}

bool step_opening(struct connection *connection)
{
    ERROR(err);
    enum tls_failure kind;
    int rc = tls_handshake(connection->stream.tls, &kind, &err);
    if (rc == -EAGAIN)
        return false;
    if (rc == 0) {
        opened(connection);
        return true;
    }
    // The peer is told by an alert before the connection ends.
    count_failure(connection, kind, error_text(&err));
    deadline_clear(&connection->wait);
    connection->state = CONNECTION_FLUSH;
    return true;
}

void opening_expired(struct connection *connection)
{
    count_failure(connection, TLS_FAILURE_TIMEOUT, tls_failure_text(TLS_FAILURE_TIMEOUT));
    connection->state = CONNECTION_CLOSED;
}

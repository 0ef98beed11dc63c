// SPDX-License-Identifier: Apache-2.0
// A server of blocking sockets for the client's tests, a thread per connection. The path of a
// request says how it behaves: "/hello", "/echo", "/cut", ... (client_test_server.c).
#pragma once

#include <pthread.h>
#include <stdint.h>

#define SERVER_CONNECTIONS_MAX 64

struct test_server {
    int listener;
    uint16_t port;
    pthread_t acceptor;
    pthread_t threads[SERVER_CONNECTIONS_MAX];
    int fds[SERVER_CONNECTIONS_MAX];
    size_t count; // connections so far
};

// Connections that were reset after the answer to "/reset".
extern _Atomic unsigned test_server_resets;

void test_server_start(struct test_server *server);
// Connections so far; waits a moment for those that are still being counted.
size_t test_server_connections(struct test_server *server, size_t expected);
// Closes every connection and joins the threads.
void test_server_stop(struct test_server *server);
// A listening socket on a free port of 127.0.0.1.
int test_listen_somewhere(uint16_t *port);

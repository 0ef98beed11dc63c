// SPDX-License-Identifier: Apache-2.0
// The client's end of the server's tests: plain, or under TLS in the build of the tests that
// defines TEST_PEER_TLS. The functions are those of the sockets with a client's descriptor.
#pragma once

#include <sys/types.h>

#include "net/tls.h"

struct tls_context *test_peer_context(void); // for the server; NULL: plain
void test_peer_open(int fd);
ssize_t test_peer_send(int fd, const void *data, size_t len); // -1 with errno, as send()
ssize_t test_peer_recv(int fd, void *data, size_t len);
int test_peer_flush(int fd); // -1 while TLS holds unsent bytes
int test_peer_shutdown(int fd);
void test_peer_close(int fd);

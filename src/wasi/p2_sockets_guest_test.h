// SPDX-License-Identifier: Apache-2.0
// What a guest does with sockets, for tests: each step answers OK or an error code.
#pragma once

#include "wasi/p2_sockets.h"
#include "wasi/task_fake.h"

#define CODE(name) P2_SOCKETS_NETWORK_ERROR_CODE_##name
#define OK         (-1)
#define V4         P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4
#define V6         P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6

struct guest {
    struct fake fake;
    struct p2_sockets_network_network *network;
};
void guest_init(struct guest *guest, const struct wasi_network *network);
void guest_done(struct guest *guest);
// The error code or OK; clears the result.
int guest_answer(struct p2_result_void_sockets_network_error_code *result);
struct p2_sockets_network_ip_socket_address guest_parse(const char *text);
void guest_format(const struct p2_sockets_network_ip_socket_address *address, char *text);

struct p2_sockets_tcp_tcp_socket *guest_tcp(struct guest *guest,
                                            enum p2_sockets_network_ip_address_family family);
void guest_drop_tcp(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp);

// The start-... halves.
int guest_bind(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp, const char *address);
int guest_connect(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp, const char *address);
enum guest_step { FINISH_BIND, START_LISTEN, FINISH_LISTEN };
int guest_step(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp, enum guest_step step);
enum guest_side { LOCAL, REMOTE };
// `text` of NET_ADDRESS_TEXT_BYTES, or NULL.
int guest_address(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp, enum guest_side side,
                  char *text);
bool guest_is_listening(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp);
int guest_shutdown(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp,
                   enum p2_sockets_tcp_shutdown_type type);
// Waits on the socket's pollable.
void guest_block(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp);

struct end {
    struct p2_sockets_tcp_tcp_socket *tcp;
    struct p2_io_streams_input_stream *input;
    struct p2_io_streams_output_stream *output;
};
int guest_finish_connect(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp,
                         struct end *end);
int guest_accept(struct guest *guest, struct p2_sockets_tcp_tcp_socket *tcp, struct end *end);
struct p2_sockets_tcp_tcp_socket *guest_listener(struct guest *guest,
                                                 enum p2_sockets_network_ip_address_family family,
                                                 const char *address, char *text);

// Two ends of a connection.
struct pair {
    struct p2_sockets_tcp_tcp_socket *listener;
    struct end client, server;
};
void guest_pair(struct guest *guest, struct pair *pair,
                enum p2_sockets_network_ip_address_family family, const char *address);
void guest_pair_drop(struct guest *guest, struct pair *pair);
void guest_end_drop(struct guest *guest, struct end *end);
void guest_streams_drop(struct guest *guest, struct end *end);
void guest_send(struct guest *guest, struct end *end, struct str text);
// Waits; empty at the end.
struct str guest_receive(struct guest *guest, struct end *end);
bool guest_read_is_closed(struct guest *guest, struct end *end);
bool guest_write_is_closed(struct guest *guest, struct end *end);

// SPDX-License-Identifier: Apache-2.0
#include "wasi/p2_sockets_guest_test.h"

#include "testing/test.h"

typedef struct p2_sockets_tcp_tcp_socket tcp_socket;

void guest_init(struct guest *guest, const struct wasi_network *network)
{
    fake_init(&guest->fake, false);
    guest->fake.config.network = network;
    CHECK_INT(p2_sockets_instance_network_instance_network(&guest->fake.call, &guest->network), 0);
}

void guest_done(struct guest *guest)
{
    CHECK_INT(p2_sockets_network_network_drop(&guest->fake.call, guest->network), 0);
    fake_done(&guest->fake);
}

int guest_answer(struct p2_result_void_sockets_network_error_code *result)
{
    int answer = result->is_err ? (int)result->err : OK;
    *result = (struct p2_result_void_sockets_network_error_code){0};
    return answer;
}

struct p2_sockets_network_ip_socket_address guest_parse(const char *text)
{
    struct net_address address;
    struct p2_sockets_network_ip_socket_address out = {0};
    CHECK_INT(net_address_parse(str_from(text), &address, NULL), 0);
    sock_address_out(&address, &out);
    return out;
}

void guest_format(const struct p2_sockets_network_ip_socket_address *from, char *text)
{
    struct net_address address;
    sock_address_in(from, &address);
    net_address_format(&address, text, NET_ADDRESS_TEXT_BYTES);
}

// ---- sockets ------------------------------------------------------------------------------------

tcp_socket *guest_tcp(struct guest *guest, enum p2_sockets_network_ip_address_family family)
{
    struct p2_result_sockets_tcp_tcp_socket_sockets_network_error_code made = {0};
    CHECK_INT(p2_sockets_tcp_create_socket_create_tcp_socket(&guest->fake.call, family, &made), 0);
    if (made.is_err && family == V6)
        test_skip("no IPv6 here");
    CHECK(!made.is_err);
    enum p2_sockets_network_ip_address_family got;
    CHECK_INT(p2_sockets_tcp_tcp_socket_address_family(&guest->fake.call, made.ok, &got), 0);
    CHECK_INT(got, family);
    return made.ok;
}

void guest_drop_tcp(struct guest *guest, tcp_socket *tcp)
{
    CHECK_INT(p2_sockets_tcp_tcp_socket_drop(&guest->fake.call, tcp), 0);
}

int guest_bind(struct guest *guest, tcp_socket *tcp, const char *text)
{
    struct p2_result_void_sockets_network_error_code done = {0};
    struct p2_sockets_network_ip_socket_address address = guest_parse(text);
    CHECK_INT(p2_sockets_tcp_tcp_socket_start_bind(&guest->fake.call, tcp, guest->network, &address,
                                                   &done),
              0);
    return guest_answer(&done);
}

int guest_connect(struct guest *guest, tcp_socket *tcp, const char *text)
{
    struct p2_result_void_sockets_network_error_code done = {0};
    struct p2_sockets_network_ip_socket_address address = guest_parse(text);
    CHECK_INT(p2_sockets_tcp_tcp_socket_start_connect(&guest->fake.call, tcp, guest->network,
                                                      &address, &done),
              0);
    return guest_answer(&done);
}

int guest_step(struct guest *guest, tcp_socket *tcp, enum guest_step step)
{
    static int (*const steps[])(struct canon_call * call, tcp_socket * self,
                                struct p2_result_void_sockets_network_error_code * ret) = {
        [FINISH_BIND] = p2_sockets_tcp_tcp_socket_finish_bind,
        [START_LISTEN] = p2_sockets_tcp_tcp_socket_start_listen,
        [FINISH_LISTEN] = p2_sockets_tcp_tcp_socket_finish_listen,
    };
    struct p2_result_void_sockets_network_error_code done = {0};
    CHECK_INT(steps[step](&guest->fake.call, tcp, &done), 0);
    return guest_answer(&done);
}

int guest_address(struct guest *guest, tcp_socket *tcp, enum guest_side side, char *text)
{
    struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code got = {0};
    int rc = side == LOCAL ? p2_sockets_tcp_tcp_socket_local_address(&guest->fake.call, tcp, &got)
                           : p2_sockets_tcp_tcp_socket_remote_address(&guest->fake.call, tcp, &got);
    CHECK_INT(rc, 0);
    if (got.is_err)
        return (int)got.err;
    if (text)
        guest_format(&got.ok, text);
    return OK;
}

bool guest_is_listening(struct guest *guest, tcp_socket *tcp)
{
    bool is;
    CHECK_INT(p2_sockets_tcp_tcp_socket_is_listening(&guest->fake.call, tcp, &is), 0);
    return is;
}

int guest_shutdown(struct guest *guest, tcp_socket *tcp, enum p2_sockets_tcp_shutdown_type type)
{
    struct p2_result_void_sockets_network_error_code done = {0};
    CHECK_INT(p2_sockets_tcp_tcp_socket_shutdown(&guest->fake.call, tcp, type, &done), 0);
    return guest_answer(&done);
}

void guest_block(struct guest *guest, tcp_socket *tcp)
{
    struct p2_io_poll_pollable *pollable;
    CHECK_INT(p2_sockets_tcp_tcp_socket_subscribe(&guest->fake.call, tcp, &pollable), 0);
    CHECK_INT(p2_io_poll_pollable_block(&guest->fake.call, pollable), 0);
    CHECK_INT(p2_io_poll_pollable_drop(&guest->fake.call, pollable), 0);
}

// ---- connections --------------------------------------------------------------------------------

int guest_finish_connect(struct guest *guest, tcp_socket *tcp, struct end *end)
{
    struct
        p2_result_tuple_io_streams_input_stream_io_streams_output_stream_sockets_network_error_code
            got = {0};
    CHECK_INT(p2_sockets_tcp_tcp_socket_finish_connect(&guest->fake.call, tcp, &got), 0);
    if (got.is_err)
        return (int)got.err;
    *end = (struct end){tcp, got.ok.f0, got.ok.f1};
    return OK;
}

int guest_accept(struct guest *guest, tcp_socket *tcp, struct end *end)
{
    struct
        p2_result_tuple_sockets_tcp_tcp_socket_io_streams_input_stream_io_streams_output_stream_sockets_network_error_code
            got = {0};
    CHECK_INT(p2_sockets_tcp_tcp_socket_accept(&guest->fake.call, tcp, &got), 0);
    if (got.is_err)
        return (int)got.err;
    *end = (struct end){got.ok.f0, got.ok.f1, got.ok.f2};
    return OK;
}

tcp_socket *guest_listener(struct guest *guest, enum p2_sockets_network_ip_address_family family,
                           const char *address, char *text)
{
    tcp_socket *tcp = guest_tcp(guest, family);
    int code = guest_bind(guest, tcp, address);
    if (family == V6 && code == CODE(ADDRESS_NOT_BINDABLE))
        test_skip("no IPv6 here");
    CHECK_INT(code, OK);
    guest_block(guest, tcp);
    CHECK_INT(guest_step(guest, tcp, FINISH_BIND), OK);
    CHECK_INT(guest_step(guest, tcp, START_LISTEN), OK);
    CHECK_INT(guest_step(guest, tcp, FINISH_LISTEN), OK);
    CHECK_INT(guest_address(guest, tcp, LOCAL, text), OK);
    return tcp;
}

void guest_pair(struct guest *guest, struct pair *pair,
                enum p2_sockets_network_ip_address_family family, const char *address)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    pair->listener = guest_listener(guest, family, address, text);
    tcp_socket *client = guest_tcp(guest, family);
    CHECK_INT(guest_connect(guest, client, text), OK);
    guest_block(guest, client);
    CHECK_INT(guest_finish_connect(guest, client, &pair->client), OK);
    guest_block(guest, pair->listener);
    CHECK_INT(guest_accept(guest, pair->listener, &pair->server), OK);
}

void guest_streams_drop(struct guest *guest, struct end *end)
{
    CHECK_INT(p2_io_streams_input_stream_drop(&guest->fake.call, end->input), 0);
    CHECK_INT(p2_io_streams_output_stream_drop(&guest->fake.call, end->output), 0);
}

void guest_end_drop(struct guest *guest, struct end *end)
{
    guest_streams_drop(guest, end);
    guest_drop_tcp(guest, end->tcp);
}

void guest_pair_drop(struct guest *guest, struct pair *pair)
{
    guest_end_drop(guest, &pair->client);
    guest_end_drop(guest, &pair->server);
    guest_drop_tcp(guest, pair->listener);
}

void guest_send(struct guest *guest, struct end *end, struct str text)
{
    struct p2_result_void_io_streams_stream_error done = {0};
    CHECK_INT(p2_io_streams_output_stream_blocking_write_and_flush(&guest->fake.call, end->output,
                                                                   text, &done),
              0);
    CHECK(!done.is_err);
}

struct str guest_receive(struct guest *guest, struct end *end)
{
    struct p2_result_bytes_io_streams_stream_error got = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&guest->fake.call, end->input, 65536, &got),
              0);
    CHECK(!got.is_err || got.err.tag == P2_IO_STREAMS_STREAM_ERROR_CLOSED);
    return got.is_err ? STR_EMPTY : got.ok;
}

bool guest_read_is_closed(struct guest *guest, struct end *end)
{
    struct p2_result_bytes_io_streams_stream_error got = {0};
    CHECK_INT(p2_io_streams_input_stream_blocking_read(&guest->fake.call, end->input, 10, &got), 0);
    return got.is_err && got.err.tag == P2_IO_STREAMS_STREAM_ERROR_CLOSED;
}

bool guest_write_is_closed(struct guest *guest, struct end *end)
{
    struct p2_result_u64_io_streams_stream_error room = {0};
    CHECK_INT(p2_io_streams_output_stream_check_write(&guest->fake.call, end->output, &room), 0);
    return room.is_err && room.err.tag == P2_IO_STREAMS_STREAM_ERROR_CLOSED;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/tcp and what is allowed: real sockets on the loopback.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "testing/test.h"
#include "wasi/p2_sockets.h"
#include "wasi/p2_sockets_guest_test.h"
#include "wasi/p2_sockets_name.h"

// ---- what is allowed ----------------------------------------------------------------------------

static bool allows(const struct wasi_network *network, unsigned use, const char *text)
{
    struct net_address address;
    CHECK_INT(net_address_parse(str_from(text), &address, NULL), 0);
    return wasi_network_allows(network, use, &address);
}

TEST(rules_match_prefix_port_and_use)
{
    const struct wasi_network_rule rules[] = {
        {WASI_NETWORK_TCP_CONNECT,
         {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 96},
         96 + 12,
         80,
         90},
        {WASI_NETWORK_UDP_SEND, {0x20, 0x01, 0x0d, 0xb8}, 32, 0, 65535},
    };
    const struct wasi_network network = {rules, 2};
    CHECK(allows(&network, WASI_NETWORK_TCP_CONNECT, "10.96.0.1:80"));
    CHECK(allows(&network, WASI_NETWORK_TCP_CONNECT, "10.111.255.255:90"));
    CHECK(!allows(&network, WASI_NETWORK_TCP_CONNECT, "10.112.0.0:80"));
    CHECK(!allows(&network, WASI_NETWORK_TCP_CONNECT, "10.96.0.1:79"));
    CHECK(!allows(&network, WASI_NETWORK_TCP_CONNECT, "10.96.0.1:91"));
    CHECK(!allows(&network, WASI_NETWORK_TCP_BIND, "10.96.0.1:80"));
    CHECK(!allows(&network, WASI_NETWORK_TCP_CONNECT, "[2001:db8::1]:80"));
    CHECK(allows(&network, WASI_NETWORK_UDP_SEND, "[2001:db8::1]:80"));
    CHECK(!allows(&network, WASI_NETWORK_UDP_SEND, "[2001:db9::1]:80"));
    CHECK(!wasi_network_allows(&network, WASI_NETWORK_LOOKUP, NULL));
}

TEST(ready_made_networks)
{
    CHECK(!allows(NULL, WASI_NETWORK_TCP_BIND, "127.0.0.1:80"));
    CHECK(!wasi_network_allows(NULL, WASI_NETWORK_LOOKUP, NULL));
    CHECK(allows(&wasi_network_all, WASI_NETWORK_UDP_BIND, "*:0"));
    CHECK(allows(&wasi_network_all, WASI_NETWORK_TCP_CONNECT, "192.0.2.1:443"));
    CHECK(wasi_network_allows(&wasi_network_all, WASI_NETWORK_LOOKUP, NULL));
    CHECK(allows(&wasi_network_loopback, WASI_NETWORK_TCP_BIND, "127.1.2.3:0"));
    CHECK(allows(&wasi_network_loopback, WASI_NETWORK_TCP_CONNECT, "[::1]:65535"));
    CHECK(!allows(&wasi_network_loopback, WASI_NETWORK_TCP_BIND, "*:80"));
    CHECK(!allows(&wasi_network_loopback, WASI_NETWORK_TCP_BIND, "0.0.0.0:80"));
    CHECK(!allows(&wasi_network_loopback, WASI_NETWORK_TCP_CONNECT, "128.0.0.1:80"));
    CHECK(!wasi_network_allows(&wasi_network_loopback, WASI_NETWORK_LOOKUP, NULL));
}

TEST(denials_are_access_denied)
{
    struct guest guest;
    guest_init(&guest, NULL);
    struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, V4);
    CHECK_INT(guest_bind(&guest, tcp, "127.0.0.1:0"), CODE(ACCESS_DENIED));
    CHECK_INT(guest_connect(&guest, tcp, "127.0.0.1:80"), CODE(ACCESS_DENIED));
    CHECK_INT(guest.fake.wasi.network_denials, WASI_NETWORK_TCP_BIND | WASI_NETWORK_TCP_CONNECT);
    // Refused, not failed: it may still be used for what is allowed.
    CHECK_INT(tcp->state, TCP_UNBOUND);
    guest_drop_tcp(&guest, tcp);
    guest_done(&guest);
}

// ---- states -------------------------------------------------------------------------------------

TEST(states_before_bind)
{
    struct guest guest;
    guest_init(&guest, &wasi_network_all);
    struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, V4);
    CHECK_INT(guest_step(&guest, tcp, FINISH_BIND), CODE(NOT_IN_PROGRESS));
    CHECK_INT(guest_step(&guest, tcp, START_LISTEN), CODE(INVALID_STATE));
    CHECK_INT(guest_step(&guest, tcp, FINISH_LISTEN), CODE(NOT_IN_PROGRESS));
    CHECK_INT(guest_finish_connect(&guest, tcp, NULL), CODE(NOT_IN_PROGRESS));
    CHECK_INT(guest_accept(&guest, tcp, NULL), CODE(INVALID_STATE));
    CHECK_INT(guest_address(&guest, tcp, LOCAL, NULL), CODE(INVALID_STATE));
    CHECK_INT(guest_address(&guest, tcp, REMOTE, NULL), CODE(INVALID_STATE));
    CHECK_INT(guest_shutdown(&guest, tcp, P2_SOCKETS_TCP_SHUTDOWN_TYPE_BOTH), CODE(INVALID_STATE));
    guest_drop_tcp(&guest, tcp);
    CHECK_INT(guest.fake.wasi.socket_count, 0);
    guest_done(&guest);
}

TEST(states_from_bind_to_listen)
{
    struct guest guest;
    guest_init(&guest, &wasi_network_all);
    struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, V4);
    CHECK_INT(guest_bind(&guest, tcp, "127.0.0.1:0"), OK);
    CHECK_INT(guest_bind(&guest, tcp, "127.0.0.1:0"), CODE(CONCURRENCY_CONFLICT));
    CHECK_INT(guest_connect(&guest, tcp, "127.0.0.1:80"), CODE(CONCURRENCY_CONFLICT));
    CHECK_INT(guest_address(&guest, tcp, LOCAL, NULL), CODE(CONCURRENCY_CONFLICT));
    CHECK_INT(guest_step(&guest, tcp, FINISH_BIND), OK);
    CHECK_INT(guest_step(&guest, tcp, FINISH_BIND), CODE(NOT_IN_PROGRESS));
    CHECK_INT(guest_bind(&guest, tcp, "127.0.0.1:0"), CODE(INVALID_STATE));
    char text[NET_ADDRESS_TEXT_BYTES];
    CHECK_INT(guest_address(&guest, tcp, LOCAL, text), OK);
    CHECK(str_starts(str_from(text), STR("127.0.0.1:")));
    CHECK(!str_is(str_from(text), "127.0.0.1:0"));
    CHECK_INT(guest_step(&guest, tcp, START_LISTEN), OK);
    CHECK_INT(guest_step(&guest, tcp, START_LISTEN), CODE(CONCURRENCY_CONFLICT));
    CHECK(!guest_is_listening(&guest, tcp));
    CHECK_INT(guest_step(&guest, tcp, FINISH_LISTEN), OK);
    CHECK(guest_is_listening(&guest, tcp));
    CHECK_INT(guest_accept(&guest, tcp, NULL), CODE(WOULD_BLOCK));
    CHECK_INT(guest_connect(&guest, tcp, "127.0.0.1:80"), CODE(INVALID_STATE));
    CHECK_INT(guest_step(&guest, tcp, START_LISTEN), CODE(INVALID_STATE));
    guest_drop_tcp(&guest, tcp);
    guest_done(&guest);
}

TEST(addresses_that_are_refused)
{
    static const struct {
        enum p2_sockets_network_ip_address_family family;
        const char *address;
        int bind, connect;
    } cases[] = {
        {V4, "[::1]:80", CODE(INVALID_ARGUMENT), CODE(INVALID_ARGUMENT)},
        {V6, "127.0.0.1:80", CODE(INVALID_ARGUMENT), CODE(INVALID_ARGUMENT)},
        {V6, "[::ffff:127.0.0.1]:80", CODE(INVALID_ARGUMENT), CODE(INVALID_ARGUMENT)},
        {V4, "224.0.0.1:80", CODE(INVALID_ARGUMENT), CODE(INVALID_ARGUMENT)},
        {V4, "255.255.255.255:80", CODE(INVALID_ARGUMENT), CODE(INVALID_ARGUMENT)},
        {V6, "[ff02::1]:80", CODE(INVALID_ARGUMENT), CODE(INVALID_ARGUMENT)},
        {V4, "192.0.2.1:0", CODE(ADDRESS_NOT_BINDABLE), CODE(INVALID_ARGUMENT)},
        {V4, "0.0.0.0:0", OK, CODE(INVALID_ARGUMENT)},
        {V6, "[::]:0", OK, CODE(INVALID_ARGUMENT)},
    };
    struct guest guest;
    guest_init(&guest, &wasi_network_all);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, cases[i].family);
        CHECK_INT(guest_connect(&guest, tcp, cases[i].address), cases[i].connect);
        CHECK_INT(guest_bind(&guest, tcp, cases[i].address), cases[i].bind);
        guest_drop_tcp(&guest, tcp);
    }
    guest_done(&guest);
}

TEST(address_in_use)
{
    struct guest guest;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_all);
    struct p2_sockets_tcp_tcp_socket *first = guest_listener(&guest, V4, "127.0.0.1:0", text);
    struct p2_sockets_tcp_tcp_socket *second = guest_tcp(&guest, V4);
    CHECK_INT(guest_bind(&guest, second, text), CODE(ADDRESS_IN_USE));
    guest_drop_tcp(&guest, first);
    CHECK_INT(guest_bind(&guest, second, text), OK);
    guest_drop_tcp(&guest, second);
    guest_done(&guest);
}

TEST(refused_connection_closes_the_socket)
{
    struct guest guest;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_all);
    guest_drop_tcp(&guest, guest_listener(&guest, V4, "127.0.0.1:0", text)); // a free port
    struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, V4);
    CHECK_INT(guest_connect(&guest, tcp, text), OK);
    CHECK_INT(guest_connect(&guest, tcp, text), CODE(CONCURRENCY_CONFLICT));
    guest_block(&guest, tcp);
    CHECK_INT(guest_finish_connect(&guest, tcp, NULL), CODE(CONNECTION_REFUSED));
    CHECK_INT(guest_finish_connect(&guest, tcp, NULL), CODE(INVALID_STATE));
    CHECK_INT(guest_connect(&guest, tcp, text), CODE(INVALID_STATE));
    CHECK_INT(guest_bind(&guest, tcp, "127.0.0.1:0"), CODE(INVALID_STATE));
    guest_drop_tcp(&guest, tcp);
    guest_done(&guest);
}

TEST(sockets_of_an_instance_are_limited)
{
    struct guest guest;
    guest_init(&guest, &wasi_network_all);
    guest.fake.wasi.socket_count = WASI_SOCKETS_MAX - 1;
    struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, V4);
    struct p2_result_sockets_tcp_tcp_socket_sockets_network_error_code more = {0};
    CHECK_INT(p2_sockets_tcp_create_socket_create_tcp_socket(&guest.fake.call, V4, &more), 0);
    CHECK(more.is_err);
    CHECK_INT(more.err, CODE(NEW_SOCKET_LIMIT));
    guest_drop_tcp(&guest, tcp);
    CHECK_INT(guest.fake.wasi.socket_count, WASI_SOCKETS_MAX - 1);
    guest_done(&guest);
}

// ---- connections --------------------------------------------------------------------------------

static void both_ends(enum p2_sockets_network_ip_address_family family, const char *address)
{
    struct guest guest;
    struct pair pair;
    guest_init(&guest, &wasi_network_loopback);
    guest_pair(&guest, &pair, family, address);
    char local[NET_ADDRESS_TEXT_BYTES], remote[NET_ADDRESS_TEXT_BYTES];
    CHECK_INT(guest_address(&guest, pair.client.tcp, REMOTE, remote), OK);
    CHECK_INT(guest_address(&guest, pair.server.tcp, LOCAL, local), OK);
    CHECK_TEXT(local, remote);
    CHECK_INT(guest_address(&guest, pair.client.tcp, LOCAL, local), OK);
    CHECK_INT(guest_address(&guest, pair.server.tcp, REMOTE, remote), OK);
    CHECK_TEXT(local, remote);
    guest_send(&guest, &pair.client, STR("to the server"));
    CHECK_STR(guest_receive(&guest, &pair.server), "to the server");
    guest_send(&guest, &pair.server, STR("and back"));
    CHECK_STR(guest_receive(&guest, &pair.client), "and back");
    CHECK_INT(guest_connect(&guest, pair.client.tcp, remote), CODE(INVALID_STATE));
    guest_pair_drop(&guest, &pair);
    CHECK_INT(guest.fake.wasi.socket_count, 0);
    guest_done(&guest);
}

TEST(connection_over_ipv4)
{
    both_ends(V4, "127.0.0.1:0");
}

TEST(connection_over_ipv6)
{
    both_ends(V6, "[::1]:0");
}

TEST(shutdown_of_sending_ends_the_peers_input)
{
    struct guest guest;
    struct pair pair;
    guest_init(&guest, &wasi_network_loopback);
    guest_pair(&guest, &pair, V4, "127.0.0.1:0");
    guest_send(&guest, &pair.client, STR("last words"));
    for (int i = 0; i < 2; i++) // idempotent
        CHECK_INT(guest_shutdown(&guest, pair.client.tcp, P2_SOCKETS_TCP_SHUTDOWN_TYPE_SEND), OK);
    CHECK(guest_write_is_closed(&guest, &pair.client));
    CHECK_STR(guest_receive(&guest, &pair.server), "last words");
    CHECK(guest_read_is_closed(&guest, &pair.server));
    guest_send(&guest, &pair.server, STR("still open"));
    CHECK_STR(guest_receive(&guest, &pair.client), "still open");
    guest_pair_drop(&guest, &pair);
    guest_done(&guest);
}

TEST(shutdown_of_receiving_discards_what_came)
{
    struct guest guest;
    struct pair pair;
    guest_init(&guest, &wasi_network_loopback);
    guest_pair(&guest, &pair, V4, "127.0.0.1:0");
    guest_send(&guest, &pair.client, STR("unheard"));
    CHECK_INT(guest_shutdown(&guest, pair.server.tcp, P2_SOCKETS_TCP_SHUTDOWN_TYPE_RECEIVE), OK);
    CHECK(guest_read_is_closed(&guest, &pair.server));
    guest_send(&guest, &pair.server, STR("can talk"));
    CHECK_STR(guest_receive(&guest, &pair.client), "can talk");
    guest_pair_drop(&guest, &pair);
    guest_done(&guest);
}

// Writes until the budget is gone; returns how many bytes were taken.
static size_t fill(struct guest *guest, struct end *end)
{
    static const char block[4096];
    size_t total = 0;
    for (;;) {
        struct p2_result_u64_io_streams_stream_error room = {0};
        struct p2_result_void_io_streams_stream_error done = {0};
        CHECK_INT(p2_io_streams_output_stream_check_write(&guest->fake.call, end->output, &room),
                  0);
        CHECK(!room.is_err);
        if (room.ok == 0)
            return total;
        struct str data = str_of(block, MIN(room.ok, sizeof(block)));
        CHECK_INT(p2_io_streams_output_stream_write(&guest->fake.call, end->output, data, &done),
                  0);
        CHECK(!done.is_err);
        total += data.len;
    }
}

TEST(slow_reader_stops_the_writer_and_nothing_is_lost)
{
    struct guest guest;
    struct pair pair;
    guest_init(&guest, &wasi_network_loopback);
    guest_pair(&guest, &pair, V4, "127.0.0.1:0");
    size_t sent = fill(&guest, &pair.client), got = 0;
    CHECK(sent > TCP_PENDING_BYTES_MAX);
    CHECK(sent < (size_t)64 << 20);
    // FIN comes behind what is pending.
    CHECK_INT(guest_shutdown(&guest, pair.client.tcp, P2_SOCKETS_TCP_SHUTDOWN_TYPE_SEND), OK);
    for (struct str part; (part = guest_receive(&guest, &pair.server)).len > 0; got += part.len)
        arena_reset(&guest.fake.arena);
    CHECK_INT(got, sent);
    guest_pair_drop(&guest, &pair);
    guest_done(&guest);
}

TEST(reset_connection_fails_once_and_then_is_closed)
{
    struct guest guest;
    struct pair pair;
    guest_init(&guest, &wasi_network_loopback);
    guest_pair(&guest, &pair, V4, "127.0.0.1:0");
    static const struct linger at_once = {.l_onoff = 1};
    CHECK_INT(
        setsockopt(pair.client.tcp->sock.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    guest_end_drop(&guest, &pair.client);
    struct p2_result_bytes_io_streams_stream_error read = {0};
    CHECK_INT(
        p2_io_streams_input_stream_blocking_read(&guest.fake.call, pair.server.input, 10, &read),
        0);
    CHECK(read.is_err);
    CHECK_INT(read.err.tag, P2_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    CHECK_INT(read.err.last_operation_failed->code, -ECONNRESET);
    io_error_free(read.err.last_operation_failed);
    CHECK(guest_read_is_closed(&guest, &pair.server));
    guest_end_drop(&guest, &pair.server);
    guest_drop_tcp(&guest, pair.listener);
    guest_done(&guest);
}

TEST(streams_and_pollables_outlive_the_socket)
{
    struct guest guest;
    struct pair pair;
    guest_init(&guest, &wasi_network_loopback);
    guest_pair(&guest, &pair, V4, "127.0.0.1:0");
    struct p2_io_poll_pollable *pollable;
    CHECK_INT(p2_sockets_tcp_tcp_socket_subscribe(&guest.fake.call, pair.client.tcp, &pollable), 0);
    guest_drop_tcp(&guest, pair.client.tcp);
    guest_send(&guest, &pair.client, STR("alive"));
    CHECK_STR(guest_receive(&guest, &pair.server), "alive");
    guest_streams_drop(&guest, &pair.client);
    CHECK_INT(p2_io_poll_pollable_block(&guest.fake.call, pollable), 0);
    CHECK_INT(guest.fake.wasi.socket_count, 3);
    CHECK_INT(p2_io_poll_pollable_drop(&guest.fake.call, pollable), 0);
    CHECK_INT(guest.fake.wasi.socket_count, 2);
    CHECK(guest_read_is_closed(&guest, &pair.server));
    guest_end_drop(&guest, &pair.server);
    guest_drop_tcp(&guest, pair.listener);
    guest_done(&guest);
}

// ---- options ------------------------------------------------------------------------------------

typedef int get_u64(struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self,
                    struct p2_result_u64_sockets_network_error_code *ret);
typedef int set_u64(struct canon_call *call, struct p2_sockets_tcp_tcp_socket *self, uint64_t value,
                    struct p2_result_void_sockets_network_error_code *ret);

TEST(options_keep_what_was_set_and_refuse_zero)
{
    static const struct {
        get_u64 *get;
        set_u64 *set;
        uint64_t value, want;
    } cases[] = {
        {p2_sockets_tcp_tcp_socket_keep_alive_idle_time,
         p2_sockets_tcp_tcp_socket_set_keep_alive_idle_time, 42000000000, 42000000000},
        {p2_sockets_tcp_tcp_socket_keep_alive_idle_time,
         p2_sockets_tcp_tcp_socket_set_keep_alive_idle_time, 1, 1000000000},
        {p2_sockets_tcp_tcp_socket_keep_alive_interval,
         p2_sockets_tcp_tcp_socket_set_keep_alive_interval, UINT64_MAX, 32767000000000},
        {p2_sockets_tcp_tcp_socket_receive_buffer_size,
         p2_sockets_tcp_tcp_socket_set_receive_buffer_size, 40000, 40000},
        {p2_sockets_tcp_tcp_socket_send_buffer_size, p2_sockets_tcp_tcp_socket_set_send_buffer_size,
         50000, 50000},
    };
    struct guest guest;
    guest_init(&guest, NULL);
    struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, V4);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct p2_result_u64_sockets_network_error_code got = {0};
        struct p2_result_void_sockets_network_error_code done = {0};
        CHECK_INT(cases[i].set(&guest.fake.call, tcp, cases[i].value, &done), 0);
        CHECK(!done.is_err);
        CHECK_INT(cases[i].get(&guest.fake.call, tcp, &got), 0);
        CHECK_INT(got.ok, cases[i].want);
        CHECK_INT(cases[i].set(&guest.fake.call, tcp, 0, &done), 0);
        CHECK_INT(guest_answer(&done), CODE(INVALID_ARGUMENT));
    }
    guest_drop_tcp(&guest, tcp);
    guest_done(&guest);
}

TEST(hop_limit_and_keep_alive)
{
    struct guest guest;
    guest_init(&guest, NULL);
    for (int family = V4; family <= V6; family++) {
        struct p2_sockets_tcp_tcp_socket *tcp = guest_tcp(&guest, family);
        struct p2_result_u8_sockets_network_error_code hops = {0};
        struct p2_result_bool_sockets_network_error_code alive = {0};
        struct p2_result_u32_sockets_network_error_code count = {0};
        struct p2_result_void_sockets_network_error_code done = {0};
        struct canon_call *call = &guest.fake.call;
        CHECK_INT(p2_sockets_tcp_tcp_socket_set_hop_limit(call, tcp, 42, &done), 0);
        CHECK_INT(p2_sockets_tcp_tcp_socket_hop_limit(call, tcp, &hops), 0);
        CHECK_INT(hops.ok, 42);
        CHECK_INT(p2_sockets_tcp_tcp_socket_set_hop_limit(call, tcp, 0, &done), 0);
        CHECK_INT(guest_answer(&done), CODE(INVALID_ARGUMENT));
        CHECK_INT(p2_sockets_tcp_tcp_socket_keep_alive_enabled(call, tcp, &alive), 0);
        CHECK(!alive.ok);
        CHECK_INT(p2_sockets_tcp_tcp_socket_set_keep_alive_enabled(call, tcp, true, &done), 0);
        CHECK_INT(p2_sockets_tcp_tcp_socket_keep_alive_enabled(call, tcp, &alive), 0);
        CHECK(alive.ok);
        CHECK_INT(p2_sockets_tcp_tcp_socket_set_keep_alive_count(call, tcp, 1000, &done), 0);
        CHECK_INT(p2_sockets_tcp_tcp_socket_keep_alive_count(call, tcp, &count), 0);
        CHECK_INT(count.ok, 127);
        CHECK_INT(p2_sockets_tcp_tcp_socket_set_listen_backlog_size(call, tcp, 0, &done), 0);
        CHECK_INT(guest_answer(&done), CODE(INVALID_ARGUMENT));
        guest_drop_tcp(&guest, tcp);
    }
    guest_done(&guest);
}

// ---- names --------------------------------------------------------------------------------------

TEST(names_become_ascii_or_are_refused)
{
    static const struct {
        const char *name, *ascii; // NULL: refused
    } cases[] = {
        {"example.com", "example.com"},
        {"example.com.", "example.com."},
        {"_sip._tcp.example.com", "_sip._tcp.example.com"},
        {"b\u00fccher.example", "xn--bcher-kva.example"},
        {"B\u00dcCHER.example", "xn--bcher-kva.example"},
        {"", NULL},
        {".", NULL},
        {"a..b", NULL},
        {"-a.b", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"a:80", NULL},
        {"[::1", NULL},
        {"fe80::1%eth0", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *ascii = NULL;
        int rc = name_to_ascii(str_from(cases[i].name), &ascii);
        CHECK_INT(rc, cases[i].ascii ? 0 : -EINVAL);
        if (cases[i].ascii)
            CHECK_TEXT(ascii, cases[i].ascii);
        free(ascii);
    }
    char *ascii;
    CHECK_INT(name_to_ascii(str_of("a\0b", 3), &ascii), -EINVAL);
}

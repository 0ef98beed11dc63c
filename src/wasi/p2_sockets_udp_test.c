// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/udp and ip-name-lookup: real sockets on the loopback.
#include "testing/test.h"
#include "wasi/p2_sockets_guest_test.h"
#include "wasi/p2_sockets_udp.h"

typedef struct p2_sockets_udp_udp_socket udp_socket;

// ---- UDP ----------------------------------------------------------------------------------------

struct talker {
    udp_socket *udp;
    struct p2_sockets_udp_incoming_datagram_stream *in;
    struct p2_sockets_udp_outgoing_datagram_stream *out;
    char address[NET_ADDRESS_TEXT_BYTES];
};

static udp_socket *udp_new(struct guest *guest)
{
    struct p2_result_sockets_udp_udp_socket_sockets_network_error_code made = {0};
    CHECK_INT(p2_sockets_udp_create_socket_create_udp_socket(&guest->fake.call, V4, &made), 0);
    CHECK(!made.is_err);
    return made.ok;
}

static int udp_bind(struct guest *guest, udp_socket *udp, const char *text)
{
    struct p2_result_void_sockets_network_error_code done = {0};
    struct p2_sockets_network_ip_socket_address address = guest_parse(text);
    CHECK_INT(p2_sockets_udp_udp_socket_start_bind(&guest->fake.call, udp, guest->network, &address,
                                                   &done),
              0);
    return guest_answer(&done);
}

static int udp_finish(struct guest *guest, udp_socket *udp)
{
    struct p2_result_void_sockets_network_error_code done = {0};
    CHECK_INT(p2_sockets_udp_udp_socket_finish_bind(&guest->fake.call, udp, &done), 0);
    return guest_answer(&done);
}

static int udp_stream(struct guest *guest, struct talker *talker, const char *remote)
{
    struct p2_option_sockets_network_ip_socket_address to = {.is_some = remote != NULL};
    if (remote)
        to.some = guest_parse(remote);
    struct
        p2_result_tuple_sockets_udp_incoming_datagram_stream_sockets_udp_outgoing_datagram_stream_sockets_network_error_code
            got = {0};
    CHECK_INT(p2_sockets_udp_udp_socket_stream(&guest->fake.call, talker->udp, to, &got), 0);
    if (got.is_err)
        return (int)got.err;
    talker->in = got.ok.f0;
    talker->out = got.ok.f1;
    return OK;
}

static int udp_address(struct guest *guest, udp_socket *udp, enum guest_side side, char *text)
{
    struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code got = {0};
    int rc = side == LOCAL ? p2_sockets_udp_udp_socket_local_address(&guest->fake.call, udp, &got)
                           : p2_sockets_udp_udp_socket_remote_address(&guest->fake.call, udp, &got);
    CHECK_INT(rc, 0);
    if (got.is_err)
        return (int)got.err;
    guest_format(&got.ok, text);
    return OK;
}

static void talker_init(struct guest *guest, struct talker *talker)
{
    *talker = (struct talker){.udp = udp_new(guest)};
    CHECK_INT(udp_bind(guest, talker->udp, "127.0.0.1:0"), OK);
    CHECK_INT(udp_finish(guest, talker->udp), OK);
    CHECK_INT(udp_address(guest, talker->udp, LOCAL, talker->address), OK);
}

static void streams_drop(struct guest *guest, struct talker *talker)
{
    if (talker->in)
        CHECK_INT(p2_sockets_udp_incoming_datagram_stream_drop(&guest->fake.call, talker->in), 0);
    if (talker->out)
        CHECK_INT(p2_sockets_udp_outgoing_datagram_stream_drop(&guest->fake.call, talker->out), 0);
    talker->in = NULL;
    talker->out = NULL;
}

static void talker_done(struct guest *guest, struct talker *talker)
{
    streams_drop(guest, talker);
    CHECK_INT(p2_sockets_udp_udp_socket_drop(&guest->fake.call, talker->udp), 0);
}

// Asks for the permit, then sends `count` times the same; how many left, or the error's code
// negated and less one.
static int send_many(struct guest *guest, struct talker *talker, struct str text, const char *to,
                     size_t count)
{
    struct p2_result_u64_sockets_network_error_code permit = {0}, sent = {0};
    struct p2_sockets_udp_outgoing_datagram list[UDP_DATAGRAMS_MAX];
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct p2_sockets_udp_outgoing_datagram){text, {.is_some = to != NULL}};
        if (to)
            list[i].remote_address.some = guest_parse(to);
    }
    struct canon_call *call = &guest->fake.call;
    CHECK_INT(p2_sockets_udp_outgoing_datagram_stream_check_send(call, talker->out, &permit), 0);
    CHECK(!permit.is_err && permit.ok >= count);
    struct p2_list_sockets_udp_outgoing_datagram datagrams = {list, count};
    CHECK_INT(p2_sockets_udp_outgoing_datagram_stream_send(call, talker->out, datagrams, &sent), 0);
    return sent.is_err ? -1 - (int)sent.err : (int)sent.ok;
}

static int failure(int code)
{
    return -1 - code;
}

// Waits for one or more.
static struct p2_list_sockets_udp_incoming_datagram receive(struct guest *guest,
                                                            struct talker *talker, uint64_t max)
{
    struct p2_io_poll_pollable *pollable;
    struct p2_result_list_sockets_udp_incoming_datagram_sockets_network_error_code got = {0};
    struct canon_call *call = &guest->fake.call;
    CHECK_INT(p2_sockets_udp_incoming_datagram_stream_subscribe(call, talker->in, &pollable), 0);
    CHECK_INT(p2_io_poll_pollable_block(call, pollable), 0);
    CHECK_INT(p2_io_poll_pollable_drop(call, pollable), 0);
    CHECK_INT(p2_sockets_udp_incoming_datagram_stream_receive(call, talker->in, max, &got), 0);
    CHECK(!got.is_err);
    return got.ok;
}

TEST(udp_states)
{
    struct guest guest;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_all);
    struct talker talker = {.udp = udp_new(&guest)};
    CHECK_INT(udp_finish(&guest, talker.udp), CODE(NOT_IN_PROGRESS));
    CHECK_INT(udp_stream(&guest, &talker, NULL), CODE(INVALID_STATE));
    CHECK_INT(udp_address(&guest, talker.udp, LOCAL, text), CODE(INVALID_STATE));
    CHECK_INT(udp_bind(&guest, talker.udp, "[::1]:0"), CODE(INVALID_ARGUMENT));
    CHECK_INT(udp_bind(&guest, talker.udp, "127.0.0.1:0"), OK);
    CHECK_INT(udp_bind(&guest, talker.udp, "127.0.0.1:0"), CODE(CONCURRENCY_CONFLICT));
    CHECK_INT(udp_stream(&guest, &talker, NULL), CODE(INVALID_STATE));
    CHECK_INT(udp_finish(&guest, talker.udp), OK);
    CHECK_INT(udp_bind(&guest, talker.udp, "127.0.0.1:0"), CODE(INVALID_STATE));
    CHECK_INT(udp_stream(&guest, &talker, "127.0.0.1:0"), CODE(INVALID_ARGUMENT));
    CHECK_INT(udp_stream(&guest, &talker, "0.0.0.0:80"), CODE(INVALID_ARGUMENT));
    CHECK_INT(udp_stream(&guest, &talker, "[::1]:80"), CODE(INVALID_ARGUMENT));
    CHECK_INT(udp_address(&guest, talker.udp, REMOTE, text), CODE(INVALID_STATE));
    talker_done(&guest, &talker);
    guest_done(&guest);
}

TEST(udp_datagrams_come_and_go)
{
    struct guest guest;
    struct talker a, b;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_loopback);
    talker_init(&guest, &a);
    talker_init(&guest, &b);
    CHECK_INT(udp_stream(&guest, &a, NULL), OK);
    CHECK_INT(udp_stream(&guest, &b, NULL), OK);
    CHECK_INT(send_many(&guest, &a, STR("hello"), b.address, 3), 3);
    struct p2_list_sockets_udp_incoming_datagram got = receive(&guest, &b, 2);
    CHECK_INT(got.len, 2);
    CHECK_STR(got.data[1].data, "hello");
    guest_format(&got.data[1].remote_address, text);
    CHECK_TEXT(text, a.address);
    CHECK_INT(receive(&guest, &b, UINT64_MAX).len, 1);
    CHECK_INT(send_many(&guest, &a, STR_EMPTY, b.address, 1), 1);
    CHECK_INT(receive(&guest, &b, 1).data[0].data.len, 0);
    struct p2_result_list_sockets_udp_incoming_datagram_sockets_network_error_code none = {0};
    CHECK_INT(p2_sockets_udp_incoming_datagram_stream_receive(&guest.fake.call, b.in, 5, &none), 0);
    CHECK(!none.is_err && none.ok.len == 0);
    talker_done(&guest, &a);
    talker_done(&guest, &b);
    CHECK_INT(guest.fake.wasi.socket_count, 0);
    guest_done(&guest);
}

TEST(udp_destinations)
{
    struct guest guest;
    struct talker a, b;
    guest_init(&guest, &wasi_network_loopback);
    talker_init(&guest, &a);
    talker_init(&guest, &b);
    CHECK_INT(udp_stream(&guest, &a, NULL), OK);
    CHECK_INT(send_many(&guest, &a, STR("x"), NULL, 1), failure(CODE(INVALID_ARGUMENT)));
    CHECK_INT(send_many(&guest, &a, STR("x"), "127.0.0.1:0", 1), failure(CODE(INVALID_ARGUMENT)));
    CHECK_INT(send_many(&guest, &a, STR("x"), "[::1]:9", 1), failure(CODE(INVALID_ARGUMENT)));
    CHECK_INT(send_many(&guest, &a, STR("x"), "192.0.2.1:9", 1), failure(CODE(ACCESS_DENIED)));
    static char large[70000];
    CHECK_INT(send_many(&guest, &a, str_of(large, sizeof(large)), b.address, 1),
              failure(CODE(DATAGRAM_TOO_LARGE)));
    streams_drop(&guest, &a);
    CHECK_INT(udp_stream(&guest, &a, b.address), OK);
    CHECK_INT(send_many(&guest, &a, STR("x"), NULL, 1), 1);
    CHECK_INT(send_many(&guest, &a, STR("x"), b.address, 1), 1);
    CHECK_INT(send_many(&guest, &a, STR("x"), a.address, 1), failure(CODE(INVALID_ARGUMENT)));
    talker_done(&guest, &a);
    talker_done(&guest, &b);
    guest_done(&guest);
}

TEST(udp_association_filters_and_can_change)
{
    struct guest guest;
    struct talker a, b, c;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_loopback);
    talker_init(&guest, &a);
    talker_init(&guest, &b);
    talker_init(&guest, &c);
    CHECK_INT(udp_stream(&guest, &b, NULL), OK);
    CHECK_INT(udp_stream(&guest, &c, NULL), OK);
    // Comes before the association, from somebody else.
    CHECK_INT(send_many(&guest, &c, STR("stranger"), a.address, 1), 1);
    CHECK_INT(udp_stream(&guest, &a, b.address), OK);
    CHECK_INT(udp_address(&guest, a.udp, REMOTE, text), OK);
    CHECK_TEXT(text, b.address);
    CHECK_INT(send_many(&guest, &b, STR("friend"), a.address, 1), 1);
    struct p2_list_sockets_udp_incoming_datagram got = receive(&guest, &a, 10);
    CHECK_INT(got.len, 1);
    CHECK_STR(got.data[0].data, "friend");
    // Streams of before are not operational any more; the port stays.
    struct talker old = a;
    CHECK_INT(udp_stream(&guest, &a, NULL), OK);
    CHECK_INT(udp_address(&guest, a.udp, LOCAL, text), OK);
    CHECK_TEXT(text, old.address);
    CHECK_INT(udp_address(&guest, a.udp, REMOTE, text), CODE(INVALID_STATE));
    struct p2_result_u64_sockets_network_error_code permit = {0};
    CHECK_INT(
        p2_sockets_udp_outgoing_datagram_stream_check_send(&guest.fake.call, old.out, &permit), 0);
    CHECK(permit.is_err);
    CHECK_INT(permit.err, CODE(INVALID_STATE));
    streams_drop(&guest, &old);
    CHECK_INT(send_many(&guest, &c, STR("welcome"), a.address, 1), 1);
    CHECK_STR(receive(&guest, &a, 10).data[0].data, "welcome");
    talker_done(&guest, &a);
    talker_done(&guest, &b);
    talker_done(&guest, &c);
    guest_done(&guest);
}

TEST(udp_refused_peer_is_told)
{
    struct guest guest;
    struct talker a, b;
    guest_init(&guest, &wasi_network_loopback);
    talker_init(&guest, &a);
    talker_init(&guest, &b);
    CHECK_INT(udp_stream(&guest, &a, b.address), OK);
    talker_done(&guest, &b);
    CHECK_INT(send_many(&guest, &a, STR("anybody?"), NULL, 1), 1);
    struct p2_io_poll_pollable *pollable;
    struct p2_result_list_sockets_udp_incoming_datagram_sockets_network_error_code got = {0};
    struct canon_call *call = &guest.fake.call;
    CHECK_INT(p2_sockets_udp_incoming_datagram_stream_subscribe(call, a.in, &pollable), 0);
    CHECK_INT(p2_io_poll_pollable_block(call, pollable), 0);
    CHECK_INT(p2_io_poll_pollable_drop(call, pollable), 0);
    CHECK_INT(p2_sockets_udp_incoming_datagram_stream_receive(call, a.in, 1, &got), 0);
    CHECK(got.is_err);
    CHECK_INT(got.err, CODE(CONNECTION_REFUSED));
    talker_done(&guest, &a);
    guest_done(&guest);
}

TEST(udp_sends_need_a_permit)
{
    struct guest guest;
    struct talker a;
    guest_init(&guest, &wasi_network_loopback);
    talker_init(&guest, &a);
    CHECK_INT(udp_stream(&guest, &a, a.address), OK);
    struct p2_sockets_udp_outgoing_datagram list[UDP_DATAGRAMS_MAX + 1] = {0};
    struct p2_result_u64_sockets_network_error_code got = {0};
    struct canon_call *call = &guest.fake.call;
    struct p2_list_sockets_udp_outgoing_datagram datagrams = {list, 0};
    CHECK_INT(p2_sockets_udp_outgoing_datagram_stream_send(call, a.out, datagrams, &got), 0);
    CHECK_INT(got.ok, 0);
    datagrams.len = 1;
    CHECK(p2_sockets_udp_outgoing_datagram_stream_send(call, a.out, datagrams, &got) < 0);
    CHECK_CONTAINS(error_text(&guest.fake.error), "check-send");
    CHECK_INT(p2_sockets_udp_outgoing_datagram_stream_check_send(call, a.out, &got), 0);
    CHECK_INT(got.ok, UDP_DATAGRAMS_MAX);
    datagrams.len = UDP_DATAGRAMS_MAX + 1;
    CHECK(p2_sockets_udp_outgoing_datagram_stream_send(call, a.out, datagrams, &got) < 0);
    CHECK_CONTAINS(error_text(&guest.fake.error), "permitted 16");
    talker_done(&guest, &a);
    guest_done(&guest);
}

// ---- names --------------------------------------------------------------------------------------

typedef struct p2_sockets_ip_name_lookup_resolve_address_stream lookup;

static int look_up(struct guest *guest, struct str name, lookup **out)
{
    struct p2_result_sockets_ip_name_lookup_resolve_address_stream_sockets_network_error_code got =
        {0};
    CHECK_INT(
        p2_sockets_ip_name_lookup_resolve_addresses(&guest->fake.call, guest->network, name, &got),
        0);
    if (got.is_err)
        return (int)got.err;
    *out = got.ok;
    return OK;
}

// OK and the address's text, "" at the end; or a code.
static int next_address(struct guest *guest, lookup *stream, char *text)
{
    struct p2_result_option_sockets_network_ip_address_sockets_network_error_code got = {0};
    CHECK_INT(p2_sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(
                  &guest->fake.call, stream, &got),
              0);
    if (got.is_err)
        return (int)got.err;
    text[0] = 0;
    if (!got.ok.is_some)
        return OK;
    struct p2_sockets_network_ip_socket_address address = {.tag = (int)got.ok.some.tag};
    if (got.ok.some.tag == P2_SOCKETS_NETWORK_IP_ADDRESS_IPV4)
        address.ipv4.address = got.ok.some.ipv4;
    else
        address.ipv6.address = got.ok.some.ipv6;
    guest_format(&address, text);
    return OK;
}

static void lookup_drop(struct guest *guest, lookup *stream)
{
    CHECK_INT(p2_sockets_ip_name_lookup_resolve_address_stream_drop(&guest->fake.call, stream), 0);
}

static void wait_for(struct guest *guest, lookup *stream)
{
    struct p2_io_poll_pollable *pollable;
    struct canon_call *call = &guest->fake.call;
    CHECK_INT(p2_sockets_ip_name_lookup_resolve_address_stream_subscribe(call, stream, &pollable),
              0);
    CHECK_INT(p2_io_poll_pollable_block(call, pollable), 0);
    CHECK_INT(p2_io_poll_pollable_drop(call, pollable), 0);
}

TEST(literals_are_answered_without_a_lookup)
{
    static const struct {
        const char *name, *address;
    } cases[] = {
        {"192.0.2.7", "192.0.2.7:0"},
        {"2001:db8::1", "[2001:db8::1]:0"},
        {"[2001:db8::1]", "[2001:db8::1]:0"},
        {"::ffff:192.0.2.7", "192.0.2.7:0"},
    };
    struct guest guest;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        lookup *stream;
        CHECK_INT(look_up(&guest, str_from(cases[i].name), &stream), OK);
        CHECK_INT(next_address(&guest, stream, text), OK);
        CHECK_TEXT(text, cases[i].address);
        CHECK_INT(next_address(&guest, stream, text), OK);
        CHECK_TEXT(text, "");
        lookup_drop(&guest, stream);
    }
    lookup *stream;
    CHECK_INT(look_up(&guest, STR("[192.0.2.7]"), &stream), CODE(INVALID_ARGUMENT));
    CHECK_INT(look_up(&guest, STR("localhost"), &stream), CODE(ACCESS_DENIED));
    guest_done(&guest);
}

TEST(localhost_is_looked_up)
{
    struct guest guest;
    lookup *stream;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_all);
    CHECK_INT(look_up(&guest, STR("localhost"), &stream), OK);
    CHECK_INT(next_address(&guest, stream, text), CODE(WOULD_BLOCK));
    wait_for(&guest, stream);
    bool found = false;
    for (;;) {
        CHECK_INT(next_address(&guest, stream, text), OK);
        if (!text[0])
            break;
        found = found || str_is(str_from(text), "127.0.0.1:0") || str_is(str_from(text), "[::1]:0");
    }
    CHECK(found);
    lookup_drop(&guest, stream);
    guest_done(&guest);
}

TEST(unknown_names_fail)
{
    struct guest guest;
    lookup *stream;
    char text[NET_ADDRESS_TEXT_BYTES];
    guest_init(&guest, &wasi_network_all);
    CHECK_INT(look_up(&guest, STR("no-such-name.invalid"), &stream), OK);
    wait_for(&guest, stream);
    int code = next_address(&guest, stream, text);
    // Without a resolver at hand the failure is a temporary one.
    CHECK(code == CODE(NAME_UNRESOLVABLE) || code == CODE(TEMPORARY_RESOLVER_FAILURE));
    CHECK_INT(next_address(&guest, stream, text), code);
    lookup_drop(&guest, stream);
    guest_done(&guest);
}

// Lookups until one is refused, each dropped at once.
static size_t exhaust(struct guest *guest)
{
    lookup *stream;
    for (size_t count = 0; count < 10000; count++) {
        int code = look_up(guest, STR("localhost"), &stream);
        if (code != OK) {
            CHECK_INT(code, CODE(TEMPORARY_RESOLVER_FAILURE));
            return count;
        }
        lookup_drop(guest, stream);
    }
    return 10000;
}

TEST(dropped_lookups_finish_unseen)
{
    struct guest guest;
    lookup *stream;
    guest_init(&guest, &wasi_network_all);
    CHECK_INT(exhaust(&guest), LOOKUPS_PER_INSTANCE_MAX);
    while (loop_turn(guest.fake.loop, true))
        ;
    CHECK_INT(look_up(&guest, STR("localhost"), &stream), OK);
    wait_for(&guest, stream);
    lookup_drop(&guest, stream);
    guest_done(&guest);
}

TEST(lookups_of_one_instance_do_not_stop_another)
{
    struct guest first, second;
    guest_init(&first, &wasi_network_all);
    guest_init(&second, &wasi_network_all);
    CHECK_INT(exhaust(&first), LOOKUPS_PER_INSTANCE_MAX);
    CHECK_INT(exhaust(&second), LOOKUPS_PER_INSTANCE_MAX);
    // The instance may go before its lookups end.
    guest_done(&first);
    guest_done(&second);
}

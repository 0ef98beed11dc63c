// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.3: calls that are cancelled, and ends of streams that go, at every step.
#include "wasi/p3_sockets.h"

#include <stddef.h>

#include "testing/test.h"
#include "wasi/p3_fake_test.h"

#define ERR(name) P3_SOCKETS_TYPES_ERROR_CODE_##name
typedef struct p3_sockets_types_tcp_socket tcp_socket;
typedef struct p3_sockets_types_udp_socket udp_socket;
typedef struct p3_sockets_types_ip_socket_address address;

static address loopback(uint16_t port)
{
    return (address){.tag = P3_SOCKETS_TYPES_IP_SOCKET_ADDRESS_IPV4,
                     .ipv4 = {.port = port, .address = {127, 0, 0, 1}}};
}

// ---- TCP ----------------------------------------------------------------------------------------

static tcp_socket *tcp_new(struct p3_fake *p3)
{
    struct p3_result_sockets_types_tcp_socket_sockets_types_error_code ret = {0};
    CHECK_INT(p3_sockets_types_tcp_socket_create(&p3->fake.call,
                                                 P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV4, &ret),
              0);
    CHECK(!ret.is_err);
    return ret.ok;
}

static void tcp_drop(struct p3_fake *p3, tcp_socket *tcp)
{
    CHECK_INT(p3_sockets_types_tcp_socket_drop(&p3->fake.call, tcp), 0);
}

// Takes what a listener offers.
struct acceptor {
    struct stream *stream;
    tcp_socket *accepted[4];
    uint32_t count;
    bool has_some, is_paused;
};

static int accept_offered(struct stream *stream, void *data)
{
    struct acceptor *acceptor = data;
    uint32_t count = 0;
    if (acceptor->is_paused)
        return 0;
    CHECK_INT(stream_take(stream, &p3_codec_sockets_types_tcp_socket,
                          &acceptor->accepted[acceptor->count], 1, &count),
              0);
    acceptor->count += count;
    acceptor->has_some = true;
    return 0;
}

static void listen_on(struct p3_fake *p3, struct acceptor *acceptor, address *at)
{
    static const struct stream_host_ops acceptor_ops = {.offered = accept_offered};
    struct p3_result_stream_sockets_types_tcp_socket_sockets_types_error_code listening = {0};
    struct p3_result_sockets_types_ip_socket_address_sockets_types_error_code local = {0};
    p3_sock_result bound = {0};
    tcp_socket *tcp = tcp_new(p3);
    *at = loopback(0);
    CHECK_INT(p3_sockets_types_tcp_socket_bind(&p3->fake.call, tcp, at, &bound), 0);
    CHECK(!bound.is_err);
    CHECK_INT(p3_sockets_types_tcp_socket_set_listen_backlog_size(&p3->fake.call, tcp, 1, &bound),
              0);
    CHECK_INT(p3_sockets_types_tcp_socket_listen(&p3->fake.call, tcp, &listening), 0);
    CHECK(!listening.is_err);
    CHECK_INT(p3_sockets_types_tcp_socket_get_local_address(&p3->fake.call, tcp, &local), 0);
    *at = local.ok;
    acceptor->stream = listening.ok;
    CHECK_INT(stream_read_by(listening.ok, &acceptor_ops, acceptor), 0);
    tcp_drop(p3, tcp); // the stream goes on
}

// The error of a connection attempt, or -1.
static int connect_to(struct p3_fake *p3, tcp_socket *tcp, const address *to)
{
    struct p3_job job;
    p3_sock_result ret = {0};
    p3_job_init(p3, &job);
    int rc = p3_sockets_types_tcp_socket_connect(&p3->fake.call, &job.job, tcp, to, &ret);
    if (!p3_job_begun(p3, &job, rc))
        p3_job_wait(p3, &job);
    p3_job_done(&job);
    return ret.is_err ? (int)ret.err.tag : -1;
}

struct tcp_pair {
    tcp_socket *client, *server;
};

static void pair_make(struct p3_fake *p3, struct tcp_pair *pair)
{
    struct acceptor acceptor = {0};
    address at;
    listen_on(p3, &acceptor, &at);
    pair->client = tcp_new(p3);
    CHECK_INT(connect_to(p3, pair->client, &at), -1);
    p3_turn_until(p3, &acceptor.has_some);
    pair->server = acceptor.accepted[0];
    stream_close_reader(acceptor.stream);
}

static void pair_drop(struct p3_fake *p3, struct tcp_pair *pair)
{
    tcp_drop(p3, pair->client);
    tcp_drop(p3, pair->server);
}

static void await(struct p3_outcome *outcome, struct stream *future)
{
    p3_outcome_await(outcome, future, &p3_codec_result_void_sockets_types_error_code,
                     offsetof(p3_sock_result, err.tag));
}

static void send_begin(struct p3_fake *p3, tcp_socket *tcp, struct p3_writer *writer,
                       struct p3_outcome *outcome)
{
    struct stream *future, *data = p3_writer_begin(p3, writer);
    CHECK_INT(p3_sockets_types_tcp_socket_send(&p3->fake.call, tcp, data, &future), 0);
    await(outcome, future);
}

static void receive_begin(struct p3_fake *p3, tcp_socket *tcp, struct p3_reader *reader,
                          struct p3_outcome *outcome)
{
    struct p3_tuple_stream_u8_future_result_void_sockets_types_error_code ret;
    CHECK_INT(p3_sockets_types_tcp_socket_receive(&p3->fake.call, tcp, &ret), 0);
    await(outcome, ret.f1);
    p3_reader_begin(reader, ret.f0);
}

TEST(bytes_go_through_a_connection)
{
    struct p3_fake p3;
    struct tcp_pair pair;
    struct p3_writer writer;
    struct p3_reader reader = {0}, none = {0};
    struct p3_outcome sent, received, refused;
    p3_fake_init(&p3);
    pair_make(&p3, &pair);
    send_begin(&p3, pair.client, &writer, &sent);
    receive_begin(&p3, pair.server, &reader, &received);
    receive_begin(&p3, pair.server, &none, &refused); // only once
    CHECK(refused.is_there && refused.tag == ERR(INVALID_STATE) && none.has_ended);
    p3_reader_done(&none);
    pair_drop(&p3, &pair); // streams go on
    p3_writer_put(&writer, STR("hello"));
    p3_turn_until(&p3, &writer.has_written);
    p3_writer_drop(&writer);
    p3_turn_until(&p3, &sent.is_there);
    p3_turn_until(&p3, &received.is_there);
    CHECK(!sent.is_err && !received.is_err);
    CHECK_STR(buf_str(&reader.data), "hello");
    p3_reader_done(&reader);
    p3_fake_done(&p3);
}

TEST(a_full_connection_makes_its_writer_wait)
{
    static char blob[8 << 20];
    struct p3_fake p3;
    struct tcp_pair pair;
    struct p3_writer writer;
    struct p3_reader reader = {0};
    struct p3_outcome sent, received;
    p3_fake_init(&p3);
    pair_make(&p3, &pair);
    send_begin(&p3, pair.client, &writer, &sent);
    p3_writer_put(&writer, str_of(blob, sizeof(blob)));
    p3_turn(&p3);
    CHECK(!writer.has_written && !sent.is_there);
    receive_begin(&p3, pair.server, &reader, &received);
    p3_turn_until(&p3, &writer.has_written);
    p3_writer_drop(&writer); // with bytes under way
    p3_turn_until(&p3, &sent.is_there);
    p3_turn_until(&p3, &received.is_there);
    CHECK(!sent.is_err && !received.is_err);
    CHECK_INT(reader.data.len, sizeof(blob));
    p3_reader_done(&reader);
    // Both ends go while a writer waits.
    pair_drop(&p3, &pair);
    pair_make(&p3, &pair);
    send_begin(&p3, pair.client, &writer, &sent);
    p3_writer_put(&writer, str_of(blob, sizeof(blob)));
    p3_turn(&p3);
    tcp_drop(&p3, pair.server); // resets: there is unread data
    p3_turn_until(&p3, &sent.is_there);
    CHECK(sent.is_err && writer.is_dropped);
    tcp_drop(&p3, pair.client);
    p3_fake_done(&p3);
}

TEST(either_end_of_a_connection_may_go_at_any_time)
{
    for (int step = 0; step < 6; step++) {
        struct p3_fake p3;
        struct tcp_pair pair;
        struct p3_writer writer;
        struct p3_reader reader = {.is_paused = step == 2};
        struct p3_outcome sent, received;
        p3_fake_init(&p3);
        pair_make(&p3, &pair);
        send_begin(&p3, pair.client, &writer, &sent);
        receive_begin(&p3, pair.server, &reader, &received);
        if (step >= 1) {
            p3_writer_put(&writer, STR("some"));
            p3_turn_until(&p3, &reader.has_some);
        }
        switch (step) {
        case 0: // nothing was sent
        case 1:
        case 2: // what came was not taken
            p3_reader_drop(&reader);
            p3_turn_until(&p3, &received.is_there);
            CHECK(received.has_value && !received.is_err);
            break;
        case 3: // the peer's socket and streams
            p3_writer_drop(&writer);
            p3_turn_until(&p3, &received.is_there);
            CHECK(!received.is_err && reader.has_ended);
            break;
        case 4: // sockets first
            pair_drop(&p3, &pair);
            break;
        case 5: // the store, with all that goes on
            break;
        }
        if (step != 4)
            pair_drop(&p3, &pair);
        if (step < 3)
            p3_writer_drop(&writer);
        if (step == 3)
            p3_turn_until(&p3, &sent.is_there);
        p3_fake_done(&p3);
        buf_done(&reader.data);
    }
}

// A connection attempt that waits: the listener's queue is full.
static int attempt(struct p3_fake *p3, struct p3_job *job, tcp_socket *tcp, const address *to,
                   p3_sock_result *ret)
{
    *ret = (p3_sock_result){0};
    p3_job_init(p3, job);
    return p3_sockets_types_tcp_socket_connect(&p3->fake.call, &job->job, tcp, to, ret);
}

TEST(attempts_to_connect_end_early)
{
    struct p3_fake p3;
    struct acceptor acceptor = {.is_paused = true};
    tcp_socket *others[8];
    struct p3_job jobs[8];
    p3_sock_result ret[8];
    address at;
    size_t count = 0, waiting = 0;
    p3_fake_init(&p3);
    listen_on(&p3, &acceptor, &at);
    for (; count < ARRAY_LEN(others) && waiting < 3; count++) {
        others[count] = tcp_new(&p3);
        int rc = attempt(&p3, &jobs[count], others[count], &at, &ret[count]);
        if (!p3_job_begun(&p3, &jobs[count], rc))
            waiting++;
    }
    CHECK_INT(waiting, 3);
    size_t first = count - 3;
    p3_job_cancel(&jobs[first]);
    CHECK_INT(connect_to(&p3, others[first], &at), ERR(INVALID_STATE)); // it is closed now
    p3_job_drop(&jobs[first + 1]);
    stream_close_reader(acceptor.stream);
    p3_job_wait(&p3, &jobs[first + 2]);
    CHECK(ret[first + 2].is_err);
    for (size_t i = 0; i < count; i++) {
        p3_job_done(&jobs[i]);
        tcp_drop(&p3, others[i]);
    }
    p3_fake_done(&p3);
}

TEST(attempts_to_connect_are_refused)
{
    struct p3_fake p3;
    struct acceptor acceptor = {0};
    address at;
    p3_fake_init(&p3);
    listen_on(&p3, &acceptor, &at);
    stream_close_reader(acceptor.stream);
    tcp_socket *tcp = tcp_new(&p3);
    CHECK_INT(connect_to(&p3, tcp, &at), ERR(CONNECTION_REFUSED));
    CHECK_INT(connect_to(&p3, tcp, &at), ERR(INVALID_STATE));
    tcp_drop(&p3, tcp);
    p3.network = (struct wasi_network){0};
    tcp = tcp_new(&p3);
    CHECK_INT(connect_to(&p3, tcp, &at), ERR(ACCESS_DENIED));
    tcp_drop(&p3, tcp);
    p3_fake_done(&p3);
}

// ---- UDP ----------------------------------------------------------------------------------------

typedef struct p3_result_tuple_bytes_sockets_types_ip_socket_address_sockets_types_error_code
    receive_result;

static udp_socket *udp_new(struct p3_fake *p3, address *at)
{
    struct p3_result_sockets_types_udp_socket_sockets_types_error_code ret = {0};
    struct p3_result_sockets_types_ip_socket_address_sockets_types_error_code local = {0};
    p3_sock_result bound = {0};
    CHECK_INT(p3_sockets_types_udp_socket_create(&p3->fake.call,
                                                 P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV4, &ret),
              0);
    *at = loopback(0);
    CHECK_INT(p3_sockets_types_udp_socket_bind(&p3->fake.call, ret.ok, at, &bound), 0);
    CHECK_INT(p3_sockets_types_udp_socket_get_local_address(&p3->fake.call, ret.ok, &local), 0);
    *at = local.ok;
    return ret.ok;
}

static int udp_send(struct p3_fake *p3, udp_socket *udp, struct str data, const address *to)
{
    struct p3_job job;
    p3_sock_result ret = {0};
    struct p3_option_sockets_types_ip_socket_address where = {.is_some = to != NULL};
    if (to)
        where.some = *to;
    p3_job_init(p3, &job);
    int rc = p3_sockets_types_udp_socket_send(&p3->fake.call, &job.job, udp, data, where, &ret);
    if (!p3_job_begun(p3, &job, rc))
        p3_job_wait(p3, &job);
    p3_job_done(&job);
    return ret.is_err ? (int)ret.err.tag : -1;
}

static bool udp_receive(struct p3_fake *p3, udp_socket *udp, struct p3_job *job,
                        receive_result *ret)
{
    *ret = (receive_result){0};
    p3_job_init(p3, job);
    return p3_job_begun(p3, job,
                        p3_sockets_types_udp_socket_receive(&p3->fake.call, &job->job, udp, ret));
}

TEST(datagrams_are_waited_for_and_given_up)
{
    struct p3_fake p3;
    address at_a, at_b;
    struct p3_job jobs[3];
    receive_result ret[3];
    p3_fake_init(&p3);
    udp_socket *a = udp_new(&p3, &at_a), *b = udp_new(&p3, &at_b);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        CHECK(!udp_receive(&p3, b, &jobs[i], &ret[i]));
    p3_job_cancel(&jobs[0]);
    p3_job_drop(&jobs[1]);
    CHECK_INT(udp_send(&p3, a, STR("one"), &at_b), -1);
    p3_job_wait(&p3, &jobs[2]);
    CHECK(!ret[2].is_err);
    CHECK_STR(ret[2].ok.f0, "one");
    CHECK_INT(ret[2].ok.f1.ipv4.port, at_a.ipv4.port);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        p3_job_done(&jobs[i]);
    CHECK_INT(udp_send(&p3, a, STR("two"), &at_b), -1);
    CHECK(udp_receive(&p3, b, &jobs[0], &ret[0]) || (p3_job_wait(&p3, &jobs[0]), true));
    CHECK_STR(ret[0].ok.f0, "two");
    p3_job_done(&jobs[0]);
    CHECK_INT(udp_send(&p3, a, STR("three"), NULL), ERR(INVALID_ARGUMENT));
    CHECK_INT(p3_sockets_types_udp_socket_drop(&p3.fake.call, a), 0);
    CHECK_INT(p3_sockets_types_udp_socket_drop(&p3.fake.call, b), 0);
    p3_fake_done(&p3);
}

TEST(connected_datagram_sockets_hear_that_nobody_is_there)
{
    struct p3_fake p3;
    address at_a, at_b;
    struct p3_job job;
    receive_result ret;
    p3_sock_result connected = {0};
    p3_fake_init(&p3);
    udp_socket *a = udp_new(&p3, &at_a), *b = udp_new(&p3, &at_b);
    CHECK_INT(p3_sockets_types_udp_socket_connect(&p3.fake.call, a, &at_b, &connected), 0);
    CHECK(!connected.is_err);
    CHECK_INT(p3_sockets_types_udp_socket_drop(&p3.fake.call, b), 0);
    bool is_done = udp_receive(&p3, a, &job, &ret);
    CHECK(!is_done);
    CHECK_INT(udp_send(&p3, a, STR("anybody?"), NULL), -1);
    p3_job_wait(&p3, &job);
    CHECK(ret.is_err && ret.err.tag == ERR(CONNECTION_REFUSED));
    p3_job_done(&job);
    CHECK_INT(p3_sockets_types_udp_socket_drop(&p3.fake.call, a), 0);
    p3_fake_done(&p3);
}

// ---- names --------------------------------------------------------------------------------------

typedef struct p3_result_list_sockets_types_ip_address_sockets_ip_name_lookup_error_code
    lookup_result;

static bool look_up(struct p3_fake *p3, const char *name, struct p3_job *job, lookup_result *ret)
{
    *ret = (lookup_result){0};
    p3_job_init(p3, job);
    return p3_job_begun(p3, job,
                        p3_sockets_ip_name_lookup_resolve_addresses(&p3->fake.call, &job->job,
                                                                    str_from(name), ret));
}

TEST(lookups_answer_or_are_given_up)
{
    struct p3_fake p3;
    struct p3_job job;
    lookup_result ret;
    p3_fake_init(&p3);
    CHECK(look_up(&p3, "127.0.0.1", &job, &ret)); // needs no look-up
    CHECK(!ret.is_err && ret.ok.len == 1);
    p3_job_done(&job);
    CHECK(look_up(&p3, "not a name", &job, &ret));
    CHECK(ret.is_err && ret.err.tag == P3_SOCKETS_IP_NAME_LOOKUP_ERROR_CODE_INVALID_ARGUMENT);
    p3_job_done(&job);
    if (!look_up(&p3, "localhost", &job, &ret))
        p3_job_wait(&p3, &job);
    CHECK(!ret.is_err && ret.ok.len > 0);
    p3_job_done(&job);
    if (!look_up(&p3, "localhost", &job, &ret))
        p3_job_cancel(&job);
    p3_job_done(&job);
    if (!look_up(&p3, "localhost", &job, &ret))
        p3_job_drop(&job);
    p3_job_done(&job);
    p3_fake_done(&p3);
}

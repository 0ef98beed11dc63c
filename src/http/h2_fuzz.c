// SPDX-License-Identifier: Apache-2.0
// Bytes into an HTTP/2 connection of a server, with a handler that does what the input says. The
// input is a list of steps, a byte each: send the N bytes that follow its operand, let time pass,
// do something with an exchange, drain. Whatever comes, all exchanges and connections end.
#include <assert.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "http/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIVE_MAX        64
#define WRITE_BYTES_MAX 20000

static struct loop *loop;
static struct http_server *server;
static struct http_exchange *live[LIVE_MAX];
static size_t live_count;

static void ignore(void *user)
{
}

static void on_closed(void *user)
{
    for (size_t i = 0; i < live_count; i++) {
        if (live[i] == user) {
            live[i] = live[--live_count];
            return;
        }
    }
    abort(); // closed comes once
}

static void check_request(const struct http_request *request)
{
    assert(http_name_valid(request->method) && http_authority_valid(request->authority));
    assert(request->target.len > 0 && request->version_major == 2);
    for (size_t i = 0; i < request->field_count; i++) {
        assert(http_name_valid(request->fields[i].name));
        assert(http_value_valid(request->fields[i].value));
        assert(!http_name_is_hop_by_hop(request->fields[i].name) ||
               str_is(request->fields[i].name, "te"));
    }
}

static void on_request(struct http_exchange *exchange, void *user)
{
    static const struct http_exchange_events events = {ignore, ignore, on_closed};
    assert(live_count < LIVE_MAX);
    check_request(http_exchange_request(exchange));
    http_exchange_set_events(exchange, &events, exchange);
    live[live_count++] = exchange;
}

static void set_up(void)
{
    ERROR(err);
    struct http_server_options options = {.address = "127.0.0.1:0",
                                          .on_request = on_request,
                                          .h2_streams_max = LIVE_MAX / 2,
                                          .fields_max = 16,
                                          .output_bytes_max = WRITE_BYTES_MAX,
                                          .body_bytes_max = 4096};
    if (loop_new_virtual(&loop, &err) < 0 || http_server_new(loop, &options, &server, &err) < 0) {
        fprintf(stderr, "%s\n", error_text(&err));
        abort();
    }
}

static void turn(void)
{
    for (int i = 0; i < 3; i++)
        loop_turn(loop, false);
}

static void send_bytes(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            return;
        data += sent;
        len -= (size_t)sent;
    }
}

static void receive_all(int fd)
{
    char scratch[65536];
    while (recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT) > 0)
        ;
}

static void read_body(struct http_exchange *exchange)
{
    struct str part;
    ssize_t len = http_exchange_read(exchange, &part);
    if (len > 0)
        http_exchange_consume(exchange, (size_t)len - (size_t)len / 3);
}

static void act(uint8_t what)
{
    static const struct http_field field = {STR_INIT("x-Field"), STR_INIT("value")};
    static char block[WRITE_BYTES_MAX];
    if (live_count == 0)
        return;
    struct http_exchange *exchange = live[what / 16 % live_count];
    size_t count;
    switch (what % 16) {
    case 0:
        http_exchange_abort(exchange, 500);
        break;
    case 1:
        (void)!http_exchange_finish(exchange, &field, 1);
        break;
    case 2:
        (void)!http_exchange_finish(exchange, NULL, 0);
        break;
    case 3:
        (void)http_exchange_inform(exchange, 103, &field, 1);
        break;
    case 4:
        (void)!http_exchange_respond(exchange, 200, &field, 1, -1);
        break;
    case 5:
        (void)!http_exchange_respond(exchange, 200, &field, 1, 100);
        break;
    case 6:
        (void)!http_exchange_respond(exchange, 204, NULL, 0, -1);
        break;
    case 7:
        (void)!http_exchange_write(exchange, str_of(block, sizeof(block)));
        break;
    case 8:
        (void)!http_exchange_write(exchange, str_of(block, 100));
        break;
    case 9:
        (void)http_exchange_write_budget(exchange);
        break;
    case 10:
        (void)http_exchange_trailers(exchange, &count);
        break;
    default:
        read_body(exchange);
        break;
    }
}

static void run_steps(int fd, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 2 <= size;) {
        uint8_t step = data[at], operand = data[at + 1];
        at += 2;
        if (step < 0xc0) {
            size_t len = MIN((size_t)operand, size - at);
            send_bytes(fd, data + at, len);
            at += len;
            turn();
        } else if (step < 0xf0) {
            act(operand);
        } else if (step < 0xf8) {
            turn();
            receive_all(fd);
        } else if (step < 0xfe) {
            loop_advance(loop, operand * 1000 * NS_PER_MS / 4);
            turn();
        } else if (server->connections) {
            connection_close_idle(server->connections);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t opening[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static const struct net_endpoint nobody;
    int fds[2];
    if (!loop)
        set_up();
    if (size > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return 0;
    assert(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    // So that it is full soon.
    static const int bytes = 4096;
    assert(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0);
    connection_open(server, fds[0], &nobody);
    send_bytes(fds[1], opening, sizeof(opening));
    turn();
    run_steps(fds[1], data, size);
    turn();
    close(fds[1]);
    for (int i = 0; i < 10 && server->connections; i++) {
        turn();
        loop_advance(loop, 60000 * NS_PER_MS);
    }
    assert(!server->connections && live_count == 0);
    assert(server->counts.exchanges == 0 && server->counts.connections == 0);
    return 0;
}

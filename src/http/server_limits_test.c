// SPDX-License-Identifier: Apache-2.0
// Who gets a connection, and for how long, over loopback sockets on a virtual clock.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "http/server.h"
#include "net/address.h"
#include "testing/test.h"

#define MS 1000000ull

struct fixture {
    struct loop *loop;
    struct http_server *server;
};

static ssize_t body_result;
static int refusals;

static void on_readable(void *user)
{
    struct http_exchange *exchange = user;
    struct str part;
    while ((body_result = http_exchange_read(exchange, &part)) > 0)
        http_exchange_consume(exchange, part.len);
    if (body_result == -EAGAIN)
        return;
    if (body_result < 0) {
        http_exchange_abort(exchange, 408);
        return;
    }
    CHECK_INT(http_exchange_respond(exchange, 200, NULL, 0, 2), 0);
    CHECK_INT(http_exchange_write(exchange, STR("ok")), 0);
    CHECK_INT(http_exchange_finish(exchange, NULL, 0), 0);
}

static void on_request(struct http_exchange *exchange, void *user)
{
    static const struct http_exchange_events events = {on_readable, NULL, NULL};
    http_exchange_set_events(exchange, &events, exchange);
    on_readable(exchange);
}

static void on_refused(const char *reason, void *user)
{
    CHECK(reason[0]);
    refusals++;
}

static struct fixture open_server(struct http_server_options options)
{
    struct fixture f = {0};
    ERROR(err);
    options.address = "127.0.0.1:0";
    options.on_request = on_request;
    options.on_connection_refused = on_refused;
    refusals = 0;
    CHECK_INT(loop_new_virtual(&f.loop, &err), 0);
    CHECK_INT(http_server_new(f.loop, &options, &f.server, &err), 0);
    return f;
}

static void close_server(struct fixture *f)
{
    http_server_free(f->server);
    loop_free(f->loop);
}

static void turn(const struct fixture *f)
{
    for (int i = 0; i < 6; i++)
        loop_turn(f->loop, false);
}

static void advance(const struct fixture *f, uint64_t ms)
{
    turn(f);
    for (uint64_t at = 0; at < ms; at += 100) {
        loop_advance(f->loop, 100 * MS);
        turn(f);
    }
}

static int connect_from(const struct fixture *f, const char *source)
{
    struct net_address address, from;
    ERROR(err);
    CHECK_INT(net_address_parse(str_from(http_server_address(f->server)), &address, &err), 0);
    CHECK_INT(net_address_parse(str_from(source), &from, &err), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&from.storage, from.len), 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address.storage, address.len), 0);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    turn(f);
    return fd;
}

static int connect_to(const struct fixture *f)
{
    return connect_from(f, "127.0.0.1:0");
}

static void send_text(const struct fixture *f, int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    turn(f);
}

static char answer[4096];

// -1: nothing yet; 0: closed.
static ssize_t receive(const struct fixture *f, int fd)
{
    turn(f);
    ssize_t len = recv(fd, answer, sizeof(answer) - 1, 0);
    if (len < 0 && errno == ECONNRESET)
        len = 0;
    answer[MAX(len, 0)] = 0;
    return len;
}

static const char *ask(const struct fixture *f, int fd)
{
    send_text(f, fd, "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    (void)receive(f, fd);
    return answer;
}

TEST(connections_of_one_client_are_limited)
{
    struct http_clients *clients = http_clients_new(2);
    struct fixture f = open_server((struct http_server_options){.clients = clients});
    int first = connect_to(&f), second = connect_to(&f), third = connect_to(&f);
    CHECK_INT(receive(&f, third), 0);
    CHECK_INT(refusals, 1);
    CHECK_INT(http_server_counts(f.server).refused_connections, 1);
    int other = connect_from(&f, "127.0.0.2:0");
    CHECK_CONTAINS(ask(&f, other), "200 OK");
    CHECK_CONTAINS(ask(&f, first), "200 OK");
    close(second);
    turn(&f);
    int fourth = connect_to(&f);
    CHECK_CONTAINS(ask(&f, fourth), "200 OK");
    close(first), close(third), close(fourth), close(other);
    close_server(&f);
    http_clients_unref(clients);
}

static const char proxy_header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\7\x7f\0\0\1\0\1\0\2";

TEST(behind_a_proxy_the_client_counts)
{
    struct http_clients *clients = http_clients_new(1);
    struct fixture f =
        open_server((struct http_server_options){.clients = clients, .proxy_protocol = true});
    char header[sizeof(proxy_header) - 1];
    memcpy(header, proxy_header, sizeof(header));
    int fds[3];
    for (int i = 0; i < 3; i++) {
        header[19] = (char)(7 + (i == 2)); // the last byte of the client's address
        fds[i] = connect_to(&f);
        CHECK_INT(send(fds[i], header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
        turn(&f);
    }
    CHECK_CONTAINS(ask(&f, fds[0]), "200 OK");
    CHECK_INT(receive(&f, fds[1]), 0);
    CHECK_CONTAINS(ask(&f, fds[2]), "200 OK");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close_server(&f);
    http_clients_unref(clients);
}

TEST(clients_of_ipv6_are_networks)
{
    struct http_clients *clients = http_clients_new(1);
    struct net_endpoint a = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 5}};
    struct net_endpoint same = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 6}};
    struct net_endpoint other = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 5}};
    struct net_endpoint unknown = {0};
    CHECK(http_clients_take(clients, &a));
    CHECK(!http_clients_take(clients, &same));
    CHECK(http_clients_take(clients, &other));
    CHECK(http_clients_take(clients, &unknown) && http_clients_take(clients, &unknown));
    http_clients_give(clients, &a);
    CHECK(http_clients_take(clients, &same));
    http_clients_give(clients, &same);
    http_clients_give(clients, &other);
    http_clients_unref(clients);
}

TEST(a_connection_serves_so_many_requests)
{
    struct fixture f = open_server((struct http_server_options){.requests_per_connection_max = 2});
    int fd = connect_to(&f);
    CHECK(!strstr(ask(&f, fd), "connection: close"));
    CHECK_CONTAINS(ask(&f, fd), "connection: close");
    CHECK_INT(receive(&f, fd), 0);
    close(fd);
    close_server(&f);
}

TEST(idle_connections_make_room)
{
    struct fixture f = open_server((struct http_server_options){.connections_max = 2});
    int first = connect_to(&f);
    CHECK_CONTAINS(ask(&f, first), "200 OK");
    advance(&f, HTTP_SERVER_IDLE_SPARED_MS + 500);
    int second = connect_to(&f);
    CHECK_CONTAINS(ask(&f, second), "200 OK");
    int third = connect_to(&f);
    CHECK_CONTAINS(ask(&f, third), "200 OK");
    CHECK_INT(receive(&f, first), 0);
    CHECK_INT(http_server_counts(f.server).idle_closed_early, 1);
    // Those that just did something stay.
    int fourth = connect_to(&f);
    CHECK_TEXT(ask(&f, fourth), "");
    CHECK_CONTAINS(ask(&f, second), "200 OK");
    close(second);
    advance(&f, 500);
    CHECK(receive(&f, fourth) > 0);
    close(first), close(third), close(fourth);
    close_server(&f);
}

// From now on the process gets no descriptor.
static struct rlimit exhaust(int highest)
{
    struct rlimit before, now;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)highest + 1;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static int highest_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd - 1;
}

TEST(without_descriptors_connections_wait)
{
    struct fixture f = open_server((struct http_server_options){0});
    int first = connect_to(&f);
    CHECK_CONTAINS(ask(&f, first), "200 OK");
    int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct net_address address;
    ERROR(err);
    CHECK_INT(net_address_parse(str_from(http_server_address(f.server)), &address, &err), 0);
    struct rlimit before = exhaust(highest_descriptor());
    CHECK_INT(connect(second, (struct sockaddr *)&address.storage, address.len), 0);
    CHECK_INT(fcntl(second, F_SETFL, O_NONBLOCK), 0);
    CHECK_TEXT(ask(&f, second), "");
    CHECK_INT(http_server_counts(f.server).descriptor_shortages, 1);
    CHECK_CONTAINS(ask(&f, first), "200 OK");
    // It has been idle for long enough to make room then.
    advance(&f, HTTP_SERVER_IDLE_SPARED_MS + 1000);
    CHECK(receive(&f, second) > 0);
    CHECK_CONTAINS(answer, "200 OK");
    CHECK_INT(receive(&f, first), 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(first), close(second);
    close_server(&f);
}

TEST(without_descriptors_and_connections_somebody_answers)
{
    struct fixture f = open_server((struct http_server_options){0});
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct net_address address;
    ERROR(err);
    CHECK_INT(net_address_parse(str_from(http_server_address(f.server)), &address, &err), 0);
    struct rlimit before = exhaust(highest_descriptor());
    CHECK_INT(connect(fd, (struct sockaddr *)&address.storage, address.len), 0);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_CONTAINS(ask(&f, fd), "HTTP/1.1 503 ");
    CHECK_INT(http_server_counts(f.server).refused_connections, 1);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(fd);
    advance(&f, 1000);
    fd = connect_to(&f);
    CHECK_CONTAINS(ask(&f, fd), "200 OK");
    close(fd);
    close_server(&f);
}

TEST(a_body_that_drips_ends)
{
    struct fixture f = open_server((struct http_server_options){.body_timeout_ms = 5000});
    int fd = connect_to(&f);
    send_text(&f, fd, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n");
    int seconds = 0;
    while (body_result == -EAGAIN && seconds < 60) {
        advance(&f, 1000);
        send_text(&f, fd, "x");
        seconds++;
    }
    CHECK_INT(body_result, -ETIMEDOUT);
    CHECK(seconds >= 5 && seconds <= 7);
    CHECK(receive(&f, fd) > 0);
    CHECK_CONTAINS(answer, "HTTP/1.1 408 ");
    close(fd);
    close_server(&f);
}

TEST(a_slow_body_that_is_fast_enough_does_not)
{
    struct fixture f = open_server((struct http_server_options){.body_timeout_ms = 2000});
    char piece[301];
    memset(piece, 'x', 300);
    piece[300] = 0;
    int fd = connect_to(&f);
    send_text(&f, fd, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 6000\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        advance(&f, 1000);
        send_text(&f, fd, piece);
    }
    CHECK(receive(&f, fd) > 0);
    CHECK_CONTAINS(answer, "200 OK");
    close(fd);
    close_server(&f);
}

static const char *log_text(const char *path)
{
    for (int i = 0; i < 200; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd < 0 ? 0 : read(fd, answer, sizeof(answer) - 1);
        if (fd >= 0)
            close(fd);
        answer[MAX(len, 0)] = 0;
        if (len > 0)
            return answer;
        usleep(20000);
    }
    return "";
}

TEST(refused_requests_are_logged)
{
    static const struct {
        const char *request, *line;
    } cases[] = {
        {"GET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1|400\n"},
        {"G@T / HTTP/1.1\r\nhost: h\r\n\r\n", "-|400\n"},
        {"GET /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
         "GET /b HTTP/1.1|501\n"},
        {"CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\n\r\n", "CONNECT h:1 HTTP/1.1|501\n"},
        {"GET /c HTTP/1.9\r\nhost: h\r\n\r\n", "GET /c "},
        {"POST /d HTTP/1.1\r\nhost: h\r\ncontent-length: 99\r\n\r\n", "POST /d HTTP/1.1|413\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[] = "/tmp/wash-refused-XXXXXX";
        struct http_access_log *log;
        ERROR(err);
        close(mkstemp(path));
        CHECK_INT(http_access_log_open(path, STR("%r|%s"), &log, &err), 0);
        struct fixture f =
            open_server((struct http_server_options){.access_log = log, .body_bytes_max = 50});
        int fd = connect_to(&f);
        send_text(&f, fd, cases[i].request);
        CHECK_CONTAINS(log_text(path), cases[i].line);
        close(fd);
        close_server(&f);
        http_access_log_close(log);
        unlink(path);
    }
}

TEST(late_heads_are_logged)
{
    char path[] = "/tmp/wash-refused-XXXXXX";
    struct http_access_log *log;
    ERROR(err);
    close(mkstemp(path));
    CHECK_INT(http_access_log_open(path, STR("json"), &log, &err), 0);
    struct fixture f = open_server((struct http_server_options){.access_log = log});
    int fd = connect_to(&f);
    send_text(&f, fd, "GET /late HTTP/1.1\r\nuser-agent: slow\r\nho");
    advance(&f, HTTP_SERVER_HEAD_TIMEOUT_MS + 1000);
    const char *text = log_text(path);
    CHECK_CONTAINS(text, "\"target\":\"/late\",\"status\":408");
    CHECK_CONTAINS(text, "\"user_agent\":\"slow\"");
    close(fd);
    close_server(&f);
    http_access_log_close(log);
    unlink(path);
}

// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/tcp 0.2: the streams of a connection. Input goes from the kernel to where it is
// wanted; output to the kernel, and what the kernel does not take waits in the socket, which grants
// no further budget meanwhile.
#include <errno.h>

#include "wasi/p2_sockets.h"

typedef struct p2_io_streams_input_stream input_stream;
typedef struct p2_io_streams_output_stream output_stream;
typedef struct p2_io_error_error io_error;

// ---- input --------------------------------------------------------------------------------------

struct tcp_input {
    input_stream base;
    struct p2_sockets_tcp_tcp_socket *tcp;
    struct sock_watch watch;
    char *peeked; // WASI_STREAM_READ_BYTES, made by the first peek()
    size_t start, end;
};

static ssize_t receive(struct p2_sockets_tcp_tcp_socket *tcp, char *data, size_t max,
                       io_error **failure)
{
    ssize_t got;
    do
        got = recv(tcp->sock.fd, data, max, 0);
    while (got < 0 && errno == EINTR);
    if (got >= 0 || errno == EAGAIN)
        return got < 0 ? -EAGAIN : got;
    *failure = io_error_new(-errno, "receive from the TCP connection: %s", strerror(errno));
    return -EIO;
}

static ssize_t input_peek(input_stream *stream, size_t max, struct str *out, io_error **failure)
{
    struct tcp_input *input = container_of(stream, struct tcp_input, base);
    if (input->tcp->receive_shut)
        return 0;
    if (input->start == input->end) {
        if (!input->peeked)
            input->peeked = mem_alloc(WASI_STREAM_READ_BYTES);
        ssize_t got = receive(input->tcp, input->peeked, WASI_STREAM_READ_BYTES, failure);
        if (got <= 0)
            return got;
        input->start = 0;
        input->end = (size_t)got;
    }
    *out = str_of(input->peeked + input->start, MIN(max, input->end - input->start));
    return (ssize_t)out->len;
}

static void input_consume(input_stream *stream, size_t len)
{
    container_of(stream, struct tcp_input, base)->start += len;
}

static ssize_t input_read(input_stream *stream, char *data, size_t max, io_error **failure)
{
    struct tcp_input *input = container_of(stream, struct tcp_input, base);
    if (input->tcp->receive_shut)
        return 0;
    if (input->start == input->end)
        return receive(input->tcp, data, max, failure);
    size_t len = MIN(max, input->end - input->start);
    memcpy(data, input->peeked + input->start, len);
    input->start += len;
    return (ssize_t)len;
}

static bool input_ready(input_stream *stream)
{
    struct tcp_input *input = container_of(stream, struct tcp_input, base);
    return input->tcp->receive_shut || input->start < input->end ||
           sock_is_ready(&input->tcp->sock, LOOP_READABLE);
}

static void on_readable(struct sock_watch *watch)
{
    wasi_event_wake(&container_of(watch, struct tcp_input, watch)->base.event);
}

static void input_watch(input_stream *stream)
{
    struct tcp_input *input = container_of(stream, struct tcp_input, base);
    sock_watch_start(&input->tcp->sock, &input->watch, LOOP_READABLE, on_readable);
}

static void input_unwatch(input_stream *stream)
{
    struct tcp_input *input = container_of(stream, struct tcp_input, base);
    sock_watch_stop(&input->tcp->sock, &input->watch);
}

static void input_drop(input_stream *stream)
{
    struct tcp_input *input = container_of(stream, struct tcp_input, base);
    input_unwatch(stream);
    input->tcp->input = NULL;
    sock_unref(&input->tcp->sock);
    free(input->peeked);
    free(input);
}

// ---- output -------------------------------------------------------------------------------------

struct tcp_output {
    output_stream base;
    struct p2_sockets_tcp_tcp_socket *tcp;
};

static bool has_pending(const struct p2_sockets_tcp_tcp_socket *tcp)
{
    return tcp->pending_start < tcp->pending_end;
}

// How much the kernel took; 0 when it is full, or an errno.
static ssize_t send_now(const struct p2_sockets_tcp_tcp_socket *tcp, struct str data)
{
    ssize_t put;
    do
        put = send(tcp->sock.fd, data.data, data.len, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put >= 0)
        return put;
    return errno == EAGAIN ? 0 : -errno;
}

static void send_failed(struct p2_sockets_tcp_tcp_socket *tcp, int rc)
{
    tcp->send_failure = rc;
    tcp->pending_start = tcp->pending_end = 0;
}

static void send_pending(struct p2_sockets_tcp_tcp_socket *tcp)
{
    while (has_pending(tcp)) {
        ssize_t put = send_now(
            tcp, str_of(tcp->pending + tcp->pending_start, tcp->pending_end - tcp->pending_start));
        if (put < 0)
            send_failed(tcp, (int)put);
        if (put <= 0)
            return;
        tcp->pending_start += (size_t)put;
    }
}

static int send_fin(const struct p2_sockets_tcp_tcp_socket *tcp)
{
    // The peer may have closed or reset the connection: nothing is left to shut down.
    return shutdown(tcp->sock.fd, SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}

static void on_writable(struct sock_watch *watch)
{
    struct p2_sockets_tcp_tcp_socket *tcp =
        container_of(watch, struct p2_sockets_tcp_tcp_socket, drain);
    send_pending(tcp);
    if (has_pending(tcp))
        return;
    sock_watch_stop(&tcp->sock, watch);
    if (tcp->send_shut)
        (void)!send_fin(tcp);
    if (tcp->output)
        wasi_event_wake(&tcp->output->base.event);
}

static int output_failure(const struct p2_sockets_tcp_tcp_socket *tcp, io_error **failure)
{
    if (tcp->send_shut || tcp->send_failure == -EPIPE)
        return -EPIPE;
    if (tcp->send_failure == 0)
        return 0;
    *failure = io_error_new(tcp->send_failure, "send to the TCP connection: %s",
                            strerror(-tcp->send_failure));
    return -EIO;
}

static ssize_t output_budget(output_stream *stream, io_error **failure)
{
    struct p2_sockets_tcp_tcp_socket *tcp = container_of(stream, struct tcp_output, base)->tcp;
    int rc = output_failure(tcp, failure);
    if (rc < 0)
        return rc;
    return has_pending(tcp) ? 0 : (ssize_t)TCP_PENDING_BYTES_MAX;
}

// One budget may be used up in several writes: what follows pending bytes waits behind them.
static int output_write(output_stream *stream, struct str data, io_error **failure)
{
    struct p2_sockets_tcp_tcp_socket *tcp = container_of(stream, struct tcp_output, base)->tcp;
    if (!has_pending(tcp) && !tcp->send_failure && !tcp->send_shut) {
        ssize_t put = send_now(tcp, data);
        if (put < 0)
            send_failed(tcp, (int)put);
        else
            data = str_from_index(data, (size_t)put);
        tcp->pending_start = tcp->pending_end = 0;
    }
    int rc = output_failure(tcp, failure);
    if (rc < 0 || data.len == 0)
        return rc;
    if (!tcp->pending)
        tcp->pending = mem_alloc(TCP_PENDING_BYTES_MAX);
    if (data.len > TCP_PENDING_BYTES_MAX - tcp->pending_end)
        return -ENOBUFS; // more than the budget
    memcpy(tcp->pending + tcp->pending_end, data.data, data.len);
    tcp->pending_end += data.len;
    sock_watch_start(&tcp->sock, &tcp->drain, LOOP_WRITABLE, on_writable);
    if (tcp->sock.is_broken) // nobody would tell when the kernel takes more
        send_failed(tcp, -ENOBUFS);
    return output_failure(tcp, failure);
}

static int output_flush(output_stream *stream, io_error **failure)
{
    return output_failure(container_of(stream, struct tcp_output, base)->tcp, failure);
}

static bool output_flushing(output_stream *stream)
{
    return has_pending(container_of(stream, struct tcp_output, base)->tcp);
}

static void output_drop(output_stream *stream)
{
    struct tcp_output *output = container_of(stream, struct tcp_output, base);
    output->tcp->output = NULL;
    sock_unref(&output->tcp->sock);
    free(output);
}

// ---- both ---------------------------------------------------------------------------------------

void tcp_streams_new(struct p2_sockets_tcp_tcp_socket *tcp, input_stream **input_out,
                     output_stream **output_out)
{
    static const struct input_stream_ops input_ops = {
        .peek = input_peek,
        .consume = input_consume,
        .read = input_read,
        .ready = input_ready,
        .watch = input_watch,
        .unwatch = input_unwatch,
        .drop = input_drop,
    };
    static const struct output_stream_ops output_ops = {
        .budget = output_budget,
        .write = output_write,
        .flush = output_flush,
        .flushing = output_flushing,
        .drop = output_drop,
    };
    struct tcp_input *input = mem_new(struct tcp_input);
    struct tcp_output *output = mem_new(struct tcp_output);
    input_stream_init(&input->base, &input_ops, NULL);
    output_stream_init(&output->base, &output_ops, NULL);
    sock_ref(&tcp->sock);
    sock_ref(&tcp->sock);
    input->tcp = output->tcp = tcp;
    tcp->input = input;
    tcp->output = output;
    *input_out = &input->base;
    *output_out = &output->base;
}

int tcp_shutdown(struct p2_sockets_tcp_tcp_socket *tcp, bool receive_side, bool send_side)
{
    if (receive_side && !tcp->receive_shut) {
        tcp->receive_shut = true;
        if (shutdown(tcp->sock.fd, SHUT_RD) < 0 && errno != ENOTCONN)
            return -errno;
        if (tcp->input)
            wasi_event_wake(&tcp->input->base.event);
    }
    if (!send_side || tcp->send_shut)
        return 0;
    tcp->send_shut = true;
    return has_pending(tcp) ? 0 : send_fin(tcp);
}

// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/types 0.3: TCP sockets, their connections and listeners.
#include <errno.h>

#include "wasi/p3_sockets.h"

typedef struct p3_sockets_types_tcp_socket tcp_socket;

static tcp_socket *socket_new(struct p2_sockets_tcp_tcp_socket *tcp)
{
    tcp_socket *self = mem_new(tcp_socket);
    self->tcp = tcp;
    if (tcp->state == TCP_CONNECTED)
        tcp_streams_new(tcp, &self->input, &self->output);
    return self;
}

static void socket_free(tcp_socket *self)
{
    if (self->input)
        self->input->ops->drop(self->input);
    if (self->output)
        self->output->ops->drop(self->output);
    sock_unref(&self->tcp->sock);
    free(self);
}

int p3_sockets_types_tcp_socket_drop(struct canon_call *call, tcp_socket *self)
{
    socket_free(self);
    return 0;
}

int p3_sockets_types_tcp_socket_create(
    struct canon_call *call, enum p3_sockets_types_ip_address_family address_family,
    struct p3_result_sockets_types_tcp_socket_sockets_types_error_code *ret)
{
    int family = address_family == P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV6 ? AF_INET6 : AF_INET;
    int fd = sock_open(wasi_of(call), family, SOCK_STREAM);
    if (fd < 0)
        return P3_SOCK_FAIL(ret, fd);
    ret->ok = socket_new(tcp_socket_new(wasi_of(call), fd, family, TCP_UNBOUND));
    return 0;
}

static int bind_to(struct p2_sockets_tcp_tcp_socket *tcp, const struct net_address *address)
{
    int rc = tcp_start_bind(tcp, address);
    if (rc == 0)
        tcp->state = TCP_BOUND;
    return rc;
}

int p3_sockets_types_tcp_socket_bind(struct canon_call *call, tcp_socket *self,
                                     const struct p3_sockets_types_ip_socket_address *local_address,
                                     p3_sock_result *ret)
{
    struct net_address address;
    p3_sock_address_in(local_address, &address);
    return p3_sock_answer(ret, bind_to(self->tcp, &address));
}

// ---- connect ------------------------------------------------------------------------------------

struct connecting {
    struct sock_watch watch;
    struct host_job *job;
    tcp_socket *socket; // lent until the job ends
    struct p2_sockets_tcp_tcp_socket *tcp;
    p3_sock_result *ret;
};

static void connecting_free(struct connecting *connecting)
{
    sock_watch_stop(&connecting->tcp->sock, &connecting->watch);
    sock_unref(&connecting->tcp->sock);
    free(connecting);
}

static int connected(tcp_socket *self)
{
    int rc = tcp_finish_connect(self->tcp);
    if (rc == 0)
        tcp_streams_new(self->tcp, &self->input, &self->output);
    return rc;
}

static void on_connected(struct sock_watch *watch)
{
    struct connecting *connecting = container_of(watch, struct connecting, watch);
    struct host_job *job = connecting->job;
    int rc = connected(connecting->socket);
    if (rc == -EAGAIN)
        return;
    (void)p3_sock_answer(connecting->ret, rc);
    connecting_free(connecting);
    host_job_done(job);
}

static void connect_cancelled(struct host_job *job)
{
    struct connecting *connecting = job->data;
    connecting->tcp->state = TCP_CLOSED;
    connecting_free(connecting);
    host_job_cancelled(job);
}

static void connect_dropped(struct host_job *job)
{
    connecting_free(job->data);
}

int p3_sockets_types_tcp_socket_connect(
    struct canon_call *call, struct host_job *job, tcp_socket *self,
    const struct p3_sockets_types_ip_socket_address *remote_address, p3_sock_result *ret)
{
    struct net_address address;
    p3_sock_address_in(remote_address, &address);
    int rc = tcp_start_connect(self->tcp, &address);
    if (rc == 0)
        rc = connected(self);
    if (rc != -EAGAIN)
        return p3_sock_answer(ret, rc);
    struct connecting *connecting = mem_new(struct connecting);
    *connecting = (struct connecting){.job = job, .socket = self, .tcp = self->tcp, .ret = ret};
    sock_ref(&self->tcp->sock);
    job->data = connecting;
    job->cancel = connect_cancelled;
    job->dropped = connect_dropped;
    sock_watch_start(&self->tcp->sock, &connecting->watch, LOOP_WRITABLE, on_connected);
    return CANON_PENDING;
}

// ---- listen -------------------------------------------------------------------------------------

struct listener {
    struct p2_sockets_tcp_tcp_socket *tcp;
    struct stream *stream;
    struct sock_watch watch;
    struct loop_timer retry;
};

static void on_connection(struct sock_watch *watch)
{
    struct listener *listener = container_of(watch, struct listener, watch);
    sock_watch_stop(&listener->tcp->sock, watch);
    stream_again(listener->stream); // lowering a handle may trap
}

static void on_retry(struct loop_timer *timer)
{
    stream_again(container_of(timer, struct listener, retry)->stream);
}

static void listener_pause(struct stream *stream, void *data)
{
    struct listener *listener = data;
    sock_watch_stop(&listener->tcp->sock, &listener->watch);
    loop_timer_stop(&listener->retry);
}

// One connection. Errors of a connection that went before it was accepted are skipped.
static int accept_next(struct listener *listener, struct p2_sockets_tcp_tcp_socket **out)
{
    int rc;
    do
        rc = tcp_accept(listener->tcp, out);
    while (rc == -ECONNABORTED);
    return rc;
}

static int listener_wanted(struct stream *stream, void *data)
{
    struct listener *listener = data;
    struct p2_sockets_tcp_tcp_socket *tcp = NULL;
    listener_pause(stream, data);
    int rc = -EAGAIN;
    if (stream_room(stream) > 0)
        rc = accept_next(listener, &tcp);
    else if (sock_is_ready(&listener->tcp->sock, LOOP_READABLE))
        return stream_wrote(stream, 0);
    if (rc == -EAGAIN) {
        sock_watch_start(&listener->tcp->sock, &listener->watch, LOOP_READABLE, on_connection);
        return 0;
    }
    if (rc < 0) {
        loop_timer_start(&listener->retry, LISTEN_RETRY_NS);
        return 0;
    }
    tcp_socket *accepted = socket_new(tcp);
    uint32_t written = 0;
    rc = stream_put(stream, &p3_codec_sockets_types_tcp_socket, &accepted, 1, &written);
    if (written == 0)
        socket_free(accepted);
    return rc;
}

static void listener_dropped(struct stream *stream, void *data)
{
    struct listener *listener = data;
    listener_pause(stream, data);
    loop_timer_done(&listener->retry);
    sock_unref(&listener->tcp->sock);
    free(listener);
}

static const struct stream_host_ops listener_ops = {
    .wanted = listener_wanted, .withdrawn = listener_pause, .dropped = listener_dropped};

static int start_listening(struct p2_sockets_tcp_tcp_socket *tcp)
{
    int rc = 0;
    if (tcp->state == TCP_UNBOUND) {
        struct net_address any;
        p3_sock_any_address(tcp->sock.family, &any);
        rc = bind_to(tcp, &any);
    }
    if (rc == 0)
        rc = tcp_start_listen(tcp);
    if (rc == 0)
        tcp->state = TCP_LISTENING;
    return rc;
}

int p3_sockets_types_tcp_socket_listen(
    struct canon_call *call, tcp_socket *self,
    struct p3_result_stream_sockets_types_tcp_socket_sockets_types_error_code *ret)
{
    int rc = start_listening(self->tcp);
    if (rc < 0)
        return P3_SOCK_FAIL(ret, rc);
    struct listener *listener = mem_new(struct listener);
    listener->tcp = self->tcp;
    sock_ref(&self->tcp->sock);
    loop_timer_init(&listener->retry, wasi_of(call)->loop, on_retry);
    listener->stream =
        stream_new(call->async, &p3_codec_sockets_types_tcp_socket, false, &listener_ops, listener);
    ret->ok = listener->stream;
    return 0;
}

// ---- send and receive ---------------------------------------------------------------------------

struct direction {
    struct p2_sockets_tcp_tcp_socket *tcp;
    struct p3_future *future;
    bool is_send;
};

static void transfer_done(void *data, struct p2_io_error_error *failure)
{
    struct direction *direction = data;
    p3_sock_result result = {0};
    (void)!tcp_shutdown(direction->tcp, !direction->is_send, direction->is_send);
    if (failure)
        (void)P3_SOCK_FAIL(&result, failure->code);
    io_error_free(failure);
    sock_unref(&direction->tcp->sock);
    p3_future_set(direction->future, &result);
    free(direction);
}

static struct direction *direction_new(tcp_socket *self, struct p3_future *future, bool is_send)
{
    struct direction *direction = mem_new(struct direction);
    *direction = (struct direction){self->tcp, future, is_send};
    sock_ref(&self->tcp->sock);
    return direction;
}

static struct p3_future *future_new(struct canon_call *call, struct stream **out)
{
    return p3_future_new(call->async, &p3_codec_result_void_sockets_types_error_code, NULL, out);
}

static void set_refused(struct p3_future *future)
{
    p3_sock_result result = {0};
    (void)P3_SOCK_FAIL(&result, -ENOTCONN);
    p3_future_set(future, &result);
}

int p3_sockets_types_tcp_socket_send(struct canon_call *call, tcp_socket *self, struct stream *data,
                                     struct stream **ret)
{
    struct p3_future *future = future_new(call, ret);
    if (!self->output) {
        set_refused(future);
        stream_close_reader(data);
        return 0;
    }
    return p3_write_to(call, data, TAKE(self->output), transfer_done,
                       direction_new(self, future, true));
}

int p3_sockets_types_tcp_socket_receive(
    struct canon_call *call, tcp_socket *self,
    struct p3_tuple_stream_u8_future_result_void_sockets_types_error_code *ret)
{
    struct p3_future *future = future_new(call, &ret->f1);
    if (self->input) {
        ret->f0 = p3_read_from(call, TAKE(self->input), transfer_done,
                               direction_new(self, future, false));
        return 0;
    }
    set_refused(future);
    ret->f0 = p3_stream_ended(call, &p3_codec_u8);
    return 0;
}

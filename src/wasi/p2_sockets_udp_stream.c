// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/udp 0.2: datagram streams.
#include "wasi/p2_sockets_udp.h"

// What both directions share; freed when handle and pollables are gone.
struct end {
    uint32_t refs;
    uint32_t generation; // of the socket when stream() made it
    unsigned events;     // LOOP_READABLE or LOOP_WRITABLE
    struct p2_sockets_udp_udp_socket *udp;
    struct wasi_event event;
    struct sock_watch watch;
};

struct p2_sockets_udp_incoming_datagram_stream {
    struct end end;
    int deferred; // negative errno that came behind datagrams
};
struct p2_sockets_udp_outgoing_datagram_stream {
    struct end end;
    uint64_t permit; // datagrams allowed by the last check-send and not yet sent
    bool is_permitted;
};

static void end_init(struct end *end, struct p2_sockets_udp_udp_socket *udp, unsigned events)
{
    sock_ref(&udp->sock);
    *end = (struct end){.refs = 1, .generation = udp->generation, .events = events, .udp = udp};
}

// True when it was the last reference.
static bool end_unref(struct end *end)
{
    if (--end->refs > 0)
        return false;
    sock_unref(&end->udp->sock);
    return true;
}

static int end_check(const struct end *end)
{
    return end->generation == end->udp->generation ? 0 : -ENOTCONN;
}

static bool end_ready(void *source)
{
    struct end *end = source;
    return end_check(end) < 0 || sock_is_ready(&end->udp->sock, end->events);
}

static void on_ready(struct sock_watch *watch)
{
    wasi_event_wake(&container_of(watch, struct end, watch)->event);
}

static void end_watch(void *source)
{
    struct end *end = source;
    sock_watch_start(&end->udp->sock, &end->watch, end->events, on_ready);
}

static void end_unwatch(void *source)
{
    struct end *end = source;
    sock_watch_stop(&end->udp->sock, &end->watch);
}

static struct p2_io_poll_pollable *end_subscribe(struct end *end, const struct pollable_ops *ops)
{
    end->refs++;
    return pollable_new(ops, end, &end->event);
}

// ---- incoming -----------------------------------------------------------------------------------

typedef struct p2_sockets_udp_incoming_datagram_stream incoming;

struct p2_sockets_udp_incoming_datagram_stream *udp_incoming_new(
    struct p2_sockets_udp_udp_socket *udp)
{
    incoming *stream = mem_new(incoming);
    end_init(&stream->end, udp, LOOP_READABLE);
    return stream;
}

static void incoming_unref(void *source)
{
    if (end_unref(source))
        free(container_of(source, incoming, end));
}

int p2_sockets_udp_incoming_datagram_stream_drop(struct canon_call *call, incoming *self)
{
    incoming_unref(&self->end);
    return 0;
}

static bool incoming_ready(void *source)
{
    return container_of(source, incoming, end)->deferred || end_ready(source);
}

int p2_sockets_udp_incoming_datagram_stream_subscribe(struct canon_call *call, incoming *self,
                                                      struct p2_io_poll_pollable **ret)
{
    static const struct pollable_ops ops = {
        .ready = incoming_ready,
        .watch = end_watch,
        .unwatch = end_unwatch,
        .drop = incoming_unref,
    };
    *ret = end_subscribe(&self->end, &ops);
    return 0;
}

// One datagram, or -EAGAIN, an error. Those of others that came before the association are skipped.
static int receive_one(const struct p2_sockets_udp_udp_socket *udp, struct arena *arena,
                       struct p2_sockets_udp_incoming_datagram *out)
{
    static _Thread_local char scratch[UDP_DATAGRAM_BYTES_MAX];
    struct net_address from;
    ssize_t len;
    do {
        from = (struct net_address){.len = sizeof(from.storage)};
        len = recvfrom(udp->sock.fd, scratch, sizeof(scratch), 0, (struct sockaddr *)&from.storage,
                       &from.len);
        if (len < 0 && errno != EINTR)
            return udp_error(errno);
    } while (len < 0 || (udp->state == UDP_CONNECTED && !sock_address_equal(&from, &udp->remote)));
    char *data = arena_try_alloc(arena, MAX((size_t)len, 1));
    if (!data)
        return -ENOMEM;
    memcpy(data, scratch, (size_t)len);
    out->data = str_of(data, (size_t)len);
    sock_address_out(&from, &out->remote_address);
    return 0;
}

int p2_sockets_udp_incoming_datagram_stream_receive(
    struct canon_call *call, incoming *self, uint64_t max_results,
    struct p2_result_list_sockets_udp_incoming_datagram_sockets_network_error_code *ret)
{
    struct p2_sockets_udp_incoming_datagram *list =
        arena_new_array(call->arena, struct p2_sockets_udp_incoming_datagram, UDP_DATAGRAMS_MAX);
    size_t len = 0, max = MIN(max_results, UDP_DATAGRAMS_MAX);
    int rc = end_check(&self->end);
    if (rc == 0 && max > 0) {
        rc = self->deferred;
        self->deferred = 0;
    }
    while (rc == 0 && len < max) {
        rc = receive_one(self->end.udp, call->arena, &list[len]);
        len += rc == 0;
    }
    if (rc == -EAGAIN)
        rc = 0;
    if (rc < 0 && len == 0)
        return SOCK_FAIL(ret, rc);
    self->deferred = rc < 0 ? rc : self->deferred;
    ret->ok = (struct p2_list_sockets_udp_incoming_datagram){list, len};
    return 0;
}

// ---- outgoing -----------------------------------------------------------------------------------

typedef struct p2_sockets_udp_outgoing_datagram_stream outgoing;

struct p2_sockets_udp_outgoing_datagram_stream *udp_outgoing_new(
    struct p2_sockets_udp_udp_socket *udp)
{
    outgoing *stream = mem_new(outgoing);
    end_init(&stream->end, udp, LOOP_WRITABLE);
    return stream;
}

static void outgoing_unref(void *source)
{
    if (end_unref(source))
        free(container_of(source, outgoing, end));
}

int p2_sockets_udp_outgoing_datagram_stream_drop(struct canon_call *call, outgoing *self)
{
    outgoing_unref(&self->end);
    return 0;
}

int p2_sockets_udp_outgoing_datagram_stream_subscribe(struct canon_call *call, outgoing *self,
                                                      struct p2_io_poll_pollable **ret)
{
    static const struct pollable_ops ops = {
        .ready = end_ready,
        .watch = end_watch,
        .unwatch = end_unwatch,
        .drop = outgoing_unref,
    };
    *ret = end_subscribe(&self->end, &ops);
    return 0;
}

int p2_sockets_udp_outgoing_datagram_stream_check_send(
    struct canon_call *call, outgoing *self, struct p2_result_u64_sockets_network_error_code *ret)
{
    int rc = end_check(&self->end);
    if (rc < 0)
        return SOCK_FAIL(ret, rc);
    bool has_room = sock_is_ready(&self->end.udp->sock, LOOP_WRITABLE);
    self->permit = has_room ? UDP_DATAGRAMS_MAX : 0;
    self->is_permitted = true;
    ret->ok = self->permit;
    return 0;
}

// Checks where a datagram goes; *to is set when it names a destination.
static int destination(struct p2_sockets_udp_udp_socket *udp,
                       const struct p2_option_sockets_network_ip_socket_address *wanted,
                       struct net_address *to)
{
    if (!wanted->is_some)
        return udp->state == UDP_CONNECTED ? 0 : -EDESTADDRREQ;
    sock_address_in(&wanted->some, to);
    int rc = sock_check_datagram_remote(to, udp->sock.family);
    if (rc < 0)
        return rc;
    if (udp->state == UDP_CONNECTED)
        return sock_address_equal(to, &udp->remote) ? 0 : -EINVAL;
    return sock_check_use(udp->sock.wasi, WASI_NETWORK_UDP_SEND, to, STR_EMPTY);
}

static int send_one(struct p2_sockets_udp_udp_socket *udp,
                    const struct p2_sockets_udp_outgoing_datagram *datagram)
{
    struct net_address to;
    int rc = destination(udp, &datagram->remote_address, &to);
    if (rc < 0)
        return rc;
    bool is_connected = udp->state == UDP_CONNECTED;
    ssize_t put;
    do
        put = sendto(udp->sock.fd, datagram->data.data, datagram->data.len, MSG_NOSIGNAL,
                     is_connected ? NULL : (const struct sockaddr *)&to.storage,
                     is_connected ? 0 : to.len);
    while (put < 0 && errno == EINTR);
    return put < 0 ? udp_error(errno) : 0;
}

int p2_sockets_udp_outgoing_datagram_stream_send(
    struct canon_call *call, outgoing *self, struct p2_list_sockets_udp_outgoing_datagram datagrams,
    struct p2_result_u64_sockets_network_error_code *ret)
{
    if (datagrams.len == 0)
        return 0;
    if (!self->is_permitted)
        return canon_trap(call, "send: no check-send came before");
    if (datagrams.len > self->permit)
        return canon_trap(call, "send: %zu datagrams, check-send permitted %llu", datagrams.len,
                          (unsigned long long)self->permit);
    self->permit -= datagrams.len;
    int rc = end_check(&self->end);
    size_t sent = 0;
    while (rc == 0 && sent < datagrams.len) {
        rc = send_one(self->end.udp, &datagrams.data[sent]);
        sent += rc == 0;
    }
    if (rc < 0 && rc != -EAGAIN && sent == 0)
        return SOCK_FAIL(ret, rc);
    ret->ok = sent;
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/types 0.3: UDP sockets.
#include "wasi/p2_sockets_udp.h"
#include "wasi/p3_sockets.h"

typedef struct p3_sockets_types_udp_socket udp_socket;
typedef struct p3_result_tuple_bytes_sockets_types_ip_socket_address_sockets_types_error_code
    receive_result;

struct p3_sockets_types_udp_socket {
    struct p2_sockets_udp_udp_socket udp; // first: it is freed by its destroy()
};

int p3_sockets_types_udp_socket_create(
    struct canon_call *call, enum p3_sockets_types_ip_address_family address_family,
    struct p3_result_sockets_types_udp_socket_sockets_types_error_code *ret)
{
    struct p2_result_sockets_udp_udp_socket_sockets_network_error_code from = {0};
    int rc = p2_sockets_udp_create_socket_create_udp_socket(
        call,
        address_family == P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV6
            ? P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6
            : P2_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4,
        &from);
    ret->is_err = from.is_err;
    if (from.is_err)
        ret->err = p3_sock_error_of(from.err);
    else
        ret->ok = container_of(from.ok, udp_socket, udp);
    return rc;
}

int p3_sockets_types_udp_socket_drop(struct canon_call *call, udp_socket *self)
{
    sock_unref(&self->udp.sock);
    return 0;
}

// ---- addresses ----------------------------------------------------------------------------------

int p3_sockets_types_udp_socket_bind(struct canon_call *call, udp_socket *self,
                                     const struct p3_sockets_types_ip_socket_address *local_address,
                                     p3_sock_result *ret)
{
    struct net_address address;
    p3_sock_address_in(local_address, &address);
    int rc = udp_start_bind(&self->udp, &address);
    if (rc == 0)
        self->udp.state = UDP_BOUND;
    return p3_sock_answer(ret, rc);
}

// To a free port of the kernel's choice; where datagrams may go is checked on its own.
static int implicit_bind(struct p2_sockets_udp_udp_socket *udp)
{
    if (udp->state != UDP_UNBOUND)
        return 0;
    struct net_address any;
    p3_sock_any_address(udp->sock.family, &any);
    int rc = sock_bind(&udp->sock, &any);
    if (rc == 0)
        rc = sock_local_address(&udp->sock, &udp->bound);
    if (rc == 0)
        udp->state = UDP_BOUND;
    return rc;
}

static int check_destination(struct p2_sockets_udp_udp_socket *udp, const struct net_address *to)
{
    int rc = sock_check_datagram_remote(to, udp->sock.family);
    return rc < 0 ? rc : sock_check_use(udp->sock.wasi, WASI_NETWORK_UDP_SEND, to, STR_EMPTY);
}

int p3_sockets_types_udp_socket_connect(
    struct canon_call *call, udp_socket *self,
    const struct p3_sockets_types_ip_socket_address *remote_address, p3_sock_result *ret)
{
    struct net_address address;
    p3_sock_address_in(remote_address, &address);
    int rc = check_destination(&self->udp, &address);
    if (rc == 0)
        rc = implicit_bind(&self->udp);
    if (rc == 0)
        rc = udp_associate(&self->udp, &address);
    return p3_sock_answer(ret, rc);
}

int p3_sockets_types_udp_socket_disconnect(struct canon_call *call, udp_socket *self,
                                           p3_sock_result *ret)
{
    int rc = self->udp.state == UDP_CONNECTED ? udp_disconnect(&self->udp) : -ENOTCONN;
    return p3_sock_answer(ret, rc);
}

// ---- send and receive ---------------------------------------------------------------------------

struct datagram_job {
    struct sock_watch watch;
    struct host_job *job;
    struct p2_sockets_udp_udp_socket *udp;
    struct net_address to; // len 0: where the socket is connected to
    struct str data;       // in the job's arena
    p3_sock_result *sent;
    receive_result *received;
};

static void datagram_job_free(struct datagram_job *waiting)
{
    sock_watch_stop(&waiting->udp->sock, &waiting->watch);
    sock_unref(&waiting->udp->sock);
    free(waiting);
}

static void job_cancelled(struct host_job *job)
{
    datagram_job_free(job->data);
    host_job_cancelled(job);
}

static void job_dropped(struct host_job *job)
{
    datagram_job_free(job->data);
}

static struct datagram_job *wait_for(struct host_job *job, struct p2_sockets_udp_udp_socket *udp)
{
    struct datagram_job *waiting = mem_new(struct datagram_job);
    *waiting = (struct datagram_job){.job = job, .udp = udp};
    sock_ref(&udp->sock);
    job->data = waiting;
    job->cancel = job_cancelled;
    job->dropped = job_dropped;
    return waiting;
}

static int send_to(struct p2_sockets_udp_udp_socket *udp, struct str data,
                   const struct net_address *to)
{
    ssize_t put;
    bool has_address = udp->state != UDP_CONNECTED && to->len > 0;
    do
        put = sendto(udp->sock.fd, data.data, data.len, MSG_NOSIGNAL,
                     has_address ? (const struct sockaddr *)&to->storage : NULL,
                     has_address ? to->len : 0);
    while (put < 0 && errno == EINTR);
    return put < 0 ? udp_error(errno) : 0;
}

static void on_writable(struct sock_watch *watch)
{
    struct datagram_job *waiting = container_of(watch, struct datagram_job, watch);
    struct host_job *job = waiting->job;
    int rc = send_to(waiting->udp, waiting->data, &waiting->to);
    if (rc == -EAGAIN)
        return;
    (void)p3_sock_answer(waiting->sent, rc);
    datagram_job_free(waiting);
    host_job_done(job);
}

static int destination(struct p2_sockets_udp_udp_socket *udp,
                       const struct p3_option_sockets_types_ip_socket_address *wanted,
                       struct net_address *to)
{
    *to = (struct net_address){0};
    if (!wanted->is_some)
        return udp->state == UDP_CONNECTED ? 0 : -EINVAL;
    p3_sock_address_in(&wanted->some, to);
    if (udp->state == UDP_CONNECTED && !sock_address_equal(to, &udp->remote))
        return -EINVAL;
    return check_destination(udp, to);
}

int p3_sockets_types_udp_socket_send(
    struct canon_call *call, struct host_job *job, udp_socket *self, struct str data,
    struct p3_option_sockets_types_ip_socket_address remote_address, p3_sock_result *ret)
{
    struct net_address to;
    int rc = destination(&self->udp, &remote_address, &to);
    if (rc == 0 && data.len > UDP_DATAGRAM_BYTES_MAX)
        rc = -EMSGSIZE;
    if (rc == 0)
        rc = implicit_bind(&self->udp);
    if (rc == 0)
        rc = send_to(&self->udp, data, &to);
    if (rc != -EAGAIN)
        return p3_sock_answer(ret, rc);
    struct datagram_job *waiting = wait_for(job, &self->udp);
    char *copy = arena_alloc(&job->arena, MAX(data.len, 1));
    memcpy(copy, data.data, data.len);
    waiting->data = str_of(copy, data.len);
    waiting->to = to;
    waiting->sent = ret;
    sock_watch_start(&self->udp.sock, &waiting->watch, LOOP_WRITABLE, on_writable);
    return CANON_PENDING;
}

// One datagram. Those of others that came before the socket was connected are skipped.
static int receive_one(struct p2_sockets_udp_udp_socket *udp, struct arena *arena,
                       receive_result *ret)
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
    char *data = arena_alloc(arena, MAX((size_t)len, 1));
    memcpy(data, scratch, (size_t)len);
    ret->ok.f0 = str_of(data, (size_t)len);
    p3_sock_address_out(&from, &ret->ok.f1);
    return 0;
}

static void on_readable(struct sock_watch *watch)
{
    struct datagram_job *waiting = container_of(watch, struct datagram_job, watch);
    struct host_job *job = waiting->job;
    int rc = receive_one(waiting->udp, &job->arena, waiting->received);
    if (rc == -EAGAIN)
        return;
    if (rc < 0)
        (void)P3_SOCK_FAIL(waiting->received, rc);
    datagram_job_free(waiting);
    host_job_done(job);
}

int p3_sockets_types_udp_socket_receive(struct canon_call *call, struct host_job *job,
                                        udp_socket *self, receive_result *ret)
{
    int rc = self->udp.state == UDP_UNBOUND ? -ENOTCONN : receive_one(&self->udp, &job->arena, ret);
    if (rc < 0 && rc != -EAGAIN)
        return P3_SOCK_FAIL(ret, rc);
    if (rc == 0)
        return 0;
    struct datagram_job *waiting = wait_for(job, &self->udp);
    waiting->received = ret;
    sock_watch_start(&self->udp.sock, &waiting->watch, LOOP_READABLE, on_readable);
    return CANON_PENDING;
}

// ---- what is as in 0.2 --------------------------------------------------------------------------

#define ADDRESS(side)                                                                              \
    int p3_sockets_types_udp_socket_get_##side##_address(                                          \
        struct canon_call *call, udp_socket *self,                                                 \
        struct p3_result_sockets_types_ip_socket_address_sockets_types_error_code *ret)            \
    {                                                                                              \
        struct p2_result_sockets_network_ip_socket_address_sockets_network_error_code from = {0};  \
        int rc = p2_sockets_udp_udp_socket_##side##_address(call, &self->udp, &from);              \
        ret->is_err = from.is_err;                                                                 \
        if (from.is_err)                                                                           \
            ret->err = p3_sock_error_of(from.err);                                                 \
        else                                                                                       \
            memcpy(&ret->ok, &from.ok, sizeof(ret->ok));                                           \
        return rc;                                                                                 \
    }
ADDRESS(local)
ADDRESS(remote)

int p3_sockets_types_udp_socket_get_address_family(struct canon_call *call, udp_socket *self,
                                                   enum p3_sockets_types_ip_address_family *ret)
{
    *ret = self->udp.sock.family == AF_INET6 ? P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV6
                                             : P3_SOCKETS_TYPES_IP_ADDRESS_FAMILY_IPV4;
    return 0;
}

#define OPTION(name, type, wit)                                                                    \
    int p3_sockets_types_udp_socket_get_##name(                                                    \
        struct canon_call *call, udp_socket *self,                                                 \
        struct p3_result_##wit##_sockets_types_error_code *ret)                                    \
    {                                                                                              \
        struct p2_result_##wit##_sockets_network_error_code from = {0};                            \
        int rc = p2_sockets_udp_udp_socket_##name(call, &self->udp, &from);                        \
        (void)P3_SOCK_PASS(ret, from);                                                             \
        return rc;                                                                                 \
    }                                                                                              \
    int p3_sockets_types_udp_socket_set_##name(struct canon_call *call, udp_socket *self,          \
                                               type value, p3_sock_result *ret)                    \
    {                                                                                              \
        struct p2_result_void_sockets_network_error_code from = {0};                               \
        int rc = p2_sockets_udp_udp_socket_set_##name(call, &self->udp, value, &from);             \
        (void)p3_sock_pass(ret, from);                                                             \
        return rc;                                                                                 \
    }

OPTION(unicast_hop_limit, uint8_t, u8)
OPTION(receive_buffer_size, uint64_t, u64)
OPTION(send_buffer_size, uint64_t, u64)

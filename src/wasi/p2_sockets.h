// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.2, shared by its files. Functions here return 0 or a negative errno, which
// sock_error_code() turns into what the guest is told. Two errnos stand for what POSIX has no
// number for: ESRCH is `not-in-progress`, EALREADY is `concurrency-conflict`.
//
// Lifetimes. A socket is counted by reference: its handle, its streams and its pollables hold one
// each, so they may be dropped in any order; the descriptor is closed with the last.
#pragma once

#include <sys/socket.h>

#include "net/address.h"
#include "wasi/io.h"
#include "wasi/wasi.h"

#define TCP_BACKLOG_DEFAULT   128
#define TCP_BACKLOG_MAX       4096
#define TCP_PENDING_BYTES_MAX ((size_t)64 * 1024) // written by the guest, not yet the kernel's
#define LOOKUP_NAME_BYTES_MAX 1024u // as the guest gives it; 253 in its ASCII form (RFC 1035 2.3.4)
#define LOOKUP_ADDRESSES_MAX  256u  // kept of one answer
// Under way at once, dropped ones included; more fail with temporary-resolver-failure.
#define LOOKUPS_PER_INSTANCE_MAX 16u
#define LOOKUPS_PER_THREAD_MAX   256u

// ---- errors and addresses -----------------------------------------------------------------------

enum p2_sockets_network_error_code sock_error_code(int rc);

// Fills a result with an error; for handlers that then return 0.
#define SOCK_FAIL(ret, rc)                                                                         \
    ({                                                                                             \
        (ret)->is_err = true;                                                                      \
        (ret)->err = sock_error_code(rc);                                                          \
        0;                                                                                         \
    })
// The same for a result without value, of 0 or a negative errno.
static inline int sock_answer(struct p2_result_void_sockets_network_error_code *ret, int rc)
{
    return rc < 0 ? SOCK_FAIL(ret, rc) : 0;
}

void sock_address_in(const struct p2_sockets_network_ip_socket_address *from,
                     struct net_address *to);
void sock_address_out(const struct net_address *from,
                      struct p2_sockets_network_ip_socket_address *to);
bool sock_address_equal(const struct net_address *a, const struct net_address *b);
// An address of that family, not IPv4-mapped and no group's or broadcast's; for remote ones neither
// unspecified nor without port. 0 or -EINVAL.
_must_use_ int sock_check_local(const struct net_address *address, int family);
_must_use_ int sock_check_remote(const struct net_address *address, int family);
// The same, groups and broadcast allowed.
_must_use_ int sock_check_datagram_local(const struct net_address *address, int family);
_must_use_ int sock_check_datagram_remote(const struct net_address *address, int family);

// Whether the workload's settings allow it: 0 or -EACCES. `use` is one of WASI_NETWORK_; `address`
// NULL for a name's lookup, then `name` is logged.
_must_use_ int sock_check_use(struct wasi *wasi, unsigned use, const struct net_address *address,
                              struct str name);

// ---- a descriptor on the loop -------------------------------------------------------------------

// Somebody who waits for readiness. The callback may stop its own watch, and no other.
struct sock_watch {
    struct sock_watch *next, **link; // link NULL: not watching
    unsigned events;                 // LOOP_READABLE, LOOP_WRITABLE
    void (*callback)(struct sock_watch *watch);
};

struct sock {
    uint32_t refs;
    int fd;
    int family;
    struct wasi *wasi;                  // that counts it
    void (*destroy)(struct sock *sock); // frees what embeds it, after the descriptor is closed
    struct loop_poll poll;
    bool has_poll;
    bool is_broken; // cannot be watched: always ready
    struct sock_watch *watches;
};

// A new non-blocking descriptor; -EMFILE at WASI_SOCKETS_MAX.
_must_use_ int sock_open(struct wasi *wasi, int family, int type);
bool sock_is_full(const struct wasi *wasi);
// Takes the descriptor, with one reference for the caller.
void sock_init(struct sock *sock, struct wasi *wasi, int fd, int family,
               void (*destroy)(struct sock *sock));
struct sock *sock_ref(struct sock *sock);
void sock_unref(struct sock *sock);

void sock_watch_start(struct sock *sock, struct sock_watch *watch, unsigned events,
                      void (*callback)(struct sock_watch *watch));
void sock_watch_stop(struct sock *sock, struct sock_watch *watch);
// Asks the kernel now; errors and hang-ups count as ready.
bool sock_is_ready(const struct sock *sock, unsigned events);

_must_use_ int sock_bind(struct sock *sock, const struct net_address *address);
_must_use_ int sock_local_address(const struct sock *sock, struct net_address *out);
_must_use_ int sock_remote_address(const struct sock *sock, struct net_address *out);

// ---- options ------------------------------------------------------------------------------------

_must_use_ int sock_get(const struct sock *sock, int level, int name, uint64_t *out);
_must_use_ int sock_set(const struct sock *sock, int level, int name, uint64_t value);
// SO_RCVBUF, SO_SNDBUF: the kernel doubles what is set; the guest sees what it set.
_must_use_ int sock_get_buffer(const struct sock *sock, int name, uint64_t *out);
_must_use_ int sock_set_buffer(const struct sock *sock, int name, uint64_t value);
_must_use_ int sock_get_hop_limit(const struct sock *sock, uint64_t *out);
_must_use_ int sock_set_hop_limit(const struct sock *sock, uint8_t value);

// ---- lookups ------------------------------------------------------------------------------------

// Gives up an instance's count of lookups, which those still under way share; NULL is fine.
void wasi_lookups_unref(struct wasi_lookups *lookups);

// ---- TCP ----------------------------------------------------------------------------------------

enum tcp_state {
    TCP_UNBOUND,
    TCP_BIND_STARTED,
    TCP_BOUND,
    TCP_LISTEN_STARTED,
    TCP_LISTENING,
    TCP_CONNECTING,
    TCP_CONNECTED,
    TCP_CLOSED, // a connection attempt failed
};

// The representation behind wasi:sockets/tcp.tcp-socket.
struct p2_sockets_tcp_tcp_socket {
    struct sock sock;
    enum tcp_state state;
    int backlog;
    struct wasi_event event; // of the socket's pollables
    struct sock_watch watch;
    // Connected.
    struct tcp_input *input;   // NULL: dropped
    struct tcp_output *output; // NULL: dropped
    struct sock_watch drain;   // while bytes are pending
    char *pending;             // TCP_PENDING_BYTES_MAX, made when the kernel first takes less
    size_t pending_start, pending_end;
    int send_failure; // negative errno
    bool receive_shut, send_shut;
};

static inline struct p2_sockets_tcp_tcp_socket *tcp_of(struct sock *sock)
{
    return container_of(sock, struct p2_sockets_tcp_tcp_socket, sock);
}

// The steps of both versions: 0 or a negative errno.
struct p2_sockets_tcp_tcp_socket *tcp_socket_new(struct wasi *wasi, int fd, int family,
                                                 enum tcp_state state);
_must_use_ int tcp_start_bind(struct p2_sockets_tcp_tcp_socket *tcp,
                              const struct net_address *address);
_must_use_ int tcp_start_connect(struct p2_sockets_tcp_tcp_socket *tcp,
                                 const struct net_address *address);
_must_use_ int tcp_finish_connect(struct p2_sockets_tcp_tcp_socket *tcp);
_must_use_ int tcp_start_listen(struct p2_sockets_tcp_tcp_socket *tcp);
// A new connection without streams yet; -EAGAIN when there is none, -ECONNABORTED when one went.
_must_use_ int tcp_accept(struct p2_sockets_tcp_tcp_socket *listener,
                          struct p2_sockets_tcp_tcp_socket **out);

void tcp_streams_new(struct p2_sockets_tcp_tcp_socket *tcp,
                     struct p2_io_streams_input_stream **input,
                     struct p2_io_streams_output_stream **output);
// FIN follows what is still pending.
_must_use_ int tcp_shutdown(struct p2_sockets_tcp_tcp_socket *tcp, bool receive, bool send);

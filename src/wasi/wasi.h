// SPDX-License-Identifier: Apache-2.0
// What WASI interfaces need to know of the instance they serve. `call->host` of every handler in
// this folder is a `struct wasi *`.
#pragma once

#include "component/canon.h"
#include "engine/instance.h"
#include "loop/loop.h"

struct http_client;
struct log_rate;    // wasi/log_rate.h
struct wasi_egress; // which hosts may be called, wasi/egress.h
struct wasi_tls;    // whom guests trust that speak TLS themselves, wasi/tls.h

struct wasi_env {
    struct str name;
    struct str value;
};

// A folder given to the guest. `fd` is open with O_PATH | O_DIRECTORY and stays the
// configuration's.
struct wasi_preopen {
    struct str guest_path;
    int fd;
    bool read_only;
};

// Where standard streams go. NULL: input is at its end, output is thrown away. INHERIT: the
// process's own. FD: descriptors named by the configuration, which stay the configuration's.
enum wasi_stdio { WASI_STDIO_NULL, WASI_STDIO_INHERIT, WASI_STDIO_FD };

// What of the network a guest may use. Deny by default: whatever no rule allows is refused with
// `access-denied`.
#define WASI_NETWORK_TCP_BIND    1u
#define WASI_NETWORK_TCP_CONNECT 2u
#define WASI_NETWORK_UDP_BIND    4u
#define WASI_NETWORK_UDP_SEND    8u
#define WASI_NETWORK_LOOKUP      16u // names; the rest of the rule does not matter
#define WASI_NETWORK_ALL         31u
struct wasi_network_rule {
    unsigned uses;       // WASI_NETWORK_
    uint8_t address[16]; // IPv4 addresses as ::ffff:a.b.c.d
    uint8_t prefix_bits; // of `address` that count; 0: every address
    uint16_t port_first, port_last;
};
struct wasi_network {
    const struct wasi_network_rule *rules;
    size_t rule_count;
};
extern const struct wasi_network wasi_network_all;
extern const struct wasi_network wasi_network_loopback; // any port there, no lookups
struct net_address;
// `address` NULL for lookups. NULL network allows nothing.
bool wasi_network_allows(const struct wasi_network *network, unsigned use,
                         const struct net_address *address);

#define WASI_DESCRIPTORS_MAX  1024u                // files that an instance has open, all together
#define WASI_SOCKETS_MAX      1024u                // the same of sockets
#define WASI_RANDOM_BYTES_MAX ((uint32_t)32 << 20) // in one call

// Settings of a workload; shared by its instances and threads, immutable. All text is valid UTF-8.
// A program that inherits standard streams ignores SIGPIPE, so that guests get an error instead.
struct wasi_config {
    struct str name; // of the workload, in its log lines
    // What wasi:config answers: made by wasi_settings_merge() of wasi/config.h.
    const struct wasi_env *settings;
    size_t setting_count;
    const struct wasi_env *env;
    size_t env_count;
    const struct str *args; // args[0] is the program's name
    size_t arg_count;
    const struct wasi_preopen *preopens;
    size_t preopen_count;
    struct str initial_cwd; // empty: none
    enum wasi_stdio stdin_mode;
    enum wasi_stdio stdout_mode;
    enum wasi_stdio stderr_mode;
    int stdin_fd, stdout_fd, stderr_fd; // for WASI_STDIO_FD
    // Output leaves in whole lines, so that those of concurrent instances do not mix; an unfinished
    // line waits for its end or for wasi_done(). For servers.
    bool line_output;
    struct log_rate *log_rate;          // of lines, where they are kept whole; NULL: no limit
    struct wasi_egress *egress;         // it counts; NULL: nothing may be called
    const struct wasi_network *network; // NULL: no sockets of the guest's own
    struct wasi_tls *tls;               // NULL: handshakes of wasi:tls fail
};

struct stdio_in;     // wasi/stdio_stream.h
struct wasi_lookups; // wasi/p2_sockets_lookup.c
struct stdio_out;

// State of one instance. The owner embeds it, keeps it as long as the instance and calls
// wasi_done() after instance_free().
struct wasi {
    const struct wasi_config *config;
    struct loop *loop;
    struct http_client *http_client; // of this thread; may be NULL when there is no egress
    struct stdio_in *in;             // made on first use
    struct stdio_out *out, *err;
    uint32_t descriptor_count;
    uint32_t socket_count;
    uint32_t tls_count;           // sessions of wasi:tls
    struct wasi_lookups *lookups; // made on first use
    uint64_t insecure_seed[2];    // drawn on first use
    bool has_insecure_seed;
    unsigned network_denials; // WASI_NETWORK_ uses whose refusal was logged
    uint64_t http_bytes;      // fields and bodies that wasi:http keeps for the guest
    uint32_t http_requests;   // that it sent and that have not ended
};

void wasi_init(struct wasi *wasi, const struct wasi_config *config, struct loop *loop,
               struct http_client *http_client);
// Writes out what standard output still holds: without `line_output` it waits for the reader.
void wasi_done(struct wasi *wasi);

static inline struct wasi *wasi_of(struct canon_call *call)
{
    return call->host;
}

// Offers all WASI 0.2 interfaces of this folder to the linker.
struct linker;
void wasi_p2_add_to_linker(struct linker *linker);
// The same of WASI 0.3.
void wasi_p3_add_to_linker(struct linker *linker);

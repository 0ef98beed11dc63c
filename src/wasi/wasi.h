// SPDX-License-Identifier: Apache-2.0
// What WASI interfaces need to know of the instance they serve. `call->host` of every handler in
// this folder is a `struct wasi *`.
#pragma once

#include "component/canon.h"
#include "engine/instance.h"
#include "loop/loop.h"

struct http_client;
struct wasi_egress; // which hosts may be called, wasi/egress.h

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

// Where standard streams go.
enum wasi_stdio { WASI_STDIO_NULL, WASI_STDIO_INHERIT };

// Settings of a workload; shared by its instances and threads, immutable.
struct wasi_config {
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
    const struct wasi_egress *egress; // NULL: nothing may be called
};

// State of one instance. The owner embeds it, keeps it as long as the instance and calls
// wasi_done() after instance_free().
struct wasi {
    const struct wasi_config *config;
    struct loop *loop;
    struct http_client *http_client; // of this thread; may be NULL when there is no egress
};

void wasi_init(struct wasi *wasi, const struct wasi_config *config, struct loop *loop,
               struct http_client *http_client);
void wasi_done(struct wasi *wasi);

static inline struct wasi *wasi_of(struct canon_call *call)
{
    return call->host;
}

// Offers all WASI 0.2 interfaces of this folder to the linker.
struct linker;
void wasi_p2_add_to_linker(struct linker *linker);
